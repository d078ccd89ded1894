"""Takes the pictures of docs/pictures: a service in Icinga Web 2, before and after it fails.

    .venv/test-python3.11/bin/python -m tools.pictures

Runs everything as its children on free loopback ports: the simulator, Icinga 2, MariaDB, Graphite,
Icinga Web 2 and Chromium.  Takes three minutes, most of them so that there is a curve to be seen.
Packages of Debian 12: icinga2-bin icinga2-ido-mysql icingacli icingaweb2 php-icinga mariadb-server
icingaweb2-module-monitoring icingaweb2-module-graphite graphite-carbon graphite-web chromium
fonts-dejavu-core php8.2-cli php8.2-mysql php8.2-xml php8.2-intl php8.2-mbstring php8.2-curl
php8.2-gd.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "engines")]

from running import (  # noqa: E402 found by the lines above
    CONTRIB,
    Authority,
    Icinga2,
    install_plugin,
)
from support.programs import find_program, wait_for  # noqa: E402
from surroundings import (  # noqa: E402
    MariaDB,
    start_carbon,
    start_graphite_web,
    start_icingaweb,
)

from simulator.mailbox import PASSWORD  # noqa: E402
from simulator.server import Simulator  # noqa: E402

HOST, SERVICE, DELIVERY = "mbx01.contoso.com", "mail acceptance", "mail delivery"
#: Seconds for which all is well, and for which it is not.
WELL, ILL = 90, 45
#: Seconds after which accepted mail is delivered at first, then ever later; ``None`` for never.
LAGS = ((0, 40), (2, 10), (5, 12), (9, 14), (None, 55), (0, 24))
DELAY = {"banner": 0.06, "mail": 0.03, "rcpt": 0.09, "message": 0.12}
REFUSAL = "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"


def photograph(address: str, picture: Path, height: int) -> None:
    """Have Chromium look at a page."""
    subprocess.run(
        [find_program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu",
         "--hide-scrollbars", "--disable-background-networking", "--no-first-run",
         f"--user-data-dir={tempfile.mkdtemp(dir=picture.parent)}",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         f"--window-size=1280,{height}", "--virtual-time-budget=15000",
         f"--screenshot={picture}", address],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def rest(seconds: float) -> None:
    """Let a curve be drawn."""
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + seconds, "a curve", seconds + 10)


def configuration(port: int, database: int, carbon: int) -> str:
    """One service, which is checked every two seconds."""
    command = (CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text()
    return f"""
object IdoMysqlConnection "ido" {{ host = "127.0.0.1"; port = {database}
  user = "test"; password = "test"; database = "icinga" }}
object GraphiteWriter "graphite" {{ host = "127.0.0.1"; port = {carbon}
  enable_send_thresholds = true }}
object Host "{HOST}" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1" }}
{command}
object Service "{SERVICE}" {{
  host_name = "{HOST}"
  check_command = "exchange_mailaccept"
  check_interval = 2s
  retry_interval = 2s
  max_check_attempts = 1
  vars.exchange_mailaccept_port = {port}
  vars.exchange_mailaccept_recipient = "mailaccept-probe@contoso.com"
  vars.exchange_mailaccept_warning = [ "0.5" ]
  vars.exchange_mailaccept_critical = [ "1" ]
}}
{Icinga2.ALONE}"""


def service_of(simulator: Simulator) -> str:
    """A service that looks into the mailbox of ``simulator`` too."""
    options = dict(zip(simulator.options[::2], simulator.options[1::2]))
    return f"""
object Service "{DELIVERY}" {{
  host_name = "{HOST}"
  check_command = "exchange_mailaccept"
  check_interval = 2s
  retry_interval = 2s
  max_check_attempts = 1
  vars.exchange_mailaccept_port = {simulator.port}
  vars.exchange_mailaccept_recipient = "mailaccept-probe@contoso.com"
  vars.exchange_mailaccept_timeout = 3
  vars.exchange_mailaccept_delivered = "{options["--delivered"].replace("$", "$$")}"
  vars.exchange_mailaccept_ca_file = "{options["--ca-file"]}"
  vars.exchange_mailaccept_mailbox_password = "{PASSWORD}"
  vars.exchange_mailaccept_warning = [ "delivered=15" ]
  vars.exchange_mailaccept_critical = [ "delivered=30" ]
}}
"""


def deliver_ever_later(simulator: Simulator) -> None:
    """Let accepted mail arrive at once, then later and later, then never, then at once again."""
    box = simulator.mailbox
    assert box is not None
    accept = type(box).accept
    begun = time.monotonic()

    def later(content: bytes, server: str) -> None:
        passed = time.monotonic() - begun
        for lag, seconds in LAGS:
            if passed < seconds or (lag, seconds) == LAGS[-1]:
                break
            passed -= seconds
        if lag is not None:
            threading.Timer(lag, accept, (box, content, server)).start()

    box.accept = later  # type: ignore[method-assign]


def draw_delivery(graphite: int, picture: Path) -> None:
    """Have Graphite draw what its template for Icinga Web draws of the mailbox."""
    values = f"icinga2.{HOST.replace('.', '_')}.services.{DELIVERY.replace(' ', '_')}"
    values += ".exchange_mailaccept.perfdata"
    targets = [
        f"alias(color({values}.delivered.value,'#1a7dd7'),'delivered')",
        f"alias(color({values}.delay.value,'#4b9b5f'),'delay')",
        f"alias(color({values}.delivered.warn,'#ffaa44'),'warning')",
        f"alias(color({values}.delivered.crit,'#ff5566'),'critical')",
    ]
    query = [
        *(("target", target) for target in targets),
        *(("from", f"-{sum(seconds for _, seconds in LAGS) - 25}s"), ("width", "900")),
        *(("height", "300"), ("lineWidth", "2"), ("bgcolor", "white"), ("fgcolor", "black")),
        *(("title", "Age of the newest probe that arrived, and its delay, s"), ("yMin", "0")),
        *(("lineMode", "connected"), ("fontName", "DejaVu Sans"), ("fontSize", "10")),
    ]
    address = f"http://127.0.0.1:{graphite}/render?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=60) as response:
        picture.write_bytes(response.read())


def take(directory: Path, running: list[Any]) -> None:
    """Start everything, wait, and take the pictures."""
    database = MariaDB(directory / "mariadb")
    running.append(database)
    database.create_ido()
    carbon, carbon_port = start_carbon(directory / "carbon", "4s:1h")
    running.append(carbon)
    graphite, graphite_port = start_graphite_web(directory / "carbon")
    running.append(graphite)
    well, ill = Simulator(delay=DELAY), Simulator(delay=DELAY, reply={"rcpt": REFUSAL})
    with well, ill, Simulator(mailbox="delivered") as delivering:
        icinga = Icinga2(
            directory / "icinga2",
            service_of(delivering) + configuration(well.port, database.port, carbon_port),
            Authority(),
            schedules=True,
        )
        install_plugin(directory / "icinga2" / "plugins")
        deliver_ever_later(delivering)
        icinga.start()
        running.append(icinga)
        report = {"type": "Host", "filter": "true", "exit_status": 0, "plugin_output": "up"}
        icinga.call("/v1/actions/process-check-result", report)
        web, port = start_icingaweb(directory / "web", database.port, icinga.port, graphite_port)
        running.append(web)
        service = SERVICE.replace(" ", "%20")
        page = f"http://127.0.0.1:{port}/monitoring/service/show?host={HOST}&service={service}"
        rest(WELL)
        photograph(f"{page}&graph_range=90", directory / "service-ok.png", 1120)
        icinga.call(
            f"/v1/objects/services/{HOST}!{service}",
            {"attrs": {"vars.exchange_mailaccept_port": ill.port}},
        )
        rest(ILL)
        photograph(f"{page}&graph_range={WELL + ILL}", directory / "service-failing.png", 780)
        rest(sum(seconds for _, seconds in LAGS) - WELL - ILL)
        draw_delivery(graphite_port, directory / "delivery.png")
        for picture in directory.glob("*.png"):
            (CHECKOUT / "docs" / "pictures" / picture.name).write_bytes(picture.read_bytes())
        # Before the servers that it tests.
        running.remove(icinga)
        icinga.stop()


def main() -> None:
    """Take the pictures, and leave nothing running."""
    running: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="pictures-", ignore_cleanup_errors=True) as name:
        try:
            take(Path(name), running)
        finally:
            for each in reversed(running):
                each.stop()


if __name__ == "__main__":
    main()

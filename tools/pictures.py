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
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests" / "engines"))

from running import (  # noqa: E402 found by the lines above
    CONTRIB,
    Authority,
    Icinga2,
    find_program,
    install_plugin,
    wait_for,
)
from surroundings import (  # noqa: E402
    MariaDB,
    start_carbon,
    start_graphite_web,
    start_icingaweb,
)

from simulator.server import Simulator  # noqa: E402

HOST, SERVICE = "mbx01.contoso.com", "mail acceptance"
#: Seconds for which all is well, and for which it is not.
WELL, ILL = 90, 45
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


def take(directory: Path, running: list[Any]) -> None:
    """Start everything, wait, and take the pictures."""
    database = MariaDB(directory / "mariadb")
    running.append(database)
    database.create_ido()
    carbon, carbon_port = start_carbon(directory / "carbon", "4s:1h")
    running.append(carbon)
    graphite, graphite_port = start_graphite_web(directory / "carbon")
    running.append(graphite)
    with Simulator(delay=DELAY) as well, Simulator(delay=DELAY, reply={"rcpt": REFUSAL}) as ill:
        icinga = Icinga2(
            directory / "icinga2",
            configuration(well.port, database.port, carbon_port),
            Authority(),
            schedules=True,
        )
        install_plugin(directory / "icinga2" / "plugins")
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
        for picture in directory.glob("service-*.png"):
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

#!/usr/bin/env python3
"""Takes the pictures of this directory: the service in Icinga Web 2, at its best and at its worst.

    .venv/test-python3.11/bin/python docs/pictures/take.py

Runs everything as its children on free loopback ports: the simulator, Icinga 2, MariaDB, Graphite,
Icinga Web 2 and Chromium.  Takes three minutes, most of them so that there is a curve to be seen.
Packages of Debian 12: icinga2-bin icinga2-ido-mysql icingacli icingaweb2 php-icinga mariadb-server
icingaweb2-module-monitoring icingaweb2-module-graphite graphite-carbon graphite-web chromium
fonts-dejavu-core php8.2-cli php8.2-mysql php8.2-xml php8.2-intl php8.2-mbstring php8.2-curl
php8.2-gd.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [
    str(CHECKOUT),
    str(CHECKOUT / "tests" / "engines"),
    str(CHECKOUT / "contrib" / "simulator"),
]

from exchange_simulator import Simulator  # noqa: E402 found by the lines above
from running import (  # noqa: E402
    CONTRIB,
    USER,
    Authority,
    Child,
    Icinga2,
    find_program,
    free_port,
    install_plugin,
    is_listening,
    wait_for,
)
from test_graphs import start_carbon  # noqa: E402

HOST, SERVICE = "mbx01.contoso.com", "mail acceptance"
#: Seconds for which a curve is made.
SECONDS = 100
MODULES = Path("/usr/share/icingaweb2/modules")


def start_mariadb(directory: Path) -> tuple[Child, int]:
    """A database server with Icinga's schema in it."""
    directory.mkdir()
    port = free_port()
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={directory}/data",
         "--auth-root-authentication-method=normal", "--skip-test-db", f"--user={USER}"],
        stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    child = Child(
        [find_program("mariadbd", "mariadb-server"), "--no-defaults",
         f"--datadir={directory}/data", f"--socket={directory}/socket",
         f"--pid-file={directory}/pid", "--bind-address=127.0.0.1", f"--port={port}",
         f"--user={USER}", "--innodb-flush-log-at-trx-commit=0"],
        directory / "log",
    )  # fmt: skip
    wait_for(lambda: is_listening(port), "MariaDB")
    client = ["mariadb", "--no-defaults", f"--socket={directory}/socket", "-u", "root"]
    statements = (
        "create database icinga character set latin1; create database icingaweb;"
        " create user i@'127.0.0.1' identified by 'i'; grant all on *.* to i@'127.0.0.1'"
    )
    subprocess.run([*client, "-e", statements], check=True)
    with Path("/usr/share/icinga2-ido-mysql/schema/mysql.sql").open() as schema:
        subprocess.run([*client, "icinga"], stdin=schema, check=True)
    return child, port


def start_graphite_web(directory: Path) -> tuple[Child, int]:
    """What draws the curves of carbon's files."""
    port = free_port()
    settings = f"""
SECRET_KEY = "pictures"
TIME_ZONE = "UTC"
GRAPHITE_ROOT = "/usr/share/graphite-web"
CONF_DIR = "{directory}/conf"
STORAGE_DIR = "{directory}"
STATIC_ROOT = "/usr/share/graphite-web/static"
LOG_DIR = "{directory}/log"
INDEX_FILE = "{directory}/index"
WHISPER_DIR = "{directory}/whisper"
CARBONLINK_HOSTS = []
DEFAULT_XFILES_FACTOR = 0
ALLOWED_HOSTS = ["*"]
DATABASES = {{
    "default": {{"NAME": "{directory}/graphite.db", "ENGINE": "django.db.backends.sqlite3"}}
}}
FUNCTION_PLUGINS = []
"""
    (directory / "conf" / "picture_settings.py").write_text(settings)
    environment = {
        "GRAPHITE_SETTINGS_MODULE": "picture_settings",
        "PYTHONPATH": str(directory / "conf"),
    }
    manage = ["/usr/bin/python3", "/usr/bin/graphite-manage"]
    subprocess.run(
        [*manage, "migrate", "--run-syncdb"],
        env={**os.environ, **environment}, check=True, capture_output=True,
    )  # fmt: skip
    child = Child(
        [*manage, "runserver", "--noreload", f"127.0.0.1:{port}"], directory / "web", environment
    )
    wait_for(lambda: is_listening(port), "Graphite's web")
    return child, port


def start_icingaweb(
    directory: Path, database: int, icinga: int, graphite: int
) -> tuple[Child, int]:
    """Icinga Web 2 with somebody logged on."""
    port = free_port()
    (directory / "enabledModules").mkdir(parents=True)
    for module in ("monitoring", "graphite"):
        (directory / "modules" / module).mkdir(parents=True)
        (directory / "enabledModules" / module).symlink_to(MODULES / module)
    templates = directory / "modules" / "graphite" / "templates"
    templates.mkdir()
    (templates / "exchange_mailaccept.ini").write_text(
        (CONTRIB / "icinga2" / "graphite.ini").read_text()
    )
    resource = (
        '[{name}]\ntype = "db"\ndb = "mysql"\nhost = "127.0.0.1"\nport = "{port}"\n'
        'dbname = "{name}"\nusername = "i"\npassword = "i"\n'
    )
    files = {
        "config.ini": f'[global]\nshow_stacktraces = "1"\nconfig_backend = "ini"\n'
        f'module_path = "{MODULES}"\n[logging]\nlog = "file"\nlevel = "ERROR"\n'
        f'file = "{directory}/log"\n',
        "resources.ini": resource.format(name="icinga", port=database),
        "authentication.ini": '[somebody]\nbackend = "external"\n',
        "roles.ini": '[all]\nusers = "oncall"\npermissions = "*"\n',
        "modules/monitoring/config.ini": "[security]\n"
        'protected_customvars = "*pw*,*pass*,*token*,community"\n',
        "modules/monitoring/backends.ini": '[icinga]\ntype = "ido"\nresource = "icinga"\n',
        "modules/monitoring/commandtransports.ini": '[icinga2]\ntransport = "api"\n'
        f'host = "127.0.0.1"\nport = "{icinga}"\nusername = "test"\npassword = "test"\n',
        "modules/graphite/config.ini": f'[graphite]\nurl = "http://127.0.0.1:{graphite}/"\n',
    }
    for name, text in files.items():
        (directory / name).write_text(text)
    child = Child(
        ["/usr/bin/php", "-S", f"127.0.0.1:{port}", "-t", "/usr/share/icingaweb2/public",
         "/usr/share/icingaweb2/public/index.php"],
        directory / "out",
        {"ICINGAWEB_CONFIGDIR": str(directory), "REMOTE_USER": "oncall"},
    )  # fmt: skip
    wait_for(lambda: is_listening(port), "Icinga Web")
    return child, port


def photograph(address: str, picture: Path, height: int) -> None:
    """Have Chromium look at a page."""
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-background-networking", "--no-first-run",
         f"--user-data-dir={tempfile.mkdtemp(dir=picture.parent)}",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         f"--window-size=1180,{height}", "--virtual-time-budget=15000",
         f"--screenshot={picture}", address],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def take(directory: Path, children: list[Child]) -> None:
    """Start everything, wait, and take the pictures."""
    database, database_port = start_mariadb(directory / "mariadb")
    children.append(database)
    (directory / "carbon").mkdir()
    carbon, carbon_port = start_carbon(directory / "carbon", "4s:1h")
    children.append(carbon)
    graphite, graphite_port = start_graphite_web(directory / "carbon")
    children.append(graphite)
    good = Simulator(delay={"banner": 0.06, "mail": 0.03, "rcpt": 0.09, "message": 0.12})
    bad = Simulator(reply={"mail": "452 4.3.1 Insufficient system resources"})
    with good, bad:
        command = (CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text()
        services = "".join(
            f"""
object Service "{name}" {{
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
"""
            for name, port in ((SERVICE, good.port), ("mail acceptance fails", bad.port))
        )
        icinga = Icinga2(
            directory / "icinga2",
            f"""
object IdoMysqlConnection "ido" {{ host = "127.0.0.1"; port = {database_port}
  user = "i"; password = "i"; database = "icinga" }}
object GraphiteWriter "graphite" {{ host = "127.0.0.1"; port = {carbon_port}
  enable_send_thresholds = true }}
object Host "{HOST}" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1" }}
{command}{services}{Icinga2.ALONE}""",
            Authority(),
        )  # fmt: skip
        install_plugin(directory / "icinga2" / "plugins")
        icinga.start()
        report = {"type": "Host", "filter": "true", "exit_status": 0, "plugin_output": "up"}
        icinga.call("/v1/actions/process-check-result", report)
        try:
            web, port = start_icingaweb(
                directory / "web", database_port, icinga.port, graphite_port
            )
            children.append(web)
            begun = time.monotonic()
            wait_for(lambda: time.monotonic() > begun + SECONDS, "a curve", SECONDS + 10)
            page = f"http://127.0.0.1:{port}/monitoring/service/show?host={HOST}&service="
            with urllib.request.urlopen(f"{page}mail%20acceptance") as answer:
                assert answer.status == 200
            for name, service, height in (
                ("service-ok", "mail%20acceptance&graph_range=120", 1120),
                ("service-failing", "mail%20acceptance%20fails&graph_range=120", 780),
            ):
                picture = directory / f"{name}.png"
                photograph(page + service, picture, height)
                (HERE / picture.name).write_bytes(picture.read_bytes())
        finally:
            icinga.stop()


def main() -> None:
    """Take the pictures, and leave nothing running."""
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="pictures-", ignore_cleanup_errors=True) as name:
        try:
            take(Path(name), children)
        finally:
            for child in reversed(children):
                child.stop()


if __name__ == "__main__":
    main()

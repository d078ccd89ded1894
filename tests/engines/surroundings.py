"""MariaDB, Graphite and Icinga Web 2 as children of the tests, with directories of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from running import CONTRIB, USER
from support.programs import PATIENCE, Child, find_program, free_port, unavailable

MODULES = Path("/usr/share/icingaweb2/modules")
IDO_SCHEMA = Path("/usr/share/icinga2-ido-mysql/schema/mysql.sql")


class MariaDB:
    """A database server; the user ``test`` with that password may do everything."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._client = find_program("mariadb", "mariadb-client")
        self._socket = directory / "socket"
        self.port = free_port()
        subprocess.run(
            [find_program("mariadb-install-db", "mariadb-server"), "--no-defaults",
             f"--datadir={directory}/data", "--auth-root-authentication-method=normal",
             "--skip-test-db", f"--user={USER}"],
            stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=PATIENCE,
        )  # fmt: skip
        self._child = Child(
            [find_program("mariadbd", "mariadb-server"), "--no-defaults",
             f"--datadir={directory}/data", f"--socket={self._socket}",
             f"--pid-file={directory}/pid", "--bind-address=127.0.0.1", f"--port={self.port}",
             f"--user={USER}", "--innodb-flush-log-at-trx-commit=0"],
            directory / "log",
        )  # fmt: skip
        self._child.wait_until_listening(self.port)
        self.ask("create user test@'127.0.0.1' identified by 'test'")
        self.ask("grant all on *.* to test@'127.0.0.1'")

    def ask(self, statements: str, database: str = "mysql") -> str:
        """What the statements answer."""
        done = subprocess.run(
            [self._client, "--no-defaults", f"--socket={self._socket}", "-u", "root", "-N",
             database],
            input=statements, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create_ido(self) -> None:
        """A database ``icinga`` with the schema of Icinga's IDO."""
        if not IDO_SCHEMA.exists():
            unavailable("the schema is not installed (apt install icinga2-ido-mysql)")
        self.ask("create database icinga character set latin1")
        self.ask(IDO_SCHEMA.read_text(), "icinga")

    def stop(self) -> None:
        self._child.stop()


def start_carbon(directory: Path, retention: str = "1s:1h") -> tuple[Child, int]:
    """What takes Graphite's metrics, and writes them to files below ``whisper``; its port."""
    port, query = free_port(), free_port()
    for name in ("conf", "whisper", "log", "run"):
        (directory / name).mkdir(parents=True)
    (directory / "conf" / "carbon.conf").write_text(
        f"[cache]\nSTORAGE_DIR = {directory}/\nLOCAL_DATA_DIR = {directory}/whisper/\n"
        f"CONF_DIR = {directory}/conf/\nLOG_DIR = {directory}/log/\nPID_DIR = {directory}/run/\n"
        "ENABLE_LOGROTATION = False\nUSER =\nMAX_CACHE_SIZE = inf\n"
        "MAX_UPDATES_PER_SECOND = 5000\nMAX_CREATES_PER_MINUTE = inf\n"
        f"LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {port}\n"
        "ENABLE_UDP_LISTENER = False\nPICKLE_RECEIVER_INTERFACE = 127.0.0.1\n"
        "PICKLE_RECEIVER_PORT = 0\nCACHE_QUERY_INTERFACE = 127.0.0.1\n"
        f"CACHE_QUERY_PORT = {query}\n"
    )
    (directory / "conf" / "storage-schemas.conf").write_text(
        f"[icinga2]\npattern = ^icinga2\\.\nretentions = {retention}\n"
    )
    child = Child(
        [find_program("carbon-cache", "graphite-carbon"),
         f"--config={directory}/conf/carbon.conf", f"--pidfile={directory}/run/carbon.pid",
         "--nodaemon", f"--logdir={directory}/log", "start"],
        directory / "out",
        {"GRAPHITE_STORAGE_DIR": str(directory), "GRAPHITE_CONF_DIR": str(directory / "conf"),
         # Not the one of the tests, in whose environment carbon is not.
         "PYTHONPATH": ""},
    )  # fmt: skip
    child.wait_until_listening(port)
    return child, port


def start_graphite_web(directory: Path) -> tuple[Child, int]:
    """What draws the curves of carbon's files in the same directory; its port."""
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
    (directory / "conf" / "settings_of_the_test.py").write_text(settings)
    environment = {
        "GRAPHITE_SETTINGS_MODULE": "settings_of_the_test",
        "PYTHONPATH": str(directory / "conf"),
    }
    # Debian's Python, for which it is installed.
    manage = ["/usr/bin/python3", find_program("graphite-manage", "graphite-web")]
    subprocess.run(
        [*manage, "migrate", "--run-syncdb"],
        env={**os.environ, **environment}, check=True, capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    child = Child(
        [*manage, "runserver", "--noreload", f"127.0.0.1:{port}"], directory / "web", environment
    )
    child.wait_until_listening(port)
    return child, port


def configure_icingaweb(
    directory: Path, modules: Sequence[str], files: Mapping[str, str], databases: Mapping[str, int]
) -> dict[str, str]:
    """Write a configuration of Icinga Web; returns the environment in which it is found.

    ``databases`` are names of databases to the ports of their servers.
    """
    (directory / "enabledModules").mkdir(parents=True)
    for module in modules:
        if not (MODULES / module).exists():
            unavailable(f"{module} is not installed (apt install icingaweb2-module-{module})")
        (directory / "modules" / module).mkdir(parents=True)
        (directory / "enabledModules" / module).symlink_to(MODULES / module)
    (directory / "config.ini").write_text(
        f'[global]\nshow_stacktraces = "1"\nconfig_backend = "ini"\nmodule_path = "{MODULES}"\n'
        f'[logging]\nlog = "file"\nlevel = "ERROR"\nfile = "{directory}/log"\n'
    )
    (directory / "resources.ini").write_text(
        "".join(
            f'[{name}]\ntype = "db"\ndb = "mysql"\nhost = "127.0.0.1"\nport = "{port}"\n'
            f'dbname = "{name}"\nusername = "test"\npassword = "test"\ncharset = "utf8"\n'
            for name, port in databases.items()
        )
    )
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return {"ICINGAWEB_CONFIGDIR": str(directory)}


def start_icingaweb(directory: Path, ido: int, icinga: int, graphite: int) -> tuple[Child, int]:
    """Icinga Web 2 with somebody logged on, and the shipped template of the graphs; its port."""
    files = {
        "authentication.ini": '[somebody]\nbackend = "external"\n',
        "roles.ini": '[all]\nusers = "oncall"\npermissions = "*"\n',
        "modules/monitoring/config.ini": "[security]\n"
        'protected_customvars = "*pw*,*pass*,*token*,community"\n',
        "modules/monitoring/backends.ini": '[icinga]\ntype = "ido"\nresource = "icinga"\n',
        "modules/monitoring/commandtransports.ini": '[icinga2]\ntransport = "api"\n'
        f'host = "127.0.0.1"\nport = "{icinga}"\nusername = "test"\npassword = "test"\n',
        "modules/graphite/config.ini": f'[graphite]\nurl = "http://127.0.0.1:{graphite}/"\n',
        "modules/graphite/templates/exchange_mailaccept.ini": (
            CONTRIB / "icinga2" / "graphite.ini"
        ).read_text(),
    }
    environment = configure_icingaweb(directory, ("monitoring", "graphite"), files, {"icinga": ido})
    port, public = free_port(), "/usr/share/icingaweb2/public"
    child = Child(
        [find_program("php", "php-cli"), "-S", f"127.0.0.1:{port}", "-t", public,
         f"{public}/index.php"],
        directory / "out",
        {**environment, "REMOTE_USER": "oncall"},
    )  # fmt: skip
    child.wait_until_listening(port)
    return child, port

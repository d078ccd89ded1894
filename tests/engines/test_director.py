"""The basket in a real Icinga Director, with a MariaDB of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import (
    CONTRIB,
    OK,
    PATIENCE,
    USER,
    Authority,
    Child,
    Icinga2,
    find_program,
    free_port,
    install_plugin,
    unavailable,
    wait_for,
)

from exchange_mailaccept.options import OPTIONS

BASKET = CONTRIB / "icinga2" / "director-basket.json"
MODULES = Path("/usr/share/icingaweb2/modules")


class Director:
    """Director's command line, and its database."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._icingacli = find_program("icingacli", "icingacli")
        for module in ("director", "incubator"):
            if not (MODULES / module).exists():
                unavailable(f"{module} is not installed (apt install icingaweb2-module-{module})")
        self._mariadb = find_program("mariadb", "mariadb-client")
        self._server = self._start_mariadb(free_port())
        self._configure()
        self.run("migration", "run")

    def _start_mariadb(self, port: int) -> Child:
        data = self._directory / "data"
        server = find_program("mariadbd", "mariadb-server")
        subprocess.run(
            [find_program("mariadb-install-db", "mariadb-server"), "--no-defaults",
             f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db",
             f"--user={USER}"],
            stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=PATIENCE,
        )  # fmt: skip
        child = Child(
            [server, "--no-defaults", f"--datadir={data}", f"--socket={self._directory}/socket",
             f"--pid-file={self._directory}/pid", "--bind-address=127.0.0.1", f"--port={port}",
             f"--user={USER}", "--innodb-flush-log-at-trx-commit=0"],
            self._directory / "mariadb.log",
        )  # fmt: skip
        self._port = port

        def is_ready() -> bool:
            child.check_running()
            return not self._client("select 1", check=False).returncode

        wait_for(is_ready, "MariaDB answers")
        self._client(
            "create database director character set utf8;"
            " create user director@'127.0.0.1' identified by 'director';"
            " grant all on director.* to director@'127.0.0.1'"
        )
        return child

    def _client(self, statement: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._mariadb, "--no-defaults", f"--socket={self._directory}/socket", "-u", "root",
             "-N", "-e", statement],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=check, timeout=PATIENCE,
        )  # fmt: skip

    def count(self, table: str) -> int:
        return int(self._client(f"select count(*) from director.{table}").stdout)

    def _configure(self) -> None:
        configuration = self._directory / "icingaweb2"
        (configuration / "enabledModules").mkdir(parents=True)
        (configuration / "modules" / "director").mkdir(parents=True)
        for module in ("director", "incubator"):
            (configuration / "enabledModules" / module).symlink_to(MODULES / module)
        (configuration / "config.ini").write_text(
            f'[global]\nshow_stacktraces = "1"\nmodule_path = "{MODULES}"\n'
            f'[logging]\nlog = "file"\nlevel = "ERROR"\nfile = "{self._directory}/web.log"\n'
        )
        (configuration / "resources.ini").write_text(
            f'[director]\ntype = "db"\ndb = "mysql"\nhost = "127.0.0.1"\nport = "{self._port}"\n'
            'dbname = "director"\nusername = "director"\npassword = "director"\ncharset = "utf8"\n'
        )
        (configuration / "modules" / "director" / "config.ini").write_text(
            '[db]\nresource = "director"\n'
        )

    def run(self, *words: str, fed: str = "") -> str:
        """``icingacli director ...``; what it printed."""
        done = subprocess.run(
            [self._icingacli, "director", *words],
            env={**os.environ, "ICINGAWEB_CONFIGDIR": str(self._directory / "icingaweb2")},
            input=fed, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def director(tmp_path_factory) -> Iterator[Director]:
    director = Director(tmp_path_factory.mktemp("director"))
    yield director
    director.stop()


@pytest.fixture(scope="module")
def imported(director) -> Director:
    director.run("basket", "restore", fed=BASKET.read_text())
    return director


def test_basket_is_imported_twice(imported):
    """The second time changes nothing: above all no field is there twice."""
    tables = ("icinga_command", "icinga_command_argument", "icinga_command_field",
              "icinga_service", "director_datafield")  # fmt: skip
    before = {table: imported.count(table) for table in tables}
    assert before["director_datafield"] == len(json.loads(BASKET.read_text())["Datafield"])
    assert before["icinga_command_field"] == before["director_datafield"]

    imported.run("basket", "restore", fed=BASKET.read_text())

    assert {table: imported.count(table) for table in tables} == before


def test_command_has_every_option(imported):
    shown = json.loads(imported.run("command", "show", "exchange_mailaccept", "--json"))
    flags = set(shown["arguments"])
    assert flags == {
        flag
        for option in OPTIONS
        if option.name not in ("help", "version")
        for flag in (("-v", "-vv", "-vvv") if option.name == "verbose" else (f"--{option.name}",))
    }


def test_rendered_command_runs(imported, tmp_path, authority: Authority, simulate):
    """What Director would deploy, in Icinga 2 itself."""
    rendered = imported.run("command", "show", "exchange_mailaccept", "--rendered")
    rendered += imported.run("service", "show", "tpl-service-exchange-mailaccept", "--rendered")
    assert re.search(r"\n    timeout = 5m\n", rendered)
    assert "Unsupported" not in rendered
    assert rendered.count('"/usr/lib/nagios/plugins/') == 1
    install_plugin(tmp_path / "plugins")
    rendered = rendered.replace("/usr/lib/nagios/plugins", str(tmp_path / "plugins"))
    server = simulate()
    rest = f"""
object Host "h" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1"; address6 = "::1" }}
template Service "common" {{
  import "tpl-service-exchange-mailaccept"
  host_name = "h"
  check_interval = 1d
  vars.exchange_mailaccept_port = "{server.port}"
  vars.exchange_mailaccept_recipient = "postmaster@contoso.com"
}}
object Service "address" {{ import "common"; vars.exchange_mailaccept_verbose = "1" }}
object Service "domain" {{ import "common"; vars.exchange_mailaccept_domain = "contoso.com"
  vars.exchange_mailaccept_nameserver = [ "127.0.0.1:9" ]; vars.exchange_mailaccept_timeout = "1" }}
object Service "both" {{ import "common"; vars.exchange_mailaccept_domain = "contoso.com"
  vars.exchange_mailaccept_hostname = "127.0.0.1" }}
object Service "hurried" {{ import "common"; check_timeout = 24s }}
object Service "six" {{ import "common"; vars.exchange_mailaccept_ipv6 = true }}
"""
    icinga = Icinga2(tmp_path, rendered + rest + Icinga2.ALONE, authority).start()
    try:
        checked = icinga.check("true")
    finally:
        icinga.stop()
    given = {name[2:]: each["last_check_result"]["command"] for name, each in checked.items()}
    assert checked["h!address"]["state"] == OK
    assert "-v" in given["address"]
    assert "\nStages at 127.0.0.1" in Icinga2.result(checked["h!address"]).text
    assert "--hostname" not in given["domain"]
    assert checked["h!both"]["state"] == OK
    assert given["address"][given["address"].index("--timeout") + 1] == "50"
    assert given["hurried"][given["hurried"].index("--timeout") + 1] == "20"
    assert given["six"][given["six"].index("--hostname") + 1] == "::1"

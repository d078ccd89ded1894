"""The basket in a real Icinga Director, with a MariaDB of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import CONTRIB, OK, Authority, Icinga2, install_plugin
from support.programs import PATIENCE, find_program
from surroundings import MariaDB, configure_icingaweb

from exchange_mailaccept.cli.table import OPTIONS

BASKET = CONTRIB / "icinga2" / "director-basket.json"


class Director:
    """Director's command line, and its database."""

    def __init__(self, directory: Path) -> None:
        self._icingacli = find_program("icingacli", "icingacli")
        self._server = MariaDB(directory / "mariadb")
        self._server.ask("create database director character set utf8")
        self._environment = configure_icingaweb(
            directory / "icingaweb2",
            ("director", "incubator"),
            {"modules/director/config.ini": '[db]\nresource = "director"\n'},
            {"director": self._server.port},
        )
        self.run("migration", "run")

    def count(self, table: str) -> int:
        return int(self._server.ask(f"select count(*) from {table}", "director"))

    def run(self, *words: str, fed: str = "") -> str:
        """``icingacli director ...``; what it printed."""
        done = subprocess.run(
            [self._icingacli, "director", *words],
            env={**os.environ, **self._environment},
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
    assert rendered.count('PluginDir + "/check_exchange_mailaccept"') == 1
    install_plugin(tmp_path / "plugins")
    rendered = rendered.replace("PluginDir", "PluginContribDir")
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
    given = {name[2:]: service["last_check_result"]["command"] for name, service in checked.items()}
    assert checked["h!address"]["state"] == OK
    assert "-v" in given["address"]
    assert "\nStages at 127.0.0.1" in Icinga2.result(checked["h!address"]).text
    assert "--hostname" not in given["domain"]
    assert checked["h!both"]["state"] == OK
    assert Icinga2.argument(checked["h!address"], "--timeout") == "50"
    assert Icinga2.argument(checked["h!hurried"], "--timeout") == "20"
    assert Icinga2.argument(checked["h!six"], "--hostname") == "::1"

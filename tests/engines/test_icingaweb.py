"""What whoever is on call sees: the service in a real Icinga Web 2, with the graphs of Graphite."""

from __future__ import annotations

import html
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from cases import BY_NAME, options_of
from running import CONTRIB, Icinga2, Result, install_plugin
from support.programs import wait_for
from surroundings import MariaDB, start_carbon, start_graphite_web, start_icingaweb

HOST = "mbx01.contoso.com"
#: Good, bad, and what would make Icinga Web take all of the text for HTML.
CASES = [BY_NAME[name] for name in ("accepts", "refuses", "thresholds", "markup", "macros")]


class Running(NamedTuple):
    """Icinga Web, and the results that it is to show."""

    port: int
    results: dict[str, Result]

    def get(self, path: str) -> tuple[str, bytes]:
        """Content type and body of a page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=90) as answer:
            return answer.headers["Content-Type"], answer.read()

    def page(self, service: str) -> str:
        words = urllib.parse.urlencode({"host": HOST, "service": service})
        return self.get(f"/monitoring/service/show?{words}&graph_range=120")[1].decode()


def service(name: str, options: dict[str, Any]) -> str:
    """A service that is only checked when the test wants it."""
    lines = "".join(
        f"  vars.exchange_mailaccept_{option} = {json.dumps(value)}\n"
        for option, value in options.items()
    )
    return f"""object Service "{name}" {{
  host_name = "{HOST}"
  check_command = "exchange_mailaccept"
  check_interval = 1d
  max_check_attempts = 1
{lines}}}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory, authority, simulate) -> Iterator[Running]:
    """All cases are checked until each has a curve."""
    directory = tmp_path_factory.mktemp("icingaweb")
    children = []
    try:
        database = MariaDB(directory / "mariadb")
        children.append(database)
        database.create_ido()
        carbon, carbon_port = start_carbon(directory / "carbon")
        children.append(carbon)
        graphite, graphite_port = start_graphite_web(directory / "carbon")
        children.append(graphite)
        services = "".join(
            service(case.name, options_of(case, simulate(**(case.server or {})).port))
            for case in CASES
        )
        command = (CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text()
        icinga = Icinga2(
            directory / "icinga2",
            command + services + f"""
object IdoMysqlConnection "ido" {{ host = "127.0.0.1"; port = {database.port}
  user = "test"; password = "test"; database = "icinga" }}
object GraphiteWriter "graphite" {{ host = "127.0.0.1"; port = {carbon_port}
  enable_send_thresholds = true }}
object Host "{HOST}" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1" }}
""" + Icinga2.ALONE,
            authority,
        )  # fmt: skip
        install_plugin(directory / "icinga2" / "plugins")
        icinga.start()
        children.append(icinga)
        web, port = start_icingaweb(
            directory / "icingaweb", database.port, icinga.port, graphite_port
        )
        children.append(web)
        whisper = directory / "carbon" / "whisper" / "icinga2"
        checked = {}

        def is_written() -> bool:
            # Again and again: what is checked before a writer has connected is not written.
            checked.update(icinga.check("true"))
            written = {path.parts[-5] for path in whisper.rglob("total/value.wsp")}
            return written == {case.name for case in CASES}

        wait_for(is_written, "files of Graphite for each service")
        results = {
            name.partition("!")[2]: Icinga2.result(service) for name, service in checked.items()
        }
        running = Running(port, results)

        for name, result in results.items():
            # It has an ID in each line of it, or the port.
            wait_for(
                lambda name=name, result=result: shown_text(running.page(name)) == as_shown(result),
                f"the newest result of {name} in Icinga Web",
            )
        yield running
    finally:
        for child in reversed(children):
            child.stop()


def as_shown(result: Result) -> str:
    """The text of a result, without the blank that Icinga leaves where the bar was."""
    return "\n".join(line.rstrip() for line in result.text.splitlines())


def shown_text(page: str) -> str:
    """The plugin's output as a page shows it: the first line, and those below it."""
    blocks = re.findall(r'<div class="plugin-output preformatted"[^>]*>(.*?)</div>', page, re.S)
    lines = "\n".join(html.unescape(block) for block in blocks).splitlines()
    return "\n".join(line.rstrip() for line in lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_line_is_shown(running, case):
    """As it was said, line by line, whatever the server had in it; and no word became a tag."""
    text = shown_text(running.page(case.name))
    assert re.fullmatch(case.first, text.splitlines()[0])
    assert text == as_shown(running.results[case.name])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_graphs_of_the_template_are_drawn(running, case):
    page = html.unescape(running.page(case.name))
    addresses = re.findall(r'data-actualimageurl="([^"]+)"', page)
    templates = [urllib.parse.parse_qs(address)["template"] for address in addresses]
    assert templates == [["exchange_mailaccept-stages"], ["exchange_mailaccept-total"]]
    for address in addresses:
        content_type, picture = running.get(address)
        assert content_type == "image/png"
        assert picture.startswith(b"\x89PNG")

"""Perfdata on their way to the graphs: through Icinga 2 to a real InfluxDB and a real Graphite.

Grafana itself is in no package of Debian.  What its dashboard asks is asked here.
"""

from __future__ import annotations

import configparser
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from running import CONTRIB, OK, Icinga2, install_plugin, replaced
from support.programs import Child, find_program, free_port, wait_for
from surroundings import start_carbon

DASHBOARD = CONTRIB / "grafana" / "dashboard.json"
TEMPLATE = CONTRIB / "icinga2" / "graphite.ini"
HOST, SERVICE = "mail1.contoso.com", "mail acceptance"
STAGES = "connect banner ehlo starttls auth mail rcpt data message".split()


class Databases(NamedTuple):
    """Where Icinga wrote to."""

    influxdb: int
    whisper: Path

    def ask(self, query: str, database: str = "icinga2", post: bool = False) -> list[Any]:
        """The series with which InfluxDB answers."""
        words = urllib.parse.urlencode({"db": database, "q": query})
        address = f"http://127.0.0.1:{self.influxdb}/query?{words}"
        with urllib.request.urlopen(address, data=b"" if post else None, timeout=30) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, f"{query}: {result}"
        return list(result.get("series", []))


def start_influxdb(directory: Path) -> tuple[Child, int]:
    port, other = free_port(), free_port()
    configuration = directory / "influxdb.conf"
    configuration.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{other}"\n'
        f'[meta]\n  dir = "{directory}/meta"\n'
        f'[data]\n  dir = "{directory}/data"\n  wal-dir = "{directory}/wal"\n'
        "[monitor]\n  store-enabled = false\n"
        f'[http]\n  bind-address = "127.0.0.1:{port}"\n  log-enabled = false\n'
    )
    program = find_program("influxd", "influxdb")
    return Child([program, "-config", str(configuration)], directory / "out"), port


@pytest.fixture(scope="module")
def databases(tmp_path_factory, authority, simulate) -> Iterator[Databases]:
    """Both, after some checks of a service with TLS, a logon, a mailbox and thresholds."""
    from simulator.mailbox import PASSWORD
    from simulator.poses import Credentials

    directory = tmp_path_factory.mktemp("graphs")
    children = []
    try:
        (directory / "influxdb").mkdir()
        influxdb, port = start_influxdb(directory / "influxdb")
        children.append(influxdb)
        carbon, carbon_port = start_carbon(directory / "carbon")
        children.append(carbon)
        databases = Databases(port, directory / "carbon" / "whisper")
        influxdb.wait_until_listening(port)
        databases.ask("CREATE DATABASE icinga2", post=True)

        server = simulate(
            tls="starttls",
            auth=("LOGIN",),
            credentials=Credentials("probe", "s3cr3t"),
            mailbox="delivered",
        )
        mailbox = dict(zip(server.options[::2], server.options[1::2]))
        writer = replaced(
            (CONTRIB / "icinga2" / "influxdb.conf").read_text(), {"8086": port, "= 10s": "= 1s"}
        )
        command = (CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text()
        icinga = Icinga2(
            directory / "icinga2",
            command + writer + f"""
object GraphiteWriter "graphite" {{ host = "127.0.0.1"; port = {carbon_port}
  enable_send_thresholds = true }}
object Host "{HOST}" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1" }}
template Service "probe" {{
  check_command = "exchange_mailaccept"
  host_name = "{HOST}"
  check_interval = 1d
  vars.exchange_mailaccept_port = {server.port}
  vars.exchange_mailaccept_recipient = "postmaster@contoso.com"
  vars.exchange_mailaccept_starttls = true
  vars.exchange_mailaccept_auth = "login"
  vars.exchange_mailaccept_user = "probe"
  vars.exchange_mailaccept_password = "s3cr3t"
  vars.exchange_mailaccept_delivered = [ "{mailbox["--delivered"]}" ]
  vars.exchange_mailaccept_mailbox_password = "{PASSWORD}"
  vars.exchange_mailaccept_ca_file = "{mailbox["--ca-file"]}"
  vars.exchange_mailaccept_certificate = "0"
  vars.exchange_mailaccept_warning = [ "30" ]
  vars.exchange_mailaccept_critical = [ "60" ]
}}
object Service "{SERVICE}" {{ import "probe" }}
object Service "every server" {{ import "probe"; vars.exchange_mailaccept_all_addresses = true }}
""" + Icinga2.ALONE,
            authority,
        )  # fmt: skip
        install_plugin(directory / "icinga2" / "plugins")
        icinga.start()
        try:
            path = databases.whisper / "icinga2"

            def is_written() -> bool:
                # Again and again: what is checked before a writer has connected is not written.
                for service in icinga.check("true").values():
                    assert service["state"] == OK, service["last_check_result"]["output"]
                points = databases.ask('SELECT * FROM "exchange_mailaccept" LIMIT 1')
                return bool(points and list(path.rglob("total/crit.wsp")))

            wait_for(is_written, "points of InfluxDB and files of Graphite")
        finally:
            icinga.stop()
        yield databases
    finally:
        for child in children:
            child.stop()


def queries() -> list[tuple[str, str]]:
    """Title and query of each variable and each panel of the dashboard."""
    dashboard = json.loads(DASHBOARD.read_text())
    variables = [
        (variable["name"], variable["query"])
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    ]
    panels = [(p["title"], t["query"]) for p in dashboard["panels"] for t in p["targets"]]
    return variables + panels


@pytest.mark.parametrize(("title", "query"), queries(), ids=[title for title, _ in queries()])
def test_query_of_the_dashboard(databases, title, query):
    """Each finds something, with what Grafana puts in the place of its variables."""
    service = "every server" if "each server" in title else SERVICE
    for theirs, ours in (
        ("$timeFilter", "time > now() - 1h"),
        ("$__interval", "10s"),
        ("$hostname", HOST.replace(".", "\\.")),
        ("$service", service),
    ):
        query = query.replace(theirs, ours)
    assert "$" not in query.replace("$/", "")
    series = databases.ask(query)
    assert sum(len(curve["values"]) for curve in series) > 0
    if title == "Seconds of each stage":
        assert {curve["tags"]["metric"] for curve in series} == set(STAGES)
    if title == "Seconds in all":
        _, total, warning, critical = series[0]["values"][-1]
        assert 0 < total < 30
        assert (warning, critical) == (30, 60)


def test_metrics_of_the_template(databases):
    """Every metric that Icinga Web is to draw is a file of Graphite's; that of MX alone is not."""
    template = configparser.ConfigParser(interpolation=None, delimiters="=")
    template.read(TEMPLATE)
    metrics = [
        (section, metric.strip('"'))
        for section in template.sections()
        if section.endswith(".metrics_filters")
        for metric in template[section].values()
    ]
    assert len(metrics) == 18
    where = databases.whisper / "icinga2" / "mail1_contoso_com" / "services" / "mail_acceptance"
    missing = []
    for _, metric in metrics:
        relative = metric.replace("$service_name_template$", "exchange_mailaccept")
        if not (where / (relative.replace(".", "/") + ".wsp")).is_file():
            missing.append(relative)
    assert missing == ["exchange_mailaccept.perfdata.mx.value"]


def test_template_is_complete():
    """Each graph has a title, metrics, and a function for each of its metrics."""
    template = configparser.ConfigParser(interpolation=None, delimiters="=")
    template.read(TEMPLATE)
    graphs = {section.rpartition(".")[0] for section in template.sections()}
    for graph in graphs:
        assert template[f"{graph}.graph"]["check_command"] == '"exchange_mailaccept"'
        assert set(template[f"{graph}.metrics_filters"]) == set(template[f"{graph}.functions"])
        # The module cuts a title at a colon.
        assert ":" not in template[f"{graph}.urlparams"]["title"]

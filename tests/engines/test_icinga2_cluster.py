"""Master, satellite and agent: the check runs where it must, and the result arrives."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from running import CONTRIB, CRITICAL, OK, Icinga2, Result, install_plugin, replaced
from support.programs import PATIENCE, free_port, wait_for

SHIPPED = CONTRIB / "icinga2"
#: Node to zone.
NODES = {
    "master1.example.com": "master",
    "satellite1.example.com": "satellite",
    "agent1.example.com": "agent1.example.com",
}
MASTER, SATELLITE, AGENT = NODES
EDGE = "edge01.contoso.com!mail acceptance"
BRANCH = "relay.branch.contoso.com!mail acceptance from the branch"
#: Service to the node that is to run it and the one that is to schedule it.
PLACES = {
    "mbx01.contoso.com!mail acceptance": (MASTER, MASTER),
    EDGE: (SATELLITE, SATELLITE),
    BRANCH: (AGENT, SATELLITE),
}


class Cluster(NamedTuple):
    nodes: dict[str, Icinga2]
    #: Node to the file that notes each run of the plugin there.
    notes: dict[str, Path]
    #: The program that sends the master's mail.
    sendmail: Path

    def check(self, name: str) -> dict[str, Any]:
        """Have a service checked by the node that schedules it; the master's view of it after."""
        master = self.nodes[MASTER]

        def seen() -> dict[str, Any]:
            return master.services("service.__name == name", name=name)[name]

        before = seen()["last_check"]
        # Not through the master: what is less than a minute up ignores a forced check from there.
        self.nodes[PLACES[name][1]].check("service.__name == name", name=name)

        def arrived() -> Any:
            attributes = seen()
            return attributes if attributes["last_check"] > before else None

        return dict(wait_for(arrived, f"the result of {name} at the master"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, authority, simulate) -> Iterator[Cluster]:
    """The shipped example, with the addresses of this machine."""
    directory = tmp_path_factory.mktemp("cluster")
    ports = {node: free_port() for node in NODES}
    zones = (SHIPPED / "distributed" / "zones.conf").read_text()
    for node, port in ports.items():
        zones = zones.replace(
            f'host = "{node}"', f'host = "127.0.0.1"\n\tport = {port}\n\tlog_duration = 1h'
        )
    zones = zones.replace("log_duration = 1h\n\tlog_duration = 0", "log_duration = 0")
    listener = (
        'object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = ApiPort\n'
        "  accept_config = true; accept_commands = true }\n"
    )
    nodes, notes = {}, {}
    for node, zone in NODES.items():
        home = directory / zone
        nodes[node] = Icinga2(
            home, zones + listener, authority, node=node, zone=zone, port=ports[node]
        )
        notes[node] = install_plugin(home / "plugins")
    configuration = directory / "master" / "etc" / "zones.d"
    shutil.copytree(SHIPPED / "distributed" / "zones.d", configuration, dirs_exist_ok=True)
    for name in ("exchange_mailaccept.conf", "services.conf", "dependencies.conf"):
        shutil.copy(SHIPPED / name, configuration / "global-templates")
    # Who is told, and how, the master alone knows.
    pages = (SHIPPED / "notifications.conf").read_text()
    (configuration / "master" / "notifications.conf").write_text(
        replaced(pages, {"/usr/sbin/sendmail": directory / "sendmail"})
    )
    shutil.copytree(SHIPPED / "scripts", directory / "master" / "etc" / "scripts")
    accepting = simulate()
    refusing = simulate(reply={"rcpt": "550 5.1.1 User unknown"})
    for path in configuration.glob("*/hosts.conf"):
        text = re.sub(r"192\.0\.2\.\d+", "127.0.0.1", path.read_text())
        port = refusing.port if path.parent.name == "satellite" else accepting.port
        text = text.replace(
            'check_command = "hostalive"',
            'check_command = "passive"\n\tenable_active_checks = false\n'
            f"\tvars.exchange_mailaccept_port = {port}\n"
            '\tvars.exchange_mailaccept_password = {{ "s3cr3t" }}',
        )
        path.write_text(text)
        if path.parent.name == "satellite":
            endpoint = "\n\tcommand_endpoint"
            path.write_text(replaced(text, {endpoint: f"\n\tcheck_timeout = 24s{endpoint}"}))
    nodes[MASTER].validate()
    try:
        for node in nodes.values():
            node.begin()
        for node in nodes.values():
            node.wait_until_ready()

        def is_complete() -> bool:
            # A node starts again when it gets its configuration, and answers nothing meanwhile.
            services = nodes[SATELLITE].services()
            commands = nodes[AGENT].call("/v1/objects/checkcommands")["results"]
            satellite = nodes[MASTER].call(f"/v1/objects/endpoints/{SATELLITE}")["results"]
            agent = nodes[SATELLITE].call(f"/v1/objects/endpoints/{AGENT}")["results"]
            return (
                sum(name in services for name in PLACES) >= 2
                and any(command["name"] == "exchange_mailaccept" for command in commands)
                and all(endpoint["attrs"]["connected"] for endpoint in (*satellite, *agent))
            )

        wait_for(is_complete, "the configuration at all nodes", 2 * PATIENCE)
        yield Cluster(nodes, notes, directory / "sendmail")
    finally:
        for node in nodes.values():
            node.stop()


@pytest.mark.parametrize("name", PLACES)
def test_check_runs_where_it_must_and_the_result_arrives(cluster, name):
    node, scheduler = PLACES[name]
    runs = cluster.notes[node].read_text().count("\n")

    attributes = cluster.check(name)

    last = attributes["last_check_result"]
    assert (last["check_source"], last["scheduling_source"]) == (node, scheduler)
    result: Result = Icinga2.result(attributes)
    if scheduler == MASTER:
        assert result.state == OK
    else:
        assert result.state == CRITICAL
        assert "refused RCPT mailaccept-probe@contoso.com: 550 5.1.1" in result.first
        assert "\nNext step: " in result.text
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "total"} <= set(result.labels)
    assert cluster.notes[node].read_text().count("\n") > runs


@pytest.mark.parametrize("name", [EDGE, BRANCH])
def test_the_master_pages(cluster, post_office, name):
    """For what the satellite and the agent found, and says where that was."""
    post_office.put_sendmail(cluster.sendmail)
    for _ in range(3):
        cluster.check(name)
    host, _, service = name.partition("!")
    page = post_office.wait_for_one(f"PROBLEM: {service} on {host}: MAILACCEPT CRITICAL - ")
    assert f"\nTested:  from {PLACES[name][0]}\n" in page.get_content()
    assert "\nNext step: " in page.get_content()


def test_the_agent_is_told_how_long_it_has(cluster):
    """The plugin's own limit follows the service's there too: Icinga would end it after 24 s."""
    last = cluster.check(BRANCH)["last_check_result"]
    argv = json.loads(cluster.notes[AGENT].read_text().splitlines()[-1])["argv"]
    assert argv == last["command"][1:]
    assert argv[argv.index("--timeout") + 1] == "20"


def test_secrets_travel_in_the_environment(cluster):
    cluster.check(BRANCH)
    noted = cluster.notes[AGENT].read_text()
    assert '"CHECK_EXCHANGE_MAILACCEPT_PASSWORD": "s3cr3t"' in noted
    assert "s3cr3t" not in "".join(re.findall(r'"argv": \[.*?\]', noted))

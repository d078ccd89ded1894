"""Several sessions through HAProxy: each node behind it is met, or it is said that one only is."""

from __future__ import annotations

import re

import pytest
from support.programs import find_program, free_port, wait_for

NODES = "mail1.test", "mail2.test"
CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 0
"""
#: How HAProxy shares connections out, and whether a third node is gone, by the name of a service.
SERVICES = {
    "in_turn": ("roundrobin", False),
    "one_is_gone": ("roundrobin", True),
    "by_source": ("source", False),
}


@pytest.fixture
def nodes(smtp_sink):
    """Two mail servers, each with a name of its own."""
    return [smtp_sink("-h", name) for name in NODES]


@pytest.fixture
def haproxy(launch, server_directory, nodes):
    """The ports of HAProxy by the names of its services."""
    directory = server_directory("haproxy")
    ports = {name: free_port() for name in SERVICES}
    behind, gone = [node.port for node in nodes], free_port()
    text = CONFIGURATION
    for name, (balance, one_is_gone) in SERVICES.items():
        text += f"listen {name}\n    bind 127.0.0.1:{ports[name]}\n    balance {balance}\n"
        for number, port in enumerate([*behind, *([gone] if one_is_gone else [])], 1):
            text += f"    server mail{number} 127.0.0.1:{port}\n"
    (directory / "haproxy.cfg").write_text(text)
    program = find_program("haproxy", package="haproxy")
    launch([program, "-db", "-f", "haproxy.cfg"], directory, ports["by_source"])
    return ports


ACCEPTED = r"127\.0\.0\.1 accepted mail for probe@mx\.test in #s"
SEEN = r" \(nodes seen in 6 connections: mail1 3, mail2 3\)"


@pytest.mark.parametrize(
    ("service", "options", "exit_code", "line", "messages"),
    [
        ("in_turn", (), 0, f"MAILACCEPT OK - {ACCEPTED}{SEEN}", 1),
        ("in_turn", ("--until", "rcpt"), 0, f"MAILACCEPT OK - .*{SEEN}", 0),
        # A single connection would have met it once in three checks.
        ("one_is_gone", (), 1, "MAILACCEPT WARNING - 2 of 6 connections to 127.0.0.1 failed;"
         f" nodes seen: mail1 2, mail2 2; .*; {ACCEPTED}", 1),
        # A balancer with affinity.
        ("by_source", (), 0,
         rf"MAILACCEPT OK - {ACCEPTED} \(one node seen in 6 connections: mail[12].*\)", 1),
    ],
)  # fmt: skip
def test_nodes_are_met(run_plugin, haproxy, nodes, service, options, exit_code, line, messages):
    run = run_plugin(
        *("-H", "127.0.0.1", "-p", str(haproxy[service]), "-r", "probe@mx.test"),
        *("--profile", "none", "--connections", "6", *options),
    )
    assert re.fullmatch(line, run.first_line), run.first_line
    assert run.exit_code == exit_code
    # The file of a transaction that was broken off goes after the session has ended.
    wait_for(lambda: sum(len(node.mail()) for node in nodes) == messages, f"{messages} messages")

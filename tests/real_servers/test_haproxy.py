"""Several sessions through HAProxy: each node behind it is met, or it is said that one only is."""

from __future__ import annotations

import pytest

NODES = "mail1.test", "mail2.test"
CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 0
listen in_turn
    bind 127.0.0.1:{in_turn}
    balance roundrobin
    server mail1 127.0.0.1:{first}
    server mail2 127.0.0.1:{second}
listen one_is_gone
    bind 127.0.0.1:{one_is_gone}
    balance roundrobin
    server mail1 127.0.0.1:{first}
    server mail2 127.0.0.1:{second}
    server mail3 127.0.0.1:{closed}
listen by_source
    bind 127.0.0.1:{by_source}
    balance source
    server mail1 127.0.0.1:{first}
    server mail2 127.0.0.1:{second}
"""


@pytest.fixture
def nodes(smtp_sink):
    """Two mail servers, each with a name of its own."""
    return [smtp_sink("-h", name) for name in NODES]


@pytest.fixture
def haproxy(find_program, launch, server_directory, free_port, nodes):
    """The ports of HAProxy by their names."""
    program = find_program("haproxy", package="haproxy")
    directory = server_directory("haproxy")
    ports = {name: free_port() for name in ("in_turn", "one_is_gone", "by_source", "closed")}
    behind = dict(zip(("first", "second"), (node.port for node in nodes)))
    configuration = directory / "haproxy.cfg"
    configuration.write_text(CONFIGURATION.format(**ports, **behind))
    command = [program, "-db", "-f", str(configuration)]
    launch(command, directory, "127.0.0.1", ports["by_source"])
    return ports


@pytest.fixture
def check(run_plugin, haproxy):
    def run(name, *arguments):
        return run_plugin(
            *("-H", "127.0.0.1", "-p", str(haproxy[name]), "-r", "probe@mx.test"),
            *("--profile", "none", "--connections", "6", *arguments),
        )

    return run


def messages(nodes, sink_mail):
    return sum(len(sink_mail(node)) for node in nodes)


def test_all_nodes_are_met(check, nodes, sink_mail):
    run = check("in_turn")

    assert run.exit_code == 0
    assert run.status.endswith("(nodes seen in 6 connections: mail1 3, mail2 3)")
    assert messages(nodes, sink_mail) == 1


def test_a_node_that_is_gone_is_a_warning(check, nodes, sink_mail):
    """A single connection would have met it once in three checks."""
    run = check("one_is_gone")

    assert run.exit_code == 1
    assert run.status.startswith(
        "MAILACCEPT WARNING - 2 of 6 connections to 127.0.0.1 failed; nodes seen: mail1 2, mail2 2;"
        " 127.0.0.1 "
    )
    assert "; 127.0.0.1 accepted mail for probe@mx.test in " in run.status
    assert messages(nodes, sink_mail) == 1


def test_a_balancer_with_affinity_shows_one_node(check, nodes, sink_mail):
    run = check("by_source")

    assert run.exit_code == 0
    assert "(one node seen in 6 connections: mail" in run.status
    assert messages(nodes, sink_mail) == 1


def test_up_to_rcpt_no_mail_is_sent(check, nodes, sink_mail):
    run = check("in_turn", "--until", "rcpt")

    assert run.exit_code == 0
    assert run.status.endswith("(nodes seen in 6 connections: mail1 3, mail2 3)")
    assert messages(nodes, sink_mail) == 0

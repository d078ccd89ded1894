"""What is given must not break out of its place: one line, UNKNOWN, and nothing on the wire."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Iterator

import pytest
from support.names import udp_and_tcp

from exchange_mailaccept.cli.table import OPTIONS

UNKNOWN = 3


class Listening:
    """A mail server and a name server at one port number, who only notice that somebody comes."""

    def __init__(self) -> None:
        self._sockets: tuple[socket.socket, socket.socket] = udp_and_tcp()
        port = self._sockets[1].getsockname()[1]
        self.arguments = ("-p", str(port), "--nameserver", f"127.0.0.1:{port}", "-t", "0.5")

    @property
    def heard(self) -> bool:
        """Whether a packet has come; on the loopback it has as soon as it was sent."""
        return bool(select.select(self._sockets, [], [], 0)[0])

    def close(self) -> None:
        for listener in self._sockets:
            listener.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    server = Listening()
    yield server
    server.close()


#: What brings a run to the servers.
WAYS = {
    "-H": ("-H", "127.0.0.1", "-r", "a@contoso.com", "-F", "probe.client.example"),
    "-d": ("-d", "contoso.com", "-F", "probe.client.example"),
}
#: Options that are refused as long as another is not there.
BESIDES = {"--client-key": ("--client-cert", "/etc/hosts")}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_not_refused_is_heard(plugin, listening, way):
    """Else it would say nothing that the others are not."""
    plugin(*WAYS[way], *listening.arguments)
    assert listening.heard


@pytest.mark.parametrize("flag", [option.flags[0] for option in OPTIONS if option.metavar])
@pytest.mark.parametrize(
    "evil",
    ["a\r\nDATA", "a\nDATA", "a\0|<b>`id`$(id)", "a\u2028b", "x" * 70_000],
    ids=["CR LF", "LF", "NUL and shell", "line separator", "long"],
)
def test_a_value_that_must_not_pass(plugin, listening, flag, evil):
    """Of every option that has one; a header needs a name before it."""
    value = f"X: {evil}" if flag == "--header" else evil
    words = [f"{flag}={value}"] if flag == "--extra-opts" else [flag, value]
    way = WAYS["-d" if flag in ("-d", "--expect-mx") else "-H"]
    run = plugin(*way, *listening.arguments, *BESIDES.get(flag, ()), *words)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert re.fullmatch(r"MAILACCEPT UNKNOWN - [ -~]{1,278}\n", run.stdout)
    assert not set(run.stdout) & set("|<>`$\\")
    assert not listening.heard

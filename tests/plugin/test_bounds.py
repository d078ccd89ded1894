"""Where the fault matrix does not reach, a run ends in time and takes no memory either.

In DNS, inside the handshake of TLS, and while we send to a server that does not read.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest
from support.measuring import MeasuredRun, run_measured
from support.plugin import BANNER, DATA, EHLO, MAIL, RCPT, first_line
from support.scripted_server import udp_and_tcp
from support.tls_servers import (
    GO,
    Peers,
    Talk,
    closing_peers,
    drip,
    flood,
    half_a_server_hello,
    offering,
)

CRITICAL, UNKNOWN = 2, 3
TIMEOUT = 2
#: Seconds that a run may last beyond its ``-t``.
LATE = 0.5
MEBIBYTE = 1024


def bounded(*argv: str, most: int) -> MeasuredRun:
    """Run the plugin, and hold it to its time and to so many MiB.

    A busy machine is late now and then; a run that does not end in time is so always.
    """
    for _ in range(5):
        run = run_measured(*argv, "-F", "probe.client.example", "-t", str(TIMEOUT))
        assert run.run.stderr == ""
        assert run.peak_kib < most * MEBIBYTE
        if run.seconds <= TIMEOUT + LATE:
            break
    assert run.seconds <= TIMEOUT + LATE
    return run


@pytest.fixture
def peers() -> Iterator[Peers]:
    """Servers that end with their test."""
    with closing_peers() as started:
        yield started


class Names:
    """A name server that answers as ``kind`` says, over UDP and TCP."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._datagrams, self._stream = udp_and_tcp()
        self.port: int = self._stream.getsockname()[1]
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._answer, self._drip)
        ]
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for each in self._threads:
            each.join()
        self._stream.close()
        self._datagrams.close()

    def _answer(self) -> None:
        while not self._ended.is_set():
            query, client = self._datagrams.recvfrom(4096)
            if not query or self._kind == "silence":
                continue
            if self._kind == "foreign ids":
                # Two seconds of them, and more.
                ends = time.monotonic() + 2 * TIMEOUT
                foreign = bytes([query[0] ^ 0xFF]) + query[1:]
                while time.monotonic() < ends and not self._ended.is_set():
                    self._datagrams.sendto(foreign, client)
                continue
            response = dns.message.make_response(dns.message.from_wire(query))
            response.flags |= dns.flags.TC
            self._datagrams.sendto(response.to_wire(), client)

    def _drip(self) -> None:
        while True:
            connection, _ = self._stream.accept()
            with connection:
                if self._ended.is_set():
                    return
                try:
                    connection.sendall(b"\xff\xff")
                    while not self._ended.wait(0.02):
                        connection.sendall(b"\0" if "drip" in self._kind else b"\0" * 65_536)
                except OSError:
                    # The client has gone.
                    continue


@pytest.mark.parametrize("kind", ["silence", "foreign ids", "TCP drips", "TCP floods"])
def test_dns(kind):
    """With dnspython, that takes its share."""
    names = Names(kind)
    run = bounded("-d", "contoso.com", "--nameserver", f"127.0.0.1:{names.port}", most=64)
    names.close()
    assert run.run.exit_code == UNKNOWN
    assert first_line(run.run).startswith("MAILACCEPT UNKNOWN - could not look up contoso.com: ")


@pytest.mark.parametrize("mode", ["-S", "-s"])
@pytest.mark.parametrize("after", [half_a_server_hello, drip, flood])
def test_the_handshake(peers, mode, after):
    """Half of it, a byte at a time, and without an end."""
    server = peers(offering(GO, after) if mode == "-S" else after)
    run = bounded("-H", "127.0.0.1", "-p", str(server.port), "-r", "a@contoso.com", mode, most=64)
    assert run.run.exit_code == CRITICAL
    assert re.match(r"MAILACCEPT CRITICAL - 127\.0\.0\.1 .*TLS", first_line(run.run))


def test_a_buffer_that_does_not_drain(tmp_path):
    """The message is larger than all buffers, and nobody reads it."""
    headers = "".join(f"header = X-{number}: {'x' * 900}\n" for number in range(300))
    ini = tmp_path / "plugins.ini"
    ini.write_text(f"[probe]\n{headers}")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # As on a real network; the loopback's segments of 64 KiB make for buffers of megabytes.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    ended = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            if ended.is_set():
                connection.close()
                return
            talk = Talk(connection, [])
            talk.tell(BANNER)
            for _, reply in (EHLO, MAIL, RCPT, DATA):
                talk.line()
                talk.tell(reply)
            waiting.append(connection)

    waiting: list[socket.socket] = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    run = bounded(
        "-H", "127.0.0.1", "-p", str(port), "-r", "a@contoso.com",
        f"--extra-opts=probe@{ini}", most=32,
    )  # fmt: skip
    ended.set()
    with socket.create_connection(("127.0.0.1", port)):
        thread.join()
    for each in (listener, *waiting):
        each.close()
    assert first_line(run.run) == (
        "MAILACCEPT CRITICAL - 127.0.0.1 did not answer the message within #s"
    )

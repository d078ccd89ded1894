"""Where the fault matrix does not reach, a run ends in time and takes no memory either.

In DNS, and while we send to a server that does not read; test_tls has the handshake.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest
from support.measuring import MeasuredRun, run_measured
from support.names import Answer
from support.plugin import BANNER, DATA, EHLO, MAIL, RCPT
from support.smtp import PATIENCE, Talk

UNKNOWN = 3
TIMEOUT = 1
#: Seconds that a run may last beyond its ``-t`` on a busy machine; one that hangs lasts longer.
LATE = 10
MEBIBYTE = 1024


def bounded(*argv: str, most: int) -> MeasuredRun:
    """Run the plugin, and hold it to its time and to so many MiB."""
    run = run_measured(*argv, "-F", "probe.client.example", "-t", str(TIMEOUT))
    assert run.run.stderr == ""
    assert run.peak_kib < most * MEBIBYTE
    assert run.seconds <= TIMEOUT + LATE
    return run


def truncated(query: bytes) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(query))
    response.flags |= dns.flags.TC
    return response.to_wire()


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


@pytest.mark.parametrize("kind", ["silence", "foreign ids", "TCP drips", "TCP floods"])
def test_dns(names, kind):
    """With dnspython, that takes its share."""

    def answer(query: bytes, tcp: bool) -> Answer:
        if tcp:
            return forever(b"\0" if kind == "TCP drips" else b"\xff\xff" + b"\0" * 65_536)
        if kind == "foreign ids":
            return forever(bytes([query[0] ^ 0xFF]) + query[1:])
        return None if kind == "silence" else truncated(query)

    run = bounded("-d", "contoso.com", *names(answer), most=64)
    assert run.run.exit_code == UNKNOWN
    assert run.run.first_line.startswith("MAILACCEPT UNKNOWN - could not look up contoso.com: ")


def test_a_buffer_that_does_not_drain(serve_carelessly, tmp_path):
    headers = "".join(f"header = X-{number}: {'x' * 900}\n" for number in range(300))
    ini = tmp_path / "plugins.ini"
    ini.write_text(f"[probe]\n{headers}")
    over = threading.Event()

    def play(talk: Talk) -> None:
        talk.tell(BANNER)
        for _, reply in (EHLO, MAIL, RCPT, DATA):
            talk.line()
            talk.tell(reply)
        over.wait(PATIENCE)

    server = serve_carelessly(play, room=4096)
    run = bounded(
        "-H", "127.0.0.1", "-p", str(server.port), "-r", "a@contoso.com",
        f"--extra-opts=probe@{ini}", most=32,
    )  # fmt: skip
    over.set()
    assert run.run.first_line == (
        "MAILACCEPT CRITICAL - 127.0.0.1 did not answer the message within #s"
    )

"""Clients of the simulator that show what it says."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from simulator.server import Simulator

NAME = "mail1.contoso.com"
#: What each stage's client sends, in order; nothing before the banner.
SENT = {
    "banner": b"",
    "ehlo": b"EHLO probe.example\r\n",
    "mail": b"MAIL FROM:<probe@client.example>\r\n",
    "rcpt": b"RCPT TO:<postmaster@contoso.com>\r\n",
    "data": b"DATA\r\n",
    "message": b"Message-ID: <1@client.example>\r\nSubject: probe\r\n\r\n.Hello\r\n.\r\n",
    "quit": b"QUIT\r\n",
}
STAGES = list(SENT)


class Client:
    """A client that sends what it is told and shows replies as they came."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.socket = socket.create_connection((simulator.host, simulator.port), timeout=30)
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def reply(self) -> str:
        """Read a reply, lines separated by newlines; empty when the server closed instead."""
        lines = []
        while True:
            line = self._file.readline()
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-" or not line[:3].isdigit():
                return "\n".join(lines)

    def send(self, data: bytes) -> str:
        """Send ``data`` and read the reply."""
        self.socket.sendall(data)
        return self.reply()

    def at(self, stage: str) -> str:
        """Go through the stages up to ``stage`` and return the reply there."""
        for earlier in STAGES[: STAGES.index(stage)]:
            assert self.send(SENT[earlier])[:1] in ("2", "3"), earlier
        return self.send(SENT[stage])


@contextlib.contextmanager
def client_of(**options: Any) -> Iterator[Client]:
    """A client of a simulator that has these options."""
    with Simulator(**options) as simulator, contextlib.closing(Client(simulator)) as client:
        yield client

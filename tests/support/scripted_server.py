"""The plugin as a process, and a small server that plays a script to it.

The server demands each line of the client and keeps what it got instead, so that a test fails on
what was said and not only on what came of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGIN = CHECKOUT / "check_exchange_mailaccept.py"
#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 30
#: As the reply of a step: say nothing more, and keep the connection open until the client goes.
SILENCE = None

#: What the client says, and what is answered; nothing is said before the banner.
Step = tuple[str, Optional[bytes]]


class PortOfAll:
    """A port at every address, for servers (with SO_REUSEADDR) that are to have the same one.

    It is held until it is closed, lest a connection to somewhere else be given it meanwhile.
    """

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("", 0))
        self.number: int = self._holder.getsockname()[1]

    def close(self) -> None:
        """Leave it to others."""
        self._holder.close()


class BlackHole:
    """A port of which nobody takes connections any more, so that packets to it are dropped."""

    def __init__(self, address: str, port: int) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(0)
        self._queued = [socket.socket() for _ in range(3)]
        for each in self._queued:
            each.setblocking(False)
            each.connect_ex((address, port))

    def close(self) -> None:
        for each in (*self._queued, self._listener):
            each.close()


def udp_and_tcp() -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket at one port, as a name server has them."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()


class PluginRun(NamedTuple):
    """What one run of the plugin left for Nagios to see."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def masked(self) -> str:
        """Standard output with each number of seconds as ``#s``, and each Message-ID as ``ID``."""
        text = re.sub(r"[0-9]+\.[0-9a-f]{20}@[0-9A-Za-z]+\.mailaccept", "ID", self.stdout)
        return re.sub(r" *[0-9]+(\.[0-9]+)?(e-[0-9]+)?s(?![A-Za-z0-9])", _seconds, text)


def _seconds(match: re.Match[str]) -> str:
    return " #s" if match[0].startswith(" ") else "#s"


def run_plugin(
    *arguments: str,
    environment: Optional[Mapping[str, str]] = None,
    python: Sequence[str] = (),
    **how: Any,
) -> PluginRun:
    """Run the plugin as Nagios does: a process of its own, and nothing to read."""
    settings: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "timeout": PATIENCE,
        "env": {**os.environ, **(environment or {})},
        **how,
    }
    done = subprocess.run([sys.executable, *python, str(PLUGIN), *arguments], **settings)
    return PluginRun(
        done.returncode,
        (done.stdout or b"").decode("ascii"),
        (done.stderr or b"").decode("ascii", "replace"),
    )


class ScriptedServer:
    """An SMTP server that plays a script, once for each connection.

    ``script`` begins with the banner; then come steps of what the client must say (a regular
    expression of one whole line, the line end not counted) and what it is answered.  A step whose
    expectation is ``MESSAGE`` reads lines up to the final dot, and ``{ID}`` in its reply becomes
    the message's Message-ID.  After the last step the server hangs up.
    """

    MESSAGE = "<message>"

    def __init__(
        self, banner: Optional[bytes], *script: Step, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._script = script
        self._banner = banner
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(8)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        #: What went otherwise than in the script, in words.
        self.mismatches: list[str] = []
        #: All lines of the client, line ends included.
        self.heard: list[bytes] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def message(self) -> bytes:
        """The mail data as they came, dots and the final dot included."""
        begin = self.heard.index(b"DATA\r\n") + 1
        return b"".join(self.heard[begin : self.heard.index(b".\r\n", begin) + 1])

    def close(self) -> None:
        """Take no more connections, and wait until the last one was heard to its end."""
        # Wakes a waiting accept(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._listener.close()
        assert not self._thread.is_alive(), "the client of the scripted server did not go"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(PATIENCE)
            with connection, connection.makefile("rb") as lines:
                try:
                    self._play(connection, lines)
                except OSError as error:
                    self.mismatches.append(f"the connection was lost: {error!r}")

    def _play(self, connection: socket.socket, lines: Any) -> None:
        if self._banner is None:
            self._rest(lines)
            return
        connection.sendall(self._banner)
        for expected, reply in self._script:
            heard = self._listen(expected, lines)
            if not re.fullmatch(self._pattern(expected), heard):
                self.mismatches.append(f"expected {expected!r}, heard {heard!r}")
                return
            if reply is SILENCE:
                self._rest(lines)
                return
            connection.sendall(reply.replace(b"{ID}", self._message_id()))
        if self._script and self._script[-1][0] == "QUIT":
            self._rest(lines)

    def _message_id(self) -> bytes:
        found = [line for line in self.heard if line.startswith(b"Message-ID: ")]
        return found[-1][len(b"Message-ID: ") :].strip() if found else b""

    def _pattern(self, expected: str) -> bytes:
        return rb"\.\r\n" if expected == self.MESSAGE else expected.encode() + rb"\r\n"

    def _listen(self, expected: str, lines: Any) -> bytes:
        while True:
            heard: bytes = lines.readline()
            self.heard.append(heard)
            if expected != self.MESSAGE or heard in (b".\r\n", b""):
                return heard

    def _rest(self, lines: Any) -> None:
        """What comes after the script: nothing may."""
        try:
            rest = lines.read()
        except ConnectionResetError:
            rest = b""
        if rest:
            self.mismatches.append(f"expected nothing more, heard {rest!r}")

r"""A server that plays one written dialogue over a real connection, and minds what the client says.

A dialogue is a list of lines, each with its speaker in front:

``S: text``
    The server says it, with CRLF behind.  Python's escapes (``\r \n \t \\ \xNN``) are bytes, and
    ``\c`` at the end leaves the CRLF out.  Lines that follow one another are one segment.
``C: text``
    The client must say it.  ``{ID}``, ``{DATE}`` and ``{VERSION}`` stand for what differs from run
    to run, and the whole of ``{MESSAGE}`` is the probe message with its final dot.
``~ event``
    ``closes``, ``resets``, ``shuts its side`` (and listens on), ``drips`` (what is said from here
    on comes a byte at a time), ``floods TEXT`` (without an end), ``drips TEXT`` (without an end,
    a byte at a time).

A server that has nothing to say is silent.  After the last line it waits for the client to go,
who must not say anything more.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from support.scripted_server import PATIENCE

#: Seconds between two bytes of a server that drips without an end.
BETWEEN_DRIPS = 0.05

MESSAGE_LINES = (
    "From: Mail acceptance test <ExMFA-MailAcceptTest@Fabrikam.com>",
    "To: <postmaster@contoso.com>",
    "Date: {DATE}",
    "Message-ID: {ID}",
    "Subject: Mail acceptance test",
    "Auto-Submitted: auto-generated",
    "X-Auto-Response-Suppress: All",
    "Precedence: bulk",
    "X-Exchange-Mailaccept: probe {VERSION}",
    "",
    "This message is a test of whether this server accepts mail.",
    "It was sent by a monitoring system. It needs no answer and can be deleted.",
    ".",
)
_PLACEHOLDERS = {
    "{ID}": rb"<[0-9]+\.[0-9a-f]{20}@[0-9A-Za-z]+\.mailaccept>",
    "{DATE}": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4}"
    rb" [0-9]{2}:[0-9]{2}:[0-9]{2} \+0000",
    "{VERSION}": rb"[0-9]+(?:\.[0-9]+)+\S*",
}

#: Wraps the connection before the first line: ``ssl.SSLContext.wrap_socket`` with its arguments.
Secure = Callable[[socket.socket], socket.socket]


class Line(NamedTuple):
    """One line of a dialogue."""

    #: ``S``, ``C`` or ``~``.
    speaker: str
    text: str


def lines_of(text: str) -> tuple[Line, ...]:
    """Read a dialogue; comments begin with ``#``, and empty lines mean nothing."""
    found: list[Line] = []
    for line in text.splitlines():
        speaker, separator, said = line.partition(" ")
        if not line.strip() or speaker.startswith("#"):
            continue
        if speaker not in ("S:", "C:", "~"):
            raise ValueError(f"nobody says this: {line!r}")
        if said == "{MESSAGE}":
            found += [Line("C", each) for each in MESSAGE_LINES]
        else:
            found.append(Line(speaker[0], said if separator else ""))
    return tuple(found)


def wire(said: str) -> bytes:
    """What a line of the server is on the wire."""
    text, cut = (said[:-2], True) if said.endswith(r"\c") else (said, False)
    data = codecs.escape_decode(text.encode("utf-8"))[0]  # type: ignore[attr-defined]
    return bytes(data) + (b"" if cut else b"\r\n")


def _pattern(said: str) -> bytes:
    parts = re.split(r"(\{[A-Z]+\})", said)
    return b"".join(_PLACEHOLDERS.get(part) or re.escape(part.encode()) for part in parts)


class DialogueServer:
    """Plays ``lines`` to the first client that comes, on a port of its own."""

    def __init__(self, lines: Sequence[Line], secure: Optional[Secure] = None) -> None:
        self._lines = lines
        self._secure = secure
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        #: What the client has said, its line ends not counted.
        self.heard: list[bytes] = []
        #: What went otherwise than in the dialogue, in words.
        self.mismatches: list[str] = []
        self._message_id = b""
        self._dripping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until the dialogue is over."""
        # Wakes a waiting accept(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._listener.close()
        if self._thread.is_alive():
            self.mismatches.append("the client did not go")

    def _serve(self) -> None:
        try:
            plain, _ = self._listener.accept()
        except OSError:
            self.mismatches.append("nobody came")
            return
        plain.settimeout(PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection = self._secure(plain) if self._secure else plain
            with connection, connection.makefile("rb") as listening:
                self._play(connection, listening)
        except OSError as error:
            self.mismatches.append(f"the connection was lost: {error!r}")

    def _play(self, connection: socket.socket, listening: Any) -> None:
        segment = b""
        for speaker, text in self._lines:
            if speaker == "S":
                segment += wire(text)
                continue
            self._say(connection, segment)
            segment = b""
            if speaker == "C":
                if not self._hear(text, listening):
                    return
            elif self._end(connection, text):
                return
        self._say(connection, segment)
        self._rest(listening)

    def _say(self, connection: socket.socket, segment: bytes) -> None:
        segment = segment.replace(b"{ID}", self._message_id)
        if self._dripping:
            for each in segment:
                connection.sendall(bytes([each]))
        elif segment:
            connection.sendall(segment)

    def _hear(self, expected: str, listening: Any) -> bool:
        """Take one line of the client; whether it is the expected one."""
        said: bytes = listening.readline()
        if said:
            self.heard.append(said.removesuffix(b"\n").removesuffix(b"\r"))
        if said.startswith(b"Message-ID: "):
            self._message_id = said[len(b"Message-ID: ") :].strip()
        if re.fullmatch(_pattern(expected) + rb"\r\n", said):
            return True
        self.mismatches.append(f"expected {expected!r}, heard {said!r}")
        return False

    def _end(self, connection: socket.socket, event: str) -> bool:
        """Do what the dialogue says; whether that was the end of it."""
        what, _, text = event.partition(" ")
        if event == "closes":
            return True
        if event == "resets":
            # A linger time of nothing: the connection ends with RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return True
        if event == "shuts its side":
            # Of TCP alone: an SSLSocket would go on in plain text.
            socket.socket.shutdown(connection, socket.SHUT_WR)
            return False
        if event == "drips":
            self._dripping = True
            return False
        if what == "floods":
            self._flood(connection, wire(text))
            return True
        if what == "drips":
            self._drip(connection, wire(text))
            return True
        raise ValueError(f"what is {event!r}?")

    def _flood(self, connection: socket.socket, segment: bytes) -> None:
        """Until the client goes."""
        segment *= max(1, 65_536 // len(segment))
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(segment)

    def _drip(self, connection: socket.socket, segment: bytes) -> None:
        """Until the client goes, which is noticed when it resets what comes too late."""
        gone = threading.Event()
        with contextlib.suppress(OSError):
            while True:
                for each in segment:
                    connection.sendall(bytes([each]))
                    gone.wait(BETWEEN_DRIPS)

    def _rest(self, listening: Any) -> None:
        """What comes after the dialogue: nothing may."""
        try:
            rest = listening.read()
        except ConnectionResetError:
            rest = b""
        if rest:
            self.mismatches.append(f"expected nothing more, heard {rest!r}")

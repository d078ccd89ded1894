r"""What the SMTP server of the tests does: functions for :class:`support.smtp.Server`.

* :func:`script`: a banner, then steps of what the client must say and what it is answered;
* :func:`dialogue`: the same written down line by line, with everything that can go wrong;
* :func:`smtp`: a server that takes all mail, with :class:`Manners` of its own.

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

A server that has nothing to say is silent, and after the last line waits for the client to go.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from support.smtp import Play, Server, Talk

#: As the reply of a step: say nothing more, and keep the connection open until the client goes.
SILENCE = None
#: What the client must say, and what it is answered.
Step = tuple[str, Optional[bytes]]

#: In place of what the client must say: a message.
MESSAGE = "<message>"
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


class Line(NamedTuple):
    """One line of a dialogue."""

    #: ``S``, ``C`` or ``~``.
    speaker: str
    text: str


def lines_of(text: str) -> tuple[Line, ...]:
    """Read a dialogue; comments begin with ``#``, and empty lines mean nothing."""
    lines: list[Line] = []
    for line in text.splitlines():
        speaker, separator, said = line.partition(" ")
        if not line.strip() or speaker.startswith("#"):
            continue
        if speaker not in ("S:", "C:", "~"):
            raise ValueError(f"nobody says this: {line!r}")
        if said == "{MESSAGE}":
            lines += [Line("C", line) for line in MESSAGE_LINES]
        else:
            lines.append(Line(speaker[0], said if separator else ""))
    return tuple(lines)


def _wire(said: str) -> bytes:
    """What a line of the server is on the wire."""
    text, cut = (said[:-2], True) if said.endswith(r"\c") else (said, False)
    data = codecs.escape_decode(text.encode("utf-8"))[0]  # type: ignore[attr-defined]
    return bytes(data) + (b"" if cut else b"\r\n")


def _pattern(said: str) -> bytes:
    parts = re.split(r"(\{[A-Z]+\})", said)
    return b"".join(_PLACEHOLDERS.get(part) or re.escape(part.encode()) for part in parts)


class _Player:
    """Plays one connection, and minds what the client says."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._message_id = b""
        self._dripping = False

    def say(self, segment: bytes) -> None:
        segment = segment.replace(b"{ID}", self._message_id)
        if self._dripping:
            self._talk.drip(segment)
        elif segment:
            self._talk.tell(segment)

    def hear(self, pattern: bytes, expected: str) -> None:
        """Take one line of the client, or a message up to its final dot."""
        line = b""
        while not line or (expected == MESSAGE and line != b".\r\n"):
            try:
                line = self._talk.whole_line()
            except ConnectionAbortedError:
                raise AssertionError(f"expected {expected!r}, and the client went") from None
            if line.startswith(b"Message-ID: "):
                self._message_id = line[len(b"Message-ID: ") :].strip()
        assert re.fullmatch(pattern + rb"\r\n", line), f"expected {expected!r}, heard {line!r}"

    def rest(self) -> None:
        """What comes after the last line: nothing may."""
        rest = self._talk.wait()
        assert not rest, f"expected nothing more, heard {rest!r}"

    def event(self, event: str) -> bool:
        """Do what the dialogue says; whether that was the end of it."""
        what, _, text = event.partition(" ")
        if event == "resets":
            self._talk.reset()
        elif event == "shuts its side":
            self._talk.shut()
        elif event == "drips":
            self._dripping = True
        elif what in ("floods", "drips"):
            endless(_wire(text), 0.05 if what == "drips" else 0)(self._talk)
        elif event != "closes":
            raise ValueError(f"what is {event!r}?")
        return event not in ("shuts its side", "drips")


def _minding(play: Play) -> Play:
    """A play in which the client must not go before its time."""

    def minded(talk: Talk) -> None:
        try:
            play(talk)
        except OSError as error:
            raise AssertionError(f"the connection was lost: {error!r}") from error

    return minded


def endless(segment: bytes, pause: float = 0.0) -> Play:
    """Say the same again and again until the client goes, a byte at a time if with a pause."""

    def play(talk: Talk) -> None:
        words = segment if pause else segment * max(1, 65_536 // len(segment))
        with contextlib.suppress(OSError):
            while True:
                if pause:
                    talk.drip(words, pause)
                else:
                    talk.tell(words)

    return play


def dialogue(lines: Sequence[Line], secure: Optional[ssl.SSLContext] = None) -> Play:
    """A server that plays a written dialogue, inside TLS if there is a context."""

    @_minding
    def play(talk: Talk) -> None:
        if secure is not None:
            talk.secure(secure)
        player = _Player(talk)
        segment = b""
        for speaker, text in lines:
            if speaker == "S":
                segment += _wire(text)
                continue
            player.say(segment)
            segment = b""
            if speaker == "C":
                player.hear(_pattern(text), text)
            elif player.event(text):
                return
        player.say(segment)
        player.rest()

    return play


def script(banner: Optional[bytes], *steps: Step) -> Play:
    """A server that plays ``steps``: a regular expression of a line, and the reply to it.

    Instead of a line ``MESSAGE`` may be expected; ``{ID}`` in the reply becomes its Message-ID.
    After the last step the server hangs up, unless that was QUIT.
    """

    @_minding
    def play(talk: Talk) -> None:
        player = _Player(talk)
        if banner is None:
            player.rest()
            return
        player.say(banner)
        for expected, reply in steps:
            player.hear(rb"\." if expected == MESSAGE else expected.encode(), expected)
            if reply is None:
                player.rest()
                return
            player.say(reply)
        if steps and steps[-1][0] == "QUIT":
            player.rest()

    return play


# Servers that take all mail.


class Manners(NamedTuple):
    """How a server behaves that takes all mail."""

    context: Optional[ssl.SSLContext] = None
    #: TLS from the first byte.
    implicit: bool = False
    banner: bytes = b"220 mx.test ESMTP\r\n"
    before: tuple[str, ...] = ("SIZE 37748736", "PIPELINING", "DSN", "8BITMIME", "STARTTLS")
    #: Keywords inside TLS.
    after: tuple[str, ...] = (
        *("SIZE 37748736", "PIPELINING", "DSN", "8BITMIME"),
        "AUTH PLAIN LOGIN NTLM XOAUTH2",
    )
    starttls: bytes = b"220 2.0.0 SMTP server ready\r\n"
    #: The answer to AUTH: mechanism and initial response in, final reply out.
    logon: Optional[Callable[[Talk, str, Optional[bytes]], bytes]] = None
    #: What happens before the reply to a verb, to "." or to nothing (the banner); the reply is
    #: not given where this returns ``False``.
    at: Mapping[str, Callable[[Talk], object]] = {}
    #: Seconds before each reply.
    hold: float = 0.0


def ehlo_reply(*keywords: str, greeting: str = "mx.test Hello [127.0.0.1]") -> bytes:
    *lines, last = (greeting, *keywords)
    return "".join([*(f"250-{line}\r\n" for line in lines), f"250 {last}\r\n"]).encode()


def smtp(manners: Manners) -> Play:
    """An SMTP server that takes all mail."""

    def play(talk: Talk) -> None:
        def tell(verb: str, reply: bytes) -> None:
            time.sleep(manners.hold)
            if manners.at.get(verb, bool)(talk) is not False:
                talk.tell(reply)

        secured = manners.implicit
        if secured:
            assert manners.context is not None
            talk.secure(manners.context)
        tell("", manners.banner)
        verb = ""
        while verb != "QUIT":
            command = talk.line()
            verb, _, rest = command.decode("latin-1").partition(" ")
            if verb == "EHLO":
                tell(verb, ehlo_reply(*(manners.after if secured else manners.before)))
            elif verb == "STARTTLS":
                tell(verb, manners.starttls)
                if manners.starttls.startswith(b"220"):
                    assert manners.context is not None
                    talk.secure(manners.context)
                    secured = True
            elif verb == "AUTH":
                assert manners.logon is not None, "nobody expects a logon"
                mechanism, _, initial = rest.partition(" ")
                tell(verb, manners.logon(talk, mechanism, _decoded(initial)))
            elif verb == "DATA":
                tell(verb, b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
                talk.message()
                tell(".", b"250 2.6.0 Queued mail for delivery\r\n")
            else:
                assert verb in ("MAIL", "RCPT", "RSET", "QUIT"), f"the client said {command!r}"
                tell(verb, b"221 2.0.0 Bye\r\n" if verb == "QUIT" else b"250 2.1.0 Ok\r\n")

    return play


def _decoded(initial: str) -> Optional[bytes]:
    if not initial:
        return None
    return b"" if initial == "=" else base64.b64decode(initial, validate=True)


class Servers:
    """Starts servers, and ends them."""

    def __init__(self) -> None:
        self.running: list[Server] = []

    def __call__(
        self, play: Union[Play, Manners, bytes, None], *steps: Step, **where: Any
    ) -> Server:
        """Start a server for a function, for manners, or for a banner and the steps behind it."""
        if isinstance(play, Manners):
            play = smtp(play)
        elif not callable(play):
            play = script(play, *steps)
        self.running.append(Server(play, **where))
        return self.running[-1]

    @property
    def mismatches(self) -> list[str]:
        return [mismatch for server in self.running for mismatch in server.mismatches]

    def close(self) -> None:
        for server in self.running:
            server.close()

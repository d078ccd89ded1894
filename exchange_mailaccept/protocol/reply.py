"""SMTP replies: bytes in, replies out, and the keywords in the reply to EHLO.

The rules are those of RFC 5321 4.2 and 4.1.1.1, and RFC 3463.

A code must have three ASCII digits, the first from 2 to 5, and be the same in all lines.  But a
refusal may follow lines with another code: postscreen sends ``220-`` and six seconds later ``521``,
which breaks RFC 5321 4.2.1, but the last lines are a complete reply.  Accepted are a bare LF, a
code without text, any bytes in the text, and an asterisk in place of the space after the code (from
a Cisco PIX that masks the banner).  The length is limited, so that a server that never ends a line
or a reply fails at once, not when the time is up.
"""

from __future__ import annotations

from ..names import DIGITS, LETTERS, consists_of
from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

#: Maximum length of a reply line in bytes, without CRLF.  RFC 5321 4.5.3.1.5 has 512; Exchange's
#: diagnostic texts are far longer.
MAX_LINE = 65_536
#: Maximum length of a reply, in bytes and in lines.
MAX_REPLY = 262_144
MAX_LINES = 1_000

#: The codes for a command that the server does not know (RFC 5321 4.2.4).  A server or firewall
#: that knows only HELO answers EHLO with one of them (RFC 5321 4.1.4).
UNKNOWN_COMMAND = (500, 502)

_ENHANCED = r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])"


class ProtocolError(ValueError):
    """The server sent something that is not an SMTP reply.

    ``received`` has the offending bytes as text (see :func:`decode`).
    """

    def __init__(self, explanation: str, received: bytes = b"") -> None:
        super().__init__(explanation)
        self.received = decode(received)


class Reply(NamedTuple):
    """One complete reply of the server: its code and the text of each line."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The text of all lines as one, without codes."""
        return " ".join(line for line in self.lines if line)

    @property
    def enhanced(self) -> str:
        """The enhanced status code that begins the text, such as ``5.7.1``; else empty.

        Its class must agree with the reply code (RFC 2034 4); a version number at the beginning of
        a banner is not a status code.
        """
        import re

        found = re.match(_ENHANCED, self.lines[0].lstrip())
        if found is None or int(found[1]) != self.code // 100:
            return ""
        return ".".join(str(int(number)) for number in found.groups())

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def decode(text: bytes) -> str:
    r"""Server bytes as text that can always be printed: what is not UTF-8 becomes ``\xNN``."""
    return text.decode("utf-8", "backslashreplace")


class ReplyParser:
    r"""Turns the bytes of a connection into replies, in whatever pieces they come.

    >>> parser = ReplyParser()
    >>> parser.feed(b"250-mail.contoso.com Hello\r\n250 SIZE\r\n")
    >>> parser.next_reply()
    Reply(code=250, lines=('mail.contoso.com Hello', 'SIZE'))
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer known to hold no line end
        self._code = 0
        self._lines: list[str] = []
        self._size = 0

    @property
    def pending(self) -> bytes:
        """Bytes that were received and are not part of a reply that was returned."""
        if not (self._buffer or self._lines):
            return b""
        begun = b"".join(b"%d-%s\r\n" % (self._code, line.encode()) for line in self._lines)
        return begun + bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add bytes that came from the connection."""
        self._buffer += data

    def next_reply(self) -> Optional[Reply]:
        """The next complete reply, or ``None`` if more bytes are needed.

        :raises ProtocolError: what has come so far can never become a reply, or is over a limit
        """
        while self._buffer:
            end = self._buffer.find(b"\n", self._searched)
            if end < 0:
                self._check_unfinished_line()
                self._searched = len(self._buffer)
                return None
            line = bytes(self._buffer[:end])
            # RFC 5321 2.3.8 has only CRLF, but some servers send a bare LF.
            if line.endswith(b"\r"):
                line = line[:-1]
            if self._take_line(line, end + 1):
                reply = Reply(self._code, tuple(self._lines))
                self._lines.clear()
                self._size = 0
                return reply
        return None

    def _take_line(self, line: bytes, consumed: int) -> bool:
        """Add a line; true if it was the last of its reply."""
        if len(line) > MAX_LINE:
            raise ProtocolError(f"reply line over {MAX_LINE} bytes", line[:80])
        if not _has_code(line):
            if line.rstrip() == b"OK":
                # An old PIX answers unknown commands with it, and the dialogue can go on.
                del self._buffer[:consumed]
            raise ProtocolError("not an SMTP reply", line)
        code = int(line[:3])
        if self._lines and code != self._code:
            if code < 400:
                raise ProtocolError(f"reply changes its code from {self._code}", line)
            self._lines.clear()
        self._code = code
        # A firewall that replaces a banner by asterisks replaces the space too.
        self._lines.append(decode(line[3 if line[3:4] == b"*" else 4 :]))
        self._size += consumed
        del self._buffer[:consumed]
        self._searched = 0
        if self._size > MAX_REPLY:
            raise ProtocolError(f"reply over {MAX_REPLY} bytes", line)
        if len(self._lines) > MAX_LINES:
            raise ProtocolError(f"reply over {MAX_LINES} lines", line)
        return line[3:4] != b"-"

    def _check_unfinished_line(self) -> None:
        # Asked after every byte that drips in: no copy of the whole.
        beginning = bytes(self._buffer[:80])
        if len(self._buffer) > MAX_LINE + 1:  # one more for the CR of a line of full length
            raise ProtocolError(f"reply line over {MAX_LINE} bytes", beginning)
        # Digits that have yet to come are taken for right ones, and so is the LF behind a CR.
        whole = beginning[:3] if beginning[3:] == b"\r" else beginning
        if not _has_code(whole + b"200"[len(whole) :]):
            raise ProtocolError("not an SMTP reply", bytes(self._buffer))


def _has_code(line: bytes) -> bool:
    """Whether ``line`` has a code, and then nothing, ``-``, a space or ``*``."""
    code = line[:3]
    # bytes.isdigit() knows the digits of ASCII only.
    return (
        len(code) == 3
        and code.isdigit()
        and b"2" <= code[:1] <= b"5"
        # The end of the line is in it, too.
        and line[3:4] in b" -*"
    )


class Extensions(NamedTuple):
    """The parsed reply to EHLO or HELO."""

    #: The server's name for itself, which behind a balancer may differ from the banner's.
    domain: str
    #: The parameters of each keyword, all in capitals.
    keywords: Mapping[str, tuple[str, ...]]

    def offers(self, keyword: str) -> bool:
        """Whether the server listed ``keyword``, case-insensitively."""
        return keyword.upper() in self.keywords

    def missing(self, required: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the ``required`` keywords that the server did not list, in their order."""
        return tuple(keyword for keyword in required if not self.offers(keyword))

    @property
    def masks(self) -> tuple[str, ...]:
        """What a Cisco ASA may have replaced keywords with: a run of ``X`` and a letter."""
        return tuple(
            keyword
            for keyword in self.keywords
            if consists_of("X", keyword[:-1]) and keyword[-1] in LETTERS
        )

    @property
    def max_size(self) -> Optional[int]:
        """The largest message that the server takes, in bytes (RFC 1870 4).

        ``None`` if it names no limit: without SIZE, with SIZE alone, and with ``SIZE 0``.
        """
        number = next(iter(self.keywords.get("SIZE", ())), "")
        return int(number) or None if consists_of(DIGITS, number) and len(number) <= 20 else None


#: Keywords of RFCs and of Exchange; every reply to EHLO has at least one.
_USUAL = frozenset((
    *("SIZE", "PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH", "HELP"),
    *("CHUNKING", "BINARYMIME", "SMTPUTF8", "ETRN", "VRFY", "XRDST", "XEXCH50", "X-EXPS"),
))  # fmt: skip


def lists_keywords(reply: Reply) -> bool:
    """Whether ``reply`` lists keywords, as only a reply to EHLO does (RFC 5321 4.1.1.1)."""
    return any(line.upper().split()[0] in _USUAL for line in reply.lines[1:] if line.split())


#: What is known before EHLO, and after HELO.
NO_EXTENSIONS = Extensions("", {})


def parse_extensions(reply: Reply) -> Extensions:
    """The keywords of a positive reply to EHLO.

    Lower case is accepted, as are ``AUTH=LOGIN`` beside ``AUTH NTLM`` (their mechanisms are
    joined), ``AUTH`` and ``SIZE`` without a parameter, and the ``OK`` at the end of Exchange 2003's
    reply, which is not a keyword.
    """
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.upper().replace("=", " ", 1).split() or [""]
        if keyword and (keyword, parameters) != ("OK", []):
            known = keywords.get(keyword, ())
            keywords[keyword] = known + tuple(
                parameter for parameter in parameters if parameter not in known
            )
    greeting = reply.lines[0].split()
    return Extensions(greeting[0] if greeting else "", keywords)

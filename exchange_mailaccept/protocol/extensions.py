"""EHLO keywords: what the server says it can do (RFC 5321 4.1.1.1)."""

from __future__ import annotations

from ..names import DIGITS, LETTERS, consists_of
from ..record import TYPE_CHECKING, NamedTuple
from .reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional


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
NONE = Extensions("", {})


def parse(reply: Reply) -> Extensions:
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
            keywords[keyword] = known + tuple(each for each in parameters if each not in known)
    greeting = reply.lines[0].split()
    return Extensions(greeting[0] if greeting else "", keywords)

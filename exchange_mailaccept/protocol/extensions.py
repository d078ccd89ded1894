"""EHLO keywords: what the server says it can do (RFC 5321 4.1.1.1)."""

from __future__ import annotations

from ..names import DIGITS, LETTERS, consists_of
from ..record import TYPE_CHECKING, NamedTuple
from .reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional


class Extensions(NamedTuple):
    """The reply to EHLO (or HELO), taken apart."""

    #: Host name that the server gives itself, which may differ from the banner's behind a balancer.
    domain: str
    #: Keyword in capitals to its parameters in capitals.
    keywords: Mapping[str, tuple[str, ...]]

    def offers(self, keyword: str) -> bool:
        """Whether the server listed ``keyword``, case-insensitively."""
        return keyword.upper() in self.keywords

    def missing(self, required: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the ``required`` keywords that the server did not list, in their order."""
        return tuple(keyword for keyword in required if not self.offers(keyword))

    @property
    def masks(self) -> tuple[str, ...]:
        """What a Cisco ASA may have written over keywords: some ``X`` and a letter."""
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


#: Keywords of the RFCs and of Exchange that every reply to EHLO has some of.
_USUAL = frozenset((
    *("SIZE", "PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH", "HELP"),
    *("CHUNKING", "BINARYMIME", "SMTPUTF8", "ETRN", "VRFY", "XRDST", "XEXCH50", "X-EXPS"),
))  # fmt: skip


def lists_keywords(reply: Reply) -> bool:
    """Whether ``reply`` can only be one to EHLO, for no other lists keywords (RFC 5321 4.1.1.1)."""
    return any(line.upper().split()[0] in _USUAL for line in reply.lines[1:] if line.split())


#: Nothing known: before EHLO, and after a HELO.
NONE = Extensions("", {})


def parse(reply: Reply) -> Extensions:
    """The keywords of a positive reply to EHLO.

    Forms that real servers use are accepted: lower case, ``AUTH=LOGIN`` beside ``AUTH NTLM`` (their
    mechanisms are joined), ``AUTH`` and ``SIZE`` without a parameter, and the closing ``OK`` of
    Exchange 2003, which is no keyword.
    """
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.upper().replace("=", " ", 1).split() or [""]
        if keyword and (keyword, parameters) != ("OK", []):
            known = keywords.get(keyword, ())
            keywords[keyword] = known + tuple(each for each in parameters if each not in known)
    greeting = reply.lines[0].split()
    return Extensions(greeting[0] if greeting else "", keywords)

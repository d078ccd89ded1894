"""The value of ``--delivered``: where the probe's mailbox is.  Imported only if it is given."""

from __future__ import annotations

from ..names import DIGITS, consists_of
from ..record import NamedTuple
from . import words

IMAP_PORT, IMAPS_PORT = 143, 993
#: Folder of arriving mail, in upper or lower case (RFC 9051 5.1).
INBOX = "INBOX"
_HEXADECIMAL = DIGITS + "abcdefABCDEF"


class Place(NamedTuple):
    """Where a mailbox is (RFC 5092, with several folders)."""

    #: Whether TLS begins with the first byte, and not with STARTTLS.
    implicit: bool
    #: Empty if it is given elsewhere.
    user: str
    host: str
    port: int
    #: The first is where the probe should arrive.
    folders: tuple[str, ...]


def place(text: str) -> Place:
    """The value of ``--delivered``: ``imap[s]://[USER@]HOST[:PORT][/FOLDER[,FOLDER...]]``."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("imap", "imaps"):
        raise ValueError("must be imaps://[USER@]HOST[:PORT][/FOLDER[,FOLDER...]], or imap://")
    implicit = scheme.lower() == "imaps"
    authority, _, path = rest.partition("/")
    user, _, server = authority.rpartition("@")
    if ":" in user:
        raise ValueError("must have no password in it; there is --delivered-password-file")
    port = IMAPS_PORT if implicit else IMAP_PORT
    before, colon, after = server.rpartition(":")
    if colon and consists_of(DIGITS, after) and (before[-1:] == "]" or ":" not in before):
        server, port = before, words.port(after)
    folders = tuple(_decoded(name) for name in path.split(",") if name)
    return Place(implicit, _decoded(user), words.host(server), port, folders or (INBOX,))


def _decoded(text: str) -> str:
    """``text`` without percent encoding (RFC 3986 2.1), by which it can have any character."""
    first, *others = text.split("%")
    data = first.encode("utf-8", "surrogateescape")
    for part in others:
        if len(part) < 2 or not consists_of(_HEXADECIMAL, part[:2]):
            raise ValueError("has a % without two hexadecimal digits after it (%25 is a %)")
        data += bytes.fromhex(part[:2]) + part[2:].encode("utf-8", "surrogateescape")
    return words.one_line(data.decode("utf-8"))

"""Parts of a reply that the tables are searched for: stage, codes and words."""

from __future__ import annotations

import re

from ..protocol.conversation import StageOutcome
from ..protocol.reply import Reply
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage

if TYPE_CHECKING:
    from typing import Optional

#: An enhanced status code as gateways write it: ``#5.1.0``, ``(#5.7.1)`` at the end, or after a tag
#: as in ``cuda_nsu 5.1.1``.
_MARKED_CODE = r"(?:^\s*#?|\(#?|#|^\s*cuda_nsu\s+)([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])"
_LEADING_CODE = r"(?:cuda_nsu\s+)?#?[245]\.\d{1,3}\.\d{1,3}(?![\d.])[:\s-]*|cuda_nsu\s+"

#: The host name at the beginning of a text, unless it is a block list.
_OWN_NAME = r"(?i)^(?!\S*(?:bl\b|list|spamhaus))(?:[a-z0-9-]+\.){2,}[a-z]{2,}:? "

_NAMED_AFTER = (
    r"using|blocked by|listed (?:in|on|at|by)|found (?:in|on)|list(?: provider)?|rejected by"
    r"|is (?:in|on)"
)
#: How a reply names the block list that has an address, or the product that refuses it.
_LIST_NAMES = (
    r"(?i)\b((?:[\w-]+\.)*(?:[\w-]*(?:dns|r)bl|sbl|xbl|pbl|zen|bl|b)\.(?:[\w-]+\.)*[a-z]{2,})\b",
    rf"(?i:\b(?:{_NAMED_AFTER}) (?:the |an? |your )?)"
    r"((?:[\w-]+\.)+[A-Za-z]{2,}|[A-Z][\w-]*(?: [A-Z][\w-]*){0,4})",
    r"(?i)\b(spamhaus[\w.-]*|spamcop|sorbs|barracuda\w*|cloudmark|senderbase|senderscore)\b",
    r"(?i)\b(uceprotect[\w.-]*|invaluement|mailspike|proofpoint|mimecast|trustedsource)\b",
)
_MAX_NAME = 60
#: Maximum number of characters of a reply that are searched.  A reply may have 256 KiB, and
#: searching them would take longer than the test.
_MAX_READ = 1500


class EnhancedStatusCode(NamedTuple):
    """An enhanced status code, ``class.subject.detail`` (RFC 3463 2)."""

    class_: int
    subject: int
    detail: int

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"


def list_named(text: str) -> str:
    """The block list or filter product that a reply names; empty if it names none."""
    for pattern in _LIST_NAMES:
        found = re.search(pattern, text)
        if found is not None:
            return found[1].rstrip(".,;:")[:_MAX_NAME]
    return ""


def negative_reply(outcome: StageOutcome) -> Optional[Reply]:
    """The reply of ``outcome`` if it refused or deferred, cut if it is long; else ``None``."""
    reply = outcome.reply
    if reply is None or reply.code < 400:
        return None
    lines: list[str] = []
    left = _MAX_READ
    for line in reply.lines:
        lines.append(line[:left])
        left -= len(line)
        if left <= 0:
            break
    return Reply(reply.code, tuple(lines))


def said_at(outcome: StageOutcome) -> Stage:
    """The stage of the command: a reply to the EHLO inside TLS belongs to the stage EHLO."""
    of_tls = outcome.cause in (Cause.TLS, Cause.CERTIFICATE)
    return Stage.EHLO if outcome.second_ehlo and not of_tls else outcome.stage


def status_of(reply: Reply) -> Optional[EnhancedStatusCode]:
    """The enhanced status code of a reply, also in the places and forms that gateways use.

    Its class agrees with the reply code, as RFC 2034 4 requires.
    """
    if reply.enhanced:
        return EnhancedStatusCode(*map(int, reply.enhanced.split(".")))
    for line in reply.lines:
        for found in re.finditer(_MARKED_CODE, line):
            if int(found[1]) == reply.code // 100:
                return EnhancedStatusCode(*map(int, found.groups()))
    return None


def meaning_of(reply: Reply, stage: Stage) -> str:
    """Code, stage and words of a reply, ``550@RCPT no such user``, to be searched for ``reasons``.

    The words are in lower case and without names: an address becomes ``x@y``, and the server's own
    name, with which a 421 and a greeting begin (RFC 5321 4.2), is left out.
    """
    words = re.sub(r"[^\s<>@:\"'(\[]+@[\w.-]+\w", "x@y", words_of(reply))
    return f"{reply.code}@{stage.name} {re.sub(_OWN_NAME, '', words).lower()}"


def words_of(reply: Reply) -> str:
    """The text with single blanks, without the enhanced codes of its lines (RFC 2034 4)."""
    lines = (re.sub(f"^\\s*(?:{_LEADING_CODE})", "", line) for line in reply.lines)
    return " ".join(" ".join(lines).split())

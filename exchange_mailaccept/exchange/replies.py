"""Replies as people and tables read them: whose stage, which code, which words."""

from __future__ import annotations

import re

from ..protocol.reply import EnhancedStatusCode, Reply
from ..protocol.stages import StageOutcome
from ..record import TYPE_CHECKING
from ..vocabulary import Cause, Stage

if TYPE_CHECKING:
    from typing import Optional

#: An enhanced status code as gateways write it: ``#5.1.0``, ``(#5.7.1)`` at the end, or after a tag
#: as in ``cuda_nsu 5.1.1``.
_MARKED_CODE = r"(?:^\s*#?|\(#?|#|^\s*cuda_nsu\s+)([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])"
_LEADING_CODE = r"(?:cuda_nsu\s+)?#?[245]\.\d{1,3}\.\d{1,3}(?![\d.])[:\s-]*|cuda_nsu\s+"

#: The host name that begins a text, unless it is that of a block list.
_OWN_NAME = r"(?i)^(?!\S*(?:bl\b|list|spamhaus))(?:[a-z0-9-]+\.){2,}[a-z]{2,}:? "

_NAMED_AFTER = (
    r"using|blocked by|listed (?:in|on|at|by)|found (?:in|on)|list(?: provider)?|rejected by"
    r"|is (?:in|on)"
)
#: How a reply says on which list an address is, or by which product it is refused.
_LIST_NAMES = (
    r"(?i)\b((?:[\w-]+\.)*(?:[\w-]*(?:dns|r)bl|sbl|xbl|pbl|zen|bl|b)\.(?:[\w-]+\.)*[a-z]{2,})\b",
    rf"(?i:\b(?:{_NAMED_AFTER}) (?:the |an? |your )?)"
    r"((?:[\w-]+\.)+[A-Za-z]{2,}|[A-Z][\w-]*(?: [A-Z][\w-]*){0,4})",
    r"(?i)\b(spamhaus[\w.-]*|spamcop|sorbs|barracuda\w*|cloudmark|senderbase|senderscore)\b",
    r"(?i)\b(uceprotect[\w.-]*|invaluement|mailspike|proofpoint|mimecast|trustedsource)\b",
)
_MAX_NAME = 60
#: Maximum number of characters of a reply that are read for its meaning.  A reply may have 256 KiB,
#: in which a search would take longer than the test.
_MAX_READ = 1500


def list_named(text: str) -> str:
    """The block list, or the product that keeps one, that a reply names; empty if it names none."""
    for pattern in _LIST_NAMES:
        found = re.search(pattern, text)
        if found is not None:
            return found[1].rstrip(".,;:")[:_MAX_NAME]
    return ""


def negative_reply(outcome: StageOutcome) -> Optional[Reply]:
    """The reply that refused or deferred, if it was one; of a long one the beginning."""
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
    """The stage whose command it was: what is answered to EHLO means the same inside TLS."""
    of_tls = outcome.cause in (Cause.TLS, Cause.CERTIFICATE)
    return Stage.EHLO if outcome.second_ehlo and not of_tls else outcome.stage


def status_of(reply: Reply) -> Optional[EnhancedStatusCode]:
    """The enhanced status code of a reply, also where and how gateways write it.

    Its class agrees with the reply code, as RFC 2034 4 demands.
    """
    if reply.enhanced is not None:
        return reply.enhanced
    for line in reply.lines:
        for found in re.finditer(_MARKED_CODE, line):
            if int(found[1]) == reply.code // 100:
                return EnhancedStatusCode(*map(int, found.groups()))
    return None


def meaning_of(reply: Reply) -> str:
    """What the wordings of ``reasons`` are sought in: code and words, in lower case.

    Names do not mean anything: an address is ``x@y``, and the server's own name, which begins the
    text of 421 and of a greeting (RFC 5321 4.2), is left out.
    """
    words = re.sub(r"[^\s<>@:\"'(\[]+@[\w.-]+\w", "x@y", words_of(reply))
    return f"{reply.code} {re.sub(_OWN_NAME, '', words)}".lower()


def words_of(reply: Reply) -> str:
    """The text with single blanks, without the code that begins its lines (RFC 2034 4)."""
    lines = (re.sub(f"^\\s*(?:{_LEADING_CODE})", "", line) for line in reply.lines)
    return " ".join(" ".join(lines).split())

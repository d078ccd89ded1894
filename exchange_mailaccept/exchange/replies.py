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


def negative_reply(outcome: StageOutcome) -> Optional[Reply]:
    """The reply that refused or deferred, if it was one."""
    reply = outcome.reply
    return reply if reply is not None and reply.code >= 400 else None


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


def words_of(reply: Reply) -> str:
    """The text with single blanks, without the code that begins its lines (RFC 2034 4)."""
    lines = (re.sub(f"^\\s*(?:{_LEADING_CODE})", "", line) for line in reply.lines)
    return " ".join(" ".join(lines).split())

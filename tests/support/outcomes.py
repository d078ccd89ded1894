"""How a stage ended, as a dialogue brings it, for tests of what that means."""

from __future__ import annotations

from exchange_mailaccept.protocol.conversation import Fault, StageOutcome
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Cause, Stage


def reply(text: str) -> Reply:
    """``250 one|two`` is a reply of two lines."""
    code, _, lines = text.partition(" ")
    return Reply(int(code), tuple(lines.split("|")))


def answered(stage: str, text: str, seconds: float = 0.1) -> StageOutcome:
    """A stage that was answered with a reply."""
    return StageOutcome.answered(Stage(stage), reply(text), seconds)


def unanswered(stage: str, cause: Cause, received: str = "", seconds: float = 0.1) -> StageOutcome:
    """A stage that ended without a reply."""
    return StageOutcome.failed(Stage(stage), Fault(cause, "no", received), seconds)

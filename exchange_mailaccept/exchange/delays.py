"""What the time that a stage took gives away.

Exchange's delays are round numbers: TarpitInterval is 5 s, back pressure waits 10 s and then ever
5 s longer up to 55 s, and 2010 holds back its last reply for 30 s at most (Microsoft:
*Set-ReceiveConnector*, *Understanding back pressure*).
"""

from __future__ import annotations

from ..protocol.stages import StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from typing import Optional


class Signature(NamedTuple):
    """A delay that is known."""

    #: What causes it, in few words.
    name: str
    #: The same in a sentence, with the number of seconds.
    hint: str


#: Stages at which a refusal can be held back by the tarpit.
_TARPITTED = (Stage.AUTH, Stage.MAIL, Stage.RCPT)
#: Stages at which back pressure holds back what is accepted.
_THROTTLED = (Stage.MAIL, Stage.MESSAGE)


def signature(outcome: StageOutcome, title: str = "") -> Optional[Signature]:
    """The known delay that fits the time of ``outcome``, if one does.

    :param title: recognised generation (``recognition.KeywordCheck.title``)
    """
    stage, seconds = outcome.stage, outcome.seconds
    if outcome.verdict is Verdict.TIMED_OUT:
        return _deadline_struck(stage, seconds)
    refused = outcome.reply is not None and outcome.reply.code >= 400
    # It answers commands; whoever is refused at the banner has given none.
    if refused and stage is not Stage.BANNER and 4.8 <= seconds <= 5.6:
        return Signature(
            "tarpit",
            f"The refusal took {seconds:.1f}s: that is the tarpit (TarpitInterval, default 5s), "
            "not a slow server.",
        )
    if not outcome.passed or stage not in _THROTTLED:
        return None
    acknowledged = stage is Stage.MESSAGE and 3 <= seconds <= 31
    if acknowledged and "2010" in title:
        return Signature(
            "delayed acknowledgement",
            f"The last reply took {seconds:.1f}s: Exchange 2010 delays it by up to 30s "
            "(MaxAcknowledgementDelay).",
        )
    beyond_step = seconds % 5
    if 9.8 <= seconds <= 56 and (beyond_step <= 0.7 or beyond_step >= 4.8):
        return Signature(
            "back pressure",
            f"The positive reply took {seconds:.1f}s, a step of the tarpit that back pressure "
            "sets (10, 15 ... 55s).",
        )
    if acknowledged:
        return Signature(
            "slow shadow copy",
            f"The last reply took {seconds:.1f}s: Exchange 2010 delays it by up to 30s "
            "(MaxAcknowledgementDelay), later ones when shadow copies are slow.",
        )
    return None


def _deadline_struck(stage: Stage, seconds: float) -> Optional[Signature]:
    if stage in _TARPITTED and seconds < 5.6:
        also = ", or back pressure (10 to 55s)" if stage is Stage.MAIL else ""
        return Signature(
            "tarpit",
            f"No answer for {seconds:.1f}s may be a refusal that the tarpit holds back "
            f"(TarpitInterval, default 5s){also}: a longer --timeout shows it.",
        )
    if stage in _THROTTLED:
        return Signature(
            "back pressure",
            f"No answer for {seconds:.1f}s here may be back pressure, "
            "which delays replies by up to 55s.",
        )
    return None

"""What the time that a stage took gives away.

Exchange's delays are round numbers: TarpitInterval is 5 s, back pressure waits 10 s and then in
steps of 5 s up to 55 s, and 2010 holds back its last reply for 30 s at most (Microsoft:
*Set-ReceiveConnector*, *Understanding back pressure*).
"""

from __future__ import annotations

from ..protocol.stages import StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation, Stage, Verdict
from . import LEAST_DELAY

if TYPE_CHECKING:
    from typing import Optional


class Signature(NamedTuple):
    """A delay that is known."""

    #: What causes it, in few words.
    name: str
    #: The same in a sentence, with the number of seconds.
    hint: str


#: The tarpit: 5 s, reported up to 0.2 s early by a coarse Windows timer, and late by up to 0.6 s of
#: the reply's own way.  The recorded ones are 5.0 to 5.3 s.
_TARPIT = (4.8, 5.6)
#: Back pressure begins with 10 s and ends with 55 s, in steps of 5 s; the same leeway at the steps,
#: and somewhat more at the end, since both the delay and the work that it delays count.
_BACK_PRESSURE = (9.8, 56)
_STEP, _EARLY, _LATE = 5, 0.2, 0.7
#: Exchange 2010 acknowledges after 30 s at the latest (MaxAcknowledgementDelay), and needs up to a
#: second for the reply itself.
_LONGEST_ACKNOWLEDGEMENT = 31

#: Stages at which a refusal can be held back by the tarpit.
_TARPITTED = (Stage.AUTH, Stage.MAIL, Stage.RCPT)
#: Stages at which back pressure holds back what is accepted.
_THROTTLED = (Stage.MAIL, Stage.MESSAGE)


def signature(
    outcome: StageOutcome, generation: Optional[Generation] = None
) -> Optional[Signature]:
    """The known delay that fits the time of ``outcome``, if one does.

    :param generation: the generation that was recognised, if one was
    """
    stage, seconds = outcome.stage, outcome.seconds
    if outcome.verdict is Verdict.TIMED_OUT:
        return _deadline_struck(stage, seconds)
    refused = outcome.reply is not None and outcome.reply.code >= 400
    # The tarpit delays replies to commands, and the banner is no reply to one.
    if refused and stage is not Stage.BANNER and _TARPIT[0] <= seconds <= _TARPIT[1]:
        return Signature(
            "tarpit",
            f"The refusal took {seconds:.1f}s: that is the tarpit (TarpitInterval, default 5s), "
            "not a slow server.",
        )
    if not outcome.passed or stage not in _THROTTLED:
        return None
    acknowledged = stage is Stage.MESSAGE and LEAST_DELAY <= seconds <= _LONGEST_ACKNOWLEDGEMENT
    if acknowledged and generation is Generation.E2010:
        return Signature(
            "delayed acknowledgement",
            f"The last reply took {seconds:.1f}s: Exchange 2010 delays it by up to 30s "
            "(MaxAcknowledgementDelay).",
        )
    beyond_step = seconds % _STEP
    at_a_step = beyond_step <= _LATE or beyond_step >= _STEP - _EARLY
    if _BACK_PRESSURE[0] <= seconds <= _BACK_PRESSURE[1] and at_a_step:
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
    if stage in _TARPITTED and seconds < _TARPIT[1]:
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

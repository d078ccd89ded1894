"""Recognises the causes of delays by their seconds.

Exchange's delays are round numbers: TarpitInterval is 5 s, back pressure waits 10 s and then in
steps of 5 s up to 55 s, and Exchange 2010 delays its last reply by at most 30 s (Microsoft:
*Set-ReceiveConnector*, *Understanding back pressure*).
"""

from __future__ import annotations

from ..protocol.conversation import StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation, Stage, Verdict
from . import LEAST_DELAY

if TYPE_CHECKING:
    from typing import Optional


class Signature(NamedTuple):
    """A known delay."""

    #: Its cause, in a few words.
    name: str
    #: Its cause in a sentence, with the seconds.
    hint: str


#: The tarpit: 5 s, up to 0.2 s less because of a coarse Windows timer, and up to 0.6 s more for the
#: network.  Recorded ones took 5.0 to 5.3 s.
_TARPIT = (4.8, 5.6)
#: Back pressure: 10 s to 55 s in steps of 5 s, with the same tolerance at each step, and more at
#: the end, because the work that was delayed takes time too.
_BACK_PRESSURE = (9.8, 56)
_STEP, _EARLY, _LATE = 5, 0.2, 0.7
#: Exchange 2010 acknowledges after at most 30 s (MaxAcknowledgementDelay), and needs up to a second
#: for the reply itself.
_LONGEST_ACKNOWLEDGEMENT = 31

#: Stages at which the tarpit can delay a refusal.
_TARPITTED = (Stage.AUTH, Stage.MAIL, Stage.RCPT)
#: Stages at which back pressure delays positive replies.
_THROTTLED = (Stage.MAIL, Stage.MESSAGE)


def signature(
    outcome: StageOutcome, generation: Optional[Generation] = None
) -> Optional[Signature]:
    """The known delay that fits the seconds of ``outcome``, if one does.

    :param generation: the generation that was recognised, if one was
    """
    stage, seconds = outcome.stage, outcome.seconds
    if outcome.verdict is Verdict.TIMED_OUT:
        return _deadline_struck(stage, seconds)
    refused = outcome.reply is not None and outcome.reply.code >= 400
    # The tarpit delays replies to commands, and the banner is not a reply.
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

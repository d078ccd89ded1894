"""Delays that are known: said with the number, and where there is none nothing is said."""

from __future__ import annotations

from typing import Optional

import pytest

from exchange_mailaccept.exchange import LEAST_DELAY
from exchange_mailaccept.exchange.delays import Signature, signature
from exchange_mailaccept.protocol.conversation import StageOutcome
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Generation, Stage, Verdict


def timed(
    stage: Stage,
    verdict: Verdict,
    seconds: float,
    code: Optional[int],
    generation: Optional[Generation] = None,
) -> Optional[Signature]:
    reply = Reply(code, ("text",)) if code else None
    return signature(StageOutcome(stage, verdict, seconds, reply), generation)


@pytest.mark.parametrize(
    ("stage", "verdict", "seconds", "code", "generation", "name", "number"),
    [
        (Stage.RCPT, Verdict.REFUSED, 5.016, 550, None, "tarpit", "5.0s"),
        (Stage.AUTH, Verdict.REFUSED, 5.3, 504, None, "tarpit", "5.3s"),
        (Stage.MAIL, Verdict.DEFERRED, 5.0, 451, None, "tarpit", "5.0s"),
        *(
            (stage, Verdict.PASSED, step + 0.1, 250, generation, "back pressure", f"{step}.1s")
            for step in range(10, 60, 5)
            for stage, generation in (
                (Stage.MAIL, None),
                (Stage.MAIL, Generation.E2010),
                (Stage.MESSAGE, Generation.E2016),
            )
        ),
        (Stage.MESSAGE, Verdict.PASSED, 14.9, 250, None, "back pressure", "14.9s"),
        # The session of which this is the time is in tests/transcripts.
        (Stage.MESSAGE, Verdict.PASSED, 25.639, 250, Generation.E2010, "delayed ackn", "25.6s"),
        (Stage.MESSAGE, Verdict.PASSED, 30.2, 250, Generation.E2010, "delayed ackn", "30.2s"),
        (Stage.MESSAGE, Verdict.PASSED, 35.0, 250, Generation.E2010, "back pressure", "35.0s"),
        (Stage.MESSAGE, Verdict.PASSED, 22.5, 250, None, "slow shadow copy", "22.5s"),
        (Stage.MESSAGE, Verdict.PASSED, 3.0, 250, Generation.E2016, "slow shadow copy", "3.0s"),
        (Stage.MAIL, Verdict.TIMED_OUT, 45.0, None, None, "back pressure", "45.0s"),
        (Stage.MESSAGE, Verdict.TIMED_OUT, 30.0, None, None, "back pressure", "30.0s"),
        (Stage.MESSAGE, Verdict.TIMED_OUT, 3.0, None, None, "back pressure", "3.0s"),
        (Stage.MAIL, Verdict.TIMED_OUT, 3.9, None, None, "tarpit", "3.9s"),
        (Stage.RCPT, Verdict.TIMED_OUT, 4.9, None, None, "tarpit", "4.9s"),
        (Stage.AUTH, Verdict.TIMED_OUT, 2.0, None, None, "tarpit", "2.0s"),
    ],
)  # fmt: skip
def test_times_that_tell(
    stage: Stage,
    verdict: Verdict,
    seconds: float,
    code: Optional[int],
    generation: Optional[Generation],
    name: str,
    number: str,
) -> None:
    found = timed(stage, verdict, seconds, code, generation)
    assert found is not None
    assert found.name.startswith(name)
    assert number in found.hint
    assert found.hint.endswith(".")
    assert not set(found.hint) & set("|<>`$\\")


@pytest.mark.parametrize(
    ("stage", "verdict", "seconds", "code"),
    [
        (Stage.RCPT, Verdict.REFUSED, 0.1, 550),
        (Stage.RCPT, Verdict.REFUSED, 9.0, 550),
        (Stage.RCPT, Verdict.PASSED, 5.0, 250),
        (Stage.MAIL, Verdict.PASSED, 5.0, 250),
        (Stage.MAIL, Verdict.PASSED, 12.5, 250),
        (Stage.MESSAGE, Verdict.PASSED, 0.4, 250),
        (Stage.MESSAGE, Verdict.PASSED, 33.0, 250),
        (Stage.MAIL, Verdict.PASSED, 60.0, 250),
        (Stage.EHLO, Verdict.PASSED, 10.0, 250),
        (Stage.RCPT, Verdict.TIMED_OUT, 45.0, None),
        (Stage.BANNER, Verdict.TIMED_OUT, 5.0, None),
        (Stage.CONNECT, Verdict.BROKEN, 5.0, None),
    ],
)
def test_times_that_tell_nothing(
    stage: Stage, verdict: Verdict, seconds: float, code: Optional[int]
) -> None:
    assert timed(stage, verdict, seconds, code) is None


@pytest.mark.parametrize("generation", [None, Generation.E2010])
def test_what_is_accepted_sooner_is_not_looked_up(generation: Optional[Generation]) -> None:
    """The first line asks for no delay below ``LEAST_DELAY``, where there is none to be found."""
    found = [
        tenths / 10
        for stage in Stage
        for tenths in range(10 * LEAST_DELAY + 1)
        if timed(stage, Verdict.PASSED, tenths / 10, 250, generation)
    ]
    assert found == [LEAST_DELAY]


def test_a_refused_connection_is_not_held_back_by_the_tarpit() -> None:
    refusal = Reply(421, ("4.3.2 Service not available",))
    at = {
        stage: signature(StageOutcome(stage, Verdict.REFUSED, 5.05, refusal))
        for stage in (Stage.BANNER, Stage.MAIL)
    }
    assert at[Stage.BANNER] is None
    assert at[Stage.MAIL] is not None

"""Delays that are known: said with the number, and where there is none nothing is said."""

from __future__ import annotations

import pytest
from support.outcomes import answered, unanswered

from exchange_mailaccept.exchange import LEAST_DELAY
from exchange_mailaccept.exchange.delays import signature
from exchange_mailaccept.vocabulary import Cause, Generation, Stage

E2010, E2016 = Generation.E2010, Generation.E2016


@pytest.mark.parametrize(
    ("stage", "code", "seconds", "generation", "name", "number"),
    [
        ("rcpt", 550, 5.016, None, "tarpit", "5.0s"),
        ("auth", 504, 5.3, None, "tarpit", "5.3s"),
        ("mail", 451, 5.0, None, "tarpit", "5.0s"),
        ("mail", 421, 5.05, None, "tarpit", "5.0s"),
        *(
            (stage, 250, step + 0.1, generation, "back pressure", f"{step}.1s")
            for step in range(10, 60, 5)
            for stage, generation in (("mail", None), ("mail", E2010), ("message", E2016))
        ),
        ("message", 250, 14.9, None, "back pressure", "14.9s"),
        # The session of which this is the time is in delayed_acknowledgement.txt.
        ("message", 250, 25.639, E2010, "delayed acknowledgement", "25.6s"),
        ("message", 250, 30.2, E2010, "delayed acknowledgement", "30.2s"),
        ("message", 250, 35.0, E2010, "back pressure", "35.0s"),
        ("message", 250, 22.5, None, "slow shadow copy", "22.5s"),
        ("message", 250, 3.0, E2016, "slow shadow copy", "3.0s"),
        ("mail", None, 45.0, None, "back pressure", "45.0s"),
        ("message", None, 30.0, None, "back pressure", "30.0s"),
        ("message", None, 3.0, None, "back pressure", "3.0s"),
        ("mail", None, 3.9, None, "tarpit", "3.9s"),
        ("rcpt", None, 4.9, None, "tarpit", "4.9s"),
        ("auth", None, 2.0, None, "tarpit", "2.0s"),
    ],
)
def test_times_that_tell(stage, code, seconds, generation, name, number):
    """``code`` is that of the reply, and None where the time was over."""
    timed_out = unanswered(stage, Cause.SILENT, seconds=seconds)
    delay = signature(answered(stage, f"{code} x", seconds) if code else timed_out, generation)
    assert (delay.name, number in delay.hint, delay.hint[-1]) == (name, True, ".")
    assert not set(delay.hint) & set("|<>`$\\")


@pytest.mark.parametrize(
    "outcome",
    [
        answered("rcpt", "550 too soon", 0.1),
        answered("rcpt", "550 too late", 9.0),
        answered("rcpt", "250 accepted, and back pressure is not at RCPT", 5.0),
        answered("mail", "250 as long as the tarpit", 5.0),
        answered("mail", "250 between two steps", 12.5),
        answered("mail", "250 beyond the last step", 60.0),
        answered("message", "250 at once", 0.4),
        answered("message", "250 between two steps", 33.0),
        answered("ehlo", "250 not at EHLO", 10.0),
        # The tarpit holds back replies to commands, and the banner is none.
        answered("banner", "421 4.3.2 Service not available", 5.05),
        unanswered("rcpt", Cause.SILENT, seconds=45.0),
        unanswered("banner", Cause.SILENT, seconds=5.0),
        unanswered("connect", Cause.CLOSED, seconds=5.0),
    ],
)
def test_times_that_tell_nothing(outcome):
    assert signature(outcome) is None


@pytest.mark.parametrize("generation", [None, E2010])
def test_what_is_accepted_sooner_is_not_looked_up(generation):
    """The first line asks for no delay below ``LEAST_DELAY``, where there is none to be found."""
    known = [
        tenths / 10
        for stage in Stage
        if stage not in (Stage.MX, Stage.CONNECT)
        for tenths in range(10 * LEAST_DELAY + 1)
        if signature(answered(stage.value, PASSING.get(stage, "250 x"), tenths / 10), generation)
    ]
    assert known == [LEAST_DELAY]


#: Replies that pass a stage, if 250 does not.
PASSING = {
    Stage.BANNER: "220 x",
    Stage.STARTTLS: "220 x",
    Stage.AUTH: "235 x",
    Stage.DATA: "354 x",
    Stage.QUIT: "221 x",
}

"""What is said of addresses that were silent while another one answered."""

from __future__ import annotations

from typing import Optional

import pytest

from exchange_mailaccept.protocol.conversation import (
    Close,
    Connect,
    Connected,
    Fault,
    Server,
    Session,
)
from exchange_mailaccept.run.silent_addresses import look_again
from exchange_mailaccept.vocabulary import Cause

SILENT = ("2001:db8::25", "192.0.2.25")
SERVER = Server("mail1.contoso.com", (*SILENT, "192.0.2.26"), 25)


def said(answer: Connected, left: Optional[float] = None) -> list[tuple[str, str]]:
    """What is said after ``answer`` came; one connection is asked for, which has time for three."""
    looking = look_again(
        Session(SERVER, "192.0.2.26", (), silent_addresses=SILENT), "192.0.2.1", left
    )
    assert next(looking) == Close()
    assert looking.send(None) == Connect(SILENT, 25, "192.0.2.1", min(3.5, left or 3.5))
    with pytest.raises(StopIteration) as end:
        looking.send(answer)
    return [(address, fault.explanation) for address, fault in end.value.value.failed_addresses]


@pytest.mark.parametrize("cause", [Cause.SILENT, Cause.NO_ANSWER])
def test_addresses_that_stay_silent_are_dead(cause):
    answer = Connected(3.5, Fault(cause, "within 3.5s"), left=20.0)
    assert said(answer) == [(address, "no answer within 3.5s") for address in SILENT]


def test_an_address_that_refuses_now_says_so():
    answer = Connected(0.1, Fault(Cause.REFUSED, "connection refused"), left=20.0)
    assert said(answer) == [(address, "connection refused") for address in SILENT]


def test_an_address_that_answers_was_only_slow():
    refused = ("2001:db8::25", Fault(Cause.REFUSED, "connection refused"))
    own = ("192.0.2.25", "192.0.2.1")
    assert said(Connected(0.4, None, own, left=20.0)) == []
    assert said(Connected(0.4, None, own, (refused,), left=20.0)) == [
        ("2001:db8::25", "connection refused")
    ]


@pytest.mark.parametrize(
    ("cause", "left", "ends"),
    [
        (Cause.SILENT, 2.0, 5.0),
        (Cause.SILENT, None, 0.0),
        (Cause.TOO_BUSY, None, 20.0),
        (Cause.INTERRUPTED, None, 20.0),
        (Cause.OWN_SIDE, None, 20.0),
    ],
)
def test_nothing_is_said_without_time_or_by_the_fault_of_this_host(cause, left, ends):
    assert said(Connected(2.0, Fault(cause, "no"), left=ends), left) == []

"""Calls that block, each in a thread: whatever they do, the run ends in time."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable

import pytest
from support.smtp import PATIENCE

from exchange_mailaccept.net.blocking_call import BlockingCall, SystemLookUp
from exchange_mailaccept.net.loop import Run
from exchange_mailaccept.net.operation import Deadline
from exchange_mailaccept.protocol.conversation import Fault
from exchange_mailaccept.protocol.further_requests import Call, Resolve, Resolved
from exchange_mailaccept.vocabulary import Cause


def answer(request: Any, timeout: float = PATIENCE) -> Any:
    """What comes back for ``request``."""

    def conversation() -> Any:
        return (yield request)

    (answered,) = Run([conversation()], timeout).drive()
    return answered


def fail(error: Exception) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def test_a_call_returns_its_value():
    returned = answer(Call(lambda: ("OK", [b"done"])))
    assert (returned.fault, returned.value) == (None, ("OK", [b"done"]))


def test_calls_run_beside_each_other():
    """Each waits for the other, so one after the other they would never end."""
    both = threading.Barrier(2)

    def conversation() -> Any:
        return (yield Call(lambda: both.wait(PATIENCE)))

    answers = Run([conversation(), conversation()], PATIENCE).drive()
    assert [returned.fault for returned in answers] == [None, None]


def test_a_fault_that_a_call_returns_is_the_answers():
    fault = Fault(Cause.AUTH, "the mailbox does not know this user")
    returned = answer(Call(lambda: fault))
    assert (returned.fault, returned.value) == (fault, None)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_the_system_is_a_fault():
    returned = answer(Call(fail(ConnectionRefusedError(111, "Connection refused"))))
    assert returned.fault == Fault(Cause.REFUSED, "connection refused")


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_any_other_exception_ends_the_run():
    """It is a fault of the program, which must neither be lost nor printed by the thread."""
    with pytest.raises(KeyError, match="nonesuch"):
        answer(Call(fail(KeyError("nonesuch"))))


@pytest.mark.parametrize(("patience", "timeout"), [(0.25, PATIENCE), (None, 0.25)])
def test_a_call_that_takes_too_long_is_given_up(patience, timeout):
    """At the latest with the run."""
    over = threading.Event()
    returned = answer(Call(lambda: over.wait(PATIENCE), patience=patience), timeout)
    over.set()
    assert returned.fault == Fault(Cause.SILENT, "within 0.25s")


def test_what_comes_too_late_goes_nowhere():
    go_on, over = threading.Event(), threading.Event()

    def function() -> None:
        go_on.wait(PATIENCE)
        over.set()

    before = set(threading.enumerate())
    deadline = Deadline(time.monotonic() + PATIENCE, PATIENCE, time.monotonic)
    operation = BlockingCall(deadline, Call(function))
    assert operation.begin() is None
    (thread,) = set(threading.enumerate()) - before
    operation.expire()
    operation.close()
    # They get the numbers that have just become free.
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    go_on.set()
    thread.join(PATIENCE)
    assert over.is_set()
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    os.close(reading)
    os.close(writing)


# The system's resolver.


def looked_up(getaddrinfo: Callable[..., Any]) -> Resolved:
    """What a look-up by ``getaddrinfo`` comes to."""
    before = set(threading.enumerate())
    deadline = Deadline(time.monotonic() + PATIENCE, PATIENCE, time.monotonic)
    operation = SystemLookUp(deadline, Resolve("mail1.contoso.com", 0), getaddrinfo)
    assert operation.begin() is None
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    resolved = operation.ready(next(iter(operation.watched)))
    operation.close()
    return resolved


def test_a_resolver_that_answers():
    answered = [(2, 1, 6, "mail1.contoso.com", ("192.0.2.1", 0)), (2, 1, 6, "", ("192.0.2.1", 0))]
    resolved = looked_up(lambda *_, **__: answered)
    assert (resolved.fault, resolved.addresses) == (None, ("192.0.2.1",))
    assert resolved.canonical_name == "mail1.contoso.com"


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(24, "Too many open files"), "Too many open files"),
        (UnicodeEncodeError("ascii", "m\xfc", 1, 2, "range"), "the name is not in ASCII"),
        (
            UnicodeDecodeError("utf-8", b"m\xfc", 1, 2, "invalid start byte"),
            "it answered with a name that is not text",
        ),
    ],
)
def test_a_resolver_that_breaks(error, why):
    """Its error ends in the answer, and neither in a long wait nor on standard error."""
    assert looked_up(fail(error)).fault == Fault(Cause.RESOLVER, f"the system's resolver: {why}")


def test_a_resolver_that_is_silent():
    deadline = Deadline(time.monotonic() + PATIENCE, 0.25, time.monotonic)
    operation = SystemLookUp(deadline, Resolve("mail1.contoso.com", 0))
    late = operation.expire()
    operation.close()
    assert late.fault == Fault(Cause.RESOLVER, "the system's resolver gave no answer within 0.25s")

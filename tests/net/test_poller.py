"""Who waits for which descriptors, and until when: on real pipes, with the clock given."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from typing import Callable, Optional

import pytest

from exchange_mailaccept.net.operation import Poller


class Waiting:
    """One who waits as the test says."""

    def __init__(self, due: float, *descriptors: int, events: int = select.POLLIN) -> None:
        self.due = due
        self.watched = dict.fromkeys(descriptors, events)
        self.done = False

    def ready(self, descriptor: int) -> bool:
        raise NotImplementedError

    def expire(self) -> None:
        raise NotImplementedError


class Pipe:
    """Readable once something was written."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def write(self) -> None:
        os.write(self.writing, b".")

    def close(self) -> None:
        for descriptor in (self.reading, self.writing):
            os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Callable[[], Pipe]]:
    """Make pipes."""
    made: list[Pipe] = []

    def make() -> Pipe:
        made.append(Pipe())
        return made[-1]

    yield make
    for each in made:
        each.close()


def poller_of(*waiting: Waiting, signals: int = -1) -> Poller:
    poller = Poller(signals)
    for each in waiting:
        poller.settle(each)
    return poller


def test_what_is_ready_is_given_to_its_owner(pipe):
    pipes = [pipe(), pipe(), pipe()]
    first, second = Waiting(9.0, pipes[0].reading), Waiting(9.0, *(p.reading for p in pipes[1:]))
    poller = poller_of(first, second)
    pipes[0].write()
    pipes[2].write()
    found: list[tuple[Optional[object], int]] = sorted(poller.wait(0.0), key=lambda pair: pair[1])
    assert found == [(first, pipes[0].reading), (second, pipes[2].reading)]


def test_one_descriptor_of_each_owner_at_a_time(pipe):
    """Because the owner, told of the first, may close the second and open a third with its number.

    So a black hole that got the number of an attempt given up would count as connected.
    """
    pipes = [pipe(), pipe()]
    waiting = Waiting(0.0, *(each.reading for each in pipes))
    poller = poller_of(waiting)
    for each in pipes:
        each.write()
    ((_, told),) = poller.wait(0.0)
    (untold,) = {each.reading for each in pipes} - {told}
    opened_anew(pipe, untold)
    waiting.watched = {untold: select.POLLIN}
    poller.settle(waiting)
    assert poller.wait(0.0) == []


def test_nothing_is_waited_for_any_more(pipe):
    first, second = pipe(), pipe()
    waiting = Waiting(0.0, first.reading)
    poller = poller_of(waiting)
    waiting.watched = {second.reading: select.POLLIN}
    poller.settle(waiting)
    first.write()
    assert poller.wait(0.0) == []
    second.write()
    assert poller.wait(0.0) == [(waiting, second.reading)]


def test_other_events_of_the_same_descriptor(pipe):
    one = pipe()
    waiting = Waiting(0.0, one.reading, events=select.POLLPRI)
    poller = poller_of(waiting)
    one.write()
    assert poller.wait(0.0) == []
    waiting.watched = {one.reading: select.POLLIN}
    poller.settle(waiting)
    assert poller.wait(0.0) == [(waiting, one.reading)]


def opened_anew(pipe, descriptor: int) -> Pipe:
    """A pipe whose reading end has the number of ``descriptor``, which is closed for it."""
    another = pipe()
    os.dup2(another.reading, descriptor)
    return another


def test_a_descriptor_that_is_another_owners_by_now(pipe):
    """Closed by one and opened by another, it must not be forgotten for the first."""
    one = pipe()
    first = Waiting(9.0, one.reading)
    poller = poller_of(first)
    another = opened_anew(pipe, one.reading)
    second = Waiting(9.0, one.reading)
    poller.settle(second)
    first.watched = {}
    poller.settle(first)
    another.write()
    assert poller.wait(0.0) == [(second, one.reading)]


def test_a_descriptor_that_is_another_file_by_now(pipe):
    """Closed and opened by the same owner, as when the next address gets the socket's number."""
    one = pipe()
    waiting = Waiting(9.0, one.reading)
    poller = poller_of(waiting)
    another = opened_anew(pipe, one.reading)
    waiting.watched = dict(waiting.watched)
    poller.settle(waiting)
    another.write()
    assert poller.wait(0.0) == [(waiting, one.reading)]


def test_a_descriptor_that_is_closed_by_now(pipe):
    one, other = pipe(), pipe()
    waiting = Waiting(9.0, one.reading)
    poller = poller_of(waiting)
    os.close(one.reading)
    waiting.watched = {other.reading: select.POLLIN}
    poller.settle(waiting)
    other.write()
    assert poller.wait(0.0) == [(waiting, other.reading)]
    # For whoever closes it at the end of the test.
    os.dup2(other.reading, one.reading)


def test_who_is_done_is_active_no_more(pipe):
    one = pipe()
    waiting = Waiting(9.0, one.reading)
    poller = poller_of(waiting)
    assert list(poller.active) == [waiting]
    waiting.done, waiting.watched = True, {}
    poller.settle(waiting)
    assert list(poller.active) == []
    one.write()
    assert poller.wait(0.0) == []


def test_overdue_in_the_order_of_the_time():
    late, early, later = Waiting(2.0), Waiting(1.0), Waiting(3.0)
    poller = poller_of(late, early, later)
    poller.settle(early)
    assert poller.overdue(2.5) == [early, late]
    assert poller.overdue(2.5) == []
    assert poller.overdue(3.0) == [later]


def test_who_has_changed_its_mind_is_not_woken_at_the_old_time():
    waiting = Waiting(1.0)
    poller = poller_of(waiting)
    waiting.due = 5.0
    poller.settle(waiting)
    assert (poller.overdue(4.0), poller.overdue(5.0)) == ([], [waiting])
    waiting.due = 9.0
    poller.settle(waiting)
    waiting.due = 6.0
    poller.settle(waiting)
    assert poller.overdue(6.0) == [waiting]


def test_who_is_done_is_never_overdue():
    waiting = Waiting(1.0)
    poller = poller_of(waiting)
    waiting.done = True
    poller.settle(waiting)
    assert poller.overdue(9.0) == []


def test_waiting_never_ends_too_early(pipe):
    """Poll counts in milliseconds; a time between two of them must not be woken for in vain."""
    begun = time.monotonic()
    waiting = Waiting(begun + 0.0205, pipe().reading)
    poller = poller_of(waiting)
    assert poller.wait(begun) == []
    assert poller.overdue(time.monotonic()) == [waiting]


def test_a_signal_belongs_to_nobody(pipe):
    signals, one = pipe(), pipe()
    poller = poller_of(Waiting(9.0, one.reading), signals=signals.reading)
    signals.write()
    assert poller.wait(0.0) == [(None, signals.reading)]

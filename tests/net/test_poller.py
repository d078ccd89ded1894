"""Who waits for which descriptors, and until when: on real pipes, with the clock given."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from typing import Callable, Optional

import pytest

from exchange_mailaccept.net.poller import Watch


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


def watch_of(*waiting: Waiting, signals: int = -1) -> Watch:
    watch = Watch(signals)
    for each in waiting:
        watch.settle(each)
    return watch


def test_what_is_ready_is_given_to_its_owner(pipe):
    """Each with the descriptor that it happened to."""
    pipes = [pipe(), pipe(), pipe()]
    first, second = Waiting(9.0, pipes[0].reading), Waiting(9.0, *(p.reading for p in pipes[1:]))
    watch = watch_of(first, second)
    pipes[0].write()
    pipes[2].write()
    found: list[tuple[Optional[object], int]] = sorted(watch.wait(0.0), key=lambda pair: pair[1])
    assert found == [(first, pipes[0].reading), (second, pipes[2].reading)]


def test_one_descriptor_of_each_owner_at_a_time(pipe):
    """Because the owner, told of the first, may close the second and open a third with its number.

    So a black hole that got the number of an attempt given up would count as connected.
    """
    pipes = [pipe(), pipe()]
    waiting = Waiting(0.0, *(each.reading for each in pipes))
    watch = watch_of(waiting)
    for each in pipes:
        each.write()
    ((_, told),) = watch.wait(0.0)
    (untold,) = {each.reading for each in pipes} - {told}
    opened_anew(pipe, untold)
    waiting.watched = {untold: select.POLLIN}
    watch.settle(waiting)
    assert watch.wait(0.0) == []


def test_what_is_ready_of_one_owner_is_told_the_next_time(pipe):
    """Nothing is lost."""
    pipes = [pipe(), pipe()]
    waiting = Waiting(0.0, *(each.reading for each in pipes))
    watch = watch_of(waiting)
    for each in pipes:
        each.write()
    ((_, told),) = watch.wait(0.0)
    os.read(told, 1)
    (untold,) = {each.reading for each in pipes} - {told}
    assert watch.wait(0.0) == [(waiting, untold)]


def test_what_can_be_written_is_ready(pipe):
    """The events that are waited for are the owner's to choose."""
    one = pipe()
    waiting = Waiting(9.0, one.writing, events=select.POLLOUT)
    assert watch_of(waiting).wait(0.0) == [(waiting, one.writing)]


def test_nothing_is_waited_for_any_more(pipe):
    """What the owner no longer names is forgotten."""
    first, second = pipe(), pipe()
    waiting = Waiting(0.0, first.reading)
    watch = watch_of(waiting)
    waiting.watched = {second.reading: select.POLLIN}
    watch.settle(waiting)
    first.write()
    assert watch.wait(0.0) == []
    second.write()
    assert watch.wait(0.0) == [(waiting, second.reading)]


def test_other_events_of_the_same_descriptor(pipe):
    """As after a command is out and its reply is to come."""
    one = pipe()
    waiting = Waiting(0.0, one.reading, events=select.POLLPRI)
    watch = watch_of(waiting)
    one.write()
    assert watch.wait(0.0) == []
    waiting.watched = {one.reading: select.POLLIN}
    watch.settle(waiting)
    assert watch.wait(0.0) == [(waiting, one.reading)]


def opened_anew(pipe, descriptor: int) -> Pipe:
    """A pipe whose reading end has the number of ``descriptor``, which is closed for it."""
    another = pipe()
    os.dup2(another.reading, descriptor)
    return another


def test_a_descriptor_that_is_another_owners_by_now(pipe):
    """Closed by one and opened by another, it must not be forgotten for the first."""
    one = pipe()
    first = Waiting(9.0, one.reading)
    watch = watch_of(first)
    another = opened_anew(pipe, one.reading)
    second = Waiting(9.0, one.reading)
    watch.settle(second)
    first.watched = {}
    watch.settle(first)
    another.write()
    assert watch.wait(0.0) == [(second, one.reading)]


def test_a_descriptor_that_is_another_file_by_now(pipe):
    """Closed and opened by the same owner, as when the next address gets the socket's number."""
    one = pipe()
    waiting = Waiting(9.0, one.reading)
    watch = watch_of(waiting)
    another = opened_anew(pipe, one.reading)
    waiting.watched = dict(waiting.watched)
    watch.settle(waiting)
    another.write()
    assert watch.wait(0.0) == [(waiting, one.reading)]


def test_a_descriptor_that_is_closed_by_now(pipe):
    """There is nothing left to be forgotten."""
    one, other = pipe(), pipe()
    waiting = Waiting(9.0, one.reading)
    watch = watch_of(waiting)
    os.close(one.reading)
    waiting.watched = {other.reading: select.POLLIN}
    watch.settle(waiting)
    other.write()
    assert watch.wait(0.0) == [(waiting, other.reading)]
    # For whoever closes it at the end of the test.
    os.dup2(other.reading, one.reading)


def test_who_is_done_is_active_no_more(pipe):
    """And takes its descriptors along."""
    one = pipe()
    waiting = Waiting(9.0, one.reading)
    watch = watch_of(waiting)
    assert list(watch.active) == [waiting]
    waiting.done, waiting.watched = True, {}
    watch.settle(waiting)
    assert list(watch.active) == []
    one.write()
    assert watch.wait(0.0) == []


def test_who_waits_for_nothing_but_the_time():
    """Is active, and overdue when it is time."""
    waiting = Waiting(1.0)
    watch = watch_of(waiting)
    assert list(watch.active) == [waiting]
    assert (watch.overdue(0.9), watch.overdue(1.0)) == ([], [waiting])


def test_overdue_in_the_order_of_the_time():
    """Each once, however often it was settled."""
    late, early, later = Waiting(2.0), Waiting(1.0), Waiting(3.0)
    watch = watch_of(late, early, later)
    watch.settle(early)
    assert watch.overdue(2.5) == [early, late]
    assert watch.overdue(2.5) == []
    assert watch.overdue(3.0) == [later]


def test_who_has_changed_its_mind_is_not_woken_at_the_old_time():
    """Only the latest time counts, be it later or sooner."""
    waiting = Waiting(1.0)
    watch = watch_of(waiting)
    waiting.due = 5.0
    watch.settle(waiting)
    assert (watch.overdue(4.0), watch.overdue(5.0)) == ([], [waiting])
    waiting.due = 9.0
    watch.settle(waiting)
    waiting.due = 6.0
    watch.settle(waiting)
    assert watch.overdue(6.0) == [waiting]


def test_who_is_done_is_never_overdue():
    """Whatever it had waited for."""
    waiting = Waiting(1.0)
    watch = watch_of(waiting)
    waiting.done = True
    watch.settle(waiting)
    assert watch.overdue(9.0) == []


def test_nobody_waits():
    """Then there is nothing to wait for, not even a moment."""
    assert Watch(-1).wait(0.0) == []


def test_waiting_never_ends_too_early(pipe):
    """Poll counts in milliseconds; a time between two of them must not be woken for in vain."""
    begun = time.monotonic()
    waiting = Waiting(begun + 0.0205, pipe().reading)
    watch = watch_of(waiting)
    assert watch.wait(begun) == []
    assert watch.overdue(time.monotonic()) == [waiting]


def test_a_signal_belongs_to_nobody(pipe):
    """It is given without an owner."""
    signals, one = pipe(), pipe()
    watch = watch_of(Waiting(9.0, one.reading), signals=signals.reading)
    signals.write()
    assert watch.wait(0.0) == [(None, signals.reading)]

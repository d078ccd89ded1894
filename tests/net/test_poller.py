"""Who waits for which descriptors, and until when: on real pipes, with the clock given."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from typing import Callable

import pytest

from exchange_mailaccept.net.operation import Poller


class Waiting:
    """One who waits as the test says."""

    def __init__(self, due: float, *descriptors: int) -> None:
        self.due = due
        self.watched = dict.fromkeys(descriptors, select.POLLIN)
        self.done = False


class Pipe:
    """Readable once something was written."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def write(self) -> None:
        os.write(self.writing, b".")


@pytest.fixture
def pipe() -> Iterator[Callable[[], Pipe]]:
    """Make pipes."""
    pipes: list[Pipe] = []

    def make() -> Pipe:
        pipes.append(Pipe())
        return pipes[-1]

    yield make
    for made in pipes:
        os.close(made.reading)
        os.close(made.writing)


def poller_of(*channels: Waiting, signals: int = -1) -> Poller:
    poller = Poller(signals)
    for channel in channels:
        poller.settle(channel)
    return poller


def test_what_is_ready_is_given_to_its_owner(pipe):
    """And a signal to nobody."""
    pipes = [pipe(), pipe(), pipe()]
    signals = pipe()
    first, second = Waiting(9.0, pipes[0].reading), Waiting(9.0, *(p.reading for p in pipes[1:]))
    poller = poller_of(first, second, signals=signals.reading)
    for written in (pipes[0], pipes[2], signals):
        written.write()
    assert sorted(poller.wait(0.0), key=lambda pair: pair[1]) == [
        (first, pipes[0].reading),
        (second, pipes[2].reading),
        (None, signals.reading),
    ]
    for channel in (first, second):
        channel.done = True
        poller.settle(channel)
    assert (poller.wait(0.0), list(poller.active)) == ([], [])


# The numbers of descriptors that were closed are given to new ones.


def open_anew(pipe: Callable[[], Pipe], descriptor: int) -> Pipe:
    """A pipe whose reading end has the number of ``descriptor``, which is closed for it."""
    another = pipe()
    os.dup2(another.reading, descriptor)
    return another


def test_one_descriptor_of_each_owner_at_a_time(pipe):
    """Because the owner, told of the first, may close the second and open a third with its number.

    So a black hole that got the number of an attempt given up would count as connected.
    """
    pipes = [pipe(), pipe()]
    channel = Waiting(0.0, *(one.reading for one in pipes))
    poller = poller_of(channel)
    for one in pipes:
        one.write()
    ((_, told),) = poller.wait(0.0)
    (untold,) = {one.reading for one in pipes} - {told}
    open_anew(pipe, untold)
    channel.watched = {untold: select.POLLIN}
    poller.settle(channel)
    assert poller.wait(0.0) == []


def test_a_descriptor_that_is_another_owners_by_now(pipe):
    """Closed by one and opened by another, it must not be forgotten for the first."""
    one = pipe()
    first = Waiting(9.0, one.reading)
    poller = poller_of(first)
    another = open_anew(pipe, one.reading)
    second = Waiting(9.0, one.reading)
    poller.settle(second)
    first.watched = {}
    poller.settle(first)
    another.write()
    assert poller.wait(0.0) == [(second, one.reading)]


def test_a_descriptor_that_is_another_file_by_now(pipe):
    """Closed and opened by the same owner, as when the next address gets the socket's number."""
    one = pipe()
    channel = Waiting(9.0, one.reading)
    poller = poller_of(channel)
    another = open_anew(pipe, one.reading)
    channel.watched = dict(channel.watched)
    poller.settle(channel)
    another.write()
    assert poller.wait(0.0) == [(channel, one.reading)]


def test_a_descriptor_that_is_closed_by_now(pipe):
    one, other = pipe(), pipe()
    channel = Waiting(9.0, one.reading)
    poller = poller_of(channel)
    os.close(one.reading)
    channel.watched = {other.reading: select.POLLIN}
    poller.settle(channel)
    other.write()
    assert poller.wait(0.0) == [(channel, other.reading)]
    # For whoever closes it at the end of the test.
    os.dup2(other.reading, one.reading)


def test_overdue_in_the_order_of_the_time():
    late, early, later, done = Waiting(2.0), Waiting(1.0), Waiting(3.0), Waiting(1.0)
    poller = poller_of(late, early, later, done)
    poller.settle(early)
    done.done = True
    poller.settle(done)
    assert poller.overdue(2.5) == [early, late]
    assert poller.overdue(2.5) == []
    assert poller.overdue(3.0) == [later]


def test_who_has_changed_its_mind_is_not_woken_at_the_old_time():
    channel = Waiting(1.0)
    poller = poller_of(channel)
    channel.due = 5.0
    poller.settle(channel)
    assert (poller.overdue(4.0), poller.overdue(5.0)) == ([], [channel])
    for channel.due in (9.0, 6.0):
        poller.settle(channel)
    assert poller.overdue(6.0) == [channel]


def test_waiting_never_ends_too_early(pipe):
    """Poll counts in milliseconds; a time between two of them must not be woken for in vain."""
    begun = time.monotonic()
    channel = Waiting(begun + 0.0205, pipe().reading)
    poller = poller_of(channel)
    assert poller.wait(begun) == []
    assert poller.overdue(time.monotonic()) == [channel]

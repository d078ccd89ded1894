"""Whether the probes arrive: looks into their mailbox after the test (``--delivered``).

Each run judges the probes that earlier runs have sent, so nothing has to be stored and, as a rule,
nothing waited for.  Only if what has arrived is not good enough does the run wait for the message
that it has just sent: after a pause of the checks there can be no younger one.
"""

from __future__ import annotations

from ..net import loop
from ..net.mailbox import MailboxSession, Seen
from ..net.probes import Delivery, Mailbox, Newest, Probe, newest
from ..protocol.conversation import Fault, MailHost, Target, time
from ..protocol.further_requests import Await, Call
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause
from .acceptance import find_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Union

    from ..protocol.further_requests import Answer, Request, Returned
    from ..protocol.message import Plan
    from .acceptance import Member, ServerSet

#: Seconds between two looks into the mailbox: the first, and at most.
PAUSE, LONGEST_PAUSE = 0.25, 2.0


class Expected(NamedTuple):
    """A server whose probes should arrive."""

    label: str
    mark: str
    #: Whether it has accepted this run's message for the mailbox.
    accepted: bool


class Watch(NamedTuple):
    """What is looked for, and until when."""

    mailbox: Mailbox
    #: How its server is found: family, and the name servers to ask.
    target: Target
    #: Date of this run's message, in seconds since the epoch, and so when the run began.
    sent: float
    #: Seconds of the whole run.
    timeout: float
    #: Whether an age of the newest probe, in seconds, is out of the user's range.
    is_late: Callable[[float], bool]


def with_delivery(
    found: ServerSet, plan: Plan, watch: Watch, left: float, signals: int
) -> ServerSet:
    """Add to what was ``found`` what the mailbox shows.

    :param left: seconds until the run ends
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    """
    failures = [each.acceptance.failure for each in found.members]
    if any(each is not None and each.cause is Cause.INTERRUPTED for each in failures):
        return found
    expected = [
        Expected(each.label, plan.at(each.label).content.mark, _has_message(each))
        for each in found.members
    ]
    (delivery,) = loop.Run([look(expected, watch)], left, None, signals).drive()
    return found._replace(delivery=delivery)


def _has_message(member: Member) -> bool:
    """Whether the server has accepted the message for the first recipient, whose mailbox it is."""
    session = member.acceptance.decisive
    recipients = session.recipients if session is not None else ()
    refused = any(not each.outcome.passed or each.apart for each in recipients[:1])
    return member.accepts and not refused


def look(expected: Sequence[Expected], watch: Watch) -> Generator[Request, Answer, Delivery]:
    """Look into the mailbox, and wait for this run's message if that can make things good."""
    mailbox = watch.mailbox
    target = watch.target._replace(domain="", host=mailbox.host, port=mailbox.port)
    located = yield from find_addresses(MailHost(None, mailbox.host), target)
    if not located.lookup.passed:
        words = f"its name can't be looked up: {located.lookup.explanation}"
        return Delivery(Fault(Cause.RESOLVER, words))
    left = (yield from time()).left
    session = MailboxSession(mailbox, located.server.addresses, left)
    opened = yield from _call(session, session.open)
    if opened.fault is not None:
        return Delivery(opened.fault)
    marks = frozenset(each.mark for each in expected)
    seen = yield from _read(session, marks)
    if isinstance(seen, Fault):
        return Delivery(seen)
    notes = seen.notes + (yield from _tidy(session, watch, marks, seen))
    seen = yield from _wait(session, expected, watch, seen)
    if isinstance(seen, Fault):
        return Delivery(seen)
    now = yield from _now(watch)
    yield from _call(session, session.leave)
    return Delivery(None, _newest(expected, watch, seen.probes, now), notes)


def _wait(
    session: MailboxSession, expected: Sequence[Expected], watch: Watch, seen: Seen
) -> Generator[Request, Answer, Union[Seen, Fault]]:
    """Look again until nothing is to be waited for, or the time is up.

    If the wait ends early, nobody knows whether this run's message would have arrived.
    """
    marks = frozenset(each.mark for each in expected)
    pause = PAUSE
    while True:
        now = yield from _now(watch)
        found = _newest(expected, watch, seen.probes, now)
        waiting = any(
            each.accepted and _may_get_better(found[each.label], watch) for each in expected
        )
        if not waiting or (yield from time()).left <= 0:
            return seen
        yield Await(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        again = yield from _read(session, marks)
        if isinstance(again, Fault):
            return seen if again.cause is Cause.SILENT else again
        seen = again


def _may_get_better(found: Newest, watch: Watch) -> bool:
    """Whether the state would be another one if this run's message arrived."""
    probe = found.probe
    if probe is None:
        return True
    misplaced = probe.folder != watch.mailbox.folders[0]
    return not found.of_this_run and (misplaced or watch.is_late(found.age))


def _read(
    session: MailboxSession, marks: frozenset[str]
) -> Generator[Request, Answer, Union[Seen, Fault]]:
    answer = yield from _call(session, lambda: session.look(marks))
    found: Union[Seen, Fault] = answer.fault or answer.value
    return found


def _tidy(
    session: MailboxSession, watch: Watch, marks: frozenset[str], seen: Seen
) -> Generator[Request, Answer, tuple[str, ...]]:
    """Delete old probes, but never the newest."""
    now = yield from _now(watch)
    kept = [newest(seen.probes, mark, now, watch.sent).probe for mark in marks]
    before = now - watch.mailbox.keep
    answer = yield from _call(
        session, lambda: session.tidy(marks, before, [each for each in kept if each is not None])
    )
    if answer.fault is None:
        return ()
    return (f"old probes could not be deleted: {answer.fault.explanation}",)


def _call(
    session: MailboxSession, function: Callable[[], object]
) -> Generator[Call, Returned, Returned]:
    """Call a method of ``session``, which is shut down when the time is up."""
    return (yield Call(function, abandon=session.shut_down))


def _newest(
    expected: Sequence[Expected], watch: Watch, probes: Sequence[Probe], now: float
) -> Mapping[str, Newest]:
    return {
        each.label: newest(probes, each.mark, now, watch.sent)._replace(accepted=each.accepted)
        for each in expected
    }


def _now(watch: Watch) -> Generator[Request, Answer, float]:
    """The time of day, by the clock that the run goes by."""
    return watch.sent + watch.timeout - (yield from time()).left

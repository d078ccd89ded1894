"""Several recipients and senders to words: who is accepted, and who is not."""

from __future__ import annotations

from ..cli.words import RELAY
from ..protocol.conversation import Asked, Session, StageOutcome
from ..record import TYPE_CHECKING
from ..run.acceptance import Examined
from ..run.doors import is_shut, open_doors
from ..vocabulary import Stage, Verdict
from .text import printable, quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

    from ..exchange.remedies import Contrast
    from ..options import Options
    from ..protocol.message import Plan

#: Characters of an address, and of a reply to one of several.
_ADDRESS, _REPLY = 80, 110


def accepted(sessions: Sequence[Session], plan: Plan) -> str:
    """The recipients to whom every server of ``sessions`` has taken the message."""
    lost = {
        each.address
        for session in sessions
        for each in session.recipients
        if each.apart or not each.outcome.passed
    }
    kept = [address for address in plan.envelope.recipients if address not in lost]
    return _listed(kept) if kept else "no recipient at all of them"


def notices(sessions: Sequence[Session]) -> list[str]:
    """Which recipients were accepted in a transaction of their own only."""
    apart = dict.fromkeys(
        each.address
        for session in sessions
        for each in session.recipients
        if each.apart and each.outcome.passed
    )
    words = "accepted in a transaction of its own, in which no message was sent"
    return [f"{_listed(list(apart))} {words}"] if apart else []


def refused_recipients(session: Session) -> str:
    """How many recipients were not accepted, and which."""
    return _refused(session.recipients, "recipient")


def refused_senders(session: Session, plan: Plan) -> str:
    """How many senders were not accepted, and which; and what it means that others were."""
    tried = _tried(session, plan)
    found = _contrast(tried, plan)
    return "; ".join(filter(None, [_refused(tried, "sender"), found.words if found else ""]))


def contrast_of(session: Session, plan: Plan) -> Optional[Contrast]:
    """What it means that one kind of sender was accepted and another was not."""
    return _contrast(_tried(session, plan), plan)


def _contrast(tried: Sequence[Asked], plan: Plan) -> Optional[Contrast]:
    from ..exchange.remedies import contrast

    return contrast(tried, plan.envelope.domains)


def _tried(session: Session, plan: Plan) -> tuple[Asked, ...]:
    """All senders; the first one only if it got as far as the others can."""
    failure = session.failure
    if failure is not None and failure.stage not in (Stage.MAIL, Stage.RCPT):
        return session.senders
    first = failure or session.outcome(Stage.RCPT)
    if first is None:
        return session.senders
    # RCPT can have been refused for the first of several recipients only.
    passed = failure is None
    outcome = first._replace(verdict=Verdict.PASSED) if passed else first
    return (Asked(plan.envelope.sender, outcome), *session.senders)


def _refused(asked: Sequence[Asked], what: str) -> str:
    refused = [recipient for recipient in asked if not recipient.outcome.passed]
    # What is refused before what is deferred.
    refused.sort(key=lambda each: each.outcome.verdict is Verdict.DEFERRED)
    deferred = all(recipient.outcome.verdict is Verdict.DEFERRED for recipient in refused)
    told = [
        f"{_name(recipient.address)}: {answer_in_words(recipient.outcome, _REPLY)}"
        for recipient in refused
    ]
    more = [f"and {len(told) - 2} more"] if len(told) > 2 else []
    verb = "deferred" if deferred else "refused"
    return f"{len(refused)} of {len(asked)} {what}s {verb}: {'; '.join(told[:2] + more)}"


def answer_in_words(outcome: StageOutcome, most: int) -> str:
    """The server's reply, or why there was none."""
    if outcome.reply is not None:
        return quote(outcome.reply, most)
    silent = "no answer " if outcome.verdict is Verdict.TIMED_OUT else ""
    return f"{silent}{printable(outcome.explanation, most)}"


def door(key: str, examined: Examined, options: Options) -> str:
    """The recipients that must be refused and were accepted, or could not be tested."""
    host = printable(examined.name, _ADDRESS)
    doors = open_doors(examined, options.target, options.probe.envelope)
    (kind,) = (kind for kind in doors if kind.key == key)
    asked = kind.open or kind.untested
    addresses = " and ".join(_name(recipient.address) for recipient in asked)
    if not kind.open:
        outcome = asked[0].outcome
        command = "MAIL was answered " if outcome.reply and outcome.stage is Stage.MAIL else ""
        words = f"{command}{answer_in_words(outcome, _REPLY)}"
        return f"could not test that {host} refuses {addresses}: {words}"
    if kind.key == RELAY:
        return f"{host} accepts mail for {addresses} from this host"
    return f"{host} accepts an unknown recipient, {addresses}"


def address_lines(session: Session, most: int) -> list[str]:
    """How each recipient and sender was answered.

    :param most: characters of a reply
    """
    lines = []
    for each in session.recipients:
        apart = " (in a transaction of its own, without a message)" if each.apart else ""
        words = answer_in_words(each.outcome, most)
        lines.append(f"Recipient {_name(each.address)}: {words}{apart}")
    for each in session.senders:
        words = answer_in_words(each.outcome, most)
        lines.append(f"Sender {_name(each.address)}: {words}")
    for each in session.refusals:
        how = "refused" if is_shut(each) else "ACCEPTED" if each.outcome.passed else "not tested"
        words = answer_in_words(each.outcome, most)
        lines.append(f"Must be refused: {_name(each.address)}: {how} ({words})")
    return lines


def _listed(addresses: Sequence[str]) -> str:
    """Up to three addresses, and how many more there are."""
    *first, last = [_name(each) for each in addresses[:3]]
    more = len(addresses) - 3
    if more > 0:
        return f"{', '.join([*first, last])} and {more} more"
    return f"{', '.join(first)} and {last}" if first else last


def _name(address: str) -> str:
    return printable(address, _ADDRESS) or "the null sender"

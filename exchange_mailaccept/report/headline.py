"""The first line of the output; ``lines`` has the rest."""

from __future__ import annotations

from ..cli.words import ADDRESS, IN_MAILBOX, MX_SET, NODE, RELAY, UNTRUSTED
from ..exchange import LEAST_DELAY
from ..exchange.recognition import receipt_of
from ..judgement import RECIPIENTS, SENDERS, Assessment, Ground, Judgement
from ..protocol.conversation import Session
from ..protocol.message import Plan
from ..record import TYPE_CHECKING
from ..run.acceptance import Acceptance
from ..vocabulary import Generation, Stage, State
from .text import MAX_LINE, counted, printable, shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Optional

    from ..options import Options

#: Findings that the first line mentions in whatever state.
_NOTABLE = (UNTRUSTED, ADDRESS, NODE, RECIPIENTS, SENDERS)
#: Seconds from which the first line mentions a DNS lookup.
SLOW_LOOKUP = 1


def first_line(assessment: Assessment, options: Options) -> str:
    """The first line: what gives the check its state, then the rest as far as there is room."""
    deciding = assessment.deciding
    labels = frozenset(judgement.server for judgement in deciding if judgement.server is not None)
    line = _outcome(assessment, options, labels)
    if assessment.state is State.OK:
        return shorten(f"{_allowance(assessment)}{line}")
    others = [judgement for judgement in assessment.wrong if judgement not in deciding]
    wrong = [
        judgement for judgement in (*deciding, *others) if judgement.ground is not Ground.FAILURE
    ]
    words = _described(wrong, assessment, options)
    if not assessment.failure_leads:
        return shorten("; ".join([*words, line]))
    if any(judgement in deciding for judgement in assessment.failures):
        # An open relay is as bad if something else has failed too.
        as_bad = [
            judgement for judgement in wrong if judgement in deciding and judgement.name == RELAY
        ]
        return shorten("; ".join([line, *_described(as_bad, assessment, options)]))
    return f"{shorten(line, MAX_LINE - len(words[0]) - 2)}; {words[0]}"


def _allowance(assessment: Assessment) -> str:
    """A remark that mail is not accepted although the state is OK; empty if it is."""
    key = next((judgement.key for judgement in assessment.failures if judgement.key), "")
    not_accepted = key and not assessment.accepts
    return f"not accepted, as --severity {key}=ok allows: " if not_accepted else ""


def _described(
    judgements: Sequence[Judgement], assessment: Assessment, options: Options
) -> list[str]:
    if not judgements:
        return []
    from .findings import describe, mx_set

    servers = {server.member.label: server for server in assessment.examined}
    words = []
    for judgement in judgements:
        subject = servers.get(judgement.server or "")
        if judgement.name == MX_SET and assessment.found.mx_set is not None:
            words.append(mx_set(assessment.found.mx_set))
        elif judgement.name in IN_MAILBOX:
            from .delivery import describe as describe_delivery

            words.append(describe_delivery(judgement, subject, assessment, options))
        else:
            words.append(describe(judgement, subject, options))
    return words


def _outcome(assessment: Assessment, options: Options, deciding: Collection[str]) -> str:
    """The result of the test, without the findings."""
    target, plan = options.target, options.probe
    notices = _notices(assessment, options)
    if options.judging.rule is not None:
        from .server_set import set_headline

        sessions = [server.session for server in assessment.examined if server.session is not None]
        recipients = _for_whom(sessions, plan) if not assessment.failures else ""
        return set_headline(assessment.found, target, plan, recipients, deciding, notices)
    (examined,) = assessment.examined
    acceptance = examined.member.acceptance
    if acceptance.failure is not None:
        from .failure import failure

        return failure(acceptance, target, plan)
    return success(acceptance, plan, examined.keywords.generation, notices)


def _notices(assessment: Assessment, options: Options) -> list[str]:
    """What the first line mentions although it is not wrong."""
    target = options.target
    sessions = [server.session for server in assessment.examined if server.session is not None]
    no_mx = any(target.has_no_mx(session.server) for session in sessions)
    worth = [
        judgement
        for judgement in assessment.judgements
        if judgement.name in _NOTABLE
        and judgement.state is State.OK
        and judgement.ground is Ground.FINDING
    ]
    told = _described(worth, assessment, options)
    more = [f"and {len(told) - 1} more"] if len(told) > 1 and options.judging.rule else []
    lost = [f"{printable(target.domain, 80)} has no MX record"] if no_mx else []
    apart = []
    if options.probe.envelope.others:
        from .addresses import notices

        apart = notices(sessions)
    if options.judging.rule is not None and options.probe.until is not Stage.MX:
        apart = [*apart, *filter(None, [_slow_lookup(assessment.found.looking)])]
    met = []
    if options.probe.connections > 1 and options.judging.rule is None:
        from .nodes import nodes_seen

        failed = {each.server for each in assessment.judgements if each.name == NODE}
        met = [nodes_seen(session) for session in sessions if session.beside and not failed]
    arrived = []
    if assessment.found.delivery is not None:
        from .delivery import notices as of_the_mailbox

        arrived = of_the_mailbox(assessment, options)
    return [*lost, *apart, *met, *(told[:1] + more if more else told), *arrived]


def success(
    acceptance: Acceptance,
    plan: Plan,
    generation: Optional[Generation],
    notices: Sequence[str] = (),
) -> str:
    """The words for a completed test.

    They contain what Get-MessageTrackingLog needs, if the server gave a receipt.

    :param notices: what else is mentioned
    """
    session = acceptance.decisive
    if session is None or plan.until is Stage.MX:
        found = (
            f"{counted(len(acceptance.hosts), 'mail server')} found in {acceptance.seconds:.3f}s"
        )
        return f"{found} ({'; '.join(notices)})" if notices else found
    host = printable(session.server.name, 80)
    recipient = _for_whom([session], plan)
    took = f"in {acceptance.seconds:.3f}s"
    notes = [
        printable(generation.title, 40) if generation is not None else "",
        _queued(session, plan),
        *notices,
        _slow_lookup(acceptance.lookup.seconds if acceptance.lookup else 0.0),
        *_delays(session, generation),
    ]
    details = f" ({'; '.join(filter(None, notes))})" if any(notes) else ""
    if plan.until is Stage.MESSAGE:
        return f"{host} accepted mail for {recipient} {took}{details}"
    return f"{host} passed every stage up to {plan.until.value} for {recipient} {took}{details}"


def _for_whom(sessions: Sequence[Session], plan: Plan) -> str:
    if not plan.envelope.others:
        return printable(plan.envelope.recipient, 100)
    from .addresses import accepted

    return accepted(sessions, plan)


def _queued(session: Session, plan: Plan) -> str:
    """The receipt in words."""
    given = receipt_of(session)
    # A server that delivers at once names the recipient instead of the Message-ID.
    if given is None or given.message_id == f"<{plan.envelope.recipient}>":
        return ""
    where = f" on {printable(given.host, 80)}" if given.host else ""
    if not given.message_id:
        return f"queued{where}"
    message_id = printable(given.message_id[1:-1], 90)
    if given.message_id != plan.message_id:
        # Not ours: a gateway answers for another message, or gave this one an id of its own.
        return f"receipt is for another Message-ID, {message_id}"
    return f"queued{where} as {message_id}"


def _slow_lookup(seconds: float) -> str:
    """How long the DNS lookup took, if it was slow; else empty."""
    return f"name look-up took {seconds:.1f}s" if seconds >= SLOW_LOOKUP else ""


def _delays(session: Session, generation: Optional[Generation]) -> list[str]:
    """The replies that were delayed, and why, if the time shows it."""
    slow = [
        outcome for outcome in session.outcomes if outcome.passed and outcome.seconds >= LEAST_DELAY
    ]
    if not slow:
        return []
    from ..exchange.delays import signature
    from .failure import COMMANDS

    known = [(outcome, signature(outcome, generation)) for outcome in slow]
    return [
        f"{COMMANDS[outcome.stage]} took {outcome.seconds:.1f}s, {delay.name}?"
        for outcome, delay in known
        if delay is not None
    ]

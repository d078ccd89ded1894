"""Outcomes to text: the first line; ``lines`` has the rest."""

from __future__ import annotations

from ..dates import rfc5322
from ..exchange import LEAST_DELAY
from ..exchange.recognition import KeywordCheck
from ..protocol.dialogue import EXPECTED, Plan
from ..protocol.stages import Certificate, Session, StageOutcome
from ..record import TYPE_CHECKING
from ..run.acceptance import Acceptance, Member, ServerSet
from ..run.servers import Target
from ..vocabulary import Cause, Generation, Stage, Tls, Verdict
from .text import QUOTED, printable, quote

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Optional

#: Fewest seconds of a look-up of names that are worth a word.
SLOW_LOOKUP = 1
SECONDS_OF_A_DAY = 86_400

_COMMANDS = {
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.MAIL: "MAIL",
    Stage.RCPT: "RCPT",
    Stage.DATA: "DATA",
    Stage.MESSAGE: "the message",
}


def success(acceptance: Acceptance, plan: Plan, generation: Optional[Generation]) -> str:
    """The first line of a test that was walked to its end.

    It has what Get-MessageTrackingLog wants to be asked for, where the server gave a receipt.
    """
    session = acceptance.decisive
    if session is None or plan.until is Stage.MX:
        return f"{_servers(len(acceptance.hosts))} found in {acceptance.seconds:.3f}s"
    host = printable(session.server.name, 80)
    recipient = printable(plan.envelope.recipient, 100)
    took = f"in {acceptance.seconds:.3f}s"
    notes = [
        printable(generation.title, 40) if generation is not None else "",
        _queued(session, plan),
        _slow_lookup(acceptance),
        *_delays(session, generation),
    ]
    details = f" ({'; '.join(filter(None, notes))})" if any(notes) else ""
    if plan.until is Stage.MESSAGE:
        return f"{host} accepted mail for {recipient} {took}{details}"
    return f"{host} passed every stage up to {plan.until.value} for {recipient} {took}{details}"


def _servers(number: int) -> str:
    return "1 mail server" if number == 1 else f"{number} mail servers"


def _queued(session: Session, plan: Plan) -> str:
    """The receipt in words."""
    given = session.receipt
    # Who delivers at once names the recipient in the place of the Message-ID.
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


def _slow_lookup(acceptance: Acceptance) -> str:
    """How long the look-up of names took, if that is long for one."""
    seconds = acceptance.lookup.seconds if acceptance.lookup else 0.0
    return f"name look-up took {seconds:.1f}s" if seconds >= SLOW_LOOKUP else ""


def _delays(session: Session, generation: Optional[Generation]) -> list[str]:
    """What was held back, and why, if the time tells."""
    slow = [each for each in session.outcomes if each.passed and each.seconds >= LEAST_DELAY]
    if not slow:
        return []
    # Imported here because most servers answer at once.
    from ..exchange.delays import signature

    known = [(each, signature(each, generation)) for each in slow]
    return [
        f"{_COMMANDS[outcome.stage]} took {outcome.seconds:.1f}s, {delay.name}?"
        for outcome, delay in known
        if delay is not None
    ]


def failure(acceptance: Acceptance, target: Target, plan: Plan) -> str:
    """The first line of a test that was stopped: which stage failed, in the server's words."""
    outcome, session = acceptance.failure, acceptance.decisive
    assert outcome is not None
    if session is None:
        return _lookup_failure(outcome, target.domain or target.host)
    words = stage_failure(session, outcome, plan)
    implicit = target.domain and not target.host and session.server.preference is None
    if implicit and outcome.stage in (Stage.CONNECT, Stage.BANNER):
        # A domain that has lost its MX is tried by its own name, and nobody would think of that.
        return f"{words} ({printable(target.domain, 80)} has no MX record)"
    if len(acceptance.sessions) > 1 and outcome.stage in (Stage.MX, Stage.CONNECT, Stage.BANNER):
        tried = f"{len(acceptance.sessions)} of {len(acceptance.hosts)} servers tried"
        domain = printable(target.domain, 80)
        if outcome.cause is Cause.SILENT and outcome.received:
            # It had begun to greet, so it does answer.
            return f"{domain} answers too late for -t ({tried}); {words}"
        return f"no server of {domain} answers ({tried}); {words}"
    return words


def stage_failure(session: Session, outcome: StageOutcome, plan: Plan) -> str:
    """Which stage failed at a server, in the server's words."""
    host = printable(session.server.name, 80)
    stage, verdict, reply = outcome.stage, outcome.verdict, outcome.reply
    if stage is Stage.MX:
        return _lookup_failure(outcome, session.server.name)
    explanation = printable(outcome.explanation, QUOTED)
    if verdict is Verdict.UNTESTED:
        return f"could not test {host} at {stage.value}: {explanation}"
    if verdict is Verdict.MISSING:
        return f"{host} {explanation}{_mask(session, stage)}"
    if stage is Stage.CONNECT:
        colon = "" if outcome.cause is Cause.SILENT else ":"
        return f"{host} could not be connected{colon} {explanation}"
    if stage is Stage.BANNER:
        if reply is not None:
            verb = "refused the connection" if reply.code >= 400 else "greeted wrongly"
            return f"{host} {verb}: {quote(reply)}"
        if verdict is Verdict.TIMED_OUT:
            return f"{host} sent no greeting {explanation}"
        return f"{host} sent no SMTP greeting: {explanation}"
    command, expected = _COMMANDS[stage], EXPECTED[stage]
    if stage is Stage.STARTTLS and plan.tls is Tls.IMPLICIT:
        command = "TLS"
    if outcome.second_ehlo:
        command, expected = "EHLO after STARTTLS", EXPECTED[Stage.EHLO]
    if verdict is Verdict.TIMED_OUT:
        return f"{host} did not answer {command} {explanation}"
    if reply is None:
        return f"{host} failed at {command}: {explanation}"
    if verdict is Verdict.BROKEN:
        codes = " or ".join(map(str, expected))
        return f"{host} answered {command} without {codes}: {quote(reply)}"
    verb = "deferred" if verdict is Verdict.DEFERRED and reply.code != 421 else "refused"
    return f"{host} {verb} {command}{_argument(stage, plan)}: {quote(reply)}"


def _mask(session: Session, stage: Stage) -> str:
    """What stands in the place of STARTTLS if a firewall hides it."""
    if stage is not Stage.STARTTLS:
        return ""
    # Imported here because most servers offer what they are asked for.
    from ..exchange.masks import masked_keywords

    masks = [
        mask
        for mask, lines in masked_keywords(session.extensions).items()
        if any(line.startswith("STARTTLS") for line in lines)
    ]
    return f", a firewall masks it as {' or '.join(masks)}" if masks else ""


def _argument(stage: Stage, plan: Plan) -> str:
    """The address that was said with the command of a stage."""
    if stage is Stage.MAIL:
        return f" {printable(plan.envelope.sender, 80) or 'of the null sender'}"
    if stage is Stage.RCPT:
        return f" {printable(plan.envelope.recipient, 80)}"
    return ""


def _lookup_failure(outcome: StageOutcome, name: str) -> str:
    verb = "could not look up" if outcome.verdict is Verdict.UNTESTED else "no mail server at"
    return f"{verb} {printable(name, 80)}: {printable(outcome.explanation, QUOTED)}"


def backup(acceptance: Acceptance, plan: Plan) -> str:
    """Which servers were passed over, and why."""
    failures = [
        stage_failure(session, session.failure, plan)
        for session in acceptance.passed_over
        if session.failure is not None
    ]
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    sessions = (*acceptance.passed_over, acceptance.decisive)
    preferences = {each.server.preference for each in sessions if each is not None}
    equal = len(preferences) == 1 and None not in preferences
    return f"{'other' if equal else 'better'} MX failed: {failures[0]}{more}"


def missing(keywords: KeywordCheck, host: str) -> str:
    """What is wrong with the EHLO keywords."""
    reason = printable(keywords.reason, QUOTED)
    return f"{printable(host, 80)} {reason}" if keywords.missing else reason


def expiry(certificate: Certificate, days: float) -> str:
    """When the certificate ends or has ended."""
    when = rfc5322(certificate.not_after)
    name = printable(certificate.subject, 60) or "the certificate"
    if days < 0:
        return f"certificate {name} expired {-days:.1f} days ago ({when})"
    return f"certificate {name} expires in {days:.1f} days ({when})"


def set_headline(
    found: ServerSet, target: Target, plan: Plan, deciding: Collection[str] = ()
) -> str:
    """The first line of a test of all servers: how many accept, and the worst in words.

    :param deciding: labels of the servers that give the check its state, if it is known
    """
    members = found.members
    name = printable(target.domain or target.host, 80)
    failed = [each for each in members if each.acceptance.failure is not None]
    if failed and failed[0].acceptance.decisive is None:
        return failure(failed[0].acceptance, target, plan)
    if plan.until is Stage.MX and not failed:
        return f"{_servers(len(members))} found for {name} in {found.seconds:.3f}s"
    what = f"pass every stage up to {plan.until.value}"
    if plan.until in (Stage.MX, Stage.MESSAGE):
        what = "found" if plan.until is Stage.MX else "accept mail"
    count = f"{len(members) - len(failed)} of {_servers(len(members))} of {name} {what}"
    if not failed:
        return f"{count} for {printable(plan.envelope.recipient, 100)} in {found.seconds:.3f}s"
    # A primary before a backup, and what is broken before what may pass.
    worst = min(failed, key=lambda each: (each.label not in deciding, *_order_of_failure(each)))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{count}; {failure(worst.acceptance, target, plan)}{more}"


_WORST_FIRST = (
    Verdict.BROKEN,
    Verdict.TIMED_OUT,
    Verdict.REFUSED,
    Verdict.MISSING,
    Verdict.DEFERRED,
    Verdict.UNTESTED,
)


def _order_of_failure(member: Member) -> tuple[bool, int]:
    stopped = member.acceptance.failure
    assert stopped is not None
    return not member.primary, _WORST_FIRST.index(stopped.verdict)

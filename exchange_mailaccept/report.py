"""Outcomes to text: the first line, the stage lines, what to do next.

The one place where foreign text is made printable.  What a server says is read by Nagios, Icinga, a
shell and a tired person, and must not be able to speak to any of them.
"""

from __future__ import annotations

import re

from .acceptance import Acceptance, Member, ServerSet, Target
from .dialogue import EXPECTED, Plan, Tls
from .examination import Examined
from .masks import masked_keywords
from .message import date
from .recognition import Expectation
from .record import TYPE_CHECKING
from .reply import Reply
from .stages import (
    Certificate,
    Security,
    Server,
    Session,
    Stage,
    StageOutcome,
    TranscriptLine,
    Verdict,
)
from .timing import signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Optional

    from .diagnosis import Finding

#: Longest quotation of a server's reply in the first line, and in the lines below it.
QUOTED = 160
QUOTED_BELOW = 240
#: Most lines of a transcript that are shown.
TRANSCRIPT_LINES = 400
SECONDS_OF_A_DAY = 86_400

# The bar begins perfdata, angle brackets turn Icinga Web's output into HTML, the dollar and the
# backtick mean something to Nagios' macros and to a shell.
_FORBIDDEN = str.maketrans(
    {
        **{chr(code): f"/x{code:02x}" for code in (*range(0x20), 0x7F)},
        **dict.fromkeys("\t\r\n\v\f", " "),
        "|": "/",
        "<": "[",
        ">": "]",
        "`": "'",
        "$": "/x24",
    }
)

_COMMANDS = {
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.MAIL: "MAIL",
    Stage.RCPT: "RCPT",
    Stage.DATA: "DATA",
    Stage.MESSAGE: "the message",
}


def printable(text: str, most: int) -> str:
    r"""``text`` as one line of harmless ASCII with at most ``most`` characters.

    What can't be shown becomes ``/x1b`` or ``/u202e``.  With a backslash it would come to life
    again: Nagios and Icinga 2 send their mails, and Nagios writes its perfdata file, by
    ``printf %b``, and NSCA makes a line end of ``\n``.
    """
    text = " ".join(filter(None, text.strip().translate(_FORBIDDEN).split(" ")))
    text = text.encode("ascii", "backslashreplace").decode("ascii").replace("\\", "/")
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quote(reply: Reply, most: int = QUOTED) -> str:
    """The server's words."""
    return printable(str(reply), most)


def success(acceptance: Acceptance, plan: Plan, title: str) -> str:
    """The first line of a test that was walked to its end.

    It has what Get-MessageTrackingLog wants to be asked for, where the server gave a receipt.
    """
    session = acceptance.decisive
    if session is None or plan.until is Stage.MX:
        return f"{_servers(acceptance.known)} found in {acceptance.seconds:.3f}s"
    host = printable(session.server.name, 80)
    recipient = printable(plan.envelope.recipient, 100)
    took = f"in {acceptance.seconds:.3f}s"
    remarks = [printable(title, 40), _queued(session, plan), *_delays(session, title)]
    details = f" ({'; '.join(filter(None, remarks))})" if any(remarks) else ""
    if plan.until is Stage.MESSAGE:
        return f"{host} accepted mail for {recipient} {took}{details}"
    return f"{host} passed every stage up to {plan.until.value} for {recipient} {took}{details}"


def _servers(number: int) -> str:
    return "1 mail server" if number == 1 else f"{number} mail servers"


def _queued(session: Session, plan: Plan) -> str:
    """The receipt in words."""
    given = session.receipt
    if given is None:
        return ""
    where = f" on {printable(given.host, 80)}" if given.host else ""
    if not given.message_id:
        return f"queued{where}"
    message_id = printable(given.message_id[1:-1], 90)
    if given.message_id != plan.message_id:
        # Not ours: a gateway answers for another message, or gave this one an id of its own.
        return f"receipt is for another Message-ID, {message_id}"
    return f"queued{where} as {message_id}"


def _delays(session: Session, title: str) -> list[str]:
    """What was held back, and why, if the time tells."""
    known = [(each, signature(each, title)) for each in session.outcomes if each.passed]
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
    words = _stage_failure(session, outcome, plan)
    if len(acceptance.sessions) > 1 and outcome.stage in (Stage.MX, Stage.CONNECT, Stage.BANNER):
        tried = f"{len(acceptance.sessions)} of {acceptance.known} servers tried"
        return f"no server of {printable(target.domain, 80)} answers ({tried}); {words}"
    return words


def _stage_failure(session: Session, outcome: StageOutcome, plan: Plan) -> str:
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
        colon = "" if explanation.startswith("within ") else ":"
        return f"{host} could not be connected{colon} {explanation}"
    if stage is Stage.BANNER:
        if reply is not None:
            verb = "refused the connection" if reply.code >= 400 else "greeted wrongly"
            return f"{host} {verb}: {quote(reply)}"
        if verdict is Verdict.TIMED_OUT:
            return f"{host} sent no greeting {explanation}"
        return f"{host} sent no SMTP greeting: {explanation}"
    command = _COMMANDS[stage]
    if stage is Stage.STARTTLS and plan.tls is Tls.IMPLICIT:
        command = "TLS"
    if verdict is Verdict.TIMED_OUT:
        return f"{host} did not answer {command} {explanation}"
    if reply is None:
        return f"{host} failed at {command}: {explanation}"
    if verdict is Verdict.BROKEN:
        expected = " or ".join(map(str, EXPECTED[stage]))
        return f"{host} answered {command} without {expected}: {quote(reply)}"
    verb = "deferred" if verdict is Verdict.DEFERRED and reply.code != 421 else "refused"
    return f"{host} {verb} {_addressed(stage, plan)}: {quote(reply)}"


def _mask(session: Session, stage: Stage) -> str:
    """What stands in the place of STARTTLS if a firewall hides it."""
    if stage is not Stage.STARTTLS:
        return ""
    masks = [
        mask
        for mask, lines in masked_keywords(session.extensions).items()
        if any(line.startswith("STARTTLS") for line in lines)
    ]
    return f", a firewall masks it as {' or '.join(masks)}" if masks else ""


def _addressed(stage: Stage, plan: Plan) -> str:
    """The command of a stage with its argument."""
    if stage is Stage.MAIL:
        return f"MAIL {printable(plan.envelope.sender, 80) or 'of the null sender'}"
    if stage is Stage.RCPT:
        return f"RCPT {printable(plan.envelope.recipient, 80)}"
    return _COMMANDS[stage]


def _lookup_failure(outcome: StageOutcome, name: str) -> str:
    verb = "could not look up" if outcome.verdict is Verdict.UNTESTED else "no mail server at"
    return f"{verb} {printable(name, 80)}: {printable(outcome.explanation, QUOTED)}"


def backup(acceptance: Acceptance, plan: Plan) -> str:
    """Which servers were passed over, and why."""
    failures = [
        _stage_failure(session, session.failure, plan)
        for session in acceptance.passed_over
        if session.failure is not None
    ]
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    sessions = (*acceptance.passed_over, acceptance.decisive)
    preferences = {each.server.preference for each in sessions if each is not None}
    equal = len(preferences) == 1 and None not in preferences
    return f"{'other' if equal else 'better'} MX failed: {failures[0]}{more}"


def missing(expectation: Expectation, host: str) -> str:
    """Why the EHLO keywords are a finding."""
    remark = printable(expectation.remark, QUOTED)
    return f"{printable(host, 80)} {remark}" if expectation.missing else remark


def expiry(certificate: Certificate, days: float) -> str:
    """When the certificate ends or has ended."""
    when = date(certificate.not_after)
    name = printable(certificate.subject, 60) or "the certificate"
    if days < 0:
        return f"certificate {name} expired {-days:.1f} days ago ({when})"
    return f"certificate {name} expires in {days:.1f} days ({when})"


def certificate_lines(security: Optional[Security], now: float) -> list[str]:
    """What TLS agreed on, and what the certificate says."""
    if security is None:
        return []
    state = "verified" if security.verified else "not verified"
    lines = [f"TLS: {security.protocol} {security.cipher}, certificate {state}"]
    certificate = security.certificate
    if certificate is not None:
        days = (certificate.not_after - now) / SECONDS_OF_A_DAY
        names = printable(" ".join(certificate.names), QUOTED)
        lines.append(f"Certificate: {printable(certificate.subject, QUOTED)}; names: {names}")
        period = f"{date(certificate.not_before)} to {date(certificate.not_after)}"
        issuer = printable(certificate.issuer, QUOTED)
        lines.append(f"  issued by {issuer}, valid from {period} ({days:.1f} days left)")
    return lines


def set_headline(found: ServerSet, target: Target, plan: Plan) -> str:
    """The first line of a test of all servers: how many accept, and the worst in words."""
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
    # The one that came furthest but not to the end says least; the first says what to mend first.
    worst = min(failed, key=_order_of_failure)
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


def server_lines(examined: Examined, plan: Plan, full: bool) -> list[str]:
    """What is to be said of one server: what is wrong, and if ``full`` its stages too."""
    expectation = examined.expectation
    if examined.finding is None:
        lines = expectation_lines(expectation)
    else:
        server = examined.session.server if examined.session is not None else None
        lines = diagnosis_lines(examined.finding, _known(plan, server))
        stopped = examined.member.acceptance.failure
        if stopped is not None and stopped.stage is Stage.MESSAGE:
            # What became of it, only the server's logs know.
            lines.append(
                f"Message-ID (in angle brackets): {printable(plan.message_id[1:-1], QUOTED)}"
            )
    if full:
        lines += stage_lines(examined.member.acceptance, expectation.title)
        lines += certificate_lines(examined.security, plan.now)
        remarks = examined.member.acceptance.remarks
        if examined.finding is not None:
            remarks = (*remarks, expectation.remark)
        lines += remark_lines(*remarks, *expectation.notes)
    return lines


def set_lines(all_examined: Sequence[Examined], plan: Plan, full: bool) -> list[str]:
    """One line for each server that accepts, one block for each that fails, the failed first."""
    lines = []
    for examined in sorted(all_examined, key=lambda each: each.member.accepts):
        session, member = examined.session, examined.member
        if session is None:
            return server_lines(examined, plan, full)
        server = session.server
        addresses = f" {server.addresses[0]}" if len(server.addresses) == 1 else ""
        preference = f" (MX {server.preference})" if server.preference is not None else ""
        name = f"{printable(server.name, 80)}{addresses}{preference}"
        if member.accepts:
            title = printable(examined.expectation.title, 40)
            details = f" ({title})" if title else ""
            lines.append(f"{name}: accepts, {member.acceptance.seconds:.3f}s{details}")
        else:
            assert session.failure is not None
            lines.append(f"{name}: {_stage_failure(session, session.failure, plan)}")
        if full or not member.accepts:
            lines += [f"  {line}" for line in server_lines(examined, plan, full=True)]
        elif examined.expectation.finding:
            lines.append(f"  {missing(examined.expectation, server.name)}")
            lines += [f"  {line}" for line in expectation_lines(examined.expectation)]
    return lines


def stage_lines(acceptance: Acceptance, title: str = "") -> list[str]:
    """One line for each stage reached: how long it took and what the server said."""
    lines = []
    session = acceptance.decisive
    if session is not None and session.address:
        what = f"{session.address} port {session.server.port}"
        if title:
            what += f", {printable(title, 40)}"
        lines.append(f"Stages at {printable(session.server.name, 80)} ({what}):")
    for outcome in acceptance.outcomes:
        if outcome.stage is Stage.QUIT and not outcome.passed and acceptance.failure is not None:
            # Nobody expects a farewell of a server that is gone.
            continue
        words = (
            outcome.verdict.value if outcome.reply is None else quote(outcome.reply, QUOTED_BELOW)
        )
        if outcome.reply is not None and not outcome.passed:
            words = f"{outcome.verdict.value}: {words}"
        if outcome.explanation:
            words += f" ({printable(outcome.explanation, QUOTED_BELOW)})"
        lines.append(f"  {outcome.stage.value:<9}{outcome.seconds:9.4f}s  {words}")
        delay = signature(outcome, title)
        if delay is not None:
            lines.append(f"{'':22}{delay.hint}")
    return lines


def remark_lines(*remarks: str) -> list[str]:
    """What else was noticed on the way."""
    return [f"Note: {printable(remark, QUOTED_BELOW)}" for remark in filter(None, remarks)][:8]


def expectation_lines(expectation: Expectation) -> list[str]:
    """What to do about the EHLO keywords, and what is wrong with them if the first line is cut."""
    if not expectation.finding:
        return []
    lines = []
    if len(expectation.remark) > QUOTED:
        lines.append(f"Meaning: {printable(expectation.remark, 360)}")
    lines.append(f"Next step: {expectation.next_step}")
    if expectation.page:
        # Imported here, and below, because most runs have nothing to look up.
        from .resources import PAGES

        lines.append(f"Read: {PAGES[expectation.page].address}")
    return lines


#: What stands for itself in a command line of any shell.
_PLAIN = r"[A-Za-z0-9][A-Za-z0-9@.:_+=-]{0,254}"


def _known(plan: Plan, server: Optional[Server] = None) -> dict[str, str]:
    """What the words in capitals of a next step stand for in this run."""
    sender, recipient = plan.envelope.sender, plan.envelope.recipient
    known = {"SENDER": sender, "RECIPIENT": recipient, "DOMAIN": recipient.rpartition("@")[2]}
    if server is not None:
        known.update(HOST=server.name, PORT=str(server.port))
    return {word: value for word, value in known.items() if re.fullmatch(_PLAIN, value)}


def remedy_lines(finding: Finding, plan: Plan, server: Optional[Server]) -> list[str]:
    """What it means that something is wrong although every stage passed, and what to do."""
    return diagnosis_lines(finding, _known(plan, server), stopped=False)


def diagnosis_lines(finding: Finding, known: Mapping[str, str], stopped: bool = True) -> list[str]:
    """What the failure means, its kind as ``--severity`` has it, what to do, where to read on.

    :param known: what to fill into the next step, by the words that stand for it
    :param stopped: whether it stopped the test; else no kind gives it its state
    """
    kind = f" [{finding.kind.value}]" if stopped else ""
    next_step = re.sub(r"\b[A-Z]+\b", lambda word: known.get(word[0], word[0]), finding.next_step)
    lines = [
        f"Meaning: {printable(finding.cause, 360)}{kind}",
        f"Next step: {printable(next_step, 700)}",
    ]
    if finding.page:
        lines.append(f"Read: {finding.page}")
    return lines


def troubleshooting_lines(begin: str) -> list[str]:
    """The original test's resources in its order, the one with the key ``begin`` marked."""
    from .resources import TROUBLESHOOTING

    lines = ["Troubleshooting, from the server level out to the network level:"]
    for number, resource in enumerate(TROUBLESHOOTING, 1):
        mark = "  [begin here]" if resource.key == begin else ""
        lines.append(f"  {number}. {resource.page.title}: {resource.page.address}{mark}")
    return lines


def transcript_lines(sessions: Sequence[Session]) -> list[str]:
    """The dialogues as they were spoken, with the seconds since the connection was begun."""
    lines = []
    for session in sessions:
        lines.append(f"Transcript of {printable(session.server.name, 80)}:")
        lines += [_transcript_line(line) for line in session.transcript[:TRANSCRIPT_LINES]]
        left_out = len(session.transcript) - TRANSCRIPT_LINES
        if left_out > 0:
            lines.append(f"  ({left_out} lines left out)")
    return lines


def _transcript_line(line: TranscriptLine) -> str:
    return f"{line.seconds:9.4f} {line.speaker}: {printable(line.text, QUOTED_BELOW)}".rstrip()

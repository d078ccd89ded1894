"""The lines below the first: the meaning, the next step, the stages and the rest.

A run in which nothing is wrong has none without ``-v``, and does not import this.
"""

from __future__ import annotations

from ..cli.words import how_to_install, is_installed
from ..exchange.delays import signature
from ..exchange.pages import PAGES, TROUBLESHOOTING
from ..exchange.recognition import KeywordCheck, receipt_of
from ..judgement import SECONDS_OF_A_DAY, Assessment
from ..protocol.conversation import MailHost, Session, TranscriptLine
from ..protocol.message import Plan, rfc5322_date
from ..protocol.security import Security
from ..record import TYPE_CHECKING
from ..run.acceptance import Acceptance, Examined
from ..vocabulary import Generation, Stage, State
from .failure import stage_failure
from .findings import failed_addresses, missing
from .remedies import contrast_lines, diagnosis_lines, remedies_of
from .text import QUOTED, printable, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Optional

    from ..options import Options

#: Maximum number of characters of a quoted reply.
QUOTED_BELOW = 240
#: Maximum number of lines of a transcript.
TRANSCRIPT_LINES = 400


def below_the_first(assessment: Assessment, options: Options) -> list[str]:
    """All lines below the first."""
    plan, verbosity = options.probe, options.limits.verbosity
    target = options.target.domain or options.target.host
    talkative, is_ok = verbosity >= 1, assessment.state is State.OK
    wrong = {judgement.server for judgement in assessment.wrong}
    deciding = {judgement.server for judgement in assessment.deciding}
    # First the servers that give the check its state, then the others that fail.
    in_order = sorted(
        assessment.examined,
        key=lambda each: (each.member.label not in deciding, each.member.accepts),
    )
    stopped = assessment.failure_leads
    remedies = [] if stopped else remedies_of(assessment, options)
    shown = []
    for remedy, server in remedies:
        shown += diagnosis_lines(remedy, plan, server, stopped=False)
    diagnoses = [server.diagnosis for server in in_order if server.diagnosis is not None]
    if options.judging.rule is None:
        (examined,) = in_order
        if diagnoses and not stopped:
            shown += keyword_lines(examined.keywords)
        shown += server_lines(examined, plan, talkative or not is_ok, target)
    else:
        labels = {label for label in wrong if label is not None}
        shown += set_lines(in_order, plan, talkative, labels, target)
        shown += note_lines(*assessment.found.notes) if talkative or wrong else []
    if assessment.conclusions and (talkative or not is_ok):
        from .policies import fact_lines

        shown += fact_lines(assessment.conclusions, target)
    if assessment.found.delivery is not None and (talkative or not is_ok):
        from .delivery import lines

        shown += lines(assessment, options)
    if diagnoses or not is_ok:
        begins = [
            diagnosis.begin for diagnosis in (*(remedy for remedy, _ in remedies), *diagnoses)
        ]
        shown += troubleshooting_lines(begins[0] if begins else "mail-flow")
    if verbosity >= 2:
        for examined in assessment.examined:
            sessions = examined.member.acceptance.sessions
            beside = examined.session.beside if examined.session is not None else ()
            shown += transcript_lines((*sessions, *beside))
    return shown


def server_lines(examined: Examined, plan: Plan, full: bool, target: str = "") -> list[str]:
    """The lines about one server: what is wrong, and if ``full`` its stages too.

    :param target: what was looked up, if no server was found
    """
    keywords = examined.keywords
    if examined.diagnosis is None:
        lines = keyword_lines(keywords)
    else:
        server = examined.session.server if examined.session is not None else None
        lines = diagnosis_lines(examined.diagnosis, plan, server)
        stopped = examined.member.acceptance.failure
        if stopped is not None and stopped.stage in (Stage.MAIL, Stage.RCPT):
            lines += contrast_lines(examined.session, plan)
        if stopped is not None and stopped.stage is Stage.MESSAGE:
            # Only the server's logs know what became of the message.
            lines.append(
                f"Message-ID (in angle brackets): {printable(plan.message_id[1:-1], QUOTED)}"
            )
    if full:
        acceptance, session = examined.member.acceptance, examined.session
        lines += stage_lines(acceptance, keywords.generation, target)
        lines += certificate_lines(examined.security, plan.now)
        lines += receipt_lines(session)
        if session is not None and session.beside:
            from .nodes import node_lines

            lines += node_lines(session, plan)
        if session is not None and (session.recipients or session.senders or session.refusals):
            from .addresses import address_lines

            lines += address_lines(session, QUOTED_BELOW)
        lines += host_lines(acceptance.hosts)
        notes = acceptance.notes
        if session is not None and session.address:
            notes = (*notes, *failed_addresses(session))
        if examined.security is not None:
            notes = (*notes, examined.security.untrusted, examined.security.weakness)
        if examined.diagnosis is not None:
            notes = (*notes, keywords.reason)
        lines += note_lines(*notes, *keywords.notes)
    return lines


def set_lines(
    all_examined: Sequence[Examined],
    plan: Plan,
    full: bool,
    wrong: Collection[str] = (),
    target: str = "",
) -> list[str]:
    """A line for each server that accepts, and a block for each that does not, in their order.

    :param full: print the stages of all servers
    :param wrong: labels of servers that are always printed in full
    :param target: what was looked up, if no server was found
    """
    lines = []
    for examined in all_examined:
        session, member = examined.session, examined.member
        if session is None:
            return server_lines(examined, plan, full or member.label in wrong, target)
        server = session.server
        addresses = f" {server.addresses[0]}" if len(server.addresses) == 1 else ""
        preference = f" (MX {server.preference})" if server.preference is not None else ""
        name = f"{printable(server.name, 80)}{addresses}{preference}"
        if member.accepts:
            title = printable(examined.keywords.title, 40)
            details = f" ({title})" if title else ""
            went = went_to_its_end(plan.until)
            lines.append(f"{name}: {went}, {member.acceptance.seconds:.3f}s{details}")
        else:
            assert session.failure is not None
            lines.append(f"{name}: {stage_failure(session, session.failure, plan)}")
        if full or member.label in wrong or not member.accepts:
            own = plan.at(member.label)
            lines += [f"  {line}" for line in server_lines(examined, own, full=True)]
        elif examined.keywords.is_wrong:
            lines.append(f"  {missing(examined.keywords, server.name)}")
            lines += [f"  {line}" for line in keyword_lines(examined.keywords)]
    return lines


def certificate_lines(security: Optional[Security], now: float) -> list[str]:
    """The TLS version, the cipher suite and the certificate."""
    if security is None:
        return []
    state = "verified" if security.verified else "not verified"
    if security.certificate is None and not is_installed("cryptography"):
        state += f" and not read ({printable(how_to_install('cryptography'), QUOTED)})"
    lines = [f"TLS: {security.protocol} {security.cipher}, certificate {state}"]
    certificate = security.certificate
    if certificate is not None:
        days = (certificate.not_after - now) / SECONDS_OF_A_DAY
        names = printable(" ".join(certificate.names), QUOTED)
        lines.append(f"Certificate: {printable(certificate.subject, QUOTED)}; names: {names}")
        period = f"{rfc5322_date(certificate.not_before)} to {rfc5322_date(certificate.not_after)}"
        issuer = printable(certificate.issuer, QUOTED)
        lines.append(f"  issued by {issuer}, valid from {period} ({days:.1f} days left)")
    return lines


def went_to_its_end(until: Stage) -> str:
    """The words for a server that passed every stage."""
    if until is Stage.MESSAGE:
        return "accepts"
    return "found" if until is Stage.MX else f"passed up to {until.value}"


def host_lines(hosts: Sequence[MailHost]) -> list[str]:
    """The servers of a domain by its MX, in the order in which a sender tries them."""
    listed = [f"{host.preference} {host.name}" for host in hosts if host.preference is not None]
    return [f"MX: {printable(', '.join(listed), 360)}"] if listed else []


def receipt_lines(session: Optional[Session]) -> list[str]:
    """The command that finds the message at the server that queued it."""
    given = receipt_of(session) if session is not None else None
    if given is None or not (given.host and given.internal_id):
        return []
    where = printable(f"-Server {given.host} -InternalMessageId {given.internal_id}", QUOTED)
    return [f"Receipt: Get-MessageTrackingLog {where}"]


def stage_lines(
    acceptance: Acceptance, generation: Optional[Generation] = None, target: str = ""
) -> list[str]:
    """One line for each stage reached: how long it took and what the server said."""
    session = acceptance.decisive
    name = printable(session.server.name if session is not None else target, 80)
    details = ""
    if session is not None and session.address:
        title = f", {printable(generation.title, 40)}" if generation is not None else ""
        details = f" ({session.address} port {session.server.port}{title})"
    lines = [f"Stages at {name}{details}:"]
    for outcome in acceptance.outcomes:
        if outcome.stage is Stage.QUIT and not outcome.passed and acceptance.failure is not None:
            # A server that failed before need not answer QUIT.
            continue
        words = (
            outcome.verdict.value if outcome.reply is None else quote(outcome.reply, QUOTED_BELOW)
        )
        if outcome.reply is not None and not outcome.passed:
            words = f"{outcome.verdict.value}: {words}"
        if outcome.explanation:
            words += f" ({printable(outcome.explanation, QUOTED_BELOW)})"
        lines.append(f"  {outcome.stage.value:<9}{outcome.seconds:9.4f}s  {words}")
        delay = signature(outcome, generation)
        if delay is not None:
            lines.append(f"{'':22}{delay.hint}")
    return lines


def note_lines(*notes: str) -> list[str]:
    """Further observations."""
    return [f"Note: {printable(note, QUOTED_BELOW)}" for note in filter(None, notes)][:8]


def keyword_lines(keywords: KeywordCheck) -> list[str]:
    """The next step for the EHLO keywords, and what is wrong if the first line is too short."""
    if not keywords.is_wrong:
        return []
    lines = []
    if len(keywords.reason) > QUOTED:
        lines.append(f"Meaning: {printable(keywords.reason, 360)}")
    lines.append(f"Next step: {keywords.next_step}")
    if keywords.page:
        lines.append(f"Read: {PAGES[keywords.page].address}")
    return lines


def troubleshooting_lines(begin: str) -> list[str]:
    """The resources of the original test in its order; the one with the key ``begin`` is marked."""
    lines = ["Troubleshooting, from the server level out to the network level:"]
    for number, resource in enumerate(TROUBLESHOOTING, 1):
        mark = "  [begin here]" if resource.key == begin else ""
        lines.append(f"  {number}. {resource.page.title}: {resource.page.address}{mark}")
    return lines


def transcript_lines(sessions: Sequence[Session]) -> list[str]:
    """The dialogues, with the seconds since the connection was begun."""
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

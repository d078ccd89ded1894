"""Failures in words: which stage failed, in the words of the server or of the system."""

from __future__ import annotations

from ..protocol.conversation import CLOSING, EXPECTED, Session, StageOutcome, Target
from ..protocol.message import Plan
from ..run.acceptance import Acceptance
from ..vocabulary import Cause, Stage, Tls, Verdict
from .text import QUOTED, printable, quote

#: Name of each stage's command.
COMMANDS = {
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.AUTH: "AUTH",
    Stage.MAIL: "MAIL",
    Stage.RCPT: "RCPT",
    Stage.DATA: "DATA",
    Stage.MESSAGE: "the message",
}


def failure(acceptance: Acceptance, target: Target, plan: Plan) -> str:
    """The first line of a test that failed: the stage, and the server's words."""
    outcome, session = acceptance.failure, acceptance.decisive
    assert outcome is not None
    if session is None:
        return _lookup_failure(outcome, target.domain or target.host)
    words = stage_failure(session, outcome, plan)
    domain = printable(target.domain, 80)
    if target.has_no_mx(session.server):
        # A domain without MX is tried by its own name, which an administrator may not know.
        return f"{words} ({domain} has no MX record)"
    if len(acceptance.sessions) > 1 and outcome.stage in (Stage.MX, Stage.CONNECT, Stage.BANNER):
        tried = f"{len(acceptance.sessions)} of {len(acceptance.hosts)} servers tried"
        if outcome.cause is Cause.SILENT and outcome.received:
            # It had begun to greet, so it does answer.
            return f"{domain} answers too late for -t ({tried}); {words}"
        return f"no server of {domain} answers ({tried}); {words}"
    return words


def stage_failure(session: Session, outcome: StageOutcome, plan: Plan) -> str:
    """Which stage failed at a server, and the server's words."""
    words = _stage_failure(session, outcome, plan)
    if not session.senders or outcome.stage not in (Stage.MAIL, Stage.RCPT):
        return words
    from .addresses import contrast_of

    found = contrast_of(session, plan)
    return f"{words}; {found.words}" if found else words


def _stage_failure(session: Session, outcome: StageOutcome, plan: Plan) -> str:
    host = printable(session.server.name, 80)
    stage, verdict, reply = outcome.stage, outcome.verdict, outcome.reply
    if stage is Stage.MX:
        return _lookup_failure(outcome, session.server.name)
    explanation = printable(outcome.explanation, QUOTED)
    if verdict is Verdict.UNTESTED:
        return f"could not test {host} at {stage.value}: {explanation}"
    if verdict is Verdict.MISSING:
        masks = masks_of_starttls(session) if stage is Stage.STARTTLS else ""
        return f"{host} {explanation}{f', a firewall masks it as {masks}' if masks else ''}"
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
    command, expected = COMMANDS[stage], EXPECTED[stage]
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
    if stage is Stage.RCPT and session.recipients and reply.code != CLOSING:
        from .addresses import refused_recipients

        return f"{host}: {refused_recipients(session)}"
    verb = "deferred" if verdict is Verdict.DEFERRED and reply.code != CLOSING else "refused"
    return f"{host} {verb} {command}{_argument(stage, session, plan)}: {quote(reply)}"


def masks_of_starttls(session: Session) -> str:
    """The masks that a firewall wrote over STARTTLS; empty if it did not."""
    from ..exchange.masks import masked_keywords

    masks = [
        mask
        for mask, lines in masked_keywords(session.extensions).items()
        if any(line.startswith("STARTTLS") for line in lines)
    ]
    return " or ".join(masks)


def _argument(stage: Stage, session: Session, plan: Plan) -> str:
    """The address in the command of a stage."""
    if stage is Stage.MAIL:
        return f" {printable(plan.envelope.sender, 80) or 'of the null sender'}"
    if stage is Stage.RCPT:
        # Of several, the last that was asked for.
        asked = [each.address for each in session.recipients] or [plan.envelope.recipient]
        return f" {printable(asked[-1], 80)}"
    return ""


def _lookup_failure(outcome: StageOutcome, name: str) -> str:
    if outcome.cause is Cause.UNEXPECTED_MX:
        return printable(outcome.explanation, QUOTED)
    verb = "could not look up" if outcome.verdict is Verdict.UNTESTED else "no mail server at"
    return f"{verb} {printable(name, 80)}: {printable(outcome.explanation, QUOTED)}"

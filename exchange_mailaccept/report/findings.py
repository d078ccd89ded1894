"""Findings in words: what is wrong or notable besides a failed stage."""

from __future__ import annotations

from ..cli.words import (
    ADDRESS,
    BACKUP_MX,
    CERTIFICATE,
    EXTENSIONS,
    NODE,
    RELAY,
    SIZE,
    UNKNOWN_RECIPIENT,
    UNTRUSTED,
)
from ..exchange.recognition import KeywordCheck
from ..judgement import RECIPIENTS, SENDERS, Ground
from ..protocol.conversation import Session
from ..protocol.message import Plan, rfc5322_date
from ..record import TYPE_CHECKING
from ..run.acceptance import Acceptance, Examined
from ..vocabulary import Cause, Stage, Tls
from .failure import masks_of_starttls, stage_failure
from .text import QUOTED, printable

if TYPE_CHECKING:
    from typing import Optional

    from ..judgement import Judgement
    from ..options import Options
    from ..protocol.security import Certificate
    from ..run.expected_mx import MxSet


def describe(judgement: Judgement, examined: Optional[Examined], options: Options) -> str:
    """``judgement`` in words.

    :param examined: the server that it is about; ``None`` for the set as a whole
    """
    if judgement.conclusion is not None:
        from . import policies

        return policies.words(judgement.conclusion, options.target.domain)
    if judgement.ground is Ground.RANGE and judgement.name != CERTIFICATE:
        return _out_of_range(judgement)
    assert examined is not None
    words = _words(judgement, examined, options)
    host = printable(examined.name, 80)
    return words if options.judging.rule is None or host in words else f"{host}: {words}"


def _out_of_range(judgement: Judgement) -> str:
    value = judgement.value
    assert value is not None
    took = f"{value:.4g}" if value < 1000 else f"{value:.0f}"
    return f"{judgement.label} took {took}s (outside range {judgement.violated})"


def _words(judgement: Judgement, examined: Examined, options: Options) -> str:
    name, session, plan = judgement.name, examined.session, options.probe
    if name == EXTENSIONS:
        return missing(examined.keywords, examined.name)
    if name == CERTIFICATE:
        return _certificate(judgement, examined, plan)
    if name == BACKUP_MX:
        return backup(examined.member.acceptance, plan)
    assert session is not None
    if name == UNTRUSTED:
        assert session.security is not None
        return printable(session.security.untrusted, QUOTED)
    if name == ADDRESS:
        return _address(session)
    if name == SIZE:
        limit = session.extensions.max_size
        return f"{printable(examined.name, 80)} takes no message above {limit} bytes"
    if name == NODE:
        from .nodes import failed_nodes

        return failed_nodes(session, options)
    if name in (RECIPIENTS, SENDERS, RELAY, UNKNOWN_RECIPIENT):
        return _of_addresses(name, examined, options)
    return f"{judgement.label} has a threshold and was not measured: {_absent(name, plan)}"


def _certificate(judgement: Judgement, examined: Examined, plan: Plan) -> str:
    if examined.certificate is not None:
        assert judgement.value is not None
        return expiry(examined.certificate, judgement.value)
    if examined.security is not None:
        return "the server's certificate could not be read"
    return f"no certificate was shown, because {_why_no_tls(examined, plan)}"


def _why_no_tls(examined: Examined, plan: Plan) -> str:
    last = Stage.CONNECT if plan.tls is Tls.IMPLICIT else Stage.EHLO
    stages = list(Stage)
    if examined.session is None or stages.index(plan.until) <= stages.index(last):
        return f"--until {plan.until.value} ends the test before TLS"
    host = printable(examined.name, 80)
    ehlo = examined.outcome(Stage.EHLO)
    if ehlo is not None and ehlo.cause is Cause.HELO_ONLY:
        return f"{host} refused EHLO, and there is no STARTTLS after HELO"
    masks = masks_of_starttls(examined.session)
    return f"a firewall masks STARTTLS as {masks}" if masks else f"{host} does not offer STARTTLS"


def _address(session: Session) -> str:
    """The address of a server that cannot receive mail, and why."""
    if session.server.skipped:
        skipped = ", ".join(session.server.skipped[:2])
        return f"no other host can send mail to its address {printable(skipped, 90)}"
    number = len(session.failed_addresses)
    return failed_addresses(session)[0] + (f" (and {number - 1} more)" if number > 1 else "")


def failed_addresses(session: Session) -> list[str]:
    """The addresses of a server that failed before another one was connected, and why."""
    return [
        f"its address {address} fails: {printable(fault.explanation, QUOTED)}"
        for address, fault in session.failed_addresses
    ]


def _of_addresses(name: str, examined: Examined, options: Options) -> str:
    from . import addresses

    assert examined.session is not None
    if name == RECIPIENTS:
        return addresses.refused_recipients(examined.session)
    if name == SENDERS:
        return addresses.refused_senders(examined.session, options.probe)
    return addresses.door(name, examined, options)


def _absent(name: str, plan: Plan) -> str:
    """Why a stage was not reached in a test that was completed."""
    stages = [stage.value for stage in Stage]
    if stages.index(name) > stages.index(plan.until.value):
        return f"--until {plan.until.value} ends the test before it"
    return "no -A was given" if name == Stage.AUTH.value else "there was no TLS"


def backup(acceptance: Acceptance, plan: Plan) -> str:
    """The first of the servers that failed before the decisive one, and why."""
    failures = [
        stage_failure(session, session.failure, plan)
        for session in acceptance.passed_over
        if session.failure is not None
    ]
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    sessions = (*acceptance.passed_over, acceptance.decisive)
    preferences = {session.server.preference for session in sessions if session is not None}
    equal = len(preferences) == 1 and None not in preferences
    return f"{'other' if equal else 'better'} MX failed: {failures[0]}{more}"


def mx_set(found: MxSet) -> str:
    """The MX that the domain should not have, and those that it lacks."""
    words = []
    if found.unexpected:
        names = ", ".join(f"{host.name} ({host.preference})" for host in found.unexpected)
        preferred = ", preferred to every expected one" if found.preferred else ""
        words.append(f"unexpected MX {printable(names, QUOTED)}{preferred}")
    if found.missing:
        names = printable(", no ".join(found.missing), QUOTED)
        words.append(f"no MX {names}, which is expected")
    return "; ".join(words)


def missing(keywords: KeywordCheck, host: str) -> str:
    """What is wrong with the EHLO keywords."""
    reason = printable(keywords.reason, QUOTED)
    return f"{printable(host, 80)} {reason}" if keywords.missing else reason


def expiry(certificate: Certificate, days: float) -> str:
    """When the certificate expires or has expired."""
    when = rfc5322_date(certificate.not_after)
    name = printable(certificate.subject, 60) or "the certificate"
    if days < 0:
        return f"certificate {name} expired {-days:.1f} days ago ({when})"
    return f"certificate {name} expires in {days:.1f} days ({when})"

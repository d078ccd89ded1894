"""What a failure or a finding means, and what to do about it, in words."""

from __future__ import annotations

import re

from ..cli.words import BACKUP_MX, CERTIFICATE, IN_MAILBOX, NODE, RELAY, UNKNOWN_RECIPIENT
from ..exchange import remedies
from ..exchange.diagnosis import diagnose
from ..judgement import RECIPIENTS, SENDERS, Assessment, Ground
from ..protocol.conversation import Server
from ..record import TYPE_CHECKING
from ..vocabulary import Verdict
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from ..exchange.diagnosis import Diagnosis
    from ..options import Options
    from ..protocol.conversation import Session
    from ..protocol.message import Plan
    from ..run.acceptance import Examined


def remedies_of(
    assessment: Assessment, options: Options
) -> list[tuple[Diagnosis, Optional[Server]]]:
    """The meaning and next step of each finding, and the server that it is about."""
    wrong = [judgement for judgement in assessment.wrong if judgement.ground is not Ground.FAILURE]
    names = {judgement.name for judgement in wrong}
    found: list[tuple[Diagnosis, Optional[Server]]] = []
    for judgement in wrong:
        if judgement.name == NODE:
            found += _remedies_of_nodes(assessment.server(judgement.server))
    if BACKUP_MX in names:
        (examined,) = assessment.examined
        # The first one, which is in the first line.
        session = examined.member.acceptance.passed_over[0]
        found += [(diagnose(session.failure), session.server)] if session.failure else []
    for judgement in wrong:
        if judgement.name == CERTIFICATE:
            examined = assessment.server(judgement.server)
            found.append((_remedy_of_certificate(examined), None))
        if judgement.name in (RELAY, UNKNOWN_RECIPIENT):
            examined = assessment.server(judgement.server)
            found.append((_remedy_of_doors(judgement.name, examined, options), None))
        if judgement.name in (RECIPIENTS, SENDERS):
            examined = assessment.server(judgement.server)
            found.append((_remedy_of_addresses(judgement.name, examined, options.probe), None))
        if judgement.conclusion is not None:
            from .policies import remedy

            host = judgement.conclusion.host
            server = Server(host, (), options.target.port) if host else None
            found.append((remedy(judgement.conclusion), server))
    found += [(remedy, None) for name, remedy in remedies.REMEDIES.items() if name in names]
    if not names.isdisjoint(IN_MAILBOX):
        from . import delivery

        found += [(remedy, None) for remedy in delivery.remedies(assessment)]
    others = (CERTIFICATE, *IN_MAILBOX)
    if any(
        judgement.ground is Ground.RANGE and judgement.name not in others for judgement in wrong
    ):
        found.append((remedies.SLOW, None))
    return list(dict.fromkeys(found))


def _remedies_of_nodes(examined: Examined) -> list[tuple[Diagnosis, Optional[Server]]]:
    """What the failure of a node means, and what to do about one of several."""
    from ..run.nodes import nodes

    assert examined.session is not None
    failed = next(iter(nodes(examined.session).failed), None)
    if failed is None or failed.failure is None:
        # Of one that is slow, the first line says all that is known.
        return [(remedies.ONE_NODE, None)]
    keywords = examined.keywords
    why = diagnose(failed.failure, keywords.generation, keywords.gateway)
    return [(why, failed.server), (remedies.ONE_NODE, None)]


def _remedy_of_doors(key: str, examined: Examined, options: Options) -> Diagnosis:
    from ..run.doors import open_doors

    doors = open_doors(examined, options.target, options.probe.envelope)
    return (
        remedies.DOORS[key]
        if any(kind.key == key and kind.open for kind in doors)
        else remedies.NOT_TESTED
    )


def _remedy_of_certificate(examined: Examined) -> Diagnosis:
    if examined.certificate is not None:
        return remedies.EXPIRING
    return remedies.UNREADABLE if examined.security is not None else remedies.NOT_SHOWN


def _remedy_of_addresses(name: str, examined: Examined, plan: Plan) -> Diagnosis:
    """What it means that a recipient or a further sender was not accepted, and others were."""
    assert examined.session is not None
    if name == SENDERS:
        from .addresses import contrast_of

        found = contrast_of(examined.session, plan)
        if found is not None:
            return found.diagnosis
    refused = examined.recipients if name == RECIPIENTS else examined.senders
    # What is refused before what is deferred, as the first line has them.
    asked, why = min(refused, key=lambda each: each[0].outcome.verdict is Verdict.DEFERRED)
    envelope = plan.envelope
    envelope = (
        envelope._replace(recipient=asked.address)
        if name == RECIPIENTS
        else envelope._replace(sender=asked.address)
    )
    known = _known(plan._replace(envelope=envelope), None)
    others = "recipients" if name == RECIPIENTS else "senders"
    return why._replace(
        cause=f"{why.cause}; other {others} are accepted", next_step=_filled(why.next_step, known)
    )


#: Words that need no quotation marks in any shell.
_PLAIN = r"[A-Za-z0-9][A-Za-z0-9@.:_+=-]{0,254}"


def _known(plan: Plan, server: Optional[Server]) -> dict[str, str]:
    """The values of the words in capitals in a next step."""
    sender, recipient = plan.envelope.sender, plan.envelope.recipient
    known = {"SENDER": sender, "RECIPIENT": recipient, "DOMAIN": recipient.rpartition("@")[2]}
    if server is not None:
        known.update(HOST=server.name, PORT=str(server.port))
    return {word: value for word, value in known.items() if re.fullmatch(_PLAIN, value)}


def diagnosis_lines(
    diagnosis: Diagnosis, plan: Plan, server: Optional[Server] = None, stopped: bool = True
) -> list[str]:
    """The meaning of a failure or finding, the next step and a page to read.

    :param stopped: whether it stopped the test; only then has it a kind for ``--severity``
    """
    kind = f" [{diagnosis.kind.value}]" if stopped else ""
    next_step = _filled(diagnosis.next_step, _known(plan, server))
    lines = [
        f"Meaning: {printable(diagnosis.cause, 360)}{kind}",
        f"Next step: {printable(next_step, 700)}",
    ]
    return [*lines, f"Read: {diagnosis.page}"] if diagnosis.page else lines


def contrast_lines(session: Optional[Session], plan: Plan) -> list[str]:
    """What it means that other senders fare otherwise than the first."""
    if session is None or not session.senders:
        return []
    from .addresses import contrast_of

    found = contrast_of(session, plan)
    return diagnosis_lines(found.diagnosis, plan, stopped=False) if found is not None else []


def _filled(next_step: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Z]+\b", lambda word: known.get(word[0], word[0]), next_step)

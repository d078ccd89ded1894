"""DANE for SMTP (RFC 7672): what a domain publishes, and whether a session keeps it.

:func:`look_up` goes on beside the test of the servers.  An answer counts only if the resolver says
that it is authentic, and only from a resolver that nobody can impersonate.
"""

from __future__ import annotations

import warnings

from ..cli.words import DANE
from ..names import THIS_HOST, is_covered, what_is_special
from ..protocol import mx
from ..protocol.conversation import Fault
from ..protocol.further_requests import Await, Begin
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Verdict
from . import tlsa
from .conclusion import Conclusion, Effect, Problem, knows_of_tls, why_no_tls

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Optional

    from ..net.certificate import Link
    from ..protocol.conversation import Session, Target
    from ..protocol.further_requests import Answer, Ended, Request
    from ..protocol.security import Security


class Found(NamedTuple):
    """What DNS has of one MX host."""

    #: Why there is nothing to check the server by; ``None`` if there are records.
    problem: Optional[Problem] = None
    why: str = ""
    #: The TLSA base domain (RFC 7672 2.2.3).
    base: str = ""
    records: tuple[tlsa.Record, ...] = ()


class Published(NamedTuple):
    """What a domain publishes for DANE."""

    domain: str
    #: What holds for every server of the domain; ``None`` if each has to be looked at.
    problem: Optional[Problem] = None
    why: str = ""
    #: By the name of the MX host in lower case.
    hosts: Mapping[str, Found] = {}


def look_up(
    target: Target, system: Sequence[mx.Nameserver]
) -> Generator[Request, Answer, Published]:
    """Look up what the domain of ``target`` publishes.

    :param system: the system's name servers; one that is not on this host is not asked
    """
    domain = target.domain
    trusted = target.nameservers or tuple(
        each for each in system if what_is_special(each[0]) == THIS_HOST
    )
    if not trusted:
        return Published(domain, Problem.RESOLVER_ELSEWHERE, system[0][0])
    listed = (yield from mx.look_up(domain, ("MX",), trusted))["MX"]
    if isinstance(listed, Fault):
        return Published(domain, _problem_of(listed), listed.explanation)
    if not listed.authentic:
        validates = yield from mx.validates(trusted)
        problem = Problem.MX_NOT_SIGNED if validates else Problem.RESOLVER_DOES_NOT_VALIDATE
        return Published(domain, problem, trusted[0][0])
    names = [record.split(" ", 1)[1].removesuffix(".") for record in listed.records]
    hosts = list(dict.fromkeys(map(str.lower, names or [listed.alias or domain])))
    for host in hosts:
        yield Begin(_look_up_host(host, target, trusted))
    found: dict[str, Found] = {}
    # At the end of the run the look-ups are answered with faults, and end.
    while len(found) < len(hosts) and (ended := (yield from _wait()).ended):
        number, found_of_host = ended
        found[hosts[number]] = found_of_host
    return Published(domain, hosts=found)


def _wait() -> Generator[Await, Ended, Ended]:
    """Wait for the end of one of the look-ups that were begun."""
    return (yield Await())


def _look_up_host(
    host: str, target: Target, nameservers: Sequence[mx.Nameserver]
) -> Generator[Request, Answer, Found]:
    """Look up the TLSA records of one MX host (RFC 7672 2.2.2, 2.2.3)."""
    results = (yield from mx.look_up(host, mx.RDTYPES[target.family], nameservers)).values()
    known = [each for each in results if isinstance(each, mx.Knowledge) and each.records]
    if not known:
        faults = [each for each in results if isinstance(each, Fault)]
        words = faults[0].explanation if faults else f"{host} has no address"
        return Found(_problem_of(faults[0]) if faults else Problem.LOOKUP_FAILED, words)
    if not all(each.authentic for each in known):
        return Found(Problem.HOST_NOT_SIGNED)
    alias = next((each.alias for each in known if each.alias), "").lower()
    # The name that aliases lead to comes first, then the MX host's own (RFC 7671 7).
    for base in dict.fromkeys(name for name in (alias, host) if name):
        name = f"_{target.port}._tcp.{base}"
        answer = (yield from mx.look_up(name, ("TLSA",), nameservers))["TLSA"]
        if isinstance(answer, Fault):
            return Found(_problem_of(answer), answer.explanation)
        if answer.records and answer.authentic:
            # They come in any order.
            records = tuple(sorted(map(tlsa.parse, answer.records)))
            return Found(None, base=base, records=records)
    return Found(Problem.NO_RECORDS, f"_{target.port}._tcp.{host}")


def _problem_of(fault: Fault) -> Problem:
    """A look-up that failed: at the domain's name servers, or on the way to our own."""
    broken = fault.verdict is Verdict.BROKEN
    return Problem.LOOKUP_FAILED if broken else Problem.RESOLVER_SILENT


def judge_domain(published: Published) -> Conclusion:
    """What a problem of the whole domain means."""
    assert published.problem is not None
    return _concluded(published.problem, published.why)


def judge(published: Published, label: str, session: Session, now: float) -> Optional[Conclusion]:
    """Whether senders that enforce DANE send mail to the server of ``session``.

    :param label: of the server in the set
    :param now: in seconds since the epoch
    """
    name = session.server.name
    if not knows_of_tls(session):
        return None
    # It may be missing if the run had to end, or if the MX were changed meanwhile.
    missing = Found(Problem.RESOLVER_SILENT, f"nothing was found out about {name}")
    found = published.hosts.get(name.lower(), missing)
    judged = _judge(found, published.domain, session, now)
    return judged._replace(server=label, host=name)


def _judge(found: Found, domain: str, session: Session, now: float) -> Conclusion:
    if found.problem is not None:
        return _concluded(found.problem, found.why)
    security = session.security
    if security is None:
        return _concluded(Problem.NO_STARTTLS, why_no_tls(session))
    records = tlsa.usable(found.records)
    if not records:
        # TLS is required all the same, and there was TLS (RFC 7672 2.2).
        judged = _concluded(Problem.UNUSABLE, ", ".join(map(str, found.records[:2])))
    else:
        with warnings.catch_warnings():
            # What cryptography says of certificates that are not quite right.
            warnings.simplefilter("ignore")
            judged = _compare(records, security, (found.base, domain), now)
    listed = (
        f"TLSA of {found.base}: {record}{'' if record in records else ' (senders do not use it)'}"
        for record in found.records[:8]
    )
    return judged._replace(facts=(*judged.facts, *listed))


def _compare(
    records: Sequence[tlsa.Record], security: Security, names: Sequence[str], now: float
) -> Conclusion:
    """Whether one of the usable ``records`` matches what the server sent.

    :param names: reference identifiers for usage 2 (RFC 7672 3.2.2)
    """
    from ..net import certificate

    sent = [certificate.Link.read(der) for der in security.chain]
    own, others = sent[0], [link for link in sent[1:] if link is not None]
    public_key = own.public_key if own is not None else b""
    for record in records:
        # Neither name nor expiry counts (RFC 7672 3.1.1).
        if record.usage == tlsa.DANE_EE and record.matches(security.chain[0], public_key):
            return _concluded(Problem.NONE, str(record))
    if own is None:
        return _concluded(Problem.NO_MATCH, "does not match, and can't be read")
    anchors = [record for record in records if record.usage == tlsa.DANE_TA]
    if anchors and not security.chain_is_whole:
        return _concluded(Problem.CHAIN_UNKNOWN, str(anchors[0]))
    path = _path(own, others, anchors)
    if not path:
        right = f"the record of its certificate is 3 1 1 {tlsa.digest(own.public_key)}"
        why = "does not match its TLSA record"
        if len(records) > 1:
            why = f"matches none of its {len(records)} TLSA records"
        return _concluded(Problem.NO_MATCH, why, right)
    if not all(link.is_valid_at(now) for link in path):
        return _concluded(Problem.CHAIN_NOT_VALID, "a certificate of the chain is not valid today")
    if not any(is_covered(name, pattern) for name in names for pattern in own.names):
        return _concluded(Problem.CHAIN_NOT_VALID, f"it is for {' '.join(own.names[:3])}")
    return _concluded(Problem.NONE, str(anchors[0]))


def _concluded(problem: Problem, why: str, *facts: str) -> Conclusion:
    return Conclusion(DANE, EFFECTS[problem], problem, why, facts=facts)


def _path(own: Link, others: Sequence[Link], anchors: Sequence[tlsa.Record]) -> list[Link]:
    """The certificates from the server's ``own`` to one that a record names; empty without one.

    A whole certificate or key in DNS need not be sent by the server (RFC 7671 5.2.2, 5.2.3).
    """
    from ..net.certificate import Link

    whole = [each for each in anchors if each.matching_type == tlsa.FULL]
    keys = [each.data for each in whole if each.selector == tlsa.SPKI]
    unsent = [Link.read(each.data) for each in whole if each.selector == tlsa.CERT]
    known = [*others, *(link for link in unsent if link is not None)]
    path = [own]
    while True:
        if any(path[-1].is_signed_by(key) for key in keys):
            return path
        issuers = (each for each in known if each not in path and path[-1].is_issued_by(each))
        issuer = next(issuers, None)
        if issuer is None:
            return []
        path.append(issuer)
        if any(record.matches(issuer.der, issuer.public_key) for record in anchors):
            return path


EFFECTS = {
    Problem.NONE: Effect.HOLDS,
    Problem.NO_MATCH: Effect.DEFERS,
    Problem.CHAIN_NOT_VALID: Effect.DEFERS,
    Problem.NO_STARTTLS: Effect.DEFERS,
    Problem.LOOKUP_FAILED: Effect.DEFERS,
    Problem.MX_NOT_SIGNED: Effect.NOTHING,
    Problem.HOST_NOT_SIGNED: Effect.NOTHING,
    Problem.NO_RECORDS: Effect.NOTHING,
    Problem.UNUSABLE: Effect.NOTHING,
    Problem.CHAIN_UNKNOWN: Effect.UNTESTED,
    Problem.RESOLVER_ELSEWHERE: Effect.UNTESTED,
    Problem.RESOLVER_DOES_NOT_VALIDATE: Effect.UNTESTED,
    Problem.RESOLVER_SILENT: Effect.UNTESTED,
}

"""From a mail domain to its servers and their addresses (RFC 5321 5.1), without a socket.

:func:`mail_hosts` and :func:`addresses` are generators: they yield :class:`~.world.Ask` and are
sent what came back.  Whatever a name server says or fails to say ends as a value or as a ``Fault``;
nothing of dnspython leaves this module, neither its types nor its exceptions.  The fault is BROKEN
if it is known that no mail gets there or if the name servers fail to find out (SERVFAIL), UNTESTED
if none of them could be reached or looks up anything for us.

This is the only module that knows dnspython, and it imports it only when the first query is on its
way, for ``dns.message`` takes 49 ms and 13 MiB (dnspython 2.9; half of it with 2.3).
``dns.resolver`` and ``dns.query`` would add sockets, their own clock, 7 ms and 2 MiB.
"""

from __future__ import annotations

from itertools import repeat, zip_longest

from ..names import DNS_PORT, is_host_name
from ..record import TYPE_CHECKING, Enum, NamedTuple
from ..vocabulary import Cause, Verdict
from .dns_query import compose
from .requests import Answer, Ask
from .stages import Fault, MailHost

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from typing import Callable, Optional, Union

    _Result = Union["_Finding", Fault]
    _Judged = Union["_Finding", Fault, "_Defect"]

Nameserver = tuple[str, int]

#: Seconds to wait for a name server, the first time and the second.
PATIENCE = (2.0, 4.0)
#: How often a name is asked for anew because the aliases lead out of a response.
MAX_FURTHER_QUERIES = 8

# Record types by address family, in the order of asking.
_RDTYPES = {0: ("A", "AAAA"), 4: ("A",), 6: ("AAAA",)}


class MailHosts(NamedTuple):
    """The hosts that take mail for a domain."""

    #: In the order in which to try them, at least one.
    hosts: tuple[MailHost, ...]
    #: What an administrator should mend, though mail does not fail of it; sentences without a dot.
    remarks: tuple[str, ...] = ()


class Addresses(NamedTuple):
    """The addresses of a host."""

    #: IPv6 and IPv4 by turns, IPv6 first (RFC 8305 4), at least one.
    addresses: tuple[str, ...]
    #: The canonical name if the host's name is an alias (CNAME), else empty.
    alias: str = ""
    #: As for :class:`MailHosts`.
    remarks: tuple[str, ...] = ()


class _Question(NamedTuple):
    name: str
    rdtype: str


class _Finding(NamedTuple):
    """What a name server knows of a question; that there is nothing is knowledge too."""

    #: False after NXDOMAIN.
    exists: bool
    #: Rdata of the type asked for, as in a zone file.
    records: tuple[str, ...]
    #: Where the aliases lead, empty if the name is none.
    alias: str
    #: Whether the aliases lead out of the response, so that ``alias`` is to be asked for.
    unfinished: bool = False


class _Defect(Enum):
    """Why a response decides nothing yet."""

    SILENCE = "timed out"
    UNUSABLE = "sent an unusable response"
    TRUNCATED = "sent a truncated response"
    EDNS_REFUSED = "refused EDNS"


class _Flight(NamedTuple):
    """Questions to put to a name server at the same time, and how."""

    nameserver: Nameserver
    questions: tuple[_Question, ...]
    edns: bool = True
    tcp: bool = False
    attempt: int = 0

    @property
    def server(self) -> str:
        """Whom we ask, in words."""
        address, port = self.nameserver
        return f"{address}{f' port {port}' * (port != DNS_PORT)}{' over TCP' * self.tcp}"

    def after(self, defect: _Defect) -> Optional[_Flight]:
        """Say how to ask after ``defect``, ``None`` for not at all; every way comes to an end."""
        if defect is _Defect.TRUNCATED:
            return self._replace(tcp=True, attempt=len(PATIENCE) - 1)
        if defect is _Defect.EDNS_REFUSED:
            return self._replace(edns=False)
        if self.attempt + 1 < len(PATIENCE):
            # There are firewalls that drop what has EDNS in it.
            return self._replace(edns=False, attempt=self.attempt + 1)
        return None


def import_dnspython() -> None:
    """Import what reads a response, while the first one is on its way."""
    from dns import exception, flags, message, rcode, rdatatype  # noqa: F401 for their sake alone


def _shuffle(hosts: list[MailHost]) -> None:
    import random

    random.shuffle(hosts)


def mail_hosts(
    domain: str,
    nameservers: Sequence[Nameserver],
    shuffle: Callable[[list[MailHost]], None] = _shuffle,
) -> Generator[Ask, Answer, Union[MailHosts, Fault]]:
    """Find the hosts that take mail for ``domain`` (ASCII), in the order of RFC 5321 5.1.

    Hosts of equal preference stand in the order that ``shuffle`` gives them, each host once.  The
    domain itself is the host only if a name server says that it has no MX record; an error never
    means that.
    """
    domain = domain.removesuffix(".")
    finding = (yield from _lookup(domain, ("MX",), nameservers))["MX"]
    if isinstance(finding, Fault):
        return finding
    remarks = [f"{domain} is an alias of {finding.alias}"] if finding.alias else []
    subject = f"{remarks[0]}, which" if remarks else domain
    if not finding.exists:
        return Fault(Cause.NXDOMAIN, f"{subject} does not exist (NXDOMAIN)")
    if not finding.records:
        # RFC 5321 5.1: the name that the alias leads to is processed as if it were the initial one.
        name = finding.alias or domain
        remarks.append(f"{name} has no MX record and stands for itself (RFC 5321 5.1)")
        return MailHosts((MailHost(None, name),), tuple(remarks))
    records = (record.split(" ", 1) for record in finding.records)
    listed = [MailHost(int(number), name.removesuffix(".")) for number, name in records]
    hosts = [host for host in listed if host.name]
    if not hosts:
        return Fault(Cause.NULL_MX, f"{subject} accepts no mail (null MX, RFC 7505)")
    if len(hosts) < len(listed):
        remarks.append(f"{domain} has a null MX beside others, against RFC 7505 3; it was ignored")
    # The sort is stable, so what was shuffled stays so among equals.
    shuffle(hosts)
    hosts.sort(key=lambda host: host.preference or 0)
    unique: dict[str, MailHost] = {}
    for host in hosts:
        if unique.setdefault(host.name.lower(), host) is host and not is_host_name(host.name):
            remarks.append(f"MX {host.name} is not a domain name; most senders pass it over")
    return MailHosts(tuple(unique.values()), tuple(remarks))


def addresses(
    name: str, nameservers: Sequence[Nameserver], family: int = 0
) -> Generator[Ask, Answer, Union[Addresses, Fault]]:
    """Find the addresses of the mail host ``name`` (ASCII): of ``family`` 4, 6, or 0 for both.

    One family's failure is a remark as long as the other one has addresses.
    """
    name = name.removesuffix(".")
    results = yield from _lookup(name, _RDTYPES[family], nameservers)
    faults = {rdtype: each for rdtype, each in results.items() if isinstance(each, Fault)}
    findings = {rdtype: each for rdtype, each in results.items() if isinstance(each, _Finding)}
    records = {rdtype: each.records for rdtype, each in findings.items()}
    pairs = zip_longest(records.get("AAAA", ()), records.get("A", ()))
    found = tuple(address for pair in pairs for address in pair if address)
    alias = next((each.alias for each in findings.values() if each.alias), "")
    unknown = [
        f"the {rdtype} records of {name} are unknown: {fault.explanation}"
        for rdtype, fault in faults.items()
    ]
    if found:
        return Addresses(found, alias, tuple(unknown))
    subject = f"{name} is an alias of {alias}, which" if alias else name
    for fault in faults.values():
        # Who was told to stop has found nothing out, whatever one of the answers was.
        if fault.interrupted:
            return fault
    # NXDOMAIN is said of the name and so of both families (RFC 8020), whatever became of the other.
    if not all(each.exists for each in findings.values()):
        return Fault(Cause.NXDOMAIN, f"{subject} does not exist (NXDOMAIN)")
    if faults and not findings:
        return min(faults.values(), key=lambda fault: fault.verdict is not Verdict.BROKEN)
    asked = "IPv4 " if "AAAA" not in findings else "IPv6 " if "A" not in findings else ""
    return Fault(Cause.NO_ADDRESS, "; ".join([f"{subject} has no {asked}address", *unknown]))


def _lookup(
    name: str, rdtypes: Sequence[str], nameservers: Sequence[Nameserver]
) -> Generator[Ask, Answer, dict[str, _Result]]:
    """Look up records of several types, and follow the aliases to their end."""
    if not is_host_name(name):
        return dict.fromkeys(rdtypes, Fault(Cause.BAD_NAME, f"{name or '.'} is not a domain name"))
    endless = Fault(Cause.ALIASES, f"{name} leads through too many aliases")
    found: dict[str, _Result] = dict.fromkeys(rdtypes, endless)
    names = dict.fromkeys(rdtypes, name)
    for _ in range(1 + MAX_FURTHER_QUERIES):
        questions = [_Question(each, rdtype) for rdtype, each in names.items()]
        results = yield from _query(questions, nameservers)
        names = {}
        for question, result in results.items():
            if isinstance(result, Fault):
                found[question.rdtype] = result
            elif result.unfinished and is_host_name(result.alias):
                names[question.rdtype] = result.alias
            elif result.unfinished:
                words = f"{name} is an alias of {result.alias}, which is not a domain name"
                found[question.rdtype] = Fault(Cause.BAD_NAME, words)
            else:
                alias = result.alias or (question.name if question.name != name else "")
                found[question.rdtype] = result._replace(alias=alias)
        if not names:
            break
    return found


def _query(
    questions: Sequence[_Question], nameservers: Sequence[Nameserver]
) -> Generator[Ask, Answer, dict[_Question, _Result]]:
    """Ask the name servers in their order, and then the silent ones again, as glibc does."""
    findings: dict[_Question, _Finding] = {}
    failures: dict[_Question, dict[Nameserver, Fault]] = {each: {} for each in questions}
    waiting = list(questions)
    flights = [_Flight(each, tuple(questions)) for each in nameservers]
    while flights:
        flight = flights.pop(0)
        flight = flight._replace(questions=tuple(x for x in flight.questions if x in waiting))
        if not flight.questions:
            continue
        judged = yield from _ask(flight)
        findings.update((key, each) for key, each in judged.items() if isinstance(each, _Finding))
        waiting = [question for question in waiting if question not in findings]
        again: dict[_Flight, list[_Question]] = {}
        for question, result in judged.items():
            if isinstance(result, Fault):
                failures[question][flight.nameserver] = result
            elif isinstance(result, _Defect):
                fault = Fault(Cause.RESOLVER, f"{flight.server} {result.value}")
                failures[question][flight.nameserver] = fault
                if following := flight.after(result):
                    again.setdefault(following, []).append(question)
                elif findings and not flight.tcp:
                    # What is passed over in silence while its sister is answered (AAAA, by old load
                    # balancers) will be so everywhere; the next servers would cost 6 s each.
                    waiting.remove(question)
        for following, rest in again.items():
            # Over TCP one by one: not every server takes several questions (RFC 7766 6.2.1.1).
            parts = [[each] for each in rest] if following.tcp else [rest]
            added = [following._replace(questions=tuple(part)) for part in parts]
            # A silent server has to wait until the others have had their chance.
            silent = following.attempt > flight.attempt and not following.tcp
            flights = flights + added if silent and not findings else added + flights
    return {each: findings.get(each) or _verdict(failures[each].values()) for each in questions}


def _verdict(faults: Collection[Fault]) -> Fault:
    """What the faults of all name servers come to."""
    for fault in faults:
        if fault.interrupted:
            return fault
    said = ", ".join(fault.explanation for fault in faults)
    broken = [fault.cause for fault in faults if fault.verdict is Verdict.BROKEN]
    if broken:
        return Fault(broken[0], said)
    refusals = [fault.cause for fault in faults if fault.cause is Cause.RESOLVER_REFUSES]
    cause = refusals[0] if refusals else Cause.RESOLVER
    return Fault(cause, f"no name server answered: {said or 'none is known'}")


def _ask(flight: _Flight) -> Generator[Ask, Answer, dict[_Question, _Judged]]:
    """Put the questions of ``flight``; after a fault there is no use in asking the server again."""
    queries = tuple(
        compose(name, rdtype, position, flight.edns)
        for position, (name, rdtype) in enumerate(flight.questions)
    )
    answer = yield Ask(flight.nameserver, queries, flight.tcp, PATIENCE[flight.attempt])
    fault = answer.fault
    if fault and fault.verdict is not Verdict.TIMED_OUT:
        # "Port unreachable" will not change within seconds.
        if not fault.interrupted:
            fault = Fault(Cause.RESOLVER, f"{flight.server}: {fault.explanation}")
        return dict.fromkeys(flight.questions, fault)
    responses = answer.responses or repeat(None)
    judged = (_judge(query, wire, flight) for query, wire in zip(queries, responses))
    return dict(zip(flight.questions, judged))


def _judge(query: bytes, wire: Optional[bytes], flight: _Flight) -> _Judged:
    """Say what the response ``wire`` means; the border that no foreign exception passes."""
    from dns import exception, flags, message, rcode, rdatatype

    if wire is None:
        return _Defect.SILENCE
    try:
        # RFC 1035 4.1.1, the TC bit; the records may end anywhere, but the question is there.
        truncated = len(wire) > 2 and bool(wire[2] & 0x02)
        response = message.from_wire(wire, question_only=truncated)
        asked = message.from_wire(query, question_only=True)
        if not asked.is_response(response) or not isinstance(response, message.QueryMessage):
            return _Defect.UNUSABLE
        if truncated:
            return _Defect.UNUSABLE if flight.tcp else _Defect.TRUNCATED
        code = response.rcode()
        # RFC 6891 7: a server that does not know EDNS says one of these.
        if flight.edns and code in (rcode.FORMERR, rcode.NOTIMP, rcode.BADVERS):
            return _Defect.EDNS_REFUSED
        if code not in (rcode.NOERROR, rcode.NXDOMAIN):
            # Only a failure can be the domain's; who refuses was the wrong server to ask.
            cause = Cause.SERVFAIL if code == rcode.SERVFAIL else Cause.RESOLVER_REFUSES
            return Fault(cause, f"{rcode.to_text(code)} from {flight.server}")
        result = response.resolve_chaining()
        authority = {rrset.rdtype for rrset in response.authority}
        alias = result.canonical_name.to_text(omit_final_dot=True) if result.cnames else ""
        if code == rcode.NXDOMAIN:
            return _Finding(False, (), alias)
        if result.answer is not None:
            return _Finding(True, tuple(rdata.to_text() for rdata in result.answer), alias)
        # An SOA record says that there is nothing (RFC 2308 2.2); without one, look at the end.
        if alias:
            return _Finding(True, (), alias, unfinished=rdatatype.SOA not in authority)
        # Who neither knows nor resolves points elsewhere or says nothing (RFC 2308 2.1, and glibc).
        if rdatatype.SOA not in authority and not response.flags & (flags.AA | flags.RA):
            return Fault(Cause.RESOLVER_REFUSES, f"referral and no answer from {flight.server}")
        return _Finding(True, (), "")
    except message.ChainTooLong:
        return Fault(Cause.ALIASES, f"alias loop from {flight.server}")
    except (exception.DNSException, ValueError):
        return _Defect.UNUSABLE

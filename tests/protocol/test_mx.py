"""From a domain to its servers: what name servers say, and what they do instead of saying it.

Responses are bytes that a small authoritative server makes of a zone; at the end of the file it
stands behind real sockets, and ``network`` does the asking.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Optional, Union

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.names import NameServer
from support.smtp import free_port

from exchange_mailaccept.names import to_ascii
from exchange_mailaccept.net import loop
from exchange_mailaccept.protocol import dns_query, mx
from exchange_mailaccept.protocol.conversation import Clock, Fault
from exchange_mailaccept.protocol.further_requests import Ask, Responses
from exchange_mailaccept.protocol.mx import Addresses, MailHost, MailHosts, addresses, mail_hosts
from exchange_mailaccept.vocabulary import Cause

NS = ("192.0.2.53", 53)
BOTH = (NS, ("198.51.100.53", 53))

ZONE = """
$ORIGIN example.
$TTL 60
@             SOA   ns hostmaster 1 60 60 3600 60
              NS    ns
two           MX    20 mail2
              MX    10 mail1
equal         MX    10 mail1
              MX    5  mail2
              MX    10 mail3
twice         MX    10 mail1
              MX    20 MAIL1
              MX    15 mail2
none          TXT   "no MX"
null          MX    0 .
null-beside   MX    0 .
              MX    10 mail1
null-alias    CNAME null
itself        MX    10 itself
              A     192.0.2.1
alias         CNAME two
alias-none    CNAME none
alias-nowhere CNAME nowhere
alias-away    CNAME two.elsewhere.
numeric       MX    10 192.0.2.1.
colons        MX    10 2001:db8::1.
with-port     MX    10 mail1.example:25.
blank         MX    10 mail\\0321
underscore    MX    10 mail_1
loop          CNAME loop-back
loop-back     CNAME loop
mail1         A     192.0.2.1
              AAAA  2001:db8::1
mail2         A     192.0.2.2
mail6         AAAA  2001:db8::6
many          A     192.0.2.1
              A     192.0.2.2
              A     192.0.2.3
              AAAA  2001:db8::1
nickname      CNAME mail1
nickname4     CNAME mail2
nickname0     CNAME none
delegated     NS    ns.elsewhere.
"""
NAMES = {"example.": ZONE}

Behaviour = Callable[[bytes, bool], Optional[bytes]]


class Zones:
    """An authoritative name server, as small as can be; ``None`` is its silence."""

    def __init__(self, texts: Mapping[str, str] = NAMES, flags: int = dns.flags.AA) -> None:
        self._flags = flags
        self._zones = {
            dns.name.from_text(origin): dns.zone.from_text(text, origin, relativize=False)
            for origin, text in texts.items()
        }

    def __call__(self, wire: bytes, tcp: bool) -> Optional[bytes]:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        question = query.question[0]
        self._fill(response, question.name, question.rdtype)
        most = 65_535 if tcp else max(512, query.payload)
        try:
            return response.to_wire(max_size=most)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _fill(self, response: dns.message.Message, name: dns.name.Name, rdtype: int) -> None:
        zone = next((self._zones[o] for o in self._zones if name.is_subdomain(o)), None)
        if zone is None:
            # An alias that leads elsewhere stands alone.
            response.set_rcode(dns.rcode.NOERROR if response.answer else dns.rcode.REFUSED)
            return
        origin = zone.origin
        response.flags |= self._flags
        node = zone.get_node(name)
        found = node and node.get_rdataset(1, rdtype)
        alias = node and node.get_rdataset(1, dns.rdatatype.CNAME)
        delegation = node and name != origin and node.get_rdataset(1, dns.rdatatype.NS)
        if found:
            response.answer.append(dns.rrset.from_rdata_list(name, 60, list(found)))
        elif alias:
            rrset = dns.rrset.from_rdata_list(name, 60, list(alias))
            if rrset not in response.answer:
                response.answer.append(rrset)
                self._fill(response, alias[0].target, rdtype)
        elif delegation:
            response.flags &= ~dns.flags.AA
            response.authority.append(dns.rrset.from_rdata_list(name, 60, list(delegation)))
        else:
            soa = zone.get_node(origin).get_rdataset(1, dns.rdatatype.SOA)
            response.authority.append(dns.rrset.from_rdata_list(origin, 60, list(soa)))
            if node is None:
                response.set_rcode(dns.rcode.NXDOMAIN)


#: What a name server knows who knows of ``example`` and of nothing else.
EXAMPLE = Zones()


def silent(_wire: bytes, _tcp: bool) -> Optional[bytes]:
    return None


def saying(code: int) -> Behaviour:
    """A name server that has one word for everything."""

    def answer(wire: bytes, _tcp: bool) -> Optional[bytes]:
        response = dns.message.make_response(dns.message.from_wire(wire))
        response.set_rcode(dns.rcode.Rcode.make(code))
        return response.to_wire()

    return answer


def edited(edit: Callable[[dns.message.Message], object]) -> Behaviour:
    """The zones' name server, its responses changed by ``edit``."""

    def answer(wire: bytes, tcp: bool) -> Optional[bytes]:
        response = dns.message.from_wire(EXAMPLE(wire, tcp) or b"")
        edit(response)
        return response.to_wire()

    return answer


def without_edns(defect: Behaviour) -> Behaviour:
    """A name server that does not take EDNS."""

    def answer(wire: bytes, tcp: bool) -> Optional[bytes]:
        return EXAMPLE(wire, tcp) if dns.message.from_wire(wire).edns < 0 else defect(wire, tcp)

    return answer


def only(rdtype: str, behaviour: Behaviour, otherwise: Optional[Behaviour] = None) -> Behaviour:
    """A name server that treats questions for ``rdtype`` specially."""
    others = otherwise or EXAMPLE

    def answer(wire: bytes, tcp: bool) -> Optional[bytes]:
        question = dns.message.from_wire(wire).question[0]
        special = dns.rdatatype.to_text(question.rdtype) == rdtype
        return (behaviour if special else others)(wire, tcp)

    return answer


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """A name server that behaves otherwise each time it is asked."""
    left = list(behaviours)

    def answer(wire: bytes, tcp: bool) -> Optional[bytes]:
        return left.pop(0)(wire, tcp)

    return answer


def fixed(change: Callable[[bytes], bytes]) -> Behaviour:
    """A name server whose response is made of the query's bytes."""
    return lambda wire, _tcp: change(wire)


class Transcript(list):
    """What was asked: address, transport, whether with EDNS, patience, types of records."""


def play(conversation, behaviour: Union[Behaviour, Mapping, None] = None):
    """Drive a lookup to its end; its result, and what it asked."""
    server = behaviour or EXAMPLE
    asked = Transcript()
    answer = None
    while True:
        try:
            request = conversation.send(answer)
        except StopIteration as end:
            return end.value, asked
        assert isinstance(request, Ask)
        address = request.nameserver[0]
        chosen = server[address] if isinstance(server, Mapping) else server
        queries = [dns.message.from_wire(each) for each in request.messages]
        kinds = " ".join(dns.rdatatype.to_text(each.question[0].rdtype) for each in queries)
        transport = "tcp" if request.tcp else "udp"
        edns = "edns" if (queries[0].edns, queries[0].payload) == (0, 1232) else "plain"
        asked.append((address, transport, edns, request.patience, kinds))
        assert len({each.id for each in queries}) == len(queries)
        if isinstance(chosen, Fault):
            answer = Responses(0.0, chosen)
            continue
        responses = tuple(chosen(each, request.tcp) for each in request.messages)
        gone = not any(responses)
        fault = Fault(Cause.SILENT, f"within {request.patience:.3g}s") if gone else None
        answer = Responses(0.0, fault, responses=responses)


def as_listed(_hosts: list) -> None:
    """No shuffling."""


def hosts_of(domain: str, behaviour=None, nameservers=(NS,)):
    return play(mail_hosts(domain, nameservers, as_listed), behaviour)[0]


def addresses_of(name: str, behaviour=None, nameservers=(NS,), family: int = 0):
    return play(addresses(name, nameservers, family), behaviour)[0]


def untested(explanation: str, cause: Cause = Cause.RESOLVER) -> Fault:
    return Fault(cause, f"no name server answered: {explanation}")


# Domains.

TWO = (MailHost(10, "mail1.example"), MailHost(20, "mail2.example"))


#: What is said of a domain without an MX record.
ITSELF = "none.example has no MX record and stands for itself (RFC 5321 5.1)"


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("two.example", MailHosts(TWO)),
        ("two.example.", MailHosts(TWO)),
        ("none.example", MailHosts((MailHost(None, "none.example"),), (ITSELF,))),
        ("itself.example", MailHosts((MailHost(10, "itself.example"),))),
        ("underscore.example", MailHosts((MailHost(10, "mail_1.example"),))),
        (
            "null-beside.example",
            MailHosts(
                (MailHost(10, "mail1.example"),),
                ("null-beside.example has a null MX beside others, against RFC 7505 3; it was"
                 " ignored",),
            ),
        ),
        (
            "alias.example",
            MailHosts(TWO, ("alias.example is an alias of two.example",)),
        ),
        (
            "alias-none.example",
            MailHosts(
                (MailHost(None, "none.example"),),
                ("alias-none.example is an alias of none.example", ITSELF),
            ),
        ),
        (
            "numeric.example",
            MailHosts(
                (MailHost(10, "192.0.2.1"),),
                ("MX 192.0.2.1 is not a domain name; most senders pass it over",),
            ),
        ),
        (
            "colons.example",
            MailHosts(
                (MailHost(10, "2001:db8::1"),),
                ("MX 2001:db8::1 is not a domain name; most senders pass it over",),
            ),
        ),
        (
            "with-port.example",
            MailHosts(
                (MailHost(10, "mail1.example:25"),),
                ("MX mail1.example:25 is not a domain name; most senders pass it over",),
            ),
        ),
        (
            "blank.example",
            MailHosts(
                (MailHost(10, "mail\\0321.example"),),
                ("MX mail\\0321.example is not a domain name; most senders pass it over",),
            ),
        ),
    ],
)  # fmt: skip
def test_the_servers_of_a_domain(domain, found):
    """As RFC 5321 5.1 has them found."""
    assert hosts_of(domain) == found


@pytest.mark.parametrize(
    ("domain", "cause", "explanation"),
    [
        ("nowhere.example", Cause.NXDOMAIN, "nowhere.example does not exist (NXDOMAIN)"),
        (
            "alias-nowhere.example",
            Cause.NXDOMAIN,
            "alias-nowhere.example is an alias of nowhere.example, which does not exist (NXDOMAIN)",
        ),
        ("null.example", Cause.NULL_MX, "null.example accepts no mail (null MX, RFC 7505)"),
        (
            "null-alias.example",
            Cause.NULL_MX,
            "null-alias.example is an alias of null.example, which accepts no mail (null MX, RFC"
            " 7505)",
        ),
        ("loop.example", Cause.ALIASES, "alias loop from 192.0.2.53"),
        ("mail..example", Cause.BAD_NAME, "mail..example is not a domain name"),
        ("192.0.2.1", Cause.BAD_NAME, "192.0.2.1 is not a domain name"),
        (f"{'a' * 64}.example", Cause.BAD_NAME, f"{'a' * 64}.example is not a domain name"),
        ("a." * 124 + "example", Cause.BAD_NAME, f"{'a.' * 124}example is not a domain name"),
        ("", Cause.BAD_NAME, ". is not a domain name"),
        (".", Cause.BAD_NAME, ". is not a domain name"),
    ],
)
def test_a_domain_without_a_server_is_broken(domain, cause, explanation):
    """No mail gets there, and the reason is a name server's or the domain's."""
    assert hosts_of(domain) == Fault(cause, explanation)


def test_hosts_of_equal_preference_are_shuffled():
    for backwards in (False, True):
        found, _ = play(
            mail_hosts("equal.example", [NS], lambda hosts, b=backwards: hosts.sort(reverse=b))
        )
        equals = (
            ["mail3.example", "mail1.example"] if backwards else ["mail1.example", "mail3.example"]
        )
        assert [host.name for host in found.hosts] == ["mail2.example", *equals]


def test_aliases_are_followed_out_of_the_response():
    """The name server knows the alias and not where it leads; another zone does."""
    other = "$ORIGIN elsewhere.\n$TTL 60\n@ SOA a b 1 1 1 1 1\n NS a\ntwo MX 10 mail1.example.\n"
    found, asked = play(
        mail_hosts("alias-away.example", [NS]), in_turn(EXAMPLE, Zones({"elsewhere.": other}))
    )
    assert found == MailHosts(
        (MailHost(10, "mail1.example"),),
        ("alias-away.example is an alias of two.elsewhere",),
    )
    assert len(asked) == 2


def alias_of_a_longer_name(wire: bytes, _tcp: bool) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(wire))
    name = response.question[0].name
    target = dns.name.from_text("x").relativize(dns.name.root).concatenate(name)
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target.to_text()))
    return response.to_wire()


def test_aliases_without_end_are_given_up():
    """Each leads to another one that must be asked for."""
    found, asked = play(mail_hosts("two.example", [NS]), alias_of_a_longer_name)
    assert found == Fault(Cause.ALIASES, "two.example leads through too many aliases")
    assert len(asked) == 9


@pytest.mark.parametrize(
    ("target", "words"),
    [("mail\\032one.elsewhere.", "mail\\032one.elsewhere"), ("\\255" * 20 + ".", "\\255" * 20)],
)
def test_an_alias_of_what_is_no_name_is_not_asked_for(target, words):
    """Its text has more bytes than it: a query for that is none, and would never be answered."""
    away = f"$ORIGIN example.\n$TTL 60\n@ SOA a b 1 1 1 1 1\n NS a\nodd CNAME {target}\n"
    found, asked = play(mail_hosts("odd.example", [NS]), Zones({"example.": away}))
    assert found == Fault(
        Cause.BAD_NAME, f"odd.example is an alias of {words}, which is not a domain name"
    )
    assert len(asked) == 1


@pytest.mark.parametrize("flags", [dns.flags.AA, dns.flags.RA])
def test_nothing_at_all_from_who_should_know_means_no_record(flags):
    """RFC 2308 2.2: NODATA of the third type."""
    behaviour = edited(lambda it: (it.authority.clear(), setattr(it, "flags", 0x8000 | flags)))
    assert hosts_of("none.example", behaviour) == MailHosts(
        (MailHost(None, "none.example"),), (ITSELF,)
    )


def test_the_zones_own_record_means_no_record_whoever_brings_it():
    """RFC 2308 2.2: NODATA of the first two types."""
    behaviour = edited(lambda it: setattr(it, "flags", 0x8000))
    assert hosts_of("none.example", behaviour) == MailHosts(
        (MailHost(None, "none.example"),), (ITSELF,)
    )


def test_nothing_at_all_from_who_can_not_know_means_nothing():
    """An implicit MX must not come of it."""
    behaviour = edited(lambda it: (it.authority.clear(), setattr(it, "flags", 0x8000)))
    assert hosts_of("none.example", behaviour) == untested(
        "referral and no answer from 192.0.2.53", Cause.RESOLVER_REFUSES
    )


# Addresses.


@pytest.mark.parametrize(
    ("name", "family", "found"),
    [
        ("mail1.example", 0, Addresses(("2001:db8::1", "192.0.2.1"))),
        ("mail1.example.", 0, Addresses(("2001:db8::1", "192.0.2.1"))),
        ("MAIL1.EXAMPLE", 0, Addresses(("2001:db8::1", "192.0.2.1"))),
        ("mail1.example", 4, Addresses(("192.0.2.1",))),
        ("mail1.example", 6, Addresses(("2001:db8::1",))),
        ("mail2.example", 0, Addresses(("192.0.2.2",))),
        ("mail6.example", 0, Addresses(("2001:db8::6",))),
        ("many.example", 0, Addresses(("2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"))),
        ("nickname.example", 0, Addresses(("2001:db8::1", "192.0.2.1"), "mail1.example")),
        ("nickname4.example", 0, Addresses(("192.0.2.2",), "mail2.example")),
        ("nickname4.example", 4, Addresses(("192.0.2.2",), "mail2.example")),
        ("nowhere.example", 0, Fault(Cause.NXDOMAIN, "nowhere.example does not exist (NXDOMAIN)")),
        ("null.example", 0, Fault(Cause.NO_ADDRESS, "null.example has no address")),
        ("mail2.example", 6, Fault(Cause.NO_ADDRESS, "mail2.example has no IPv6 address")),
        ("mail6.example", 4, Fault(Cause.NO_ADDRESS, "mail6.example has no IPv4 address")),
        (
            "nickname0.example",
            0,
            Fault(
                Cause.NO_ADDRESS,
                "nickname0.example is an alias of none.example, which has no address",
            ),
        ),
        (
            "alias-nowhere.example",
            6,
            Fault(
                Cause.NXDOMAIN,
                "alias-nowhere.example is an alias of nowhere.example, which does not exist"
                " (NXDOMAIN)",
            ),
        ),
        ("loop.example", 0, Fault(Cause.ALIASES, "alias loop from 192.0.2.53")),
        (
            "delegated.example",
            0,
            untested("referral and no answer from 192.0.2.53", Cause.RESOLVER_REFUSES),
        ),
        ("192.0.2.1", 0, Fault(Cause.BAD_NAME, "192.0.2.1 is not a domain name")),
        ("[192.0.2.1]", 0, Fault(Cause.BAD_NAME, "[192.0.2.1] is not a domain name")),
        ("2001:db8::1", 0, Fault(Cause.BAD_NAME, "2001:db8::1 is not a domain name")),
        ("mail1.example:25", 0, Fault(Cause.BAD_NAME, "mail1.example:25 is not a domain name")),
    ],
)
def test_the_addresses_of_a_host(name, family, found):
    got = addresses_of(name, family=family)
    if isinstance(got, Addresses):
        # dnspython shuffles the records that it sends.
        first = [each for each in got.addresses if ":" in each]
        rest = sorted(each for each in got.addresses if ":" not in each)
        got = got._replace(addresses=(*first, *rest))
    assert got == found


def test_ipv6_and_ipv4_take_turns():
    """So that a broken family costs one attempt and not all (RFC 8305 4)."""
    zone = "$ORIGIN example.\n$TTL 60\n@ SOA a b 1 1 1 1 1\n NS a\n" + "".join(
        f"mail A 192.0.2.{number}\nmail AAAA 2001:db8::{number}\n" for number in (1, 2)
    )
    found = addresses_of("mail.example", Zones({"example.": zone})).addresses
    assert [":" in each for each in found] == [True, False, True, False]
    assert sorted(found) == ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]


@pytest.mark.parametrize(
    ("rdtype", "behaviour", "found"),
    [
        ("AAAA", saying(2), Addresses(
            ("192.0.2.1",), "",
            ("the AAAA records of mail1.example are unknown: SERVFAIL from 192.0.2.53",),
        )),
        ("A", saying(2), Addresses(
            ("2001:db8::1",), "",
            ("the A records of mail1.example are unknown: SERVFAIL from 192.0.2.53",),
        )),
        ("AAAA", silent, Addresses(
            ("192.0.2.1",), "",
            ("the AAAA records of mail1.example are unknown: no name server answered: 192.0.2.53"
             " timed out",),
        )),
        # RFC 8020 forbids it, and old load balancers do it.
        ("AAAA", saying(3), Addresses(("192.0.2.1",))),
    ],
)  # fmt: skip
def test_one_family_does_not_spoil_the_other(rdtype, behaviour, found):
    assert addresses_of("mail1.example", only(rdtype, behaviour)) == found


@pytest.mark.parametrize(
    ("name", "rdtype", "behaviour", "found"),
    [
        (
            "none.example",
            "AAAA",
            saying(2),
            Fault(
                Cause.NO_ADDRESS,
                "none.example has no IPv4 address; the AAAA records of none.example are unknown:"
                " SERVFAIL from 192.0.2.53",
            ),
        ),
        (
            "none.example",
            "A",
            silent,
            Fault(
                Cause.NO_ADDRESS,
                "none.example has no IPv6 address; the A records of none.example are unknown: no"
                " name server answered: 192.0.2.53 timed out",
            ),
        ),
        (
            "nowhere.example",
            "AAAA",
            saying(2),
            Fault(Cause.NXDOMAIN, "nowhere.example does not exist (NXDOMAIN)"),
        ),
    ],
)
def test_a_family_that_fails_beside_one_without_addresses_is_broken(name, rdtype, behaviour, found):
    assert addresses_of(name, only(rdtype, behaviour)) == found


# Name servers that answer otherwise.


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "FORMERR"), (4, "NOTIMP"), (5, "REFUSED"), (9, "NOTAUTH"), (14, "14")],
)
def test_a_name_server_that_looks_up_nothing_for_us_leaves_the_domain_untested(code, words):
    """It was the wrong one to ask, and no implicit MX comes of it."""
    assert hosts_of("two.example", saying(code)) == untested(
        f"{words} from 192.0.2.53", Cause.RESOLVER_REFUSES
    )


@pytest.mark.parametrize("code", [1, 2, 4, 5])
def test_a_refusal_needs_no_question(code):
    """Servers that could not read the query send the header only."""
    behaviour = fixed(lambda wire: wire[:2] + bytes([0x81, 0x80 | code]) + bytes(8))
    found = hosts_of("two.example", behaviour)
    words = f"{dns.rcode.to_text(dns.rcode.Rcode.make(code))} from 192.0.2.53"
    assert found == (
        Fault(Cause.SERVFAIL, words)
        if code == dns.rcode.SERVFAIL
        else untested(words, Cause.RESOLVER_REFUSES)
    )


def _asked_otherwise(message: dns.message.Message) -> None:
    message.question = [dns.rrset.from_text("evil.test.", 0, "IN", "MX")]


def _asked_twice(message: dns.message.Message) -> None:
    message.question *= 2


def _with_answer_and_nxdomain(message: dns.message.Message) -> None:
    message.set_rcode(dns.rcode.NXDOMAIN)


UNUSABLE = {
    "another id": edited(lambda it: setattr(it, "id", it.id ^ 1)),
    "another question": edited(_asked_otherwise),
    "two questions": edited(_asked_twice),
    "a query": fixed(lambda wire: wire),
    "another opcode": edited(lambda it: it.set_opcode(2)),
    "an update": edited(lambda it: it.set_opcode(5)),
    "answer and NXDOMAIN": edited(_with_answer_and_nxdomain),
    "nothing": fixed(lambda _wire: b"\0"),
    "an id": fixed(lambda wire: wire[:2]),
    "half a header": fixed(lambda wire: wire[:2] + b"\x81\x80"),
    "a header that promises more": fixed(lambda wire: wire[:2] + b"\x81\x80" + b"\xff" * 8),
    "a name that points at itself": fixed(
        lambda wire: wire[:2] + b"\x81\x80\0\1\0\0\0\0\0\0\xc0\x0c\0\x0f\0\1"
    ),
    "junk behind": lambda wire, tcp: (EXAMPLE(wire, tcp) or b"") + b"junk",
    "half a response": lambda wire, tcp: (EXAMPLE(wire, tcp) or b"")[:-20],
}


@pytest.mark.parametrize("behaviour", UNUSABLE.values(), ids=UNUSABLE)
def test_a_response_to_something_else_is_none(behaviour):
    """A second try, for it may have been forged; then nothing is known."""
    found, asked = play(mail_hosts("two.example", [NS]), behaviour)
    assert found == untested("192.0.2.53 sent an unusable response")
    assert len(asked) == 2


@pytest.mark.parametrize(
    "defect",
    [
        saying(dns.rcode.FORMERR),
        saying(dns.rcode.NOTIMP),
        saying(dns.rcode.BADVERS),
        fixed(lambda wire: wire[:2] + b"\x81\x81" + bytes(8)),
    ],
)
def test_a_server_that_knows_no_edns_is_asked_without(defect):
    """At once, for it is there (RFC 6891 7); of two questions both."""
    found, asked = play(addresses("mail1.example", BOTH), without_edns(defect))
    assert found == Addresses(("2001:db8::1", "192.0.2.1"))
    assert asked == [
        ("192.0.2.53", "udp", "edns", 2.0, "A AAAA"),
        ("192.0.2.53", "udp", "plain", 2.0, "A AAAA"),
    ]


def many(prefix: str, count: int) -> Zones:
    return Zones({"example.": ZONE + "".join(f"big {prefix}{n}\n" for n in range(1, count + 1))})


def test_a_truncated_response_is_fetched_over_tcp():
    """All 300 servers are found."""
    found, asked = play(mail_hosts("big.example", BOTH), many("MX 10 m", 300))
    assert sorted(host.name for host in found.hosts) == sorted(
        f"m{number}.example" for number in range(1, 301)
    )
    assert asked == [
        ("192.0.2.53", "udp", "edns", 2.0, "MX"),
        ("192.0.2.53", "tcp", "edns", 4.0, "MX"),
    ]


def test_truncated_families_are_fetched_one_by_one():
    """Not every server takes two questions in one connection; the short one is not asked again."""
    zones = Zones({
        "example.": ZONE
        + "".join(f"big A 192.0.2.{n}\nbig AAAA 2001:db8::{n:x}\n" for n in range(1, 101))
    })  # fmt: skip
    found, asked = play(addresses("big.example", [NS]), zones)
    assert len(found.addresses) == 200
    assert asked == [
        ("192.0.2.53", "udp", "edns", 2.0, "A AAAA"),
        ("192.0.2.53", "tcp", "edns", 4.0, "A"),
        ("192.0.2.53", "tcp", "edns", 4.0, "AAAA"),
    ]


def _always_truncated(wire: bytes, _tcp: bool) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(wire))
    response.flags |= dns.flags.TC
    return response.to_wire()


def test_a_family_lost_over_tcp_is_asked_for_elsewhere():
    first = only("AAAA", lambda wire, tcp: None if tcp else _always_truncated(wire, tcp))
    found = addresses_of("mail1.example", {"192.0.2.53": first, "198.51.100.53": EXAMPLE}, BOTH)
    assert found == Addresses(("2001:db8::1", "192.0.2.1"))


# Several name servers.


def test_a_silent_server_waits_until_the_others_have_had_their_chance():
    found, asked = play(
        mail_hosts("two.example", BOTH), {"192.0.2.53": silent, "198.51.100.53": EXAMPLE}
    )
    assert found == MailHosts(TWO)
    assert asked == [
        ("192.0.2.53", "udp", "edns", 2.0, "MX"),
        ("198.51.100.53", "udp", "edns", 2.0, "MX"),
    ]


@pytest.mark.parametrize(
    "first", [saying(2), saying(5), Fault(Cause.REFUSED, "connection refused")]
)
def test_a_server_that_fails_leaves_it_to_the_next(first):
    found, asked = play(
        mail_hosts("two.example", BOTH), {"192.0.2.53": first, "198.51.100.53": EXAMPLE}
    )
    assert found == MailHosts(TWO)
    assert [each[0] for each in asked] == ["192.0.2.53", "198.51.100.53"]


def test_what_one_server_said_outweighs_the_silence_of_the_other():
    behaviours = {"192.0.2.53": silent, "198.51.100.53": saying(2)}
    found = hosts_of("two.example", behaviours, BOTH)
    assert found == Fault(Cause.SERVFAIL, "192.0.2.53 timed out, SERVFAIL from 198.51.100.53")


def test_a_question_passed_over_in_silence_is_not_asked_elsewhere():
    """Old load balancers drop AAAA everywhere; the answered question is not asked again."""
    found, asked = play(addresses("mail1.example", BOTH), only("AAAA", silent))
    assert found.addresses == ("192.0.2.1",)
    assert asked == [
        ("192.0.2.53", "udp", "edns", 2.0, "A AAAA"),
    ]


@pytest.mark.parametrize(
    ("fault", "explanation"),
    [
        (
            Fault(Cause.REFUSED, "connection refused"),
            "no name server answered: 192.0.2.53: connection refused",
        ),
        (
            Fault(Cause.OWN_SIDE, "no interface with this name"),
            "no name server answered: 192.0.2.53: no interface with this name",
        ),
        (Fault(Cause.INTERRUPTED, "interrupted by SIGTERM"), "interrupted by SIGTERM"),
    ],
)
def test_a_server_that_can_not_be_reached_leaves_the_domain_untested(fault, explanation):
    """Nothing is known of it; asking again within seconds would not change it."""
    for conversation in (mail_hosts("two.example", [NS]), addresses("mail1.example", [NS])):
        found, asked = play(conversation, {"192.0.2.53": fault})
        cause = fault.cause if fault.interrupted else Cause.RESOLVER
        assert found == Fault(cause, explanation)
        assert len(asked) == 1


def test_ids_differ_within_a_flight(monkeypatch):
    """A response must not fit both questions, at the end of the numbers either."""
    monkeypatch.setattr(dns_query, "_IDENTIFIER", 0xFFFF)
    request = next(addresses("mail1.example", [NS]))
    assert [each[:2] for each in request.messages] == [b"\xff\xff", b"\0\0"]


@pytest.mark.parametrize(
    ("name", "rdtype", "edns"),
    [("contoso.com", "MX", True), ("_a-b.example", "AAAA", False), ("a" * 63 + ".x", "A", True)],
)
def test_a_query_is_what_dnspython_would_send(name, rdtype, edns):
    payload = dns_query.PAYLOAD if edns else None
    expected = dns.message.make_query(name, rdtype, payload=payload).to_wire()
    assert dns_query.compose(name, rdtype, 0, edns)[2:] == expected[2:]


# Whatever comes.

HEADS = st.sampled_from([b"", b"\x81\x80", b"\x85\x80", b"\x83\x80", b"\x81\x83"])


@settings(deadline=None)
@given(st.data(), st.sampled_from([mail_hosts, addresses]), st.integers(1, 3))
def test_whatever_name_servers_send_a_lookup_ends(data, look_up, count):
    """In a value or a fault, after so many questions: no exception, no endless effort."""

    def rubbish(wire: bytes, tcp: bool) -> Optional[bytes]:
        kind = data.draw(st.sampled_from(["silence", "bytes", "fitting", "flipped"]))
        if kind == "silence":
            return None
        if kind == "bytes":
            return data.draw(st.binary(max_size=80))
        if kind == "fitting":
            return wire[:2] + data.draw(HEADS) + data.draw(st.binary(max_size=80))
        response = bytearray(EXAMPLE(wire, tcp) or b"")
        position = data.draw(st.integers(0, 99)) % (len(response) - 2) + 2
        response[position] = data.draw(st.integers(0, 255))
        return bytes(response)

    nameservers = [(f"192.0.2.{number}", 53) for number in range(count)]
    found, asked = play(look_up("two.example", nameservers), rubbish)
    assert isinstance(found, (MailHosts, Addresses, Fault))
    # Four ways for each of two questions at most, the aliases followed eight times.
    assert len(asked) <= 9 * count * 8


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, unique=True),
    st.integers(),
)
def test_hosts_come_by_preference_and_each_but_once(records, seed):
    zone = ZONE + "".join(f"it MX {number} host{host}\n" for number, host in records)
    shuffle = random.Random(seed).shuffle
    found, _ = play(mail_hosts("it.example", [NS], shuffle), Zones({"example.": zone}))
    best = {host: min(number for number, each in records if each == host) for _, host in records}
    assert sorted(found.hosts) == sorted(MailHost(best[h], f"host{h}.example") for h in best)
    assert [host.preference for host in found.hosts] == sorted(best.values())


@given(st.integers(1, 15))
def test_a_chain_of_aliases_is_followed_to_its_end(length):
    chain = "".join(f"a{number} CNAME a{number + 1}\n" for number in range(length))
    zones = Zones({"example.": f"{ZONE}{chain}a{length} A 192.0.2.9\n"})
    assert addresses_of("a0.example", zones) == Addresses(("192.0.2.9",), f"a{length}.example")


# Names as they are typed.


@pytest.mark.parametrize("typed", ["a\u2028.example", "\udcff.example", "\u00ad.example", "ü" * 99])
def test_what_idna_does_not_take_is_no_domain(typed):
    with pytest.raises(ValueError, match=r"^'.*' is not a domain: .+"):
        to_ascii(typed)


def test_a_domain_beyond_ascii_needs_idna(monkeypatch):
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared whole
        to_ascii("bücher.example")
    assert str(caught.value) == (
        "'bücher.example' needs the Python package idna, or to be given in its xn-- form"
    )
    assert to_ascii("contoso.com") == "contoso.com"


@given(st.text(max_size=80) | st.text("ab.-_ü\u3002ß1", max_size=300))
def test_a_name_in_ascii_is_final(typed):
    """Or none; and there is nothing in it that a dialogue could choke on."""
    try:
        name = to_ascii(typed)
    except ValueError:
        return
    assert to_ascii(name) == name
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert 0 < len(name) <= 253


# Over real sockets.


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], NameServer]]:
    """Start name servers, and end them."""
    with contextlib.ExitStack() as stack:
        yield lambda known: stack.enter_context(contextlib.closing(NameServer(known)))


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Name servers on this host need no seconds."""
    monkeypatch.setattr(mx, "PATIENCE", (0.3, 0.6))


def found_over(server: NameServer, *conversations, timeout: float = 30.0):
    """What lookups in one run find, the port of ``server`` as PORT."""
    results = loop.Run(conversations, timeout).drive()
    return [
        each._replace(explanation=each.explanation.replace(str(server.address[1]), "PORT"))
        if isinstance(each, Fault)
        else each
        for each in results
    ]


def test_a_real_server_is_asked(serve):
    server = serve(EXAMPLE)
    hosts = [mail_hosts("two.example", [server.address]) for _ in range(10)]
    hosts += [addresses("mail1.example", [server.address]) for _ in range(10)]
    assert found_over(server, *hosts) == (
        [MailHosts(TWO)] * 10 + [Addresses(("2001:db8::1", "192.0.2.1"))] * 10
    )
    assert server.heard == ["udp"] * 30


def test_aaaa_without_an_answer_does_not_hold_up_a(serve):
    """RFC 8305 3: in a run that has less time than a name server is given otherwise."""
    server = serve(only("AAAA", silent))

    def looked_up():
        found = yield from addresses("mail1.example", [server.address])
        return found, (yield Clock()).left

    ((found, left),) = found_over(server, looked_up(), timeout=1.5)
    assert left > 0
    assert isinstance(found, Addresses)
    assert found.addresses == ("192.0.2.1",)
    (note,) = found.notes
    assert note.startswith("the AAAA records of mail1.example are unknown: no name server answered")
    assert server.heard == ["udp", "udp"]


def test_aaaa_is_asked_for_again_where_there_is_no_a(serve):
    """Without it there would be no address at all."""
    server = serve(only("AAAA", in_turn(silent, EXAMPLE)))
    (found,) = found_over(server, addresses("mail6.example", [server.address]))
    assert found == Addresses(("2001:db8::6",))
    assert server.heard == ["udp", "udp", "udp"]


def test_a_real_server_that_takes_one_question_in_a_connection(serve):
    """It closes after its first response, as RFC 7766 6.2.1 does not forbid."""
    text = "".join(f"big A 192.0.2.{n}\nbig AAAA 2001:db8::{n:x}\n" for n in range(1, 101))
    zones = Zones({"example.": ZONE + text})

    def once(wire: bytes, tcp: bool) -> object:
        response = zones(wire, tcp)
        return iter([len(response).to_bytes(2, "big") + response]) if tcp else response

    server = serve(once)
    (found,) = found_over(server, addresses("big.example", [server.address]))
    assert (len(found.addresses), found.notes) == (200, ())
    assert server.heard == ["udp", "udp", "tcp", "tcp"]


@pytest.mark.parametrize(
    ("behaviour", "found", "heard"),
    [
        (lambda: in_turn(silent, EXAMPLE), MailHosts(TWO), 2),
        (lambda: without_edns(silent), MailHosts(TWO), 2),
        (lambda: without_edns(saying(1)), MailHosts(TWO), 2),
        (lambda: in_turn(UNUSABLE["another id"], EXAMPLE), MailHosts(TWO), 2),
        (lambda: in_turn(UNUSABLE["another question"], EXAMPLE), MailHosts(TWO), 2),
        (lambda: silent, untested("127.0.0.1 port PORT timed out"), 2),
        (lambda: UNUSABLE["another id"], untested("127.0.0.1 port PORT timed out"), 2),
        (lambda: saying(2), Fault(Cause.SERVFAIL, "SERVFAIL from 127.0.0.1 port PORT"), 1),
    ],
    ids=["first packet lost", "EDNS dropped", "FORMERR on EDNS", "wrong id once",
         "wrong question once", "silence", "wrong id", "SERVFAIL"],
)  # fmt: skip
@pytest.mark.usefixtures("impatient")
def test_a_real_server_that_misbehaves(serve, behaviour, found, heard):
    server = serve(behaviour())
    assert found_over(server, mail_hosts("two.example", [server.address])) == [found]
    assert server.heard == ["udp"] * heard


def test_a_port_where_nobody_listens_leaves_the_domain_untested():
    """At once, for the kernel knows."""
    port = free_port()
    (found,) = loop.Run([mail_hosts("two.example", [("127.0.0.1", port)])], 30.0).drive()
    assert found == untested(f"127.0.0.1 port {port}: connection refused")


def test_a_run_that_is_over_ends_the_lookup(serve):
    server = serve(silent)
    lookup = mail_hosts("two.example", [server.address] * 3)
    (found,) = found_over(server, lookup, timeout=0.2)
    assert found == untested("127.0.0.1 port PORT timed out")

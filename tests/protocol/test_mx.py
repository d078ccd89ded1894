"""From a domain to its servers: what name servers say, and what they do instead of saying it.

Responses are bytes that a small authoritative server makes of a zone, without a socket;
``net/test_name_servers.py`` has it behind real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.zones import (
    BIG,
    EXAMPLE,
    UNUSABLE,
    ZONE,
    Zones,
    edited,
    header_only,
    in_turn,
    only,
    saying,
    silent,
    told,
    truncated,
    without_edns,
)

from exchange_mailaccept.protocol import dns_message
from exchange_mailaccept.protocol.conversation import Fault
from exchange_mailaccept.protocol.further_requests import Ask, Responses
from exchange_mailaccept.protocol.mx import Addresses, MailHosts, addresses, mail_hosts
from exchange_mailaccept.vocabulary import Cause

FIRST, SECOND = "192.0.2.53", "198.51.100.53"
NS = (FIRST, 53)
BOTH = (NS, (SECOND, 53))


def play(conversation: Iterator[Any], server: Any = EXAMPLE) -> tuple[Any, list[str]]:
    """Drive a lookup to its end; its result, and what it asked.

    :param server: a behaviour, or one for each address, or a fault in place of it
    """
    asked: list[str] = []
    answer = None
    while True:
        try:
            request = conversation.send(answer)
        except StopIteration as end:
            return end.value, asked
        assert isinstance(request, Ask)
        address = request.nameserver[0]
        behaviour = server[address] if isinstance(server, dict) else server
        queries = [dns.message.from_wire(message) for message in request.messages]
        kinds = " ".join(dns.rdatatype.to_text(query.question[0].rdtype) for query in queries)
        transport = "tcp" if request.tcp else "udp"
        edns = "edns" if (queries[0].edns, queries[0].payload) == (0, 1232) else "plain"
        asked.append(f"{address} {transport} {edns} {request.patience} {kinds}")
        assert len({query.id for query in queries}) == len(queries)
        if isinstance(behaviour, Fault):
            answer = Responses(0.0, behaviour)
            continue
        responses = tuple(behaviour(message, request.tcp) for message in request.messages)
        gone = not any(responses)
        fault = Fault(Cause.SILENT, f"within {request.patience:.3g}s") if gone else None
        answer = Responses(0.0, fault, responses=responses)


def hosts_of(domain: str, server: Any = EXAMPLE) -> list[str]:
    return told(play(mail_hosts(domain, (NS,), lambda _: None), server)[0])


def addresses_of(name: str, server: Any = EXAMPLE, family: int = 0) -> list[str]:
    return told(play(addresses(name, (NS,), family), server)[0])


# Domains.

TWO = ["10 mail1.example", "20 mail2.example"]
MAIL1 = ["2001:db8::1", "192.0.2.1"]
#: What is found of a domain without an MX record.
ITSELF = [
    "None none.example",
    "none.example has no MX record, so mail goes to its own address (RFC 5321 5.1)",
]
REFERRAL = f"referral and no answer from {FIRST}"
NO_NAME = "is not a domain name; most senders pass it over"


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("two.example", TWO),
        ("two.example.", TWO),
        ("twice.example", ["10 mail1.example", "15 mail2.example"]),
        ("none.example", ITSELF),
        ("itself.example", ["10 itself.example"]),
        ("underscore.example", ["10 mail_1.example"]),
        ("null-beside.example", ["10 mail1.example", "null-beside.example has a null MX beside"
         " others, against RFC 7505 3; it was ignored"]),
        ("alias.example", [*TWO, "alias.example is an alias of two.example"]),
        ("alias-none.example",
         [ITSELF[0], "alias-none.example is an alias of none.example", ITSELF[1]]),
        ("numeric.example", ["10 192.0.2.1", f"MX 192.0.2.1 {NO_NAME}"]),
        ("colons.example", ["10 2001:db8::1", f"MX 2001:db8::1 {NO_NAME}"]),
        ("with-port.example", ["10 mail1.example:25", f"MX mail1.example:25 {NO_NAME}"]),
        ("blank.example", ["10 mail\\0321.example", f"MX mail\\0321.example {NO_NAME}"]),
        # A query for more bytes than a name can have is none, and would never be answered.
        ("alias-blank.example", ["BAD_NAME: alias-blank.example is an alias of"
         " mail\\032one.elsewhere, which is not a domain name"]),
        ("alias-bytes.example", ["BAD_NAME: alias-bytes.example is an alias of \\255\\255\\255,"
         " which is not a domain name"]),
        # No mail gets there, and the reason is a name server's or the domain's.
        ("nowhere.example", ["NXDOMAIN: nowhere.example does not exist (NXDOMAIN)"]),
        ("alias-nowhere.example", ["NXDOMAIN: alias-nowhere.example is an alias of nowhere.example,"
         " which does not exist (NXDOMAIN)"]),
        ("null.example", ["NULL_MX: null.example accepts no mail (null MX, RFC 7505)"]),
        ("null-alias.example", ["NULL_MX: null-alias.example is an alias of null.example, which"
         " accepts no mail (null MX, RFC 7505)"]),
        ("loop.example", [f"ALIASES: alias loop from {FIRST}"]),
        ("mail..example", ["BAD_NAME: mail..example is not a domain name"]),
        ("192.0.2.1", ["BAD_NAME: 192.0.2.1 is not a domain name"]),
        (f"{'a' * 64}.example", [f"BAD_NAME: {'a' * 64}.example is not a domain name"]),
        ("a." * 124 + "example", [f"BAD_NAME: {'a.' * 124}example is not a domain name"]),
        ("", ["BAD_NAME: . is not a domain name"]),
        (".", ["BAD_NAME: . is not a domain name"]),
    ],
)  # fmt: skip
def test_the_servers_of_a_domain(domain, expected):
    """As RFC 5321 5.1 has them found."""
    assert hosts_of(domain) == expected


@pytest.mark.parametrize(("backwards", "order"), [(False, "213"), (True, "231")])
def test_hosts_of_equal_preference_are_shuffled(backwards, order):
    lookup = mail_hosts("equal.example", [NS], lambda hosts: hosts.sort(reverse=backwards))
    assert [host.name for host in play(lookup)[0].hosts] == [f"mail{n}.example" for n in order]


def test_aliases_are_followed_out_of_the_response():
    """The name server knows the alias and not where it leads; another zone does."""
    elsewhere = Zones(ZONE.replace("ORIGIN example", "ORIGIN elsewhere"))
    result, asked = play(mail_hosts("alias-away.example", [NS]), in_turn(EXAMPLE, elsewhere))
    hosts = ["10 mail1.elsewhere", "20 mail2.elsewhere"]
    assert told(result) == [*hosts, "alias-away.example is an alias of two.elsewhere"]
    assert len(asked) == 2


def alias_of_a_longer_name(wire: bytes, _tcp: bool) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(wire))
    name = response.question[0].name.to_text()
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", f"x.{name}"))
    return response.to_wire()


def test_aliases_without_end_are_given_up():
    """Each leads to another one that must be asked for."""
    result, asked = play(mail_hosts("two.example", [NS]), alias_of_a_longer_name)
    assert told(result) == ["ALIASES: two.example leads through too many aliases"]
    assert len(asked) == 9


@pytest.mark.parametrize(
    ("soa", "flags", "expected"),
    [
        # NODATA of the third type, and of the first two (RFC 2308 2.2).
        (False, dns.flags.AA, ITSELF),
        (False, dns.flags.RA, ITSELF),
        (True, 0, ITSELF),
        # An implicit MX must not come of who can't know.
        (False, 0, [f"RESOLVER_REFUSES: no name server answered: {REFERRAL}"]),
    ],
)
def test_no_record_is_believed_of_who_should_know(soa, flags, expected):
    def edit(response: dns.message.Message) -> None:
        response.flags = dns.flags.QR | flags
        if not soa:
            response.authority.clear()

    assert hosts_of("none.example", edited(edit)) == expected


# Addresses.


@pytest.mark.parametrize(
    ("name", "family", "expected"),
    [
        ("mail1.example", 0, MAIL1),
        ("mail1.example.", 0, MAIL1),
        ("MAIL1.EXAMPLE", 0, MAIL1),
        ("mail1.example", 4, ["192.0.2.1"]),
        ("mail1.example", 6, ["2001:db8::1"]),
        ("mail2.example", 0, ["192.0.2.2"]),
        ("mail6.example", 0, ["2001:db8::6"]),
        ("nickname.example", 0, [*MAIL1, "alias of mail1.example"]),
        ("nickname4.example", 0, ["192.0.2.2", "alias of mail2.example"]),
        ("nowhere.example", 0, ["NXDOMAIN: nowhere.example does not exist (NXDOMAIN)"]),
        ("null.example", 0, ["NO_ADDRESS: null.example has no address"]),
        ("mail2.example", 6, ["NO_ADDRESS: mail2.example has no IPv6 address"]),
        ("mail6.example", 4, ["NO_ADDRESS: mail6.example has no IPv4 address"]),
        ("nickname0.example", 0,
         ["NO_ADDRESS: nickname0.example is an alias of none.example, which has no address"]),
        ("alias-nowhere.example", 6, ["NXDOMAIN: alias-nowhere.example is an alias of"
         " nowhere.example, which does not exist (NXDOMAIN)"]),
        ("delegated.example", 0, [f"RESOLVER_REFUSES: no name server answered: {REFERRAL}"]),
        ("192.0.2.1", 0, ["BAD_NAME: 192.0.2.1 is not a domain name"]),
        ("mail1.example:25", 0, ["BAD_NAME: mail1.example:25 is not a domain name"]),
    ],
)  # fmt: skip
def test_the_addresses_of_a_host(name, family, expected):
    assert addresses_of(name, family=family) == expected


def test_ipv6_and_ipv4_take_turns():
    """So that a broken family costs one attempt and not all (RFC 8305 4)."""
    turns = addresses_of("turns.example")
    assert [":" in address for address in turns] == [True, False, True, False]
    assert sorted(turns) == ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]


FAILED = f"SERVFAIL from {FIRST}"
SILENT = f"no name server answered: {FIRST} timed out"


@pytest.mark.parametrize(
    ("name", "rdtype", "behaviour", "expected"),
    [
        ("mail1.example", "AAAA", saying(2),
         ["192.0.2.1", f"the AAAA records of mail1.example are unknown: {FAILED}"]),
        ("mail1.example", "A", saying(2),
         ["2001:db8::1", f"the A records of mail1.example are unknown: {FAILED}"]),
        ("mail1.example", "AAAA", silent,
         ["192.0.2.1", f"the AAAA records of mail1.example are unknown: {SILENT}"]),
        # RFC 8020 forbids it, and old load balancers do it.
        ("mail1.example", "AAAA", saying(3), ["192.0.2.1"]),
        ("none.example", "AAAA", saying(2),
         ["NO_ADDRESS: none.example has no IPv4 address;"
          f" the AAAA records of none.example are unknown: {FAILED}"]),
        ("none.example", "A", silent,
         ["NO_ADDRESS: none.example has no IPv6 address;"
          f" the A records of none.example are unknown: {SILENT}"]),
        ("nowhere.example", "AAAA", saying(2),
         ["NXDOMAIN: nowhere.example does not exist (NXDOMAIN)"]),
    ],
    ids=["no AAAA", "no A", "AAAA unanswered", "AAAA denied", "nothing but AAAA failed",
         "nothing but A unanswered", "NXDOMAIN and AAAA failed"],
)  # fmt: skip
def test_one_family_does_not_spoil_the_other(name, rdtype, behaviour, expected):
    assert addresses_of(name, only(rdtype, behaviour)) == expected


# Name servers that answer otherwise.

CODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH", 14: "14"}


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        *((saying(number), code) for number, code in CODES.items()),
        *((header_only(number), CODES[number]) for number in (1, 2, 4, 5)),
    ],
)
def test_a_name_server_that_looks_up_nothing_for_us_leaves_the_domain_untested(behaviour, code):
    """It was the wrong one to ask, and no implicit MX comes of it; SERVFAIL is the domain's."""
    cause = "SERVFAIL" if code == "SERVFAIL" else "RESOLVER_REFUSES: no name server answered"
    assert hosts_of("two.example", behaviour) == [f"{cause}: {code} from {FIRST}"]


@pytest.mark.parametrize("behaviour", UNUSABLE.values(), ids=UNUSABLE)
def test_a_response_to_something_else_is_none(behaviour):
    """A second try, for it may have been forged; then nothing is known."""
    result, asked = play(mail_hosts("two.example", [NS]), behaviour)
    unusable = f"RESOLVER: no name server answered: {FIRST} sent an unusable response"
    assert told(result) == [unusable]
    assert len(asked) == 2


MX, A_AND_AAAA = f"{FIRST} udp edns 2.0 MX", f"{FIRST} udp edns 2.0 A AAAA"
SECOND_MX = f"{SECOND} udp edns 2.0 MX"
REFUSED = Fault(Cause.REFUSED, "connection refused")


@pytest.mark.parametrize(
    ("servers", "expected", "asked"),
    [
        # Some firewalls drop queries with EDNS.
        ([without_edns(silent)], TWO, [MX, f"{FIRST} udp plain 4.0 MX"]),
        # A silent server waits until the others have had their chance.
        ([silent, EXAMPLE], TWO, [MX, SECOND_MX]),
        # One that fails leaves it to the next.
        ([saying(2), EXAMPLE], TWO, [MX, SECOND_MX]),
        ([saying(5), EXAMPLE], TWO, [MX, SECOND_MX]),
        ([REFUSED, EXAMPLE], TWO, [MX, SECOND_MX]),
        # What one server said outweighs the silence of the other.
        (
            [silent, saying(2)],
            [f"SERVFAIL: {FIRST} timed out, SERVFAIL from {SECOND}"],
            [MX, SECOND_MX, f"{FIRST} udp plain 4.0 MX"],
        ),
    ],
    ids=["EDNS dropped", "silent", "SERVFAIL", "REFUSED", "nobody", "silent and SERVFAIL"],
)
def test_name_servers_are_asked_in_turn(servers, expected, asked):
    lookup = mail_hosts("two.example", BOTH[: len(servers)])
    result, heard = play(lookup, dict(zip((FIRST, SECOND), servers)))
    assert (told(result), heard) == (expected, asked)


@pytest.mark.parametrize(
    ("first", "expected", "asked"),
    [
        # At once without EDNS, for the server is there (RFC 6891 7).
        (without_edns(saying(1)), MAIL1, [f"{FIRST} udp plain 2.0 A AAAA"]),
        (without_edns(saying(4)), MAIL1, [f"{FIRST} udp plain 2.0 A AAAA"]),
        (without_edns(saying(dns.rcode.BADVERS)), MAIL1, [f"{FIRST} udp plain 2.0 A AAAA"]),
        (without_edns(header_only(1)), MAIL1, [f"{FIRST} udp plain 2.0 A AAAA"]),
        # Old load balancers drop AAAA everywhere; the answered question is not asked again.
        (
            only("AAAA", silent),
            ["192.0.2.1", f"the AAAA records of mail1.example are unknown: {SILENT}"],
            [],
        ),
        # A family that is lost over TCP is asked for elsewhere.
        (
            only("AAAA", truncated),
            MAIL1,
            [f"{FIRST} tcp edns 4.0 AAAA", f"{SECOND} udp edns 2.0 AAAA"],
        ),
    ],
    ids=["FORMERR", "NOTIMP", "BADVERS", "header only", "AAAA dropped", "AAAA lost over TCP"],
)
def test_of_two_questions_what_is_open_is_asked_again(first, expected, asked):
    result, heard = play(addresses("mail1.example", BOTH), {FIRST: first, SECOND: EXAMPLE})
    assert (told(result), heard) == (expected, [A_AND_AAAA, *asked])


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.REFUSED, f"RESOLVER: no name server answered: {FIRST}: why"),
        (Cause.OWN_SIDE, f"RESOLVER: no name server answered: {FIRST}: why"),
        (Cause.INTERRUPTED, "INTERRUPTED: why"),
    ],
)
def test_who_is_not_there_is_asked_once(cause, expected):
    """A few seconds would not change it."""
    for lookup in (mail_hosts("two.example", [NS]), addresses("mail1.example", [NS])):
        result, asked = play(lookup, Fault(cause, "why"))
        assert (told(result), len(asked)) == ([expected], 1)


def test_a_truncated_response_is_fetched_over_tcp():
    """All 300 servers are found."""
    zones = Zones(ZONE + "".join(f"big MX 10 m{number}\n" for number in range(1, 301)))
    result, asked = play(mail_hosts("big.example", BOTH), zones)
    assert sorted(told(result)) == sorted(f"10 m{number}.example" for number in range(1, 301))
    assert asked == [MX, f"{FIRST} tcp edns 4.0 MX"]


def test_truncated_families_are_fetched_one_by_one():
    """Not every server takes two questions in one connection; the short one is not asked again."""
    result, asked = play(addresses("big.example", [NS]), Zones(ZONE + BIG))
    assert len(result.addresses) == 200
    assert asked == [A_AND_AAAA, f"{FIRST} tcp edns 4.0 A", f"{FIRST} tcp edns 4.0 AAAA"]


# Queries.


def test_ids_differ_within_a_flight(monkeypatch):
    """A response must not fit both questions, at the end of the numbers either."""
    monkeypatch.setattr(dns_message, "_IDENTIFIER", 0xFFFF)
    request = next(addresses("mail1.example", [NS]))
    assert [message[:2] for message in request.messages] == [b"\xff\xff", b"\0\0"]


@pytest.mark.parametrize(
    ("name", "rdtype", "edns"),
    [("contoso.com", "MX", True), ("_a-b.example", "AAAA", False), ("a" * 63 + ".x", "A", True)],
)
def test_a_query_is_what_dnspython_would_send(name, rdtype, edns):
    payload = dns_message.PAYLOAD if edns else None
    expected = dns.message.make_query(name, rdtype, payload=payload).to_wire()
    assert dns_message.compose(name, rdtype, 0, edns)[2:] == expected[2:]


# Whatever comes.

HEADS = st.sampled_from([b"", b"\x81\x80", b"\x85\x80", b"\x83\x80", b"\x81\x83"])


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
        response = bytearray(EXAMPLE(wire, tcp))
        position = data.draw(st.integers(0, 99)) % (len(response) - 2) + 2
        response[position] = data.draw(st.integers(0, 255))
        return bytes(response)

    nameservers = [(f"192.0.2.{number}", 53) for number in range(count)]
    result, asked = play(look_up("two.example", nameservers), rubbish)
    assert isinstance(result, (MailHosts, Addresses, Fault))
    # Four ways for each of two questions at most, the aliases followed eight times.
    assert len(asked) <= 9 * count * 8


@given(st.integers(1, 15))
def test_a_chain_of_aliases_is_followed_to_its_end(length):
    chain = "".join(f"a{number} CNAME a{number + 1}\n" for number in range(length))
    zones = Zones(f"{ZONE}{chain}a{length} A 192.0.2.9\n")
    assert addresses_of("a0.example", zones) == ["192.0.2.9", f"alias of a{length}.example"]

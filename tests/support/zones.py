"""Name servers of a small zone, and all that they do instead of answering.

Each is a function for :class:`support.names.NameServer`: the query and whether it came over TCP in,
the response out, or ``None`` for silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

from exchange_mailaccept.protocol.conversation import Fault
from exchange_mailaccept.protocol.mx import MailHosts

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
twice         MX    20 mail1
              MX    10 mail1
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
alias-blank   CNAME mail\\032one.elsewhere.
alias-bytes   CNAME \\255\\255\\255.
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
turns         A     192.0.2.1
              A     192.0.2.2
              AAAA  2001:db8::1
              AAAA  2001:db8::2
nickname      CNAME mail1
nickname4     CNAME mail2
nickname0     CNAME none
delegated     NS    ns.elsewhere.
"""
#: Two hundred addresses, for more than a datagram can carry.
BIG = "".join(
    f"big A 192.0.2.{number}\nbig AAAA 2001:db8::{number:x}\n" for number in range(1, 101)
)

Behaviour = Callable[[bytes, bool], Optional[bytes]]


class Zones:
    """An authoritative name server, as small as can be."""

    def __init__(self, *texts: str) -> None:
        zones = [dns.zone.from_text(text, relativize=False) for text in texts]
        self._zones = {zone.origin: zone for zone in zones}

    def __call__(self, wire: bytes, tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        self._fill(response, query.question[0].name, query.question[0].rdtype)
        try:
            return response.to_wire(max_size=65_535 if tcp else max(512, query.payload))
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
        response.flags |= dns.flags.AA
        records, alias, delegation = (
            zone.get_rrset(name, wanted)
            for wanted in (rdtype, dns.rdatatype.CNAME, dns.rdatatype.NS)
        )
        if records:
            response.answer.append(records)
        elif alias:
            if alias not in response.answer:
                response.answer.append(alias)
                self._fill(response, alias[0].target, rdtype)
        elif delegation and name != zone.origin:
            response.flags &= ~dns.flags.AA
            response.authority.append(delegation)
        else:
            response.authority.append(zone.get_rrset(zone.origin, dns.rdatatype.SOA))
            if zone.get_node(name) is None:
                response.set_rcode(dns.rcode.NXDOMAIN)


#: What a name server knows who knows of ``example`` and of nothing else.
EXAMPLE = Zones(ZONE)


def silent(_wire: bytes, _tcp: bool) -> None:
    return None


def fixed(change: Callable[[bytes], bytes]) -> Behaviour:
    """A name server whose response is made of the query's bytes."""
    return lambda wire, _tcp: change(wire)


def saying(code: int) -> Behaviour:
    """A name server that has one word for everything."""

    def answer(wire: bytes, _tcp: bool) -> bytes:
        response = dns.message.make_response(dns.message.from_wire(wire))
        response.set_rcode(dns.rcode.Rcode.make(code))
        return response.to_wire()

    return answer


def header_only(code: int) -> Behaviour:
    """A name server that could not read the query."""
    return fixed(lambda wire: wire[:2] + bytes([0x81, 0x80 | code]) + bytes(8))


def edited(edit: Callable[[dns.message.Message], object]) -> Behaviour:
    """The zones' name server, its responses changed by ``edit``."""

    def answer(wire: bytes, tcp: bool) -> bytes:
        response = dns.message.from_wire(EXAMPLE(wire, tcp))
        edit(response)
        return response.to_wire()

    return answer


def without_edns(defect: Behaviour) -> Behaviour:
    """A name server that does not take EDNS."""
    return lambda wire, tcp: (EXAMPLE if dns.message.from_wire(wire).edns < 0 else defect)(
        wire, tcp
    )


def only(rdtype: str, behaviour: Behaviour) -> Behaviour:
    """A name server that treats questions for ``rdtype`` specially."""

    def answer(wire: bytes, tcp: bool) -> Optional[bytes]:
        asked = dns.rdatatype.to_text(dns.message.from_wire(wire).question[0].rdtype)
        return (behaviour if asked == rdtype else EXAMPLE)(wire, tcp)

    return answer


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """A name server that behaves otherwise each time it is asked."""
    left = list(behaviours)
    return lambda wire, tcp: left.pop(0)(wire, tcp)


def truncated(wire: bytes, tcp: bool) -> Optional[bytes]:
    """A name server that says all answers are too long, and is silent over TCP."""
    response = dns.message.make_response(dns.message.from_wire(wire))
    response.flags |= dns.flags.TC
    return None if tcp else response.to_wire()


EVIL = dns.rrset.from_text("evil.test.", 0, "IN", "MX")
#: Responses that are none to the query.
UNUSABLE = {
    "another id": edited(lambda response: setattr(response, "id", response.id ^ 1)),
    "another question": edited(lambda response: setattr(response, "question", [EVIL])),
    "two questions": edited(lambda response: response.question.append(EVIL)),
    "a query": fixed(lambda wire: wire),
    "another opcode": edited(lambda response: response.set_opcode(2)),
    "an update": edited(lambda response: response.set_opcode(5)),
    "answer and NXDOMAIN": edited(lambda response: response.set_rcode(dns.rcode.NXDOMAIN)),
    "nothing": fixed(lambda _wire: b"\0"),
    "an id": fixed(lambda wire: wire[:2]),
    "half a header": fixed(lambda wire: wire[:2] + b"\x81\x80"),
    "a header that promises more": fixed(lambda wire: wire[:2] + b"\x81\x80" + b"\xff" * 8),
    "a name that points at itself": fixed(
        lambda wire: wire[:2] + b"\x81\x80\0\1\0\0\0\0\0\0\xc0\x0c\0\x0f\0\1"
    ),
    "junk behind": lambda wire, tcp: EXAMPLE(wire, tcp) + b"junk",
    "half a response": lambda wire, tcp: EXAMPLE(wire, tcp)[:-20],
}


def told(result: Any) -> list[str]:
    """What a lookup found, in words."""
    if isinstance(result, Fault):
        return [f"{result.cause.name}: {result.explanation}"]
    if isinstance(result, MailHosts):
        return [*(f"{host.preference} {host.name}" for host in result.hosts), *result.notes]
    alias = [f"alias of {result.alias}"] if result.alias else []
    return [*result.addresses, *alias, *result.notes]

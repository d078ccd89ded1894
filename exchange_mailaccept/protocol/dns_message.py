"""DNS messages (RFC 1035 4.1, RFC 6891 6.1.2): queries are written here, dnspython reads responses.

Most name servers answer in less time than it takes to import dnspython.  So the first query is
written without it, and sent before the import.  This is the only module that knows dnspython; its
types and exceptions do not leave it.
"""

from __future__ import annotations

import os

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, Optional

#: Size of a UDP response that is hardly ever fragmented, in bytes (DNS flag day 2020).
PAYLOAD = 1232

_TYPES = {"A": 1, "NS": 2, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
_OPT, _INTERNET = 41, 1
_RECURSION_DESIRED = 0x0100
#: In a query: the answer is to tell whether it is authentic (RFC 6840 5.7).
_AUTHENTIC_DATA = 0x0020
#: Identifier of a flight's first query.  It is random, as is the port: who has not seen the query
#: can't answer it.
_IDENTIFIER = int.from_bytes(os.urandom(2), "big")


def compose(
    name: str, rdtype: str, position: int = 0, edns: bool = True, authentic: bool = False
) -> bytes:
    """The query for the records of ``rdtype`` (one of ``_TYPES``) of ``name`` in ASCII.

    :param name: empty for the root
    :param position: the query's among those that are sent at the same time
    :param edns: whether to tell the maximum size of a response
    :param authentic: whether to ask if the answer is authentic, by DNSSEC
    """
    identifier = (_IDENTIFIER + position) & 0xFFFF
    flags = _RECURSION_DESIRED | (_AUTHENTIC_DATA if authentic else 0)
    header = (identifier, flags, 1, 0, 0, int(edns))
    labels = name.encode("ascii").split(b".") if name else []
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    query = _sixteen_bits(*header) + question + _sixteen_bits(_TYPES[rdtype], _INTERNET)
    if not edns:
        return query
    # The root, OPT, our payload; no flags; no options.
    return query + b"\0" + _sixteen_bits(_OPT, PAYLOAD, 0, 0, 0)


def _sixteen_bits(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def import_dnspython() -> None:
    """Import what reads a response, while the first response is awaited."""
    from dns import exception, flags, message, rcode, rdatatype  # noqa: F401


class Response(NamedTuple):
    """What a DNS response says, without dnspython's types."""

    #: Mnemonic of the RCODE (RFC 1035 4.1.1).
    code: str
    #: The TC bit; only the code is known then.
    truncated: bool = False
    #: Rdata of the type asked for, as in a zone file.
    records: tuple[str, ...] = ()
    #: Where the aliases lead, empty if the name is none.
    alias: str = ""
    #: Whether the aliases lead in a circle.
    loops: bool = False
    #: Whether it has the zone's SOA record, which means that there is no record (RFC 2308 2.2).
    has_soa: bool = False
    #: Whether the server is authoritative, or resolves names for this host (bits AA and RA).
    competent: bool = False
    #: The AD bit.
    authentic: bool = False


def decode(query: bytes, wire: bytes) -> Optional[Response]:
    """Read the response ``wire``; ``None`` if it is not a response to ``query``.

    Exceptions of dnspython do not leave this function.
    """
    from dns import exception, flags, message, rcode, rdatatype

    try:
        # RFC 1035 4.1.1, the TC bit: the records may be cut, but the question is complete.
        truncated = len(wire) > 2 and bool(wire[2] & 0x02)
        response = message.from_wire(wire, question_only=truncated)
        asked = message.from_wire(query, question_only=True)
        if not asked.is_response(response) or not isinstance(response, message.QueryMessage):
            return None
        code = rcode.to_text(response.rcode())
        if truncated or code not in ("NOERROR", "NXDOMAIN"):
            return Response(code, truncated)
        chain = response.resolve_chaining()
        return Response(
            code,
            records=tuple(map(_text, chain.answer or ())),
            alias=chain.canonical_name.to_text(omit_final_dot=True) if chain.cnames else "",
            has_soa=any(rrset.rdtype == rdatatype.SOA for rrset in response.authority),
            competent=bool(response.flags & (flags.AA | flags.RA)),
            authentic=bool(response.flags & flags.AD),
        )
    except message.ChainTooLong:
        return Response("NOERROR", loops=True)
    except (exception.DNSException, ValueError):
        return None


def _text(rdata: Any) -> str:
    """``rdata`` as in a zone file; the strings of a TXT record joined (RFC 8461 3.1)."""
    if hasattr(rdata, "strings"):
        return b"".join(rdata.strings).decode("ascii", "backslashreplace")
    return str(rdata.to_text())

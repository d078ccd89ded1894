"""A name server, for the scenarios that are about what a domain publishes.

It answers from a table, and as a resolver that has validated each answer (AD, RFC 4035 3.2.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: The domain whose mail the simulator takes.
DOMAIN = "contoso.com"
ADDRESS = "127.0.0.1"
#: Text of a record by its name, in lower case without a final dot, and its type; an empty text
#: means that there is no such record.
Records = Mapping[tuple[str, str], str]


class NameServer(asyncio.DatagramProtocol):
    """Answers queries over UDP."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def connection_made(self, transport: Any) -> None:
        """Keep what the responses are sent by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer a query: the record, NODATA if there are others of this name, or NXDOMAIN."""
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA | dns.flags.AD
        name, rdtype = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        known = name.to_text(omit_final_dot=True).lower()
        if text := self._records.get((known, rdtype)):
            response.answer.append(dns.rrset.from_text(name, 60, "IN", rdtype, text))
        elif known not in {owner for owner, _ in self._records}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(response.to_wire(), addr)


async def publish(
    changes: Records, name: str, host: str, port: int, at: int
) -> tuple[asyncio.BaseTransport, int]:
    """Start a name server for a domain whose MX is this server; it has the port that is returned.

    :param changes: replaces or adds records; ``{name}`` and ``{port}`` are the mail server's
    :param at: port of the name server; 0 for any free one
    """
    records = {(DOMAIN, "MX"): f"10 {name}.", (name, "AAAA" if ":" in host else "A"): host}
    for (owner, rdtype), text in changes.items():
        records[owner.format(name=name, port=port), rdtype] = text
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: NameServer(records), local_addr=(ADDRESS, at)
    )
    return transport, transport.get_extra_info("sockname")[1]

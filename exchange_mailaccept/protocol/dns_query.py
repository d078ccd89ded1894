"""DNS queries as bytes (RFC 1035 4.1, RFC 6891 6.1.2), written without dnspython.

Most name servers answer in less time than it takes to import dnspython.  So the query is sent
first, and ``mx`` reads the response with dnspython.
"""

from __future__ import annotations

import os

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

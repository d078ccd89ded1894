"""DNS queries as bytes (RFC 1035 4.1, RFC 6891 6.1.2), written without dnspython.

Most name servers answer in less time than it takes to import dnspython.  So the query is sent
first, and ``mx`` reads the response with dnspython.
"""

from __future__ import annotations

import os

#: Size of a UDP response that is hardly ever fragmented, in bytes (DNS flag day 2020).
PAYLOAD = 1232

_TYPES = {"A": 1, "MX": 15, "AAAA": 28}
_OPT, _INTERNET = 41, 1
_RECURSION_DESIRED = 0x0100


#: Identifier of a flight's first query.  It is random, as is the port: who has not seen the query
#: can't answer it.
_IDENTIFIER = int.from_bytes(os.urandom(2), "big")


def compose(name: str, rdtype: str, position: int = 0, edns: bool = True) -> bytes:
    """The query for the records of ``rdtype`` (``A``, ``AAAA`` or ``MX``) of ``name`` in ASCII.

    :param position: the query's among those that are sent at the same time
    :param edns: whether to tell the maximum size of a response
    """
    identifier = (_IDENTIFIER + position) & 0xFFFF
    header = (identifier, _RECURSION_DESIRED, 1, 0, 0, int(edns))
    labels = name.encode("ascii").split(b".")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    query = _sixteen_bits(*header) + question + _sixteen_bits(_TYPES[rdtype], _INTERNET)
    if not edns:
        return query
    # The root, OPT, our payload; no flags; no options.
    return query + b"\0" + _sixteen_bits(_OPT, PAYLOAD, 0, 0, 0)


def _sixteen_bits(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)

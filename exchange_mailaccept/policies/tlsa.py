"""TLSA records: what they say, and which of them senders use (RFC 6698 2.1, RFC 7672 3.1)."""

from __future__ import annotations

import hashlib

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Certificate usages (RFC 7218): an authority that the domain names, and the server's own
#: certificate.
DANE_TA, DANE_EE = 2, 3
#: Selectors: the whole certificate, and its public key (SubjectPublicKeyInfo).
CERT, SPKI = 0, 1
#: Matching types: the data as they are, and two digests, the stronger one last.
FULL, SHA2_256, SHA2_512 = 0, 1, 2
_SIZES = {SHA2_256: 32, SHA2_512: 64}


class Record(NamedTuple):
    """One TLSA record."""

    usage: int
    selector: int
    matching_type: int
    #: The certificate association data.
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching_type} {self.data[:4].hex()}..."

    def matches(self, certificate: bytes, public_key: bytes) -> bool:
        """Whether the record is about this certificate, both in DER (RFC 6698 2.1.4)."""
        content = public_key if self.selector == SPKI else certificate
        if self.matching_type == SHA2_256:
            content = hashlib.sha256(content).digest()
        elif self.matching_type == SHA2_512:
            content = hashlib.sha512(content).digest()
        return bool(content) and self.data == content


def digest(content: bytes) -> str:
    """The SHA2-256 digest, as in a zone file."""
    return hashlib.sha256(content).hexdigest()


def parse(text: str) -> Record:
    """Read a record as it is in a zone file, for example ``3 1 1 0123...``."""
    usage, selector, matching_type, *data = text.split()
    return Record(int(usage), int(selector), int(matching_type), bytes.fromhex("".join(data)))


def usable(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records that senders use.

    Those with the usages PKIX-TA(0) and PKIX-EE(1) are not (RFC 7672 3.1.3), nor those with unknown
    parameters or with a digest of the wrong size (RFC 7671 4.3).  Of two digests of one usage and
    selector only the stronger counts (RFC 7671 9).
    """
    known = [each for each in records if _is_known(each)]
    strongest: dict[tuple[int, int], int] = {}
    for each in known:
        kind = each.usage, each.selector
        strongest[kind] = max(each.matching_type, strongest.get(kind, FULL))
    return tuple(
        each for each in known if each.matching_type in (FULL, strongest[each.usage, each.selector])
    )


def _is_known(record: Record) -> bool:
    return (
        record.usage in (DANE_TA, DANE_EE)
        and record.selector in (CERT, SPKI)
        and record.matching_type in (FULL, *_SIZES)
        and len(record.data) == _SIZES.get(record.matching_type, len(record.data) or 1)
    )

"""What a TLS handshake agreed on, and what the server's certificate says."""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Optional


class Certificate(NamedTuple):
    """What a server's certificate says of itself (RFC 5280)."""

    subject: str
    issuer: str
    #: Host names and addresses for which it is valid.
    names: tuple[str, ...]
    #: Beginning and end of its validity, in seconds since the epoch.
    not_before: float
    not_after: float


class Security(NamedTuple):
    """What a TLS handshake agreed on."""

    #: ``TLSv1.3``
    protocol: str
    cipher: str
    #: Whether the chain and the name were checked, and are valid.
    verified: bool
    #: ``None`` if it could not be read.
    certificate: Optional[Certificate] = None
    #: Why the certificate failed verification, if the run went on; else empty.
    untrusted: str = ""
    #: What is weak about the cipher suite, in words; empty if nothing is.
    weakness: str = ""
    #: The certificates that the server sent, in DER, its own first; empty unless they were wanted.
    chain: tuple[bytes, ...] = ()
    #: Whether these are all of them: Python 3.9 gives only the server's own.
    chain_is_whole: bool = True

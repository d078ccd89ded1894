"""TLS for the simulator: the server's certificate, given or made for the occasion.

One that is made is signed by itself and kept nowhere: it is for a client that does not verify, or
that shall be seen to complain.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional


class CannotMakeError(ValueError):
    """The package that makes certificates is missing."""


class Certificate(NamedTuple):
    """Which certificate the server shows, and which it wants to see."""

    #: PEM file; empty for one that is made.
    file: str = ""
    #: PEM file of its key; empty if the key is in ``file``.
    key: str = ""
    #: PEM file of the authorities that a client's certificate must come from; empty for none.
    client_authorities: str = ""
    #: Days that a certificate that is made is still valid; negative for one that has expired.
    days: float = 90

    def check(self) -> None:
        """Raise ``ValueError`` for what cannot be."""
        if self.key and not self.file:
            raise ValueError("key needs certificate")

    def context(self, name: str) -> ssl.SSLContext:
        """Settings for the server ``name``; ``ValueError`` says what is wrong."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.file:
            _load(context, Path(self.file), Path(self.key) if self.key else None)
        else:
            with tempfile.TemporaryDirectory() as place:
                made = Path(place) / "server.pem"
                made.write_bytes(_self_signed(name, self.days))
                _load(context, made, None)
        if self.client_authorities:
            try:
                context.load_verify_locations(self.client_authorities)
            except OSError as error:
                raise ValueError(f"{self.client_authorities}: {error}") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _load(context: ssl.SSLContext, certificate: Path, key: Optional[Path]) -> None:
    try:
        # ssl.SSLError is an OSError.
        context.load_cert_chain(certificate, key)
    except OSError as error:
        files = f"{certificate} with {key}" if key else str(certificate)
        raise ValueError(f"{files}: {error}") from None


def _self_signed(name: str, days: float) -> bytes:
    """Make a certificate for ``name`` and the loopback addresses, with its key, in PEM."""
    # Imported here because it takes long, and most runs need no certificate.
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise CannotMakeError(
            "to make a certificate the package cryptography is needed (pip install cryptography); "
            "or give one with --certificate and --key"
        ) from None
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has 64 characters at most (RFC 5280, ub-common-name).
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=365))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)

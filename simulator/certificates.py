"""TLS for the simulator: the server's certificate, given by the user or self-signed.

A self-signed certificate is not kept.  It is for clients that do not verify, and for tests of those
that do.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional

from exchange_mailaccept.cli.words import how_to_install


class CannotMakeError(ValueError):
    """The package ``cryptography``, which makes certificates, is missing."""


class Certificate(NamedTuple):
    """The certificate that the server shows, and those that it requires of clients."""

    #: PEM file; empty for a self-signed certificate.
    file: str = ""
    #: PEM file of its key; empty if the key is in ``file``.
    key: str = ""
    #: PEM file of the authorities that must have issued a client's certificate; empty if the client
    #: needs none.
    client_authorities: str = ""
    #: Days until the self-signed certificate expires; negative if it has expired.
    days: float = 90

    def check(self) -> None:
        """Raise ``ValueError`` if the fields contradict each other."""
        if self.key and not self.file:
            raise ValueError("key needs certificate")

    def context(self, name: str) -> ssl.SSLContext:
        """The TLS settings of the server ``name``.

        :raises ValueError: a file cannot be used, or the certificate cannot be made
        """
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


def self_signed(name: str) -> tuple[ssl.SSLContext, bytes]:
    """Settings for a server whose certificate is to be trusted, and that certificate in PEM."""
    made = _self_signed(name, days=90)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(made)
        file.flush()
        _load(context, Path(file.name), None)
    return context, made[made.index(b"-----BEGIN CERTIFICATE-----") :]


def _load(context: ssl.SSLContext, certificate: Path, key: Optional[Path]) -> None:
    try:
        # ssl.SSLError is an OSError.
        context.load_cert_chain(certificate, key)
    except OSError as error:
        files = f"{certificate} with {key}" if key else str(certificate)
        raise ValueError(f"{files}: {error}") from None


def _self_signed(name: str, days: float) -> bytes:
    """Make a certificate for ``name`` and the loopback addresses, and its key, in PEM."""
    # Imported here because it takes long, and most runs need no certificate.
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise CannotMakeError(
            f"a certificate needs the package cryptography ({how_to_install('cryptography')});"
            " or give one with --certificate and --key"
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

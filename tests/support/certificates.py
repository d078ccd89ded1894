"""Certificates of the tests: an authority of their own, and one of each kind."""

from __future__ import annotations

import datetime
import ipaddress
import re
import ssl
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = Union[ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey]


class Issued(NamedTuple):
    """A certificate with its key, and those of who issued it."""

    certificate: x509.Certificate
    key: Key
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def pem(self, *sent: x509.Certificate) -> bytes:
        """The key, the certificate and ``sent``, in the order that Postfix wants."""
        chain = (self.certificate, *sent)
        return self.key_pem + b"".join(
            certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain
        )


def issue(
    name: str,
    *names: str,
    by: Optional[Issued] = None,
    authority: bool = False,
    begins: float = -10,
    ends: float = 90,
    key: Optional[Key] = None,
) -> Issued:
    """A certificate for ``names`` from ``begins`` to ``ends``, in days from now.

    Without ``by`` it is signed with its own key; ``key`` if it is to be of another kind.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = _distinguished(name)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begins))
        .not_valid_after(now + datetime.timedelta(days=ends))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    signed = builder.sign(by.key if by else key, hashes.SHA256())
    return Issued(signed, key, (by.certificate, *by.issuers) if by else ())


class Certified(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key
    #: Both in one file of PEM.
    file: str

    def context(self, **settings: Any) -> ssl.SSLContext:
        """A server's context with this certificate; ``settings`` are set on it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        for name, value in settings.items():
            setattr(context, name, value)
        return context


class Authority:
    """An authority of its own, and what it issues into ``directory``."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._itself = issue(name, authority=True, begins=-1, ends=3650)
        self.certificate = self._itself.certificate
        #: The authority's certificate in PEM.
        self.file = str(directory / f"{name.replace(' ', '-')}.pem")
        Path(self.file).write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *names: str,
        begins: float = -1,
        ends: float = 90,
        itself: bool = False,
        subject: str = "",
        key: Optional[Key] = None,
    ) -> Certified:
        """A certificate as :func:`issue` makes it.

        ``itself``: signed with its own key and not by the authority.  ``subject``: its common name,
        if that is not ``name``.
        """
        by = None if itself else self._itself
        issued = issue(subject or name, *names, by=by, begins=begins, ends=ends, key=key)
        file = self._directory / f"{name}-{issued.certificate.serial_number}.pem"
        file.write_bytes(
            issued.certificate.public_bytes(serialization.Encoding.PEM) + issued.key_pem
        )
        return Certified(issued.certificate, issued.key, str(file))


def _distinguished(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    if name.startswith("dns:"):
        return x509.DNSName(name[4:])
    if name.startswith("directory:"):
        return x509.DirectoryName(_distinguished(name[10:]))
    if re.fullmatch(r"[0-9.]+|.*:.*", name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


class Certificates:
    """One of each kind."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "Test CA")
        self.stranger = Authority(directory, "Unknown CA")
        own = ("mx.test", "127.0.0.1")
        self.good = self.authority.issue("mx.test", *own, ends=90.5)
        self.expiring = self.authority.issue("mx.test", *own, ends=5.5)
        self.expired = self.authority.issue("mx.test", *own, begins=-90, ends=-3.5)
        self.future = self.authority.issue("mx.test", *own, begins=3, ends=90)
        self.other_name = self.authority.issue("other.test", "other.test", "192.0.2.1")
        self.self_signed = self.authority.issue("mx.test", *own, itself=True)
        self.untrusted = self.stranger.issue("mx.test", *own)
        self.client = self.authority.issue("probe")
        self.strange_client = self.stranger.issue("probe")

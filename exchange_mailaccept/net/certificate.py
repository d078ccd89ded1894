"""What a server's certificate says of itself (RFC 5280).

Python's ``ssl`` reads a certificate only if the handshake has verified it.  Otherwise it gives
bytes (DER), which the ``cryptography`` package reads.  That takes 12 MiB and more time than the
rest of a run, so it is optional.
"""

from __future__ import annotations

import warnings

from ..protocol.message import MONTHS
from ..protocol.security import Certificate
from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Optional

#: The kinds of alternative names that a server can have, as ``ssl`` calls them; values of other
#: kinds, such as directory names, are not always text.
_KINDS_OF_NAMES = ("DNS", "IP Address")


def from_ssl(facts: dict[str, Any]) -> Optional[Certificate]:
    """The certificate as ``SSLSocket.getpeercert()`` describes a verified one."""
    if not facts:
        return None
    return Certificate(
        subject=_name(facts.get("subject", ())),
        issuer=_name(facts.get("issuer", ())),
        names=tuple(
            value for kind, value in facts.get("subjectAltName", ()) if kind in _KINDS_OF_NAMES
        ),
        not_before=seconds_of(facts["notBefore"]),
        not_after=seconds_of(facts["notAfter"]),
    )


def seconds_of(text: str) -> float:
    """Seconds since the epoch of a time as OpenSSL writes it: ``Jan  5 09:34:43 2018 GMT``.

    :raises ValueError: it is no such time
    """
    from datetime import datetime, timezone

    month, day, clock, year, _ = text.split()
    hour, minute, second = map(int, clock.split(":"))
    number = MONTHS.index(month) + 1
    date = datetime(int(year), number, int(day), hour, minute, tzinfo=timezone.utc)
    # Added apart: UTC has leap seconds (a second 60), and datetime has none.
    return date.timestamp() + second


_SHORT = {"commonName": "CN", "organizationName": "O", "countryName": "C"}


def _name(parts: Any) -> str:
    """A distinguished name, the most telling part first."""
    pairs = [(_SHORT.get(key, key), value) for part in parts for key, value in part]
    return ", ".join(f"{key}={value}" for key, value in reversed(pairs))


def from_der(der: bytes) -> Optional[Certificate]:
    """The certificate read by the ``cryptography`` package; ``None`` without it, or if it can't."""
    # Its warnings, of this Python or of a certificate that is not quite right, would be printed to
    # standard error.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _facts(der)


def _facts(der: bytes) -> Optional[Certificate]:
    try:
        from cryptography import x509
    except ImportError:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        not_before, not_after = _validity(certificate)
        names = _alternative_names(certificate)
        subject, issuer = (
            ", ".join(
                f"{part.rfc4514_attribute_name}={part.value!s}" for part in reversed(list(name))
            )
            for name in (certificate.subject, certificate.issuer)
        )
    # A certificate that can't be read does not end the test.
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return Certificate(subject, issuer, names, not_before, not_after)


def _validity(certificate: Any) -> tuple[float, float]:
    """Begin and end of the validity in seconds since the epoch."""
    from datetime import timezone

    if hasattr(certificate, "not_valid_after_utc"):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    else:  # before cryptography 42, as Debian 12 has it: UTC without saying so
        begin, end = (
            moment.replace(tzinfo=timezone.utc)
            for moment in (certificate.not_valid_before, certificate.not_valid_after)
        )
    return begin.timestamp(), end.timestamp()


def _alternative_names(certificate: Any) -> tuple[str, ...]:
    from cryptography import x509

    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def _extension(certificate: Any, kind: Any) -> Any:
    """The value of an extension; ``None`` if there is none, or if one of them can't be read."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (
        ValueError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return None


class Link:
    """One certificate of a chain, to be compared with TLSA records."""

    def __init__(self, der: bytes, certificate: Any, public_key: bytes) -> None:
        self.der = der
        self._certificate = certificate
        #: SubjectPublicKeyInfo in DER.
        self.public_key = public_key

    @classmethod
    def read(cls, der: bytes) -> Optional[Link]:
        """The certificate; ``None`` if the ``cryptography`` package can't read it."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        try:
            read = x509.load_der_x509_certificate(der)
            key = read.public_key()
        except (ValueError, TypeError, x509.InvalidVersion, _unsupported()):
            return None
        return cls(der, read, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that it is for; the common name if there is no other (RFC 6125 6.4.4)."""
        from cryptography.x509.oid import NameOID

        names = _alternative_names(self._certificate)
        try:
            common = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            return names
        return names or tuple(str(each.value) for each in common)

    def is_valid_at(self, now: float) -> bool:
        """Whether ``now``, in seconds since the epoch, is within its validity."""
        not_before, not_after = _validity(self._certificate)
        return not_before <= now <= not_after

    def is_issued_by(self, issuer: Link) -> bool:
        """Whether ``issuer`` is an authority, has the issuer's name, and its key signed this."""
        try:
            named = bool(self._certificate.issuer == issuer._certificate.subject)
        except ValueError:
            # The package is stricter about names than OpenSSL; the signature proves it as well.
            named = True
        return named and issuer._is_authority and self.is_signed_by(issuer.public_key)

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the key (SubjectPublicKeyInfo in DER) made the signature."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        signed = self._certificate
        try:
            key: Any = load_der_public_key(public_key)
            algorithm: Any = signed.signature_hash_algorithm
            how: tuple[Any, ...] = ()
            if isinstance(key, rsa.RSAPublicKey):
                # Since cryptography 41, which knows PSS too.
                default = padding.PKCS1v15()
                how = (getattr(signed, "signature_algorithm_parameters", default), algorithm)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                how = (ec.ECDSA(algorithm),)
            key.verify(signed.signature, signed.tbs_certificate_bytes, *how)
        except (InvalidSignature, ValueError, TypeError, AttributeError, _unsupported()):
            return False
        return True

    @property
    def _is_authority(self) -> bool:
        from cryptography import x509

        found = _extension(self._certificate, x509.BasicConstraints)
        return found is not None and bool(found.ca)


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm

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

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        ValueError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )

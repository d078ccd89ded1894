"""TLS over a connection (RFC 8446, RFC 3207), and what the server's certificate says.

Imported only when TLS is asked for.  It works on memory and leaves the socket to ``sockets``, so
that every byte comes and goes under one deadline.

Without ``--verify`` Python's ``ssl`` hands out a certificate only in DER; the ``cryptography``
package reads it.  That costs 50 ms and 12 MiB, more than all the rest of a run, so it is an extra
and is not imported where the handshake has verified the certificate: then ``ssl`` reads it itself.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import warnings

from ..protocol.message import MONTHS
from ..protocol.requests import Answer, StartTls
from ..protocol.stages import Certificate, Fault, Security
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .command import Line
from .operation import CLOSED, Deadline, Operation, TlsError, fault_of

if TYPE_CHECKING:
    from typing import Any, Optional

    from .operation import Connection
    from .trust import Context

_CHUNK = 65_536

#: Results of X509_verify_cert(3) in an administrator's words; the others speak OpenSSL's.
_VERIFY_WORDS = {
    9: "the certificate is not yet valid",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate comes from a self-signed authority that is not trusted here",
    20: "the certificate comes from an issuer that is not trusted here",
    21: "the certificate comes from an issuer that is not trusted here",
    62: "the certificate is for another name",
    64: "the certificate is for another address",
}
#: Part of OpenSSL's reason, and what it means here.
_REASON_WORDS = (
    ("WRONG_VERSION_NUMBER", "the server answered in plain text"),
    ("HTTP_REQUEST", "the server answered in plain text"),
    ("ALERT_PROTOCOL_VERSION", "the server refuses the TLS versions that are allowed here"),
    ("UNSUPPORTED_PROTOCOL", "the server speaks only TLS versions that are not allowed here"),
    ("CERTIFICATE_REQUIRED", "the server demands a client certificate"),
    ("ALERT_HANDSHAKE_FAILURE", "no common cipher, or the server demands a client certificate"),
    ("ALERT_BAD_CERTIFICATE", "the server refuses the client certificate"),
    ("ALERT_UNKNOWN_CA", "the server does not trust the client certificate"),
    ("ALERT_CERTIFICATE_EXPIRED", "the server finds the client certificate expired"),
    ("UNRECOGNIZED_NAME", "the server has no certificate for this name"),
    ("KEY_TOO_SMALL", "the server's key is too weak"),
    ("MD_TOO_WEAK", "the server's certificate has too weak a signature"),
)


class Secured:
    """A connection inside TLS; see :class:`~.operation.Connection` for the contract."""

    def __init__(self, connection: Connection, context: Context, server_name: str) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            # As bytes, because a str would go through the idna codec of 2003; a zone is ours alone.
            server_hostname=server_name.partition("%")[0].encode("ascii"),
        )
        self._ciphertext = b""
        self._accepted = 0

    @property
    def lag(self) -> float:
        """Seconds that the bytes received last had been waiting for us; 0 if nobody knows."""
        return self._connection.lag

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close without a word."""
        self._connection.close()

    def handshake(self) -> bool:
        """Go on with the handshake as far as bytes have come; whether it is done.

        :raises ssl.SSLError: it failed
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self) -> None:
        """Take in what has come from the network.

        :raises BlockingIOError: nothing has come
        :raises OSError: the connection is lost
        """
        data = self._connection.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def flush(self) -> bool:
        """Send what waits to be sent; whether all is out."""
        self._ciphertext += self._outgoing.read()
        try:
            while self._ciphertext:
                sent = self._connection.send(self._ciphertext)
                self._ciphertext = self._ciphertext[sent:]
        except BlockingIOError:
            return False
        return True

    def send(self, data: bytes, /) -> int:
        """Send all of ``data``; BlockingIOError asks for the same data again later."""
        if not self._accepted:
            try:
                self._accepted = self._object.write(data)
            except ssl.SSLError as error:
                raise _lost(error) from None
        if not self.flush():
            raise BlockingIOError
        accepted, self._accepted = self._accepted, 0
        return accepted

    def recv(self, most: int, /) -> bytes:
        """The bytes that have come, deciphered."""
        # Even if nothing has come: the handshake may have taken in more than was its own.
        with contextlib.suppress(BlockingIOError):
            self.take()
        # All of them, because the socket will not announce a second time what was taken from it.
        plain = bytearray()
        try:
            while data := self._object.read(most):
                plain += data
        except ssl.SSLWantReadError:
            if not plain:
                raise BlockingIOError from None
        except ssl.SSLError as error:
            if not plain and not _is_end(error):
                raise _lost(error) from None
        return bytes(plain)

    def security(self) -> Security:
        """What the handshake agreed on."""
        cipher = self._object.cipher()
        verified = self._object.context.verify_mode == ssl.CERT_REQUIRED
        return Security(
            protocol=self._object.version() or "",
            cipher=cipher[0] if cipher else "",
            verified=verified,
            certificate=self._certificate(verified),
        )

    def _certificate(self, verified: bool) -> Optional[Certificate]:
        if verified:
            return _from_ssl(self._object.getpeercert() or {})
        der = self._object.getpeercert(binary_form=True)
        return _from_der(der) if der else None


class Handshaking(Operation):
    """A TLS handshake; at its end the line is secured."""

    def __init__(self, deadline: Deadline, request: StartTls, line: Line, context: Context) -> None:
        super().__init__(deadline, request.patience)
        self._line = line
        self._secured = Secured(line.connection, context, request.server_name)
        self._shaken = False

    def begin(self) -> Optional[Answer]:
        """Send the ClientHello, unless the server has spoken out of turn."""
        out_of_turn = self._line.spoken_out_of_turn()
        if out_of_turn is not None:
            return self._answer(out_of_turn)
        return self._proceed()

    def ready(self, descriptor: int) -> Optional[Answer]:
        """Go on with what has come, or with what could not be sent before."""
        if self.watched[descriptor] == select.POLLIN:
            try:
                self._secured.take()
            except BlockingIOError:
                return None
            except OSError as error:
                return self._answer(fault_of(error))
        return self._proceed()

    def expire(self) -> Optional[Answer]:
        """Give up."""
        return self._answer(self._out_of_time(" in the handshake"))

    def _proceed(self) -> Optional[Answer]:
        try:
            self._shaken = self._shaken or self._secured.handshake()
            sent = self._secured.flush()
        except ssl.SSLError as error:
            self._send_alert()
            return self._answer(_handshake_fault(error))
        except OSError as error:
            return self._answer(fault_of(error))
        if self._shaken and sent:
            # First the time: reading a certificate that was not verified may import a library.
            answer = self._answer(lag=self._secured.lag)
            self._line.secure(self._secured, self._clock())
            return answer._replace(security=self._secured.security())
        events = select.POLLIN if sent else select.POLLOUT
        self.watched = {self._secured.fileno(): events}
        return None

    def _send_alert(self) -> None:
        """Tell the server why, if it still listens."""
        try:
            self._secured.flush()
        except OSError:
            # It does not; the reason is known here all the same.
            return


def _handshake_fault(error: ssl.SSLError) -> Fault:
    """Why the handshake failed, in words, with OpenSSL's own."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = _VERIFY_WORDS.get(error.verify_code, "the certificate could not be verified")
        return Fault(Cause.CERTIFICATE, f"{words} (OpenSSL: {error.verify_message})")
    if _is_end(error):
        return Fault(Cause.TLS, f"handshake failed: {CLOSED.explanation}")
    return Fault(Cause.TLS, f"handshake failed: {_reason(error)}")


def _is_end(error: ssl.SSLError) -> bool:
    """Whether the connection has ended, with TLS's farewell or, as many do, without."""
    if isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError)):
        return True
    # Python 3.9 does not know how OpenSSL 3 says it.
    return error.reason == "UNEXPECTED_EOF_WHILE_READING"


def _reason(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    spoken = reason.lower().replace("_", " ")
    words = next((words for part, words in _REASON_WORDS if part in reason), "")
    return f"{words} (OpenSSL: {spoken})" if words else spoken


def _lost(error: ssl.SSLError) -> OSError:
    """A TLS fault after the handshake, as a lost connection."""
    return TlsError(f"TLS failed: {_reason(error)}")


#: The alternative names that a server can have, as ``ssl`` calls them; the value of another kind,
#: like that of a place in a directory, need not be text.
_KINDS_OF_NAMES = ("DNS", "IP Address")


def _from_ssl(facts: dict[str, Any]) -> Optional[Certificate]:
    """The certificate as ``SSLSocket.getpeercert()`` describes a verified one."""
    if not facts:
        return None
    return Certificate(
        subject=_name(facts.get("subject", ())),
        issuer=_name(facts.get("issuer", ())),
        names=tuple(
            value for kind, value in facts.get("subjectAltName", ()) if kind in _KINDS_OF_NAMES
        ),
        not_before=since_epoch(facts["notBefore"]),
        not_after=since_epoch(facts["notAfter"]),
    )


def since_epoch(text: str) -> float:
    """A time as OpenSSL writes it, ``Jan  5 09:34:43 2018 GMT``, in seconds since the epoch.

    What ``ssl.cert_time_to_seconds`` does, without the 6 ms of its ``calendar`` and ``strptime``.
    """
    # Imported here because there may be no certificate to be read.
    from datetime import datetime, timezone

    month, day, clock, year, _ = text.split()
    hour, minute, second = map(int, clock.split(":"))
    date = datetime(int(year), MONTHS.index(month) + 1, int(day), hour, minute, tzinfo=timezone.utc)
    # Apart, since there are leap seconds in UTC and none in datetime.
    return date.timestamp() + second


_SHORT = {"commonName": "CN", "organizationName": "O", "countryName": "C"}


def _name(parts: Any) -> str:
    """A distinguished name, the most telling part first."""
    pairs = [(_SHORT.get(key, key), value) for part in parts for key, value in part]
    return ", ".join(f"{key}={value}" for key, value in reversed(pairs))


def _from_der(der: bytes) -> Optional[Certificate]:
    """The certificate read by the ``cryptography`` package; ``None`` without it, or if it can't."""
    # What the library thinks of this Python, or of a certificate that is not quite right, would go
    # to stderr.
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
    # A certificate can be wrong in many ways; there are no facts then, and the test goes on.
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return Certificate(subject, issuer, names, not_before, not_after)


def _validity(certificate: Any) -> tuple[float, float]:
    """Begin and end of the validity in seconds since the epoch."""
    # Imported here because nothing else of the plugin needs it; cryptography has it already.
    from datetime import timezone

    if hasattr(certificate, "not_valid_after_utc"):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    else:  # before cryptography 42, as Debian 12 has it: UTC without saying so
        begin, end = (
            each.replace(tzinfo=timezone.utc)
            for each in (certificate.not_valid_before, certificate.not_valid_after)
        )
    return begin.timestamp(), end.timestamp()


def _alternative_names(certificate: Any) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        ValueError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *(str(each) for each in found.get_values_for_type(x509.IPAddress)),
    )

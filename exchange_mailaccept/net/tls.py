"""TLS over a connection (RFC 8446, RFC 3207).

TLS works in memory here, and ``sockets`` sends and receives its bytes, under the deadline of the
run.
"""

from __future__ import annotations

import contextlib
import select
import ssl

from ..protocol.conversation import Fault
from ..protocol.further_requests import Secured, StartTls
from ..protocol.security import Certificate, Security
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from . import certificate
from .connection import Line
from .operation import CLOSED, Operation, fault_of
from .sockets import CHUNK

if TYPE_CHECKING:
    from typing import Any, Optional

    from .operation import Deadline
    from .sockets import Connection
    from .trust import Contexts

#: X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY and X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE.
_ISSUER_UNKNOWN = (20, 21)
#: X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL and X509_V_ERR_CA_MD_TOO_WEAK.
_TOO_WEAK = (66, 67, 68)
#: Results of X509_verify_cert(3) in an administrator's words; the others keep OpenSSL's.
_VERIFY_WORDS = {
    9: "the certificate is not yet valid",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate comes from a self-signed authority that is not trusted here",
    20: "the certificate comes from an issuer that is not trusted here",
    21: "the certificate comes from an issuer that is not trusted here",
    62: "the certificate is for another name",
    64: "the certificate is for another address",
    66: "the certificate has too weak a key",
    67: "the certificate comes from an authority with too weak a key",
    68: "the certificate or its authority's has too weak a signature",
}
#: What ``_ssl`` calls the form of bytes.
_ENCODING_DER = 2
_SENT_ALONE = f"{_VERIFY_WORDS[20]}, and no intermediate was sent"
_TOO_OLD = "the server speaks only TLS versions below the limit of this check, --min-tls"
#: A part of OpenSSL's reason, and what it means here.
_REASON_WORDS = (
    ("WRONG_VERSION_NUMBER", "the server answered in plain text"),
    ("HTTP_REQUEST", "the server answered in plain text"),
    ("ALERT_PROTOCOL_VERSION", _TOO_OLD),
    ("UNSUPPORTED_PROTOCOL", _TOO_OLD),
    ("CERTIFICATE_REQUIRED", "the server demands a client certificate"),
    ("ALERT_HANDSHAKE_FAILURE", "no common cipher, or the server demands a client certificate"),
    ("ALERT_BAD_CERTIFICATE", "the server refuses the client certificate"),
    ("ALERT_UNKNOWN_CA", "the server does not trust the client certificate"),
    ("ALERT_CERTIFICATE_EXPIRED", "the server finds the client certificate expired"),
    ("UNRECOGNIZED_NAME", "the server has no certificate for this name"),
    ("KEY_TOO_SMALL", "the server's key is too weak"),
    ("MD_TOO_WEAK", "the server's certificate has too weak a signature"),
)


class TlsConnection:
    """A connection inside TLS; see :class:`~.sockets.Connection` for the contract."""

    def __init__(self, connection: Connection, context: ssl.SSLContext, server_name: str) -> None:
        self._connection = connection
        #: Whether the name or the address is looked for in the certificate.
        self._named = context.check_hostname
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            # Bytes, because Python converts a str by IDNA 2003.  Only this host knows the zone.
            server_hostname=server_name.partition("%")[0].encode("ascii"),
        )
        self._ciphertext = b""
        self._accepted = 0

    @property
    def lag(self) -> float:
        """Seconds for which the bytes received last had waited; 0 if that is not known."""
        return self._connection.lag

    def sent_ago(self) -> float:
        """Seconds since data were sent last, as the kernel has it; 0 if that is not known."""
        return self._connection.sent_ago()

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close without telling the server."""
        self._connection.close()

    def handshake(self) -> bool:
        """Go on with the handshake, with the bytes that have come; true when it is done.

        :raises ssl.SSLError: it failed
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self) -> None:
        """Receive what has come from the network.

        :raises BlockingIOError: nothing has come
        :raises OSError: the connection is lost
        """
        data = self._connection.recv(CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def flush(self) -> bool:
        """Send what waits to be sent; true when all was sent."""
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
        # Even if nothing has come: the handshake may have received some of it.
        with contextlib.suppress(BlockingIOError):
            self.take()
        # All of them, because poll does not announce again what was received already.
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

    def security(self, keep_chain: bool = False) -> Security:
        """What the handshake agreed on.

        :param keep_chain: whether to add the certificates that the server sent
        """
        agreed = self._object.cipher()
        cipher = agreed[0] if agreed else ""
        # The chain, at least.
        verified = self._object.context.verify_mode == ssl.CERT_REQUIRED
        security = Security(
            protocol=self._object.version() or "",
            cipher=cipher,
            verified=verified and self._named,
            certificate=self._certificate(verified),
            weakness=_weakness(cipher),
        )
        if not keep_chain:
            return security
        sent = self._sent()
        own = self._object.getpeercert(binary_form=True) or b""
        return security._replace(chain=tuple(sent or (own,)), chain_is_whole=sent is not None)

    def _certificate(self, verified: bool) -> Optional[Certificate]:
        if verified:
            return certificate.from_ssl(self._object.getpeercert() or {})
        der = self._object.getpeercert(binary_form=True)
        return certificate.from_der(der) if der else None

    def fault_of(self, error: ssl.SSLError) -> Fault:
        """The fault of a handshake that failed, with OpenSSL's words."""
        if isinstance(error, ssl.SSLCertVerificationError):
            # If Python can't tell what was sent, nothing is said of it.
            alone = error.verify_code in _ISSUER_UNKNOWN and len(self._sent() or ()) == 1
            return distrust(error, alone)
        if _is_end(error):
            return Fault(Cause.TLS, f"handshake failed: {CLOSED.explanation}")
        return Fault(Cause.TLS, f"handshake failed: {_reason(error)}")

    def _sent(self) -> Optional[list[bytes]]:
        """The certificates that the server sent, in DER; ``None`` if Python can't tell.

        ``ssl`` has the method since 3.13, and ``_ssl`` since 3.10.
        """
        whole = getattr(self._object, "get_unverified_chain", None)
        if whole is not None:
            return list(whole())
        inner: Any = getattr(self._object, "_sslobj", None)
        if not hasattr(inner, "get_unverified_chain"):
            return None
        return [each.public_bytes(_ENCODING_DER) for each in inner.get_unverified_chain() or ()]


def distrust(error: ssl.SSLCertVerificationError, alone: bool = False) -> Fault:
    """The fault of a certificate that failed verification.

    :param alone: whether its issuer is unknown, and the server sent no other certificate
    """
    code = error.verify_code
    cause = Cause.WEAK_CERTIFICATE if code in _TOO_WEAK else Cause.CERTIFICATE
    words = _VERIFY_WORDS.get(code, "the certificate could not be verified")
    if alone:
        cause, words = Cause.CHAIN, _SENT_ALONE
    return Fault(cause, f"{words} (OpenSSL: {error.verify_message})")


class TlsError(ConnectionError):
    """TLS broke after a good handshake, which ends the connection; the text says how."""

    #: For ``fault_of``.
    cause = Cause.TLS


class TlsHandshake(Operation):
    """A TLS handshake; at its end the line is secured."""

    def __init__(
        self, deadline: Deadline, request: StartTls, line: Line, contexts: Contexts
    ) -> None:
        super().__init__(deadline, request.patience)
        self._line = line
        name = request.server_name
        context = contexts.for_connection(name, request.verify)
        self._keep_chain = contexts.keep_chain
        self._secured = TlsConnection(line.connection, context, name)
        self._shaken = False

    def begin(self) -> Optional[Secured]:
        """Send the ClientHello, unless the server has spoken out of turn."""
        out_of_turn = self._line.spoken_out_of_turn()
        if out_of_turn is not None:
            return self._failure(out_of_turn)
        return self._proceed()

    def ready(self, descriptor: int) -> Optional[Secured]:
        """Go on with receiving or sending."""
        if self.watched[descriptor] == select.POLLIN:
            try:
                self._secured.take()
            except BlockingIOError:
                return None
            except OSError as error:
                return self._failure(fault_of(error))
        our_turn = max(self.asked, self._clock() - self._secured.lag)
        answer = self._proceed()
        self.lost += max(0.0, self.asked - our_turn)
        return answer

    def when_asked(self) -> float:
        """When the server was sent what it has not answered yet."""
        return min(self.asked, self._clock() - self._secured.sent_ago())

    def expire(self) -> Optional[Secured]:
        """Give up."""
        return self._failure(self._out_of_time(" in the handshake"))

    def _proceed(self) -> Optional[Secured]:
        try:
            self._shaken = self._shaken or self._secured.handshake()
            sent = self._secured.flush()
        except ssl.SSLError as error:
            self._send_alert()
            return self._failure(self._secured.fault_of(error))
        except OSError as error:
            return self._failure(fault_of(error))
        self.asked = self._clock()
        if self._shaken and sent:
            # The time is taken first: to read the certificate may import a library.
            seconds, left = self._times(self._secured.lag)
            self._line.secure(self._secured, self._clock())
            return Secured(seconds, None, self._secured.security(self._keep_chain), left)
        events = select.POLLIN if sent else select.POLLOUT
        self.watched = {self._secured.fileno(): events}
        return None

    def _failure(self, fault: Fault) -> Secured:
        seconds, left = self._times()
        return Secured(seconds, fault, left=left)

    def _send_alert(self) -> None:
        """Tell the server why the handshake failed."""
        try:
            self._secured.flush()
        except OSError:
            # It does not listen any more.
            return


def _weakness(cipher: str) -> str:
    """What is weak about a cipher suite, in words (RFC 9325 4.1, 4.2); empty if nothing is."""
    if cipher.startswith("TLS_"):
        return ""
    weaknesses = []
    if not cipher.startswith(("ECDHE-", "DHE-")):
        weaknesses.append("no forward secrecy")
    if not any(mode in cipher for mode in ("GCM", "CCM", "POLY1305")):
        weaknesses.append("no authenticated encryption")
    return f"{cipher} has {' and '.join(weaknesses)}" if weaknesses else ""


def _is_end(error: ssl.SSLError) -> bool:
    """Whether the server ended the connection, with or without a closure alert of TLS."""
    if isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError)):
        return True
    # Python 3.9 has no exception for what OpenSSL 3 reports.
    return error.reason == "UNEXPECTED_EOF_WHILE_READING"


def _reason(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    spoken = reason.lower().replace("_", " ")
    words = next((words for part, words in _REASON_WORDS if part in reason), "")
    return f"{words} (OpenSSL: {spoken})" if words else spoken


def _lost(error: ssl.SSLError) -> OSError:
    """A TLS fault after the handshake, as a lost connection."""
    return TlsError(f"TLS failed: {_reason(error)}")

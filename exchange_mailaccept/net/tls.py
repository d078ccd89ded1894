"""TLS over a connection (RFC 8446, RFC 3207).

Imported only when TLS is asked for.  It works on memory and leaves the socket to ``sockets``, so
that every byte comes and goes under one deadline.
"""

from __future__ import annotations

import contextlib
import select
import ssl

from ..protocol.requests import Answer, StartTls
from ..protocol.stages import Certificate, Fault, Security
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from . import certificate
from .command import Line
from .faults import CLOSED, TlsError, fault_of
from .operation import Operation
from .sockets import CHUNK

if TYPE_CHECKING:
    from typing import Optional

    from .operation import Deadline
    from .sockets import Connection
    from .trust import Context

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
    """A connection inside TLS; see :class:`~.sockets.Connection` for the contract."""

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
        data = self._connection.recv(CHUNK)
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
            return certificate.from_ssl(self._object.getpeercert() or {})
        der = self._object.getpeercert(binary_form=True)
        return certificate.from_der(der) if der else None


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

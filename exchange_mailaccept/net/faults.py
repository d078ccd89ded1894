"""What an error of the operating system means for the test: its cause, and words for people."""

from __future__ import annotations

import errno
import os

from ..protocol.stages import Fault
from ..vocabulary import Cause

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by the server",
    errno.EPIPE: "connection closed by the server",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer to the connection attempt",
    errno.EINVAL: "not possible from this source address, or without a zone",
    errno.EPERM: "forbidden by a firewall of this host",
}
_CAUSES = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.EPIPE: Cause.CLOSED,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
    errno.ETIMEDOUT: Cause.NO_ANSWER,
    errno.EACCES: Cause.FORBIDDEN,
}
#: Errors of this host, which say nothing about the server.
_OUR_OWN = (
    *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
)


class TlsError(ConnectionError):
    """TLS broke after a good handshake, which ends the connection; the text says how."""


def fault_of(error: OSError) -> Fault:
    """What an error of the operating system means for the test."""
    if isinstance(error, TlsError):
        return Fault(Cause.TLS, str(error))
    code = error.errno
    if code is None or code < 0:
        # Something given to this host is not an address or an interface.
        return Fault(Cause.OWN_SIDE, error.strerror or str(error))
    words = _WORDS.get(code) or (os.strerror(code) if code else str(error.strerror))
    if code in _OUR_OWN:
        return Fault(Cause.OWN_SIDE, words)
    return Fault(_CAUSES.get(code, Cause.NETWORK), words)


#: The end of the connection, which the operating system does not report as an error.
CLOSED = fault_of(OSError(errno.EPIPE, ""))

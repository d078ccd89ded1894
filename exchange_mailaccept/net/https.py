"""Fetches a small file by HTTPS from a host whose addresses are known, and follows no redirect.

:func:`fetch` blocks, so it runs in a :class:`~.further_requests.Call`.  ``http.client`` does not
look at the proxy variables of the environment, and looks nothing up here.
"""

from __future__ import annotations

import http.client
import socket
import ssl

from ..protocol.conversation import Fault
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause
from .operation import fault_of, within
from .tls import distrust
from .trust import Contexts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from .trust import TlsSettings

PORT = 443
#: Maximum size of a policy, in bytes (RFC 8461 3.2).
MAX_SIZE = 65_536


class Source(NamedTuple):
    """A file, and how to get it."""

    host: str
    path: str
    #: Addresses of the host, in the order in which to try them.
    addresses: tuple[str, ...]
    #: Whose authorities the host's certificate is verified by.
    settings: TlsSettings
    #: Seconds for each read; half of them for connecting.
    patience: float
    port: int = PORT


class Response(NamedTuple):
    """What the host answered."""

    status: int
    #: In lower case, without parameters.
    media_type: str
    body: bytes


class _NotConnectedError(Exception):
    """No address could be connected; it has the fault."""


class _Connection(http.client.HTTPSConnection):
    """A connection to an address, where the certificate must be for the name."""

    def __init__(self, source: Source) -> None:
        # Not the user's client certificate, which is for the mail server.
        contexts = Contexts(source.settings._replace(client_certificate="", client_key=""))
        self._verifying = contexts.for_connection(source.host, verify=True)
        super().__init__(source.host, source.port, timeout=source.patience, context=self._verifying)
        self._source = source

    def connect(self) -> None:
        """Connect to the first address that answers, and do the handshake."""
        source = self._source
        plain = _connected(source.addresses, source.port, source.patience / 2)
        plain.settimeout(source.patience)
        self.sock = self._verifying.wrap_socket(plain, server_hostname=source.host)


def fetch(source: Source) -> Union[Response, Fault]:
    """Fetch ``source``.

    The fault has the cause CERTIFICATE or TLS for what the handshake finds, NETWORK for what is not
    HTTP, and the causes of a connection that can't be made.
    """
    connection = _Connection(source)
    try:
        connection.request("GET", source.path, headers={"Accept": "text/plain"})
        with connection.getresponse() as response:
            body = response.read(MAX_SIZE + 1)
            media_type = response.headers.get_content_type()
            if len(body) > MAX_SIZE:
                return Fault(Cause.NETWORK, f"it is larger than {MAX_SIZE} bytes")
            if response.length:
                return Fault(Cause.CLOSED, f"it was cut off after {len(body)} bytes")
            return Response(response.status, media_type, body)
    except _NotConnectedError as error:
        (fault,) = error.args
        return Fault(fault.cause, fault.explanation)
    except ssl.SSLCertVerificationError as error:
        return distrust(error)
    except ssl.SSLError as error:
        return Fault(Cause.TLS, f"TLS failed: {(error.reason or str(error)).lower()}")
    except socket.timeout:  # TimeoutError since Python 3.10
        return Fault(Cause.SILENT, within(source.patience))
    except http.client.RemoteDisconnected:
        return Fault(Cause.CLOSED, "the connection was closed without an answer")
    # ValueError for a chunk of a negative size.
    except (http.client.HTTPException, ValueError) as error:
        return Fault(Cause.NETWORK, f"not an answer of HTTP ({type(error).__name__})")
    finally:
        connection.close()


def _connected(addresses: Sequence[str], port: int, patience: float) -> socket.socket:
    """A connection to the first of ``addresses`` that answers; all of them share ``patience``."""
    faults = []
    for address in addresses:
        try:
            return socket.create_connection((address, port), patience / len(addresses))
        except socket.timeout:  # TimeoutError since Python 3.10
            fault = Fault(Cause.NO_ANSWER, "no answer to the connection attempt")
        except OSError as error:
            fault = fault_of(error)
        faults.append(fault._replace(explanation=f"{address} port {port}: {fault.explanation}"))
    # A host that refuses is there, even if this one has no way to its other addresses.
    refused = (fault for fault in faults if fault.cause is Cause.REFUSED)
    raise _NotConnectedError(next(refused, faults[0]))

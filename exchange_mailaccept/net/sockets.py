"""Sockets that never block.

``_socket`` is the part of Python's ``socket`` that is written in C, with the same methods and
constants.  The rest of ``socket`` would take 8 % of a run's instructions, and is not needed.
"""

from __future__ import annotations

import _socket
import time
from errno import EINPROGRESS
from sys import byteorder

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol, Union

    Address = Union[tuple[str, int], tuple[str, int, int, int]]

    class Connection(Protocol):
        """A connected socket that never blocks, plain or secured.

        ``send`` and ``recv`` raise BlockingIOError when they would have to wait, and OSError when
        the connection is lost.
        """

        @property
        def lag(self) -> float:
            """Seconds for which the bytes received last had waited; 0 if that is not known."""

        def send(self, data: bytes, /) -> int:
            """Send some of ``data``, and return the number of bytes."""

        def recv(self, most: int, /) -> bytes:
            """At most ``most`` received bytes; none at the end of the connection."""

        def sent_ago(self) -> float:
            """Seconds since data were sent last, as the kernel has it; 0 if that is not known."""

        def fileno(self) -> int:
            """The descriptor to watch."""

        def close(self) -> None:
            """Close without telling the server."""


#: Maximum number of bytes to receive at once.
CHUNK = 65_536
#: Linux' SO_TIMESTAMPNS, which Python 3.9 has no name for, and its struct timespec.
_STAMPS = 35
_STAMP_SIZE, _STAMP_HALF = 16, 8
_ROOM_FOR_STAMP = 64
#: struct tcp_info: where tcpi_last_data_sent (milliseconds), tcpi_rtt (microseconds) and
#: tcpi_total_retrans are, and its end.
_LAST_DATA_SENT, _ROUND_TRIP, _RETRANSMISSIONS, _TCP_INFO_SIZE = 44, 68, 100, 104


class Wire:
    """A socket that never blocks; see :class:`Connection` for the contract."""

    def __init__(self, plain: _socket.socket) -> None:
        self._socket = plain
        self.lag = 0.0
        self.fileno = plain.fileno
        self.send = plain.send
        self.close = plain.close

    def recv(self, most: int, /) -> bytes:
        """At most ``most`` received bytes; none at the end of the connection."""
        data, notes, _, _ = self._socket.recvmsg(most, _ROOM_FOR_STAMP)
        self.lag = 0.0
        for level, kind, stamp in notes:
            if (level, kind, len(stamp)) == (_socket.SOL_SOCKET, _STAMPS, _STAMP_SIZE):
                seconds = int.from_bytes(stamp[:_STAMP_HALF], byteorder)
                nanoseconds = int.from_bytes(stamp[_STAMP_HALF:], byteorder)
                # If the clock was set meanwhile, the stage must not get a negative time.
                self.lag = max(0.0, time.time() - seconds - nanoseconds / 1e9)
        return data

    def sent_ago(self) -> float:
        """Seconds since data were sent last, by the kernel of Linux; 0 if it can't tell."""
        return _tcp_info(self._socket, _LAST_DATA_SENT)[0] / 1e3


def connect(address: str, port: int, source_address: str = "", tcp: bool = True) -> _socket.socket:
    """Begin to connect; the socket can be written to when the result is known.

    Over UDP nothing is sent yet.

    :raises OSError: it can't even be begun
    """
    begun = _open(address, _socket.SOCK_STREAM if tcp else _socket.SOCK_DGRAM)
    try:
        if tcp:
            # The segments of a flight must not wait for one another (Nagle, RFC 896).
            begun.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if source_address:
            begun.bind(_socket_address(source_address, 0))
        code = begun.connect_ex(_socket_address(address, port))
        if code not in (0, EINPROGRESS):
            raise OSError(code, "")
    except OSError:
        begun.close()
        raise
    return begun


def _open(address: str, kind: int) -> _socket.socket:
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    opened = _socket.socket(family, kind)
    opened.setblocking(False)
    try:
        # The kernel notes when data come, so that data that wait for this process do not seem late.
        opened.setsockopt(_socket.SOL_SOCKET, _STAMPS, 1)
    except OSError:
        # Not Linux: the time is when this process noticed.
        return opened
    return opened


def _socket_address(address: str, port: int) -> Address:
    """A socket address; the zone of a link-local IPv6 address (RFC 4007 11) becomes its index."""
    host, _, zone = address.partition("%")
    if not zone:
        return host, port
    index = int(zone) if zone.isdecimal() else _socket.if_nametoindex(zone)
    return host, port, 0, index


def error_of(begun: _socket.socket) -> int:
    """The errno of a connection that has failed; 0 if it is connected."""
    return int(begun.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR))


def round_trip(connected: _socket.socket) -> float:
    """Seconds that the TCP handshake took, as Linux has it; 0 if that is not known."""
    microseconds, retransmissions = _tcp_info(connected, _ROUND_TRIP, _RETRANSMISSIONS)
    # After a retransmission the handshake took longer than a round trip.
    return 0.0 if retransmissions else microseconds / 1e6


def _tcp_info(connected: _socket.socket, *places: int) -> list[int]:
    """The numbers at ``places`` of struct tcp_info; zeros if there is none."""
    info = b""
    if hasattr(_socket, "TCP_INFO"):
        try:
            info = connected.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _TCP_INFO_SIZE)
        except OSError:
            info = b""
    if len(info) < _TCP_INFO_SIZE:
        return [0] * len(places)
    return [int.from_bytes(info[at : at + 4], byteorder) for at in places]


class HeadStart:
    """A first packet that is sent before the rest of the plugin is imported.

    The first request that would open the same socket takes this one.
    """

    __slots__ = ("address", "begun", "port", "query", "socket", "source_address")

    def __init__(
        self, address: str, port: int, source_address: str = "", query: bytes = b""
    ) -> None:
        """Send it: to a mail server over TCP, or ``query`` to a name server over UDP.

        :raises OSError: it can't be sent
        """
        #: By the monotonic clock.
        self.begun = time.monotonic()
        self.address = address
        self.port = port
        self.source_address = source_address
        self.query = query
        if query:
            self.socket = connect(address, port, tcp=False)
            self.socket.send(query)
        else:
            self.socket = connect(address, port, source_address)

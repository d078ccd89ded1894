"""The SMTP server of the tests, on real sockets; what it does is a function of the test.

:mod:`support.scripts` makes such functions of scripts, of written dialogues, and of manners.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Optional

#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 30


class Talk:
    """One connection as the server sees it."""

    def __init__(self, connection: socket.socket, server: Server) -> None:
        self.connection = connection
        self._server = server
        self._rest = b""
        self._tls: Optional[ssl.SSLObject] = None
        self._spoken = True
        #: The name that the client asked for in its handshake.
        self.asked_for: Optional[str] = None
        #: How often the client spoke after the server had spoken.
        self.flights = 0
        #: By the monotonic clock: when each flight was heard, and when each reply began to be
        #: said and had been said.
        self.heard_at: list[float] = []
        self.said_at: list[float] = []
        self.said_by: list[float] = []

    def tell(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._spoken = True
        self.said_at.append(time.monotonic())
        self.connection.sendall(data)
        self.said_by.append(time.monotonic())

    def drip(self, data: bytes, pause: float = 0.0) -> None:
        """Say ``data`` a byte at a time."""
        for byte in data:
            self.tell(bytes([byte]))
            time.sleep(pause)

    def read(self) -> bytes:
        """What comes next, decrypted; empty when the client has gone."""
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                if self._tls is not None:
                    return self._tls.read(65_536)
            data = self._receive()
            if self._tls is None or not data:
                return data
            self._incoming.write(data)

    def _receive(self) -> bytes:
        data = self.connection.recv(65_536)
        if data and self._spoken:
            self._spoken = False
            self.flights += 1
            self.heard_at.append(time.monotonic())
        return data

    def line(self) -> bytes:
        """The next line without its end; as :meth:`whole_line`."""
        return self.whole_line().removesuffix(b"\n").removesuffix(b"\r")

    def whole_line(self) -> bytes:
        """The next line.

        :raises ConnectionAbortedError: the client has gone
        """
        heard = b""
        while b"\n" not in heard:
            data = self.read()
            if not data:
                self._rest = heard
                raise ConnectionAbortedError("the client has gone")
            heard += data
        line, _, self._rest = heard.partition(b"\n")
        self._server.heard.append(line + b"\n")
        return line + b"\n"

    def message(self) -> bytes:
        """The lines of a message, up to its final dot."""
        lines = []
        while not lines or lines[-1] != b".":
            lines.append(self.line())
        return b"\n".join(lines)

    def wait(self) -> bytes:
        """Wait until the client goes; what it still says."""
        heard = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while data := self.read():
                heard += data
        self._server.heard += heard.splitlines(keepends=True)
        return heard

    def secure(self, context: ssl.SSLContext, words: bytes = b"") -> None:
        """Do the handshake; ``words`` come in one packet with its end (in TLS 1.2)."""

        def note(_: Any, name: Optional[str], __: Any) -> None:
            self.asked_for = name

        # What came before the handshake in plain text is none of TLS's business.
        assert self._rest == b""
        context.sni_callback = note
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        done = False
        while not done:
            try:
                engine.do_handshake()
                if words:
                    # Python 3.9 can't write nothing.
                    engine.write(words)
                done = True
            except ssl.SSLWantReadError:
                pass
            finally:
                # An alert is said, too.
                if data := self._outgoing.read():
                    self._spoken = True
                    self.connection.sendall(data)
            if not done:
                data = self._receive()
                if not data:
                    raise ConnectionAbortedError("the client has gone within the handshake")
                self._incoming.write(data)
        self._tls = engine

    def end_tls(self) -> None:
        """Take leave in TLS."""
        assert self._tls is not None
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.connection.sendall(self._outgoing.read())

    def reset(self) -> None:
        """End the connection with RST."""
        # A linger time of nothing.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def shut(self) -> None:
        """Say no more, and listen on."""
        self.connection.shutdown(socket.SHUT_WR)


Play = Callable[[Talk], object]


class Server:
    """An SMTP server whose every connection is played by ``play``, in a thread of its own."""

    def __init__(self, play: Play, host: str = "127.0.0.1", port: int = 0, room: int = 0) -> None:
        """``room``: bytes of the buffer for what the client says, if it is to be small."""
        self._play = play
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if room:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            # As on a real network; the loopback's segments of 64 KiB make for large buffers.
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self._listener.bind((host, port))
        self._listener.listen(1024)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        #: All lines of all clients, line ends included.
        self.heard: list[bytes] = []
        self.talks: list[Talk] = []
        #: Where the clients came from.
        self.clients: list[str] = []
        #: What went otherwise than it should, in words.
        self.mismatches: list[str] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    @property
    def connections(self) -> int:
        return len(self.talks)

    @property
    def message(self) -> bytes:
        """The mail data as they came, dots and the final dot included."""
        begin = self.heard.index(b"DATA\r\n") + 1
        return b"".join(self.heard[begin : self.heard.index(b".\r\n", begin) + 1])

    def close(self) -> None:
        """Take no more connections, and wait until the last one is played to its end."""
        # Wakes a waiting accept(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the client did not go"
        self._listener.close()

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(connection, self)
            self.clients.append(address[0])
            self.talks.append(talk)
            self._begin(self._run, talk)

    def _run(self, talk: Talk) -> None:
        try:
            # Who is gone too early is noticed by what became of the client.
            with contextlib.suppress(OSError):
                self._play(talk)
        except BaseException as error:
            self.mismatches.append(str(error) or repr(error))
        finally:
            talk.connection.close()


class PortOfAll:
    """A port at every address, for servers (with SO_REUSEADDR) that are to have the same one.

    It is held until it is closed, lest a connection to somewhere else be given it meanwhile.
    """

    def __init__(self) -> None:
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("", 0))
        self.number: int = self._holder.getsockname()[1]

    def close(self) -> None:
        """Leave it to others."""
        self._holder.close()


class BlackHole:
    """A port of which nobody takes connections any more, so that packets to it are dropped."""

    def __init__(self, address: str, port: int) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(0)
        self._queued = [socket.socket() for _ in range(8)]
        for client in self._queued:
            client.setblocking(False)
            client.connect_ex((address, port))

    def close(self) -> None:
        for end in (*self._queued, self._listener):
            end.close()


#: Keeps its port from being given to anybody else, at any address, and does not listen.
_closed = socket.socket()
_closed.bind(("", 0))


def free_port() -> int:
    """A port at which nobody listens."""
    port: int = _closed.getsockname()[1]
    return port

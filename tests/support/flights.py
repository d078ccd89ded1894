"""Servers that count how often the client waits for them, and the arguments that lead there."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Optional

import dns.message
import dns.rdatatype
from support.names import NameServer
from support.scripted_server import PATIENCE


class Sink:
    """A mail server that accepts everything, and counts the flights of its clients.

    A flight is what comes after the server has said something, up to when it says something again.
    """

    def __init__(
        self,
        *keywords: str,
        on_accept: Callable[[], object] = lambda: None,
        on_hello: Callable[[], object] = lambda: None,
        tls: Optional[ssl.SSLContext] = None,
        hold: float = 0.0,
    ) -> None:
        self.flights = 0
        #: When each flight was heard, and when each reply began to be said, by the monotonic clock.
        self.heard_at: list[float] = []
        self.said_at: list[float] = []
        #: When each reply had been said.
        self.said_by: list[float] = []
        self._keywords = ("SIZE", *keywords)
        self._on_accept = on_accept
        self._on_hello = on_hello
        self._context = tls
        self._hold = hold
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        self._socket, _ = self._listener.accept()
        with self._socket:
            self._socket.settimeout(PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spoken = True
            self._tls: Optional[ssl.SSLObject] = None
            self._on_accept()
            self._say(b"220 mail1.contoso.com\r\n")
            self._talk()

    def _talk(self) -> None:
        in_message = False
        for line in self._lines():
            verb = line[:4].upper()
            if in_message:
                in_message = line != b"."
                if not in_message:
                    self._say(b"250 2.6.0 Queued\r\n")
            elif verb == b"EHLO":
                self._on_hello()
                lines = ["mail1.contoso.com", *self._keywords]
                said = "".join(f"250-{each}\r\n" for each in lines[:-1]) + f"250 {lines[-1]}\r\n"
                self._say(said.encode())
            elif verb == b"DATA":
                in_message = True
                self._say(b"354 Go\r\n")
            elif verb == b"STAR":
                self._say(b"220 Go\r\n")
                self._start_tls()
            else:
                self._say(b"221 Bye\r\n" if verb == b"QUIT" else b"250 OK\r\n")

    def _lines(self) -> Iterator[bytes]:
        begun = b""
        while True:
            data = self._receive()
            if not data:
                return
            *lines, begun = (begun + data).split(b"\r\n")
            yield from lines

    def _receive(self) -> bytes:
        """What the client says next, decrypted."""
        while True:
            if self._tls is not None:
                try:
                    return self._tls.read(65536)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    return b""
            data = self._receive_raw()
            if self._tls is None or not data:
                return data
            self._incoming.write(data)

    def _receive_raw(self) -> bytes:
        data = self._socket.recv(65536)
        if data and self._spoken:
            self.heard_at.append(time.monotonic())
            self.flights += 1
            self._spoken = False
        return data

    def _say(self, words: bytes) -> None:
        time.sleep(self._hold)
        if self._tls is not None:
            self._tls.write(words)
            words = self._outgoing.read()
        self._spoken = True
        self.said_at.append(time.monotonic())
        self._socket.sendall(words)
        self.said_by.append(time.monotonic())

    def _start_tls(self) -> None:
        assert self._context is not None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        shaking = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                shaking.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                self._tls = shaking
            said = self._outgoing.read()
            if said:
                self._spoken = True
                self._socket.sendall(said)
            if self._tls is not None:
                return
            self._incoming.write(self._receive_raw())


class Authority(NamedTuple):
    """A server's context, and the file of who signed its certificate."""

    context: ssl.SSLContext
    file: str


def host(server: Sink, *arguments: str) -> tuple[str, ...]:
    recipient = ("-r", "postmaster@contoso.com", "--profile", "none")
    return ("-H", "127.0.0.1", "-p", str(server.port), *recipient, *arguments)


class Names(NameServer):
    """A name server that answers A and AAAA only when both were asked for."""

    def __init__(
        self, table: Mapping[tuple[str, str], object], on_query: Callable[[], object] = lambda: None
    ) -> None:
        self._on_query = on_query
        #: What was asked, a new list whenever everything before was answered.
        self.flights: list[set[str]] = []
        #: When each of these had been answered, by the monotonic clock.
        self.answered_by: list[float] = []
        super().__init__(table)

    def _serve(self) -> None:
        asked: list[tuple[dns.message.Message, object]] = []
        with self._socket:
            while True:
                wire, client = self._socket.recvfrom(4096)
                if not wire:
                    return
                self._on_query()
                asked.append((dns.message.from_wire(wire), client))
                kinds = {dns.rdatatype.to_text(query.question[0].rdtype) for query, _ in asked}
                if kinds & {"A", "AAAA"} and len(kinds) < 2:
                    continue
                self.flights.append(kinds)
                for query, address in asked:
                    self._socket.sendto(self._response(query), address)
                self.answered_by.append(time.monotonic())
                asked.clear()


ZONE = {
    ("contoso.com.", "MX"): ["10 mail1.contoso.com."],
    ("mail1.contoso.com.", "A"): ["127.0.0.1"],
}


def domain(server: Sink, name_server: Names, *arguments: str) -> tuple[str, ...]:
    nameserver = f"127.0.0.1:{name_server.port}"
    where = ("-d", "contoso.com", "-p", str(server.port), "--nameserver", nameserver)
    return (*where, "--profile", "none", *arguments)

"""The name server of the tests: a function answers, over UDP and TCP at one port."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Optional, Union

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from support.smtp import PATIENCE

#: What to send: a message, several in turn (over TCP, bytes as they are), or nothing.
Answer = Union[bytes, Iterator[bytes], None]
#: The answer to a query; whether it came over TCP.
Behaviour = Callable[[bytes, bool], Answer]
#: Name and type to records, or to a response code.
Table = Mapping[tuple[str, str], object]


def question(query: bytes) -> tuple[str, str]:
    """Name and type that a query asks for."""
    asked = dns.message.from_wire(query).question[0]
    return asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)


def knowing(table: Table) -> Behaviour:
    """A name server that answers from a table."""

    def answer(wire: bytes, _tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        records = table.get(question(wire), [])
        if isinstance(records, int):
            response.set_rcode(dns.rcode.Rcode(records))
        elif records:
            response.answer.append(
                dns.rrset.from_text(query.question[0].name, 60, "IN", question(wire)[1], *records)
            )
        # More than was asked for, rather than by TCP: who listens takes it.
        return response.to_wire(max_size=65_535)

    return answer


class NameServer:
    """A name server on a loopback port."""

    def __init__(self, behaviour: Union[Behaviour, Table], *, silent_about: str = "") -> None:
        """``silent_about``: a name, or a type of records, that is never answered."""
        self._behaviour = behaviour if callable(behaviour) else knowing(behaviour)
        self._silent_about = silent_about
        #: How each query came: ``udp`` or ``tcp``.
        self.heard: list[str] = []
        #: How many queries were left without a response.
        self.ignored = 0
        #: When the last query had been answered, by the monotonic clock.
        self.answered_by = 0.0
        self._udp, self._tcp = udp_and_tcp()
        self.address: tuple[str, int] = self._udp.getsockname()
        self.port = self.address[1]
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=serve, daemon=True) for serve in (self._packets, self._streams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def option(self) -> tuple[str, str]:
        """The option that names it."""
        return "--nameserver", f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._ended.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", self.address)
        with contextlib.suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._udp.close()
        self._tcp.close()

    def _answer(self, query: bytes, tcp: bool) -> Answer:
        self.heard.append("tcp" if tcp else "udp")
        if self._silent_about and self._silent_about in question(query):
            answer = None
        else:
            answer = self._behaviour(query, tcp)
        self.ignored += answer is None
        return answer

    def _packets(self) -> None:
        while True:
            query, client = self._udp.recvfrom(65_535)
            if self._ended.is_set():
                return
            answer = self._answer(query, False)
            for datagram in [answer] if isinstance(answer, bytes) else answer or ():
                if self._ended.is_set():
                    return
                self._udp.sendto(datagram, client)
            self.answered_by = time.monotonic()

    def _streams(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            with connection, contextlib.suppress(OSError):
                self._stream(connection)

    def _stream(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while size := stream.read(2):
            query = stream.read(int.from_bytes(size, "big"))
            answer = self._answer(query, True)
            if isinstance(answer, bytes):
                connection.sendall(len(answer).to_bytes(2, "big") + answer)
                continue
            for piece in answer or ():
                if self._ended.wait(0.001):
                    return
                connection.sendall(piece)
            if answer is not None:
                return


def udp_and_tcp() -> tuple[socket.socket, socket.socket]:
    """A UDP socket and a listening TCP socket at one port, as a name server has them."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:
            udp.close()


def mx(*hosts: tuple[int, str, Optional[str]]) -> dict[tuple[str, str], object]:
    """The table of contoso.com: preference, name and address of each of its mail servers."""
    table: dict[tuple[str, str], object] = {
        ("contoso.com.", "MX"): [f"{preference} {name}." for preference, name, _ in hosts]
    }
    for _, name, address in hosts:
        if address is not None:
            table[(f"{name}.", "A")] = [address]
    return table

#!/usr/bin/env python3
"""Mail and name servers for the benchmarks, with a delay before every answer.

    sink.py DIRECTORY DELAY

Listens on all addresses of its network namespace: at 2525 plain, 2526 with PIPELINING, 2527 with
STARTTLS, 2528 with both, and at 53 for DNS (UDP and TCP).  It sends every answer, also those of
TLS, DELAY seconds after the request.  The connection itself and the tickets of TLS are not delayed.
DIRECTORY holds ``server.pem``.  On SIGUSR1 it writes there, in ``truth.json``, the median seconds
from each command to its reply, and forgets them.

DNS has ``N.domain.example`` (N mail servers ``mI.N.domain.example``) and ``N.host.example`` (N
addresses); every other name has the first of these.  The addresses are in the network (the first
two numbers) from which the question comes.
"""

from __future__ import annotations

import collections
import contextlib
import heapq
import itertools
import json
import select
import signal
import socket
import ssl
import statistics
import struct
import sys
import time
from pathlib import Path
from typing import Any, Callable, Optional

PLAIN, PIPELINING, STARTTLS, BOTH = 2525, 2526, 2527, 2528
REPLIES = {
    b"MAIL": b"250 2.1.0 Sender OK\r\n",
    b"RCPT": b"250 2.1.5 Recipient OK\r\n",
    b"DATA": b"354 Start mail input; end with <CRLF>.<CRLF>\r\n",
    b"RSET": b"250 2.0.0 Resetting\r\n",
    b"QUIT": b"221 2.0.0 Service closing transmission channel\r\n",
    b"STARTTLS": b"220 2.0.0 SMTP server ready\r\n",
}
ACCEPTED = b"250 2.6.0 <id@x> [InternalId=110, Hostname=mbx01.bench.example] Queued mail\r\n"


class Loop:
    """One poll loop with alarms."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.poll = select.epoll()
        self.owners: dict[int, Callable[[], None]] = {}
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        #: Seconds from each command to its reply, by command.
        self.held: dict[str, list[float]] = collections.defaultdict(list)

    def add(self, descriptor: int, ready: Callable[[], None]) -> None:
        """Call ``ready`` whenever something can be read."""
        self.owners[descriptor] = ready
        self.poll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Stop watching."""
        if self.owners.pop(descriptor, None):
            self.poll.unregister(descriptor)

    def later(self, due: float, act: Callable[[], None]) -> None:
        """Call ``act`` at a certain time."""
        heapq.heappush(self._alarms, (due, next(self._number), act))

    def run(self) -> None:
        """Run for ever."""
        while True:
            patience = -1.0
            if self._alarms:
                patience = max(0.0, self._alarms[0][0] - time.monotonic())
                # epoll has a resolution of a millisecond and would be late by half of one.
                patience = 0.0 if patience < 0.0015 else patience - 0.001
            for descriptor, _ in self.poll.poll(patience):
                ready = self.owners.get(descriptor)
                if ready:
                    ready()
            while self._alarms and self._alarms[0][0] <= time.monotonic():
                heapq.heappop(self._alarms)[2]()


class Client:
    """One SMTP connection."""

    def __init__(
        self, loop: Loop, connection: socket.socket, keywords: list[bytes], tls: ssl.SSLContext
    ) -> None:
        self.loop, self.socket, self.keywords, self.context = loop, connection, keywords, tls
        self.received = b""
        self.in_message = False
        self.came = time.monotonic()
        self.tls: Optional[ssl.SSLObject] = None
        self.shaken = True
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add(connection.fileno(), self.ready)
        self.say("banner", b"220 mail.bench.example Microsoft ESMTP MAIL Service ready\r\n")

    def ready(self) -> None:
        """Read what has arrived."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.came = time.monotonic()
        if self.tls is not None:
            self.incoming.write(data)
            data = b""
            with contextlib.suppress(ssl.SSLWantReadError):
                try:
                    if not self.shaken:
                        self.tls.do_handshake()
                        self.shaken = True
                    while True:
                        data += self.tls.read(65536)
                except ssl.SSLWantReadError:
                    raise
                except (ssl.SSLError, OSError):
                    self.close()
                    return
            self.flush("handshake")
        self.received += data
        while b"\n" in self.received:
            line, self.received = self.received.split(b"\n", 1)
            self.take(line.rstrip(b"\r"))

    def take(self, line: bytes) -> None:
        """Answer one line."""
        if self.in_message:
            if line == b".":
                self.in_message = False
                self.say("message", ACCEPTED)
            return
        verb = line.split(b" ")[0].upper()
        if verb in (b"EHLO", b"HELO"):
            lines = [b"mail.bench.example Hello", b"SIZE 37748736", b"8BITMIME", b"X-ANONYMOUSTLS"]
            lines += [each for each in self.keywords if not (self.tls and each == b"STARTTLS")]
            marks = [b"-"] * (len(lines) - 1) + [b" "]
            reply = b"".join(b"250%s%s\r\n" % pair for pair in zip(marks, lines))
            self.say("ehlo", reply)
            return
        self.in_message = verb == b"DATA"
        self.say(verb.decode("ascii", "replace").lower(), REPLIES.get(verb, b"500 5.3.3 What\r\n"))
        if verb == b"STARTTLS":
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
            self.shaken = False

    def say(self, what: str, words: bytes) -> None:
        """Send a reply, encrypted inside TLS."""
        if self.tls is not None:
            self.tls.write(words)
            self.flush(what)
        else:
            self.send(what, words)

    def flush(self, what: str) -> None:
        """Send what TLS has to send."""
        data = self.outgoing.read()
        if data:
            self.send(what, data)

    def send(self, what: str, data: bytes) -> None:
        """Send bytes after the delay."""
        came = self.came

        def act() -> None:
            with contextlib.suppress(OSError):
                self.socket.send(data)
            self.loop.held[what].append(time.monotonic() - came)

        self.loop.later(came + self.loop.delay, act)

    def close(self) -> None:
        """Forget the client."""
        self.loop.remove(self.socket.fileno())
        self.socket.close()


def labels(message: bytes) -> tuple[list[str], int]:
    """The labels of the name in the question, and the end of the question."""
    found, at = [], 12
    while message[at]:
        found.append(message[at + 1 : at + 1 + message[at]].decode("ascii").lower())
        at += 1 + message[at]
    return found, at + 5


def name(*parts: str) -> bytes:
    """A name's labels, to be followed by a pointer or a zero."""
    return b"".join(bytes([len(part)]) + part.encode("ascii") for part in parts)


def respond(query: bytes, most: int, client: str) -> bytes:
    """The response to a DNS query, truncated if it is longer than ``most``."""
    asked, end = labels(query)
    kind = struct.unpack_from("!H", query, end - 4)[0]
    number = int(asked[0]) if asked[0].isdecimal() else 1
    network = socket.inet_aton(client)[:2]
    records = []
    if kind == 15 and "domain" in asked:
        for index in range(number):
            records.append(struct.pack("!H", 10) + name(f"m{index}") + b"\xc0\x0c")
    elif kind == 1:
        count = number if "host" in asked else 1
        for index in range(count):
            records.append(network + bytes([index // 250, index % 250 + 2]))
    answers = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(record)) + record for record in records
    )
    head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, len(records), 0, 0)
    if 12 + end + len(answers) > most:
        return query[:2] + struct.pack("!HHHHH", 0x8780, 1, 0, 0, 0) + query[12:end]
    return head + query[12:end] + answers


def listen_for_mail(loop: Loop, port: int, keywords: list[bytes], tls: ssl.SSLContext) -> None:
    """Be a mail server."""
    listener = socket.create_server(("", port), backlog=4096)
    listener.setblocking(False)

    def ready() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                Client(loop, listener.accept()[0], keywords, tls)

    loop.add(listener.fileno(), ready)


def listen_for_names(loop: Loop) -> None:
    """Be a name server."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    datagrams.bind(("", 53))
    datagrams.setblocking(False)
    listener = socket.create_server(("", 53))

    def answer() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                query, client = datagrams.recvfrom(4096)
                response = respond(query, 1232, client[0])
                due = time.monotonic() + loop.delay
                loop.later(due, lambda r=response, c=client: datagrams.sendto(r, c))  # type: ignore[misc]

    def accept() -> None:
        connection, (client, _) = listener.accept()

        def read() -> None:
            data = connection.recv(65536)
            if not data:
                loop.remove(connection.fileno())
                connection.close()
                return
            while data:
                length = 2 + int.from_bytes(data[:2], "big")
                query, data = data[2:length], data[length:]
                response = respond(query, 65535, client)
                framed = len(response).to_bytes(2, "big") + response
                loop.later(time.monotonic() + loop.delay, lambda f=framed: connection.sendall(f))  # type: ignore[misc]

        loop.add(connection.fileno(), read)

    loop.add(datagrams.fileno(), answer)
    loop.add(listener.fileno(), accept)


def main() -> None:
    """Listen until the end."""
    directory, delay = Path(sys.argv[1]), float(sys.argv[2])
    loop = Loop(delay)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")

    def note(*_: Any) -> None:
        medians = {what: statistics.median(held) for what, held in loop.held.items() if held}
        loop.held.clear()
        partial = directory / "truth.new"
        partial.write_text(json.dumps(medians), encoding="ascii")
        partial.replace(directory / "truth.json")

    signal.signal(signal.SIGUSR1, note)
    for port, keywords in (
        (PLAIN, [b"DSN"]),
        (PIPELINING, [b"DSN", b"PIPELINING"]),
        (STARTTLS, [b"DSN", b"STARTTLS"]),
        (BOTH, [b"DSN", b"PIPELINING", b"STARTTLS"]),
    ):
        listen_for_mail(loop, port, keywords, context)
    listen_for_names(loop)
    print("listening", flush=True)
    loop.run()


if __name__ == "__main__":
    main()

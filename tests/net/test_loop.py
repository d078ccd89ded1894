"""Sockets, clock and deadline, on real sockets of this host: whatever comes, the run ends.

What servers do wrong within a session is in ``plugin/faults``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support.scripts import Servers
from support.smtp import PATIENCE, Server, Talk, free_port

from exchange_mailaccept.net import sockets
from exchange_mailaccept.net.connection import CommandExchange, Line
from exchange_mailaccept.net.loop import Run
from exchange_mailaccept.net.operation import Deadline, fault_of, within
from exchange_mailaccept.protocol.conversation import Close, Command, Connect, Fault
from exchange_mailaccept.protocol.further_requests import Ask, Resolve
from exchange_mailaccept.vocabulary import Cause, Verdict

if TYPE_CHECKING:
    from exchange_mailaccept.protocol.further_requests import Answer, Request

    Conversation = Generator[Request, Answer, list[Answer]]

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux does it")

#: Seconds that a run may be late on a busy machine.
LATENESS = 2.0
CLOSED = Fault(Cause.CLOSED, "connection closed by the server")
RESET = Fault(Cause.RESET, "connection reset by the server")


def run(conversations: list[Conversation], timeout: float, **how: Any) -> list[Any]:
    return Run(conversations, timeout, **how).drive()


def asking(*requests: Request) -> Conversation:
    """A conversation that asks for one thing after the other, whatever comes back."""
    answers = []
    for request in requests:
        answers.append((yield request))
    return answers


def answers(*requests: Request, timeout: float = PATIENCE) -> list[Answer]:
    """What comes back for the requests; the run is not late."""
    begun = time.monotonic()
    (answered,) = run([asking(*requests)], timeout)
    assert time.monotonic() - begun < timeout + LATENESS
    return answered


def said(answer: Answer) -> Any:
    """A reply as text, or the fault."""
    return str(answer.reply) if answer.reply is not None else answer.fault


@pytest.fixture
def peer(serve: Servers) -> Servers:
    """Start servers, and end them with their test."""
    return serve


def connect(server: Server) -> Connect:
    return Connect((server.host,), server.port)


def saying(words: bytes) -> Callable[[Talk], object]:
    """A server that says all at once, and waits until the client goes."""

    def play(talk: Talk) -> None:
        talk.tell(words)
        talk.wait()

    return play


# Connections.


@pytest.mark.parametrize(
    ("host", "source", "expected"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        # All of 127.0.0.0/8 is this host.
        pytest.param("127.0.0.1", "127.0.0.7", "127.0.0.7", marks=linux),
        pytest.param("::1", "::1", "::1", marks=linux),
        # A link-local address must have a zone; on the loopback it need not mean anything.
        pytest.param("::1", "::1%lo", "::1", marks=linux),
        pytest.param("::1", "::1%1", "::1", marks=linux),
    ],
)
def test_a_connection_has_both_addresses(peer, host, source, expected):
    server = peer(saying(b"220 ready\r\n"), host=host)
    request = connect(server)._replace(source_address=source)
    connected, greeted = answers(request, Command(b""))
    assert (connected.addresses, server.clients) == ((host, expected), [expected])
    assert said(greeted) == "220 ready"


@linux
def test_all_addresses_refuse():
    port = free_port()
    (failed,) = answers(Connect(("127.0.0.1", "127.0.0.2", "127.0.0.3"), port))
    assert failed.fault == Fault(
        Cause.REFUSED,
        f"127.0.0.1 port {port}: connection refused; 127.0.0.2 port {port}: connection refused;"
        " 3 of 3 addresses tried",
    )


@linux
def test_a_silent_address_costs_a_fraction_of_a_second(black_hole):
    """RFC 8305 5: the next one is tried beside it."""
    _, port = black_hole
    with socket.create_server(("127.0.0.1", port)) as listener:
        connected, greeted = answers(
            Connect(("127.0.0.2", "127.0.0.1"), port), Command(b"", patience=0.1)
        )
        assert connected.addresses[0] == "127.0.0.1"
        assert 0.2 < connected.seconds < LATENESS
        assert greeted.fault == Fault(Cause.SILENT, "within 0.1s")
        listener.accept()[0].close()


@linux
def test_what_is_broken_outweighs_what_is_silent(black_hole):
    address, port = black_hole
    (failed,) = answers(Connect((address, "127.0.0.3"), port, patience=0.6))
    assert failed.fault == Fault(
        Cause.UNREACHABLE,
        f"127.0.0.3 port {port}: connection refused; {address} port {port}: no answer within 0.6s",
    )


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EINVAL, errno.EPERM])
def test_what_this_host_itself_refuses_says_nothing_of_the_server(code):
    """No IPv6, a source address of the loopback for another host, a firewall of one's own."""
    assert fault_of(OSError(code, "")).verdict is Verdict.UNTESTED


# Replies.


def test_a_connection_that_ends_within_a_reply(peer):
    server = peer(lambda talk: talk.tell(b"220-one\r\n22"))
    _, greeted = answers(connect(server), Command(b""))
    words = "connection closed by the server after '220-one 22'"
    assert greeted.fault == CLOSED._replace(explanation=words)


def test_patience_ends_a_request_and_not_the_run(peer):
    go_on = threading.Event()

    def what(talk: Talk) -> None:
        go_on.wait(PATIENCE)
        talk.tell(b"220 at last\r\n")
        talk.wait()

    def conversation() -> Conversation:
        yield connect(server)
        first = yield Command(b"", patience=0.2)
        go_on.set()
        second = yield Command(b"")
        return [first, second]

    server = peer(what)
    ((first, second),) = run([conversation()], PATIENCE)
    assert first.fault == Fault(Cause.SILENT, "within 0.2s")
    assert said(second) == "220 at last"


def test_the_connection_is_reset_in_place_of_the_greeting(peer):
    """Only after the connection was seen to stand; before it would be a refused one."""
    stands, gone = threading.Event(), threading.Event()

    def what(talk: Talk) -> None:
        stands.wait(PATIENCE)
        talk.reset()
        gone.set()

    def conversation() -> Conversation:
        connected = yield connect(server)
        stands.set()
        gone.wait(PATIENCE)
        return [connected, (yield Command(b""))]

    server = peer(what)
    ((connected, greeted),) = run([conversation()], PATIENCE)
    assert connected.fault is None
    assert greeted.fault == RESET


@pytest.mark.parametrize(
    ("ahead", "cause", "explanation"),
    [
        (b"250 Hi\r\n", Cause.OUT_OF_TURN, "the server spoke before it was asked: '250 Hi'"),
        (b"421 Bye\r\n", Cause.OUT_OF_TURN, "the server spoke before it was asked: '421 Bye'"),
        (b"", Cause.CLOSED, "connection closed by the server"),
    ],
)
def test_words_that_wait_before_the_command_are_no_answer_to_it(peer, ahead, cause, explanation):
    """They came long after the greeting, in a segment of their own; nor is the command sent."""
    greeted, waiting = threading.Event(), threading.Event()

    def what(talk: Talk) -> None:
        talk.tell(b"220 ready\r\n")
        greeted.wait(PATIENCE)
        talk.tell(ahead)
        talk.shut()
        waiting.set()
        talk.wait()

    def conversation() -> Conversation:
        yield connect(server)
        yield Command(b"")
        greeted.set()
        waiting.wait(PATIENCE)
        return [(yield Command(b"EHLO a\r\n"))]

    server = peer(what)
    ((hello,),) = run([conversation()], PATIENCE)
    server.close()
    assert (hello.fault.cause, hello.fault.explanation) == (cause, explanation)
    assert server.heard == []


# Sending.

MANY = bytes(range(256)) * 80_000


def test_a_server_that_reads_slowly(peer):
    heard = []

    def what(talk: Talk) -> None:
        left = len(MANY)
        while left:
            heard.append(talk.connection.recv(min(left, 10_000)))
            left -= len(heard[-1])
        talk.tell(b"250 queued\r\n")
        talk.wait()

    _, sent = answers(connect(peer(what, room=4096)), Command(MANY))
    assert said(sent) == "250 queued"
    assert b"".join(heard) == MANY


def test_the_connection_is_reset_while_we_send(peer):
    server = peer(lambda talk: (talk.read(), talk.reset()), room=4096)
    _, sent = answers(connect(server), Command(MANY))
    assert sent.fault in (RESET, CLOSED)


def test_a_reply_to_half_a_message_is_none_to_the_whole(peer):
    """Who says 250 before the final dot was sent has not accepted what came before it."""

    def early(talk: Talk) -> None:
        talk.read()
        talk.tell(b"250 queued\r\n")
        talk.wait()

    _, sent = answers(connect(peer(early, room=4096)), Command(MANY))
    assert (sent.reply, sent.fault.verdict) == (None, Verdict.BROKEN)
    assert "250 queued" in sent.fault.explanation


def test_a_reply_to_the_first_piece_is_none_to_the_whole():
    """Though the system would have taken the whole message before the server had read a byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = sockets.Wire(sockets.connect(*listener.getsockname()))
        server, _ = listener.accept()
    with contextlib.closing(wire), server:
        deadline = Deadline(time.monotonic() + PATIENCE, PATIENCE, time.monotonic)
        exchanging = CommandExchange(deadline, Command(bytes(100_000)), Line(wire, 0.0))
        assert exchanging.begin() is None
        server.sendall(b"250 queued\r\n")
        select.select([wire], [], [], PATIENCE)
        answer = exchanging.ready(wire.fileno())
    assert "before it had heard all: '250 queued'" in answer.fault.explanation


def test_a_refusal_of_half_a_message_is_heard(peer):
    over = threading.Event()

    def what(talk: Talk) -> None:
        talk.read()
        talk.tell(b"552 5.3.4 Message too big\r\n")
        over.wait(PATIENCE)

    _, sent = answers(connect(peer(what, room=4096)), Command(MANY), timeout=1.0)
    over.set()
    assert "552 5.3.4 Message too big" in str(said(sent))


@linux
@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (16_384, [16_384]),
        (16_385, [15_873, 512]),
        (16_387, [15_875, 512]),
        (16_384 + 511, [16_383, 512]),
        (16_384 + 512, [16_384, 512]),
        (20_000, [16_384, 3616]),
        (2 * 16_384 + 3, [16_384, 15_875, 512]),
    ],
)
def test_the_final_dot_is_never_alone(size, pieces):
    """Some firewalls lose a dot in a segment of its own; a socket of records shows each write."""
    message = b"x" * (size - 5) + b"\r\n.\r\n"
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        near.setblocking(False)
        far.settimeout(PATIENCE)
        deadline = Deadline(time.monotonic() + PATIENCE, PATIENCE, time.monotonic)
        exchanging = CommandExchange(deadline, Command(message), Line(sockets.Wire(near), 0.0))
        assert exchanging.begin() is None
        heard = [far.recv(size)]
        while sum(map(len, heard)) < size:
            assert exchanging.ready(near.fileno()) is None
            heard.append(far.recv(size))
    assert [len(piece) for piece in heard] == pieces
    assert b"".join(heard) == message


# The run.


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (86400.0, "within 86400s"),
        (1234.5, "within 1234s"),
        (999.6, "within 1000s"),
        (99.96, "within 100s"),
        (16.666666, "within 16.7s"),
        (0.25, "within 0.25s"),
        (0.00012345, "within 0.000123s"),
        (0.00005, "within 0.00005s"),
        (0.000000000001, "within 0.000000000001s"),
        (0.0, "within 0s"),
    ],
)
def test_no_time_has_an_exponent(seconds, words):
    """Nobody reads 1e+03s at night."""
    assert within(seconds) == words


@pytest.mark.parametrize("closed", [False, True])
def test_nothing_is_said_without_a_connection(peer, closed):
    """Neither before there is one, nor after it was closed."""
    before = [connect(peer(Talk.wait)), Close()] if closed else []
    with pytest.raises(RuntimeError, match="a conversation must connect before it speaks"):
        run([asking(*before, Command(b""))], PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run(peer, number):
    """What is waited for and what is asked for later, and it says nothing of the server."""
    reading, writing = os.pipe()
    server = peer(Talk.wait)

    def conversation() -> Conversation:
        yield connect(server)
        os.write(writing, bytes([number]))
        return [(yield Command(b"")), (yield Command(b""))]

    (interrupted,) = Run([conversation()], PATIENCE, None, reading).drive()
    os.close(reading)
    os.close(writing)
    fault = Fault(Cause.INTERRUPTED, f"interrupted by {number.name}")
    assert [answer.fault for answer in interrupted] == [fault, fault]


def test_many_conversations_at_once(peer):
    together = threading.Barrier(200)

    def greet(talk: Talk) -> None:
        together.wait(PATIENCE)
        talk.tell(b"220 ready\r\n")

    conversation = (connect(peer(greet)), Command(b""))
    results = run([asking(*conversation) for _ in range(200)], PATIENCE)
    assert [said(greeted) for _, greeted in results] == ["220 ready"] * 200


def test_no_more_conversations_at_once_than_wanted():
    """The second begins when the first has ended, and the results keep their order."""
    running, most = 0, 0

    def conversation(number: int) -> Generator[Request, Answer, int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        with contextlib.suppress(StopIteration):
            yield Connect(("127.0.0.1",), listener.getsockname()[1])
            yield Command(b"", patience=0.01)
        running -= 1
        return number

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        results = run([conversation(number) for number in range(20)], PATIENCE, parallel=3)
    assert results == list(range(20))
    assert most == 3


@linux
def test_no_descriptor_is_left_open(peer, black_hole):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    server = peer(saying(b"220 ready\r\n250 more\r\n"))
    address, port = black_hole
    before = descriptors()
    run(
        [
            asking(Connect((address, "127.0.0.3"), port, patience=0.4)),
            asking(connect(server), Command(b""), Command(b"EHLO a\r\n")),
            asking(Connect(("127.0.0.1",), free_port()), Connect(("127.0.0.9",), port)),
            asking(Resolve("localhost", 4)),
            asking(Ask(("127.0.0.1", free_port()), (b"12ab",), False, 0.2)),
            asking(Ask(("127.0.0.1", free_port()), (b"12ab",), True, 0.2)),
        ],
        PATIENCE,
    )
    server.close()
    # The server's own two are closed now.
    assert descriptors() <= before


@pytest.mark.usefixtures("kernel_stamps")
def test_what_waits_while_we_are_busy_is_not_slow(peer):
    """The kernel notes when the greeting came, however late it is read."""
    sent: list[float] = []

    def greet(talk: Talk) -> None:
        talk.tell(b"220 ready\r\n")
        sent.append(time.monotonic())
        talk.read()

    server = peer(greet)

    def conversation() -> Conversation:
        connected = yield connect(server)
        # Busy with something else, as with the import of a library, for long after the greeting.
        until = time.monotonic() + PATIENCE
        while time.monotonic() < (sent[0] + 0.5 if sent else until):
            time.sleep(0.01)
        return [connected, (yield Command(b""))]

    begun = time.monotonic()
    ((_, greeted),) = run([conversation()], PATIENCE)
    assert said(greeted) == "220 ready"
    # It had come when it was sent, for the way is short; two clocks may not run alike.
    assert greeted.seconds <= sent[0] - begun + 0.001


def test_a_chore_waits_until_something_new_is_on_its_way(peer):
    """After half a reply nothing is: the other half would wait for the chore."""
    looked = [0]
    answered: list[Answer] = []
    seen_by_chore: list[int] = []

    def clock() -> float:
        looked[0] += 1
        return time.monotonic()

    def halves(talk: Talk) -> None:
        before = looked[0]
        talk.tell(b"220 re")
        # The client looks at its clock before and after each wait.
        until = time.monotonic() + PATIENCE
        while looked[0] < before + 2 and time.monotonic() < until:
            time.sleep(0.001)
        talk.tell(b"ady\r\n")
        talk.read()
        talk.tell(b"250 ok\r\n")

    def conversation() -> Conversation:
        for request in (connect(server), Command(b""), Command(b"EHLO a\r\n")):
            answered.append((yield request))
        return answered

    server = peer(halves)
    driven = Run([conversation()], PATIENCE, clock=clock)
    driven.drive([lambda: seen_by_chore.append(len(answered))])
    assert [said(answer) for answer in answered[1:]] == ["220 ready", "250 ok"]
    # The connection and the greeting.
    assert seen_by_chore == [2]


# The system's resolver.


def test_a_name_of_the_hosts_file():
    (resolved,) = answers(Resolve("localhost", 4))
    assert (resolved.addresses, resolved.fault) == (("127.0.0.1",), None)

"""Many runs: at the same time against one server, and one after the other as in a day.

They take minutes and are not among the other tests: ``sh test.sh -m load``.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.scripted_server import PLUGIN

pytestmark = pytest.mark.load
#: Runs at the same time.
CROWD = 200
#: Runs of a day, one a minute.
DAY = 1_440
#: Their ``-t``: what 200 processes at once take on a small machine, and far more.
TIMEOUT = 240
#: Seconds that a run may last beyond that.
LATE = 0.5


class Counting:
    """A mail server that accepts every message of any number of clients, and counts them.

    Its listening queue is long, as that of a mail server is; no more would say something of it and
    not of the plugin.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        #: How often each Message-ID was accepted.
        self.accepted: Counter[bytes] = Counter()
        self.connections = 0
        self._doorbell, self._bell = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._received: dict[socket.socket, bytearray] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._doorbell.close()
        self._thread.join()
        for each in (self._listener, self._bell, *self._received):
            each.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._bell:
                    return
                if key.fileobj is self._listener:
                    self._greet()
                else:
                    self._hear(key.fileobj)  # type: ignore[arg-type]

    def _greet(self) -> None:
        client, _ = self._listener.accept()
        self.connections += 1
        self._received[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ)
        client.sendall(b"220 mail1.contoso.com Microsoft ESMTP MAIL Service ready\r\n")

    def _hear(self, client: socket.socket) -> None:
        data = client.recv(65_536)
        if not data:
            self._selector.unregister(client)
            del self._received[client]
            client.close()
            return
        received = self._received[client]
        received += data
        while b"\n" in received:
            # Mail data end with a line of a dot; commands are lines.
            end = received.find(b"\r\n.\r\n") if received.startswith(b"From: ") else -1
            if received.startswith(b"From: ") and end < 0:
                return
            line, rest = (
                (received[:end], received[end + 5 :]) if end >= 0 else received.split(b"\r\n", 1)
            )
            received[:] = rest
            client.sendall(self._reply(bytes(line)))

    def _reply(self, line: bytes) -> bytes:
        if line.startswith(b"From: "):
            (identity,) = [each for each in line.split(b"\r\n") if each.startswith(b"Message-ID:")]
            self.accepted[identity] += 1
            return b"250 2.6.0 Queued mail for delivery\r\n"
        if line.startswith(b"EHLO"):
            return b"250-mail1.contoso.com Hello [127.0.0.1]\r\n250-PIPELINING\r\n250 XRDST\r\n"
        return {b"DATA": b"354 Start\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}.get(line, b"250 OK\r\n")


@pytest.fixture
def counting() -> Iterator[Counting]:
    """A server that counts."""
    server = Counting()
    yield server
    server.close()


def command(server: Counting) -> list[str]:
    """A run against the server, without what else EHLO should offer."""
    return [
        sys.executable, str(PLUGIN), "-H", "127.0.0.1", "-p", str(server.port),
        "-r", "postmaster@contoso.com", "-F", "probe.client.example",
        "--profile", "none", "-t", str(TIMEOUT),
    ]  # fmt: skip


#: Coverage would count each of the many runs in a file of its own.
SURROUNDINGS = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.timeout(3 * TIMEOUT)
def test_a_crowd_of_runs(counting):
    """None is wrong, none is late, and each has sent its own message."""
    begun = time.monotonic()
    running = [
        subprocess.Popen(
            command(counting),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=SURROUNDINGS,
        )
        for _ in range(CROWD)
    ]
    outputs = [each.communicate(timeout=2 * TIMEOUT)[0] for each in running]
    seconds = time.monotonic() - begun
    assert [each.returncode for each in running] == [0] * CROWD
    beginning = b"MAILACCEPT OK - 127.0.0.1 accepted mail for postmaster@contoso.com in "
    assert [
        each for each in outputs if not each.startswith(beginning) or each.count(b"\n") != 1
    ] == []
    assert counting.connections == CROWD
    assert set(counting.accepted.values()) == {1}
    assert len(counting.accepted) == CROWD
    # From the first that was started to the last that has ended.
    assert seconds < TIMEOUT + LATE


def descriptors() -> set[str]:
    """Our own, by number; the one that looks is among them, and closed again."""
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def processes() -> set[str]:
    """Our own children, by number."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is looked at")
@pytest.mark.timeout(3600)
def test_a_day_of_runs(counting, tmp_path):
    """One after the other: no process, no file and no descriptor is left behind, no message twice.

    In an environment of their own, so that a file would be found wherever it might be put.
    """
    surroundings = {**SURROUNDINGS, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    reading, writing = os.pipe()
    before = descriptors(), processes()
    for _ in range(DAY):
        done = subprocess.run(
            command(counting),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=surroundings,
            cwd=tmp_path,
            # Whoever it leaves behind would hold this open.
            pass_fds=[writing],
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert (descriptors(), processes()) == before
    os.close(writing)
    # The end of the pipe: nobody has it open any more, whoever has adopted him.
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert list(tmp_path.iterdir()) == []
    assert (counting.connections, len(counting.accepted)) == (DAY, DAY)
    assert set(counting.accepted.values()) == {1}

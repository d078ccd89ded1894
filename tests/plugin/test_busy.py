"""A host that does not let the plugin run: the server is not accused of it.

The plugin is stopped with SIGSTOP as it would be on a host that is suspended, or busy with others.
A server stops it when it has heard a certain command, and lets it go on at a certain time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

import pytest
from support.plugin import BANNER, CRITICAL, OK, UNKNOWN, ehlo_reply
from support.scripted_server import PATIENCE, PLUGIN
from support.tls_servers import Authority

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's time stamps are Linux'"
)

#: ``-t`` of runs that are stopped for longer than that.
TIMEOUT = 1.0
REPLIES = {
    "EHLO": ehlo_reply("SIZE 37748736", "X-EXPS NTLM"),
    "MAIL": b"250 2.1.0 Sender OK\r\n",
    "RCPT": b"250 2.1.5 Recipient OK\r\n",
    "DATA": b"354 Start mail input\r\n",
    ".": b"250 2.6.0 Queued mail for delivery\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


class Stop(NamedTuple):
    """When the plugin is stopped, and what happens until it goes on."""

    #: The command after which it is stopped.
    command: str
    #: Seconds after its connection.
    until: float
    #: Seconds after its connection until the command is answered; ``None``: never.
    answered: Optional[float] = 0.0


class Run(NamedTuple):
    """What came of the run."""

    exit_code: int
    first_line: str
    perfdata: str


class Stopper:
    """A server that stops its client."""

    def __init__(self, stop: Stop, context: Optional[ssl.SSLContext] = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stop = stop
        self._context = context
        self.port: int = self._listener.getsockname()[1]

    def run(
        self, *arguments: str, prepare: Optional[Callable[[], None]] = None, **environment: str
    ) -> Run:
        argv = ("-H", "127.0.0.1", "-p", str(self.port), "-r", "postmaster@contoso.com")
        with subprocess.Popen(
            [sys.executable, str(PLUGIN), *argv, "--profile", "none", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            preexec_fn=prepare,
        ) as client:
            serving = threading.Thread(target=self._serve, args=(client,), daemon=True)
            serving.start()
            stdout, _ = client.communicate(timeout=4 * PATIENCE)
            serving.join(PATIENCE)
        self._listener.close()
        assert not serving.is_alive()
        text, _, perfdata = stdout.partition("|")
        return Run(client.returncode, text.partition("\n")[0], perfdata)

    def _serve(self, client: subprocess.Popen[str]) -> None:
        connection, _ = self._listener.accept()
        begun = time.monotonic()
        connection.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            if self._context is not None:
                self._stop_in_handshake(connection, client, begun)
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.sendall(BANNER)
            for line in connection.makefile("rb"):
                word = (line.split() or [b""])[0].decode().upper()
                if word == self._stop.command:
                    self._answer_stopped(connection, client, begun)
                elif word in REPLIES:
                    connection.sendall(REPLIES[word])
        connection.close()

    def _answer_stopped(
        self, connection: socket.socket, client: subprocess.Popen[str], begun: float
    ) -> None:
        """Stop the client, answer it in good time or not, and let it go on."""
        stop(client)
        if self._stop.answered is not None:
            wait_until(begun + self._stop.answered)
            connection.sendall(REPLIES[self._stop.command])
        wait_until(begun + self._stop.until)
        client.send_signal(signal.SIGCONT)

    def _stop_in_handshake(
        self, connection: socket.socket, client: subprocess.Popen[str], begun: float
    ) -> None:
        """Stop the client after its ClientHello, until the server's answer has waited for long."""
        connection.recv(1, socket.MSG_PEEK)
        stop(client)

        def go_on() -> None:
            wait_until(begun + self._stop.until)
            client.send_signal(signal.SIGCONT)

        threading.Thread(target=go_on, daemon=True).start()


def stop(client: subprocess.Popen[str]) -> None:
    """Stop it, and see that it has stopped."""
    client.send_signal(signal.SIGSTOP)
    limit = time.monotonic() + PATIENCE
    state = Path(f"/proc/{client.pid}/stat")
    while state.read_text().rpartition(") ")[2][0] != "T":
        assert time.monotonic() < limit, "the plugin did not stop"
        time.sleep(0.001)


def wait_until(moment: float) -> None:
    """The time itself is the condition."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(left)


@pytest.mark.parametrize(
    ("command", "asked_next"),
    [("EHLO", "mail"), ("MAIL", "rcpt"), ("RCPT", "data"), ("DATA", "message")],
)
def test_a_host_that_was_too_busy_is_named_and_not_the_server(command, asked_next):
    """The reply came in time; when the plugin goes on its time is over."""
    run = Stopper(Stop(command, TIMEOUT + 0.5)).run("-t", str(TIMEOUT))
    words = f"MAILACCEPT UNKNOWN - could not test 127.0.0.1 at {asked_next}: this host was too busy"
    assert (run.exit_code, run.first_line.partition(",")[0]) == (UNKNOWN, words)
    assert f"{command.lower()}=" in run.perfdata


def test_a_last_reply_that_came_in_time_counts():
    """Nothing more is to be asked, so that nothing is missing."""
    run = Stopper(Stop(".", TIMEOUT + 0.5)).run("-t", str(TIMEOUT))
    assert (run.exit_code, run.first_line.partition(" in ")[0]) == (
        OK,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for postmaster@contoso.com",
    )


def test_a_reply_that_waited_for_the_plugin_was_not_slow():
    """The kernel notes when it came."""
    run = Stopper(Stop("MAIL", 1.0)).run("-t", "20", "-c", "mail=0.8")
    assert run.exit_code == OK, run


@pytest.mark.parametrize("answered", [None, TIMEOUT + 0.3])
def test_a_server_that_had_the_whole_time_is_still_accused(answered):
    """It was asked in time, and has not answered in time, whether somebody looked or not."""
    run = Stopper(Stop("RCPT", TIMEOUT + 0.6, answered)).run("-t", str(TIMEOUT))
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 did not answer RCPT within 1s",
    )


def test_a_server_that_was_left_little_time_is_not_accused():
    """It does not answer the command that it got when most of the time was over."""
    pauses: list[Any] = []

    class Silent(Stopper):
        def _answer_stopped(self, connection: socket.socket, client: Any, begun: float) -> None:
            super()._answer_stopped(connection, client, begun)
            pauses.append(connection.recv(1000))
            connection.recv(1000)

    run = Silent(Stop("MAIL", 2.0)).run("-t", "3")
    assert pauses[0].startswith(b"RCPT")
    assert (run.exit_code, run.first_line.partition(",")[0]) == (
        UNKNOWN,
        "MAILACCEPT UNKNOWN - could not test 127.0.0.1 at rcpt: this host was too busy",
    )


def test_a_handshake_in_which_the_host_was_too_busy(tmp_path):
    """The server has answered, and the plugin was too late to go on."""
    authority = Authority(tmp_path, "Test CA")
    context = authority.issue("mx.test").context()
    run = Stopper(Stop("never", TIMEOUT + 0.5), context).run(
        "-s", "-t", str(TIMEOUT), SSL_CERT_FILE=authority.file
    )
    assert run.exit_code == UNKNOWN
    assert "this host was too busy" in run.first_line


@pytest.mark.slow
def test_under_load_no_healthy_server_is_accused():
    """The plugin has the processor for a sixtieth of the time that it wants it."""
    processor = min(os.sched_getaffinity(0))

    def yield_to_all() -> None:
        os.sched_setaffinity(0, {processor})
        os.nice(19)

    def take_all() -> None:
        os.sched_setaffinity(0, {processor})

    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=take_all)
    try:
        runs = [under_load(yield_to_all) for _ in range(3)]
    finally:
        busy.kill()
        busy.wait()
    assert [run for run in runs if run.exit_code not in (OK, UNKNOWN)] == []


def under_load(prepare: Callable[[], None]) -> Run:
    """A run against a server that answers at once."""
    return Stopper(Stop("never", 0.0)).run("-t", "0.5", prepare=prepare)

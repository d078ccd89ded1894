"""A host that does not let the plugin run: the server is not accused of it.

The plugin is stopped with SIGSTOP as it would be on a host that is suspended, or busy with others.
A server stops it when it has heard a certain command, and lets it go on at a certain time.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional

import pytest
from support.certificates import Authority
from support.plugin import BANNER, OK, PLUGIN, UNKNOWN, PluginRun
from support.scripts import Manners, Servers, smtp
from support.smtp import PATIENCE, Talk

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's time stamps are Linux'"
)

#: ``-t`` of runs that are stopped for longer than that.
TIMEOUT = 1.0


class Stop(NamedTuple):
    """When the plugin is stopped, and what happens until it goes on."""

    #: The command after which it is stopped.
    command: str
    #: Seconds after its connection.
    until: float
    #: Seconds after its connection until the command is answered; ``None``: never.
    answered: Optional[float] = 0.0
    #: Whether the server says nothing more after that.
    silent: bool = False


class Stopper:
    """A server that stops its client."""

    def __init__(
        self, serve: Servers, stop: Stop, context: Optional[ssl.SSLContext] = None
    ) -> None:
        self._stop = stop
        self._client: Optional[subprocess.Popen[str]] = None
        self._started = threading.Event()
        self._begun = 0.0
        #: What was heard after the client had been stopped.
        self.heard_then = b""
        keywords = ("SIZE 37748736", "X-EXPS NTLM")
        at = {stop.command: self._stop_and_answer}
        self._manners = Manners(context, context is not None, BANNER, keywords, keywords, at=at)
        self._server = serve(self._play)

    def run(
        self, *arguments: str, prepare: Optional[Callable[[], None]] = None, **environment: str
    ) -> PluginRun:
        argv = ("-H", "127.0.0.1", "-p", str(self._server.port), "-r", "postmaster@contoso.com")
        with subprocess.Popen(
            [sys.executable, str(PLUGIN), *argv, "--profile", "none", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            preexec_fn=prepare,
        ) as client:
            self._client = client
            self._started.set()
            stdout, _ = client.communicate(timeout=4 * PATIENCE)
        return PluginRun(client.returncode, stdout, "")

    def _play(self, talk: Talk) -> None:
        self._begun = time.monotonic()
        self._started.wait(PATIENCE)
        if self._manners.context is not None:
            # After its ClientHello, until the server's answer has waited for long.
            talk.connection.recv(1, socket.MSG_PEEK)
            stop(self._client)
            threading.Thread(target=self._let_go_on, daemon=True).start()
        smtp(self._manners)(talk)

    def _let_go_on(self) -> None:
        wait_until(self._begun + self._stop.until)
        self._client.send_signal(signal.SIGCONT)

    def _stop_and_answer(self, talk: Talk) -> Optional[bool]:
        """Stop the client, answer it in good time or not, and let it go on."""
        stop(self._client)
        if self._stop.answered is not None:
            wait_until(self._begun + self._stop.answered)
            talk.tell(b"354 Go\r\n" if self._stop.command == "DATA" else b"250-a\r\n250 SIZE\r\n")
        self._let_go_on()
        if self._stop.silent:
            self.heard_then = talk.line()
            talk.wait()
        return False


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
def test_a_host_that_was_too_busy_is_named_and_not_the_server(command, asked_next, serve):
    """The reply came in time; when the plugin goes on its time is over."""
    run = Stopper(serve, Stop(command, TIMEOUT + 0.5)).run("-t", str(TIMEOUT))
    words = f"MAILACCEPT UNKNOWN - could not test 127.0.0.1 at {asked_next}: this host was too busy"
    assert (run.exit_code, run.first_line.partition(",")[0]) == (UNKNOWN, words)
    assert command.lower() in run.perfdata


def test_a_last_reply_that_came_in_time_counts(serve):
    """Nothing more is to be asked, so that nothing is missing."""
    run = Stopper(serve, Stop(".", TIMEOUT + 0.5)).run("-t", str(TIMEOUT))
    assert (run.exit_code, run.first_line.partition(" in ")[0]) == (
        OK,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for postmaster@contoso.com",
    )


def test_a_reply_that_waited_for_the_plugin_was_not_slow(serve):
    """The kernel notes when it came."""
    run = Stopper(serve, Stop("MAIL", 1.0)).run("-t", "20", "-c", "mail=0.8")
    assert run.exit_code == OK, run


@pytest.mark.parametrize("answered", [None, 3.3])
def test_a_server_that_had_the_whole_time_is_still_accused(answered, serve):
    """It was asked in time, and has not answered in time, whether somebody looked or not."""
    run = Stopper(serve, Stop("RCPT", 3.6, answered)).run("-t", "3")
    assert run.result == "CRITICAL - 127.0.0.1 did not answer RCPT within #s"


def test_a_server_that_was_left_little_time_is_not_accused(serve):
    """It does not answer the command that it got when most of the time was over."""
    stopper = Stopper(serve, Stop("MAIL", 2.0, silent=True))
    run = stopper.run("-t", "3")
    assert stopper.heard_then.startswith(b"RCPT")
    assert (run.exit_code, run.first_line.partition(",")[0]) == (
        UNKNOWN,
        "MAILACCEPT UNKNOWN - could not test 127.0.0.1 at rcpt: this host was too busy",
    )


def test_a_handshake_in_which_the_host_was_too_busy(tmp_path, serve):
    """The server has answered, and the plugin was too late to go on."""
    authority = Authority(tmp_path, "Test CA")
    context = authority.issue("mx.test").context()
    run = Stopper(serve, Stop("never", TIMEOUT + 0.5), context).run(
        "-s", "-t", str(TIMEOUT), SSL_CERT_FILE=authority.file
    )
    assert run.exit_code == UNKNOWN
    assert "this host was too busy" in run.first_line


@pytest.mark.slow
def test_under_load_no_healthy_server_is_accused(serve):
    """The plugin has the processor for a sixtieth of the time that it wants it."""
    processor = min(os.sched_getaffinity(0))

    def yield_to_all() -> None:
        os.sched_setaffinity(0, {processor})
        os.nice(19)

    def take_all() -> None:
        os.sched_setaffinity(0, {processor})

    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=take_all)
    try:
        runs = [under_load(serve, yield_to_all) for _ in range(3)]
    finally:
        busy.kill()
        busy.wait()
    assert [run for run in runs if run.exit_code not in (OK, UNKNOWN)] == []


def under_load(serve: Servers, prepare: Callable[[], None]) -> PluginRun:
    """A run against a server that answers at once."""
    return Stopper(serve, Stop("never", 0.0)).run("-t", "0.5", prepare=prepare)

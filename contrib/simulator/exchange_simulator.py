#!/usr/bin/env python3
"""An SMTP server that poses as Microsoft Exchange, for tests and for rehearsing an alert chain.

It speaks real SMTP on the loopback interface, with the banner, the EHLO keywords and the reply
texts of the chosen generation, and it misbehaves on request: ``--reply``, ``--delay``, ``--drop``,
``--without``, or by the name of a trouble, ``--scenario``.  It needs aiosmtpd 1.4 or later.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import ipaddress
import itertools
import logging
import math
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, NoReturn, Optional

# The modules beside this one are not found when it is loaded by its path, as tests do.
sys.path.append(str(Path(__file__).resolve().parent))

try:
    from dialogues import Server
except ModuleNotFoundError as missing:
    if __name__ != "__main__" or str(missing.name).partition(".")[0] != "aiosmtpd":
        raise
    sys.exit("exchange_simulator: error: the package aiosmtpd is missing (pip install aiosmtpd)")

from certificates import CannotMakeError, Certificate
from poses import MECHANISMS, POSES, STAGES, TLS_MODES, Behaviour, Credentials


class Simulator:
    """The server in a thread of its own, as a context manager; listening once entered."""

    def __init__(
        self,
        *,
        scenario: str = "",
        hurry: float = 1,
        pose: str = "2019",
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "",
        reply: Optional[Mapping[str, str]] = None,
        delay: Optional[Mapping[str, float]] = None,
        drop: Iterable[str] = (),
        without: Iterable[str] = (),
        tls: str = "",
        certificate: Optional[Certificate] = None,
        auth: Optional[Iterable[str]] = None,
        auth_before_tls: Optional[Iterable[str]] = None,
        credentials: Optional[Credentials] = None,
        echo: Optional[Callable[[str], object]] = None,
    ) -> None:
        """Take the command line's options; ``ValueError`` says what is wrong with them.

        What is given goes before what the scenario says; only the scenario's own pose stays.
        """
        if pose not in POSES:
            raise ValueError(f"no pose {pose!r}; there are {' '.join(POSES)}")
        if not 0 < hurry < math.inf:
            raise ValueError(f"hurry is no positive number: {hurry}")
        self.host = "127.0.0.1" if host == "localhost" else host
        self.port = port
        self.behaviour = Behaviour(
            pose=POSES[pose],
            name=name,
            reply=dict(reply or {}),
            delay=dict(delay or {}),
            drop=frozenset(drop),
            without=frozenset(keyword.upper() for keyword in without),
            tls=tls,
            auth=None if auth is None else tuple(auth),
            auth_before_tls=None if auth_before_tls is None else tuple(auth_before_tls),
            credentials=credentials or Credentials(),
        )
        self._certificate = certificate or Certificate()
        if scenario:
            played = _scenarios().find(scenario)
            self.behaviour = played.mixed_with(self.behaviour, hurry)
        if not self.behaviour.name:
            self.behaviour = self.behaviour._replace(name="mail1.contoso.com")
        self._context: Optional[ssl.SSLContext] = None
        self._check()
        self._echo = echo
        #: Lines received, without line ends, those of messages and their final dot included.
        self.received: list[str] = []
        #: Lines received (``C: ...``) and sent (``S: ...``).
        self.transcript: list[str] = []
        #: Accepted messages as the client meant them, with dot stuffing undone.
        self.messages: list[bytes] = []
        self.connections: set[asyncio.WriteTransport] = set()
        self.numbers = itertools.count(5111011082268)

    def _check(self) -> None:
        try:
            loopback = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ValueError(f"host {self.host!r} is not a loopback address")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        self.behaviour.check()
        self._certificate.check()
        if self.behaviour.tls in ("starttls", "implicit") or self._certificate.file:
            self._context = self._certificate.context(self.behaviour.name)

    @property
    def context(self) -> Optional[ssl.SSLContext]:
        """Settings of TLS, made when they are needed; ``None`` if there can be none."""
        if self._context is None:
            try:
                self._context = self._certificate.context(self.behaviour.name)
            except CannotMakeError:
                # Nobody has asked for TLS but a client, to which a server without a certificate
                # says that it is not available.
                return None
        return self._context

    def note(self, speaker: str, line: bytes) -> None:
        """Record a line; ``speaker`` is ``C`` or ``S``, or ``~`` for an event beside them."""
        text = line.decode("ascii", "backslashreplace")
        if speaker == "C":
            self.received.append(text)
        self.transcript.append(f"{speaker}: {text}")
        self._say(self.transcript[-1])

    def _say(self, line: str) -> None:
        if self._echo:
            self._echo(line)

    def __enter__(self) -> Simulator:
        started: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), daemon=True
        )
        self._thread.start()
        self._stop = started.result()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stop()
        self._thread.join()

    async def _serve(self, started: Future[Callable[[], object]]) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        try:
            secured = self.context if self.behaviour.tls == "implicit" else None
            server = await loop.create_server(
                lambda: Server(self, loop), self.host, self.port, ssl=secured
            )
            self.port = server.sockets[0].getsockname()[1]
            # Here and not after the start, so that it comes before any connection's lines.
            self._say(f"listening on {self.host} port {self.port}")
        except Exception as error:
            started.set_exception(error)
            return
        started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        # Accept no more, but close the server last: asyncio leaves a connection that it accepted
        # just before open for ever.  Such a one has a task already, which ends with it.
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        while len(asyncio.all_tasks()) > 1:
            for transport in list(self.connections):
                transport.abort()
            await asyncio.sleep(0)
        server.close()


def _scenarios() -> ModuleType:
    """Import the scenarios, which need the plugin's own tables."""
    try:
        import scenarios
    except ImportError as error:
        raise ValueError(f"scenarios need the plugin's package beside contrib: {error}") from None
    return scenarios


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def _by_stage(arguments: list[str]) -> dict[str, str]:
    for argument in arguments:
        if "=" not in argument:
            raise ValueError(f"{argument!r} has not the form STAGE=VALUE")
    return dict(argument.split("=", 1) for argument in arguments)


def _parser() -> _Parser:
    parser = _Parser(
        prog="exchange_simulator",
        description="Pose as the SMTP service of Microsoft Exchange, on the loopback interface.",
        epilog=f"STAGE is one of {' '.join(STAGES)}.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--scenario", default="", metavar="NAME", help="play this trouble by its name")
    add("--list-scenarios", action="store_true", help="list the names, and end")
    add("--hurry", type=float, default=1, metavar="FACTOR",
        help="divide the delays of the scenario by this (default 1)")  # fmt: skip
    add("--pose", default="2019", metavar="NAME", help=f"{' '.join(POSES)} (default 2019)")
    add("--host", default="127.0.0.1", help="loopback address to listen on (default 127.0.0.1)")
    add("--port", type=int, default=0, help="TCP port (default 0: any free one)")
    add("--name", default="", help="the server's own name (default mail1.contoso.com)")
    for flag, value, text in (
        ("--reply", "STAGE=TEXT", "answer TEXT at STAGE; \\n separates reply lines"),
        ("--delay", "STAGE=SECONDS", "wait before the answer at STAGE"),
        ("--drop", "STAGE", "close the connection instead of answering at STAGE"),
        ("--without", "KEYWORD", "do not offer this EHLO keyword"),
    ):
        add(flag, action="append", default=[], metavar=value, help=f"{text}; repeatable")
    add("--tls", default="", metavar="MODE",
        help=f"{' '.join(TLS_MODES)} (default: STARTTLS if the pose offers it)")  # fmt: skip
    add("--certificate", default="", metavar="FILE",
        help="certificate in PEM (default: one is made, signed by itself)")  # fmt: skip
    add("--key", default="", metavar="FILE", help="its key, if not in the same file")
    add("--certificate-days", type=float, default=90, metavar="N",
        help="days that a certificate that is made is valid (default 90); negative: it has "
        "expired")  # fmt: skip
    add("--require-client-certificate", default="", metavar="CAFILE",
        help="demand a client certificate of these authorities")  # fmt: skip
    add("--auth", metavar="MECHS", help=f"offer AUTH inside TLS: {' '.join(MECHANISMS)}")
    add("--auth-before-tls", metavar="MECHS", help="offer AUTH without TLS")
    add("--user", default="", metavar="NAME", help="user whose logon is accepted")
    add("--password", default="", metavar="TEXT", help="password for LOGIN and PLAIN")
    add("--token", default="", metavar="TEXT", help="token for XOAUTH2")
    add("--verbose", action="store_true", help="print the dialogue with --run too")
    add("--run", nargs=argparse.REMAINDER, metavar="COMMAND",
        help="run COMMAND, {host} and {port} replaced in its words, and exit with its status; "
        "must be the last option")  # fmt: skip
    return parser


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn the command line's options into what :class:`Simulator` takes."""
    take = options.pop
    return {
        "reply": _by_stage(take("reply")),
        "delay": {stage: float(text) for stage, text in _by_stage(take("delay")).items()},
        "certificate": Certificate(
            take("certificate"),
            take("key"),
            take("require_client_certificate"),
            take("certificate_days"),
        ),
        "auth": _mechanisms(take("auth")),
        "auth_before_tls": _mechanisms(take("auth_before_tls")),
        "credentials": Credentials(take("user"), take("password"), take("token")),
        **options,
    }


def _mechanisms(text: Optional[str]) -> Optional[list[str]]:
    return None if text is None else text.upper().split()


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The reader has seen enough; serving goes on, and the flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(command: list[str], simulator: Simulator) -> int:
    """Run ``command`` against the simulator and return its exit status as a shell would."""
    host, port = simulator.host, str(simulator.port)
    words = [word.replace("{host}", host).replace("{port}", port) for word in command]
    child = subprocess.Popen(words)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: child.send_signal(received))
    status = child.wait()
    return status if status >= 0 else 128 - status


def _list_scenarios(parser: _Parser) -> int:
    try:
        lines = _scenarios().table()
    except ValueError as error:
        parser.error(str(error))
    for line in lines:
        _print(line)
    return 0


def main() -> int:
    """Run as a command and return the exit status."""
    # A locale that lacks a letter is no reason to end.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = vars(parser.parse_args())
    command, verbose = options.pop("run"), options.pop("verbose")
    if command == []:
        parser.error("--run needs a command")
    if options.pop("list_scenarios"):
        return _list_scenarios(parser)
    # aiosmtpd warns of every unknown command, which the dialogue shows already.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    ends = {signal.SIGTERM, signal.SIGINT}
    if command is None:
        # Before the thread starts, because it inherits the mask.
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        echo = _print if verbose or command is None else None
        simulator = Simulator(**_arguments(options), echo=echo)
        with simulator:
            if command is not None:
                return _run(command, simulator)
            signal.sigwait(ends)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""An SMTP server that poses as Microsoft Exchange, for tests and for rehearsing an alert chain.

It speaks real SMTP on the loopback interface, with the banner, the EHLO keywords and the reply
texts of the chosen generation, and it misbehaves on request: ``--reply``, ``--delay``, ``--drop``,
``--without``, or by the name of a trouble, ``--scenario``.  It needs aiosmtpd 1.4 or later.
"""

# aiosmtpd finds its hooks by the command's name in capitals: handle_MAIL, smtp_DATA.
# ruff: noqa: N802

from __future__ import annotations

import argparse
import asyncio
import collections
import datetime
import email.parser
import email.utils
import ipaddress
import itertools
import logging
import math
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any, AnyStr, Callable, NoReturn, Optional

try:
    from aiosmtpd.smtp import SMTP, Envelope, Session
except ImportError:
    if __name__ != "__main__":
        raise
    sys.exit("exchange_simulator: error: the package aiosmtpd is missing (pip install aiosmtpd)")

# The modules beside this one are not found when it is loaded by its path, as tests do.
sys.path.append(str(Path(__file__).resolve().parent))

import logon
from certificates import CannotMakeError, Certificate
from poses import MECHANISMS, POSES, STAGES, TLS_MODES, Answer, Behaviour, Credentials


class Hooks:
    """aiosmtpd's handler: decides each command's answer and, if it accepts, the state after it."""

    async def handle_EHLO(
        self, server: Server, session: Session, _: Envelope, host: str, _usual: list[str]
    ) -> list[str]:
        """Greet, and list the keywords."""
        if server.turned_away:
            return [server.BAD_SEQUENCE]
        answer = await server.answer_ehlo()
        if answer.accepts:
            session.host_name = host
        # One element is one write; aiosmtpd writes each element by itself.
        return [answer]

    async def handle_HELO(self, server: Server, session: Session, _: Envelope, host: str) -> str:
        """Greet a client that fell back to HELO."""
        if server.turned_away:
            return server.BAD_SEQUENCE
        answer = await server.answer("helo", peer=server.peer)
        if answer.accepts:
            session.host_name = host
        return answer

    async def handle_MAIL(
        self, server: Server, _: Session, envelope: Envelope, address: str, opts: list[str]
    ) -> str:
        """Take the sender."""
        answer = await server.answer_mail(address)
        if answer.accepts:
            envelope.mail_from = address
            envelope.mail_options.extend(opts)
        return answer

    async def handle_RCPT(
        self, server: Server, _: Session, envelope: Envelope, address: str, opts: list[str]
    ) -> str:
        """Take a recipient."""
        answer = await server.answer("rcpt", address=address)
        if answer.accepts:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(opts)
        return answer

    async def handle_DATA(self, server: Server, _: Session, envelope: Envelope) -> str:
        """Take the message, after its final dot."""
        return await server.answer_message(envelope.original_content or b"")

    async def handle_QUIT(self, server: Server, *_: object) -> str:
        """Say goodbye; aiosmtpd closes the connection afterwards."""
        return await server.answer("quit")


class Server(SMTP):
    """One connection."""

    BAD_SEQUENCE = Answer("503 5.5.2 Bad sequence of commands")

    #: A token of OAuth is one line of some kilobytes (RFC 4954 4, 4.5.3).
    line_length_limit = 16384

    #: Parameters of RFC 3461, which aiosmtpd does not know.
    DSN_PARAMETER = re.compile(r"\s(?:NOTIFY|ORCPT|RET|ENVID)=\S+", re.IGNORECASE)

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self.behaviour = simulator.behaviour
        self.turned_away = False
        self._greeted = False
        self._unfinished_line = b""
        self._go_ahead = Answer()
        self._data_began = 0.0
        super().__init__(
            Hooks(),
            loop=loop,
            hostname=self.behaviour.name,
            data_size_limit=self.behaviour.size_limit,
            enable_SMTPUTF8=self.behaviour.offers("SMTPUTF8"),
            timeout=300 + max(self.behaviour.delay.values(), default=0),
        )
        # aiosmtpd shares these between all connections.
        self.command_size_limits = collections.defaultdict(
            lambda: self.command_size_limit, AUTH=self.line_length_limit
        )

    @property
    def peer(self) -> str:
        """The client's address."""
        return str(self.session.peer[0]) if self.session and self.session.peer else ""

    @property
    def secured(self) -> bool:
        """Whether TLS protects the connection, begun with it or by STARTTLS."""
        return bool(self.transport and self.transport.get_extra_info("sslcontext"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection, known to the simulator so that it can end it."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.simulator.connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Optional[Exception]) -> None:
        """End the connection; what came without a line end is noted nevertheless."""
        if self._unfinished_line:
            self.simulator.note("C", self._unfinished_line)
        if isinstance(self.transport, asyncio.WriteTransport):
            self.simulator.connections.discard(self.transport)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Note what comes in, line by line."""
        *lines, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
        for line in lines:
            self.simulator.note("C", line.rstrip(b"\r"))
        super().data_received(data)

    def eof_received(self) -> bool:
        """Close when the client has closed."""
        super().eof_received()
        # True would leave the connection open when the client goes while the banner is delayed.
        return False

    async def answer(self, stage: str, **fields: object) -> Answer:
        """Choose the answer at ``stage``, after the delay; does not return if it is dropped."""
        await asyncio.sleep(self.behaviour.delay.get(stage, 0))
        if stage in self.behaviour.drop:
            await self._hang_up()
        return self.behaviour.answer(stage, **fields)

    async def answer_ehlo(self) -> Answer:
        """Choose the answer to EHLO, with what is offered on this connection."""
        await self.answer("ehlo", peer=self.peer)
        return self.behaviour.answer_ehlo(self.peer, self.secured)

    async def answer_mail(self, address: str) -> Answer:
        """Choose the answer to MAIL, refused to those who lack what the pose demands."""
        answer = await self.answer("mail", address=address)
        pose = self.behaviour.pose
        lacking = "" if self.secured else pose.unsecured
        if self.session and not self.session.authenticated:
            lacking = lacking or pose.anonymous
        if not lacking or "mail" in self.behaviour.reply:
            return answer
        return self.behaviour.say(lacking)

    async def answer_banner(self) -> Answer:
        """Choose the banner; after one that is no 220 nothing but QUIT is served."""
        now = email.utils.format_datetime(datetime.datetime.now().astimezone())
        # Exchange writes the day of the month without a leading zero.
        date = now.replace(", 0", ", ", 1)
        answer = await self.answer("banner", date=date, session=secrets.token_hex(8).upper())
        self.turned_away = not answer.accepts
        return answer

    async def answer_message(self, content: bytes) -> Answer:
        """Choose the answer to the final dot, and keep the message if it is positive."""
        seconds = max(time.monotonic() - self._data_began, 0.001)
        header = email.parser.BytesHeaderParser().parsebytes(content)
        answer = await self.answer(
            "message",
            message_id=str(header["Message-ID"] or f"<{uuid.uuid4()}@{self.hostname}>").strip(),
            number=next(self.simulator.numbers),
            size=len(content),
            seconds=seconds,
            rate=len(content) / 1024 / seconds,
        )
        if answer.accepts:
            self.simulator.messages.append(content)
        return answer

    async def push(self, status: AnyStr) -> None:
        """Send a reply in one write; aiosmtpd's own texts are put into the pose's words."""
        text: str = status.decode() if isinstance(status, bytes) else status
        if not self._greeted:
            # aiosmtpd has no hook for the banner, but nothing is sent before it.
            self._greeted = True
            text = await self.answer_banner()
        elif text.startswith("354 "):
            text = self._go_ahead
        elif not isinstance(text, Answer):
            wording = self.behaviour.pose.wording.items()
            text = next((ours for theirs, ours in wording if text.startswith(theirs)), text)
        lines = [line.encode("utf-8", "surrogateescape") for line in text.split("\n")]
        for line in lines:
            self.simulator.note("S", line)
        self._writer.write(b"\r\n".join(lines) + b"\r\n")
        await self._writer.drain()
        if Answer(text).code == "421":
            await self._hang_up()

    async def _hang_up(self) -> NoReturn:
        self._writer.close()
        # connection_lost() cancels the task that waits here.
        await self.loop.create_future()
        raise AssertionError

    def _dsn_removed(self, argument: Optional[str]) -> Optional[str]:
        if argument and self.behaviour.offers("DSN"):
            return self.DSN_PARAMETER.sub("", argument)
        return argument

    async def smtp_EHLO(self, hostname: Optional[str]) -> None:
        """Answer EHLO, which Exchange accepts without a host name too."""
        await super().smtp_EHLO(hostname or f"[{self.peer}]")

    async def smtp_MAIL(self, arg: Optional[str]) -> None:
        """Answer MAIL, with RET and ENVID allowed if DSN is offered."""
        await super().smtp_MAIL(self._dsn_removed(arg))

    async def smtp_RCPT(self, arg: Optional[str]) -> None:
        """Answer RCPT, with NOTIFY and ORCPT allowed if DSN is offered."""
        await super().smtp_RCPT(self._dsn_removed(arg))

    async def smtp_STARTTLS(self, arg: Optional[str]) -> None:
        """Answer STARTTLS; aiosmtpd's own way breaks with asyncio of Python 3.11 and later."""
        if await self.check_helo_needed():
            return
        offered = self.behaviour.offers("STARTTLS") or "starttls" in self.behaviour.reply
        if self.secured or not offered:
            await self.push('500 Error: command "STARTTLS" not recognized')
            return
        if arg:
            await self.push("501 Syntax: STARTTLS")
            return
        answer = await self.answer("starttls")
        context = self.simulator.context if answer.code == "220" else None
        if context is not None and isinstance(self.transport, asyncio.Transport):
            # The first bytes of the handshake are not for the command reader.
            self.transport.pause_reading()
            await self.push(answer)
            await self._shake_hands(self.transport, context)
        elif answer.code == "220":
            await self.push(Answer("454 4.7.0 TLS not available due to temporary reason"))
        else:
            await self.push(answer)

    async def _shake_hands(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        text = await self.answer("handshake")
        if text:
            transport.resume_reading()
            await self.push(text)
            # Closing would reset the connection, for the client's part of the handshake comes too.
            await self.loop.create_future()
        # What came after STARTTLS in clear must not be taken for a command (RFC 3207 6).
        self._reader._buffer.clear()  # type: ignore[attr-defined]
        self._unfinished_line = b""
        secured: Optional[asyncio.Transport] = None
        failure: Optional[OSError] = None
        try:
            secured = await self.loop.start_tls(transport, self, context, server_side=True)
        except OSError as error:
            failure = error
        if secured is None:
            # Some versions of asyncio return nothing when the connection is lost in between.
            self.simulator.note("~", str(failure or "connection lost in the handshake").encode())
            if self.transport is not None:
                self.connection_lost(failure)
            transport.abort()
            return
        self.simulator.connections.discard(transport)
        self.simulator.connections.add(secured)
        self._move_to(secured)
        agreed = secured.get_extra_info("ssl_object")
        self.simulator.note("~", f"{agreed.version()} {agreed.cipher()[0]}".encode())

    def _move_to(self, transport: asyncio.Transport) -> None:
        """Go on inside TLS, with nothing known of before (RFC 3207 4.2)."""
        self.transport = transport
        # What asyncio's StreamWriter.start_tls does, which Python 3.9 lacks.
        for part in (self._reader, self._writer, self):
            part.__dict__["_transport"] = transport
        self._over_ssl = True
        peer = self.session.peer if self.session else None
        self.session = self._create_session()
        self.session.peer = peer
        self._set_rset_state()  # type: ignore[no-untyped-call]

    async def smtp_AUTH(self, arg: Optional[str]) -> None:
        """Answer AUTH: a reply of one's own at once, else the verdict after the exchange."""
        if await self.check_helo_needed("EHLO"):
            return
        assert self.session is not None
        behaviour = self.behaviour
        words = (arg or "").split()
        if self.session.authenticated:
            await self.push(Answer("503 5.5.2 Already authenticated"))
        elif not 1 <= len(words) <= 2:
            await self.push("501 Syntax: AUTH")
        elif "auth" in behaviour.reply:
            answer = await self.answer("auth")
            await self.push(answer)
            self.session.authenticated = answer.accepts
            if answer.code == "334":
                await self._read_line()
                await self.push(behaviour.say(behaviour.pose.logon_failed))
        elif words[0].upper() not in behaviour.mechanisms(self.secured):
            await self.push(Answer("504 5.7.4 Unrecognized authentication type"))
        else:
            await self.push(await self._log_on(words[0].upper(), *words[1:]))

    async def _log_on(self, mechanism: str, initial: Optional[str] = None) -> Answer:
        assert self.session is not None
        behaviour = self.behaviour
        try:
            response = None if initial is None else logon.decode(initial)
            verified = await logon.verify(mechanism, response, behaviour.credentials, self._ask)
        except logon.BadResponseError:
            return Answer("501 5.5.4 Invalid arguments")
        self.session.authenticated = verified
        answer = await self.answer("auth")
        return answer if verified else behaviour.say(behaviour.pose.logon_failed)

    async def _ask(self, challenge: str) -> bytes:
        await self.push(Answer(f"334 {challenge}"))
        return logon.decode(await self._read_line())

    async def _read_line(self) -> str:
        line: bytes = await self._reader.readuntil()
        return line.decode("ascii", "replace").rstrip("\r\n")

    async def smtp_DATA(self, arg: str) -> None:
        """Answer DATA: a stage only when a recipient was accepted, else aiosmtpd's 503."""
        if self.envelope and self.envelope.rcpt_tos and not arg:
            self._go_ahead = await self.answer("data")
            if self._go_ahead.code != "354":
                await self.push(self._go_ahead)
                return
            self._data_began = time.monotonic()
        await super().smtp_DATA(arg)


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

"""One connection of the simulator: aiosmtpd's SMTP server with the replies of the pose."""

# aiosmtpd finds its hooks by the name of the command: handle_MAIL, smtp_DATA.
# ruff: noqa: N802

from __future__ import annotations

import asyncio
import collections
import datetime
import email.parser
import email.utils
import itertools
import re
import secrets
import ssl
import time
import uuid
from typing import AnyStr, NoReturn, Optional, Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session

from . import logon
from .poses import Answer, Behaviour


class Simulation(Protocol):
    """What a connection needs of its server."""

    behaviour: Behaviour
    connections: set[asyncio.WriteTransport]
    numbers: itertools.count[int]
    turns: itertools.count[int]

    @property
    def context(self) -> Optional[ssl.SSLContext]:
        """The TLS settings; ``None`` if no certificate can be made."""

    def note(self, speaker: str, line: bytes) -> None:
        """Record a line."""

    def take(self, content: bytes) -> None:
        """Keep a message that was accepted."""


class Hooks:
    """aiosmtpd's handler: chooses each reply, and changes the state if it accepts."""

    async def handle_EHLO(
        self, server: Server, session: Session, _: Envelope, host: str, _usual: list[str]
    ) -> list[str]:
        """Greet, and list the keywords."""
        if server.turned_away:
            return [server.BAD_SEQUENCE]
        answer = await server.answer_ehlo()
        if answer.accepts:
            session.host_name = host
        # aiosmtpd writes each element separately, so all lines are one element.
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
        """Answer MAIL."""
        answer = await server.answer_mail(address)
        if answer.accepts:
            envelope.mail_from = address
            envelope.mail_options.extend(opts)
        return answer

    async def handle_RCPT(
        self, server: Server, _: Session, envelope: Envelope, address: str, opts: list[str]
    ) -> str:
        """Answer RCPT."""
        answer = await server.answer("rcpt", address=address)
        if answer.accepts:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(opts)
        return answer

    async def handle_DATA(self, server: Server, _: Session, envelope: Envelope) -> str:
        """Answer the final dot."""
        return await server.answer_message(envelope.original_content or b"")

    async def handle_QUIT(self, server: Server, *_: object) -> str:
        """Answer QUIT; aiosmtpd closes the connection afterwards."""
        return await server.answer("quit")


class Server(SMTP):
    """One connection."""

    BAD_SEQUENCE = Answer("503 5.5.2 Bad sequence of commands")

    #: An OAuth token is one line of some kilobytes (RFC 4954 4, 4.5.3).
    line_length_limit = 16384

    #: Parameters of RFC 3461, which aiosmtpd does not know.
    DSN_PARAMETER = re.compile(r"\s(?:NOTIFY|ORCPT|RET|ENVID)=\S+", re.IGNORECASE)

    def __init__(self, simulator: Simulation, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self.behaviour = simulator.behaviour.at_connection(next(simulator.turns))
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
        """Whether the connection uses TLS, from its first byte or since STARTTLS."""
        return bool(self.transport and self.transport.get_extra_info("sslcontext"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection, and register it so that the simulator can end it."""
        assert isinstance(transport, asyncio.WriteTransport)
        self.simulator.connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Optional[Exception]) -> None:
        """End the connection, and record a last line without a line end."""
        if self._unfinished_line:
            self.simulator.note("C", self._unfinished_line)
        if isinstance(self.transport, asyncio.WriteTransport):
            self.simulator.connections.discard(self.transport)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Record what the client sends, line by line."""
        *lines, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
        for line in lines:
            self.simulator.note("C", line.rstrip(b"\r"))
        super().data_received(data)

    def eof_received(self) -> bool:
        """Close when the client has closed."""
        super().eof_received()
        # True would leave the connection open if the client closes while the banner is delayed.
        return False

    async def answer(self, stage: str, **fields: object) -> Answer:
        """Return the answer at ``stage`` after the delay; never returns if the connection drops."""
        await asyncio.sleep(self.behaviour.delay.get(stage, 0))
        if stage in self.behaviour.drop:
            await self._hang_up()
        return self.behaviour.answer(stage, **fields)

    async def answer_ehlo(self) -> Answer:
        """Return the answer to EHLO, with the keywords offered on this connection."""
        await self.answer("ehlo", peer=self.peer)
        return self.behaviour.answer_ehlo(self.peer, self.secured)

    async def answer_mail(self, address: str) -> Answer:
        """Return the answer to MAIL: a refusal if TLS or a logon is required and missing."""
        answer = await self.answer("mail", address=address)
        pose = self.behaviour.pose
        lacking = "" if self.secured else pose.unsecured
        if self.session and not self.session.authenticated:
            lacking = lacking or pose.anonymous
        if not lacking or "mail" in self.behaviour.reply:
            return answer
        return self.behaviour.say(lacking)

    async def answer_banner(self) -> Answer:
        """Return the banner; unless it is a 220, only QUIT is served afterwards."""
        now = email.utils.format_datetime(datetime.datetime.now().astimezone())
        # Exchange writes the day of the month without a leading zero.
        date = now.replace(", 0", ", ", 1)
        answer = await self.answer("banner", date=date, session=secrets.token_hex(8).upper())
        self.turned_away = not answer.accepts
        return answer

    async def answer_message(self, content: bytes) -> Answer:
        """Return the answer to the final dot, and keep the message if it is positive."""
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
            self.simulator.take(content)
        return answer

    async def push(self, status: AnyStr) -> None:
        """Send a reply in one write, with aiosmtpd's own texts replaced by those of the pose."""
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
        """Answer EHLO, which Exchange also accepts without a host name."""
        await super().smtp_EHLO(hostname or f"[{self.peer}]")

    async def smtp_MAIL(self, arg: Optional[str]) -> None:
        """Answer MAIL, with RET and ENVID allowed if DSN is offered."""
        await super().smtp_MAIL(self._dsn_removed(arg))

    async def smtp_RCPT(self, arg: Optional[str]) -> None:
        """Answer RCPT, with NOTIFY and ORCPT allowed if DSN is offered."""
        await super().smtp_RCPT(self._dsn_removed(arg))

    async def smtp_STARTTLS(self, arg: Optional[str]) -> None:
        """Answer STARTTLS; aiosmtpd's own method fails with asyncio of Python 3.11 and later."""
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
            # The command reader must not get the first bytes of the handshake.
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
            # Closing would reset the connection, because the client still sends its handshake.
            await self.loop.create_future()
        # Plain text after STARTTLS must not be taken for a command (RFC 3207 6).
        self._reader._buffer.clear()  # type: ignore[attr-defined]
        self._unfinished_line = b""
        secured: Optional[asyncio.Transport] = None
        failure: Optional[OSError] = None
        try:
            secured = await self.loop.start_tls(transport, self, context, server_side=True)
        except OSError as error:
            failure = error
        if secured is None:
            # Some versions of asyncio return None if the connection is lost meanwhile.
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
        """Continue inside TLS and forget what was said before (RFC 3207 4.2)."""
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
        """Answer AUTH: with the reply that was given, else after the logon."""
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
        """Answer DATA; without an accepted recipient, with aiosmtpd's 503."""
        if self.envelope and self.envelope.rcpt_tos and not arg:
            self._go_ahead = await self.answer("data")
            if self._go_ahead.code != "354":
                await self.push(self._go_ahead)
                return
            self._data_began = time.monotonic()
        await super().smtp_DATA(arg)

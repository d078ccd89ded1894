"""The simulated server."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import math
import ssl
import tempfile
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Callable, Optional, Union

from .certificates import CannotMakeError, Certificate, self_signed
from .dialogues import Server
from .mailbox import USER, Mailbox, serve
from .names import ADDRESS, DOMAIN, Records, publish
from .poses import POSES, Behaviour, Credentials
from .scenarios import find


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
        address: Optional[Mapping[str, str]] = None,
        node: Iterable[str] = (),
        delay: Optional[Mapping[str, float]] = None,
        drop: Iterable[str] = (),
        without: Iterable[str] = (),
        tls: str = "",
        certificate: Optional[Certificate] = None,
        auth: Optional[Iterable[str]] = None,
        auth_before_tls: Optional[Iterable[str]] = None,
        credentials: Optional[Credentials] = None,
        mailbox: str = "",
        echo: Optional[Callable[[str], object]] = None,
    ) -> None:
        """Take the options of the command line.

        They override those of the scenario, except for the scenario's own pose.

        :raises ValueError: an option cannot be used
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
            nodes=tuple((text.partition("=")[0], text.partition("=")[2]) for text in node),
            addresses={name.lower(): text for name, text in (address or {}).items()},
        )
        self._certificate = certificate or Certificate()
        #: Options that name what the plugin tests: the server, or its domain by a name server.
        self.target: tuple[str, ...] = ("-H", self.host)
        #: Other options that the plugin needs to see the scenario.
        self.options: tuple[str, ...] = ()
        self._published: Records = {}
        if scenario:
            played = find(scenario)
            self.options = played.options
            mailbox = mailbox or played.mailbox
            self._published = played.published
            self.behaviour = played.mixed_with(self.behaviour, hurry)
        if not self.behaviour.name:
            self.behaviour = self.behaviour._replace(name="mail1.contoso.com")
        self._context: Optional[ssl.SSLContext] = None
        #: Where the accepted messages arrive; ``None`` for nowhere.
        self.mailbox = Mailbox(mailbox) if mailbox else None
        self._check()
        self._echo = echo
        #: Lines received, without line ends, including messages and their final dots.
        self.received: list[str] = []
        #: Lines received (``C: ...``) and sent (``S: ...``).
        self.transcript: list[str] = []
        #: Accepted messages, without dot stuffing.
        self.messages: list[bytes] = []
        self.connections: set[asyncio.WriteTransport] = set()
        self._listeners: list[Union[asyncio.Server, asyncio.BaseTransport]] = []
        self._directory = tempfile.TemporaryDirectory(prefix="simulator-")
        self.numbers = itertools.count(5111011082268)
        #: The numbers of the connections.
        self.turns = itertools.count()

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
        """The TLS settings, made at first use; ``None`` if no certificate can be made."""
        if self._context is None:
            try:
                self._context = self._certificate.context(self.behaviour.name)
            except CannotMakeError:
                # No option asks for TLS, only a client does.  It gets the reply of a server without
                # a certificate.
                return None
        return self._context

    def note(self, speaker: str, line: bytes) -> None:
        """Record a line of the client (``C``) or the server (``S``), or an event (``~``)."""
        text = line.decode("ascii", "backslashreplace")
        if speaker == "C":
            self.received.append(text)
        self.transcript.append(f"{speaker}: {text}")
        self._say(self.transcript[-1])

    def take(self, content: bytes) -> None:
        """Keep a message that was accepted, and deliver it if there is a mailbox."""
        self.messages.append(content)
        if self.mailbox is not None:
            self.mailbox.accept(content, self.behaviour.name)

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
        self._directory.cleanup()

    async def _serve_mailbox(self, mailbox: Mailbox) -> None:
        """Start the IMAP server, and tell the plugin how it looks into the mailbox."""
        context, authority = self_signed(self.host)
        listener = await serve(mailbox, context, self.host, self.connections)
        self._listeners.append(listener)
        port = listener.sockets[0].getsockname()[1]
        file = Path(self._directory.name) / "mailbox.pem"
        file.write_bytes(authority)
        # The plugin may run as another user.
        file.parent.chmod(0o755)
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.options += (
            *("--delivered", f"imaps://{USER}@{host}:{port}/INBOX,Junk%20Email"),
            *("--ca-file", str(file), "-w", "delivered=900", "-c", "delivered=1800"),
        )

    async def _serve_names(self, at: int) -> None:
        """Start the name server, and tell the plugin how it finds the domain."""
        listener, port = await publish(
            self._published, self.behaviour.name.lower(), self.host, self.port, at
        )
        self._listeners.append(listener)
        self.target = ("-d", DOMAIN, "--nameserver", f"{ADDRESS}:{port}")

    async def _serve(self, started: Future[Callable[[], object]]) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        try:
            secured = self.context if self.behaviour.tls == "implicit" else None
            server = await loop.create_server(
                lambda: Server(self, loop), self.host, self.port, ssl=secured
            )
            given, self.port = self.port, server.sockets[0].getsockname()[1]
            if self.mailbox is not None:
                await self._serve_mailbox(self.mailbox)
            if self._published:
                # A monitoring system can be told a port that stays the same.
                await self._serve_names(given)
            # Here and not after the start, so that it comes before the lines of any connection.
            self._say(f"listening on {self.host} port {self.port}")
            needed = (*(self.target if self._published else ()), *self.options)
            if needed:
                self._say(f"the plugin needs: {' '.join(needed)}")
        except Exception as error:  # The thread that waits for the start must hear of it.
            started.set_exception(error)
            return
        started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        for listener in self._listeners:
            listener.close()
        # Accept no more connections, but close the server last: asyncio would leave a connection
        # open that it accepted just before.  Such a connection already has a task.
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        while len(asyncio.all_tasks()) > 1:
            for transport in list(self.connections):
                transport.abort()
            await asyncio.sleep(0)
        server.close()

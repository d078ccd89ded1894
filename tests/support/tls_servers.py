"""Servers that speak TLS and AUTH, well or badly, their certificates, and the plugin run fast.

The servers are real ones on loopback ports, with real TLS.  The plugin is run by :class:`Plugin` as
a process of its own, but as the fork of a process that has imported everything: a table of some
hundred runs takes seconds and not minutes.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import ipaddress
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.scripted_server import PATIENCE

CHECKOUT = Path(__file__).resolve().parents[2]
USER, PASSWORD, TOKEN = "probe@contoso.com", "Password123 & more", "eyJ0eXAi.token-of-the-probe.sig"
MAILBOX_KEYWORDS = ("SIZE 37748736", "PIPELINING", "DSN", "8BITMIME")


# Certificates.


class Certified(NamedTuple):
    """A certificate with its key, each in a file of PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    #: Certificate and key in one file.
    file: str

    def context(self, **settings: Any) -> ssl.SSLContext:
        """A server's context with this certificate; ``settings`` are set on it."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.file)
        for name, value in settings.items():
            setattr(made, name, value)
        return made


class Authority:
    """An authority of its own, and what it issues into ``directory``."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = _distinguished(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self._name, self._key, (), -1, 3650, authority=True)
        #: The authority's certificate in PEM.
        self.file = str(directory / f"{name.replace(' ', '-')}.pem")
        Path(self.file).write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *names: str,
        begins: float = -1,
        ends: float = 90,
        itself: bool = False,
        subject: str = "",
    ) -> Certified:
        """A certificate for ``names`` from ``begins`` to ``ends``, in days from now.

        ``itself``: signed with its own key and not by the authority.  ``subject``: its common name,
        if that is not ``name``.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        holder = _distinguished(subject or name)
        signed = self._sign(holder, key, names, begins, ends, itself=itself)
        file = self._directory / f"{name}-{signed.serial_number}.pem"
        file.write_bytes(
            signed.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Certified(signed, key, str(file))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[str],
        begins: float,
        ends: float,
        *,
        itself: bool = False,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if itself else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=ends))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False
            )
        return builder.sign(key if itself else self._key, hashes.SHA256())


def _distinguished(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _general_name(name: str) -> x509.GeneralName:
    if name.startswith("dns:"):
        return x509.DNSName(name[4:])
    if name.startswith("directory:"):
        return x509.DirectoryName(_distinguished(name[10:]))
    if re.fullmatch(r"[0-9.]+|.*:.*", name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


class Certificates:
    """One of each kind."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "Test CA")
        self.stranger = Authority(directory, "Unknown CA")
        own = ("mx.test", "127.0.0.1")
        self.good = self.authority.issue("mx.test", *own, ends=90.5)
        self.expiring = self.authority.issue("mx.test", *own, ends=5.5)
        self.expired = self.authority.issue("mx.test", *own, begins=-90, ends=-3.5)
        self.future = self.authority.issue("mx.test", *own, begins=3, ends=90)
        self.other_name = self.authority.issue("other.test", "other.test", "192.0.2.1")
        self.self_signed = self.authority.issue("mx.test", *own, itself=True)
        self.untrusted = self.stranger.issue("mx.test", *own)
        self.client = self.authority.issue("probe")
        self.strange_client = self.stranger.issue("probe")


# Servers.


class Talk:
    """One connection as the server sees it."""

    def __init__(self, connection: socket.socket, heard: list[bytes]) -> None:
        self.connection = connection
        self._rest = b""
        self._heard = heard
        #: The name that the client asked for in its handshake.
        self.asked_for: Optional[str] = None

    def tell(self, data: bytes) -> None:
        self.connection.sendall(data)

    def line(self) -> bytes:
        """The next line without its end.

        :raises OSError: the client has gone
        """
        while b"\n" not in self._rest:
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionAbortedError("the client has gone")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self._heard.append(line + b"\n")
        return line.rstrip(b"\r")

    def secure(self, context: ssl.SSLContext) -> None:
        """Do the handshake."""

        def note(_: Any, name: Optional[str], __: Any) -> None:
            self.asked_for = name

        context.sni_callback = note
        # What came before the handshake in plain text is none of TLS's business.
        assert self._rest == b""
        self.connection = context.wrap_socket(self.connection, server_side=True)

    def wait(self) -> None:
        """Wait until the client goes; what it says is of no interest."""
        while self.connection.recv(65536):
            pass


class Peer:
    """A server whose every connection is played by ``play``, in a thread of its own."""

    def __init__(self, play: Callable[[Talk], None]) -> None:
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[bytes] = []
        self.talks: list[Talk] = []
        #: What broke a connection; often that is just what the test wants.
        self.losses: list[OSError] = []
        self.faults: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def close(self) -> None:
        """Take no more connections, and wait until the last one is played to its end."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the client did not go"
        self._listener.close()
        assert self.faults == [], self.faults

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            # Tickets and reply are two writes, and Nagle would hold the second one back.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(connection, self.heard)
            self.talks.append(talk)
            self._begin(self._run, talk)

    def _run(self, talk: Talk) -> None:
        try:
            self._play(talk)
        except OSError as error:
            self.losses.append(error)
        except BaseException as error:
            self.faults.append(error)
        finally:
            talk.connection.close()


#: An answer to AUTH: mechanism and initial response in, final reply out.
Logon = Callable[[Talk, str, Optional[bytes]], bytes]


class Manners(NamedTuple):
    """How an SMTP server behaves."""

    context: Optional[ssl.SSLContext] = None
    #: TLS from the first byte.
    implicit: bool = False
    banner: bytes = b"220 mx.test ESMTP\r\n"
    before: tuple[str, ...] = (*MAILBOX_KEYWORDS, "STARTTLS")
    after: tuple[str, ...] = (*MAILBOX_KEYWORDS, "AUTH PLAIN LOGIN NTLM XOAUTH2")
    starttls: bytes = b"220 2.0.0 SMTP server ready\r\n"
    logon: Optional[Logon] = None


def ehlo_reply(*keywords: str) -> bytes:
    lines = ("mx.test Hello [127.0.0.1]", *keywords)
    marks = ["-"] * (len(lines) - 1) + [" "]
    return "".join(f"250{mark}{line}\r\n" for mark, line in zip(marks, lines)).encode()


def smtp(manners: Manners) -> Callable[[Talk], None]:
    """An SMTP server that takes all mail."""

    def play(talk: Talk) -> None:
        secured = manners.implicit
        if manners.implicit:
            assert manners.context is not None
            talk.secure(manners.context)
        talk.tell(manners.banner)
        while True:
            command = talk.line()
            verb, _, rest = command.decode("latin-1").partition(" ")
            if verb == "EHLO":
                talk.tell(ehlo_reply(*(manners.after if secured else manners.before)))
            elif verb == "STARTTLS":
                talk.tell(manners.starttls)
                if not manners.starttls.startswith(b"220"):
                    continue
                assert manners.context is not None
                talk.secure(manners.context)
                secured = True
            elif verb == "AUTH":
                assert manners.logon is not None, "nobody expects a logon"
                mechanism, _, initial = rest.partition(" ")
                talk.tell(manners.logon(talk, mechanism, _decoded(initial.encode())))
            elif verb == "DATA":
                talk.tell(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
                while talk.line() != b".":
                    pass
                talk.tell(b"250 2.6.0 Queued mail for delivery\r\n")
            elif verb in ("MAIL", "RCPT", "RSET"):
                talk.tell(b"250 2.1.0 Ok\r\n")
            elif verb == "QUIT":
                talk.tell(b"221 2.0.0 Bye\r\n")
                return
            else:
                raise AssertionError(f"the client said {command!r}")

    return play


def _decoded(initial: bytes) -> Optional[bytes]:
    if not initial:
        return None
    return b"" if initial == b"=" else base64.b64decode(initial, validate=True)


SUCCESS = b"235 2.7.0 Authentication successful\r\n"
FAILURE = b"535 5.7.3 Authentication unsuccessful\r\n"


def ask(talk: Talk, challenge: bytes) -> bytes:
    """Send a challenge; the client's response."""
    talk.tell(b"334 " + base64.b64encode(challenge) + b"\r\n")
    line = talk.line()
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        return line


def logon(talk: Talk, mechanism: str, initial: Optional[bytes]) -> bytes:
    """Let USER in with PASSWORD or TOKEN."""
    if mechanism == "PLAIN":
        good = initial == f"\0{USER}\0{PASSWORD}".encode()
    elif mechanism == "LOGIN":
        good = ask(talk, b"Username:") == USER.encode()
        good = ask(talk, b"Password:") == PASSWORD.encode() and good
    elif mechanism == "XOAUTH2":
        good = initial == f"user={USER}\1auth=Bearer {TOKEN}\1\1".encode()
        if not good:
            assert ask(talk, b'{"status":"401","schemes":"Bearer"}') == b""
    else:
        good = _ntlm(talk, mechanism, initial)
    return SUCCESS if good else FAILURE


def _ntlm(talk: Talk, mechanism: str, initial: Optional[bytes]) -> bool:
    """The server's part of NTLM is pyspnego's too, its hashes and signatures are checked."""
    import spnego
    import spnego.exceptions

    assert mechanism == "NTLM"
    server = spnego.server(protocol="ntlm")
    challenge = server.step(initial)
    assert challenge is not None
    try:
        server.step(ask(talk, challenge))
    except spnego.exceptions.SpnegoError:
        return False
    return bool(server.complete)


# STARTTLS that fails.

GO = b"220 2.0.0 Go\r\n"


def offering(
    starttls: bytes,
    after: Callable[[Talk], None] = Talk.wait,
    keywords: Sequence[str] = ("STARTTLS",),
) -> Callable[[Talk], None]:
    """A server that answers STARTTLS with ``starttls`` and goes on with ``after``."""

    def play(talk: Talk) -> None:
        talk.tell(b"220 mx.test ESMTP\r\n")
        assert talk.line().startswith(b"EHLO ")
        talk.tell(ehlo_reply(*keywords))
        assert talk.line() == b"STARTTLS"
        talk.tell(starttls)
        after(talk)

    return play


def half_a_server_hello(talk: Talk) -> None:
    assert talk.connection.recv(65536)
    talk.tell(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03half")
    talk.wait()


def drip(talk: Talk) -> None:
    """A record of the greatest length, a byte at a time."""
    assert talk.connection.recv(65536)
    talk.tell(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03")
    while True:
        talk.tell(b"\0")
        time.sleep(0.05)


def flood(talk: Talk) -> None:
    """Records of the handshake without end, each of them well-formed."""
    assert talk.connection.recv(65536)
    while True:
        talk.tell(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(0x3FFC))


# The plugin.


class Run(NamedTuple):
    """What one run left for Nagios to see."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def masked(self) -> str:
        """Standard output with each number of seconds as ``#s``."""
        text = re.sub(r"[0-9]+\.[0-9a-f]{20}@[0-9A-Za-z]+\.mailaccept", "ID", self.stdout)
        return re.sub(r"\b[0-9]+(\.[0-9]+)?s(?![A-Za-z0-9])", "#s", text)

    @property
    def first_line(self) -> str:
        """Without perfdata."""
        return self.masked.partition("\n")[0].partition(" | ")[0]

    @property
    def perfdata(self) -> dict[str, str]:
        """Values with unit and thresholds, by label."""
        places = [line.split("|", 1)[1] for line in self.stdout.splitlines() if "|" in line]
        assert len(places) <= 1
        return dict(word.split("=", 1) for place in places for word in shlex.split(place))

    def line(self, beginning: str) -> str:
        """The line that begins so, the seconds masked."""
        (found,) = [line for line in self.masked.splitlines() if line.startswith(beginning)]
        return found


_PARENT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import cryptography.hazmat.backends.openssl.backend, cryptography.x509, spnego
import check_exchange_mailaccept as plugin
import exchange_mailaccept.net.tls
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.update(job["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            name = f'{job["output"]}{descriptor}'
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv[1:] = job["argv"]
        plugin.main(job["argv"])
    status = os.waitpid(child, 0)[1]
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -status
    print(json.dumps([job["number"], code]), flush=True)
"""


class Plugin:
    """Runs the plugin: call it with the arguments."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._output = str(directory / "output")
        self._number = 0
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(CHECKOUT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )

    def __call__(self, *argv: str, **environment: str) -> Run:
        self._number += 1
        job = {
            "argv": argv,
            "environment": environment,
            "output": self._output,
            "number": self._number,
        }
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        # A test that was ended in the middle may have left an answer behind.
        number = exit_code = -1
        while number != self._number:
            number, exit_code = json.loads(self._parent.stdout.readline())
        out, err = (Path(f"{self._output}{number}").read_bytes() for number in (1, 2))
        return Run(exit_code, out.decode("ascii"), err.decode("ascii", "replace"))

    def against(self, server: Union[Peer, int], *argv: str, **environment: str) -> Run:
        """Test a server on a loopback port, by address."""
        port = server if isinstance(server, int) else server.port
        run = self(
            *("-H", "127.0.0.1", "-p", str(port), "-r", "postmaster@contoso.com"),
            *("-F", "probe.client.example", "-t", "10", *argv),
            **environment,
        )
        # Nothing is ever written there, whatever happens.
        assert run.stderr == ""
        return run._replace(stdout=run.stdout.replace(f"port {port}", "port PORT"))

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.stdout.close()
        self._parent.wait(PATIENCE)


class Observed(NamedTuple):
    """What the plugin left, and what it was in memory."""

    run: Run
    modules: frozenset[str]
    peak_kib: int


def observe(directory: Path, *argv: str, **environment: str) -> Observed:
    """Run the plugin from its file in a fresh process, and look at what it was made of."""
    observation = directory / "observation"
    script = (
        "import atexit, os, sys\n"
        "before = set(sys.modules)\n"
        "program, observation = sys.argv[1:3]\n"
        "sys.argv[:] = [program, *sys.argv[3:]]\n"
        "def note():\n"
        "    modules = sorted(set(sys.modules) - before)\n"
        "    with open('/proc/self/status') as status:\n"
        "        peak = next(line.split()[1] for line in status if line.startswith('VmHWM'))\n"
        "    with open(observation, 'w') as file:\n"
        "        file.write(' '.join([peak, *modules]))\n"
        "atexit.register(note)\n"
        # The plugin ends without Python's own tidying up.
        "leave = os._exit\n"
        "os._exit = lambda status: (note(), leave(status))\n"
        "import runpy\n"
        "runpy.run_path(program, run_name='__main__')\n"
    )
    program = str(CHECKOUT / "check_exchange_mailaccept.py")
    done = subprocess.run(
        [sys.executable, "-c", script, program, str(observation), *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )
    peak, *modules = observation.read_text().split()
    run = Run(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))
    return Observed(run, frozenset(modules), int(peak))


class Bare:
    """Runs the plugin by a Python that has what the plugin requires and none of its extras."""

    def __init__(self, directory: Path) -> None:
        import dns
        import nagiosplugin

        self.site = directory
        for package in (dns, nagiosplugin):
            source = Path(str(package.__file__)).parent
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, directory / source.name, ignore=unwanted)

    def __call__(self, *argv: str, **environment: str) -> Run:
        program = str(CHECKOUT / "check_exchange_mailaccept.py")
        # -S keeps site-packages away, where the extras are.
        done = subprocess.run(
            [sys.executable, "-S", program, *argv],
            env={**os.environ, "PYTHONPATH": str(self.site), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == b""
        return Run(done.returncode, done.stdout.decode("ascii"), "")

    def against(self, server: Peer, *argv: str, **environment: str) -> Run:
        """Test a server on a loopback port, by address."""
        where = ("-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com")
        return self(*where, *argv, **environment)


class Peers:
    """Starts peers, and ends them."""

    def __init__(self) -> None:
        self._running: list[Peer] = []

    def __call__(self, play: Union[Callable[[Talk], None], Manners]) -> Peer:
        peer = Peer(smtp(play) if isinstance(play, Manners) else play)
        self._running.append(peer)
        return peer

    def close(self) -> None:
        for peer in self._running:
            peer.close()


@contextlib.contextmanager
def closing_peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    peers.close()

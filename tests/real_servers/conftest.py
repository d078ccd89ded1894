"""Fixtures for the tests against real servers: how they are started, waited for and ended.

The servers are the programs of Debian's packages, started as children on free loopback ports with
a configuration of their own.  Where one is missing its tests are skipped; with ``CI=true`` in the
environment they fail instead, so that a build never passes without them.
"""

from __future__ import annotations

import email
import email.policy
import os
import pwd
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple, Optional

import pytest
from support import programs
from support.programs import unavailable

CHECKOUT = Path(__file__).resolve().parents[2]
#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 60


#: What differs from run to run, and what takes its place.
_SHAPES = tuple(
    (re.compile(pattern, re.MULTILINE), instead)
    for pattern, instead in (
        (r" +\d+\.\d+s\b", " #s"),
        (r"=\d+\.\d+s\b", "=#s"),
        (r"\bport \d+", "port #"),
        (r"^( *)(Meaning|Next step|Read): .+$", r"\1\2"),
        (r"^(Troubleshooting), .+\n(?:  \d\. .+\n)+", r"\1\n"),
    )
)


class PluginRun(NamedTuple):
    """What one run of the plugin left for Nagios to see."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    @property
    def status(self) -> str:
        """The first line, without perfdata."""
        return self.lines[0].split(" | ")[0]

    @property
    def perfdata(self) -> dict[str, str]:
        """Values with unit and thresholds, by label; there is one place for all of them."""
        (words,) = [line.split("|", 1)[1] for line in self.lines if "|" in line]
        return dict(word.split("=", 1) for word in shlex.split(words))

    @property
    def shape(self) -> str:
        """The whole of stdout, with # for what differs from run to run.

        The words of the diagnosis are left out as well: they are data with tests of their own.
        """
        shape = self.stdout
        for pattern, instead in _SHAPES:
            shape = pattern.sub(instead, shape)
        return shape


class Server(NamedTuple):
    """A running server."""

    host: str
    port: int
    process: subprocess.Popen[bytes]
    #: Everything the server wrote to stdout and stderr.
    log: Path


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when ``condition`` holds; fail the test when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE} s", pytrace=False)
        time.sleep(0.02)


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    """Wait for a condition; ``wait_until(condition, what)``."""
    return _wait_until


def is_listening(port: int) -> bool:
    """Whether some TCP socket listens on ``port``, without connecting to it.

    A connection to find out would be a session in the server's eyes, and a test counts sessions.
    """
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                return True
    return False


@pytest.fixture(scope="session")
def find_program() -> Callable[..., str]:
    """Look a server's program up; ``find_program(name, package=...)``."""
    return programs.find_program


@pytest.fixture(scope="session")
def require_root() -> Callable[[str], None]:
    def require(program: str) -> None:
        if os.geteuid() != 0:
            unavailable(f"{program} can be started by root only")

    return require


@pytest.fixture(scope="session")
def require_user() -> Callable[..., int]:
    """The uid of a user a server insists on; ``require_user(name, package=...)``."""

    def require(name: str, *, package: str) -> int:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            unavailable(f"the user {name} is missing (apt install {package})")

    return require


@pytest.fixture(scope="session")
def free_port() -> Callable[..., int]:
    """A port that is free, for TCP and UDP, at each of the addresses."""

    def find(*addresses: str) -> int:
        for _ in range(100):
            port = 0
            with socket.socket() as first:
                first.bind(("127.0.0.1", 0))
                port = first.getsockname()[1]
            if all(_can_bind(address, port) for address in addresses or ("127.0.0.1",)):
                return port
        pytest.fail(f"no port is free at {addresses}", pytrace=False)

    return find


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Callable[[str], Path]]:
    """Make an empty directory for a server, ``server_directory(name)``.

    Not pytest's ``tmp_path``: mail is delivered as a user of its own, who could not even enter it,
    since pytest closes its directories to everybody else.
    """
    with tempfile.TemporaryDirectory(prefix="mailaccept-") as root:
        Path(root).chmod(0o755)

        def make(name: str) -> Path:
            directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
            directory.chmod(0o755)
            return directory

        yield make


class _Launcher:
    """Starts servers, and ends those it started."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def __call__(
        self,
        command: Sequence[str],
        directory: Path,
        host: str,
        port: int,
        *,
        environment: Optional[Mapping[str, str]] = None,
        ready: Optional[Callable[[], bool]] = None,
    ) -> Server:
        log = directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)

        def is_ready() -> bool:
            if process.poll() is not None:
                said = log.read_text(errors="replace")
                pytest.fail(f"{command[0]} ended with {process.returncode}:\n{said}", pytrace=False)
            return is_listening(port) and (ready is None or ready())

        _wait_until(is_ready, f"{command[0]} ready on port {port}")
        return Server(host, port, process, log)

    def end(self) -> None:
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def launch_for_session() -> Iterator[_Launcher]:
    """Start a server that all tests of the session share."""
    launcher = _Launcher()
    yield launcher
    launcher.end()


@pytest.fixture
def launch() -> Iterator[_Launcher]:
    """Start a server for this test only."""
    launcher = _Launcher()
    yield launcher
    launcher.end()


@pytest.fixture
def smtp_sink(
    launch: _Launcher,
    server_directory: Callable[[str], Path],
    find_program: Callable[..., str],
    free_port: Callable[..., int],
) -> Callable[..., Server]:
    """Start a smtp-sink; ``smtp_sink(*options, host=..., port=...)``.

    Its mail goes to files named ``mail.*`` in its working directory (see ``sink_mail``).
    """

    def start(*options: str, host: str = "127.0.0.1", port: Optional[int] = None) -> Server:
        program = find_program("smtp-sink", package="postfix")
        directory = server_directory("smtp-sink")
        directory.chmod(0o777)
        # Started by root it wants to know whom to be instead.
        privileges = ["-u", "nobody"] if os.geteuid() == 0 else []
        port = port or free_port(host)
        literal = f"[{host}]" if ":" in host else host
        command = [program, *privileges, "-h", "mx.test", "-d", "mail.", *options]
        return launch([*command, f"{literal}:{port}", "10"], directory, host, port)

    return start


@pytest.fixture(scope="session")
def sink_mail() -> Callable[[Server], list[bytes]]:
    """Read the mail a smtp-sink has taken; it removes what a broken-off transaction left."""

    def read(server: Server) -> list[bytes]:
        return [file.read_bytes() for file in sorted(server.log.parent.glob("mail.*"))]

    return read


@pytest.fixture(scope="session")
def check_probe_message() -> Callable[[bytes], EmailMessage]:
    """Check a message as a server stored it: harmless, well-formed, and what was promised."""

    def check(content: bytes) -> EmailMessage:
        # A line end that is not CR LF on the wire is stored as a CR, or as lines too many or few.
        assert b"\r" not in content
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert not message.defects

        for name in (
            "From",
            "To",
            "Date",
            "Message-ID",
            "Subject",
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
            "Precedence",
        ):
            assert len(message.get_all(name, [])) == 1, f"{name} is not there exactly once"
        assert message["From"].addresses[0].addr_spec == "ExMFA-MailAcceptTest@Fabrikam.com"
        assert [each.addr_spec for each in message["To"].addresses] == ["good@mx.test"]
        age = datetime.now(timezone.utc) - message["Date"].datetime
        assert abs(age.total_seconds()) < PATIENCE
        assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", message["Message-ID"])
        assert message["Subject"]
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["X-Auto-Response-Suppress"] == "All"
        assert message["Precedence"] == "bulk"

        body = message.get_content()
        assert body.strip()
        assert body.isascii()
        assert all(len(line) <= 78 for line in body.splitlines())
        # The final dot ends the message and is no part of it.
        assert not body.rstrip().endswith("\n.")
        return message

    return check


@pytest.fixture
def run_plugin() -> Callable[..., PluginRun]:
    """Run the plugin as Nagios does: an own process, and stdout, stderr and exit code of it."""

    def run(*arguments: str) -> PluginRun:
        begun = time.monotonic()
        finished = subprocess.run(
            [sys.executable, "check_exchange_mailaccept.py", *arguments],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            text=True,
            encoding="ascii",
            check=False,
        )
        seconds = time.monotonic() - begun
        # Icinga puts stderr in front of the status line: nothing may ever be there.
        assert finished.stderr == ""
        return PluginRun(finished.returncode, finished.stdout, finished.stderr, seconds)

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They need servers that few have installed."""
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)

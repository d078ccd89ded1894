"""What several test modules share: a clean nagiosplugin, and servers that end with their test."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

import pytest
from hypothesis import settings
from support.logon import PASSWORD, TOKEN, USER
from support.names import Behaviour, NameServer, Table
from support.plugin import Bare, Plugin
from support.scripts import Servers

if TYPE_CHECKING:
    from support.certificates import Certificates

# The same examples in every run, so that a build fails only for what was changed; looking for new
# ones is what fuzz/ is for.  No deadline: how fast a machine is, is no property of the plugin.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: half of the time a test waits for a server or a clock."""
    return 2 * (os.cpu_count() or 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped for each reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped {number:4}  {reason}")


@pytest.fixture(autouse=True)
def _fresh_runtime() -> Iterator[None]:
    """Nagiosplugin keeps its Runtime as a singleton, which would leak from test to test."""
    from nagiosplugin.runtime import Runtime

    Runtime.instance = None
    yield
    Runtime.instance = None


@pytest.fixture
def serve() -> Iterator[Servers]:
    """Start servers with ``serve(banner, (client line, reply), ...)``; they must hear just that."""
    servers = Servers()
    yield servers
    servers.close()
    assert servers.mismatches == []


@pytest.fixture
def serve_carelessly() -> Iterator[Servers]:
    """As ``serve``; how the client leaves after a fault is left open: with QUIT, or without."""
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    """Runs the plugin fast."""
    started = Plugin(tmp_path_factory.mktemp("plugin"), {})
    yield started
    started.close()


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """Runs the plugin without cryptography and pyspnego."""
    return Bare(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One of each kind."""
    from support.certificates import Certificates

    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the secrets in files."""
    directory = tmp_path_factory.mktemp("secrets")
    for name, secret in (("password", PASSWORD), ("token", TOKEN)):
        (directory / name).write_text(f"{secret}\n")
        (directory / name).chmod(0o600)
    (directory / "ntlm").write_text(f":{USER}:{PASSWORD}\n")
    # Where pyspnego's server finds its users.
    os.environ["NTLM_USER_FILE"] = str(directory / "ntlm")
    return directory


@pytest.fixture
def names() -> Iterator[Callable[[Union[Behaviour, Table]], tuple[str, str]]]:
    """Start a name server with a table or a behaviour; the option that names it."""
    with contextlib.ExitStack() as stack:
        yield lambda known: stack.enter_context(contextlib.closing(NameServer(known))).option


#: Linux' SO_TIMESTAMPNS, which Python 3.9 has no name for, and room for what it brings.
STAMPS, ROOM_FOR_STAMP = 35, 64


@pytest.fixture
def kernel_stamps() -> Iterator[None]:
    """Have the kernel note when packets come.

    It begins some time after the first socket has asked for it, and until then a packet is stamped
    when it is read.
    """
    if sys.platform != "linux":
        pytest.skip("only Linux notes when data came")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, STAMPS, 1)
        asking.bind(("127.0.0.1", 0))
        asking.connect(asking.getsockname())
        arrived, stamped = 0, 1
        while stamped > arrived:
            asking.send(b".")
            arrived = time.time_ns()
            time.sleep(0.01)
            _, ((_, _, stamp),), _, _ = asking.recvmsg(1, ROOM_FOR_STAMP)
            seconds, nanoseconds = (
                int.from_bytes(half, sys.byteorder) for half in (stamp[:8], stamp[8:])
            )
            stamped = seconds * 10**9 + nanoseconds
        yield

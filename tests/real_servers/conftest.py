"""How the real servers are started and ended, and how the plugin is run against them."""

from __future__ import annotations

import email
import email.policy
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple, Optional

import pytest
from support import plugin
from support.programs import PATIENCE, Child, find_program, free_port, is_listening


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Callable[[str], Path]]:
    """Make an empty directory for a server, ``server_directory(name)``.

    Not pytest's ``tmp_path``, which nobody else can enter: mail is delivered as another user.
    """
    with tempfile.TemporaryDirectory(prefix="mailaccept-") as root:
        Path(root).chmod(0o755)

        def make(name: str) -> Path:
            directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
            directory.chmod(0o755)
            return directory

        yield make


def _starting() -> Iterator[Callable[..., None]]:
    children = []

    def start(command, directory, port, environment=None, ready=lambda: True) -> None:
        children.append(Child(command, directory / "log", environment))
        children[-1].wait_until(
            lambda: is_listening(port) and ready(), f"it is ready on port {port}"
        )

    yield start
    for child in reversed(children):
        child.stop()


#: Start a server that all tests of the session share, or one for this test only:
#: ``launch(command, directory, port, environment={}, ready=lambda: True)``.
launch_for_session = pytest.fixture(scope="session", name="launch_for_session")(_starting)
launch = pytest.fixture(name="launch")(_starting)


class Sink(NamedTuple):
    """A smtp-sink, which takes all mail."""

    port: int
    directory: Path

    def mail(self) -> list[bytes]:
        """The mail it has taken; it removes what a broken-off transaction left."""
        return [file.read_bytes() for file in sorted(self.directory.glob("mail.*"))]


@pytest.fixture
def smtp_sink(launch, server_directory) -> Callable[..., Sink]:
    """Start a smtp-sink; ``smtp_sink(*options, host=..., port=...)``."""

    def start(*options: str, host: str = "127.0.0.1", port: Optional[int] = None) -> Sink:
        program = find_program("smtp-sink", package="postfix")
        directory = server_directory("smtp-sink")
        directory.chmod(0o777)
        # Started by root it wants to know whom to be instead.
        privileges = ["-u", "nobody"] if os.geteuid() == 0 else []
        port = port or free_port(host)
        literal = f"[{host}]" if ":" in host else host
        command = [program, *privileges, "-h", "mx.test", "-d", "mail.", *options]
        launch([*command, f"{literal}:{port}", "10"], directory, port)
        return Sink(port, directory)

    return start


@pytest.fixture(scope="session")
def check_probe_message() -> Callable[[bytes], EmailMessage]:
    """Check a message as a server stored it."""

    def check(content: bytes) -> EmailMessage:
        # A line end that is not CR LF on the wire is stored as a CR, or as lines too many or few.
        assert b"\r" not in content
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert not message.defects
        once = {
            "From": "Mail acceptance test <ExMFA-MailAcceptTest@Fabrikam.com>",
            "To": "good@mx.test",
            "Subject": "Mail acceptance test",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Precedence": "bulk",
        }
        assert {name: message.get_all(name) for name in once} == {
            name: [value] for name, value in once.items()
        }
        (date,) = message.get_all("Date")
        assert abs((datetime.now(timezone.utc) - date.datetime).total_seconds()) < PATIENCE
        assert len(message.get_all("Message-ID")) == 1
        # The final dot ends the message and is no part of it.
        assert message.get_content().rstrip("\n") == (
            "This message is a test of whether this server accepts mail.\n"
            "It was sent by a monitoring system. It needs no answer and can be deleted."
        )
        return message

    return check


@pytest.fixture(scope="session")
def run_plugin() -> Callable[..., plugin.PluginRun]:
    """Run the plugin as Nagios does."""

    def run(*arguments: str) -> plugin.PluginRun:
        done = plugin.run_plugin(*arguments, timeout=PATIENCE)
        # Icinga puts stderr in front of the status line: nothing may ever be there.
        assert done.stderr == ""
        return done

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They need servers that few have installed."""
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)

"""Programs of other packages that tests run, servers among them as children of the tests.

They are those of Debian's packages, on loopback ports and with directories of their own.  Where one
is missing its tests are skipped; with ``CI=true`` in the environment they fail instead, so that a
build never passes without them.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn, Optional

import pytest

#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 120


def unavailable(reason: str) -> NoReturn:
    """Skip the test, but not in a build."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and with CI=true nothing is skipped", pytrace=False)
    pytest.skip(reason)


def find_program(name: str, package: str) -> str:
    """The path of a program that Debian has in ``package``."""
    # Debian's users have no sbin in their PATH.
    debian = "/usr/bin:/usr/sbin:/usr/lib/nagios/plugins:/usr/lib/postfix/sbin:/usr/lib/dovecot"
    path = shutil.which(name, path=os.pathsep.join((debian, os.environ.get("PATH", ""))))
    if path is None:
        unavailable(f"{name} is not installed (apt install {package})")
    return path


def find_user(name: str, package: str) -> int:
    """The uid of a user that Debian's ``package`` makes."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        unavailable(f"the user {name} is missing (apt install {package})")


def require_root(program: str) -> None:
    if os.geteuid() != 0:
        unavailable(f"{program} can be started by root only")


#: Each keeps a port from being given to another process of the tests.
_claims: list[socket.socket] = []


def free_port(*addresses: str) -> int:
    """A port for a server that is about to start, free for TCP and UDP at each of the addresses.

    It stays free until then: Linux gives ports of this range only to who asks for them by number,
    and no test is given the port of another one.
    """
    for port in random.sample(range(15_000, 32_768), 1_000):
        claim = socket.socket(socket.AF_UNIX)
        try:
            # A name in Linux' abstract namespace, which ends with this process.
            claim.bind(f"\0port {port} of a test")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        if all(_can_bind(address, port) for address in addresses or ("127.0.0.1",)):
            return port
    pytest.fail(f"no port is free at {addresses}", pytrace=False)


def _can_bind(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def is_listening(port: int, address: str = "", process: str = "self") -> bool:
    """Whether a TCP socket listens there, in the network of ``process``.

    Found out without a connection, which would be a session in the server's eyes.
    """
    packed = ipaddress.ip_address(address).packed if address else b""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            host, _, number = local.partition(":")
            if (
                state == "0A"
                and int(number, 16) == port
                and host.startswith(packed[::-1].hex().upper())
            ):
                return True
    return False


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What ``condition`` returned as soon as that was true.

    An error of the connection, or of a file, means "not yet": a server that starts, or starts again
    with a new configuration, refuses connections and breaks off answers.
    """
    deadline = time.monotonic() + seconds
    while True:
        why = ""
        try:
            result = condition()
            if result:
                return result
        except (OSError, HTTPException) as error:
            why = f" ({error!r})"
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s{why}", pytrace=False)
        time.sleep(0.05)


class Child:
    """A program that runs until it is stopped."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Optional[Mapping[str, str]] = None
    ) -> None:
        self.log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        """Return when the condition holds; fail with what the program said if it ends before."""

        def holds() -> Any:
            if self._process.poll() is not None:
                said = self.log.read_text(errors="replace")[-4000:]
                status = self._process.returncode
                pytest.fail(f"{self._name} ended with {status}:\n{said}", pytrace=False)
            return condition()

        wait_for(holds, f"{self._name}: {what}")

    def wait_until_listening(self, port: int, address: str = "", process: str = "self") -> None:
        self.wait_until(lambda: is_listening(port, address, process), f"it listens on port {port}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

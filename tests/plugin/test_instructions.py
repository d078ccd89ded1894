"""How many instructions a run takes, which is the same on a busy machine and on an idle one.

Counted by callgrind, as a ratio to what Python takes to start and to import nagiosplugin: that much
every check in Python pays.  How long it takes is for ``benchmarks/``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig

import pytest
from support.names import mx
from support.plugin import CHECKOUT, PLUGIN
from support.programs import find_program
from support.smtp import PATIENCE

#: Valgrind is slow by its nature.
pytestmark = pytest.mark.slow
#: Most instructions of a run, as a multiple of ``import nagiosplugin``, with a twentieth
#: of room for the Python that needs most.
MOST_FOR_A_HOST = 1.22
MOST_FOR_TLS = 1.80
MOST_FOR_A_DOMAIN = 3.02

MAIN = "from exchange_mailaccept.launch import main; main()"


class Counter:
    """Counts the instructions of Python programs."""

    def __init__(self, valgrind: str) -> None:
        self._command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        # Without site, whose .pth files import for the tests' own sake.
        self._command += [sys.executable, "-S", "-c"]
        self._environment = {
            "PYTHONPATH": os.pathsep.join((str(CHECKOUT), sysconfig.get_path("purelib"))),
            "PYTHONHASHSEED": "0",
        }
        # Without byte code Python would be counted compiling.
        package = str(CHECKOUT / "exchange_mailaccept")
        compiling = [sys.executable, "-m", "compileall", "-q", package, str(PLUGIN)]
        subprocess.run(compiling, env=self._environment, check=True)

    def __call__(self, program: str, *arguments: str) -> int:
        done = subprocess.run(
            [*self._command, program, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        counted = re.search(r"Collected : (\d+)", done.stderr)
        assert counted is not None, done.stderr
        return int(counted[1])


@pytest.fixture(scope="module")
def count() -> Counter:
    """Callgrind; in CI it must be there."""
    return Counter(find_program("valgrind", "valgrind"))


@pytest.fixture(scope="module")
def least(count: Counter) -> int:
    """What every check pays that is made with nagiosplugin."""
    return count("import nagiosplugin")


HOST = ("-H", "127.0.0.1", "-r", "postmaster@contoso.com", "--profile", "none")
DOMAIN = ("-d", "contoso.com", "--profile", "none")
TABLE = mx((10, "mail1.contoso.com", "127.0.0.1"))
NAMED = ("-F", "probe.client.example", "-t", str(PATIENCE))


def test_a_host(count, least, sink):
    run = count(MAIN, *HOST, "-p", str(sink().port), *NAMED)
    assert run / least < MOST_FOR_A_HOST


def test_a_host_with_tls(count, least, sink, authority):
    port = str(sink("STARTTLS", context=authority.context).port)
    trusting = ("-S", "--verify", "--ca-file", authority.file)
    run = count(MAIN, *HOST, "-p", port, *trusting, *NAMED)
    assert run / least < MOST_FOR_TLS


def test_a_domain(count, least, sink, names):
    run = count(MAIN, *DOMAIN, "-p", str(sink().port), *names(TABLE), *NAMED)
    assert run / least < MOST_FOR_A_DOMAIN

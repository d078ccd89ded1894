"""Many runs: at the same time against one server, and one after the other as in a day.

They take minutes and are not among the other tests: ``sh test.sh -m load``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support.plugin import PLUGIN
from support.scripts import Manners
from support.smtp import Server

pytestmark = pytest.mark.load
#: Runs at the same time.
CROWD = 200
#: Runs of a day, one a minute.
DAY = 1_440
#: Their ``-t``: what 200 processes at once take on a small machine, and far more.
TIMEOUT = 240
#: Seconds that a run may last beyond that.
LATE = 0.5


@pytest.fixture
def counting(serve) -> Server:
    """A mail server that accepts every message of any number of clients."""
    return serve(Manners(before=("PIPELINING", "XRDST")))


def accepted(server: Server) -> Counter[bytes]:
    """How often each Message-ID was heard."""
    return Counter(line for line in server.heard if line.startswith(b"Message-ID:"))


def command(server: Server) -> list[str]:
    """A run against the server, without what else EHLO should offer."""
    return [
        sys.executable, str(PLUGIN), "-H", "127.0.0.1", "-p", str(server.port),
        "-r", "postmaster@contoso.com", "-F", "probe.client.example",
        "--profile", "none", "-t", str(TIMEOUT),
    ]  # fmt: skip


#: Coverage would count each of the many runs in a file of its own.
SURROUNDINGS = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.timeout(3 * TIMEOUT)
def test_a_crowd_of_runs(counting):
    """None is wrong, none is late, and each has sent its own message."""
    begun = time.monotonic()
    running = [
        subprocess.Popen(
            command(counting),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=SURROUNDINGS,
        )
        for _ in range(CROWD)
    ]
    outputs = [run.communicate(timeout=2 * TIMEOUT)[0] for run in running]
    seconds = time.monotonic() - begun
    assert [run.returncode for run in running] == [0] * CROWD
    beginning = b"MAILACCEPT OK - 127.0.0.1 accepted mail for postmaster@contoso.com in "
    assert [
        output for output in outputs if not output.startswith(beginning) or output.count(b"\n") != 1
    ] == []
    assert counting.connections == CROWD
    assert set(accepted(counting).values()) == {1}
    assert len(accepted(counting)) == CROWD
    # From the first that was started to the last that has ended.
    assert seconds < TIMEOUT + LATE


def descriptors() -> set[str]:
    """Our own, by number; the one that looks is among them, and closed again."""
    return {descriptor.name for descriptor in Path("/proc/self/fd").iterdir()}


def processes() -> set[str]:
    """Our own children, by number."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is looked at")
@pytest.mark.timeout(3600)
def test_a_day_of_runs(counting, tmp_path):
    """One after the other: no process, no file and no descriptor is left behind, no message twice.

    In an environment of their own, so that a file would be found wherever it might be put.
    """
    surroundings = {**SURROUNDINGS, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    reading, writing = os.pipe()
    before = descriptors(), processes()
    for _ in range(DAY):
        done = subprocess.run(
            command(counting),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=surroundings,
            cwd=tmp_path,
            # Whoever it leaves behind would hold this open.
            pass_fds=[writing],
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert (descriptors(), processes()) == before
    os.close(writing)
    # The end of the pipe: nobody has it open any more, whoever has adopted him.
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert list(tmp_path.iterdir()) == []
    assert (counting.connections, len(accepted(counting))) == (DAY, DAY)
    assert set(accepted(counting).values()) == {1}

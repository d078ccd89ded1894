"""Runs of the plugin with what they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

from support.plugin import PLUGIN, PluginRun
from support.smtp import PATIENCE

#: Runs a command line.  A process of its own, and a small one: Linux counts the memory of the
#: process that forked to the peak of the one that was begun.
_MEASURE = """\
import json, resource, subprocess, sys, time
begun = time.monotonic()
done = subprocess.run(sys.argv[1:], capture_output=True)
seconds = time.monotonic() - begun
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
output, errors = done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
print(json.dumps([done.returncode, output, errors, seconds, peak]))
"""


class MeasuredRun(NamedTuple):
    """One run of the plugin, and what it took."""

    run: PluginRun
    seconds: float
    #: Its greatest resident set; bytes on macOS, and so not to be believed there.
    peak_kib: int


def run_measured(*arguments: str, **environment: str) -> MeasuredRun:
    """Run the plugin as Nagios does: without coverage, which would take half the memory."""
    surroundings = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-ISc", _MEASURE, sys.executable, str(PLUGIN), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=PATIENCE,
        env={**surroundings, **environment},
    )
    exit_code, output, errors, seconds, peak = json.loads(done.stdout)
    output.encode("ascii")
    return MeasuredRun(PluginRun(exit_code, output, errors), seconds, peak)

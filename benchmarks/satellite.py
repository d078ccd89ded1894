#!/usr/bin/env python3
"""Measures how many checks a satellite runs: ``python benchmarks/satellite.py [NUMBER [MINUTES]]``.

A real Icinga 2 runs NUMBER services (default 360), each once a minute, for MINUTES (default 2)
after a first one, through the shipped CheckCommand against the simulator, which is not counted.
Prints the CPU time, user and system, per check: of the plugin's processes, and with all of
Icinga's.  Also prints how many checks Icinga ran and how late they began.

Needs Debian's icinga2-bin and the environment of the tests: .venv/test-python3.11/bin/python.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(CHECKOUT),
    str(CHECKOUT / "tests" / "engines"),
]

from running import CONTRIB, Authority, Icinga2  # noqa: E402 found by the lines above

from simulator.server import Simulator  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[list[str]]:
    """The fields after the name in /proc/PID/stat, of a process and all its descendants."""
    found: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended.
    family = {root}
    while True:
        more = {pid for pid, stat in found.items() if int(stat[1]) in family} - family
        if not more:
            return [found[pid] for pid in family]
        family |= more


def cpu(root: int) -> tuple[float, float]:
    """Seconds of Icinga's own processes, and of the plugins that have ended."""
    own = ended = 0
    for stat in descendants(root):
        own += int(stat[11]) + int(stat[12])
        ended += int(stat[13]) + int(stat[14])
    return own / TICKS, ended / TICKS


def configuration(port: int, number: int) -> str:
    """``number`` services, each with a connection and a message a minute."""
    return f"""
{(CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text()}
object Host "mbx01" {{ check_command = "passive"; enable_active_checks = false
  address = "127.0.0.1" }}
for (number in range({number})) {{
  object Service "mail acceptance " + number {{
    host_name = "mbx01"
    check_command = "exchange_mailaccept"
    check_interval = 1m
    retry_interval = 1m
    vars.exchange_mailaccept_port = {port}
    vars.exchange_mailaccept_recipient = "probe@contoso.com"
  }}
}}
{Icinga2.ALONE}"""


def main() -> None:
    """Start everything, measure, and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 360
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as name, Simulator() as server:
        directory = Path(name)
        plugin = directory / "plugins" / "check_exchange_mailaccept"
        plugin.parent.mkdir()
        # Without byte code, compiling would be measured too.
        command = f"{sys.executable} {CHECKOUT / 'check_exchange_mailaccept.py'}"
        plugin.write_text(f'#!/bin/sh\nunset PYTHONDONTWRITEBYTECODE\nexec {command} "$@"\n')
        plugin.chmod(0o755)
        icinga = Icinga2(
            directory, configuration(server.port, number), Authority(), schedules=True
        ).start()
        try:
            time.sleep(60)  # Icinga spreads the first checks over a minute.
            before, begun = cpu(icinga.pid), time.time()
            time.sleep(60 * minutes)
            after, ended = cpu(icinga.pid), time.time()
            (status,) = icinga.call("/v1/status/CIB")["results"]
            services = icinga.services().values()
        finally:
            icinga.stop()
    done = number * (ended - begun) / 60
    failed = sum(each["state"] != 0 for each in services)
    late = sum(each["last_check"] < ended - 90 for each in services)
    engine, plugins = (now - then for now, then in zip(after, before))
    print(f"{number} checks a minute, of which {late} late and {failed} failed")
    print(f"CPU of a check: {plugins / done:.3f} s the plugin, {engine / done:.3f} s Icinga")
    print(f"processors used: {(plugins + engine) / (ended - begun):.2f}")
    print(f"begun too late by {status['status']['avg_latency']:.3f} s, on average")


if __name__ == "__main__":
    main()

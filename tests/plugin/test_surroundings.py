"""Surroundings as no administrator wants them: each run is a process, as Nagios starts it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest
from support.names import NameServer, mx
from support.plugin import (
    ACCEPTED,
    ALL,
    BANNER,
    CRITICAL,
    DATA,
    EHLO,
    MAIL,
    OK,
    PLUGIN,
    QUIT,
    RCPT,
    UNKNOWN,
    PluginRun,
    perfdata,
    run_plugin,
)
from support.programs import unavailable
from support.scripts import MESSAGE, SILENCE
from support.smtp import PATIENCE, Server, free_port

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has it")


def arguments(port: int, *more: str) -> list[str]:
    """The options of a run against a server on a loopback port."""
    return [
        "-H", "127.0.0.1", "-p", str(port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *more,
    ]  # fmt: skip


def accepted(server: Server, environment: Optional[Mapping[str, str]] = None, **how: Any):
    """Run the plugin against a server that accepts everything; the result must not differ."""
    run = run_plugin(*arguments(server.port), environment=environment, **how)
    assert run.result == f"OK - {ACCEPTED}"


# Locale, environment, directory.


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "de_DE.ISO-8859-1", "LC_NUMERIC": "de_DE"},
        {"LC_ALL": "xx_XX.UTF-8", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "utf-16"},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
        {"TZ": "Pacific/Kiritimati"},
        {"TZ": ":/dev/null"},
        {"TZ": "<\xfc>-99:99:99"},
        dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:1/")
        | {"SOCKS_SERVER": "127.0.0.1:1", "no_proxy": ""},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PATH": ""},
        {"HOSTNAME": "a b|c\n"},
        {"PYTHONWARNINGS": "always", "PYTHONDEVMODE": "1"},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_the_environment_changes_nothing(serve, environment):
    """What the server said beyond ASCII is printed as ASCII, whatever else could be printed."""
    refusal = b"550 5.1.1 Gr\xc3\xbc\xc3\x9fe \xff \xe2\x82\xac\r\n"
    server = serve(BANNER, EHLO, MAIL, ("RCPT .*", refusal), QUIT)
    run = run_plugin(*arguments(server.port), environment=environment)
    assert run.result == (
        "CRITICAL - 127.0.0.1 refused RCPT postmaster@contoso.com:"
        " 550 5.1.1 Gr/xfc/xdfe /xff /u20ac"
    )


def test_an_empty_environment(serve):
    accepted(serve(BANNER, *ALL), env={})


def test_a_directory_that_was_deleted(serve, tmp_path):
    """Python itself would like to know where it is."""
    gone = tmp_path / "gone"
    gone.mkdir()
    accepted(serve(BANNER, *ALL), cwd=gone, preexec_fn=gone.rmdir)


def test_a_directory_with_modules_of_the_same_names(serve, tmp_path):
    for name in ("dns", "nagiosplugin", "socket", "select", "exchange_mailaccept"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    accepted(serve(BANNER, *ALL), cwd=tmp_path)


def run_apart(what: str, preparation: str, *argv: str) -> PluginRun:
    """Run the plugin away from this host, in whose place there is what ``preparation`` makes."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("only root can have a world of its own")
    apart = [unshare, what, "sh", "-c", f'{preparation} && exec "$@"', "sh"]
    done = subprocess.run(
        [*apart, sys.executable, str(PLUGIN), *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return PluginRun(done.returncode, done.stdout.decode("ascii"), done.stderr.decode())


@linux
@pytest.mark.parametrize(
    ("target", "result"),
    [
        (["-d", "contoso.com"], "UNKNOWN - could not look up contoso.com: no name "),
        (["-H", "mail1.contoso.com", "-r", "a@contoso.com"],
         "UNKNOWN - could not look up mail1.contoso.com: "),
    ],
)  # fmt: skip
def test_without_resolv_conf(target, result):
    """The name server is then the one of this host, which is silent or not there."""
    run = run_apart("--mount", "mount -t tmpfs none /etc", *target, "-t", "10")
    assert run.result.startswith(result)


@linux
def test_a_host_whose_name_is_not_ascii(serve):
    """No resolver knows it; the server is greeted with the address."""
    server = serve(BANNER, ("EHLO \\[127.0.0.1]", EHLO[1]), *ALL[1:])
    target = ("-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com")
    run = run_apart("--uts", "printf 'm\\374' >/proc/sys/kernel/hostname", *target)
    assert run.result.startswith("OK - ")


@linux
def test_a_canonical_name_that_is_no_text(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_bytes(b"127.0.0.1 m\xfcnchen.example mail1.example\n")
    target = ("-H", "mail1.example", "-p", "1", "-r", "a@b.cc")
    run = run_apart("--mount", f"mount --bind '{hosts}' /etc/hosts", *target)
    assert run.result == (
        "UNKNOWN - could not look up mail1.example: the system's resolver: it answered with a "
        "name that is not text"
    )


# Signals, limits.


class Running:
    """The plugin in a process that has not ended yet."""

    def __init__(self, *argv: str, stdin: int = subprocess.DEVNULL, **how: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PLUGIN), *argv],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **how,
        )

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self, within: float = PATIENCE) -> tuple[int, str, str]:
        """Exit code, output and errors."""
        output, errors = self._process.communicate(timeout=within)
        return self._process.returncode, output.decode("ascii"), errors.decode()

    def kill(self) -> None:
        """For a test that failed."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def wait_until(true: Any) -> None:
    """Wait until ``true()`` is."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)


_COMMANDS = (b"EHLO", b"MAIL", b"RCPT", b"DATA", b".")
#: What the server hears before it falls silent, and where the run stands then.
SILENT_AT = {
    # Whether the plugin has noticed yet that it is connected, nobody can see.
    "banner": (None, "(connect: 127.0.0.1 port [0-9]+|banner)"),
    "ehlo": ([("EHLO .*", SILENCE)], "ehlo"),
    "mail": ([EHLO, ("MAIL .*", SILENCE)], "mail"),
    "rcpt": ([EHLO, MAIL, ("RCPT .*", SILENCE)], "rcpt"),
    "data": ([EHLO, MAIL, RCPT, ("DATA", SILENCE)], "data"),
    "message": ([EHLO, MAIL, RCPT, DATA, (MESSAGE, SILENCE)], "message"),
}


def has_fallen_silent(server: Server, steps: int) -> bool:
    """Whether the last command has come."""
    heard = [line for line in server.heard if line.split(b" ")[0].strip() in _COMMANDS]
    return server.connections == 1 and len(heard) >= steps


@pytest.fixture
def start() -> Iterator[Any]:
    """Starts the plugin, and ends it with the test."""
    started: list[Running] = []

    def run(*argv: str, **how: Any) -> Running:
        started.append(Running(*argv, **how))
        return started[-1]

    yield run
    for running in started:
        running.kill()


#: So long that only the signal can have ended the run.
ENDLESS = ("-t", "3600")


def interrupted(running: Running, number: signal.Signals, where: str) -> None:
    """Send the signal, and read the one line that says where the run stood."""
    running.send(number)
    exit_code, output, errors = running.end()
    line = output.partition(" | ")[0].partition("\n")[0]
    assert (exit_code, errors) == (UNKNOWN, "")
    assert re.fullmatch(rf"MAILACCEPT UNKNOWN - {where}: interrupted by {number.name}", line), line


@pytest.mark.parametrize(
    ("stage", "number"),
    [*((stage, signal.SIGTERM) for stage in SILENT_AT),
     ("rcpt", signal.SIGINT), ("rcpt", signal.SIGHUP)],
)  # fmt: skip
def test_a_signal_while_waiting(serve_carelessly, start, stage, number):
    """The run ends at once, and says at which stage it was waiting."""
    script, where = SILENT_AT[stage]
    server = serve_carelessly(None if script is None else BANNER, *(script or ()))
    running = start(*arguments(server.port, *ENDLESS))
    wait_until(lambda: has_fallen_silent(server, len(script or ())))
    interrupted(running, number, f"could not test 127.0.0.1 at {where}")


@pytest.fixture
def name_server() -> Iterator[Any]:
    """Start name servers, and end them."""
    with contextlib.ExitStack() as stack:

        def start(table: Any, silent_about: str) -> NameServer:
            server = NameServer(table, silent_about=silent_about)
            return stack.enter_context(contextlib.closing(server))

        yield start


@pytest.mark.parametrize(
    ("table", "silent_about", "arguments"),
    [
        # No server is known yet.
        ({}, "MX", ()),
        # What the other family has, or has not, neither makes the run go on nor the server bad.
        (mx((10, "mail1.contoso.com", "127.0.0.1")), "AAAA", ()),
        (mx((10, "mail1.contoso.com", None)), "AAAA", ("--all-mx",)),
        # With --all-mx the walks come after the look-ups.
        (
            mx((10, "mail1.contoso.com", "127.0.0.1"), (20, "mail2.contoso.com", None)),
            "mail2.contoso.com.",
            ("--all-mx",),
        ),
    ],
    ids=["domain", "one family", "no address", "one of two hosts"],
)
def test_a_signal_while_names_are_looked_up(name_server, start, table, silent_about, arguments):
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        names = name_server(table, silent_about)
        running = start(
            "-d", "contoso.com", "-p", str(silent_server.getsockname()[1]), "-F", "a.example",
            *names.option, *arguments, *ENDLESS,
        )  # fmt: skip
        wait_until(lambda: names.ignored)
        running.send(signal.SIGTERM)
        exit_code, output, errors = running.end()
    assert (exit_code, errors) == (UNKNOWN, ""), output
    assert "interrupted by SIGTERM" in output.split("\n")[0]


@pytest.mark.parametrize("mode", ["-s", "-S"])
def test_a_signal_in_the_handshake(start, mode):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = start(*arguments(listener.getsockname()[1], mode, *ENDLESS))
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            if mode == "-S":
                connection.sendall(BANNER)
                assert lines.readline().startswith(b"EHLO ")
                connection.sendall(EHLO[1])
                assert lines.readline() == b"STARTTLS\r\n"
                connection.sendall(b"220 2.0.0 Go\r\n")
            assert lines.read(1) == b"\x16"
            interrupted(running, signal.SIGTERM, "could not test 127.0.0.1 at starttls")


#: Both ways to begin, with a Ctrl-C as soon as a module is imported.
INTERRUPTED_AT_IMPORT = f"""
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "exchange_mailaccept.cli.words":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.path.insert(0, {str(PLUGIN.parent)!r})
"""
AS_A_FILE = f"runpy.run_path({str(PLUGIN)!r}, run_name='__main__')"
AS_A_COMMAND = "from exchange_mailaccept.launch import main; main()"


@pytest.mark.parametrize("begin", [AS_A_FILE, AS_A_COMMAND], ids=["file", "command"])
@pytest.mark.parametrize("ignored", [False, True])
def test_an_interruption_while_it_is_still_importing(begin, ignored):
    """It ends as by SIGTERM; unless it was started, as in the background, to ignore it."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_IMPORT + begin, "--nonsense"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL
        ),
        check=False,
    )
    expected = (UNKNOWN, b"MAILACCEPT UNKNOWN - unknown") if ignored else (-signal.SIGINT, b"")
    assert (done.returncode, done.stdout[:28], done.stderr) == (*expected, b"")


@linux
def test_an_interruption_while_it_reads_its_options(start):
    """Nothing has begun that could say where it stood."""
    reading, writing = os.pipe()
    # A shell without job control has what it runs in the background ignore SIGINT.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = start("--extra-opts=@-", stdin=reading, preexec_fn=heard)
    os.write(writing, b"[check_exchange_mailaccept]\n")
    # Read, but not to the end, which is still to come.
    wait_until(lambda: not select.select([reading], [], [], 0)[0])
    running.send(signal.SIGINT)
    assert running.end() == (-signal.SIGINT, "", "")
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("disposition", [signal.SIG_IGN, signal.SIG_DFL])
def test_sigpipe(serve, disposition):
    """The reader of the output is gone: UNKNOWN, however the signal for that was inherited."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        run = run_plugin(
            *arguments(serve(BANNER, *ALL).port),
            stdout=gone,
            restore_signals=False,
            preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition),
        )
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_is_blocked(serve_carelessly, number):
    server = serve_carelessly(None)
    begun = time.monotonic()
    run = run_plugin(
        *arguments(server.port, "-t", "1.5"),
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [number]),
    )
    assert run.result == "CRITICAL - 127.0.0.1 sent no greeting within #s"
    assert time.monotonic() - begun >= 1.5


def with_descriptors(limit: int) -> dict[str, Any]:
    """How to start a process that can open so many files, its standard streams included."""
    return {"preexec_fn": partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit))}


@linux
@pytest.mark.parametrize("target", [("-H", "127.0.0.1"), ("-H", "localhost", "-s")])
def test_few_descriptors(target):
    """Too few for the libraries, the resolver, the connection: one valid result, whatever it is."""
    python = [sys.executable, "-c", "pass"]
    enough = next(
        limit
        for limit in range(4, 64)
        if subprocess.run(python, **with_descriptors(limit), check=False).returncode == 0
    )
    port = free_port()
    states = set()
    for limit in range(enough, enough + 8):
        run = run_plugin(*arguments(port, *target), **with_descriptors(limit))
        assert re.fullmatch(r"MAILACCEPT [A-Z]+ - [\n -~]+\n", run.stdout), (limit, run)
        assert run.stderr == ""
        states.add(run.exit_code)
    assert states == {CRITICAL, UNKNOWN}


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@pytest.fixture
def wall_clock(tmp_path) -> Any:
    """A wall clock that can be set, and the environment of a process that believes in it."""
    if FAKETIME is None:
        unavailable("libfaketime is not installed (apt install libfaketime)")
    file = tmp_path / "offset"

    def put(seconds: int) -> dict[str, str]:
        new = tmp_path / "new"
        new.write_text(f"{seconds:+d}\n")
        new.replace(file)
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    return put


@pytest.mark.parametrize("jump", [3600, -400 * 86_400])
def test_the_clock_is_set_during_the_run(wall_clock, start, jump):
    """Neither the result nor a stage's seconds know of it, and the run is not longer for it."""
    environment = {**os.environ, **wall_clock(0)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = start(*arguments(listener.getsockname()[1], "-t", "25"), env=environment)
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(BANNER)
            assert lines.readline().startswith(b"EHLO ")
            wall_clock(jump)
            for _, reply in ALL[:4]:
                connection.sendall(reply)
                lines.readline()
            while lines.readline() not in (b".\r\n", b""):
                pass
            connection.sendall(b"250 2.6.0 Queued\r\n221 2.0.0 Bye\r\n")
            exit_code, output, errors = running.end()
    assert (exit_code, errors) == (OK, "")
    values = perfdata(PluginRun(exit_code, output, errors))
    assert all(0 <= float(match["value"]) < 25 for match in values.values())


def test_the_clock_is_set_back_while_nothing_comes(wall_clock, start):
    environment = {**os.environ, **wall_clock(0)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = start(*arguments(listener.getsockname()[1], "-t", "1.5"), env=environment)
        connection, _ = listener.accept()
        with connection:
            wall_clock(-86_400)
            exit_code, output, errors = running.end()
    assert (exit_code, errors) == (CRITICAL, "")
    assert output.startswith("MAILACCEPT CRITICAL - 127.0.0.1 sent no greeting within 1.5s")

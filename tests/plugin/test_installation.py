"""What is missing or broken on the host: a library, the disk, a stream.  It is always UNKNOWN."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nagiosplugin
import pytest
from support.plugin import ACCEPTED, ALL, BANNER, OK, PLUGIN, UNKNOWN, PluginRun, check, run_plugin


def test_a_missing_library_is_unknown():
    run = run_plugin("-H", "127.0.0.1", "-p", "1", "-r", "a@b.example", python=["-E", "-S"])
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    # With -S, Python knows only since 3.14 that it is in a virtual environment.
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - a library is missing: No module named 'nagiosplugin' \("
        r"(Debian: apt install python3-nagiosplugin python3-dnspython"
        r"|/\S+ -m pip install nagiosplugin dnspython)\)\n",
        run.stdout,
    )


@pytest.fixture
def nagiosplugin_alone(tmp_path) -> dict[str, object]:
    """How to run the plugin by a Python that has nagiosplugin and nothing else."""
    (tmp_path / "nagiosplugin").symlink_to(Path(nagiosplugin.__file__).parent)
    return {"python": ["-S"], "environment": {"PYTHONPATH": str(tmp_path)}}


@pytest.mark.parametrize("option", [[], ["--nameserver", "127.0.0.1:1"]])
def test_a_missing_dnspython_is_unknown(nagiosplugin_alone, option):
    """It is imported late; that it can't be is said before anything is sent."""
    run = run_plugin("-d", "contoso.com", *option, **nagiosplugin_alone)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - finding a mail server needs the Python package dnspython"
        r" \((Debian: apt install python3-|/\S+ -m pip install )dnspython\)"
        r" \(see check_exchange_mailaccept --help\)\n",
        run.stdout,
    )


def test_a_server_given_by_address_needs_no_dnspython(serve, nagiosplugin_alone):
    run = check(serve(BANNER, *ALL), **nagiosplugin_alone)
    assert run.result == f"OK - {ACCEPTED}"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--nonsense",)])
def test_a_full_disk_is_unknown(serve_carelessly, arguments):
    """For every text that might be printed."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        run = check(serve_carelessly(BANNER, *ALL), *arguments, stdout=full)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-", "2>&-"])
def test_closed_streams(serve, closed):
    """No line of the output gets into a connection that took a stream's number."""
    server = serve(BANNER, *ALL)
    command = [sys.executable, str(PLUGIN), "-H", server.host, "-p", str(server.port)]
    command += ["-r", "postmaster@contoso.com", "-F", "probe.client.example"]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    expected = OK if closed == "2>&-" else UNKNOWN
    assert (done.returncode, done.stderr) == (expected, b"")


@pytest.fixture
def alone(tmp_path) -> Path:
    """The plugin's file without the package that belongs beside it."""
    return Path(shutil.copy(PLUGIN, tmp_path))


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        ("", b"MAILACCEPT UNKNOWN - a library is missing: No module named 'exchange_mailaccept'\n"),
        (">/dev/full", b""),
        (">&-", b""),
        (">&- 2>&- <&-", b""),
    ],
)
def test_the_package_is_missing(alone, stdout, said):
    """Whether there is room to say so or not."""
    command = ["sh", "-c", f'exec "$@" {stdout}', "sh", sys.executable, "-I", alone]
    done = subprocess.run(command, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (UNKNOWN, said, b"")


#: What an ImportError may say: it has names and paths in it.
HOSTILE = "a\n`b` | c=1 <d> $HOME \\n \u20ac " + "x" * 400


def is_one_harmless_line(run: PluginRun, beginning: str) -> None:
    """What Nagios, Icinga and a shell make of it is one line of words."""
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert re.fullmatch(r"[ -~]{,299}\n", run.stdout), run.stdout
    assert not set(run.stdout) & set("|<>`$\\")
    assert run.stdout.startswith(f"MAILACCEPT UNKNOWN - {beginning}")


def breaking(directory: Path, name: str, error: str = "ImportError") -> None:
    """Put a module into ``directory`` that can't be imported, and says so at length."""
    (directory / f"{name}.py").write_text(f"raise {error}({HOSTILE!r})\n", encoding="utf-8")


def test_a_package_that_breaks_at_length(alone):
    package = alone.parent / "exchange_mailaccept"
    package.mkdir()
    breaking(package, "launch")
    done = subprocess.run([sys.executable, alone], capture_output=True, timeout=30)
    run = PluginRun(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))
    is_one_harmless_line(run, "a library is missing: a  b ")


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        ("ImportError", "a library is missing: a 'b' / c=1 [d] "),
        ("OSError", "a library can't be used: OSError: a 'b' / c=1 [d] "),
    ],
)
def test_a_library_that_breaks_at_length(tmp_path, error, beginning):
    breaking(tmp_path, "nagiosplugin", error)
    run = run_plugin(
        "-H", "127.0.0.1", "-p", "1", "-r", "a@b.example", environment={"PYTHONPATH": str(tmp_path)}
    )
    is_one_harmless_line(run, beginning)
    assert run.stdout.endswith("dnspython)\n") == (error == "ImportError")


def test_a_library_that_breaks_in_the_middle(tmp_path):
    breaking(tmp_path, "dns")
    run = run_plugin("-d", "contoso.com", environment={"PYTHONPATH": str(tmp_path)})
    is_one_harmless_line(run, "a library is missing: a 'b' / c=1 [d] ")

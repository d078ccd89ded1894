"""Completion in real shells, at a terminal: what is typed, and what the line is then."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs import PATIENCE, find_program

COMPLETION = Path(__file__).resolve().parents[2] / "packaging" / "completion"
PROGRAM = "check_exchange_mailaccept"
PROMPT = "what next? "
#: Keys: complete, insert all that is possible, clear the line, write the line into the file $LINE.
COMPLETE, ALL, CLEAR, SHOW = "\t", "\x18a", "\x15", "\x18s"

BASH = f"""
source {COMPLETION}/{PROGRAM}
show() {{ printf %s "$READLINE_LINE" >"$LINE.new" && mv "$LINE.new" "$LINE"; }}
bind -x '"{SHOW}": show'
bind '"{ALL}": insert-completions'
PS1='{PROMPT}'
"""
ZSH = f"""
fpath=({COMPLETION} $fpath)
autoload -Uz compinit && compinit -D -u
show() {{ print -rn -- "$BUFFER" >$LINE.new && mv $LINE.new $LINE }}
zle -N show
all() {{ _main_complete; compstate[insert]=all }}
zle -C all complete-word all
bindkey -e
bindkey '{COMPLETE}' complete-word '{ALL}' all '{SHOW}' show
PS1='{PROMPT}'
"""


class Shell:
    """An interactive shell at a terminal of its own."""

    def __init__(self, name: str, directory: Path) -> None:
        program = find_program(name, name)
        self._directory = directory
        self._line = directory / "line"
        self._said = b""
        environment = {
            "HOME": str(directory),
            "ZDOTDIR": str(directory),
            "PATH": os.environ["PATH"],
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "LINE": str(self._line),
        }
        if name == "bash":
            start = directory / "bashrc"
            start.write_text(BASH)
            command = [program, "--noprofile", "--rcfile", str(start), "-i"]
        else:
            (directory / ".zshrc").write_text(ZSH)
            command = [program, "-d", "-i"]
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(directory)
            os.execve(program, command, environment)
        self._wait_until(lambda: PROMPT.encode() in self._said, "a prompt")

    def typed(self, text: str, key: str = COMPLETE) -> str:
        """What is on the line after ``text`` and ``key`` were typed."""
        self._line.unlink(missing_ok=True)
        os.write(self._terminal, f"{CLEAR}{text}{key}{SHOW}".encode())
        self._wait_until(self._line.exists, f"a line after {text!r}")
        return self._line.read_text()

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _wait_until(self, condition, what: str) -> None:
        """Read what the shell prints, lest it stops, until ``condition()``."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what} never came: {self._said[-2000:]!r}"
            if select.select([self._terminal], [], [], 0.05)[0]:
                self._said += os.read(self._terminal, 4096)


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request, tmp_path_factory) -> Iterator[Shell]:
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "authority.pem").touch()
    running = Shell(request.param, directory)
    yield running
    running.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("--dom", "--domain"),
        ("-d contoso.com --all-m", "-d contoso.com --all-mx "),
        ("--profile onl", "--profile online "),
        ("--profile=subm", "--profile=submission "),
        ("-S --auth nt", "-S --auth ntlm "),
        ("-A xo", "-A xoauth2 "),
        ("--ca-file auth", "--ca-file authority.pem "),
        ("--severity back", "--severity backup-mx="),
        ("--severity 4.3.1=cr", "--severity 4.3.1=critical "),
        ("--severity=recipient=unk", "--severity=recipient=unknown "),
        ("-w star", "-w starttls="),
        ("--domain on", "--domain on"),
        ("-d example.com --starttls-", "-d example.com --starttls-if-offered "),
    ],
)
def test_completed(shell, typed, completed):
    line = shell.typed(f"{PROGRAM} {typed}")
    # Behind a long name zsh puts the sign, bash a blank; the plugin takes both.
    assert line.rstrip(" =") == f"{PROGRAM} {completed}".rstrip(" =")
    if completed.endswith("="):
        assert line.endswith("=")


@pytest.mark.parametrize(
    ("typed", "possible"),
    [
        ("--set ", "worst any primary"),
        ("--min-tls ", "1.2 1.3"),
        ("--auth ", "auto login plain ntlm xoauth2"),
        ("--severity 452=", "ok warning critical unknown"),
    ],
)
def test_possible_values(shell, typed, possible):
    begin = f"{PROGRAM} {typed}"
    line = shell.typed(begin, ALL)
    inserted = line[len(begin.rstrip("=")) :].replace("=", " ").split()
    values = [word.rpartition("=")[2] for word in inserted if word not in ("452", "--severity")]
    assert sorted(values) == sorted(possible.split())


def test_an_option_is_not_offered_as_a_value(shell):
    """A domain can't be known, and a file in the working directory is none."""
    assert shell.typed(f"{PROGRAM} -d ") == f"{PROGRAM} -d "

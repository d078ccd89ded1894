"""The fault matrix: what servers do wrong at each stage, and what the plugin says of it.

The cases are in ``faults/*.txt``, in a form that is explained in ``faults/README.txt``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Optional

import pytest
from dialogue_server import DialogueServer, Line, Secure, lines_of
from scripted_server import PLUGIN, run_plugin

FAULTS = Path(__file__).parent / "faults"
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

#: A healthy session: what the client says at a stage, and what is answered if all is well.
HEALTHY = {
    "banner": "S: 220 mail1.contoso.com Microsoft ESMTP MAIL Service ready",
    "ehlo": """\
C: EHLO probe.client.example
S: 250-mail1.contoso.com Hello [127.0.0.1]
S: 250-SIZE 37748736
S: 250-PIPELINING
S: 250-DSN
S: 250-ENHANCEDSTATUSCODES
S: 250-STARTTLS
S: 250-X-ANONYMOUSTLS
S: 250-AUTH NTLM
S: 250-X-EXPS GSSAPI NTLM
S: 250-8BITMIME
S: 250-BINARYMIME
S: 250-CHUNKING
S: 250 XRDST""",
    "mail": """\
C: MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam.com>
S: 250 2.1.0 Sender OK""",
    "rcpt": """\
C: RCPT TO:<postmaster@contoso.com> NOTIFY=NEVER
S: 250 2.1.5 Recipient OK""",
    "data": """\
C: DATA
S: 354 Start mail input; end with <CRLF>.<CRLF>""",
    "message": """\
C: {MESSAGE}
C: QUIT
S: 250 2.6.0 Queued mail for delivery""",
    "quit": "S: 221 2.0.0 Service closing transmission channel",
}
COMMANDS = {"ehlo": "EHLO", "mail": "MAIL", "rcpt": "RCPT", "data": "DATA"}
ADDRESSED = {
    "mail": "MAIL ExMFA-MailAcceptTest@Fabrikam.com",
    "rcpt": "RCPT postmaster@contoso.com",
}
EXPECTED = {"rcpt": "250 or 251", "data": "354"}
#: So much time that no machine is too busy.
UNHURRIED = ("-t", "25")
FAREWELL = "S: 221 2.0.0 Bye"
#: Events after which the server hears nothing any more.
ENDS = ("closes", "resets", "floods ", "drips ")


class Case(NamedTuple):
    """One fault at one stage."""

    name: str
    lines: tuple[Line, ...]
    arguments: tuple[str, ...]
    exit_code: int
    words: str

    @property
    def timed(self) -> bool:
        """Whether the plugin is to run until its time is over."""
        return self.arguments != UNHURRIED


class Outcome(NamedTuple):
    """What came of a case."""

    exit_code: int
    line: str
    stderr: str
    mismatches: tuple[str, ...]


def cases() -> Iterator[Case]:
    for path in sorted(FAULTS.glob("*.txt")):
        if path.stem != "README":
            yield from cases_of(path.read_text(encoding="utf-8"), path.stem)


def cases_of(text: str, origin: str) -> Iterator[Case]:
    """Read a file of the matrix: blocks that are divided by empty lines."""
    stages: list[str] = []
    for block in re.split(r"\n\n+", re.sub(r"(?m)^#.*\n?", "", text)):
        title, _, body = block.strip("\n").partition("\n")
        if title.startswith("at: "):
            stages = title.removeprefix("at: ").split()
            title, _, body = body.strip("\n").partition("\n")
        if not title:
            continue
        for stage in stages:
            yield case(f"{origin}: {title}, at {stage}", stage, filled(body, stage))


def filled(body: str, stage: str) -> str:
    command = COMMANDS.get(stage, "the message")
    expected = EXPECTED.get(stage, "250")
    fields: Mapping[str, str] = {
        "{command}": command,
        "{addressed}": ADDRESSED.get(stage, command),
        "{expected}": expected,
        "{expected1}": expected[:3],
    }
    for field, text in fields.items():
        body = body.replace(field, text)
    return body


def case(name: str, stage: str, body: str) -> Case:
    names = list(HEALTHY)
    opening = "\n".join(HEALTHY[each] for each in names[: names.index(stage)])
    commands = [each for each in HEALTHY[stage].splitlines() if each.startswith("C: ")]
    steps: list[str] = []
    after = [] if stage in ("message", "quit") else ["C: QUIT", FAREWELL]
    arguments = UNHURRIED
    state, words = "", ""
    for line in body.splitlines():
        mark, text = line[2:3], line[4:]
        if mark == "<":
            steps.append(f"S: {text}")
        elif mark == "!":
            steps.append(f"~ {text}")
            # A server that has shut its side still hears the farewell, and cannot answer it.
            after = after[:1] if text == "shuts its side" else after
            after = [] if text.startswith(ENDS) else after
        elif mark == ">":
            after = [] if text in ("nothing", "QUIT") else after
            steps += [] if text == "nothing" else [f"C: {text}"]
        elif mark == "&":
            arguments = tuple(text.split())
        elif mark == "=":
            state, _, words = text.partition(" ")
        else:
            raise ValueError(f"{name}: what is {line!r}?")
    if stage == "message" and arguments == UNHURRIED and steps[-1].startswith("S: "):
        # To the QUIT that has come already; nobody has to wait for it.
        after = [] if steps[-1].endswith(r"\c") else [FAREWELL]
    dialogue = "\n".join([opening, *commands, *steps, *after])
    return Case(name, lines_of(dialogue), arguments, int(state), words)


CASES = {each.name: each for each in cases()}


def play(fault: Case, secure: Optional[Secure] = None, arguments: Sequence[str] = ()) -> Outcome:
    """Run the plugin against a server of this kind.

    :param secure: wraps the server's connection, for the same fault inside TLS
    :param arguments: what the plugin needs for that
    """
    server = DialogueServer(fault.lines, secure)
    run = run_plugin(
        "-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *fault.arguments, *arguments,
    )  # fmt: skip
    server.close()
    line = run.masked.partition("\n")[0].partition(" | ")[0]
    return Outcome(run.exit_code, line, run.stderr, tuple(server.mismatches))


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    """All the cases that were selected, those that only wait many at a time."""
    wanted = [
        CASES[item.callspec.params["name"]]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and hasattr(item, "callspec")
        and "name" in item.callspec.params
    ]
    outcomes: dict[str, Outcome] = {}
    for timed, at_once in ((False, 4), (True, 16)):
        batch = [each for each in wanted if each.timed is timed]
        with ThreadPoolExecutor(at_once) as pool:
            outcomes.update(zip((each.name for each in batch), pool.map(play, batch)))
    return outcomes


@pytest.mark.parametrize("name", CASES)
def test_a_fault_has_its_state_and_words(name: str, played: dict[str, Outcome]) -> None:
    """And the client says what it should, and nothing more."""
    fault = CASES[name]
    line = f"MAILACCEPT {STATES[fault.exit_code]} - {fault.words}"
    assert played[name] == Outcome(fault.exit_code, line, "", ())


def test_the_matrix_is_whole() -> None:
    """A file that is read wrongly would prove nothing."""
    assert len(CASES) >= 250


def test_no_case_but_those_at_quit_is_ok() -> None:
    """A server that has not taken the message with 250 after its dot has not accepted it."""
    fine = {name for name, each in CASES.items() if each.exit_code == 0}
    assert fine == {name for name in CASES if name.endswith(", at quit")}


#: Runs a command line and says how much memory it took at most, in KiB.
MEASURED = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(server: DialogueServer, *arguments: str) -> int:
    """Run the plugin, and give the most memory that it took, in KiB."""
    plugin = (
        sys.executable, str(PLUGIN), "-H", "127.0.0.1", "-p", str(server.port),
        "-r", "postmaster@contoso.com", "-F", "probe.client.example", *UNHURRIED, *arguments,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *plugin], capture_output=True, check=True, timeout=60
    )
    server.close()
    assert server.mismatches == []
    return int(done.stdout)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB there")


@linux
@pytest.mark.parametrize("flood", [r"250 A\c", "250-A", r"\x00\c", r"250-\n\c", r"9\c"])
@pytest.mark.parametrize("stage", ["banner", "ehlo", "message", "quit"])
def test_a_flood_takes_no_memory(stage: str, flood: str) -> None:
    """What is read is bounded: 32 MiB are Python, its libraries, and some of their data."""
    names = list(HEALTHY)
    opening = "\n".join(HEALTHY[each] for each in names[: names.index(stage)])
    commands = [each for each in HEALTHY[stage].splitlines() if each.startswith("C: ")]
    flood = flood.replace("250", "220") if stage == "banner" else flood
    dialogue = "\n".join([opening, *commands, f"~ floods {flood}"])
    assert measured(DialogueServer(lines_of(dialogue))) < 32 * 1024


def giant(code: int) -> str:
    """A reply that is just within the limits: 999 lines, 220,000 bytes."""
    lines = [f"S: {code}-{'x' * 215}"] * 998 + [f"S: {code} {'x' * 215}"]
    return "\n".join(lines)


@linux
@pytest.mark.parametrize("arguments", [(), ("-vv",)])
def test_giant_replies_take_no_memory(arguments: tuple[str, ...]) -> None:
    """At every stage one, and all of them taken."""
    dialogue = [
        giant(220), "C: EHLO probe.client.example", giant(250),
        "C: MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam.com>", giant(250),
        "C: RCPT TO:<postmaster@contoso.com>", giant(251), "C: DATA", giant(354),
        "C: {MESSAGE}", giant(250), "C: QUIT", giant(221),
    ]  # fmt: skip
    assert measured(DialogueServer(lines_of("\n".join(dialogue))), *arguments) < 32 * 1024

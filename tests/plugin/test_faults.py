"""The fault matrix: what servers do wrong at each stage, and what the plugin says of it.

The cases are in ``faults/*.txt``, in a form that is explained in ``faults/README.txt``; whole
sessions of healthy and of strange servers are in ``dialogues/*.txt``.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.certificates import Authority
from support.measuring import run_measured
from support.plugin import check
from support.scripts import Line, dialogue, lines_of
from support.smtp import Server

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


class Outcome(NamedTuple):
    """What came of a case."""

    exit_code: int
    line: str
    stderr: str
    mismatches: tuple[str, ...]


class Played(NamedTuple):
    """A case that was played: what came of it, and what it took."""

    outcome: Outcome
    seconds: float
    peak_kib: int


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

    @property
    def timeout(self) -> float:
        """Its ``-t``."""
        return float(self.arguments[self.arguments.index("-t") + 1])

    @property
    def expected(self) -> Outcome:
        """What is right."""
        line = f"MAILACCEPT {STATES[self.exit_code]} - {self.words}"
        return Outcome(self.exit_code, line, "", ())


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
    opening = "\n".join(HEALTHY[before] for before in names[: names.index(stage)])
    commands = [line for line in HEALTHY[stage].splitlines() if line.startswith("C: ")]
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


CASES = {fault.name: fault for fault in cases()}
TRANSPORTS = ("plain", "tls")
#: Most memory of a run in KiB; the half that TLS takes more are OpenSSL and cryptography.
MOST_MEMORY = {"plain": 32 * 1024, "tls": 64 * 1024}
#: Seconds that a run may last beyond its ``-t`` on a busy machine; one that hangs lasts longer.
LATE = 10
#: How many of those that wait for their ``-t`` wait at once, and the seconds between their starts.
AT_ONCE, APART = 8, 0.15


def one_of_each_kind() -> set[str]:
    """One case of each kind that may happen at every stage, each at another stage than the last."""
    kinds: dict[str, list[str]] = {}
    for name in CASES:
        if name.startswith("everywhere: "):
            kinds.setdefault(name.rpartition(", at ")[0], []).append(name)
    return {names[nth % len(names)] for nth, names in enumerate(kinds.values())}


def runs(timed: bool) -> list[tuple[str, str]]:
    """Name and transport of the cases; those inside TLS last."""
    names = [name for name, fault in CASES.items() if fault.timed is timed]
    return [(name, transport) for transport in TRANSPORTS for name in names]


def parameters() -> Iterator[Any]:
    """The runs that end by themselves, one a test, and those that wait, some at a time."""
    usual = one_of_each_kind()
    for timed in (False, True):
        plain = [run for run in runs(timed) if run[1] == "plain"]
        inside = [run for run in runs(timed) if run[1] == "tls" and run[0] in usual]
        rest = [run for run in runs(timed) if run[1] == "tls" and run[0] not in usual]
        size = AT_ONCE if timed else 1
        for among, marks in ((plain, ()), (inside, ()), (rest, pytest.mark.slow)):
            for begin in range(0, len(among), size):
                batch = among[begin : begin + size]
                name = f"{batch[0][0]} {batch[0][1]}"
                name += f" and {len(batch) - 1} more" if len(batch) > 1 else ""
                yield pytest.param(batch, id=name, marks=marks)


def play(fault: Case, transport: str) -> Played:
    """Run the plugin against a server with this fault, or with the same fault inside TLS."""
    secure, lines, pardoned = None, fault.lines, set()
    environment = {}
    if transport == "tls":
        secure, authority = trusted_server()
        # One that is not trusted would be connected twice.
        environment = {"SSL_CERT_FILE": authority}
        if Line("~", "shuts its side") in lines[-2:]:
            # Whether TLS can be spoken into an end that came without its own farewell depends on
            # the version of Python.
            lines = lines[:-1] if lines[-1].speaker == "C" else lines
            pardoned = {"expected nothing more, heard b'QUIT\\r\\n'"}
    server = Server(dialogue(lines, secure))
    run = run_measured(
        "-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *fault.arguments, *(["-s"] if secure else []),
        **environment,
    )  # fmt: skip
    server.close()
    mismatches = tuple(mismatch for mismatch in server.mismatches if mismatch not in pardoned)
    outcome = Outcome(run.run.exit_code, run.run.first_line, run.run.stderr, mismatches)
    return Played(outcome, run.seconds, run.peak_kib)


_DIRECTORY = tempfile.TemporaryDirectory()


@functools.cache
def trusted_server() -> tuple[ssl.SSLContext, str]:
    """TLS for all the servers, and the file of the authority of their certificate."""
    authority = Authority(Path(_DIRECTORY.name), "Test CA")
    return authority.issue("mail1.contoso.com").context(), authority.file


@pytest.mark.parametrize("batch", [*parameters()])
def test_a_fault_has_its_state_and_words(batch: list[tuple[str, str]]) -> None:
    """The client says what it should and nothing more, in bounded time and memory."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = []
        for name, transport in batch:
            waiting.append(pool.submit(play, CASES[name], transport))
            if len(batch) > 1:
                time.sleep(APART)
        results = [run.result() for run in waiting]
    assert [played.outcome for played in results] == [CASES[name].expected for name, _ in batch]
    for (name, transport), result in zip(batch, results):
        assert result.peak_kib < MOST_MEMORY[transport]
        assert result.seconds <= CASES[name].timeout + LATE


def test_the_matrix_is_whole() -> None:
    """A file that is read wrongly would prove nothing."""
    assert len(CASES) >= 250
    assert len(one_of_each_kind()) >= 40


def test_no_case_but_those_at_quit_is_ok() -> None:
    """A server that has not taken the message with 250 after its dot has not accepted it."""
    fine = {name for name, fault in CASES.items() if fault.exit_code == 0}
    assert fine == {name for name in CASES if name.endswith(", at quit")}


@pytest.mark.parametrize(("stage", "flood"), [("ehlo", r"250-\n\c"), ("message", r"9\c")])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_flood_takes_no_memory(transport: str, stage: str, flood: str) -> None:
    """What is read is bounded: the rest are Python, its libraries, and some of their data."""
    fault = case("a flood", stage, f"  ! floods {flood}\n  = 2 whatever")
    result = play(fault, transport)
    assert result.outcome.mismatches == ()
    assert result.peak_kib < MOST_MEMORY[transport]


def giant(code: int) -> str:
    """A reply that is just within the limits: 999 lines, 220,000 bytes."""
    lines = [f"S: {code}-{'x' * 215}"] * 998 + [f"S: {code} {'x' * 215}"]
    return "\n".join(lines)


@pytest.mark.parametrize(("transport", "arguments"), [("plain", ()), ("tls", ("-vv",))])
def test_giant_replies_take_no_memory(transport: str, arguments: tuple[str, ...]) -> None:
    dialogue = [
        giant(220), "C: EHLO probe.client.example", giant(250),
        "C: MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam.com>", giant(250),
        "C: RCPT TO:<postmaster@contoso.com>", giant(251), "C: DATA", giant(354),
        "C: {MESSAGE}", giant(250), "C: QUIT", giant(221),
    ]  # fmt: skip
    lines = lines_of("\n".join(dialogue))
    result = play(Case("giant", lines, (*UNHURRIED, *arguments), 1, ""), transport)
    assert (result.outcome.exit_code, result.outcome.mismatches) == (1, ())
    assert result.peak_kib < MOST_MEMORY[transport]


DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_written_session(serve, path: Path) -> None:
    """State, first line and every word that is said, to the end of the connection."""
    text = path.read_text(encoding="utf-8")
    head = dict(re.findall("^# (run|exit|line): (.*)$", text, re.MULTILINE))
    run = check(serve(dialogue(lines_of(text))), *head.get("run", "").split())
    expected = (int(head["exit"]), head["line"], "")
    assert (run.exit_code, run.first_line, run.stderr) == expected


@pytest.mark.parametrize(
    ("said", "mismatch"),
    [
        (b"HELO a\r\n", r"expected 'EHLO a', heard b'HELO a\r\n'"),
        (b"EHLO a\n", r"expected 'EHLO a', heard b'EHLO a\n'"),
        (b"EHLO a\r\nQUIT\r\n", r"expected nothing more, heard b'QUIT\r\n'"),
        (b"", "expected 'EHLO a', and the client went"),
    ],
)
def test_a_client_that_says_something_else_is_noticed(serve_carelessly, said, mismatch) -> None:
    """The server would prove nothing if it took everything."""
    server = serve_carelessly(dialogue(lines_of("S: 220 ready\nC: EHLO a\nS: 250 OK")))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        client.makefile("rb").read()
    server.close()
    assert server.mismatches == [mismatch]

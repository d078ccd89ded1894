"""The simulator of simulator/, spoken to by other clients than the plugin.

TLS and AUTH are in ``test_simulator_security.py``; the plugin meets it in ``test_scenarios.py``.
"""

from __future__ import annotations

import re
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiosmtpd")

from support.simulators import SENT, STAGES, Client, client_of

from simulator.certificates import Certificate
from simulator.server import Simulator

ROOT = Path(__file__).resolve().parents[2]
AT_EACH_STAGE = pytest.mark.parametrize("stage", STAGES)


def keywords(**options) -> list[str]:
    with client_of(**options) as client:
        return [line[4:] for line in client.at("ehlo").split("\n")[1:]]


DATE = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [1-9]\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
MICROSOFT = rf"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service ready at {DATE}"
START = r"354 Start mail input; end with <CRLF>\.<CRLF>"
OK, TO = r"250 2\.1\.0 Sender OK", r"250 2\.1\.5 Recipient OK"
CLOSING = r"221 2\.0\.0 Service closing transmission channel"
WITH_HOST = r"250 2\.6\.0 <1@client\.example> \[InternalId=\d+, Hostname=mail1\.contoso\.com\] "
#: Banner, MAIL, RCPT, DATA, the message and QUIT; the scenarios below show the keywords.
SESSIONS = {
    "2003": (
        r"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service, Version: 6\.0\.3790\.4675 ready at "
        rf" {DATE}",
        r"250 2\.1\.0 probe@client\.example\.\.\.\.Sender OK",
        r"250 2\.1\.5 postmaster@contoso\.com",
        START,
        r"250 2\.6\.0 <1@client\.example> Queued mail for delivery",
        r"221 2\.0\.0 mail1\.contoso\.com Service closing transmission channel",
    ),
    "2010": (
        *(MICROSOFT, OK, TO, START),
        r"250 2\.6\.0 <1@client\.example> \[InternalId=\d+\] Queued mail for delivery",
        CLOSING,
    ),
    "2016": (MICROSOFT, OK, TO, START, WITH_HOST + "Queued mail for delivery", CLOSING),
    "online": (
        *(MICROSOFT + r" \[[0-9A-F]{16}\]", OK, TO, START),
        WITH_HOST + r"57 bytes in \d+\.\d{3}, \d+\.\d{3} KB/sec Queued mail for delivery",
        CLOSING,
    ),
    "plain": (
        r"220 mail1\.contoso\.com ESMTP ready",
        *(r"250 2\.1\.0 Ok", r"250 2\.1\.5 Ok", r"354 End data with <CR><LF>\.<CR><LF>"),
        *(r"250 2\.0\.0 Ok: queued as [0-9A-F]+", r"221 2\.0\.0 Bye"),
    ),
}


@pytest.mark.parametrize("pose", SESSIONS)
def test_a_session_is_in_the_words_of_its_generation(pose):
    with client_of(pose=pose) as client:
        replies = [client.send(SENT[stage]) for stage in STAGES]
    assert replies.pop(1).startswith("250-mail1.contoso.com")
    for pattern, reply in zip(SESSIONS[pose], replies):
        assert re.fullmatch(pattern, reply)
    assert client.simulator.messages == [SENT["message"][:-3].replace(b".Hello", b"Hello")]
    assert "C: .Hello" in client.simulator.transcript


@pytest.mark.parametrize(
    ("without", "stage", "command", "expected"),
    [
        ("", "banner", b"MAIL FROM:<a@b.example>", "503 5.5.2 Send hello first"),
        ("", "banner", b"NONSENSE", "500 5.3.3 Unrecognized command"),
        ("", "banner", b"EHLO", "250-mail1.contoso.com Hello [127.0.0.1]"),
        ("", "ehlo", b"RCPT TO:<a@b.example>", "503 5.5.2 Need mail command"),
        ("", "ehlo", b"MAIL FROM:<>", "250 2.1.0 Sender OK"),
        ("", "ehlo", b"MAIL FROM:<a@b.example> SIZE=37748736", "250 2.1.0 Sender OK"),
        ("", "ehlo", b"MAIL FROM:<a@b.example> SIZE=37748737",
         "552 5.3.4 Message size exceeds fixed maximum message size"),
        ("", "mail", b"DATA", "503 5.5.2 Need rcpt command"),
        ("", "mail", b"MAIL FROM:<a@b.example>", "503 5.5.2 Sender already specified"),
        ("", "mail", b"RCPT postmaster", "501 5.5.4 Invalid arguments"),
        ("", "mail", b"RCPT TO:<a@contoso.com> NOTIFY=NEVER", "250 2.1.5 Recipient OK"),
        ("dsn", "mail", b"RCPT TO:<a@contoso.com> NOTIFY=NEVER", "501 5.5.4 Invalid arguments"),
    ],
)  # fmt: skip
def test_a_command_is_answered_as_by_exchange(without, stage, command, expected):
    with client_of(without=without.split()) as client:
        client.at(stage)
        assert client.send(command + b"\r\n").split("\n")[0] == expected


# Replies, delays and losses that were asked for.


@AT_EACH_STAGE
def test_a_reply_is_given_at_its_stage(stage):
    """A 421 closes the connection (RFC 5321 3.8)."""
    with client_of(reply={stage: r"421-4.3.2 No\n421 4.3.2 {name}"}) as client:
        assert client.at(stage) == "421-4.3.2 No\n421 4.3.2 {name}"
        assert client.reply() == ""
        assert client.simulator.transcript[-2:] == ["S: 421-4.3.2 No", "S: 421 4.3.2 {name}"]


@pytest.mark.parametrize(
    ("reply", "commands", "expected"),
    [
        # After a banner of 554 nothing but QUIT is served (RFC 5321 3.1).
        ({"banner": "554 5.3.2 No service"}, ["", "EHLO a", "HELO a", "MAIL FROM:<a@b.example>",
         "QUIT"], "554 503 503 503 221"),
        ({"banner": "SSH-2.0-OpenSSH_9.6"}, [""], "SSH"),
        ({"ehlo": "502 No"}, ["", "EHLO a", "MAIL FROM:<a@b.example>", "HELO a",
         "MAIL FROM:<a@b.example>"], "220 502 503 250 250"),
        ({"mail": "452 4.3.1 No"}, ["", "EHLO a", "MAIL FROM:<a@b.example>",
         "RCPT TO:<a@b.example>"], "220 250 452 503"),
        ({"rcpt": "550 5.1.1 No"}, ["", "EHLO a", "MAIL FROM:<a@b.example>",
         "RCPT TO:<a@b.example>", "DATA"], "220 250 250 550 503"),
        # What follows a refused DATA are commands, not the message.
        ({"data": "451 4.3.0 No"}, ["", "EHLO a", "MAIL FROM:<a@b.example>",
         "RCPT TO:<a@b.example>", "DATA", "Subject: x"], "220 250 250 250 451 500"),
        ({"starttls": "454 4.7.0 No"}, ["", "EHLO a", "STARTTLS", "MAIL FROM:<a@b.example>"],
         "220 250 454 250"),
        # In clear, behind the 220.
        ({"handshake": "500 5.3.3 No"}, ["", "EHLO a", "STARTTLS", ""], "220 250 220 500"),
        ({"auth": "550 5.7.30 No"}, ["", "EHLO a", "AUTH LOGIN"], "220 250 550"),
        ({"mail": "250 fine", "message": "452 4.3.1 No"}, ["", "EHLO a", "MAIL FROM:<a@b.example>",
         "RCPT TO:<a@b.example>", "DATA", "Subject: x\r\n.", "QUIT"],
         "220 250 250 250 354 452 221"),
    ],
)  # fmt: skip
def test_what_a_refusal_leads_to(reply, commands, expected):
    with client_of(reply=reply, auth_before_tls=["LOGIN"]) as client:
        codes = [
            client.send(f"{command}\r\n".encode() if command else b"")[:3] for command in commands
        ]
    assert " ".join(codes) == expected
    assert client.simulator.messages == []


def test_a_delay_does_not_outlive_the_server():
    with Simulator(delay={"banner": 600}) as simulator:
        client = Client(simulator)
    assert client.reply() == ""
    client.close()


def test_keywords_are_withheld():
    """In whatever letter case they are named; with AUTH its old form AUTH=LOGIN goes."""
    offered = keywords(pose="2003")
    left = keywords(pose="2003", without=["auth", "X-EXPS=LOGIN"])
    assert [line for line in offered if line not in left] == [
        "X-EXPS=LOGIN", "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN",
    ]  # fmt: skip
    assert keywords(pose="2003", without=[line.split()[0] for line in offered]) == []


def test_starttls_is_offered_where_it_is_wanted():
    assert not {"STARTTLS", "X-ANONYMOUSTLS"} & {*keywords(tls="none")}
    assert "STARTTLS" in keywords(pose="2003", tls="starttls")


# Options.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pose": "2001"}, "no pose '2001'"),
        ({"host": "192.0.2.1"}, "'192.0.2.1' is not a loopback address"),
        ({"host": "0.0.0.0"}, "'0.0.0.0' is not a loopback address"),
        ({"host": "mail.example"}, "'mail.example' is not a loopback address"),
        ({"port": 65536}, "port 65536"),
        ({"reply": {"hello": "250 x"}}, "no stage 'hello'"),
        ({"delay": {"dot": 1}}, "no stage 'dot'"),
        ({"drop": ["connect"]}, "no stage 'connect'"),
        ({"delay": {"mail": -1}}, "delay at mail"),
        ({"delay": {"mail": float("nan")}}, "delay at mail"),
        ({"hurry": 0}, "hurry"),
        ({"scenario": "armageddon"}, "no scenario 'armageddon'"),
        ({"tls": "always"}, "no TLS mode 'always'"),
        ({"auth": ["CRAM-MD5"]}, "no mechanism 'CRAM-MD5'"),
        ({"auth": ["LOGIN"], "tls": "none"}, "use auth_before_tls"),
        ({"certificate": Certificate(key="x.pem")}, "key needs certificate"),
        ({"certificate": Certificate(file="/nonexistent.pem")}, "/nonexistent.pem: "),
        (
            {"certificate": Certificate(client_authorities="/nonexistent.pem"), "tls": "starttls"},
            "/nonexistent.pem: ",
        ),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Simulator(**options)


def run(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "simulator", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "192.0.2.1"], "not a loopback address"),
        (["--port", "smtp"], "--port"),
        (["--reply", "rcpt"], "'rcpt' has not the form NAME=VALUE"),
        (["--delay", "rcpt=soon"], "'soon'"),
        (["--auth", "login cram-md5"], "no mechanism 'CRAM-MD5'"),
        (["--run"], "--run needs a command"),
        (["--nonsense"], "--nonsense"),
        (["--run", "/nonexistent/command"], "/nonexistent/command"),
        (["--port", "{taken}"], "in use"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(arguments, message):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(*(word.replace("{taken}", port) for word in arguments))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("simulator: error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_aiosmtpd_is_missing():
    # -S leaves out site-packages, where aiosmtpd is.
    ended = run(python=("-S",))
    assert ended.returncode == 1
    assert "aiosmtpd is missing" in ended.stderr
    assert ended.stderr.count("\n") == 1


SAY_EHLO = "import smtplib; c = smtplib.SMTP('{host}', {port}); print(c.ehlo('p')[0]); c.quit()"
LOG_ON = (
    "import smtplib, ssl; c = smtplib.SMTP_SSL('{host}', {port}, "
    "context=ssl._create_unverified_context()); print(c.login('u', 'p')[0])"
)
WITH_LOGON = "--tls implicit --user u --password p --auth".split()


@pytest.mark.parametrize(
    ("options", "program", "status", "printed", "told"),
    [
        (["--pose", "2016"], [SAY_EHLO], 0, "250\n", ""),
        # The exit status is the command's; of a killed one, as a shell says it.
        ([], ["raise SystemExit(7)"], 7, "", ""),
        ([], ["import os; os.kill(os.getpid(), 15)"], 143, "", ""),
        # Options after --run belong to the command, and braces that are no place-holder stay.
        ([], ["import sys; print(sys.argv[1:])", "--pose", "x", "{}", "{host}:25"], 0,
         "['--pose', 'x', '{}', '127.0.0.1:25']\n", ""),
        ([*WITH_LOGON, "login plain"], [LOG_ON], 0, "235\n", ""),
        # The user is told why a run takes long, and not by standard output, which is the plugin's.
        (["--delay", "rcpt=2.1"], [""], 0, "", "simulator: the replies take 2.1 s\n"),
    ],
)  # fmt: skip
def test_a_command_is_run(options, program, status, printed, told):
    ended = run(*options, "--run", sys.executable, "-c", *program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, printed, told)


def test_the_dialogue_is_printed_if_it_is_wanted():
    ended = run("--verbose", "--run", sys.executable, "-c", SAY_EHLO)
    assert ended.stdout.startswith("listening on 127.0.0.1 port ")
    assert "C: ehlo p\nS: 250-mail1.contoso.com Hello [127.0.0.1]\n" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("connected", [False, True])
def test_it_ends_at_a_signal(number, connected):
    """It says where it listens and what is spoken, and ends well when told to."""
    with subprocess.Popen(
        [sys.executable, "-m", "simulator", "--reply", r"mail=452-4.3.1 Full\n452 4.3.1 Disk"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = re.fullmatch(r"listening on 127\.0\.0\.1 port (\d+)\n", process.stdout.readline())
        assert first is not None
        client = smtplib.SMTP("127.0.0.1", int(first[1]), timeout=30)
        client.ehlo("probe.example")
        assert client.mail("a@b.example")[0] == 452
        if not connected:
            client.quit()
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        client.close()
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("S: 220 mail1.contoso.com Microsoft ESMTP MAIL Service ready at ")
    assert "\nS: 452-4.3.1 Full\nS: 452 4.3.1 Disk\n" in output
    assert output.endswith("C: quit\nS: 221 2.0.0 Service closing transmission channel\n") == (
        not connected
    )

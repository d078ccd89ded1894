"""The simulator of simulator/, spoken to by other clients than the plugin."""

# A client within its server is two lines: which ends first matters.
# ruff: noqa: SIM117

from __future__ import annotations

import base64
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiosmtpd")

from simulator import scenarios
from simulator.certificates import Certificate
from simulator.poses import Credentials
from simulator.server import Simulator

ROOT = Path(__file__).resolve().parents[2]

NAME = "mail1.contoso.com"

#: What each stage's client sends, in order; nothing before the banner.
SENT = {
    "banner": b"",
    "ehlo": b"EHLO probe.example\r\n",
    "mail": b"MAIL FROM:<probe@client.example>\r\n",
    "rcpt": b"RCPT TO:<postmaster@contoso.com>\r\n",
    "data": b"DATA\r\n",
    "message": b"Message-ID: <1@client.example>\r\nSubject: probe\r\n\r\nHello\r\n.\r\n",
    "quit": b"QUIT\r\n",
}
STAGES = list(SENT)

KEYWORDS = {
    "2003": [
        "TURN", "SIZE", "ETRN", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8bitmime",
        "BINARYMIME", "CHUNKING", "VRFY", "X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN",
        "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN", "X-LINK2STATE", "XEXCH50", "OK",
    ],
    "2007": [
        "SIZE", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS",
        "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "XEXCH50",
        "XRDST",
    ],
    "2010": [
        "SIZE", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS",
        "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "XEXCH50",
        "XRDST", "XSHADOW",
    ],
    "2013": [
        "SIZE", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS",
        "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "XEXCH50",
        "XRDST", "XSHADOWREQUEST",
    ],
    "2016": [
        "SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS",
        "X-ANONYMOUSTLS", "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME",
        "CHUNKING", "XRDST",
    ],
    "2019": [
        "SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS",
        "X-ANONYMOUSTLS", "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME",
        "CHUNKING", "SMTPUTF8", "XRDST",
    ],
    "online": [
        "SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "8BITMIME",
        "BINARYMIME", "CHUNKING", "SMTPUTF8",
    ],
    "plain": [
        "PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS", "ENHANCEDSTATUSCODES",
        "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING",
    ],
}  # fmt: skip

DATE = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [1-9]\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
BANNERS = {
    "2003": r"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service, "
    rf"Version: 6\.0\.3790\.4675 ready at  {DATE}",
    "2007": rf"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service ready at {DATE}",
    "2019": rf"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service ready at {DATE}",
    "online": r"220 mail1\.contoso\.com Microsoft ESMTP MAIL Service ready at "
    rf"{DATE} \[[0-9A-F]{{16}}\]",
    "plain": r"220 mail1\.contoso\.com ESMTP ready",
}

OLD_FORM = r"250 2\.6\.0 <1@client\.example> Queued mail for delivery"
WITH_HOST = (
    r"250 2\.6\.0 <1@client\.example> \[InternalId=\d+, Hostname=mail1\.contoso\.com\] "
    r"Queued mail for delivery"
)
WITH_RATE = (
    r"250 2\.6\.0 <1@client\.example> \[InternalId=\d+, Hostname=mail1\.contoso\.com\] "
    r"57 bytes in \d+\.\d{3}, \d+\.\d{3} KB/sec Queued mail for delivery"
)
FINAL_REPLIES = {
    "2003": OLD_FORM,
    "2007": OLD_FORM,
    "2010": r"250 2\.6\.0 <1@client\.example> \[InternalId=\d+\] Queued mail for delivery",
    "2013": WITH_HOST,
    "2016": WITH_HOST,
    "2019": WITH_RATE,
    "online": WITH_RATE,
    "plain": r"250 2\.0\.0 Ok: queued as [0-9A-F]+",
}


class Client:
    """A client that sends what it is told and shows replies as they came."""

    def __init__(self, simulator: Any) -> None:
        self._socket = socket.create_connection((simulator.host, simulator.port), timeout=30)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._socket.close()

    def reply(self) -> str:
        """Read a reply, lines separated by newlines; empty when the server closed instead."""
        lines = []
        while True:
            line = self._file.readline()
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-" or not line[:3].isdigit():
                return "\n".join(lines)

    def send(self, data: bytes) -> str:
        """Send ``data`` and read the reply."""
        self._socket.sendall(data)
        return self.reply()

    def at(self, stage: str) -> str:
        """Go through the stages up to ``stage`` and return the reply there."""
        for each in STAGES[: STAGES.index(stage)]:
            assert self.send(SENT[each])[:1] in ("2", "3"), each
        return self.send(SENT[stage])


def _keywords(simulator: Any) -> list[str]:
    with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
        code, text = client.ehlo("probe.example")
    assert code == 250
    return text.decode().split("\n")[1:]


@pytest.mark.parametrize("pose", KEYWORDS)
def test_keywords_of_a_pose(pose: str) -> None:
    """EHLO lists what that generation lists, in its order and its letter case."""
    with Simulator(pose=pose) as simulator:
        assert _keywords(simulator) == KEYWORDS[pose]


@pytest.mark.parametrize("pose", BANNERS)
def test_banner_of_a_pose(pose: str) -> None:
    """The banner has the generation's form, the day of the month without a leading zero."""
    with Simulator(pose=pose) as simulator, Client(simulator) as client:
        assert re.fullmatch(BANNERS[pose], client.reply())


@pytest.mark.parametrize("pose", FINAL_REPLIES)
def test_final_reply_of_a_pose(pose: str) -> None:
    """The reply to the final dot names the message in the generation's form."""
    with Simulator(pose=pose) as simulator, Client(simulator) as client:
        assert re.fullmatch(FINAL_REPLIES[pose], client.at("message"))


@pytest.mark.parametrize(
    ("pose", "stage", "expected"),
    [
        ("2003", "mail", "250 2.1.0 probe@client.example....Sender OK"),
        ("2003", "rcpt", "250 2.1.5 postmaster@contoso.com"),
        ("2003", "data", "354 Start mail input; end with <CRLF>.<CRLF>"),
        ("2003", "quit", "221 2.0.0 mail1.contoso.com Service closing transmission channel"),
        ("2016", "mail", "250 2.1.0 Sender OK"),
        ("2016", "rcpt", "250 2.1.5 Recipient OK"),
        ("2016", "data", "354 Start mail input; end with <CRLF>.<CRLF>"),
        ("2016", "quit", "221 2.0.0 Service closing transmission channel"),
        ("plain", "data", "354 End data with <CR><LF>.<CR><LF>"),
    ],
)
def test_reply_text_of_a_pose(pose: str, stage: str, expected: str) -> None:
    """The replies in between are the generation's too."""
    with Simulator(pose=pose) as simulator, Client(simulator) as client:
        assert client.at(stage) == expected


def test_hello_line() -> None:
    """EHLO is greeted with the server's name and the client's address."""
    with Simulator(name="ex.example") as simulator, Client(simulator) as client:
        assert client.at("ehlo").split("\n")[0] == "250-ex.example Hello [127.0.0.1]"


def test_a_reply_is_one_write() -> None:
    """All lines of the reply to EHLO arrive at once."""
    with Simulator() as simulator, socket.create_connection(("127.0.0.1", simulator.port)) as raw:
        raw.settimeout(30)
        assert raw.recv(4096).endswith(b"\r\n")
        raw.sendall(SENT["ehlo"])
        assert raw.recv(4096).endswith(b"\r\n250 XRDST\r\n")


def test_message_is_kept() -> None:
    """An accepted message is kept as it was meant, and its lines as they were sent."""
    with Simulator() as simulator:
        with smtplib.SMTP("127.0.0.1", simulator.port, "probe.example", timeout=30) as client:
            client.sendmail("a@b.example", ["c@contoso.com"], "Subject: x\r\n\r\n.hidden\r\n")
        assert simulator.messages == [b"Subject: x\r\n\r\n.hidden\r\n"]
        assert simulator.received[0] == "ehlo probe.example"
        assert simulator.received[-5:] == ["Subject: x", "", "..hidden", ".", "QUIT"]


def test_transcript_has_both_sides() -> None:
    """The transcript says who spoke."""
    with Simulator() as simulator, Client(simulator) as client:
        client.at("mail")
    assert simulator.transcript[-2:] == [
        "C: MAIL FROM:<probe@client.example>",
        "S: 250 2.1.0 Sender OK",
    ]


def test_message_id_is_made_up() -> None:
    """A message without Message-ID gets one of the server's own host."""
    with Simulator(pose="2016") as simulator, Client(simulator) as client:
        client.at("data")
        reply = client.send(b"Subject: x\r\n\r\n.\r\n")
    assert re.match(r"250 2\.6\.0 <[-0-9a-f]{36}@mail1\.contoso\.com> ", reply)


def test_dsn_parameters() -> None:
    """NOTIFY is accepted with DSN offered."""
    with Simulator() as simulator, Client(simulator) as client:
        client.at("mail")
        assert client.send(b"RCPT TO:<a@contoso.com> NOTIFY=NEVER\r\n").startswith("250 ")
        assert client.send(b"DATA\r\n").startswith("354 ")


def test_dsn_parameters_without_dsn() -> None:
    """NOTIFY is an invalid argument without DSN."""
    with Simulator(without=["dsn"]) as simulator, Client(simulator) as client:
        client.at("mail")
        reply = client.send(b"RCPT TO:<a@contoso.com> NOTIFY=NEVER\r\n")
        assert reply == "501 5.5.4 Invalid arguments"


def test_null_sender() -> None:
    """The null reverse-path opens a transaction like any other sender."""
    with Simulator() as simulator, Client(simulator) as client:
        client.at("ehlo")
        assert client.send(b"MAIL FROM:<>\r\n") == "250 2.1.0 Sender OK"
        assert client.send(SENT["rcpt"]) == "250 2.1.5 Recipient OK"


def test_ehlo_without_host_name() -> None:
    """EHLO without an argument is accepted, as Exchange does."""
    with Simulator() as simulator, Client(simulator) as client:
        client.reply()
        assert client.send(b"EHLO\r\n").startswith("250-mail1.contoso.com Hello")
        assert client.send(SENT["mail"]).startswith("250 ")


def test_size_is_a_limit() -> None:
    """A message announced larger than the SIZE keyword says is refused at MAIL."""
    with Simulator(pose="2016") as simulator, Client(simulator) as client:
        client.at("ehlo")
        reply = client.send(b"MAIL FROM:<a@b.example> SIZE=37748737\r\n")
        assert reply == "552 5.3.4 Message size exceeds fixed maximum message size"
        assert client.send(b"MAIL FROM:<a@b.example> SIZE=37748736\r\n") == "250 2.1.0 Sender OK"


@pytest.mark.parametrize(
    ("stage", "command", "expected"),
    [
        ("banner", b"MAIL FROM:<a@b.example>\r\n", "503 5.5.2 Send hello first"),
        ("banner", b"NONSENSE\r\n", "500 5.3.3 Unrecognized command"),
        ("ehlo", b"RCPT TO:<a@b.example>\r\n", "503 5.5.2 Need mail command"),
        ("mail", b"DATA\r\n", "503 5.5.2 Need rcpt command"),
        ("mail", b"MAIL FROM:<a@b.example>\r\n", "503 5.5.2 Sender already specified"),
        ("mail", b"RCPT postmaster\r\n", "501 5.5.4 Invalid arguments"),
    ],
)
def test_errors_are_in_words_of_exchange(stage: str, command: bytes, expected: str) -> None:
    """A client's mistake is answered as Exchange would."""
    with Simulator() as simulator, Client(simulator) as client:
        client.at(stage)
        assert client.send(command) == expected


@pytest.mark.parametrize("stage", STAGES)
def test_reply_at_a_stage(stage: str) -> None:
    """The text given for a stage is answered there, and only there."""
    text = "451 4.7.0 Temporary server error. Please try again later. PRX4"
    with Simulator(reply={stage: text}) as simulator, Client(simulator) as client:
        assert client.at(stage) == text


@pytest.mark.parametrize("stage", STAGES)
def test_reply_of_several_lines(stage: str) -> None:
    """Lines separated by backslash n are sent as they were given."""
    with Simulator(reply={stage: r"554-5.7.1 No\n554 5.7.1 {name}"}) as simulator:
        with Client(simulator) as client:
            assert client.at(stage) == "554-5.7.1 No\n554 5.7.1 {name}"
        assert simulator.transcript[-2:] == ["S: 554-5.7.1 No", "S: 554 5.7.1 {name}"]


def test_reply_that_is_no_smtp() -> None:
    """A text without a reply code goes out unchanged."""
    with Simulator(reply={"banner": "SSH-2.0-OpenSSH_9.6"}) as simulator:
        with Client(simulator) as client:
            assert client.reply() == "SSH-2.0-OpenSSH_9.6"


def test_refused_banner() -> None:
    """After a banner of 554 nothing but QUIT is served (RFC 5321 3.1)."""
    with Simulator(reply={"banner": "554 5.3.2 No service"}) as simulator:
        with Client(simulator) as client:
            client.reply()
            assert client.send(SENT["ehlo"]).startswith("503 ")
            assert client.send(b"HELO probe.example\r\n").startswith("503 ")
            assert client.send(SENT["mail"]).startswith("503 ")
            assert client.send(b"QUIT\r\n").startswith("221 ")


def test_refused_ehlo() -> None:
    """After a refused EHLO there is no transaction before HELO, which is accepted."""
    with Simulator(reply={"ehlo": "502 Command not implemented"}) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            assert client.send(SENT["mail"]) == "503 5.5.2 Send hello first"
            assert client.send(b"HELO probe.example\r\n").startswith("250 mail1.contoso.com")
            assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"


def test_refused_mail() -> None:
    """After a refused MAIL there is no transaction."""
    with Simulator(reply={"mail": "452 4.3.1 Insufficient"}) as simulator:
        with Client(simulator) as client:
            client.at("mail")
            assert client.send(SENT["rcpt"]) == "503 5.5.2 Need mail command"


def test_refused_rcpt() -> None:
    """After a refused RCPT there is no recipient."""
    with Simulator(reply={"rcpt": "550 5.1.1 Unknown"}) as simulator:
        with Client(simulator) as client:
            client.at("rcpt")
            assert client.send(SENT["data"]) == "503 5.5.2 Need rcpt command"


def test_refused_data() -> None:
    """After a refused DATA what follows are commands, not the message."""
    with Simulator(reply={"data": "451 4.3.0 Later"}) as simulator:
        with Client(simulator) as client:
            client.at("data")
            assert client.send(b"Subject: x\r\n") == "500 5.3.3 Unrecognized command"
        assert simulator.messages == []


def test_refused_message() -> None:
    """A refused message is not kept."""
    with Simulator(reply={"message": "452 4.3.1 Insufficient"}) as simulator:
        with Client(simulator) as client:
            client.at("message")
            assert client.send(SENT["quit"]).startswith("221 ")
        assert simulator.messages == []


def test_accepting_reply_goes_on() -> None:
    """A positive text of one's own leads on to the next stage."""
    with Simulator(reply={"mail": "250 fine", "rcpt": "250 fine", "data": "354 go"}) as simulator:
        with Client(simulator) as client:
            assert client.at("message").startswith("250 2.6.0 ")
        assert len(simulator.messages) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_421_closes(stage: str) -> None:
    """The server closes after a reply of 421 (RFC 5321 3.8)."""
    with Simulator(reply={stage: "421 4.3.2 Closing"}) as simulator, Client(simulator) as client:
        assert client.at(stage) == "421 4.3.2 Closing"
        assert client.reply() == ""


@pytest.mark.parametrize("stage", STAGES)
def test_delay_at_a_stage(stage: str) -> None:
    """The answer does not come before the delay is over, and is the usual one."""
    with Simulator(delay={stage: 0.1}) as simulator:
        began = time.monotonic()
        with Client(simulator) as client:
            for each in STAGES[: STAGES.index(stage)]:
                client.send(SENT[each])
                began = time.monotonic()
            reply = client.send(SENT[stage])
        assert time.monotonic() - began >= 0.099
        assert reply[:1] in ("2", "3")


def test_delay_does_not_outlive_the_server() -> None:
    """Stopping the server ends a connection that is being delayed."""
    with Simulator(delay={"banner": 600}) as simulator:
        client = Client(simulator)
    with client:
        assert client.reply() == ""


@pytest.mark.parametrize("stage", STAGES)
def test_drop_at_a_stage(stage: str) -> None:
    """The connection is closed where the answer is due, the stages before being served."""
    with Simulator(drop=[stage]) as simulator:
        with Client(simulator) as client:
            assert client.at(stage) == ""
        sent = SENT[stage].decode().rstrip("\r\n").split("\r\n")[-1]
        assert simulator.received[-1:] == ([sent] if sent else [])
        assert len(simulator.messages) == (stage == "quit")


@pytest.mark.parametrize("keyword", [line.split()[0] for line in KEYWORDS["2019"]])
def test_without_a_keyword(keyword: str) -> None:
    """A keyword is withheld, in whatever letter case it is named, and no other."""
    expected = [line for line in KEYWORDS["2019"] if line.split()[0] != keyword]
    with Simulator(without=[keyword.lower()]) as simulator:
        assert _keywords(simulator) == expected


def test_without_auth_withholds_both_forms() -> None:
    """The old form AUTH=LOGIN goes with AUTH; named by itself it goes alone."""
    with Simulator(pose="2003", without=["AUTH", "X-EXPS=LOGIN"]) as simulator:
        offered = _keywords(simulator)
    assert [line for line in offered if line.startswith(("AUTH", "X-EXPS"))] == [
        "X-EXPS GSSAPI NTLM LOGIN"
    ]


def test_without_any_keyword() -> None:
    """With all keywords withheld the greeting is the only line."""
    with Simulator(pose="online", without=[k.split()[0] for k in KEYWORDS["online"]]) as simulator:
        with Client(simulator) as client:
            assert client.at("ehlo") == "250 mail1.contoso.com Hello [127.0.0.1]"


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
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    """A wrong argument is named before anything is started."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Simulator(**options)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pose", "2001"], "no pose '2001'"),
        (["--host", "192.0.2.1"], "not a loopback address"),
        (["--port", "smtp"], "--port"),
        (["--reply", "rcpt"], "'rcpt' has not the form NAME=VALUE"),
        (["--delay", "rcpt=soon"], "'soon'"),
        (["--drop", "dot"], "no stage 'dot'"),
        (["--scenario", "armageddon"], "no scenario 'armageddon'"),
        (["--tls", "always"], "no TLS mode 'always'"),
        (["--auth", "login cram-md5"], "no mechanism 'CRAM-MD5'"),
        (["--run"], "--run needs a command"),
        (["--nonsense"], "--nonsense"),
        (["--run", "/nonexistent/command"], "/nonexistent/command"),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    """A wrong option is told in one line, with status 2."""
    ended = _run(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("simulator: error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_port_in_use() -> None:
    """A port that is taken is told in one line."""
    with Simulator() as simulator:
        ended = _run("--port", str(simulator.port))
    assert ended.returncode == 2
    assert ended.stderr.startswith("simulator: error: ")
    assert ended.stderr.count("\n") == 1


def test_aiosmtpd_missing() -> None:
    """Without aiosmtpd one line says so."""
    # -S leaves out site-packages, where aiosmtpd is.
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "simulator"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "aiosmtpd is missing" in ended.stderr
    assert ended.stderr.count("\n") == 1


PROBE = "import smtplib; c = smtplib.SMTP('{host}', {port}); print(c.ehlo('p')[0]); c.quit()"


def test_run_prints_the_command_only() -> None:
    """With --run the command's output is the only output, and its success the status."""
    ended = _run("--pose", "2016", "--run", sys.executable, "-c", PROBE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "250\n", "")


def test_run_verbose() -> None:
    """With --verbose the dialogue is printed too."""
    ended = _run("--verbose", "--run", sys.executable, "-c", PROBE)
    assert ended.stdout.startswith("listening on 127.0.0.1 port ")
    assert "C: ehlo p\nS: 250-mail1.contoso.com Hello [127.0.0.1]\n" in ended.stdout


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", 143)],
)
def test_run_returns_the_status(code: str, status: int) -> None:
    """The exit status is the command's; of a killed one, as a shell says it."""
    assert _run("--run", sys.executable, "-c", code).returncode == status


def test_run_takes_the_rest() -> None:
    """Options after --run belong to the command, and braces that are no place-holder stay."""
    code = "import sys; print(sys.argv[1:])"
    ended = _run("--run", sys.executable, "-c", code, "--pose", "x", "{}", "{host}:25")
    assert ended.stdout == "['--pose', 'x', '{}', '127.0.0.1:25']\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("connected", [False, True])
def test_ends_at_a_signal(number: signal.Signals, connected: bool) -> None:
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
    assert process.returncode == 0
    assert errors == ""
    assert output.startswith("S: 220 mail1.contoso.com Microsoft ESMTP MAIL Service ready at ")
    assert "\nS: 452-4.3.1 Full\nS: 452 4.3.1 Disk\n" in output
    assert output.endswith("C: quit\nS: 221 2.0.0 Service closing transmission channel\n") == (
        not connected
    )


def test_the_message_is_printed() -> None:
    """Every line of the message is printed, the final dot included."""
    send = (
        "import smtplib; c = smtplib.SMTP('{host}', {port}); "
        "c.sendmail('a@b.example', 'c@d.example', 'Subject: x\\n\\nHello')"
    )
    ended = _run("--verbose", "--run", sys.executable, "-c", send)
    assert "\nC: Subject: x\nC: \nC: Hello\nC: .\nS: 250 2.6.0 <" in ended.stdout


# TLS


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def authority() -> Any:
    """An authority that a client may trust."""
    return pytest.importorskip("trustme").CA()


@pytest.fixture(scope="module")
def issued(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A certificate for the simulator's name, in files."""
    place = tmp_path_factory.mktemp("certificate")
    certificate = authority.issue_cert(NAME)
    chain, key, both = place / "chain.pem", place / "key.pem", place / "both.pem"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    trusted = place / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    return SimpleNamespace(chain=str(chain), key=str(key), both=str(both), trusted=str(trusted))


def _named_connection(simulator: Any) -> smtplib.SMTP:
    client = smtplib.SMTP(simulator.host, simulator.port, timeout=30)
    # The name that smtplib will look for in the certificate.
    client._host = NAME  # type: ignore[attr-defined]
    return client


def test_starttls() -> None:
    """After STARTTLS its keywords are gone, LOGIN is offered, and mail is taken."""
    pytest.importorskip("cryptography")
    with Simulator() as simulator:
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.ehlo("probe.example")
            assert client.docmd("STARTTLS") == (220, b"2.0.0 SMTP server ready")
            client.close()
        with smtplib.SMTP(simulator.host, simulator.port, "probe.example", timeout=30) as client:
            client.starttls(context=_unverified())
            text = client.ehlo("probe.example")[1].decode()
            client.sendmail("a@b.example", ["c@contoso.com"], "Subject: x\r\n\r\n")
    inside = [line for line in KEYWORDS["2019"] if line not in ("STARTTLS", "X-ANONYMOUSTLS")]
    inside[inside.index("AUTH NTLM")] = "AUTH NTLM LOGIN"
    assert text.split("\n")[1:] == inside
    assert len(simulator.messages) == 1
    assert [line[:9] for line in simulator.transcript if line[0] == "~"][-1] == "~: TLSv1."


def test_starttls_forgets_what_came_before() -> None:
    """A command that came in clear behind STARTTLS gets no answer inside TLS (RFC 3207 6)."""
    pytest.importorskip("cryptography")
    with Simulator() as simulator, Client(simulator) as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\nVRFY postmaster\r\n").startswith("220 ")
        with _unverified().wrap_socket(client._socket) as secured:
            secured.sendall(b"NOOP\r\n")
            assert secured.recv(4096) == b"250 2.0.0 OK\r\n"


def test_hello_is_needed_again_inside_tls() -> None:
    """Inside TLS there is no session before EHLO, nor a second STARTTLS."""
    pytest.importorskip("cryptography")
    with Simulator() as simulator:
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.starttls(context=_unverified())
            assert client.docmd("MAIL FROM:<a@b.example>")[0] == 503
            client.ehlo("probe.example")
            assert client.docmd("STARTTLS") == (500, b"5.3.3 Unrecognized command")


def test_implicit_tls() -> None:
    """TLS from the first byte, and no STARTTLS in it."""
    pytest.importorskip("cryptography")
    with Simulator(tls="implicit") as simulator:
        with smtplib.SMTP_SSL(
            simulator.host, simulator.port, timeout=30, context=_unverified()
        ) as client:
            client.ehlo("probe.example")
            assert not client.has_extn("STARTTLS")
            assert client.has_extn("AUTH")
            client.sendmail("a@b.example", ["c@contoso.com"], "Subject: x\r\n\r\n")
    assert len(simulator.messages) == 1


def test_no_tls() -> None:
    """Without TLS nothing of it is offered, and STARTTLS is unknown."""
    with Simulator(tls="none") as simulator:
        assert not {"STARTTLS", "X-ANONYMOUSTLS"} & {*_keywords(simulator)}
        with Client(simulator) as client:
            client.at("ehlo")
            assert client.send(b"STARTTLS\r\n") == "500 5.3.3 Unrecognized command"


def test_starttls_of_a_pose_without() -> None:
    """It is offered by a pose that does not offer it by itself, when it is asked for."""
    pytest.importorskip("cryptography")
    assert "STARTTLS" not in KEYWORDS["2003"]
    with Simulator(pose="2003", tls="starttls") as simulator:
        assert "STARTTLS" in _keywords(simulator)
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.starttls(context=_unverified())
            assert client.noop()[0] == 250


def test_given_certificate(authority: Any, issued: SimpleNamespace) -> None:
    """A certificate of one's own is shown, with its key beside it or in the same file."""
    for certificate in (Certificate(issued.chain, issued.key), Certificate(issued.both)):
        with Simulator(certificate=certificate) as simulator:
            with _named_connection(simulator) as client:
                assert client.starttls(context=_verifying(authority))[0] == 220
                assert client.ehlo()[0] == 250


def test_certificate_that_is_made(authority: Any) -> None:
    """The one that is made is signed by itself: a client that verifies goes away."""
    with Simulator() as simulator:
        with _named_connection(simulator) as client:
            with pytest.raises(ssl.SSLCertVerificationError, match=r"self[- ]signed"):
                client.starttls(context=_verifying(authority))
            client.close()


@pytest.mark.parametrize("days", [5, -5])
def test_days_of_the_certificate(days: float) -> None:
    """The certificate that is made ends when it is told to."""
    x509 = pytest.importorskip("cryptography.x509")
    with Simulator(certificate=Certificate(days=days), tls="implicit") as simulator:
        with socket.create_connection((simulator.host, simulator.port), timeout=30) as raw:
            with _unverified().wrap_socket(raw, server_hostname=NAME) as secured:
                shown = secured.getpeercert(binary_form=True)
                secured.recv(4096)
    certificate = x509.load_der_x509_certificate(shown)
    ends = getattr(certificate, "not_valid_after_utc", None)
    ends = ends.timestamp() if ends else None
    assert ends == pytest.approx(time.time() + days * 86400, abs=600)


@pytest.mark.parametrize("known", [True, False])
def test_client_certificate(authority: Any, issued: SimpleNamespace, known: bool) -> None:
    """Who shows no certificate of the authority is not served."""
    certificate = Certificate(issued.chain, issued.key, issued.trusted)
    context = _verifying(authority)
    if known:
        context.load_cert_chain(issued.both)
    with Simulator(certificate=certificate, tls="implicit") as simulator:
        with socket.create_connection((simulator.host, simulator.port), timeout=30) as raw:
            # With TLS 1.3 the refusal comes after the client's part of the handshake.
            try:
                with context.wrap_socket(raw, server_hostname=NAME) as secured:
                    greeting = secured.recv(4096)
            except OSError:
                greeting = b""
    assert greeting[:4] == (b"220 " if known else b"")


def test_no_certificate_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cryptography TLS is not available to a client, and an error where it is demanded."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with Simulator() as simulator, Client(simulator) as client:
        client.at("ehlo")
        reply = client.send(b"STARTTLS\r\n")
        assert reply == "454 4.7.0 TLS not available due to temporary reason"
        assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"
    with pytest.raises(ValueError, match="needs the package cryptography"):
        Simulator(tls="starttls")


def test_refused_starttls() -> None:
    """After a refused STARTTLS the session goes on in clear."""
    with Simulator(reply={"starttls": "454 4.7.0 TLS not available"}) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            assert client.send(b"STARTTLS\r\n") == "454 4.7.0 TLS not available"
            assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"


def test_reply_instead_of_the_handshake() -> None:
    """A text for the handshake comes in clear, behind the 220."""
    pytest.importorskip("cryptography")
    with Simulator(reply={"handshake": "500 5.3.3 Unrecognized command"}) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            assert client.send(b"STARTTLS\r\n").startswith("220 ")
            assert client.reply() == "500 5.3.3 Unrecognized command"


def test_dropped_handshake() -> None:
    """The connection ends where the handshake is due."""
    pytest.importorskip("cryptography")
    with Simulator(drop=["handshake"]) as simulator, Client(simulator) as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\n").startswith("220 ")
        assert client.reply() == ""


def test_failed_handshake_does_not_stop_the_server() -> None:
    """After rubbish in place of a handshake others are served."""
    pytest.importorskip("cryptography")
    with Simulator() as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            client.send(b"STARTTLS\r\n")
            client._socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.reply()
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as other:
            other.starttls(context=_unverified())
            assert other.noop()[0] == 250


def test_server_stops_while_a_handshake_is_due() -> None:
    """A client that says STARTTLS and nothing more does not keep the server from stopping."""
    pytest.importorskip("cryptography")
    with Simulator() as simulator:
        client = Client(simulator)
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\n").startswith("220 ")
    with client:
        assert client.reply() == ""


# AUTH

USER = Credentials("probe@contoso.com", "secret", "to.ken")
TOKEN = "user=probe@contoso.com\x01auth=Bearer to.ken\x01\x01"


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        (
            [b"AUTH LOGIN", _base64("Probe@contoso.com"), _base64("secret")],
            ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 Authentication successful"],
        ),
        (
            [b"AUTH LOGIN " + _base64("probe@contoso.com"), _base64("secret")],
            ["334 UGFzc3dvcmQ6", "235 2.7.0 Authentication successful"],
        ),
        (
            [b"auth login", _base64("probe@contoso.com"), _base64("Secret")],
            ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 5.7.3 Authentication unsuccessful"],
        ),
        (
            [b"AUTH PLAIN " + _base64("\0probe@contoso.com\0secret")],
            ["235 2.7.0 Authentication successful"],
        ),
        (
            [b"AUTH PLAIN", _base64("\0probe@contoso.com\0secret")],
            ["334 ", "235 2.7.0 Authentication successful"],
        ),
        (
            [b"AUTH PLAIN " + _base64("\0other@contoso.com\0secret")],
            ["535 5.7.3 Authentication unsuccessful"],
        ),
        ([b"AUTH PLAIN ="], ["535 5.7.3 Authentication unsuccessful"]),
        ([b"AUTH XOAUTH2 " + _base64(TOKEN)], ["235 2.7.0 Authentication successful"]),
        (
            [b"AUTH XOAUTH2", _base64(TOKEN)],
            ["334 ", "235 2.7.0 Authentication successful"],
        ),
        ([b"AUTH LOGIN", b"*"], ["334 VXNlcm5hbWU6", "501 5.5.4 Invalid arguments"]),
        ([b"AUTH PLAIN no-base64!"], ["501 5.5.4 Invalid arguments"]),
        ([b"AUTH"], ["501 5.5.4 Invalid arguments"]),
        ([b"AUTH GSSAPI"], ["504 5.7.4 Unrecognized authentication type"]),
        (
            [b"AUTH NTLM", _base64("NTLMSSP")],
            ["334 ntlm supported", "535 5.7.3 Authentication unsuccessful"],
        ),
        ([b"AUTH NTLM " + _base64("NTLMSSP")], ["535 5.7.3 Authentication unsuccessful"]),
    ],
)
def test_logon(lines: list[bytes], replies: list[str]) -> None:
    """Each mechanism asks for what it needs, and the credentials decide."""
    mechanisms = ["LOGIN", "PLAIN", "XOAUTH2", "NTLM"]
    with Simulator(auth_before_tls=mechanisms, credentials=USER) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            assert [client.send(line + b"\r\n") for line in lines] == replies
            # Whatever became of it, the session goes on.
            assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"


@pytest.mark.parametrize("length", [3, 5000])
def test_refused_token(length: int) -> None:
    """A wrong token, a long one too, is told why, in JSON, and then refused."""
    initial = _base64(f"user=probe@contoso.com\x01auth=Bearer {'t' * length}\x01\x01")
    with Simulator(auth_before_tls=["XOAUTH2"], credentials=USER) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            challenge = client.send(b"AUTH XOAUTH2 " + initial + b"\r\n")
            assert json.loads(base64.b64decode(challenge[4:]))["status"] == "401"
            assert client.send(b"\r\n") == "535 5.7.3 Authentication unsuccessful"


@pytest.mark.parametrize(
    "line",
    [b"AUTH PLAIN " + _base64("\0\0"), b"AUTH XOAUTH2 " + _base64("user=\1auth=Bearer \1\1")],
)
def test_nobody_is_let_in_without_credentials(line: bytes) -> None:
    """Without credentials given, empty ones do not fit either."""
    with Simulator(auth_before_tls=["PLAIN", "XOAUTH2"]) as simulator, Client(simulator) as client:
        client.at("ehlo")
        if client.send(line + b"\r\n").startswith("334 "):
            assert client.send(b"\r\n").startswith("535 ")
        assert "S: 535 5.7.3 Authentication unsuccessful" in simulator.transcript


def test_reply_to_auth() -> None:
    """A reply of one's own comes at once, without asking for anything."""
    text = "550 5.7.30 Basic authentication is not supported for Client Submission"
    with Simulator(auth_before_tls=["LOGIN"], reply={"auth": text}) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            assert client.send(b"AUTH LOGIN\r\n") == text


def test_mechanisms_before_and_inside_tls() -> None:
    """What is offered depends on whether TLS is there; one replaces the pose's own."""
    pytest.importorskip("cryptography")
    with Simulator(auth=["LOGIN", "XOAUTH2"], auth_before_tls=[]) as simulator:
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.ehlo()
            assert not client.has_extn("AUTH")
            client.starttls(context=_unverified())
            client.ehlo()
            assert client.esmtp_features["auth"].split() == ["LOGIN", "XOAUTH2"]


def test_submission() -> None:
    """Port 587 of Exchange Online takes mail only inside TLS and after a logon."""
    pytest.importorskip("cryptography")
    with Simulator(pose="submission", credentials=USER) as simulator:
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.ehlo()
            assert not client.has_extn("AUTH")
            refusal = f"5.7.3 STARTTLS is required to send mail [{NAME}]".encode()
            assert client.mail("a@b.example") == (451, refusal)
            client.starttls(context=_unverified())
            client.ehlo()
            refusal = f"5.7.57 Client not authenticated to send mail. [{NAME}]".encode()
            assert client.mail("a@b.example") == (530, refusal)
            with pytest.raises(smtplib.SMTPAuthenticationError, match=re.escape(f"[{NAME}]")):
                client.login("probe@contoso.com", "wrong")
            assert client.login("probe@contoso.com", "secret")[0] == 235
            assert client.mail("a@b.example")[0] == 250


# Scenarios

PLUGIN = ROOT / "check_exchange_mailaccept.py"
NAMES = tuple(scenarios.scenarios())
FAILING = tuple(name for name, each in scenarios.scenarios().items() if each.stage)
#: What the first line says of the scenarios in which mail is taken, if it says anything.
REMARKS = {
    "slow": "MAILACCEPT WARNING - total took ",
    "late-greeting": "MAILACCEPT WARNING - banner took ",
    "pix": "EHLO was refused and HELO accepted, as a Cisco PIX",
    "pix-old": "EHLO was refused and HELO accepted",
    "size-small": "127.0.0.1 takes no message above 409600 bytes; 127.0.0.1 accepted",
    "asa": "a Cisco firewall (inspect esmtp) masks STARTTLS, X-ANONYMOUSTLS, X-EXPS, CHUNKING, ",
    "asa-2003": "does not offer X-LINK2STATE, XEXCH50: a Cisco firewall",
    "ehlo-refused": "EHLO was refused and HELO accepted",
    "virus-scanner": "a mail proxy or virus scanner (InterScan)",
    "gateway": "show an Exchange server; Postfix answers",
    "iis": "this is the plain SMTP service of IIS",
    "some-recipients-refused": "1 of 2 recipients refused: new.user@contoso.com: 550 5.4.1 Recip",
    "own-senders-refused": "only senders of the own domain are refused: Direct Send; 127.0.0.1 acc",
    "bounces-refused": "only the null sender is refused: bounces are lost; 127.0.0.1 accepted mail",
    "one-node-fails": "2 of 6 connections to 127.0.0.1 failed; nodes seen: mbx01 2, mbx02 2; ",
    "open-relay": "127.0.0.1 accepts mail for somebody@adatum.com from this host; 127.0.0.1 acc",
    "relay-untested": "could not test that 127.0.0.1 refuses somebody@adatum.com: 451 4.7.0 Temp",
    "accepts-unknown-recipient": "127.0.0.1 accepts an unknown recipient, nobody@contoso.com; ",
}


#: Their states, where it is no WARNING.
STATES = dict.fromkeys(
    ("open-relay", "some-recipients-refused", "own-senders-refused", "bounces-refused"), 2
)


def _play(name: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin against a scenario, in a hurry where that changes nothing."""
    pytest.importorskip("cryptography")
    scenario = scenarios.find(name)
    with Simulator(scenario=name, hurry=5 if "-w" in scenario.options else 50) as simulator:
        return subprocess.run(
            [
                *(sys.executable, str(PLUGIN), "-H", "127.0.0.1", "-p", str(simulator.port)),
                *("-r", "probe@contoso.com", "-t", "20", *scenario.options),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "CHECK_EXCHANGE_MAILACCEPT_PASSWORD": "secret"},
            timeout=60,
            check=False,
        )


def test_every_row_that_can_be_met_is_a_scenario() -> None:
    """Only what happens before there is a server, or on the client, cannot be played."""
    from exchange_mailaccept.exchange.diagnosis import ROWS
    from exchange_mailaccept.exchange.profiles import PROFILES

    left_out = {
        row.key
        for row in ROWS
        if {stage.value for stage in row.stages} & {"mx", "connect"}
        or (row.causes and scenarios.UNPLAYED.issuperset(row.causes))
    }
    assert {row.key for row in ROWS} - {*NAMES} == left_out
    assert {f"profile-{name}" for name in PROFILES} <= {*NAMES}


def test_names_of_rows_are_right() -> None:
    """No name in the scenarios' own tables has lost its row."""
    from exchange_mailaccept.exchange.diagnosis import ROWS

    rows = {row.key: row for row in ROWS}
    assert {*scenarios._OWN_WAY} <= {*rows}
    for name, row in rows.items():
        assert row.stage in row.stages or not row.stages, name


@pytest.mark.parametrize("name", NAMES)
def test_name_of_a_scenario(name: str) -> None:
    """Names are short words with hyphens between them."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 28


@pytest.mark.parametrize("name", FAILING)
def test_failing_scenario(name: str) -> None:
    """The plugin fails at the scenario's stage, quotes the reply and knows what it means."""
    from exchange_mailaccept.exchange.diagnosis import ROWS

    scenario, ended = scenarios.find(name), _play(name)
    first = ended.stdout.split("\n")[0]
    assert ended.returncode in (1, 2), ended.stdout + ended.stderr
    assert first.startswith("MAILACCEPT ")
    # A refusal that follows lines with another code is the last line.
    reply = scenario.reply.get(scenario.stage, "").rpartition("\n")[2]
    # The plugin cuts a long quotation, and writes a backslash as a slash.
    assert reply.replace("\\", "/")[:150] in first
    verdict = "refused|deferred|broken|timeout|missing"
    failed = re.findall(rf"^  (\w+) +[\d.]+s  (?:{verdict})\b", ended.stdout, re.MULTILINE)
    # After a 421 there is nobody to take leave of.
    assert [stage for stage in failed if stage != "quit"] == [scenario.stage]
    for row in ROWS:
        if row.key == name:
            (meaning,) = re.findall(r"^Meaning: (.*)$", ended.stdout, re.MULTILINE)
            assert row.cause[1:] in meaning
            assert meaning.endswith(f" [{row.kind.value}]")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILING])
def test_scenario_in_which_mail_is_taken(name: str) -> None:
    """The plugin says what it notices, and nothing where there is nothing."""
    ended = _play(name)
    first = ended.stdout.split("\n")[0]
    assert "127.0.0.1 accepted mail for probe@contoso.com" in first
    assert REMARKS.get(name, "MAILACCEPT OK - 127.0.0.1 accepted") in first
    assert ended.returncode == STATES.get(name, 1 if name in REMARKS else 0)


def test_a_balancer_is_noted() -> None:
    """Its fault is no fault, and seen with the scenario's own -v only."""
    assert "\nNote: the banner names mbx01.contoso.com and the EHLO" in _play("balancer").stdout


def test_the_user_is_told_why_a_run_takes_long() -> None:
    """Not by standard output, which is the plugin's."""
    delayed = _run("--delay", "rcpt=2.1", "--run", sys.executable, "-c", "")
    assert (delayed.stdout, delayed.stderr) == ("", "simulator: the replies take 2.1 s\n")


def test_options_go_before_the_scenario() -> None:
    """What is given on the command line replaces what the scenario says, stage by stage."""
    with Simulator(
        scenario="tarpit", hurry=100, reply={"rcpt": "250 fine"}, name="ex.example", pose="2010"
    ) as simulator:
        assert simulator.behaviour.delay == {"rcpt": 0.05}
        with Client(simulator) as client:
            assert client.at("rcpt") == "250 fine"
        assert simulator.behaviour.name == "ex.example"
        assert simulator.behaviour.offers("XSHADOW")


def test_pose_of_a_scenario_stays() -> None:
    """A middlebox is one whatever pose is asked for."""
    with Simulator(scenario="virus-scanner", pose="2016") as simulator:
        assert _keywords(simulator) == ["8BITMIME", "SIZE 10485760"]


def test_list_of_scenarios() -> None:
    """Each name is there once, below the heading of its group, on two screens at most."""
    ended = _run("--list-scenarios")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    names = [name for line in lines if line.startswith("  ") for name in line.split()]
    assert sorted(names) == sorted(NAMES)
    assert "Failures: tls" in lines
    assert len(lines) <= 66


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("tls-not-offered", "does not offer STARTTLS"),
        ("tls-certificate", "certificate"),
        ("tarpit-logon", "535 5.7.3 Authentication unsuccessful"),
        ("silent-at-message", "the message"),
    ],
)
def test_the_plugin_gets_the_options_of_the_scenario(name: str, seen: str) -> None:
    """What demo.sh runs: without these options all is well, or it takes a minute."""
    pytest.importorskip("cryptography")
    plugin = (
        sys.executable,
        str(PLUGIN),
        "-H",
        "{host}",
        "-p",
        "{port}",
        "-r",
        "probe@contoso.com",
    )
    ended = _run("--scenario", name, "--hurry", "50", "--run", *plugin, "{options}")
    first = ended.stdout.split("\n")[0]
    assert first.startswith("MAILACCEPT CRITICAL - ")
    assert seen in first


def test_options_of_a_scenario_are_told_to_those_who_run_the_plugin_themselves() -> None:
    ended = _run("--verbose", "--scenario", "tls-not-offered", "--run", sys.executable, "-c", "")
    assert ended.stdout.splitlines()[1] == "the plugin needs: -S"


def test_scenario_on_the_command_line() -> None:
    """The command is run against the scenario."""
    send = "import smtplib; c = smtplib.SMTP('{host}', {port}); c.ehlo(); print(c.mail('a@b.c'))"
    ended = _run("--scenario", "back-pressure", "--run", sys.executable, "-c", send)
    assert ended.stdout == "(452, b'4.3.1 Insufficient system resources')\n"


def test_tls_and_auth_on_the_command_line() -> None:
    """The options for TLS and AUTH reach the server."""
    pytest.importorskip("cryptography")
    send = (
        "import smtplib, ssl; c = smtplib.SMTP_SSL('{host}', {port}, "
        "context=ssl._create_unverified_context()); print(c.login('u', 'p')[0])"
    )
    ended = _run(
        *("--tls", "implicit", "--auth", "login plain", "--user", "u", "--password", "p"),
        *("--run", sys.executable, "-c", send),
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "235\n", "")


def test_readme_names_every_option() -> None:
    """The table in the README has each option of the program, and no other."""
    text = (ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    usage = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", _run("--help").stdout, re.MULTILINE))
    assert table == usage - {"--help"}
    assert {*re.findall(r"`--scenario ([a-z0-9-]+)`", text)} <= {*NAMES}

"""The simulator of simulator/, spoken to by other clients than the plugin, and by the plugin."""

# A client within its server is two lines: which ends first matters.
# ruff: noqa: SIM117

from __future__ import annotations

import base64
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from support.plugin import PLUGIN, Plugin, PluginRun

pytest.importorskip("aiosmtpd")
pytest.importorskip("cryptography")

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
    "message": b"Message-ID: <1@client.example>\r\nSubject: probe\r\n\r\n.Hello\r\n.\r\n",
    "quit": b"QUIT\r\n",
}
STAGES = list(SENT)


class Client:
    """A client that sends what it is told and shows replies as they came."""

    def __init__(self, simulator: Any) -> None:
        self.socket = socket.create_connection((simulator.host, simulator.port), timeout=30)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self.socket.close()

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
        self.socket.sendall(data)
        return self.reply()

    def at(self, stage: str) -> str:
        """Go through the stages up to ``stage`` and return the reply there."""
        for each in STAGES[: STAGES.index(stage)]:
            assert self.send(SENT[each])[:1] in ("2", "3"), each
        return self.send(SENT[stage])


def keywords(simulator: Any) -> list[str]:
    with Client(simulator) as client:
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
def test_a_session_is_in_the_words_of_its_generation(pose: str) -> None:
    with Simulator(pose=pose) as simulator, Client(simulator) as client:
        replies = [client.send(SENT[stage]) for stage in STAGES]
    assert replies.pop(1).startswith("250-mail1.contoso.com")
    for pattern, reply in zip(SESSIONS[pose], replies):
        assert re.fullmatch(pattern, reply)
    assert simulator.messages == [SENT["message"][:-3].replace(b".Hello", b"Hello")]
    assert "C: .Hello" in simulator.transcript


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
def test_a_command_is_answered_as_by_exchange(
    without: str, stage: str, command: bytes, expected: str
) -> None:
    with Simulator(without=[without] if without else []) as simulator, Client(simulator) as client:
        client.at(stage)
        assert client.send(command + b"\r\n").split("\n")[0] == expected


# Replies, delays and losses that were asked for.


@pytest.mark.parametrize("stage", STAGES)
def test_a_reply_is_given_at_its_stage(stage: str) -> None:
    with Simulator(reply={stage: r"554-5.7.1 No\n554 5.7.1 {name}"}) as simulator:
        with Client(simulator) as client:
            assert client.at(stage) == "554-5.7.1 No\n554 5.7.1 {name}"
        assert simulator.transcript[-2:] == ["S: 554-5.7.1 No", "S: 554 5.7.1 {name}"]


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
    ],
)  # fmt: skip
def test_what_a_refusal_leads_to(reply: dict[str, str], commands: list[str], expected: str) -> None:
    with Simulator(reply=reply, auth_before_tls=["LOGIN"]) as simulator:
        with Client(simulator) as client:
            codes = [client.send(f"{each}\r\n".encode() if each else b"")[:3] for each in commands]
    assert " ".join(codes) == expected
    assert simulator.messages == []


def test_a_refused_message_is_not_kept() -> None:
    with Simulator(reply={"mail": "250 fine", "message": "452 4.3.1 No"}) as simulator:
        with Client(simulator) as client:
            assert client.at("message") == "452 4.3.1 No"
            assert client.send(SENT["quit"]).startswith("221 ")
        assert simulator.messages == []


@pytest.mark.parametrize("stage", STAGES)
def test_421_closes(stage: str) -> None:
    """RFC 5321 3.8."""
    with Simulator(reply={stage: "421 4.3.2 Closing"}) as simulator, Client(simulator) as client:
        assert client.at(stage) == "421 4.3.2 Closing"
        assert client.reply() == ""


@pytest.mark.parametrize("stage", STAGES)
def test_a_reply_is_delayed(stage: str) -> None:
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


def test_a_delay_does_not_outlive_the_server() -> None:
    with Simulator(delay={"banner": 600}) as simulator:
        client = Client(simulator)
    with client:
        assert client.reply() == ""


@pytest.mark.parametrize("stage", STAGES)
def test_a_connection_is_dropped_where_the_reply_is_due(stage: str) -> None:
    with Simulator(drop=[stage]) as simulator:
        with Client(simulator) as client:
            assert client.at(stage) == ""
        sent = SENT[stage].decode().rstrip("\r\n").split("\r\n")[-1]
        assert simulator.received[-1:] == ([sent] if sent else [])
        assert len(simulator.messages) == (stage == "quit")


def test_keywords_are_withheld() -> None:
    """In whatever letter case they are named; with AUTH its old form AUTH=LOGIN goes."""
    with Simulator(pose="2003") as simulator:
        offered = keywords(simulator)
    with Simulator(pose="2003", without=["auth", "X-EXPS=LOGIN"]) as simulator:
        left = keywords(simulator)
    assert [line for line in offered if line not in left] == [
        "X-EXPS=LOGIN", "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN",
    ]  # fmt: skip
    with Simulator(pose="2003", without=[line.split()[0] for line in offered]) as simulator:
        assert keywords(simulator) == []


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
def test_a_wrong_argument_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Simulator(**options)


def run(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "simulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
def test_a_wrong_option_is_told_in_one_line(arguments: list[str], message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(*(each.replace("{taken}", port) for each in arguments))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("simulator: error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_aiosmtpd_is_missing() -> None:
    # -S leaves out site-packages, where aiosmtpd is.
    ended = run(python=("-S",))
    assert ended.returncode == 1
    assert "aiosmtpd is missing" in ended.stderr
    assert ended.stderr.count("\n") == 1


PROBE = "import smtplib; c = smtplib.SMTP('{host}', {port}); print(c.ehlo('p')[0]); c.quit()"


def test_run_prints_the_command_only() -> None:
    ended = run("--pose", "2016", "--run", sys.executable, "-c", PROBE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "250\n", "")
    ended = run("--verbose", "--run", sys.executable, "-c", PROBE)
    assert ended.stdout.startswith("listening on 127.0.0.1 port ")
    assert "C: ehlo p\nS: 250-mail1.contoso.com Hello [127.0.0.1]\n" in ended.stdout


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 15)", 143)],
)
def test_run_returns_the_status(code: str, status: int) -> None:
    """The exit status is the command's; of a killed one, as a shell says it."""
    assert run("--run", sys.executable, "-c", code).returncode == status


def test_run_takes_the_rest() -> None:
    """Options after --run belong to the command, and braces that are no place-holder stay."""
    code = "import sys; print(sys.argv[1:])"
    ended = run("--run", sys.executable, "-c", code, "--pose", "x", "{}", "{host}:25")
    assert ended.stdout == "['--pose', 'x', '{}', '127.0.0.1:25']\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("connected", [False, True])
def test_it_ends_at_a_signal(number: signal.Signals, connected: bool) -> None:
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


# TLS.


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.fixture(scope="module")
def authority() -> Any:
    return pytest.importorskip("trustme").CA()


@pytest.fixture(scope="module")
def issued(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a certificate for the simulator's name."""
    place = tmp_path_factory.mktemp("certificate")
    certificate = authority.issue_cert(NAME)
    certificate.cert_chain_pems[0].write_to_path(place / "chain")
    certificate.private_key_pem.write_to_path(place / "key")
    certificate.private_key_and_cert_chain_pem.write_to_path(place / "both")
    authority.cert_pem.write_to_path(place / "trusted")
    return {path.name: str(path) for path in place.iterdir()}


def trusting(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_mail_is_taken_inside_tls(mode: str) -> None:
    """LOGIN is offered there, and STARTTLS no more."""
    with Simulator(tls=mode) as simulator:
        where = (simulator.host, simulator.port)
        kind = smtplib.SMTP if mode == "starttls" else smtplib.SMTP_SSL
        how: Any = {} if mode == "starttls" else {"context": unverified()}
        with kind(*where, timeout=30, **how) as client:
            if mode == "starttls":
                client.starttls(context=unverified())
                assert client.docmd("MAIL FROM:<a@b.example>")[0] == 503
            client.ehlo("probe.example")
            offered = client.esmtp_features
            assert client.docmd("STARTTLS") == (500, b"5.3.3 Unrecognized command")
            client.sendmail("a@b.example", ["c@contoso.com"], "Subject: x\r\n\r\n")
    assert offered["auth"].split() == ["NTLM", "LOGIN"]
    assert not {"starttls", "x-anonymoustls"} & set(offered)
    assert len(simulator.messages) == 1
    assert mode == "implicit" or [line for line in simulator.transcript if "~: TLSv1." in line]


def test_starttls_forgets_what_came_before() -> None:
    """A command that came in clear behind STARTTLS gets no answer inside TLS (RFC 3207 6)."""
    with Simulator() as simulator, Client(simulator) as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\nVRFY postmaster\r\n").startswith("220 ")
        with unverified().wrap_socket(client.socket) as secured:
            secured.sendall(b"NOOP\r\n")
            assert secured.recv(4096) == b"250 2.0.0 OK\r\n"


def test_starttls_is_offered_where_it_is_wanted() -> None:
    with Simulator(tls="none") as simulator:
        assert not {"STARTTLS", "X-ANONYMOUSTLS"} & {*keywords(simulator)}
    with Simulator(pose="2003", tls="starttls") as simulator:
        assert "STARTTLS" in keywords(simulator)


def test_a_certificate_of_ones_own_is_shown(authority: Any, issued: dict[str, str]) -> None:
    """With its key beside it or in the same file; the one that is made is signed by itself."""
    for certificate in (
        Certificate(issued["chain"], issued["key"]),
        Certificate(issued["both"]),
        Certificate(),
    ):
        with Simulator(certificate=certificate, tls="implicit") as simulator:
            with socket.create_connection((simulator.host, simulator.port), timeout=30) as raw:
                try:
                    trusting(authority).wrap_socket(raw, server_hostname=NAME).close()
                    verified = True
                except ssl.SSLCertVerificationError:
                    verified = False
        assert verified == bool(certificate.file)


@pytest.mark.parametrize("days", [5, -5])
def test_the_certificate_that_is_made_ends_when_it_is_told_to(days: float) -> None:
    from cryptography import x509

    with Simulator(certificate=Certificate(days=days), tls="implicit") as simulator:
        with socket.create_connection((simulator.host, simulator.port), timeout=30) as raw:
            with unverified().wrap_socket(raw, server_hostname=NAME) as secured:
                shown = secured.getpeercert(binary_form=True)
                secured.recv(4096)
    assert shown is not None
    ends = x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()
    assert ends == pytest.approx(time.time() + days * 86400, abs=600)


@pytest.mark.parametrize("known", [True, False])
def test_a_client_without_a_certificate_is_not_served(
    authority: Any, issued: dict[str, str], known: bool
) -> None:
    certificate = Certificate(issued["chain"], issued["key"], issued["trusted"])
    context = trusting(authority)
    if known:
        context.load_cert_chain(issued["both"])
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
    with pytest.raises(ValueError, match="needs the package cryptography"):
        Simulator(tls="starttls")


def test_a_handshake_that_fails_or_is_due_does_not_stop_the_server() -> None:
    with Simulator(drop=["handshake"]) as simulator, Client(simulator) as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\n").startswith("220 ")
        assert client.reply() == ""
    with Simulator() as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            client.send(b"STARTTLS\r\n")
            client.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.reply()
        waiting = Client(simulator)
        waiting.at("ehlo")
        assert waiting.send(b"STARTTLS\r\n").startswith("220 ")
    with waiting:
        assert waiting.reply() == ""


# AUTH.

USER = Credentials("probe@contoso.com", "secret", "to.ken")
TOKEN = "user=probe@contoso.com\x01auth=Bearer to.ken\x01\x01"
LET_IN, REFUSED = "235 2.7.0 Authentication successful", "535 5.7.3 Authentication unsuccessful"
NAME_PROMPT, PASSWORD_PROMPT = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"
WHY = "334 eyJzdGF0dXMi"


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ([b"AUTH LOGIN", encoded("Probe@contoso.com"), encoded("secret")],
         [NAME_PROMPT, PASSWORD_PROMPT, LET_IN]),
        ([b"AUTH LOGIN " + encoded("probe@contoso.com"), encoded("secret")],
         [PASSWORD_PROMPT, LET_IN]),
        ([b"auth login", encoded("probe@contoso.com"), encoded("Secret")],
         [NAME_PROMPT, PASSWORD_PROMPT, REFUSED]),
        ([b"AUTH PLAIN " + encoded("\0probe@contoso.com\0secret")], [LET_IN]),
        ([b"AUTH PLAIN", encoded("\0probe@contoso.com\0secret")], ["334 ", LET_IN]),
        ([b"AUTH PLAIN " + encoded("\0other@contoso.com\0secret")], [REFUSED]),
        ([b"AUTH PLAIN ="], [REFUSED]),
        ([b"AUTH XOAUTH2 " + encoded(TOKEN)], [LET_IN]),
        ([b"AUTH XOAUTH2", encoded(TOKEN)], ["334 ", LET_IN]),
        ([b"AUTH XOAUTH2 " + encoded(TOKEN.replace("to.ken", "t" * 5000)), b""], [WHY, REFUSED]),
        ([b"AUTH LOGIN", b"*"], [NAME_PROMPT, "501 5.5.4 Invalid arguments"]),
        ([b"AUTH PLAIN no-base64!"], ["501 5.5.4 Invalid arguments"]),
        ([b"AUTH"], ["501 5.5.4 Invalid arguments"]),
        ([b"AUTH GSSAPI"], ["504 5.7.4 Unrecognized authentication type"]),
        ([b"AUTH NTLM", encoded("NTLMSSP")], ["334 ntlm supported", REFUSED]),
        ([b"AUTH NTLM " + encoded("NTLMSSP")], [REFUSED]),
    ],
)  # fmt: skip
def test_a_logon(lines: list[bytes], replies: list[str]) -> None:
    """Each mechanism asks for what it needs, and the credentials decide."""
    mechanisms = ["LOGIN", "PLAIN", "XOAUTH2", "NTLM"]
    with Simulator(auth_before_tls=mechanisms, credentials=USER) as simulator:
        with Client(simulator) as client:
            client.at("ehlo")
            for line, reply in zip(lines, replies):
                assert client.send(line + b"\r\n").startswith(reply)
            # Whatever became of it, the session goes on.
            assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"


@pytest.mark.parametrize(
    "line",
    [b"AUTH PLAIN " + encoded("\0\0"), b"AUTH XOAUTH2 " + encoded("user=\1auth=Bearer \1\1")],
)
def test_nobody_is_let_in_without_credentials(line: bytes) -> None:
    with Simulator(auth_before_tls=["PLAIN", "XOAUTH2"]) as simulator, Client(simulator) as client:
        client.at("ehlo")
        if client.send(line + b"\r\n").startswith("334 "):
            assert client.send(b"\r\n").startswith("535 ")
        assert f"S: {REFUSED}" in simulator.transcript


def test_submission() -> None:
    """Port 587 of Exchange Online takes mail only inside TLS and after a logon."""
    with Simulator(pose="submission", credentials=USER) as simulator:
        with smtplib.SMTP(simulator.host, simulator.port, timeout=30) as client:
            client.ehlo()
            assert not client.has_extn("AUTH")
            refusal = f"5.7.3 STARTTLS is required to send mail [{NAME}]".encode()
            assert client.mail("a@b.example") == (451, refusal)
            client.starttls(context=unverified())
            client.ehlo()
            refusal = f"5.7.57 Client not authenticated to send mail. [{NAME}]".encode()
            assert client.mail("a@b.example") == (530, refusal)
            with pytest.raises(smtplib.SMTPAuthenticationError, match=re.escape(f"[{NAME}]")):
                client.login("probe@contoso.com", "wrong")
            assert client.login("probe@contoso.com", "secret")[0] == 235
            assert client.mail("a@b.example")[0] == 250


# Scenarios

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
    "dane-mismatch": "MAILACCEPT CRITICAL - senders that enforce DANE defer: the certificate of ma",
    "mta-sts-malformed": "MTA-STS is not in effect: senders ignore the TXT record at _mta-sts.cont",
    "accepts-unknown-recipient": "127.0.0.1 accepts an unknown recipient, nobody@contoso.com; ",
}


#: Their states, where it is no WARNING.
STATES = dict.fromkeys(
    (
        *("open-relay", "some-recipients-refused", "own-senders-refused", "bounces-refused"),
        "dane-mismatch",
    ),
    2,
)


def play(plugin: Plugin, name: str) -> PluginRun:
    """Run the plugin against a scenario, in a hurry where that changes nothing."""
    scenario = scenarios.find(name)
    timeout = "1" if "-t" in scenario.options else "20"
    with Simulator(scenario=name, hurry=5 if "-w" in scenario.options else 50) as simulator:
        return plugin(
            *(*simulator.target, "-p", str(simulator.port), "-r", "probe@contoso.com"),
            *(*scenario.options, "-t", timeout),
            CHECK_EXCHANGE_MAILACCEPT_PASSWORD="secret",
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


def test_names_are_short_words_with_hyphens_between_them() -> None:
    pattern = r"(?=.{1,28}$)[a-z0-9]+(-[a-z0-9]+)*"
    assert [name for name in NAMES if not re.fullmatch(pattern, name)] == []


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_scenario(plugin: Plugin, name: str) -> None:
    """The plugin fails at the scenario's stage, quotes the reply and knows what it means."""
    from exchange_mailaccept.exchange.diagnosis import ROWS

    scenario, ended = scenarios.find(name), play(plugin, name)
    first = ended.stdout.split("\n")[0]
    assert ended.exit_code in (1, 2), ended.stdout + ended.stderr
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
def test_a_scenario_in_which_mail_is_taken(plugin: Plugin, name: str) -> None:
    ended = play(plugin, name)
    first = ended.stdout.split("\n")[0]
    server = "mail1.contoso.com" if scenarios.find(name).published else "127.0.0.1"
    assert f"{server} accepted mail for probe@contoso.com" in first
    assert REMARKS.get(name, "MAILACCEPT OK - 127.0.0.1 accepted") in first
    assert ended.exit_code == STATES.get(name, 1 if name in REMARKS else 0)


def test_a_balancer_is_noted(plugin: Plugin) -> None:
    """Its fault is no fault, and seen with the scenario's own -v only."""
    assert (
        "\nNote: the banner names mbx01.contoso.com and the EHLO" in play(plugin, "balancer").stdout
    )


def test_the_user_is_told_why_a_run_takes_long() -> None:
    """Not by standard output, which is the plugin's."""
    delayed = run("--delay", "rcpt=2.1", "--run", sys.executable, "-c", "")
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
    with Simulator(scenario="virus-scanner", pose="2016") as simulator:
        assert keywords(simulator) == ["8BITMIME", "SIZE 10485760"]


def test_list_of_scenarios() -> None:
    """Each name is there once, below the heading of its group, on two screens at most."""
    ended = run("--list-scenarios")
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
        ("mx-lost", "contoso.com has no MX record (expected: mail1.contoso.com)"),
    ],
)
def test_the_plugin_gets_the_options_of_the_scenario(name: str, seen: str) -> None:
    """What demo.sh runs: without these options all is well, or it takes a minute."""
    plugin = (sys.executable, str(PLUGIN), "{target}", "-p", "{port}")
    ended = run("--scenario", name, "--hurry", "50", "--run", *plugin, "-r", "a@b.cc", "{options}")
    first = ended.stdout.split("\n")[0]
    assert first.startswith("MAILACCEPT CRITICAL - ")
    assert seen in first


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("contoso.com", "MX", "NOERROR 10 mail1.contoso.com."),
        ("MAIL1.contoso.com", "A", "NOERROR 127.0.0.1"),
        ("mail1.contoso.com", "AAAA", "NOERROR"),
        ("mail2.contoso.com", "A", "NXDOMAIN"),
    ],
)
def test_the_name_server_answers_as_one_that_validates(
    name: str, rdtype: str, expected: str
) -> None:
    with Simulator(scenario="dane-mismatch") as simulator:
        host, port = simulator.target[-1].split(":")
        query = dns.message.make_query(name, rdtype)
        response = dns.query.udp(query, host, port=int(port), timeout=30)
    assert "AD" in dns.flags.to_text(response.flags).split()
    records = [str(record) for answer in response.answer for record in answer]
    assert " ".join([dns.rcode.to_text(response.rcode()), *records]) == expected


def test_tls_and_auth_on_the_command_line() -> None:
    send = (
        "import smtplib, ssl; c = smtplib.SMTP_SSL('{host}', {port}, "
        "context=ssl._create_unverified_context()); print(c.login('u', 'p')[0])"
    )
    ended = run(
        *("--tls", "implicit", "--auth", "login plain", "--user", "u", "--password", "p"),
        *("--run", sys.executable, "-c", send),
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "235\n", "")


def test_readme_names_every_option() -> None:
    """The table in the README has each option of the program, and no other."""
    text = (ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    usage = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", run("--help").stdout, re.MULTILINE))
    assert table == usage - {"--help"}
    assert {*re.findall(r"`--scenario ([a-z0-9-]+)`", text)} <= {*NAMES}

"""TLS and AUTH of the simulator, spoken to by other clients than the plugin."""

# A client within its server is two lines: which ends first matters.
# ruff: noqa: SIM117

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("aiosmtpd")

from support.certificates import Certificates
from support.simulators import NAME, SENT, Client, client_of

from simulator.certificates import Certificate
from simulator.poses import Credentials
from simulator.server import Simulator

# TLS.


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_mail_is_taken_inside_tls(mode):
    """LOGIN is offered there, and STARTTLS no more."""
    how = {} if mode == "starttls" else {"context": unverified()}
    kind = smtplib.SMTP if mode == "starttls" else smtplib.SMTP_SSL
    with Simulator(tls=mode) as simulator:
        with kind(simulator.host, simulator.port, timeout=30, **how) as client:
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


def test_starttls_forgets_what_came_before():
    """A command that came in clear behind STARTTLS gets no answer inside TLS (RFC 3207 6)."""
    with client_of() as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\nVRFY postmaster\r\n").startswith("220 ")
        with unverified().wrap_socket(client.socket) as secured:
            secured.sendall(b"NOOP\r\n")
            assert secured.recv(4096) == b"250 2.0.0 OK\r\n"


@pytest.fixture(scope="module")
def ours(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate for the simulator's name: ``both`` files in one, and apart."""
    directory = tmp_path_factory.mktemp("ours")
    both = Path(certificates.authority.issue(NAME, NAME).file).read_text()
    chain, begin, key = both.partition("-----BEGIN PRIVATE KEY")
    for name, text in (("both", both), ("chain", chain), ("key", begin + key)):
        (directory / name).write_text(text)
    return directory


@pytest.mark.parametrize(
    ("shown", "wants_one", "has_one", "is_served"),
    [
        # The one that is made is signed by itself.
        ([], False, False, False),
        (["both"], False, False, True),
        (["chain", "key"], False, False, True),
        (["chain", "key"], True, False, False),
        (["chain", "key"], True, True, True),
    ],
)
def test_certificates_of_both_sides(certificates, ours, shown, wants_one, has_one, is_served):
    file, key = ([str(ours / name) for name in shown] + ["", ""])[:2]
    wanted = certificates.authority.file if wants_one else ""
    # That of create_default_context is strict about an authority's extensions since Python 3.13.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates.authority.file)
    if has_one:
        context.load_cert_chain(certificates.client.file)
    with Simulator(certificate=Certificate(file, key, wanted), tls="implicit") as simulator:
        with socket.create_connection((simulator.host, simulator.port), timeout=30) as raw:
            # With TLS 1.3 a refusal comes after the client's part of the handshake.
            try:
                with context.wrap_socket(raw, server_hostname=NAME) as secured:
                    greeting = secured.recv(4096)
            except OSError:
                greeting = b""
    assert greeting[:4] == (b"220 " if is_served else b"")


@pytest.mark.parametrize("days", [5, -5])
def test_the_certificate_that_is_made_ends_when_it_is_told_to(days):
    from cryptography import x509

    with client_of(certificate=Certificate(days=days), tls="implicit") as client:
        with unverified().wrap_socket(client.socket, server_hostname=NAME) as secured:
            shown = secured.getpeercert(binary_form=True)
            secured.recv(4096)
    assert shown is not None
    ends = x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()
    assert ends == pytest.approx(time.time() + days * 86400, abs=600)


def test_no_certificate_can_be_made(monkeypatch):
    """Without cryptography TLS is not available to a client, and an error where it is demanded."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with client_of() as client:
        client.at("ehlo")
        reply = client.send(b"STARTTLS\r\n")
        assert reply == "454 4.7.0 TLS not available due to temporary reason"
    with pytest.raises(ValueError, match="needs the package cryptography"):
        Simulator(tls="starttls")


def test_a_handshake_that_fails_or_is_due_does_not_stop_the_server():
    with client_of(drop=["handshake"]) as client:
        client.at("ehlo")
        assert client.send(b"STARTTLS\r\n").startswith("220 ")
        assert client.reply() == ""
    with client_of() as client:
        client.at("ehlo")
        client.send(b"STARTTLS\r\n")
        client.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.reply()
        waiting = Client(client.simulator)
        waiting.at("ehlo")
        assert waiting.send(b"STARTTLS\r\n").startswith("220 ")
    assert waiting.reply() == ""
    waiting.close()


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
def test_a_logon(lines, replies):
    """Each mechanism asks for what it needs, and the credentials decide."""
    mechanisms = ["LOGIN", "PLAIN", "XOAUTH2", "NTLM"]
    with client_of(auth_before_tls=mechanisms, credentials=USER) as client:
        client.at("ehlo")
        for line, reply in zip(lines, replies):
            assert client.send(line + b"\r\n").startswith(reply)
        # Whatever became of it, the session goes on.
        assert client.send(SENT["mail"]) == "250 2.1.0 Sender OK"


@pytest.mark.parametrize(
    "line",
    [b"AUTH PLAIN " + encoded("\0\0"), b"AUTH XOAUTH2 " + encoded("user=\1auth=Bearer \1\1")],
)
def test_nobody_is_let_in_without_credentials(line):
    with client_of(auth_before_tls=["PLAIN", "XOAUTH2"]) as client:
        client.at("ehlo")
        if client.send(line + b"\r\n").startswith("334 "):
            assert client.send(b"\r\n").startswith("535 ")
        assert f"S: {REFUSED}" in client.simulator.transcript


def test_submission():
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

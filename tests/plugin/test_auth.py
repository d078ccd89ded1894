"""Logging on as Nagios sees it: mechanisms, refusals, and secrets that never come out.

Against real servers with real TLS; NTLM is checked by pyspnego's own server.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.logon import FAILURE, PASSWORD, SUCCESS, USER, ask, logon, secret_options
from support.plugin import Plugin
from support.scripts import Manners, Servers
from support.smtp import Server, Talk

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
NONE = ("--profile", "none")
PASSED = "127.0.0.1 passed every stage up to auth for postmaster@contoso.com in #s"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory, certificates) -> Iterator[Plugin]:
    """Runs the plugin, which trusts the servers."""
    trusted = {"SSL_CERT_FILE": certificates.authority.file}
    started = Plugin(tmp_path_factory.mktemp("plugin"), trusted)
    yield started
    started.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Servers]:
    """Servers that outlive a test."""
    servers = Servers()
    yield servers
    servers.close()


KEYWORDS = ("SIZE 37748736", "PIPELINING", "DSN", "8BITMIME")


def offers(*mechanisms: str) -> tuple[str, ...]:
    return (*KEYWORDS, *([f"AUTH {' '.join(mechanisms)}"] if mechanisms else []))


#: Options to log on inside TLS, before the mechanism.
LOG_ON = ("-S", *NONE, "-U", USER, "-A")


# Mechanisms.


@pytest.mark.parametrize(
    ("mode", "mechanism"),
    [
        *(("-S", "login"), ("-S", "plain"), ("-S", "ntlm"), ("-S", "xoauth2")),
        *(("-s", "ntlm"), ("--starttls-if-offered", "login")),
    ],
)
def test_each_mechanism_logs_on(plugin, serve, certificates, files, mechanism, mode):
    server = serve(Manners(certificates.good.context(), mode == "-s", logon=logon))
    argv = (*NONE, "-A", mechanism, "-U", USER, *secret_options(files), "--until", "auth", "-v")
    run = plugin.against(server, mode, *argv)
    assert run.result == f"OK - {PASSED} (Exchange)"
    assert re.fullmatch(
        r"  auth +#s  235 2\.7\.0 Authentication successful \(AUTH " + mechanism.upper() + r"\)",
        run.line("  auth "),
    )
    assert re.fullmatch(r"[0-9.]+s;;;0", run.perfdata["auth"])


@pytest.mark.parametrize("mechanism", ["login", "plain", "ntlm", "xoauth2"])
@pytest.mark.usefixtures("files")
def test_each_mechanism_is_refused_with_a_wrong_secret(
    plugin, serve, certificates, tmp_path, mechanism
):
    wrong = tmp_path / "wrong"
    wrong.write_text("something else\n")
    wrong.chmod(0o600)
    server = serve(Manners(certificates.good.context(), logon=logon))
    secret = (f"--password-file={wrong}", f"--token-file={wrong}")
    run = plugin.against(server, "-S", *NONE, "-A", mechanism, "-U", USER, *secret)
    assert run.result == "CRITICAL - 127.0.0.1 refused AUTH: 535 5.7.3 Authentication unsuccessful"
    assert run.line("Meaning: ").startswith("Meaning: The logon failed: wrong name or password")
    reason = """, the server's reason: {"status":"401","schemes":"Bearer"}"""
    assert run.line("  auth ").endswith(
        f"(AUTH {mechanism.upper()}{reason if mechanism == 'xoauth2' else ''})"
    )
    assert b"MAIL" not in b"".join(server.heard)


@pytest.mark.parametrize(
    ("secrets", "mechanism"), [(("password", "token"), "XOAUTH2"), (("password",), "NTLM")]
)
def test_auto_takes_the_strongest(plugin, serve, certificates, files, secrets, mechanism):
    """That is offered, and for which there is a secret."""
    offered = offers("LOGIN", "PLAIN", "NTLM", "XOAUTH2")
    server = serve(Manners(certificates.good.context(), after=offered, logon=logon))
    argv = [f"--{secret}-file={files / secret}" for secret in secrets]
    run = plugin.against(server, *LOG_ON, "auto", *argv, "--until", "auth", "-v")
    assert run.exit_code == OK
    assert run.line("  auth ").endswith(f"(AUTH {mechanism})")


@pytest.mark.parametrize(
    ("offered", "auth", "secret", "words"),
    [
        (("GSSAPI", "NTLM"), "login", "password", "AUTH LOGIN but GSSAPI NTLM"),
        ((), "plain", "password", "AUTH PLAIN"),
        (("GSSAPI",), "auto", "password", "AUTH NTLM or PLAIN or LOGIN but GSSAPI"),
        (("LOGIN",), "auto", "token", "AUTH XOAUTH2 but LOGIN"),
    ],
)
def test_a_mechanism_that_is_not_offered(
    plugin, serve, certificates, files, offered, auth, secret, words
):
    server = serve(Manners(certificates.good.context(), after=offers(*offered)))
    run = plugin.against(
        server, "-S", *NONE, "-A", auth, "-U", USER, f"--{secret}-file={files / secret}"
    )
    assert run.result == f"CRITICAL - 127.0.0.1 does not offer {words}"


def test_a_password_like_the_prompt_logs_on(plugin, serve, certificates):
    """In base64 ``Password123...`` begins as the prompt does; what is masked is still read."""
    asked = []

    def outlook(talk: Talk, mechanism: str, initial: object) -> bytes:
        assert (mechanism, initial) == ("LOGIN", None)
        asked.extend([ask(talk, b"Username:"), ask(talk, b"Password:")])
        return SUCCESS

    server = serve(Manners(certificates.good.context(), logon=outlook))
    for password in (PASSWORD, "Password:", "Username:", "word"):
        run = plugin.against(
            server,
            *("-S", *NONE, "-A", "login", "-U", USER, "--until", "auth"),
            CHECK_EXCHANGE_MAILACCEPT_PASSWORD=password,
        )
        assert run.exit_code == OK, password
        assert asked[-2:] == [USER.encode(), password.encode()]


def test_submission_in_one_command(plugin, serve, certificates, files):
    """TLS, logon and the whole dialogue; with the profile of port 587."""
    server = serve(Manners(certificates.good.context(), logon=logon))
    argv = ("-S", "-A", "auto", "-U", "probe@contoso.com", "--profile", "submission")
    run = plugin.against(server, *argv, *secret_options(files))
    assert run.result == (
        "OK - 127.0.0.1 accepted mail for postmaster@contoso.com in #s (Exchange)"
    )
    assert set(run.perfdata) == {
        *("connect", "banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message"),
        *("quit", "total", "extensions", "certificate"),
    }


# Without pyspnego.


def test_auto_skips_ntlm_without_pyspnego(bare, serve, certificates, files):
    server = serve(Manners(certificates.good.context(), after=offers("NTLM", "LOGIN"), logon=logon))
    argv = ("-S", *NONE, "-A", "auto", "-U", USER, f"--password-file={files / 'password'}", "-v")
    run = bare.against(server, *argv, "--until", "auth")
    assert run.exit_code == OK
    assert run.line("  auth ").endswith("(AUTH LOGIN)")


def test_ntlm_without_pyspnego_is_a_usage_error(bare, serve, files):
    server = serve(Manners())
    argv = ("-S", "-A", "ntlm", "-U", USER, f"--password-file={files / 'password'}")
    run = bare.against(server, *argv)
    assert run.exit_code == UNKNOWN
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - --auth ntlm needs the Python package pyspnego"
        r" \((Debian: apt install python3-|/\S+ -m pip install )pyspnego\)"
        r" \(see check_exchange_mailaccept --help\)\n",
        run.stdout,
    )
    assert server.talks == []


# No secret outside TLS.


@pytest.mark.parametrize("mechanism", ["plain", "auto"])
def test_no_secret_goes_out_without_tls(plugin, serve, files, mechanism):
    """Not where TLS is merely not offered; a usage error where it was not asked for."""
    server = serve(Manners(before=offers("PLAIN", "LOGIN", "NTLM", "XOAUTH2")))
    argv = ("-A", mechanism, "-U", USER, *secret_options(files))
    run = plugin.against(server, "--starttls-if-offered", *NONE, *argv)
    assert run.result == "CRITICAL - 127.0.0.1 offers no TLS, and no secret goes out without it"
    assert [line.split()[0] for line in server.heard] == [b"EHLO", b"QUIT"]
    run = plugin.against(server, *argv)
    assert run.result == (
        "UNKNOWN - --auth needs -S or -s, or --auth-without-tls (see"
        " check_exchange_mailaccept --help)"
    )
    assert len(server.talks) == 1


@pytest.mark.parametrize("mode", [(), ("--starttls-if-offered",)])
def test_a_secret_goes_out_without_tls_if_it_may(plugin, serve, files, mode):
    """``--auth-without-tls``."""
    server = serve(Manners(before=offers("PLAIN"), logon=logon))
    argv = ("-A", "plain", "-U", USER, *secret_options(files), "--auth-without-tls")
    assert plugin.against(server, *mode, *NONE, *argv, "--until", "auth").exit_code == OK


def test_a_logon_that_is_offered_before_tls_and_stripped_after(plugin, serve, certificates, files):
    before = (*offers("LOGIN"), "STARTTLS")
    server = serve(Manners(certificates.good.context(), before=before, after=offers()))
    run = plugin.against(server, *LOG_ON, "login", *secret_options(files))
    assert run.result == (
        "CRITICAL - 127.0.0.1 does not offer AUTH LOGIN inside TLS, though it offered AUTH before"
    )


# Refusals and faults.


def replying(*replies: bytes):
    """Each reply in turn, whatever the client says."""

    def answer(talk: Talk, _mechanism: str, _initial: object) -> bytes:
        for reply in replies[:-1]:
            talk.tell(reply)
            talk.line()
        return replies[-1]

    return answer


def endless(talk: Talk, _mechanism: str, _initial: object) -> bytes:
    """Challenge after challenge, until the client gives up."""
    while True:
        talk.tell(b"334 VXNlcm5hbWU6\r\n")
        if talk.line() == b"*":
            return b"501 5.7.0 Cancelled\r\n"


#: What the server does, mechanism, state and words.
REFUSALS = {
    "535": (replying(FAILURE), "plain", CRITICAL,
            "refused AUTH: 535 5.7.3 Authentication unsuccessful"),
    "454": (replying(b"454 4.7.0 Temporary authentication failure\r\n"), "plain", WARNING,
            "deferred AUTH: 454 4.7.0 Temporary authentication failure"),
    "535 at the second response": (
        replying(b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", FAILURE), "login", CRITICAL,
        "refused AUTH: 535 5.7.3 Authentication unsuccessful"),
    "250": (replying(b"250 Ok\r\n"), "plain", CRITICAL, "answered AUTH without 235: 250 Ok"),
    "bad challenge": (replying(b"334 %%%\r\n", b"501 5.7.0 Cancelled\r\n"), "login", CRITICAL,
                      "failed at AUTH: the challenge is not valid base64: 334 %%%"),
    "loop at LOGIN": (endless, "login", CRITICAL, "failed at AUTH: the server went on asking"),
    "loop at PLAIN": (endless, "plain", CRITICAL, "failed at AUTH: the server went on asking"),
    "loop at XOAUTH2": (endless, "xoauth2", CRITICAL, "failed at AUTH: the server went on asking"),
    "no NTLM challenge": (endless, "ntlm", CRITICAL,
                          "failed at AUTH: the challenge is not an NTLM challenge: "),
    "not SMTP": (replying(b"hello\r\n"), "plain", CRITICAL,
                 "failed at AUTH: not an SMTP reply: 'hello'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_logon_that_fails(plugin, serve, certificates, files, fault):
    """Judged by its reply, or by what is wrong with it; an exchange is ended with ``*``."""
    answer, mechanism, state, words = REFUSALS[fault]
    server = serve(Manners(certificates.good.context(), logon=answer))
    run = plugin.against(server, *LOG_ON, mechanism, *secret_options(files))
    name = "WARNING" if state == WARNING else "CRITICAL"
    assert run.result.startswith(f"{name} - 127.0.0.1 {words}")
    assert (b"*\r\n" in server.heard) == ("challenge" in words or "asking" in words)
    assert "auth" in run.perfdata
    assert "mail" not in run.perfdata
    assert not any(line.startswith(b"MAIL") for line in server.heard)


@pytest.mark.parametrize(
    ("user", "password"),
    [("CONTOSO\\probe", "secret"), ("probe@contoso.com", "\udce4\udcf6"), ("jörg", "pässwörd")],
)
@pytest.mark.usefixtures("files")  # pyspnego's server wants users.
def test_ntlm_takes_any_name_and_password(plugin, serve, certificates, user, password):
    """Its hashes are made of characters; bytes that are no UTF-8 are no reason to give up."""
    responses = []

    def answer(talk: Talk, _mechanism: str, initial: object) -> bytes:
        import spnego

        challenge = spnego.server(protocol="ntlm").step(initial)
        responses.append(ask(talk, challenge)[:12])
        return FAILURE

    server = serve(Manners(certificates.good.context(), logon=answer))
    argv = ("-S", *NONE, "-A", "ntlm", "-U", user)
    run = plugin.against(server, *argv, CHECK_EXCHANGE_MAILACCEPT_PASSWORD=password)
    assert (run.exit_code, responses) == (CRITICAL, [b"NTLMSSP\0\3\0\0\0"])


# No secret in any output.


class Echo:
    """A server whose reply to the logon can be changed, and that tells what it was told."""

    def __init__(self) -> None:
        self.reply = b""
        self.challenge = b""

    def __call__(self, talk: Talk, mechanism: str, _initial: object) -> bytes:
        if self.challenge:
            talk.tell(self.challenge)
            if talk.line() == b"*":
                return b"501 5.7.0 Cancelled\r\n"
        elif mechanism == "LOGIN":
            ask(talk, b"Username:")
            ask(talk, b"Password:")
        return self.reply


@pytest.fixture(scope="module")
def echo(shared, certificates) -> tuple[Echo, Server]:
    answer = Echo()
    return answer, shared(Manners(certificates.good.context(), logon=answer))


#: Without the letters that the plugin's own words are made of ("starttls1" would be found there).
SECRETS = st.text(
    st.characters(
        min_codepoint=33,
        max_codepoint=0x2FF,
        blacklist_categories=("Cs", "Cc", "Zs"),
        blacklist_characters=string.ascii_letters + "*",
    ),
    min_size=9,
    max_size=60,
).filter(lambda text: len(set(text)) >= 7)
WRAPPINGS = (
    "clear", "base64", "plain", "xoauth2", "in base64", "cut", "cut base64", "broken off",
    "overlong", "no reply", "two lines", "json", "challenge",
)  # fmt: skip


def wrapped(how: str, secret: str, before: str) -> tuple[bytes, bytes]:
    """A challenge and a reply in which ``secret`` is echoed."""
    raw = secret.encode()
    encoded = base64.b64encode(raw)
    filler = before.encode()
    line = {
        "clear": b"535 5.7.3 " + filler + raw + filler,
        "base64": b"535 5.7.3 " + filler + b" " + encoded,
        "plain": b"535 5.7.3 " + base64.b64encode(b"\0" + USER.encode() + b"\0" + raw),
        "xoauth2": b"535 "
        + base64.b64encode(b"user=" + USER.encode() + b"\1auth=Bearer " + raw + b"\1\1"),
        "in base64": b"535 5.7.3 " + base64.b64encode(filler + raw + filler),
        # A quotation of what is no reply ends after 120 characters.
        "cut": b"gibberish " + b"x" * (100 - len(filler) % 9) + raw,
        "cut base64": b"gibberish " + b"x" * (100 - len(filler) % 9) + encoded,
        "broken off": b"535 5.7.3 " + raw[: len(raw) * 3 // 4],
        "overlong": b"535 " + raw + b"x" * 70_000,
        "no reply": raw,
        "two lines": b"535-5.7.3 " + encoded[:14] + b"\r\n535 " + encoded[14:],
        "json": b"334 " + base64.b64encode(b'{"status":"401","token":"' + raw + b'"}'),
        "challenge": b"334 not base64 " + raw,
    }[how]
    if how in ("json", "challenge"):
        return line + b"\r\n", FAILURE
    return b"", line + b"\r\n"


def parts(secret: str) -> set[str]:
    """Eight characters in a row of the secret, as they would be shown."""
    forms = (secret, base64.b64encode(secret.encode()).decode())
    eights = {form[at : at + 8] for form in forms for at in range(len(form) - 7)}
    return {part.encode("ascii", "backslashreplace").decode() for part in eights}


@pytest.mark.parametrize("how", WRAPPINGS)
@settings(
    max_examples=9,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    mechanism=st.sampled_from(["plain", "login", "xoauth2"]),
    secret=SECRETS,
    before=st.text("abc ", max_size=12),
    verbosity=st.sampled_from(["", "-v", "-vv", "-vvv"]),
)
def test_no_secret_is_in_any_output(plugin, echo, mechanism, how, secret, before, verbosity):
    """In clear or in base64, whole or cut, in a reply, a fault or a transcript."""
    answer, server = echo
    answer.challenge, answer.reply = wrapped(how, secret, before)
    if mechanism != "xoauth2" and how == "json":
        answer.challenge = b""
        answer.reply = b"535 " + base64.b64encode(b"{" + secret.encode() + b"}") + b"\r\n"
    variable = "TOKEN" if mechanism == "xoauth2" else "PASSWORD"
    other = "PASSWORD" if mechanism == "xoauth2" else "TOKEN"
    run = plugin.against(
        server,
        *(*LOG_ON, mechanism, "-t", "20"),
        *([verbosity] if verbosity else []),
        **{
            f"CHECK_EXCHANGE_MAILACCEPT_{variable}": secret,
            f"CHECK_EXCHANGE_MAILACCEPT_{other}": "",
        },
    )
    assert run.exit_code == CRITICAL
    assert not [part for part in parts(secret) if part in run.stdout], run.stdout
    assert "fault of the plugin" not in run.stdout
    # Something was shown in its place.
    assert "****" in run.stdout or how in ("two lines", "broken off")


def test_a_secret_of_bytes_that_are_no_text_is_masked(plugin, echo, tmp_path):
    """As they are shown where they come from the server."""
    answer, server = echo
    secret = b"gr\xfc\xdfe-aus-k\xf6ln"
    file = tmp_path / "latin"
    file.write_bytes(secret + b"\n")
    file.chmod(0o600)
    answer.challenge, answer.reply = b"", b"535 5.7.3 " + secret + b" is wrong\r\n"
    run = plugin.against(
        server, "-S", *NONE, "-A", "plain", "-U", USER, f"--password-file={file}", "-vv"
    )
    assert run.first_line == (
        "MAILACCEPT CRITICAL - 127.0.0.1 refused AUTH: 535 5.7.3 **** is wrong"
    )
    assert "aus-k" not in run.stdout


def test_a_secret_with_spaces_is_masked_where_they_are_lost(plugin, echo):
    answer, server = echo
    secret = "a  b \tcd  efg h"
    answer.challenge, answer.reply = b"", b"wrong: a  b \tcd  efg h\r\n"
    secrets = {"CHECK_EXCHANGE_MAILACCEPT_PASSWORD": secret}
    run = plugin.against(server, *LOG_ON, "plain", "-vv", **secrets)
    assert run.result == ("CRITICAL - 127.0.0.1 failed at AUTH: not an SMTP reply: 'wrong: ****'")
    assert "efg" not in run.stdout


def test_the_transcript_shows_no_secret_of_ours(plugin, serve, certificates, files):
    """Each response as stars; the challenges stay, for they are the server's."""
    server = serve(Manners(certificates.good.context(), logon=logon))
    argv = (*LOG_ON, "login", *secret_options(files), "--until", "auth", "-vvv")
    run = plugin.against(server, *argv)
    lines = re.findall(r"(?m)^ +[0-9.]+ ([CS~]: .*)$", run.stdout)
    assert lines[-8:] == [
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        "C: ****",
        # The password begins with the same letters, and so does its base64.
        "S: 334 ****6",
        "C: ****",
        "S: 235 2.7.0 Authentication successful",
        "C: QUIT",
        "S: 221 2.0.0 Bye",
    ]


def test_no_option_takes_a_secret(plugin):
    """``ps`` shows the whole of argv; and a mistake does not repeat it."""
    assert not re.search(r"--(password|token)[ =]", plugin("--help").stdout)
    for option in ("--password", "--token", "--secret"):
        run = plugin("-H", "127.0.0.1", "-r", "a@b.example", f"{option}=hunter2hunter2")
        assert run.exit_code == UNKNOWN
        assert "hunter2" not in run.stdout

"""TLS as Nagios sees it: every mode with every option, every kind of certificate, every fault.

Against real servers with real TLS.  First lines are compared whole, with each
number of seconds as ``#s``.
"""

from __future__ import annotations

import itertools
import os
import re
import ssl
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.certificates import Certificates
from support.logon import USER, logon, secret_options
from support.measuring import run_measured
from support.scripts import Manners, Servers, ehlo_reply, endless
from support.smtp import Play, Server, Talk

from exchange_mailaccept.net import certificate

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
#: No Exchange is expected, since these tests are about TLS.
NONE = ("--profile", "none")


@pytest.fixture(scope="module")
def shared() -> Iterator[Servers]:
    """Servers that all rows of a table share."""
    servers = Servers()
    yield servers
    servers.close()


# The whole matrix: no option switches another off.

MODES = {"-S": False, "--starttls-if-offered": False, "-s": True}
VERIFY = (False, True)
EXPIRES = "certificate CN=mx.test, O=Contoso expires in 90.5 days (DATE); "
#: ``-D``, and the state, the finding and the thresholds it leads to with 90.5 days left.
DAYS = {
    "": (OK, "", ""),
    "100,7": (WARNING, EXPIRES, ";100:;7:"),
    "200,100": (CRITICAL, EXPIRES, ";200:;100:"),
}
#: The stages that ``--until`` adds to those of the greeting and of the logon.
UNTIL = {
    "starttls": (),
    "auth": (),
    "message": ("mail", "rcpt", "data", "message"),
}
AUTH = ("", "login", "xoauth2")
STATES = ("OK", "WARNING", "CRITICAL")


@pytest.fixture(scope="module")
def good_servers(shared, certificates) -> dict[bool, Server]:
    context = certificates.good.context
    return {
        implicit: shared(Manners(context(), implicit, logon=logon)) for implicit in (False, True)
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize("days", DAYS)
def test_no_option_switches_another_off(
    plugin, good_servers, certificates, files, mode, verify, days
):
    """TLS mode, verification, days of the certificate, last stage and logon, all in one run."""
    for until, auth in itertools.product(UNTIL, AUTH):
        if until == "auth" and not auth:
            continue
        argv = [mode, *NONE, "--until", until]
        argv += ["--verify", "--ca-file", certificates.authority.file] if verify else []
        argv += ["-D", days] if days else []
        argv += ["-A", auth, "-U", USER, *secret_options(files)] if auth else []
        run = plugin.against(good_servers[MODES[mode]], *argv)

        state, finding, thresholds = DAYS[days]
        done = "accepted mail" if until == "message" else f"passed every stage up to {until}"
        line = re.sub(r"\([A-Z][a-z]{2}, [^)]*\)", "(DATE)", run.first_line)
        # Recognised by the keywords, which nobody has seen there yet.
        details = "" if until == "starttls" and MODES[mode] else " (Exchange)"
        # Without --verify the first line says what is wrong with the certificate, too.
        line, notice, _ = line.partition("the certificate comes from an issuer")
        assert bool(notice) == (not verify), argv
        if notice:
            details = " (Exchange; " if details else " ("
        assert (run.exit_code, line) == (
            state,
            f"MAILACCEPT {STATES[state]} - {finding}127.0.0.1 {done} for postmaster@contoso.com"
            f" in #s{details}",
        ), argv
        # From the first byte, TLS comes before the banner and the greeting.
        reached = {"connect", "starttls", "quit", "total", *UNTIL[until]}
        reached |= {"auth"} if auth and until != "starttls" else set()
        greeted = until != "starttls" or not MODES[mode]
        reached |= {"banner", "ehlo"} if greeted else set()
        counted = {"certificate"} | ({"extensions"} if greeted else set())
        assert set(run.perfdata) == reached | counted, argv
        left, separator, limits = run.perfdata["certificate"].partition(";")
        assert (float(left), separator + limits) == (pytest.approx(90.5, abs=0.1), thresholds)
        for stage in reached:
            assert re.fullmatch(r"[0-9.]+s;;;0", run.perfdata[stage]), (argv, stage)


# What was agreed, and what is known of the certificate.


@pytest.mark.parametrize(
    ("least", "version", "cipher"),
    [
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    ],
)
@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize("mode", ["-S", "-s"])
def test_what_was_agreed_is_shown_with_v(
    plugin, serve, certificates, mode, verify, least, version, cipher
):
    """Protocol, cipher, issuer, names and days, whether the certificate was verified or not."""
    context = certificates.good.context(minimum_version=least, maximum_version=version)
    argv = ["--verify", "--ca-file", certificates.authority.file] if verify else []
    run = plugin.against(
        serve(Manners(context, MODES[mode])), mode, *NONE, "--until", "rcpt", "-v", *argv
    )
    begins, ends = run.line("  issued by ").partition("valid from ")[2].split(" (")[0].split(" to ")
    assert run.exit_code == OK
    assert run.line("TLS: ") == f"TLS: {cipher}, certificate {'' if verify else 'not '}verified"
    assert run.line("Certificate: ") == (
        "Certificate: CN=mx.test, O=Contoso; names: mx.test 127.0.0.1"
    )
    assert run.line("  issued by ") == (
        f"  issued by CN=Test CA, O=Contoso, valid from {begins} to {ends} (90.5 days left)"
    )
    assert run.line("  starttls ").endswith(f"({cipher})")


@pytest.mark.parametrize("verify", VERIFY)
def test_of_the_names_those_of_servers_are_shown(plugin, serve, certificates, verify):
    """A certificate may also be for a place in a directory, which no client looks for."""
    names = ("directory:mx", "dns:mx.test", "127.0.0.1")
    certified = certificates.authority.issue("mx.test", *names)
    argv = ["--verify", "--ca-file", certificates.authority.file] if verify else []
    server = serve(Manners(certified.context()))
    run = plugin.against(server, "-S", *NONE, "--until", "rcpt", "-v", *argv)
    assert (run.exit_code, run.line("Certificate: ")) == (
        OK,
        "Certificate: CN=mx.test, O=Contoso; names: mx.test 127.0.0.1",
    )


#: What is said of a certificate that came alone; Python 3.9 can't tell.
SENT_ALONE = ", and no intermediate was sent" if sys.version_info >= (3, 10) else ""
#: Certificate, ``-H`` by name or address, and what is said with ``--verify``.
VERIFIED = {
    "expired": "the certificate has expired (OpenSSL: certificate has expired)",
    "future": "the certificate is not yet valid (OpenSSL: certificate is not yet valid)",
    "other_name": "the certificate is for another address (OpenSSL: IP address mismatch,"
    " certificate is not valid for '127.0.0.1'.)",
    "self_signed": "the certificate is self-signed (OpenSSL: self-signed certificate)",
    "untrusted": f"the certificate comes from an issuer that is not trusted here{SENT_ALONE}"
    " (OpenSSL: unable to get local issuer certificate)",
}


@pytest.mark.parametrize("kind", VERIFIED)
def test_a_wrong_certificate_is_told_from_others(plugin, serve, certificates, kind):
    """In the first line, with OpenSSL's own words; the dialogue ends there."""
    server = serve(Manners(getattr(certificates, kind).context()))
    run = plugin.against(server, "-S", *NONE, "--verify", "--ca-file", certificates.authority.file)
    # OpenSSL before 3.0 has no hyphen there, and 3.5 doubts the clock.
    line = run.first_line.replace("OpenSSL: self signed", "OpenSSL: self-signed")
    line = line.replace(" or the system clock is incorrect)", ")")
    assert (run.exit_code, line) == (
        CRITICAL,
        f"MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: {VERIFIED[kind]}",
    )
    assert "starttls" in run.perfdata
    assert "mail" not in run.perfdata
    alone = kind == "untrusted" and SENT_ALONE
    meaning = "The server sends its certificate alone" if alone else "The server's certificate"
    assert run.line("Meaning: ").startswith(f"Meaning: {meaning}")


def test_a_certificate_of_an_own_authority_is_trusted_without_verify(plugin, serve, certificates):
    server = serve(Manners(certificates.good.context()))
    own = ("--ca-file", certificates.authority.file, "--tls-name", "mx.test")
    run = plugin.against(server, "-S", *NONE, *own, "--until", "rcpt")
    assert (run.exit_code, run.first_line) == (
        OK,
        "MAILACCEPT OK - 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange)",
    )


def test_a_certificate_that_is_not_trusted_can_be_given_a_state(plugin, serve, certificates):
    server = serve(Manners(certificates.self_signed.context()))
    run = plugin.against(server, "-S", *NONE, "--severity", "untrusted=warning", "--until", "rcpt")
    line = run.first_line.replace("OpenSSL: self signed", "OpenSSL: self-signed")
    assert (run.exit_code, line) == (
        WARNING,
        "MAILACCEPT WARNING - the certificate is self-signed (OpenSSL: self-signed"
        " certificate); 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange)",
    )
    assert run.line("Next step: ").startswith("Next step: Bind a certificate of a public authority")


def test_few_days_left_say_what_to_do(plugin, serve, certificates):
    server = serve(Manners(certificates.good.context()))
    run = plugin.against(server, "-S", *NONE, "-D", "200", "--until", "rcpt")
    assert run.exit_code == WARNING
    assert run.line("Meaning: ") == (
        "Meaning: The certificate has expired or soon will; senders that verify it send no mail"
        " then"
    )
    assert "Get-ExchangeCertificate" in run.line("Next step: ")
    assert run.stdout.index("\nRead: ") < run.stdout.index("\nStages at ")
    assert run.stdout.index("\nCertificate: ") < run.stdout.index("\nTroubleshooting, ")


def test_an_untrusted_authority_of_the_chain_is_told_apart(plugin, serve, certificates, tmp_path):
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        Path(certificates.untrusted.file).read_bytes()
        + Path(certificates.stranger.file).read_bytes()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    run = plugin.against(
        serve(Manners(context)), "-S", "--verify", "--ca-file", certificates.authority.file
    )
    assert run.first_line.replace("self signed", "self-signed") == (
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate comes from a"
        " self-signed authority that is not trusted here (OpenSSL: self-signed certificate in"
        " certificate chain)"
    )


@pytest.mark.parametrize(
    ("name", "kind", "exit_code", "asked_for"),
    [
        ("mx.test", "good", OK, "mx.test"),
        ("MX.test", "good", OK, "MX.test"),
        ("other.test", "other_name", OK, "other.test"),
        ("other.test", "good", CRITICAL, "other.test"),
        ("mx.test", "other_name", CRITICAL, "mx.test"),
        ("192.0.2.1", "other_name", OK, None),
    ],
)
def test_the_name_is_asked_for_and_looked_for(
    plugin, serve, certificates, name, kind, exit_code, asked_for
):
    """``--tls-name`` is the name in SNI and in the certificate; an address is never in SNI."""
    server = serve(Manners(getattr(certificates, kind).context()))
    run = plugin.against(
        server,
        *("-S", *NONE, "--tls-name", name, "--until", "rcpt"),
        *("--verify", "--ca-file", certificates.authority.file),
    )
    words = (
        f"MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate is for another name"
        f" (OpenSSL: Hostname mismatch, certificate is not valid for '{name}'.)"
    )
    assert run.exit_code == exit_code
    assert (run.first_line == words) == (exit_code == CRITICAL)
    assert [None if each is None else each.lower() for each in (server.talks[0].asked_for,)] == [
        None if asked_for is None else asked_for.lower()
    ]


def test_the_name_of_the_host_is_asked_for(plugin, serve, certificates):
    """Without ``--tls-name`` it is the server's own."""
    context = certificates.authority.issue("localhost", "localhost").context()
    server = serve(Manners(context))
    run = plugin(
        *("-H", "localhost", "-4", "-p", str(server.port), "-r", "postmaster@contoso.com", "-S"),
        *(*NONE, "--until", "rcpt", "--verify", "--ca-file", certificates.authority.file),
    )
    assert (run.exit_code, run.first_line) == (
        OK,
        "MAILACCEPT OK - localhost passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange)",
    )
    assert server.talks[0].asked_for == "localhost"


def test_the_authorities_of_the_system_are_trusted(plugin, serve, certificates):
    """Without ``--ca-file``, as OpenSSL's own variable names them."""
    server = serve(Manners(certificates.good.context()))
    argv = ("-S", *NONE, "--verify", "--until", "rcpt")
    run = plugin.against(server, *argv, SSL_CERT_FILE=certificates.authority.file)
    assert run.exit_code == OK
    run = plugin.against(server, *argv)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate comes from an issuer"
        f" that is not trusted here{SENT_ALONE} (OpenSSL: unable to get local issuer certificate)",
    )


def test_the_lowest_version_is_kept(plugin, serve, certificates):
    context = certificates.good.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    server = serve(Manners(context))
    assert plugin.against(server, "-S", *NONE, "--until", "rcpt").exit_code == OK
    run = plugin.against(server, "-S", *NONE, "--min-tls", "1.3")
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: the server speaks"
        " only TLS versions below the limit of this check, --min-tls (OpenSSL: tlsv1 alert protocol"
        " version)",
    )


# Client certificates.


def demanding(certificates: Certificates, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = certificates.good.context(
        minimum_version=version, maximum_version=version, verify_mode=ssl.CERT_REQUIRED
    )
    context.load_verify_locations(certificates.authority.file)
    return context


@pytest.mark.parametrize("mode", ["-S", "-s"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("apart", [False, True])
def test_a_client_certificate_is_shown(plugin, serve, certificates, tmp_path, mode, version, apart):
    """Its key is in the same file or in one of its own."""
    server = serve(Manners(demanding(certificates, version), MODES[mode]))
    argv = ["--client-cert", certificates.client.file]
    if apart:
        pem = Path(certificates.client.file).read_text()
        begin = pem.index("-----BEGIN PRIVATE KEY")
        (tmp_path / "cert.pem").write_text(pem[:begin])
        (tmp_path / "key.pem").write_text(pem[begin:])
        argv = [f"--client-cert={tmp_path / 'cert.pem'}", f"--client-key={tmp_path / 'key.pem'}"]
    argv += ["--verify", "--ca-file", certificates.authority.file]
    run = plugin.against(server, mode, *NONE, "--until", "rcpt", *argv)
    assert (run.exit_code, run.first_line) == (
        OK,
        "MAILACCEPT OK - 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange)",
    )


# In TLS 1.3 the client has finished its handshake when the server looks at its certificate.
NO_CLIENT = {
    ("-S", "1.2"): "failed at STARTTLS: handshake failed: no common cipher, or the server demands a"
    " client certificate (OpenSSL: sslv3 alert handshake failure)",
    ("-s", "1.2"): "failed at TLS: handshake failed: no common cipher, or the server demands a"
    " client certificate (OpenSSL: sslv3 alert handshake failure)",
    (
        "-S",
        "1.3",
    ): "failed at EHLO after STARTTLS: TLS failed: the server demands a client certificate"
    " (OpenSSL: tlsv13 alert certificate required)",
    ("-s", "1.3"): "sent no SMTP greeting: TLS failed: the server demands a client certificate"
    " (OpenSSL: tlsv13 alert certificate required)",
}


@pytest.mark.parametrize(("mode", "version"), NO_CLIENT)
def test_a_demanded_client_certificate_that_is_not_there(
    plugin, serve, certificates, mode, version
):
    least = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    server = serve(Manners(demanding(certificates, least), MODES[mode]))
    run = plugin.against(server, mode, *NONE)
    # OpenSSL 3.2 calls the alert by its name of today.
    line = run.first_line.replace("ssl/tls alert", "sslv3 alert")
    assert (run.exit_code, line) == (
        CRITICAL,
        f"MAILACCEPT CRITICAL - 127.0.0.1 {NO_CLIENT[mode, version]}",
    )


def test_a_client_certificate_that_is_not_trusted(plugin, serve, certificates):
    server = serve(Manners(demanding(certificates, ssl.TLSVersion.TLSv1_2)))
    argv = ("--client-cert", certificates.strange_client.file)
    run = plugin.against(server, "-S", *NONE, *argv)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: the server does not"
        " trust the client certificate (OpenSSL: tlsv1 alert unknown ca)",
    )


def test_a_file_that_is_no_certificate_is_a_usage_error(plugin, serve, certificates, tmp_path):
    """Before the first packet; a key with a password does not ask for it."""
    server = serve(Manners(certificates.good.context()))
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    locked = tmp_path / "locked.pem"
    client = certificates.client
    locked.write_bytes(
        client.certificate.public_bytes(serialization.Encoding.PEM)
        + client.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for argv, file in (
        (("--client-cert", str(empty)), str(empty)),
        (("--client-cert", str(locked)), str(locked)),
        (
            ("--client-cert", client.file, "--client-key", certificates.strange_client.file),
            f"{client.file} and {certificates.strange_client.file}",
        ),
        (("--verify", "--ca-file", str(empty)), str(empty)),
    ):
        run = plugin.against(server, "-S", *argv)
        assert run.exit_code == UNKNOWN
        # Of long names the middle is left out.
        assert run.first_line.startswith(f"MAILACCEPT UNKNOWN - {file[:100]}"), run.first_line
        assert re.search(
            re.escape(file[-20:]) + r": no usable certificate or key in PEM form \([^()]+\)$",
            run.first_line,
        ), run.first_line
    assert server.talks == []


def damaged(pem: str) -> dict[str, str]:
    """Files of authorities that are none, made of one that is."""
    first, *lines, last, end = pem.splitlines(keepends=True)
    return {
        "cut off": first + "".join(lines),
        "a line is missing": first + "".join(lines[1:]) + last + end,
        "a line is there twice": first + lines[0] + "".join(lines) + last + end,
        "not base64": first + "".join(lines).replace(lines[0][:4], "!?*") + last + end,
        "another is cut off behind it": pem + first + lines[0],
        "another kind": pem.replace("CERTIFICATE", "PRIVATE KEY"),
        "empty": "",
    }


@pytest.mark.parametrize("what", damaged("a\nb\nc\nd\ne\n"))
def test_a_file_of_authorities_that_is_damaged(plugin, serve, certificates, tmp_path, what):
    server = serve(Manners(certificates.good.context()))
    file = tmp_path / "damaged.pem"
    file.write_text(damaged(Path(certificates.authority.file).read_text())[what])
    run = plugin.against(server, "-S", "--verify", "--ca-file", str(file))
    assert run.exit_code == UNKNOWN
    assert re.fullmatch(
        rf"MAILACCEPT UNKNOWN - {re.escape(str(file))}: no usable certificate or key in PEM form"
        r" \([^()]+\)",
        run.first_line,
    ), run.first_line
    assert server.talks == []


def test_an_authority_that_is_damaged_within(plugin, serve, certificates, tmp_path):
    """As long as it says it is, it passes at first; nothing is said to the server all the same."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(Path(certificates.authority.file).read_text()))
    # Its first part is no sequence any more.
    der[4] = 0
    file = tmp_path / "within.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    server = serve(Manners(certificates.good.context()))
    run = plugin.against(server, "-S", "--verify", "--ca-file", str(file))
    assert run.exit_code == UNKNOWN
    assert run.stdout.startswith(
        f"MAILACCEPT UNKNOWN - {file}: no usable certificate or key in PEM"
    )
    assert run.stdout.count("\n") == 1
    assert server.heard == []


def test_authorities_among_other_words(plugin, serve, certificates, tmp_path):
    """A bundle has names before its certificates, and may end in a key."""
    file = tmp_path / "bundle.pem"
    pems = [Path(each.file).read_text() for each in (certificates.client, certificates.authority)]
    file.write_text("# Test CA\n" + "\n# Another\n".join(pems) + "# The end\n")
    server = serve(Manners(certificates.good.context()))
    run = plugin.against(server, "-S", "--verify", "--ca-file", str(file), *NONE)
    assert run.exit_code == OK, run.stdout


# What was said before the handshake is forgotten.


def test_keywords_before_the_handshake_are_forgotten(plugin, serve, certificates):
    manners = Manners(
        certificates.good.context(), before=("STARTTLS", "SMTPUTF8"), after=("SIZE", "8BITMIME")
    )
    run = plugin.against(serve(manners), "-S", *NONE, "-r", "jörg@contoso.com")
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 does not offer SMTPUTF8, which the address needs",
    )


@pytest.mark.parametrize("after", [Talk.wait, lambda _: None])
def test_words_between_starttls_and_the_handshake_are_an_attack(plugin, serve, after):
    """CVE-2011-0411: they could be taken for secured ones.  CRITICAL, and no handshake is begun."""
    words = b"250-mx.test\r\n250 AUTH PLAIN\r\n"
    server = serve(offering(GO + words, after, ("STARTTLS", "PIPELINING")))
    run = plugin.against(server, "-S", *NONE)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at STARTTLS: the server spoke before it was asked:"
        " '250-mx.test 250 AUTH PLAIN'",
    )
    assert set(run.perfdata) == {"connect", "banner", "ehlo", "extensions", "total"}


def test_words_at_the_end_of_the_handshake_are_out_of_turn(plugin, serve, certificates):
    """Inside TLS, a reply that nobody asked for is not the reply to EHLO."""

    def play(talk: Talk) -> None:
        together(talk, certificates.good.context(), b"250 AUTH PLAIN\r\n")
        talk.wait()

    run = plugin.against(serve(offering(GO, play)), "-S", *NONE)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at EHLO after STARTTLS: the server spoke before it"
        " was asked: '250 AUTH PLAIN'",
    )


def together(talk: Talk, context: ssl.SSLContext, words: bytes) -> None:
    """Do the handshake in TLS 1.2, its end and ``words`` in one packet."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    talk.secure(context, words)


def test_a_banner_in_the_last_packet_of_the_handshake_is_read(plugin, serve, certificates):
    def play(talk: Talk) -> None:
        together(talk, certificates.good.context(), b"554 5.3.2 Not today\r\n")
        talk.wait()

    run = plugin.against(serve(play), "-s", *NONE, "-t", "5")
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 refused the connection: 554 5.3.2 Not today",
    )


# STARTTLS that fails.

GO = b"220 2.0.0 Go\r\n"


def offering(
    starttls: bytes, after: Play = Talk.wait, keywords: tuple[str, ...] = ("STARTTLS",)
) -> Play:
    """A server that answers STARTTLS with ``starttls`` and goes on with ``after``."""

    def play(talk: Talk) -> None:
        talk.tell(b"220 mx.test ESMTP\r\n")
        assert talk.line().startswith(b"EHLO ")
        talk.tell(ehlo_reply(*keywords))
        assert talk.line() == b"STARTTLS"
        talk.tell(starttls)
        after(talk)

    return play


def after_hello(*words: bytes, then: Play = lambda _: None) -> Play:
    """Take the ClientHello, say ``words``, and hang up unless there is more."""

    def play(talk: Talk) -> None:
        assert talk.read()
        for each in words:
            talk.tell(each)
        then(talk)

    return play


HALF = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03half"
#: The beginning of a record of the greatest length; and records of the handshake without end.
drips = after_hello(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", then=endless(b"\0", 0.05))
floods = after_hello(then=endless(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + bytes(0x3FFC)))
ALERT = b"\x15\x03\x03\x00\x02\x02"
IN_THE_HANDSHAKE = "did not answer STARTTLS within #s in the handshake"
FAILED = "failed at STARTTLS: handshake failed: "
#: What the server does at STARTTLS, the state, and the end of the first line.
FAILING = {
    "454": (offering(b"454 4.7.0 TLS not available\r\n"), WARNING,
            "deferred STARTTLS: 454 4.7.0 TLS not available"),
    "500": (offering(b"500 5.3.3 Unrecognized command\r\n"), CRITICAL,
            "refused STARTTLS: 500 5.3.3 Unrecognized command"),
    "250": (offering(b"250 Ok\r\n"), CRITICAL, "answered STARTTLS without 220: 250 Ok"),
    "no SMTP": (offering(b"\x16\x03\x03\x00\x7a\r\n"), CRITICAL,
                "failed at STARTTLS: not an SMTP reply: '/x16/x03/x03/x00z'"),
    "silence": (offering(b""), CRITICAL, "did not answer STARTTLS within #s"),
    "end": (offering(b"", lambda _: None), CRITICAL,
            "failed at STARTTLS: connection closed by the server"),
    "silence after 220": (offering(GO), CRITICAL, IN_THE_HANDSHAKE),
    "end after 220": (offering(GO, after_hello()), CRITICAL,
                      FAILED + "connection closed by the server"),
    "plain text": (offering(GO, after_hello(b"500 5.5.1 What was that?\r\n")), CRITICAL,
                   FAILED + "the server answered in plain text (OpenSSL: wrong version number)"),
    "alert 40": (offering(GO, after_hello(ALERT + b"\x28")), CRITICAL,
                 FAILED + "no common cipher, or the server demands a client certificate"
                 " (OpenSSL: sslv3 alert handshake failure)"),
    "alert 80": (offering(GO, after_hello(ALERT + b"\x50")), CRITICAL,
                 FAILED + "tlsv1 alert internal error"),
    "alert 112": (offering(GO, after_hello(ALERT + b"\x70")), CRITICAL,
                  FAILED + "the server has no certificate for this name"
                  " (OpenSSL: tlsv1 unrecognized name)"),
    "half a ServerHello": (offering(GO, after_hello(HALF, then=Talk.wait)), CRITICAL,
                           IN_THE_HANDSHAKE),
    "half a ServerHello and the end": (offering(GO, after_hello(HALF)), CRITICAL,
                                       FAILED + "connection closed by the server"),
    "drip": (offering(GO, drips), CRITICAL, IN_THE_HANDSHAKE),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAILING)
def test_starttls_that_fails(plugin, serve_carelessly, fault):
    play, state, words = FAILING[fault]
    server = serve_carelessly(play)
    run = plugin.against(server, "-S", *NONE, "-t", "1" if "within" in words else "10")
    line = run.first_line.replace("ssl/tls alert", "sslv3 alert")
    line = line.replace("tlsv1 alert unrecognized name", "tlsv1 unrecognized name")
    assert (run.exit_code, line) == (
        state,
        f"MAILACCEPT {STATES[state]} - 127.0.0.1 {words}",
    )
    assert {"connect", "banner", "ehlo"} <= set(run.perfdata)
    assert ("starttls" in run.perfdata) == (fault != "end")
    assert not {"auth", "mail"} & set(run.perfdata)
    assert run.line("Meaning: ")
    # QUIT would go out in clear text, into the middle of a handshake.
    assert (b"QUIT\r\n" in server.heard) == (fault in ("454", "500", "250", "no SMTP", "silence"))


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 100, b"\xff" * 100, b"SSH-2.0-x\r\n", b"\x16\x03\x03\xff\xff" + b"\0" * 70_000],
)
def test_garbage_as_tls_ends_the_handshake(plugin, serve, garbage):
    run = plugin.against(serve(after_hello(garbage)), "-s", *NONE)
    assert run.exit_code == CRITICAL
    beginning = "MAILACCEPT CRITICAL - 127.0.0.1 failed at TLS: handshake failed: "
    assert run.first_line.startswith(beginning)


def test_a_plain_server_where_tls_is_expected_first(plugin, serve):
    """Port 25 with ``-s``: the banner is no ServerHello."""

    def play(talk: Talk) -> None:
        talk.tell(b"220 mx.test ESMTP\r\n")
        talk.wait()

    run = plugin.against(serve(play), "-s", *NONE)
    assert run.exit_code == CRITICAL
    # It depends on whether the banner or the ClientHello is faster.
    assert run.first_line in (
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at TLS: the server spoke before it was asked: '220"
        " mx.test ESMTP'",
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at TLS: handshake failed: the server answered"
        " in plain text (OpenSSL: wrong version number)",
    )


def test_an_ehlo_that_is_refused_inside_tls(plugin, serve, certificates):
    def after(talk: Talk) -> None:
        talk.secure(certificates.good.context())
        assert talk.line().startswith(b"EHLO ")
        talk.tell(b"554 5.7.1 Not inside TLS\r\n")
        talk.wait()

    run = plugin.against(serve(offering(GO, after)), "-S", *NONE)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 refused EHLO after STARTTLS: 554 5.7.1 Not inside TLS",
    )


@pytest.mark.parametrize(
    "keywords", [(), ("SIZE", "XXXXXXXA", "XXXXXXXXXXXXXXXXXXXXXB", "XXXXXXXXXXXXXXXXXXXXXXXXC")]
)
def test_starttls_that_is_required_and_not_offered(plugin, serve, keywords):
    server = serve(Manners(before=keywords))
    run = plugin.against(server, "-S", *NONE)
    assert run.exit_code == CRITICAL
    assert run.first_line.startswith("MAILACCEPT CRITICAL - 127.0.0.1 does not offer STARTTLS")
    assert run.line("Meaning: ").startswith("Meaning: STARTTLS is not offered: ")
    assert [line.split()[0] for line in server.heard] == [b"EHLO", b"QUIT"]


def test_a_firewall_that_masks_starttls_is_named(plugin, serve):
    """As Cisco's ``inspect esmtp`` does: it leaves the length of the keyword."""
    let_through = ("SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES")
    masks = ("XXXXXXXA", "XXXXXXXXXXXXXB", "AUTH NTLM", "XXXXXXXXXXXXXXXXXC", "8BITMIME")
    server = serve(Manners(before=(*let_through, *masks, "BINARYMIME", "XXXXXXXD", "XXXXE")))
    run = plugin.against(server, "-S")
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 does not offer STARTTLS, a firewall masks it as XXXXXXXA",
    )


def test_starttls_is_used_only_where_it_is_offered(plugin, serve):
    """With ``--starttls-if-offered`` mail goes out in clear otherwise, as on the Internet."""
    server = serve(Manners(before=("SIZE", "8BITMIME")))
    run = plugin.against(server, "--starttls-if-offered", *NONE)
    assert run.exit_code == OK
    assert not {"starttls", "certificate"} & set(run.perfdata)


# The end of TLS, and floods inside it.


@pytest.mark.parametrize("politely", [False, True])
def test_a_connection_that_is_lost_inside_tls(plugin, serve, certificates, politely):
    def after(talk: Talk) -> None:
        talk.secure(certificates.good.context())
        assert talk.line().startswith(b"EHLO ")
        talk.tell(ehlo_reply("SIZE"))
        assert talk.line().startswith(b"MAIL ")
        if politely:
            talk.end_tls()

    run = plugin.against(serve(offering(GO, after)), "-S", *NONE)
    assert (run.exit_code, run.first_line) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 failed at MAIL: connection closed by the server",
    )


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("handshake", "failed at STARTTLS: handshake failed: "),
        ("line", "failed at EHLO after STARTTLS: reply line over 65536"),
        ("reply", "failed at EHLO after STARTTLS: reply over 262144"),
    ],
)
def test_a_flood_is_bounded(serve, certificates, place, words):
    def inside(talk: Talk) -> None:
        talk.secure(certificates.good.context())
        assert talk.line().startswith(b"EHLO ")
        endless(b"250-" + b"x" * 1000 + (b"\r\n" if place == "reply" else b""))(talk)

    server = serve(offering(GO, floods if place == "handshake" else inside))
    run, _, peak_kib = run_measured(
        *("-H", "127.0.0.1", "-p", str(server.port), "-r", "a@contoso.com", "-S"),
        SSL_CERT_FILE=certificates.authority.file,
    )
    assert run.exit_code == CRITICAL
    assert run.first_line.startswith(f"MAILACCEPT CRITICAL - 127.0.0.1 {words}")
    assert peak_kib < 64 * 1024


def test_a_message_is_sent_to_a_server_that_reads_slowly(plugin, serve, certificates):
    """What TLS could not send at once is sent later, once, and in its order."""
    server = serve(Manners(certificates.good.context(), implicit=True), room=4096)
    fillers = [f"X-Filler-{number}: {'x' * 900}" for number in range(100)]
    run = plugin.against(server, "-s", *NONE, *(f"--header={each}" for each in fillers))
    assert run.exit_code == OK
    heard = [line for line in server.heard if line.startswith(b"X-Filler-")]
    assert heard == [f"{each}\r\n".encode() for each in fillers]


# What cryptography can't read, and what it costs.


def test_facts_of_a_certificate_that_is_not_quite_right():
    for der in (b"", b"0", b"\x30\x82\x01\x00", bytes(100)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert certificate.from_der(der) is None


def test_a_certificate_with_a_negative_serial_number_is_read(plugin, serve, certificates, tmp_path):
    """Cryptography warns of it or refuses it: neither may reach stderr."""
    good = certificates.good.certificate
    der = good.public_bytes(serialization.Encoding.DER)
    serial = good.serial_number.to_bytes((good.serial_number.bit_length() + 8) // 8, "big")
    at = der.index(serial)
    wrong = der[:at] + bytes([serial[0] | 0x80]) + der[at + 1 :]
    key = Path(certificates.good.file).read_text().partition("-----BEGIN PRIVATE")[2]
    file = tmp_path / "wrong.pem"
    file.write_text(f"{ssl.DER_cert_to_PEM_cert(wrong)}-----BEGIN PRIVATE{key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    run = plugin.against(serve(Manners(context)), "-S", *NONE, "--until", "rcpt")
    assert run.exit_code == OK


# Without cryptography.

#: Outside a virtual environment, and inside one (with -S known to Python 3.14 and later only).
HOW_TO_INSTALL = r"(Debian: apt install python3-|/\S+ -m pip install )cryptography"


def test_without_cryptography_tls_goes_on(bare, serve, certificates):
    """There are no facts of the certificate then, and nobody asked for them."""
    server = serve(Manners(certificates.good.context()))
    run = bare.against(server, "-S", *NONE, "--until", "rcpt", "-v")
    assert (run.exit_code, run.first_line.partition("; ")[0]) == (
        OK,
        "MAILACCEPT OK - 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange",
    )
    assert re.fullmatch(
        r"TLS: TLSv1\.3 TLS_AES_256_GCM_SHA384, certificate not verified and not read"
        rf" \({HOW_TO_INSTALL}\)",
        run.line("TLS: "),
    )
    assert "Certificate: " not in run.stdout
    assert "certificate" not in run.perfdata


def test_without_cryptography_a_verified_certificate_is_known(bare, serve, certificates):
    """``ssl`` reads it itself."""
    server = serve(Manners(certificates.good.context()))
    argv = ("-S", "--verify", "--ca-file", certificates.authority.file, "-D", "100")
    run = bare.against(server, *NONE, *argv, "--until", "rcpt")
    assert run.exit_code == WARNING
    assert run.perfdata["certificate"].endswith(";100:")


def test_without_cryptography_days_can_not_be_counted_unverified(bare, serve, certificates):
    server = serve(Manners(certificates.good.context()))
    run = bare.against(server, "-S", "-D", "30")
    assert run.exit_code == UNKNOWN
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - --certificate needs --verify, or the Python package cryptography"
        rf" \({HOW_TO_INSTALL}\)\n",
        run.stdout,
    )
    assert server.talks == []


@pytest.mark.parametrize(
    ("severity", "state"), [((), UNKNOWN), (("--severity", "certificate=warning"), WARNING)]
)
def test_a_library_that_can_not_read_is_told_from_the_certificate(
    bare, serve, certificates, tmp_path, severity, state
):
    """What it means and what to do, and the state can be chosen."""
    (tmp_path / "cryptography").mkdir()
    (tmp_path / "cryptography" / "__init__.py").write_text("raise ImportError('built for another')")
    server = serve(Manners(certificates.good.context()))
    path = f"{tmp_path}{os.pathsep}{bare.site}"
    run = bare.against(server, "-S", "-D", "30", *NONE, *severity, PYTHONPATH=path)
    assert run.exit_code == state
    assert "the server's certificate could not be read; " in run.first_line
    assert "Meaning: The Python package cryptography, which reads" in run.stdout
    assert "or give --verify." in run.stdout

"""TLS as Nagios sees it: every mode with every option, every kind of certificate, every fault.

Against real servers with real TLS.  First lines are compared whole, with each
number of seconds as ``#s``.
"""

from __future__ import annotations

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
from support.plugin import PluginRun
from support.scripts import Manners, Servers
from support.smtp import Server

from exchange_mailaccept.net import certificate

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
NONE = ("--profile", "none")
PASSED = "OK - 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s (Exchange)"
#: OpenSSL 3.0, 3.2 and 3.5 changed these words.
OLD_WORDS = (
    ("OpenSSL: self signed", "OpenSSL: self-signed"),
    (" or the system clock is incorrect)", ")"),
    ("ssl/tls alert", "sslv3 alert"),
)


def result(run: PluginRun) -> str:
    """The result, in the words of every version of OpenSSL."""
    words = run.result
    for there, here in OLD_WORDS:
        words = words.replace(there, here)
    return words


@pytest.fixture(scope="session")
def verifying(certificates) -> tuple[str, ...]:
    """The options to trust our own authority and no other."""
    return ("--verify", "--ca-file", certificates.authority.file)


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
#: The last stage and the mechanism of a logon, and the stages that both add to the greeting.
ENDS = {
    ("starttls", ""): (),
    ("starttls", "login"): (),
    ("auth", "login"): ("auth",),
    ("message", "xoauth2"): ("auth", "mail", "rcpt", "data", "message"),
}
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
def test_no_option_switches_another_off(plugin, good_servers, verifying, files, mode, verify, days):
    """TLS mode, verification, days of the certificate, last stage and logon, all in one run."""
    state, finding, thresholds = DAYS[days]
    for (until, auth), stages in ENDS.items():
        argv = [mode, *NONE, "--until", until]
        argv += verifying if verify else ()
        argv += ["-D", days] if days else []
        argv += ["-A", auth, "-U", USER, *secret_options(files)] if auth else []
        run = plugin.against(good_servers[MODES[mode]], *argv)

        done = "accepted mail" if until == "message" else f"passed every stage up to {until}"
        line = re.sub(r"\([A-Z][a-z]{2}, [^)]*\)", "(DATE)", run.result)
        # From the first byte, TLS comes before the banner and the greeting, by whose keywords
        # Exchange is known.
        greeted = until != "starttls" or not MODES[mode]
        details = " (Exchange)" if greeted else ""
        # Without --verify the first line says what is wrong with the certificate, too.
        line, notice, _ = line.partition("the certificate comes from an issuer")
        assert bool(notice) == (not verify), argv
        if notice:
            details = " (Exchange; " if details else " ("
        words = f"127.0.0.1 {done} for postmaster@contoso.com in #s{details}"
        assert line == f"{STATES[state]} - {finding}{words}", argv
        reached = {"connect", "starttls", "quit", "total", *stages}
        reached |= {"banner", "ehlo"} if greeted else set()
        counted = {"certificate"} | ({"extensions"} if greeted else set())
        assert set(run.perfdata) == reached | counted, argv
        left, separator, limits = run.perfdata["certificate"].partition(";")
        assert (float(left), separator + limits) == (pytest.approx(90.5, abs=0.1), thresholds)
        for stage in reached:
            assert re.fullmatch(r"[0-9.]+s;;;0", run.perfdata[stage]), (argv, stage)


# What was agreed, and what is known of the certificate.


@pytest.mark.parametrize(
    ("mode", "verify", "version", "cipher"),
    [
        ("-S", False, ssl.TLSVersion.TLSv1_2, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("-S", True, ssl.TLSVersion.TLSv1_3, "TLSv1.3 TLS_AES_256_GCM_SHA384"),
        ("-s", True, ssl.TLSVersion.TLSv1_2, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("-s", False, ssl.TLSVersion.TLSv1_3, "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    ],
)
def test_what_was_agreed_is_shown_with_v(
    plugin, serve, certificates, verifying, mode, verify, version, cipher
):
    """Protocol, cipher, issuer, names and days, whether the certificate was verified or not."""
    context = certificates.good.context(minimum_version=version, maximum_version=version)
    server = serve(Manners(context, MODES[mode]))
    argv = verifying if verify else ()
    run = plugin.against(server, mode, *NONE, "--until", "rcpt", "-v", *argv)
    assert run.exit_code == OK
    assert run.line("TLS: ") == f"TLS: {cipher}, certificate {'' if verify else 'not '}verified"
    names = "Certificate: CN=mx.test, O=Contoso; names: mx.test 127.0.0.1"
    assert run.line("Certificate: ") == names
    assert re.fullmatch(
        r"  issued by CN=Test CA, O=Contoso, valid from .+ to .+ \(90\.5 days left\)",
        run.line("  issued by "),
    )
    assert run.line("  starttls ").endswith(f"({cipher})")


@pytest.mark.parametrize("verify", VERIFY)
def test_of_the_names_those_of_servers_are_shown(plugin, serve, certificates, verifying, verify):
    """A certificate may also be for a place in a directory, which no client looks for."""
    names = ("directory:mx", "dns:mx.test", "127.0.0.1")
    server = serve(Manners(certificates.authority.issue("mx.test", *names).context()))
    argv = verifying if verify else ()
    run = plugin.against(server, "-S", *NONE, "--until", "rcpt", "-v", *argv)
    shown = "Certificate: CN=mx.test, O=Contoso; names: mx.test 127.0.0.1"
    assert (run.exit_code, run.line("Certificate: ")) == (OK, shown)


#: What is said of a certificate that came alone; Python 3.9 can't tell.
SENT_ALONE = ", and no intermediate was sent" if sys.version_info >= (3, 10) else ""
#: Kinds of certificates, and what is said of them with ``--verify``.
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
def test_a_wrong_certificate_is_told_from_others(plugin, serve, certificates, verifying, kind):
    """In the first line, with OpenSSL's own words; the dialogue ends there."""
    server = serve(Manners(getattr(certificates, kind).context()))
    run = plugin.against(server, "-S", *NONE, *verifying)
    assert result(run) == f"CRITICAL - 127.0.0.1 failed at STARTTLS: {VERIFIED[kind]}"
    assert "starttls" in run.perfdata
    assert "mail" not in run.perfdata
    alone = kind == "untrusted" and SENT_ALONE
    meaning = "The server sends its certificate alone" if alone else "The server's certificate"
    assert run.line("Meaning: ").startswith(f"Meaning: {meaning}")


def test_a_certificate_that_is_not_trusted_can_be_given_a_state(plugin, serve, certificates):
    server = serve(Manners(certificates.self_signed.context()))
    run = plugin.against(server, "-S", *NONE, "--severity", "untrusted=warning", "--until", "rcpt")
    assert result(run) == (
        "WARNING - the certificate is self-signed (OpenSSL: self-signed certificate);"
        f" {PASSED.removeprefix('OK - ')}"
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


def test_an_untrusted_authority_of_the_chain_is_told_apart(
    plugin, serve, certificates, verifying, tmp_path
):
    files = (certificates.untrusted.file, certificates.stranger.file)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"".join(Path(file).read_bytes() for file in files))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    run = plugin.against(serve(Manners(context)), "-S", *verifying)
    assert result(run) == (
        "CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate comes from a self-signed"
        " authority that is not trusted here (OpenSSL: self-signed certificate in certificate"
        " chain)"
    )


@pytest.mark.parametrize(
    ("name", "kind", "matches", "asked_for"),
    [
        ("mx.test", "good", True, "mx.test"),
        ("MX.test", "good", True, "mx.test"),
        ("other.test", "good", False, "other.test"),
        ("192.0.2.1", "other_name", True, None),
    ],
)
def test_the_name_is_asked_for_and_looked_for(
    plugin, serve, certificates, verifying, name, kind, matches, asked_for
):
    """``--tls-name`` is the name in SNI and in the certificate; an address is never in SNI."""
    server = serve(Manners(getattr(certificates, kind).context()))
    run = plugin.against(server, "-S", *NONE, "--tls-name", name, "--until", "rcpt", *verifying)
    mismatch = (
        "CRITICAL - 127.0.0.1 failed at STARTTLS: the certificate is for another name"
        f" (OpenSSL: Hostname mismatch, certificate is not valid for '{name}'.)"
    )
    assert run.result == (PASSED if matches else mismatch)
    heard = server.talks[0].asked_for
    assert (heard and heard.lower()) == asked_for


def test_the_name_of_the_host_is_asked_for(plugin, serve, certificates, verifying):
    """Without ``--tls-name`` it is the server's own."""
    server = serve(Manners(certificates.authority.issue("localhost", "localhost").context()))
    run = plugin(
        *("-H", "localhost", "-4", "-p", str(server.port), "-r", "postmaster@contoso.com", "-S"),
        *(*NONE, "--until", "rcpt", *verifying),
    )
    assert run.result == PASSED.replace("127.0.0.1", "localhost")
    assert server.talks[0].asked_for == "localhost"


def test_the_authorities_of_the_system_are_trusted(plugin, serve, certificates):
    """Without ``--ca-file``, as OpenSSL's own variable names them."""
    server = serve(Manners(certificates.good.context()))
    system = {"SSL_CERT_FILE": certificates.authority.file}
    run = plugin.against(server, "-S", *NONE, "--verify", "--until", "rcpt", **system)
    assert run.result == PASSED


def test_the_lowest_version_is_kept(plugin, serve, certificates):
    context = certificates.good.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    run = plugin.against(serve(Manners(context)), "-S", *NONE, "--min-tls", "1.3")
    assert run.result == (
        "CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: the server speaks only TLS"
        " versions below the limit of this check, --min-tls (OpenSSL: tlsv1 alert protocol version)"
    )


# Client certificates.


def demanding(certificates: Certificates, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = certificates.good.context(
        minimum_version=version, maximum_version=version, verify_mode=ssl.CERT_REQUIRED
    )
    context.load_verify_locations(certificates.authority.file)
    return context


@pytest.mark.parametrize(
    ("mode", "version", "apart"),
    [
        ("-S", ssl.TLSVersion.TLSv1_2, False),
        ("-S", ssl.TLSVersion.TLSv1_3, True),
        ("-s", ssl.TLSVersion.TLSv1_2, True),
        ("-s", ssl.TLSVersion.TLSv1_3, False),
    ],
)
def test_a_client_certificate_is_shown(
    plugin, serve, certificates, verifying, tmp_path, mode, version, apart
):
    """Its key is in the same file or in one of its own."""
    server = serve(Manners(demanding(certificates, version), MODES[mode]))
    argv = [f"--client-cert={certificates.client.file}"]
    if apart:
        certificate, begin, key = (
            Path(certificates.client.file).read_text().partition("-----BEGIN PRIVATE KEY")
        )
        (tmp_path / "cert.pem").write_text(certificate)
        (tmp_path / "key.pem").write_text(begin + key)
        argv = [f"--client-cert={tmp_path / 'cert.pem'}", f"--client-key={tmp_path / 'key.pem'}"]
    run = plugin.against(server, mode, *NONE, "--until", "rcpt", *argv, *verifying)
    assert run.result == PASSED


# In TLS 1.3 the client has finished its handshake when the server looks at its certificate.
DEMANDED = (
    "handshake failed: no common cipher, or the server demands a client certificate (OpenSSL: sslv3"
    " alert handshake failure)"
)
DEMANDED_LATER = (
    "TLS failed: the server demands a client certificate (OpenSSL: tlsv13 alert certificate"
    " required)"
)


@pytest.mark.parametrize(
    ("mode", "version", "words"),
    [
        ("-S", ssl.TLSVersion.TLSv1_2, f"failed at STARTTLS: {DEMANDED}"),
        ("-s", ssl.TLSVersion.TLSv1_2, f"failed at TLS: {DEMANDED}"),
        ("-S", ssl.TLSVersion.TLSv1_3, f"failed at EHLO after STARTTLS: {DEMANDED_LATER}"),
        ("-s", ssl.TLSVersion.TLSv1_3, f"sent no SMTP greeting: {DEMANDED_LATER}"),
    ],
)
def test_a_demanded_client_certificate_that_is_not_there(
    plugin, serve, certificates, mode, version, words
):
    server = serve(Manners(demanding(certificates, version), MODES[mode]))
    assert result(plugin.against(server, mode, *NONE)) == f"CRITICAL - 127.0.0.1 {words}"


def test_a_client_certificate_that_is_not_trusted(plugin, serve, certificates):
    server = serve(Manners(demanding(certificates, ssl.TLSVersion.TLSv1_2)))
    argv = ("--client-cert", certificates.strange_client.file)
    run = plugin.against(server, "-S", *NONE, *argv)
    assert run.result == (
        "CRITICAL - 127.0.0.1 failed at STARTTLS: handshake failed: the server does not"
        " trust the client certificate (OpenSSL: tlsv1 alert unknown ca)"
    )


def unusable(file: str) -> str:
    """What is said of a file; of long names the middle is left out."""
    begin, end = re.escape(file[:100]), re.escape(file[-20:])
    return rf"UNKNOWN - (?={begin}).*{end}: no usable certificate or key in PEM form \([^()]+\)"


def test_a_client_certificate_that_is_none_is_a_usage_error(plugin, serve, certificates, tmp_path):
    """Before the first packet; a key with a password does not ask for it."""
    client, other = certificates.client, certificates.strange_client.file
    empty, locked = tmp_path / "empty.pem", tmp_path / "locked.pem"
    empty.write_text("nothing\n")
    locked.write_bytes(
        client.certificate.public_bytes(serialization.Encoding.PEM)
        + client.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    server = serve(Manners(certificates.good.context()))
    for argv, file in (
        (("--client-cert", str(empty)), str(empty)),
        (("--client-cert", str(locked)), str(locked)),
        (("--client-cert", client.file, "--client-key", other), f"{client.file} and {other}"),
    ):
        assert re.fullmatch(unusable(file), plugin.against(server, "-S", *argv).result), argv
    assert server.talks == []


def damaged(pem: str) -> dict[str, str]:
    """Files of authorities that are none, made of one that is."""
    first, *lines, last, end = pem.splitlines(keepends=True)
    der = bytearray(ssl.PEM_cert_to_DER_cert(pem))
    # Its first part is no sequence any more.
    der[4] = 0
    return {
        "cut off": first + "".join(lines),
        "a line is missing": first + "".join(lines[1:]) + last + end,
        "not base64": first + "".join(lines).replace(lines[0][:4], "!?*") + last + end,
        "another is cut off behind it": pem + first + lines[0],
        "another kind": pem.replace("CERTIFICATE", "PRIVATE KEY"),
        "damaged within": ssl.DER_cert_to_PEM_cert(bytes(der)),
        "empty": "",
    }


KINDS_OF_DAMAGE = (
    *("cut off", "a line is missing", "not base64", "another is cut off behind it"),
    *("another kind", "damaged within", "empty"),
)


@pytest.mark.parametrize("damage", KINDS_OF_DAMAGE)
def test_a_file_of_authorities_that_is_damaged(plugin, serve, certificates, tmp_path, damage):
    """Nothing is said to the server, though damage within is met only once it is connected."""
    server = serve(Manners(certificates.good.context()))
    file = tmp_path / "damaged.pem"
    file.write_text(damaged(Path(certificates.authority.file).read_text())[damage])
    run = plugin.against(server, "-S", "--verify", "--ca-file", str(file))
    assert re.fullmatch(unusable(str(file)), run.result), run.result
    assert run.stdout.count("\n") == 1
    assert server.heard == []
    assert damage == "damaged within" or server.talks == []


def test_authorities_among_other_words(plugin, serve, certificates, tmp_path):
    """A bundle has names before its certificates, and may end in a key."""
    file = tmp_path / "bundle.pem"
    pems = [
        Path(certified.file).read_text()
        for certified in (certificates.client, certificates.authority)
    ]
    file.write_text("# Test CA\n" + "\n# Another\n".join(pems) + "# The end\n")
    server = serve(Manners(certificates.good.context()))
    run = plugin.against(server, "-S", "--verify", "--ca-file", str(file), *NONE)
    assert run.exit_code == OK, run.stdout


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


def test_without_cryptography_a_verified_certificate_is_known(bare, serve, certificates, verifying):
    """``ssl`` reads it itself."""
    server = serve(Manners(certificates.good.context()))
    run = bare.against(server, "-S", *NONE, *verifying, "-D", "100", "--until", "rcpt")
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
    assert "or use --verify." in run.stdout

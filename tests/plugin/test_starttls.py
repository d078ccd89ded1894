"""What goes wrong at STARTTLS, in the handshake and inside TLS: each has its words."""

from __future__ import annotations

import ssl

import pytest
from support.measuring import run_measured
from support.scripts import Manners, ehlo_reply, endless
from support.smtp import Play, Talk

WARNING, CRITICAL, OK = 1, 2, 0
STATES = ("OK", "WARNING", "CRITICAL")
#: No Exchange is expected, since these tests are about TLS.
NONE = ("--profile", "none")


# What was said before the handshake is forgotten.


def test_keywords_before_the_handshake_are_forgotten(plugin, serve, certificates):
    manners = Manners(
        certificates.good.context(), before=("STARTTLS", "SMTPUTF8"), after=("SIZE", "8BITMIME")
    )
    run = plugin.against(serve(manners), "-S", *NONE, "-r", "jörg@contoso.com")
    assert run.result == "CRITICAL - 127.0.0.1 does not offer SMTPUTF8, which the address needs"


@pytest.mark.parametrize("after", [Talk.wait, lambda _: None])
def test_words_between_starttls_and_the_handshake_are_an_attack(plugin, serve, after):
    """CVE-2011-0411: they could be taken for secured ones.  CRITICAL, and no handshake is begun."""
    words = b"250-mx.test\r\n250 AUTH PLAIN\r\n"
    server = serve(offering(GO + words, after, ("STARTTLS", "PIPELINING")))
    run = plugin.against(server, "-S", *NONE)
    assert run.result == (
        "CRITICAL - 127.0.0.1 failed at STARTTLS: the server spoke before it was asked:"
        " '250-mx.test 250 AUTH PLAIN'"
    )
    assert set(run.perfdata) == {"connect", "banner", "ehlo", "extensions", "total"}


def test_words_at_the_end_of_the_handshake_are_out_of_turn(plugin, serve, certificates):
    """Inside TLS, a reply that nobody asked for is not the reply to EHLO."""

    def play(talk: Talk) -> None:
        together(talk, certificates.good.context(), b"250 AUTH PLAIN\r\n")
        talk.wait()

    run = plugin.against(serve(offering(GO, play)), "-S", *NONE)
    assert run.result == (
        "CRITICAL - 127.0.0.1 failed at EHLO after STARTTLS: the server spoke before it"
        " was asked: '250 AUTH PLAIN'"
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
    assert run.result == "CRITICAL - 127.0.0.1 refused the connection: 554 5.3.2 Not today"


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
        for said in words:
            talk.tell(said)
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
    # OpenSSL 3.2 changed these words.
    line = run.result.replace("ssl/tls alert", "sslv3 alert")
    line = line.replace("tlsv1 alert unrecognized name", "tlsv1 unrecognized name")
    assert line == f"{STATES[state]} - 127.0.0.1 {words}"
    assert {"connect", "banner", "ehlo"} <= set(run.perfdata)
    assert ("starttls" in run.perfdata) == (fault != "end")
    assert not {"auth", "mail"} & set(run.perfdata)
    assert run.line("Meaning: ")
    # QUIT would go out in clear text, into the middle of a handshake.
    assert (b"QUIT\r\n" in server.heard) == (fault in ("454", "500", "250", "no SMTP", "silence"))


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"SSH-2.0-x\r\n", b"\x16\x03\x03\xff\xff" + b"\0" * 70_000]
)
def test_garbage_as_tls_ends_the_handshake(plugin, serve, garbage):
    run = plugin.against(serve(after_hello(garbage)), "-s", *NONE)
    assert run.result.startswith("CRITICAL - 127.0.0.1 failed at TLS: handshake failed: ")


def test_a_plain_server_where_tls_is_expected_first(plugin, serve):
    """Port 25 with ``-s``: the banner is no ServerHello."""

    def play(talk: Talk) -> None:
        talk.tell(b"220 mx.test ESMTP\r\n")
        talk.wait()

    # It depends on whether the banner or the ClientHello is faster.
    assert plugin.against(serve(play), "-s", *NONE).result in (
        "CRITICAL - 127.0.0.1 failed at TLS: the server spoke before it was asked: '220 mx.test"
        " ESMTP'",
        "CRITICAL - 127.0.0.1 failed at TLS: handshake failed: the server answered in plain text"
        " (OpenSSL: wrong version number)",
    )


def test_an_ehlo_that_is_refused_inside_tls(plugin, serve, certificates):
    def after(talk: Talk) -> None:
        talk.secure(certificates.good.context())
        assert talk.line().startswith(b"EHLO ")
        talk.tell(b"554 5.7.1 Not inside TLS\r\n")
        talk.wait()

    run = plugin.against(serve(offering(GO, after)), "-S", *NONE)
    assert (
        run.result == "CRITICAL - 127.0.0.1 refused EHLO after STARTTLS: 554 5.7.1 Not inside TLS"
    )


def test_starttls_that_is_required_and_not_offered(plugin, serve):
    server = serve(Manners(before=()))
    run = plugin.against(server, "-S", *NONE)
    assert run.result.startswith("CRITICAL - 127.0.0.1 does not offer STARTTLS")
    assert run.line("Meaning: ").startswith("Meaning: STARTTLS is not offered: ")
    assert [line.split()[0] for line in server.heard] == [b"EHLO", b"QUIT"]


def test_a_firewall_that_masks_starttls_is_named(plugin, serve):
    """As Cisco's ``inspect esmtp`` does: it leaves the length of the keyword."""
    let_through = ("SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES")
    masks = ("XXXXXXXA", "XXXXXXXXXXXXXB", "AUTH NTLM", "XXXXXXXXXXXXXXXXXC", "8BITMIME")
    server = serve(Manners(before=(*let_through, *masks, "BINARYMIME", "XXXXXXXD", "XXXXE")))
    run = plugin.against(server, "-S")
    assert (
        run.result
        == "CRITICAL - 127.0.0.1 does not offer STARTTLS, a firewall masks it as XXXXXXXA"
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
    assert run.result == "CRITICAL - 127.0.0.1 failed at MAIL: connection closed by the server"


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
    assert run.result.startswith(f"CRITICAL - 127.0.0.1 {words}")
    assert peak_kib < 64 * 1024


def test_a_message_is_sent_to_a_server_that_reads_slowly(plugin, serve, certificates):
    """What TLS could not send at once is sent later, once, and in its order."""
    server = serve(Manners(certificates.good.context(), implicit=True), room=4096)
    fillers = [f"X-Filler-{number}: {'x' * 900}" for number in range(100)]
    run = plugin.against(server, "-s", *NONE, *(f"--header={filler}" for filler in fillers))
    assert run.exit_code == OK
    heard = [line for line in server.heard if line.startswith(b"X-Filler-")]
    assert heard == [f"{filler}\r\n".encode() for filler in fillers]

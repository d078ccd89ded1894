"""Fetching a file by HTTPS: what comes back, and what keeps it from coming."""

from __future__ import annotations

import socket
from typing import Optional

import pytest
from support.certificates import Certificates
from support.smtp import Play, Server, Talk

from exchange_mailaccept.net.https import Response, Source, fetch
from exchange_mailaccept.net.trust import TlsSettings
from exchange_mailaccept.protocol.conversation import Fault
from exchange_mailaccept.vocabulary import Cause

LOOPBACK = ("127.0.0.1",)
PLAIN = "Content-Type: text/plain; charset=utf-8"


def web(context, *said: str, heard: Optional[list] = None) -> Play:
    """A web server that answers one request with ``said``."""

    def play(talk: Talk) -> None:
        talk.secure(context)
        lines = []
        while line := talk.line():
            lines.append(line.decode())
        if heard is not None:
            heard.extend([*lines, talk.asked_for])
        talk.tell("\r\n".join(said).encode())

    return play


def source(certificates: Certificates, server: Server, **changes: object) -> Source:
    settings = TlsSettings(ca_file=certificates.authority.file)
    made = Source("mx.test", "/file.txt", LOOPBACK, settings, 5.0, server.port)
    return made._replace(**changes)


def test_a_file_comes_with_status_and_type(certificates, serve_carelessly):
    heard: list[str] = []
    context = certificates.good.context()
    server = serve_carelessly(web(context, "HTTP/1.1 200 OK", PLAIN, "", "the file\n", heard=heard))
    assert fetch(source(certificates, server)) == Response(200, "text/plain", b"the file\n")
    # The name is asked for in the handshake and in the request, and nothing is said of the client.
    assert heard == [
        "GET /file.txt HTTP/1.1", f"Host: mx.test:{server.port}", "Accept-Encoding: identity",
        "Accept: text/plain", "mx.test",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("addresses", "status", "headers"),
    [
        # A redirect is not followed.
        (LOOPBACK, 302, ["Location: https://127.0.0.1/"]),
        # The second address is tried.
        (("127.0.0.9", "127.0.0.1"), 200, []),
    ],
)
def test_what_the_server_says_is_the_answer(
    certificates, serve_carelessly, addresses, status, headers
):
    said = [f"HTTP/1.1 {status} So be it", *headers, PLAIN, "", ""]
    server = serve_carelessly(web(certificates.good.context(), *said))
    fetched = fetch(source(certificates, server, addresses=addresses))
    assert fetched == Response(status, "text/plain", b"")


@pytest.mark.parametrize(
    ("said", "explanation"),
    [
        (["HTTP/1.1 200 OK", "", "x" * 65_537], "it is larger than 65536 bytes"),
        (["220 mx.test ESMTP", ""], "not an answer of HTTP (BadStatusLine)"),
        ([""], "the connection was closed without an answer"),
        (["HTTP/1.1 200 OK", "Content-Length: 9", "", "short"],
         "it was cut off after 5 bytes"),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "9", "short"],
         "not an answer of HTTP (IncompleteRead)"),
        # Which exception it is depends on the version of Python.
        (["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "-5", "short"],
         "not an answer of HTTP ("),
        (["HTTP/1.1 200 OK", *(f"X-{number}: 1" for number in range(200)), "", ""],
         "not an answer of HTTP (HTTPException)"),
    ],
)  # fmt: skip
def test_what_is_not_a_small_file_is_a_fault(certificates, serve_carelessly, said, explanation):
    server = serve_carelessly(web(certificates.good.context(), *said))
    assert fetch(source(certificates, server)).explanation.startswith(explanation)


@pytest.mark.parametrize(
    ("kind", "explanation"),
    [
        ("other_name", "the certificate is for another name ("),
        ("expired", "the certificate has expired ("),
        ("self_signed", "the certificate is self-signed ("),
    ],
)
def test_the_certificate_must_be_valid_for_the_host(
    certificates, serve_carelessly, kind, explanation
):
    server = serve_carelessly(web(getattr(certificates, kind).context(), ""))
    fault = fetch(source(certificates, server))
    assert fault.cause is Cause.CERTIFICATE
    assert fault.explanation.startswith(explanation)


def test_a_server_without_tls_is_a_fault(certificates, serve_carelessly):
    def play(talk: Talk) -> None:
        talk.tell(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        talk.wait()

    assert fetch(source(certificates, serve_carelessly(play))).cause is Cause.TLS


def test_a_silent_server_is_not_waited_for(certificates, serve_carelessly):
    fetched = fetch(source(certificates, serve_carelessly(Talk.wait), patience=0.3))
    assert fetched == Fault(Cause.SILENT, "within 0.3s")


def test_of_several_addresses_one_that_refuses_is_named(certificates):
    """This host has no way to the first one, which says nothing of the other."""
    settings = TlsSettings(ca_file=certificates.authority.file)
    # Bound, and nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.9", 0))
        port = taken.getsockname()[1]
        fetched = fetch(
            Source("mx.test", "/", ("255.255.255.255", "127.0.0.9"), settings, 5.0, port)
        )
    assert fetched == Fault(Cause.REFUSED, f"127.0.0.9 port {port}: connection refused")

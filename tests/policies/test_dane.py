"""DANE in runs of the plugin, against a name server that says which answers are authentic.

``tests/real_servers/test_dane.py`` has the rest, with real signatures and a second judge.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import pytest
from cryptography.hazmat.primitives import serialization
from support.certificates import Authority, Certified
from support.names import NameServer, knowing, question
from support.plugin import PluginRun
from support.scripts import Manners
from support.smtp import Server

from exchange_mailaccept.net import certificate
from exchange_mailaccept.policies import dane, tlsa
from exchange_mailaccept.policies.conclusion import Effect, Problem
from exchange_mailaccept.protocol import conversation as smtp
from exchange_mailaccept.protocol.conversation import Session
from exchange_mailaccept.protocol.security import Security


def validating(table: dict, unsigned: tuple[str, ...] = (), validates: bool = True) -> Any:
    """A resolver that says of signed answers that they are, if it is asked to (RFC 6840 5.7).

    :param unsigned: names whose records are not signed
    :param validates: whether it checks signatures at all
    """
    plain = knowing(table)

    def answer(wire: bytes, tcp: bool) -> bytes:
        response = dns.message.from_wire(plain(wire, tcp))
        asked = dns.message.from_wire(wire).flags & dns.flags.AD
        if asked and validates and question(wire)[0] not in unsigned:
            response.flags |= dns.flags.AD
        return response.to_wire(max_size=65_535)

    return answer


Check = Callable[..., PluginRun]


@pytest.fixture
def check(plugin) -> Iterator[Check]:
    """Judge contoso.com, whose only MX is ``server``, by the TLSA records ``tlsa``."""
    with contextlib.ExitStack() as stack:

        def check(server: Server, tlsa: object, *arguments: str, **how: Any) -> PluginRun:
            table = {
                (".", "NS"): ["a.root-servers.net."],
                ("contoso.com.", "MX"): ["10 mx.test."],
                ("mx.test.", "A"): ["127.0.0.1"],
                (f"_{server.port}._tcp.mx.test.", "TLSA"): tlsa,
            }
            resolver = stack.enter_context(contextlib.closing(NameServer(validating(table, **how))))
            run: PluginRun = plugin(
                *("-d", "contoso.com", "-p", str(server.port), "--dane", *resolver.option),
                *("-F", "probe.client.example", "--profile", "none", *arguments),
            )
            assert run.stderr == ""
            stdout = run.stdout.replace(f"port {resolver.port}", "port PORT")
            return run._replace(stdout=stdout.replace(f"_{server.port}._tcp", "_PORT._tcp"))

        yield check


def spki(certified: Certified) -> bytes:
    return certified.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def record(content: bytes, usage: int = 3, selector: int = 1) -> str:
    return f"{usage} {selector} 1 {hashlib.sha256(content).hexdigest()}"


def line(run: PluginRun) -> str:
    return run.stdout.partition("\n")[0].partition(" - ")[2].partition("; mx.test accepted")[0]


@pytest.fixture
def server(certificates, serve_carelessly) -> Server:
    return serve_carelessly(Manners(context=certificates.good.context()))


def test_one_matching_record_is_enough(check, server, certificates):
    right = record(spki(certificates.good))
    # It sorts before any other.
    old = f"3 1 1 {'00' * 32}"
    run = check(server, [right, old], "-v")
    assert run.exit_code == 0
    assert (
        f"\nDANE: holds for mx.test ({right[:14]}... matches)\n"
        f"  TLSA of mx.test: 3 1 1 00000000...\n"
        f"  TLSA of mx.test: {right[:14]}...\n"
    ) in run.stdout


def test_without_a_matching_record_such_senders_defer(check, server, certificates):
    run = check(server, [record(b"the old key")])
    assert run.exit_code == 2
    assert line(run) == (
        "senders that enforce DANE defer: the certificate of mx.test does not match its TLSA record"
    )
    right = hashlib.sha256(spki(certificates.good)).hexdigest()
    assert f"\n  the record of its certificate is 3 1 1 {right}\n" in run.stdout
    assert "\nMeaning: The certificate was renewed or replaced and the TLSA records were not;" in (
        run.stdout
    )


def test_the_severity_of_it_can_be_changed(check, server):
    run = check(server, [record(b"the old key")], "--severity", "dane=warning")
    assert run.exit_code == 1


def test_each_server_of_a_set_is_judged(check, server):
    run = check(server, [record(b"the old key")], "--all-mx")
    assert run.exit_code == 2
    assert run.stdout.startswith(
        "MAILACCEPT CRITICAL - senders that enforce DANE defer: the certificate of mx.test does not"
        " match its TLSA record; 1 of 1 mail server of contoso.com accept"
    )


@pytest.mark.parametrize(
    ("tlsa", "how", "exit_code", "said"),
    [
        ([], {}, 1, "DANE is not in effect: there is no signed TLSA record at _PORT._tcp.mx.test"),
        ([record(b"")], {"unsigned": ("contoso.com.",)}, 1,
         "DANE is not in effect: the MX records of contoso.com are not signed"),
        ([record(b"")], {"unsigned": ("mx.test.",)}, 1,
         "DANE is not in effect: the addresses of mx.test are not signed"),
        ([record(b"")], {"validates": False}, 3,
         "can't judge DANE: the resolver 127.0.0.1 does not validate"),
        (2, {}, 2, "senders that enforce DANE defer: the TLSA records of mx.test can't be looked"
         " up: SERVFAIL from 127.0.0.1 port PORT"),
        ([f"1 1 1 {'00' * 32}"], {}, 1, "DANE is not in effect: senders can use none of the TLSA"
         " records of mx.test (1 1 1 00000000...)"),
    ],
)  # fmt: skip
def test_what_dns_lacks_is_said_first(check, server, tlsa, how, exit_code, said):
    run = check(server, tlsa, **how)
    assert (run.exit_code, line(run)) == (exit_code, said)


def test_published_records_demand_tls(check, serve_carelessly):
    server = serve_carelessly(Manners(before=("SIZE", "PIPELINING")))
    run = check(server, [f"1 1 1 {'00' * 32}"])
    assert (run.exit_code, line(run)) == (
        2,
        "senders that enforce DANE defer: mx.test does not offer STARTTLS",
    )


def test_starttls_that_fails_is_quoted(check, serve_carelessly):
    server = serve_carelessly(Manners(starttls=b"454 4.7.0 TLS not available\r\n"))
    run = check(server, [record(b"")])
    assert run.exit_code == 2
    assert "\nDANE: mx.test fails at STARTTLS: 454 4.7.0 TLS not available\n" in run.stdout


def test_a_server_that_nobody_reaches_is_no_matter_of_dane(check, serve_carelessly):
    server = serve_carelessly(Manners(banner=b"554 5.3.2 not now\r\n"))
    run = check(server, [record(b"")])
    assert line(run) == "mx.test refused the connection: 554 5.3.2 not now"
    assert "DANE" not in run.stdout


def test_a_record_may_name_the_authority_whose_certificate_is_sent(
    check, serve_carelessly, certificates, tmp_path
):
    authority = certificates.authority.certificate
    sent = authority.public_bytes(serialization.Encoding.PEM)
    file = tmp_path / "chain.pem"
    file.write_bytes(Path(certificates.good.file).read_bytes() + sent)
    server = serve_carelessly(Manners(certificates.good._replace(file=str(file)).context()))
    der = authority.public_bytes(serialization.Encoding.DER)
    run = check(server, [record(der, usage=2, selector=0)])
    if sys.version_info < (3, 10):
        assert run.exit_code == 3
        assert line(run).startswith("can't judge DANE: this Python can't tell which chain mx.test")
        return
    assert run.exit_code == 0
    # Without it, nothing leads there.
    server = serve_carelessly(Manners(certificates.good.context()))
    assert check(server, [record(der, usage=2, selector=0)]).exit_code == 2


def session(*chain: bytes, whole: bool = True) -> Session:
    """A session with a server that sent ``chain``."""
    security = Security("TLSv1.3", "cipher", False, chain=chain, chain_is_whole=whole)
    return Session(smtp.Server("MX.test", ("192.0.2.1",), 25), "192.0.2.1", (), security=security)


def judged(found: dane.Found, of: Session) -> tuple[Effect, Problem, str]:
    published = dane.Published("contoso.com", hosts={"mx.test": found})
    conclusion = dane.judge(published, "", of, 0.0)
    assert conclusion is not None
    return conclusion.effect, conclusion.problem, conclusion.why


def published(*records: str) -> dane.Found:
    return dane.Found(base="mx.test", records=tuple(map(tlsa.parse, records)))


def test_a_python_that_does_not_know_the_chain_can_not_judge_by_an_authority(certificates):
    own = certificates.good.certificate.public_bytes(serialization.Encoding.DER)
    of = session(own, whole=False)
    authority = f"2 1 1 {'00' * 32}"
    assert judged(published(authority), of) == (
        Effect.UNTESTED, Problem.CHAIN_UNKNOWN, "2 1 1 00000000..."
    )  # fmt: skip
    # By a record of the server itself it can.
    right = record(own, selector=0)
    assert judged(published(authority, right), of)[:2] == (Effect.HOLDS, Problem.NONE)


def test_a_record_of_an_authority_is_not_about_the_certificate_of_the_server(certificates):
    own = certificates.good.certificate.public_bytes(serialization.Encoding.DER)
    found = published(record(own, usage=2, selector=0))
    assert judged(found, session(own))[:2] == (Effect.DEFERS, Problem.NO_MATCH)


def test_an_authority_must_have_signed_and_not_only_have_the_name(certificates, tmp_path):
    own, impostor = (
        each.public_bytes(serialization.Encoding.DER)
        for each in (certificates.good.certificate, Authority(tmp_path, "Test CA").certificate)
    )
    found = published(record(impostor, usage=2, selector=0))
    assert judged(found, session(own, impostor))[:2] == (Effect.DEFERS, Problem.NO_MATCH)


@pytest.mark.parametrize("sent", [True, False])
def test_an_authority_whose_name_can_not_be_read_is_known_by_its_key(certificates, sent):
    """OpenSSL takes names that are not quite right, so senders do."""
    own, authority = (
        each.public_bytes(serialization.Encoding.DER)
        for each in (certificates.good.certificate, certificates.authority.certificate)
    )
    # No UTF-8; the second name is that of the holder.
    assert authority.count(b"Test CA") == 2
    unreadable = b"\xff\xff\xff\xff CA".join(authority.rsplit(b"Test CA", 1))
    found = published(f"2 0 0 {unreadable.hex()}")
    of = session(own, unreadable) if sent else session(own)
    conclusion = dane.judge(
        dane.Published("contoso.com", hosts={"mx.test": found}), "", of, time.time()
    )
    assert conclusion is not None
    assert (conclusion.effect, conclusion.problem) == (Effect.HOLDS, Problem.NONE)


def test_a_certificate_without_a_name_that_can_be_read_has_none(tmp_path):
    authority = Authority(tmp_path, "Test CA")
    own, other = (
        each.public_bytes(serialization.Encoding.DER)
        for each in (authority.issue("mx.test").certificate, authority.certificate)
    )
    unreadable = b"\xff\xff.test".join(own.rsplit(b"mx.test", 1))
    link = certificate.Link.read(unreadable)
    assert link is not None
    assert link.names == ()
    found = published(record(other, usage=2, selector=0))
    assert judged(found, session(unreadable, other))[:2] == (Effect.DEFERS, Problem.NO_MATCH)


def test_a_certificate_that_can_not_be_read_is_compared_as_it_is():
    assert judged(published("3 0 0 616263"), session(b"abc")) == (
        Effect.HOLDS, Problem.NONE, "3 0 0 616263..."
    )  # fmt: skip
    assert judged(published("3 1 0 616263"), session(b"abc")) == (
        Effect.DEFERS, Problem.NO_MATCH, "does not match, and can't be read"
    )  # fmt: skip


def test_a_host_about_which_nothing_was_found_out_is_not_ok():
    conclusion = dane.judge(dane.Published("contoso.com"), "", session(b"abc"), 0.0)
    assert conclusion is not None
    assert (conclusion.effect, conclusion.why) == (
        Effect.UNTESTED, "nothing was found out about MX.test"
    )  # fmt: skip

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
from cryptography import x509
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


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def record(content: bytes, usage: int = 3, selector: int = 0) -> str:
    return f"{usage} {selector} 1 {hashlib.sha256(content).hexdigest()}"


def record_of_key(certified: Certified) -> str:
    key = certified.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return record(key, selector=1)


#: Records that match nothing; the first sorts before any other.
OLD, WRONG = f"3 1 1 {'00' * 32}", f"3 1 1 {'ab' * 32}"


def line(run: PluginRun) -> str:
    return run.stdout.partition("\n")[0].partition(" - ")[2].partition("; mx.test accepted")[0]


@pytest.fixture
def server(certificates, serve_carelessly) -> Server:
    return serve_carelessly(Manners(context=certificates.good.context()))


def test_one_matching_record_is_enough(check, server, certificates):
    right = record_of_key(certificates.good)
    run = check(server, [right, OLD], "-v")
    assert run.exit_code == 0
    assert (
        f"\nDANE: holds for mx.test ({right[:14]}... matches)\n"
        f"  TLSA of mx.test: 3 1 1 00000000...\n"
        f"  TLSA of mx.test: {right[:14]}...\n"
    ) in run.stdout


DEFER = "senders that enforce DANE defer: the certificate of mx.test does not match its TLSA record"


@pytest.mark.parametrize(
    ("argv", "exit_code", "line"),
    [
        ([], 2, f"MAILACCEPT CRITICAL - {DEFER}; mx.test accepted mail"),
        (["--all-mx"], 2,
         f"MAILACCEPT CRITICAL - {DEFER}; 1 of 1 mail server of contoso.com accept"),
        (["--severity", "dane=warning"], 1, f"MAILACCEPT WARNING - {DEFER}; mx.test accepted mail"),
    ],
    ids=["one server", "set", "severity"],
)  # fmt: skip
def test_without_a_matching_record_such_senders_defer(
    check, server, certificates, argv, exit_code, line
):
    run = check(server, [WRONG], *argv)
    assert run.exit_code == exit_code
    assert run.stdout.startswith(line)
    right = record_of_key(certificates.good)
    assert f"\n  the record of its certificate is {right}\n" in run.stdout
    assert "The certificate was renewed or replaced and the TLSA records were not;" in run.stdout


@pytest.mark.parametrize(
    ("tlsa", "how", "exit_code", "said"),
    [
        ([], {}, 1, "DANE is not in effect: there is no signed TLSA record at _PORT._tcp.mx.test"),
        ([WRONG], {"unsigned": ("contoso.com.",)}, 1,
         "DANE is not in effect: the MX records of contoso.com are not signed"),
        ([WRONG], {"unsigned": ("mx.test.",)}, 1,
         "DANE is not in effect: the addresses of mx.test are not signed"),
        ([WRONG], {"validates": False}, 3,
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


@pytest.mark.parametrize(
    ("manners", "said"),
    [
        (Manners(before=("SIZE", "PIPELINING")), "does not offer STARTTLS"),
        (Manners(starttls=b"454 4.7.0 TLS not available\r\n"),
         "fails at STARTTLS: 454 4.7.0 TLS not available"),
    ],
    ids=["not offered", "refused"],
)  # fmt: skip
def test_published_records_demand_tls(check, serve_carelessly, manners, said):
    run = check(serve_carelessly(manners), [OLD.replace("3", "1", 1)])
    assert run.exit_code == 2
    assert f"\nDANE: mx.test {said}\n" in run.stdout


def test_a_server_that_nobody_reaches_is_no_matter_of_dane(check, serve_carelessly):
    run = check(serve_carelessly(Manners(banner=b"554 5.3.2 not now\r\n")), [WRONG])
    assert line(run) == "mx.test refused the connection: 554 5.3.2 not now"
    assert "DANE" not in run.stdout


def test_a_record_may_name_the_authority_whose_certificate_is_sent(
    check, serve_carelessly, certificates, tmp_path
):
    authority = certificates.authority
    file = tmp_path / "chain.pem"
    file.write_text(Path(certificates.good.file).read_text() + Path(authority.file).read_text())
    server = serve_carelessly(Manners(certificates.good._replace(file=str(file)).context()))
    named = [record(der(authority.certificate), usage=2)]
    run = check(server, named)
    if sys.version_info < (3, 10):
        assert run.exit_code == 3
        assert line(run).startswith("can't judge DANE: this Python can't tell which chain mx.test")
        return
    assert run.exit_code == 0
    # Without it, nothing leads there.
    server = serve_carelessly(Manners(certificates.good.context()))
    assert check(server, named).exit_code == 2


# Without a run.


def session(*chain: bytes, whole: bool = True) -> Session:
    """A session with a server that sent ``chain``."""
    security = Security("TLSv1.3", "cipher", False, chain=chain, chain_is_whole=whole)
    return Session(smtp.Server("MX.test", ("192.0.2.1",), 25), "192.0.2.1", (), security=security)


def judged(of: Session, *records: str, now: float = 0.0) -> tuple[Effect, Problem, str]:
    host = dane.Found(base="mx.test", records=tuple(map(tlsa.parse, records)))
    published = dane.Published("contoso.com", hosts={"mx.test": host})
    conclusion = dane.judge(published, "", of, now)
    return conclusion.effect, conclusion.problem, conclusion.why


HOLDS, NO_MATCH = (Effect.HOLDS, Problem.NONE), (Effect.DEFERS, Problem.NO_MATCH)


def test_a_python_that_does_not_know_the_chain_can_not_judge_by_an_authority(certificates):
    own = der(certificates.good.certificate)
    authority = f"2 1 1 {'00' * 32}"
    of = session(own, whole=False)
    untested = (Effect.UNTESTED, Problem.CHAIN_UNKNOWN, "2 1 1 00000000...")
    assert judged(of, authority) == untested
    # By a record of the server itself it can.
    assert judged(of, authority, record(own))[:2] == HOLDS


def test_an_authority_is_one_that_has_signed(certificates, tmp_path):
    """The server itself is none, nor is another one with the same name."""
    own = der(certificates.good.certificate)
    assert judged(session(own), record(own, usage=2))[:2] == NO_MATCH
    impostor = der(Authority(tmp_path, "Test CA").certificate)
    assert judged(session(own, impostor), record(impostor, usage=2))[:2] == NO_MATCH


@pytest.mark.parametrize("sent", [True, False])
def test_an_authority_whose_name_can_not_be_read_is_known_by_its_key(certificates, sent):
    """OpenSSL takes names that are not quite right, so senders do."""
    own, authority = der(certificates.good.certificate), der(certificates.authority.certificate)
    # No UTF-8; the second name is that of the holder.
    assert authority.count(b"Test CA") == 2
    unreadable = b"\xff\xff\xff\xff CA".join(authority.rsplit(b"Test CA", 1))
    of = session(own, unreadable) if sent else session(own)
    assert judged(of, f"2 0 0 {unreadable.hex()}", now=time.time())[:2] == HOLDS


def test_a_certificate_without_a_name_that_can_be_read_has_none(tmp_path):
    authority = Authority(tmp_path, "Test CA")
    own, other = der(authority.issue("mx.test").certificate), der(authority.certificate)
    unreadable = b"\xff\xff.test".join(own.rsplit(b"mx.test", 1))
    assert certificate.Link.read(unreadable).names == ()
    assert judged(session(unreadable, other), record(other, usage=2))[:2] == NO_MATCH


def test_a_certificate_that_can_not_be_read_is_compared_as_it_is():
    assert judged(session(b"abc"), "3 0 0 616263") == (*HOLDS, "3 0 0 616263...")
    unread = (*NO_MATCH, "does not match, and can't be read")
    assert judged(session(b"abc"), "3 1 0 616263") == unread


def test_a_host_about_which_nothing_was_found_out_is_not_ok():
    conclusion = dane.judge(dane.Published("contoso.com"), "", session(b"abc"), 0.0)
    assert conclusion.effect is Effect.UNTESTED
    assert conclusion.why == "nothing was found out about MX.test"

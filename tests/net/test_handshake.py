"""TLS as a sender has it: which servers are reached, and what is said of their certificates."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from support.scripts import Manners
from support.smtp import Server as Peer

from exchange_mailaccept.net.loop import Run
from exchange_mailaccept.net.trust import Contexts, TlsSettings
from exchange_mailaccept.protocol.conversation import Server, Session
from exchange_mailaccept.protocol.dialogue import walk
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.protocol.security import Security
from exchange_mailaccept.vocabulary import Cause, Stage, Tls

#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 20.0
PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
    until=Stage.RCPT,
    tls=Tls.STARTTLS,
)
HANDSHAKES = {"STARTTLS": Tls.STARTTLS, "implicit": Tls.IMPLICIT}
no_chain_on_3_9 = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="Python 3.9 can't tell which certificates were sent"
)


def server_context(*files: str, ciphers: str = "", **settings: Any) -> ssl.SSLContext:
    """A server's context with a chain (and its key) in ``files``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        made.set_ciphers(ciphers)
    made.load_cert_chain(*files)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def session(
    peer: Peer,
    name: str = "mx.test",
    plan: Plan = PLAN,
    trusted: str = "",
    verify: bool = False,
    **settings: Any,
) -> Session:
    """A walk through ``peer``, which is known by ``name``."""
    contexts = Contexts(TlsSettings(verify=verify, ca_file=trusted, **settings))
    conversation = walk(plan._replace(verify=verify), Server(name, ("127.0.0.1",), peer.port))
    (walked,) = Run([conversation], PATIENCE, contexts).drive()
    return walked


def security(*arguments: Any, **named: Any) -> Security:
    """What TLS agreed on in a walk that came to its end."""
    walked = session(*arguments, **named)
    assert walked.failure is None
    assert walked.security is not None
    return walked.security


# Cipher suites.


@pytest.fixture(scope="module")
def rsa_files(certificates) -> tuple[str, str]:
    """A certificate with an RSA key, as old servers have it, and the authority's."""
    key = rsa.generate_private_key(65537, 2048)
    authority = certificates.authority
    return authority.issue("mx.test", "mx.test", "127.0.0.1", key=key).file, authority.file


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("suite", "weakness"),
    [
        ("AES128-SHA", "AES128-SHA has no forward secrecy and no authenticated encryption"),
        ("AES256-SHA256", "AES256-SHA256 has no forward secrecy and no authenticated encryption"),
        ("AES128-GCM-SHA256", "AES128-GCM-SHA256 has no forward secrecy"),
        ("ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES256-SHA has no authenticated encryption"),
        ("ECDHE-RSA-AES256-GCM-SHA384", ""),
        ("TLS_AES_256_GCM_SHA384", ""),
    ],
)
def test_a_server_with_an_old_suite_is_reached_as_by_any_sender(
    serve, rsa_files, suite, weakness, verify
):
    """By OpenSSL's DEFAULT, which Postfix has too; Python's own list is shorter since 3.10."""
    new = suite.startswith("TLS_")
    version = ssl.TLSVersion.TLSv1_3 if new else ssl.TLSVersion.TLSv1_2
    ciphers = "" if new else suite
    context = server_context(
        rsa_files[0], ciphers=ciphers, minimum_version=version, maximum_version=version
    )
    agreed = security(serve(Manners(context)), trusted=rsa_files[1], verify=verify)
    assert (agreed.cipher, agreed.weakness) == (suite, weakness)


# Verification without --verify.

UNTRUSTED = {
    "expired": "the certificate has expired (OpenSSL: certificate has expired)",
    "other_name": "the certificate is for another name (OpenSSL: Hostname mismatch, certificate is"
    " not valid for 'mx.test'.)",
    "self_signed": "the certificate is self-signed (OpenSSL: self-signed certificate)",
}


@pytest.mark.parametrize("mode", HANDSHAKES)
@pytest.mark.parametrize("kind", UNTRUSTED)
def test_a_certificate_that_fails_verification_is_told_and_the_test_goes_on(
    serve, certificates, kind, mode
):
    context = getattr(certificates, kind).context()
    peer = serve(Manners(context, implicit=mode == "implicit"))
    plan = PLAN._replace(tls=HANDSHAKES[mode])
    walked = session(peer, plan=plan, trusted=certificates.authority.file)
    # OpenSSL before 3.0 has no hyphen there.
    untrusted = walked.security.untrusted.replace("OpenSSL: self signed", "OpenSSL: self-signed")
    assert (untrusted, walked.security.verified) == (UNTRUSTED[kind], False)
    assert len(peer.talks) == 2
    stages = [outcome.stage.value for outcome in walked.outcomes]
    order = "connect starttls banner ehlo" if mode == "implicit" else "connect banner ehlo starttls"
    assert stages == [*order.split(), "mail", "rcpt", "quit"]
    # RCPT is asked once.
    assert [line[:4] for line in peer.heard].count(b"RCPT") == 1
    assert walked.seconds == pytest.approx(
        sum(outcome.seconds for outcome in walked.outcomes if outcome.stage is not Stage.QUIT)
    )


@pytest.mark.parametrize("mode", HANDSHAKES)
def test_a_certificate_that_passes_verification_needs_one_connection(serve, certificates, mode):
    """And ``ssl`` reads it, so that nothing else has to be imported."""
    peer = serve(Manners(certificates.good.context(), implicit=mode == "implicit"))
    agreed = security(
        peer, plan=PLAN._replace(tls=HANDSHAKES[mode]), trusted=certificates.authority.file
    )
    assert (agreed.untrusted, agreed.verified) == ("", True)
    assert agreed.certificate.names == ("mx.test", "127.0.0.1")
    assert len(peer.talks) == 1


@pytest.mark.parametrize(
    ("verify", "least_version", "cause"),
    [(True, "1.2", Cause.CERTIFICATE), (False, "1.3", Cause.TLS)],
)
def test_there_is_no_second_connection_that_would_fail_as_well(
    serve, certificates, verify, least_version, cause
):
    """With ``--verify``, and for another reason than the certificate."""
    peer = serve(Manners(certificates.expired.context(maximum_version=ssl.TLSVersion.TLSv1_2)))
    trusted = certificates.authority.file if verify else ""
    failure = session(peer, trusted=trusted, verify=verify, least_version=least_version).failure
    assert (failure.stage, failure.cause) == (Stage.STARTTLS, cause)
    assert len(peer.talks) == 1


@pytest.mark.parametrize(
    ("name", "tls_name", "untrusted"),
    [
        ("mx.test", "", False),
        ("mx2.test", "", True),
        ("mx2.test", "mx.test", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "mx2.test", True),
    ],
)
def test_the_name_is_compared_where_there_is_one(serve, rsa_files, name, tls_name, untrusted):
    """A server that was given by its address has a name only by ``--tls-name``."""
    peer = serve(Manners(server_context(rsa_files[0])))
    agreed = security(peer, name, plan=PLAN._replace(tls_name=tls_name), trusted=rsa_files[1])
    assert bool(agreed.untrusted) == untrusted
    # Without a name it is only half the truth.
    assert agreed.verified == (not untrusted and bool(tls_name or name == "mx.test"))


def test_servers_of_a_set_keep_their_certificates_apart(serve, certificates):
    kinds = ("good", "expired", "self_signed", "good", "other_name")
    servers = [serve(Manners(getattr(certificates, kind).context())) for kind in kinds]
    walks = [walk(PLAN, Server("mx.test", ("127.0.0.1",), peer.port)) for peer in servers]
    contexts = Contexts(TlsSettings(ca_file=certificates.authority.file))
    sessions = Run(walks, PATIENCE, contexts).drive()
    assert [bool(walked.security.untrusted) for walked in sessions] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert [walked.security.verified for walked in sessions] == [True, False, False, True, False]


# Why verification fails.


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    """Files of a chain: root, the server's certificate alone, and with its intermediate."""
    directory: Path = tmp_path_factory.mktemp("chain")
    root = trustme.CA()
    issued = root.create_child_ca().issue_cert("mx.test")
    root.cert_pem.write_to_path(directory / "root.pem")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    alone, *others = issued.cert_chain_pems
    alone.write_to_path(directory / "alone.pem")
    alone.write_to_path(directory / "whole.pem")
    for other in others:
        other.write_to_path(directory / "whole.pem", append=True)
    return directory


@no_chain_on_3_9
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_chain_without_its_intermediate_is_named(serve, chain, certificates, version):
    """A whole chain is another matter, of a known authority and of an unknown one."""
    alone, whole = (
        serve(Manners(server_context(
            str(chain / file), str(chain / "key.pem"), maximum_version=version
        )))
        for file in ("alone.pem", "whole.pem")
    )  # fmt: skip
    failure = session(alone, trusted=str(chain / "root.pem"), verify=True).failure
    assert (failure.cause, failure.explanation) == (
        Cause.CHAIN,
        "the certificate comes from an issuer that is not trusted here, and no intermediate was"
        " sent (OpenSSL: unable to get local issuer certificate)",
    )
    assert security(whole, trusted=str(chain / "root.pem"), verify=True).verified
    stranger = session(whole, trusted=certificates.authority.file, verify=True).failure
    assert stranger.cause is Cause.CERTIFICATE


@pytest.mark.skipif(
    getattr(ssl.create_default_context(), "security_level", 0) < 2,
    reason="this host's OpenSSL takes keys of 1024 bits",
)
def test_a_key_that_is_too_weak_is_named(serve, certificates):
    """And does no harm without ``--verify``."""
    key = rsa.generate_private_key(65537, 1024)
    file = certificates.authority.issue("mx.test", "mx.test", itself=True, key=key).file
    peer = serve(Manners(server_context(file, ciphers="DEFAULT:@SECLEVEL=0")))
    failure = session(peer, trusted=file, verify=True).failure
    assert (failure.cause, failure.explanation) == (
        Cause.WEAK_CERTIFICATE,
        "the certificate has too weak a key (OpenSSL: EE certificate key too weak)",
    )
    agreed = security(peer, trusted=file)
    assert agreed.untrusted == failure.explanation

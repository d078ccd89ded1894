"""What a failed stage means: the search in the table, and what is said of what it does not know."""

from __future__ import annotations

from typing import Optional

import pytest

from exchange_mailaccept.exchange.diagnosis import diagnose, matching_row
from exchange_mailaccept.exchange.pages import TROUBLESHOOTING
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.protocol.stages import StageOutcome
from exchange_mailaccept.vocabulary import Kind, Stage, Verdict

SPOKEN = [stage for stage in Stage if stage not in (Stage.MX, Stage.CONNECT, Stage.QUIT)]
FORBIDDEN = set("|<>`$\\")


def refused(stage: str, text: str, seconds: float = 0.1) -> StageOutcome:
    """A negative reply at a stage."""
    code = int(text[:3])
    verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
    return StageOutcome(Stage(stage), verdict, seconds, Reply(code, (text[4:],)))


def silent(stage: str, explanation: str, verdict: Verdict = Verdict.BROKEN) -> StageOutcome:
    """A stage without a reply."""
    return StageOutcome(Stage(stage), verdict, 0.1, None, explanation)


@pytest.mark.parametrize(
    ("stage", "explanation", "verdict", "kind", "word"),
    [
        ("mx", "contoso.com does not exist (NXDOMAIN)", Verdict.BROKEN, "recipient", "spelling"),
        ("mx", "does not exist or has no address", Verdict.BROKEN, "recipient", "spelling"),
        (
            "mx",
            "contoso.com accepts no mail (null MX, RFC 7505)",
            Verdict.BROKEN,
            "recipient",
            "MX record",
        ),
        ("mx", "mail1.contoso.com has no address", Verdict.BROKEN, "recipient", "AAAA"),
        ("mx", "mail1.contoso.com has no IPv6 address", Verdict.BROKEN, "recipient", "-6"),
        ("mx", "SERVFAIL from 192.0.2.53", Verdict.BROKEN, "server", "DS records"),
        (
            "mx",
            "REFUSED from 192.0.2.53, SERVFAIL from 192.0.2.54",
            Verdict.BROKEN,
            "server",
            "name server of the domain",
        ),
        (
            "mx",
            "no name server answered: REFUSED from 192.0.2.53, 192.0.2.54 timed out",
            Verdict.UNTESTED,
            "probe",
            "permit recursion",
        ),
        (
            "mx",
            "no name server answered: 192.0.2.53 timed out",
            Verdict.UNTESTED,
            "probe",
            "resolv.conf",
        ),
        ("connect", "connection refused", Verdict.BROKEN, "server", "Test-ServiceHealth"),
        ("connect", "within 50s", Verdict.TIMED_OUT, "server", "Test-NetConnection"),
        ("connect", "network unreachable", Verdict.BROKEN, "server", "-4"),
        ("connect", "permission denied", Verdict.BROKEN, "probe", "SELinux"),
        ("connect", "no such source address", Verdict.UNTESTED, "probe", "--source-address"),
        ("banner", "within 30s", Verdict.TIMED_OUT, "server", "balancer"),
        ("banner", "connection closed by the server", Verdict.BROKEN, "server", "RemoteIPRanges"),
        ("banner", "not an SMTP reply: 'SSH-2.0'", Verdict.BROKEN, "protocol", "-p"),
        ("ehlo", "connection reset by the server", Verdict.BROKEN, "server", "event log"),
        ("mail", "within 45s", Verdict.TIMED_OUT, "load", "ResourceThrottling"),
        ("rcpt", "within 45s", Verdict.TIMED_OUT, "server", "Get-TransportAgent"),
        ("message", "within 45s", Verdict.TIMED_OUT, "load", "Get-MessageTrackingLog"),
        (
            "message",
            "connection reset by the server",
            Verdict.BROKEN,
            "server",
            "not sent again",
        ),
        ("starttls", "does not offer STARTTLS", Verdict.MISSING, "tls", "allow-tls"),
        ("starttls", "the certificate has expired", Verdict.BROKEN, "tls", "TlsCertificateName"),
        ("auth", "does not offer AUTH", Verdict.MISSING, "connector", "587"),
        (
            "mail",
            "the server spoke before it was asked: '421 4.4.1 Connection timed out'",
            Verdict.BROKEN,
            "protocol",
            "quoted words",
        ),
    ],
)
def test_stages_without_a_reply(
    stage: str, explanation: str, verdict: Verdict, kind: str, word: str
) -> None:
    finding = diagnose(silent(stage, explanation, verdict))
    assert "known from Exchange" not in finding.cause
    assert finding.kind is Kind(kind)
    assert word in finding.next_step


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        ("451 4.7.0 Temporary server error. Please try again later. PRX4", ()),
        ("451 4.7.0 Temporary server error. Please try again later. PRX7", ("PRX7",)),
        ("451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35", ("ATTR35",)),
        ("550 5.4.1 [a@b.example]: Access denied. AS(201806281) [x]", ("AS(201806281)",)),
        (
            "550 5.7.606 Access denied, banned sending IP [203.0.113.7] (AS16012609)",
            ("AS16012609",),
        ),
        ("451 4.7.650 limited due to IP reputation. (S843)", ("S843",)),
        ("550 5.5.0 mailbox unavailable (S2017062302).", ("S2017062302",)),
        ("550 5.1.1 User unknown [AS0PR1]", ()),
    ],
)
def test_sub_codes_are_quoted_behind_the_cause(reply: str, codes: tuple[str, ...]) -> None:
    outcome = refused("rcpt", reply)
    row = matching_row(outcome)
    assert row is not None
    quoted = f" ({', '.join(codes)})" if codes else ""
    assert diagnose(outcome).cause == row.cause + quoted


def test_each_proxy_code_has_a_meaning_of_its_own() -> None:
    texts = [
        f"451 4.7.0 Temporary server error. PRX{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9)
    ]
    causes = [diagnose(refused("message", text)).cause for text in texts]
    assert len(set(causes)) == len(causes)
    assert all(cause.startswith(text[-4:]) for cause, text in zip(causes, texts))


@pytest.mark.parametrize(
    ("reply", "on_premises", "online"),
    [
        ("421 4.3.2 Service not available", "Get-ServerComponentState", "service health"),
        ("452 4.3.1 Insufficient system resources", "ResourceThrottling", "service health"),
        ("451 4.7.0 Temporary server error. PRX3", "2525", "service health"),
        ("530 5.7.57 Client not authenticated to send mail", "PermissionGroups", "xoauth2"),
    ],
)
def test_exchange_online_is_not_repaired_by_its_tenants(
    reply: str, on_premises: str, online: str
) -> None:
    outcome = refused("mail", reply)
    assert on_premises in diagnose(outcome).next_step
    assert on_premises in diagnose(outcome, "Exchange 2016").next_step
    assert online in diagnose(outcome, "Exchange Online").next_step


@pytest.mark.parametrize(
    ("stage", "explanation", "verdict", "kind", "words"),
    [
        ("connect", "within 50s", Verdict.TIMED_OUT, "probe", "Test-NetConnection"),
        ("connect", "connection refused", Verdict.BROKEN, "probe", "Test-NetConnection"),
        ("banner", "connection closed by the server", Verdict.BROKEN, "probe", "another network"),
        ("banner", "not an SMTP reply: 'SSH-2.0'", Verdict.BROKEN, "protocol", "-p"),
        ("starttls", "does not offer STARTTLS", Verdict.MISSING, "tls", "from inspection"),
        ("starttls", "the certificate is self-signed", Verdict.BROKEN, "tls", "--ca-file"),
        ("mail", "within 45s", Verdict.TIMED_OUT, "load", "service health"),
        ("rcpt", "connection reset by the server", Verdict.BROKEN, "load", "service health"),
        ("message", "within 45s", Verdict.TIMED_OUT, "load", "Get-MessageTraceV2"),
        ("message", "connection closed by the server", Verdict.BROKEN, "load", "not sent again"),
    ],
)
def test_where_microsoft_runs_the_server_its_services_are_not_ours_to_start(
    stage: str, explanation: str, verdict: Verdict, kind: str, words: str
) -> None:
    outcome = silent(stage, explanation, verdict)
    finding = diagnose(outcome, "Exchange Online")
    assert finding.kind is Kind(kind)
    assert words in finding.next_step
    assert diagnose(outcome, "Exchange 2016").next_step != finding.next_step or kind == "protocol"


@pytest.mark.parametrize(
    ("stage", "reply", "kind"),
    [
        ("rcpt", "550 No such user here", Kind.RECIPIENT),
        ("rcpt", "550 5.2.9 Odd mailbox", Kind.RECIPIENT),
        ("mail", "554 5.3.9 Disk on fire", Kind.SERVER),
        ("message", "554 5.7.9 Refused for reasons", Kind.POLICY),
        ("mail", "450 4.9.9 Later", Kind.LOAD),
        ("mail", "450 4.7.9 Later, stranger", Kind.PROBE),
        ("banner", "421 4.7.1 permanently deferred", Kind.LOAD),
        ("ehlo", "571 No", Kind.PROTOCOL),
        # Codes of RFC 3463 and words of everyday that Exchange uses for something else.
        ("rcpt", "550 5.1.6 User has moved to example.com", Kind.RECIPIENT),
        ("rcpt", "550 5.5.0 Denied by policy", Kind.PROTOCOL),
        ("rcpt", "450 4.7.0 Sending rate exceeded, slow down", Kind.PROBE),
        ("rcpt", "450 4.3.2 Service currently unavailable", Kind.LOAD),
        ("rcpt", "450 4.7.1 Unable to relay for now", Kind.PROBE),
        ("rcpt", "554 Message refused", Kind.RECIPIENT),
        # Without a code, the words of every day.
        ("rcpt", "550 mailbox unavailable", Kind.RECIPIENT),
        ("rcpt", "450 Requested mail action not taken: mailbox unavailable", Kind.LOAD),
        ("rcpt", "553 Invalid characters in mailbox name", Kind.RECIPIENT),
        ("rcpt", "451 recipient not available at this time", Kind.LOAD),
        ("rcpt", "550 Recipient unknown. (c) 2024 All rights reserved", Kind.RECIPIENT),
        ("message", "450 Message cannot be accepted now, try later", Kind.LOAD),
        ("mail", "550 Sender refused", Kind.POLICY),
        # What looks like a sub-code, in a name or an address.
        ("rcpt", "450 4.1.1 <mattross@contoso.com>: unverified address", Kind.LOAD),
        ("rcpt", "451 4.3.0 Temporary lookup failure (LDAP attributes)", Kind.LOAD),
        ("mail", "421 prx1.contoso.com Service shutting down", Kind.LOAD),
        ("rcpt", "451 4.3.0 Try again later. CPRX1", Kind.LOAD),
    ],
)
def test_unknown_replies_are_said_to_be_unknown(stage: str, reply: str, kind: Kind) -> None:
    finding = diagnose(refused(stage, reply))
    assert finding.kind is kind
    assert "not one known from Exchange" in finding.cause


@pytest.mark.parametrize("stage", SPOKEN)
@pytest.mark.parametrize("code", [220, 250, 252, 334, 400, 421, 450, 452, 500, 550, 554, 599])
@pytest.mark.parametrize(
    "text", ["", "5.7.1", "4.7.0 odd", "5.0.0 odd", "5.99.999 odd", "odd | <b>"]
)
def test_every_reply_gets_a_finding_that_can_be_printed(stage: Stage, code: int, text: str) -> None:
    check_finding(StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(code, (text,))))


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.QUIT])
@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict.value != "passed"])
@pytest.mark.parametrize("explanation", ["", "odd words", "connection closed by the server"])
def test_every_silence_gets_a_finding_that_can_be_printed(
    stage: Stage, verdict: Verdict, explanation: str
) -> None:
    check_finding(silent(stage.value, explanation, verdict))


def check_finding(outcome: StageOutcome) -> None:
    finding = diagnose(outcome)
    assert finding.cause
    assert finding.next_step
    assert len(finding.cause) + len(finding.next_step) < 350
    assert not FORBIDDEN & set(finding.cause + finding.next_step)
    assert finding.begin in {resource.key for resource in TROUBLESHOOTING}
    assert ("known from Exchange" in finding.cause) == (matching_row(outcome) is None)


@pytest.mark.parametrize("stage", [Stage.BANNER, Stage.STARTTLS, Stage.AUTH, Stage.DATA])
def test_a_positive_reply_out_of_place_is_said_to_be_so(stage: Stage) -> None:
    outcome = StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(250, ("OK",)))
    assert diagnose(outcome).cause.startswith("The reply code 250 has no place at this stage")


@pytest.mark.parametrize(
    ("reply", "key"),
    [
        ("451 4.7.1 Greylisted, please try again", None),
        ("550 5.7.7 Access Denied, bad EHLO", "ehlo-name-bad"),
        ("501 5.5.4 Invalid domain name", "ehlo-name-invalid"),
    ],
)
def test_ehlo_inside_tls_means_what_it_means_without(reply: str, key: Optional[str]) -> None:
    inside = refused("starttls", reply)._replace(second_ehlo=True)
    assert matching_row(inside) == matching_row(refused("ehlo", reply))
    row = matching_row(inside)
    assert (row and row.key) == key


def test_tls_that_fails_behind_the_handshake_stays_a_matter_of_tls() -> None:
    """TLS 1.3 asks for the client's certificate as late as that."""
    words = "TLS failed: the server demands a client certificate"
    lost = silent("starttls", words)._replace(second_ehlo=True)
    assert diagnose(lost).kind is Kind.TLS
    gone = silent("starttls", "connection closed by the server")._replace(second_ehlo=True)
    assert diagnose(gone).kind is Kind.SERVER


def test_a_code_in_front_of_each_line_does_not_hide_the_words() -> None:
    """As RFC 2034 4 wants it."""
    outcome = refused("rcpt", "550 5.7.1 Unable to")
    reply = Reply(550, ("5.7.1 Unable to", "5.7.1 relay"))
    row = matching_row(outcome._replace(reply=reply))
    assert row is not None
    assert row.key == "relay-refused"

"""What replies mean: the important ones written out here, all others by their sample."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Optional

import pytest

from exchange_mailaccept import diagnosis
from exchange_mailaccept.diagnosis import (
    PAGES,
    ROWS,
    TROUBLESHOOTING,
    Kind,
    Row,
    diagnose,
    matching_row,
    timing_hint,
)
from exchange_mailaccept.reply import EnhancedStatusCode, Reply
from exchange_mailaccept.stages import Stage, StageOutcome, Verdict

ROOT = Path(__file__).parent.parent
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


def met(row: Row, stage: Stage) -> StageOutcome:
    """The outcome that a row is made for."""
    if row.verdicts:
        return silent(stage.value, row.sample, row.verdicts[0])
    return refused(stage.value, row.sample)


@pytest.mark.parametrize(
    ("stage", "reply", "kind", "word"),
    [
        ("banner", "421 4.3.2 Service not available", "server", "Get-ServerComponentState"),
        (
            "banner",
            "421 4.3.2 Service not available, closing transmission channel",
            "server",
            "ServerWideOffline",
        ),
        (
            "banner",
            "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, "
            "closing transmission channel",
            "load",
            "-MaxInboundConnection ",
        ),
        (
            "banner",
            "421 4.3.2 The maximum number of concurrent server connections has exceeded a "
            "per-source limit, closing transmission channel",
            "load",
            "-MaxInboundConnectionPerSource",
        ),
        (
            "rcpt",
            "421 4.3.2 The maximum number of concurrent connections per resource forest has "
            "exceeded a limit, closing transmission channel PRX8",
            "load",
            "parallel",
        ),
        ("mail", "421 4.4.1 Connection timed out", "protocol", "ConnectionTimeout"),
        ("mail", "421 4.4.2 Connection dropped", "protocol", "firewall"),
        ("message", "451 4.7.0 Timeout waiting for client input", "protocol", "final dot"),
        (
            "mail",
            "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
            "load",
            "-MessageRateLimit",
        ),
        (
            "rcpt",
            "421 4.7.0 Too many errors on this connection, closing transmission channel",
            "protocol",
            "MaxProtocolErrors",
        ),
        ("mail", "412 4.3.2 Service not active", "server", "HubTransport"),
        ("mail", "421 4.3.2 Service not active", "server", "HubTransport"),
        ("ehlo", "500 Command unrecognized", "protocol", "fixup"),
        ("ehlo", "502 Error: command not implemented", "protocol", "inspect esmtp"),
        ("ehlo", "501 5.5.4 Invalid domain name", "protocol", "--fqdn"),
        ("mail", "503 5.5.2 Send hello first", "protocol", "PROXY"),
        ("mail", "500 5.3.3 Unrecognized command", "protocol", "AuthMechanism"),
        ("rcpt", "501 5.5.4 Invalid arguments", "protocol", "DeliveryStatusNotificationEnabled"),
        ("ehlo", "550 5.7.7 Access Denied, bad EHLO", "probe", "--fqdn"),
        ("ehlo", "550 5.7.506 Access Denied, Bad HELO", "probe", "--fqdn"),
        (
            "starttls",
            "454 4.7.0 TLS not available due to temporary reason",
            "tls",
            "Enable-ExchangeCertificate",
        ),
        ("starttls", "500 5.3.3 Unrecognized command", "tls", "allow-tls"),
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", "tls", "--starttls"),
        ("auth", "504 5.7.4 Unrecognized authentication type", "connector", "--starttls"),
        (
            "auth",
            "535 5.7.3 Authentication unsuccessful [SN2PR00CA0018.namprd00.prod.outlook.com]",
            "connector",
            "Set-CASMailbox",
        ),
        ("auth", "535 5.7.139 Authentication unsuccessful, blocked", "connector", "xoauth2"),
        (
            "auth",
            "550 5.7.30 Basic authentication is not supported for Client Submission",
            "connector",
            "SMTP.SendAsApp",
        ),
        ("auth", "454 4.7.0 Temporary authentication failure", "server", "domain controllers"),
        ("mail", "530 5.7.1 Client was not authenticated", "connector", "-PermissionGroups"),
        ("mail", "530 5.7.1 Not authenticated", "connector", "-PermissionGroups"),
        (
            "mail",
            "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM "
            "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
            "connector",
            "--auth",
        ),
        ("mail", "452 4.3.1 Insufficient system resources", "load", "ResourceThrottling"),
        (
            "message",
            r"452 4.3.1 Insufficient system resources (UsedDiskSpace[C:\...\Queue])",
            "load",
            "Mailbox servers",
        ),
        ("mail", "501 5.1.7 Invalid address", "protocol", "--from"),
        ("mail", "554 5.1.0 Sender denied", "probe", "Get-SenderFilterConfig"),
        (
            "mail",
            "552 5.3.4 Message size exceeds fixed maximum message size",
            "protocol",
            "MaxMessageSize",
        ),
        (
            "mail",
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            "probe",
            "SendAs",
        ),
        (
            "message",
            "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization "
            "from unauthorized sources",
            "probe",
            "New-InboundConnector",
        ),
        (
            "rcpt",
            "550 5.7.64 TenantAttribution; Relay Access Denied",
            "connector",
            "TlsSenderCertificateName",
        ),
        ("rcpt", "550 5.1.1 User unknown", "recipient", "Get-Recipient"),
        (
            "rcpt",
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
            "recipient",
            "--recipient",
        ),
        (
            "rcpt",
            "550 5.4.1 [postmaster@contoso.com]: Recipient address rejected: Access denied. "
            "AS(201806281) [AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]",
            "recipient",
            "InternalRelay",
        ),
        ("rcpt", "550 5.4.1 Relay Access Denied", "recipient", "MX"),
        (
            "rcpt",
            "550 5.7.1 Unable to relay for user1@hotmail.com",
            "recipient",
            "New-AcceptedDomain",
        ),
        (
            "rcpt",
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
            "recipient",
            "New-AcceptedDomain",
        ),
        (
            "rcpt",
            "550 5.7.606 Access denied, banned sending IP [203.0.113.74]. To request removal from "
            "this list please visit https://sender.office.com/ and follow the directions. "
            "(AS16012609)",
            "probe",
            "sender.office.com",
        ),
        (
            "rcpt",
            "550 5.7.1 Service unavailable, Client host [203.0.113.10] blocked using Spamhaus. "
            "(AS16012611)",
            "probe",
            "Spamhaus",
        ),
        (
            "rcpt",
            "451 4.7.500 Server busy. Please try again later from [203.0.113.10]. (AS77712344)",
            "probe",
            "New-InboundConnector",
        ),
        (
            "rcpt",
            "550 5.7.513 Service unavailable, Client host [203.0.113.10] blocked by contoso.com "
            "using Customer Block list (AS16012607)",
            "probe",
            "Get-TenantAllowBlockListItems",
        ),
        ("rcpt", "451 4.7.1 Greylisted, please try again", "probe", "gateway"),
        (
            "rcpt",
            "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted",
            "probe",
            "Wait",
        ),
        ("data", "503 5.5.2 Need rcpt command", "protocol", "protocol log"),
        (
            "message",
            "451 4.7.0 Temporary server error. Please try again later. PRX2",
            "server",
            "-InternalDNSServers",
        ),
        (
            "message",
            "451 4.7.0 Temporary server error. Please try again later. PRX3",
            "server",
            "-Port 2525",
        ),
        (
            "message",
            "451 4.7.0 Temporary server error. Please try again later. PRX4",
            "server",
            "AuthMechanism",
        ),
        (
            "message",
            "451 4.7.0 Temporary server error. Please try again later. PRX5",
            "tls",
            "Get-ExchangeCertificate",
        ),
        ("message", "450 4.7.0 Message not proxied", "server", "service health"),
        (
            "message",
            "451 4.4.3 Temporary server error. Please try again later ATTR18",
            "load",
            "service health",
        ),
        (
            "message",
            "550 5.7.1 Message rejected as spam by Content Filtering.",
            "probe",
            "-BypassedSenders",
        ),
        (
            "message",
            "550 5.7.1 Delivery not authorized, message refused",
            "policy",
            "Get-TransportRule",
        ),
        (
            "message",
            "550 5.7.509 Access denied, sending domain [fabrikam.com] does not pass DMARC "
            "verification",
            "probe",
            "SPF",
        ),
        (
            "message",
            "554 5.4.14 Hop count exceeded - possible mail loop",
            "server",
            "InternalRelay",
        ),
        ("rcpt", "550 5.7.12 SMTP; Sender not authenticated", "recipient", "false"),
        (
            "message",
            "554 5.2.252 SendAsDenied; info@example.com not allowed to send as "
            "noreply@example.com; STOREDRV.Submission.Exception:SendAsDeniedException",
            "recipient",
            "SendAs",
        ),
    ],
)
def test_known_replies(stage: str, reply: str, kind: str, word: str) -> None:
    finding = diagnose(refused(stage, reply))
    assert finding.known
    assert finding.kind is Kind(kind)
    assert word in finding.next_step


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
        ("mx", "REFUSED from 192.0.2.53", Verdict.BROKEN, "probe", "--nameserver"),
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
    assert finding.known
    assert finding.kind is Kind(kind)
    assert word in finding.next_step


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_no_row_is_in_the_shadow_of_another(row: Row) -> None:
    """Each row wins for its own sample, at some stage at least, and at the first that it names."""
    title = f"Exchange {row.generations[0]}" if row.generations else ""
    winners = [matching_row(met(row, stage), title) for stage in row.stages or SPOKEN]
    assert row in winners
    if row.stages:
        assert winners[0] is row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_can_be_printed_whole(row: Row) -> None:
    for text in (row.cause, row.next_step):
        assert text.isascii()
        assert text.isprintable()
        assert not FORBIDDEN & set(text)
        assert "  " not in text
        assert text == text.strip()
    assert not row.cause.endswith(".")
    assert row.next_step.endswith(".")
    most = 0 if row.verdicts else len(" (AS(201806281), S2017062302)")
    assert len(row.cause) + most + len(row.next_step) < 350


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_is_consistent(row: Row) -> None:
    assert row.begin in {resource.key for resource in TROUBLESHOOTING}
    assert row.page == "" or row.page in PAGES.values()
    assert not row.verdicts or not (row.codes or row.enhanced)
    for pattern in row.enhanced:
        low = pattern.partition("-")[0].replace("*", "4").split(".")
        assert diagnosis.covers(pattern, EnhancedStatusCode(*map(int, low)))


def test_keys_are_unique() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)


def test_every_page_is_one_of_microsofts() -> None:
    for page in (*PAGES.values(), *(resource.page for resource in TROUBLESHOOTING)):
        assert page.startswith("https://learn.microsoft.com/exchange/")
        assert page.isascii()
        assert " " not in page


def test_troubleshooting_goes_from_the_server_out_to_the_network() -> None:
    assert [resource.key for resource in TROUBLESHOOTING] == [
        "routing",
        "mail-flow",
        "queues",
        "dns",
        "postmaster",
    ]
    articles = ("Routing", "KB 324867", "KB 823489", "KB 324759", "KB 223860")
    assert all(article in resource.then for article, resource in zip(articles, TROUBLESHOOTING))


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
    ],
)
def test_unknown_replies_are_said_to_be_unknown(stage: str, reply: str, kind: Kind) -> None:
    finding = diagnose(refused(stage, reply))
    assert not finding.known
    assert finding.kind is kind
    assert "not one known from Exchange" in finding.cause


@pytest.mark.parametrize("stage", SPOKEN)
@pytest.mark.parametrize("code", [220, 250, 252, 334, 400, 421, 450, 452, 500, 550, 554, 599])
@pytest.mark.parametrize(
    "text", ["", "5.7.1", "4.7.0 odd", "5.0.0 odd", "5.99.999 odd", "odd | <b>"]
)
def test_every_reply_gets_a_finding_that_can_be_printed(stage: Stage, code: int, text: str) -> None:
    check_finding(StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(code, (text,))))


@pytest.mark.parametrize("stage", Stage)
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
    assert finding.known or "known from Exchange" in finding.cause


def test_a_positive_reply_out_of_place_is_said_to_be_so() -> None:
    outcome = StageOutcome(Stage.BANNER, Verdict.BROKEN, 0.1, Reply(250, ("OK",)))
    assert diagnose(outcome).cause.startswith("The reply code 250 has no place at this stage")


def timed(stage: Stage, verdict: Verdict, seconds: float, code: Optional[int]) -> str:
    reply = Reply(code, ("text",)) if code else None
    return timing_hint(StageOutcome(stage, verdict, seconds, reply))


@pytest.mark.parametrize(
    ("stage", "verdict", "seconds", "code", "words"),
    [
        (Stage.RCPT, Verdict.REFUSED, 5.016, 550, "TarpitInterval"),
        (Stage.AUTH, Verdict.REFUSED, 5.3, 504, "5.3s"),
        (Stage.MAIL, Verdict.PASSED, 10.05, 250, "back pressure"),
        (Stage.MAIL, Verdict.PASSED, 55.2, 250, "back pressure"),
        (Stage.MESSAGE, Verdict.PASSED, 14.95, 250, "back pressure"),
        (Stage.MESSAGE, Verdict.PASSED, 25.7, 250, "back pressure"),
        (Stage.MESSAGE, Verdict.PASSED, 22.5, 250, "MaxAcknowledgementDelay"),
        (Stage.MAIL, Verdict.TIMED_OUT, 45.0, None, "back pressure"),
        (Stage.MESSAGE, Verdict.TIMED_OUT, 30.0, None, "30s"),
    ],
)
def test_times_that_tell(
    stage: Stage, verdict: Verdict, seconds: float, code: Optional[int], words: str
) -> None:
    hint = timed(stage, verdict, seconds, code)
    assert words in hint
    assert hint.endswith(".")
    assert not FORBIDDEN & set(hint)


@pytest.mark.parametrize(
    ("stage", "verdict", "seconds", "code"),
    [
        (Stage.RCPT, Verdict.REFUSED, 0.1, 550),
        (Stage.RCPT, Verdict.REFUSED, 9.0, 550),
        (Stage.RCPT, Verdict.PASSED, 5.0, 250),
        (Stage.MAIL, Verdict.PASSED, 5.0, 250),
        (Stage.MAIL, Verdict.PASSED, 12.5, 250),
        (Stage.MESSAGE, Verdict.PASSED, 0.4, 250),
        (Stage.EHLO, Verdict.PASSED, 10.0, 250),
        (Stage.RCPT, Verdict.TIMED_OUT, 45.0, None),
    ],
)
def test_times_that_tell_nothing(
    stage: Stage, verdict: Verdict, seconds: float, code: Optional[int]
) -> None:
    assert timed(stage, verdict, seconds, code) == ""


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_failures", ROOT / "docs" / "make_failures.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_of_the_table() -> None:
    script = ROOT / "docs" / "make_failures.py"
    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("", "", 0)


def test_every_kind_has_a_page_and_every_row_is_on_one() -> None:
    pages = generator().pages()
    assert set(pages) == {"README.md", *(f"{kind.value}.md" for kind in Kind)}
    for row in ROWS:
        assert f"\n## {row.key}\n" in pages[f"{row.kind.value}.md"]
        assert f"({row.kind.value}.md#{row.key})" in pages["README.md"]


def test_the_pages_know_the_original_articles() -> None:
    overview = generator().pages()["README.md"]
    for article in (324867, 823489, 324759, 223860, 313832, 320027, 2866822):
        assert f"KB {article}" in overview.replace("\n", " ")


def test_an_outdated_page_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = generator()
    monkeypatch.setattr(module, "PLACE", tmp_path)
    (tmp_path / "stray.md").write_text("left over", encoding="utf-8")
    assert module.main(["--check"]) == 1
    assert "docs/failures/stray.md is out of date" in capsys.readouterr().out
    assert module.main([]) == 0
    assert module.main(["--check"]) == 0
    assert not (tmp_path / "stray.md").exists()

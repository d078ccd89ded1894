"""What a failed stage means: the search in the table, and what is said of what it does not know."""

from __future__ import annotations

import re
from typing import Optional

import pytest

from exchange_mailaccept.exchange.diagnosis import diagnose, matching_entry
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.pages import TROUBLESHOOTING
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.protocol.conversation import Fault, StageOutcome
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Cause, Generation, Kind, Stage, Verdict

SPOKEN = [stage for stage in Stage if stage not in (Stage.MX, Stage.CONNECT, Stage.QUIT)]
FORBIDDEN = set("|<>`$\\")


def refused(stage: str, text: str, seconds: float = 0.1) -> StageOutcome:
    """A negative reply at a stage."""
    code = int(text[:3])
    verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
    return StageOutcome(Stage(stage), verdict, seconds, Reply(code, (text[4:],)))


def silent(stage: str, cause: Cause, received: str = "") -> StageOutcome:
    """A stage without a reply."""
    return StageOutcome.failed(Stage(stage), Fault(cause, "no", received), 0.1)


@pytest.mark.parametrize(
    ("stage", "cause", "kind", "word"),
    [
        ("mx", Cause.NXDOMAIN, "recipient", "spelling"),
        ("mx", Cause.NULL_MX, "recipient", "MX record"),
        ("mx", Cause.NO_ADDRESS, "recipient", "AAAA"),
        ("mx", Cause.SERVFAIL, "server", "name server of the domain"),
        ("mx", Cause.RESOLVER_REFUSES, "probe", "permit recursion"),
        ("mx", Cause.RESOLVER, "probe", "resolv.conf"),
        ("mx", Cause.SILENT, "probe", "resolv.conf"),
        ("mx", Cause.ALIASES, "recipient", "CNAME"),
        ("mx", Cause.BAD_NAME, "recipient", "-d or -H"),
        ("mx", Cause.NOT_PUBLIC, "recipient", "public address"),
        ("mx", Cause.UNEXPECTED_MX, "recipient", "--expect-mx"),
        ("connect", Cause.REFUSED, "server", "Test-ServiceHealth"),
        ("connect", Cause.SILENT, "server", "Test-NetConnection"),
        ("connect", Cause.NO_ANSWER, "server", "Test-NetConnection"),
        ("connect", Cause.UNREACHABLE, "server", "-4"),
        ("connect", Cause.FORBIDDEN, "probe", "SELinux"),
        ("connect", Cause.OWN_SIDE, "probe", "--source-address"),
        ("connect", Cause.NO_TURN, "probe", "--parallel"),
        ("connect", Cause.INTERRUPTED, "probe", "--timeout"),
        ("rcpt", Cause.TOO_BUSY, "probe", "load"),
        ("banner", Cause.SILENT, "server", "balancer"),
        ("banner", Cause.CLOSED, "server", "RemoteIPRanges"),
        ("banner", Cause.NOT_SMTP, "protocol", "-p"),
        ("ehlo", Cause.BARE_OK, "protocol", "no fixup"),
        ("ehlo", Cause.RESET, "server", "event log"),
        ("ehlo", Cause.OUT_OF_STEP, "protocol", "send-proxy"),
        ("mail", Cause.SILENT, "load", "ResourceThrottling"),
        ("mail", Cause.NOT_OFFERED, "protocol", "SmtpUtf8Enabled"),
        ("rcpt", Cause.SILENT, "server", "Get-TransportAgent"),
        ("message", Cause.SILENT, "load", "Get-MessageTrackingLog"),
        ("message", Cause.RESET, "server", "not sent again"),
        ("starttls", Cause.NOT_OFFERED, "tls", "allow-tls"),
        ("starttls", Cause.CERTIFICATE, "tls", "TlsCertificateName"),
        ("starttls", Cause.CHAIN, "tls", "whole chain"),
        ("starttls", Cause.WEAK_CERTIFICATE, "tls", "2048"),
        ("starttls", Cause.TLS, "tls", "HasPrivateKey"),
        ("auth", Cause.NOT_OFFERED, "connector", "587"),
        ("auth", Cause.AUTH, "protocol", "another --auth"),
        ("mail", Cause.OUT_OF_TURN, "protocol", "quoted words"),
    ],
)
def test_stages_without_a_reply(stage: str, cause: Cause, kind: str, word: str) -> None:
    diagnosis = diagnose(silent(stage, cause))
    assert "known from Exchange" not in diagnosis.cause
    assert diagnosis.kind is Kind(kind)
    assert word in diagnosis.next_step


def test_an_old_pix_is_known_by_what_it_leaves_of_the_banner() -> None:
    assert "PIX" in diagnose(silent("banner", Cause.NOT_SMTP, "2002****0*")).cause
    assert "PIX" not in diagnose(silent("banner", Cause.NOT_SMTP, "SSH-2.0")).cause


@pytest.mark.parametrize(
    "outcome",
    [
        refused("ehlo", "500 5.3.3 Unrecognized command 'unknown'"),
        refused("ehlo", "503 5.5.2 Send hello first"),
        refused("banner", "502 5.5.2 Error: command not recognized"),
        refused("banner", "554 SMTP synchronization error"),
        silent("ehlo", Cause.OUT_OF_STEP),
        silent("ehlo", Cause.OUT_OF_TURN, "500 5.3.3 Unrecognized command"),
        silent("ehlo", Cause.OUT_OF_TURN, "503 5.5.2 Send hello first"),
    ],
    ids=str,
)
def test_a_proxy_header_tells_one_story(outcome: StageOutcome) -> None:
    diagnosis = diagnose(outcome)
    assert diagnosis.kind is Kind.PROTOCOL
    assert "a PROXY protocol header of a balancer" in diagnosis.cause
    assert "send-proxy" in diagnosis.next_step


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
    row = matching_entry(outcome)
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
    assert on_premises in diagnose(outcome, Generation.E2016).next_step
    assert online in diagnose(outcome, Generation.ONLINE).next_step


@pytest.mark.parametrize(
    ("stage", "cause", "kind", "words"),
    [
        ("connect", Cause.NO_ANSWER, "probe", "Test-NetConnection"),
        ("connect", Cause.REFUSED, "probe", "Test-NetConnection"),
        ("banner", Cause.CLOSED, "probe", "another network"),
        ("starttls", Cause.NOT_OFFERED, "tls", "from inspection"),
        ("starttls", Cause.CERTIFICATE, "tls", "--ca-file"),
        ("mail", Cause.SILENT, "load", "service health"),
        ("rcpt", Cause.RESET, "load", "service health"),
        ("message", Cause.SILENT, "load", "Get-MessageTraceV2"),
        ("message", Cause.CLOSED, "load", "not sent again"),
    ],
)
def test_where_microsoft_runs_the_server_its_services_are_not_ours_to_start(
    stage: str, cause: Cause, kind: str, words: str
) -> None:
    outcome = silent(stage, cause)
    diagnosis = diagnose(outcome, Generation.ONLINE)
    assert diagnosis.kind is Kind(kind)
    assert words in diagnosis.next_step
    assert diagnose(outcome, Generation.E2016).next_step != diagnosis.next_step


@pytest.mark.parametrize(
    ("stage", "reply", "kind"),
    [
        ("rcpt", "550 5.2.9 Odd one", Kind.RECIPIENT),
        ("mail", "554 5.3.9 Fire", Kind.SERVER),
        ("message", "554 5.7.9 Refused for reasons", Kind.POLICY),
        ("mail", "450 4.9.9 Stop", Kind.LOAD),
        # A code of class 7 alone does not prove that this probe is meant.
        ("mail", "450 4.7.9 Stop, stranger", Kind.SERVER),
        ("banner", "421 4.7.1 permanently deferred", Kind.LOAD),
        ("ehlo", "571 No", Kind.PROTOCOL),
        # Codes of RFC 3463 and words of everyday that Exchange uses for something else.
        ("rcpt", "550 5.1.6 He has moved to example.com", Kind.RECIPIENT),
        ("rcpt", "554 Message refused", Kind.RECIPIENT),
        # What looks like a sub-code, in a name or an address, or as the end of a word.
        ("rcpt", "450 4.1.1 <mattross@contoso.com>: so far", Kind.LOAD),
        ("mail", "451 4.3.0 Sorry. CPRX1", Kind.SERVER),
    ],
)
def test_unknown_replies_are_said_to_be_unknown(stage: str, reply: str, kind: Kind) -> None:
    diagnosis = diagnose(refused(stage, reply))
    assert diagnosis.kind is kind
    assert "not one known from Exchange" in diagnosis.cause


@pytest.mark.parametrize(
    "text", ["", "5.7.1", "4.7.0 odd", "5.0.0 odd", "5.99.999 odd", "odd | <b>"]
)
def test_every_reply_gets_a_finding_that_can_be_printed(text: str) -> None:
    for stage in SPOKEN:
        for code in (220, 250, 252, 334, 400, 421, 450, 452, 500, 550, 554, 599):
            check_finding(StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(code, (text,))))


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.QUIT])
def test_every_silence_gets_a_finding_that_can_be_printed(stage: Stage) -> None:
    for cause in Cause:
        for received in ("", "odd words"):
            check_finding(silent(stage.value, cause, received))


def check_finding(outcome: StageOutcome) -> None:
    diagnosis = diagnose(outcome)
    assert diagnosis.cause
    assert diagnosis.next_step
    assert len(diagnosis.cause) + len(diagnosis.next_step) < 350
    assert not FORBIDDEN & set(diagnosis.cause + diagnosis.next_step)
    assert diagnosis.begin in {resource.key for resource in TROUBLESHOOTING}
    assert ("known from Exchange" in diagnosis.cause) == (matching_entry(outcome) is None)


@pytest.mark.parametrize("stage", [Stage.BANNER, Stage.STARTTLS, Stage.AUTH, Stage.DATA])
def test_a_positive_reply_out_of_place_is_said_to_be_so(stage: Stage) -> None:
    outcome = StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(250, ("OK",)))
    assert diagnose(outcome).cause.startswith("The reply code 250 has no place at this stage")


@pytest.mark.parametrize(
    ("reply", "key"),
    [
        ("451 4.7.1 Greylisted, please try again", "said-greylisting"),
        ("550 5.7.7 Access Denied, bad EHLO", "ehlo-name-bad"),
        ("501 5.5.4 Invalid domain name", "ehlo-name-invalid"),
    ],
)
def test_ehlo_inside_tls_means_what_it_means_without(reply: str, key: Optional[str]) -> None:
    inside = refused("starttls", reply)._replace(second_ehlo=True)
    assert matching_entry(inside) == matching_entry(refused("ehlo", reply))
    row = matching_entry(inside)
    assert (row and row.key) == key


def test_tls_that_fails_behind_the_handshake_stays_a_matter_of_tls() -> None:
    lost = silent("starttls", Cause.TLS)._replace(second_ehlo=True)
    assert diagnose(lost).kind is Kind.TLS
    gone = silent("starttls", Cause.CLOSED)._replace(second_ehlo=True)
    assert diagnose(gone).kind is Kind.SERVER


def test_a_code_in_front_of_each_line_does_not_hide_the_words() -> None:
    """As RFC 2034 4 wants it."""
    outcome = refused("rcpt", "550 5.7.1 Unable to")
    reply = Reply(550, ("5.7.1 Unable to", "5.7.1 relay"))
    row = matching_entry(outcome._replace(reply=reply))
    assert row is not None
    assert row.key == "relay-refused"


ENTRIES = [
    entry for entry in (*ROWS, *REASONS) if not (isinstance(entry, Row) and entry.generations)
]
#: A cmdlet, or a parameter of one that is left behind.
CMDLET = r"\b(?:Add|Enable|Get|New|Restart|Set|Test)-[A-Z]\w+|(?<!\w)-[A-Z][a-z]\w+"


@pytest.mark.parametrize(
    ("generation", "gateway"),
    [(Generation.E2003, None), (Generation.E5_5, None), (None, "Sophos"), (None, "")],
)
def test_no_cmdlet_is_advised_where_there_is_none(
    generation: Optional[Generation], gateway: Optional[str]
) -> None:
    for entry in ENTRIES:
        if isinstance(entry, Row) and entry.causes:
            outcome = silent(entry.stage.value, entry.causes[0], (entry.received or ("",))[0])
        else:
            outcome = refused(entry.stage.value, entry.sample)
        next_step = diagnose(outcome, generation, gateway).next_step
        assert re.findall(CMDLET, next_step) == [], entry.key
        assert next_step.endswith("."), entry.key


@pytest.mark.parametrize(
    ("generation", "gateway", "words"),
    [
        (Generation.E2016, None, "Get-AcceptedDomain; New-AcceptedDomain"),
        (Generation.ONLINE, None, "admin center"),
        (Generation.E2003, None, "System Manager"),
        (None, "Sophos", "Sophos (the gateway)"),
        (None, "", "the gateway in front"),
    ],
)
def test_the_next_step_is_one_for_the_server_that_answered(
    generation: Optional[Generation], gateway: Optional[str], words: str
) -> None:
    diagnosis = diagnose(refused("rcpt", "554 5.7.1 Relaying denied"), generation, gateway)
    assert words in diagnosis.next_step


def test_a_product_that_only_the_reply_names_is_named() -> None:
    diagnosis = diagnose(refused("rcpt", "550 Unknown user, see help.mimecast.com"), None, "")
    assert "Mimecast (the gateway)" in diagnosis.next_step


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (
            "554 5.7.1 Client host [192.0.2.1] blocked using zen.example.org",
            "zen.example.org",
        ),
        ("550 Your address is listed by Example Lists Ltd. Go away", "Example Lists Ltd"),
        ("550 You are on a block list at SpamCop", "SpamCop"),
    ],
)
def test_the_list_is_named(reply: str, name: str) -> None:
    assert f"on a block list ({name})" in diagnose(refused("rcpt", reply)).cause


@pytest.mark.parametrize(
    ("stage", "reply", "everybody", "this_probe"),
    [
        ("message", "451 4.7.0 Temporary server error. PRX7", True, False),
        ("mail", "452 4.3.1 Insufficient system resources", True, False),
        ("mail", "452 4.3.1 Insufficient system storage", True, False),
        ("mail", "421 4.3.2 Service not active", True, False),
        ("rcpt", "451 4.4.62 Mail sent to the wrong Office 365 region", True, False),
        ("rcpt", "451 4.4.4 No subscription. ATTR5", True, False),
        ("rcpt", "450 4.1.1 connect to mbx[192.0.2.25]:25: Connection refused", True, False),
        ("rcpt", "451 4.7.1 Greylisted", False, True),
        ("mail", "450 4.7.1 Rate limit, slow down", False, True),
        ("banner", "421 Too many connections from your host", False, True),
        ("rcpt", "450 4.2.2 Mailbox full", False, False),
        ("rcpt", "450 4.7.25 No reverse name", False, False),
    ],
)
def test_whom_a_deferral_meets(stage: str, reply: str, everybody: bool, this_probe: bool) -> None:
    diagnosis = diagnose(refused(stage, reply))
    assert (diagnosis.everybody, diagnosis.this_probe) == (everybody, this_probe)


def test_a_very_long_reply_is_known_by_its_beginning() -> None:
    """To search in all of it would take minutes."""
    long = f"550 5.1.1 User unknown {'user a.b@' * 25_000}"
    assert matching_entry(refused("rcpt", long)) == matching_entry(
        refused("rcpt", "550 5.1.1 User unknown")
    )


@pytest.mark.parametrize(
    ("reply", "begins"),
    [
        ("452 4.3.1 So far", "By its code: Back pressure: "),
        ("550 5.1.1 So far", "By its code: there is no such recipient"),
        ("452 4.3.1 Insufficient system resources", "Back pressure: "),
    ],
)
def test_what_is_known_by_its_code_alone_says_so(reply: str, begins: str) -> None:
    assert diagnose(refused("rcpt", reply)).cause.startswith(begins)

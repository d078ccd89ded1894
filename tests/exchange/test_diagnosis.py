"""What a failed stage means: the search in the table, and what is said of what it does not know."""

from __future__ import annotations

import re
from typing import Optional

import pytest
from support.outcomes import answered, unanswered

from exchange_mailaccept.exchange.diagnosis import diagnose, matching_entry
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.pages import TROUBLESHOOTING
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.protocol.conversation import StageOutcome
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Cause, Generation, Kind, Stage, Verdict

SPOKEN = [stage for stage in Stage if stage not in (Stage.MX, Stage.CONNECT, Stage.QUIT)]
E2003, E5_5 = Generation.E2003, Generation.E5_5
E2016, ONLINE = Generation.E2016, Generation.ONLINE


def key_of(outcome: StageOutcome, generation: Optional[Generation] = None) -> str:
    entry = matching_entry(outcome, generation)
    return entry.key if entry is not None else ""


# Stages without a reply.


@pytest.mark.parametrize(
    ("stage", "keys"),
    [
        ("mx", "NXDOMAIN: domain-unknown, NULL_MX: null-mx, NO_ADDRESS: mx-without-address, "
               "SERVFAIL: dns-servfail, RESOLVER_REFUSES: resolver-refuses, "
               "RESOLVER: resolver-silent, SILENT: resolver-silent, ALIASES: dns-aliases, "
               "BAD_NAME: not-a-domain-name, NOT_PUBLIC: mx-not-public, "
               "UNEXPECTED_MX: unexpected-mx"),
        ("connect", "REFUSED: not-listening, SILENT: connect-timeout, NO_ANSWER: connect-timeout, "
                    "UNREACHABLE: unreachable, RESET: connect-reset, FORBIDDEN: connect-forbidden, "
                    "OWN_SIDE: own-side, NO_TURN: no-turn, INTERRUPTED: interrupted"),
        ("banner", "SILENT: no-banner, CLOSED: closed-without-banner, NOT_SMTP: no-smtp"),
        ("ehlo", "BARE_OK: pix-answers-ok, RESET: lost, SILENT: silent, OUT_OF_STEP: out-of-step"),
        ("starttls", "NOT_OFFERED: tls-not-offered, CERTIFICATE: tls-certificate, "
                     "CHAIN: tls-chain, WEAK_CERTIFICATE: tls-weak, TLS: tls-handshake, "
                     "RESET: tls-handshake, SILENT: tls-silent"),
        ("auth", "NOT_OFFERED: auth-not-offered, AUTH: auth-broken, CLOSED: lost, SILENT: silent"),
        ("mail", "SILENT: silent-at-mail, NOT_OFFERED: smtputf8-missing, CLOSED: lost, "
                 "OUT_OF_TURN: spoke-out-of-turn"),
        ("rcpt", "SILENT: silent-at-rcpt, TOO_BUSY: too-busy, RESET: lost"),
        ("data", "SILENT: silent, CLOSED: lost"),
        ("message", "SILENT: silent-at-message, RESET: lost-in-message, CLOSED: lost-in-message, "
                    "EARLY_REPLY: spoke-out-of-turn"),
    ],
)  # fmt: skip
def test_what_it_means_that_no_reply_came(stage, keys):
    for cause, key in (pair.split(": ") for pair in keys.split(", ")):
        assert key_of(unanswered(stage, getattr(Cause, cause))) == key, cause


@pytest.mark.parametrize(
    ("stage", "causes", "key"),
    [
        ("connect", "NO_ANSWER REFUSED UNREACHABLE", "online-unreachable"),
        ("banner", "CLOSED SILENT", "online-unreachable"),
        ("starttls", "NOT_OFFERED CERTIFICATE CHAIN TLS SILENT", "online-tls"),
        ("mail", "SILENT CLOSED", "online-silent"),
        ("rcpt", "RESET SILENT", "online-silent"),
        ("message", "SILENT CLOSED RESET", "online-silent-at-message"),
    ],
)
def test_where_microsoft_runs_the_server_its_services_are_not_ours_to_start(stage, causes, key):
    for cause in causes.split():
        assert key_of(unanswered(stage, getattr(Cause, cause)), ONLINE) == key, cause


def test_an_old_pix_is_known_by_what_it_leaves_of_the_banner():
    assert "PIX" in diagnose(unanswered("banner", Cause.NOT_SMTP, "2002****0*")).cause
    assert "PIX" not in diagnose(unanswered("banner", Cause.NOT_SMTP, "SSH-2.0")).cause


@pytest.mark.parametrize(
    "outcome",
    [
        answered("ehlo", "500 5.3.3 Unrecognized command 'unknown'"),
        answered("ehlo", "503 5.5.2 Send hello first"),
        answered("banner", "502 5.5.2 Error: command not recognized"),
        answered("banner", "554 SMTP synchronization error"),
        unanswered("ehlo", Cause.OUT_OF_STEP),
        unanswered("ehlo", Cause.OUT_OF_TURN, "500 5.3.3 Unrecognized command"),
        unanswered("ehlo", Cause.OUT_OF_TURN, "503 5.5.2 Send hello first"),
    ],
    ids=lambda outcome: f"{outcome.cause or ''} {outcome.reply or outcome.received}",
)
def test_a_proxy_header_tells_one_story(outcome):
    diagnosis = diagnose(outcome)
    assert diagnosis.kind is Kind.PROTOCOL
    assert "a PROXY protocol header of a balancer" in diagnosis.cause
    assert "send-proxy" in diagnosis.next_step


# The cause.


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        ("451 4.7.0 Temporary server error. Please try again later. PRX4", ""),
        ("451 4.7.0 Temporary server error. Please try again later. PRX7", " (PRX7)"),
        ("451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35", " (ATTR35)"),
        ("550 5.4.1 [a@b.example]: Access denied. AS(201806281) [x]", " (AS(201806281))"),
        ("550 5.7.606 Access denied, banned sending IP [203.0.113.7] (AS16012609)",
         " (AS16012609)"),
        ("451 4.7.650 limited due to IP reputation. (S843)", " (S843)"),
        ("550 5.5.0 mailbox unavailable (S2017062302).", " (S2017062302)"),
        ("550 5.1.1 User unknown [AS0PR1]", ""),
    ],
)  # fmt: skip
def test_sub_codes_are_quoted_behind_the_cause(reply, codes):
    outcome = answered("rcpt", reply)
    assert diagnose(outcome).cause == f"{matching_entry(outcome).cause}{codes}"


def test_each_proxy_code_has_a_meaning_of_its_own():
    codes = [f"PRX{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9)]
    replies = [answered("message", f"451 4.7.0 Temporary server error. {code}") for code in codes]
    causes = [diagnose(reply).cause for reply in replies]
    assert len(set(causes)) == len(causes)
    assert [cause[:4] for cause in causes] == codes


@pytest.mark.parametrize(
    ("reply", "begins"),
    [
        ("452 4.3.1 So far", "By its code: Back pressure: "),
        ("550 5.1.1 So far", "By its code: there is no such recipient"),
        ("452 4.3.1 Insufficient system resources", "Back pressure: "),
        # Block lists are named.
        ("554 5.7.1 Client host [192.0.2.1] blocked using zen.example.org",
         "The address of this monitoring host is on a block list (zen.example.org)"),
        ("550 Your address is listed by Example Lists Ltd. Go away",
         "The address of this monitoring host is on a block list (Example Lists Ltd)"),
        ("550 You are on a block list at SpamCop",
         "The address of this monitoring host is on a block list (SpamCop)"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_refused_recipient(reply, begins):
    assert diagnose(answered("rcpt", reply)).cause.startswith(begins)


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
        ("rcpt", "554 Not today", Kind.RECIPIENT),
        # What looks like a sub-code, in a name or an address, or as the end of a word.
        ("rcpt", "450 4.1.1 <mattross@contoso.com>: so far", Kind.LOAD),
        ("mail", "451 4.3.0 Sorry. CPRX1", Kind.SERVER),
    ],
)
def test_unknown_replies_are_said_to_be_unknown(stage, reply, kind):
    diagnosis = diagnose(answered(stage, reply))
    assert diagnosis.kind is kind
    assert "not one known from Exchange" in diagnosis.cause


@pytest.mark.parametrize("stage", ["banner", "starttls", "auth", "data"])
def test_a_positive_reply_out_of_place_is_said_to_be_so(stage):
    cause = diagnose(answered(stage, "250 OK")).cause
    assert cause.startswith("The reply code 250 has no place at this stage")


@pytest.mark.parametrize(
    "outcomes",
    [
        *(
            [
                StageOutcome(stage, Verdict.BROKEN, 0.1, Reply(code, (text,)))
                for code in (220, 250, 252, 334, 400, 421, 450, 452, 500, 550, 554, 599)
                for stage in SPOKEN
            ]
            for text in ("", "5.7.1", "4.7.0 odd", "5.0.0 odd", "5.99.999 odd", "odd | <b>")
        ),
        [
            unanswered(stage.value, cause, received)
            for stage in Stage
            if stage is not Stage.QUIT
            for cause in Cause
            for received in ("", "odd words")
        ],
    ],
    ids=["no text", "5.7.1", "4.7.0", "5.0.0", "5.99.999", "markup", "no reply"],
)
def test_every_failure_has_a_meaning_that_can_be_printed(outcomes):
    for outcome in outcomes:
        diagnosis = diagnose(outcome)
        assert diagnosis.cause
        assert diagnosis.next_step
        assert len(diagnosis.cause) + len(diagnosis.next_step) < 350
        assert not set("|<>`$\\") & set(diagnosis.cause + diagnosis.next_step)
        assert diagnosis.begin in {resource.key for resource in TROUBLESHOOTING}
        assert ("known from Exchange" in diagnosis.cause) == (matching_entry(outcome) is None)


# The search.


@pytest.mark.parametrize(
    ("reply", "key"),
    [
        ("451 4.7.1 Greylisted, please try again", "said-greylisting"),
        ("550 5.7.7 Access Denied, bad EHLO", "ehlo-name-bad"),
        ("501 5.5.4 Invalid domain name", "ehlo-name-invalid"),
    ],
)
def test_ehlo_inside_tls_means_what_it_means_without(reply, key):
    assert key_of(answered("ehlo", reply)) == key
    assert key_of(answered("starttls", reply)._replace(second_ehlo=True)) == key


def test_tls_that_fails_behind_the_handshake_stays_a_matter_of_tls():
    lost = unanswered("starttls", Cause.TLS)._replace(second_ehlo=True)
    assert diagnose(lost).kind is Kind.TLS
    gone = unanswered("starttls", Cause.CLOSED)._replace(second_ehlo=True)
    assert diagnose(gone).kind is Kind.SERVER


def test_a_code_in_front_of_each_line_does_not_hide_the_words():
    """As RFC 2034 4 wants it."""
    assert key_of(answered("rcpt", "550 5.7.1 Unable to|5.7.1 relay")) == "relay-refused"


def test_a_very_long_reply_is_known_by_its_beginning():
    """To search in all of it would take minutes."""
    short = "550 5.1.1 User unknown"
    long = f"{short} {'user a.b@' * 25_000}"
    assert key_of(answered("rcpt", long)) == key_of(answered("rcpt", short)) != ""


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
def test_whom_a_deferral_meets(stage, reply, everybody, this_probe):
    diagnosis = diagnose(answered(stage, reply))
    assert (diagnosis.everybody, diagnosis.this_probe) == (everybody, this_probe)


@pytest.mark.parametrize(
    ("reply", "of_exchange", "of_another"),
    [
        ("421 Service not available", "component of Exchange", "takes no mail just now"),
        ("452 4.3.1 Insufficient system resources", "version buckets", "disk space"),
        # Codes of Microsoft's own a gateway passes on.
        ("451 4.7.0 Temporary server error. PRX4", "PRX4", "PRX4"),
        ("550 5.7.54 Unable to relay", "accepted domain", "accepted domain"),
    ],
)
def test_words_of_exchange_are_not_those_of_another_server(reply, of_exchange, of_another):
    outcome = answered("mail", reply)
    assert of_exchange in diagnose(outcome, E2016).cause
    assert of_another in diagnose(outcome, None, "Sophos").cause


# The next step, which is one for the server that answered.

RELAYING = "554 5.7.1 Relaying denied"


@pytest.mark.parametrize(
    ("stage", "reply", "generation", "gateway", "words"),
    [
        ("mail", "421 4.3.2 Service not available", None, None, "Get-ServerComponentState"),
        ("mail", "421 4.3.2 Service not available", E2016, None, "Get-ServerComponentState"),
        ("mail", "421 4.3.2 Service not available", ONLINE, None, "service health"),
        ("mail", "452 4.3.1 Insufficient system resources", None, None, "ResourceThrottling"),
        ("mail", "452 4.3.1 Insufficient system resources", E2016, None, "ResourceThrottling"),
        ("mail", "452 4.3.1 Insufficient system resources", ONLINE, None, "service health"),
        ("mail", "451 4.7.0 Temporary server error. PRX3", E2016, None, "2525"),
        ("mail", "451 4.7.0 Temporary server error. PRX3", ONLINE, None, "service health"),
        ("mail", "530 5.7.57 Client not authenticated", E2016, None, "PermissionGroups"),
        ("mail", "530 5.7.57 Client not authenticated", ONLINE, None, "xoauth2"),
        ("rcpt", RELAYING, E2016, None, "Get-AcceptedDomain; New-AcceptedDomain"),
        ("rcpt", RELAYING, ONLINE, None, "admin center"),
        ("rcpt", RELAYING, E2003, None, "System Manager"),
        ("rcpt", RELAYING, None, "Sophos", "Sophos (the gateway)"),
        ("rcpt", RELAYING, None, "", "the gateway in front"),
        # Only the reply names the product.
        ("rcpt", "550 Unknown user, see help.mimecast.com", None, "", "Mimecast (the gateway)"),
    ],
)
def test_the_next_step_can_be_done_at_this_server(stage, reply, generation, gateway, words):
    assert words in diagnose(answered(stage, reply), generation, gateway).next_step


#: A cmdlet, or a parameter of one that is left behind.
CMDLET = r"\b(?:Add|Enable|Get|New|Restart|Set|Test)-[A-Z]\w+|(?<!\w)-[A-Z][a-z]\w+"
#: Cmdlets of the servers themselves, which no tenant of Exchange Online has.
OF_SERVERS = r"\w+-(?:Queue|Service\w*|Transport(?:Service|Agent)|ReceiveConnector|Exchange\w+)\b"


@pytest.mark.parametrize(
    ("generation", "gateway", "absent"),
    [
        *((E2003, None, CMDLET), (E5_5, None, CMDLET), (None, "Sophos", CMDLET)),
        *((None, "", CMDLET), (ONLINE, None, OF_SERVERS)),
    ],
)
def test_no_cmdlet_is_advised_where_there_is_none(generation, gateway, absent):
    for entry in (*ROWS, *REASONS):
        if isinstance(entry, Row) and entry.generations:
            continue
        if isinstance(entry, Row) and entry.causes:
            received = (entry.received or ("",))[0]
            outcome = unanswered(entry.stage.value, entry.causes[0], received)
        else:
            outcome = answered(entry.stage.value, entry.sample)
        next_step = diagnose(outcome, generation, gateway).next_step
        assert re.findall(absent, next_step) == [], entry.key
        assert next_step.endswith("."), entry.key

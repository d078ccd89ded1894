"""Recognising generations, and what is missing or failed: on recorded talk, and no false alarms."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from support.outcomes import answered, unanswered

from exchange_mailaccept.cli import words
from exchange_mailaccept.exchange import EXMFA
from exchange_mailaccept.exchange.diagnosis import matching_entry
from exchange_mailaccept.exchange.masks import masked_keywords
from exchange_mailaccept.exchange.pages import PAGES
from exchange_mailaccept.exchange.profiles import PROFILES
from exchange_mailaccept.exchange.recognition import KeywordCheck, check_keywords
from exchange_mailaccept.protocol.conversation import Fault, Server, Session, StageOutcome
from exchange_mailaccept.protocol.reply import (
    NO_EXTENSIONS,
    ProtocolError,
    ReplyParser,
    parse_extensions,
)
from exchange_mailaccept.vocabulary import Cause, Generation, Stage

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
COMMANDS = {stage.value.upper(): stage for stage in Stage}
COMMANDS |= {"HELO": Stage.EHLO, ".": Stage.MESSAGE}


class Recorded(NamedTuple):
    """A transcript, read."""

    title: str
    finding: bool
    session: Session
    tls: bool
    #: Key of the entry in the table of failures that the first refusal leads to; empty if none.
    failure: str


def read(path: Path) -> Recorded:
    """Walk through a transcript as the dialogue would have, with the real parser."""
    title, finding, failure, port, tls = "", False, "", 25, False
    stage, command, cause = Stage.BANNER, "", None
    outcomes: dict[Stage, StageOutcome] = {}
    offered = NO_EXTENSIONS
    parser = ReplyParser()
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, _, text = line.partition(" ")
        if line.startswith("# expect:"):
            expected, _, wrong = text.removeprefix("expect: ").partition("; finding: ")
            title, finding = expected.replace("-", ""), {"yes": True, "no": False}[wrong]
        elif line.startswith("# failure: "):
            failure = text.removeprefix("failure: ")
        elif line.startswith("# port:"):
            port = int(text.removeprefix("port: "))
        elif mark == "~" and "TLS" in text:
            tls, offered = True, NO_EXTENSIONS
        elif mark == "C:":
            command = text.split(":")[0].split(" ")[0].upper()
            # What is no command at all stands where EHLO should.
            stage = COMMANDS.get(command, Stage.EHLO if stage is Stage.BANNER else stage)
        elif mark == "S:":
            parser.feed(text.encode() + b"\r\n")
            try:
                reply = parser.next_reply()
            except ProtocolError as error:
                what = Cause.BARE_OK if error.received == "OK" else Cause.NOT_SMTP
                fault = Fault(what, str(error), error.received)
                outcomes[stage] = StageOutcome.failed(stage, fault, 0.1)
                break
            if reply is None:
                continue
            if command == "EHLO" and reply.code in (500, 502):
                cause = Cause.HELO_ONLY
                continue
            if command == "EHLO" and reply.code == 250:
                offered = parse_extensions(reply)
            if stage is not Stage.EHLO:
                outcomes[stage] = StageOutcome.answered(stage, reply, 0.1)
            elif stage not in outcomes:
                outcomes[stage] = StageOutcome.answered(stage, reply, 0.1)._replace(cause=cause)
    server = Server("mail.contoso.com", ("192.0.2.25",), port)
    session = Session(server, "192.0.2.25", tuple(outcomes.values()), offered)
    return Recorded(title, finding, session, tls, failure)


def recorded(name: str) -> Recorded:
    return read(Path(__file__).parent / "transcripts" / f"{name}.txt")


HELLO = "mail.contoso.com Hello [203.0.113.10]"


def greeted(
    *keywords: str, banner: str = "", hello: str = "mail.contoso.com", later: tuple[str, ...] = ()
) -> Session:
    """A session that got as far as EHLO, and to ``later``, a stage and its reply."""
    outcomes = [answered("ehlo", f"250 {'|'.join([hello, *keywords])}")]
    extensions = parse_extensions(outcomes[0].reply)
    if banner:
        outcomes.insert(0, answered("banner", f"220 {banner}"))
    if later:
        outcomes.append(answered(*later))
    return Session(Server("mail.contoso.com", (), 25), "", tuple(outcomes), extensions)


def without(profile: str, *keywords: str) -> list[str]:
    """What a healthy server offers before TLS, less ``keywords``."""
    return [line for line in PROFILES[profile].before_tls if line not in keywords]


# Recorded sessions.


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_recorded_session_is_recognised_without_false_alarm(path):
    title, finding, session, tls, failure = read(path)
    result = check_keywords("auto", (), session, tls)
    assert (result.title, result.is_wrong, bool(result.reason)) == (title, finding, finding)
    # What stopped it is known.
    stopped = session.failure
    entry = matching_entry(stopped, result.generation) if stopped is not None else None
    assert (entry.key if entry is not None else "") == failure
    assert (stopped is None) is (failure == "")
    result = check_keywords("none", (), session)
    assert (result.missing, result.reason, result.is_wrong) == ((), "", False)
    # And all that is said can be printed, and is short.
    for profile in words.PROFILES:
        result = check_keywords(profile, ("REQUIRETLS",), session)
        assert result.is_wrong == bool(result.reason) == bool(result.next_step)
        assert result.page in ("", *PAGES)
        for text in (result.reason, result.next_step, *result.notes):
            assert len(text) <= 240, text
            assert not set(text) & set("|<>`$\\\r\n"), text


@pytest.mark.parametrize(
    ("profile", "transcript", "title"),
    [
        ("exmfa", "exchange2003", "Exchange 2000/2003"),
        ("exmfa", "original_test", "Exchange 2000/2003"),
        ("2003", "exchange2003", "Exchange 2003"),
        ("2007", "exchange2007_relay_connector", "Exchange 2007"),
        ("2010", "exchange2010_starttls", "Exchange 2010"),
        ("2013", "exchange2013_hub_inactive", "Exchange 2013"),
        ("2016", "exchange2016", "Exchange 2016"),
        ("2019", "exchange2019", "Exchange 2019"),
        ("se", "exchange2019", "Exchange SE"),
        ("edge", "edge_starttls", "Exchange Edge"),
        ("online", "online", "Exchange Online"),
        ("submission", "exchange2016_submission", "Exchange"),
        ("submission", "online_submission", "Exchange Online"),
    ],
)
def test_a_named_profile_is_met_and_names_the_server(profile, transcript, title):
    _, _, session, tls, _ = recorded(transcript)
    result = check_keywords(profile, (), session, tls)
    assert (result.title, result.missing, result.is_wrong) == (title, (), False)


@pytest.mark.parametrize(
    ("profile", "transcript", "missing", "reason"),
    [
        ("exmfa", "exchange2016", EXMFA, "only Exchange 2000/2003 had; use profile auto"),
        ("2003", "iis_without_exchange", EXMFA, ""),
        ("2010", "exchange2007_custom_banner", ("XSHADOW",), ""),
        ("2019", "exchange2016", ("SMTPUTF8",), "does not offer SMTPUTF8: the keywords are those of"
         " Exchange 2013/2016/2019, or a middlebox strips some"),
        ("2016", "custom_connector_ntlm", ("X-EXPS", "XRDST"),
         "a connector without Exchange authentication"),
        ("online", "exchange2016", ("SMTPUTF8",), ""),
        ("2003", "pix_mailguard", EXMFA, ""),
        ("2016", "asa_exchange2016", ("X-EXPS", "XRDST"),
         "masks STARTTLS, X-ANONYMOUSTLS, X-EXPS, CHUNKING, XRDST"),
        ("auto", "asa_sendmail", (), "a Cisco firewall (inspect esmtp) masks XXXXXXXXA, XXXB"),
        ("auto", "pix_mailguard", (), "Cisco PIX (fixup protocol smtp)"),
        ("auto", "virus_proxy", (),
         "a mail proxy or virus scanner (InterScan) answers in place of Exchange"),
        ("auto", "gateway_postfix", (),
         "neither banner, EHLO reply nor keywords show an Exchange server; Postfix answers"),
    ],
)  # fmt: skip
def test_a_profile_is_missed(profile, transcript, missing, reason):
    result = check_keywords(profile, (), recorded(transcript).session)
    assert (result.missing, result.is_wrong) == (missing, True)
    assert reason in result.reason


@pytest.mark.parametrize(
    ("profile", "transcript", "notes"),
    [
        ("2016", "exchange2019",
         ("the keywords look like Exchange 2019/SE, not like Exchange 2016",)),
        ("auto", "balancer", (
            "the banner names mbx01.contoso.com and the EHLO reply mbx02.contoso.com: a balancer,"
            " or a connector with a name of its own (Fqdn); -H tests one server",
        )),
        ("auto", "custom_connector_ntlm", (
            "no X-EXPS: this Receive connector has no Exchange Server authentication, so other"
            " Exchange servers of the organization can't use it",
        )),
        # Where keywords with X never are, their lack is not noted.
        ("auto", "exchange2016_submission", ()),
        ("auto", "online", ()),
        ("auto", "online_submission", ()),
    ],
)  # fmt: skip
def test_what_is_no_finding_may_be_noted(profile, transcript, notes):
    _, _, session, tls, _ = recorded(transcript)
    result = check_keywords(profile, (), session, tls)
    assert (result.is_wrong, result.notes) == (False, notes)


# The table of profiles.


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("name", PROFILES)
def test_a_healthy_server_meets_its_own_profile_and_misses_each_keyword_it_lacks(name, tls):
    profile = PROFILES[name]
    required = profile.required_after_tls if tls else profile.required
    lines = profile.after_tls if tls else profile.before_tls
    result = check_keywords(name, (), greeted(*lines, hello=HELLO), tls)
    assert result == KeywordCheck(profile.generation, notes=result.notes)
    assert not check_keywords("auto", (), greeted(*lines, hello=HELLO), tls).is_wrong
    assert required
    for keyword in required:
        kept = [line for line in lines if line.replace("=", " ").split(" ")[0] != keyword]
        result = check_keywords(name, (), greeted(*kept), tls)
        assert (result.missing, result.is_wrong) == ((keyword,), True)
        assert keyword in result.reason


def test_names_are_those_of_the_command_line():
    assert ("auto", *PROFILES, "none") == words.PROFILES


def test_the_page_about_profiles_is_true():
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    for profile in PROFILES.values():
        before, after = " ".join(profile.required), " ".join(profile.required_after_tls)
        assert f"\n| `{profile.name}` | {profile.generation.title} | {before} | {after} |\n" in page
        before, after = ", ".join(profile.before_tls), ", ".join(profile.after_tls)
        (offers,) = (line for line in page.splitlines() if line.endswith(f"| {before} | {after} |"))
        assert f"`{profile.name}`" in offers


@pytest.mark.parametrize(
    ("transcript", "profile", "required", "missing"),
    [
        ("custom_connector_relay", "2016", ("xrdst", "STARTTLS", "STARTTLS"),
         ("X-EXPS", "XRDST", "STARTTLS")),
        ("custom_connector_relay", "none", ("CHUNKING", "STARTTLS"), ("STARTTLS",)),
        # Nobody offers it inside TLS.
        ("exchange2010_starttls", "none", ("STARTTLS", "X-ANONYMOUSTLS"), ()),
    ],
)  # fmt: skip
def test_required_keywords_join_those_of_the_profile_once(transcript, profile, required, missing):
    _, _, session, tls, _ = recorded(transcript)
    assert check_keywords(profile, required, session, tls).missing == missing


@pytest.mark.parametrize("profile", words.PROFILES)
def test_before_a_positive_ehlo_there_is_nothing_to_expect(profile):
    refused = answered("ehlo", "550 5.7.506 Access Denied, Bad HELO")
    for outcomes in ((), (refused,)):
        session = Session(Server("mail.contoso.com", (), 25), "", outcomes)
        assert check_keywords(profile, ("STARTTLS",), session) == KeywordCheck()


# Masks of a firewall.


def test_the_masks_of_an_asa_are_lifted():
    masked = masked_keywords(recorded("asa_exchange2003").session.extensions)
    assert masked["XXXXXXXB"] == ("CHUNKING",)
    assert masked["XXXXXXXXXXXG"] == ("X-LINK2STATE",)
    assert masked["XXXXXXH"] == ("XEXCH50",)
    assert masked["XXXA"] == ("TURN", "ATRN")


def test_the_reason_names_what_an_asa_hides():
    session = recorded("asa_exchange2016").session
    result = check_keywords("auto", (), session)
    masks = "a Cisco firewall (inspect esmtp) masks STARTTLS, X-ANONYMOUSTLS, X-EXPS, CHUNKING, "
    assert result.reason == f"{masks}XRDST"
    assert result.notes == (
        "behind the masks: STARTTLS (XXXXXXXA), X-ANONYMOUSTLS (XXXXXXXXXXXXXB), "
        "X-EXPS (XXXXXXXXXXXXXXXXXC), CHUNKING (XXXXXXXD), XRDST (XXXXE)",
        "the banner is masked by a Cisco firewall (off with: no mask-banner)",
    )
    assert "no inspect esmtp" in result.next_step
    assert result.page == "cisco"
    # It is a note where the named profile is met.
    result = check_keywords("none", (), session)
    assert (result.is_wrong, result.notes[0]) == (False, f"{masks}XRDST")


def test_the_named_profile_decides_what_a_mask_hides():
    """STARTTLS is switched off here, so that no list fits from end to end."""
    session = greeted("XXXXXXXXXXXXXA", "XXXXXXXB", "XXXXC")
    assert masked_keywords(session.extensions)["XXXXXXXB"] == ("CHUNKING", "SMTPUTF8")
    assert masked_keywords(session.extensions, "2016")["XXXXXXXB"] == ("CHUNKING",)
    assert "CHUNKING (XXXXXXXB)" in check_keywords("2016", (), session).notes[0]


@pytest.mark.parametrize("masks", [("XXXXXXXA",), ("XXXXXXXA", "XXXB"), ("XXXXXXXXXA",)])
def test_masks_that_may_be_anybodys_keywords_are_not_called_by_a_name(masks):
    result = check_keywords("auto", (), greeted("PIPELINING", *masks, banner="mx ESMTP"))
    assert result.title == ""
    assert result.reason == f"a Cisco firewall (inspect esmtp) masks {', '.join(masks)}"


@pytest.mark.parametrize("keywords", [("XXXB",), ("XXXA", "XXXXC"), ("XRDST",)])
def test_what_does_not_run_from_a_is_no_mask(keywords):
    assert masked_keywords(greeted(*keywords).extensions) == {}


# Who answers.

BANNER_2003 = "mail.contoso.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  Sat"


@pytest.mark.parametrize(
    ("session", "title", "missing", "reason"),
    [
        (greeted(*without("2003", "X-LINK2STATE"), banner=BANNER_2003),
         "Exchange 2000/2003", ("X-LINK2STATE",), "xlsasink.dll"),
        (greeted(*without("2003", "XEXCH50"), banner=BANNER_2003),
         "Exchange 2000/2003", ("XEXCH50",), "peexch50.dll"),
        (greeted(*without("2003", *EXMFA), banner=BANNER_2003),
         "Exchange 2000/2003", EXMFA, "xlsasink.dll and peexch50.dll"),
        # A banner of its own.
        (greeted(*without("2003", "X-LINK2STATE"), banner="mail ready"),
         "Exchange 2000/2003", ("X-LINK2STATE",), "xlsasink.dll"),
        # A banner of 2003 on a later server demands nothing, nor does a banner alone.
        (greeted(*PROFILES["2007"].before_tls, banner=BANNER_2003), "Exchange 2007", (), ""),
        (greeted(*PROFILES["2016"].before_tls, banner=BANNER_2003),
         "Exchange 2013/2016/2019", (), ""),
        (greeted(banner="mail.contoso.com Microsoft ESMTP MAIL Service ready at Fri, 5 Aug 2016"),
         "Exchange", (), ""),
        # SMTPUTF8 outranks XEXCH50: connectors of 2019 and SE between servers offer both.
        (greeted("X-EXPS NTLM", "XEXCH50", "SMTPUTF8", "XRDST", "XSHADOWREQUEST"),
         "Exchange 2019/SE", (), ""),
        # Somebody on the way has stripped it, which an ASA would have masked.
        (greeted(*without("online", "STARTTLS"),
                 hello="SN1NAM02FT0049.mail.protection.outlook.com Hello [203.0.113.10]"),
         "Exchange Online", ("STARTTLS",),
         "does not offer STARTTLS: Exchange Online always does, so a middlebox strips it"),
        (greeted("SIZE", banner="mx.contoso.com ESMTP ready"), "", (),
         "neither banner, EHLO reply nor keywords show an Exchange server; a gateway may be in"
         " front"),
    ],
    ids=["no X-LINK2STATE", "no XEXCH50", "neither", "own banner", "2007", "2016", "banner alone",
         "2019", "online", "gateway"],
)  # fmt: skip
def test_the_keywords_say_which_exchange_it_is_and_what_it_lacks(session, title, missing, reason):
    result = check_keywords("auto", (), session)
    assert (result.title, result.missing, result.is_wrong) == (title, missing, bool(reason))
    assert reason in result.reason


@pytest.mark.parametrize("keyword", ["XSHADOW", "XSHADOWREQUEST", "SMTPUTF8", "XRDST"])
def test_a_banner_of_2003_is_refuted_by_later_keywords(keyword):
    session = greeted("X-EXPS NTLM", "XEXCH50", keyword, banner=BANNER_2003)
    result = check_keywords("auto", (), session)
    assert result.title != "Exchange 2000/2003"
    assert not result.is_wrong


def test_plain_iis_is_told_from_exchange():
    result = check_keywords("auto", (), recorded("iis_without_exchange").session)
    assert (result.gateway, result.missing) == ("IIS", ())
    assert "plain SMTP service of IIS" in result.reason
    assert "SMTPSVC" in result.next_step


@pytest.mark.parametrize(
    ("banner", "name"),
    [
        ("mx.contoso.com ESMTP (0123456789abcdef0123456789abcdef)", "Barracuda"),
        ("mx.contoso.com ESMTP Sophos Email Appliance v9", "Sophos"),
        ("mx.contoso.com ESMTP Kaspersky gateway ready", "Kaspersky"),
        # The product in the place of the host name.
        ("CheckPoint FireWall secure ESMTP server", "CheckPoint"),
        ("mx.contoso.com ESMTP SonicWall", "SonicWall"),
        ("mx.contoso.com (IMail 9.23 1-1) NT-ESMTP Server X1", "IMail"),
        ("mx.contoso.com ESMTP MERCUR Mailserver (v5.00)", "MERCUR"),
        ("mx.contoso.com ESMTP Postal/ABCD", "Postal"),
        ("mx.contoso.com ESMTP Symantec Messaging Gateway", "Symantec"),
        ("mx.contoso.com ESMTP Smtpd; Mon, 1 Jan 2024", "FortiMail"),
        ("mx1-eu.ppe-hosted.com ESMTP", "Proofpoint"),
        ("mail.contoso.com ESMTP MDaemon 22.0.0; Thu, 26 Nov 2026 16:00:00 +0000", "MDaemon"),
        ("eu-smtp-1.mimecast.com ESMTP; Thu, 26 Nov 2026 16:00:00 +0000", "Mimecast"),
        ("mx0a-00123456.pphosted.com ESMTP mfa-m0123456", "Proofpoint"),
    ],
)
def test_a_gateway_that_says_its_name_is_named(banner, name):
    """Though it speaks like Exchange; but not if it lets Exchange's own keywords through."""
    later = ("mail", "250 2.1.0 Sender OK")
    for session in (greeted("PIPELINING", banner=banner, hello="mx.contoso.com"),
                    greeted("SIZE", banner=banner, hello=HELLO, later=later)):  # fmt: skip
        result = check_keywords("auto", (), session)
        assert (result.title, result.gateway, result.is_wrong) == ("", name, True)
        assert f"{name} answers" in result.reason
    behind = greeted("SIZE", "X-EXPS NTLM", "XRDST", banner=banner)
    assert not check_keywords("auto", (), behind).is_wrong


ONLINE, EXCHANGE = "Exchange Online", "Exchange"
DENIED = "550 5.4.1 Access denied. AS(201806281)"


@pytest.mark.parametrize(
    ("later", "title"),
    [
        (("mail", "250 2.1.0 Sender OK"), EXCHANGE),
        (("rcpt", "250 2.1.5 Recipient OK"), EXCHANGE),
        (("mail", "250 2.1.0 probe@contoso.com....Sender OK"), EXCHANGE),
        (("message", "451 4.7.0 Temporary server error. Please try again later. PRX4"), EXCHANGE),
        (("message", "250 2.6.0 <a@b> [InternalId=1] Queued mail for delivery"), EXCHANGE),
        (("rcpt", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"), EXCHANGE),
        # Proofpoint, Sendmail, Domino, and the example of RFC 5321 that half of all servers say.
        (("mail", "250 2.1.0 Sender ok"), ""),
        (("rcpt", "250 2.1.5 Recipient ok"), ""),
        (("mail", "250 2.1.0 <probe@fabrikam.com>... Sender ok"), ""),
        (("mail", "250 probe@fabrikam.com... Sender OK"), ""),
        (("data", "354 Start mail input; end with <CRLF>.<CRLF>"), ""),
        # Exchange Online names its host at the end of a refusal, and a gateway adds words to it.
        (("rcpt", f"{DENIED} [AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]"), ONLINE),
        (("rcpt", f"{DENIED} [AM0P190CA0001.EURP190.PROD.OUTLOOK.COM 2025-11-20T10:11:12.345Z"
          " 08DE2A6028D26C22]"), ONLINE),
        (("rcpt", f"{DENIED} [AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]"
          " (in reply to RCPT TO command)"), ""),
        (("rcpt", f"{DENIED} [mail.contoso.com]"), ""),
        (("rcpt", f"{DENIED} [mail.outlook.com.contoso.com]"), ""),
        (("rcpt", f"{DENIED} [.outlook.com]"), ""),
    ],
)  # fmt: skip
def test_a_later_reply_may_show_exchange_behind_a_neutral_connector(later, title):
    assert check_keywords("auto", (), greeted("SIZE", "8BITMIME", banner="ESMTP ready")).is_wrong
    session = greeted("SIZE", "8BITMIME", banner="ESMTP ready", later=later)
    result = check_keywords("auto", (), session)
    assert (result.title, result.missing, result.is_wrong) == (title, (), not title)


@pytest.mark.parametrize(
    "host",
    [
        "SN1NAM02FT0049.mail.protection.outlook.com",
        "contoso-com.o-v1.mx.microsoft",
        "BN3.mail.protection.office365.us",
        "SH0.mail.protection.partner.outlook.cn",
    ],
)
def test_exchange_online_goes_by_many_names(host):
    session = greeted(*PROFILES["online"].before_tls, hello=f"{host} Hello [203.0.113.10]")
    assert check_keywords("auto", (), session).title == ONLINE


@pytest.mark.parametrize(
    ("mx", "outcome", "generation"),
    [
        ("contoso-com.mail.protection.outlook.com", unanswered("connect", Cause.SILENT),
         Generation.ONLINE),
        ("contoso-com.mail.protection.outlook.com", answered("banner", "421 4.3.2 Not available"),
         Generation.ONLINE),
        ("contoso-com.mail.protection.outlook.com", answered("banner", "220 gw.contoso.com"), None),
        # By the banner.
        ("mail", answered("banner", "220 SN1NAM02FT0049.mail.protection.outlook.com Microsoft"
                          " ESMTP MAIL Service ready at now"), Generation.ONLINE),
    ],
    ids=["no connection", "refused greeting", "another's greeting", "greeting"],
)  # fmt: skip
def test_exchange_online_is_known_by_its_mx_until_it_greets(mx, outcome, generation):
    session = Session(Server(mx, ("192.0.2.25",), 25), "", (outcome,))
    assert check_keywords("auto", (), session).generation is generation

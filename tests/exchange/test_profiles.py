"""Recognising generations, and what is missing or failed: on recorded talk, and no false alarms."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Optional

import pytest

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
    Reply,
    ReplyParser,
    parse_extensions,
)
from exchange_mailaccept.vocabulary import Cause, Generation, Stage, Verdict

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
STAGES = {
    "EHLO": Stage.EHLO,
    "HELO": Stage.EHLO,
    "STARTTLS": Stage.STARTTLS,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    ".": Stage.MESSAGE,
    "QUIT": Stage.QUIT,
}


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
    title, finding, failure, port = "", False, "", 25
    stage, command, refused = Stage.BANNER, "", None
    tls = False
    outcomes: dict[Stage, StageOutcome] = {}
    offered = NO_EXTENSIONS
    parser = ReplyParser()
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, _, text = line.partition(" ")
        if line.startswith("# expect:"):
            expected, _, found = text.removeprefix("expect: ").partition("; finding: ")
            title, finding = expected.replace("-", ""), {"yes": True, "no": False}[found]
        elif line.startswith("# failure: "):
            failure = text.removeprefix("failure: ")
        elif line.startswith("# port:"):
            port = int(text.removeprefix("port: "))
        elif mark == "~" and "TLS" in text:
            tls, offered = True, NO_EXTENSIONS
        elif mark == "C:":
            word = text.split(":")[0].split(" ")[0].upper()
            # What is no command at all stands where EHLO should.
            other = Stage.EHLO if stage is Stage.BANNER else stage
            stage, command = STAGES.get(word, other), word
        elif mark == "S:":
            parser.feed(text.encode() + b"\r\n")
            try:
                reply = parser.next_reply()
            except ProtocolError as error:
                cause = Cause.BARE_OK if error.received == "OK" else Cause.NOT_SMTP
                fault = Fault(cause, str(error), error.received)
                outcomes[stage] = StageOutcome.failed(stage, fault, 0.1)
                break
            if reply is None:
                continue
            if stage is Stage.EHLO and command == "EHLO" and reply.code in (500, 502):
                refused = Cause.HELO_ONLY
                continue
            if stage is Stage.EHLO and command == "EHLO" and reply.code == 250:
                offered = parse_extensions(reply)
            if stage is not Stage.EHLO or Stage.EHLO not in outcomes:
                outcomes[stage] = outcome(stage, reply, refused if stage is Stage.EHLO else None)
    server = Server("mail.contoso.com", ("192.0.2.25",), port)
    session = Session(server, "192.0.2.25", tuple(outcomes.values()), offered)
    return Recorded(title, finding, session, tls, failure)


def outcome(stage: Stage, reply: Reply, cause: Optional[Cause] = None) -> StageOutcome:
    verdict = Verdict.PASSED
    if reply.code >= 400:
        verdict = Verdict.REFUSED if reply.code >= 500 else Verdict.DEFERRED
    return StageOutcome(stage, verdict, 0.1, reply, cause=cause)


def session_with(
    *keywords: str, banner: str = "", hello: str = "mail.contoso.com", port: int = 25
) -> Session:
    """A session that got as far as EHLO."""
    reply = Reply(250, (hello, *keywords))
    outcomes = [outcome(Stage.EHLO, reply)]
    if banner:
        outcomes.insert(0, outcome(Stage.BANNER, Reply(220, (banner,))))
    server = Server("mail.contoso.com", (), port)
    return Session(server, "", tuple(outcomes), parse_extensions(reply))


def recorded(name: str) -> Recorded:
    return read(Path(__file__).parent / "transcripts" / f"{name}.txt")


def default(profile: str, tls: bool = False) -> Session:
    """A healthy session of the generation, as the table itself describes it."""
    lines = PROFILES[profile].after_tls if tls else PROFILES[profile].before_tls
    return session_with(*lines, hello="mail.contoso.com Hello [203.0.113.10]")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_recorded_session_is_recognised_without_false_alarm(path: Path) -> None:
    title, finding, session, tls, failure = read(path)
    result = check_keywords("auto", (), session, tls)
    assert (result.title, result.is_wrong, bool(result.reason)) == (title, finding, finding)
    result = check_keywords("none", (), session)
    assert (result.missing, result.reason, result.is_wrong) == ((), "", False)
    # What stopped it is known.
    stopped, generation = session.failure, check_keywords("auto", (), session, tls).generation
    entry = matching_entry(stopped, generation) if stopped is not None else None
    assert (entry.key if entry is not None else "") == failure
    assert (stopped is None) is (failure == "")
    # And all that is said can be printed, and is short.
    for profile in words.PROFILES:
        result = check_keywords(profile, ("REQUIRETLS",), session)
        assert result.is_wrong == bool(result.reason) == bool(result.next_step)
        assert result.page in ("", *PAGES)
        for text in (result.reason, result.next_step, *result.notes):
            assert len(text) <= 240, text
            assert not set(text) & set("|<>`$\\\r\n"), text


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("tls", [False, True])
def test_a_healthy_server_of_a_generation_passes_its_own_profile(name: str, tls: bool) -> None:
    result = check_keywords(name, (), default(name, tls), tls)
    assert result == KeywordCheck(PROFILES[name].generation, notes=result.notes)
    assert not check_keywords("auto", (), default(name, tls), tls).is_wrong


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("tls", [False, True])
def test_each_required_keyword_is_missed(name: str, tls: bool) -> None:
    profile = PROFILES[name]
    required = profile.required_after_tls if tls else profile.required
    lines = profile.after_tls if tls else profile.before_tls
    assert required
    for keyword in required:
        kept = [line for line in lines if line.replace("=", " ").split(" ")[0] != keyword]
        result = check_keywords(name, (), session_with(*kept), tls)
        assert (result.missing, result.is_wrong) == ((keyword,), True)
        assert keyword in result.reason


def test_names_are_those_of_the_command_line() -> None:
    assert ("auto", *PROFILES, "none") == words.PROFILES


def test_the_page_about_profiles_is_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    for profile in PROFILES.values():
        before, after = " ".join(profile.required), " ".join(profile.required_after_tls)
        assert f"\n| `{profile.name}` | {profile.generation.title} | {before} | {after} |\n" in page
        before, after = ", ".join(profile.before_tls), ", ".join(profile.after_tls)
        (offers,) = (line for line in page.splitlines() if line.endswith(f"| {before} | {after} |"))
        assert f"`{profile.name}`" in offers


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
def test_a_named_profile_is_met_and_names_the_server(
    profile: str, transcript: str, title: str
) -> None:
    _, _, session, tls, _ = recorded(transcript)
    result = check_keywords(profile, (), session, tls)
    assert (result.title, result.missing, result.is_wrong) == (title, (), False)


EXMFA_LACKS = ("X-LINK2STATE", "XEXCH50")


@pytest.mark.parametrize(
    ("profile", "transcript", "missing", "reason"),
    [
        ("exmfa", "exchange2016", EXMFA_LACKS, "only Exchange 2000/2003 had; use profile auto"),
        ("2003", "iis_without_exchange", EXMFA_LACKS, ""),
        ("2010", "exchange2007_custom_banner", ("XSHADOW",), ""),
        ("2019", "exchange2016", ("SMTPUTF8",), "does not offer SMTPUTF8: the keywords are those of"
         " Exchange 2013/2016/2019, or a middlebox strips some"),
        ("2016", "custom_connector_ntlm", ("X-EXPS", "XRDST"),
         "a connector without Exchange authentication"),
        ("online", "exchange2016", ("SMTPUTF8",), ""),
        ("2003", "pix_mailguard", EXMFA_LACKS, ""),
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
def test_a_profile_is_missed(
    profile: str, transcript: str, missing: tuple[str, ...], reason: str
) -> None:
    result = check_keywords(profile, (), recorded(transcript).session)
    assert (result.missing, result.is_wrong) == (missing, True)
    assert reason in result.reason


@pytest.mark.parametrize(
    ("profile", "required", "missing"),
    [
        ("2016", ("xrdst", "STARTTLS", "STARTTLS"), ("X-EXPS", "XRDST", "STARTTLS")),
        ("none", ("CHUNKING", "STARTTLS"), ("STARTTLS",)),
    ],
)
def test_required_keywords_join_those_of_the_profile_once(
    profile: str, required: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    session = recorded("custom_connector_relay").session
    assert check_keywords(profile, required, session).missing == missing


def test_nobody_offers_starttls_inside_tls() -> None:
    _, _, session, tls, _ = recorded("exchange2010_starttls")
    assert tls
    assert check_keywords("none", ("STARTTLS", "X-ANONYMOUSTLS"), session, tls).missing == ()
    assert check_keywords("none", ("STARTTLS",), session, False).missing == ("STARTTLS",)


def test_another_generation_than_the_named_one_is_a_note() -> None:
    result = check_keywords("2016", (), recorded("exchange2019").session)
    assert not result.is_wrong
    assert "the keywords look like Exchange 2019/SE, not like Exchange 2016" in result.notes


def test_asa_masks_are_lifted() -> None:
    masked = masked_keywords(recorded("asa_exchange2003").session.extensions)
    hidden = {mask: lines[0] for mask, lines in masked.items() if len(lines) == 1}
    assert hidden["XXXXXXXB"] == "CHUNKING"
    assert hidden["XXXXXXXXXXXG"] == "X-LINK2STATE"
    assert hidden["XXXXXXH"] == "XEXCH50"
    assert masked["XXXA"] == ("TURN", "ATRN")


def test_the_remark_names_what_an_asa_hides() -> None:
    result = check_keywords("auto", (), recorded("asa_exchange2016").session)
    assert result.reason == (
        "a Cisco firewall (inspect esmtp) masks STARTTLS, X-ANONYMOUSTLS, X-EXPS, CHUNKING, XRDST"
    )
    assert result.notes == (
        "behind the masks: STARTTLS (XXXXXXXA), X-ANONYMOUSTLS (XXXXXXXXXXXXXB), "
        "X-EXPS (XXXXXXXXXXXXXXXXXC), CHUNKING (XXXXXXXD), XRDST (XXXXE)",
        "the banner is masked by a Cisco firewall (off with: no mask-banner)",
    )
    assert "no inspect esmtp" in result.next_step
    assert result.page == "cisco"


def test_the_named_profile_decides_what_a_mask_hides() -> None:
    """STARTTLS is switched off here, so that no list fits from end to end."""
    offers = session_with("XXXXXXXXXXXXXA", "XXXXXXXB", "XXXXC").extensions
    assert masked_keywords(offers)["XXXXXXXB"] == ("CHUNKING", "SMTPUTF8")
    assert masked_keywords(offers, "2016")["XXXXXXXB"] == ("CHUNKING",)
    result = check_keywords("2016", (), session_with("XXXXXXXXXXXXXA", "XXXXXXXB", "XXXXC"))
    assert "CHUNKING (XXXXXXXB)" in result.notes[0]


@pytest.mark.parametrize("masks", [("XXXXXXXA",), ("XXXXXXXA", "XXXB"), ("XXXXXXXXXA",)])
def test_masks_that_may_be_anybodys_keywords_are_not_called_by_a_name(masks: tuple[str]) -> None:
    found = check_keywords("auto", (), session_with("PIPELINING", *masks, banner="mx ESMTP"))
    assert found.title == ""
    assert found.reason == f"a Cisco firewall (inspect esmtp) masks {', '.join(masks)}"


@pytest.mark.parametrize(
    ("banner", "name"),
    [
        ("mx.contoso.com ESMTP (0123456789abcdef0123456789abcdef)", "Barracuda"),
        ("mx.contoso.com ESMTP Sophos Email Appliance v9", "Sophos"),
        ("mx.contoso.com ESMTP Kaspersky gateway ready", "Kaspersky"),
        # The product in the place of the host name.
        ("CheckPoint FireWall secure ESMTP server", "CheckPoint"),
        ("mx.contoso.com ESMTP SonicWall", "SonicWall"),
        ("mx.contoso.com ESMTP Symantec Messaging Gateway", "Symantec"),
        ("mx.contoso.com ESMTP Smtpd; Mon, 1 Jan 2024", "FortiMail"),
        ("mx1-eu.ppe-hosted.com ESMTP", "Proofpoint"),
    ],
)
def test_a_gateway_that_says_its_name_is_named(banner: str, name: str) -> None:
    session = session_with("PIPELINING", banner=banner, hello="mx.contoso.com")
    found = check_keywords("auto", (), session)
    assert (found.title, found.gateway) == ("", name)
    assert f"{name} answers" in found.reason


def test_smtputf8_outranks_xexch50() -> None:
    """Connectors of 2019 and SE between servers offer both."""
    session = session_with("X-EXPS NTLM", "XEXCH50", "SMTPUTF8", "XRDST", "XSHADOWREQUEST")
    assert check_keywords("auto", (), session).generation is Generation.E2019_SE


def test_a_mask_is_a_note_when_the_named_profile_is_met() -> None:
    result = check_keywords("none", (), recorded("asa_exchange2016").session)
    assert not result.is_wrong
    assert result.notes[0].startswith("a Cisco firewall (inspect esmtp) masks STARTTLS")


@pytest.mark.parametrize("keywords", [("XXXB",), ("XXXA", "XXXXC"), ("XRDST",), ("XXXA", "XXXA")])
def test_what_does_not_run_from_a_is_no_mask(keywords: tuple[str, ...]) -> None:
    offers = parse_extensions(Reply(250, ("mail.contoso.com", *keywords)))
    masked = masked_keywords(offers)
    assert masked == {} or keywords == ("XXXA", "XXXA")


def test_plain_iis_is_told_from_exchange() -> None:
    result = check_keywords("auto", (), recorded("iis_without_exchange").session)
    assert result.gateway == "IIS"
    assert "plain SMTP service of IIS" in result.reason
    assert "SMTPSVC" in result.next_step
    assert result.missing == ()


@pytest.mark.parametrize(
    ("keyword", "library"), [("X-LINK2STATE", "xlsasink.dll"), ("XEXCH50", "peexch50.dll")]
)
def test_one_lost_keyword_of_2003_names_its_sink(keyword: str, library: str) -> None:
    banner = "mail.contoso.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  Sat"
    kept = [line for line in PROFILES["2003"].before_tls if line != keyword]
    result = check_keywords("auto", (), session_with(*kept, banner=banner))
    assert (result.title, result.missing) == ("Exchange 2000/2003", (keyword,))
    assert library in result.reason


def test_2003_without_both_of_its_sinks_is_told_that_both_are_lost() -> None:
    banner = "mail.contoso.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready"
    kept = [line for line in PROFILES["2003"].before_tls if line not in EXMFA]
    result = check_keywords("auto", (), session_with(*kept, banner=banner))
    assert (result.title, result.missing) == ("Exchange 2000/2003", EXMFA)
    assert "xlsasink.dll and peexch50.dll" in result.reason


def test_2003_is_known_behind_a_banner_of_its_own() -> None:
    kept = [line for line in PROFILES["2003"].before_tls if line != "X-LINK2STATE"]
    assert check_keywords("auto", (), session_with(*kept, banner="mail ready")).title == (
        "Exchange 2000/2003"
    )


def test_a_gateway_is_guessed() -> None:
    result = check_keywords("auto", (), session_with("SIZE", banner="mx.contoso.com ESMTP ready"))
    assert result.reason == (
        "neither banner, EHLO reply nor keywords show an Exchange server; a gateway may be in front"
    )


@pytest.mark.parametrize(
    ("tail", "title"),
    [
        ("[AM7EUR06FT003.eop-eur06.prod.protection.outlook.com]", "Exchange Online"),
        ("[AM0P190CA0001.EURP190.PROD.OUTLOOK.COM 2025-11-20T10:11:12.345Z 08DE2A6028D26C22]",
         "Exchange Online"),
        ("[AM7EUR06FT003.eop-eur06.prod.protection.outlook.com] (in reply to RCPT TO command)", ""),
        ("[mail.contoso.com]", ""),
        ("[mail.outlook.com.contoso.com]", ""),
        ("[.outlook.com]", ""),
    ],
)  # fmt: skip
def test_exchange_online_names_its_host_at_the_end_of_a_refusal(tail: str, title: str) -> None:
    """In words of its own; what a gateway makes of them is the gateway's."""
    session = session_with("SIZE", banner="mx.contoso.com ESMTP ready")
    refused = outcome(Stage.RCPT, Reply(550, (f"5.4.1 Access denied. AS(201806281) {tail}",)))
    result = check_keywords("auto", (), session._replace(outcomes=(*session.outcomes, refused)))
    assert (result.title, result.missing) == (title, ())


def test_exchange_online_never_lacks_starttls() -> None:
    """Somebody on the way has stripped it, which an ASA would have masked."""
    kept = [line for line in PROFILES["online"].before_tls if line != "STARTTLS"]
    hello = "SN1NAM02FT0049.mail.protection.outlook.com Hello [203.0.113.10]"
    result = check_keywords("auto", (), session_with(*kept, hello=hello))
    assert result.missing == ("STARTTLS",)
    assert result.reason == (
        "does not offer STARTTLS: Exchange Online always does, so a middlebox strips it"
    )
    assert not check_keywords("auto", (), session_with(*kept, hello=hello), tls=True).is_wrong


@pytest.mark.parametrize(
    "stage_and_reply",
    [
        (Stage.MAIL, "250 2.1.0 Sender OK"),
        (Stage.RCPT, "250 2.1.5 Recipient OK"),
        (Stage.MAIL, "250 2.1.0 probe@contoso.com....Sender OK"),
        (Stage.MESSAGE, "451 4.7.0 Temporary server error. Please try again later. PRX4"),
        (Stage.MESSAGE, "250 2.6.0 <a@b> [InternalId=1] Queued mail for delivery"),
        (Stage.RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
    ],
)
def test_a_later_reply_shows_exchange_behind_a_neutral_connector(
    stage_and_reply: tuple[Stage, str],
) -> None:
    stage, text = stage_and_reply
    session = session_with("SIZE", "8BITMIME", banner="ESMTP ready")
    assert check_keywords("auto", (), session).is_wrong
    later = outcome(stage, Reply(int(text[:3]), (text[4:],)))
    session = session._replace(outcomes=(*session.outcomes, later))
    assert check_keywords("auto", (), session).is_wrong is False
    assert check_keywords("auto", (), session).title == "Exchange"


@pytest.mark.parametrize(
    "banner",
    [
        "mail.contoso.com ESMTP MDaemon 22.0.0; Thu, 26 Nov 2026 16:00:00 +0000",
        "eu-smtp-1.mimecast.com ESMTP; Thu, 26 Nov 2026 16:00:00 +0000",
        "mx0a-00123456.pphosted.com ESMTP mfa-m0123456",
    ],
)
def test_a_gateway_that_speaks_like_exchange_is_none(banner: str) -> None:
    session = session_with("SIZE", banner=banner, hello="mail.contoso.com Hello [203.0.113.10]")
    later = outcome(Stage.MAIL, Reply(250, ("2.1.0 Sender OK",)))
    found = check_keywords("auto", (), session._replace(outcomes=(*session.outcomes, later)))
    assert (found.title, found.is_wrong) == ("", True)
    # But not if it lets Exchange's own keywords through.
    behind = session_with("SIZE", "X-EXPS NTLM", "XRDST", banner=banner)
    assert not check_keywords("auto", (), behind).is_wrong


@pytest.mark.parametrize("keyword", ["XSHADOW", "XSHADOWREQUEST", "SMTPUTF8", "XRDST"])
def test_a_banner_of_2003_is_refuted_by_later_keywords(keyword: str) -> None:
    banner = "mail.contoso.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready"
    found = check_keywords(
        "auto", (), session_with("X-EXPS NTLM", "XEXCH50", keyword, banner=banner)
    )
    assert found.title != "Exchange 2000/2003"
    assert not found.is_wrong


@pytest.mark.parametrize(
    "stage_and_reply",
    [
        # Proofpoint, Sendmail, Domino, and the example of RFC 5321 that half of all servers say.
        (Stage.MAIL, "250 2.1.0 Sender ok"),
        (Stage.RCPT, "250 2.1.5 Recipient ok"),
        (Stage.MAIL, "250 2.1.0 <probe@fabrikam.com>... Sender ok"),
        (Stage.MAIL, "250 probe@fabrikam.com... Sender OK"),
        (Stage.DATA, "354 Start mail input; end with <CRLF>.<CRLF>"),
    ],
)
def test_what_other_servers_say_too_shows_no_exchange(stage_and_reply: tuple[Stage, str]) -> None:
    stage, text = stage_and_reply
    session = session_with("SIZE", "8BITMIME", banner="ESMTP ready")
    later = outcome(stage, Reply(int(text[:3]), (text[4:],)))
    found = check_keywords("auto", (), session._replace(outcomes=(*session.outcomes, later)))
    assert (found.title, found.is_wrong) == ("", True)


def test_the_banner_alone_never_makes_a_keyword_missing() -> None:
    banner = "mail.contoso.com Microsoft ESMTP MAIL Service ready at Fri, 5 Aug 2016 16:24:41 -0700"
    result = check_keywords("auto", (), session_with(banner=banner))
    assert (result.title, result.missing, result.is_wrong) == ("Exchange", (), False)


def test_a_banner_of_2003_on_a_later_server_demands_nothing() -> None:
    banner = "mail.contoso.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  Sat"
    for name, title in (("2007", "Exchange 2007"), ("2016", "Exchange 2013/2016/2019")):
        result = check_keywords("auto", (), session_with(*PROFILES[name].before_tls, banner=banner))
        assert (result.title, result.missing, result.is_wrong) == (title, (), False)


def test_a_balancer_is_a_note() -> None:
    result = check_keywords("auto", (), recorded("balancer").session)
    assert not result.is_wrong
    assert result.notes == (
        "the banner names mbx01.contoso.com and the EHLO reply mbx02.contoso.com: "
        "a balancer, or a connector with a name of its own (Fqdn); -H tests one server",
    )


def test_a_connector_without_exchange_authentication_is_a_note() -> None:
    notes = check_keywords("auto", (), recorded("custom_connector_ntlm").session).notes
    assert len(notes) == 1
    assert notes[0].startswith("no X-EXPS: ")


@pytest.mark.parametrize("name", ["exchange2016_submission", "online", "online_submission"])
def test_where_x_keywords_never_are_their_lack_is_not_noted(name: str) -> None:
    _, _, session, tls, _ = recorded(name)
    assert check_keywords("auto", (), session, tls).notes == ()


@pytest.mark.parametrize("profile", words.PROFILES)
def test_before_a_positive_ehlo_there_is_nothing_to_expect(profile: str) -> None:
    refused = outcome(Stage.EHLO, Reply(550, ("5.7.506 Access Denied, Bad HELO",)))
    session = Session(Server("mail.contoso.com", (), 25), "", (refused,))
    assert check_keywords(profile, ("STARTTLS",), session) == KeywordCheck()
    assert check_keywords(profile, ("STARTTLS",), session._replace(outcomes=())) == KeywordCheck()


@pytest.mark.parametrize(
    "host",
    [
        *("SN1NAM02FT0049.mail.protection.outlook.com", "contoso-com.o-v1.mx.microsoft"),
        *("BN3.mail.protection.office365.us", "SH0.mail.protection.partner.outlook.cn"),
    ],
)
def test_exchange_online_goes_by_many_names(host: str) -> None:
    session = session_with(*PROFILES["online"].before_tls, hello=f"{host} Hello [203.0.113.10]")
    assert check_keywords("auto", (), session).title == "Exchange Online"


def test_exchange_online_is_known_by_its_mx_until_it_greets() -> None:
    server = Server("contoso-com.mail.protection.outlook.com", ("192.0.2.25",), 25)
    late = StageOutcome(Stage.CONNECT, Verdict.TIMED_OUT, 50.0, None, "within 50s")
    assert check_keywords("auto", (), Session(server, "", (late,))) == KeywordCheck(
        Generation.ONLINE
    )
    greeted = session_with("SIZE", banner="gw.contoso.com ESMTP Postfix", hello="gw.contoso.com")
    assert check_keywords("auto", (), greeted._replace(server=server)).title == ""


def test_a_refused_banner_of_exchange_online_is_recognised() -> None:
    banner = "SN1NAM02FT0049.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at now"
    session: Optional[Session] = session_with(banner=banner)
    assert session is not None
    session = session._replace(outcomes=session.outcomes[:1], extensions=NO_EXTENSIONS)
    assert check_keywords("auto", (), session) == KeywordCheck(Generation.ONLINE)


def test_a_greeting_that_refuses_does_not_hide_exchange_online() -> None:
    server = Server("contoso-com.mail.protection.outlook.com", (), 25)
    refused = StageOutcome(
        Stage.BANNER, Verdict.REFUSED, 0.1, Reply(421, ("4.3.2 Service not available",))
    )
    assert check_keywords("auto", (), Session(server, "", (refused,))).title == "Exchange Online"

"""Outcomes to text: nothing foreign gets through, and each first line says what happened."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange_mailaccept.exchange.recognition import KeywordCheck
from exchange_mailaccept.protocol.conversation import (
    Fault,
    MailHost,
    Server,
    Session,
    StageOutcome,
    Target,
)
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.protocol.security import Security
from exchange_mailaccept.report import headline
from exchange_mailaccept.report import lines as report_lines
from exchange_mailaccept.report.failure import failure
from exchange_mailaccept.report.findings import backup, missing
from exchange_mailaccept.report.text import printable, quote
from exchange_mailaccept.run.acceptance import Acceptance, Examined, Member, examine
from exchange_mailaccept.vocabulary import Cause, Generation, Stage, Verdict

#: The servers of the domain.
HOSTS = tuple(MailHost(10, f"mail{number}.contoso.com") for number in (1, 2, 3))
TARGET = Target("contoso.com", "", 25)
PLAN = Plan(
    Envelope("probe@client.example", "postmaster@contoso.com"), "probe.client.example", Content(),
    "<1@client.example>", 0.0,
)  # fmt: skip
SERVER = Server("mail1.contoso.com", ("192.0.2.25",), 25, 10)


def session(*outcomes: StageOutcome, server: Server = SERVER, **more) -> Session:
    return Session(server, server.addresses[0] if server.addresses else "", outcomes, **more)


def reply(code: int, text: str) -> Reply:
    return Reply(code, (text,))


# printable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (
            "plain text 123 ;:,.-_#'+*~!\"%&/()=?[]{}^@",
            "plain text 123 ;:,.-_#'+*~!\"%&/()=?[]{}^@",
        ),
        ("a|b", "a/b"),
        ("<script>", "[script]"),
        ("`id` $HOME $(id) ${x}", "'id' /x24HOME /x24(id) /x24{x}"),
        (r"a\nb\\c\x0ad", "a/nb//c/x0ad"),
        ("a\r\nb\n\nc\td\ve\ff", "a b c d e f"),
        ("  a   b  ", "a b"),
        ("\0\x07\x1b[31m\x7f", "/x00/x07/x1b[31m/x7f"),
        ("\x80x\x9fx", "/x80x/x9fx"),
        ("Gr\u00fc\u00dfe", "Gr/xfc/xdfe"),
        ("\u20ac", "/u20ac"),
        ("a\u202eb\u2066c", "a/u202eb/u2066c"),
        ("a\u2028b", "a/u2028b"),
        ("a\ud800b", "a/ud800b"),
        ("\U0001f4e7", "/U0001f4e7"),
    ],
)
def test_foreign_text_is_made_harmless(text, expected):
    """ASCII, one line, and nothing that speaks to Nagios, Icinga, a shell or a browser."""
    assert printable(text, 100) == expected


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghijk", 10, "abcdefg..."),
        ("abcd", 3, "..."),
        ("a" * 100_000, 10, "aaaaaaa..."),
        (" " * 100_000 + "a", 10, "a"),
        ("\u20ac\u20ac", 12, "/u20ac/u20ac"),
        ("$$$", 12, "/x24/x24/x24"),
    ],
)
def test_foreign_text_is_cut(text, most, expected):
    assert printable(text, most) == expected


_FOREIGN = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("|<>`$\\\r\n\t\0\x1b\x7f\x85\u2028\u202e\ud800\udcff xu04"),
    ),
    max_size=60,
)


@given(_FOREIGN, st.integers(3, 80))
@example("\\\\x0a\\u000a\\U0000000a", 80)
def test_whatever_comes_is_one_short_line_of_harmless_ascii(text, most):
    line = printable(text, most)
    assert re.fullmatch(r"[ -~]*", line)
    assert not set(line) & set("|<>`$\\")
    assert len(line) <= most
    assert "  " not in line
    assert line == line.strip()


@pytest.mark.parametrize("text", [r"a\nb", r"\x0ab", "\x85b", "\u2028b", "\x1b[2J", r"\044(id)"])
def test_printf_prints_it_as_it_is(text):
    """Nagios and Icinga 2 notify by ``printf %b``, which makes all of a backslash."""
    line = printable(text, 100)
    printed = subprocess.run(["/usr/bin/printf", "%b", line], capture_output=True, check=True)
    assert printed.stdout.decode() == line


@given(_FOREIGN)
def test_what_is_printable_stays_as_it_is(text):
    once = printable(text, 1000)
    assert printable(once, 1000) == once


def test_a_reply_is_quoted_with_its_code_once():
    """In one line, cut at 160 characters."""
    lines = Reply(550, ("5.7.1 one", "5.7.1 <two>", "x" * 200))
    assert quote(lines) == "550 5.7.1 one 5.7.1 [two] " + "x" * 131 + "..."


# The first line, for each stage and each way in which it can end.

FAULT = "what happened"
#: What the fault matrix, which plays the others, does not have.
FIRST_LINES: list[tuple[Stage, Verdict, object, str]] = [
    (Stage.CONNECT, Verdict.TIMED_OUT, "within 50s (192.0.2.25 port 25)",
     "mail1.contoso.com could not be connected within 50s (192.0.2.25 port 25)"),
    (Stage.CONNECT, Verdict.TIMED_OUT, "no answer to the connection attempt (192.0.2.25 port 25)",
     "mail1.contoso.com could not be connected: no answer to the connection attempt (192.0.2.25"
     " port 25)"),
    (Stage.CONNECT, Verdict.UNTESTED, FAULT,
     "could not test mail1.contoso.com at connect: what happened"),
    (Stage.BANNER, Verdict.BROKEN, FAULT, "mail1.contoso.com sent no SMTP greeting: what happened"),
    (Stage.EHLO, Verdict.DEFERRED, reply(421, "busy"), "mail1.contoso.com refused EHLO: 421 busy"),
    (Stage.MAIL, Verdict.MISSING, "does not offer SMTPUTF8, which the address needs",
     "mail1.contoso.com does not offer SMTPUTF8, which the address needs"),
    (Stage.RCPT, Verdict.BROKEN, reply(252, "perhaps"),
     "mail1.contoso.com answered RCPT without 250 or 251: 252 perhaps"),
    (Stage.MESSAGE, Verdict.TIMED_OUT, "within 50s",
     "mail1.contoso.com did not answer the message within 50s"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "verdict", "why", "expected"), FIRST_LINES)
def test_the_first_line_of_a_failure(stage, verdict, why, expected):
    by_reply = isinstance(why, Reply)
    cause = Cause.SILENT if str(why).startswith("within") else None
    outcome = StageOutcome(
        stage, verdict, 1.0, why if by_reply else None, "" if by_reply else str(why), cause=cause
    )
    acceptance = Acceptance(None, (session(outcome),))
    assert failure(acceptance, TARGET, PLAN) == expected


def test_the_first_line_of_the_null_sender():
    """A command with nothing behind it would read as a mistake."""
    plan = PLAN._replace(envelope=Envelope("", "postmaster@contoso.com"))
    outcome = StageOutcome(Stage.MAIL, Verdict.REFUSED, 1.0, reply(550, "no"))
    found = failure(Acceptance(None, (session(outcome),)), TARGET, plan)
    assert found == "mail1.contoso.com refused MAIL of the null sender: 550 no"


@pytest.mark.parametrize(
    ("until", "generation", "expected"),
    [
        (
            Stage.MESSAGE,
            Generation.E2019_SE,
            "mail1.contoso.com accepted mail for postmaster@contoso.com in 0.412s"
            " (Exchange 2019/SE)",
        ),
        (
            Stage.MESSAGE,
            None,
            "mail1.contoso.com accepted mail for postmaster@contoso.com in 0.412s",
        ),
        (
            Stage.RCPT,
            None,
            "mail1.contoso.com passed every stage up to rcpt for postmaster@contoso.com in 0.412s",
        ),
    ],
)
def test_the_first_line_of_a_success(until, generation, expected):
    """How long it took, and which Exchange it was."""
    passed = StageOutcome(Stage.CONNECT, Verdict.PASSED, 0.1)
    acceptance = Acceptance(None, (session(passed, seconds=0.4119),))
    assert headline.success(acceptance, PLAN._replace(until=until), generation) == expected


def test_the_first_line_of_a_success_names_a_delay_that_is_known():
    """Behind the receipt, so that it is what is cut of a line that is too long."""
    queued = "2.6.0 <1@client.example> [InternalId=1, Hostname=mbx01.contoso.com] Queued mail"
    outcomes = (
        StageOutcome(Stage.BANNER, Verdict.PASSED, 10.0, reply(220, "ready")),
        StageOutcome(Stage.MAIL, Verdict.PASSED, 10.02, reply(250, "2.1.0 Sender OK")),
        StageOutcome(Stage.MESSAGE, Verdict.PASSED, 25.639, reply(250, queued)),
    )
    acceptance = Acceptance(None, (session(*outcomes, seconds=45.9),))
    assert headline.success(acceptance, PLAN, Generation.E2010) == (
        "mail1.contoso.com accepted mail for postmaster@contoso.com in 45.900s (Exchange 2010; "
        "queued on mbx01.contoso.com as 1@client.example; MAIL took 10.0s, back pressure?; "
        "the message took 25.6s, delayed acknowledgement?)"
    )


def test_a_recipient_in_the_reply_is_no_other_message():
    """``250 2.0.0 <postmaster@contoso.com> Saved``, as who delivers at once says it."""
    saved = reply(250, "2.0.0 <postmaster@contoso.com> Saved")
    passed = StageOutcome(Stage.MESSAGE, Verdict.PASSED, 0.1, saved)
    acceptance = Acceptance(None, (session(passed, seconds=0.4),))
    assert headline.success(acceptance, PLAN, None) == (
        "mail1.contoso.com accepted mail for postmaster@contoso.com in 0.400s"
    )


@given(st.sampled_from(FIRST_LINES), _FOREIGN, _FOREIGN, _FOREIGN)
def test_no_first_line_lets_foreign_text_through(row, name, words, recipient):
    """Whatever a server calls itself and says, and whoever the message is for."""
    stage, verdict, why, _ = row
    said = reply(why.code, words) if isinstance(why, Reply) else None
    outcome = StageOutcome(stage, verdict, 1.0, said, words)
    server = Server(name, ("192.0.2.25",), 25)
    plan = PLAN._replace(envelope=Envelope(recipient, recipient))
    acceptance = Acceptance(None, (session(outcome, server=server),))
    line = failure(acceptance, Target(name, "", 25), plan)
    assert re.fullmatch(r"[ -~]*", line)
    assert not set(line) & set("|<>`$\\")


def test_the_backup_is_named_with_the_reason():
    refused = StageOutcome(Stage.BANNER, Verdict.DEFERRED, 1.0, reply(421, "busy"))
    accepted = StageOutcome(Stage.BANNER, Verdict.PASSED, 1.0, reply(220, "hello"))
    second = session(accepted, server=SERVER._replace(preference=20))
    sessions = (session(refused), session(refused), second)
    assert backup(Acceptance(None, sessions, HOSTS[:3]), PLAN) == (
        "better MX failed: mail1.contoso.com refused the connection: 421 busy (and 1 more)"
    )


@pytest.mark.parametrize(
    ("expectation", "expected"),
    [
        (
            KeywordCheck(None, ("XRDST", "X|EXPS"), "does not offer XRDST, X|EXPS: a box", True),
            "mail1.contoso.com does not offer XRDST, X/EXPS: a box",
        ),
        (KeywordCheck(None, (), "no <Exchange>", True), "no [Exchange]"),
    ],
)
def test_missing_keywords_are_named(expectation, expected):
    """Or what else is wrong with them."""
    assert missing(expectation, "mail1.contoso.com") == expected


def test_what_to_do_about_the_keywords_is_said_before_the_stages():
    """What is wrong is in the first line, and again only if it was cut there."""
    found = KeywordCheck(None, (), "a gateway answers", True, "Look at the MX.", "cisco", ("note",))
    assert report_lines.keyword_lines(found) == [
        "Next step: Look at the MX.",
        "Read: https://learn.microsoft.com/troubleshoot/exchange/mailflow/"
        "cannot-send-receive-email-behind-cisco-firewall",
    ]
    cut = found._replace(reason="x" * 200, page="")
    assert report_lines.keyword_lines(cut) == [
        f"Meaning: {'x' * 200}",
        "Next step: Look at the MX.",
    ]
    assert report_lines.keyword_lines(KeywordCheck(notes=("note",))) == []


def test_a_server_of_a_set_says_what_to_do_about_its_keywords():
    passed = StageOutcome(Stage.CONNECT, Verdict.PASSED, 0.1)
    walked = session(passed, seconds=0.4119)
    member = Member("mail1", Acceptance(None, (walked,)))
    found = KeywordCheck(None, ("XRDST",), "does not offer XRDST: a box", True, "Look at the box.")
    assert report_lines.set_lines([Examined(member, walked, found, None)], PLAN, full=False) == [
        "mail1.contoso.com 192.0.2.25 (MX 10): accepts, 0.412s",
        "  mail1.contoso.com does not offer XRDST: a box",
        "  Next step: Look at the box.",
    ]


def test_the_stage_lines():
    outcomes = (
        StageOutcome(Stage.CONNECT, Verdict.PASSED, 0.0012),
        StageOutcome(Stage.BANNER, Verdict.PASSED, 0.01, reply(220, "mail1.contoso.com <ready>")),
        StageOutcome(Stage.EHLO, Verdict.PASSED, 0.02, reply(250, "ok"), "EHLO was refused"),
        StageOutcome(Stage.MAIL, Verdict.REFUSED, 0.03, reply(550, "5.7.1 no|way")),
        StageOutcome(Stage.QUIT, Verdict.BROKEN, 1.5, None, "connection closed by the server"),
    )
    assert report_lines.stage_lines(Acceptance(None, (session(*outcomes),))) == [
        "Stages at mail1.contoso.com (192.0.2.25 port 25):",
        "  connect     0.0012s  passed",
        "  banner      0.0100s  220 mail1.contoso.com [ready]",
        "  ehlo        0.0200s  250 ok (EHLO was refused)",
        "  mail        0.0300s  refused: 550 5.7.1 no/way",
    ]


def test_a_farewell_is_missed_only_when_all_was_well():
    accepted = StageOutcome(Stage.MAIL, Verdict.PASSED, 0.03, reply(250, "ok"))
    lost = StageOutcome(Stage.QUIT, Verdict.BROKEN, 1.5, None, "connection closed by the server")
    found = report_lines.stage_lines(Acceptance(None, (session(accepted, lost),)))
    assert found[-1] == "  quit        1.5000s  broken (connection closed by the server)"
    refused = accepted._replace(verdict=Verdict.REFUSED)
    assert len(report_lines.stage_lines(Acceptance(None, (session(refused, lost),)))) == 2


def test_a_stage_line_is_followed_by_what_its_time_gives_away():
    outcome = StageOutcome(Stage.MESSAGE, Verdict.PASSED, 25.639, reply(250, "queued"))
    found = report_lines.stage_lines(Acceptance(None, (session(outcome),)), Generation.E2010)
    assert found[1:] == [
        "  message    25.6390s  250 queued",
        "                      The last reply took 25.6s: Exchange 2010 delays it by up to 30s "
        "(MaxAcknowledgementDelay).",
    ]


def next_step(recipient: str) -> str:
    """What to do when RCPT is refused with 5.1.1."""
    unknown = StageOutcome(Stage.RCPT, Verdict.REFUSED, 0.1, reply(550, "5.1.1 User unknown"))
    plan = PLAN._replace(envelope=Envelope("probe@client.example", recipient))
    examined = examine(Member("", Acceptance(None, (session(unknown),))), "none", ())
    (line,) = (
        line
        for line in report_lines.server_lines(examined, plan, full=False)
        if line.startswith("Next step: ")
    )
    return line


def test_the_next_step_can_be_pasted():
    assert next_step("postmaster@contoso.com") == (
        "Next step: Get-Recipient postmaster@contoso.com; add the alias (Set-Mailbox MAILBOX"
        " -EmailAddresses @{add='postmaster@contoso.com'}), or test an existing one with"
        " --recipient."
    )


@pytest.mark.parametrize(
    "recipient", ["o'hara@contoso.com", "a;b@contoso.com", "-a@contoso.com", '"a b"@contoso.com']
)
def test_the_next_step_runs_nothing_else(recipient):
    """A local part may hold what a shell would take for a command."""
    assert next_step(recipient).startswith("Next step: Get-Recipient RECIPIENT; add the alias")


def test_the_next_step_names_host_and_port():
    late = StageOutcome.failed(Stage.CONNECT, Fault(Cause.SILENT, "within 50s"), 50.0)
    examined = examine(Member("", Acceptance(None, (session(late),))), "none", ())
    lines = report_lines.server_lines(examined, PLAN, full=False)
    assert "(Test-NetConnection mail1.contoso.com -Port 25)" in lines[1]


@pytest.mark.parametrize("stage", [Stage.DATA, Stage.MESSAGE])
def test_the_message_id_is_said_when_the_fate_of_the_message_is_unknown(stage):
    """The tracking log is asked for it."""
    silent = StageOutcome.failed(stage, Fault(Cause.SILENT, "within 50s"), 45.0)
    acceptance = Acceptance(None, (session(silent),))
    examined = examine(Member("", acceptance), "none", ())
    lines = report_lines.server_lines(examined, PLAN, full=False)
    assert ("Message-ID (in angle brackets): 1@client.example" in lines) is (stage is Stage.MESSAGE)


def test_the_notes_below_the_stages_have_what_is_weak_about_a_server():
    """Also where the state does not tell: a dead address, a certificate, a cipher suite."""
    passed = StageOutcome(Stage.CONNECT, Verdict.PASSED, 0.1)
    agreed = Security("TLSv1.2", "AES128-SHA", False, None, "the certificate has expired",
                      "AES128-SHA has no forward secrecy")  # fmt: skip
    dead = (("192.0.2.9", Fault(Cause.REFUSED, "connection refused")),)
    walked = session(passed)._replace(security=agreed, failed_addresses=dead)
    examined = Examined(Member("", Acceptance(None, (walked,))), walked, KeywordCheck(), None)
    lines = report_lines.server_lines(examined, PLAN, full=True)
    assert [line for line in lines if line.startswith("Note: ")] == [
        "Note: its address 192.0.2.9 fails: connection refused",
        "Note: the certificate has expired",
        "Note: AES128-SHA has no forward secrecy",
    ]


def test_the_heading_of_the_stages_is_there_without_a_server():
    lookup = StageOutcome(Stage.MX, Verdict.BROKEN, 0.1, None, "does not exist")
    assert report_lines.stage_lines(Acceptance(lookup), None, "contoso.com") == [
        "Stages at contoso.com:",
        "  mx          0.1000s  broken (does not exist)",
    ]

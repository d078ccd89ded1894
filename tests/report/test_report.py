"""Outcomes to text: nothing foreign gets through, and each first line says what happened.

What a whole output looks like is tested in ``tests/plugin``.
"""

from __future__ import annotations

import re

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
from exchange_mailaccept.report.failure import failure
from exchange_mailaccept.report.findings import backup, missing
from exchange_mailaccept.report.lines import keyword_lines, server_lines, set_lines, stage_lines
from exchange_mailaccept.report.text import printable, quote
from exchange_mailaccept.run.acceptance import Acceptance, Examined, Member, examine
from exchange_mailaccept.vocabulary import Cause, Generation, Stage, Verdict

TARGET = Target("contoso.com", "", 25)
PLAN = Plan(
    Envelope("probe@client.example", "postmaster@contoso.com"), "probe.client.example", Content(),
    "<1@client.example>", 0.0,
)  # fmt: skip
SERVER = Server("mail1.contoso.com", ("192.0.2.25",), 25, 10)
CONNECTED = StageOutcome(Stage.CONNECT, Verdict.PASSED, 0.0012)


def session(*outcomes: StageOutcome, server: Server = SERVER, **more) -> Session:
    return Session(server, server.addresses[0], outcomes, **more)


def acceptance(*outcomes: StageOutcome, **more) -> Acceptance:
    """A test of one server."""
    return Acceptance(None, (session(*outcomes, **more),))


def reply(code: int, text: str) -> Reply:
    return Reply(code, (text,))


# Foreign text.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain 123 ;:,.-_#'+*~!\"%&/()=?[]{}^@", "plain 123 ;:,.-_#'+*~!\"%&/()=?[]{}^@"),
        ("a|b", "a/b"),
        ("<script>", "[script]"),
        ("`id` $HOME $(id) ${x}", "'id' /x24HOME /x24(id) /x24{x}"),
        (r"a\nb\\c\x0ad", "a/nb//c/x0ad"),
        ("a\r\nb\n\nc\td\ve\ff", "a b c d e f"),
        ("  a   b  ", "a b"),
        ("\0\x07\x1b[31m\x7f", "/x00/x07/x1b[31m/x7f"),
        ("\x80x\x9fx", "/x80x/x9fx"),
        ("Gr\u00fc\u00dfe", "Gr/xfc/xdfe"),
        ("a\u20acb\u202ec\u2028d\ud800e", "a/u20acb/u202ec/u2028d/ud800e"),
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
    """Nagios and Icinga 2 notify by ``printf %b``, which makes all of a backslash.

    It stays as it is when it is made printable again.
    """
    line = printable(text, most)
    assert re.fullmatch(r"[ -~]*", line)
    assert not set(line) & set("|<>`$\\")
    assert len(line) <= most
    assert "  " not in line
    assert line == line.strip() == printable(line, most)


def test_a_reply_is_quoted_with_its_code_once():
    """In one line, cut at 160 characters."""
    lines = Reply(550, ("5.7.1 one", "5.7.1 <two>", "x" * 200))
    assert quote(lines) == "550 5.7.1 one 5.7.1 [two] " + "x" * 131 + "..."


# The first line.

FAULT = "what happened"
#: A stage, how it ended, and the words; what the fault matrix, which plays others, does not have.
FIRST_LINES = [
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
    # The null sender: a command with nothing behind it would read as a mistake.
    (Stage.MAIL, Verdict.REFUSED, reply(550, "no"),
     "mail1.contoso.com refused MAIL of the null sender: 550 no"),
    (Stage.RCPT, Verdict.BROKEN, reply(252, "perhaps"),
     "mail1.contoso.com answered RCPT without 250 or 251: 252 perhaps"),
    (Stage.MESSAGE, Verdict.TIMED_OUT, "within 50s",
     "mail1.contoso.com did not answer the message within 50s"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "verdict", "why", "expected"), FIRST_LINES)
def test_the_first_line_of_a_failure(stage, verdict, why, expected):
    cause = Cause.SILENT if str(why).startswith("within") else None
    said, explanation = (why, "") if isinstance(why, Reply) else (None, why)
    outcome = StageOutcome(stage, verdict, 1.0, said, explanation, cause=cause)
    plan = PLAN._replace(envelope=Envelope("", "postmaster@contoso.com"))
    assert failure(acceptance(outcome), TARGET, plan) == expected


@given(st.sampled_from(FIRST_LINES), _FOREIGN, _FOREIGN, _FOREIGN)
def test_no_first_line_lets_foreign_text_through(row, name, words, recipient):
    """Whatever a server calls itself and says, and whoever the message is for."""
    stage, verdict, why, _ = row
    said = reply(why.code, words) if isinstance(why, Reply) else None
    outcome = StageOutcome(stage, verdict, 1.0, said, words)
    walk = acceptance(outcome, server=Server(name, ("192.0.2.25",), 25))
    plan = PLAN._replace(envelope=Envelope(recipient, recipient))
    line = failure(walk, Target(name, "", 25), plan)
    assert re.fullmatch(r"[ -~]*", line)
    assert not set(line) & set("|<>`$\\")


def test_the_first_line_of_a_success_names_a_delay_that_is_known():
    """Behind the receipt, so that it is what is cut of a line that is too long."""
    queued = "2.6.0 <1@client.example> [InternalId=1, Hostname=mbx01.contoso.com] Queued mail"
    outcomes = (
        StageOutcome(Stage.BANNER, Verdict.PASSED, 10.0, reply(220, "ready")),
        StageOutcome(Stage.MAIL, Verdict.PASSED, 10.02, reply(250, "2.1.0 Sender OK")),
        StageOutcome(Stage.MESSAGE, Verdict.PASSED, 25.639, reply(250, queued)),
    )
    walk = acceptance(*outcomes, seconds=45.9009)
    assert headline.success(walk, PLAN, Generation.E2010) == (
        "mail1.contoso.com accepted mail for postmaster@contoso.com in 45.901s (Exchange 2010; "
        "queued on mbx01.contoso.com as 1@client.example; MAIL took 10.0s, back pressure?; "
        "the message took 25.6s, delayed acknowledgement?)"
    )


def test_a_recipient_in_the_reply_is_no_other_message():
    """``250 2.0.0 <postmaster@contoso.com> Saved``, as who delivers at once says it."""
    saved = reply(250, "2.0.0 <postmaster@contoso.com> Saved")
    walk = acceptance(StageOutcome(Stage.MESSAGE, Verdict.PASSED, 0.1, saved), seconds=0.4)
    assert headline.success(walk, PLAN, None) == (
        "mail1.contoso.com accepted mail for postmaster@contoso.com in 0.400s"
    )


def test_the_backup_is_named_with_the_reason():
    refused = session(StageOutcome(Stage.BANNER, Verdict.DEFERRED, 1.0, reply(421, "busy")))
    accepted = session(CONNECTED, server=SERVER._replace(preference=20))
    hosts = tuple(MailHost(10, f"mail{number}.contoso.com") for number in (1, 2, 3))
    assert backup(Acceptance(None, (refused, refused, accepted), hosts), PLAN) == (
        "better MX failed: mail1.contoso.com refused the connection: 421 busy (and 1 more)"
    )


def test_missing_keywords_are_named():
    """With the server; what else is wrong with them speaks for itself."""
    box = KeywordCheck(None, ("XRDST", "X|EXPS"), "does not offer XRDST, X|EXPS: a box", True)
    assert missing(box, "mail1") == "mail1 does not offer XRDST, X/EXPS: a box"
    assert missing(box._replace(missing=(), reason="no <Exchange>"), "mail1") == "no [Exchange]"


# The lines below it.


def test_what_to_do_about_the_keywords():
    """What is wrong is in the first line, and again only if it was cut there."""
    wrong = KeywordCheck(None, (), "a gateway answers", True, "Look at the MX.", "cisco", ("note",))
    assert keyword_lines(wrong) == [
        "Next step: Look at the MX.",
        "Read: https://learn.microsoft.com/troubleshoot/exchange/mailflow/"
        "cannot-send-receive-email-behind-cisco-firewall",
    ]
    cut = wrong._replace(reason="x" * 200, page="")
    assert keyword_lines(cut) == [f"Meaning: {'x' * 200}", "Next step: Look at the MX."]
    assert keyword_lines(KeywordCheck(notes=("note",))) == []


def test_a_server_of_a_set_says_what_to_do_about_its_keywords():
    walk = session(CONNECTED, seconds=0.4119)
    box = KeywordCheck(None, ("XRDST",), "does not offer XRDST: a box", True, "Look at the box.")
    examined = Examined(Member("mail1", Acceptance(None, (walk,))), walk, box, None)
    assert set_lines([examined], PLAN, full=False) == [
        "mail1.contoso.com 192.0.2.25 (MX 10): accepts, 0.412s",
        "  mail1.contoso.com does not offer XRDST: a box",
        "  Next step: Look at the box.",
    ]


LOST = StageOutcome(Stage.QUIT, Verdict.BROKEN, 1.5, None, "connection closed by the server")


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        # A farewell is missed only when all was well.
        ((StageOutcome(Stage.BANNER, Verdict.PASSED, 0.01, reply(220, "<ready>")),
          StageOutcome(Stage.EHLO, Verdict.PASSED, 0.02, reply(250, "ok"), "HELO was asked"),
          StageOutcome(Stage.MAIL, Verdict.REFUSED, 0.03, reply(550, "5.7.1 no|way")), LOST),
         ["  banner      0.0100s  220 [ready]",
          "  ehlo        0.0200s  250 ok (HELO was asked)",
          "  mail        0.0300s  refused: 550 5.7.1 no/way"]),
        ((StageOutcome(Stage.MAIL, Verdict.PASSED, 0.03, reply(250, "ok")), LOST),
         ["  mail        0.0300s  250 ok",
          "  quit        1.5000s  broken (connection closed by the server)"]),
        # What the time of a stage gives away.
        ((StageOutcome(Stage.MESSAGE, Verdict.PASSED, 25.639, reply(250, "queued")),),
         ["  message    25.6390s  250 queued",
          "                      The last reply took 25.6s: Exchange 2010 delays it by up to 30s"
          " (MaxAcknowledgementDelay)."]),
    ],
)  # fmt: skip
def test_the_stage_lines(outcomes, lines):
    assert stage_lines(acceptance(CONNECTED, *outcomes), Generation.E2010) == [
        "Stages at mail1.contoso.com (192.0.2.25 port 25, Exchange 2010):",
        "  connect     0.0012s  passed",
        *lines,
    ]


def test_the_heading_of_the_stages_is_there_without_a_server():
    lookup = StageOutcome(Stage.MX, Verdict.BROKEN, 0.1, None, "does not exist")
    assert stage_lines(Acceptance(lookup), None, "contoso.com") == [
        "Stages at contoso.com:",
        "  mx          0.1000s  broken (does not exist)",
    ]


def below(outcome: StageOutcome, plan: Plan = PLAN) -> list[str]:
    """The lines about a test that ended with ``outcome``, without the stages."""
    return server_lines(examine(Member("", acceptance(outcome)), "none", ()), plan, full=False)


@pytest.mark.parametrize(
    ("recipient", "beginning"),
    [
        (
            "postmaster@contoso.com",
            "Next step: Get-Recipient postmaster@contoso.com; add the alias (Set-Mailbox MAILBOX"
            " -EmailAddresses @{add='postmaster@contoso.com'}), or test an existing one with"
            " --recipient.",
        ),
        # A local part may hold what a shell would take for a command.
        *(
            (recipient, "Next step: Get-Recipient RECIPIENT; add the alias")
            for recipient in ("o'hara@b.cc", "a;b@b.cc", "-a@b.cc", '"a b"@b.cc')
        ),
    ],
)
def test_the_next_step_can_be_pasted_and_runs_nothing_else(recipient, beginning):
    unknown = StageOutcome(Stage.RCPT, Verdict.REFUSED, 0.1, reply(550, "5.1.1 User unknown"))
    lines = below(unknown, PLAN._replace(envelope=Envelope("probe@client.example", recipient)))
    assert lines[1].startswith(beginning)


def test_the_next_step_names_host_and_port():
    late = StageOutcome.failed(Stage.CONNECT, Fault(Cause.SILENT, "within 50s"), 50.0)
    assert "(Test-NetConnection mail1.contoso.com -Port 25)" in below(late)[1]


@pytest.mark.parametrize("stage", [Stage.DATA, Stage.MESSAGE])
def test_the_message_id_is_said_when_the_fate_of_the_message_is_unknown(stage):
    """The tracking log is asked for it."""
    lines = below(StageOutcome.failed(stage, Fault(Cause.SILENT, "within 50s"), 45.0))
    assert ("Message-ID (in angle brackets): 1@client.example" in lines) is (stage is Stage.MESSAGE)


def test_the_notes_below_the_stages_have_what_is_weak_about_a_server():
    """Also where the state does not tell: a dead address, a certificate, a cipher suite."""
    agreed = Security("TLSv1.2", "AES128-SHA", False, None, "the certificate has expired",
                      "AES128-SHA has no forward secrecy")  # fmt: skip
    dead = (("192.0.2.9", Fault(Cause.REFUSED, "connection refused")),)
    walk = session(CONNECTED, security=agreed, failed_addresses=dead)
    examined = Examined(Member("", Acceptance(None, (walk,))), walk, KeywordCheck(), None)
    lines = server_lines(examined, PLAN, full=True)
    assert [line for line in lines if line.startswith("Note: ")] == [
        "Note: its address 192.0.2.9 fails: connection refused",
        "Note: the certificate has expired",
        "Note: AES128-SHA has no forward secrecy",
    ]

"""Several recipients (``-r``) and several senders (``-f``): what is sent, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
from support.names import mx
from support.plugin import (
    BANNER,
    CRITICAL,
    DATA,
    EHLO,
    MAIL,
    MESSAGE,
    QUIT,
    RSET,
    PluginRun,
    perfdata,
    run_plugin,
)
from support.scripts import Step
from support.smtp import PortOfAll, Server

from exchange_mailaccept.protocol import conversation
from exchange_mailaccept.protocol.auth import Credentials
from exchange_mailaccept.protocol.conversation import Asked, Session, StageOutcome
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Stage

YES = b"250 2.1.5 Recipient OK\r\n"
UNKNOWN_USER = b"550 5.1.1 User unknown\r\n"
BUSY = b"450 4.2.1 Mailbox busy\r\n"
TOO_MANY = b"452 4.5.3 Too many recipients\r\n"
PRESSURE = b"452 4.3.1 Insufficient system resources\r\n"


def rcpt(name: str, reply: Any = YES) -> Step:
    return (f"RCPT TO:<{name}@contoso[.]com> NOTIFY=NEVER", reply)


def mail(sender: str, reply: Any = MAIL[1]) -> Step:
    return (f"MAIL FROM:<{sender.replace('.', '[.]')}>", reply)


def check(server: Server, recipients: str, *arguments: str) -> PluginRun:
    """Test ``server`` with recipients at contoso.com, by the names before the sign."""
    words = [word for name in recipients.split() for word in ("-r", f"{name}@contoso.com")]
    run = run_plugin(
        "-H", server.host, "-p", str(server.port), "-F", "probe.client.example", *words, *arguments
    )  # fmt: skip
    assert run.stderr == ""
    return run


def said(run: PluginRun) -> str:
    """The result without what follows the seconds."""
    return run.result.partition(" in #s")[0]


# Several recipients.


def test_all_recipients_get_the_same_message(serve):
    server = serve(BANNER, EHLO, MAIL, rcpt("a"), rcpt("b"), rcpt("c"), DATA, MESSAGE, QUIT)
    run = check(server, "a b c")
    assert said(run) == (
        "OK - 127.0.0.1 accepted mail for a@contoso.com, b@contoso.com and c@contoso.com"
    )
    assert b"\r\nTo: <a@contoso.com>,\r\n <b@contoso.com>,\r\n <c@contoso.com>\r\n" in (
        server.message
    )


def test_many_recipients_are_counted(serve):
    server = serve(BANNER, EHLO, MAIL, *map(rcpt, "abcde"), DATA, MESSAGE, QUIT)
    assert said(check(server, "a b c d e")) == (
        "OK - 127.0.0.1 accepted mail for a@contoso.com, b@contoso.com, c@contoso.com and 2 more"
    )


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([UNKNOWN_USER, YES, YES],
         "CRITICAL - 1 of 3 recipients refused: a@contoso.com: 550 5.1.1 User unknown; 127.0.0.1"
         " accepted mail for b@contoso.com and c@contoso.com"),
        ([YES, YES, BUSY],
         "WARNING - 1 of 3 recipients deferred: c@contoso.com: 450 4.2.1 Mailbox busy; 127.0.0.1"
         " accepted mail for a@contoso.com and b@contoso.com"),
        # The worst of them counts, and is told first.
        ([BUSY, UNKNOWN_USER, YES],
         "CRITICAL - 2 of 3 recipients refused: b@contoso.com: 550 5.1.1 User unknown;"
         " a@contoso.com: 450 4.2.1 Mailbox busy; 127.0.0.1 accepted mail for c@contoso.com"),
        # A code that is none of RCPT's.
        ([YES, b"299 Fine\r\n", YES],
         "CRITICAL - 1 of 3 recipients refused: b@contoso.com: 299 Fine; 127.0.0.1 accepted mail"
         " for a@contoso.com and c@contoso.com"),
    ],
)  # fmt: skip
def test_the_message_goes_to_those_that_are_accepted(serve, replies, words):
    server = serve(BANNER, EHLO, MAIL, *map(rcpt, "abc", replies), DATA, MESSAGE, QUIT)
    run = check(server, "a b c")
    assert said(run) == words
    assert "\nMeaning: " in run.stdout
    assert "; other recipients are accepted\n" in run.stdout
    assert "\nRecipient b@contoso.com: " in run.stdout
    assert "rcpt" in perfdata(run)


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([BUSY, UNKNOWN_USER],
         "CRITICAL - 127.0.0.1: 2 of 2 recipients refused: b@contoso.com: 550 5.1.1 User unknown;"
         " a@contoso.com: 450 4.2.1 Mailbox busy"),
        ([BUSY, TOO_MANY],
         "WARNING - 127.0.0.1: 2 of 2 recipients deferred: a@contoso.com: 450 4.2.1 Mailbox busy;"
         " b@contoso.com: 452 4.5.3 Too many recipients"),
    ],
)  # fmt: skip
def test_without_a_recipient_there_is_no_data(serve, replies, words):
    run = check(serve(BANNER, EHLO, MAIL, *map(rcpt, "ab", replies), QUIT), "a b")
    assert said(run) == words


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([rcpt("a"), rcpt("b", b""), QUIT], "127.0.0.1 did not answer RCPT within #s"),
        (
            [rcpt("a"), rcpt("b", b"421 4.3.2 Service not active\r\n"), QUIT],
            "127.0.0.1 refused RCPT b@contoso.com: 421 4.3.2 Service not active",
        ),
    ],
)
def test_a_server_that_is_gone_between_recipients(serve, steps, words):
    """No message is sent to those that it has accepted, and no other recipient is asked for."""
    run = check(serve(BANNER, EHLO, MAIL, *steps), "a b c", "-t", "1.5")
    assert said(run) == f"CRITICAL - {words}"


def test_one_recipient_too_many_is_asked_for_again(serve):
    """After the message, in a transaction that ends at RCPT (RFC 5321 4.5.3.1.10)."""
    server = serve(
        BANNER, EHLO, MAIL, rcpt("a"), rcpt("b", TOO_MANY), DATA, MESSAGE,
        MAIL, rcpt("b"), RSET, QUIT,
    )  # fmt: skip
    run = check(server, "a b", "-v")
    assert said(run) == ("OK - 127.0.0.1 accepted mail for a@contoso.com")
    assert (
        "; b@contoso.com accepted in a transaction of its own, in which no message was sent)"
        in run.first_line
    )
    assert (
        "\nRecipient b@contoso.com: 250 2.1.5 Recipient OK (in a transaction of its own, without a"
        " message)\n"
    ) in run.stdout


@pytest.mark.parametrize(
    ("again", "result", "words"),
    [
        ([rcpt("b", TOO_MANY), RSET, QUIT], "WARNING - 1 of 2 recipients deferred", TOO_MANY),
        (
            [rcpt("b", UNKNOWN_USER), RSET, QUIT],
            "CRITICAL - 1 of 2 recipients refused",
            UNKNOWN_USER,
        ),
        # Without an answer the first one stands.
        ([rcpt("b", b""), QUIT], "WARNING - 1 of 2 recipients deferred", TOO_MANY),
    ],
)
def test_one_recipient_too_many_that_is_not_accepted_again(serve, again, result, words):
    script = (EHLO, MAIL, rcpt("a"), rcpt("b", TOO_MANY), DATA, MESSAGE, MAIL, *again)
    run = check(serve(BANNER, *script), "a b", "-t", "2")
    reply = words.decode().strip()
    assert said(run) == (
        f"{result}: b@contoso.com: {reply}; 127.0.0.1 accepted mail for a@contoso.com"
    )


def test_up_to_rcpt_no_mail_is_sent_to_several(serve):
    """RSET ends the transaction, before one recipient is asked for again."""
    server = serve(
        BANNER, EHLO, MAIL, rcpt("a", UNKNOWN_USER), rcpt("b"), rcpt("c", TOO_MANY), RSET,
        MAIL, rcpt("c"), RSET, QUIT,
    )  # fmt: skip
    run = check(server, "a b c", "--until", "rcpt")
    assert said(run) == (
        "CRITICAL - 1 of 3 recipients refused: a@contoso.com: 550 5.1.1 User unknown; 127.0.0.1"
        " passed every stage up to rcpt for b@contoso.com"
    )


def test_a_refusal_that_is_allowed_is_told_nevertheless(serve):
    """No ``ok`` makes the words say that mail was accepted where it was not."""
    script = (EHLO, MAIL, rcpt("a"), rcpt("b", UNKNOWN_USER), DATA, MESSAGE, QUIT)
    run = check(serve(BANNER, *script), "a b", "--severity", "5.1.1=ok")
    assert said(run) == ("OK - 127.0.0.1 accepted mail for a@contoso.com")
    assert "1 of 2 recipients refused: b@contoso.com: 550 5.1.1 User unknown" in run.first_line


# Several senders.

FOREIGN, OWN = "x@fabrikam.com", "probe@contoso.com"
SENDERS = ("-f", FOREIGN, "-f", OWN, "-f", "<>")
TEST = (EHLO, mail(FOREIGN), rcpt("a"), DATA, MESSAGE)


def test_the_first_sender_sends_the_message(serve):
    """The others get as far as RCPT, each in a transaction of its own."""
    server = serve(
        BANNER, *TEST, mail(OWN), rcpt("a"), RSET, mail(""), rcpt("a"), RSET, QUIT
    )  # fmt: skip
    run = check(server, "a", *SENDERS, "-v")
    assert said(run) == ("OK - 127.0.0.1 accepted mail for a@contoso.com")
    assert "\nSender probe@contoso.com: 250 2.1.5 Recipient OK\n" in run.stdout
    assert "\nSender the null sender: 250 2.1.5 Recipient OK\n" in run.stdout
    assert [line for line in server.heard if line.startswith(b"From: ")] == [
        b"From: Mail acceptance test <x@fabrikam.com>\r\n"
    ]


@pytest.mark.parametrize(
    ("script", "words", "meaning"),
    [
        ([*TEST, mail(OWN), rcpt("a"), RSET, mail("", b"550 5.7.1 Denied\r\n"), QUIT],
         "CRITICAL - 1 of 3 senders refused: the null sender: 550 5.7.1 Denied; only the null"
         " sender is refused: bounces are lost; 127.0.0.1 accepted mail for a@contoso.com",
         "Delivery reports and automatic replies"),
        # Postfix says at RCPT what it thinks of the sender.
        ([*TEST, mail(OWN), rcpt("a", b"550 5.7.68 Direct Send not allowed\r\n"), RSET,
          mail(""), rcpt("a"), RSET, QUIT],
         "CRITICAL - 1 of 3 senders refused: probe@contoso.com: 550 5.7.68 Direct Send not allowed;"
         " only senders of the own domain are refused: Direct Send; 127.0.0.1 accepted mail for"
         " a@contoso.com",
         "The server refuses its own domain as the sender"),
        ([*TEST, mail(OWN, b"451 4.7.1 Later\r\n"), mail(""), rcpt("a"), RSET, QUIT],
         "WARNING - 1 of 3 senders deferred: probe@contoso.com: 451 4.7.1 Later; 127.0.0.1 accepted"
         " mail for a@contoso.com",
         ""),
        # The first is deferred, and what the others meet says why.
        ([EHLO, mail(FOREIGN, PRESSURE), mail(OWN), rcpt("a"), RSET, mail("", PRESSURE), QUIT],
         "CRITICAL - 127.0.0.1 deferred MAIL x@fabrikam.com: 452 4.3.1 Insufficient system"
         " resources; senders of the own domain pass and others are deferred: back pressure,"
         " medium",
         "Under medium back pressure"),
    ],
)  # fmt: skip
def test_a_kind_of_sender_that_is_not_accepted(serve, script, words, meaning):
    run = check(serve(BANNER, *script), "a", *SENDERS)
    assert said(run) == words
    assert f"\nMeaning: {meaning}" in run.stdout


def test_senders_are_tried_with_a_recipient_that_is_accepted(serve):
    """Else they would be refused for the recipient's sake."""
    server = serve(
        BANNER, EHLO, mail(FOREIGN), rcpt("a", UNKNOWN_USER), rcpt("b"), RSET,
        mail(OWN), rcpt("b"), RSET, QUIT,
    )  # fmt: skip
    run = check(server, "a b", "-f", FOREIGN, "-f", OWN, "--until", "rcpt")
    assert run.exit_code == CRITICAL
    assert "senders" not in run.stdout


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ((), "2 of 2 mail servers of contoso.com accept mail for a@contoso.com"),
        (
            ("--until", "rcpt"),
            "2 of 2 mail servers of contoso.com pass every stage up to rcpt for a@contoso.com",
        ),
    ],
)
def test_each_server_of_a_set_is_judged_by_itself(serve, names, how, words):
    held = PortOfAll()
    end = (RSET,) if how else (DATA, MESSAGE)
    for host, reply in (("127.0.0.2", UNKNOWN_USER), ("127.0.0.3", YES)):
        script = (EHLO, mail(FOREIGN), rcpt("a"), rcpt("b", reply), *end)
        others = (mail(OWN), rcpt("a"), RSET, QUIT)
        serve(BANNER, *script, *others, host=host, port=held.number)
    table = mx((10, "mail1.contoso.com", "127.0.0.2"), (10, "mail2.contoso.com", "127.0.0.3"))
    run = run_plugin(
        *("-d", "contoso.com", "--all-mx", "-p", str(held.number), *names(table)),
        *("-F", "probe.client.example", "-r", "a", "-r", "b", "-f", FOREIGN, "-f", OWN, *how),
    )
    held.close()
    assert said(run) == (
        "CRITICAL - mail1.contoso.com: 1 of 2 recipients refused: b@contoso.com: 550 5.1.1 User"
        f" unknown; {words}"
    )


def test_secrets_are_masked_in_the_replies_to_several_addresses():
    """A server may echo what it was told."""
    echo = StageOutcome.answered(Stage.RCPT, Reply(550, ("5.7.1 hunter22 may not",)), 0.1)
    asked = (Asked("a@contoso.com", echo),)
    session = Session(conversation.Server("mail1", (), 25), "", (), recipients=asked, senders=asked)
    masked = Credentials("PLAIN", "probe", "hunter22").masked(session)
    for address in (*masked.recipients, *masked.senders):
        assert str(address.outcome.reply) == "550 5.7.1 **** may not"

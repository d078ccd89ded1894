"""Recipients that must be refused (``--refuse``): what is sent for them, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
from support.names import mx
from support.plugin import (
    ACCEPTED,
    BANNER,
    CRITICAL,
    DATA,
    EHLO,
    MAIL,
    MESSAGE,
    OK,
    QUIT,
    RCPT,
    RSET,
    UNKNOWN,
    check,
    run_plugin,
)
from support.scripts import Step
from support.smtp import PortOfAll

from exchange_mailaccept.protocol.conversation import Connect, Connected, Replied, Server
from exchange_mailaccept.protocol.dialogue import walk
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.vocabulary import Stage

RELAY = ("--refuse", "somebody@adatum.com")
UNKNOWN_RECIPIENT = ("--refuse", "nobody")
NO_RELAY = b"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain\r\n"
TAKEN = (EHLO, MAIL, RCPT, DATA, MESSAGE)


def rcpt(address: str, reply: Any) -> Step:
    return (f"RCPT TO:<{address.replace('.', '[.]')}> NOTIFY=NEVER", reply)


def foreign(reply: Any) -> Step:
    return rcpt("somebody@adatum.com", reply)


def nobody(reply: Any) -> Step:
    return rcpt("nobody@contoso.com", reply)


PRESSURE = (MAIL[0], b"452 4.3.1 Insufficient system resources\r\n")
YES = b"250 2.1.5 Recipient OK\r\n"


def test_a_refused_recipient_is_as_it_should_be(serve):
    """It comes after the message, and QUIT after it; it is told with -v."""
    run = check(serve(BANNER, *TAKEN, MAIL, foreign(NO_RELAY), RSET, QUIT), *RELAY, "-v")
    assert run.result == f"OK - {ACCEPTED}"
    assert (
        "\nMust be refused: somebody@adatum.com: refused (550 5.7.54 SMTP; Unable to relay"
        " recipient in non-accepted domain)\n"
    ) in run.stdout


OPEN = "An open relay, unless a connector allows this host"
UNDECIDED = "The recipient was neither accepted nor refused for good"
UNTESTED = "could not test that 127.0.0.1 refuses somebody@adatum.com: "


@pytest.mark.parametrize(
    ("options", "steps", "result", "meaning"),
    [
        (RELAY, [MAIL, foreign(YES), RSET],
         "CRITICAL - 127.0.0.1 accepts mail for somebody@adatum.com from this host", OPEN),
        (UNKNOWN_RECIPIENT, [MAIL, nobody(YES), RSET],
         "WARNING - 127.0.0.1 accepts an unknown recipient, nobody@contoso.com",
         "The server accepts mail for a recipient that does not exist"),
        (RELAY, [MAIL, foreign(b"451 4.7.0 Try later\r\n"), RSET],
         f"WARNING - {UNTESTED}451 4.7.0 Try later", UNDECIDED),
        # A code that is none of RCPT's says nothing.
        (RELAY, [MAIL, foreign(b"252 Maybe\r\n"), RSET], f"WARNING - {UNTESTED}252 Maybe",
         UNDECIDED),
        # Nor does a sender that is not taken again.
        (RELAY, [(MAIL[0], b"550 5.7.1 One message is enough\r\n")],
         f"WARNING - {UNTESTED}MAIL was answered 550 5.7.1 One message is enough", UNDECIDED),
        ((*RELAY, *UNKNOWN_RECIPIENT), [MAIL, foreign(YES), RSET, MAIL, nobody(YES), RSET],
         "CRITICAL - 127.0.0.1 accepts mail for somebody@adatum.com from this host; 127.0.0.1"
         " accepts an unknown recipient, nobody@contoso.com", OPEN),
        # Of one kind, what is open is said first, then what is not known.
        (("--refuse", "a@adatum.com", "--refuse", "b@adatum.com", "--refuse", "c@adatum.com"),
         [MAIL, rcpt("a@adatum.com", b"451 4.7.0 Later\r\n"), RSET,
          MAIL, rcpt("b@adatum.com", YES), RSET, MAIL, rcpt("c@adatum.com", YES), RSET],
         "CRITICAL - 127.0.0.1 accepts mail for b@adatum.com and c@adatum.com from this host",
         OPEN),
    ],
)  # fmt: skip
def test_a_recipient_that_is_not_refused(serve, options, steps, result, meaning):
    run = check(serve(BANNER, *TAKEN, *steps, QUIT), *options)
    assert run.result.startswith(f"{result}; 127.0.0.1 accepted mail for")
    assert f"\nMeaning: {meaning}" in run.stdout


@pytest.mark.parametrize(
    ("options", "steps", "severity", "state"),
    [
        (RELAY, [MAIL, foreign(YES), RSET], "relay=ok", OK),
        (RELAY, [MAIL, foreign(b"451 4.7.0 Later\r\n"), RSET], "relay=unknown", UNKNOWN),
        (UNKNOWN_RECIPIENT, [MAIL, nobody(YES), RSET], "unknown-recipient=unknown", UNKNOWN),
    ],
)
def test_the_state_is_for_the_user_to_say(serve, options, steps, severity, state):
    run = check(serve(BANNER, *TAKEN, *steps, QUIT), *options, "--severity", severity)
    assert run.exit_code == state


@pytest.mark.parametrize(
    "steps",
    [[MAIL, foreign(b""), QUIT], [MAIL, foreign(b"421 4.3.2 Closing\r\n")], [(MAIL[0], b""), QUIT]],
)
def test_no_time_left_for_a_refusal(serve, steps):
    run = check(serve(BANNER, *TAKEN, *steps), *RELAY, "-t", "1.5")
    assert run.result.startswith(f"WARNING - {UNTESTED}")
    assert "127.0.0.1 accepted mail for postmaster@contoso.com" in run.result


def test_no_mail_is_sent_up_to_rcpt(serve):
    server = serve(BANNER, EHLO, MAIL, RCPT, RSET, MAIL, foreign(YES), RSET, QUIT)
    run = check(server, *RELAY, "--until", "rcpt")
    assert run.result == (
        "CRITICAL - 127.0.0.1 accepts mail for somebody@adatum.com from this host;"
        " 127.0.0.1 passed every stage up to rcpt for postmaster@contoso.com in #s"
        " (Exchange 2019/SE)"
    )


def test_an_open_relay_beside_a_test_that_failed(serve):
    """Both are said, because both are to be mended."""
    refused = (RCPT[0], b"550 5.1.1 User unknown\r\n")
    run = check(serve(BANNER, EHLO, MAIL, refused, RSET, MAIL, foreign(YES), RSET, QUIT), *RELAY)
    assert run.result == (
        "CRITICAL - 127.0.0.1 refused RCPT postmaster@contoso.com: 550 5.1.1 User"
        " unknown; 127.0.0.1 accepts mail for somebody@adatum.com from this host"
    )


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([EHLO, PRESSURE, PRESSURE, QUIT], "127.0.0.1 deferred MAIL"),
        ([EHLO, (MAIL[0], b"421 4.3.2 Service not active\r\n"), QUIT], "127.0.0.1 refused MAIL"),
        ([(EHLO[0], b"550 5.7.1 Go away\r\n"), QUIT], "127.0.0.1 refused EHLO"),
    ],
)
def test_nothing_is_said_of_refusals_if_the_test_itself_fails(serve, steps, words):
    """That they could not be tested is no news then."""
    run = check(serve(BANNER, *steps), *RELAY)
    assert run.exit_code == CRITICAL
    assert run.first_line.partition(" - ")[2].startswith(words)
    assert "adatum" not in run.first_line


def test_replies_that_are_out_of_step_open_no_door(serve):
    """The reply to the command before would seem to accept the recipient."""
    server = serve(
        BANNER, EHLO, MAIL, RCPT, RSET, MAIL, foreign(YES), ("RSET", NO_RELAY), QUIT
    )  # fmt: skip
    run = check(server, *RELAY, "--until", "rcpt")
    assert run.result.startswith(f"WARNING - {UNTESTED}replies are out of step")


def test_a_first_transaction_that_is_out_of_step_ends_the_test(serve):
    server = serve(BANNER, EHLO, MAIL, RCPT, ("RSET", NO_RELAY), QUIT)
    run = check(server, *RELAY, "--until", "rcpt")
    assert run.exit_code == CRITICAL
    assert "replies are out of step" in run.first_line


@pytest.mark.parametrize(
    ("how", "words"),
    [
        # Another server can't make up for an open relay.
        (("--set", "any"), "2 of 2 mail servers of contoso.com accept mail"),
        (("--until", "rcpt"), "2 of 2 mail servers of contoso.com pass every stage up to rcpt"),
    ],
)
def test_each_server_of_a_set_has_its_own_doors(serve, names, how, words):
    held = PortOfAll()
    walked = (EHLO, MAIL, RCPT, RSET) if "rcpt" in how else TAKEN
    for host, reply in (("127.0.0.2", NO_RELAY), ("127.0.0.3", YES)):
        script = (*walked, MAIL, foreign(reply), RSET, QUIT)
        serve(BANNER, *script, host=host, port=held.number)
    table = mx((10, "mail1.contoso.com", "127.0.0.2"), (10, "mail2.contoso.com", "127.0.0.3"))
    run = run_plugin(
        *("-d", "contoso.com", "--all-mx", "-p", str(held.number), *names(table)),
        *("-F", "probe.client.example", *RELAY, *how),
    )
    held.close()
    assert run.result.startswith(
        f"CRITICAL - mail2.contoso.com accepts mail for somebody@adatum.com from this host; {words}"
    )


def test_time_spent_on_refusals_is_not_in_the_total():
    """A tarpit holds each of them back; here every reply takes a second."""
    plan = Plan(
        Envelope("a@fabrikam.com", "b@contoso.com"), "probe.fabrikam.com", Content(), "<1@a>", 0.0,
        refuse=("c@adatum.com", "d@adatum.com"),
    )  # fmt: skip
    codes = iter([220, 250, 250, 250, 354, 250, *(250, 550, 250) * 2, 221])
    conversation = walk(plan, Server("mail1.contoso.com", ("192.0.2.1",), 25))
    request = next(conversation)
    try:
        while True:
            connects = isinstance(request, Connect)
            request = conversation.send(
                Connected(0.5, addresses=("192.0.2.1", "192.0.2.9"))
                if connects
                else Replied(1.0, reply=Reply(next(codes), ("So be it",)))
            )
    except StopIteration as end:
        session = end.value
    assert session.seconds == 6.5
    assert [
        (refusal.address, refusal.outcome.stage, str(refusal.outcome.reply))
        for refusal in session.refusals
    ] == [(f"{letter}@adatum.com", Stage.RCPT, "550 So be it") for letter in "cd"]
    assert next(codes, None) is None

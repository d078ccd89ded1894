"""Replies that belong to earlier commands: what proves it, and what does not."""

from __future__ import annotations

from typing import Union

import pytest
from support.outcomes import reply

from exchange_mailaccept.protocol import out_of_step
from exchange_mailaccept.protocol.conversation import Fault, Replied
from exchange_mailaccept.vocabulary import Cause


def answer(said: Union[str, Fault]) -> Replied:
    """A reply of one line, or why there is none."""
    if isinstance(said, Fault):
        return Replied(0.1, said)
    return Replied(0.1, reply=reply(said))


def unasked(received: str) -> Fault:
    return Fault(Cause.OUT_OF_TURN, "the server spoke before it was asked", received)


@pytest.mark.parametrize("command", ["RSET", "QUIT"])
@pytest.mark.parametrize(
    "said",
    [
        "450 4.2.0 Mailbox busy",
        "452 4.5.3 Too many recipients",
        "530 5.7.57 Client not authenticated",
        "550 User unknown",
        "551 5.1.6 User has moved",
        "552 5.2.2 Mailbox full",
        "553 5.1.3 Invalid address",
        "555 5.5.4 Unsupported option",
        "451 4.7.1 Greylisted",
        "554 5.7.1 Relay access denied",
        unasked("250 2.1.0 Sender OK\r\n"),
        unasked("550 5.1.1 User unknown\r\n250 2.0.0 Resetting\r\n"),
    ],
)
def test_the_reply_to_an_address_after_another_command_is_a_proof(command, said):
    """No server refuses a mailbox at RSET or QUIT, or says a reply more than it was asked for."""
    assert out_of_step.proof(command, answer(said)) != ""


@pytest.mark.parametrize(
    ("command", "said", "refused", "expected"),
    [
        # A farewell is not answered 250 (RFC 5321 4.3.2); RSET is, whatever the enhanced code.
        ("QUIT", "250 2.0.0 Resetting", False, True),
        ("RSET", "250 2.1.5 Flushed", False, False),
        # Only DATA is answered 354.
        ("QUIT", "354 Start mail input", False, True),
        ("RSET", "354 Start mail input", False, True),
        # And with 503 if the refusal before was the recipient's.
        ("QUIT", "503 5.5.2 Need rcpt command", True, True),
    ],
)
def test_the_reply_to_another_command_is_a_proof(command, said, refused, expected):
    words = f"{command} was answered with '{said}'" if expected else ""
    assert out_of_step.proof(command, answer(said), refused) == words


@pytest.mark.parametrize("command", ["RSET", "QUIT"])
@pytest.mark.parametrize(
    "said",
    [
        "221 2.0.0 Bye",
        "421 4.3.2 Service not available",
        "451 4.3.0 Temporary server error",
        "500 5.3.3 Unrecognized command",
        "501 5.5.4 Invalid arguments",
        "502 5.5.1 Not implemented",
        "503 5.5.2 Send hello first",
        "554 5.5.1 Too many errors",
        Fault(Cause.CLOSED, "connection closed by the server"),
        Fault(Cause.SILENT, "within 2s"),
        unasked("421 4.4.1 Connection timed out\r\n"),
        unasked("500 5.3.3 Unrecognized command\r\n"),
        unasked("\x15\x03\x01"),
    ],
)
def test_a_server_that_closes_or_does_not_know_the_command_proves_nothing(command, said):
    assert out_of_step.proof(command, answer(said)) == ""

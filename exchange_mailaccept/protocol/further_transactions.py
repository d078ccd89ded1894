"""Transactions after the test, in the same session: up to RCPT, and never with a message.

Each is MAIL, RCPT and RSET.  They are not pipelined, like all commands that are judged.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING
from ..vocabulary import Cause, Stage
from . import out_of_step
from .message import Envelope, mail_command, rcpt_command
from .stages import Asked, Fault, StageOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .reply import Extensions
    from .requests import Command, Replied

    #: Sends a line, and receives the reply to it.
    Ask = Callable[[str], Generator[Command, Replied, Replied]]


def ask_for(
    recipients: Sequence[str], sender: str, offered: Extensions, ask: Ask
) -> Generator[Command, Replied, tuple[Asked, ...]]:
    """Ask for each of ``recipients`` in a transaction of its own."""
    asked = []
    for address in recipients:
        envelope = Envelope(sender, address)
        asked.append(Asked(address, (yield from _transaction(envelope, offered, ask))))
    return tuple(asked)


def _transaction(
    envelope: Envelope, offered: Extensions, ask: Ask
) -> Generator[Command, Replied, StageOutcome]:
    """MAIL, RCPT and RSET: the outcome of RCPT, or of MAIL if that did not pass."""
    if envelope.needs_smtputf8 and not offered.offers("SMTPUTF8"):
        fault = Fault(Cause.NOT_OFFERED, "does not offer SMTPUTF8, which the address needs")
        return StageOutcome.failed(Stage.MAIL, fault, 0.0)
    sender = _outcome(Stage.MAIL, (yield from ask(mail_command(envelope))))
    if not sender.passed:
        return sender
    recipient = _outcome(Stage.RCPT, (yield from ask(rcpt_command(envelope, offered))))
    if recipient.reply is None:
        return recipient
    # If the replies belong to earlier commands, the one to MAIL would seem to accept the recipient.
    strayed = out_of_step.proof("RSET", (yield from ask("RSET")))
    if strayed:
        return StageOutcome.failed(Stage.RCPT, out_of_step.fault(strayed), recipient.seconds)
    return recipient


def _outcome(stage: Stage, answer: Replied) -> StageOutcome:
    if answer.reply is not None:
        return StageOutcome.answered(stage, answer.reply, answer.seconds)
    fault = answer.fault or Fault(Cause.NETWORK, "no reply")
    return StageOutcome.failed(stage, fault, answer.seconds)

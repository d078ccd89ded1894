"""Several recipients of a message, and further transactions after it in the same session.

A further transaction is MAIL, RCPT and RSET, and never has a message.  Like all commands that are
judged, these are not pipelined.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING
from ..vocabulary import Cause, Stage
from . import out_of_step
from .conversation import CLOSING, Asked, Fault, StageOutcome, one_too_many
from .message import Envelope, mail_command, rcpt_command

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from .conversation import Command, Replied
    from .message import Plan
    from .reply import Extensions

    #: Sends a line, and receives the reply to it.
    Ask = Callable[[str], Generator[Command, Replied, Replied]]


def ask_for_all(
    envelope: Envelope, offered: Extensions, ask: Ask
) -> Generator[Command, Replied, tuple[Asked, ...]]:
    """Ask for all recipients of ``envelope``, as long as the server listens."""
    asked: list[Asked] = []
    for address in envelope.recipients:
        command = rcpt_command(envelope._replace(recipient=address), offered)
        outcome = _outcome(Stage.RCPT, (yield from ask(command)))
        asked.append(Asked(address, outcome))
        if outcome.reply is None or outcome.reply.code == CLOSING:
            break
    return tuple(asked)


def after_the_test(
    plan: Plan, recipients: tuple[Asked, ...], offered: Extensions, ask: Ask
) -> Generator[Command, Replied, tuple[tuple[Asked, ...], ...]]:
    """The transactions that ``plan`` has after the test.

    :param recipients: those that were asked for in it, if there are several
    :returns: the recipients, the further senders, and the recipients that must be refused
    """
    sender = plan.envelope.sender
    recipients = yield from ask_again(sender, recipients, offered, ask)
    accepted = (each.address for each in recipients if each.outcome.passed)
    recipient = next(accepted, plan.envelope.recipient)
    envelopes = [Envelope(each, recipient) for each in plan.senders]
    of_senders = yield from transactions(envelopes, offered, ask)
    envelopes = [Envelope(sender, refused) for refused in plan.refuse]
    of_refusals = yield from transactions(envelopes, offered, ask)
    senders = tuple(map(Asked, plan.senders, of_senders))
    return recipients, senders, tuple(map(Asked, plan.refuse, of_refusals))


def ask_again(
    sender: str, recipients: tuple[Asked, ...], offered: Extensions, ask: Ask
) -> Generator[Command, Replied, tuple[Asked, ...]]:
    """Ask for those that were one too many in a transaction of their own, without a message.

    Without a reply to that, the first one stands.
    """
    again = one_too_many(recipients)
    envelopes = [Envelope(sender, each.address) for each in again]
    outcomes = yield from transactions(envelopes, offered, ask)
    answered = {
        each.address: each._replace(outcome=outcome, apart=True)
        for each, outcome in zip(again, outcomes)
        if outcome.reply is not None
    }
    return tuple(answered.get(each.address, each) for each in recipients)


def transactions(
    envelopes: Sequence[Envelope], offered: Extensions, ask: Ask
) -> Generator[Command, Replied, list[StageOutcome]]:
    """MAIL, RCPT and RSET for each of ``envelopes``."""
    outcomes = []
    for envelope in envelopes:
        outcomes.append((yield from _transaction(envelope, offered, ask)))
    return outcomes


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

"""The receipt: what Exchange says of a message that it has taken (the reply to the final dot).

``250 2.6.0 <id> [InternalId=110, Hostname=mail1.contoso.com] 1590 bytes in 0.103, 15.038 KB/sec
Queued mail for delivery``: its Message-ID and host are what Get-MessageTrackingLog is asked for.
"""

from __future__ import annotations

from ..names import DIGITS
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage

if TYPE_CHECKING:
    from typing import Optional

    from ..protocol.reply import Reply
    from ..protocol.stages import Session

#: Longest parts that are believed.
_MOST_OF_ID, _MOST_OF_HOST, _MOST_DIGITS = 995, 255, 20


class Receipt(NamedTuple):
    """What the server says it did with the message; empty where it said nothing."""

    #: With its angle brackets.
    message_id: str = ""
    #: Server that queued the message, which may stand behind the one that was asked.
    host: str = ""
    #: Exchange's number of the message in its queue database.
    internal_id: str = ""


def of_session(session: Session) -> Optional[Receipt]:
    """The receipt that the server gave for the message, or ``None`` if it gave none."""
    outcome = session.outcome(Stage.MESSAGE)
    if outcome is None or not outcome.passed or outcome.reply is None:
        return None
    return parse(outcome.reply)


def parse(reply: Reply) -> Optional[Receipt]:
    """The receipt in ``reply``, or ``None`` if it has none of its parts.

    Seen from Exchange 2000 to Exchange Online: with and without the brackets, "Internal Id", a
    decimal comma, and text around it from gateways that wrap the reply of the server behind them.
    """
    # Without patterns, three of which would take as long to compile as the message to be sent.
    text = reply.text
    number = _behind(("internalid", "internal id"), text)
    digits = number[: len(number) - len(number.lstrip(DIGITS))]
    receipt = Receipt(
        _message_id(text),
        _behind(("hostname",), text)[:_MOST_OF_HOST],
        digits[:_MOST_DIGITS],
    )
    return receipt if any(receipt) else None


def _message_id(text: str) -> str:
    for begun in text.split("<")[1:]:
        inside, closed, _ = begun.partition(">")
        if closed and inside.split() == [inside] and len(inside) <= _MOST_OF_ID:
            return f"<{inside}>"
    return ""


def _behind(words: tuple[str, ...], text: str) -> str:
    """The word behind one of ``words`` (in lower case) and an equals sign; empty if none is."""
    parts = text.split("=")
    for name, value in zip(parts, parts[1:]):
        name = name.rstrip().lower()
        word = next(filter(name.endswith, words), "")
        # The end of a longer word, as in "ServerHostname", is none of them.
        if word and not name[: -len(word)][-1:].isalnum():
            for end in ",;])":
                value = value.partition(end)[0]
            return (value.split() or [""])[0]
    return ""

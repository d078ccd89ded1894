"""Recognises replies that belong to an earlier command.

If a balancer sends bytes of its own first (PROXY protocol), the server replies to them, and every
later reply comes one command late.  Then the 250 to MAIL would seem to accept the recipient, and
the refusal of the recipient would seem to answer RSET.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .conversation import Fault
from .reply import UNKNOWN_COMMAND

if TYPE_CHECKING:
    from .conversation import Replied
    from .reply import Reply


def fault(words: str) -> Fault:
    """The fault of replies that belong to earlier commands."""
    return Fault(Cause.OUT_OF_STEP, f"replies are out of step: {words}")


def proof(command: str, answer: Replied, refused: bool = False) -> str:
    """The proof that the answer to ``command`` belongs to an earlier one; or empty.

    It proves nothing if the server closes, is silent or does not know the command.

    :param command: RSET or QUIT
    :param refused: whether DATA was refused before, so that 503 would be the answer to DATA if the
        refusal is that of the recipient
    """
    if answer.reply is not None:
        of_another = {354, *([250] if command == "QUIT" else []), *([503] if refused else [])}
        moved = answer.reply.code in of_another or _is_for_address(answer.reply)
        return f"{command} was answered with '{answer.reply}'" if moved else ""
    if answer.fault is None or answer.fault.cause is not Cause.OUT_OF_TURN:
        return ""
    line = answer.fault.received.partition("\n")[0].strip()
    code = line[:3]
    harmless = not code.isdecimal() or int(code) in (221, 421, *UNKNOWN_COMMAND)
    return "" if harmless else f"'{line}' came without a command"


def _is_for_address(reply: Reply) -> bool:
    """Whether ``reply`` can only answer MAIL or RCPT, by its code (RFC 5321 4.3.2).

    450, 452, 530, 550 to 553 and 555 refuse an address or a transaction.  451 and 554 can answer
    anything, unless the enhanced code is about an address, a mailbox or a policy (RFC 3463 3).
    """
    if reply.code in (450, 452, 530, 550, 551, 552, 553, 555):
        return True
    return reply.code in (451, 554) and reply.enhanced[2:].partition(".")[0] in ("1", "2", "7")

"""The receipt: what Exchange says of a message that it has taken (the reply to the final dot).

``250 2.6.0 <id> [InternalId=110, Hostname=mail1.contoso.com] 1590 bytes in 0.103, 15.038 KB/sec
Queued mail for delivery``: its Message-ID and host are what Get-MessageTrackingLog is asked for.
"""

from __future__ import annotations

import re

from .record import TYPE_CHECKING, NamedTuple
from .reply import Reply

if TYPE_CHECKING:
    from typing import Optional

# Seen from Exchange 2000 to Exchange Online: with and without the brackets, "Internal Id", a
# decimal comma, and text around it from gateways that wrap the reply of the server behind them.
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,995}>")
_HOST = re.compile(r"\bHostname\s*=\s*([^\s,;\]]{1,255})", re.IGNORECASE)
_INTERNAL_ID = re.compile(r"\bInternal\s?Id\s*=\s*([0-9]{1,20})", re.IGNORECASE)


class Receipt(NamedTuple):
    """What the server says it did with the message; empty where it said nothing."""

    #: With its angle brackets.
    message_id: str = ""
    #: Server that queued the message, which may stand behind the one that was asked.
    host: str = ""
    #: Exchange's number of the message in its queue database.
    internal_id: str = ""


def parse(reply: Reply) -> Optional[Receipt]:
    """The receipt in ``reply``, or ``None`` if it has none of its parts."""
    text = reply.text
    message_id, host, internal_id = (
        pattern.search(text) for pattern in (_MESSAGE_ID, _HOST, _INTERNAL_ID)
    )
    if not (message_id or host or internal_id):
        return None
    return Receipt(
        message_id[0] if message_id else "",
        host[1] if host else "",
        internal_id[1] if internal_id else "",
    )

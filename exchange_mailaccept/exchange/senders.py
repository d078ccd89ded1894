"""What it means that one kind of sender is accepted and another is not."""

from __future__ import annotations

from ..protocol.conversation import Asked
from ..record import TYPE_CHECKING, Enum, NamedTuple
from ..vocabulary import Kind, Verdict
from .diagnosis import Diagnosis
from .pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Optional


class Contrast(NamedTuple):
    """A kind of sender that is accepted beside one that is not."""

    #: For the first line.
    words: str
    diagnosis: Diagnosis


class _Sender(Enum):
    OWN = "own"
    NULL = "null"
    OTHER = "other"


#: Exchange takes mail of its own domains longer than that of others.
_PRESSURE = Contrast(
    "senders of the own domain pass and others are deferred: back pressure, medium",
    Diagnosis(
        Kind.LOAD,
        "Under medium back pressure Exchange takes mail of its own domains only, and all mail from"
        " outside waits",
        "Get-Queue; free memory, and free space on the disk of the queue database; events 15004 to"
        " 15007 of MSExchangeTransport.",
        PAGES["back-pressure"].address,
        "queues",
    ),
)
_DIRECT_SEND = Contrast(
    "only senders of the own domain are refused: Direct Send",
    Diagnosis(
        Kind.PROBE,
        "The server refuses its own domain as the sender of mail from outside (Direct Send), so"
        " devices and services that send in its name lose their mail",
        "Exchange Online: Get-OrganizationConfig, RejectDirectSend; New-InboundConnector for those"
        " who must send. Exchange Server: Get-SenderFilterConfig, BlockedDomains, and"
        " ms-Exch-SMTP-Accept-Authoritative-Domain-Sender of the connector.",
        PAGES["ndr-online"].address,
        "mail-flow",
    ),
)
_BOUNCES = Contrast(
    "only the null sender is refused: bounces are lost",
    Diagnosis(
        Kind.POLICY,
        "Delivery reports and automatic replies come from the null sender, and are lost"
        " (RFC 5321 4.5.5)",
        "Look for a filter that refuses empty senders: Get-SenderFilterConfig,"
        " BlankSenderBlockingEnabled; or a gateway's check of senders.",
        PAGES["connectors"].address,
        "mail-flow",
    ),
)


def contrast(tried: Sequence[Asked], own: Collection[str]) -> Optional[Contrast]:
    """The contrast between those of the senders ``tried`` that pass and those that do not.

    :param own: the own domains, in lower case
    """
    passed = {_kind(each, own) for each in tried if each.outcome.passed}
    deferred = {_kind(each, own) for each in tried if each.outcome.verdict is Verdict.DEFERRED}
    refused = {_kind(each, own) for each in tried if each.outcome.verdict is Verdict.REFUSED}
    if _Sender.OWN in passed and _Sender.OTHER in deferred and _Sender.OTHER not in passed:
        return _PRESSURE
    if _Sender.OWN in refused and _Sender.OWN not in passed and _Sender.OTHER in passed:
        return _DIRECT_SEND
    if _Sender.NULL in refused | deferred and passed:
        return _BOUNCES
    return None


def _kind(tried: Asked, own: Collection[str]) -> _Sender:
    if not tried.address:
        return _Sender.NULL
    domain = tried.address.rpartition("@")[2].lower()
    return _Sender.OWN if domain in own else _Sender.OTHER

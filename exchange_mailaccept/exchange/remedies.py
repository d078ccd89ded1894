"""The meaning and next step of findings other than a failed stage, and of senders that differ."""

from __future__ import annotations

from ..cli.words import ADDRESS, MX_SET, RELAY, SIZE, UNKNOWN_RECIPIENT, UNTRUSTED
from ..protocol.conversation import Asked
from ..record import TYPE_CHECKING, Enum, NamedTuple
from ..vocabulary import Kind, Verdict
from .diagnosis import Diagnosis
from .pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Optional

#: A threshold is violated.
SLOW = Diagnosis(
    Kind.LOAD,
    "A stage, or the whole run, took longer or shorter than its range allows",
    "Compare the stages below with a good run: connect is the network, banner and ehlo are name"
    " lookups, the rest is the transport service: Get-Queue; free disk and memory.",
    PAGES["back-pressure"].address,
    "queues",
)
#: The certificate has expired or has few days left.
EXPIRING = Diagnosis(
    Kind.TLS,
    "The certificate has expired or soon will; senders that verify it send no mail then",
    "Renew it, then Enable-ExchangeCertificate -Thumbprint ID -Services SMTP;"
    " Get-ExchangeCertificate shows NotAfter and Services.",
    PAGES["connectors"].address,
    "mail-flow",
)

#: The certificate can't be read, though an option needs its date.
UNREADABLE = Diagnosis(
    Kind.PROBE,
    "The Python package cryptography, which reads a certificate that is not verified, can't read"
    " the server's",
    "Try python3 -c 'import cryptography.x509' with the Python of this check and reinstall the "
    "package if that fails; otherwise look at the certificate, or use --verify.",
    "",
    "mail-flow",
)
#: TLS was not begun, though an option needs it.
NOT_SHOWN = Diagnosis(
    Kind.TLS,
    "Nothing was found out about TLS or the certificate, because the session stayed in plain text;"
    " Exchange stops offering STARTTLS when no usable certificate is bound to SMTP",
    "Get-ExchangeCertificate: is one that is valid enabled for SMTP? Look for events 12014 and"
    " 12016 on the server, and for a firewall that inspects SMTP. With -S this is CRITICAL.",
    PAGES["connectors"].address,
    "mail-flow",
)
#: Other findings by their keys of ``--severity``.
REMEDIES = {
    UNTRUSTED: Diagnosis(
        Kind.TLS,
        "Senders that verify certificates, by MTA-STS or a connector of their own, send no mail"
        " here",
        "Bind a certificate of a public authority for this name to SMTP:"
        " Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; and send its intermediate.",
        PAGES["connectors"].address,
        "mail-flow",
    ),
    ADDRESS: Diagnosis(
        Kind.SERVER,
        "One of the server's addresses takes no mail; senders that choose it wait, or give up",
        "Does the Receive connector listen there (Get-ReceiveConnector, Bindings)? Otherwise take"
        " the address out of DNS.",
        PAGES["dns"].address,
        "dns",
    ),
    SIZE: Diagnosis(
        Kind.CONNECTOR,
        "Senders that obey SIZE (RFC 1870) return larger messages without trying; a limit below"
        " 1,000,000 bytes refuses much ordinary mail",
        "Get-ReceiveConnector and Get-TransportConfig show MaxMessageSize and MaxReceiveSize.",
        PAGES["connectors"].address,
        "mail-flow",
    ),
    MX_SET: Diagnosis(
        Kind.RECIPIENT,
        "The domain's MX records are not those that --expect-mx names; a part of its mail goes to"
        " other servers, or waits",
        "nslookup -type=MX DOMAIN; ask who changed the zone. During a planned move, name the old"
        " and the new MX until it is over.",
        PAGES["dns"].address,
        "dns",
    ),
}

#: A recipient was accepted that must be refused, by the key of the finding.
DOORS = {
    RELAY: Diagnosis(
        Kind.CONNECTOR,
        "An open relay, unless a connector allows this host's address to relay. Spammers use "
        "open relays, and block lists then list the server",
        "Test from outside, from an address that no connector names. On the server:"
        " Get-ReceiveConnector and its Get-ADPermission: is ms-Exch-SMTP-Accept-Any-Recipient given"
        " to ANONYMOUS LOGON? Compare RemoteIPRanges and PermissionGroups.",
        PAGES["connectors"].address,
        "mail-flow",
    ),
    UNKNOWN_RECIPIENT: Diagnosis(
        Kind.RECIPIENT,
        "The server accepts mail for a recipient that does not exist and must return it later, to"
        " senders who are often forged; Exchange 2013 and later may refuse it only after DATA,"
        " which is not tested",
        "Edge or hub: Get-RecipientFilterConfig, RecipientValidationEnabled; Exchange Online:"
        " Get-AcceptedDomain, DomainType Authoritative for Edge Blocking. A gateway in front "
        "must know the recipients itself.",
        PAGES["edge-blocking"].address,
        "postmaster",
    ),
}
#: A recipient that must be refused could not be tested.
NOT_TESTED = Diagnosis(
    Kind.PROBE,
    "The recipient was neither accepted nor refused for good, so nothing is known about it",
    "Run the check by hand with -vv. If no time was left: Exchange holds back each refusal for 5"
    " seconds, which -t must allow for.",
    "",
    "mail-flow",
)
#: What it means that some sessions with a server fail and others do not.
ONE_NODE = Diagnosis(
    Kind.SERVER,
    "One of the servers behind this name fails or is slow. Senders that happen to reach it wait, "
    "or their mail is returned",
    "Take the node out of the balancer: its name is in the greeting, or test each server with -H."
    " Then let the balancer look at more than the port, for example at the greeting.",
    PAGES["connectors"].address,
    "mail-flow",
)


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
    if _Sender.NULL in refused and passed:
        return _BOUNCES
    return None


def _kind(tried: Asked, own: Collection[str]) -> _Sender:
    if not tried.address:
        return _Sender.NULL
    domain = tried.address.rpartition("@")[2].lower()
    return _Sender.OWN if domain in own else _Sender.OTHER

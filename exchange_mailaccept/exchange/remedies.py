"""The meaning and next step of findings other than a failed stage."""

from __future__ import annotations

from ..cli.words import ADDRESS, MX_SET, RELAY, SIZE, UNKNOWN_RECIPIENT, UNTRUSTED
from ..vocabulary import Kind
from .diagnosis import Diagnosis
from .pages import PAGES

#: A threshold is violated.
SLOW = Diagnosis(
    Kind.LOAD,
    "What is out of range is the time that a stage took, or the whole",
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
    "Try python3 -c 'import cryptography.x509' with the Python of this check and install the"
    " package anew if that fails; else look at the certificate; or give --verify.",
    "",
    "mail-flow",
)
#: TLS was not begun, though an option needs it.
NOT_SHOWN = Diagnosis(
    Kind.TLS,
    "Nothing was found out about TLS or the certificate, for the session stayed in plain text;"
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
        "Does the Receive connector listen there (Get-ReceiveConnector, Bindings)? Else take the"
        " address out of DNS.",
        PAGES["dns"].address,
        "dns",
    ),
    SIZE: Diagnosis(
        Kind.CONNECTOR,
        "Senders that heed SIZE (RFC 1870) return larger messages without trying; a limit below"
        " 1,000,000 bytes refuses much of ordinary mail",
        "Get-ReceiveConnector and Get-TransportConfig show MaxMessageSize and MaxReceiveSize.",
        PAGES["connectors"].address,
        "mail-flow",
    ),
    MX_SET: Diagnosis(
        Kind.RECIPIENT,
        "The domain's MX records are not those that --expect-mx names; a part of its mail goes to"
        " other servers, or waits",
        "nslookup -type=MX DOMAIN; ask who changed the zone. Of a move that is meant, name the old"
        " and the new MX until it is over.",
        PAGES["dns"].address,
        "dns",
    ),
}

#: A recipient was accepted that must be refused, by the key of the finding.
DOORS = {
    RELAY: Diagnosis(
        Kind.CONNECTOR,
        "An open relay, by which spammers send and the server's address gets listed; unless a"
        " connector lets this host's address relay",
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
        " Get-AcceptedDomain, DomainType Authoritative for Edge Blocking. A gateway in front has to"
        " know the recipients itself.",
        PAGES["edge-blocking"].address,
        "postmaster",
    ),
}
#: A recipient that must be refused could not be tested.
NOT_TESTED = Diagnosis(
    Kind.PROBE,
    "The recipient was neither accepted nor refused for good, so that nothing is known of it",
    "Run the check by hand with -vv. If no time was left: Exchange holds back each refusal for 5"
    " seconds, which -t must allow for.",
    "",
    "mail-flow",
)
#: What it means that some sessions with a server fail and others do not.
ONE_NODE = Diagnosis(
    Kind.SERVER,
    "One of the servers behind this name fails or is slow, so senders meet it by chance: they wait,"
    " or their mail is returned",
    "Take the node out of the balancer: its name is in the greeting, or test each server with -H."
    " Then let the balancer look at more than the port, for example at the greeting.",
    PAGES["connectors"].address,
    "mail-flow",
)

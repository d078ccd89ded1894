"""This probe is refused for the name that its address, its domain or its message has.

The kind is that of ``probe``: mail of others may flow.
"""

from __future__ import annotations

from ...vocabulary import Generation, Kind, Stage
from .row import ANYWHERE, TRANSACTION, Row

ROWS: tuple[Row, ...] = (
    Row(
        "ip-banned",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans the address of this monitoring host; mail from others may be "
        "accepted",
        "Request removal at https://sender.office.com/ or monitor from another address.",
        "550 5.7.606 Access denied, banned sending IP [203.0.113.74]. To request removal from "
        "this list please visit https://sender.office.com/ and follow the directions. "
        "(AS16012609)",
        enhanced=("5.7.606-649",),
        page="ndr-online",
        played_at=Stage.RCPT,
    ),
    Row(
        "block-list-provider",
        TRANSACTION,
        Kind.PROBE,
        "The connection filter found the address of this monitoring host on a block list",
        "Add-IPAllowListEntry -IPAddress ADDRESS; Get-IPBlockListProvider and "
        "Get-IPBlockListEntry show who lists it.",
        "550 5.7.1 Recipient not authorized, your IP has been found on a block list",
        # The filter's own words; "Client does not" are the connector's.
        texts=("found on a block list", "External client with IP address"),
        page="ndr",
    ),
    Row(
        "ip-throttled",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online throttles addresses that are new or send irregularly, its kind of "
        "greylisting; mail from others may be accepted",
        "Wait for the next checks; if it stays, look at the service health of Microsoft 365; own "
        "servers of a hybrid organization need an inbound connector (New-InboundConnector).",
        "451 4.7.500 Server busy. Please try again later from [203.0.113.10]. (AS77712344)",
        enhanced=("4.7.500-649", "4.7.652-699"),
        page="ndr-online",
        this_probe=True,
        played_at=Stage.RCPT,
    ),
    Row(
        "ip-reputation",
        ANYWHERE,
        Kind.PROBE,
        "Outlook.com limits this address for its reputation",
        "Look at its standing in Microsoft's SNDS, or monitor from another address.",
        "451 4.7.650 The mail server [203.0.113.10] has been temporarily rate limited due to IP "
        "reputation. (S3114)",
        enhanced=("4.7.650-651",),
        page="ndr-online",
        this_probe=True,
        played_at=Stage.RCPT,
    ),
    Row(
        "ip-blocked-by-outlook",
        ANYWHERE,
        Kind.PROBE,
        "Microsoft's own block list has the network or the address of this monitoring host "
        "(Outlook.com and Exchange Online)",
        "Ask Microsoft for removal at https://sender.office.com/ or with its form for senders "
        "(SNDS), or monitor from another address.",
        "550 5.7.1 Unfortunately, messages from [203.0.113.10] weren't sent; part of their network "
        "is on our block list (S3140)",
        texts=("S3140", "S3150", "FBLW15", "on our block list", "weren't sent"),
        page="ndr-online",
    ),
    Row(
        "ip-not-trusted",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online defers this address until it is known, or because of what it has sent",
        "Wait for the next checks; if it stays, ask Microsoft and quote the reply, or monitor from "
        "another address.",
        "451 4.7.66 Access denied, please try again later",
        enhanced=("4.7.66",),
        page="ndr-online",
        this_probe=True,
    ),
    Row(
        "ip-suspicious",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online saw suspicious activity from this address",
        "Wait; look for other senders behind the same address; if it stays, ask Microsoft and "
        "quote the reply.",
        "451 4.7.850 Access denied, please try again later",
        enhanced=("4.7.850-899",),
        page="ndr-online",
        this_probe=True,
        played_at=Stage.RCPT,
    ),
    Row(
        "ipv6-without-ptr",
        ANYWHERE,
        Kind.PROBE,
        "Over IPv6 Exchange Online takes mail only from addresses with a reverse DNS record",
        "Give the monitor's IPv6 address a PTR record, or use -4.",
        "550 5.7.25 Service unavailable, sending IPv6 address must have a reverse DNS record",
        enhanced=("*.7.25",),
        texts=("IPv6",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.RCPT,
    ),
    Row(
        "client-without-ptr",
        ANYWHERE,
        Kind.PROBE,
        "The server takes mail only from addresses with a reverse DNS record (RFC 7372)",
        "Give the monitor's address a PTR record whose name resolves back to it.",
        "550 5.7.25 Client host rejected: cannot find your reverse hostname, [203.0.113.1]",
        enhanced=("*.7.25",),
        page="dns",
        begin="dns",
    ),
    Row(
        "ipv6-unauthenticated",
        ANYWHERE,
        Kind.PROBE,
        "Over IPv6 Exchange Online takes only mail that passes SPF or DKIM",
        "List the monitor in the SPF record of the --from domain, or use -4.",
        "450 4.7.26 Service does not accept messages sent over IPv6 unless they pass either SPF "
        "or DKIM validation (message not signed)",
        enhanced=("*.7.26",),
        texts=("IPv6",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "sender-unauthenticated",
        ANYWHERE,
        Kind.PROBE,
        "The server takes only mail that passes SPF or DKIM (RFC 7372)",
        "List the monitor in the SPF record of the --from domain, or use a --from whose domain "
        "lists it.",
        "550 5.7.26 This mail is blocked because the sender is unauthenticated",
        enhanced=("*.7.26",),
        page="dns",
        begin="dns",
    ),
    Row(
        "ipv6-not-accepted",
        ANYWHERE,
        Kind.PROBE,
        "The tenant has not opted in to mail over IPv6",
        "Use -4.",
        "550 5.7.510 Access denied, contoso.com does not accept email over IPv6",
        enhanced=("5.7.510",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.RCPT,
    ),
    Row(
        "ipv6-range-limit",
        ANYWHERE,
        Kind.PROBE,
        "The IPv6 range of this monitoring host has sent more than Exchange Online permits",
        "Use -4, or check less often.",
        "550 5.7.508 Access denied, [2001:db8::1] has exceeded permitted limits within "
        "[2001:db8::/64] range",
        enhanced=("5.7.508",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.RCPT,
    ),
    Row(
        "tenant-block-list",
        ANYWHERE,
        Kind.PROBE,
        "The tenant's own block list refuses this sender or address",
        "Take the monitor off: its address in Get-HostedConnectionFilterPolicy (IPBlockList), the "
        "sender in Get-TenantAllowBlockListItems -ListType Sender.",
        "550 5.7.513 Service unavailable, Client host [203.0.113.10] blocked by contoso.com "
        "using Customer Block list (AS16012607)",
        enhanced=("5.7.507", "5.7.513"),
        page="ndr-online",
        played_at=Stage.RCPT,
    ),
    Row(
        "sender-banned",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans this sender or address for spam",
        "Use another --from, or another address; an own account is lifted under restricted "
        "entities in the Defender portal; otherwise ask Microsoft to delist it.",
        "550 5.7.502 Access denied, banned sender",
        enhanced=("5.7.501-503", "5.7.511"),
        page="ndr-online",
    ),
    Row(
        "sender-domain-banned",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans a domain of this probe: of the EHLO name, of the reverse-path or "
        "of the From header",
        "Use other domains for --fqdn and --from, or ask Microsoft.",
        "550 5.7.800 Access denied, banned sender",
        enhanced=("5.7.800",),
        page="ndr-online",
    ),
    Row(
        "tenant-blocked",
        ANYWHERE,
        Kind.PROBE,
        "The sending tenant is blocked: over its threshold, unregistered domains, or too new",
        "Fix the cause (compromised accounts, missing domains), then ask Microsoft to lift it; "
        "test with another --from.",
        "550 5.7.705 Access denied, tenant has exceeded threshold",
        enhanced=("5.7.703", "5.7.705", "5.7.708", "5.7.750"),
        page="ndr-online",
        played_at=Stage.RCPT,
    ),
    Row(
        "content-filter",
        TRANSACTION,
        Kind.PROBE,
        "The content filter judged this probe to be spam; other mail may be accepted",
        "Set-ContentFilterConfig -BypassedSenders @{add='SENDER'} (the --from), or "
        "Add-IPAllowListEntry; keep --subject plain.",
        "550 5.7.1 Message rejected as spam by Content Filtering.",
        texts=("spam by Content Filtering",),
        page="ndr",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "message-filter-2003",
        (Stage.MESSAGE,),
        Kind.PROBE,
        "The Intelligent Message Filter of Exchange 2003 judged this probe to be spam",
        "In System Manager: Global Settings, Message Delivery, Intelligent Message Filter; keep "
        "--subject plain.",
        "550 5.7.1 Requested action not taken: message refused",
        texts=("Requested action not taken: message refused",),
        generations=(Generation.E2000_2003, Generation.E2003),
    ),
    Row(
        "dmarc",
        ANYWHERE,
        Kind.PROBE,
        "The sender's domain publishes DMARC reject and this probe passes neither SPF nor DKIM, "
        "as with the historic Fabrikam.com",
        "Use a --from in a domain of yours (another tenant than the tested one) whose SPF "
        "record lists the monitor.",
        "550 5.7.509 Access denied, sending domain [fabrikam.com] does not pass DMARC verification",
        enhanced=("5.7.509",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "sender-authentication-level",
        ANYWHERE,
        Kind.PROBE,
        "Outlook.com requires SPF, DKIM and DMARC of domains that send much mail, and this one "
        "lacks them",
        "Use a --from in another domain, or publish the records and sign.",
        "550 5.7.515 Access denied, sending domain contoso.com does not meet the required "
        "authentication level",
        enhanced=("5.7.515",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "spf",
        ANYWHERE,
        Kind.PROBE,
        "The SPF record of the sender's domain does not list this monitoring host",
        "Use a --from in a domain of yours and list the monitor's address in its SPF record.",
        "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
        enhanced=("*.7.23",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "quarantined",
        ANYWHERE,
        Kind.PROBE,
        "The content filter put this probe into the quarantine",
        "Set-ContentFilterConfig -BypassedSenders @{add='SENDER'} (the --from), or "
        "Add-IPAllowListEntry.",
        "550 5.2.1 Content Filter agent quarantined this message",
        texts=("agent quarantined",),
        page="ndr",
        played_at=Stage.MESSAGE,
    ),
)

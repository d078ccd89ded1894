"""This probe is refused, or could not be made, while mail of others may flow."""

from __future__ import annotations

from ...vocabulary import Cause, Generation, Kind, Stage
from .row import ANYWHERE, BANNER, MX, ONLINE, OPENING, TRANSACTION, Row

ROWS: tuple[Row, ...] = (
    Row(
        "resolver-refuses",
        MX,
        Kind.PROBE,
        "The DNS server that was asked does not resolve names for this host, so nothing is "
        "known of the mail server",
        "Name a resolver that serves the monitoring host with --nameserver or in "
        "/etc/resolv.conf, or permit recursion for it on the DNS server.",
        "no name server answered: REFUSED from 192.0.2.53",
        causes=(Cause.RESOLVER_REFUSES,),
        begin="dns",
    ),
    Row(
        "resolver-silent",
        MX,
        Kind.PROBE,
        "No resolver that was asked (--nameserver, or the monitoring host's own) gives an answer, "
        "so nothing is known of the mail server",
        "Check /etc/resolv.conf and port 53 from the monitoring host, or name another resolver "
        "with --nameserver.",
        "no name server answered: 192.0.2.53 timed out",
        causes=(
            Cause.RESOLVER,
            Cause.SILENT,
        ),
        begin="dns",
    ),
    Row(
        "own-side",
        ANYWHERE,
        Kind.PROBE,
        "The monitoring host itself could not do this step, so nothing is known of the server",
        "Check --source-address, -4 or -6, the given files and the limits of the monitoring host.",
        "cannot assign requested address",
        causes=(Cause.OWN_SIDE,),
        begin="dns",
    ),
    Row(
        "too-busy",
        ANYWHERE,
        Kind.PROBE,
        "The monitoring host did not let the check run, so that the server was left too little "
        "time; nothing is known of the server",
        "See what keeps the monitoring host busy or suspends it (load, steal time of a virtual "
        "machine), run fewer checks at the same time, or raise --timeout.",
        "this host was too busy, the check could not run for 9.8s",
        causes=(Cause.TOO_BUSY,),
        begin="mail-flow",
    ),
    Row(
        "no-turn",
        (Stage.CONNECT,),
        Kind.PROBE,
        "The time was over before the server's turn came: those before it took it all",
        "Raise --timeout or --parallel, or test slow servers by checks of their own (-H).",
        "no time was left to connect",
        causes=(Cause.NO_TURN,),
    ),
    Row(
        "interrupted",
        ANYWHERE,
        Kind.PROBE,
        "The run was told to end before it had an answer: the scheduler allows it less time than "
        "--timeout, or somebody stopped it",
        "Give the check a timeout some seconds above --timeout (50 without it), or a shorter "
        "--timeout.",
        "interrupted by SIGTERM",
        causes=(Cause.INTERRUPTED,),
        begin="mail-flow",
    ),
    Row(
        "connect-forbidden",
        (Stage.CONNECT,),
        Kind.PROBE,
        "Something forbids the connection: SELinux on the monitoring host, or, over IPv6, a "
        "firewall on the way",
        "On the monitoring host: ausearch -m AVC -ts recent shows what SELinux denied; else try "
        "with -4, and ask for the firewall.",
        "permission denied",
        causes=(Cause.FORBIDDEN,),
        page="ports",
        begin="dns",
    ),
    Row(
        "online-unreachable",
        (Stage.CONNECT, Stage.BANNER),
        Kind.PROBE,
        "The monitoring host does not get through to Exchange Online: many providers and clouds "
        "block outgoing connections to port 25",
        "Test-NetConnection HOST -Port PORT from another network: if it works there, have the "
        "port opened for this host, or check from that network; else see the service health.",
        "within 50s",
        causes=(
            Cause.SILENT,
            Cause.NO_ANSWER,
            Cause.REFUSED,
            Cause.UNREACHABLE,
            Cause.RESET,
            Cause.CLOSED,
        ),
        generations=ONLINE,
        page="online",
        begin="dns",
    ),
    Row(
        "client-refused-at-banner",
        OPENING,
        Kind.PROBE,
        "The server or a gateway refuses this client for a reason of policy, before any command",
        "Search the text in the gateway's log or in the protocol log of the Receive connector "
        "(RemoteIPRanges, Get-IPBlockListEntry), and allow the monitor's address there.",
        "554 5.7.1 You may not connect",
        codes=(521, 550, 553, 554, 571),
        enhanced=("5.7.0-1",),
        page="protocol-logging",
    ),
    Row(
        "client-denied-at-banner",
        BANNER,
        Kind.PROBE,
        "The server takes no mail from this client (521): an access list or a block list of "
        "Postfix's postscreen, or of another server in front",
        "Search the monitor's address in the log of the server in front, and allow it there.",
        "521 5.3.2 Service currently unavailable",
        codes=(521,),
        texts=("Service currently unavailable",),
    ),
    Row(
        "ehlo-name-bad",
        ANYWHERE,
        Kind.PROBE,
        "The name given in EHLO is judged bogus",
        "Give the monitor's own fully qualified name with --fqdn, one that DNS resolves to its "
        "address and back.",
        "550 5.7.7 Access Denied, bad EHLO",
        enhanced=("5.7.7",),
        words=(
            "Access Denied, bad EHLO",
            "Access Denied, bad HELO",
        ),
        texts=("Access denied, bad EHLO", "Access denied, bad HELO", "bad EHLO", "bad HELO"),
        page="ndr-online",
        begin="dns",
        played_at=Stage.EHLO,
    ),
    Row(
        "ehlo-name-stolen",
        ANYWHERE,
        Kind.PROBE,
        "The client called itself in EHLO by the name of the server it talks to",
        "Give the monitor's own name with --fqdn, never that of the target or its domain.",
        "550 5.7.506 Access Denied, Bad HELO",
        enhanced=("5.7.506",),
        page="ndr-online",
        begin="dns",
        played_at=Stage.EHLO,
    ),
    Row(
        "sender-denied",
        TRANSACTION,
        Kind.PROBE,
        "The sender filter blocks this sender, or the null sender",
        "Get-SenderFilterConfig (BlockedSenders, BlockedDomains, BlankSenderBlockingEnabled); "
        "use another --from.",
        "554 5.1.0 Sender denied",
        texts=("Sender denied",),
        page="ndr",
    ),
    Row(
        "sender-restricted",
        TRANSACTION,
        Kind.PROBE,
        "The sending account is blocked for spam or for too much mail",
        "Lift it under restricted entities in the Defender portal after the cause is mended, or "
        "use another account.",
        "550 5.1.8 Access denied, bad outbound sender",
        enhanced=("5.1.8",),
        texts=("outbound sender",),
        page="ndr-online",
    ),
    Row(
        "submission-refused",
        ANYWHERE,
        Kind.PROBE,
        "Exchange refuses what the sending account submits; the words behind STOREDRV.Submission "
        "say why",
        "Look at the account that logs on: its licence, its limits, whether it may send; or use "
        "another one.",
        "554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException",
        texts=("STOREDRV.Submission",),
        page="ndr-online",
    ),
    Row(
        "sender-domain-unknown",
        TRANSACTION,
        Kind.PROBE,
        "A gateway finds nothing in DNS for the sender's domain",
        "Use a --from in a domain that has an MX or an address; if this one has, look at the "
        "resolver of the gateway.",
        "550 5.1.8 nosuch.example is gone",
        enhanced=("*.1.8",),
        page="dns",
        begin="dns",
    ),
    Row(
        "sender-not-permitted",
        TRANSACTION,
        Kind.PROBE,
        "The sender is in a domain of the organization and this client may not use it, or the "
        "account lacks SendAs",
        "Use a --from outside the organization; or grant "
        "ms-Exch-SMTP-Accept-Authoritative-Domain-Sender on the connector (Add-ADPermission), "
        "or SendAs to the account.",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        codes=(550, 530, 554),
        enhanced=("5.7.1", "5.7.60"),
        words=(
            "SMTP; Client does not have permissions to send as",
            "Client does not have permissions to send as",
        ),
        texts=("permissions to send as this sender",),
        page="ndr",
    ),
    Row(
        "sender-not-permitted-code",
        TRANSACTION,
        Kind.PROBE,
        "The client may not send as this sender",
        "Use a --from outside the organization, or grant the account SendAs "
        "(Add-RecipientPermission, on premises Add-ADPermission).",
        "550 5.7.60 Sender refused",
        enhanced=("5.7.60",),
        page="ndr",
    ),
    Row(
        "direct-send",
        ANYWHERE,
        Kind.PROBE,
        "The tenant rejects Direct Send: an own domain as sender from a host that no connector "
        "knows",
        "Use a --from in another domain, or give the monitor a partner connector "
        "(New-InboundConnector); Get-OrganizationConfig shows RejectDirectSend.",
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization "
        "from unauthorized sources",
        enhanced=("5.7.68",),
        page="ndr-online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "exchange-out-of-date",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online throttles or blocks mail of an on-premises Exchange server that is out "
        "of date, over a connector of type OnPremises",
        "Bring the sending server to the latest update; the report on out-of-date servers in "
        "the admin center shows the dates and allows a pause.",
        "450 4.7.230 Connecting Exchange server version is out-of-date; connection to Exchange "
        "Online throttled",
        enhanced=("*.7.230",),
        page="ndr-online",
    ),
    Row(
        "ip-banned",
        ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans the address of this monitoring host; mail from others may flow",
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
        "greylisting; mail from others may flow",
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
        "Use another --from; an own account is lifted under restricted entities in the Defender "
        "portal; else ask Microsoft.",
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
        "Mend the cause (compromised accounts, missing domains), then ask Microsoft to lift it; "
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
        "The content filter holds the text of this probe for spam; other mail may flow",
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
        "The Intelligent Message Filter of Exchange 2003 takes this probe for spam",
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
        "Outlook.com wants SPF, DKIM and DMARC of domains that send much, and this one lacks them",
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

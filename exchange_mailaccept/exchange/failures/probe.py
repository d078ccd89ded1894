"""This probe is refused, or could not be made, while mail of others may flow."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import ANYWHERE, MX, ONLINE, OPENING, TRANSACTION, Row

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
        "firewall on the path",
        "On the monitoring host: ausearch -m AVC -ts recent shows what SELinux denied; otherwise "
        "try with -4, and ask for the firewall.",
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
        "port opened for this host, or check from that network; otherwise see the service health.",
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
        (Stage.BANNER, Stage.RCPT),
        Kind.PROBE,
        "The server takes no mail from this client: an access list or a block list of Postfix's "
        "postscreen, or of another server in front",
        "Search the monitor's address in the log of the server in front, and allow it there.",
        "521 5.3.2 Service currently unavailable",
        codes=(521, 550),
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
        "In EHLO the client gave the name of the server it is talking to",
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
)

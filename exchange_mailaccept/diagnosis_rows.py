"""The table behind the diagnosis: what Exchange answers, why, and what to do about it.

Pure data, ordered by the stage at which a reply is met first.  Sources: Microsoft's pages *DSNs and
NDRs in Exchange Server* and *Email non-delivery reports and SMTP errors in Exchange Online*, the
support articles named by their number, and logs that administrators have published.  Replies that
only senders see, in bounces or as a client, are not here; ``docs/failures/README.md`` lists them.
"""

from __future__ import annotations

from typing import NamedTuple

from .stages import Kind, Stage, Verdict


class Resource(NamedTuple):
    """One of the places to troubleshoot, from the server out to the network."""

    key: str
    #: Where it looks: from the server out to the network.
    level: str
    #: Title of today's page.
    title: str
    page: str
    #: What the original test named here.
    then: str


class Row(NamedTuple):
    """One thing that a server, or its silence, may mean."""

    #: Name, unique, and the anchor in the documentation.
    key: str
    #: Stages at which it is met; empty for all.
    stages: tuple[Stage, ...]
    kind: Kind
    cause: str
    next_step: str
    #: The reply verbatim that the row is made for; without a reply, the explanation.
    sample: str
    #: Reply codes; empty for all negative ones.
    codes: tuple[int, ...] = ()
    #: Enhanced status codes: ``5.7.54``, a range ``5.7.606-649``, ``*.7.230`` of any class.
    enhanced: tuple[str, ...] = ()
    #: Words of the text, one of which must be there, in whatever case.
    texts: tuple[str, ...] = ()
    #: Words of the recognised title, for what holds for that generation only; empty for all.
    generations: tuple[str, ...] = ()
    #: Verdicts of a stage that ended without a negative reply; then ``texts`` are of the
    #: explanation.
    verdicts: tuple[Verdict, ...] = ()
    page: str = ""
    #: Key of the :class:`Resource` with which to begin.
    begin: str = "mail-flow"


_LEARN = "https://learn.microsoft.com/exchange/"
#: Pages of Microsoft to read, by a short name.
PAGES = {
    "routing": _LEARN + "mail-flow/mail-routing/mail-routing",
    "pipeline": _LEARN + "mail-flow/mail-flow",
    "connectors": _LEARN + "mail-flow/connectors/receive-connectors",
    "telnet": _LEARN + "mail-flow/test-smtp-telnet",
    "back-pressure": _LEARN + "mail-flow/back-pressure",
    "protocol-logging": _LEARN + "mail-flow/connectors/protocol-logging",
    "tracking": _LEARN + "mail-flow/transport-logs/message-tracking",
    "connectivity": _LEARN + "mail-flow/transport-logs/connectivity-logging",
    "online": _LEARN + "mail-flow-best-practices/troubleshoot-mail-flow",
    "queues": _LEARN + "mail-flow/queues/queues",
    "queue-viewer": _LEARN + "mail-flow/queues/queue-viewer",
    "dns": (
        _LEARN + "plan-and-deploy/post-installation-tasks/configure-mail-flow-and-client-access"
    ),
    "ports": _LEARN + "plan-and-deploy/deployment-ref/network-ports",
    "postmaster": _LEARN + "mail-flow-best-practices/configure-external-postmaster-address",
    "edge-blocking": _LEARN + "mail-flow-best-practices/use-directory-based-edge-blocking",
    "ndr": (
        _LEARN + "mail-flow/non-delivery-reports-and-bounce-messages/"
        "non-delivery-reports-and-bounce-messages"
    ),
    "ndr-online": (
        _LEARN + "troubleshoot/email-delivery/ndr/non-delivery-reports-in-exchange-online"
    ),
}

#: Where to troubleshoot, in the original's order, from the server out to the network, and then the
#: recipient (Microsoft: *Mail Acceptance Failure*).
TROUBLESHOOTING = (
    Resource(
        "routing",
        "server",
        "Mail routing in Exchange Server",
        PAGES["routing"],
        "Troubleshooting Routing, in the Exchange Server 2003 Transport and Routing Guide",
    ),
    Resource(
        "mail-flow",
        "mail flow",
        "Use Telnet to test SMTP communication on Exchange servers",
        PAGES["telnet"],
        "KB 324867, Microsoft Exchange 2000 Server: Troubleshooting Mail Flow Problems (Revisited)",
    ),
    Resource(
        "queues",
        "queues",
        "Queues and messages in queues in Exchange Server",
        PAGES["queues"],
        "KB 823489, How to Use Queue Viewer to Troubleshoot Mail Flow Issues",
    ),
    Resource(
        "dns",
        "network",
        "Configure mail flow and client access on Exchange servers",
        PAGES["dns"],
        "KB 324759, Exchange 2000 Server: DNS Troubleshooting in Transports",
    ),
    Resource(
        "postmaster",
        "recipient",
        "Configure the external postmaster address in Exchange Online",
        PAGES["postmaster"],
        "KB 223860 and KB 313832, on the postmaster mailbox",
    ),
)

_MX = (Stage.MX,)
_CONNECT = (Stage.CONNECT,)
_BANNER = (Stage.BANNER,)
_EHLO = (Stage.EHLO,)
_STARTTLS = (Stage.STARTTLS,)
_AUTH = (Stage.AUTH,)
_MAIL = (Stage.MAIL,)
_RCPT = (Stage.RCPT,)
_DATA = (Stage.DATA,)
_MESSAGE = (Stage.MESSAGE,)
_OPENING = (Stage.BANNER, Stage.EHLO)
_SENDER = (Stage.AUTH, Stage.MAIL)
_ENVELOPE = (Stage.MAIL, Stage.RCPT)
#: A policy that one server applies at RCPT another applies after the final dot.
_TRANSACTION = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
_ADDRESSED = (Stage.RCPT, Stage.DATA, Stage.MESSAGE)
_CONTENT = (Stage.DATA, Stage.MESSAGE)
_ANYWHERE: tuple[Stage, ...] = ()

_ONLINE = ("Online",)
_GONE = ("closed", "reset")
_BROKEN = (Verdict.BROKEN,)
_TIMED_OUT = (Verdict.TIMED_OUT,)

_NO_SERVER = (
    Row(
        "domain-unknown",
        _MX,
        Kind.RECIPIENT,
        "DNS does not know the name, of the domain or of the mail server that its MX names, so "
        "no sender can reach it",
        "Check the spelling of -d or -H; then nslookup -type=MX DOMAIN and -type=NS DOMAIN, "
        "asked from outside: registration, delegation, the MX's target.",
        "contoso.com does not exist (NXDOMAIN)",
        texts=("does not exist",),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "null-mx",
        _MX,
        Kind.RECIPIENT,
        "The domain declares by a null MX (RFC 7505) that it takes no mail at all",
        "If it shall take mail, replace the MX record '0 .' by one that names the mail server; "
        "else test another domain.",
        "contoso.com accepts no mail (null MX, RFC 7505)",
        texts=("null MX",),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "mx-without-address",
        _MX,
        Kind.RECIPIENT,
        "DNS names no address for the mail server of the domain",
        "Look up the MX and its A or AAAA record (nslookup -type=MX DOMAIN) and add the missing "
        "one; with -4 or -6 the other family may be the only one.",
        "mail1.contoso.com has no address",
        texts=("no address", "no IPv4 address", "no IPv6 address"),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "dns-servfail",
        _MX,
        Kind.SERVER,
        "The DNS servers of the domain fail (SERVFAIL), or their signatures (DNSSEC) are not valid",
        "Ask each name server of the domain directly; compare with another resolver "
        "(--nameserver); check delegation, DS records and signatures.",
        "SERVFAIL from 192.0.2.53",
        texts=("SERVFAIL",),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "resolver-refuses",
        _MX,
        Kind.PROBE,
        "The DNS server that was asked does not resolve names for this host, so nothing is "
        "known of the mail server",
        "Name a resolver that serves the monitoring host with --nameserver or in "
        "/etc/resolv.conf, or permit recursion for it on the DNS server.",
        "REFUSED from 192.0.2.53",
        texts=("REFUSED", "referral and no answer", "NOTIMP", "FORMERR", "NOTAUTH"),
        verdicts=_BROKEN,
        begin="dns",
    ),
    Row(
        "dns-aliases",
        _MX,
        Kind.RECIPIENT,
        "The name leads through aliases (CNAME) in a circle or without end",
        "Follow it with nslookup -type=CNAME NAME, and let the domain's MX name a host with an "
        "address of its own (RFC 2181 10.3).",
        "alias loop from 192.0.2.53",
        texts=("alias loop", "too many aliases"),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "not-a-domain-name",
        _MX,
        Kind.RECIPIENT,
        "This is no name that DNS could be asked for",
        "Correct -d or -H; if it is right, correct the MX record that names such a host.",
        "mail..contoso.com is not a domain name",
        texts=("is not a domain name",),
        verdicts=_BROKEN,
        page=PAGES["dns"],
        begin="dns",
    ),
    Row(
        "resolver-silent",
        _MX,
        Kind.PROBE,
        "The monitoring host's own resolver gives no answer, so nothing is known of the mail "
        "server",
        "Check /etc/resolv.conf and port 53 from the monitoring host, or name another resolver "
        "with --nameserver.",
        "no name server answered: 192.0.2.53 timed out",
        texts=("name server", "nameserver", "resolver", "looked up"),
        verdicts=(Verdict.UNTESTED, Verdict.TIMED_OUT),
        begin="dns",
    ),
    Row(
        "not-listening",
        _CONNECT,
        Kind.SERVER,
        "The host is up, and nothing listens on this port",
        "On the server: Test-ServiceHealth, Get-Service MSExchangeFrontEndTransport, "
        "MSExchangeTransport (2003: SMTPSVC); start what is stopped; then check the bindings "
        "with Get-ReceiveConnector and the firewall.",
        "connection refused",
        texts=("refused",),
        verdicts=_BROKEN,
        page=PAGES["ports"],
        begin="mail-flow",
    ),
    Row(
        "connect-timeout",
        _CONNECT,
        Kind.SERVER,
        "The connection attempt stays without an answer: the host is down, or a firewall or "
        "provider drops packets to this port",
        "Try from inside the site (Test-NetConnection HOST -Port 25); if that works, check "
        "firewall, NAT and routing; outbound port 25 is often blocked by providers.",
        "within 50s",
        verdicts=_TIMED_OUT,
        page=PAGES["ports"],
        begin="dns",
    ),
    Row(
        "unreachable",
        _CONNECT,
        Kind.SERVER,
        "The network knows no way to this address",
        "Check routing and the address in DNS; for IPv6 without a route use -4; then try from "
        "another host.",
        "no route to host",
        texts=("no route", "unreachable", "no answer"),
        verdicts=_BROKEN,
        page=PAGES["ports"],
        begin="dns",
    ),
    Row(
        "connect-reset",
        _CONNECT,
        Kind.SERVER,
        "The connection was cut while it was opened: a firewall or balancer refuses it, or the "
        "service is just stopping",
        "Check rules of firewall and balancer for this client, then Test-ServiceHealth on the "
        "server.",
        "connection reset by the server",
        texts=_GONE,
        verdicts=_BROKEN,
        page=PAGES["ports"],
        begin="dns",
    ),
    Row(
        "own-side",
        _ANYWHERE,
        Kind.PROBE,
        "The monitoring host itself could not do this step, so nothing is known of the server",
        "Check --source-address, -4 or -6, the given files and the limits of the monitoring host.",
        "cannot assign requested address",
        verdicts=(Verdict.UNTESTED,),
        begin="dns",
    ),
    Row(
        "interrupted",
        _ANYWHERE,
        Kind.PROBE,
        "The run was told to end before it had an answer: the scheduler allows it less time than "
        "--timeout, or somebody stopped it",
        "Give the check a timeout some seconds above --timeout (50 without it), or a shorter "
        "--timeout.",
        "interrupted by SIGTERM",
        texts=("interrupted by",),
        verdicts=(Verdict.UNTESTED,),
        begin="mail-flow",
    ),
    Row(
        "no-banner",
        _BANNER,
        Kind.SERVER,
        "The connection stands and no greeting comes: the service hangs, a port forwarder, "
        "balancer or virus proxy has no server behind it, or the port wants TLS first",
        "On the server find who listens (netstat -ano, EdgeTransport.exe) and restart the "
        "transport; check the balancer's members and DNS from the gateway; use -s if TLS comes "
        "first.",
        "within 30s",
        verdicts=_TIMED_OUT,
        page=PAGES["telnet"],
    ),
    Row(
        "closed-without-banner",
        _BANNER,
        Kind.SERVER,
        "The server took the connection and closed it without a greeting: a balancer without a "
        "living member, an access list, or a service that is stopping",
        "Check the balancer's health monitor, firewall and the RemoteIPRanges of the connectors "
        "(Get-ReceiveConnector); then Test-ServiceHealth.",
        "connection closed by the server",
        texts=_GONE,
        verdicts=_BROKEN,
        page=PAGES["connectors"],
    ),
    Row(
        "no-smtp",
        _ANYWHERE,
        Kind.PROTOCOL,
        "What came is no SMTP: another service listens on this port, TLS is expected from the "
        "first byte, or a middlebox garbles the dialogue",
        "Check host and -p; use -s for TLS from the first byte; look at the bytes with -vv and "
        "at proxies or firewalls with SMTP inspection.",
        "not an SMTP reply: 'HTTP/1.1 400 Bad Request'",
        texts=("not an SMTP reply", "reply line over", "reply over", "reply changes its code"),
        verdicts=_BROKEN,
        page=PAGES["telnet"],
    ),
    Row(
        "spoke-out-of-turn",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The server sent a reply that nobody had asked for, mostly a farewell before it closes, "
        "else a middlebox that speaks for itself",
        "Read the quoted words; with 421 it is a limit or time-out of the connector "
        "(Get-ReceiveConnector); else look for a proxy in the way.",
        "the server spoke before it was asked: '421 4.4.1 Connection timed out'",
        texts=("spoke before", "out of turn"),
        verdicts=_BROKEN,
        page=PAGES["protocol-logging"],
    ),
    Row(
        "lost",
        (Stage.EHLO, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA),
        Kind.SERVER,
        "The connection broke in mid-dialogue: the transport service stopped or crashed, or a "
        "firewall or balancer cut it",
        "Look in the event log for restarts of MSExchangeFrontEndTransport and "
        "MSExchangeTransport, in the protocol log for the last command, then at the firewall.",
        "connection reset by the server",
        texts=_GONE,
        verdicts=_BROKEN,
        page=PAGES["protocol-logging"],
    ),
    Row(
        "lost-in-message",
        _MESSAGE,
        Kind.SERVER,
        "The connection broke while the message was sent, so its fate is unknown: the transport "
        "stopped, or a firewall that scans mail cut it",
        "Search the message: Get-MessageTrackingLog -MessageId ID; check the event log for "
        "crashes of the transport and its agents, then the firewall. The message is not sent "
        "again.",
        "connection reset by the server",
        texts=_GONE,
        verdicts=_BROKEN,
        page=PAGES["tracking"],
    ),
    Row(
        "silent",
        (Stage.EHLO, Stage.DATA, Stage.AUTH),
        Kind.SERVER,
        "The server fell silent in mid-dialogue: it waits for DNS or a domain controller, "
        "hangs, or a middlebox swallows the command",
        "Compare with the protocol log (Set-ReceiveConnector -ProtocolLoggingLevel Verbose): if "
        "the command never arrived, it is the network; else check DNS and AD on the server.",
        "within 40s",
        verdicts=_TIMED_OUT,
        page=PAGES["protocol-logging"],
    ),
    Row(
        "silent-at-mail",
        _MAIL,
        Kind.LOAD,
        "No answer to MAIL: back pressure delays it by 10 to 55s before it refuses mail altogether",
        "Get-ExchangeDiagnosticInfo -Server SERVER -Process EdgeTransport -Component "
        "ResourceThrottling; free disk or memory, and look at the submission queue (Get-Queue).",
        "within 45s",
        verdicts=_TIMED_OUT,
        page=PAGES["back-pressure"],
        begin="queues",
    ),
    Row(
        "silent-at-rcpt",
        _RCPT,
        Kind.SERVER,
        "No answer to RCPT: the look-up of the recipient hangs, mostly in the directory, in a "
        "transport agent or in DNS of a gateway",
        "Check the domain controllers (Test-ServiceHealth, event log of MSExchange ADAccess) "
        "and the agents (Get-TransportAgent); then the gateway's DNS and block lists.",
        "within 45s",
        verdicts=_TIMED_OUT,
        page=PAGES["protocol-logging"],
        begin="routing",
    ),
    Row(
        "silent-at-message",
        _MESSAGE,
        Kind.LOAD,
        "The message was sent and no answer came, so its fate is unknown: the hub behind the "
        "Front End is under back pressure or slow, or (2010) acknowledges late",
        "Get-Queue; Get-ExchangeDiagnosticInfo -Process EdgeTransport -Component "
        "ResourceThrottling; search it with Get-MessageTrackingLog. It is not sent again; 2010 "
        "needs -t above 30.",
        "within 30s",
        verdicts=_TIMED_OUT,
        page=PAGES["back-pressure"],
        begin="queues",
    ),
    Row(
        "smtputf8-missing",
        _MAIL,
        Kind.PROTOCOL,
        "The address needs SMTPUTF8, which this server does not offer; on premises only "
        "Exchange 2019 and SE do",
        "Test with an ASCII address, or set SmtpUtf8Enabled of the connector to true "
        "(Set-ReceiveConnector).",
        "does not offer SMTPUTF8, which the address needs",
        texts=("SMTPUTF8",),
        verdicts=(Verdict.MISSING,),
        page=PAGES["connectors"],
    ),
)

_OPENING_REPLIES = (
    Row(
        "service-not-available",
        _ANYWHERE,
        Kind.SERVER,
        "A component of Exchange is inactive (maintenance), the service is stopping, or a "
        "custom connector for port 25 sits in the hub role",
        "Get-ServerComponentState SERVER; Set-ServerComponentState SERVER -Component "
        "ServerWideOffline -State Active -Requester Maintenance; custom connectors: "
        "-TransportRole FrontendTransport.",
        "421 4.3.2 Service not available",
        codes=(421, 451, 454, 412),
        enhanced=("4.3.2",),
        texts=("Service not available", "not available"),
        page=PAGES["connectors"],
    ),
    Row(
        "connections-exceeded",
        _ANYWHERE,
        Kind.LOAD,
        "The Receive connector has reached MaxInboundConnection (5000) or the share that one "
        "source may hold (2 percent)",
        "Find who holds the connections (protocol log, event 1021), then raise "
        "Set-ReceiveConnector -MaxInboundConnection or -MaxInboundConnectionPercentagePerSource.",
        "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing "
        "transmission channel",
        codes=(421,),
        texts=("maximum number of concurrent connections",),
        page=PAGES["connectors"],
    ),
    Row(
        "connections-per-source",
        _ANYWHERE,
        Kind.LOAD,
        "One source address holds MaxInboundConnectionPerSource (20) connections, typically a "
        "balancer with source NAT behind which all clients look the same",
        "Stop source NAT on the balancer, or Set-ReceiveConnector "
        "-MaxInboundConnectionPerSource with a higher number.",
        "421 4.3.2 The maximum number of concurrent server connections has exceeded a "
        "per-source limit, closing transmission channel",
        codes=(421,),
        texts=("has exceeded a per-source limit", "exceeded a per-source limit"),
        page=PAGES["connectors"],
    ),
    Row(
        "connections-per-forest",
        _ANYWHERE,
        Kind.LOAD,
        "Exchange Online limits the connections to this tenant's resource forest, and the limit "
        "is reached (PRX8)",
        "Reduce parallel connections and try again later; if it stays, open a case with "
        "Microsoft and quote the whole reply.",
        "421 4.3.2 The maximum number of concurrent connections per resource forest has "
        "exceeded a limit, closing transmission channel PRX8",
        codes=(421,),
        texts=("concurrent connections per resource forest",),
        page=PAGES["online"],
    ),
    Row(
        "connection-timed-out",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The connection lived longer than the connector's ConnectionTimeout (10 min, Edge 5 "
        "min): a slow client or network, no fault of the store",
        "Look for packet loss and for a proxy that holds connections; Get-ReceiveConnector "
        "shows ConnectionTimeout.",
        "421 4.4.1 Connection timed out",
        codes=(421,),
        enhanced=("4.4.1",),
        page=PAGES["connectors"],
        begin="dns",
    ),
    Row(
        "connection-dropped",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The server waited in vain for the client (ConnectionInactivityTimeout, 5 min, Edge 1 "
        "min), or the network lost what was sent",
        "Look for a firewall that drops idle connections or packets (MTU); the protocol log "
        "shows the last command that arrived.",
        "421 4.4.2 Connection dropped",
        codes=(421, 451),
        enhanced=("4.4.2",),
        page=PAGES["protocol-logging"],
        begin="dns",
    ),
    Row(
        "client-input-timeout",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The server waited in vain for the next command or the rest of the message, so the "
        "network or a middlebox lost it",
        "Look for a firewall that drops idle connections or splits the final dot, and for "
        "packet loss (MTU) on the way.",
        "451 4.7.0 Timeout waiting for client input",
        texts=("Timeout waiting for client input",),
        page=PAGES["protocol-logging"],
        begin="dns",
    ),
    Row(
        "submission-rate",
        _ANYWHERE,
        Kind.LOAD,
        "This client sends faster than MessageRateLimit allows (587: 5 a minute and user, Edge: "
        "600 a minute, Exchange Online: 30 a minute and mailbox)",
        "Check less often, or raise the limit of that connector: Set-ReceiveConnector "
        "-MessageRateLimit.",
        "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
        texts=("submission rate for this client",),
        page=PAGES["connectors"],
    ),
    Row(
        "too-many-errors",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The connector closed after MaxProtocolErrors (5) refused commands in one session; the "
        "client is at fault, not the server",
        "Read the refusals before it with -vv: a middlebox that garbles commands causes them as "
        "well; Get-ReceiveConnector shows MaxProtocolErrors.",
        "421 4.7.0 Too many errors on this connection, closing transmission channel",
        texts=("Too many errors",),
        page=PAGES["protocol-logging"],
    ),
    Row(
        "service-not-active",
        _ANYWHERE,
        Kind.SERVER,
        "The component HubTransport is inactive: the server greets as usual and takes no mail "
        "(event 7009, KB 2866822)",
        "Set-ServerComponentState SERVER -Component HubTransport -State Active -Requester "
        "Maintenance (then Functional, whoever set it); Restart-Service MSExchangeTransport.",
        "412 4.3.2 Service not active",
        texts=("Service not active",),
        page=PAGES["pipeline"],
    ),
    Row(
        "proxy-greeting",
        _BANNER,
        Kind.SERVER,
        "A virus scanner or mail proxy answers in Exchange's place and can't reach the server "
        "behind it",
        "Start the transport service (Test-ServiceHealth) and restart the scanner; exclude port "
        "25 from its mail shield.",
        "421 Cannot connect to SMTP server 192.0.2.25 (192.0.2.25:25), connect timeout",
        codes=(421,),
        texts=("Cannot connect to SMTP server",),
        page=PAGES["telnet"],
    ),
    Row(
        "client-blocked-at-banner",
        _OPENING,
        Kind.PROBE,
        "The server or a gateway refuses this client by its address (block list or access list) "
        "before any command",
        "Look the monitor's address up in the named list; allow it there: Add-IPAllowListEntry "
        "-IPAddress ADDRESS, or in the gateway.",
        "554 5.7.1 Service unavailable; Client host [203.0.113.10] blocked using zen.spamhaus.org",
        codes=(521, 550, 553, 554, 571),
        texts=("block", "blacklist", "banned", "Access denied", "rejected"),
        page=PAGES["ndr"],
    ),
    Row(
        "service-refused",
        _BANNER,
        Kind.SERVER,
        "The host says that it offers no mail service (RFC 5321 3.1): another machine than "
        "meant, or a gateway that knows no server behind it",
        "Compare the address connected with the MX and the Exchange server's own; check NAT and "
        "balancer; then Get-ReceiveConnector -Server SERVER for the binding.",
        "554 No SMTP service here",
        codes=(554, 521),
        page=PAGES["connectors"],
        begin="dns",
    ),
    Row(
        "ehlo-unknown",
        _EHLO,
        Kind.PROTOCOL,
        "EHLO is refused, which Exchange never does: a middlebox (Cisco PIX fixup, old gateway) "
        "allows only HELO",
        "Firewall: no fixup protocol smtp 25, or no inspect esmtp (KB 320027).",
        "500 Command unrecognized",
        codes=(500, 502, 504),
        page=PAGES["telnet"],
        begin="dns",
    ),
    Row(
        "ehlo-name-invalid",
        _EHLO,
        Kind.PROTOCOL,
        "The name given in EHLO is neither a legal domain nor an address literal (underscore, "
        "blank, bare host name)",
        "Give a real one with --fqdn: the monitor's fully qualified name, or its address as "
        "[192.0.2.10].",
        "501 5.5.4 Invalid domain name",
        codes=(501, 550, 553, 504),
        enhanced=("5.5.4",),
        page=PAGES["telnet"],
        begin="dns",
    ),
    Row(
        "hello-first",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The server has not seen a valid EHLO: bytes came before it (a PROXY protocol header of "
        "the balancer) or a middlebox changed it",
        "Switch the balancer's PROXY protocol off for this port, exclude SMTP from inspection, "
        "and compare with the protocol log.",
        "503 5.5.2 Send hello first",
        texts=("Send hello first",),
        page=PAGES["protocol-logging"],
    ),
    Row(
        "command-unrecognized",
        (Stage.AUTH, *_TRANSACTION),
        Kind.PROTOCOL,
        "The server did not recognize a good command: a middlebox masked or rewrote it, or "
        "X-verbs came to a connector without Exchange Server authentication",
        "Compare with the protocol log what arrived; switch SMTP inspection off; check "
        "AuthMechanism (Get-ReceiveConnector).",
        "500 5.3.3 Unrecognized command",
        codes=(500, 502),
        enhanced=("5.3.3", "5.5.1", "5.5.2"),
        page=PAGES["protocol-logging"],
    ),
    Row(
        "command-rewritten",
        _ANYWHERE,
        Kind.PROTOCOL,
        "A Cisco firewall wrote X over a command that it does not know before the server saw it",
        "Firewall: no fixup protocol smtp 25 (PIX), or no inspect esmtp (ASA; KB 320027).",
        '500 Syntax error, command "XXXX" unrecognized',
        texts=('command "XX', "command XX"),
        page=PAGES["telnet"],
        begin="dns",
    ),
    Row(
        "gateway-only-quit",
        _ANYWHERE,
        Kind.PROTOCOL,
        "A Raptor firewall's SMTP proxy answers, not Exchange, and it gave this session up",
        "Switch the firewall's SMTP proxy off for this server, or let it pass through.",
        "503 5.5.0 Not accepting any command except QUIT",
        texts=("Not accepting any command except QUIT",),
        page=PAGES["telnet"],
        begin="dns",
    ),
    Row(
        "arguments-invalid",
        _TRANSACTION,
        Kind.PROTOCOL,
        "A parameter of the command (SIZE, BODY, NOTIFY) is refused, though only offered ones "
        "are sent: a middlebox changes the EHLO list or the command",
        "Compare the EHLO list here (-vv) with the one seen on the server itself; check the "
        "connector's switches, such as DeliveryStatusNotificationEnabled.",
        "501 5.5.4 Invalid arguments",
        codes=(501, 555),
        enhanced=("5.5.4",),
        page=PAGES["connectors"],
    ),
    Row(
        "ehlo-name-bad",
        _ANYWHERE,
        Kind.PROBE,
        "The name given in EHLO is judged bogus",
        "Give the monitor's own fully qualified name with --fqdn, one that DNS resolves to its "
        "address and back.",
        "550 5.7.7 Access Denied, bad EHLO",
        enhanced=("5.7.7",),
        texts=("bad EHLO", "bad HELO", "EHLO", "HELO"),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "ehlo-name-stolen",
        _ANYWHERE,
        Kind.PROBE,
        "The client called itself in EHLO by the name of the server it talks to",
        "Give the monitor's own name with --fqdn, never that of the target or its domain.",
        "550 5.7.506 Access Denied, Bad HELO",
        enhanced=("5.7.506",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
)

_TLS_AND_AUTH = (
    Row(
        "tls-not-offered",
        _STARTTLS,
        Kind.TLS,
        "STARTTLS is not offered: no usable certificate is bound to SMTP (events 12014, 12016), "
        "the connector has no Tls, or a firewall masks the keyword",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; "
        "check AuthMechanism (Get-ReceiveConnector); ASA: allow-tls in the esmtp policy map.",
        "does not offer STARTTLS",
        verdicts=(Verdict.MISSING,),
        page=PAGES["connectors"],
    ),
    Row(
        "tls-certificate",
        _STARTTLS,
        Kind.TLS,
        "The server's certificate does not stand the check: expired, self-signed, from an "
        "unknown issuer, or for another name",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; set "
        "TlsCertificateName on the connector; or give --tls-name or --ca-file to match.",
        "the certificate has expired (OpenSSL: certificate has expired)",
        texts=("the certificate ",),
        verdicts=_BROKEN,
        page=PAGES["connectors"],
    ),
    Row(
        "tls-handshake",
        _STARTTLS,
        Kind.TLS,
        "The TLS handshake fails: no common version or cipher, a certificate without its key, "
        "or a middlebox that inspects TLS",
        "Get-ExchangeCertificate (HasPrivateKey, Services); check Schannel events and enabled "
        "TLS versions on the server; compare from inside. Port 465 of Exchange speaks no TLS "
        "first.",
        "TLS handshake failed: wrong version number",
        verdicts=_BROKEN,
        page=PAGES["connectors"],
    ),
    Row(
        "tls-silent",
        _STARTTLS,
        Kind.TLS,
        "The TLS handshake hangs: a middlebox swallows it, or the server waits for a revocation "
        "list it can't reach",
        "Try from inside the site; exclude SMTP from TLS inspection; check the way from the "
        "server to the revocation lists.",
        "within 30s",
        verdicts=_TIMED_OUT,
        page=PAGES["connectors"],
        begin="dns",
    ),
    Row(
        "tls-unavailable",
        _STARTTLS,
        Kind.TLS,
        "Exchange offers TLS and has no usable certificate for it",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; "
        "check the connector's TlsCertificateName and Fqdn; then restart the transport service.",
        "454 4.7.0 TLS not available due to temporary reason",
        codes=(454, 451),
        page=PAGES["connectors"],
    ),
    Row(
        "tls-masked",
        _STARTTLS,
        Kind.TLS,
        "STARTTLS is refused: a firewall (Cisco ASA without allow-tls) masks the command, or "
        "the connector has no Tls in its AuthMechanism",
        "ASA: policy-map type inspect esmtp, parameters, allow-tls; or no inspect esmtp; then "
        "Get-ReceiveConnector, AuthMechanism.",
        "500 5.3.3 Unrecognized command",
        codes=(500, 502, 503, 554),
        page=PAGES["connectors"],
        begin="dns",
    ),
    Row(
        "tls-required",
        _ANYWHERE,
        Kind.TLS,
        "The connector demands TLS before mail (RequireTLS)",
        "Run the check with --starttls; if the Internet shall reach this connector, set "
        "RequireTLS to false (Set-ReceiveConnector), for not every sender can do TLS.",
        "530 5.7.0 Must issue a STARTTLS command first",
        codes=(530, 451, 454, 550, 554, 523),
        texts=("Must issue a STARTTLS", "STARTTLS is required", "STARTTLS required"),
        page=PAGES["connectors"],
    ),
    Row(
        "auth-not-offered",
        _AUTH,
        Kind.CONNECTOR,
        "The server offers no logon of this kind here: LOGIN and XOAUTH2 only inside TLS, PLAIN "
        "never, and the MX of Exchange Online none at all",
        "Add --starttls, use port 587, or another --auth; on premises check AuthMechanism "
        "(Get-ReceiveConnector).",
        "does not offer AUTH",
        verdicts=(Verdict.MISSING,),
        page=PAGES["connectors"],
    ),
    Row(
        "auth-broken",
        _AUTH,
        Kind.PROTOCOL,
        "The logon broke off: what the server sent is no valid challenge",
        "Try another --auth mechanism; look with -vv at what came, and for a middlebox between.",
        "the challenge is not valid base64",
        verdicts=_BROKEN,
        page=PAGES["protocol-logging"],
    ),
    Row(
        "auth-type",
        _AUTH,
        Kind.CONNECTOR,
        "The mechanism is not offered: LOGIN comes only after STARTTLS, PLAIN never; the "
        "refusal is delayed by the 5s tarpit",
        "Add --starttls or use an offered --auth; AuthMechanism of Get-ReceiveConnector says "
        "which there are.",
        "504 5.7.4 Unrecognized authentication type",
        codes=(504, 502, 503, 534, 538),
        page=PAGES["connectors"],
    ),
    Row(
        "auth-failed",
        _AUTH,
        Kind.CONNECTOR,
        "The logon failed: wrong name or password, account locked, SMTP AUTH disabled for "
        "mailbox or tenant, or NTLM with extended protection",
        "Check the account; Get-CASMailbox, SmtpClientAuthenticationDisabled (Set-CASMailbox); "
        "Get-ReceiveConnector, ExtendedProtectionPolicy. Beware of lockouts: every run tries "
        "again.",
        "535 5.7.3 Authentication unsuccessful",
        codes=(535,),
        page=PAGES["connectors"],
    ),
    Row(
        "auth-blocked-by-policy",
        _AUTH,
        Kind.CONNECTOR,
        "Exchange Online blocks this kind of logon: security defaults, conditional access or "
        "disabled basic authentication",
        "Use --auth xoauth2 with a token, or except the account; the sign-in log of Entra ID "
        "names the policy.",
        "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
        enhanced=("5.7.139",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "auth-basic-retired",
        _ANYWHERE,
        Kind.CONNECTOR,
        "Exchange Online has basic authentication for SMTP switched off",
        "Use --auth xoauth2 with a token for SMTP.Send, or SMTP.SendAsApp for an application.",
        "550 5.7.30 Basic authentication is not supported for Client Submission",
        enhanced=("5.7.30",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "auth-temporary",
        _AUTH,
        Kind.SERVER,
        "Exchange can't ask a domain controller about this logon",
        "Check domain controllers, DNS and clock skew of the server: Test-ServiceHealth, event "
        "log of MSExchange ADAccess, w32tm /query /status.",
        "454 4.7.0 Temporary authentication failure",
        codes=(454, 451, 432),
        page=PAGES["protocol-logging"],
        begin="routing",
    ),
    Row(
        "security-subsystem",
        _ANYWHERE,
        Kind.SERVER,
        "The security subsystem of Windows (SSPI, Kerberos) fails on the server",
        "Check its secure channel (Test-ComputerSecureChannel), SPNs (setspn -L SERVER) and "
        "clock; then restart the transport service.",
        "554 5.7.3 Unable to initialize security subsystem",
        texts=("initialize security subsystem",),
        page=PAGES["protocol-logging"],
        begin="routing",
    ),
    Row(
        "exchange-auth",
        _ANYWHERE,
        Kind.CONNECTOR,
        "Exchange Server authentication failed: a firewall eats X-EXPS, or the wrong connector "
        "answers a server of the organization",
        "Switch SMTP inspection off; check RemoteIPRanges and AuthMechanism of the connectors "
        "(Get-ReceiveConnector); the monitor must not look like an Exchange server.",
        "451 5.7.3 Cannot achieve Exchange Server authentication",
        texts=("Cannot achieve Exchange Server authentication",),
        page=PAGES["connectors"],
    ),
)

_MAIL_REPLIES = (
    Row(
        "anonymous-refused",
        _ANYWHERE,
        Kind.CONNECTOR,
        "The connector does not let anonymous clients send, which is the default of 2007 and "
        "2010 on port 25, and of every version on 587",
        "Test the host that faces the Internet, or add AnonymousUsers: Set-ReceiveConnector "
        "-PermissionGroups with the present groups (Get-ReceiveConnector) and AnonymousUsers.",
        "530 5.7.1 Client was not authenticated",
        codes=(530, 550, 454),
        texts=("not authenticated",),
        page=PAGES["connectors"],
    ),
    Row(
        "anonymous-mail-from",
        _ANYWHERE,
        Kind.CONNECTOR,
        "This connector or port (587) wants a logon before MAIL",
        "Test port 25 of the MX, or log on with --auth and --starttls; for anonymous mail add "
        "AnonymousUsers to PermissionGroups (Set-ReceiveConnector).",
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM "
        "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
        enhanced=("5.7.57",),
        page=PAGES["connectors"],
    ),
    Row(
        "back-pressure",
        _ANYWHERE,
        Kind.LOAD,
        "Back pressure: disk of the queue, memory, version buckets or submission queue are used "
        "up, so the transport takes no mail",
        "Free the disk of the queue first; Get-ExchangeDiagnosticInfo -Server SERVER -Process "
        "EdgeTransport -Component ResourceThrottling names the resource; events 15004 to 15007.",
        "452 4.3.1 Insufficient system resources",
        codes=(452, 451, 421),
        enhanced=("4.3.1",),
        page=PAGES["back-pressure"],
        begin="queues",
    ),
    Row(
        "back-pressure-at-hub",
        _CONTENT,
        Kind.LOAD,
        "Back pressure on the hub behind the Front End, which alone answers MAIL and RCPT: "
        "disk, memory or the queue database is used up",
        "Free the disk of the queue on the Mailbox servers; Get-ExchangeDiagnosticInfo -Server "
        "SERVER -Process EdgeTransport -Component ResourceThrottling; events 15004 to 15007.",
        "452 4.3.1 Insufficient system resources (UsedDiskSpace[C:\\...\\Queue])",
        codes=(452, 451),
        enhanced=("4.3.1",),
        texts=("Insufficient system resources", "(TSTE)"),
        page=PAGES["back-pressure"],
        begin="queues",
    ),
    Row(
        "sender-invalid",
        _ENVELOPE,
        Kind.PROTOCOL,
        "The sender's address is malformed or unknown to the server",
        "Give a full address with --from; if it is one, look for a middlebox that changes MAIL "
        "FROM.",
        "501 5.1.7 Invalid address",
        enhanced=("5.1.7",),
        page=PAGES["ndr"],
    ),
    Row(
        "sender-denied",
        _TRANSACTION,
        Kind.PROBE,
        "The sender filter blocks this sender, or the null sender",
        "Get-SenderFilterConfig (BlockedSenders, BlockedDomains, BlankSenderBlockingEnabled); "
        "use another --from.",
        "554 5.1.0 Sender denied",
        texts=("Sender denied",),
        page=PAGES["ndr"],
    ),
    Row(
        "sender-restricted",
        _TRANSACTION,
        Kind.PROBE,
        "The sending account is blocked for spam or for too much mail",
        "Lift it under restricted entities in the Defender portal after the cause is mended, or "
        "use another account.",
        "550 5.1.8 Access denied, bad outbound sender",
        enhanced=("5.1.8",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "size-at-mail",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The message is larger than the connector or the recipient allows (MaxMessageSize, 36 "
        "MB by default); a probe of 1 KB should never be",
        "Get-ReceiveConnector (MaxMessageSize) and Get-TransportConfig (MaxReceiveSize): one of "
        "them is far too low.",
        "552 5.3.4 Message size exceeds fixed maximum message size",
        enhanced=("5.3.4", "5.2.3"),
        page=PAGES["ndr"],
    ),
    Row(
        "sender-not-permitted",
        _TRANSACTION,
        Kind.PROBE,
        "The sender is in a domain of the organization and this client may not use it, or the "
        "account lacks SendAs",
        "Use a --from outside the organization; or grant "
        "ms-Exch-SMTP-Accept-Authoritative-Domain-Sender on the connector (Add-ADPermission), "
        "or SendAs to the account.",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        codes=(550, 530, 554),
        enhanced=("5.7.1", "5.7.60"),
        texts=("permissions to send as this sender",),
        page=PAGES["ndr"],
    ),
    Row(
        "sender-not-permitted-code",
        _TRANSACTION,
        Kind.PROBE,
        "The client may not send as this sender",
        "Use a --from outside the organization, or grant the account SendAs "
        "(Add-RecipientPermission, on premises Add-ADPermission).",
        "550 5.7.60 Sender refused",
        enhanced=("5.7.60",),
        page=PAGES["ndr"],
    ),
    Row(
        "direct-send",
        _ANYWHERE,
        Kind.PROBE,
        "The tenant rejects Direct Send: an own domain as sender from a host that no connector "
        "knows",
        "Use a --from in another domain, or give the monitor a partner connector "
        "(New-InboundConnector); Get-OrganizationConfig shows RejectDirectSend.",
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization "
        "from unauthorized sources",
        enhanced=("5.7.68",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "tenant-attribution",
        _ANYWHERE,
        Kind.CONNECTOR,
        "Exchange Online can't match the sending server to a tenant: no inbound connector fits "
        "its address or certificate, or the domain is not accepted there",
        "Get-InboundConnector: SenderIPAddresses and TlsSenderCertificateName must fit the "
        "sending server as it is now, after renewals too; Get-AcceptedDomain.",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        enhanced=("5.7.64",),
        page=PAGES["ndr-online"],
        begin="routing",
    ),
    Row(
        "exchange-out-of-date",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online throttles or blocks mail of an on-premises Exchange server that is out "
        "of date, over a connector of type OnPremises",
        "Bring the sending server to the latest update; the report on out-of-date servers in "
        "the admin center shows the dates and allows a pause.",
        "450 4.7.230 Connecting Exchange server version is out-of-date; connection to Exchange "
        "Online throttled",
        enhanced=("*.7.230",),
        page=PAGES["ndr-online"],
    ),
)

_RCPT_REPLIES = (
    Row(
        "recipient-unknown",
        _ADDRESSED,
        Kind.RECIPIENT,
        "There is no such recipient",
        "Get-Recipient ADDRESS; add the alias (Set-Mailbox MAILBOX -EmailAddresses "
        "@{add='postmaster@DOMAIN'}), or test an existing one with --recipient.",
        "550 5.1.1 User unknown",
        codes=(550, 551, 553, 554),
        enhanced=("5.1.1",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "recipient-not-found",
        _ADDRESSED,
        Kind.RECIPIENT,
        "The address look-up found no such recipient",
        "Get-Recipient ADDRESS; add the alias (Set-Mailbox MAILBOX -EmailAddresses "
        "@{add='postmaster@DOMAIN'}) or give --recipient. Edge 2016 before CU1 errs (KB "
        "3152396).",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        enhanced=("5.1.10",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "edge-blocking",
        _ADDRESSED,
        Kind.RECIPIENT,
        "Directory Based Edge Blocking: the domain is authoritative and this recipient is not "
        "in the directory; postmaster is no exception",
        "Add postmaster@DOMAIN as an alias to a shared mailbox or group, or give --recipient; "
        "Get-AcceptedDomain: InternalRelay switches the blocking off.",
        "550 5.4.1 [postmaster@contoso.com]: Recipient address rejected: Access denied. "
        "AS(201806281)",
        enhanced=("5.4.1",),
        page=PAGES["edge-blocking"],
        begin="postmaster",
    ),
    Row(
        "domain-not-here",
        _TRANSACTION,
        Kind.RECIPIENT,
        "The domain is not accepted here: it is no accepted domain of this tenant or gateway, "
        "or the MX names the wrong one",
        "Get-AcceptedDomain; add and verify the domain; compare the MX with the one that the "
        "admin center shows; on a gateway look at its list of domains.",
        "550 5.4.1 Relay Access Denied",
        codes=(550, 554),
        texts=("Relay Access Denied", "All recipient addresses rejected"),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "relay-refused",
        _ANYWHERE,
        Kind.RECIPIENT,
        "The recipient's domain is not accepted here, so this would be relaying",
        "Get-AcceptedDomain; New-AcceptedDomain -Name NAME -DomainName DOMAIN -DomainType "
        "Authoritative (2003: recipient policy). Do not open the relay.",
        "550 5.7.1 Unable to relay",
        codes=(550, 551, 553, 554, 530),
        texts=("Unable to relay",),
        page=PAGES["routing"],
        begin="routing",
    ),
    Row(
        "non-accepted-domain",
        _ANYWHERE,
        Kind.RECIPIENT,
        "The recipient's domain is no accepted domain of this organization",
        "Get-AcceptedDomain; New-AcceptedDomain -Name NAME -DomainName DOMAIN -DomainType "
        "Authoritative; or correct --recipient. Do not open the relay.",
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        enhanced=("5.7.54",),
        page=PAGES["routing"],
        begin="routing",
    ),
    Row(
        "attribution-pending",
        _TRANSACTION,
        Kind.LOAD,
        "Exchange Online has not finished attributing this domain to its tenant, as after the "
        "domain was added",
        "Wait some hours; if it stays, check that the domain is verified in the admin center "
        "and ask Microsoft.",
        "450 4.7.1 Unable to Relay. ATTR14",
        codes=(450, 451),
        enhanced=("4.7.1",),
        texts=("Unable to Relay", "ATTR14"),
        page=PAGES["ndr-online"],
        begin="routing",
    ),
    Row(
        "recipient-reserved",
        _ADDRESSED,
        Kind.RECIPIENT,
        "The connector rejects reserved (RFC 2606) or single-label domains, and the tested one "
        "is such",
        "Test a real domain, or set RejectReservedSecondLevelRecipientDomains, "
        "RejectReservedTopLevelRecipientDomains or RejectSingleLabelRecipientDomains to false.",
        "550 5.1.4 Recipient address reserved by RFC 2606",
        enhanced=("5.1.4-6",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "recipient-syntax",
        _ADDRESSED,
        Kind.PROTOCOL,
        "The recipient's address is malformed in the server's eyes",
        "Correct --recipient; if it is right, a middlebox changes RCPT TO: compare with the "
        "protocol log.",
        "501 5.1.3 Invalid address",
        enhanced=("5.1.3",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "recipients-too-many",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The message has more recipients than MaxRecipientsPerMessage allows; with the one of "
        "this probe the limit must be 0, or a gateway counts over time",
        "Get-ReceiveConnector (MaxRecipientsPerMessage); check less often if a gateway counts.",
        "452 4.5.3 Too many recipients",
        enhanced=("*.5.3",),
        page=PAGES["ndr"],
    ),
    Row(
        "ip-banned",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans the address of this monitoring host; mail from others may flow",
        "Request removal at https://sender.office.com/ or monitor from another address.",
        "550 5.7.606 Access denied, banned sending IP [203.0.113.74]. To request removal from "
        "this list please visit https://sender.office.com/ and follow the directions. "
        "(AS16012609)",
        enhanced=("5.7.606-649",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "ip-listed",
        _TRANSACTION,
        Kind.PROBE,
        "The address of this monitoring host stands on Spamhaus's block list",
        "Look it up and delist it at Spamhaus, or monitor from an address that is meant to send "
        "mail.",
        "550 5.7.1 Service unavailable, Client host [203.0.113.10] blocked using Spamhaus. "
        "(AS16012611)",
        texts=("Spamhaus",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "name-listed",
        _TRANSACTION,
        Kind.PROBE,
        "The EHLO name or the sender's domain of this probe stands on Spamhaus's block list",
        "Use another --fqdn or --from, or delist the domain at Spamhaus.",
        "550 5.7.1 Service unavailable, MailFrom domain is listed in Spamhaus. (S8002)",
        texts=("domain is listed in Spamhaus",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "block-list-provider",
        _TRANSACTION,
        Kind.PROBE,
        "The connection filter found the address of this monitoring host on a block list",
        "Add-IPAllowListEntry -IPAddress ADDRESS; Get-IPBlockListProvider and "
        "Get-IPBlockListEntry show who lists it.",
        "550 5.7.1 Recipient not authorized, your IP has been found on a block list",
        texts=("block list", "blocklist", "blacklist"),
        page=PAGES["ndr"],
    ),
    Row(
        "ip-throttled",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online throttles addresses that are new or send irregularly, its kind of "
        "greylisting; mail from others may flow",
        "Wait for the next checks; own servers of a hybrid organization need an inbound "
        "connector (New-InboundConnector).",
        "451 4.7.500 Server busy. Please try again later from [203.0.113.10]. (AS77712344)",
        enhanced=("4.7.500-649", "4.7.652-699"),
        page=PAGES["ndr-online"],
    ),
    Row(
        "ip-reputation",
        _ANYWHERE,
        Kind.PROBE,
        "Outlook.com limits this address for its reputation",
        "Look at its standing in Microsoft's SNDS, or monitor from another address.",
        "451 4.7.650 The mail server [203.0.113.10] has been temporarily rate limited due to IP "
        "reputation. (S3114)",
        enhanced=("4.7.650-651",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "ip-suspicious",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online saw suspicious activity from this address",
        "Wait; look for other senders behind the same address; if it stays, ask Microsoft and "
        "quote the reply.",
        "451 4.7.850 Access denied, please try again later",
        enhanced=("4.7.850-899",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "ipv6-without-ptr",
        _ANYWHERE,
        Kind.PROBE,
        "Over IPv6 Exchange Online takes mail only from addresses with a reverse DNS record",
        "Give the monitor's IPv6 address a PTR record, or use -4.",
        "550 5.7.25 Service unavailable, sending IPv6 address must have a reverse DNS record",
        enhanced=("*.7.25",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "ipv6-unauthenticated",
        _ANYWHERE,
        Kind.PROBE,
        "Over IPv6 Exchange Online takes only mail that passes SPF or DKIM",
        "List the monitor in the SPF record of the --from domain, or use -4.",
        "450 4.7.26 Service does not accept messages sent over IPv6 unless they pass either SPF "
        "or DKIM validation (message not signed)",
        enhanced=("*.7.26",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "ipv6-not-accepted",
        _ANYWHERE,
        Kind.PROBE,
        "The tenant has not opted in to mail over IPv6",
        "Use -4.",
        "550 5.7.510 Access denied, contoso.com does not accept email over IPv6",
        enhanced=("5.7.510",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "ipv6-range-limit",
        _ANYWHERE,
        Kind.PROBE,
        "The IPv6 range of this monitoring host has sent more than Exchange Online permits",
        "Use -4, or check less often.",
        "550 5.7.508 Access denied, [2001:db8::1] has exceeded permitted limits within "
        "[2001:db8::/64] range",
        enhanced=("5.7.508",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "recipient-banned",
        _ADDRESSED,
        Kind.RECIPIENT,
        "The recipient is invalid or banned",
        "Get-Recipient ADDRESS; correct --recipient; for a banned one ask Microsoft.",
        "550 5.7.505 Access denied, banned recipient",
        enhanced=("5.7.504-505",),
        page=PAGES["ndr-online"],
        begin="postmaster",
    ),
    Row(
        "tenant-block-list",
        _ANYWHERE,
        Kind.PROBE,
        "The tenant's own block list refuses this sender or address",
        "Take the monitor off: Get-TenantAllowBlockListItems -ListType Sender (or IP), "
        "Remove-TenantAllowBlockListItems.",
        "550 5.7.513 Service unavailable, Client host [203.0.113.10] blocked by contoso.com "
        "using Customer Block list (AS16012607)",
        enhanced=("5.7.507", "5.7.513"),
        page=PAGES["ndr-online"],
    ),
    Row(
        "sender-banned",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans this sender or address for spam",
        "Use another --from; an own account is lifted under restricted entities in the Defender "
        "portal; else ask Microsoft.",
        "550 5.7.502 Access denied, banned sender",
        enhanced=("5.7.501-503", "5.7.511"),
        page=PAGES["ndr-online"],
    ),
    Row(
        "sender-domain-banned",
        _ANYWHERE,
        Kind.PROBE,
        "Exchange Online bans a domain of this probe: of the EHLO name, of the reverse-path or "
        "of the From header",
        "Use other domains for --fqdn and --from, or ask Microsoft.",
        "550 5.7.800 Access denied, banned sender",
        enhanced=("5.7.800",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "recipient-internal-only",
        _ADDRESSED,
        Kind.RECIPIENT,
        "The recipient takes mail of authenticated or internal senders only, as groups do by "
        "default",
        "Set RequireSenderAuthenticationEnabled to false (Set-DistributionGroup, Set-Mailbox), "
        "or give another --recipient.",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; "
        "sender not authenticated for group",
        enhanced=("5.7.12-13", "5.7.124", "5.7.133-136"),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "mailbox-full",
        _ADDRESSED,
        Kind.RECIPIENT,
        "The recipient's mailbox is full or over its submission quota",
        "Get-MailboxStatistics MAILBOX; let a rule delete old probes; raise the quota with "
        "Set-Mailbox -ProhibitSendReceiveQuota.",
        "550 5.2.2 Mailbox full",
        enhanced=("*.2.2",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "consumer-mailbox-unknown",
        _ADDRESSED,
        Kind.RECIPIENT,
        "Outlook.com knows no such mailbox; this is the consumer service, no Exchange tenant",
        "Correct --recipient; for a tenant compare the MX with the one that the admin center "
        "shows.",
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)",
        enhanced=("5.5.0",),
        page=PAGES["ndr-online"],
        begin="postmaster",
    ),
    Row(
        "greylisted",
        _TRANSACTION,
        Kind.PROBE,
        "A gateway in front greylists this client; Exchange itself never does",
        "Wait for the next check, or exempt the monitor's address on the gateway.",
        "451 4.7.1 Greylisted, please try again",
        codes=(421, 450, 451, 452),
        texts=("greylist", "graylist", "grey list", "gray list", "greylisting"),
        page=PAGES["online"],
    ),
    Row(
        "wrong-region",
        _ANYWHERE,
        Kind.CONNECTOR,
        "The mail went to another Microsoft 365 region than the tenant's: the MX, smart host or "
        "a fixed address is out of date",
        "Set the MX, or the smart host of the Send connector, to the name that the admin center "
        "shows; never to an address.",
        "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
        enhanced=("4.4.62",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "tenant-blocked",
        _ANYWHERE,
        Kind.PROBE,
        "The sending tenant is blocked: over its threshold, unregistered domains, or too new",
        "Mend the cause (compromised accounts, missing domains), then ask Microsoft to lift it; "
        "test with another --from.",
        "550 5.7.705 Access denied, tenant has exceeded threshold",
        enhanced=("5.7.703", "5.7.705", "5.7.708", "5.7.750"),
        page=PAGES["ndr-online"],
    ),
)

_DATA_REPLIES = (
    Row(
        "out-of-order",
        _TRANSACTION,
        Kind.PROTOCOL,
        "The server has forgotten an earlier command of this session: a middlebox kept MAIL or "
        "RCPT back, or answers them itself",
        "Compare with the protocol log which commands arrived; switch SMTP proxies on the way off.",
        "503 5.5.2 Need rcpt command",
        codes=(503,),
        page=PAGES["protocol-logging"],
    ),
    Row(
        "proxy-failed",
        _ANYWHERE,
        Kind.SERVER,
        "The Front End can't hand the message to a hub (Transport service)",
        "Get-Service MSExchangeTransport; DNS servers of the network adapter; port 2525; the "
        "connector 'Default SERVER' of the hub (Get-ReceiveConnector -Server SERVER).",
        "451 4.7.0 Temporary server error. Please try again later. PRX",
        codes=(451, 450, 421),
        texts=("PRX",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-no-destination",
        _ANYWHERE,
        Kind.SERVER,
        "PRX1: the Front End found no hub (Transport service) to hand the message to",
        "Get-ServerComponentState SERVER (HubTransport must be active); Get-Service "
        "MSExchangeTransport; check AD and DNS that list the servers.",
        "451 4.7.0 Temporary server error. Please try again later. PRX1",
        texts=("PRX1",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-dns",
        _ANYWHERE,
        Kind.SERVER,
        "PRX2: the Front End can't resolve the hub's name in DNS",
        "Give the adapters internal DNS servers only, or Set-FrontendTransportService SERVER "
        "-InternalDNSServers ADDRESS with InternalDNSAdapterEnabled false; restart the service.",
        "451 4.7.0 Temporary server error. Please try again later. PRX2",
        texts=("PRX2",),
        page=PAGES["connectivity"],
        begin="dns",
    ),
    Row(
        "proxy-connect",
        _ANYWHERE,
        Kind.SERVER,
        "PRX3: the Front End can't connect to the hub",
        "Get-Service MSExchangeTransport; Test-NetConnection SERVER -Port 2525; firewall "
        "between the servers; connectors that take port 2525 or 25 from the hub.",
        "451 4.7.0 Temporary server error. Please try again later. PRX3",
        texts=("PRX3",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-session",
        _ANYWHERE,
        Kind.SERVER,
        "PRX4: the session from the Front End to the hub fails in its set-up (X-ANONYMOUSTLS, "
        "logon)",
        "Get-ReceiveConnector -Server SERVER, 'Default SERVER': AuthMechanism needs Tls and "
        "ExchangeServer, RemoteIPRanges all servers; Get-ExchangeCertificate; no firewall "
        "between.",
        "451 4.7.0 Temporary server error. Please try again later. PRX4",
        texts=("PRX4",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-credentials",
        _ANYWHERE,
        Kind.TLS,
        "PRX5: the Front End has no valid TLS credentials for the hub",
        "Get-ExchangeCertificate: the self-signed one must be valid and enabled for SMTP "
        "(Enable-ExchangeCertificate -Services SMTP); check clock and event log.",
        "451 4.7.0 Temporary server error. Please try again later. PRX5",
        texts=("PRX5",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-next-hop",
        _ANYWHERE,
        Kind.SERVER,
        "PRX6: the next hop behind the Front End failed",
        "Look in the connectivity log of the Front End for the hop; Get-ServerComponentState "
        "and Test-ServiceHealth there.",
        "451 4.7.0 Temporary server error. Please try again later. PRX6",
        texts=("PRX6",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-limit",
        _ANYWHERE,
        Kind.LOAD,
        "PRX8: the hub takes no more connections of the Front End",
        "Get-ReceiveConnector -Server SERVER, 'Default SERVER': MaxInboundConnection and "
        "MaxInboundConnectionPerSource; look in the protocol log for who holds them.",
        "451 4.7.0 Temporary server error. Please try again later. PRX8",
        texts=("PRX8",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "proxy-reset",
        _ANYWHERE,
        Kind.SERVER,
        "PRX9: the hub reset the session of the Front End (10054)",
        "Look in the hub's event log for crashes of EdgeTransport.exe and its agents "
        "(Get-TransportAgent); then at firewalls between the servers.",
        "451 4.7.0 Temporary server error. Please try again later. PRX9",
        texts=("PRX9",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "temporary-server-error",
        _TRANSACTION,
        Kind.SERVER,
        "The Front End can't hand the message on and does not say why",
        "Look in the connectivity and protocol logs of the Front End; Get-ServerComponentState "
        "SERVER; Test-ServiceHealth; DNS servers of the adapters.",
        "451 4.7.0 Temporary server error. Please try again later.",
        codes=(451, 450),
        enhanced=("4.7.0",),
        page=PAGES["connectivity"],
        begin="routing",
    ),
    Row(
        "not-proxied",
        _TRANSACTION,
        Kind.SERVER,
        "The front end of Exchange Online could not hand the message to a hub",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "450 4.7.0 Message not proxied",
        texts=("Message not proxied",),
        page=PAGES["online"],
        begin="routing",
    ),
    Row(
        "not-redundant",
        _TRANSACTION,
        Kind.SERVER,
        "No second server could keep the shadow copy, and RejectMessageOnShadowFailure is on",
        "Test-ServiceHealth on the other transport servers of the DAG or site; meanwhile set "
        "RejectMessageOnShadowFailure to false (Set-TransportConfig).",
        "451 4.4.0 Message failed to be made redundant",
        texts=("failed to be made redundant",),
        page=PAGES["ndr"],
        begin="routing",
    ),
    Row(
        "not-redundant-code",
        _CONTENT,
        Kind.SERVER,
        "No second server could keep the shadow copy (shadow redundancy)",
        "Test-ServiceHealth on the other transport servers of the DAG or site; "
        "Get-TransportConfig shows RejectMessageOnShadowFailure.",
        "450 4.5.1 Message cannot be accepted",
        codes=(450, 451),
        enhanced=("4.5.1",),
        page=PAGES["ndr"],
        begin="routing",
    ),
    Row(
        "not-replicated",
        _ANYWHERE,
        Kind.SERVER,
        "Exchange Online found no healthy server for the shadow copy",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "451 4.4.24 Message failed to be replicated: insufficient shadow peers",
        enhanced=("4.4.22", "4.4.24-25", "4.4.28"),
        page=PAGES["online"],
    ),
    Row(
        "tenant-lookup",
        _TRANSACTION,
        Kind.LOAD,
        "Exchange Online could not look up the tenant of this message just now",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "451 4.4.3 Temporary server error. Please try again later ATTR2",
        codes=(450, 451),
        texts=("ATTR",),
        page=PAGES["online"],
    ),
    Row(
        "temporary-service-error",
        _TRANSACTION,
        Kind.LOAD,
        "The service can't process this just now: a look-up behind it failed",
        "Wait for the next check; if it stays, look at DNS and the domain controllers of the "
        "server, with Exchange Online at the service health.",
        "451 4.4.3 Temporary server error. Please try again later",
        codes=(450, 451),
        enhanced=("4.3.2", "4.4.3"),
        page=PAGES["online"],
    ),
    Row(
        "queue-quota",
        _ANYWHERE,
        Kind.LOAD,
        "The tenant's queue quota in Exchange Online is used up",
        "Look for a mail loop or a storm in message trace (Get-MessageTraceV2), and for a next "
        "hop that is down.",
        "450 4.7.3 Organization queue quota exceeded",
        texts=("queue quota exceeded",),
        page=PAGES["online"],
        begin="queues",
    ),
    Row(
        "filter-busy",
        _ANYWHERE,
        Kind.LOAD,
        "A filter of Exchange Online is busy",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "450 4.7.700 Access denied, please try again later: PFA agent busy",
        enhanced=("4.7.700",),
        page=PAGES["online"],
    ),
    Row(
        "content-filter",
        _TRANSACTION,
        Kind.PROBE,
        "The content filter holds the text of this probe for spam; other mail may flow",
        "Set-ContentFilterConfig -BypassedSenders @{add='ADDRESS'} for the --from, or "
        "Add-IPAllowListEntry; keep --subject plain.",
        "550 5.7.1 Message rejected as spam by Content Filtering.",
        texts=("spam by Content Filtering",),
        page=PAGES["ndr"],
    ),
    Row(
        "transport-rule",
        _ANYWHERE,
        Kind.POLICY,
        "A mail flow rule of the organization refuses the message",
        "Get-TransportRule: find the rule by its text, and exempt the probe with -ExceptIfFrom "
        "or by its header.",
        "550 5.7.1 Delivery not authorized, message refused",
        texts=("Delivery not authorized", "message refused", "TRANSPORT.RULES"),
        page=PAGES["ndr"],
    ),
    Row(
        "transport-rule-code",
        _ANYWHERE,
        Kind.POLICY,
        "A mail flow rule with a code of its own refuses the message",
        "Get-TransportRule: RejectMessageEnhancedStatusCode names the rule; exempt the probe "
        "with -ExceptIfFrom or by its header.",
        "550 5.7.900 External mail is not welcome here",
        enhanced=("5.7.900-999",),
        page=PAGES["ndr"],
    ),
    Row(
        "refused-by-policy",
        _CONTENT,
        Kind.POLICY,
        "The message is refused by policy: a mail flow rule or an agent with its own text",
        "Get-TransportRule and Get-TransportAgent; search the text in the message tracking log "
        "(Get-MessageTrackingLog -EventId FAIL) or the gateway's.",
        "550 5.7.1 This organization does not want test messages",
        codes=(550, 554),
        enhanced=("5.7.1",),
        page=PAGES["tracking"],
    ),
    Row(
        "header-missing",
        _ANYWHERE,
        Kind.PROTOCOL,
        "Exchange Online wants exactly one valid From header (RFC 5322 3.6.2), and did not find it",
        "Give a full address with --from and no second From with --header; else a middlebox "
        "changed the message.",
        "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant",
        enhanced=("5.7.512",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "dmarc",
        _ANYWHERE,
        Kind.PROBE,
        "The sender's domain publishes DMARC reject and this probe passes neither SPF nor DKIM, "
        "as with the historic Fabrikam.com",
        "Use a --from in a domain of yours (another tenant than the tested one) whose SPF "
        "record lists the monitor.",
        "550 5.7.509 Access denied, sending domain [fabrikam.com] does not pass DMARC verification",
        enhanced=("5.7.509",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "sender-authentication-level",
        _ANYWHERE,
        Kind.PROBE,
        "Outlook.com wants SPF, DKIM and DMARC of domains that send much, and this one lacks them",
        "Use a --from in another domain, or publish the records and sign.",
        "550 5.7.515 Access denied, sending domain contoso.com does not meet the required "
        "authentication level",
        enhanced=("5.7.515",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "spf",
        _ANYWHERE,
        Kind.PROBE,
        "The SPF record of the sender's domain does not list this monitoring host",
        "Use a --from in a domain of yours and list the monitor's address in its SPF record.",
        "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
        enhanced=("*.7.23",),
        page=PAGES["ndr-online"],
        begin="dns",
    ),
    Row(
        "bare-linefeed",
        _ANYWHERE,
        Kind.PROTOCOL,
        "The message arrived with a bare line feed, which this plugin never sends: a middlebox "
        "changed the line ends",
        "Switch SMTP proxies on the way off; Get-ReceiveConnector shows "
        "BareLinefeedRejectionEnabled.",
        "550 5.6.11 Invalid characters",
        enhanced=("5.6.11",),
        page=PAGES["ndr-online"],
    ),
    Row(
        "content-invalid",
        _ANYWHERE,
        Kind.PROTOCOL,
        "Exchange could not make sense of the message's headers or content: a --header, or a "
        "middlebox or agent that changed it",
        "Try without --header; Get-TransportAgent; compare with a message sent by hand on the "
        "server.",
        "554 5.6.0 Invalid message content",
        enhanced=("5.6.0",),
        page=PAGES["ndr"],
    ),
    Row(
        "body-type",
        _ANYWHERE,
        Kind.PROTOCOL,
        "A middlebox stripped 8BITMIME between servers, so the body type is refused (KB 320027)",
        "Firewall: no fixup protocol smtp 25, or no inspect esmtp.",
        "554 5.6.1 Body type not supported by Remote Host",
        enhanced=("5.6.1",),
        page=PAGES["ndr"],
        begin="dns",
    ),
    Row(
        "configured-incorrectly",
        _ANYWHERE,
        Kind.SERVER,
        "Exchange believes it talks to itself: two servers or connectors bear the same name (Fqdn)",
        "Get-ReceiveConnector and Get-SendConnector: give each server its own Fqdn; then the "
        "smart hosts.",
        "550 5.3.5 System incorrectly configured",
        enhanced=("5.3.5",),
        page=PAGES["routing"],
        begin="routing",
    ),
    Row(
        "mail-loop",
        _ANYWHERE,
        Kind.SERVER,
        "The message runs in a loop between servers",
        "Get-AcceptedDomain (an InternalRelay domain that the next hop sends back?), "
        "Get-SendConnector; look for the circle in Get-MessageTrackingLog.",
        "554 5.4.14 Hop count exceeded - possible mail loop",
        enhanced=("5.4.6", "5.4.14"),
        page=PAGES["routing"],
        begin="routing",
    ),
    Row(
        "send-as-denied",
        _ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox that logged on may not send as the --from address",
        "Use its own address for --from, or Add-RecipientPermission ADDRESS -Trustee ACCOUNT "
        "-AccessRights SendAs.",
        "554 5.2.252 SendAsDenied; info@example.com not allowed to send as noreply@example.com; "
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
        enhanced=("5.2.252",),
        texts=("SendAsDenied",),
        page=PAGES["ndr-online"],
        begin="postmaster",
    ),
    Row(
        "store-limit",
        _ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox has received more than it may in an hour",
        "Check less often and look for a storm or loop to this mailbox; else test another "
        "--recipient.",
        "554 5.2.121 Recipient's per hour message receive limit exceeded",
        enhanced=("5.2.121-122",),
        page=PAGES["ndr-online"],
        begin="postmaster",
    ),
    Row(
        "store-refused",
        _ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox store refused the message; the words behind STOREDRV say why",
        "Get-Mailbox, Get-MailboxDatabaseCopyStatus; search the words in the reply; test "
        "another --recipient to see whether it is this mailbox only.",
        "554 5.2.0 STOREDRV.Deliver.Exception:StoragePermanentException",
        enhanced=("5.2.0",),
        page=PAGES["ndr"],
        begin="postmaster",
    ),
    Row(
        "quarantined",
        _ANYWHERE,
        Kind.PROBE,
        "The content filter put this probe into the quarantine",
        "Set-ContentFilterConfig -BypassedSenders @{add='ADDRESS'} for the --from, or "
        "Add-IPAllowListEntry.",
        "550 5.2.1 Content Filter agent quarantined this message",
        texts=("agent quarantined",),
        page=PAGES["ndr"],
    ),
)

#: What means something else, or asks for something else, when Microsoft runs the server.
_ONLINE_REPLIES = (
    Row(
        "online-not-available",
        _ANYWHERE,
        Kind.LOAD,
        "A front end of Exchange Online is busy or in maintenance; another one answers the next "
        "connection",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "421 4.3.2 Service not available",
        codes=(421, 451, 454, 412),
        enhanced=("4.3.2",),
        texts=("Service not available", "not available", "Service not active"),
        generations=_ONLINE,
        page=PAGES["online"],
    ),
    Row(
        "online-proxy-failed",
        _ANYWHERE,
        Kind.LOAD,
        "A front end of Exchange Online could not hand the message to a hub",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365, and "
        "quote the sub-code to Microsoft.",
        "451 4.7.0 Temporary server error. Please try again later. PRX4",
        codes=(421, 450, 451),
        enhanced=("4.7.0",),
        texts=("PRX", "Temporary server error"),
        generations=_ONLINE,
        page=PAGES["online"],
    ),
    Row(
        "online-resources",
        _ANYWHERE,
        Kind.LOAD,
        "A server of Exchange Online is short of resources (back pressure)",
        "Wait for the next check, for other servers answer then; if it stays, look at the "
        "service health of Microsoft 365.",
        "452 4.3.1 Insufficient system resources (TSTE)",
        codes=(452, 451, 421),
        enhanced=("4.3.1",),
        texts=("Insufficient system resources", "(TSTE)"),
        generations=_ONLINE,
        page=PAGES["online"],
    ),
    Row(
        "online-anonymous-refused",
        _ANYWHERE,
        Kind.CONNECTOR,
        "The submission service of Exchange Online (port 587) wants a logon before MAIL",
        "Test the domain's MX on port 25, or log on: --starttls --auth xoauth2 with a token.",
        "530 5.7.57 Client not authenticated to send mail. "
        "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
        codes=(530,),
        enhanced=("5.7.57",),
        generations=_ONLINE,
        page=PAGES["ndr-online"],
    ),
)

#: The table, in the order of the stages; of two rows that fit equally well the first wins.
ROWS: tuple[Row, ...] = (
    *_NO_SERVER,
    *_OPENING_REPLIES,
    *_TLS_AND_AUTH,
    *_MAIL_REPLIES,
    *_RCPT_REPLIES,
    *_DATA_REPLIES,
    *_ONLINE_REPLIES,
)

"""A service or a component of Exchange, or the way to it, fails."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import (
    ANYWHERE,
    AUTH,
    BANNER,
    CONNECT,
    CONTENT,
    MESSAGE,
    MX,
    RCPT,
    TRANSACTION,
    Row,
)

ROWS: tuple[Row, ...] = (
    Row(
        "dns-servfail",
        MX,
        Kind.SERVER,
        "The DNS servers of the domain fail (SERVFAIL), or their signatures (DNSSEC) are not valid",
        "Ask each name server of the domain directly; compare with another resolver "
        "(--nameserver); check delegation, DS records and signatures.",
        "SERVFAIL from 192.0.2.53",
        causes=(Cause.SERVFAIL,),
        page="dns",
        begin="dns",
    ),
    Row(
        "not-listening",
        CONNECT,
        Kind.SERVER,
        "The host is up, and nothing listens on this port",
        "On the server: Test-ServiceHealth, Get-Service MSExchangeFrontEndTransport, "
        "MSExchangeTransport (2003: SMTPSVC); start what is stopped; then check the bindings "
        "with Get-ReceiveConnector and the firewall.",
        "connection refused",
        causes=(Cause.REFUSED,),
        page="ports",
        begin="mail-flow",
    ),
    Row(
        "connect-timeout",
        CONNECT,
        Kind.SERVER,
        "The connection attempt stays without an answer: the host is down, or a firewall or "
        "provider drops packets to this port",
        "Try from inside the site (Test-NetConnection HOST -Port PORT); if that works, check "
        "firewall, NAT and routing; outbound port 25 is often blocked by providers.",
        "within 50s",
        causes=(
            Cause.SILENT,
            Cause.NO_ANSWER,
        ),
        page="ports",
        begin="dns",
    ),
    Row(
        "unreachable",
        CONNECT,
        Kind.SERVER,
        "The network knows no way to this address",
        "Check routing and the address in DNS; for IPv6 without a route use -4; then try from "
        "another host.",
        "no route to host",
        causes=(Cause.UNREACHABLE,),
        page="ports",
        begin="dns",
    ),
    Row(
        "connect-reset",
        CONNECT,
        Kind.SERVER,
        "The connection was cut while it was opened: a firewall or balancer refuses it, or the "
        "service is just stopping",
        "Check rules of firewall and balancer for this client, then Test-ServiceHealth on the "
        "server.",
        "connection reset by the server",
        causes=(
            Cause.RESET,
            Cause.CLOSED,
        ),
        page="ports",
        begin="dns",
    ),
    Row(
        "no-banner",
        BANNER,
        Kind.SERVER,
        "No greeting comes: the service hangs, a forwarder, balancer or virus proxy has no server "
        "behind it, or the port wants TLS or a PROXY protocol header first",
        "On the server find who listens (netstat -ano, EdgeTransport.exe) and restart the "
        "transport; check the balancer's members and DNS from the gateway; use -s if TLS comes "
        "first; PROXY: send-proxy.",
        "within 30s",
        causes=(Cause.SILENT,),
        page="telnet",
    ),
    Row(
        "closed-without-banner",
        BANNER,
        Kind.SERVER,
        "The server took the connection and closed it without a greeting: a balancer without a "
        "living member, an access list, or a service that is stopping",
        "Check the balancer's health monitor, firewall and the RemoteIPRanges of the connectors "
        "(Get-ReceiveConnector); then Test-ServiceHealth.",
        "connection closed by the server",
        causes=(
            Cause.RESET,
            Cause.CLOSED,
        ),
        page="connectors",
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
        causes=(
            Cause.RESET,
            Cause.CLOSED,
        ),
        page="protocol-logging",
    ),
    Row(
        "lost-in-message",
        MESSAGE,
        Kind.SERVER,
        "The connection broke while the message was sent, so its fate is unknown: the transport "
        "stopped, or a firewall that scans mail cut it",
        "Search the message: Get-MessageTrackingLog -MessageId ID; check the event log for "
        "crashes of the transport and its agents, then the firewall. The message is not sent "
        "again.",
        "connection reset by the server",
        causes=(
            Cause.RESET,
            Cause.CLOSED,
        ),
        page="tracking",
    ),
    Row(
        "silent",
        (Stage.EHLO, Stage.DATA, Stage.AUTH),
        Kind.SERVER,
        "The server stopped answering in the middle of the session: it waits for DNS or a domain "
        "controller, "
        "hangs, or a middlebox swallows the command",
        "Compare with the protocol log (Set-ReceiveConnector -ProtocolLoggingLevel Verbose): if "
        "the command never arrived, the network lost it; otherwise check DNS and AD on the server.",
        "within 40s",
        causes=(Cause.SILENT,),
        page="protocol-logging",
    ),
    Row(
        "silent-at-rcpt",
        RCPT,
        Kind.SERVER,
        "No answer to RCPT: the look-up of the recipient hangs, mostly in the directory, in a "
        "transport agent or in DNS of a gateway",
        "Check the domain controllers (Test-ServiceHealth, event log of MSExchange ADAccess) "
        "and the agents (Get-TransportAgent); then look at the gateway's DNS and block lists.",
        "within 45s",
        causes=(Cause.SILENT,),
        page="protocol-logging",
        begin="routing",
    ),
    Row(
        "service-not-available",
        ANYWHERE,
        Kind.SERVER,
        "A component of Exchange is inactive (maintenance), the service is stopping, or a "
        "custom connector for port 25 sits in the hub role",
        "Start a stopped mail service; Get-ServerComponentState SERVER; Set-ServerComponentState "
        "SERVER -Component ServerWideOffline -State Active -Requester Maintenance; TransportRole "
        "of connectors.",
        "421 4.3.2 Service not available",
        codes=(421, 451, 454, 412),
        enhanced=("4.3.2",),
        words=("Service not available",),
        texts=("Service not available", "not available"),
        page="connectors",
        everybody=True,
        played_at=Stage.BANNER,
    ),
    Row(
        "service-not-active",
        ANYWHERE,
        Kind.SERVER,
        "The component HubTransport is inactive: the server greets as usual and takes no mail "
        "(event 7009)",
        "Set-ServerComponentState SERVER -Component HubTransport -State Active -Requester "
        "Maintenance (then Functional, whoever set it); Restart-Service MSExchangeTransport.",
        "412 4.3.2 Service not active",
        texts=("Service not active",),
        page="inactive",
        everybody=True,
    ),
    Row(
        "proxy-greeting",
        BANNER,
        Kind.SERVER,
        "A virus scanner or mail proxy answers in Exchange's place and can't reach the server "
        "behind it",
        "Start the transport service (Test-ServiceHealth) and restart the scanner; exclude port "
        "25 from its mail shield.",
        "421 Cannot connect to SMTP server 192.0.2.25 (192.0.2.25:25), connect timeout",
        codes=(421,),
        texts=("Cannot connect to SMTP server",),
        page="telnet",
    ),
    Row(
        "service-refused",
        BANNER,
        Kind.SERVER,
        "By its code the host offers no mail service (RFC 5321 3.1): another machine than meant, "
        "or "
        "a gateway that does not serve this client",
        "Compare the address connected with the MX and the Exchange server's own; check NAT and "
        "balancer; then Get-ReceiveConnector -Server SERVER for the binding.",
        "554 No SMTP service here",
        codes=(554, 521),
        page="connectors",
        begin="dns",
    ),
    Row(
        "auth-temporary",
        AUTH,
        Kind.SERVER,
        "The server can't check this logon at the moment: its directory (Exchange: a domain "
        "controller) "
        "or its logon service does not answer",
        "Check domain controllers, DNS and clock skew of the server: Test-ServiceHealth, event "
        "log of MSExchange ADAccess, w32tm /query /status.",
        "454 4.7.0 Temporary authentication failure",
        codes=(454, 451, 432, 435),
        page="protocol-logging",
        begin="routing",
    ),
    Row(
        "security-subsystem",
        ANYWHERE,
        Kind.SERVER,
        "The security subsystem of Windows (SSPI, Kerberos) fails on the server",
        "Check its secure channel (Test-ComputerSecureChannel), SPNs (setspn -L SERVER) and "
        "clock; then restart the transport service.",
        "554 5.7.3 Unable to initialize security subsystem",
        texts=("initialize security subsystem",),
        page="protocol-logging",
        begin="routing",
        played_at=Stage.EHLO,
    ),
    Row(
        "temporary-server-error",
        TRANSACTION,
        Kind.SERVER,
        "The Front End can't hand the message on and does not say why",
        "Look in the connectivity and protocol logs of the Front End; Get-ServerComponentState "
        "SERVER; Test-ServiceHealth; DNS servers of the adapters.",
        "451 4.7.0 Temporary server error. Please try again later.",
        codes=(451, 450),
        enhanced=("4.7.0",),
        words=("Temporary server error",),
        texts=("Temporary server error",),
        page="connectivity",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "not-proxied",
        TRANSACTION,
        Kind.SERVER,
        "The front end of Exchange Online could not hand the message to a hub",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "450 4.7.0 Message not proxied",
        texts=("Message not proxied",),
        page="online",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "not-redundant",
        TRANSACTION,
        Kind.SERVER,
        "No second server could keep the shadow copy, and RejectMessageOnShadowFailure is on",
        "Test-ServiceHealth on the other transport servers of the DAG or site; meanwhile set "
        "RejectMessageOnShadowFailure to false (Set-TransportConfig).",
        "451 4.4.0 Message failed to be made redundant",
        texts=("failed to be made redundant",),
        page="ndr",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "not-redundant-code",
        CONTENT,
        Kind.SERVER,
        "No second server could keep the shadow copy (shadow redundancy)",
        "Test-ServiceHealth on the other transport servers of the DAG or site; "
        "Get-TransportConfig shows RejectMessageOnShadowFailure.",
        "450 4.5.1 Message cannot be accepted",
        codes=(450, 451),
        enhanced=("4.5.1",),
        page="ndr",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "not-replicated",
        ANYWHERE,
        Kind.SERVER,
        "Exchange Online found no healthy server for the shadow copy",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "451 4.4.24 Message failed to be replicated: insufficient shadow peers",
        texts=("failed to be replicated",),
        page="online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "configured-incorrectly",
        ANYWHERE,
        Kind.SERVER,
        "Exchange believes it is talking to itself: two servers or connectors have the same name "
        "(Fqdn)",
        "Get-ReceiveConnector and Get-SendConnector: give each server its own Fqdn; then look at "
        "the smart hosts.",
        "550 5.3.5 System incorrectly configured",
        enhanced=("5.3.5",),
        words=("System incorrectly configured",),
        page="routing",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "mail-loop",
        ANYWHERE,
        Kind.SERVER,
        "The message runs in a loop between servers",
        "Get-AcceptedDomain (an InternalRelay domain that the next hop sends back?); "
        "Get-SendConnector; look for the circle in Get-MessageTrackingLog.",
        "554 5.4.14 Hop count exceeded - possible mail loop",
        enhanced=("5.4.6", "5.4.14"),
        words=("Hop count exceeded",),
        page="routing",
        begin="routing",
        played_at=Stage.MESSAGE,
    ),
)

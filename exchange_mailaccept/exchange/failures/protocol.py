"""A command was wrong, or a middlebox garbled it."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import ADDRESSED, ANYWHERE, AUTH, BANNER, EHLO, ENVELOPE, MAIL, TRANSACTION, Row

#: However it goes wrong, it is one story.
_PROXY = (
    "Bytes came before the session that the server took for a command: a PROXY protocol header of "
    "a balancer, or a middlebox"
)
_PROXY_STEP = (
    "Switch the balancer's PROXY protocol off for this port (HAProxy: send-proxy), or have the "
    "server expect it; look at the order of the replies with -vv."
)

ROWS: tuple[Row, ...] = (
    Row(
        "no-smtp",
        ANYWHERE,
        Kind.PROTOCOL,
        "The answer is not SMTP: another service listens on this port, TLS is expected from the "
        "first byte, or a middlebox garbles the dialogue",
        "Check host and -p; use -s for TLS from the first byte; look at the bytes with -vv and "
        "at proxies or firewalls with SMTP inspection.",
        "not an SMTP reply: 'HTTP/1.1 400 Bad Request'",
        causes=(Cause.NOT_SMTP,),
        page="telnet",
        played_at=Stage.BANNER,
    ),
    Row(
        "pix-banner",
        BANNER,
        Kind.PROTOCOL,
        "An old Cisco PIX firewall has written over the banner, its code included",
        "Firewall: no fixup protocol smtp 25.",
        "not an SMTP reply: '2002*******2***0*00'",
        causes=(Cause.NOT_SMTP,),
        received=("2002*", "**"),
        page="cisco",
        begin="dns",
    ),
    Row(
        "pix-answers-ok",
        EHLO,
        Kind.PROTOCOL,
        "An old Cisco PIX firewall answers for the server: a bare OK to each command that it "
        "does not know, EHLO among them",
        "Firewall: no fixup protocol smtp 25.",
        "not an SMTP reply: 'OK'",
        causes=(Cause.BARE_OK,),
        page="cisco",
        begin="dns",
    ),
    Row(
        "out-of-step",
        ANYWHERE,
        Kind.PROTOCOL,
        f"Each reply belongs to an earlier command. {_PROXY}, or a proxy that answers twice",
        _PROXY_STEP,
        "replies are out of step: HELO was answered with the keywords of EHLO, after '500 5.3.3 "
        "Unrecognized command'",
        causes=(Cause.OUT_OF_STEP,),
        page="protocol-logging",
        played_at=Stage.EHLO,
    ),
    Row(
        "spoke-out-of-turn",
        ANYWHERE,
        Kind.PROTOCOL,
        "A reply came that no command asked for: mostly the server's farewell before it closes, "
        "otherwise a middlebox that speaks for itself",
        "Read the quoted words; with 421 it is a limit or time-out of the connector "
        "(Get-ReceiveConnector); otherwise look for a proxy on the path.",
        "the server spoke before it was asked: '421 4.4.1 Connection timed out'",
        causes=(
            Cause.OUT_OF_TURN,
            Cause.EARLY_REPLY,
        ),
        page="protocol-logging",
        played_at=Stage.EHLO,
    ),
    Row(
        "smtputf8-missing",
        MAIL,
        Kind.PROTOCOL,
        "The address needs SMTPUTF8, which this server does not offer; on premises only "
        "Exchange 2019 and SE do",
        "Test with an ASCII address, or set SmtpUtf8Enabled of the connector to true "
        "(Set-ReceiveConnector).",
        "does not offer SMTPUTF8, which the address needs",
        causes=(Cause.NOT_OFFERED,),
        page="connectors",
    ),
    Row(
        "connection-timed-out",
        ANYWHERE,
        Kind.PROTOCOL,
        "The connection lived longer than the connector's ConnectionTimeout (10 min, Edge 5 "
        "min): a slow client or network, no fault of the store",
        "Look for packet loss and for a proxy that holds connections; Get-ReceiveConnector "
        "shows ConnectionTimeout.",
        "421 4.4.1 Connection timed out",
        codes=(421,),
        enhanced=("4.4.1",),
        words=("Connection timed out",),
        page="connectors",
        begin="dns",
    ),
    Row(
        "connection-dropped",
        ANYWHERE,
        Kind.PROTOCOL,
        "The server received nothing from the client (ConnectionInactivityTimeout, 5 min, Edge 1 "
        "min), or the network lost what was sent",
        "Look for a firewall that drops idle connections or packets (MTU); the protocol log "
        "shows the last command that arrived.",
        "421 4.4.2 Connection dropped",
        codes=(421, 451),
        enhanced=("4.4.2",),
        words=("Connection dropped",),
        page="protocol-logging",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "client-input-timeout",
        ANYWHERE,
        Kind.PROTOCOL,
        "The server did not receive the next command or the rest of the message, so the "
        "network or a middlebox lost it",
        "Look for a firewall that drops idle connections or splits the final dot, and for "
        "packet loss (MTU) on the path.",
        "451 4.7.0 Timeout waiting for client input",
        texts=(
            *("Timeout waiting for client input", "command timeout", "timeout exceeded"),
            *("Connection timeout", "Lost incoming connection"),
        ),
        page="protocol-logging",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "too-many-errors",
        ANYWHERE,
        Kind.PROTOCOL,
        "The server closed after too many refused commands in one session (Exchange: "
        "MaxProtocolErrors, 5); the client is at fault, or what changes its commands",
        "Read the refusals before it with -vv: a middlebox that garbles commands causes them as "
        "well; Get-ReceiveConnector shows MaxProtocolErrors.",
        "421 4.7.0 Too many errors on this connection, closing transmission channel",
        texts=("Too many errors on this connection", "Error: too many errors"),
        page="protocol-logging",
        played_at=Stage.RCPT,
    ),
    Row(
        "ehlo-unknown",
        EHLO,
        Kind.PROTOCOL,
        "EHLO is refused, and HELO too where it could be tried, which Exchange never does: a "
        "middlebox (Cisco PIX fixup, old gateway) answers",
        "Firewall: no fixup protocol smtp 25, or no inspect esmtp; inside TLS look for the proxy "
        "that ends it.",
        "500 Command unrecognized",
        codes=(500, 502),
        page="cisco",
        begin="dns",
    ),
    Row(
        "ehlo-name-invalid",
        EHLO,
        Kind.PROTOCOL,
        "The name given in EHLO is neither a legal domain nor an address literal (underscore, "
        "blank, bare host name)",
        "Give a real one with --fqdn: the monitor's fully qualified name, or its address as "
        "[192.0.2.10].",
        "501 5.5.4 Invalid domain name",
        codes=(501, 504, 553),
        page="telnet",
        begin="dns",
    ),
    Row(
        "hello-first",
        ANYWHERE,
        Kind.PROTOCOL,
        _PROXY,
        _PROXY_STEP,
        "503 5.5.2 Send hello first",
        texts=("Send hello first",),
        page="protocol-logging",
    ),
    Row(
        "proxy-header",
        EHLO,
        Kind.PROTOCOL,
        _PROXY,
        _PROXY_STEP,
        "500 5.3.3 Unrecognized command 'unknown'",
        codes=(500, 502),
        texts=("Unrecognized command 'unknown'",),
        page="protocol-logging",
    ),
    Row(
        "proxy-header-at-banner",
        BANNER,
        Kind.PROTOCOL,
        _PROXY,
        _PROXY_STEP,
        "502 5.5.2 Error: command not recognized",
        codes=(421, 500, 501, 502, 503, 521, 550, 554),
        texts=(
            *("early talker", "too soon", "before greeting", "Protocol error"),
            "command not recognized",
            "command unrecognized",
            "unrecognized command",
            "unknown command",
            "syntax error",
            "synchronization error",
            "bad sequence",
        ),
        page="protocol-logging",
    ),
    Row(
        "proxy-header-awaited",
        BANNER,
        Kind.PROTOCOL,
        "The server gave up before it greeted, as one does that is to get a PROXY protocol header "
        "of a balancer and gets none; otherwise it has an error of its own",
        "Test the balancer and not the server behind it, or have the balancer send the header "
        "(HAProxy: send-proxy); otherwise look into the server's log.",
        "421 4.3.0 Server local error",
        codes=(421,),
        texts=("Server local error",),
        page="protocol-logging",
    ),
    Row(
        "proxy-header-out-of-turn",
        ANYWHERE,
        Kind.PROTOCOL,
        f"The server answered what this plugin did not send. {_PROXY}",
        _PROXY_STEP,
        "the server spoke before it was asked: '500 5.5.2 Unrecognized command'",
        causes=(Cause.OUT_OF_TURN, Cause.EARLY_REPLY),
        received=("500", "501", "502", "503", "504", "554 SMTP sync"),
        page="protocol-logging",
        played_at=Stage.EHLO,
    ),
    Row(
        "command-unrecognized",
        (Stage.AUTH, *TRANSACTION),
        Kind.PROTOCOL,
        "The server did not recognize a good command: a middlebox masked or rewrote it, or "
        "X-verbs came to a connector without Exchange Server authentication",
        "Compare with the protocol log what arrived; switch SMTP inspection off; check "
        "AuthMechanism (Get-ReceiveConnector).",
        "500 5.3.3 Unrecognized command",
        codes=(500, 502),
        enhanced=("5.3.3", "5.5.1", "5.5.2"),
        words=("Unrecognized command",),
        page="protocol-logging",
    ),
    Row(
        "command-rewritten",
        ANYWHERE,
        Kind.PROTOCOL,
        "A Cisco firewall wrote X over a command that it does not know before the server saw it",
        "Firewall: no fixup protocol smtp 25 (PIX), or no inspect esmtp (ASA).",
        '500 Syntax error, command "XXXX" unrecognized',
        texts=('command "XX', "command XX"),
        page="cisco",
        begin="dns",
    ),
    Row(
        "gateway-only-quit",
        ANYWHERE,
        Kind.PROTOCOL,
        "A Raptor firewall's SMTP proxy answers, not Exchange, and it ended this session",
        "Switch the firewall's SMTP proxy off for this server, or let it pass through.",
        "503 5.5.0 Not accepting any command except QUIT",
        texts=("Not accepting any command except QUIT",),
        page="cisco",
        begin="dns",
        played_at=Stage.BANNER,
    ),
    Row(
        "arguments-invalid",
        (Stage.STARTTLS, Stage.AUTH, *TRANSACTION),
        Kind.PROTOCOL,
        "A parameter of the command (SIZE, BODY, NOTIFY) is refused, though only offered ones "
        "are sent: a middlebox changes the EHLO list or the command",
        "Compare the EHLO list here (-vv) with the one seen on the server itself; check the "
        "connector's switches, such as DeliveryStatusNotificationEnabled.",
        "501 5.5.4 Invalid arguments",
        codes=(501, 555),
        enhanced=("5.5.4",),
        words=("Invalid arguments",),
        page="connectors",
    ),
    Row(
        "auth-broken",
        AUTH,
        Kind.PROTOCOL,
        "The logon failed: the server did not send a valid challenge",
        "Try another --auth mechanism; see what arrived with -vv, and look for a middlebox in "
        "between.",
        "the challenge is not valid base64",
        causes=(Cause.AUTH,),
        page="protocol-logging",
    ),
    # Before that of the sender, whose words are the same.
    Row(
        "recipient-syntax",
        ADDRESSED,
        Kind.PROTOCOL,
        "The recipient's address is malformed in the server's eyes",
        "Correct --recipient; if it is right, a middlebox changes RCPT TO: compare with the "
        "protocol log.",
        "501 5.1.3 Invalid address",
        enhanced=("5.1.3",),
        words=(
            "Invalid address",
            "STOREDRV.Submit",
        ),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "sender-invalid",
        ENVELOPE,
        Kind.PROTOCOL,
        "The sender's address is malformed or unknown to the server",
        "Give a full address with --from; if it is one, look for a middlebox that changes MAIL "
        "FROM.",
        "501 5.1.7 Invalid address",
        enhanced=("5.1.7",),
        words=(
            "Invalid address",
            "Unknown sender address",
        ),
        page="ndr",
    ),
    Row(
        "size-at-mail",
        ANYWHERE,
        Kind.PROTOCOL,
        "The message is larger than the connector or the recipient allows (MaxMessageSize, 36 "
        "MB by default); a probe of 1 KB should never be",
        "Get-ReceiveConnector (MaxMessageSize) and Get-TransportConfig (MaxReceiveSize): one of "
        "them is far too low.",
        "552 5.3.4 Message size exceeds fixed maximum message size",
        enhanced=("5.3.4", "5.2.3"),
        words=(
            "Message size exceeds",
            "RESOLVER.RST.RecipSizeLimit",
        ),
        page="ndr",
    ),
    Row(
        "recipients-too-many",
        ANYWHERE,
        Kind.PROTOCOL,
        "The server counts too many recipients (Exchange: MaxRecipientsPerMessage); this probe has "
        "one, so it counts those of several messages",
        "Check less often; Get-ReceiveConnector shows MaxRecipientsPerMessage.",
        "452 4.5.3 Too many recipients",
        enhanced=("*.5.3",),
        texts=("Too many recipients",),
        page="ndr",
        played_at=Stage.RCPT,
    ),
    Row(
        "out-of-order",
        TRANSACTION,
        Kind.PROTOCOL,
        "The server has forgotten an earlier command of this session: a middlebox kept MAIL or "
        "RCPT back, or answers them itself",
        "Compare with the protocol log which commands arrived; switch off SMTP proxies on the "
        "path.",
        "503 5.5.2 Need rcpt command",
        codes=(503,),
        page="protocol-logging",
        played_at=Stage.RCPT,
    ),
    Row(
        "header-missing",
        ANYWHERE,
        Kind.PROTOCOL,
        "Exchange Online requires exactly one valid From header (RFC 5322 3.6.2), and did not "
        "find it",
        "Give a full address with --from and no second From with --header; otherwise a middlebox "
        "changed the message.",
        "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant",
        enhanced=("5.7.512",),
        page="ndr-online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "bare-linefeed",
        ANYWHERE,
        Kind.PROTOCOL,
        "The message arrived with a bare line feed, which this plugin never sends: a middlebox "
        "changed the line ends",
        "Switch off SMTP proxies on the path; Get-ReceiveConnector shows "
        "BareLinefeedRejectionEnabled.",
        "550 5.6.11 Invalid characters",
        enhanced=("5.6.11",),
        words=("SMTPSEND.BareLinefeedsAreIllegal",),
        page="ndr-online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "content-invalid",
        ANYWHERE,
        Kind.PROTOCOL,
        "The server could not make sense of the message's headers or content: a --header, or a "
        "middlebox or agent that changed it",
        "Try without --header; Get-TransportAgent; compare with a message sent by hand on the "
        "server.",
        "554 5.6.0 Invalid message content",
        enhanced=("5.6.0",),
        words=("Invalid message content",),
        page="ndr",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "body-type",
        ANYWHERE,
        Kind.PROTOCOL,
        "A middlebox stripped 8BITMIME between servers, so the body type is refused",
        "Firewall: no fixup protocol smtp 25, or no inspect esmtp.",
        "554 5.6.1 Body type not supported by Remote Host",
        enhanced=("5.6.1",),
        words=("Body type not supported by Remote Host",),
        page="cisco",
        begin="dns",
        played_at=Stage.MESSAGE,
    ),
)

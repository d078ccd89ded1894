"""The connector, or who may use it, is not set up for this."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import ANYWHERE, AUTH, ONLINE, Row

ROWS: tuple[Row, ...] = (
    Row(
        "auth-not-offered",
        AUTH,
        Kind.CONNECTOR,
        "The server offers no logon of this kind here: LOGIN and XOAUTH2 only inside TLS, PLAIN "
        "never, and the MX of Exchange Online none at all",
        "Without TLS add --starttls; otherwise use port 587 or another --auth; on premises check "
        "AuthMechanism (Get-ReceiveConnector).",
        "does not offer AUTH",
        causes=(Cause.NOT_OFFERED,),
        page="connectors",
    ),
    Row(
        "auth-type",
        AUTH,
        Kind.CONNECTOR,
        "The mechanism is not offered: LOGIN comes only after STARTTLS, PLAIN never; the "
        "refusal is delayed by the 5s tarpit",
        "Without TLS add --starttls; otherwise use an --auth that is offered; Get-ReceiveConnector "
        "(AuthMechanism) lists them.",
        "504 5.7.4 Unrecognized authentication type",
        codes=(504, 502, 503, 534, 538),
        page="connectors",
    ),
    Row(
        "auth-failed",
        AUTH,
        Kind.CONNECTOR,
        "The logon failed: wrong name or password, account locked, SMTP AUTH disabled for "
        "mailbox or tenant, or NTLM with extended protection",
        "Check the account; Get-CASMailbox, SmtpClientAuthenticationDisabled (Set-CASMailbox); "
        "Get-ReceiveConnector, ExtendedProtectionPolicy. Beware of lockouts: every run tries "
        "again.",
        "535 5.7.3 Authentication unsuccessful",
        codes=(535, 501, 525, 526, 550, 554),
        page="connectors",
    ),
    Row(
        "auth-blocked-by-policy",
        AUTH,
        Kind.CONNECTOR,
        "Exchange Online blocks this kind of logon: security defaults, conditional access or "
        "disabled basic authentication",
        "Use --auth xoauth2 with a token, or except the account; the sign-in log of Entra ID "
        "names the policy.",
        "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
        enhanced=("5.7.139",),
        page="ndr-online",
    ),
    Row(
        "auth-basic-retired",
        # Gmail has the same code for a message without DKIM.
        (Stage.AUTH, Stage.MAIL),
        Kind.CONNECTOR,
        "Exchange Online no longer allows basic authentication for SMTP",
        "Use --auth xoauth2 with a token for SMTP.Send, or SMTP.SendAsApp for an application.",
        "550 5.7.30 Basic authentication is not supported for Client Submission",
        enhanced=("5.7.30",),
        page="ndr-online",
    ),
    Row(
        "exchange-auth",
        ANYWHERE,
        Kind.CONNECTOR,
        "Exchange Server authentication failed: a firewall eats X-EXPS, or the wrong connector "
        "answers a server of the organization",
        "Switch SMTP inspection off; check RemoteIPRanges and AuthMechanism of the connectors "
        "(Get-ReceiveConnector); the monitor must not look like an Exchange server.",
        "451 5.7.3 Cannot achieve Exchange Server authentication",
        texts=("Cannot achieve Exchange Server authentication",),
        page="connectors",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "anonymous-refused",
        ANYWHERE,
        Kind.CONNECTOR,
        "The connector does not let anonymous clients send, which is the default of 2007 and "
        "2010 on port 25, and of every version on 587",
        "Test the host that faces the Internet, or add AnonymousUsers: Set-ReceiveConnector "
        "-PermissionGroups with the present groups (Get-ReceiveConnector) and AnonymousUsers.",
        "530 5.7.1 Client was not authenticated",
        codes=(530, 550, 454),
        texts=(
            *("Client was not authenticated", "Client not authenticated"),
            # No more of it: a sender that SPF or DKIM does not authenticate is something else.
            "5.7.1 Not authenticated",
        ),
        page="connectors",
    ),
    Row(
        "logon-required",
        ANYWHERE,
        Kind.CONNECTOR,
        "The server takes no mail without a logon",
        "Test port 25 of the host that faces the Internet, or log on with --auth and --starttls.",
        "530 Authentication required",
        codes=(530,),
        texts=("Authentication required", "authentication is required", "Not authenticated"),
        page="connectors",
    ),
    Row(
        "submit-not-permitted",
        ANYWHERE,
        Kind.CONNECTOR,
        "The connector takes the connection and this client lacks the permission to submit "
        "(ms-Exch-SMTP-Submit)",
        "Get-ReceiveConnector: who is in PermissionGroups; for the Internet add AnonymousUsers "
        "to them (Set-ReceiveConnector), or Get-ADPermission shows what was taken away.",
        "550 5.7.1 Client does not have permissions to submit to this server",
        texts=(
            "Client does not have permissions to submit",
            "Client does not have permission to submit",
        ),
        page="connectors",
    ),
    Row(
        "anonymous-mail-from",
        ANYWHERE,
        Kind.CONNECTOR,
        "This connector or port (587) requires a logon before MAIL",
        "Test port 25 of the MX, or log on with --auth and --starttls; for anonymous mail add "
        "AnonymousUsers to PermissionGroups (Set-ReceiveConnector).",
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM "
        "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
        enhanced=("5.7.57",),
        words=("SMTP; Client was not authenticated to send anonymous mail",),
        page="connectors",
    ),
    Row(
        "tenant-attribution",
        ANYWHERE,
        Kind.CONNECTOR,
        "Exchange Online can't match the sending server to a tenant: no inbound connector fits "
        "its address or certificate, or the domain is not accepted there",
        "Get-InboundConnector: SenderIPAddresses and TlsSenderCertificateName must fit the "
        "sending server as it is now, after renewals too; Get-AcceptedDomain.",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        enhanced=("5.7.64",),
        page="ndr-online",
        begin="routing",
        played_at=Stage.RCPT,
    ),
    Row(
        "partner-connector",
        ANYWHERE,
        Kind.CONNECTOR,
        "An inbound connector of type Partner takes mail for this domain from certain addresses or "
        "certificates only, and this client has neither",
        "Send through the gateway that the connector expects, and let the MX name it; otherwise "
        "Get-InboundConnector "
        "shows RestrictDomainsToIPAddresses and RestrictDomainsToCertificate.",
        "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched "
        "the message's recipient domain",
        enhanced=("5.7.51",),
        page="ndr-online",
        begin="routing",
    ),
    Row(
        "wrong-region",
        ANYWHERE,
        Kind.CONNECTOR,
        "The mail went to another Microsoft 365 region than the tenant's: the MX, smart host or "
        "a fixed address is out of date",
        "Set the MX, or the smart host of the Send connector, to the name that the admin center "
        "shows; never to an address.",
        "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
        enhanced=("4.4.62",),
        page="ndr-online",
        begin="dns",
        everybody=True,
        played_at=Stage.RCPT,
    ),
    Row(
        "online-anonymous-refused",
        ANYWHERE,
        Kind.CONNECTOR,
        "The submission service of Exchange Online (port 587) requires a logon before MAIL",
        "Test the domain's MX on port 25, or log on: --starttls --auth xoauth2 with a token.",
        "530 5.7.57 Client not authenticated to send mail. "
        "[AM0PR01CA0001.eurprd01.prod.exchangelabs.com]",
        codes=(530,),
        enhanced=("5.7.57",),
        generations=ONLINE,
        page="ndr-online",
    ),
)

"""The server, the recipient or a rule is the reason, and other mail is met by it as well."""

from __future__ import annotations

from ...vocabulary import Kind, Stage
from .reason import ADDRESSED, CONTENT, SESSION, Reason

REASONS: tuple[Reason, ...] = (
    Reason(
        "said-resolver-failed",
        Kind.SERVER,
        "A look-up in DNS fails at the server: of its resolver, or of a block list that is gone or "
        "refuses it, which meets everybody; or of the sender's domain or this client's name alone",
        "Use a resolver of the server's own, no public or open one; take a list that is gone, or "
        "that refuses its queries, out of use.",
        "550 5.7.1 Error: open resolver; see the list's page on return codes",
        exchange="Get-IPBlockListProvider, Get-TransportService (InternalDNSServers); then "
        "Restart-Service MSExchangeTransport.",
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-verification",
        Kind.RECIPIENT,
        "The gateway verifies the recipient at the server behind it, and has no answer yet",
        "Wait for the next check, which finds the answer; if it stays, the server behind does not "
        "answer.",
        "450 4.1.1 [postmaster@contoso.com]: Recipient address rejected: unverified address: "
        "Address verification in progress",
        classes=(4,),
        page="",
    ),
    Reason(
        "said-next-hop",
        Kind.SERVER,
        "The server can't reach the next one behind it, mostly Exchange itself, so nobody's mail "
        "comes in",
        "Test the server behind with a check of its own (-H); then network and port 25 between "
        "the two.",
        "450 4.4.1 connect to mail1.contoso.com[192.0.2.25]:25: Connection refused",
        exchange="Get-Queue and Get-SendConnector show where it waits.",
        everybody=True,
        page="connectivity",
        begin="routing",
    ),
    Reason(
        "said-loop",
        Kind.SERVER,
        "The message would go round in a circle: the server sends it to itself, or to another that "
        "sends it back",
        "Look where the server sends mail for the domain: to its own name, or to an MX that leads "
        "back to it.",
        "554 5.4.6 Too many hops, this is a mail loop",
        exchange="Get-SendConnector; Get-AcceptedDomain (InternalRelay).",
        online="Get-AcceptedDomain (InternalRelay), and the connectors to the organization.",
        gateway="BOX has the next hop of the domain in its settings.",
        page="routing",
        begin="routing",
    ),
    Reason(
        "said-licence",
        Kind.SERVER,
        "The licence of the product that answers has expired or does not suffice",
        "Renew it, or give the product more users.",
        "421 4.3.2 The product license has expired, mail is not accepted",
        gateway="See the licence page of BOX.",
    ),
    Reason(
        "said-tls-required",
        Kind.TLS,
        "The server takes mail from this client or for this recipient inside TLS only",
        "Give the check --starttls; that senders can do TLS is their matter.",
        "530 5.7.0 Encryption is needed before mail is taken",
        exchange="Set-ReceiveConnector -RequireTLS $false lets others in.".replace(
            " $false", " false"
        ),
        online="Get-InboundConnector: RequireTls of the connector that fits.",
        gateway="BOX has a rule for it (TLS policy).",
        page="connectors",
    ),
    Reason(
        "said-tls-unavailable",
        Kind.TLS,
        "The server offers STARTTLS, or knows it, and can't do it: no certificate or key, or TLS "
        "is "
        "switched off",
        "Renew the certificate there, or switch TLS on.",
        "454 4.3.3 TLS currently not available, no certificate is loaded",
        exchange="Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services "
        "SMTP.",
        online="A box on the way may strip TLS: compare from another network.",
        legacy="See Access, Secure communication, of the SMTP virtual server.",
        gateway="See the TLS settings of BOX.",
        stages=(Stage.STARTTLS,),
        page="connectors",
    ),
    Reason(
        "said-account-off",
        Kind.CONNECTOR,
        "Inbound mail of this account or domain is disabled or suspended at the service that "
        "answers",
        "Enable it there, or ask the service why; the bill may be open. Until then no mail comes "
        "in.",
        "451 4.7.1 Inbound mail for this customer is suspended",
        stages=(Stage.BANNER, Stage.EHLO, Stage.MAIL, Stage.RCPT),
        gateway="Look at the account in BOX.",
    ),
    Reason(
        "said-connections-of-client",
        Kind.LOAD,
        "This monitoring host, or what shares its address, has too many connections to the server",
        "Look at what else comes from the monitor's address; check less often or with less "
        "--parallel.",
        "421 4.7.0 Too many connections from your host",
        exchange="Get-ReceiveConnector: MaxInboundConnectionPerSource.",
        gateway="BOX has the limit, its log who holds the connections.",
        this_probe=True,
        page="connectors",
    ),
    Reason(
        "said-too-many-connections",
        Kind.LOAD,
        "The server has too many connections",
        "Look who holds the connections and whether they hang; raise their limit, or check with "
        "less "
        "--parallel.",
        "421 4.7.0 Too many concurrent SMTP connections, try again later",
        exchange="Get-ReceiveConnector: MaxInboundConnection and MaxInboundConnectionPerSource.",
        legacy="See General, Limit number of connections, of the SMTP virtual server.",
        gateway="BOX has the limit, its log who holds the connections.",
        page="connectors",
    ),
    Reason(
        "said-filter-failed",
        Kind.SERVER,
        "A filter, scanner, directory or data base that the server asks does not answer, so it "
        "defers what it can't check",
        "Restart the filter, scanner or policy service, then look at the directory (LDAP) and the "
        "data base that it needs.",
        "451 4.3.0 Temporary lookup failure",
        exchange="Get-TransportAgent; Test-ServiceHealth; event log of MSExchangeTransport.",
        online="Wait; if it stays, look at the service health of Microsoft 365.",
        gateway="The log of BOX names which; look there.",
        begin="routing",
        stages=SESSION,
    ),
    Reason(
        "said-line-ends",
        Kind.PROTOCOL,
        "The message arrived with bare line feeds, which this plugin never sends: a middlebox or "
        "proxy changed the line ends",
        "Switch SMTP proxies and inspection on the way off.",
        "553 5.6.0 Bare LF in message",
        exchange="Get-ReceiveConnector: BareLinefeedRejectionEnabled.",
        stages=CONTENT,
    ),
    Reason(
        "said-malformed",
        Kind.PROTOCOL,
        "The server does not like the form of the message: a header that is missing, doubled or "
        "malformed, or bytes that it does not take",
        "Try without --header, and give a full address with --from; otherwise a middlebox changed "
        "the message.",
        "554 5.6.0 The message has no Date header",
        stages=CONTENT,
        page="ndr",
    ),
    Reason(
        "said-relaying",
        Kind.RECIPIENT,
        "The server takes the recipient's domain for a foreign one, so this would be relaying: the "
        "domain is missing in its list, or the MX names the wrong server",
        "Compare --recipient and the MX with the domains that the server has. Do not open the "
        "relay.",
        "554 5.7.1 [postmaster@contoso.com]: Relay access denied",
        exchange="Get-AcceptedDomain; New-AcceptedDomain -Name DOMAIN -DomainName DOMAIN.",
        online="Get-AcceptedDomain; compare the MX with the one that the admin center shows.",
        legacy="Add the domain to the recipient policy in System Manager.",
        gateway="Look at the list of domains of BOX.",
        page="routing",
        begin="routing",
        stages=(Stage.MAIL, *ADDRESSED),
    ),
    Reason(
        "said-logon",
        Kind.CONNECTOR,
        "The server takes mail after a logon only",
        "Test port 25 of the host that faces the Internet, or log on with --auth and --starttls.",
        "530 5.7.0 Please log on first",
        exchange="Get-ReceiveConnector: AnonymousUsers in PermissionGroups lets anybody send.",
        legacy="See Access, Authentication, of the SMTP virtual server.",
        gateway="BOX says in its settings who may send without.",
        stages=(Stage.BANNER, Stage.MAIL, *ADDRESSED),
        page="connectors",
    ),
    Reason(
        "said-mailbox-full",
        Kind.RECIPIENT,
        "The recipient's mailbox is full",
        "Delete old probes, by a rule best, or raise the mailbox's quota; or give another "
        "--recipient.",
        "452 4.2.2 The mailbox is over its quota",
        exchange="Get-MailboxStatistics RECIPIENT; Set-Mailbox -ProhibitSendReceiveQuota.",
        online="Get-MailboxStatistics RECIPIENT.",
        legacy="See the storage limits in the user's properties, Exchange General.",
        gateway="BOX repeats what the server behind said: look there.",
        stages=ADDRESSED,
        page="ndr",
        begin="postmaster",
    ),
    Reason(
        "said-size",
        Kind.PROTOCOL,
        "The message is larger than the server allows; a probe of 1 KB should never be, so its "
        "limit is far too low",
        "Raise the size limit of the server.",
        "552 5.3.4 Message too big for system",
        exchange="Get-ReceiveConnector (MaxMessageSize), Get-TransportConfig (MaxReceiveSize).",
        legacy="See Messages, Limit message size, of the SMTP virtual server, and Global Settings, "
        "Message Delivery.",
        gateway="See the limit on message size in BOX.",
        page="ndr",
    ),
    Reason(
        "said-storage",
        Kind.LOAD,
        "The server has no disk space or memory left, so it takes nobody's mail",
        "Free the disk of the mail queue, then memory.",
        "452 4.3.1 Insufficient system storage",
        exchange="Get-ExchangeDiagnosticInfo -Server SERVER -Process EdgeTransport -Component "
        "ResourceThrottling names the resource.",
        online="Wait; if it stays, look at the service health of Microsoft 365.",
        legacy="See the disk of the SMTP virtual server's Queue folder, and its memory.",
        gateway="See disk, memory and queues of BOX.",
        everybody=True,
        page="back-pressure",
        begin="queues",
    ),
    Reason(
        "said-busy",
        Kind.LOAD,
        "The server is too busy to take mail just now",
        "Wait for the next check; if it stays, look at its load, its queues and the number of its "
        "connections.",
        "421 4.3.2 Server busy, load too high",
        exchange="Get-ExchangeDiagnosticInfo -Server SERVER -Process EdgeTransport -Component "
        "ResourceThrottling; Get-Queue.",
        online="If it stays, look at the service health of Microsoft 365.",
        gateway="See load and queues of BOX.",
        page="back-pressure",
        begin="queues",
    ),
    Reason(
        "said-recipient-unavailable",
        Kind.RECIPIENT,
        "The recipient's mailbox, or what the server knows of it, is not available just now",
        "Wait for the next check; if it stays, give another --recipient to see whether it is this "
        "one only.",
        "450 4.2.1 The mailbox is temporarily unavailable",
        exchange="Get-MailboxDatabaseCopyStatus shows whether its database is mounted.",
        gateway="See how BOX asks for recipients, and whether the server behind answers.",
        stages=ADDRESSED,
        classes=(4,),
        page="",
        begin="postmaster",
    ),
    Reason(
        "said-no-recipient",
        Kind.RECIPIENT,
        "There is no such recipient in what the server knows",
        "Correct --recipient, or add the address; a new one may need time to get there.",
        "550 5.1.1 [postmaster@contoso.com]: Recipient address rejected: User unknown",
        exchange="Get-Recipient RECIPIENT; Set-Mailbox MAILBOX -EmailAddresses @{add='RECIPIENT'}.",
        online="Get-Recipient RECIPIENT; Set-Mailbox MAILBOX -EmailAddresses @{add='RECIPIENT'}.",
        legacy="See the user's properties, E-mail Addresses, in Active Directory Users and "
        "Computers.",
        gateway="Look at the list of recipients of BOX, or at how it asks for them (LDAP).",
        stages=ADDRESSED,
        page="ndr",
        begin="postmaster",
    ),
    Reason(
        "said-shutting-down",
        Kind.SERVER,
        "The server takes no mail just now: it is stopped, maintained, or has more than it can do",
        "Look whether somebody maintains it; otherwise start the mail service and try again.",
        "421 4.3.2 Service shutting down for maintenance",
        exchange="Get-ServerComponentState SERVER; Test-ServiceHealth.",
        online="Wait; if it stays, look at the service health of Microsoft 365.",
        legacy="See whether the SMTP virtual server is stopped or paused.",
        gateway="See the status page of BOX.",
        stages=SESSION,
    ),
    Reason(
        "said-error",
        Kind.SERVER,
        "The server has an error in itself or behind it, and does not say which",
        "Wait for the next check; if it stays, look at the server behind and its DNS.",
        "451 4.3.0 Internal error, please try again later",
        exchange="Get-Queue; Test-ServiceHealth; event log of MSExchangeTransport.",
        online="If it stays, look at the service health of Microsoft 365.",
        gateway="Test the server behind BOX with a check of its own (-H).",
        begin="routing",
        stages=SESSION,
    ),
    Reason(
        "said-recipient-restricted",
        Kind.RECIPIENT,
        "The server does not take mail for this recipient from here: an access list, a restricted "
        "recipient, or none of that name",
        "Give another --recipient to see whether it is this one only.",
        "554 5.7.1 [postmaster@contoso.com]: Recipient address rejected: Access denied",
        exchange="Get-Recipient RECIPIENT: RequireSenderAuthenticationEnabled and who may send.",
        online="Get-Recipient RECIPIENT: RequireSenderAuthenticationEnabled and who may send.",
        legacy="See the user's properties, Exchange General, Delivery Restrictions.",
        gateway="See what BOX, the gateway, restricts for it.",
        stages=ADDRESSED,
        page="ndr",
        begin="postmaster",
    ),
    Reason(
        "said-denied",
        Kind.POLICY,
        "A policy or filter of the server refuses this, and it does not say whether it means the "
        "client, the sender, the recipient or the text",
        "Try another --from and another --recipient, and from another address, to see which it is.",
        "550 5.7.1 Access denied",
        exchange="Get-TransportRule and Get-TransportAgent; search the text in the protocol log.",
        online="Get-TransportRule; message trace (Get-MessageTraceV2).",
    ),
    Reason(
        "said-try-later",
        Kind.SERVER,
        "The server asks to try again later and does not say why: greylisting, or a look-up, a "
        "filter or a verification that is not finished or fails",
        "Wait for the next check, which greylisting lets pass; if it stays, it is something else.",
        "451 4.7.1 Please try again later",
        stages=SESSION,
        classes=(4,),
        subjects=(1, 2, 3, 4, 7),
        page="",
    ),
)

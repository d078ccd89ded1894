"""Why any mail server may refuse, and what to do about it; data.

The table in ``failures`` has the replies of Exchange itself.  In front of Exchange, or in its
place, answer gateways, filters and other mail servers; each has its own words for the same few
reasons, which are in ``wordings``.  The order is that of the search: what is said more exactly
comes first.

Nothing of this is imported by a run in which nothing fails.
"""

from __future__ import annotations

from ..record import NamedTuple
from ..vocabulary import Kind, Stage


class Reason(NamedTuple):
    """One reason to refuse or to defer, and the ways in which servers word it."""

    #: Name, unique among rows and reasons, and the anchor in the documentation.
    key: str
    kind: Kind
    #: One clause, without a full stop; LIST is the list or product that the reply names.
    cause: str
    #: What helps wherever it is said, in full sentences.
    next_step: str
    #: A reply of this meaning.
    sample: str
    #: What else can be done at Exchange 2007 and later.
    exchange: str = "Search the text in the protocol log of the Receive connector."
    #: The same at Exchange Online, with what its tenants have.
    online: str = "If it stays, ask Microsoft and quote the whole reply."
    #: The same at Exchange 2000 and 2003.
    legacy: str = "Look into the log of the SMTP virtual server."
    #: The same at a gateway; BOX is its name.
    gateway: str = "Search the text in the log of BOX."
    #: Stages at which it has this meaning; empty for all.
    stages: tuple[Stage, ...] = ()
    #: Classes of reply codes that it can have.
    classes: tuple[int, ...] = (4, 5)
    #: Subjects of enhanced status codes (RFC 3463 3) that go with it; empty for all.
    subjects: tuple[int, ...] = ()
    #: Whether every sender meets this, so that a reply of class 4 means that no mail comes in.
    everybody: bool = False
    #: Whether this probe alone may meet it, and pass by waiting.
    this_probe: bool = False
    #: Short name of the page to read (see ``pages``); empty if there is none.
    page: str = "protocol-logging"
    #: Key of the resource with which to begin troubleshooting (see ``pages``).
    begin: str = "mail-flow"

    @property
    def stage(self) -> Stage:
        """The stage to play it at."""
        return Stage.RCPT if not self.stages or Stage.RCPT in self.stages else self.stages[-1]


_SESSION = (Stage.BANNER, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
_ADDRESSED = (Stage.RCPT, Stage.DATA, Stage.MESSAGE)

_EXEMPT = "Have the monitor's address exempted in BOX, whose log has the text."
_ALLOW = (
    "Add-IPAllowListEntry -IPAddress ADDRESS; Get-IPBlockListProvider and -Entry name the list."
)
_TRACE = "Get-MessageTraceV2 and Get-HostedConnectionFilterPolicy (IPAllowList) are the tenant's."
_ACCEPT_2003 = "In System Manager: Global Settings, Message Delivery, Connection Filtering."

REASONS: tuple[Reason, ...] = (
    Reason(
        "said-greylisting",
        Kind.PROBE,
        "The server greylists clients that it does not know; Exchange itself never does",
        "Wait for the next check; it passes.",
        "451 4.7.1 Greylisting in action, please come back later",
        exchange="Find the agent that does it: Get-TransportAgent.",
        gateway=_EXEMPT,
        stages=_SESSION,
        classes=(4,),
        this_probe=True,
        page="",
    ),
    Reason(
        "said-resolver-failed",
        Kind.SERVER,
        "The server's own DNS resolver or block list look-up fails, so it refuses everybody",
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
        "said-no-reverse-name",
        Kind.PROBE,
        "The server wants a reverse DNS name (PTR record) for the address of this monitoring host, "
        "which has none that fits",
        "Give the monitor's address a PTR record whose name resolves back to it; it does not pass "
        "by waiting.",
        "450 4.7.1 Client host rejected: no reverse name for [203.0.113.10]",
        exchange="Or Add-IPAllowListEntry -IPAddress ADDRESS.",
        online="Over IPv6 it is always demanded: use -4.",
        gateway="Or have the monitor's address exempted in BOX.",
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-dmarc",
        Kind.PROBE,
        "The sender's domain publishes DMARC, and this probe passes neither SPF nor DKIM for it",
        "Use a --from in a domain of yours whose SPF record lists the monitor.",
        "550 5.7.1 Rejected by the DMARC policy of fabrikam.com",
        gateway=_EXEMPT,
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-sender-id",
        Kind.PROBE,
        "Sender ID finds that the sender's domain (its SPF record) does not allow this monitoring "
        "host to send",
        "Use a --from in a domain of yours and list the monitor's address in its SPF record.",
        "550 5.7.1 Sender ID (PRA) does not permit this host",
        exchange="Get-SenderIdConfig; Set-SenderIdConfig -BypassedSenderDomains.",
        legacy="Global Settings, Message Delivery, Sender ID Filtering.",
        gateway=_EXEMPT,
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-spf",
        Kind.PROBE,
        "The SPF record of the sender's domain does not list this monitoring host",
        "Use a --from in a domain of yours and list the monitor's address in its SPF record.",
        "550 5.7.1 SPF check failed for probe@fabrikam.com",
        gateway=_EXEMPT,
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-dkim",
        Kind.PROBE,
        "The server wants a DKIM signature or another proof that the sender's domain sent this",
        "Use a --from in a domain that does not sign and whose SPF record lists the monitor.",
        "550 5.7.20 No passing DKIM signature found",
        gateway=_EXEMPT,
        page="dns",
        begin="dns",
    ),
    Reason(
        "said-spoofed",
        Kind.PROBE,
        "The server takes the probe for forged: its sender is in a domain of the organization, or "
        "the name does not belong to this host",
        "Use a --from in a domain outside the organization, whose SPF record lists the monitor.",
        "550 5.7.1 Message refused, the sender is spoofed",
        exchange="Or Get-TransportRule for the rule that says it.",
        online="Or except the monitor in the anti-phishing policy (spoof intelligence).",
        gateway="Or except the monitor from the anti-spoofing policy of BOX.",
        page="ndr",
    ),
    Reason(
        "said-sender-listed",
        Kind.PROBE,
        "The sender's domain or address, or the EHLO name, is on a block list (LIST)",
        "Use another --from, and another --fqdn, or have it delisted.",
        "550 5.7.1 Sender domain is listed in dbl.fabrikam.example",
        gateway="Or have it allowed in BOX.",
        page="ndr",
    ),
    Reason(
        "said-sender-verify",
        Kind.PROBE,
        "The server tries to verify the sender's address, and finds no mailbox or domain that "
        "takes "
        "mail for it",
        "Use a --from that exists, in a domain that has an MX and takes mail.",
        "550 5.1.8 The sender could not be verified",
        gateway=_EXEMPT,
        stages=(Stage.MAIL, *_ADDRESSED),
        page="dns",
        begin="dns",
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
        "said-too-fast",
        Kind.PROBE,
        "The server counts too many connections, messages or errors of this client, sender or "
        "recipient in a time (a rate limit)",
        "Check less often, and look at what else sends from the monitor's address; wait for the "
        "next check.",
        "450 4.7.1 Rate limit reached, slow down",
        exchange="Get-ReceiveConnector: MessageRateLimit, MaxRecipientsPerMessage.",
        gateway="Or have the monitor's address exempted in BOX.",
        this_probe=True,
        page="",
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
        "defers everybody",
        "Restart the filter, scanner or policy service, then look at the directory (LDAP) and the "
        "data base that it needs.",
        "451 4.3.0 Temporary lookup failure",
        exchange="Get-TransportAgent; Test-ServiceHealth; event log of MSExchangeTransport.",
        online="Wait; if it stays, look at the service health of Microsoft 365.",
        gateway="The log of BOX names which; look there.",
        begin="routing",
        stages=_SESSION,
    ),
    Reason(
        "said-line-ends",
        Kind.PROTOCOL,
        "The message arrived with bare line feeds, which this plugin never sends: a middlebox or "
        "proxy changed the line ends",
        "Switch SMTP proxies and inspection on the way off.",
        "553 5.6.0 Bare LF in message",
        exchange="Get-ReceiveConnector: BareLinefeedRejectionEnabled.",
        stages=(Stage.DATA, Stage.MESSAGE),
    ),
    Reason(
        "said-virus",
        Kind.PROBE,
        "A scanner takes the text of this probe for a virus or for malware",
        "Keep --subject and --header plain and try a message by hand; if that passes, the scanner "
        "errs on the probe.",
        "550 5.7.1 Virus found in message",
        exchange="Get-TransportAgent names the scanner; then its log.",
        online="See quarantine and the anti-malware policy of the tenant.",
        gateway="The log of BOX says what it found.",
        stages=(Stage.DATA, Stage.MESSAGE),
        page="tracking",
    ),
    Reason(
        "said-listed",
        Kind.PROBE,
        "The address of this monitoring host is on a block list (LIST), so this client is blocked",
        "Look the address up in that list and have it delisted, or monitor from another address.",
        "554 5.7.1 Service unavailable; Client host [203.0.113.10] blocked using "
        "bl.fabrikam.example",
        exchange=_ALLOW,
        online=_TRACE,
        legacy=_ACCEPT_2003,
        gateway="Or have it allowed in BOX, whose log has the text.",
        stages=_SESSION,
        page="ndr",
    ),
    Reason(
        "said-reputation",
        Kind.PROBE,
        "The server refuses the address of this monitoring host for its reputation (LIST)",
        "Look up its reputation and have it mended, or monitor from another address.",
        "554 5.7.1 Connection refused, your host has a poor reputation",
        exchange="Get-SenderReputationConfig; Add-IPAllowListEntry -IPAddress ADDRESS.",
        online=_TRACE,
        legacy=_ACCEPT_2003,
        gateway="Or have it allowed in BOX, whose log has the text.",
        stages=_SESSION,
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
        stages=(Stage.MAIL, *_ADDRESSED),
    ),
    Reason(
        "said-ehlo-name",
        Kind.PROBE,
        "The server does not like the name that the probe gives in EHLO",
        "Give the monitor's own fully qualified name with --fqdn, one that DNS resolves to its "
        "address and back.",
        "550 5.7.1 Invalid HELO: not a fully qualified name",
        gateway=_EXEMPT,
        legacy="See Delivery, Advanced, of the SMTP virtual server (reverse look-ups).",
        page="telnet",
        begin="dns",
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
        stages=(Stage.BANNER, Stage.MAIL, *_ADDRESSED),
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
        stages=_ADDRESSED,
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
        stages=_ADDRESSED,
        page="ndr",
        begin="postmaster",
    ),
    Reason(
        "said-shutting-down",
        Kind.SERVER,
        "The server takes no mail just now: it is being stopped, restarted or maintained",
        "Look whether somebody maintains it; else start the mail service and try again.",
        "421 4.3.2 Service shutting down for maintenance",
        exchange="Get-ServerComponentState SERVER; Test-ServiceHealth.",
        online="Wait; if it stays, look at the service health of Microsoft 365.",
        legacy="See whether the SMTP virtual server is stopped or paused.",
        gateway="See the status page of BOX.",
        stages=_SESSION,
    ),
    Reason(
        "said-sender-denied",
        Kind.PROBE,
        "The server does not take mail from this sender",
        "Use another --from.",
        "550 5.7.1 [probe@fabrikam.com]: Sender address rejected: Access denied",
        exchange="Get-SenderFilterConfig (BlockedSenders, BlockedDomains) shows who is blocked.",
        online="Get-TenantAllowBlockListItems -ListType Sender shows who is blocked.",
        legacy="See Global Settings, Message Delivery, Sender Filtering.",
        gateway="Or have it allowed in BOX.",
        stages=(Stage.MAIL, *_ADDRESSED),
        page="ndr",
    ),
    Reason(
        "said-spam",
        Kind.PROBE,
        "A filter takes the content of this probe for spam",
        "Keep --subject and --header plain, and send a probe by hand to compare; the filter's log "
        "has the score.",
        "550 5.7.1 This message looks like spam",
        exchange="Get-TransportAgent; Set-ContentFilterConfig -BypassedSenders @{add='SENDER'}.",
        online="See the anti-spam policy and quarantine of the tenant.",
        legacy="See Global Settings, Message Delivery, Intelligent Message Filter.",
        gateway="Have the probe exempted in BOX, the gateway's filter.",
        stages=(Stage.DATA, Stage.MESSAGE),
        page="tracking",
    ),
    Reason(
        "said-client-refused",
        Kind.PROBE,
        "The server refuses this client by its address (a block or access list, its country or a "
        "policy), while mail of others may flow",
        "Have the monitor's address allowed, or monitor from another address.",
        "554 5.7.1 [unknown[203.0.113.10]]: Client host rejected: Access denied",
        exchange="Get-IPBlockListEntry; Add-IPAllowListEntry -IPAddress ADDRESS.",
        online=_TRACE,
        legacy="See Access, Connection, of the SMTP virtual server.",
        gateway=_EXEMPT,
        stages=_SESSION,
        page="ndr",
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
        stages=_SESSION,
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
        stages=_ADDRESSED,
        page="ndr",
        begin="postmaster",
    ),
    Reason(
        "said-denied",
        Kind.POLICY,
        "The server denies access by a policy, and does not say whether the client, the sender or "
        "the recipient is meant",
        "Try another --from and another --recipient, and from another address, to see which it is.",
        "550 5.7.1 Access denied",
        exchange="Get-TransportRule and Get-TransportAgent; search the text in the protocol log.",
        online="Get-TransportRule; message trace (Get-MessageTraceV2).",
    ),
    Reason(
        "said-try-later",
        Kind.PROBE,
        "The server asks to try again later and does not say why: greylisting perhaps, or a "
        "look-up "
        "or verification that is not finished",
        "Wait for the next check; if it stays, it is neither.",
        "451 4.7.1 Please try again later",
        stages=(Stage.RCPT, Stage.DATA, Stage.MESSAGE),
        classes=(4,),
        subjects=(1, 2, 7),
        page="",
    ),
)

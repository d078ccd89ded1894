"""This probe is refused: its address, its name, its sender or its message."""

from __future__ import annotations

from ...vocabulary import Kind, Stage
from .reason import ADDRESSED, CONTENT, SESSION, Reason

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
        stages=SESSION,
        classes=(4,),
        this_probe=True,
        page="",
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
        "Use a --from that exists, in a domain that has an MX and takes mail. If other senders are "
        "refused as well, the server's DNS resolver fails.",
        "550 5.1.8 The sender could not be verified",
        gateway=_EXEMPT,
        stages=(Stage.MAIL, *ADDRESSED),
        page="dns",
        begin="dns",
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
        "said-virus",
        Kind.PROBE,
        "A scanner takes the text of this probe for a virus or for malware",
        "Keep --subject and --header plain and try a message by hand; if that passes, the "
        "scanner is wrong about the probe.",
        "550 5.7.1 Virus found in message",
        exchange="Get-TransportAgent names the scanner; then its log.",
        online="See quarantine and the anti-malware policy of the tenant.",
        gateway="The log of BOX says what it found.",
        stages=CONTENT,
        classes=(5,),
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
        stages=SESSION,
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
        stages=SESSION,
        page="ndr",
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
        "said-sender-denied",
        Kind.PROBE,
        "The server does not take mail from this sender",
        "Use another --from.",
        "550 5.7.1 [probe@fabrikam.com]: Sender address rejected: Access denied",
        exchange="Get-SenderFilterConfig (BlockedSenders, BlockedDomains) shows who is blocked.",
        online="Get-TenantAllowBlockListItems -ListType Sender shows who is blocked.",
        legacy="See Global Settings, Message Delivery, Sender Filtering.",
        gateway="Or have it allowed in BOX.",
        stages=(Stage.MAIL, *ADDRESSED),
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
        stages=CONTENT,
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
        stages=SESSION,
        page="ndr",
    ),
)

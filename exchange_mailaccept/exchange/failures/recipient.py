"""The recipient or the domain is not set up."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import ADDRESSED, ANYWHERE, MX, TRANSACTION, Row

ROWS: tuple[Row, ...] = (
    Row(
        "domain-unknown",
        MX,
        Kind.RECIPIENT,
        "DNS does not know the name, of the domain or of the mail server that its MX names, so "
        "no sender can reach it",
        "Check the spelling of -d or -H; then nslookup -type=MX NAME and -type=NS NAME, "
        "asked from outside: registration, delegation, the MX's target.",
        "contoso.com does not exist (NXDOMAIN)",
        causes=(Cause.NXDOMAIN,),
        page="dns",
        begin="dns",
    ),
    Row(
        "null-mx",
        MX,
        Kind.RECIPIENT,
        "The domain declares by a null MX (RFC 7505) that it takes no mail at all",
        "If it should receive mail, replace the MX record '0 .' by one that names the mail server; "
        "otherwise test another domain.",
        "contoso.com accepts no mail (null MX, RFC 7505)",
        causes=(Cause.NULL_MX,),
        page="dns",
        begin="dns",
    ),
    Row(
        "unexpected-mx",
        MX,
        Kind.RECIPIENT,
        "The domain has none of the MX that --expect-mx names, so all its mail goes to other "
        "servers; nothing was sent to them",
        "nslookup -type=MX DOMAIN; ask the registrar and whoever runs the web site who changed the "
        "zone, and put the MX back. After a planned move, change --expect-mx.",
        "contoso.com has the wrong MX, mail.hoster.example (expected: mail1.contoso.com)",
        causes=(Cause.UNEXPECTED_MX,),
        page="dns",
        begin="dns",
    ),
    Row(
        "mx-without-address",
        MX,
        Kind.RECIPIENT,
        "DNS names no address for the mail server of the domain",
        "Look up the MX and its A or AAAA record (nslookup -type=MX NAME) and add the missing "
        "one; with -4 or -6 the other family may be the only one.",
        "mail1.contoso.com has no address",
        causes=(Cause.NO_ADDRESS,),
        page="dns",
        begin="dns",
    ),
    Row(
        "mx-not-public",
        MX,
        Kind.RECIPIENT,
        "The MX leads to an address that no other host can reach, so mail never arrives; some "
        "domains say so that they take none",
        "Let the MX name a host with a public address; a domain without mail has a null MX "
        "(RFC 7505). In a lab give --nameserver a loopback address with a port of its own.",
        "mail1.contoso.com leads where no other host can send mail: 127.0.0.1 is this host itself",
        causes=(Cause.NOT_PUBLIC,),
        page="dns",
        begin="dns",
    ),
    Row(
        "dns-aliases",
        MX,
        Kind.RECIPIENT,
        "The name leads through aliases (CNAME) in a circle or without end",
        "Follow it with nslookup -type=CNAME NAME, and let the domain's MX name a host with an "
        "address of its own (RFC 2181 10.3).",
        "alias loop from 192.0.2.53",
        causes=(Cause.ALIASES,),
        page="dns",
        begin="dns",
    ),
    Row(
        "not-a-domain-name",
        MX,
        Kind.RECIPIENT,
        "This is not a name that DNS can look up",
        "Correct -d or -H; if it is right, correct the MX record that names such a host.",
        "mail..contoso.com is not a domain name",
        causes=(Cause.BAD_NAME,),
        page="dns",
        begin="dns",
    ),
    Row(
        "recipient-unknown",
        ADDRESSED,
        Kind.RECIPIENT,
        "There is no such recipient",
        "Get-Recipient RECIPIENT; add the alias (Set-Mailbox MAILBOX -EmailAddresses "
        "@{add='RECIPIENT'}), or test an existing one with --recipient.",
        "550 5.1.1 User unknown",
        codes=(550, 551, 553, 554),
        enhanced=("5.1.1",),
        words=(
            "User unknown",
            "RESOLVER.ADR.RecipNotFound",
        ),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "recipient-not-found",
        ADDRESSED,
        Kind.RECIPIENT,
        "The address look-up found no such recipient",
        "Get-Recipient RECIPIENT; add the alias (Set-Mailbox MAILBOX -EmailAddresses "
        "@{add='RECIPIENT'}) or give --recipient. Edge 2016 before CU1 has a bug here (KB "
        "3152396).",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        codes=(550,),
        enhanced=("5.1.10",),
        words=("RESOLVER.ADR.RecipientNotFound",),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "edge-blocking",
        ADDRESSED,
        Kind.RECIPIENT,
        "Directory Based Edge Blocking: the domain is authoritative and this recipient is not "
        "in the directory; postmaster is no exception",
        "Add RECIPIENT as an alias to a shared mailbox or group, or give --recipient; "
        "Get-AcceptedDomain: InternalRelay switches the blocking off.",
        "550 5.4.1 [postmaster@contoso.com]: Recipient address rejected: Access denied. "
        "AS(201806281)",
        enhanced=("5.4.1",),
        texts=("Recipient address rejected", "Access denied"),
        page="edge-blocking",
        begin="postmaster",
    ),
    Row(
        "domain-not-here",
        TRANSACTION,
        Kind.RECIPIENT,
        "The domain is not accepted here: it is not an accepted domain of this tenant or gateway, "
        "or the MX names the wrong one",
        "Get-AcceptedDomain; add and verify the domain; compare the MX with the one that the "
        "admin center shows; on a gateway look at its list of domains.",
        "550 5.4.1 Relay Access Denied",
        codes=(550, 554),
        enhanced=("5.4.1",),
        texts=("Relay Access Denied", "All recipient addresses rejected"),
        page="ndr-online",
        begin="dns",
        played_at=Stage.RCPT,
    ),
    Row(
        "no-mail-subscription",
        ANYWHERE,
        Kind.RECIPIENT,
        "The tenant of the recipient's domain has no subscription with mail, so mail for it is "
        "taken from nobody; it does not pass by itself",
        "Renew or assign a licence with Exchange Online in the admin center, or point the MX to "
        "where the mailboxes are now.",
        "451 4.4.4 Mail received as unauthenticated, the domain has no mail-enabled subscriptions. "
        "ATTR5",
        enhanced=("4.4.4",),
        texts=("ATTR5", "no mail-enabled subscription"),
        page="ndr-online",
        begin="routing",
        everybody=True,
    ),
    Row(
        "relay-refused",
        ANYWHERE,
        Kind.RECIPIENT,
        "The recipient's domain is not accepted here, so this would be relaying",
        "Get-AcceptedDomain; New-AcceptedDomain -Name DOMAIN -DomainName DOMAIN -DomainType "
        "Authoritative (2003: recipient policy). Do not open the relay.",
        "550 5.7.1 Unable to relay",
        codes=(550, 551, 553, 554, 530),
        texts=("Unable to relay",),
        page="routing",
        begin="routing",
        played_at=Stage.RCPT,
    ),
    Row(
        "non-accepted-domain",
        ANYWHERE,
        Kind.RECIPIENT,
        "The recipient's domain is not an accepted domain of this organization",
        "Get-AcceptedDomain; New-AcceptedDomain -Name DOMAIN -DomainName DOMAIN -DomainType "
        "Authoritative; or correct --recipient. Do not open the relay.",
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        enhanced=("5.7.54",),
        words=("SMTP; Unable to relay recipient in non-accepted domain",),
        page="routing",
        begin="routing",
        played_at=Stage.RCPT,
    ),
    Row(
        "recipient-reserved",
        ADDRESSED,
        Kind.RECIPIENT,
        "The connector rejects reserved (RFC 2606) or single-label domains, and the tested one "
        "is such",
        "Test a real domain, or set RejectReservedSecondLevelRecipientDomains, "
        "RejectReservedTopLevelRecipientDomains or RejectSingleLabelRecipientDomains to false.",
        "550 5.1.4 Recipient address reserved by RFC 2606",
        enhanced=("5.1.4-6",),
        words=("Recipient address reserved by RFC 2606",),
        texts=("reserved by RFC", "single label", "single-label"),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "recipient-banned",
        ADDRESSED,
        Kind.RECIPIENT,
        "The recipient is invalid or banned",
        "Get-Recipient RECIPIENT; correct --recipient; for a banned one ask Microsoft.",
        "550 5.7.505 Access denied, banned recipient",
        enhanced=("5.7.504-505",),
        page="ndr-online",
        begin="postmaster",
    ),
    Row(
        "recipient-internal-only",
        ADDRESSED,
        Kind.RECIPIENT,
        "The recipient takes mail of authenticated or internal senders only, as groups do by "
        "default",
        "Set RequireSenderAuthenticationEnabled to false (Set-DistributionGroup, Set-Mailbox), "
        "or give another --recipient.",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; "
        "sender not authenticated for group",
        enhanced=("5.7.12-13", "5.7.124", "5.7.133-136"),
        words=(
            "RESOLVER.RST.SenderNotAuthenticated",
            "RESOLVER.RST.AuthRequired",
            "Sender was not authenticated",
            "Sender not authenticated",
        ),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "recipient-for-some",
        ADDRESSED,
        Kind.RECIPIENT,
        "The recipient takes mail only from authenticated senders, or from those in its list",
        "Get-Recipient RECIPIENT: RequireSenderAuthenticationEnabled, AcceptMessagesOnlyFrom; or "
        "give another --recipient.",
        "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required",
        texts=(
            *("RESOLVER.RST.AuthRequired", "RESOLVER.RST.NotAuthorized", "RESOLVER.RST.Restricted"),
        ),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "mailbox-full",
        ADDRESSED,
        Kind.RECIPIENT,
        "The recipient's mailbox is full",
        "Get-MailboxStatistics RECIPIENT; let a rule delete old probes; raise the quota with "
        "Set-Mailbox -ProhibitSendReceiveQuota.",
        "550 5.2.2 Mailbox full",
        enhanced=("*.2.2",),
        words=("Mailbox full",),
        page="ndr",
        begin="postmaster",
    ),
    Row(
        "consumer-mailbox-unknown",
        ADDRESSED,
        Kind.RECIPIENT,
        "Outlook.com knows no such mailbox; this is the consumer service, no Exchange tenant",
        "Correct --recipient; for a tenant compare the MX with the one that the admin center "
        "shows.",
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)",
        codes=(550,),
        enhanced=("5.5.0",),
        texts=("mailbox unavailable",),
        page="ndr-online",
        begin="postmaster",
    ),
    Row(
        "send-as-denied",
        ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox that logged on may not send as the --from address",
        "Use its own address for --from, or Add-RecipientPermission SENDER -Trustee ACCOUNT "
        "-AccessRights SendAs.",
        "554 5.2.252 SendAsDenied; info@example.com not allowed to send as noreply@example.com; "
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
        enhanced=("5.2.252",),
        texts=("SendAsDenied",),
        page="ndr-online",
        begin="postmaster",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "store-limit",
        ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox has received more than it may in an hour",
        "Check less often and look for a storm or loop to this mailbox; otherwise test another "
        "--recipient.",
        "554 5.2.121 Recipient's per hour message receive limit exceeded",
        enhanced=("5.2.121-122",),
        page="ndr-online",
        begin="postmaster",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "sender-store-limit",
        ANYWHERE,
        Kind.RECIPIENT,
        "This sender has sent more to the mailbox than one sender may in an hour",
        "Check less often, or test another --recipient or --from.",
        "554 5.2.121 The sender has exceeded the limit of messages to this recipient per hour",
        enhanced=("5.2.121-122",),
        texts=("sender has exceeded", "from this sender"),
        page="ndr-online",
        begin="postmaster",
    ),
    Row(
        "store-refused",
        ANYWHERE,
        Kind.RECIPIENT,
        "The mailbox store refused the message; the words behind STOREDRV say why",
        "Get-Mailbox, Get-MailboxDatabaseCopyStatus; search the words in the reply; test "
        "another --recipient to see whether it is this mailbox only.",
        "554 5.2.0 STOREDRV.Deliver.Exception:StoragePermanentException",
        enhanced=("5.2.0",),
        texts=("STOREDRV.Deliver",),
        words=("STOREDRV.Deliver",),
        page="ndr",
        begin="postmaster",
        played_at=Stage.MESSAGE,
    ),
)

"""A resource or a limit is used up; usually it passes."""

from __future__ import annotations

from ...vocabulary import Cause, Kind, Stage
from .row import ANYWHERE, CONTENT, MAIL, MESSAGE, ONLINE, TRANSACTION, Row

ROWS: tuple[Row, ...] = (
    Row(
        "silent-at-mail",
        MAIL,
        Kind.LOAD,
        "No answer to MAIL: back pressure delays it by 10 to 55s before it refuses mail altogether",
        "Get-ExchangeDiagnosticInfo -Server SERVER -Process EdgeTransport -Component "
        "ResourceThrottling; free disk or memory, and look at the submission queue (Get-Queue).",
        "within 45s",
        causes=(Cause.SILENT,),
        page="back-pressure",
        begin="queues",
    ),
    Row(
        "silent-at-message",
        MESSAGE,
        Kind.LOAD,
        "The message was sent and no answer came, so its fate is unknown: the hub behind the "
        "Front End is under back pressure or slow, or (2010) acknowledges late",
        "Get-Queue; Get-ExchangeDiagnosticInfo -Process EdgeTransport -Component "
        "ResourceThrottling. Search the message: Get-MessageTrackingLog -MessageId ID; it is not "
        "sent again. 2010 needs -t above 30.",
        "within 30s",
        causes=(Cause.SILENT,),
        page="back-pressure",
        begin="queues",
    ),
    Row(
        "connections-exceeded",
        ANYWHERE,
        Kind.LOAD,
        "The Receive connector has reached MaxInboundConnection (5000) or the share that one "
        "source may hold (2 percent)",
        "Find who holds the connections (protocol log, event 1021), then raise "
        "Set-ReceiveConnector -MaxInboundConnection or -MaxInboundConnectionPercentagePerSource.",
        "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing "
        "transmission channel",
        codes=(421,),
        texts=(
            "concurrent connections has exceeded a limit",
            "concurrent server connections has exceeded a limit",
        ),
        page="connectors",
        played_at=Stage.BANNER,
    ),
    Row(
        "connections-per-source",
        ANYWHERE,
        Kind.LOAD,
        "One source address holds MaxInboundConnectionPerSource (20) connections, typically a "
        "balancer with source NAT behind which all clients look the same",
        "Stop source NAT on the balancer, or Set-ReceiveConnector "
        "-MaxInboundConnectionPerSource with a higher number.",
        "421 4.3.2 The maximum number of concurrent server connections has exceeded a "
        "per-source limit, closing transmission channel",
        codes=(421,),
        texts=("has exceeded a per-source limit", "exceeded a per-source limit"),
        page="connectors",
        this_probe=True,
        played_at=Stage.BANNER,
    ),
    Row(
        "connections-per-forest",
        ANYWHERE,
        Kind.LOAD,
        "Exchange Online limits the connections to this tenant's resource forest, and the limit "
        "is reached (PRX8)",
        "Reduce parallel connections and try again later; if it stays, open a case with "
        "Microsoft and quote the whole reply.",
        "421 4.3.2 The maximum number of concurrent connections per resource forest has "
        "exceeded a limit, closing transmission channel PRX8",
        codes=(421,),
        texts=("concurrent connections per resource forest",),
        page="online",
        played_at=Stage.BANNER,
    ),
    Row(
        "submission-rate",
        ANYWHERE,
        Kind.LOAD,
        "This client sends faster than MessageRateLimit allows (587: 5 a minute and user, Edge: "
        "600 a minute, Exchange Online: 30 a minute and mailbox)",
        "Check less often, or raise the limit of that connector: Set-ReceiveConnector "
        "-MessageRateLimit.",
        "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
        texts=("submission rate for this client",),
        page="connectors",
        this_probe=True,
    ),
    Row(
        "message-rate",
        ANYWHERE,
        Kind.LOAD,
        "This sender sends faster than Exchange Online allows",
        "Check less often, and look at what else sends as the --from address; wait for the next "
        "check.",
        "450 4.5.127 Excessive message rate from sender",
        enhanced=("4.5.127",),
        page="ndr-online",
        this_probe=True,
    ),
    Row(
        "back-pressure",
        ANYWHERE,
        Kind.LOAD,
        "Back pressure: disk of the queue, memory, version buckets or submission queue are used "
        "up, so the transport takes no mail",
        "Free the disk of the queue first; Get-ExchangeDiagnosticInfo -Server SERVER -Process "
        "EdgeTransport -Component ResourceThrottling names the resource; see events 15004 to "
        "15007.",
        "452 4.3.1 Insufficient system resources",
        codes=(452, 451, 421),
        enhanced=("4.3.1",),
        words=("Insufficient system resources",),
        page="back-pressure",
        begin="queues",
        everybody=True,
    ),
    Row(
        "back-pressure-at-hub",
        CONTENT,
        Kind.LOAD,
        "Back pressure on the hub behind the Front End, which alone answers MAIL and RCPT: "
        "disk, memory or the queue database is used up",
        "Free the disk of the queue on the Mailbox servers; Get-ExchangeDiagnosticInfo -Server "
        "SERVER -Process EdgeTransport -Component ResourceThrottling; see events 15004 to 15007.",
        "452 4.3.1 Insufficient system resources (UsedDiskSpace[C:\\...\\Queue])",
        codes=(452, 451),
        enhanced=("4.3.1",),
        words=("Insufficient system resources",),
        texts=("Insufficient system resources", "(TSTE)"),
        page="back-pressure",
        begin="queues",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "recipient-flooded",
        TRANSACTION,
        Kind.LOAD,
        "The recipient's mailbox gets more messages at the same time than one mailbox may",
        "Look for a storm or loop to this mailbox (Get-MessageTrackingLog); otherwise test another "
        "--recipient.",
        "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded",
        texts=("recipient thread limit exceeded",),
        page="ndr-online",
        begin="queues",
    ),
    Row(
        "sender-connections",
        ANYWHERE,
        Kind.LOAD,
        "The account that logged on sends over more connections at the same time than Exchange "
        "Online allows (3)",
        "Let fewer clients use the account at the same time, or give the check an account of its "
        "own.",
        "432 4.3.2 Concurrent connections limit exceeded",
        codes=(421, 432, 451),
        texts=("Concurrent connections limit exceeded", "sender thread limit exceeded"),
        page="ndr-online",
        this_probe=True,
    ),
    Row(
        "submission-quota",
        ANYWHERE,
        Kind.LOAD,
        "The account that sends has used up its quota of messages or recipients",
        "Check less often; wait until the limit of the day is over; look at what else sends with "
        "this account.",
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
        texts=("SubmissionQuotaExceeded", "Submission quota exceeded"),
        page="ndr-online",
        this_probe=True,
    ),
    Row(
        "attribution-pending",
        TRANSACTION,
        Kind.LOAD,
        "Exchange Online has not finished attributing this domain to its tenant, as after the "
        "domain was added",
        "Wait some hours; if it stays, check that the domain is verified in the admin center "
        "and ask Microsoft.",
        "450 4.7.1 Unable to Relay. ATTR14",
        codes=(450, 451),
        enhanced=("4.7.1",),
        texts=("ATTR14",),
        page="ndr-online",
        begin="routing",
        played_at=Stage.RCPT,
    ),
    Row(
        "tenant-lookup",
        TRANSACTION,
        Kind.LOAD,
        "Exchange Online could not look up the tenant of this message at the moment",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "451 4.4.3 Temporary server error. Please try again later ATTR2",
        codes=(450, 451),
        texts=("ATTR",),
        page="online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "temporary-service-error",
        TRANSACTION,
        Kind.LOAD,
        "The service can't process this just now: a look-up behind it failed",
        "Wait for the next check; if it stays, look at DNS and the domain controllers of the "
        "server, with Exchange Online at the service health.",
        "451 4.4.3 Temporary server error. Please try again later",
        codes=(450, 451),
        enhanced=("4.3.2", "4.4.3"),
        texts=("Temporary server error",),
        page="online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "queue-quota",
        ANYWHERE,
        Kind.LOAD,
        "The tenant's queue quota in Exchange Online is used up",
        "Look for a mail loop or a storm in message trace (Get-MessageTraceV2), and for a next "
        "hop that is down.",
        "450 4.7.3 Organization queue quota exceeded",
        texts=("queue quota exceeded",),
        page="online",
        begin="queues",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "filter-busy",
        ANYWHERE,
        Kind.LOAD,
        "A filter of Exchange Online is busy",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "450 4.7.700 Access denied, please try again later: PFA agent busy",
        enhanced=("4.7.700",),
        page="online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "online-silent",
        (Stage.EHLO, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA),
        Kind.LOAD,
        "Exchange Online fell silent or closed in mid-dialogue: a busy front end, or a firewall "
        "between here and Microsoft",
        "Wait for the next check, for another front end answers then; if it stays, look at the "
        "service health of Microsoft 365 and at the firewall's log.",
        "within 45s",
        causes=(
            Cause.SILENT,
            Cause.RESET,
            Cause.CLOSED,
        ),
        generations=ONLINE,
        page="online",
        begin="dns",
    ),
    Row(
        "online-silent-at-message",
        MESSAGE,
        Kind.LOAD,
        "The message was sent and no answer came from Exchange Online, so its fate is unknown",
        "Search it in message trace (Get-MessageTraceV2 -MessageId ID); it is not sent again. If "
        "it stays so, look at the service health of Microsoft 365 and at firewalls that scan mail.",
        "within 30s",
        causes=(
            Cause.SILENT,
            Cause.RESET,
            Cause.CLOSED,
        ),
        generations=ONLINE,
        page="online",
    ),
    Row(
        "online-not-available",
        ANYWHERE,
        Kind.LOAD,
        "A front end of Exchange Online is busy or in maintenance; another one answers the next "
        "connection",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365.",
        "421 4.3.2 Service not available",
        codes=(421, 451, 454, 412),
        enhanced=("4.3.2",),
        texts=("Service not available", "not available", "Service not active"),
        generations=ONLINE,
        page="online",
    ),
    Row(
        "online-proxy-failed",
        ANYWHERE,
        Kind.LOAD,
        "A front end of Exchange Online could not hand the message to a hub",
        "Wait for the next check; if it stays, look at the service health of Microsoft 365, and "
        "quote the sub-code to Microsoft.",
        "451 4.7.0 Temporary server error. Please try again later. PRX4",
        codes=(421, 450, 451),
        enhanced=("4.7.0",),
        texts=("PRX", "Temporary server error"),
        generations=ONLINE,
        page="online",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "online-resources",
        ANYWHERE,
        Kind.LOAD,
        "A server of Exchange Online is short of resources (back pressure)",
        "Wait for the next check, for other servers answer then; if it stays, look at the "
        "service health of Microsoft 365.",
        "452 4.3.1 Insufficient system resources (TSTE)",
        codes=(452, 451, 421),
        enhanced=("4.3.1",),
        texts=("Insufficient system resources", "(TSTE)"),
        generations=ONLINE,
        page="online",
    ),
)

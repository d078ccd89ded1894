"""A rule of the organization forbids the message."""

from __future__ import annotations

from ...vocabulary import Kind, Stage
from .row import ANYWHERE, CONTENT, Row

ROWS: tuple[Row, ...] = (
    Row(
        "transport-rule",
        ANYWHERE,
        Kind.POLICY,
        "A mail flow rule of the organization refuses the message",
        "Get-TransportRule: find the rule by its text, and exempt the probe with -ExceptIfFrom "
        "or by its header.",
        "550 5.7.1 Delivery not authorized, message refused",
        texts=("Delivery not authorized", "TRANSPORT.RULES"),
        page="ndr",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "transport-rule-code",
        ANYWHERE,
        Kind.POLICY,
        "A mail flow rule with a code of its own refuses the message",
        "Get-TransportRule: RejectMessageEnhancedStatusCode names the rule; exempt the probe "
        "with -ExceptIfFrom or by its header.",
        "550 5.7.900 External mail is not welcome here",
        enhanced=("5.7.900-999",),
        page="ndr",
        played_at=Stage.MESSAGE,
    ),
    Row(
        "refused-by-policy",
        CONTENT,
        Kind.POLICY,
        "The message is refused by policy: a mail flow rule or an agent with its own text",
        "Get-TransportRule; Get-TransportAgent; search the text in the message tracking log "
        "(Get-MessageTrackingLog -EventId FAIL) or the gateway's.",
        "550 5.7.1 This organization does not want test messages",
        codes=(550, 554),
        enhanced=("5.7.1",),
        page="tracking",
        played_at=Stage.MESSAGE,
    ),
)

"""Adapts a next step to the server that answered: not every server has cmdlets."""

from __future__ import annotations

import re

from ..protocol.conversation import StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation

if TYPE_CHECKING:
    from typing import Optional

    from .reasons.reason import Reason

#: Before Exchange 2007 there are no cmdlets.
_LEGACY = (Generation.E5_5, Generation.E2000_2003, Generation.E2000, Generation.E2003)
_CMDLET = (
    r"\b(?:Add|Clear|Disable|Enable|Get|New|Remove|Restart|Resume|Set|Start|Stop|Test)-[A-Z]\w+"
)
#: Cmdlets that the administrator of a tenant has.
_OF_TENANTS = frozenset(
    (
        *("Get-InboundConnector", "New-InboundConnector", "Set-InboundConnector"),
        *("Get-AcceptedDomain", "Get-MessageTraceV2", "Get-Recipient", "Get-TransportRule"),
        *("Get-CASMailbox", "Set-CASMailbox", "Get-OrganizationConfig", "Get-Mailbox"),
        *("Set-Mailbox", "Get-MailboxStatistics", "Get-HostedConnectionFilterPolicy"),
        *("Get-TenantAllowBlockListItems", "Add-RecipientPermission", "Set-DistributionGroup"),
        "Test-NetConnection",
    )
)
#: A parameter of a cmdlet, which may be in a clause of its own.
_PARAMETER = r"(?<![\w-])-[A-Z][a-z]\w+"
#: Where one sentence or clause of a next step ends and the next begins.
_CLAUSES = r"(?<=[.;]) "
#: Beginning of a clause that depends on the one before.
_LINK = r"(?i)^(?:or|otherwise|then|and|if that works,) "
#: Names of mail gateways, filters and services in replies.
_NAMED_IN_REPLIES = {
    r"cuda_nsu|barracudanetworks\.com": "Barracuda",
    r"pphosted|proofpoint\.com|ppe-hosted": "Proofpoint",
    r"mimecast\.(?:com|org)": "Mimecast",
    r"messagelabs|symanteccloud|broadcom\.com": "Symantec",
    r"trend ?micro": "Trend Micro",
    r"ironport|iphmx": "Cisco",
    r"xgemail|sophos": "Sophos",
    r"fortimail|fortinet|fortiguard": "FortiMail",
    r"hornetsecurity|antispameurope": "Hornetsecurity",
    r"sonicwall": "SonicWall",
    r"mailmarshal|trustwave": "MailMarshal",
}


class Responder(NamedTuple):
    """The server that answered, as far as it is known."""

    #: The generation of Exchange, if it is Exchange.
    generation: Optional[Generation]
    #: The name of the gateway, empty if it is unknown; ``None`` if no gateway answered.
    gateway: Optional[str]

    @classmethod
    def of(
        cls, generation: Optional[Generation], gateway: Optional[str], outcome: StageOutcome
    ) -> Responder:
        """The server that was recognised, or that the reply names."""
        if generation is not None:
            return cls(generation, None)
        text = outcome.reply.text.lower() if outcome.reply is not None else ""
        named = (name for words, name in _NAMED_IN_REPLIES.items() if re.search(words, text))
        return cls(None, gateway or next(named, gateway))

    @property
    def box(self) -> str:
        """The name of the gateway in a sentence."""
        return f"{self.gateway} (the gateway)" if self.gateway else "the gateway in front"

    @property
    def where_logged(self) -> str:
        """Where the server logs its replies."""
        if self.generation is Generation.ONLINE:
            return "ask Microsoft and quote the whole reply."
        if self.generation in _LEGACY:
            return "the log of the SMTP virtual server has it, or the gateway's in front."
        if self.generation is not None:
            return (
                "the protocol log of the Receive connector has it (Set-ReceiveConnector "
                "-ProtocolLoggingLevel Verbose), or the gateway's in front."
            )
        return f"the log of {self.box} has it, or the protocol log of the server behind it."

    def step_for(self, reason: Reason) -> str:
        """The next step for ``reason`` at this server."""
        if self.generation is Generation.ONLINE:
            there = reason.online
        elif self.generation in _LEGACY:
            there = reason.legacy
        elif self.generation is not None:
            there = reason.exchange
        else:
            there = reason.gateway.replace("BOX", self.box)
        there = there[:1].upper() + there[1:]
        return f"{reason.next_step} {there}".rstrip()

    def possible(self, next_step: str) -> str:
        """The part of ``next_step`` that can be done here; it is for Exchange 2007 and later."""
        if self.generation is None and self.gateway is None:
            return next_step
        clauses = re.split(_CLAUSES, next_step)
        kept: list[str] = []
        lacks = False
        for clause in clauses:
            if not self._has(clause):
                lacks = True
                continue
            if lacks:
                clause = re.sub(_LINK, "", clause)
                kept[-1:] = [f"{before[:-1]}." for before in kept[-1:]]
            kept.append(clause[:1].upper() + clause[1:] if lacks else clause)
            lacks = False
        if len(kept) == len(clauses):
            return next_step
        text = " ".join(kept).rstrip(" ;,.")
        return f"{text}. {self._else}" if text else self._else

    def _has(self, clause: str) -> bool:
        """Whether this server has the cmdlets of ``clause`` with their parameters."""
        cmdlets = re.findall(_CMDLET, clause)
        if self.generation is Generation.ONLINE and cmdlets:
            return all(name in _OF_TENANTS for name in cmdlets)
        there = self.generation not in (None, *_LEGACY, Generation.ONLINE)
        return there or not (cmdlets or re.search(_PARAMETER, clause))

    @property
    def _else(self) -> str:
        """What to do instead of what cannot be done here."""
        if self.generation is Generation.ONLINE:
            return "If it stays, look at the service health of Microsoft 365, and ask Microsoft."
        if self.generation in _LEGACY:
            return (
                "See the settings of the SMTP virtual server and of Global Settings in System "
                "Manager, and the log of the virtual server."
            )
        return f"Look into the log of {self.box}, then at the server behind it."

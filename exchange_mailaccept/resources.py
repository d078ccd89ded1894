"""Where to read on: Microsoft's pages, and the places to troubleshoot in the original's order."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """A page of Microsoft's documentation, as it is called today."""

    title: str
    #: Behind ``https://learn.microsoft.com/exchange/``.
    path: str

    @property
    def address(self) -> str:
        """Where it is."""
        return f"https://learn.microsoft.com/exchange/{self.path}"


class Resource(NamedTuple):
    """One of the places to troubleshoot."""

    key: str
    #: Where it looks: from the server out to the network.
    level: str
    page: Page
    #: What the original test named here.
    then: str


#: Pages by a short name.
PAGES = {
    "routing": Page("Mail routing in Exchange Server", "mail-flow/mail-routing/mail-routing"),
    "pipeline": Page("Mail flow and the transport pipeline", "mail-flow/mail-flow"),
    "connectors": Page("Receive connectors", "mail-flow/connectors/receive-connectors"),
    "telnet": Page(
        "Use Telnet to test SMTP communication on Exchange servers", "mail-flow/test-smtp-telnet"
    ),
    "back-pressure": Page("Understanding back pressure", "mail-flow/back-pressure"),
    "protocol-logging": Page("Protocol logging", "mail-flow/connectors/protocol-logging"),
    "tracking": Page("Message tracking", "mail-flow/transport-logs/message-tracking"),
    "connectivity": Page(
        "Connectivity logging in Exchange Server", "mail-flow/transport-logs/connectivity-logging"
    ),
    "online": Page("Troubleshoot mail flow", "mail-flow-best-practices/troubleshoot-mail-flow"),
    "queues": Page("Queues and messages in queues in Exchange Server", "mail-flow/queues/queues"),
    "dns": Page(
        "Configure mail flow and client access on Exchange servers",
        "plan-and-deploy/post-installation-tasks/configure-mail-flow-and-client-access",
    ),
    "ports": Page(
        "Network ports for clients and mail flow in Exchange",
        "plan-and-deploy/deployment-ref/network-ports",
    ),
    "postmaster": Page(
        "Configure the external postmaster address in Exchange Online",
        "mail-flow-best-practices/configure-external-postmaster-address",
    ),
    "edge-blocking": Page(
        "Use Directory Based Edge Blocking to reject messages sent to invalid recipients",
        "mail-flow-best-practices/use-directory-based-edge-blocking",
    ),
    "ndr": Page(
        "DSNs and NDRs in Exchange Server",
        "mail-flow/non-delivery-reports-and-bounce-messages/"
        "non-delivery-reports-and-bounce-messages",
    ),
    "ndr-online": Page(
        "Email non-delivery reports and SMTP errors in Exchange Online",
        "troubleshoot/email-delivery/ndr/non-delivery-reports-in-exchange-online",
    ),
}

#: Where to troubleshoot, in the original's order, from the server out to the network, and then the
#: recipient (Microsoft: *Mail Acceptance Failure*).
TROUBLESHOOTING = (
    Resource(
        "routing",
        "server",
        PAGES["routing"],
        "Troubleshooting Routing, in the Exchange Server 2003 Transport and Routing Guide",
    ),
    Resource(
        "mail-flow",
        "mail flow",
        PAGES["telnet"],
        "KB 324867, Microsoft Exchange 2000 Server: Troubleshooting Mail Flow Problems (Revisited)",
    ),
    Resource(
        "queues",
        "queues",
        PAGES["queues"],
        "KB 823489, How to Use Queue Viewer to Troubleshoot Mail Flow Issues",
    ),
    Resource(
        "dns",
        "network",
        PAGES["dns"],
        "KB 324759, Exchange 2000 Server: DNS Troubleshooting in Transports",
    ),
    Resource(
        "postmaster",
        "recipient",
        PAGES["postmaster"],
        "KB 223860 and KB 313832, on the postmaster mailbox",
    ),
)

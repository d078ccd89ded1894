"""Microsoft's pages, and the order in which to troubleshoot."""

from __future__ import annotations

from ..record import NamedTuple


class Page(NamedTuple):
    """A page of Microsoft's documentation, with today's title."""

    title: str
    address: str


class Resource(NamedTuple):
    """One step of troubleshooting."""

    key: str
    #: Its level, from the server out to the network.
    level: str
    page: Page
    #: The article that the original test named.
    then: str


_EXCHANGE = "https://learn.microsoft.com/exchange/"
_MAIL_FLOW = _EXCHANGE + "mail-flow/"
_ONLINE = _EXCHANGE + "mail-flow-best-practices/"
_ARTICLES = "https://learn.microsoft.com/troubleshoot/exchange/"

#: Pages by a short name.
PAGES = {
    "routing": Page("Mail routing in Exchange Server", _MAIL_FLOW + "mail-routing/mail-routing"),
    "connectors": Page("Receive connectors", _MAIL_FLOW + "connectors/receive-connectors"),
    "telnet": Page(
        "Use Telnet to test SMTP communication on Exchange servers", _MAIL_FLOW + "test-smtp-telnet"
    ),
    "back-pressure": Page("Understanding back pressure", _MAIL_FLOW + "back-pressure"),
    "protocol-logging": Page("Protocol logging", _MAIL_FLOW + "connectors/protocol-logging"),
    "tracking": Page("Message tracking", _MAIL_FLOW + "transport-logs/message-tracking"),
    "connectivity": Page(
        "Connectivity logging in Exchange Server",
        _MAIL_FLOW + "transport-logs/connectivity-logging",
    ),
    "online": Page("Troubleshoot mail flow", _ONLINE + "troubleshoot-mail-flow"),
    "queues": Page(
        "Queues and messages in queues in Exchange Server", _MAIL_FLOW + "queues/queues"
    ),
    "dns": Page(
        "Configure mail flow and client access on Exchange servers",
        _EXCHANGE + "plan-and-deploy/post-installation-tasks/configure-mail-flow-and-client-access",
    ),
    "ports": Page(
        "Network ports for clients and mail flow in Exchange",
        _EXCHANGE + "plan-and-deploy/deployment-ref/network-ports",
    ),
    "postmaster": Page(
        "Configure the external postmaster address in Exchange Online",
        _ONLINE + "configure-external-postmaster-address",
    ),
    "edge-blocking": Page(
        "Use Directory Based Edge Blocking to reject messages sent to invalid recipients",
        _ONLINE + "use-directory-based-edge-blocking",
    ),
    "cisco": Page(
        "Can't send or receive email messages behind a Cisco PIX or Cisco ASA firewall",
        _ARTICLES + "mailflow/cannot-send-receive-email-behind-cisco-firewall",
    ),
    "inactive": Page(
        "Event 7009 when users send or receive emails",
        _ARTICLES + "mailflow/event-7009-send-receive-emails",
    ),
    "ndr": Page(
        "DSNs and NDRs in Exchange Server",
        _MAIL_FLOW + "non-delivery-reports-and-bounce-messages/"
        "non-delivery-reports-and-bounce-messages",
    ),
    "ndr-online": Page(
        "Email non-delivery reports and SMTP errors in Exchange Online",
        _ARTICLES + "email-delivery/ndr/non-delivery-reports-in-exchange-online",
    ),
}

#: The steps in the order of the original test: from the server out to the network, then the
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

"""The Front End can't hand what it was given to the transport service behind it.

The kind is that of ``server``.
"""

from __future__ import annotations

from ...vocabulary import Kind, Stage
from .row import (
    ANYWHERE,
    Row,
)

#: The codes with which the Front End says that it could not hand the message on; with 421, PRX8 is
#: the limit of a whole forest.
_PROXIED = (450, 451)

ROWS: tuple[Row, ...] = (
    Row(
        "proxy-failed",
        ANYWHERE,
        Kind.SERVER,
        "The Front End can't hand the message to a hub (Transport service)",
        "Get-Service MSExchangeTransport; DNS servers of the network adapter; port 2525; the "
        "connector 'Default SERVER' of the hub (Get-ReceiveConnector -Server SERVER).",
        "451 4.7.0 Temporary server error. Please try again later. PRX",
        codes=_PROXIED,
        texts=("PRX",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-no-destination",
        ANYWHERE,
        Kind.SERVER,
        "PRX1: the Front End found no hub (Transport service) to hand the message to",
        "Get-ServerComponentState SERVER (HubTransport must be active); Get-Service "
        "MSExchangeTransport; check AD and DNS that list the servers.",
        "451 4.7.0 Temporary server error. Please try again later. PRX1",
        codes=_PROXIED,
        texts=("PRX1",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-dns",
        ANYWHERE,
        Kind.SERVER,
        "PRX2: the Front End can't resolve the hub's name in DNS",
        "Give the adapters internal DNS servers only, or Set-FrontendTransportService SERVER "
        "-InternalDNSServers ADDRESS with InternalDNSAdapterEnabled false; restart the service.",
        "451 4.7.0 Temporary server error. Please try again later. PRX2",
        codes=_PROXIED,
        texts=("PRX2",),
        page="connectivity",
        begin="dns",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-connect",
        ANYWHERE,
        Kind.SERVER,
        "PRX3: the Front End can't connect to the hub",
        "Get-Service MSExchangeTransport; Test-NetConnection SERVER -Port 2525; firewall "
        "between the servers; connectors that take port 2525 or 25 from the hub.",
        "451 4.7.0 Temporary server error. Please try again later. PRX3",
        codes=_PROXIED,
        texts=("PRX3",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-session",
        ANYWHERE,
        Kind.SERVER,
        "PRX4: the session from the Front End to the hub fails in its set-up (X-ANONYMOUSTLS, "
        "logon)",
        "Get-ReceiveConnector -Server SERVER, 'Default SERVER': AuthMechanism needs Tls and "
        "ExchangeServer, RemoteIPRanges all servers; Get-ExchangeCertificate; no firewall "
        "between.",
        "451 4.7.0 Temporary server error. Please try again later. PRX4",
        codes=_PROXIED,
        texts=("PRX4",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-credentials",
        ANYWHERE,
        Kind.SERVER,
        "PRX5: the Front End has no valid TLS credentials for the hub",
        "Get-ExchangeCertificate: the self-signed one must be valid and enabled for SMTP "
        "(Enable-ExchangeCertificate -Services SMTP); check clock and event log.",
        "451 4.7.0 Temporary server error. Please try again later. PRX5",
        codes=_PROXIED,
        texts=("PRX5",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-next-hop",
        ANYWHERE,
        Kind.SERVER,
        "PRX6: the next hop behind the Front End failed",
        "Look in the connectivity log of the Front End for the hop; Get-ServerComponentState "
        "and Test-ServiceHealth there.",
        "451 4.7.0 Temporary server error. Please try again later. PRX6",
        codes=_PROXIED,
        texts=("PRX6",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-limit",
        ANYWHERE,
        Kind.SERVER,
        "PRX8: the hub takes no more connections of the Front End",
        "Get-ReceiveConnector -Server SERVER, 'Default SERVER': MaxInboundConnection and "
        "MaxInboundConnectionPerSource; look in the protocol log for who holds them.",
        "451 4.7.0 Temporary server error. Please try again later. PRX8",
        codes=_PROXIED,
        texts=("PRX8",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
    Row(
        "proxy-reset",
        ANYWHERE,
        Kind.SERVER,
        "PRX9: the hub reset the session of the Front End (10054)",
        "Look in the hub's event log for crashes of EdgeTransport.exe and its agents "
        "(Get-TransportAgent); then look at firewalls between the servers.",
        "451 4.7.0 Temporary server error. Please try again later. PRX9",
        codes=_PROXIED,
        texts=("PRX9",),
        page="connectivity",
        begin="routing",
        everybody=True,
        played_at=Stage.MESSAGE,
    ),
)

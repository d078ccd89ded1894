"""Encryption or its certificate fails."""

from __future__ import annotations

from ...vocabulary import Cause, Kind
from .row import ANYWHERE, ONLINE, STARTTLS, Row

ROWS: tuple[Row, ...] = (
    Row(
        "tls-not-offered",
        STARTTLS,
        Kind.TLS,
        "STARTTLS is not offered: no usable certificate is bound to SMTP (events 12014, 12016), "
        "the connector has no Tls, or a firewall masks the keyword",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; "
        "check AuthMechanism (Get-ReceiveConnector); ASA: allow-tls in the esmtp policy map.",
        "does not offer STARTTLS",
        causes=(Cause.NOT_OFFERED,),
        page="connectors",
    ),
    Row(
        "tls-certificate",
        STARTTLS,
        Kind.TLS,
        "The server's certificate does not stand the check: expired, self-signed, from an "
        "unknown issuer, or for another name",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; set "
        "TlsCertificateName on the connector; or give --tls-name or --ca-file to match.",
        "the certificate has expired (OpenSSL: certificate has expired)",
        causes=(Cause.CERTIFICATE,),
        page="connectors",
    ),
    Row(
        "tls-chain",
        STARTTLS,
        Kind.TLS,
        "The server sends its certificate alone: the intermediate certificate of the authority is "
        "missing, so those who do not know it can't verify",
        "Import the intermediate certificate into the computer's store of Intermediate "
        "Certification Authorities, or bind a PFX with the whole chain; restart the transport "
        "service.",
        "the certificate comes from an issuer that is not trusted here, and it came alone",
        causes=(Cause.CHAIN,),
        page="connectors",
    ),
    Row(
        "tls-weak",
        STARTTLS,
        Kind.TLS,
        "The key or the signature of the server's certificate is too weak for the OpenSSL of this "
        "host, and for that of other senders",
        "Renew the certificate with a key of 2048 bits or more and SHA-256; then "
        "Enable-ExchangeCertificate -Thumbprint ID -Services SMTP.",
        "the server's certificate has too short a key",
        causes=(Cause.WEAK_CERTIFICATE,),
        page="connectors",
    ),
    Row(
        "tls-handshake",
        STARTTLS,
        Kind.TLS,
        "The TLS handshake fails: no common version or cipher, a certificate without its key, "
        "or a middlebox that inspects TLS",
        "Get-ExchangeCertificate (HasPrivateKey, Services); check Schannel events and enabled "
        "TLS versions on the server; compare from inside. Port 465 of Exchange speaks no TLS "
        "first.",
        "handshake failed: wrong version number",
        causes=(
            Cause.TLS,
            Cause.RESET,
            Cause.CLOSED,
            Cause.NETWORK,
        ),
        page="connectors",
    ),
    Row(
        "tls-silent",
        STARTTLS,
        Kind.TLS,
        "The TLS handshake hangs: a middlebox swallows it, or the server waits for a revocation "
        "list it can't reach",
        "Try from inside the site; exclude SMTP from TLS inspection; check that the server can "
        "reach the revocation lists.",
        "within 30s",
        causes=(Cause.SILENT,),
        page="connectors",
        begin="dns",
    ),
    Row(
        "tls-unavailable",
        STARTTLS,
        Kind.TLS,
        "The server offers TLS and has no usable certificate for it",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; "
        "check the connector's TlsCertificateName and Fqdn; then restart the transport service.",
        "454 4.7.0 TLS not available due to temporary reason",
        codes=(454, 451),
        texts=("TLS not available due to temporary",),
        page="connectors",
    ),
    Row(
        "tls-masked",
        STARTTLS,
        Kind.TLS,
        "STARTTLS is refused: a firewall (Cisco ASA without allow-tls) masks the command, or "
        "the connector has no Tls in its AuthMechanism",
        "ASA: policy-map type inspect esmtp, parameters, allow-tls; or no inspect esmtp; then "
        "Get-ReceiveConnector, AuthMechanism.",
        "500 5.3.3 Unrecognized command",
        codes=(500, 502, 503, 554),
        page="connectors",
        begin="dns",
    ),
    Row(
        "tls-required",
        ANYWHERE,
        Kind.TLS,
        "The connector demands TLS before mail (RequireTLS)",
        "Run the check with --starttls; if the Internet should reach this connector, set "
        "RequireTLS to false (Set-ReceiveConnector), for not every sender can do TLS.",
        "530 5.7.0 Must issue a STARTTLS command first",
        codes=(530, 451, 454, 550, 554, 523),
        texts=("Must issue a STARTTLS", "STARTTLS is required", "STARTTLS required"),
        page="connectors",
    ),
    Row(
        "online-tls",
        STARTTLS,
        Kind.TLS,
        "Exchange Online always offers TLS, with a valid certificate: a firewall or proxy on the "
        "path out strips or inspects it, or this host's list of authorities is old",
        "Except SMTP to Microsoft from inspection; compare from another network; --ca-file for "
        "another list of authorities.",
        "does not offer STARTTLS",
        causes=(
            Cause.NOT_OFFERED,
            Cause.TLS,
            Cause.CERTIFICATE,
            Cause.CHAIN,
            Cause.WEAK_CERTIFICATE,
            Cause.SILENT,
            Cause.RESET,
            Cause.CLOSED,
        ),
        generations=ONLINE,
        page="online",
        begin="dns",
    ),
)

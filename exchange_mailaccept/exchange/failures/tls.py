"""Encryption or its certificate fails."""

from __future__ import annotations

from ...vocabulary import Kind, Verdict
from .row import ANYWHERE, BROKEN, GONE, ONLINE, STARTTLS, TIMED_OUT, Row

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
        verdicts=(Verdict.MISSING,),
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
        texts=("the certificate ",),
        verdicts=BROKEN,
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
        verdicts=BROKEN,
        page="connectors",
    ),
    Row(
        "tls-silent",
        STARTTLS,
        Kind.TLS,
        "The TLS handshake hangs: a middlebox swallows it, or the server waits for a revocation "
        "list it can't reach",
        "Try from inside the site; exclude SMTP from TLS inspection; check the way from the "
        "server to the revocation lists.",
        "within 30s",
        verdicts=TIMED_OUT,
        page="connectors",
        begin="dns",
    ),
    Row(
        "tls-unavailable",
        STARTTLS,
        Kind.TLS,
        "Exchange offers TLS and has no usable certificate for it",
        "Get-ExchangeCertificate; Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; "
        "check the connector's TlsCertificateName and Fqdn; then restart the transport service.",
        "454 4.7.0 TLS not available due to temporary reason",
        codes=(454, 451),
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
        "Run the check with --starttls; if the Internet shall reach this connector, set "
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
        "way out strips or inspects it, or this host's list of authorities is old",
        "Except SMTP to Microsoft from inspection; compare from another network; --ca-file for "
        "another list of authorities.",
        "does not offer STARTTLS",
        texts=("STARTTLS", "handshake", "the certificate", "within", *GONE),
        generations=ONLINE,
        verdicts=(Verdict.MISSING, Verdict.BROKEN, Verdict.TIMED_OUT),
        page="online",
        begin="dns",
    ),
)

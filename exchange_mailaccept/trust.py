"""What TLS is to trust and to show: versions, authorities and our own certificate.

Made before the first packet, because a file that can't be used is a mistake of the command line; so
it imports nothing but ``ssl``, and what drives the handshake (``tls``) comes later.
"""

from __future__ import annotations

import os
import ssl

from .record import TYPE_CHECKING, NamedTuple
from .values import is_installed

if TYPE_CHECKING:
    from .command_line import CommandLine

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsSettings(NamedTuple):
    """How connections are to be secured."""

    #: Whether a certificate chain that is not valid, or not for this server, ends the handshake.
    verify: bool = False
    #: File of the trusted authorities in PEM; empty for the system's.
    ca_file: str = ""
    #: Lowest version, ``1.2`` or ``1.3``.
    least_version: str = "1.2"
    #: Files of our own certificate and key in PEM; empty for none, or for the key beside it.
    client_certificate: str = ""
    client_key: str = ""
    #: Whether the run makes no sense unless the certificate can be read.
    must_read: bool = False


class Context(NamedTuple):
    """What connections are secured with."""

    ssl: ssl.SSLContext
    verify: bool


def settings(line: CommandLine) -> TlsSettings:
    """How ``line`` wants connections to be secured."""
    return TlsSettings(
        verify=bool(line.count("verify")),
        ca_file=line.last("ca-file", ""),
        least_version=line.last("min-tls", "1.2"),
        client_certificate=line.last("client-cert", ""),
        client_key=line.last("client-key", ""),
        must_read=bool(line.count("certificate")),
    )


def context(settings: TlsSettings) -> Context:
    """What connections are secured with.

    :raises ValueError: a file can't be read or used; the text says which and why
    """
    if settings.must_read and not settings.verify and not is_installed("cryptography"):
        raise ValueError("--certificate needs --verify, or the Python package cryptography")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = _VERSIONS[settings.least_version]
    if settings.verify:
        _trust(made, settings.ca_file)
    else:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if settings.client_certificate:
        certificate, key = settings.client_certificate, settings.client_key or None
        try:
            # Without a password callback OpenSSL would ask the terminal for it.
            made.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            files = f"{certificate} and {key}" if key else certificate
            raise ValueError(f"{files}: {_file_error(error)}") from None
    return Context(made, settings.verify)


def _trust(made: ssl.SSLContext, ca_file: str) -> None:
    """Load trusted authorities: those of the file, else the system's."""
    if ca_file:
        try:
            made.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            raise ValueError(f"{ca_file}: {_file_error(error)}") from None
        return
    paths = ssl.get_default_verify_paths()
    # A directory of hashed names is looked up as needed; parsing the whole bundle takes 18 ms.
    if "SSL_CERT_FILE" not in os.environ and paths.capath and any(os.scandir(paths.capath)):
        made.load_verify_locations(capath=paths.capath)
    else:
        made.load_default_certs()


def _file_error(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        # Without the line of Python's own source that it ends with.
        reason = getattr(error, "reason", None) or str(error).partition(" (_ssl.c")[0]
        return f"no usable certificate or key in PEM form ({reason})"
    return str(error.strerror)

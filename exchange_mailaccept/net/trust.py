"""What TLS trusts and shows: versions, authorities and the client certificate.

The files that the user named are tried before the first packet, because one that can't be used is a
mistake of the command line.  ``ssl`` is imported later, while the server is being connected.  So a
file of authorities passes if it consists of whole PEM blocks.  Any other one, and a client
certificate, is loaded once to try it, by ``_ssl``, the part of ``ssl`` that is written in C.
"""

from __future__ import annotations

import binascii
import os

from ..cli.words import how_to_install, is_installed
from ..names import is_address
from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import _ssl
    import ssl
    from typing import Optional, Union

_BEGIN = b"-----BEGIN CERTIFICATE-----"
#: Bytes of a file of authorities that are read; a system's bundle has a quarter of it.
_MAX_SIZE = 1 << 20


class TlsSettings(NamedTuple):
    """How connections are to be secured."""

    #: Whether a certificate chain that is not valid, or not for this server, ends the handshake.
    verify: bool = False
    #: File of the trusted authorities in PEM; empty for the system's.
    ca_file: str = ""
    #: Lowest version, ``1.2`` or ``1.3``.
    least_version: str = "1.2"
    #: Files of the client certificate and its key in PEM; empty for none, or for the same file.
    client_certificate: str = ""
    client_key: str = ""
    #: Whether the server's certificate must be read.
    must_read: bool = False
    #: Whether to keep the certificates that the server sends.
    keep_chain: bool = False


def check(settings: TlsSettings) -> None:
    """Try the files that ``settings`` name.

    :raises ValueError: one can't be read or used; the text says which and why
    """
    if settings.must_read and not settings.verify and not is_installed("cryptography"):
        raise ValueError(
            "--certificate needs --verify, or the Python package cryptography"
            f" ({how_to_install('cryptography')})"
        )
    unproved = settings.ca_file and not _is_whole(settings.ca_file)
    if unproved or settings.client_certificate:
        import _ssl

        _load_files(_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT), settings)


def _is_whole(path: str) -> bool:
    """Whether a file has complete PEM certificates, by their length (RFC 7468 5, X.690 8.1.3)."""
    try:
        with open(path, "rb") as file:
            *blocks, rest = file.read(_MAX_SIZE).split(b"-----END CERTIFICATE-----")
        bodies = [block.partition(_BEGIN)[2] for block in blocks]
        certificates = [binascii.a2b_base64(body) for body in bodies]
    except (OSError, ValueError):
        return False
    # A certificate is a sequence whose length is in two bytes.
    return (
        bool(certificates)
        and _BEGIN not in rest
        and all(
            der[:2] == b"\x30\x82" and int.from_bytes(der[2:4], "big") == len(der) - 4
            for der in certificates
        )
    )


class Contexts:
    """The TLS contexts for connections, from settings that were checked.

    Without ``--verify`` a handshake that fails on the certificate is repeated without verification
    (see ``protocol.dialogue``), so there are two contexts.
    """

    def __init__(self, settings: TlsSettings) -> None:
        """Make the context that verifies.

        :raises ValueError: a file can't be read or used, though it passed :func:`check`
        """
        import ssl

        self.keep_chain = settings.keep_chain
        self._settings = settings
        self._verifying = verifying = _context(settings)
        self._trusting: Optional[ssl.SSLContext] = None
        if not settings.ca_file:
            _trust_as_the_system(verifying, ssl.get_default_verify_paths())

    def for_connection(self, server_name: str, verify: bool) -> ssl.SSLContext:
        """The context for the next connection to ``server_name``.

        An address that was given in place of a name is compared with the certificate only under
        ``--verify``: certificates are for names, and the user has not said which one.

        :param verify: whether a certificate that fails verification ends the handshake
        """
        if verify:
            named = self._settings.verify or not is_address(server_name)
            # OpenSSL takes it over when a connection is made.
            self._verifying.check_hostname = named
            return self._verifying
        if self._trusting is None:
            import ssl

            self._trusting = _context(self._settings)
            self._trusting.check_hostname = False
            self._trusting.verify_mode = ssl.CERT_NONE
        return self._trusting


def _context(settings: TlsSettings) -> ssl.SSLContext:
    """A context that trusts only the user's authorities."""
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    made.minimum_version = versions[settings.least_version]
    # As Postfix and swaks do.  Python's own list is shorter since 3.10; a server that every sender
    # reaches would be CRITICAL.
    made.set_ciphers("DEFAULT")
    _load_files(made, settings)
    return made


def _load_files(made: Union[ssl.SSLContext, _ssl._SSLContext], settings: TlsSettings) -> None:
    """Load the user's authorities and client certificate.

    :raises ValueError: a file can't be read or used
    """
    if settings.ca_file:
        try:
            made.load_verify_locations(settings.ca_file)
        except (OSError, ValueError) as error:
            raise ValueError(f"{settings.ca_file}: {_file_error(error)}") from None
    if settings.client_certificate:
        certificate, key = settings.client_certificate, settings.client_key or None
        try:
            # Without a password callback OpenSSL would ask the terminal for it.
            made.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            files = f"{certificate} and {key}" if key else certificate
            raise ValueError(f"{files}: {_file_error(error)}") from None


def _trust_as_the_system(made: ssl.SSLContext, paths: ssl.DefaultVerifyPaths) -> None:
    # Of a directory of hashed names only what is needed is read; the whole bundle takes 18 ms.
    if "SSL_CERT_FILE" not in os.environ and _has_files(paths.capath):
        made.load_verify_locations(capath=paths.capath)
    else:
        made.load_default_certs()


def _has_files(directory: Optional[str]) -> bool:
    try:
        with os.scandir(directory or "") as entries:
            return any(entries)
    except OSError:
        return False


def _file_error(error: Exception) -> str:
    import _ssl

    if isinstance(error, _ssl.SSLError) or not isinstance(error, OSError):
        # Without the line number in Python's source at its end.
        reason = getattr(error, "reason", None) or str(error).partition(" (_ssl.c")[0]
        return f"no usable certificate or key in PEM form ({reason})"
    return str(error.strerror)

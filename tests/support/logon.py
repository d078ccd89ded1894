"""The server's side of AUTH, and whom it lets in."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Optional

from support.smtp import Talk

USER, PASSWORD, TOKEN = "probe@contoso.com", "Password123 & more", "eyJ0eXAi.token-of-the-probe.sig"


def secret_options(directory: Path) -> tuple[str, str]:
    """The options with the files of both secrets, in a directory as the fixture ``files``."""
    return (f"--password-file={directory / 'password'}", f"--token-file={directory / 'token'}")


SUCCESS = b"235 2.7.0 Authentication successful\r\n"
FAILURE = b"535 5.7.3 Authentication unsuccessful\r\n"


def ask(talk: Talk, challenge: bytes) -> bytes:
    """Send a challenge; the client's response."""
    talk.tell(b"334 " + base64.b64encode(challenge) + b"\r\n")
    line = talk.line()
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        return line


def logon(talk: Talk, mechanism: str, initial: Optional[bytes]) -> bytes:
    """Let USER in with PASSWORD or TOKEN."""
    if mechanism == "PLAIN":
        good = initial == f"\0{USER}\0{PASSWORD}".encode()
    elif mechanism == "LOGIN":
        good = ask(talk, b"Username:") == USER.encode()
        good = ask(talk, b"Password:") == PASSWORD.encode() and good
    elif mechanism == "XOAUTH2":
        good = initial == f"user={USER}\1auth=Bearer {TOKEN}\1\1".encode()
        if not good:
            assert ask(talk, b'{"status":"401","schemes":"Bearer"}') == b""
    else:
        good = _ntlm(talk, mechanism, initial)
    return SUCCESS if good else FAILURE


def _ntlm(talk: Talk, mechanism: str, initial: Optional[bytes]) -> bool:
    """The server's part of NTLM is pyspnego's too, its hashes and signatures are checked."""
    import spnego
    import spnego.exceptions

    assert mechanism == "NTLM"
    server = spnego.server(protocol="ntlm")
    challenge = server.step(initial)
    assert challenge is not None
    try:
        server.step(ask(talk, challenge))
    except spnego.exceptions.SpnegoError:
        return False
    return bool(server.complete)

"""The server's part of AUTH: it sends challenges and gets responses (RFC 4954).

LOGIN, PLAIN and XOAUTH2 are verified.  NTLM and GSSAPI are only offered: a logon with them gets
Exchange's first challenge and then fails.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Awaitable
from typing import Callable, Optional

from .poses import Credentials

#: Sends a challenge, the text after 334, and returns the response.
Ask = Callable[[str], Awaitable[bytes]]

#: Why a token is refused, in the form of Google, who invented XOAUTH2; sent as a challenge.
TOKEN_REFUSED = {"status": "401", "schemes": "bearer", "scope": "https://outlook.office.com/"}


class BadResponseError(ValueError):
    """The client's response is not base64, or the client gave up."""


def decode(response: str) -> bytes:
    """Decode a response; in the AUTH command ``=`` is an empty one."""
    if response == "=":
        return b""
    try:
        return base64.b64decode(response.encode("ascii"), validate=True)
    except ValueError:
        # Also for "*", with which the client gives up (RFC 4954 4).
        raise BadResponseError(response) from None


async def verify(mechanism: str, initial: Optional[bytes], accepted: Credentials, ask: Ask) -> bool:
    """Perform the logon by ``mechanism`` and return whether it is accepted.

    :param initial: the response in the AUTH command; ``None`` if there was none
    :raises BadResponseError: the client gave up or sent something that is not base64
    """
    if mechanism == "LOGIN":
        user = initial if initial is not None else await ask(_encode(b"Username:"))
        password = await ask(_encode(b"Password:"))
        return _is_user(user, password, accepted)
    if mechanism == "PLAIN":
        response = initial if initial is not None else await ask("")
        # RFC 4616 2: authorization identity, user and password.
        words = response.split(b"\0")
        return len(words) == 3 and _is_user(words[1], words[2], accepted)
    if mechanism == "XOAUTH2":
        response = initial if initial is not None else await ask("")
        if _is_bearer(response, accepted):
            return True
        # The client answers with an empty response.
        await ask(_encode(json.dumps(TOKEN_REFUSED).encode("ascii")))
        return False
    if initial is None:
        # In [MS-SMTPNTLM] this is text, not base64.
        await ask(f"{mechanism.lower()} supported")
    return False


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _is_user(user: bytes, password: bytes, accepted: Credentials) -> bool:
    return bool(accepted.user and accepted.password) and (
        # Windows ignores the case of a user name.
        user.decode("utf-8", "replace").lower() == accepted.user.lower()
        and hmac.compare_digest(password, accepted.password.encode())
    )


def _is_bearer(response: bytes, accepted: Credentials) -> bool:
    # Microsoft's user=NAME ^A auth=Bearer TOKEN ^A ^A
    user, _, rest = response.partition(b"\1")
    expected = b"auth=Bearer " + accepted.token.encode() + b"\1\1"
    named = user.decode("utf-8", "replace").lower()
    return bool(accepted.token) and (
        hmac.compare_digest(rest, expected)
        and (not accepted.user or named == f"user={accepted.user.lower()}")
        and named.startswith("user=")
    )

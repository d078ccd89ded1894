"""AUTH as the server sees it: challenge out, response in (RFC 4954).

LOGIN, PLAIN and XOAUTH2 are really verified.  NTLM and GSSAPI are there to be offered: a logon with
them goes as far as Exchange's first words, and fails.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Awaitable
from typing import Callable, Optional

from .poses import Credentials

#: Sends a challenge, as it stands behind the 334, and gives the response.
Ask = Callable[[str], Awaitable[bytes]]

#: Why a token is refused, as the protocol's inventor has it; asked for by an empty response.
TOKEN_REFUSED = {"status": "401", "schemes": "bearer", "scope": "https://outlook.office.com/"}


class BadResponseError(ValueError):
    """The client's response is not base64, or it gave up."""


def decode(response: str) -> bytes:
    """Decode a response; ``=`` stands for an empty one in the command line."""
    if response == "=":
        return b""
    try:
        return base64.b64decode(response.encode("ascii"), validate=True)
    except ValueError:
        # "*" too, by which the client gives up (RFC 4954 4).
        raise BadResponseError(response) from None


async def verify(mechanism: str, initial: Optional[bytes], accepted: Credentials, ask: Ask) -> bool:
    """Talk with the client by the rules of ``mechanism`` and tell whether it may come in.

    :param initial: the response that came with the command, if one did
    """
    if mechanism == "LOGIN":
        user = initial if initial is not None else await ask(_encode(b"Username:"))
        password = await ask(_encode(b"Password:"))
        return _is_user(user, password, accepted)
    if mechanism == "PLAIN":
        response = initial if initial is not None else await ask("")
        # RFC 4616 2: who to act for, who it is, and the password.
        words = response.split(b"\0")
        return len(words) == 3 and _is_user(words[1], words[2], accepted)
    if mechanism == "XOAUTH2":
        response = initial if initial is not None else await ask("")
        if _is_bearer(response, accepted):
            return True
        # What the client sends now is empty, and has no meaning.
        await ask(_encode(json.dumps(TOKEN_REFUSED).encode("ascii")))
        return False
    if initial is None:
        # [MS-SMTPNTLM] has words here, not base64.
        await ask(f"{mechanism.lower()} supported")
    return False


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _is_user(user: bytes, password: bytes, accepted: Credentials) -> bool:
    return bool(accepted.user and accepted.password) and (
        # Windows does not mind the case of a user's name.
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

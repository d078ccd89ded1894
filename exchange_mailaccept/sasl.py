"""AUTH mechanisms, challenge in, response out, no sockets (RFC 4954, RFC 4422).

A mechanism is a generator: its first yield is the initial response (``None`` where the server has
to begin), it is sent each challenge and yields the response to it.  It ends when it has nothing
more to say.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Generator, Sequence
from typing import NamedTuple, Optional

from .reply import Reply, decode

#: In the order in which ``auto`` prefers them: a token that expires before a password, and a
#: mechanism that does not hand the password over before those that do.
MECHANISMS = ("XOAUTH2", "NTLM", "PLAIN", "LOGIN")
#: More challenges than any mechanism here needs; a server that goes on is broken.
MOST_CHALLENGES = 6

_MASK = "****"
#: Characters of a secret that are masked wherever they stand, and at the cut end of a quotation.
_PART = 8
_BEGINNING = 4

#: What stands behind a cut: marks of the quotation, and the bytes of half a character.
_CUT = re.compile(r"(?:\\x[0-9a-f]{2}){0,3}[.']*\Z")

Responses = Generator[Optional[bytes], bytes, None]


class Credentials(NamedTuple):
    """Who logs on, and how; ``repr`` keeps the secrets."""

    #: One of :data:`MECHANISMS`, or ``AUTO``.
    mechanism: str
    user: str
    password: str = ""
    token: str = ""
    #: Whether the secret may travel outside TLS.
    without_tls: bool = False

    def __repr__(self) -> str:
        return f"Credentials({self.mechanism!r}, {self.user!r}, ...)"

    @property
    def usable(self) -> tuple[str, ...]:
        """The mechanisms for which there is a secret, the preferred one first."""
        if self.mechanism != "AUTO":
            return (self.mechanism,)
        return tuple(
            each
            for each in MECHANISMS
            if (self.token if each == "XOAUTH2" else self.password)
            and (each != "NTLM" or has_ntlm())
        )

    def mask(self, text: str) -> str:
        """``text`` without the secrets, in clear or in base64, should a server echo them.

        A quotation may have been cut, or broken into lines: a part of a secret is masked as well.
        """
        forms, parts = _forms(self)
        for secret in forms:
            text = text.replace(secret, _MASK)
        text = _without_parts(text, parts)
        for secret in forms:
            text = _without_beginning(text, secret)
        return text


def has_ntlm() -> bool:
    """Whether pyspnego is there, without which there is no NTLM."""
    # Imported here because only few log on, and with less than they could.
    from importlib.util import find_spec

    return find_spec("spnego") is not None


def respond(mechanism: str, credentials: Credentials) -> Responses:
    """The responses of ``mechanism``.

    Sent a challenge that makes no sense, it raises ValueError.
    """
    if mechanism == "NTLM":
        return _ntlm(credentials)
    if mechanism == "XOAUTH2":
        return _xoauth2(credentials)
    return _plain(credentials) if mechanism == "PLAIN" else _login(credentials)


def choose(offered: Sequence[str], credentials: Credentials) -> str:
    """The mechanism to use, or an empty string if none that is usable is offered."""
    return next((each for each in credentials.usable if each in offered), "")


def encode(data: bytes) -> str:
    """``data`` in base64, as AUTH sends it; an empty response is ``=`` only in the command line."""
    return base64.b64encode(data).decode("ascii")


def challenge(reply: Reply) -> bytes:
    """The challenge in a 334 reply.

    :raises ValueError: it is not base64 (RFC 4954 4)
    """
    try:
        return base64.b64decode(reply.text.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"the challenge is not valid base64: {reply}") from None


def _plain_response(credentials: Credentials) -> bytes:
    return b"\0".join((b"", *_user_and_password(credentials)))


def _plain(credentials: Credentials) -> Responses:
    """RFC 4616."""
    yield _plain_response(credentials)


def _login(credentials: Credentials) -> Responses:
    """What Outlook speaks: the name at the first prompt, the password at the second."""
    user, password = _user_and_password(credentials)
    yield None
    yield user
    yield password


def _xoauth2_response(credentials: Credentials) -> bytes:
    words = f"user={credentials.user}\1auth=Bearer {credentials.token}\1\1"
    return words.encode("utf-8", "surrogateescape")


def _xoauth2(credentials: Credentials) -> Responses:
    """https://developers.google.com/gmail/imap/xoauth2-protocol, as Exchange Online has it."""
    yield _xoauth2_response(credentials)
    # A challenge is the reason of a refusal, in JSON; the empty response asks for the refusal.
    yield b""


def _ntlm(credentials: Credentials) -> Responses:
    """[MS-SMTPNTLM], the messages made by pyspnego."""
    # Imported here because only those who log on with NTLM have it and pay for it.
    import struct

    import spnego

    # NTLM hashes characters and not bytes: what is not UTF-8 is taken for Windows' Latin.
    user, password = (_characters(each) for each in _user_and_password(credentials))
    client = spnego.client(user, password, service="SMTP", protocol="ntlm")
    token = client.step()
    while token is not None:
        received = yield token
        try:
            token = None if client.complete else client.step(received)
        # The others are what pyspnego stumbles over in a message that is garbled.
        except (
            *(spnego.exceptions.SpnegoError, struct.error),
            *(ValueError, LookupError, OverflowError),
        ) as error:
            raise ValueError(f"the challenge is no NTLM challenge: {error}") from None


def _characters(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def _user_and_password(credentials: Credentials) -> tuple[bytes, bytes]:
    return (
        credentials.user.encode("utf-8", "surrogateescape"),
        credentials.password.encode("utf-8", "surrogateescape"),
    )


@functools.lru_cache(maxsize=1)
def _forms(credentials: Credentials) -> tuple[list[str], frozenset[str]]:
    """How the secrets would look in the server's words, the longest first, and their parts."""
    found = set()
    for secret in filter(None, (credentials.password, credentials.token)):
        raw = secret.encode("utf-8", "surrogateescape")
        clear = decode(raw)
        # The second because whoever quotes a reply as one line drops the other spaces.
        found |= {clear, " ".join(clear.split()), encode(raw), encode(raw).rstrip("=")}
        # Inside more that is encoded, base64 looks differently at each of three places.  Left out
        # are the characters at both ends that the neighbours have a part in.
        for place in range(3):
            around = encode(bytes(place) + raw)
            core = around[(8 * place + 5) // 6 : 8 * (place + len(raw)) // 6]
            found.add(core if len(core) >= _BEGINNING else "")
    forms = sorted(found - {""}, key=len, reverse=True)
    parts = {form[at : at + _PART] for form in forms for at in range(len(form) - _PART + 1)}
    return forms, frozenset(parts)


def _without_parts(text: str, parts: frozenset[str]) -> str:
    """``text`` without any of ``parts``; those that overlap are one."""
    masked, at = [], 0
    while at < len(text):
        end = at
        while text[end : end + _PART] in parts:
            end += 1
        if end > at:
            # The last part that was found is a part to its own end.
            at = end + _PART - 1
            masked.append(_MASK)
        else:
            masked.append(text[at])
            at += 1
    return "".join(masked)


def _without_beginning(text: str, secret: str) -> str:
    """``text`` without the beginning of ``secret`` at its end, where it may have been cut."""
    shown = text[: _CUT.search(text).start()]  # type: ignore[union-attr]  # it fits any end
    for length in range(min(len(secret), _PART) - 1, _BEGINNING - 1, -1):
        if shown.endswith(secret[:length]):
            return shown[:-length] + _MASK + text[len(shown) :]
    return text

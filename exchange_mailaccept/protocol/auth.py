"""The exchange of AUTH and its mechanisms, without a socket (RFC 4954, RFC 4422).

:func:`log_on` is the exchange: lines out, replies in.  A mechanism is a generator: its first yield
is the initial response (``None`` where the server has to begin), it is sent each challenge and
yields the response to it.  It ends when it has nothing more to say.
"""

from __future__ import annotations

import base64
import binascii
import contextlib

from ..cli.words import is_installed
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Mechanism
from . import masking
from .reply import Reply, decode
from .stages import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Optional

    from .requests import Command, Replied

    _Asking = Generator[Command, Replied, Replied]

    Responses = Generator[Optional[bytes], bytes, None]

MECHANISMS = tuple(mechanism.value for mechanism in Mechanism)
#: The code of a challenge.
CHALLENGE = 334
#: More challenges than any mechanism here needs; a server that goes on is broken.
MAX_CHALLENGES = 6


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
            mechanism
            for mechanism in MECHANISMS
            if (self.token if mechanism == "XOAUTH2" else self.password)
            and (mechanism != "NTLM" or is_installed("spnego"))
        )

    def mask(self, text: str) -> str:
        """``text`` without the secrets, should a server echo them (see :mod:`.masking`)."""
        return masking.mask(text, (self.password, self.token))


def log_on(
    mechanism: str, credentials: Credentials, ask: Callable[[str, str], _Asking]
) -> Generator[Command, Replied, tuple[Replied, str]]:
    """Log on with ``mechanism``: the last answer, and what to add to the words of a refusal.

    The answer has a fault of AUTH if a challenge makes no sense or the server goes on asking; the
    exchange is still open then.

    :param ask: sends one line, which the transcript shows as the second argument, and gives the
        answer
    """
    responses = respond(mechanism, credentials)
    response = next(responses)
    line = shown = f"AUTH {mechanism}"
    if response is not None:
        # RFC 4954 4: an initial response that is empty is sent as "=".
        line, shown = f"{line} {encode(response) or '='}", f"{shown} ****"
    reasons = ""
    for _ in range(1 + MAX_CHALLENGES):
        answer = yield from ask(line, shown)
        if answer.reply is None or answer.reply.code != CHALLENGE:
            break
        try:
            received = challenge(answer.reply)
            response = responses.send(received)
        except ValueError as error:
            return _without_sense(answer, str(error)), reasons
        except StopIteration:
            return _without_sense(answer, "the server went on asking"), reasons
        if mechanism == "XOAUTH2":
            reasons += f", the server's reason: {decode(received)}"
        line, shown = encode(response or b""), "****"
    return answer, reasons


def _without_sense(answer: Replied, why: str) -> Replied:
    return answer._replace(reply=None, fault=Fault(Cause.AUTH, why))


def respond(mechanism: str, credentials: Credentials) -> Responses:
    """The responses of ``mechanism``.

    :raises ValueError: (the generator) the challenge sent to it makes no sense
    """
    if mechanism == "NTLM":
        return _ntlm(credentials)
    if mechanism == "XOAUTH2":
        return _xoauth2(credentials)
    return _plain(credentials) if mechanism == "PLAIN" else _login(credentials)


def choose(offered: Sequence[str], credentials: Credentials) -> str:
    """The mechanism to use, or an empty string if none that is usable is offered."""
    return next((usable for usable in credentials.usable if usable in offered), "")


def encode(data: bytes) -> str:
    """``data`` in base64, as AUTH sends it; an empty response is ``=`` only in the command line."""
    return base64.b64encode(data).decode("ascii")


def challenge(reply: Reply) -> bytes:
    """The challenge in a 334 reply.

    :raises ValueError: it is not base64 (RFC 4954 4)
    """
    words = reply.text.strip()
    # Padding alone is none, and an empty challenge to Python before 3.11.
    if not words.startswith("="):
        with contextlib.suppress(binascii.Error, UnicodeEncodeError):
            return base64.b64decode(words.encode("ascii"), validate=True)
    raise ValueError(f"the challenge is not valid base64: {reply}")


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
    import struct

    import spnego

    # NTLM hashes characters and not bytes: bytes that are not UTF-8 are taken for Windows-1252.
    user, password = (_characters(each) for each in _user_and_password(credentials))
    client = spnego.client(user, password, service="SMTP", protocol="ntlm")
    token = client.step()
    while token is not None:
        received = yield token
        try:
            token = None if client.complete else client.step(received)
        # pyspnego raises the others for a garbled message.
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

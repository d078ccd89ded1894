"""AUTH and its mechanisms, without a socket (RFC 4954, RFC 4422).

:func:`log_on` sends lines and receives replies.  A mechanism is a generator.  It yields the initial
response first (``None`` if the server has to begin); then it is sent each challenge, and yields the
response.  It ends when it has no more responses.  :func:`mask` removes secrets from what was said.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import itertools

from ..cli.words import is_installed
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Mechanism, Stage
from .conversation import Fault, StageOutcome
from .reply import Reply, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Optional

    from .conversation import Asked, Command, Replied, Session
    from .reply import Extensions

    _Asking = Generator[Command, Replied, Replied]

    Responses = Generator[Optional[bytes], bytes, None]

MECHANISMS = tuple(mechanism.value for mechanism in Mechanism)
#: The code of a challenge.
CHALLENGE = 334
#: No mechanism here needs as many challenges; a server that sends more is broken.
MAX_CHALLENGES = 6
_MASK = "****"


class Credentials(NamedTuple):
    """The user to log on as, and how; ``repr`` does not show the secrets."""

    #: One of :data:`MECHANISMS`, or ``AUTO``.
    mechanism: str
    user: str
    password: str = ""
    token: str = ""
    #: Whether the secret may be sent without TLS.
    without_tls: bool = False

    def __repr__(self) -> str:
        return f"Credentials({self.mechanism!r}, {self.user!r}, ...)"

    @property
    def usable(self) -> tuple[str, ...]:
        """The mechanisms for which there is a secret, in order of preference."""
        if self.mechanism != "AUTO":
            return (self.mechanism,)
        return tuple(
            mechanism
            for mechanism in MECHANISMS
            if (self.token if mechanism == "XOAUTH2" else self.password)
            and (mechanism != "NTLM" or is_installed("spnego"))
        )

    def masked(self, session: Session) -> Session:
        """``session`` without the secrets, which a server may echo (see :func:`mask`).

        The keywords stay as they are, because no secret was sent before them.
        """

        def clean(text: str) -> str:
            return mask(text, (self.password, self.token))

        def masked(outcome: StageOutcome) -> StageOutcome:
            reply = outcome.reply
            if reply is not None:
                reply = Reply(reply.code, tuple(map(clean, reply.lines)))
            words, received = clean(outcome.explanation), clean(outcome.received)
            return outcome._replace(reply=reply, explanation=words, received=received)

        def masked_all(asked: tuple[Asked, ...]) -> tuple[Asked, ...]:
            return tuple(each._replace(outcome=masked(each.outcome)) for each in asked)

        return session._replace(
            outcomes=tuple(map(masked, session.outcomes)),
            recipients=masked_all(session.recipients),
            senders=masked_all(session.senders),
            transcript=tuple(each._replace(text=clean(each.text)) for each in session.transcript),
        )


def authenticate(
    credentials: Credentials,
    secured: bool,
    offers: Extensions,
    in_plain: Extensions,
    ask: Callable[[str, str], _Asking],
) -> Generator[Command, Replied, StageOutcome]:
    """Log on if that is possible, and return the outcome of the stage.

    :param secured: whether the session is inside TLS
    :param offers: what the server offers now
    :param in_plain: what it offered before TLS
    :param ask: as for :func:`log_on`
    """
    if not secured and not credentials.without_tls:
        return _missing("offers no TLS, and no secret goes out without it")
    offered = offers.keywords.get("AUTH", ())
    mechanism = choose(offered, credentials)
    if not mechanism:
        wanted = " or ".join(credentials.usable)
        only = f" but {' '.join(offered)}" if offered else ""
        if in_plain.offers("AUTH") and not offers.offers("AUTH"):
            only = " inside TLS, though it offered AUTH before"
        return _missing(f"does not offer AUTH {wanted}{only}")
    seconds = 0.0

    def timed(line: str, shown: str) -> _Asking:
        nonlocal seconds
        answer = yield from ask(line, shown)
        seconds += answer.seconds
        return answer

    answer, why = yield from log_on(mechanism, credentials, timed)
    if answer.reply is None:
        fault = answer.fault or Fault(Cause.NETWORK, "no reply")
        if fault.cause is Cause.AUTH:
            # RFC 4954 4: so the client cancels AUTH.
            yield from ask("*", "*")
        return StageOutcome.failed(Stage.AUTH, fault, seconds)
    outcome = StageOutcome.answered(Stage.AUTH, answer.reply, seconds)
    words = f"AUTH {mechanism}"
    return outcome._replace(explanation=words if outcome.passed else f"{words}{why}")


def _missing(explanation: str) -> StageOutcome:
    return StageOutcome.failed(Stage.AUTH, Fault(Cause.NOT_OFFERED, explanation), 0.0)


def log_on(
    mechanism: str, credentials: Credentials, ask: Callable[[str, str], _Asking]
) -> Generator[Command, Replied, tuple[Replied, str]]:
    """Log on with ``mechanism``, and return the last answer and what to add to a refusal's words.

    The answer has the fault AUTH if a challenge makes no sense or the server does not stop asking.
    The server still waits for a response then.

    :param ask: sends a line and returns the answer; its second argument is the line as the
        transcript shows it
    """
    responses = respond(mechanism, credentials)
    response = next(responses)
    line = shown = f"AUTH {mechanism}"
    if response is not None:
        # RFC 4954 4: an empty initial response is sent as "=".
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

    :raises ValueError: (from the generator) a challenge makes no sense
    """
    if mechanism == "NTLM":
        return _ntlm(credentials)
    if mechanism == "XOAUTH2":
        return _xoauth2(credentials)
    return _plain(credentials) if mechanism == "PLAIN" else _login(credentials)


def choose(offered: Sequence[str], credentials: Credentials) -> str:
    """The mechanism to use; empty if no usable one is offered."""
    return next((usable for usable in credentials.usable if usable in offered), "")


def encode(data: bytes) -> str:
    """``data`` in base64; an empty response is ``=`` only in the command itself."""
    return base64.b64encode(data).decode("ascii")


def challenge(reply: Reply) -> bytes:
    """The challenge in a 334 reply.

    :raises ValueError: it is not base64 (RFC 4954 4)
    """
    words = reply.text.strip()
    # Padding alone is not base64, but Python before 3.11 reads it as empty.
    if not words.startswith("="):
        with contextlib.suppress(binascii.Error, UnicodeEncodeError):
            return base64.b64decode(words.encode("ascii"), validate=True)
    raise ValueError(f"the challenge is not valid base64: {reply}")


def _plain(credentials: Credentials) -> Responses:
    """RFC 4616."""
    yield b"\0".join((b"", *_user_and_password(credentials)))


def _login(credentials: Credentials) -> Responses:
    """As Outlook does: the name at the first prompt, the password at the second."""
    user, password = _user_and_password(credentials)
    yield None
    yield user
    yield password


def _xoauth2(credentials: Credentials) -> Responses:
    """https://developers.google.com/gmail/imap/xoauth2-protocol, also for Exchange Online."""
    words = f"user={credentials.user}\1auth=Bearer {credentials.token}\1\1"
    yield words.encode("utf-8", "surrogateescape")
    # A challenge has the reason of a refusal, in JSON; the refusal follows the empty response.
    yield b""


def _ntlm(credentials: Credentials) -> Responses:
    """[MS-SMTPNTLM]; pyspnego makes the messages."""
    import struct

    import spnego

    # NTLM hashes characters and not bytes; bytes that are not UTF-8 are read as Windows-1252.
    user, password = (_characters(part) for part in _user_and_password(credentials))
    client = spnego.client(user, password, service="SMTP", protocol="ntlm")
    token = client.step()
    while token is not None:
        received = yield token
        try:
            token = None if client.complete else client.step(received)
        # pyspnego raises the other errors for a garbled message.
        except (
            *(spnego.exceptions.SpnegoError, struct.error),
            *(ValueError, LookupError, OverflowError),
        ) as error:
            raise ValueError(f"the challenge is not an NTLM challenge: {error}") from None


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


def mask(text: str, secrets: tuple[str, ...]) -> str:
    r"""``text`` with ``****`` in place of ``secrets``, which a server may echo.

    These are masked, for the password ``Tr0ub4dor & 3``:

    ============================  =================================================
    the server writes             because
    ============================  =================================================
    ``Tr0ub4dor &  3``            it quotes the secret in clear
    ``Tr0ub4dor & 3``             the same on one line, with single spaces
    ``VHIwdWI0ZG9yICYgIDM=``      it quotes the line of AUTH, in base64
    ``AHVzAFRyMHViNGRvciAmICAz``  it quotes a longer text in base64, which has the
                                  secret in its middle (AUTH PLAIN, XOAUTH2) and
                                  looks different at each of three offsets
    ``Tr0ub4`` or ``4dor &``      any of these was cut or broken into lines
    ============================  =================================================

    Every part that is half as long as one of these forms, but at least 4 and at most 8 characters,
    is masked.  With shorter parts much of the server's own words would be masked; with longer ones
    too much of a secret would show.  A part that still shows has at most 7 characters and less than
    half of the secret; of a short secret, at most 3.
    """
    hidden = [False] * len(text)
    for length, runs in _runs(secrets).items():
        for start in range(len(text) - length + 1):
            if text[start : start + length] in runs:
                hidden[start : start + length] = [True] * length
    pieces = itertools.groupby(zip(hidden, text), key=lambda pair: pair[0])
    return "".join(
        _MASK if hide else "".join(character for _, character in piece) for hide, piece in pieces
    )


@functools.lru_cache(maxsize=1)
def _runs(secrets: tuple[str, ...]) -> dict[int, set[str]]:
    """Every run of characters that is masked, by its length."""
    runs: dict[int, set[str]] = {}
    for secret in filter(None, secrets):
        for form in _forms(secret.encode("utf-8", "surrogateescape")):
            length = max(min(len(form), 4), min(len(form) // 2, 8))
            found = {form[start : start + length] for start in range(len(form) - length + 1)}
            runs.setdefault(length, set()).update(found)
    return runs


def _forms(secret: bytes) -> set[str]:
    """The forms in which ``secret`` can appear."""
    clear = decode(secret)
    forms = {clear, " ".join(clear.split()), encode(secret)}
    for offset in (1, 2):
        longer = encode(bytes(offset) + secret)
        # Without the characters at both ends, which depend on the neighbours too.
        core = longer[(8 * offset + 5) // 6 : 8 * (offset + len(secret)) // 6]
        forms.add(core if len(core) >= 4 else "")
    return forms - {""}

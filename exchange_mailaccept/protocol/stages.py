"""The stages of the mail acceptance test, and what one walk through them brought back.

Everything here is an immutable value.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage, Verdict
from .extensions import NONE, Extensions
from .reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional


#: Causes that show a fault of the network, of TLS or of the protocol are BROKEN; the others:
_VERDICTS = {
    Cause.SILENT: Verdict.TIMED_OUT,
    Cause.NO_ANSWER: Verdict.TIMED_OUT,
    Cause.OWN_SIDE: Verdict.UNTESTED,
    Cause.NO_TURN: Verdict.UNTESTED,
    Cause.TOO_BUSY: Verdict.UNTESTED,
    Cause.INTERRUPTED: Verdict.UNTESTED,
    Cause.RESOLVER: Verdict.UNTESTED,
    Cause.RESOLVER_REFUSES: Verdict.UNTESTED,
    Cause.NOT_OFFERED: Verdict.MISSING,
}


class Fault(NamedTuple):
    """Why a request could not be fulfilled."""

    cause: Cause
    #: In words, for people: "connection refused", "within 5s".
    explanation: str
    #: What the server had said, if that is the reason.
    received: str = ""

    @property
    def verdict(self) -> Verdict:
        """What the stage that made the request comes to."""
        return _VERDICTS.get(self.cause, Verdict.BROKEN)

    @property
    def interrupted(self) -> bool:
        """Whether the run was told to end, so that nothing was found out."""
        return self.cause is Cause.INTERRUPTED


class StageOutcome(NamedTuple):
    """How one stage ended."""

    stage: Stage
    verdict: Verdict
    #: Seconds the stage took, by the monotonic clock.
    seconds: float
    #: The reply that decided, if one came.
    reply: Optional[Reply] = None
    #: What happened, in words, when there is more to say than the reply does.
    explanation: str = ""
    #: Whether what failed at STARTTLS is the EHLO inside TLS, after a good handshake.
    second_ehlo: bool = False
    #: Why it did not pass, if no reply says so; or what else is to be known of it.
    cause: Optional[Cause] = None
    #: What the server had said, if that is the reason.
    received: str = ""

    @classmethod
    def failed(cls, stage: Stage, fault: Fault, seconds: float) -> StageOutcome:
        """The outcome of a stage whose request was not fulfilled, after ``seconds``."""
        return cls(
            stage,
            fault.verdict,
            seconds,
            explanation=fault.explanation,
            cause=fault.cause,
            received=fault.received,
        )

    @property
    def passed(self) -> bool:
        """Whether the test may go on after this stage."""
        return self.verdict is Verdict.PASSED


class MailHost(NamedTuple):
    """A host that takes mail for a domain."""

    #: MX preference, the lower the sooner; ``None`` if no MX record names the host.
    preference: Optional[int]
    #: Host name in ASCII, without the final dot.
    name: str


class Server(NamedTuple):
    """A mail server to be tested, and how to reach it."""

    #: Host name, or the address that was given instead of one.
    name: str
    #: Addresses, in the order in which to try them.
    addresses: tuple[str, ...]
    #: TCP port.
    port: int
    #: MX preference (RFC 5321 5.1); ``None`` if the server was not found by MX.
    preference: Optional[int] = None
    #: Its addresses that no other host can reach, which are not tried.
    skipped: tuple[str, ...] = ()


class TranscriptLine(NamedTuple):
    """One line of the dialogue as it was spoken, or (``speaker`` ``~``) an event beside it."""

    #: Seconds since the connection was begun.
    seconds: float
    #: ``C`` client, ``S`` server, ``~`` neither.
    speaker: str
    text: str


class Certificate(NamedTuple):
    """What a server's certificate says of itself (RFC 5280)."""

    subject: str
    issuer: str
    #: Host names and addresses that it is for.
    names: tuple[str, ...]
    #: Its validity, in seconds since the epoch.
    not_before: float
    not_after: float


class Security(NamedTuple):
    """What a TLS handshake agreed on."""

    #: ``TLSv1.3``
    protocol: str
    cipher: str
    #: Whether the chain and the name were checked, and found right.
    verified: bool
    #: ``None`` if nothing could be read from it.
    certificate: Optional[Certificate] = None
    #: Why the certificate failed verification, if the run went on without; else empty.
    untrusted: str = ""
    #: What is weak about the cipher suite, in words; else empty.
    weakness: str = ""


class Session(NamedTuple):
    """What the walk through the stages brought back from one server."""

    server: Server
    #: Address that was connected, empty if none was.
    address: str
    #: Outcomes of the stages reached, in their order.
    outcomes: tuple[StageOutcome, ...]
    extensions: Extensions = NONE
    #: Seconds from the start of the session to the last reply before QUIT.
    seconds: float = 0.0
    transcript: tuple[TranscriptLine, ...] = ()
    #: ``None`` without TLS.
    security: Optional[Security] = None
    #: Addresses that could not be connected, each with the reason, before one could.
    failed_addresses: tuple[tuple[str, Fault], ...] = ()

    def outcome(self, stage: Stage) -> Optional[StageOutcome]:
        """The outcome of ``stage``, or ``None`` if it was not reached."""
        return next((each for each in self.outcomes if each.stage is stage), None)

    def masked(self, mask: Callable[[str], str]) -> Session:
        """This session with ``mask`` applied to all that was said in it.

        The keywords stay as they are: no secret goes out before them.
        """

        def masked(outcome: StageOutcome) -> StageOutcome:
            reply = outcome.reply
            if reply is not None:
                reply = Reply(reply.code, tuple(map(mask, reply.lines)))
            return outcome._replace(
                reply=reply,
                explanation=mask(outcome.explanation),
                received=mask(outcome.received),
            )

        return self._replace(
            outcomes=tuple(map(masked, self.outcomes)),
            transcript=tuple(each._replace(text=mask(each.text)) for each in self.transcript),
        )

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test, or ``None``.  QUIT never does."""
        return next(
            (
                each
                for each in self.outcomes
                if each.verdict is not Verdict.PASSED and each.stage is not Stage.QUIT
            ),
            None,
        )

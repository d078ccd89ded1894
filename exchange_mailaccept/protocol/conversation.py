"""What a conversation asks for, and what it brings back: immutable values.

The protocols (``dialogue``, ``mx``) are generators: they yield a request (:class:`Connect` and
those below it) and are sent its answer.  ``net.loop`` fulfils them on real sockets, a test with a
list.  ``further_requests`` has those that fewer runs make.

Every answer has ``seconds``, from the request to the answer, and ``left``, the seconds until the
run ends (0 or less if it is over).  ``fault`` says why there is no answer, or not a whole one.

Many requests have ``patience``: the seconds until the attempt is given up, ``None`` for as long as
the run lasts.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage, Verdict
from .reply import NO_EXTENSIONS, Extensions, Reply

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional

    from .security import Security


#: Seconds until the end of a run without a deadline.
FOREVER = float("inf")
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


#: "Service not available, closing": the server says nothing more.
CLOSING = 421
#: "Too many recipients", or another limit: the client is to try in a further transaction (RFC 5321
#: 4.5.3.1.10).
TOO_MANY = 452
#: The codes that pass a stage; no other code does.
EXPECTED = {
    Stage.BANNER: (220,),
    Stage.EHLO: (250,),
    Stage.STARTTLS: (220,),
    Stage.AUTH: (235,),
    Stage.MAIL: (250,),
    Stage.RCPT: (250, 251),
    Stage.DATA: (354,),
    Stage.MESSAGE: (250,),
    Stage.QUIT: (221,),
}


class Fault(NamedTuple):
    """Why a request failed."""

    cause: Cause
    #: In words, for people: "connection refused", "within 5s".
    explanation: str
    #: What the server had said, if that is the reason.
    received: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the stage that made the request."""
        return _VERDICTS.get(self.cause, Verdict.BROKEN)

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted, so that there is no result."""
        return self.cause is Cause.INTERRUPTED


class StageOutcome(NamedTuple):
    """The outcome of one stage."""

    stage: Stage
    verdict: Verdict
    #: Seconds the stage took, by the monotonic clock.
    seconds: float
    #: The decisive reply, if one came.
    reply: Optional[Reply] = None
    #: What happened, in words, if the reply does not say it.
    explanation: str = ""
    #: Why it did not pass, if no reply says so; or what else is known of it.
    cause: Optional[Cause] = None
    #: Whether the EHLO after the handshake failed, at STARTTLS.
    second_ehlo: bool = False
    #: What the server had said, if that is the reason.
    received: str = ""

    @classmethod
    def failed(cls, stage: Stage, fault: Fault, seconds: float) -> StageOutcome:
        """The outcome of a stage whose request failed after ``seconds``."""
        return cls(
            stage,
            fault.verdict,
            seconds,
            explanation=fault.explanation,
            cause=fault.cause,
            received=fault.received,
        )

    @classmethod
    def answered(
        cls,
        stage: Stage,
        reply: Reply,
        seconds: float,
        expected: tuple[int, ...] = (),
        explanation: str = "",
    ) -> StageOutcome:
        """The outcome of a stage whose request was answered with ``reply``.

        :param expected: codes, if they are not those that pass the stage
        """
        if reply.code in (expected or EXPECTED[stage]):
            verdict = Verdict.PASSED
        else:
            verdicts = {4: Verdict.DEFERRED, 5: Verdict.REFUSED}
            verdict = verdicts.get(reply.code // 100, Verdict.BROKEN)
        return cls(stage, verdict, seconds, reply, explanation)

    @property
    def passed(self) -> bool:
        """Whether the test may go on after this stage."""
        return self.verdict is Verdict.PASSED


class MailHost(NamedTuple):
    """A host that takes mail for a domain."""

    #: MX preference, lowest first; ``None`` if no MX record names the host.
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


class Target(NamedTuple):
    """What is to be tested."""

    #: Domain whose servers are to be found; empty if ``host`` names the server.
    domain: str
    #: Name or address of the server; empty for the domain's MX.
    host: str
    port: int
    #: 4, 6, or 0 for both.
    family: int = 0
    #: Address and port of the DNS servers to ask; empty for the system's.
    nameservers: tuple[tuple[str, int], ...] = ()
    #: The MX that the domain should have (see ``expected_mx``); empty if any will do.
    expected_mx: tuple[str, ...] = ()

    def has_no_mx(self, server: Server) -> bool:
        """Whether ``server`` is the domain itself, which has no MX record (RFC 5321 5.1)."""
        return bool(self.domain) and not self.host and server.preference is None


class TranscriptLine(NamedTuple):
    """One line of the dialogue, or (with the ``speaker`` ``~``) an event."""

    #: Seconds since the connection was begun.
    seconds: float
    #: ``C`` client, ``S`` server, ``~`` neither.
    speaker: str
    text: str


class Asked(NamedTuple):
    """An address that a server was asked about, and how it answered."""

    #: Without angle brackets; empty for the null reverse-path.
    address: str
    #: The outcome of RCPT, or of MAIL if that did not pass.
    outcome: StageOutcome
    #: Whether a recipient was asked for once more, in a transaction of its own without a message.
    apart: bool = False


class Session(NamedTuple):
    """The results of the walk through the stages of one server."""

    server: Server
    #: Address that was connected, empty if none was.
    address: str
    #: Outcomes of the stages reached, in their order.
    outcomes: tuple[StageOutcome, ...]
    extensions: Extensions = NO_EXTENSIONS
    #: Seconds from the start of the session to the last reply before QUIT.
    seconds: float = 0.0
    transcript: tuple[TranscriptLine, ...] = ()
    #: ``None`` without TLS.
    security: Optional[Security] = None
    #: Addresses that could not be connected, each with the reason, before one could.
    failed_addresses: tuple[tuple[str, Fault], ...] = ()
    #: Addresses that had not answered when another one was connected.
    silent_addresses: tuple[str, ...] = ()
    #: All recipients of the message that were asked for, if there are several.
    recipients: tuple[Asked, ...] = ()
    #: Further senders, as far as the session came to them.
    senders: tuple[Asked, ...] = ()
    #: The recipients that must be refused, as far as the session came to them.
    refusals: tuple[Asked, ...] = ()
    #: Other sessions with the same server, none of which sent a message.
    beside: tuple[Session, ...] = ()

    def outcome(self, stage: Stage) -> Optional[StageOutcome]:
        """The outcome of ``stage``, or ``None`` if it was not reached."""
        return next((outcome for outcome in self.outcomes if outcome.stage is stage), None)

    @property
    def greeted(self) -> bool:
        """Whether the server accepted the connection, so that no other one is tried."""
        failure = self.failure
        return failure is None or failure.stage not in (Stage.MX, Stage.CONNECT, Stage.BANNER)

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted in it, so that it has no result."""
        failure = self.failure
        return failure is not None and failure.cause is Cause.INTERRUPTED

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test, or ``None``.

        QUIT never does, nor does RCPT if another recipient was accepted.
        """
        for each in self.outcomes:
            if each.verdict is Verdict.PASSED or each.stage is Stage.QUIT:
                continue
            if each.stage is Stage.RCPT and goes_on(self.recipients):
                continue
            return each
        return None


def goes_on(recipients: tuple[Asked, ...]) -> bool:
    """Whether the message goes to some of ``recipients``, and the server still listens."""
    replies = [each.outcome.reply for each in recipients]
    if any(reply is None or reply.code == CLOSING for reply in replies):
        return False
    return any(each.outcome.passed for each in recipients)


def one_too_many(recipients: tuple[Asked, ...]) -> tuple[Asked, ...]:
    """Those of ``recipients`` that may be accepted in a transaction of their own."""
    first = next((at for at, each in enumerate(recipients) if each.outcome.passed), len(recipients))
    return tuple(
        each
        for each in recipients[first:]
        if each.outcome.reply is not None and each.outcome.reply.code == TOO_MANY
    )


class Connect(NamedTuple):
    """Open a TCP connection to the first of ``addresses`` that answers."""

    addresses: tuple[str, ...]
    port: int
    #: Local address to bind to, empty for any.
    source_address: str = ""
    patience: Optional[float] = None


class Connected(NamedTuple):
    """The answer to :class:`Connect`."""

    seconds: float
    fault: Optional[Fault] = None
    #: The server's address and this host's.
    addresses: tuple[str, ...] = ()
    #: Addresses that were tried before and failed, each with the reason.
    failed: tuple[tuple[str, Fault], ...] = ()
    #: Addresses that were tried and had not answered yet.
    silent: tuple[str, ...] = ()
    left: float = FOREVER


class Command(NamedTuple):
    """Send ``data`` (nothing for the banner) in one flight and give back the next reply.

    It fails if bytes of the server are waiting already: a reply that came unasked is never the
    answer to the next command.
    """

    data: bytes
    patience: Optional[float] = None
    #: Send even if the server has spoken out of turn or the time is up: for QUIT.
    farewell: bool = False


class Replied(NamedTuple):
    """The answer to :class:`Command`: a reply or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    reply: Optional[Reply] = None
    left: float = FOREVER


class Close(NamedTuple):
    """Close the connection, without QUIT."""


class Clock(NamedTuple):
    """Tell the time."""


class Time(NamedTuple):
    """The answer to :class:`Clock`, and to requests that can't fail, such as :class:`Close`."""

    seconds: float = 0.0
    left: float = FOREVER
    #: Seconds of all answers that the conversation has had.
    waited: float = 0.0


def time() -> Generator[Clock, Time, Time]:
    """The time now, for ``yield from``."""
    return (yield Clock())

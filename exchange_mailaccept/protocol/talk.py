"""Commands and replies in turn, and the outcome of each stage that they belong to.

:class:`Talk` knows nothing of the order of the stages, which is ``dialogue``'s.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, Enum
from ..vocabulary import Cause, Stage, Verdict
from .conversation import EXPECTED, Command, Fault, StageOutcome, TranscriptLine

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import NoReturn, Optional

    from .conversation import Replied
    from .reply import Reply

    _Asking = Generator[Command, Replied, Replied]


class StoppedError(Exception):
    """A stage did not pass, and what depends on it is not tried."""


class State(Enum):
    """What the client may say next."""

    #: Nothing, until the greeting has come or the wait for it is over (RFC 5321 4.3.1).
    UNGREETED = "ungreeted"
    #: A command.
    READY = "ready"
    #: Nothing: the server would take it for a part of the message or of a handshake.
    MUTE = "mute"
    #: Nothing more, because QUIT was sent with the message.
    QUIT_SENT = "quit sent"


class Talk:
    """A conversation in progress: what was said, how long it took, and what came of each stage."""

    def __init__(self, turn: Optional[float], keeps_transcript: bool) -> None:
        #: Seconds that the whole conversation may take; ``None`` for as long as the run lasts.
        self._turn = turn
        self._keeps_transcript = keeps_transcript
        self._transcript: list[TranscriptLine] = []
        #: Seconds of all answers so far.
        self._seconds = 0.0
        self._state = State.UNGREETED
        self._outcomes: list[StageOutcome] = []

    def _ask(self, line: str, shown: str = "") -> _Asking:
        """Send one line, and receive the reply.

        :param shown: the line as the transcript shows it
        """
        data = line.encode("utf-8") + b"\r\n"
        return self._send(Command(data, self._left()), shown or line)

    def _left(self) -> Optional[float]:
        """Seconds until the turn is over; ``None`` if it lasts as long as the run."""
        return None if self._turn is None else max(0.0, self._turn - self._seconds)

    def _send(self, command: Command, shown: str) -> _Asking:
        if shown:
            self._note("C", shown)
        answer = yield command
        self._seconds += answer.seconds
        if answer.reply is not None and self._keeps_transcript:
            *first, last = answer.reply.lines
            for line in first:
                self._note("S", f"{answer.reply.code}-{line}")
            self._note("S", f"{answer.reply.code} {last}")
        if answer.fault is not None:
            self._note("~", f"{answer.fault.verdict.value}: {answer.fault.explanation}")
        return answer

    def _note(self, speaker: str, text: str) -> None:
        if not self._keeps_transcript:
            return
        self._transcript.append(TranscriptLine(self._seconds, speaker, text))

    def _judge(
        self, stage: Stage, answer: Replied, explanation: str = "", cause: Optional[Cause] = None
    ) -> Reply:
        """Record the outcome of a stage, and return its reply if it passed."""
        begun = self._seconds - answer.seconds
        reply = self._expect(stage, answer, begun, explanation=explanation)
        self._pass(stage, answer.seconds, reply, explanation, cause)
        return reply

    def _expect(
        self,
        stage: Stage,
        answer: Replied,
        begun: float,
        expected: tuple[int, ...] = (),
        explanation: str = "",
    ) -> Reply:
        """Return the reply if its code is one of ``expected``; otherwise the stage has failed.

        :param begun: seconds of all answers before the stage
        :param expected: codes, if they are not those that pass the stage
        """
        seconds = self._seconds - begun
        reply = answer.reply
        if reply is None:
            # An answer has a reply or a fault; without either the stage must not pass.
            self._fail(stage, seconds, answer.fault or Fault(Cause.NETWORK, "no reply"))
        outcome = StageOutcome.answered(stage, reply, seconds, expected, explanation)
        if not outcome.passed:
            self._stop(outcome)
        return reply

    def _pass(
        self,
        stage: Stage,
        seconds: float,
        reply: Optional[Reply] = None,
        explanation: str = "",
        cause: Optional[Cause] = None,
    ) -> None:
        self._outcomes.append(
            StageOutcome(stage, Verdict.PASSED, seconds, reply, explanation, cause)
        )

    def _miss(self, stage: Stage, explanation: str) -> NoReturn:
        self._stop(StageOutcome.failed(stage, Fault(Cause.NOT_OFFERED, explanation), 0.0))

    def _fail(self, stage: Stage, seconds: float, fault: Fault) -> NoReturn:
        self._stop(StageOutcome.failed(stage, fault, seconds))

    def _stop(self, outcome: StageOutcome) -> NoReturn:
        self._outcomes.append(outcome)
        raise StoppedError

    def _reset(self) -> Generator[Command, Replied, None]:
        """End a transaction."""
        answer = yield from self._exchange_quietly(b"RSET\r\n", "RSET")
        self._check_step("RSET", answer)

    def _check_step(self, command: str, answer: Replied) -> None:
        """Let the last stage fail if the ``answer`` shows that the replies are out of step."""
        last = self._outcomes[-1]
        # After a 354 the replies were in step, because it answers only DATA.
        refused = last.stage is Stage.DATA and last.reply is not None and not last.passed
        if last.stage is Stage.MESSAGE or not (last.passed or refused):
            return
        from . import out_of_step

        proof = out_of_step.proof(command, answer, refused)
        if proof and refused:
            proof = f"{proof}, after '{last.reply}' to DATA"
        if proof:
            failed = StageOutcome.failed(last.stage, out_of_step.fault(proof), last.seconds)
            self._outcomes[-1] = failed

    def _end(self, answer: Replied) -> None:
        """Record how QUIT was answered."""
        reply, fault = answer.reply, answer.fault
        if reply is not None:
            verdict = Verdict.PASSED if reply.code in EXPECTED[Stage.QUIT] else Verdict.BROKEN
            self._outcomes.append(StageOutcome(Stage.QUIT, verdict, answer.seconds, reply))
        elif fault is not None:
            self._outcomes.append(StageOutcome.failed(Stage.QUIT, fault, answer.seconds))

    def _exchange_quietly(self, data: bytes, shown: str) -> _Asking:
        """Send ``data`` and receive a reply that no stage depends on."""
        answer = yield from self._send(Command(data, self._left(), farewell=True), shown)
        # If that reply does not come, the next one would not belong to QUIT.
        self._state = State.MUTE if answer.reply is None else State.READY
        return answer

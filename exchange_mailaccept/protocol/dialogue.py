"""The mail acceptance dialogue, stage by stage, without a socket (RFC 5321 3.1 to 3.9, 4.3.2).

:func:`walk` is a generator: it yields requests, and is sent the answer to each.  Each reply is
judged at its own stage.  If a stage does not pass, nothing is sent that depends on it.  Commands
that are judged are not pipelined: replies that arrive together can't be timed separately, and
Exchange's tarpit holds back the earlier ones.  QUIT is not judged, and is sent with the message if
PIPELINING is offered.
"""

from __future__ import annotations

from ..names import address_literal
from ..record import TYPE_CHECKING, Enum
from ..vocabulary import Cause, Stage, Tls, Verdict
from .conversation import (
    CLOSING,
    EXPECTED,
    Asked,
    Close,
    Command,
    Connect,
    Fault,
    Server,
    Session,
    StageOutcome,
    TranscriptLine,
    goes_on,
    one_too_many,
)
from .message import (
    compose,
    data_stream,
    mail_command,
    rcpt_command,
)
from .reply import (
    NO_EXTENSIONS,
    UNKNOWN_COMMAND,
    Reply,
    lists_keywords,
    parse_extensions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, NoReturn, Optional

    from .conversation import Connected, Replied
    from .further_requests import Answer, Race, Request, Secured, StartTls
    from .message import Plan
    from .security import Security

    Conversation = Generator[Request, Answer, Session]
    _Asking = Generator[Command, Replied, Replied]
    _Step = Callable[[], Generator[Request, Any, None]]

#: The stages of a transaction (RFC 5321 3.3).
_TRANSACTION = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
#: Why a handshake fails that would succeed without verification.
OF_THE_CERTIFICATE = (Cause.CERTIFICATE, Cause.CHAIN, Cause.WEAK_CERTIFICATE)


class _StoppedError(Exception):
    """A stage did not pass, and what depends on it is not tried."""


class _UntrustedError(Exception):
    """The certificate failed verification, which does not end the test; ``str()`` says why."""


class _State(Enum):
    """What the client may say next."""

    #: Nothing, until the greeting has come or the wait for it is over (RFC 5321 4.3.1).
    UNGREETED = "ungreeted"
    #: A command.
    READY = "ready"
    #: Nothing: the server would take it for a part of the message or of a handshake.
    MUTE = "mute"
    #: Nothing more, because QUIT was sent with the message.
    QUIT_SENT = "quit sent"


def walk(
    plan: Plan,
    server: Server,
    turn: Optional[float] = None,
    race: Optional[Race] = None,
    message: Optional[Race] = None,
) -> Conversation:
    """Test ``server`` as far as ``plan`` says.

    :param turn: seconds that the whole walk may take, if others wait for its end; ``None`` for as
        long as the run lasts
    :param race: with other servers; a server that does not greet first is left after its greeting
    :param message: with other sessions of the same server; only the first that comes to RCPT goes
        on after it
    """
    return _Walk(plan, server, turn, race, message).run()


class _Walk:
    """One walk in progress."""

    def __init__(
        self,
        plan: Plan,
        server: Server,
        turn: Optional[float],
        race: Optional[Race],
        message: Optional[Race],
    ) -> None:
        self._plan = plan
        self._server = server
        self._turn = turn
        self._race = race
        self._one_message = message
        #: Whether this session may go on after RCPT.
        self._leads = message is None
        #: Addresses to try.
        self._addresses = server.addresses
        #: The address that is connected.
        self._address = ""
        self._failed_addresses: tuple[tuple[str, Fault], ...] = ()
        #: Addresses that had not answered when another one was connected.
        self._silent: tuple[str, ...] = ()
        self._ehlo_name = plan.ehlo_name
        self._outcomes: list[StageOutcome] = []
        self._extensions = NO_EXTENSIONS
        #: The keywords offered before TLS.
        self._offered_in_plain = NO_EXTENSIONS
        self._security: Optional[Security] = None
        #: Why the certificate failed verification, if it did and the test goes on.
        self._untrusted = ""
        self._transcript: list[TranscriptLine] = []
        #: Seconds of all answers so far.
        self._seconds = 0.0
        self._state = _State.UNGREETED
        #: Whether other transactions came after the test.
        self._went_on = False
        self._recipients: tuple[Asked, ...] = ()
        self._senders: tuple[Asked, ...] = ()
        self._refusals: tuple[Asked, ...] = ()

    def run(self) -> Conversation:
        """Walk, quit, and return the session, in which all secrets are masked."""
        try:  # noqa: SIM105 contextlib takes long to import
            yield from self._stages_with_any_certificate()
        except _StoppedError:
            # The last outcome says what stopped it.
            pass
        # What comes after the test is not part of its time.
        seconds = self._seconds
        if self._has_more:
            yield from self._go_on()
        yield from self._quit()
        session = Session(
            self._server,
            self._address,
            tuple(self._outcomes),
            self._extensions,
            seconds,
            tuple(self._transcript),
            self._security,
            self._failed_addresses,
            self._silent,
            self._recipients,
            self._senders,
            self._refusals,
        )
        credentials = self._plan.credentials
        # Not where replies come in, because a challenge can look like a part of a secret.
        return session.masked(credentials.mask) if credentials else session

    def _stages_with_any_certificate(self) -> Generator[Request, Answer, None]:
        """Walk, and connect once more if verification of the certificate fails but need not pass.

        A failed handshake can't be resumed, and a handshake without verification does not say what
        verification would find.  Only EHLO and STARTTLS were sent before.
        """
        try:
            yield from self._stages()
        except _UntrustedError as error:
            yield Close()
            self._note("~", "connecting once more, without verification")
            self._untrusted = str(error)
            # The server may have other addresses, with other certificates.
            self._addresses, self._address = (self._address,), ""
            self._outcomes.clear()
            self._extensions = NO_EXTENSIONS
            self._state = _State.UNGREETED
            if self._turn is not None:
                self._turn -= self._seconds
            self._seconds = 0.0
            yield from self._stages()

    def _stages(self) -> Generator[Request, Answer, None]:
        """Walk stage by stage, to the end of the plan."""
        plan = self._plan
        opening: list[tuple[Stage, _Step]] = [
            (Stage.CONNECT, self._connect),
            (Stage.BANNER, self._banner),
            (Stage.EHLO, self._hello),
            (Stage.STARTTLS, self._starttls),
        ]
        if plan.tls is Tls.IMPLICIT:
            opening.remove((Stage.STARTTLS, self._starttls))
            opening.insert(1, (Stage.STARTTLS, self._tls_first))
        transaction: list[tuple[Stage, _Step]] = [
            (Stage.AUTH, self._auth),
            (Stage.MAIL, self._mail),
            (Stage.RCPT, self._rcpt),
            (Stage.DATA, self._data),
            (Stage.MESSAGE, self._message),
        ]
        for stage, step in opening + transaction:
            yield from step()
            if stage is Stage.RCPT and self._one_message is not None:
                self._leads = self._one_message.wins(self._server)
            if stage is plan.until or (stage is Stage.RCPT and not self._leads):
                break

    def _connect(self) -> Generator[Connect, Connected, None]:
        server = self._server
        answer = yield Connect(
            self._addresses, server.port, self._plan.source_address, self._left()
        )
        self._seconds += answer.seconds
        if answer.fault is not None:
            self._fail(Stage.CONNECT, answer.seconds, answer.fault)
        self._address, own_address = answer.addresses
        self._failed_addresses += answer.failed
        self._silent += answer.silent
        if self._race is not None:
            self._race.connect(server)
        if self._plan.tls is Tls.IMPLICIT:
            self._state = _State.MUTE
        self._ehlo_name = self._plan.ehlo_name or address_literal(own_address)
        self._note("~", f"connected to {self._address} port {server.port}")
        self._pass(Stage.CONNECT, answer.seconds)

    def _tls_first(self) -> Generator[Request, Answer, None]:
        begun = self._seconds
        yield from self._handshake(begun)
        self._state = _State.UNGREETED
        self._pass_starttls(begun)

    def _banner(self) -> Generator[Command, Replied, None]:
        answer = yield from self._send(Command(b"", self._left()), "")
        self._state = _State.READY
        self._judge(Stage.BANNER, answer)
        if self._race is not None and not self._race.wins(self._server):
            raise _StoppedError

    def _hello(self) -> Generator[Command, Replied, None]:
        name = self._ehlo_name
        answer = yield from self._ask(f"EHLO {name}")
        refusal = _refusal_of_ehlo(answer)
        if not refusal:
            self._extensions = parse_extensions(self._judge(Stage.EHLO, answer))
            return
        seconds = answer.seconds
        answer = yield from self._ask(f"HELO {name}")
        if answer.reply is not None and lists_keywords(answer.reply):
            from . import out_of_step

            words = f"HELO was answered with the keywords of EHLO, after '{refusal}'"
            self._fail(Stage.EHLO, seconds + answer.seconds, out_of_step.fault(words))
        self._judge(
            Stage.EHLO,
            answer._replace(seconds=seconds + answer.seconds),
            f"EHLO was refused ({refusal}), HELO was tried",
            Cause.HELO_ONLY,
        )

    def _starttls(self) -> Generator[Request, Answer, None]:
        """STARTTLS, the handshake and the EHLO after it (RFC 3207)."""
        plan = self._plan
        offered = self._extensions.offers("STARTTLS")
        if plan.tls is Tls.NEVER or (plan.tls is Tls.IF_OFFERED and not offered):
            return
        if not offered:
            self._miss(Stage.STARTTLS, "does not offer STARTTLS")
        begun = self._seconds
        self._expect(Stage.STARTTLS, (yield from self._ask("STARTTLS")), begun)
        yield from self._handshake(begun)
        self._state = _State.READY
        answer = yield from self._ask(f"EHLO {self._ehlo_name}")
        try:
            reply = self._expect(Stage.STARTTLS, answer, begun, EXPECTED[Stage.EHLO])
        except _StoppedError:
            self._outcomes[-1] = self._outcomes[-1]._replace(second_ehlo=True)
            raise
        # RFC 3207 4.2: what was offered without TLS is discarded, because anybody may have sent it.
        self._offered_in_plain = self._extensions
        self._extensions = parse_extensions(reply)
        self._pass_starttls(begun, reply)

    def _handshake(self, begun: float) -> Generator[StartTls, Secured, None]:
        from .further_requests import StartTls

        self._state = _State.MUTE
        name = self._plan.tls_name or self._server.name
        answer = yield StartTls(name, self._left(), verify=not self._untrusted)
        self._seconds += answer.seconds
        fault = answer.fault
        if fault is not None:
            self._note("~", f"{fault.verdict.value}: {fault.explanation}")
            if fault.cause in OF_THE_CERTIFICATE and not self._plan.verify:
                raise _UntrustedError(fault.explanation)
            self._fail(Stage.STARTTLS, self._seconds - begun, fault)
        self._security = answer.security and answer.security._replace(untrusted=self._untrusted)

    def _pass_starttls(self, begun: float, reply: Optional[Reply] = None) -> None:
        agreed = self._security
        words = f"{agreed.protocol} {agreed.cipher}" if agreed else ""
        self._note("~", words)
        self._pass(Stage.STARTTLS, self._seconds - begun, reply, words)

    def _auth(self) -> Generator[Request, Answer, None]:
        credentials = self._plan.credentials
        if credentials is None:
            return
        from .auth import authenticate

        offers = (self._extensions, self._offered_in_plain)
        secured = self._security is not None
        outcome = yield from authenticate(credentials, secured, *offers, self._ask)
        self._outcomes.append(outcome)
        if not outcome.passed:
            raise _StoppedError

    def _mail(self) -> Generator[Command, Replied, None]:
        envelope = self._plan.envelope
        if envelope.needs_smtputf8 and not self._extensions.offers("SMTPUTF8"):
            self._miss(Stage.MAIL, "does not offer SMTPUTF8, which the address needs")
        self._judge(Stage.MAIL, (yield from self._ask(mail_command(envelope))))

    def _rcpt(self) -> Generator[Command, Replied, None]:
        envelope = self._plan.envelope
        if not envelope.others:
            command = rcpt_command(envelope, self._extensions)
            self._judge(Stage.RCPT, (yield from self._ask(command)))
            return
        from .further_transactions import ask_for_all

        self._recipients = yield from ask_for_all(envelope, self._extensions, self._ask)
        first, last = self._recipients[0].outcome, self._recipients[-1].outcome
        lost = last.reply is None or last.reply.code == CLOSING
        self._outcomes.append(last if lost else first)
        if not goes_on(self._recipients):
            raise _StoppedError

    def _data(self) -> Generator[Command, Replied, None]:
        self._judge(Stage.DATA, (yield from self._ask("DATA")))
        self._state = _State.MUTE

    def _message(self) -> Generator[Command, Replied, None]:
        plan = self._plan
        message = compose(plan.envelope, plan.content, plan.message_id, plan.now)
        if plan.transcript:
            for line in message.decode("utf-8").split("\r\n")[:-1]:
                self._note("C", line)
        flight = data_stream(message)
        # RFC 2920 3.1: the next command may follow the message at once.  With QUIT that saves a
        # round trip and falsifies no time but its own.
        afterwards = _State.READY
        if self._extensions.offers("PIPELINING") and not self._has_more:
            flight += b"QUIT\r\n"
            afterwards = _State.QUIT_SENT
        answer = yield from self._send(Command(flight, self._left()), ".")
        if answer.reply is not None:
            self._state = afterwards
        self._judge(Stage.MESSAGE, answer)

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
        if answer.reply is not None and self._plan.transcript:
            *first, last = answer.reply.lines
            for line in first:
                self._note("S", f"{answer.reply.code}-{line}")
            self._note("S", f"{answer.reply.code} {last}")
        if answer.fault is not None:
            self._note("~", f"{answer.fault.verdict.value}: {answer.fault.explanation}")
        return answer

    def _note(self, speaker: str, text: str) -> None:
        if not self._plan.transcript:
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
        raise _StoppedError

    @property
    def _has_more(self) -> bool:
        """Whether other transactions come after the test."""
        plan = self._plan
        return self._leads and bool(plan.senders or plan.refuse or one_too_many(self._recipients))

    def _go_on(self) -> Generator[Command, Replied, None]:
        """Go on with other transactions, if the test came to MAIL and the server still listens."""
        last = self._outcomes[-1]
        if last.stage not in _TRANSACTION or last.reply is None or last.reply.code == CLOSING:
            return
        if self._state is not _State.READY:
            return
        self._went_on = True
        if last.stage in (Stage.RCPT, Stage.DATA):
            yield from self._reset()
        if self._state is not _State.READY or self._outcomes[-1] is not last:
            return
        from .further_transactions import after_the_test

        self._recipients, self._senders, self._refusals = yield from after_the_test(
            self._plan, self._recipients, self._extensions, self._ask
        )

    def _reset(self) -> Generator[Command, Replied, None]:
        """End a transaction."""
        answer = yield from self._exchange_quietly(b"RSET\r\n", "RSET")
        self._check_step("RSET", answer)

    def _quit(self) -> Generator[Request, Answer, None]:
        """Quit if possible; neither slowness nor failure changes the result."""
        if not self._address:
            return
        last = self._outcomes[-1]
        if self._state is _State.UNGREETED:
            # The plan ends before the greeting.
            yield from self._exchange_quietly(b"", "")
        if last.passed and last.stage in (Stage.MAIL, Stage.RCPT) and not self._went_on:
            # The plan ends in a transaction, which would end with the session anyway.
            yield from self._reset()
        if self._state is _State.MUTE:
            # A server discards a message that is unfinished when the connection ends (RFC 5321
            # 4.1.1.4).
            yield Close()
        else:
            flight = b"" if self._state is _State.QUIT_SENT else b"QUIT\r\n"
            answer = yield from self._send(Command(flight, self._left(), farewell=True), "QUIT")
            # After other transactions, a reply may come late to one that was given up.
            if not self._went_on:
                self._check_step("QUIT", answer)
            self._end(answer)

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
        self._state = _State.MUTE if answer.reply is None else _State.READY
        return answer


def _refusal_of_ehlo(answer: Replied) -> str:
    """The reply to EHLO if the server may know only HELO; empty if it knows EHLO."""
    reply, fault = answer.reply, answer.fault
    if reply is not None:
        return str(reply) if reply.code in UNKNOWN_COMMAND else ""
    return "OK" if fault is not None and fault.cause is Cause.BARE_OK else ""

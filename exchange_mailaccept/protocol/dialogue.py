"""The mail acceptance dialogue, stage by stage, without a socket (RFC 5321 3.1 to 3.9, 4.3.2).

:func:`walk` is a generator: it yields requests, and is sent the answer to each.  Each reply is
judged at its own stage.  If a stage does not pass, nothing is sent that depends on it.  Commands
that are judged are not pipelined: replies that arrive together can't be timed separately, and
Exchange's tarpit holds back the earlier ones.  QUIT is not judged, and is sent with the message if
PIPELINING is offered.
"""

from __future__ import annotations

from ..names import address_literal
from ..record import TYPE_CHECKING
from ..vocabulary import Cause, Stage, Tls
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
    goes_on,
    one_too_many,
)
from .message import compose, data_stream, mail_command, rcpt_command
from .reply import NO_EXTENSIONS, UNKNOWN_COMMAND, Reply, lists_keywords, parse_extensions
from .talk import State, StoppedError, Talk

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Optional

    from .conversation import Connected, Replied
    from .further_requests import Answer, Race, Request, Secured, StartTls
    from .message import Plan
    from .security import Security

    Conversation = Generator[Request, Answer, Session]
    _Step = Callable[[], Generator[Request, Any, None]]

#: The stages of a transaction (RFC 5321 3.3).
_TRANSACTION = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
#: Why a handshake fails that would succeed without verification.
OF_THE_CERTIFICATE = (Cause.CERTIFICATE, Cause.CHAIN, Cause.WEAK_CERTIFICATE)


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


class _Walk(Talk):
    """One walk in progress."""

    def __init__(
        self,
        plan: Plan,
        server: Server,
        turn: Optional[float],
        race: Optional[Race],
        message: Optional[Race],
    ) -> None:
        super().__init__(turn, plan.transcript)
        self._plan = plan
        self._server = server
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
        self._extensions = NO_EXTENSIONS
        #: The keywords offered before TLS.
        self._offered_in_plain = NO_EXTENSIONS
        self._security: Optional[Security] = None
        #: Why the certificate failed verification, if it did and the test goes on.
        self._untrusted = ""
        #: Whether other transactions came after the test.
        self._went_on = False
        self._recipients: tuple[Asked, ...] = ()
        self._senders: tuple[Asked, ...] = ()
        self._refusals: tuple[Asked, ...] = ()

    def run(self) -> Conversation:
        """Walk, quit, and return the session, in which all secrets are masked."""
        try:  # noqa: SIM105 contextlib takes long to import
            yield from self._stages_with_any_certificate()
        except StoppedError:
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
        return credentials.masked(session) if credentials else session

    def _stages_with_any_certificate(self) -> Generator[Request, Answer, None]:
        """Walk, and connect once more if verification of the certificate fails but need not pass.

        A failed handshake can't be resumed, and a handshake without verification does not say what
        verification would find.  Only EHLO and STARTTLS were sent before.
        """
        try:
            yield from self._stages()
        except StoppedError:
            if not self._untrusted:
                raise
            yield Close()
            self._note("~", "connecting once more, without verification")
            # The server may have other addresses, with other certificates.
            self._addresses, self._address = (self._address,), ""
            self._outcomes.clear()
            self._extensions = NO_EXTENSIONS
            self._state = State.UNGREETED
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
            self._state = State.MUTE
        self._ehlo_name = self._plan.ehlo_name or address_literal(own_address)
        self._note("~", f"connected to {self._address} port {server.port}")
        self._pass(Stage.CONNECT, answer.seconds)

    def _tls_first(self) -> Generator[Request, Answer, None]:
        begun = self._seconds
        yield from self._handshake(begun)
        self._state = State.UNGREETED
        self._pass_starttls(begun)

    def _banner(self) -> Generator[Command, Replied, None]:
        answer = yield from self._send(Command(b"", self._left()), "")
        self._state = State.READY
        self._judge(Stage.BANNER, answer)
        if self._race is not None and not self._race.wins(self._server):
            raise StoppedError

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
        self._state = State.READY
        answer = yield from self._ask(f"EHLO {self._ehlo_name}")
        try:
            reply = self._expect(Stage.STARTTLS, answer, begun, EXPECTED[Stage.EHLO])
        except StoppedError:
            self._outcomes[-1] = self._outcomes[-1]._replace(second_ehlo=True)
            raise
        # RFC 3207 4.2: what was offered without TLS is discarded, because anybody may have sent it.
        self._offered_in_plain = self._extensions
        self._extensions = parse_extensions(reply)
        self._pass_starttls(begun, reply)

    def _handshake(self, begun: float) -> Generator[StartTls, Secured, None]:
        from .further_requests import StartTls

        self._state = State.MUTE
        name = self._plan.tls_name or self._server.name
        answer = yield StartTls(name, self._left(), verify=not self._untrusted)
        self._seconds += answer.seconds
        fault = answer.fault
        if fault is not None:
            self._note("~", f"{fault.verdict.value}: {fault.explanation}")
            if fault.cause in OF_THE_CERTIFICATE and not self._plan.verify:
                self._untrusted = fault.explanation
                raise StoppedError
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
            raise StoppedError

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
            raise StoppedError

    def _data(self) -> Generator[Command, Replied, None]:
        self._judge(Stage.DATA, (yield from self._ask("DATA")))
        self._state = State.MUTE

    def _message(self) -> Generator[Command, Replied, None]:
        plan = self._plan
        message = compose(plan.envelope, plan.content, plan.message_id, plan.now)
        if plan.transcript:
            for line in message.decode("utf-8").split("\r\n")[:-1]:
                self._note("C", line)
        flight = data_stream(message)
        # RFC 2920 3.1: the next command may follow the message at once.  With QUIT that saves a
        # round trip and falsifies no time but its own.
        afterwards = State.READY
        if self._extensions.offers("PIPELINING") and not self._has_more:
            flight += b"QUIT\r\n"
            afterwards = State.QUIT_SENT
        answer = yield from self._send(Command(flight, self._left()), ".")
        if answer.reply is not None:
            self._state = afterwards
        self._judge(Stage.MESSAGE, answer)

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
        if self._state is not State.READY:
            return
        self._went_on = True
        if last.stage in (Stage.RCPT, Stage.DATA):
            yield from self._reset()
        if self._state is not State.READY or self._outcomes[-1] is not last:
            return
        from .further_transactions import after_the_test

        self._recipients, self._senders, self._refusals = yield from after_the_test(
            self._plan, self._recipients, self._extensions, self._ask
        )

    def _quit(self) -> Generator[Request, Answer, None]:
        """Quit if possible; neither slowness nor failure changes the result."""
        if not self._address:
            return
        last = self._outcomes[-1]
        if self._state is State.UNGREETED:
            # The plan ends before the greeting.
            yield from self._exchange_quietly(b"", "")
        if last.passed and last.stage in (Stage.MAIL, Stage.RCPT) and not self._went_on:
            # The plan ends in a transaction, which would end with the session anyway.
            yield from self._reset()
        if self._state is State.MUTE:
            # A server discards a message that is unfinished when the connection ends (RFC 5321
            # 4.1.1.4).
            yield Close()
        else:
            flight = b"" if self._state is State.QUIT_SENT else b"QUIT\r\n"
            answer = yield from self._send(Command(flight, self._left(), farewell=True), "QUIT")
            # After other transactions, a reply may come late to one that was given up.
            if not self._went_on:
                self._check_step("QUIT", answer)
            self._end(answer)


def _refusal_of_ehlo(answer: Replied) -> str:
    """The reply to EHLO if the server may know only HELO; empty if it knows EHLO."""
    reply, fault = answer.reply, answer.fault
    if reply is not None:
        return str(reply) if reply.code in UNKNOWN_COMMAND else ""
    return "OK" if fault is not None and fault.cause is Cause.BARE_OK else ""

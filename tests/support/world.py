"""A world of lists, for the conversations of a run: a zone, and what each address says.

Nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from exchange_mailaccept.protocol.conversation import (
    Clock,
    Close,
    Command,
    Connect,
    Connected,
    Fault,
    Replied,
    Target,
    Time,
)
from exchange_mailaccept.protocol.further_requests import (
    Ask,
    Await,
    Begin,
    End,
    Ended,
    Resolve,
    Resolved,
    Responses,
)
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.run.acceptance import Acceptance, accept_mail
from exchange_mailaccept.vocabulary import Cause, Stage

if TYPE_CHECKING:
    from exchange_mailaccept.protocol.further_requests import Request

PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
)
DOMAIN = Target("contoso.com", "", 25, nameservers=(("192.0.2.53", 53),))
RCPT_ONLY = PLAN._replace(until=Stage.RCPT)

REFUSED = Fault(Cause.REFUSED, "connection refused")
SILENT = Fault(Cause.SILENT, "within 5s")
LOST = Fault(Cause.CLOSED, "connection closed by the server")
INTERRUPTED = Fault(Cause.INTERRUPTED, "interrupted by SIGTERM")

GREETS = ["220 ready", "250 Hello"]
ACCEPTS = [*GREETS, "250 OK", "250 OK", "354 Start", "250 Queued", "221 Bye"]

#: Name and type, and the records; None for no answer, an rcode's name for an error.
Zone = Mapping[tuple[str, str], Union[Sequence[str], str, None]]
#: What each address says, reply by reply; what is not there refuses the connection.
Hosts = Mapping[str, Union[Sequence[Any], Fault]]


def zone(*hosts: str, **besides: Any) -> dict[tuple[str, str], Any]:
    """The domain with mail servers of these names, each with an address of its number."""
    records: dict[tuple[str, str], Any] = {
        ("contoso.com.", "MX"): [f"{10 * at} {host}." for at, host in enumerate(hosts, 1)]
    }
    for at, host in enumerate(hosts, 1):
        records[f"{host}.", "A"] = [f"192.0.2.{at}"]
    return {**records, **besides}


TWO = zone("mail1.contoso.com", "mail2.contoso.com")
THREE = zone("mail1.contoso.com", "mail2.contoso.com", "mail3.contoso.com")


class World:
    """Answers all requests of a test, and writes down what was done."""

    def __init__(
        self, records: Zone, hosts: Hosts, seconds: float = 1.0, between: float = 0.0
    ) -> None:
        self._records = records
        self._hosts = hosts
        self._seconds = seconds
        #: Seconds that pass between an answer and the next request.
        self._between = between
        self._left = 0.0
        self._waited = 0.0
        self._interrupted = False
        self._talking: list[Any] = []
        self._address = ""
        #: Conversations that were begun: what each came to, and the seconds until it does.
        self._begun: list[list[Any]] = []
        #: How long each wait for them may last.
        self.patience: list[Optional[float]] = []
        #: Addresses that were connected or tried, in order.
        self.tried: list[str] = []
        #: Address and command.
        self.sent: list[tuple[str, str]] = []
        self.asked: list[str] = []

    def play(self, test: Generator[Request, Any, Any]) -> Any:
        answer: Any = None
        try:
            while True:
                request = test.send(answer)
                answer = self._answer(request)
                if isinstance(answer, Time):
                    continue
                if answer.fault == INTERRUPTED:
                    self._interrupted, self._left = True, 0.0
                else:
                    self._left -= answer.seconds + self._between
                self._waited += answer.seconds
                answer = answer._replace(left=self._left)
        except StopIteration as end:
            return end.value

    def accept(
        self, target: Target = DOMAIN, plan: Plan = PLAN, timeout: float = 60.0
    ) -> Acceptance:
        self._left = timeout
        found: Acceptance = self.play(accept_mail(target, plan))
        return found

    @property
    def messages(self) -> list[str]:
        """Addresses to which the message was sent."""
        return [address for address, command in self.sent if command.startswith("From: ")]

    def _answer(self, request: Request) -> Any:
        if isinstance(request, Ask):
            responses = [self._response(dns.message.from_wire(wire)) for wire in request.messages]
            fault = None if any(responses) else SILENT
            return Responses(0.25, fault, responses=tuple(responses))
        if isinstance(request, Resolve):
            self.asked.append(f"{request.name} of the system")
            found = self._hosts.get(request.name)
            if isinstance(found, Fault) or found is None:
                return Resolved(0.5, found or Fault(Cause.NXDOMAIN, "does not exist"))
            return Resolved(0.5, addresses=tuple(found), canonical_name=request.name)
        if isinstance(request, Connect):
            return self._connect(request)
        if isinstance(request, Clock):
            return Time(0.0, self._left, self._waited)
        if isinstance(request, Close):
            return Time()
        if isinstance(request, Begin):
            self._begin(request)
            return Time()
        if isinstance(request, Await):
            return self._await(request)
        if isinstance(request, End):
            self._begun[request.number][0] = 0.0
            return Time()
        assert isinstance(request, Command)
        if request.data:
            self.sent.append((self._address, request.data.decode().rstrip("\r\n")))
        said = self._talking.pop(0) if self._talking else LOST
        if isinstance(said, Fault):
            return Replied(self._seconds, said)
        code, _, text = said.partition(" ")
        return Replied(self._seconds, reply=Reply(int(code), (text,)))

    def _begin(self, request: Begin) -> None:
        """Play the conversation at once, and keep what it came to until its time is over."""
        left, waited = self._left, self._waited
        result = self.play(request.conversation)
        self._begun.append([self._waited - waited, len(self._begun), result])
        if not self._interrupted:
            self._left = left
        self._waited = waited

    def _await(self, request: Await) -> Ended:
        running = [each for each in self._begun if each[2] is not None]
        seconds, number, result = min(running)
        self.patience.append(request.patience)
        passed = max(0.0, min(seconds, self._left))
        if request.patience is not None and request.patience < passed:
            passed = request.patience
        for each in running:
            each[0] -= passed
        if passed < min(seconds, self._left):
            return Ended(passed, SILENT)
        self._begun[number][2] = None
        return Ended(passed, ended=(number, result))

    def _connect(self, request: Connect) -> Connected:
        self._address = request.addresses[0]
        self.tried += request.addresses
        said = self._hosts.get(self._address, REFUSED)
        if isinstance(said, Fault):
            return Connected(self._seconds, said)
        self._talking = list(said)
        return Connected(self._seconds, addresses=(self._address, "192.0.2.99"))

    def _response(self, query: dns.message.Message) -> Optional[bytes]:
        question = query.question[0]
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{question.name.to_text(True)} {rdtype}")
        records = self._records.get((question.name.to_text(), rdtype), [])
        if records is None:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if isinstance(records, str):
            response.set_rcode(dns.rcode.from_text(records))
        elif records:
            rrset = dns.rrset.from_text_list(question.name, 300, "IN", rdtype, list(records))
            response.answer.append(rrset)
        return response.to_wire(max_size=65_535)

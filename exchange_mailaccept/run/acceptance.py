"""The mail acceptance of one domain: finds its servers, and tests the first that greets.

As a mail transfer agent does (RFC 5321 5.1), it tries the next server only if one can't be reached
or refuses the connection in its greeting.  What happens later is the domain's answer.  After the
final dot a second attempt could deliver the message twice.
"""

from __future__ import annotations

import os

from ..exchange import recognition
from ..names import is_address, is_qualified
from ..protocol.conversation import (
    Asked,
    Fault,
    MailHost,
    Server,
    Session,
    StageOutcome,
    Target,
    time,
)
from ..protocol.dialogue import walk
from ..protocol.message import Plan
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any, Optional, Union

    from ..exchange.diagnosis import Diagnosis
    from ..net.probes import Delivery, Newest
    from ..protocol.further_requests import Answer, Race, Request, Resolve, Resolved
    from ..protocol.security import Certificate, Security
    from .expected_mx import MxSet

#: Maximum time for finding this host's own name, in seconds.
OWN_NAME_PATIENCE = 1.0


class Servers(NamedTuple):
    """The servers of a target, before any of them is tried."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    hosts: tuple[MailHost, ...]
    notes: tuple[str, ...]
    #: The plan, with this host's name for EHLO.
    plan: Plan
    #: What is wrong with the MX, if they were compared with those that the domain should have.
    mx_set: Optional[MxSet] = None


class Located(NamedTuple):
    """A mail host with its addresses, or why it has none."""

    server: Server
    #: The outcome of the stage ``mx``.
    lookup: StageOutcome
    notes: tuple[str, ...] = ()

    @property
    def reached(self) -> Union[Server, Session]:
        """The server, or its failed session if it has no address."""
        return self.server if self.lookup.passed else Session(self.server, "", (self.lookup,))


class Acceptance(NamedTuple):
    """The result of the test of one target."""

    #: Finding the servers; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: A session for each server that was tried, in order.
    sessions: tuple[Session, ...] = ()
    #: All servers, in the order in which a sender tries them.
    hosts: tuple[MailHost, ...] = ()
    #: What was noticed when the servers were looked up, such as aliases.
    notes: tuple[str, ...] = ()
    #: Seconds for which sessions overlapped.
    overlap: float = 0.0
    #: See :class:`ServerSet`.
    mx_set: Optional[MxSet] = None

    @property
    def decisive(self) -> Optional[Session]:
        """The session that decides for the target.

        It is the last one if its server greeted, or if the run was interrupted then; else the one
        that got furthest.
        """
        if len(self.sessions) < 2:
            return self.sessions[0] if self.sessions else None
        last = self.sessions[-1]
        if last.greeted or last.interrupted:
            return last
        return max(self.sessions, key=_furthest)

    @property
    def outcomes(self) -> tuple[StageOutcome, ...]:
        """The outcomes of all stages that were reached, in order."""
        session = self.decisive
        walked = session.outcomes if session else ()
        if self.lookup is None or (walked and walked[0].stage is Stage.MX):
            return walked
        return (self.lookup, *walked)

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test; ``None`` if the test was completed."""
        if self.lookup is not None and not self.lookup.passed:
            return self.lookup
        session = self.decisive
        return session.failure if session else None

    @property
    def passed_over(self) -> tuple[Session, ...]:
        """Sessions of servers that failed before the decisive one."""
        decisive = self.decisive
        return tuple(session for session in self.sessions if session is not decisive)

    @property
    def seconds(self) -> float:
        """Seconds from the start of the test to the last reply before QUIT."""
        lookup = self.lookup.seconds if self.lookup else 0.0
        return lookup + sum(session.seconds for session in self.sessions) - self.overlap


class Member(NamedTuple):
    """One server of the set, and the result of its test."""

    #: Unique in the set, for perfdata; empty for a single server.
    label: str
    acceptance: Acceptance
    #: Whether no other server has a better MX preference.
    primary: bool = True

    @property
    def accepts(self) -> bool:
        """Whether its test was completed."""
        return self.acceptance.failure is None


class ServerSet(NamedTuple):
    """The results of the tests of all servers."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: Sorted by preference and name, so that labels stay the same from run to run.
    members: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    #: Seconds from the start of the run to the end of its last walk.
    seconds: float = 0.0
    #: What is wrong with the MX, if they were compared with those that the domain should have.
    mx_set: Optional[MxSet] = None
    #: What the domain publishes about TLS (see ``policies``), if it was looked up.
    published: tuple[Any, ...] = ()
    #: Seconds of looking up MX and addresses.
    looking: float = 0.0
    #: What their probes' mailbox has shown; ``None`` if nobody looked.
    delivery: Optional[Delivery] = None


def _furthest(session: Session) -> tuple[bool, int]:
    """How far the test of a server got, as a value to compare."""
    failure = session.failure
    tested = failure is None or failure.verdict is not Verdict.UNTESTED
    return tested, len(session.outcomes)


def find_servers(target: Target, plan: Plan) -> Generator[Request, Answer, Servers]:
    """Find the servers of ``target``, in the order in which a sender would try them."""
    if not plan.ehlo_name:
        plan = plan._replace(ehlo_name=(yield from _find_ehlo_name()))
    if target.host:
        return Servers(None, (MailHost(None, target.host),), (), plan)
    from . import look_up

    begun = yield from time()
    found, mx_set = yield from look_up.mail_hosts(target)
    ended = yield from time()
    seconds = ended.waited - begun.waited
    if isinstance(found, Fault):
        return Servers(StageOutcome.failed(Stage.MX, found, seconds), (), (), plan)
    lookup = StageOutcome(Stage.MX, Verdict.PASSED, seconds)
    return Servers(lookup, found.hosts, found.notes, plan, mx_set)


def find_addresses(host: MailHost, target: Target) -> Generator[Request, Answer, Located]:
    """Find the addresses of ``host``, one of the servers of ``target``."""
    server = Server(host.name, (), target.port, host.preference)
    # Only the user may name a server by its address; an MX record must not.
    if target.host and is_address(host.name):
        server = server._replace(addresses=(host.name,))
        return Located(server, StageOutcome(Stage.MX, Verdict.PASSED, 0.0))
    from . import look_up

    begun = yield from time()
    found = yield from look_up.addresses(server, target)
    ended = yield from time()
    seconds = ended.waited - begun.waited
    if isinstance(found, Fault):
        return Located(server, StageOutcome.failed(Stage.MX, found, seconds))
    server, notes = found
    return Located(server, StageOutcome(Stage.MX, Verdict.PASSED, seconds), notes)


def _find_ehlo_name() -> Generator[Resolve, Resolved, str]:
    """This host's fully qualified name for EHLO; empty for the address literal."""
    name = os.uname().nodename
    if "." not in name:
        from ..protocol.further_requests import Resolve

        answer = yield Resolve(name, 0, OWN_NAME_PATIENCE)
        name = answer.canonical_name
    return name if is_qualified(name) and not name.startswith("localhost.") else ""


def walk_through(
    plan: Plan, server: Server, turn: Optional[float] = None, race: Optional[Race] = None
) -> Generator[Request, Answer, Session]:
    """Walk through ``server``, and see after a good walk whether silent addresses are dead.

    The parameters are those of :func:`~..protocol.dialogue.walk`.
    """
    session = yield from walk(plan, server, turn, race)
    tested = race is None or race.winner is server
    if not (session.silent_addresses and session.failure is None and tested):
        return session
    from .silent_addresses import look_again

    left = None if turn is None else max(0.0, turn - session.seconds)
    return (yield from look_again(session, plan.source_address, left))


def accept_mail(target: Target, plan: Plan) -> Generator[Request, Answer, Acceptance]:
    """Test ``target``: walk through the first of its servers that greets."""
    found = yield from find_servers(target, plan)
    if found.lookup is not None and not found.lookup.passed:
        return Acceptance(found.lookup)
    search = _Search(found, target)
    if plan.until is Stage.MX:
        yield from search.find_one()
    elif len(found.hosts) == 1:
        yield from search.walk_only_one()
    else:
        yield from search.walk_first_to_greet()
    return search.acceptance()


class _Search:
    """The search for the server that decides for the target."""

    def __init__(self, found: Servers, target: Target) -> None:
        self._found = found
        self._target = target
        #: Seconds of looking up addresses.
        self._looking = 0.0
        #: Seconds for which sessions overlapped.
        self._overlap = 0.0
        self._notes = list(found.notes)
        #: Sessions by the position of their host.
        self._sessions: dict[int, Session] = {}
        #: The position of the decisive session.
        self._decisive: Optional[int] = None

    def acceptance(self) -> Acceptance:
        """The result, with the decisive session last."""
        order = sorted(self._sessions, key=lambda position: (position == self._decisive, position))
        return Acceptance(
            None if is_address(self._target.host) else self._lookup,
            tuple(self._sessions[position] for position in order),
            self._found.hosts,
            tuple(self._notes),
            self._overlap,
            self._found.mx_set,
        )

    @property
    def _lookup(self) -> StageOutcome:
        seconds = self._looking + (self._found.lookup.seconds if self._found.lookup else 0.0)
        return StageOutcome(Stage.MX, Verdict.PASSED, seconds)

    def find_one(self) -> Generator[Request, Answer, None]:
        """Find a server that has an address, which completes the stage ``mx``."""
        for position, host in enumerate(self._found.hosts):
            reached = yield from self._locate(host)
            if isinstance(reached, Session):
                self._sessions[position] = reached
            elif self._sessions:
                # It is the decisive one, and those before it were passed over.
                self._sessions[position] = Session(reached, "", (self._lookup,))
                self._decisive = position
            if isinstance(reached, Server) or (yield from time()).left <= 0:
                return

    def walk_only_one(self) -> Generator[Request, Answer, None]:
        """Walk through the only server, whose connection may have been begun already."""
        reached = yield from self._locate(self._found.hosts[0])
        self._decisive = 0
        if isinstance(reached, Server):
            reached = yield from self._walk(reached)
        self._sessions[0] = reached

    def _walk(self, server: Server) -> Generator[Request, Answer, Session]:
        plan = self._found.plan
        if plan.connections == 1:
            return (yield from walk_through(plan, server))
        from .nodes import meet

        (session,) = yield from meet(plan, [server])
        return session

    def walk_first_to_greet(self) -> Generator[Request, Answer, None]:
        """Begin one server after another until one greets, and walk through that one."""
        from .first_to_greet import FirstToGreet

        search = FirstToGreet(self._found.hosts, self._found.plan, self._locate, walk_through)
        yield from search.walk()
        self._notes += search.take_late()
        self._sessions, self._decisive = search.sessions, search.decisive
        self._overlap = search.overlap
        if self._found.plan.connections > 1 and self._decisive is not None:
            session = self._sessions[self._decisive]
            self._sessions[self._decisive] = yield from search.meet_nodes(session)

    def _locate(self, host: MailHost) -> Generator[Request, Answer, Union[Server, Session]]:
        located = yield from find_addresses(host, self._target)
        self._looking += located.lookup.seconds
        self._notes.extend(located.notes)
        return located.reached


class Examined(NamedTuple):
    """The test of a server, and what it means."""

    member: Member
    #: The decisive session.
    session: Optional[Session]
    keywords: recognition.KeywordCheck
    #: Why the test stopped; ``None`` if it was completed.
    diagnosis: Optional[Diagnosis]
    #: Recipients and further senders that were not accepted, each with the reason.
    recipients: tuple[tuple[Asked, Diagnosis], ...] = ()
    senders: tuple[tuple[Asked, Diagnosis], ...] = ()
    #: What has arrived of its probes; ``None`` if nobody could look.
    newest: Optional[Newest] = None

    @property
    def name(self) -> str:
        """The server's name; empty if none was reached."""
        return self.session.server.name if self.session else ""

    @property
    def security(self) -> Optional[Security]:
        """What TLS agreed on, if there was TLS."""
        return self.session.security if self.session else None

    @property
    def certificate(self) -> Optional[Certificate]:
        """The server's certificate, if it could be read."""
        return self.security.certificate if self.security else None

    def outcome(self, stage: Stage) -> Optional[StageOutcome]:
        """How ``stage`` ended, if it was reached."""
        return next(
            (outcome for outcome in self.member.acceptance.outcomes if outcome.stage is stage), None
        )


def examine(member: Member, profile: str, require: Sequence[str]) -> Examined:
    """Compare what a server said with what ``profile`` and ``require`` ask for."""
    session, failure = member.acceptance.decisive, member.acceptance.failure
    keywords = recognition.KeywordCheck()
    if session is not None:
        secured = session.security is not None
        keywords = recognition.check_keywords(profile, tuple(require), session, secured)
    examined = Examined(member, session, keywords, None)
    recipients, senders = (session.recipients, session.senders) if session else ((), ())
    if failure is None and all(each.outcome.passed for each in recipients + senders):
        return examined
    from ..exchange.diagnosis import diagnose

    def why(outcome: StageOutcome) -> Diagnosis:
        return diagnose(outcome, keywords.generation, keywords.gateway)

    def refused(asked: Sequence[Asked]) -> tuple[tuple[Asked, Diagnosis], ...]:
        return tuple(
            (recipient, why(recipient.outcome))
            for recipient in asked
            if not recipient.outcome.passed
        )

    return examined._replace(
        diagnosis=why(failure) if failure is not None else None,
        recipients=refused(recipients),
        senders=refused(senders),
    )

"""The mail acceptance of one domain: find its servers, and walk through the first that answers.

As a mail transfer agent would (RFC 5321 5.1): the next server is tried only while nothing has been
handed over, that is when one can't be reached or refuses its greeting.  Whatever happens later is
the answer of the domain; after the final dot a second try could deliver twice.
"""

from __future__ import annotations

import os

from ..names import is_address, is_qualified
from ..net.resolv_conf import system_nameservers
from ..protocol.dialogue import Plan, walk
from ..protocol.requests import Answer, Resolve
from ..protocol.stages import Fault, MailHost, Server, Session, StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional, TypeVar, Union

    from ..protocol.requests import Request

    _Found = TypeVar("_Found")

#: Seconds that finding this host's own name may take.
OWN_NAME_PATIENCE = 1.0
#: Seconds that each of several servers gets at least to connect and to greet.
LEAST_PATIENCE = 1.0


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


class Acceptance(NamedTuple):
    """What became of the test of one target."""

    #: Finding the servers; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: One session for each server tried, in order.
    sessions: tuple[Session, ...] = ()
    #: The servers that there are, in the order in which a sender tries them.
    hosts: tuple[MailHost, ...] = ()
    #: What is worth saying of the way to the servers: aliases, hosts without an address.
    remarks: tuple[str, ...] = ()

    @property
    def decisive(self) -> Optional[Session]:
        """The session that answers for the target.

        It is the last if that one greeted, or if the run was told to end then; else the furthest.
        """
        if not self.sessions:
            return None
        last = self.sessions[-1]
        if _greeted(last) or _interrupted(last):
            return last
        return max(self.sessions, key=_furthest)

    @property
    def outcomes(self) -> tuple[StageOutcome, ...]:
        """The outcomes of the stages reached, each stage once, in their order."""
        session = self.decisive
        walked = session.outcomes if session else ()
        if self.lookup is None or (walked and walked[0].stage is Stage.MX):
            return walked
        return (self.lookup, *walked)

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test, or ``None`` if it was walked to its end."""
        if self.lookup is not None and not self.lookup.passed:
            return self.lookup
        session = self.decisive
        return session.failure if session else None

    @property
    def passed_over(self) -> tuple[Session, ...]:
        """Sessions of servers that failed before the decisive one was reached."""
        decisive = self.decisive
        return tuple(session for session in self.sessions if session is not decisive)

    @property
    def seconds(self) -> float:
        """Seconds from the start of the test to the last reply before QUIT."""
        lookup = self.lookup.seconds if self.lookup else 0.0
        return lookup + sum(session.seconds for session in self.sessions)


class Member(NamedTuple):
    """One server of the set, and what became of its test."""

    #: Unique in the set, for perfdata; empty if the set is a single server.
    label: str
    acceptance: Acceptance
    #: Whether its MX preference is the best of all.
    primary: bool = True

    @property
    def accepts(self) -> bool:
        """Whether the test was walked to its end."""
        return self.acceptance.failure is None


class ServerSet(NamedTuple):
    """What became of the test of all servers."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: By preference and name, so that graphs stay the same from run to run.
    members: tuple[Member, ...] = ()
    remarks: tuple[str, ...] = ()
    #: Seconds from the start of the run to the end of its last walk.
    seconds: float = 0.0


def accept_mail(target: Target, plan: Plan) -> Generator[Request, Answer, Acceptance]:
    """Test the ``target``; servers that don't answer share the time that the run has left."""
    return _Test(target, plan).run()


class Servers(NamedTuple):
    """The servers of a target, before any of them is tried."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    hosts: tuple[MailHost, ...]
    remarks: tuple[str, ...]
    #: The plan, with our own name for EHLO.
    plan: Plan


def find_servers(target: Target, plan: Plan) -> Generator[Request, Answer, Servers]:
    """Find the servers of ``target``, in the order in which a sender would try them."""
    return _Test(target, plan).find()


def find_addresses(
    host: MailHost, target: Target, plan: Plan
) -> Generator[Request, Answer, Union[Server, Session]]:
    """Find the addresses of ``host``; a session that failed at once if it has none."""
    return _Test(target, plan).server(host)


class _Test:
    """One test in progress."""

    def __init__(self, target: Target, plan: Plan) -> None:
        self._target = target
        self._plan = plan
        self._sessions: list[Session] = []
        self._remarks: list[str] = []
        #: Seconds spent on names.
        self._looking = 0.0
        #: Seconds that the run has left, by the last answer.
        self._left = float("inf")

    def find(self) -> Generator[Request, Answer, Servers]:
        target = self._target
        if not self._plan.ehlo_name:
            yield from self._name_ourselves()
        if target.host:
            return Servers(None, (MailHost(None, target.host),), (), self._plan)
        hosts = yield from self._mail_hosts()
        if isinstance(hosts, Fault):
            return Servers(self._lookup(hosts), (), (), self._plan)
        return Servers(self._lookup(), hosts, tuple(self._remarks), self._plan)

    def run(self) -> Generator[Request, Answer, Acceptance]:
        target = self._target
        lookup, hosts, _, _ = yield from self.find()
        if lookup is not None and not lookup.passed:
            return Acceptance(lookup)
        if self._plan.until is Stage.MX:
            return (yield from self._find_one(hosts))
        for position, host in enumerate(hosts):
            patience = None
            if len(hosts) > 1:
                patience = max(self._left / (len(hosts) - position), LEAST_PATIENCE)
            session = yield from self._try(host, patience)
            self._sessions.append(session)
            if _greeted(session) or self._left <= 0:
                break
        lookup = None if is_address(target.host) else self._lookup()
        return Acceptance(lookup, tuple(self._sessions), hosts, tuple(self._remarks))

    def _find_one(self, hosts: tuple[MailHost, ...]) -> Generator[Request, Answer, Acceptance]:
        """Find a server that has an address, which is all there is to the stage ``mx``."""
        for host in hosts:
            found = yield from self.server(host)
            if isinstance(found, Session):
                self._sessions.append(found)
            elif self._sessions:
                # It stands for the target, and those before it were passed over.
                self._sessions.append(Session(found, "", (self._lookup(),)))
            if isinstance(found, Server) or self._left <= 0:
                break
        lookup = None if is_address(self._target.host) else self._lookup()
        return Acceptance(lookup, tuple(self._sessions), hosts, tuple(self._remarks))

    @property
    def _nameservers(self) -> tuple[tuple[str, int], ...]:
        return self._target.nameservers or system_nameservers()

    def _name_ourselves(self) -> Generator[Request, Answer, None]:
        """Find this host's fully qualified name for EHLO; without one the literal serves."""
        name = os.uname().nodename
        if "." not in name:
            answer = yield Resolve(name, 0, OWN_NAME_PATIENCE)
            name = answer.canonical_name
        if is_qualified(name) and not name.startswith("localhost."):
            self._plan = self._plan._replace(ehlo_name=name)

    def _mail_hosts(
        self,
    ) -> Generator[Request, Answer, Union[tuple[MailHost, ...], Fault]]:
        # Imported here because a server that was named is not to be found.
        from ..protocol import mx

        found = yield from self._looked_up(mx.mail_hosts(self._target.domain, self._nameservers))
        if isinstance(found, Fault):
            return found
        self._remarks.extend(found.remarks)
        return found.hosts

    def _try(
        self, host: MailHost, patience: Optional[float]
    ) -> Generator[Request, Answer, Session]:
        server = yield from self.server(host)
        if isinstance(server, Session):
            return server
        session, _ = yield from self._timed(walk(self._plan, server, patience))
        return session

    def server(self, host: MailHost) -> Generator[Request, Answer, Union[Server, Session]]:
        begun = self._looking
        found = yield from self._addresses(host.name)
        server = Server(host.name, (), self._target.port, host.preference)
        if isinstance(found, Fault):
            seconds = self._looking - begun
            outcome = StageOutcome.failed(Stage.MX, found, seconds)
            return Session(server, "", (outcome,))
        return server._replace(addresses=found)

    def _addresses(self, name: str) -> Generator[Request, Answer, Union[tuple[str, ...], Fault]]:
        target = self._target
        # Only the user may name a server by its address; an MX record that does is broken.
        if target.host and is_address(name):
            return (name,)
        if target.host and not target.nameservers:
            # A server named by the user is found as other programs find it, hosts file included.
            answer = yield from self._looked_up(_resolve(name, target.family))
            return answer.fault or answer.addresses
        from ..protocol import mx

        found = yield from self._looked_up(mx.addresses(name, self._nameservers, target.family))
        if isinstance(found, Fault):
            return found
        if found.alias and not target.host:
            self._remarks.append(f"MX {name} is an alias of {found.alias} (RFC 2181 10.3)")
        self._remarks.extend(found.remarks)
        return found.addresses

    def _looked_up(
        self, asking: Generator[Request, Answer, _Found]
    ) -> Generator[Request, Answer, _Found]:
        found, seconds = yield from self._timed(asking)
        self._looking += seconds
        return found

    def _timed(
        self, asking: Generator[Request, Answer, _Found]
    ) -> Generator[Request, Answer, tuple[_Found, float]]:
        """Pass the requests of ``asking`` on: what it found, and the seconds of all answers."""
        answer, seconds = None, 0.0
        try:
            request = next(asking)
            while True:
                answer = yield request
                seconds += answer.seconds
                self._left = answer.left
                request = asking.send(answer)
        except StopIteration as end:
            found: _Found = end.value
            return found, seconds

    def _lookup(self, fault: Optional[Fault] = None) -> StageOutcome:
        if fault is None:
            return StageOutcome(Stage.MX, Verdict.PASSED, self._looking)
        return StageOutcome.failed(Stage.MX, fault, self._looking)


def _resolve(name: str, family: int) -> Generator[Request, Answer, Answer]:
    return (yield Resolve(name, family))


def _interrupted(session: Session) -> bool:
    """Whether the run was told to end in it, so that nobody knows what would have come of it."""
    failure = session.failure
    return failure is not None and failure.cause is Cause.INTERRUPTED


def _furthest(session: Session) -> tuple[bool, int]:
    """How much is known of a server, comparable: least if it could not even be tested."""
    failure = session.failure
    tested = failure is None or failure.verdict is not Verdict.UNTESTED
    return tested, len(session.outcomes)


def _greeted(session: Session) -> bool:
    """Whether the server took the connection, so that no other is to be tried."""
    failure = session.failure
    return failure is None or failure.stage not in (Stage.MX, Stage.CONNECT, Stage.BANNER)

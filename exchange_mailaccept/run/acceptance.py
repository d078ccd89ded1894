"""The mail acceptance of one domain: finds its servers, and tests the first that greets.

As a mail transfer agent does (RFC 5321 5.1), it tries the next server only if one can't be reached
or refuses the connection in its greeting.  What happens later is the domain's answer.  After the
final dot a second attempt could deliver the message twice.
"""

from __future__ import annotations

from ..exchange import recognition
from ..names import is_address
from ..protocol.dialogue import Plan
from ..protocol.requests import time
from ..protocol.stages import (
    Asked,
    MailHost,
    Session,
    StageOutcome,
)
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict
from .servers import Located, Servers, Target, find_addresses, find_servers, walk_through

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any, Optional

    from ..exchange.diagnosis import Diagnosis
    from ..protocol.requests import Answer, Request
    from ..protocol.security import Certificate, Security
    from .expected_mx import MxSet


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
        if not self.sessions:
            return None
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


def _furthest(session: Session) -> tuple[bool, int]:
    """How far the test of a server got, as a value to compare."""
    failure = session.failure
    tested = failure is None or failure.verdict is not Verdict.UNTESTED
    return tested, len(session.outcomes)


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
            located = yield from self._locate(host)
            if not located.lookup.passed:
                self._sessions[position] = located.session
            elif self._sessions:
                # It is the decisive one, and those before it were passed over.
                self._sessions[position] = Session(located.server, "", (self._lookup,))
                self._decisive = position
            if located.lookup.passed or (yield from time()).left <= 0:
                return

    def walk_only_one(self) -> Generator[Request, Answer, None]:
        """Walk through the only server, whose connection may have been begun already."""
        located = yield from self._locate(self._found.hosts[0])
        self._decisive = 0
        self._sessions[0] = located.session
        if located.lookup.passed:
            self._sessions[0] = yield from walk_through(self._found.plan, located.server)

    def walk_first_to_greet(self) -> Generator[Request, Answer, None]:
        """Begin one server after another until one greets, and walk through that one."""
        from .first_to_greet import FirstToGreet

        search = FirstToGreet(self._found, self._locate)
        yield from search.walk()
        self._notes += search.take_late()
        self._sessions, self._decisive = search.sessions, search.decisive
        self._overlap = search.overlap

    def _locate(self, host: MailHost) -> Generator[Request, Answer, Located]:
        located = yield from find_addresses(host, self._target)
        self._looking += located.lookup.seconds
        self._notes.extend(located.notes)
        return located


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

    def label(self, metric: str) -> str:
        """The label of a metric in perfdata, unique in the set."""
        return f"{self.member.label}_{metric}" if self.member.label else metric

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

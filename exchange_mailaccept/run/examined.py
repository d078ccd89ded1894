"""What the replies of a server mean: which Exchange it is, what it lacks, why it failed."""

from __future__ import annotations

from ..exchange import recognition
from ..protocol.stages import Certificate, Security, Session, StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage
from .acceptance import Member

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional

    from ..exchange.diagnosis import Diagnosis


class Examined(NamedTuple):
    """The test of a server, and what it means."""

    member: Member
    #: The decisive session.
    session: Optional[Session]
    keywords: recognition.KeywordCheck
    #: Why the test stopped; ``None`` if it was completed.
    diagnosis: Optional[Diagnosis]

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
        return next((each for each in self.member.acceptance.outcomes if each.stage is stage), None)


def examine(member: Member, profile: str, require: Sequence[str]) -> Examined:
    """Compare what a server said with what ``profile`` and ``require`` ask for."""
    session, failure = member.acceptance.decisive, member.acceptance.failure
    keywords = recognition.KeywordCheck()
    if session is not None:
        secured = session.security is not None
        keywords = recognition.check_keywords(profile, tuple(require), session, secured)
    if failure is None:
        return Examined(member, session, keywords, None)
    from ..exchange.diagnosis import diagnose

    return Examined(
        member, session, keywords, diagnose(failure, keywords.generation, keywords.gateway)
    )

"""The form of an entry: by what a failure is known, what it means, what to do about it."""

from __future__ import annotations

from ...record import TYPE_CHECKING, NamedTuple
from ...vocabulary import Cause, Generation, Kind, Stage

if TYPE_CHECKING:
    from typing import Optional


class Row(NamedTuple):
    """One thing that a server, or its silence, may mean."""

    #: Name, unique, and the anchor in the documentation.
    key: str
    #: Stages at which it is met; empty for all.
    stages: tuple[Stage, ...]
    kind: Kind
    #: One clause, without a full stop.
    cause: str
    #: What to run, in full sentences; HOST, PORT, SENDER, RECIPIENT and its DOMAIN are filled in.
    next_step: str
    #: The reply verbatim that the row is made for; without a reply, the explanation.
    sample: str
    #: Reply codes; empty for all negative ones.
    codes: tuple[int, ...] = ()
    #: Enhanced status codes: ``5.7.54``, a range ``5.7.606-649``, ``*.7.230`` of any class.
    enhanced: tuple[str, ...] = ()
    #: Words of the text, one of which must be there, in whatever case; a sub-code (``PRX4``, or
    #: ``PRX`` for all of them) only by itself.
    texts: tuple[str, ...] = ()
    #: Words with which a reply begins that has no enhanced status code, in whatever case; empty if
    #: nothing but the code tells it from those of other servers.
    words: tuple[str, ...] = ()
    #: For what holds for these generations only; empty for all.
    generations: tuple[Generation, ...] = ()
    #: For a stage that ended without a reply: why it did.
    causes: tuple[Cause, ...] = ()
    #: What the server had said begins with one of these; empty if that does not matter.
    received: tuple[str, ...] = ()
    #: Short name of the page to read (see ``resources``); empty if there is none.
    page: str = ""
    #: Key of the resource with which to begin troubleshooting (see ``resources``).
    begin: str = "mail-flow"
    #: Whether every sender meets this, so that a reply of class 4 means that no mail comes in.
    everybody: bool = False
    #: Whether this probe alone may meet it, and pass by waiting: greylisting, rates, limits of a
    #: single source.
    this_probe: bool = False
    #: Where the simulator plays it, if it is not the first of its stages.
    played_at: Optional[Stage] = None

    @property
    def stage(self) -> Stage:
        """The stage to play it at."""
        return self.played_at or (self.stages[0] if self.stages else Stage.MAIL)


MX = (Stage.MX,)
CONNECT = (Stage.CONNECT,)
BANNER = (Stage.BANNER,)
EHLO = (Stage.EHLO,)
STARTTLS = (Stage.STARTTLS,)
AUTH = (Stage.AUTH,)
MAIL = (Stage.MAIL,)
RCPT = (Stage.RCPT,)
MESSAGE = (Stage.MESSAGE,)
OPENING = (Stage.BANNER, Stage.EHLO)
ENVELOPE = (Stage.MAIL, Stage.RCPT)
#: A policy that one server applies at RCPT another applies after the final dot.
TRANSACTION = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
ADDRESSED = (Stage.RCPT, Stage.DATA, Stage.MESSAGE)
CONTENT = (Stage.DATA, Stage.MESSAGE)
ANYWHERE: tuple[Stage, ...] = ()

#: What means something else, or asks for something else, when Microsoft runs the server.
ONLINE = (Generation.ONLINE,)

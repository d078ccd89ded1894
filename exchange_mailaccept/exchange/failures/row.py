"""The form of an entry: how a failure is recognised, what it means, what to do about it."""

from __future__ import annotations

from ...record import TYPE_CHECKING, NamedTuple
from ...vocabulary import Cause, Generation, Kind, Stage

if TYPE_CHECKING:
    from typing import Optional


class Row(NamedTuple):
    """One meaning of a reply, or of a missing reply."""

    #: Unique name, and the anchor in the documentation.
    key: str
    #: Stages at which it occurs; empty for all.
    stages: tuple[Stage, ...]
    kind: Kind
    #: One clause, without a full stop.
    cause: str
    #: What to run, in full sentences; HOST, PORT, SENDER, RECIPIENT and its DOMAIN are filled in.
    next_step: str
    #: An actual reply that this row is for; without a reply, the explanation.
    sample: str
    #: Reply codes; empty for all negative ones.
    codes: tuple[int, ...] = ()
    #: Enhanced status codes: ``5.7.54``, a range ``5.7.606-649``, ``*.7.230`` of any class.
    enhanced: tuple[str, ...] = ()
    #: Words, one of which the text must contain, in upper or lower case.  A sub-code (``PRX4``, or
    #: ``PRX`` for all of them) must be a whole word.
    texts: tuple[str, ...] = ()
    #: Words that begin a reply without an enhanced status code, in upper or lower case; empty if
    #: only the code distinguishes it from replies of other servers.
    words: tuple[str, ...] = ()
    #: Generations that it is limited to; empty for all.
    generations: tuple[Generation, ...] = ()
    #: Why a stage ended without a reply; empty for replies.
    causes: tuple[Cause, ...] = ()
    #: Beginnings of what the server had sent by then; empty if that does not matter.
    received: tuple[str, ...] = ()
    #: Short name of the page to read (see ``resources``); empty if there is none.
    page: str = ""
    #: Key of the resource with which to begin troubleshooting (see ``resources``).
    begin: str = "mail-flow"
    #: Whether it concerns every sender, so that a 4yz reply means that no mail is accepted.
    everybody: bool = False
    #: Whether it may concern this probe alone and pass by itself: greylisting, rates, limits of one
    #: source.
    this_probe: bool = False
    #: The stage at which the simulator plays it, if not the first one.
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
#: Stages of policies: one server applies them at RCPT, another after the final dot.
TRANSACTION = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
ADDRESSED = (Stage.RCPT, Stage.DATA, Stage.MESSAGE)
CONTENT = (Stage.DATA, Stage.MESSAGE)
ANYWHERE: tuple[Stage, ...] = ()

#: For rows that have another meaning or next step in Exchange Online.
ONLINE = (Generation.ONLINE,)

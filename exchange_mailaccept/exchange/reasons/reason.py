"""The form of a reason: what it means, at which stages it occurs, what to do about it."""

from __future__ import annotations

from ...record import NamedTuple
from ...vocabulary import Kind, Stage


class Reason(NamedTuple):
    """One reason to refuse or to defer mail."""

    #: Name, unique among rows and reasons, and the anchor in the documentation.
    key: str
    kind: Kind
    #: One clause, without a full stop; LIST is the block list or product that the reply names.
    cause: str
    #: What helps at any server, in full sentences.
    next_step: str
    #: A reply that has this reason.
    sample: str
    #: What else can be done at Exchange 2007 and later.
    exchange: str = "Search the text in the protocol log of the Receive connector."
    #: The same at Exchange Online, with the tools of its tenants.
    online: str = "If it stays, ask Microsoft and quote the whole reply."
    #: The same at Exchange 2000 and 2003.
    legacy: str = "Look into the log of the SMTP virtual server."
    #: The same at a gateway; BOX is its name.
    gateway: str = "Search the text in the log of BOX."
    #: Stages at which it has this meaning; empty for all.
    stages: tuple[Stage, ...] = ()
    #: Classes of reply codes that it can have.
    classes: tuple[int, ...] = (4, 5)
    #: Subjects of enhanced status codes (RFC 3463 3) that it can have; empty for all.
    subjects: tuple[int, ...] = ()
    #: Whether it concerns every sender, so that a 4yz reply means that no mail is accepted.
    everybody: bool = False
    #: Whether it may concern this probe alone and pass by itself.
    this_probe: bool = False
    #: Short name of the page to read (see ``pages``); empty if there is none.
    page: str = "protocol-logging"
    #: Key of the resource with which to begin troubleshooting (see ``pages``).
    begin: str = "mail-flow"

    @property
    def stage(self) -> Stage:
        """The stage to play it at."""
        return Stage.RCPT if not self.stages or Stage.RCPT in self.stages else self.stages[-1]


#: All stages but STARTTLS and AUTH, where the same words have another meaning.
SESSION = (Stage.BANNER, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
ADDRESSED = (Stage.RCPT, Stage.DATA, Stage.MESSAGE)
CONTENT = (Stage.DATA, Stage.MESSAGE)

"""Which recipients a server accepts that it must refuse (``--refuse``)."""

from __future__ import annotations

from ..cli.words import RELAY, UNKNOWN_RECIPIENT
from ..protocol.conversation import Asked
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..protocol.conversation import Target
    from ..protocol.message import Envelope
    from .acceptance import Examined


class Doors(NamedTuple):
    """The recipients of one kind that were not refused."""

    #: ``relay`` for recipients of other domains, ``unknown-recipient`` for those of the own.
    key: str
    #: Those that were accepted.
    open: tuple[Asked, ...]
    #: Those that were neither accepted nor refused for good.
    untested: tuple[Asked, ...]


def open_doors(examined: Examined, target: Target, envelope: Envelope) -> list[Doors]:
    """The kinds of recipients that a server must refuse and did not.

    If the test itself failed, recipients that could not be tested are not a finding.
    """
    assert examined.session is not None
    own = {target.domain.lower(), *envelope.domains}
    kinds = []
    for key in (RELAY, UNKNOWN_RECIPIENT):
        mine = [each for each in examined.session.refusals if key == _key(each, own)]
        accepted = tuple(each for each in mine if each.outcome.passed)
        untested = tuple(each for each in mine if not (each.outcome.passed or is_shut(each)))
        if accepted or (untested and examined.member.accepts):
            kinds.append(Doors(key, accepted, untested))
    return kinds


def is_shut(asked: Asked) -> bool:
    """Whether the recipient was refused for good, as it must be."""
    return asked.outcome.stage is Stage.RCPT and asked.outcome.verdict is Verdict.REFUSED


def _key(asked: Asked, domains: Collection[str]) -> str:
    return UNKNOWN_RECIPIENT if asked.address.rpartition("@")[2].lower() in domains else RELAY

"""Which recipients a server accepts that it must refuse (``--refuse``)."""

from __future__ import annotations

from ..cli.words import RELAY, UNKNOWN_RECIPIENT
from ..protocol.conversation import Asked
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Doors(NamedTuple):
    """The recipients of one kind that were not refused."""

    #: ``relay`` for recipients of other domains, ``unknown-recipient`` for those of the own.
    key: str
    #: Those that were accepted.
    open: tuple[Asked, ...]
    #: Those that were neither accepted nor refused for good.
    untested: tuple[Asked, ...]


def doors(asked: Sequence[Asked], domains: Collection[str]) -> tuple[Doors, ...]:
    """What is wrong with the refusals that were ``asked`` for.

    :param domains: the domains whose mail is tested, in lower case
    """
    kinds = []
    for key in (RELAY, UNKNOWN_RECIPIENT):
        mine = [recipient for recipient in asked if key == _key(recipient, domains)]
        accepted = tuple(recipient for recipient in mine if recipient.outcome.passed)
        untested = tuple(
            recipient for recipient in mine if not (recipient.outcome.passed or is_shut(recipient))
        )
        if accepted or untested:
            kinds.append(Doors(key, accepted, untested))
    return tuple(kinds)


def is_shut(asked: Asked) -> bool:
    """Whether the recipient was refused for good, as it must be."""
    return asked.outcome.stage is Stage.RCPT and asked.outcome.verdict is Verdict.REFUSED


def _key(asked: Asked, domains: Collection[str]) -> str:
    return UNKNOWN_RECIPIENT if asked.address.rpartition("@")[2].lower() in domains else RELAY

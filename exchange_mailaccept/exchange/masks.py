"""Finds the keywords that a Cisco ASA masked.

``inspect esmtp`` replaces an EHLO line that it does not know by as many ``X``, of which the last is
a running letter: ``XXXXXXXA`` is STARTTLS or CHUNKING.  To find out which, all masks are compared,
in their order, with the list of each generation.  An example with four lines that are masked:

    masks               XXXXXXXA           XXXXXXXB
    lines               STARTTLS  X-EXPS   CHUNKING  XRDST
    leftmost places     0                  2          each mask at the first line of its length
    rightmost places    0                  2          each mask at the last one that leaves room

A mask may hide any line of its length from its leftmost to its rightmost place: here the
first is STARTTLS and the second CHUNKING.  A single ``XXXXXXXA`` would be either.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING
from .profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..protocol.reply import Extensions

#: Keywords that ``inspect esmtp`` does not mask by default.
UNMASKED = ("8BITMIME", "AUTH ", "BINARYMIME", "DSN", "ENHANCED", "ETRN", "PIPELINING", "SIZE")
#: Keywords that other mail servers offer too.
_COMMON = (
    *("HELP", "VRFY", "EXPN", "TURN", "LIMITS", "XCLIENT", "STARTTLS", "CHUNKING", "SMTPUTF8"),
    *("XFORWARD", "DELIVERBY", "REQUIRETLS", "BINARYMIME", "BURL imap", "NO-SOLICITING"),
)


def masked_keywords(offers: Extensions, profile: str = "") -> Mapping[str, tuple[str, ...]]:
    """Each mask among ``offers``, with the EHLO lines that it may hide.

    :param profile: name of the generation that was asked for, which is tried before all others
    """
    masks = offers.masks
    running = [chr(ord("A") + number % 26) for number in range(len(masks))]
    if not masks or [mask[-1] for mask in masks] != running:
        return {}
    lists = {
        name: [line for line in known.before_tls if not line.startswith(UNMASKED)]
        for name, known in PROFILES.items()
    }
    # A list that fits as a whole says more than one of which only a part fits.
    whole = [lines for lines in lists.values() if len(lines) == len(masks) and _fit(masks, lines)]
    if profile in lists and _fit(masks, lists[profile]):
        whole = [lists[profile]]
    found: dict[str, dict[str, None]] = {mask: {} for mask in masks}
    for lines in whole or lists.values():
        for mask, candidates in zip(masks, _fit(masks, lines)):
            found[mask].update(dict.fromkeys(candidates))
    if not whole and not any(map(_is_of_exchange, found.values())):
        for mask in found:
            found[mask].update({line: None for line in _COMMON if len(line) == len(mask)})
    return {mask: tuple(candidates) for mask, candidates in found.items()}


def _is_of_exchange(candidates: Iterable[str]) -> bool:
    """Whether a mask can only hide a keyword of Exchange; short ones may hide any server's."""
    lines = [*candidates]
    return bool(lines) and all(line.startswith("X") and len(line) > 5 for line in lines)


def _fit(masks: Sequence[str], lines: Sequence[str]) -> list[list[str]]:
    """For each mask the ``lines`` that it may hide, if all masks fit in their order."""
    first: list[int] = []
    place = -1
    for mask in masks:
        place = next(
            (at for at in range(place + 1, len(lines)) if len(lines[at]) == len(mask)), len(lines)
        )
        first.append(place)
    last: list[int] = []
    place = len(lines)
    for mask in reversed(masks):
        place = next((at for at in range(place - 1, -1, -1) if len(lines[at]) == len(mask)), -1)
        last.insert(0, place)
    if len(lines) in first or -1 in last:
        return []
    return [
        [lines[at] for at in range(low, high + 1) if len(lines[at]) == len(mask)]
        for mask, low, high in zip(masks, first, last)
    ]

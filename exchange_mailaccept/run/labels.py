"""Labels of the servers of a set in perfdata: short, unique, and the same in every run."""

from __future__ import annotations

import itertools
from collections import Counter

from ..names import DIGITS, LETTERS, is_address
from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def labels(names: Sequence[str]) -> list[str]:
    """A label for each of ``names``: its first part, or all of it if others have the same part.

    An address becomes ``host``, because some graphing systems can't store ``::``.  Equal labels get
    a number.
    """
    shared = Counter(_short(name) for name in set(names))
    wanted = [_short(name) if shared[_short(name)] == 1 else _full(name) for name in names]
    times = Counter(wanted)
    used = {label for label in wanted if times[label] == 1}
    numbers = {label: itertools.count(1) for label in wanted}
    unique = []
    for label in wanted:
        if times[label] > 1:
            numbered = (f"{label}-{number}" for number in numbers[label])
            label = next(candidate for candidate in numbered if candidate not in used)
            used.add(label)
        unique.append(label)
    return unique


def _short(name: str) -> str:
    return _full(name) if is_address(name) else _harmless(name.partition(".")[0])


def _full(name: str) -> str:
    return "host" if is_address(name) else _harmless(name)


def _harmless(name: str) -> str:
    """``name`` with characters for perfdata; DNS allows any byte in a name (RFC 2181 11)."""
    kept = LETTERS + DIGITS + "_-"
    return "".join(letter if letter in kept else "-" for letter in name) or "host"

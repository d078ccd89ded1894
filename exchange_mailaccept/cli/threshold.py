"""The range of a threshold (``-w``, ``-c``), as in the plugin guidelines."""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Union


class Threshold(NamedTuple):
    """A range of numbers: ``[@][start:][end]``, including both ends."""

    start: Union[int, float]
    end: Union[int, float]
    #: Whether numbers inside the range violate it.
    inverted: bool

    @classmethod
    def of(cls, text: str) -> Threshold:
        """The range that a checked ``text`` describes."""
        bare = text.removeprefix("@")
        start, colon, end = bare.rpartition(":")
        first = float("-inf") if start == "~" else _number(start) if colon and start else 0
        return cls(first, _number(end) if end else float("inf"), bare != text)

    def allows(self, value: float) -> bool:
        """Whether ``value`` does not violate the range."""
        return (self.start <= value <= self.end) is not self.inverted

    def __str__(self) -> str:
        """The range with its start, and without exponents, which are not allowed in perfdata."""
        return self._text("~" if self.start == float("-inf") else _digits(self.start))

    @property
    def short(self) -> str:
        """The range as nagiosplugin writes it in perfdata, without a start of 0."""
        return str(self) if self.start else self._text("").replace(":", "")

    def _text(self, start: str) -> str:
        end = "" if self.end == float("inf") else _digits(self.end)
        return f"{'@' if self.inverted else ''}{start}:{end}"


def _number(text: str) -> Union[int, float]:
    return float(text) if "." in text else int(text)


def _digits(number: float) -> str:
    return f"{number:.12f}".rstrip("0") if "e-" in str(number) else str(number)

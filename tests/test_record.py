"""What takes little time to be defined behaves as what ``typing`` and ``enum`` define."""

from __future__ import annotations

import copy
import enum
import pickle
import typing
from typing import Any, Callable, Optional

import pytest

from exchange_mailaccept.record import Enum, NamedTuple

if typing.TYPE_CHECKING:
    Made = Callable[..., Any]


class Ours(NamedTuple):
    """A point."""

    x: int
    y: int
    label: str = ""
    color: Optional[str] = None

    @property
    def sum(self) -> int:
        """Of its numbers."""
        return self.x + self.y


class Theirs(typing.NamedTuple):
    """A point."""

    x: int
    y: int
    label: str = ""
    color: Optional[str] = None

    @property
    def sum(self) -> int:
        """Of its numbers."""
        return self.x + self.y


class Nothing(NamedTuple):
    """Without a field."""


RIGHT: list[Made] = [
    lambda made: made(1, 2),
    lambda made: made(1, 2, "a"),
    lambda made: made(1, 2, "a", "red"),
    lambda made: made(1, y=2),
    lambda made: made(y=2, x=1),
    lambda made: made(1, 2, color="red"),
    lambda made: made(1, 2)._replace(y=3, color="red"),
    lambda made: made(1, 2)._replace(),
]
WRONG: list[Made] = [
    lambda made: made(),
    lambda made: made(1),
    lambda made: made(y=1),
    lambda made: made(1, 2, "a", "red", 5),
    lambda made: made(1, 2, x=3),
    lambda made: made(1, 2, size=3),
    lambda made: made(1, 2, "a", "red", size=3),
]


@pytest.mark.parametrize("make", RIGHT, ids=range(len(RIGHT)))
def test_a_tuple_is_made_as_by_typing(make):
    """By place, by name and by default; with fields, properties and words for whoever debugs."""
    ours, theirs = make(Ours), make(Theirs)
    assert type(ours) is Ours
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert (ours.x, ours.y, ours.label, ours.color, ours.sum) == (*theirs, theirs.sum)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")


@pytest.mark.parametrize("make", WRONG, ids=range(len(WRONG)))
def test_a_tuple_is_not_made_where_typing_makes_none(make):
    """A field that is missing, given twice or unknown."""
    for made in (Ours, Theirs):
        with pytest.raises(TypeError):
            make(made)


def test_a_field_that_is_none_can_not_be_replaced():
    """Whatever the error is called: it is ValueError with typing."""
    with pytest.raises(TypeError, match="has the fields x, y, label, color"):
        Ours(1, 2)._replace(size=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_a_copy_is_of_the_same_class(again):
    """As test tools make them."""
    copied = again(Ours(1, 2, color="red"))
    assert (type(copied), copied) == (Ours, Ours(1, 2, color="red"))


def test_a_tuple_can_not_be_changed():
    """Neither its fields nor by new ones."""
    point = Ours(1, 2)
    with pytest.raises(AttributeError):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        point.size = 3  # type: ignore[attr-defined]


def test_a_class_keeps_its_words():
    """For help() and for tracebacks."""
    assert (Ours.__doc__, Ours.__name__, Ours.__module__) == ("A point.", "Ours", __name__)
    assert Nothing() == ()


class Color(Enum):
    """A color."""

    RED = "red"
    DARK_RED = "dark red"


class TheirColor(enum.Enum):
    """A color."""

    RED = "red"
    DARK_RED = "dark red"


def test_a_member_is_as_one_of_enum():
    """Found by name and by value, in order, with words for whoever debugs."""
    for ours, theirs in zip(Color, TheirColor):
        assert (ours.name, ours.value) == (theirs.name, theirs.value)
        assert Color(ours.value) is ours
        assert (f"{ours}", repr(ours)) == (
            f"{theirs}".replace("TheirColor", "Color"),
            repr(theirs).replace("TheirColor", "Color"),
        )
    assert [*Color] == [Color.RED, Color.DARK_RED]
    assert len({*Color, *Color}) == 2
    assert Color.RED != Color.DARK_RED
    assert isinstance(Color.RED, Color)


def test_a_value_of_no_member_is_refused():
    """With the words of ``enum``."""
    with pytest.raises(ValueError, match="'blue' is not a valid Color"):
        Color("blue")


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_a_copy_of_a_member_is_the_member(again):
    """Members are compared by identity."""
    assert again(Color.RED) is Color.RED

"""What takes little time to be defined does what the plugin needs of ``typing`` and ``enum``."""

from __future__ import annotations

from typing import Optional

import pytest

from exchange_mailaccept.record import Enum, NamedTuple


class Point(NamedTuple):
    """A point."""

    x: int
    y: int
    label: str = ""
    count: Optional[int] = None

    @property
    def sum(self) -> int:
        """Of its coordinates."""
        return self.x + self.y


@pytest.mark.parametrize(
    ("point", "values"),
    [
        (Point(1, 2), (1, 2, "", None)),
        (Point(1, 2, "a", 4), (1, 2, "a", 4)),
        (Point(y=2, x=1), (1, 2, "", None)),
        (Point(1, 2, count=4), (1, 2, "", 4)),
        (Point(1, 2)._replace(y=3, count=4), (1, 3, "", 4)),
    ],
)
def test_a_tuple_takes_its_values_by_place_by_name_or_by_default(point, values):
    assert (point.x, point.y, point.label, point.count) == point == values
    assert point.sum == values[0] + values[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(1),
        lambda: Point(y=1),
        lambda: Point(1, 2, "a", 4, 5),
        lambda: Point(1, 2, x=3),
        lambda: Point(1, 2, "a", 4, size=3),
        lambda: Point(1, 2)._replace(size=3),
    ],
)
def test_a_field_that_is_missing_given_twice_or_unknown_is_refused(make):
    with pytest.raises(TypeError, match="Point has the fields x, y, label, count"):
        make()


def test_a_tuple_is_immutable_and_shows_its_fields():
    assert repr(Point(1, 2, "a")) == "Point(x=1, y=2, label='a', count=None)"
    with pytest.raises(AttributeError):
        Point(1, 2).x = 3  # type: ignore[misc]


class Color(Enum):
    """A color."""

    RED = "red"
    DARK_RED = "dark red"


def test_a_member_has_a_name_and_a_value_and_is_the_only_one_of_its_value():
    assert [(color.name, color.value) for color in Color] == [
        ("RED", "red"),
        ("DARK_RED", "dark red"),
    ]
    assert Color("dark red") is Color.DARK_RED
    assert repr(Color.RED) == "<Color.RED: 'red'>"
    with pytest.raises(ValueError, match="'blue' is not a valid Color"):
        Color("blue")

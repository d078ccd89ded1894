"""``NamedTuple`` and ``Enum``, as ``typing`` and ``enum`` have them, for a fraction of the cost.

``typing`` itself is a tenth of a run's instructions, ``collections.namedtuple`` compiles a
constructor for each class, which for some forty of them is another, and a few classes of ``enum``
take two hundredths.  To a type checker these are the originals; at run time they do as much of the
same as is used here.  Named tuples share one constructor, and their annotations are names of fields
and nothing else: a module that uses them has ``from __future__ import annotations``.
"""

from __future__ import annotations

#: As ``typing.TYPE_CHECKING``, which would have to be imported.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from enum import Enum as Enum
    from typing import NamedTuple as NamedTuple
else:

    class _Record(tuple):
        """What all of them can do."""

        __slots__ = ()

        def __new__(cls, *values, **named):
            """The values in the order of the fields, or by their names, or by default."""
            rest = cls._rest.get(len(values))
            if named or rest is None:
                return tuple.__new__(cls, cls._by_name(values, named))
            return tuple.__new__(cls, values + rest)

        @classmethod
        def _by_name(cls, values, named):
            defaults = cls._field_defaults
            left = cls._fields[len(values) :]
            values += tuple(
                named.pop(field) if field in named else defaults[field]
                for field in left
                if field in named or field in defaults
            )
            # What is still named is no field, or was given by its place.
            if named or len(values) != len(cls._fields):
                raise cls._misfit()
            return values

        def _replace(self, **changes):
            values = [changes.pop(field, value) for field, value in zip(self._fields, self)]
            if changes:
                raise self._misfit()
            return tuple.__new__(type(self), values)

        @classmethod
        def _misfit(cls):
            return TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")

        def __getnewargs__(self):
            """For copies."""
            return tuple(self)

        def __repr__(self):
            values = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self))
            return f"{type(self).__name__}({values})"

    class _Meta(type):
        def __new__(cls, name, bases, body):
            """The class of the tuples: fields from the annotations, all else from the body."""
            if not bases:
                return super().__new__(cls, name, bases, body)
            # What makes the fields of collections.namedtuple as fast as they are, without the rest
            # of ``collections``.
            from _collections import _tuplegetter

            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            body.update((field, _tuplegetter(at, "")) for at, field in enumerate(fields))
            body.update(_fields=fields, _field_defaults=defaults, __slots__=())
            # What the other values are, by how many are given.
            values, size = tuple(defaults.values()), len(fields)
            body["_rest"] = {
                size - left: values[len(values) - left :] for left in range(len(values) + 1)
            }
            return type(name, (_Record,), body)

    class NamedTuple(metaclass=_Meta):
        """Base of immutable values; see ``typing.NamedTuple``."""

    class _Members(type):
        def __new__(cls, name, bases, body):
            """The class with a member, the only one of its value, for each name in capitals."""
            made = super().__new__(cls, name, bases, body)
            made._members = {}
            for key, value in body.items():
                if key.isupper():
                    member = object.__new__(made)
                    member.name, member.value = key, value
                    made._members[value] = member
                    setattr(made, key, member)
            return made

        def __call__(cls, value):
            """The member that has ``value``."""
            if value not in cls._members:
                raise ValueError(f"{value!r} is not a valid {cls.__name__}")
            return cls._members[value]

        def __iter__(cls):
            return iter(cls._members.values())

    class Enum(metaclass=_Members):
        """Base of what is one of a few; see ``enum.Enum``."""

        def __repr__(self):
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

        def __str__(self):
            return f"{type(self).__name__}.{self.name}"

        def __reduce__(self):
            """For copies, which are the member itself."""
            return type(self), (self.value,)

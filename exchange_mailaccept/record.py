"""``NamedTuple``, as ``typing`` has it, for a fraction of what it costs there.

``typing`` itself and its evaluation of annotations are a tenth of a run's instructions.  To a type
checker this is ``typing.NamedTuple``; at run time it does the same with less: the annotations are
names of fields and nothing else.  A module that uses it has ``from __future__ import annotations``.
"""

from __future__ import annotations

#: As ``typing.TYPE_CHECKING``, which would have to be imported.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    #: What ``namedtuple`` makes better than the body of a class could say.
    _MADE = ("__annotations__", "__module__", "__qualname__")

    class _Meta(type):
        def __new__(cls, name, bases, body):
            """The class of the tuples: fields from the annotations, all else from the body."""
            if not bases:
                return super().__new__(cls, name, bases, body)
            # Imported here because those who come for TYPE_CHECKING only are in a hurry.
            from collections import namedtuple

            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in fields and key not in _MADE:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Meta):
        """Base of immutable values; see ``typing.NamedTuple``."""

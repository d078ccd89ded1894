"""The TXT record and the policy of MTA-STS, read strictly (RFC 8461 3.1, 3.2, 4.1)."""

from __future__ import annotations

from ..names import DIGITS, LETTERS, consists_of, is_covered
from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The largest ``max_age``, in seconds.
MAX_AGE = 31_557_600
ENFORCE, TESTING, NONE = "enforce", "testing", "none"
_VERSION = "STSv1"
_NAME = LETTERS + DIGITS + "_-."


class PolicyError(ValueError):
    """A record or a policy that senders ignore; the text says why."""


class Policy(NamedTuple):
    """A policy that was read."""

    mode: str
    #: Names of MX hosts; a leading ``*.`` matches one label.
    patterns: tuple[str, ...]
    #: Seconds for which senders keep it.
    max_age: int

    def lists(self, host: str) -> bool:
        """Whether one of the patterns matches the MX ``host``."""
        return any(is_covered(host, pattern) for pattern in self.patterns)


def policy_id(texts: Sequence[str]) -> str:
    """The ``id`` of the record among the TXT records of ``_mta-sts``; empty if there is none.

    :raises PolicyError: there are several, or it is malformed
    """
    # Others may be there for other purposes.
    records = [text for text in texts if text.startswith(f"v={_VERSION};")]
    if not records:
        return ""
    if len(records) > 1:
        raise PolicyError(f"there are {len(records)} of them")
    fields: dict[str, str] = {}
    parts = [part.strip(" \t") for part in records[0].split(";")]
    if not parts[-1]:
        parts.pop()
    for part in parts[1:]:
        name, equals, value = part.partition("=")
        if not equals or not _is_name(name) or not _is_value(value):
            raise PolicyError(f"'{part}' is not a field")
        fields.setdefault(name, value)
    if not (consists_of(LETTERS + DIGITS, fields.get("id", "")) and len(fields["id"]) <= 32):
        raise PolicyError("it has no id of 1 to 32 letters and digits")
    return fields["id"]


def parse(body: bytes) -> Policy:
    """Read a policy.

    Unknown fields are ignored, and so is the repetition of a field other than ``mx``.

    :raises PolicyError: it is malformed
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyError("it is not UTF-8") from None
    fields: dict[str, list[str]] = {}
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        bare = line.removesuffix("\r").rstrip(" \t")
        name, colon, value = bare.partition(":")
        if not colon or not _is_name(name):
            raise PolicyError(f"'{bare}' is not a field")
        fields.setdefault(name, []).append(value.lstrip(" \t"))
    version, mode, max_age = (_first(fields, name) for name in ("version", "mode", "max_age"))
    if version != _VERSION:
        raise PolicyError(f"its version is '{version}' and not {_VERSION}")
    if mode not in (ENFORCE, TESTING, NONE):
        raise PolicyError(f"its mode is '{mode}' and not {ENFORCE}, {TESTING} or {NONE}")
    if not (consists_of(DIGITS, max_age) and len(max_age) <= 10 and int(max_age) <= MAX_AGE):
        raise PolicyError(f"its max_age is '{max_age}' and not a number of seconds to {MAX_AGE}")
    patterns = tuple(fields.get("mx", ()))
    for pattern in patterns:
        if not _is_pattern(pattern):
            raise PolicyError(f"its mx '{pattern}' is not a name")
    if not patterns and mode != NONE:
        raise PolicyError("it names no mx")
    return Policy(mode, patterns, int(max_age))


def _first(fields: dict[str, list[str]], name: str) -> str:
    if name not in fields:
        raise PolicyError(f"it has no {name}")
    return fields[name][0]


def _is_name(text: str) -> bool:
    return consists_of(_NAME, text) and len(text) <= 32 and text[0] not in "_-."


def _is_value(text: str) -> bool:
    return bool(text) and all("!" <= letter <= "~" and letter not in ";=" for letter in text)


def _is_pattern(text: str) -> bool:
    """Whether ``text`` is a domain (RFC 5321 4.1.2), with or without ``*.`` in front."""
    return all(
        consists_of(LETTERS + DIGITS + "-", label) and "-" not in (label[0], label[-1])
        for label in text.removeprefix("*.").split(".")
    )

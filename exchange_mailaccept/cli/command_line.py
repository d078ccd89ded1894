"""The options as they were typed: every word is read by the table, and every mistake is kept.

This is not argparse.  argparse can't report every mistake in the plugin's own words, accept
``-w -5:`` or ``--switch=``, or print the same help on every version of Python.  It would also take
14 % more of a run's instructions.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING
from ..vocabulary import Tls
from .table import (
    BY_FLAG,
    DEFAULT_RECIPIENT,
    PASSWORD_VARIABLE,
    SMTP_PORT,
    SMTPS_PORT,
    TLS_MODES,
    TOKEN_VARIABLE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Optional

    from .table import Option


class CommandLine:
    """The options as they were typed.

    A value that can't be used is not kept; it is one of :attr:`mistakes`.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.mistakes: list[str] = []
        self._environment = environment
        self._values: dict[str, list[Any]] = {}
        self._tried: set[str] = set()
        words = list(argv)
        while words:
            self._take(words.pop(0), words)

    def count(self, name: str) -> int:
        """The number of times that ``name`` was given, with a value that can be used."""
        return len(self._values.get(name, ()))

    def all(self, name: str) -> tuple[Any, ...]:
        """All values of ``name``, which may be repeated."""
        return tuple(self._values.get(name, ()))

    def tried(self, name: str) -> bool:
        """Whether ``name`` was given, with or without a value that can be used."""
        return name in self._tried

    def last(self, name: str, default: Any = None) -> Any:
        """The value of ``name``; the last one if there are several."""
        return self._values.get(name, [default])[-1]

    @property
    def secured(self) -> str:
        """How the connection is to be secured: one of :data:`TLS_MODES`, or empty."""
        return next((mode for mode in TLS_MODES if self.count(mode)), "")

    @property
    def port(self) -> int:
        """The TCP port."""
        implicit = self.secured == Tls.IMPLICIT.value
        return int(self.last("port", SMTPS_PORT if implicit else SMTP_PORT))

    @property
    def family(self) -> int:
        """4, 6, or 0 for both."""
        return 4 if self.count("ipv4") else 6 if self.count("ipv6") else 0

    @property
    def recipient(self) -> str:
        """The forward-path, with its domain."""
        recipient = self.last("recipient", DEFAULT_RECIPIENT)
        return recipient if "@" in recipient else f"{recipient}@{self.last('domain', '')}"

    @property
    def password(self) -> str:
        """The password, from its file or the environment."""
        return self.last("password-file", "") or self._environment.get(PASSWORD_VARIABLE, "")

    @property
    def token(self) -> str:
        """The OAuth token, from its file or the environment."""
        return self.last("token-file", "") or self._environment.get(TOKEN_VARIABLE, "")

    @property
    def judges_a_set(self) -> bool:
        """Whether all servers are tested and judged as a set."""
        return bool(self.count("all-mx") or self.count("all-addresses"))

    def _take(self, word: str, words: list[str]) -> None:
        """Read ``word``, and take its value from ``words`` if it needs one."""
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            option = BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
            elif option.metavar:
                self._value(option, flag, value if equals else None, words)
            elif value:
                self.mistakes.append(f"{flag} takes no value")
            else:
                # Also "--name=", which a switch in an ini file becomes.
                self._keep(option, True)
        elif word.startswith("-") and word != "-":
            self._take_short(word, words)
        else:
            self.mistakes.append(f"unexpected argument '{word}'")

    def _take_short(self, word: str, words: list[str]) -> None:
        """Read a word of short options, for example ``-vv``, ``-p25`` or ``-p 25``."""
        for position, letter in enumerate(word[1:], 2):
            flag = f"-{letter}"
            option = BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
                return
            if option.metavar:
                self._value(option, flag, word[position:] or None, words)
                return
            self._keep(option, True)

    def _value(self, option: Option, flag: str, value: Optional[str], words: list[str]) -> None:
        if value is None:
            if not words:
                self.mistakes.append(f"{flag} needs a value")
                return
            value = words.pop(0)
        if not value:
            return  # An unset macro of Nagios or Icinga counts as not given.
        self._tried.add(option.name)
        try:
            self._keep(option, option.convert(value))
        except ValueError as error:
            self.mistakes.append(f"{flag} {value}: {error}")

    def _keep(self, option: Option, value: Any) -> None:
        self._tried.add(option.name)
        self._values.setdefault(option.name, []).append(value)

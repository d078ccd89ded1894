"""``argv`` to a checked command line, or every mistake in one line."""

from __future__ import annotations

import os

from .. import __version__
from ..record import TYPE_CHECKING
from .checks import CHECKS
from .command_line import CommandLine
from .table import BY_FLAG, PROGRAM
from .words import EXTRA_OPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn, Optional


class UsageError(ValueError):
    """The command line can't be used; ``str()`` names every mistake."""

    def __init__(self, *mistakes: str, hint: str = "") -> None:
        super().__init__(f"{'; '.join(mistakes)} {hint}".rstrip())
        self.mistakes = mistakes
        self.hint = hint


class Answered(Exception):  # noqa: N818 it is not an error
    """The command line asked for a text instead of a test; ``str()`` is the text."""


def read(argv: Sequence[str], environment: Optional[Mapping[str, str]] = None) -> CommandLine:
    """Read and check ``argv``, which does not have the program's name.

    :param environment: its variables can hold secrets and name the ini file (default: the
        process's own)
    :raises UsageError: the command line can't be used
    :raises Answered: ``--help`` or ``--version`` was given
    """
    environment = os.environ if environment is None else environment
    try:
        if any(word.startswith(EXTRA_OPTS) for word in argv):
            from . import ini_file

            long_forms = {flag: option.flags[-1] for flag, option in BY_FLAG.items()}
            argv = ini_file.expand(argv, PROGRAM, environment, long_forms)
        line = CommandLine(argv, environment)
    except ValueError as error:
        _refuse([str(error)])
    if line.count("help"):
        from .help import help_text

        raise Answered(help_text())
    if line.count("version"):
        raise Answered(f"{PROGRAM} {__version__}")
    for check in CHECKS:
        line.mistakes += check(line)
    if line.mistakes:
        _refuse(line.mistakes)
    return line


def _refuse(mistakes: Sequence[str]) -> NoReturn:
    raise UsageError(*mistakes, hint=f"(see {PROGRAM} --help)")

"""The text of ``--help``, the same on every version of Python."""

from __future__ import annotations

import textwrap

from .. import __version__
from .table import DESCRIPTION, EXAMPLES, OPTIONS, PROGRAM, USAGES


def help_text() -> str:
    """The text of ``--help``, at most 80 columns wide."""
    usages = [f"{PROGRAM} {usage}" for usage in USAGES]
    lines = [
        f"{PROGRAM} {__version__}",
        "",
        *textwrap.wrap(DESCRIPTION, 79),
        "",
        f"usage: {usages[0]}",
        *(f"       {usage}" for usage in usages[1:]),
        "",
        "options:",
    ]
    for option in OPTIONS:
        flags = ", ".join(option.flags)
        lines.append(f"  {flags} {option.metavar}".rstrip())
        meaning = option.meaning + (" (repeatable)" if option.repeatable and option.metavar else "")
        lines += textwrap.wrap(
            meaning, 79, initial_indent=" " * 8, subsequent_indent=" " * 8, break_on_hyphens=False
        )
    lines += [
        "",
        "examples:",
        *(f"  {PROGRAM} {example}" for example in EXAMPLES),
        "",
        "exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    ]
    return "\n".join(lines)

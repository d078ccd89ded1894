"""How a run ends: prints, and exits; the one place that does."""

from __future__ import annotations

import os

from ..record import TYPE_CHECKING
from .text import MAX_LINE, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

EXIT_UNKNOWN = 3


def print_and_exit(text: str, status: int) -> NoReturn:
    """Print ``text``, and exit with ``status``; with UNKNOWN if it can't be printed.

    It bypasses Python's own streams, because a full disk or a closed pipe must end in UNKNOWN and
    not in a traceback when the interpreter shuts down.  It also leaves out the interpreter's own
    shutdown, which takes 13 % of a run's instructions.
    """
    data = text.encode("ascii", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        status = EXIT_UNKNOWN
    os._exit(status)


def exit_unknown(words: str, details: Sequence[str] = ()) -> NoReturn:
    """Exit with one line that says why nothing could be found out, and ``details`` below it."""
    lines = [printable(words, MAX_LINE), *(printable(detail, 200) for detail in details)]
    print_and_exit("MAILACCEPT UNKNOWN - " + "\n".join(lines), EXIT_UNKNOWN)

"""Makes text from servers harmless, and limits the length of a line and of the output.

This is the only place where text that is not the plugin's own is made printable.  Nagios, Icinga
and a shell read what a server says, and it must not have a meaning for any of them.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..protocol.reply import Reply

#: Characters of the first line after name and state, which have fewer than 30.
MAX_LINE = 270
#: Characters of a reply that are quoted in the first line.
QUOTED = 160
#: Bytes of output below ``-vv`` (Monitoring Plugins' guidelines: 4 KB).
MAX_OUTPUT = 4096

# The bar begins perfdata, angle brackets make Icinga Web show HTML, and the dollar, the backtick
# and the backslash are special in Nagios' macros or in a shell.
_HARMLESS = str.maketrans(
    {
        **dict.fromkeys("\t\r\n\v\f", " "),
        "|": "/",
        "<": "[",
        ">": "]",
        "`": "'",
        "$": "/x24",
        "\\": "/",
    }
)


def printable(text: str, most: int) -> str:
    r"""``text`` as one line of harmless ASCII with at most ``most`` characters.

    A character that can't be shown becomes ``/x1b`` or ``/u202e``, without a backslash, because
    Nagios and Icinga 2 use ``printf %b`` for their mails, Nagios also for its perfdata file, and
    NSCA turns ``\n`` into a line end.
    """
    text = " ".join(filter(None, text.strip().translate(_HARMLESS).split(" ")))
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_shown, text))
    return shorten(text, most)


def _shown(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else f"/x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode("ascii").replace("\\", "/")


def bounded(output: str) -> str:
    """``output`` in at most :data:`MAX_OUTPUT` bytes: the last lines before perfdata are cut."""
    first, *lines = output.split("\n")
    perfdata = [lines.pop()] if lines and lines[-1].startswith("|") else []
    left_out = 0
    while lines and len("\n".join([first, *lines, *perfdata])) > MAX_OUTPUT - 60:
        lines.pop()
        left_out += 1
    note = [f"({left_out} more lines; -vv shows all)"] if left_out else []
    return "\n".join([first, *lines, *note, *perfdata])


def shorten(line: str, most: int = MAX_LINE) -> str:
    """``line`` with at most ``most`` characters."""
    return line if len(line) <= most else f"{line[: most - 3]}..."


def counted(number: int, noun: str) -> str:
    """``number`` and ``noun``, in the plural if there is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def joined(texts: Sequence[str], most: int) -> str:
    """``texts`` made printable, with semicolons between them, in ``most`` characters.

    If they do not fit, the longest ones are shortened in the middle to the same length, but not
    below 20 characters.
    """
    parts = [printable(text, len(text) * 10) for text in texts]
    room = most - 2 * (len(parts) - 1)
    fitting = (
        length
        for length in range(room, 20, -1)
        if sum(min(len(part), length) for part in parts) <= room
    )
    length = next(fitting, 20)
    return "; ".join(_without_middle(part, length) for part in parts)


def _without_middle(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = (most - 3) // 2
    return f"{text[: most - 3 - end]}...{text[-end:]}"


def quote(reply: Reply, most: int = QUOTED) -> str:
    """The text of ``reply``, printable, in at most ``most`` characters."""
    return printable(str(reply), most)

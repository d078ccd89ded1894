"""Foreign text made harmless, and how long a line and the whole output may be.

The one place where foreign text is made printable.  What a server says is read by Nagios, Icinga, a
shell and a tired person, and must not be able to speak to any of them.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocol.reply import Reply

#: Most characters of the first line after name and state, which have fewer than 30.
MAX_LINE = 270
#: Longest quotation of a server's reply in the first line.
QUOTED = 160
#: Most bytes of output below -vv, as the guidelines of the plugins have it.
MAX_OUTPUT = 4096

# The bar begins perfdata, angle brackets turn Icinga Web's output into HTML, the dollar and the
# backtick mean something to Nagios' macros and to a shell.
_FORBIDDEN = str.maketrans(
    {
        **{chr(code): f"/x{code:02x}" for code in (*range(0x20), 0x7F)},
        **dict.fromkeys("\t\r\n\v\f", " "),
        "|": "/",
        "<": "[",
        ">": "]",
        "`": "'",
        "$": "/x24",
    }
)


def printable(text: str, most: int) -> str:
    r"""``text`` as one line of harmless ASCII with at most ``most`` characters.

    What can't be shown becomes ``/x1b`` or ``/u202e``.  With a backslash it would come to life
    again: Nagios and Icinga 2 send their mails, and Nagios writes its perfdata file, by
    ``printf %b``, and NSCA makes a line end of ``\n``.
    """
    text = " ".join(filter(None, text.strip().translate(_FORBIDDEN).split(" ")))
    text = text.encode("ascii", "backslashreplace").decode("ascii").replace("\\", "/")
    return shorten(text, most)


def bounded(output: str) -> str:
    """``output`` without its last lines if it is too long; the perfdata stay whole."""
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


def quote(reply: Reply, most: int = QUOTED) -> str:
    """The server's words."""
    return printable(str(reply), most)

"""``--extra-opts``: options from an ini file, as in all monitoring-plugins (parse_ini.c).

``--extra-opts[=[SECTION][@FILE]]`` is replaced by the options in SECTION of FILE.  The default
section has the plugin's name; the default file is the first that exists of those that
monitoring-plugins read; ``-`` is standard input.  The options are put in front of the command line,
so the command line overrides them.
"""

from __future__ import annotations

import os

from ..record import TYPE_CHECKING
from .words import EXTRA_OPTS, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    #: Reads a descriptor to its end: its number, seconds of patience, maximum number of bytes.
    ReadToEnd = Callable[[int, float, int], bytes]

#: Names of the file in the directories of ``NAGIOS_CONFIG_PATH``.
_NAMES = ("monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini")
#: Files that are tried after them, in this order.
_FILES = (
    "/usr/local/etc/monitoring-plugins/monitoring-plugins.ini",
    "/usr/local/etc/monitoring-plugins.ini",
    "/etc/monitoring-plugins/monitoring-plugins.ini",
    "/etc/monitoring-plugins.ini",
    "/etc/nagios/plugins.ini",
    "/usr/local/nagios/etc/plugins.ini",
    "/usr/local/etc/nagios/plugins.ini",
    "/etc/opt/nagios/plugins.ini",
    "/etc/nagios-plugins.ini",
    "/usr/local/etc/nagios-plugins.ini",
    "/etc/opt/nagios-plugins.ini",
)
#: Seconds until standard input must have ended, and its maximum size in bytes.
_PATIENCE = 5
_MAX_SIZE = 1 << 20


def expand(
    argv: Sequence[str],
    program: str,
    environment: Mapping[str, str],
    long_forms: Mapping[str, str],
    read_to_end: ReadToEnd,
) -> list[str]:
    """``argv`` with the options of the files in place of ``--extra-opts``.

    :param program: name of the default section
    :param long_forms: long form of each flag: ``--port`` of ``-p``
    :param read_to_end: reads standard input, which the caller may leave open and never write to
    :raises ValueError: there is no such file or section, or the file is not an ini file
    """
    options: list[str] = []
    rest: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if flag != EXTRA_OPTS:
            rest.append(word)
            continue
        if not equals and words and not words[0].startswith("-"):
            equals, value = "=", words.pop(0)
        if equals and not value:
            continue  # An unset macro of Nagios or Icinga counts as not given.
        section, _, path = value.partition("@")
        lines = _read(path or _default_file(environment), section or program, read_to_end)
        options += [_word(line, long_forms) for line in lines]
    return options + rest


def _default_file(environment: Mapping[str, str]) -> str:
    """The file to read when none is named."""
    if environment.get("MP_CONFIG_FILE"):
        return environment["MP_CONFIG_FILE"]
    directories = environment.get("NAGIOS_CONFIG_PATH", "").split(":")
    candidates = [
        f"{directory}/{name}" for directory in directories if directory for name in _NAMES
    ]
    for path in (*candidates, *_FILES):
        # Even if it can't be read: to take the options of another file silently would be worse.
        if os.path.exists(path):
            return path
    raise ValueError(f"{EXTRA_OPTS}: no config file in any standard location")


def _read(path: str, section: str, read_to_end: ReadToEnd) -> list[str]:
    """The lines of a section; the path ``-`` is standard input.

    :raises ValueError: see :func:`expand`
    """
    where = "standard input" if path == "-" else path
    try:
        data = read_to_end(0, _PATIENCE, _MAX_SIZE) if path == "-" else _file(path)
    except OSError as error:
        raise ValueError(f"{EXTRA_OPTS}: {where} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{EXTRA_OPTS}: {where} {error}") from None
    text = data.decode("utf-8", "surrogateescape")
    options: list[str] = []
    inside = found = begun = False
    for line in map(str.strip, text.replace("\r", "\n").split("\n")):
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            inside = line[1:].partition("]")[0].strip() == section
            found, begun = found or inside, True
        elif inside:
            options.append(line)
        elif not begun:
            raise ValueError(f"{EXTRA_OPTS}: {where} has an option outside of any section")
    if not found:
        raise ValueError(f"{EXTRA_OPTS}: {where} has no section [{section}]")
    return options


def _file(path: str) -> bytes:
    with open(readable(path), "rb") as file:
        return file.read()


def _word(line: str, long_forms: Mapping[str, str]) -> str:
    """``name = value`` or ``name`` as an option; the value may be in quotes.

    The result is one word, so that a name without a value does not take the next option as one.
    """
    name, _, value = (part.strip() for part in line.partition("="))
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    flag = f"-{name}" if len(name) == 1 else f"--{name}"
    return f"{long_forms.get(flag, flag)}={value}"

"""``--extra-opts``: options from an ini file, as all monitoring-plugins have it (parse_ini.c).

``--extra-opts[=[SECTION][@FILE]]`` stands for the options of a section (the plugin's name if none
is named) of the file named (a hyphen is standard input), or of the first found where
monitoring-plugins look.  They are put in front of the command line, so what is given there wins.
"""

from __future__ import annotations

import os

from .record import TYPE_CHECKING
from .values import EXTRA_OPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Names looked for in the directories of ``NAGIOS_CONFIG_PATH``.
_NAMES = ("monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini")
#: Files looked for then.
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


def expand(
    argv: Sequence[str],
    program: str,
    environment: Mapping[str, str],
    long_forms: Mapping[str, str],
) -> list[str]:
    """``argv`` with the options of the files instead of ``--extra-opts``.

    :param program: name of the default section
    :param long_forms: flag to long form, for options that have both: ``-p`` to ``--port``
    :raises ValueError: no file, no such section, or a line that is none
    """
    found: list[str] = []
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
            continue  # An unset macro of Nagios or Icinga: not given.
        section, _, path = value.partition("@")
        lines = _read(path or _default_file(environment), section or program)
        found += [_word(line, long_forms) for line in lines]
    return found + rest


def _default_file(environment: Mapping[str, str]) -> str:
    """The file to read when none is named."""
    if environment.get("MP_CONFIG_FILE"):
        return environment["MP_CONFIG_FILE"]
    directories = environment.get("NAGIOS_CONFIG_PATH", "").split(":")
    candidates = [f"{each}/{name}" for each in directories if each for name in _NAMES]
    for path in (*candidates, *_FILES):
        # Be it unreadable: silently taking another one's options would be worse.
        if os.path.exists(path):  # noqa: PTH110 - pathlib costs 3 ms
            return path
    raise ValueError(f"{EXTRA_OPTS}: no config file in any standard location")


def _read(path: str, section: str) -> list[str]:
    """The lines of a section; a hyphen is standard input."""
    where = "standard input" if path == "-" else path
    try:
        source = 0 if path == "-" else path
        with open(source, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - pathlib costs 3 ms
            lines = [line.strip() for line in file]
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{EXTRA_OPTS}: {where} can't be read: {why}") from None
    chosen: list[str] = []
    inside = found = begun = False
    for line in lines:
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            inside = line[1:].partition("]")[0].strip() == section
            found, begun = found or inside, True
        elif inside:
            chosen.append(line)
        elif not begun:
            raise ValueError(f"{EXTRA_OPTS}: {where} has an option outside of any section")
    if not found:
        raise ValueError(f"{EXTRA_OPTS}: {where} has no section [{section}]")
    return chosen


def _word(line: str, long_forms: Mapping[str, str]) -> str:
    """``name = value`` or ``name`` as an option; a value may stand in quotes.

    Always in one word, because what has no value here must not take the next option for it.
    """
    name, _, value = (part.strip() for part in line.partition("="))
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    flag = f"-{name}" if len(name) == 1 else f"--{name}"
    return f"{long_forms.get(flag, flag)}={value}"

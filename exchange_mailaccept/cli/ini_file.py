"""``--extra-opts``: options from an ini file, as all monitoring-plugins have it (parse_ini.c).

``--extra-opts[=[SECTION][@FILE]]`` stands for the options of a section (the plugin's name if none
is named) of the file named (a hyphen is standard input), or of the first found where
monitoring-plugins look.  They are put in front of the command line, so what is given there wins.
"""

from __future__ import annotations

import os
import select
import time

from ..record import TYPE_CHECKING
from .words import EXTRA_OPTS, readable

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
#: Seconds within which standard input is to end, and most bytes of it.
_PATIENCE = 5
_MOST = 1 << 20


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
        if os.path.exists(path):
            return path
    raise ValueError(f"{EXTRA_OPTS}: no config file in any standard location")


def _read(path: str, section: str) -> list[str]:
    """The lines of a section; a hyphen is standard input."""
    where = "standard input" if path == "-" else path
    try:
        data = _standard_input() if path == "-" else _file(path)
    except OSError as error:
        raise ValueError(f"{EXTRA_OPTS}: {where} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{EXTRA_OPTS}: {where} {error}") from None
    text = data.decode("utf-8", "surrogateescape")
    chosen: list[str] = []
    inside = found = begun = False
    for line in map(str.strip, text.replace("\r", "\n").split("\n")):
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


def _file(path: str) -> bytes:
    with open(readable(path), "rb") as file:
        return file.read()


def _standard_input() -> bytes:
    """All that comes through standard input.

    It may be left open by whoever started us, and never say a word; no deadline is set yet.
    """
    arrivals = select.poll()
    arrivals.register(0, select.POLLIN)
    ends = time.monotonic() + _PATIENCE
    data = b""
    while (left := ends - time.monotonic()) > 0:
        if not arrivals.poll(left * 1000):
            continue
        some = os.read(0, 65_536)
        data += some
        if not some:
            return data
        if len(data) > _MOST:
            raise ValueError(f"has more than {_MOST} bytes")
    raise ValueError(f"did not end within {_PATIENCE}s")


def _word(line: str, long_forms: Mapping[str, str]) -> str:
    """``name = value`` or ``name`` as an option; a value may stand in quotes.

    Always in one word, because what has no value here must not take the next option for it.
    """
    name, _, value = (part.strip() for part in line.partition("="))
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    flag = f"-{name}" if len(name) == 1 else f"--{name}"
    return f"{long_forms.get(flag, flag)}={value}"

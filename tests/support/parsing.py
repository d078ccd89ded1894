"""A command line, read as the plugin reads it."""

from __future__ import annotations

from collections.abc import Sequence

from exchange_mailaccept import options
from exchange_mailaccept.cli import command_line
from exchange_mailaccept.cli.table import OPTIONS
from exchange_mailaccept.net.blocking_call import read_to_end
from exchange_mailaccept.options import Options

#: Every spelling of the options that take a value, but the one that is read before the others.
FLAGS_WITH_VALUE = [
    flag for option in OPTIONS if option.metavar for flag in option.flags if flag != "--extra-opts"
]


def parse(argv: Sequence[str], **environment: str) -> Options:
    """The options of ``argv`` in an environment in which nothing else is set."""
    return options.read(command_line.read(argv, read_to_end, environment))

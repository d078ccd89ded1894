"""The man page: made from the options, and rendered without a warning."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from support.programs import PATIENCE, find_program

from exchange_mailaccept.cli.table import OPTIONS
from tools import pages

#: A program that renders or checks the page, its package, and its arguments.
RENDERERS = {
    "man": ("man-db", ("--warnings=all", "-E", "UTF-8", "-l")),
    "groff": ("groff-base", ("-man", "-ww", "-T", "utf8")),
    "mandoc": ("mandoc", ("-T", "lint", "-W", "warning")),
}


def run(name: str) -> subprocess.CompletedProcess[str]:
    package, arguments = RENDERERS[name]
    return subprocess.run(
        [find_program(name, package), *arguments, str(pages.MAN_PAGE)],
        # A width that is known, and no pager.
        env={**os.environ, "MANWIDTH": "80", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", RENDERERS)
def test_no_warning(name):
    done = run(name)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_option_is_shown():
    page = run("man").stdout
    options = page.partition("\nOPTIONS\n")[2].partition("\nEXIT STATUS\n")[0]
    shown = re.findall(r"^ {7}(-.*)$", options, re.MULTILINE)
    expected = [f"{', '.join(option.flags)} {option.metavar}".rstrip() for option in OPTIONS]
    # Behind a short one its meaning begins on the same line.
    assert len(shown) == len(expected)
    assert [line[: len(option)] for line, option in zip(shown, expected)] == expected


def test_no_line_is_too_long_for_a_terminal():
    assert [line for line in run("man").stdout.splitlines() if len(line) > 80] == []

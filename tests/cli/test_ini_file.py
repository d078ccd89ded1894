"""``--extra-opts``: which file and section are found, and what becomes of their lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.parsing import parse
from support.plugin import run_plugin

from exchange_mailaccept.cli import ini_file
from exchange_mailaccept.net.blocking_call import read_to_end
from exchange_mailaccept.vocabulary import Tls

PROGRAM = "check_exchange_mailaccept"
LONG_FORMS = {"-p": "--port", "--port": "--port", "-v": "--verbose"}


def expand(*argv: str, **environment: str) -> list[str]:
    return ini_file.expand(argv, PROGRAM, environment, LONG_FORMS, read_to_end)


@pytest.fixture
def write(tmp_path):
    """Write an ini file; its name."""

    def made(text: str, name: str = "plugins.ini") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return made


# Which section.

INI = """\
# a comment
; another one

[check_exchange_mailaccept]
hostname = default.example
[ spaced  ]
hostname=spaced.example
[two words]
hostname=words.example
[check_exchange]
hostname=shorter.example
[empty]
[again]
hostname=first.example
[between]
hostname=between.example
[again]
port=587
"""
DEFAULT, SPACED = "--hostname=default.example", "--hostname=spaced.example"
AGAIN = ["--hostname=first.example", "--port=587"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--extra-opts=@{ini}"], [DEFAULT]),
        (["--extra-opts=spaced@{ini}"], [SPACED]),
        (["--extra-opts=two words@{ini}"], ["--hostname=words.example"]),
        (["--extra-opts=check_exchange@{ini}"], ["--hostname=shorter.example"]),
        (["--extra-opts=empty@{ini}"], []),
        (["--extra-opts=again@{ini}"], AGAIN),
        # As an argument of its own, too.
        (["--extra-opts", "spaced@{ini}"], [SPACED]),
        (["--extra-opts=spaced@{ini}", "--extra-opts=again@{ini}"], [SPACED, *AGAIN]),
        # The default file; an option behind it is no section.
        (["--extra-opts"], [DEFAULT]),
        (["--extra-opts=spaced"], [SPACED]),
        (["--extra-opts", "-v"], [DEFAULT, "-v"]),
        (["--extra-opts", "--starttls"], [DEFAULT, "--starttls"]),
        (["--extra-opts", "-"], [DEFAULT, "-"]),
        # All of it comes before the other words.
        (["-p", "26", "--extra-opts=@{ini}", "-v"], [DEFAULT, "-p", "26", "-v"]),
        # An unset macro of Nagios or Icinga.
        (["--extra-opts=", "-v"], ["-v"]),
        (["--extra-opts", "", "-v"], ["-v"]),
    ],
)
def test_the_section_is_found(write, argv, expected):
    ini = write(INI)
    assert expand(*(word.format(ini=ini) for word in argv), MP_CONFIG_FILE=ini) == expected


@pytest.mark.parametrize("name", ["absent", "check_exchange_mail", "Spaced", "two", "words"])
def test_a_section_that_is_missing(write, name):
    ini = write(INI)
    with pytest.raises(ValueError, match=rf"has no section \[{name}\]"):
        expand(f"--extra-opts={name}@{ini}")


def test_a_line_outside_of_any_section_is_a_mistake(write):
    ini = write(f"hostname=a.example\n{INI}")
    with pytest.raises(ValueError, match="has an option outside of any section"):
        expand(f"--extra-opts=@{ini}")


# Which file.

NAMES = ("monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini")


def section(host: str) -> str:
    return f"[{PROGRAM}]\nhostname={host}\n"


def test_the_file_is_looked_for_in_the_directories_of_a_variable(write, tmp_path):
    """In each by all its names, before the next."""
    places = [f"{directory}/{name}" for directory in ("b", "c") for name in NAMES]
    for place in places:
        write(section(place), place)
    path = ":".join(("", f"{tmp_path}/a", f"{tmp_path}/b", "", f"{tmp_path}/c"))
    for place in places:
        assert expand("--extra-opts", NAGIOS_CONFIG_PATH=path) == [f"--hostname={place}"]
        (tmp_path / place).unlink()


def test_a_file_in_argv_comes_before_those_of_variables(write, tmp_path):
    write(section("directory.example"))
    both = {
        "MP_CONFIG_FILE": write(section("file.example"), "here.ini"),
        "NAGIOS_CONFIG_PATH": str(tmp_path),
    }
    assert expand("--extra-opts", **both) == ["--hostname=file.example"]
    named = write(section("named.example"), "named.ini")
    assert expand(f"--extra-opts=@{named}", **both) == ["--hostname=named.example"]


def test_the_places_of_monitoring_plugins_are_known():
    """In the order of their ``parse_ini.c``, the newer names first."""
    assert ini_file._FILES == (
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


def test_a_file_that_is_found_and_can_not_be_read(tmp_path, write):
    """Is a mistake: the options of another file would be others."""
    (tmp_path / "a" / "plugins.ini").mkdir(parents=True)
    write(section("b.example"), "b/plugins.ini")
    with pytest.raises(ValueError, match=r"a/plugins\.ini can't be read: it is not a regular file"):
        expand("--extra-opts", NAGIOS_CONFIG_PATH=f"{tmp_path}/a:{tmp_path}/b")


# Standard input.


def test_a_hyphen_is_standard_input(write):
    with Path(write(f"[{PROGRAM}]\r\nuntil=nowhere\r\n")).open() as file:
        run = run_plugin("--extra-opts=@-", stdin=file)
    assert (run.exit_code, run.stderr) == (3, "")
    assert run.stdout.startswith("MAILACCEPT UNKNOWN - --until nowhere: ")


@pytest.mark.parametrize(
    ("option", "stdin", "mode", "why"),
    [
        ("absent@{ini}", os.devnull, os.O_RDONLY, "{ini} has no section [absent]"),
        # A FIFO would keep the plugin waiting for a writer, with no deadline set yet.
        ("@{fifo}", os.devnull, os.O_RDONLY, "{fifo} can't be read: it is not a regular file"),
        ("@-", os.devnull, os.O_RDONLY, f"standard input has no section [{PROGRAM}]"),
        ("@-", os.devnull, os.O_WRONLY, "standard input can't be read: Bad file descriptor"),
        # What never ends is not taken in for as long as it goes on.
        ("@-", "/dev/zero", os.O_RDONLY, "standard input has more than 1048576 bytes"),
        ("@-", "{fifo}", os.O_RDWR, "standard input did not end within 5s"),
    ],
)
def test_options_that_can_not_be_read(write, tmp_path, option, stdin, mode, why):
    places = {"ini": write(INI), "fifo": f"{tmp_path}/fifo"}
    os.mkfifo(places["fifo"])
    descriptor = os.open(stdin.format(**places), mode)
    try:
        options = f"--extra-opts={option}".format(**places)
        run = run_plugin(options, "-d", "contoso.com", stdin=descriptor)
    finally:
        os.close(descriptor)
    said = f"--extra-opts: {why.format(**places)} (see check_exchange_mailaccept --help)"
    assert tuple(run) == (3, f"MAILACCEPT UNKNOWN - {said}\n", "")


# What becomes of a line.


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("port=25", "--port=25"),
        ("  port \t=  25  ", "--port=25"),
        ("p = 25", "--port=25"),
        ("p =", "--port="),
        ("p", "--port="),
        ("verbose=", "--verbose="),
        ("v", "--verbose="),
        ("x = 1", "-x=1"),
        ("header = X-A: a = b", "--header=X-A: a = b"),
        ('subject = "  padded "', "--subject=  padded "),
        ("subject = 'a'", "--subject=a"),
        ("subject = '", "--subject='"),
        ("subject = \"a'", "--subject=\"a'"),
        ("subject = a # b", "--subject=a # b"),
        ("hostname=caf\u00e9.example", "--hostname=caf\u00e9.example"),
        # It reads no other file.
        ("extra-opts=@/nonexistent", "--extra-opts=@/nonexistent"),
    ],
)
def test_a_line_becomes_a_word(write, line, word):
    for end in ("\n", "\r\n", "\r", ""):
        ini = write(f"[{PROGRAM}]{end or chr(10)}{line}{end}")
        assert expand(f"--extra-opts=@{ini}") == [word]


def test_a_switch_keeps_its_equals_sign(write):
    """As monitoring-plugins want it; an option with an empty value is not given."""
    ini = write(
        f"[{PROGRAM}]\nhostname=192.0.2.1\nrecipient=a@b.example\nport=\nstarttls=\nv=\nv=\n"
    )
    read = parse([f"--extra-opts=@{ini}"])
    assert (read.target.port, read.probe.tls, read.limits.verbosity) == (25, Tls.STARTTLS, 2)


@pytest.mark.parametrize("line", ["H =", "hostname", "w = ''", "warning="])
def test_an_option_without_a_value_takes_no_other(write, line):
    """Neither the line below it nor, as the last one, the command line."""
    ini = write(f"[{PROGRAM}]\n{line}\nd = two.example\n[last]\nd = two.example\n{line}\n")
    expected = parse(["-d", "two.example", "-p", "26"])
    for name in ("", "last"):
        assert parse([f"--extra-opts={name}@{ini}", "-p", "26"]) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_words_or_a_mistake(tmp_path_factory, rubbish):
    path = tmp_path_factory.getbasetemp() / "rubbish.ini"
    path.write_bytes(f"[{PROGRAM}]\n".encode() + rubbish)
    try:
        options = expand(f"--extra-opts=@{path}")
    except ValueError:
        return
    assert all(option.startswith("-") for option in options)

"""``--extra-opts``: which file and section are found, and what becomes of their lines."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.parsing import parse
from support.plugin import PLUGIN, PluginRun, run_plugin
from support.smtp import PATIENCE

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


@pytest.mark.parametrize(
    ("option", "found"),
    [
        (["--extra-opts=@{ini}"], ["--hostname=default.example"]),
        (["--extra-opts=spaced@{ini}"], ["--hostname=spaced.example"]),
        (["--extra-opts=two words@{ini}"], ["--hostname=words.example"]),
        (["--extra-opts=check_exchange@{ini}"], ["--hostname=shorter.example"]),
        (["--extra-opts=empty@{ini}"], []),
        (["--extra-opts=again@{ini}"], ["--hostname=first.example", "--port=587"]),
        # As an argument of its own, too.
        (["--extra-opts", "spaced@{ini}"], ["--hostname=spaced.example"]),
        (["--extra-opts", "@{ini}"], ["--hostname=default.example"]),
        (
            ["--extra-opts=spaced@{ini}", "--extra-opts=again@{ini}"],
            ["--hostname=spaced.example", "--hostname=first.example", "--port=587"],
        ),
    ],
)
def test_the_section_is_found(write, option, found):
    ini = write(INI)
    assert expand(*(each.format(ini=ini) for each in option)) == found


@pytest.mark.parametrize("after", ["-v", "--starttls", "-"])
def test_an_option_after_it_is_no_section(write, after):
    ini = write(INI)
    assert expand("--extra-opts", after, MP_CONFIG_FILE=ini) == [
        "--hostname=default.example", after
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["absent", "check_exchange_mail", "Spaced", "two", "words"])
def test_a_section_that_is_missing(write, name):
    ini = write(INI)
    with pytest.raises(ValueError, match=rf"has no section \[{name}\]"):
        expand(f"--extra-opts={name}@{ini}")


def test_a_section_that_is_missing_is_unknown(write, plugin):
    """As Nagios sees it."""
    ini = write(INI)
    run = plugin(f"--extra-opts=absent@{ini}", "-H", "192.0.2.1", "-r", "a@contoso.com")
    assert (run.exit_code, run.stdout, run.stderr) == (
        3,
        f"MAILACCEPT UNKNOWN - --extra-opts: {ini} has no section [absent] (see"
        " check_exchange_mailaccept --help)\n",
        "",
    )


def test_a_hyphen_is_standard_input(write):
    ini = write(f"[{PROGRAM}]\nuntil=nowhere\n")
    with open(ini, encoding="ascii") as file:  # noqa: PTH123 its descriptor is to be inherited
        run = run_plugin("--extra-opts=@-", "-H", "192.0.2.1", "-r", "a@b.example", stdin=file)
    assert run.exit_code == 3
    assert run.stdout.startswith("MAILACCEPT UNKNOWN - --until nowhere: ")
    run = run_plugin("--extra-opts=@-", "-H", "192.0.2.1", "-r", "a@b.example")
    assert run.stdout.startswith(
        f"MAILACCEPT UNKNOWN - --extra-opts: standard input has no section [{PROGRAM}] (see "
    )


def refused(run: PluginRun, why: str) -> None:
    """What is said of the source of the options, in one line."""
    hint = "(see check_exchange_mailaccept --help)"
    assert tuple(run) == (3, f"MAILACCEPT UNKNOWN - --extra-opts: {why} {hint}\n", "")


def test_standard_input_that_says_nothing():
    reading, writing = os.pipe()
    try:
        run = run_plugin("--extra-opts=@-", "-d", "contoso.com", stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)
    refused(run, "standard input did not end within 5s")


def test_standard_input_without_an_end():
    """What never ends is not taken in for as long as it goes on."""
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123 its descriptor is to be inherited
        run = run_plugin("--extra-opts=@-", "-d", "contoso.com", stdin=endless)
    refused(run, "standard input has more than 1048576 bytes")


def test_standard_input_that_can_not_be_read():
    """It can only be written to."""
    with open(os.devnull, "wb") as sink:  # noqa: PTH123 its descriptor is to be inherited
        run = run_plugin("--extra-opts=@-", "-d", "contoso.com", stdin=sink)
    refused(run, "standard input can't be read: Bad file descriptor")


def test_standard_input_in_pieces():
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(PLUGIN), "--extra-opts=@-"],
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(reading)
    for piece in (f"[{PROGRAM}]\r\nunt", "il=no", "where\r\n"):
        os.write(writing, piece.encode("ascii"))
    os.close(writing)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (3, b"")
    assert output.startswith(b"MAILACCEPT UNKNOWN - --until nowhere: ")


# Which file.

NAMES = ("monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini")


def section(host: str) -> str:
    return f"[{PROGRAM}]\nhostname={host}\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_looked_for_in_the_directories_of_a_variable(write, tmp_path, name):
    for directory in ("b", "c"):
        write(section(f"{directory}.example"), f"{directory}/{name}")
    path = ":".join(("", f"{tmp_path}/a", f"{tmp_path}/b", "", f"{tmp_path}/c"))
    assert expand("--extra-opts", NAGIOS_CONFIG_PATH=path) == ["--hostname=b.example"]


def test_the_names_have_their_order(write, tmp_path):
    for name in reversed(NAMES):
        write(section(f"{name}.example"), f"a/{name}")
    write(section("other.example"), "b/monitoring-plugins.ini")
    for name in NAMES:
        found = expand("--extra-opts", NAGIOS_CONFIG_PATH=f"{tmp_path}/a:{tmp_path}/b")
        assert found == [f"--hostname={name}.example"]
        (tmp_path / "a" / name).unlink()


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
    with pytest.raises(ValueError, match=r"a/plugins\.ini can't be read: it is no regular file"):
        expand("--extra-opts", NAGIOS_CONFIG_PATH=f"{tmp_path}/a:{tmp_path}/b")


def test_a_file_that_waits_for_a_writer(tmp_path):
    """A FIFO would keep the plugin waiting, with no deadline set yet."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    run = run_plugin(f"--extra-opts=@{fifo}", "-d", "contoso.com")
    refused(run, f"{fifo} can't be read: it is no regular file")


# What becomes of a line.


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("port=25", "--port=25"),
        ("  port \t=  25  ", "--port=25"),
        ("p=25", "--port=25"),
        ("p = 25", "--port=25"),
        ("p =", "--port="),
        ("p", "--port="),
        ("verbose", "--verbose="),
        ("verbose=", "--verbose="),
        ("v", "--verbose="),
        ("v =", "--verbose="),
        ("x = 1", "-x=1"),
        ("header = X-A: a = b", "--header=X-A: a = b"),
        ('subject = "  padded "', "--subject=  padded "),
        ("subject = 'a'", "--subject=a"),
        ("subject = '", "--subject='"),
        ("subject = \"a'", "--subject=\"a'"),
        ("subject = a # b", "--subject=a # b"),
        ("hostname=caf\u00e9.example", "--hostname=caf\u00e9.example"),
    ],
)
def test_a_line_becomes_a_word(write, line, word):
    for end in ("\n", "\r\n", ""):
        ini = write(f"[{PROGRAM}]{end or chr(10)}{line}{end}")
        assert expand(f"--extra-opts=@{ini}") == [word]


def test_a_switch_keeps_its_equals_sign(write):
    """As monitoring-plugins want it; an option with an empty value is not given."""
    ini = write(
        f"[{PROGRAM}]\nhostname=192.0.2.1\nrecipient=a@b.example\nport=\nstarttls=\nv=\nv=\n"
    )
    chosen = parse([f"--extra-opts=@{ini}"])
    assert (chosen.target.port, chosen.probe.tls, chosen.limits.verbosity) == (25, Tls.STARTTLS, 2)


@pytest.mark.parametrize("name", ["H", "hostname", "w", "warning"])
@pytest.mark.parametrize("empty", ["{} =", "{}=", "{} = ''", "{}"])
def test_an_option_without_a_value_takes_no_other(write, name, empty):
    """Neither the line below it nor, as the last one, the command line."""
    line = empty.format(name)
    ini = write(f"[{PROGRAM}]\n{line}\nd = two.example\n[last]\nd = two.example\n{line}\n")
    expected = parse(["-d", "two.example", "-p", "26"])
    for section in ("", "last"):
        assert parse([f"--extra-opts={section}@{ini}", "-p", "26"]) == expected


def test_a_file_in_argv_comes_before_those_of_variables(write, tmp_path):
    both = {
        "MP_CONFIG_FILE": write(section("file.example"), "here.ini"),
        "NAGIOS_CONFIG_PATH": str(tmp_path),
    }
    write(section("directory.example"))
    assert expand("--extra-opts", **both) == ["--hostname=file.example"]
    named = write(section("named.example"), "named.ini")
    assert expand(f"--extra-opts=@{named}", **both) == ["--hostname=named.example"]
    with pytest.raises(ValueError, match="has no section"):
        expand("--extra-opts=absent", NAGIOS_CONFIG_PATH=str(tmp_path))


def test_the_words_come_before_the_others(write):
    ini = write(f"[{PROGRAM}]\nport=25\n")
    assert expand("-p", "26", f"--extra-opts=@{ini}", "-v") == ["--port=25", "-p", "26", "-v"]


def test_a_line_outside_of_any_section_is_a_mistake(write):
    ini = write("hostname=a.example\n[check_exchange_mailaccept]\nport=25\n")
    with pytest.raises(ValueError, match="has an option outside of any section"):
        expand(f"--extra-opts=@{ini}")


@pytest.mark.parametrize("argv", [["--extra-opts="], ["--extra-opts", ""]])
def test_an_empty_value_is_not_given(argv):
    """An unset macro of Nagios or Icinga."""
    assert expand(*argv, "-v", MP_CONFIG_FILE="/nonexistent") == ["-v"]


def test_an_option_in_a_file_reads_no_other_file(write):
    ini = write(f"[{PROGRAM}]\nextra-opts=@/nonexistent\n")
    assert expand(f"--extra-opts=@{ini}") == ["--extra-opts=@/nonexistent"]


@given(
    st.lists(st.text("-=@a\u00e9 ", max_size=12).filter(lambda word: word[:12] != "--extra-opts"))
)
def test_all_else_stays_as_it_is(argv):
    assert expand(*argv) == argv


@given(st.binary(max_size=200))
def test_any_bytes_are_words_or_a_mistake(tmp_path_factory, rubbish):
    path = tmp_path_factory.getbasetemp() / "rubbish.ini"
    path.write_bytes(f"[{PROGRAM}]\n".encode() + rubbish)
    try:
        found = expand(f"--extra-opts=@{path}")
    except ValueError:
        return
    assert all(word.startswith("-") for word in found)

"""Nothing that a server, a name server or a certificate says can be more than words.

The properties hold for whatever comes, at whatever stage: what is printed is one result with one
part of perfdata to Nagios, Icinga and Icinga Web, and none of them finds more in it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.certificates import Authority
from support.names import NameServer
from support.plugin import ALL, BANNER, PluginRun, perfdata
from support.scripts import Servers
from support.smtp import Talk

# Hundreds of runs are one test here.
pytestmark = pytest.mark.timeout(900)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
STAGES = ("banner", "ehlo", "mail", "rcpt", "data", "message", "quit")
HEALTHY = (BANNER, *(reply for _, reply in ALL))
#: What somebody might be moved by: Nagios, Icinga Web, a shell, a terminal, a graph.
SPELLS = (
    # perfdata, a second status line, commands to Nagios
    b"|", b"| rta=1s;;;", b"' x'=1", b"::", b";", b"\nMAILACCEPT OK - fine", b"a | b=1",
    b"[1700000000] PROCESS_SERVICE_CHECK_RESULT;a;b;0;fine",
    # markup, macros, shells and templates
    b"<b onclick=x>", b"</pre>", b"&lt;", b"`id`", b"$(id)", b"$HOME", b"$USER1$", b"%n", b"{{7}}",
    # escapes, as they are and as somebody may read them
    b"\\n", b"\\x0a", b"\\044", b"\\u202e", b"\n", b"\r", b"\x1b[2J", b"\x9b31m", b"\xc2\x85",
    b"\0",
    # UTF-8: line and paragraph separator, bidi, byte order mark, no UTF-8 at all
    b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xc0\x8a",
    b"\xed\xa0\x80",
    # what the plugin itself looks for
    b"5.7.57 SMTP; ", b"[InternalId=1, Hostname=<x>|]", b"AUTH LOGIN|", b"STARTTLS", b"SIZE 1|2",
    b"x" * 300,
)  # fmt: skip
ANYTHING = st.lists(st.one_of(st.sampled_from(SPELLS), st.binary(max_size=12)), max_size=6).map(
    b"".join
)
MANY = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_one_result(run: PluginRun, verbosity: str = "") -> None:
    """What each of those who read the output makes of it."""
    assert run.stderr == ""
    assert 0 <= run.exit_code <= 3
    # ASCII and line ends, and nothing that a browser, a macro, a shell or printf %b would act upon.
    assert re.fullmatch(r"[\n -~]+\n", run.stdout)
    assert not set(run.stdout) & set("<>`$\\")
    first, *others = run.stdout.rstrip("\n").split("\n")
    assert first.startswith(f"MAILACCEPT {STATES[run.exit_code]} - ")
    assert len(first.partition(" | ")[0]) < 300
    assert [line for line in others if line.startswith("MAILACCEPT")] == []
    # A bar, and behind it nothing but perfdata that follow the grammar.
    labels = set(perfdata(run))
    assert "total" in labels
    assert all(re.fullmatch("[a-z]+", label) for label in labels)
    if verbosity in ("", "-v"):
        assert len(run.stdout) <= 4096


@pytest.fixture(scope="module")
def peers() -> Iterator[Servers]:
    """Servers that end with the module; how the client leaves them is left open."""
    servers = Servers()
    yield servers
    servers.close()


class Says(NamedTuple):
    """A healthy session, but for what is said at one stage."""

    stage: int
    words: bytes

    def __call__(self, talk: Talk) -> None:
        for stage, reply in enumerate(HEALTHY):
            if stage and stage != STAGES.index("quit"):
                while stage == STAGES.index("message") and talk.line() != b".":
                    pass
                if stage != STAGES.index("message"):
                    talk.line()
            talk.tell(self.words if stage == self.stage else reply.replace(b"{ID}", b"<1@x>"))
        talk.wait()


def test_the_session_is_healthy_otherwise(plugin, peers):
    """Else the properties would be those of a broken session."""
    for stage, reply in enumerate(HEALTHY):
        run = plugin.against(peers(Says(stage, reply.replace(b"{ID}", b"<1@x>"))))
        assert run.exit_code == 0, run


def replies(stage: int, words: bytes, form: str) -> bytes:
    """Words as they are, or as a reply of one or more lines: this stage's own, or a refusal."""
    code = {"refused": b"550", "deferred": b"451"}.get(form, HEALTHY[stage][:3])
    if form == "raw":
        return words
    lines = words.split(b"\n") if form == "lines" else [words.replace(b"\n", b" ")]
    return b"".join(code + b"-" + line + b"\r\n" for line in lines) + code + b" end\r\n"


@MANY
@given(
    st.integers(0, len(STAGES) - 1),
    ANYTHING,
    st.sampled_from(["raw", "line", "lines", "refused", "deferred"]),
    st.sampled_from(["", "-v", "-vv"]),
)
@example(1, b"\n".join(SPELLS), "lines", "-v")
@example(3, b"".join(SPELLS), "refused", "-vv")
@example(1, b"\n".join([b"<x|>$`\\ \xff\x00" * 500] * 20), "lines", "")
def test_whatever_a_server_says(plugin, peers, stage, words, form, verbosity):
    """At every stage, as a reply or not, the output is one result."""
    said = replies(stage, words, form)
    if form == "raw" and not said.endswith(b"\n"):
        said += b"\r\n"
    more = [verbosity] if verbosity else []
    # So short only for what leaves a reply unfinished.
    run = plugin.against(peers(Says(stage, said)), "-t", "2", *more)
    is_one_result(run, verbosity)


class Called:
    """A domain whose one mail server has a name of any bytes."""

    target = dns.name.root
    how = "MX"

    def __call__(self, query: bytes, _tcp: bool) -> bytes:
        """By hand, since dnspython would not write what is no record."""
        asked = dns.message.from_wire(query).question[0]
        question = asked.name.to_wire() + struct.pack("!HH", asked.rdtype, 1)
        target = self.target.to_wire()
        rdtype, rdata = None, b""
        if asked.rdtype == dns.rdatatype.MX and self.how == "MX":
            rdtype, rdata = 15, b"\0\n" + target
        elif asked.rdtype == dns.rdatatype.MX and self.how == "CNAME":
            rdtype, rdata = 5, target
        elif asked.rdtype == dns.rdatatype.A:
            rdtype, rdata = 1, bytes([127, 0, 0, 1])
        answers = b""
        if rdtype is not None:
            answers = b"\xc0\x0c" + struct.pack("!HHIH", rdtype, 1, 60, len(rdata)) + rdata
        header = query[:2] + struct.pack("!HHHHH", 0x8580, 1, bool(answers), 0, 0)
        return header + question + answers


@pytest.fixture(scope="module")
def called() -> Iterator[tuple[Called, tuple[str, str]]]:
    """The domain, and the option that leads to its name server."""
    domain = Called()
    server = NameServer(domain)
    yield domain, server.option
    server.close()


# The name server reads every query with dnspython, and ends with what is none.
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@settings(MANY, max_examples=15)
@given(
    st.lists(ANYTHING.map(lambda words: words[:63]).filter(len), min_size=1, max_size=3),
    st.sampled_from(["MX", "CNAME"]),
    st.sampled_from([[], ["--all-mx"], ["--all-mx", "-v"], ["--until", "mx", "-v"], ["-vv"]]),
)
@example([b"a|b=1 'c", b"<x>"], "MX", ["--all-mx"])
@example([b"mail1", b"contoso", b"com\n"], "CNAME", ["-v"])
def test_whatever_a_mail_server_is_called(plugin, peers, called, labels, how, arguments):
    """DNS takes any byte in a name, and a name becomes a label of perfdata."""
    domain, name_server = called
    domain.target, domain.how = dns.name.Name([*labels, b""]), how
    server = peers(Says(0, b"554 No\r\n"))
    run = plugin(
        "-d", "contoso.com", "-F", "probe.client.example", "-p", str(server.port),
        *name_server, "-t", "2", *arguments,
    )  # fmt: skip
    assert run.stderr == ""
    assert re.fullmatch(r"[\n -~]+\n", run.stdout)
    assert not set(run.stdout) & set("<>`$\\")
    assert run.stdout.startswith(f"MAILACCEPT {STATES[run.exit_code]} - ")
    assert len(run.stdout) <= 4096 or "-vv" in arguments
    _, _, measured = run.stdout.rstrip("\n").partition("|")
    assert "|" not in measured
    for item in measured.split():
        assert re.fullmatch(r"('?)[A-Za-z0-9_-]+\1=[0-9.]+s?(;[^;= ]*){0,4}", item), item


@settings(MANY, max_examples=15)
@given(ANYTHING, ANYTHING, st.sampled_from(["", "-v", "-vv"]))
@example(b"".join(SPELLS[:12])[:60], b"a|b<x>\\n", "-v")
def test_whatever_a_certificate_says(plugin, peers, tmp_path_factory, subject, name, verbosity):
    """Its names are in the first line when it is about to expire."""
    authority = Authority(tmp_path_factory.mktemp("authority"), "Test CA")
    # At most 64 bytes, says X.520.
    common_name = subject.replace(b"\0", b" ").decode("utf-8", "replace").encode()[:64]
    alternative = name.decode("ascii", "ignore").replace("\0", "") or "y"
    certified = authority.issue(
        "z", f"dns:{alternative}", subject=common_name.decode("utf-8", "ignore") or "x", ends=5.5
    )
    context = certified.context()

    def play(talk: Talk) -> None:
        talk.secure(context)
        Says(0, BANNER)(talk)

    more = [verbosity] if verbosity else []
    run = plugin.against(peers(play), "-s", "-D", "30", *more)
    assert run.exit_code == 1, run
    is_one_result(run, verbosity)

"""What is given must not break out of its place: one line, UNKNOWN, and nothing on the wire."""

from __future__ import annotations

import re
import select
from collections.abc import Iterator

import pytest
from support.names import udp_and_tcp
from support.smtp import Talk

from exchange_mailaccept.cli.table import OPTIONS

UNKNOWN = 3
#: Line ends, and what some take for one.
LINE_ENDS = ("\r\n", "\r", "\n", "\0", "\x85", "\u2028", "\u2029")
#: CR and LF to whoever narrows characters to bytes; valid, and so sent as what they are.
NARROWED = ("\u010d\u010a", "\u560d\u560a")
DATA = "DATA"
#: No port, no number, or none that makes sense.
NUMBERS = (
    "-1", "nan", "inf", "-inf", "1e400", "0x19", "2_5", "+25", " 25", "25 ", "25\n", "\u0662\u0665",
    "\uff12\uff15", "9" * 5000, "--", "25;26", "1,5",
)  # fmt: skip
LONG = "x" * 70_000
HOSTS = (
    "a b", "a;b", "a|b", "-", "a..b", ".", "http://a", "a/b", "a@b", "[::1", "::1]", "1.2.3",
    "1.2.3.4.5", "256.1.1.1", "1.2.3.4:25", "fe80::1%", "\u0661.1.1.1", LONG,
    *(f"a{end}b" for end in LINE_ENDS),
)  # fmt: skip
ADDRESSES = (
    "a@b.example> NOTIFY=NEVER", "a@b.example> SIZE=1", "a@b.example>,<c@d.example",
    "a@b,c@d.example", "a@b.example c@d.example",
    "<a@b.example", "a@b@c.example", "@b.example", "a@", "a@-", "a\\", LONG,
    "a@b.example>\r\nRCPT TO:<c@d.example",
    *(f"a{end}{DATA}{end}@b.example" for end in LINE_ENDS),
    *(f"a@b{end}{DATA}.example" for end in LINE_ENDS),
)  # fmt: skip
TEXTS = (*(f"a{end}b" for end in LINE_ENDS), LONG)
RANGES = ("x", "1:2:3", "5:1", "@", "~", "1,5:2", "nan", "inf", "1e400", "rcpt=x", "nosuch=1",
          "rcpt=",
          "\u0661")  # fmt: skip
WORDS = ("nosuch", "a b", "a\r\nb", LONG)

#: Each option with what it must refuse.
REFUSED = {
    "-d": HOSTS,
    "-H": HOSTS,
    "-p": ("0", "65536", *NUMBERS),
    "-t": ("0", "-0", "0.0", *NUMBERS[:5], *NUMBERS[9:]),
    "--nameserver": (
        "nosuch",
        "1.1.1.1:0",
        "1.1.1.1:x",
        "[::1]:",
        "1.1.1.1 2.2.2.2",
        "1.1.1.1\n",
        LONG,
    ),
    "--expect-mx": ("*", "*.", "**.a", "a.*.b", "192.0.2.1", *HOSTS[:8]),
    "--source-address": ("nosuch", "1.1.1.1:25", "1.1.1.1\n", "\u0661.1.1.1", LONG),
    "-f": ADDRESSES,
    "-r": ADDRESSES,
    "--refuse": ADDRESSES,
    "-F": (
        *HOSTS[:3],
        "[127.0.0.1",
        "a>b",
        "a b",
        *(f"a{end}{DATA}" for end in LINE_ENDS),
    ),
    "--subject": TEXTS,
    "--header": ("X", "X a", ": a", "X Y: a", "\u00dc: a", *(f"X: {each}" for each in TEXTS)),
    "--profile": WORDS,
    "--require": (*WORDS[1:], "A\u560d\u560aB"),
    "--severity": ("x", "rcpt=", "=ok", "rcpt=fine", "999=ok", "rcpt=ok|"),
    "-w": RANGES,
    "-c": RANGES,
    "--until": WORDS,
    "--set": WORDS,
    "--connections": ("0", "16", *NUMBERS),
    "--parallel": ("0", *NUMBERS),
    "--tls-name": HOSTS[:2] + tuple(f"a{end}b" for end in LINE_ENDS),
    "--min-tls": ("1.1", "1", "1.4", *NUMBERS[:3]),
    "--ca-file": ("/nonexistent", "/", "/dev/null", "a\nb"),
    "--client-cert": ("/nonexistent", "/", "/dev/null", "a\nb"),
    "--client-key": ("/nonexistent", "/"),
    "-D": ("x", "30,", ",7", "7,30,1", *NUMBERS[:5]),
    "-A": WORDS,
    "-U": TEXTS[:4],
    "--password-file": ("/nonexistent", "/", "a\nb"),
    "--token-file": ("/nonexistent", "/", "a\nb"),
    "--delivered": (
        *("mailbox", "pop3://a@b.example", "imaps://", "imaps://a@", "imaps://a:b@c.example"),
        *("imaps://a@b.example:99999", "imaps://a@b.example/%", "imaps://a@b.example/%zz"),
        *(f"imaps://a@{host}" for host in HOSTS[:3]),
        *(f"imaps://a@b.example/a{end}b" for end in LINE_ENDS),
    ),
    "--delivered-user": TEXTS[:4],
    "--delivered-password-file": ("/nonexistent", "/", "a\nb"),
    "--delivered-token-file": ("/nonexistent", "/", "a\nb"),
    "--extra-opts": ("nosuch@/nonexistent", "@/", "@/dev/null", "a\nb@/nonexistent"),
}
#: What an option needs beside it to be asked for its value at all.
BESIDES = {
    "--expect-mx": ("-d", "contoso.com"),
    "--set": ("--all-mx",),
    "--parallel": ("--all-mx",),
    "--tls-name": ("-S",),
    "--min-tls": ("-S",),
    "--ca-file": ("-S", "--verify"),
    "--client-cert": ("-S",),
    "--client-key": ("-S", "--client-cert", "/nonexistent"),
    "-D": ("-S",),
    "-A": ("-S", "-U", "probe"),
    "-U": ("-S", "-A", "login"),
    "--password-file": ("-S", "-A", "login", "-U", "probe"),
    "--token-file": ("-S", "-A", "xoauth2", "-U", "probe"),
}
CASES = [(option, value) for option, values in REFUSED.items() for value in values]


class Listening:
    """A mail server and a name server at one port number, who only notice that somebody comes."""

    def __init__(self) -> None:
        self._names, self._mail = udp_and_tcp()
        self.port: int = self._mail.getsockname()[1]

    @property
    def heard(self) -> bool:
        """Whether a packet has come; on the loopback it has as soon as it was sent."""
        return bool(select.select([self._mail, self._names], [], [], 0)[0])

    def close(self) -> None:
        """Both."""
        self._mail.close()
        self._names.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    """Servers that have heard nothing yet."""
    server = Listening()
    yield server
    server.close()


def target(option: str, server: Listening) -> list[str]:
    """What would bring a run to the servers, but for the option that is tested."""
    given = {
        "-H": "127.0.0.1",
        "-p": str(server.port),
        "-r": "postmaster@contoso.com",
        "-F": "probe.client.example",
        "--nameserver": f"127.0.0.1:{server.port}",
        "-t": "5",
    }
    if option in ("-d", "--expect-mx"):
        del given["-H"]
    return [word for name, value in given.items() if name != option for word in (name, value)]


@pytest.mark.parametrize(
    ("option", "value"),
    CASES,
    ids=[f"{option} {ascii(value)[1:-1][:40]}" for option, value in CASES],
)
def test_a_value_that_must_not_pass(plugin, listening, option, value):
    """With a name, a server and a name server that would answer."""
    word = f"{option}={value}" if option.startswith("--") else f"{option}{value}"
    words = [word] if option == "--extra-opts" else [option, value]
    if value.startswith("-") and len(words) == 2:
        words = [word]
    run = plugin(*target(option, listening), *BESIDES.get(option, ()), *words)
    assert (run.exit_code, run.stderr) == (UNKNOWN, ""), run
    assert re.fullmatch(r"MAILACCEPT UNKNOWN - [ -~]{1,278}\n", run.stdout), run
    assert not set(run.stdout) & set("|<>`$\\")
    assert not listening.heard


@pytest.mark.parametrize("ends", NARROWED)
@pytest.mark.parametrize("option", ["-r", "-f", "-F", "--subject", "--header"])
def test_characters_that_narrow_to_line_ends(plugin, serve, option, ends):
    """They go out in UTF-8, as A-labels or as encoded words: what is heard are our own commands."""
    value = {"-F": f"a{ends}VRFY", "--header": f"X: a{ends}VRFY"}.get(
        option, f"a{ends}VRFY@b.example"
    )
    replies = {b"EHLO": b"250-a\r\n250 SMTPUTF8\r\n", b"DATA": b"354 a\r\n"}
    heard: list[bytes] = []

    def play(talk: Talk) -> None:
        talk.tell(b"220 a\r\n")
        while (line := talk.line()) != b"QUIT":
            heard.append(line)
            inside = heard.count(b"DATA") and b"." not in heard
            talk.tell(b"" if inside and line != b"DATA" else replies.get(line[:4], b"250 a\r\n"))
        talk.tell(b"221 a\r\n")

    run = plugin.against(serve(play), "--profile", "none", option, value)
    assert run.stderr == ""
    commands = heard[: heard.index(b"DATA") + 1] if b"DATA" in heard else heard
    assert {line[:4] for line in commands} <= {b"EHLO", b"MAIL", b"RCPT", b"DATA"}
    assert not any(line.startswith(b"VRFY") or b"\r" in line for line in heard)


def test_the_servers_would_have_noticed(plugin):
    """Else it would say nothing that they have not."""
    for way in (["-H", "127.0.0.1", "-r", "a@contoso.com"], ["-d", "contoso.com"]):
        server = Listening()
        words = ["-p", str(server.port), "--nameserver", f"127.0.0.1:{server.port}", "-t", "0.5"]
        plugin(*way, *words, "-F", "probe.client.example")
        assert server.heard
        server.close()


def test_every_option_with_a_value_is_here():
    valued = {flag for each in OPTIONS if each.metavar for flag in each.flags[:1]}
    assert valued == set(REFUSED)

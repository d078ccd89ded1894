"""Command lines that are refused, and the whole text that is said of them.

What the value of an option may be is tested in ``test_words.py``.
"""

from __future__ import annotations

import pytest
from support.parsing import FLAGS_WITH_VALUE, parse

from exchange_mailaccept.cli.command_line import UsageError


def mistakes(*argv: str, **environment: str) -> str:
    """What is said of the mistakes in ``argv``, without the hint to the help."""
    with pytest.raises(UsageError) as caught:
        parse(argv, **environment)
    text, hint, end = str(caught.value).rpartition(" (see check_exchange_mailaccept --help)")
    assert (bool(hint), end) == (True, "")
    return text


TARGET_REQUIRED = "-d DOMAIN or -H HOST is required"
DOMAIN_REQUIRED = "-r ADDRESS with a domain, or -d DOMAIN, is required with -H"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-H", "", "-d", ""], TARGET_REQUIRED),
        (["-r", "a@b.example"], TARGET_REQUIRED),
        (["-H", "mail1"], DOMAIN_REQUIRED),
        (["-H", "mail1", "-r", ""], DOMAIN_REQUIRED),
        (["-H", "mail1", "-r", "x"], DOMAIN_REQUIRED),
        (["-H", "mail1", "-r", "a@b.example", "-r", "x"], DOMAIN_REQUIRED),
        # An option with a value that can't be used is not missing, too.
        (["-H", "-4", "-r", "a@b.example"],
         "-H -4: is not a name: no part of it may begin or end with a hyphen"),
        (["-d", "-4"], "-d -4: is not a name: no part of it may begin or end with a hyphen"),
        (["-H", "mail1", "-r", "a b@c.example"], "-r a b@c.example: is not a mail address"),
    ],
)  # fmt: skip
def test_a_target_and_a_recipient_are_required(argv, said):
    assert mistakes(*argv) == said


NEEDS_TLS = "needs -S, -s or --starttls-if-offered"
NOT_FOUND = "can't be read: No such file or directory"
CONTROL = "line ends and control characters are not allowed"

#: Options beside ``-d contoso.com``, and the whole text that is said of them.
MISTAKES: list[tuple[list[str], str]] = [
    # A value as it was typed, and what would be right.
    (["-p", "0"], "-p 0: must be a port from 1 to 65535"),
    (["--port=0"], "--port 0: must be a port from 1 to 65535"),
    (["-p=25"], "-p =25: must be a port from 1 to 65535"),
    (["-p", "--help"], "-p --help: must be a port from 1 to 65535"),
    (["-t", "nan"], "-t nan: must be a number above 0, up to 86400"),
    (["-d", "192.0.2.1"], "-d 192.0.2.1: must be a domain; a server is named with -H"),
    (["-H", "127.1"], "-H 127.1: is neither a name nor an IP address"),
    (["--source-address", "eth0"], "--source-address eth0: must be an IP address"),
    (["--nameserver", "ns1"], "--nameserver ns1: must be an IP address"),
    (["--expect-mx", "::1"], "--expect-mx ::1: must be a name, as MX records have"),
    (["-f", "a"], "-f a: must have a domain, or be <> for the null reverse-path"),
    (["-r", "a\r\nDATA@b.c"], "-r a\r\nDATA@b.c: is not a mail address"),
    (["--refuse", "<>"], "--refuse <>: is not a mail address"),
    (["-F", "[x]"], "-F [x]: must be an IP address"),
    (["--subject", "a\nb"], f"--subject a\nb: {CONTROL}"),
    (["--header", "To: a"], "--header To: a: To is set by the plugin itself"),
    (["-U", "a\r\nb", "-S", "-A", "login", "--password-file", "/"],
     f"-U a\r\nb: {CONTROL}; --password-file /: can't be read: it is not a regular file"),
    (["--require", "A B"], "--require A B: is not an EHLO keyword"),
    (["--severity", "rcpt"], "--severity rcpt: the state must be one of ok warning critical"
     " unknown"),
    (["-w", "x"], "-w x: 'x' is not a range ([@][start:][end], in seconds)"),
    (["-c", "-w"], "-c -w: '-w' is not a range ([@][start:][end], in seconds)"),
    (["--until", "quit"],
     "--until quit: must be one of mx connect banner ehlo starttls auth mail rcpt data message"),
    (["--profile", "2022"], "--profile 2022: must be one of auto exmfa 2000 2003 2007 2010 2013"
     " 2016 2019 se edge online submission none"),
    (["--all-mx", "--set", "best"], "--set best: must be one of worst any primary"),
    (["--all-mx", "--parallel", "0"], "--parallel 0: must be a number from 1 to 999"),
    (["--connections", "16"], "--connections 16: must be a number from 1 to 15"),
    (["-S", "--min-tls", "1.1"], "--min-tls 1.1: must be one of 1.2 1.3"),
    (["-S", "-D", "x"], "-D x: must be a number from 0 to 100000"),
    (["-S", "--tls-name", "127.1"], "--tls-name 127.1: is neither a name nor an IP address"),
    (["-S", "--verify", "--ca-file", "/n"], f"--ca-file /n: {NOT_FOUND}"),
    (["-S", "--client-cert", "/n", "--client-key", "/o"],
     f"--client-cert /n: {NOT_FOUND}; --client-key /o: {NOT_FOUND}"),
    (["--password-file", "/n"], f"--password-file /n: {NOT_FOUND}; --password-file needs --auth"),
    (["--token-file", "/n"], f"--token-file /n: {NOT_FOUND}; --token-file needs --auth"),
    (["-A", "gssapi"], "-A gssapi: must be one of auto xoauth2 ntlm plain login"),
    # Words that are no options.  Every user of the host could read a secret in the processes.
    (["x"], "unexpected argument 'x'"),
    (["-"], "unexpected argument '-'"),
    (["-vx"], "unknown option -x"),
    (["-\u00fc"], "unknown option -\u00fc"),
    (["-P"], "unknown option -P"),
    (["--password"], "unknown option --password"),
    (["--nonsense=5"], "unknown option --nonsense"),
    (["--"], "unknown option --"),
    (["--Port=25"], "unknown option --Port"),
    # No abbreviations: an option that comes later must not change what a command line means.
    (["--host=mail1"], "unknown option --host"),
    (["--verb"], "unknown option --verb"),
    (["--ipv4=1"], "--ipv4 takes no value"),
    (["--help=1"], "--help takes no value"),
    # Addresses that exclude each other.
    (["-46"], "-4 and -6 exclude each other"),
    (["-4", "-H", "::1"], "-H ::1 is not an IPv4 address"),
    (["-6", "-H", "192.0.2.1"], "-H 192.0.2.1 is not an IPv6 address"),
    (["-4", "--source-address", "::1"], "--source-address ::1 is not an IPv4 address"),
    (["-6", "--source-address", "192.0.2.1"], "--source-address 192.0.2.1 is not an IPv6 address"),
    # What would have no effect, or can't be.
    (["--connections", "2", "--until", "mx"],
     "--connections needs --until connect or a later stage"),
    (["-H", "mail1", "--expect-mx", "mail1.contoso.com"], "--expect-mx needs -d without -H"),
    (["--all-mx", "-H", "mail1"], "--all-mx and -H exclude each other"),
    (["--all-addresses"], "--all-addresses needs --all-mx, or -H"),
    (["--set", "any"], "--set needs --all-mx or --all-addresses"),
    (["--parallel", "5"], "--parallel needs --all-mx, --all-addresses or --connections"),
    # Recipients that must be refused, and further senders.
    (["--refuse=a", "--refuse=b", "--refuse=c", "--refuse=d"],
     "--refuse can be given 3 times at most"),
    *((["--refuse", "a", "--until", stage], "--refuse needs --until rcpt, or the whole test")
      for stage in ("mx", "connect", "banner", "ehlo", "mail", "data")),
    *((["-f", "<>", "-f", "a@b.c", "--until", stage],
       "a second -f needs --until rcpt, or the whole test") for stage in ("mx", "mail", "data")),
    (["--refuse", "PostMaster"], "PostMaster@contoso.com can't be a recipient and be refused"),
    (["-r", "a@b.example", "--refuse", "a@B.example"],
     "a@B.example can't be a recipient and be refused"),
    # TLS.
    (["-S", "-s"], "--starttls and --ssl exclude each other"),
    (["--verify"], f"--verify {NEEDS_TLS}"),
    (["--ca-file", "/etc/hosts"], f"--ca-file {NEEDS_TLS}"),
    (["--tls-name", "mail1"], f"--tls-name {NEEDS_TLS}"),
    (["--min-tls", "1.3"], f"--min-tls {NEEDS_TLS}"),
    (["--client-cert", "/etc/hosts"], f"--client-cert {NEEDS_TLS}"),
    (["-D", "30"], f"--certificate {NEEDS_TLS}"),
    (["--until", "starttls"], f"--until starttls {NEEDS_TLS}"),
    (["-S", "--client-key", "/etc/hosts"], "--client-key needs --client-cert"),
    # What no sender that enforces a policy does.
    (["--dane", "-H", "mail1"], "--dane and --hostname exclude each other"),
    (["--mta-sts", "-H", "mail1"], "--mta-sts and --hostname exclude each other"),
    (["--mta-sts", "-s"], "--mta-sts and --ssl exclude each other"),
    (["--mta-sts", "--tls-name", "a.b"], "--mta-sts and --tls-name exclude each other"),
    (["--dane", "--verify"], "--dane and --verify exclude each other"),
    (["--mta-sts", "--verify", "--until", "ehlo"],
     "--mta-sts needs --until starttls or a later stage"),
    # A logon without what it needs.
    (["-A", "login", "-S", "-U", "me"],
     "--auth login needs --password-file, or the secret in the environment"),
    (["-A", "xoauth2", "-S", "-U", "me"],
     "--auth xoauth2 needs --token-file, or the secret in the environment"),
    (["-A", "auto", "-S", "-U", "me", "--refuse", "a"],
     "--auth auto needs --password-file or --token-file, or the secret in the environment;"
     " --refuse and --auth exclude each other: who logs on may relay"),
    (["-U", "me"], "--user needs --auth"),
    (["--auth-without-tls"], "--auth-without-tls needs --auth"),
    (["--until", "auth"], "--until auth needs -A"),
    # All in one go.
    (["-f", "x", "-p", "0", "--foo", "-t", "nan", "arg", "-r", "a b", "-4", "-6", "-w"],
     "-f x: must have a domain, or be <> for the null reverse-path;"
     " -p 0: must be a port from 1 to 65535; unknown option --foo;"
     " -t nan: must be a number above 0, up to 86400; unexpected argument 'arg';"
     " -r a b: is not a mail address; -w needs a value; -4 and -6 exclude each other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "said"), MISTAKES, ids=[ascii(" ".join(argv))[1:-1] for argv, _ in MISTAKES]
)
def test_a_mistake_is_named(argv, said):
    assert mistakes("-d", "contoso.com", *argv) == said


@pytest.mark.parametrize("flag", FLAGS_WITH_VALUE)
def test_a_value_must_follow(flag):
    assert mistakes("-d", "contoso.com", flag) == f"{flag} needs a value"


# The probe's mailbox.

MAILBOX = ("--delivered", "imaps://probe@mail.contoso.com", "-w", "delivered=900")
SECRET = {"CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD": "secret"}
NEEDS_RANGE = (
    "--delivered needs a range of at least three check intervals in seconds:"
    " -w delivered=900 or -c delivered=900 for one of 5 minutes"
)


@pytest.mark.parametrize(
    ("argv", "environment", "said"),
    [
        (MAILBOX[:2], SECRET, NEEDS_RANGE),
        (MAILBOX, {}, "--delivered needs --delivered-password-file or --delivered-token-file, or"
         " the secret in the environment"),
        (("--delivered", "imaps://a.example", *MAILBOX[2:]), SECRET,
         "--delivered needs --delivered-user, or USER@ before its host"),
        ((*MAILBOX, "--until", "rcpt"), SECRET,
         "--delivered needs a message, and --until rcpt sends none"),
        (MAILBOX[2:], SECRET, "delivered=... needs --delivered"),
        (("-c", "delay=5"), SECRET, "delay=... needs --delivered"),
        (("--delivered-user", "a"), SECRET, "--delivered-user needs --delivered"),
        (("--delivered-user", "a\0"), {}, f"--delivered-user a\0: {CONTROL};"
         " --delivered-user needs --delivered"),
        (("--delivered-password-file", "/n"), {}, f"--delivered-password-file /n: {NOT_FOUND};"
         " --delivered-password-file needs --delivered"),
        (("--delivered-token-file", "/n"), {}, f"--delivered-token-file /n: {NOT_FOUND};"
         " --delivered-token-file needs --delivered"),
        # No secret is printed.
        (("--delivered", "imaps://a:b@c.example"), SECRET, "--delivered imaps://***@c.example: must"
         f" have no password in it; there is --delivered-password-file; {NEEDS_RANGE}"),
    ],
)  # fmt: skip
def test_a_mistake_about_the_mailbox_is_named(argv, environment, said):
    assert mistakes("-d", "contoso.com", *argv, **environment) == said


# Secrets.

PASSWORD, TOKEN = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD", "CHECK_EXCHANGE_MAILACCEPT_TOKEN"


def test_a_secret_is_never_shown():
    """Neither in a mistake nor in what the options look like."""
    log_on = ["-d", "contoso.com", "-S", "-U", "me@contoso.com"]
    secrets = {PASSWORD: "geheim", TOKEN: "geheim"}
    argv = ["-A", "login", "--password-file", "/nonexistent", "--nonsense"]
    assert "geheim" not in mistakes(*log_on, *argv, **secrets)
    assert "geheim" not in repr(parse([*log_on, "-A", "auto"], **secrets))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-A", "login", "-U", "me"], "--auth needs -S or -s, or --auth-without-tls"),
        (["-A", "login", "-S"], "--auth needs --user"),
        (
            ["-A", "xoauth2", "-S", "-U", "me"],
            "--auth xoauth2 needs --token-file, or the secret in the environment",
        ),
    ],
)
def test_a_password_alone_is_not_enough(argv, said):
    assert mistakes("-d", "contoso.com", *argv, **{PASSWORD: "pw"}) == said

"""The command line: every option, and every mistake one can make with it.

What the values have to be is written down here by hand.  A line of the table ``MISTAKES`` is a
mistake and the whole text that is said of it.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.parsing import parse

from exchange_mailaccept import __version__, options
from exchange_mailaccept.cli import command_line
from exchange_mailaccept.cli.command_line import Answered, UsageError
from exchange_mailaccept.cli.delivered import place
from exchange_mailaccept.cli.help import help_text
from exchange_mailaccept.cli.table import OPTIONS
from exchange_mailaccept.net.blocking_call import read_to_end
from exchange_mailaccept.net.trust import TlsSettings
from exchange_mailaccept.options import Judging, Limits, Options
from exchange_mailaccept.protocol.auth import Credentials
from exchange_mailaccept.protocol.conversation import Target
from exchange_mailaccept.protocol.message import (
    Content,
    Envelope,
    Plan,
    compose,
    mail_command,
    rcpt_command,
)
from exchange_mailaccept.protocol.reply import NO_EXTENSIONS
from exchange_mailaccept.vocabulary import Rule, Stage, Tls

DEFAULTS = Options(
    target=Target("contoso.com", "", 25, 0, ()),
    probe=Plan(
        Envelope("ExMFA-MailAcceptTest@Fabrikam.com", "postmaster@contoso.com"),
        ehlo_name="",
        content=Content("Mail acceptance test", ()),
        message_id="",
        now=0.0,
        until=Stage.MESSAGE,
        source_address="",
        tls=Tls.NEVER,
        tls_name="",
        verify=False,
        credentials=None,
        transcript=False,
    ),
    security=None,
    judging=Judging(
        profile="auto",
        require=(),
        severities={},
        warning={},
        critical={},
        certificate_days=(),
        expects_tls=False,
        rule=None,
    ),
    limits=Limits(timeout=50.0, every_address=False, parallel=10, verbosity=0),
)


def changed(options: Options, **changes: object) -> Options:
    """``options`` with other values in the parts that have them."""
    for name in ("probe", "judging", "limits"):
        part = getattr(options, name)
        mine = {field: changes.pop(field) for field in part._fields if field in changes}
        options = options._replace(**{name: part._replace(**mine)})
    assert not changes
    return options


SEE_HELP = " (see check_exchange_mailaccept --help)"
SEVERITY_KEYS = (
    "server load recipient connector tls protocol probe policy mx connect banner ehlo starttls"
    " auth mail rcpt data message deferred refused broken timeout missing extensions certificate"
    " backup-mx untrusted address size mx-set node relay unknown-recipient dane mta-sts"
    " delivered"
)
METRICS = "mx connect banner ehlo starttls auth mail rcpt data message quit total"
STAGES = "mx connect banner ehlo starttls auth mail rcpt data message"
PROFILES = "auto exmfa 2000 2003 2007 2010 2013 2016 2019 se edge online submission none"


def mistakes(*argv: str, **environment: str) -> str:
    """What is said of the mistakes in ``argv``, without the hint to the help."""
    with pytest.raises(UsageError) as caught:
        parse(argv, **environment)
    text = str(caught.value)
    assert text.endswith(SEE_HELP)
    return text[: -len(SEE_HELP)]


def target(**changes) -> Options:
    return DEFAULTS._replace(target=DEFAULTS.target._replace(**changes))


def envelope(**changes) -> Options:
    return changed(DEFAULTS, envelope=DEFAULTS.probe.envelope._replace(**changes))


def content(**changes) -> Options:
    return changed(DEFAULTS, content=DEFAULTS.probe.content._replace(**changes))


SERVER = envelope(recipient="a@b.example")._replace(target=Target("", "192.0.2.1", 25, 0, ()))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-d", "contoso.com"], DEFAULTS),
        (["--domain", "contoso.com"], DEFAULTS),
        (["--domain=contoso.com"], DEFAULTS),
        (["-dcontoso.com"], DEFAULTS),
        (["-d", "contoso.com."], DEFAULTS),
        (["-d", "other.example", "-d", "contoso.com"], DEFAULTS),
        (["-H", "192.0.2.1", "-r", "a@b.example"], SERVER),
        (["-H", "[192.0.2.1]", "-r", "<a@b.example>"], SERVER),
        (
            ["-H", "192.0.2.1", "-r", "a@b.example", "--refuse", "nobody"],
            changed(SERVER, refuse=("nobody@b.example",)),
        ),
        (["-H", "192.0.2.1", "-d", "contoso.com"], target(host="192.0.2.1")),
    ],
)
def test_a_target_is_enough(argv, expected):
    """All else has a default."""
    assert parse(argv) == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-H", "mail1.contoso.com"], target(host="mail1.contoso.com")),
        (["--hostname", "mail1"], target(host="mail1")),
        (["--hostname=mail1"], target(host="mail1")),
        (["-H", "mail_1.contoso.com"], target(host="mail_1.contoso.com")),
        (["-H", "::1"], target(host="::1")),
        (["-H", "[::1]"], target(host="::1")),
        (["-H", "2001:DB8:0:0::1"], target(host="2001:db8::1")),
        (["-H", "fe80::1%eth0"], target(host="fe80::1%eth0")),
        (["-H", "xn--mnchen-3ya.example"], target(host="xn--mnchen-3ya.example")),
        (["-p", "26"], target(port=26)),
        (["-p26"], target(port=26)),
        (["--port", "1"], target(port=1)),
        (["--port=65535"], target(port=65535)),
        (["-p", "26", "-p", "27"], target(port=27)),
        (["-4"], target(family=4)),
        (["--ipv4"], target(family=4)),
        (["-6"], target(family=6)),
        (["--ipv6"], target(family=6)),
        (["-4", "-H", "192.0.2.1"], target(family=4, host="192.0.2.1")),
        (["-6", "-H", "::1"], target(family=6, host="::1")),
        (["-6", "-H", "mail1"], target(family=6, host="mail1")),
        (["--nameserver", "192.0.2.53"], target(nameservers=(("192.0.2.53", 53),))),
        (["--nameserver", "192.0.2.53:5353"], target(nameservers=(("192.0.2.53", 5353),))),
        (["--nameserver", "::1"], target(nameservers=(("::1", 53),))),
        (["--nameserver", "[::1]"], target(nameservers=(("::1", 53),))),
        (["--nameserver", "[::1]:5353"], target(nameservers=(("::1", 5353),))),
        (
            ["--nameserver=::1", "--nameserver=127.0.0.1:1"],
            target(nameservers=(("::1", 53), ("127.0.0.1", 1))),
        ),
        (["--expect-mx", "Mail1.Contoso.com."], target(expected_mx=("mail1.contoso.com",))),
        (["--expect-mx", "*.Mail.Protection.Outlook.com", "--expect-mx", "mail_2"],
         target(expected_mx=("*.mail.protection.outlook.com", "mail_2"))),
        (["--source-address", "192.0.2.9"], changed(DEFAULTS, source_address="192.0.2.9")),
        (["--source-address=2001:db8::9"], changed(DEFAULTS, source_address="2001:db8::9")),
        (["-f", "a@b.example"], envelope(sender="a@b.example")),
        (["--from", "a@B.Example"], envelope(sender="a@B.Example")),
        (["-f", "<a@b.example>"], envelope(sender="a@b.example")),
        (["-f", "<>"], envelope(sender="")),
        (["--from=<>"], envelope(sender="")),
        (["-f", "a@b.example", "-f", "<>", "-f", "a@b.example", "-f", "c@d.example"],
         changed(envelope(sender="a@b.example"), senders=("", "c@d.example"))),
        (["-r", "a@b.example", "-r", "probe", "-r", "probe@contoso.com"],
         envelope(recipient="a@b.example", others=("probe@contoso.com",))),
        (["-f", "a@[192.0.2.1]"], envelope(sender="a@[192.0.2.1]")),
        (["-f", "a@[IPv6:2001:db8::1]"], envelope(sender="a@[IPv6:2001:db8::1]")),
        (["-f", '"a b"@c.example'], envelope(sender='"a b"@c.example')),
        (["-f", r'"a\"@\\b"@c.example'], envelope(sender=r'"a\"@\\b"@c.example')),
        (["-f", "a+b=c/d!#$%&'*?^_`{|}~-@e.example"],
         envelope(sender="a+b=c/d!#$%&'*?^_`{|}~-@e.example")),
        (["-f", "a.b.c@d.example"], envelope(sender="a.b.c@d.example")),
        (["-r", "a@b.example"], envelope(recipient="a@b.example")),
        (["--recipient", "probe"], envelope(recipient="probe@contoso.com")),
        (["-r", "probe", "-H", "mail1"],
         envelope(recipient="probe@contoso.com")._replace(target=target(host="mail1").target)),
        (["-r", "x" * 64 + "@b.example"], envelope(recipient="x" * 64 + "@b.example")),
        (["--connections", "15"], changed(DEFAULTS, connections=15, at_once=10)),
        (["--connections", "3", "--parallel", "2"],
         changed(DEFAULTS, connections=3, at_once=2, parallel=2)),
        (["--connections", "1", "--until", "mx"],
         changed(DEFAULTS, at_once=10, until=Stage.MX)),
        (["--refuse", "a@b.example"], changed(DEFAULTS, refuse=("a@b.example",))),
        (["--refuse", "nobody", "--refuse=<a@b.example>", "--refuse", "c", "--until", "rcpt"],
         changed(DEFAULTS, refuse=("nobody@contoso.com", "a@b.example", "c@contoso.com"),
                 until=Stage.RCPT)),
        (["-F", "probe.example"], changed(DEFAULTS, ehlo_name="probe.example")),
        (["--fqdn", "probe.example."], changed(DEFAULTS, ehlo_name="probe.example")),
        (["-F", "[192.0.2.1]"], changed(DEFAULTS, ehlo_name="[192.0.2.1]")),
        (["-F", "[IPv6:::1]"], changed(DEFAULTS, ehlo_name="[IPv6:::1]")),
        # starttls and auth are below, with what they need.
        *((["--until", stage.value], changed(DEFAULTS, until=stage))
          for stage in (Stage.MX, Stage.CONNECT, Stage.BANNER, Stage.EHLO,
                        Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)),
        (["--until", "RCPT"], changed(DEFAULTS, until=Stage.RCPT)),
        (["--subject", "Probe 1: ~!"], content(subject="Probe 1: ~!")),
        (["--subject", "x" * 989], content(subject="x" * 989)),
        (["--subject", "Gr\u00fc\u00dfe"], content(subject="=?utf-8?b?R3LDvMOfZQ==?=")),
        (["--header", "X-A: b"], content(headers=("X-A: b",))),
        (["--header", "X-A:b"], content(headers=("X-A: b",))),
        (["--header", "X-A: b: c"], content(headers=("X-A: b: c",))),
        (["--header=X-A: 1", "--header=X-A: 2"], content(headers=("X-A: 1", "X-A: 2"))),
        (["--header", "X-A: \u00fc"], content(headers=("X-A: =?utf-8?b?w7w=?=",))),
        (["--header", "X: " + "x" * 995], content(headers=("X: " + "x" * 995,))),
        *((["--profile", name], changed(DEFAULTS, profile=name)) for name in PROFILES.split()),
        (["--profile", "SE"], changed(DEFAULTS, profile="se")),
        (["--require", "dsn"], changed(DEFAULTS, require=("DSN",))),
        (["--require=X-EXPS", "--require=8bitmime"],
         changed(DEFAULTS, require=("X-EXPS", "8BITMIME"))),
        *((["--severity", f"{key}=ok"], changed(DEFAULTS, severities={key: "ok"}))
          for key in SEVERITY_KEYS.split()),
        *((["--severity", f"rcpt={state}"], changed(DEFAULTS, severities={"rcpt": state}))
          for state in ("ok", "warning", "critical", "unknown")),
        (["--severity", "RCPT=Ok"], changed(DEFAULTS, severities={"rcpt": "ok"})),
        *((["--severity", f"{code}=warning"], changed(DEFAULTS, severities={code: "warning"}))
          for code in ("400", "452", "550", "599", "4.3.1", "5.7.54", "5.7.606", "5.123.456")),
        (["--severity=452=ok", "--severity=rcpt=warning", "--severity=452=critical"],
         changed(DEFAULTS, severities={"452": "critical", "rcpt": "warning"})),
        *((["-w", range_], changed(DEFAULTS, warning={"total": range_}))
          for range_ in ("1", "0", "1.5", ".5", "1:", ":1", "1:2", "1.5:2.5", "5:5", "~:1", "@1:2",
                         "@1", "-5:", "-2:-1", "~:-1")),
        *((["-w", f"{metric}=1"], changed(DEFAULTS, warning={metric: "1"}))
          for metric in METRICS.split()),
        (["--warning", "rcpt=@1:2"], changed(DEFAULTS, warning={"rcpt": "@1:2"})),
        (["-w1", "-wrcpt=2", "-w", "3"], changed(DEFAULTS, warning={"total": "3", "rcpt": "2"})),
        (["-c", "5", "--critical=mail=6"],
         changed(DEFAULTS, critical={"total": "5", "mail": "6"})),
        (["-t", "10"], changed(DEFAULTS, timeout=10.0)),
        (["--timeout=0.5"], changed(DEFAULTS, timeout=0.5)),
        (["-t", ".1"], changed(DEFAULTS, timeout=0.1)),
        (["-t", "86400"], changed(DEFAULTS, timeout=86400.0)),
        (["-v"], changed(DEFAULTS, verbosity=1)),
        (["--verbose"], changed(DEFAULTS, verbosity=1)),
        (["-vv"], changed(DEFAULTS, verbosity=2, transcript=True)),
        (["-v", "-v"], changed(DEFAULTS, verbosity=2, transcript=True)),
        (["-vvv"], changed(DEFAULTS, verbosity=3, transcript=True)),
        (["-vvvvv"], changed(DEFAULTS, verbosity=3, transcript=True)),
        (["-v4p26"], changed(target(family=4, port=26), verbosity=1)),
        (["-4p", "26"], target(family=4, port=26)),
    ],
)  # fmt: skip
def test_an_option_sets_what_it_says(argv, expected):
    assert parse(["-d", "contoso.com", *argv]) == expected


def test_an_international_domain_goes_out_as_a_labels():
    pytest.importorskip("idna")
    name, ascii_name = "m\u00fcnchen.example", "xn--mnchen-3ya.example"
    argv = ["-d", name, "-H", name, "-f", f"\u00fc@{name}", "-r", f"a@{name}", "-F", name]
    sender, recipient = f"\u00fc@{ascii_name}", f"a@{ascii_name}"
    expected = changed(DEFAULTS, envelope=Envelope(sender, recipient), ehlo_name=ascii_name)
    assert parse(argv) == expected._replace(target=Target(ascii_name, ascii_name, 25, 0, ()))


# Every option that takes a value, by its flags.
TAKING = [
    flag
    for flags in (
        "-d --domain", "-H --hostname", "-p --port", "--nameserver", "--source-address",
        "-f --from", "-r --recipient", "-F --fqdn", "--until", "--subject", "--header",
        "--profile", "--require", "--severity", "-w --warning", "-c --critical", "-t --timeout",
        "--ca-file", "--tls-name", "--min-tls", "--client-cert", "--client-key", "-D --certificate",
        "-A --auth", "-U --user", "--password-file", "--token-file", "--set", "--parallel",
        "--expect-mx", "--refuse", "--connections",
    )
    for flag in flags.split()
]  # fmt: skip


@pytest.mark.parametrize("flag", TAKING)
def test_an_empty_value_counts_as_not_given(flag):
    """Icinga and Nagios make one of a macro that is not set."""
    assert parse(["-d", "contoso.com", flag, ""]) == DEFAULTS


def test_an_empty_value_does_not_undo_an_earlier_one():
    assert parse(["-d", "contoso.com", "-p", "26", "-p", ""]) == target(port=26)


@pytest.mark.parametrize("flag", TAKING)
def test_a_value_must_follow(flag):
    assert mistakes("-d", "contoso.com", flag) == f"{flag} needs a value"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "-d DOMAIN or -H HOST is required"),
        (["-H", ""], "-d DOMAIN or -H HOST is required"),
        (["-H", "", "-d", ""], "-d DOMAIN or -H HOST is required"),
        (["-r", "a@b.example"], "-d DOMAIN or -H HOST is required"),
        (["-H", "mail1"], "-r ADDRESS with a domain, or -d DOMAIN, is required with -H"),
        (["-H", "mail1", "-r", ""], "-r ADDRESS with a domain, or -d DOMAIN, is required with -H"),
        (["-H", "mail1", "-r", "x"], "-r ADDRESS with a domain, or -d DOMAIN, is required with -H"),
        (
            ["-H", "mail1", "-r", "a@b.example", "-r", "x"],
            "-r ADDRESS with a domain, or -d DOMAIN, is required with -H",
        ),
    ],
)
def test_a_target_and_a_recipient_are_required(argv, said):
    assert mistakes(*argv) == said


PORT = "must be a port from 1 to 65535"
TIMEOUT = "must be a number above 0, up to 86400"
ADDRESS = "must be an IP address"
NO_MAILBOX = "is not a mail address"
CONTROL = "line ends and control characters are not allowed"
HEADER = "must be 'Name: value'"
RANGE = "is no range ([@][start:][end], in seconds)"
STATE = "the state must be one of ok warning critical unknown"
LABEL = "is not 1 to 63 letters, digits, hyphens or underscores"

MISTAKES: list[tuple[list[str], str]] = [
    # Ports and times that are none.
    *((["-p", value], f"-p {value}: {PORT}") for value in (
        "0", "-1", "65536", "99999", "100000", "25.0", "nan", "inf", "1e400", "0x19", "2_5", "+25",
        " 25", "25 ", "smtp", "25\n", "\u0662\u0665", "\uff12\uff15", "9" * 5000,
    )),
    (["--port=0"], f"--port 0: {PORT}"),
    (["-p=25"], f"-p =25: {PORT}"),
    *((["-t", value], f"-t {value}: {TIMEOUT}") for value in (
        "0", "0.0", "-0.5", "-1", "-0", "86400.1", "nan", "inf", "-inf", "infinity", "1e400",
        "1e1", "5s", "1_0", "+5", " 5", "5\n", ".", "\u0665", "\uff15", "9" * 5000,
    )),
    # Addresses.
    *((["--source-address", value], f"--source-address {value}: {ADDRESS}") for value in (
        "eth0", "mail1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1.2.3.4:25", "192.0.2.1/24",
        "\u0661.1.1.1", "01.2.3.4", "[::1]", "::1\n",
    )),
    *((["--nameserver", value], f"--nameserver {value}: {ADDRESS}") for value in (
        "ns1", "ns1:53", ":53", "192.0.2.1:", "[::1", "::1]", "[::1]:", "[]", "[ns1]:53",
        "192.0.2.1:x",
    )),
    *((["--nameserver", value], f"--nameserver {value}: {PORT}") for value in (
        "192.0.2.1:0", "192.0.2.1:65536", "[::1]:0",
    )),
    (["-4", "-6"], "-4 and -6 exclude each other"),
    (["-46"], "-4 and -6 exclude each other"),
    (["-4", "-H", "::1"], "-H ::1 is no IPv4 address"),
    (["-6", "-H", "192.0.2.1"], "-H 192.0.2.1 is no IPv6 address"),
    (["-4", "--source-address", "::1"], "--source-address ::1 is no IPv4 address"),
    (["-6", "--source-address", "192.0.2.1"], "--source-address 192.0.2.1 is no IPv6 address"),
    # Connections.
    *((["--connections", value], f"--connections {value}: must be a number from 1 to 15")
      for value in ("0", "16", "150", "0150", "-1", "2.0", "x", "9" * 5000)),
    (["--connections", "2", "--until", "mx"],
     "--connections needs --until connect or a later stage"),
    # What is to be refused.
    (["--refuse", "a@b@c.example"], f"--refuse a@b@c.example: {NO_MAILBOX}"),
    (["--refuse", "<>"], f"--refuse <>: {NO_MAILBOX}"),
    (["--refuse=a", "--refuse=b", "--refuse=c", "--refuse=d"],
     "--refuse can be given 3 times at most"),
    (["-S", "-A", "login", "-U", "u", "--refuse", "a"],
     "--auth login needs --password-file, or the secret in the environment;"
     " --refuse and --auth exclude each other: who logs on may relay"),
    *((["--refuse", "a", "--until", stage], "--refuse needs --until rcpt, or the whole test")
      for stage in ("mx", "connect", "banner", "ehlo", "mail", "data")),
    *((["-f", "<>", "-f", "a@b.c", "--until", stage],
       "a second -f needs --until rcpt, or the whole test") for stage in ("mx", "mail", "data")),
    (["--refuse", "PostMaster"], "PostMaster@contoso.com can't be a recipient and be refused"),
    (["-r", "a@b.example", "--refuse", "a@B.example"],
     "a@B.example can't be a recipient and be refused"),
    # The MX that are expected.
    *((["--expect-mx", value], f"--expect-mx {value}: {value!r} is not a domain: {label!r} {LABEL}")
      for value, label in (("mail1.*.com", "*"), ("**.contoso.com", "**"), ("a b.c", "a b"))),
    (["--expect-mx", "*"], f"--expect-mx *: '*' is not a domain: '*' {LABEL}"),
    (["--expect-mx", "*."], f"--expect-mx *.: '' is not a domain: '' {LABEL}"),
    (["--expect-mx", "192.0.2.1"], "--expect-mx 192.0.2.1: must be a name, as MX records have"),
    (["-H", "mail1", "--expect-mx", "mail1.contoso.com"], "--expect-mx needs -d without -H"),
    # Mail addresses: what would break out of the command, a second recipient, and nonsense.
    *(([flag, value], f"{flag} {value}: {NO_MAILBOX}") for flag in ("-f", "-r") for value in (
        "a@b>\r\nRCPT TO:<c@d.example", "a\r\nDATA@b.example", "a\n@b.example", "a\0@b.example",
        "a@b.example,c@d.example", "a@b.example;c@d.example", "a@b.example c@d.example",
        "a@b@c.example", "<a@b.example", "a> SIZE=1@b.example", "a<@b.example", "a>b@c.example",
        "a b@c.example", " a@b.example", "\ta@b.example", "@b.example", "@", ".a@b.example",
        "a.@b.example", "a..b@c.example", "a\\@b.example", "(a)@b.example", "a:b@c.example",
        '"a@b.example', 'a"b"@c.example', '"a"b"@c.example', '"a\\"@b.example', '"a\r\n"@b.example',
        '"\u00fc"@b.example', "a\x7f@b.example", "a\x85@b.example", "a\u00a0b@c.example",
        "a\u2028b@c.example", "a\u2029b@c.example", "a\u3000b@c.example",
        "@relay.example:a@b.example",
    )),
    (["-r", "<>"], f"-r <>: {NO_MAILBOX}"),
    (["-r", "<<a@b.example>>"], f"-r <<a@b.example>>: {NO_MAILBOX}"),
    (["-f", "postmaster"],
     "-f postmaster: must have a domain, or be <> for the null reverse-path"),
    *(([flag, f"a@{value}"], f"{flag} a@{value}: {value!r} is not a domain: {label!r} {LABEL}")
      for flag in ("-f", "-r") for value, label in (
        ("b> SIZE=1", "b> SIZE=1"), ("b\r\nRSET", "b\r\nRSET"), ("b\n", "b\n"), ("b\0", "b\0"),
        ("b.example> NOTIFY=SUCCESS", "example> NOTIFY=SUCCESS"), ("", ""), (".", ""),
        ("b..c", ""), (".b", ""), ("b.example ", "example "), ("[192.0.2.1", "[192"),
        ("192.0.2.1]", "1]"), ("b/c", "b/c"), ("b|c", "b|c"), ("x" * 64, "x" * 64),
    )),
    *((["-r", f"a@{value}"], f"-r a@{value}: {ADDRESS}") for value in (
        "[]", "[x]", "[192.0.2.256]", "[IPv6:]", "[ipv6:x]", "[192.0.2.1> SIZE=1]", "[b\r\nRSET]",
        "[IPv6:::1> SIZE=1]", "[IPv6:::1\r\nRSET]",
    )),
    *((["-r", f"{value}@b.example"],
       f"-r {value}@b.example: has more than 64 bytes before the @ (RFC 5321 4.5.3.1.1)")
      for value in ("x" * 65, "\u00fc" * 33, "x" * 100_000)),
    # A zone means nothing to the other side, and RFC 5321 4.1.3 has none; IPv6 has a tag.
    *(([flag, value], f"{flag} {value}: {ADDRESS}") for flag in ("-f", "-r") for value in (
        "a@[IPv6:fe80::1%> SIZE=1]", "a@[IPv6:fe80::1%>\r\nRSET\r\nX]", "a@[fe80::1%eth0]",
        "a@[IPv6:fe80::1%eth0]", "a@[::1]", "a@[IPv6:192.0.2.1]", "a@[2001:db8::1]",
    )),
    *((["-F", value], f"-F {value}: {ADDRESS}") for value in (
        "[IPv6:::1%\r\nRSET]", "[IPv6:::1% X]", "[IPv6:fe80::1%eth0]",
    )),
    # An address has no MX.
    *((["-d", value], f"-d {value}: must be a domain; a server is named with -H")
      for value in ("192.0.2.1", "999.1.1.1")),
    # Every user of the host could read a secret in the list of processes.
    *(([flag], f"unknown option {flag}")
      for flag in ("-P", "--password", "--pass", "--token", "--secret")),
    (["-r", "\ud800@b.example"], f"-r \ud800@b.example: {CONTROL}"),
    # Names.
    *((["-F", value], f"-F {value}: {value!r} is not a domain: {label!r} {LABEL}")
      for value, label in (
        ("a b", "a b"), ("a\r\nMAIL FROM:<>", "a\r\nMAIL FROM:<>"), ("a\n", "a\n"), ("a\0", "a\0"),
        ("a..b", ""), ("a@b", "a@b"), ("x" * 64, "x" * 64), ("a:25", "a:25"), ("::1", "::1"),
    )),
    (["-F", ".".join(["x"] * 128)],
     f"-F {'.'.join(['x'] * 128)}: {'.'.join(['x'] * 128)!r} is not a domain:"
     " it is longer than 253 characters"),
    (["-F", "[x]"], f"-F [x]: {ADDRESS}"),
    (["-F", "[IPv6:::1\r\nX]"], f"-F [IPv6:::1\r\nX]: {ADDRESS}"),
    # The message.
    *((["--subject", value], f"--subject {value}: {CONTROL}") for value in (
        "a\r\nBcc: b@c.example", "a\rb", "a\nb", "a\0b", "a\x1b[31mb", "a\x7f", "a\x85b",
        "a\u2028b", "a\u2029b", "\udc80",
    )),
    *((["--subject", value], f"--subject {value}: is longer than 998 characters (RFC 5322 2.1.1)")
      for value in ("x" * 990, "x" * 100_000, "\u00fc" * 400)),
    *((["--header", value], f"--header {value}: {CONTROL}") for value in (
        "X: a\r\nY: b", "X: a\n\nb", "X\r\n: a", "X: a\0", "X: a\u2028b",
    )),
    *((["--header", value], f"--header {value}: {HEADER}") for value in (
        "X", "X a", ": a", ":", "X : a", " X: a", "X Y: a", "\u00dc: a", "\tX: a",
    )),
    *((["--header", f"{name}: a"], f"--header {name}: a: {name} is set by the plugin itself")
      for name in ("From", "from", "TO", "Date", "Message-ID", "Subject", "Auto-Submitted",
                   "X-Auto-Response-Suppress", "Precedence", "X-Exchange-Mailaccept")),
    (["--header", "X: " + "x" * 996],
     f"--header X: {'x' * 996}: is longer than 998 characters (RFC 5322 2.1.1)"),
    # Choices.
    *((["--until", value], f"--until {value}: must be one of {STAGES}")
      for value in ("quit", "total", "rset", "rcpt ", "r", "0")),
    *((["--profile", value], f"--profile {value}: must be one of {PROFILES}")
      for value in ("2022", "exchange", "201", "2019 ", "\u0662\u0660\u0661\u0669")),
    *((["--require", value], f"--require {value}: is no EHLO keyword")
      for value in ("A B", "-A", "AUTH=LOGIN", "A\r\nB", "A\n", "\u00dc", "A,B", "A_B")),
    # Severities.
    *((["--severity", f"{key}=ok"],
       f"--severity {key}=ok: '{key}' is neither a reply code, an enhanced code nor one of"
       f" {SEVERITY_KEYS}")
      for key in ("", "quit", "untested", "passed", "250", "354", "600", "45", "4521", "5.7",
                  "2.1.5", "6.1.1", "5.7.1234", "5.7.1.1", "4\u06652", "451-452", "rcpt ", "x")),
    *((["--severity", value], f"--severity {value}: {STATE}")
      for value in ("452", "452=", "452=green", "rcpt=ok=ok", "rcpt= ok", "rcpt=0")),
    # Thresholds.
    *(([flag, value], f"{flag} {value}: '{value}' {RANGE}") for flag in ("-w", "-c") for value in (
        "x", "1e3", "nan", "inf", "inf:", "~", "1,5", "1;2", "1 ", " 1", "1:2:3", "::", "@@1",
        "-", "+1", "1s", "-w", "\u0661", "\uff11", "1_0", "0x1", "1\n",
    )),
    *((["-w", value], f"-w {value}: '{value}' starts after its end")
      for value in ("2:1", "@2:1", "-1", "-1:-2", "1:0.5", ":-1")),
    (["-w", "rcpt="], f"-w rcpt=: '' {RANGE}"),
    (["-w", "rcpt=1=2"], f"-w rcpt=1=2: '1=2' {RANGE}"),
    *((["-w", f"{metric}=1"], f"-w {metric}=1: '{metric}' is none of {METRICS} delivered delay")
      for metric in ("", "x", "RCPT", "rcpt ", "extensions", "rset")),
    # Words.
    (["x"], "unexpected argument 'x'"),
    (["-"], "unexpected argument '-'"),
    (["-x"], "unknown option -x"),
    (["-vx"], "unknown option -x"),
    (["-\u00fc"], "unknown option -\u00fc"),
    (["--nonsense"], "unknown option --nonsense"),
    (["--nonsense=5"], "unknown option --nonsense"),
    (["--ipv4=1"], "--ipv4 takes no value"),
    (["--verbose=2"], "--verbose takes no value"),
    (["--help=1"], "--help takes no value"),
    # No abbreviations: an option that comes later must not change what a command line means.
    (["--host=mail1"], "unknown option --host"),
    (["--head=X: y"], "unknown option --head"),
    (["--verb"], "unknown option --verb"),
    (["--"], "unknown option --"),
    (["--Port=25"], "unknown option --Port"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named(argv, said):
    """With the option and the value as typed, and what would be right."""
    assert mistakes("-d", "contoso.com", *argv) == said


@pytest.mark.parametrize("flag", ["-H", "-d"])
@pytest.mark.parametrize(
    ("value", "label"),
    [("a b", "a b"), ("a..b", ""), (".", ""), ("a/b", "a/b"), ("a@b", "a@b"), ("a;id", "a;id"),
     ("$(id)", "$(id)"), ("a\r\nb", "a\r\nb"), ("a\0", "a\0"), ("a\n", "a\n"),
     ("*.contoso.com", "*"), ("[192.0.2.1", "[192"), ("x" * 64, "x" * 64)],
)  # fmt: skip
def test_a_host_is_a_name_or_an_address(flag, value, label):
    """Also where it is the only target."""
    said = mistakes("-d", "contoso.com", flag, value)
    assert said == f"{flag} {value}: {value!r} is not a domain: {label!r} {LABEL}"


@pytest.mark.parametrize(
    "value",
    ["192.0.2.256", "1.2.3.999", "01.2.3.4", "::g", ":::", "mail1:25", "http://mail1/",
     "192.0.2.1:25", "[::1]:25", "\u0661.1.1.1", "\uff11.2.3.4", "::1%", "127.1", "1.2.3",
     "1.2.3.4.5", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_an_address_is_an_address(value):
    """What looks like one must be one; the C library makes 127.0.0.1 of ``127.1``."""
    assert re.fullmatch(
        rf"-H {re.escape(value)}: (must be an|is neither a name nor an) IP address",
        mistakes("-d", "contoso.com", "-H", value),
    )


def test_every_mistake_is_reported_in_one_go():
    argv = ["-f", "x", "-p", "0", "--foo", "-t", "nan", "arg", "-r", "a b", "-4", "-6", "-w"]
    assert mistakes("-d", "contoso.com", *argv) == (
        "-f x: must have a domain, or be <> for the null reverse-path;"
        " -p 0: must be a port from 1 to 65535;"
        " unknown option --foo;"
        " -t nan: must be a number above 0, up to 86400;"
        " unexpected argument 'arg';"
        " -r a b: is not a mail address;"
        " -w needs a value;"
        " -4 and -6 exclude each other"
    )


@pytest.mark.parametrize(
    "argv", [["--help"], ["-h"], ["-vh"], ["-p", "0", "--help"], ["--nonsense", "-h"], ["-Vh"]]
)
def test_help_is_given_whatever_else_is_said(argv):
    with pytest.raises(Answered) as caught:
        parse(argv)
    assert str(caught.value) == help_text()


@pytest.mark.parametrize("argv", [["--version"], ["-V"], ["-p", "0", "-V"]])
def test_the_version_is_given(argv):
    with pytest.raises(Answered) as caught:
        parse(argv)
    assert str(caught.value) == f"check_exchange_mailaccept {__version__}"


def test_a_help_that_is_a_value_is_no_help():
    assert mistakes("-d", "contoso.com", "-p", "--help") == f"-p --help: {PORT}"


def test_the_help_names_every_option():
    """Each in a line of its own, as in the contract."""
    found = re.findall(r"^  (-.*)$", help_text(), re.MULTILINE)
    assert [re.findall(r"(?<!\S)-[-\w]+", line)[-1] for line in found] == [
        flags[-1] for flags in (option.flags for option in OPTIONS)
    ]


def test_the_help_is_ascii_without_tabs():
    """It must look the same in every terminal."""
    assert re.fullmatch(r"[\n -~]+", help_text())


def test_the_help_is_at_most_80_columns_wide():
    assert [line for line in help_text().splitlines() if len(line) > 80] == []


# The probe's mailbox.

MAILBOX = ("--delivered", "imaps://probe@mail.contoso.com", "-w", "delivered=900")
SECRET = {"CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD": "secret"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("imaps://mail.contoso.com", (True, "", "mail.contoso.com", 993, ("INBOX",))),
        ("IMAP://mail.contoso.com", (False, "", "mail.contoso.com", 143, ("INBOX",))),
        ("imaps://a@b@c.example:1993/", (True, "a@b", "c.example", 1993, ("INBOX",))),
        ("imaps://a%40b@[::1]:1993", (True, "a@b", "::1", 1993, ("INBOX",))),
        ("imaps://a@::1", (True, "a", "::1", 993, ("INBOX",))),
        (
            "imaps://contoso%5Ca@192.0.2.1/Probes/In,Junk%20Email,a%2Cb%c3%bc",
            (True, "contoso\\a", "192.0.2.1", 993, ("Probes/In", "Junk Email", "a,b\u00fc")),
        ),
    ],
)
def test_where_the_mailbox_is(value, expected):
    assert place(value) == expected


@pytest.mark.parametrize(
    ("limits", "keep"),
    [
        (("-w", "delivered=900"), 86_400),
        (("-w", "delivered=100000", "-c", "delivered=10:90000"), 200_000),
        (("-w", "delivered=5:", "-c", "delivered=@50000"), 100_000),
    ],
)
def test_how_long_probes_are_kept(limits, keep):
    """A day, or twice the largest limit."""
    asked = parse(["-d", "contoso.com", *MAILBOX[:2], *limits], **SECRET)
    assert asked.mailbox.keep == keep


@pytest.mark.parametrize(
    ("other", "same"),
    [
        *((["-F", "monitor2.example"], False), (["-d", "other.example"], False)),
        *((["-H", "mail1.contoso.com"], False), (["-p", "26"], False), (["-4"], False)),
        *((["--source-address", "192.0.2.9"], False), (["-S"], False), (["-s"], False)),
        *((["--nameserver", "192.0.2.53"], False), (["-f", "<>"], False), (["-r", "a"], False)),
        *((["-r", "postmaster", "-r", "a"], False), (["-r", "postmaster"], True)),
        *((["-f", "ExMFA-MailAcceptTest@Fabrikam.com", "-f", "<>"], True), (["--dane"], False)),
        *((["-v"], True), (["-t", "9"], True), (["-w", "5"], True), (["--subject", "x"], True)),
    ],
)
def test_the_mark_tells_the_probes_of_one_check_from_those_of_others(other, same):
    argv = ["-d", "contoso.com", "-F", "monitor1.example", *MAILBOX]
    marks = [parse([*argv, *more], **SECRET).probe.content.mark for more in ([], other)]
    assert (marks[0] == marks[1]) is same
    assert all(re.fullmatch("[0-9a-f]{12}", mark) for mark in marks)


def test_without_a_mailbox_there_is_no_mark():
    assert parse(["-d", "contoso.com"]).probe.content.mark == ""


@pytest.mark.parametrize(
    ("argv", "environment", "said"),
    [
        (MAILBOX[:2], SECRET, "--delivered needs a range of at least three check intervals in"
         " seconds: -w delivered=900 or -c delivered=900 for one of 5 minutes"),
        (MAILBOX, {}, "--delivered needs --delivered-password-file or --delivered-token-file, or"
         " the secret in the environment"),
        (("--delivered", "imaps://a.example", *MAILBOX[2:]), SECRET,
         "--delivered needs --delivered-user, or USER@ before its host"),
        ((*MAILBOX, "--until", "rcpt"), SECRET,
         "--delivered needs a message, and --until rcpt sends none"),
        (MAILBOX[2:], SECRET, "delivered=... needs --delivered"),
        (("-c", "delay=5"), SECRET, "delay=... needs --delivered"),
        (("--delivered-user", "a"), SECRET, "--delivered-user needs --delivered"),
        (("--delivered", "imaps://a:b@c.example"), SECRET, "--delivered imaps://***@c.example: must"
         " have no password in it; there is --delivered-password-file; --delivered needs a range of"
         " at least three check intervals in seconds: -w delivered=900 or -c delivered=900 for one"
         " of 5 minutes"),
    ],
)  # fmt: skip
def test_a_mistake_about_the_mailbox_is_named(argv, environment, said):
    assert mistakes("-d", "contoso.com", *argv, **environment) == said


# All servers at once.


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--all-mx"], changed(DEFAULTS, rule=Rule.WORST)),
        (["--all-mx", "--set", "worst"], changed(DEFAULTS, rule=Rule.WORST)),
        (["--all-mx", "--set=any"], changed(DEFAULTS, rule=Rule.ANY)),
        (["--set", "PRIMARY", "--all-mx"], changed(DEFAULTS, rule=Rule.PRIMARY)),
        (
            ["--all-mx", "--all-addresses", "--parallel", "1"],
            changed(DEFAULTS, rule=Rule.WORST, every_address=True, parallel=1),
        ),
        (["--all-mx", "--parallel=999"], changed(DEFAULTS, rule=Rule.WORST, parallel=999)),
        (
            ["-H", "mail1", "--all-addresses"],
            changed(target(host="mail1"), rule=Rule.WORST, every_address=True),
        ),
    ],
)
def test_all_servers_are_tested(argv, expected):
    assert parse(["-d", "contoso.com", *argv]) == expected


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--all-mx", "-H", "mail1"], "--all-mx and -H exclude each other"),
        (["--all-addresses"], "--all-addresses needs --all-mx, or -H"),
        (["--set", "any"], "--set needs --all-mx or --all-addresses"),
        (["--parallel", "5"], "--parallel needs --all-mx, --all-addresses or --connections"),
        (["--all-mx", "--set", "best"], "--set best: must be one of worst any primary"),
        *(
            (
                ["--all-mx", "--parallel", value],
                f"--parallel {value}: must be a number from 1 to 999",
            )
            for value in ("0", "-1", "1000", "1.5", "nan", "1e2", "\u0665", " 1", "x")
        ),
    ],
)
def test_a_mistake_about_all_servers_is_named(argv, said):
    """Also what would have no effect."""
    assert mistakes("-d", "contoso.com", *argv) == said


# TLS.


@pytest.mark.parametrize(
    ("argv", "policies"),
    [([], ()), (["--dane"], ("dane",)), (["--mta-sts", "--dane", "--all-mx"], ("dane", "mta-sts"))],
)
def test_policies_to_judge_by_use_starttls_where_it_is_offered(argv, policies):
    """As senders that enforce them do."""
    options = parse(["-d", "contoso.com", *argv])
    assert options.policies == policies
    assert options.probe.tls is (Tls.IF_OFFERED if policies else Tls.NEVER)
    assert parse(["-d", "contoso.com", "-S", *argv]).probe.tls is Tls.STARTTLS


def test_authorities_for_a_policy_do_not_ask_for_a_certificate_of_the_mail_server():
    argv = ["-d", "contoso.com", "--mta-sts", "--ca-file", "/etc/hosts"]
    assert not parse(argv).judging.expects_tls
    assert parse([*argv, "--verify"]).judging.expects_tls


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--dane", "-H", "mail1"], "--dane and --hostname exclude each other"),
        (["--mta-sts", "-H", "mail1"], "--mta-sts and --hostname exclude each other"),
        (["--mta-sts", "-s"], "--mta-sts and --ssl exclude each other"),
        (["--mta-sts", "--tls-name", "a.b"], "--mta-sts and --tls-name exclude each other"),
        (["--dane", "--verify"], "--dane and --verify exclude each other"),
        (["--mta-sts", "--verify", "--until", "ehlo"],
         "--mta-sts needs --until starttls or a later stage"),
    ],
)  # fmt: skip
def test_what_no_sender_does_contradicts_a_policy(argv, said):
    assert mistakes("-d", "contoso.com", *argv) == said


def tls(mode: Tls, port: int = 25, name: str = "", days=(), expected=False, **settings):
    """The options, and what TLS is to trust and to show."""
    return (
        changed(
            target(port=port),
            tls=mode,
            tls_name=name,
            certificate_days=days,
            verify=settings.get("verify", False),
            expects_tls=expected or bool(days or name),
        ),
        TlsSettings(False, "", "1.2", "", "")._replace(must_read=bool(days), **settings),
    )


def parse_tls(*argv: str) -> tuple[Options, object]:
    line = command_line.read(["-d", "contoso.com", *argv], read_to_end, {})
    return options.read(line), options.security(line)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-S"], tls(Tls.STARTTLS)),
        (["--starttls"], tls(Tls.STARTTLS)),
        (["--starttls-if-offered"], tls(Tls.IF_OFFERED)),
        # A template may have given the weaker one.
        (["--starttls-if-offered", "-S"], tls(Tls.STARTTLS)),
        (["-s", "--starttls-if-offered"], tls(Tls.IMPLICIT, 465)),
        (["-s"], tls(Tls.IMPLICIT, 465)),
        (["--ssl"], tls(Tls.IMPLICIT, 465)),
        (["-s", "-p", "25"], tls(Tls.IMPLICIT, 25)),
        (["-sp", ""], tls(Tls.IMPLICIT, 465)),
        (["-S", "-p", "587"], tls(Tls.STARTTLS, 587)),
        (["-S", "--verify"], tls(Tls.STARTTLS, expected=True, verify=True)),
        (["-S", "--min-tls", "1.3"], tls(Tls.STARTTLS, expected=True, least_version="1.3")),
        (["-S", "--min-tls=1.2"], tls(Tls.STARTTLS, expected=True)),
        (["-S", "--tls-name", "Mail1.contoso.com."], tls(Tls.STARTTLS, name="Mail1.contoso.com")),
        (["-S", "-D", "30"], tls(Tls.STARTTLS, days=(30.0,))),
        (["-S", "-D", "30,7.5"], tls(Tls.STARTTLS, days=(30.0, 7.5))),
        (["-S", "--certificate=7,7"], tls(Tls.STARTTLS, days=(7.0, 7.0))),
        (["-S", "-D", "0"], tls(Tls.STARTTLS, days=(0.0,))),
    ],
)
def test_tls_is_chosen(argv, expected):
    assert parse_tls(*argv) == expected


def test_the_walk_may_end_with_tls():
    chosen = parse(["-d", "contoso.com", "-S", "--until", "starttls"])
    assert chosen == changed(target(), tls=Tls.STARTTLS, until=Stage.STARTTLS)


def test_files_of_tls_are_named(tmp_path):
    """They are opened once, to see whether they can be, and read later."""
    files = [str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem")]
    for file in files:
        open(file, "w").close()  # noqa: PTH123
    ca_file, certificate, key = files
    argv = ["-S", "--verify", "--ca-file", ca_file, "--client-cert", certificate]
    assert parse_tls(*argv, "--client-key", key) == tls(
        Tls.STARTTLS,
        expected=True,
        verify=True,
        ca_file=ca_file,
        client_certificate=certificate,
        client_key=key,
    )


NEEDS_TLS = "needs -S, -s or --starttls-if-offered"
DAYS = "must be DAYS or DAYS,DAYS, the second for CRITICAL and not above the first"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-S", "-s"], "--starttls and --ssl exclude each other"),
        (["--verify"], f"--verify {NEEDS_TLS}"),
        (["--tls-name", "mail1"], f"--tls-name {NEEDS_TLS}"),
        (["--min-tls", "1.3"], f"--min-tls {NEEDS_TLS}"),
        (["-D", "30"], f"--certificate {NEEDS_TLS}"),
        (["--until", "starttls"], f"--until starttls {NEEDS_TLS}"),
        *((["-S", "--min-tls", value], f"--min-tls {value}: must be one of 1.2 1.3")
          for value in ("1.1", "1.0", "1", "1.4", "TLSv1.2", "ssl3")),
        *((["-S", "-D", value], f"-D {value}: {DAYS}") for value in ("7,30", "3,2,1", "0,1")),
        *((["-S", "-D", value], f"-D {value}: must be a number from 0 to 100000") for value in (
            "-1", "x", "30,", ",7", "nan", "inf", "1e3", "100001", "30 ,7", "\u0663",
        )),
        *((["-S", "--tls-name", value], f"--tls-name {value}: {value!r} is not a domain:"
           f" {value!r} {LABEL}") for value in ("a b", "a\r\nb", "a\0", "*")),
        (["-S", "--client-cert", "/nonexistent"],
         "--client-cert /nonexistent: can't be read: No such file or directory"),
        (["-S", "--client-key", "/etc/hosts"], "--client-key needs --client-cert"),
        (["--ca-file", "/etc/hosts"], f"--ca-file {NEEDS_TLS}"),
        (["-S", "--verify", "--ca-file", "/"], "--ca-file /: can't be read: it is no regular file"),
        (["-S", "--verify", "--ca-file", "a\0b"],
         "--ca-file a\0b: can't be read: embedded null byte"),
    ],
)  # fmt: skip
def test_a_mistake_about_tls_is_named(argv, said):
    """Also what would silently have no effect."""
    assert mistakes("-d", "contoso.com", *argv) == said


# AUTH.

PASSWORD = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD"
TOKEN = "CHECK_EXCHANGE_MAILACCEPT_TOKEN"
LOG_ON = ["-d", "contoso.com", "-S", "-U", "me@contoso.com"]


@pytest.fixture
def secret_file(tmp_path):
    """The name of a file with a secret."""
    path = tmp_path / "secret"
    path.write_bytes(b"pass word\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("argv", "environment", "expected"),
    [
        (["-A", "login"], {PASSWORD: "pw"}, Credentials("LOGIN", "me@contoso.com", "pw")),
        (["-A", "PLAIN"], {PASSWORD: "pw"}, Credentials("PLAIN", "me@contoso.com", "pw")),
        (["--auth=ntlm"], {PASSWORD: "pw"}, Credentials("NTLM", "me@contoso.com", "pw")),
        (["-A", "xoauth2"], {TOKEN: "tk"}, Credentials("XOAUTH2", "me@contoso.com", "", "tk")),
        (["-A", "auto"], {PASSWORD: "pw"}, Credentials("AUTO", "me@contoso.com", "pw")),
        (["-A", "auto"], {TOKEN: "tk"}, Credentials("AUTO", "me@contoso.com", "", "tk")),
        (
            ["-A", "auto", "--auth-without-tls"],
            {TOKEN: "tk", PASSWORD: "pw"},
            Credentials("AUTO", "me@contoso.com", "pw", "tk", True),
        ),
    ],
)
def test_secrets_come_from_the_environment(argv, environment, expected):
    chosen = parse([*LOG_ON, *argv], **environment)
    assert tuple(chosen.probe.credentials) == tuple(expected)


@pytest.mark.parametrize(
    ("mechanism", "option", "secrets"),
    [
        ("login", "--password-file", ("pass word", "")),
        ("xoauth2", "--token-file", ("", "pass word")),
    ],
)
def test_secrets_come_from_a_file(mechanism, option, secrets, secret_file):
    """Before the environment's; a token does not pass for a password."""
    variable = PASSWORD if mechanism == "login" else TOKEN
    given = parse([*LOG_ON, "-A", mechanism, option, secret_file], **{variable: "another"})
    assert given.probe.credentials[2:4] == secrets


def test_a_mistake_never_shows_a_secret():
    argv = ["-A", "login", "--password-file", "/nonexistent", "--nonsense"]
    assert "geheim" not in mistakes(*LOG_ON, *argv, **{PASSWORD: "geheim", TOKEN: "geheim"})


def test_options_never_show_a_secret():
    chosen = parse([*LOG_ON, "-A", "auto"], **{PASSWORD: "geheim", TOKEN: "geheim"})
    assert "geheim" not in repr(chosen)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-A", "login", "-S", "-U", "me"],
         "--auth login needs --password-file, or the secret in the environment"),
        (["-A", "xoauth2", "-S", "-U", "me"],
         "--auth xoauth2 needs --token-file, or the secret in the environment"),
        (["-A", "auto", "-S", "-U", "me"],
         "--auth auto needs --password-file or --token-file, or the secret in the environment"),
        (["-U", "me"], "--user needs --auth"),
        (["--auth-without-tls"], "--auth-without-tls needs --auth"),
        (["-A", "gssapi", "-S", "-U", "me"],
         "-A gssapi: must be one of auto xoauth2 ntlm plain login"),
        (["-A", "cram-md5", "-S", "-U", "me"],
         "-A cram-md5: must be one of auto xoauth2 ntlm plain login"),
        (["--password-file", "/nonexistent"],
         "--password-file /nonexistent: can't be read: No such file or directory;"
         " --password-file needs --auth"),
        (["--until", "auth"], "--until auth needs -A"),
    ],
)  # fmt: skip
def test_a_mistake_about_auth_is_named(argv, said):
    """Nothing is asked for in vain, and no secret is sent unless it was said how."""
    assert mistakes("-d", "contoso.com", *argv) == said


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-A", "login", "-U", "me"], "--auth needs -S or -s, or --auth-without-tls"),
        (["-A", "login", "-S"], "--auth needs --user"),
        (["-A", "login", "-S", "-U", "a\r\nb"], f"-U a\r\nb: {CONTROL}"),
        (["-A", "login", "-S", "-U", "a\0b"], f"-U a\0b: {CONTROL}"),
    ],
)
def test_a_secret_alone_is_not_enough(argv, said):
    assert mistakes("-d", "contoso.com", *argv, **{PASSWORD: "pw"}) == said


# Nothing that is given may break out of its command or its header line.

_EVIL = st.text(
    st.one_of(
        st.sampled_from('a@.<>[]: \r\n\0"\\\u010d\u010a\u0d0a6IPv'),
        # The zone of an IPv6 address has its own tests below, which fail for the time being.
        st.characters(),
    ),
    max_size=30,
)


@given(sender=_EVIL, recipient=_EVIL, subject=_EVIL, header=_EVIL)
def test_what_is_accepted_stays_one_line(sender, recipient, subject, header):
    """One command for each address, one line for each header, in the bytes that go out."""
    argv = ["-d", "contoso.com", f"--from={sender}", f"--recipient={recipient}"]
    try:
        chosen = parse([*argv, f"--subject={subject}", f"--header=X: {header}"])
    except UsageError:
        return
    message = compose(chosen.probe.envelope, chosen.probe.content, "<1@a.example>", 0.0)
    commands = [
        mail_command(chosen.probe.envelope),
        rcpt_command(chosen.probe.envelope, NO_EXTENSIONS),
    ]
    for command in commands:
        verb = r"(MAIL FROM|RCPT TO):<[^<>\r\n\0]*>( SMTPUTF8)?"
        assert re.fullmatch(verb, command) or '"' in command
        assert b"\r" not in command.encode()
        assert b"\n" not in command.encode()
    assert re.findall(rb"\r(?!\n)|(?<!\r)\n|\0", message) == []
    assert message.count(b"\r\n") == 13


def test_unicode_that_narrows_to_a_line_end_goes_out_as_utf8():
    """U+010D and U+010A end in the bytes of CR and LF, which a careless encoding would send."""
    chosen = parse(["-d", "contoso.com", "-r", "a\u010d\u010aDATA\u010d\u010a@contoso.com"])
    command = rcpt_command(chosen.probe.envelope, NO_EXTENSIONS).encode()
    assert command == b"RCPT TO:<a\xc4\x8d\xc4\x8aDATA\xc4\x8d\xc4\x8a@contoso.com>"


@pytest.mark.parametrize("flag", ["-H", "--source-address", "--nameserver"])
@pytest.mark.parametrize("zone", ["a\tb", "a\0b", "a b", "a|b", "\u0665", "x" * 16])
def test_a_zone_is_the_name_or_number_of_an_interface(flag, zone):
    """Printable, without blanks, below 16 bytes (IFNAMSIZ)."""
    said = mistakes("-d", "contoso.com", flag, f"::1%{zone}")
    assert said.startswith(f"{flag} ::1%{zone}: ")


@pytest.mark.parametrize("value", ["-4", "-p25", "--ipv4", "-a.example", "a-.example"])
@pytest.mark.parametrize("flag", ["-H", "-d", "-F"])
def test_a_name_does_not_begin_or_end_with_a_hyphen(flag, value):
    """RFC 1123 2.1; and ``-H $HOST -4`` with an empty variable must not test a host ``-4``."""
    target_given = ["-H", "a", "-r", "a@b"] if flag == "-d" else ["-d", "contoso.com"]
    assert mistakes(*target_given, flag, value).startswith(f"{flag} {value}: ")


@pytest.mark.parametrize("flag", ["-f", "-r"])
def test_a_path_has_at_most_256_octets(flag):
    """Angle brackets included (RFC 5321 4.5.3.1.3)."""
    value = "x" * 64 + "@" + ("y" * 47 + ".") * 3 + "y" * 46
    assert len(f"<{value}>") == 257
    assert mistakes("-d", "contoso.com", flag, value).startswith(f"{flag} {value}: ")


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        (["-H", "a b", "-r", "a@b.example"], "-H"),
        (["-d", "a b"], "-d"),
        (["-H", "mail1", "-r", "a b@c.example"], "-r"),
    ],
)
def test_one_mistake_is_reported_once(argv, flag):
    """Not with a second one, that the option is missing, which it is not."""
    said = mistakes(*argv)
    assert said.startswith(f"{flag} ")
    assert "required" not in said


def test_an_encoded_word_has_at_most_75_characters():
    """RFC 2047 2."""
    chosen = parse(["-d", "contoso.com", "--subject", "\u00fc" * 60])
    assert [word for word in chosen.probe.content.subject.split() if len(word) > 75] == []

"""The command line: what each option sets; mistakes are in ``test_mistakes.py``.

What the value of an option may be is tested in ``test_words.py``.
"""

from __future__ import annotations

import re

import pytest
from support.parsing import FLAGS_WITH_VALUE, parse

from exchange_mailaccept import __version__, options
from exchange_mailaccept.cli import command_line
from exchange_mailaccept.cli.command_line import Answered
from exchange_mailaccept.cli.help import help_text
from exchange_mailaccept.cli.table import OPTIONS
from exchange_mailaccept.net.blocking_call import read_to_end
from exchange_mailaccept.net.trust import TlsSettings
from exchange_mailaccept.options import Judging, Limits, Options
from exchange_mailaccept.protocol.auth import Credentials
from exchange_mailaccept.protocol.conversation import Target
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.vocabulary import Rule, Stage, Tls

DEFAULTS = Options(
    target=Target("contoso.com", "", 25, 0, ()),
    probe=Plan(
        Envelope("ExMFA-MailAcceptTest@Fabrikam.com", "postmaster@contoso.com"),
        ehlo_name="", content=Content("Mail acceptance test", ()), message_id="", now=0.0,
        until=Stage.MESSAGE, source_address="", tls=Tls.NEVER, tls_name="", verify=False,
        credentials=None, transcript=False,
    ),
    security=None,
    judging=Judging(
        profile="auto", require=(), severities={}, warning={}, critical={},
        certificate_days=(), expects_tls=False, rule=None,
    ),
    limits=Limits(timeout=50.0, every_address=False, parallel=10, verbosity=0),
)  # fmt: skip


def changed(base: Options, **changes: object) -> Options:
    """``base`` with other values in the parts that have them."""
    for name in ("target", "probe", "judging", "limits"):
        part = getattr(base, name)
        mine = {field: changes.pop(field) for field in part._fields if field in changes}
        base = base._replace(**{name: part._replace(**mine)})
    assert not changes
    return base


def but(**changes: object) -> Options:
    """The defaults with some other values."""
    return changed(DEFAULTS, **changes)


def envelope(**changes: object) -> Options:
    return but(envelope=DEFAULTS.probe.envelope._replace(**changes))


def content(**changes: object) -> Options:
    return but(content=DEFAULTS.probe.content._replace(**changes))


SERVER = changed(envelope(recipient="a@b.example"), domain="", host="192.0.2.1")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-d", "contoso.com"], DEFAULTS),
        (["--domain", "contoso.com"], DEFAULTS),
        (["--domain=contoso.com"], DEFAULTS),
        (["-dcontoso.com"], DEFAULTS),
        (["-d", "other.example", "-d", "contoso.com"], DEFAULTS),
        (["-H", "192.0.2.1", "-r", "a@b.example"], SERVER),
        (["-H", "192.0.2.1", "-r", "a@b.example", "--refuse", "nobody"],
         changed(SERVER, refuse=("nobody@b.example",))),
    ],
)  # fmt: skip
def test_a_target_is_enough(argv, expected):
    """All else has a default."""
    assert parse(argv) == expected


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-H", "192.0.2.1"], but(host="192.0.2.1")),
        (["--hostname=mail1"], but(host="mail1")),
        (["-p26"], but(port=26)),
        (["--port=26"], but(port=26)),
        (["-p", "26", "-p", "27"], but(port=27)),
        (["-p", "26", "-p", ""], but(port=26)),
        (["-4"], but(family=4)),
        (["--ipv6"], but(family=6)),
        (["-4", "-H", "192.0.2.1"], but(family=4, host="192.0.2.1")),
        (["-6", "-H", "::1"], but(family=6, host="::1")),
        (["-6", "-H", "mail1"], but(family=6, host="mail1")),
        (["--nameserver=::1", "--nameserver=127.0.0.1:1"],
         but(nameservers=(("::1", 53), ("127.0.0.1", 1)))),
        (["--expect-mx", "*.b.example", "--expect-mx", "A"], but(expected_mx=("*.b.example", "a"))),
        (["--source-address", "192.0.2.9"], but(source_address="192.0.2.9")),
        (["-f", "a@b.example"], envelope(sender="a@b.example")),
        (["--from=<>"], envelope(sender="")),
        (["-f", "a@b.example", "-f", "<>", "-f", "a@b.example", "-f", "c@d.example"],
         changed(envelope(sender="a@b.example"), senders=("", "c@d.example"))),
        (["--recipient", "probe"], envelope(recipient="probe@contoso.com")),
        (["-r", "probe", "-H", "mail1"],
         changed(envelope(recipient="probe@contoso.com"), host="mail1")),
        (["-r", "a@b.example", "-r", "probe", "-r", "probe@contoso.com"],
         envelope(recipient="a@b.example", others=("probe@contoso.com",))),
        (["--connections", "15"], but(connections=15, at_once=10)),
        (["--connections", "3", "--parallel", "2"], but(connections=3, at_once=2, parallel=2)),
        (["--connections", "1", "--until", "mx"], but(at_once=10, until=Stage.MX)),
        (["--refuse", "nobody", "--refuse=<a@b.example>", "--refuse", "c", "--until", "rcpt"],
         but(refuse=("nobody@contoso.com", "a@b.example", "c@contoso.com"), until=Stage.RCPT)),
        (["-F", "probe.example"], but(ehlo_name="probe.example")),
        (["--fqdn", "[192.0.2.1]"], but(ehlo_name="[192.0.2.1]")),
        # starttls and auth are below, with what they need.
        *((["--until", stage.value], but(until=stage))
          for stage in (Stage.MX, Stage.CONNECT, Stage.BANNER, Stage.EHLO,
                        Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)),
        (["--subject", "Gr\u00fc\u00dfe"], content(subject="=?utf-8?b?R3LDvMOfZQ==?=")),
        (["--header=X-A: 1", "--header=X-A: 2"], content(headers=("X-A: 1", "X-A: 2"))),
        *((["--profile", name], but(profile=name))
          for name in ("auto", "exmfa", "2000", "2003", "2007", "2010", "2013", "2016", "2019",
                       "se", "edge", "online", "submission", "none")),
        (["--require=X-EXPS", "--require=8bitmime"], but(require=("X-EXPS", "8BITMIME"))),
        (["--severity=452=ok", "--severity=rcpt=warning", "--severity=452=critical"],
         but(severities={"452": "critical", "rcpt": "warning"})),
        (["-w", "-5:"], but(warning={"total": "-5:"})),
        (["-w1", "--warning=rcpt=2", "-w", "3"], but(warning={"total": "3", "rcpt": "2"})),
        (["-c", "5", "--critical=mail=6"], but(critical={"total": "5", "mail": "6"})),
        (["-t", "10"], but(timeout=10.0)),
        (["--timeout=0.5"], but(timeout=0.5)),
        (["-v"], but(verbosity=1)),
        (["--verbose"], but(verbosity=1)),
        (["-vv"], but(verbosity=2, transcript=True)),
        (["-v", "-v"], but(verbosity=2, transcript=True)),
        (["-vvv"], but(verbosity=3, transcript=True)),
        (["-vvvvv"], but(verbosity=3, transcript=True)),
        (["-v4p26"], but(family=4, port=26, verbosity=1)),
        # All servers at once.
        (["--all-mx"], but(rule=Rule.WORST)),
        (["--all-mx", "--set", "worst"], but(rule=Rule.WORST)),
        (["--all-mx", "--set=any"], but(rule=Rule.ANY)),
        (["--set", "PRIMARY", "--all-mx"], but(rule=Rule.PRIMARY)),
        (["--all-mx", "--all-addresses", "--parallel", "1"],
         but(rule=Rule.WORST, every_address=True, parallel=1)),
        (["-H", "mail1", "--all-addresses"],
         but(host="mail1", rule=Rule.WORST, every_address=True)),
    ],
)  # fmt: skip
def test_an_option_sets_what_it_says(argv, expected):
    assert parse(["-d", "contoso.com", *argv]) == expected


def test_an_international_domain_goes_out_as_a_labels():
    pytest.importorskip("idna")
    name, ascii_name = "m\u00fcnchen.example", "xn--mnchen-3ya.example"
    argv = ["-d", name, "-H", name, "-f", f"\u00fc@{name}", "-r", f"a@{name}", "-F", name]
    addresses = Envelope(f"\u00fc@{ascii_name}", f"a@{ascii_name}")
    assert parse(argv) == but(
        domain=ascii_name, host=ascii_name, envelope=addresses, ehlo_name=ascii_name
    )


@pytest.mark.parametrize("flag", FLAGS_WITH_VALUE)
def test_an_empty_value_counts_as_not_given(flag):
    """Icinga and Nagios make one of a macro that is not set."""
    assert parse(["-d", "contoso.com", flag, ""]) == DEFAULTS


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        *((argv, help_text()) for argv in (["--help"], ["-vh"], ["--nonsense", "-h"], ["-Vh"])),
        *((argv, f"check_exchange_mailaccept {__version__}")
          for argv in (["--version"], ["-p", "0", "-V"])),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_text_is_given_whatever_else_is_said(argv, answer):
    """The help before the version."""
    with pytest.raises(Answered) as caught:
        parse(argv)
    assert str(caught.value) == answer


def test_the_help_names_every_option():
    """Each in a line of its own, as in the contract."""
    lines = re.findall(r"^  (-.*)$", help_text(), re.MULTILINE)
    names = [re.findall(r"(?<!\S)-[-\w]+", line)[-1] for line in lines]
    assert names == [option.flags[-1] for option in OPTIONS]


def test_the_help_is_ascii_of_at_most_80_columns():
    """It must look the same in every terminal."""
    assert re.fullmatch(r"([ -~]{0,80}\n?)+", help_text())


# The probe's mailbox.

MAILBOX = ("--delivered", "imaps://probe@mail.contoso.com", "-w", "delivered=900")
SECRET = {"CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD": "secret"}


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
    ("others", "same"),
    [
        ((("-F", "monitor2.example"), ("-d", "other.example"), ("-H", "mail1.contoso.com"),
          ("-p", "26"), ("-4",), ("--source-address", "192.0.2.9"), ("-S",), ("-s",),
          ("--nameserver", "192.0.2.53"), ("-f", "<>"), ("-r", "a"),
          ("-r", "postmaster", "-r", "a"), ("--dane",)), False),
        ((("-r", "postmaster"), ("-f", "ExMFA-MailAcceptTest@Fabrikam.com", "-f", "<>"), ("-v",),
          ("-t", "9"), ("-w", "5"), ("--subject", "x")), True),
    ],
)  # fmt: skip
def test_the_mark_tells_the_probes_of_one_check_from_those_of_others(others, same):
    argv = ["-d", "contoso.com", "-F", "monitor1.example", *MAILBOX]
    mark = parse(argv, **SECRET).probe.content.mark
    assert re.fullmatch("[0-9a-f]{12}", mark)
    for other in others:
        its_mark = parse([*argv, *other], **SECRET).probe.content.mark
        assert (its_mark == mark) is same, other


# TLS.


@pytest.mark.parametrize(
    ("argv", "policies"),
    [([], ()), (["--dane"], ("dane",)), (["--mta-sts", "--dane", "--all-mx"], ("dane", "mta-sts"))],
)
def test_policies_to_judge_by_use_starttls_where_it_is_offered(argv, policies):
    """As senders that enforce them do."""
    asked = parse(["-d", "contoso.com", *argv])
    assert asked.policies == policies
    assert asked.probe.tls is (Tls.IF_OFFERED if policies else Tls.NEVER)
    assert parse(["-d", "contoso.com", "-S", *argv]).probe.tls is Tls.STARTTLS


def test_authorities_for_a_policy_do_not_ask_for_a_certificate_of_the_mail_server():
    argv = ["-d", "contoso.com", "--mta-sts", "--ca-file", "/etc/hosts"]
    assert not parse(argv).judging.expects_tls
    assert parse([*argv, "--verify"]).judging.expects_tls


def tls(mode: Tls, port: int = 25, trust=(), **changes) -> tuple[Options, TlsSettings]:
    """The options, and what TLS is to trust."""
    settings = TlsSettings(False, "", "1.2", "", "")._replace(**dict(trust))
    return but(tls=mode, port=port, **changes), settings


FILES = {"ca_file": "/etc/hosts", "client_certificate": "/etc/passwd", "client_key": "/etc/group"}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-S"], tls(Tls.STARTTLS)),
        (["--starttls"], tls(Tls.STARTTLS)),
        (["--starttls-if-offered"], tls(Tls.IF_OFFERED)),
        # A template may have given the weaker one.
        (["--starttls-if-offered", "-S"], tls(Tls.STARTTLS)),
        (["-s", "--starttls-if-offered"], tls(Tls.IMPLICIT, 465)),
        (["--ssl"], tls(Tls.IMPLICIT, 465)),
        (["-s", "-p", "25"], tls(Tls.IMPLICIT, 25)),
        (["-sp", ""], tls(Tls.IMPLICIT, 465)),
        (["-S", "-p", "587"], tls(Tls.STARTTLS, 587)),
        (["-S", "--until", "starttls"], tls(Tls.STARTTLS, until=Stage.STARTTLS)),
        (["-S", "--verify"],
         tls(Tls.STARTTLS, trust={"verify": True}, verify=True, expects_tls=True)),
        (["-S", "--min-tls", "1.3"],
         tls(Tls.STARTTLS, trust={"least_version": "1.3"}, expects_tls=True)),
        (["-S", "--min-tls=1.2"], tls(Tls.STARTTLS, expects_tls=True)),
        (["-S", "--tls-name", "Mail1.contoso.com."],
         tls(Tls.STARTTLS, tls_name="Mail1.contoso.com", expects_tls=True)),
        (["-S", "--certificate=7,7"],
         tls(Tls.STARTTLS, trust={"must_read": True}, certificate_days=(7.0, 7.0),
             expects_tls=True)),
        (["-S", "-D", "0"],
         tls(Tls.STARTTLS, trust={"must_read": True}, certificate_days=(0.0,), expects_tls=True)),
        # Files are opened once, to see whether they can be, and read later.
        (["-S", "--verify", "--ca-file", "/etc/hosts", "--client-cert", "/etc/passwd",
          "--client-key", "/etc/group"],
         tls(Tls.STARTTLS, trust={"verify": True, **FILES}, verify=True, expects_tls=True)),
    ],
)  # fmt: skip
def test_tls_is_chosen(argv, expected):
    line = command_line.read(["-d", "contoso.com", *argv], read_to_end, {})
    assert (options.read(line), options.security(line)) == expected


# AUTH.

PASSWORD = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD"
TOKEN = "CHECK_EXCHANGE_MAILACCEPT_TOKEN"
LOG_ON = ["-d", "contoso.com", "-S", "-U", "me@contoso.com"]


@pytest.mark.parametrize(
    ("argv", "environment", "expected"),
    [
        (["-A", "login"], {PASSWORD: "pw"}, Credentials("LOGIN", "me@contoso.com", "pw")),
        (["-A", "PLAIN"], {PASSWORD: "pw"}, Credentials("PLAIN", "me@contoso.com", "pw")),
        (["--auth=ntlm"], {PASSWORD: "pw"}, Credentials("NTLM", "me@contoso.com", "pw")),
        (["-A", "xoauth2"], {TOKEN: "tk"}, Credentials("XOAUTH2", "me@contoso.com", "", "tk")),
        (["-A", "auto"], {PASSWORD: "pw"}, Credentials("AUTO", "me@contoso.com", "pw")),
        (["-A", "auto"], {TOKEN: "tk"}, Credentials("AUTO", "me@contoso.com", "", "tk")),
        (["-A", "auto", "--auth-without-tls"], {TOKEN: "tk", PASSWORD: "pw"},
         Credentials("AUTO", "me@contoso.com", "pw", "tk", True)),
        # A file overrides the environment.
        (["-A", "login", "--password-file", "{file}"], {PASSWORD: "pw"},
         Credentials("LOGIN", "me@contoso.com", "pass word")),
        (["-A", "xoauth2", "--token-file", "{file}"], {TOKEN: "tk"},
         Credentials("XOAUTH2", "me@contoso.com", "", "pass word")),
    ],
)  # fmt: skip
def test_secrets_come_from_the_environment_or_a_file(tmp_path, argv, environment, expected):
    file = tmp_path / "secret"
    file.write_text("pass word\n")
    file.chmod(0o600)
    argv = [word.replace("{file}", str(file)) for word in argv]
    assert tuple(parse([*LOG_ON, *argv], **environment).probe.credentials) == tuple(expected)

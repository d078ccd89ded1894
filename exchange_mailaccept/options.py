"""The command line: ``argv`` to one immutable :class:`Options`, or every mistake in one line.

One table describes all options; the parser, ``--help`` and the documents are made from it.  This is
not argparse, which reports the first mistake only, exits with 2 (CRITICAL to Nagios), prints to
stderr, wraps its help differently in each version of Python, and costs 6 ms at every run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, NoReturn, Optional

from . import __version__, extra_opts, profiles, sasl, values
from .acceptance import Target, is_address
from .dialogue import Tls
from .message import DEFAULT_SUBJECT, Content, Envelope
from .server_set import Rule
from .stages import Stage
from .values import SEVERITY_KEYS, STATES, UNTIL
from .world import TlsSettings

PROGRAM = "check_exchange_mailaccept"
DESCRIPTION = (
    "Does an Exchange server accept mail? Walks the Mail Acceptance Test (connect, EHLO, MAIL,"
    " RCPT, DATA, message) against the servers of a domain or one server, judges every reply and"
    " measures every step."
)
USAGES = ("-d DOMAIN [options]", "-H HOST -r ADDRESS [options]")
EXAMPLES = (
    "-d contoso.com",
    "-H mail1.contoso.com -r probe@contoso.com -w 5",
    "-d contoso.com --until rcpt -c rcpt=10",
    "-d contoso.com --all-mx --starttls-if-offered",
)
#: The historic sender of the original test.
DEFAULT_SENDER = "ExMFA-MailAcceptTest@Fabrikam.com"
DEFAULT_TIMEOUT = 50.0
#: Environment variables of the secrets, for those who keep no files.
PASSWORD_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD"
TOKEN_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_TOKEN"

DEFAULT_PARALLEL = 10
_SMTP, _SMTPS = 25, 465


class Options(NamedTuple):
    """What the user asked for."""

    target: Target
    envelope: Envelope
    content: Content
    #: Empty to find it out.
    ehlo_name: str
    until: Stage
    source_address: str
    profile: str
    require: tuple[str, ...]
    #: Lower-case key of ``--severity`` to a state of :data:`STATES`.
    severities: Mapping[str, str]
    #: Metric to threshold range.
    warning: Mapping[str, str]
    critical: Mapping[str, str]
    timeout: float
    verbosity: int
    tls: Tls
    tls_settings: TlsSettings
    #: Name to ask for and to find in the certificate; empty for the server's own.
    tls_name: str
    #: Days left of the certificate for WARNING and, if there are two, for CRITICAL.
    certificate_days: tuple[float, ...]
    credentials: Optional[sasl.Credentials]
    #: How all servers are judged as a set; ``None`` to test the first that answers.
    rule: Optional[Rule]
    every_address: bool
    #: Most servers to test at the same time.
    parallel: int


class UsageError(ValueError):
    """The command line can't be used; the text names every mistake."""


class Answered(Exception):  # noqa: N818 it is no error
    """The command line asked for a text and not for a test; ``str()`` is the text."""


class Option(NamedTuple):
    """One option of the command line."""

    flags: tuple[str, ...]
    #: What stands for the value in the help; empty for a switch.
    metavar: str
    meaning: str
    #: Value as typed to value as used; raises ValueError with what is wrong.
    convert: Callable[[str], Any] = str
    repeatable: bool = False

    @property
    def name(self) -> str:
        """The long form, without dashes."""
        return self.flags[-1].lstrip("-")


OPTIONS = (
    Option(("-d", "--domain"), "DOMAIN", "SMTP domain whose mail acceptance is tested; its servers"
           " come from MX", values.domain),
    Option(("-H", "--hostname"), "HOST", "test this server (name or address) instead of the"
           " domain's MX", values.host),
    Option(("-p", "--port"), "PORT", f"TCP port (default {_SMTP}; {_SMTPS} with -s)", values.port),
    Option(("-4", "--ipv4"), "", "IPv4 only"),
    Option(("-6", "--ipv6"), "", "IPv6 only"),
    Option(("--all-mx",), "", "test every MX host of the domain, and judge them as a set"),
    Option(("--all-addresses",), "", "with --all-mx, or -H: test every address of every host"),
    Option(("--set",), "RULE", "worst (default): as the worst server; any: one that accepts is"
           " enough; primary: a failed backup is a warning",
           values.Choice(*(rule.value for rule in Rule))),
    Option(("--parallel",), "N", f"most servers at the same time (default {DEFAULT_PARALLEL};"
           " Exchange takes 20 connections from one address)", values.parallel),
    Option(("--nameserver",), "ADDR[:PORT]", "ask this DNS server instead of the system's resolver;"
           " [ADDR]:PORT for IPv6", values.nameserver, True),
    Option(("--source-address",), "ADDR", "connect from this local address", values.address),
    Option(("-f", "--from"), "ADDRESS", "sender, <> for the null sender (default"
           f" {DEFAULT_SENDER})", values.sender),
    Option(("-r", "--recipient"), "ADDRESS", "recipient; without @ it gets the DOMAIN (default"
           " postmaster)", values.mailbox),
    Option(("-F", "--fqdn"), "NAME", "name given in EHLO (default: this host's full name, else its"
           " address)", values.ehlo_name),
    Option(("--until",), "STAGE", f"last stage to walk: {' '.join(s.value for s in UNTIL)}; up to"
           " rcpt no mail is sent (default message)", values.Choice(*(s.value for s in UNTIL))),
    Option(("--subject",), "TEXT", f"subject of the message (default {DEFAULT_SUBJECT!r})",
           values.subject),
    Option(("--header",), "'NAME: VALUE'", "further header of the message", values.further_header,
           True),
    Option(("--profile",), "NAME", f"which Exchange must answer: {' '.join(profiles.NAMES)}"
           " (default auto)", values.Choice(*profiles.NAMES)),
    Option(("--require",), "KEYWORD", "EHLO keyword that must be offered, besides the profile's",
           values.keyword, True),
    Option(("--severity",), "KEY=STATE", "state of a finding; KEY is a reply code, an enhanced"
           f" code, or one of {' '.join(SEVERITY_KEYS)}; STATE is {' '.join(STATES)}",
           values.severity, True),
    Option(("-w", "--warning"), "[STAGE=]RANGE", "warning range of a stage's seconds; without"
           " STAGE of the total", values.threshold, True),
    Option(("-c", "--critical"), "[STAGE=]RANGE", "critical range, likewise", values.threshold,
           True),
    Option(("-S", "--starttls"), "", "STARTTLS is required"),
    Option(("-s", "--ssl"), "", "TLS from the first byte"),
    Option(("--starttls-if-offered",), "", "STARTTLS where it is offered, as senders on the"
           " Internet do"),
    Option(("--verify",), "", "the certificate must be valid, and for this server; otherwise it is"
           " only reported"),
    Option(("--ca-file",), "FILE", "trusted authorities in PEM (default: the system's)",
           values.readable),
    Option(("--tls-name",), "NAME", "name to ask for (SNI) and to find in the certificate (default:"
           " the server's)", values.host),
    Option(("--min-tls",), "VERSION", "lowest TLS version: 1.2 (default) or 1.3",
           values.Choice("1.2", "1.3")),
    Option(("--client-cert",), "FILE", "client certificate in PEM", values.readable),
    Option(("--client-key",), "FILE", "its key in PEM, if not in the same file", values.readable),
    Option(("-D", "--certificate"), "DAYS[,DAYS]", "warning[,critical] when the certificate expires"
           " within so many days", values.days),
    Option(("-A", "--auth"), "MECHANISM", "log on: auto login plain ntlm xoauth2; auto takes the"
           " strongest that is offered and has its secret", values.Choice(
           "auto", *(name.lower() for name in sasl.MECHANISMS))),
    Option(("-U", "--user"), "NAME", "who logs on", values.one_line),
    Option(("--password-file",), "FILE", "file with the password in its first line (or"
           f" {PASSWORD_VARIABLE} in the environment)", values.secret),
    Option(("--token-file",), "FILE", f"file with the OAuth token (or {TOKEN_VARIABLE})",
           values.secret),
    Option(("--auth-without-tls",), "", "let the secret travel in clear text"),
    Option((extra_opts.OPTION,), "[SECTION][@FILE]", "options from an ini file, as all"
           " monitoring-plugins have it"),
    Option(("-t", "--timeout"), "SECONDS", "the whole run ends within this, fractions allowed"
           f" (default {DEFAULT_TIMEOUT:g})", values.timeout),
    Option(("-v", "--verbose"), "", "-v shows the stages, -vv the transcript, -vvv also tracebacks",
           repeatable=True),
    Option(("-V", "--version"), "", "show the version"),
    Option(("-h", "--help"), "", "show this help"),
)  # fmt: skip
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}


class _Given:
    """The options as they stand on the command line, with the mistakes made there."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.mistakes: list[str] = []
        self._values: dict[str, list[Any]] = {}
        self._tried: set[str] = set()
        words = list(argv)
        while words:
            self._take(words.pop(0), words)

    def count(self, name: str) -> int:
        return len(self._values.get(name, ()))

    def all(self, name: str) -> tuple[Any, ...]:
        return tuple(self._values.get(name, ()))

    def tried(self, name: str) -> bool:
        """Whether it was given, be it with a value that can't be used."""
        return name in self._tried

    def last(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, [default])[-1]

    def _take(self, word: str, words: list[str]) -> None:
        """Read one word, and from ``words`` the value that belongs to it."""
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            option = _BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
            elif option.metavar:
                self._value(option, flag, value if equals else None, words)
            elif value:
                self.mistakes.append(f"{flag} takes no value")
            else:
                # Also "--name=", which is what a switch in an ini file must look like.
                self._keep(option, True)
        elif word.startswith("-") and word != "-":
            self._take_short(word, words)
        else:
            self.mistakes.append(f"unexpected argument '{word}'")

    def _take_short(self, word: str, words: list[str]) -> None:
        """Read a word of short options: ``-vv``, ``-p25``, ``-p 25``."""
        for position, letter in enumerate(word[1:], 2):
            flag = f"-{letter}"
            option = _BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
                return
            if option.metavar:
                self._value(option, flag, word[position:] or None, words)
                return
            self._keep(option, True)

    def _value(self, option: Option, flag: str, value: Optional[str], words: list[str]) -> None:
        if value is None:
            if not words:
                self.mistakes.append(f"{flag} needs a value")
                return
            value = words.pop(0)
        if not value:
            return  # An unset macro of Nagios or Icinga: not given.
        self._tried.add(option.name)
        try:
            self._keep(option, option.convert(value))
        except ValueError as error:
            self.mistakes.append(f"{flag} {value}: {error}")

    def _keep(self, option: Option, value: Any) -> None:
        self._tried.add(option.name)
        self._values.setdefault(option.name, []).append(value)


def parse(argv: Sequence[str], environment: Optional[Mapping[str, str]] = None) -> Options:
    """The options of the command line ``argv`` (without the program's name).

    :param environment: where the secrets and the ini file may be named (default: the process's own)
    :raises UsageError: the command line can't be used
    :raises Answered: ``--help`` or ``--version`` was given
    """
    environment = os.environ if environment is None else environment
    try:
        given = _Given(extra_opts.expand(argv, PROGRAM, environment))
    except ValueError as error:
        _refuse([str(error)])
    if given.count("help"):
        raise Answered(help_text())
    if given.count("version"):
        raise Answered(f"{PROGRAM} {__version__}")
    tls = _tls(given)
    target = _target(given, _SMTPS if tls is Tls.IMPLICIT else _SMTP)
    envelope = _envelope(given, target)
    credentials = _credentials(given, tls, environment)
    until = Stage(given.last("until", Stage.MESSAGE.value))
    if until is Stage.STARTTLS and tls is Tls.NEVER:
        given.mistakes.append("--until starttls needs -S, -s or --starttls-if-offered")
    if until is Stage.AUTH and not given.count("auth"):
        given.mistakes.append("--until auth needs -A")
    rule = _rule(given, target)
    if given.mistakes:
        _refuse(given.mistakes)
    return Options(
        target=target,
        envelope=envelope,
        content=Content(given.last("subject", DEFAULT_SUBJECT), given.all("header")),
        ehlo_name=given.last("fqdn", ""),
        until=until,
        source_address=given.last("source-address", ""),
        profile=given.last("profile", "auto"),
        require=given.all("require"),
        severities=dict(given.all("severity")),
        warning=dict(given.all("warning")),
        critical=dict(given.all("critical")),
        timeout=given.last("timeout", DEFAULT_TIMEOUT),
        verbosity=min(given.count("verbose"), 3),
        tls=tls,
        tls_settings=TlsSettings(
            verify=bool(given.count("verify")),
            ca_file=given.last("ca-file", ""),
            least_version=given.last("min-tls", "1.2"),
            client_certificate=given.last("client-cert", ""),
            client_key=given.last("client-key", ""),
            must_read=bool(given.count("certificate")),
        ),
        tls_name=given.last("tls-name", ""),
        certificate_days=given.last("certificate", ()),
        credentials=credentials,
        rule=rule,
        every_address=bool(given.count("all-addresses")),
        parallel=given.last("parallel", DEFAULT_PARALLEL),
    )


def _target(given: _Given, default_port: int) -> Target:
    host, domain = given.last("hostname", ""), given.last("domain", "")
    if not given.tried("hostname") and not given.tried("domain"):
        given.mistakes.append("-d DOMAIN or -H HOST is required")
    families = [family for family, name in ((4, "ipv4"), (6, "ipv6")) if given.count(name)]
    if len(families) > 1:
        given.mistakes.append("-4 and -6 exclude each other")
    family = families[0] if families else 0
    for flag, address in (("-H", host), ("--source-address", given.last("source-address", ""))):
        if family and is_address(address) and (":" in address) != (family == 6):
            given.mistakes.append(f"{flag} {address} is no IPv{family} address")
    port = given.last("port", default_port)
    source = given.last("source-address", "")
    if is_address(host) and source and (":" in host) != (":" in source):
        given.mistakes.append(f"--source-address {source} can't reach -H {host}")
    return Target(domain, host, port, family, given.all("nameserver"))


def _rule(given: _Given, target: Target) -> Optional[Rule]:
    everywhere = bool(given.count("all-mx") or given.count("all-addresses"))
    if given.count("all-mx") and target.host:
        given.mistakes.append("--all-mx and -H exclude each other")
    if given.count("all-addresses") and not (given.count("all-mx") or given.tried("hostname")):
        given.mistakes.append("--all-addresses needs --all-mx, or -H")
    if not everywhere:
        given.mistakes += [
            f"--{name} needs --all-mx or --all-addresses"
            for name in ("set", "parallel")
            if given.tried(name)
        ]
    return Rule(given.last("set", Rule.WORST.value)) if everywhere else None


def _envelope(given: _Given, target: Target) -> Envelope:
    recipient = given.last("recipient", "postmaster")
    if "@" not in recipient:
        complete = target.domain or given.tried("domain") or not target.host
        if not complete and (given.count("recipient") or not given.tried("recipient")):
            given.mistakes.append("-r ADDRESS with a domain, or -d DOMAIN, is required with -H")
        recipient = f"{recipient}@{target.domain}"
    return Envelope(given.last("from", DEFAULT_SENDER), recipient)


def _tls(given: _Given) -> Tls:
    modes = {"starttls": Tls.STARTTLS, "ssl": Tls.IMPLICIT, "starttls-if-offered": Tls.IF_OFFERED}
    chosen = [name for name in modes if given.count(name)]
    if len(chosen) > 1:
        given.mistakes.append(" and ".join(f"--{name}" for name in chosen) + " exclude each other")
    if not chosen:
        details = ("verify", "ca-file", "tls-name", "min-tls", "client-cert", "certificate")
        given.mistakes += [
            f"--{name} needs -S, -s or --starttls-if-offered"
            for name in details
            if given.tried(name)
        ]
    if given.tried("client-key") and not given.tried("client-cert"):
        given.mistakes.append("--client-key needs --client-cert")
    if given.tried("ca-file") and not given.count("verify"):
        given.mistakes.append("--ca-file needs --verify")
    return modes[chosen[0]] if chosen else Tls.NEVER


def _credentials(
    given: _Given, tls: Tls, environment: Mapping[str, str]
) -> Optional[sasl.Credentials]:
    mechanism = given.last("auth", "").upper()
    if not mechanism:
        if not given.tried("auth"):
            given.mistakes += [
                f"--{name} needs --auth"
                for name in ("user", "password-file", "token-file", "auth-without-tls")
                if given.tried(name)
            ]
        return None
    if mechanism == "NTLM" and not sasl.has_ntlm():
        given.mistakes.append("--auth ntlm needs the Python package pyspnego")
    if not given.tried("user"):
        given.mistakes.append("--auth needs --user")
    without_tls = bool(given.count("auth-without-tls"))
    if tls is Tls.NEVER and not without_tls:
        given.mistakes.append("--auth needs -S or -s, or --auth-without-tls")
    password = given.last("password-file", "") or environment.get(PASSWORD_VARIABLE, "")
    token = given.last("token-file", "") or environment.get(TOKEN_VARIABLE, "")
    tried = given.tried("password-file") or given.tried("token-file")
    wanted = {"XOAUTH2": token, "AUTO": token or password}.get(mechanism, password)
    if not wanted and not tried:
        files = {"XOAUTH2": "--token-file", "AUTO": "--password-file or --token-file"}
        given.mistakes.append(
            f"--auth {mechanism.lower()} needs {files.get(mechanism, '--password-file')},"
            " or the secret in the environment"
        )
    return sasl.Credentials(mechanism, given.last("user", ""), password, token, without_tls)


def _refuse(mistakes: Sequence[str]) -> NoReturn:
    raise UsageError("; ".join(mistakes) + f" (see {PROGRAM} --help)")


def help_text() -> str:
    """The text of ``--help``, at most 80 columns wide."""
    # Imported here because nobody else needs it.
    import textwrap

    usages = [f"{PROGRAM} {each}" for each in USAGES]
    lines = [
        f"{PROGRAM} {__version__}",
        "",
        *textwrap.wrap(DESCRIPTION, 79),
        "",
        f"usage: {usages[0]}",
        *(f"       {each}" for each in usages[1:]),
        "",
        "options:",
    ]
    for option in OPTIONS:
        flags = ", ".join(option.flags)
        lines.append(f"  {flags} {option.metavar}".rstrip())
        meaning = option.meaning + (" (repeatable)" if option.repeatable and option.metavar else "")
        lines += textwrap.wrap(
            meaning, 79, initial_indent=" " * 8, subsequent_indent=" " * 8, break_on_hyphens=False
        )
    lines += [
        "",
        "examples:",
        *(f"  {PROGRAM} {each}" for each in EXAMPLES),
        "",
        "exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    ]
    return "\n".join(lines)

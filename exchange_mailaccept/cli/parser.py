"""The command line: ``argv`` to checked values, or every mistake in one line.

One table describes all options; the parser, ``--help`` and the documents are made from it.  This is
not argparse, which reports the first mistake only, exits with 2 (CRITICAL to Nagios), prints to
stderr, wraps its help differently in each version of Python, and costs 6 ms at every run.

All this comes before the first packet, so it imports next to nothing (see ``launch``); ``options``
gives the values their types.
"""

from __future__ import annotations

import os

from .. import __version__, names
from ..record import TYPE_CHECKING
from . import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, NoReturn, Optional

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
DEFAULT_PARALLEL = 10
#: Environment variables of the secrets, for those who keep no files.
PASSWORD_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD"
TOKEN_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_TOKEN"
#: The options that secure the connection, each excluding the others.
TLS_MODES = ("starttls", "ssl", "starttls-if-offered")

_SMTP, _SMTPS = 25, 465


class UsageError(ValueError):
    """The command line can't be used; the text names every mistake."""

    def __init__(self, *mistakes: str, hint: str = "") -> None:
        super().__init__(f"{'; '.join(mistakes)} {hint}".rstrip())
        self.mistakes = mistakes
        self.hint = hint


class Answered(Exception):  # noqa: N818 it is no error
    """The command line asked for a text and not for a test; ``str()`` is the text."""


class Option:
    """One option of the command line."""

    __slots__ = ("convert", "flags", "meaning", "metavar", "name", "repeatable")

    def __init__(
        self,
        flags: tuple[str, ...],
        metavar: str,
        meaning: str,
        convert: Callable[[str], Any] = str,
        repeatable: bool = False,
    ) -> None:
        self.flags = flags
        #: The long form, without dashes.
        self.name = flags[-1].lstrip("-")
        #: What stands for the value in the help; empty for a switch.
        self.metavar = metavar
        self.meaning = meaning
        #: Value as typed to value as used; raises ValueError with what is wrong.
        self.convert = convert
        self.repeatable = repeatable


OPTIONS = (
    Option(("-d", "--domain"), "DOMAIN", "SMTP domain whose mail acceptance is tested; its servers"
           " come from MX", words.domain),
    Option(("-H", "--hostname"), "HOST", "test this server (name or address) instead of the"
           " domain's MX", words.host),
    Option(("-p", "--port"), "PORT", f"TCP port (default {_SMTP}; {_SMTPS} with -s)", words.port),
    Option(("-4", "--ipv4"), "", "IPv4 only"),
    Option(("-6", "--ipv6"), "", "IPv6 only"),
    Option(("--all-mx",), "", "test every MX host of the domain, and judge them as a set"),
    Option(("--all-addresses",), "", "with --all-mx, or -H: test every address of every host"),
    Option(("--set",), "RULE", "worst (default): as the worst server; any: one that accepts is"
           " enough; primary: a failed backup is a warning",
           words.Choice(*words.RULES)),
    Option(("--parallel",), "N", f"most servers at the same time (default {DEFAULT_PARALLEL};"
           " Exchange takes 20 connections from one address)", words.parallel),
    Option(("--nameserver",), "ADDR[:PORT]", "ask this DNS server instead of the system's resolver;"
           " [ADDR]:PORT for IPv6", words.nameserver, True),
    Option(("--source-address",), "ADDR", "connect from this local address", names.address),
    Option(("-f", "--from"), "ADDRESS", "sender, <> for the null sender (default"
           f" {DEFAULT_SENDER})", words.sender),
    Option(("-r", "--recipient"), "ADDRESS", "recipient; without @ it gets the DOMAIN (default"
           " postmaster)", words.mailbox),
    Option(("-F", "--fqdn"), "NAME", "name given in EHLO (default: this host's full name, else its"
           " address)", words.ehlo_name),
    Option(("--until",), "STAGE", f"last stage to walk: {' '.join(words.UNTIL)}; up to"
           " rcpt no mail is sent (default message)", words.Choice(*words.UNTIL)),
    Option(("--subject",), "TEXT", f"subject of the message (default {words.DEFAULT_SUBJECT!r})",
           words.subject),
    Option(("--header",), "'NAME: VALUE'", "further header of the message", words.further_header,
           True),
    Option(("--profile",), "NAME", f"which Exchange must answer: {' '.join(words.PROFILES)}"
           " (default auto)", words.Choice(*words.PROFILES)),
    Option(("--require",), "KEYWORD", "EHLO keyword that must be offered, besides the profile's",
           words.keyword, True),
    Option(("--severity",), "KEY=STATE", "state of a finding; KEY is a reply code, an enhanced"
           f" code, or one of {' '.join(words.SEVERITY_KEYS)}; STATE is {' '.join(words.STATES)}",
           words.severity, True),
    Option(("-w", "--warning"), "[STAGE=]RANGE", "warning range of a stage's seconds; without"
           " STAGE of the total", words.threshold, True),
    Option(("-c", "--critical"), "[STAGE=]RANGE", "critical range, likewise", words.threshold,
           True),
    Option(("-S", "--starttls"), "", "STARTTLS is required"),
    Option(("-s", "--ssl"), "", "TLS from the first byte"),
    Option(("--starttls-if-offered",), "", "STARTTLS where it is offered, as senders on the"
           " Internet do"),
    Option(("--verify",), "", "the certificate must be valid, and for this server; otherwise it is"
           " only reported"),
    Option(("--ca-file",), "FILE", "trusted authorities in PEM (default: the system's)",
           words.readable),
    Option(("--tls-name",), "NAME", "name to ask for (SNI) and to find in the certificate (default:"
           " the server's)", words.host),
    Option(("--min-tls",), "VERSION", "lowest TLS version: 1.2 (default) or 1.3",
           words.Choice("1.2", "1.3")),
    Option(("--client-cert",), "FILE", "client certificate in PEM", words.readable),
    Option(("--client-key",), "FILE", "its key in PEM, if not in the same file", words.readable),
    Option(("-D", "--certificate"), "DAYS[,DAYS]", "warning[,critical] when the certificate expires"
           " within so many days", words.days),
    Option(("-A", "--auth"), "MECHANISM", "log on: auto login plain ntlm xoauth2; auto takes the"
           " strongest that is offered and has its secret", words.Choice(*words.MECHANISMS)),
    Option(("-U", "--user"), "NAME", "who logs on", words.one_line),
    Option(("--password-file",), "FILE", "file with the password in its first line (or"
           f" {PASSWORD_VARIABLE} in the environment)", words.secret),
    Option(("--token-file",), "FILE", f"file with the OAuth token (or {TOKEN_VARIABLE})",
           words.secret),
    Option(("--auth-without-tls",), "", "let the secret travel in clear text"),
    Option((words.EXTRA_OPTS,), "[SECTION][@FILE]", "options from an ini file, as all"
           " monitoring-plugins have it"),
    Option(("-t", "--timeout"), "SECONDS", "the whole run ends within this, fractions allowed"
           f" (default {DEFAULT_TIMEOUT:g})", words.timeout),
    Option(("-v", "--verbose"), "", "-v shows the stages, -vv the transcript, -vvv also tracebacks",
           repeatable=True),
    Option(("-V", "--version"), "", "show the version"),
    Option(("-h", "--help"), "", "show this help"),
)  # fmt: skip
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}


class CommandLine:
    """The options as they were typed, each checked, with the mistakes that were made."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.mistakes: list[str] = []
        self._environment = environment
        self._values: dict[str, list[Any]] = {}
        self._tried: set[str] = set()
        words = list(argv)
        while words:
            self._take(words.pop(0), words)

    def count(self, name: str) -> int:
        """How often ``name`` was given with a value that can be used."""
        return len(self._values.get(name, ()))

    def all(self, name: str) -> tuple[Any, ...]:
        """The values of ``name``, which may be given several times."""
        return tuple(self._values.get(name, ()))

    def tried(self, name: str) -> bool:
        """Whether it was given, be it with a value that can't be used."""
        return name in self._tried

    def last(self, name: str, default: Any = None) -> Any:
        """The value of ``name``, of several the last."""
        return self._values.get(name, [default])[-1]

    @property
    def secured(self) -> str:
        """How the connection is to be secured: one of :data:`TLS_MODES`, or nothing."""
        return next((mode for mode in TLS_MODES if self.count(mode)), "")

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.last("port", _SMTPS if self.secured == "ssl" else _SMTP))

    @property
    def family(self) -> int:
        """4, 6, or 0 for both."""
        return 4 if self.count("ipv4") else 6 if self.count("ipv6") else 0

    @property
    def recipient(self) -> str:
        """The forward-path, complete."""
        recipient = self.last("recipient", "postmaster")
        return recipient if "@" in recipient else f"{recipient}@{self.last('domain', '')}"

    @property
    def password(self) -> str:
        """The password, from its file or the environment."""
        return self.last("password-file", "") or self._environment.get(PASSWORD_VARIABLE, "")

    @property
    def token(self) -> str:
        """The OAuth token, likewise."""
        return self.last("token-file", "") or self._environment.get(TOKEN_VARIABLE, "")

    @property
    def judges_a_set(self) -> bool:
        """Whether all servers are to be tested, and judged as a set."""
        return bool(self.count("all-mx") or self.count("all-addresses"))

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


def read(argv: Sequence[str], environment: Optional[Mapping[str, str]] = None) -> CommandLine:
    """The command line ``argv`` (without the program's name), checked.

    :param environment: where the secrets and the ini file may be named (default: the process's own)
    :raises UsageError: the command line can't be used
    :raises Answered: ``--help`` or ``--version`` was given
    """
    environment = os.environ if environment is None else environment
    try:
        if any(word.startswith(words.EXTRA_OPTS) for word in argv):
            # Imported here because few keep options in a file.
            from . import ini_file

            long_forms = {flag: option.flags[-1] for flag, option in _BY_FLAG.items()}
            argv = ini_file.expand(argv, PROGRAM, environment, long_forms)
        line = CommandLine(argv, environment)
    except ValueError as error:
        _refuse([str(error)])
    if line.count("help"):
        raise Answered(help_text())
    if line.count("version"):
        raise Answered(f"{PROGRAM} {__version__}")
    for check in _CHECKS:
        line.mistakes += check(line)
    if line.mistakes:
        _refuse(line.mistakes)
    return line


def _refuse(mistakes: Sequence[str]) -> NoReturn:
    raise UsageError(*mistakes, hint=f"(see {PROGRAM} --help)")


# What options mean for one another; each check gives the mistakes it finds.


def _check_tls(line: CommandLine) -> list[str]:
    mistakes = []
    modes = [mode for mode in TLS_MODES if line.count(mode)]
    if len(modes) > 1:
        mistakes.append(" and ".join(f"--{mode}" for mode in modes) + " exclude each other")
    if not modes:
        details = ("verify", "ca-file", "tls-name", "min-tls", "client-cert", "certificate")
        mistakes += [
            f"--{name} needs -S, -s or --starttls-if-offered"
            for name in details
            if line.tried(name)
        ]
    if line.tried("client-key") and not line.tried("client-cert"):
        mistakes.append("--client-key needs --client-cert")
    if line.tried("ca-file") and not line.count("verify"):
        mistakes.append("--ca-file needs --verify")
    return mistakes


def _check_target(line: CommandLine) -> list[str]:
    mistakes = []
    host, source, family = line.last("hostname", ""), line.last("source-address", ""), line.family
    if not line.tried("hostname") and not line.tried("domain"):
        mistakes.append("-d DOMAIN or -H HOST is required")
    asks_itself = not host or (line.count("nameserver") and not names.is_address(host))
    if asks_itself and not words.is_installed("dns"):
        mistakes.append("finding a mail server needs the Python package dnspython")
    if line.count("ipv4") and line.count("ipv6"):
        mistakes.append("-4 and -6 exclude each other")
        family = 0
    for flag, address in (("-H", host), ("--source-address", source)):
        if family and names.is_address(address) and (":" in address) != (family == 6):
            mistakes.append(f"{flag} {address} is no IPv{family} address")
    if names.is_address(host) and source and (":" in host) != (":" in source):
        mistakes.append(f"--source-address {source} can't reach -H {host}")
    return mistakes


def _check_recipient(line: CommandLine) -> list[str]:
    recipient = line.last("recipient", "postmaster")
    complete = "@" in recipient or line.tried("domain") or not line.last("hostname", "")
    if not complete and (line.count("recipient") or not line.tried("recipient")):
        return ["-r ADDRESS with a domain, or -d DOMAIN, is required with -H"]
    return []


def _check_logon(line: CommandLine) -> list[str]:
    mistakes = []
    mechanism = line.last("auth", "")
    if not mechanism:
        if line.tried("auth"):
            return []
        return [
            f"--{name} needs --auth"
            for name in ("user", "password-file", "token-file", "auth-without-tls")
            if line.tried(name)
        ]
    if mechanism == "ntlm" and not words.is_installed("spnego"):
        mistakes.append("--auth ntlm needs the Python package pyspnego")
    if not line.tried("user"):
        mistakes.append("--auth needs --user")
    if not line.secured and not line.count("auth-without-tls"):
        mistakes.append("--auth needs -S or -s, or --auth-without-tls")
    password, token = line.password, line.token
    tried = line.tried("password-file") or line.tried("token-file")
    if not {"xoauth2": token, "auto": token or password}.get(mechanism, password) and not tried:
        files = {"xoauth2": "--token-file", "auto": "--password-file or --token-file"}
        mistakes.append(
            f"--auth {mechanism} needs {files.get(mechanism, '--password-file')},"
            " or the secret in the environment"
        )
    return mistakes


def _check_end(line: CommandLine) -> list[str]:
    until = line.last("until", "")
    if until == "starttls" and not line.secured:
        return ["--until starttls needs -S, -s or --starttls-if-offered"]
    if until == "auth" and not line.count("auth"):
        return ["--until auth needs -A"]
    return []


def _check_set(line: CommandLine) -> list[str]:
    mistakes = []
    if line.count("all-mx") and line.last("hostname", ""):
        mistakes.append("--all-mx and -H exclude each other")
    if line.count("all-addresses") and not (line.count("all-mx") or line.tried("hostname")):
        mistakes.append("--all-addresses needs --all-mx, or -H")
    if not line.judges_a_set:
        mistakes += [
            f"--{name} needs --all-mx or --all-addresses"
            for name in ("set", "parallel")
            if line.tried(name)
        ]
    return mistakes


_CHECKS = (
    *(_check_tls, _check_target, _check_recipient),
    *(_check_logon, _check_end, _check_set),
)


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

"""``argv`` to a checked command line, or every mistake in one line.

Every word is read by the table, and every mistake is kept.  Then options that need, exclude or
contradict one another are compared.

This is not argparse.  argparse can't report every mistake in the plugin's own words, accept
``-w -5:`` or ``--switch=``, or print the same help on every version of Python.  It would also take
14 % more of a run's instructions.
"""

from __future__ import annotations

import os

from .. import __version__, names
from ..record import TYPE_CHECKING
from ..vocabulary import Tls
from . import words
from .table import (
    BY_FLAG,
    DEFAULT_RECIPIENT,
    DEFAULT_SENDER,
    MAX_REFUSE,
    PROGRAM,
    SECRETS,
    SMTP_PORT,
    SMTPS_PORT,
    TLS_MODES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn, Optional

    from .ini_file import ReadToEnd
    from .table import Option


class UsageError(ValueError):
    """The command line can't be used; ``str()`` names every mistake."""

    def __init__(self, *mistakes: str, hint: str = "") -> None:
        super().__init__(f"{'; '.join(mistakes)} {hint}".rstrip())
        self.mistakes = mistakes
        self.hint = hint


class Answered(Exception):  # noqa: N818 it is not an error
    """The command line asked for a text instead of a test; ``str()`` is the text."""


def read(
    argv: Sequence[str], read_to_end: ReadToEnd, environment: Optional[Mapping[str, str]] = None
) -> CommandLine:
    """Read and check ``argv``, which does not have the program's name.

    :param read_to_end: reads standard input, if ``--extra-opts`` names that
    :param environment: its variables can hold secrets and name the ini file (default: the
        process's own)
    :raises UsageError: the command line can't be used
    :raises Answered: ``--help`` or ``--version`` was given
    """
    environment = os.environ if environment is None else environment
    try:
        if any(word.startswith(words.EXTRA_OPTS) for word in argv):
            from . import ini_file

            long_forms = {flag: option.flags[-1] for flag, option in BY_FLAG.items()}
            argv = ini_file.expand(argv, PROGRAM, environment, long_forms, read_to_end)
        line = CommandLine(argv, environment)
    except ValueError as error:
        _refuse([str(error)])
    if line.count("help"):
        from .help import help_text

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


class CommandLine:
    """The options as they were typed.

    A value that can't be used is not kept; it is one of :attr:`mistakes`.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.mistakes: list[str] = []
        self._environment = environment
        self._values: dict[str, list[Any]] = {}
        self._tried: set[str] = set()
        left = list(argv)
        while left:
            self._take(left.pop(0), left)

    def count(self, name: str) -> int:
        """The number of times that ``name`` was given, with a value that can be used."""
        return len(self._values.get(name, ()))

    def all(self, name: str) -> tuple[Any, ...]:
        """All values of ``name``, which may be repeated."""
        return tuple(self._values.get(name, ()))

    def tried(self, name: str) -> bool:
        """Whether ``name`` was given, with or without a value that can be used."""
        return name in self._tried

    def last(self, name: str, default: Any = None) -> Any:
        """The value of ``name``; the last one if there are several."""
        return self._values.get(name, [default])[-1]

    @property
    def secured(self) -> str:
        """How the connection is to be secured: one of :data:`TLS_MODES`, or empty.

        What requires TLS outranks ``--starttls-if-offered``, which a template may have given.
        Senders that enforce a policy use STARTTLS where it is offered.
        """
        default = Tls.IF_OFFERED if self.policies else Tls.NEVER
        return next((mode for mode in TLS_MODES if self.count(mode)), default.value)

    @property
    def policies(self) -> tuple[str, ...]:
        """The TLS policies to judge by."""
        return tuple(name for name in words.POLICIES if self.count(name))

    @property
    def port(self) -> int:
        """The TCP port."""
        implicit = self.secured == Tls.IMPLICIT.value
        return int(self.last("port", SMTPS_PORT if implicit else SMTP_PORT))

    @property
    def family(self) -> int:
        """4, 6, or 0 for both."""
        return 4 if self.count("ipv4") else 6 if self.count("ipv6") else 0

    @property
    def senders(self) -> tuple[str, ...]:
        """The reverse-paths, none of them twice."""
        return tuple(dict.fromkeys(self.all("from") or (DEFAULT_SENDER,)))

    @property
    def recipients(self) -> tuple[str, ...]:
        """The forward-paths with their domains, none of them twice."""
        return self._complete(self.all("recipient") or (DEFAULT_RECIPIENT,))

    @property
    def refuse(self) -> tuple[str, ...]:
        """The recipients that must be refused, with their domains."""
        return self._complete(self.all("refuse"))

    def _complete(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """``addresses`` with a domain: that of ``-d``, or else of the first recipient."""
        domain = self.last("domain", "")
        if not domain:
            complete = (each for each in self.all("recipient") if "@" in each)
            domain = next(complete, "").rpartition("@")[2]
        return tuple(
            dict.fromkeys(each if "@" in each else f"{each}@{domain}" for each in addresses)
        )

    @property
    def judges_a_set(self) -> bool:
        """Whether all servers are tested and judged as a set."""
        return bool(self.count("all-mx") or self.count("all-addresses"))

    def secret(self, option: str) -> str:
        """The secret in the file of ``option``, or in the environment; empty if there is none."""
        return str(self.last(option, "") or self._environment.get(SECRETS[option], ""))

    def _take(self, word: str, left: list[str]) -> None:
        """Read ``word``, and take its value from the words ``left`` if it needs one."""
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            option = BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
            elif option.metavar:
                self._value(option, flag, value if equals else None, left)
            elif value:
                self.mistakes.append(f"{flag} takes no value")
            else:
                # Also "--name=", which a switch in an ini file becomes.
                self._keep(option, True)
        elif word.startswith("-") and word != "-":
            self._take_short(word, left)
        else:
            self.mistakes.append(f"unexpected argument '{word}'")

    def _take_short(self, word: str, left: list[str]) -> None:
        """Read a word of short options, for example ``-vv``, ``-p25`` or ``-p 25``."""
        for position, letter in enumerate(word[1:], 2):
            flag = f"-{letter}"
            option = BY_FLAG.get(flag)
            if option is None:
                self.mistakes.append(f"unknown option {flag}")
                return
            if option.metavar:
                self._value(option, flag, word[position:] or None, left)
                return
            self._keep(option, True)

    def _value(self, option: Option, flag: str, value: Optional[str], left: list[str]) -> None:
        if value is None:
            if not left:
                self.mistakes.append(f"{flag} needs a value")
                return
            value = left.pop(0)
        if not value:
            return  # An unset macro of Nagios or Icinga counts as not given.
        self._tried.add(option.name)
        try:
            self._keep(option, option.convert(value))
        except ValueError as error:
            # The monitoring system keeps what is printed, and a URL may have a password in it.
            scheme, _, rest = value.partition("://")
            _, at, after = rest.rpartition("@")
            shown = f"{scheme}://***@{after}" if at else value
            self.mistakes.append(f"{flag} {shown}: {error}")

    def _keep(self, option: Option, value: Any) -> None:
        self._tried.add(option.name)
        self._values.setdefault(option.name, []).append(value)


def _check_tls(line: CommandLine) -> list[str]:
    mistakes = []
    if line.count(Tls.STARTTLS.value) and line.count(Tls.IMPLICIT.value):
        mistakes.append("--starttls and --ssl exclude each other")
    if not line.secured:
        details = ("verify", "ca-file", "tls-name", "min-tls", "client-cert", "certificate")
        mistakes += [
            f"--{name} needs -S, -s or --starttls-if-offered"
            for name in details
            if line.tried(name) and not (name == "ca-file" and line.tried("delivered"))
        ]
    if line.tried("client-key") and not line.tried("client-cert"):
        mistakes.append("--client-key needs --client-cert")
    return mistakes


def _check_policies(line: CommandLine) -> list[str]:
    mistakes = []
    for policy in line.policies:
        # A sender asks the MX by its own name, with STARTTLS; under DANE it needs no authority.
        contrary = ("hostname", "ssl", "tls-name", *(("verify",) if policy == words.DANE else ()))
        mistakes += [
            f"--{policy} and --{name} exclude each other" for name in contrary if line.tried(name)
        ]
        if line.last("until") in ("mx", "connect", "banner", "ehlo"):
            mistakes.append(f"--{policy} needs --until starttls or a later stage")
    if line.count(words.DANE) and not words.is_installed("cryptography"):
        mistakes.append("--dane needs the Python package cryptography")
    return mistakes


def _check_target(line: CommandLine) -> list[str]:
    mistakes = []
    host, source, family = line.last("hostname", ""), line.last("source-address", ""), line.family
    if not line.tried("hostname") and not line.tried("domain"):
        mistakes.append("-d DOMAIN or -H HOST is required")
    asks_itself = not host or (line.count("nameserver") and not names.is_address(host))
    if asks_itself and not words.is_installed("dns"):
        mistakes.append(
            "finding a mail server needs the Python package dnspython"
            f" ({words.how_to_install('dnspython')})"
        )
    if line.count("ipv4") and line.count("ipv6"):
        mistakes.append("-4 and -6 exclude each other")
        family = 0
    for flag, address in (("-H", host), ("--source-address", source)):
        if family and names.is_address(address) and (":" in address) != (family == 6):
            mistakes.append(f"{flag} {address} is not an IPv{family} address")
    if names.is_address(host) and source and (":" in host) != (":" in source):
        mistakes.append(f"--source-address {source} can't reach -H {host}")
    return mistakes


def _check_recipient(line: CommandLine) -> list[str]:
    recipients = line.all("recipient") or (DEFAULT_RECIPIENT,)
    complete = all("@" in each for each in recipients)
    complete = complete or line.tried("domain") or not line.last("hostname", "")
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
        mistakes.append(
            f"--auth ntlm needs the Python package pyspnego ({words.how_to_install('pyspnego')})"
        )
    if not line.tried("user"):
        mistakes.append("--auth needs --user")
    if not line.secured and not line.count("auth-without-tls"):
        mistakes.append("--auth needs -S or -s, or --auth-without-tls")
    password, token = line.secret("password-file"), line.secret("token-file")
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
    if until in ("", "rcpt", "message"):
        return []
    # In other transactions, which come after the test.
    more = {"--refuse": line.tried("refuse"), "a second -f": len(line.senders) > 1}
    return [
        f"{option} needs --until rcpt, or the whole test" for option, given in more.items() if given
    ]


def _check_refuse(line: CommandLine) -> list[str]:
    if not line.tried("refuse"):
        return []
    mistakes = []
    if line.count("refuse") > MAX_REFUSE:
        mistakes.append(f"--refuse can be given {MAX_REFUSE} times at most")
    if line.tried("auth"):
        mistakes.append("--refuse and --auth exclude each other: who logs on may relay")
    recipients = [each.lower() for each in line.recipients]
    mistakes += [
        f"{recipient} can't be a recipient and be refused"
        for recipient in line.refuse
        if recipient.lower() in recipients
    ]
    return mistakes


def _check_set(line: CommandLine) -> list[str]:
    mistakes = []
    if line.count("all-mx") and line.last("hostname", ""):
        mistakes.append("--all-mx and -H exclude each other")
    if line.tried("expect-mx") and line.tried("hostname"):
        mistakes.append("--expect-mx needs -d without -H")
    if line.count("all-addresses") and not (line.count("all-mx") or line.tried("hostname")):
        mistakes.append("--all-addresses needs --all-mx, or -H")
    if line.last("connections", 1) > 1 and line.last("until") == "mx":
        mistakes.append("--connections needs --until connect or a later stage")
    if not line.judges_a_set and line.tried("set"):
        mistakes.append("--set needs --all-mx or --all-addresses")
    if not line.judges_a_set and line.tried("parallel") and not line.tried("connections"):
        mistakes.append("--parallel needs --all-mx, --all-addresses or --connections")
    return mistakes


def _check_delivery(line: CommandLine) -> list[str]:
    names = ("delivered", "delivered-user", "delivered-password-file", "delivered-token-file")
    ranges = {**dict(line.all("warning")), **dict(line.all("critical"))}
    if not line.tried("delivered"):
        return [
            *(f"--{name} needs --delivered" for name in names if line.tried(name)),
            *(f"{name}=... needs --delivered" for name in words.IN_MAILBOX if name in ranges),
        ]
    mistakes = []
    until = line.last("until", "message")
    if until != "message":
        mistakes.append(f"--delivered needs a message, and --until {until} sends none")
    if words.DELIVERED not in ranges:
        mistakes.append(
            "--delivered needs a range of at least three check intervals in seconds:"
            " -w delivered=900 or -c delivered=900 for one of 5 minutes"
        )
    place = line.last("delivered")
    if place is not None and not place.user and not line.tried("delivered-user"):
        mistakes.append("--delivered needs --delivered-user, or USER@ before its host")
    if not any(map(line.secret, names[2:])) and not any(map(line.tried, names[2:])):
        mistakes.append(
            "--delivered needs --delivered-password-file or --delivered-token-file, or the secret"
            " in the environment"
        )
    return mistakes


_CHECKS = (
    *(_check_tls, _check_policies, _check_target, _check_recipient),
    *(_check_logon, _check_end, _check_refuse, _check_set, _check_delivery),
)

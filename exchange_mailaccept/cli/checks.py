"""Options that need, exclude or contradict one another; each check returns the mistakes."""

from __future__ import annotations

from .. import names
from ..record import TYPE_CHECKING
from . import words
from .table import DEFAULT_RECIPIENT, TLS_MODES

if TYPE_CHECKING:
    from .command_line import CommandLine


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
    recipient = line.last("recipient", DEFAULT_RECIPIENT)
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
    if line.tried("expect-mx") and line.tried("hostname"):
        mistakes.append("--expect-mx needs -d without -H")
    if line.count("all-addresses") and not (line.count("all-mx") or line.tried("hostname")):
        mistakes.append("--all-addresses needs --all-mx, or -H")
    if not line.judges_a_set:
        mistakes += [
            f"--{name} needs --all-mx or --all-addresses"
            for name in ("set", "parallel")
            if line.tried(name)
        ]
    return mistakes


CHECKS = (
    *(_check_tls, _check_target, _check_recipient),
    *(_check_logon, _check_end, _check_set),
)

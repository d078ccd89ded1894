"""The table of all options, from which the parser, ``--help`` and the documents are made."""

from __future__ import annotations

from .. import names
from ..record import TYPE_CHECKING
from ..vocabulary import Tls
from . import words

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PROGRAM = "check_exchange_mailaccept"
DESCRIPTION = (
    "Does an Exchange server accept mail? Runs the Mail Acceptance Test (connect, EHLO, MAIL,"
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
PASSWORD_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_PASSWORD"
TOKEN_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_TOKEN"
MAILBOX_PASSWORD_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD"
MAILBOX_TOKEN_VARIABLE = "CHECK_EXCHANGE_MAILACCEPT_MAILBOX_TOKEN"
#: The variable that can hold a secret, by the option that names its file.
SECRETS = {
    "password-file": PASSWORD_VARIABLE,
    "token-file": TOKEN_VARIABLE,
    "delivered-password-file": MAILBOX_PASSWORD_VARIABLE,
    "delivered-token-file": MAILBOX_TOKEN_VARIABLE,
}
#: The options that secure the connection; only one of them can be given.
TLS_MODES = tuple(mode.value for mode in Tls if mode is not Tls.NEVER)
SMTP_PORT, SMTPS_PORT = 25, 465
#: Most values of ``--refuse``, because Exchange holds back each refusal for 5 seconds.
MAX_REFUSE = 3
#: The default of ``-r``; the domain is added.
DEFAULT_RECIPIENT = "postmaster"


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
        #: Name of the value in the help; empty for a switch.
        self.metavar = metavar
        self.meaning = meaning
        #: Converts the value that was typed (see :mod:`.words`).
        self.convert = convert
        self.repeatable = repeatable


def _place(text: str) -> Any:
    """Where the probe's mailbox is."""
    from .delivered import place

    return place(text)


OPTIONS = (
    Option(("-d", "--domain"), "DOMAIN", "domain to test; its mail servers are found by MX",
           words.domain),
    Option(("-H", "--hostname"), "HOST", "test this server (name or address) instead of the"
           " domain's MX", words.host),
    Option(("-p", "--port"), "PORT", f"TCP port (default {SMTP_PORT};"
           f" {SMTPS_PORT} with -s)", words.port),
    Option(("-4", "--ipv4"), "", "IPv4 only"),
    Option(("-6", "--ipv6"), "", "IPv6 only"),
    Option(("--all-mx",), "", "test every MX host of the domain, and judge them as a set"),
    Option(("--expect-mx",), "NAME", "MX that the domain should have, or *.NAME for all below NAME;"
           " no other is connected", words.mx, True),
    Option(("--all-addresses",), "", "with --all-mx or -H: test every address of each host"),
    Option(("--set",), "RULE", "how several servers are judged: worst (default): as the worst of"
           " them; any: one that accepts is enough; primary: a backup that fails is a warning",
           words.Choice(*words.RULES)),
    Option(("--connections",), "N", "connections to each address, to meet each node behind a"
           " balancer; one sends the message, the others end at RCPT (default 1, at most"
           f" {words.MAX_CONNECTIONS})", words.connections),
    Option(("--parallel",), "N", "maximum number of connections at once (default"
           f" {DEFAULT_PARALLEL}; Exchange takes 20 connections from one address)", words.parallel),
    Option(("--nameserver",), "ADDR[:PORT]", "ask this DNS server instead of the system's resolver;"
           " [ADDR]:PORT for IPv6", words.nameserver, True),
    Option(("--source-address",), "ADDR", "connect from this local address", names.address),
    Option(("-f", "--from"), "ADDRESS", "sender, <> for the null sender (default"
           f" {DEFAULT_SENDER}); further ones are tried up to RCPT", words.sender, True),
    Option(("-r", "--recipient"), "ADDRESS", "recipient; without @, @DOMAIN is added (default"
           f" {DEFAULT_RECIPIENT}); several get the same message", words.mailbox, True),
    Option(("--refuse",), "ADDRESS", "recipient that must be refused; asked for after the test, up"
           f" to RCPT and without a message; at most {MAX_REFUSE}", words.mailbox, True),
    Option(("-F", "--fqdn"), "NAME", "name to give in EHLO (default: this host's full name, else"
           " its address)", words.name_or_literal),
    Option(("--until",), "STAGE", f"last stage to test: {' '.join(words.UNTIL)}; no"
           " message is sent if it is rcpt or earlier (default message)",
           words.Choice(*words.UNTIL)),
    Option(("--subject",), "TEXT", f"subject of the message (default {words.DEFAULT_SUBJECT!r})",
           words.subject),
    Option(("--header",), "'NAME: VALUE'", "additional header of the message", words.further_header,
           True),
    Option(("--profile",), "NAME", f"which Exchange must answer: {' '.join(words.PROFILES)}"
           " (default auto)", words.Choice(*words.PROFILES)),
    Option(("--require",), "KEYWORD", "EHLO keyword that must be offered, in addition to the"
           " profile's",
           words.keyword, True),
    Option(("--severity",), "KEY=STATE", "state of a finding; KEY is a reply code, an enhanced"
           f" code, or one of {' '.join(words.SEVERITY_KEYS)}; STATE is {' '.join(words.STATES)}",
           words.severity, True),
    Option(("-w", "--warning"), "[STAGE=]RANGE", "warning range for a stage's latency in seconds,"
           " or for delivered or delay; without STAGE, for the total", words.threshold, True),
    Option(("-c", "--critical"), "[STAGE=]RANGE", "critical range for a stage's latency in seconds,"
           " or for delivered or delay; without STAGE, for the total", words.threshold, True),
    Option(("-S", "--starttls"), "", "require STARTTLS"),
    Option(("-s", "--ssl"), "", "TLS from the first byte"),
    Option(("--starttls-if-offered",), "", "use STARTTLS if it is offered, as senders on the"
           " Internet do"),
    Option(("--verify",), "", "fail if the certificate is not valid for this server (default: only"
           " report it)"),
    Option(("--ca-file",), "FILE", "trusted certificate authorities in PEM (default: the system's)",
           words.readable),
    Option(("--tls-name",), "NAME", "name to send as SNI and to expect in the certificate (default:"
           " the server's name)", words.host),
    Option(("--min-tls",), "VERSION", "lowest TLS version: 1.2 (default) or 1.3",
           words.Choice("1.2", "1.3")),
    Option(("--client-cert",), "FILE", "client certificate in PEM", words.readable),
    Option(("--client-key",), "FILE", "private key of the client certificate in PEM, if it is in"
           " another file", words.readable),
    Option(("-D", "--certificate"), "DAYS[,DAYS]", "warning[,critical] if the certificate expires"
           " within this many days", words.days),
    Option(("--dane",), "", "judge TLS as a sender that enforces DANE (RFC 7672); needs a resolver"
           " that validates, on this host or as --nameserver"),
    Option(("--mta-sts",), "", "judge TLS as a sender that enforces MTA-STS (RFC 8461); fetches the"
           " domain's policy by HTTPS"),
    Option(("-A", "--auth"), "MECHANISM", "how to log on: auto login plain ntlm xoauth2; auto"
           " takes the strongest that the server offers and for which a secret is given",
           words.Choice(*words.MECHANISMS)),
    Option(("-U", "--user"), "NAME", "user name to log on with", words.one_line),
    Option(("--password-file",), "FILE", "file with the password in its first line (or"
           f" {PASSWORD_VARIABLE} in the environment)", words.secret),
    Option(("--token-file",), "FILE", f"file with the OAuth token (or {TOKEN_VARIABLE})",
           words.secret),
    Option(("--auth-without-tls",), "", "allow the secret to be sent in clear text"),
    Option(("--delivered",), "imaps://[USER@]HOST[:PORT][/FOLDER[,FOLDER...]]", "look into the"
           " probe's mailbox too: have earlier probes arrived? imap:// requires STARTTLS; the first"
           " folder (default INBOX) is where they should be; needs a range, at least three check"
           " intervals: -w delivered=900 -c delivered=1800, and -w delay=60 if wanted",
           _place),
    Option(("--delivered-user",), "NAME", "user name for the mailbox", words.one_line),
    Option(("--delivered-password-file",), "FILE", "file with the mailbox's password in its first"
           f" line (or {MAILBOX_PASSWORD_VARIABLE} in the environment)", words.secret),
    Option(("--delivered-token-file",), "FILE", "file with the OAuth token for the mailbox (or"
           f" {MAILBOX_TOKEN_VARIABLE})", words.secret),
    Option((words.EXTRA_OPTS,), "[SECTION][@FILE]", "read options from an ini file, as"
           " all monitoring-plugins do"),
    Option(("-t", "--timeout"), "SECONDS", "time limit of the whole run, fractions allowed"
           f" (default {DEFAULT_TIMEOUT:g})", words.timeout),
    Option(("-v", "--verbose"), "", "-v shows the stages, -vv the transcript, -vvv also tracebacks",
           repeatable=True),
    Option(("-V", "--version"), "", "show the version"),
    Option(("-h", "--help"), "", "show this help"),
)  # fmt: skip
#: Each option by its short and its long form.
BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}

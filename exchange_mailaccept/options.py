"""What the user asked for: one immutable :class:`Options` from a checked command line."""

from __future__ import annotations

from .cli import table
from .cli.words import DEFAULT_SUBJECT
from .protocol.message import Content, Envelope
from .record import TYPE_CHECKING, NamedTuple
from .run.servers import Target
from .vocabulary import Stage, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from .cli.command_line import CommandLine
    from .protocol import auth
    from .vocabulary import Rule


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
    #: Lower-case key of ``--severity`` to a state of :data:`.values.STATES`.
    severities: Mapping[str, str]
    #: Metric to threshold range.
    warning: Mapping[str, str]
    critical: Mapping[str, str]
    timeout: float
    verbosity: int
    tls: Tls
    #: Name to ask for and to find in the certificate; empty for the server's own.
    tls_name: str
    #: Whether a certificate that fails verification ends the test.
    verify: bool
    #: Days left of the certificate for WARNING and, if there are two, for CRITICAL.
    certificate_days: tuple[float, ...]
    credentials: Optional[auth.Credentials]
    #: How all servers are judged as a set; ``None`` to test the first that answers.
    rule: Optional[Rule]
    every_address: bool
    #: Most servers to test at the same time.
    parallel: int


def chosen(line: CommandLine) -> Options:
    """What ``line`` asks for."""
    return Options(
        target=Target(
            line.last("domain", ""),
            line.last("hostname", ""),
            line.port,
            line.family,
            line.all("nameserver"),
        ),
        envelope=Envelope(line.last("from", table.DEFAULT_SENDER), line.recipient),
        content=Content(line.last("subject", DEFAULT_SUBJECT), line.all("header")),
        ehlo_name=line.last("fqdn", ""),
        until=Stage(line.last("until", Stage.MESSAGE.value)),
        source_address=line.last("source-address", ""),
        profile=line.last("profile", "auto"),
        require=line.all("require"),
        severities=dict(line.all("severity")),
        warning=dict(line.all("warning")),
        critical=dict(line.all("critical")),
        timeout=line.last("timeout", table.DEFAULT_TIMEOUT),
        verbosity=min(line.count("verbose"), 3),
        tls=Tls(line.secured),
        tls_name=line.last("tls-name", ""),
        verify=bool(line.count("verify")),
        certificate_days=line.last("certificate", ()),
        credentials=_credentials(line),
        rule=_rule(line),
        every_address=bool(line.count("all-addresses")),
        parallel=line.last("parallel", table.DEFAULT_PARALLEL),
    )


def _rule(line: CommandLine) -> Optional[Rule]:
    if not line.judges_a_set:
        return None
    # Imported here because most runs test one server.
    from .vocabulary import Rule

    return Rule(line.last("set", Rule.WORST.value))


def _credentials(line: CommandLine) -> Optional[auth.Credentials]:
    mechanism = line.last("auth", "")
    if not mechanism:
        return None
    # Imported here because few log on.
    from .protocol import auth

    return auth.Credentials(
        mechanism.upper(),
        line.last("user", ""),
        line.password,
        line.token,
        bool(line.count("auth-without-tls")),
    )

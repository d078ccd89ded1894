"""What the user asked for: one immutable :class:`Options` from a checked command line.

:func:`security` is called before the first packet, because a file that can't be used is a mistake
of the command line.  :func:`read` is called after it, because it imports what a dialogue needs.
"""

from __future__ import annotations

from .cli import table
from .cli.words import DEFAULT_SUBJECT
from .record import TYPE_CHECKING, NamedTuple
from .vocabulary import Rule, Stage, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from .cli.command_line import CommandLine
    from .net.trust import TlsSettings
    from .protocol import auth
    from .protocol.dialogue import Plan
    from .protocol.stages import Target


class Judging(NamedTuple):
    """What is expected of a server, and how bad it is if that is missing."""

    #: Which Exchange must answer.
    profile: str
    #: EHLO keywords that must be offered in addition.
    require: tuple[str, ...]
    #: The state of each key of ``--severity``, both in lower case.
    severities: Mapping[str, str]
    #: The threshold range of each metric.
    warning: Mapping[str, str]
    critical: Mapping[str, str]
    #: Days left of the certificate for WARNING and, if there is a second number, for CRITICAL.
    certificate_days: tuple[float, ...]
    #: Whether an option needs TLS, such as one about the certificate.
    expects_tls: bool
    #: How all servers are judged as a set; ``None`` to test the first that answers.
    rule: Optional[Rule]


class Limits(NamedTuple):
    """Limits of time, number and output."""

    #: Seconds of the whole run.
    timeout: float
    #: Whether to test every address of every server.
    every_address: bool
    #: Maximum number of servers to test at once.
    parallel: int
    #: How often ``-v`` was given, at most 3.
    verbosity: int


class Options(NamedTuple):
    """What the user asked for."""

    target: Target
    #: What the client sends, and the last stage.
    probe: Plan
    #: How connections are secured; ``None`` without TLS.
    security: Optional[TlsSettings]
    judging: Judging
    limits: Limits
    #: The TLS policies to judge by: ``dane``, ``mta-sts``, both or none.
    policies: tuple[str, ...] = ()


#: Options that are about TLS, which ``--starttls-if-offered`` does not require.
_ABOUT_TLS = ("certificate", "verify", "ca-file", "min-tls", "tls-name", "client-cert")


def security(line: CommandLine) -> Optional[TlsSettings]:
    """How connections are secured; ``None`` without TLS."""
    if not line.secured:
        return None
    from .net.trust import TlsSettings

    return TlsSettings(
        verify=bool(line.count("verify")),
        ca_file=line.last("ca-file", ""),
        least_version=line.last("min-tls", "1.2"),
        client_certificate=line.last("client-cert", ""),
        client_key=line.last("client-key", ""),
        must_read=bool(line.count("certificate")),
        keep_chain=bool(line.count("dane")),
    )


def read(
    line: CommandLine,
    security: Optional[TlsSettings] = None,
    message_id: str = "",
    now: float = 0.0,
) -> Options:
    """Make the options of ``line``.

    :param message_id: of the probe message, with angle brackets
    :param now: seconds since the epoch
    """
    from .protocol.stages import Target

    target = Target(
        line.last("domain", ""),
        line.last("hostname", ""),
        line.port,
        line.family,
        line.all("nameserver"),
        line.all("expect-mx"),
    )
    limits = Limits(
        line.last("timeout", table.DEFAULT_TIMEOUT),
        bool(line.count("all-addresses")),
        line.last("parallel", table.DEFAULT_PARALLEL),
        min(line.count("verbose"), 3),
    )
    probe = _probe(line, message_id, now)
    return Options(target, probe, security, _judging(line), limits, line.policies)


def _probe(line: CommandLine, message_id: str, now: float) -> Plan:
    from .protocol.dialogue import Plan
    from .protocol.message import Content, Envelope

    sender, *senders = line.senders
    recipient, *others = line.recipients
    return Plan(
        Envelope(sender, recipient, tuple(others)),
        ehlo_name=line.last("fqdn", ""),
        content=Content(line.last("subject", DEFAULT_SUBJECT), line.all("header")),
        message_id=message_id,
        now=now,
        until=Stage(line.last("until", Stage.MESSAGE.value)),
        source_address=line.last("source-address", ""),
        tls=Tls(line.secured),
        tls_name=line.last("tls-name", ""),
        verify=bool(line.count("verify")),
        credentials=_credentials(line),
        transcript=line.count("verbose") >= 2,
        senders=tuple(senders),
        refuse=line.refuse,
        connections=line.last("connections", 1),
        at_once=line.last("parallel", table.DEFAULT_PARALLEL) if line.count("connections") else 1,
    )


def _judging(line: CommandLine) -> Judging:
    return Judging(
        profile=line.last("profile", "auto"),
        require=line.all("require"),
        severities=dict(line.all("severity")),
        warning=dict(line.all("warning")),
        critical=dict(line.all("critical")),
        certificate_days=line.last("certificate", ()),
        expects_tls=any(map(line.count, _ABOUT_TLS)),
        rule=Rule(line.last("set", Rule.WORST.value)) if line.judges_a_set else None,
    )


def _credentials(line: CommandLine) -> Optional[auth.Credentials]:
    mechanism = line.last("auth", "")
    if not mechanism:
        return None
    from .protocol import auth

    return auth.Credentials(
        mechanism.upper(),
        line.last("user", ""),
        line.password,
        line.token,
        bool(line.count("auth-without-tls")),
    )

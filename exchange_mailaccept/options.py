"""What the user asked for: one immutable :class:`Options` from a checked command line.

:func:`security` is called before the first packet, because a file that can't be used is a mistake
of the command line.  :func:`read` is called after it, because it imports what a dialogue needs.
"""

from __future__ import annotations

import os

from .cli import table
from .cli.words import DEFAULT_SUBJECT, DELIVERED
from .record import TYPE_CHECKING, NamedTuple
from .vocabulary import Rule, Stage, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from .cli.command_line import CommandLine
    from .net.probes import Mailbox
    from .net.trust import TlsSettings
    from .protocol import auth
    from .protocol.conversation import Target
    from .protocol.message import Plan


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
    #: Where the probes arrive; ``None`` for not looking there.
    mailbox: Optional[Mailbox] = None

    @property
    def is_plain(self) -> bool:
        """Whether only one message to one recipient at one server is sent and judged."""
        probe = self.probe
        asked_for = (probe.envelope.others, probe.senders, probe.refuse)
        judged_by = (self.judging.rule, self.mailbox, self.policies, self.target.expected_mx)
        return probe.connections == 1 and not any(asked_for + judged_by)


#: Seconds for which a probe is kept in its mailbox at least.
LEAST_AGE = 86_400.0
#: Options that are about TLS, which ``--starttls-if-offered`` does not require.
_ABOUT_TLS = ("certificate", "verify", "min-tls", "tls-name", "client-cert")


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


def mailbox_security(line: CommandLine) -> Optional[TlsSettings]:
    """How the connection to the probe's mailbox is secured; ``None`` if nobody looks there."""
    if not line.count("delivered"):
        return None
    from .net.trust import TlsSettings

    return TlsSettings(verify=True, ca_file=line.last("ca-file", ""))


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
    from .protocol.conversation import Target

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
    judging = _judging(line)
    probe, mailbox = _probe(line, message_id, now), None
    if line.count("delivered"):
        from .protocol.message import mark_of

        mailbox = _mailbox(line, judging)
        probe = probe._replace(content=probe.content._replace(mark=mark_of(*_identity(line))))
    return Options(target, probe, security, judging, limits, line.policies, mailbox)


def _probe(line: CommandLine, message_id: str, now: float) -> Plan:
    from .protocol.message import Content, Envelope, Plan

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


def _identity(line: CommandLine) -> tuple[str, ...]:
    """What tells the probes of this check from all others that arrive in the same mailbox."""
    return (
        line.last("fqdn", "") or os.uname().nodename,
        line.last("domain", ""),
        line.last("hostname", ""),
        str(line.port),
        str(line.family),
        line.last("source-address", ""),
        line.secured,
        repr(line.all("nameserver")),
        line.senders[0],
        *line.recipients,
    )


def _mailbox(line: CommandLine, judging: Judging) -> Mailbox:
    from .net.probes import Mailbox

    place = line.last("delivered")
    ranges = (each[DELIVERED] for each in (judging.warning, judging.critical) if DELIVERED in each)
    ends = (each.rpartition(":")[2] for each in ranges)
    return Mailbox(
        place.host,
        place.port,
        place.implicit,
        place.folders,
        line.last("delivered-user", "") or place.user,
        line.secret("delivered-password-file"),
        line.secret("delivered-token-file"),
        line.last("ca-file", ""),
        keep=max([LEAST_AGE, *(2 * float(end.lstrip("@")) for end in ends if end)]),
    )


def _judging(line: CommandLine) -> Judging:
    # With a mailbox or a policy they may be only for its server.
    for_others = bool(line.count("delivered") or line.policies)
    authorities = bool(line.count("ca-file")) and not for_others
    return Judging(
        profile=line.last("profile", "auto"),
        require=line.all("require"),
        severities=dict(line.all("severity")),
        warning=dict(line.all("warning")),
        critical=dict(line.all("critical")),
        certificate_days=line.last("certificate", ()),
        expects_tls=any(map(line.count, _ABOUT_TLS)) or authorities,
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
        line.secret("password-file"),
        line.secret("token-file"),
        bool(line.count("auth-without-tls")),
    )

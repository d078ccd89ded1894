"""What the client says: the plan, the commands of the envelope, and the probe message.

The commands and the message are bytes (RFC 5321 4.1.1, RFC 5322, RFC 3461).

The message is harmless: it tells automatic responders not to reply (RFC 3834, [MS-OXCMAIL]
2.1.3.2.20), has a header by which a rule can drop it, and a short 7-bit body.
"""

from __future__ import annotations

import time

from .. import __version__
from ..cli.words import DEFAULT_SUBJECT
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Tls

if TYPE_CHECKING:
    from typing import Optional

    from .auth import Credentials
    from .reply import Extensions

#: The header by which a transport or mailbox rule can recognise and drop the probe.
PROBE_HEADER = "X-Exchange-Mailaccept"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
#: English, whatever the locale.
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Envelope(NamedTuple):
    """Sender and recipient of the probe, without angle brackets, their domains in ASCII."""

    #: Empty for the null reverse-path.
    sender: str
    recipient: str
    #: Further recipients of the same message.
    others: tuple[str, ...] = ()

    @property
    def recipients(self) -> tuple[str, ...]:
        """All recipients, in the order in which they are asked for."""
        return (self.recipient, *self.others)

    @property
    def domains(self) -> set[str]:
        """The domains of the recipients, in lower case."""
        return {each.rpartition("@")[2].lower() for each in self.recipients}

    @property
    def needs_smtputf8(self) -> bool:
        """Whether a local part is not ASCII, so that SMTPUTF8 must be offered (RFC 6531 3.4)."""
        return not (self.sender + "".join(self.recipients)).isascii()


class Content(NamedTuple):
    """The parts of the probe message that the user can choose."""

    subject: str = DEFAULT_SUBJECT
    #: Further header lines, ``Name: value``.
    headers: tuple[str, ...] = ()
    #: What only the probes of one check have (see :func:`mark_of`); may be empty.
    mark: str = ""


def mark_of(*facts: str) -> str:
    """A short digest by which the probes with these ``facts`` are told from all others."""
    import hashlib

    data = "\0".join(facts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).hexdigest()[:12]


class Plan(NamedTuple):
    """What the client says, and how far it goes."""

    envelope: Envelope
    #: Argument of EHLO: a fully qualified name or an address literal; empty for the literal of the
    #: address that the connection comes from.
    ehlo_name: str
    content: Content
    #: With its angle brackets, unique to this run.
    message_id: str
    #: The time of the Date header, in seconds since the epoch.
    now: float
    #: Last stage to walk.
    until: Stage = Stage.MESSAGE
    source_address: str = ""
    tls: Tls = Tls.NEVER
    #: Name to ask for and to find in the certificate; empty for the server's own.
    tls_name: str = ""
    #: Whether a certificate that fails verification ends the test.
    verify: bool = False
    #: ``None`` for no logon.
    credentials: Optional[Credentials] = None
    #: Whether to keep a transcript.
    transcript: bool = True
    #: Further senders, each in a transaction of its own after the test.
    senders: tuple[str, ...] = ()
    #: Recipients that must be refused, each in a transaction of its own after the test.
    refuse: tuple[str, ...] = ()
    #: Sessions with each server, and how many of them at the same time.
    connections: int = 1
    at_once: int = 1

    def at(self, label: str) -> Plan:
        """The plan for the server of a set that has ``label``.

        If the probes are looked for in a mailbox, those of each server have a mark of their own,
        and a Message-ID: of two messages with the same one Exchange delivers only the first.
        """
        if not (label and self.content.mark):
            return self
        mark = mark_of(self.content.mark, label)
        return self._replace(
            content=self.content._replace(mark=mark), message_id=f"<{mark}.{self.message_id[1:]}"
        )


def mail_command(envelope: Envelope) -> str:
    """The MAIL command, without line end."""
    smtputf8 = " SMTPUTF8" if envelope.needs_smtputf8 else ""
    return f"MAIL FROM:<{envelope.sender}>{smtputf8}"


def rcpt_command(envelope: Envelope, extensions: Extensions) -> str:
    """The RCPT command, without line end.

    If DSN is offered, it asks for no notification (RFC 3461 4.1), so that the owner of the sender's
    address gets no report if the message can't be delivered later.
    """
    notify = " NOTIFY=NEVER" if extensions.offers("DSN") else ""
    return f"RCPT TO:<{envelope.recipient}>{notify}"


def compose(envelope: Envelope, content: Content, message_id: str, now: float) -> bytes:
    """The probe message, with CRLF lines, not yet dot-stuffed.

    :param message_id: unique, with its angle brackets
    :param now: seconds since the epoch, for ``Date``
    """
    # Exchange Online demands a From with an address in angle brackets (550 5.7.512), even if the
    # reverse-path is null.
    author = envelope.sender or f"mail-acceptance-test@{envelope.recipient.rpartition('@')[2]}"
    # A line of each, because a line has at most 998 characters.
    to = ",\r\n ".join(f"<{each}>" for each in envelope.recipients)
    lines = (
        f"From: Mail acceptance test <{author}>",
        f"To: {to}",
        f"Date: {rfc5322_date(now)}",
        f"Message-ID: {message_id}",
        f"Subject: {content.subject}",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Precedence: bulk",
        f"{PROBE_HEADER}: probe {__version__} {content.mark}".rstrip(),
        *content.headers,
        "",
        "This message is a test of whether this server accepts mail.",
        "It was sent by a monitoring system. It needs no answer and can be deleted.",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def rfc5322_date(now: float) -> str:
    """``now`` (seconds since the epoch) as RFC 5322 3.3 writes it, in UTC."""
    day = time.gmtime(now)
    return (
        f"{_DAYS[day.tm_wday]}, {day.tm_mday:02} {MONTHS[day.tm_mon - 1]} {day.tm_year}"
        f" {day.tm_hour:02}:{day.tm_min:02}:{day.tm_sec:02} +0000"
    )


def data_stream(message: bytes) -> bytes:
    """``message`` as it is sent after DATA: dot-stuffed, with the final dot.

    RFC 5321 4.5.2.  The final ``CRLF.CRLF`` is part of the same bytes, because some firewalls lose
    a dot that comes in a segment of its own.
    """
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if message.startswith(b".") else b"") + stuffed + b".\r\n"

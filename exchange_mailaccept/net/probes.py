"""The probes in a mailbox: which are this check's own, when they arrived, and by which way.

Values and pure functions, for ``--delivered``.  ``net.mailbox`` reads the mailbox, and
``run.delivery`` waits for a probe.
"""

from __future__ import annotations

import binascii
import re
from email.utils import mktime_tz, parsedate_tz

from ..protocol.conversation import Fault
from ..protocol.message import PROBE_HEADER
from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Optional, Union

    #: What ``imaplib`` makes of the response to FETCH.
    Fetched = Sequence[Union[bytes, tuple[bytes, bytes], None]]

#: Seconds by which two clocks may differ without a word.
CLOCK_TOLERANCE = 120
#: What a probe is recognised by, for FETCH.
FIELDS = f"BODY.PEEK[HEADER.FIELDS ({PROBE_HEADER.upper()} DATE)]"
#: What tells the way that a message took.
WAY = "BODY.PEEK[HEADER.FIELDS (RECEIVED)]"


class Mailbox(NamedTuple):
    """The mailbox in which probes arrive, and how to log on to it."""

    host: str
    port: int
    #: Whether TLS begins with the first byte, and not with STARTTLS.
    implicit: bool
    #: The first is where a probe should be.
    folders: tuple[str, ...]
    user: str
    #: Used if there is no token.
    password: str
    token: str
    #: Trusted authorities in PEM; empty for the system's.
    ca_file: str
    #: Seconds after which a probe is deleted.
    keep: float


class Probe(NamedTuple):
    """One probe in the mailbox."""

    mark: str
    #: Its Date, by the monitor's clock, in seconds since the epoch.
    sent: float
    #: Its INTERNALDATE (RFC 9051 2.3.3), by the mailbox server's clock.
    arrived: float
    folder: str
    #: Its UID in the folder (RFC 9051 2.3.1.1).
    uid: int
    #: Its Received fields, if they were fetched.
    way: bytes = b""


class Hop(NamedTuple):
    """A server on a message's way."""

    host: str
    #: Seconds since the hop before, or since the Date; ``None`` if it noted no time.
    seconds: Optional[float]


class Newest(NamedTuple):
    """What the mailbox has of the probes of one server."""

    #: The one that was sent last; ``None`` if there is none.
    probe: Optional[Probe] = None
    #: Its age in seconds: by its Date, so by the monitor's clock alone.
    age: float = 0.0
    #: Whether it is the message that this run has sent.
    of_this_run: bool = False
    #: Seconds between it and the probe before it; ``None`` if there is none.
    gap: Optional[float] = None
    #: Whether the server has accepted this run's message, so that it should arrive too.
    accepted: bool = True

    @property
    def skew(self) -> float:
        """Seconds by which the clocks of monitor and mailbox differ at least; 0 if they may agree.

        A mailbox whose clock is slow by less, or fast, looks as if mail took longer or shorter.
        """
        if self.probe is None:
            return 0.0
        too_early = self.probe.sent - self.probe.arrived
        too_late = self.probe.arrived - (self.probe.sent + self.age)
        most = max(too_early, too_late)
        return most if most > CLOCK_TOLERANCE else 0.0

    @property
    def delay(self) -> Optional[float]:
        """Seconds that it took to arrive; ``None`` if the clocks differ too much to tell."""
        if self.probe is None or self.skew:
            return None
        return max(0.0, self.probe.arrived - self.probe.sent)


class Delivery(NamedTuple):
    """What a look into the mailbox has shown."""

    #: Why nothing is known; ``None`` if something is.
    fault: Optional[Fault] = None
    #: By the label of the server.
    newest: Mapping[str, Newest] = {}
    #: What else was noticed.
    notes: tuple[str, ...] = ()


def parse(fetched: Fetched, folder: str) -> list[Probe]:
    """The probes among messages of which UID, INTERNALDATE, FLAGS and :data:`FIELDS` came.

    Left out are other messages, those that are marked as deleted, and what can't be read.
    """
    probes = []
    for about, header in _messages(fetched):
        fields = dict(reversed(_fields(header)))
        words = fields.get(PROBE_HEADER.lower(), "").split()
        uid = re.search(rb"\bUID (\d+)", about)
        arrived = re.search(rb'INTERNALDATE "([^"]+)"', about)
        sent = _seconds(fields.get("date", ""))
        if uid is None or arrived is None or sent is None or b"\\Deleted" in about:
            continue
        when = _seconds(arrived[1].decode("ascii", "replace"))
        if words[:1] == ["probe"] and len(words) == 3 and when is not None:
            probes.append(Probe(words[2], sent, when, folder, int(uid[1])))
    return probes


def ways(fetched: Fetched) -> dict[int, bytes]:
    """The fields of :data:`WAY`, by the UID of their message."""
    found = {}
    for about, header in _messages(fetched):
        uid = re.search(rb"\bUID (\d+)", about)
        if uid is not None:
            found[int(uid[1])] = header
    return found


def _messages(fetched: Fetched) -> list[tuple[bytes, bytes]]:
    """What was said of each message, and its header: a server may say it before or after that."""
    found: list[tuple[bytes, bytes]] = []
    for item in fetched:
        if isinstance(item, tuple):
            found.append((item[0], item[1]))
        elif item is not None and found:
            about, header = found[-1]
            found[-1] = (about + b" " + item, header)
    return found


def _fields(header: bytes) -> list[tuple[str, str]]:
    """Names, in lower case, and values of a header's fields (RFC 5322 2.2)."""
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", header.decode("latin-1"))
    lines = (line.partition(":") for line in unfolded.splitlines())
    return [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]


def _seconds(date: str) -> Optional[float]:
    """A date of RFC 5322 or of INTERNALDATE in seconds since the epoch; ``None`` if it is none."""
    try:
        parts = parsedate_tz(date)
        return float(mktime_tz(parts)) if parts is not None else None
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def hops(way: bytes, sent: float) -> tuple[Hop, ...]:
    """The servers on the way, from the first to the last (RFC 5321 4.4)."""
    found = []
    before = sent
    for name, value in reversed(_fields(way)):
        by = re.search(r"\bby\s+([^\s;]+)", value)
        if name == "received" and by is not None:
            when = _seconds(value.rpartition(";")[2])
            found.append(Hop(by[1], None if when is None else when - before))
            before = before if when is None else when
    return tuple(found)


def newest(probes: Iterable[Probe], mark: str, now: float, sent: float) -> Newest:
    """What there is of the probes with ``mark``.

    A probe from the future is left out: the monitor's clock was wrong then, and it would hide for
    that long that nothing arrives.

    :param sent: the Date of this run's message
    """
    own = [each for each in probes if each.mark == mark and each.sent <= now + CLOCK_TOLERANCE]
    if not own:
        return Newest()
    # The same message may be in two folders; the first counts.
    first, *others = sorted(own, key=lambda each: -each.sent)
    earlier = [each.sent for each in others if each.sent < first.sent]
    gap = first.sent - earlier[0] if earlier else None
    return Newest(first, max(0.0, now - first.sent), first.sent == int(sent), gap)


def folder_name(name: str) -> str:
    """A folder's name as IMAP has it: quoted, in modified UTF-7 (RFC 3501 5.1.3)."""
    encoded = re.sub("[^\x20-\x7e]+", _in_base64, name.replace("&", "&-"))
    escaped = encoded.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _in_base64(found: re.Match[str]) -> str:
    data = binascii.b2a_base64(found[0].encode("utf-16-be"), newline=False).decode("ascii")
    return f"&{data.rstrip('=').replace('/', ',')}-"

"""How a run begins: the first packet first, and while the network answers, what judges it.

What is imported when, and why:

* before the first packet: the options, the dialogue and the sockets; only for TLS ``ssl`` (11 ms)
  and the trusted authorities; only for a domain dnspython (40 ms);
* while the first packet is on its way: nagiosplugin (15 ms), and the meaning of replies.  The
  plugin file imports them after it has called :func:`begin`;
* never, unless it is used: ``cryptography``, ``spnego``, ``idna``, ``email``, ``ipaddress``,
  ``textwrap``, ``traceback``.

No stage is longer for it: the kernel notes when a reply came (see ``network``).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from . import network
from .acceptance import accept_mail, find_servers
from .dialogue import Plan, Tls
from .options import Options, UsageError, parse
from .server_set import Member, ServerSet, accept_mail_everywhere

if TYPE_CHECKING:
    from .tls import Context


class Launched:
    """A run in progress."""

    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen
        self.plan = _plan(chosen)
        self._context = _tls_context(chosen)
        self._signals = _signal_pipe()
        self._begun = time.monotonic()
        timeout, context, signals = chosen.timeout, self._context, self._signals
        if chosen.rule is None:
            test = accept_mail(chosen.target, self.plan)
            self._test = network.Run([test], timeout, context, signals)
        else:
            finding = find_servers(chosen.target, self.plan)
            self._finding = network.Run([finding], timeout, context, signals)

    def finish(self) -> ServerSet:
        """Drive the run to its end; a single server is a set of one without a label."""
        chosen = self.chosen
        if chosen.rule is None:
            (acceptance,) = self._test.finish()
            return ServerSet(None, (Member("", acceptance),), (), acceptance.seconds)
        (servers,) = self._finding.finish()
        return accept_mail_everywhere(
            servers,
            chosen.target,
            self._left,
            chosen.parallel,
            chosen.every_address,
            self._context,
            self._signals,
        )

    def _left(self) -> float:
        """Seconds until the run is to be over."""
        return max(0.0, self._begun + self.chosen.timeout - time.monotonic())


def begin(argv: Sequence[str]) -> Launched:
    """Send the first packet of the run that ``argv`` asks for.

    :raises UsageError: the command line can't be used, or a file that it names
    :raises Answered: ``--help`` or ``--version`` was given
    :raises OSError: there is no standard output
    """
    # Nobody listens then, and the first socket would take the place of standard output.
    os.fstat(1)
    return Launched(parse(argv))


def _plan(chosen: Options) -> Plan:
    """What the client will say in this run, its Message-ID as unique as chance makes it."""
    now = time.time()
    node = "".join(each for each in os.uname().nodename if each.isascii() and each.isalnum())
    return Plan(
        envelope=chosen.envelope,
        ehlo_name=chosen.ehlo_name,
        content=chosen.content,
        message_id=f"<{int(now)}.{os.urandom(10).hex()}@{node or 'localhost'}.mailaccept>",
        now=now,
        until=chosen.until,
        source_address=chosen.source_address,
        tls=chosen.tls,
        tls_name=chosen.tls_name,
        credentials=chosen.credentials,
        transcript=chosen.verbosity >= 2,
    )


def _tls_context(chosen: Options) -> Optional[Context]:
    """What secures the connections; made before the first packet, for a file may be unusable."""
    if chosen.tls is Tls.NEVER:
        return None
    try:
        return network.tls_context(chosen.tls_settings)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _signal_pipe() -> int:
    """A pipe that becomes readable when somebody wants the run to end.

    Not an exception out of a signal handler, which could strike anywhere: the run ends by itself,
    and can still say which stage it was waiting at.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_it_to_the_pipe)
    return reading


def _leave_it_to_the_pipe(_number: int, _frame: Any) -> None:
    """Let Python write the number of the signal into the pipe, and do nothing besides."""

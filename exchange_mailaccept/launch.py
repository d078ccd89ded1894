"""How a run begins and ends: the first packet first, and all else while the network answers.

What is imported when (docs/performance.md has what each import costs):

* before the first packet: the command line, and what opens a socket or writes a DNS query; ``_ssl``
  only for files that can't be checked without it (see ``trust``);
* while the first packet is on its way: the dialogue and what drives it, and ``ssl`` for TLS;
* while the server answers: what judges and reports, and nagiosplugin, a part after each event;
  dnspython before the first response of a name server is read;
* never, unless it is used: what pyproject.toml bans at the top of a module.

To import everything first would take as much CPU, and 23 % more time with a server 20 ms away.  No
stage is measured longer for it, because the kernel notes when a reply came (see ``sockets``).
"""

from __future__ import annotations

# The part of ``signal`` that is written in C; the rest takes 2 % of a run's instructions.
import _signal  # type: ignore[import-not-found]  # typeshed does not know it
import gc
import os
import sys
import time

# Ctrl-C is to end the process without a word, as SIGTERM does, until there is a pipe for both (see
# ``_signal_pipe``).  Python's own way is a traceback out of whatever is being imported, so this
# comes before all that takes its time.  Where it is ignored Python leaves it so.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from . import names, options
from .cli import parser
from .cli.parser import Answered, UsageError
from .net.sockets import HeadStart
from .record import TYPE_CHECKING, NamedTuple
from .report.ending import EXIT_UNKNOWN, exit_unknown, print_and_exit
from .report.text import MAX_LINE, joined, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, Optional, TypeVar

    from .cli.command_line import CommandLine
    from .net.loop import Run
    from .net.trust import Contexts, TlsSettings
    from .options import Options
    from .run.acceptance import ServerSet

    Result = TypeVar("Result")

# A run is too short for its garbage to matter, and looking for it takes 5 % of the instructions.
gc.disable()


def missing_library(error: ImportError) -> str:
    """What to say when a library can't be imported."""
    why = printable(str(error), 180)
    return f"a library is missing: {why} (python3 -m pip install nagiosplugin dnspython)"


def guard(step: Callable[[], Result], verbosity: int = 0) -> Result:
    """The result of ``step``; whatever it raises ends the run in one line."""
    try:
        return step()
    except Answered as answer:
        print_and_exit(str(answer), EXIT_UNKNOWN)
    except UsageError as error:
        room = MAX_LINE - len(error.hint) - 1
        exit_unknown(f"{joined(error.mistakes, room)} {error.hint}")
    except ImportError as error:
        exit_unknown(missing_library(error))
    # What nobody foresaw is a fault of the plugin, and must not alert anybody of a mail server.
    except Exception as error:
        words = f"fault of the plugin itself: {type(error).__name__}: {error}"
        if verbosity < 3:
            exit_unknown(words)
        import traceback

        exit_unknown(words, traceback.format_exc().splitlines())


class Begun(NamedTuple):
    """A run whose first packet is on its way."""

    options: Options
    run: Run
    #: For conversations that use TLS.
    contexts: Optional[Contexts]
    #: Descriptor of a pipe that becomes readable when the run is to end at once.
    signals: int
    #: By the monotonic clock.
    ends: float

    def left(self) -> float:
        """Seconds until the run is to be over."""
        return max(0.0, self.ends - time.monotonic())


def begin(argv: Sequence[str]) -> Begun:
    """Send the first packet of the run that ``argv`` asks for.

    :raises UsageError: the command line, or a file that it names, can't be used
    :raises Answered: it asks for a text and not for a test
    """
    # Nobody listens then, and the first socket would take the place of standard output.
    os.fstat(1)
    line = parser.read(argv)
    begun = time.monotonic()
    # First of all, since a server that has our packet may already have made somebody end the run.
    signals = _signal_pipe()
    security = options.security(line)
    if security is not None:
        _check_files(security)
    ahead = _send_ahead(line)

    # From here on the first packet is on its way.
    from .net import loop
    from .run.acceptance import accept_mail
    from .run.servers import find_servers

    contexts = _tls_contexts(security) if security is not None else None
    now = time.time()
    asked = options.read(line, security, _message_id(now), now)
    find = accept_mail if asked.judging.rule is None else find_servers
    timeout = asked.limits.timeout
    run = loop.Run([find(asked.target, asked.probe)], timeout, contexts, signals, ahead=ahead)
    if not asked.target.host:
        # The first response can't be read without it.
        from .protocol.mx import import_dnspython

        import_dnspython()
    return Begun(asked, run, contexts, signals, begun + timeout)


def drive(begun: Begun, chores: Sequence[Callable[[], object]] = ()) -> ServerSet:
    """Drive the run to its end, and do ``chores`` on the way.

    A single server is a set of one without a label.
    """
    from .run.acceptance import Member, ServerSet

    asked = begun.options
    (found,) = begun.run.drive(chores)
    if asked.judging.rule is None:
        return ServerSet(None, (Member("", found),), (), found.seconds)
    from .run.server_set import Conditions, accept_mail_everywhere

    conditions = Conditions(
        asked.target,
        begun.left,
        asked.limits.parallel,
        asked.limits.every_address,
        begun.contexts,
        begun.signals,
    )
    return accept_mail_everywhere(found, conditions)


def main(argv: Optional[Sequence[str]] = None) -> NoReturn:
    """Run the plugin as it is installed, and exit with its state."""
    begun = guard(lambda: begin(sys.argv[1:] if argv is None else argv))
    guard(lambda: _conclude(begun), begun.options.limits.verbosity)
    raise AssertionError("unreachable")


def _conclude(begun: Begun) -> None:
    found = drive(begun, (_import_logging, _import_files, _import_words, _import_plugin))
    _import_plugin().conclude(begun.options, found)


# The imports in parts, so that a reply is not kept waiting for all of them: first what nagiosplugin
# will import, then what reports, then the rest.


def _import_logging() -> None:
    import logging  # noqa: F401


def _import_files() -> None:
    import json  # noqa: F401
    import tempfile  # noqa: F401


def _import_words() -> None:
    from .report import headline  # noqa: F401


def _import_plugin() -> Any:
    try:
        from . import plugin
    except ImportError:
        raise
    # A library that is broken on this Python must not end in a traceback and exit 1, a WARNING.
    except Exception as error:
        exit_unknown(f"a library can't be used: {type(error).__name__}: {error}")
    return plugin


def _send_ahead(line: CommandLine) -> Optional[HeadStart]:
    """The first packet, if it can be told without asking anybody; an error is met again later."""
    host, domain = line.last("hostname", ""), line.last("domain", "")
    try:
        if not host:
            return HeadStart(*_first_nameserver(line), query=_first_query(domain))
        # The servers of a set are connected when all are known.
        alone = names.is_address(host) and not line.judges_a_set
        if alone and line.last("until") != "mx":
            return HeadStart(host, line.port, line.last("source-address", ""))
    except OSError:
        return None
    return None


def _first_nameserver(line: CommandLine) -> tuple[str, int]:
    from .net.resolv_conf import system_nameservers

    given: tuple[tuple[str, int], ...] = line.all("nameserver")
    return (given or system_nameservers())[0]


def _first_query(domain: str) -> bytes:
    from .protocol.dns_query import compose

    return compose(domain, "MX")


def _message_id(now: float) -> str:
    """A Message-ID as unique as chance makes it."""
    node = "".join(each for each in os.uname().nodename if each.isascii() and each.isalnum())
    return f"<{int(now)}.{os.urandom(10).hex()}@{node or 'localhost'}.mailaccept>"


def _check_files(security: TlsSettings) -> None:
    from .net import trust

    try:
        trust.check(security)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _tls_contexts(security: TlsSettings) -> Contexts:
    # Now, and not when it is the server's turn to wait for us.
    from .net import tls, trust  # noqa: F401

    try:
        return trust.Contexts(security)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _signal_pipe() -> int:
    """A pipe that becomes readable when somebody wants the run to end.

    Not an exception out of a signal handler, which could strike anywhere: the run ends by itself,
    and can still say which stage it was waiting at.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, _leave_it_to_the_pipe)
    return reading


def _leave_it_to_the_pipe(_number: int, _frame: Any) -> None:
    """Let Python write the number of the signal into the pipe, and do nothing besides."""

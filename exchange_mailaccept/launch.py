"""How a run begins and ends: the first packet first, everything else while the network answers.

What is imported when (docs/performance.md has what each import costs):

* before the first packet: the command line, and what opens a socket or writes a DNS query; ``_ssl``
  only for files that can't be checked without it (see ``trust``);
* while the first packet is on its way: the dialogue and the loop, and ``ssl`` for TLS;
* while the server answers: judgement, report and nagiosplugin, a part after each event; dnspython
  before the first response of a name server is read;
* only if it is used: what pyproject.toml bans at the top of a module.

Importing everything first would take as much CPU, and 23 % more time with a server 20 ms away.  The
seconds of a stage are right all the same, because the kernel records when a reply came (see
``sockets``).
"""

from __future__ import annotations

# The part of ``signal`` that is written in C; the rest takes 2 % of a run's instructions.
import _signal  # type: ignore[import-not-found]  # typeshed does not know it
import gc
import os
import sys
import time

# Until ``_signal_pipe`` is called, Ctrl-C ends the process without a traceback, like SIGTERM.  This
# comes before everything that takes time.  If the caller ignores Ctrl-C, it stays ignored.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from . import names, options
from .cli import command_line
from .cli.command_line import Answered, UsageError
from .cli.words import how_to_install
from .net.sockets import HeadStart
from .record import TYPE_CHECKING, NamedTuple
from .report.text import MAX_LINE, joined, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, Optional, TypeVar

    from .cli.command_line import CommandLine
    from .net.loop import Conversation, Run
    from .net.trust import Contexts, TlsSettings
    from .options import Options
    from .run.acceptance import Servers, ServerSet

    Result = TypeVar("Result")

# A run is too short for its garbage to matter, and collecting it takes 5 % of the instructions.
gc.disable()

EXIT_UNKNOWN = 3


def print_and_exit(text: str, status: int) -> NoReturn:
    """Print ``text``, and exit with ``status``; with UNKNOWN if it can't be printed.

    It bypasses Python's own streams, because a full disk or a closed pipe must end in UNKNOWN and
    not in a traceback when the interpreter shuts down.  It also leaves out the interpreter's own
    shutdown, which takes 13 % of a run's instructions.
    """
    data = text.encode("ascii", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        status = EXIT_UNKNOWN
    os._exit(status)


def exit_unknown(words: str, details: Sequence[str] = ()) -> NoReturn:
    """Exit with one line that says why the check was not carried out, and ``details`` below."""
    lines = [printable(words, MAX_LINE), *(printable(detail, 200) for detail in details)]
    print_and_exit("MAILACCEPT UNKNOWN - " + "\n".join(lines), EXIT_UNKNOWN)


def missing_library(error: ImportError) -> str:
    """The words for a library that can't be imported."""
    remedy = how_to_install("nagiosplugin", "dnspython")
    # The reason is cut, so that the command, which may have a long path in it, stays whole.
    room = MAX_LINE - len(f"a library is missing:  ({remedy})")
    return f"a library is missing: {printable(str(error), max(room, 40))} ({remedy})"


def guard(step: Callable[[], Result], verbosity: int = 0) -> Result:
    """Return the result of ``step``; an exception ends the process with one line."""
    try:
        return step()
    except Answered as answer:
        print_and_exit(str(answer), EXIT_UNKNOWN)
    except UsageError as error:
        room = MAX_LINE - len(error.hint) - 1
        exit_unknown(f"{joined(error.mistakes, room)} {error.hint}")
    except ImportError as error:
        exit_unknown(missing_library(error))
    except Exception as error:  # A fault of the plugin must not look like one of the mail server.
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
    #: Descriptor of a pipe that becomes readable when the run must end at once.
    signals: int
    #: When the run ends, by the monotonic clock.
    ends: float
    #: Look-ups that are to go on beside the walks of a set.
    beside: tuple[Conversation, ...] = ()

    def left(self) -> float:
        """Seconds until the run ends."""
        return max(0.0, self.ends - time.monotonic())


def begin(argv: Sequence[str]) -> Begun:
    """Send the first packet of the run that ``argv`` asks for.

    :raises UsageError: the command line, or a file that it names, can't be used
    :raises Answered: it asks for a text instead of a test
    """
    # Raises OSError if standard output is closed.  Otherwise a socket would get its descriptor.
    os.fstat(1)
    line = command_line.read(argv, _read_to_end)
    begun = time.monotonic()
    # Before the first packet, because the run may be interrupted as soon as it is sent.
    signals = _signal_pipe()
    security = options.security(line)
    for settings in (security, options.mailbox_security(line)):
        if settings is not None:
            _check_files(settings)
    ahead = _send_ahead(line)

    # The first packet is on its way from here on.
    from .net import loop
    from .run.acceptance import accept_mail, find_servers

    contexts = _tls_contexts(security) if security is not None else None
    now = time.time()
    asked = options.read(line, security, _message_id(now), now)
    find = accept_mail if asked.judging.rule is None else find_servers
    timeout = asked.limits.timeout
    look_ups: list[Conversation] = []
    if asked.policies:
        from .policies import enforcement

        look_ups = enforcement.look_ups(asked.policies, asked.target, asked.security)
    # Those of a set begin with its walks, so that they do not hold these up.
    beside = [] if asked.judging.rule is None else look_ups
    first = [find(asked.target, asked.probe), *(look_ups if not beside else ())]
    run = loop.Run(first, timeout, contexts, signals, ahead=ahead)
    if not asked.target.host:
        # It reads the first response.
        from .protocol.dns_message import import_dnspython

        import_dnspython()
    return Begun(asked, run, contexts, signals, begun + timeout, tuple(beside))


def drive(begun: Begun, chores: Sequence[Callable[[], object]] = ()) -> ServerSet:
    """Drive the run to its end, and do ``chores`` meanwhile (see ``loop``).

    A single server is a set of one without a label.
    """
    from .run.acceptance import Member, ServerSet

    asked = begun.options
    found, *published = begun.run.drive(chores)
    if asked.judging.rule is None:
        server_set = ServerSet(
            None, (Member("", found),), (), found.seconds, found.mx_set, tuple(published)
        )
    else:
        server_set = _test_all(found, begun)
    return server_set if asked.mailbox is None else _look_into_mailbox(server_set, begun)


def _test_all(found: Servers, begun: Begun) -> ServerSet:
    from .run.server_set import Conditions, accept_mail_everywhere

    asked = begun.options
    conditions = Conditions(
        asked.target,
        begun.left,
        asked.limits.parallel,
        asked.limits.every_address,
        begun.contexts,
        begun.signals,
        begun.beside,
    )
    return accept_mail_everywhere(found, conditions)


def _look_into_mailbox(found: ServerSet, begun: Begun) -> ServerSet:
    from .further_judgement import is_late
    from .run.delivery import Watch, with_delivery

    asked = begun.options
    assert asked.mailbox is not None
    watch = Watch(
        asked.mailbox,
        asked.target,
        asked.probe.now,
        asked.limits.timeout,
        lambda age: is_late(age, asked.judging),
    )
    return with_delivery(found, asked.probe, watch, begun.left(), begun.signals)


def main(argv: Optional[Sequence[str]] = None) -> NoReturn:
    """Run the plugin as it is installed, and exit with its state."""
    begun = guard(lambda: begin(sys.argv[1:] if argv is None else argv))
    guard(lambda: _conclude(begun), begun.options.limits.verbosity)
    raise AssertionError("unreachable")


def _conclude(begun: Begun) -> None:
    chores = [_import_logging, _import_files, _import_words, _import_plugin]
    if begun.options.mailbox is not None:
        chores.append(_import_delivery)
    found = drive(begun, chores)
    print_and_exit(*_import_plugin().run_check(begun.options, found))


# The imports are done in parts, so that a reply does not wait for all of them: first what
# nagiosplugin imports, then ``report``, then the rest.


def _import_logging() -> None:
    import logging  # noqa: F401


def _import_files() -> None:
    import json  # noqa: F401
    import tempfile  # noqa: F401


def _import_words() -> None:
    from .report import headline  # noqa: F401


def _import_delivery() -> None:
    from .run import delivery  # noqa: F401


def _import_plugin() -> Any:
    try:
        from . import plugin
    except ImportError:
        raise
    except Exception as error:  # A traceback would exit with 1, which is WARNING.
        exit_unknown(f"a library can't be used: {type(error).__name__}: {error}")
    return plugin


def _read_to_end(descriptor: int, patience: float, most: int) -> bytes:
    from .net.blocking_call import read_to_end

    return read_to_end(descriptor, patience, most)


def _send_ahead(line: CommandLine) -> Optional[HeadStart]:
    """Send the first packet, if no lookup is needed for it.

    An error is ignored here, because it comes again when the run needs the connection.
    """
    host, domain = line.last("hostname", ""), line.last("domain", "")
    try:
        if not host:
            from .net.resolv_conf import system_nameservers
            from .protocol.dns_message import compose

            address, port = (line.all("nameserver") or system_nameservers())[0]
            return HeadStart(address, port, query=compose(domain, "MX"))
        # The servers of a set are connected when all have been found.
        alone = names.is_address(host) and not line.judges_a_set
        # Of several connections to it, each is begun by its own session.
        alone = alone and line.last("connections", 1) == 1
        if alone and line.last("until") != "mx":
            return HeadStart(host, line.port, line.last("source-address", ""))
    except OSError:
        return None
    return None


def _message_id(now: float) -> str:
    """A unique Message-ID, from random bytes."""
    node = "".join(
        character
        for character in os.uname().nodename
        if character.isascii() and character.isalnum()
    )
    return f"<{int(now)}.{os.urandom(10).hex()}@{node or 'localhost'}.mailaccept>"


def _check_files(security: TlsSettings) -> None:
    from .net import trust

    try:
        trust.check(security)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _tls_contexts(security: TlsSettings) -> Contexts:
    # They are imported now, and not while the server waits for the handshake.
    from .net import tls, trust  # noqa: F401

    try:
        return trust.Contexts(security)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _signal_pipe() -> int:
    """A pipe that becomes readable when a signal tells the run to end.

    An exception from a signal handler could be raised anywhere.  With the pipe, the run ends by
    itself and can still say at which stage it was waiting.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, _leave_it_to_the_pipe)
    return reading


def _leave_it_to_the_pipe(_number: int, _frame: Any) -> None:
    """Do nothing: Python writes the number of the signal into the pipe."""

"""How a run begins, as far as it is the same on every machine.

Which modules are loaded, whether the first packet leaves before nagiosplugin is imported, how often
the client has to wait for the network, and whether a stage stays as short as it was while the
plugin is busy with something else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import textwrap
import time
from pathlib import Path
from typing import Callable, NamedTuple

import pytest
from support.names import Answer, knowing, mx, question
from support.plugin import CHECKOUT, PLUGIN
from support.smtp import PATIENCE, Server, Talk


class Ran(NamedTuple):
    """One run of the plugin."""

    stdout: str
    #: Names of all modules that were loaded at its end.
    modules: frozenset[str]
    #: When it was started, by the monotonic clock.
    begun: float

    @property
    def perfdata(self) -> dict[str, float]:
        """Seconds by stage."""
        return {name: float(value) for name, value in re.findall(r"(\w+)=([0-9.]+)s", self.stdout)}

    def loaded(self, *names: str) -> list[str]:
        """Those of ``names`` that were loaded."""
        return [name for name in names if name in self.modules]


#: What ``pip`` makes of the entry point, for the wrapper below.
COMMAND = """
from exchange_mailaccept.launch import main
main()
"""
#: Runs the plugin as the program that it is, and writes down which modules it ends with.
WRAPPER = """
import os, sys

def end(code, really=os._exit):
    with open(sys.argv[0] + ".modules", "w") as file:
        file.write(" ".join(sys.modules))
    really(code)

os._exit = end
plugin, sys.argv[0] = os.environ["PLUGIN"], os.environ["NOTES"]
sys.path.insert(0, os.path.dirname(plugin))
with open(plugin) as file:
    program = compile(file.read(), plugin, "exec")
try:
    exec(program, {"__name__": "__main__", "__file__": plugin, "__builtins__": __builtins__})
except SystemExit as status:
    sys.stdout.flush()
    end(status.code)
"""


class Plugin:
    """Runs the plugin with nothing of the tests' own surroundings."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(
        self, *arguments: str, path: str = "", program: str = str(PLUGIN), exit_code: int = 0
    ) -> Ran:
        notes = self._directory / "notes"
        # Without site, whose .pth files import for the tests' own sake.
        places = (path, str(CHECKOUT), sysconfig.get_path("purelib"))
        libraries = os.pathsep.join(filter(None, places))
        environment = {"PLUGIN": program, "NOTES": str(notes), "PYTHONPATH": libraries}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-S", "-c", WRAPPER, *arguments, "-F", "probe.client.example"],
            env={**environment, "PATH": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (exit_code, b""), done.stdout
        modules = Path(f"{notes}.modules").read_text(encoding="ascii").split()
        return Ran(done.stdout.decode("ascii"), frozenset(modules), begun)


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """The plugin as a process."""
    return Plugin(tmp_path)


def host(server: Server, *arguments: str) -> tuple[str, ...]:
    """The arguments that lead to a server."""
    where = ("-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com")
    return (*where, "--profile", "none", *arguments)


TABLE = mx((10, "mail1.contoso.com", "127.0.0.1"))


def domain(server: Server, name_server: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments that lead to it by way of a name server."""
    return ("-d", "contoso.com", "-p", str(server.port), *name_server, "--profile", "none")


# Modules.

#: What no run needs; each costs 2 to 30 ms.
NEVER = (
    "argparse", "asyncio", "concurrent.futures", "cryptography", "dataclasses", "dns.query",
    "dns.resolver", "email", "encodings.idna", "getopt", "gettext", "http", "idna",
    "importlib.metadata", "inspect", "multiprocessing", "smtplib", "spnego", "subprocess", "urllib",
)  # fmt: skip
#: What dnspython imports for itself.
FOR_DNS = (
    "concurrent.futures", "dataclasses", "email", "encodings.idna", "idna", "importlib.metadata",
    "inspect", "urllib",
)  # fmt: skip
#: What only --dane and --mta-sts need.
POLICIES = (
    "exchange_mailaccept.policies", "exchange_mailaccept.net.https",
    "exchange_mailaccept.report.policies",
)  # fmt: skip
#: What several connections, recipients and senders need, and what is expected of MX and refusals.
DOORS = tuple(
    f"exchange_mailaccept.{module}"
    for module in (
        *("protocol.further_transactions", "exchange.remedies", "report.addresses", "report.nodes"),
        *("run.doors", "run.expected_mx", "run.nodes"),
    )
)
FAILURES = tuple(
    f"exchange_mailaccept.{module}"
    for module in ("details", "diagnosis", "failures", "masks", "resources", "timing")
)
#: What looks into the probe's mailbox.
DELIVERY = (
    "imaplib", "exchange_mailaccept.cli.delivered", "exchange_mailaccept.exchange.delivery",
    "exchange_mailaccept.net.mailbox", "exchange_mailaccept.net.probes",
    "exchange_mailaccept.report.delivery", "exchange_mailaccept.run.delivery",
)  # fmt: skip
TLS_ONLY = ("ssl", "_ssl", "exchange_mailaccept.net.tls")


def test_modules_for_a_host(sink, plugin):
    """Neither dnspython nor TLS, nor any of the heavy ones, nor what failures mean."""
    run = plugin(*host(sink()))
    assert run.loaded("dns", *TLS_ONLY, *NEVER, *FAILURES, *DELIVERY, *POLICIES, *DOORS) == []
    assert run.loaded("nagiosplugin", "exchange_mailaccept.net.loop") != []


def test_modules_for_a_host_by_name(sink, plugin):
    """``ipaddress`` is for those who type an address."""
    server = sink()
    arguments = list(host(server, "-4"))
    arguments[1] = "localhost"
    run = plugin(*arguments)
    assert run.loaded("dns", "ipaddress", *TLS_ONLY, *NEVER) == []


def test_modules_for_a_domain(sink, names, plugin):
    """Of dnspython what reads and writes messages; no second resolver with its own sockets."""
    run = plugin(*domain(sink(), names(TABLE)))
    unwanted = (*POLICIES, *DOORS, *(module for module in NEVER if module not in FOR_DNS))
    assert run.loaded(*TLS_ONLY, *unwanted) == []
    assert run.loaded("dns.message") == ["dns.message"]


def test_modules_for_tls(sink, plugin, authority):
    """With a certificate that is verified, OpenSSL reads it."""
    server = sink("STARTTLS", context=authority.context)
    run = plugin(*host(server, "-S", "--verify", "--ca-file", authority.file))
    assert run.loaded("dns", *NEVER, *DELIVERY) == []
    assert run.loaded(*TLS_ONLY) == list(TLS_ONLY)


def test_modules_for_a_certificate_that_is_not_trusted(sink, plugin, authority):
    """Only ``cryptography`` reads one that fails verification."""
    run = plugin(*host(sink("STARTTLS", context=authority.context), "-S"))
    assert run.loaded("cryptography", *TLS_ONLY) == ["cryptography", *TLS_ONLY]
    assert run.loaded("spnego", "dns") == []


@pytest.mark.parametrize("argument", ["--version", "-x"])
def test_modules_for_no_test_at_all(plugin, argument):
    run = plugin(argument, exit_code=3)
    assert run.loaded("dns", "ipaddress", *TLS_ONLY, *NEVER) == []


# The first packet.


@pytest.fixture
def slow_library(tmp_path: Path) -> Callable[[str], str]:
    """A directory with a nagiosplugin that runs some lines before it becomes the real one."""

    def write(lines: str) -> str:
        package = tmp_path / "slow" / "nagiosplugin"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            "import os, sys, time\n"
            f"gate = {str(tmp_path / 'gate')!r}\n"
            f"{textwrap.dedent(lines)}\n"
            f"sys.path.remove({str(package.parent)!r})\n"
            "del sys.modules['nagiosplugin']\n"
            "import nagiosplugin\n",
            encoding="ascii",
        )
        return str(package.parent)

    return write


WAIT_FOR_THE_GATE = f"""
until = time.monotonic() + {PATIENCE / 3}
while not os.path.exists(gate):
    if time.monotonic() > until:
        raise ImportError("no packet was sent before this import")
    time.sleep(0.005)
"""


def opening(directory: Path) -> Callable[[object], None]:
    """What a server does when it has seen the client."""
    return lambda _: (directory / "gate").touch()


def asked(directory: Path) -> Callable[[bytes, bool], Answer]:
    """A name server that does the same."""

    def answer(wire: bytes, tcp: bool) -> Answer:
        opening(directory)(None)
        return knowing(TABLE)(wire, tcp)

    return answer


def test_a_host_is_connected_before_nagiosplugin_is_imported(sink, plugin, slow_library, tmp_path):
    server = sink(at={"": opening(tmp_path)})
    plugin(*host(server), path=slow_library(WAIT_FOR_THE_GATE))


def test_the_installed_command_speaks_before_nagiosplugin_is_imported(
    sink, plugin, slow_library, tmp_path
):
    server = sink(at={"EHLO": opening(tmp_path)})
    (tmp_path / "command").write_text(COMMAND, encoding="ascii")
    arguments = host(server)
    plugin(*arguments, path=slow_library(WAIT_FOR_THE_GATE), program=str(tmp_path / "command"))


def test_a_name_is_asked_for_before_nagiosplugin_is_imported(
    sink, names, plugin, slow_library, tmp_path
):
    plugin(*domain(sink(), names(asked(tmp_path))), path=slow_library(WAIT_FOR_THE_GATE))


def test_a_server_with_tls_is_connected_before_nagiosplugin_is_imported(
    sink, plugin, slow_library, tmp_path, authority
):
    server = sink("STARTTLS", at={"": opening(tmp_path)}, context=authority.context)
    arguments = host(server, "-S", "--verify", "--ca-file", authority.file)
    plugin(*arguments, path=slow_library(WAIT_FOR_THE_GATE))


# Round trips.

#: The connection and the greeting, for which the client says nothing.
CONNECT_AND_BANNER = 2


@pytest.mark.parametrize(
    ("keywords", "arguments", "trips"),
    [
        ((), (), 8),
        (("PIPELINING",), (), 7),
        ((), ("--until", "rcpt"), 7),
        ((), ("--until", "ehlo"), 4),
        ((), ("--until", "banner"), 3),
    ],
)
def test_round_trips_to_a_host(sink, plugin, keywords, arguments, trips):
    """EHLO, MAIL, RCPT, DATA, the message and QUIT; QUIT with the message where it may."""
    server = sink(*keywords)
    run = plugin(*host(server, *arguments))
    assert server.talks[0].flights + CONNECT_AND_BANNER == trips, run.stdout


@pytest.mark.parametrize(("keywords", "trips"), [((), 11), (("PIPELINING",), 10)])
def test_round_trips_with_starttls(sink, plugin, authority, keywords, trips):
    """STARTTLS, one for the handshake of TLS 1.3, and EHLO in one flight with its end."""
    server = sink("STARTTLS", *keywords, context=authority.context)
    run = plugin(*host(server, "-S", "--verify", "--ca-file", authority.file))
    assert server.talks[0].flights + CONNECT_AND_BANNER == trips, run.stdout


def test_round_trips_to_the_name_server(sink, names, plugin):
    flights: list[set[str]] = []

    def answer(wire: bytes, tcp: bool) -> Answer:
        """Only when the other family was asked for, too."""
        waiting.append(wire)
        kinds = {question(query)[1] for query in waiting}
        if kinds in ({"A"}, {"AAAA"}):
            return None
        flights.append(kinds)
        queries = waiting.copy()
        waiting.clear()
        return iter([knowing(TABLE)(query, tcp) for query in queries])

    waiting: list[bytes] = []
    run = plugin(*domain(sink(), names(answer)))
    assert flights == [{"MX"}, {"A", "AAAA"}], run.stdout


# Truth.

#: Seconds.
SLOW = 0.5
BUSY = f"time.sleep({SLOW})"


def too_long(run: Ran, talk: Talk) -> dict[str, float]:
    """The stages that took longer than from the reply before theirs to their own.

    On one machine a reply has come when it was sent, or little later if the machine is busy.
    """
    from_to = zip([run.begun, *talk.said_at], talk.said_by)
    stages = ("banner", "ehlo", "mail", "rcpt", "data", "message", "quit")
    most = {stage: said - before + SLOW / 2 for stage, (before, said) in zip(stages, from_to)}
    return {stage: run.perfdata[stage] for stage in stages if run.perfdata[stage] > most[stage]}


@pytest.mark.usefixtures("kernel_stamps")
def test_a_stage_is_no_longer_than_it_was(sink, plugin, slow_library, tmp_path):
    """While the plugin imports something for long, what came meanwhile is not slow."""
    server = sink(at={"": opening(tmp_path)})
    run = plugin(*host(server), path=slow_library(WAIT_FOR_THE_GATE + BUSY))
    assert too_long(run, server.talks[0]) == {}


@pytest.mark.usefixtures("kernel_stamps")
def test_a_lookup_is_no_longer_than_it_was(sink, names, plugin, slow_library, tmp_path):
    answered: list[float] = []

    def answer(wire: bytes, tcp: bool) -> Answer:
        yield asked(tmp_path)(wire, tcp)
        answered.append(time.monotonic())

    server = sink()
    path = slow_library(WAIT_FOR_THE_GATE + BUSY)
    run = plugin(*domain(server, names(answer)), path=path)
    assert too_long(run, server.talks[0]) == {}
    assert run.perfdata["mx"] <= answered[-1] - run.begun + SLOW / 2


def test_a_stage_is_as_long_as_the_server_made_it(sink, plugin):
    """Neither shorter than the server thought about it nor longer than the client waited for it.

    A stage lies between what the server heard before its reply and what it heard after it, however
    busy the machine is.
    """
    server = sink(hold=0.05)
    run = plugin(*host(server))
    # The plugin prints four decimals, and two clocks may not run alike.
    rounding = 0.001
    said, heard = server.talks[0].said_at, server.talks[0].heard_at
    for number, name in enumerate(("ehlo", "mail", "rcpt", "data", "message", "quit"), 1):
        held = said[number] - heard[number - 1]
        assert held - rounding <= run.perfdata[name], (name, held, run.stdout)
    for number, name in enumerate(("ehlo", "mail", "rcpt", "data", "message"), 1):
        waited = heard[number] - said[number - 1]
        assert run.perfdata[name] <= waited + rounding, (name, waited, run.stdout)


def test_the_plugin_is_run_from_the_checkout():
    """The wrapper of these tests must test this plugin and no installed one."""
    assert PLUGIN.parent == CHECKOUT
    assert os.access(PLUGIN, os.X_OK)


def test_a_set_of_one_address_is_one_connection(sink, plugin):
    """What is sent ahead must be for somebody."""
    server = sink()
    run = plugin(*host(server, "--all-addresses", "-t", "10"))
    assert server.connections == 1, run.stdout

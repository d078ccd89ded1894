"""How a run of the plugin is started and read, and what a healthy server says to it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from support import scripts
from support.smtp import PATIENCE, Server

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGIN = CHECKOUT / "check_exchange_mailaccept.py"


class PluginRun(NamedTuple):
    """What one run of the plugin left for Nagios to see."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def masked(self) -> str:
        """Standard output with each number of seconds as ``#s``, and each Message-ID as ``ID``."""
        text = re.sub(r"[0-9]+\.[0-9a-f]{20}@[0-9A-Za-z]+\.mailaccept", "ID", self.stdout)
        return re.sub(r"( ?) *\b[0-9]+(\.[0-9]+)?(e-[0-9]+)?s(?![A-Za-z0-9])", r"\1#s", text)

    @property
    def first_line(self) -> str:
        """Masked, and without perfdata."""
        return self.masked.partition("\n")[0].partition(" | ")[0]

    @property
    def result(self) -> str:
        """State and words of the first line, masked; the exit code is that of the state."""
        state = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[self.exit_code]
        assert self.stderr == ""
        assert self.first_line.startswith(f"MAILACCEPT {state} - "), self
        return self.first_line.removeprefix("MAILACCEPT ")

    @property
    def perfdata(self) -> dict[str, str]:
        """Values with unit and thresholds, by label."""
        places = [line.split("|", 1)[1] for line in self.stdout.splitlines() if "|" in line]
        assert len(places) <= 1
        return dict(word.split("=", 1) for place in places for word in shlex.split(place))

    def line(self, beginning: str) -> str:
        """The line that begins so, masked."""
        (line,) = [line for line in self.masked.splitlines() if line.startswith(beginning)]
        return line


def run_plugin(
    *arguments: str,
    environment: Optional[Mapping[str, str]] = None,
    python: Sequence[str] = (),
    **how: Any,
) -> PluginRun:
    """Run the plugin as Nagios does: a process of its own, and nothing to read."""
    settings: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "timeout": PATIENCE,
        "env": {**os.environ, **(environment or {})},
        **how,
    }
    done = subprocess.run([sys.executable, *python, str(PLUGIN), *arguments], **settings)
    return PluginRun(
        done.returncode,
        (done.stdout or b"").decode("ascii"),
        (done.stderr or b"").decode("ascii", "replace"),
    )


_PARENT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import cryptography.hazmat.backends.openssl.backend, cryptography.x509, spnego
import check_exchange_mailaccept as plugin
import exchange_mailaccept.net.tls
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.update(job["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            name = f'{job["output"]}{descriptor}'
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv[1:] = job["argv"]
        plugin.main(job["argv"])
    status = os.waitpid(child, 0)[1]
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -status
    print(json.dumps([job["number"], code]), flush=True)
"""


class Plugin:
    """Runs the plugin fast: call it with the arguments.

    Each run is a process of its own, but the fork of one that has imported everything: a table of
    some hundred runs takes seconds and not minutes.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._output = str(directory / "output")
        self._number = 0
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(CHECKOUT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )

    def __call__(self, *argv: str, **environment: str) -> PluginRun:
        self._number += 1
        job = {
            "argv": argv,
            "environment": environment,
            "output": self._output,
            "number": self._number,
        }
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        # A test that was ended in the middle may have left an answer behind.
        number = exit_code = -1
        while number != self._number:
            number, exit_code = json.loads(self._parent.stdout.readline())
        out, err = (Path(f"{self._output}{number}").read_bytes() for number in (1, 2))
        return PluginRun(exit_code, out.decode("ascii"), err.decode("ascii", "replace"))

    def against(self, server: Union[Server, int], *argv: str, **environment: str) -> PluginRun:
        """Test a server on a loopback port, by address."""
        port = server if isinstance(server, int) else server.port
        recipient = () if "-r" in argv else ("-r", "postmaster@contoso.com")
        run = self(
            *("-H", "127.0.0.1", "-p", str(port), *recipient),
            *("-F", "probe.client.example", "-t", "10", *argv),
            **environment,
        )
        # Nothing is ever written there, whatever happens.
        assert run.stderr == ""
        return run._replace(stdout=run.stdout.replace(f"port {port}", "port PORT"))

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.stdout.close()
        self._parent.wait(PATIENCE)


class Bare:
    """Runs the plugin by a Python that has what the plugin requires and none of its extras."""

    def __init__(self, directory: Path) -> None:
        import dns
        import nagiosplugin

        self.site = directory
        for package in (dns, nagiosplugin):
            source = Path(str(package.__file__)).parent
            (directory / source.name).symlink_to(source)

    def against(self, server: Server, *argv: str, **environment: str) -> PluginRun:
        """Test a server on a loopback port, by address."""
        # -S keeps site-packages away, where the extras are.
        run = run_plugin(
            *("-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com", *argv),
            python=["-S"],
            environment={"PYTHONPATH": str(self.site), **environment},
        )
        assert run.stderr == ""
        return run


OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3

BANNER = b"220 mail1.contoso.com Microsoft ESMTP MAIL Service ready\r\n"
KEYWORDS = (
    "SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS",
    "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "XRDST",
)  # fmt: skip


def ehlo_reply(*keywords: str) -> bytes:
    return scripts.ehlo_reply(*keywords, greeting="mail1.contoso.com Hello [127.0.0.1]")


EHLO = ("EHLO probe.client.example", ehlo_reply(*KEYWORDS))
MAIL = ("MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam[.]com>", b"250 2.1.0 Sender OK\r\n")
RCPT = ("RCPT TO:<postmaster@contoso[.]com> NOTIFY=NEVER", b"250 2.1.5 Recipient OK\r\n")
RSET = ("RSET", b"250 2.0.0 Resetting\r\n")
DATA = ("DATA", b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
MESSAGE = (
    scripts.MESSAGE,
    b"250 2.6.0 {ID} [InternalId=110, Hostname=mbx01.contoso.com] 1590 bytes in 0.103,"
    b" 15.038 KB/sec Queued mail for delivery\r\n",
)
QUIT = ("QUIT", b"221 2.0.0 Service closing transmission channel\r\n")
ALL = (EHLO, MAIL, RCPT, DATA, MESSAGE, QUIT)

PERFDATA = {
    "all": "banner=#s;;;0 connect=#s;;;0 data=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0"
    " message=#s;;;0 quit=#s;;;0 rcpt=#s;;;0 total=#s;;;0",
    "rcpt": "banner=#s;;;0 connect=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0 quit=#s;;;0"
    " rcpt=#s;;;0 total=#s;;;0",
    "mail": "banner=#s;;;0 connect=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0 quit=#s;;;0"
    " total=#s;;;0",
}
ACCEPTED = (
    "127.0.0.1 accepted mail for postmaster@contoso.com in #s"
    " (Exchange 2019/SE; queued on mbx01.contoso.com as ID)"
)


def check(server: Server, *arguments: str, **how: Any) -> PluginRun:
    """Test ``server``; the port does not appear in what comes back."""
    recipient = () if "-r" in arguments else ("-r", "postmaster@contoso.com")
    run = run_plugin(
        *("-H", server.host, "-p", str(server.port), *recipient),
        *("-F", "probe.client.example", *arguments),
        **how,
    )
    return run._replace(stdout=run.stdout.replace(f"port {server.port}", "port PORT"))


TROUBLESHOOTING = """\
Troubleshooting, from the server level out to the network level:
  1. Mail routing in Exchange Server:\
 https://learn.microsoft.com/exchange/mail-flow/mail-routing/mail-routing
  2. Use Telnet to test SMTP communication on Exchange servers:\
 https://learn.microsoft.com/exchange/mail-flow/test-smtp-telnet
  3. Queues and messages in queues in Exchange Server:\
 https://learn.microsoft.com/exchange/mail-flow/queues/queues  [begin here]
  4. Configure mail flow and client access on Exchange servers:\
 https://learn.microsoft.com/exchange/plan-and-deploy/post-installation-tasks/\
configure-mail-flow-and-client-access
  5. Configure the external postmaster address in Exchange Online:\
 https://learn.microsoft.com/exchange/mail-flow-best-practices/configure-external-postmaster-address
"""

_NUMBER = r"-?[0-9]+(?:\.[0-9]{1,4})?"
_RANGE = rf"@?(?:(?:~|{_NUMBER})?:)?(?:{_NUMBER})?"
_ITEM = re.compile(
    rf"(?P<label>[A-Za-z0-9_-]{{1,19}})=(?P<value>{_NUMBER})(?P<unit>s?)"
    rf"(?:;(?P<warn>{_RANGE})(?:;(?P<crit>{_RANGE})(?:;(?P<min>{_NUMBER})(?:;(?P<max>{_NUMBER}))?)?)?)?"
)
LABELS = "mx connect banner ehlo starttls auth mail rcpt data message quit total extensions".split()


def perfdata(run: PluginRun) -> dict[str, re.Match[str]]:
    """The perfdata by label; the bar that begins them is the only one."""
    assert run.stdout.count("|") == 1
    assert run.stdout.endswith("\n")
    by_label = {}
    for item in run.stdout.rstrip("\n").partition("|")[2].split():
        match = _ITEM.fullmatch(item)
        assert match is not None, item
        assert match["label"] not in by_label
        by_label[match["label"]] = match
    return by_label

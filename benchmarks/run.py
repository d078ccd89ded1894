#!/usr/bin/env python3
"""Compares the plugin with others: ``python3 benchmarks/run.py [--turns N] [--python FILE]``.

Everything runs in network and mount namespaces of its own, so nothing leaves the machine and port
53 is free.  Wall time is measured over a link with a 20 ms round trip (``relay.py``), CPU and
memory with the same servers on the loopback interface; many servers are measured over the link
only.  If Linux has no TUN, the servers delay each answer by 20 ms instead.

All commands of a table run in turn, A B C A B C.  The figures are the medians and quartiles of the
ratios within one turn.  CPU is user and system time of the whole process, wall time is from its
start to its end.

Needs Linux, unshare of util-linux, openssl, and the tools in Debian's packages PACKAGES, which it
installs if it runs as root.  The Python FILE must have the plugin installed; the default is
Debian's, in an environment that is made here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("monitoring-plugins-basic", "monitoring-plugins-contrib", "swaks", "smtpping"),
    *("libnet-dns-perl", "libio-socket-ssl-perl", "libnet-smtp-ssl-perl"),
    *("libemail-address-perl", "openssl"),
)
CHECK_SMTP = "/usr/lib/nagios/plugins/check_smtp"
CHECK_SMTP_SEND = "/usr/lib/nagios/plugins/check_smtp_send"
#: Seconds of the round trip.
ROUND_TRIP = 0.020
#: Networks of the servers over the link, and without it.
FAR, NEAR = "10.25", "10.24"
PLAIN, PIPELINING, STARTTLS, BOTH = "2525", "2526", "2527", "2528"
SENDER, RECIPIENT = "probe@client.example", "postmaster@bench.example"
MESSAGE = "From: <probe@client.example>\r\nSubject: Mail acceptance test\r\n\r\nProbe.\r\n."
PLUGIN = "check_exchange_mailaccept"
ZIPAPP = "zipapp"


class Usage(NamedTuple):
    """The cost of one command, or of several at once."""

    wall: float
    cpu: float
    #: MiB, of the largest process.
    memory: float


def measure(command: list[str], times: int = 1, output: str = os.devnull) -> Usage:
    """Run ``command`` several times at once, until the last one ends."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # Some environments set it; without byte code, compiling would be measured too.
        if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    }
    meter = [sys.executable, "-I", "-S", str(CHECKOUT / "benchmarks/meter.py")]
    done = subprocess.run(
        [*meter, str(times), output, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    status, wall, cpu, peak = map(float, done.stdout.split())
    if status:
        raise SystemExit(f"status {status:.0f} of {' '.join(command)}")
    return Usage(wall, cpu, peak / 1024)


Contest = dict[str, list[str]]


def in_turn(contest: Contest, turns: int) -> dict[str, list[Usage]]:
    """Run each command of ``contest`` in each of ``turns``, after one turn that does not count."""
    used: dict[str, list[Usage]] = {name: [] for name in contest}
    for turn in range(turns + 1):
        for name, command in contest.items():
            usage = measure(command)
            if turn:
                used[name].append(usage)
    return used


def ratio(ours: list[float], theirs: list[float]) -> tuple[float, str]:
    """The median of the ratios of each turn, and a text with the quartiles."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return median, f"{median:.2f} [{low:.2f}-{high:.2f}]"


class Report:
    """The tables, as Markdown."""

    def table(self, title: str, *heads: str) -> None:
        """Begin a table."""
        print(f"\n### {title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)

    def row(self, *cells: str) -> None:
        """Print a row."""
        print(f"| {' | '.join(cells)} |", flush=True)


class Bench:
    """All measurements, with the files they need."""

    def __init__(self, python: str, directory: Path, turns: int) -> None:
        self.python = python
        self.directory = directory
        self.turns = turns
        self.report = Report()
        self.sizes = (15, 100, 1000)
        #: Sink and relay.
        self.servers: list[subprocess.Popen[str]] = []
        self.network = self.far = FAR if Path("/dev/net/tun").exists() else NEAR
        #: The plugin as an installed command: what pip 26 writes for the entry point.
        self.command = directory / "command"
        self.command.write_text(
            "import sys\nfrom exchange_mailaccept.launch import main\nif __name__ == '__main__':\n"
            "    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(main())\n",
            encoding="ascii",
        )

    @property
    def host(self) -> str:
        """A mail server, and the name server, which answers over UDP from its first address."""
        return f"{self.network}.0.{2 if self.network == FAR else 1}"

    def go(self, network: str) -> None:
        """Use the servers in ``network`` from here on."""
        self.network = network
        # Mounted over the system's; in place, as the mount is of the file.
        (self.directory / "resolv.conf").write_text(f"nameserver {self.host}\n", encoding="ascii")

    def plugin(self, port: str, *arguments: str, host: Optional[str] = None) -> list[str]:
        """The plugin, with a full dialogue; no ``host`` to have a domain in ``arguments``."""
        host = self.host if host is None else host
        target = ["-H", host] if host else []
        return [
            *(self.python, str(self.command), *target, "-p", port, "-f", SENDER, "-r", RECIPIENT),
            *("-F", "client.example", "--profile", "none", *arguments),
        ]

    def check_smtp(self, port: str, *arguments: str) -> list[str]:
        """The same dialogue by check_smtp."""
        dialogue = (
            (f"MAIL FROM:<{SENDER}>", "250"),
            (f"RCPT TO:<{RECIPIENT}>", "250"),
            ("DATA", "354"),
            (MESSAGE, "250"),
        )
        said = [word for command, reply in dialogue for word in ("-C", command, "-R", reply)]
        return [CHECK_SMTP, "-H", self.host, "-p", port, "-F", "client.example", *said, *arguments]

    def swaks(self, port: str, *arguments: str) -> list[str]:
        """The same by swaks."""
        return [
            *("/usr/bin/swaks", "--to", RECIPIENT, "--from", SENDER, "--helo", "client.example"),
            *("--port", port, "--silent", "3", *arguments),
        ]

    def check_smtp_send(self, port: str, *arguments: str) -> list[str]:
        """The same by check_smtp_send."""
        return [
            *(CHECK_SMTP_SEND, "-H", self.host, "-p", port, "--mailto", RECIPIENT),
            *("--mailfrom", SENDER, "--body", "Probe.", *arguments),
        ]

    def start_servers(self) -> None:
        """Start the sink, and the relay if the servers are to be far."""
        far = self.far == FAR
        if far:
            self._start("relay.py", FAR, str(ROUND_TRIP / 2))
        self._start("sink.py", str(self.directory), str(0.0 if far else ROUND_TRIP))

    def _start(self, *command: str) -> None:
        program = str(CHECKOUT / "benchmarks" / command[0])
        server = subprocess.Popen(
            [sys.executable, program, *command[1:]], stdout=subprocess.PIPE, text=True
        )
        self.servers.append(server)
        self._heard(server)

    def _heard(self, server: subprocess.Popen[str]) -> str:
        """The next line of the server."""
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit(f"{server.args[1]} has ended")  # type: ignore[index]
        return line

    def stop_servers(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.terminate()
            server.wait()

    def truth(self) -> dict[str, float]:
        """Seconds that the replies since the last call took, by those who held them back."""
        *relays, sink = self.servers
        file = self.directory / "truth.json"
        file.unlink(missing_ok=True)
        sink.send_signal(signal.SIGUSR1)
        while not file.exists():
            time.sleep(0.01)
        held: dict[str, float] = json.loads(file.read_text(encoding="ascii"))
        for relay in relays:
            relay.send_signal(signal.SIGUSR1)
            there_and_back = 2 * float(self._heard(relay))
            held = {name: seconds + there_and_back for name, seconds in held.items()}
        return held

    def one_server(self) -> None:
        """One server in one run: plain, with TLS, and found by its domain."""
        tls = ("-S", "--verify", "--ca-file", str(self.directory / "ca.pem"))
        verified = ("--tls", "--tls-verify", "--tls-ca-path", str(self.directory / "ca.pem"))

        def plain() -> Contest:
            return {
                "": self.plugin(PLAIN),
                "PIPELINING offered": self.plugin(PIPELINING),
                "check_smtp": self.check_smtp(PLAIN),
                "swaks": self.swaks(PLAIN, "--server", self.host),
                "check_smtp_send": self.check_smtp_send(PLAIN),
            }

        self.contest("A host, plain", plain)

        def secured() -> Contest:
            return {
                "": self.plugin(STARTTLS, *tls),
                "PIPELINING offered": self.plugin(BOTH, *tls),
                "check_smtp -S (does not verify)": self.check_smtp(STARTTLS, "-S"),
                "swaks --tls-verify": self.swaks(STARTTLS, "--server", self.host, *verified),
            }

        self.contest("A host, STARTTLS with a verified certificate", secured)

        def named() -> Contest:
            return {
                "": self.plugin(PLAIN, "-d", "2.domain.example", host=""),
                "PIPELINING offered": self.plugin(PIPELINING, "-d", "2.domain.example", host=""),
                "swaks, which finds the MX itself": [
                    each.replace(RECIPIENT, "a@2.domain.example") for each in self.swaks(PLAIN)
                ],
                "smtpping, which finds the MX itself": [
                    *("/usr/bin/smtpping", "-q", "-c", "1", "-p", PLAIN),
                    "a@2.domain.example",
                ],
                "check_smtp_send, which finds the MX itself": [
                    *(CHECK_SMTP_SEND, "-p", PLAIN, "--mailto", "a@2.domain.example"),
                    *("--mailfrom", SENDER, "--body", "Probe."),
                ],
            }

        self.contest("A domain", named)

    def contest(self, title: str, contest: Callable[[], Contest]) -> None:
        """Measure, and print the ratios of the plugin and each of the others."""
        used = self.far_and_near(contest)
        median = [statistics.median(values) for values in zip(*used[""])]
        context = f"{median[0] * 1e3:.0f} ms, CPU {median[1] * 1e3:.0f} ms, {median[2]:.1f} MiB"
        heads = ("the plugin against", "wall", "CPU", "peak memory")
        self.report.table(f"{title} (the plugin: {context})", *heads)
        for name in used:
            if name:
                cells = [ratio(*pair)[1] for pair in self._pairs(used, "", name)]
                words = f"itself with {name}" if name == "PIPELINING offered" else name
                self.report.row(words, *cells)

    def far_and_near(self, contest: Callable[[], Contest]) -> dict[str, list[Usage]]:
        """What the commands use: wall time with far servers, all else with near ones."""
        self.go(NEAR)
        near = in_turn(contest(), self.turns)
        self.go(self.far)
        far = in_turn(contest(), self.turns)
        return {
            name: [Usage(a.wall, b.cpu, b.memory) for a, b in zip(far[name], near[name])]
            for name in far
        }

    def _pairs(self, used: dict[str, list[Usage]], ours: str, theirs: str) -> list[tuple]:
        return [
            ([getattr(each, what) for each in used[ours]],
             [getattr(each, what) for each in used[theirs]])
            for what in ("wall", "cpu", "memory")
        ]  # fmt: skip

    def truths(self) -> None:
        """Each stage's median against what the sink measured."""
        # Of others before: forgotten.
        self.truth()
        stages: dict[str, list[float]] = {}
        output = self.directory / "output"
        for _ in range(self.turns):
            measure(self.plugin(PLAIN), output=str(output))
            for name, value in re.findall(r"(\w+)=([0-9.]+)s", output.read_text(encoding="ascii")):
                stages.setdefault(name, []).append(float(value))
        held = self.truth()
        self.report.table("Truth", "stage", "median, ms", "truth, ms", "difference")
        for name, took in held.items():
            found = statistics.median(stages[name]) * 1e3
            self.report.row(name, f"{found:.1f}", f"{took * 1e3:.1f}", f"{found - took * 1e3:+.1f}")

    def many(self) -> None:
        """Many servers in one run: the whole plugin, and its driver alone."""
        heads = ("servers", "secured", "what", "CPU a server", "wall", "peak memory, MiB")
        self.report.table("Many servers, against as many check_smtp at the same time", *heads)
        ca_file = str(self.directory / "ca.pem")
        for number in self.sizes:
            for port, secured in ((PLAIN, ""), (STARTTLS, "STARTTLS")):
                if secured and number > 100:
                    continue
                parallel = str(min(number, 200))
                tls = (
                    ("-S", "--verify", "--ca-file", ca_file, "--tls-name", "mail.bench.example")
                    if secured
                    else ()
                )
                common = ("--parallel", parallel, *tls)
                of_domain = ("-d", f"{number}.domain.example", "--all-mx")
                host = f"{number}.host.example"
                driver = [
                    *(self.python, str(CHECKOUT / "benchmarks/driver.py")),
                    *(str(number), parallel, port, self.network, ca_file if secured else ""),
                ]
                peer = self.check_smtp(port, *(["-S"] if secured else []))
                contest = {
                    "plugin, --all-mx": self.plugin(port, *of_domain, *common, host=""),
                    "plugin, --all-addresses": self.plugin(
                        port, "--all-addresses", *common, host=host
                    ),
                    "driver": driver,
                }
                used = in_turn(contest, max(2, self.turns // 5))
                # As many at the same time as the plugin has, round after round.
                theirs = []
                for _ in used["driver"]:
                    left, parts = number, []
                    while left:
                        parts.append(measure(peer, min(left, int(parallel))))
                        left -= min(left, int(parallel))
                    wall, cpu = (sum(values) for values in list(zip(*parts))[:2])
                    theirs.append(Usage(wall, cpu, max(each.memory for each in parts)))
                for name in contest:
                    cpu, cpu_words = ratio(
                        [each.cpu for each in used[name]], [each.cpu for each in theirs]
                    )
                    wall, wall_words = ratio(
                        [each.wall for each in used[name]], [each.wall for each in theirs]
                    )
                    memory = statistics.median(each.memory for each in used[name])
                    self.report.row(
                        str(number), secured or "no", name, cpu_words, wall_words, f"{memory:.1f}"
                    )

    def deployed(self) -> None:
        """Start-up of the forms in which the plugin may be installed."""
        link = self.directory / PLUGIN
        link.symlink_to(CHECKOUT / f"{PLUGIN}.py")
        older = self.directory / "older"
        # What pip before 24 writes.
        older.write_text("import re\n" + self.command.read_text(encoding="ascii"), encoding="ascii")
        forms = {
            "": self.command,
            "a command that pip before 24 made": older,
            "the script, by a symbolic link": link,
            "one file (zipapp)": self.directory / ZIPAPP,
        }
        used = self.far_and_near(
            lambda: {
                name: [self.python, str(file), *self.plugin(PLAIN)[2:]]
                for name, file in forms.items()
            }
        )
        self.report.table("How it is installed, against the command", "form", "wall", "CPU")
        for name in used:
            if name:
                cells = [ratio(*pair)[1] for pair in self._pairs(used, name, "")[:2]]
                self.report.row(name, *cells)


def certificates(directory: Path) -> None:
    """An authority, and a server's certificate by it."""
    run = {"cwd": directory, "check": True, "capture_output": True}
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run(["openssl", "req", "-x509", "-days", "30", *key, *authority], **run)
    request = ["-subj", "/CN=mail.bench.example", "-keyout", "server.key", "-out", "server.csr"]
    subprocess.run(["openssl", "req", *key, *request], **run)
    (directory / "names").write_text(
        f"subjectAltName=DNS:mail.bench.example,IP:{FAR}.0.2,IP:{NEAR}.0.1\n"
    )
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    subprocess.run(
        [
            *("openssl", "x509", "-req", "-days", "30"),
            *("-in", "server.csr", "-out", "server.crt"),
            *signing,
        ],
        **run,
    )
    pair = (directory / "server.crt").read_text() + (directory / "server.key").read_text()
    (directory / "server.pem").write_text(pair)


def missing_peers() -> list[str]:
    """Programs and modules of Perl that are not there."""
    programs = (CHECK_SMTP, CHECK_SMTP_SEND, "/usr/bin/swaks", "/usr/bin/smtpping", "openssl")
    missing = [each for each in programs if shutil.which(each) is None]
    for module in ("Net::DNS", "Email::Address", "IO::Socket::SSL"):
        if subprocess.run(["perl", f"-M{module}", "-e", "1"], capture_output=True).returncode:
            missing.append(module)
    return missing


def install_peers() -> None:
    """From Debian's packages, as root; otherwise say what is missing."""
    if missing_peers() and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=sys.stderr,
            check=False,
        )
    if missing_peers():
        raise SystemExit(
            f"missing: {' '.join(missing_peers())} (apt-get install {' '.join(PACKAGES)})"
        )


def environment(directory: Path) -> str:
    """An environment of Debian's Python with the plugin in it, its libraries got by pip."""
    # Of a copy, for setuptools builds where it finds the source.
    source = directory / "source"
    unwanted = shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", "*.egg-info")
    shutil.copytree(CHECKOUT, source, ignore=unwanted)
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(directory / "venv")], check=True)
    python = str(directory / "venv/bin/python")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for words in (
        f"install -q {source}",
        # As pipx has it: setuptools would have Python import something at each start.
        "uninstall -q -y setuptools",
    ):
        subprocess.run(
            [python, "-m", "pip", *words.split()], check=True, env=clean, stdout=sys.stderr
        )
    return python


def zipapp(python: str, directory: Path) -> None:
    """The plugin as one file, with byte code for ``python``."""
    make = ["sh", str(CHECKOUT / "packaging/zipapp.sh"), "-o", str(directory / ZIPAPP)]
    surroundings = {**os.environ, "PYTHON": python}
    subprocess.run([*make, "--python", python], env=surroundings, stdout=sys.stderr, check=True)


def main() -> None:
    """Prepare, enter the namespaces, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--turns", type=int, default=25, help="of each table (default 25)")
    parser.add_argument("--python", help="interpreter to run the plugin with")
    parser.add_argument("--inside", metavar="DIRECTORY", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside is None:
        install_peers()
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            certificates(directory)
            python = chosen.python or environment(directory)
            zipapp(python, directory)
            # A namespace of users too, so that nobody needs to be root.
            user = [] if os.geteuid() == 0 else ["--map-root-user"]
            command = ["unshare", *user, "--mount", "--net", sys.executable, __file__]
            command += ["--turns", str(chosen.turns), "--python", python, "--inside", name]
            raise SystemExit(subprocess.run(command, check=False).returncode)
    directory = Path(chosen.inside)
    bench = Bench(chosen.python, directory, chosen.turns)
    bench.go(bench.far)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # All addresses of NEAR are this namespace's own.  Not 127/8, to which no MX may lead.
    subprocess.run(["ip", "route", "add", "local", f"{NEAR}.0.0/16", "dev", "lo"], check=True)
    subprocess.run(
        ["mount", "--bind", str(directory / "resolv.conf"), "/etc/resolv.conf"], check=True
    )
    version = subprocess.run(
        [chosen.python, "-c", "import sys; print(sys.version.split()[0])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # The rest of the release is the name of a build.
    kernel = ".".join(os.uname().release.split(".")[:2])
    machine = f"{os.cpu_count()} cores, {os.uname().machine}, Linux {kernel}"
    where = "behind a way of 20 ms" if bench.far == FAR else "that answer after 20 ms"
    print(
        f"{time.strftime('%Y-%m-%d')}, {machine}, Python {version}, {bench.turns} turns, ", end=""
    )
    print(f"servers {where}")
    bench.start_servers()
    try:
        bench.one_server()
        bench.truths()
        bench.many()
        bench.deployed()
    finally:
        bench.stop_servers()


if __name__ == "__main__":
    main()

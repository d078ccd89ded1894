"""A real Nagios 4 runs the real plugin through the shipped commands, against a server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import dns
import nagiosplugin
import pytest
from cases import (
    BY_NAME,
    CASES,
    RECIPIENT,
    Case,
    check_page,
    check_result,
    check_text,
    options_of,
    words,
)
from running import (
    CHECKOUT,
    CONTRIB,
    CRITICAL,
    GROUP,
    OK,
    UNKNOWN,
    USER,
    Nagios,
    Result,
    files_with,
    install_plugin,
    replaced,
)
from support.programs import Child, find_program, free_port, unavailable, wait_for

import exchange_mailaccept
from exchange_mailaccept.cli.table import DEFAULT_TIMEOUT
from exchange_mailaccept.plugin import WATCHDOG_DELAY

SHIPPED = CONTRIB / "nagios"
README = (SHIPPED / "README.md").read_text()
FILES = ("commands.cfg", "contacts.cfg", "services.cfg", "hosts.cfg")
SECRET = "s3cr3t of the night"


class Running(NamedTuple):
    """The engine, and what surrounds it."""

    nagios: Nagios
    notes: Path
    #: The program that sends mail, as ``$USER3$`` has it.
    sendmail: Path

    def result(self, name: str) -> Result:
        """Check one service; its result."""
        return Nagios.result(self.nagios.check(name)[name])


def service(host: str, address: str, name: str, command: str) -> str:
    """A host and its service of the shipped template; its first failure is a page."""
    # The exclamation mark separates Nagios' arguments, and a semicolon begins a comment.
    assert ";" not in command
    return f"""
define host {{
    host_name              {host}
    address                {address}
    max_check_attempts     1
    active_checks_enabled  0
    initial_state          o
    check_period           exchange-mailaccept-always
    contact_groups         exchange-oncall
}}
define service {{
    use                    exchange-mailaccept
    host_name              {host}
    service_description    {name}
    check_command          {command}
    max_check_attempts     1
    check_interval         1440
}}
"""


def arguments(case: Case, port: int) -> str:
    """The further options of a case, as a shell reads them."""
    options = options_of(case, port)
    del options["recipient"]
    return shlex.join(word for name, value in options.items() for word in words(name, value))


@pytest.fixture(scope="module")
def running(tmp_path_factory, simulate) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("nagios4")
    sendmail = directory / "sendmail"
    notes = install_plugin(directory / "plugins")
    objects = []
    for case in CASES:
        port = 9 if case.server is None else simulate(**case.server).port
        command = f"check_exchange_mailaccept!{RECIPIENT}!{arguments(case, port)}"
        if not case.address:
            # Nagios knows no host without an address; -H '' is what an empty macro becomes.
            command = f"check_nothing!{RECIPIENT}"
        objects.append(service(case.name, case.address or "127.0.0.1", "case", command))
    from simulator.poses import Credentials

    submission = simulate(
        tls="starttls", auth=("LOGIN",), credentials=Credentials("contoso\\probe", SECRET)
    )
    secret = directory / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    ini = directory / "exchange_mailaccept.ini"
    changes = {
        "port = 587": f"port = {submission.port}",
        "mailaccept-probe": "probe",
        "/etc/nagios4/exchange_mailaccept.password": secret,
        "certificate = 21,7\n": "",
    }
    ini.write_text(replaced((SHIPPED / "exchange_mailaccept.ini").read_text(), changes))
    files = []
    for name in FILES:
        shipped = (SHIPPED / name).read_text()
        files.append(directory / name)
        files[-1].write_text(shipped.replace("/etc/nagios4/exchange_mailaccept.ini", str(ini)))
    server = simulate()
    switch = directory / "port"
    switch.write_text(str(server.port))
    objects += [
        "define command {\n  command_name check_nothing\n"
        "  command_line $USER1$/check_exchange_mailaccept -H '$ARG2$' -r '$ARG1$'\n}\n",
        service("submission", "127.0.0.1", "mail submission",
                f"check_exchange_mailaccept_extra!submission!-r {RECIPIENT}"),
        service("help", "127.0.0.1", "help", "check_exchange_mailaccept!a@b.example!--help"),
        service("passive", "127.0.0.1", "passive", "check_exchange_mailaccept!a@b.example!-V"),
        service("version", "127.0.0.1", "version", "check_exchange_mailaccept!a@b.example!-V"),
        service("flaps", "127.0.0.1", "flaps",
                f"check_exchange_mailaccept!{RECIPIENT}!-p $(cat {switch})"),
    ]  # fmt: skip
    macros = {"USER1": str(directory / "plugins"), "USER3": str(sendmail)}
    nagios = Nagios(directory / "nagios", files, macros, "".join(objects))
    nagios.validate()
    nagios.start()
    yield Running(nagios, notes, sendmail)
    nagios.stop()


def test_the_examples_are_valid(tmp_path):
    """Everything that is shipped, together: ``nagios4 -v``."""
    macros = {"USER1": "/usr/lib/nagios/plugins", "USER3": "/usr/sbin/sendmail"}
    nagios = Nagios(tmp_path / "nagios", [SHIPPED / name for name in FILES], macros, "")
    said = nagios.validate()
    assert "Checked 6 services." in said
    assert "Total Errors:   0" in said


@pytest.fixture(scope="module")
def results(running) -> dict[str, Result]:
    """All cases at once."""
    names = [f"{name}!case" for name in BY_NAME]
    checked = running.nagios.check(*names)
    return {name.split("!")[0]: Nagios.result(checked[name]) for name in names}


@pytest.mark.parametrize("name", BY_NAME)
def test_result(results, name):
    # Nagios writes a colon for each semicolon.
    case = BY_NAME[name]
    check_result(case._replace(first=case.first.replace(";", "[:;]")), results[name])


@pytest.mark.parametrize("name", BY_NAME)
def test_text_is_harmless_and_small(results, name):
    check_text(BY_NAME[name], results[name].text)


def test_perfdata_file(running, results):
    path = running.nagios.directory / "perfdata"

    def written() -> dict[str, str]:
        # The last line may be half written.
        lines = [line.split("\t") for line in path.read_text().split("\n")[:-1]]
        return {host: perfdata for host, name, perfdata in lines if name == "case"}

    names = {"accepts", "thresholds"}
    perfdata = wait_for(lambda: set(written()) >= names and written(), "perfdata")
    for name in names:
        assert perfdata[name] == results[name].perfdata
        for word in perfdata[name].split(" "):
            assert re.fullmatch(r"[a-z]+=\d+(\.\d{1,4})?s?(;[\d.]*){2};0", word)
    assert re.search(r"\brcpt=0\.\d+s;0\.2;;0\b", perfdata["thresholds"])


@pytest.mark.parametrize("name", ["help", "version"])
def test_asked_for_a_text(running, name):
    """UNKNOWN, because nothing was tested."""
    result = running.result(f"{name}!{name}")
    assert result.state == UNKNOWN
    assert result.first.startswith("check_exchange_mailaccept ")


def test_secrets_by_extra_opts(running):
    """User and password are read from files, so they are not in the list of processes."""
    result = running.result("submission!mail submission")
    assert result.state == OK, result.text
    assert "auth" in result.labels
    runs = [json.loads(line) for line in running.notes.read_text().splitlines()]
    (argv,) = [run["argv"] for run in runs if any("--extra-opts" in word for word in run["argv"])]
    assert not any("probe" in word or SECRET in word for word in argv)
    assert files_with(SECRET, running.nagios.directory) == []


def test_the_page_has_the_diagnosis(running, simulate, post_office):
    """A mail is delivered at the failure and at the recovery; the failure's says what to do."""
    name, subject = "flaps!flaps", "{}: flaps on flaps: "
    post_office.put_sendmail(running.sendmail)
    assert running.result(name).state == OK
    switch = running.nagios.directory.parent / "port"
    port = switch.read_text()
    # A server that would like to add a header.
    refusal = "530 5.7.57 SMTP; Client was not authenticated\\x0aBcc: all@example.com"
    switch.write_text(str(simulate(reply={"mail": refusal}).port))
    result = running.result(name)
    assert result.state == CRITICAL

    page = post_office.wait_for_one(subject.format("PROBLEM"))
    # Every line, as they are in status.dat; but for what Nagios takes out of its macros.
    check_page(page, subject.format("PROBLEM"), re.sub("[`~$&|'\"<>]", "", result.text))
    assert page["Bcc"] is None

    switch.write_text(port)
    assert running.result(name).state == OK
    recovery = post_office.wait_for_one(subject.format("RECOVERY"))
    assert "MAILACCEPT OK - 127.0.0.1 accepted mail" in recovery["Subject"]


def install_for_everyone(directory: Path) -> None:
    """The plugin with its libraries, and Debian's Python: a checkout may be closed to others."""
    python = find_program("python3", "python3")
    for module in (exchange_mailaccept, dns, nagiosplugin):
        (source,) = module.__path__
        shutil.copytree(source, directory / module.__name__)
    shutil.copy(CHECKOUT / "check_exchange_mailaccept.py", directory)
    program = directory / "check_exchange_mailaccept"
    program.write_text(f'#!/bin/sh\nexec {python} {directory}/check_exchange_mailaccept.py "$@"\n')
    program.chmod(0o755)


def test_nrpe(open_directory, simulate):
    """The shipped line of nrpe.cfg, asked by check_nrpe: all lines and the perfdata arrive."""
    directory = open_directory
    # NRPE does not run as root.
    user, group = ("nagios", "nagios") if os.geteuid() == 0 else (USER, GROUP)
    nrpe = find_program("nrpe", "nagios-nrpe-server")
    check_nrpe = find_program("check_nrpe", "nagios-nrpe-plugin")
    server = simulate(reply={"rcpt": "550 5.1.1 User unknown"})
    install_for_everyone(directory / "plugins")
    port = free_port()
    line = (SHIPPED / "nrpe.cfg").read_text()
    assert line.count("\ncommand[") == 1
    line = line.replace("/usr/lib/nagios/plugins", str(directory / "plugins"))
    line = line.replace("-d contoso.com", f"-d contoso.com -H 127.0.0.1 -p {server.port}")
    configuration = directory / "nrpe.cfg"
    configuration.write_text(
        f"server_address=127.0.0.1\nserver_port={port}\nnrpe_user={user}\nnrpe_group={group}\n"
        "allowed_hosts=127.0.0.1\ndont_blame_nrpe=0\ncommand_timeout=60\n"
        f"pid_file={directory}/nrpe.pid\n{line}"
    )
    child = Child([nrpe, "-c", str(configuration), "-f"], directory / "out")
    try:
        child.wait_until_listening(port)
        done = subprocess.run(
            [check_nrpe, "-H", "127.0.0.1", "-p", str(port), "-t", "60", "-c",
             "check_exchange_mailaccept_contoso"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
    finally:
        child.stop()
    assert done.returncode == CRITICAL, done.stdout
    assert done.stdout.startswith(
        "MAILACCEPT CRITICAL - 127.0.0.1 refused RCPT mailaccept-probe@contoso.com: 550 5.1.1"
    )
    assert "\nNext step: " in done.stdout
    assert re.search(r"\| banner=[0-9.]+s;;;0 .*total=[0-9.]+s;;;0\s*$", done.stdout)


@pytest.fixture
def nsca(running, tmp_path) -> Iterator[Path]:
    """NSCA beside Nagios; the configuration with which to send to it."""
    program = find_program("nsca", "nsca")
    port = free_port()
    secret = "password=s3cr3t\n"
    (tmp_path / "nsca.cfg").write_text(
        f"pid_file={tmp_path}/nsca.pid\nserver_address=127.0.0.1\nserver_port={port}\n"
        f"nsca_user={USER}\nnsca_group={GROUP}\ndecryption_method=1\nmax_packet_age=30\n"
        f"command_file={running.nagios.directory}/nagios.cmd\n"
        f"alternate_dump_file={tmp_path}/dump\n{secret}"
    )
    configuration = tmp_path / "send_nsca.cfg"
    configuration.write_text(f"encryption_method=1\n{secret}")
    child = Child([program, "-c", str(tmp_path / "nsca.cfg"), "-f"], tmp_path / "out")
    child.wait_until_listening(port)
    (tmp_path / "port").write_text(str(port))
    yield configuration
    child.stop()


@pytest.mark.parametrize("name", ["accepts", "refuses", "verbose1", "verbose2-fails"])
def test_passive_result_by_nsca(running, nsca, simulate, name):
    """As the README sends it: every line is text, and all behind the bar is perfdata."""
    case = BY_NAME[name]
    server = simulate(**case.server)
    (snippet,) = re.findall(r"\n    output=\$\(.*?\n\n", README, re.DOTALL)
    plugin = f"{sys.executable} {CHECKOUT / 'check_exchange_mailaccept.py'} -H 127.0.0.1"
    noted = nsca.parent / "noted"
    snippet = replaced(
        snippet,
        {
            "/usr/lib/nagios/plugins/check_exchange_mailaccept -d contoso.com -r mailaccept-probe":
                f"{plugin} -r {RECIPIENT} {arguments(case, server.port)} | tee {noted}",
            "output=$(": "set -o pipefail; output=$(",
            "mail-domains\\tmail for contoso.com": "passive\\tpassive",
            "nagios.example.com": f"127.0.0.1 -p {(nsca.parent / 'port').read_text()}",
            "| send_nsca": f"| {find_program('send_nsca', 'nsca-client')}",
            "/etc/send_nsca.cfg": nsca,
        },
    )  # fmt: skip
    subprocess.run(["bash", "-c", snippet], check=True, timeout=60, stdin=subprocess.DEVNULL)
    text, _, perfdata = noted.read_text().rstrip("\n").partition("|")

    def arrived() -> Optional[Result]:
        result = Nagios.result(running.nagios.services()["passive!passive"])
        return result if result.first == text.splitlines()[0].replace(";", ":").rstrip() else None

    result = wait_for(arrived, "the passive result")
    assert result.state == case.state
    assert result.perfdata == perfdata.strip()
    assert sorted(result.labels) == (case.labels or "").split()
    # In the first line Nagios writes a colon for each semicolon.
    assert result.text.replace(";", ":").rstrip() == text.replace(";", ":").rstrip()


@pytest.mark.parametrize(
    ("package", "path", "setting"),
    [
        ("nagios4-common", "/etc/nagios4/nagios.cfg", "service_check_timeout"),
        ("nagios-nrpe-server", "/etc/nagios/nrpe.cfg", "command_timeout"),
    ],
)
def test_timeout_of_the_engine_is_above_the_plugin_s(package, path, setting):
    """As Debian sets it; else the engine would end it, and what it was waiting for be lost."""
    if not Path(path).exists():
        unavailable(f"{path} is not there (apt install {package})")
    (timeout,) = re.findall(rf"^{setting}=(\d+)$", Path(path).read_text(), re.MULTILINE)
    assert int(timeout) > DEFAULT_TIMEOUT + WATCHDOG_DELAY

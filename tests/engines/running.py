"""Icinga 2 and Nagios as children of the tests, with a configuration and directories of their own.

Nothing here reads or writes below /etc, /var or /run, and all that is listened on is a free port of
the loopback interface.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import grp
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import trustme
from support.programs import PATIENCE, Child, find_program, free_port, wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
CONTRIB = CHECKOUT / "contrib"
USER, GROUP = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name

OK, WARNING, CRITICAL, UNKNOWN = range(4)


class Result(NamedTuple):
    """A check's result as the engine knows it."""

    state: int
    #: All lines, perfdata removed.
    text: str
    perfdata: str

    @property
    def first(self) -> str:
        # Icinga leaves the blank that stood before the bar.
        return self.text.partition("\n")[0].rstrip()

    @property
    def labels(self) -> list[str]:
        return [word.split("=")[0] for word in shlex.split(self.perfdata)]


def validate(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Have an engine read its configuration, and nothing more; what it said."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the configuration is wrong:\n{done.stdout}{done.stderr}"
    return done.stdout


def replaced(text: str, changes: Mapping[str, object]) -> str:
    """A shipped text with what is another one here; each of it must be there."""
    for theirs, ours in changes.items():
        assert theirs in text
        text = text.replace(theirs, str(ours))
    return text


def files_with(pattern: str, *directories: Path) -> list[Path]:
    """The files below the directories in which the pattern is found.

    An engine that runs removes files meanwhile.
    """
    matching = []
    for path in (path for directory in directories for path in directory.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and re.search(pattern.encode(), path.read_bytes()):
                matching.append(path)
    return matching


def install_plugin(directory: Path) -> Path:
    """The plugin under its name as a package installs it; returns the file that notes each run.

    A line of the notes is the arguments of one run, and the secrets it was given, as JSON.
    """
    notes = directory / "runs"
    directory.mkdir(parents=True, exist_ok=True)
    note = directory / "note.py"
    note.write_text(
        "import json, os, sys\n"
        "run = {'argv': sys.argv[1:], 'secrets': {name: os.environ[name] for name in os.environ"
        " if name.startswith('CHECK_EXCHANGE_MAILACCEPT_')}}\n"
        f"with open({str(notes)!r}, 'a') as file:\n"
        "    file.write(json.dumps(run) + '\\n')\n"
        # Whatever Python has to warn of would be on stderr, which Icinga puts in front.
        f"os.execv({sys.executable!r}, [{sys.executable!r}, '-W', 'always',"
        f" {str(CHECKOUT / 'check_exchange_mailaccept.py')!r}, *sys.argv[1:]])\n"
    )
    program = directory / "check_exchange_mailaccept"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -SE {note} "$@"\n')
    program.chmod(0o755)
    notes.touch()
    return notes


class Authority:
    """Certificates for the nodes of Icinga."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def certify(self, node: str, directory: Path) -> None:
        """Put the certificate of ``node`` where Icinga looks for it."""
        directory.mkdir(parents=True)
        certificate = self._authority.issue_cert(node, common_name=node)
        certificate.private_key_pem.write_to_path(str(directory / f"{node}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(directory / f"{node}.crt"))
        self.trust(directory / "ca.crt")

    def trust(self, path: Path) -> Path:
        self._authority.cert_pem.write_to_path(str(path))
        return path


class Icinga2:
    """One node of Icinga 2."""

    #: What each node has, before its own configuration.
    PREAMBLE = """\
const PluginDir = "/usr/lib/nagios/plugins"
include <itl>
include <plugins>
object CheckerComponent "checker" { }
object NotificationComponent "notification" { }
object FileLogger "log" { severity = "information"; path = LogDir + "/icinga2.log" }
object ApiUser "test" { password = "test"; permissions = [ "*" ] }
"""
    #: Only what a test wants is checked: a check on its way would be taken for the wanted one.
    ON_DEMAND = """\
object IcingaApplication "app" { enable_service_checks = false; enable_host_checks = false }
"""
    #: A node that is alone.
    ALONE = """\
object Endpoint NodeName { }
object Zone ZoneName { endpoints = [ NodeName ] }
object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = ApiPort }
"""

    def __init__(
        self,
        directory: Path,
        configuration: Optional[str],
        authority: Authority,
        *,
        node: str = "node1",
        zone: str = "",
        port: int = 0,
        schedules: bool = False,
    ) -> None:
        self.program = find_program("icinga2", "icinga2-bin")
        self.directory = directory
        self.configuration_file = directory / "etc" / "icinga2.conf"
        self.port = port or free_port()
        for name in ("etc/zones.d", "log", "cache", "spool/perfdata", "spool/tmp", "run"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        authority.certify(node, directory / "data" / "certs")
        self._trusted = ssl.create_default_context(cafile=str(authority.trust(directory / "ca")))
        self._trusted.check_hostname = False
        if configuration is not None:  # else it is in the directory
            self.configuration_file.write_text(
                self.PREAMBLE + ("" if schedules else self.ON_DEMAND) + configuration
            )
        defines = {
            "ConfigDir": directory / "etc",
            "ZonesDir": directory / "etc" / "zones.d",
            "DataDir": directory / "data",
            "LogDir": directory / "log",
            "CacheDir": directory / "cache",
            "SpoolDir": directory / "spool",
            "InitRunDir": directory / "run",
            "NodeName": node,
            "ZoneName": zone or node,
            "PluginContribDir": directory / "plugins",
            "ApiPort": self.port,
        }
        self._defines = [
            word for name, value in defines.items() for word in ("-D", f"{name}={value}")
        ]
        self._environment = {"ICINGA2_USER": USER, "ICINGA2_GROUP": GROUP}
        self._child: Optional[Child] = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def validate(self) -> str:
        """Have Icinga read the configuration, and nothing more; what it said."""
        command = [self.program, "daemon", "-C", "-c", str(self.configuration_file)]
        return validate([*command, *self._defines], self._environment)

    def start(self) -> Icinga2:
        self.begin()
        self.wait_until_ready()
        return self

    def begin(self) -> None:
        """Start, without waiting."""
        self._child = Child(
            [self.program, "daemon", "-c", str(self.configuration_file), *self._defines],
            self.directory / "out",
            self._environment,
        )

    def wait_until_ready(self) -> None:
        assert self._child is not None
        self._child.wait_until(lambda: self.call("/v1/status/IcingaApplication"), "its API answers")

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def call(self, path: str, body: Any = None, method: str = "") -> Any:
        """Call the API.

        :raises OSError: the node does not answer
        :raises HTTPException: it stopped while it did, as when it gets its configuration
        """
        credentials = base64.b64encode(b"test:test").decode()
        headers = {"Accept": "application/json", "Authorization": f"Basic {credentials}"}
        if method:
            headers["X-HTTP-Method-Override"] = method
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, context=self._trusted, timeout=PATIENCE) as answer:
            return json.load(answer)

    def services(self, expression: str = "true", **variables: Any) -> dict[str, Any]:
        """Name to attributes of the services for which ``expression`` holds."""
        answer = self.call(
            "/v1/objects/services", {"filter": expression, "filter_vars": variables}, "GET"
        )
        return {service["name"]: service["attrs"] for service in answer["results"]}

    def check(self, expression: str, **variables: Any) -> dict[str, Any]:
        """Check services now; their attributes with the new result."""
        before = self.services(expression, **variables)
        assert before, f"no service for which {expression} holds"
        services = {"type": "Service", "filter": expression, "filter_vars": variables}
        self.call("/v1/actions/reschedule-check", {**services, "force": True})

        def results() -> Optional[dict[str, Any]]:
            after = self.services(expression, **variables)
            fresh = all(after[name]["last_check"] > before[name]["last_check"] for name in before)
            return after if fresh else None

        return dict(wait_for(results, f"results of {', '.join(before)}"))

    def run(self, script: str) -> Any:
        """Run a script in Icinga's own language."""
        done = self.call("/v1/console/execute-script", {"command": script, "session": "test"})
        (result,) = done["results"]
        assert result["code"] == 200, result
        return result["result"]

    @staticmethod
    def argument(attributes: Mapping[str, Any], flag: str) -> Optional[str]:
        """What the plugin was given at the last check as the value of an option."""
        argv = attributes["last_check_result"]["command"]
        return argv[argv.index(flag) + 1] if flag in argv else None

    @staticmethod
    def result(attributes: Mapping[str, Any]) -> Result:
        """The result in a service's attributes."""
        last = attributes["last_check_result"]
        return Result(last["state"], last["output"], " ".join(last["performance_data"]))


class Nagios:
    """Nagios Core."""

    CONFIGURATION = """\
log_file={directory}/nagios.log
{files}
object_cache_file={directory}/objects.cache
precached_object_file={directory}/objects.precache
resource_file={directory}/resource.cfg
status_file={directory}/status.dat
status_update_interval=1
nagios_user={user}
nagios_group={group}
lock_file={directory}/nagios.lock
temp_file={directory}/nagios.tmp
temp_path={directory}/tmp
check_result_path={directory}/checkresults
retain_state_information=0
command_file={directory}/nagios.cmd
check_external_commands=1
# Only what a test wants checked: the examples have hosts that are not here.
execute_service_checks=0
execute_host_checks=0
query_socket={directory}/nagios.qh
enable_environment_macros=1
enable_notifications=1
interval_length=60
check_result_reaper_frequency=1
max_check_result_reaper_time=5
service_check_timeout=60
illegal_macro_output_chars=`~$&|'"<>
process_performance_data=1
service_perfdata_file={directory}/perfdata
service_perfdata_file_mode=a
service_perfdata_file_template=$HOSTNAME$\\t$SERVICEDESC$\\t$SERVICEPERFDATA$
event_broker_options=0
"""

    def __init__(
        self, directory: Path, files: Sequence[Path], macros: Mapping[str, str], objects: str
    ) -> None:
        self.program = find_program("nagios4", "nagios4-core")
        self.directory = directory
        for name in ("tmp", "checkresults"):
            (directory / name).mkdir(parents=True)
        (directory / "objects.cfg").write_text(objects)
        (directory / "resource.cfg").write_text(
            "".join(f"${name}$={value}\n" for name, value in macros.items())
        )
        (directory / "nagios.cfg").write_text(
            self.CONFIGURATION.format(
                directory=directory,
                user=USER,
                group=GROUP,
                files="\n".join(f"cfg_file={file}" for file in (*files, directory / "objects.cfg")),
            )
        )
        self._child: Optional[Child] = None

    def validate(self) -> str:
        """``nagios4 -v``; what it said."""
        return validate([self.program, "-v", str(self.directory / "nagios.cfg")], {})

    def start(self) -> Nagios:
        self._child = Child(
            [self.program, str(self.directory / "nagios.cfg")], self.directory / "out"
        )

        self._child.wait_until(
            lambda: (self.directory / "nagios.cmd").exists() and self.services(),
            "it takes commands",
        )
        return self

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()

    def command(self, *words: str) -> None:
        """Give an external command."""
        with (self.directory / "nagios.cmd").open("w") as pipe:
            pipe.write(f"[{int(time.time())}] {';'.join(words)}\n")

    def services(self) -> dict[str, dict[str, str]]:
        """``host!service`` to the fields of status.dat."""
        text = (self.directory / "status.dat").read_text(errors="replace")
        services = {}
        for block in re.findall(r"^servicestatus \{\n(.*?)^\t\}", text, re.DOTALL | re.MULTILINE):
            lines = (line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
            fields = dict(lines)
            services[f"{fields['host_name']}!{fields['service_description']}"] = fields
        return services

    def check(self, *names: str) -> dict[str, dict[str, str]]:
        """Check services now; their fields with the new result."""
        before = self.services()
        latest = max(int(before[name]["last_check"]) for name in names)
        # last_check has a resolution of one second.
        wait_for(lambda: int(time.time()) > latest, "the next second")
        now = str(int(time.time()))
        for name in names:
            self.command("SCHEDULE_FORCED_SVC_CHECK", *name.split("!"), now)

        def results() -> Optional[dict[str, dict[str, str]]]:
            after = self.services()
            fresh = all(
                name in after and after[name]["last_check"] > before[name]["last_check"]
                for name in names
            )
            return after if fresh else None

        return dict(wait_for(results, f"results of {', '.join(names)}"))

    @staticmethod
    def result(fields: Mapping[str, str]) -> Result:
        """The result in a service's fields."""
        lines = [fields["plugin_output"], *fields["long_plugin_output"].split("\\n")]
        text = "\n".join(lines).rstrip("\n")
        return Result(int(fields["current_state"]), text, fields["performance_data"])

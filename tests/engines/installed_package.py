"""The Debian package as it is installed: found by the engines and the shells, without a copy.

Not among the tests that are collected, since it needs the package; .ci/steps.sh installs it, runs
this, and removes it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import CHECKOUT, CRITICAL, OK, Icinga2, Nagios
from support.links import dead_links
from support.programs import PATIENCE

PLUGIN = Path("/usr/lib/nagios/plugins/check_exchange_mailaccept")
COMMANDS = Path("/etc/nagios-plugins/config/exchange_mailaccept.cfg")

SERVICE = """
object Service "{name}" {{
  host_name = "exchange"
  check_command = "exchange_mailaccept"
  vars.exchange_mailaccept_port = {port}
  vars.exchange_mailaccept_recipient = "postmaster@contoso.com"
}}
"""
#: Nagios does not start without anybody to tell.
OBJECTS = """
define command {{
    command_name  nothing
    command_line  /bin/true
}}
define contact {{
    contact_name                   somebody
    host_notification_period       never
    service_notification_period    never
    host_notification_commands     nothing
    service_notification_commands  nothing
}}
define timeperiod {{
    timeperiod_name  never
    alias            never
}}
define host {{
    host_name           exchange
    address             127.0.0.1
    max_check_attempts  1
}}
define service {{
    host_name            exchange
    service_description  mail
    check_command        check_exchange_mailaccept!postmaster@contoso.com!-p {port}
    max_check_attempts   1
}}
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """As a user who owns nothing, with an empty environment."""
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i", *command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        check=False,
    )


def test_everybody_can_run_it():
    package = "monitoring-plugins-exchange-mailaccept"
    shown = run("dpkg-query", "-W", "-f", "${Version}", package).stdout
    ran = run(str(PLUGIN), "--version")
    assert (ran.returncode, ran.stderr) == (3, "")
    assert ran.stdout == f"check_exchange_mailaccept {shown.partition('-')[0]}\n"


@pytest.fixture(scope="module")
def icinga(tmp_path_factory, authority, simulate) -> Iterator[Icinga2]:
    """Icinga 2 with nothing of ours in its configuration but services."""
    directory = tmp_path_factory.mktemp("icinga2")
    (directory / "plugins").symlink_to(PLUGIN.parent)
    full = simulate(reply={"mail": "452 4.3.1 Insufficient system resources"})
    services = {"well": simulate().port, "full": full.port}
    (example,) = re.findall(r"```icinga\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    icinga = Icinga2(
        directory,
        'include <plugins-contrib>\nobject Host "exchange" { check_command = "dummy"\n'
        '  address = "127.0.0.1" }\n'
        # It is read, and never checked: there is no mail server at this address.
        'object Host "mbx01" { check_command = "dummy" }\n'
        f"{example.replace('check_command', 'enable_active_checks = false; check_command')}"
        + "".join(SERVICE.format(name=name, port=port) for name, port in services.items())
        + Icinga2.ALONE,
        authority,
    )
    yield icinga.start()
    icinga.stop()


def test_icinga_has_the_command(icinga):
    """``include <plugins-contrib>`` is all that it takes."""
    checked = icinga.check('host.name == "exchange"')
    results = {name.split("!")[1]: Icinga2.result(service) for name, service in checked.items()}
    assert results["well"].state == OK
    assert results["well"].first.startswith("MAILACCEPT OK - 127.0.0.1 accepted mail for ")
    assert results["full"].state == CRITICAL
    assert "\nMeaning: Back pressure" in results["full"].text
    for service in checked.values():
        assert service["last_check_result"]["command"][0].endswith("/plugins/" + PLUGIN.name)


def test_the_example_of_the_readme_is_a_service(icinga):
    (service,) = icinga.services('host.name == "mbx01"').values()
    assert service["check_command"] == "exchange_mailaccept"


def test_nagios_has_the_command(tmp_path, simulate):
    """Debian's Nagios reads the directory that it is in."""
    assert str(COMMANDS.parent) in Path("/etc/nagios4/nagios.cfg").read_text()
    objects = OBJECTS.format(port=simulate().port)
    nagios = Nagios(tmp_path / "nagios", [COMMANDS], {"USER1": str(PLUGIN.parent)}, objects)
    nagios.start()
    try:
        result = Nagios.result(nagios.check("exchange!mail")["exchange!mail"])
    finally:
        nagios.stop()
    assert result.state == OK
    assert result.first.startswith("MAILACCEPT OK - 127.0.0.1 accepted mail for ")


def test_every_link_in_its_documents_leads_somewhere():
    """The example commands that are installed elsewhere are not there twice."""
    documents = Path("/usr/share/doc/monitoring-plugins-exchange-mailaccept")
    assert dead_links(documents, "*.md", "docs/**/*.md", "examples/**/*.md") == []
    assert (documents / "examples" / "simulator" / "__main__.py").is_file()


def test_the_manual_is_found():
    assert (
        run("man", "-w", PLUGIN.name).stdout
        == "/usr/share/man/man1/check_exchange_mailaccept.1.gz\n"
    )


def test_zsh_finds_the_completion():
    script = "autoload -Uz compinit && compinit -D -u && print $_comps[check_exchange_mailaccept]"
    assert run("zsh", "-f", "-c", script).stdout == "_check_exchange_mailaccept\n"


def test_bash_finds_the_completion():
    """In the directory that the package bash-completion looks in."""
    script = (
        "source /usr/share/bash-completion/completions/check_exchange_mailaccept"
        " && complete -p check_exchange_mailaccept"
    )
    assert run("bash", "--norc", "-c", script).stdout == (
        "complete -F _check_exchange_mailaccept check_exchange_mailaccept\n"
    )

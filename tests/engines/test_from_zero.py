"""The READMEs to the letter, in Debian's configuration of Icinga 2 and of Nagios 4."""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from running import CHECKOUT, CONTRIB, CRITICAL, Icinga2, install_plugin, replaced
from support.programs import find_program, unavailable

DEBIAN = Path("/etc/icinga2")
NAGIOS = Path("/etc/nagios4")
NAGIOS_PLUGINS = Path("/etc/nagios-plugins/config")


def blocks(heading: str, engine: str = "icinga2") -> list[str]:
    """What is to be typed or written in the section of a README whose heading begins so."""
    readme = (CONTRIB / engine / "README.md").read_text()
    section = readme.partition(f"# {heading}")[2].partition("\n## ")[0]
    indented = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", section, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") for block in indented]


def only(heading: str, beginning: str) -> str:
    """The block of a section that begins so."""
    (block,) = [block for block in blocks(heading) if block.startswith(beginning)]
    return block


@pytest.fixture
def etc(tmp_path) -> Path:
    """Debian's configuration with ours in it."""
    if not (DEBIAN / "icinga2.conf").exists():
        unavailable("Icinga's configuration is not installed (apt install icinga2-common)")
    etc = tmp_path / "icinga2" / "etc"
    shutil.copytree(DEBIAN, etc)
    commands = only("2.", "for file in ").replace("/etc/icinga2", str(etc))
    subprocess.run(["sh", "-euc", commands], cwd=CHECKOUT, check=True, timeout=60)
    return etc


def test_nothing_of_debian_s_is_overwritten(etc):
    def is_there(compared: filecmp.dircmp[str]) -> bool:
        return not (compared.left_only or compared.diff_files or compared.funny_files) and all(
            is_there(below) for below in compared.subdirs.values()
        )

    assert is_there(filecmp.dircmp(DEBIAN, etc))


def test_a_page_at_the_end(etc, authority, simulate, post_office):
    ours = etc / "conf.d" / "exchange-mailaccept"
    # Nothing leaves this machine.
    hosts = only("3.", "object Host").replace("192.0.2.25", "127.0.0.1")
    (ours / "hosts.conf").write_text(hosts)
    (refusal,) = [
        word.partition("=")[2]
        for block in blocks("4.")
        for word in shlex.split(block)
        if word.startswith("rcpt=")
    ]
    server = simulate(reply={"rcpt": refusal})
    rehearsal = replaced(only("4.", "object Host"), {"2525": server.port})
    (ours / "rehearsal.conf").write_text(rehearsal)

    directory = etc.parent
    sendmail = directory / "sendmail"
    post_office.put_sendmail(sendmail)
    for path, changes in (
        (ours / "notifications.conf", {"/usr/sbin/sendmail": sendmail}),
        # This machine may have the package of the plugin, which brings the command.
        (etc / "icinga2.conf", {"include <plugins-contrib>": ""}),
        (etc / "constants.conf", {
            'PluginContribDir = "/usr/lib/nagios/plugins"':
                f'PluginContribDir = "{directory}/plugins"'}),
    ):  # fmt: skip
        path.write_text(replaced(path.read_text(), changes))
    (etc / "features-enabled" / "api.conf").write_text(
        'object ApiListener "api" { bind_host = "127.0.0.1"; bind_port = ApiPort }\n'
        'object ApiUser "test" { password = "test"; permissions = [ "*" ] }\n'
    )
    install_plugin(directory / "plugins")
    icinga = Icinga2(directory, None, authority)
    icinga.start()
    try:
        name = "rehearsal!mail acceptance"
        for _ in range(3):
            checked = icinga.check("service.__name == name", name=name)[name]
        page = post_office.wait_for_one("PROBLEM: mail acceptance on rehearsal: ")
    finally:
        icinga.stop()

    assert Icinga2.result(checked).state == CRITICAL
    assert page.get_content().startswith(only("4.", "MAILACCEPT") + "\n")
    assert page["To"] == "exchange-oncall@example.com"


@pytest.mark.parametrize("packaged", [False, True], ids=["by itself", "by the Debian package"])
def test_nagios_takes_the_objects(open_directory, packaged):
    """The commands of its README, up to ``nagios4 -v``; and none of Debian's files is replaced."""
    program = find_program("nagios4", "nagios4-core")
    if not (NAGIOS / "nagios.cfg").exists():
        unavailable("the configuration of Nagios is not installed (apt install nagios4-common)")
    # Nagios reads it as a user of its own, by the group of the files.
    etc = open_directory / "etc"
    subprocess.run(["cp", "-a", str(NAGIOS), str(etc)], check=True, timeout=60)
    # This machine may have the package of the plugin or not; it would have brought one file.
    plugins = open_directory / "plugins"
    shutil.copytree(NAGIOS_PLUGINS, plugins, ignore=shutil.ignore_patterns("exchange_mailaccept*"))
    if packaged:
        shutil.copy(CONTRIB / "nagios" / "commands.cfg", plugins / "exchange_mailaccept.cfg")
    for path in (path for path in etc.rglob("*") if path.is_file()):
        text = path.read_text().replace(str(NAGIOS), str(etc))
        path.write_text(text.replace(str(NAGIOS_PLUGINS), str(plugins)))
    commands = "\n".join(blocks("check_exchange_mailaccept with Nagios", "nagios"))
    for theirs, mine in ((NAGIOS, etc), (NAGIOS_PLUGINS, plugins), ("nagios4 -v", f"{program} -v")):
        commands = commands.replace(str(theirs), str(mine))
    if os.geteuid() != 0:
        commands = commands.replace(" -g nagios", "")
    steps, reload, _ = commands.rpartition(" && systemctl reload nagios4")
    assert reload

    def checked(typed: str) -> int:
        """How many services Nagios found."""
        done = subprocess.run(
            ["sh", "-euc", typed],
            cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Total Errors:   0" in done.stdout
        (number,) = re.findall(r"Checked (\d+) services\.", done.stdout)
        return int(number)

    theirs = checked(f"{program} -v {etc}/nagios.cfg")
    before = {path.name for path in (etc / "conf.d").iterdir()}
    assert checked(steps) == theirs + 6
    ours = {"contacts.cfg", "exchange-services.cfg", "exchange-hosts.cfg"}
    if not packaged:
        ours.add("commands.cfg")
    assert {path.name for path in (etc / "conf.d").iterdir()} == before | ours
    assert not before & ours
    assert (etc / "exchange_mailaccept.ini").stat().st_mode & 0o777 == 0o640

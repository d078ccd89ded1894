"""The scenarios of the simulator, each played to the plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from support.plugin import PLUGIN, Plugin, PluginRun

pytest.importorskip("aiosmtpd")
pytest.importorskip("cryptography")

from support.simulators import client_of

from exchange_mailaccept.exchange.diagnosis import ROWS
from exchange_mailaccept.exchange.profiles import PROFILES
from simulator import scenarios
from simulator.server import Simulator

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple(scenarios.scenarios())
FAILING = tuple(name for name in NAMES if scenarios.find(name).stage)
#: What the first line says of the scenarios in which mail is taken, if it says anything.
REMARKS = {
    "slow": "MAILACCEPT WARNING - total took ",
    "late-greeting": "MAILACCEPT WARNING - banner took ",
    "pix": "EHLO was refused and HELO accepted, as a Cisco PIX",
    "pix-old": "EHLO was refused and HELO accepted",
    "size-small": "127.0.0.1 takes no message above 409600 bytes; 127.0.0.1 accepted",
    "asa": "a Cisco firewall (inspect esmtp) masks STARTTLS, X-ANONYMOUSTLS, X-EXPS, CHUNKING, ",
    "asa-2003": "does not offer X-LINK2STATE, XEXCH50: a Cisco firewall",
    "ehlo-refused": "EHLO was refused and HELO accepted",
    "virus-scanner": "a mail proxy or virus scanner (InterScan)",
    "gateway": "show an Exchange server; Postfix answers",
    "iis": "this is the plain SMTP service of IIS",
    "some-recipients-refused": "1 of 2 recipients refused: new.user@contoso.com: 550 5.4.1 Recip",
    "own-senders-refused": "only senders of the own domain are refused: Direct Send; 127.0.0.1 acc",
    "bounces-refused": "only the null sender is refused: bounces are lost; 127.0.0.1 accepted mail",
    "one-node-fails": "2 of 6 connections to 127.0.0.1 failed; nodes seen: mbx01 2, mbx02 2; ",
    "open-relay": "127.0.0.1 accepts mail for somebody@adatum.com from this host; 127.0.0.1 acc",
    "relay-untested": "could not test that 127.0.0.1 refuses somebody@adatum.com: 451 4.7.0 Temp",
    "dane-mismatch": "MAILACCEPT CRITICAL - senders that enforce DANE defer: the certificate of ma",
    "mta-sts-malformed": "MTA-STS is not in effect: senders ignore the TXT record at _mta-sts.cont",
    "accepts-unknown-recipient": "127.0.0.1 accepts an unknown recipient, nobody@contoso.com; ",
}
#: Those whose state is CRITICAL; it is WARNING for all others of which something is said.
CRITICAL = {
    *("open-relay", "some-recipients-refused", "own-senders-refused", "bounces-refused"),
    "dane-mismatch",
}


def play(plugin: Plugin, name: str) -> PluginRun:
    """Run the plugin against a scenario, in a hurry where that changes nothing."""
    scenario = scenarios.find(name)
    timeout = "1" if "-t" in scenario.options else "20"
    with Simulator(scenario=name, hurry=5 if "-w" in scenario.options else 50) as simulator:
        return plugin(
            *(*simulator.target, "-p", str(simulator.port), "-r", "probe@contoso.com"),
            *(*scenario.options, "-t", timeout),
            CHECK_EXCHANGE_MAILACCEPT_PASSWORD="secret",
        )


def test_every_row_that_can_be_met_is_a_scenario():
    """Only what happens before there is a server, or on the client, cannot be played."""
    left_out = {
        row.key
        for row in ROWS
        if {stage.value for stage in row.stages} & {"mx", "connect"}
        or (row.causes and scenarios.UNPLAYED.issuperset(row.causes))
    }
    assert {row.key for row in ROWS} - {*NAMES} == left_out
    assert {f"profile-{name}" for name in PROFILES} <= {*NAMES}
    for row in ROWS:
        assert row.stage in row.stages or not row.stages, row.key


def test_names_are_short_words_with_hyphens_between_them():
    """No name in the scenarios' own table has lost its row."""
    pattern = r"(?=.{1,28}$)[a-z0-9]+(-[a-z0-9]+)*"
    assert [name for name in NAMES if not re.fullmatch(pattern, name)] == []
    assert {*scenarios._OWN_WAY} <= {row.key for row in ROWS}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_scenario(plugin, name):
    """The plugin fails at the scenario's stage, quotes the reply and knows what it means."""
    scenario, ended = scenarios.find(name), play(plugin, name)
    first = ended.stdout.split("\n")[0]
    assert ended.exit_code in (1, 2), ended.stdout + ended.stderr
    assert first.startswith("MAILACCEPT ")
    # A refusal that follows lines with another code is the last line.
    reply = scenario.reply.get(scenario.stage, "").rpartition("\n")[2]
    # The plugin cuts a long quotation, and writes a backslash as a slash.
    assert reply.replace("\\", "/")[:150] in first
    verdict = "refused|deferred|broken|timeout|missing"
    failed = re.findall(rf"^  (\w+) +[\d.]+s  (?:{verdict})\b", ended.stdout, re.MULTILINE)
    # After a 421 there is nobody to take leave of.
    assert [stage for stage in failed if stage != "quit"] == [scenario.stage]
    for row in ROWS:
        if row.key == name:
            (meaning,) = re.findall(r"^Meaning: (.*)$", ended.stdout, re.MULTILINE)
            assert row.cause[1:] in meaning
            assert meaning.endswith(f" [{row.kind.value}]")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILING])
def test_a_scenario_in_which_mail_is_taken(plugin, name):
    ended = play(plugin, name)
    first = ended.stdout.split("\n")[0]
    server = "mail1.contoso.com" if scenarios.find(name).published else "127.0.0.1"
    assert f"{server} accepted mail for probe@contoso.com" in first
    assert REMARKS.get(name, "MAILACCEPT OK - 127.0.0.1 accepted") in first
    state = 2 if name in CRITICAL else 1 if name in REMARKS else 0
    assert ended.exit_code == state


def test_a_balancer_is_noted(plugin):
    """Its fault is no fault, and seen with the scenario's own -v only."""
    note = "\nNote: the banner names mbx01.contoso.com and the EHLO"
    assert note in play(plugin, "balancer").stdout


def test_options_go_before_the_scenario():
    """What is given on the command line replaces what the scenario says, stage by stage."""
    given = {"reply": {"rcpt": "250 fine"}, "delay": {"rcpt": 0.01}, "name": "ex.example"}
    assert Simulator(scenario="tarpit", hurry=100).behaviour.delay == {"rcpt": 0.05}
    with client_of(scenario="tarpit", hurry=100, pose="2010", **given) as client:
        behaviour = client.simulator.behaviour
        assert behaviour.delay == {"rcpt": 0.01}
        assert client.at("rcpt") == "250 fine"
        assert behaviour.name == "ex.example"
        assert behaviour.offers("XSHADOW")


def test_the_pose_of_a_scenario_stays():
    with client_of(scenario="virus-scanner", pose="2016") as client:
        assert [line[4:] for line in client.at("ehlo").split("\n")[1:]] == [
            "8BITMIME", "SIZE 10485760"
        ]  # fmt: skip


# The command line.


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_list_of_scenarios():
    """Each name is there once, below the heading of its group, on two screens at most."""
    ended = run("--list-scenarios")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    names = [name for line in lines if line.startswith("  ") for name in line.split()]
    assert sorted(names) == sorted(NAMES)
    assert "Failures: tls" in lines
    assert len(lines) <= 66


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("tls-certificate", "certificate"),
        ("tarpit-logon", "535 5.7.3 Authentication unsuccessful"),
        ("silent-at-message", "the message"),
        ("mx-lost", "contoso.com has no MX record (expected: mail1.contoso.com)"),
    ],
)
def test_the_plugin_gets_the_options_of_the_scenario(name, seen):
    """What demo.sh runs: without these options all is well, or it takes a minute."""
    plugin = (sys.executable, str(PLUGIN), "{target}", "-p", "{port}")
    ended = run("--scenario", name, "--hurry", "50", "--run", *plugin, "-r", "a@b.cc", "{options}")
    first = ended.stdout.split("\n")[0]
    assert first.startswith("MAILACCEPT CRITICAL - ")
    assert seen in first


def test_readme_names_every_option():
    """The table in the README has each option of the program, and no other."""
    text = (ROOT / "simulator" / "README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    usage = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", run("--help").stdout, re.MULTILINE))
    assert table == usage - {"--help"}
    assert {*re.findall(r"`--scenario ([a-z0-9-]+)`", text)} <= {*NAMES}


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("contoso.com", "MX", "NOERROR 10 mail1.contoso.com."),
        ("MAIL1.contoso.com", "A", "NOERROR 127.0.0.1"),
        ("mail1.contoso.com", "AAAA", "NOERROR"),
        ("mail2.contoso.com", "A", "NXDOMAIN"),
    ],
)
def test_the_name_server_answers(name, rdtype, expected):
    with Simulator(scenario="dane-mismatch") as simulator:
        host, port = simulator.target[-1].split(":")
        query = dns.message.make_query(name, rdtype)
        response = dns.query.udp(query, host, port=int(port), timeout=30)
    records = [str(record) for answer in response.answer for record in answer]
    assert " ".join([dns.rcode.to_text(response.rcode()), *records]) == expected

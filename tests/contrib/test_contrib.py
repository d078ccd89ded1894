"""What is shipped for Nagios and Icinga, and the READMEs, know every option and no other.

Needs none of the engines; that they understand it all is tested in ``tests/engines``.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.parsing import parse

from exchange_mailaccept import plugin
from exchange_mailaccept.cli.help import help_text
from exchange_mailaccept.cli.table import (
    DEFAULT_TIMEOUT,
    MAILBOX_PASSWORD_VARIABLE,
    MAILBOX_TOKEN_VARIABLE,
    OPTIONS,
    PASSWORD_VARIABLE,
    TOKEN_VARIABLE,
    Option,
)

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
COMMAND = (CONTRIB / "icinga2" / "exchange_mailaccept.conf").read_text(encoding="utf-8")
BASKET = json.loads((CONTRIB / "icinga2" / "director-basket.json").read_text(encoding="utf-8"))
MAN_PAGE = (CONTRIB.parent / "packaging/man/check_exchange_mailaccept.1").read_text(
    encoding="utf-8"
)
READMES = {name: (CONTRIB / name / "README.md").read_text(encoding="utf-8") for name in
           ("icinga2", "nagios")}  # fmt: skip

#: They test nothing, so that a service has no use for them.
NOT_FOR_SERVICES = {"help", "version"}
FOR_SERVICES = [option for option in OPTIONS if option.name not in NOT_FOR_SERVICES]
BY_NAME = pytest.mark.parametrize("option", FOR_SERVICES, ids=lambda option: option.name)


def flags(option: Option) -> set[str]:
    """The keys of an option in a command's arguments."""
    return {"-v", "-vv", "-vvv"} if option.name == "verbose" else {f"--{option.name}"}


def variable(option: Option) -> str:
    """The custom variable of an option."""
    return f"exchange_mailaccept_{option.name.replace('-', '_')}"


def entries() -> dict[str, str]:
    """Key to text of each argument of the CheckCommand."""
    return dict(
        re.findall(r'^\t\t"(-[^"]+)" = \{\n(.*?)^\t\t\}$', COMMAND, re.DOTALL | re.MULTILINE)
    )


def test_every_option_is_everywhere():
    """What ``--help`` lists is in each place that repeats the options, and nothing else is."""
    listed = re.findall(r"^  (?:-\w, )?--([\w-]+)", help_text(), re.MULTILINE)
    command = BASKET["Command"]["exchange_mailaccept"]
    places = {
        "CheckCommand": [name_of(flag) for flag in entries()],
        "custom variables of the CheckCommand": [
            name.replace("_", "-")
            for text in entries().values()
            for name in re.findall(r"\$exchange_mailaccept_(\w+)\$", text)
        ],
        "command of the basket": [name_of(flag) for flag in command["arguments"]],
        "fields of the basket": [
            field["varname"].replace("exchange_mailaccept_", "").replace("_", "-")
            for field in BASKET["Datafield"].values()
        ],
        "Icinga's README": [name for row in rows("icinga2") for name in long_names(row[2])],
        "custom variables of Icinga's README": [
            row[0].strip("`").replace("exchange_mailaccept_", "").replace("_", "-")
            for row in rows("icinga2")
            if "`--" in row[2] or "`-" in row[2]
        ],
        "Nagios' README": [name for row in rows("nagios") for name in long_names(row[0])],
        "man page": long_names(
            MAN_PAGE.replace("\\-", "-").partition("\n.SH OPTIONS\n")[2].partition("\n.SH ")[0]
        ),
    }
    expected = set(listed) - NOT_FOR_SERVICES
    assert len(expected) == len(OPTIONS) - len(NOT_FOR_SERVICES)
    named = {place: set(names) - NOT_FOR_SERVICES for place, names in places.items()}
    assert named == dict.fromkeys(places, expected)
    assert set(listed) <= set(places["man page"])


def name_of(flag: str) -> str:
    """The long name of an argument of the command."""
    return "verbose" if set(flag) == {"-", "v"} else flag.lstrip("-")


def long_names(cell: str) -> list[str]:
    """The options in a cell of a table."""
    return re.findall(r"--([\w-]+)", cell)


@BY_NAME
def test_argument_of_the_command(option):
    """Spelled so that the plugin gets what the custom variable says."""
    for flag in flags(option):
        text = entries()[flag]
        assert f"${variable(option)}$" in text
        assert "description = " in text
        if option.metavar:
            assert "\t\t\tvalue = " in text
            assert ("repeat_key = true" in text) == option.repeatable
        else:
            assert "set_if = " in text
            assert "value = " not in text
        assert "skip_key" not in text


def test_secrets_are_in_the_environment_only():
    (environment,) = re.findall(r"^\tenv = \{\n(.*?)^\t\}$", COMMAND, re.DOTALL | re.MULTILINE)
    assert dict(re.findall(r'(\w+) = "\$(\w+)\$"', environment)) == {
        PASSWORD_VARIABLE: "exchange_mailaccept_password",
        TOKEN_VARIABLE: "exchange_mailaccept_token",
        MAILBOX_PASSWORD_VARIABLE: "exchange_mailaccept_mailbox_password",
        MAILBOX_TOKEN_VARIABLE: "exchange_mailaccept_mailbox_token",
    }
    for name in ("password", "token", "mailbox_password", "mailbox_token"):
        secret = f"$exchange_mailaccept_{name}$"
        assert COMMAND.count(secret) == 1
        assert secret not in json.dumps(BASKET)


def test_address_is_chosen_as_the_template_library_does():
    assert 'import "ipv4-or-ipv6"' in COMMAND
    assert "$check_address$" in COMMAND
    assert 'vars.check_ipv4 = "$exchange_mailaccept_ipv4$"' in COMMAND
    assert 'vars.check_ipv6 = "$exchange_mailaccept_ipv6$"' in COMMAND


def test_timeouts_of_the_engines_are_above_the_plugin_s():
    """The plugin's own, and the alarm behind it that ends what should have ended."""
    latest = DEFAULT_TIMEOUT + plugin.WATCHDOG_DELAY
    (timeout,) = re.findall(r"^\ttimeout = (\d+)s$", COMMAND, re.MULTILINE)
    assert int(timeout) > latest
    assert BASKET["Command"]["exchange_mailaccept"]["timeout"] > latest
    assert "check_nrpe -H '$HOSTADDRESS$' -t 60 " in (CONTRIB / "nagios/commands.cfg").read_text()


def test_fields_of_the_basket():
    command = BASKET["Command"]["exchange_mailaccept"]
    fields = {field["varname"]: field["datatype"].rpartition("DataType")[2]
              for field in BASKET["Datafield"].values()}  # fmt: skip
    assert fields == {variable(option): datatype(option) for option in FOR_SERVICES}
    assert {str(field["datafield_id"]) for field in command["fields"]} == set(BASKET["Datafield"])


def datatype(option: Option) -> str:
    if option.name != "verbose" and not option.metavar:
        return "Boolean"
    return "Array" if option.metavar and option.repeatable else "String"


def test_basket_can_be_imported_by_old_and_new_versions():
    """No uuid, at which Director 1.10 dies, and no import of what may not be there."""
    assert "uuid" not in json.dumps(BASKET)
    for kind in ("Command", "ServiceTemplate"):
        for entry in BASKET[kind].values():
            assert entry["imports"] == []
    (template,) = BASKET["ServiceTemplate"].values()
    assert template["check_command"] in BASKET["Command"]


def rows(readme: str) -> list[list[str]]:
    """The cells of the table of options."""
    (table,) = re.findall(
        r"<!-- options -->\n(.*?)<!-- end of options -->", READMES[readme], re.DOTALL
    )
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_ini_file_of_nagios_is_understood(tmp_path):
    """Each line of it is an option, and it has no secret."""
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t\n", encoding="utf-8")
    secret.chmod(0o600)
    text = (CONTRIB / "nagios" / "exchange_mailaccept.ini").read_text(encoding="utf-8")
    ini = tmp_path / "ini"
    ini.write_text(re.sub(r"(password-file = ).*", rf"\g<1>{secret}", text), encoding="utf-8")
    submission, mailbox = (
        parse(["-H", "mbx01", "-r", "a@contoso.com", f"--extra-opts={section}@{ini}"])
        for section in ("submission", "mailbox")
    )
    assert submission.target.port == 587
    assert submission.probe.credentials[1:3] == (r"contoso\mailaccept-probe", "s3cr3t")
    assert (mailbox.mailbox.user, mailbox.mailbox.password, mailbox.mailbox.folders) == (
        "mailaccept-probe@contoso.com",
        "s3cr3t",
        ("INBOX", "Junk Email"),
    )


@pytest.mark.parametrize(
    "line",
    re.findall(r"^\s+check_command\s+(\S.*)$", (CONTRIB / "nagios/services.cfg").read_text(), re.M),
)
def test_arguments_of_nagios_services_are_understood(line):
    name, *arguments = line.split("!")
    commands = (CONTRIB / "nagios/commands.cfg").read_text()
    (template,) = re.findall(rf"command_name  {name}\n\s+command_line  (.*)\n", commands)
    for number in (1, 2, 3):
        given = arguments[number - 1] if number <= len(arguments) else ""
        template = template.replace(f"$ARG{number}$", given)
    template = template.replace("$HOSTADDRESS$", "192.0.2.1")
    words = [word.strip("'") for word in template.split()[1:]]
    # The file is not there; what is in it is tested above.
    assert parse([word for word in words if not word.startswith("--extra-opts")])


def test_line_for_nrpe_is_understood():
    (line,) = re.findall(r"^command\[\w+\]=(.*)$", (CONTRIB / "nagios/nrpe.cfg").read_text(), re.M)
    assert parse(line.split()[1:]).target.domain == "contoso.com"


def test_mail_script_says_nothing_to_the_shell(tmp_path):
    """What the server said is text in the mail, and cannot become a header or a command."""
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat >{tmp_path}/mail\n", encoding="utf-8")
    sendmail.chmod(0o755)
    output = "MAILACCEPT CRITICAL - $(id) `id` %s \\n\rBcc: all@example.com\nNext step: think"
    environment = {
        "PATH": "/usr/bin:/bin", "NOTIFICATION_TYPE": "PROBLEM", "HOST_NAME": "B\u00fcro",
        "SERVICE_NAME": "mail\nBcc: all@example.com", "SERVICE_STATE": "CRITICAL",
        "SERVICE_OUTPUT": output, "LONG_DATE_TIME": "now", "MAIL_TO": "oncall@example.com",
        "MAIL_FROM": "icinga@example.com", "EXCHANGE_MAILACCEPT_SENDMAIL": str(sendmail),
    }  # fmt: skip
    script = CONTRIB / "icinga2" / "scripts" / "exchange-mailaccept-mail.sh"
    subprocess.run([str(script)], env=environment, check=True, timeout=30)
    head, _, body = (tmp_path / "mail").read_bytes().decode().partition("\n\n")
    assert re.findall(r"^[^:\n]+", head, re.MULTILINE) == [
        "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert head.isascii()
    assert "\nHost:    B\u00fcro\n" in body
    assert "$(id) `id` %s \\n Bcc: all@example.com\n" in head
    assert body.startswith(output)


def test_dashboard_is_json_and_asks_for_the_plugin_s_metrics():
    dashboard = json.loads((CONTRIB / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
    stages = dashboard["panels"][0]["targets"][0]["query"]
    assert "(mx|connect|banner|ehlo|starttls|auth|mail|rcpt|data|message)" in stages
    assert "id" not in dashboard


def test_conformance_names_tests():
    tests = Path(__file__).resolve().parents[1]
    text = (tests.parent / "docs" / "conformance.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z0-9_/]+)\.(test_[a-z0-9_]+)`", text)
    assert len(named) > 40
    missing = [
        f"{module}.{name}"
        for module, name in named
        if not any(
            f"\ndef {name}(" in path.read_text(encoding="utf-8")
            for path in tests.rglob(f"{module}.py")
        )
    ]
    assert missing == []

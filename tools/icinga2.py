"""The files in contrib that repeat the plugin's options, made from its table of options.

They are the CheckCommand and the Director basket of Icinga, and the tables of options in the
READMEs of contrib/icinga2 and contrib/nagios.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Union

from exchange_mailaccept.cli.table import (
    DEFAULT_TIMEOUT,
    MAILBOX_PASSWORD_VARIABLE,
    MAILBOX_TOKEN_VARIABLE,
    OPTIONS,
    PASSWORD_VARIABLE,
    TOKEN_VARIABLE,
    Option,
)

ICINGA2 = Path(__file__).resolve().parent.parent / "contrib" / "icinga2"
NAGIOS = ICINGA2.parent / "nagios"

NAME = "exchange_mailaccept"
PROGRAM = f"check_{NAME}"
#: These options test nothing, so a service does not need them.
NOT_FOR_SERVICES = ("version", "help")
#: Environment variable of each secret, and the custom variable that it comes from.
SECRETS = {
    PASSWORD_VARIABLE: f"{NAME}_password",
    TOKEN_VARIABLE: f"{NAME}_token",
    MAILBOX_PASSWORD_VARIABLE: f"{NAME}_mailbox_password",
    MAILBOX_TOKEN_VARIABLE: f"{NAME}_mailbox_token",
}
#: Seconds after which Icinga kills the plugin, which should end earlier by itself.  The
#: check_timeout of a service takes precedence.
COMMAND_TIMEOUT = 300

#: Type of a custom variable as the tables name it, and Director's class for its field.
KINDS = {"text": "String", "list": "Array", "true or false": "Boolean", "0 to 3": "String"}

#: The host's address is tested only if there is no domain.  Without bool() Icinga would take the
#: name for a number, and fail.
HOSTNAME_WANTED = f'bool(macro("${NAME}_hostname$")) || !macro("${NAME}_domain$")'
HOSTNAME = f"""\
var hostname = macro("${NAME}_hostname$")
if (hostname) {{
	return hostname
}}
return macro("$check_address$")"""
#: The same without the template "ipv4-or-ipv6", which Director may not have.
HOSTNAME_IN_DIRECTOR = f"""\
var hostname = macro("${NAME}_hostname$")
if (hostname) {{
	return hostname
}}
var address = macro("$address$")
var address6 = macro("$address6$")
if (address6 && (macro("${NAME}_ipv6$") || !address)) {{
	return address6
}}
return address"""

#: Icinga kills a late plugin and shows UNKNOWN, so the plugin must end earlier, whatever was set.
#: The plugin refuses what is not a number.
TIMEOUT = f"""\
var checked = "host"
if (macro("$service.name$")) {{
	checked = "service"
}}
var limit = macro("$" + checked + ".check_timeout$") || macro("$command.timeout$")
var latest = number(limit) * 5 / 6
var timeout = macro("${NAME}_timeout$") || {DEFAULT_TIMEOUT:g}
if (regex("^[0-9]+[.]?[0-9]*$", string(timeout)) && number(timeout) > latest) {{
	return latest
}}
return timeout"""


#: How many check intervals old the newest probe that arrived may be, if no range says it.
INTERVALS = {"warning": 3, "critical": 6}


def limits(option: str) -> str:
    """The ranges of ``option``, with one for the probe's mailbox, which the interval decides."""
    (other,) = INTERVALS.keys() - {option}
    return f"""\
var ranges = macro("${NAME}_{option}$") || []
var others = macro("${NAME}_{other}$") || []
if (typeof(ranges) != Array) {{
	ranges = [ ranges ]
}}
if (typeof(others) != Array) {{
	others = [ others ]
}}
if (!macro("${NAME}_delivered$")) {{
	return ranges
}}
for (range in ranges + others) {{
	if (match("delivered=*", range)) {{
		return ranges
	}}
}}
var checked = "host"
if (macro("$service.name$")) {{
	checked = "service"
}}
var interval = number(macro("$" + checked + ".check_interval$"))
return ranges + [ "delivered=" + string(interval * {INTERVALS[option]}) ]"""


class Expression(str):
    """Text in Icinga's language, in place of a value."""


def custom_variable(option: Option) -> str:
    """The name of an option's custom variable."""
    return f"{NAME}_{option.name.replace('-', '_')}"


def kind(option: Option) -> str:
    """The type of an option's custom variable: a key of ``KINDS``."""
    if option.name == "verbose":
        return "0 to 3"
    if not option.metavar:
        return "true or false"
    return "list" if option.repeatable else "text"


def options() -> list[Option]:
    """The options a service can have."""
    return [option for option in OPTIONS if option.name not in NOT_FOR_SERVICES]


def argument(option: Option, hostname: str) -> dict[str, dict[str, Any]]:
    """The entries of an option in the command's arguments."""
    flag, macro = option.flags[-1], f"${custom_variable(option)}$"
    description = option.meaning
    if option.name == "verbose":
        return {
            f"-{'v' * level}": {
                "set_if": Expression(f'string(macro("{macro}")) == "{level}"'),
                "description": description,
            }
            for level in (1, 2, 3)
        }
    if option.name == "hostname":
        return {
            flag: {
                "value": Expression(hostname),
                "set_if": Expression(HOSTNAME_WANTED),
                "description": f"{description} (default: the host's address, if no domain is set)",
            }
        }
    if option.name == "timeout":
        return {flag: {"value": Expression(TIMEOUT), "description": description}}
    if option.name in INTERVALS:
        value = Expression(limits(option.name))
        return {flag: {"value": value, "repeat_key": True, "description": description}}
    if not option.metavar:
        return {flag: {"set_if": macro, "description": description}}
    repeated = {"repeat_key": True} if option.repeatable else {}
    return {flag: {"value": macro, **repeated, "description": description}}


def arguments(hostname: str) -> dict[str, dict[str, Any]]:
    """The arguments of the command."""
    entries: dict[str, dict[str, Any]] = {}
    for option in options():
        entries.update(argument(option, hostname))
    return entries


def literal(value: Union[str, bool]) -> str:
    """A value in Icinga's language."""
    if isinstance(value, Expression):
        if "\n" not in value:
            return f"{{{{ {value} }}}}"
        body = "".join(f"\t\t\t\t{line}\n" for line in value.splitlines())
        return f"{{{{\n{body}\t\t\t}}}}"
    if isinstance(value, bool):
        return str(value).lower()
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def command() -> str:
    """The CheckCommand."""
    lines = [
        "/* Does an Exchange server accept mail?  CheckCommand for check_exchange_mailaccept.",
        " *",
        f" * Every option of the plugin is a custom variable, {NAME}_ and its long name with _",
        " * for -.  README.md beside this file has the table of them.",
        " *",
        " * Generated from the plugin's options by tools/icinga2.py; do not edit. */",
        "",
        f'object CheckCommand "{NAME}" {{',
        '\timport "ipv4-or-ipv6"',
        "",
        f'\tcommand = [ PluginContribDir + "/{PROGRAM}" ]',
        "",
        f"\t/* The plugin ends by itself, and says what it was waiting for: after {NAME}_timeout,",
        "\t * and at the latest after five sixths of this, or of the service's check_timeout. */",
        f"\ttimeout = {COMMAND_TIMEOUT}s",
        "",
        "\targuments = {",
    ]
    for flag, entry in arguments(HOSTNAME).items():
        lines.append(f'\t\t"{flag}" = {{')
        lines += [f"\t\t\t{name} = {literal(value)}" for name, value in entry.items()]
        lines.append("\t\t}")
    lines += [
        "\t}",
        "",
        "\t/* Secrets: arguments can be read by every user of the machine, and are in the API. */",
        "\tenv = {",
        *(f'\t\t{name} = "${variable}$"' for name, variable in SECRETS.items()),
        "\t}",
        "",
        f'\tvars.check_ipv4 = "${NAME}_ipv4$"',
        f'\tvars.check_ipv6 = "${NAME}_ipv6$"',
        *(
            f"\tvars.{custom_variable(option)} = false"
            for option in options()
            if kind(option) == "true or false"
        ),
        "}",
        "",
    ]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, Expression):
        return {"type": "Function", "body": str(value)}
    return value


def _director_argument(entry: dict[str, Any]) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in entry.items() if name != "set_if"}
    if "set_if" in entry:
        plain["set_if"] = str(entry["set_if"])
        plain["set_if_format"] = (
            "expression" if isinstance(entry["set_if"], Expression) else "string"
        )
    return plain


def basket() -> str:
    """The basket for Director: command, a service template, and a field for each variable.

    Without any uuid: Director 1.10 of Debian 12 stops at the uuid of a command, and adds fields
    that have one again at every import.  Nothing in it imports what Director may not have.  And
    without the secrets: Director's commands have no environment, so that they would be arguments.
    """
    fields = {}
    described = [
        (custom_variable(option), option.name, kind(option), option.meaning) for option in options()
    ]
    for number, (variable, caption, what, meaning) in enumerate(described, 1):
        text = what not in ("true or false", "list")
        fields[str(number)] = {
            "varname": variable,
            "caption": f"Exchange mail acceptance: {caption}",
            "description": meaning,
            "datatype": r"Icinga\Module\Director\DataType\DataType" + KINDS[what],
            "format": None,
            "settings": {"visibility": "visible"} if text else {},
        }
    template = f"tpl-service-{NAME.replace('_', '-')}"
    contents = {
        "Command": {
            NAME: {
                "object_name": NAME,
                "object_type": "object",
                "methods_execute": "PluginCheck",
                # In PluginDir, wherever that is.
                "command": PROGRAM,
                "timeout": COMMAND_TIMEOUT,
                "disabled": False,
                "is_string": None,
                "imports": [],
                "zone": None,
                "arguments": {
                    flag: _director_argument(entry)
                    for flag, entry in arguments(HOSTNAME_IN_DIRECTOR).items()
                },
                "fields": [
                    {"datafield_id": int(number), "is_required": "n", "var_filter": None}
                    for number in fields
                ],
                "vars": {},
            }
        },
        "ServiceTemplate": {
            template: {
                "object_name": template,
                "object_type": "template",
                "check_command": NAME,
                "check_interval": 300,
                "retry_interval": 60,
                "max_check_attempts": 3,
                "enable_perfdata": True,
                "imports": [],
                "fields": [],
                "vars": {},
            }
        },
        "Datafield": fields,
    }
    return json.dumps(contents, indent=4) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def icinga_table() -> str:
    """The table of options in Icinga's README."""
    rows = ["| custom variable | value | option | meaning |", "|---|---|---|---|"]
    for option in options():
        flags, meaning = ", ".join(option.flags), _cell(option.meaning)
        rows.append(f"| `{custom_variable(option)}` | {kind(option)} | `{flags}` | {meaning} |")
    rows += [
        f"| `{variable}` | text | none: environment, `{name}` | the secret itself |"
        for name, variable in SECRETS.items()
    ]
    return "\n".join(rows)


def nagios_table() -> str:
    """The table of options in Nagios' README."""
    rows = ["| option | in the ini file | meaning |", "|---|---|---|"]
    for option in options():
        flags = ", ".join(option.flags)
        key = f"{option.name} = {option.metavar}" if option.metavar else option.name
        line = f"`{_cell(key)}`" if option.name != "extra-opts" else "-"
        if option.name == "verbose":
            line = "`verbose`, a line for each `v`"
        rows.append(f"| `{flags}` | {line} | {_cell(option.meaning)} |")
    return "\n".join(rows)


def with_table(readme: Path, table: str) -> str:
    """The text of ``readme`` with ``table`` between its two marks."""
    text = readme.read_text(encoding="utf-8")
    between = r"(?<=<!-- options -->\n).*?(?=\n<!-- end of options -->)"
    return re.sub(between, lambda _: f"\n{table}\n", text, flags=re.DOTALL)


def generated() -> dict[Path, str]:
    """Every generated file, with its contents."""
    return {
        ICINGA2 / f"{NAME}.conf": command(),
        ICINGA2 / "director-basket.json": basket(),
        ICINGA2 / "README.md": with_table(ICINGA2 / "README.md", icinga_table()),
        NAGIOS / "README.md": with_table(NAGIOS / "README.md", nagios_table()),
    }

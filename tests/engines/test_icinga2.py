"""A real Icinga 2 runs the real plugin through the shipped configuration, against a server."""

from __future__ import annotations

import json
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases import BY_NAME, CASES, check_page, check_result, check_text, options_of, words
from running import (
    CONTRIB,
    CRITICAL,
    OK,
    UNKNOWN,
    Icinga2,
    Result,
    files_with,
    install_plugin,
)
from support.names import NameServer, mx
from support.programs import wait_for

from exchange_mailaccept.cli.table import OPTIONS

SHIPPED = CONTRIB / "icinga2"
FILES = ("exchange_mailaccept.conf", "services.conf", "dependencies.conf", "notifications.conf")

LIMIT = {"critical": ["delivered=900"]}
MAILBOX = {"delivered-password-file": "{secret}", **LIMIT}
#: Each option with a value and the custom variables without which it means nothing.
SAMPLES: dict[str, tuple[Any, dict[str, Any]]] = {
    "domain": ("contoso.com", {}),
    "hostname": ("127.0.0.1", {}),
    "port": ("{port}", {}),
    "ipv4": (True, {}),
    "ipv6": (True, {"hostname": "::1"}),
    "all-mx": (True, {"domain": "contoso.com"}),
    "all-addresses": (True, {}),
    "expect-mx": (["mail1.contoso.com"], {"domain": "contoso.com"}),
    "refuse": (["a@adatum.com", "b@adatum.com"], {}),
    "connections": (6, {}),
    "set": ("any", {"domain": "contoso.com", "all-mx": True}),
    "parallel": (2, {"domain": "contoso.com", "all-mx": True}),
    "nameserver": (["127.0.0.1:{dns}", "[::1]:53"], {"domain": "contoso.com"}),
    "source-address": ("127.0.0.1", {}),
    "from": ("<>", {}),
    "recipient": (["probe@contoso.com", "sales@contoso.com"], {}),
    "fqdn": ("probe.example.com", {}),
    "until": ("rcpt", {}),
    "subject": ("Probe of the night", {}),
    "header": (["X-Site: Redmond", "X-Rack: 7"], {}),
    "profile": ("2019", {}),
    "require": (["DSN", "CHUNKING"], {}),
    "severity": (["recipient=warning", "452=ok"], {}),
    "warning": (["5", "mail=2"], {}),
    "critical": (["20", "rcpt=@1:2"], {}),
    "starttls": (True, {}),
    "ssl": (True, {}),
    "starttls-if-offered": (True, {}),
    "dane": (True, {"domain": "contoso.com"}),
    "mta-sts": (True, {"domain": "contoso.com"}),
    "verify": (True, {"starttls": True}),
    "ca-file": ("{ca}", {"starttls": True, "verify": True}),
    "tls-name": ("mail1.contoso.com", {"starttls": True}),
    "min-tls": ("1.3", {"starttls": True}),
    "client-cert": ("{ca}", {"starttls": True}),
    "client-key": ("{ca}", {"starttls": True, "client-cert": "{ca}"}),
    "certificate": ("21,7", {"starttls": True}),
    "auth": ("login", {"starttls": True, "user": "probe", "password-file": "{secret}"}),
    "user": ("contoso\\probe", {"starttls": True, "auth": "auto", "password-file": "{secret}"}),
    "password-file": ("{secret}", {"starttls": True, "auth": "plain", "user": "probe"}),
    "token-file": ("{secret}", {"starttls": True, "auth": "xoauth2", "user": "probe"}),
    "auth-without-tls": (True, {"auth": "login", "user": "probe", "password-file": "{secret}"}),
    "delivered": ("imaps://probe@127.0.0.1/INBOX,Junk%20Email", MAILBOX),
    "delivered-user": ("contoso\\probe", {"delivered": "imaps://127.0.0.1", **MAILBOX}),
    "delivered-password-file": ("{secret}", {"delivered": "imaps://probe@127.0.0.1", **LIMIT}),
    "delivered-token-file": ("{secret}", {"delivered": "imaps://probe@127.0.0.1", **LIMIT}),
    "extra-opts": ("night@{ini}", {}),
    "timeout": (7.5, {}),
    "verbose": (2, {}),
}
NOT_FOR_SERVICES = {"help", "version"}
#: Ranges that are set, and those that the plugin gets, if it looks into a mailbox.
AGES: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
    "no range": ({}, [["--critical", "delivered=518400"], ["--warning", "delivered=259200"]]),
    "others": (
        {"warning": ["5"], "critical": "20"},
        [
            *(["--critical", "20"], ["--critical", "delivered=518400"]),
            *(["--warning", "5"], ["--warning", "delivered=259200"]),
        ],
    ),
    "its own": (
        {"warning": ["delivered=900", "delay=60"]},
        [["--warning", "delay=60"], ["--warning", "delivered=900"]],
    ),
}


def literal(value: Any) -> str:
    """A value in Icinga's language."""
    return json.dumps(value).replace("$", "$$")


def service(host: str, name: str, options: dict[str, Any], more: str = "") -> str:
    """A service of the shipped template, which is only checked when a test wants it."""
    lines = [
        f"  vars.exchange_mailaccept_{option.replace('-', '_')} = {literal(value)}"
        for option, value in options.items()
    ]
    return "\n".join(
        [
            f'object Service "{name}" {{',
            '  import "exchange-mailaccept"',
            f'  host_name = "{host}"',
            "  check_interval = 1d",
            "  max_check_attempts = 1",
            *lines,
            more,
            "}",
            "",
        ]
    )


def host(name: str, address: str = "127.0.0.1", more: str = "") -> str:
    attribute = "address6" if ":" in address else "address"
    line = f'{attribute} = "{address}"' if address else ""
    return (
        f'object Host "{name}" {{ check_command = "passive"; enable_active_checks = false\n'
        f"  {line}\n  {more}\n}}\n"
    )


class Running:
    """The node, and what surrounds it."""

    def __init__(self, icinga: Icinga2, notes: Path, sendmail: Path, values: dict[str, Any]):
        self.icinga = icinga
        self.notes = notes
        self.sendmail = sendmail
        self.values = values

    def check(self, name: str) -> dict[str, Any]:
        """Check one service; its attributes."""
        return self.icinga.check("service.__name == name", name=name)[name]

    def result(self, name: str) -> Result:
        return Icinga2.result(self.check(name))

    def fill(self, value: Any) -> Any:
        """A sample with the values only known now."""
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return value.format(**self.values) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def running(tmp_path_factory, authority, simulate) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("icinga2")
    sendmail = directory / "sendmail"
    server = simulate()
    ini = directory / "night.ini"
    ini.write_text("[night]\nsubject = Night\n")
    secret = directory / "secret"
    secret.write_text("from a file\n")
    secret.chmod(0o600)
    names = NameServer(mx((10, "mail1.contoso.com", "127.0.0.1")))
    values = {
        "port": server.port,
        "dns": names.port,
        "ca": directory / "ca.pem",
        "ini": ini,
        "secret": secret,
    }
    authority.trust(directory / "ca.pem")

    running = Running(None, directory / "plugins" / "runs", sendmail, values)  # type: ignore[arg-type]
    here = f"""vars.exchange_mailaccept_port = {server.port}
  vars.exchange_mailaccept_recipient = "postmaster@contoso.com"
  vars.exchange_mailaccept_sendmail = "{sendmail}\""""
    objects = [f'include "{file}"\n' for file in FILES]
    for case in CASES:
        port = 9 if case.server is None else simulate(**case.server).port
        objects.append(host(case.name, case.address))
        objects.append(service(case.name, "case", options_of(case, port)))
    objects.append(host("options", more=here))
    for name, (value, companions) in SAMPLES.items():
        options = {name: value, **companions}
        objects.append(
            service("options", name, {key: running.fill(sample) for key, sample in options.items()})
        )
    objects += [
        host("nothing set", ""),
        service("nothing set", "plain", {}),
        host("both", more=f'address6 = "::1"\n  {here}'),
        service("both", "prefers IPv4", {"until": "banner"}),
        service("both", "wants IPv6", {"until": "banner", "ipv6": True}),
        host("only IPv6", "::1", here),
        service("only IPv6", "takes IPv6", {"until": "banner"}),
        host("secrets", more=here + '\n  vars.submission_password = {{ "s3cr3t-$$-f" }}'),
        service("secrets", "function", {"auth": "plain", "auth-without-tls": True, "user": "probe"},
                'vars.exchange_mailaccept_password = {{ "s3cr3t-$$-f" }}\n'
                'vars.exchange_mailaccept_token = {{ "t0k3n-f" }}\n'
                'vars.exchange_mailaccept_mailbox_password = {{ "s3cr3t-m" }}\n'
                'vars.exchange_mailaccept_mailbox_token = {{ "t0k3n-m" }}'),
        service("secrets", "of the host",
                {"auth": "plain", "auth-without-tls": True, "user": "probe"},
                'vars.exchange_mailaccept_password = "$submission_password$"'),
        host("router", more="max_check_attempts = 1"),
        host("paged", more=here + '\n  vars.uplink = "router"'),
        service("paged", "flaps", {}),
        """object CheckCommand "hasty" {
  command = [ PluginContribDir + "/check_exchange_mailaccept", "-H", "127.0.0.1",
    "-r", "postmaster@contoso.com", "-p", "$exchange_mailaccept_port$" ]
  timeout = 20s
}
""",
        # Icinga kills for good after another tenth of the limit, which a busy machine may need.
        service("paged", "hasty", {}, 'check_command = "hasty"'),
        host("timeouts", more=here + '\n vars.exchange_mailaccept_until = "banner"'),
        *(service("timeouts", name, {}, more) for name, (more, _) in TIMEOUTS.items()),
        host("mailbox", more=here),
        *(
            service("mailbox", name, {"delivered": "imaps://probe@127.0.0.1", **options})
            for name, (options, _) in AGES.items()
        ),
        host("bad timeout", more=here),
        service("bad timeout", "said", {"timeout": "soon"}),
        host("mailbox and submission", more=here + """
  vars.exchange_roles = [ "mailbox", "submission" ]
  vars.exchange_version = "2019"
  vars.submission_user = "probe"
  vars.submission_password = {{ "s3cr3t-$$-f" }}"""),
        host("hub", more=here + '\n  vars.exchange_roles = [ "hub transport", "submission" ]'),
        host("edge", more=here + """
  vars.exchange_roles = [ "edge" ]
  vars.exchange_version = "2019" """),
        host("web server", more='vars.exchange_roles = [ "management" ]'),
        host("domains", "", here + f"""
  vars.exchange_mailaccept_nameserver = [ "127.0.0.1:{names.port}" ]
  vars.mail_domains["contoso.com"] = {{ exchange_mailaccept_until = "rcpt" }}
  vars.mail_domains["nowhere.example"] = {{ }}"""),
    ]  # fmt: skip
    icinga = Icinga2(directory, "".join(objects) + Icinga2.ALONE, authority)
    for file in FILES:
        shutil.copy(SHIPPED / file, directory / "etc")
    shutil.copytree(SHIPPED / "scripts", directory / "etc" / "scripts")
    running.icinga = icinga
    assert install_plugin(directory / "plugins") == running.notes
    icinga.start()
    yield running
    icinga.stop()
    names.close()


def test_the_examples_are_valid(tmp_path, authority):
    files = (*FILES, "hosts.conf")
    includes = "".join(f'include "{SHIPPED / file}"\n' for file in files)
    icinga = Icinga2(tmp_path, includes + Icinga2.ALONE, authority)
    said = icinga.validate()
    assert "warning" not in said
    assert re.search(r"Instantiated 9 Services", said)
    assert re.search(r"Instantiated \d+ Dependencies", said)
    assert re.search(r"Instantiated 9 Notifications", said)


@pytest.fixture(scope="module")
def results(running) -> dict[str, Result]:
    """All cases at once."""
    checked = running.icinga.check('service.name == "case"')
    return {name.split("!")[0]: Icinga2.result(service) for name, service in checked.items()}


@pytest.mark.parametrize("name", BY_NAME)
def test_result(results, name):
    check_result(BY_NAME[name], results[name])


# What is worth a test by itself.


def test_perfdata_is_parsed(running, results):
    """Numbers with unit, thresholds and minimum, as Icinga's writers get them."""
    perfdata = json.dumps(results["thresholds"].perfdata)
    parsed = running.icinga.run(
        f'var parsed = {{}}; for (word in {perfdata}.split(" ")) {{'
        " var it = parse_performance_data(word);"
        " parsed[it.label] = [ it.value, it.unit, it.warn, it.crit, it.min ] }; parsed"
    )
    assert set(parsed) == set(results["thresholds"].labels)
    value, *rest = parsed["rcpt"]
    assert 0.5 <= value < 5
    assert rest == ["seconds", 0.2, None, 0]
    assert parsed["total"][1:] == ["seconds", 30, 60, 0]
    assert parsed["extensions"] == [0, "", None, None, 0]


@pytest.mark.parametrize("name", BY_NAME)
def test_text_is_harmless_and_small(results, name):
    check_text(BY_NAME[name], results[name].text)


@pytest.mark.parametrize("name", BY_NAME)
def test_labels_do_not_grow_together(results, name):
    """``::`` in a label would put its first half in front of all that follow."""
    result = results[name]
    assert not any(set(":' ") & set(label) for label in result.labels)
    # RRD takes no more of a label.
    assert len(result.labels) == len({label[:19] for label in result.labels})


def test_every_option_has_a_sample():
    assert set(SAMPLES) | NOT_FOR_SERVICES == {option.name for option in OPTIONS}


@pytest.fixture(scope="module")
def commands(running) -> dict[str, tuple[list[str], Result]]:
    """The arguments with which the plugin ran for each option, and the result."""
    checked = running.icinga.check('host.name == "options"')
    return {
        name.split("!")[1]: (service["last_check_result"]["command"], Icinga2.result(service))
        for name, service in checked.items()
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_custom_variable_reaches_the_command_line(running, commands, name):
    """Each option, spelled as the plugin wants it, and none that was not asked for."""
    (_, *argv), result = commands[name]
    value, companions = SAMPLES[name]
    options = {"port": running.values["port"], "recipient": "postmaster@contoso.com", "timeout": 50}
    samples = {**companions, name: value}
    options.update({key: running.fill(sample) for key, sample in samples.items()})
    if "domain" not in options:
        options.setdefault("hostname", "127.0.0.1")
    expected = [word for key, given in options.items() for word in words(key, given)]
    assert sorted(argv) == sorted(expected)
    (option,) = [option for option in OPTIONS if option.name == name]
    spelled = words(name, options[name])
    begin = argv.index(spelled[0])
    assert argv[begin : begin + len(spelled)] == spelled, f"{option.flags} has another's value"
    for mistake in ("unknown option", "unexpected argument", "takes no value", "needs a value"):
        assert mistake not in result.first


@pytest.mark.parametrize("name", AGES)
def test_the_age_of_a_probe_is_limited_by_the_check_interval(running, name):
    """Three and six intervals, here of a day, unless a range is set."""
    running.icinga.check('host.name == "mailbox"')
    (_, *argv) = running.check(f"mailbox!{name}")["last_check_result"]["command"]
    ranges = [
        argv[at : at + 2] for at, word in enumerate(argv) if word in ("--warning", "--critical")
    ]
    assert sorted(ranges) == AGES[name][1]


def test_address(running):
    """As the Icinga Template Library's own commands choose it."""
    checked = running.icinga.check('match("* IPv?", service.name)')
    assert {name: Icinga2.argument(checked[name], "--hostname") for name in checked} == {
        "both!prefers IPv4": "127.0.0.1",
        "both!wants IPv6": "::1",
        "only IPv6!takes IPv6": "::1",
    }


def test_nothing_set(running):
    """A host without address: no empty argument is an argument, and no page is sent to anyone."""
    result = running.result("nothing set!plain")
    assert result.state == UNKNOWN
    assert result.first.startswith("MAILACCEPT UNKNOWN - -d DOMAIN or -H HOST is required")


def test_secrets_stay_secret(running):
    """They reach the plugin, and nobody else: not argv, not the API, no file of Icinga's."""
    running.icinga.check('host.name == "secrets"')
    runs = [json.loads(line) for line in running.notes.read_text().splitlines()]
    given = [run["secrets"] for run in runs if "--auth-without-tls" in run["argv"]]
    # $$ is Icinga's way to write $.
    expected = {
        "CHECK_EXCHANGE_MAILACCEPT_PASSWORD": "s3cr3t-$-f",
        "CHECK_EXCHANGE_MAILACCEPT_TOKEN": "t0k3n-f",
        "CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD": "s3cr3t-m",
        "CHECK_EXCHANGE_MAILACCEPT_MAILBOX_TOKEN": "t0k3n-m",
    }
    assert expected in given
    of_the_host = {"CHECK_EXCHANGE_MAILACCEPT_PASSWORD": "s3cr3t-$-f"}
    assert {**dict.fromkeys(expected, ""), **of_the_host} in given
    assert not any("s3cr3t" in word or "t0k3n" in word for run in runs for word in run["argv"])

    answers = [
        running.icinga.call(f"/v1/{kind}")
        for kind in ("objects/services", "objects/hosts", "objects/checkcommands",
                     "objects/notifications", "objects/notificationcommands", "variables", "status")
    ]  # fmt: skip
    assert not re.search("s3cr3t|t0k3n", json.dumps(answers))
    icinga = running.icinga.directory
    parts = [icinga / name for name in ("log", "cache", "data", "spool")]
    assert files_with("s3cr3t|t0k3n", *parts) == []


def test_rules_choose_the_services_of_each_host(running):
    names = {name for name in running.icinga.services() if name.split("!")[0] in (
        "mailbox and submission", "hub", "edge", "web server", "domains")}  # fmt: skip
    assert names == {
        "mailbox and submission!mail acceptance",
        "mailbox and submission!mail submission",
        "hub!mail acceptance",
        "hub!mail submission",
        "edge!mail acceptance",
        "domains!mail for contoso.com",
        "domains!mail for nowhere.example",
    }


def test_domains_are_tested_at_their_mail_servers(running):
    checked = running.icinga.check('host.name == "domains"')
    results = {name.split()[-1]: Icinga2.result(service) for name, service in checked.items()}
    assert results["contoso.com"].state == OK
    assert results["contoso.com"].first.startswith(
        "MAILACCEPT OK - mail1.contoso.com passed every stage up to rcpt"
    )
    assert results["nowhere.example"].state == CRITICAL


def test_one_page_and_not_two(running):
    """Of a transport service that takes no mail; its submission is tested, and not paged for."""

    def report(service: str, code: int) -> None:
        hub = {"type": "Service", "filter": "service.__name == name",
                  "filter_vars": {"name": f"hub!{service}"}}  # fmt: skip
        result = {"exit_status": code, "plugin_output": "reported"}
        # As often as it must fail to be believed.
        for _ in range(3):
            running.icinga.call("/v1/actions/process-check-result", {**hub, **result})

    def pages(service: str) -> int:
        name = urllib.parse.quote(f"hub!{service}!exchange-mailaccept-mail")
        (page,) = running.icinga.call(f"/v1/objects/notifications/{name}")["results"]
        return int(page["attrs"]["notification_number"])

    report("mail acceptance", CRITICAL)
    report("mail submission", CRITICAL)
    assert (pages("mail acceptance"), pages("mail submission")) == (1, 0)
    # Alone it is paged for, as soon as Icinga looks at what it had held back.
    report("mail acceptance", OK)
    report("mail submission", CRITICAL)
    wait_for(lambda: pages("mail submission") == 1, "a page about the submission")


def test_version_and_role_choose_the_profile(running):
    checked = running.icinga.check('service.name == "mail acceptance"')
    profiles = {name: Icinga2.argument(checked[name], "--profile") for name in checked}
    assert profiles == {
        "mailbox and submission!mail acceptance": "2019",
        "edge!mail acceptance": "edge",
        "hub!mail acceptance": None,
    }
    assert {Icinga2.argument(service, "--user") for service in checked.values()} == {None}


def test_submission_logs_on(running, simulate):
    """On port 587, with TLS, and with the host's secret."""
    from simulator.poses import Credentials

    name = "mailbox and submission!mail submission"
    (service,) = running.icinga.services("service.__name == name", name=name).values()
    assert service["vars"]["exchange_mailaccept_port"] == 587
    server = simulate(
        tls="starttls", auth=("LOGIN",), credentials=Credentials("probe", "s3cr3t-$-f")
    )
    changed = {"vars.exchange_mailaccept_port": server.port,
               "vars.exchange_mailaccept_certificate": "0"}  # fmt: skip
    running.icinga.call(f"/v1/objects/services/{urllib.parse.quote(name)}", {"attrs": changed})

    attributes = running.check(name)

    result = Icinga2.result(attributes)
    assert result.state == OK, result.text
    assert {"starttls", "auth", "certificate"} <= set(result.labels)
    argv = attributes["last_check_result"]["command"]
    assert {"--starttls", "--auth", "--user", "--certificate"} <= set(argv)


def test_the_page_has_the_diagnosis(running, simulate, post_office):
    """A mail is delivered at the failure and at the recovery; the failure's says what to do."""
    icinga, name, subject = running.icinga, "paged!flaps", "{}: flaps on paged: "
    post_office.put_sendmail(running.sendmail)

    def set_port(port: int) -> None:
        attributes = {"attrs": {"vars.exchange_mailaccept_port": port}}
        icinga.call("/v1/objects/services/paged!flaps", attributes)

    assert running.check(name)["state"] == OK
    refusing = simulate(reply={"mail": "530 5.7.57 SMTP; Client was not authenticated"})
    set_port(refusing.port)
    result = running.result(name)
    assert result.state == CRITICAL

    page = post_office.wait_for_one(subject.format("PROBLEM"))
    check_page(page, subject.format("PROBLEM"), result.text.rstrip("\n"))
    assert page["From"] == "icinga@node1"
    assert "Tested:  from node1\n" in page.get_content()

    set_port(running.values["port"])
    assert running.check(name)["state"] == OK
    recovery = post_office.wait_for_one(subject.format("RECOVERY"))
    assert "MAILACCEPT OK - 127.0.0.1 accepted mail" in recovery["Subject"]

    # With the router down nobody is told of what is behind it.
    report = {"type": "Host", "filter": 'host.name == "router"', "plugin_output": "reported"}
    icinga.call("/v1/actions/process-check-result", {**report, "exit_status": 1})
    set_port(refusing.port)
    attributes = running.check(name)
    assert (attributes["state"], attributes["last_reachable"]) == (CRITICAL, False)
    icinga.call("/v1/actions/process-check-result", {**report, "exit_status": 0})
    assert len(post_office.delivered(subject.format("PROBLEM"))) == 1


#: What may be set, and the plugin's ``-t`` that must come of it: Icinga's own limit is above each.
TIMEOUTS = {
    "nothing": ("", 50),
    "more": ("vars.exchange_mailaccept_timeout = 120", 120),
    "text": ('vars.exchange_mailaccept_timeout = "7.5"', 7.5),
    "too much": ("vars.exchange_mailaccept_timeout = 1000", 250),
    "too much as text": ('vars.exchange_mailaccept_timeout = "1000."', 250),
    "empty": ('vars.exchange_mailaccept_timeout = ""', 50),
    "check_timeout": ("check_timeout = 24s", 20),
    "check_timeout and less": ("check_timeout = 24s\n vars.exchange_mailaccept_timeout = 6", 6),
    "check_timeout and more": ("check_timeout = 24s\n vars.exchange_mailaccept_timeout = 60", 20),
    "long check_timeout": ("check_timeout = 1h\n vars.exchange_mailaccept_timeout = 900", 900),
}


@pytest.mark.parametrize("name", TIMEOUTS)
def test_the_engine_s_timeout_is_above_the_plugin_s(timeouts, name):
    """Else Icinga would end it, and nobody would learn what it was waiting for."""
    assert float(timeouts[name]) == TIMEOUTS[name][1]


@pytest.fixture(scope="module")
def timeouts(running) -> dict[str, str]:
    """``-t`` as the plugin was given it, in the checks of all services of that host."""
    checked = running.icinga.check('host.name == "timeouts"')
    return {name.split("!")[1]: Icinga2.argument(checked[name], "--timeout") for name in checked}


def test_a_timeout_that_is_none_is_left_to_the_plugin(running):
    result = running.result("bad timeout!said")
    assert result.state == UNKNOWN
    assert result.first.startswith("MAILACCEPT UNKNOWN - --timeout soon: must be ")


def test_a_host_may_be_checked_by_the_command(running):
    """Its check_timeout holds then; that of a host does not for a service on it."""
    attributes = {"attrs": {"check_command": "exchange_mailaccept", "check_timeout": 12}}
    running.icinga.call("/v1/objects/hosts/timeouts", attributes)
    host = {"type": "Host", "filter": 'host.name == "timeouts"', "force": True}
    running.icinga.call("/v1/actions/reschedule-check", host)

    def checked() -> Any:
        (host,) = running.icinga.call("/v1/objects/hosts/timeouts")["results"]
        return host["attrs"]["last_check_result"] and host["attrs"]

    host = wait_for(checked, "a result of the host")
    assert Icinga2.argument(host, "--timeout") == "10"
    assert Icinga2.result(host).first.startswith(
        "MAILACCEPT OK - 127.0.0.1 passed every stage up to banner"
    )
    assert Icinga2.argument(running.check("timeouts!nothing"), "--timeout") == "50"


def test_ended_by_the_engine(running, simulate):
    """By a command with a limit below the plugin's own: it still says what it was waiting for."""
    server = simulate(delay={"rcpt": 300})
    running.icinga.call(
        "/v1/objects/services/paged!hasty",
        {"attrs": {"vars.exchange_mailaccept_port": server.port}},
    )
    result = Icinga2.result(running.check("paged!hasty"))
    assert result.state == UNKNOWN
    assert "could not test 127.0.0.1 at rcpt: interrupted by SIGTERM" in result.first
    assert "Timeout exceeded" in result.text

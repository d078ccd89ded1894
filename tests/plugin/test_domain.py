"""A domain in place of a server (``-d``): its MX records, its backup, and nobody there."""

from __future__ import annotations

import pytest
from support.names import mx
from support.plugin import ACCEPTED, ALL, BANNER, OK, PluginRun, run_plugin
from support.smtp import free_port


def check_domain(port: int, *arguments: str) -> PluginRun:
    run = run_plugin("-d", "contoso.com", "-p", str(port), "-F", "probe.client.example", *arguments)
    return run._replace(stdout=run.stdout.replace(f"port {port}", "port PORT"))


MX = ("contoso.com.", "MX")
MAIL1, MAIL2 = (10, "mail1.contoso.com"), (20, "mail2.contoso.com")
BACKUP = mx((*MAIL1, "127.0.0.2"), (*MAIL2, "127.0.0.1"))
BY_NAME = ACCEPTED[len("127.0.0.1") :]


def test_the_servers_of_the_domain_are_shown_with_v(names):
    table = mx((*MAIL1, "127.0.0.1"), (*MAIL2, "127.0.0.1"))
    run = check_domain(25, *names(table), "-v", "--until", "mx")
    assert run.line("MX: ") == "MX: 10 mail1.contoso.com, 20 mail2.contoso.com"


def test_a_domain_that_has_lost_its_mx_is_told_so(serve, names):
    """Where its own name is tried and nobody is there; and as a note where somebody is."""
    table = {("contoso.com.", "A"): ["127.0.0.1"]}
    note = "Note: contoso.com has no MX record, so mail goes to its own address (RFC 5321 5.1)"
    run = check_domain(free_port(), *names(table))
    assert run.result == (
        "CRITICAL - contoso.com could not be connected: 127.0.0.1 port PORT: connection"
        " refused (contoso.com has no MX record)"
    )
    assert run.line("Note: ") == note
    run = check_domain(serve(BANNER, *ALL).port, *names(table), "-v")
    assert (run.exit_code, run.line("Note: ")) == (OK, note)


def test_the_domains_server_accepts_mail(serve, names):
    table = mx((*MAIL2, "127.0.0.1"))
    run = check_domain(serve(BANNER, *ALL).port, *names(table))
    assert (run.exit_code, run.masked, run.stderr) == (
        OK,
        f"MAILACCEPT OK - mail2.contoso.com{BY_NAME} | "
        "banner=#s;;;0 connect=#s;;;0 data=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0"
        " message=#s;;;0 mx=#s;;;0 quit=#s;;;0 rcpt=#s;;;0 total=#s;;;0\n",
        "",
    )


BETTER = (
    "better MX failed: mail1.contoso.com could not be connected: 127.0.0.2 port PORT:"
    " connection refused; "
)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ([], f"WARNING - {BETTER}mail2.contoso.com{BY_NAME}"),
        (["--severity=backup-mx=critical"], f"CRITICAL - {BETTER}mail2.contoso.com{BY_NAME}"),
        (["--severity=backup-mx=ok"], f"OK - mail2.contoso.com{BY_NAME}"),
    ],
)
def test_a_domain_that_lives_on_its_backup(serve, names, arguments, result):
    run = check_domain(serve(BANNER, *ALL).port, *names(BACKUP), *arguments)
    assert run.result == result


def test_a_better_server_that_failed_is_explained(serve, names):
    """Its failure, not the one that took its place; no kind, since ``backup-mx`` is the key."""
    run = check_domain(serve(BANNER, *ALL).port, *names(BACKUP))
    assert not run.line("Meaning: ").endswith("]")
    assert run.line("Next step: ").startswith("Next step: On the server: Test-ServiceHealth, ")
    assert run.line("Stages at ").startswith("Stages at mail2.contoso.com ")
    assert run.stdout.count("[begin here]") == 1


def test_a_domain_without_a_server_is_critical(names):
    """No mail can get there."""
    assert check_domain(25, *names({MX: 3})).result == (
        "CRITICAL - no mail server at contoso.com: contoso.com does not exist (NXDOMAIN)"
    )


def test_until_mx_looks_up_only(names):
    run = check_domain(25, *names(mx((*MAIL1, "127.0.0.1"))), "--until", "mx")
    assert (run.exit_code, run.masked, run.stderr) == (
        OK,
        "MAILACCEPT OK - 1 mail server found in #s | mx=#s;;;0 total=#s;;;0\n",
        "",
    )


NAMELESS = "no mail server at mail1.contoso.com: mail1.contoso.com has no address"


@pytest.mark.parametrize(
    ("table", "arguments", "result"),
    [
        (mx((*MAIL1, None), (*MAIL2, None)), (),
         f"CRITICAL - no server of contoso.com answers (2 of 2 servers tried); {NAMELESS}"),
        (mx((*MAIL1, None), (*MAIL2, "127.0.0.1")), (),
         f"WARNING - better MX failed: {NAMELESS}; 2 mail servers found in #s"),
        # It was named, and there is no MX to look up; else nothing would be tested at all.
        ({}, ("-H", "mail1.contoso.com"), f"CRITICAL - {NAMELESS}"),
    ],
)  # fmt: skip
def test_until_mx_sees_a_host_without_an_address(names, table, arguments, result):
    """As a run that goes further would."""
    assert check_domain(25, *names(table), *arguments, "--until", "mx").result == result

"""What is wrong, or worth telling, though no stage failed."""

from __future__ import annotations

import socket

import pytest
from support.names import mx
from support.plugin import (
    ACCEPTED,
    ALL,
    BANNER,
    EHLO,
    MAIL,
    OK,
    QUIT,
    RCPT,
    RSET,
    WARNING,
    check,
    ehlo_reply,
    run_plugin,
)
from support.smtp import PortOfAll

IF_OFFERED = ("--starttls-if-offered", "--profile", "none")
PLAIN = ("EHLO .*", ehlo_reply("SIZE 37748736", "DSN"))
#: As a firewall has it, and in the place where Exchange has STARTTLS.
MASKED = (
    "EHLO .*",
    ehlo_reply("SIZE 37748736", "DSN", "ENHANCEDSTATUSCODES", "XXXXXXXA", "AUTH NTLM"),
)
NO_EHLO = ("EHLO .*", b"502 5.5.1 Unknown\r\n")
HELO = ("HELO .*", b"250 mail1.contoso.com\r\n")
TAKEN = "127.0.0.1 accepted mail for postmaster@contoso.com in #s"
PLAIN_RCPT = ("RCPT TO:<postmaster@contoso[.]com>", RCPT[1])


# TLS that was to be looked at and was not had.


@pytest.mark.parametrize(
    "wanted",
    [
        *(["-D", "30"], ["--verify"], ["--min-tls", "1.3"], ["--tls-name", "mail1"]),
        ["--ca-file", "AUTHORITY"],
    ],
)
def test_no_certificate_where_one_was_to_be_looked_at(serve, wanted, authority):
    wanted = [authority.file if word == "AUTHORITY" else word for word in wanted]
    run = check(serve(BANNER, PLAIN, *ALL[1:]), *IF_OFFERED, *wanted)
    assert run.result == (
        "WARNING - no certificate was shown, because 127.0.0.1 does not offer STARTTLS;"
        f" {TAKEN} (Exchange; queued on mbx01.contoso.com as ID)"
    )
    assert "certificate=" not in run.stdout
    assert "\nNext step: Get-ExchangeCertificate" in run.stdout


@pytest.mark.parametrize(
    ("hello", "why"),
    [
        ([MASKED], "a firewall masks STARTTLS as XXXXXXXA"),
        ([NO_EHLO, HELO], "127.0.0.1 refused EHLO, and there is no STARTTLS after HELO"),
    ],
)
def test_why_no_certificate_was_shown(serve, hello, why):
    rcpt = PLAIN_RCPT if HELO in hello else RCPT
    script = (*hello, MAIL, rcpt, *ALL[3:])
    run = check(serve(BANNER, *script), *IF_OFFERED, "-D", "30,7")
    assert (run.exit_code, run.first_line.partition("; ")[0]) == (
        WARNING,
        f"MAILACCEPT WARNING - no certificate was shown, because {why}",
    )


def test_a_test_that_ends_before_tls_shows_no_certificate(serve):
    run = check(serve(BANNER, EHLO, QUIT), "-S", "-D", "30", "--until", "ehlo")
    assert run.result == (
        "WARNING - no certificate was shown, because --until ehlo ends the test before"
        " TLS; 127.0.0.1 passed every stage up to ehlo for postmaster@contoso.com in #s (Exchange"
        " 2019/SE)"
    )


def test_an_allowed_refusal_does_not_hide_that_no_certificate_was_shown(serve):
    refusal = ("RCPT .*", b"550 5.1.1 User unknown\r\n")
    server = serve(BANNER, PLAIN, MAIL, refusal, QUIT)
    run = check(server, *IF_OFFERED, "-D", "30", "--severity", "rcpt=ok")
    assert (run.exit_code, run.first_line.partition("; ")[0]) == (
        WARNING,
        "MAILACCEPT WARNING - no certificate was shown, because 127.0.0.1 does not offer STARTTLS",
    )


# Thresholds of stages that never came.


@pytest.mark.parametrize(
    ("arguments", "script", "words"),
    [
        (["--starttls-if-offered", "-w", "starttls=5"], [PLAIN, *ALL[1:]],
         "starttls has a threshold and was not measured: there was no TLS"),
        (["-c", "message=5", "--until", "rcpt"], [PLAIN, MAIL, RCPT, RSET, QUIT],
         "message has a threshold and was not measured: --until rcpt ends the test before it"),
        (["-w", "auth=5"], [PLAIN, *ALL[1:]],
         "auth has a threshold and was not measured: no -A was given"),
    ],
)  # fmt: skip
def test_a_threshold_of_a_stage_that_never_came(serve, arguments, script, words):
    run = check(serve(BANNER, *script), "--profile", "none", *arguments)
    first = run.first_line.partition("; ")[0]
    assert (run.exit_code, first) == (WARNING, f"MAILACCEPT WARNING - {words}")


def test_a_threshold_of_a_stage_that_a_failure_prevented_is_no_finding(serve):
    refusal = ("RCPT .*", b"450 4.2.1 Mailbox busy\r\n")
    run = check(serve(BANNER, EHLO, MAIL, refusal, QUIT), "-w", "message=5", "-c", "total=0")
    assert run.result == (
        "WARNING - 127.0.0.1 deferred RCPT postmaster@contoso.com: 450 4.2.1 Mailbox busy"
    )


# SIZE.


@pytest.mark.parametrize(
    ("keyword", "result"),
    [
        ("SIZE 1000000", f"OK - {TAKEN}"),
        ("SIZE 999999", f"WARNING - 127.0.0.1 takes no message above 999999 bytes; {TAKEN}"),
        ("SIZE 100", f"CRITICAL - 127.0.0.1 takes no message above 100 bytes; {TAKEN}"),
    ],
)
def test_a_small_size(serve, keyword, result):
    server = serve(BANNER, ("EHLO .*", ehlo_reply(keyword, "DSN")), *ALL[1:])
    run = check(server, "--profile", "none")
    assert run.result == f"{result} (Exchange; queued on mbx01.contoso.com as ID)"


# Addresses and MX records.


@pytest.fixture
def check_domain(serve, names):
    """A server at one address, and the run for a domain with a table that leads there."""
    held = PortOfAll()
    serve(BANNER, *ALL, host="127.0.0.3", port=held.number)

    def run(table, *arguments):
        where = ("-d", "contoso.com", "-p", str(held.number), *names(table))
        return run_plugin(*where, "-F", "probe.client.example", *arguments)

    yield run
    held.close()


@pytest.mark.parametrize(
    ("severity", "state"), [((), OK), (("--severity", "address=warning"), WARNING)]
)
def test_a_dead_address_beside_a_live_one(check_domain, severity, state):
    """That of IPv6 comes first, and nobody listens there."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this host has no IPv6")
    table = mx((10, "mail1.contoso.com", "127.0.0.3"))
    table["mail1.contoso.com.", "AAAA"] = ["::1"]
    run = check_domain(table, *severity)
    assert run.exit_code == state
    assert "its address ::1 fails: connection refused" in run.first_line


def test_a_domain_without_mx_records_says_so_in_the_first_line(check_domain):
    accepted = ACCEPTED.replace("127.0.0.1", "contoso.com").removesuffix(")")
    run = check_domain({("contoso.com.", "A"): ["127.0.0.3"]})
    assert run.result == f"OK - {accepted}; contoso.com has no MX record)"

"""The plugin as Nagios sees it: a process, its standard output and its exit code.

Against a real server on a loopback port, which demands each line of the client.  Numbers of
seconds are masked as ``#s``; all else is compared whole.
"""

from __future__ import annotations

import re

import pytest
from support.plugin import (
    ACCEPTED,
    ALL,
    BANNER,
    CRITICAL,
    DATA,
    EHLO,
    MAIL,
    OK,
    PERFDATA,
    QUIT,
    RCPT,
    RSET,
    TROUBLESHOOTING,
    UNKNOWN,
    check,
    ehlo_reply,
    perfdata,
    run_plugin,
)  # fmt: skip

# Whole outputs.


def test_a_server_that_accepts_mail(serve):
    run = check(serve(BANNER, *ALL))
    assert (run.exit_code, run.masked, run.stderr) == (
        OK,
        f"MAILACCEPT OK - {ACCEPTED} | {PERFDATA['all']}\n",
        "",
    )


STAGE_LINES = """\
Stages at 127.0.0.1 (127.0.0.1 port PORT, Exchange 2019/SE):
  connect #s  passed
  banner #s  220 mail1.contoso.com Microsoft ESMTP MAIL Service ready
  ehlo #s  250 mail1.contoso.com Hello [127.0.0.1] SIZE 37748736 PIPELINING DSN\
 ENHANCEDSTATUSCODES STARTTLS X-ANONYMOUSTLS AUTH NTLM X-EXPS GSSAPI NTLM 8BITMIME BINARYMIME\
 CHUNKING SMTPUTF8 XRDST
"""
ACCEPTED_LINES = """\
  mail #s  250 2.1.0 Sender OK
  rcpt #s  250 2.1.5 Recipient OK
  data #s  354 Start mail input; end with [CRLF].[CRLF]
  message #s  250 2.6.0 [ID] [InternalId=110, Hostname=mbx01.contoso.com] 1590 bytes in 0.103,\
 15.038 KB/sec Queued mail for delivery
  quit #s  221 2.0.0 Service closing transmission channel
Receipt: Get-MessageTrackingLog -Server mbx01.contoso.com -InternalMessageId 110
"""
TRANSCRIPT = r"""Transcript of 127.0.0.1:
# ~: connected to 127.0.0.1 port PORT
# S: 220 mail1.contoso.com Microsoft ESMTP MAIL Service ready
# C: EHLO probe.client.example
# S: 250-mail1.contoso.com Hello [127.0.0.1]
# S: 250 DSN
# C: MAIL FROM:[ExMFA-MailAcceptTest@Fabrikam.com]
# S: 250 2.1.0 Sender OK
# C: RCPT TO:[postmaster@contoso.com] NOTIFY=NEVER
# S: 550-5.1.1 User unknown;
# S: 550 /x24HOME / 'id' /x1b[31m/n /xff [script]
# C: QUIT
# S: 221 2.0.0 Service closing transmission channel
"""


def test_a_server_that_defers(serve):
    """What happened, what it means, what to do, each stage, where to look, perfdata last."""
    refusal = ("MAIL .*", b"452 4.3.1 Insufficient system resources\r\n")
    run = check(serve(BANNER, EHLO, refusal, QUIT))
    assert (run.exit_code, run.masked, run.stderr) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 127.0.0.1 deferred MAIL ExMFA-MailAcceptTest@Fabrikam.com:"
        " 452 4.3.1 Insufficient system resources\n"
        "Meaning: Back pressure: disk of the queue, memory, version buckets or submission queue are"
        " used up, so the transport takes no mail [load]\n"
        "Next step: Free the disk of the queue first; Get-ExchangeDiagnosticInfo -Server SERVER"
        " -Process EdgeTransport -Component ResourceThrottling names the resource; see events 15004"
        " to 15007.\n"
        "Read: https://learn.microsoft.com/exchange/mail-flow/back-pressure\n"
        f"{STAGE_LINES}"
        "  mail #s  deferred: 452 4.3.1 Insufficient system resources\n"
        "  quit #s  221 2.0.0 Service closing transmission channel\n"
        f"{TROUBLESHOOTING}"
        f"| {PERFDATA['mail']}\n",
        "",
    )


def test_the_stages_are_shown_with_v(serve):
    run = check(serve(BANNER, *ALL), "-v")
    assert (run.exit_code, run.masked, run.stderr) == (
        OK,
        f"MAILACCEPT OK - {ACCEPTED}\n{STAGE_LINES}{ACCEPTED_LINES}| {PERFDATA['all']}\n",
        "",
    )


def test_the_transcript_is_shown_with_vv(serve):
    refusal = b"550-5.1.1 User unknown;\r\n550 $HOME | `id` \x1b[31m\\n \xff <script>\r\n"
    script = [("EHLO .*", ehlo_reply("DSN")), MAIL, (RCPT[0], refusal), QUIT]
    text = check(serve(BANNER, *script), "-vv").masked
    transcript = text[text.index("Transcript") : text.index("\n| ") + 1]
    assert re.sub(r"(?m)^ +[0-9.]+", "#", transcript) == TRANSCRIPT


@pytest.mark.parametrize("seconds", ["0.0005", "0.000000000001"])
def test_a_time_that_is_over_at_once(serve_carelessly, seconds):
    """How far the run gets is chance; that it ends as others do, and in digits, is not."""
    run = check(serve_carelessly(None), "-t", seconds)
    assert (run.exit_code, run.stderr) == (CRITICAL, "")
    line, *_, values = run.stdout.splitlines()
    words = re.escape(f"within {seconds}s")
    assert re.fullmatch(f"MAILACCEPT CRITICAL - 127.0.0.1 [a-z ]+ {words}", line), line
    assert values.startswith("| ")


def test_a_timeout_may_be_unknown(serve_carelessly):
    """As Nagios' guidelines want it; here it is CRITICAL, for a silent server takes no mail."""
    run = check(serve_carelessly(None), "-t", "0.5", "--severity", "timeout=unknown")
    assert run.result == "UNKNOWN - 127.0.0.1 sent no greeting within #s"


# EHLO keywords.


MASKED = "127.0.0.1 does not offer XFOO: switched off on the Receive connector, or stripped by a"
MASKED += f" middlebox; {ACCEPTED}"


@pytest.mark.parametrize(
    ("arguments", "result", "missing"),
    [
        (["--require", "DSN"], f"OK - {ACCEPTED}", 0),
        (["--require", "xfoo"], f"WARNING - {MASKED}", 1),
        (["--require=XFOO", "--severity=extensions=critical"], f"CRITICAL - {MASKED}", 1),
        (["--require=XFOO", "--severity=extensions=ok"], f"OK - {ACCEPTED}", 1),
        (["--profile", "2019"], f"OK - {ACCEPTED.replace('/SE', '')}", 0),
    ],
)
def test_missing_keywords_are_a_finding(serve, arguments, result, missing):
    run = check(serve(BANNER, *ALL), *arguments)
    assert (run.result, run.perfdata["extensions"]) == (result, f"{missing};;;0")


# Thresholds.


@pytest.mark.parametrize(
    ("arguments", "result", "perfdata"),
    [
        (["-w", "~:60", "-c", "70"], "OK - ", "total=#s;~:60;70;0"),
        (["-w", "50:", "-c", "60:"], "CRITICAL - total took #s (outside range 60:); ",
         "total=#s;50:;60:;0"),
        (["--warning=rcpt=50:", "-c", "mail=50:"],
         "CRITICAL - mail took #s (outside range 50:); rcpt took #s (outside range 50:); ",
         "rcpt=#s;50:;;0"),
        (["-w", "quit=50:"], "WARNING - quit took #s (outside range 50:); ", "quit=#s;50:;;0"),
        # Perfdata know no exponent, whatever was typed.
        (["-c", "@0.000012:60"], "CRITICAL - total took #s (outside range @0.000012:60); ",
         "total=#s;;@0.000012:60;0"),
    ],
)  # fmt: skip
def test_thresholds_are_kept_or_not(serve, arguments, result, perfdata):
    run = check(serve(BANNER, *ALL), *arguments)
    assert run.result == f"{result}{ACCEPTED}"
    assert perfdata in run.masked.rpartition("| ")[2].split()


REFUSED_LINE = "127.0.0.1 refused RCPT postmaster@contoso.com: 550 5.1.1 User unknown"


@pytest.mark.parametrize(
    ("arguments", "result", "next_step"),
    [
        (["--severity", "rcpt=ok", "-c", "50:"],
         f"OK - not accepted, as --severity rcpt=ok allows: {REFUSED_LINE}", ""),
        (["--severity", "rcpt=warning", "-c", "mail=50:"],
         f"CRITICAL - {REFUSED_LINE}; mail took #s (outside range 50:)", "Get-Recipient"),
        (["--severity", "rcpt=unknown", "-c", "mail=50:"], f"UNKNOWN - {REFUSED_LINE}",
         "Get-Recipient"),
        (["--severity", "rcpt=ok", "--require", "ETRN"],
         "WARNING - 127.0.0.1 does not offer ETRN: switched off on the Receive connector, or"
         f" stripped by a middlebox; {REFUSED_LINE}", "Type EHLO"),
        (["--require", "ETRN", "-c", "50:"], f"CRITICAL - {REFUSED_LINE}", "Get-Recipient"),
    ],
)  # fmt: skip
def test_the_first_line_of_a_failure_beside_something_else(serve, arguments, result, next_step):
    """A failure is told before a number out of range, and its time is no finding of its own.

    Nor does a range turn UNKNOWN into anything else.
    """
    refusal = (RCPT[0], b"550 5.1.1 User unknown\r\n")
    run = check(serve(BANNER, EHLO, MAIL, refusal, QUIT), *arguments)
    assert run.result == result
    assert run.stdout.partition("Next step: ")[2].startswith(next_step)


def test_a_violated_threshold_says_what_to_do(serve):
    """All that a failure has: what it means, the stages, and where to look."""
    run = check(serve(BANNER, *ALL), "-c", "rcpt=50:")
    lines = run.masked.partition("\n")[2].rpartition("| ")[0]
    assert lines == (
        "Meaning: A stage, or the whole run, took longer or shorter than its range allows\n"
        "Next step: Compare the stages below with a good run: connect is the network, banner and"
        " ehlo are name lookups, the rest is the transport service: Get-Queue; free disk and"
        " memory.\n"
        "Read: https://learn.microsoft.com/exchange/mail-flow/back-pressure\n"
        f"{STAGE_LINES}{ACCEPTED_LINES}{TROUBLESHOOTING}"
    )


def test_a_missing_keyword_says_where_to_look(serve):
    run = check(serve(BANNER, *ALL), "--require", "xfoo")
    steps = run.stdout.partition("Troubleshooting, ")[2]
    assert re.findall(r"(?m)^  ([0-9])\. .*\[begin here\]$", steps) == ["2"]
    assert run.stdout.count("\nNext step: ") == 1


# --until.


@pytest.mark.parametrize(
    ("until", "script", "details"),
    [
        ("connect", [QUIT], ""),
        ("banner", [QUIT], " (Exchange)"),
        ("rcpt", [EHLO, MAIL, RCPT, RSET, QUIT], " (Exchange 2019/SE)"),
        # After the 354 any word would be part of a message: the connection is cut.
        ("data", [EHLO, MAIL, RCPT, DATA, ("", b"")], " (Exchange 2019/SE)"),
    ],
)
def test_the_walk_ends_where_it_was_told_to(serve_carelessly, until, script, details):
    """With a farewell where there is one; nothing is sent that was not asked for."""
    server = serve_carelessly(BANNER, *script)
    run = check(server, "--until", until)
    server.close()
    assert server.mismatches == (["expected '', and the client went"] if until == "data" else [])
    assert run.result == (
        f"OK - 127.0.0.1 passed every stage up to {until} for postmaster@contoso.com in #s{details}"
    )


# What goes over the wire.


def test_the_message_over_the_wire(serve):
    server = serve(BANNER, *ALL)
    check(server, "--subject", "Probe 1", "--header", "X-Team: mail", "--header", "X-B: c")
    assert b"\r\nSubject: Probe 1\r\nAuto-Submitted: " in server.message
    assert b" probe 1.0.0\r\nX-Team: mail\r\nX-B: c\r\n\r\nThis message is" in server.message


def test_every_message_has_its_own_id(serve):
    """Or a server would drop the second as a duplicate."""
    servers = [serve(BANNER, *ALL), serve(BANNER, *ALL)]
    for server in servers:
        check(server)
    ids = {line for server in servers for line in server.heard if line.startswith(b"Message-ID: ")}
    assert len(ids) == 2


def test_a_local_part_beyond_ascii_goes_out_as_utf8(serve):
    rcpt = rb"RCPT TO:<p\u010d\u010a@contoso[.]com> NOTIFY=NEVER".decode("unicode_escape")
    run = check(
        serve(
            BANNER,
            EHLO,
            ("MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam[.]com> SMTPUTF8", MAIL[1]),
            (rcpt, b"550 5.1.1 gr\xfc\xc3\xbc\r\n"),
            QUIT,
        ),
        *("-r", "p\u010d\u010a@contoso.com"),
        environment={"LC_ALL": "C"},
    )
    assert run.result == (
        "CRITICAL - 127.0.0.1 refused RCPT p/u010d/u010a@contoso.com: 550 5.1.1 gr/xfc/xfc"
    )


def test_ipv6(serve):
    try:
        server = serve(BANNER, *ALL, host="::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    run = check(server)
    assert (run.exit_code, run.masked, run.stderr) == (
        OK,
        f"MAILACCEPT OK - ::1{ACCEPTED[len('127.0.0.1') :]} | {PERFDATA['all']}\n",
        "",
    )


# Usage, help, version.


def test_a_usage_error_is_unknown(serve):
    """One harmless line, and no packet is sent."""
    server = serve(BANNER)
    run = check(server, "-p", "0", "--subject", "\u00fc\nb", "--nonsense", "x|$(id)`id`<b>")
    assert (run.exit_code, run.stdout, run.stderr, server.connections) == (
        UNKNOWN,
        "MAILACCEPT UNKNOWN - -p 0: must be a port from 1 to 65535; --subject /xfc b: line ends and"
        " control characters are not allowed; unknown option --nonsense; unexpected argument"
        " 'x//x24(id)'id'[b]' (see check_exchange_mailaccept --help)\n",
        "",
        0,
    )


def test_many_mistakes_are_one_short_line():
    """Each is named, the short ones as they are; a first line has less than 300 characters."""
    wrong = ("-Q", "-t", "x", "-d", "x..de", "-p", "y", "--profile", "foo", "--until", "foo")
    run = run_plugin(*wrong, "--nameserver", "y", "-F", "a b")
    assert run.exit_code == UNKNOWN
    assert len(run.stdout) <= 300
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - unknown option -Q; -t x: \S.*; -d x\.\.de: \S.*; -p y: \S.*;"
        r" --profile foo\S.*; --until foo\S.*; --nameserver \S.*; -F a b\S.*"
        r" \(see check_exchange_mailaccept --help\)\n",
        run.stdout,
    )


@pytest.mark.parametrize("wrong", [["x"] * 1000, ["-p", "0"] * 100, ["--severity", "\n" * 300]])
def test_no_mistake_makes_a_first_line_too_long(wrong):
    assert re.fullmatch(r"MAILACCEPT UNKNOWN - [ -~]{,279}\n", run_plugin(*wrong).stdout)


@pytest.mark.parametrize(
    ("argument", "begins", "ends"),
    [
        ("--version", "check_exchange_mailaccept 1.0.0\n", "check_exchange_mailaccept 1.0.0\n"),
        ("-h", "check_exchange_mailaccept 1.0.0\n\nDoes an Exchange server",
         "\nexit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN\n"),
    ],
)  # fmt: skip
def test_version_and_help(argument, begins, ends):
    """On standard output, and no state that would alarm anyone."""
    run = run_plugin(argument)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert (run.stdout[: len(begins)], run.stdout[-len(ends) :]) == (begins, ends)


# Perfdata, as the guidelines have it.


@pytest.mark.parametrize("script", [ALL, ALL[:2], ()])
def test_perfdata_have_the_form_of_the_guidelines(serve, script):
    values = perfdata(
        check(serve(BANNER, *script), "-w", "60", "-c", "@70:80", "-w", "ehlo=1.5:60")
    )
    spoken = ["ehlo", "mail", "rcpt", "data", "message", "quit"]
    answered = ["connect", "banner", *spoken[: len(script)], "total"]
    # Keywords are counted once there are any: after EHLO has passed.
    assert set(values) == {*answered, *(["extensions"] if script else [])}
    assert {match["unit"] for label, match in values.items() if label != "extensions"} == {"s"}
    total = values["total"]
    assert (total["warn"], total["crit"], total["min"], total["max"]) == ("60", "@70:80", "0", None)


# Faults of our own side.


@pytest.mark.parametrize(
    ("source", "words"),
    [
        # 192.0.2.0/24 is for documentation (RFC 5737).
        ("192.0.2.1", "could not test 127.0.0.1 at connect: "),
        ("::1", "--source-address ::1 can't reach -H 127.0.0.1"),
    ],
)
def test_a_source_address_that_can_not_be_is_unknown(serve, source, words):
    run = check(serve(BANNER), "--source-address", source)
    assert run.result.startswith(f"UNKNOWN - {words}")

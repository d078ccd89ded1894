"""The plugin as Nagios sees it: a process, its standard output and its exit code.

Against a real server on a loopback port, which demands each line of the client.  Numbers of
seconds are masked as ``#s``; all else is compared whole.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nagiosplugin
import pytest
from support.names import mx
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
    PLUGIN,
    QUIT,
    RCPT,
    RSET,
    TROUBLESHOOTING,
    UNKNOWN,
    PluginRun,
    check,
    ehlo_reply,
    first_line,
    perfdata,
    run_plugin,
)  # fmt: skip
from support.smtp import free_port

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
        "Meaning: What is out of range is the time that a stage took, or the whole\n"
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
    is_one_harmless_line(run_plugin(*wrong), "")


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


# Surroundings that are not as they should be.


def test_a_missing_library_is_unknown():
    run = run_plugin("-H", "127.0.0.1", "-p", "1", "-r", "a@b.example", python=["-E", "-S"])
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    # With -S, Python knows only since 3.14 that it is in a virtual environment.
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - a library is missing: No module named 'nagiosplugin' \("
        r"(Debian: apt install python3-nagiosplugin python3-dnspython"
        r"|/\S+ -m pip install nagiosplugin dnspython)\)\n",
        run.stdout,
    )


@pytest.fixture
def nagiosplugin_alone(tmp_path) -> dict[str, object]:
    """How to run the plugin by a Python that has nagiosplugin and nothing else."""
    (tmp_path / "nagiosplugin").symlink_to(Path(nagiosplugin.__file__).parent)
    return {"python": ["-S"], "environment": {"PYTHONPATH": str(tmp_path)}}


@pytest.mark.parametrize("option", [[], ["--nameserver", "127.0.0.1:1"]])
def test_a_missing_dnspython_is_unknown(nagiosplugin_alone, option):
    """It is imported late; that it can't be is said before anything is sent."""
    run = run_plugin("-d", "contoso.com", *option, **nagiosplugin_alone)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert re.fullmatch(
        r"MAILACCEPT UNKNOWN - finding a mail server needs the Python package dnspython"
        r" \((Debian: apt install python3-|/\S+ -m pip install )dnspython\)"
        r" \(see check_exchange_mailaccept --help\)\n",
        run.stdout,
    )


def test_a_server_given_by_address_needs_no_dnspython(serve, nagiosplugin_alone):
    run = check(serve(BANNER, *ALL), **nagiosplugin_alone)
    assert run.result == f"OK - {ACCEPTED}"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--nonsense",)])
def test_a_full_disk_is_unknown(serve_carelessly, arguments):
    """For every text that might be printed."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        run = check(serve_carelessly(BANNER, *ALL), *arguments, stdout=full)
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-", "2>&-"])
def test_closed_streams(serve, closed):
    """No line of the output gets into a connection that took a stream's number."""
    server = serve(BANNER, *ALL)
    command = [sys.executable, str(PLUGIN), "-H", server.host, "-p", str(server.port)]
    command += ["-r", "postmaster@contoso.com", "-F", "probe.client.example"]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    expected = OK if closed == "2>&-" else UNKNOWN
    assert (done.returncode, done.stderr) == (expected, b"")


@pytest.fixture
def alone(tmp_path) -> Path:
    """The plugin's file without the package that belongs beside it."""
    return Path(shutil.copy(PLUGIN, tmp_path))


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        ("", b"MAILACCEPT UNKNOWN - a library is missing: No module named 'exchange_mailaccept'\n"),
        (">/dev/full", b""),
        (">&-", b""),
        (">&- 2>&- <&-", b""),
    ],
)
def test_the_package_is_missing(alone, stdout, said):
    """Whether there is room to say so or not."""
    command = ["sh", "-c", f'exec "$@" {stdout}', "sh", sys.executable, "-I", alone]
    done = subprocess.run(command, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (UNKNOWN, said, b"")


#: What an ImportError may say: it has names and paths in it.
HOSTILE = "a\n`b` | c=1 <d> $HOME \\n \u20ac " + "x" * 400


def is_one_harmless_line(run: PluginRun, beginning: str) -> None:
    """What Nagios, Icinga and a shell make of it is one line of words."""
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert re.fullmatch(r"[ -~]{,299}\n", run.stdout), run.stdout
    assert not set(run.stdout) & set("|<>`$\\")
    assert run.stdout.startswith(f"MAILACCEPT UNKNOWN - {beginning}")


def breaking(directory: Path, name: str, error: str = "ImportError") -> None:
    """Put a module into ``directory`` that can't be imported, and says so at length."""
    (directory / f"{name}.py").write_text(f"raise {error}({HOSTILE!r})\n", encoding="utf-8")


def test_a_package_that_breaks_at_length(alone):
    package = alone.parent / "exchange_mailaccept"
    package.mkdir()
    breaking(package, "launch")
    done = subprocess.run([sys.executable, alone], capture_output=True, timeout=30)
    run = PluginRun(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))
    is_one_harmless_line(run, "a library is missing: a  b ")


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        ("ImportError", "a library is missing: a 'b' / c=1 [d] "),
        ("OSError", "a library can't be used: OSError: a 'b' / c=1 [d] "),
    ],
)
def test_a_library_that_breaks_at_length(tmp_path, error, beginning):
    breaking(tmp_path, "nagiosplugin", error)
    run = run_plugin(
        "-H", "127.0.0.1", "-p", "1", "-r", "a@b.example", environment={"PYTHONPATH": str(tmp_path)}
    )
    is_one_harmless_line(run, beginning)
    assert run.stdout.endswith("dnspython)\n") == (error == "ImportError")


def test_a_library_that_breaks_in_the_middle(tmp_path):
    breaking(tmp_path, "dns")
    run = run_plugin("-d", "contoso.com", environment={"PYTHONPATH": str(tmp_path)})
    is_one_harmless_line(run, "a library is missing: a 'b' / c=1 [d] ")


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


# Domains.


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
    note = "Note: contoso.com has no MX record and stands for itself (RFC 5321 5.1)"
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
    assert (run.exit_code, run.stderr) == (UNKNOWN, "")
    assert first_line(run).startswith(f"MAILACCEPT UNKNOWN - {words}")

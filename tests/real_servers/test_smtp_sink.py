"""The plugin against Postfix's smtp-sink, which refuses, stalls and hangs up where told to."""

from __future__ import annotations

import re

import pytest

#: Every command of the dialogue: as smtp-sink calls it, as the plugin does, and its stage.
COMMANDS = [
    ("MAIL", "MAIL", "mail"),
    ("RCPT", "RCPT good@mx.test", "rcpt"),
    ("DATA", "DATA", "data"),
    (".", "the message", "message"),
]


@pytest.fixture
def check(run_plugin):
    """Run the plugin against a smtp-sink."""

    def run(sink, *arguments):
        return run_plugin(
            *("-H", sink.host, "-p", str(sink.port), "-r", "good@mx.test", "--profile", "none"),
            *arguments,
        )

    return run


def test_mail_is_accepted_once(check, smtp_sink, sink_mail, check_probe_message):
    sink = smtp_sink()

    run = check(sink)

    assert run.exit_code == 0
    assert re.fullmatch(
        r"MAILACCEPT OK - 127\.0\.0\.1 accepted mail for good@mx\.test in \d+\.\d+s( \(.+\))?",
        run.status,
    )
    assert len(run.lines) == 1
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "data", "message", "total"} <= set(
        run.perfdata
    )
    (content,) = sink_mail(sink)
    message = check_probe_message(content)
    # What smtp-sink noted of the dialogue.
    assert message["X-Client-Proto"] == "ESMTP"
    assert message["X-Mail-Args"].startswith("<ExMFA-MailAcceptTest@Fabrikam.com>")
    # Offered DSN is used to forbid every notification.
    assert message["X-Rcpt-Args"] == "<good@mx.test> NOTIFY=NEVER"


def test_notify_is_not_used_where_dsn_is_not_offered(check, smtp_sink, sink_mail):
    sink = smtp_sink("-N")

    assert check(sink).exit_code == 0
    (content,) = sink_mail(sink)
    assert b"\nX-Rcpt-Args: <good@mx.test>\n" in content


def test_ipv6(check, smtp_sink, sink_mail):
    sink = smtp_sink(host="::1")

    run = check(sink)

    assert run.exit_code == 0
    assert run.status.startswith("MAILACCEPT OK - ::1 accepted mail for good@mx.test in ")
    assert len(sink_mail(sink)) == 1


def test_until_rcpt_sends_no_mail(check, smtp_sink, sink_mail):
    sink = smtp_sink()

    run = check(sink, "--until", "rcpt")

    assert run.exit_code == 0
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert sink_mail(sink) == []


def test_subject_and_header_of_the_command_line_are_sent(check, smtp_sink, sink_mail):
    sink = smtp_sink()

    run = check(sink, "--subject", "Probe of the night", "--header", "X-Site: Redmond")

    assert run.exit_code == 0
    (content,) = sink_mail(sink)
    assert b"\nSubject: Probe of the night\n" in content
    assert b"\nX-Site: Redmond\n" in content


@pytest.mark.parametrize(("command", "words", "stage"), COMMANDS)
def test_hard_error_is_critical(check, smtp_sink, command, words, stage):
    sink = smtp_sink("-f", command, "-B", "550 5.3.0 Not here")

    run = check(sink)

    assert run.exit_code == 2
    assert run.lines[0].startswith(f"MAILACCEPT CRITICAL - 127.0.0.1 refused {words}")
    assert run.lines[0].endswith(": 550 5.3.0 Not here")
    assert stage in run.perfdata


@pytest.mark.parametrize(("command", "words", "stage"), COMMANDS)
def test_soft_error_is_a_warning(check, smtp_sink, command, words, stage):
    sink = smtp_sink("-r", command, "-b", "450 4.2.1 Mailbox is being moved")

    run = check(sink)

    assert run.exit_code == 1
    assert run.lines[0].startswith(f"MAILACCEPT WARNING - 127.0.0.1 deferred {words}")
    assert run.lines[0].endswith(": 450 4.2.1 Mailbox is being moved")
    assert stage in run.perfdata


@pytest.mark.parametrize(("option", "reply"), [("-f", "500 5.3.0"), ("-r", "450 4.3.0")])
def test_refused_greeting_is_critical(check, smtp_sink, option, reply):
    """A 4yz greeting too: a server that sends one takes no mail from anybody."""
    sink = smtp_sink(option, "CONNECT")

    run = check(sink)

    assert run.exit_code == 2
    assert run.lines[0].startswith("MAILACCEPT CRITICAL - 127.0.0.1 ")
    assert f": {reply} Error: command failed" in run.lines[0]
    assert "ehlo" not in run.perfdata


@pytest.mark.parametrize("command", ["EHLO", *(command for command, _, _ in COMMANDS)])
def test_421_is_critical(check, smtp_sink, command):
    sink = smtp_sink("-Q", command)

    run = check(sink)

    assert run.exit_code == 2
    assert run.lines[0].startswith("MAILACCEPT CRITICAL - 127.0.0.1 ")
    assert "421 4.0.0 Server closing connection" in run.lines[0]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("CONNECT", "sent no SMTP greeting"),
        ("EHLO", "failed at EHLO"),
        ("MAIL", "failed at MAIL"),
        ("RCPT", "failed at RCPT"),
        ("DATA", "failed at DATA"),
        (".", "failed at the message"),
    ],
)
def test_connection_that_is_closed_is_critical(check, smtp_sink, command, words):
    sink = smtp_sink("-q", command)

    run = check(sink)

    assert run.exit_code == 2
    assert (
        run.lines[0] == f"MAILACCEPT CRITICAL - 127.0.0.1 {words}: connection closed by the server"
    )


@pytest.mark.parametrize("option", ["-f", "-q", "-Q"])
def test_failure_at_quit_changes_nothing(check, smtp_sink, sink_mail, option):
    sink = smtp_sink(option, "QUIT")

    run = check(sink)

    assert run.exit_code == 0
    assert run.status.startswith("MAILACCEPT OK - 127.0.0.1 accepted mail for good@mx.test in ")
    assert len(sink_mail(sink)) == 1


@pytest.mark.parametrize(
    ("options", "greeting"),
    [(["-e"], "a server without ESMTP"), (["-P"], "a Cisco PIX in front, which masks it")],
    ids=["-e", "-P"],
)
def test_helo_follows_a_refused_ehlo(check, smtp_sink, sink_mail, options, greeting):
    sink = smtp_sink("-f", "EHLO", *options)

    run = check(sink, "--profile", "none")

    assert run.exit_code == 0, greeting
    (content,) = sink_mail(sink)
    assert b"\nX-Client-Proto: SMTP\n" in content


def test_greeting_masked_by_a_firewall_is_shown(check, smtp_sink):
    sink = smtp_sink("-P")

    run = check(sink, "-vv")

    assert re.search(r"220 \*+", run.stdout)


def test_missing_extension_is_a_warning(check, smtp_sink):
    sink = smtp_sink()

    run = check(sink, "--require", "CHUNKING", "--profile", "none")

    assert run.exit_code == 1
    assert run.lines[0].startswith("MAILACCEPT WARNING - 127.0.0.1 ")
    assert "CHUNKING" in run.lines[0]


@pytest.mark.parametrize(
    ("command", "words"),
    [("CONNECT", "sent no greeting"), ("RCPT", "did not answer RCPT")],
    ids=["banner", "rcpt"],
)
def test_slow_server_is_timed_out(check, smtp_sink, command, words):
    sink = smtp_sink("-W", f"{command}:50")

    run = check(sink, "-t", "1")

    assert run.exit_code == 2
    assert run.lines[0] == f"MAILACCEPT CRITICAL - 127.0.0.1 {words} within 1s"
    # Less than the server would have taken, however slow this machine is.
    assert 1 <= run.seconds < 45


def test_latency_above_the_threshold(check, smtp_sink):
    sink = smtp_sink("-W", "RCPT:1")

    run = check(sink, "-w", "rcpt=0.5", "-c", "rcpt=20")

    assert run.exit_code == 1
    assert run.lines[0].startswith("MAILACCEPT WARNING - ")
    assert "rcpt" in run.lines[0]
    assert re.fullmatch(r"1\.\d{1,4}s;0\.5;20(;0)?", run.perfdata["rcpt"])


def test_rejection_while_the_message_is_sent(check, smtp_sink, sink_mail):
    """The 550 comes right after the 354, before or after the message was written."""
    sink = smtp_sink("-A", "0")

    run = check(sink)

    assert run.exit_code == 2
    assert run.lines[0].startswith("MAILACCEPT CRITICAL - 127.0.0.1 ")
    assert "the message: " in run.lines[0]
    assert "550 This violates SMTP" in run.lines[0]
    assert sink_mail(sink) == []

"""``--delivered`` against Postfix and Dovecot, with LMTP between them."""

from __future__ import annotations

import email
import re
import time

import pytest
from support.post_office import PostOffice, TokenServer, open_post_office

#: None has ever arrived that is older.
RANGE = ("-w", "delivered=900", "-c", "delivered=1800")
#: Whatever arrived before this run's message is too old.
AT_ONCE = ("-c", "delivered=1")
DAY = 86_400


@pytest.fixture(scope="module")
def tokens():
    with TokenServer() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def running_office(launch_for_session, server_directory, tokens):
    directory = server_directory("post-office")
    return open_post_office(directory, launch_for_session, tokens.server_address[1])


@pytest.fixture
def office(running_office) -> PostOffice:
    """Both servers, with empty mailboxes."""
    running_office.forget()
    for user in ("good", "held", "junk"):
        running_office.empty(user)
    return running_office


@pytest.fixture
def check(office, run_plugin):
    """Send to a user, and look into the user's mailbox."""

    def run(user, *arguments, scheme="imaps", folders="", secret=None):
        port = {"imaps": office.imaps, "imap": office.imap}[scheme]
        return run_plugin(
            "-H", "127.0.0.1", "-p", str(office.smtp), "-r", f"{user}@mx.test", "--profile", "none",
            "-f", "probe@contoso.com", "--ca-file", office.authority,
            "--delivered", f"{scheme}://{user}@127.0.0.1:{port}{folders}",
            *(secret or ("--delivered-password-file", office.password_file)), *arguments,
        )  # fmt: skip

    return run


def first(run) -> tuple[int, str]:
    return run.exit_code, run.first_line


def mark_of(header: bytes) -> str:
    """What tells the probes of one service from those of others."""
    return email.message_from_bytes(header)["X-Exchange-Mailaccept"].split()[-1]


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_probe_is_delivered_at_once(check, scheme):
    """The first one too, which is waited for; over TLS from the first byte, and by STARTTLS."""
    run = check("good", *RANGE, "-v", scheme=scheme)
    assert first(run) == (
        0,
        "MAILACCEPT OK - 127.0.0.1 accepted mail for good@mx.test in #s (delivered in #s)",
    )
    assert run.perfdata["delivered"].endswith("s;900;1800;0")
    assert re.fullmatch(r"[01]\.0s;;;0", run.perfdata["delay"])
    # Dovecot's LMTP calls itself as the host is called.
    (way,) = re.findall(
        r"\nDelivery: .* in INBOX\n +\+[01]s  mx\.test\n +\+[01]s  \S+\n", run.stdout
    )
    assert way


def test_xoauth2(check, office):
    """Dovecot asks the server of tokens."""
    run = check("good", *RANGE, secret=("--delivered-token-file", office.token_file))
    assert run.exit_code == 0, run.stdout
    run = check("good", *RANGE, secret=("--delivered-token-file", office.password_file))
    assert run.exit_code == 3
    assert "it refuses the logon of good: [AUTHENTICATIONFAILED]" in run.first_line


def test_a_queue_that_is_held_and_released(check, office):
    """Nothing has arrived; then something that waited; later nothing again, and that is too old."""
    run = check("held", *RANGE, "-t", "2")
    assert first(run) == (
        3,
        "MAILACCEPT UNKNOWN - accepted, but no probe has arrived yet;"
        " 127.0.0.1 accepted mail for held@mx.test in #s",
    )
    office.release()
    run = check("held", *RANGE, "-t", "20")
    assert run.exit_code == 0, run.stdout
    assert "(the probe of " in run.first_line
    assert float(run.perfdata["delay"].partition("s")[0]) >= 1

    run = check("held", *AT_ONCE, "-t", "3")
    assert run.exit_code == 2
    assert re.match(
        r"MAILACCEPT CRITICAL - accepted, but the newest probe that arrived is #s old; 127",
        run.first_line,
    )
    assert "Meaning: Mail is accepted and not delivered" in run.stdout


def test_after_a_pause_the_message_of_this_run_is_enough(check, office):
    """It is waited for before anybody is woken; the gap is told."""
    run = check("good", *RANGE)
    ((_, header),) = office.letters("good")
    mark = mark_of(header)
    office.empty("good")
    office.append("good", probe(mark, 3 * DAY), ago=3 * DAY)
    run = check("good", *RANGE, "-v")
    assert run.exit_code == 0, run.stdout
    assert "(delivered in " in run.first_line
    assert "Note: before it no probe had arrived for 3 days" in run.stdout


def test_a_mailbox_over_quota(check):
    """Dovecot refuses it, and Postfix has already accepted it."""
    run = check("full", *RANGE, "-t", "2")
    assert run.exit_code == 3
    assert "accepted, but no probe has arrived yet" in run.first_line


def test_a_sieve_that_takes_it_for_junk(check):
    run = check("junk", *RANGE, "-t", "3", folders="/INBOX,Junk")
    assert first(run) == (
        1,
        "MAILACCEPT WARNING - accepted, but the newest probe arrived in Junk and not in INBOX;"
        " 127.0.0.1 accepted mail for junk@mx.test in #s",
    )
    run = check("junk", *RANGE, "-t", "3", "--severity", "delivered=ok", folders="/INBOX,Junk")
    assert run.exit_code == 0, run.stdout


def test_a_logon_that_is_refused(check, office):
    run = check("good", *RANGE, secret=("--delivered-password-file", office.token_file))
    assert run.exit_code == 3
    assert run.first_line.startswith(
        "MAILACCEPT UNKNOWN - could not look into the mailbox at 127.0.0.1: it refuses the logon of"
        " good: [AUTHENTICATIONFAILED] Authentication failed."
    )


def probe(mark: str, ago: float, subject: str = "Mail acceptance test") -> bytes:
    date = email.utils.formatdate(time.time() - ago)
    return (
        f"From: Mail acceptance test <probe@contoso.com>\r\nDate: {date}\r\nSubject: {subject}\r\n"
        f"X-Exchange-Mailaccept: probe 1.0.0 {mark}\r\n\r\nA test.\r\n"
    ).encode()


def test_old_probes_are_deleted_and_nothing_else_is_touched(check, office):
    """300 of its own, three days old; those of another service stay, and so does other mail."""
    check("good", *RANGE)
    ((_, header),) = office.letters("good")
    mark = mark_of(header)
    old = [probe(mark, 3 * DAY + number) for number in range(300)]
    office.append("good", *old, ago=3 * DAY)
    office.append("good", probe("0123456789ab", 3 * DAY, "another's"), ago=3 * DAY)
    office.append(
        "good", b"From: a@contoso.com\r\nSubject: ordinary\r\n\r\nHello.\r\n", ago=3 * DAY
    )
    run = check("good", *RANGE)
    assert run.exit_code == 0, run.stdout
    left = office.letters("good")
    subjects = [email.message_from_bytes(header)["Subject"] for _, header in left]
    assert len(subjects) <= 4
    assert set(subjects) == {"Mail acceptance test", "another's", "ordinary"}
    assert {flags for flags, _ in left} == {""}


def test_the_newest_probe_is_never_deleted(check, office):
    """Not even in an outage that lasts for days."""
    check("held", *RANGE, "-t", "1")
    office.release()
    run = check("held", *RANGE, "-t", "20")
    assert run.exit_code == 0, run.stdout
    header = office.letters("held")[0][1]
    mark = mark_of(header)
    office.empty("held")
    office.append("held", probe(mark, 5 * DAY), probe(mark, 4 * DAY), ago=4 * DAY)
    run = check("held", *RANGE, "-t", "2")
    assert "accepted, but the newest probe that arrived is 4 days old" in run.first_line
    assert run.exit_code == 2
    assert len(office.letters("held")) == 1


def test_two_monitors_do_not_hide_each_other(check, office):
    """Each waits for its own probe, though the other's has arrived."""
    run = check("good", *RANGE, "-F", "monitor1.contoso.com")
    assert run.exit_code == 0, run.stdout
    run = check("held", *RANGE, "-F", "monitor1.contoso.com", "-t", "1")
    office.release()
    assert check("held", *RANGE, "-F", "monitor1.contoso.com", "-t", "20").exit_code == 0
    run = check("held", *RANGE, "-F", "monitor2.contoso.com", "-t", "2")
    assert run.exit_code == 3
    assert "no probe has arrived yet" in run.first_line

"""The envelope and the probe message: every byte that goes over the wire."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange_mailaccept.cli.words import OWN_HEADERS
from exchange_mailaccept.protocol import message
from exchange_mailaccept.protocol.message import (
    Content,
    Envelope,
    compose,
    data_stream,
    mail_command,
    rcpt_command,
)
from exchange_mailaccept.protocol.reply import NO_EXTENSIONS, Extensions

PROBE = Envelope("probe@client.example", "postmaster@contoso.com")
DSN = Extensions("mail.contoso.com", {"DSN": (), "SIZE": ()})
NO_DSN = Extensions("mail.contoso.com", {"SIZE": (), "XDSN": ()})

WHOLE = b"""\
From: Mail acceptance test <probe@client.example>\r
To: <postmaster@contoso.com>\r
Date: Sun, 06 Nov 1994 08:49:37 +0000\r
Message-ID: <1@client.example>\r
Subject: Mail acceptance test\r
Auto-Submitted: auto-generated\r
X-Auto-Response-Suppress: All\r
Precedence: bulk\r
X-Exchange-Mailaccept: probe 7.8.9\r
\r
This message is a test of whether this server accepts mail.\r
It was sent by a monitoring system. It needs no answer and can be deleted.\r
"""


@pytest.fixture(autouse=True)
def _known_version(monkeypatch):
    monkeypatch.setattr(message, "__version__", "7.8.9")


def composed(envelope: Envelope = PROBE, content: Content = Content()) -> bytes:  # noqa: B008
    return compose(envelope, content, "<1@client.example>", 784_111_777.0)


def test_the_probe_message_whole():
    assert composed() == WHOLE
    assert [line.partition(b":")[0].decode().lower() for line in WHOLE.splitlines()[:9]] == (
        [*OWN_HEADERS]
    )


def test_the_users_subject_and_headers():
    expected = WHOLE.replace(b"Subject: Mail acceptance test\r\n", b"Subject: Probe 1\r\n").replace(
        b"probe 7.8.9\r\n", b"probe 7.8.9\r\nX-First: 1\r\nX-Second: a: b\r\n"
    )
    assert composed(content=Content("Probe 1", ("X-First: 1", "X-Second: a: b"))) == expected


def test_the_message_of_the_null_sender_still_has_an_author():
    """Exchange Online refuses a From without an address (550 5.7.512)."""
    expected = WHOLE.replace(b"<probe@client.example>", b"<mail-acceptance-test@contoso.com>", 1)
    assert composed(Envelope("", PROBE.recipient)) == expected


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (PROBE, "MAIL FROM:<probe@client.example>"),
        (Envelope("", "a@b.example"), "MAIL FROM:<>"),
        (Envelope("a@b.example", "\u00fc@c.example"), "MAIL FROM:<a@b.example> SMTPUTF8"),
        (Envelope("\u00fc@b.example", "a@c.example"), "MAIL FROM:<\u00fc@b.example> SMTPUTF8"),
        (Envelope("", "\u00fc@c.example"), "MAIL FROM:<> SMTPUTF8"),
        (Envelope('"a b"@c.example', "a@c.example"), 'MAIL FROM:<"a b"@c.example>'),
    ],
)
def test_the_mail_command(envelope, expected):
    """SMTPUTF8 exactly if an address needs it (RFC 6531 3.4)."""
    assert mail_command(envelope) == expected


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (DSN, "RCPT TO:<postmaster@contoso.com> NOTIFY=NEVER"),
        (NO_DSN, "RCPT TO:<postmaster@contoso.com>"),
        (NO_EXTENSIONS, "RCPT TO:<postmaster@contoso.com>"),
    ],
)
def test_the_rcpt_command_asks_for_no_report_where_it_may(offered, expected):
    """NOTIFY=NEVER only with DSN (RFC 3461 4.1): a server without it would refuse the command."""
    assert rcpt_command(PROBE, offered) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".a\r\n", b"..a\r\n.\r\n"),
        (b"..\r\n", b"...\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b".\r\n.\r\n.\r\n", b"..\r\n..\r\n..\r\n.\r\n"),
        (b"a.\r\nb.c\r\n", b"a.\r\nb.c\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
    ],
)
def test_dots_are_stuffed_at_the_beginning_of_lines(text, expected):
    """RFC 5321 4.5.2."""
    assert data_stream(text) == expected


def received(stream: bytes) -> bytes:
    """The mail data as a server reads them: line by line, up to the dot (RFC 5321 4.5.2)."""
    *lines, dot, rest = stream.split(b"\r\n")
    assert (dot, rest) == (b".", b"")
    assert b"." not in lines, "the message ends before its end"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


_LINES = st.lists(st.text(st.sampled_from(". aZ\t-\u00fc"), max_size=8).map(str.encode), max_size=8)


@given(_LINES)
@example([b"."])
@example([b"", b".", b"..", b""])
def test_what_a_server_reads_is_the_message(lines):
    """Un-stuffed, every message is what it was, and ends at its own end only."""
    text = b"".join(line + b"\r\n" for line in lines)
    assert received(data_stream(text)) == text


_PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


@given(
    subject=_PRINTABLE,
    headers=st.lists(_PRINTABLE.map("X-Test: {}".format), max_size=4),
    local_part=st.text("abc.\u00fc", min_size=1, max_size=64),
)
def test_the_whole_stream_is_sound(subject, headers, local_part):
    """CRLF only, no line beyond 998 octets (RFC 5322 2.1.1), one final dot; the text unharmed."""
    envelope = Envelope(f"{local_part}@client.example", "postmaster@contoso.com")
    text = compose(envelope, Content(subject, tuple(headers)), "<1@client.example>", 0.0)
    stream = data_stream(text)
    lines = stream.split(b"\r\n")
    assert received(stream) == text
    assert stream.endswith(b"\r\n.\r\n")
    assert [line for line in lines if b"\r" in line or b"\n" in line or len(line) > 998] == []

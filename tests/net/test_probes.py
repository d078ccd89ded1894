"""What is read of the probes in a mailbox, and what they show: values in, values out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.net.probes import (
    Hop,
    Newest,
    Probe,
    folder_name,
    hops,
    newest,
    parse,
    ways,
)

#: Sat, 28 Nov 2026 08:00:00 +0000.
EIGHT = 1795852800
OWN, OTHER = "0123456789ab", "ba9876543210"


def fetched(
    header: bytes,
    before: bytes = b"1 (UID 7 FLAGS (\\Seen) "
    b'INTERNALDATE "28-Nov-2026 09:00:05 +0100" BODY[HEADER.FIELDS (DATE)] {99}',
    after: bytes = b")",
) -> list[object]:
    """What imaplib makes of the response for one message."""
    return [(before, header), after]


def header(value: bytes = b"probe 1.0.0 0123456789ab") -> bytes:
    date = b"Date: Sat, 28 Nov 2026 08:00:00 +0000\r\n"
    return date + b"X-Exchange-Mailaccept: " + value + b"\r\n\r\n"


PROBE = Probe(OWN, EIGHT, EIGHT + 5, "INBOX", 7)


@pytest.mark.parametrize(
    "answer",
    [
        fetched(header()),
        # The order is the server's choice.
        fetched(
            header(),
            b"1 (BODY[HEADER.FIELDS (DATE)] {99}",
            b' INTERNALDATE "28-Nov-2026 08:00:05 +0000" UID 7)',
        ),
        fetched(header(), b'1 (UID 7 INTERNALDATE " 8-Nov-2026 08:00:05 +0000" BODY[] {9}'),
        fetched(header(b"probe 1.0.0\r\n 0123456789ab")),
        fetched(header().replace(b"\r\n", b"\n").lower()),
    ],
)
def test_a_probe_is_read(answer):
    (probe,) = parse(answer, "INBOX")
    assert probe._replace(arrived=PROBE.arrived) == PROBE
    assert probe.arrived in (EIGHT + 5, EIGHT + 5 - 20 * 86_400)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [None],
        [b")"],
        fetched(b"Date: Sat, 28 Nov 2026 08:00:00 +0000\r\nSubject: lunch\r\n\r\n"),
        # Probes of checks that look into no mailbox have no mark.
        fetched(header(b"probe 1.0.0")),
        fetched(header(b"drop 1.0.0 0123456789ab")),
        fetched(header().replace(b"Date", b"Data")),
        fetched(header().replace(b"28 Nov 2026", b"99 Foo 99999999999999")),
        fetched(header(), b'1 (INTERNALDATE "28-Nov-2026 08:00:05 +0000" BODY[] {9}'),
        fetched(header(), b'1 (UID 7 INTERNALDATE "soon" BODY[] {9}'),
        fetched(header(), b"1 (UID 7 BODY[] {9}"),
        fetched(
            header(),
            b'1 (UID 7 FLAGS (\\Deleted) INTERNALDATE "28-Nov-2026 08:00:05 +0000" BODY[] {9}',
        ),
    ],
)
def test_what_is_no_probe_or_can_t_be_read_is_left_out(answer):
    assert parse(answer, "INBOX") == []


WAY = (
    b"Received: from MBX01.contoso.com (10.0.0.1) by\r\n"
    b" MBX02.contoso.com (10.0.0.2) with Microsoft SMTP Server (version=TLS1_2;\r\n"
    b" cipher=TLS_A) id 15.2.1; Sat, 28 Nov 2026 09:01:30 +0100\r\n"
    b"Received: from somewhere; yesterday\r\n"
    b"Received: by relay.contoso.com (no date)\r\n"
    b"Received: from monitor ([192.0.2.9]) by MBX01.contoso.com with ESMTP;\r\n"
    b"\tSat, 28 Nov 2026 08:00:02 +0000 (UTC)\r\n"
    b"\r\n"
)


def test_the_way_is_told_from_the_first_server_to_the_last():
    """With the seconds since the one before; who noted no time has none."""
    assert hops(WAY, EIGHT) == (
        Hop("MBX01.contoso.com", 2),
        Hop("relay.contoso.com", None),
        Hop("MBX02.contoso.com", 88),
    )
    assert hops(b"", EIGHT) == ()


def test_ways_are_found_by_uid():
    assert ways(
        [(b"1 (UID 7 BODY[...] {5}", b"a"), b")", (b"2 (BODY[...] {5}", b"b"), b" UID 9)"]
    ) == {
        7: b"a",
        9: b"b",
    }


def at(sent: float, arrived: float = 0.0, mark: str = OWN, folder: str = "INBOX") -> Probe:
    return Probe(mark, EIGHT + sent, EIGHT + (arrived or sent), folder, 1)


NOW = EIGHT + 1000


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ([], Newest()),
        ([at(500, mark=OTHER)], Newest()),
        ([at(0), at(500), at(200)], Newest(at(500), 500, False, 300)),
        # That of this run.
        ([at(0), at(999)], Newest(at(999), 1, True, 999)),
        # Twice the same, in two folders.
        ([at(500), at(500, folder="Junk")], Newest(at(500), 500, False, None)),
        # The monitor's clock was wrong then, or is a little behind now.
        ([at(5000), at(100)], Newest(at(100), 900, False, None)),
        ([at(1100)], Newest(at(1100), 0, False, None)),
    ],
)
def test_the_newest_probe_is_the_one_that_was_sent_last(probes, expected):
    assert newest(probes, OWN, NOW, EIGHT + 999.5) == expected


@pytest.mark.parametrize(
    ("sent", "arrived", "delay", "skew"),
    [
        (0, 42, 42, 0),
        (0, 0.0, 0, 0),
        # The server's clock is slow by less than two minutes, or by more.
        (500, 400, 0, 0),
        (500, 200, None, 300),
        # It is fast: the probe has arrived in the future.
        (990, 1100, 110, 0),
        (990, 1200, None, 200),
    ],
)
def test_the_delay_is_told_unless_the_clocks_differ(sent, arrived, delay, skew):
    newest_probe = newest([at(sent, arrived)], OWN, NOW, NOW)
    assert (newest_probe.delay, newest_probe.skew) == (delay, skew)


@given(st.lists(st.none() | st.binary() | st.tuples(st.binary(), st.binary())), st.binary())
def test_whatever_a_server_says_can_be_read(answer, text):
    """Also where the right beginning is followed by anything."""
    about = b'1 (UID 7 INTERNALDATE "' + text + b'" BODY[] {9}'
    parse([*answer, (about, header()), (answer[0] if answer else None)], "INBOX")
    parse(fetched(header().replace(b"28 Nov", text)), "INBOX")
    ways([*answer, (about, text)])
    hops(WAY.replace(b"28 Nov", text) + text, EIGHT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("INBOX", '"INBOX"'),
        ("Junk Email", '"Junk Email"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("A & B", '"A &- B"'),
        ("Gel\u00f6schte", '"Gel&APY-schte"'),
        ("\u53f0\u5317", '"&U,BTFw-"'),
    ],
)
def test_a_folder_s_name_is_encoded(name, expected):
    assert folder_name(name) == expected

"""TLSA records: what they say, which of them senders use, and what they match."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.policies.tlsa import Record, parse, usable

#: Digests of "abc" (FIPS 180-2, appendices B.1 and C.1).
SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
SHA512 = (
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
)


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("3 1 1 00ff", Record(3, 1, 1, b"\x00\xff")),
        # Long data come in groups.
        ("2 0 0 0102 0304\tA0", Record(2, 0, 0, b"\x01\x02\x03\x04\xa0")),
        ("255 255 255 00", Record(255, 255, 255, b"\x00")),
    ],
)
def test_a_record_is_read_as_it_is_in_a_zone_file(text, record):
    assert parse(text) == record


@given(st.binary(min_size=3, max_size=400))
def test_every_record_that_dns_can_carry_is_read(wire):
    """Even one without data; what comes first are the three numbers (RFC 6698 2.1)."""
    text = dns.rdata.from_wire("IN", "TLSA", wire, 0, len(wire)).to_text()
    assert parse(text) == Record(wire[0], wire[1], wire[2], wire[3:])


def test_a_record_is_shown_by_its_numbers_and_its_beginning():
    assert str(parse(f"3 1 1 {SHA256}")) == "3 1 1 ba7816bf..."


@pytest.mark.parametrize(
    ("text", "certificate", "public_key", "expected"),
    [
        (f"3 0 1 {SHA256}", b"abc", b"key", True),
        (f"3 1 1 {SHA256}", b"abc", b"key", False),
        (f"3 1 1 {SHA256}", b"certificate", b"abc", True),
        (f"3 1 2 {SHA512}", b"certificate", b"abc", True),
        (f"3 0 2 {SHA512}", b"certificate", b"abc", False),
        ("3 0 0 616263", b"abc", b"key", True),
        ("3 1 0 616263", b"certificate", b"abc", True),
        ("3 1 0 616263", b"abc", b"abcd", False),
    ],
)
def test_selector_and_matching_type_say_what_is_compared(text, certificate, public_key, expected):
    assert parse(text).matches(certificate, public_key) is expected


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["3 1 1", "2 0 2", "3 0 0"], ["3 1 1", "2 0 2", "3 0 0"]),
        # PKIX-TA and PKIX-EE are not for SMTP (RFC 7672 3.1.3).
        (["0 0 1", "1 1 1", "4 1 1", "255 1 1"], []),
        (["3 2 1", "3 1 3", "3 1 255"], []),
        (["1 1 1", "3 1 1"], ["3 1 1"]),
        # The stronger digest of each usage and selector, and what is not a digest (RFC 7671 9).
        (["3 1 1", "3 1 2", "3 0 1", "2 1 1"], ["3 1 2", "3 0 1", "2 1 1"]),
        (["3 1 2", "3 1 1", "3 1 0"], ["3 1 2", "3 1 0"]),
    ],
)
def test_senders_use_what_they_understand_and_of_digests_the_stronger(records, expected):
    data = {"0": "616263", "1": SHA256, "2": SHA512}
    parsed = [parse(f"{record} {data.get(record[-1], SHA256)}") for record in records]
    assert [str(record)[:5] for record in usable(parsed)] == expected


@pytest.mark.parametrize(
    "text", [f"3 1 1 {SHA512}", f"3 1 2 {SHA256}", f"3 1 1 {SHA256[:-2]}", f"3 1 1 {SHA256}00"]
)
def test_a_digest_of_the_wrong_length_is_not_used(text):
    assert usable([parse(text)]) == ()


def test_an_empty_record_is_not_used():
    assert usable([Record(3, 1, 0, b"")]) == ()

"""TXT record and policy of MTA-STS; the good ones are the examples of RFC 8461."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.policies.sts_policy import Policy, PolicyError, parse, policy_id

EXAMPLE = b"""\
version: STSv1
mode: enforce
mx: mail.example.com
mx: *.example.net
mx: backupmx.example.com
max_age: 604800
"""
NAMES = ("mail.example.com", "*.example.net", "backupmx.example.com")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1; id=1"], "1"),
        (["v=STSv1;id=1;"], "1"),
        (["v=STSv1 ;id=1"], ""),
        (["v=STSv1; x-y.z=some,thing; id=1"], "1"),
        # The first of two counts.
        (["v=STSv1; id=1; id=2"], "1"),
        (["v=spf1 -all", "v=STSv1; id=1;"], "1"),
        (["v=spf1 -all"], ""),
        (["v=STSv2; id=1;"], ""),
        (["V=STSv1; id=1;"], ""),
        ([], ""),
    ],
)
def test_the_record_is_found_among_others(texts, expected):
    assert policy_id(texts) == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["v=STSv1; id=1;"] * 2, "there are 2 of them"),
        (["v=STSv1;"], "it has no id of 1 to 32 letters and digits"),
        (["v=STSv1; id=;"], "'id=' is not a field"),
        (["v=STSv1; id=2026-01-01;"], "it has no id of 1 to 32 letters and digits"),
        ([f"v=STSv1; id={'1' * 33};"], "it has no id of 1 to 32 letters and digits"),
        (["v=STSv1; ; id=1"], "'' is not a field"),
        (["v=STSv1; id=1; text"], "'text' is not a field"),
        (["v=STSv1; id=1; -x=1"], "'-x=1' is not a field"),
        (["v=STSv1; id=1; x=a b"], "'x=a b' is not a field"),
        (["v=STSv1; id=1; x=a=b"], "'x=a=b' is not a field"),
    ],
)
def test_a_malformed_record_is_refused(texts, said):
    with pytest.raises(PolicyError) as caught:
        policy_id(texts)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (EXAMPLE, Policy("enforce", NAMES, 604_800)),
        (EXAMPLE.replace(b"\n", b"\r\n"), Policy("enforce", NAMES, 604_800)),
        (EXAMPLE.rstrip(b"\n"), Policy("enforce", NAMES, 604_800)),
        (EXAMPLE.replace(b"enforce", b"testing \t"), Policy("testing", NAMES, 604_800)),
        (EXAMPLE.replace(b": ", b":"), Policy("enforce", NAMES, 604_800)),
        (EXAMPLE + b"mode: none\nmax_age: 1\n", Policy("enforce", NAMES, 604_800)),
        (EXAMPLE + "note: für später\n".encode(), Policy("enforce", NAMES, 604_800)),
        (EXAMPLE.replace(b"604800", b"31557600"), Policy("enforce", NAMES, 31_557_600)),
        (b"max_age: 0\nmode: none\nversion: STSv1\n", Policy("none", (), 0)),
    ],
)
def test_a_policy_is_read(body, expected):
    assert parse(body) == expected


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"version: STSv1\n", b"", "it has no version"),
        (b"STSv1", b"STSv2", "its version is 'STSv2' and not STSv1"),
        (b"mode: enforce\n", b"", "it has no mode"),
        (b"enforce", b"Enforce", "its mode is 'Enforce' and not enforce, testing or none"),
        (b"max_age: 604800\n", b"", "it has no max_age"),
        (b"604800", b"31557601",
         "its max_age is '31557601' and not a number of seconds to 31557600"),
        (b"604800", b"1w", "its max_age is '1w' and not a number of seconds to 31557600"),
        (b"604800", b"-1", "its max_age is '-1' and not a number of seconds to 31557600"),
        (b"mail.example.com", b"mail.*.com", "its mx 'mail.*.com' is not a name"),
        (b"mail.example.com", b"mail_1.example.com", "its mx 'mail_1.example.com' is not a name"),
        (b"mail.example.com", b".example.com", "its mx '.example.com' is not a name"),
        (b"mail.example.com", b"", "its mx '' is not a name"),
        (b"mx: mail", b"\nmx: mail", "'' is not a field"),
        (b"mx: mail", b"mx mail", "'mx mail.example.com' is not a field"),
        (b"mx: mail", b" mx: mail", "' mx: mail.example.com' is not a field"),
        (b"enforce", b"\xff", "it is not UTF-8"),
        (EXAMPLE, b"", "it has no version"),
        (EXAMPLE, b"<html>\n", "'<html>' is not a field"),
        (EXAMPLE, b"version: STSv1\nmode: testing\nmax_age: 1\n", "it names no mx"),
    ],
)  # fmt: skip
def test_a_malformed_policy_is_refused(before, after, said):
    with pytest.raises(PolicyError) as caught:
        parse(EXAMPLE.replace(before, after, 1))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.COM", True),
        ("mail.example.net", True),
        ("example.net", False),
        # The asterisk is for one label (RFC 8461 4.1).
        ("a.mail.example.net", False),
        ("mail.example.org", False),
        ("xmail.example.com", False),
    ],
)
def test_an_mx_is_listed_by_name_or_by_its_first_label(host, expected):
    assert Policy("enforce", NAMES, 1).lists(host) is expected


@given(st.binary(max_size=300), st.integers(0, 200))
def test_whatever_is_served_is_a_policy_or_an_error(rubbish, place):
    for body in (rubbish, EXAMPLE[:place] + rubbish + EXAMPLE[place:]):
        with contextlib.suppress(PolicyError):
            assert parse(body).mode in ("enforce", "testing", "none")


@given(st.text(max_size=100))
def test_whatever_is_published_is_a_record_or_an_error(rubbish):
    with contextlib.suppress(PolicyError):
        assert policy_id([f"v=STSv1;{rubbish}"]).isalnum()

"""Dates of messages and certificates, whatever the locale and the time zone of the host."""

from __future__ import annotations

import locale
import ssl
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.programs import find_program, unavailable

from exchange_mailaccept.net.certificate import seconds_of
from exchange_mailaccept.protocol.message import rfc5322_date


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 +0000"),
        (951_782_399.999, "Mon, 28 Feb 2000 23:59:59 +0000"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
        (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 +0000"),
        (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 +0000"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC0", "Pacific/Kiritimati", "<-0330>3:30", "XXX-14", ""])
def test_the_date_knows_no_time_zone(now, expected, zone, monkeypatch):
    """RFC 5322 3.3, in UTC, wherever the monitoring host stands."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        date = rfc5322_date(now)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert date == expected


@pytest.mark.parametrize("name", ["de_DE", "ar_EG"])
def test_the_date_knows_no_locale(name, tmp_path, monkeypatch):
    # Made here, since hardly any machine has it.
    made = [find_program("localedef", "libc-bin"), "-i", name, "-f", "UTF-8", tmp_path / name]
    if subprocess.run(made, capture_output=True, check=False).returncode != 0:
        unavailable(f"locale {name} can't be made (apt install locales)")
    before = locale.setlocale(locale.LC_ALL)
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    try:
        locale.setlocale(locale.LC_ALL, name)
        assert time.strftime("%a", time.gmtime(784_111_777)) != "Sun"
        date = rfc5322_date(784_111_777)
    finally:
        # The machine's own locales are not below LOCPATH.
        monkeypatch.undo()
        locale.setlocale(locale.LC_ALL, before)
    assert date == "Sun, 06 Nov 1994 08:49:37 +0000"


@given(st.integers(0, 253_402_300_799))
def test_a_time_of_a_certificate_is_what_ssl_takes_it_for(moment):
    """In every month and century, without the modules that ``ssl`` imports for it."""
    day = time.gmtime(moment)
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[day.tm_mon - 1]
    text = f"{month} {day.tm_mday:2} {time.strftime('%H:%M:%S %Y', day)} GMT"
    assert seconds_of(text) == ssl.cert_time_to_seconds(text) == moment

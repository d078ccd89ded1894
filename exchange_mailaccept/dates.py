"""Dates as messages and certificates write them, in English whatever the locale."""

from __future__ import annotations

import time

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def rfc5322(now: float) -> str:
    """``now`` (seconds since the epoch) as RFC 5322 3.3 writes it, in UTC."""
    day = time.gmtime(now)
    return (
        f"{_DAYS[day.tm_wday]}, {day.tm_mday:02} {_MONTHS[day.tm_mon - 1]} {day.tm_year}"
        f" {day.tm_hour:02}:{day.tm_min:02}:{day.tm_sec:02} +0000"
    )


def from_openssl(text: str) -> float:
    """A time as OpenSSL writes it, ``Jan  5 09:34:43 2018 GMT``, in seconds since the epoch.

    :raises ValueError: it is no such time
    """
    from datetime import datetime, timezone

    month, day, clock, year, _ = text.split()
    hour, minute, second = map(int, clock.split(":"))
    number = _MONTHS.index(month) + 1
    date = datetime(int(year), number, int(day), hour, minute, tzinfo=timezone.utc)
    # Added apart: UTC has leap seconds (a second 60), and datetime has none.
    return date.timestamp() + second

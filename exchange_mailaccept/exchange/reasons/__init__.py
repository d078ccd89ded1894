"""Why any mail server may refuse, and what to do about it; data.

The table in ``failures`` has the replies of Exchange itself.  In front of Exchange, or in its
place, answer gateways, filters and other mail servers; each has its own words for the same few
reasons, which are in ``wordings``.

Nothing of this is imported by a run in which nothing fails.
"""

from __future__ import annotations

from . import others, probe
from .reason import Reason
from .wordings import SEARCHED

_BY_KEY = {reason.key: reason for reason in (*probe.REASONS, *others.REASONS)}
#: In the order of the search.
REASONS: tuple[Reason, ...] = tuple(_BY_KEY[key] for key in dict(SEARCHED))

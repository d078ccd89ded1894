"""Why any mail server may refuse mail, and what to do about it; data.

The table in ``failures`` has the replies of Exchange itself.  Gateways, filters and other mail
servers may answer in front of Exchange or instead of it.  They have their own words, which are in
``wordings``, for the same few reasons.

A run in which nothing fails does not import this.
"""

from __future__ import annotations

from . import others, probe
from .reason import Reason
from .wordings import SEARCHED

_BY_KEY = {reason.key: reason for reason in (*probe.REASONS, *others.REASONS)}
#: In the order of the search.
REASONS: tuple[Reason, ...] = tuple(_BY_KEY[key] for key in dict(SEARCHED))

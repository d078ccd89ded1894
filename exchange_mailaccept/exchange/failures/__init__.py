"""What is known of failures: what Exchange answers, why, and what to do about it; data.

A module for each kind of failure, as ``docs/failures`` has a page for each, made from it; within a
module the order is that of the stages.  Sources: Microsoft's pages *DSNs and NDRs in Exchange
Server* and *Email non-delivery reports and SMTP errors in Exchange Online*, the support articles
named by their number, and logs that administrators have published.  Replies that only senders see,
in bounces or as a client, are not here; ``docs/failures/README.md`` lists them.

Nothing of this is imported by a run in which nothing fails.
"""

from __future__ import annotations

from . import connector, load, policy, probe, protocol, recipient, server, tls
from .row import Row

#: The table; of two rows that fit equally well the first wins.
ROWS: tuple[Row, ...] = (
    *server.ROWS,
    *load.ROWS,
    *recipient.ROWS,
    *connector.ROWS,
    *tls.ROWS,
    *protocol.ROWS,
    *probe.ROWS,
    *policy.ROWS,
)

"""What Exchange answers when it fails, why, and what to do about it; data.

Each kind of failure has a page in ``docs/failures`` that is made from its rows, and a module; two
kinds with many rows have a second one (``proxy`` of ``server``, ``reputation`` of ``probe``).  The
rows of a module are in the order of the stages.  Sources: Microsoft's pages *DSNs and NDRs in
Exchange Server* and *Email non-delivery reports and SMTP errors in Exchange Online*, the support
articles named by their number, and logs that administrators have published.  Replies that occur
only in non-delivery reports, or that Exchange gives as a client, are not here;
``docs/failures/README.md`` lists them.

A run in which nothing fails does not import this.
"""

from __future__ import annotations

from . import connector, load, policy, probe, protocol, proxy, recipient, reputation, server, tls
from .row import Row

#: The table.  If two rows fit equally well, the first wins.
ROWS: tuple[Row, ...] = (
    *server.ROWS,
    *proxy.ROWS,
    *load.ROWS,
    *recipient.ROWS,
    *connector.ROWS,
    *tls.ROWS,
    *protocol.ROWS,
    *probe.ROWS,
    *reputation.ROWS,
    *policy.ROWS,
)

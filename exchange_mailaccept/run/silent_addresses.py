"""Addresses that gave no answer while another one of the server was connected."""

from __future__ import annotations

from ..protocol.conversation import Close, Connect, Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Optional

    from ..protocol.conversation import Session

#: Seconds in which the kernel sends the first packet of a connection three times (RFC 6298 2).
PATIENCE = 3.5
#: Causes that say something of the addresses and not of this host.
_OF_THE_SERVER = (Cause.SILENT, Cause.NO_ANSWER, Cause.REFUSED, Cause.RESET, Cause.UNREACHABLE)


def look_again(
    session: Session, source_address: str, left: Optional[float]
) -> Generator[Any, Any, Session]:
    """Connect to the silent addresses of ``session`` once more, and add those that fail to it.

    When another address was connected they had been given a fraction of a second (RFC 8305 5),
    which proves nothing.  If one of them answers now, nothing is said of the others.

    :param left: seconds that this may take; ``None`` for as long as the run lasts
    """
    patience = PATIENCE if left is None else min(left, PATIENCE)
    silent = session.silent_addresses
    yield Close()
    answer = yield Connect(silent, session.server.port, source_address, patience)
    fault = answer.fault
    failed: tuple[tuple[str, Fault], ...] = ()
    if fault is None:
        failed = answer.failed
    elif patience == PATIENCE and answer.left > 0 and fault.cause in _OF_THE_SERVER:
        if fault.cause in (Cause.SILENT, Cause.NO_ANSWER):
            fault = Fault(fault.cause, f"no answer within {PATIENCE}s")
        failed = tuple((address, fault) for address in silent)
    return session._replace(failed_addresses=(*session.failed_addresses, *failed))

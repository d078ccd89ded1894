"""Compares the MX of a domain with those that it should have (``--expect-mx``).

A changed MX sends all mail of the domain elsewhere, and who takes it there often says 250 too.
"""

from __future__ import annotations

from ..protocol.conversation import Fault, MailHost
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Optional, Union

    from ..protocol.mx import MailHosts


class MxSet(NamedTuple):
    """What is wrong with the MX of a domain, beside some that are as expected."""

    #: Those that the domain should not have; they are not connected.
    unexpected: tuple[MailHost, ...] = ()
    #: Names that the domain should have and does not have.
    missing: tuple[str, ...] = ()
    #: Whether senders prefer an unexpected one to every expected one.
    preferred: bool = False


def compare(
    domain: str, found: MailHosts, expected: Sequence[str]
) -> tuple[Union[MailHosts, Fault], Optional[MxSet]]:
    """Keep the hosts of ``found`` that are ``expected``, and say what is wrong with the others.

    It is a fault if there is no MX record, or if none of them is expected.

    :param expected: names in lower case; with ``*.`` in front, one or more labels take its place
    """
    wanted = ", ".join(expected)
    if all(host.preference is None for host in found.hosts):
        return Fault(Cause.UNEXPECTED_MX, f"{domain} has no MX record (expected: {wanted})"), None
    kept = tuple(host for host in found.hosts if any(_fits(host, name) for name in expected))
    others = tuple(host for host in found.hosts if host not in kept)
    if not kept:
        names = ", ".join(host.name for host in others)
        words = f"{domain} has the wrong MX, {names} (expected: {wanted})"
        return Fault(Cause.UNEXPECTED_MX, words), None
    missing = tuple(
        name
        for name in dict.fromkeys(expected)
        if not name.startswith("*.") and not any(_fits(host, name) for host in kept)
    )
    notes = tuple(
        f"MX {host.preference} {host.name} is not expected and was not connected" for host in others
    )
    preferred = bool(others) and _best(others) < _best(kept)
    return found._replace(hosts=kept, notes=(*found.notes, *notes)), MxSet(
        others, missing, preferred
    )


def _fits(host: MailHost, name: str) -> bool:
    if name.startswith("*."):
        return host.name.lower().endswith(name[1:])
    return host.name.lower() == name


def _best(hosts: Sequence[MailHost]) -> int:
    return min(host.preference or 0 for host in hosts)

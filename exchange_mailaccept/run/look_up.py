"""Looks up the mail servers of a target and their addresses, by DNS or the system's resolver."""

from __future__ import annotations

from ..names import DNS_PORT, THIS_HOST, is_localhost, what_is_special
from ..protocol import mx
from ..protocol.conversation import Fault, Server, Target
from ..protocol.further_requests import Resolve
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional, Union

    from ..protocol.further_requests import Answer, Request, Resolved
    from .expected_mx import MxSet

    #: A server with its addresses, and notes on them.
    Reachable = tuple[Server, tuple[str, ...]]
    #: The hosts of a domain, and what is wrong with its MX.
    Found = tuple[Union[mx.MailHosts, Fault], Optional[MxSet]]


def mail_hosts(target: Target) -> Generator[Request, Answer, Found]:
    """Find the hosts of the domain of ``target``, and compare them with the expected ones."""
    found = yield from mx.mail_hosts(target.domain, _nameservers(target))
    if not target.expected_mx or isinstance(found, Fault):
        return found, None
    from . import expected_mx

    return expected_mx.compare(target.domain, found, target.expected_mx)


def addresses(
    server: Server, target: Target
) -> Generator[Request, Answer, Union[Reachable, Fault]]:
    """``server`` with the addresses to try, and notes on them."""
    name = server.name
    if target.host and not target.nameservers:
        # Other programs would look up the user's server in this way, in the hosts file too.
        answer = yield from _ask_system(name, target.family)
        return answer.fault or (server._replace(addresses=answer.addresses), ())
    if target.host:
        found = yield from mx.addresses(name, _nameservers(target), target.family)
        if isinstance(found, Fault):
            return found
        return server._replace(addresses=found.addresses), found.notes
    lab = _is_lab(target.nameservers)
    if is_localhost(name) and not lab:
        return Fault(Cause.NOT_PUBLIC, f"{name} is this host itself (RFC 6761 6.3)")
    found = yield from mx.addresses(name, _nameservers(target), target.family)
    if isinstance(found, Fault):
        return found
    notes = found.notes
    if found.alias:
        notes = (f"MX {name} is an alias of {found.alias} (RFC 2181 10.3)", *notes)
    server = server._replace(addresses=found.addresses)
    return (server, notes) if lab else _public(server, notes)


def _public(server: Server, notes: tuple[str, ...]) -> Union[Reachable, Fault]:
    """``server``, an MX, with the addresses that other hosts can reach; a fault without any."""
    skipped = tuple(address for address in server.addresses if what_is_special(address))
    kept = tuple(address for address in server.addresses if address not in skipped)
    words = [f"{address} is {what_is_special(address)}" for address in skipped[:2]]
    if not skipped:
        return server, notes
    why = f"{server.name} leads where no other host can send mail: {', '.join(words)}"
    if not kept:
        return Fault(Cause.NOT_PUBLIC, why)
    return server._replace(addresses=kept, skipped=skipped), (*notes, why)


def _is_lab(nameservers: tuple[tuple[str, int], ...]) -> bool:
    """Whether the name server is that of a lab, where the servers can be on this host."""
    return any(
        what_is_special(address) == THIS_HOST and port != DNS_PORT for address, port in nameservers
    )


def _ask_system(name: str, family: int) -> Generator[Resolve, Resolved, Resolved]:
    return (yield Resolve(name, family))


def _nameservers(target: Target) -> tuple[tuple[str, int], ...]:
    from ..net.resolv_conf import system_nameservers

    return target.nameservers or system_nameservers()

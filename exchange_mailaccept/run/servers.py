"""Finds the servers of a target and their addresses, by DNS or as the user named them."""

from __future__ import annotations

import os

from ..names import (
    DNS_PORT,
    THIS_HOST,
    is_address,
    is_localhost,
    is_qualified,
    what_is_special,
)
from ..protocol.dialogue import walk
from ..protocol.requests import time
from ..protocol.stages import Fault, MailHost, Server, Session, StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional, Union

    from ..protocol.dialogue import Plan
    from ..protocol.lookups import Resolve, Resolved
    from ..protocol.race import Race
    from ..protocol.requests import Answer, Request
    from .expected_mx import MxSet

#: Maximum time for finding this host's own name, in seconds.
OWN_NAME_PATIENCE = 1.0


class Target(NamedTuple):
    """What is to be tested."""

    #: Domain whose servers are to be found; empty if ``host`` names the server.
    domain: str
    #: Name or address of the server; empty for the domain's MX.
    host: str
    port: int
    #: 4, 6, or 0 for both.
    family: int = 0
    #: Address and port of the DNS servers to ask; empty for the system's.
    nameservers: tuple[tuple[str, int], ...] = ()
    #: The MX that the domain should have (see ``expected_mx``); empty if any will do.
    expected_mx: tuple[str, ...] = ()

    def has_no_mx(self, server: Server) -> bool:
        """Whether ``server`` is the domain itself, which has no MX record (RFC 5321 5.1)."""
        return bool(self.domain) and not self.host and server.preference is None


class Servers(NamedTuple):
    """The servers of a target, before any of them is tried."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    hosts: tuple[MailHost, ...]
    notes: tuple[str, ...]
    #: The plan, with this host's name for EHLO.
    plan: Plan
    #: What is wrong with the MX, if they were compared with those that the domain should have.
    mx_set: Optional[MxSet] = None


class Located(NamedTuple):
    """A mail host with its addresses, or why it has none."""

    server: Server
    #: The outcome of the stage ``mx``.
    lookup: StageOutcome
    notes: tuple[str, ...] = ()

    @property
    def session(self) -> Session:
        """The session of a server that is not tried."""
        return Session(self.server, "", () if self.lookup.passed else (self.lookup,))


def find_servers(target: Target, plan: Plan) -> Generator[Request, Answer, Servers]:
    """Find the servers of ``target``, in the order in which a sender would try them."""
    if not plan.ehlo_name:
        plan = plan._replace(ehlo_name=(yield from _find_ehlo_name()))
    if target.host:
        return Servers(None, (MailHost(None, target.host),), (), plan)
    from ..protocol import mx

    begun = yield from time()
    found = yield from mx.mail_hosts(target.domain, _nameservers(target))
    ended = yield from time()
    seconds = ended.waited - begun.waited
    mx_set = None
    if target.expected_mx and not isinstance(found, Fault):
        from . import expected_mx

        found, mx_set = expected_mx.compare(target.domain, found, target.expected_mx)
    if isinstance(found, Fault):
        return Servers(StageOutcome.failed(Stage.MX, found, seconds), (), (), plan)
    lookup = StageOutcome(Stage.MX, Verdict.PASSED, seconds)
    return Servers(lookup, found.hosts, found.notes, plan, mx_set)


def find_addresses(host: MailHost, target: Target) -> Generator[Request, Answer, Located]:
    """Find the addresses of ``host``, one of the servers of ``target``."""
    begun = yield from time()
    found = yield from _addresses(host.name, target)
    ended = yield from time()
    seconds = ended.waited - begun.waited
    server = Server(host.name, (), target.port, host.preference)
    if isinstance(found, Fault):
        return Located(server, StageOutcome.failed(Stage.MX, found, seconds))
    server = server._replace(addresses=found.addresses, skipped=found.skipped)
    return Located(server, StageOutcome(Stage.MX, Verdict.PASSED, seconds), found.notes)


def _nameservers(target: Target) -> tuple[tuple[str, int], ...]:
    from ..net.resolv_conf import system_nameservers

    return target.nameservers or system_nameservers()


def _find_ehlo_name() -> Generator[Resolve, Resolved, str]:
    """This host's fully qualified name for EHLO; empty for the address literal."""
    name = os.uname().nodename
    if "." not in name:
        from ..protocol.lookups import Resolve

        answer = yield Resolve(name, 0, OWN_NAME_PATIENCE)
        name = answer.canonical_name
    return name if is_qualified(name) and not name.startswith("localhost.") else ""


class _Found(NamedTuple):
    """The addresses of a host."""

    #: Those to try, in their order.
    addresses: tuple[str, ...]
    notes: tuple[str, ...] = ()
    #: Those that no other host can reach.
    skipped: tuple[str, ...] = ()


def _addresses(name: str, target: Target) -> Generator[Request, Answer, Union[_Found, Fault]]:
    # Only the user may name a server by its address; an MX record must not.
    if target.host and is_address(name):
        return _Found((name,))
    if target.host and not target.nameservers:
        # Other programs would look up the user's server in this way, in the hosts file too.
        return (yield from _ask_system(name, target.family))
    from ..protocol import mx

    if target.host:
        found = yield from mx.addresses(name, _nameservers(target), target.family)
        return found if isinstance(found, Fault) else _Found(found.addresses, found.notes)
    lab = _is_lab(target.nameservers)
    if is_localhost(name) and not lab:
        return Fault(Cause.NOT_PUBLIC, f"{name} is this host itself (RFC 6761 6.3)")
    found = yield from mx.addresses(name, _nameservers(target), target.family)
    if isinstance(found, Fault):
        return found
    notes = found.notes
    if found.alias:
        notes = (f"MX {name} is an alias of {found.alias} (RFC 2181 10.3)", *notes)
    return _Found(found.addresses, notes) if lab else _public(name, found.addresses, notes)


def _ask_system(name: str, family: int) -> Generator[Resolve, Resolved, Union[_Found, Fault]]:
    from ..protocol.lookups import Resolve

    answer = yield Resolve(name, family)
    return answer.fault or _Found(answer.addresses)


def _public(name: str, addresses: tuple[str, ...], notes: tuple[str, ...]) -> Union[_Found, Fault]:
    """The ``addresses`` of an MX that other hosts can reach; a fault if there is none."""
    skipped = tuple(address for address in addresses if what_is_special(address))
    kept = tuple(address for address in addresses if address not in skipped)
    words = [f"{address} is {what_is_special(address)}" for address in skipped[:2]]
    if not skipped:
        return _Found(addresses, notes)
    why = f"{name} leads where no other host can send mail: {', '.join(words)}"
    return _Found(kept, (*notes, why), skipped) if kept else Fault(Cause.NOT_PUBLIC, why)


def _is_lab(nameservers: tuple[tuple[str, int], ...]) -> bool:
    """Whether the name server is that of a lab, where the servers can be on this host."""
    return any(
        what_is_special(address) == THIS_HOST and port != DNS_PORT for address, port in nameservers
    )


def walk_through(
    plan: Plan, server: Server, turn: Optional[float] = None, race: Optional[Race] = None
) -> Generator[Request, Answer, Session]:
    """Walk through ``server``, and see after a good walk whether silent addresses are dead.

    The parameters are those of :func:`~..protocol.dialogue.walk`.
    """
    session = yield from walk(plan, server, turn, race)
    tested = race is None or race.winner is server
    if not (session.silent_addresses and session.failure is None and tested):
        return session
    from .silent_addresses import look_again

    left = None if turn is None else max(0.0, turn - session.seconds)
    return (yield from look_again(session, plan.source_address, left))

"""The policies that the user asked to judge by: their look-ups, and what they mean in the end."""

from __future__ import annotations

from ..cli.words import DANE, MTA_STS
from ..net.resolv_conf import system_nameservers
from ..record import TYPE_CHECKING
from . import dane, mta_sts
from .conclusion import Conclusion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Optional

    from ..net.loop import Conversation
    from ..net.trust import TlsSettings
    from ..protocol.conversation import Target
    from ..run.acceptance import ServerSet


def look_ups(
    policies: Sequence[str], target: Target, settings: Optional[TlsSettings]
) -> list[Conversation]:
    """Conversations that find out what the domain publishes; their results are for ``conclude``."""
    system = system_nameservers()
    conversations: list[Conversation] = []
    if DANE in policies:
        conversations.append(dane.look_up(target, system))
    if MTA_STS in policies:
        assert settings is not None
        conversations.append(mta_sts.look_up(target, system, settings))
    return conversations


def conclude(published: Sequence[Any], found: ServerSet, now: float) -> tuple[Conclusion, ...]:
    """What the published policies mean for the servers that were tested, DANE first.

    :param published: the results of :func:`look_ups`
    :param now: in seconds since the epoch
    """
    # Without a server, every sender fails.
    if not any(member.acceptance.sessions for member in found.members):
        return ()
    return tuple(conclusion for each in published for conclusion in _conclude(each, found, now))


def _conclude(published: Any, found: ServerSet, now: float) -> Iterator[Conclusion]:
    acceptances = [member.acceptance for member in found.members]
    if isinstance(published, mta_sts.Published):
        sessions = [session for each in acceptances for session in each.sessions]
        hosts = [host.name for each in acceptances for host in each.hosts]
        hosts += [session.server.name for session in sessions]
        unique = {host.lower(): host for host in hosts}
        yield mta_sts.judge(published, tuple(unique.values()), sessions)
    elif isinstance(published, dane.Published):
        if published.problem is not None:
            yield dane.judge_domain(published)
            return
        for member in found.members:
            session = member.acceptance.decisive
            judged = session and dane.judge(published, member.label, session, now)
            if judged:
                yield judged

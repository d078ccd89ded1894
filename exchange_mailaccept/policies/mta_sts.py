"""MTA-STS (RFC 8461): the policy that a domain publishes, and whether its servers keep it.

:func:`look_up` goes on beside the test of the servers.  A sender may know the policy from a cache,
which this does not have: it judges as one that meets the domain for the first time.
"""

from __future__ import annotations

from ..cli.words import MTA_STS
from ..protocol import mx
from ..protocol.conversation import Fault, time
from ..protocol.dialogue import OF_THE_CERTIFICATE
from ..protocol.further_requests import Call
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Verdict
from . import sts_policy
from .conclusion import Conclusion, Effect, Problem, knows_of_tls, why_no_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Optional, Union

    from ..net.https import Response
    from ..net.trust import TlsSettings
    from ..protocol.conversation import Session, Target
    from ..protocol.further_requests import Answer, Request, Returned

PATH = "/.well-known/mta-sts.txt"
#: Seconds to wait for the policy; RFC 8461 3.3 lets senders wait a minute.
PATIENCE = 20.0
#: A web server that is given less can't be judged.
LEAST_PATIENCE = 1.0
#: Causes that say nothing about the policy's host: this host can't connect, or not this way.
_OUR_SIDE = (
    *(Cause.NO_ANSWER, Cause.UNREACHABLE, Cause.FORBIDDEN, Cause.OWN_SIDE, Cause.NO_TURN),
    *(Cause.RESOLVER, Cause.RESOLVER_REFUSES, Cause.INTERRUPTED, Cause.TOO_BUSY),
)


class Published(NamedTuple):
    """What a domain publishes for MTA-STS."""

    domain: str
    #: Why there is no policy; ``None`` if there is one.
    problem: Optional[Problem] = None
    why: str = ""
    policy_id: str = ""
    policy: Optional[sts_policy.Policy] = None


def look_up(
    target: Target, system: Sequence[mx.Nameserver], settings: TlsSettings
) -> Generator[Request, Answer, Published]:
    """Look up the TXT record of the domain of ``target``, and fetch its policy."""
    domain, nameservers = target.domain, target.nameservers or tuple(system)
    answer = (yield from mx.look_up(f"_mta-sts.{domain}", ("TXT",), nameservers))["TXT"]
    if isinstance(answer, Fault):
        broken = answer.verdict is Verdict.BROKEN
        problem = Problem.TXT_FAILED if broken else Problem.RESOLVER_SILENT
        return Published(domain, problem, answer.explanation)
    try:
        policy_id = sts_policy.policy_id(answer.records)
    except sts_policy.PolicyError as error:
        return Published(domain, Problem.BAD_TXT, str(error))
    if not policy_id:
        return Published(domain, Problem.NO_TXT)
    response = yield from _fetch(f"mta-sts.{domain}", target.family, nameservers, settings)
    if isinstance(response, Fault):
        problem = Problem.NOT_REACHED if response.cause in _OUR_SIDE else Problem.NOT_FETCHED
        return Published(domain, problem, response.explanation, policy_id)
    why = refusal(response)
    if why:
        return Published(domain, Problem.NOT_FETCHED, why, policy_id)
    try:
        policy = sts_policy.parse(response.body)
    except sts_policy.PolicyError as error:
        return Published(domain, Problem.BAD_POLICY, str(error), policy_id)
    off = policy.mode == sts_policy.NONE
    return Published(domain, Problem.MODE_NONE if off else None, "", policy_id, policy)


def _fetch(
    host: str, family: int, nameservers: Sequence[mx.Nameserver], settings: TlsSettings
) -> Generator[Request, Answer, Union[Response, Fault]]:
    found = yield from mx.addresses(host, nameservers, family)
    if isinstance(found, Fault):
        return found
    from ..net import https

    patience = min(PATIENCE, (yield from time()).left)
    if patience < LEAST_PATIENCE:
        return Fault(Cause.NO_TURN, "no time was left")
    source = https.Source(host, PATH, found.addresses, settings, patience)
    # Its own limit is for each read, and a server can send a byte at a time.
    returned = yield from _call(lambda: https.fetch(source), patience)
    fault = returned.fault
    if fault is not None and fault.cause is Cause.SILENT:
        return fault._replace(explanation=f"it did not come {fault.explanation}")
    result: Union[Response, Fault] = fault or returned.value
    return result


def _call(function: Callable[[], object], patience: float) -> Generator[Call, Returned, Returned]:
    return (yield Call(function, patience))


def refusal(response: Response) -> str:
    """Why senders do not take ``response`` for a policy (RFC 8461 3.3); empty if they do."""
    if response.status // 100 == 3:
        return f"HTTP {response.status}, and senders follow no redirect"
    if response.status != 200:
        return f"HTTP {response.status}"
    wrong = response.media_type != "text/plain"
    return f"it is {response.media_type} and not text/plain" if wrong else ""


def judge(published: Published, hosts: Sequence[str], sessions: Sequence[Session]) -> Conclusion:
    """Whether senders that enforce MTA-STS send mail to the domain.

    :param hosts: the names of all MX hosts, whether their servers were tested or not
    """
    problem, policy = published.problem, published.policy
    if problem is not None:
        untested = problem in (Problem.NOT_REACHED, Problem.RESOLVER_SILENT)
        effect = Effect.UNTESTED if untested else Effect.NOTHING
        return Conclusion(MTA_STS, effect, problem, published.why)
    assert policy is not None
    defects = [_defect(host, policy, sessions) for host in hosts]
    wrong = [each for each in defects if each is not None]
    listed = " ".join(policy.patterns)
    facts = (
        f"mode {policy.mode}, mx {listed}, max_age {policy.max_age}, id {published.policy_id}",
    )
    if not wrong:
        return Conclusion(MTA_STS, Effect.HOLDS, Problem.NONE, mode=policy.mode, facts=facts)
    enforced = policy.mode == sts_policy.ENFORCE and len(wrong) == len(hosts)
    effect = Effect.DEFERS if enforced else Effect.PARTLY
    return wrong[0]._replace(
        effect=effect, affected=(len(wrong), len(hosts)), mode=policy.mode, facts=facts
    )


def _defect(
    host: str, policy: sts_policy.Policy, sessions: Sequence[Session]
) -> Optional[Conclusion]:
    """What keeps senders from an MX host; ``None`` if nothing is known to."""
    if not policy.lists(host):
        return Conclusion(MTA_STS, Effect.PARTLY, Problem.NOT_LISTED, host=host)
    for session in sessions:
        if session.server.name.lower() == host.lower():
            problem, why = _of_session(session)
            if problem is not Problem.NONE:
                return Conclusion(MTA_STS, Effect.PARTLY, problem, why, host)
    return None


def _of_session(session: Session) -> tuple[Problem, str]:
    """What is wrong with TLS in a session (RFC 8461 4.2)."""
    security, failure = session.security, session.failure
    if security is not None:
        return (Problem.UNTRUSTED, security.untrusted) if security.untrusted else (Problem.NONE, "")
    if not knows_of_tls(session):
        return Problem.NONE, ""
    if failure is not None and failure.cause in OF_THE_CERTIFICATE:
        return Problem.UNTRUSTED, failure.explanation
    return Problem.NO_STARTTLS, why_no_tls(session)

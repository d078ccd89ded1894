"""What a policy means for mail: values that ``judgement`` weighs and ``report`` puts into words."""

from __future__ import annotations

from ..record import TYPE_CHECKING, Enum, NamedTuple
from ..vocabulary import Cause, Stage, Verdict

if TYPE_CHECKING:
    from typing import Optional

    from ..protocol.conversation import Session

#: What fails here fails for every sender, whatever it enforces.
_BEFORE_TLS = (Stage.MX, Stage.CONNECT, Stage.BANNER, Stage.EHLO)


class Effect(Enum):
    """What becomes of mail from senders that enforce the policy."""

    #: They send it.
    HOLDS = "holds"
    #: There is nothing that they could enforce, or they ignore it.
    NOTHING = "nothing"
    #: They send it, but not to every server, or only because the policy is in testing.
    PARTLY = "partly"
    #: They keep it, and return it after days.
    DEFERS = "defers"
    #: Nothing was found out from here.
    UNTESTED = "untested"


class Problem(Enum):
    """What is wrong."""

    NONE = "none"

    #: TLS was not begun.
    NO_STARTTLS = "no-starttls"

    # DANE.
    #: The certificate matches no TLSA record.
    NO_MATCH = "no-match"
    #: It leads to an authority that matches one, but has expired or is for another name.
    CHAIN_NOT_VALID = "chain-not-valid"
    #: The name servers fail to answer, or their answer is bogus.
    LOOKUP_FAILED = "lookup-failed"
    #: The MX records are not authentic.
    MX_NOT_SIGNED = "mx-not-signed"
    #: The addresses of the MX host are not authentic.
    HOST_NOT_SIGNED = "host-not-signed"
    #: There are no TLSA records.
    NO_RECORDS = "no-records"
    #: There are, but none that senders use.
    UNUSABLE = "unusable"
    #: Python can't tell which certificates the server sent.
    CHAIN_UNKNOWN = "chain-unknown"
    #: The only resolvers are across the network.
    RESOLVER_ELSEWHERE = "resolver-elsewhere"
    #: The resolver never says that an answer is authentic.
    RESOLVER_DOES_NOT_VALIDATE = "resolver-does-not-validate"
    #: No resolver answered.
    RESOLVER_SILENT = "resolver-silent"

    # MTA-STS.
    #: There is no TXT record.
    NO_TXT = "no-txt"
    #: The TXT record can't be looked up.
    TXT_FAILED = "txt-failed"
    #: The TXT record is malformed.
    BAD_TXT = "bad-txt"
    #: The policy can't be fetched by any sender.
    NOT_FETCHED = "not-fetched"
    #: The policy can't be fetched from this host.
    NOT_REACHED = "not-reached"
    #: The policy is malformed.
    BAD_POLICY = "bad-policy"
    #: The policy's mode is none.
    MODE_NONE = "mode-none"
    #: An MX is not in the policy.
    NOT_LISTED = "not-listed"
    #: The certificate of an MX is not valid for its name.
    UNTRUSTED = "untrusted"


class Conclusion(NamedTuple):
    """What a policy means for a server, or for a domain."""

    #: ``dane`` or ``mta-sts``.
    name: str
    effect: Effect
    problem: Problem
    #: Details of the problem, partly in the words of others.
    why: str = ""
    #: Name of the server; empty if it is about the domain.
    host: str = ""
    #: Label of the server in the set; ``None`` if it is about the domain.
    server: Optional[str] = None
    #: How many of how many MX hosts have a problem, in MTA-STS.
    affected: tuple[int, int] = (0, 0)
    #: The mode of MTA-STS.
    mode: str = ""
    #: What was published, for ``-v``.
    facts: tuple[str, ...] = ()


def knows_of_tls(session: Session) -> bool:
    """Whether ``session`` went far enough to tell if the server does TLS."""
    failure = session.failure
    if failure is None or session.security is not None:
        return True
    return failure.stage not in _BEFORE_TLS and failure.verdict is not Verdict.UNTESTED


def why_no_tls(session: Session) -> str:
    """How a server behaved in whose session TLS was not begun."""
    stage = session.outcome(Stage.STARTTLS)
    if stage is None or stage.cause is Cause.NOT_OFFERED:
        return "does not offer STARTTLS"
    return f"fails at STARTTLS: {stage.reply or stage.explanation}"

"""Which Exchange answered, which keywords it lacks, and what answers in front of it.

A keyword can prove a generation, but a missing one hardly ever proves a fault (see ``profiles``).
Real faults are found in other ways: no Exchange at all, a gateway in front, or a middlebox that
strips keywords.  This draws the conclusions from the facts in ``evidence``.
"""

from __future__ import annotations

from ..protocol.conversation import Session
from ..protocol.reply import NO_EXTENSIONS
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation
from . import EXMFA, OFFERS_TLS
from .evidence import Evidence

if TYPE_CHECKING:
    from typing import Optional

    from .profiles import Profile


class KeywordCheck(NamedTuple):
    """The result of checking the keywords that a server offered."""

    #: The generation that was recognised; ``None`` if nothing showed an Exchange server.
    generation: Optional[Generation] = None
    #: Required keywords that were not offered.
    missing: tuple[str, ...] = ()
    #: What is wrong with the keywords, in one sentence; empty if nothing is.
    reason: str = ""
    #: Whether something is wrong with them.
    is_wrong: bool = False
    #: What to do about it.
    next_step: str = ""
    #: Short name of the page to read (see ``pages``); empty if there is none.
    page: str = ""
    #: Observations that are not faults.
    notes: tuple[str, ...] = ()
    #: The mail server or service that answers instead of Exchange; empty if its name is unknown,
    #: ``None`` if Exchange answers or nothing was seen.
    gateway: Optional[str] = None

    @property
    def title(self) -> str:
        """The recognised generation for display; empty if there is none."""
        return self.generation.title if self.generation is not None else ""


#: Keywords that are not offered inside TLS (RFC 3207 4.2).
_GONE_AFTER_TLS = frozenset(OFFERS_TLS)


def check_keywords(
    profile: str, require: tuple[str, ...], session: Session, tls: bool = False
) -> KeywordCheck:
    """Compare what ``session`` offered with what ``profile`` and ``require`` ask for.

    :param require: further keywords that must be offered
    :param tls: whether the keywords were offered inside TLS, where STARTTLS is not offered
    """
    evidence = Evidence(session, profile)
    found = generation_of(evidence)
    gateway = gateway_of(evidence, found)
    if not evidence.ehlo_passed:
        return KeywordCheck(found, gateway=gateway)
    named = _profile(profile) if profile != "auto" else None
    demanded: tuple[str, ...] = ()
    if named is not None:
        demanded = named.required_after_tls if tls else named.required
    elif profile == "auto":
        demanded = _demanded(evidence, found, tls)
    wanted = dict.fromkeys(keyword.upper() for keyword in (*demanded, *require))
    missing = session.extensions.missing(
        tuple(keyword for keyword in wanted if not (tls and keyword in _GONE_AFTER_TLS))
    )
    if named is not None and not missing and found in (*named.recognised, Generation.UNTOLD):
        found = named.generation
    obstacle = None
    if not evidence.answers_itself:
        from .obstacles import obstacle_of

        obstacle = obstacle_of(evidence, gateway)
    is_wrong = bool(missing) or (profile == "auto" and obstacle is not None)
    notes = list(notes_on(evidence))
    if obstacle and not is_wrong:
        notes.insert(0, obstacle.reason)
    expected = () if named is None else (named.generation, None, Generation.UNTOLD)
    if named is not None and not missing and found is not None and found not in expected:
        notes.append(f"the keywords look like {found.title}, not like {named.generation.title}")
    if not is_wrong:
        return KeywordCheck(found, missing, notes=tuple(notes), gateway=gateway)
    from .obstacles import reason_of

    why = obstacle or reason_of(missing, found, named)
    reason = f"does not offer {', '.join(missing)}: {why.reason}" if missing else why.reason
    return KeywordCheck(
        found, missing, reason, True, why.next_step, why.page, tuple(notes), gateway
    )


def _profile(name: str) -> Optional[Profile]:
    """The profile ``name``; there is none for ``none``."""
    from .profiles import PROFILES

    return PROFILES.get(name)


def generation_of(evidence: Evidence) -> Optional[Generation]:
    """The generation, without trusting the version number in the banner."""
    known = evidence.known
    if evidence.silent_online_host:
        return Generation.ONLINE
    if "X-LINK2STATE" in known or evidence.of_2003:
        return Generation.E2000_2003
    if evidence.x_verbs and "SMTPUTF8" in known:
        # Connectors between servers of these versions also offer XEXCH50, like those of 2007 to
        # 2013.
        return Generation.E2019_SE
    if "XEXCH50" in known:
        return _with_xexch50(known)
    if evidence.x_verbs:
        return Generation.E2013_2019 if "XRDST" in known else Generation.UNTOLD
    if evidence.online:
        return Generation.ONLINE
    if evidence.plain_iis:
        return None
    return Generation.UNTOLD if evidence.is_exchange else None


def _with_xexch50(known: frozenset[str]) -> Generation:
    if "XSHADOWREQUEST" in known:
        return Generation.E2013
    if "XSHADOW" in known:
        edge = "X-EXPS" in known and not known & {"AUTH", "XRDST"}
        return Generation.EDGE if edge else Generation.E2010
    return Generation.E5_5 if "HELP" in known else Generation.E2007


def gateway_of(evidence: Evidence, found: Optional[Generation]) -> Optional[str]:
    """Which other mail server or service answers (see ``KeywordCheck.gateway``)."""
    if found is None and (evidence.greeted or evidence.product):
        iis = "IIS" if evidence.plain_iis else ""
        return evidence.product or evidence.scanner or iis
    return None


def _demanded(evidence: Evidence, found: Optional[Generation], tls: bool) -> tuple[str, ...]:
    """Keywords that ``auto`` requires: those that each server of the generation offers."""
    online = _profile("online") if found is Generation.ONLINE and evidence.online_host else None
    if online is not None:
        return online.required_after_tls if tls else online.required
    return EXMFA if evidence.of_2003 else ()


def notes_on(evidence: Evidence) -> tuple[str, ...]:
    """Observations that are not faults."""
    notes = []
    if evidence.behind_masks:
        pairs = ", ".join(f"{keyword} ({mask})" for keyword, mask in evidence.behind_masks.items())
        notes.append(f"behind the masks: {pairs}")
    if evidence.two_hosts:
        banner_host, ehlo_host = evidence.two_hosts
        notes.append(
            f"the banner names {banner_host} and the EHLO reply {ehlo_host}: "
            "a balancer, or a connector with a name of its own (Fqdn); -H tests one server"
        )
    if evidence.starred_banner and evidence.is_exchange:
        notes.append("the banner is masked by a Cisco firewall (off with: no mask-banner)")
    faces_servers = evidence.port == 25 and not evidence.online and not evidence.plain_iis
    plain = not (evidence.x_verbs or evidence.masked) and evidence.offers != NO_EXTENSIONS
    if evidence.is_exchange and faces_servers and plain and evidence.offers.keywords:
        notes.append(
            "no X-EXPS: this Receive connector has no Exchange Server authentication, "
            "so other Exchange servers of the organization can't use it"
        )
    return tuple(notes)

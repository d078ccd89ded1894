"""Which Exchange answered, what it lacks, and what stands in front of it.

A keyword that is there proves a generation; one that is not hardly ever proves a fault (see
``profiles``).  What is truly wrong shows otherwise: no Exchange at all, a gateway in front, or a
middlebox that strips keywords.
"""

from __future__ import annotations

import re

from ..names import DIGITS, LETTERS, consists_of
from ..protocol.extensions import NONE
from ..protocol.reply import Reply
from ..protocol.stages import Session
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage
from .profiles import (
    EXCHANGE_2000_2003,
    EXCHANGE_2019_SE,
    EXCHANGE_ONLINE,
    EXMFA,
    OFFERS_TLS,
    PROFILES,
    SOME_EXCHANGE,
    Profile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from ..protocol.extensions import Extensions


class KeywordCheck(NamedTuple):
    """What is to be said of the keywords that a server offered."""

    #: Recognised generation for display; empty if nothing showed an Exchange server.
    title: str
    #: Required keywords that were not offered.
    missing: tuple[str, ...] = ()
    #: What is wrong with the keywords, in one sentence; empty if nothing is.
    reason: str = ""
    #: Whether something is wrong with them.
    is_wrong: bool = False
    #: What to do about it.
    next_step: str = ""
    #: Short name of the page to read (see ``resources``); empty if there is none.
    page: str = ""
    #: What is worth knowing and not wrong.
    notes: tuple[str, ...] = ()


#: Keywords that no server offers again inside TLS (RFC 3207 4.2).
_GONE_AFTER_TLS = frozenset(OFFERS_TLS)
#: Keywords that only Exchange offers.
_X_VERBS = (
    *("X-LINK2STATE", "XEXCH50", "X-EXPS", "X-ANONYMOUSTLS", "X-EXCHANGEAUTH"),
    *("XRDST", "XSHADOW", "XSHADOWREQUEST"),
)
#: Keywords that 2000 and 2003 do not have.
_LATER = frozenset(
    ("X-ANONYMOUSTLS", "X-EXCHANGEAUTH", "XRDST", "XSHADOW", "XSHADOWREQUEST", "SMTPUTF8")
)
#: Ends of the host names of Exchange Online, MX and submission.
_ONLINE_HOSTS = (".protection.outlook.com", ".mx.microsoft", ".outlook.office365.com")
#: The domains of the host that Exchange Online names at the end of a reply.
_ONLINE_TAILS = (".outlook.com", ".office365.com", ".exchangelabs.com")
#: Text by which a later reply shows an Exchange server, as it writes it: others say "Sender ok" or
#: "probe@fabrikam.com... Sender OK", and its reply to DATA is everybody's (RFC 5321 D).
_REPLY_TEXTS = (
    *("2.1.0 Sender OK", "....Sender OK", "2.1.5 Recipient OK", "Queued mail for delivery"),
    *("Unable to relay", "Client was not authenticated", "Insufficient system resources"),
    "Temporary server error. Please try again later",
)
#: What mail proxies, mostly of virus scanners, call themselves in the banner.
_SCANNERS = (
    *("InterScan", "IMSS", "AVG ESMTP", "avast!", "WebShield", "SMSMSE", "GFI", "UserGate"),
    "Traffic Inspector",
)
#: The same of other mail servers, which are gateways if they stand before Exchange.
_GATEWAYS = (
    *("Postfix", "Exim", "Sendmail", "qmail", "Haraka", "OpenSMTPD", "hMailServer"),
    *("Domino", "MDaemon", "Kerio", "Barracuda"),
)
#: Services that filter mail before Exchange, by the ends of their host names.
_FILTERS = {
    ".mimecast.com": "Mimecast",
    ".pphosted.com": "Proofpoint",
    ".messagelabs.com": "Symantec",
    ".iphmx.com": "Cisco",
    ".barracudanetworks.com": "Barracuda",
    ".google.com": "Google",
}
#: What nobody misses behind a mask.
_DULL = ("TURN", "ATRN", "VRFY", "AUTH", "OK")


def check_keywords(
    profile: str, require: tuple[str, ...], session: Session, tls: bool = False
) -> KeywordCheck:
    """Compare what ``session`` offered with what ``profile`` and ``require`` ask for.

    :param require: further keywords that must be offered
    :param tls: whether the keywords came inside TLS, where STARTTLS is rightly absent
    """
    seen = _Seen(session, profile)
    ehlo = session.outcome(Stage.EHLO)
    if ehlo is None or not ehlo.passed or ehlo.reply is None:
        return KeywordCheck(seen.title())
    named = PROFILES.get(profile)
    demanded: tuple[str, ...] = ()
    if named is not None:
        demanded = named.required_after_tls if tls else named.required
    elif profile == "auto":
        demanded = seen.demanded(tls)
    wanted = dict.fromkeys(keyword.upper() for keyword in (*demanded, *require))
    offers = session.extensions
    missing = offers.missing(
        tuple(keyword for keyword in wanted if not (tls and keyword in _GONE_AFTER_TLS))
    )
    title = seen.title()
    if named is not None and not missing and title in (named.recognised, SOME_EXCHANGE):
        title = named.title
    obstacle = seen.obstacle()
    is_wrong = bool(missing) or (profile == "auto" and obstacle is not None)
    notes = list(seen.notes())
    if obstacle and not is_wrong:
        notes.insert(0, obstacle.reason)
    if named is not None and not missing and title not in (named.title, "", SOME_EXCHANGE):
        notes.append(f"the keywords look like {title}, not like {named.title}")
    if not is_wrong:
        return KeywordCheck(title, missing, notes=tuple(notes))
    why = obstacle or _reason(missing, title, named)
    reason = f"does not offer {', '.join(missing)}: {why.reason}" if missing else why.reason
    return KeywordCheck(title, missing, reason, True, why.next_step, why.page, tuple(notes))


class _Obstacle(NamedTuple):
    """What keeps Exchange from answering as it should."""

    reason: str
    next_step: str
    page: str = ""


def _reason(missing: tuple[str, ...], title: str, profile: Optional[Profile]) -> _Obstacle:
    """Why ``missing`` are missing when nothing in the session shows a middlebox."""
    if title == EXCHANGE_ONLINE and set(missing) <= {*PROFILES["online"].required}:
        return _Obstacle(
            "Exchange Online always does, so a middlebox strips it",
            "Look for a firewall or proxy that inspects SMTP on the way from this host out.",
        )
    old = [keyword for keyword in missing if keyword in EXMFA]
    if old and title not in ("", SOME_EXCHANGE, EXCHANGE_2000_2003) and "X-LINK2STATE" in missing:
        return _Obstacle(
            f"{title} has no X-LINK2STATE, only Exchange 2000/2003 had; use profile auto",
            "Give the check --profile auto, or the generation that is to answer.",
        )
    if old and title == EXCHANGE_2000_2003:
        sinks = {"X-LINK2STATE": "xlsasink.dll", "XEXCH50": "peexch50.dll"}
        return _Obstacle(
            f"the sink {' and '.join(sinks[keyword] for keyword in old)} is not registered, "
            "or a virus scanner with its own SMTP stack answers",
            "Install Exchange again over itself, which registers its sinks; set the virus scanner "
            "to a mode without an SMTP stack of its own.",
        )
    if profile is None or not set(missing) & {*profile.required, *profile.required_after_tls}:
        why = "switched off on the Receive connector, or stripped by a middlebox"
    elif title not in ("", SOME_EXCHANGE, profile.recognised):
        why = f"the keywords are those of {title}, or a middlebox strips some"
    else:
        why = (
            f"another generation than {profile.title}, a connector without Exchange "
            "authentication, or a middlebox that strips keywords"
        )
    return _Obstacle(
        why,
        "Type EHLO on the server itself (telnet localhost 25): what is offered there and not here, "
        "a middlebox strips; else compare the connector (Get-ReceiveConnector).",
        "telnet",
    )


#: How a firewall is told to leave SMTP alone.
_LEAVE_ALONE = (
    "Turn the inspection of SMTP off. Cisco ASA: policy-map global_policy, class "
    "inspection_default, no inspect esmtp; PIX: no fixup protocol smtp 25."
)


class _Seen:
    """What a session shows of the server that answered."""

    def __init__(self, session: Session, profile: str) -> None:
        self._session = session
        self._banner = _text(session, Stage.BANNER)
        ehlo = session.outcome(Stage.EHLO)
        self._ehlo_passed = ehlo is not None and ehlo.passed
        banner = session.outcome(Stage.BANNER)
        self._greeted = banner is not None and banner.passed
        self._helo_only = ehlo is not None and ehlo.cause is Cause.HELO_ONLY
        self._ehlo = ehlo.reply if ehlo is not None else None
        self._offers = session.extensions
        self._masked = _masked(session.extensions, profile)
        hidden = {_keyword(lines[0]) for lines in self._masked.values() if len(lines) == 1}
        self._known = {*self._offers.keywords, *hidden}

    @property
    def _microsoft_banner(self) -> bool:
        banner = self._banner.lower()
        return "microsoft esmtp mail service" in banner or "microsoft exchange" in banner

    @property
    def _versioned_banner(self) -> bool:
        """The form of 2000, 2003 and of IIS without Exchange; the number is a Windows build."""
        return "microsoft esmtp mail service, version:" in self._banner.lower()

    @property
    def _x_verbs(self) -> bool:
        return any(verb in self._known for verb in _X_VERBS)

    @property
    def _of_2003(self) -> bool:
        """By what IIS adds to a keyword of Exchange, though both of its sinks may be lost."""
        # A banner is free text: keywords that only later generations have refute it.
        later = self._known & _LATER
        return self._x_verbs and not later and (self._versioned_banner or "TURN" in self._known)

    @property
    def _online_host(self) -> bool:
        hosts = (self._offers.domain.lower(), _host(self._banner).lower())
        return any(host.endswith(_ONLINE_HOSTS) for host in hosts)

    @property
    def _online(self) -> bool:
        """By its names, or by its words, which a gateway may have handed on."""
        replies = (each.reply.text for each in self._session.outcomes if each.reply is not None)
        return self._online_host or any(map(_ends_with_online_host, replies))

    @property
    def _plain_iis(self) -> bool:
        return (
            self._ehlo_passed
            and not self._x_verbs
            and ((self._versioned_banner and not self._spoke_helo) or "TURN" in self._known)
        )

    @property
    def _spoke_helo(self) -> bool:
        return self._ehlo_passed and self._offers == NONE and self._helo_only

    def _names_itself(self, products: tuple[str, ...]) -> str:
        """Which of ``products`` the banner names; what it begins with is only a host."""
        words = self._banner.partition(" ")[2]
        # To compile a pattern for each of them would cost more than the whole dialogue did.
        found = (each for each in products if each.lower() in words.lower())
        return next((each for each in found if re.search(rf"(?i)(?<!\w){each}(?!\w)", words)), "")

    def _gateway(self) -> str:
        """Which other mail server or service answers, by its banner or its host; or none."""
        host = _host(self._banner).lower()
        by_host = (name for end, name in _FILTERS.items() if host.endswith(end))
        return self._names_itself(_GATEWAYS) or next(by_host, "")

    @property
    def _old_pix_banner(self) -> bool:
        return self._banner.startswith("SMTP/cmap")

    @property
    def _starred_banner(self) -> bool:
        """A banner of which a PIX or ASA left only ``2``, ``0`` and blanks."""
        return "*" in self._banner and not self._banner.strip("*20 ")

    def title(self) -> str:
        """The generation, as far as it can be told without ever trusting the banner's number."""
        known = self._known
        if not self._greeted and self._session.server.name.lower().endswith(_ONLINE_HOSTS):
            return EXCHANGE_ONLINE
        if "X-LINK2STATE" in known or self._of_2003:
            return EXCHANGE_2000_2003
        if "XEXCH50" in known:
            return self._title_with_xexch50()
        if self._x_verbs:
            if "SMTPUTF8" in known:
                return EXCHANGE_2019_SE
            return "Exchange 2016" if "XRDST" in known else SOME_EXCHANGE
        if self._online:
            return EXCHANGE_ONLINE
        if self._plain_iis:
            return ""
        return SOME_EXCHANGE if self._is_exchange() else ""

    def _title_with_xexch50(self) -> str:
        known = self._known
        if "XSHADOWREQUEST" in known:
            return "Exchange 2013"
        if "XSHADOW" in known:
            edge = "X-EXPS" in known and not known & {"AUTH", "XRDST"}
            return "Exchange Edge" if edge else "Exchange 2010"
        return "Exchange 5.5" if "HELP" in known else "Exchange 2007"

    def _is_exchange(self) -> bool:
        if self._microsoft_banner or self._x_verbs or self._online:
            return True
        if self._gateway() or "HELP" in self._known:
            return False
        greeting = self._ehlo.lines[0] if self._ehlo is not None and self._ehlo_passed else ""
        # Exchange greets with the client's address alone, sendmail and Exim name the client too.
        host, _, client = greeting.partition(" Hello [")
        if host.split() == [host] and client.find("]") == len(client) - 1 >= 0:
            return True
        later = (Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
        replies = [_text(self._session, stage) for stage in later]
        return any(text in reply for text in _REPLY_TEXTS for reply in replies)

    def demanded(self, tls: bool) -> tuple[str, ...]:
        """Keywords to be demanded with ``auto``: what each server of the generation offers."""
        if self._online_host and self.title() == EXCHANGE_ONLINE:
            online = PROFILES["online"]
            return online.required_after_tls if tls else online.required
        return EXMFA if self._of_2003 else ()

    def obstacle(self) -> Optional[_Obstacle]:
        """What shows that no Exchange server answers, or that a middlebox stands before it."""
        if self._masked:
            return _Obstacle(_mask_reason(self._masked), _LEAVE_ALONE, "cisco")
        if self._spoke_helo:
            pix = self._starred_banner or self._old_pix_banner or not self._is_exchange()
            who = (
                "as a Cisco PIX (fixup protocol smtp) or an old mail proxy does; every ESMTP "
                "keyword is lost behind it"
            )
            why = who if pix else "which Exchange never does: a middlebox does"
            return _Obstacle(f"EHLO was refused and HELO accepted, {why}", _LEAVE_ALONE, "cisco")
        scanner = self._names_itself(_SCANNERS)
        if scanner and not self._x_verbs:
            return _Obstacle(
                f"a mail proxy or virus scanner ({scanner}) answers in place of Exchange",
                f"Exclude port 25 from what {scanner} scans, or have it scan within Exchange "
                "(Get-TransportAgent).",
            )
        if self._plain_iis:
            return _Obstacle(
                "this is the plain SMTP service of IIS; no Exchange keyword is left, so Exchange "
                "is not installed or its tie to the service is damaged",
                "On the server: Get-Service SMTPSVC, MSExchangeTransport. Since Exchange 2007 "
                "SMTPSVC must not run; 2000 and 2003 are installed again over themselves.",
            )
        if self._is_exchange():
            return None
        reason = "neither banner, EHLO reply nor keywords show an Exchange server"
        if self._starred_banner:
            return _Obstacle(
                f"{reason}; the banner is masked by a Cisco firewall", _LEAVE_ALONE, "cisco"
            )
        gateway = self._gateway()
        return _Obstacle(
            f"{reason}; {f'{gateway} answers' if gateway else 'a gateway may be in front'}",
            "If a gateway is meant to answer here, give --profile none, and test the Exchange "
            "server behind it with a check of its own (-H). Else compare the MX and the address.",
        )

    def notes(self) -> tuple[str, ...]:
        """What is worth knowing and not wrong."""
        notes = []
        hidden = _behind_masks(self._masked)
        if hidden:
            pairs = ", ".join(f"{keyword} ({mask})" for keyword, mask in hidden.items())
            notes.append(f"behind the masks: {pairs}")
        banner_host, ehlo_host = _host(self._banner), self._offers.domain
        if (
            _is_host(banner_host)
            and _is_host(ehlo_host)
            and banner_host.lower() != ehlo_host.lower()
        ):
            notes.append(
                f"the banner names {banner_host} and the EHLO reply {ehlo_host}: "
                "a balancer, or a connector with a name of its own (Fqdn); -H tests one server"
            )
        if self._starred_banner and self._is_exchange():
            notes.append("the banner is masked by a Cisco firewall (off with: no mask-banner)")
        port = self._session.server.port
        if (
            self._is_exchange()
            and not (self._x_verbs or self._masked)
            and not self._online
            and port == 25
            and (self._offers.keywords and not self._plain_iis)
        ):
            notes.append(
                "no X-EXPS: this Receive connector has no Exchange Server authentication, "
                "so other Exchange servers of the organization can't use it"
            )
        return tuple(notes)


def _masked(offers: Extensions, profile: str) -> Mapping[str, tuple[str, ...]]:
    if not offers.masks:
        return {}
    # Imported here because few servers stand behind a firewall that masks.
    from .masks import masked_keywords

    return masked_keywords(offers, profile)


def _behind_masks(masked: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Keywords that are missed, each with its mask, as far as there is no doubt."""
    hidden: dict[str, str] = {}
    for mask, lines in masked.items():
        if len(lines) == 1 and _keyword(lines[0]) not in _DULL:
            hidden.setdefault(_keyword(lines[0]), mask)
    return hidden


def _mask_reason(masked: Mapping[str, tuple[str, ...]]) -> str:
    hidden = _behind_masks(masked) or [*masked][:8]
    return f"a Cisco firewall (inspect esmtp) masks {', '.join(hidden)}"


def _keyword(line: str) -> str:
    return line.replace("=", " ").split(" ")[0]


def _text(session: Session, stage: Stage) -> str:
    outcome = session.outcome(stage)
    reply: Optional[Reply] = outcome.reply if outcome is not None else None
    return reply.text if reply is not None else ""


def _host(banner: str) -> str:
    """The host name that begins a banner; Microsoft itself has lost the blank behind it once."""
    return banner.split(" ")[0].removesuffix("Microsoft")


def _is_host(name: str) -> bool:
    labels = name.split(".")
    return len(labels) > 1 and all(consists_of(LETTERS + DIGITS + "-", label) for label in labels)


def _ends_with_online_host(text: str) -> bool:
    """Whether a reply ends with the host that Exchange Online names in brackets."""
    _, opened, tail = text.rpartition("[")
    inner, closed, rest = tail.partition("]")
    host = inner.partition(" ")[0].lower()
    return (
        bool(opened and closed)
        and not rest.strip()
        # A domain alone is no host in it.
        and not host.startswith(".")
        and host.endswith(_ONLINE_TAILS)
        and consists_of(LETTERS + DIGITS + "._-", host)
    )

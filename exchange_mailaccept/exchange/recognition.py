"""Which Exchange answered, which keywords it lacks, what answers in front of it, and its receipt.

:class:`Evidence` has the facts that a session shows, and :func:`check_keywords` draws the
conclusions.  A keyword can prove a generation, but a missing one hardly ever proves a fault (see
``profiles``).  Real faults are found in other ways: no Exchange at all, a gateway in front, or a
middlebox that strips keywords.
"""

from __future__ import annotations

from ..cli import words
from ..names import DIGITS, LETTERS, consists_of
from ..protocol.conversation import Session
from ..protocol.reply import NO_EXTENSIONS, Reply
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Generation, Stage
from . import EXMFA, OFFERS_TLS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from ..protocol.reply import Extensions
    from .obstacles import Obstacle
    from .profiles import Profile

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
_ONLINE_HOSTS = (
    *(".protection.outlook.com", ".mx.microsoft", ".outlook.office365.com"),
    # For governments, and in China.
    *(".protection.office365.us", ".protection.partner.outlook.cn"),
)
#: The domains of the host that Exchange Online names at the end of a reply.
_ONLINE_TAILS = (
    *(".outlook.com", ".office365.com", ".exchangelabs.com", ".office365.us", ".outlook.cn"),
)
#: Texts of later replies that only Exchange uses; other servers say "Sender ok" or
#: "probe@fabrikam.com... Sender OK", and its reply to DATA is everybody's (RFC 5321 D).
_REPLY_TEXTS = (
    *("2.1.0 Sender OK", "....Sender OK", "2.1.5 Recipient OK", "Queued mail for delivery"),
    *("Unable to relay", "Client was not authenticated", "Insufficient system resources"),
    "Temporary server error. Please try again later",
)
#: Keywords that do not matter if they are masked.
_DULL = ("TURN", "ATRN", "VRFY", "AUTH", "OK")
#: Keywords that are not offered inside TLS (RFC 3207 4.2).
_GONE_AFTER_TLS = frozenset(OFFERS_TLS)
#: Maximum length of each part.
_MOST_OF_ID, _MOST_OF_HOST, _MOST_DIGITS = 995, 255, 20


class Evidence:
    """Facts that a session shows about the server that answered."""

    def __init__(self, session: Session, profile: str) -> None:
        self._session = session
        ehlo, greeting = session.outcome(Stage.EHLO), session.outcome(Stage.BANNER)
        banner, self.offers = _text(session, Stage.BANNER), session.extensions
        reply: Optional[Reply] = ehlo.reply if ehlo is not None else None
        self.port = session.server.port
        self.greeted = greeting is not None and greeting.passed
        self.ehlo_passed = ehlo is not None and ehlo.passed and reply is not None
        hello = reply.lines[0] if reply is not None and self.ehlo_passed else ""
        self._banner, self._hello = banner, hello
        #: EHLO was refused and HELO accepted.
        self.spoke_helo = (
            ehlo is not None
            and self.ehlo_passed
            and self.offers == NO_EXTENSIONS
            and ehlo.cause is Cause.HELO_ONLY
        )
        #: The EHLO lines that each mask of a Cisco firewall may hide.
        self.masked = _masked(self.offers, profile)
        #: The keywords that are certainly masked, each with its mask.
        self.behind_masks = _behind_masks(self.masked)
        hidden = {_keyword(lines[0]) for lines in self.masked.values() if len(lines) == 1}
        #: The keywords, including masked ones.
        self.known = frozenset((*self.offers.keywords, *hidden))
        self.x_verbs = any(verb in self.known for verb in _X_VERBS)
        self.old_pix_banner = banner.startswith("SMTP/cmap")
        #: A banner of which a PIX or ASA left only ``2``, ``0`` and blanks.
        self.starred_banner = "*" in banner and not banner.strip("*20 ")
        self._look_at_2003(banner.lower())
        hosts = (self.offers.domain, _host(banner))
        #: Exchange Online by the name that the server gives itself.
        self.online_host = any(host.lower().endswith(_ONLINE_HOSTS) for host in hosts)
        #: A host of Exchange Online, by the name that was looked up, and it did not greet.
        self.silent_online_host = not self.greeted and session.server.name.lower().endswith(
            _ONLINE_HOSTS
        )
        self.is_exchange = self._is_exchange(banner.lower(), hello)
        in_its_place = self.plain_iis or (not self.x_verbs and self.scanner)
        #: Exchange answers, and nothing shows a device in front of it.
        self.answers_itself = self.is_exchange and not (
            self.masked or self.spoke_helo or in_its_place
        )
        #: The host names of banner and EHLO reply, if they differ.
        differ = hosts[0].lower() != hosts[1].lower()
        self.two_hosts = hosts[::-1] if differ and all(map(_is_host, hosts)) else ()

    # What is searched for only if no keyword proves an Exchange server.

    @property
    def online(self) -> bool:
        """Exchange Online by its name, or by its words, which a gateway may have passed on."""
        outcomes = self._session.outcomes
        replies = (outcome.reply.text for outcome in outcomes if outcome.reply is not None)
        return self.online_host or any(map(_ends_with_online_host, replies))

    @property
    def scanner(self) -> str:
        """Which mail proxy or virus scanner names itself in the banner; empty if none does."""
        from .products import scanner_named

        return scanner_named(self._banner.partition(" ")[2])

    @property
    def product(self) -> str:
        """Which other product names itself as the server; empty if none does.

        A greeting that refuses may name a product that it asks, so there the host alone counts.
        """
        from .products import filter_service, product_named

        spoken = self._banner if self.greeted else ""
        hosts = (self._session.server.name, _host(self._banner), _host(self._hello))
        return product_named(spoken, self._hello) or filter_service(*hosts)

    def _look_at_2003(self, banner: str) -> None:
        # The form of 2000, 2003 and of IIS without Exchange; the number is a Windows build.
        versioned = "microsoft esmtp mail service, version:" in banner
        of_iis = (versioned and not self.spoke_helo) or "TURN" in self.known
        #: The SMTP service of IIS answers, without keywords of Exchange.
        self.plain_iis = self.ehlo_passed and not self.x_verbs and of_iis
        #: By what IIS adds to a keyword of Exchange, though both of its sinks may be lost.  A
        #: banner is free text: keywords that only later generations have refute it.
        self.of_2003 = (
            self.x_verbs and not self.known & _LATER and (versioned or "TURN" in self.known)
        )

    def _is_exchange(self, banner: str, hello: str) -> bool:
        if "microsoft esmtp mail service" in banner or "microsoft exchange" in banner:
            return True
        if self.x_verbs or self.online:
            return True
        if self.product or "HELP" in self.known:
            return False
        # Exchange greets with the client's address only; sendmail and Exim also name the client.
        host, _, client = hello.partition(" Hello [")
        if host.split() == [host] and client.find("]") == len(client) - 1 >= 0:
            return True
        later = (Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)
        replies = [_text(self._session, stage) for stage in later]
        return any(text in reply for text in _REPLY_TEXTS for reply in replies)


def _masked(offers: Extensions, profile: str) -> Mapping[str, tuple[str, ...]]:
    if not offers.masks:
        return {}
    from .masks import masked_keywords

    return masked_keywords(offers, profile)


def _behind_masks(masked: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The keywords that are certainly masked, each with its mask."""
    hidden: dict[str, str] = {}
    for mask, lines in masked.items():
        if len(lines) == 1 and _keyword(lines[0]) not in _DULL:
            hidden.setdefault(_keyword(lines[0]), mask)
    return hidden


def _keyword(line: str) -> str:
    return line.replace("=", " ").split(" ")[0]


def _text(session: Session, stage: Stage) -> str:
    outcome = session.outcome(stage)
    reply: Optional[Reply] = outcome.reply if outcome is not None else None
    return reply.text if reply is not None else ""


def _host(banner: str) -> str:
    """The host name that begins a banner; one version of Exchange has no blank after it."""
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
        # The domain itself is not a host.
        and not host.startswith(".")
        and host.endswith(_ONLINE_TAILS)
        and consists_of(LETTERS + DIGITS + "._-", host)
    )


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
    named = _profile(profile) if profile not in (words.AUTO, words.NONE) else None
    demanded: tuple[str, ...] = ()
    if named is not None:
        demanded = named.required_after_tls if tls else named.required
    elif profile == words.AUTO:
        demanded = _demanded(evidence, found, tls)
    wanted = dict.fromkeys(keyword.upper() for keyword in (*demanded, *require))
    missing = session.extensions.missing(
        tuple(keyword for keyword in wanted if not (tls and keyword in _GONE_AFTER_TLS))
    )
    if named is not None and not missing and found in (*named.recognised, Generation.UNTOLD):
        found = named.generation
    obstacle = None if evidence.answers_itself else _obstacle(evidence, gateway)
    is_wrong = bool(missing) or (profile == words.AUTO and obstacle is not None)
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


def _obstacle(evidence: Evidence, gateway: Optional[str]) -> Obstacle:
    """What shows that no Exchange server answers, or that a middlebox is in front of it."""
    from . import obstacles

    if evidence.masked:
        return obstacles.masked(evidence.behind_masks or [*evidence.masked][:8])
    if evidence.spoke_helo:
        pix_banner = evidence.starred_banner or evidence.old_pix_banner
        return obstacles.helo_only(by_pix=pix_banner or not evidence.is_exchange)
    scanner = evidence.scanner
    if scanner and not evidence.x_verbs:
        return obstacles.scanned(scanner)
    if evidence.plain_iis:
        return obstacles.PLAIN_IIS
    return obstacles.no_exchange(evidence.starred_banner, gateway)


def _profile(name: str) -> Profile:
    from .profiles import PROFILES

    return PROFILES[name]


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
    if found is Generation.ONLINE and evidence.online_host:
        online = _profile(Generation.ONLINE.value)
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


class Receipt(NamedTuple):
    """What the server said about the accepted message; empty where it said nothing."""

    #: With its angle brackets.
    message_id: str = ""
    #: Server that queued the message, which may be another than the one that was connected.
    host: str = ""
    #: Exchange's number of the message in its queue database.
    internal_id: str = ""


def receipt_of(session: Session) -> Optional[Receipt]:
    """The receipt that the server gave for the message, or ``None`` if it gave none."""
    outcome = session.outcome(Stage.MESSAGE)
    if outcome is None or not outcome.passed or outcome.reply is None:
        return None
    return parse_receipt(outcome.reply)


def parse_receipt(reply: Reply) -> Optional[Receipt]:
    """The receipt in the ``reply`` to the final dot, or ``None`` if it contains no part of one.

    ``250 2.6.0 <id> [InternalId=110, Hostname=mail1.contoso.com] 1590 bytes in 0.103, 15.038 KB/sec
    Queued mail for delivery``: Get-MessageTrackingLog finds it by Message-ID and host.  Exchange
    2000 to Exchange Online write it with and without the brackets, with "Internal Id" or a decimal
    comma, and gateways quote it in a text of their own.
    """
    # Without patterns: compiling three of them would take as long as sending the message.
    text = reply.text
    number = _behind(("internalid", "internal id"), text)
    digits = number[: len(number) - len(number.lstrip(DIGITS))]
    receipt = Receipt(
        _message_id(text), _behind(("hostname",), text)[:_MOST_OF_HOST], digits[:_MOST_DIGITS]
    )
    return receipt if any(receipt) else None


def _message_id(text: str) -> str:
    for begun in text.split("<")[1:]:
        inside, closed, _ = begun.partition(">")
        if closed and inside.split() == [inside] and len(inside) <= _MOST_OF_ID:
            return f"<{inside}>"
    return ""


def _behind(words: tuple[str, ...], text: str) -> str:
    """The word after one of ``words`` (lower case) and an equals sign; empty if there is none."""
    parts = text.split("=")
    for name, value in zip(parts, parts[1:]):
        name = name.rstrip().lower()
        word = next(filter(name.endswith, words), "")
        # Not the end of a longer word, as in "ServerHostname".
        if word and not name[: -len(word)][-1:].isalnum():
            for end in ",;])":
                value = value.partition(end)[0]
            return (value.split() or [""])[0]
    return ""

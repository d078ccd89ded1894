"""Facts that a session shows about the server that answered, and its receipt for the message."""

from __future__ import annotations

from ..names import DIGITS, LETTERS, consists_of
from ..protocol.conversation import Session
from ..protocol.reply import NO_EXTENSIONS, Reply
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from ..protocol.reply import Extensions

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
#: Maximum length of each part.
_MOST_OF_ID, _MOST_OF_HOST, _MOST_DIGITS = 995, 255, 20
#: Keywords that do not matter if they are masked.
_DULL = ("TURN", "ATRN", "VRFY", "AUTH", "OK")


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
        self.two_hosts = hosts[::-1] if all(map(_is_host, hosts)) and _differ(*hosts) else ()

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


def _differ(one: str, other: str) -> bool:
    return one.lower() != other.lower()


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
        _message_id(text),
        _behind(("hostname",), text)[:_MOST_OF_HOST],
        digits[:_MOST_DIGITS],
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

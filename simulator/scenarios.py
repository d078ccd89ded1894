"""Faults by name: each row of the plugin's diagnosis table, each profile, and some middleboxes.

Rows and profiles come from the plugin's own tables, so a new row is a new scenario.  Rows about DNS
and the connection cannot be played.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.masks import UNMASKED
from exchange_mailaccept.exchange.profiles import PROFILES, Profile
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.exchange.reasons.reason import Reason
from exchange_mailaccept.vocabulary import Cause, Generation, Stage

from .names import DOMAIN
from .poses import POSES, Behaviour, Credentials, Pose

#: Seconds; longer than any client waits.
FOR_EVER = 3600.0

#: The logon that the server accepts in a scenario that needs one, unless another is given.
LOGON = Credentials("probe@contoso.com", "secret")
LOG_ON = ("-S", "-A", "login", "-U", LOGON.user)
#: For a silent server, so that nobody has to wait for the plugin's default timeout.
SHORT_TIMEOUT = ("-t", "3")


class Scenario(NamedTuple):
    """One thing to rehearse."""

    name: str
    #: What is played, in a few words.
    about: str
    #: Heading under which it is listed.
    group: str = "Firewalls, proxies, slow servers, and a healthy one"
    #: Stage at which the plugin fails; empty if the server accepts the message.
    stage: str = ""
    #: Options that the plugin needs to see it.
    options: tuple[str, ...] = ()
    #: ``None`` if ``--pose`` decides.
    pose: Optional[Pose] = None
    #: Name of the server; empty for any.
    server: str = ""
    reply: Mapping[str, str] = {}
    #: Replies to MAIL and RCPT by address (see ``poses``).
    addresses: Mapping[str, str] = {}
    #: The servers behind a balancer (see ``poses``).
    nodes: tuple[tuple[str, str], ...] = ()
    delay: Mapping[str, float] = {}
    drop: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tls: str = ""
    #: What becomes of an accepted message; empty if there is no mailbox.
    mailbox: str = ""
    #: Records that the domain has beside or instead of its MX, which is this server (see
    #: ``names``); without any, the server is tested by its address.
    published: Mapping[tuple[str, str], str] = {}

    @property
    def logs_on(self) -> bool:
        """Whether the plugin must log on to see it, and can."""
        return "-A" in self.options and "AUTH" not in self.without

    def mixed_with(self, given: Behaviour, hurry: float) -> Behaviour:
        """Combine this with the server that the options describe; the options take precedence.

        :param hurry: what the delays are divided by
        """
        delay = {stage: seconds / hurry for stage, seconds in self.delay.items()}
        if self.logs_on:
            given = given._replace(
                auth=("LOGIN",) if given.auth is None else given.auth,
                credentials=given.credentials if any(given.credentials) else LOGON,
            )
        return given._replace(
            pose=self.pose or given.pose,
            name=given.name or self.server,
            reply={**self.reply, **given.reply},
            addresses={**self.addresses, **given.addresses},
            nodes=given.nodes or self.nodes,
            delay={**delay, **given.delay},
            drop=frozenset({*self.drop, *given.drop}),
            without=frozenset({*self.without, *given.without}),
            tls=given.tls or self.tls,
        )


#: Options without which the plugin does not come to a stage.
_OPTIONS: dict[str, tuple[str, ...]] = {"starttls": ("-S",), "auth": LOG_ON}


def _at_both(reply: str) -> dict[str, str]:
    """The same reply to EHLO and HELO."""
    return dict.fromkeys(("ehlo", "helo"), reply)


#: Rows that need more than their sample as the reply, mostly because they have none.
_OWN_WAY: dict[str, dict[str, Any]] = {
    "no-smtp": {"reply": {"banner": "HTTP/1.1 400 Bad Request"}},
    "spoke-out-of-turn": {
        "reply": {"banner": "220 mail1.contoso.com ready\n421 4.4.1 Connection timed out"}
    },
    "proxy-header-out-of-turn": {
        "reply": {"banner": "220 mail1.contoso.com ready\n500 5.5.2 Unrecognized command"}
    },
    "out-of-step": {
        "reply": {
            "ehlo": "500 5.3.3 Unrecognized command 'unknown'",
            "helo": "250-mail1.contoso.com Hello\n250-SIZE 37748736\n250 8BITMIME",
        }
    },
    "pix-banner": {"reply": {"banner": "2002*******2***0*00"}},
    # With HELO refused too: after EHLO alone the plugin goes on.
    "pix-answers-ok": {"reply": _at_both("OK")},
    "proxy-header": {"reply": _at_both("500 5.3.3 Unrecognized command 'unknown'")},
    "ehlo-unknown": {"reply": _at_both("500 Command unrecognized")},
    "smtputf8-missing": {
        "without": ("SMTPUTF8",),
        "options": ("-r", "pr\u00fcfung@contoso.com"),
    },
    "tls-not-offered": {"tls": "none", "options": ("-S",)},
    "online-tls": {"tls": "none", "options": ("-S",)},
    "tls-certificate": {"options": ("-S", "--verify")},
    "tls-handshake": {"drop": ("handshake",), "options": ("-S",)},
    "tls-silent": {"delay": {"handshake": FOR_EVER}, "options": ("-S", *SHORT_TIMEOUT)},
    "auth-not-offered": {"without": ("AUTH",), "options": LOG_ON},
    "auth-broken": {"reply": {"auth": "334 User name?"}, "options": LOG_ON},
}

#: Causes that no scenario can play: they do not concern a server, or would need another
#: certificate.
UNPLAYED = {
    *(Cause.OWN_SIDE, Cause.TOO_BUSY, Cause.NO_TURN, Cause.INTERRUPTED),
    *(Cause.RESOLVER, Cause.RESOLVER_REFUSES),
    *(Cause.CHAIN, Cause.WEAK_CERTIFICATE),
}

#: A server with such a name is Exchange Online.
_ONLINE_SERVER = "contoso-com.mail.protection.outlook.com"


def _of_row(row: Row) -> Optional[Scenario]:
    """The scenario of ``row``; ``None`` if a server cannot play it."""
    stage = row.stage.value
    scenario = Scenario(row.key, row.sample, f"Failures: {row.kind.value}", stage)
    if Generation.ONLINE in row.generations:
        scenario = scenario._replace(pose=POSES["online"], server=_ONLINE_SERVER)
    elif row.generations:
        scenario = scenario._replace(pose=POSES[row.generations[-1].value])
    if row.key in _OWN_WAY:
        return scenario._replace(**_OWN_WAY[row.key])
    if stage in (Stage.MX.value, Stage.CONNECT.value) or (
        row.causes and UNPLAYED.issuperset(row.causes)
    ):
        return None
    if Cause.SILENT in row.causes:
        return scenario._replace(delay={stage: FOR_EVER}, options=SHORT_TIMEOUT)
    if row.causes:
        return scenario._replace(drop=(stage,))
    return scenario._replace(reply={stage: row.sample}, options=_OPTIONS.get(stage, ()))


def _of_reason(reason: Reason) -> Scenario:
    """The scenario of ``reason``, which any mail server can play."""
    stage, group = reason.stage.value, "Refusals of servers other than Exchange"
    options, reply = _OPTIONS.get(stage, ()), {stage: reason.sample}
    return Scenario(reason.key, reason.sample, group, stage, options, reply=reply)


def _of_profile(profile: Profile) -> Scenario:
    pose = POSES.get(profile.name, POSES["2019"])
    if profile.name in ("exmfa", "2000"):
        pose = POSES["2003"]
    elif profile.name == "submission":
        # This profile is Exchange on premises; the pose of that name is Exchange Online.
        pose = POSES["2016"]
    return Scenario(
        f"profile-{profile.name}",
        f"{profile.generation.title}, what it is known to offer",
        "Generations of Exchange, as they are known",
        pose=pose._replace(
            keywords=profile.before_tls, keywords_in_tls=profile.after_tls, auth_in_tls=None
        ),
        server=_ONLINE_SERVER if profile.name == "online" else "",
    )


def _stars(banner: str) -> str:
    """Mask a banner as a PIX does, which leaves a 2 and two 0."""
    length = len(banner)
    return "".join(
        {length // 2: "0", length // 2 + 2: "2", length - 24: "0"}.get(at, "*")
        for at in range(length)
    )


def _masked(pose: Pose) -> tuple[str, ...]:
    """Mask the keywords that Cisco's ``inspect esmtp`` does not know, and keep their length."""
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return tuple(
        line if line.upper().startswith(UNMASKED) else "X" * (len(line) - 1) + next(letters)
        for line in pose.keywords
    )


_STARRED = f"220 {_stars('mail1.contoso.com Microsoft ESMTP MAIL Service ready at some time')}"


def _beside_the_table() -> tuple[Scenario, ...]:
    """Return the middleboxes and the slow servers."""
    new, old, plain = POSES["2019"], POSES["2003"], POSES["plain"]
    return (
        Scenario("pix", "Cisco PIX, fixup protocol smtp: banner masked, EHLO refused, HELO taken",
            pose=new, reply={"banner": _STARRED, "ehlo": "500 Command unrecognized"}),
        Scenario("pix-old", "an older PIX: another banner, and EHLO is not implemented",
            pose=old, reply={
                "banner": "220 SMTP/cmap_________________________________________ read",
                "ehlo": "502 Error: command not implemented",
            }),
        Scenario("asa", "Cisco ASA, inspect esmtp: banner and most keywords of 2019 masked",
            pose=new._replace(keywords=_masked(new)), reply={"banner": _STARRED}),
        Scenario("asa-2003", "Cisco ASA, inspect esmtp, before Exchange 2003",
            pose=old._replace(keywords=_masked(old))),
        Scenario("ehlo-refused", "an old proxy that lets only HELO through",
            pose=new, reply={"ehlo": "502 5.5.1 Command not implemented"}),
        Scenario("virus-scanner", "a virus scanner with its own SMTP stack",
            pose=plain._replace(
                banner="220 {name} InterScan Messaging Security Suite, Ready at {date}",
                keywords=("8BITMIME", "SIZE 10485760"),
            )),
        Scenario("balancer", "a balancer: the banner names one server and the EHLO reply another",
            options=("-v",), pose=new._replace(ehlo="mbx02.contoso.com Hello [{peer}]"),
            server="mbx01.contoso.com"),
        Scenario("gateway", "another product in front, from banner to last reply",
            pose=plain._replace(banner="220 {name} ESMTP Postfix"), server="mx.contoso.com"),
        Scenario("iis", "the SMTP service of Windows, Exchange lost",
            pose=old._replace(
                keywords=tuple(line for line in old.keywords if not line.startswith("X"))
            )),
        Scenario("tarpit", "a refusal held back for 5 s (TarpitInterval)", stage="rcpt",
            reply={"rcpt": "550 5.7.1 Unable to relay"}, delay={"rcpt": 5}),
        Scenario("tarpit-logon", "a failed logon held back for 5 s (AuthTarpitInterval)",
            stage="auth",
            options=LOG_ON, reply={"auth": "535 5.7.3 Authentication unsuccessful"},
            delay={"auth": 5}),
        Scenario("back-pressure-tarpit", "back pressure begins: MAIL accepted after 10 s",
            delay={"mail": 10}),
        Scenario("back-pressure-medium", "back pressure grows: each reply to MAIL after 55 s",
            delay={"mail": 55}),
        Scenario("delayed-acknowledgement", "Exchange 2010 acknowledges after 25.6 s",
            pose=POSES["2010"], delay={"message": 25.6}),
        Scenario("slow", "each reply after 1.5 s, a server under load", options=("-w", "1"),
            delay=dict.fromkeys(("banner", "ehlo", "mail", "rcpt", "data", "message"), 1.5)),
        Scenario("late-greeting",
            "a greeting after 15 s, as with a pause or a slow lookup before it",
            options=("-w", "banner=1"), delay={"banner": 15}),
        Scenario("blocked-after-220", "a front end that greets, looks up the client, refuses it",
            stage="banner", pose=plain, reply={
                "banner": "220-mx.contoso.com ESMTP\n"
                "521 5.7.1 Service unavailable; client blocked using dnsbl.example.org",
            }),
        Scenario("size-small", "a server that takes 400 KB at most",
            pose=new._replace(
                keywords=tuple(
                    "SIZE 409600" if line.startswith("SIZE") else line for line in new.keywords
                )
            )),
        Scenario("accepted-and-lost",
            "mail is accepted, and none has been delivered for 42 minutes",
            mailbox="lost", options=SHORT_TIMEOUT),
        Scenario("accepted-and-junk", "mail is accepted, and delivered to the folder for junk",
            mailbox="junk", options=SHORT_TIMEOUT),
        Scenario("delivered", "mail is accepted and delivered", mailbox="delivered"),
        Scenario("healthy", "nothing is wrong"),
    )  # fmt: skip


#: How Exchange refuses to relay, and an unknown recipient.
_NO_RELAY = "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"
_UNKNOWN = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"


def _nodes() -> tuple[Scenario, ...]:
    """Return what is seen with more than one connection."""
    group = "Nodes behind a balancer"
    first, second, third = (f"mbx0{number}.contoso.com" for number in (1, 2, 3))
    inactive = "421 4.3.2 Service not active"
    return (
        Scenario("all-nodes-well", "three servers behind a balancer, each of which takes mail",
            group, options=("--connections", "6"), nodes=((first, ""), (second, ""), (third, ""))),
        Scenario("one-node-fails", "one of three servers behind a balancer refuses each connection",
            group,
            options=("--connections", "6"), nodes=((first, ""), (second, ""), (third, inactive))),
        Scenario("one-node-seen", "a balancer that always leads the same client to the same server",
            group, options=("--connections", "6"), nodes=((first, ""),)),
    )  # fmt: skip


def _domains() -> tuple[Scenario, ...]:
    """Return what is wrong with the records of a domain whose server is well."""
    group = "What the domain publishes in DNS"
    return (
        Scenario("dane-mismatch", "the TLSA record has the digest of another key", group,
            options=("--dane",), published={("_{port}._tcp.{name}", "TLSA"): f"3 1 1 {'5a' * 32}"}),
        Scenario("mta-sts-malformed", "the TXT record of MTA-STS has no id", group,
            options=("--mta-sts",), published={(f"_mta-sts.{DOMAIN}", "TXT"): '"v=STSv1;"'}),
        Scenario("mx-lost", "the domain has no MX record any more", group, stage="mx",
            options=("--expect-mx", "mail1.contoso.com"), published={(DOMAIN, "MX"): ""}),
    )  # fmt: skip


def _doors() -> tuple[Scenario, ...]:
    """Return what is seen with more than one recipient or sender."""
    group = "Doors that must be shut, other recipients, other senders"
    refuse = ("--refuse", "somebody@adatum.com")
    foreign = "ExMFA-MailAcceptTest@Fabrikam.com"
    return (
        Scenario("refuses-relay", "the server does not relay, as it must not", group,
            options=refuse, addresses={"@adatum.com": _NO_RELAY}),
        Scenario("open-relay", "the server relays for everybody", group, options=refuse),
        Scenario("relay-untested", "the server does not want to say whether it relays", group,
            options=refuse, addresses={"somebody@adatum.com": "451 4.7.0 Temporary server error"}),
        Scenario("refuses-unknown-recipient", "unknown recipients are refused at RCPT", group,
            options=("--refuse", "nobody@contoso.com"), addresses={"nobody@contoso.com": _UNKNOWN}),
        Scenario("some-recipients-refused", "old recipients pass, and those of this week do not",
            group, options=("-r", "new.user@contoso.com"),
            addresses={
                "new.user@contoso.com": "550 5.4.1 Recipient address rejected: Access denied."
            }),
        Scenario("back-pressure-outside",
            "medium back pressure: the own domain passes, others wait", group,
            options=("-f", foreign, "-f", "probe@contoso.com"),
            stage="mail", addresses={"@fabrikam.com": "452 4.3.1 Insufficient system resources"}),
        Scenario("own-senders-refused", "senders of the own domain are refused (Direct Send)",
            group, options=("-f", foreign, "-f", "device@contoso.com"),
            addresses={
                "device@contoso.com": "550 5.7.68 TenantInboundAttribution; Direct Send not"
                " allowed for this organization from unauthorized sources"
            }),
        Scenario("bounces-refused", "the null sender is refused", group,
            options=("-f", foreign, "-f", "<>"), addresses={"<>": "550 5.7.1 Sender denied"}),
        Scenario("accepts-unknown-recipient", "unknown recipients are accepted", group,
            options=("--refuse", "nobody@contoso.com")),
    )  # fmt: skip


@functools.cache
def scenarios() -> Mapping[str, Scenario]:
    """All scenarios by their name."""
    rows = [scenario for scenario in map(_of_row, ROWS) if scenario is not None]
    profiles = map(_of_profile, PROFILES.values())
    listed = [
        *(*_beside_the_table(), *_doors(), *_nodes(), *_domains()),
        *(*profiles, *rows, *map(_of_reason, REASONS)),
    ]
    named = {scenario.name: scenario for scenario in listed}
    assert len(named) == len(listed), "two scenarios with one name"
    return named


def find(name: str) -> Scenario:
    """Return a scenario by its name.

    :raises ValueError: there is none of that name
    """
    try:
        return scenarios()[name]
    except KeyError:
        raise ValueError(f"no scenario {name!r}; see --list-scenarios") from None


def table() -> Iterator[str]:
    """Yield the lines of the list of scenarios, in groups."""
    groups: dict[str, list[str]] = {}
    for scenario in scenarios().values():
        groups.setdefault(scenario.group, []).append(scenario.name)
    for heading, names in groups.items():
        yield heading
        yield from textwrap.wrap(
            " ".join(sorted(names)), 100, initial_indent="  ", subsequent_indent="  ",
            break_on_hyphens=False,
        )  # fmt: skip
    yield "What a failure is, and what to do: docs/failures. To play one: --scenario NAME"

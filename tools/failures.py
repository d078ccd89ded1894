"""The pages of docs/failures, made from the diagnosis table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.pages import PAGES, TROUBLESHOOTING, Page
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.exchange.reasons.reason import Reason
from exchange_mailaccept.vocabulary import Kind

PLACE = Path(__file__).resolve().parent.parent / "docs" / "failures"

ANY_SERVER = (
    "Gateways, filters and other mail servers refuse mail for the same few reasons, in their own "
    "words. The plugin recognises each reason in many wordings and names the block list or product "
    "that the reply names. The next step depends on the server that answered."
)

#: Heading, what you see, what it means and what to run, for each kind.
KINDS = {
    Kind.SERVER: (
        "Server: a service or component of Exchange fails",
        "No connection, no greeting, a greeting of 421, or a refusal after the message although "
        "all earlier commands were accepted.",
        "Nobody's mail arrives; it waits at its senders. Since Exchange 2013 the Front End answers "
        "up to DATA by itself, so a dead Transport service shows only after the final dot.",
        "Look first at the services and component states of the server that the plugin names, "
        "then at the connectivity log of the Front End, then at DNS.",
    ),
    Kind.LOAD: (
        "Load: a resource or a limit is used up",
        "421 or 452 replies, or slow or missing replies to MAIL or to the final dot.",
        "The server protects itself. Real senders try again later, so no mail is lost if this "
        "passes soon. At medium back pressure, mail from the organization's own domains is still "
        "accepted: a probe with such a sender stays green while the Internet is refused.",
        "Look at free disk space, memory and queues first. Raise a limit only when you know who "
        "used it up.",
    ),
    Kind.RECIPIENT: (
        "Recipient: the recipient or the domain is not set up",
        "A 550 to RCPT, or a domain without a mail server in DNS.",
        "The server works but does not know the address. Exchange Online has no postmaster unless "
        "somebody creates it. On premises, an unknown recipient is often accepted and the message "
        "is returned later.",
        "Look up the recipient and the accepted domain. Create the address, or test another one "
        "with --recipient.",
    ),
    Kind.CONNECTOR: (
        "Connector: the connector or its permissions are not set up for this",
        "530 or 535, or a logon that is not offered.",
        "The plugin reached a connector that is not meant for it, or whose permissions changed.",
        "Compare the connector that answered (address, port, RemoteIPRanges) with the intended "
        "one, then its PermissionGroups and AuthMechanism.",
    ),
    Kind.TLS: (
        "TLS: encryption or its certificate fails",
        "STARTTLS is missing or refused, the handshake fails, or the certificate fails "
        "verification.",
        "Senders that require TLS defer their mail. The others send it unencrypted, and nobody "
        "notices.",
        "Look at the certificate that is enabled for SMTP, then at the firewalls between sender "
        "and server.",
    ),
    Kind.PROTOCOL: (
        "Protocol: a command was wrong, or a middlebox garbled it",
        "500, 501 or 503 to correct commands, or bytes that are not SMTP.",
        "The plugin uses only what the server offered. So most of these come from a firewall or "
        "proxy that inspects SMTP, and some from an option of the plugin.",
        "Compare the transcript (-vv) with the protocol log of the Receive connector. If they "
        "differ, a device between them changed the session.",
    ),
    Kind.PROBE: (
        "Probe: this probe is refused, other mail may be accepted",
        "A refusal that names an address, a block list, a sender, SPF, DMARC or spam.",
        "A rule objects to the monitoring host or to the test message; the server is healthy. "
        "Change the check. To wake nobody for it, use --severity probe=warning.",
        "Use a sender in a domain whose SPF record permits the monitoring host, run the check from "
        "an address that may send mail, and exempt it from filters.",
    ),
    Kind.POLICY: (
        "Policy: a rule of the organization forbids the message",
        "A 550 after the final dot, often in the words of the administrator who wrote the rule.",
        "A mail flow rule or an agent refused the message.",
        "Find the rule by its text and exempt the probe by its header X-Exchange-Mailaccept.",
    ),
}

#: Replies of Exchange that this test cannot get, and why.
LEFT_OUT = (
    (
        "421 4.7.1 ... permanently deferred",
        "Exchange says this as a sender, of another server's reply",
    ),
    (
        "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded",
        "said between transport and mailbox store when a mailbox gets too many messages at once",
    ),
    (
        "554 5.4.4 SMTPSEND.DNS.NonExistentDomain, Unable to route",
        "in non-delivery reports only, after the message was accepted",
    ),
    (
        "4.4.7 Message delayed or expired, 4.4.316 Connection refused, 5.4.300",
        "in non-delivery reports only, after the message was accepted",
    ),
    (
        "450 4.7.320 to 325, 550 5.7.321 to 325 (DANE, MTA-STS, TLS validation)",
        "Exchange Online says this as a sender, of other servers",
    ),
)

NOTE = "<!-- Written by tools/failures.py from exchange_mailaccept/exchange/failures. -->"


def pages() -> dict[str, str]:
    """The text of each page, by its file name."""
    return {"README.md": overview(), **{f"{kind.value}.md": page(kind) for kind in Kind}}


def generated() -> dict[Path, str]:
    """Every generated file, with its contents."""
    return {PLACE / name: text for name, text in pages().items()}


def page(kind: Kind) -> str:
    """The page of one kind."""
    heading, seen, meaning, begin = KINDS[kind]
    parts = [
        NOTE,
        f"# {heading}",
        paragraph(f"**What you see.** {seen}"),
        paragraph(f"**What it means.** {meaning}"),
        paragraph(f"**What to run.** {begin}"),
        paragraph(
            "Replace words in capitals with your own. The plugin fills in HOST, PORT, SENDER, "
            "RECIPIENT and DOMAIN when it prints a next step. Change a setting only when you know "
            "why it is as it is."
        ),
    ]
    for row in ROWS:
        if row.kind is kind:
            parts.extend(section(row))
    reasons = [reason for reason in REASONS if reason.kind is kind]
    if reasons:
        parts += ["# What any mail server says", paragraph(ANY_SERVER)]
    for reason in reasons:
        parts.extend(reason_section(reason))
    return "\n\n".join(parts) + "\n"


def section(row: Row) -> list[str]:
    """The section of one row."""
    stages = ", ".join(f"`{stage.value}`" for stage in row.stages) or "any stage"
    resource = next(resource for resource in TROUBLESHOOTING if resource.key == row.begin)
    where = f"At {stages}"
    if row.generations:
        where += f" of {' or '.join(generation.title for generation in row.generations)}"
    codes = f", {', '.join(row.enhanced)}" if row.enhanced else ""
    where += " (no reply)" if row.causes else codes
    page = PAGES[row.page] if row.page else resource.page
    return [
        f"## {row.key}",
        f"{where}:",
        f"    {seen_of(row)}",
        paragraph(f"**Meaning:** {row.cause}."),
        paragraph(f"**Next step:** {row.next_step}"),
        f"Read {link(page)}.",
    ]


def reason_section(reason: Reason) -> list[str]:
    """The section of one reason."""
    stages = ", ".join(f"`{stage.value}`" for stage in reason.stages) or "any stage"
    there = (
        ("Exchange 2007 and later", reason.exchange),
        ("Exchange Online", reason.online),
        ("Exchange 2000 and 2003", reason.legacy),
        ("A gateway", reason.gateway.replace("BOX", "the gateway")),
    )
    steps = [f"{who}: {what[:1].upper()}{what[1:]}" for who, what in there]
    return [
        f"## {reason.key}",
        f"At {stages}, for instance:",
        f"    {reason.sample}",
        paragraph(f"**Meaning:** {reason.cause}."),
        paragraph(f"**Next step:** {reason.next_step}"),
        bullets(steps),
    ]


def overview() -> str:
    """The first page, with the index."""
    counts = {
        kind: sum(row.kind is kind for row in ROWS) + sum(reason.kind is kind for reason in REASONS)
        for kind in Kind
    }
    what = {kind: KINDS[kind][0].partition(": ")[2] for kind in Kind}
    kinds = [
        f"| [{kind.value}]({kind.value}.md) | {what[kind]} | {counts[kind]} |" for kind in Kind
    ]
    resources = [
        f"| {number} | {resource.level} | {link(resource.page)} | {resource.then} |"
        for number, resource in enumerate(TROUBLESHOOTING, 1)
    ]
    replies = sorted((row for row in ROWS if not row.causes), key=lambda row: row.sample)
    silences = [row for row in ROWS if row.causes]
    return (
        "\n\n".join(
            [
                NOTE,
                "# When mail is not accepted: what a reply means and what to do",
                paragraph(
                    "The plugin looks up the reply that stopped the test in two tables. One has "
                    "the replies of Exchange itself, from Microsoft's documents and from logs that "
                    "administrators have published; the other the reasons for which any mail "
                    "server refuses, in many wordings. These pages are those tables. If a reply "
                    "is in neither, the plugin says so and explains the reply by its class (4yz, "
                    "5yz). Where administrators choose the text themselves, or the exact words "
                    "were never published, an example is shown."
                ),
                paragraph(
                    "Words count more than a code that every server uses. If only such a code "
                    "fits, the meaning begins with *By its code*. The kind `probe` is used only "
                    "where the reply says that this client, its name, its sender or its message "
                    "is meant; a filter, resolver or directory of the server that fails refuses "
                    "everybody and is of the kind `server`."
                ),
                "## Kinds",
                "\n".join(["| kind | what | entries |", "|---|---|---|", *kinds]),
                "## Where to troubleshoot, in this order",
                paragraph(
                    "Microsoft's Mail Acceptance Test named four resources, from the server level "
                    "out to the network level, and two articles on the postmaster mailbox. They "
                    "were about Exchange 2000 and 2003. These are today's pages on the same "
                    "subjects."
                ),
                "\n".join(["| | level | today | then |", "|---|---|---|---|", *resources]),
                paragraph(
                    "Further articles, by their old numbers: KB 320027 (mail through a Cisco "
                    "firewall), KB 2866822 (event 7009, inactive component), KB 3152396 "
                    "(recipient lookup on Edge 2016)."
                ),
                "## What the delay tells you",
                bullets(
                    [
                        "A refusal after 5 s: the tarpit (TarpitInterval of the Receive "
                        "connector). The server is not slow.",
                        "A positive reply to MAIL or to the final dot after 10, 15 ... 55 s: back "
                        "pressure delays it. So may a timeout there.",
                        "A last reply of up to 30 s from Exchange 2010: the delayed "
                        "acknowledgement (MaxAcknowledgementDelay).",
                        "A healthy reply to the final dot takes less than about 2 s.",
                    ]
                ),
                "## Sub-codes",
                paragraph(
                    "PRX1 to PRX9, ATTR, AS and S with a number are Microsoft's own codes. The "
                    "plugin prints them after the meaning. Search for them, and tell them to "
                    "Microsoft's support."
                ),
                "## By reply",
                "\n".join(["| reply | entry |", "|---|---|", *map(index_line, replies)]),
                "## By meaning",
                paragraph(ANY_SERVER),
                "\n".join(["| for instance | entry |", "|---|---|", *map(index_line, REASONS)]),
                "## Without a reply",
                "\n".join(["| what happened | entry |", "|---|---|", *map(index_line, silences)]),
                "## Left out",
                "The test cannot get these replies:",
                bullets([f"`{reply}`: {reason}." for reply, reason in LEFT_OUT]),
            ]
        )
        + "\n"
    )


def index_line(row: Row | Reason) -> str:
    """A line of the index: the shortened reply and a link to its section."""
    sample = seen_of(row)
    if isinstance(row, Row) and row.causes:
        stages = ", ".join(stage.value for stage in row.stages) or "any stage"
        sample = f"{stages}: {sample}"
    if len(sample) > 80:
        sample = f"{sample[:77]}..."
    return f"| `{sample.replace('|', '/')}` | [{row.key}]({row.kind.value}.md#{row.key}) |"


def seen_of(row: Row | Reason) -> str:
    """The reply, or what the plugin says if there was none."""
    if isinstance(row, Reason) or not row.causes:
        return row.sample
    return f"{' or '.join(cause.value for cause in row.causes)}: {row.sample}"


def link(page: Page) -> str:
    """A link to a page of Microsoft."""
    return f"[{page.title}]({page.address})"


def paragraph(text: str) -> str:
    """Running text in lines of 100."""
    return "\n".join(textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False))


def bullets(items: Sequence[str]) -> str:
    """A list, its lines wrapped."""
    return "\n".join(paragraph(f"* {item}").replace("\n", "\n  ") for item in items)

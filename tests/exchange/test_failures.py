"""The table of failures: every published reply leads to its entry, and no entry is idle."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

from exchange_mailaccept.exchange.diagnosis import covers, diagnose, matching_entry
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.pages import PAGES, TROUBLESHOOTING
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.protocol.conversation import Fault, StageOutcome
from exchange_mailaccept.protocol.reply import EnhancedStatusCode, Reply, ReplyParser
from exchange_mailaccept.vocabulary import Generation, Kind, Stage, Verdict
from tools import failures as made_pages

ROOT = Path(__file__).parents[2]
SPOKEN = [stage for stage in Stage if stage not in (Stage.MX, Stage.CONNECT, Stage.QUIT)]
FORBIDDEN = set("|<>`$\\")


class Published(NamedTuple):
    """A line of ``replies.txt``."""

    generation: Optional[Generation]
    stage: str
    kind: str
    row: str
    reply: str

    @property
    def outcome(self) -> StageOutcome:
        return refused(self.stage, self.reply)


def published() -> Iterator[Published]:
    generation = None
    for line in (Path(__file__).parent / "replies.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            generation = Generation(line.strip("[]")) if line != "[]" else None
        elif line and not line.startswith("#"):
            yield Published(generation, *line.split(maxsplit=3))


def refused(stage: str, text: str) -> StageOutcome:
    """A negative reply at a stage."""
    code = int(text[:3])
    verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
    return StageOutcome(Stage(stage), verdict, 0.1, Reply(code, (text[4:],)))


def met(row: Row, stage: Stage) -> StageOutcome:
    """The outcome that a row is made for."""
    if row.causes:
        received = (row.received or ("",))[0]
        return StageOutcome.failed(stage, Fault(row.causes[0], "no", received), 0.1)
    return refused(stage.value, row.sample)


def test_a_published_reply_is_known() -> None:
    for line in published():
        row = matching_entry(line.outcome, line.generation)
        assert row is not None
        assert (row.key, row.kind.value) == (line.row, line.kind), line.reply
        assert "known from Exchange" not in diagnose(line.outcome, line.generation).cause


def test_every_row_with_a_reply_has_one_that_was_published() -> None:
    assert {row.key for row in ROWS if not row.causes} <= {line.row for line in published()}


#: Each was looked up in Microsoft's reference.
CMDLETS = set(
    "Add-ADPermission Add-IPAllowListEntry Add-RecipientPermission Enable-ExchangeCertificate "
    "Get-ADPermission Get-AcceptedDomain Get-CASMailbox Get-ExchangeCertificate "
    "Get-ExchangeDiagnosticInfo Get-HostedConnectionFilterPolicy Get-IPBlockListEntry "
    "Get-IPBlockListProvider Get-InboundConnector Get-Mailbox Get-MailboxDatabaseCopyStatus "
    "Get-MailboxStatistics Get-MessageTraceV2 Get-MessageTrackingLog Get-OrganizationConfig "
    "Get-Queue Get-ReceiveConnector Get-Recipient Get-SendConnector Get-SenderFilterConfig "
    "Get-SenderIdConfig Get-SenderReputationConfig Get-ServerComponentState Get-Service "
    "Get-TenantAllowBlockListItems Get-TransportAgent Get-TransportConfig Get-TransportRule "
    "Get-TransportService New-AcceptedDomain New-InboundConnector Restart-Service "
    "Set-CASMailbox Set-ContentFilterConfig Set-DistributionGroup "
    "Set-FrontendTransportService Set-Mailbox Set-ReceiveConnector Set-SenderIdConfig "
    "Set-ServerComponentState Set-TransportConfig Test-ComputerSecureChannel "
    "Test-NetConnection Test-ServiceHealth".split()
)


def test_every_cmdlet_exists() -> None:
    verbs = "Add|Disable|Enable|Get|New|Remove|Restart|Resume|Set|Start|Stop|Suspend|Test"
    used = {
        name
        for text in (
            *(f"{row.cause} {row.next_step}" for row in ROWS),
            *(
                " ".join((each.next_step, each.exchange, each.online, each.legacy))
                for each in REASONS
            ),
        )
        for name in re.findall(rf"\b(?:{verbs})-[A-Z]\w+", text)
    }
    assert used == CMDLETS


def worded() -> Iterator[Published]:
    """What other servers say: stage, entry and reply; a bar begins another line of it."""
    for line in (Path(__file__).parent / "wordings.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            stage, key, reply = line.split(maxsplit=2)
            yield Published(None, stage, "", key, reply)


def test_what_any_mail_server_says_is_known_by_its_meaning() -> None:
    for line in worded():
        parser = ReplyParser()
        parser.feed("".join(f"{part}\r\n" for part in line.reply.split("|")).encode())
        reply = parser.next_reply()
        assert reply is not None
        entry = matching_entry(refused(line.stage, line.reply)._replace(reply=reply))
        assert entry is not None
        assert entry.key == line.row, line.reply


def test_every_reason_is_worded() -> None:
    assert {reason.key for reason in REASONS} <= {line.row for line in worded()}


def test_a_reason_is_found_by_its_own_sample() -> None:
    for reason in REASONS:
        assert matching_entry(refused(reason.stage.value, reason.sample)) == reason


def test_a_reason_can_be_printed_whole() -> None:
    for reason in REASONS:
        steps = (reason.exchange, reason.online, reason.legacy, reason.gateway)
        for text in (reason.cause, reason.next_step, *filter(None, steps)):
            assert text.isascii()
            assert not FORBIDDEN & set(text)
            assert "  " not in text
        assert not reason.cause.endswith(".")
        for step in steps:
            assert step.endswith(".")
            assert len(reason.cause) + len(reason.next_step) + len(step) < 420
        assert reason.page in ("", *PAGES)
        assert reason.begin in {resource.key for resource in TROUBLESHOOTING}


def test_no_row_is_in_the_shadow_of_another() -> None:
    """Each row wins for its own sample, at some stage at least, and at the first that it names."""
    for row in ROWS:
        generation = row.generations[0] if row.generations else None
        winners = [matching_entry(met(row, stage), generation) for stage in row.stages or SPOKEN]
        assert row in winners
        if row.stages:
            assert winners[0] is row


def test_a_row_can_be_printed_whole() -> None:
    for row in ROWS:
        for text in (row.cause, row.next_step):
            assert text.isascii()
            assert text.isprintable()
            assert not FORBIDDEN & set(text)
            assert "  " not in text
            assert text == text.strip()
        assert not row.cause.endswith(".")
        assert row.next_step.endswith(".")
        most = 0 if row.causes else len(" (AS(201806281), S2017062302)")
        assert len(row.cause) + most + len(row.next_step) < 350


def test_words_without_a_code_lead_to_a_row() -> None:
    for row in ROWS:
        assert not row.words or row.enhanced, row.key
        generation = row.generations[0] if row.generations else None
        for words in row.words:
            outcomes = [
                refused(stage.value, f"{row.sample[:3]} {words}") for stage in row.stages or SPOKEN
            ]
            assert row in [matching_entry(outcome, generation) for outcome in outcomes], words


def test_a_row_is_consistent() -> None:
    for row in ROWS:
        assert row.begin in {resource.key for resource in TROUBLESHOOTING}
        assert row.page in ("", *PAGES)
        assert not row.causes or not (row.codes or row.enhanced)
        for pattern in row.enhanced:
            low = pattern.partition("-")[0].replace("*", "4").split(".")
            assert covers(pattern, EnhancedStatusCode(*map(int, low)))


def test_keys_are_unique() -> None:
    entries = (*ROWS, *REASONS)
    assert len({entry.key for entry in entries}) == len(entries)


#: Kinds with so many rows that they have a second module.
SECOND_MODULES = {Kind.SERVER: ["proxy"], Kind.PROBE: ["reputation"]}


@pytest.mark.parametrize("kind", [*Kind])
def test_each_kind_has_a_module(kind: Kind) -> None:
    rows: list[Row] = []
    for name in (kind.value, *SECOND_MODULES.get(kind, [])):
        rows += importlib.import_module(f"exchange_mailaccept.exchange.failures.{name}").ROWS
    assert rows == [row for row in ROWS if row.kind is kind]


def test_every_page_is_one_of_microsofts() -> None:
    for page in PAGES.values():
        assert re.match(r"https://learn\.microsoft\.com/(troubleshoot/)?exchange/", page.address)
        assert page.address.isascii()
        assert " " not in page.address
    assert len({page.address for page in PAGES.values()}) == len(PAGES)


def test_troubleshooting_goes_from_the_server_out_to_the_network() -> None:
    assert [resource.key for resource in TROUBLESHOOTING] == [
        "routing",
        "mail-flow",
        "queues",
        "dns",
        "postmaster",
    ]
    articles = ("Routing", "KB 324867", "KB 823489", "KB 324759", "KB 223860")
    assert all(article in resource.then for article, resource in zip(articles, TROUBLESHOOTING))


def test_the_numbers_of_the_original_articles_stay_in_the_documentation() -> None:
    spoken = " ".join(f"{row.cause} {row.next_step}" for row in ROWS)
    for article in (324867, 823489, 324759, 223860, 313832):
        assert str(article) not in spoken


def test_every_kind_has_a_page_and_every_row_is_on_one() -> None:
    pages = made_pages.pages()
    assert set(pages) == {"README.md", *(f"{kind.value}.md" for kind in Kind)}
    for row in ROWS:
        assert f"\n## {row.key}\n" in pages[f"{row.kind.value}.md"]
        assert f"({row.kind.value}.md#{row.key})" in pages["README.md"]


def test_the_pages_know_the_original_articles() -> None:
    overview = made_pages.pages()["README.md"]
    for article in (324867, 823489, 324759, 223860, 313832, 320027, 2866822):
        assert f"KB {article}" in overview.replace("\n", " ")

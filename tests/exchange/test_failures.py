"""The table of failures: every published reply leads to its entry, and no entry is idle."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

import pytest
from support.outcomes import answered, unanswered

from exchange_mailaccept.exchange.diagnosis import covers, diagnose, matching_entry
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.failures.row import Row
from exchange_mailaccept.exchange.pages import PAGES, TROUBLESHOOTING
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.exchange.reasons.reason import Reason
from exchange_mailaccept.exchange.replies import EnhancedStatusCode
from exchange_mailaccept.protocol.conversation import StageOutcome
from exchange_mailaccept.protocol.reply import ReplyParser
from exchange_mailaccept.vocabulary import Generation, Kind, Stage
from tools import failures as made_pages

ENTRIES = (*ROWS, *REASONS)
SPOKEN = [stage for stage in Stage if stage not in (Stage.MX, Stage.CONNECT, Stage.QUIT)]
BEGINNINGS = {resource.key for resource in TROUBLESHOOTING}


def lines_of(name: str) -> Iterator[str]:
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def published() -> Iterator[tuple[Optional[Generation], str, str, str, str]]:
    """What Exchange says: generation, stage, kind, key and reply."""
    generation = None
    for line in lines_of("replies.txt"):
        if line.startswith("["):
            generation = Generation(line.strip("[]")) if line != "[]" else None
        else:
            stage, kind, key, reply = line.split(maxsplit=3)
            yield generation, stage, kind, key, reply


def worded() -> Iterator[tuple[str, str, str]]:
    """What other servers say: stage, key and reply; a bar begins another line of it."""
    for line in lines_of("wordings.txt"):
        stage, key, reply = line.split(maxsplit=2)
        yield stage, key, reply


def key_of(outcome: StageOutcome, generation: Optional[Generation] = None) -> str:
    entry = matching_entry(outcome, generation)
    return entry.key if entry is not None else ""


def keys_at(row: Row, text: str) -> list[str]:
    """The entries that ``text`` leads to, at each stage at which the row may occur."""
    generation = row.generations[0] if row.generations else None
    keys = []
    for stage in row.stages or SPOKEN:
        if row.causes:
            outcome = unanswered(stage.value, row.causes[0], (row.received or ("",))[0])
        else:
            outcome = answered(stage.value, text)
        keys.append(key_of(outcome, generation))
    return keys


def test_a_published_reply_is_known():
    for generation, stage, kind, key, reply in published():
        outcome = answered(stage, reply)
        entry = matching_entry(outcome, generation)
        assert entry is not None, reply
        assert (entry.key, entry.kind.value) == (key, kind), reply
        assert "known from Exchange" not in diagnose(outcome, generation).cause


def test_what_any_mail_server_says_is_known_by_its_meaning():
    for stage, key, reply in worded():
        parser = ReplyParser()
        parser.feed("".join(f"{line}\r\n" for line in reply.split("|")).encode())
        assert key_of(answered(stage, str(parser.next_reply()))) == key, reply


def test_no_entry_is_idle():
    """A row has a reply that was published, or a cause; a reason has a wording."""
    with_reply = {row.key for row in ROWS if not row.causes}
    assert with_reply <= {key for _, _, _, key, _ in published()}
    assert {reason.key for reason in REASONS} <= {key for _, key, _ in worded()}


def test_an_entry_wins_for_its_own_sample():
    """A row at some stage at least, and at the first that it names."""
    for row in ROWS:
        keys = keys_at(row, row.sample)
        assert row.key in keys
        assert keys[0] == row.key or not row.stages
    for reason in REASONS:
        assert key_of(answered(reason.stage.value, reason.sample)) == reason.key


def test_words_without_a_code_lead_to_a_row():
    for row in ROWS:
        assert not row.words or row.enhanced, row.key
        for words in row.words:
            assert row.key in keys_at(row, f"{row.sample[:3]} {words}"), words


def test_keys_are_unique():
    assert len({entry.key for entry in ENTRIES}) == len(ENTRIES)


def test_codes_and_causes_of_a_row_do_not_contradict():
    for row in ROWS:
        assert not row.causes or not (row.codes or row.enhanced)
        for pattern in row.enhanced:
            low = pattern.partition("-")[0].replace("*", "4").split(".")
            assert covers(pattern, EnhancedStatusCode(*map(int, low)))


def steps_of(entry: Union[Row, Reason]) -> tuple[str, ...]:
    """What may be said behind the cause, for one server or another."""
    if isinstance(entry, Row):
        return (entry.next_step,)
    return tuple(filter(None, (entry.exchange, entry.online, entry.legacy, entry.gateway)))


@pytest.mark.parametrize("entries", [ROWS, REASONS], ids=["rows", "reasons"])
def test_an_entry_can_be_printed_whole(entries):
    for entry in entries:
        for text in (entry.cause, entry.next_step, *steps_of(entry)):
            assert text.isascii()
            assert not text or text.isprintable()
            assert not set(text) & set("|<>`$\\")
            assert text == " ".join(text.split())
        assert not entry.cause.endswith(".")
        assert all(step.endswith(".") for step in steps_of(entry))
        assert entry.page in ("", *PAGES)
        assert entry.begin in BEGINNINGS


def test_an_entry_is_short():
    for row in ROWS:
        most = 0 if row.causes else len(" (AS(201806281), S2017062302)")
        assert len(row.cause) + most + len(row.next_step) < 350
    for reason in REASONS:
        longest = max(map(len, steps_of(reason)))
        assert len(reason.cause) + len(reason.next_step) + longest < 420


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


def test_every_cmdlet_exists():
    verbs = "Add|Disable|Enable|Get|New|Remove|Restart|Resume|Set|Start|Stop|Suspend|Test"
    texts = (text for entry in ENTRIES for text in (entry.cause, entry.next_step, *steps_of(entry)))
    assert set(re.findall(rf"\b(?:{verbs})-[A-Z]\w+", " ".join(texts))) == CMDLETS


#: Kinds with so many rows that they have a second module.
SECOND_MODULES = {Kind.SERVER: ["proxy"], Kind.PROBE: ["reputation"]}


@pytest.mark.parametrize("kind", [*Kind])
def test_each_kind_has_a_module(kind):
    rows: list[Row] = []
    for name in (kind.value, *SECOND_MODULES.get(kind, [])):
        rows += importlib.import_module(f"exchange_mailaccept.exchange.failures.{name}").ROWS
    assert rows == [row for row in ROWS if row.kind is kind]


def test_every_page_is_one_of_microsofts():
    addresses = [page.address for page in PAGES.values()]
    for address in addresses:
        assert re.match(r"https://learn\.microsoft\.com/(troubleshoot/)?exchange/[!-~]+$", address)
    assert len(set(addresses)) == len(addresses)


def test_troubleshooting_goes_from_the_server_out_to_the_network():
    assert [resource.key for resource in TROUBLESHOOTING] == (
        ["routing", "mail-flow", "queues", "dns", "postmaster"]
    )
    articles = ("Routing", "KB 324867", "KB 823489", "KB 324759", "KB 223860")
    assert all(article in resource.then for article, resource in zip(articles, TROUBLESHOOTING))


def test_the_numbers_of_the_original_articles_are_in_the_documentation_alone():
    spoken = " ".join(f"{row.cause} {row.next_step}" for row in ROWS)
    overview = made_pages.pages()["README.md"].replace("\n", " ")
    for article in (324867, 823489, 324759, 223860, 313832, 320027, 2866822):
        assert f"KB {article}" in overview
        assert str(article) not in spoken


def test_every_kind_has_a_page_and_every_row_is_on_one():
    pages = made_pages.pages()
    assert set(pages) == {"README.md", *(f"{kind.value}.md" for kind in Kind)}
    for row in ROWS:
        assert f"\n## {row.key}\n" in pages[f"{row.kind.value}.md"]
        assert f"({row.kind.value}.md#{row.key})" in pages["README.md"]

"""No sentence of the plugin's own is read by the plugin: altered, it changes nothing but itself."""

from __future__ import annotations

import random

import pytest

from exchange_mailaccept import vocabulary
from exchange_mailaccept.exchange import diagnosis, recognition
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.profiles import PROFILES
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.protocol.conversation import Fault, Server, Session, StageOutcome
from exchange_mailaccept.protocol.reply import Reply, parse_extensions
from exchange_mailaccept.vocabulary import Cause, Generation, Stage, Verdict

#: What may be looked for in a sentence by who has no better key.
BAIT = (
    *("refused", "within 5s", "closed", "reset", "STARTTLS", "SMTPUTF8", "HELO", "handshake"),
    *("interrupted by", "no address", "name server", "Online", "2010", "Exchange", "PRX4"),
)


def altered(text: str, seed: int) -> str:
    """Other words, as many as there were."""
    chance = random.Random(f"{seed} {text}")
    return " ".join(chance.choice((*BAIT, word[::-1])) for word in text.split())


def failures(seed: int) -> list[StageOutcome]:
    """Each cause at each stage, explained in words that are altered by ``seed``; 0 for none."""
    return [
        StageOutcome.failed(stage, Fault(cause, altered("said it", seed) if seed else "so"), 0.1)
        for stage in Stage
        if stage is not Stage.QUIT
        for cause in Cause
    ]


def keys(outcomes: list[StageOutcome], generation: Generation) -> list[object]:
    found = [diagnosis.matching_entry(outcome, generation) for outcome in outcomes]
    return [
        (outcome.verdict, entry.key if entry is not None else "")
        for outcome, entry in zip(outcomes, found)
    ]


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("generation", [Generation.ONLINE, Generation.E2010])
def test_explanations_are_not_read(seed: int, generation: Generation) -> None:
    assert keys(failures(seed), generation) == keys(failures(0), generation)


def replies() -> list[StageOutcome]:
    return [
        StageOutcome(
            entry.stage, Verdict.REFUSED, 0.1, Reply(int(entry.sample[:3]), (entry.sample[4:],))
        )
        for entry in (*ROWS, *REASONS)
        if entry.sample[:3].isdigit()
    ]


@pytest.mark.parametrize("seed", range(1, 4))
def test_causes_and_next_steps_are_not_read(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys([*replies(), *failures(0)], Generation.ONLINE)
    for name, entries in (("ROWS", ROWS), ("REASONS", REASONS)):
        changed = tuple(
            entry._replace(cause=altered(entry.cause, seed), next_step=altered("Do so.", seed))
            for entry in entries
        )
        monkeypatch.setattr(diagnosis, name, changed)
    assert keys([*replies(), *failures(0)], Generation.ONLINE) == before


@pytest.mark.parametrize("seed", range(1, 4))
def test_titles_are_not_read(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(profile: str, asked: str) -> tuple[object, ...]:
        lines = ("mail.contoso.com Hello [203.0.113.10]", *PROFILES[profile].before_tls)
        reply = Reply(250, lines)
        outcomes = (
            StageOutcome(Stage.BANNER, Verdict.PASSED, 0.1, Reply(220, ("mail.contoso.com",))),
            StageOutcome(Stage.EHLO, Verdict.PASSED, 0.1, reply),
        )
        session = Session(Server("mail", (), 25), "", outcomes, parse_extensions(reply))
        check = recognition.check_keywords(asked, (), session)
        return check.generation, check.missing, check.is_wrong, len(check.notes)

    asked = [(profile, other) for profile in PROFILES for other in (*PROFILES, "auto")]
    before = [found(*each) for each in asked]
    titles = {generation.value: altered("Exchange 2010", seed) for generation in Generation}
    monkeypatch.setattr(vocabulary, "_TITLES", titles)
    assert [found(*each) for each in asked] == before

"""No sentence of the plugin's own is read by the plugin: altered, it changes nothing but itself."""

from __future__ import annotations

import random

import pytest
from support.outcomes import answered

from exchange_mailaccept import vocabulary
from exchange_mailaccept.exchange import diagnosis, recognition
from exchange_mailaccept.exchange.failures import ROWS
from exchange_mailaccept.exchange.profiles import PROFILES
from exchange_mailaccept.exchange.reasons import REASONS
from exchange_mailaccept.protocol.conversation import Fault, Server, Session, StageOutcome
from exchange_mailaccept.protocol.reply import parse_extensions
from exchange_mailaccept.vocabulary import Cause, Generation, Stage

#: What may be looked for in a sentence by who has no better key.
BAIT = (
    *("refused", "within 5s", "closed", "reset", "STARTTLS", "SMTPUTF8", "HELO", "handshake"),
    *("interrupted by", "no address", "name server", "Online", "2010", "Exchange", "PRX4"),
)
pytestmark = pytest.mark.parametrize("seed", [1, 2, 3])


def altered(text: str, seed: int) -> str:
    """Other words, as many as there were."""
    chance = random.Random(f"{seed} {text}")
    return " ".join(chance.choice((*BAIT, word[::-1])) for word in text.split())


def failures(explanation: str) -> list[StageOutcome]:
    """Each cause at each stage."""
    return [
        StageOutcome.failed(stage, Fault(cause, explanation), 0.1)
        for stage in Stage
        if stage is not Stage.QUIT
        for cause in Cause
    ]


def keys(outcomes: list[StageOutcome], generation: Generation) -> list[str]:
    entries = [diagnosis.matching_entry(outcome, generation) for outcome in outcomes]
    return [entry.key if entry is not None else "" for entry in entries]


@pytest.mark.parametrize("generation", [Generation.ONLINE, Generation.E2010])
def test_explanations_are_not_read(seed, generation):
    explained = failures(altered("said it", seed))
    assert keys(explained, generation) == keys(failures("so"), generation)


def test_causes_and_next_steps_are_not_read(seed, monkeypatch):
    entries = (*ROWS, *REASONS)
    samples = [
        answered(entry.stage.value, entry.sample) for entry in entries if entry.sample[:1].isdigit()
    ]
    before = keys([*samples, *failures("so")], Generation.ONLINE)
    for name in ("ROWS", "REASONS"):
        changed = tuple(
            entry._replace(cause=altered(entry.cause, seed), next_step=altered("Do so.", seed))
            for entry in getattr(diagnosis, name)
        )
        monkeypatch.setattr(diagnosis, name, changed)
    assert keys([*samples, *failures("so")], Generation.ONLINE) == before


def test_titles_are_not_read(seed, monkeypatch):
    def checked(profile: str, offered: str) -> tuple[object, ...]:
        lines = "|".join(["mail.contoso.com Hello [203.0.113.10]", *PROFILES[offered].before_tls])
        outcomes = (answered("banner", "220 mail.contoso.com"), answered("ehlo", f"250 {lines}"))
        offers = parse_extensions(outcomes[1].reply)
        session = Session(Server("mail", (), 25), "", outcomes, offers)
        check = recognition.check_keywords(profile, (), session)
        return check.generation, check.missing, check.is_wrong, len(check.notes)

    pairs = [(profile, offered) for offered in PROFILES for profile in (*PROFILES, "auto")]
    before = [checked(*pair) for pair in pairs]
    titles = {generation.value: altered("Exchange 2010", seed) for generation in Generation}
    monkeypatch.setattr(vocabulary, "_TITLES", titles)
    assert [checked(*pair) for pair in pairs] == before

"""Secrets out of what a server said, in whatever form it echoes them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.protocol.auth import mask

SECRET = "correct horse battery"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("5.7.3 correct horse battery is wrong", "5.7.3 **** is wrong"),
        ("Y29ycmVjdCBob3JzZSBiYXR0ZXJ5", "****"),
        ("not a reply: 'correct horse bat...'", "not a reply: '****...'"),
        # Of what was cut, too little is left to help anybody.
        ("not a reply: 'correct ...'", "not a reply: '****...'"),
        ("not a reply: 'correct...'", "not a reply: 'correct...'"),
        ("the end of it: horse battery", "the end of it:****"),
        ("nothing to hide", "nothing to hide"),
        ("", ""),
        ("correct horse batterycorrect horse battery", "****"),
    ],
)
def test_a_password_is_masked(text, masked):
    """Whole, in base64, and in part."""
    assert mask(text, (SECRET,)) == masked


@pytest.mark.parametrize("secret", ["p", "pw", "äö", "*", "****", "hunter2"])
def test_a_short_secret_is_masked_where_it_stands(secret):
    """And a part of the text with it; better than to show it."""
    encoded = base64.b64encode(secret.encode()).decode()
    assert mask(f"<{secret}> <{encoded}>", (secret,)) == "<****> <****>"


def test_an_empty_secret_hides_nothing():
    assert mask("text", ("", "")) == "text"


@given(
    secret=st.text(min_size=3, max_size=40),
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
)
def test_a_secret_inside_something_encoded_is_masked(secret, before, after):
    """At each of the three places at which base64 may cut it; a character at the edges may stay."""
    raw = secret.encode("utf-8", "backslashreplace")
    encoded = base64.b64encode(before + raw + after).decode()
    core_begin, core_end = (8 * len(before) + 5) // 6, 8 * (len(before) + len(raw)) // 6
    core = encoded[core_begin:core_end]
    assert len(core) < 4 or core not in mask(encoded, (raw.decode(),))


@given(
    secret=st.text(
        st.characters(blacklist_characters="*", blacklist_categories=("Cs",)), min_size=16
    ),
    begin=st.integers(0, 60),
    end=st.integers(0, 60),
    around=st.text(),
    form=st.sampled_from(["clear", "one line", "base64"]),
)
def test_no_eight_characters_of_a_secret_are_left(secret, begin, end, around, form):
    looks = {
        "clear": secret,
        "one line": " ".join(secret.split()),
        "base64": base64.b64encode(secret.encode()).decode(),
    }[form]
    masked = mask(f"{around}{looks[begin:end]}{around}", (secret,))
    assert not [at for at in range(len(looks) - 7) if looks[at : at + 8] in masked]


@given(st.text("abcdefgh", min_size=16, max_size=40), st.text("ijklmnop *"))
def test_nothing_but_the_secret_is_masked(secret, text):
    assert mask(text, (secret,)) == text

"""Names as they are typed, and in ASCII as the protocols have them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.names import to_ascii


@pytest.mark.parametrize("typed", ["a\u2028.example", "\udcff.example", "\u00ad.example", "ü" * 99])
def test_what_idna_does_not_take_is_no_domain(typed):
    with pytest.raises(ValueError, match=r"^'.*' is not a domain: .+"):
        to_ascii(typed)


def test_a_domain_beyond_ascii_needs_idna(monkeypatch):
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared whole
        to_ascii("bücher.example")
    assert str(caught.value) == (
        "'bücher.example' needs the Python package idna, or to be given in its xn-- form"
    )
    assert to_ascii("contoso.com") == "contoso.com"


@given(st.text(max_size=80) | st.text("ab.-_ü\u3002ß1", max_size=300))
def test_a_name_in_ascii_is_final(typed):
    """Or none; and there is nothing in it that a dialogue could choke on."""
    try:
        name = to_ascii(typed)
    except ValueError:
        return
    assert to_ascii(name) == name
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert 0 < len(name) <= 253

r"""Removes secrets from what a server said, in case it echoes them.

These are masked, for the password ``Tr0ub4dor & 3``:

============================  =================================================
the server writes             because
============================  =================================================
``Tr0ub4dor &  3``            it quotes the secret in clear
``Tr0ub4dor & 3``             the same on one line, with single spaces
``VHIwdWI0ZG9yICYgIDM=``      it quotes the line of AUTH, in base64
``AHVzAFRyMHViNGRvciAmICAz``  it quotes a longer text in base64, which has the
                              secret in its middle (AUTH PLAIN, XOAUTH2) and
                              looks different at each of three offsets
``Tr0ub4`` or ``4dor &``      any of these was cut or broken into lines
============================  =================================================

Every part that is half as long as one of these forms, but at least 4 and at most 8 characters, is
masked.  With shorter parts much of the server's own words would be masked; with longer ones too
much of a secret would show.  A part that still shows has at most 7 characters and less than half of
the secret; of a short secret, at most 3.
"""

from __future__ import annotations

import base64
import functools
import itertools

from .reply import decode

_MASK = "****"


def mask(text: str, secrets: tuple[str, ...]) -> str:
    """``text`` with ``****`` in place of ``secrets``, in any of the forms above."""
    hidden = [False] * len(text)
    for length, runs in _runs(secrets).items():
        for start in range(len(text) - length + 1):
            if text[start : start + length] in runs:
                hidden[start : start + length] = [True] * length
    pieces = itertools.groupby(zip(hidden, text), key=lambda pair: pair[0])
    return "".join(
        _MASK if hide else "".join(character for _, character in piece) for hide, piece in pieces
    )


@functools.lru_cache(maxsize=1)
def _runs(secrets: tuple[str, ...]) -> dict[int, set[str]]:
    """Every run of characters that is masked, by its length."""
    runs: dict[int, set[str]] = {}
    for secret in filter(None, secrets):
        for form in _forms(secret.encode("utf-8", "surrogateescape")):
            length = max(min(len(form), 4), min(len(form) // 2, 8))
            found = {form[start : start + length] for start in range(len(form) - length + 1)}
            runs.setdefault(length, set()).update(found)
    return runs


def _forms(secret: bytes) -> set[str]:
    """The forms in which ``secret`` can appear."""
    clear = decode(secret)
    forms = {clear, " ".join(clear.split()), _encode(secret)}
    for offset in (1, 2):
        longer = _encode(bytes(offset) + secret)
        # Without the characters at both ends, which depend on the neighbours too.
        core = longer[(8 * offset + 5) // 6 : 8 * (offset + len(secret)) // 6]
        forms.add(core if len(core) >= 4 else "")
    return forms - {""}


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")

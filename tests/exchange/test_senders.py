"""What it means that one kind of sender is accepted and another is not."""

from __future__ import annotations

import pytest
from support.outcomes import answered

from exchange_mailaccept.exchange.remedies import contrast
from exchange_mailaccept.protocol.conversation import Asked

OWN, ALSO_OWN, OTHER, THIRD, NULL = (
    *("probe@contoso.com", "device@CONTOSO.com"),
    *("a@fabrikam.com", "b@sub.contoso.com", ""),
)
PRESSURE = "senders of the own domain pass and others are deferred: back pressure, medium"
DIRECT_SEND = "only senders of the own domain are refused: Direct Send"
BOUNCES = "only the null sender is refused: bounces are lost"


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({OTHER: 250, OWN: 250, NULL: 250}, None),
        ({OTHER: 452, OWN: 250}, PRESSURE),
        ({OWN: 250, OTHER: 452, NULL: 452}, PRESSURE),
        ({OWN: 250, OTHER: 452, THIRD: 250}, None),
        ({OWN: 452, OTHER: 452}, None),
        ({OWN: 250, OTHER: 550}, None),
        ({OTHER: 250, OWN: 550}, DIRECT_SEND),
        # Letters of a domain are alike in either case.
        ({OTHER: 250, ALSO_OWN: 550}, DIRECT_SEND),
        ({OTHER: 250, OWN: 550, NULL: 550}, DIRECT_SEND),
        ({OTHER: 250, OWN: 550, ALSO_OWN: 250}, None),
        ({OTHER: 550, OWN: 550}, None),
        ({OTHER: 250, NULL: 550}, BOUNCES),
        # Bounces that are deferred only wait.
        ({OWN: 250, NULL: 451}, None),
        ({NULL: 250, OTHER: 550}, None),
        ({NULL: 550, OTHER: 550}, None),
        # A subdomain is another domain.
        ({OTHER: 250, THIRD: 550}, None),
    ],
)
def test_the_contrast_between_kinds_of_senders(replies, words):
    tried = [Asked(address, answered("mail", f"{code} x")) for address, code in replies.items()]
    contrasted = contrast(tried, {"contoso.com"})
    assert (contrasted and contrasted.words) == words

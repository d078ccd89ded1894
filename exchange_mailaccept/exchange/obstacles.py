"""What keeps Exchange from answering as it should, or from offering what it should offer.

Imported only if a session shows such a thing.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation
from . import EXMFA
from .profiles import PROFILES, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional


class Obstacle(NamedTuple):
    """What keeps Exchange from answering as it should."""

    reason: str
    next_step: str
    #: Short name of the page to read (see ``pages``); empty if there is none.
    page: str = ""


#: How a firewall is told to leave SMTP alone.
_LEAVE_ALONE = (
    "Turn the inspection of SMTP off. Cisco ASA: policy-map global_policy, class "
    "inspection_default, no inspect esmtp; PIX: no fixup protocol smtp 25."
)


def masked(keywords: Iterable[str]) -> Obstacle:
    """A Cisco firewall masks ``keywords``, or lines that may be any of them."""
    return Obstacle(
        f"a Cisco firewall (inspect esmtp) masks {', '.join(keywords)}", _LEAVE_ALONE, "cisco"
    )


def helo_only(by_pix: bool) -> Obstacle:
    """EHLO was refused and HELO accepted, ``by_pix`` or another middlebox."""
    pix = (
        "as a Cisco PIX (fixup protocol smtp) or an old mail proxy does; every ESMTP keyword is "
        "lost behind it"
    )
    why = pix if by_pix else "which Exchange never does: a middlebox does"
    return Obstacle(f"EHLO was refused and HELO accepted, {why}", _LEAVE_ALONE, "cisco")


def scanned(scanner: str) -> Obstacle:
    """The mail proxy or virus scanner answers."""
    return Obstacle(
        f"a mail proxy or virus scanner ({scanner}) answers in place of Exchange",
        f"Exclude port 25 from what {scanner} scans, or have it scan within Exchange "
        "(Get-TransportAgent).",
    )


PLAIN_IIS = Obstacle(
    "this is the plain SMTP service of IIS; no Exchange keyword is left, so Exchange "
    "is not installed or its tie to the service is damaged",
    "On the server: Get-Service SMTPSVC, MSExchangeTransport. Since Exchange 2007 "
    "SMTPSVC must not run; reinstall Exchange 2000 or 2003 over itself.",
)


def no_exchange(starred_banner: bool, gateway: Optional[str]) -> Obstacle:
    """Nothing shows an Exchange server; the ``gateway`` may have no known name."""
    reason = "neither banner, EHLO reply nor keywords show an Exchange server"
    if starred_banner:
        return Obstacle(
            f"{reason}; the banner is masked by a Cisco firewall", _LEAVE_ALONE, "cisco"
        )
    return Obstacle(
        f"{reason}; {f'{gateway} answers' if gateway else 'a gateway may be in front'}",
        "If a gateway is meant to answer here, give --profile none, and test the Exchange "
        "server behind it with a check of its own (-H). Otherwise compare the MX and the address.",
    )


def reason_of(
    missing: tuple[str, ...], found: Optional[Generation], profile: Optional[Profile]
) -> Obstacle:
    """Why ``missing`` are missing when nothing in the session shows a middlebox."""
    told = found if found is not Generation.UNTOLD else None
    if found is Generation.ONLINE and set(missing) <= {*PROFILES[Generation.ONLINE.value].required}:
        return Obstacle(
            "Exchange Online always does, so a middlebox strips it",
            "Look for a firewall or proxy that inspects SMTP on the path from this host to the "
            "Internet.",
        )
    old = [keyword for keyword in missing if keyword in EXMFA]
    if old and found is Generation.E2000_2003:
        sinks = {"X-LINK2STATE": "xlsasink.dll", "XEXCH50": "peexch50.dll"}
        return Obstacle(
            f"the sink {' and '.join(sinks[keyword] for keyword in old)} is not registered, "
            "or a virus scanner with its own SMTP stack answers",
            "Reinstall Exchange over itself, which registers its sinks; set the virus scanner "
            "to a mode without an SMTP stack of its own.",
        )
    if old and told is not None and "X-LINK2STATE" in missing:
        return Obstacle(
            f"{told.title} has no X-LINK2STATE, only Exchange 2000/2003 had; use profile auto",
            "Use --profile auto, or the profile of the server that should answer.",
        )
    if profile is None or not set(missing) & {*profile.required, *profile.required_after_tls}:
        why = "switched off on the Receive connector, or stripped by a middlebox"
    elif told is not None and told not in profile.recognised:
        why = f"the keywords are those of {told.title}, or a middlebox strips some"
    else:
        why = (
            f"another generation than {profile.generation.title}, a connector without Exchange "
            "authentication, or a middlebox that strips keywords"
        )
    return Obstacle(
        why,
        "Type EHLO on the server itself (telnet localhost 25): a middlebox strips what is "
        "offered there and not here; if nothing differs, check the connector "
        "(Get-ReceiveConnector).",
        "telnet",
    )

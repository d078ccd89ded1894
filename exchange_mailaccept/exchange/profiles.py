"""What each generation of Exchange offers in its EHLO reply; data.

The original test required X-LINK2STATE and XEXCH50 of every server, which only Exchange 2000 and
2003 offer together.  A keyword can prove a generation, but a missing one hardly ever proves a
fault: on premises every keyword depends on a setting of the Receive connector (Microsoft: *Receive
connectors*, *Set-ReceiveConnector*).  So ``auto`` requires only keywords that no setting removes,
and looks for real faults: no Exchange at all, or a middlebox that strips keywords.
"""

from __future__ import annotations

from ..cli import words
from ..record import NamedTuple
from ..vocabulary import Generation
from . import EXMFA, OFFERS_TLS


class Profile(NamedTuple):
    """One generation or role of Exchange, as its EHLO reply shows it."""

    name: str
    #: The generation that the user expects.
    generation: Generation
    #: The generation that the keywords show: some look the same.
    recognised: tuple[Generation, ...]
    #: EHLO lines before TLS on the connector for the Internet, in their order.
    before_tls: tuple[str, ...]
    #: The same after STARTTLS.
    after_tls: tuple[str, ...]
    #: Keywords that identify the generation and are required.
    required: tuple[str, ...] = ()
    #: The same after STARTTLS.
    required_after_tls: tuple[str, ...] = ()


_CORE = ("SIZE", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES")
_MIME = ("8BITMIME", "BINARYMIME", "CHUNKING")
_NTLM = ("AUTH NTLM", "X-EXPS GSSAPI NTLM")
_NTLM_LOGIN = ("AUTH NTLM LOGIN", "X-EXPS GSSAPI NTLM")
_IIS = (
    *("TURN", "ATRN", "SIZE", "ETRN", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES"),
    *("8BITMIME", "BINARYMIME", "CHUNKING", "VRFY"),
)
_SINKS = (
    *("X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN", "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN"),
    *("X-LINK2STATE", "XEXCH50", "OK"),
)


def _default_connector(*last: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """EHLO lines of a default connector with Exchange authentication, before and after TLS."""
    return ((*_CORE, *OFFERS_TLS, *_NTLM, *_MIME, *last), (*_CORE, *_NTLM_LOGIN, *_MIME, *last))


def _exchange_2003(generation: Generation, name: str = "") -> Profile:
    before, recognised = (*_IIS, "TLS", "STARTTLS", *_SINKS), (Generation.E2000_2003,)
    name = name or generation.value
    return Profile(name, generation, recognised, before, (*_IIS, *_SINKS), EXMFA, EXMFA)


def _since_2007(
    recognised: tuple[Generation, ...], last: tuple[str, ...], required: tuple[str, ...]
) -> Profile:
    before, after = _default_connector(*last)
    generation = recognised[0]
    return Profile(generation.value, generation, recognised, before, after, required, required)


_2013, _2016, _2019, _SE = Generation.E2013, Generation.E2016, Generation.E2019, Generation.SE
_2019_SE = Generation.E2019_SE
_PROFILES = (
    _exchange_2003(Generation.E2000_2003, words.EXMFA),
    _exchange_2003(Generation.E2000),
    _exchange_2003(Generation.E2003),
    _since_2007((Generation.E2007,), ("XEXCH50", "XRDST"), ("XEXCH50",)),
    _since_2007((Generation.E2010,), ("XEXCH50", "XRDST", "XSHADOW"), ("XEXCH50", "XSHADOW")),
    # Only early releases offer XEXCH50 and XSHADOWREQUEST; later updates and the Front End
    # may be healthy without them.
    _since_2007(
        (_2013, Generation.E2013_2019), ("XEXCH50", "XRDST", "XSHADOWREQUEST"), ("X-EXPS", "XRDST")
    ),
    _since_2007((_2016, Generation.E2013_2019), ("XRDST",), ("X-EXPS", "XRDST")),
    _since_2007((_2019, _2019_SE), ("SMTPUTF8", "XRDST"), ("X-EXPS", "SMTPUTF8", "XRDST")),
    _since_2007((_SE, _2019_SE), ("SMTPUTF8", "XRDST"), ("X-EXPS", "SMTPUTF8", "XRDST")),
    Profile(
        Generation.EDGE.value,
        Generation.EDGE,
        (Generation.EDGE,),
        (*_CORE, *OFFERS_TLS, "X-EXPS NTLM", *_MIME, "XEXCH50", "XSHADOW"),
        (*_CORE, "X-EXPS NTLM", *_MIME, "XEXCH50", "XSHADOW"),
        ("X-EXPS",),
        ("X-EXPS",),
    ),
    # No tenant can switch these off, so if one is missing, something else answered.
    Profile(
        Generation.ONLINE.value,
        Generation.ONLINE,
        (Generation.ONLINE,),
        (*_CORE, "STARTTLS", *_MIME, "SMTPUTF8"),
        (*_CORE, *_MIME, "SMTPUTF8"),
        ("STARTTLS", "BINARYMIME", "CHUNKING", "SMTPUTF8"),
        ("BINARYMIME", "CHUNKING", "SMTPUTF8"),
    ),
    # Exchange Online offers AUTH on port 587 only inside TLS.
    Profile(
        words.SUBMISSION,
        Generation.UNTOLD,
        (Generation.UNTOLD,),
        (*_CORE, "STARTTLS", "AUTH GSSAPI NTLM", *_MIME),
        (*_CORE, "AUTH GSSAPI NTLM LOGIN", *_MIME),
        ("STARTTLS",),
        ("AUTH",),
    ),
)
#: Profiles by name, without ``auto`` and ``none``, which have no keywords of their own.
PROFILES = {profile.name: profile for profile in _PROFILES}

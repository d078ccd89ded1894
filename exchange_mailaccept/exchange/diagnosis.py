"""What a reply at a stage means, and what to do about it.

The knowledge is the table in ``failures``; here is the search in it.  Of the rows that fit, the
most specific wins: a code or sub-code of Microsoft's own weighs more than words of the reply, those
more than a code of RFC 3463 or the generation, and long words more than short ones.  A reply that
no row knows is explained by its class (RFC 5321 4.2.1, RFC 3463 3) and said to be unknown, rather
than guessed at.
"""

from __future__ import annotations

import re

from ..names import DIGITS
from ..protocol.reply import EnhancedStatusCode, Reply
from ..protocol.stages import StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Kind, Stage, Verdict
from .failures import ROWS
from .failures.row import Row
from .pages import PAGES

if TYPE_CHECKING:
    from typing import Optional


class Diagnosis(NamedTuple):
    """What a failed stage means."""

    kind: Kind
    #: Why the stage failed, in one sentence; it says so if the reply is not known from Exchange.
    cause: str
    #: What to do about it.
    next_step: str
    #: Address of the page to read; empty if there is none.
    page: str
    #: Key of the :class:`pages.Resource` with which to begin.
    begin: str
    #: Whether every sender meets this, so that a reply of class 4 means that no mail comes in.
    everybody: bool = False
    #: Whether this probe alone may meet it, and pass by waiting: greylisting, rates, limits of a
    #: single source.
    this_probe: bool = False


#: What it means that a threshold is violated.
SLOW = Diagnosis(
    Kind.LOAD,
    "What is out of range is the time that a stage took, or the whole",
    "Compare the stages below with a good run: connect is the network, banner and ehlo are name"
    " lookups, the rest is the transport service: Get-Queue; free disk and memory.",
    PAGES["back-pressure"].address,
    "queues",
)
#: What it means that the certificate has few days left.
EXPIRING = Diagnosis(
    Kind.TLS,
    "The certificate has expired or soon will; senders that verify it send no mail then",
    "Renew it, then Enable-ExchangeCertificate -Thumbprint ID -Services SMTP;"
    " Get-ExchangeCertificate shows NotAfter and Services.",
    PAGES["connectors"].address,
    "mail-flow",
)

#: What it means that the certificate can't be read, though its days are to be counted.
UNREADABLE = Diagnosis(
    Kind.PROBE,
    "The Python package cryptography, which reads a certificate that is not verified, can't read"
    " the server's",
    "Try python3 -c 'import cryptography.x509' with the Python of this check and install the"
    " package anew if that fails; else look at the certificate; or give --verify.",
    "",
    "mail-flow",
)

#: Sub-codes that Microsoft puts into its texts, each worth a search of its own.
_SUB_CODES = (
    r"(?<![\w.@-])(?:PRX\d{0,2}|ATTR\d{1,3}|AS\(\d{6,12}\)|AS\d{6,12}|S\d{3,12})(?![\w@-]|\.\w)"
)
_MOST_SUB_CODES = 2

#: Kind, cause and where to begin by the subject of an enhanced status code (RFC 3463 3).
_SUBJECTS = {
    1: (Kind.RECIPIENT, "something is wrong with an address", "postmaster"),
    2: (Kind.RECIPIENT, "the mailbox can't take the message", "postmaster"),
    3: (Kind.SERVER, "the mail system itself has trouble", "mail-flow"),
    4: (Kind.SERVER, "network or routing behind the server has trouble", "routing"),
    5: (Kind.PROTOCOL, "the server did not like a command", "mail-flow"),
    6: (Kind.PROTOCOL, "the server did not like the content or its conversion", "mail-flow"),
    7: (Kind.POLICY, "security or policy forbids it", "mail-flow"),
}
#: The same by the stage, for replies without an enhanced status code.
_STAGES = {
    Stage.MX: (Kind.SERVER, "the servers of the domain could not be found", "dns"),
    Stage.CONNECT: (Kind.SERVER, "the server could not be reached", "dns"),
    Stage.BANNER: (Kind.SERVER, "the server does not take this connection", "mail-flow"),
    Stage.EHLO: (Kind.PROTOCOL, "the server did not like the greeting", "mail-flow"),
    Stage.STARTTLS: (Kind.TLS, "TLS could not be started", "mail-flow"),
    Stage.AUTH: (Kind.CONNECTOR, "the logon was refused", "mail-flow"),
    Stage.MAIL: (Kind.POLICY, "the sender was not accepted", "mail-flow"),
    Stage.RCPT: (Kind.RECIPIENT, "the recipient was not accepted", "postmaster"),
    Stage.DATA: (Kind.PROTOCOL, "the server does not want the message", "mail-flow"),
    Stage.MESSAGE: (Kind.POLICY, "the message was not accepted", "mail-flow"),
}
#: Stages that a reply decides; before them it is the network.
_SPOKEN = frozenset(Stage) - {Stage.MX, Stage.CONNECT}


def diagnose(outcome: StageOutcome, title: str = "") -> Diagnosis:
    """Say what ``outcome``, which did not pass, means.

    :param title: recognised generation (``recognition.KeywordCheck.title``); rows that hold for
        another generation only are passed over, those for this one preferred among equals
    """
    row = matching_row(outcome, title)
    if row is None:
        return _fallback(outcome)
    cause = row.cause
    reply = _negative_reply(outcome)
    if reply is not None:
        codes = [code for code in sub_codes(reply.text) if code not in cause]
        if codes:
            cause = f"{cause} ({', '.join(codes)})"
    page = PAGES[row.page].address if row.page else ""
    return Diagnosis(row.kind, cause, row.next_step, page, row.begin, row.everybody, row.this_probe)


def matching_row(outcome: StageOutcome, title: str = "") -> Optional[Row]:
    """The most specific row of the table that fits ``outcome``, or ``None``."""
    best: Optional[Row] = None
    best_weight: tuple[int, ...] = ()
    for row in ROWS:
        weight = _weight(row, outcome, title)
        if weight > best_weight:
            best, best_weight = row, weight
    return best


def sub_codes(text: str) -> tuple[str, ...]:
    """Microsoft's sub-codes in a reply text, such as ``PRX4`` or ``AS(201806281)``; two at most."""
    return _sub_codes(text)[:_MOST_SUB_CODES]


def _sub_codes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(_SUB_CODES, text)))


def _negative_reply(outcome: StageOutcome) -> Optional[Reply]:
    reply = outcome.reply
    return reply if reply is not None and reply.code >= 400 else None


def _weight(row: Row, outcome: StageOutcome, title: str) -> tuple[int, ...]:
    """How well ``row`` fits, comparable; empty if it does not."""
    if row.stages and _stage(outcome) not in row.stages:
        return ()
    if row.generations and not any(generation in title for generation in row.generations):
        return ()
    reply = _negative_reply(outcome)
    if row.verdicts:
        if outcome.reply is not None or outcome.verdict not in row.verdicts:
            return ()
        text = outcome.explanation
    elif reply is None:
        return ()
    else:
        text = _spoken(reply)
        if row.codes and reply.code not in row.codes:
            return ()
    status = reply.enhanced if reply is not None else None
    fits = status is not None and any(covers(code, status) for code in row.enhanced)
    said = [each for each in row.texts if _says(text, each)]
    if row.enhanced and status is None and reply is not None:
        # EnhancedStatusCodesEnabled can be off: then words have to do.
        said = [each for each in row.words if text.lower().startswith(each.lower())]
        fits = bool(said)
    if (row.enhanced and not fits) or (row.texts and not said):
        return ()
    # The details of RFC 3463 have one digit and are used for anything; the longer ones are
    # Microsoft's own, and each means one thing.
    one_meaning = fits and status is not None and status.detail >= 10
    sub_code = any(map(_is_sub_code, said))
    longest = max(map(len, said), default=0)
    return (
        *(one_meaning, sub_code, bool(said), fits, bool(row.generations), longest),
        # Of equals, what is met at certain stages only.
        bool(row.stages),
    )


def _stage(outcome: StageOutcome) -> Stage:
    """The stage whose command it was: what is answered to EHLO means the same inside TLS."""
    of_tls = outcome.cause is Cause.TLS
    return Stage.EHLO if outcome.second_ehlo and not of_tls else outcome.stage


def _spoken(reply: Reply) -> str:
    """The text without what RFC 2034 4 has begin each of its lines, the first excepted."""
    first, *rest = reply.lines
    code = first.partition(" ")[0] if reply.enhanced is not None else ""
    return " ".join((first, *(line.removeprefix(code).lstrip() for line in rest)))


def _says(text: str, words: str) -> bool:
    """Whether ``words`` are in ``text``, in whatever case; a sub-code only by itself."""
    if not _is_sub_code(words):
        return words.lower() in text.lower()
    # ``prx1.contoso.com`` and ``mattross`` are none.
    return any(code == words or code.rstrip(DIGITS) == words for code in _sub_codes(text))


def _is_sub_code(words: str) -> bool:
    return re.fullmatch(r"(?:PRX|ATTR)\d*", words) is not None


def covers(pattern: str, status: EnhancedStatusCode) -> bool:
    """Whether ``5.7.54``, a range ``5.7.606-649`` or ``*.7.230`` of any class fits ``status``."""
    class_, subject, details = pattern.split(".")
    if class_ not in ("*", str(status.class_)) or subject != str(status.subject):
        return False
    low, _, high = details.partition("-")
    return int(low) <= status.detail <= int(high or low)


def _fallback(outcome: StageOutcome) -> Diagnosis:
    """A finding for what no row knows, by the class of the reply."""
    kind, cause, begin = _STAGES[_stage(outcome)]
    reply = _negative_reply(outcome)
    if reply is None:
        return _fallback_without_reply(outcome)
    status = reply.enhanced
    if status is not None and status.subject in _SUBJECTS:
        kind, cause, begin = _SUBJECTS[status.subject]
    origin = "this reply is not one known from Exchange, perhaps a gateway's"
    if reply.code == 421:
        return Diagnosis(
            Kind.LOAD,
            f"The server closes the connection; {origin}",
            "Search the text in the protocol log of the Receive connector; if it is not there, "
            "ask whoever runs the gateway in front, and try again.",
            PAGES["protocol-logging"].address,
            "mail-flow",
        )
    if reply.code < 500:
        return Diagnosis(
            Kind.LOAD if status is None or status.subject != 7 else Kind.PROBE,
            f"For the time being {cause}; {origin}",
            "Wait for the next check: greylisting and load pass. If it stays, search the text in "
            "the protocol log of the Receive connector.",
            PAGES["protocol-logging"].address,
            begin,
        )
    return Diagnosis(
        kind,
        f"By its code {cause}; {origin}",
        "Search the text in the protocol log of the Receive connector (Set-ReceiveConnector "
        "-ProtocolLoggingLevel Verbose); if it is not there, a box in front has answered.",
        PAGES["protocol-logging"].address,
        begin,
    )


def _fallback_without_reply(outcome: StageOutcome) -> Diagnosis:
    kind, cause, begin = _STAGES[_stage(outcome)]
    if outcome.reply is not None:
        return Diagnosis(
            Kind.PROTOCOL,
            f"The reply code {outcome.reply.code} has no place at this stage, "
            "and is not one known from Exchange here",
            "Look at the transcript (-vv) and at what stands before the server: a gateway or "
            "middlebox mixes up replies.",
            PAGES["telnet"].address,
            "mail-flow",
        )
    if outcome.verdict is Verdict.UNTESTED:
        kind, cause = Kind.PROBE, "the monitoring host itself could not do the test"
    when = "in time " if outcome.verdict is Verdict.TIMED_OUT else ""
    return Diagnosis(
        kind,
        f"No reply came {when}that could be known from Exchange: {cause}",
        "Try the same dialogue by hand with telnet, first from the server itself, then from here.",
        PAGES["telnet"].address if outcome.stage in _SPOKEN else PAGES["dns"].address,
        begin,
    )

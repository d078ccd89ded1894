"""What a reply at a stage means, and what to do about it.

This searches two tables: ``failures`` has the replies of Exchange itself, ``reasons`` what any mail
server says.  Of the rows that fit, the most specific wins: a
code or sub-code of Microsoft's own weighs more than words of the reply, those more than a code of
RFC 3463 or the generation, and long words more than short ones.  A row that fits by its code alone
yields to a reason that fits by words.  A reply that neither table knows is explained by its class
(RFC 5321 4.2.1, RFC 3463 3) and said to be unknown, rather than guessed at.
"""

from __future__ import annotations

import re

from ..names import DIGITS
from ..protocol.conversation import CLOSING, StageOutcome
from ..protocol.reply import Reply
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Generation, Kind, Stage, Verdict
from .failures import ROWS
from .failures.row import Row
from .next_steps import Responder
from .pages import PAGES
from .reasons import REASONS
from .reasons.reason import Reason
from .reasons.wordings import SEARCHED
from .replies import (
    EnhancedStatusCode,
    list_named,
    meaning_of,
    negative_reply,
    said_at,
    status_of,
    words_of,
)

if TYPE_CHECKING:
    from typing import Optional, Union


class Diagnosis(NamedTuple):
    """What a failed stage means."""

    kind: Kind
    #: Why the stage failed, in one sentence, which says so if the reply is not known.
    cause: str
    #: What to do about it.
    next_step: str
    #: Address of the page to read; empty if there is none.
    page: str
    #: Key of the :class:`pages.Resource` with which to begin.
    begin: str
    #: Whether it concerns every sender, so that a 4yz reply means that no mail is accepted.
    everybody: bool = False
    #: Whether it may concern this probe alone and pass by itself: greylisting, rates, limits of one
    #: source.
    this_probe: bool = False


#: Microsoft's sub-codes in texts of replies, which an administrator can search for.
_SUB_CODES = (
    r"(?<![\w.@-])(?:PRX\d{0,2}|ATTR\d{1,3}|AS\(\d{6,12}\)|AS\d{6,12}|S\d{3,12})(?![\w@-]|\.\w)"
)
_MAX_SUB_CODES = 2

#: Kind, cause and where to begin, by the subject of an enhanced status code (RFC 3463 3).
_SUBJECTS = {
    1: (Kind.RECIPIENT, "something is wrong with an address", "postmaster"),
    2: (Kind.RECIPIENT, "the mailbox can't take the message", "postmaster"),
    3: (Kind.SERVER, "the mail system itself has trouble", "mail-flow"),
    4: (Kind.SERVER, "network or routing behind the server has trouble", "routing"),
    5: (Kind.PROTOCOL, "the server did not like a command", "mail-flow"),
    6: (Kind.PROTOCOL, "the server did not like the content or its conversion", "mail-flow"),
    7: (Kind.POLICY, "security or policy forbids it", "mail-flow"),
}
#: The same by stage, for replies without an enhanced status code.
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
#: Stages that end with a reply.
_SPOKEN = frozenset(Stage) - {Stage.MX, Stage.CONNECT}


def diagnose(
    outcome: StageOutcome, generation: Optional[Generation] = None, gateway: Optional[str] = None
) -> Diagnosis:
    """Return the meaning of ``outcome``, which did not pass.

    :param generation: the generation that was recognised; rows for another one are ignored, and
        rows for this one win among equals
    :param gateway: the mail server that answers instead of Exchange (``KeywordCheck.gateway``)
    """
    responder = Responder.of(generation, gateway, outcome)
    entry, match = _search(outcome, generation, foreign=responder.gateway is not None)
    if entry is None:
        return _fallback(outcome, responder)
    if isinstance(entry, Reason):
        return _by_reason(entry, outcome, responder)
    return _by_row(entry, match, outcome, responder)


def _by_row(row: Row, match: Match, outcome: StageOutcome, responder: Responder) -> Diagnosis:
    cause = row.cause
    reply = negative_reply(outcome)
    if reply is not None:
        if match.by_code_alone:
            first = cause[0].lower() if _is_plain(cause) else cause[0]
            cause = f"By its code: {first}{cause[1:]}"
        codes = [code for code in sub_codes(reply.text) if code not in cause]
        if codes:
            cause = f"{cause} ({', '.join(codes)})"
    page = PAGES[row.page].address if row.page else ""
    next_step = responder.possible(row.next_step)
    return Diagnosis(row.kind, cause, next_step, page, row.begin, row.everybody, row.this_probe)


def _is_plain(cause: str) -> bool:
    """Whether the first word of a cause has a capital only because it begins the sentence."""
    return cause.split()[0] in ("A", "An", "The", "There", "This", "No", "Over", "Something")


def _by_reason(reason: Reason, outcome: StageOutcome, responder: Responder) -> Diagnosis:
    reply = negative_reply(outcome)
    assert reply is not None
    listed = list_named(reply.text)
    cause = reason.cause.replace(" (LIST)", f" ({listed})" if listed else "")
    codes = [code for code in sub_codes(reply.text) if code not in cause]
    if codes:
        cause = f"{cause} ({', '.join(codes)})"
    page = PAGES[reason.page].address if reason.page else ""
    return Diagnosis(
        *(reason.kind, cause, responder.step_for(reason), page, reason.begin),
        *(reason.everybody, reason.this_probe),
    )


def matching_reason(outcome: StageOutcome) -> Optional[Reason]:
    """The first reason whose wording is in the reply of ``outcome``, or ``None``."""
    reply = negative_reply(outcome)
    if reply is None:
        return None
    stage = said_at(outcome)
    words = meaning_of(reply, stage)
    said = {reason.key: reason for reason in REASONS if _may_say(reason, stage, reply)}
    for key, wordings in SEARCHED:
        if key in said and any(re.search(wording, words) for wording in wordings):
            return said[key]
    return None


def _may_say(reason: Reason, stage: Stage, reply: Reply) -> bool:
    """Whether a reply at ``stage`` can have this reason, by its codes."""
    if reason.stages and stage not in reason.stages:
        return False
    status = status_of(reply)
    if reason.subjects and status is not None and status.subject not in reason.subjects:
        return False
    return reply.code // 100 in reason.classes


class Match(NamedTuple):
    """How well a row fits.  The greater of two is better; the first field that differs decides."""

    #: By an enhanced code with more than one digit in its detail: these are mostly Microsoft's own
    #: and mean one thing each, while the codes of RFC 3463 are used for anything.
    own_code: bool = False
    #: By a sub-code, such as ``PRX4``.
    sub_code: bool = False
    #: By words of the reply, or by the reason why there was none.
    said: bool = False
    #: By an enhanced code.
    code: bool = False
    #: By the generation.
    generation: bool = False
    #: Number of characters of the words that fit.
    length: int = 0
    #: The row is for certain stages only.
    at_stages: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether it fits by more than a code that is used for anything."""
        return self.own_code or self.sub_code or self.said

    @property
    def by_code_alone(self) -> bool:
        """Whether it fits only by such a code."""
        return self.code and not self.is_exact


def best_row(
    outcome: StageOutcome, generation: Optional[Generation] = None
) -> tuple[Optional[Row], Match]:
    """The row that fits ``outcome`` best, if one fits, and how well it does."""
    best: Optional[Row] = None
    best_match = Match()
    for row in ROWS:
        match = _match(row, outcome, generation)
        if match is not None and (best is None or match > best_match):
            best, best_match = row, match
    return best, best_match


def matching_entry(
    outcome: StageOutcome, generation: Optional[Generation] = None
) -> Optional[Union[Row, Reason]]:
    """The row, or else the reason, that explains ``outcome``; ``None`` if neither does."""
    return _search(outcome, generation)[0]


def _search(
    outcome: StageOutcome, generation: Optional[Generation], foreign: bool = False
) -> tuple[Optional[Union[Row, Reason]], Match]:
    """The entry for ``outcome``; ``foreign`` if another server than Exchange gave the reply."""
    row, match = best_row(outcome, generation)
    # Words say more than a code that is used for anything, and words of Exchange are not another
    # server's.
    exact = match.own_code or match.sub_code if foreign else match.is_exact
    reason = None if exact else matching_reason(outcome)
    return reason or row, match


def _match(row: Row, outcome: StageOutcome, generation: Optional[Generation]) -> Optional[Match]:
    """How well ``row`` fits, or ``None`` if it does not."""
    if row.stages and said_at(outcome) not in row.stages:
        return None
    if row.generations and generation not in row.generations:
        return None
    if row.causes:
        return _match_by_cause(row, outcome)
    reply = negative_reply(outcome)
    if reply is None or (row.codes and reply.code not in row.codes):
        return None
    status, text = status_of(reply), words_of(reply)
    fits = status is not None and any(covers(code, status) for code in row.enhanced)
    coded = text if status is None else f"{status} {text}"
    said = [words for words in row.texts if _says(coded, words)]
    # If EnhancedStatusCodesEnabled is off, only words can fit.
    begun = [words for words in row.words if text.lower().startswith(words.lower())]
    if row.enhanced and not fits and (status is not None or not begun):
        return None
    if row.texts and not said and not (row.enhanced and status is None):
        return None
    said += begun
    sub_code = any(map(_is_sub_code, said))
    own_code = fits and status is not None and status.detail >= 10
    longest = max(map(len, said), default=0)
    return Match(
        *(own_code, sub_code, bool(said), fits, bool(row.generations)), *(longest, bool(row.stages))
    )


def _match_by_cause(row: Row, outcome: StageOutcome) -> Optional[Match]:
    if outcome.reply is not None or outcome.cause not in row.causes:
        return None
    begun = [words for words in row.received if outcome.received.startswith(words)]
    if row.received and not begun:
        return None
    return Match(
        said=True,
        generation=bool(row.generations),
        length=max(map(len, begun), default=0),
        at_stages=bool(row.stages),
    )


def sub_codes(text: str) -> tuple[str, ...]:
    """Microsoft's sub-codes in a reply text, such as ``PRX4`` or ``AS(201806281)``; two at most."""
    return _sub_codes(text)[:_MAX_SUB_CODES]


def _sub_codes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(_SUB_CODES, text)))


def _says(text: str, words: str) -> bool:
    """Whether ``words`` are in ``text``, in any case; a sub-code must be a whole word."""
    if not _is_sub_code(words):
        return words.lower() in text.lower()
    # ``prx1.contoso.com`` and ``mattross`` are not sub-codes.
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


def _fallback(outcome: StageOutcome, responder: Responder) -> Diagnosis:
    """The meaning of a reply that is in neither table, by its class."""
    kind, cause, begin = _STAGES[said_at(outcome)]
    reply = negative_reply(outcome)
    if reply is None:
        return _fallback_without_reply(outcome)
    status = status_of(reply)
    if status is not None and status.subject in _SUBJECTS:
        kind, cause, begin = _SUBJECTS[status.subject]
    origin = "this reply is not one known from Exchange, perhaps a gateway's"
    page = PAGES["protocol-logging"].address
    if reply.code == CLOSING:
        next_step = "Try again, then search the text: " + responder.where_logged
        cause = f"The server closes the connection; {origin}"
        return Diagnosis(Kind.LOAD, cause, next_step, page, "mail-flow")
    if reply.code < 500:
        next_step = (
            "Wait for the next check. If it stays, search the text: " + responder.where_logged
        )
        kind = Kind.SERVER if status is not None and status.subject in (3, 4, 7) else Kind.LOAD
        return Diagnosis(kind, f"For the time being {cause}; {origin}", next_step, page, begin)
    next_step = "Search the text: " + responder.where_logged
    return Diagnosis(kind, f"By its code {cause}; {origin}", next_step, page, begin)


def _fallback_without_reply(outcome: StageOutcome) -> Diagnosis:
    kind, cause, begin = _STAGES[said_at(outcome)]
    if outcome.reply is not None:
        return Diagnosis(
            Kind.PROTOCOL,
            f"The reply code {outcome.reply.code} has no place at this stage, "
            "and is not one known from Exchange here",
            "Look at the transcript (-vv) and at what is in front of the server: a gateway or "
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

"""What is printed of a set of servers: the first line, and as many perfdata as there is room for.

Below -vv the whole output stays below ``report.text.MAX_OUTPUT``, but the perfdata of many servers
would be longer.  The choice depends on the options and not on the results, so that the labels are
the same in every run.
"""

from __future__ import annotations

from ..cli.words import CERTIFICATE, DELIVERED, EXTENSIONS, IN_MAILBOX, MEASURED, TOTAL
from ..judgement import certificate_ranges
from ..record import TYPE_CHECKING
from ..vocabulary import Stage, Tls, Verdict
from .text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..options import Judging, Options
    from ..protocol.conversation import Target
    from ..protocol.message import Plan
    from ..run.acceptance import Member, ServerSet

#: Maximum number of bytes, so that there is room for text.
MAX_PERFDATA = 3000
#: Bytes of a number with its unit and minimum, without label and ranges.
_NUMBER = len("=50.1234s;;;0 ")


def left_out(options: Options, labels: Sequence[str]) -> frozenset[str]:
    """The metrics to leave out for every server of a set.

    First the stages without a threshold are left out, then everything but the metrics of the set.

    :param labels: of the servers
    """
    judging = options.judging
    names = _planned(options)
    wanted = {TOTAL, CERTIFICATE, DELIVERED, *judging.warning, *judging.critical}
    if _room(names, judging, labels) <= MAX_PERFDATA:
        return frozenset()
    # Also ``mx``, which only a host without an address has.
    without = (names - wanted) | {Stage.MX.value}
    if _room(names - without, judging, labels) <= MAX_PERFDATA:
        return frozenset(without)
    return frozenset(names | without)


def _planned(options: Options) -> set[str]:
    absent = {Stage.MX.value}
    if options.probe.tls is Tls.NEVER:
        absent |= {Stage.STARTTLS.value, CERTIFICATE}
    if options.probe.credentials is None:
        absent.add(Stage.AUTH.value)
    if options.mailbox is None:
        absent.update(IN_MAILBOX)
    return {*MEASURED, *IN_MAILBOX, EXTENSIONS, CERTIFICATE} - absent


def _room(names: Collection[str], judging: Judging, labels: Sequence[str]) -> int:
    """Number of bytes of the perfdata of ``names``."""
    ranges = {
        name: len(judging.warning.get(name, "")) + len(judging.critical.get(name, ""))
        for name in names
    }
    if CERTIFICATE in ranges:
        ranges[CERTIFICATE] = sum(map(len, certificate_ranges(judging.certificate_days)))
    return sum(
        # nagiosplugin quotes labels with other characters than letters, digits and underscores.
        len(f"'{label}_{name}'") + _NUMBER + ranges[name]
        for label in labels
        for name in names
    )


def set_headline(
    found: ServerSet,
    target: Target,
    plan: Plan,
    recipients: str,
    deciding: Collection[str] = (),
    notices: Sequence[str] = (),
) -> str:
    """The words for a test of all servers: how many accept, and the worst of the others.

    :param recipients: those for which all servers accept mail
    :param deciding: labels of the servers that give the check its state
    :param notices: what else is mentioned
    """
    details = f" ({'; '.join(notices)})" if notices else ""
    members = found.members
    name = printable(target.domain or target.host, 80)
    failed = [member for member in members if member.acceptance.failure is not None]
    number = counted(len(members), "mail server")
    if plan.until is Stage.MX and not failed:
        return f"{number} found for {name} in {found.seconds:.3f}s{details}"
    what = f"pass every stage up to {plan.until.value}"
    if plan.until in (Stage.MX, Stage.MESSAGE):
        what = "found" if plan.until is Stage.MX else "accept mail"
    count = f"{len(members) - len(failed)} of {number} of {name} {what}"
    if not failed:
        return f"{count} for {recipients} in {found.seconds:.3f}s{details}"
    from .failure import failure

    if failed[0].acceptance.decisive is None:
        return failure(failed[0].acceptance, target, plan)
    # A primary before a backup, and a permanent failure before a temporary one.
    worst = min(failed, key=lambda each: (each.label not in deciding, *_order_of_failure(each)))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{count}; {failure(worst.acceptance, target, plan)}{more}"


_WORST_FIRST = (
    Verdict.BROKEN,
    Verdict.TIMED_OUT,
    Verdict.REFUSED,
    Verdict.MISSING,
    Verdict.DEFERRED,
    Verdict.UNTESTED,
)


def _order_of_failure(member: Member) -> tuple[bool, int]:
    stopped = member.acceptance.failure
    assert stopped is not None
    return not member.primary, _WORST_FIRST.index(stopped.verdict)

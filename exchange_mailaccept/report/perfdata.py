"""Chooses the perfdata of a set if there is no room for all of them.

Below -vv the whole output stays below ``report.text.MAX_OUTPUT``, but the perfdata of many servers
would be longer.  The choice depends on the options and not on the results, so that the labels are
the same in every run.
"""

from __future__ import annotations

from ..cli.words import CERTIFICATE, EXTENSIONS, MEASURED, TOTAL
from ..judgement import certificate_ranges
from ..record import TYPE_CHECKING
from ..vocabulary import Stage, Tls

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..options import Judging, Options

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
    wanted = {TOTAL, CERTIFICATE, *judging.warning, *judging.critical}
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
    return {*MEASURED, EXTENSIONS, CERTIFICATE} - absent


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

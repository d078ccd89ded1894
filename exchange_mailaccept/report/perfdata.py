"""Which perfdata of a set are printed when there is no room for all of them.

Below -vv the whole output stays below ``report.text.MAX_OUTPUT``, and of many servers the perfdata
alone would be longer.  What is left out is decided by what is planned and not by what became of it,
so that the labels are the same in each run.
"""

from __future__ import annotations

from ..cli.words import CERTIFICATE, EXTENSIONS, MEASURED, TOTAL
from ..judgement import certificate_ranges
from ..record import TYPE_CHECKING
from ..vocabulary import Stage, Tls

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..options import Judging, Options

#: Most bytes of it, so that there is room for words.
MAX_PERFDATA = 3000
#: Bytes of a number with its unit and its least, and without label and ranges.
_NUMBER = len("=50.1234s;;;0 ")


def left_out(options: Options, labels: Sequence[str]) -> frozenset[str]:
    """The metrics that are to be left out for every server of a set.

    First the stages that have no threshold go, then all that is not said of the set as a whole.

    :param labels: of the servers
    """
    judging = options.judging
    names = _planned(options)
    wanted = {TOTAL, CERTIFICATE, *judging.warning, *judging.critical}
    if _room(names, judging, labels) <= MAX_PERFDATA:
        return frozenset()
    # With ``mx``, which is there only for a host that was looked up in vain.
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
    """Bytes that the perfdata of ``names`` take."""
    ranges = {
        name: len(judging.warning.get(name, "")) + len(judging.critical.get(name, ""))
        for name in names
    }
    if CERTIFICATE in ranges:
        ranges[CERTIFICATE] = sum(map(len, certificate_ranges(judging.certificate_days)))
    return sum(
        # nagiosplugin quotes what is more than letters, digits and underscores.
        len(f"'{label}_{name}'") + _NUMBER + ranges[name]
        for label in labels
        for name in names
    )

"""What the probe's mailbox shows, in words.  Imported only with ``--delivered``."""

from __future__ import annotations

import time

from ..cli.words import DELAY, DELIVERED
from ..exchange.delivery import LATE, MISPLACED, NEVER, SLOW, UNSEEN
from ..further_judgement import is_late
from ..judgement import Ground
from ..net.probes import hops
from ..protocol.message import rfc5322_date
from ..record import TYPE_CHECKING
from ..vocabulary import Cause, State
from .text import QUOTED, printable

if TYPE_CHECKING:
    from typing import Optional

    from ..exchange.diagnosis import Diagnosis
    from ..judgement import Assessment, Judgement
    from ..net.probes import Newest
    from ..options import Options
    from ..run.acceptance import Examined

#: Most servers of a way that are shown, the last ones.
MOST_HOPS = 12


def span(seconds: float) -> str:
    """A time as one says it."""
    for most, unit, name in ((100, 1, "s"), (5_400, 60, " min"), (129_600, 3_600, " h")):
        if seconds < most:
            return f"{seconds / unit:.0f}{name}"
    return f"{seconds / 86_400:.0f} days"


def describe(
    judgement: Judgement, examined: Optional[Examined], assessment: Assessment, options: Options
) -> str:
    """``judgement``, which is about ``delivered`` or ``delay``, in words."""
    newest = examined.newest if examined is not None else None
    if newest is None:
        return _unseen(assessment, options)
    words = _words(judgement, newest, options)
    if options.judging.rule is None or examined is None:
        return words
    return f"{printable(examined.name, 80)}: {words}"


def _words(judgement: Judgement, newest: Newest, options: Options) -> str:
    probe = newest.probe
    if probe is None:
        return "accepted, but no probe has arrived yet"
    if judgement.name == DELAY:
        took = span(newest.delay or 0.0)
        return f"the newest probe took {took} to arrive (outside range {judgement.violated})"
    folder, right = (printable(each, 60) for each in (probe.folder, _inbox(options)))
    where = f" in {folder}" if folder != right else ""
    if judgement.ground is Ground.RANGE:
        return f"accepted, but the newest probe that arrived{where} is {span(newest.age)} old"
    return f"accepted, but the newest probe arrived in {folder} and not in {right}"


def _inbox(options: Options) -> str:
    assert options.mailbox is not None
    return options.mailbox.folders[0]


def _unseen(assessment: Assessment, options: Options) -> str:
    """Why nobody could look into the mailbox."""
    delivery, mailbox = assessment.found.delivery, options.mailbox
    assert delivery is not None
    assert delivery.fault is not None
    assert mailbox is not None
    fault = delivery.fault
    why = f"no answer {fault.explanation}" if fault.cause is Cause.SILENT else fault.explanation
    where = printable(mailbox.host, 80)
    return f"could not look into the mailbox at {where}: {printable(why, QUOTED)}"


def notices(assessment: Assessment, options: Options) -> list[str]:
    """What is worth a word in the first line though nothing is wrong by it."""
    everything = [each.newest for each in assessment.examined if each.newest is not None]
    told = []
    if options.judging.rule is not None:
        fine = [
            each for each in everything if each.probe and not is_late(each.age, options.judging)
        ]
        told = [f"probes of {len(fine)} of {len(everything)} have arrived"] if everything else []
    elif all(each.name != DELIVERED for each in assessment.wrong):
        told = [_arrival(each) for each in everything if each.probe is not None]
    skew = max((each.skew for each in everything), default=0.0)
    if skew:
        told.append(f"clocks of monitor and mailbox differ by {span(skew)}")
    return told


def _arrival(newest: Newest) -> str:
    took = f" in {newest.delay:.0f}s" if newest.delay is not None else ""
    if newest.of_this_run:
        return f"delivered{took}"
    return f"the probe of {span(newest.age)} ago was delivered{took}"


def remedies(assessment: Assessment) -> list[Diagnosis]:
    """What is wrong with the delivery means, and what to do."""
    found = []
    for judgement in assessment.wrong:
        newest = None
        if judgement.server is not None:
            newest = assessment.server(judgement.server).newest
        if judgement.name == DELAY:
            found.append(SLOW)
        elif judgement.name != DELIVERED:
            continue
        elif newest is None:
            found.append(UNSEEN)
        elif newest.probe is None:
            found.append(NEVER)
        elif judgement.ground is Ground.RANGE:
            start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest.probe.sent))
            found.append(LATE._replace(next_step=LATE.next_step.replace("START", start)))
        else:
            found.append(MISPLACED)
    return found


def lines(assessment: Assessment, options: Options) -> list[str]:
    """What has arrived of each server's probes, by which way, and what was noticed."""
    delivery = assessment.found.delivery
    assert delivery is not None
    if delivery.fault is not None:
        words = _unseen(assessment, options)
        # The first line has it if nothing worse is there.
        told = any(
            each.name == DELIVERED and each.state is not State.OK for each in assessment.wrong
        )
        return [] if told else [f"Note: {words}"]
    shown = []
    for examined in assessment.examined:
        if examined.newest is not None:
            name = f" of {printable(examined.name, 80)}" if examined.member.label else ""
            shown += _lines_of(examined.newest, name, options)
    return [*shown, *(f"Note: {printable(note, QUOTED)}" for note in delivery.notes[:4])]


def _lines_of(newest: Newest, name: str, options: Options) -> list[str]:
    probe = newest.probe
    if probe is None:
        return [f"Delivery: no probe{name} has arrived"]
    took = f" after {newest.delay:.0f}s" if newest.delay is not None else ""
    sent = f"sent {rfc5322_date(probe.sent)} ({span(newest.age)} ago)"
    folder = printable(probe.folder, 60)
    shown = [f"Delivery: newest probe{name}, {sent}, arrived{took} in {folder}"]
    way = hops(probe.way, probe.sent)
    for hop in way[-MOST_HOPS:]:
        seconds = "" if hop.seconds is None else f"{hop.seconds:+.0f}s"
        shown.append(f"  {seconds:>8}  {printable(hop.host, 80)}")
    if newest.skew:
        shown.append(
            f"Note: clocks of monitor and mailbox differ by {span(newest.skew)} at least, so that"
            " the delay can't be told"
        )
    if newest.of_this_run and newest.gap and is_late(newest.gap, options.judging):
        shown.append(f"Note: before it no probe{name} had arrived for {span(newest.gap)}")
    return shown

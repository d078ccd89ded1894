"""The mail acceptance test as a check of nagiosplugin: its resource, contexts and summary.

The only module that uses nagiosplugin.  The test is over when this is used: ``judgement`` says how
bad its result is, and ``report`` puts it into words.
"""

from __future__ import annotations

import io
import math

from nagiosplugin import (
    Check,
    Context,
    Critical,
    Metric,
    Ok,
    Performance,
    Resource,
    Result,
    Results,
    Summary,
    Timeout,
    Unknown,
    Warn,
)
from nagiosplugin.runtime import Runtime

from .cli.words import CERTIFICATE
from .judgement import ORDER, assess, certificate_ranges
from .record import TYPE_CHECKING
from .report.headline import first_line
from .report.text import bounded
from .vocabulary import State

if TYPE_CHECKING:
    from typing import Any, Optional

    from .judgement import Assessment
    from .options import Options
    from .run.acceptance import ServerSet

STATES = {State.OK: Ok, State.UNKNOWN: Unknown, State.WARNING: Warn, State.CRITICAL: Critical}
#: Seconds after the run's own deadline at which nagiosplugin's alarm ends it, should it still run.
WATCHDOG_DELAY = 5


class MailAccept(Resource):  # type: ignore[misc]  # nagiosplugin has no types
    """The mail acceptance of a target: a metric for each stage and finding of each server."""

    def __init__(self, assessment: Assessment, options: Options) -> None:
        self.assessment = assessment
        self.options = options
        self._judgements = {judgement.label: judgement for judgement in assessment.judgements}
        self._unprinted: frozenset[str] = frozenset()
        if options.judging.rule is not None and options.limits.verbosity < 2:
            from .report.server_set import left_out

            labels = [server.member.label for server in assessment.examined]
            self._unprinted = left_out(options, labels)

    def probe(self) -> list[Metric]:
        """The results of the test as metrics; failures of the network are among them."""
        return [
            Metric(
                judgement.label,
                judgement.value,
                judgement.unit,
                min=None if judgement.name == CERTIFICATE else 0,
                context=judgement.name,
            )
            for judgement in self.assessment.judgements
        ]

    def state(self, metric: Metric) -> Any:
        """How bad ``metric`` is."""
        return STATES[self._judgements[metric.name].state]

    def is_printed(self, metric: Metric) -> bool:
        """Whether ``metric`` has a number and is not left out for lack of room."""
        of_a_server = self._judgements[metric.name].server is not None
        return metric.value is not None and not (of_a_server and metric.context in self._unprinted)


class StageContext(Context):  # type: ignore[misc]  # nagiosplugin has no types
    """A stage or another metric or finding, which has been judged already."""

    def __init__(self, name: str, *ranges: Optional[str]) -> None:
        super().__init__(name)
        self._ranges = [_short(text) if text else "" for text in ranges]

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """The state that ``judgement`` gave the metric."""
        return Result(resource.state(metric), None, metric)

    def performance(self, metric: Metric, resource: MailAccept) -> Any:
        """The number with its ranges, written without the exponents that nagiosplugin may use."""
        if not resource.is_printed(metric):
            return None
        return Performance(metric.name, metric.value, metric.uom, *self._ranges, metric.min)


def _short(text: str) -> str:
    from .cli.threshold import Threshold

    return Threshold.of(text).short


class MostSevere(Results):  # type: ignore[misc]  # nagiosplugin has no types
    """Results whose worst state is CRITICAL, not UNKNOWN."""

    @property
    def most_significant_state(self) -> Any:
        """The worst state of all results."""
        return max(self.by_state, key=[STATES[state] for state in ORDER].index)


class MailAcceptSummary(Summary):  # type: ignore[misc]  # nagiosplugin has no types
    """The texts: the first line, and the lines below it."""

    def __init__(self, resource: MailAccept) -> None:
        self._resource = resource

    def ok(self, results: Results) -> str:  # noqa: ARG002 nagiosplugin's signature
        """The first line."""
        return first_line(self._resource.assessment, self._resource.options)

    problem = ok

    def verbose(self, results: Results) -> list[str]:  # noqa: ARG002 nagiosplugin's signature
        """The lines below the first."""
        from .report.lines import below_the_first

        return below_the_first(self._resource.assessment, self._resource.options)


def build_check(assessment: Assessment, options: Options) -> Check:
    """The check with its resource, contexts, results and summary."""
    judging = options.judging
    resource = MailAccept(assessment, options)
    ranges = {
        name: (judging.warning.get(name), judging.critical.get(name))
        for name in (judgement.name for judgement in assessment.judgements)
    }
    if CERTIFICATE in ranges:
        warning, critical = [*certificate_ranges(judging.certificate_days), None, None][:2]
        ranges[CERTIFICATE] = warning, critical
    contexts = [StageContext(name, *bounds) for name, bounds in ranges.items()]
    return Check(resource, *contexts, MostSevere(), MailAcceptSummary(resource))


def run_check(options: Options, found: ServerSet) -> tuple[str, int]:
    """Judge what was ``found``.

    :returns: the output and the exit status
    """
    verbosity = options.limits.verbosity
    if options.is_plain:
        # The rules of the other options take 1 % of a run's instructions.
        assessment = assess(found, options)
    else:
        from .further_judgement import assess_all

        assessment = assess_all(found, options)
    # If something is wrong, the stages are shown without -v.
    talk = verbosity if assessment.state is State.OK else max(verbosity, 1)
    runtime = Runtime()
    runtime.stdout = io.StringIO()
    watchdog = math.ceil(options.limits.timeout) + WATCHDOG_DELAY
    try:
        build_check(assessment, options).main(talk, watchdog)
    except SystemExit:
        text = runtime.stdout.getvalue().rstrip("\n")
        return text if verbosity >= 2 else bounded(text), runtime.exitcode
    except Timeout:
        late = f"still running {WATCHDOG_DELAY}s after its deadline"
        return f"MAILACCEPT UNKNOWN - fault of the plugin itself: {late}", Unknown.code
    raise AssertionError("unreachable")

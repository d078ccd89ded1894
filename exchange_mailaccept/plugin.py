"""The plugin's side of nagiosplugin: judges what the test brought back in states, and prints.

The only module that knows nagiosplugin; see the other rooms of the package for the test itself.
"""

from __future__ import annotations

import io
import math
import re

from nagiosplugin import (
    Check,
    Critical,
    Metric,
    Ok,
    Resource,
    Result,
    Results,
    ScalarContext,
    Summary,
    Timeout,
    Unknown,
    Warn,
)
from nagiosplugin.runtime import Runtime

from .cli.words import BACKUP_MX, CERTIFICATE, EXTENSIONS, MEASURED, TOTAL
from .record import TYPE_CHECKING
from .report import headline
from .report.ending import exit_unknown, print_and_exit
from .report.text import MAX_LINE, bounded, printable
from .run.examined import examine
from .vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Optional

    from .exchange.diagnosis import Diagnosis
    from .options import Options
    from .protocol.dialogue import Plan
    from .protocol.stages import Server, StageOutcome
    from .run.acceptance import ServerSet
    from .run.examined import Examined

#: What a verdict means to Nagios; ``--severity`` overrides it.
STATES = {
    Verdict.PASSED: Ok,
    Verdict.DEFERRED: Warn,
    Verdict.REFUSED: Critical,
    Verdict.BROKEN: Critical,
    Verdict.TIMED_OUT: Critical,
    Verdict.MISSING: Critical,
    Verdict.UNTESTED: Unknown,
}
NAMED_STATES = {"ok": Ok, "warning": Warn, "critical": Critical, "unknown": Unknown}
#: "Service not available, closing": whoever says it takes no mail from anybody.
CLOSING = 421
#: Context of the numbers that say how many servers there are.
SET = "set"
#: Seconds after the run's own deadline at which nagiosplugin's alarm ends what should have ended.
WATCHDOG_DELAY = 5


class Judge:
    """States for findings: the defaults, and what ``--severity`` says instead."""

    def __init__(self, severities: dict[str, str]) -> None:
        self._severities = severities

    def named(self, key: str, default: Any) -> Any:
        """The state of the finding ``key``."""
        return NAMED_STATES[self._severities[key]] if key in self._severities else default

    def outcome(self, outcome: StageOutcome, diagnosis: Diagnosis) -> Any:
        """The state of a stage that did not pass; the most specific key that was given wins."""
        reply = outcome.reply
        keys = [diagnosis.kind.value, outcome.stage.value, outcome.verdict.value]
        if reply is not None:
            keys = [str(reply.code), str(reply.enhanced), *keys]
        default = STATES[outcome.verdict]
        if reply is not None and (reply.code == CLOSING or outcome.stage is Stage.BANNER):
            default = Critical
        given = next((key for key in keys if key in self._severities), "")
        return self.named(given, default)


class MailAccept(Resource):  # type: ignore[misc]  # nagiosplugin has no types
    """The mail acceptance of one target, as metrics: one for each stage of each server tested."""

    def __init__(self, options: Options, plan: Plan, found: ServerSet, judge: Judge) -> None:
        self.chosen = options
        self.plan = plan
        self.judge = judge
        self.found = found
        self.examined: tuple[Examined, ...] = ()
        #: The server that each metric is about.
        self.subjects: dict[str, Examined] = {}
        #: Who judges the metrics of a server, by their context.
        self.judges: dict[str, Judged] = {}
        #: Contexts of the servers' metrics that perfdata have no room for.
        self.unprinted: frozenset[str] = frozenset()
        self._found_fine: Optional[list[Examined]] = None

    def probe(self) -> list[Metric]:
        """What the test brought back.  Whatever the network did is in the metrics."""
        chosen = self.chosen
        self.examined = tuple(
            examine(member, chosen.profile, chosen.require) for member in self.found.members
        )
        metrics = []
        for examined in self.examined:
            for metric in self._metrics(examined):
                metrics.append(metric)
                self.subjects[metric.name] = examined
        if chosen.rule is not None:
            metrics += self._set_metrics()
            self.unprinted = self._unprinted()
        return metrics

    def _metrics(self, examined: Examined) -> list[Metric]:
        acceptance, chosen = examined.member.acceptance, self.chosen

        def metric(name: str, value: Any, **how: Any) -> Metric:
            return Metric(examined.label(name), value, context=name, **how)

        metrics = [
            metric(outcome.stage.value, round(outcome.seconds, 4), uom="s", min=0)
            for outcome in acceptance.outcomes
        ]
        failure = acceptance.failure
        if not (examined.member.label and failure is not None and failure.stage is Stage.MX):
            # A member without an address would have the best total of all.
            metrics.append(metric(TOTAL, round(acceptance.seconds, 4), uom="s", min=0))
        ehlo = examined.outcome(Stage.EHLO)
        if ehlo is not None and ehlo.passed:
            metrics.append(metric(EXTENSIONS, len(examined.keywords.missing), min=0))
        if failure is None and acceptance.passed_over:
            metrics.append(metric(BACKUP_MX, len(acceptance.passed_over)))
        if examined.certificate is not None:
            left = (examined.certificate.not_after - self.plan.now) / headline.SECONDS_OF_A_DAY
            metrics.append(metric(CERTIFICATE, round(left, 2)))
        elif examined.security is not None and chosen.certificate_days:
            metrics.append(metric(CERTIFICATE, None))
        return metrics

    def _unprinted(self) -> frozenset[str]:
        if self.chosen.verbosity >= 2:
            return frozenset()
        # Imported here because most runs test one server.
        from .report.perfdata import left_out

        return left_out(self.chosen, [each.member.label for each in self.examined])

    def _set_metrics(self) -> list[Metric]:
        """What is to be said of the set as a whole."""
        members = [each for each in self.found.members if each.acceptance.decisive]
        metrics = [
            Metric("servers", len(members), min=0, context=SET),
            Metric("accepting", sum(each.accepts for each in members), min=0, context=SET),
        ]
        if self.found.lookup is not None:
            seconds = round(self.found.lookup.seconds, 4)
            metrics.append(Metric("mx", seconds, "s", min=0, context=Stage.MX.value))
        return metrics

    def _accepting(self) -> list[Examined]:
        return [each for each in self.examined if each.member.accepts]

    def _fine(self) -> list[Examined]:
        """The servers that nothing at all is wrong with."""
        if self._found_fine is None:
            self._found_fine = [
                examined
                for examined in self._accepting()
                if all(
                    self.judges[metric.context].judged(metric, self).state == Ok
                    for metric in self._metrics(examined)
                )
            ]
        return self._found_fine

    def weighed(self, metric: Metric, state: Any) -> Any:
        """``state`` as far as the server that ``metric`` is about counts for the set."""
        examined = self.subjects.get(metric.name)
        if examined is None or self.chosen.rule is None or state == Ok:
            return state
        # Imported here because most runs test one server.
        from .run.server_set import Weight, counts_as

        # Whoever accepts makes up for a failure; for what is slow, only one that is not.
        others = self._fine() if examined.member.accepts else self._accepting()
        members = [each.member for each in others if each is not examined]
        counts = counts_as(self.chosen.rule, examined.member, members)
        if counts is Weight.NONE:
            return Ok
        return Warn if counts is Weight.WARNING and state in (Critical, Unknown) else state


class Judged(ScalarContext):  # type: ignore[misc]  # nagiosplugin has no types
    """Judges a metric of one server, and weighs the result for the set."""

    def __init__(self, name: str, warning: Any = None, critical: Any = None) -> None:
        super().__init__(name, warning, critical)
        ranges = {"warn": str(self.warning), "crit": str(self.critical)}
        #: Those in which a bound is ``1e-05`` or the like, and what perfdata can have instead.
        self._in_digits = {
            which: _in_digits(range_) for which, range_ in ranges.items() if "e-" in range_
        }

    def performance(self, metric: Metric, resource: MailAccept) -> Any:
        """The number and its ranges, whose bounds are to be digits."""
        if metric.name in resource.subjects and self.name in resource.unprinted:
            return None
        plain = super().performance(metric, resource)
        return plain._replace(**self._in_digits) if self._in_digits else plain

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """The state of the metric, as far as it counts for the set."""
        result = self.judged(metric, resource)
        state = resource.weighed(metric, result.state)
        return result if state is result.state else Result(state, result.hint, metric)

    def judged(self, metric: Metric, resource: MailAccept) -> Result:
        """The state of the metric, whatever the other servers do."""
        examined = resource.subjects.get(metric.name)
        result = self.finding(metric, examined, resource) if examined else None
        return super().evaluate(metric, resource) if result is None else result

    def finding(self, metric: Metric, examined: Examined, resource: MailAccept) -> Optional[Result]:
        """What is wrong besides the number; ``None`` if the thresholds decide."""
        raise NotImplementedError


class StageContext(Judged):
    """Judges one stage: its verdict first, its seconds if it passed."""

    def __init__(self, name: str, chosen: Options) -> None:
        super().__init__(name, chosen.warning.get(name), chosen.critical.get(name))

    def finding(self, metric: Metric, examined: Examined, resource: MailAccept) -> Optional[Result]:
        """The failure, if the test stopped at this stage."""
        if examined.diagnosis is None:
            return None
        failure = examined.member.acceptance.failure
        if failure is None or failure.stage.value != self.name:
            return None
        state = resource.judge.outcome(failure, examined.diagnosis)
        return Result(state, failure.explanation, metric)


class ExtensionsContext(Judged):
    """Judges whether the EHLO keywords are those of the Exchange that must answer."""

    def finding(self, metric: Metric, examined: Examined, resource: MailAccept) -> Optional[Result]:
        """WARNING if keywords are missing, or nothing shows an Exchange server."""
        if not examined.keywords.is_wrong:
            return None
        hint = headline.missing(examined.keywords, examined.name)
        return Result(resource.judge.named(EXTENSIONS, Warn), hint, metric)


class CertificateContext(Judged):
    """Judges how many days the certificate has left."""

    def __init__(self, days: tuple[float, ...]) -> None:
        # Alert below and not at the number: a range that begins there and has no end.
        ranges = [_in_digits(f"{each:.12g}:") for each in days]
        warning, critical = [*ranges, None, None][:2]
        super().__init__(CERTIFICATE, warning, critical)

    def finding(self, metric: Metric, examined: Examined, resource: MailAccept) -> Optional[Result]:
        """The state by days left; UNKNOWN if they were asked for and can't be told."""
        if examined.certificate is None:
            hint = "the server's certificate could not be read"
            return Result(resource.judge.named(CERTIFICATE, Unknown), hint, metric)
        result = super(Judged, self).evaluate(metric, resource)
        if result.state == Ok:
            return None
        hint = headline.expiry(examined.certificate, metric.value)
        return Result(resource.judge.named(CERTIFICATE, result.state), hint, metric)

    def performance(self, metric: Metric, resource: MailAccept) -> Any:
        """The days, if they are known."""
        return None if metric.value is None else super().performance(metric, resource)


class BackupContext(Judged):
    """Judges that a better MX had to be passed over."""

    def finding(self, metric: Metric, examined: Examined, resource: MailAccept) -> Optional[Result]:
        """WARNING, because the domain lives on its reserve."""
        hint = headline.backup(examined.member.acceptance, resource.plan)
        return Result(resource.judge.named(BACKUP_MX, Warn), hint, metric)

    def performance(self, metric: Metric, resource: MailAccept) -> None:
        """No perfdata: it is a remark and no measurement."""


class MostSevere(Results):  # type: ignore[misc]  # nagiosplugin has no types
    """Results whose worst state is CRITICAL.

    nagiosplugin takes UNKNOWN for worse, and would hide a dead server behind a doubt.
    """

    _ORDER = (Ok, Unknown, Warn, Critical)

    @property
    def most_significant_state(self) -> Any:
        """The worst state of all results."""
        return max(self.by_state, key=self._ORDER.index)


class MailAcceptSummary(Summary):  # type: ignore[misc]  # nagiosplugin has no types
    """The words: the first line, and the lines below it."""

    def __init__(self, resource: MailAccept) -> None:
        self._resource = resource

    def ok(self, results: Results) -> str:  # noqa: ARG002 nagiosplugin's signature
        """The first line when all is well."""
        return self._headline(frozenset())

    def problem(self, results: Results) -> str:
        """The first line when something is wrong: first what gives the check its state."""
        worst = [each for each in results.most_significant if each.state != Ok]
        headline = self._headline(self._labels(worst))
        if any(map(self._stopped, worst)):
            return headline
        others = [each for each in results if each.state != Ok and each not in worst]
        words = [self._describe(each) for each in (*worst, *others) if not self._stopped(each)]
        return _cut("; ".join([*words, headline]))

    def _labels(self, results: Iterable[Result]) -> frozenset[str]:
        """The labels of the servers that the results are about."""
        found = (self._resource.subjects.get(each.metric.name) for each in results)
        return frozenset(each.member.label for each in found if each is not None)

    def _stopped(self, result: Result) -> bool:
        """Whether it is about the stage that stopped the test of its server."""
        examined = self._resource.subjects.get(result.metric.name)
        failure = examined.member.acceptance.failure if examined else None
        return failure is not None and failure.stage.value == result.metric.context

    def _describe(self, result: Result) -> str:
        """One finding in words."""
        metric, resource = result.metric, self._resource
        if metric.context not in (EXTENSIONS, CERTIFICATE, BACKUP_MX):
            took = f"{metric.value:.4g}" if metric.value < 1000 else f"{metric.value:.0f}"
            return f"{metric.name} took {took}s ({_in_digits(str(result.hint))})"
        words = str(result.hint)
        host = printable(resource.subjects[metric.name].name, 80)
        return words if resource.chosen.rule is None or host in words else f"{host}: {words}"

    def verbose(self, results: Results) -> list[str]:
        """The lines below the first, in the order in which one reads them at night."""
        # Imported here because most runs have one line.
        from .report import lines

        resource = self._resource
        verbosity = resource.chosen.verbosity
        talkative = verbosity >= 1
        wrong = self._labels(each for each in results if each.state != Ok)
        worst = self._labels(results.most_significant) & wrong
        # First whoever gives the check its state, then whoever else has failed.
        examined_in_order = sorted(
            resource.examined,
            key=lambda each: (each.member.label not in worst, each.member.accepts),
        )
        findings = [each.diagnosis for each in examined_in_order if each.diagnosis is not None]
        stopped = any(map(self._stopped, results.most_significant))
        remedies = [] if stopped else self._remedies(results)
        shown = []
        for finding, server in remedies:
            shown += lines.remedy_lines(finding, resource.plan, server)
        if resource.chosen.rule is None:
            (examined,) = resource.examined
            full = talkative or results.most_significant_state != Ok
            if findings and not stopped:
                shown += lines.keyword_lines(examined.keywords)
            shown += lines.server_lines(examined, resource.plan, full)
        else:
            shown += lines.set_lines(examined_in_order, resource.plan, talkative, wrong)
            shown += lines.note_lines(*resource.found.notes) if talkative or wrong else []
        if findings or results.most_significant_state != Ok:
            begins = [each.begin for each in (*(finding for finding, _ in remedies), *findings)]
            shown += lines.troubleshooting_lines(begins[0] if begins else "mail-flow")
        if verbosity >= 2:
            for examined in resource.examined:
                shown += lines.transcript_lines(examined.member.acceptance.sessions)
        return shown

    def _remedies(self, results: Results) -> list[tuple[Diagnosis, Optional[Server]]]:
        """What is wrong besides a stage that stopped a test, with the server passed over."""
        wrong = [each for each in results if each.state != Ok and not self._stopped(each)]
        if not wrong:
            return []
        # Imported here because most runs have nothing to explain.
        from .exchange.diagnosis import EXPIRING, SLOW, UNREADABLE, diagnose

        contexts = {each.metric.context for each in wrong}
        remedies: list[tuple[Diagnosis, Optional[Server]]] = []
        if BACKUP_MX in contexts:
            (examined,) = self._resource.examined
            # The first, since it is the one that the first line has.
            session = examined.member.acceptance.passed_over[0]
            remedies += [(diagnose(session.failure), session.server)] if session.failure else []
        certificates = [each.metric.value for each in wrong if each.metric.context == CERTIFICATE]
        remedies += [(EXPIRING, None)] if any(days is not None for days in certificates) else []
        remedies += [(UNREADABLE, None)] if None in certificates else []
        return remedies + ([(SLOW, None)] if contexts.intersection(MEASURED) else [])

    def _headline(self, deciding: frozenset[str]) -> str:
        resource = self._resource
        chosen = resource.chosen
        if chosen.rule is not None:
            line = headline.set_headline(resource.found, chosen.target, resource.plan, deciding)
            return _cut(line)
        (examined,) = resource.examined
        acceptance = examined.member.acceptance
        if acceptance.failure is not None:
            return _cut(headline.failure(acceptance, chosen.target, resource.plan))
        return _cut(headline.success(acceptance, resource.plan, examined.keywords.generation))


class MailAcceptCheck(Check):  # type: ignore[misc]  # nagiosplugin has no types
    """The check, which says more as soon as something is wrong."""

    def __call__(self) -> None:
        """Probe and judge."""
        super().__call__()
        if self.state != Ok:
            runtime = Runtime()
            runtime.verbose = max(runtime.verbose, 1)


def _in_digits(text: str) -> str:
    """``text`` with no number in it that has an exponent."""
    return re.sub(r"[0-9.]+e-[0-9]+", lambda found: f"{float(found[0]):.12f}".rstrip("0"), text)


def _cut(line: str) -> str:
    """The first line stays below 300 characters, its name and state included."""
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 3]}..."


def build_check(options: Options, plan: Plan, found: ServerSet) -> MailAcceptCheck:
    """The check with its resource, contexts, results and summary."""
    chosen = options
    resource = MailAccept(options, plan, found, Judge(dict(chosen.severities)))
    judges = (
        *(StageContext(name, chosen) for name in MEASURED),
        ExtensionsContext(EXTENSIONS),
        CertificateContext(chosen.certificate_days),
        BackupContext(BACKUP_MX),
    )
    resource.judges = {each.name: each for each in judges}
    return MailAcceptCheck(
        resource,
        *judges,
        ScalarContext(SET),
        MostSevere(),
        MailAcceptSummary(resource),
    )


def conclude(options: Options, plan: Plan, found: ServerSet) -> None:
    """Judge what was ``found``, print, and exit with the state."""
    verbosity = options.verbosity
    runtime = Runtime()
    runtime.stdout = io.StringIO()
    watchdog = math.ceil(options.timeout) + WATCHDOG_DELAY
    try:
        build_check(options, plan, found).main(verbosity, watchdog)
    except SystemExit:
        text = runtime.stdout.getvalue().rstrip("\n")
        print_and_exit(text if verbosity >= 2 else bounded(text), runtime.exitcode)
    except Timeout:
        exit_unknown(
            f"fault of the plugin itself: still running {WATCHDOG_DELAY}s after its deadline"
        )

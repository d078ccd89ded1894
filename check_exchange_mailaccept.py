#!/usr/bin/env python3
"""Nagios and Icinga plugin that tests whether an Exchange server accepts mail.

The only file that knows nagiosplugin: it has the test run, judges what came back in states, and
prints.  See the package ``exchange_mailaccept`` for the test itself.
"""

from __future__ import annotations

import io
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn, Optional

EXIT_UNKNOWN = 3


def finish(text: str, status: int) -> NoReturn:
    """Print ``text`` and exit: the one place that does.

    Past Python's own streams, because a full disk or a closed pipe must end in UNKNOWN and not in a
    traceback at interpreter shutdown.
    """
    data = text.encode("ascii", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        status = EXIT_UNKNOWN
    sys.exit(status)


def unknown(words: str) -> NoReturn:
    """Exit with one line that says why nothing could be found out."""
    finish(f"MAILACCEPT UNKNOWN - {words}", EXIT_UNKNOWN)


try:
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

    from exchange_mailaccept import diagnosis, network, options, profiles, report
    from exchange_mailaccept.acceptance import Acceptance, accept_mail
    from exchange_mailaccept.dialogue import Plan, Tls
    from exchange_mailaccept.options import Options
    from exchange_mailaccept.stages import Certificate, Security, Stage, StageOutcome, Verdict
    from exchange_mailaccept.values import BACKUP_MX, CERTIFICATE, EXTENSIONS, TOTAL
except ImportError as error:
    unknown(f"a library is missing: {error} (python3 -m pip install nagiosplugin dnspython)")

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
#: Seconds after the run's own deadline at which nagiosplugin's alarm ends what should have ended.
WATCHDOG_DELAY = 5


class Judge:
    """States for findings: the defaults, and what ``--severity`` says instead."""

    def __init__(self, severities: dict[str, str]) -> None:
        self._severities = severities

    def named(self, key: str, default: Any) -> Any:
        """The state of the finding ``key``."""
        return NAMED_STATES[self._severities[key]] if key in self._severities else default

    def outcome(self, outcome: StageOutcome, finding: diagnosis.Finding) -> Any:
        """The state of a stage that did not pass; the most specific key that was given wins."""
        reply = outcome.reply
        keys = [finding.kind.value, outcome.stage.value, outcome.verdict.value]
        if reply is not None:
            keys = [str(reply.code), str(reply.enhanced), *keys]
        default = STATES[outcome.verdict]
        if reply is not None and (reply.code == CLOSING or outcome.stage is Stage.BANNER):
            default = Critical
        given = next((key for key in keys if key in self._severities), "")
        return self.named(given, default)


class MailAccept(Resource):  # type: ignore[misc]  # nagiosplugin has no types
    """The mail acceptance of one target, as metrics: one for each stage reached."""

    def __init__(self, chosen: Options) -> None:
        self.chosen = chosen
        self.plan = _plan(chosen)
        self.tls_context = _tls_context(chosen)
        self.acceptance = Acceptance(None)
        self.expectation = profiles.Expectation("", (), "", False, ())
        self.finding: Optional[diagnosis.Finding] = None

    def probe(self) -> list[Metric]:
        """Run the test.  Whatever the network does is in the metrics and raises nothing."""
        chosen = self.chosen
        test = accept_mail(chosen.target, self.plan, chosen.timeout)
        (self.acceptance,) = network.run([test], chosen.timeout, self.tls_context, _signal_pipe())
        session = self.acceptance.decisive
        if session is not None:
            secured = session.security is not None
            self.expectation = profiles.expect(chosen.profile, chosen.require, session, secured)
        failure = self.acceptance.failure
        if failure is not None:
            self.finding = diagnosis.diagnose(failure, self.expectation.title)
        return self._metrics()

    def _metrics(self) -> list[Metric]:
        metrics = [
            Metric(outcome.stage.value, round(outcome.seconds, 4), "s", min=0)
            for outcome in self.acceptance.outcomes
        ]
        metrics.append(Metric(TOTAL, round(self.acceptance.seconds, 4), "s", min=0))
        if self.outcome(Stage.EHLO) is not None:
            metrics.append(Metric(EXTENSIONS, len(self.expectation.missing), min=0))
        if self.acceptance.failure is None and self.acceptance.passed_over:
            metrics.append(Metric(BACKUP_MX, len(self.acceptance.passed_over)))
        certificate = self.certificate
        if certificate is not None:
            left = (certificate.not_after - self.plan.now) / report.SECONDS_OF_A_DAY
            metrics.append(Metric(CERTIFICATE, round(left, 2)))
        elif self.security is not None and self.chosen.certificate_days:
            metrics.append(Metric(CERTIFICATE, None))
        return metrics

    @property
    def security(self) -> Optional[Security]:
        """What TLS agreed on, if there was TLS."""
        session = self.acceptance.decisive
        return session.security if session else None

    @property
    def certificate(self) -> Optional[Certificate]:
        """The server's certificate, if it could be read."""
        return self.security.certificate if self.security else None

    def outcome(self, stage: Stage) -> Optional[StageOutcome]:
        """How ``stage`` ended, if it was reached."""
        return next((each for each in self.acceptance.outcomes if each.stage is stage), None)


class StageContext(ScalarContext):  # type: ignore[misc]  # nagiosplugin has no types
    """Judges one stage: its verdict first, its seconds if it passed."""

    def __init__(self, stage: Stage, judge: Judge, chosen: Options) -> None:
        name = stage.value
        super().__init__(name, chosen.warning.get(name), chosen.critical.get(name))
        self._stage = stage
        self._judge = judge

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """The state of the stage."""
        outcome = resource.outcome(self._stage)
        if outcome is not None and not outcome.passed and self._stage is not Stage.QUIT:
            finding = resource.finding or diagnosis.diagnose(outcome)
            return Result(self._judge.outcome(outcome, finding), outcome.explanation, metric)
        return super().evaluate(metric, resource)


class ExtensionsContext(ScalarContext):  # type: ignore[misc]  # nagiosplugin has no types
    """Judges whether the EHLO keywords are those of the Exchange that must answer."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(EXTENSIONS)
        self._judge = judge

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """WARNING if keywords are missing."""
        if resource.expectation.finding:
            hint = report.missing(resource.expectation, _host(resource.acceptance))
            return Result(self._judge.named(EXTENSIONS, Warn), hint, metric)
        return super().evaluate(metric, resource)


class CertificateContext(ScalarContext):  # type: ignore[misc]  # nagiosplugin has no types
    """Judges how many days the certificate has left."""

    def __init__(self, judge: Judge, days: tuple[float, ...]) -> None:
        # Alert below and not at the number: a range that begins there and has no end.
        warning, critical = [f"{each:g}:" for each in days] + [None] * (2 - len(days))
        super().__init__(CERTIFICATE, warning, critical)
        self._judge = judge

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """The state by days left; UNKNOWN if they were asked for and can't be told."""
        certificate = resource.certificate
        if certificate is None:
            return Result(Unknown, "the server's certificate could not be read", metric)
        result = super().evaluate(metric, resource)
        if result.state == Ok:
            return result
        hint = report.expiry(certificate, metric.value)
        return Result(self._judge.named(CERTIFICATE, result.state), hint, metric)

    def performance(self, metric: Metric, resource: MailAccept) -> Any:
        """The days, if they are known."""
        return None if metric.value is None else super().performance(metric, resource)


class BackupContext(ScalarContext):  # type: ignore[misc]  # nagiosplugin has no types
    """Judges that a better MX had to be passed over."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(BACKUP_MX)
        self._judge = judge

    def evaluate(self, metric: Metric, resource: MailAccept) -> Result:
        """WARNING, because the domain lives on its reserve."""
        hint = report.backup(resource.acceptance, resource.plan)
        return Result(self._judge.named(BACKUP_MX, Warn), hint, metric)

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
        return self._main()

    def problem(self, results: Results) -> str:
        """The first line when something is wrong, the failed stage before all else."""
        main = self._main()
        if self._resource.acceptance.failure is not None:
            return main
        worst = [each for each in results.most_significant if each.state != Ok]
        others = [each for each in results if each.state != Ok and each not in worst]
        return _cut("; ".join([*(_describe(each) for each in (*worst, *others)), main]))

    def verbose(self, results: Results) -> list[str]:
        """The lines below the first, in the order in which one reads them at night."""
        resource = self._resource
        verbosity = resource.chosen.verbosity
        lines = [] if resource.finding is None else report.diagnosis_lines(resource.finding)
        if results.most_significant_state != Ok or verbosity >= 1:
            lines += report.stage_lines(resource.acceptance)
            lines += report.certificate_lines(resource.security, resource.plan.now)
            lines += report.remark_lines(resource.acceptance, resource.expectation)
        if resource.finding is not None:
            lines += report.troubleshooting_lines(resource.finding)
        if verbosity >= 2:
            lines += report.transcript_lines(resource.acceptance.sessions)
        return lines

    def _main(self) -> str:
        resource = self._resource
        if resource.acceptance.failure is not None:
            words = report.failure(resource.acceptance, resource.chosen.target, resource.plan)
        else:
            words = report.success(resource.acceptance, resource.plan, resource.expectation.title)
        return _cut(words)


class MailAcceptCheck(Check):  # type: ignore[misc]  # nagiosplugin has no types
    """The check, which says more as soon as something is wrong."""

    def __call__(self) -> None:
        """Probe and judge."""
        super().__call__()
        if self.state != Ok:
            runtime = Runtime()
            runtime.verbose = max(runtime.verbose, 1)


def _describe(result: Result) -> str:
    """One finding in words."""
    if result.metric.name in (EXTENSIONS, CERTIFICATE, BACKUP_MX):
        return str(result.hint)
    value = f"{result.metric.value:.4g}s"
    return f"{result.metric.name} took {value} ({result.hint})"


def _cut(line: str) -> str:
    """The first line stays below 300 characters, its name and state included."""
    return line if len(line) <= 270 else f"{line[:267]}..."


def _host(acceptance: Acceptance) -> str:
    return acceptance.decisive.server.name if acceptance.decisive else ""


def _plan(chosen: Options) -> Plan:
    """What the client will say in this run, its Message-ID as unique as chance makes it."""
    now = time.time()
    node = "".join(each for each in os.uname().nodename if each.isascii() and each.isalnum())
    return Plan(
        envelope=chosen.envelope,
        ehlo_name=chosen.ehlo_name,
        content=chosen.content,
        message_id=f"<{int(now)}.{os.urandom(10).hex()}@{node or 'localhost'}.mailaccept>",
        now=now,
        until=chosen.until,
        source_address=chosen.source_address,
        tls=chosen.tls,
        tls_name=chosen.tls_name,
        credentials=chosen.credentials,
    )


def _tls_context(chosen: Options) -> Any:
    """What secures the connections; made before the first packet, for a file may be unusable."""
    if chosen.tls is Tls.NEVER:
        return None
    try:
        return network.tls_context(chosen.tls_settings)
    except ValueError as error:
        raise options.UsageError(str(error)) from None


def _signal_pipe() -> int:
    """A pipe that becomes readable when somebody wants the run to end.

    Not an exception out of a signal handler, which could strike anywhere: the run ends by itself,
    and can still say which stage it was waiting at.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


def build_check(chosen: Options) -> MailAcceptCheck:
    """The check with its resource, contexts, results and summary."""
    judge = Judge(dict(chosen.severities))
    resource = MailAccept(chosen)
    contexts = [StageContext(stage, judge, chosen) for stage in Stage]
    total = ScalarContext(TOTAL, chosen.warning.get(TOTAL), chosen.critical.get(TOTAL))
    return MailAcceptCheck(
        resource,
        *contexts,
        total,
        ExtensionsContext(judge),
        CertificateContext(judge, chosen.certificate_days),
        BackupContext(judge),
        MostSevere(),
        MailAcceptSummary(resource),
    )


def main(argv: Optional[Sequence[str]] = None) -> NoReturn:
    """Run the plugin with ``argv`` (default: the process's own) and exit with its state."""
    try:
        os.fstat(1)
    except OSError:
        # Nobody listens, and the first socket would take the place of standard output.
        sys.exit(EXIT_UNKNOWN)
    verbosity = 0
    runtime = Runtime()
    runtime.stdout = io.StringIO()
    try:
        chosen = options.parse(sys.argv[1:] if argv is None else argv)
        verbosity = chosen.verbosity
        build_check(chosen).main(verbosity, math.ceil(chosen.timeout) + WATCHDOG_DELAY)
    except options.Answered as answer:
        finish(str(answer), EXIT_UNKNOWN)
    except options.UsageError as error:
        unknown(report.printable(str(error), 2000))
    except SystemExit:
        finish(runtime.stdout.getvalue().rstrip("\n"), runtime.exitcode)
    except Timeout:
        unknown(f"fault of the plugin itself: still running {WATCHDOG_DELAY}s after its deadline")
    # The border of the program: what nobody foresaw is a fault of the plugin and no page to anyone.
    except Exception as error:
        words = report.printable(f"{type(error).__name__}: {error}", 200)
        if verbosity >= 3:
            # Imported here because only a fault of the plugin needs it.
            import traceback

            lines = traceback.format_exc().splitlines()
            words += "".join(f"\n{report.printable(line, 200)}" for line in lines)
        unknown(f"fault of the plugin itself: {words}")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main()

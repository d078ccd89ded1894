"""States of what was found: values in, values out, no process and no socket."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.outcomes import answered, unanswered
from support.parsing import parse

from exchange_mailaccept.cli.threshold import Threshold
from exchange_mailaccept.exchange.diagnosis import Diagnosis
from exchange_mailaccept.exchange.recognition import KeywordCheck
from exchange_mailaccept.further_judgement import assess_all, judge_all, weigh
from exchange_mailaccept.judgement import Ground, Judgement, assess, failure_state
from exchange_mailaccept.options import Options
from exchange_mailaccept.policies import mta_sts
from exchange_mailaccept.policies.conclusion import Problem
from exchange_mailaccept.protocol.conversation import Fault, Server, Session, StageOutcome
from exchange_mailaccept.protocol.reply import Extensions
from exchange_mailaccept.protocol.security import Certificate, Security
from exchange_mailaccept.report.headline import first_line
from exchange_mailaccept.run.acceptance import Acceptance, Examined, Member, ServerSet
from exchange_mailaccept.vocabulary import Cause, Kind, Stage, State, Verdict

OK, UNKNOWN, WARNING, CRITICAL = State.OK, State.UNKNOWN, State.WARNING, State.CRITICAL
DIAGNOSIS = Diagnosis(Kind.LOAD, "It is busy", "Wait.", "", "queues")
SERVER = Server("mail1.contoso.com", ("192.0.2.25",), 25, 10)
PASSED = tuple(
    StageOutcome(stage, Verdict.PASSED, 0.5) for stage in (Stage.CONNECT, Stage.BANNER, Stage.EHLO)
)


def options(*argv: str) -> Options:
    return parse(["-d", "contoso.com", *argv])


def walked(*outcomes: StageOutcome) -> Session:
    """A session that passed the first stages and came to ``outcomes``."""
    return Session(SERVER, "192.0.2.25", (*PASSED, *outcomes), seconds=2.0)


def examined(
    *outcomes: StageOutcome,
    label: str = "",
    diagnosis: Diagnosis = DIAGNOSIS,
    primary: bool = True,
    **changes: object,
) -> Examined:
    """A server with such a session."""
    session = walked(*outcomes)._replace(**changes)
    acceptance = Acceptance(None, (session,))
    why = None if acceptance.failure is None else diagnosis
    return Examined(Member(label, acceptance, primary), session, KeywordCheck(), why)


def refused(code: int, text: str = "no", stage: str = "rcpt") -> StageOutcome:
    return answered(stage, f"{code} {text}", 1.0)


def failed(cause: Cause, stage: str = "rcpt") -> StageOutcome:
    return unanswered(stage, cause, seconds=1.0)


def wrong(judgements: Sequence[Judgement]) -> list[tuple[str, State]]:
    return [(judged.label, judged.state) for judged in judgements if judged.state is not OK]


# Ranges.


@pytest.mark.parametrize(
    ("text", "inside", "outside", "words", "short"),
    [
        ("5", [0, 5], [-0.1, 5.1], "0:5", "5"),
        ("0:5", [0, 5], [-0.1, 5.1], "0:5", "5"),
        ("2:5", [2, 5], [1.9, 5.1], "2:5", "2:5"),
        ("2:", [2, 1e9], [1.9], "2:", "2:"),
        ("~:5", [-1e9, 5], [5.1], "~:5", "~:5"),
        ("@2:5", [1.9, 5.1], [2, 5], "@2:5", "@2:5"),
        ("@5", [-0.1, 5.1], [0, 5], "@0:5", "@5"),
        ("0:", [0, 1e9], [-0.1], "0:", ""),
        (":5", [0, 5], [-0.1], "0:5", "5"),
        ("0.00001:", [1], [0], "0.00001:", "0.00001:"),
        ("~:", [-1e9, 1e9], [], "~:", "~:"),
    ],
)
def test_a_range_is_that_of_the_guidelines(text, inside, outside, words, short):
    threshold = Threshold.of(text)
    assert [value for value in inside if not threshold.allows(value)] == []
    assert [value for value in outside if threshold.allows(value)] == []
    assert (str(threshold), threshold.short) == (words, short)


# A stage that failed.


@pytest.mark.parametrize(
    ("outcome", "everybody", "severities", "expected"),
    [
        (refused(450), False, {}, (WARNING, "")),
        (refused(450), True, {}, (CRITICAL, "")),
        (refused(550), False, {}, (CRITICAL, "")),
        (refused(421), False, {}, (CRITICAL, "")),
        (refused(450, stage="banner"), False, {}, (CRITICAL, "")),
        (failed(Cause.CLOSED), False, {}, (CRITICAL, "")),
        (failed(Cause.SILENT), False, {}, (CRITICAL, "")),
        (failed(Cause.NOT_OFFERED), False, {}, (CRITICAL, "")),
        (failed(Cause.OWN_SIDE), True, {}, (UNKNOWN, "")),
        (refused(450), True, {"deferred": "warning"}, (WARNING, "deferred")),
        (refused(450), True, {"deferred": "ok", "rcpt": "unknown"}, (UNKNOWN, "rcpt")),
        (refused(450), True, {"rcpt": "ok", "load": "critical"}, (CRITICAL, "load")),
        (refused(450, "4.2.1 x"), True, {"load": "ok", "4.2.1": "warning"}, (WARNING, "4.2.1")),
        (refused(450, "4.2.1 x"), True, {"4.2.1": "ok", "450": "unknown"}, (UNKNOWN, "450")),
        (refused(450), False, {"probe": "ok", "mail": "ok", "refused": "ok"}, (WARNING, "")),
    ],
)
def test_the_state_of_a_failure(outcome, everybody, severities, expected):
    """By its verdict; the most specific key of ``--severity`` wins."""
    diagnosis = DIAGNOSIS._replace(everybody=everybody)
    assert failure_state(outcome, diagnosis, severities) == expected


def test_the_time_of_a_failure_is_no_finding():
    """Neither that of the stage nor the whole; a stage that passed before it is judged."""
    limits = options("-c", "total=0", "-c", "rcpt=0", "-w", "ehlo=0")
    judgements = judge_all(examined(refused(550)), limits)
    assert wrong(judgements) == [("ehlo", WARNING), ("rcpt", CRITICAL)]
    assert [judged.ground for judged in judgements if judged.state is not OK] == (
        [Ground.RANGE, Ground.FAILURE]
    )


@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        (refused(550), 1.0),
        (failed(Cause.SILENT), 1.0),
        (failed(Cause.NOT_SMTP), 1.0),
        (failed(Cause.CLOSED), None),
        (failed(Cause.RESET), None),
        (failed(Cause.REFUSED, "connect"), None),
        (failed(Cause.NO_ANSWER, "connect"), 1.0),
        (failed(Cause.NXDOMAIN, "mx"), 1.0),
    ],
)
def test_perfdata_are_of_stages_that_were_answered_or_ran_out_of_time(outcome, value):
    values = {judged.name: judged.value for judged in judge_all(examined(outcome), options())}
    assert values[outcome.stage.value] == value


# Findings.

SECURITY = Security("TLSv1.3", "TLS_AES_256_GCM_SHA384", False)
EXPIRED = SECURITY._replace(untrusted="expired")
DEAD = (("192.0.2.9", Fault(Cause.REFUSED, "refused")),)


@pytest.mark.parametrize(
    ("argv", "seconds", "days", "state"),
    [
        ([], 100_000, 1.16, OK),
        (["-D", "30"], 2_592_000, 30, OK),
        (["-D", "30"], 2_591_136, 29.99, WARNING),
        (["-D", "30,7"], 604_800, 7, WARNING),
        (["-D", "30,7"], 603_936, 6.99, CRITICAL),
        (["-D", "30", "--severity", "certificate=critical"], 86_400, 1, CRITICAL),
        (["-D", "30,7", "--severity", "certificate=ok"], 86_400, 1, OK),
    ],
)
def test_the_days_of_a_certificate(argv, seconds, days, state):
    certificate = Certificate("CN=mail1", "CN=ca", (), 0, seconds)
    server = examined(security=SECURITY._replace(certificate=certificate))
    (judged,) = (it for it in judge_all(server, options("-S", *argv)) if it.name == "certificate")
    assert (judged.state, judged.value) == (state, days)


@pytest.mark.parametrize(
    ("argv", "session", "expected"),
    [
        (["-S", "-D", "3"], {"security": SECURITY}, [("certificate", UNKNOWN)]),
        (["-S", "--verify"], {"security": SECURITY}, []),
        (["--starttls-if-offered", "--verify"], {}, [("certificate", WARNING)]),
        (["--starttls-if-offered", "--verify", "--severity", "certificate=critical"], {},
         [("certificate", CRITICAL)]),
        (["--starttls-if-offered"], {}, []),
        (["-S"], {"security": EXPIRED}, []),
        (["-S", "--severity", "untrusted=critical"], {"security": EXPIRED},
         [("untrusted", CRITICAL)]),
        ([], {"failed_addresses": DEAD}, []),
        (["--severity", "address=warning"], {"failed_addresses": DEAD}, [("address", WARNING)]),
        ([], {"server": SERVER._replace(skipped=("127.0.0.1",))}, [("address", WARNING)]),
        ([], {"extensions": Extensions("mail1", {"SIZE": ("999999",)})}, [("size", WARNING)]),
        ([], {"extensions": Extensions("mail1", {"SIZE": ("9",)})}, [("size", CRITICAL)]),
        ([], {"extensions": Extensions("mail1", {"SIZE": ("0",)})}, []),
        (["-w", "starttls=1", "-c", "quit=1", "-w", "mx=1"], {}, [("starttls", WARNING)]),
    ],
)  # fmt: skip
def test_findings_besides_a_failure(argv, session, expected):
    assert wrong(judge_all(examined(**session), options(*argv))) == expected


@pytest.mark.parametrize(
    ("seconds", "of_another", "expected"),
    [
        (0.1, 0.2, []),
        (0.1, 0.9, [("node", WARNING)]),
        # If it is slow here too, this is nothing about a node.
        (0.9, 0.9, [("mail", WARNING)]),
    ],
)
def test_a_node_is_slow_only_where_others_are_not(seconds, of_another, expected):
    beside = (walked(answered("mail", "250 x", of_another)),)
    server = examined(answered("mail", "250 x", seconds), beside=beside)
    assert wrong(judge_all(server, options("-w", "mail=0.5"))) == expected


# Sets.


def states(rule: str, *servers: Examined, argv: Sequence[str] = ()) -> list[State]:
    """What the failures of ``servers`` come to."""
    asked = options("--all-mx", "--set", rule, *argv)
    tested = ServerSet(None, tuple(server.member for server in servers))
    judged = [(server, judge_all(server, asked)) for server in servers]
    weighed = weigh(tested, judged, asked.judging)
    return [judgement.state for judgement in weighed if judgement.ground is Ground.FAILURE]


ACCEPTS = examined(label="good")
THIS_PROBE = DIAGNOSIS._replace(this_probe=True)


@pytest.mark.parametrize(
    ("rule", "servers", "expected"),
    [
        ("worst", [ACCEPTS, examined(refused(450))], [WARNING]),
        ("worst", [ACCEPTS, examined(refused(550))], [CRITICAL]),
        ("any", [ACCEPTS, examined(refused(550))], [OK]),
        ("primary", [ACCEPTS, examined(refused(550), primary=False)], [WARNING]),
        ("worst", [examined(refused(450))], [CRITICAL]),
        ("any", [examined(refused(450)), examined(refused(450))], [CRITICAL, CRITICAL]),
        ("worst", [examined(refused(450), diagnosis=THIS_PROBE)], [WARNING]),
        ("worst", [examined(refused(450), diagnosis=THIS_PROBE), examined(refused(450))],
         [CRITICAL, CRITICAL]),
        ("worst", [examined(refused(450)), examined(failed(Cause.OWN_SIDE))], [WARNING, UNKNOWN]),
    ],
)  # fmt: skip
def test_what_a_failure_counts_for_a_set(rule, servers, expected):
    """Where no server accepts it is CRITICAL, unless it is this probe that all of them defer."""
    assert states(rule, *servers) == expected


def test_a_given_state_is_kept_where_no_server_accepts():
    given = ["--severity", "450=warning"]
    assert states("worst", examined(refused(450)), argv=given) == [WARNING]


# The whole.


def assessed(outcome: StageOutcome, *argv: str):
    return assess(ServerSet(None, (examined(outcome).member,)), options(*argv))


@pytest.mark.parametrize(
    ("looking", "until", "said"),
    [(2.5, "message", " (name look-up took 2.5s)"), (0.9, "message", ""), (2.5, "mx", "")],
)
def test_a_slow_lookup_is_said_of_a_set_too(looking, until, said):
    asked = options("--all-mx", "--until", until)
    servers = ServerSet(None, (ACCEPTS.member,), seconds=3.0, looking=looking)
    assert first_line(assess_all(servers, asked), asked).endswith(f" in 3.000s{said}")


def test_no_range_turns_unknown_into_something_else():
    assessment = assessed(failed(Cause.OWN_SIDE), "-w", "ehlo=0", "-c", "connect=0")
    assert (assessment.state, wrong(assessment.judgements)) == (UNKNOWN, [("rcpt", UNKNOWN)])


def test_a_failure_leads_although_a_range_decides():
    assessment = assessed(refused(450, "4.2.1 x"), "-c", "connect=0")
    assert (assessment.state, assessment.failure_leads) == (CRITICAL, True)
    assert wrong(assessment.deciding) == [("connect", CRITICAL)]


def test_critical_is_worse_than_unknown():
    """Nagiosplugin has it the other way round, and would hide a dead server behind a doubt."""
    servers = (
        examined(refused(550), label="one").member,
        examined(failed(Cause.OWN_SIDE), label="two").member,
    )
    assert assess_all(ServerSet(None, servers), options("--all-mx")).state is CRITICAL


def test_a_policy_of_the_domain_is_judged_once_for_a_set():
    servers = (ACCEPTS.member, examined(label="two").member)
    published = mta_sts.Published("contoso.com", Problem.NO_TXT)
    tested = ServerSet(None, servers, published=(published,))
    assessment = assess_all(tested, options("--all-mx", "--mta-sts"))
    assert wrong(assessment.judgements) == [("mta-sts", WARNING)]

"""MTA-STS: what is looked up, and what a policy means for the servers.

``tests/real_servers/test_mta_sts.py`` has the policies that a web server serves.
"""

from __future__ import annotations

import pytest

from exchange_mailaccept.net import loop
from exchange_mailaccept.net.https import Response
from exchange_mailaccept.net.trust import TlsSettings
from exchange_mailaccept.policies import mta_sts
from exchange_mailaccept.policies.conclusion import Effect, Problem
from exchange_mailaccept.policies.sts_policy import Policy
from exchange_mailaccept.protocol.conversation import Fault, Server, Session, StageOutcome, Target
from exchange_mailaccept.protocol.security import Security
from exchange_mailaccept.vocabulary import Cause, Stage

RECORD = ["v=STSv1; id=1;"]


@pytest.mark.parametrize(
    ("txt", "problem", "why", "policy_id"),
    [
        ([], Problem.NO_TXT, "", ""),
        (['"v=spf1 -all"'], Problem.NO_TXT, "", ""),
        (['"v=STSv1; id=1;"', '"v=STSv1; id=2;"'], Problem.BAD_TXT,
         "there are 2 of them", ""),
        (2, Problem.TXT_FAILED, "SERVFAIL from 127.0.0.1 port PORT", ""),
        (5, Problem.RESOLVER_SILENT, "no name server answered: REFUSED from 127.0.0.1 port PORT",
         ""),
        # Two strings of one record belong together.
        (['"v=STSv1; i" "d=1;"'], Problem.NOT_FETCHED, "mta-sts.contoso.com has no address", "1"),
    ],
)  # fmt: skip
def test_without_a_policy_it_is_said_why(names, txt, problem, why, policy_id):
    _, nameserver = names({("_mta-sts.contoso.com.", "TXT"): txt})
    port = nameserver.rpartition(":")[2]
    target = Target("contoso.com", "", 25, 0, (("127.0.0.1", int(port)),))
    (published,) = loop.Run([mta_sts.look_up(target, (), TlsSettings())], 10).drive()
    assert published == mta_sts.Published(
        "contoso.com", problem, why.replace("PORT", port), policy_id
    )


VALID = Security("TLSv1.3", "TLS_AES_256_GCM_SHA384", True)
UNTRUSTED = VALID._replace(verified=False, untrusted="the certificate has expired")
REFUSED = Fault(Cause.REFUSED, "connection refused")


def session(name: str, security=None, stage=None, fault=REFUSED) -> Session:
    outcomes = (StageOutcome.failed(stage, fault, 0.0),) if stage is not None else ()
    return Session(Server(name, ("192.0.2.1",), 25), "192.0.2.1", outcomes, security=security)


def judged(mode: str, hosts: tuple[str, ...], *sessions: Session) -> tuple[Effect, Problem, str]:
    policy = Policy(mode, ("mx1.test", "mx2.test"), 86_400)
    published = mta_sts.Published("contoso.com", None, "", "1", policy)
    conclusion = mta_sts.judge(published, hosts, sessions)
    return conclusion.effect, conclusion.problem, conclusion.host


BOTH = ("mx1.test", "mx2.test")


@pytest.mark.parametrize(
    ("mode", "hosts", "sessions", "expected"),
    [
        ("enforce", BOTH, [session("mx1.test", VALID)], (Effect.HOLDS, Problem.NONE, "")),
        ("enforce", BOTH, [session("MX1.test", UNTRUSTED)],
         (Effect.PARTLY, Problem.UNTRUSTED, "mx1.test")),
        ("enforce", BOTH, [session("mx1.test", UNTRUSTED), session("mx2.test", UNTRUSTED)],
         (Effect.DEFERS, Problem.UNTRUSTED, "mx1.test")),
        ("testing", BOTH, [session("mx1.test", UNTRUSTED), session("mx2.test", UNTRUSTED)],
         (Effect.PARTLY, Problem.UNTRUSTED, "mx1.test")),
        ("enforce", ("mx1.test",), [session("mx1.test")],
         (Effect.DEFERS, Problem.NO_STARTTLS, "mx1.test")),
        # Listed, and nothing else is known of it.
        ("enforce", BOTH, [session("mx1.test", None, Stage.CONNECT)],
         (Effect.HOLDS, Problem.NONE, "")),
        ("enforce", ("mx1.test",),
         [session("mx1.test", None, Stage.STARTTLS, Fault(Cause.CERTIFICATE, "it has expired"))],
         (Effect.DEFERS, Problem.UNTRUSTED, "mx1.test")),
        ("enforce", ("mx1.test",),
         [session("mx1.test", None, Stage.STARTTLS, Fault(Cause.TOO_BUSY, "too busy"))],
         (Effect.HOLDS, Problem.NONE, "")),
        ("enforce", ("mx3.test", "mx1.test"), [session("mx3.test", VALID)],
         (Effect.PARTLY, Problem.NOT_LISTED, "mx3.test")),
        ("enforce", ("mx3.test",), [session("mx3.test", VALID)],
         (Effect.DEFERS, Problem.NOT_LISTED, "mx3.test")),
    ],
)  # fmt: skip
def test_a_policy_is_weighed_by_how_many_mx_it_hits(mode, hosts, sessions, expected):
    assert judged(mode, hosts, *sessions) == expected


@pytest.mark.parametrize(
    ("problem", "effect"),
    [
        (Problem.NO_TXT, Effect.NOTHING),
        (Problem.TXT_FAILED, Effect.NOTHING),
        (Problem.BAD_TXT, Effect.NOTHING),
        (Problem.NOT_FETCHED, Effect.NOTHING),
        (Problem.BAD_POLICY, Effect.NOTHING),
        (Problem.MODE_NONE, Effect.NOTHING),
        (Problem.NOT_REACHED, Effect.UNTESTED),
        (Problem.RESOLVER_SILENT, Effect.UNTESTED),
    ],
)
def test_without_a_policy_nothing_holds_mail_up(problem, effect):
    conclusion = mta_sts.judge(mta_sts.Published("contoso.com", problem, "why"), BOTH, ())
    assert (conclusion.effect, conclusion.problem, conclusion.why) == (effect, problem, "why")


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response(200, "text/plain", b""), ""),
        (Response(200, "text/html", b""), "it is text/html and not text/plain"),
        (Response(301, "text/plain", b""), "HTTP 301, and senders follow no redirect"),
        (Response(404, "text/plain", b""), "HTTP 404"),
        (Response(204, "text/plain", b""), "HTTP 204"),
    ],
)
def test_senders_take_only_a_plain_text_for_a_policy(response, said):
    assert mta_sts.refusal(response) == said

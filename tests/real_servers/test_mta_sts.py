"""MTA-STS with real parts: nginx has the policies, Postfix the certificates.

The web servers that misbehave are scripts: one says nothing, one sends a byte at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from support.certificates import Issued, issue
from support.policy_lab import (
    CLOSED,
    DRIPPING,
    DRIPPING_WEB,
    MAIL,
    MAIL_WITHOUT_TLS,
    SILENT,
    SILENT_WEB,
    UNREACHABLE,
    WEB,
    Lab,
    Zone,
    running_lab,
)

AUTHORITY = issue("Test CA", authority=True)
STRANGER = issue("Other CA", authority=True)

TXT = '"v=STSv1; id=20260101;"'


def policy(mode: str, *patterns: str) -> str:
    lines = ("version: STSv1", f"mode: {mode}", *(f"mx: {pattern}" for pattern in patterns))
    return "".join(f"{line}\n" for line in (*lines, "max_age: 604800"))


class Case(NamedTuple):
    """A domain, and what becomes of mail for it; ``{case}`` is its name."""

    exit_code: int
    #: The beginning of the first line.
    words: str
    policy: str = ""
    #: Names of its MX hosts, the preferred one first; ``mx-notls`` has no TLS.
    mx: tuple[str, ...] = ("mx.{case}.example",)
    txt: tuple[str, ...] = (TXT,)
    #: Of the MX hosts' certificates.
    names: tuple[str, ...] = ()
    days: tuple[int, int] = (-10, 90)
    #: Of the web server: address, directive of nginx, and who issued its certificate to whom.
    web: str = WEB
    directive: str = ""
    web_by: Issued = AUTHORITY
    web_name: str = "mta-sts.{case}.example"
    arguments: tuple[str, ...] = ()


HOLDS = "mx.{case}.example passed every stage"
DEFER = "senders that enforce MTA-STS defer: "
NOTHING = "MTA-STS is not in effect: "
NOT_FETCHED = NOTHING + "the policy of {case}.example can't be fetched: "
CANT = "can't judge MTA-STS: can't fetch the policy from here: "
OWN_MX = policy("enforce", "mx.{case}.example")

CASES = {
    "holds": Case(0, HOLDS, OWN_MX),
    "wildcard": Case(0, HOLDS, policy("enforce", "other.example", "*.wildcard.example")),
    "testing-holds": Case(0, HOLDS, policy("testing", "mx.{case}.example")),
    "crlf": Case(0, HOLDS, OWN_MX.replace("\n", "\r\n")),
    # An MX that no pattern lists.
    "unlisted": Case(2, DEFER + "mx.unlisted.example is not in the policy of unlisted.example",
                     policy("enforce", "mx1.unlisted.example", "*.mx.unlisted.example")),
    "some-unlisted": Case(1, "senders that enforce MTA-STS pass over 1 of 2 MX: mx2.some-unlisted"
                          ".example is not in the policy", OWN_MX,
                          ("mx.{case}.example", "mx2.{case}.example")),
    "testing-unlisted": Case(1, "MTA-STS in mode testing fails for 1 of 1 MX: mx.testing-unlisted"
                             ".example is not in", policy("testing", "elsewhere.example")),
    # STARTTLS and certificate.
    "notls": Case(2, DEFER + "mx-notls.notls.example does not offer STARTTLS",
                  policy("enforce", "*.notls.example"), ("mx-notls.{case}.example",)),
    "other-name": Case(2, DEFER + "mx.other-name.example: the certificate is for another name",
                       OWN_MX, names=("elsewhere.example",)),
    "expired": Case(2, DEFER + "mx.expired.example: the certificate has expired", OWN_MX,
                    days=(-90, -1)),
    "verify": Case(2, "mx.verify.example failed at STARTTLS: the certificate has expired", OWN_MX,
                   days=(-90, -1), arguments=("--verify",)),
    "all-expired": Case(2, DEFER + "mx.all-expired.example: the certificate has expired",
                        policy("enforce", "*.all-expired.example"),
                        ("mx.{case}.example", "mx2.{case}.example"), days=(-90, -1),
                        arguments=("--all-mx",)),
    "one-notls": Case(1, "senders that enforce MTA-STS pass over 1 of 2 MX: mx-notls.one-notls"
                      ".example does not offer STARTTLS", policy("enforce", "*.one-notls.example"),
                      ("mx.{case}.example", "mx-notls.{case}.example"), arguments=("--all-mx",)),
    # Nothing published, or nothing that senders take for a policy.
    "without-txt": Case(1, NOTHING + "there is no TXT record with 'v=STSv1;' at"
                        " _mta-sts.without-txt.example",
                        OWN_MX, txt=()),
    "expected-without": Case(0, HOLDS, OWN_MX, txt=(), arguments=("--severity", "mta-sts=ok")),
    "bad-txt": Case(1, NOTHING + "senders ignore the TXT record at _mta-sts.bad-txt.example: it has"
                    " no id", OWN_MX, txt=('"v=STSv1; id=2026-01-01;"',)),
    "split-txt": Case(0, HOLDS, OWN_MX, txt=('"v=STS" "v1; id=" "20260101;"',)),
    "mode-none": Case(1, NOTHING + "the policy of mode-none.example has mode none", policy("none")),
    "malformed": Case(1, NOTHING + "senders ignore the policy of malformed.example: its mode is"
                      " 'Enforce'", policy("Enforce", "mx.malformed.example")),
    # Faults of HTTP.
    "not-found": Case(1, NOT_FETCHED + "HTTP 404"),
    "moved": Case(1, NOT_FETCHED + "HTTP 301, and senders follow no redirect", OWN_MX,
                  directive="return 301 https://mta-sts.holds.example/.well-known/mta-sts.txt;"),
    "html": Case(1, NOT_FETCHED + "it is text/html and not text/plain", OWN_MX,
                 directive="default_type text/html;"),
    "charset": Case(0, HOLDS, OWN_MX, directive="charset utf-8;"),
    "large": Case(1, NOT_FETCHED + "it is larger than 65536 bytes", OWN_MX + "x: y\n" * 14_000),
    # Faults of its certificate.
    "web-other-name": Case(1, NOT_FETCHED + "the certificate is for another name", OWN_MX,
                           web_name="www.{case}.example"),
    "web-stranger": Case(1, NOT_FETCHED + "the certificate comes from a self-signed authority",
                         OWN_MX, web_by=STRANGER),
    # Web servers that are not there.
    "silent": Case(1, NOT_FETCHED + "it did not come within ", web=SILENT_WEB,
                   arguments=("-t", "4")),
    "dripping": Case(1, NOT_FETCHED + "it did not come within ", web=DRIPPING_WEB,
                     arguments=("-t", "4")),
    "closed": Case(1, NOT_FETCHED + f"{CLOSED} port 443: connection refused", web=CLOSED),
    "unreachable": Case(3, CANT + f"{UNREACHABLE} port 443: ", web=UNREACHABLE),
    "nowhere": Case(1, NOT_FETCHED + "mta-sts.nowhere.example does not exist (NXDOMAIN)", web=""),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(server_directory):
    with running_lab(server_directory("mta-sts"), _serve) as lab:
        yield lab


def _serve(lab: Lab) -> None:
    zones, mail, web, files, directives = [], {}, {}, {}, {}
    for name, case in CASES.items():
        domain = f"{name}.example"
        hosts = [host.format(case=name) for host in case.mx]
        records = [f"_mta-sts TXT {txt}" for txt in case.txt]
        for number, host in enumerate(hosts):
            own = issue(
                host, *(case.names or (host,)), by=AUTHORITY, begins=case.days[0], ends=case.days[1]
            )
            mail[host] = own.pem(AUTHORITY.certificate)
            address = MAIL_WITHOUT_TLS if host.startswith("mx-notls") else MAIL
            records += [f"@ MX {number} {host}.", f"{host}. A {address}"]
        if case.web:
            records.append(f"mta-sts A {case.web}")
        policy_host = f"mta-sts.{domain}"
        issued = issue(policy_host, case.web_name.format(case=name), by=case.web_by)
        web[policy_host] = issued.pem(case.web_by.certificate)
        if case.policy:
            path = f"{policy_host}/.well-known/mta-sts.txt"
            files[path] = case.policy.replace("{case}", name).encode()
        if case.directive:
            directives[policy_host] = case.directive
        zones.append(Zone(f"{domain}.", "\n".join(records), signed=False))
    lab.serve_dns(*zones)
    lab.serve_mail(mail, next(iter(mail.values())))
    lab.serve_web(web, files, directives)
    lab.serve(SILENT, SILENT_WEB)
    lab.serve(DRIPPING, DRIPPING_WEB, str(lab.directory / "tls" / "mta-sts.dripping.example.pem"))
    (lab.directory / "ca.pem").write_bytes(AUTHORITY.pem())


def check(lab: Lab, domain: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """The plugin's exit code, and its output without the state."""
    authority = str(lab.directory / "ca.pem")
    code, output = lab.check(domain, "--mta-sts", "--ca-file", authority, *arguments, **environment)
    return code, output.partition(" - ")[2]


@pytest.mark.parametrize("name", CASES)
def test_a_policy_is_judged_as_senders_do(lab, name):
    case = CASES[name]
    code, line = check(lab, f"{name}.example", *case.arguments)
    words = case.words.format(case=name)
    assert (code, line[: len(words)]) == (case.exit_code, words)


def test_proxies_of_the_environment_are_not_used(lab):
    proxy = f"http://{CLOSED}:3128"
    code, _ = check(lab, "holds.example", https_proxy=proxy, HTTPS_PROXY=proxy, ALL_PROXY=proxy)
    assert code == 0


def test_what_was_published_is_shown(lab):
    _, shown = check(lab, "holds.example", "-v")
    assert (
        "MTA-STS: holds\n  mode enforce, mx mx.holds.example, max_age 604800, id 20260101\n"
        in shown
    )


def test_dane_is_told_first(lab):
    """Neither makes up for the other (RFC 8461 2)."""
    code, line = check(lab, "unlisted.example", "--dane", "--severity", "dane=critical")
    assert code == 2
    assert line.startswith(
        "DANE is not in effect: the MX records of unlisted.example are not signed; senders that"
        " enforce MTA-STS defer: mx.unlisted.example is not in the policy"
    )

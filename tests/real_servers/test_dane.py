"""DANE with real parts: Knot signs, Unbound validates, Postfix has the certificates.

In each case ``posttls-finger``, a part of Postfix, judges the same domain at the level dane, and
must come to the same conclusion as the plugin.
"""

from __future__ import annotations

import hashlib
import sys
from typing import NamedTuple

import pytest
from support.certificates import Issued, issue
from support.policy_lab import (
    CARELESS,
    ELSEWHERE,
    MAIL,
    MAIL_WITHOUT_TLS,
    VALIDATING,
    Lab,
    Zone,
    running_lab,
)

AUTHORITY = issue("Test CA", authority=True)
INTERMEDIATE = issue("Test CA 2", by=AUTHORITY, authority=True)
STRANGER = issue("Other CA", authority=True)
#: What a record is about that no server has.
ANOTHER = issue("another")
SUBJECTS = {"another": ANOTHER, "authority": AUTHORITY, "intermediate": INTERMEDIATE}
#: The certificate of each case's server.
OWN: dict[str, Issued] = {}


#: What posttls-finger says: the records hold, ...
VERIFIED = "Verified TLS connection established"
#: ... they do not, ...
UNMATCHED = "num=65:no matching DANE TLSA records"
#: ... they can't be had, ...
LOOKUP_ERROR = "TLSA lookup error for"
#: ... there are none to hold, and TLS is used as it comes.
OPPORTUNISTIC = "Untrusted TLS connection established"
#: It says nothing of a session that stays without TLS.
NO_TLS = "without TLS"


class Tlsa(NamedTuple):
    """A TLSA record about a certificate, in the parts of a zone file."""

    usage: int
    selector: int
    matching_type: int
    about: Issued

    def __str__(self) -> str:
        content = self.about.public_key if self.selector == 1 else self.about.der
        digests = {1: hashlib.sha256, 2: hashlib.sha512}
        if self.matching_type in digests:
            content = digests[self.matching_type](content).digest()
        return f"TLSA {self.usage} {self.selector} {self.matching_type} {content.hex()}"


def host(name: str) -> str:
    """The name of the MX of a case."""
    return f"mx-{name}.signed.example"


class Case(NamedTuple):
    """A domain, and what becomes of mail for it."""

    #: Usage, selector and matching type of its records, and what they are about.
    records: tuple[tuple[int, int, int, str], ...] = ()
    #: Exit code, and the beginning of the first line after the state.
    exit_code: int = 0
    words: str = ""
    #: What posttls-finger says.
    finger: str = VERIFIED
    address: str = MAIL
    #: Of the certificate: names (of the MX if there are none), begin and end in days from now, and
    #: by whom.
    names: tuple[str, ...] = ()
    days: tuple[int, int] = (-10, 90)
    by: Issued = AUTHORITY
    #: Whether the certificates of the authorities are sent too.
    whole: bool = True


NO_MATCH = (
    "senders that enforce DANE defer: the certificate of {host} does not match its TLSA record"
)
NONE_MATCHES = (
    "senders that enforce DANE defer: the certificate of {host} matches none of its 2 TLSA records"
)
CHAIN = "senders that enforce DANE defer: the certificate of {host} matches by its authority, but "

CASES = {
    "match": Case(((3, 1, 1, "own"),)),
    "match-certificate": Case(((3, 0, 2, "own"),)),
    "match-whole-certificate": Case(((3, 0, 0, "own"),)),
    "match-whole-key": Case(((3, 1, 0, "own"),)),
    "no-match": Case(((3, 1, 1, "another"),), 2, NO_MATCH, UNMATCHED),
    "rollover": Case(((3, 1, 1, "another"), (3, 1, 1, "own"))),
    "rollover-too-late": Case(((3, 1, 1, "another"), (3, 0, 1, "another")), 2, NONE_MATCHES,
                              UNMATCHED),
    # Neither name nor expiry counts with usage 3.
    "expired": Case(((3, 1, 1, "own"),), days=(-90, -1)),
    "other-name": Case(((3, 1, 1, "own"),), names=("other.example",)),
    # Of two digests only the stronger counts.
    "weaker-digest": Case(((3, 1, 1, "own"), (3, 1, 2, "another")), 2, NO_MATCH, UNMATCHED),
    "usage-2": Case(((2, 0, 1, "authority"),)),
    "usage-2-key": Case(((2, 1, 2, "authority"),)),
    "usage-2-intermediate": Case(((2, 0, 1, "authority"),), by=INTERMEDIATE),
    "usage-2-of-intermediate": Case(((2, 1, 1, "intermediate"),), by=INTERMEDIATE),
    "usage-2-mail-domain": Case(((2, 0, 1, "authority"),),
                                names=("usage-2-mail-domain.signed.example",)),
    "usage-2-wildcard": Case(((2, 0, 1, "authority"),), names=("*.signed.example",)),
    "usage-2-whole-unsent": Case(((2, 0, 0, "authority"),), whole=False),
    "usage-2-key-unsent": Case(((2, 1, 0, "authority"),), whole=False),
    "usage-2-unsent": Case(((2, 0, 1, "authority"),), 2, NO_MATCH, UNMATCHED, whole=False),
    "usage-2-stranger": Case(((2, 0, 1, "authority"),), 2, NO_MATCH, UNMATCHED, by=STRANGER),
    "usage-2-own": Case(((2, 0, 1, "own"),), 2, NO_MATCH, UNMATCHED),
    "usage-2-expired": Case(((2, 0, 1, "authority"),), 2,
                            CHAIN + "a certificate of the chain is not valid today",
                            "certificate has expired", days=(-90, -1)),
    "usage-2-other-name": Case(((2, 0, 1, "authority"),), 2, CHAIN + "it is for other.example",
                               "num=62:", names=("other.example",)),
    "unusable": Case(((1, 1, 1, "own"),), 1, "DANE is not in effect: senders can use none of the"
                     " TLSA records of {host} (1 1 1 ", OPPORTUNISTIC),
    "unusable-without-tls": Case(((1, 1, 1, "own"),), 2, "senders that enforce DANE defer: {host}"
                                 " does not offer STARTTLS", NO_TLS, MAIL_WITHOUT_TLS),
    "usable-beside-unusable": Case(((0, 0, 1, "another"), (3, 1, 1, "own"))),
    "without-tls": Case(((3, 1, 1, "own"),), 2, "senders that enforce DANE defer: {host} does not"
                        " offer STARTTLS", NO_TLS, MAIL_WITHOUT_TLS),
    "no-records": Case((), 1, "DANE is not in effect: there is no signed TLSA record at"
                       " _25._tcp.{host}", OPPORTUNISTIC),
}  # fmt: skip

#: Exit code and words for domains that are more than the records of one host, and what
#: posttls-finger says.
SPECIAL = {
    "alias-of-record": (0, "mx-alias-of-record.signed.example passed every", VERIFIED),
    "alias-of-host": (0, "mx-alias-of-host.signed.example passed every", VERIFIED),
    "alias-of-host-own-records": (
        0, "mx-alias-of-host-own-records.signed.example passed every", VERIFIED),
    "without-mx": (0, "without-mx.signed.example passed every", VERIFIED),
    "several": (0, "mx-match.signed.example passed every", VERIFIED),
    "bogus": (2, "senders that enforce DANE defer: the TLSA records of mx-bogus.signed.example"
              " can't be looked up: SERVFAIL from 127.0.0.1; mx-bogus", LOOKUP_ERROR),
    "servfail": (2, "senders that enforce DANE defer: the TLSA records of"
                 " mx-servfail.signed.example can't be looked up: SERVFAIL from 127.0.0.1",
                 LOOKUP_ERROR),
    "records-not-signed": (1, "DANE is not in effect: there is no signed TLSA record at"
                           " _25._tcp.mx-records-not-signed.signed.example; mx-", OPPORTUNISTIC),
    "elsewhere": (1, "DANE is not in effect: the addresses of mx.unsigned.example are not signed",
                  OPPORTUNISTIC),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(server_directory):
    with running_lab(server_directory("dane"), _serve) as lab:
        yield lab


def _serve(lab: Lab) -> None:
    records, certificates = [], {}
    for name, case in CASES.items():
        mx = host(name)
        own = issue(mx, *(case.names or (mx,)), by=case.by, begins=case.days[0], ends=case.days[1])
        OWN[name] = own
        certificates[mx] = own.pem(*(own.issuers if case.whole else ()))
        about = {**SUBJECTS, "own": own}
        records += [f"{name} MX 10 {mx}.", f"{mx}. A {case.address}"]
        records += [
            f"_25._tcp.{mx}. {Tlsa(*numbers, about[subject])}" for *numbers, subject in case.records
        ]
    right, wrong = Tlsa(3, 1, 1, OWN["match"]), Tlsa(3, 1, 1, ANOTHER)
    aliases = ("alias-of-host", "alias-of-host-own-records", "alias-of-record", "bogus")
    for mx in ("without-mx.signed.example", *map(host, aliases)):
        certificates[mx] = certificates[host("match")]
    records += [
        # The TLSA record is an alias (RFC 7671 7), or the MX host is.
        f"alias-of-record MX 10 {host('alias-of-record')}.",
        f"{host('alias-of-record')}. A {MAIL}",
        f"_25._tcp.{host('alias-of-record')}. CNAME tlsa",
        f"tlsa {right}",
        f"alias-of-host MX 10 {host('alias-of-host')}.",
        f"{host('alias-of-host')}. CNAME {host('match')}.",
        f"_25._tcp.{host('alias-of-host')}. {wrong}",
        f"alias-of-host-own-records MX 10 {host('alias-of-host-own-records')}.",
        f"{host('alias-of-host-own-records')}. CNAME without-records",
        f"without-records A {MAIL}",
        f"_25._tcp.{host('alias-of-host-own-records')}. {right}",
        # Mail goes to the domain's own address.
        f"without-mx A {MAIL}",
        f"_25._tcp.without-mx {right}",
        # The TLSA records can't be had, or are not signed.
        *(f"{name} MX 10 {host(name)}.\n{host(name)}. A {MAIL}"
          for name in ("bogus", "servfail", "records-not-signed")),
        # The MX is in a zone that is not signed.
        "elsewhere MX 10 mx.unsigned.example.",
        f"several MX 10 {host('match')}.\nseveral MX 20 {host('no-match')}.",
        "_25._tcp.mx-servfail NS nowhere",
        "nowhere A 192.0.2.99",
    ]  # fmt: skip
    lab.serve_dns(
        Zone("signed.example.", "\n".join(records)),
        Zone("_tcp.mx-bogus.signed.example.", f"_25 {right}", bogus=True),
        Zone("_tcp.mx-records-not-signed.signed.example.", f"_25 {right}", signed=False),
        Zone(
            "unsigned.example.",
            f"@ MX 10 {host('match')}.\nmx A {MAIL}\n_25._tcp.mx {right}",
            signed=False,
        ),
    )
    lab.serve_mail(certificates, ANOTHER.pem())


def check(lab: Lab, domain: str, *arguments: str) -> tuple[int, str]:
    """The plugin's exit code, and its output without the state."""
    code, output = lab.check(domain, "--dane", *arguments)
    return code, output.partition(" - ")[2]


def judged_by_postfix(lab: Lab, domain: str) -> str:
    said = lab.finger(domain)
    tells = any(words in said for words in ("TLS connection established", LOOKUP_ERROR))
    return said if tells else NO_TLS


@pytest.mark.parametrize("name", CASES)
def test_the_plugin_and_postfix_judge_alike(lab, name):
    case, domain = CASES[name], f"{name}.signed.example"
    if sys.version_info < (3, 10) and all(usage == 2 for usage, *_ in case.records or [(3,)]):
        words = f"can't judge DANE: this Python can't tell which chain {host(name)} sends"
        case = case._replace(exit_code=3, words=words)
    code, line = check(lab, domain)
    words = case.words.format(host=host(name)) or f"{host(name)} passed every stage up to starttls"
    assert (code, line[: len(words)]) == (case.exit_code, words)
    assert case.finger in judged_by_postfix(lab, domain)


@pytest.mark.parametrize("name", SPECIAL)
def test_they_follow_aliases_and_signatures_alike(lab, name):
    exit_code, words, finger = SPECIAL[name]
    code, line = check(lab, f"{name}.signed.example")
    assert (code, line[: len(words)]) == (exit_code, words)
    assert finger in judged_by_postfix(lab, f"{name}.signed.example")


def test_postfix_checks_records_behind_an_mx_that_is_not_signed_and_the_plugin_does_not(lab):
    """Its level dane says so (smtp_tls_dane_insecure_mx_policy): who forges the MX gains nothing.

    For the plugin the domain is one that a sender can be led away from, so that DANE protects
    nothing.
    """
    code, line = check(lab, "unsigned.example")
    words = "DANE is not in effect: the MX records of unsigned.example are not signed; mx-match"
    assert (code, line[: len(words)]) == (1, words)
    said = lab.finger("unsigned.example")
    assert "MX RRset insecure: log verified as trusted" in said
    assert "Trusted TLS connection established to mx-match.signed.example" in said


@pytest.mark.parametrize(
    ("resolver", "words", "finger"),
    [
        (CARELESS, f"can't judge DANE: the resolver {CARELESS} does not validate",
         "DNSSEC validation may be unavailable"),
        # Postfix trusts whatever is in /etc/resolv.conf.
        (ELSEWHERE, f"can't judge DANE: the resolver {ELSEWHERE} is not on this host", VERIFIED),
    ],
)  # fmt: skip
def test_what_a_resolver_says_counts_only_if_it_validates_on_this_host(
    lab, resolver, words, finger
):
    lab.use_resolver(resolver)
    try:
        code, line = check(lab, "match.signed.example")
        assert finger in lab.finger("match.signed.example")
    finally:
        lab.use_resolver(VALIDATING)
    assert (code, line[: len(words)]) == (3, words)


def test_a_resolver_that_the_user_names_is_trusted(lab):
    code, _ = check(lab, "match.signed.example", "--nameserver", ELSEWHERE)
    assert code == 0


def test_a_set_is_judged_by_each_of_its_servers(lab):
    """The backup's record does not match; with ``--set any`` the primary makes up for it."""
    domain = "several.signed.example"
    code, line = check(lab, domain, "--all-mx")
    words = NO_MATCH.format(host=host("no-match"))
    assert (code, line[: len(words)]) == (2, words)
    assert check(lab, domain, "--all-mx", "--set", "primary")[0] == 1
    assert check(lab, domain, "--all-mx", "--set", "any")[0] == 0


def test_the_right_record_is_shown_for_a_certificate_that_does_not_match(lab):
    _, shown = check(lab, "no-match.signed.example")
    right = hashlib.sha256(OWN["no-match"].public_key).hexdigest()
    assert f"  the record of its certificate is 3 1 1 {right}\n" in shown


def test_what_is_expected_to_be_without_dane_is_ok(lab):
    code, line = check(lab, "unsigned.example", "--severity", "dane=ok")
    assert code == 0
    assert line.startswith("mx-match.signed.example passed every stage")

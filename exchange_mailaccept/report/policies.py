"""TLS policies to words: whom a problem hits, what it means, and what to do."""

from __future__ import annotations

from ..cli.words import DANE, MTA_STS
from ..exchange.diagnosis import Diagnosis
from ..policies.conclusion import Conclusion, Effect, Problem
from ..record import TYPE_CHECKING
from ..vocabulary import Kind
from .text import QUOTED, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_TITLES = {DANE: "DANE", MTA_STS: "MTA-STS"}
#: What DANE and MTA-STS have in common is told by the effect, and the rest by the problem.
_WORDS = {
    Problem.NO_MATCH: "the certificate of {host} {why}",
    Problem.CHAIN_NOT_VALID: "the certificate of {host} matches by its authority, but {why}",
    Problem.NO_STARTTLS: "{host} {why}",
    Problem.LOOKUP_FAILED: "the {records} records of {host} can't be looked up: {why}",
    Problem.MX_NOT_SIGNED: "the MX records of {domain} are not signed",
    Problem.HOST_NOT_SIGNED: "the addresses of {host} are not signed",
    Problem.NO_RECORDS: "there is no signed TLSA record at {why}",
    Problem.UNUSABLE: "senders can use none of the TLSA records of {host} ({why})",
    Problem.CHAIN_UNKNOWN: "this Python can't tell which chain {host} sends (TLSA {why})",
    Problem.RESOLVER_ELSEWHERE: "the resolver {why} is not on this host",
    Problem.RESOLVER_DOES_NOT_VALIDATE: "the resolver {why} does not validate",
    Problem.RESOLVER_SILENT: "{why}",
    Problem.NO_TXT: "there is no TXT record with 'v=STSv1;' at _mta-sts.{domain}",
    Problem.TXT_FAILED: "the TXT record at _mta-sts.{domain} can't be looked up: {why}",
    Problem.BAD_TXT: "senders ignore the TXT record at _mta-sts.{domain}: {why}",
    Problem.NOT_FETCHED: "the policy of {domain} can't be fetched: {why}",
    Problem.NOT_REACHED: "can't fetch the policy from here: {why}",
    Problem.BAD_POLICY: "senders ignore the policy of {domain}: {why}",
    Problem.MODE_NONE: "the policy of {domain} has mode none",
    Problem.NOT_LISTED: "{host} is not in the policy of {domain}",
    Problem.UNTRUSTED: "{host}: {why}",
}


def words(conclusion: Conclusion, domain: str) -> str:
    """What is wrong by a policy, for the first line: first whom it hits."""
    title = _TITLES[conclusion.name]
    wrong, all_of_them = conclusion.affected
    details = _details(conclusion, domain)
    if conclusion.effect is Effect.DEFERS:
        return f"senders that enforce {title} defer: {details}"
    if conclusion.effect is Effect.UNTESTED:
        return f"can't judge {title}: {details}"
    if conclusion.effect is Effect.NOTHING:
        return f"{title} is not in effect: {details}"
    number = f"{wrong} of {all_of_them} MX"
    if conclusion.mode == "enforce":
        return f"senders that enforce {title} pass over {number}: {details}"
    return f"{title} in mode testing fails for {number}: {details}"


def _details(conclusion: Conclusion, domain: str) -> str:
    return _WORDS[conclusion.problem].format(
        host=printable(conclusion.host or domain, 80),
        domain=printable(domain, 80),
        records="TLSA" if conclusion.host else "MX",
        why=printable(conclusion.why, QUOTED),
    )


def fact_lines(conclusions: Sequence[Conclusion], domain: str) -> list[str]:
    """What each policy means, and what was published."""
    lines = []
    for each in conclusions:
        title = _TITLES[each.name]
        if each.problem is Problem.NONE:
            about = f" for {printable(each.host, 80)}" if each.host else ""
            matching = f" ({printable(each.why, 80)} matches)" if each.why else ""
            lines.append(f"{title}: holds{about}{matching}")
        else:
            lines.append(f"{title}: {_details(each, domain)}")
        lines += [f"  {printable(fact, QUOTED * 2)}" for fact in each.facts]
    return lines


_DANE_PAGE = "https://learn.microsoft.com/purview/how-smtp-dane-works"
_STS_PAGE = "https://learn.microsoft.com/purview/enhancing-mail-flow-with-mta-sts"
_VALIDATING = (
    "Install Unbound on this host (its default configuration validates), and make it the first"
    " nameserver in /etc/resolv.conf; or give --nameserver with a resolver that validates and that"
    " you reach over a network you trust. dig +adflag . NS @ADDRESS must show the flag ad."
)
#: What a problem means, what to do, and where to begin.
_REMEDIES = {
    Problem.NO_MATCH: (
        "The certificate was renewed or replaced and the TLSA records were not; Exchange Online,"
        " Comcast and others keep the mail and return it after a day or two, while all others"
        " deliver",
        "Publish the record of this certificate (3 1 1, below) beside the old one, and remove that"
        " after two TTLs; or bind the old certificate again. Next time publish first, or renew with"
        " the same key, which needs no new record.",
        "mail-flow",
    ),
    Problem.CHAIN_NOT_VALID: (
        "With usage 2 the certificate must be valid and for the MX name or the mail domain, like"
        " one of a public authority",
        "Get-ExchangeCertificate: bind one that is valid and has the MX name to SMTP, or publish a"
        " record with usage 3, for which neither counts.",
        "mail-flow",
    ),
    Problem.NO_STARTTLS: (
        "What the domain publishes requires TLS, and the session stayed without it; senders that"
        " enforce it keep the mail, all others deliver it in plain text",
        "Get-ExchangeCertificate: is one that is valid enabled for SMTP? Look for events 12014 and"
        " 12016 on the server, and for a firewall that inspects SMTP.",
        "mail-flow",
    ),
    Problem.LOOKUP_FAILED: (
        "A name server of the domain fails to answer, or the answer's signature is not valid;"
        " senders that enforce DANE must not send then (RFC 7672 2.1)",
        "Ask on the resolver's host: dig +cd and without +cd, for the same name and type. If only"
        " +cd has an answer, the signatures or the DS record are wrong; if neither, the name server"
        " or a firewall before it does not know the type TLSA.",
        "dns",
    ),
    Problem.MX_NOT_SIGNED: (
        "Senders that enforce DANE treat the domain like any other: DNSSEC was never turned on, or"
        " the DS record at the registrar has been lost",
        "dig DS DOMAIN: is it there, and does dig +dnssec MX DOMAIN show RRSIG records? If DANE is"
        " not wanted, leave --dane out or give --severity dane=ok.",
        "dns",
    ),
    Problem.HOST_NOT_SIGNED: (
        "Senders that enforce DANE treat this server like any other: the zone that the MX points"
        " to is not signed, or its DS record has been lost",
        "dig +dnssec A HOST: is there an RRSIG record? Exchange Online has signed names only in"
        " mx.microsoft: Enable-DnssecForVerifiedDomain -DomainName DOMAIN.",
        "dns",
    ),
    Problem.NO_RECORDS: (
        "Senders that enforce DANE treat this server like any other: TLSA records were never"
        " published, have been removed, or are not signed",
        "Publish them, for example 3 1 1; in Exchange Online: Enable-SmtpDaneInbound -DomainName"
        " DOMAIN. Where it is expected give --severity dane=ok.",
        "dns",
    ),
    Problem.UNUSABLE: (
        "Senders require TLS because of these records, and can't tell by them whether it is the"
        " right server: usages 0 and 1, unknown numbers and digests of the wrong length don't"
        " count",
        "Publish 3 1 1 (or 2 1 1) records; see RFC 7672 3.1.",
        "dns",
    ),
    Problem.CHAIN_UNKNOWN: (
        "A record with usage 2 names an authority, and this Python does not tell which"
        " certificates the server sent",
        "Run the plugin with Python 3.10 or newer, or publish a record with usage 3 as well.",
        "mail-flow",
    ),
    Problem.RESOLVER_ELSEWHERE: (
        "What a resolver says about signatures counts only if nobody can answer in its place: from"
        " this host itself, or from one named by --nameserver (RFC 7672 2.1.1)",
        _VALIDATING,
        "dns",
    ),
    Problem.RESOLVER_DOES_NOT_VALIDATE: (
        "The resolver does not say of any answer that it is authentic, not even of the root's",
        _VALIDATING,
        "dns",
    ),
    Problem.RESOLVER_SILENT: (
        "No resolver answered the questions for the policy, so nothing is known about it",
        "Is the resolver running, and does it reach the Internet? For DANE only a resolver on this"
        " host or a --nameserver is asked.",
        "dns",
    ),
    Problem.NO_TXT: (
        "Senders that know MTA-STS treat the domain like any other: the TXT record was never"
        " published, has been removed, or does not begin as it must",
        "dig TXT _mta-sts.DOMAIN. Where it is expected give --severity mta-sts=ok.",
        "dns",
    ),
    Problem.TXT_FAILED: (
        "New senders don't find the policy; those that know it enforce it until its max_age is"
        " over",
        "dig TXT _mta-sts.DOMAIN, at the resolver and at the domain's name servers.",
        "dns",
    ),
    Problem.BAD_TXT: (
        "New senders don't find the policy; those that know it enforce it until its max_age is"
        " over",
        "Publish exactly one record of this form: v=STSv1; id=20260101000000; with letters and"
        " digits as id.",
        "dns",
    ),
    Problem.NOT_FETCHED: (
        "New senders don't enforce the policy; those that know it enforce the last one until its"
        " max_age is over, also if the MX has changed since",
        "curl -v https://mta-sts.DOMAIN/.well-known/mta-sts.txt: a certificate valid for that name,"
        " status 200, text/plain, no redirect.",
        "dns",
    ),
    Problem.NOT_REACHED: (
        "This host may not connect to the Internet by HTTPS, so nothing is known about the policy",
        "Let it connect to mta-sts.DOMAIN, port 443. A proxy is not used, as senders use none.",
        "dns",
    ),
    Problem.BAD_POLICY: (
        "New senders don't enforce the policy; those that know it enforce the last one until its"
        " max_age is over, also if the MX has changed since",
        "Correct the file and give the TXT record a new id; see RFC 8461 3.2.",
        "dns",
    ),
    Problem.MODE_NONE: (
        "The policy tells senders to forget it: mode none is for turning MTA-STS off",
        "Set the mode testing or enforce again and give the TXT record a new id, or give"
        " --severity mta-sts=ok.",
        "dns",
    ),
    Problem.NOT_LISTED: (
        "Google, Exchange Online and others send only to MX hosts that the policy lists, and keep"
        " the mail for the others; so after a move, for example to mx.microsoft",
        "Add the MX to the policy's mx lines, give the TXT record a new id, and only then change"
        " the MX. Senders keep the old policy until its max_age is over or they see the new id.",
        "dns",
    ),
    Problem.UNTRUSTED: (
        "Senders that enforce MTA-STS want a certificate of a public authority that is valid for"
        " the MX name, with its intermediates",
        "Bind one to SMTP: Enable-ExchangeCertificate -Thumbprint ID -Services SMTP; and send its"
        " intermediate.",
        "mail-flow",
    ),
}


def remedy(conclusion: Conclusion) -> Diagnosis:
    """What a problem means, and what to do."""
    meaning, next_step, begin = _REMEDIES[conclusion.problem]
    page = _DANE_PAGE if conclusion.name == DANE else _STS_PAGE
    return Diagnosis(Kind.POLICY, meaning, next_step, page, begin)

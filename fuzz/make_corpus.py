#!/usr/bin/env python3
"""Write the seeds for a target of the fuzzer: ``make_corpus.py TARGET DIRECTORY``.

Sessions come from the transcripts and dialogues of the tests, DNS responses from dnspython.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset

TESTS = Path(__file__).resolve().parent.parent / "tests"
#: Number of plans of ``dialogue``.
PLANS = 8
#: The Message-ID in those plans.
OWN_ID = "<1@fabrikam.com>"
MX = "contoso.com. 300 IN MX"
#: The question, and its responses in turn: records of the answer section and, after a bar, of the
#: authority section.
RESPONSES = {
    "mx": ("contoso.com. MX", [f"{MX} 10 mail1.contoso.com. ; {MX} 20 mail2.contoso.com. |"]),
    "null_mx": ("contoso.com. MX", [f"{MX} 0 . |"]),
    "implicit": ("contoso.com. MX", ["| contoso.com. 300 IN SOA ns.net. admin.net. 1 2 3 4 5"]),
    "alias": (
        "contoso.com. MX",
        ["contoso.com. 9 IN CNAME a.net. ; a.net. 9 IN CNAME b.net. ; b.net. 9 IN MX 1 c.net. |"],
    ),
    "long_way": ("contoso.com. MX", ["contoso.com. 9 IN CNAME a.net. |"]),
    "referral": ("contoso.com. MX", ["| contoso.com. 300 IN NS ns.contoso.com."]),
    "addresses": (
        "mail1.contoso.com. A",
        [
            "mail1.contoso.com. 300 IN A 192.0.2.1 |",
            "mail1.contoso.com. 300 IN AAAA 2001:db8::1 |",
        ],
    ),
}


def sessions() -> Iterator[tuple[str, bytes]]:
    """What the server says in each recorded session."""
    for folder in ("transcripts", "dialogues"):
        for path in sorted((TESTS / folder).glob("*.txt")):
            lines = path.read_text(encoding="utf-8").splitlines()
            said = "".join(f"{line[3:]}\r\n" for line in lines if line.startswith("S: "))
            yield f"{folder}-{path.stem}", said.replace("{ID}", OWN_ID).encode()


def dns_seeds() -> Iterator[tuple[str, bytes]]:
    """Responses as ``fuzz.dns_response`` reads them."""
    for name, (question, responses) in RESPONSES.items():
        seed = bytes([name == "addresses"])
        for response in responses:
            message = dns.message.make_response(dns.message.make_query(*question.split()))
            for section, records in zip((message.answer, message.authority), response.split("|")):
                section += [
                    dns.rrset.from_text(*record.split(maxsplit=4))
                    for record in records.split(";")
                    if record.strip()
                ]
            wire = message.to_wire()
            # The question is separate, but the pointers of name compression count it.
            end = wire.index(b"\0", 12) + 5
            body = wire[2:4] + wire[6:12] + wire[end:]
            seed += len(body).to_bytes(2, "big") + body
        yield name, seed


def main(target: str, directory: Path) -> None:
    """Write each seed into a file of its own."""
    if target == "dns":
        seeds = list(dns_seeds())
    elif target == "dialogue":
        # Each with the simplest plan, and with the others in turn.
        seeds = [
            (f"{name}-{plan}", bytes([plan]) + said)
            for number, (name, said) in enumerate(sessions())
            for plan in {0, number % PLANS}
        ]
    else:
        seeds = list(sessions())
    for name, data in seeds:
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

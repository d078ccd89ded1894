"""What the plugin is told to do in each engine, and what the engine must make of it.

The lower half are the traps: what a mail server or an administrator can do that once made an engine
show something else than the plugin had found out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, NamedTuple, Optional

from running import CRITICAL, OK, UNKNOWN, WARNING, Result

from exchange_mailaccept.cli.table import OPTIONS

RECIPIENT = "postmaster@contoso.com"


class Case(NamedTuple):
    """A service, and its result."""

    name: str
    state: int
    #: Regular expression of the whole first line.
    first: str
    #: Options by their long names, besides host, port and recipient.
    options: Mapping[str, Any] = {}
    #: How the server behaves; ``None`` for no server.
    server: Optional[Mapping[str, Any]] = {}
    address: str = "127.0.0.1"
    #: Labels expected; ``None`` not to be compared.
    labels: Optional[str] = None


ALL = "banner connect data ehlo extensions mail message quit rcpt total"
TO_RCPT = "banner connect ehlo extensions mail quit rcpt total"


def refusal(text: str) -> dict[str, Any]:
    """A server that refuses the recipient."""
    return {"reply": {"rcpt": text}}


CASES = (
    Case(
        "accepts", OK,
        r"MAILACCEPT OK - 127\.0\.0\.1 accepted mail for postmaster@contoso\.com in [0-9.]+s"
        r" \(Exchange 2019/SE; queued on mail1\.contoso\.com as \S+\)",
        labels=ALL,
    ),
    Case(
        "defers", CRITICAL,
        r"MAILACCEPT CRITICAL - 127\.0\.0\.1 deferred MAIL ExMFA-MailAcceptTest@Fabrikam\.com:"
        r" 452 4\.3\.1 Insufficient system resources",
        server={"reply": {"mail": "452 4.3.1 Insufficient system resources"}},
        labels="banner connect ehlo extensions mail quit total",
    ),
    Case(
        "refuses", CRITICAL,
        r"MAILACCEPT CRITICAL - 127\.0\.0\.1 refused RCPT postmaster@contoso\.com:"
        r" 550 5\.7\.54 SMTP; Unable to relay recipient in non-accepted domain",
        server=refusal("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
        labels=TO_RCPT,
    ),
    Case(
        "misused", UNKNOWN, r"MAILACCEPT UNKNOWN - --until tomorrow: must be one of .*",
        {"until": "tomorrow"}, labels="",
    ),
    Case(
        "thresholds", WARNING,
        r"MAILACCEPT WARNING - rcpt took 0\.[0-9]+s \(outside range 0:0\.2\); .*",
        {"warning": ["30", "rcpt=0.2"], "critical": ["60"]}, {"delay": {"rcpt": 0.5}}, labels=ALL,
    ),
    # Traps.
    Case(
        "bar", CRITICAL, r"MAILACCEPT CRITICAL - .*: 550 5\.1\.1 a / b=3;1;2 'c d'=4",
        server=refusal("550 5.1.1 a | b=3;1;2 'c d'=4"), labels=TO_RCPT,
    ),
    Case(
        "markup", CRITICAL,
        r"MAILACCEPT CRITICAL - .*: 550 5\.1\.1 \[b\]\[postmaster\] \[a href=x\]who\[/a\]\[/b\]",
        server=refusal("550 5.1.1 <b><postmaster> <a href=x>who</a></b>"), labels=TO_RCPT,
    ),
    Case(
        "bytes", CRITICAL,
        r"MAILACCEPT CRITICAL - .*: 550 5\.1\.1 /x1b\[31m bell/x07 nul/x00 .*",
        server=refusal("550 5.1.1 \x1b[31m bell\x07 nul\x00 \udcff\u00fc\u202e end"),
        labels=TO_RCPT,
    ),
    Case(
        "macros", CRITICAL,
        r"MAILACCEPT CRITICAL - .*: 550 5\.1\.1 /x24HOSTADDRESS/x24 'id' /x24\(id\) /t",
        server=refusal("550 5.1.1 $HOSTADDRESS$ `id` $(id) \\t"), labels=TO_RCPT,
    ),
    Case(
        "ipv6", OK, r"MAILACCEPT OK - ::1 accepted mail .*",
        {"ipv6": True}, {"host": "::1"}, "::1", labels=ALL,
    ),
    Case(
        "ipv6-every-address", OK, r"MAILACCEPT OK - .*",
        {"ipv6": True, "all-addresses": True}, {"host": "::1"}, "::1",
    ),
    *(Case(f"verbose{number}", OK, r"MAILACCEPT OK - .*", {"verbose": number}, labels=ALL)
      for number in (1, 3, 2)),
    Case(
        "verbose2-fails", CRITICAL, r"MAILACCEPT CRITICAL - .*",
        {"verbose": 2}, refusal("550 5.1.1 User unknown | x=1"), labels=TO_RCPT,
    ),
    Case(
        "long", CRITICAL, r"MAILACCEPT CRITICAL - .{1,280}", {"verbose": 1},
        {
            "reply": {
                "ehlo": "\n".join(["250-mail1"] + ["250-X-" + "A" * 200] * 90 + ["250 DSN"]),
                "rcpt": "\n".join(["550-5.1.1 " + "no " * 200] * 20 + ["550 5.1.1 no"]),
            }
        },
        labels=TO_RCPT,
    ),
    Case(
        "hangs", CRITICAL, r"MAILACCEPT CRITICAL - 127\.0\.0\.1 did not answer RCPT within 15s",
        # On a busy machine the beginning of all these checks takes some seconds of it.
        {"timeout": 15}, {"delay": {"rcpt": 300}}, labels=TO_RCPT.replace(" quit", ""),
    ),
    Case(
        "no-address", UNKNOWN, r"MAILACCEPT UNKNOWN - -d DOMAIN or -H HOST is required .*",
        server=None, address="", labels="",
    ),
)  # fmt: skip
BY_NAME = {case.name: case for case in CASES}

_FLAGS = {option.name: option for option in OPTIONS}


def words(name: str, value: Any) -> list[str]:
    """An option and its value as words of a command line."""
    option = _FLAGS[name]
    if name == "verbose":
        return ["-" + "v" * int(value)]
    if not option.metavar:
        return [f"--{name}"] if value else []
    if isinstance(value, float):
        value = f"{value:f}"  # as Icinga writes it
    values = value if isinstance(value, list) else [value]
    return [word for item in values for word in (f"--{name}", str(item))]


def options_of(case: Case, port: int) -> dict[str, Any]:
    """All options of a case but the host, as long names to values."""
    return {"port": port, "recipient": RECIPIENT, **case.options}


def check_result(case: Case, result: Result) -> None:
    """It is what the plugin found out."""
    assert re.fullmatch(case.first, result.first), result.first
    assert result.state == case.state
    if case.labels is not None:
        assert sorted(result.labels) == case.labels.split()


def check_text(case: Case, text: str) -> None:
    """Nothing of what the server said can speak to the engine, its web or the terminal behind it.

    And a failure says what to do.
    """
    # What looks like a tag makes Icinga Web take all of it for HTML.
    assert not set("<>`$|") & set(text)
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text) < (4096 if case.options.get("verbose", 0) < 2 else 20_000)
    # Whatever comes out of stderr would be in front.
    assert text.startswith("MAILACCEPT ")
    if case.state == CRITICAL:
        for part in ("\nMeaning: ", "\nNext step: ", "\nStages at ", "\nTroubleshooting, "):
            assert part in text


def check_page(page: EmailMessage, subject: str, recorded: str) -> None:
    """The mail about a refused sender has the whole diagnosis, as the engine recorded it."""
    words = (
        "MAILACCEPT CRITICAL - 127.0.0.1 refused MAIL ExMFA-MailAcceptTest@Fabrikam.com: 530 5.7.57"
    )
    assert page["Subject"].startswith(subject + words)
    assert page["To"] == "exchange-oncall@example.com"
    assert page["Auto-Submitted"] == "auto-generated"
    text, _, rest = page.get_content().partition("\n\n")
    assert text == recorded
    for part in ("\nMeaning: ", "\nNext step: ", "\n  mail "):
        assert part in text
    assert "State:   CRITICAL\n" in rest

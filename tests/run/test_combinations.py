"""Options that look at more than one connection, recipient and sender, each with the others.

The servers of a domain take all mail for it and do not relay.  Whatever is given, each gets one
message at most, and everything is tested on each.
"""

from __future__ import annotations

import ssl

import pytest
from support.names import mx
from support.plugin import BANNER, KEYWORDS, OK, ehlo_reply, run_plugin
from support.scripts import Play, Talk
from support.smtp import PortOfAll

EXPECT = ("--expect-mx", "mail1.contoso.com", "--expect-mx", "*.contoso.com")
SEVERAL = ("-r", "a", "-r", "b", "-f", "x@fabrikam.com", "-f", "<>")
CONNECTIONS = ("--connections", "3")
REFUSE = ("--refuse", "somebody@adatum.com")
GONE_IN_TLS = ("STARTTLS", "X-ANONYMOUSTLS")
OPTIONS = {
    "expect-mx": EXPECT,
    "several": SEVERAL,
    "connections": CONNECTIONS,
    "refuse": REFUSE,
    "all of them": (*EXPECT, *SEVERAL, *CONNECTIONS, *REFUSE),
}
WITH = {
    "nothing": (),
    "all-mx": ("--all-mx",),
    "all-mx of two at once": ("--all-mx", "--parallel", "2"),
    "until rcpt": ("--until", "rcpt"),
    "all-mx until rcpt": ("--all-mx", "--until", "rcpt"),
    "starttls": ("-S",),
    "starttls if offered": ("--all-mx", "--starttls-if-offered"),
    "profile": ("--profile", "se"),
    "set": ("--all-mx", "--set", "any"),
}


def server(context: ssl.SSLContext) -> Play:
    """An Exchange server that takes all mail for contoso.com, and no other."""

    def play(talk: Talk) -> None:
        talk.tell(BANNER)
        keywords = KEYWORDS
        while (command := talk.line()) != b"QUIT":
            verb = command[:4].upper()
            if verb == b"EHLO":
                talk.tell(ehlo_reply(*keywords))
            elif verb == b"STAR":
                talk.tell(b"220 2.0.0 SMTP server ready\r\n")
                talk.secure(context)
                keywords = tuple(keyword for keyword in KEYWORDS if keyword not in GONE_IN_TLS)
            elif verb == b"RCPT" and b"@contoso.com" not in command:
                talk.tell(b"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain\r\n")
            elif verb == b"DATA":
                talk.tell(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
                talk.message()
                talk.tell(b"250 2.6.0 Queued mail for delivery\r\n")
            else:
                talk.tell(b"250 2.1.0 OK\r\n")
        talk.tell(b"221 2.0.0 Service closing transmission channel\r\n")

    return play


@pytest.mark.parametrize(
    ("option", "together"),
    [
        *(("all of them", together) for together in WITH),
        *((option, "all-mx until rcpt") for option in OPTIONS if option != "all of them"),
    ],
)
def test_the_options_go_with_one_another(serve, names, certificates, option, together):
    held = PortOfAll()
    play = server(certificates.good.context())
    servers = [serve(play, host=f"127.0.0.{last}", port=held.number) for last in (2, 3)]
    table = mx((10, "mail1.contoso.com", "127.0.0.2"), (20, "mail2.contoso.com", "127.0.0.3"))
    how = (*OPTIONS[option], *WITH[together])
    run = run_plugin(
        *("-d", "contoso.com", "-p", str(held.number), *names(table)),
        *("-F", "probe.client.example", *how),
    )
    held.close()
    assert (run.exit_code, run.stderr) == (OK, ""), run.first_line
    tested = servers if "--all-mx" in how else servers[:1]
    for host in servers:
        heard = [line[:30] for line in host.heard]
        sends = host in tested and "--until" not in how
        assert heard.count(b"DATA\r\n") == sends
        assert any(b"adatum" in line for line in host.heard) == (
            host in tested and "--refuse" in how
        )
        sessions = heard.count(b"QUIT\r\n")
        assert sessions == (host in tested) * (3 if "--connections" in how else 1)
        # Of one that is untrusted the certificate is looked at by a connection of its own.
        secured = any("starttls" in word or word == "-S" for word in how)
        assert heard.count(b"STARTTLS\r\n") == sessions * 2 * secured

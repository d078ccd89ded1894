"""What a healthy server says to the plugin, and how a run is started and read."""

from __future__ import annotations

import re
from typing import Any

from support.scripted_server import PluginRun, ScriptedServer, run_plugin

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3

BANNER = b"220 mail1.contoso.com Microsoft ESMTP MAIL Service ready\r\n"
KEYWORDS = (
    "SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "X-ANONYMOUSTLS",
    "AUTH NTLM", "X-EXPS GSSAPI NTLM", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "XRDST",
)  # fmt: skip


def ehlo_reply(*keywords: str) -> bytes:
    lines = ("mail1.contoso.com Hello [127.0.0.1]", *keywords)
    marks = ["-"] * (len(lines) - 1) + [" "]
    return "".join(f"250{mark}{line}\r\n" for mark, line in zip(marks, lines)).encode()


EHLO = ("EHLO probe.client.example", ehlo_reply(*KEYWORDS))
MAIL = ("MAIL FROM:<ExMFA-MailAcceptTest@Fabrikam[.]com>", b"250 2.1.0 Sender OK\r\n")
RCPT = ("RCPT TO:<postmaster@contoso[.]com> NOTIFY=NEVER", b"250 2.1.5 Recipient OK\r\n")
RSET = ("RSET", b"250 2.0.0 Resetting\r\n")
DATA = ("DATA", b"354 Start mail input; end with <CRLF>.<CRLF>\r\n")
MESSAGE = (
    ScriptedServer.MESSAGE,
    b"250 2.6.0 {ID} [InternalId=110, Hostname=mbx01.contoso.com] 1590 bytes in 0.103,"
    b" 15.038 KB/sec Queued mail for delivery\r\n",
)
QUIT = ("QUIT", b"221 2.0.0 Service closing transmission channel\r\n")
ALL = (EHLO, MAIL, RCPT, DATA, MESSAGE, QUIT)

PERFDATA = {
    "all": "banner=#s;;;0 connect=#s;;;0 data=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0"
    " message=#s;;;0 quit=#s;;;0 rcpt=#s;;;0 total=#s;;;0",
    "rcpt": "banner=#s;;;0 connect=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0 quit=#s;;;0"
    " rcpt=#s;;;0 total=#s;;;0",
    "mail": "banner=#s;;;0 connect=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0 quit=#s;;;0"
    " total=#s;;;0",
}
ACCEPTED = (
    "127.0.0.1 accepted mail for postmaster@contoso.com in #s"
    " (Exchange 2019/SE; queued on mbx01.contoso.com as ID)"
)


def check(server: ScriptedServer, *arguments: str, **how: Any) -> PluginRun:
    """Test ``server``; the port does not appear in what comes back."""
    run = run_plugin(
        "-H", server.host, "-p", str(server.port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *arguments, **how,
    )  # fmt: skip
    return run._replace(stdout=run.stdout.replace(f"port {server.port}", "port PORT"))


def first_line(run: PluginRun) -> str:
    """The first line without perfdata."""
    return run.masked.partition("\n")[0].partition(" | ")[0]


TROUBLESHOOTING = """\
Troubleshooting, from the server level out to the network level:
  1. Mail routing in Exchange Server:\
 https://learn.microsoft.com/exchange/mail-flow/mail-routing/mail-routing
  2. Use Telnet to test SMTP communication on Exchange servers:\
 https://learn.microsoft.com/exchange/mail-flow/test-smtp-telnet
  3. Queues and messages in queues in Exchange Server:\
 https://learn.microsoft.com/exchange/mail-flow/queues/queues  [begin here]
  4. Configure mail flow and client access on Exchange servers:\
 https://learn.microsoft.com/exchange/plan-and-deploy/post-installation-tasks/\
configure-mail-flow-and-client-access
  5. Configure the external postmaster address in Exchange Online:\
 https://learn.microsoft.com/exchange/mail-flow-best-practices/configure-external-postmaster-address
"""

_NUMBER = r"-?[0-9]+(?:\.[0-9]{1,4})?"
_RANGE = rf"@?(?:(?:~|{_NUMBER})?:)?(?:{_NUMBER})?"
_ITEM = re.compile(
    rf"(?P<label>[A-Za-z0-9_-]{{1,19}})=(?P<value>{_NUMBER})(?P<unit>s?)"
    rf"(?:;(?P<warn>{_RANGE})(?:;(?P<crit>{_RANGE})(?:;(?P<min>{_NUMBER})(?:;(?P<max>{_NUMBER}))?)?)?)?"
)
LABELS = "mx connect banner ehlo starttls auth mail rcpt data message quit total extensions".split()


def perfdata(run: PluginRun) -> dict[str, re.Match[str]]:
    """The perfdata by label; the bar that begins them is the only one."""
    assert run.stdout.count("|") == 1
    assert run.stdout.endswith("\n")
    found = {}
    for item in run.stdout.rstrip("\n").partition("|")[2].split():
        match = _ITEM.fullmatch(item)
        assert match is not None, item
        assert match["label"] not in found
        found[match["label"]] = match
    return found

"""The reply to the final dot, in every form that was published."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.outcomes import reply

from exchange_mailaccept.exchange.recognition import Receipt, parse_receipt

FORMS = Path(__file__).parent / "transcripts" / "final_replies.txt"
#: Message-ID, host and InternalId in each, in their order; a dash for what is not there.
CONTENTS = """\
<MAILeRaNgEpTX5V3Gyk0000005d@MAIL.contoso.com> - -
<klmdns1fraqbc8wsa1x00000002@smtp11.contoso.com> - -
<...> - 110
<c89b4fcc-3ad1-4758-a1ab-1e820065d622@mail1.fabrikam.com> mail1.fabrikam.com 5111011082268
<7c3912d5-5036-4372-8b07-958498de668b@edge11.contoso.com> edge11.contoso.com 3959959848588
<...> CosMail04.contoso.com 24000277250370
<0c963663-38ee-4418-9fdc-54217034cc85@mail1.contoso.com> mail1.contoso.com 523986010113
<0100017b0e35a8c6-...-000000@email.amazonses.com> \
HE1EUR04HT112.eop-eur04.prod.protection.outlook.com 95992519094146
<ae027887-6d7d-4955-870c-5a213050259f@mtasv.net> \
LV4PR05MB11200.namprd05.prod.outlook.com 10286446712210
<idwCDkLSTSCFwgpTfmlsRw@ismtpd0007p1lon1.sendgrid.net> \
BN3NAM04HT214.eop-NAM04.prod.protection.outlook.com 8783208132414
<173698220910.787872.8328578722038804350@msi> \
DU0P192MB2073.EURP192.PROD.OUTLOOK.COM 29072633627620
"""


def test_every_published_form_is_read():
    said = [line for line in FORMS.read_text(encoding="utf-8").splitlines() if line[:2] == "S:"]
    expected = [
        Receipt(*("" if word == "-" else word for word in line.split()))
        for line in CONTENTS.splitlines()
    ]
    assert [parse_receipt(reply(line.removeprefix("S: "))) for line in said] == expected


@pytest.mark.parametrize(
    "text",
    [
        # Wrapped by a gateway that quotes the server behind it.
        "2.0.0 Ok: relayed (250 2.6.0 <1@a.example> [InternalId=7, Hostname=mbx.contoso.com] "
        "1590 bytes in 0,103, 15,038 KB/sec Queued mail for delivery)",
        # Over several lines, cut where a terminal would.
        "2.6.0 <1@a.example> [Internal|Id=7, Hostname=mbx.contoso.com] 1590 bytes in 0.103",
        "2.6.0 <1@a.example>|[InternalId=7,|Hostname=mbx.contoso.com]",
        # In another order, and in small letters.
        "2.6.0 [hostname = mbx.contoso.com; internalid = 7] <1@a.example> queued",
        # A number ends where its digits end.
        "2.6.0 <1@a.example> Hostname=mbx.contoso.com InternalId=7.",
        "2.6.0 <1@a.example> Hostname=mbx.contoso.com InternalId=7:",
        "2.6.0 <1@a.example> Hostname=mbx.contoso.com InternalId=7>",
        "2.6.0 <1@a.example> Hostname=mbx.contoso.com InternalId=7/1",
        # Other words with the same end are other words.
        "2.6.0 <1@a.example> GatewayHostname=gw NotInternalId=1"
        " Hostname=mbx.contoso.com InternalId=7",
    ],
)
def test_a_receipt_is_found_in_what_else_is_said(text):
    assert parse_receipt(reply(f"250 {text}")) == Receipt("<1@a.example>", "mbx.contoso.com", "7")


@pytest.mark.parametrize(
    "text",
    ["", "2.0.0 Ok: queued as 4F2A91C0", "2.6.0 Queued mail for delivery", "2.0.0 OK <> <a b>"],
)
def test_there_may_be_no_receipt(text):
    assert parse_receipt(reply(f"250 {text}")) is None

"""The reply to the final dot, in every form that was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange_mailaccept.exchange.evidence import Receipt, parse_receipt
from exchange_mailaccept.protocol.reply import Reply

FORMS = Path(__file__).parents[1] / "exchange" / "transcripts" / "final_replies.txt"


#: What is in each, in their order.
EXPECTED = [
    Receipt("<MAILeRaNgEpTX5V3Gyk0000005d@MAIL.contoso.com>"),
    Receipt("<klmdns1fraqbc8wsa1x00000002@smtp11.contoso.com>"),
    Receipt("<...>", "", "110"),
    Receipt(
        "<c89b4fcc-3ad1-4758-a1ab-1e820065d622@mail1.fabrikam.com>",
        "mail1.fabrikam.com",
        "5111011082268",
    ),
    Receipt(
        "<7c3912d5-5036-4372-8b07-958498de668b@edge11.contoso.com>",
        "edge11.contoso.com",
        "3959959848588",
    ),
    Receipt("<...>", "CosMail04.contoso.com", "24000277250370"),
    Receipt(
        "<0c963663-38ee-4418-9fdc-54217034cc85@mail1.contoso.com>",
        "mail1.contoso.com",
        "523986010113",
    ),
    Receipt(
        "<0100017b0e35a8c6-...-000000@email.amazonses.com>",
        "HE1EUR04HT112.eop-eur04.prod.protection.outlook.com",
        "95992519094146",
    ),
    Receipt(
        "<ae027887-6d7d-4955-870c-5a213050259f@mtasv.net>",
        "LV4PR05MB11200.namprd05.prod.outlook.com",
        "10286446712210",
    ),
    Receipt(
        "<idwCDkLSTSCFwgpTfmlsRw@ismtpd0007p1lon1.sendgrid.net>",
        "BN3NAM04HT214.eop-NAM04.prod.protection.outlook.com",
        "8783208132414",
    ),
    Receipt(
        "<173698220910.787872.8328578722038804350@msi>",
        "DU0P192MB2073.EURP192.PROD.OUTLOOK.COM",
        "29072633627620",
    ),
]


def published() -> list[str]:
    lines = FORMS.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("S: 250 ") for line in lines if line.startswith("S: ")]


def receipt(*lines: str) -> Receipt:
    found = parse_receipt(Reply(250, lines))
    assert found is not None
    return found


@pytest.mark.parametrize(("text", "expected"), [*zip(published(), EXPECTED)], ids=range(11))
def test_a_published_form_is_read(text: str, expected: Receipt) -> None:
    assert receipt(text) == expected


def test_no_published_form_is_left_out() -> None:
    assert len(published()) == len(EXPECTED) == 11


@pytest.mark.parametrize(
    "lines",
    [
        # Wrapped by a gateway that quotes the server behind it.
        ("2.0.0 Ok: relayed (250 2.6.0 <1@a.example> [InternalId=7, Hostname=mbx.contoso.com] "
         "1590 bytes in 0,103, 15,038 KB/sec Queued mail for delivery)",),
        # Over several lines, cut where a terminal would.
        ("2.6.0 <1@a.example> [Internal", "Id=7, Hostname=mbx.contoso.com] 1590 bytes in 0.103"),
        ("2.6.0 <1@a.example>", "[InternalId=7,", "Hostname=mbx.contoso.com]"),
        # In another order, and in small letters.
        ("2.6.0 [hostname = mbx.contoso.com; internalid = 7] <1@a.example> queued",),
    ],
)  # fmt: skip
def test_a_wrapped_form_is_read(lines: tuple[str, ...]) -> None:
    assert receipt(*lines) == Receipt("<1@a.example>", "mbx.contoso.com", "7")


@pytest.mark.parametrize("end", [".", ":", ">", "/1"])
def test_a_number_ends_where_its_digits_end(end: str) -> None:
    text = f"2.6.0 <1@a.example> Hostname=mbx.contoso.com InternalId=7{end}"
    assert receipt(text) == Receipt("<1@a.example>", "mbx.contoso.com", "7")


def test_another_word_with_the_same_end_is_another_word() -> None:
    text = "2.6.0 <1@a.example> GatewayHostname=gw NotInternalId=1 Hostname=mbx InternalId=7"
    assert receipt(text) == Receipt("<1@a.example>", "mbx", "7")


@pytest.mark.parametrize(
    "text",
    ["", "2.0.0 Ok: queued as 4F2A91C0", "2.6.0 Queued mail for delivery", "2.0.0 OK <> <a b>"],
)
def test_there_may_be_no_receipt(text: str) -> None:
    assert parse_receipt(Reply(250, (text,))) is None

"""EHLO keywords, in all the forms in which servers have written them."""

from __future__ import annotations

import pytest

from exchange_mailaccept.protocol.reply import (
    NO_EXTENSIONS,
    Extensions,
    Reply,
    lists_keywords,
    parse_extensions,
)

GREETING = "mail.contoso.com Hello [192.0.2.1]"


@pytest.mark.parametrize(
    ("lines", "keywords"),
    [
        ((), {}),
        (("SIZE 37748736",), {"SIZE": ("37748736",)}),
        (("SIZE",), {"SIZE": ()}),
        (("SIZE 0",), {"SIZE": ("0",)}),
        (("AUTH",), {"AUTH": ()}),
        (("AUTH NTLM LOGIN",), {"AUTH": ("NTLM", "LOGIN")}),
        (("AUTH=LOGIN",), {"AUTH": ("LOGIN",)}),
        (("AUTH=",), {"AUTH": ()}),
        (("AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN"), {"AUTH": ("GSSAPI", "NTLM", "LOGIN")}),
        (("AUTH=LOGIN", "AUTH NTLM"), {"AUTH": ("LOGIN", "NTLM")}),
        (("AUTH=LOGIN PLAIN",), {"AUTH": ("LOGIN", "PLAIN")}),
        (("auth ntlm Login",), {"AUTH": ("NTLM", "LOGIN")}),
        (("X-EXPS GSSAPI NTLM LOGIN", "X-EXPS=LOGIN"), {"X-EXPS": ("GSSAPI", "NTLM", "LOGIN")}),
        (("8bitmime", "Pipelining"), {"8BITMIME": (), "PIPELINING": ()}),
        (("X", "X-LINK2STATE"), {"X": (), "X-LINK2STATE": ()}),
        (("X-LINK2STATE", "XEXCH50", "OK"), {"X-LINK2STATE": (), "XEXCH50": ()}),
        (("ok",), {}),
        # Only the bare word is the end of Exchange 2003's list.
        (("OK computer",), {"OK": ("COMPUTER",)}),
        (("", "DSN", ""), {"DSN": ()}),
        (("   ",), {}),
        ((" DSN ",), {"DSN": ()}),
        (("SIZE  1\t2",), {"SIZE": ("1", "2")}),
        (("LIMITS RCPTMAX=100 MAILMAX=5",), {"LIMITS": ("RCPTMAX", "100", "MAILMAX=5")}),
        (("XXXXXXXA",), {"XXXXXXXA": ()}),
    ],
)
def test_keywords_are_read_as_servers_write_them(lines, keywords):
    expected = Extensions("mail.contoso.com", keywords)
    assert parse_extensions(Reply(250, (GREETING, *lines))) == expected


@pytest.mark.parametrize(
    ("greeting", "domain"),
    [
        (GREETING, "mail.contoso.com"),
        ("mail.contoso.com", "mail.contoso.com"),
        ("MAIL.Contoso.com Hello", "MAIL.Contoso.com"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_the_first_line_names_the_server(greeting, domain):
    assert parse_extensions(Reply(250, (greeting, "DSN"))) == Extensions(domain, {"DSN": ()})


@pytest.mark.parametrize(
    ("keyword", "offered"),
    [("DSN", True), ("dsn", True), ("Dsn", True), ("DS", False), ("SIZE", False), ("", False)],
)
def test_a_keyword_is_offered_in_whatever_case(keyword, offered):
    """Whole words only."""
    assert Extensions("a", {"DSN": ()}).offers(keyword) is offered


def test_missing_keywords_stay_in_the_order_and_the_letters_in_which_they_are_required():
    offers = Extensions("a", {"DSN": (), "SIZE": ("1",)})
    assert offers.missing(("dsn", "Size")) == ()
    assert offers.missing(("xrdst", "DSN", "X-EXPS")) == ("xrdst", "X-EXPS")
    assert NO_EXTENSIONS.missing(("DSN",)) == ("DSN",)


@pytest.mark.parametrize(
    ("line", "bytes_"),
    [
        ("SIZE 36700160", 36700160),
        ("size 1000", 1000),
        ("SIZE=2048", 2048),
        ("SIZE", None),
        ("SIZE 0", None),
        ("SIZE 10M", None),
        ("SIZE -1", None),
        ("SIZE \u0662", None),
        ("SIZE " + "9" * 20, 99_999_999_999_999_999_999),
        ("SIZE " + "9" * 21, None),
        ("PIPELINING", None),
    ],
)
def test_the_largest_message(line, bytes_):
    """RFC 1870 4: no number and 0 are no limit."""
    assert parse_extensions(Reply(250, ("mail1", line))).max_size == bytes_


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("mail1 Hello", "SIZE 37748736"), True),
        (("mail1 Hello", "8bitmime", ""), True),
        (("mail1 Hello", "AUTH NTLM LOGIN"), True),
        (("mail1 Hello [192.0.2.9]",), False),
        (("SIZE 37748736",), False),
        (("mail1 Hello", "pleased to meet you"), False),
        (("mail1", "", "  "), False),
    ],
)
def test_a_reply_that_lists_keywords(lines, expected):
    """Whether it is one to EHLO can be told from the lines after the first."""
    assert lists_keywords(Reply(250, lines)) is expected

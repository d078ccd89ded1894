"""Replies: strict where a reply decides, generous elsewhere, bounded always (RFC 5321 4.2)."""

from __future__ import annotations

from typing import Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.protocol.reply import (
    ProtocolError,
    Reply,
    ReplyParser,
    decode,
)


def replies(*pieces: bytes) -> list[Union[Reply, str]]:
    """All that comes out of a parser fed with ``pieces``; an error in words ends it."""
    parser = ReplyParser()
    parsed: list[Union[Reply, str]] = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (reply := parser.next_reply()) is not None:
                parsed.append(reply)
        except ProtocolError as error:
            return [*parsed, str(error)]
    return parsed


#: Bytes, and the replies in them; the properties below have the usual ones.
SOUND: list[tuple[bytes, list[Reply]]] = [
    (b"250 OK\r\n", [Reply(250, ("OK",))]),
    (b"250\r\n", [Reply(250, ("",))]),
    (b"250 \n", [Reply(250, ("",))]),
    (b"250-\r\n250\r\n", [Reply(250, ("", ""))]),
    (b"250  two blanks \r\n", [Reply(250, (" two blanks ",))]),
    (b"250--\r\n250 -\r\n", [Reply(250, ("-", "-"))]),
    (b"250 a\rb\r\r\n", [Reply(250, ("a\rb\r",))]),
    (b"250 gr\xc3\xbc\xc3\x9fe\0\r\n", [Reply(250, ("gr\u00fc\u00dfe\0",))]),
    (b"250 gr\xfc\xdfe\r\n", [Reply(250, (r"gr\xfc\xdfe",))]),
    (b"200 least\r\n599 most\r\n", [Reply(200, ("least",)), Reply(599, ("most",))]),
    # A refusal that follows lines with another code is the reply.
    (b"220-mx ESMTP\r\n521 5.7.1 Blocked\r\n", [Reply(521, ("5.7.1 Blocked",))]),
    (b"250-mx\r\n250-SIZE\r\n421 Closing\r\n", [Reply(421, ("Closing",))]),
    (b"220-a\r\n550-b\r\n550 c\r\n", [Reply(550, ("b", "c"))]),
    (b"550-a\r\n421 b\r\n250 c\r\n", [Reply(421, ("b",)), Reply(250, ("c",))]),
    # As a firewall masks it.
    (b"220***0*2**\r\n", [Reply(220, ("***0*2**",))]),
    (b"250 OK\r\n5", [Reply(250, ("OK",))]),
    *((b, []) for b in (b"", b"2", b"25", b"250", b"250 OK", b"250 OK\r", b"250\r", b"250-a\r\n")),
]


@pytest.mark.parametrize(("data", "expected"), SOUND)
def test_sound_replies_are_read(data, expected):
    assert replies(data) == expected


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b" 250 OK", b"25", b"25 OK", b"2500 OK", b"250OK", b"250_OK", b"250\tOK"),
        *(
            b"250\0OK",
            b"100 too low",
            b"199 too low",
            b"000 zero",
            b"600 too high",
            b"999 too high",
        ),
        *(b"+25 signed", b"-25 signed", b"2_5 Python's own", b"2.5 decimal", b"0x2 hexadecimal"),
        *(b"2e1 exponent", b"\xb2\xb3\xb9 superscript Latin-1", b"\xef\xbb\xbf250 byte order mark"),
        *("\uff12\uff15\uff10 full-width".encode(), "\u0662\u0665\u0660 Arabic".encode()),
        *(
            "2\u0665\u0660 half Arabic".encode(),
            b"SSH-2.0-OpenSSH_9.2",
            b"HTTP/1.1 400 Bad Request",
        ),
        *(b"+OK POP3 ready", b"* OK IMAP4rev1", b"\x15\x03\x01\x00\x02\x02\x46"),
        *(b"2002***2***0*00", b"250-a\r\nb", b"250-a\r\n", b"250-a\r\n b\r\n250 c"),
    ],
)
def test_rubbish_is_a_protocol_error(line):
    assert replies(line + b"\r\n") == ["not an SMTP reply"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"250-a\r\n251 b\r\n", 250),
        (b"550-a\r\n250 b\r\n", 550),
        (b"250-a\r\n550-b\r\n250 c\r\n", 550),
    ],
)
def test_a_reply_that_changes_its_code_is_at_fault(data, code):
    assert replies(data) == [f"reply changes its code from {code}"]


@pytest.mark.parametrize(
    "beginning",
    [
        *(b"S", b"\0", b" ", b"\xff", b"1", b"6", b"2a", b"2 ", b"2\r", b"25x", b"25\r", b"2500"),
        *(b"250x", b"250\t", b"\x16\x03\x01", "\uff12".encode(), b"A" * 60_000, b"250-a\r\nx"),
    ],
)
def test_rubbish_is_at_fault_before_its_line_ends(beginning):
    assert replies(beginning) == ["not an SMTP reply"]


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (b"SSH-2.0-\xff\r\n", r"SSH-2.0-\xff"),
        # Of a line over the limit, eighty bytes, whether it has ended or not.
        (b"250 " + b"x" * 65_533 + b"\r\n", "250 " + "x" * 76),
        (b"250 " + b"x" * 65_534, "250 " + "x" * 76),
    ],
    ids=["SSH", "long line", "endless line"],
)
def test_the_error_quotes_what_was_received(data, received):
    parser = ReplyParser()
    parser.feed(data)
    with pytest.raises(ProtocolError) as caught:
        parser.next_reply()
    assert caught.value.received == received


@pytest.mark.parametrize("word", [b"OK\r\n", b"OK \r\n"])
def test_a_bare_ok_is_at_fault_and_out_of_the_way(word):
    """A PIX of old says it to what it does not know, and answers HELO after it."""
    parser = ReplyParser()
    parser.feed(word)
    with pytest.raises(ProtocolError, match="not an SMTP reply"):
        parser.next_reply()
    parser.feed(b"250 mail.contoso.com\r\n")
    assert str(parser.next_reply()) == "250 mail.contoso.com"


# The limits, from the outside: each size is a number of bytes that was counted by hand.

#: 255 lines of 1,024 bytes, line ends included.
LINES = (b"250-" + b"x" * 1018 + b"\r\n") * 255


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # 65,536 bytes, code included and line end not.
        (b"250 " + b"x" * 65_532 + b"\r\n", Reply(250, ("x" * 65_532,))),
        (b"250 " + b"x" * 65_532 + b"\n", Reply(250, ("x" * 65_532,))),
        # One more: at fault when the line ends, and if it does not, one byte later.
        (b"250 " + b"x" * 65_533 + b"\r\n", "reply line over 65536 bytes"),
        (b"250 " + b"x" * 65_533 + b"\n", "reply line over 65536 bytes"),
        (b"250 " + b"x" * 65_534, "reply line over 65536 bytes"),
        # 262,144 bytes in all, and one more.
        (LINES + b"250 " + b"y" * 1018 + b"\r\n", Reply(250, ("x" * 1018,) * 255 + ("y" * 1018,))),
        (LINES + b"250 " + b"y" * 1019 + b"\r\n", "reply over 262144 bytes"),
        # A thousand lines, and one more, whether it ends the reply or not.
        (b"250-x\r\n" * 999 + b"250 y\r\n", Reply(250, ("x",) * 999 + ("y",))),
        (b"250-x\r\n" * 1000 + b"250 y\r\n", "reply over 1000 lines"),
        (b"250-x\r\n" * 1001, "reply over 1000 lines"),
    ],
    ids=["line", "line with LF", "longer line", "longer line with LF", "line without end", "reply",
         "longer reply", "lines", "more lines", "lines without end"],
)  # fmt: skip
def test_what_is_as_long_as_the_limit_is_read_and_what_is_longer_is_at_fault(data, expected):
    assert replies(data) == [expected]


@pytest.mark.parametrize(
    ("data", "pending"),
    [
        (b"", b""),
        (b"250 OK\r\n", b""),
        (b"25", b"25"),
        (b"250-a\r\n", b"250-a\r\n"),
        (b"250-a\r\n250 b", b"250-a\r\n250 b"),
        (b"250 OK\r\n221", b"221"),
    ],
)
def test_pending_is_what_no_reply_was_made_of(data, pending):
    parser = ReplyParser()
    parser.feed(data)
    parser.next_reply()
    assert parser.pending == pending


# Enhanced status codes (RFC 3463) and the texts of a reply.


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (250, "2.1.5 Recipient OK", "2.1.5"),
        (451, "4.7.500 Server busy", "4.7.500"),
        (500, "5.3.3 Unrecognized command", "5.3.3"),
        (550, "5.123.456 x", "5.123.456"),
        (550, "5.07.001 x", "5.7.1"),
        (550, "5.7.1: text", "5.7.1"),
        # The class must agree with the reply code (RFC 2034 4).
        (550, "4.7.1 x", ""),
        (250, "5.7.1 x", ""),
        (354, "2.0.0 go", ""),
        # Version numbers and other numbers are no codes.
        (220, "2.0.0.1 version", ""),
        (220, "2.1 x", ""),
        (550, "5.1234.1 x", ""),
        (550, "5.1.1234 x", ""),
        (550, "SMTP; 5.7.1 x", ""),
        (550, " 5.7.1 x", "5.7.1"),
        (550, "5. 7.1 x", ""),
        (550, "\u0665.7.1 x", ""),
        (550, "5.\uff17.1 x", ""),
        (550, "", ""),
    ],
)
def test_the_enhanced_code_begins_the_text_and_agrees(code, text, expected):
    assert Reply(code, (text,)).enhanced == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(("OK",), "250 OK"), (("",), "250"), (("a", "", "b"), "250 a b"), (("", ""), "250")],
)
def test_a_reply_is_written_in_one_line(lines, expected):
    assert str(Reply(250, lines)) == expected


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"\xe2\x82\xac", "\u20ac"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"cut \xe2\x82", r"cut \xe2\x82"),
    ],
)
def test_bytes_that_are_not_utf8_are_escaped(data, text):
    """No byte is lost, and no lone surrogate comes in that would break the output."""
    assert decode(data) == text


# Properties.

_TEXT = st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"").rstrip(b"\r"))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Reply]]:
    """Replies as bytes, with the ends of lines that the world sends, and what they say."""
    data, expected = b"", []
    for _ in range(draw(st.integers(1, 4))):
        code = draw(st.integers(200, 599))
        texts = draw(st.lists(_TEXT, min_size=1, max_size=5))
        for number, text in enumerate(texts, 1):
            separator = b" " if number == len(texts) else b"-"
            data += b"%d" % code + separator + text + draw(st.sampled_from([b"\r\n", b"\n"]))
        expected.append(
            Reply(code, tuple(text.decode("utf-8", "backslashreplace") for text in texts))
        )
    return data, expected


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[low:high] for low, high in zip(bounds, bounds[1:])]


@given(conversations(), st.lists(st.integers(0, 10_000), max_size=12))
def test_however_they_are_cut_the_replies_are_the_same(conversation, places):
    data, expected = conversation
    assert replies(*cut(data, places)) == expected


@given(st.text("25034-\r\n .x+_\u0665", max_size=40), st.lists(st.integers(0, 10_000), max_size=8))
def test_near_replies_give_the_same_however_they_are_cut(text, places):
    data = text.encode()
    assert replies(*cut(data, places)) == replies(data)

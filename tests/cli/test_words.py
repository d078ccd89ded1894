"""Words of the command line: what each option takes, and what is said of the rest.

Which option takes which kind of word is tested in ``test_options.py``.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.cli import words
from exchange_mailaccept.cli.delivered import place

SEVERITY_KEYS = (
    "server load recipient connector tls protocol probe policy mx connect banner ehlo starttls"
    " auth mail rcpt data message deferred refused broken timeout missing extensions certificate"
    " backup-mx untrusted address size mx-set node relay unknown-recipient dane mta-sts"
    " delivered"
)
METRICS = "mx connect banner ehlo starttls auth mail rcpt data message quit total delivered delay"
#: Digits to ``str.isdigit()`` and to ``int()``, and none to anybody else: Arabic, and wide.
ARABIC_5, WIDE_5 = "\u0665", "\uff15"


def same(convert, texts: str) -> list[tuple]:
    """Cases of texts, with blanks between them, that stay as they are."""
    return [(convert, text, text) for text in texts.split()]


ACCEPTED = [
    *((words.port, text, int(text)) for text in ("1", "65535")),
    *((words.parallel, text, int(text)) for text in ("1", "999")),
    *((words.connections, text, int(text)) for text in ("1", "15")),
    # Icinga divides, which makes for many decimals.
    *((words.timeout, text, float(text)) for text in (".1", "5.", "16.666666666666668", "86400")),
    *same(words.host, "mail1 mail_1.contoso.com 192.0.2.1 ::1 fe80::1%eth0 xn--mnchen-3ya.example"),
    *same(words.host, "x" * 63 + ".example"),
    (words.host, "[::1]", "::1"),
    (words.host, "[192.0.2.1]", "192.0.2.1"),
    (words.host, "2001:DB8:0:0::1", "2001:db8::1"),
    (words.domain, "contoso.com.", "contoso.com"),
    (words.mx, "Mail_1.Contoso.com.", "mail_1.contoso.com"),
    (words.mx, "*.Mail.Protection.Outlook.com", "*.mail.protection.outlook.com"),
    (words.nameserver, "192.0.2.53", ("192.0.2.53", 53)),
    (words.nameserver, "192.0.2.53:5353", ("192.0.2.53", 5353)),
    (words.nameserver, "::1", ("::1", 53)),
    (words.nameserver, "[::1]", ("::1", 53)),
    (words.nameserver, "[::1]:5353", ("::1", 5353)),
    *same(words.mailbox, "postmaster a@B.Example a.b@c.example a@[192.0.2.1] a@[IPv6:2001:db8::1]"),
    *same(words.mailbox, r"a+b=c/d!#$%&'*?^_`{|}~-@e.example " + "x" * 64 + "@b.example"),
    (words.mailbox, r'"a \"@\\b"@c.example', r'"a \"@\\b"@c.example'),
    (words.mailbox, "<a@b.example>", "a@b.example"),
    (words.sender, "<a@b.example>", "a@b.example"),
    (words.sender, "<>", ""),
    *same(words.name_or_literal, "probe.example [192.0.2.1] [IPv6:::1]"),
    (words.name_or_literal, "probe.example.", "probe.example"),
    (words.subject, "Probe 1: ~!", "Probe 1: ~!"),
    (words.subject, "x" * 989, "x" * 989),
    (words.subject, "Gr\u00fc\u00dfe", "=?utf-8?b?R3LDvMOfZQ==?="),
    (words.further_header, "X-A:b", "X-A: b"),
    (words.further_header, "X-A: b: c", "X-A: b: c"),
    (words.further_header, "X: " + "x" * 995, "X: " + "x" * 995),
    (words.further_header, "X-A: \u00fc", "X-A: =?utf-8?b?w7w=?="),
    *same(words.keyword, "X-EXPS " + "X" * 506),
    (words.keyword, "8bitmime", "8BITMIME"),
    (words.Choice("any", "1.2"), "ANY", "any"),
    *((words.severity, f"{key}=ok", (key, "ok")) for key in SEVERITY_KEYS.split()),
    *((words.severity, f"{code}=warning", (code, "warning"))
      for code in "400 599 4.3.1 5.7.606 5.123.456".split()),
    *((words.severity, f"rcpt={state}", ("rcpt", state)) for state in ("critical", "unknown")),
    (words.severity, "RCPT=Ok", ("rcpt", "ok")),
    *((words.threshold, f"{metric}=1", (metric, "1")) for metric in METRICS.split()),
    *((words.threshold, text, ("total", text))
      for text in "0 .5 1: :1 1.5:2.5 5:5 ~:1 @1:2 @1 -5: -2:-1 ~:-1".split()),
    (words.days, "0", (0.0,)),
    (words.days, "30,7.5", (30.0, 7.5)),
    (words.days, "7,7", (7.0, 7.0)),
    (place, "imaps://mail.contoso.com", (True, "", "mail.contoso.com", 993, ("INBOX",))),
    (place, "IMAP://mail.contoso.com", (False, "", "mail.contoso.com", 143, ("INBOX",))),
    (place, "imaps://a@b@c.example:1993/", (True, "a@b", "c.example", 1993, ("INBOX",))),
    (place, "imaps://a%40b@[::1]:1993", (True, "a@b", "::1", 1993, ("INBOX",))),
    (place, "imaps://a@::1", (True, "a", "::1", 993, ("INBOX",))),
    (place, "imaps://contoso%5Ca@192.0.2.1/Probes/In,Junk%20Email,a%2Cb%c3%bc",
     (True, "contoso\\a", "192.0.2.1", 993, ("Probes/In", "Junk Email", "a,b\u00fc"))),
]  # fmt: skip


def name(case: object) -> str:
    """The name of a case, of its converter or its text."""
    return ascii(getattr(case, "__name__", case))[1:-1][:40]


@pytest.mark.parametrize(("convert", "text", "value"), ACCEPTED, ids=name)
def test_a_word_is_accepted(convert, text, value):
    assert convert(text) == value


PORT = "must be a port from 1 to 65535"
PARALLEL = "must be a number from 1 to 999"
TIMEOUT = "must be a number above 0, up to 86400"
ADDRESS = "must be an IP address"
NO_HOST = "is neither a name nor an IP address"
HYPHEN = "is not a name: no part of it may begin or end with a hyphen"
NO_MAILBOX = "is not a mail address"
LONG_LOCAL_PART = "has more than 64 bytes before the @ (RFC 5321 4.5.3.1.1)"
LONG_PATH = "is longer than 254 bytes (RFC 5321 4.5.3.1.3)"
NO_DOMAIN = "must have a domain, or be <> for the null reverse-path"
CONTROL = "line ends and control characters are not allowed"
LONG_LINE = "is longer than 998 characters (RFC 5322 2.1.1)"
NO_HEADER = "must be 'Name: value'"
NO_CODE = f"is neither a reply code, an enhanced code nor one of {SEVERITY_KEYS}"
STATE = "the state must be one of ok warning critical unknown"
NO_RANGE = "is not a range ([@][start:][end], in seconds)"
DAYS = "must be a number from 0 to 100000"
TWO_DAYS = "must be DAYS or DAYS,DAYS, the second for CRITICAL and not above the first"
SCHEME = "must be imaps://[USER@]HOST[:PORT][/FOLDER[,FOLDER...]], or imap://"
IN_URL = "must have no password in it; there is --delivered-password-file"
PERCENT = "has a % without two hexadecimal digits after it (%25 is a %)"
OWN_HEADERS = (
    "From from TO Date Message-ID Subject Auto-Submitted X-Auto-Response-Suppress Precedence"
    " X-Exchange-Mailaccept"
)
#: Characters that end a line, or do for some, and others that have no business in one.
CONTROLS = ("\r", "\n", "\0", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\udc80")

#: A converter, what it says, and of which texts: a list, or one with blanks between them.
REFUSED = [
    (words.port, PORT, [*"0 -1 65536 100000 25.0 0x19 2_5 +25 smtp nan".split(), " 25", "25\n"]),
    (words.port, PORT, f"{ARABIC_5} {WIDE_5} {'9' * 5000}"),
    (words.parallel, PARALLEL, f"0 -1 1.5 1000 {ARABIC_5} {'9' * 5000}"),
    (words.connections, "must be a number from 1 to 15", f"0 16 0015 -1 {'9' * 5000}"),
    (words.timeout, TIMEOUT, [*"0 0.0 -0.5 86400.1 nan inf 1e1 5s 1_0 +5 .".split(), " 5", "5\n"]),
    (words.timeout, TIMEOUT, f"{ARABIC_5} {WIDE_5} {'9' * 5000}"),
    # What looks like an address must be one; the C library makes 127.0.0.1 of 127.1.
    (words.host, NO_HOST, "127.1 1.2.3 1.2.3.4.5 2130706433 0x7f000001"),
    (words.host, ADDRESS, "1.2.3.999 01.2.3.4 mail1:25 http://mail1/ ::g ::: [::1]:25 ::1%"),
    (words.host, ADDRESS, "\u0661.1.1.1 \uff11.2.3.4"),
    # A zone is a printable name without blanks, below 16 bytes (IFNAMSIZ).
    (words.host, ADDRESS, f"::1%a|b ::1%{ARABIC_5} ::1%{'x' * 16}"),
    (words.host, ADDRESS, ["::1%a\tb", "::1%a\0", "::1%a b"]),
    # RFC 1123 2.1; and "-H $HOST -4" with an empty variable must not test a host "-4".
    (words.host, HYPHEN, "- -4 -a.example a-.example"),
    (words.domain, HYPHEN, "-4"),
    (words.name_or_literal, HYPHEN, "-4"),
    (words.domain, "must be a domain; a server is named with -H", "192.0.2.1 999.1.1.1"),
    (words.mx, "must be a name, as MX records have", "192.0.2.1 ::1"),
    (words.nameserver, ADDRESS, "ns1 ns1:53 :53 192.0.2.1: [::1 [::1]: [] 192.0.2.1:x"),
    (words.nameserver, ADDRESS, ["1.1.1.1 2.2.2.2", "1.1.1.1\n"]),
    (words.nameserver, PORT, "192.0.2.1:0 192.0.2.1:65536 [::1]:0"),
    (words.address, ADDRESS, "eth0 1.2.3 256.1.1.1 01.2.3.4 ::g 1.2.3.4:25 192.0.2.1/24 [::1]"),
    (words.address, ADDRESS, ["\u0661.1.1.1", "::1\n"]),
    # What would break out of the command, a second recipient, and nonsense.
    (words.mailbox, NO_MAILBOX, "a@b.example,c@d.example a@b@c.example <a@b.example a<@b.example"),
    (words.mailbox, NO_MAILBOX, "@ @b.example .a@b.example a.@b.example a..b@c.example"),
    (words.mailbox, NO_MAILBOX, "(a)@b.example a:b@c.example @relay.example:a@b.example"),
    (words.mailbox, NO_MAILBOX, "<> <<a@b.example>> a\\@b.example"),
    (words.mailbox, NO_MAILBOX, ["a@b.example c@d.example"]),
    (words.mailbox, NO_MAILBOX, '"a@b.example a"b"@c.example "a"b"@c.example "a\\"@b.example'),
    (words.mailbox, NO_MAILBOX, '"\u00fc"@b.example'),
    (words.mailbox, NO_MAILBOX, ['"a\r\n"@b.example', "a> SIZE=1@b.example"]),
    (words.mailbox, NO_MAILBOX, ["a@b>\r\nRCPT TO:<c@d.example", "", " a@b.example"]),
    (words.mailbox, NO_MAILBOX, [*(f"a{control}@b.example" for control in CONTROLS[:-1])]),
    (words.mailbox, NO_MAILBOX, [*(f"a{blank}b@c.example" for blank in " \t\u00a0\u3000")]),
    (words.mailbox, CONTROL, "\ud800@b.example"),
    (words.mailbox, LONG_LOCAL_PART, f"{'x' * 65}@b.example {'ü' * 33}@b.example"),
    # A path has at most 256 octets, angle brackets included.
    (words.mailbox, LONG_PATH, "x" * 64 + "@" + ("y" * 47 + ".") * 3 + "y" * 46),
    # A zone means nothing to the other side, and RFC 5321 4.1.3 has none; IPv6 has a tag.
    (words.mailbox, ADDRESS, "a@[] a@[x] a@[192.0.2.256] a@[IPv6:] a@[::1] a@[IPv6:192.0.2.1]"),
    (words.mailbox, ADDRESS, "a@[fe80::1%eth0] a@[IPv6:fe80::1%eth0]"),
    (words.mailbox, ADDRESS, ["a@[192.0.2.1> SIZE=1]"]),
    (words.mailbox, ADDRESS, ["a@[IPv6:::1\r\nRSET]", "a@[IPv6:fe80::1%> SIZE=1]"]),
    (words.name_or_literal, ADDRESS, [*"[x] [IPv6:fe80::1%eth0]".split(), "[IPv6:::1%\r\nRSET]"]),
    (words.sender, NO_DOMAIN, "postmaster"),
    (words.subject, CONTROL, [*(f"a{control}b" for control in CONTROLS)]),
    (words.subject, LONG_LINE, f"{'x' * 990} {'ü' * 400}"),
    (words.one_line, CONTROL, ["a\r\nb", "a\0b"]),
    (words.further_header, CONTROL, ["X: a\r\nY: b", "X\r\n: a", "X: a\0", "X: a\u2028b"]),
    (words.further_header, NO_HEADER, ["X", ":", "X Y: a", "X a", ": a", "X : a", " X: a"]),
    (words.further_header, NO_HEADER, ["\u00fc: a", "\tX: a"]),
    (words.further_header, LONG_LINE, ["X: " + "x" * 996]),
    *((words.further_header, f"{header} is set by the plugin itself", [f"{header}: a"])
      for header in OWN_HEADERS.split()),
    (words.keyword, "is not an EHLO keyword", "-A AUTH=LOGIN A,B A_B \u00dc A\u560d"),
    (words.keyword, "is not an EHLO keyword", ["A B", "A\r\nB"]),
    (words.keyword, "is not an EHLO keyword", "X" * 507),
    (words.Choice("any", "1.2"), "must be one of any 1.2", [*"1 a 1.2.".split(), "", "any "]),
    *((words.severity, f"'{key}' {NO_CODE}", [f"{key}=ok"])
      for key in ("", "rcpt ", *"quit untested passed 250 354 600 45 4521 5.7 2.1.5 5.7.1234"
                  " 5.7.1.1 55.7.1 4\u06652 451-452".split())),
    (words.severity, STATE, [*"452 452= 452=green rcpt=ok=ok rcpt=ok|".split(), "rcpt= ok"]),
    *((words.threshold, f"'{text}' {NO_RANGE}", [text])
      for text in ("1 ", " 1", "1\n", *"x 1e3 nan inf: ~ @ 1,5 1;2 1:2:3 :: @@1 - +1 1s 1_0 0x1"
                   f" {ARABIC_5} {'9' * 13}".split())),
    *((words.threshold, f"'{text}' starts after its end", text)
      for text in "2:1 @2:1 -1 -1:-2 1:0.5 :-1".split()),
    (words.threshold, f"'' {NO_RANGE}", "rcpt="),
    (words.threshold, f"'1=2' {NO_RANGE}", "rcpt=1=2"),
    *((words.threshold, f"'{metric}' is none of {METRICS}", [f"{metric}=1"])
      for metric in ("", "x", "RCPT", "rcpt ", "extensions")),
    (words.days, TWO_DAYS, "7,30 3,2,1 0,1"),
    (words.days, DAYS, [*f"-1 x 30, ,7 nan inf 1e3 100001 {ARABIC_5}".split(), "30 ,7"]),
    (place, SCHEME, "mailbox pop3://a@b.example"),
    (place, IN_URL, "imaps://a:b@c.example"),
    (place, PORT, "imaps://a@b.example:99999"),
    (place, PERCENT, "imaps://a@b.example/% imaps://a@b.example/%4g"),
    (place, CONTROL, [*"imaps://a@b.example/a%0db".split(), "imaps://a@b.example/a\nb"]),
]  # fmt: skip


def refusal(convert, text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        convert(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("convert", "text", "said"),
    [
        (convert, text, said)
        for convert, said, texts in REFUSED
        for text in (texts.split() if isinstance(texts, str) else texts)
    ],
    ids=name,
)
def test_a_word_is_refused(convert, text, said):
    """With what is wrong, or with what would be right."""
    assert refusal(convert, text) == said


@pytest.mark.parametrize(
    ("text", "label"),
    [("a b", "a b"), ("a..b", ""), (".", ""), (".b", ""), ("a/b", "a/b"), ("a;id", "a;id"),
     ("a|b", "a|b"), ("$(id)", "$(id)"), ("a\r\nRSET", "a\r\nRSET"), ("a\0", "a\0"), ("a\n", "a\n"),
     ("b.example> NOTIFY=NEVER", "example> NOTIFY=NEVER"), ("[192.0.2.1", "[192"),
     ("192.0.2.1]", "1]"), ("x" * 64, "x" * 64), ("mail1.*.com", "*"), ("**.contoso.com", "**")],
    ids=name,
)  # fmt: skip
@pytest.mark.parametrize(
    ("convert", "before"),
    [(words.host, ""), (words.domain, ""), (words.name_or_literal, ""), (words.mx, "*."),
     (words.mailbox, "a@"), (words.sender, "a@")],
    ids=name,
)  # fmt: skip
def test_a_name_that_is_none(convert, before, text, label):
    """Alone, behind a wildcard, and in a mail address."""
    said = f"{text!r} is not a domain: {label!r} is not 1 to 63 letters, digits, hyphens or"
    assert refusal(convert, before + text) == f"{said} underscores"


def test_a_name_has_at_most_253_characters():
    long = ".".join(["x"] * 128)
    said = f"{long!r} is not a domain: it is longer than 253 characters"
    assert refusal(words.host, long) == said


def test_an_encoded_word_has_at_most_75_characters():
    """RFC 2047 2."""
    assert [word for word in words.subject("\u00fc" * 60).split() if len(word) > 75] == []


# Files.


@pytest.fixture
def file(tmp_path):
    """A file of which only its owner knows the content."""
    path = tmp_path / "secret"
    path.write_text("hunter2\n", encoding="ascii")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"secret", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\nmore\n", "secret"),
        (b" two words \n", " two words "),
        ("pässwörd\n".encode(), "pässwörd"),
        (b"p\xe4ss\n", "p\udce4ss"),
        (b"x" * 4000, "x" * 4000),
    ],
)
def test_a_secret_is_the_first_line_of_its_file(file, content, secret):
    file.write_bytes(content)
    assert words.secret(str(file)) == secret


@pytest.mark.parametrize("mode", [0o640, 0o400, 0o440, 0o660])
def test_a_secret_of_an_owner_and_a_group_is_taken(file, mode):
    file.chmod(mode)
    assert words.secret(str(file)) == "hunter2"


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        *((content, 0o600, "its first line is empty") for content in ("", "\n", "\nsecond\n")),
        # What was leaked once is no secret.
        *(("hunter2", mode, "everybody may read it; chmod o-r is wanted")
          for mode in (0o644, 0o604, 0o444, 0o704)),
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused(file, content, mode, said):
    """A link is judged by its file."""
    file.write_text(content)
    file.chmod(mode)
    link = file.with_name("link")
    link.symlink_to(file)
    assert [refusal(words.secret, str(path)) for path in (file, link)] == [said, said]


@pytest.mark.parametrize("convert", [words.secret, words.readable])
def test_what_is_no_regular_file_is_refused(tmp_path, convert):
    """A FIFO would make the plugin wait for a writer, with no deadline set yet."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path, why in (
        (fifo, "it is not a regular file"),
        (tmp_path, "it is not a regular file"),
        (tmp_path / "absent", "No such file or directory"),
        ("a\0b", "embedded null byte"),
    ):
        assert refusal(convert, str(path)) == f"can't be read: {why}"


@pytest.fixture
def nobody():
    """Root may read everything; a user without a name may not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.parametrize("convert", [words.secret, words.readable])
@pytest.mark.usefixtures("nobody")
def test_a_file_that_may_not_be_read(convert):
    """In a directory for everybody, unlike pytest's."""
    with tempfile.NamedTemporaryFile("w") as file:
        Path(file.name).chmod(0)
        assert refusal(convert, file.name) == "can't be read: Permission denied"


# Everything.


@given(st.text(max_size=12))
def test_a_number_is_finite_or_refused(text):
    try:
        seconds = words.timeout(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert 0 < seconds <= 86_400


CONVERTERS = sorted({row[0] for row in ACCEPTED} | {words.readable, words.secret}, key=name)


@pytest.mark.parametrize("convert", CONVERTERS, ids=name)
@given(text=st.text(max_size=40))
def test_any_word_is_a_value_or_a_mistake(convert, text):
    try:
        said = f"no mistake: {convert(text)!r}"
    except ValueError as error:
        said = str(error)
    assert said


@pytest.mark.parametrize(
    "convert",
    [words.address, words.domain, words.name_or_literal, words.header, words.host, words.mailbox,
     words.one_line, words.sender, words.subject],
    ids=name,
)  # fmt: skip
@given(before=st.text(max_size=8), after=st.text(max_size=8), evil=st.sampled_from("\r\n\0"))
def test_nothing_breaks_out_of_its_line(convert, before, after, evil):
    assert refusal(convert, f"{before}{evil}{after}")

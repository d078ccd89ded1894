"""Words of the command line: what each may be, and what is said of the others."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.cli import words


def refusal(convert, text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        convert(text)
    return str(caught.value)


# Secrets.


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"secret", "secret"),
        (b"secret\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret\nmore\n", "secret"),
        (b" two words \n", " two words "),
        ("pässwörd\n".encode(), "pässwörd"),
        (b"p\xe4ss\n", "p\udce4ss"),
        (b"x" * 4000, "x" * 4000),
    ],
)
def test_a_secret_is_the_first_line_of_its_file(tmp_path, content, secret):
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(0o600)
    assert words.secret(str(file)) == secret


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666, 0o444, 0o704])
def test_a_secret_that_everybody_may_read_is_refused(tmp_path, mode):
    """What was leaked once is no secret; the mistake is named and the secret is not."""
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    file.chmod(mode)
    assert refusal(words.secret, str(file)) == "everybody may read it; chmod o-r is wanted"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o440, 0o660])
def test_a_secret_of_an_owner_and_a_group_is_taken(tmp_path, mode):
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    file.chmod(mode)
    assert words.secret(str(file)) == "hunter2"


def test_a_link_is_judged_by_the_file(tmp_path):
    file, link = tmp_path / "secret", tmp_path / "link"
    file.write_text("hunter2\n")
    link.symlink_to(file)
    file.chmod(0o644)
    assert refusal(words.secret, str(link)) == "everybody may read it; chmod o-r is wanted"
    file.chmod(0o600)
    assert words.secret(str(link)) == "hunter2"


@pytest.mark.parametrize("content", ["", "\n", "\r\n", "\nsecond\n"])
def test_an_empty_secret_is_refused(tmp_path, content):
    file = tmp_path / "secret"
    file.write_text(content)
    file.chmod(0o600)
    assert refusal(words.secret, str(file)) == "its first line is empty"


@pytest.mark.parametrize("convert", [words.secret, words.readable])
def test_a_file_that_is_not_there(tmp_path, convert):
    said = refusal(convert, str(tmp_path / "absent"))
    assert said == "can't be read: No such file or directory"


@pytest.mark.parametrize("convert", [words.secret, words.readable])
def test_what_is_no_regular_file_is_refused(tmp_path, convert):
    """A FIFO would make the plugin wait for a writer, with no deadline set yet."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    assert refusal(convert, str(fifo)) == "can't be read: it is no regular file"
    assert refusal(convert, str(tmp_path)) == "can't be read: it is no regular file"


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
    with tempfile.NamedTemporaryFile("w") as file:
        Path(file.name).chmod(0)
        assert refusal(convert, file.name) == "can't be read: Permission denied"


@given(st.text(max_size=12))
def test_a_number_is_finite_or_refused(text):
    try:
        found = words.timeout(text)
    except ValueError:
        return
    assert math.isfinite(found)
    assert 0 < found <= 86_400


# Everything.


CONVERTERS = {
    name: getattr(words, name)
    for name in (
        "address", "days", "domain", "ehlo_name", "further_header", "header", "host", "keyword",
        "mailbox", "nameserver", "one_line", "parallel", "port", "readable", "secret", "sender",
        "severity", "subject", "threshold", "timeout",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTERS)
@given(text=st.text(max_size=40))
def test_any_word_is_a_value_or_a_mistake(name, text):
    said = "nothing"
    try:
        CONVERTERS[name](text)
    except ValueError as error:
        said = str(error)
    assert said


@pytest.mark.parametrize(
    "name", ["address", "domain", "ehlo_name", "header", "host", "mailbox", "one_line", "sender",
             "subject"],
)  # fmt: skip
@given(before=st.text(max_size=8), after=st.text(max_size=8), evil=st.sampled_from("\r\n\0"))
def test_nothing_breaks_out_of_its_line(name, before, after, evil):
    with pytest.raises(ValueError, match=r"."):
        CONVERTERS[name](f"{before}{evil}{after}")

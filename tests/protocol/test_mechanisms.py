"""AUTH mechanisms without a server: responses to challenges, and the choice among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.protocol import auth
from exchange_mailaccept.protocol.auth import Credentials
from exchange_mailaccept.protocol.reply import Reply

PROBE = Credentials("AUTO", "probe", "pass word", "token")


@pytest.mark.parametrize(
    ("mechanism", "challenges", "responses"),
    [
        ("PLAIN", [], [b"\0probe\0pass word"]),
        ("LOGIN", [b"Username:", b"Password:"], [None, b"probe", b"pass word"]),
        # What the prompts say has never mattered.
        ("LOGIN", [b"", b"\xff"], [None, b"probe", b"pass word"]),
        ("XOAUTH2", [], [b"user=probe\1auth=Bearer token\1\1"]),
        ("XOAUTH2", [b'{"status":"401"}'], [b"user=probe\1auth=Bearer token\1\1", b""]),
    ],
)
def test_what_a_mechanism_says(mechanism, challenges, responses):
    """The initial response (None if there is none), then one for each challenge, then no more."""
    talking = auth.respond(mechanism, PROBE)
    assert [next(talking), *map(talking.send, challenges)] == responses
    if mechanism != "XOAUTH2" or challenges:
        with pytest.raises(StopIteration):
            talking.send(b"")
    assert len(challenges) < auth.MAX_CHALLENGES


def test_ntlm_says_two_messages():
    """The second proves the password; see ``test_auth`` for a server that checks it."""
    talking = auth.respond("NTLM", Credentials("NTLM", "CONTOSO\\probe", "secret"))
    first = next(talking)
    assert first[:12] == b"NTLMSSP\0\1\0\0\0"
    second = talking.send(CHALLENGE)
    assert second[:12] == b"NTLMSSP\0\3\0\0\0"
    assert "probe".encode("utf-16-le") in second
    assert b"secret" not in second
    assert "secret".encode("utf-16-le") not in second
    with pytest.raises(StopIteration):
        talking.send(b"")


#: What a server of the domain MX.TEST sends after the first message ([MS-NLMP] 2.2.1.2).
CHALLENGE = bytes.fromhex(
    "4e544c4d53535000 02000000 0e000e0038000000 35828ae2 0123456789abcdef 0000000000000000"
    "2a002a0046000000 0a0063450000000f"
    "4d0058002e005400450053005400"
    "02000e004d0058002e005400450053005400"
    "01000400 4d005800 0700080000000000 0000da01 00000000"
)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_ntlm_challenge(rubbish):
    talking = auth.respond("NTLM", Credentials("NTLM", "probe", "secret"))
    next(talking)
    with pytest.raises(ValueError, match="the challenge is not an NTLM challenge: "):
        talking.send(rubbish)


# The choice.


@pytest.mark.parametrize(
    ("credentials", "usable"),
    [
        (Credentials("AUTO", "u", "p", "t"), ("XOAUTH2", "NTLM", "PLAIN", "LOGIN")),
        (Credentials("AUTO", "u", "p"), ("NTLM", "PLAIN", "LOGIN")),
        (Credentials("AUTO", "u", "", "t"), ("XOAUTH2",)),
        (Credentials("AUTO", "u"), ()),
        (Credentials("LOGIN", "u", "p", "t"), ("LOGIN",)),
        (Credentials("NTLM", "u", "p", "t"), ("NTLM",)),
    ],
)
def test_which_mechanisms_have_a_secret(credentials, usable):
    """The preferred one first; a mechanism that was asked for is the only one."""
    assert credentials.usable == usable


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [
        (("LOGIN", "PLAIN", "NTLM", "XOAUTH2"), "XOAUTH2"),
        (("GSSAPI", "LOGIN", "PLAIN"), "PLAIN"),
        (("GSSAPI",), ""),
        ((), ""),
    ],
)
def test_the_choice_is_ours_and_not_the_servers(offered, mechanism):
    assert auth.choose(offered, PROBE) == mechanism


@pytest.mark.parametrize(
    ("text", "expected"),
    [("VXNlcm5hbWU6", b"Username:"), ("", b""), (" VXNlcm5hbWU6 ", b"Username:")],
)
def test_a_challenge_is_decoded(text, expected):
    assert auth.challenge(Reply(334, (text,))) == expected


def test_credentials_keep_their_secrets_to_themselves():
    assert repr(PROBE) == "Credentials('AUTO', 'probe', ...)"
    assert "pass" not in f"{PROBE} {PROBE!r} {(PROBE,)}"

"""MX records that lead where no other host can send mail, and what may lead there all the same."""

from __future__ import annotations

import pytest
from support.world import ACCEPTS, DOMAIN, PLAN, World, zone

from exchange_mailaccept.run.acceptance import find_servers
from exchange_mailaccept.vocabulary import Cause, Stage, Verdict

ITSELF, LINK, MULTICAST = "this host itself", "a link-local address", "a multicast address"


@pytest.mark.parametrize(
    ("rdtype", "address", "what"),
    [
        ("A", "127.0.0.1", ITSELF), ("A", "127.255.255.254", ITSELF), ("A", "0.0.0.0", ITSELF),
        ("A", "169.254.1.9", LINK), ("A", "224.0.0.251", MULTICAST),
        ("A", "239.255.255.250", MULTICAST), ("AAAA", "::", ITSELF), ("AAAA", "::1", ITSELF),
        ("AAAA", "::ffff:127.0.0.1", ITSELF), ("AAAA", "::ffff:0.0.0.0", ITSELF),
        ("AAAA", "fe80::1", LINK), ("AAAA", "febf::1", LINK), ("AAAA", "ff02::1", MULTICAST),
    ],
)  # fmt: skip
def test_an_mx_that_leads_where_no_other_host_can_send_mail(rdtype, address, what):
    records = {
        ("contoso.com.", "MX"): ["10 mx.contoso.com."],
        ("mx.contoso.com.", rdtype): [address],
    }
    world = World(records, {address: ACCEPTS})
    acceptance = world.accept()
    assert world.tried == []
    failure = acceptance.failure
    assert (failure.stage, failure.verdict, failure.cause, failure.explanation) == (
        Stage.MX,
        Verdict.BROKEN,
        Cause.NOT_PUBLIC,
        f"mx.contoso.com leads where no other host can send mail: {address} is {what}",
    )


@pytest.mark.parametrize(
    "address",
    ["10.0.0.25", "192.168.1.25", "100.64.0.1", "223.255.255.1", "240.0.0.1", "128.0.0.1",
     "169.253.0.1", "fd00::25", "fec0::1", "fe7f::1", "::2", "::ffff:10.0.0.1", "ff:2::1"],
)  # fmt: skip
def test_other_addresses_are_ordinary(address):
    """Private ones above all: the monitor may be inside."""
    records = {
        ("contoso.com.", "MX"): ["10 mx.contoso.com."],
        ("mx.contoso.com.", "AAAA" if ":" in address else "A"): [address],
    }
    assert World(records, {address: ACCEPTS}).accept().failure is None


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "mail.localhost"])
def test_an_mx_that_is_this_host_by_its_name(name):
    """Whatever a name server says of it (RFC 6761 6.3)."""
    records = {("contoso.com.", "MX"): [f"10 {name}."], (f"{name}.", "A"): ["192.0.2.1"]}
    world = World(records, {"192.0.2.1": ACCEPTS})
    failure = world.accept().failure
    assert (failure.cause, failure.explanation) == (
        Cause.NOT_PUBLIC,
        f"{name} is this host itself (RFC 6761 6.3)",
    )
    assert world.tried == []


def test_of_several_addresses_the_special_ones_are_skipped():
    records = {
        ("contoso.com.", "MX"): ["10 mx.contoso.com."],
        ("mx.contoso.com.", "A"): ["127.0.0.1"],
        ("mx.contoso.com.", "AAAA"): ["2001:db8::25"],
    }
    world = World(records, {"2001:db8::25": ACCEPTS})
    acceptance = world.accept()
    assert acceptance.failure is None
    assert world.tried == ["2001:db8::25"]
    assert acceptance.sessions[0].server.skipped == ("127.0.0.1",)
    assert acceptance.notes == (
        "mx.contoso.com leads where no other host can send mail: 127.0.0.1 is this host itself",
    )


@pytest.mark.parametrize(
    ("nameserver", "connected"),
    [
        (("127.0.0.1", 5353), True),
        (("127.0.1.1", 54), True),
        (("::1", 5353), True),
        (("127.0.0.1", 53), False),
        (("192.0.2.53", 5353), False),
    ],
)
def test_in_a_lab_the_servers_may_be_this_host(nameserver, connected):
    """Its name server is at a loopback address and at a port of its own."""
    records = {("contoso.com.", "MX"): ["10 localhost."], ("localhost.", "A"): ["127.0.0.1"]}
    world = World(records, {"127.0.0.1": ACCEPTS})
    world.accept(DOMAIN._replace(nameservers=(nameserver,)))
    assert (world.tried == ["127.0.0.1"]) is connected


def test_the_user_may_name_any_server():
    records = {("localhost.", "A"): ["127.0.0.1"]}
    world = World(records, {"127.0.0.1": ACCEPTS})
    assert world.accept(DOMAIN._replace(host="localhost")).failure is None


def test_an_mx_that_never_exists_is_no_server():
    """Microsoft's record that proves who owns a domain (RFC 6761 6.4)."""
    records = {
        **zone("mail1.contoso.com"),
        ("contoso.com.", "MX"): ["0 mail1.contoso.com.", "32767 ms87654321.msv1.Invalid."],
    }
    found = World(records, {}).play(find_servers(DOMAIN, PLAN))
    assert [host.name for host in found.hosts] == ["mail1.contoso.com"]
    assert found.notes == (
        "MX ms87654321.msv1.Invalid never exists (RFC 6761 6.4) and takes no mail",
    )


def test_a_domain_with_nothing_else_has_a_server_that_does_not_exist():
    failure = World({("contoso.com.", "MX"): ["10 mx.invalid."]}, {}).accept().failure
    assert failure.stage is Stage.MX

"""The name servers of this host, as glibc reads them from resolv.conf(5)."""

from __future__ import annotations

import pytest

from exchange_mailaccept.net.resolv_conf import system_nameservers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n",
         (("192.0.2.1", 53), ("2001:db8::1", 53))),
        ("search contoso.com\noptions timeout:1 rotate\nnameserver\t192.0.2.1 # ours\n",
         (("192.0.2.1", 53),)),
        ("nameserver 192.0.2.1;comment", (("192.0.2.1", 53),)),
        ("nameserver 192.0.2.1\r\n", (("192.0.2.1", 53),)),
        ("nameserver fe80::1%eth0\n", (("fe80::1%eth0", 53),)),
        ("".join(f"nameserver 192.0.2.{number}\n" for number in range(1, 6)),
         (("192.0.2.1", 53), ("192.0.2.2", 53), ("192.0.2.3", 53))),
        ("nameserver nonsense\nnameserver\nnameserver 192.0.2.300\nnameserver 192.0.2.1\n",
         (("192.0.2.1", 53),)),
        ("# nameserver 192.0.2.1\n nameserver 192.0.2.2\nnameservers 192.0.2.3\n",
         (("127.0.0.1", 53),)),
        ("", (("127.0.0.1", 53),)),
        ("\xff\n", (("127.0.0.1", 53),)),
    ],
)  # fmt: skip
def test_the_name_servers_of_the_system(tmp_path, text, servers):
    path = tmp_path / "resolv.conf"
    path.write_bytes(text.encode("latin-1"))
    assert system_nameservers(str(path)) == servers


def test_without_a_file_the_name_server_is_here(tmp_path):
    assert system_nameservers(str(tmp_path / "none")) == (("127.0.0.1", 53),)
    assert system_nameservers(str(tmp_path)) == (("127.0.0.1", 53),)

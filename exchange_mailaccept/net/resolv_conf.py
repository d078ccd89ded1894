"""The name servers of this host, as glibc finds them."""

from __future__ import annotations

from ..names import DNS_PORT, address

#: How many ``nameserver`` lines glibc takes note of (resolv.h, MAXNS).
_MAX_NAMESERVERS = 3


def system_nameservers(path: str = "/etc/resolv.conf") -> tuple[tuple[str, int], ...]:
    """Read the name servers of the system, as glibc does (resolv.conf(5)).

    Malformed addresses are passed over.  Without any, or without the file, it is 127.0.0.1.  The
    search list and the options are not for us: domains are absolute, patience is ours.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError:
        lines = []
    found = []
    for line in lines:
        # As glibc: the keyword begins the line, and a comment ends the address.
        if line.startswith(("nameserver ", "nameserver\t")):
            value = line[len("nameserver") :].replace(";", " ").replace("#", " ").split()
            try:
                found.append((address(value[0] if value else ""), DNS_PORT))
            except ValueError:
                continue
    return tuple(found[:_MAX_NAMESERVERS]) or (("127.0.0.1", DNS_PORT),)

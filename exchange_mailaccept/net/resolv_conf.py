"""The name servers of this host, as glibc finds them."""

from __future__ import annotations

from ..names import DNS_PORT, address

#: The number of ``nameserver`` lines that glibc uses (resolv.h, MAXNS).
_MAX_NAMESERVERS = 3


def system_nameservers(path: str = "/etc/resolv.conf") -> tuple[tuple[str, int], ...]:
    """Read the name servers of the system, as glibc does (resolv.conf(5)).

    Malformed addresses are skipped.  If there is none, or no file, it is 127.0.0.1.  The search
    list and the options are not used: domains are absolute, and the plugin has its own time limits.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError:
        lines = []
    servers = []
    for line in lines:
        # As in glibc, the keyword begins the line, and a comment ends the address.
        if line.startswith(("nameserver ", "nameserver\t")):
            value = line[len("nameserver") :].replace(";", " ").replace("#", " ").split()
            try:
                servers.append((address(value[0] if value else ""), DNS_PORT))
            except ValueError:
                continue
    return tuple(servers[:_MAX_NAMESERVERS]) or (("127.0.0.1", DNS_PORT),)

#!/usr/bin/env python3
"""A link with a delay: ``relay.py NETWORK DELAY``.

Makes an interface for all addresses of NETWORK (two numbers, ``10.25``), and is its other end: a
packet that is sent there comes back DELAY seconds later with source and destination exchanged.  So
a server that listens here can be reached as any host of NETWORK, with a round trip of twice DELAY,
beginning with the first SYN.  A server that delays its replies would delay neither the SYN nor the
acknowledgements (Nagle).  The checksums of IP, TCP and UDP are sums, so they stay correct.

Says ``ready``, and on SIGUSR1 the median seconds that a packet was held.  Needs Linux' TUN and the
permission to make interfaces, as in a network namespace of its own.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections import deque
from typing import Any

INTERFACE = "far"
#: From linux/if_tun.h: TUNSETIFF, IFF_TUN without a header before each packet.
SET_INTERFACE, TUN, NO_HEADER = 0x400454CA, 0x0001, 0x1000
MOST = 65_536
#: Positions of the addresses in an IPv4 header (RFC 791 3.1).
SOURCE, DESTINATION, END = 12, 16, 20


def interface(network: str) -> int:
    """The descriptor of the other end, over which whole packets come and go."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, SET_INTERFACE, struct.pack("16sH", INTERFACE.encode(), TUN | NO_HEADER))
    # A queue for a thousand connections that begin at once.
    for words in (
        f"addr add {network}.0.1/16 dev {INTERFACE}",
        f"link set {INTERFACE} up txqueuelen 10000",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return descriptor


def main() -> None:
    """Pass packets on until the end."""
    network, delay = sys.argv[1], float(sys.argv[2])
    descriptor = interface(network)
    held: list[float] = []

    def tell(*_: Any) -> None:
        print(statistics.median(held) if held else 0.0, flush=True)
        held.clear()

    signal.signal(signal.SIGUSR1, tell)
    print("ready", flush=True)
    under_way: deque[tuple[float, bytes]] = deque()
    while True:
        patience = max(0.0, under_way[0][0] + delay - time.monotonic()) if under_way else None
        # Not poll, whose resolution is a millisecond.
        if select.select([descriptor], [], [], patience)[0]:
            packet = os.read(descriptor, MOST)
            if packet[0] >> 4 == 4:
                back = packet[DESTINATION:END] + packet[SOURCE:DESTINATION]
                under_way.append((time.monotonic(), packet[:SOURCE] + back + packet[END:]))
        now = time.monotonic()
        while under_way and under_way[0][0] + delay <= now:
            came, packet = under_way.popleft()
            os.write(descriptor, packet)
            held.append(now - came)


if __name__ == "__main__":
    main()

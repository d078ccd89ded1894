#!/usr/bin/env python3
"""Tests many servers with the driver alone: ``driver.py SERVERS PARALLEL PORT NETWORK [CA-FILE]``.

This is what ``--all-mx`` costs without DNS, nagiosplugin and output.  It prints the median and the
99th percentile of the stages' seconds, without ``statistics``, because importing that takes longer
than testing fifty servers.
"""

from __future__ import annotations

import gc
import sys
import time

sys.path.insert(0, f"{sys.path[0]}/..")

from exchange_mailaccept.net import loop
from exchange_mailaccept.protocol.conversation import Server
from exchange_mailaccept.protocol.dialogue import walk
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.vocabulary import Tls

# As the plugin does (``launch``).
gc.disable()


def main() -> None:
    """Test the servers, and fail if one did not accept."""
    number, parallel, port = map(int, sys.argv[1:4])
    network_of_servers = sys.argv[4]
    ca_file = sys.argv[5] if len(sys.argv) > 5 else ""
    contexts = None
    if ca_file:
        # Imported here because ssl takes its time.
        from exchange_mailaccept.net import trust

        contexts = trust.Contexts(trust.TlsSettings(verify=True, ca_file=ca_file))
    plan = Plan(
        Envelope("probe@client.example", "postmaster@bench.example"),
        "client.example",
        Content(),
        "<probe@client.example>",
        time.time(),
        tls=Tls.STARTTLS if ca_file else Tls.NEVER,
        tls_name="mail.bench.example",
        verify=True,
        transcript=False,
    )
    addresses = [
        f"{network_of_servers}.{index // 250}.{index % 250 + 2}" for index in range(number)
    ]
    walks = [walk(plan, Server(each, (each,), port)) for each in addresses]
    sessions = loop.Run(walks, 60, contexts, parallel=parallel).drive()
    failed = [session.failure for session in sessions if session.failure]
    if failed:
        raise SystemExit(str(failed[0]))
    seconds: dict[str, list[float]] = {}
    for session in sessions:
        for outcome in session.outcomes:
            seconds.setdefault(outcome.stage.value, []).append(outcome.seconds)
    for name, took in seconds.items():
        took.sort()
        median, late = took[len(took) // 2], took[len(took) * 99 // 100]
        print(f"{name}: {median * 1e3:.1f} / {late * 1e3:.1f} ms")


if __name__ == "__main__":
    main()

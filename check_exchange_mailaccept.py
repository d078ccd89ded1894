#!/usr/bin/env python3
"""Nagios and Icinga plugin that tests whether an Exchange server accepts mail.

It only begins the run; ``exchange_mailaccept`` does the work.
"""

from __future__ import annotations

try:
    from exchange_mailaccept.launch import main
except ImportError as error:
    # Without the package there is nothing else that could print one line and exit with UNKNOWN.
    import os

    harmless = (
        character if " " <= character <= "~" and character not in "|<>`$\\" else " "
        for character in str(error)
    )
    line = f"MAILACCEPT UNKNOWN - a library is missing: {''.join(harmless):.200}\n"
    try:
        os.write(1, line.encode("ascii"))
    finally:
        os._exit(3)  # even if standard output is closed or the disk is full

if __name__ == "__main__":
    main()

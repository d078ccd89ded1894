#!/usr/bin/env python3
"""Write the seeds for the fuzzer into DIRECTORY, from the recorded sessions of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

TRANSCRIPTS = Path(__file__).resolve().parent.parent / "tests" / "transcripts"

for path in sorted(TRANSCRIPTS.glob("*.txt")):
    lines = path.read_text(encoding="utf-8").splitlines()
    said = "".join(f"{line[3:]}\r\n" for line in lines if line.startswith("S: "))
    (Path(sys.argv[1]) / path.stem).write_bytes(said.encode("utf-8"))

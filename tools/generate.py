"""Write every file that is made from the plugin's own tables: ``python3 -m tools.generate``.

With ``--check`` it writes nothing: it names the files that differ, are missing or are left over,
and the exit code is 1 if there are any.  Run it after a change of the options, the failures or the
version; tests fail until you do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from . import failures, icinga2, pages

CHECKOUT = Path(__file__).resolve().parent.parent


def outdated() -> Iterator[tuple[Path, Optional[str]]]:
    """Files that are wrong, and what they should contain; ``None`` for one that is left over."""
    generated = {**failures.generated(), **icinga2.generated(), **pages.generated()}
    for path, contents in generated.items():
        if not path.exists() or path.read_text(encoding="utf-8") != contents:
            yield path, contents
    for path in failures.PLACE.glob("*.md"):
        if path not in generated:
            yield path, None


def main() -> int:
    """Write or check, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    wrong = list(outdated())
    for path, contents in wrong:
        print(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path)
        if check:
            continue
        if contents is None:
            path.unlink()
        else:
            path.write_text(contents, encoding="utf-8")
    return 1 if check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Programs of other packages that tests run; where one is missing its tests are skipped."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

#: Seconds; generous, since it only bounds what would otherwise hang.
PATIENCE = 120


def unavailable(reason: str) -> NoReturn:
    """Skip the test, but not in a build."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and with CI=true nothing is skipped", pytrace=False)
    pytest.skip(reason)


def find_program(name: str, package: str) -> str:
    """The path of a program that Debian has in ``package``."""
    # Debian's users have no sbin in their PATH.
    debian = "/usr/bin:/usr/sbin:/usr/lib/nagios/plugins:/usr/lib/postfix/sbin:/usr/lib/dovecot"
    found = shutil.which(name, path=os.pathsep.join((debian, os.environ.get("PATH", ""))))
    if found is None:
        unavailable(f"{name} is not installed (apt install {package})")
    return found

"""What the tests in the monitoring engines share.

The engines are the programs of Debian's packages.  Where one is missing its tests are skipped; with
``CI=true`` in the environment they fail instead, so that a build never passes without them.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from post_office import PostOffice
from running import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Signs the certificates of all nodes of Icinga."""
    return Authority()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="mailaccept-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def post_office(open_directory: Path) -> Iterator[PostOffice]:
    """A mail server that delivers the pages."""
    office = PostOffice(open_directory)
    yield office
    office.stop()


@pytest.fixture(scope="session")
def simulate() -> Iterator[Any]:
    """Start servers that pose as Exchange: ``simulate(pose=..., reply={...})``."""
    from simulator.server import Simulator

    with contextlib.ExitStack() as stack:
        yield lambda **how: stack.enter_context(Simulator(**how))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Engines and databases are slow, and need more time to start than other tests may take."""
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))
            item.add_marker(pytest.mark.slow)

"""The files that are made from the plugin's tables are those of this version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import failures, generate

CHECKOUT = Path(__file__).resolve().parents[2]


def test_generated_files_are_current() -> None:
    """Else run ``python3 -m tools.generate``."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.generate", "--check"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_outdated_and_a_stray_page_are_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "PLACE", tmp_path)
    stray, outdated = tmp_path / "stray.md", tmp_path / "server.md"
    stray.write_text("left over", encoding="utf-8")
    outdated.write_text("of another version", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1
    named = capsys.readouterr().out.splitlines()
    assert {str(stray), str(outdated), str(tmp_path / "README.md")} <= {*named}
    assert outdated.read_text(encoding="utf-8") == "of another version"
    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    assert not stray.exists()
    assert outdated.read_text(encoding="utf-8").startswith("<!-- Written by tools/failures.py")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 0

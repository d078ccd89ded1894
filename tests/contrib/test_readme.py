"""The README tells the truth: its outputs and its links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.links import dead_links

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
OUTPUTS = re.findall(r"```console\n\$ sh demo\.sh ?(.*)\n((?s:.*?))\n```", README)


def masked(text: str) -> str:
    """``text`` without what differs from run to run."""
    text = re.sub(r"[0-9]+\.[0-9a-f]{20}@\w+\.mailaccept", "ID", text)
    text = re.sub(r"InternalId=[0-9]+", "InternalId=#", text)
    text = re.sub(r"[0-9]+ bytes in [0-9.]+, [0-9.]+ KB/sec", "# bytes", text)
    text = re.sub(r"ready at .*", "ready at DATE", text)
    text = re.sub(r"port [0-9]+", "port PORT", text)
    text = re.sub(r" +[0-9]+\.[0-9]+s", " #s", text)
    return re.sub(r"\b[0-9]+(\.[0-9]+)?s\b", "#s", text)


def demo(directory: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    """Run demo.sh itself, with the environment of the tests in place of the one that it makes."""
    for name in ("simulator", "exchange_mailaccept", "check_exchange_mailaccept.py"):
        (directory / name).symlink_to(CHECKOUT / name)
    (directory / "demo.sh").write_bytes((CHECKOUT / "demo.sh").read_bytes())
    (directory / ".ci").mkdir()
    (directory / ".ci/environment.sh").write_text(
        f"prepare_environment() {{ python={shlex.quote(sys.executable)}; }}\n", encoding="utf-8"
    )
    return subprocess.run(
        ["sh", str(directory / "demo.sh"), *shlex.split(arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "output"), OUTPUTS, ids=[arguments for arguments, _ in OUTPUTS]
)
def test_an_output_is_what_the_demo_prints(tmp_path: Path, arguments: str, output: str) -> None:
    done = demo(tmp_path, arguments)
    # Three dots stand for what is left out.
    parts = [re.escape(part) for part in masked(output).split("...")]
    assert re.fullmatch("(?s:.*?)".join(parts), masked(done.stdout.rstrip("\n"))) is not None


def test_the_demo_gives_the_plugin_what_comes_after_two_dashes(tmp_path: Path) -> None:
    """Without -S the plugin would not look at TLS, and end with OK."""
    done = demo(tmp_path, "--scenario tls-not-offered -- -S")
    assert done.stdout.startswith("MAILACCEPT CRITICAL - 127.0.0.1 does not offer STARTTLS")
    assert done.returncode == 2
    assert done.stderr.startswith("This server was simulated.")


def test_it_is_short_and_has_two_outputs() -> None:
    assert len(README.splitlines()) <= 150
    assert [output.split()[1] for _, output in OUTPUTS] == ["OK", "CRITICAL"]


def test_every_link_in_a_document_leads_somewhere() -> None:
    assert dead_links(CHECKOUT, "*.md", "docs/**/*.md", "contrib/**/*.md", "simulator/*.md") == []

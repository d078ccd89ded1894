"""Relative links between documents in Markdown."""

from __future__ import annotations

import re
from pathlib import Path


def dead_links(directory: Path, *patterns: str) -> list[str]:
    """The relative links in the documents that match the patterns which lead nowhere."""
    documents = [path for pattern in patterns for path in directory.glob(pattern)]
    assert documents
    dead = []
    for document in documents:
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            name, _, heading = link.partition("#")
            target = document.parent / name if name else document
            if re.match("[a-z]+:", link):
                continue
            if not target.exists() or (heading and heading not in _anchors(target)):
                dead.append(f"{document.relative_to(directory)}: {link}")
    return dead


def _anchors(document: Path) -> set[str]:
    """The headings of a document as GitHub names them in links."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

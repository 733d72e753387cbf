"""Text files for other tools: a board's own words made fit for a comment, the same bytes everywhere."""

from __future__ import annotations

from pathlib import Path


def one_line(text: str) -> str:
    """Printable, and on one line: nothing that could end a comment."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def save(path: Path, text: str) -> None:
    """The same bytes on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")

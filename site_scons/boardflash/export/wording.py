"""Templates of text files for other tools, and a board's own words made fit for a comment in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from boardflash.resources import data_dir


def one_line(text: str) -> str:
    """Printable, and on one line: nothing that could end a comment."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def render_template(name: str, values: Mapping[str, object]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("loader") / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(f"{name}.j2").render(values)


def save(path: Path, text: str) -> None:
    """The same bytes on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")

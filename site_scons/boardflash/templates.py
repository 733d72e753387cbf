"""Renders the Jinja2 templates in loader/templates: C, linker scripts, and files for other flashers."""

from __future__ import annotations

from collections.abc import Mapping

import jinja2

from boardflash.resources import data_dir


def render_template(name: str, values: Mapping[str, object]) -> str:
    """Template `name`.j2; a value that it needs and does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_dir("loader") / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(f"{name}.j2").render(values)

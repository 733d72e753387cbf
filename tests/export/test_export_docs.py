"""What docs/export-flm.md, -jlink.md and -stldr.md show is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from boardflash.cli import main

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["flm", "jlink", "stldr"])
def test_the_command_prints_the_paths_that_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / f"export-{name}.md").read_text(encoding="utf-8")
    command, printed = re.findall(r"```\n(.*?)```", page, re.S)[:2]
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    assert words[0] == "boardflash"
    assert main(words[1:]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("name", ["flm", "jlink", "stldr"])
def test_the_page_says_what_has_not_been_shown(name: str) -> None:
    page = (DOCS / f"export-{name}.md").read_text(encoding="utf-8")
    assert "**Shown**" in page and "**Not shown:**" in page

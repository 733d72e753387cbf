"""Loaders built once for all tests here; state of each test in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from foreign.loaders import INTERNAL_FLM, build_tiny


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARDFLASH_STATE_DIR", str(tmp_path / "unused"))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loaders")


@pytest.fixture(scope="session")
def tiny_flm(shelf: Path) -> Path:
    return build_tiny(shelf / "tiny.FLM")


@pytest.fixture(scope="session")
def tiny_stldr(shelf: Path) -> Path:
    return build_tiny(shelf / "tiny.stldr")


@pytest.fixture(scope="session")
def internal_flm(shelf: Path) -> Path:
    return build_tiny(shelf / "internal.FLM", "tiny_flash.c", **INTERNAL_FLM)

"""One state folder for all of these tests, so that the loader is built once; each board has its serial."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.firmware import link


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve-state")


@pytest.fixture(scope="session")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code in internal flash, 20,000 bytes in the QSPI chip."""
    return link(tmp_path_factory.mktemp("firmware"))

"""Where the peers' own Python lives: made once, kept in $BOARDFLASH_PEER_CACHE or pytest's cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from peers.pyocd_client import CannotInstallError, environment


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = os.environ.get("BOARDFLASH_PEER_CACHE")
    kept = request.config.cache  # None under -p no:cacheprovider
    cache = Path(chosen) if chosen else kept.mkdir("peers") if kept else tmp_path_factory.mktemp("cache")
    try:
        return environment(cache)
    except CannotInstallError as error:
        pytest.skip(f"pyocd cannot be installed: {error}")

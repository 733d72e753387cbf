"""Finds our own data folders, in a checkout and in an installed package alike."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def data_dir(name: str) -> Path:
    """The folder `boards` or `loader`: the package `boardflash._<name>`, else the checkout's folder."""
    spec = importlib.util.find_spec(f"boardflash._{name}")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[2] / name

"""Finds our own data folders, in a checkout and in an installed package alike."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def data_dir(name: str) -> Path:
    """The folder `boards` or `loader`: beside us in a checkout, else the package `boardflash._<name>`.

    The checkout comes first: another boardflash may be installed in the environment that runs us.
    """
    site_scons = Path(__file__).resolve().parents[1]
    beside = site_scons.parent / name
    if site_scons.name == "site_scons" and beside.is_dir():
        return beside
    spec = importlib.util.find_spec(f"boardflash._{name}")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return beside

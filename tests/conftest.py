"""The order of the suite: what forks at every call comes first, while the process is small."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != "test_interruption.py")

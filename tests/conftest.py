"""The order of the suite: what forks at every call comes first, while the process is small, and is long."""

from __future__ import annotations

import pytest

FIRST = ["test_interruption.py", "test_foreign_cut.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))

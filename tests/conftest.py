"""The order of the suite: what forks at every call comes first, while the process is small; then what else is
long, so that no worker has a long file left when the others have ended."""

from __future__ import annotations

import pytest

FIRST = [
    *("test_interruption.py", "test_foreign_cut.py", "test_foreign_flash.py", "test_order.py"),
    *("test_first_bench_page.py", "test_serve_page.py", "test_serve_process.py", "test_serve_openocd.py"),
    *("test_faults_during_work.py", "test_idle.py", "test_example_whole_way.py", "test_cli_cache.py"),
    *("test_elf_corpus.py", "test_scons_names.py", "test_peers_openocd.py", "test_peers_export_pyocd.py"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))

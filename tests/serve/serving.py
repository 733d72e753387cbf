"""`boardflash sim serve` as a process of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = "stm32f746g-disco"
PATIENCE_S = 180.0
SERVE = ("sim", "serve", "--board", BOARD)


def environment(state: Path) -> dict[str, str]:
    paths = [str(ROOT / "site_scons"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "BOARDFLASH_STATE_DIR": str(state),
    }


def boardflash(state: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Another verb, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "boardflash", *map(str, words)],
        env=environment(state),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


class Serving:
    def __init__(self, state: Path, *words: object) -> None:
        self.lines: list[str] = []
        self.ports: dict[str, int] = {}
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "boardflash", *SERVE, *map(str, words)],
            env=environment(state),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)

    def wait_for(self, part: str) -> str:
        """The next line that has `part` in it."""
        while True:
            line = self._arrived.get(timeout=PATIENCE_S)
            assert line is not None, f"ended without {part!r}: {self.lines}"
            self.lines.append(line)
            if part in line:
                return line

    def port(self, name: str) -> int:
        return int(self.wait_for(f"{name}: 127.0.0.1:").rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code; all that it said is in `lines`."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        code = self.process.wait(timeout=PATIENCE_S)
        while (line := self._arrived.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return code


@contextmanager
def serving(state: Path, *words: object) -> Iterator[Serving]:
    server = Serving(state, *words)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()

"""Ctrl-C while flashing: one line, exit 130, no stamp, and the next run finishes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_control_c_while_flashing_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(hashlib.shake_128(b"data").digest(400_000))
    words = (
        *("flash", "data.bin@0x90000000", "--board", "stm32f746g-disco", "--probe", "sim"),
        *("--stamp", "qspi.stamp"),
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "site_scons"),
        "BOARDFLASH_STATE_DIR": str(tmp_path / "state"),
    }
    command = [sys.executable, "-m", "boardflash", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("QSPI chip"):  # identified; digests and programming follow
                process.send_signal(signal.SIGINT)
                break
        out, err = process.stdout.read(), process.stderr.read()
        code = process.wait(timeout=120)
    assert code == 130, out + err
    assert len(err.splitlines()) == 1 and "interrupted" in err
    assert "bytes written" not in out
    assert not (tmp_path / "qspi.stamp").exists()
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0 and "bytes written" in again.stdout
    assert (tmp_path / "qspi.stamp").is_file()

"""What the side-by-side measurement flashes: images, and what the device holds before; all from seeds."""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHIP_SIZE = 16 * 1024 * 1024
GRANULE = 4096
SMALL, LARGE = 150_000, 2 * 1024 * 1024
TOOLS = ("boardflash", "pyOCD", "OpenOCD")
CONTENTS = ("pictures", "random")
SITUATIONS = ("blank", "full", "unchanged", "one byte", "10 %")
START_UP_SIZE = GRANULE


@dataclass(frozen=True, order=True)
class Case:
    tool: str
    content: str
    size: int
    situation: str

    @property
    def key(self) -> str:
        return f"{self.tool}/{self.content}/{self.size}/{self.situation}"

    @classmethod
    def from_key(cls, key: str) -> Case:
        tool, content, size, situation = key.split("/")
        return cls(tool, content, int(size), situation)


def all_cases() -> list[Case]:
    """OpenOCD takes the small images alone, and the random ones: it treats all bytes alike."""
    found = [
        Case(tool, content, size, situation)
        for tool in ("boardflash", "pyOCD")
        for content in CONTENTS
        for size in (SMALL, LARGE)
        for situation in SITUATIONS
    ]
    found += [Case("OpenOCD", "random", SMALL, situation) for situation in SITUATIONS]
    found += [Case(tool, "random", CHIP_SIZE, "unchanged") for tool in ("boardflash", "pyOCD")]
    return [*found, Case("boardflash", "random", START_UP_SIZE, "unchanged")]


@lru_cache(maxsize=1)
def _pictures() -> bytes:
    """The pictures and the font of examples/, as many as the largest image needs."""
    spec = importlib.util.spec_from_file_location("make_assets", ROOT / "examples" / "make_assets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return b"".join(module.picture(index) for index in range(8)) + bytes(module.font())


def image(content: str, size: int) -> bytes:
    data = _pictures() if content == "pictures" else random.Random(f"image {size}").randbytes(size)
    assert len(data) >= size
    return data[:size]


def device_before(case: Case) -> bytes:
    """The whole chip as the tool finds it. Around the image lies somebody else's data, unless it is blank."""
    if case.situation == "blank":
        return b"\xff" * CHIP_SIZE
    device = bytearray(random.Random("old content").randbytes(CHIP_SIZE))
    if case.situation == "full":
        return bytes(device)
    device[: case.size] = image(case.content, case.size)
    if case.situation == "one byte":
        device[case.size // 2] ^= 0xFF
    elif case.situation == "10 %":
        chance = random.Random(f"ten per cent of {case.size}")
        granules = case.size // GRANULE
        for number in chance.sample(range(granules), max(1, round(granules / 10))):
            device[number * GRANULE : (number + 1) * GRANULE] = chance.randbytes(GRANULE)
    return bytes(device)


def device_after(case: Case) -> bytes:
    """As it should be: the image, and all else as it was."""
    content = image(case.content, case.size)
    return content + device_before(case)[len(content) :]

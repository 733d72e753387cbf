"""What the side-by-side measurement flashes: images, and what the device holds before; all from seeds."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from peers.images import firmware

ROOT = Path(__file__).resolve().parents[2]
CHIP_SIZE = 16 * 1024 * 1024
INTERNAL_SIZE = 1024 * 1024
GRANULE = 4096
SMALL, LARGE, FIRMWARE = 150_000, 2 * 1024 * 1024, 200_000
SIZES = {SMALL: "150 kB", FIRMWARE: "200 kB", LARGE: "2 MiB", CHIP_SIZE: "16 MiB", GRANULE: "4 KiB"}
TOOLS = ("boardflash", "pyOCD", "OpenOCD")
CONTENTS = ("pictures", "random")
SITUATIONS = ("blank", "full", "unchanged", "one byte", "10 %")
START_UP_SIZE = GRANULE
#: The board's two chips, and the twin that carries each.
TWINS = {"n25q128a13": "stm32f746g-disco", "w25q128jv": "stm32f746g-disco-c03"}
FIRST_CHIP, SECOND_CHIP = TWINS
CHIP_NAMES = {"n25q128a13": "N25Q128A", "w25q128jv": "W25Q128JV"}
#: What a case writes, by the regions it takes.
MEMORIES = {"qspi": ("qspi",), "internal": ("internal",), "both": ("internal", "qspi")}


@dataclass(frozen=True)
class CostModel:
    """What calls of a probe and accesses to registers cost."""

    faults: Mapping[str, str]
    """Of the simulated board and its probe, as `--fault` takes them."""
    peers_charged: bool
    """Whether pyOCD and OpenOCD pay for opening, connecting and resets, too (`peers/charged.py`)."""


REAL, FLAT = "real", "flat"
MODELS = {
    REAL: CostModel({}, peers_charged=True),
    FLAT: CostModel({"calls": "flat", "register_cycles": "1"}, peers_charged=False),
}


@dataclass(frozen=True, order=True)
class Case:
    """`size` is of the image in QSPI, or in internal flash alone; with both, FIRMWARE lies there."""

    tool: str
    content: str
    size: int
    situation: str
    memory: str = "qspi"
    chip: str = FIRST_CHIP
    model: str = REAL

    @property
    def subject(self) -> str:
        """The key without the model. Results of revisions that had the flat model alone go by it."""
        return "/".join((self.tool, self.chip, self.memory, self.content, str(self.size), self.situation))

    @property
    def key(self) -> str:
        return f"{self.subject}/{self.model}"

    @property
    def regions(self) -> tuple[str, ...]:
        return MEMORIES[self.memory]

    @property
    def place(self) -> str:
        """The memory, as a reader knows it."""
        chip = CHIP_NAMES[self.chip]
        return {"qspi": chip, "internal": "internal flash", "both": f"internal flash and {chip}"}[self.memory]

    @property
    def what(self) -> str:
        beside = f"{SIZES[FIRMWARE]} + " if self.memory == "both" else ""
        return f"{beside}{SIZES.get(self.size, f'{self.size:,} bytes')} {self.content}"

    def by(self, tool: str) -> Case:
        return replace(self, tool=tool)

    def under(self, model: str) -> Case:
        return replace(self, model=model)


def start_up_case(memory: str, chip: str, model: str = REAL) -> Case:
    """As good as nothing to do, so that what it takes is start-up. With both memories it is the QSPI's."""
    return Case(
        "boardflash",
        "random",
        START_UP_SIZE,
        "unchanged",
        "internal" if memory == "internal" else "qspi",
        chip,
        model,
    )


def all_cases() -> list[Case]:
    """Each under both models."""
    return [case.under(model) for model in MODELS for case in _cases()]


def _cases() -> list[Case]:
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
    found += [
        Case("boardflash", "random", CHIP_SIZE, situation) for situation in ("blank", "full", "one byte")
    ]
    found.append(Case("boardflash", "pictures", CHIP_SIZE, "blank"))
    found += [
        Case("boardflash", "random", size, situation, "qspi", SECOND_CHIP)
        for size in (LARGE, CHIP_SIZE)
        for situation in ("blank", "full", "unchanged")
    ]
    found.append(Case("boardflash", "random", FIRMWARE, "full", "internal"))
    found.append(Case("boardflash", "random", LARGE, "full", "both"))
    starts = (("qspi", FIRST_CHIP), ("qspi", SECOND_CHIP), ("internal", FIRST_CHIP))
    return [*found, *(start_up_case(memory, chip) for memory, chip in starts)]


@lru_cache(maxsize=1)
def _pictures() -> bytes:
    """The pictures and the font of examples/, and more pictures until the largest image is full."""
    spec = importlib.util.spec_from_file_location("make_assets", ROOT / "examples" / "make_assets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    first = b"".join(module.picture(index) for index in range(8)) + bytes(module.font())
    return first + b"".join(module.picture(index) for index in range(8, 65))


@lru_cache(maxsize=4)
def image(content: str, size: int) -> bytes:
    data = _pictures() if content == "pictures" else random.Random(f"image {size}").randbytes(size)
    assert len(data) >= size
    return data[:size]


def image_of(case: Case, region: str) -> bytes:
    if region == "internal":
        return firmware(FIRMWARE, seed=1)[: FIRMWARE if case.memory == "both" else case.size]
    return image(case.content, case.size)


@lru_cache(maxsize=2)
def _old_content(region: str) -> bytes:
    """Somebody else's data everywhere; in internal flash a firmware before it, since the board starts it."""
    if region == "qspi":
        return random.Random("old content").randbytes(CHIP_SIZE)
    return firmware(FIRMWARE, seed=2) + random.Random("behind it").randbytes(INTERNAL_SIZE - FIRMWARE)


def device_before(case: Case, region: str = "qspi") -> bytes:
    """The whole memory as the tool finds it. Around the image lies other data, unless it is blank."""
    if case.situation == "blank":
        return b"\xff" * (CHIP_SIZE if region == "qspi" else INTERNAL_SIZE)
    if case.situation == "full":
        return _old_content(region)
    content = image_of(case, region)
    device = bytearray(_old_content(region))
    device[: len(content)] = content
    if case.situation == "one byte":
        device[len(content) // 2] ^= 0xFF
    elif case.situation == "10 %":
        chance = random.Random(f"ten per cent of {len(content)}")
        granules = len(content) // GRANULE
        for number in chance.sample(range(granules), max(1, round(granules / 10))):
            device[number * GRANULE : (number + 1) * GRANULE] = chance.randbytes(GRANULE)
    return bytes(device)


def device_after(case: Case, region: str = "qspi") -> bytes:
    """As it should be: the image, and all else as it was."""
    content = image_of(case, region)
    return content + device_before(case, region)[len(content) :]

"""Whether a loader is made for the memory that the board has; its sectors as the planner counts them."""

from __future__ import annotations

from boardflash.errors import BoardflashError
from boardflash.foreign.model import Loader

SECTOR_MIN = 4096  # the unit of digest is not smaller, and no sector may be smaller than it


def check_fit(loader: Loader, base: int, size: int, memory: str, shown: str) -> None:
    """BoardflashError unless the loader serves exactly `size` bytes at `base`."""
    device = loader.device
    if device.base != base:
        raise BoardflashError(
            f'made for "{device.name}" at {device.base:#010x}; {memory} lies at {base:#010x}', where=shown
        )
    if device.size != size:
        raise BoardflashError(
            f'made for "{device.name}" of {device.size:#x} bytes; {memory} has {size:#x}', where=shown
        )
    if device.size == 0 or not device.sectors:
        raise BoardflashError("it describes a memory without sectors", where=shown)
    for run in device.sectors:
        if run.size < SECTOR_MIN or run.size % SECTOR_MIN:
            raise BoardflashError(
                f"it erases sectors of {run.size} bytes; multiples of {SECTOR_MIN} are expected", where=shown
            )
        if device.page_size == 0 or run.size % device.page_size:
            raise BoardflashError(
                f"its page of {device.page_size} bytes does not divide its sectors of {run.size}", where=shown
            )

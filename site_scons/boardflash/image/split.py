"""Routes segments to the regions of a board; never builds a file that spans two of them.

Inputs may cover the same address twice if they agree there (a bootloader that is also inside the
application's HEX); if they differ, both are named and nothing is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from boardflash.errors import BoardflashError
from boardflash.files import write_file
from boardflash.image.hexfile import to_hex
from boardflash.image.hints import View, near, view_of
from boardflash.image.inputs import InputSpec
from boardflash.image.model import Contents, LeftOut, MemoryRange, RegionImage, Segment


@dataclass(frozen=True)
class Split:
    images: tuple[RegionImage, ...]  # only regions that have bytes, in the order of the regions
    left_out: tuple[LeftOut, ...] = ()

    def image(self, name: str) -> RegionImage:
        return next(image for image in self.images if image.name == name)


def split_inputs(
    inputs: Sequence[tuple[InputSpec, Contents]],
    regions: Sequence[MemoryRange],
    ram: Sequence[MemoryRange] = (),
    views: Sequence[View] = (),
) -> Split:
    """One image a region, of inputs each of which must put something into one."""
    for spec, contents in inputs:
        if not any(overlaps(segment, regions) for segment in contents.segments if segment.size):
            raise _nothing_for_flash(spec, contents, regions, ram, views)
    segments = [segment for _, contents in inputs for segment in contents.segments]
    found = split(segments, regions, ram, views)
    # What lies in no flash would not have been written anyway.
    told = [item for _, contents in inputs for item in contents.left_out if overlaps(item, regions)]
    left_out = sorted((*told, *found.left_out), key=lambda item: (item.address, item.size, item.source))
    return Split(found.images, tuple(left_out))


def overlaps(stretch: Segment | LeftOut, memories: Sequence[MemoryRange]) -> bool:
    return any(
        stretch.address < memory.end and memory.base < stretch.address + stretch.size for memory in memories
    )


def split(
    segments: Sequence[Segment],
    regions: Sequence[MemoryRange],
    ram: Sequence[MemoryRange] = (),
    views: Sequence[View] = (),
) -> Split:
    """One image a region. A segment in RAM is left out and listed; one in neither is refused by name."""
    routed: dict[str, list[Segment]] = {region.name: [] for region in regions}
    left_out: list[LeftOut] = []
    for segment in _in_order(segments):
        if segment.size == 0:
            continue
        memory = _memory_of(segment, [*regions, *ram])
        if memory is None:
            raise _outside(segment, regions, view_of(segment.address, views))
        if memory in regions:
            routed[memory.name].append(segment)
        else:
            reason = f"its load address is in RAM ({memory.name}), not in flash"
            left_out.append(LeftOut(segment.address, segment.size, segment.source, reason))
    images = tuple(
        RegionImage(region.name, region.base, region.size, merge(routed[region.name]))
        for region in regions
        if routed[region.name]
    )
    return Split(images, tuple(left_out))


def merge(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Maximal runs in address order. Overlaps must agree byte for byte."""
    runs: list[Segment] = []
    group: list[Segment] = []
    end = 0
    for segment in _in_order(segments):
        if segment.size == 0:
            continue
        if group and segment.address > end:
            runs.append(_join(group, end))
            group = []
        group.append(segment)
        end = max(end, segment.end) if len(group) > 1 else segment.end
    if group:
        runs.append(_join(group, end))
    return tuple(runs)


def write_region_files(image: RegionImage, folder: Path) -> tuple[Path, Path]:
    """`<region>.bin` and `<region>.hex` in `folder`; the same image gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    bin_path, hex_path = folder / f"{image.name}.bin", folder / f"{image.name}.hex"
    write_file(bin_path, image.to_bin())
    write_file(hex_path, to_hex(image.runs))
    return bin_path, hex_path


def _in_order(segments: Iterable[Segment]) -> list[Segment]:
    # The bytes are part of the key so that the order of the inputs never shows in a message or a name.
    return sorted(segments, key=lambda s: (s.address, s.size, s.source, s.data))


def _join(group: list[Segment], end: int) -> Segment:
    """One run out of segments that touch or overlap, sorted by address."""
    if len(group) == 1:
        return group[0]
    start = group[0].address
    data = bytearray()
    holders: list[Segment] = []  # those that gave bytes, in order of their ends
    for segment in group:
        filled = start + len(data)
        overlap = min(filled, segment.end) - segment.address
        if overlap > 0:
            at = segment.address - start
            there = memoryview(data)[at : at + overlap]
            here = memoryview(segment.data)[:overlap]
            if there != here:
                raise _overlap(segment, holders, bytes(there), bytes(here))
            there.release()
        if segment.end > filled:
            data += memoryview(segment.data)[max(overlap, 0) :]
            holders.append(segment)
    names = list(dict.fromkeys(segment.source for segment in group))
    source = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Segment(start, bytes(data), source)


def _overlap(segment: Segment, holders: list[Segment], there: bytes, here: bytes) -> BoardflashError:
    index = next(i for i in range(len(here)) if here[i] != there[i])
    address = segment.address + index
    other = next(h for h in holders if h.address <= address < h.end)
    return BoardflashError(
        f"overlaps {other.source} and differs from it at {address:#010x} "
        f"({here[index]:02X}h here, {there[index]:02X}h there); leave one of them out or move it",
        where=segment.source,
    )


def _memory_of(segment: Segment, memories: Sequence[MemoryRange]) -> MemoryRange | None:
    for memory in memories:
        if segment.end <= memory.base or segment.address >= memory.end:
            continue
        if segment.address < memory.base or segment.end > memory.end:
            edge, limit = ("start", memory.base) if segment.address < memory.base else ("end", memory.end)
            raise BoardflashError(
                f"{_span(segment)} crosses the {edge} of {memory.name}, {limit:#010x} "
                f"({memory.size} bytes from {memory.base:#010x}); make it smaller or move it",
                where=segment.source,
            )
        return memory
    return None


def _outside(segment: Segment, regions: Sequence[MemoryRange], meant: str) -> BoardflashError:
    mend = "mend the load address in the linker script or the address of the input"
    return BoardflashError(
        f"{_span(segment)} is in no region of the board ({_known(regions)}); {meant or mend}",
        where=segment.source,
    )


def _nothing_for_flash(
    spec: InputSpec,
    contents: Contents,
    regions: Sequence[MemoryRange],
    ram: Sequence[MemoryRange],
    views: Sequence[View],
) -> BoardflashError:
    """A typing error, or a file for something else: nobody flashes nothing on purpose."""
    parts = [segment for segment in contents.segments if segment.size]
    if not parts:
        return BoardflashError("holds no bytes for a memory", where=str(spec))
    first = min(parts, key=lambda segment: segment.address)
    # An address that somebody has typed may be a typing error; one that a linker has given is none.
    meant = view_of(first.address, views) or (
        near(first.address, regions) if spec.address is not None else ""
    )
    if not any(overlaps(segment, ram) for segment in parts):
        return _outside(first, regions, meant)
    size = sum(segment.size for segment in parts)
    end = max(segment.end for segment in parts) - 1
    told = f"its {size:,} bytes, {first.address:#010x} to {end:#010x}, are for RAM: nothing would be flashed"
    return BoardflashError(f"{told}; {meant or f'flash is {_known(regions)}'}", where=str(spec))


def _known(regions: Sequence[MemoryRange]) -> str:
    return ", ".join(f"{r.name} {r.base:#010x} to {r.end - 1:#010x}" for r in regions) or "none"


def _span(segment: Segment) -> str:
    return f"{segment.size} bytes at {segment.address:#010x}"

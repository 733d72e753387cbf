"""Lays bytes around an image: where both have bytes, the image's hold."""

from __future__ import annotations

from collections.abc import Sequence

from boardflash.image.model import RegionImage, Segment


def uncovered(image: RegionImage, address: int, size: int) -> tuple[tuple[int, int], ...]:
    """The parts (address, size) of a stretch that the image has no bytes for."""
    found = []
    at = address
    for start, length in image.covered(address, size):
        if start > at:
            found.append((at, start - at))
        at = start + length
    if at < address + size:
        found.append((at, address + size - at))
    return tuple(found)


def overlay(image: RegionImage, around: Sequence[Segment]) -> RegionImage:
    """The image with the bytes of `around` (which do not overlap each other) wherever it has none."""
    parts = list(image.runs)
    for segment in around:
        for address, size in uncovered(image, segment.address, segment.size):
            at = address - segment.address
            parts.append(Segment(address, segment.data[at : at + size], segment.source))
    runs: list[list[Segment]] = []
    for part in sorted(parts, key=lambda part: part.address):
        if runs and runs[-1][-1].end == part.address:
            runs[-1].append(part)
        else:
            runs.append([part])
    joined = tuple(
        run[0] if len(run) == 1 else Segment(run[0].address, b"".join(p.data for p in run), run[0].source)
        for run in runs
    )
    return RegionImage(image.name, image.base, image.size, joined)

"""The plan in words, for `scons plan` and `boardflash plan`."""

from __future__ import annotations

from collections.abc import Sequence

from boardflash.image.model import LeftOut
from boardflash.plan.model import FlashPlan, all_assumptions

LEFT_OUT_LINES = 8


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """What of the inputs is written nowhere: a line each, as far as anybody reads them."""
    lines = [
        f"left out: {item.size:,} bytes at {item.address:#010x} ({item.source}): {item.reason}"
        for item in left_out[:LEFT_OUT_LINES]
    ]
    rest = left_out[LEFT_OUT_LINES:]
    if rest:
        lines.append(f"left out: {sum(item.size for item in rest):,} bytes more in {len(rest)} parts")
    return lines


def describe(plan: FlashPlan) -> list[str]:
    """The plan for a reader, line by line."""
    board = plan.board
    lines = [
        f"plan    {plan.digest[:16]}",
        f"board   {board.name} ({board.title}), facts {plan.board_digest[:16]}",
        f"MCU     {board.part.number}, device ID {board.mcu.device_id:#05x}, "
        f"J-Link device {board.part.jlink_device}",
    ]
    if board.qspi:
        lines += [
            f"chip    {chip.name}, {chip.size} bytes, JEDEC ID "
            + " or ".join(jedec_id.hex(" ").upper() for jedec_id in chip.jedec_ids)
            for chip in board.qspi.chips
        ]
    lines.append(f"loader  {plan.loader.file}, {plan.loader.toolchain}, {plan.loader.sha256[:16]}")
    lines += [
        f"vendor  {region.loader.file} ({region.loader.name}) for {region.name}, {region.loader.sha256[:16]}"
        for region in board.regions
        if region.loader is not None
    ]
    lines += [f"input   {item.name}, {item.sha256[:16]}" for item in plan.inputs]
    for region in plan.regions:
        lines.append(
            f"region  {region.name}: {region.byte_count} bytes in {len(region.runs)} "
            f"run{'s' if len(region.runs) != 1 else ''}, {region.address:#010x} to "
            f"{region.address + region.length - 1:#010x}, {len(region.digests)} digests of at most "
            f"{region.granule} bytes, {region.file}"
        )
        lines += [
            f"protect {region.name}: {size} bytes at {address:#010x} are never erased"
            for address, size in board.region(region.name).protect
        ]
    lines += left_out_lines(plan.left_out)
    lines += [f"override   {text}" for text in board.overrides]
    lines += [f"assumption {a.subject} = {a.value}: {a.reason}" for a in all_assumptions(board)]
    return lines

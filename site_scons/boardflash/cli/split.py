"""`boardflash split`: one .bin and one .hex for each region."""

from __future__ import annotations

import argparse

from boardflash.cli.output import tell
from boardflash.cli.plans import board_of, split_inputs


def run(arguments: argparse.Namespace) -> int:
    from boardflash.image.inputs import InputSpec
    from boardflash.image.split import write_region_files
    from boardflash.plan.describe import left_out_lines

    board = board_of(arguments)
    specs = [InputSpec.parse(text) for text in arguments.inputs]
    split = split_inputs(board, specs)
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = []
    for image in split.images:
        bin_file, hex_file = write_region_files(image, arguments.output)
        lines.append(
            f"{image.name}: {image.byte_count:,} bytes at {image.address:#010x} in {bin_file} and {hex_file}"
        )
    if arguments.all_regions:
        written = {image.name for image in split.images}
        for region in board.regions:
            if region.name not in written:
                for suffix in (".bin", ".hex"):
                    (arguments.output / f"{region.name}{suffix}").write_bytes(b"")
                lines.append(f"{region.name}: nothing")
    lines += left_out_lines(split.left_out)
    if not arguments.quiet:
        tell("\n".join(lines))
    return 0

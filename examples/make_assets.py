"""Makes an example's asset file: a title, pictures, a font and a table of noise.

    make_assets.py TITLE.txt OUTPUT.bin --pictures 4 --noise-kib 640

The same arguments give the same bytes on every machine. Pictures and font compress well, the noise
(SHAKE-128 of the title's file name, FIPS 202) does not. The title fills the first 64 bytes and nothing
else depends on it, so that one changed letter is one changed byte.
"""

from __future__ import annotations

import argparse
import hashlib
from array import array
from pathlib import Path

TITLE_SIZE = 64
WIDTH, HEIGHT = 480, 272
GLYPHS, GLYPH_ROWS = 96, 32


def picture(index: int) -> bytes:
    """A gradient in RGB565, little-endian, with a frame around it."""
    rows = bytearray()
    for y in range(HEIGHT):
        green = (y * 63 // HEIGHT + 16 * index) % 64
        row = array("H", ((x * 31 // WIDTH) << 11 | green << 5 | index % 32 for x in range(WIDTH)))
        if y in (0, HEIGHT - 1):
            row = array("H", [0xFFFF] * WIDTH)
        row[0] = row[-1] = 0xFFFF
        if array("H", [1]).tobytes() != b"\x01\x00":
            row.byteswap()
        rows += row.tobytes()
    return bytes(rows)


def font() -> bytes:
    """Boxes of growing height, one bit a pixel, four bytes a row."""
    glyphs = bytearray()
    for code in range(GLYPHS):
        top = GLYPH_ROWS - 1 - code * (GLYPH_ROWS - 2) // GLYPHS
        for row in range(GLYPH_ROWS):
            glyphs += (0x3FFFFFFC if row >= top else 0).to_bytes(4, "big")
    return bytes(glyphs)


def assets(title: str, pictures: int, noise_kib: int, seed: str) -> bytes:
    head = title.encode("utf-8")
    if len(head) > TITLE_SIZE:
        raise SystemExit(f"make_assets.py: the title takes {len(head)} bytes, at most {TITLE_SIZE} fit")
    parts = [head.ljust(TITLE_SIZE, b"\0")]
    parts += [picture(index) for index in range(pictures)]
    parts.append(font())
    parts.append(hashlib.shake_128(seed.encode()).digest(noise_kib * 1024))
    return b"".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make an example's asset file.")
    parser.add_argument("title", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--pictures", type=int, required=True)
    parser.add_argument("--noise-kib", type=int, required=True)
    arguments = parser.parse_args()
    title = arguments.title.read_text(encoding="utf-8").rstrip("\n")
    seed = arguments.title.parent.name
    arguments.output.write_bytes(assets(title, arguments.pictures, arguments.noise_kib, seed))


if __name__ == "__main__":
    main()

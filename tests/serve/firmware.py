"""A small application in both memories, linked by the zig wheel: what a debugger is pointed at."""

from __future__ import annotations

import subprocess
from pathlib import Path

from image.image_builders import SCRIPT, compiler

SOURCE = """\
typedef unsigned int u32;
extern u32 stack_top;
void reset(void);
int main(void);
__attribute__((section(".vectors"), used)) void *const vectors[4] = {
    &stack_top, (void *)reset, (void *)reset, (void *)reset };
volatile u32 counter = 0xC0FFEE11u;
__attribute__((section(".qspi"), used)) const unsigned char picture[20000] = {
    0x50, 0x49, 0x43, [19999] = 0x21 };
__attribute__((noinline)) u32 tick(u32 now)
{
    counter = now;
    return now + 1u;
}
int main(void)
{
    u32 now = 40;
    for (;;) {
        now = tick(now);
    }
}
__attribute__((used)) void reset(void) { main(); }
"""
FLAGS = ("-O1", "-g", "-ffreestanding", "-nostdlib", "-nostartfiles", "-fno-inline")


def link(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    source, script, elf = folder / "app.c", folder / "app.ld", folder / "app.elf"
    source.write_text(SOURCE)
    script.write_text(SCRIPT.format(origin=0x0800_0000))
    last = ("-T", str(script), "-Wl,-e,reset", "-Wl,--build-id=none", "-o", str(elf), str(source))
    done = subprocess.run([*compiler("zig"), *FLAGS, *last], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return elf

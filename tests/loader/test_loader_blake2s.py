"""BLAKE2s of the compiled loader in a bare core: right for every length, and as fast as the plan assumes."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from loader_boards import make_board
from unicorn import UC_ARCH_ARM, UC_HOOK_CODE, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_R2,
    UC_ARM_REG_R3,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M7,
)

from boardflash.loader.compile import Toolchain, build_loader

RAM, RAM_SIZE = 0x2000_0000, 0x5_0000
STATE, BLOCKS, SOURCE, DATA, STOP = 0x2001_0000, 0x2001_1000, 0x2001_2000, 0x2002_0000, 0x2004_F000
ARGUMENTS = (UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3)
BLOCK = 64
ASSUMED = 1430  # instructions a block, fetching the next one included; unrolled C has 1406 and 3.6 KiB more


class Hasher:
    """The loader's own functions, called one by one."""

    def __init__(self, elf: Path) -> None:
        self.core = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self.core.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
        self.core.mem_map(RAM, RAM_SIZE)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments():
                if segment["p_type"] == "PT_LOAD":
                    self.core.mem_write(segment["p_vaddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            self.symbols = {s.name: s["st_value"] for s in table.iter_symbols()}
        self.executed = 0

    def call(self, name: str, *arguments: int) -> None:
        top = STOP - 0x100
        for register, value in zip(ARGUMENTS, arguments, strict=False):
            self.core.reg_write(register, value)
        stacked = arguments[len(ARGUMENTS) :]
        self.core.mem_write(top, struct.pack(f"<{len(stacked)}I", *stacked))
        self.core.reg_write(UC_ARM_REG_SP, top)
        self.core.reg_write(UC_ARM_REG_LR, STOP | 1)
        self.core.emu_start(self.symbols[name] | 1, STOP)

    def count(self, *_: object) -> None:
        self.executed += 1

    def digest(self, data: bytes) -> bytes:
        self.core.mem_write(DATA, data)
        self.call("blake2s_begin", STATE)
        blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)] or [b""]
        for number, block in enumerate(blocks):
            self.core.mem_write(BLOCKS, block.ljust(BLOCK, b"\0"))
            self.call("blake2s_block", STATE, BLOCKS, len(block), number == len(blocks) - 1, 0, SOURCE)
        return bytes(self.core.mem_read(STATE, 16))


@pytest.fixture(scope="module", params=["zig", "gcc"])
def hasher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hasher:
    toolchain = {"zig": Toolchain.zig, "gcc": Toolchain.gcc}[request.param]()
    if not toolchain.available():
        pytest.skip(f"{toolchain.command[0]} is not installed")
    return Hasher(build_loader(make_board(), tmp_path_factory.mktemp("hash"), toolchain).elf)


@pytest.mark.parametrize("length", [0, 1, 3, 63, 64, 65, 127, 128, 129, 4096, 5000])
def test_digest_is_that_of_hashlib(hasher: Hasher, length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert hasher.digest(data) == hashlib.blake2s(data, digest_size=16).digest()


@pytest.mark.parametrize("step", [0, 4])
def test_next_block_is_fetched_meanwhile_at_the_assumed_cost(hasher: Hasher, step: int) -> None:
    data = random.Random(step).randbytes(2 * BLOCK)
    hasher.core.mem_write(DATA, data)
    hasher.core.mem_write(BLOCKS, data[:BLOCK] + bytes(BLOCK))
    ready = SOURCE + 12
    hasher.core.mem_write(SOURCE, struct.pack("<5I", DATA + BLOCK, step, ready, 1, 0))
    hasher.call("blake2s_begin", STATE)
    hook = hasher.core.hook_add(UC_HOOK_CODE, hasher.count)
    hasher.core.ctl_flush_tb()  # blocks that were translated without the hook would not count
    hasher.executed = 0
    hasher.call("blake2s_block", STATE, BLOCKS, BLOCK, 0, BLOCKS + BLOCK, SOURCE)
    hasher.core.hook_del(hook)
    fetched = bytes(hasher.core.mem_read(BLOCKS + BLOCK, BLOCK))
    assert fetched == (data[BLOCK:] if step else data[BLOCK : BLOCK + 4] * 16)
    print(f"{hasher.executed} instructions a block")
    assert 1000 < hasher.executed <= ASSUMED

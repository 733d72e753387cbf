"""Refuses objects that hold absolute addresses: moved, the loader would point to its old place."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from boardflash.errors import BoardflashError

SHF_ALLOC = 2

# ELF for the Arm Architecture (IHI 0044), table 4-8: those that stay right wherever the code lies.
RELATIVE = {
    3: "R_ARM_REL32",
    10: "R_ARM_THM_CALL",
    30: "R_ARM_THM_JUMP24",
    40: "R_ARM_V4BX",
    42: "R_ARM_PREL31",
    49: "R_ARM_THM_MOVW_PREL_NC",
    50: "R_ARM_THM_MOVT_PREL",
    51: "R_ARM_THM_JUMP19",
    102: "R_ARM_THM_JUMP11",
    103: "R_ARM_THM_JUMP8",
}


def refuse_absolute(path: Path, relative: Container[int] = RELATIVE) -> None:
    """BoardflashError if a loaded section of this object needs another kind of address than `relative`."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        for section in elf.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            target = elf.get_section(section["sh_info"])
            if not target["sh_flags"] & SHF_ALLOC or target.name.startswith((".ARM.exidx", ".ARM.extab")):
                continue
            for relocation in section.iter_relocations():
                kind = relocation["r_info_type"]
                if kind not in relative:
                    name = symbols.get_symbol(relocation["r_info_sym"]).name or "a section"
                    raise BoardflashError(
                        f"{target.name} holds an absolute address of {name} (relocation type {kind}); "
                        "fill the pointer at start or use a switch",
                        where=path.name,
                    )

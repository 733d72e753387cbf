"""Builds the target loader of a board: renders its data, compiles, links, checks, names the toolchain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boardflash.description.model import Board

from .artefact import LoaderArtefact


@dataclass(frozen=True)
class Toolchain:
    """A cross compiler for Cortex-M."""

    name: str  # "zig" or "gcc"

    @classmethod
    def zig(cls) -> Toolchain:
        return cls("zig")

    @classmethod
    def gcc(cls) -> Toolchain:
        return cls("gcc")

    def describe(self) -> str:
        """Name and version, as the plan records it."""
        raise NotImplementedError


def build_loader(board: Board, folder: Path, toolchain: Toolchain) -> LoaderArtefact:
    """`folder`/loader.elf for `board`; the same bytes for the same sources and toolchain, in any folder."""
    raise NotImplementedError

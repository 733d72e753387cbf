"""Writes and reads `plan.json`, with every hash in it checked before anyone connects to a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boardflash.description.model import Board
from boardflash.image.inputs import InputSpec
from boardflash.image.split import Split
from boardflash.plan.model import FlashPlan, LoaderRef


def make_plan(
    board: Board, split: Split, loader: LoaderRef, inputs: Sequence[InputSpec], folder: Path
) -> FlashPlan:
    """Write the region files and `plan.json` into `folder`; the loader is named relative to it."""
    raise NotImplementedError


def load_plan(path: Path) -> FlashPlan:
    """The plan in `path`, with loader and image files present and unharmed."""
    raise NotImplementedError


def describe(plan: FlashPlan) -> list[str]:
    """The plan for a reader, line by line."""
    raise NotImplementedError

"""Stamps: what was done to which device, written last, one for each probe and region.

A stamp never decides what is written unless the user says TRUST=stamp; then it counts for the very
chip that it names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boardflash.errors import BoardflashError
from boardflash.files import read_file, write_file

if TYPE_CHECKING:
    from boardflash.program.report import FlashReport

STAMP_SCHEMA = 1


def remove_stamps(paths: Sequence[Path]) -> None:
    """Before anything is written: from here on the old stamps would lie."""
    for path in paths:
        path.unlink(missing_ok=True)


def write_stamps(paths: Sequence[Path], report: FlashReport) -> None:
    """After everything is verified. `REGION.stamp` tells of that region, any other name of all."""
    told = report.to_json()
    names = {region["name"] for region in told["regions"]}
    for path in paths:
        regions = [r for r in told["regions"] if path.stem not in names or r["name"] == path.stem]
        stamp = {
            "schema": STAMP_SCHEMA,
            "plan": told["plan"],
            "board": told["board"],
            "probe": told["probe"],
            "simulated": told["simulated"],
            "unique_id": told["device"]["unique_id"],
            "jedec_id": told["device"]["jedec_id"],
            "regions": regions,
        }
        write_file(path, (json.dumps(stamp, indent=2, sort_keys=True) + "\n").encode())


def read_stamp(path: Path) -> dict[str, Any] | None:
    """The stamp, or None if there is none or it is not one of ours."""
    try:
        stamp = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError, BoardflashError):
        return None
    if not isinstance(stamp, dict) or stamp.get("schema") != STAMP_SCHEMA:
        return None
    regions = stamp.get("regions")
    if not isinstance(regions, list) or not all(
        isinstance(region, dict) and isinstance(region.get("name"), str) for region in regions
    ):
        return None
    texts = (stamp.get(key, "") for key in ("plan", "unique_id", "jedec_id"))
    return stamp if all(isinstance(text, str) for text in texts) else None


def why_not_trusted(
    stamps: Sequence[dict[str, Any] | None], plan: str, regions: Sequence[str], unique_id: str, jedec_id: str
) -> str:
    """ "" if the stamps say that this very device holds the plan; else the first reason against it."""
    found = [stamp for stamp in stamps if stamp is not None]
    if not found or len(found) < len(stamps):
        return "there is no stamp"
    for stamp in found:
        if stamp.get("plan") != plan:
            return "the stamp is of another plan"
        if stamp.get("unique_id") != unique_id:
            return f"the stamp is of the device {stamp.get('unique_id')}, this one is {unique_id}"
        if jedec_id and stamp.get("jedec_id") and stamp["jedec_id"] != jedec_id:
            return f"the stamp is of a QSPI chip {stamp['jedec_id']}, this one is {jedec_id}"
    told = {region.get("name") for stamp in found for region in stamp["regions"]}
    missing = [name for name in regions if name not in told]
    return f"the stamp does not speak of {missing[0]}" if missing else ""

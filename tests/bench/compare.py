"""Whether boardflash has become slower: its figures under the flat model beside those of another revision.

Allowed are 20 ms, for the proof of reads before the first change, or what that took where bytes beside the
image were read on one line as well (the report tells it apart); and that digests take 180/168 of the time
they took: the core runs at 168 MHz instead of 180. Digests come one after the other with all else, so they
bind in each row; how long they took is worked out from the other revision's own digest rate.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_rows import Results, digest_rate, limit_of, subjects
from cases import FLAT, Case

from boardflash.description.model import Board

PROOF_S = 0.020
SLOWER = 180 / 168
BOARD_RESOLUTION_S = 1e-6  # figures are kept to the microsecond


@dataclass(frozen=True)
class Compared:
    """Seconds on the board's clock."""

    case: Case
    before: float
    now: float
    digests: float  # of `before`
    proof: float  # of `now`: reads on one line, of samples and of all that is preserved

    @property
    def more(self) -> float:
        return self.now - self.before

    @property
    def allowed(self) -> float:
        return max(PROOF_S, self.proof) + (SLOWER - 1) * self.digests

    @property
    def worse(self) -> bool:
        return self.more > self.allowed + BOARD_RESOLUTION_S


def published(root: Path, revision: str) -> dict[str, dict[str, object]]:
    """The results in that revision's docs/bench.json. Before there were models, all were of the flat one."""
    asked = ["git", "-C", str(root), "show", f"{revision}:docs/bench.json"]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"no results of {revision}: {done.stderr.strip()}")
    results: dict[str, dict[str, object]] = json.loads(done.stdout)["results"]
    parts = FLAT_KEY.count("/")
    return {key if key.count("/") == parts else f"{key}/{FLAT}": value for key, value in results.items()}


FLAT_KEY = Case("", "", 0, "", model=FLAT).key


def compare(results: Results, before: Results, board: Board) -> list[Compared]:
    """The rows that both have."""
    found = []
    for case in subjects(FLAT):
        now, was = results.get(case.key), before.get(case.key)
        if now is None or was is None:
            continue
        limit = limit_of(case, board, *digest_rate(before, case.memory, case.chip, FLAT))
        found.append(
            Compared(
                case,
                float(was["board_seconds"]),
                float(now["board_seconds"]),
                limit.first_digest + limit.last_digest,
                float(now.get("proof_seconds", 0)),
            )
        )
    return found


def report(found: Sequence[Compared], revision: str) -> str:
    """A line for each row, in milliseconds where they are differences."""
    lines = [f"boardflash under the flat model, beside {revision}:"]
    for row in found:
        case = row.case
        verdict = f"WORSE, by {(row.more - row.allowed) * 1000:.1f} ms" if row.worse else "as allowed"
        lines.append(
            f"  {case.what + ', ' + case.situation:32s} {case.place:28s} {row.before:8.3f} s {row.now:8.3f} s"
            f" {row.more * 1000:+8.1f} ms, allowed {row.allowed * 1000:6.1f}; {verdict};"
            f" reads on one line took {row.proof * 1000:.1f} ms"
        )
    worse = sum(row.worse for row in found)
    missing = len(subjects(FLAT)) - len(found)
    lines.append(
        f"{worse} of {len(found)} rows are worse than allowed; {missing} rows have no figure to compare"
    )
    return "\n".join(lines)

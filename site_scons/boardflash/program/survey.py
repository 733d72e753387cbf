"""Asks the device what it holds: BLAKE2s digests that the loader computes over the flash itself.

One root digest covers many pieces, so an unchanged megabyte costs sixteen bytes on the link; the list
behind a root is only read where the root differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from boardflash.image.model import DIGEST_BYTES, Piece, digest_of
from boardflash.loader.protocol import Operation, Result
from boardflash.loader.session import LoaderSession
from boardflash.program.steps import Step

PIECES_PER_COMMAND = 256
#: So few digests are read without asking for their root first: that would cost as much as they do.
LISTED_AT_ONCE = 8
#: Time for a digest: the loader hashes more than 4 MB/s even from a slow clock; only a silence limit.
BYTES_PER_SECOND_AT_LEAST = 500_000
BYTES_PER_SECOND_TYPICAL = 6_500_000  # the core at 168 MHz is what limits it

Digests = dict[tuple[int, int], bytes]


def digest_steps(
    session: LoaderSession,
    pieces: Sequence[Piece],
    granule: int,
    found: Digests,
    advanced: Callable[[int], None],
) -> Iterator[Step]:
    """Steps that fill `found` with the device's digest of every piece.

    `pieces` are sorted and cut at multiples of `granule`. Each step's root settles its pieces when it
    matches what they should be.
    """
    for group in runs_of(pieces, PIECES_PER_COMMAND):
        yield _digest_step(session, group, granule, found, advanced)


def _digest_step(
    session: LoaderSession,
    group: Sequence[Piece],
    granule: int,
    found: Digests,
    advanced: Callable[[int], None],
) -> Step:
    length = group[-1].end - group[0].address
    root = digest_of(b"".join(piece.digest for piece in group))

    def answer(result: Result, buffer: int) -> None:
        if result.detail == root:
            digests = [piece.digest for piece in group]
        else:
            digests = listed(buffer)
        note(digests)

    def listed(buffer: int) -> list[bytes]:
        data = session.link.read_memory(buffer, len(group) * DIGEST_BYTES)
        return [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]

    def note(digests: Sequence[bytes]) -> None:
        for piece, digest in zip(group, digests, strict=True):
            found[piece.address, piece.size] = digest
        advanced(length)

    return Step(
        Operation.DIGEST,
        group[0].address,
        length,
        argument=granule,
        space=len(group) * DIGEST_BYTES,
        expected_s=length / BYTES_PER_SECOND_TYPICAL,
        limit_s=1.0 + length / BYTES_PER_SECOND_AT_LEAST,
        answer=answer if len(group) > LISTED_AT_ONCE else None,
        filled=None if len(group) > LISTED_AT_ONCE else lambda buffer: note(listed(buffer)),
    )


def runs_of(pieces: Sequence[Piece], most: int) -> Iterator[Sequence[Piece]]:
    """Runs of adjoining pieces, at most `most` in each."""
    start = 0
    for index, (before, after) in enumerate(pairwise(pieces), 1):
        if before.end != after.address or index - start == most:
            yield pieces[start:index]
            start = index
    if start < len(pieces):
        yield pieces[start:]

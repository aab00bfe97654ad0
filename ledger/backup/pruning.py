"""Pruning: old generations go, and then the chunks that no generation names any more.

What an erased section had is in the chunks of generations from before the erasure alone, so it goes with the last of
them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from msgspec import Struct

from ledger.backup.chunks import FOLDER
from ledger.backup.creating import YOUNG_S
from ledger.backup.generations import MANIFESTS, manifest_path, note_path, numbers_at, read_generation, read_manifest
from ledger.backup.places import BackupPlace
from ledger.core.trust.trust_file import Trust

LEFT_S = 2 * YOUNG_S  # seconds after which nobody takes over a chunk that no generation names


class Pruned(Struct, frozen=True):
    """What is gone: the numbers of generations, and how many chunks of how many bytes."""

    generations: tuple[int, ...]
    chunks: int
    freed: int


def prune(
    place: BackupPlace,
    keep: int,
    trust: Trust | None,
    identities: Sequence[str],
    *,
    now: int,
    at_once: bool = False,
) -> Pruned:
    """Delete all generations but the last ``keep``, of which there is at least one, and what they alone name.

    A chunk that no generation names may be of a run that goes on, or that was cut off and will be gone on with: it
    stays for a day, unless ``at_once`` says that there is no such run. Raises Damaged and KeyMismatch, with nothing
    deleted, if a manifest that stays cannot be read, OfOtherLedger, and Unavailable.
    """
    numbers = numbers_at(place)
    gone, kept = numbers[: -max(1, keep)], numbers[-max(1, keep) :]
    generations = [read_generation(place, number, trust) for number in kept]
    named = {ref.path for generation in generations for ref in read_manifest(place, generation, identities).chunks()}
    manifests = {manifest_path(generation) for generation in generations}
    # Notes first, the oldest before the others: whoever is cut off leaves generations that are whole.
    place.forget(map(note_path, gone))
    # That of a generation that is being made has a number behind the last.
    old = re.compile(rf"{MANIFESTS}/([0-9]+)-")
    last = kept[-1] if kept else 0
    place.forget(
        name
        for name in place.listed(MANIFESTS)
        if name not in manifests and (match := old.match(name)) and int(match[1]) <= last
    )
    unnamed = {
        name: each.size
        for name, each in place.listed(FOLDER).items()
        if name not in named and (at_once or now - each.written_at > LEFT_S)
    }
    place.forget(unnamed)
    place.clear_away(math.inf if at_once else now - LEFT_S)
    return Pruned(tuple(gone), len(unnamed), sum(unnamed.values()))

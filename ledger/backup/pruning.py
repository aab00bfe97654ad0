"""Pruning: old generations go, and then the chunks that no generation names any more.

What an erased section had is in the chunks of generations from before the erasure alone, so it goes with the last of
them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from ledger.backup.chunks import FOLDER
from ledger.backup.creating import YOUNG_S
from ledger.backup.generations import (
    MANIFESTS,
    NOTES,
    manifest_path,
    note_path,
    numbers_at,
    read_generation,
    read_manifest,
)
from ledger.core.trust.trust_file import Trust
from ledger.storage.objects import STAGED, Objects, StoredObject

LEFT_S = 2 * YOUNG_S  # seconds after which nobody takes over a chunk that no generation names


class Pruned(Struct, frozen=True):
    """What is gone: the numbers of generations, and how many chunks of how many bytes."""

    generations: tuple[int, ...]
    chunks: int
    freed: int


def prune(
    place: Objects,
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
    place.delete(map(note_path, gone))
    # That of a generation that is being made has a number behind the last.
    old = re.compile(rf"{MANIFESTS}/([0-9]+)-")
    last = kept[-1] if kept else 0
    listed = [*place.list(MANIFESTS)]
    place.delete(
        each.name
        for each in listed
        if each.name not in manifests and (match := old.match(each.name)) and int(match[1]) <= last
    )

    def is_left(each: StoredObject) -> bool:
        return at_once or now - each.written_at > LEFT_S

    unnamed = {each.name: each.size for each in place.list(FOLDER) if each.name not in named and is_left(each)}
    place.delete(unnamed)
    # What a run that was killed had half written.
    staged = [each for each in (*listed, *place.list(NOTES)) if each.name.endswith(STAGED)]
    place.delete(each.name for each in staged if is_left(each))
    return Pruned(tuple(gone), len(unnamed), sum(unnamed.values()))

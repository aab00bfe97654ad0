"""The head map of logs of several numbers of streams: what an update and a proof cost, and what it takes on the disk.

python -m scripts.bench.head_maps [--streams N...] [--heads N] [--rounds N] [--folder DIRECTORY] [--json FILE]

The map is in pages in the service's own SQLite database, as it is when a ledger runs. An update takes ``--heads``
streams, chosen by chance, from the stored map to the stored next one, with every page that is read compared with the
root; a proof is read from the database, too, and then verified. Medians of ``--rounds`` are shown, in CPU time, beside
those of the smallest map, and the disk and the memory that it took.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple, TypeVar

from rich.progress import track

from ledger.core.log.head_map import MapKey, MappedHead, verify_head
from ledger.core.log.merkle import Hash
from ledger.store import head_map
from ledger.store.database import Database
from ledger.store.head_map import MapState
from ledger.store.log import initialise
from ledger.store.opening import open_database
from scripts.bench.figures import Figure, options, show

PREFIXES = 256  # parts in which a map is filled, each with the keys that begin alike: so a page is written once
LOGARITHMIC = "<= 8"  # from 10^4 to 10^7 streams: a path becomes twice as long, and a batch shares less of it
T = TypeVar("T")


class Cost(NamedTuple):
    """Of a map: milliseconds of CPU time, hashes of a proof, bytes of a stream on the disk."""

    update: float
    prove: float
    verify: float
    length: float
    disk: float


def main() -> None:
    """Measures and shows."""
    args = options(__doc__, streams=[10_000, 1_000_000, 10_000_000], heads=1_000, rounds=5, folder="")
    figures: list[Figure] = []
    smallest: Cost | None = None
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-", dir=args.folder or None) as folder:
        for streams in args.streams:
            cost = measured(Path(folder), streams, args.heads, args.rounds)
            smallest = smallest or cost
            figures += [
                figure(f"update {args.heads:,} of {streams:,} streams", cost.update, smallest.update, "ms"),
                figure(f"prove one of {streams:,}", cost.prove, smallest.prove, "ms"),
                figure(f"verify one of {streams:,}", cost.verify, smallest.verify, "ms"),
                figure(f"proof in {streams:,}", cost.length, smallest.length, "hashes"),
                figure(f"disk of {streams:,}", cost.disk, smallest.disk, "bytes a stream"),
            ]
    show("The head map, as the streams of a log grow", figures, args.json)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def figure(title: str, ours: float, reference: float, unit: str) -> Figure:
    """Return one line of the table."""
    return Figure(title, ours, "smallest", reference, unit, LOGARITHMIC)


def measured(folder: Path, streams: int, heads: int, rounds: int) -> Cost:
    """Fill a map and measure it."""
    file = folder / f"{streams}.db"
    database = open_database(f"sqlite:///{file}")
    initialise(database, sha256(b"bench").digest())
    chance = Random(streams)  # noqa: S311 - a map to be measured
    sample_keys = fill(database, streams, heads * rounds, chance)
    database.empty_write_ahead_log()
    disk = file.stat().st_size / streams
    updates, proofs, checks, lengths = list[float](), list[float](), list[float](), list[int]()
    for number in range(rounds):
        chosen = sample_keys[number * heads : (number + 1) * heads]
        changed = {key: MappedHead(2 + number, Hash(chance.randbytes(32))) for key in chosen}
        updates.append(cpu_ms(lambda changed=changed: advance(database, changed))[0])  # type: ignore[misc]
        with database.read() as connection:
            state = head_map.state(connection)
            for key in chosen[:20]:
                spent, proof = cpu_ms(lambda key=key: head_map.map_at(connection, state).prove(key))  # type: ignore[misc] # noqa: B023
                proofs.append(spent)
                lengths.append(len(proof.siblings))
                spent, proven = cpu_ms(lambda key=key, proof=proof: verify_head(key, proof, state.root))  # type: ignore[misc] # noqa: B023
                checks.append(spent)
                assert proven == changed[key]
    database.close()
    file.unlink()
    return Cost(median(updates), median(proofs), median(checks), median(lengths), disk)


def fill(database: Database, streams: int, sample: int, chance: Random) -> list[MapKey]:
    """Store a map of so many streams, with keys by chance; return some of them, in no order."""
    sample_keys: list[MapKey] = []
    for keys in track(list(_shares(streams, chance)), description=f"{streams:,} streams"):
        prefix, count = keys
        heads = {_key(prefix, chance): MappedHead(1, Hash(chance.randbytes(32))) for _ in range(count)}
        if heads:
            advance(database, heads)
            sample_keys += chance.sample(list(heads), min(count, 1 + 2 * sample // PREFIXES))
    chance.shuffle(sample_keys)
    return (sample_keys * (1 + sample // max(1, len(sample_keys))))[:sample]


def _shares(streams: int, chance: Random) -> Iterator[tuple[int, int]]:
    """Yield how many of the streams have keys that begin with each of the prefixes."""
    left = streams
    for prefix in range(PREFIXES):
        parts = PREFIXES - prefix
        share = left if parts == 1 else max(0, min(left, round(chance.gauss(left / parts, (left / parts) ** 0.5))))
        left -= share
        yield prefix, share


def _key(prefix: int, chance: Random) -> MapKey:
    return MapKey((prefix << 248 | chance.getrandbits(248)).to_bytes(32, "big"))


def advance(database: Database, heads: dict[MapKey, MappedHead]) -> None:
    """Put heads into the stored map, and store it."""
    with database.read() as connection:
        before = head_map.state(connection)
        updated = head_map.map_at(connection, before)
        updated.update(heads)
    after = MapState(before.size + 1, updated.root)
    assert head_map.advance(database, before, after, updated.changed, needed=before.size + 1)


def cpu_ms(action: Callable[[], T]) -> tuple[float, T]:
    """Return the milliseconds of CPU time that an action took, and its result."""
    began = time.process_time()
    result = action()
    return (time.process_time() - began) * 1000, result


if __name__ == "__main__":
    main()

"""A witness that follows a long log from its first entry, beside recovering as many signatures on one core.

python -m tests.campaigns.bench.witness [--entries N] [--json FILE]

The witness runs as its operator runs it; the log is files behind a plain HTTP server, so that what is measured is the
witness: time and entries a second until all is followed, the most memory it had, and the size of its database.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from coincurve import PublicKey
from rich.progress import track

from ledger.core.events import case
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.tiles import TILE_WIDTH, BundleName, RightEdge, TileName, encode_entry_bundle
from ledger.core.signing.signatures import signing_hash
from scripts.bench.figures import Figure, options, show
from tests.testkit.builders import LOG_ID, SignedEvent, Writer
from tests.testkit.bundles import LOG_SIGNER
from tests.testkit.ledger_with_chain import linked_ledger
from tests.testkit.machine import Quiet, listening
from tests.unit.witness.running import running, settle
from tests.unit.witness.stand import CLERK, Stand, standing

PER_CASE = 20  # entries
STEP = 16 * TILE_WIDTH  # leaves that the tree grows by at a time
MEGABYTE = 1_000_000
MEMORY_LIMIT_MB = 300.0


def main() -> None:
    args = options(__doc__, entries=100_000)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as directory:
        folder = Path(directory)
        with linked_ledger(folder) as linked:
            linked.grant(CLERK)
            with standing(linked, folder) as stand:
                events = [*stand.log.events, *cases(args.entries - len(stand.log.events))]
                lay_down(folder / "log", events, stand)
                settle(stand, folder)
                with listening(partial(Files, directory=str(folder / "log"))) as url:
                    stand.log.url = url
                    seconds, memory = follow(stand, folder, len(events))
                database = sum(file.stat().st_size for file in (folder / "witness").glob("witness.db*")) / MEGABYTE
    reference = recover(events)
    print(f"{len(events) / seconds:,.0f} entries a second; the database has {database:,.1f} MB")
    figures = [
        Figure(f"following {len(events):,} entries", seconds, "coincurve recover, one core", reference, "s", "<= 4"),
        Figure("most memory of the witness", memory, "limit", MEMORY_LIMIT_MB, "MB", "<= 1"),
    ]
    show("Witness", figures, args.json)


def cases(count: int) -> Iterator[SignedEvent]:
    """Make so many entries in cases of ``PER_CASE``."""
    for number in track(range(0, count, PER_CASE), f"{count:,} entries"):
        writer = Writer("case", f"case-{number}")
        for position in range(min(PER_CASE, count - number)):
            yield writer.write(case.PersonNamed(person_id=f"p-{position}", role="suspect"), CLERK)


def lay_down(folder: Path, events: list[SignedEvent], stand: Stand) -> None:
    """Write the public routes of the log as files."""
    entries = [event.entry for event in events]
    edge = RightEdge()
    rows: dict[tuple[int, int], bytes] = {}
    for start in range(0, len(entries), STEP):
        grown = edge.append([leaf_hash(entry) for entry in entries[start : start + STEP]])
        rows |= {(tile.level, tile.index): tile.hashes for tile in grown.tiles}
        edge = grown.edge
    for (level, index), hashes in rows.items():
        put(folder / TileName(level, index, len(hashes) // 32).path(), hashes)
    for index in range(0, len(entries), TILE_WIDTH):
        bundle = entries[index : index + TILE_WIDTH]
        put(folder / BundleName(index // TILE_WIDTH, len(bundle)).path(), encode_entry_bundle(bundle))
    checkpoint = Checkpoint(LOG_SIGNER.verifying_key.name, len(entries), edge.frontier.root())
    put(folder / "checkpoint", sign_checkpoint(checkpoint, LOG_SIGNER).encode())
    answer = stand.log.answer("/api/v1/registry?after=-1&limit=1000")
    assert isinstance(answer, bytes)
    put(folder / "api/v1/registry", answer)


def put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


class Files(Quiet, SimpleHTTPRequestHandler):
    """Serves the files of a folder, over connections that stay open."""

    protocol_version = "HTTP/1.1"


def follow(stand: Stand, folder: Path, size: int) -> tuple[float, float]:
    """Return the seconds from its start until the witness has followed everything, and the most memory it had in MB."""
    with running(stand, folder, REACH_TIMEOUT_S=3600, LOOK_INTERVAL_S=1) as witness:
        began = time.monotonic()
        while witness.status()["followed"] != size:
            assert witness.status()["health"] != "halted"
            time.sleep(0.2)
        seconds = time.monotonic() - began
        status = Path(f"/proc/{witness.process.pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return seconds, int(peak) / 1000


def recover(events: list[SignedEvent]) -> float:
    """Return the seconds to recover the signer of each entry, and nothing else."""
    signed = [(bytes.fromhex(event.envelope.signature[2:]), signing_hash(event.envelope, LOG_ID)) for event in events]
    began = time.monotonic()
    for signature, digest in signed:
        PublicKey.from_signature_and_message(signature[:64] + bytes((signature[64] - 27,)), digest, hasher=None)
    return time.monotonic() - began


if __name__ == "__main__":
    main()

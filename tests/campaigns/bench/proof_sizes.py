"""Sizes of proofs: tlog-proof and bundle, with and without a timestamp, in logs of a thousand and a million entries.

python -m tests.campaigns.bench.proof_sizes [--json FILE]

Needs `openssl`. The bundles have no anchor: see tests.campaigns.bench.proofs. Times are of one core, medians.
"""

from __future__ import annotations

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ledger.core.log import merkle
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Growth, Hash, leaf_hash
from ledger.core.log.notes import parse_note
from ledger.core.verification.bundle import TreeStamp, decode_bundle, encode_bundle, tlog_proof_of
from ledger.core.verification.timestamps import verify_timestamp
from ledger.core.verification.verify import verify_event
from scripts.bench.figures import in_turn, options
from tests.testkit import bundles
from tests.testkit.casework import Case
from tests.testkit.timestamping import new_authority

SIZES = (1_000, 1_000_000)
ROUNDS = 15


@dataclass
class LargeLog(bundles.Log):
    """A log whose events are followed by leaves that nobody looks at, up to ``size`` entries."""

    size: int = 0

    def fix(self) -> None:
        """Make the tree of the events as they are now."""
        leaves = [leaf_hash(event.entry) for event in self.events]
        leaves += (Hash(sha256(b"leaf %d" % index).digest()) for index in range(len(leaves), self.size))
        self._growth: Growth = merkle.grow(EMPTY_TREE, leaves)

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        assert size in {None, self.size}, "this log is of one size"
        return Checkpoint(self.log_signer.verifying_key.name, self.size, self._growth.root())

    def path(self, index: int, size: int) -> Sequence[bytes]:
        rows = self._growth.rows
        return merkle.inclusion_proof(index, size, lambda level, at: Hash(rows[level].nodes[at - rows[level].first]))


def main() -> None:
    """Measure and show."""
    args = options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for size in SIZES for row in measured(size, Path(folder, str(size)))]
    table = Table(title="Sizes of proofs")
    for heading in ("entries", "what", "bytes", "ms to verify"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for size, title, length, seconds in rows:
        table.add_row(f"{size:,}", title, f"{length:,}", f"{seconds * 1000:.2f}" if seconds else "")
    Console(width=120).print(table)
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def measured(size: int, folder: Path) -> list[tuple[int, str, int, float]]:
    """Return the size of the log, what it is, its bytes, and the seconds of a verification (0 where none was timed)."""
    case = Case().open().register("phone")
    founded = bundles.log_with(case)
    log = LargeLog(events=founded.events, registry=founded.registry, size=size)
    log.fix()
    index, note = len(log.events) - 1, log.note()
    authority = new_authority(folder)
    text = parse_note(note).text
    response = authority.stamp(text.encode())
    stamp = TreeStamp(size=size, root=log.checkpoint().root, response=b64encode(response).decode())
    plain = encode_bundle(log.bundle(index, note, anchored=False))
    stamped = encode_bundle(log.bundle(index, note, anchored=False, timestamps=(stamp,)))
    trust = bundles.trust(timestamp_roots=(authority.root,))
    assert verify_event(stamped, trust).report.proven_time is not None

    def verify_anew() -> None:
        verify_timestamp.cache_clear()
        verify_event(stamped, trust)

    bare, fresh, warmed = in_turn(
        ROUNDS, lambda: verify_event(plain, trust), verify_anew, lambda: verify_event(stamped, trust)
    )
    return [
        (size, "tlog-proof", len(tlog_proof_of(decode_bundle(plain)).encode()), 0),
        (size, "bundle", len(plain), bare),
        (size, "bundle with a timestamp", len(stamped), fresh),
        (size, "the same, the timestamp seen before", len(stamped), warmed),
        (size, "the timestamp alone (DER)", len(response), 0),
    ]


if __name__ == "__main__":
    main()

"""Gas: an anchor, and its share in each handover, on a node of its own.

python -m tests.campaigns.bench.gas [--json FILE]
"""

from __future__ import annotations

from scripts.bench.figures import Figure, options, show
from tests.unit.contracts.gas_table import anchors
from tests.unit.contracts.ledger import running_node

BATCH = 1000  # handovers under one anchor
MAPPING_RECORD = 45_711  # gas: one transaction that puts one record into a mapping
REFERENCE_ANCHOR = 94_109  # gas: a whole anchor of a two-slot record with a 12-hash consistency proof
COSIGNATURE = 3_000 + 65 * 16  # gas: ecrecover, and 65 bytes of calldata that are not zero


def main() -> None:
    """Measure, and show the figures."""
    args = options(__doc__)
    with running_node() as web3:
        gas = {row.label: row.gas for row in anchors(web3)}
    alone, cosigned = (gas[f"anchor, 12-hash consistency, quorum {quorum}"] for quorum in (0, 2))
    bare = REFERENCE_ANCHOR + 2 * COSIGNATURE
    figures = [
        Figure(
            f"gas per handover, batch {BATCH:,}", alone / BATCH, "a record each", MAPPING_RECORD, "gas", "<= 0.0025"
        ),
        Figure("anchor, quorum 2", cosigned, "bare anchor, 2 ecrecover", bare, "gas", "<= 1.15"),
    ]
    show("Gas", figures, args.json)


if __name__ == "__main__":
    main()

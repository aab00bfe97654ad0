"""Builds what an agency registers of a data set, so that a test says only what it is about."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ledger.core.events.record import DatasetRegistered


def dataset(data: bytes = b"", **fields: Any) -> DatasetRegistered:
    """Return a pension list of the first half of 2026, by the digest of its file; of one row unless said otherwise."""
    defaults: dict[str, Any] = {
        "dataset_id": "pensions",
        "source": "social security bureau",
        "legal_basis": "cooperation agreement 2026-3",
        "period_from": "2026-01-01",
        "period_until": "2026-06-30",
        "rows": 1,
        "digest": f"sha256:{sha256(data).hexdigest()}",
    }
    return DatasetRegistered(**(defaults | fields))

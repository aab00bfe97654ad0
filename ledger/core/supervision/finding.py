"""What makes two findings one: the model and the values of its key."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.core import canonical
from ledger.core.event import digest_of

_HEX_KEPT = 32  # of the digest's 64 digits: a lead's id is short enough to be read out


def finding_digest(model_id: str, key: Mapping[str, str]) -> str:
    """``blake3:<hex>`` of the canonical ``{"key": key, "model_id": model_id}``, whatever the model's version."""
    return digest_of(canonical.encode({"model_id": model_id, "key": dict(key)}))


def lead_id_of(finding: str) -> str:
    """The lead, and the stream, of a finding's digest: one for each finding, so that none is raised twice."""
    return "lead-" + finding.partition(":")[2][:_HEX_KEPT]

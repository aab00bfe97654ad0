"""The catalogue of faults: importing it names them all."""

from tests.campaigns.verifiers.faults import (  # noqa: F401
    anchors,
    chance,
    entries,
    envelopes,
    files,
    payloads,
    proofs,
    rights,
    sections,
    sound,
    states,
    tree_heads,
    tries,
    trust_files,
    witnesses,
)
from tests.campaigns.verifiers.faults.naming import FAULTS, REFUSED, Expected

__all__ = ["FAULTS", "REFUSED", "Expected"]  # the modules are imported for what they enter

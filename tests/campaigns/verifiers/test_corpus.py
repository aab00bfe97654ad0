"""Two verifiers, one written from the document alone: they agree on every fault, and with what the document says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tests.campaigns.verifiers.compare import compared, samples
from tests.campaigns.verifiers.faults import FAULTS


def test_verifiers_agree_on_every_fault(tmp_path: Path) -> None:
    """Each fault once: verdict and status of each step are those of the protocol, with both. The long run is
    ``python -m tests.campaigns.verifiers``."""
    corpus = list(islice(samples(seed=20260302), len(FAULTS)))
    assert len({sample.fault for sample in corpus}) == len(FAULTS)
    assert compared(corpus, tmp_path / "corpus.jsonl") == []

"""Two verifiers, one written from the document alone: they agree on every fault, and with what the document says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tests.campaigns.verifiers.compare import Sample, compared, difference, samples
from tests.campaigns.verifiers.faults import FAULTS, Expected


def test_verifiers_agree_on_every_fault(tmp_path: Path) -> None:
    """Each fault once: verdict and status of each step are those of the protocol, with both. The long run is
    ``python -m tests.campaigns.verifiers``."""
    corpus = list(islice(samples(seed=20260302), len(FAULTS)))
    assert len({sample.fault for sample in corpus}) == len(FAULTS)
    assert compared(corpus, tmp_path / "corpus.jsonl") == []


def test_a_corpus_follows_from_its_seed() -> None:
    """The same seed gives the same files, another one others."""

    def files(seed: int) -> list[bytes]:
        return [sample.data for sample in islice(samples(seed), 20)]

    assert files(3) == files(3)
    assert files(3) != files(4)


def test_differences_are_told(tmp_path: Path) -> None:
    """Another status, verdict or failing step than expected is a difference, and so is one between the verifiers."""
    intact = ["intact", *["checked"] * 12]
    assert difference(Expected("intact"), intact, intact) == ""
    assert "JavaScript" in difference(Expected("intact"), intact, ["refused"])
    assert "expected tampered" in difference(Expected("tampered"), intact, intact)
    failing = ["tampered", "failed", *["checked"] * 12]
    assert difference(Expected("tampered", frozenset({1})), failing, failing) == ""
    assert "expected" in difference(Expected("tampered", frozenset({2})), failing, failing)
    nothing = Sample("none", "none", b"", b"", Expected("refused"))
    assert compared([nothing], tmp_path / "one.jsonl") == []

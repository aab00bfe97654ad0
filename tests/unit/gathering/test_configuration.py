"""The file of witnesses: read strictly, and again when it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.core.errors import MalformedInput
from ledger.witness.gathering.witnesses import Witness, WitnessFile, read_witnesses
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import LOG_SIGNER
from tests.testkit.witness_server import SmallWitness

URL = "http://127.0.0.1:8431"


def small(name: str) -> SmallWitness:
    return SmallWitness(name, LOG_SIGNER.verifying_key, LOG_ID, url=URL)


def test_a_witness_has_a_url_a_key_and_where_the_contract_counts_it_an_account() -> None:
    """Both kinds stand in one file; a slash at the end of a URL means nothing."""
    ours, foreign = small("w1"), SmallWitness("w2", LOG_SIGNER.verifying_key, LOG_ID, url="https://w2.example/tlog/")
    assert read_witnesses(ours.row() + foreign.row(foreign=True)) == (
        ours.configured,
        Witness("https://w2.example/tlog", foreign.signer.verifying_key),
    )
    assert read_witnesses("") == ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[witnesses]", "witnesses.toml"),
        ("[[witnesses]]\nurl = 1\n", "witnesses.toml"),
        (small("w1").row() + "colour = 'red'\n", "witnesses.toml"),
        (small("w1").row().replace(URL, "ftp://w1"), "witnesses.toml: witnesses[0].url"),
        (small("w1").row().replace(URL, URL + "?x=1"), "witnesses.toml: witnesses[0].url"),
        (f'[[witnesses]]\nurl = "{URL}"\nverifier_key = "w1"\n', "witnesses.toml: witnesses[0].verifier_key"),
        (
            f'[[witnesses]]\nurl = "{URL}"\nverifier_key = "{LOG_SIGNER.verifying_key.vkey()}"\n',
            "witnesses.toml: witnesses[0].verifier_key",
        ),
        (small("w1").row() * 2, "witnesses.toml: verifier_key"),
        (small("w1").row() + small("w2").row(), "witnesses.toml: url"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_field(text: str, field: str) -> None:
    """TOML, known names, http(s), a key for co-signatures, no witness twice."""
    with pytest.raises(MalformedInput) as refused:
        read_witnesses(text)
    assert refused.value.field == field


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Witnesses come and go while the service runs; a file that is broken meanwhile changes nothing."""
    path = tmp_path / "witnesses.toml"
    file = WitnessFile(path)
    assert file() == ()
    for number, (text, expected) in enumerate(
        [(small("w1").row(), 1), ("", 0), (small("w1").row(), 1), ("[[broken", 1), (small("w2").row(), 1)]
    ):
        path.write_text(text)
        os.utime(path, ns=(number, number))
        assert len(file()) == expected
    assert file()[0].name == "w2"
    path.unlink()
    assert file() == ()

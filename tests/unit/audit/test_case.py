"""The audit of one case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.audit import audit_case, left_out
from ledger.core.errors import IntegrityBroken, NotFound
from ledger.core.events.case import CaseSplit
from ledger.core.log.merkle import root_of
from ledger.core.log.tiles import hashes_in
from ledger.store.database import open_database
from tests.testkit.builders import PROCURATORATE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.audit.stand import BOOK, FOUNDING, OFFICERS, TRUST, Stand, contracts, found


@pytest.mark.parametrize(
    ("case_id", "verdict"), [("case-1", "intact"), ("case-2", "not_yet_anchored"), ("case-3", "not_yet_anchored")]
)
def test_sound_case(stand: Stand, case_id: str, verdict: str) -> None:
    """A sound case is sound by itself, split or not; the anchor is of case-1 only."""
    report = audit_case(stand.database, TRUST, BOOK, case_id, look=contracts(stand))
    assert (report.findings, report.verdict, report.scope) == ((), verdict, f"case {case_id}")


def test_case_that_gave_up_what_no_case_has_taken_over_yet(stand: Stand) -> None:
    """Between the split and the opening of the new case the item is in the old one, as one that left."""
    stand.ledger.post_all(stand.theft.register("gold").events[-1:])
    stand.theft.act(CaseSplit(new_case_id="case-9", ground="two offences", item_ids=("gold",)))
    stand.ledger.post(stand.theft.last)
    assert stand.value("SELECT case_id || ' ' || status FROM items WHERE item_id = 'gold'") == "case-1 left"
    assert audit_case(stand.database, TRUST, BOOK, "case-1", look=contracts(stand)).findings == ()

    cited, by = stand.theft.last.ref, clerk(PROCURATORATE)
    opened = Case("case-9", start=stand.theft.now).open(by, source=stand.theft.state, split_from=cited)
    stand.ledger.post(opened.last)
    assert stand.value("SELECT status FROM items WHERE item_id = 'gold' AND case_id = 'case-9'") == "held"
    assert stand.value("SELECT status FROM items WHERE item_id = 'gold' AND case_id = 'case-1'") == "left"
    for case_id in ("case-1", "case-9"):
        assert audit_case(stand.database, TRUST, BOOK, case_id, look=contracts(stand)).findings == ()


def test_case_of_which_a_part_is_anchored(stand: Stand) -> None:
    """What came since the last anchor is counted."""
    stand.ledger.post_all(stand.theft.register("gold", "silver").events[-2:])
    report = audit_case(stand.database, TRUST, BOOK, "case-1", look=contracts(stand))
    assert (report.verdict, report.anchored_up_to, report.entries_since) == ("intact", FOUNDING + 6, 2)
    assert report.steps[10].detail == "all entries but 2, which came since the anchor"


def test_case_without_a_look_at_the_chain(stand: Stand) -> None:
    """Nothing is intact that was not compared with the chain."""
    assert audit_case(stand.database, TRUST, BOOK, "case-1", look=left_out).verdict == "unverifiable"


@pytest.mark.parametrize("other", [{"root": b"\x01" * 32}, {"size": 99}])
def test_case_on_a_chain_that_differs(stand: Stand, other: dict[str, Any]) -> None:
    """The contract's last record is another root, or of a larger tree; test_chain.py has the others."""
    report = audit_case(stand.database, TRUST, BOOK, "case-1", look=contracts(stand, **other))
    assert (found(report), report.verdict) == ({("chain", None)}, "tampered")


def test_case_in_a_tree_that_was_never_anchored(large: Stand) -> None:
    """He forges a leaf and the stored root on it, but leaves the tile above, which the anchor is met by: each entry of
    the case is in the tree that is stored, and in none that was anchored."""
    large.anchor()
    first: bytes = large.value("SELECT hashes FROM tiles WHERE level = 0 AND tile_index = 0")
    others = [large.value(f"SELECT hashes FROM tiles WHERE level = 0 AND tile_index = {n}") for n in (1, 2)]
    forged = first[:-32] + bytes(32)
    large.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=forged)
    large.change("UPDATE tree SET root = :value", value=root_of(hashes_in(b"".join((forged, *others)))))
    report = audit_case(large.database, TRUST, BOOK, "case-1", look=left_out)
    assert found(report) == {("anchors", index) for index in range(FOUNDING, FOUNDING + 6)}


@pytest.mark.parametrize(
    ("statement", "step", "index"),
    [
        (f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 1}", "payloads", FOUNDING + 1),
        ("UPDATE items SET holder = 'x' WHERE item_id = 'phone'", "models", FOUNDING + 4),
        ("UPDATE tree SET root = x'" + "00" * 32 + "'", "tree", FOUNDING),
        (f"DELETE FROM entries WHERE log_index = {FOUNDING + 3}", "streams", FOUNDING + 4),
        ("UPDATE checkpoints SET note = replace(note, 'ledger.test', 'other.test')", "checkpoints", None),
        ("UPDATE entries SET payload = x'7b7d' WHERE log_index = 2", "registry", 2),
    ],
)
def test_case_edited(stand: Stand, statement: str, step: str, index: int | None) -> None:
    """What was changed of the case, or of what it rests on, is found; the first finding is the fault."""
    stand.change(statement)
    report = audit_case(stand.database, TRUST, BOOK, "case-1", look=left_out)
    assert report.verdict == "tampered"
    assert (report.findings[0].step, report.findings[0].index) == (step, index)


def test_faults_elsewhere(stand: Stand) -> None:
    """Another case's fault is not this one's."""
    stand.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {FOUNDING + 8}")
    assert audit_case(stand.database, TRUST, BOOK, "case-1", look=left_out).findings == ()


def test_case_without_checkpoints(tmp_path: Path) -> None:
    """Before the first publication there is no checkpoint to hold the tiles against; of no other case is there any."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        ledger.found(*OFFICERS)
        ledger.post_all(Case().open().events)
        report = audit_case(ledger.database, TRUST, BOOK, "case-1", look=left_out)
        with pytest.raises(NotFound):
            audit_case(ledger.database, TRUST, BOOK, "case-9", look=left_out)
    assert (report.findings, report.steps[9].result) == ((), "not_checked")


def test_case_whose_checkpoint_differs(stand: Stand) -> None:
    """The last checkpoint is of another root than the tiles give."""
    stand.claim(stand.size, bytes(32))
    assert found(audit_case(stand.database, TRUST, BOOK, "case-1", look=left_out)) == {("checkpoints", None)}


def test_a_value_of_another_type_is_named_by_its_column(stand: Stand) -> None:
    """It ends no audit, and no service begins with it; tests/campaigns/manipulations has each column."""
    stand.change("UPDATE tree SET size = 'n' || size")
    assert {finding.word for finding in audit_case(stand.database, TRUST, BOOK, "case-1", look=left_out).findings} == {
        "value_type"
    }
    with pytest.raises(IntegrityBroken, match=r"tree\.size"):
        open_database(stand.database.url)

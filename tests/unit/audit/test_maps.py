"""Head maps that the log has committed to are made again from the entries."""

from __future__ import annotations

import pytest

from ledger.core.errors import IntegrityBroken
from ledger.core.log.head_map import MAPPED
from ledger.core.log.merkle import Hash
from ledger.recording.head_maps import HeadMapKeeper
from ledger.store import checkpoints, head_map, log
from tests.testkit.casework import Case
from tests.unit.audit.stand import Stand, found

MAPS = "2 head maps, each that of the entries before it, and the pages that proofs are made of"


@pytest.fixture
def mapped(stand: Stand) -> Stand:
    """Two maps: over the ledger as it was filled, which are entries 0 to 20, and over a case more."""
    keeper = HeadMapKeeper(stand.database, stand.ledger.system)
    keeper.before_anchor(21)
    stand.ledger.post_all(Case("case-9").open().register("phone").events)
    keeper.before_anchor(22)
    return stand


def test_true_maps_are_shown(mapped: Stand) -> None:
    """The step says how many there are; where the log has committed to another one, that entry is at fault, and no
    other."""
    report = mapped.audit()
    assert found(report) == set()
    step = next(step for step in report.steps if step.name == "maps")
    assert (step.result, step.detail) == ("checked", MAPS)
    receipt = mapped.ledger.system.append_map(lambda _connection, _size: Hash(bytes(32)))
    report = mapped.audit()
    assert found(report) == {("maps", receipt.index)}
    assert report.findings[0].what == "head map over the entries before"


def test_a_map_over_a_false_entry_accuses_no_map(mapped: Stand) -> None:
    """The entry that was changed in the database is named; the maps that were made of the true one are not judged."""
    mapped.change("UPDATE entries SET envelope = :value WHERE log_index = 13", value=b"{}")
    report = mapped.audit()
    assert {step for step, _ in found(report)} >= {"entries"}
    assert not [finding for finding in report.findings if finding.step == "maps"]
    assert next(step for step in report.steps if step.name == "maps").result == "not_checked"


@pytest.mark.parametrize("value", [-5, 10**6])
def test_a_row_with_another_sequence_is_no_map(mapped: Stand, value: int) -> None:
    """The row is named, whatever number it has."""
    mapped.change("UPDATE entries SET sequence = :value WHERE log_index = 9", value=value)
    report = mapped.audit()
    assert ("entries", 9) in found(report)
    assert not [finding for finding in report.findings if finding.step == "maps"]


@pytest.mark.parametrize(
    "edit",
    [
        "DELETE FROM map_pages",
        "DELETE FROM map_pages WHERE size = (SELECT max(size) FROM map_pages)",
        "UPDATE map_pages SET page = x'0000' WHERE size = (SELECT max(size) FROM map_pages)",
        "UPDATE map_pages SET name = name || '0'",
        "UPDATE map_pages SET size = size + 100",
    ],
)
def test_pages_that_proofs_are_made_of_are_as_they_were_stored(mapped: Stand, edit: str) -> None:
    """Without them proofs would lack their heads. An audit that goes on names them as well, and nothing is found once
    they were made anew."""
    since = mapped.audit().basis
    mapped.change(edit)
    named = found(mapped.audit())
    assert {step for step, _ in named} == {"maps"}
    assert found(mapped.audit(since=since)) == named
    head_map.forget(mapped.database)
    HeadMapKeeper(mapped.database, mapped.ledger.system).before_anchor(mapped.size)
    assert found(mapped.audit()) == set()


def test_pages_below_the_proven_anchor_are_not_demanded(mapped: Stand) -> None:
    """Not for a checkpoint that witnesses signed before it either: the service has deleted what came up again since."""
    keeper = HeadMapKeeper(mapped.database, mapped.ledger.system)
    mapped.publish()
    mapped.change("UPDATE checkpoints SET witnessed = TRUE WHERE size = :size", size=mapped.size)
    for case_id in ("case-10", "case-11"):
        mapped.ledger.post(Case(case_id).open().last)
        keeper.before_anchor(mapped.size)
        mapped.anchor()
    with mapped.database.read() as connection:
        witnessed = checkpoints.last_witnessed(connection)
        assert witnessed is not None
        last = log.last_system_entry(connection, MAPPED, below=witnessed.size)
    assert last is not None
    assert mapped.value("SELECT min(size) FROM map_pages WHERE name = ''") > last.log_index
    # That it has no co-signatures is another step's.
    assert found(mapped.audit()) == {("checkpoints", None)}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE meta SET value = 'x' WHERE name = 'head_map'",
        "UPDATE meta SET value = '1' || value WHERE name = 'head_map'",
        "UPDATE meta SET name = 'other' WHERE name = 'head_map'",
        "DELETE FROM meta WHERE name = 'head_map'",
    ],
)
def test_how_far_the_map_is_kept_is_bound(mapped: Stand, edit: str) -> None:
    """Without it proofs would lack their heads: who changes or removes it is named."""
    mapped.change(edit)
    assert found(mapped.audit()) == {("anchors", None)}


def test_nothing_is_built_on_a_state_that_is_none(mapped: Stand) -> None:
    """The service says that the database was changed."""
    mapped.change("UPDATE meta SET value = 'x' WHERE name = 'head_map'")
    with mapped.database.read() as connection, pytest.raises(IntegrityBroken, match="the state of the head map is 'x'"):
        head_map.state(connection)

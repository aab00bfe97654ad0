"""A witness's memory: its schema, what of it survives, and that a step is taken once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.core.events import Stream
from ledger.core.log.head_map import map_key
from ledger.core.log.merkle import EMPTY_ROOT
from ledger.store.witness import Cosigned, Halted, Moved, SeenAnchor, WitnessStore
from tests.testkit import bundles
from tests.testkit.builders import POLICE

ROOT, OTHER = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WitnessStore]:
    """The memory of a witness that has seen nothing."""
    opened = WitnessStore.open(tmp_path / "witness.db", bundles.trust())
    yield opened
    opened.close()


def test_a_step_is_kept_whole_and_once(store: WitnessStore, tmp_path: Path) -> None:
    """What was followed comes back from the file, registry and all; the same step again changes nothing."""
    before, step = store.followed(), bundles.replay_events(bundles.founded(POLICE).events)
    assert store.advance(before, step, "a note")
    assert not store.advance(before, step, "another")
    again = WitnessStore.open(tmp_path / "witness.db", bundles.trust())
    assert again.followed() == step.followed
    prior = again.prior_entries([*step.events, "no such event"])
    assert (prior.events, prior.head_map.root) == (step.events, step.map_root)
    stream = Stream(kind="system", id="ledger")
    assert prior.head_map.heads([map_key(stream)])[map_key(stream)].count == step.followed.size
    assert again.registry_hash_at(0) == bundles.LOG_ID
    assert again.registry_hash_at(step.followed.size) == step.followed.authority.registry_hash
    assert again.registry_hash_at(1).hex() == step.changes[0].change.registry_hash[2:]
    again.close()


def test_a_step_of_signing_starts_where_the_last_one_ended(store: WitnessStore) -> None:
    """Whoever was checked against another tree is told the one that is kept."""
    assert store.latest() == Cosigned(0, EMPTY_ROOT, 0)
    assert store.cosign(store.latest(), 5, ROOT, "note", 100, str) == "100"
    for stale in (Cosigned(), Cosigned(5, OTHER, 100), Cosigned(4, ROOT, 100)):
        with pytest.raises(Moved) as moved:
            store.cosign(stale, 6, OTHER, "note", 200, str)
        assert moved.value.size == 5
    assert store.cosign(store.latest(), 5, ROOT, "note", 50, str) == "100"
    assert store.cosign(store.latest(), 7, OTHER, "later note", 150, str) == "150"
    assert (store.has_cosigned(5), store.has_cosigned(6), store.has_cosigned(7)) == (ROOT, None, OTHER)
    assert (store.notes()["cosigned"], store.cosigned_note()) == ("later note", "later note150")


def test_nothing_is_kept_to_sign_while_an_alarm_halts(store: WitnessStore) -> None:
    """The alarm counts within the step itself, not only before it."""
    assert store.raise_alarm("anchor_lag", halts=False, text="late", evidence={}, now=1) is not None
    store.cosign(store.latest(), 5, ROOT, "note", 100, str)
    store.raise_alarm("fork", halts=True, text="two trees", evidence={"checkpoint": "note"}, now=2)
    assert store.raise_alarm("fork", halts=True, text="again", evidence={}, now=3) is None
    with pytest.raises(Halted):
        store.cosign(store.latest(), 6, OTHER, "note", 200, str)
    assert store.latest().size == 5
    assert store.clear_kind("fork", 4) == []
    assert [alarm.kind for alarm in store.clear_kind("anchor_lag", 4)] == ["anchor_lag"]
    assert [alarm.message for alarm in store.clear(2, "looked at", 5)] == ["two trees"]
    store.cosign(store.latest(), 6, OTHER, "note", 200, str)


def test_anchored_trees_are_forgotten_but_the_last(store: WitnessStore) -> None:
    """Below a final anchor nothing is anchored any more; the latest tree is what the next step starts from."""
    for size in (3, 5, 8):
        store.cosign(store.latest(), size, bytes([size]) * 32, "note", 100, str)
    store.keep_anchor(SeenAnchor(1, 5, ROOT))
    assert [store.has_cosigned(size) is not None for size in (3, 5, 8)] == [False, True, True]
    store.keep_anchor(SeenAnchor(2, 9, ROOT))
    assert store.latest().size == 8
    assert store.looked().anchor == SeenAnchor(2, 9, ROOT)


def test_the_largest_published_size_is_remembered(store: WitnessStore) -> None:
    """A smaller one does not take its place."""
    store.keep_seen(9, "note of 9")
    store.keep_seen(4, "note of 4")
    store.keep_look(2000, 9)
    assert (store.looked().seen_size, store.looked().looked_at) == (9, 2000)
    assert store.notes()["published"] == "note of 9"

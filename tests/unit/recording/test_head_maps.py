"""Head maps of a running log: each commits to all entries before it, is kept, proven, and made again from the log."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress

import pytest
from sqlalchemy import Connection, text

from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import Stream, decode_envelope
from ledger.core.events.record import IncidentRecorded
from ledger.core.log.head_map import EMPTY_MAP, MAPPED, map_key, require_mapped, verify_head
from ledger.core.log.merkle import Hash
from ledger.recording import head_maps
from ledger.recording.head_maps import HeadMapKeeper
from ledger.recording.sequencer import Answer
from ledger.store import head_map, log
from ledger.store.head_map import MapState
from tests.oracles import head_map_reference as reference
from tests.testkit.casework import Case
from tests.testkit.journals import anchor_present
from tests.testkit.ledgers import Ledger, open_ledger
from tests.unit.recording.stand import OFFICERS, entries_of, refusal


def keeper_of(ledger: Ledger) -> HeadMapKeeper:
    return HeadMapKeeper(ledger.database, ledger.system)


def reference_root(entries: list[bytes]) -> bytes:
    streams = [(decode_envelope(entry).stream, entry) for entry in entries]
    return reference.subtree(reference.of_log((stream.kind, stream.id, entry) for stream, entry in streams))


def maps_of(ledger: Ledger) -> list[tuple[int, Hash]]:
    """Index and root of each entry that commits to a map, newest first."""
    with ledger.database.read() as connection:
        entries = log.system_entries(connection, MAPPED, 100)
    return [(entry.log_index, Hash(bytes.fromhex(log.event_of(entry).body.root[2:]))) for entry in entries]


def require_true(ledger: Ledger) -> None:
    """Every entry that commits to a map commits to that of all entries before it, by the payload that follows."""
    entries = entries_of(ledger)
    for index, root in maps_of(ledger):
        assert root == reference_root(entries[:index])
        require_mapped(decode_envelope(entries[index]), root)


def test_the_whole_log_is_mapped_before_an_anchor(each_database_url: str) -> None:
    """The entry stands right behind those that its map is of, and the tree to anchor ends with it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        keeper = keeper_of(ledger)
        for number in range(3):
            ledger.post_all(Case(f"case-{number}").open().register("phone").events)
            size = keeper.before_anchor(len(entries_of(ledger)))
            assert size == len(entries_of(ledger))
            assert maps_of(ledger)[0][0] == size - 1
        require_true(ledger)


def test_nothing_is_mapped_twice_for_one_anchor(ledger: Ledger) -> None:
    """Until there is an anchor that has the last map, it is the one that the next anchor waits for."""
    keeper = keeper_of(ledger)
    size = keeper.before_anchor(0)
    ledger.post(Case().open().last)
    assert keeper.before_anchor(0) == size
    assert keeper.before_anchor(size - 1) == size
    assert len(maps_of(ledger)) == 1
    assert keeper.before_anchor(size) == size + 2


def test_a_stream_is_proven_at_each_map(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map is kept as it was at each commitment, in whatever steps: presence with count and head, and absence."""
    monkeypatch.setattr(head_maps, "STEP", 3)
    monkeypatch.setattr(head_maps, "LEFT", 2)
    keeper = keeper_of(ledger)
    cases = [Case(f"case-{number}").open().register("phone") for number in range(8)]
    for case in cases:
        ledger.post_all(case.events)
        keeper.before_anchor(len(entries_of(ledger)))
    entries, streams = entries_of(ledger), [Stream(kind="case", id=f"case-{number}") for number in range(8)]
    with ledger.database.read() as connection:
        for index, root in maps_of(ledger):
            heads = reference.of_log(
                (stream.kind, stream.id, entry)
                for stream, entry in ((decode_envelope(entry).stream, entry) for entry in entries[:index])
            )
            kept = head_map.map_at(connection, MapState(index, root))
            for stream in streams:
                state = verify_head(map_key(stream), kept.prove(map_key(stream)), root)
                assert (state and (state.count, state.head)) == heads.get(map_key(stream))
    require_true(ledger)


def test_the_map_is_kept_up_while_no_anchor_is_due(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last few entries are left for the anchor; keeping up appends nothing, and damage is no obstacle."""
    monkeypatch.setattr(head_maps, "LEFT", 2)
    keeper = keeper_of(ledger)
    for number in range(3):
        ledger.post_all(Case(f"case-{number}").open().register("phone").events)
        size = len(entries_of(ledger))
        keeper.keep_up()
        with ledger.database.read() as connection:
            assert head_map.state(connection).size == size - 2
        assert len(entries_of(ledger)) == size
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE map_pages SET page = X'00'"))
    ledger.post_all(Case("case-3").open().register("phone").events)
    keeper.keep_up()
    assert keeper.before_anchor(0) == len(entries_of(ledger))
    require_true(ledger)


def test_what_is_submitted_meanwhile_is_behind_the_map(gathering: Ledger) -> None:
    """The map is of the entries that the log has when it is written; what waits in the same batch comes after it."""
    ledger = gathering
    waiting = [ledger.submit(event) for event in Case().open().events]
    mapping = threading.Thread(target=keeper_of(ledger).before_anchor, args=(0,))
    mapping.start()
    while ledger.sequencer._queue.qsize() < 2:
        mapping.join(0.01)
    ledger.sequencer.start()
    mapping.join(60)
    answers = [future.result(60) for future in waiting]
    (index, _) = maps_of(ledger)[0]
    assert index == len(entries_of(ledger)) - 1 - len(answers)
    require_true(ledger)


def test_of_two_that_want_the_same_place_one_is_told_to_wait(gathering: Ledger) -> None:
    """A batch has one entry that stands right behind the log's."""
    roots = list[int]()

    def root_at(_connection: Connection, size: int) -> Hash:
        roots.append(size)
        return Hash(reference_root(entries_of(gathering)))

    waiting: list[Future[Answer]] = []
    submit = gathering.sequencer.submit
    gathering.sequencer.submit = lambda maker: waiting.append(submit(maker)) or waiting[-1]  # type: ignore[method-assign, assignment, func-returns-value]
    threads = [threading.Thread(target=_ignoring, args=(gathering, root_at)) for _ in range(2)]
    gathering.system._lock = threading.Semaphore(2)  # type: ignore[assignment] - two processes would not share it
    for thread in threads:
        thread.start()
    while len(waiting) < 2:
        threads[0].join(0.01)
    gathering.sequencer.start()
    for thread in threads:
        thread.join(60)
    refused = [future for future in waiting if future.exception(60) is not None]
    assert [refusal(future).code for future in refused] == ["busy"]
    assert len(roots) == 1
    require_true(gathering)


def _ignoring(ledger: Ledger, root_at: object) -> None:
    with suppress(Unavailable):
        ledger.system.append_map(root_at)  # type: ignore[arg-type]


def test_what_cannot_be_made_fails_alone(gathering: Ledger) -> None:
    """The other submissions of the batch are recorded."""
    waiting = [gathering.submit(event) for event in Case().open().events]

    def root_at(_connection: Connection, _size: int) -> Hash:
        raise IntegrityBroken("no map can be made")

    def fail() -> None:
        with pytest.raises(IntegrityBroken):
            gathering.system.append_map(root_at)

    failed = threading.Thread(target=fail)
    failed.start()
    while gathering.sequencer._queue.qsize() < 2:
        failed.join(0.01)
    gathering.sequencer.start()
    failed.join(60)
    assert all(future.result(60) for future in waiting)
    assert maps_of(gathering) == []


def test_several_processes_map_one_log(each_database_url: str) -> None:
    """Each commits to what the log has when it holds the lock, whatever the other has written and kept."""
    with open_ledger(each_database_url) as first, open_ledger(each_database_url, clock=first.clock) as second:
        first.found(*OFFICERS)
        ledgers = [first, second]
        for number in range(6):
            ledgers[number % 2].post_all(Case(f"case-{number}").open().events)
            keeper_of(ledgers[number // 2 % 2]).before_anchor(len(entries_of(first)))
        require_true(first)


def test_a_map_that_was_changed_in_the_database_is_made_anew(ledger: Ledger) -> None:
    """A false page leads to no false commitment: the map follows from the log."""
    keeper = keeper_of(ledger)
    ledger.post_all(Case().open().register("phone").events)
    keeper.before_anchor(0)
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE map_pages SET page = X'00'"))
    ledger.post(Case("case-2").open().last)
    keeper.before_anchor(len(entries_of(ledger)))
    require_true(ledger)


def test_an_entry_that_was_changed_in_the_database_is_not_mapped(ledger: Ledger) -> None:
    """The log would commit to what it does not have."""
    with ledger.database.write() as connection:
        envelope = connection.execute(text("SELECT envelope FROM entries WHERE log_index = 1")).scalar_one()
        changed = envelope.replace(b'"sequence":1', b'"sequence":7')
        connection.execute(text("UPDATE entries SET envelope = :changed WHERE log_index = 1"), {"changed": changed})
    with pytest.raises(IntegrityBroken, match="not the one that the tree has"):
        keeper_of(ledger).before_anchor(0)
    assert maps_of(ledger) == []


def test_a_log_that_has_committed_to_a_false_map_goes_no_further(ledger: Ledger) -> None:
    """Whoever put it there, nothing is anchored over it."""
    ledger.system.append_map(lambda _connection, _size: EMPTY_MAP)
    with pytest.raises(IntegrityBroken, match="another head map"):
        keeper_of(ledger).before_anchor(0)


def test_pages_of_maps_that_no_proof_is_given_of_are_deleted(ledger: Ledger) -> None:
    """What the newest proven anchor needs stays, and all since; older versions of what changed are gone."""
    keeper = keeper_of(ledger)
    sizes = []
    for number in range(5):
        ledger.post(Case(f"case-{number}").open().last)
        sizes.append(keeper.before_anchor(len(entries_of(ledger))))
        if number == 1:
            anchor_present(ledger)
    with ledger.database.read() as connection:
        kept = set(connection.execute(text("SELECT size FROM map_pages WHERE name = ''")).scalars())
        roots = dict(maps_of(ledger))
        for size in sizes[1:]:
            key = map_key(Stream(kind="case", id="case-1"))
            proof = head_map.map_at(connection, MapState(size - 1, roots[size - 1])).prove(key)
            assert verify_head(key, proof, roots[size - 1]) is not None
    assert kept == {size - 1 for size in sizes[1:]}


def test_an_incident_is_an_act_and_housekeeping_is_none(ledger: Ledger) -> None:
    """By this it is decided whether there is anything to anchor."""
    with ledger.database.read() as connection:
        founded = log.tree(connection).size
    keeper_of(ledger).before_anchor(0)
    with ledger.database.read() as connection:
        assert log.has_acts(connection, 0, founded)
        assert not log.has_acts(connection, founded, founded + 1)
    ledger.system.append(IncidentRecorded(kind="other", description="the disk was full"))
    with ledger.database.read() as connection:
        assert log.has_acts(connection, founded, founded + 2)
        assert not log.has_acts(connection, founded, founded + 1)

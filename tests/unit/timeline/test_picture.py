"""Pictures and lineages: what is told of a case without words, and that a kept walk is as good as a new one."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody import kept_state
from ledger.core.custody.spans import Span, custody_spans
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import IntegrityBroken
from ledger.i18n import Labels
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.store.kept_states import row_of_state
from ledger.store.tables import ENTRIES
from ledger.timeline.anchored_sizes import AnchoredSizes
from ledger.timeline.case_history import Histories, HistoryEvent, TimelineBuilder, TimelineStep, read_history
from ledger.timeline.diagrams import CustodyBar, Picture, Pictures, TrailFiles, lineage
from ledger.timeline.sentences import Narrator
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk, supervisor
from tests.testkit.casework import Case, person_id
from tests.testkit.journals import add_anchors
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url
from tests.testkit.timeline_cases import HOUR, eventful, kindred, long_case

AGENCIES = (POLICE, PROCURATORATE, LAB)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_founded(
        sqlite_url(tmp_path), *(role(agency) for agency in AGENCIES for role in (clerk, supervisor))
    ) as opened:
        yield opened


def pictured(ledger: Ledger, case: Case) -> Picture:
    """Record the case and return its picture."""
    ledger.post_all(case.events)
    histories = Histories(ledger.validator.states)
    with ledger.database.read() as connection:
        return Pictures().of(connection, timelines(ledger, histories), case.state.case_id)


def timelines(ledger: Ledger, histories: Histories) -> TimelineBuilder:
    return TimelineBuilder(
        ledger.validator, histories, AnchoredSizes(DatabaseJournal(ledger.database)), Narrator(Labels("en"))
    )


def test_bars_tell_who_held_what(ledger: Ledger) -> None:
    """From when until when, things and persons that went together in one, the case by who answered for it."""
    bars = {(bar.subject, bar.ids, bar.agency): (bar.since, bar.until) for bar in pictured(ledger, eventful()).bars}
    accepted = START + 123 * HOUR
    assert bars["case", ("case-1",), POLICE][1] == accepted
    assert bars["case", ("case-1",), PROCURATORATE] == (accepted, None)
    assert bars["item", ("coins", "phone"), PROCURATORATE] == (accepted, None)
    assert bars["item", ("phone",), POLICE][1] == accepted
    assert bars["item", ("volume",), POLICE][1] is None
    assert bars["person", (person_id("li"),), PROCURATORATE] == (accepted, None)


def test_arrows_marks_and_stretches_tell_what_went_wrong(ledger: Ledger) -> None:
    """What was refused, what differed and was late, and the day in which nobody had what was under way."""
    whole = pictured(ledger, eventful())
    assert [(each.to_agency, each.status) for each in whole.arrows] == [(PROCURATORATE, "accepted"), (LAB, "refused")]
    assert [(each.kind, each.agency, each.until - each.since) for each in whole.stretches] == [
        ("gap", PROCURATORATE, 22 * HOUR)
    ]
    kinds = {mark.event_type: mark.kinds for mark in whole.marks}
    assert {"differs", "break"} <= set(kinds["handover.accepted"])
    assert kinds["case.opened"] == ("plain",)
    assert [mark.sequence for mark in whole.marks] == list(range(len(whole.marks)))
    assert whole.agencies == (POLICE, PROCURATORATE, LAB)


def test_lineage_tells_what_came_of_what(ledger: Ledger) -> None:
    """Splits, merges, proceeds and what was taken out, each with its event; loans; and what stands alone."""
    case = kindred()
    ledger.post_all(case.events)
    with ledger.database.read() as connection:
        family = lineage(Histories(ledger.validator.states).of(connection, "case-3"))
    assert {(each.parent, each.child, each.relation) for each in family.descents} == {
        ("cash", "cash-1", "split"),
        ("cash", "cash-2", "split"),
        ("cash-1", "cash-3", "split"),
        ("cash-1", "cash-4", "split"),
        ("cash-2", "cash-5", "merged"),
        ("cash-4", "cash-5", "merged"),
        ("handset", "card", "taken_from"),
        ("car", "price", "proceeds"),
    }
    assert [(each.item_id, each.by_agency, each.to_agency, each.returned_at) for each in family.loans] == [
        ("knife", POLICE, LAB, None)
    ]
    assert family.alone == ("knife",)


def test_a_kept_walk_goes_on_where_it_was(ledger: Ledger) -> None:
    """With each event it is what a walk from the beginning gives, and no more than a connection sees."""
    case = kindred()
    histories = Histories(ledger.validator.states)
    for event in case.events[:4]:
        ledger.post(event)
        with ledger.database.read() as connection:
            assert_same(connection, ledger, histories)
    with ledger.database.read() as before:
        assert len(histories.of(before, "case-3")) == 4
        ledger.post_all(case.events[4:])
        with ledger.database.read() as after:
            assert_same(after, ledger, histories)
        assert len(histories.of(before, "case-3")) == 4
    with ledger.database.read() as connection:
        assert histories.of(connection, "nothing") == ()


def test_a_state_is_that_of_the_connection(ledger: Ledger, long: Case) -> None:
    """Whatever others have read since, and although this service has the state of no event in memory."""
    histories = cold_histories(ledger)
    with ledger.database.read() as before:
        old = log.heads(before, [("case", "case-3")])["case", "case-3"].sequence
        ledger.post_all(long.register("another", "one-more").events[-2:])
        with ledger.database.read() as after:
            assert histories.state(after, "case-3").sequence == old + 2
        for whole in (False, True):
            assert cold_histories(ledger).state(before, "case-3", whole=whole).sequence == old
        histories._states = cold_histories(ledger)._states  # as if another process had validated what came since
        assert histories.state(before, "case-3").sequence == old


def test_a_walk_and_a_state_are_folded_once(ledger: Ledger) -> None:
    """A case that nobody has in memory is walked for its state, which whoever acts in it then stands on; one that
    somebody has is not walked."""
    ledger.post_all(kindred().events)
    cold = CaseStates(ledger.database, ledger.validator.procedures, ledger.registry.kinds)
    histories = Histories(cold)
    with ledger.database.read() as connection:
        state = histories.state(connection, "case-3")
        assert state is histories.of(connection, "case-3")[-1].after
        assert state is cold.of_case("case-3")
        state_in_memory = ledger.validator.states.of_case("case-3")
        assert Histories(ledger.validator.states).state(connection, "case-3") is state_in_memory
        assert state == state_in_memory


@pytest.fixture
def long(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Return a recorded case of 13 events, of which the state after twelve is kept."""
    monkeypatch.setattr(kept_state, "KEPT_FROM", 8)
    case = Case("case-3").open().register(*(f"item-{number}" for number in range(10)))
    ledger.post_all(case.offer("item-1", to=PROCURATORATE).accept().events)
    assert kept_state.is_kept(replace(case.state, sequence=11))
    return case


def cold_histories(ledger: Ledger) -> Histories:
    """Return the histories of a service that has just started."""
    validator, key = ledger.validator, ledger.validator.states.state_key
    return Histories(CaseStates(ledger.database, validator.procedures, ledger.registry.kinds, state_key=key))


def test_a_long_case_is_walked_from_its_kept_state(ledger: Ledger, long: Case) -> None:
    """Whatever is asked for first, it is what a walk from the beginning gives; so are the state and what comes
    later."""
    with ledger.database.read() as connection:
        fresh = tuple(read_history(connection, ledger.validator.states, "case-3"))
        for first in range(len(fresh) + 1):
            histories = cold_histories(ledger)
            assert histories.since(connection, "case-3", first) == fresh[first:]
            assert histories.state(connection, "case-3") == long.state
            assert histories.of(connection, "case-3") == fresh
        older = cold_histories(ledger)
        assert older.state(connection, "case-3") == long.state
        ledger.post(long.register("latest").last)
        with ledger.database.read() as after:
            assert older.state(after, "case-3") == long.state
            assert older.since(after, "case-3", 12)[-1].after == long.state
            assert older.since(connection, "case-3", 12) == fresh[12:]
            assert len(older.of(after, "case-3")) == len(fresh) + 1
        assert older.of(connection, "case-3") == fresh


def test_what_was_before_the_kept_state_is_not_read(ledger: Ledger, long: Case) -> None:
    """The last events and the state cost no more than what follows it; who asks for all gets all, or is told."""
    with ledger.database.write() as connection:
        opened = ENTRIES.update().where(ENTRIES.c.event_type == "case.opened")
        connection.execute(opened.values(payload=long.events[0].payload_bytes.replace(b"theft", b"fraud")))
    histories = cold_histories(ledger)
    with ledger.database.read() as connection:
        assert histories.state(connection, "case-3") == long.state
        assert [each.entry.sequence for each in histories.since(connection, "case-3", 12)] == [12]
        with pytest.raises(IntegrityBroken):
            histories.of(connection, "case-3")


def test_a_kept_state_that_is_not_of_the_stream_is_not_gone_on_from(ledger: Ledger, long: Case) -> None:
    """Such as one of a log that was put back to an earlier day and went on otherwise."""
    key = ledger.validator.states.state_key
    assert key is not None
    table, row = row_of_state(replace(long.state, sequence=11, head="blake3:" + "11" * 32), key)
    with ledger.database.write() as connection:
        connection.execute(table.delete())
        connection.execute(table.insert().values(**row))
    with ledger.database.read() as connection:
        assert cold_histories(ledger).state(connection, "case-3") == long.state


CASES = {"eventful": eventful, "kindred": kindred, "long": lambda: long_case(30)}


@pytest.mark.parametrize("name", CASES)
def test_a_picture_goes_on_with_each_event(ledger: Ledger, name: str) -> None:
    """It is the one that is made of the whole case at once, and its bars are what the spans of custody say."""
    case, histories, growing = CASES[name](), Histories(ledger.validator.states), Pictures()
    for event in case.events:
        ledger.post(event)
        with ledger.database.read() as connection:
            grown = growing.of(connection, timelines(ledger, histories), case.state.case_id)
            assert grown == Pictures().of(connection, timelines(ledger, histories), case.state.case_id)
            assert grown.bars == bars_of_spans(histories.of(connection, case.state.case_id))


def bars_of_spans(history: Sequence[HistoryEvent]) -> tuple[CustodyBar, ...]:
    """Return what one agency had without a break, by the spans of custody; subjects of the same times together."""
    together: dict[tuple[Any, ...], list[str]] = {}
    spans = custody_spans((event.event, event.after) for event in history)
    for (subject, subject_id, agency), group in groupby(spans, key=custodian_of):
        stay = list(group)
        first, last = stay[0], stay[-1]
        until = None if last.until is None else unix_seconds(last.until.occurred_at)
        key = (agency, subject, unix_seconds(first.since.occurred_at), until, first.since.event_id)
        together.setdefault(key, []).append(subject_id)
    bars = (
        CustodyBar(agency, subject, tuple(sorted(ids)), since, until, event_id)
        for (agency, subject, since, until, event_id), ids in together.items()
        if agency is not None
    )
    return tuple(sorted(bars, key=lambda bar: (bar.since, bar.ids)))


def custodian_of(span: Span) -> tuple[str, str, str | None]:
    holder = span.standing.holder
    return span.subject, span.subject_id, holder if span.subject == "item" else holder or span.standing.responsible


@pytest.fixture
def files(tmp_path: Path) -> TrailFiles:
    return TrailFiles(tmp_path / "trails", bytes(32))


def cold_picture(ledger: Ledger, connection: Connection, files: TrailFiles | None) -> Picture:
    """Return the picture as a service shows it that has just started."""
    return Pictures(files).of(connection, timelines(ledger, cold_histories(ledger)), "case-3")


def test_a_picture_goes_on_after_a_start(
    ledger: Ledger, long: Case, files: TrailFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what was kept when somebody looked: nothing before the kept state is read, and it is what a fresh picture
    shows."""
    with ledger.database.read() as connection:
        cold_picture(ledger, connection, files)
        fresh = cold_picture(ledger, connection, None)
    monkeypatch.setattr(kept_state, "KEPT_FROM", 99)  # a state that is later than the trail would have nothing before
    ledger.post(long.register("another").last)
    monkeypatch.setattr(kept_state, "KEPT_FROM", 8)
    with ledger.database.read() as connection:
        grown = cold_picture(ledger, connection, None)
    assert len(grown.marks) == len(fresh.marks) + 1
    with ledger.database.write() as connection:
        opened = ENTRIES.update().where(ENTRIES.c.event_type == "case.opened")
        connection.execute(opened.values(payload=long.events[0].payload_bytes.replace(b"theft", b"fraud")))
    with ledger.database.read() as connection:
        assert cold_picture(ledger, connection, files) == grown
        with pytest.raises(IntegrityBroken):
            cold_picture(ledger, connection, None)


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "another byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut": lambda data: data[:-1],
    "another code": lambda data: bytes(32) + data[32:],
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_somebody_else_wrote_is_not_drawn(ledger: Ledger, long: Case, files: TrailFiles, how: str) -> None:
    """The picture is made of the events, and what it goes on from next is written anew."""
    with ledger.database.read() as connection:
        whole = cold_picture(ledger, connection, files)
        (file,) = files._folder.iterdir()
        kept = file.read_bytes()
        file.write_bytes(SPOILED[how](kept))
        assert cold_picture(ledger, connection, files) == whole
        assert file.read_bytes() == kept


def test_a_disk_that_takes_no_file_leaves_none(ledger: Ledger, long: Case, files: TrailFiles) -> None:
    """The trail of before stays, and nothing half-written beside it, however often a picture is looked at."""
    with ledger.database.read() as connection:
        cold_picture(ledger, connection, files)
    trail = files.read("case-3")
    assert trail is not None
    before = {file: file.read_bytes() for file in files._folder.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        files.write(trail)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {file: file.read_bytes() for file in files._folder.iterdir()} == before


def test_a_trail_of_something_else_is_not_gone_on_from(ledger: Ledger, long: Case, files: TrailFiles) -> None:
    """One of another service, of another case, of other rules in force, of a log that went on otherwise, or of later
    events than a connection sees."""
    with ledger.database.read() as before:
        whole = cold_picture(ledger, before, files)
        trail = files.read("case-3")
        assert trail is not None
        assert TrailFiles(files._folder, b"\x01" * 32).read("case-3") is None
        (file,) = files._folder.iterdir()
        file.rename(files._path("case-9"))
        assert files.read("case-9") is None
        for foreign_trail in (replace(trail, adopted=trail.adopted + 1), replace(trail, head="sha256:" + "11" * 32)):
            files.write(replace(foreign_trail, marks=()))
            assert cold_picture(ledger, before, files) == whole
        ledger.post(long.register("latest").last)
        with ledger.database.read() as after:
            assert len(cold_picture(ledger, after, files).marks) == len(whole.marks) + 1
        assert cold_picture(ledger, before, files) == whole


def test_a_disk_that_takes_no_file_stops_no_picture(ledger: Ledger, long: Case, files: TrailFiles) -> None:
    """It costs the next service a walk, and nobody an answer."""
    files._folder.write_bytes(b"no folder")
    with ledger.database.read() as connection:
        assert cold_picture(ledger, connection, files) == cold_picture(ledger, connection, None)


def test_a_step_is_told_again_in_other_words(ledger: Ledger) -> None:
    """What is kept of a step as it was told is used for the same reader's words alone, and never for how far it is
    anchored or when that was proven."""
    case, histories = eventful(), Histories(ledger.validator.states)
    ledger.post_all(case.events)

    def told(language: str, told_by: object, persons: Mapping[str, str]) -> list[TimelineStep]:
        narrator = Narrator(Labels(language), persons=persons)
        anchored = AnchoredSizes(DatabaseJournal(ledger.database))
        builder = TimelineBuilder(ledger.validator, histories, anchored, narrator, told_by)
        with ledger.database.read() as connection:
            return builder.page(connection, "case-1", after=-1, limit=99)

    readers = [(language, persons) for language in ("en", "zh-CN") for persons in ({}, {person_id("li"): "Li Si"})]
    fresh = [told(language, None, persons) for language, persons in readers]
    for _ in range(2):
        kept = [told(language, (language, tuple(persons)), persons) for language, persons in readers]
        assert kept == fresh
    assert len({steps[-1].sentence for steps in fresh}) == 2
    assert len({"".join(step.sentence for step in steps) for steps in fresh}) == len(readers)
    add_anchors(ledger.database, 1, 12)
    assert told("en", ("en", ()), {}) == told("en", None, {}) != fresh[0]


def assert_same(connection: Connection, ledger: Ledger, histories: Histories) -> None:
    fresh = list(read_history(connection, ledger.validator.states, "case-3"))
    kept = histories.of(connection, "case-3")
    assert [(each.entry, each.after) for each in kept] == [(each.entry, each.after) for each in fresh]
    assert fresh

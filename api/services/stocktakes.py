"""Stocktakes: a place of storage is opened, its codes are scanned, and what differs becomes events to be signed.

Count and record are compared anew whenever they are looked at: what moved meanwhile is compared as it lies by now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from api.auth.reading import Reading
from api.services.drafts import ForeseenEvent, case_at_hand, drafts_in_case, unsigned
from api.services.service import Service
from ledger.core.custody import Discrepancy
from ledger.core.custody.discrepancies import has_held
from ledger.core.custody.stocktakes import (
    CountDifference,
    CountedCode,
    ScanResult,
    StocktakeComparison,
    StoredItem,
    compared,
    differences_of,
    result_of,
)
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import Conflict, MalformedInput
from ledger.core.events import NAME_OF, Body, Stream, stocktake
from ledger.core.events.handover import DiscrepancyRaised
from ledger.core.events.stocktake import MOST_COUNTED, StocktakeRecorded
from ledger.core.events.terms import Line, Number, OfficerId, Text
from ledger.core.messages import Message, Term
from ledger.i18n import Labels
from ledger.recording.event_signing import MAX_ACTS, Claims, StreamPosition, new_id
from ledger.store import cases, log, stocktakes
from ledger.store.database import Connection
from ledger.store.stocktakes import OpenStocktake, RecordedStocktake, Scan, ScanCounts
from ledger.timeline.event_fields import event_fields
from ledger.timeline.sentences import Narrator, names_by_id

MOST_AT_ONCE = 500  # codes of one request
MOST_TOLD = 10  # things of an ambiguous code that are told


class StocktakeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``storage_location`` is the room, or a shelf of it; ``number`` is that of the paper, if there is one."""

    storage_location: Line
    number: Number | None = None


class ScannedCode(Struct, frozen=True, forbid_unknown_fields=True):
    """A code as it was scanned or typed: an item's id, ``case/item``, or the number of a seal.

    ``seal_number`` is the seal that was read on the thing, if anybody looked.
    """

    code: Line
    seal_number: Number | None = None


class ScanAnswer(Struct, frozen=True):
    """What a scan came to. ``expected`` and ``found`` are the sides of each difference, by its kind.

    By its ``number`` it can be taken back. Of an ambiguous code, which is not kept and has none, ``among`` are things
    that it stands for, not all of very many.
    """

    code: str
    result: ScanResult
    number: int | None = None
    item: StoredItem | None = None
    differences: tuple[CountDifference, ...] = ()
    among: tuple[StoredItem, ...] = ()


class ScanAnswers(Struct, frozen=True):
    """What each scan came to, in the same order, and how many count by now."""

    scans: tuple[ScanAnswer, ...]
    counts: ScanCounts


class KeptScan(Struct, frozen=True):
    """A scan of an open stocktake, with the result that was told then; it counts unless it was ``taken_back_by``."""

    number: int
    code: str
    result: str
    case_id: str | None
    item_id: str | None
    officer: str
    scanned_at: str
    taken_back_by: str | None


class ScanTakenBack(Struct, frozen=True):
    """The scan that was taken back, and how many count by now."""

    scan: KeptScan
    counts: ScanCounts


class ChangedScan(Struct, frozen=True):
    """A scan that comes to something else by now, because the record changed since."""

    code: str
    first_result: str
    result: ScanResult


class StocktakeView(Struct, frozen=True):
    """A stocktake with what the record says lies there and what was counted. Times are in RFC 3339.

    ``expected`` is every item that the record says is there, ``counts`` is of the ``scans`` as they were told.
    ``changed`` are scans that come to something else by now. The count began when the log had ``started_size`` entries.
    """

    stocktake_id: str
    storage_location: str
    number: str | None
    officer: str
    started_at: str
    started_size: int
    tree_size: int
    expected: tuple[StoredItem, ...]
    counts: ScanCounts
    counters: tuple[str, ...]
    comparison: StocktakeComparison
    changed: tuple[ChangedScan, ...]
    scans: tuple[KeptScan, ...]


class ClosingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is stated beside the count: who else counted, and a remark.

    ``missing`` are things that are not there although they came in by the record since the count began.
    """

    missing: Annotated[tuple[stocktake.CountedItem, ...], Meta(max_length=MOST_COUNTED)] = ()
    counters: Annotated[tuple[OfficerId, ...], Meta(max_length=15)] = ()
    remark: Text | None = None


class StocktakeAct(Struct, frozen=True):
    """An event to be signed, and its place in its stream as of now."""

    place: StreamPosition
    body: Body


def open_stocktake(service: Service, reading: Reading, asked: StocktakeRequest) -> OpenStocktake:
    """Open a stocktake of a place of storage of the reader's agency.

    Raises Conflict if the place is counted already or has too much.
    """
    parts, room = service.parts, asked.storage_location
    with parts.database.read() as connection:
        size = log.tree(connection).size
        expected = stocktakes.items_in(connection, reading.agency, room)
    require_countable(expected, room)
    opened = OpenStocktake(
        stocktake_id=new_id("stocktake"),
        agency=reading.agency,
        storage_location=room,
        number=asked.number,
        officer=reading.session.grant.officer,
        opened_at=parts.clock() // 1000,
        tree_size=size,
        expected=len(expected),
    )
    stocktakes.open_stocktake(parts.database, opened, expected)
    reading.record(Message("{stocktake_id} opened", stocktake_id=opened.stocktake_id))
    return opened


def require_countable(expected: Sequence[StoredItem], room: str) -> None:
    """Raise Conflict if more lies in the room than one stocktake takes."""
    if len(expected) > MOST_COUNTED:
        raise Conflict(
            "more than {limit} items lie in {room}",
            limit=MOST_COUNTED,
            room=room,
            field="storage_location",
            code="too_much_to_count",
            hint="Count it by its shelves: open a stocktake of each.",
        )


def require_open(connection: Connection, reading: Reading, stocktake_id: str) -> OpenStocktake:
    """Return an open stocktake of the reader's agency. Raises NotFound, or Conflict once it is recorded."""
    opened = stocktakes.find_open(connection, reading.agency, stocktake_id)
    if opened is not None:
        return opened
    if stocktakes.find_recorded(connection, reading.agency, stocktake_id) is None:
        raise stocktakes.no_such_stocktake(stocktake_id)
    raise Conflict(
        "{stocktake_id} is recorded already",
        stocktake_id=stocktake_id,
        code="already_recorded",
        hint="See it: tally stocktake show --recorded. Open a new one to count again.",
    )


def add_scans(service: Service, reading: Reading, stocktake_id: str, codes: Sequence[ScannedCode]) -> ScanAnswers:
    """Keep what was scanned, and tell at once what each comes to against the record as it is by now.

    What lies in the room besides is not read, and no read of it is recorded. Raises what ``require_open`` raises, and
    Conflict for too many.
    """
    parts, grant = service.parts, reading.session.grant
    # Codes are looked up before the writer's lock is taken, and under it nothing but the count.
    with parts.database.read() as connection:
        opened = require_open(connection, reading, stocktake_id)
        where = {"agency": opened.agency, "room": opened.storage_location}
        named = [stocktakes.items_of_code(connection, code=scanned.code.strip(), **where) for scanned in codes]
    keys = {(item.case_id, item.item_id) for items in named for item in items}
    answers: list[ScanAnswer] = []
    scans: list[Scan] = []
    with parts.database.write() as connection:
        opened = require_open(connection, reading, stocktake_id)
        counted = stocktakes.counted_of(connection, opened, keys)
        number = stocktakes.last_number(connection, opened)
        for scanned, items in zip(codes, named, strict=True):
            if len(items) > 1:
                # Nothing is kept: which of them it is would be a guess, and the other one would be missed.
                answers.append(ScanAnswer(scanned.code, "ambiguous", among=tuple(items[:MOST_TOLD])))
                continue
            item = items[0] if items else None
            result = result_of(CountedCode(scanned.code, item, scanned.seal_number), counted, **where)
            differing = differences_of(item, scanned.seal_number, **where) if item else ()
            number += 1
            answers.append(ScanAnswer(scanned.code, result, number, item, differing))
            scans.append(
                Scan(
                    number=number,
                    code=scanned.code,
                    seal_number=scanned.seal_number,
                    seal_fitted=scanned.seal_number is not None
                    and item is not None
                    and scanned.seal_number == item.seal_number,
                    case_id=item.case_id if item else None,
                    item_id=item.item_id if item else None,
                    result=result,
                    officer=grant.officer,
                    scanned_at=parts.clock() // 1000,
                )
            )
            if item:
                counted.add((item.case_id, item.item_id))
        if scans:
            stocktakes.add_scans(connection, opened, scans)
        counts = stocktakes.counts_of(connection, opened)
    shown_items = [item for answer in answers for item in (answer.item, *answer.among) if item]
    case_ids = dict.fromkeys(item.case_id for item in shown_items)
    reading.record(Message("scans of {stocktake_id}", stocktake_id=stocktake_id), *case_ids)
    return ScanAnswers(tuple(answers), counts)


def take_back(service: Service, reading: Reading, stocktake_id: str, number: int) -> ScanTakenBack:
    """Take a scan of an open stocktake back: it stays in the list, with the officer who did that, and counts no more.

    Raises what ``require_open`` raises, NotFound without such a scan, Conflict for one that was taken back.
    """
    officer = reading.session.grant.officer
    with service.parts.database.write() as connection:
        opened = require_open(connection, reading, stocktake_id)
        scan = stocktakes.take_back(connection, opened, number, officer)
        counts = stocktakes.counts_of(connection, opened)
    subject = Message("scan {number} of {stocktake_id} taken back", number=number, stocktake_id=stocktake_id)
    reading.record(subject, *filter(None, [scan.case_id]))
    return ScanTakenBack(_kept(replace(scan, taken_back_by=officer)), counts)


def _kept(scan: Scan) -> KeptScan:
    return KeptScan(
        scan.number,
        scan.code,
        scan.result,
        scan.case_id,
        scan.item_id,
        scan.officer,
        instant_text(scan.scanned_at),
        scan.taken_back_by,
    )


def view_of(
    service: Service, reading: Reading, stocktake_id: str, missing: Sequence[stocktake.CountedItem] = ()
) -> StocktakeView:
    """Return an open stocktake, compared with the record as it is by now, and record the read.

    ``missing`` are things that are called so although they came in by the record since the count began. Raises
    MalformedInput for another one.
    """
    keys = {(line.case_id, line.item_id) for line in missing}
    with service.parts.database.read() as connection:
        view = _view(connection, require_open(connection, reading, stocktake_id), keys)
    called = {
        (count.item.case_id, count.item.item_id)
        for count in view.comparison.differing
        if count.differences[0].kind == "missing"
    }
    for case_id, item_id in sorted(keys - called):
        raise MalformedInput(
            "{case_id}/{item_id} is not among what has changed here since the count began",
            case_id=case_id,
            item_id=item_id,
            field="missing",
            code="not_changed",
            hint="Leave it out: it was scanned, or does not belong here by now.",
        )
    comparison = view.comparison
    items = [*view.expected, *comparison.present, *(count.item for count in comparison.differing)]
    items += [each.item for each in comparison.changed_since]
    case_ids = dict.fromkeys(item.case_id for item in items)
    reading.record(Message("stocktake {stocktake_id}", stocktake_id=stocktake_id), *case_ids)
    return view


def _view(connection: Connection, opened: OpenStocktake, missing: Collection[tuple[str, str]]) -> StocktakeView:
    agency, room = opened.agency, opened.storage_location
    expected = stocktakes.items_in(connection, agency, room)
    require_countable(expected, room)
    kept_scans = stocktakes.scans_of(connection, opened)
    scans = [scan for scan in kept_scans if scan.taken_back_by is None]
    by_now = list(_by_now(connection, opened, scans))
    seen_keys: set[tuple[str, str]] = set()
    changed: list[ChangedScan] = []
    for scan, code in zip(scans, by_now, strict=True):
        result = result_of(code, seen_keys, agency=agency, room=room)
        if result != scan.result:
            changed.append(ChangedScan(scan.code, scan.result, result))
        if code.item:
            seen_keys.add((code.item.case_id, code.item.item_id))
    at_opening = stocktakes.at_opening(connection, opened)
    return StocktakeView(
        opened.stocktake_id,
        room,
        opened.number,
        opened.officer,
        instant_text(opened.opened_at),
        opened.tree_size,
        log.tree(connection).size,
        tuple(expected),
        stocktakes.counts_of(connection, opened),
        tuple(dict.fromkeys(scan.officer for scan in scans)),
        compared(expected, by_now, agency=agency, room=room, at_opening=at_opening, missing=missing),
        tuple(changed),
        tuple(map(_kept, kept_scans)),
    )


def _by_now(connection: Connection, opened: OpenStocktake, scans: Sequence[Scan]) -> Iterable[CountedCode]:
    """Yield the scans with their items as the record has them by now; a code that meant nothing may have come in."""
    keys = {(scan.case_id, scan.item_id) for scan in scans if scan.case_id and scan.item_id}
    items = stocktakes.items_named(connection, opened.agency, keys)
    for scan in scans:
        item = items.get((scan.case_id or "", scan.item_id or ""))
        if item is None:
            agency, room = opened.agency, opened.storage_location
            items_by_now = stocktakes.items_of_code(connection, agency, scan.code.strip(), room)
            item = items_by_now[0] if len(items_by_now) == 1 else None
        yield CountedCode(scan.code, item, scan.seal_number, scan.seal_fitted, scan.result == "present")


def abandon(service: Service, reading: Reading, stocktake_id: str) -> OpenStocktake:
    """Forget an open stocktake and its scans, of which nothing is recorded."""
    with service.parts.database.read() as connection:
        opened = require_open(connection, reading, stocktake_id)
    stocktakes.abandon(service.parts.database, opened)
    reading.record(Message("{stocktake_id} abandoned", stocktake_id=stocktake_id))
    return opened


def closing_acts(
    service: Service, reading: Reading, stocktake_id: str, asked: ClosingRequest
) -> tuple[list[StocktakeAct], StocktakeView]:
    """Return the events that record a stocktake, to be signed together: its discrepancies, and then itself.

    All are of the record as it is by now. A difference of which an earlier stocktake's discrepancy is open still gets
    no second one, and a surplus thing that the agency never held gets none. Raises Conflict for more differences than
    are signed together, and IntegrityBroken if somebody has changed in the database what was counted.
    """
    parts, agency = service.parts, reading.agency
    view = view_of(service, reading, stocktake_id, asked.missing)
    # Behind the view, so that nothing is signed that was changed before it was read.
    with parts.database.read() as connection:
        stocktakes.require_as_written(connection, require_open(connection, reading, stocktake_id).key)
    if not view.counts.scanned:
        raise MalformedInput(
            "nothing was scanned yet", field="stocktake_id", code="nothing_counted", hint="Scan what is there first."
        )
    acts: list[StocktakeAct] = []
    lines: list[stocktake.CountedDifference] = []
    places: dict[str, StreamPosition] = {}
    for count in view.comparison.differing:
        case_id, item_id = count.item.case_id, count.item.item_id
        state = parts.validator.states.of_listed_case(case_id)
        for difference in count.differences:
            open_one = _open_of(state.discrepancies.values(), item_id, difference, agency)
            line: dict[str, Any] = {"item_id": item_id, **asdict(difference)}
            if open_one is not None or has_held(state, state.items[item_id], agency):
                line["discrepancy_id"] = open_one or new_id("count")
            lines.append(stocktake.CountedDifference(case_id=case_id, **line))
            if open_one is None and "discrepancy_id" in line:
                place = places.get(case_id) or StreamPosition.after(Stream(kind="case", id=case_id), state)
                acts.append(StocktakeAct(place, DiscrepancyRaised(stocktake_id=stocktake_id, **line)))
                # Where the next one of the case follows, its head is known once this one is signed.
                places[case_id] = StreamPosition(place.stream, place.sequence + 1)
    if len(acts) >= MAX_ACTS:
        raise Conflict(
            "{count} differences are more than the {limit} that are signed together",
            count=len(acts),
            limit=MAX_ACTS - 1,
            code="too_many_differences",
            hint="Record what was moved (tally item move), or count the room by its shelves.",
        )
    own = reading.session.grant.officer
    body = StocktakeRecorded(
        stocktake_id=stocktake_id,
        storage_location=view.storage_location,
        started_at=view.started_at,
        counters=tuple(dict.fromkeys((*view.counters, *asked.counters))) or (own,),
        started_size=view.started_size,
        tree_size=view.tree_size,
        scans=len(view.scans),
        scans_taken_back=sum(scan.taken_back_by is not None for scan in view.scans),
        present=_lines(view.comparison.present),
        changed_since=tuple(
            stocktake.CountedChange(case_id=each.item.case_id, item_id=each.item.item_id, change=each.change)
            for each in view.comparison.changed_since
        ),
        differences=tuple(lines),
        unknown_codes=view.comparison.unknown_codes,
        number=view.number,
        remark=asked.remark,
    )
    stream = Stream(kind="agency", id=agency)
    with parts.database.read() as connection:
        own_place = StreamPosition.after(stream, log.head(connection, stream.kind, stream.id))
    return [*acts, StocktakeAct(own_place, body)], view


def _lines(items: Iterable[StoredItem]) -> tuple[stocktake.CountedItem, ...]:
    return tuple(stocktake.CountedItem(case_id=item.case_id, item_id=item.item_id) for item in items)


def _open_of(
    discrepancies: Iterable[Discrepancy], item_id: str, difference: CountDifference, agency: str
) -> str | None:
    """Return the discrepancy of an earlier stocktake that says the same of the item and is open still, or None."""
    for each in discrepancies:
        is_same = (each.item_id, each.kinds, each.found) == (item_id, (difference.kind,), difference.found)
        if is_same and each.stocktake_id and not each.is_resolved and agency in each.parties:
            return each.discrepancy_id
    return None


def drafts_of(
    service: Service, reading: Reading, labels: Labels, acts: Sequence[StocktakeAct], claims: Claims
) -> list[ForeseenEvent]:
    """Return the drafts of the events of a stocktake, those of one case together.

    Raises what the ledger would refuse of them.
    """
    by_case: dict[str, list[tuple[Body, Claims]]] = {}
    for act in acts[:-1]:
        by_case.setdefault(act.place.stream.id, []).append((act.body, claims))
    drafts: list[ForeseenEvent] = []
    for case_id, bodies in by_case.items():
        drafted_case = case_at_hand(service, reading, case_id)
        drafts += drafts_in_case(service, reading, labels, drafted_case=drafted_case, acts=bodies)
    own = acts[-1]
    drafted = unsigned(service.parts, reading, place=own.place, body=own.body, claims=claims)
    event = drafted.event
    reading.record(Message("draft of {event_type}", event_type=Term("event_type", event.event_type)))
    narrator = Narrator(labels, names_by_id(reading.authority.names, labels))
    words = narrator.words(event, None)
    particulars = event_fields(event, drafted.sections, words, labels)
    drafts.append(ForeseenEvent(drafted, narrator.alone(event), particulars, [], []))
    return drafts


def lines_of(body: StocktakeRecorded) -> list[tuple[str, str]]:
    """Return case and id of each thing that the stocktake names."""
    return [
        *((line.case_id, line.item_id) for line in (*body.present, *body.changed_since)),
        *((line.case_id, line.item_id) for line in body.differences),
    ]


class NamedDiscrepancy(Struct, frozen=True):
    """A discrepancy that a stocktake names, by its case."""

    case_id: str
    discrepancy_id: str


class DescribedItem(Struct, frozen=True):
    """What an item is called."""

    case_id: str
    item_id: str
    description: str


def descriptions(service: Service, reading: Reading, body: StocktakeRecorded) -> tuple[DescribedItem, ...]:
    """Return what the things that a recorded stocktake names are called now, those that the agency has a part in."""
    with service.parts.database.read() as connection:
        items = stocktakes.items_named(connection, reading.agency, set(lines_of(body)))
    return tuple(DescribedItem(*key, item.description) for key, item in sorted(items.items()))


def nonexistent(service: Service, reading: Reading, body: StocktakeRecorded) -> tuple[NamedDiscrepancy, ...]:
    """Return the discrepancies that a recorded stocktake names and that the reader's agency did not raise.

    No other agency's are told: the cases are those that somebody signed by hand, perhaps cases that the agency may not
    see. One query finds what it raised itself, and no case is folded.
    """
    named = {
        (line.case_id, line.discrepancy_id): NamedDiscrepancy(line.case_id, line.discrepancy_id)
        for line in body.differences
        if line.discrepancy_id is not None
    }
    raised: set[tuple[str, str]] = set()
    with service.parts.database.read() as connection:
        case_ids = cases.parties_among(connection, reading.agency, {case_id for case_id, _ in named})
        for entry in log.own_entries(connection, reading.agency, case_ids, NAME_OF[DiscrepancyRaised]):
            discrepancy = log.event_of(entry).body
            assert isinstance(discrepancy, DiscrepancyRaised), "its type says so"
            raised.add((entry.stream_id, discrepancy.discrepancy_id))
    return tuple(named[key] for key in sorted(named.keys() - raised))


def recorded_body(service: Service, reading: Reading, stocktake_id: str) -> tuple[RecordedStocktake, StocktakeRecorded]:
    """Return a stocktake that the reader's agency recorded, with its event's body, and record the read.

    Raises NotFound.
    """
    with service.parts.database.read() as connection:
        row = stocktakes.find_recorded(connection, reading.agency, stocktake_id)
        if row is None:
            raise stocktakes.no_such_stocktake(stocktake_id)
        body = log.event_of(log.entry(connection, row.updated_index)).body
        assert isinstance(body, StocktakeRecorded), "its row says so"
        # Signed by hand, it may name cases that the agency does not see: nobody has read those.
        case_ids = cases.parties_among(connection, reading.agency, {case_id for case_id, _ in lines_of(body)})
    reading.record(Message("stocktake {stocktake_id}", stocktake_id=stocktake_id), *sorted(case_ids))
    return row, body

"""The report of a recorded stocktake as a paper: what was counted, by whom, and what differs from the record."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from msgspec import Struct

from ledger.core.encoding.instants import unix_seconds
from ledger.core.events import Event
from ledger.core.events.stocktake import CountedDifference, CountedItem, StocktakeRecorded
from ledger.interchange.papers.document import record_block
from ledger.interchange.papers.paper_text import PaperText, cell
from ledger.interchange.papers.sheet import (
    BLANK,
    Cell,
    FactsBlock,
    ProseBlock,
    Sheet,
    SheetBlock,
    Stamp,
    StampsBlock,
    link,
)
from ledger.store.log import StoredEntry
from ledger.timeline.sentences import sides_by_field

_THING = {"item_id": 2.0, "case_number": 1.8, "description": 4.0}
_CHANGED = _THING | {"change": 1.2}
_DIFFERING = _THING | {"expected": 2.0, "found": 2.0, "discrepancy_id": 2.0}


class PrintedStocktake(Struct, frozen=True):
    """A stocktake with its entry, and the words for what it names, as the record has them when it is printed.

    ``descriptions`` are by case and item, ``numbers`` those of the cases as the agency has them. ``nonexistent`` are
    the discrepancies, by case and id, that the stocktake names and nobody raised.
    """

    entry: StoredEntry
    event: Event
    body: StocktakeRecorded
    descriptions: Mapping[tuple[str, str], str]
    numbers: Mapping[str, str]
    nonexistent: Collection[tuple[str, str]] = ()


def stocktake_paper(printed: PrintedStocktake, text: PaperText, *, log_id: str, verify_url: str) -> Sheet:
    """Return the paper; ``verify_url`` is the page on which proofs are checked, ``log_id`` 0x and lower-case hex."""
    event, entry = printed.event, printed.entry
    return Sheet(
        layout="form",
        languages=text.languages,
        title=text.paper("title.stocktake"),
        issuer=text.agency(event.agency),
        number=text.paper("number", number=printed.body.number or printed.body.stocktake_id),
        date=unix_seconds(event.occurred_at),
        link=link(verify_url, log_id, event.event_id, entry.payload_digest),
        link_text=text.paper("link"),
        blocks=(*_blocks(printed, text), record_block(text, entry, event, log_id=log_id)),
        footer=text.paper("footer", zone=text.zone()),
        reference=event.event_id,
    )


def _blocks(printed: PrintedStocktake, text: PaperText) -> Iterator[SheetBlock]:
    body = printed.body
    kinds = [line.kind for line in body.differences]
    facts = [
        text.fact("storage_location", (body.storage_location,)),
        text.fact("counters", (", ".join(body.counters),)),
        text.fact("started_at", text.moment(body.started_at)),
        text.fact("ended_at", text.moment(printed.event.occurred_at)),
        text.fact("started_size", (str(body.started_size),)),
        text.fact("tree_size", (str(body.tree_size),)),
    ]
    if body.remark:
        facts.append(text.fact("remark", (body.remark,)))
    yield FactsBlock(BLANK, tuple(facts), together=True)
    counts = {kind: str(kinds.count(kind)) for kind in ("missing", "surplus", "location", "seal")}
    counts |= {name: str(len(getattr(body, name))) for name in ("present", "changed_since", "unknown_codes")}
    yield ProseBlock(BLANK, (text.paper("stocktake_counts", **counts),))
    of_kind = partial(_differences, printed, text)
    yield from text.table("stocktake_missing", _DIFFERING, of_kind("missing"))
    yield from text.table("stocktake_surplus", _DIFFERING, of_kind("surplus"))
    yield from text.table("stocktake_elsewhere", _DIFFERING, of_kind("location"))
    yield from text.table("stocktake_seal", _DIFFERING, of_kind("seal"))
    yield from text.table("stocktake_changed", _CHANGED, _changes(printed, text))
    yield from text.table("stocktake_unknown", {"code": 1.0}, [(cell((code,)),) for code in body.unknown_codes])
    yield from text.table("stocktake_present", _THING, (_thing(printed, line) for line in body.present))
    here, date = text.paper("stamp.here"), text.paper("stamp.date")
    agency = Stamp(text.agency(printed.event.agency), here, (text.paper("stamp.officer"), date))
    counter = Stamp(text.paper("stamp.counter"), text.paper("stamp.sign_here"), (date,))
    yield StampsBlock((agency, counter))


def _differences(printed: PrintedStocktake, text: PaperText, kind: str) -> Iterator[tuple[Cell, ...]]:
    words = text.of_event(printed.event, None)
    for line in printed.body.differences:
        if line.kind == kind:
            sides = sides_by_field(line)
            if line.discrepancy_id is None:
                discrepancy = text.paper("stocktake_not_disputed")
            elif (line.case_id, line.discrepancy_id) in printed.nonexistent:
                discrepancy = text.paper("stocktake_nonexistent", discrepancy_id=line.discrepancy_id)
            else:
                discrepancy = (line.discrepancy_id,)
            yield (
                *_thing(printed, line),
                cell(words.value("expected", sides["expected"])),
                cell(words.value("found", sides["found"])),
                cell(discrepancy),
            )


def _changes(printed: PrintedStocktake, text: PaperText) -> Iterator[tuple[Cell, ...]]:
    for line in printed.body.changed_since:
        yield (*_thing(printed, line), cell(text.of("change_in_count", line.change)))


def _thing(printed: PrintedStocktake, line: CountedItem | CountedDifference) -> tuple[Cell, ...]:
    """Return id, case and description of a thing."""
    description = printed.descriptions.get((line.case_id, line.item_id))
    number = printed.numbers.get(line.case_id, line.case_id)
    return cell((line.item_id,)), cell((number,)), cell((description,) if description else BLANK)

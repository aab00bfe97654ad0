"""What a certificate tells of the events: items, times as claimed and as proven, the handling chain, digests, flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec.structs import asdict

from ledger.core.custody import Item
from ledger.core.events import Payload
from ledger.core.procedure.legal_days import in_legal_zone, instant_text
from ledger.interchange.papers.certified import Certified, CertifiedEvent
from ledger.interchange.papers.sheet import UNSAID, Block, Cell, Fact, Facts, Prose, Table, Words
from ledger.interchange.papers.voice import Voice, cell


def items_of(voice: Voice, certified: Certified, items: Iterable[Item]) -> Iterator[Block]:
    """The items as they stand after the last event."""
    payload = certified.last.payload
    if payload is None:
        return
    said = voice.of_event(payload, certified.state).said
    rows = tuple(
        (
            cell((item.description,), voice.paper("item_id", item_id=item.item_id)),
            cell(said("item_kind", item.kind)),
            cell(said("quantity", item.quantity)),
            cell(voice.agency(item.holder), voice.of("status", item.status)),
            _state(voice, said, item),
            _gap(voice, item),
        )
        for item in items
    )
    if rows:
        heads = ("thing", "item_kind", "quantity", "holder", "seal_and_condition", "unrecorded")
        columns = tuple(voice.field(name) for name in heads)
        yield Table(voice.paper("list.certified"), columns, (3.4, 1.4, 1.2, 2.2, 2, 1.6), rows)


def _state(voice: Voice, said: Callable[[str, Any], Words], item: Item) -> Cell:
    stated = ((field, said(field, getattr(item, field))) for field in ("seal_number", "seal_state", "condition"))
    return cell(*(voice.paper("labelled", label=voice.field(name), value=value) for name, value in stated if value))


def _gap(voice: Voice, item: Item) -> Cell:
    """The time from the seizure to the first record, of which nothing is proven."""
    seconds = item.unrecorded_seconds
    return (
        () if seconds is None else cell(voice.paper("gap", hours=str(seconds // 3600), minutes=str(seconds // 60 % 60)))
    )


def event_stated(voice: Voice, event: CertifiedEvent) -> Iterator[Block]:
    """Claimed and proven time side by side, and what the event states by itself."""
    claimed, proven = _moment(_claimed(event)), _proven(voice, event, _moment)
    columns = (voice.field("claimed"), voice.field("proven"))
    yield Table(voice.paper("list.times"), columns, (1, 1), (((claimed,), (proven,)),))
    if event.payload is None:
        yield Prose(voice.paper("heading.stated"), (_withheld(voice, event),))
    else:
        facts = tuple(Fact(label, value) for label, value in _stated(voice, event.payload))
        yield Facts(voice.paper("heading.stated"), facts)


def _claimed(event: CertifiedEvent) -> str:
    subject = event.report.subject
    return subject.occurred_at or instant_text(subject.signed_at)


def _moment(instant: str) -> Words:
    """Give the time to the second, with its zone: by it the record is found."""
    return (in_legal_zone(instant),)


def handling(voice: Voice, events: Iterable[CertifiedEvent]) -> Block:
    """Who did what, when as claimed, and since when at the latest it is proven to be recorded."""
    rows = tuple(
        (
            cell((str(event.report.subject.sequence),)),
            cell(voice.moment(_claimed(event))),
            cell(_proven(voice, event, voice.moment)),
            _told(voice, event),
        )
        for event in events
    )
    columns = tuple(voice.field(name) for name in ("sequence_number", "claimed", "proven", "sentence"))
    return Table(voice.paper("list.handling"), columns, (0.6, 1.7, 1.7, 7), rows)


def _proven(voice: Voice, event: CertifiedEvent, say: Callable[[str], Words]) -> Words:
    at = event.report.proven_time
    return voice.of("message", "none") if at is None else say(instant_text(at))


def _told(voice: Voice, event: CertifiedEvent) -> Cell:
    """In sentences where the case around it is known; else what it states by itself, field by field."""
    if event.payload is None:
        return cell(_withheld(voice, event))
    if event.after is not None:
        return cell(voice.tell(event.before, event.payload, event.after))
    kind = voice.of("event_type", event.payload.event_type)
    stated = (voice.paper("labelled", label=label, value=value) for label, value in _stated(voice, event.payload))
    return cell(kind, *stated)


def _withheld(voice: Voice, event: CertifiedEvent) -> Words:
    subject = event.report.subject
    kind = voice.of("event_type", subject.event_type)
    return voice.paper("payload_withheld", agency=voice.agency(subject.agency), event_type=kind)


def _stated(voice: Voice, payload: Payload) -> Iterator[tuple[Words, Words]]:
    """Label and value of each field of the event's body: nothing that it does not say itself."""
    said = voice.of_event(payload, None).said
    for field, value in asdict(payload.body).items():
        told = voice.paper("yes" if value else "no") if isinstance(value, bool) else said(field, value)
        if told and field != "digests":
            yield voice.field(field), told


def flags_of(voice: Voice, certified: Certified) -> Iterator[Block]:
    """What the rules say of the events: not whether they were proven, but whether they were in order."""
    rows = tuple(
        (
            cell((str(raised.sequence),)),
            cell(voice.flag(raised.flag.name)),
            cell(voice.article(raised.flag.article)),
            cell(voice.detail(raised.flag.detail)),
        )
        for raised in certified.flags
    )
    if rows:
        columns = tuple(voice.field(name) for name in ("sequence_number", "flag", "article", "detail"))
        yield Table(voice.paper("list.flags"), columns, (0.8, 4, 2, 4), rows)


def digests_of(voice: Voice, certified: Certified, items: Iterable[Item]) -> Iterator[Block]:
    """Of what the items are; of a single event what its body says."""
    found = [(item.description, item.item_id, item.digests) for item in items]
    if not found and certified.last.payload is not None:
        body = certified.last.payload.body
        stated = getattr(body, "digests", ())
        found = [("", getattr(body, "item_id", ""), stated)]
    rows = tuple(
        (
            cell((description,) if description else UNSAID, (item_id,) if item_id else UNSAID),
            tuple((d,) for d in digests),
        )
        for description, item_id, digests in found
        if digests
    )
    if rows:
        columns = (voice.field("thing"), voice.field("digests"))
        yield Table(voice.paper("list.digests"), columns, (3, 8), rows, exact=(1,))


def event_digests(voice: Voice, events: Iterable[CertifiedEvent]) -> Block:
    """What the signatures are under: by these the record is found and compared."""
    rows = tuple(
        (
            cell((str(event.report.subject.sequence),)),
            cell(("–" if (index := event.report.subject.index) is None else str(index),)),
            cell((event.report.subject.event_id,), (event.report.subject.payload_digest,)),
        )
        for event in events
    )
    columns = tuple(voice.field(name) for name in ("sequence_number", "log_index", "event_and_digest"))
    return Table(voice.paper("list.event_digests"), columns, (1, 1, 9), rows, exact=(2,))

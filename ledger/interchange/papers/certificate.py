"""The certificate 存证证明: what a bundle proves, in words, with the bundle inside; and what it does not prove."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import Item
from ledger.core.custody.spans import concerned
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Payload
from ledger.core.procedure.legal_days import in_legal_zone, instant_text, with_readable_times
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.verification.report import Step
from ledger.core.verification.trust import Trust
from ledger.interchange.papers.certified import Certified, CertifiedEvent, certify
from ledger.interchange.papers.document import link
from ledger.interchange.papers.sheet import (
    UNSAID,
    Attachment,
    Block,
    Cell,
    CheckLine,
    Checks,
    Fact,
    Facts,
    Prose,
    Sheet,
    Stamp,
    Stamps,
    Table,
    Words,
)
from ledger.interchange.papers.typeset import typeset
from ledger.interchange.papers.voice import PaperLanguage, Voice, cell


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


def checks_of(voice: Voice, certified: Certified) -> Iterator[Block]:
    """Each numbered step in words: of a case those of the whole, then those of its events together."""
    if not certified.case_steps:
        lines = tuple(_line(voice, step, "check") for step in certified.last.report.steps)
        yield Checks(voice.paper("heading.checks"), lines)
        return
    yield Checks(
        voice.paper("heading.case_checks"), tuple(_line(voice, step, "case_check") for step in certified.case_steps)
    )
    by_number = zip(*(event.report.steps for event in certified.events), strict=True)
    lines = tuple(_line(voice, *_weakest(steps)) for steps in by_number)
    yield Checks(voice.paper("heading.each_checks", count=str(len(certified.events))), lines)


def unchecked(voice: Voice, certified: Certified) -> Words:
    """The steps that were not checked, or not for every event: what stands beside the verdict."""
    steps = (*certified.case_steps, *(step for event in certified.events for step in event.report.steps))
    left = dict.fromkeys((step.number, step.name) for step in steps if step.result != "checked")
    if not left:
        return UNSAID
    names = voice.each(
        lambda labels: labels.of("telling", "separator").join(
            f"{number} {labels.of('step', name)}" for number, name in left
        )
    )
    return voice.paper("unchecked", steps=names)


def _weakest(steps: tuple[Step, ...]) -> tuple[Step, str, int, int]:
    """The first that was not checked stands for all, and how many were."""
    left = [step for step in steps if step.result != "checked"]
    return (left or steps)[0], "check", len(steps) - len(left), len(steps)


def _line(voice: Voice, step: Step, words: str, checked: int = 0, of: int = 0) -> CheckLine:
    result = step.result
    told = voice.of("result", result)
    if of > 1 and checked < of:
        told = voice.paper("checked_of", checked=str(checked), of=str(of))
    meaning = voice.paper(f"{words}.{step.name}.{result}")
    detail = with_readable_times(step.detail) if of <= 1 or checked < of else ""
    return CheckLine(step.number, voice.of("step", step.name), result, told, meaning, detail)


def statements(voice: Voice, certified: Certified) -> Block:
    """What stands beside the verdict: whether the rules were kept, and whether anything is left out."""
    return Facts(
        voice.paper("heading.beside"),
        (
            Fact(voice.field("conformity"), voice.of("statement", certified.conformity.result)),
            Fact(voice.field("completeness"), voice.of("statement", certified.completeness.result)),
        ),
    )


def where_recorded(voice: Voice, certified: Certified, trust: Trust) -> Iterator[Fact]:
    """Ledger, state of the log, contract and blocks, with what of it is only said."""
    report, anchor = certified.last.report, certified.anchor
    yield Fact(voice.field("log_id"), (f"0x{trust.log_id.hex()}",), exact=True)
    yield Fact(voice.field("log_key"), (trust.log_key.vkey(),), exact=True)
    if report.subject.root is not None:
        yield Fact(voice.field("size"), (str(report.subject.size),))
        yield Fact(voice.field("root"), (report.subject.root,), exact=True)
    if anchor is not None:
        yield Fact(voice.field("chain_id"), (str(anchor.chain.chain_id),))
        yield Fact(voice.field("contract"), (anchor.contract,), exact=True)
    if report.record is not None:
        yield Fact(voice.field("recorded_in"), voice.paper("in_block", number=str(report.record.block_number)))
    if report.block is not None:
        number = str(report.block.number)
        told = voice.paper("block_trusted" if report.block.trusted else "block_unknown", number=number)
        yield Fact(voice.field("ends_in_block"), told)
        yield Fact(voice.field("ends_in_hash"), (report.block.hash,), exact=True)


def how_to_check(voice: Voice, data: bytes, certified: Certified) -> Block:
    """The attachment with its hashes, and what to do with it."""
    file = f"{certified.name}.bundle.json"
    return Facts(
        voice.paper("heading.how"),
        (
            Fact(voice.field("attached"), voice.paper("attached", file=file, size=str(len(data)))),
            Fact(("SHA-256",), (sha256(data).hexdigest(),), exact=True),
            Fact(("BLAKE3",), (blake3(data).hexdigest(),), exact=True),
            Fact(voice.field("online"), voice.paper("online")),
            Fact(voice.field("offline"), (f"tally proof check {file} --trust TRUST.json",), exact=True),
            Fact(voice.field("trusting"), voice.paper("trusting")),
        ),
        together=True,
    )


LIMITS = ("since_then", "claimed_times", "persons", "files", "not_checked", "later", "paper")  # of any certificate
NOWHERE = "tallystick:verify"  # in the code's link, where no verify page is known


class Certificate(Struct, frozen=True):
    """A sheet and the text of its attachment, which is the bundle as it was given."""

    sheet: Sheet
    attached: str


def certificate(
    data: bytes,
    certified: Certified,
    trust: Trust,
    language: PaperLanguage,
    *,
    verify_url: str | None = None,
    item_id: str | None = None,
) -> Certificate:
    """The certificate of the bundle ``data``, as ``certified`` against ``trust``; with ``item_id``, of one item.

    ``verify_url`` is the page that the QR code leads to. Raises NotFound for an item that the case does not have, and
    MalformedInput where the bundle does not tell what happened with items.
    """
    voice = Voice(language, certified.name_of)
    file = f"{certified.name}.bundle.json"
    subject = certified.last.report.subject
    name = certified.name if item_id is None else f"{certified.name} / {item_id}"
    sheet = Sheet(
        layout="certificate",
        languages=voice.languages,
        title=voice.paper("title.certificate"),
        issuer=(trust.origin,),
        number=voice.paper("number", number=name),
        date=certified.date,
        link=link(verify_url or NOWHERE, f"0x{trust.log_id.hex()}", certified.name, subject.payload_digest),
        link_told=voice.paper("link"),
        verdict=voice.paper(f"verdict.{certified.verdict}"),
        unchecked=unchecked(voice, certified),
        blocks=tuple(_blocks(voice, data, certified, trust, item_id)),
        footer=voice.paper("certificate_footer"),
        reference=name,
        attachment=Attachment(file, "tallystick proof bundle: tally proof check"),
    )
    return Certificate(sheet, data.decode())


def _blocks(voice: Voice, data: bytes, certified: Certified, trust: Trust, item_id: str | None) -> Iterator[Block]:
    items, events = _chosen(certified, item_id)
    yield Facts(UNSAID, tuple(_of_case(voice, certified)))
    yield from items_of(voice, certified, items)
    if certified.case_steps:
        yield handling(voice, events)
        yield from flags_of(voice, certified)
    else:
        yield from event_stated(voice, certified.last)
    yield from digests_of(voice, certified, items)
    yield statements(voice, certified)
    yield from checks_of(voice, certified)
    yield Facts(voice.paper("heading.where"), tuple(where_recorded(voice, certified, trust)), together=True)
    limits = [voice.paper(f"limit.{name}") for name in LIMITS]
    limits += [voice.paper("limit.development")] if certified.development else []
    yield Prose(voice.paper("heading.limits"), tuple(limits), points=True)
    yield how_to_check(voice, data, certified)
    yield event_digests(voice, events)
    here, date = voice.paper("stamp.here"), voice.paper("stamp.date")
    yield Stamps((Stamp(voice.paper("stamp.issuer"), here, (voice.paper("stamp.officer"), date)),))


def _chosen(certified: Certified, item_id: str | None) -> tuple[list[Item], list[CertifiedEvent]]:
    """The items and events that the certificate is about: all, or those of one item."""
    state = certified.state
    if item_id is None:
        return (list(state.items.values()) if state else []), list(certified.events)
    if state is None:
        raise MalformedInput(
            "this bundle does not tell what happened with items",
            field="item_id",
            hint="Take the bundle of the case, with its payloads: tally proof get --case",
        )
    if item_id not in state.items:
        raise NotFound(f"case {state.case_id} has no item {item_id}", field="item_id")
    return [state.items[item_id]], [event for event in certified.events if item_id in _about(event)]


def _about(event: CertifiedEvent) -> tuple[str, ...]:
    assert event.payload is not None, "events before a state could be followed"
    assert event.after is not None
    return concerned(event.before, event.payload, event.after).item_ids


def _of_case(voice: Voice, certified: Certified) -> Iterator[Fact]:
    state, subject = certified.state, certified.last.report.subject
    if subject.stream_kind == "case":
        yield Fact(voice.field("case_id"), (subject.stream_id,))
    if state is not None:
        yield Fact(voice.field("case_type"), (state.case_type,))
        for agency in sorted(state.numbers):
            yield Fact(voice.paper("number_of", agency=voice.agency(agency)), (state.numbers[agency],))
        yield Fact(voice.field("responsible"), voice.agency(state.responsible))
        yield Fact(voice.field("stage"), voice.of("stage", state.stage))
    if not certified.case_steps:
        yield Fact(voice.field("event_id"), (subject.event_id,), exact=True)
        yield Fact(voice.field("event_type"), voice.of("event_type", subject.event_type))
        yield Fact(voice.field("agency"), voice.agency(subject.agency))
        if subject.officer is not None:
            yield Fact(voice.field("officer"), (subject.officer,))
        yield Fact(voice.field("key_id"), (subject.key_id,), exact=True)


class Asked(Struct, frozen=True):
    """A certificate that is asked for; see ``certificate``."""

    bundle: bytes
    trust: Trust
    book: Rulebook
    language: PaperLanguage
    verify_url: str
    item_id: str | None = None


def printed(asked: Asked) -> bytes:
    """The PDF. Raises what ``certify``, ``certificate`` and ``typeset`` raise."""
    certified = certify(asked.bundle, asked.trust, asked.book)
    made = certificate(
        asked.bundle, certified, asked.trust, asked.language, verify_url=asked.verify_url, item_id=asked.item_id
    )
    return typeset(made.sheet, made.attached)

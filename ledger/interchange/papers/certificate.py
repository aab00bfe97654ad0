"""The certificate 存证证明: what a bundle proves, in words, with the bundle inside; and what it does not prove."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import copy_context
from datetime import datetime
from hashlib import sha256

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import Item
from ledger.core.custody.spans import concerned, history_ends_of
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Event
from ledger.core.events.case import CaseJoined, CaseOpened, CaseSplit
from ledger.core.events.terms import EventRef
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.trust.trust_file import Trust
from ledger.core.trust.trust_renewal import trust_digest, uncovered_blocks
from ledger.core.verification.report import CheckedStep, Statement
from ledger.i18n import label_first_by, zone_in_use
from ledger.interchange.papers.certified import Certified, CertifiedEvent, certify
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText, cell
from ledger.interchange.papers.sheet import (
    BLANK,
    Attachment,
    CheckLine,
    ChecksBlock,
    FactsBlock,
    LabelledValue,
    ProseBlock,
    Sheet,
    SheetBlock,
    Stamp,
    StampsBlock,
    Words,
    link,
)
from ledger.interchange.papers.typeset import typeset

# Of any certificate.
LIMITS = ("since_then", "claimed_times", "time_limits", "persons", "files", "not_checked", "later", "paper")


class CertificateRequest(Struct, frozen=True):
    """A bundle, by whose trust file and rules it is certified, and in which language; with ``item_id``, of one item.

    ``verify_url`` is the page that the QR code leads to: without one there is no code. ``book`` is the procedure of the
    case of a single event, whose bundle does not have it, as far as it is known.
    """

    bundle: bytes
    trust: Trust
    procedures: Procedures
    language: PaperLanguage
    verify_url: str | None = None
    item_id: str | None = None
    book: Rulebook | None = None


def print_certificate(request: CertificateRequest) -> bytes:
    """Return the PDF. Raises what ``certify``, ``certificate`` and ``typeset`` raise."""
    certified = certify(request.bundle, request.trust, request.procedures)
    return typeset(certificate(request, certified), request.bundle.decode())


def certificate(request: CertificateRequest, certified: Certified) -> Sheet:
    """Return the certificate of a bundle that was ``certified`` for this request. The bundle is to be attached as is.

    Labels and zone are those of the procedure, where it is known.

    Raises NotFound for an item that the case does not have, and MalformedInput if the bundle does not tell what
    happened with items.
    """
    return copy_context().run(_certificate, request, certified)


def _certificate(request: CertificateRequest, certified: Certified) -> Sheet:
    if (book := certified.book or request.book) is not None:
        label_first_by(book)
    text, trust = PaperText(request.language, certified.name_of), request.trust
    name = certified.name if request.item_id is None else f"{certified.name} / {request.item_id}"
    digest = certified.last.report.subject.envelope.payload_digest
    return Sheet(
        layout="certificate",
        languages=text.languages,
        title=text.paper("title.certificate"),
        issuer=(trust.origin,),
        number=text.paper("number", number=name),
        date=certified.date,
        link=link(request.verify_url, trust.log_id_text, certified.name, digest),
        link_text=text.paper("link"),
        verdict=text.paper(f"verdict.{certified.verdict}"),
        beside=tuple(_beside(text, certified)),
        blocks=tuple(_blocks(text, request, certified)),
        footer=text.paper("certificate_footer", zone=text.zone()),
        reference=name,
        attachment=Attachment(f"{certified.name}.bundle.json", "tallystick proof bundle: tally proof check"),
    )


def _beside(text: PaperText, certified: Certified) -> Iterator[Words]:
    """Yield what must be read with the verdict: what the evidence contradicts, flags, steps left unchecked."""
    for step in certified.case_steps:
        if step.result == "failed":
            yield text.paper("contradicted", step=text.paper(f"check.{step.name}.failed"))
    if not certified.case_steps and certified.conformity.result == "contradicted":
        yield text.paper("contradicted", step=text.verifier(certified.conformity.detail))
    if certified.beyond_map:
        yield text.paper("beyond_map", count=str(certified.beyond_map))
    if certified.flags:
        yield text.paper("flags_raised", count=str(len(certified.flags)))
    if certified.time_limits is not None and certified.time_limits.late:
        yield text.paper("not_kept", count=str(len(certified.time_limits.late)))
    steps = (*certified.case_steps, *(step for event in certified.events for step in event.report.steps))
    left = dict.fromkeys((step.number, step.name) for step in steps if step.result == "not_checked")
    if left:
        yield text.paper("unchecked", steps=text.steps(left))


def _blocks(text: PaperText, request: CertificateRequest, certified: Certified) -> Iterator[SheetBlock]:
    items, events = _select(certified, request.item_id)
    yield FactsBlock(BLANK, tuple(_case_facts(text, certified)))
    yield from _items(text, certified, items)
    if certified.case_steps:
        if notes := tuple(_left_out(text, certified, events)):
            yield ProseBlock(BLANK, notes)
        yield from _handling(text, events)
        yield from _flags(text, certified)
        yield from _late(text, certified)
    else:
        yield from _event_content(text, certified.last)
    yield from _item_digests(text, certified, items)
    yield FactsBlock(
        text.paper("heading.beside"),
        (
            _statement(text, "acts_possible", certified.conformity),
            *([text.fact("flags", (str(len(certified.flags)),))] if certified.flags else []),
            _statement(text, "completeness", certified.completeness),
            *([text.fact("procedure_digest", (certified.book.digest,))] if certified.book and certified.state else []),
        ),
    )
    yield from _checks(text, certified)
    yield FactsBlock(text.paper("heading.where"), tuple(_record(text, certified, request.trust)), together=True)
    limits = [text.paper(f"limit.{name}") for name in LIMITS]
    limits += [text.paper("limit.development")] if certified.development else []
    yield ProseBlock(text.paper("heading.limits"), tuple(limits), points=True)
    yield _how_to_check(text, request, certified)
    yield from _event_digests(text, events)
    here, date = text.paper("stamp.here"), text.paper("stamp.date")
    yield StampsBlock((Stamp(text.paper("stamp.issuer"), here, (text.paper("stamp.officer"), date)),))


def _select(certified: Certified, item_id: str | None) -> tuple[list[Item], list[CertifiedEvent]]:
    """Return the items and events that the certificate is about: all, or those of one item."""
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
        raise NotFound("case {case_id} has no item {item_id}", case_id=state.case_id, item_id=item_id, field="item_id")
    # The chain of a part, or of a merged whole, is that of what it was before, too.
    until = history_ends_of(item_id, [event.event for event in certified.events if event.event is not None])
    events = []
    for event in certified.events:
        assert event.event is not None, "events before a state could be followed"
        assert event.after is not None
        about = concerned(event.before, event.event, event.after).item_ids
        if any(event.event.sequence <= until.get(name, -1) for name in about):
            events.append(event)
    return [state.items[item_id]], events


def _statement(text: PaperText, field: str, statement: Statement) -> LabelledValue:
    """Return a statement with its ground, without which the word says more than is shown."""
    result = text.of("statement", statement.result)
    return text.fact(field, text.paper("labelled", label=result, value=text.verifier(statement.detail)))


def _case_facts(text: PaperText, certified: Certified) -> Iterator[LabelledValue]:
    state, subject = certified.state, certified.last.report.subject
    envelope = subject.envelope
    if state is not None:
        yield from text.case_facts(state)
        yield text.fact("responsible", text.agency(state.responsible))
        yield text.fact("stage", text.of("stage", state.stage))
    elif envelope.stream.kind == "case":
        yield text.fact("case_id", (envelope.stream.id,))
    if not certified.case_steps:
        yield text.fact("event_id", (envelope.event_id,), exact=True)
        yield text.fact("event_type", text.of("event_type", envelope.event_type))
        yield text.fact("agency", text.agency(envelope.agency))
        if subject.officer is not None:
            yield text.fact("officer", (subject.officer,))
        yield text.fact("key_id", (envelope.key_id,), exact=True)


# -- items and events --------------------------------------------------------------------------------------------------


def _items(text: PaperText, certified: Certified, items: Iterable[Item]) -> Iterator[SheetBlock]:
    """Yield the list of items as they are after the last event."""
    event = certified.last.event
    if event is None:
        return
    event_text = text.of_event(event, certified.state)
    rows = []
    for item in items:
        seal_fields = ("seal_number", "seal_state", "condition")
        seal = (text.labelled(field, event_text.value(field, getattr(item, field))) for field in seal_fields)
        # The time from the seizure to the first record, of which nothing is proven.
        seconds, gap = item.unrecorded_seconds, BLANK
        if seconds is not None:
            gap = text.paper("gap", hours=str(seconds // 3600), minutes=str(seconds // 60 % 60))
        rows.append(
            (
                cell((item.description,), text.paper("item_id", item_id=item.item_id)),
                cell(event_text.value("item_kind", item.kind)),
                cell(event_text.value("quantity", item.quantity)),
                cell(text.agency(item.holder), text.of("status", item.status)),
                cell(*seal),
                cell(gap),
            )
        )
    columns = {
        "thing": 3.4,
        "item_kind": 1.4,
        "quantity": 1.2,
        "holder": 2.2,
        "seal_and_condition": 2,
        "unrecorded": 1.6,
    }
    yield from text.table("certified", columns, rows)


def _event_content(text: PaperText, event: CertifiedEvent) -> Iterator[SheetBlock]:
    """Yield claimed and proven time side by side, and what the event states by itself."""
    # To the second, with the zone: by these times the record is found.
    claimed, proven = _claimed_time(text, event, _local), _proven_time(text, event, _local)
    yield from text.table("times", {"claimed": 1, "proven": 1}, [((claimed,), (proven,))])
    heading = text.paper("heading.stated")
    if event.event is None:
        yield ProseBlock(heading, (_withheld(text, event),))
    else:
        yield FactsBlock(heading, tuple(text.fact(name, value) for name, value in _stated(text, event.event)))


def _local(instant: str) -> tuple[str]:
    return (zone_in_use().local(datetime.fromisoformat(instant)).isoformat(),)


def _claimed_time(text: PaperText, event: CertifiedEvent, spell: Callable[[str], Words]) -> Words:
    subject = event.report.subject
    if subject.occurred_at is not None:
        return spell(subject.occurred_at)
    return text.paper("time_withheld", signed=spell(instant_text(subject.envelope.signed_at)))


def _proven_time(text: PaperText, event: CertifiedEvent, spell: Callable[[str], Words]) -> Words:
    at = event.report.proven_time
    return text.of("message", "none") if at is None else spell(instant_text(at))


def _left_out(text: PaperText, certified: Certified, events: Collection[CertifiedEvent]) -> Iterator[Words]:
    """Yield what is not in the handling chain, though the case or another one has it."""
    if len(events) < len(certified.events):
        yield text.paper("of_item", shown=str(len(events)), count=str(len(certified.events)))
    elsewhere: list[str] = []
    for certified_event in certified.events:
        match certified_event.event and certified_event.event.body:
            case CaseSplit(new_case_id=case_id) | CaseJoined(other_case_id=case_id):
                elsewhere.append(case_id)
            case CaseOpened(split_from=EventRef(event_id=event_id)):
                elsewhere.append(event_id)
    if elsewhere:
        yield text.paper("elsewhere", cases=", ".join(dict.fromkeys(elsewhere)))


def _handling(text: PaperText, events: Iterable[CertifiedEvent]) -> Iterator[SheetBlock]:
    """Yield who did what, when as claimed, and since when at the latest it is proven to be recorded."""
    rows = []
    for event in events:
        if event.event is None:
            content = cell(_withheld(text, event))
        elif event.after is not None:
            content = cell(text.sentences(event.before, event.event, event.after))
        else:  # without the case around it, what it states by itself
            stated = (text.labelled(name, value) for name, value in _stated(text, event.event))
            content = cell(text.of("event_type", event.event.event_type), *stated)
        claimed, proven = _claimed_time(text, event, text.moment), _proven_time(text, event, text.moment)
        rows.append((cell((str(event.report.subject.envelope.sequence),)), cell(claimed), cell(proven), content))
    columns = {"sequence_number": 0.6, "claimed": 1.7, "proven": 1.7, "sentence": 7}
    return text.table("handling", columns, rows, times=("claimed", "proven"))


def _withheld(text: PaperText, event: CertifiedEvent) -> Words:
    kind = text.of("event_type", event.report.subject.envelope.event_type)
    slots = {"agency": text.agency(event.report.subject.envelope.agency), "event_type": kind}
    # Step 7 has accepted what its type refuses: whoever handed it over withheld nothing.
    is_shown = any(step.name == "payload" and step.result == "checked" for step in event.report.steps)
    return text.paper("payload_unread", **slots) if is_shown else text.paper("payload_withheld", **slots)


def _stated(text: PaperText, event: Event) -> Iterator[tuple[str, Words]]:
    """Yield name and value of each field of the event's body, and nothing that it does not state itself."""
    event_text = text.of_event(event, None)
    for name, value in asdict(event.body).items():
        words = text.paper("yes" if value else "no") if isinstance(value, bool) else event_text.value(name, value)
        if words and name != "digests":
            yield name, words


def _flags(text: PaperText, certified: Certified) -> Iterator[SheetBlock]:
    """Yield what the rules say of the events: not whether they are proven, but whether they were in order."""
    rows = [
        (
            cell((str(raised.sequence),)),
            cell(text.flag(raised.flag.name)),
            cell(text.article(raised.flag.article)),
            cell(text.detail(raised.flag.detail)),
        )
        for raised in certified.flags
    ]
    return text.table("flags", {"sequence_number": 0.8, "flag": 4, "article": 2, "detail": 4}, rows)


def _late(text: PaperText, certified: Certified) -> Iterator[SheetBlock]:
    """Yield the time limits that were not kept, by the times that signers claim."""
    limits = certified.time_limits
    if limits is None:
        return
    is_open = text.paper("open_at", time=text.moment(limits.as_of))
    rows = [
        (
            cell(text.clock(clock.clock), text.detail(clock.subject)),
            cell(text.article(clock.article)),
            cell(text.agency(clock.agency)),
            cell(text.moment(clock.due_at)),
            cell(is_open if clock.stopped_at is None else text.moment(clock.stopped_at)),
        )
        for clock in limits.late
    ]
    columns = {"time_limit": 3, "article": 2, "whose_time": 2, "ran_until": 1.7, "stopped_at": 1.7}
    yield from text.table("late", columns, rows, times=("ran_until", "stopped_at"))


def _item_digests(text: PaperText, certified: Certified, items: Iterable[Item]) -> Iterator[SheetBlock]:
    """Yield the digests of the items, or of a single event those that its body states."""
    listed = [(item.description, item.item_id, item.digests) for item in items]
    if not listed and certified.last.event is not None:
        body = certified.last.event.body
        listed = [("", getattr(body, "item_id", ""), getattr(body, "digests", ()))]
    rows = [
        (
            cell((description,) if description else BLANK, (item_id,) if item_id else BLANK),
            tuple((digest,) for digest in digests),
        )
        for description, item_id, digests in listed
        if digests
    ]
    return text.table("digests", {"thing": 3, "digests": 8}, rows, exact=(1,))


def _event_digests(text: PaperText, events: Iterable[CertifiedEvent]) -> Iterator[SheetBlock]:
    """Yield what the signatures are under: by these the record is found and compared."""
    rows = []
    for event in events:
        place, envelope = event.report.subject.index, event.report.subject.envelope
        index = "–" if place is None else str(place)
        digests = cell((envelope.event_id,), (envelope.payload_digest,))
        rows.append((cell((str(envelope.sequence),)), cell((index,)), digests))
    columns = {"sequence_number": 1, "log_index": 1, "event_and_digest": 9}
    return text.table("event_digests", columns, rows, exact=(2,))


# -- the verification --------------------------------------------------------------------------------------------------


def _checks(text: PaperText, certified: Certified) -> Iterator[SheetBlock]:
    """Yield each numbered step in words: of a case those of the whole, then those of its events together."""
    if not certified.case_steps:
        lines = tuple(_check_line(text, step) for step in certified.last.report.steps)
        yield ChecksBlock(text.paper("heading.checks"), lines)
        return
    lines = tuple(_check_line(text, step) for step in certified.case_steps)
    yield ChecksBlock(text.paper("heading.case_checks"), lines)
    by_number = zip(*(event.report.steps for event in certified.events), strict=True)
    lines = tuple(_check_line(text, *steps) for steps in by_number)
    yield ChecksBlock(text.paper("heading.each_checks", count=str(len(certified.events))), lines)


def _check_line(text: PaperText, *steps: CheckedStep) -> CheckLine:
    """Return one line for this step of all events: the first that was not checked stands for all."""
    left = [step for step in steps if step.result != "checked"]
    step, result_text = (left or steps)[0], text.of("result", (left or steps)[0].result)
    if left and len(steps) > 1:
        result_text = text.paper("checked_of", checked=str(len(steps) - len(left)), of=str(len(steps)))
    meaning = text.paper(f"check.{step.name}.{step.result}")
    detail = text.verifier(step.text) if left or len(steps) == 1 else BLANK
    return CheckLine(step.number, text.of("step", step.name), step.result, result_text, meaning, detail)


def _record(text: PaperText, certified: Certified, trust: Trust) -> Iterator[LabelledValue]:
    """Yield ledger, tree head, contract and blocks, and whether the verifier trusts the last block."""
    report, anchor = certified.last.report, certified.anchor
    yield text.fact("log_id", (trust.log_id_text,), exact=True)
    yield text.fact("log_key", (trust.log_key.vkey(),), exact=True)
    yield text.fact("trust_digest", (trust_digest(trust),), exact=True)
    if blocks := uncovered_blocks(trust):
        yield text.fact("trusted_blocks", blocks, exact=True)
    if report.subject.root is not None:
        yield text.fact("size", (str(report.subject.size),))
        yield text.fact("root", (report.subject.root,), exact=True)
    if anchor is not None:
        yield text.fact("chain_id", (str(anchor.chain.chain_id),))
        yield text.fact("contract", (anchor.contract,), exact=True)
    if report.record is not None:
        yield text.fact("recorded_in", text.paper("in_block", number=str(report.record.block_number)))
    if report.block is not None:
        number = str(report.block.number)
        block = text.paper("block_trusted" if report.block.trusted else "block_unknown", number=number)
        yield text.fact("ends_in_block", block)
        yield text.fact("ends_in_hash", (report.block.hash,), exact=True)


def _how_to_check(text: PaperText, request: CertificateRequest, certified: Certified) -> SheetBlock:
    """Return the attachment with its hashes, and what to do with it."""
    file, data = f"{certified.name}.bundle.json", request.bundle
    return FactsBlock(
        text.paper("heading.how"),
        (
            text.fact("attached", text.paper("attached", file=file, size=str(len(data)))),
            LabelledValue(("SHA-256",), (sha256(data).hexdigest(),), exact=True),
            LabelledValue(("BLAKE3",), (blake3(data).hexdigest(),), exact=True),
            *([text.fact("online", text.paper("online"))] if request.verify_url else []),
            text.fact("offline", (f"tally proof check {file} --trust TRUST.json",), exact=True),
            text.fact("trusting", text.paper("trusting")),
        ),
        together=True,
    )

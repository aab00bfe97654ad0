"""The certificate 存证证明: what a bundle proves, in words, with the bundle inside; and what it does not prove."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ledger.core.custody import Item
from ledger.core.custody.spans import concerned
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.verification.trust import Trust
from ledger.interchange.papers.certified import Certified, CertifiedEvent
from ledger.interchange.papers.checks import checks_of, how_to_check, statements, unchecked, where_recorded
from ledger.interchange.papers.document import link
from ledger.interchange.papers.handling import digests_of, event_digests, event_stated, flags_of, handling, items_of
from ledger.interchange.papers.sheet import UNSAID, Attachment, Block, Fact, Facts, Prose, Sheet, Stamp, Stamps
from ledger.interchange.papers.voice import PaperLanguage, Voice

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

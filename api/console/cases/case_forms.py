"""Forms of acts in a case: what they offer to choose from are the things, persons, clocks and events of the case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec.structs import asdict

from api.console.shared.access import Visit
from api.console.shared.act_fields import ActForm, AskedField, Option, Sections
from api.console.shared.forms import PostedForm
from api.console.shared.rendering import narrator_of
from api.services.drafts import body_from
from api.services.evidence_files import recorded_files
from ledger.core.custody import CaseState
from ledger.core.custody.erasures import may_erase
from ledger.core.errors import MalformedInput
from ledger.core.events import NAME_OF
from ledger.core.events.case import PersonNamed
from ledger.core.events.fields import Field, fields_of
from ledger.core.events.record import ErasureProposed, SectionErased
from ledger.core.events.terms import PERSON_NAME
from ledger.core.procedure.rulebook import Rulebook
from ledger.evidence.working_copies import finding_of, method_of
from ledger.store import log
from ledger.timeline.sentences import EventWords, Narrator

LINE = 200  # characters that a correction cites at most
ERASED, ERASURE_PROPOSED = NAME_OF[SectionErased], NAME_OF[ErasureProposed]
CORRIGIBLE = ("line", "text", "whole", "word", "choice", "quantity")
# What an act cites, where it is of one type.
CITED_BY = {"item.disposed": "item.disposal_proposed", ERASED: ERASURE_PROPOSED}
EVENTS_OFFERED = 100  # the newest of the case, where an event is to be cited
NEW_PERSONS = 5  # whom the form of a new case names at most
NAMING = NAME_OF[PersonNamed]
FOR_WHOM = "…"  # where the officer writes for whom a working copy is


def form_in_case(
    visit: Visit, state: CaseState, book: Rulebook, event_type: str, person_names: Mapping[str, str]
) -> ActForm:
    """Return the form of an act in a case; ``person_names`` are the names of persons that the reader may know."""
    narrator = narrator_of(visit.service, visit.labels, person_names)
    words = narrator.words_of(event_type, state)

    def offers(field: Field) -> Iterable[tuple[str, str]] | None:
        match field.type.kind:
            case "event":
                return _events(visit, state, narrator, CITED_BY.get(event_type))
            case "id":
                return _things(visit, state, book, words).get(field.type.names or "")
        return None

    vocabulary = book.vocabularies.__getitem__
    return ActForm(visit, event_type, words, offers=offers, vocabulary=vocabulary, book=book)


def asked_persons(visit: Visit, book: Rulebook) -> Iterator[list[AskedField]]:
    """Yield the fields for each person whom the form of a new case may name; none of them has to be filled in."""
    for number in range(1, NEW_PERSONS + 1):
        place = f"person:{number}:"
        asked = _naming_form(visit, book, prefix=place).asked()
        yield [
            field._replace(
                path=f"{place}{field.path}",
                is_required=False,
                particulars=[of._replace(path=f"{place}{of.path}") for of in field.particulars],
            )
            for field in asked
        ]


class NewPerson(NamedTuple):
    """A person whom the form of a new case names, with the confidential texts of the naming."""

    body: PersonNamed
    sections: Sections


def new_persons(visit: Visit, book: Rulebook, form: PostedForm) -> Iterator[NewPerson]:
    """Yield the persons whom the form names. Raises MalformedInput for one without a role or a name."""
    naming = _naming_form(visit, book)
    for number, part in enumerate(form.parts("person"), 1):
        if not part.below(""):
            continue
        for needed, name in (("role", "role"), ("section", PERSON_NAME)):
            if not part.get(needed):
                raise MalformedInput("{name} is missing", name=name, field=f"person:{number}:{needed}")
        body = body_from(PersonNamed, naming.body_fields(part))
        assert isinstance(body, PersonNamed), "it is read as such"
        yield NewPerson(body, naming.sections(part))


def _naming_form(visit: Visit, book: Rulebook, *, prefix: str = "") -> ActForm:
    """Return the form that names a person of a case that there is not yet."""
    words = narrator_of(visit.service, visit.labels).words_of(NAMING, None)
    vocabulary = book.vocabularies.__getitem__
    return ActForm(visit, NAMING, words, offers=lambda _: None, vocabulary=vocabulary, book=book, prefix=prefix)


def _events(visit: Visit, state: CaseState, narrator: Narrator, of_type: str | None) -> Iterator[tuple[str, str]]:
    """Yield the newest events of the case, or those ``of_type`` alone, each by its sentence."""
    with visit.service.parts.database.read() as connection:
        history = visit.service.histories.of(connection, state.case_id)
    cited = [step for step in history if of_type in (None, step.event.event_type)]
    for step in cited[: -EVENTS_OFFERED - 1 : -1]:
        yield step.event.event_id, narrator.tell(step.before, step.event, step.after)


def _things(
    visit: Visit, state: CaseState, book: Rulebook, words: EventWords
) -> Mapping[str, Iterable[tuple[str, str]]]:
    """Return the things that ids name, each with its words: those first of which an act is likely."""
    labels, in_words = visit.labels, words.value
    own = visit.reading.agency
    items = sorted(state.items.values(), key=lambda item: (item.holder != own, not item.is_live))
    clocks = sorted(state.clocks.values(), key=lambda clock: not clock.is_running)
    return {
        "item": ((item.item_id, in_words("item_id", item.item_id)) for item in items),
        "person": (
            (
                person.person_id,
                f"{labels.of('person_role', person.role)} · {in_words('person_id', person.person_id)}",
            )
            for person in state.persons.values()
        ),
        "measure": (
            (held.measure_id, f"{labels.of('measure', held.measure)} · {in_words('person_id', held.person_id)}")
            for held in state.measures.values()
        ),
        "decision": (
            (decision.decision_id, f"{labels.of('decision_kind', decision.kind)} {decision.number}")
            for decision in state.decisions.values()
        ),
        "letter": (
            (letter.letter_id, f"{labels.of('letter_kind', letter.kind)} {letter.number or ''}".strip())
            for letter in state.letters.values()
        ),
        "hold": (
            (hold.hold_id, f"{labels.of('hold_kind', hold.kind)} {hold.number} · {in_words('agency', hold.agency)}")
            for hold in state.holds.marked("standing")
        ),
        "handover": (
            (
                handover.handover_id,
                f"{labels.of('purpose', handover.purpose)} · {in_words('from_agency', handover.from_agency)} → "
                f"{in_words('to_agency', handover.to_agency)}",
            )
            for handover in state.handovers.values()
        ),
        "custody_change": (
            (
                change.custody_change_id,
                f"{in_words('person_id', change.person_id)} · {in_words('keeper', change.keeper)}",
            )
            for change in state.custody_changes.values()
        ),
        "discrepancy": (
            (difference.discrepancy_id, in_words("item_id", difference.item_id))
            for difference in state.discrepancies.values()
        ),
        "deadline": ((clock.deadline_id, in_words("deadline_id", clock.deadline_id)) for clock in clocks),
        "extension": (
            (extension.name, labels.of_extension(clock.name, extension.name))
            for clock in book.clocks
            for extension in clock.extensions
        ),
        "agency": ((agency, in_words("agency", agency)) for agency in sorted(visit.reading.authority.agencies)),
    }


def called_things(visit: Visit, state: CaseState, person_names: Mapping[str, str]) -> dict[str, str]:
    """Return what forms of acts in the case call the case and what there is in it, by ids."""
    words = narrator_of(visit.service, visit.labels, person_names).words_of("", state)
    things = _things(visit, state, visit.service.parts.validator.book_of(state), words)
    called = {thing_id: text for pairs in things.values() for thing_id, text in pairs}
    return called | {state.case_id: state.numbers.get(visit.reading.agency) or state.numbers[state.opened_by]}


class StatedValue(NamedTuple):
    """What an event says in a field: the ``text`` as signed and as ``shown``, and the words of the field by labels."""

    text: str
    shown: str
    words: Mapping[str, str] = MappingProxyType({})


def stated_by(visit: Visit, state: CaseState, event_id: str) -> dict[str, StatedValue]:
    """Return the texts and numbers that an event of the case says, by the names that a correction has for them.

    Those are left out that a correction cannot cite whole: over several lines, or too long.
    """
    with visit.service.parts.database.read() as connection:
        history = visit.service.histories.of(connection, state.case_id)
    event = next((step.event for step in history if step.event.event_id == event_id), None)
    if event is None:
        return {}
    words = narrator_of(visit.service, visit.labels).words(event, state)
    vocabularies, values = visit.service.parts.validator.book_of(state).vocabularies, dict[str, StatedValue]()
    for field in fields_of(type(event.body)):
        value, path = getattr(event.body, field.name), field.name
        if field.type.kind == "texts":
            values |= {
                f"{path}.{name}": StatedValue(text, f"{words.named(name)}: {words.particular(name, text)}")
                for name, text in value.items()
            }
        elif value is not None and not field.is_list and field.type.kind in CORRIGIBLE:
            shown = f"{words.label(field.name)}: {words.value(field.name, value)}"
            if field.type.kind == "quantity":
                values[f"{path}.value"] = StatedValue(value.value, shown)
                continue
            vocabulary = field.type.vocabulary
            choices = field.type.words or (vocabularies[vocabulary] if vocabulary else ())
            labels = {visit.labels.of(vocabulary, word): word for word in choices} if vocabulary else {}
            values[path] = StatedValue(str(value), shown, labels)
    return {path: value for path, value in values.items() if value.text.isprintable() and len(value.text) <= LINE}


def asked_of_correction(asked: Sequence[AskedField], stated: Mapping[str, StatedValue]) -> list[AskedField]:
    """Return the form of a correction with what the event says to choose from; what was recorded is not asked then."""
    options = [Option(name, value.shown) for name, value in stated.items()]
    return [
        field._replace(
            rows=[
                [
                    each._replace(options=options) if each.path.endswith(".field") else each
                    for each in row
                    if not each.path.endswith(".recorded")
                ]
                for row in field.rows
            ]
        )
        if options and field.path == "corrections"
        else field
        for field in asked
    ]


def asked_of_erasure(asked: Sequence[AskedField]) -> list[AskedField]:
    """Return the form of the second signature of an erasure: which section it is, the proposal says."""
    return [field for field in asked if field.path not in _AS_PROPOSED]


def asked_of_proposal(
    visit: Visit, state: CaseState, asked: Sequence[AskedField], of: str | None, person_names: Mapping[str, str]
) -> list[AskedField]:
    """Return the form of the first signature of an erasure: the sections still kept that the reader's agency erases.

    They are those of the newest events, or of the event ``of`` alone.
    """
    options = list(islice(_kept_sections(visit, state, of, person_names), EVENTS_OFFERED))
    return [
        field._replace(path=SECTION, control=SECTION, options=options, names_nothing=not options)
        if field.path == "label"
        else field
        for field in asked
        if field.path != "concerns"
    ]


def _kept_sections(visit: Visit, state: CaseState, of: str | None, person_names: Mapping[str, str]) -> Iterator[Option]:
    words = narrator_of(visit.service, visit.labels, person_names).words_of(ERASURE_PROPOSED, state)
    with visit.service.parts.database.read() as connection:
        for step in reversed(visit.service.histories.of(connection, state.case_id)):
            event_id = step.event.event_id
            is_asked = of in (None, event_id) and may_erase(state, event_id, visit.reading.agency)
            if step.event.confidential and is_asked:
                for label, data in log.sections(connection, step.entry.log_index).items():
                    if data is not None:
                        text = f"{words.section(event_id, label)} · {words.event(event_id)}"
                        yield Option(f"{event_id}/{label}", text)


def with_section(form: PostedForm) -> PostedForm:
    """Return the form of the first signature of an erasure with the event and the label of the chosen section."""
    event_id, _, label = (form.get(SECTION) or "").partition("/")
    return form.extended("concerns", [event_id]).extended("label", [label])


def asked_of_copy(visit: Visit, asked: Sequence[AskedField]) -> list[AskedField]:
    """Return the form of an examination that records a working copy: its method is begun, the rest follows."""
    filled = {"method": visit.labels.translate(method_of(FOR_WHOM))}
    return [
        field._replace(chosen=filled.get(field.path, field.chosen))
        for field in asked
        if field.path not in ("condition", "quantity", "finding", "match_result")
    ]


def as_copied(visit: Visit, state: CaseState, fields: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Return what an examination says of the working copy of a kept file, whatever the form says of it.

    Raises MalformedInput if no file of the item that is kept has the digest, if what was read again is another file,
    or while it is not filled in for whom the copy is.
    """
    item = state.items.get(fields.get("item_id", ""))
    files = () if item is None else recorded_files(visit.service, state.case_id, item)
    if not any(file.kept and digest in file.digests for file in files):
        raise MalformedInput(
            "no file with the digest {digest} is kept of this item",
            digest=digest,
            field="item_id",
            hint="Choose Record a working copy beside the file, on the page of its item.",
        )
    if fields.get("method") == visit.labels.translate(method_of(FOR_WHOM)):
        raise MalformedInput(
            "it is not said for whom the copy is",
            field="method",
            hint="Write for whom it is, and what for, in the place of the three dots.",
        )
    copied = fields.get("digests", ())
    if digest not in copied:
        raise MalformedInput(
            "the copy has {after}, what was copied {before}",
            after=", ".join(copied) or "-",
            before=digest,
            field="digests",
            code="digest_differs",
            hint="Give the copy itself, from where it lies; if it is damaged, delete it and download the file again.",
        )
    return {"finding": visit.labels.translate(finding_of(digest, digest)), "match_result": "match"}


SECTION = "chosen_section"  # the control of what an erasure proposes: the id of an event, and a label
_AS_PROPOSED = ("concerns", "label")


def as_proposed(state: CaseState, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is erased by the proposal that is cited. Raises MalformedInput if none that waits is."""
    proposal = state.erasures.get((fields.get("cites") or {}).get("event_id", ""))
    if proposal is None:
        raise MalformedInput("there is no such proposal", field="cites")
    return {"concerns": asdict(proposal.concerns), "label": proposal.label}

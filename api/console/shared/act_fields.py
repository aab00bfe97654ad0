"""What the form of an act asks for, and what it posts back: both follow from the fields of the event's body."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from api.console.shared.access import Visit
from api.console.shared.drafting import instant_of, required_number
from api.console.shared.forms import PostedForm
from api.services.drafts import with_generated_ids
from ledger.acts import ACTS, MADE_IN_PARTS
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import EVENT_TYPES
from ledger.core.events.fields import Field, FieldKind, ValueType, fields_of
from ledger.core.events.terms import NAME_FIELD, PERSON_NAME, TABLE_OF, VALUE_FIELD
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import DecisionKind, FieldRule, Rulebook
from ledger.i18n import words_in_use
from ledger.i18n.amounts import smallest_units, usual_currency
from ledger.store import log
from ledger.timeline.sentences import EventWords

_ANYBODYS = Message("Of any agency")
ROWS_MORE = 5  # empty ones, beyond the least number of rows of a list
PERSON_SECTION = "person:1"  # has the name of the person whom the act brings in
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,4})?")
Sections = dict[str, dict[str, str]]
Citations = list[tuple[str, dict[str, str]]]  # references to events, each with the name of its control


class Option(NamedTuple):
    """A value that may be chosen, and what the reader is shown for it, below the heading of its ``group`` if any."""

    value: str
    text: str
    group: str | None = None


class Particulars(NamedTuple):
    """The fields that a kind has in the procedure, with its ``word`` and label. Controls' names begin with ``path``."""

    path: str
    word: str
    label: str
    fields: list[tuple[str, FieldRule]]


class AskedField(NamedTuple):
    """A field as a form asks for it. ``path`` names its control: what it is part of, with dots between.

    ``control`` is the id of its control.

    ``options`` are what there is to choose from, empty where anything may be typed, ``chosen`` what is chosen or filled
    in beforehand. A part has ``rows`` of fields, one unless it is a list; of those in the row of an ``either``, one is
    filled in. What ``names_nothing`` is of a kind of which the case has none.
    """

    path: str
    control: str
    label: str
    kind: FieldKind | Literal["either"]
    is_required: bool
    is_list: bool
    longest: int | None
    options: list[Option]
    units: list[Option]
    rows: list[list[AskedField]]
    particulars: list[Particulars]
    chosen: str | None = None
    names_nothing: bool = False
    is_alternative: bool = False


def heading_of(visit: Visit, event_type: str) -> str:
    """Return the title of an act as a heading has it: without its full stop."""
    return visit.labels.translate(ACTS[event_type].title).rstrip(".。")


def subject_field(event_type: str) -> Field | None:
    """Return the field by which an act names something first, None if it names nothing, or cites an event first.

    To whom a letter goes is not what it is about.
    """
    act = ACTS[event_type]
    aside = {act.makes, *(act.one_of[1] if act.one_of else ())}
    fields = (field for field in fields_of(EVENT_TYPES[event_type].body) if field.type.kind in ("id", "event"))
    first = next((field for field in fields if field.name not in aside), None)
    return None if first is None or first.type.kind == "event" else first


def subject_of(event_type: str) -> str | None:
    """Return what kind of thing an act is about first, such as ``item``."""
    field = subject_field(event_type)
    return None if field is None else field.type.names


class ActForm:
    """The form of one event type. ``words`` are those of its event, ``vocabulary`` gives the words of a vocabulary.

    ``offers`` gives what may be chosen for a field, with the text for each; None for other fields. ``book`` is the
    procedure that judges the act, where it asks for quantities or for the fields of a kind. Ids of controls begin with
    ``prefix``, where a page has several forms.
    """

    def __init__(
        self,
        visit: Visit,
        event_type: str,
        words: EventWords,
        *,
        offers: Callable[[Field], Iterable[tuple[str, str]] | None],
        vocabulary: Callable[[str], Iterable[str]] = words_in_use,
        book: Rulebook | None = None,
        prefix: str = "",
    ):
        self._visit = visit
        self._type = event_type
        self._body = EVENT_TYPES[event_type].body
        self._makes = ACTS[event_type].makes
        self._words = words
        self._offers = offers
        self._vocabulary = vocabulary
        self._book = book
        self._kinds_fields: Mapping[str, FieldRule] = book.fields if book else {}
        self._prefix = prefix

    # -- asking --------------------------------------------------------------------------------------------------------

    def asked(self, filled_in: Mapping[str, str] = MappingProxyType({})) -> list[AskedField]:
        """Return the fields that the form asks for, the required ones first.

        ``filled_in`` is what is filled in or chosen beforehand, by the paths of fields.
        """
        asked = [self._asked(field, field.name, filled_in) for field in self._fields(self._body, self._makes)]
        # An event can only be cited from a list, and nothing is chosen from an empty one.
        shown = [field for field in asked if field.options or field.kind != "event"]
        shown = [field for field in shown if field.is_required or not field.names_nothing]
        return sorted(self._with_alternatives(shown), key=lambda field: not field.is_required)

    def _with_alternatives(self, asked: Sequence[AskedField]) -> Iterator[AskedField]:
        """Yield the fields, those of which exactly one is filled in as one, in the place of the first."""
        heading, names = ACTS[self._type].one_of or ("", ())
        sides = [field._replace(is_alternative=True) for field in asked if field.path in names]
        for field in asked:
            if field.path not in names:
                yield field
            elif field.path == sides[0].path:
                label = self._visit.labels.translate(heading)
                yield field._replace(
                    path="", label=label, kind="either", is_required=True, options=[], rows=[sides], chosen=None
                )

    def chosen(self, of: str | None, kind: str | None) -> dict[str, str]:
        """Return what the act is about, or the event that it cites (``of``), and its first word (``kind``), by path."""
        own = self._fields(self._body, self._makes)
        subject = subject_field(self._type) or next((field for field in own if field.type.kind == "event"), None)
        word = next((field for field in own if field.type.kind == "word"), None)
        return {field.name: value for field, value in ((subject, of), (word, kind)) if field and value}

    def _fields(self, struct: type[Struct], own_id: str | None) -> list[Field]:
        """Return the fields of a body or part, without the id that is made up."""
        return [field for field in fields_of(struct) if field.name != own_id]

    def _asked(self, field: Field, path: str, filled_in: Mapping[str, str]) -> AskedField:
        kind = field.type.kind
        of_name = self._names_person(field)
        options = None if of_name else self._options(field)
        return AskedField(
            path=path,
            control=f"{self._prefix}{path}",
            label=self._visit.labels.of("field", PERSON_NAME) if of_name else self._words.label(field.name),
            kind="line" if of_name else kind,
            is_required=field.is_required or of_name or path in ACTS[self._type].needs,
            is_list=field.is_list,
            longest=field.type.longest,
            options=options or [],
            units=list(self._units()) if kind == "quantity" else [],
            rows=list(self._rows(field, path, filled_in)) if kind == "part" else [],
            particulars=list(self._particulars(path)) if kind == "texts" else [],
            chosen=filled_in.get(path),
            names_nothing=options == [] and kind == "id",
        )

    def _names_person(self, field: Field) -> bool:
        """Tell whether the field is the section that has a person's name: the form asks for the name itself."""
        return (self._type, field.name) == ("person.named", "section")

    def _rows(self, field: Field, path: str, filled_in: Mapping[str, str]) -> Iterator[list[AskedField]]:
        part = field.type.part
        assert part is not None, "its kind says so"
        count = field.least + ROWS_MORE if field.is_list else 1
        for number in range(count):
            place = f"{path}.{number}" if field.is_list else path
            # A browser would not send the form before what stands in a part that may be left out is filled in.
            is_needed = field.is_required and number < max(field.least, 1)
            fields = self._fields(part, MADE_IN_PARTS.get(part))
            asked = (self._asked(each, f"{place}.{each.name}", filled_in) for each in fields)
            yield [
                each._replace(is_required=each.is_required and is_needed)
                for each in asked
                if each.is_required or not each.names_nothing
            ]

    def _units(self) -> Iterator[Option]:
        for unit in (self._book.units if self._book else ()) or ("piece",):
            yield Option(unit, self._visit.labels.of("quantity_unit", unit))

    def _particulars(self, path: str) -> Iterator[Particulars]:
        """Yield the fields that the procedure gives each kind, for every kind that has any."""
        kind = next((field.type.vocabulary for field in fields_of(self._body) if field.type.kind == "word"), None)
        if kind is None or self._book is None:
            return
        for word, row in getattr(self._book, TABLE_OF[kind]).items():
            if row.fields:
                fields = [(name, self._kinds_fields[name]) for name in row.fields]
                yield Particulars(f"{path}:{word}:", word, self._visit.labels.of(kind, word), fields)

    def _options(self, field: Field) -> list[Option] | None:
        """Return what there is to choose from: words, or what is offered for the field or for what its value names.

        None where anything may be typed.
        """
        kind, labels = field.type, self._visit.labels
        offered = self._offers(field)
        if offered is not None:
            return [Option(*each) for each in offered]
        if kind.vocabulary == "decision_kind" and self._book is not None:
            return list(self._decisions(self._book))
        if kind.vocabulary is not None:
            words = self._vocabulary(kind.vocabulary) if kind.kind == "word" else kind.words
            return [Option(word, labels.of(kind.vocabulary, word)) for word in words]
        return [Option(word, word) for word in kind.words] or None

    def _decisions(self, book: Rulebook) -> Iterator[Option]:
        """Yield the kinds of decisions: those of the reader's kind of agency, those of any, and those of others."""
        labels, own = self._visit.labels, self._visit.reading.authority.agencies[self._visit.reading.agency].kind

        def place(row: DecisionKind) -> tuple[int, tuple[str, ...]]:
            return (0 if row.by else 1, ()) if book.fits(own, row.by) else (2, row.by)

        for word, row in sorted(book.decisions.items(), key=lambda each: place(each[1])):
            kinds = [own] if place(row)[0] == 0 else row.by
            group = " · ".join(labels.of("agency_kind", kind) for kind in kinds) or labels.translate(_ANYBODYS)
            yield Option(word, labels.of("decision_kind", word), group)

    # -- reading -------------------------------------------------------------------------------------------------------

    def body_fields(self, form: PostedForm) -> dict[str, Any]:
        """Return the fields of the body that are filled in. Raises MalformedInput or NotFound, naming the field."""
        cited: Citations = []
        fields = with_generated_ids(self._body, self._values(form, self._body, "", self._makes, cited))
        self._add_digests(cited)
        if self._name(form):
            fields["section"] = PERSON_SECTION
        return fields

    def sections(self, form: PostedForm) -> Sections:
        """Return the confidential texts of the form, by section and field."""
        name = self._name(form)
        sections = {PERSON_SECTION: {NAME_FIELD: name}} if name else {}
        for field in fields_of(self._body):
            if field.type.kind == "texts":
                stated = self._texts(form, field.name).items()
                kept_apart = {name: text for name, text in stated if self._kinds_fields[name].confidential}
                sections |= {name: {VALUE_FIELD: text} for name, text in kept_apart.items()}
        return sections

    def _name(self, form: PostedForm) -> str | None:
        return form.get("section") if self._type == "person.named" else None

    def _values(
        self, form: PostedForm, struct: type[Struct], prefix: str, own_id: str | None, cited: Citations
    ) -> dict[str, Any]:
        """Return the fields below ``prefix``. The references to events among them, also added to ``cited``, have no
        digests yet.
        """
        values: dict[str, Any] = {}
        for field in self._fields(struct, own_id):
            path = f"{prefix}{field.name}"
            read = self._list if field.is_list else self._value
            value = read(form, field.type, path, cited)
            if value not in (None, [], {}):
                values[field.name] = value
        return values

    def _list(self, form: PostedForm, kind: ValueType, path: str, cited: Citations) -> list[Any]:
        if kind.kind == "part":
            assert kind.part is not None, "its kind says so"
            own_id = MADE_IN_PARTS.get(kind.part)
            numbers = sorted(
                {name.partition(".")[0] for name in form.below(f"{path}.")}, key=lambda text: text.zfill(9)
            )
            rows = (self._values(form, kind.part, f"{path}.{number}.", own_id, cited) for number in numbers)
            return [row for row in rows if row]
        texts = form.all(path)
        if kind.kind == "event":
            cited += (references := [(path, {"event_id": text}) for text in texts])
            return [reference for _, reference in references]
        if kind.kind in ("text", "line"):
            return [line.strip() for text in texts for line in text.splitlines() if line.strip()]
        # An id that nothing names is typed, several with a blank or comma between.
        return [part for text in texts for part in re.split(r"[\s,，]+", text) if part]

    def _value(self, form: PostedForm, kind: ValueType, path: str, cited: Citations) -> Any:
        text = form.get(path)
        if kind.kind == "part":
            assert kind.part is not None, "its kind says so"
            own_id = MADE_IN_PARTS.get(kind.part)
            return self._values(form, kind.part, f"{path}.", own_id, cited) or None
        if kind.kind == "texts":
            stated = self._texts(form, path).items()
            return {name: text for name, text in stated if not self._kinds_fields[name].confidential}
        if text is None:
            return None
        match kind.kind:
            case "moment":
                return instant_of(form, path)
            case "whole":
                return required_number(form, path)
            case "yes_no":
                return text == "yes"
            case "quantity":
                return {"value": text, "unit": form.get(f"{path}.unit")}
            case "money":
                return money_of(text, form.get(f"{path}.currency"), path)
            case "event":
                cited.append((path, reference := {"event_id": text}))
                return reference
        return text

    def _texts(self, form: PostedForm, path: str) -> dict[str, str]:
        """Return what the form states in the fields of the kind that it has; what no kind has is left out."""
        kind = next((field for field in fields_of(self._body) if field.type.kind == "word"), None)
        texts = form.below(f"{path}:{form.get(kind.name)}:") if kind is not None else {}
        return {name: text for name, text in texts.items() if name in self._kinds_fields}

    def _add_digests(self, cited: Citations) -> None:
        """Add to each reference the digest of its event of the log. Raises NotFound."""
        if not cited:
            return
        with self._visit.service.parts.database.read() as connection:
            stored = log.entries_by_event_id(connection, [reference["event_id"] for _, reference in cited])
        for path, reference in cited:
            event_id = reference["event_id"]
            if event_id not in stored:
                raise NotFound("there is no event {event_id}", event_id=event_id[:64], field=path)
            reference["payload_digest"] = stored[event_id].payload_digest


def money_of(text: str, named: str | None, path: str) -> dict[str, Any]:
    """Return an amount in the smallest unit of its currency: that of the procedure, unless another one is named."""
    currency = named or usual_currency()
    if currency is None:
        raise MalformedInput("the procedure has no currency: expected one, such as CNY", field=f"{path}.currency")
    amount = smallest_units(text, currency) if _AMOUNT.fullmatch(text) else None
    if amount is None:
        raise MalformedInput("expected an amount such as 1200.50, not {text!r}", text=text[:40], field=path)
    return {"amount": amount, "currency": currency}

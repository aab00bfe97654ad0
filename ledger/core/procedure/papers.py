"""Papers as rows of a procedure: which event prints what, and what stands on it.

Values, lists and columns are closed lists that name no law (docs/procedure.md); what they are called on paper, a
package says. ``ledger.interchange.papers`` prints the rows, ``ledger.core.procedure.paper_faults`` finds what
contradicts itself in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.events import terms
from ledger.core.events.catalogue import EVENT_TYPES
from ledger.core.procedure.rows import Label, Sourced

Words = tuple[str, ...]
OWN_NUMBER = "number"


class PaperCondition(Struct, frozen=True, forbid_unknown_fields=True):
    """What has to hold for a paper: each key that is given, by one of its words at least, and not ``unless``.

    ``by`` and ``to``: who acts, and to whom it goes, by the agency's kind or one of its traits, by the kind of somebody
    outside, or by the role of a person. ``purpose`` is that of the handover, ``returned`` that of the one that it gives
    back; ``kind`` that of the decision or letter; ``former_measure`` the one that is changed. ``item_kind`` and
    ``role`` ask about the things and persons that the event is about: one of them is enough. ``has`` are values or
    lists that must not be blank.
    """

    by: Words = ()
    to: Words = ()
    purpose: Words = ()
    returned: Words = ()
    kind: Words = ()
    reason_code: Words = ()
    measure: Words = ()
    former_measure: Words = ()
    disposal: Words = ()
    item_kind: Words = ()
    role: Words = ()
    line: Words = ()
    stage: Words = ()
    case_type: Words = ()
    has: Words = ()
    unless: PaperCondition | None = None

    @property
    def asked(self) -> Iterator[tuple[str, Words]]:
        """Yield the keys that are given, without ``unless``, and the words of which the answer has to be one."""
        for field in msgspec.structs.fields(PaperCondition):
            words = getattr(self, field.name)
            if field.name != "unless" and words:
                yield field.name, words

    @property
    def parts(self) -> Iterator[PaperCondition]:
        """Yield this condition and those within it."""
        yield self
        if self.unless is not None:
            yield from self.unless.parts


class NamedValue(Struct, frozen=True, forbid_unknown_fields=True):
    """A value, or a column, under a label of its own."""

    value: str
    label: Label


ValueRow = str | NamedValue  # under the label that the package has in `paper_words`, or its own


class ListRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A list under its ``title``; of things, only those of these ``kinds``, if some are named."""

    of: str
    title: Label
    columns: tuple[ValueRow, ...] = ()
    kinds: tuple[terms.ItemKind, ...] = ()


class PaperPart(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of several sheets of a paper, such as its counterfoil: what it leaves out is as on the paper itself."""

    title: Label
    text: Label | None = None
    fields: tuple[ValueRow, ...] | None = None
    lists: tuple[ListRow, ...] | None = None
    blanks: Words | None = None
    seals: Words | None = None
    signs: Words | None = None


class PaperRow(Sourced, frozen=True, kw_only=True):
    """A paper that an ``event`` prints, on the days from ``valid_from`` up to, not including, ``valid_until``.

    Of the rows of one ``name`` whose ``condition`` (``if``) holds, the first is printed, unless another paper
    ``replaces`` it. ``issuer`` is the agency in whose name it is written, ``number`` the value that is its own number.
    ``text`` has values in braces. ``blanks`` are filled in by hand; agencies in ``seals`` seal it, and ``signs`` sign
    it by hand: these, and ``blanks``, are words of `paper_words`.
    """

    name: terms.Word
    event: terms.EventTypeName
    title: Label
    article: str = ""
    condition: PaperCondition | None = msgspec.field(default=None, name="if")
    issuer: str = "agency"
    number: str = OWN_NUMBER
    text: Label | None = None
    fields: tuple[ValueRow, ...] = ()
    lists: tuple[ListRow, ...] = ()
    blanks: Words = ()
    seals: Words = ()
    signs: Words = ()
    parts: tuple[PaperPart, ...] = ()
    replaces: tuple[terms.Word, ...] = ()
    valid_from: terms.Date = "1000-01-01"
    valid_until: terms.Date | None = None

    @property
    def own_sheet(self) -> PaperPart:
        """Return what stands on the paper beside its parts, without a title."""
        return PaperPart(title={}, **{name: getattr(self, name) for name in _OF_SHEETS})

    @property
    def sheets(self) -> tuple[PaperPart, ...]:
        """Return its parts, each with all that stands on it; of a paper without parts, one without a title."""
        own = self.own_sheet
        return tuple(_completed(part, own) for part in self.parts) or (own,)


_OF_SHEETS = tuple(name for name in PaperPart.__struct_fields__ if name != "title")


def _completed(part: PaperPart, own: PaperPart) -> PaperPart:
    return replace(part, **{name: getattr(own, name) for name in _OF_SHEETS if getattr(part, name) is None})


def slots_of_text(text: str) -> tuple[str, ...]:
    """Return the names in the braces of a text. Raises ValueError if a brace stands alone, or has more than a name."""
    slots = []
    for _, name, spec, conversion in Formatter().parse(text):
        if name is not None:
            if not name.isidentifier() or spec or conversion:
                raise ValueError(name)
            slots.append(name)
    return tuple(slots)


class PaperValue(NamedTuple):
    """What an event must have for a value to be known: one of these ``fields``, or none, and a case if ``of_case``."""

    fields: tuple[str, ...] = ()
    of_case: bool = False
    is_agency: bool = False

    def is_known_in(self, event_type: str) -> bool:
        """Tell whether events of this type have the value, though it may be blank."""
        row = EVENT_TYPES[event_type]
        if self.of_case and "case" not in row.streams:
            return False
        return not self.fields or not {*self.fields}.isdisjoint(row.body.__struct_fields__)


def _own(*names: str) -> dict[str, PaperValue]:
    """Return values that are fields of the event itself."""
    return {name: PaperValue((name,)) for name in names}


_CASE = PaperValue(of_case=True)
_HANDOVER = PaperValue(("handover_id",))
_CHANGE = ("custody_change_id",)
_MEASURE = ("measure", "measure_id", "person_id", "custody_change_id")
_PERSONS = ("person_id", "person_ids", "handover_id", "measure_id", "custody_change_id", "to_person", "from_person")
_LETTER = ("letter_id",)
_CITED = ("decision_id", "serves", "about", "cites")
VALUES: Final[dict[str, PaperValue]] = {
    "agency": PaperValue(is_agency=True),
    **dict.fromkeys(("officer", "occurred_at", "event_id", "authority", "basis"), PaperValue()),
    **dict.fromkeys(("case_id", "case_number", "case_numbers", "case_type", "business_line", "stage"), _CASE),
    "persons": PaperValue(_PERSONS),
    "number": PaperValue(("number", "custody_change_id", "letter_id")),
    # Of a handover, of a return, and of what answers it.
    "handover_id": _HANDOVER,
    "from_agency": PaperValue(("handover_id", "letter_id"), is_agency=True),
    "to_agency": PaperValue(("handover_id", "to_agency", "letter_id"), is_agency=True),
    **dict.fromkeys(("purpose", "offered_at", "offered_by"), _HANDOVER),
    "returned_purpose": PaperValue(("returns",)),
    "offer_number": _HANDOVER,
    **_own("follows", "expires_at", "due_at", "reason_code", "explanation", "remedy"),
    "received_at": PaperValue(("received_at", "handover_id")),
    # Of a measure, a change of custody, and a period of it.
    **dict.fromkeys(("measure", "started_at"), PaperValue(_MEASURE)),
    "until": PaperValue(("until", "measure_id", "custody_change_id")),
    "ended_at": PaperValue(("ended_at", "measure_id")),
    "measure_until": PaperValue(_MEASURE),
    "former_measure": PaperValue(("new_measure_id",)),
    "period_from": PaperValue(_CHANGE),
    "article": PaperValue(("article", "custody_change_id")),
    "keeper": PaperValue(("keeper", "custody_change_id"), is_agency=True),
    "requested_by": PaperValue(_CHANGE, is_agency=True),
    "served_at": PaperValue(("served_at",)),
    "ground": PaperValue(("ground", "cites")),
    **_own("grounds", "qualifying_ground"),
    # Of a decision, of one that is cited, and of a letter.
    "kind": PaperValue(("kind", "letter_id")),
    **_own("decided_at", "effective_at"),
    "decision": PaperValue(_CITED),
    "addressee": PaperValue(("letter_id", "to_outside")),
    **dict.fromkeys(("sent_at", "content", "answered_letter"), PaperValue(_LETTER)),
    "service": PaperValue(("service",)),
    # Of items.
    "document_number": PaperValue(("seizure", "document_number")),  # of a seizure, or of a recommendation
    **dict.fromkeys(("seized_at", "officers", "place", "holder", "witness"), PaperValue(("seizure",))),
    "frozen_until": PaperValue(("frozen_until", "unfrozen_at")),
    **_own("unfrozen_at", "to_officer", "seal_number", "method", "match_result", "condition", "finding"),
    **_own(
        "storage_location",
        "remark",
        "description",
        "item_kind",
        "exhibit_number",
        "features",
        "obtained_from",
        "item_id",
    ),
    "disposal": PaperValue(("disposal", "cites")),
    **_own("disposed_at", "proceeds"),
    # Of the two who destroy something, and of a section that is erased.
    **dict.fromkeys(("proposed_by", "proposed_at"), PaperValue(("cites",))),
    **_own("label", "concerns", "erased_for"),
    "section_digest": PaperValue(("label",)),
    "recipient": PaperValue(("recipient", "cites")),
    **_own("withheld", "expected", "found", "resolution"),
    # Of deadlines, and of recommendations.
    **dict.fromkeys(("clock", "subject"), PaperValue(("deadline_id",))),
    **_own("extension", "excluded_for", "suspended_at", "resumed_at", "reset_at"),
    **_own("problem", "advice", "model_id", "answer", "measures", "recommendation_id", "leads"),
    **_own("copies_to", "copies_outside", "objection_within_days"),
    "reply_within": PaperValue(("reply_within_days",)),
}


STATED: Final = PaperValue(("particulars",))  # each of the package's `fields`, by its own name


class PaperList(NamedTuple):
    """What an event must have for a list: one of these ``fields``; and its columns, none if it is no table."""

    fields: tuple[str, ...]
    columns: tuple[str, ...] = ()


_THINGS = ("items", "item_ids", "item_id", "handover_id", "cites", "parts", "letter_id")
ITEM_COLUMNS: Final = (
    *("description", "item_kind", "exhibit_number", "item_id", "quantity", "extent", "money", "account"),
    *("features", "obtained_from", "holder", "condition", "seal_number", "seal_state", "storage_location"),
    *("frozen_until", "digests", "disposal", "remark"),
)
LISTS: Final[dict[str, PaperList]] = {
    "items": PaperList(_THINGS, ITEM_COLUMNS),
    "persons": PaperList(_PERSONS, ("person", "role", "measure", "started_at", "until", "keeper", "remark")),
    "received": PaperList(("received",), ("description", "as_offered", "as_found", "result", "remark")),
    "discrepancies": PaperList(("received",), ("description", "expected", "found")),
    "found_digests": PaperList(("received", "digests"), ("description", "digests")),
    "collected": PaperList(("seizure",), ("description", "collectors", "method", "tool", "medium")),
    "custody": PaperList(_THINGS, ("occurred_at", "agency", "officer", "act")),
    "holds": PaperList(("cites",), ("hold", "number", "agency", "ground", "placed_at", "released_at", "released_by")),
    "retention": PaperList(("cites",), ("clock", "subject", "started_at", "until", "article")),
    "outline": PaperList(("outline",)),
    "measures": PaperList(("measures",)),
}

# Which events answer a key of a condition: those that have one of these fields. Cases answer the others.
ANSWERED_BY: Final[dict[str, tuple[str, ...]]] = {
    "by": (),
    "to": ("handover_id", "to_agency", "letter_id", "custody_change_id"),
    "purpose": ("handover_id",),
    "returned": ("returns",),
    "kind": ("kind", "letter_id"),
    "reason_code": ("reason_code",),
    "measure": _MEASURE,
    "former_measure": ("new_measure_id",),
    "disposal": ("disposal", "cites"),
    "item_kind": _THINGS,
    "role": _PERSONS,
    "has": (),
}

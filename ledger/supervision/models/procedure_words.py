"""The words that models have of procedures: which words a filter or a form may ask for, by the procedures it names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from ledger.core.encoding.decoding import convert
from ledger.core.events.terms import TABLE_OF
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.procedures import SHIPPED, shipped_tables

CLOCK = "clock"  # beside the vocabularies of events: the names of the clocks
FieldWords = Mapping[str, Collection[str]]  # by vocabulary


class ProcedureTerms(Struct, frozen=True):
    """What models ask of a procedure: its words, and the zone of its days."""

    words: FieldWords
    zone: Zone


ProcedureWords = Mapping[str, ProcedureTerms]  # by the id of the procedure
UNCHECKED: ProcedureWords = {}  # a model that was published is read whatever procedures are known here

# The vocabulary of a column of the views, where its values are words of a procedure.
_NAMED_AS_THEIR_VOCABULARY = (
    *("measure", "purpose", "stage", "trial", "disposal", "business_line", "reason_code", "qualifying_ground"),
    CLOCK,
)
_OF_COLUMNS = {name: name for name in _NAMED_AS_THEIR_VOCABULARY} | {"role": "person_role"}
_OF_KINDS = {"decisions": "decision_kind", "items": "item_kind"}


def vocabulary_of(view: str, column: str) -> str | None:
    """Return the vocabulary of a column's values, None if they are no words of a procedure."""
    if column == "kind":
        return _OF_KINDS.get(view)
    return _OF_COLUMNS.get(column)


def words_of(books: Iterable[Rulebook]) -> dict[str, ProcedureTerms]:
    """Return the words of procedures by their ids, which another process can be given."""
    return {
        book.procedure.id: ProcedureTerms(
            {
                **{vocabulary: tuple(words) for vocabulary, words in book.vocabularies.items()},
                CLOCK: tuple(dict.fromkeys(row.name for row in book.clocks)),
            },
            book.zone,
        )
        for book in books
    }


def words_that_ship(procedures: Collection[str]) -> dict[str, ProcedureTerms]:
    """Return the words of those of these procedures that come with this version, of all of them if none is named."""
    words: dict[str, ProcedureTerms] = {}
    for procedure_id in (name for name in procedures or SHIPPED if name in SHIPPED):
        tables = shipped_tables(procedure_id)
        words[procedure_id] = ProcedureTerms(
            {
                **{vocabulary: tuple(tables.get(table, ())) for vocabulary, table in TABLE_OF.items()},
                CLOCK: tuple(dict.fromkeys(row["name"] for row in tables["clocks"])),
            },
            convert(tables["zone"], Zone),
        )
    return words


def zone_of_examples(procedures: Collection[str], words: ProcedureWords) -> Zone:
    """Return the zone in which a model's examples count days: of the first of its procedures that is known, else UTC.

    It follows from the model and not from the ledger, so that its examples come out alike everywhere.
    """
    return next((words[name].zone for name in procedures if name in words), UNIVERSAL)


def united(procedures: Collection[str], words: ProcedureWords) -> FieldWords | None:
    """Return the words of these procedures together, of all if none is named; None if one of them is not known."""
    named = [words.get(procedure_id) for procedure_id in procedures] if procedures else [*words.values()]
    vocabularies: dict[str, tuple[str, ...]] = {}
    for own in named:
        if own is None:
            return None
        for vocabulary, listed in own.words.items():
            vocabularies[vocabulary] = tuple(dict.fromkeys((*vocabularies.get(vocabulary, ()), *listed)))
    return vocabularies or None

"""Acts in words: what an officer reads of events before he signs them, in a terminal or on the signer's page.

Times and labels of a case are those of its procedure, as the record has it, or else as a package that this program has.
What neither the acts nor a verified record names is shown by its id, as not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context

from msgspec import Struct

from ledger.client.case_names import CaseNames
from ledger.core.events import Event, Section
from ledger.core.events.fields import fields_of
from ledger.core.messages import Message
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import Labels, label_first_by, zone_in_use
from ledger.timeline.event_fields import EventField, fields_to_sign
from ledger.timeline.sentences import Names, Narrator

VERIFIED = Message("Items, persons and the case are named by the record, which was fetched and verified here.")
OF_LETTER = Message(
    "The record of the case could not be had. The letter is named by its own event, which was fetched and verified "
    "here."
)
TOGETHER = Message("Items, persons and the case are named as in the acts that are signed together with this one.")
UNVERIFIED = Message(
    "The record of the case could not be verified here: what only the record names is shown by its id, as not known "
    "here. Verifying takes the pinned trust file: tally log trust --pin."
)

# From the number of events that cases have, and the letters of them that the acts are about, to their names.
Records = Callable[[Mapping[str, int], Mapping[str, Sequence[str]]], Mapping[str, CaseNames]]


class ActInWords(Struct, frozen=True):
    """An act in a sentence, and every value that is signed with it.

    ``source`` says where names are from, and in which zone times are shown.
    """

    sentence: str
    particulars: tuple[EventField, ...]
    source: str = ""


class ActsReader(Struct, frozen=True):
    """Puts acts into the words of a language.

    ``records`` returns what the things of cases are called by their verified records; a case without names is left out.
    The service is not believed: its labels could call one act another.
    """

    labels: Labels
    names: Names
    records: Records = lambda _events, _letters: {}
    procedures: Callable[[], Mapping[str, Rulebook]] = dict

    def read(self, acts: Sequence[tuple[Event, Mapping[str, Section]]]) -> tuple[ActInWords, ...]:
        """Return events, each with its confidential sections, in the words of the acts before them and of records."""
        begun: dict[str, int] = {}  # cases, with how many events they have
        letters: dict[str, list[str]] = {}
        for event, _ in acts:
            if event.stream.kind == "case":
                begun.setdefault(event.stream.id, event.sequence)
                named = (getattr(event.body, f.name) for f in fields_of(type(event.body)) if f.type.names == "letter")
                letters.setdefault(event.stream.id, []).extend(filter(None, named))
        names = {case_id: CaseNames() for case_id, count in begun.items() if count == 0}
        names |= self.records({case_id: count for case_id, count in begun.items() if count}, letters)
        # The zone and labels of a case's procedure are for its act alone.
        return tuple(
            copy_context().run(
                self._act, event, sections, names.get(event.stream.id) if event.stream.kind == "case" else None
            )
            for event, sections in acts
        )

    def _act(self, event: Event, sections: Mapping[str, Section], record: CaseNames | None) -> ActInWords:
        """Return the act in words; ``record`` is what the things of its case are called, to which the act adds."""
        names = CaseNames() if record is None else record
        source = []
        if event.stream.kind == "case":
            names.learn(event, sections)  # what the act itself calls something is signed with it
            book = names.book
            if book is None and names.procedure is not None:
                book = self.procedures().get(names.procedure)
            if book is not None:
                label_first_by(book)
            if event.previous is not None:
                source.append(UNVERIFIED if record is None else _source(record))
        source.append(Message("Times: {zone}.", zone=self.labels.of_zone(zone_in_use())))
        named = {item_id: str(words) for item_id, words in names.items.items()} | names.persons
        narrator = Narrator(self.labels, self.names, named, lambda _event_ids, _case_id: names.cited, names.introduced)
        words = narrator.words(event, None)
        facts = fields_to_sign(event, dict(sections), words, self.labels, number=names.number)
        return ActInWords(narrator.alone(event), facts, " ".join(map(self.labels.translate, source)))


def _source(record: CaseNames) -> Message:
    if not record.is_whole:
        return OF_LETTER
    return VERIFIED if record.events else TOGETHER

"""What a document is written with: the event as its reader may see it, and the words of its languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from ledger.core.custody import CaseState, Handover, Item
from ledger.core.events import Section
from ledger.interchange.papers.sheet import UNSAID, Block, Cell, Table, Words
from ledger.interchange.papers.voice import EventVoice, Voice, cell
from ledger.timeline.steps import Walked


class Occasion(Struct, frozen=True):
    """An event to be printed as its reader may see it.

    ``sections`` are its confidential ones, by label, None where erased; None altogether where the reader may not read
    them. ``persons`` are the names of persons by id, as far as the reader may know them.
    """

    step: Walked
    sections: Mapping[str, Section | None] | None = None
    persons: Mapping[str, str] = {}

    @property
    def after(self) -> CaseState:
        return self.step.after

    @property
    def handover(self) -> Handover | None:
        """The one that the event's body names."""
        return self.after.handovers.get(getattr(self.step.payload.body, "handover_id", ""))


class Writer(NamedTuple):
    """What a list is written with: the paper's languages, the words of its event, and what the event stands for."""

    voice: Voice
    said: EventVoice
    occasion: Occasion
    slots: Mapping[str, Any]

    def table(
        self,
        heading: str,
        columns: Mapping[str, float],
        rows: Iterable[tuple[Cell, ...]],
        *,
        exact: tuple[int, ...] = (),
    ) -> Iterator[Block]:
        """A list whose rows are numbered; no list where there is no row."""
        numbered = tuple((((str(number),),), *row) for number, row in enumerate(rows, 1))
        if numbered:
            heads = tuple(self.voice.field(name) for name in ("row_number", *columns))
            widths = (0.6, *columns.values())
            yield Table(self.voice.paper(f"list.{heading}"), heads, widths, numbered, tuple(one + 1 for one in exact))

    def labelled(self, field: str, value: Any) -> Words:
        """``label: value``, nothing where there is no value."""
        said = self.said.said(field, value)
        return self.voice.paper("labelled", label=self.voice.field(field), value=said) if said else UNSAID

    def thing(self, item: Item) -> Cell:
        """What an item is: description, exhibit number, id."""
        return cell(
            (item.description,), self.labelled("exhibit_number", item.exhibit_number), self.item_id(item.item_id)
        )

    def item_id(self, item_id: str) -> Words:
        return self.voice.paper("item_id", item_id=item_id)

    def remarks(self, item: Item) -> Cell:
        """What else is known of an item."""
        extent = UNSAID
        if item.dossier is not None:
            volumes, pages = item.dossier.volumes, item.dossier.pages
            extent = self.voice.paper(
                "extent" if pages is None else "extent_pages", volumes=str(volumes), pages=str(pages)
            )
        fields = ("money", "account", "frozen_until", "storage_location")
        return cell(extent, *(self.labelled(field, getattr(item, field)) for field in fields))

    def seal(self, number: str | None, state: str | None, condition: str | None) -> Cell:
        """Seal and condition of an item, as far as they are stated."""
        return cell(
            self.labelled("seal_number", number),
            self.labelled("seal_state", state),
            self.labelled("condition", condition),
        )

    def person(self, person_id: str) -> Cell:
        """The name, where the reader may know it, and the pseudonym."""
        name = self.occasion.persons.get(person_id)
        return cell((name,) if name else UNSAID, (person_id,))

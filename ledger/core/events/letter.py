"""Bodies of events about letters: notices, requests and answers, also of those who have no agency in the ledger."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from ledger.core.events import terms
from ledger.core.events.case import Particulars
from ledger.core.events.catalogue import Body, event
from ledger.core.events.item import Digests

Persons = Annotated[tuple[terms.PersonId, ...], Meta(max_length=1000)]
Items = Annotated[tuple[terms.ItemId, ...], Meta(max_length=1000)]


class Outsider(terms.Value, frozen=True):
    """An authority, bank, firm or other body without an agency in this ledger; ``kind`` is a word of the procedure."""

    kind: terms.OutsiderKind
    name: terms.Line
    place: terms.Line | None = None


@event("letter.sent")
class LetterSent(Body, frozen=True):
    """A letter goes to an agency, to a person of the case, or to somebody outside: to exactly one of them.

    ``person_ids`` and ``item_ids`` are those it is about. ``serves`` is the decision that it brings to its addressee,
    ``about`` one that it is about, ``answers`` an earlier letter. ``due_at`` is until when an answer is asked for.
    ``particulars`` are stated in the fields that its kind has, ``content`` is what it says besides; names of persons
    stand in a confidential section instead.
    """

    letter_id: terms.LetterId
    kind: terms.LetterKind
    number: terms.Number
    sent_at: terms.Instant
    to_agency: terms.AgencyId | None = None
    to_person: terms.PersonId | None = None
    to_outside: Outsider | None = None
    person_ids: Persons = ()
    item_ids: Items = ()
    serves: terms.DecisionId | None = None
    about: terms.DecisionId | None = None
    answers: terms.LetterId | None = None
    due_at: terms.Instant | None = None
    digests: Digests = ()
    content: terms.Text | None = None
    particulars: Particulars = field(default_factory=dict)


@event("letter.received")
class LetterReceived(Body, frozen=True):
    """The receipt of a letter that was sent, by its addressee or by its sender, who has the receipt on paper.

    ``service`` is how it was delivered, ``digests`` are of the receipt.
    """

    letter_id: terms.LetterId
    received_at: terms.Instant
    service: terms.Service | None = None
    digests: Digests = ()


@event("letter.filed")
class LetterFiled(Body, frozen=True):
    """A letter comes in from a person of the case or from somebody outside, exactly one: they sign nothing here."""

    letter_id: terms.LetterId
    kind: terms.LetterKind
    received_at: terms.Instant
    from_person: terms.PersonId | None = None
    from_outside: Outsider | None = None
    number: terms.Number | None = None
    person_ids: Persons = ()
    item_ids: Items = ()
    about: terms.DecisionId | None = None
    answers: terms.LetterId | None = None
    digests: Digests = ()

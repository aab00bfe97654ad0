"""Rules for letters. A letter moves nothing: it is sent, its receipt is recorded, and another one answers it."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.core.custody.state import Act, CaseState, Letter, look_up, require_new, rule
from ledger.core.errors import refuse
from ledger.core.events import letter as letters


@rule(letters.LetterSent)
def sent(state: CaseState, act: Act, body: letters.LetterSent) -> CaseState:
    """Record a letter of the signing agency to one addressee."""
    require_one((body.to_agency, body.to_person, body.to_outside), "to_agency, to_person or to_outside")
    _require_known(state, body, body.to_person, "to_person")
    if body.serves is not None:
        look_up(state.decisions, body.serves, "decision", field="serves")
    return _with(
        state,
        Letter(
            letter_id=body.letter_id,
            kind=body.kind,
            number=body.number,
            from_agency=act.agency,
            to_agency=body.to_agency,
            person_id=body.to_person,
            outside=body.to_outside,
            sent_at=body.sent_at,
            person_ids=body.person_ids,
            item_ids=body.item_ids,
            serves=body.serves,
            about=body.about or body.serves,
            answers=body.answers,
        ),
    )


@rule(letters.LetterReceived)
def received(state: CaseState, act: Act, body: letters.LetterReceived) -> CaseState:
    """Record the receipt of a letter, by its sender or its addressee, once."""
    letter = look_up(state.letters, body.letter_id, "letter")
    if act.agency not in (letter.from_agency, letter.to_agency):
        refuse(
            "not_your_letter",
            "your agency neither sent nor got letter {letter.letter_id}",
            letter=letter,
            field="agency",
        )
    if letter.received_at is not None:
        refuse("already_received", "it arrived at {letter.received_at}", letter=letter, field="body.letter_id")
    return _with(state, replace(letter, received_at=body.received_at, service=body.service))


@rule(letters.LetterFiled)
def filed(state: CaseState, act: Act, body: letters.LetterFiled) -> CaseState:
    """Record a letter that the signing agency received from one who signs nothing here."""
    require_one((body.from_person, body.from_outside), "from_person or from_outside")
    _require_known(state, body, body.from_person, "from_person")
    return _with(
        state,
        Letter(
            letter_id=body.letter_id,
            kind=body.kind,
            number=body.number,
            to_agency=act.agency,
            person_id=body.from_person,
            outside=body.from_outside,
            received_at=body.received_at,
            person_ids=body.person_ids,
            item_ids=body.item_ids,
            about=body.about,
            answers=body.answers,
        ),
    )


def require_one(sides: tuple[object, ...], names: str) -> None:
    """Refuse (one_correspondent) anything but exactly one of the sides, which the fields ``names`` state."""
    if sum(side is not None for side in sides) != 1:
        refuse("one_correspondent", "expected exactly one of {names}", names=names, field="body")


def _require_known(
    state: CaseState, body: letters.LetterSent | letters.LetterFiled, person: str | None, field: str
) -> None:
    """Refuse an id that is taken, and persons, items, decisions and letters that the case does not have."""
    require_new(state.letters, body.letter_id, "letter")
    if person is not None:
        state.person(person, field=field)
    for person_id in body.person_ids:
        state.person(person_id, field="person_ids")
    for item_id in body.item_ids:
        state.item(item_id, field="item_ids")
    if body.about is not None:
        look_up(state.decisions, body.about, "decision", field="about")
    if body.answers is not None:
        look_up(state.letters, body.answers, "letter", field="answers")


def _with(state: CaseState, letter: Letter) -> CaseState:
    return replace(state, letters=state.letters | {letter.letter_id: letter})

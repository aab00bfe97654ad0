"""Rules for letters. A letter moves nothing: it is sent, its receipt is recorded, and another one answers it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ledger.core.custody.particulars import require_particulars
from ledger.core.custody.references import look_up, require_known, require_new
from ledger.core.custody.state import Act, CaseState, Letter, rule
from ledger.core.errors import refuse
from ledger.core.events import Body
from ledger.core.events import letter as letters
from ledger.core.messages import Message, joined


@rule(letters.LetterSent)
def sent(state: CaseState, act: Act, body: letters.LetterSent) -> CaseState:
    """Record a letter of the signing agency to one addressee.

    An agency that is no party of the case answers a letter to it with what that letter names, and nothing else.
    """
    require_one(body, "to_agency", "to_person", "to_outside")
    if act.agency not in state.agencies:
        _require_within(state.letters[body.answers or ""], body)
    _require_known(state, body, body.to_person, "to_person")
    require_known(state.decisions, (body.serves,), "decision", field="serves")
    require_particulars(state, act, body.particulars, act.book.letters[body.kind].fields)
    return _recorded(
        state,
        act,
        body,
        from_agency=act.agency,
        to_agency=body.to_agency,
        person_id=body.to_person,
        outside=body.to_outside,
        sent_at=body.sent_at,
        serves=body.serves,
        about=body.about or body.serves,
        due_at=body.due_at,
    )


@rule(letters.LetterReceived)
def received(state: CaseState, act: Act, body: letters.LetterReceived) -> CaseState:
    """Record the receipt of a letter, by its sender or its addressee, once."""
    letter = look_up(state.letters, body.letter_id, "letter")
    if act.agency not in letter.agencies:
        refuse(
            "not_your_letter",
            "your agency neither sent nor got letter {letter.letter_id}",
            letter=letter,
            field="agency",
        )
    if letter.received_at is not None:
        refuse("already_received", "it arrived at {letter.received_at}", letter=letter, field="body.letter_id")
    received_letter = replace(letter, received_at=body.received_at, service=body.service)
    return replace(state, letters=state.letters | {letter.letter_id: received_letter})


@rule(letters.LetterFiled)
def filed(state: CaseState, act: Act, body: letters.LetterFiled) -> CaseState:
    """Record a letter that the signing agency received from one who signs nothing here."""
    require_one(body, "from_person", "from_outside")
    _require_known(state, body, body.from_person, "from_person")
    return _recorded(
        state,
        act,
        body,
        to_agency=act.agency,
        person_id=body.from_person,
        outside=body.from_outside,
        received_at=body.received_at,
        about=body.about,
    )


def has_letter_to_answer(state: CaseState, act: Act) -> bool:
    """Return whether the event is about a letter of the signer: its receipt, or an answer to the agency that sent it.

    Only for such an event the case admits an agency that is no party of it.
    """
    body = act.event.body
    if isinstance(body, letters.LetterReceived):
        letter = state.letters.get(body.letter_id)
        return letter is not None and act.agency in letter.agencies
    if not isinstance(body, letters.LetterSent):
        return False
    letter = state.letters.get(body.answers or "")
    if letter is None or letter.to_agency != act.agency:
        return False
    return letter.from_agency is not None and body.to_agency == letter.from_agency


def with_answer(state: CaseState, act: Act, letter_id: str | None, at: str) -> CaseState:
    """Return the state with the letter answered ``at`` this time, if its addressee answers it and had not before."""
    letter = state.letters.get(letter_id or "")
    if letter is None or letter.answered_at is not None or letter.to_agency not in (None, act.agency):
        return state
    return replace(state, letters=state.letters | {letter.letter_id: replace(letter, answered_at=at)})


def _require_within(letter: Letter, body: letters.LetterSent) -> None:
    """Refuse (not_in_letter) an answer that names what the letter does not, be it in the case or not."""
    named = (
        ("person_ids", body.person_ids, letter.person_ids),
        ("item_ids", body.item_ids, letter.item_ids),
        ("about", (body.about,), (letter.about, None)),
        ("serves", (body.serves,), (None,)),
    )
    for field, names, permitted in named:
        if not set(names) <= set(permitted):
            refuse(
                "not_in_letter",
                "your agency has no part in the case, and answers letter {letter.letter_id} with what that names alone",
                letter=letter,
                field=f"body.{field}",
            )


def require_one(body: Body, *sides: str) -> None:
    """Refuse (one_correspondent) anything but exactly one of the ``sides``, which are fields of the body."""
    if sum(getattr(body, side) is not None for side in sides) != 1:
        names = joined([Message("{name}", name=side) for side in sides], by=" or ")
        refuse("one_correspondent", "expected exactly one of these: {names}", names=names, field=f"body.{sides[0]}")


def _require_known(
    state: CaseState, body: letters.LetterSent | letters.LetterFiled, person: str | None, field: str
) -> None:
    """Refuse an id that is taken, and persons, items, decisions and letters that the case does not have."""
    require_new(state.letters, body.letter_id, "letter")
    require_known(state.persons, (person,), "person", field=field)
    require_known(state.persons, body.person_ids, "person", field="person_ids")
    require_known(state.items, body.item_ids, "item", field="item_ids")
    require_known(state.decisions, (body.about,), "decision", field="about")
    require_known(state.letters, (body.answers,), "letter", field="answers")


def _recorded(state: CaseState, act: Act, body: letters.LetterSent | letters.LetterFiled, **sides: Any) -> CaseState:
    """Return the state with a new letter, between these ``sides``, and with the one that it answers answered."""
    letter = Letter(
        letter_id=body.letter_id,
        kind=body.kind,
        event_id=act.event.event_id,
        number=body.number,
        person_ids=body.person_ids,
        item_ids=body.item_ids,
        answers=body.answers,
        **sides,
    )
    after = replace(state, letters=state.letters | {letter.letter_id: letter})
    return with_answer(after, act, letter.answers, letter.sent_at or letter.received_at or act.event.occurred_at)

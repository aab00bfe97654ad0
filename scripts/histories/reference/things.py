"""Rules 5 to 7, 11 and 16: property and exhibits, lists and examinations, loans, freezes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

from ledger.core.custody import CaseState, Handover, Item
from ledger.core.custody.discrepancies import differences
from ledger.core.events import case, handover, item, record
from ledger.core.procedure.legal_days import DAY
from scripts.histories.life import Planted
from scripts.histories.reference.told import Told, day, utc

LOANS = ("loan", "forensic_examination", "defence_access", "property_transfer")
DAYS_TO_RAISE = 3  # for a discrepancy after an examination
DAYS_TO_DISPOSE = 10  # after non-prosecution


def left_off(told: Told) -> Iterator[Planted]:
    """5 and 6: what the sender answered for was not on the list of the transfer, or of the indictment, nor after it."""
    for step, body in told.saying(handover.HandoverOffered):
        assert step.before is not None
        sent = step.after.handovers[body.handover_id]
        if not told.state.handovers[body.handover_id].is_accepted:
            continue
        for one in step.before.items.values():
            if not one.is_live or one.responsible != sent.from_agency or _listed(told, one.item_id, body.purpose):
                continue
            if body.purpose == "prosecution_review" and one.seizure is not None:
                yield told.breach(5, "not_listed", one.item_id)
            if body.purpose == "public_prosecution" and one.kind == "property":
                yield told.breach(6, "indicted", one.item_id)


def _listed(told: Told, item_id: str, purpose: str) -> bool:
    return any(one.purpose == purpose and item_id in one.items for one in told.state.handovers.values())


def undisposed(told: Told) -> Iterator[Planted]:
    """6: not prosecuted, and days later property is still there."""
    dropped = [one for one in told.state.decisions.values() if one.kind == "not_prosecuted"]
    if dropped and told.today > day(dropped[0].decided_at) + DAYS_TO_DISPOSE * DAY:
        for one in told.state.items.values():
            if one.kind == "property" and one.is_live:
                yield told.breach(6, "not_prosecuted", one.item_id)


def silent(told: Told) -> Iterator[Planted]:
    """7: property was before the court when it judged, and no judgment speaks of it."""
    named = {
        line.item_id
        for one in told.state.decisions.values()
        if one.kind in ("judgment", "ruling")
        for line in one.items
    }
    judged = [step.before for step, body in told.saying(case.DecisionRecorded) if body.kind == "judgment"]
    for before in judged[:1]:
        assert before is not None
        for one in before.items.values():
            if one.kind == "property" and one.is_live and one.item_id not in named and _before_court(before, one):
                yield told.breach(7, "silent", one.item_id)


def _before_court(state: CaseState, one: Item) -> bool:
    came = [made for made in state.handovers.values() if made.purpose == "public_prosecution" and made.is_accepted]
    return any(one.item_id in made.accepted_items for made in came)


def lists(told: Told) -> Iterator[Planted]:
    """11: an accepted list names another seal than the record had, and no discrepancy was opened."""
    for step in told.steps:
        for change in step.after.handovers.changes(step.before.handovers if step.before else None):
            made = change.after and told.state.handovers[change.key]
            if change.before is not None or made is None or not made.is_accepted:
                continue
            for line in made.items.values():
                recorded = step.after.items[line.item_id].seal_number
                if line.seal_number not in (None, recorded) and not _opened(told, made, line.item_id):
                    yield told.breach(11, "list", made.handover_id, line.item_id)


def receipts(told: Told) -> Iterator[Planted]:
    """11: what was received of an item was corrected afterwards, and no discrepancy was opened."""
    halves = {step.entry.digest: body for step, body in told.saying(handover.HandoverAccepted)}
    for _, body in told.saying(record.RecordCorrected):
        half = halves.get(body.corrects.payload_digest)
        for one in body.corrections if half else ():
            assert half is not None
            made = told.state.handovers[half.handover_id]
            for number, line in enumerate(half.received):
                if one.field.startswith(f"received[{number}].quantity") and not _opened(told, made, line.item_id):
                    yield told.breach(11, "receipt", made.handover_id, line.item_id)


def _opened(told: Told, made: Handover, item_id: str) -> bool:
    found = told.state.discrepancies.values()
    return any((one.handover_id, one.item_id) == (made.handover_id, item_id) for one in found)


def examinations(told: Told) -> Iterator[Planted]:
    """11: an examination or a check-in finds something else, and nobody raises a discrepancy within days."""
    for step, body in told.saying(item.ItemExamined):
        assert step.before is not None
        known = step.before.items[body.item_id]
        other = body.quantity is not None and body.quantity != known.quantity
        digest = bool(body.digests) and not set(body.digests) & set(known.digests)
        differs = other or digest or body.match_result == "mismatch"
        if differs and not _raised(told, body.item_id, step.entry.payload.occurred_at):
            yield told.breach(11, "examination", body.item_id)
    for step, back in told.saying(item.ItemCheckedIn):
        assert step.before is not None
        found = differences(step.before.items[back.item_id], back)
        if found and not _raised(told, back.item_id, step.entry.payload.occurred_at):
            yield told.breach(11, "checked_in_short", back.item_id)


def _raised(told: Told, item_id: str, moment: str) -> bool:
    """In time, or not yet."""
    last = day(moment) + DAYS_TO_RAISE * DAY
    raised = [step for step, body in told.saying(handover.DiscrepancyRaised) if body.item_id == item_id]
    return told.today <= last or any(day(step.entry.payload.occurred_at) <= last for step in raised)


def check_outs(told: Told) -> Iterator[Planted]:
    """11: what an officer took along is back late, or not at all."""
    for step, body in told.saying(item.ItemCheckedOut):
        sequence = step.entry.payload.sequence
        back = [
            other.entry.payload.occurred_at
            for other, found in told.saying(item.ItemCheckedIn)
            if found.item_id == body.item_id and other.entry.payload.sequence > sequence
        ]
        if body.due_at and _ended(told, back) > utc(body.due_at):
            yield told.breach(11, "checked_in_late", body.item_id)


def loans(told: Told) -> Iterator[Planted]:
    """11: what was lent to another agency is back late, or not at all; or less comes back than was lent."""
    for lent in told.state.handovers.values():
        if not (lent.is_accepted and lent.returns is None):
            continue
        returned = [one for one in told.state.handovers.values() if one.returns == lent.handover_id and one.is_accepted]
        for item_id in lent.accepted_items:
            back = [one for one in returned if item_id in one.accepted_items]
            if lent.due_at and _ended(told, [one.received_at or "" for one in back]) > utc(lent.due_at):
                yield told.breach(11, "loan_overdue", item_id)
            if lent.purpose in LOANS and back and _is_short(told, lent, back[0], item_id):
                yield told.breach(11, "loan_short", back[0].handover_id, item_id)


def _ended(told: Told, moments: list[str]) -> datetime:
    return utc(moments[0]) if moments else told.as_of


def _is_short(told: Told, lent: Handover, back: Handover, item_id: str) -> bool:
    """Less than was lent, and nobody says so."""
    return _amount(told, back, item_id) < _amount(told, lent, item_id) and not _opened(told, back, item_id)


def _amount(told: Told, made: Handover, item_id: str) -> Decimal:
    """How much there was of it after the acceptance."""
    steps = (step for step, body in told.saying(handover.HandoverAccepted) if body.handover_id == made.handover_id)
    return Decimal(next(steps).after.items[item_id].quantity.value)


def freezes(told: Told) -> Iterator[Planted]:
    """16: a freeze ran out before it was renewed or the thing disposed of."""
    for item_id in told.state.items:
        last: date | None = None
        for step in told.steps:
            moment, after = step.entry.payload.occurred_at, step.after.items.get(item_id)
            if after is None:
                continue
            until = date.fromisoformat(after.frozen_until) if after.frozen_until else None
            if last and until != last and day(moment) > last:
                yield told.breach(16, "renewed_late", item_id)
            if last and not after.is_live:
                if day(moment) > last:
                    yield told.breach(16, "lapsed", item_id)
                last = None
                break
            last = until
        if last and told.today > last:
            yield told.breach(16, "lapsed", item_id)

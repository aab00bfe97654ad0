"""A case of the sample, in the sentences that its stories are told in."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any, Self

from ledger.core.events import Body, Stream, case, handover, item
from ledger.core.events.terms import (
    DecisionKind,
    ItemKind,
    Measure,
    Money,
    PersonRole,
    Purpose,
    Quantity,
    ReasonCode,
    Remedy,
)
from ledger.core.procedure.legal_days import instant_text
from ledger.samples.telling import OPENS_AT, Teller, Telling
from ledger.samples.town import BY_PROFILE, CLERKS

STEP = timedelta(minutes=7)  # between two acts of a day


class CaseTelling(Telling):
    """A case that began so many days ago; the last of its days must be over.

    Acts are signed by the responsible agency's clerk, ``by``, unless another profile is named.
    """

    def __init__(self, teller: Teller, case_id: str, *, days_ago: int):
        super().__init__(teller, Stream(kind="case", id=case_id))
        self._begins = days_ago
        self._now = teller.day(days_ago)
        self.by = "police"
        self._ways: dict[str, tuple[str, str]] = {}
        self._persons = 0
        self._changes = 0

    @property
    def now(self) -> str:
        """The moment of the next act."""
        return instant_text(int(self._now.timestamp()))

    def on(self, day: int, hour: int = OPENS_AT) -> Self:
        """Goes on to this day of the case, 0 being its first."""
        self._now = self.teller.day(self._begins - day).replace(hour=hour)
        return self

    def last_day(self, day: int) -> str:
        """A day of the case as papers write it."""
        return self.teller.day(self._begins - day).date().isoformat()

    def say(self, by: str, body: Body, **more: Any) -> Self:
        super().say(by, body, **more)
        self._now += STEP
        return self

    def _moment(self) -> str:
        return self.now

    # -- sentences -----------------------------------------------------------------------------------------------------

    def open(self, number: str, case_type: str, **more: Any) -> Self:
        told = {"business_line": "criminal", "stage": "investigation"} | more
        return self.say(self.by, case.CaseOpened(case_number=number, case_type=case_type, **told))

    def name(self, *names: str, role: PersonRole = "suspect") -> Self:
        """Persons by names that stand in confidential sections."""
        for name in names:
            self._persons += 1
            label = f"person:{self._persons}"
            body = case.PersonNamed(person_id=person(name), role=role, section=label)
            self.say(self.by, body, sections={label: {"full_name": name}})
        return self

    def assign(self, department: str) -> Self:
        officer = BY_PROFILE[self.by].officer
        return self.say(self.by, case.CaseAssigned(department=department, handler=officer))

    def impose(self, measure_id: str, name: str, measure: Measure, ground: str, until: str | None = None) -> Self:
        body = case.MeasureImposed(
            measure_id=measure_id,
            person_id=person(name),
            measure=measure,
            started_at=self.now,
            ground=ground,
            until=until,
        )
        return self.say(self.by, body)

    def change(self, old: str, new: str, measure: Measure, ground: str) -> Self:
        body = case.MeasureChanged(
            measure_id=old,
            new_measure_id=new,
            measure=measure,
            started_at=self.now,
            ground=ground,
        )
        return self.say(self.by, body)

    def decide(self, kind: DecisionKind, number: str, *names: str, by: str | None = None, **more: Any) -> Self:
        """A decision; its id is its kind unless given."""
        told = {"decision_id": kind.replace("_", "-"), "decided_at": self.now} | more
        persons = tuple(map(person, names))
        return self.say(by or self.by, case.DecisionRecorded(kind=kind, number=number, person_ids=persons, **told))

    def register(self, item_id: str, description: str, kind: ItemKind = "exhibit", **more: Any) -> Self:
        told = {"quantity": pieces(1)} | more
        return self.say(
            self.by,
            item.ItemRegistered(item_id=item_id, item_kind=kind, description=description, **told),
        )

    def offer(
        self, to: str, purpose: Purpose, *items: str | handover.OfferedItem, persons: tuple[str, ...] = (), **more: Any
    ) -> Self:
        by = more.pop("by", self.by)
        handover_id = f"handover-{len(self._ways) + 1}"
        self._ways[handover_id] = (by, CLERKS[to])
        body = handover.HandoverOffered(
            handover_id=handover_id,
            to_agency=to,
            purpose=purpose,
            items=tuple(line(one) for one in items),
            person_ids=tuple(map(person, persons)),
            **more,
        )
        return self.say(by, body)

    def give_back(self, returns: str, *items: str, persons: tuple[str, ...] = (), **more: Any) -> Self:
        """Back to the sender of ``returns``, for supplementary investigation unless another purpose is given."""
        told = {"purpose": "supplementary_investigation", "reason_code": "incomplete_dossier"} | more
        sender, receiver = self._ways[returns]
        handover_id = f"handover-{len(self._ways) + 1}"
        self._ways[handover_id] = (receiver, sender)
        body = handover.HandoverReturned(
            handover_id=handover_id,
            returns=returns,
            items=tuple(line(one) for one in items),
            person_ids=tuple(map(person, persons)),
            **told,
        )
        return self.say(receiver, body)

    def accept(self, *, moves: bool = True, **more: Any) -> Self:
        """The receiver's half of the last offer, all as listed but for what is said; ``moves`` responsibility."""
        handover_id, (_, receiver) = list(self._ways.items())[-1]
        told: dict[str, Any] = {"received_at": self.now, "rest_as_listed": True} | more
        self.say(receiver, handover.HandoverAccepted(handover_id=handover_id, **told))
        self.by = receiver if moves else self.by
        return self

    def refuse(self, reason_code: ReasonCode, remedy: Remedy, explanation: str, *, due_at: str | None = None) -> Self:
        handover_id, (_, receiver) = list(self._ways.items())[-1]
        body = handover.HandoverRefused(
            handover_id=handover_id,
            reason_code=reason_code,
            remedy=remedy,
            explanation=explanation,
            due_at=due_at,
        )
        return self.say(receiver, body)

    def change_custody(self, name: str, number: str, *, served: bool = True) -> Self:
        """The new organ asks the detention house to keep a person for it, which serves it unless said otherwise."""
        self._changes += 1
        change_id = f"custody-{self._changes}"
        asked = case.CustodyChangeRequested(
            custody_change_id=change_id,
            handover_id=list(self._ways)[-1],
            person_id=person(name),
            detention_house="detention-east",
            number=number,
        )
        self.say(self.by, asked)
        if served:
            self.say("detention", case.CustodyChangeServed(custody_change_id=change_id, served_at=self.now))
        return self


def person(name: str) -> str:
    """The pseudonym of a person of the sample."""
    return sha256(f"person of the sample {name}".encode()).hexdigest()[:32]


def pieces(value: int | str, unit: str = "piece") -> Quantity:
    """So many."""
    return Quantity(value=str(value), unit=unit)


def yuan(value: int) -> Money:
    """So many yuan."""
    return Money(fen=value * 100, currency="CNY")


def digest(text: str) -> str:
    """SHA-256 of a document of the sample."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def line(one: str | handover.OfferedItem) -> handover.OfferedItem:
    """A line of a transfer list, as the record has the thing unless more is said."""
    return handover.OfferedItem(item_id=one) if isinstance(one, str) else one

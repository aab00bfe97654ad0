"""Builds whole cases, so that a test reads like sentences::

case = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE).accept()
case.last.submission               # the bytes to post
case.state.items["phone"].holder   # PROCURATORATE
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Self

from ledger.core.custody import Act, CaseState, Flag, Handover, fold
from ledger.core.events import Body, case, handover, item
from ledger.core.events.terms import Money, Quantity
from ledger.core.procedure import rulebook
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, Officer, Writer, clerk, instant, refused, supervisor

# What a method's fields say of the event and not of its body.
EVENT_FIELDS = ("occurred_at", "signed_at", "sections", "authority", "event_id", "salt", "source")
AT = "2026-03-02T02:00:00Z"  # an hour after the first case is opened


class Case(Writer):
    """Writes a case's stream and folds it. An act that is refused leaves no trace.

    Acts are signed by a clerk of the agency that would do them (of the responsible one, of the receiver of the open
    offer) unless ``by`` names another officer. ``flags`` are those of the last act.
    """

    def __init__(self, case_id: str = "case-1", *, book: rulebook.Rulebook | None = None, **clock: Any) -> None:
        super().__init__("case", case_id, **clock)
        self.book = book or shipped_rulebook()
        self.current: CaseState | None = None
        self.flags: tuple[Flag, ...] = ()

    @property
    def state(self) -> CaseState:
        assert self.current is not None, "the case is not opened yet"
        return self.current

    def act(self, body: Body, by: Officer | None = None, *, source: CaseState | None = None, **fields: Any) -> Self:
        """Writes and folds one event."""
        event = self.draft(body, by or clerk(self.state.responsible), **fields)
        act = Act(event.payload, event.digest, event.envelope.signed_at, self.book, source)
        self.current, self.flags = fold(self.current, act)
        self.events.append(event)
        self.now += self._step
        return self

    def say(self, kind: type[Body], by: Officer | None = None, /, **fields: Any) -> Self:
        """An act whose body is of this kind; ``EVENT_FIELDS`` go to the event, the others to the body."""
        outside = taken_out(fields)
        return self.act(kind(**fields), by, **outside)

    def open(self, by: Officer | None = None, **fields: Any) -> Self:
        defaults = {
            "case_number": "2026-0417",
            "case_type": "theft",
            "business_line": "criminal",
            "stage": "investigation",
        }
        return self.say(case.CaseOpened, by or clerk(POLICE), **(defaults | fields))

    def name(self, *persons: str, by: Officer | None = None, role: str = "suspect") -> Self:
        for person in persons:
            self.say(case.PersonNamed, by, person_id=person_id(person), role=role)
        return self

    def register(self, *item_ids: str, by: Officer | None = None, **fields: Any) -> Self:
        outside = taken_out(fields)
        for item_id in item_ids:
            self.act(registration(item_id, **fields), by, **outside)
        return self

    def offer(
        self,
        *items: str | handover.OfferedItem,
        to: str,
        purpose: str = "prosecution_review",
        persons: tuple[str, ...] = (),
        by: Officer | None = None,
        **fields: Any,
    ) -> Self:
        defaults = {
            "handover_id": self._next_handover(),
            "to_agency": to,
            "purpose": purpose,
            "items": tuple(listed(line) for line in items),
            "person_ids": tuple(person_id(name) for name in persons),
        }
        return self.say(handover.HandoverOffered, by, **(defaults | fields))

    def give_back(
        self,
        *items: str | handover.OfferedItem,
        purpose: str = "supplementary_investigation",
        persons: tuple[str, ...] = (),
        by: Officer | None = None,
        **fields: Any,
    ) -> Self:
        """Returns what stands in ``items`` to the sender of the latest accepted handover, or of ``returns``."""
        accepted = [h.handover_id for h in self.state.handovers.values() if h.is_accepted]
        original = self.state.handover(fields.pop("returns", None) or accepted[-1])
        defaults = {
            "handover_id": self._next_handover(),
            "returns": original.handover_id,
            "purpose": purpose,
            "reason_code": "incomplete_dossier",
            "explanation": "the bank statements are missing",
            "items": tuple(listed(line) for line in items),
            "person_ids": tuple(person_id(name) for name in persons),
        }
        return self.say(handover.HandoverReturned, by or clerk(original.to_agency), **(defaults | fields))

    def check(self, *, by: Officer | None = None, **fields: Any) -> Self:
        """The receiver's check of the latest open offer: everything passed, except what ``fields`` say."""
        answered = self.open_handover()
        matters = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")
        passed = {"handover_id": answered.handover_id} | dict.fromkeys(matters, "passed")
        return self.say(handover.HandoverChecked, by or clerk(answered.to_agency), **(passed | fields))

    def accept(self, handover_id: str | None = None, *, by: Officer | None = None, **fields: Any) -> Self:
        """Accepts all as listed, except what ``received`` and ``not_accepted`` say."""
        answered = self.open_handover(handover_id)
        defaults = {"handover_id": answered.handover_id, "received_at": instant(self.now), "rest_as_listed": True}
        return self.say(handover.HandoverAccepted, by or clerk(answered.to_agency), **(defaults | fields))

    def refuse(self, handover_id: str | None = None, *, by: Officer | None = None, **fields: Any) -> Self:
        answered = self.open_handover(handover_id)
        defaults = {
            "handover_id": answered.handover_id,
            "reason_code": "binding_defective",
            "remedy": "rebind",
            "explanation": "volume two falls apart",
        }
        return self.say(handover.HandoverRefused, by or clerk(answered.to_agency), **(defaults | fields))

    def recall(self, handover_id: str | None = None, *, by: Officer | None = None) -> Self:
        offered = self.open_handover(handover_id)
        fields = {"handover_id": offered.handover_id, "ground": "sent by mistake"}
        return self.say(handover.HandoverRecalled, by or clerk(offered.from_agency), **fields)

    def open_handover(self, handover_id: str | None = None) -> Handover:
        """The handover of this id, else the latest open one."""
        if handover_id is not None:
            return self.state.handover(handover_id)
        return [h for h in self.state.handovers.values() if h.is_open][-1]

    def close(self, by: Officer | None = None, **fields: Any) -> Self:
        return self.say(case.CaseClosed, by, **({"ground": "sentence served"} | fields))

    def _next_handover(self) -> str:
        return f"handover-{len(self.state.handovers) + 1}"


def taken_out(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that go to the event, taken out of those of its body."""
    return {name: fields.pop(name) for name in EVENT_FIELDS if name in fields}


def person_id(name: str) -> str:
    """The pseudonym of a person of the tests; a pseudonym stays as it is."""
    return name if len(name) == 32 else sha256(f"person {name}".encode()).hexdigest()[:32]


def pieces(value: int | str, unit: str = "piece") -> Quantity:
    return Quantity(value=str(value), unit=unit)


def registration(item_id: str, kind: str = "exhibit", quantity: int | str = 1, **fields: Any) -> item.ItemRegistered:
    """An item of the kind, complete."""
    parts: dict[str, dict[str, Any]] = {
        "dossier": {"dossier": item.Dossier(volumes=3, pages=412)},
        "electronic_data": {
            "digests": ("sha256:" + sha256(item_id.encode()).hexdigest(),),
            "collection": item.Collection(
                collectors=("collector-1", "collector-2"), tool="write blocker", method="image of the whole medium"
            ),
        },
    }
    return item.ItemRegistered(
        item_id=item_id,
        item_kind=kind,  # type: ignore[arg-type]
        description=f"the {item_id}",
        quantity=pieces(quantity),
        **(parts.get(kind, {}) | fields),
    )


def listed(line: str | handover.OfferedItem) -> handover.OfferedItem:
    """A line of a transfer list that says no more than the item's id."""
    return handover.OfferedItem(item_id=line) if isinstance(line, str) else line


# -- cases that are under way ------------------------------------------------------------------------------------------


def holding(*item_ids: str, **fields: Any) -> Case:
    """The police hold the items; li and wang are the suspects."""
    return Case().open().name("li", "wang").register(*item_ids, **fields)


def offered(*item_ids: str, **fields: Any) -> Case:
    """The police offer the case with the items and persons to the procuratorate."""
    return holding(*item_ids).offer(*item_ids, to=PROCURATORATE, persons=("li", "wang"), **fields)


def passed(*item_ids: str) -> Case:
    """The procuratorate accepted the case with the items and persons."""
    return offered(*item_ids).accept()


def lent(*item_ids: str) -> Case:
    """The laboratory has the items, the police answer for them."""
    return holding(*item_ids).offer(*item_ids, to=LAB, purpose="forensic_examination").accept()


def detained() -> Case:
    """Li is in detention, under measure-1."""
    return holding().say(
        case.MeasureImposed,
        measure_id="measure-1",
        person_id=person_id("li"),
        measure="detention",
        started_at=AT,
        ground="caught in the act",
        until="2026-03-05",
    )


def proposed(*item_ids: str, disposal: str = "destroyed", **fields: Any) -> Case:
    """A clerk of the police proposed the disposal of the items."""
    written = holding(*item_ids, kind="property")
    return written.say(item.ItemDisposalProposed, item_ids=item_ids, disposal=disposal, ground="perishable", **fields)


def dispose(written: Case, by: Officer | None = None, **fields: Any) -> Case:
    """The second signature under the last event."""
    defaults = {"cites": written.last.ref, "disposed_at": AT}
    return written.say(item.ItemDisposed, by or supervisor(POLICE), **(defaults | fields))


def holders(written: Case) -> dict[str, str]:
    return {one.item_id: one.holder for one in written.state.items.values()}


# -- lines of lists ----------------------------------------------------------------------------------------------------


def stays(item_id: str, **fields: Any) -> handover.OfferedItem:
    return handover.OfferedItem(item_id=item_id, stays=True, **fields)


def got(item_id: str, match_result: str = "match", **fields: Any) -> handover.ReceivedItem:
    return handover.ReceivedItem(item_id=item_id, match_result=match_result, **fields)  # type: ignore[arg-type]


def kept(item_id: str, reason_code: str = "seal_broken", **fields: Any) -> handover.NotAcceptedItem:
    return handover.NotAcceptedItem(item_id=item_id, reason_code=reason_code, **fields)  # type: ignore[arg-type]


def part(
    item_id: str, value: int | str, *, unit: str = "piece", fen: int | None = None, **fields: Any
) -> item.ItemPart:
    money = None if fen is None else Money(fen=fen, currency=fields.pop("currency", "CNY"))
    return item.ItemPart(item_id=item_id, quantity=pieces(value, unit), money=money, **fields)


# -- refusals ----------------------------------------------------------------------------------------------------------

# What is tried, by name: the case before, the act, the rule's name and the field, below ``payload``, that it names.
Refusals = dict[str, tuple[Callable[[], Case], Callable[[Case], object], str, str]]


def require_refusal(written: Case, act: Callable[[Case], object], rule: str, field: str) -> None:
    """The act is refused under the rule's name and by the field, and leaves the case as it was."""
    before, count = written.current, len(written.events)
    with refused(rule, field=f"payload.{field}"):
        act(written)
    assert written.current is before
    assert len(written.events) == count

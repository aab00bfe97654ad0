"""The acts of a case as methods that chain, for whoever writes cases: the stories and the tests::

case.open().register("phone", "knife").offer("phone", "knife", to="procuratorate-east").accept()
case.state.items["phone"].holder   # "procuratorate-east"
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar, Generic, Self, TypeVar

from ledger.core.custody import CaseState, Handover
from ledger.core.encoding.instants import instant_text
from ledger.core.events import Body, case, handover, item
from ledger.core.events.terms import Quantity

O = TypeVar("O")  # noqa: E741 - whoever signs

# What a method's fields say of the event and not of its body; the last two are for histories.
EVENT_FIELDS = ("occurred_at", "signed_at", "sections", "authority", "event_id", "salt", "source", "officer", "delay")
_OPENING = {
    "case_number": "2026-0417",
    "case_type": "theft",
    "business_line": "criminal",
    "stage": "investigation",
    "procedure": "cn-criminal",
}
ASPECTS = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")


class CaseActs(ABC, Generic[O]):
    """Write acts of one case; a subclass adds what becomes of an event, in ``act``.

    ``by`` signs an act; by default a clerk of the agency that would do it: the responsible one, or the receiver of the
    open offer. ``fields`` replace the defaults of the body, those of ``EVENT_FIELDS`` the event's.
    """

    opener: ClassVar[str]  # the agency that opens a case
    keeper: str  # the agency that keeps who is in custody
    now: int  # unix seconds, of the next act
    current: CaseState | None = None

    @abstractmethod
    def act(self, body: Body, by: O | None = None, **fields: Any) -> Self:
        """Write and fold one event. An act that is refused leaves no trace."""

    @abstractmethod
    def clerk_of(self, agency: str) -> O:
        """Return whoever acts for the agency."""

    @property
    def state(self) -> CaseState:
        assert self.current is not None, "the case is not opened yet"
        return self.current

    @property
    def moment(self) -> str:
        """Return the time of the next act, RFC 3339."""
        return instant_text(self.now)

    def say(self, kind: type[Body], by: O | None = None, /, **fields: Any) -> Self:
        """Write an event whose body is of this kind."""
        outside = _take_event_fields(fields)
        return self.act(kind(**fields), by, **outside)

    def open(self, by: O | None = None, **fields: Any) -> Self:
        return self.say(case.CaseOpened, by or self.clerk_of(self.opener), **(_OPENING | fields))

    def take_over(self, by: O | None = None, **fields: Any) -> Self:
        """Begin with a case that was under way elsewhere: no duties of before run."""
        return self.say(case.CaseTakenOver, by or self.clerk_of(self.opener), **(_OPENING | fields))

    def name(self, *persons: str, by: O | None = None, role: str = "suspect") -> Self:
        for person in persons:
            self.say(case.PersonNamed, by, person_id=person_id(person), role=role)
        return self

    def label_of(self, person: str) -> str:
        """Return what the ids of a person's measures end in."""
        return person

    def impose(self, person: str, measure: str, *, by: O | None = None, **fields: Any) -> Self:
        defaults = {
            "measure_id": self._measure_id(measure, person),
            "person_id": person_id(person),
            "measure": measure,
            "started_at": self.moment,
            "ground": "strong suspicion",
        }
        return self.say(case.MeasureImposed, by, **(defaults | fields))

    def change(self, old: str, new: str, person: str, *, by: O | None = None, **fields: Any) -> Self:
        """Put another measure in the place of a person's old one."""
        defaults = {
            "measure_id": self._measure_id(old, person),
            "new_measure_id": self._measure_id(new, person),
            "measure": new,
            "started_at": self.moment,
            "ground": "decided",
        }
        return self.say(case.MeasureChanged, by, **(defaults | fields))

    def _measure_id(self, measure: str, person: str) -> str:
        return f"{measure.replace('_', '-')}-{self.label_of(person)}"

    def decide(self, kind: str, *persons: str, by: O | None = None, **fields: Any) -> Self:
        defaults = {
            "decision_id": f"{kind.replace('_', '-')}-{self.state.sequence}",
            "kind": kind,
            "number": "2026-1",
            "decided_at": self.moment,
            "person_ids": tuple(map(person_id, persons)),
        }
        return self.say(case.DecisionRecorded, by, **(defaults | fields))

    def register(self, *item_ids: str, by: O | None = None, **fields: Any) -> Self:
        outside = _take_event_fields(fields)
        for item_id in item_ids:
            self.act(registration(item_id, **fields), by, **outside)
        return self

    def offer(
        self,
        *items: str | handover.OfferedItem,
        to: str,
        purpose: str = "prosecution_review",
        persons: tuple[str, ...] = (),
        by: O | None = None,
        **fields: Any,
    ) -> Self:
        defaults = {
            "handover_id": self._next_handover(),
            "to_agency": to,
            "purpose": purpose,
            "items": tuple(listed(line) for line in items),
            "person_ids": tuple(map(person_id, persons)),
        }
        return self.say(handover.HandoverOffered, by, **(defaults | fields))

    def give_back(
        self,
        *items: str | handover.OfferedItem,
        purpose: str = "supplementary_investigation",
        persons: tuple[str, ...] = (),
        by: O | None = None,
        **fields: Any,
    ) -> Self:
        """Return what stands in ``items`` to the sender of the latest accepted handover, or of ``returns``."""
        accepted = [h.handover_id for h in self.state.handovers.values() if h.is_accepted]
        original = self.state.handover(fields.pop("returns", None) or accepted[-1])
        is_to_complete = purpose.startswith("supplementary")
        defaults = {
            "handover_id": self._next_handover(),
            "returns": original.handover_id,
            "purpose": purpose,
            "reason_code": "evidence_insufficient" if is_to_complete else "other",
            "explanation": "the bank statements are missing",
            "outline": (handover.OutlinePoint(text="get the statements of all accounts"),) if is_to_complete else (),
            "items": tuple(listed(line) for line in items),
            "person_ids": tuple(map(person_id, persons)),
        }
        return self.say(handover.HandoverReturned, by or self.clerk_of(original.to_agency), **(defaults | fields))

    def check(self, *, by: O | None = None, **fields: Any) -> Self:
        """Check the latest open offer as its receiver: everything passed, except what ``fields`` say."""
        answered = self.open_handover()
        results = {aspect: fields.pop(aspect, "passed") for aspect in ASPECTS}
        fields["aspects"] = tuple(handover.AspectCheck(aspect, result) for aspect, result in results.items())
        fields["handover_id"] = answered.handover_id
        return self.say(handover.HandoverChecked, by or self.clerk_of(answered.to_agency), **fields)

    def accept(self, handover_id: str | None = None, *, by: O | None = None, **fields: Any) -> Self:
        """Accept all as listed, except what ``received`` and ``not_accepted`` say."""
        answered = self.open_handover(handover_id)
        defaults = {"handover_id": answered.handover_id, "received_at": self.moment, "rest_as_listed": True}
        return self.say(handover.HandoverAccepted, by or self.clerk_of(answered.to_agency), **(defaults | fields))

    def refuse(self, handover_id: str | None = None, *, by: O | None = None, **fields: Any) -> Self:
        answered = self.open_handover(handover_id)
        defaults = {
            "handover_id": answered.handover_id,
            "reason_code": "binding_defective",
            "remedy": "rebind",
            "explanation": "volume two falls apart",
        }
        return self.say(handover.HandoverRefused, by or self.clerk_of(answered.to_agency), **(defaults | fields))

    def resolve(self, discrepancy_id: str, *sides: O, resolution: str) -> Self:
        """Resolve a discrepancy, by whoever signs for each side: both sign the same words."""
        for side in sides:
            self.say(handover.DiscrepancyResolved, side, discrepancy_id=discrepancy_id, resolution=resolution)
        return self

    def open_handover(self, handover_id: str | None = None) -> Handover:
        """Return the handover of this id, by default the latest open one."""
        if handover_id is not None:
            return self.state.handover(handover_id)
        return [h for h in self.state.handovers.values() if h.is_open][-1]

    def ask_custody_change(self, person: str, *, by: O | None = None, **fields: Any) -> Self:
        """Ask the detention house to keep a person for the receiver of the latest handover."""
        change_id = f"custody-{len(self.state.custody_changes) + 1}"
        defaults = {
            "custody_change_id": change_id,
            "handover_id": list(self.state.handovers)[-1],
            "person_id": person_id(person),
            "keeper": self.keeper,
            "number": change_id,
        }
        return self.say(case.CustodyChangeRequested, by, **(defaults | fields))

    def serve_custody_change(self, change_id: str | None = None) -> Self:
        """Let the detention house serve the change of custody of this id, by default the one asked for last."""
        house = self.clerk_of(self.keeper)
        served = {"custody_change_id": change_id or list(self.state.custody_changes)[-1], "served_at": self.moment}
        return self.say(case.CustodyChangeServed, house, **served)

    def close(self, by: O | None = None, **fields: Any) -> Self:
        return self.say(case.CaseClosed, by, **({"ground": "sentence served"} | fields))

    def _next_handover(self) -> str:
        return f"handover-{len(self.state.handovers) + 1}"


def _take_event_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields.pop(name) for name in EVENT_FIELDS if name in fields}


def person_id(name: str) -> str:
    """Return the pseudonym of a person of the samples and tests; a pseudonym stays as it is."""
    return name if len(name) == 32 else sha256(f"person {name}".encode()).hexdigest()[:32]


def digest(text: str) -> str:
    """Return the SHA-256 of a document of the samples."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def pieces(value: int | str, unit: str = "piece") -> Quantity:
    """Return so many of something."""
    return Quantity(value=str(value), unit=unit)


def registration(
    item_id: str, kind: str = "exhibit", quantity: Quantity | int | str = 1, **fields: Any
) -> item.ItemRegistered:
    """Return the registration of an item of the kind, complete."""
    counted = quantity if isinstance(quantity, Quantity) else pieces(quantity)
    defaults: dict[str, Any] = {"description": f"the {item_id}", "quantity": counted}
    if kind == "dossier":
        defaults["dossier"] = item.Dossier(volumes=3, pages=412)
    elif kind == "electronic_data":
        defaults["digests"] = (digest(item_id),)
        defaults["collection"] = item.Collection(
            collectors=("collector-1", "collector-2"),
            tool="write blocker",
            method="image of the whole medium",
            no_witness="at night; recorded",
            medium_not_taken="it is in use",
        )
    return item.ItemRegistered(item_id=item_id, item_kind=kind, **(defaults | fields))


def listed(line: str | handover.OfferedItem) -> handover.OfferedItem:
    """Return a line of a transfer list; an item's id alone stands for the item as the record has it."""
    return handover.OfferedItem(item_id=line) if isinstance(line, str) else line


def ordered(disposals: Mapping[str, str]) -> tuple[case.ItemDecision, ...]:
    """Return what a decision says of items, from what becomes of each."""
    return tuple(case.ItemDecision(item_id=item_id, disposal=end) for item_id, end in disposals.items())


def stays(item_id: str, **fields: Any) -> handover.OfferedItem:
    """Return the line of an item that stays where it is while the responsibility for it moves."""
    return handover.OfferedItem(item_id=item_id, stays=True, **fields)

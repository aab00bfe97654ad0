"""Facts: what acts are to the clocks of a procedure, and the conditions under which a row of a package applies.

The list is closed and names no law: a package combines it with its own words (``decided.judgment``). It is documented
in docs/procedure.md. A ``Condition`` asks about the fact, the case and the subject by fixed keys: no expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import msgspec
from msgspec import Struct

Words = tuple[str, ...]

# Keys that only some facts answer; all others are answered by the case, or by the subject of the clock.
KEYS_OF_FACTS = ("fact", "by", "to", "about", "handover", "grounds", "urgent", "steps")
KEYS_OF_PERSONS = ("role", "measure", "in_custody", "kept_for_receiver")
KEYS_OF_ITEMS = ("item_kind",)


class Condition(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What has to hold: each key that is given, by one of its words at least, and not what stands in ``unless``.

    ``fact``: which of the facts that start the clock it is. ``by`` and ``to``: who did it or sent it, and to whom, by
    the agency's kind or one of its traits, by the kind of somebody outside, or by the role of a person. ``about``: the
    kind of the decision that it is about; ``handover``: the purpose of the handover that it returns or follows;
    ``grounds``: those that the decision states; whether the recommendation is ``urgent``, and which ``steps`` were
    taken with it so far. Of the case:
    ``case_type``, ``line``, ``stage``, ``trial``, and ``decided``, the kinds of its decisions, for a person of those
    about this person, and for a clock that waits for the end of another of those since that one last ended before.
    Of a person: ``role``, running ``measure``, ``in_custody``, and whether the person is
    ``kept_for_receiver``, whose time it is. Of an item: ``item_kind``.
    """

    fact: Words = ()
    by: Words = ()
    to: Words = ()
    about: Words = ()
    handover: Words = ()
    grounds: Words = ()
    urgent: bool | None = None
    steps: Words = ()
    case_type: Words = ()
    line: Words = ()
    stage: Words = ()
    trial: Words = ()
    decided: Words = ()
    role: Words = ()
    measure: Words = ()
    in_custody: bool | None = None
    kept_for_receiver: bool | None = None
    item_kind: Words = ()
    unless: Condition | None = None

    @cached_property
    def asked(self) -> tuple[tuple[str, tuple[str | bool, ...]], ...]:
        """Return the keys that are given, without ``unless``, and what the answer has to be one of."""
        values = ((key, getattr(self, key)) for key in KEYS)
        stated = ((key, value) for key, value in values if value is not None and value != ())
        return tuple((key, value if isinstance(value, tuple) else (value,)) for key, value in stated)

    @cached_property
    def answers(self) -> tuple[tuple[str, frozenset[str | bool]], ...]:
        """Return the keys that are given, each with the answers of which it needs one."""
        return tuple((key, frozenset(wanted)) for key, wanted in self.asked)

    @property
    def parts(self) -> Iterator[Condition]:
        """Yield this condition and those within it."""
        yield self
        if self.unless is not None:
            yield from self.unless.parts


KEYS = tuple(field.name for field in msgspec.structs.fields(Condition) if field.name != "unless")
PARTICIPANT = "agency_kind"  # whose words are traits too
STEP = "recommendation_step"
STEPS = ("received", "objected", "upheld", "changed", "answered", "escalated")  # the words of ``steps``
# The vocabulary of the words of each key; a type of case is free text.
VOCABULARY_OF = {
    "by": PARTICIPANT,
    "to": PARTICIPANT,
    "about": "decision_kind",
    "handover": "purpose",
    "grounds": "qualifying_ground",
    "line": "business_line",
    "stage": "stage",
    "trial": "trial",
    "decided": "decision_kind",
    "role": "person_role",
    "measure": "measure",
    "item_kind": "item_kind",
    "steps": STEP,
}


class Fact(NamedTuple):
    """A kind of fact: the table of the package whose words follow its name, and the keys that it answers.

    ``names`` are the subjects that it can name, each of which can have a clock of its own, besides the case.
    """

    words: str | None = None
    answers: tuple[str, ...] = ("by",)
    names: tuple[str, ...] = ("person",)


_HANDOVER = Fact("purposes", ("by", "to", "about", "handover"), ("person", "item", "handover"))
_DECISION = Fact("decisions", ("by", "about", "grounds"), ("person", "item"))
_SERVICE = Fact("decisions", ("by", "to", "about", "grounds"), ("person", "item"))
_LETTER = Fact("letters", ("by", "to", "about"), ("person", "item", "letter"))
_CLOCK = Fact("clocks", (), ("person", "item", "handover", "letter", "recommendation"))
_PLAIN = Fact()
_ITEM = Fact(names=("item",))
_REMEDY = Fact(names=("handover",))
_RECOMMENDATION = Fact("recommendations", ("by", "to", "urgent", "steps"), ("recommendation",))
AWAITED = ("expired", "passed")  # facts that are no event

FACTS: dict[str, Fact] = {
    "measure": Fact("measures"),
    "measure_ended": Fact("measures"),
    "released": _PLAIN,
    "offered": _HANDOVER,
    "delivered": _HANDOVER,
    "received": _HANDOVER,
    "accepted": _HANDOVER,
    "refused": _HANDOVER,
    "returned": _HANDOVER,
    "decided": _DECISION,
    "served": _SERVICE,
    "effective": _DECISION,
    "trial": Fact("trials"),
    "turned_to": Fact("trials"),
    "letter_sent": _LETTER,
    "letter_received": _LETTER,
    "clock_started": _CLOCK,
    "clock_stopped": _CLOCK,
    "period_changed": _CLOCK,
    "pause_began": Fact("exclusions", (), _CLOCK.names),
    "pause_ended": Fact("exclusions", (), _CLOCK.names),
    "expired": _CLOCK,
    "passed": _CLOCK,
    "custody_change_due": _PLAIN,
    "custody_changed": _PLAIN,
    "item_registered": _ITEM,
    "seized": _ITEM,
    "frozen": _ITEM,
    "freeze_renewed": _ITEM,
    "unfrozen": _ITEM,
    "checked_out": _ITEM,
    "checked_in": _ITEM,
    "lent": _ITEM,
    "given_back": _ITEM,
    "disposed": _ITEM,
    "case_closed": _ITEM,
    "case_reopened": _ITEM,
    "retention_set": _ITEM,
    "remedy_set": _REMEDY,
    "remedy_met": _REMEDY,
    "offer_open": _REMEDY,
    "offer_answered": _REMEDY,
    "recommendation_issued": _RECOMMENDATION,
    "recommendation_received": _RECOMMENDATION,
    "recommendation_objection_open": _RECOMMENDATION,
    "recommendation_objected": _RECOMMENDATION,
    "recommendation_reviewed": _RECOMMENDATION,
    "recommendation_answered": _RECOMMENDATION,
    "recommendation_escalated": _RECOMMENDATION,
}
FACTS_OF_CLOCKS = ("clock_started", "clock_stopped", "period_changed", "pause_began", "pause_ended")

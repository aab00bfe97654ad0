"""Circumstances: what a fact, a case and the subject of a clock answer to the conditions of a procedure package."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ledger.core.custody.state import Act, CaseState
from ledger.core.custody.triggers import OUTSIDE, Trigger, in_custody
from ledger.core.procedure.facts import Condition


class Circumstances(NamedTuple):
    """A subject of a case at an act; ``trigger`` is the fact that is asked about, None if the act itself is.

    Decisions count that were made later than ``since``.
    """

    state: CaseState
    act: Act
    subject: str
    trigger: Trigger | None = None
    since: str = ""

    def names(self, participant: str | None) -> Collection[str]:
        """Return what an agency, a person or somebody outside is called by: kind and traits, the role, the kind."""
        if participant is None or participant.startswith(OUTSIDE):
            return _words(participant and participant.removeprefix(OUTSIDE))
        if (person := self.state.persons.get(participant)) is not None:
            return (person.role,)
        # Where the registry is unknown, nothing is known of an agency.
        return self.act.book.names_of_kind(self.act.kinds.get(participant))


def fits(condition: Condition | None, around: Circumstances) -> bool:
    """Tell whether the condition holds; without one, nothing is asked."""
    if condition is None:
        return True
    # One of the words is enough for a key; a yes or no is a word of its own.
    for key, wanted in condition.answers:
        if wanted.isdisjoint(_ANSWERS[key](around)):
            return False
    return condition.unless is None or not fits(condition.unless, around)


def _words(*words: str | None) -> tuple[str, ...]:
    return tuple(word for word in words if word is not None)


def _by(around: Circumstances) -> Collection[str]:
    sender = None if around.trigger is None else around.trigger.sender
    return around.names(sender or around.act.agency)


def _of_trigger(
    read: Callable[[Circumstances, Trigger], Collection[str | bool]],
) -> Callable[[Circumstances], Collection[str | bool]]:
    return lambda around: () if around.trigger is None else read(around, around.trigger)


def _decided(around: Circumstances) -> Collection[str]:
    """Return the kinds of the decisions; of a person, of those that name nobody or this person."""
    decisions = [row for row in around.state.decisions.values() if row.decided_at > around.since]
    subject = around.subject
    is_person = subject in around.state.persons
    return {row.kind for row in decisions if not (is_person and row.person_ids) or subject in row.person_ids}


def _role(around: Circumstances) -> Collection[str]:
    person = around.state.persons.get(around.subject)
    return _words(None if person is None else person.role)


def _measures(around: Circumstances) -> Collection[str]:
    measures = around.state.measures.marked(f"person/{around.subject}")
    return {measure.measure for measure in measures if measure.ended_at is None}


def _kept_for_receiver(around: Circumstances) -> Collection[bool]:
    person = around.state.persons.get(around.subject)
    receiver = around.act.agency if around.trigger is None else around.trigger.agency
    return (person is not None and person.kept_for == receiver,)


def _item_kind(around: Circumstances) -> Collection[str]:
    item = around.state.items.get(around.subject)
    return _words(None if item is None else item.kind)


_ANSWERS: Mapping[str, Callable[[Circumstances], Collection[str | bool]]] = {
    "fact": _of_trigger(lambda _, trigger: _words(trigger.name)),
    "by": _by,
    "to": _of_trigger(lambda around, trigger: around.names(trigger.receiver)),
    "about": _of_trigger(lambda _, trigger: _words(trigger.about)),
    "handover": _of_trigger(lambda _, trigger: _words(None if trigger.earlier is None else trigger.earlier.purpose)),
    "grounds": _of_trigger(lambda _, trigger: trigger.grounds),
    "urgent": _of_trigger(lambda _, trigger: (trigger.urgent,) if trigger.urgent is not None else ()),
    "steps": _of_trigger(lambda _, trigger: trigger.steps),
    "case_type": lambda around: _words(around.state.case_type),
    "line": lambda around: _words(around.state.business_line),
    "stage": lambda around: _words(around.state.standing(around.subject).stage),
    "trial": lambda around: _words(around.state.standing(around.subject).trial),
    "decided": _decided,
    "role": _role,
    "measure": _measures,
    "in_custody": lambda around: (in_custody(around.state, around.subject),),
    "kept_for_receiver": _kept_for_receiver,
    "item_kind": _item_kind,
}

"""All breaches of a history."""

from __future__ import annotations

from scripts.histories.history import History
from scripts.histories.life import Planted
from scripts.histories.outside import pension_list
from scripts.histories.reference import between, persons, sequence, things
from scripts.histories.reference.between import USUAL, Unusual
from scripts.histories.reference.told import Told

OF_A_CASE = (
    persons.detention,
    persons.bail,
    persons.not_transferred,
    persons.ended_without_decision,
    persons.returns,
    persons.execution,
    persons.custody_changes,
    persons.kept_for_former,
    persons.old_clock,
    things.left_off,
    things.undisposed,
    things.silent,
    things.lists,
    things.receipts,
    things.examinations,
    things.check_outs,
    things.loans,
    things.freezes,
    sequence.deliveries,
    sequence.backdated,
    sequence.unanswered,
)


def broken(history: History, limits: Unusual = USUAL) -> tuple[Planted, ...]:
    """Every breach of the seventeen rules, each once, sorted."""
    tolds = [Told(life, history.ends) for life in history.lives]
    anchoring = sequence.Anchoring(history)
    found = {breach for told in tolds for look in (*OF_A_CASE, anchoring.late) for breach in look(told)}
    found |= {*between.shared(tolds), *between.unusual(tolds, limits), *between.pensions(tolds, pension_list(history))}
    return tuple(sorted(found))

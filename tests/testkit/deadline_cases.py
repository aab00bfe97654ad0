"""Cases whose clocks run: persons in custody, measures, decisions, and what is decided about a clock."""

from __future__ import annotations

from ledger.core.events import case
from ledger.core.procedure.clock_periods import Clock
from tests.testkit.builders import clerk, instant
from tests.testkit.casework import Case, person_id

DAY = 86400


def detained(*names: str) -> Case:
    """A case with persons who were detained as it began."""
    opened = Case().open().name(*names)
    for name in names:
        impose(opened, name, "detention")
    return opened


def impose(into: Case, name: str, measure: str, **fields: object) -> Case:
    defaults = {
        "measure_id": f"{measure.replace('_', '-')}-{name}",
        "person_id": person_id(name),
        "measure": measure,
        "started_at": instant(into.now),
        "ground": "strong suspicion",
    }
    return into.say(case.MeasureImposed, None, **(defaults | fields))


def change(into: Case, old: str, new: str, name: str) -> Case:
    return into.say(
        case.MeasureChanged,
        None,
        measure_id=f"{old.replace('_', '-')}-{name}",
        new_measure_id=f"{new.replace('_', '-')}-{name}",
        measure=new,
        started_at=instant(into.now),
        ground="decided",
    )


def decide(into: Case, kind: str, by: str | None = None, **fields: object) -> Case:
    defaults = {
        "decision_id": f"{kind.replace('_', '-')}-{into.state.sequence}",
        "kind": kind,
        "number": "2026-1",
        "decided_at": instant(into.now),
    }
    return into.say(case.DecisionRecorded, clerk(by) if by else None, **(defaults | fields))


def clock(into: Case, name: str, subject: str | None = None) -> Clock:
    """The latest clock of the name, of the person if one is named."""
    wanted = person_id(subject) if subject else None
    return [c for c in into.state.clocks.values() if c.name == name and wanted in (None, c.subject)][-1]


def names_running(into: Case) -> set[str]:
    return {c.name for c in into.state.clocks.values() if c.is_running}


def extend(into: Case, name: str, extension: str, **fields: object) -> Case:
    defaults = {
        "deadline_id": clock(into, name).deadline_id,
        "extension": extension,
        "article": "CPL 91",
        "ground": "approved",
    }
    return into.say(case.DeadlineExtended, None, **(defaults | fields))


def flag_names(into: Case) -> list[str]:
    return [flag.name for flag in into.flags]


def suspend(into: Case, at: int, **fields: object) -> Case:
    defaults = {
        "deadline_id": clock(into, "arrest_request").deadline_id,
        "suspended_at": instant(at),
        "excluded_for": "psychiatric_assessment",
        "article": "CPL 149",
        "ground": "assessment ordered",
    }
    return into.say(case.DeadlineSuspended, None, **(defaults | fields))


def resume(into: Case, at: int) -> Case:
    deadline_id = clock(into, "arrest_request").deadline_id
    return into.say(case.DeadlineResumed, None, deadline_id=deadline_id, resumed_at=instant(at))


def reset(into: Case, at: int) -> Case:
    deadline_id = clock(into, "arrest_request").deadline_id
    fields = {"article": "CPL 160", "ground": "identity learnt", "reset_at": instant(at)}
    return into.say(case.DeadlineReset, None, deadline_id=deadline_id, **fields)

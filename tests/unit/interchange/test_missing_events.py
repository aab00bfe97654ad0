"""What a case lacks of a row: the events that are missing, and corrections of those that say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.core.events.record import ImportRecorded
from ledger.interchange.imports.case_events import CaseEvent, missing_events, recorded_fields
from ledger.interchange.imports.plan import Plan
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.unit.interchange.planning import FULL, MAPPING, plan_of


class Recording:
    """A case as the ledger has it, made of the missing_events that plans came to."""

    def __init__(self) -> None:
        self.seen: list[CaseEvent] = []
        self._case = Case("case")

    def add(self, plan: Plan) -> list[Any]:
        """Record what the case lacks of the plan; return the bodies, without the record of the import."""
        origin = ImportRecorded(
            source_system="cases", source_key=plan.source_key, file_digest="sha256:" + "00" * 32, row=2
        )
        missing = list(missing_events(plan, recorded_fields(self.seen, POLICE), origin))
        for step in missing:
            self._case.act(step.body, clerk(POLICE))
            event = self._case.last
            self.seen.append(CaseEvent(event.event, dict(step.sections)))
        return [step.body for step in missing[:-1]]


@pytest.fixture
def recording() -> Recording:
    """Return a case with nothing in it."""
    return Recording()


def test_an_unchanged_row_lacks_nothing(tmp_path: Path, recording: Recording) -> None:
    """Only the record of the import itself would be written."""
    plan = plan_of(tmp_path, FULL)
    assert len(recording.add(plan)) == 3
    assert recording.add(plan) == []


def test_each_changed_field_is_named_once(tmp_path: Path, recording: Recording) -> None:
    """Recorded and correct value, at the path in the event that said it; what is as it was first is corrected back."""
    recording.add(plan_of(tmp_path, FULL))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace(",2,部", ",3,部").replace("a phone", "two phones")))
    assert [(each.field, each.recorded, each.correct) for each in corrected.corrections] == [
        ("description", "a phone", "two phones"),
        ("quantity.value", "2", "3"),
    ]
    (back,) = recording.add(plan_of(tmp_path, FULL))
    assert [(each.recorded, each.correct) for each in back.corrections] == [("two phones", "a phone"), ("3", "2")]
    assert recording.add(plan_of(tmp_path, FULL)) == []


def test_another_measure_is_another_event(tmp_path: Path, recording: Recording) -> None:
    """Where the mapping keys measures by their kind, an arrest after a detention corrects nothing."""
    recording.add(plan_of(tmp_path, FULL))
    (imposed,) = recording.add(plan_of(tmp_path, FULL.replace("拘留", "逮捕")))
    assert imposed.measure == "arrest"


ENDS = MAPPING.replace('key = ["measure"]', 'key = ["measure"]\nended_at = "summary"')


def test_a_measure_that_has_ended_since_is_lifted(tmp_path: Path, recording: Recording) -> None:
    """The case was taken over with the measure running; what a newer file says of its end is an event, and once."""
    row = FULL.replace("in a shop", "")
    recording.add(plan_of(tmp_path, row, mapping=ENDS))
    ended = row.replace("theft,,", "theft,2026-03-09,")
    (section, lifted) = recording.add(plan_of(tmp_path, ended, mapping=ENDS))
    assert (lifted.ended_at, section.corrections[0].field) == ("2026-03-08T16:00:00Z", "confidential.narrative")
    assert recording.add(plan_of(tmp_path, ended, mapping=ENDS)) == []


def test_a_measure_that_had_ended_is_stated_as_ended(tmp_path: Path, recording: Recording) -> None:
    """Taken over with its end, which a newer file may correct."""
    row = FULL.replace("in a shop", "2026-03-09")
    first, *_ = recording.add(plan_of(tmp_path, row, mapping=ENDS))
    assert first.measures[0].ended_at == "2026-03-08T16:00:00Z"
    corrected = recording.add(plan_of(tmp_path, row.replace("03-09", "03-10"), mapping=ENDS))
    fields = [each.field for body in corrected for each in body.corrections]
    assert sorted(fields) == ["confidential.narrative", "measures[0].ended_at"]


def test_long_texts_are_compared_by_their_digest(tmp_path: Path, recording: Recording) -> None:
    """A correction holds lines of 200 characters: what is longer is shown in part and told apart in full."""
    long = "x" * 300
    recording.add(plan_of(tmp_path, FULL.replace("caught", long)))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace("caught", long + "y")))
    (each,) = corrected.corrections
    assert each.field == "measures[0].ground"
    assert each.recorded != each.correct
    assert max(len(each.recorded), len(each.correct)) <= 200
    assert recording.add(plan_of(tmp_path, FULL.replace("caught", long + "y"))) == []


def test_a_changed_section_is_corrected_without_being_told(tmp_path: Path, recording: Recording) -> None:
    """The payload says that it changed, the section of the correction how."""
    recording.add(plan_of(tmp_path, FULL))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace("Zhang", "Wang")))
    assert [each.field for each in corrected.corrections] == ["confidential.person:1"]
    assert "Wang" not in str(corrected)
    assert recording.seen[-2].sections == {"person:1": {"name": "Wang"}}
    assert recording.add(plan_of(tmp_path, FULL.replace("Zhang", "Wang"))) == []


def test_a_section_that_was_erased_or_is_not_shown_is_left_alone(tmp_path: Path, recording: Recording) -> None:
    """What was erased on authority does not come back with the next import."""
    recording.add(plan_of(tmp_path, FULL))
    changed = plan_of(tmp_path, FULL.replace("Zhang", "Wang"))
    for sections in ({"person:1": None, "narrative": None}, None):
        recording.seen = [CaseEvent(each.event, sections) for each in recording.seen]
        assert list(recording.add(changed)) == []


def test_what_other_agencies_recorded_is_not_corrected(tmp_path: Path, recording: Recording) -> None:
    """Only the agency's own events count as the import's."""
    recording.add(plan_of(tmp_path, FULL))
    assert recorded_fields(recording.seen, "court-east") == {}

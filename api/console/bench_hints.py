"""Examples of what to type into the fields of the workbench that offer no choices."""

from __future__ import annotations

import re

from api.texts import Texts, later

_INDEX = re.compile(r"\[\d+\]")
# By the place in the file, the kind of a template's field, or the last word of a parameter's place.
EXAMPLES = {
    "need.problem": later("Things that were seized do not come with the case, and nobody notices before the trial."),
    "need.requested_by": later("Criminal Prosecution Department"),
    "need.expected_outcome": later("What is missing is found before the indictment; the agency mends its list."),
    "title": later("Seized item not handed over"),
    "explanation": later("Items seized before the handover that its list has not. Not those disposed of before."),
    "legal_basis": later("Criminal Procedure Law, article 245: seized property goes along with the case"),
    "checks.what": later("Compare the seizure list with the list of the handover"),
    "checks.by": later("the prosecutor in charge"),
    "lead.says": later("Case {case_id} came without what was seized in it."),
    "meaning": later("days within which it may still come"),
    "condition.cel": "row.status == 'refused' && row.purpose == 'prosecution_review'",
    "condition.sql": "SELECT case_id, from_agency, evidence FROM handovers WHERE status = 'refused'",
    "where": later("status · is · accepted, refused. Numbers as 7, days as 2026-03-01, yes and no as true and false"),
    "dataset": later("pensions, or a parameter as $dataset"),
    "header": later("person_id, as the head of the data set's table has it"),
    "name": later("it comes one day late: no lead yet"),
    "as_of": "2026-03-02T08:00:00Z",
}


def example_of(say: Texts, place: str) -> str:
    """Return the example for a path of a model's file or a kind of template field, or an empty text."""
    name = place.rpartition(".")[2] if place.startswith("parameters.") else _INDEX.sub("", place)
    example = EXAMPLES.get(name)
    return say(later("For example: {example}"), example=say(example)) if example else ""

"""Models belong to procedures: they speak their words, are offered where these are in force, and run nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.procedures import books_that_ship, shipped_rulebook
from ledger.supervision.library.publishing import ModelDefinitions
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.editing import draft
from ledger.supervision.models.model_file import parse_model, run_examples, shipped_for, shipped_models
from ledger.supervision.models.procedure_words import UNCHECKED, united, vocabulary_of, words_of, words_that_ship
from ledger.supervision.runs.export_runs import Export
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.supervision.views.snapshot import Views
from tests.testkit.builders import POLICE, PROCURATORATE, refused
from tests.testkit.casework import Case
from tests.testkit.supervision import published
from tests.unit.supervision.modelling import AS_OF, SOUND, changed, with_sql
from tests.unit.supervision.test_snapshot import log_of, made

EVIDENCE, CRIMINAL = books_that_ship()["evidence"], shipped_rulebook()
PENSIONS = shipped_models()["pension-in-execution"]
NAMED = changed(("business_line: criminal\n", "business_line: criminal\nprocedures: [cn-criminal]\n"))
OF_ANY_LINE = changed(("business_line: criminal\n", ""))


def faults(text: str, *books: object) -> list[str]:
    """Return what is wrong with the text where these procedures are known."""
    try:
        parse_model(text, words_of(books))  # type: ignore[arg-type]
    except ModelRefused as error:
        return [fault.message for fault in error.faults]
    return []


def test_a_word_that_the_procedure_lacks_is_named() -> None:
    """As the line, in a form's field and in a filter; without a word of it, or under one that has it, nothing is."""
    assert faults(PENSIONS, CRIMINAL) == []
    line, role, stage = faults(PENSIONS.replace("[cn-criminal]", "[evidence]"), EVIDENCE)
    assert "'administrative'" in line
    assert "'suspect'" in role
    assert "'execution'" in stage
    assert faults(PENSIONS.replace("[cn-criminal]", "[evidence, cn-criminal]"), EVIDENCE, CRIMINAL) == []
    (misspelled,) = faults(changed(("business_line: criminal\n", "business_line: crminal\n")), CRIMINAL)
    assert "'crminal'" in misspelled
    assert faults(OF_ANY_LINE, EVIDENCE) == []
    assert parse_model(PENSIONS.replace("[cn-criminal]", "[evidence]"), UNCHECKED).procedures == ("evidence",)


@pytest.mark.parametrize(
    ("comparison", "place"),
    [
        ("d.kind = 'judgement'", "decisions.kind"),
        ("'judgement' <> d.kind", "decisions.kind"),
        ("NOT d.kind IN ('judgment', 'judgement')", "decisions.kind"),
        ("d.kind NOT IN ('judgement')", "decisions.kind"),
        ("EXISTS (FROM items WHERE kind = 'judgment')", "items.kind"),
        ("EXISTS (FROM items WHERE d.kind = 'judgement')", "decisions.kind"),
        ("purpose = 'judgment'", "handovers.purpose"),
    ],
)
def test_a_word_in_sql_is_compared_with_those_of_its_column(comparison: str, place: str) -> None:
    """Of the view whose column it is, whatever it is called; the refusal names word, column and what is near."""
    text = with_sql(
        "SELECT h.case_id, h.handover_id, h.to_agency, h.evidence "
        f"FROM handovers h JOIN decisions d ON d.case_id = h.case_id WHERE {comparison}"
    )
    (fault,) = faults(text, CRIMINAL)
    assert fault.startswith(f"{place}: ")
    assert "'judgement'" in fault or "'judgment'" in fault
    assert "judgement" not in comparison or "judgment" in fault
    assert parse_model(text, UNCHECKED).procedures == ()


@pytest.mark.parametrize(
    "comparison",
    [
        "d.kind = 'judgment' AND h.purpose IN ('prosecution_review') AND h.status = 'anything'",
        "e.kind = 'own'",  # the part of the query says what that is
        "e.case_id = 'own' AND h.case_id = d.case_id AND d.kind = $word",
        "kind = 'own'",  # of the part or of the view: it is not decided here
        "d.kind LIKE 'judge%'",
    ],
)
def test_what_may_be_a_word_is_no_fault_of_sql(comparison: str) -> None:
    """A word that there is, one of a part of the query, a parameter, a pattern."""
    text = with_sql(
        "WITH own AS (SELECT case_id, 'own' AS kind FROM cases) "
        "SELECT h.case_id, h.handover_id, h.to_agency, h.evidence "
        f"FROM handovers h JOIN decisions d ON d.case_id = h.case_id JOIN own e ON true WHERE {comparison}"
    )
    text = text.replace("parameters:\n", "parameters:\n  word: {type: text, default: x, meaning: {zh: x, en: x}}\n", 1)
    if comparison == "kind = 'own'":
        text = text.replace("decisions d", "cases d")
    assert faults(text, CRIMINAL) == []


@pytest.mark.parametrize(
    ("comparison", "wrong"),
    [
        ('row.purpose == "prosecution_reviw"', "prosecution_reviw"),
        ('"prosecution_reviw" != row.purpose', "prosecution_reviw"),
        ("row.days > 3 || row . purpose in ['prosecution_review', \"prosecution_reviw\"]", "prosecution_reviw"),
        ('row.purpose == "prosecution_review" && row.status == "anything"', None),
        ("row.handover_id == \"row.purpose == 'x'\"", None),
    ],
)
def test_a_word_in_cel_is_compared_with_those_of_its_column(comparison: str, wrong: str | None) -> None:
    """Where the column stands beside it, on either side or before a list; what is text is no comparison."""
    condition = SOUND[SOUND.index("  cel: ") : SOUND.index("lead:")]
    text = SOUND.replace(condition, f"  cel: >-\n    {comparison.replace('row.days > 3', 'row.items > 3')}\n")
    text = text.replace('{zh: "{handover_id} 超过 {days} 日"', '{zh: "{handover_id}"')
    expected = [] if wrong is None else [f"handovers.purpose: there is no purpose '{wrong}'"]
    assert [fault.partition(":")[0] for fault in faults(text, CRIMINAL)] == [
        line.partition(":")[0] for line in expected
    ]
    assert all(repr(wrong) in fault and "prosecution_review" in fault for fault in faults(text, CRIMINAL))


def test_a_procedure_that_is_not_known_here_has_any_word() -> None:
    """It may be in force elsewhere; of those that ship the words are known without the ledger."""
    text = PENSIONS.replace("[cn-criminal]", "[water-lab]")
    assert parse_model(text).procedures == ("water-lab",)
    with pytest.raises(ModelRefused):
        parse_model(PENSIONS.replace("[cn-criminal]", "[evidence]"))
    assert united(("water-lab",), words_of((EVIDENCE,))) is None
    assert {*words_that_ship(("evidence", "water-lab"))} == {"evidence"}
    assert words_that_ship(("evidence",))["evidence"].words.keys() == words_of((EVIDENCE,))["evidence"].words.keys()


def test_examples_count_days_in_the_zone_of_their_procedure() -> None:
    """Of the first one named that is known, in whatever ledger; UTC where none is, and where a model names none."""
    legal_day = with_sql(
        "SELECT case_id, handover_id, to_agency, evidence FROM handovers WHERE legal_day(offered_at) = '2026-03-01'"
    )
    # Eleven in the evening of the last of February in UTC is the first of March in Beijing.
    lines = ("business_line: criminal\n", "procedures: PROCEDURES\n")
    row = "handovers: [{case_id: c, handover_id: h, to_agency: a, offered_at: 2026-02-28T23:00:00Z}]"
    text = legal_day.replace(*lines).replace("rows: {}, raises: []", f"rows: {{{row}}}, raises: []")

    def found(procedures: str, *books: Rulebook) -> int:
        words = words_of(books) if books else None
        return len(run_examples(parse_model(text.replace("PROCEDURES", procedures), words), words)[-1].found)

    assert [found(named) for named in ("[cn-criminal]", "[evidence]", "[]", "[water-lab]")] == [1, 0, 0, 0]
    assert found("[evidence, cn-criminal]", EVIDENCE, CRIMINAL) == 0
    moved = msgspec.structs.replace(EVIDENCE, zone=CRIMINAL.zone)
    assert found("[evidence]", moved) == 1


def test_a_model_without_procedures_has_the_words_of_all() -> None:
    """It runs over all cases, so any of their words will do."""
    text = PENSIONS.replace("procedures: [cn-criminal]\n", "")
    assert faults(text, EVIDENCE, CRIMINAL) == []
    assert len(faults(text, EVIDENCE)) == 3
    assert [vocabulary_of(*place) for place in (("items", "kind"), ("persons", "role"), ("cases", "case_id"))] == [
        "item_kind",
        "person_role",
        None,
    ]


def test_publishing_asks_for_the_procedures_in_force() -> None:
    """One that is not in force is refused, and so is a word that it lacks, whatever ships with this version."""
    judge, body = ModelDefinitions(), published(definition=PENSIONS, model_id="pension-in-execution")
    judge.require_publishable(body, PROCURATORATE, (CRIMINAL,))
    with refused("unknown_procedure", field="payload.body.definition"):
        judge.require_publishable(body, PROCURATORATE, (EVIDENCE,))
    text = PENSIONS.replace("[cn-criminal]", "[evidence]")
    with refused("model_refused", field="payload.body.definition"):
        judge.require_publishable(
            published(definition=text, model_id="pension-in-execution"), PROCURATORATE, (EVIDENCE,)
        )


def test_what_ships_is_offered_where_its_procedure_is_in_force() -> None:
    """A ledger of evidence alone is offered those without words of law; a draft names what is in force there."""
    assert shipped_for(["cn-criminal", "evidence"]).keys() == shipped_models().keys()
    elsewhere = shipped_for(["evidence"])
    assert "same-seal" in elsewhere
    assert elsewhere.keys().isdisjoint(("pension-in-execution", "third-return", "freeze-lapsed"))
    of_evidence = draft("mine", "count_over", ["evidence"])
    assert ("procedures: [evidence]" in of_evidence, "business_line" in of_evidence) == (True, False)
    assert "procedures: [cn-criminal]" in draft("mine", "count_over", ["evidence", "cn-criminal"])
    assert "procedures: [cn-criminal]" in draft("mine", "count_over")


@pytest.fixture(scope="module")
def export() -> Iterator[Export]:
    """Two cases with an offer that nobody has answered, one of criminal procedure and one of evidence."""
    start = int((AS_OF - timedelta(days=20)).timestamp())
    criminal = Case("criminal-1", start=start).open().register("c-1", kind="exhibit")
    criminal.offer("c-1", to=PROCURATORATE)
    evidence = Case("evidence-1", book=EVIDENCE, start=start)
    evidence.open(procedure="evidence", business_line="evidence", stage="open").register("e-1", kind="exhibit")
    evidence.offer("e-1", to=PROCURATORATE, purpose="transfer")
    events = [*criminal.events, *evidence.events]
    views: Views = made(log_of(events, procedures=Procedures.of(CRIMINAL, EVIDENCE)))
    views.refresh()
    with views.export() as folder:
        yield folder


@pytest.mark.parametrize(
    ("procedures", "cases"),
    [
        ("[cn-criminal]", ["criminal-1"]),
        ("[evidence]", ["evidence-1"]),
        ("[cn-criminal, evidence]", ["criminal-1", "evidence-1"]),
        ("[water-lab]", []),
        ("[]", ["criminal-1", "evidence-1"]),
    ],
)
def test_a_run_finds_nothing_in_cases_of_other_procedures(export: Export, procedures: str, cases: list[str]) -> None:
    """The rows of their cases are left out; a model that names none asks them all."""
    model = parse_model(NAMED.replace("[cn-criminal]", procedures), UNCHECKED)
    findings = ModelRunner().run(export, model, {}, AS_OF).findings
    assert [finding.case_id for finding in findings] == cases
    assert {finding.supervised for finding in findings} <= {POLICE, PROCURATORATE}

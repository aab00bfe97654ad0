"""Rederive: who holds the events that a lead cites finds it again; whatever was changed is named with its step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.events.case import CaseNumbered
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.events.supervision import CitedDataset, LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.supervision import LeadState
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, decode_bundle
from ledger.core.verification.report import NotChecked
from ledger.i18n import translate
from ledger.procedures import shipped_procedures
from ledger.proofs.bundles import Prover
from ledger.store import log
from ledger.supervision import lead_verification
from ledger.supervision.lead_verification import (
    LeadMaterial,
    LeadReport,
    decode_lead_file,
    encode_lead_file,
    verify_lead,
)
from ledger.supervision.runs import supervisor
from ledger.supervision.runs.model_runner import ModelRunner
from ledger.workers.pool import WorkerPool, WorkLimits
from tests.testkit.builders import (
    COURT,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    UPPER,
    admitted_agency,
    analyst,
    instant,
    location,
)
from tests.testkit.bundles import naming, trust
from tests.testkit.casework import Case, person_id
from tests.testkit.journals import PaperChain, anchor_present, prover_of
from tests.testkit.ledgers import LOG_SIGNER
from tests.unit.supervision.modelling import with_condition
from tests.unit.supervision.supervised_ledger import (
    NOW,
    PENSIONS,
    THIRD_RETURN,
    Watched,
    pensioner,
    registered,
    sent_back,
    third_return_by,
    watched_ledger,
)

TRUST: Trust = trust(log_key=LOG_SIGNER.verifying_key)


def anchor(watched: Watched) -> None:
    """Anchor what is in the log now, as the anchorer leaves it."""
    anchor_present(watched.ledger, timestamp=NOW + 60, block_time=NOW + 60)


def prover(watched: Watched) -> Prover:
    return prover_of(watched.ledger, PaperChain(watched.ledger), lambda: TRUST)


def held_of(watched: Watched) -> LeadMaterial:
    """Fetch what somebody holds of the one lead."""
    (lead,) = watched.leads()
    return material_of(watched, lead, "case-1")


def material_of(watched: Watched, lead: LeadState, case_id: str) -> LeadMaterial:
    """Fetch the lead's bundle and that of its case, and the model."""
    with watched.ledger.database.read() as connection:
        entry = log.stream(connection, "supervision", lead.lead_id)[0]
        size = log.tree(connection).size
        entries = [entry.envelope for entry in log.entries(connection, 0, size)]
    return LeadMaterial(
        lead=prover(watched).bundle(entry.event_id),
        definition=THIRD_RETURN,
        cases={case_id: prover(watched).case_bundle(case_id)},
        entries=lambda size: entries[:size],
    )


def raised(
    folder: Path, *cases: Case, text: str = THIRD_RETURN, change: Callable[[LeadRaised], LeadRaised] | None = None
) -> LeadMaterial:
    """Hold the one lead that the model raises in a ledger of these cases, signed by the service as ``change`` likes."""
    with watched_ledger(folder) as watched:
        watched.post(*cases)
        watched.publish(text)
        if change is not None:
            sign_as_it_likes(watched, change)
        assert watched.supervisor.step() == 1, watched.supervisor.state
        anchor(watched)
        return replace(held_of(watched), definition=text)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeadMaterial]:
    """Hold a lead about a third return, anchored; its case went on since."""
    with watched_ledger(tmp_path_factory.mktemp("rederive")) as watched:
        case = sent_back("case-1", 3)
        watched.post(case)
        watched.publish()
        assert watched.supervisor.step() == 1
        case.register("found-later")
        watched.ledger.post(case.last)
        anchor(watched)
        yield held_of(watched)


def checked(held: LeadMaterial) -> LeadReport:
    return verify_lead(held, trusting(held), shipped_procedures())


def trusting(held: LeadMaterial) -> Trust:
    """Return the trust file that names the blocks of what is held, as far as that can be read."""
    bundles: list[Bundle] = []
    for data in (held.lead, *held.registrations, *held.cases.values()):
        with suppress(MalformedInput):
            bundles.append(decode_bundle(data))
    return naming(*bundles, log_key=LOG_SIGNER.verifying_key)


def results(report: LeadReport) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


def test_a_lead_is_found_again_in_the_events_that_it_cites(held: LeadMaterial) -> None:
    """By its model, parameters, tree size and moment: the same finding, in the same words, whatever came after it."""
    report = checked(held)
    assert report.verdict == "intact", report.steps
    assert set(results(report).values()) == {"checked"}
    assert report.completeness.result == "not_checked"
    assert re.search(r"dismissed.* from entry \d+ on", report.completeness.detail)
    assert not [step.name for step in report.steps if translate(step.detail, "zh-CN").isascii()]
    assert report.development


def entry_of(bundle: Any) -> Any:
    """The entry that a bundle is about."""
    return next(entry for entry in bundle["entries"] if entry["index"] == bundle["event"])


def other_words(held: LeadMaterial) -> LeadMaterial:
    lead = json.loads(held.lead)
    entry_of(lead)["payload"]["body"]["says"]["en"] = "Nothing to see here."
    return replace(held, lead=canonical.encode(lead))


def another_event(held: LeadMaterial) -> LeadMaterial:
    bundle = json.loads(held.cases["case-1"])
    del bundle["stream"]
    bundle["event"] = next(e["index"] for e in bundle["entries"] if e["envelope"]["stream"]["id"] == "case-1")
    return replace(held, lead=canonical.encode(bundle))


FAULTS: dict[str, tuple[Callable[[LeadMaterial], LeadMaterial], str]] = {
    "the lead says something else": (other_words, "lead"),
    "the lead is another event": (another_event, "lead"),
    "another model": (lambda held: replace(held, definition=THIRD_RETURN.replace("default: 2", "default: 1")), "model"),
    "no case": (lambda held: replace(held, cases={}), "cited"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_changed_is_named(held: LeadMaterial, name: str) -> None:
    """The step that fails, and the verdict."""
    change, step = FAULTS[name]
    report = checked(change(held))
    assert (report.verdict, report.faults[0].name) == ("tampered", step), report.steps


def cut(data: bytes, last: int) -> bytes:
    bundle = json.loads(data)
    for entry in of_case(bundle)[last:]:
        bundle["entries"].remove(entry)
    return canonical.encode(bundle)


def of_case(bundle: Any) -> list[Any]:
    return [entry for entry in bundle["entries"] if entry["envelope"]["stream"]["id"] == "case-1"]


def test_a_lead_that_the_events_do_not_bear_is_refused(held: LeadMaterial) -> None:
    """With the events up to the second return alone there is no third one to cite, nor to find."""
    report = checked(replace(held, cases={"case-1": cut(held.cases["case-1"], 10)}))
    assert report.verdict == "tampered"
    assert [step.name for step in report.faults] == ["cited", "end", "finding"]


def test_a_case_that_goes_on_shows_by_itself_that_nothing_is_left_out(held: LeadMaterial) -> None:
    """An event left out between breaks the order. The lead file below has no entries of the log, and is intact."""
    bundle = json.loads(held.cases["case-1"])
    bundle["entries"].remove(of_case(bundle)[1])
    report = checked(replace(held, entries=None, cases={"case-1": canonical.encode(bundle)}))
    assert next(step.name for step in report.faults) == "cases"


def test_a_payload_that_is_withheld_is_no_fault(held: LeadMaterial) -> None:
    """What rests on it cannot be checked, and nothing is called tampered."""
    bundle = json.loads(held.cases["case-1"])
    del of_case(bundle)[0]["payload"]
    report = checked(replace(held, cases={"case-1": canonical.encode(bundle)}))
    assert (report.verdict, results(report)["finding"]) == ("unverifiable", "not_checked")


def test_a_lead_file_holds_what_finds_the_lead_again(held: LeadMaterial) -> None:
    """Written and read again, it gives the same report with nothing else than a trust file."""
    data = encode_lead_file(replace(held, hidden=frozenset({"some-event"})))
    alone = decode_lead_file(data)
    assert (alone.bundles, alone.definition, alone.hidden) == (held.bundles, held.definition, {"some-event"})
    assert (alone.files, alone.entries) == ((), None)
    report = checked(alone)
    assert (report, report.verdict) == (checked(replace(held, entries=None)), "intact")


@pytest.mark.parametrize(
    ("file", "field"),
    [
        (b"[]", ""),
        (b'{"cases":{},"definition":"","format":"tallystick/bundle@v1","lead":{}}', "lead file.format"),
        (b'{"cases":{},"definition":"","format":"tallystick/lead@v1"}', "lead file.lead"),
        (b'{"cases":{},"definition":"","format":"tallystick/lead@v1","lead":{},"lead":{}}', ""),
    ],
    ids=["no object", "another format", "no lead", "a key that stands twice"],
)
def test_what_is_no_lead_file_is_refused(file: bytes, field: str) -> None:
    """With the field that is at fault; two readers never take one file for two leads."""
    with pytest.raises(MalformedInput) as refused:
        checked(decode_lead_file(file))
    assert (refused.value.field or "").startswith(field)


@pytest.mark.parametrize("agency", [POLICE, PROCURATORATE, COURT])
def test_an_admission_that_is_left_out_is_no_fault(held: LeadMaterial, agency: str) -> None:
    """What agencies are counts as far as the bundles prove their admissions: without one the lead is not called false,
    and not proven."""

    def without(data: bytes) -> bytes:
        bundle = json.loads(data)
        bundle["entries"] = [
            entry
            for entry in bundle["entries"]
            if (entry["envelope"]["event_type"], entry.get("payload", {}).get("body", {}).get("agency"))
            != ("registry.agency_admitted", agency)
        ]
        return canonical.encode(bundle)

    cases = {case_id: without(data) for case_id, data in held.cases.items()}
    report = checked(replace(held, lead=without(held.lead), cases=cases))
    assert not report.faults, report.steps
    assert (report.verdict == "unverifiable") == (agency != COURT), report.steps


@pytest.mark.parametrize(
    ("agency", "result"),
    [(UPPER, None), (PROCURATORATE, None), (COURT, NotChecked), (NEIGHBOUR, ProofRefused), (POLICE, NotChecked)],
)
def test_a_lead_goes_to_an_agency_that_supervises_the_other(
    held: LeadMaterial, agency: str, result: type | None
) -> None:
    """By the jurisdictions of their admissions and the traits that procedures give their kinds. The log takes no other
    lead, so that this asks the step itself."""
    lead = entry_of(json.loads(held.lead))["payload"]["body"]
    admissions = {}
    for number, named in enumerate((POLICE, agency), 1):
        agent, place = (
            admitted_agency(named),
            {"number": number, "registry_hash": "0x" + "00" * 32, "location": location(number)},
        )
        admissions[named] = AgencyAdmitted(
            agency=named, kind=agent.kind, admin=agent.admin, profile=agent.profile, **place
        )
    run = lead_verification._Run(held, TRUST, shipped_procedures(), (), ModelRunner(), admissions=admissions)
    raised = replace(convert(lead, LeadRaised), supervising=agency)
    if result is ProofRefused:
        with pytest.raises(ProofRefused, match="jurisdiction"):
            lead_verification._supervision(run, raised)
    else:
        assert isinstance(lead_verification._supervision(run, raised), result or type(None))


def test_a_lead_of_another_ledger_is_not_called_tampered(held: LeadMaterial) -> None:
    """It has the verdict of a bundle of another ledger: who checks it took the wrong trust file."""
    foreign_trust = replace(trusting(held), log_id_text="0x" + "ab" * 32)
    report = verify_lead(held, foreign_trust, shipped_procedures())
    assert (report.verdict, report.faults[0].name) == ("other_ledger", "lead")


ALL_RETURNS = "SELECT * FROM handovers WHERE return_number > $returns"


@pytest.mark.parametrize(
    ("scope", "sql", "verdict", "step", "result"),
    [
        ("case", ALL_RETURNS, "intact", "words", "checked"),
        ("all", ALL_RETURNS, "unverifiable", "words", "checked"),
        ("case", f"{ALL_RETURNS} AND (SELECT count(*) FROM cases) > 1", "unverifiable", "finding", "not_checked"),
        (
            "case",
            f"{ALL_RETURNS} AND NOT EXISTS (SELECT 1 FROM agencies WHERE agency = 'left out')",
            "unverifiable",
            "finding",
            "not_checked",
        ),
    ],
    ids=["one case", "all cases", "more than it says", "agencies"],
)
def test_a_query_over_all_cases_is_not_checked_by_some(
    tmp_path: Path, scope: str, sql: str, verdict: str, step: str, result: str
) -> None:
    """It may compare them with others that are not here, also if it says that it looks at one: that is no fault."""
    text = third_return_by(sql, scope=scope)
    report = checked(raised(tmp_path, sent_back("case-1", 3), sent_back("case-2", 1), text=text))
    assert report.verdict == verdict, report.steps
    assert results(report)[step] == result


def test_a_model_that_takes_too_much_says_nothing_of_the_lead(held: LeadMaterial) -> None:
    """A lead is found again in a worker process, within what a request may take; what comes to its end there was not
    checked, and is no fault of the lead."""
    workers = WorkerPool(1, modules=("duckdb", "pyarrow.ipc", "ledger.supervision.runs.export_runs:make_ready"))
    reports = [
        verify_lead(held, trusting(held), shipped_procedures(), runner=ModelRunner(workers, limits))
        for limits in (None, WorkLimits(memory_mb=8))
    ]
    workers.close()
    assert (set(results(reports[0]).values()), reports[0].verdict) == ({"checked"}, "intact")
    assert {"failed", "tampered"} & set(results(reports[1]).values()) == set()
    assert "not_checked" in results(reports[1]).values()


def test_of_much_evidence_the_first_events_are_cited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the log, as many as a lead holds; how many there are is told, and another choice is found out."""
    for module in (supervisor, lead_verification):
        monkeypatch.setattr(module, "MAX_CITED", 1)
    case = sent_back("case-1", 3)
    held = raised(tmp_path, case)
    lead = entry_of(json.loads(held.lead))["payload"]["body"]
    assert [ref["payload_digest"] for ref in lead["events"]] == [case.events[-2].digest]
    assert lead["cited_count"] == 2
    assert checked(held).verdict == "intact"
    last = EventRef(event_id=case.last.envelope.event_id, payload_digest=case.last.digest)
    (tmp_path / "other").mkdir()
    of_last = raised(tmp_path / "other", case, change=lambda lead: replace(lead, events=(last,)))
    assert [step.name for step in checked(of_last).faults] == ["words"]


def test_a_payload_that_stands_in_the_log_twice_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that takes a payload again, as an event of another case, could cite the one for the other."""
    twin = {"salt": "5a" * 16, "occurred_at": instant(NOW - 1800)}
    case, second_case = sent_back("case-1", 3), Case("case-2", start=NOW - 3600, step=1).open(case_number="2")
    for each in (case, second_case):
        each.act(CaseNumbered(case_number="7"), **twin)
    with watched_ledger(tmp_path) as watched:
        with monkeypatch.context() as cheating:
            cheating.setattr(log, "references", lambda *_: [])
            watched.post(case, second_case)
        watched.publish()
        assert watched.supervisor.step() == 1
        anchor(watched)
        held = held_of(watched)
        both = replace(held, cases={**held.cases, "case-2": prover(watched).case_bundle("case-2")})
    assert checked(held).verdict == "intact"
    fault = checked(both).faults[0]
    assert (fault.name, fault.detail.endswith(f"has the payload of {case.last.envelope.event_id}")) == ("cases", True)


def test_a_case_that_is_cut_is_found_out(tmp_path: Path) -> None:
    """What came later and below the tree size is kept back: the entries of the log tell; without them nobody knows."""
    case = sent_back("case-1", 3)
    third = len(case.events)
    held = raised(tmp_path, case.register("found-later"))
    assert checked(held).verdict == "intact"
    report = checked(replace(held, cases={"case-1": cut(held.cases["case-1"], third)}))
    assert [step.name for step in report.faults] == ["end"]
    assert "leaves out" in report.faults[0].detail
    for entries in (None, lambda size: held.entries(size - 1)):  # type: ignore[misc]  # held has them
        short = checked(replace(held, entries=entries, cases={"case-1": cut(held.cases["case-1"], third)}))
        assert (short.verdict, results(short)["end"]) == ("unverifiable", "not_checked")
    unreadable = checked(replace(held, entries=lambda size: [b"{}"] * size))
    assert [step.name for step in unreadable.faults] == ["end"]


# By the case of the lead: what the service says in it instead, the step that finds it out, and the verdict.
FALSE: dict[str, tuple[dict[str, Any], str, str]] = {
    "severity": ({"severity": "low"}, "words", "tampered"),
    "events": ({"events": (), "cases": ()}, "words", "tampered"),
    "cases": ({"cases": ("another", "cases")}, "cited", "tampered"),
    "version": ({"model_version": 2}, "model", "tampered"),
    "parameters": ({"parameters": {"returns": "02"}}, "model", "tampered"),
    "left-out": ({"parameters": {}}, "model", "tampered"),
    "size": ({"tree_size": 2**40}, "lead", "tampered"),
    "datasets": (
        {"datasets": (CitedDataset(dataset_id="pensions", digest="sha256:" + "11" * 32),)},
        "finding",
        "unverifiable",
    ),
    "above": ({"supervising": UPPER}, "", "intact"),  # that another is nearer, what is left out could hide
    "honest": ({}, "", "intact"),
}


def test_what_the_lead_says_must_be_what_the_finding_says(tmp_path: Path) -> None:
    """A service that signs a lead with something of its own is found out, though every signature holds."""
    with watched_ledger(tmp_path) as watched:
        watched.post(*(sent_back(case_id, 3) for case_id in FALSE))
        watched.publish()
        sign_as_it_likes(watched, lambda lead: replace(lead, **FALSE[lead.case_id or ""][0]))
        assert watched.supervisor.step() == len(FALSE), watched.supervisor.state
        anchor(watched)
        leads = {lead.raised.case_id or "": lead for lead in watched.leads()}
        held = {case_id: material_of(watched, leads[case_id], case_id) for case_id in FALSE}
    for case_id, (_, step, verdict) in FALSE.items():
        report = checked(held[case_id])
        assert report.verdict == verdict, (case_id, report.steps)
        if step:
            assert next(result.name for result in report.steps if result.verdict == verdict) == step, case_id


def sign_as_it_likes(watched: Watched, change: Callable[[LeadRaised], LeadRaised]) -> None:
    record = watched.supervisor.record
    append = record.append
    record.append = lambda lead: append(change(lead))  # type: ignore[method-assign]


def test_before_it_is_anchored_that_is_said(tmp_path: Path) -> None:
    """Nothing is wrong, and the chain does not have it yet."""
    with watched_ledger(tmp_path) as watched:
        watched.post(sent_back("case-1", 3))
        watched.publish()
        watched.supervisor.step()
        assert checked(held_of(watched)).verdict == "not_yet_anchored"


def raised_on(watched: Watched, case: Case, data: bytes) -> LeadMaterial:
    """Hold the lead on somebody in this pension list, which the procuratorate has registered."""
    register = registered(watched, data, analyst(PROCURATORATE))
    watched.post(case, register)
    watched.publish(PENSIONS)
    assert watched.supervisor.step() == 1, watched.supervisor.state
    anchor(watched)
    registration = prover(watched).bundle(register.last.envelope.event_id)
    return replace(held_of(watched), definition=PENSIONS, registrations=[registration])


NOT_IN_A_CASE = with_condition(
    "condition:\n  template: list_rows\n"
    "  with: {dataset: $list, header: person, answers: agency, view: persons, column: person_id}\n",
    key=["person"],
    supervised="supervised",
    parameters="  list: {type: dataset, default: pensions, columns: {person: person_id, agency: agency},"
    " meaning: {zh: 名册, en: list}}\n",
)


def test_that_no_case_has_a_row_shows_only_in_all_cases(tmp_path: Path) -> None:
    """The lead cites the row; without the other cases the finding is made again, and is not proven."""
    data = f"person_id,agency\nsomebody,{POLICE}\n{person_id('li')},{POLICE}\n".encode()
    (tmp_path / "list.csv").write_bytes(data)
    with watched_ledger(tmp_path) as watched:
        register = registered(watched, data, analyst(PROCURATORATE), rows=2)
        watched.post(pensioner()[0], register)
        watched.publish(NOT_IN_A_CASE)
        assert watched.supervisor.step() == 1, watched.supervisor.state
        anchor(watched)
        (lead,) = watched.leads()
        registration = prover(watched).bundle(register.last.envelope.event_id)
        held = replace(held_of(watched), definition=NOT_IN_A_CASE, registrations=[registration], cases={})
    assert [len(cited.rows) for cited in lead.raised.datasets] == [1]
    report = checked(replace(held, files=[tmp_path / "list.csv"]))
    assert (report.verdict, results(report)["finding"]) == ("unverifiable", "not_checked")
    assert results(report)["words"] == "checked"


def without_rows(lead: LeadRaised) -> LeadRaised:
    return replace(lead, datasets=tuple(replace(cited, rows=()) for cited in lead.datasets))


def test_a_lead_on_outside_data_takes_its_file(tmp_path: Path) -> None:
    """With the registered file the finding is made again; without it that cannot be checked; another is no help."""
    case, data = pensioner()
    (tmp_path / "pensions.csv").write_bytes(data)
    (tmp_path / "other.csv").write_bytes(data + b"x,2026-01-01\n")
    with watched_ledger(tmp_path) as watched:
        held = raised_on(watched, case, data)
    with_file = replace(held, files=[tmp_path / "pensions.csv"])
    assert checked(with_file).verdict == "intact"
    workers = WorkerPool(1, modules=("duckdb", "pyarrow.ipc", "ledger.supervision.runs.export_runs:make_ready"))
    try:  # so does the service, which reads in a worker what others wrote
        again = verify_lead(with_file, trusting(held), shipped_procedures(), runner=ModelRunner(workers))
        assert again.verdict == "intact"
    finally:
        workers.close()
    for files in ([], [tmp_path / "other.csv"]):
        report = checked(replace(held, files=files))
        assert report.verdict == "unverifiable"
        assert results(report)["finding"] == "not_checked"
    (tmp_path / "other").mkdir()
    with watched_ledger(tmp_path / "other") as watched:
        sign_as_it_likes(watched, without_rows)
        false = checked(replace(raised_on(watched, case, data), files=[tmp_path / "pensions.csv"]))
    assert [step.name for step in false.faults] == ["words"]
    unregistered = checked(replace(held, registrations=[]))
    assert [step.name for step in unregistered.faults] == ["cited"]

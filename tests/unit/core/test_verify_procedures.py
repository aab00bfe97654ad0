"""Conformity of a case bundle, judged by the procedures that the bundle itself carries."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding.digests import blake3_text
from ledger.core.events.registry import AgencyAdmitted, KeyGranted, ProcedureAdopted
from ledger.core.procedure.adoption import Procedures, publication_of
from ledger.core.verification.bundle import Bundle, encode_bundle
from ledger.core.verification.case import CaseReport, verify_case
from tests.testkit.builders import COURT, POLICE, SERVICE, START
from tests.testkit.bundles import TWO_OF_THREE, WITNESSES, Log, founded, naming, trust
from tests.testkit.casework import Case
from tests.unit.core.test_adoption import FIRST, SECOND

CASE = Case().open().register("phone")


def published(log: Log, text: bytes) -> int:
    """Put a package into the log; return its index."""
    return log.add(log.system.write(publication_of(text), SERVICE))


def adopted(log: Log, text: bytes) -> int:
    """Put the adoption of a package into the log; return its index."""
    change = log.registry.add(ProcedureAdopted, digest=blake3_text(text))
    return log.add(log.system.write(change, SERVICE))


def bundle_of(log: Log, *indices: int) -> Bundle:
    """Return the case's bundle with these entries about procedures."""
    return log.case_bundle(anchored=False, others=indices)


def report_of(bundle: Bundle, procedures: Procedures | None = None, **options: Any) -> CaseReport:
    return verify_case(encode_bundle(bundle), naming(bundle), procedures or Procedures(), **options)


@pytest.fixture
def log() -> Log:
    """A log that has published and adopted a procedure, and a case after that."""
    log_of_both = founded(POLICE)
    published(log_of_both, FIRST)
    adopted(log_of_both, FIRST)
    log_of_both.add(*CASE.events)
    return log_of_both


def test_a_bundle_is_judged_by_what_it_carries(log: Log) -> None:
    """The reader has no procedure: text and adoption are proven like the events of the case."""
    first = len(log.events) - len(CASE.events) - 2
    report = report_of(bundle_of(log, first, first + 1))
    assert (report.conformity.result, report.state) == ("shown", CASE.state)
    assert report.procedures.current["cn-criminal"].digest == blake3_text(FIRST)


def test_conformity_names_the_version_that_judged() -> None:
    """Each with the entry that adopted it. Without the entries of the log a holder can leave a later adoption out: that
    none was in force is then said not to be shown."""
    log = founded(POLICE)
    indices = [place(log, text) for text in (FIRST, SECOND) for place in (published, adopted)]
    log.add(*CASE.events)
    hidden = "; that no later version was in force is not shown"
    by_both, by_first = (report_of(bundle_of(log, *some)).conformity for some in (indices, indices[:2]))
    assert by_both.detail == f"2 acts were possible by cn-criminal 2 (entry {indices[3]}), 0 flags{hidden}"
    assert by_first.detail == f"2 acts were possible by cn-criminal 1 (entry {indices[1]}), 0 flags{hidden}"
    note = log.note(witnesses=[(witness, START + 5000) for witness in WITNESSES])
    cosigned, by_quorum = replace(bundle_of(log, *indices), note=note), trust(TWO_OF_THREE)
    shown = verify_case(encode_bundle(cosigned), by_quorum, Procedures(), entries=log.entries()).conformity
    assert shown.detail == f"2 acts were possible by cn-criminal 2 (entry {indices[3]}), 0 flags"
    own = report_of(bundle_of(log), Procedures().adopt(blake3_text(FIRST), -1, FIRST)).conformity
    assert own.detail == f"2 acts were possible by cn-criminal 1 (given beside the bundle), 0 flags{hidden}"


def test_without_a_procedure_conformity_is_not_checked_and_integrity_is(log: Log) -> None:
    """Nothing passes that nobody could judge; the verdict on the bytes is the same."""
    whole, alone = bundle_of(log), bundle_of(log, len(log.events) - len(CASE.events) - 1)
    for bundle in (whole, alone):
        report = report_of(bundle)
        assert (report.conformity.result, report.state) == ("not_checked", None)
        assert "no version of the procedure cn-criminal" in str(report.conformity.detail)
        assert report.verdict == report_of(bundle, Procedures().adopt(blake3_text(FIRST), -1, FIRST)).verdict


def test_a_text_that_came_after_its_adoption_is_not_in_force() -> None:
    """As the log itself judges."""
    late = founded(POLICE)
    adopted(late, FIRST)
    published(late, FIRST)
    late.add(*CASE.events)
    first = len(late.events) - len(CASE.events) - 2
    report = report_of(bundle_of(late, first, first + 1))
    assert (report.conformity.result, report.procedures.current) == ("not_checked", {})


def test_what_is_spoiled_of_it_spoils_conformity_alone(log: Log) -> None:
    """The events of the case are what they are."""
    first = len(log.events) - len(CASE.events) - 2
    bundle = bundle_of(log, first, first + 1)
    at = [entry.index for entry in bundle.entries].index(first + 1)
    swapped = replace(bundle.entries[at], payload=bundle.entries[at - 1].payload)
    without_its_node = {name: value for name, value in bundle.nodes.items() if name != f"0/{(first + 1) ^ 1}"}
    for spoiled in (
        replace(bundle, entries=(*bundle.entries[:at], swapped, *bundle.entries[at + 1 :])),
        replace(bundle, nodes=without_its_node),
    ):
        report = report_of(spoiled)
        assert report.verdict == report_of(bundle).verdict
        assert report.conformity.result == "not_checked"


def test_other_entries_among_them_say_nothing(log: Log) -> None:
    """The grant of a key is no procedure, and admits nobody."""
    first = len(log.events) - len(CASE.events) - 2
    granted = log.find(KeyGranted)[0]
    assert report_of(bundle_of(log, granted, first, first + 1)).conformity.result == "shown"


def test_the_kind_of_a_receiver_is_known_by_its_admission() -> None:
    """A court is asked for an arrest, and has signed nothing: that is flagged, or said not to be checked."""
    log = founded(POLICE, COURT)
    case = Case().open().register("phone")
    case.offer("phone", to=COURT, purpose="arrest_approval")
    log.add(*case.events)
    procedures = Procedures().adopt(blake3_text(FIRST), -1, FIRST)
    (admission,) = log.find(AgencyAdmitted, agency=COURT)
    carried, silent = report_of(bundle_of(log, admission), procedures), report_of(bundle_of(log), procedures)
    flag = "receiver_of_another_kind"
    assert [flag in {raised.flag.name for raised in report.flags} for report in (carried, silent)] == [True, False]
    assert {report.conformity.result for report in (carried, silent)} == {"shown"}
    assert "not checked" not in str(carried.conformity.detail)
    assert f"not checked: whether {COURT} may receive" in str(silent.conformity.detail)


def test_an_adoption_that_is_left_out_shows_in_the_entries(log: Log) -> None:
    """Whoever makes the bundle cannot choose an older version: the log has the newer one."""
    first = len(log.events) - len(CASE.events) - 2
    both = founded(POLICE)
    for text in (FIRST, SECOND):
        published(both, text)
        adopted(both, text)
    both.add(*CASE.events)
    older = len(both.events) - len(CASE.events) - 4
    report = report_of(bundle_of(both, older, older + 1), entries=both.entries())
    assert (report.conformity.result, report.completeness.result) == ("not_checked", "not_checked")
    assert str(report.conformity.detail) == f"entry {older + 3} adopts a procedure, and the bundle does not carry it"
    assert report_of(bundle_of(both, *range(older, older + 4)), entries=both.entries()).conformity.result == "shown"
    assert report_of(bundle_of(log, first, first + 1), entries=log.entries()).conformity.result == "shown"
    short = report_of(bundle_of(log, first, first + 1), entries=log.entries()[:-1])
    assert (short.conformity.result, short.completeness.result) == ("shown", "not_checked")

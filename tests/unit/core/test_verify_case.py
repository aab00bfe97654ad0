"""``verification.case``: a whole case, what only all its events together show, and the end of its stream."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import MalformedInput
from ledger.core.events import SYSTEM_STREAM_ID, Stream, case
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.procedure.adoption import Procedures
from ledger.core.verification.bundle import Bundle, encode_bundle
from ledger.core.verification.case import CaseReport, verify_case
from ledger.core.verification.heads import NO_QUORUM
from ledger.core.verification.report import in_ranges
from ledger.core.verification.stream import BATCH, scan, verify_stream
from ledger.procedures import shipped_procedures, shipped_rulebook
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, SignedEvent, clerk, signed
from tests.testkit.bundles import LOG_SIGNER, TWO_OF_THREE, WITNESSES, Log, log_with, naming
from tests.testkit.casework import Case, detained, late_arrest, person_id, registration

AGENCIES = (POLICE, PROCURATORATE, COURT)
PROCEDURES = shipped_procedures()
CASE = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE).accept()
LOG = log_with(CASE, *AGENCIES)
ALL_THREE = TWO_OF_THREE.replace("group g 2", "group g 3")
STREAM = Stream(kind="case", id="case-1")


def report_of(bundle: Bundle, **options: Any) -> CaseReport:
    return verify_case(encode_bundle(bundle), options.pop("using", None) or naming(bundle), PROCEDURES, **options)


def complete(log: Log) -> Bundle:
    """The bundle of the case with the admissions of all agencies."""
    return log.case_bundle(others=log.find(AgencyAdmitted))


def faults(report: CaseReport) -> list[str]:
    return [step.name for step in report.faults]


def results(report: CaseReport) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


def test_good_case() -> None:
    """Every step is checked, and the state is that of the custody rules."""
    report = report_of(complete(LOG), entries=LOG.entries())
    assert (report.verdict, set(results(report).values())) == ("intact", {"checked", "not_checked"})
    assert {name for name, result in results(report).items() if result != "checked"} == {"witnesses", "end"}
    assert report.state == CASE.state
    assert [event.subject.envelope.sequence for event in report.events] == list(range(5))
    assert (report.case_id, report.development) == ("case-1", True)
    assert (report.conformity.result, report.completeness.result) == ("shown", "not_checked")


def test_the_end_by_the_log_needs_a_quorum_on_its_tree() -> None:
    """The log alone can show each reader another tree: its entries show no end and no procedure in force, but that
    something was left out of a bundle under that tree."""
    note = LOG.note(witnesses=[(witness, START + 5000) for witness in WITNESSES[:2]])
    bundle = LOG.case_bundle(note=note, others=LOG.find(AgencyAdmitted))
    trusts = [naming(bundle, policy=policy) for policy in (TWO_OF_THREE, ALL_THREE, "quorum none\n")]
    reports = [report_of(bundle, using=using, entries=LOG.entries()) for using in trusts]
    assert [report.completeness.result for report in reports] == ["shown", "not_checked", "not_checked"]
    assert {str(report.completeness.detail) for report in reports[1:]} == {NO_QUORUM}
    later = "that no later version was in force is not shown"
    assert [later in report.conformity.detail for report in reports] == [False, True, True]
    cut = replace(bundle, entries=bundle.entries[:-1])
    report = report_of(cut, using=trusts[1], entries=LOG.entries())
    assert report.completeness.result == "contradicted"


def test_an_event_that_its_type_does_not_allow() -> None:
    """It contradicts conformity wherever it stands in the case, and says nothing of integrity."""
    case_log = log_with(Case().open().register("phone").say(case.CaseNumbered, case_number="2"), *AGENCIES)
    last = case_log.events[-1]
    renamed = signed(replace(last.envelope, event_type="case.linked"), clerk(POLICE))
    case_log.events[-1] = SignedEvent(renamed, last.payload)
    report = report_of(complete(case_log))
    assert (report.verdict, report.conformity.result) == ("intact", "contradicted")
    assert "events[2]" in report.conformity.detail


def test_a_case_of_another_ledger_accuses_nobody() -> None:
    """The verdict of its events, which nothing contradicts, is that of the whole; that it is whole is not shown."""
    bundle = LOG.case_bundle()
    report = verify_case(
        encode_bundle(bundle), replace(naming(bundle), log_id_text="0x" + "ab" * 32), PROCEDURES, entries=LOG.entries()
    )
    assert (report.verdict, report.completeness.result) == ("other_ledger", "not_checked")
    assert {event.verdict for event in report.events} == {"other_ledger"}
    assert {step.name: step.result for step in report.steps}["events"] == "failed"


def test_stream_without_rules() -> None:
    """A stream that is neither a case nor a model has integrity and completeness; there are no rules to conform to."""
    stream = Stream(kind="system", id=SYSTEM_STREAM_ID)
    indices = [index for index, event in enumerate(LOG.events) if event.envelope.stream == stream]
    bundle = LOG.file(indices, stream=stream)
    report = verify_stream(encode_bundle(bundle), naming(bundle), entries=LOG.entries())
    assert (report.verdict, report.stream, len(report.events)) == ("intact", stream, len(indices))
    assert (report.conformity.result, report.completeness.result) == ("not_checked", "not_checked")
    cut = LOG.file(indices[:-1], stream=stream)
    report = verify_stream(encode_bundle(cut), naming(cut), entries=LOG.entries())
    assert (report.verdict, report.completeness.result) == ("intact", "contradicted")
    with pytest.raises(MalformedInput, match="not about a stream"):
        verify_stream(encode_bundle(LOG.bundle(indices[0])), naming())


def test_entries_of_the_log_are_the_very_events() -> None:
    """An event that was signed anew, with the same payload, is not the one that the log has."""
    again = replace(CASE.events[-1].envelope, signed_at=CASE.events[-1].envelope.signed_at + 1)
    bundle = LOG.case_bundle()
    *others, last = bundle.entries
    report = report_of(replace(bundle, entries=(*others, replace(last, envelope=again))), entries=LOG.entries())
    assert (report.verdict, report.completeness.result) == ("tampered", "contradicted")


def test_flags_are_derived_anew() -> None:
    """What the service flagged is not asked for: the rules raise it again."""
    same = Case().open().register("phone").offer("phone", to=PROCURATORATE).accept(by=clerk(PROCURATORATE))
    late = Case().open().act(registration("phone"), occurred_at="2026-02-27T01:00:00Z")
    report = report_of(log_with(late, *AGENCIES).case_bundle())
    assert [(raised.sequence, raised.flag) for raised in report.flags] == [(1, flag) for flag in late.flags]
    assert {raised.flag.name for raised in report.flags} == {"backdated", "late_entry"}
    assert report_of(log_with(same, *AGENCIES).case_bundle()).flags == ()


@pytest.mark.parametrize("proven", [None, "2026-05-01T00:00:00Z"])
def test_time_limits_that_were_not_kept_are_named(proven: str | None) -> None:
    """What was met late, and what is open after its last day by the time that is proven, or the last that is claimed;
    conformity counts them, whose acts were possible all the same."""
    log = log_with(late_arrest(), *AGENCIES)
    cosigned = [(witness, unix_seconds(proven)) for witness in WITNESSES] if proven else []
    bundle = log.case_bundle(note=log.note(witnesses=cosigned), anchored=False)
    report = report_of(bundle, using=naming(policy=TWO_OF_THREE))
    limits = report.time_limits
    assert limits is not None
    assert (limits.as_of, limits.uncounted) == (proven or "2026-03-05T16:01:00Z", 0)
    late = {clock.clock: (clock.due_at, clock.stopped_at) for clock in limits.late}
    assert late["arrest_request"] == ("2026-03-05T16:00:00Z", "2026-03-05T16:00:00Z")
    assert late["first_interrogation"][1] is None
    assert ("arrest_decision" in late) == bool(proven)
    counted = f"by the times claimed, time limits that were not kept up to {limits.as_of}: {len(late)}"
    assert (report.conformity.result, counted in report.conformity.detail) == ("shown", True)


def test_time_limits_that_cannot_be_counted_are_not_called_kept() -> None:
    """Without the days off of the year nobody knows whether the decision was late: the report says so."""
    procedures = Procedures.of(replace(shipped_rulebook(), days_off={}))
    at_liberty = Case().open().name("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    log = log_with(at_liberty, *AGENCIES)
    note = log.note(witnesses=[(witness, unix_seconds("2026-05-01T00:00:00Z")) for witness in WITNESSES])
    bundle = log.case_bundle(note=note, anchored=False)
    report = verify_case(encode_bundle(bundle), naming(policy=TWO_OF_THREE), procedures)
    assert report.time_limits is not None
    assert report.time_limits.uncounted == 1
    assert "1 time limits cannot be counted" in report.conformity.detail


def test_time_limits_of_whom_the_case_split_off_are_judged_up_to_then() -> None:
    """What had passed by then was not kept; whether the others ran on here, only the other case shows."""
    day = 86400
    for days, late in ((0, 0), (2, 3), (5, 4)):
        opened = detained("li")
        opened.now += days * day
        opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(person_id("li"),))
        opened.now += 400 * day
        opened.say(case.CaseNumbered, case_number="8")
        report = report_of(log_with(opened, *AGENCIES).case_bundle(anchored=False))
        assert report.time_limits is not None
        assert len(report.time_limits.late) == late
        assert "time limits are judged up to the split" in report.conformity.detail


def test_time_limits_are_judged_where_acts_are() -> None:
    """Where a payload is withheld nothing is said of them; in a case in which no time ran there is nothing to say."""
    assert report_of(LOG.case_bundle(payload=None)).time_limits is None
    bare = report_of(log_with(Case().open(), *AGENCIES).case_bundle())
    assert bare.time_limits is not None
    assert (bare.time_limits.late, "time limits" in bare.conformity.detail) == ((), False)


def test_indices_that_fall() -> None:
    """The log has the events in another order than their stream: no honest sequencer does that."""
    log = Log(list(LOG.events[:9]), registry=LOG.registry)
    log.add(*(CASE.events[number] for number in (1, 0, 2, 3, 4)))
    assert faults(report_of(log.case_bundle())) == ["order", "custody"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((4,), "4"), ((0, 1), "0-1"), ((3, 4, 5, 6, 7, 9), "3-7, 9"), ((0, 2, 4, 5), "0, 2, 4-5")],
)
def test_numbers_in_a_row_are_told_as_a_range(numbers: tuple[int, ...], text: str) -> None:
    """A case has thousands of events, and nobody reads so many numbers."""
    assert in_ranges(numbers) == text


@pytest.mark.parametrize("number", [0, 1])
def test_case_that_rests_on_another(number: int) -> None:
    """A case that was split off, or joined: the other case's state is not here, and custody is not checked."""
    old_case = Case("case-0").open().register("phone")
    old_case.act(case.CaseSplit(new_case_id="case-1", ground="two offences", item_ids=("phone",)))
    if number == 0:
        joined = Case().open(source=old_case.state, split_from=old_case.last.ref)
    else:
        joined = (
            Case()
            .open()
            .act(
                case.CaseJoined(other_case_id="case-0", cites=old_case.last.ref, ground="one offence"),
                source=old_case.state,
            )
        )
    report = report_of(log_with(joined, *AGENCIES).case_bundle())
    assert (report.verdict, report.conformity.result) == ("intact", "not_checked")
    assert f"event {number} " in report.steps[7].detail


def test_kind_that_is_not_shown() -> None:
    """Acts are judged by the kinds of agencies: which of them the bundle does not show is said."""
    report = report_of(LOG.case_bundle())
    assert (report.conformity.result, PROCURATORATE in report.conformity.detail) == ("shown", False)
    (admission,) = LOG.find(AgencyAdmitted, agency=PROCURATORATE)
    bundle = LOG.case_bundle()
    shown = tuple(entry for entry in bundle.entries if entry.index != admission)
    report = report_of(replace(bundle, entries=shown))
    assert f"whether {PROCURATORATE} may receive what was sent there" in report.conformity.detail


# -- scanning ----------------------------------------------------------------------------------------------------------


def test_scan_finds_the_stream() -> None:
    """All its entries with their indices and none of another, in a log of none, of more than is hashed at once, or
    longer than the checkpoint: what was added since is not looked at."""
    entries = scan(LOG.entries(), LOG.checkpoint(), STREAM)
    assert [(entry.index, entry.envelope) for entry in entries] == [
        (9 + number, event.envelope) for number, event in enumerate(CASE.events)
    ]
    assert scan(LOG.entries(), LOG.checkpoint(), Stream(kind="case", id="case-2")) == []
    assert scan([], Log().checkpoint(), STREAM) == []
    entries = LOG.entries()
    assert scan([*entries, b"{}"], LOG.checkpoint(), STREAM) == scan(entries, LOG.checkpoint(), STREAM)
    entries = (LOG.entries() * (BATCH // len(LOG.events) + 2))[: BATCH + 3]
    log = Log([LOG.events[number % len(LOG.events)] for number in range(BATCH + 3)], log_signer=LOG_SIGNER)
    assert len(scan(entries, log.checkpoint(), STREAM)) > len(CASE.events)


def test_a_copy_of_the_log_needs_a_tree_head_and_its_length() -> None:
    """It shows nothing where no proof says which tree it must be; one that ends below it contradicts nothing."""
    bundle = replace(LOG.case_bundle(), note="none")
    assert "no checkpoint" in report_of(bundle, entries=LOG.entries()).completeness.detail
    report = report_of(LOG.case_bundle(), entries=LOG.entries()[:-1])
    assert (report.verdict, faults(report), report.completeness.result) == ("intact", [], "not_checked")
    assert f"at least {len(LOG.events)} entries" in report.steps[8].detail

"""``verification.case``: a whole case, what only all its events together show, and the end of its stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events import Stream, case, handover
from ledger.core.verification.bundle_format import CaseBundle, encode_bundle
from ledger.core.verification.case import BATCH, CaseReport, scan, verify_case
from ledger.core.verification.report import in_ranges
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, Writer, clerk, event_of
from tests.testkit.bundles import LOG_SIGNER, Log, log_with, naming, tree, trust
from tests.testkit.casework import Case, registration

AGENCIES = (POLICE, PROCURATORATE, COURT)
BOOK = shipped_rulebook()
CASE = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE).accept()
LOG = log_with(CASE, *AGENCIES)
STREAM = Stream(kind="case", id="case-1")


def report_of(bundle: CaseBundle | dict[str, Any], **options: Any) -> CaseReport:
    data = json.dumps(bundle).encode() if isinstance(bundle, dict) else encode_bundle(bundle)
    using = options.pop("using", None) or naming(LOG.case_bundle() if isinstance(bundle, dict) else bundle)
    return verify_case(data, using, BOOK, **options)


def faults(report: CaseReport) -> list[str]:
    return [step.name for step in report.faults]


def results(report: CaseReport) -> dict[str, str]:
    return {step.name: step.result for step in report.steps}


def test_good_case() -> None:
    """Every step is checked, and the state is that of the custody rules."""
    report = report_of(LOG.case_bundle(), entries=LOG.entries())
    assert (report.verdict, set(results(report).values())) == ("intact", {"checked"})
    assert report.state == CASE.state
    assert [event.subject.sequence for event in report.events] == list(range(5))
    assert (report.case_id, report.development) == ("case-1", True)
    assert (report.conformity.result, report.completeness.result) == ("shown", "shown")


def test_end_without_entries() -> None:
    """Page 12, D: without the log's entries nobody knows what came after; it is said up to where the case is whole."""
    bundle = tree(LOG.case_bundle())
    bundle["events"].pop()
    report = report_of(bundle)
    assert (report.verdict, results(report)["end"]) == ("intact", "not_checked")
    assert report.completeness.result == "not_checked"
    assert "that nothing came after event 3 is not shown" in report.completeness.detail


def test_flags_are_derived_anew() -> None:
    """What the service flagged is not asked for: the rules raise it again."""
    same = Case().open().register("phone").offer("phone", to=PROCURATORATE).accept(by=clerk(PROCURATORATE))
    late = Case().open().act(registration("phone"), occurred_at="2026-02-27T01:00:00Z")
    report = report_of(log_with(late, *AGENCIES).case_bundle())
    assert [(raised.sequence, raised.flag) for raised in report.flags] == [(1, flag) for flag in late.flags]
    assert {raised.flag.name for raised in report.flags} == {"backdated", "late_entry"}
    assert report_of(log_with(same, *AGENCIES).case_bundle()).flags == ()


def _without(number: int) -> Callable[[dict[str, Any]], None]:
    return lambda bundle: bundle["events"].pop(number)


def _moved(first: int, second: int) -> Callable[[dict[str, Any]], None]:
    def swap(bundle: dict[str, Any]) -> None:
        events = bundle["events"]
        events[first], events[second] = events[second], events[first]

    return swap


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "event left out": (_without(2), "order"),
    "opening left out": (_without(0), "order"),
    "events swapped": (_moved(1, 2), "order"),
    "event twice": (lambda b: b["events"].insert(1, b["events"][1]), "order"),
    "payload changed": (lambda b: b["events"][1]["payload"].update(salt="00" * 16), "events"),
    "case of another name": (lambda b: b.update(case_id="case-2"), "form"),
    "another ledger": (lambda b: b.update(log_id="0x" + "00" * 32), "form"),
    "event of another ledger": (lambda b: b["events"][1].update(log_id="0x" + "00" * 32), "form"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_by_its_step(name: str) -> None:
    """The first step that fails is the one that is there for it."""
    change, step = FAULTS[name]
    bad = tree(LOG.case_bundle())
    change(bad)
    report = report_of(bad, entries=LOG.entries())
    assert report.verdict == "tampered"
    assert faults(report)[0] == step


def test_act_that_the_rules_make_impossible() -> None:
    """Page 12, E: events that are signed and in the log may still be impossible; their integrity stays."""
    writer = Writer("case", "case-1")
    writer.write(CASE.events[0].payload.body, clerk(POLICE))
    writer.write(handover.HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    log = Log(list(LOG.events[:9]), registry=LOG.registry)
    log.add(*writer.events)
    report = report_of(log.case_bundle())
    assert (report.verdict, faults(report)) == ("intact", ["custody"])
    assert report.conformity.result == "contradicted"
    assert report.conformity.detail.startswith("events[1]: impossible (unknown_handover)")


def test_indices_that_fall() -> None:
    """The log has the events in another order than their stream: no honest sequencer does that."""
    log = Log(list(LOG.events[:9]), registry=LOG.registry)
    log.add(*(CASE.events[number] for number in (1, 0, 2, 3, 4)))
    bundle = tree(log.case_bundle())
    _moved(0, 1)(bundle)
    assert faults(report_of(bundle, using=naming(log.case_bundle()))) == ["order"]


def test_withheld_payload() -> None:
    """Without a payload the event is unverifiable, and whether the acts were possible is not checked."""
    bundle = tree(LOG.case_bundle())
    del bundle["events"][2]["payload"]
    report = report_of(bundle)
    assert report.verdict == "unverifiable"
    assert {name for name, result in results(report).items() if result == "not_checked"} == {"events", "custody", "end"}


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((4,), "4"), ((0, 1), "0-1"), ((3, 4, 5, 6, 7, 9), "3-7, 9"), ((0, 2, 4, 5), "0, 2, 4-5")],
)
def test_numbers_in_a_row_are_told_as_a_range(numbers: tuple[int, ...], text: str) -> None:
    """A case has thousands of events, and nobody reads so many numbers."""
    assert in_ranges(numbers) == text


def test_not_yet_anchored() -> None:
    """The worst verdict of the events is that of the case, and the events concerned are named."""
    report = report_of(LOG.case_bundle(anchored=False))
    assert report.verdict == "not_yet_anchored"
    assert report.steps[1].detail == "events 0-4: not_yet_anchored"


def test_proof_that_does_not_hold() -> None:
    """Without an index or a checkpoint the steps that need them are not checked."""
    bundle = tree(LOG.case_bundle())
    for event in bundle["events"]:
        event["proof"] = ""
    report = report_of(bundle, entries=LOG.entries())
    assert (report.verdict, faults(report)) == ("tampered", ["events"])
    assert (results(report)["order"], results(report)["end"]) == ("not_checked", "not_checked")


@pytest.mark.parametrize("number", [0, 1])
def test_case_that_rests_on_another(number: int) -> None:
    """A case that was split off, or joined: the other case's state is not here, and custody is not checked."""
    other = Case("case-0").open().register("phone")
    other.act(case.CaseSplit(new_case_id="case-1", ground="two offences", item_ids=("phone",)))
    if number == 0:
        joined = Case().open(source=other.state, split_from=other.last.ref)
    else:
        joined = (
            Case()
            .open()
            .act(
                case.CaseJoined(other_case_id="case-0", cites=other.last.ref, ground="one offence"), source=other.state
            )
        )
    report = report_of(log_with(joined, *AGENCIES).case_bundle())
    assert (report.verdict, report.conformity.result) == ("intact", "not_checked")
    assert f"event {number} " in report.steps[3].detail


def test_payload_of_another_stream_is_not_folded() -> None:
    """A mirror entry's payload under a case's envelope fails its event and is not given to the rules."""
    bundle = tree(LOG.case_bundle())
    bundle["events"][1]["payload"] = json.loads(LOG.events[0].payload_bytes)
    report = report_of(bundle)
    assert (report.verdict, results(report)["custody"]) == ("tampered", "not_checked")


@pytest.mark.parametrize("event", ["null", "{}", "1"])
def test_event_that_is_no_bundle(event: str) -> None:
    """An event that is no bundle makes the whole malformed."""
    with pytest.raises(MalformedInput):
        report_of(tree(LOG.case_bundle()) | {"events": [json.loads(event)]})


# -- scanning ----------------------------------------------------------------------------------------------------------


def test_scan_finds_the_stream() -> None:
    """All entries of the stream with their indices, and none of another."""
    entries = scan(LOG.entries(), LOG.checkpoint(), STREAM)
    assert [(entry.index, entry.envelope) for entry in entries] == [
        (9 + number, event.envelope) for number, event in enumerate(CASE.events)
    ]
    assert scan(LOG.entries(), LOG.checkpoint(), Stream(kind="case", id="case-2")) == []


def test_scan_of_an_empty_log() -> None:
    """No entries are the tree of size 0."""
    assert scan([], Log().checkpoint(), STREAM) == []


def test_scan_of_a_longer_log() -> None:
    """What was added since the checkpoint is not looked at, whatever it is."""
    entries = LOG.entries()
    assert scan([*entries, b"{}"], LOG.checkpoint(), STREAM) == scan(entries, LOG.checkpoint(), STREAM)


def test_scan_in_batches() -> None:
    """More entries than are hashed at once give the root that the whole tree has."""
    entries = (LOG.entries() * (BATCH // len(LOG.events) + 2))[: BATCH + 3]
    log = Log([LOG.events[number % len(LOG.events)] for number in range(BATCH + 3)], log_signer=LOG_SIGNER)
    assert len(scan(entries, log.checkpoint(), STREAM)) > len(CASE.events)


WRONG_COPIES = {
    "in another order": [LOG.entries()[1], LOG.entries()[0], *LOG.entries()[2:]],
    "with an entry that is none": [*LOG.entries()[:3], b"{}", *LOG.entries()[4:]],
}


@pytest.mark.parametrize("name", WRONG_COPIES)
def test_wrong_copy_of_the_log_contradicts_nothing(name: str) -> None:
    """Entries of another tree, or broken ones, say nothing of this case, neither that it ends nor that it goes on."""
    report = report_of(LOG.case_bundle(), entries=WRONG_COPIES[name])
    assert (report.verdict, faults(report), report.completeness.result) == ("intact", [], "not_checked")
    assert "no copy of this tree" in report.completeness.detail


def test_copy_of_the_log_that_is_older_than_the_bundle() -> None:
    """An honest copy that ends below the checkpoint contradicts nothing: how long it must be is told."""
    report = report_of(LOG.case_bundle(), entries=LOG.entries()[:-1])
    assert (report.verdict, faults(report), report.completeness.result) == ("intact", [], "not_checked")
    assert f"at least {len(LOG.events)} entries" in report.steps[4].detail


def test_later_event_is_found() -> None:
    """An event that the bundle leaves out at its end is found among the entries."""
    longer = (
        Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE).accept().register("gold")
    )
    log = log_with(longer, *AGENCIES)
    bundle = tree(log.case_bundle())
    bundle["events"].pop()
    report = report_of(bundle, entries=log.entries(), using=naming(log.case_bundle()))
    assert (report.verdict, faults(report), report.completeness.result) == ("intact", ["end"], "contradicted")


def test_events_of_two_forks() -> None:
    """Page 12, I: a log that shows two trees is found out where their events stand in one bundle."""
    fork = log_with(CASE, *AGENCIES)
    fork.add(event_of(registration("gold"), clerk(POLICE), stream=Stream(kind="case", id="case-2")))
    bundle, other = tree(LOG.case_bundle()), tree(fork.case_bundle())
    bundle["events"][2:] = other["events"][2:]
    report = report_of(bundle, using=trust())
    assert (report.verdict, faults(report)) == ("tampered", ["form"])
    assert "events[2]: the proof is under another tree head" in report.steps[0].detail

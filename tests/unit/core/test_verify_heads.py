"""``verification.heads``: that a case is whole, and that there is no such stream, by a head map in the bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.events import Stream
from ledger.core.log.merkle import Hash
from ledger.core.verification.bundle import Bundle, MapLeaf, MapProof, decode_bundle, encode_bundle
from ledger.core.verification.case import CaseReport, verify_case
from ledger.core.verification.heads import AbsenceReport, verify_absence
from ledger.core.verification.report import CheckedStep, Report
from ledger.procedures import shipped_procedures
from tests.oracles import head_map_reference
from tests.testkit.builders import POLICE, START, ServiceKeyHolder, clerk
from tests.testkit.bundles import TWO_OF_THREE, WITNESSES, Log, heads_of, log_with, mapping, naming
from tests.testkit.casework import Case

CASE = Case().open().register("phone").register("knife")
ABSENT = Stream(kind="case", id="case-9")
PRESENT = Stream(kind="case", id="case-1")
SIGNED = [(witness, START + 7200) for witness in WITNESSES[:2]]
Lie = Callable[[Log], bytes]


def mapped_log(lie: Lie | None = None) -> Log:
    """Two cases, and the map over them; the case that is looked at has three events."""
    log = log_with(CASE)
    log.add(*Case("case-2").open().events)
    log.map_heads(lie(log) if lie else None)
    return log


LOG = mapped_log()
INDEX = len(LOG.events) - 1
NOTE = LOG.note(witnesses=SIGNED)
WHOLE = LOG.mapped(INDEX, note=NOTE)
NONE_SUCH = LOG.absence(ABSENT, INDEX, NOTE)


def case_report(bundle: Bundle, policy: str = TWO_OF_THREE, **options: Any) -> CaseReport:
    return verify_case(encode_bundle(bundle), naming(bundle, policy=policy), shipped_procedures(), **options)


def absence_report(bundle: Bundle, policy: str = TWO_OF_THREE) -> AbsenceReport:
    return verify_absence(encode_bundle(bundle), naming(bundle, policy=policy))


def stated(report: Report) -> tuple[str, str]:
    return report.verdict, report.completeness.result


def step(report: Report, name: str) -> CheckedStep:
    return next(step for step in report.steps if step.name == name)


# -- a whole case ------------------------------------------------------------------------------------------------------


def test_a_whole_case_is_shown_offline() -> None:
    """No entry of the log is given: the map has as many events, and the last of them."""
    report = case_report(WHOLE)
    assert stated(report) == ("intact", "shown")
    assert f"first {INDEX} entries" in report.completeness.detail


def test_without_a_quorum_a_map_is_the_logs_own_word() -> None:
    """Witnesses have made it themselves; the log alone could leave out what it likes, of a case or of its absence."""
    assert stated(case_report(LOG.mapped(INDEX), "quorum none\n")) == ("intact", "not_checked")
    lacking = LOG.mapped(INDEX, note=LOG.note(witnesses=SIGNED[:1]))
    assert stated(case_report(lacking)) == ("unverifiable", "not_checked")
    assert "own word" in case_report(lacking).completeness.detail
    assert stated(absence_report(LOG.absence(ABSENT, INDEX), "quorum none\n")) == ("intact", "not_checked")
    lacking = LOG.absence(ABSENT, INDEX, LOG.note(witnesses=SIGNED[:1]))
    assert stated(absence_report(lacking)) == ("unverifiable", "not_checked")


def test_events_after_the_map_are_not_counted() -> None:
    """The statement is about the entries up to the map; what the bundle has beyond does no harm."""
    log = mapped_log()
    later = Case().open().register("phone").register("knife").register("box")
    log.add(later.events[-1])
    report = case_report(log.mapped(INDEX, note=log.note(witnesses=SIGNED)))
    assert stated(report) == ("intact", "shown")
    assert report.completeness.detail.startswith("these 3 events")


def test_an_absence_in_another_ledger_shows_nothing_of_this_one() -> None:
    """It is of another ledger than the trust file; if it was only made to name that one, it is tampered with."""
    bundle, foreign_id = NONE_SUCH, "0x" + "ab" * 32
    report = verify_absence(encode_bundle(bundle), replace(naming(bundle), log_id_text=foreign_id))
    assert (*stated(report), report.size) == ("other_ledger", "not_checked", None)
    report = verify_absence(encode_bundle(replace(bundle, log_id=foreign_id)), naming(bundle))
    assert (*stated(report), step(report, "map").result) == ("tampered", "not_checked", "failed")


def test_how_much_of_the_tree_the_map_leaves_out_is_said() -> None:
    """A holder can put an older map under the same tree head, and leave out what came after it."""
    log = mapped_log()
    log.add(*Case("case-3").open().events)
    log.add(*Case("case-4").open().events)
    note = log.note(witnesses=SIGNED)
    after = "; nothing is shown of the 3 entries after those"
    assert case_report(log.mapped(INDEX, note=note)).completeness.detail.endswith(after)
    assert absence_report(log.absence(ABSENT, INDEX, note)).completeness.detail.endswith(after)
    assert "nothing is shown" not in case_report(WHOLE).completeness.detail


def test_a_holder_who_leaves_out_an_event_is_found_out() -> None:
    """The last one: the map has one more, and the verdict on what is shown stays. One that is put twice for another
    that he leaves out: the map has as many, and the same last one."""
    entries = tuple(entry for entry in WHOLE.entries if entry.envelope != CASE.last.envelope)
    report = case_report(replace(WHOLE, entries=entries))
    assert stated(report) == ("intact", "contradicted")
    assert "has 3 events of the stream, not these 2" in report.completeness.detail
    _, second, third = (entry for entry in WHOLE.entries if entry.envelope.stream == PRESENT)
    entries = [replace(third, index=second.index) if entry is second else entry for entry in WHOLE.entries]
    report = case_report(replace(WHOLE, entries=tuple(entries)))
    assert stated(report) == ("tampered", "not_checked")
    assert "step 7" in report.completeness.detail


def test_a_case_of_which_the_map_knows_nothing() -> None:
    """A log that commits to a map without the case contradicts what the bundle shows, whoever co-signed it."""
    log = mapped_log(lambda log: head_map_reference.subtree(heads_of(log.events[:3])))
    heads = heads_of(log.events[:3])
    siblings, leaf = head_map_reference.proof(heads, head_map_reference.key_of("case", "case-1"))
    shown = MapLeaf(key="0x" + leaf[0].hex(), count=leaf[1], head="0x" + leaf[2].hex()) if leaf else None
    proof = MapProof(index=INDEX, siblings=tuple(map(Hash, siblings)), leaf=shown)
    for bundle in (log.mapped(INDEX, map=proof), log.mapped(INDEX, note=log.note(witnesses=SIGNED), map=proof)):
        report = case_report(bundle, "quorum none\n")
        assert report.completeness.result == "contradicted"
        assert "has 0 events" in report.completeness.detail


def test_another_head_is_another_case() -> None:
    """The same count, and another last event: of a log that committed to what it does not have."""
    key = head_map_reference.key_of("case", "case-1")
    heads = heads_of(LOG.events[:INDEX]) | {key: (3, b"\x07" * 32)}
    log = mapped_log(lambda _: head_map_reference.subtree(heads))
    siblings, _ = head_map_reference.proof(heads, key)
    leaf = MapLeaf(key="0x" + key.hex(), count=3, head="0x" + "07" * 32)
    proof = MapProof(index=INDEX, siblings=tuple(map(Hash, siblings)), leaf=leaf)
    assert stated(case_report(log.mapped(INDEX, note=log.note(witnesses=SIGNED), map=proof))) == (
        "intact",
        "contradicted",
    )


def _signed_by_an_officer(log: Log) -> None:
    log.system.events.pop()
    log.events[INDEX] = mapping(log.system, log.map_root(INDEX), clerk(POLICE))


def _in_the_name_of_an_officer(log: Log) -> None:
    log.system.events.pop()
    log.events[INDEX] = mapping(log.system, log.map_root(INDEX), ServiceKeyHolder("service", POLICE))


def _of_another_salt(log: Log) -> None:
    log.system.events.pop()
    log.events[INDEX] = mapping(log.system, log.map_root(INDEX), salt="11" * 16)


def _of_before(log: Log) -> None:
    log.system.events.pop()
    log.events[INDEX] = mapping(log.system, log.map_root(INDEX - 1))


@pytest.mark.parametrize("spoil", [_signed_by_an_officer, _in_the_name_of_an_officer, _of_another_salt, _of_before])
def test_a_commitment_that_is_none_shows_nothing(spoil: Callable[[Log], None]) -> None:
    """Another's entry, another payload, an old map: it counts as left out, and an absence fails by it."""
    log = mapped_log()
    spoil(log)
    note = log.note(witnesses=SIGNED)
    assert stated(case_report(log.mapped(INDEX, note=note))) == ("intact", "not_checked")
    report = absence_report(log.absence(ABSENT, INDEX, note))
    assert (*stated(report), step(report, "map").result) == ("tampered", "not_checked", "failed")


def _without_nodes(bundle: Bundle) -> Bundle:
    return replace(bundle, nodes={})


def _of_another_entry(bundle: Bundle) -> Bundle:
    assert bundle.map is not None
    return replace(bundle, map=replace(bundle.map, index=bundle.entries[0].index))


def _with_a_sibling_more(bundle: Bundle) -> Bundle:
    assert bundle.map is not None
    return replace(bundle, map=replace(bundle.map, siblings=(Hash(bytes(32)), *bundle.map.siblings)))


@pytest.mark.parametrize("spoil", [_of_another_entry, _with_a_sibling_more])
def test_a_map_that_a_holder_spoils_shows_nothing(spoil: Callable[[Bundle], Bundle]) -> None:
    """It counts as left out: who passes a bundle on makes no case whole, and none incomplete."""
    report = case_report(spoil(WHOLE))
    assert stated(report) == ("intact", "not_checked")
    assert "does not hold" in report.completeness.detail


def test_without_a_tree_head_there_is_no_map() -> None:
    """Nothing rests on a note that the log did not sign."""
    report = case_report(replace(WHOLE, note="nothing\n\n— a AAAAAAA=\n"))
    assert stated(report) == ("tampered", "not_checked")
    report = absence_report(replace(NONE_SUCH, note="nothing\n\n— a AAAAAAA=\n"))
    assert (*stated(report), report.size) == ("tampered", "not_checked", None)


def test_entries_of_the_log_decide_before_the_map() -> None:
    """Who has a copy of the log is shown more: up to the checkpoint."""
    report = case_report(WHOLE, entries=LOG.entries())
    assert report.completeness.detail.startswith(f"none of the {INDEX + 1} entries")


# -- no such stream ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [ABSENT, Stream(kind="supervision", id="lead-" + "5f" * 16), Stream(kind="agency", id=POLICE)],
    ids=lambda stream: stream.kind,
)
def test_a_stream_that_the_log_does_not_have(stream: Stream) -> None:
    """A case, a lead or an agency's stream: a small file shows that none of the entries up to the map is of it."""
    bundle = LOG.absence(stream, INDEX, NOTE)
    report = absence_report(bundle)
    assert stated(report) == ("intact", "shown")
    assert (report.stream, report.size) == (stream, INDEX)
    assert report.conformity.result == "not_checked"
    assert (
        step(report, "absence").detail == f"none of the first {INDEX} entries is an event of {stream.kind} {stream.id}"
    )
    without_anchor = encode_bundle(replace(bundle, anchor=None))
    assert len(without_anchor) < 6000


def test_a_stream_that_the_log_has_is_not_absent() -> None:
    """The proof leads to the root, and says that there are three events."""
    report = absence_report(LOG.absence(PRESENT, INDEX, NOTE))
    assert stated(report) == ("tampered", "contradicted")
    assert "3 events" in step(report, "absence").detail


def test_an_absence_whose_parts_are_left_out() -> None:
    """Without the nodes of the tree the entry is not shown to be in the log."""
    report = absence_report(_without_nodes(NONE_SUCH))
    assert (*stated(report), step(report, "map").result) == ("unverifiable", "not_checked", "not_checked")
    assert step(report, "absence").result == "not_checked"


@pytest.mark.parametrize(
    ("field", "file"),
    [
        ("bundle", replace(WHOLE, absent=ABSENT)),
        ("bundle", replace(NONE_SUCH, absent=None)),
        ("bundle.map", replace(NONE_SUCH, map=None)),
        ("bundle.map", replace(LOG.bundle(5, NOTE), map=NONE_SUCH.map)),
        ("bundle.map.index", replace(WHOLE, map=replace(WHOLE.map, index=0, leaf=None), entries=WHOLE.entries[1:])),
        ("bundle.entries[2].envelope.stream", replace(WHOLE, stream=None, absent=PRESENT)),
    ],
)
def test_a_file_of_another_form_is_no_bundle(field: str, file: Bundle) -> None:
    """One subject; a map with what is absent, and none with one event; the entry of the map is here."""
    with pytest.raises(MalformedInput) as refused:
        decode_bundle(encode_bundle(file))
    assert refused.value.field == field


def test_what_an_absence_is_not() -> None:
    """It is no bundle of a case, and a bundle of a case is none of it."""
    with pytest.raises(MalformedInput):
        verify_case(encode_bundle(NONE_SUCH), naming(NONE_SUCH), shipped_procedures())
    with pytest.raises(MalformedInput):
        verify_absence(encode_bundle(WHOLE), naming(WHOLE))

"""``verification.verify``: a bundle is intact only where each part is what was signed, sequenced and anchored."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ledger.core.errors import ProofRefused
from ledger.core.ethereum.trie import node_hash, read_node
from ledger.core.events.payload import kept_event
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import Hash, verify_inclusion
from ledger.core.log.notes import SeedSigner
from ledger.core.verification.bundle import Bundle, BundleEntry, encode_bundle, kept_entry
from ledger.core.verification.evidence import HeldEntries, require_signed
from ledger.core.verification.report import NotChecked, ProofReport
from ledger.core.verification.verify import EVENT_STEPS, STEPS, verify_event
from tests.testkit.builders import START
from tests.testkit.bundles import ORIGIN, TWO_OF_THREE, WITNESSES, naming, trust
from tests.testkit.changed_bundles import CASE, FOUNDING, GOOD, LOG, NOTE, REGISTERED, TRUST, results, verdict_of

OTHER_KEY = SeedSigner.from_seed("other.example/log", bytes([9]) * 32).verifying_key
KEPT = (verify_checkpoint, require_signed, kept_event, kept_entry, node_hash, read_node)


def test_good_bundle() -> None:
    """A complete bundle is intact; only the witnesses, for whom a development ledger does not ask, are not checked."""
    report = verdict_of(GOOD)
    assert report.verdict == "intact"
    assert report.development
    assert {name for name, result in results(report).items() if result != "checked"} == {"witnesses"}
    assert [step.number for step in report.steps] == list(range(1, len(STEPS) + len(EVENT_STEPS) + 1))


OTHER_ID = "0x" + "ab" * 32


def test_a_bundle_of_another_ledger_accuses_nobody() -> None:
    """By a trust file of another ledger nothing is shown of it, and nothing of it contradicts itself: each is said."""
    for trust_file in (replace(TRUST, log_id_text=OTHER_ID), trust(log_id_text=OTHER_ID, log_key=OTHER_KEY)):
        report = verdict_of(GOOD, trust_file)
        assert report.verdict == "other_ledger"
        assert [step.name for step in report.steps if step.result == "checked"] == ["signature", "payload", "sections"]
        assert [(step.name, step.verdict) for step in report.faults] == [("ledger", "other_ledger")]
        assert GOOD.log_id in report.steps[0].detail
        assert OTHER_ID in report.steps[0].detail
        assert (report.subject.index, report.proven_time, report.block, report.record) == (None, None, None, None)


def test_a_bundle_that_was_made_to_name_another_ledger_is_tampered() -> None:
    """Its events are signed for the ledger that they are of, so it gets no milder verdict by another name."""
    renamed = replace(GOOD, log_id=OTHER_ID)
    for using in (TRUST, trust(log_key=OTHER_KEY)):
        report = verdict_of(renamed, using)
        assert (report.verdict, [step.name for step in report.faults]) == ("tampered", ["ledger", "signature"])
    # What is not as it was signed is so by any trust file.
    edited = replace(GOOD.entries[-1], payload=GOOD.entries[0].payload)
    report = verdict_of(replace(GOOD, entries=(*GOOD.entries[:-1], edited)), replace(TRUST, log_id_text=OTHER_ID))
    assert (report.verdict, [step.name for step in report.faults]) == ("tampered", ["ledger", "payload"])


@pytest.mark.parametrize("left_out", ["anchor", "nodes", "payload", "entries"])
def test_leaving_out_does_not_bring_a_bundle_nearer_to_a_ledger(left_out: str) -> None:
    """Whatever is withheld of a bundle of another ledger, its verdict is no better."""
    bundle = GOOD
    if left_out == "payload":
        bundle = replace(GOOD, entries=(*GOOD.entries[:-1], replace(GOOD.entries[-1], payload=None, sections={})))
    elif left_out == "entries":
        bundle = replace(GOOD, entries=GOOD.entries[-1:])
    else:
        bundle = replace(GOOD, anchor=None) if left_out == "anchor" else replace(GOOD, nodes={})
    assert verdict_of(bundle, replace(TRUST, log_id_text=OTHER_ID)).verdict == "other_ledger"


def test_the_report_says_what_was_verified() -> None:
    """The event, its place, and the tree head that it was proven under; and beside the verdict that one event shows
    nothing of rules or of what came after it."""
    step = verdict_of(GOOD).steps[0]
    assert step.text == step.detail
    subject = verdict_of(GOOD).subject
    event = CASE.events[1]
    assert (subject.envelope.event_id, subject.envelope.payload_digest) == (event.envelope.event_id, event.digest)
    assert (subject.index, subject.size, subject.root) == (REGISTERED, 10, LOG.checkpoint().root.hex())
    assert (subject.officer, subject.occurred_at) == (event.payload.officer, event.payload.occurred_at)
    report = verdict_of(GOOD)
    assert (report.conformity.result, report.completeness.result) == ("not_checked", "not_checked")
    assert "not one event" in report.conformity.detail
    assert "those after it" in report.completeness.detail


def test_checkpoint_is_verified_once() -> None:
    """Bundles under one note verify its signature once, and it counts for the key of each trust file by itself."""
    verify_checkpoint.cache_clear()
    for _ in range(3):
        assert verify_event(encode_bundle(GOOD), TRUST).report.verdict == "intact"
    assert verify_checkpoint.cache_info().misses == 1
    foreign_trust = replace(TRUST, log_vkey=SeedSigner.from_seed(ORIGIN, bytes(32)).verifying_key.vkey())
    for _ in range(2):
        assert verify_event(encode_bundle(GOOD), foreign_trust).report.steps[1].result == "not_checked"


def test_what_is_remembered_changes_no_report() -> None:
    """An entry that held is remembered by all of its bytes: of another signature or payload it is judged anew."""

    def with_entry(index: int, **fields: object) -> Bundle:
        each = list(GOOD.entries)
        each[index] = replace(each[index], **fields)
        return replace(GOOD, entries=tuple(each))

    entries, last = GOOD.entries, GOOD.entries[-1].envelope
    others = [replace(entry.envelope, signature=last.signature) for entry in entries[:-1]]
    changed = [with_entry(index, envelope=envelope) for index, envelope in enumerate(others)]
    changed += [with_entry(index, payload=entries[0].payload) for index in range(1, len(entries))]

    def report_on(bundle: Bundle, *, anew: bool) -> ProofReport:
        for kept in KEPT if anew else ():
            kept.cache_clear()
        return verify_event(encode_bundle(bundle), TRUST).report

    fresh = [report_on(bundle, anew=True) for bundle in changed]
    assert {report.verdict for report in fresh} <= {"tampered", "unverifiable"}
    assert report_on(GOOD, anew=True).verdict == "intact"
    hits = require_signed.cache_info().hits
    assert [report_on(bundle, anew=False) for bundle in changed] == fresh
    assert require_signed.cache_info().hits > hits


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("to", [None, Hash(bytes(32))])
@pytest.mark.parametrize("name", GOOD.nodes)
def test_paths_in_common_are_hashed_once_and_accept_nothing_more(name: str, to: Hash | None, order: int) -> None:
    """Whatever node is missing or another one: an entry is accepted just if its own proof leads to the root."""
    nodes = {place: node for place, node in GOOD.nodes.items() if place != name} | ({name: to} if to else {})
    bundle, checkpoint = replace(GOOD, nodes=nodes), LOG.checkpoint()
    held = HeldEntries(bundle, TRUST, checkpoint)

    def alone(entry: BundleEntry) -> None:
        proof = bundle.inclusion_proof(entry.index, checkpoint.size)
        verify_inclusion(entry.leaf, entry.index, checkpoint.size, proof, checkpoint.root)

    outcomes = [
        (refusal_by(held.require_included, entry), refusal_by(alone, entry)) for entry in bundle.entries[::order]
    ]
    assert [together for together, _ in outcomes] == [by_itself for _, by_itself in outcomes]
    assert any(together for together, _ in outcomes)


def refusal_by(check: Callable[[BundleEntry], None], entry: BundleEntry) -> str:
    try:
        check(entry)
    except (ProofRefused, NotChecked) as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize(
    "bundle", [GOOD, replace(LOG.bundle(REGISTERED, NOTE, payload=None), note="none"), replace(GOOD, nodes={})]
)
def test_verification_leaves_no_garbage(bundle: Bundle) -> None:
    """What was read of a bundle is free when its report is made, also where a step was not checked or failed."""
    data = encode_bundle(bundle)
    verify_event(data, TRUST)
    gc.collect()
    gc.disable()
    try:
        verify_event(data, TRUST)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_parts_that_were_accepted() -> None:
    """``verify_event`` hands on what was accepted, and nothing else."""
    good = verify_event(encode_bundle(GOOD), TRUST)
    assert (good.event, good.checkpoint) == (CASE.events[1].event, LOG.checkpoint())
    foreign_bundle = LOG.bundle(
        REGISTERED, NOTE.replace(ORIGIN, "other"), payload=Raw(LOG.events[FOUNDING].payload_bytes)
    )
    bad = verify_event(encode_bundle(foreign_bundle), TRUST)
    assert (bad.event, bad.checkpoint) == (None, None)


def test_withheld_section_is_named() -> None:
    """The label of a section that is not shown is told, the others are checked."""
    shown = {label: part for label, part in LOG.events[REGISTERED].sections.items() if label != "narrative"}
    step = verdict_of(LOG.bundle(REGISTERED, NOTE, sections=shown)).steps[8]
    assert (step.name, step.result, step.detail) == ("sections", "not_checked", "narrative withheld")


def cosigned(*times: tuple[int, int]) -> Bundle:
    return LOG.bundle(REGISTERED, LOG.note(witnesses=[(WITNESSES[number], time) for number, time in times]))


def test_quorum_and_its_time() -> None:
    """The time is when the quorum was reached, not when the first of it signed; beyond the calendar it is told in
    seconds."""
    bundle = cosigned((0, START + 90), (2, START + 80))
    report = verdict_of(bundle, naming(bundle, policy=TWO_OF_THREE, development=False))
    assert (report.verdict, results(report)["witnesses"]) == ("intact", "checked")
    assert report.proven_time == START + 90
    assert not report.development
    bundle = replace(cosigned((0, 2**62), (1, 2**62)), anchor=None)
    report = verdict_of(bundle, trust(TWO_OF_THREE))
    assert report.proven_time == 2**62
    assert str(2**62) in report.steps[11].detail

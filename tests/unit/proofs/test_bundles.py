"""``proofs.bundles``: bundles out of a real store, each of them verified by somebody who has only the trust file."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.encoding import canonical
from ledger.core.errors import Conflict, IntegrityBroken, NotFound, Unavailable
from ledger.core.events import Authority, Stream
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint, stated_checkpoint
from ledger.core.log.cose_receipts import parse_receipt
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import MapProof, decode_bundle
from ledger.core.verification.case import CaseReport, verify_case
from ledger.core.verification.heads import verify_absence
from ledger.core.verification.verify import verify_event
from ledger.procedures import shipped_procedures
from ledger.proofs import bundles
from ledger.proofs.bundles import Prover, StateSource, Withheld
from ledger.recording.head_maps import HeadMapKeeper
from ledger.store import log as stored_log
from ledger.store.checkpoints import PublishedCheckpoint, store
from ledger.workers.pool import TooCostly
from scripts.docs.chain_states import State
from tests.testkit.builders import POLICE, PROCURATORATE, analyst, clerk, section, supervisor
from tests.testkit.bundles import CHAIN, trust
from tests.testkit.casework import Case, registration
from tests.testkit.journals import PaperChain, anchor_present, prover_of
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_ledger, sqlite_url
from tests.testkit.supervision import Model

OFFICERS = (clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE))


def a_case() -> Case:
    case = Case().open().act(registration("phone"), sections={"narrative": section(), "description": section("other")})
    return case.offer("phone", to=PROCURATORATE).accept()


class Stand:
    """A ledger with one case, and a prover over it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.case = a_case()
        ledger.found(*OFFICERS)
        ledger.post_all(self.case.events)
        self.trust: Trust = trust(log_key=LOG_SIGNER.verifying_key)
        self.chain = PaperChain(ledger)
        self.prover = self.proving(self.chain)

    def proving(self, states: StateSource | None) -> Prover:
        """Returns a prover over the ledger that asks these states."""
        return prover_of(self.ledger, states, lambda: self.trust)

    def anchor(self, state: WriteState = WriteState.CONFIRMED) -> ChainWrite:
        """Anchors the present size in the journal, as the anchorer leaves it."""
        return anchor_present(self.ledger, state)

    def bundle(self, number: int = 1, withheld: Withheld | None = None) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.prover.bundle(self.event_id(number), withheld))
        return decoded

    def event_id(self, number: int) -> str:
        return self.case.events[number].envelope.event_id

    def verdict(self, bundle: dict[str, Any]) -> str:
        return verify_event(canonical.encode(bundle), self.chain.trusting(self.trust)).report.verdict

    def case_report(self, withheld: Withheld | None = None, **options: Any) -> CaseReport:
        bundle = self.prover.case_bundle("case-1", withheld)
        return verify_case(bundle, self.chain.trusting(self.trust), shipped_procedures(), **options)

    def size_of(self, bundle: dict[str, Any]) -> int:
        return stated_checkpoint(bundle["note"]).size

    def change(self, statement: str, **values: Any) -> None:
        """What somebody does behind the service's back."""
        with self.ledger.database.log.begin() as connection:
            connection.execute(text(statement), values)


def subject(bundle: dict[str, Any]) -> dict[str, Any]:
    """The entry that a bundle is about."""
    return next(entry for entry in bundle["entries"] if entry["index"] == bundle["event"])


def types_in(bundle: dict[str, Any]) -> set[str]:
    """The types of its entries."""
    return {entry["envelope"]["event_type"] for entry in bundle["entries"]}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A ledger on SQLite."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        yield Stand(ledger)


def test_not_anchored_yet(stand: Stand) -> None:
    """Before any anchor an entry is proven at the present size; then at the anchored one, by the state of a block that
    has the record."""
    bundle = stand.bundle()
    assert stand.verdict(bundle) == "not_yet_anchored"
    assert stand.size_of(bundle) == 9
    assert set(subject(bundle)["sections"]) == {"narrative", "description"}
    write = stand.anchor()
    bundle = stand.bundle()
    assert stand.verdict(bundle) == "intact"
    assert (bundle["anchor"]["number"], bundle["anchor"]["contract"]) == (1, CHAIN.anchor)
    report = verify_event(canonical.encode(bundle), stand.chain.trusting(stand.trust)).report
    assert report.record is not None
    assert (report.record.block_number, report.record.timestamp) == (write.block_number, write.block_time)


def test_record_that_no_state_proves(stand: Stand) -> None:
    """What the journal says alone is a claim, and no bundle has it: not yet anchored, at the anchored size."""
    stand.anchor()
    for source in (None, Mock(anchor=Mock(return_value=None))):  # none, and one that cannot be asked now
        stand.prover = stand.proving(source)
        bundle = stand.bundle()
        assert "anchor" not in bundle
        assert (stand.verdict(bundle), stand.size_of(bundle)) == ("not_yet_anchored", 9)


def test_later_entries_wait_for_the_next_anchor(stand: Stand) -> None:
    """Proofs of anchored entries stay at the anchored size; newer ones are at the present size until it is anchored."""
    stand.anchor()
    stand.ledger.post(stand.case.register("knife", by=clerk(PROCURATORATE)).last)
    old, new = stand.bundle(0), stand.bundle(4)
    assert (stand.size_of(old), stand.size_of(new)) == (9, 10)
    assert (stand.verdict(old), stand.verdict(new)) == ("intact", "not_yet_anchored")
    stand.anchor()
    again = stand.bundle(0)
    assert (stand.size_of(again), again["anchor"]["number"]) == (10, 2)


def test_only_a_final_anchor_on_a_chain_of_the_trust_file_counts(stand: Stand) -> None:
    """One that is mined alone leaves an entry as it is; before the trust file knows the contracts there is nothing to
    show."""
    stand.anchor(WriteState.MINED)
    assert stand.verdict(stand.bundle()) == "not_yet_anchored"
    stand.anchor()
    stand.trust = replace(stand.trust, chains=())
    assert stand.bundle().get("anchor") is None


def test_published_note_is_taken_verbatim(stand: Stand) -> None:
    """A published checkpoint may bear co-signatures: its very text is in the proof."""
    with stand.ledger.database.read() as connection:
        tree = stored_log.tree(connection)
    note = stand.ledger.publisher.checkpoint(tree.size, tree.root) + "— witness.example/w9 AAAAAAAA\n"
    store(stand.ledger.database, PublishedCheckpoint(tree.size, note, 1))
    assert stand.bundle()["note"] == note


@pytest.mark.parametrize(
    ("withheld", "verdict", "shown"), [("payload", "unverifiable", False), ("sections", "intact", True)]
)
def test_withheld(stand: Stand, withheld: Withheld, verdict: str, shown: bool) -> None:
    """What the reader may not see is left out, and the rest still verifies."""
    stand.anchor()
    bundle = stand.bundle(withheld=withheld)
    assert ("payload" in subject(bundle), "sections" in subject(bundle)) == (shown, False)
    assert stand.verdict(bundle) == verdict


def test_mirror_entry(stand: Stand) -> None:
    """An entry of the ledger itself has a bundle without a grant."""
    stand.anchor()
    event_id = stand.ledger.system_writer.events[0].envelope.event_id
    bundle = json.loads(stand.prover.bundle(event_id))
    assert len(bundle["entries"]) == 1
    assert stand.verdict(bundle) == "intact"


def test_key_revoked_since(stand: Stand) -> None:
    """A later revocation goes into the bundle, as soon as the tree head has it."""
    stand.anchor()
    stand.ledger.changes.revoke(clerk(POLICE))
    stand.ledger.mirror(stand.ledger.changes.bodies[-1])
    assert "registry.key_revoked" not in types_in(stand.bundle())
    stand.anchor()
    bundle = stand.bundle()
    assert "registry.key_revoked" in types_in(bundle)
    assert stand.verdict(bundle) == "intact"


def test_erased_section(stand: Stand) -> None:
    """Of an erased section the bundle has the entry that erased it, as soon as the tree head has that."""
    stand.anchor()
    order = Authority(authorization_type="court order", authorization_identifier="12")
    stand.case.erase(stand.case.events[1].ref, "narrative", supervisor(POLICE), authority=order)
    stand.ledger.post_all(stand.case.events[-2:])
    before = stand.bundle()
    assert ("section.erased" in types_in(before), set(subject(before)["sections"])) == (False, {"description"})
    stand.anchor()
    after = stand.bundle()
    assert "section.erased" in types_in(after)
    assert stand.verdict(after) == "intact"


def test_case(stand: Stand) -> None:
    """Flags and state follow from the bundle alone; all events are proven under one tree head, so that all wait for the
    newest."""
    stand.anchor()
    with stand.ledger.database.read() as connection:
        entries = [entry.envelope for entry in stored_log.entries(connection, 0, 9)]
    report = stand.case_report(entries=entries)
    assert report.verdict == "intact"
    assert {step.name for step in report.steps if step.result != "checked"} == {"witnesses", "end"}
    assert report.state == stand.case.state
    stand.anchor()
    stand.ledger.post(stand.case.register("knife", by=clerk(PROCURATORATE)).last)
    report = stand.case_report()
    assert [event.verdict for event in report.events] == ["not_yet_anchored"] * 5
    assert {event.subject.size for event in report.events} == {10}
    stand.anchor()
    assert stand.case_report().verdict == "intact"


def test_what_a_bundle_lacks(stand: Stand) -> None:
    """Without payloads order and signatures are shown still; what is not in the log has no proof."""
    report = stand.case_report("payload")
    assert (report.verdict, report.steps[6].result) == ("unverifiable", "checked")
    with pytest.raises(NotFound):
        stand.prover.bundle("01940000-0000-7000-8000-000000000000")
    with pytest.raises(NotFound):
        stand.prover.case_bundle("case-2")


def test_case_too_large_for_a_bundle(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused for its length, not as a broken store; without its sections it can be had."""
    whole, bare = len(stand.prover.case_bundle("case-1")), stand.prover.case_bundle("case-1", "sections")
    for limit in (whole - 1, len(bare)):
        monkeypatch.setattr(bundles, "MAX_BUNDLE_LENGTH", limit)
        with pytest.raises(TooCostly, match=str(limit)) as refusal:
            stand.prover.case_bundle("case-1")
        assert (refusal.value.code, refusal.value.field) == ("bundle_too_large", "withhold")
        assert stand.prover.case_bundle("case-1", "sections") == bare
    # Of one whose payloads are too many by themselves nothing is built: what they rest on is not looked at.
    monkeypatch.setattr(bundles, "MAX_BUNDLE_LENGTH", 1000)
    stand.change("DELETE FROM tiles")
    for withheld in (None, "sections"):
        with pytest.raises(TooCostly):
            stand.prover.case_bundle("case-1", withheld)


BROKEN = {
    "payload edited": ("UPDATE entries SET payload = :value WHERE log_index = 6", b'{"officer":"p-0417"}'),
    "payload that is no JSON": ("UPDATE entries SET payload = :value WHERE log_index = 6", b"{"),
    "envelope that is no JSON": ("UPDATE entries SET envelope = :value WHERE log_index = 6", b"}"),
    "section edited": (
        "UPDATE sections SET data = :value WHERE log_index = 6 AND label = 'narrative'",
        b'{"fields":{"text":"another story"},"salt":"00000000000000000000000000000000"}',
    ),
    "mirror entry edited": ("UPDATE entries SET payload = :value WHERE log_index = 0", b"{}"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_store(stand: Stand, name: str) -> None:
    """What was changed behind the service's back is not handed out as a proof: the entry is named."""
    statement, value = BROKEN[name]
    stand.bundle()
    stand.change(statement, value=value)
    with pytest.raises(IntegrityBroken) as caught:
        stand.bundle()
    assert caught.value.index == (0 if name == "mirror entry edited" else 6)
    with pytest.raises(IntegrityBroken):
        stand.prover.case_bundle("case-1")


def test_broken_tile(stand: Stand) -> None:
    """A root that only edited tiles lead to is never signed."""
    stand.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=bytes(9 * 32))
    with pytest.raises(IntegrityBroken, match="lead to the root"):
        stand.bundle()


def test_cose_receipt(stand: Stand) -> None:
    """Each entry has a receipt in the tree of any checkpoint that has it, by the log's key; the same each time."""
    note = stand.ledger.publisher.checkpoint(*tree_of(stand))
    stand.ledger.post_all(Case("case-2").open().events)
    size = stated_checkpoint(note).size
    for index in range(size):
        data = stand.prover.cose_receipt(index, note)
        assert data == stand.prover.cose_receipt(index, note)
        receipt = parse_receipt(data)
        head = receipt.verify(entry_at(stand, index), LOG_SIGNER.verifying_key)
        assert (receipt.index, head) == (index, stated_checkpoint(note))


def tree_of(stand: Stand) -> tuple[int, bytes]:
    with stand.ledger.database.read() as connection:
        tree = stored_log.tree(connection)
    return tree.size, tree.root


def entry_at(stand: Stand, index: int) -> bytes:
    with stand.ledger.database.read() as connection:
        return stored_log.entry(connection, index).envelope


def test_no_receipt_of_a_broken_store(stand: Stand) -> None:
    """The key signs no root of a note that it has not signed, and none to which the stored entry does not lead."""
    size, root = tree_of(stand)
    note = stand.ledger.publisher.checkpoint(size, root)
    for wrong_root in (b64encode(bytes(32)), b64encode(root)[:-4] + b"AAA="):
        with pytest.raises(IntegrityBroken, match="entry 6"):
            stand.prover.cose_receipt(6, note.replace(b64encode(root).decode(), wrong_root.decode()))
    own = SeedSigner.from_seed(LOG_SIGNER.verifying_key.name, bytes(32))
    with pytest.raises(IntegrityBroken, match="no signature"):
        stand.prover.cose_receipt(6, sign_checkpoint(Checkpoint(own.verifying_key.name, size, Hash(root)), own))
    stand.change("UPDATE entries SET envelope = :value WHERE log_index = 6", value=entry_at(stand, 5))
    with pytest.raises(IntegrityBroken, match="entry 6"):
        stand.prover.cose_receipt(6, note)
    stand.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=bytes(9 * 32))
    with pytest.raises(IntegrityBroken, match="entry 5"):
        stand.prover.cose_receipt(5, note)


def test_anchor_of_another_history(stand: Stand) -> None:
    """Where the journal's anchor has another root than the tiles, no proof is made under it."""
    write = stand.anchor()
    assert write.anchored is not None
    stand.change("UPDATE chain_writes SET anchored_root = :value", value=bytes(32))
    with pytest.raises(IntegrityBroken):
        stand.bundle()


def test_anchor_above_the_log(stand: Stand) -> None:
    """An anchor of a size that this database does not have is left out: it was rolled back."""
    stand.anchor()
    stand.change("UPDATE chain_writes SET anchored_size = :value", value=99)
    assert stand.verdict(stand.bundle()) == "not_yet_anchored"


def test_source_of_the_anchor_is_free(stand: Stand) -> None:
    """Any source of anchors serves; what it says is verified before it is handed out."""
    stand.anchor()
    others = State(CHAIN, 12, 36).record(1, bytes(32), 9, 6, 1).has()
    wrong = Mock(anchor=lambda recorded, key_ids: others.proving(recorded.number, *key_ids))
    with pytest.raises(IntegrityBroken, match="step 5"):
        stand.proving(wrong).bundle(stand.event_id(0))


# -- head maps ---------------------------------------------------------------------------------------------------------


def mapped(stand: Stand, *, anchored: bool = True) -> HeadMapKeeper:
    """The log commits to its map, and anchors the tree that ends with the commitment."""
    keeper = HeadMapKeeper(stand.ledger.database, stand.ledger.system)
    keeper.before_anchor(0)
    if anchored:
        stand.anchor()
    return keeper


def place_of(bundle: bytes) -> MapProof:
    place = decode_bundle(bundle).map
    assert isinstance(place, MapProof)
    return place


def test_a_case_is_shown_with_its_place_in_the_map(stand: Stand) -> None:
    """Whoever trusts the witnesses of the tree knows by it that the case is whole; without them it is our own word."""
    mapped(stand)
    bundle = stand.prover.case_bundle("case-1")
    assert (place_of(bundle).index, place_of(bundle).leaf.count) == (9, len(stand.case.events))  # type: ignore[union-attr]
    report = stand.case_report()
    assert (report.verdict, report.completeness.result) == ("intact", "not_checked")
    assert "own word" in report.completeness.detail


def test_a_bundle_is_shown_with_the_map_of_its_tree(stand: Stand) -> None:
    """Not with a later one: of the tree that is anchored the map is in it. Events since are in the next."""
    keeper = mapped(stand)
    stand.ledger.post(stand.case.register("knife", by=clerk(PROCURATORATE)).last)
    keeper.before_anchor(10)
    bundle = stand.prover.case_bundle("case-1")
    assert place_of(bundle).index == 11
    assert place_of(stand.prover.absence(Stream(kind="case", id="case-9"))).index == 9
    stand.anchor()
    assert place_of(stand.prover.absence(Stream(kind="case", id="case-9"))).index == 11


def test_a_stream_of_which_a_part_is_shown_has_no_place(stand: Stand) -> None:
    """The package of a version says nothing of the versions after it: the map would contradict it."""
    stand.ledger.mirror(stand.ledger.changes.grant(analyst(PROCURATORATE)).bodies[-1])
    model = Model().published().published()
    for event in model.events:
        stand.ledger.post(event)
    mapped(stand)
    first, second = (stand.prover.package(event.envelope.event_id) for event in model.events)
    assert decode_bundle(first).map is None
    assert place_of(second).leaf.count == 2  # type: ignore[union-attr]


def test_an_absence_is_shown_by_a_small_file(stand: Stand) -> None:
    """One entry, its path, the place in the map and the anchor; the payload is not needed."""
    mapped(stand)
    stream = Stream(kind="case", id="case-9")
    bundle = stand.prover.absence(stream)
    report = verify_absence(bundle, stand.chain.trusting(stand.trust))
    assert (report.verdict, report.stream, report.size) == ("intact", stream, 9)
    (entry,) = decode_bundle(bundle).entries
    assert (entry.index, entry.payload) == (9, None)


def test_an_absence_is_not_given_of_what_is_there(stand: Stand) -> None:
    """Also where the map does not have it yet: it would be true, and misleading."""
    mapped(stand)
    stand.ledger.post(Case("case-2").open().last)
    for case_id in ("case-1", "case-2"):
        with pytest.raises(Conflict) as refused:
            stand.prover.absence(Stream(kind="case", id=case_id))
        assert refused.value.code == "stream_exists"


def test_before_the_first_map_there_is_nothing_to_show(stand: Stand) -> None:
    """The bundle of a case does without; an absence has to wait."""
    stand.anchor()
    assert decode_bundle(stand.prover.case_bundle("case-1")).map is None
    with pytest.raises(Unavailable) as refused:
        stand.prover.absence(Stream(kind="case", id="case-9"))
    assert refused.value.code == "no_head_map"


@pytest.mark.parametrize("statement", ["DELETE FROM map_pages", "DELETE FROM meta WHERE name = 'head_map'"])
def test_a_map_that_is_not_kept_shows_nothing(stand: Stand, statement: str) -> None:
    """Until it is made again, bundles do without it."""
    mapped(stand)
    stand.change(statement)
    assert decode_bundle(stand.prover.case_bundle("case-1")).map is None
    with pytest.raises(Unavailable):
        stand.prover.absence(Stream(kind="case", id="case-9"))

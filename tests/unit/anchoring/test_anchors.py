"""Anchoring: what is published goes to the chain, as a continuation of what is there, and is proven by its states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from ledger.anchoring import state_proofs
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.state_proofs import StateProofs
from ledger.chain.contract_clients import AnchorClient
from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import AccountProof, BlockRef, Eth
from ledger.chain.journal import AnchoredHead, ChainWrite, WriteState
from ledger.chain.transaction import Transaction
from ledger.chain.writer import ChainBackend
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import IntegrityBroken, ProofRefused, Unavailable
from ledger.core.ethereum.block_headers import read_header
from ledger.core.events.record import AccessSealed
from ledger.core.log.head_map import MAPPED
from ledger.core.trust.trust_file import Trust, TrustedBlock
from ledger.core.verification.bundle import Anchor
from ledger.core.verification.contract_storage import ContractStates
from ledger.core.verification.report import ProofReport
from ledger.core.verification.verify import verify_event
from ledger.proofs.bundles import Prover, RecordedHead
from ledger.recording.head_maps import HeadMapKeeper
from ledger.store import chain_journal, log
from ledger.store import chain_journal as journals
from ledger.store.chain_journal import DatabaseJournal
from ledger.timeline.anchored_sizes import LATE_AFTER_S, AnchoredSizes, stages
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, auditor, clerk, supervisor
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import results
from tests.testkit.journals import anchor_write, prover_of
from tests.testkit.ledger_with_chain import Linked, linked_ledger
from tests.testkit.ledgers import LOG_SIGNER, open_ledger


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    """A linked ledger whose registry is mirrored, and one clerk's key in it."""
    with linked_ledger(tmp_path) as ledger:
        ledger.grant(clerk(POLICE))
        ledger.mirror.catch_up(ledger.final)
        yield ledger


def grow(linked: Linked, case_id: str) -> None:
    """One more entry, published."""
    linked.ledger.post(Case(case_id, start=linked.clock.seconds - 600).open().last)
    linked.clock.forward(2)
    assert linked.publish() is not None


def test_published_checkpoints_are_anchored(linked: Linked) -> None:
    """The contract has the log's size and root, and checks itself that each anchor continues the one before. Only what
    is published is anchored, once, and not before the interval is over; the next is prepared meanwhile."""
    prepared: list[bool] = []
    linked.prepare = lambda: prepared.append(True)
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    linked.publish()
    for number in range(1, 4):
        write = linked.anchorer.step()
        assert isinstance(write, ChainWrite)
        assert write.state is WriteState.CONFIRMED
        with linked.ledger.database.read() as connection:
            tree = log.tree(connection)
        head = linked.anchors.now().head()
        assert (head.number, head.size, head.root) == (number, tree.size, tree.root)
        assert linked.anchorer.step() is WaitReason.NOTHING_NEW
        grow(linked, f"case-{number}")
        assert linked.anchorer.step() is WaitReason.TOO_SOON
        assert len(prepared) == number
        linked.clock.forward(2 * linked.interval_s)


def mapped(linked: Linked) -> Linked:
    """The ledger, which commits to its head map before an anchor."""
    linked.complete = HeadMapKeeper(linked.ledger.database, linked.ledger.system).before_anchor
    return linked


def test_a_tree_is_anchored_that_ends_with_the_map_of_all_before(linked: Linked) -> None:
    """First the map is appended, then the tree that has it is published and anchored; it is the last entry."""
    mapped(linked).publish()
    assert linked.anchorer.step() is WaitReason.TOO_SOON
    assert linked.anchorer.step() is WaitReason.TOO_SOON
    linked.clock.forward(2)
    linked.publish()
    assert isinstance(linked.anchorer.step(), ChainWrite)
    size = linked.anchors.now().head().size
    with linked.ledger.database.read() as connection:
        last = log.last_system_entry(connection, MAPPED)
        assert last is not None
        assert last.log_index == size - 1 == log.tree(connection).size - 1


def test_an_idle_ledger_stays_idle(linked: Linked) -> None:
    """Maps and seals alone are not anchored, however long it takes; with the next act they are."""
    mapped(linked).publish()
    linked.anchorer.step()
    linked.clock.forward(2)
    linked.publish()
    assert isinstance(linked.anchorer.step(), ChainWrite)
    anchored = linked.anchors.now().head().size
    for _ in range(3):
        linked.ledger.system.append(AccessSealed(count=0, head="sha256:" + "a5" * 32))
        linked.clock.forward(2 * linked.interval_s)
        linked.publish()
        assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    grow(linked, "case-1")
    assert linked.anchorer.step() is WaitReason.TOO_SOON
    linked.clock.forward(2)
    linked.publish()
    assert isinstance(linked.anchorer.step(), ChainWrite)
    assert linked.anchors.now().head().size == anchored + 3 + 2


def test_of_two_services_that_anchor_at_once_one_waits(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another service on the same ledger is first: that is no fault, and the tree is anchored once."""
    linked.publish()
    writer = replace(linked.writer)
    rival = replace(linked, writer=writer, anchors=AnchorClient(deployment=linked.deployment, writer=writer))
    prepare = linked.writer.prepare

    def overtaken(*asked: Any, **options: Any) -> Transaction:
        prepared = prepare(*asked, **options)
        assert isinstance(rival.anchorer.step(), ChainWrite)
        return prepared

    with monkeypatch.context() as patch:
        patch.setattr(linked.writer, "prepare", overtaken)
        assert linked.anchorer.step() is WaitReason.IN_FLIGHT
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    assert linked.anchors.now().head().number == 1


def test_a_clock_that_was_set_back_does_not_stop_anchoring(linked: Linked) -> None:
    """The last anchor lies in the future by this clock: that is no reason to wait for a day."""
    linked.clock.forward(86_400)
    linked.publish()
    linked.anchorer.step()
    linked.clock.forward(-86_400)
    grow(linked, "case-1")
    assert isinstance(linked.anchorer.step(), ChainWrite)


def test_nothing_is_anchored_while_the_mirror_lags(linked: Linked) -> None:
    """A revocation on the chain blocks anchoring until the log has it, and a checkpoint that has it is published."""
    linked.publish()
    linked.revoke(clerk(POLICE))
    assert linked.anchorer.step() is WaitReason.MIRROR_LAGS
    linked.mirror.catch_up(linked.final)
    assert linked.anchorer.step() is WaitReason.MIRROR_LAGS
    linked.clock.forward(2)
    linked.publish()
    assert isinstance(linked.anchorer.step(), ChainWrite)


def test_a_log_whose_history_was_changed_is_not_anchored(linked: Linked) -> None:
    """Where the chain has another root at its size than the log, nothing is sent and the two roots are told."""
    linked.publish()
    linked.anchorer.step()
    linked.clock.forward(2 * linked.interval_s)
    grow(linked, "case-1")
    with linked.ledger.database.write() as connection:
        hashes = connection.execute(text("SELECT hashes FROM tiles WHERE level = 0")).scalar_one()
        connection.execute(text("UPDATE tiles SET hashes = :new"), {"new": b"\x01" * 32 + hashes[32:]})
    with pytest.raises(IntegrityBroken) as broken:
        linked.anchorer.step()
    assert linked.anchors.now().head().root.hex() in str(broken.value)
    assert linked.anchors.now().head().number == 1


def test_a_log_that_was_shortened_beside_its_journal_is_found_before_anything_is_anchored(linked: Linked) -> None:
    """There is nothing new to anchor, so only the look at connecting finds it; a log as it was passes that look."""
    linked.publish()
    linked.anchorer.step()
    linked.anchorer.require_one_history()
    with linked.ledger.database.write() as connection:
        connection.execute(text("UPDATE tree SET size = 3"))
    assert linked.anchorer.step() is WaitReason.NOTHING_NEW
    with pytest.raises(IntegrityBroken, match="has 3 entries"):
        linked.anchorer.require_one_history()


# -- proofs of state ---------------------------------------------------------------------------------------------------


LATE = auditor(COURT)
OFFICERS = (clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE))


class Stand:
    """A linked ledger with a case, and a prover over it."""

    def __init__(self, linked: Linked) -> None:
        self.linked = linked
        self.case = Case(start=linked.clock.seconds - 600).open()
        self.states = linked.states
        self.contracts = linked.deployment.trusted_chain(0)
        self.trust: Trust = trust(log_key=LOG_SIGNER.verifying_key, chains=(self.contracts,))

    def found(self) -> Stand:
        for officer in OFFICERS:
            self.linked.grant(officer)
        self.linked.mirror.catch_up(self.linked.final)
        return self

    def anchor(self) -> ChainWrite:
        self.linked.clock.forward(11)
        self.linked.publish()
        write = self.linked.anchorer.step()
        assert isinstance(write, ChainWrite)
        return write

    @property
    def prover(self) -> Prover:
        return prover_of(self.linked.ledger, self.states, lambda: self.trust)

    def report(self, number: int = 0) -> ProofReport:
        bundle = self.prover.bundle(self.case.events[number].envelope.event_id)
        block = verify_event(bundle, self.trust).report.block
        blocks = (TrustedBlock(block.number, block.hash),) if block else ()
        chains = (msgspec.structs.replace(self.contracts, trusted_blocks=blocks),)
        return verify_event(bundle, msgspec.structs.replace(self.trust, chains=chains)).report


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with linked_ledger(tmp_path) as linked:
        yield Stand(linked).found()


@pytest.fixture
def anchored(stand: Stand) -> Stand:
    """The case is recorded and anchored."""
    stand.linked.ledger.post_all(stand.case.events)
    stand.anchor()
    return stand


@pytest.fixture
def proven(anchored: Stand) -> Stand:
    """The anchor is proven by the state of a final block."""
    anchored.states.step(anchored.contracts)
    return anchored


def away() -> ChainBackend:
    raise Unavailable("the chain is away")


class Hanging:
    """A chain that takes the question and does not answer before it is let go."""

    def __init__(self) -> None:
        self.let_go = Event()
        self.was_awaited = False

    def __call__(self) -> ChainBackend:
        self.was_awaited = not self.let_go.wait(60)
        raise Unavailable("the chain did not answer")


def chainless(stand: Stand) -> StateProofs:
    """What the database alone can prove."""
    return StateProofs(stand.linked.ledger.database, stand.linked.journal, away)


def open_checks(report: ProofReport) -> set[str]:
    return {name for name, result in results(report).items() if result != "checked"}


def test_bundle_ends_in_a_block_hash(anchored: Stand) -> None:
    """What an anchor covers is proven by the state of a final block, down to the key's slots: also when the chain is
    gone, by what was fetched with the anchor. A second step asks for nothing."""
    write = anchored.linked.journal.last_anchor()
    assert write is not None
    anchored.states.step(anchored.contracts)
    for states in (anchored.states, chainless(anchored)):
        anchored.states = states
        states.step(anchored.contracts)
        report = anchored.report()
        assert (report.verdict, open_checks(report)) == ("intact", {"witnesses"})
        assert report.block is not None
        assert report.block.hash == "0x" + anchored.linked.final.hash.hex()
        assert report.proven_time == write.timestamp


def test_earlier_keys_at_later_anchors(proven: Stand) -> None:
    """A key that signed long ago is proven at the newest anchor without asking, the registry being as it was."""
    proven.linked.ledger.post(proven.case.register("phone", by=supervisor(POLICE)).last)
    proven.anchor()
    proven.states.step(proven.contracts)
    proven.states = chainless(proven)
    report = proven.report()
    assert (report.subject.size, open_checks(report)) == (9, {"witnesses"})
    assert "record 2 is this tree head" in report.steps[4].detail


def test_key_revoked_before_the_last_anchors(proven: Stand) -> None:
    """What a key signed before its revocation stays proven: by the first record after that, which is fetched once."""
    proven.linked.revoke(clerk(POLICE))
    proven.linked.mirror.catch_up(proven.linked.final)
    for number in range(2, 5):
        proven.anchor()
        proven.states.step(proven.contracts)
        for states in (proven.states, chainless(proven)):
            proven.states, asking = states, proven.states
            report, anchor = proven.report(), states.anchor(recorded(proven), [clerk(POLICE).key_id])
            proven.states = asking
            assert (report.verdict, open_checks(report)) == ("intact", {"witnesses"})
            assert "above this one" in report.steps[10].detail
            assert anchor is not None
            assert anchor.revocations == ({} if number == 2 else {clerk(POLICE).key_id: 2})
        proven.linked.ledger.post(proven.case.register(f"phone-{number}", by=supervisor(POLICE)).last)


def recorded(stand: Stand) -> RecordedHead:
    latest = stand.prover.latest_anchor()
    assert latest is not None
    return latest


def proof_of(stand: Stand, states: StateProofs, key_id: str | None = LATE.key_id) -> Anchor:
    """What proves the newest record and the key's grant, which must be had."""
    anchor = states.anchor(recorded(stand), [key_id] if key_id else [])
    assert anchor is not None
    assert key_id is None or proves(stand, anchor, key_id)
    return anchor


def proves(stand: Stand, anchor: Anchor | None, key_id: str) -> bool:
    """Whether the anchor has the registry's slots of a key."""
    assert anchor is not None
    nodes = {keccak256(node): node for node in (bytes.fromhex(text[2:]) for text in anchor.state)}
    root = read_header(bytes.fromhex(anchor.header[2:])).state_root
    try:
        ContractStates(root, recorded(stand).contracts, nodes.__getitem__).grant(key_id)
    except KeyError:
        return False
    return True


def block_of(anchor: Anchor) -> int:
    return read_header(bytes.fromhex(anchor.header[2:])).number


def test_key_whose_slots_are_not_kept(proven: Stand) -> None:
    """It is asked for when a bundle needs it, at the block of before; while the chain is away there is none."""
    second_case = Case("case-9", start=proven.linked.clock.seconds - 600).open(clerk(PROCURATORATE))
    assert second_case.last.envelope.key_id != proven.case.events[0].envelope.key_id
    kept = proof_of(proven, chainless(proven), clerk(POLICE).key_id)
    proven.linked.grant(LATE)
    assert not proves(proven, chainless(proven).anchor(recorded(proven), [LATE.key_id]), LATE.key_id)
    asked = proof_of(proven, proven.states)
    assert block_of(asked) == block_of(kept)
    assert proof_of(proven, chainless(proven)) == asked


def test_block_note_goes_out_with_the_proof(proven: Stand) -> None:
    """What witnesses have signed of the block is in each bundle that ends in it, and is gone where the block is."""
    database = proven.linked.ledger.database
    with database.read() as connection:
        newest = chain_journal.proven_block(connection)
    assert newest is not None
    chain_journal.keep_block_note(database, newest, "a note")
    for key_id in (clerk(POLICE).key_id, None):
        assert proof_of(proven, chainless(proven), key_id).block_note == "a note"
    proven.linked.grant(LATE)
    assert proof_of(proven, proven.states).block_note == "a note"


def test_block_whose_state_is_gone(proven: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has let go of the state of before is asked for that of the newest final block."""
    proven.linked.grant(LATE)
    final, proof = proven.linked.final, Eth.proof

    def pruned(eth: Eth, address: str, slots: Sequence[bytes], at: BlockRef) -> AccountProof:
        if at.number < final.number:
            raise ChainUnavailable("missing trie node")
        return proof(eth, address, slots, at)

    monkeypatch.setattr(Eth, "proof", pruned)
    assert block_of(proof_of(proven, proven.states)) == final.number


def test_reader_does_not_wait_for_a_chain_that_hangs(proven: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """He gets a bundle without an anchor while the question stands open, and the next reader does not even ask."""
    monkeypatch.setattr(state_proofs, "PATIENCE_S", 0.05)
    hanging = Hanging()
    states = StateProofs(proven.linked.ledger.database, proven.linked.journal, hanging)
    try:
        for _ in range(2):
            assert not proves(proven, states.anchor(recorded(proven), [LATE.key_id]), LATE.key_id)
    finally:
        hanging.let_go.set()
    assert not hanging.was_awaited


def test_what_is_not_proven_for_one_reader_holds_up_no_other(anchored: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the chain does not prove is not asked for again at once; another is, and so are new anchors."""
    anchored.linked.grant(LATE)
    unproven, take, asked = clerk(COURT).key_id, StateProofs._take, list[str]()

    def refusing(states: StateProofs, recorded: RecordedHead, keys: Iterable[str], at: BlockRef) -> None:
        asked.extend(keys)
        if unproven in keys:
            raise ProofRefused("the node is not here", field="proof")
        take(states, recorded, keys, at)

    monkeypatch.setattr(StateProofs, "_take", refusing)
    for _ in range(2):
        assert anchored.states.anchor(recorded(anchored), [unproven]) is None
    assert asked == [unproven]
    assert anchored.states.anchor(recorded(anchored), [LATE.key_id]) is not None
    anchored.states.step(anchored.contracts)
    assert not anchored.linked.journal.unproven_anchors(10)


def test_anchor_that_moved_to_another_block(stand: Stand) -> None:
    """After a reorganisation the kept state is that of a block that is gone: it is fetched anew."""
    stand.linked.ledger.post_all(stand.case.events)
    write = stand.anchor()
    stand.states.step(stand.contracts)
    stand.linked.journal.update(replace(write, block_hash=bytes(32)))
    assert [anchor.number for anchor in stand.linked.journal.unproven_anchors(10)] == [write.number]
    stand.linked.journal.update(write)
    assert not stand.linked.journal.unproven_anchors(10)


@pytest.mark.parametrize("damage", ["UPDATE trie_nodes SET node = :junk", "DELETE FROM trie_nodes"])
def test_kept_nodes_that_were_damaged(proven: Stand, damage: str) -> None:
    """A node that is not what its name says is asked for again, and no bundle fails for it."""
    with proven.linked.ledger.database.write() as connection:
        connection.execute(text(damage), {"junk": b"junk"} if "junk" in damage else {})
    kept, proven.states = proven.states, chainless(proven)
    report = proven.report()
    assert (report.verdict, results(report)["block"]) == ("not_yet_anchored", "not_checked")
    proven.states = kept
    assert open_checks(proven.report()) == {"witnesses"}
    proven.states = chainless(proven)
    assert open_checks(proven.report()) == {"witnesses"}


# -- how far the log is anchored ---------------------------------------------------------------------------------------


def anchor(number: int, size: int, state: WriteState = WriteState.CONFIRMED, time: int | None = 0) -> ChainWrite:
    """An anchor of this size in the block of time ``1000 + number``; None where that is not known."""
    head = AnchoredHead(size, b"\x01" * 32, b"\x02" * 32)
    return anchor_write(number, head, state, block_time=None if time is None else 1000 + number)


ANCHORS = (
    anchor(1, 4),
    anchor(2, 9),
    anchor(3, 11, time=None),
    anchor(4, 12, WriteState.MINED, time=None),
    anchor(5, 15, WriteState.SIGNED, time=None),
    anchor(6, 40, WriteState.STALE, time=None),
)


def test_an_entry_is_proven_by_the_earliest_final_block_whose_size_has_it(
    each_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A size of n has the entries below n; a later anchor proves less of their time. Mined and submitted are told as
    such, a stale anchor is none, and a block whose time is not known tells none: no later block is named for it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(clerk(POLICE)).post_all(Case().open().register(*(f"thing-{n}" for n in range(16))).events)
        journal = DatabaseJournal(ledger.database)
        sizes = AnchoredSizes(journal)
        nothing = (sizes.of(0), sizes.size("confirmed"), sizes.proven_at([0]), sizes.proven_at([]))
        assert nothing == ("unanchored", 0, {}, {})
        for write in ANCHORS:
            journal.append(write)
        sizes = AnchoredSizes(journal)
        states = ["confirmed", "confirmed", "mined", "submitted", "unanchored"]
        assert [sizes.of(index) for index in (8, 10, 11, 12, 15)] == states
        times = dict.fromkeys(range(4), 1001) | dict.fromkeys(range(4, 9), 1002)
        assert sizes.proven_at(range(16)) == times
        monkeypatch.setattr(journals, "_PAGE", 3)  # a statement takes so many parameters and no more
        assert sizes.proven_at(range(16)) == times
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE chain_writes SET state = 'confirmed' WHERE number = 4"))
        # What was made before an anchor is told of the sizes of then; who asks anew is told of those of now.
        assert (sizes.of(11), AnchoredSizes(journal).of(11)) == ("mined", "confirmed")


def test_a_stage_on_the_chain_says_until_when_waiting_is_usual(linked: Linked) -> None:
    """The first that is not reached: ten minutes from the recording on, and from then on it is late."""
    grow(linked, "case-1")
    with linked.ledger.database.read() as connection:
        (entry, *_) = log.stream(connection, "case", "case-1")
        due_at = entry.recorded_at // 1000 + LATE_AFTER_S
        for state, of in (
            ("unanchored", "anchored"),
            ("submitted", "anchored"),
            ("mined", "final"),
            ("confirmed", None),
        ):
            for late in (0, 1):
                now = (due_at + late) * 1000
                waiting = [
                    (stage.name, stage.due_at, stage.is_late)
                    for stage in stages(connection, entry, state, None, now)
                    if stage.due_at is not None
                ]
                assert waiting == ([(of, due_at, late == 1)] if of else [])

"""What witnesses sign for the chain: anchors, which the real contract counts, and the blocks that prove them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.anchoring.anchors import WaitReason
from ledger.chain import contract
from ledger.chain.contract import Approval, ContractDomain, decision_digest
from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.ethereum.contract_changes import CHANGE_KINDS, ContractChange
from ledger.core.events import registry
from ledger.core.trust.block_notes import verify_block_note
from ledger.i18n import translate
from ledger.recording.head_maps import HeadMapKeeper
from ledger.store import chain_journal, log
from ledger.store.chain_journal import ProvingHeader
from ledger.witness.gathering import quorum, witnesses
from ledger.witness.gathering.vouching import Voucher, statement_of
from tests.testkit.builders import COURT, LOG_ID, POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES, Linked, admin, linked_ledger, small_witness
from tests.testkit.witness_server import Reply, SmallWitness, policy_of, serving, serving_all
from tests.unit.witness.stand import trust_of


@dataclass
class Ring:
    """A ledger whose contract asks for two of three witnesses, and the three."""

    linked: Linked
    police: SmallWitness
    procuratorate: SmallWitness
    court: SmallWitness
    cases: int = 0

    def configure(self, *witnesses: SmallWitness) -> None:
        self.linked.witnesses[:] = [witness.configured for witness in witnesses]

    def grow(self) -> None:
        """One more entry, published and shown to the witnesses."""
        case = Case(f"case-{self.cases}", start=self.linked.clock.seconds - 600).open()
        self.cases += 1
        self.linked.ledger.post(case.last)
        self.publish()

    def publish(self) -> None:
        self.linked.clock.forward(2 * self.linked.interval_s)
        assert self.linked.publish() is not None
        self.linked.collector.step()

    def published(self) -> int:
        with self.linked.ledger.database.read() as connection:
            return log.tree(connection).size

    def mirror(self) -> None:
        self.linked.mirror.catch_up(self.linked.final)

    def decide(self, kind: type[registry.RegistryChange], **fields: object) -> None:
        """A majority decides; mined, not mirrored yet."""
        change = ContractChange(CHANGE_KINDS[kind], **fields)  # type: ignore[arg-type]
        linked = self.linked
        number = linked.anchors.now().registry_state().decision_count + 1
        domain = ContractDomain(LOG_ID, linked.chain.chain_id, linked.registry.address)
        digest = decision_digest(domain, number, change)
        deciding = map(admin, AGENCIES[:2])
        linked.registry.submit(contract.decide(change, [Approval(key.key_id, key.sign(digest)) for key in deciding]))

    def waits(self) -> str:
        """What the next step says that it waits for: it must be the quorum."""
        anchorer = self.linked.anchorer
        assert anchorer.step() is WaitReason.QUORUM_MISSING
        assert anchorer.detail is not None
        return anchorer.detail

    def anchors(self) -> ChainWrite:
        """The next step anchors."""
        write = self.linked.anchorer.step()
        assert isinstance(write, ChainWrite), write
        assert write.state is WriteState.CONFIRMED
        return write


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let witnesses take their time: what is tested is who co-signs, not how fast they do on a busy machine."""
    monkeypatch.setattr(witnesses, "ANSWER_WITHIN_S", 60.0)


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """The registry is mirrored, a key granted, all three witnesses configured; who refused is asked again at once."""
    monkeypatch.setattr(witnesses, "FIRST_PAUSE_S", 0.0)
    with linked_ledger(tmp_path, quorum=2) as linked, serving_all(*map(small_witness, AGENCIES)) as servers:
        by_agency = dict(zip(AGENCIES, servers, strict=True))
        bench = Ring(linked, by_agency[POLICE], by_agency[PROCURATORATE], by_agency[COURT])
        bench.configure(*servers)
        linked.policy = policy_of(2, *servers)
        linked.grant(clerk(POLICE))
        bench.mirror()
        yield bench


def test_an_anchor_carries_the_co_signatures_of_a_quorum(ring: Ring) -> None:
    """Two suffice of three; the contract, which is not for development, takes it; so for the next."""
    for number in range(2):
        ring.grow()
        ring.anchors()
        assert ring.linked.anchors.now().head().number == number + 1


def test_a_quorum_under_a_tree_without_the_map_is_not_enough(ring: Ring) -> None:
    """What is anchored ends with the map: the witnesses have to co-sign that tree, too."""
    ring.linked.complete = HeadMapKeeper(ring.linked.ledger.database, ring.linked.ledger.system).before_anchor
    ring.grow()
    assert ring.linked.anchorer.step() is WaitReason.TOO_SOON
    ring.linked.clock.forward(2)
    ring.linked.publish()
    assert "have co-signed a newer checkpoint" in ring.waits()
    ring.linked.collector.step()
    ring.anchors()
    assert ring.linked.anchors.now().head().size == ring.published()


def test_without_a_quorum_under_a_checkpoint_anchors_wait_and_the_reason_is_told(ring: Ring) -> None:
    """Before the witnesses have seen what is published, nobody is asked to co-sign an anchor."""
    ring.linked.clock.forward(20)
    ring.linked.publish()
    assert "fewer than 2 of the contract's witnesses have co-signed" in ring.waits()
    refusal = b'{"detail": "here block 2 is the last final one", "hint": "Finality here: under 12 blocks"}'
    ring.court.spoil = ring.police.spoil = lambda _: Reply(503, refusal)
    ring.linked.collector.step()
    reason = "the witness answers 503: here block 2 is the last final one. Finality here: under 12 blocks"
    assert f"{ring.court.name}: {reason}" in ring.waits()
    ring.court.spoil = ring.police.spoil = None
    ring.linked.collector.step()
    ring.anchors()


def test_too_few_witnesses_in_the_file_is_told(ring: Ring) -> None:
    """The operator learns that the file is short."""
    ring.configure(ring.police)
    ring.grow()
    assert "witnesses.toml names 1 of its 3 witnesses" in ring.waits()


def test_a_witness_that_will_not_co_sign_the_anchor_is_named_and_another_takes_its_place(ring: Ring) -> None:
    """With one refusing two are left; with two refusing the anchor waits, and goes on once one signs again."""
    ring.grow()
    ring.court.spoil = ring.police.spoil = lambda _: Reply(503, b'{"detail": "the chain lags"}')
    reason = ring.waits()
    assert "1 of 2 co-signatures for the contract" in reason
    assert "witness-" in reason
    assert "503: the chain lags" in reason
    assert "合约所需的 2 个联署已有 1 个" in translate(reason, "zh-CN")
    asked = ring.procuratorate.asked.count("/cosign-anchor")
    ring.police.spoil = None
    ring.anchors()
    assert ring.procuratorate.asked.count("/cosign-anchor") == asked == 1, "who has signed is not asked again"


def test_a_co_signature_that_does_not_hold_never_reaches_the_contract(ring: Ring) -> None:
    """It is checked here as the contract would: one bad answer costs that witness, not the anchor."""
    police, court = ring.police.cosign_anchor, ring.court.cosign_anchor

    def of_another_root(body: bytes) -> Reply:
        return police(json.dumps(json.loads(body) | {"root": "0x" + "11" * 32}).encode())

    answers = [court, of_another_root, *(lambda _, body=body: Reply(200, body) for body in (b"{}", b"<html>"))]
    for answer in answers:
        ring.grow()
        ring.police.cosign_anchor = answer  # type: ignore[method-assign]
        ring.anchors()
    ring.grow()
    ring.court.cosign_anchor = police  # type: ignore[method-assign]
    assert "1 of 2 co-signatures" in ring.waits()


def test_foreign_witnesses_count_for_the_policy_alone(ring: Ring) -> None:
    """A witness without an account is never asked for the contract; the policy may ask for it all the same."""
    with serving(SmallWitness("foreign", ring.police.log_key, LOG_ID)) as foreign:
        ring.linked.policy = policy_of(3, ring.police, ring.procuratorate, foreign)
        ring.configure(ring.police, ring.procuratorate, ring.court)
        ring.grow()
        assert "fewer than 2" in ring.waits()
        ring.linked.witnesses.append(foreign.foreign)
        ring.linked.collector.step()
        ring.anchors()
        assert "/cosign-anchor" not in foreign.asked


def test_a_replaced_witness_does_not_count_any_more_and_its_successor_does(ring: Ring) -> None:
    """A majority sets another account for an agency: the old one's co-signature is not sent, whoever configured it."""
    ring.configure(ring.police, ring.court)
    ring.grow()
    heir = SmallWitness("heir", ring.police.log_key, LOG_ID)
    with serving(heir):
        ring.decide(registry.WitnessSet, agency=COURT, account=int(heir.account.key_id, 16))
        assert ring.linked.anchorer.step() is WaitReason.MIRROR_LAGS
        ring.mirror()
        ring.publish()
        assert "witnesses.toml names 1 of its 3 witnesses" in ring.waits()
        ring.linked.witnesses.append(heir.configured)
        ring.linked.policy = policy_of(2, ring.police, ring.court, heir)
        ring.linked.collector.step()
        ring.anchors()
        assert ring.court.asked.count("/cosign-anchor") == 0


def test_a_registry_that_changes_between_gathering_and_sending_is_looked_at_anew(ring: Ring) -> None:
    """The contract refuses the stale hash, nothing is sent; once mirrored, witnesses co-sign the new one."""
    ring.grow()
    gather = ring.linked.gatherer.gather

    def gather_then_change(*arguments: object) -> quorum.Gathered:
        gathered = gather(*arguments)  # type: ignore[arg-type]
        ring.decide(registry.QuorumSet, quorum=3)
        return gathered

    ring.linked.gatherer.gather = gather_then_change  # type: ignore[method-assign,assignment]
    anchorer = ring.linked.anchorer
    assert anchorer.step() is WaitReason.REGISTRY_MOVED
    assert "RegistryHashStale" in str(anchorer.detail)
    ring.linked.gatherer.gather = gather  # type: ignore[method-assign]
    assert ring.linked.anchorer.step() is WaitReason.MIRROR_LAGS
    ring.mirror()
    ring.publish()
    ring.anchors()


# -- notes of blocks --------------------------------------------------------------------------------------------------


class Vouching:
    """The last anchor is proven by a block, for which the trust file asks two of the three witnesses to vouch."""

    def __init__(self, ring: Ring):
        self.ring = ring
        self.witnesses = (ring.police, ring.procuratorate, ring.court)
        contracts = trust_of(ring.linked).chains[0]
        for witness in self.witnesses:
            witness.contracts = contracts
        self.trust = trust(policy_of(2, *self.witnesses).text, chains=(contracts,))
        self.database = ring.linked.ledger.database
        self.voucher = Voucher(self.database, lambda: tuple(ring.linked.witnesses), lambda: self.trust)
        self.prove()

    def proven(self) -> ProvingHeader:
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection)
        assert proven is not None
        return proven

    def note(self) -> str | None:
        return self.proven().block_note

    def prove(self) -> None:
        """One more anchor, proven."""
        self.ring.grow()
        self.ring.anchors()
        self.ring.linked.states.step(self.trust.chains[0])


@pytest.fixture
def vouching(ring: Ring) -> Vouching:
    return Vouching(ring)


def test_a_note_of_the_quorum_is_kept_with_the_proof(vouching: Vouching) -> None:
    """It holds for the block of the proof under the trust file; asked again, nobody is."""
    assert vouching.note() is None
    vouching.voucher.step()
    note = vouching.note()
    assert note is not None
    statement = statement_of(vouching.trust, vouching.proven().header)
    assert len(verify_block_note(note, statement, vouching.trust.policy)) >= 2
    before = [len(witness.asked) for witness in vouching.witnesses]
    vouching.voucher.step()
    assert [len(witness.asked) for witness in vouching.witnesses] == before


def test_too_few_is_no_note_and_is_asked_again(vouching: Vouching) -> None:
    """With two of three refusing, or signing with another key, there is none; once one signs, there is, and who had
    signed is asked no more. Each line is verified before it counts."""
    first, second, third = vouching.witnesses
    second.signer_of_blocks = small_witness("somebody-else").signer
    third.spoil = lambda _: Reply(409, b'{"detail": "not final"}')
    vouching.voucher.step()
    third.spoil = lambda _: Reply(200, b"nonsense")
    vouching.voucher.step()
    assert vouching.note() is None
    second.signer_of_blocks = None
    vouching.voucher.step()
    assert vouching.note() is not None
    assert first.asked.count("/cosign-block") == 1


def test_a_newer_proof_gets_a_note_of_its_own(vouching: Vouching) -> None:
    """The next anchor's block is another, and so is its note; without a quorum in the policy nobody is asked."""
    vouching.voucher.step()
    first = vouching.note()
    vouching.prove()
    assert vouching.note() is None
    vouching.voucher.step()
    assert vouching.note() not in (None, first)
    vouching.prove()
    vouching.trust = trust("quorum none\n", chains=vouching.trust.chains)
    vouching.voucher.step()
    assert vouching.note() is None


def test_a_proof_by_another_header_has_no_note(vouching: Vouching) -> None:
    """The note is of one block: kept while the anchor is proven by that block's header, gone with it."""
    vouching.voucher.step()
    note, write, proven = vouching.note(), vouching.ring.linked.journal.last_anchor(), vouching.proven()
    assert write is not None
    chain_journal.keep_state_proof(vouching.database, write, proven.header, {})
    assert vouching.note() == note
    chain_journal.keep_state_proof(vouching.database, write, b"another header", {})
    assert vouching.note() is None
    chain_journal.keep_block_note(vouching.database, proven, "late")
    assert vouching.note() is None

"""The service gathers block notes for the newest state proof, again and again until the policy's quorum has signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.chain.journal import ChainWrite
from ledger.core.verification.chain import verify_block_note
from ledger.core.verification.trust import Trust
from ledger.store import chain_journal
from ledger.witness.gathering import vouching, witnesses
from ledger.witness.gathering.vouching import Voucher
from tests.testkit.builders import POLICE, clerk
from tests.testkit.bundles import trust
from tests.testkit.ledger_with_chain import AGENCIES, Linked, linked_ledger, small_witness
from tests.testkit.witness_server import Reply, SmallWitness, serving_all
from tests.unit.gathering.test_courier import policy_of
from tests.unit.witness.stand import trust_of


@dataclass
class Bench:
    """A ledger whose last anchor is proven by a state, and the witnesses that its trust file names."""

    linked: Linked
    witnesses: tuple[SmallWitness, ...]
    trust: Trust
    voucher: Voucher
    anchors: int = 0

    def note(self) -> str | None:
        with self.linked.ledger.database.read() as connection:
            proven = chain_journal.proven_block(connection)
        assert proven is not None
        return proven.block_note

    def prove(self) -> None:
        """One more anchor, proven."""
        linked = self.linked
        linked.grant(clerk(POLICE, self.anchors))
        linked.mirror.catch_up(linked.final)
        linked.clock.forward(11)
        linked.publish()
        assert isinstance(linked.anchorer.step(), ChainWrite)
        linked.states.step(self.trust.chains[0])
        self.anchors += 1


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Two of three witnesses are asked for; who refused is asked again at once."""
    monkeypatch.setattr(witnesses, "FIRST_PAUSE_S", 0.0)
    with linked_ledger(tmp_path) as linked, serving_all(*map(small_witness, AGENCIES)) as servers:
        contracts = trust_of(linked).chains[0]
        for witness in servers:
            witness.contracts = contracts
        using = trust(policy_of(2, *servers).text, chains=(contracts,))
        asked = tuple(witness.configured for witness in servers)
        stand = Bench(linked, servers, using, Voucher(linked.ledger.database, lambda: asked, lambda: stand.trust))
        stand.prove()
        yield stand


def test_a_note_of_the_quorum_is_kept_with_the_proof(bench: Bench) -> None:
    """It holds for the block of the proof under the trust file; asked again, nobody is."""
    assert bench.note() is None
    bench.voucher.step()
    note = bench.note()
    assert note is not None
    with bench.linked.ledger.database.read() as connection:
        proven = chain_journal.proven_block(connection)
    assert proven is not None
    statement = vouching.statement_of(bench.trust, proven.header)
    assert len(verify_block_note(note, statement, bench.trust.policy)) >= 2
    before = [len(witness.asked) for witness in bench.witnesses]
    bench.voucher.step()
    assert [len(witness.asked) for witness in bench.witnesses] == before


def test_too_few_is_no_note_and_is_asked_again(bench: Bench) -> None:
    """With two of three refusing there is none; once one signs, there is, and who had signed is asked no more."""
    bench.witnesses[1].spoil = lambda _: Reply(409, b'{"detail": "not final"}')
    bench.witnesses[2].spoil = lambda _: Reply(200, b"nonsense")
    bench.voucher.step()
    assert bench.note() is None
    bench.witnesses[1].spoil = None
    bench.voucher.step()
    assert bench.note() is not None
    assert bench.witnesses[0].asked.count("/cosign-block") == 1


def test_a_line_of_another_key_or_block_is_not_taken(bench: Bench) -> None:
    """Each line is verified before it counts."""
    first, second, third = bench.witnesses
    other = small_witness("somebody-else")
    other.contracts = first.contracts
    second.signer_of_blocks = other.signer
    third.spoil = lambda _: Reply(404, b"")
    bench.voucher.step()
    assert bench.note() is None


def test_a_newer_proof_gets_a_note_of_its_own(bench: Bench) -> None:
    """The next anchor's block is another, and so is its note; without a quorum in the policy nobody is asked."""
    bench.voucher.step()
    first = bench.note()
    bench.prove()
    assert bench.note() is None
    bench.voucher.step()
    assert bench.note() not in (None, first)
    bench.prove()
    bench.trust = trust("quorum none\n", chains=bench.trust.chains)
    bench.voucher.step()
    assert bench.note() is None


def test_a_proof_by_another_header_has_no_note(bench: Bench) -> None:
    """The note is of one block: kept while the anchor is proven by that block's header, gone with it."""
    bench.voucher.step()
    note, write = bench.note(), bench.linked.journal.last_anchor()
    database = bench.linked.ledger.database
    with database.read() as connection:
        proven = chain_journal.proven_block(connection)
    assert proven is not None
    assert write is not None
    chain_journal.keep_state_proof(database, write, proven.header, {})
    assert bench.note() == note
    chain_journal.keep_state_proof(database, write, b"another header", {})
    assert bench.note() is None
    chain_journal.keep_block_note(database, proven, "late")
    assert bench.note() is None

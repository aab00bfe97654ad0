"""A witness vouches for a block that is final at its own node, on the chain of its trust file, and for no other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import Conflict, NotFound
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import SignedNote, parse_signature_lines
from ledger.core.log.witness_protocol import COSIGN_BLOCK, CosignBlock
from ledger.core.verification.chain import BlockStatement
from ledger.core.verification.trust import TrustedBlock
from ledger.store.witness import Halted
from ledger.witness.contracts import contracts_at
from tests.api.service import problem
from tests.unit.witness.halting import begun
from tests.unit.witness.stand import NOTE_SIGNER, Stand
from tests.unit.witness.test_routes import JSON, call


def wish(stand: Stand, number: int | None = None) -> CosignBlock:
    """What the log's service asks of a block of the chain, the newest unless it is told."""
    chain, eth = stand.trust.chains[0], stand.eth
    block = eth.block(eth.head().number if number is None else number)
    assert block is not None
    return CosignBlock(chain.chain_id, chain.anchor, block.number, "0x" + block.hash.hex())


def test_a_final_block_is_vouched_for(stand: Stand) -> None:
    """The line holds under the statement of this ledger, these contracts and this block, with the witness's time."""
    asked = wish(stand)
    answer = call(stand, "POST", COSIGN_BLOCK, content=canonical.encode(asked), headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    block = TrustedBlock(asked.block_number, asked.block_hash)
    text = BlockStatement(stand.trust.log_id, stand.trust.chains[0], block).text()
    note = SignedNote(text, parse_signature_lines(answer.text))
    (cosignature,) = verify_cosignatures(str(note), [NOTE_SIGNER.verifying_key])
    assert cosignature.timestamp == stand.clock() // 1000


def test_what_is_not_final_here_is_not_vouched_for(stand: Stand) -> None:
    """A block above the last final one by the witness's rule, one before the contracts, and one that is not there."""
    chain, head = stand.trust.chains[0], stand.eth.head().number
    stand.cosigner.contracts = contracts_at(stand.eth, stand.trust, 1)
    stand.cosigner.cosign_block(wish(stand, head - 1))
    for number in (head, chain.deployment_block_number - 1):
        with pytest.raises(Conflict) as refused:
            stand.cosigner.cosign_block(wish(stand, number))
        assert refused.value.code == "not_final"
        assert "finality" in str(refused.value.hint)
    with pytest.raises(Conflict):
        stand.cosigner.cosign_block(replace(wish(stand), block_number=head + 99))


def test_other_blocks_chains_and_contracts_are_refused(stand: Stand) -> None:
    """Another hash at the number is a conflict; a chain or contract that the witness does not look at is not found."""
    asked = wish(stand)
    for changes, status, code in (
        ({"block_hash": "0x" + "11" * 32}, 409, "other_block"),
        ({"chain_id": 1}, 404, "not_found"),
        ({"anchor": stand.trust.chains[0].registry}, 404, "not_found"),
    ):
        content = canonical.encode(replace(asked, **changes))
        field = "block_hash" if status == 409 else "anchor"
        problem(call(stand, "POST", COSIGN_BLOCK, content=content, headers=JSON), status, code, field)
    problem(call(stand, "POST", COSIGN_BLOCK, content=b"{}", headers=JSON), 400, "malformed_input", "chain_id")
    with pytest.raises(NotFound):
        stand.cosigner.cosign_block(replace(asked, chain_id=1))


def test_a_halted_witness_vouches_for_nothing(stand: Stand) -> None:
    """What halted it may be about this very chain."""
    begun(stand)
    stand.log.published -= 1
    stand.watch.try_look()
    with pytest.raises(Halted):
        stand.cosigner.cosign_block(wish(stand))

"""Vouching: the policy's witnesses sign that the block of the newest state proof is final.

Their block note is stored with the proof and added to bundles, so that a reader of a bundle need not ask a node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from ledger.core.errors import TallystickError
from ledger.core.ethereum.block_headers import read_header
from ledger.core.log.checkpoints import verify_statement
from ledger.core.log.notes import NoteSignature, SignedNote, VerifyingKey
from ledger.core.log.witness_protocol import CosignBlock
from ledger.core.trust.block_notes import BlockStatement, verify_block_note
from ledger.core.trust.trust_file import Trust, TrustedBlock
from ledger.store import chain_journal
from ledger.store.chain_journal import ProvingHeader
from ledger.store.database import Database
from ledger.witness.gathering.witnesses import Refusals, Witness, cosign_block, new_client, own_lines, require_all

LONGEST_PAUSE_S = 30.0


@dataclass(eq=False, repr=False)
class Voucher:
    """Has witnesses vouch for the block of the newest state proof. ``trust`` gives the present trust file."""

    database: Database
    witnesses: Callable[[], tuple[Witness, ...]]
    trust: Callable[[], Trust]
    _text: str = field(default="", init=False)
    _lines: dict[VerifyingKey, NoteSignature] = field(default_factory=dict, init=False)  # of the note of this text

    def __post_init__(self) -> None:
        self._refusals = Refusals("block not vouched for", LONGEST_PAUSE_S)

    def step(self) -> None:
        """Ask those who have not signed yet; store the note once the policy's quorum has."""
        trust = self.trust()
        if not trust.policy.asks_for_witnesses or not trust.chains:
            return
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection)
        if proven is None:
            return
        statement = statement_of(trust, proven.header)
        if proven.block_note is None or not _holds(proven.block_note, statement, trust):
            self._gather(statement, proven, trust)

    def _gather(self, statement: BlockStatement, proven: ProvingHeader, trust: Trust) -> None:
        text, policy_keys = statement.text(), set(trust.policy.witnesses.values())
        if text != self._text:
            self._text, self._lines = text, {}
            self._refusals.clear()
        self._lines = {key: line for key, line in self._lines.items() if key in policy_keys}
        unsigned = policy_keys - self._lines.keys()
        asked = (witness for witness in self.witnesses() if witness.account and self._refusals.may_be_asked(witness))
        due = [witness for witness in asked if not unsigned.isdisjoint(witness.vouching_keys)]
        if due:
            asyncio.run(self._ask(due, statement))
        if trust.policy.is_met_by(self._lines):
            note = str(SignedNote(text, tuple(self._lines.values())))
            chain_journal.keep_block_note(self.database, proven, note)

    async def _ask(self, due: list[Witness], statement: BlockStatement) -> None:
        async with new_client() as client:
            await asyncio.gather(*(self._ask_one(client, witness, statement) for witness in due))

    async def _ask_one(self, client: httpx.AsyncClient, witness: Witness, statement: BlockStatement) -> None:
        chain, block = statement.contracts, statement.block
        try:
            lines = await cosign_block(
                client, witness.url, CosignBlock(chain.chain_id, chain.anchor, block.number, block.hash)
            )
            signed = own_lines(lines, witness.vouching_keys, statement.text(), verify_statement)
            self._lines |= signed
            require_all(signed, witness.vouching_keys)
        except TallystickError as error:
            self._refusals.add(witness, error.text)
        else:
            self._refusals.remove(witness)


def statement_of(trust: Trust, header: bytes) -> BlockStatement:
    """Return the statement about the block of a header, on the chain that the trust file names last."""
    block = read_header(header)
    return BlockStatement(trust.log_id, trust.chains[-1], TrustedBlock(block.number, "0x" + block.hash.hex()))


def _holds(note: str, statement: BlockStatement, trust: Trust) -> bool:
    try:
        verify_block_note(note, statement, trust.policy)
    except TallystickError:
        return False
    return True

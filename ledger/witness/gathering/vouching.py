"""Vouching: the policy's witnesses sign that the block of the newest state proof is final.

Their block note is stored with the proof and added to bundles, so that a reader of a bundle need not ask a node.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import structlog
from msgspec import Struct

from ledger.core.errors import TallystickError
from ledger.core.ethereum.block_headers import read_header
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import NoteSignature, SignedNote, VerifyingKey
from ledger.core.log.witness_protocol import CosignBlock
from ledger.core.verification.chain import BlockStatement, verify_block_note
from ledger.core.verification.trust import Trust, TrustedBlock
from ledger.store import chain_journal
from ledger.store.chain_journal import ProvingHeader
from ledger.store.database import Database
from ledger.witness.gathering.witnesses import NotCosigned, Witness, cosign_block, new_client

FIRST_PAUSE_S = 1.0  # after a failure, doubled by each that follows
LONGEST_PAUSE_S = 30.0

logger = structlog.get_logger(__name__)


class _Refusal(Struct, frozen=True):
    reason: str
    failures: int
    again_at: float  # monotonic seconds


class Voucher:
    """Has witnesses vouch for the block of the newest state proof. ``trust`` gives the present trust file."""

    def __init__(self, database: Database, witnesses: Callable[[], tuple[Witness, ...]], trust: Callable[[], Trust]):
        self._database = database
        self._witnesses = witnesses
        self._trust = trust
        self._text = ""
        self._lines: dict[VerifyingKey, NoteSignature] = {}  # of the note of this text
        self._refused: dict[VerifyingKey, _Refusal] = {}

    def step(self) -> None:
        """Ask those who have not signed yet; store the note once the policy's quorum has."""
        trust = self._trust()
        if not trust.policy.asks_for_witnesses or not trust.chains:
            return
        with self._database.read() as connection:
            proven = chain_journal.newest_proven_block(connection)
        if proven is None:
            return
        statement = statement_of(trust, proven.header)
        if proven.block_note is None or not _holds(proven.block_note, statement, trust):
            self._gather(statement, proven, trust)

    def _gather(self, statement: BlockStatement, proven: ProvingHeader, trust: Trust) -> None:
        text, policy_keys = statement.text(), set(trust.policy.witnesses.values())
        if text != self._text:
            self._text, self._lines, self._refused = text, {}, {}
        self._lines = {key: line for key, line in self._lines.items() if key in policy_keys}
        now = time.monotonic()
        due = [
            witness
            for witness in self._witnesses()
            if witness.account and witness.key in policy_keys and self._is_due(witness.key, now)
        ]
        if due:
            asyncio.run(self._ask(due, statement))
        if trust.policy.is_met_by(self._lines):
            note = str(SignedNote(text, tuple(self._lines.values())))
            chain_journal.keep_block_note(self._database, proven, note)

    def _is_due(self, key: VerifyingKey, now: float) -> bool:
        refusal = self._refused.get(key)
        return key not in self._lines and (refusal is None or refusal.again_at <= now)

    async def _ask(self, due: list[Witness], statement: BlockStatement) -> None:
        async with new_client() as client:
            await asyncio.gather(*(self._ask_one(client, witness, statement) for witness in due))

    async def _ask_one(self, client: httpx.AsyncClient, witness: Witness, statement: BlockStatement) -> None:
        chain, block = statement.contracts, statement.block
        try:
            lines = await cosign_block(
                client, witness.url, CosignBlock(chain.chain_id, chain.anchor, block.number, block.hash)
            )
            self._lines[witness.key] = _own_line(lines, witness, statement)
        except TallystickError as error:
            self._pause(witness, error.message)
        else:
            self._refused.pop(witness.key, None)

    def _pause(self, witness: Witness, reason: str) -> None:
        before = self._refused.get(witness.key)
        failures = before.failures if before else 0
        pause_s = min(FIRST_PAUSE_S * 2 ** min(failures, 10), LONGEST_PAUSE_S)
        if before is None or before.reason != reason:
            logger.warning("block not vouched for", witness=witness.name, reason=reason, again_in_s=pause_s)
        self._refused[witness.key] = _Refusal(reason, failures + 1, time.monotonic() + pause_s)


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


def _own_line(lines: tuple[NoteSignature, ...], witness: Witness, statement: BlockStatement) -> NoteSignature:
    """Return the witness's own line, verified. Raises NotCosigned."""
    own = tuple(line for line in lines if (line.name, line.key_id) == (witness.key.name, witness.key.key_id))
    try:
        cosignatures = verify_cosignatures(str(SignedNote(statement.text(), own)), [witness.key]) if own else ()
    except TallystickError as error:
        raise NotCosigned(f"the witness answers with another signature: {error.message}") from error
    if not cosignatures:
        raise NotCosigned(f"no signature line of the answer is by {witness.vkey}")
    return own[0]

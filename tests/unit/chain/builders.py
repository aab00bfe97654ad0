"""Chain writes for tests that look at the node and not at the contracts."""

from __future__ import annotations

from ledger.chain.journal import ChainWrite, Journal, Purpose
from ledger.chain.transaction import Fees, Transaction, sign
from tests.unit.chain.keys import Key

FREE = Fees(0, 0)
SENDER = Key("sender")
FIRST_TIME = 1767225600  # 2026-01-01T00:00:00Z
STORING = bytes.fromhex("6001600255600a600b5500")  # initcode: slot 2 := 1, slot 11 := 10, and no code
REFUSED = bytes(50_000)  # initcode beyond what EIP-3860 lets in
REVERTING = bytes.fromhex("60006000fd")


def append_creation(journal: Journal, *, data: bytes = STORING, key: Key = SENDER, chain_id: int = 31337) -> ChainWrite:
    """The next write of the journal, appended: a contract creation by ``key``."""
    last = journal.last()
    number = last.number + 1 if last else 1
    transaction = Transaction(chain_id, journal.next_nonce(key.key_id) or 0, None, data, 200_000, FREE)
    signed = sign(transaction, key)
    write = ChainWrite(
        number=number,
        purpose=Purpose.DEPLOYMENT,
        chain_id=chain_id,
        sender=signed.sender,
        nonce=transaction.nonce,
        raw_transaction=signed.raw,
        transaction_hash=signed.hash,
        timestamp=FIRST_TIME + number,
    )
    journal.append(write)
    return write

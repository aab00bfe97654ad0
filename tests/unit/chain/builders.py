"""Keys, writes and contracts of the chain tests."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey

from ledger.chain.contract import ContractAbi
from ledger.chain.journal import ChainWrite, Journal, Purpose
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.core.encoding.digests import keccak256
from ledger.core.signing.signatures import address_of


@dataclass(frozen=True)
class Key:
    """A secp256k1 key named by a word; the same word gives the same key."""

    name: str

    @property
    def secret(self) -> bytes:
        return keccak256(self.name.encode())

    @property
    def key_id(self) -> str:
        return address_of(PrivateKey(self.secret).public_key)

    def sign(self, digest: bytes) -> bytes:
        signature = PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


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


_COMPILER = b"solc\x43\x00\x08"  # in the metadata behind the code, before the last part of the version


def make_older(abi: ContractAbi) -> None:
    """From here on the contract is deployed, and known again, as of a release before."""
    abi._initcode, abi._code = _older(abi._initcode), _older(abi._code)


def _older(code: bytes) -> bytes:
    version = code.rindex(_COMPILER) + len(_COMPILER)
    return code[:version] + bytes((code[version] - 1,)) + code[version + 1 :]

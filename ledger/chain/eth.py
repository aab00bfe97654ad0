"""A node's Ethereum JSON-RPC: its methods, the decoding of its answers, and its refusals of transactions.

No standard says how a node refuses a transaction: Anvil, Hardhat, geth, Besu, Nethermind and Erigon are distinguished
by their messages. An unknown message is a refusal, and a refusal does not prove that the node lacks the transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar

from ledger.chain.errors import ChainMismatch, ChainUnavailable, RpcRefused, TransactionRefused, WrongChain
from ledger.chain.journal import ChainIdentity
from ledger.chain.rpc import JsonRpc, Request
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.block_headers import FIELDS, encode_header


class SendOutcome(Enum):
    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already known"  # the same as accepted
    NONCE_TOO_LOW = "nonce too low"  # this transaction is in a block, or another of its nonce is
    UNDERPRICED = "underpriced"  # too little for the node, the next block, or replacing another


_WORDS = {
    SendOutcome.ALREADY_KNOWN: r"already ?(known|imported|exists)|known transaction|already in (mem)?pool",
    SendOutcome.NONCE_TOO_LOW: r"nonce (is )?too low|old ?nonce|nonce .*already used",
    SendOutcome.UNDERPRICED: (
        r"underpriced|fee ?too ?low|less than block base fee|below configured minimum|gas ?price (is )?too low"
        r"|fee ?per ?gas.* is too low|below base fee"
    ),
}
_PATTERNS = {outcome: re.compile(words, re.IGNORECASE) for outcome, words in _WORDS.items()}


def outcome_of_refusal(message: str) -> SendOutcome | None:
    """Return what the message of an error of ``eth_sendRawTransaction`` means; None for an unknown one."""
    for outcome, pattern in _PATTERNS.items():
        if pattern.search(message):
            return outcome
    return None


BlockId = int | bytes | Literal["earliest", "finalized", "safe", "latest", "pending"]  # a number, a hash or a tag
NO_ACCOUNT = "0x" + "00" * 20
BATCH = 200  # requests

Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block of one history: a number alone could name another block after a reorganisation."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int  # unix seconds
    state_root: bytes
    transactions: tuple[bytes, ...]  # hashes, in their order
    miner: str
    gas_limit: int
    base_fee: int | None  # wei per gas; None before EIP-1559

    @property
    def ref(self) -> BlockRef:
        return BlockRef(self.number, self.hash)


@dataclass(frozen=True, slots=True)
class Receipt:
    block: BlockRef
    succeeded: bool
    gas_used: int
    contract: str | None  # the address of the contract that the transaction created


@dataclass(frozen=True, slots=True)
class Log:
    block: BlockRef
    transaction_hash: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class AccountProof:
    """Trie nodes from the state's root to an account, and from its storage root to each slot asked for."""

    account: tuple[bytes, ...]
    slots: tuple[tuple[bytes, ...], ...]


class Eth:
    """A node, through its JSON-RPC. Every method raises Unavailable, and RpcRefused for what the node refuses."""

    def __init__(self, rpc: JsonRpc):
        self.rpc = rpc

    def chain_id(self) -> int:
        return self._read(_quantity, "eth_chainId")

    def block(self, at: BlockId) -> Block | None:
        """Return the block, or None if the node has no such block."""
        if isinstance(at, bytes):
            return self._read(_maybe(_block), "eth_getBlockByHash", _hex(at), False)
        return self._read(_maybe(_block), "eth_getBlockByNumber", _block_id(at), False)

    def head(self) -> Block:
        block = self.block("latest")
        if block is None:
            raise self._garbled("no latest block")
        return block

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return the blocks of these numbers. Each must exist."""
        blocks: list[Block] = []
        for start in range(0, len(numbers), BATCH):
            part = numbers[start : start + BATCH]
            answers = self.rpc.batch([Request("eth_getBlockByNumber", (hex(number), False)) for number in part])
            blocks += [self._decoded(_block, answer) for answer in answers]
        return blocks

    def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """Return the receipt of a transaction; None while it is in no block."""
        return self._read(_maybe(_receipt), "eth_getTransactionReceipt", _hex(transaction_hash))

    def nonce(self, account: str, at: BlockId) -> int:
        """Return the number of transactions that ``account`` has sent up to the block."""
        return self._read(_quantity, "eth_getTransactionCount", account, _block_id(at))

    def balance(self, account: str, at: BlockId) -> int:
        """Return the balance in wei."""
        return self._read(_quantity, "eth_getBalance", account, _block_id(at))

    def code(self, account: str, at: BlockId) -> bytes:
        return self._read(_data, "eth_getCode", account, _block_id(at))

    def call(self, to: str, data: bytes, at: BlockId, *, sender: str | None = None) -> bytes:
        """Return what the contract returns for the call data, as if it were called after the block."""
        message = {"to": to, "data": _hex(data)} | ({"from": sender} if sender else {})
        return self._read(_data, "eth_call", message, _block_id(at))

    def estimate_gas(self, sender: str, to: str | None, data: bytes, value: int = 0) -> int:
        """Return the gas that a transaction would use on top of the latest block."""
        message = {"from": sender, "data": _hex(data), "value": hex(value)} | ({"to": to} if to else {})
        return self._read(_quantity, "eth_estimateGas", message)

    def logs(self, address: str, topic: bytes, first: int, last: int) -> list[Log]:
        """Return the logs of a contract with this first topic, in order. Requires 0 <= first <= last."""
        query = {"address": address, "topics": [_hex(topic)], "fromBlock": hex(first), "toBlock": hex(last)}
        return self._read(_list_of(_log), "eth_getLogs", query)

    def gas_price(self) -> int:
        """Return the node's estimate of what a transaction must pay, in wei per gas."""
        return self._read(_quantity, "eth_gasPrice")

    def priority_fee(self) -> int:
        """Return the node's estimate of what a miner asks beyond the base fee, in wei per gas."""
        return self._read(_quantity, "eth_maxPriorityFeePerGas")

    def proven_state_root(self, at: BlockId) -> bytes:
        """Return the root of the state that the node answers from (EIP-1186).

        It is the header's, unless somebody edited the state.
        """
        return self._read(_proof_root, "eth_getProof", NO_ACCOUNT, [], _block_id(at))

    def header(self, at: BlockRef) -> bytes:
        """Return the header of the block as bytes that hash to the block's hash.

        Raises ChainUnavailable ``chain_header`` if they do not: chains whose validators sign in the header hash it
        differently.
        """
        data = self._read(_header, "eth_getBlockByHash", _hex(at.hash), False)
        if keccak256(data) != at.hash:
            raise ChainUnavailable(
                f"the header of block {at.number} does not hash to the block's hash",
                code="chain_header",
                hint="No state of this chain can be proven by its headers: bundles go without storage proofs.",
            )
        return data

    def proof(self, address: str, slots: Sequence[bytes], at: BlockRef) -> AccountProof:
        """Return the node's proof of the account and its slots in the block's state (EIP-1186), unverified."""
        return self._read(_account_proof, "eth_getProof", address, [_hex(slot) for slot in slots], _block_id(at.hash))

    def send(self, raw_transaction: bytes) -> SendOutcome:
        """Send a signed transaction to the node.

        Raises TransactionRefused for an answer that is none of the outcomes. After Unavailable the node may have it.
        """
        try:
            self.rpc.call("eth_sendRawTransaction", _hex(raw_transaction))
        except RpcRefused as error:
            outcome = outcome_of_refusal(error.rpc_message)
            if outcome is None:
                raise TransactionRefused("the transaction", error.rpc_code, error.rpc_message, error.data) from error
            return outcome
        return SendOutcome.ACCEPTED

    def require_chain(self, chain_id: int, identity: ChainIdentity | None = None) -> None:
        """Raise WrongChain for another chain id, ChainMismatch if the deployment's block is not in the chain."""
        actual = self.chain_id()
        if actual != chain_id:
            raise WrongChain(
                f"expected chain {chain_id} at {self.rpc.name}, which is chain {actual}",
                hint="Set the chain's URL to the chain that this ledger was deployed on.",
            )
        if identity is None:
            return
        number = identity.deployment_block_number
        block = self.block(number)
        if block is None or block.hash != identity.deployment_block_hash:
            raise ChainMismatch(
                f"the chain at {self.rpc.name} is not the one of the deployment: its block {number} is another",
                block_number=number,
                hint="The chain was reset, is another of the same id, or its node has yet to catch up.",
            )

    def _read(self, decode: Callable[[Any], Decoded], method: str, *params: Any) -> Decoded:
        return self._decoded(decode, self.rpc.call(method, *params))

    def _decoded(self, decode: Callable[[Any], Decoded], answer: Any) -> Decoded:
        try:
            return decode(answer)
        except (LookupError, TypeError, ValueError) as error:
            raise self._garbled(f"a field of another form ({error})") from error

    def _garbled(self, description: str) -> ChainUnavailable:
        garbled = ChainUnavailable(f"the chain node answers with {description}", code="chain_garbled")
        garbled.add_note(self.rpc.name)
        return garbled


# -- forms of the wire -------------------------------------------------------------------------------------------------


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _block_id(at: BlockId) -> object:
    if isinstance(at, int):
        return hex(at)
    return {"blockHash": _hex(at), "requireCanonical": True} if isinstance(at, bytes) else at


def _quantity(value: Any) -> int:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no quantity")
    return int(value, 16)


def _data(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("no bytes")
    return bytes.fromhex(value[2:])


def _hash(value: Any) -> bytes:
    data = _data(value)
    if len(data) != 32:
        raise ValueError("no hash")
    return data


def _address(value: Any) -> str:
    if len(_data(value)) != 20:
        raise ValueError("no address")
    return str(value).lower()


def _maybe(decode: Callable[[Any], Decoded]) -> Callable[[Any], Decoded | None]:
    return lambda value: None if value is None else decode(value)


def _list_of(decode: Callable[[Any], Decoded]) -> Callable[[Any], list[Decoded]]:
    return lambda values: [decode(value) for value in values]


def _block(value: Any) -> Block:
    return Block(
        number=_quantity(value["number"]),
        hash=_hash(value["hash"]),
        parent_hash=_hash(value["parentHash"]),
        timestamp=_quantity(value["timestamp"]),
        state_root=_hash(value["stateRoot"]),
        transactions=tuple(map(_hash, value["transactions"])),
        miner=_address(value["miner"]),
        gas_limit=_quantity(value["gasLimit"]),
        base_fee=_maybe(_quantity)(value.get("baseFeePerGas")),
    )


def _receipt(value: Any) -> Receipt:
    return Receipt(
        block=BlockRef(_quantity(value["blockNumber"]), _hash(value["blockHash"])),
        succeeded=_quantity(value["status"]) == 1,
        gas_used=_quantity(value["gasUsed"]),
        contract=_maybe(_address)(value.get("contractAddress")),
    )


def _log(value: Any) -> Log:
    return Log(
        block=BlockRef(_quantity(value["blockNumber"]), _hash(value["blockHash"])),
        transaction_hash=_hash(value["transactionHash"]),
        topics=tuple(map(_hash, value["topics"])),
        data=_data(value["data"]),
    )


def _header(value: Any) -> bytes:
    return encode_header({name: _field(value[name]) for name, _ in FIELDS if value.get(name) is not None})


def _field(value: str) -> bytes:
    """Decode a header field: quantities may have an odd number of digits."""
    return _data(value if len(value) % 2 == 0 else "0x0" + value[2:])


def _account_proof(value: Any) -> AccountProof:
    slots = tuple(tuple(map(_data, slot["proof"])) for slot in value["storageProof"])
    return AccountProof(tuple(map(_data, value["accountProof"])), slots)


def _proof_root(value: Any) -> bytes:
    return keccak256(_data(value["accountProof"][0]))

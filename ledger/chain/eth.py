"""A node of Ethereum, read and written through web3: its methods, its answers, and its refusals of transactions.

web3 is lenient where this is not: it takes hashes that are too short and numbers that are none, so each value is
checked again before it is used. It is given our own transport (``ledger.chain.rpc``), and none of its middleware but
the one for the longer extra data in headers of chains whose validators sign there.

No standard says how a node refuses a transaction: Anvil, Hardhat, geth, Besu, Nethermind and Erigon are distinguished
by their messages. An unknown message is a refusal, and a refusal does not prove that the node lacks the transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Literal, TypeVar

import rlp
from eth_utils.address import to_checksum_address as checksummed

from ledger.chain.errors import ChainMismatch, ChainUnavailable, RpcRefused, TransactionRefused, WrongChain
from ledger.chain.journal import ChainFingerprint
from ledger.chain.recursion_limit import kept_recursion_limit
from ledger.chain.rpc import JsonRpc
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, NotFound, TallystickError
from ledger.core.ethereum.block_headers import FIELDS, QUANTITY
from ledger.core.verification.trust import FinalityRule

with kept_recursion_limit():
    from web3 import Web3
    from web3.exceptions import Web3Exception
    from web3.method import Method, default_root_munger
    from web3.middleware import ExtraDataToPOAMiddleware
    from web3.module import Module
    from web3.types import RPCEndpoint

LATEST_FINAL = "latest-final"
_HINT = "Wait for it. Where confirmations are counted, fewer of them make it final sooner, and less certainly."


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
class TransactionReceipt:
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


def _method(name: str) -> Method[Any]:
    """Build a method of web3 that returns null as None.

    web3 raises NotFound for null, and for an answer of "0x" as well, which is none: nothing must be concluded from it.
    """
    return Method(RPCEndpoint(name), mungers=[default_root_munger], null_result_formatters=lambda _name: None)


class _Lookups(Module):
    """What may not be there.

    web3's own ``get_block`` keeps the method that it chose in an object that all threads share: one thread's hash is
    then asked for by number.
    """

    block_by_number = _method("eth_getBlockByNumber")
    block_by_hash = _method("eth_getBlockByHash")
    receipt = _method("eth_getTransactionReceipt")


class Eth:
    """A node. Every method raises Unavailable, and RpcRefused for what the node refuses."""

    def __init__(self, rpc: JsonRpc):
        self.rpc = rpc
        self._web3 = Web3(rpc, middleware=[(ExtraDataToPOAMiddleware, "extra data")])
        self._eth: Any = self._web3.eth
        self._lookups: Any = _Lookups(self._web3)

    def chain_id(self) -> int:
        return self._read(_quantity, lambda: self._eth.chain_id)

    def block(self, at: BlockId) -> Block | None:
        """Return the block, or None if the node has no such block."""
        if isinstance(at, bytes):
            return self._read(_maybe(_block), partial(self._lookups.block_by_hash, _hex(at), False))
        return self._read(_maybe(_block), partial(self._lookups.block_by_number, _block_id(at), False))

    def head(self) -> Block:
        block = self.block("latest")
        if block is None:
            raise self._garbled("no latest block")
        return block

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return the blocks of these numbers. Each must exist."""
        blocks: list[Block] = []
        for start in range(0, len(numbers), BATCH):
            with self._web3.batch_requests() as batch:
                for number in numbers[start : start + BATCH]:
                    batch.add(self._lookups.block_by_number(hex(number), False))
                blocks += self._read(lambda answers: [_block(answer) for answer in answers], batch.execute)
        return blocks

    def receipt(self, transaction_hash: bytes) -> TransactionReceipt | None:
        """Return the receipt of a transaction; None while it is in no block."""
        return self._read(_maybe(_receipt), partial(self._lookups.receipt, _hex(transaction_hash)))

    def nonce(self, account: str, at: BlockId) -> int:
        """Return the number of transactions that ``account`` has sent up to the block."""
        return self._read(_quantity, partial(self._eth.get_transaction_count, checksummed(account), _block_id(at)))

    def balance(self, account: str, at: BlockId) -> int:
        """Return the balance in wei."""
        return self._read(_quantity, partial(self._eth.get_balance, checksummed(account), _block_id(at)))

    def code(self, account: str, at: BlockId) -> bytes:
        return self._read(_data, partial(self._eth.get_code, checksummed(account), _block_id(at)))

    def call(self, to: str, data: bytes, at: BlockId, *, sender: str | None = None) -> bytes:
        """Return what the contract returns for the call data, as if it were called after the block."""
        message = {"to": checksummed(to), "data": _hex(data)} | ({"from": checksummed(sender)} if sender else {})
        return self._read(_data, partial(self._eth.call, message, _block_id(at)))

    def estimate_gas(self, sender: str, to: str | None, data: bytes, value: int = 0) -> int:
        """Return the gas that a transaction would use on top of the latest block."""
        message = {"from": checksummed(sender), "data": _hex(data), "value": hex(value)}
        message |= {"to": checksummed(to)} if to else {}
        return self._read(_quantity, partial(self._eth.estimate_gas, message))

    def logs(self, address: str, topic: bytes, first: int, last: int) -> list[Log]:
        """Return the logs of a contract with this first topic, in order. Requires 0 <= first <= last."""
        query = {
            "address": checksummed(address),
            "topics": [_hex(topic)],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        return self._read(lambda logs: [_log(log) for log in logs], partial(self._eth.get_logs, query))

    def gas_price(self) -> int:
        """Return the node's estimate of what a transaction must pay, in wei per gas."""
        return self._read(_quantity, lambda: self._eth.gas_price)

    def priority_fee(self) -> int:
        """Return the node's estimate of what a miner asks beyond the base fee, in wei per gas."""
        return self._read(_quantity, lambda: self._eth.max_priority_fee)

    def proven_state_root(self, at: BlockId) -> bytes:
        """Return the root of the state that the node answers from (EIP-1186).

        It is the header's, unless somebody edited the state.
        """
        ask = partial(self._eth.get_proof, NO_ACCOUNT, [], _block_id(at))
        return self._read(lambda proof: keccak256(_data(proof["accountProof"][0])), ask)

    def header(self, at: BlockRef) -> bytes:
        """Return the header of the block as bytes that hash to the block's hash.

        Raises ChainUnavailable ``chain_header`` if they do not: chains whose validators sign in the header hash it
        differently.
        """
        # The node's own spelling: web3 makes numbers of some fields and renames another.
        data = self._read(_header, lambda: self.rpc.call("eth_getBlockByHash", _hex(at.hash), False))
        if keccak256(data) != at.hash:
            raise ChainUnavailable(
                f"the header of block {at.number} does not hash to the block's hash",
                code="chain_header",
                hint="No state of this chain can be proven by its headers: bundles go without storage proofs.",
            )
        return data

    def proof(self, address: str, slots: Sequence[bytes], at: BlockRef) -> AccountProof:
        """Return the node's proof of the account and its slots in the block's state (EIP-1186), unverified."""
        places = [_hex(slot) for slot in slots]
        return self._read(_account_proof, lambda: self._eth.get_proof(checksummed(address), places, _block_id(at.hash)))

    def send(self, raw_transaction: bytes) -> SendOutcome:
        """Send a signed transaction to the node.

        Raises TransactionRefused for an answer that is none of the outcomes. After Unavailable the node may have it.
        """
        try:
            self._read(_data, partial(self._eth.send_raw_transaction, _hex(raw_transaction)))
        except RpcRefused as error:
            # Codes differ from client to client: the words are what they have in common.
            outcome = outcome_of_refusal(error.rpc_message)
            if outcome is None:
                raise TransactionRefused("the transaction", error.rpc_code, error.rpc_message, error.data) from error
            return outcome
        return SendOutcome.ACCEPTED

    def require_chain(self, chain_id: int, identity: ChainFingerprint | None = None) -> None:
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

    def _read(self, decode: Callable[[Any], Decoded], ask: Callable[[], Any]) -> Decoded:
        try:
            return decode(ask())
        except TallystickError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, Web3Exception) as error:
            raise self._garbled(f"a field of another form ({error})") from error

    def _garbled(self, description: str) -> ChainUnavailable:
        garbled = ChainUnavailable(f"the chain node answers with {description}", code="chain_garbled")
        garbled.add_note(self.rpc.name)
        return garbled


# -- checked values ----------------------------------------------------------------------------------------------------


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _block_id(at: BlockId) -> object:
    if isinstance(at, int):
        return hex(at)
    # A block that has left the chain must be an error, not an answer from a side branch (EIP-1898).
    return {"blockHash": _hex(at), "requireCanonical": True} if isinstance(at, bytes) else at


def _quantity(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("no quantity")
    return value


def _data(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("no bytes")  # noqa: TRY004 - a fault of the answer, like the others here
    return bytes(value)


def _hash(value: Any) -> bytes:
    data = _data(value)
    if len(data) != 32:
        raise ValueError("no hash")
    return data


def _maybe(decode: Callable[[Any], Decoded]) -> Callable[[Any], Decoded | None]:
    return lambda value: None if value is None else decode(value)


def _block(value: Any) -> Block:
    return Block(
        number=_quantity(value["number"]),
        hash=_hash(value["hash"]),
        parent_hash=_hash(value["parentHash"]),
        timestamp=_quantity(value["timestamp"]),
        state_root=_hash(value["stateRoot"]),
        transactions=tuple(map(_hash, value["transactions"])),
        miner=str(value["miner"]).lower(),
        gas_limit=_quantity(value["gasLimit"]),
        base_fee=_maybe(_quantity)(value.get("baseFeePerGas")),
    )


def _receipt(value: Any) -> TransactionReceipt:
    contract = value.get("contractAddress")
    return TransactionReceipt(
        block=BlockRef(_quantity(value["blockNumber"]), _hash(value["blockHash"])),
        succeeded=_quantity(value["status"]) == 1,
        gas_used=_quantity(value["gasUsed"]),
        contract=None if contract is None else str(contract).lower(),
    )


def _log(value: Any) -> Log:
    return Log(
        block=BlockRef(_quantity(value["blockNumber"]), _hash(value["blockHash"])),
        transaction_hash=_hash(value["transactionHash"]),
        topics=tuple(map(_hash, value["topics"])),
        data=_data(value["data"]),
    )


def _account_proof(value: Any) -> AccountProof:
    slots = tuple(tuple(map(_data, slot["proof"])) for slot in value["storageProof"])
    return AccountProof(tuple(map(_data, value["accountProof"])), slots)


def _header(value: Any) -> bytes:
    """Encode the fields that the node gives, in their order; whether any is missing shows in the hash."""
    fields: list[bytes] = []
    for name, length in FIELDS:
        if value.get(name) is not None:
            digits = value[name].removeprefix("0x")
            field = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))  # a quantity may have an odd number
            fields.append(field.lstrip(b"\0") if length == QUANTITY else field)
    return bytes(rlp.encode(fields))


@dataclass(frozen=True, slots=True)
class Confirmations:
    """A block is final once ``count`` blocks are on top of it."""

    count: int

    def __str__(self) -> str:
        return f"a block is final under {self.count} blocks on top of it"


@dataclass(frozen=True, slots=True)
class FinalTag:
    """A block is final once the node gives it this tag."""

    tag: Literal["safe", "finalized"]

    def __str__(self) -> str:
        return f"a block is final once the node calls it {self.tag}"


Finality = Confirmations | FinalTag


def finality_of(rule: FinalityRule) -> Finality:
    """Return the rule that a trust file or the settings spell as ``rule``."""
    return Confirmations(rule) if isinstance(rule, int) else FinalTag(rule)


def final_block_of(eth: Eth, final: BlockRef | None, which: str) -> BlockRef:
    """Return the newest final block for ``latest-final``, or the final block of a number.

    Raises NotFound if no such block is final, MalformedInput for another word.
    """
    if which == LATEST_FINAL:
        chosen = final
    elif which.isascii() and which.isdigit() and len(which) < 16:
        block = eth.block(int(which)) if final is not None and int(which) <= final.number else None
        chosen = block.ref if block else None
    else:
        raise MalformedInput(f"expected {LATEST_FINAL} or the number of a block, not {which}", field="block")
    if chosen is None:
        raise NotFound(f"block {which} is not final on this chain", field="block", hint=_HINT)
    return chosen


def final_block(eth: Eth, finality: Finality) -> BlockRef | None:
    """Return the newest final block, or None."""
    if isinstance(finality, FinalTag):
        block = eth.block(finality.tag)
    else:
        number = eth.head().number - finality.count
        block = eth.block(number) if number >= 0 else None
    return block.ref if block else None

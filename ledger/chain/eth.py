"""A node of Ethereum: the methods of its JSON-RPC that we use, its answers, and its refusals of transactions.

Source: the Ethereum execution API (https://ethereum.github.io/execution-apis). Numbers and bytes are hexadecimal texts
there; each answer is read by the form that it must have.

No standard says how a node refuses a transaction: Anvil, Hardhat, geth, Besu, Nethermind and Erigon are distinguished
by their messages. An unknown message is a refusal, and a refusal does not prove that the node lacks the transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
import rlp
from msgspec import Meta, Struct, field

from ledger.chain.errors import ChainMismatch, ChainUnavailable, RpcRefused, TransactionRefused, WrongChain
from ledger.chain.journal import ChainFingerprint
from ledger.chain.rpc import JsonRpc
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.ethereum.block_headers import FIELDS, QUANTITY
from ledger.core.trust.trust_file import FinalityRule, TrustedBlock

LATEST_FINAL = "latest-final"
_HINT = "Wait for it. Where confirmations are counted, fewer of them make it final sooner, and less certainly."


class SendAnswer(Enum):
    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already known"  # the same as accepted
    NONCE_TOO_LOW = "nonce too low"  # this transaction is in a block, or another of its nonce is
    UNDERPRICED = "underpriced"  # too little for the node, the next block, or replacing another


_WORDS = {
    SendAnswer.ALREADY_KNOWN: r"already ?(known|imported|exists)|known transaction|already in (mem)?pool",
    SendAnswer.NONCE_TOO_LOW: r"nonce (is )?too low|old ?nonce|nonce .*already used",
    SendAnswer.UNDERPRICED: (
        r"underpriced|fee ?too ?low|less than block base fee|below configured minimum|gas ?price (is )?too low"
        r"|fee ?per ?gas.* is too low|below base fee"
    ),
}
_PATTERNS = {answer: re.compile(words, re.IGNORECASE) for answer, words in _WORDS.items()}


BlockId = int | bytes | Literal["earliest", "finalized", "safe", "latest", "pending"]  # a number, a hash or a tag
NO_ACCOUNT = "0x" + "00" * 20
BATCH = 200  # requests
_HEXADECIMAL = re.compile("0x[0-9a-fA-F]*")

Answer = TypeVar("Answer")
Hash32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class BlockRef(Struct, frozen=True):
    """A block of one history: a number alone could name another block after a reorganisation."""

    number: int
    hash: bytes


class Block(Struct, frozen=True, rename="camel"):
    number: int
    hash: Hash32
    parent_hash: Hash32
    timestamp: int  # unix seconds
    state_root: Hash32
    transactions: tuple[Hash32, ...]  # hashes, in their order
    miner: str
    gas_limit: int
    base_fee: int | None = field(default=None, name="baseFeePerGas")  # wei per gas; None before EIP-1559

    @property
    def ref(self) -> BlockRef:
        return BlockRef(self.number, self.hash)


class InBlock(Struct, frozen=True, rename="camel"):
    """What stands in a block."""

    block_number: int
    block_hash: Hash32

    @property
    def block(self) -> BlockRef:
        return BlockRef(self.block_number, self.block_hash)


class TransactionReceipt(InBlock, frozen=True, rename="camel"):
    status: int
    gas_used: int
    contract_address: str | None = None  # of the contract that the transaction created

    @property
    def succeeded(self) -> bool:
        """Return False if it reverted; it is in the block all the same."""
        return self.status == 1


class Log(InBlock, frozen=True, rename="camel"):
    transaction_hash: Hash32
    topics: tuple[Hash32, ...]
    data: bytes


class StorageProof(Struct, frozen=True):
    proof: tuple[bytes, ...]


class AccountProof(Struct, frozen=True, rename="camel"):
    """Trie nodes from the state's root to an account, and from its storage root to each slot asked for."""

    account_proof: tuple[bytes, ...]
    storage_proof: tuple[StorageProof, ...]

    @property
    def paths(self) -> list[tuple[bytes, ...]]:
        """Return the path to the account, then that to each slot."""
        return [self.account_proof, *(slot.proof for slot in self.storage_proof)]


class Eth:
    """A node. Every method raises Unavailable, and RpcRefused for what the node refuses."""

    def __init__(self, rpc: JsonRpc):
        self.rpc = rpc

    def chain_id(self) -> int:
        return self._read(int, "eth_chainId")

    def block(self, at: BlockId) -> Block | None:
        """Return the block, or None if the node has no such block."""
        if isinstance(at, bytes):
            return self._find(Block, "eth_getBlockByHash", _hex(at), False)
        return self._find(Block, "eth_getBlockByNumber", _block_id(at), False)

    def head(self) -> Block:
        block = self.block("latest")
        if block is None:
            raise self._garbled("no latest block")
        return block

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return the blocks of these numbers. Each must exist."""
        blocks: list[Block] = []
        for start in range(0, len(numbers), BATCH):
            asked = [("eth_getBlockByNumber", (hex(number), False)) for number in numbers[start : start + BATCH]]
            blocks += self._checked(list[Block], self.rpc.batch(asked))
        return blocks

    def receipt(self, transaction_hash: bytes) -> TransactionReceipt | None:
        """Return the receipt of a transaction; None while it is in no block."""
        return self._find(TransactionReceipt, "eth_getTransactionReceipt", _hex(transaction_hash))

    def nonce(self, account: str, at: BlockId) -> int:
        """Return the number of transactions that ``account`` has sent up to the block."""
        return self._read(int, "eth_getTransactionCount", account, _block_id(at))

    def balance(self, account: str, at: BlockId) -> int:
        """Return the balance in wei."""
        return self._read(int, "eth_getBalance", account, _block_id(at))

    def code(self, account: str, at: BlockId) -> bytes:
        return self._read(bytes, "eth_getCode", account, _block_id(at))

    def call(self, to: str, data: bytes, at: BlockId, *, sender: str | None = None) -> bytes:
        """Return what the contract returns for the call data, as if it were called after the block."""
        message = {"to": to, "data": _hex(data)} | ({"from": sender} if sender else {})
        return self._read(bytes, "eth_call", message, _block_id(at))

    def estimate_gas(self, sender: str, to: str | None, data: bytes, value: int = 0) -> int:
        """Return the gas that a transaction would use on top of the latest block."""
        message = {"from": sender, "data": _hex(data), "value": hex(value)} | ({"to": to} if to else {})
        return self._read(int, "eth_estimateGas", message)

    def logs(self, address: str, topic: bytes, first: int, last: int) -> list[Log]:
        """Return the logs of a contract with this first topic, in order. Requires 0 <= first <= last."""
        query = {"address": address, "topics": [_hex(topic)], "fromBlock": hex(first), "toBlock": hex(last)}
        return self._read(list[Log], "eth_getLogs", query)

    def gas_price(self) -> int:
        """Return the node's estimate of what a transaction must pay, in wei per gas."""
        return self._read(int, "eth_gasPrice")

    def priority_fee(self) -> int:
        """Return the node's estimate of what a miner asks beyond the base fee, in wei per gas."""
        return self._read(int, "eth_maxPriorityFeePerGas")

    def proven_state_root(self, at: BlockId) -> bytes:
        """Return the root of the state that the node answers from (EIP-1186).

        It is the header's, unless somebody edited the state.
        """
        root, *_ = self._read(AccountProof, "eth_getProof", NO_ACCOUNT, [], _block_id(at)).account_proof or (b"",)
        return keccak256(root)

    def header(self, at: BlockRef) -> bytes:
        """Return the header of the block as bytes that hash to the block's hash.

        Raises ChainUnavailable ``chain_header`` if they do not: chains whose validators sign in the header hash it
        differently.
        """
        try:
            data = _header(self.rpc.call("eth_getBlockByHash", _hex(at.hash), False))
        except (AttributeError, TypeError, ValueError) as error:
            raise self._garbled(f"a field of another form ({error})") from error
        if keccak256(data) != at.hash:
            raise ChainUnavailable(
                "the header of block {at.number} does not hash to the block's hash",
                at=at,
                code="chain_header",
                hint="No state of this chain can be proven by its headers: bundles go without storage proofs.",
            )
        return data

    def proof(self, address: str, slots: Sequence[bytes], at: BlockRef) -> AccountProof:
        """Return the node's proof of the account and its slots in the block's state (EIP-1186), unverified."""
        places = [_hex(slot) for slot in slots]
        return self._read(AccountProof, "eth_getProof", address, places, _block_id(at.hash))

    def send(self, raw_transaction: bytes) -> SendAnswer:
        """Send a signed transaction to the node.

        Raises TransactionRefused for an answer that is none of these. After Unavailable the node may have it.
        """
        try:
            self._read(bytes, "eth_sendRawTransaction", _hex(raw_transaction))
        except RpcRefused as error:
            # Codes differ from client to client: the words are what they have in common.
            answer = next((each for each, words in _PATTERNS.items() if words.search(error.rpc_message)), None)
            if answer is None:
                raise TransactionRefused("the transaction", error.rpc_code, error.rpc_message, error.data) from error
            return answer
        return SendAnswer.ACCEPTED

    def require_chain(self, chain_id: int, identity: ChainFingerprint | None = None) -> None:
        """Raise WrongChain for another chain id, ChainMismatch if the deployment's block is not in the chain."""
        actual = self.chain_id()
        if actual != chain_id:
            raise WrongChain(
                "expected chain {chain_id} at {rpc}, which is chain {actual}",
                chain_id=chain_id,
                rpc=self.rpc.name,
                actual=actual,
                hint="Set the chain's URL to the chain that this ledger was deployed on.",
            )
        if identity is None:
            return
        number = identity.deployment_block_number
        block = self.block(number)
        if block is None or block.hash != identity.deployment_block_hash:
            raise ChainMismatch(
                "the chain at {rpc} is not the one of the deployment: its block {number} is another",
                rpc=self.rpc.name,
                number=number,
                block_number=number,
                hint="The chain was reset, is another of the same id, or its node has yet to catch up.",
            )

    def _read(self, kind: type[Answer], method: str, *params: Any) -> Answer:
        answer = self._find(kind, method, *params)
        if answer is None:
            raise self._garbled("nothing")
        return answer

    def _find(self, kind: type[Answer], method: str, *params: Any) -> Answer | None:
        """Return what the node answers, or None for null."""
        answer = self.rpc.call(method, *params)
        return None if answer is None else self._checked(kind, answer)

    def _checked(self, kind: type[Answer], answer: Any) -> Answer:
        """Return the answer in this form."""
        try:
            return convert(_plain(kind, answer), kind, builtin_types=(bytes,))
        except (AttributeError, TypeError, ValueError, msgspec.ValidationError) as error:
            raise self._garbled(f"a field of another form ({error})") from error

    def _garbled(self, description: str) -> ChainUnavailable:
        garbled = ChainUnavailable(
            "the chain node answers with {description}", description=description, code="chain_garbled"
        )
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


def _plain(form: Any, answer: Any) -> Any:
    """Return the parts of a JSON answer that the form asks for, with numbers and bytes for their hexadecimal texts."""
    parts = get_args(form)
    if get_origin(form) in {Annotated, UnionType}:
        return _plain(parts[0], answer)
    if answer is None or form is str:
        return answer
    if form is int:
        return int(_digits(answer), 16)
    if form is bytes:
        return bytes.fromhex(_digits(answer))
    if parts:
        return [_plain(parts[0], each) for each in answer]
    return {name: _plain(part, answer[name]) for name, part in _parts(form) if name in answer}


def _digits(text: str) -> str:
    if not _HEXADECIMAL.fullmatch(text):
        raise ValueError(f"expected hexadecimal digits behind 0x, not {text[:80]!r}")
    return text[2:]


@cache
def _parts(form: type[Struct]) -> tuple[tuple[str, Any], ...]:
    """Return the names and forms of a struct's fields, as JSON spells them."""
    return tuple((part.encode_name, part.type) for part in msgspec.structs.fields(form))


def _header(value: Any) -> bytes:
    """Encode the fields that the node gives, in their order; whether any is missing shows in the hash."""
    fields: list[bytes] = []
    for name, length in FIELDS:
        if value.get(name) is not None:
            digits = value[name].removeprefix("0x")
            field = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))  # a quantity may have an odd number
            fields.append(field.lstrip(b"\0") if length == QUANTITY else field)
    return bytes(rlp.encode(fields))


def final_block_of(eth: Eth, final: BlockRef | None, which: str) -> TrustedBlock:
    """Return the newest final block for ``latest-final``, or that of a number, as a trust file states it.

    Raises NotFound if no such block is final, MalformedInput for another word.
    """
    if which == LATEST_FINAL:
        chosen = final
    elif which.isascii() and which.isdigit() and len(which) < 16:
        block = eth.block(int(which)) if final is not None and int(which) <= final.number else None
        chosen = block.ref if block else None
    else:
        raise MalformedInput(
            "expected {latest_final} or the number of a block, not {which}",
            latest_final=LATEST_FINAL,
            which=which,
            field="block",
        )
    if chosen is None:
        raise NotFound("block {which} is not final on this chain", which=which, field="block", hint=_HINT)
    return TrustedBlock(chosen.number, "0x" + chosen.hash.hex())


def final_block(eth: Eth, finality: FinalityRule) -> BlockRef | None:
    """Return the newest final block, or None: under so many blocks, or the one to which the node gives the tag."""
    if isinstance(finality, int):
        number = eth.head().number - finality
        block = eth.block(number) if number >= 0 else None
    else:
        block = eth.block(finality)
    return block.ref if block else None

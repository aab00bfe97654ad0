"""State proofs: what both contracts held at a final block, fetched as soon as an anchor is final, and stored.

Nodes of the chain may not serve old state for long, so the proofs are stored as trie nodes by their hashes. A key
whose part of the registry has not changed since is then proven at each later anchor without asking again. For any
other key the chain is asked when a bundle needs it, at the same block if it still has that state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from msgspec.structs import replace

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef
from ledger.chain.journal import ChainWrite, Deployment, WriteState
from ledger.chain.writer import ChainBackend
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, ProofRefused, TallystickError, Unavailable
from ledger.core.ethereum import trie
from ledger.core.ethereum.block_headers import read_header
from ledger.core.verification.bundle_format import Anchor, ContractProof, SlotProof, raw
from ledger.core.verification.contract_storage import anchor_slots, read_anchor_state, read_grant_state, registry_slots
from ledger.core.verification.trust import FinalityRule, TrustedBlock, TrustedChain
from ledger.proofs.bundles import RecordedHead
from ledger.store import chain_journal, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Database

ANCHORS_A_STEP = 16  # proven in one go, the newest first
KEYS_AN_ANCHOR = 64  # whose slots are fetched with it: the last that signed in its range
PAUSE_S = 60.0  # after a chain that could not be asked, or did not prove what it was asked for
PATIENCE_S = 2.0  # of a reader with a chain that is asked for his bundle

MAX_WAITING = 10_000  # anchors and keys that are not asked for again at once

Subject = tuple[int, str | None]  # the number of an anchor's write, and the key whose grant is to be proven
STEPS: Subject = (0, None)  # the anchors that ``step`` takes
NodeSource = Callable[[bytes], bytes | None]

logger = structlog.get_logger(__name__)


@dataclass(eq=False, repr=False)
class StateProofs:
    """Fetches and stores state proofs. Safe to call from several threads.

    ``chain`` gives the connected chain, and raises Unavailable while there is none.
    """

    database: Database
    journal: DatabaseJournal
    chain: Callable[[], ChainBackend]
    _proven: ChainWrite | None = field(default=None, init=False)  # the last anchor when all had proofs
    _chain_waits_until: float = field(default=0.0, init=False)
    _waits_until: dict[Subject, float] = field(default_factory=dict, init=False)  # of what the chain did not prove

    def __post_init__(self) -> None:
        self._asking = ThreadPoolExecutor(1, "state-proofs")

    def step(self, contracts: TrustedChain) -> None:
        """Store proofs of final anchors that have none.

        A chain that cannot prove them is asked again later; anchoring goes on.
        """
        last = self.journal.last_anchor(WriteState.CONFIRMED)
        if last is None or last == self._proven or self._waits(STEPS):
            return
        writes = self.journal.unproven_anchors(ANCHORS_A_STEP)
        try:
            for write in writes:
                assert write.anchored is not None, "the write of an anchor"
                number = self.journal.count_confirmed_anchors(write)
                recorded = RecordedHead(write, contracts, number, write.anchored.size, write.anchored.root)
                # The keys that signed entries which this anchor was the first to cover.
                first = self.journal.anchored_before(write)
                with self.database.read() as connection:
                    signers = log.officers_keys(connection, first, recorded.size, KEYS_AN_ANCHOR)
                self._take(recorded, signers, self._final_block())
        except (Unavailable, MalformedInput, ProofRefused) as error:
            self._wait(STEPS, error)
        else:
            self._proven = last if len(writes) < ANCHORS_A_STEP else None

    def anchor(self, recorded: RecordedHead, key_id: str | None) -> Anchor | None:
        """Return what proves the record and the key's grant, stored or fetched now; None if it cannot be had."""
        kept = self._kept(recorded, key_id)
        subject = (recorded.write.number, key_id)
        if kept is not None or self._waits(subject):
            return kept
        asked = self._asking.submit(self._ask, recorded, key_id)
        try:
            asked.result(PATIENCE_S)
        except TallystickError as error:
            self._wait(subject, error)
        except TimeoutError:  # a proof that arrives later is stored for the next reader
            self._wait(
                subject,
                ChainUnavailable("the chain did not answer within {patience_s:.0f} s", patience_s=PATIENCE_S),
            )
            return None
        return self._kept(recorded, key_id)

    def _ask(self, recorded: RecordedHead, key_id: str | None) -> None:
        """Fetch proofs at the block of the stored header, which witnesses may vouch for, else at a newer block."""
        keys = [key_id] if key_id else []
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection, recorded.write)
        if proven is not None:
            block = read_header(proven.header)
            try:
                self._take(recorded, keys, BlockRef(block.number, block.hash))
            except (Unavailable, MalformedInput, ProofRefused) as error:  # a node need not have old state
                logger.info("not proven at the block of before", block=block.number, reason=error.for_operator)
            else:
                return
        self._take(recorded, keys, self._final_block())

    def _waits(self, subject: Subject) -> bool:
        now = time.monotonic()
        return now < self._chain_waits_until or now < self._waits_until.get(subject, 0.0)

    def _wait(self, subject: Subject, error: TallystickError) -> None:
        """Pause for all after a chain that did not answer, else for what it did not prove alone."""
        logger.warning("not proven by the chain's state", reason=error.for_operator, hint=error.hint)
        now = time.monotonic()
        if isinstance(error, Unavailable):
            self._chain_waits_until = now + PAUSE_S
            return
        waiting = {key: until for key, until in [*self._waits_until.items()] if now < until}
        self._waits_until = {} if len(waiting) >= MAX_WAITING else waiting
        self._waits_until[subject] = now + PAUSE_S

    def _kept(self, recorded: RecordedHead, key_id: str | None) -> Anchor | None:
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection, recorded.write)
            if proven is None:
                return None
            try:
                anchor = _built(proven.header, recorded, key_id, lambda name: chain_journal.trie_node(connection, name))
            except (MalformedInput, ProofRefused):
                return None
        return anchor if proven.block_note is None else replace(anchor, block_note=raw(proven.block_note))

    def _final_block(self) -> BlockRef:
        final = self.chain().final_block()
        if final is None:
            raise ChainUnavailable("the chain has no final block yet", code="chain_behind")
        return final

    def _take(self, recorded: RecordedHead, keys: Iterable[str], at: BlockRef) -> None:
        """Fetch at a final block what proves the record and each of the keys, verify it, and store it."""
        eth, contracts = self.chain().eth, recorded.contracts
        slots = dict.fromkeys(slot for key in (None, *keys) for slot in registry_slots(key))
        proofs = (
            eth.proof(contracts.anchor, anchor_slots(recorded.number), at),
            eth.proof(contracts.registry, [*slots], at),
        )
        header = eth.header(at)
        nodes = {keccak256(node): node for proof in proofs for path in proof.paths for node in path}
        # Verified before it is stored: the node is not trusted.
        for key in (None, *keys):
            _built(header, recorded, key, nodes.get)
        chain_journal.keep_state_proof(self.database, recorded.write, header, nodes)


def trusted_chain(deployment: Deployment, finality: FinalityRule) -> TrustedChain:
    """Return the deployment as a trust file states it."""
    identity = deployment.identity
    return TrustedChain(
        chain_id=identity.chain_id,
        deployment_block_number=identity.deployment_block_number,
        deployment_block_hash="0x" + identity.deployment_block_hash.hex(),
        registry=deployment.registry,
        anchor=deployment.anchor,
        registry_code_hash="0x" + deployment.registry_code_hash.hex(),
        anchor_code_hash="0x" + deployment.anchor_code_hash.hex(),
        finality=finality,
    )


def trusted_block(block: BlockRef) -> TrustedBlock:
    """Return the block as a trust file states it."""
    return TrustedBlock(block.number, _hex(block.hash))


def _built(header: bytes, recorded: RecordedHead, key_id: str | None, node_of: NodeSource) -> Anchor:
    """Assemble the proof from trie nodes and verify it as any reader would. Raises ProofRefused or MalformedInput."""
    block, contracts, number = read_header(header), recorded.contracts, recorded.number
    anchor = Anchor(
        chain=contracts.identity,
        contract=contracts.anchor,
        number=number,
        header_rlp=_hex(header),
        anchor=_contract(block.state_root, contracts.anchor, anchor_slots(number), node_of),
        registry=_contract(block.state_root, contracts.registry, registry_slots(key_id), node_of),
    )
    state = read_anchor_state(anchor, block, contracts)
    if state.last_number < number:
        raise ProofRefused(
            "the contract ends at record {state.last_number}, below {number}",
            state=state,
            number=number,
            field="record",
        )
    if key_id is not None:
        read_grant_state(anchor, block, contracts, key_id)
    return anchor


def _contract(state_root: bytes, address: str, slots: tuple[bytes, ...], node_of: NodeSource) -> ContractProof:
    account, account_path = _path(state_root, bytes.fromhex(address[2:]), node_of)
    fields = trie.decode_rlp(account)
    storage_root = fields[2] if isinstance(fields, tuple) and len(fields) == 4 else b""
    assert isinstance(storage_root, bytes)
    slot_proofs: list[SlotProof] = []
    for slot in slots:
        value, path = _path(storage_root, slot, node_of)
        number = trie.decode_rlp(value) if value else b""
        assert isinstance(number, bytes)
        slot_proofs.append(SlotProof(key=_hex(slot), value=_hex(number.rjust(32, b"\0")), proof=path))
    return ContractProof(account_proof=account_path, storage_proof=tuple(slot_proofs))


def _path(root: bytes, key: bytes, node_of: NodeSource) -> tuple[bytes, tuple[str, ...]]:
    """Return the trie's value under the key, empty if there is none, and the nodes that lead to it."""
    path: list[str] = []

    def recorded_node(name: bytes) -> bytes:
        node = node_of(name)
        if node is None or keccak256(node) != name:
            raise ProofRefused("the node {name} is not here", name=name.hex(), field="proof")
        path.append(_hex(node))
        return node

    return trie.walk(root, key, recorded_node) or b"", tuple(path)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

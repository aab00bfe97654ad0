"""State proofs: what both contracts held at a final block, fetched as soon as an anchor is final, and stored.

Nodes of the chain may not serve old state for long, so the proofs are stored as trie nodes by their hashes. A key
whose part of the registry has not changed since is then proven at each later anchor without asking again. For any
other key the chain is asked when a bundle needs it, at the same block if it still has that state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef
from ledger.chain.journal import ChainWrite, WriteState
from ledger.chain.writer import ChainBackend
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, ProofRefused, TallystickError, Unavailable
from ledger.core.ethereum.block_headers import read_header
from ledger.core.trust.trust_file import TrustedChain
from ledger.core.verification.bundle import Anchor
from ledger.core.verification.contract_storage import ContractStates, anchor_slots, grant_slots
from ledger.loggers import get_logger
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

logger = get_logger(__name__)


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
            self._wait([STEPS], error)
        else:
            self._proven = last if len(writes) < ANCHORS_A_STEP else None

    def anchor(self, recorded: RecordedHead, key_ids: Collection[str]) -> Anchor | None:
        """Return what proves the record and the keys' grants, stored or fetched now; None if it cannot be had.

        Keys that cannot be proven are left out.
        """
        kept, missing = self._kept(recorded, key_ids)
        number = recorded.write.number
        wanted = [key_id for key_id in key_ids if not self._waits((number, key_id))]
        asked = [key_id for key_id in missing if key_id in wanted]
        if not asked and (kept is not None or key_ids or self._waits((number, None))):
            return kept
        subjects: list[Subject] = [(number, key_id) for key_id in (asked or (None,))]
        answer = self._asking.submit(self._ask, recorded, asked, wanted)
        try:
            answer.result(PATIENCE_S)
        except TallystickError as error:
            self._wait(subjects, error)
        except TimeoutError:  # a proof that arrives later is stored for the next reader
            text = "the chain did not answer within {patience_s:.0f} s"
            self._wait(subjects, ChainUnavailable(text, patience_s=PATIENCE_S))
            return kept
        return self._kept(recorded, key_ids)[0]

    def _ask(self, recorded: RecordedHead, missing: Collection[str], keys: Collection[str]) -> None:
        """Fetch proofs at the block of the stored header, which witnesses may vouch for, else at a newer block.

        ``missing`` are those of the keys of which nothing is stored at that block.
        """
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection, recorded.write)
        if proven is not None:
            block = read_header(proven.header)
            try:
                self._take(recorded, missing, BlockRef(block.number, block.hash))
            except (Unavailable, MalformedInput, ProofRefused) as error:  # a node need not have old state
                logger.info("not proven at the block of before", block=block.number, reason=error.for_operator)
            else:
                return
        self._take(recorded, keys, self._final_block())

    def _waits(self, subject: Subject) -> bool:
        now = time.monotonic()
        return now < self._chain_waits_until or now < self._waits_until.get(subject, 0.0)

    def _wait(self, subjects: Iterable[Subject], error: TallystickError) -> None:
        """Pause for all after a chain that did not answer, else for what it did not prove alone."""
        logger.warning("not proven by the chain's state", reason=error.for_operator, hint=error.hint)
        now = time.monotonic()
        if isinstance(error, Unavailable):
            self._chain_waits_until = now + PAUSE_S
            return
        waiting = {key: until for key, until in [*self._waits_until.items()] if now < until}
        self._waits_until = {} if len(waiting) >= MAX_WAITING else waiting
        self._waits_until |= dict.fromkeys(subjects, now + PAUSE_S)

    def _kept(self, recorded: RecordedHead, key_ids: Collection[str]) -> tuple[Anchor | None, list[str]]:
        """Return what is stored, without the keys that it does not prove, and those keys."""
        missing = list[str]()
        with self.database.read() as connection:
            proven = chain_journal.proven_block(connection, recorded.write)
            if proven is None:
                return None, [*key_ids]

            def node_of(name: bytes) -> bytes | None:
                return chain_journal.trie_node(connection, name)

            try:
                built = _Built(proven.header, recorded, node_of, self.journal)
            except (MalformedInput, ProofRefused):
                return None, [*key_ids]
            for key_id in key_ids:
                try:
                    built.prove(key_id)
                except (MalformedInput, ProofRefused):
                    missing.append(key_id)
        return built.anchor(proven.block_note), missing

    def _final_block(self) -> BlockRef:
        final = self.chain().final_block()
        if final is None:
            raise ChainUnavailable("the chain has no final block yet", code="chain_behind")
        return final

    def _take(self, recorded: RecordedHead, keys: Iterable[str], at: BlockRef) -> None:
        """Fetch at a final block what proves the record and each of the keys, verify it, and store it."""
        eth, contracts = self.chain().eth, recorded.contracts
        slots = dict.fromkeys(slot for key in keys for slot in grant_slots(key))
        proofs = (
            eth.proof(contracts.anchor, anchor_slots(recorded.number), at),
            eth.proof(contracts.registry, [*slots], at),
        )
        header = eth.header(at)
        nodes = {keccak256(node): node for proof in proofs for path in proof.paths for node in path}
        # Verified before it is stored: the node is not trusted.
        built = _Built(header, recorded, nodes.get, self.journal)
        if numbers := {number for number in map(built.first_record_after, keys) if number is not None}:
            slots_of_records = dict.fromkeys(slot for number in sorted(numbers) for slot in anchor_slots(number))
            proof = eth.proof(contracts.anchor, [*slots_of_records], at)
            nodes |= {keccak256(node): node for path in proof.paths for node in path}
        for key in keys:
            built.prove(key)
        chain_journal.keep_state_proof(self.database, recorded.write, header, nodes)


class _Built:
    """An anchor that is assembled from trie nodes, and verified as any reader would.

    The journal tells which record is the first after a revocation.
    """

    def __init__(self, header: bytes, recorded: RecordedHead, node_of: NodeSource, journal: DatabaseJournal):
        """Read the record. Raises ProofRefused or MalformedInput if the nodes do not prove it."""
        self._journal = journal
        self._revocations: dict[str, int] = {}
        self._header = header
        self._recorded = recorded
        self._node_of = node_of
        self._nodes: dict[bytes, bytes] = {}
        self._states = ContractStates(read_header(header).state_root, recorded.contracts, self._taken)
        state = self._states.anchor(recorded.number)
        self._previous_time = state.previous.timestamp
        if state.last_number < recorded.number:
            raise ProofRefused(
                "the contract ends at record {state.last_number}, below {number}",
                state=state,
                number=recorded.number,
                field="record",
            )

    def _taken(self, name: bytes) -> bytes:
        node = self._node_of(name)
        if node is None:
            raise ProofRefused("the node {name} is not here", name=name.hex(), field="proof")
        self._nodes[name] = node
        return node

    def prove(self, key_id: str) -> None:
        """Add the grant of a key, and the first record after its revocation. Raises as the constructor."""
        number = self.first_record_after(key_id)
        if number is not None:
            self._states.anchor(number)
            self._revocations[key_id] = number

    def first_record_after(self, key_id: str) -> int | None:
        """Return the record that the anchor has to name for a key: None unless it was revoked before the last but one.

        Raises as the constructor.
        """
        revoked_at = self._states.grant(key_id).revoked_at
        return self._journal.first_anchor_after(revoked_at) if 0 < revoked_at < self._previous_time else None

    def anchor(self, block_note: str | None) -> Anchor:
        """Return the anchor with all that was read."""
        contracts = self._recorded.contracts
        return Anchor(
            chain=contracts.identity,
            contract=contracts.anchor,
            number=self._recorded.number,
            header=_hex(self._header),
            state=tuple(sorted(map(_hex, self._nodes.values()))),
            block_note=block_note,
            revocations=self._revocations,
        )


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

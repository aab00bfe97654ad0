"""Co-signing: only what was followed, and never a step back. Each signature is stored before it is handed out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from ledger.chain.contract import checkpoint_digest
from ledger.core.errors import Conflict, MalformedInput, NotFound, ProofRefused, Unavailable
from ledger.core.log import notes
from ledger.core.log.checkpoints import (
    ROOT_OF_ANOTHER_SIZE,
    Checkpoint,
    cosign_checkpoint,
    cosign_statement,
    parse_size,
    verify_checkpoint,
)
from ledger.core.log.merkle import as_hash, verify_consistency
from ledger.core.log.replay import LogFault, LogUnreadable
from ledger.core.log.witness_protocol import AddCheckpoint, AnchorCosignature, CosignAnchor, CosignBlock
from ledger.core.messages import Message
from ledger.core.signing.signatures import TransactionSigner
from ledger.core.trust.block_notes import BlockStatement
from ledger.core.trust.trust_file import TrustedBlock
from ledger.store.witness import Cosigned, Moved
from ledger.witness.contracts import Contracts
from ledger.witness.watch import Watch


@dataclass(eq=False, repr=False)
class Cosigner:
    """Answers a log's requests for co-signatures."""

    watch: Watch
    contracts: Contracts
    note_signers: tuple[notes.NoteSigner, ...]
    account: TransactionSigner
    mirror_signer: notes.NoteSigner | None = None  # vouches for blocks too

    def __post_init__(self) -> None:
        self.trust, self.store, self.clock = self.watch.trust, self.watch.store, self.watch.clock

    def add_checkpoint(self, asked: AddCheckpoint) -> str:
        """Return the lines of the co-signature, one of each key (C2SP tlog-witness, add-checkpoint).

        1. The checkpoint is of this log: NotFound. Its signature verifies: SignatureRefused.
        2. ``old`` <= its size: MalformedInput. ``old`` is the size that was co-signed last: Moved.
        3. The proof leads from there to it, or the root at the same size is the same: ProofRefused.
        4. Every entry below it was followed: Unavailable, Halted.
        5. It is signed at a time that is not before the last, and stored with its signatures.
        """
        note = notes.parse_note(asked.note)
        if note.text.partition("\n")[0] != self.trust.origin:  # 1
            raise NotFound("this witness follows the log {origin} only", origin=self.trust.origin, field="checkpoint")
        checkpoint = self._verified(asked)
        latest = self._step_from(asked.old, checkpoint.size)  # 2
        self.store.require_free()
        try:
            root = as_hash(latest.root, "root")
            verify_consistency(latest.size, root, checkpoint.size, checkpoint.root, asked.proof)  # 3
        except ProofRefused:
            # If the log forked, the alarm is raised; the answer is that of the proof all the same.
            with suppress(LogFault, Unavailable):
                self._reach(checkpoint, asked.note)
            raise
        self._reach(checkpoint, asked.note)  # 4
        # The log's own line alone: what others have added to the note is not stored.
        key = self.trust.log_key_of(asked.note)
        own = tuple(line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id))
        log_signed = str(notes.SignedNote(note.text, own))
        return self.store.cosign(  # 5
            latest,
            checkpoint.size,
            checkpoint.root,
            log_signed,
            self.clock() // 1000,
            lambda at: _lines(cosign_checkpoint(checkpoint, signer, at) for signer in self.note_signers),
        )

    def _verified(self, asked: AddCheckpoint) -> Checkpoint:
        """Return the checkpoint that the log has signed.

        A root that no tree of this size has is refused only in step 3, as any other wrong root.
        """
        try:
            return verify_checkpoint(asked.note, self.trust.log_key_of(asked.note))
        except MalformedInput as error:
            if error.code != ROOT_OF_ANOTHER_SIZE:
                raise
            self._step_from(asked.old, parse_size(notes.parse_note(asked.note).text.split("\n")[1]))
            raise ProofRefused(error.text, field="root") from error

    def _step_from(self, old: int, size: int) -> Cosigned:
        """Return what was co-signed last, if the step to ``size`` is from there. Raises MalformedInput, Moved."""
        if old > size:
            raise MalformedInput("expected a size of at most {size}, not {old}", size=size, old=old, field="old")
        latest = self.store.latest()
        if old != latest.size:
            raise Moved(latest)
        return latest

    def checkpoint(self, origin_hash: str) -> str:
        """Return the newest co-signed checkpoint, with the log's signature and the lines that were returned for it.

        Raises NotFound.
        """
        note = self.store.cosigned_note()
        if origin_hash != sha256(self.trust.origin.encode()).hexdigest() or not note:
            raise NotFound("this witness has co-signed no checkpoint of such a log", field="origin")
        return note

    def cosign_anchor(self, asked: CosignAnchor) -> AnchorCosignature:
        """Return the co-signature for the contract.

        1. Chain and contract are those of the trust file, and of this witness's node: NotFound.
        2. No alarm is open: Halted.
        3. Exactly this size and root were followed and co-signed: Conflict, ProofRefused.
        4. The entries below mirror this registry hash: ProofRefused.
        5. The chain's registry has it now: Conflict; Unavailable if the node cannot say.
        """
        self._require_contract(asked.chain_id, asked.anchor)  # 1
        self.store.require_free()  # 2
        root, registry_hash = bytes.fromhex(asked.root[2:]), bytes.fromhex(asked.registry_hash[2:])
        cosigned = self.store.has_cosigned(asked.size)  # 3
        if cosigned is None:
            raise Conflict(
                "this witness has co-signed no checkpoint of size {asked.size}",
                asked=asked,
                field="size",
                code="not_cosigned",
                hint="Submit the checkpoint to /add-checkpoint first.",
            )
        if cosigned != root:
            raise ProofRefused(
                "expected 0x{cosigned}, the root that was co-signed", cosigned=cosigned.hex(), field="root"
            )
        mirrored = self.store.registry_hash_at(asked.size)
        if registry_hash != mirrored:  # 4
            raise ProofRefused(
                "expected 0x{mirrored}, which the entries below {asked.size} mirror",
                mirrored=mirrored.hex(),
                asked=asked,
                field="registry_hash",
                code="registry_hash_other",
            )
        current = self.contracts.registry_hash_now()
        if current != registry_hash:  # 5
            raise Conflict(
                "the chain's registry has moved on to 0x{current}",
                current=current.hex(),
                field="registry_hash",
                code="registry_moved",
                hint="Mirror its changes, then anchor the tree that has them.",
            )
        digest = checkpoint_digest(self.contracts.domain, asked.size, root, registry_hash)
        return AnchorCosignature(self.account.key_id, "0x" + self.account.sign(digest).hex())

    def cosign_block(self, asked: CosignBlock) -> str:
        """Return the lines by which this witness vouches for a block, under a block note.

        1. Chain and contract are those of the trust file, and of this witness's node: NotFound.
        2. No alarm is open: Halted.
        3. The block is final at this witness's node: Conflict; Unavailable if the node cannot say.
        """
        self._require_contract(asked.chain_id, asked.anchor)  # 1
        self.store.require_free()  # 2
        block = self.contracts.final_at(asked.block_number)  # 3
        block_hash = "0x" + block.hash.hex()
        if block_hash != asked.block_hash:
            own_block = Message("here block {asked.block_number} is {block_hash}", asked=asked, block_hash=block_hash)
            raise Conflict(
                own_block, field="block_hash", code="other_block", hint="The two nodes are of different chains."
            )
        statement = BlockStatement(self.trust.log_id, self.contracts.chain, TrustedBlock(block.number, block_hash))
        at = self.clock() // 1000
        signers = (*self.note_signers, *([self.mirror_signer] if self.mirror_signer else []))
        return _lines(cosign_statement(statement.text(), signer, at) for signer in signers)

    def _reach(self, checkpoint: Checkpoint, note: str) -> None:
        """Follow up to the checkpoint.

        If it cannot be read, the tree that is published now may be another, so the log is looked at before the second
        try.
        """
        try:
            try:
                self.watch.reach(checkpoint, note)
            except LogUnreadable:
                self.watch.look_at_log()
                self.watch.reach(checkpoint, note)
        except LogFault:
            self.store.require_free()
            raise

    def _require_contract(self, chain_id: int, anchor: str) -> None:
        trusted = {(chain.chain_id, chain.anchor) for chain in self.trust.chains}
        mine = self.contracts.chain
        if (chain_id, anchor) not in trusted:
            raise NotFound(
                "the trust file names no contract {anchor} on chain {chain_id}",
                anchor=anchor,
                chain_id=chain_id,
                field="anchor",
            )
        if (chain_id, anchor) != (mine.chain_id, mine.anchor):
            raise NotFound(
                "this witness looks at {mine.anchor} on chain {mine.chain_id} only", mine=mine, field="anchor"
            )


def _lines(signatures: Iterable[notes.NoteSignature]) -> str:
    return "".join(signature.line() for signature in signatures)

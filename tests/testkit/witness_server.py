"""A small witness of the tests: the two routes over real HTTP, consistency checked by the slow reference's rules.

It sees no entry: what a real witness checks of those is not its matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ledger.chain.contract import ContractDomain, checkpoint_digest
from ledger.config.keys import MlDsaSigner
from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import Checkpoint, cosign_checkpoint, cosign_statement, verify_checkpoint
from ledger.core.log.merkle import Hash, verify_consistency
from ledger.core.log.notes import NoteSigner, SeedSigner, SignatureType, VerifyingKey
from ledger.core.log.policy import Policy, parse_policy
from ledger.core.log.witness_protocol import CosignBlock, parse_add_checkpoint, parse_add_entries, parse_request
from ledger.core.trust.block_notes import BlockStatement
from ledger.core.trust.trust_file import TrustedBlock, TrustedChain
from ledger.witness.gathering.witnesses import Witness
from tests.testkit.faulty_service import Answer, Asked, faulty_service
from tests.unit.chain.builders import Key

START = 1_900_000_000  # unix seconds


@dataclass
class Reply:
    """What is answered."""

    status: int
    body: bytes
    media_type: str = "text/plain; charset=utf-8"


@dataclass
class SmallWitness:
    """``name`` gives both keys. ``spoil``, where it is set, answers in the witness's place."""

    name: str
    log_key: VerifyingKey
    log_id: bytes
    contracts: TrustedChain | None = None  # of whose blocks it says that they are final, whatever it is asked
    signer_of_blocks: SeedSigner | None = None  # instead of its own
    is_hybrid: bool = False  # signs with an ML-DSA-44 key too
    mirror: NoteSigner | None = None  # with which it answers for every tree that it has seen
    pending: Checkpoint | None = None
    size: int = 0
    root: bytes = b""
    now: int = START
    asked: list[str] = field(default_factory=list)
    spoil: Callable[[str], Reply] | None = None
    url: str = ""

    @property
    def signer(self) -> SeedSigner:
        return SeedSigner.from_seed(self.name, self.name.encode().ljust(32, b"\0"), SignatureType.COSIGNATURE_V1)

    @property
    def signers(self) -> tuple[NoteSigner, ...]:
        ml_dsa = MlDsaSigner.from_seed(self.name, self.name.encode().ljust(32, b"\0"))
        return (self.signer, ml_dsa) if self.is_hybrid else (self.signer,)

    @property
    def keys(self) -> tuple[VerifyingKey, ...]:
        return tuple(signer.verifying_key for signer in self.signers)

    @property
    def account(self) -> Key:
        return Key(f"witness {self.name}")

    @property
    def configured(self) -> Witness:
        mirror = self.mirror.verifying_key if self.mirror else None
        return Witness(self.url, self.keys, self.account.key_id, mirror)

    @property
    def foreign(self) -> Witness:
        return Witness(self.url, self.keys)

    def row(self, *, foreign: bool = False) -> str:
        """Its part of ``witnesses.toml``."""
        account = "" if foreign else f'account = "{self.account.key_id}"\n'
        keys = json.dumps([key.vkey() for key in self.keys])
        return f'[[witnesses]]\nurl = "{self.url}"\nverifier_keys = {keys}\n{account}'

    def answer(self, path: str, body: bytes) -> Reply:
        self.asked.append(path)
        if self.spoil is not None:
            return self.spoil(path)
        if path == "/add-entries":
            return self.add_entries(body)
        if path == "/cosign-block" and self.contracts is not None:
            return self.cosign_block(body, self.contracts)
        return self.add_checkpoint(body) if path == "/add-checkpoint" else self.cosign_anchor(body)

    def cosign_block(self, body: bytes, contracts: TrustedChain) -> Reply:
        asked = parse_request(body, CosignBlock)
        statement = BlockStatement(self.log_id, contracts, TrustedBlock(asked.block_number, asked.block_hash))
        signers = (self.signer_of_blocks,) if self.signer_of_blocks else self.signers
        return Reply(
            200, "".join(cosign_statement(statement.text(), signer, self.now).line() for signer in signers).encode()
        )

    def add_checkpoint(self, body: bytes) -> Reply:
        asked = parse_add_checkpoint(body)
        try:
            checkpoint = verify_checkpoint(asked.note, self.log_key)
        except TallystickError as error:
            return Reply(403, str(error).encode())
        if asked.old != self.size:
            return Reply(409, f"{self.size}\n".encode(), "text/x.tlog.size")
        if self.size:
            try:
                verify_consistency(self.size, Hash(self.root), checkpoint.size, checkpoint.root, asked.proof)
            except TallystickError as error:
                return Reply(422, str(error).encode())
        self.size, self.root, self.pending = checkpoint.size, checkpoint.root, checkpoint
        self.now += 1
        lines = (cosign_checkpoint(checkpoint, signer, self.now).line() for signer in self.signers)
        return Reply(200, "".join(lines).encode())

    def add_entries(self, body: bytes) -> Reply:
        asked = parse_add_entries(body)
        if self.mirror is None or self.pending is None or asked is None or asked.end != self.size:
            return Reply(409, f"{self.size}\n0\n\n".encode(), "text/x.tlog.mirror-info")
        return Reply(200, cosign_checkpoint(self.pending, self.mirror, self.now).line().encode())

    def cosign_anchor(self, body: bytes) -> Reply:
        asked = json.loads(body)
        if asked["size"] > self.size:
            problem = {"title": "not seen", "detail": f"size {asked['size']} is not seen yet"}
            return Reply(409, json.dumps(problem).encode(), "application/problem+json")
        domain = ContractDomain(self.log_id, asked["chain_id"], asked["anchor"])
        root, registry_hash = (bytes.fromhex(asked[name][2:]) for name in ("root", "registry_hash"))
        signature = self.account.sign(checkpoint_digest(domain, asked["size"], root, registry_hash))
        answer = {"account": self.account.key_id, "signature": "0x" + signature.hex()}
        return Reply(200, json.dumps(answer).encode(), "application/json")


@contextmanager
def serving(witness: SmallWitness, port: int = 0) -> Iterator[SmallWitness]:
    """Yield the witness, reached at its ``url`` for as long as the block lasts."""

    def answer(asked: Asked) -> Answer:
        reply = witness.answer(asked.path, asked.body)
        return Answer(reply.status, reply.body, {"Content-Type": reply.media_type})

    with faulty_service(answer, port) as service:
        witness.url = service.url
        yield witness


@contextmanager
def serving_all(*witnesses: SmallWitness) -> Iterator[tuple[SmallWitness, ...]]:
    """All of them."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(serving(witness)) for witness in witnesses)


def policy_of(threshold: int, *witnesses: SmallWitness) -> Policy:
    """Return the policy by which so many of these witnesses must have co-signed."""
    lines = [f"witness {witness.name} {witness.signer.verifying_key.vkey()}" for witness in witnesses]
    group = f"group g {threshold} {' '.join(witness.name for witness in witnesses)}"
    return parse_policy("\n".join([*lines, group, "quorum g", ""]))

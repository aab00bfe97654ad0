"""A witness under test: real parts over a cheating log, and contracts on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger.chain.contract import ContractDomain, checkpoint_digest
from ledger.chain.contract_clients import AnchorRequest
from ledger.chain.eth import Eth
from ledger.chain.journal import AnchoredHead
from ledger.config.keys import LocalSigner, MlDsaSigner
from ledger.core.events.registry import RegistryChange
from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.core.log.replay import LogFault
from ledger.core.log.witness_protocol import CosignAnchor
from ledger.core.trust.trust_file import FinalityRule, Trust
from ledger.store.witness import Halted, WitnessStore
from ledger.witness.alarms import Alarms, Health, Status, status_of
from ledger.witness.contracts import Contracts, contracts_at
from ledger.witness.cosigning import Cosigner
from ledger.witness.follow import LogFollower
from ledger.witness.mirror import LogMirror
from ledger.witness.source import LogSource
from ledger.witness.watch import Watch
from tests.testkit import bundles
from tests.testkit.builders import LOG_ID, START, Officer, SignedEvent, clerk, secret_key
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES, Linked
from tests.testkit.ledgers import Clock
from tests.unit.witness.cheating import CheatingLog, served

NOTE_SIGNER = SeedSigner.from_seed("witness.test/w1", b"\x07" * 32, SignatureType.COSIGNATURE_V1)
ML_DSA_SIGNER = MlDsaSigner.from_seed("witness.test/w1", b"\x08" * 32)
MIRROR_SIGNER = MlDsaSigner.from_seed("witness.test/m1", b"\x09" * 32)
ACCOUNT = LocalSigner.from_private_key(secret_key("account of the witness").secret)
CLERK, OTHER_CLERK = (clerk(agency) for agency in AGENCIES[:2])
REACH_S = 20.0
LAG_S = 900


def trust_of(linked: Linked) -> Trust:
    """What the operator of a witness is given."""
    chain = linked.deployment.trusted_chain(finality=0)
    return bundles.trust(chains=(chain,))


def changes_of(linked: Linked, after: int = 0, registry_hash: bytes = LOG_ID) -> list[RegistryChange]:
    """The chain's changes as an honest log mirrors them."""
    return linked.anchors.at(linked.final).changes(after=after, registry_hash=registry_hash, first_block=0)


@dataclass
class Stand:
    """A log, a chain, and the witness between them. ``witness`` parts are made anew by ``restart``."""

    linked: Linked
    log: CheatingLog
    folder: Path
    clock: Clock = field(default_factory=lambda: Clock(START * 1000))
    finality: FinalityRule | None = None
    is_mirror: bool = False

    def __post_init__(self) -> None:
        self.trust = trust_of(self.linked)
        self.restart()

    def restart(self) -> None:
        """What a killed and restarted process would be."""
        self.source = LogSource(self.log.url, timeout_s=5)
        self.contracts: Contracts = contracts_at(self.eth, self.trust, self.finality)
        self.store = WitnessStore.open(self.folder / "witness.db", self.trust)
        self.alarms = Alarms(self.store, self.clock)
        parts = self.store, self.source, self.contracts, self.alarms, self.clock
        self.follower = LogFollower(*parts, keeps_entries=self.is_mirror)
        self.watch = Watch(
            self.trust, self.follower, self.contracts, reach_timeout_s=REACH_S, anchor_lag_s=LAG_S, mirror_lag_s=LAG_S
        )
        self.cosigner = Cosigner(self.watch, self.contracts, (NOTE_SIGNER, ML_DSA_SIGNER), ACCOUNT)
        self.log_mirror = LogMirror(self.watch, MIRROR_SIGNER)
        if self.is_mirror:
            self.cosigner.mirror_signer = MIRROR_SIGNER

    def close(self) -> None:
        self.source.close()
        self.store.close()

    @property
    def eth(self) -> Eth:
        return self.linked.chain.eth

    @property
    def status(self) -> Status:
        return status_of(self.store, now=self.clock(), silence_s=60)

    def kinds(self) -> list[str]:
        """The alarms that stand."""
        return [alarm.kind for alarm in self.store.alarms()]

    # -- the log and the chain -----------------------------------------------------------------------------------------

    def grant(self, officer: Officer) -> None:
        """Granted on the chain and mirrored."""
        self.linked.grant(officer)
        self.mirror()

    def mirror(self) -> None:
        """The log mirrors what the chain has."""
        mirrored = sum(isinstance(event.payload.body, RegistryChange) for event in self.log.system.events)
        self.log.mirror(*changes_of(self.linked)[mirrored:])

    def open_cases(self, count: int, by: Officer) -> None:
        """So many events, each the first of its case."""
        have = len(self.log.events)
        self.log.add(*(Case(f"case-{have + number}").open(by).last for number in range(count)))

    def anchor(self, size: int | None = None, root: bytes | None = None) -> None:
        """The operator anchors the log's tree, or another."""
        anchors = self.linked.anchors
        head = anchors.now().head()
        checkpoint = self.log.checkpoint(size)
        proof = self.log.proof(head.size, checkpoint.size)
        registry_hash = anchors.now().registry_hash()
        anchored = AnchoredHead(checkpoint.size, root or checkpoint.root, registry_hash)
        anchors.submit(AnchorRequest(head.size, head.root, anchored, proof))

    def wish_for_anchor(self, size: int | None = None) -> CosignAnchor:
        """What the log asks to be signed for its contract."""
        checkpoint, chain = self.log.checkpoint(size), self.trust.chains[0]
        return CosignAnchor(
            chain_id=chain.chain_id,
            anchor=chain.anchor,
            size=checkpoint.size,
            root="0x" + checkpoint.root.hex(),
            registry_hash="0x" + self.linked.anchors.now().registry_hash().hex(),
        )

    def digest_of(self, asked: CosignAnchor) -> bytes:
        """What the contract recovers the witness's account from."""
        domain = ContractDomain(LOG_ID, asked.chain_id, asked.anchor)
        return checkpoint_digest(
            domain, asked.size, bytes.fromhex(asked.root[2:]), bytes.fromhex(asked.registry_hash[2:])
        )


@contextmanager
def standing(linked: Linked, folder: Path) -> Iterator[Stand]:
    """A witness of a log that has mirrored its chain."""
    log = CheatingLog()
    log.mirror(*changes_of(linked))
    with served(log):
        stand = Stand(linked, log, folder)
        try:
            yield stand
        finally:
            stand.close()


def event_by(officer: Officer, case_id: str, **fields: object) -> SignedEvent:
    """The opening of a case as this officer signs it, allowed or not."""
    return Case(case_id).open(officer, **fields).last


def halted(stand: Stand, kind: str) -> None:
    """One alarm of this kind stands, with evidence; nothing is signed, not even what was right before."""
    (alarm,) = stand.store.alarms()
    assert (alarm.kind, alarm.halts) == (kind, True)
    assert alarm.message
    assert alarm.evidence["checkpoint"]
    assert stand.status.health is Health.HALTED
    size = stand.status.cosigned_size
    with pytest.raises(Halted):
        stand.cosigner.add_checkpoint(stand.log.wish(size, size))
    if stand.status.cosigned_size:
        with pytest.raises(Halted):
            stand.cosigner.cosign_anchor(stand.wish_for_anchor(stand.status.cosigned_size))


def halted_by_look(stand: Stand, kind: str) -> None:
    """A look finds the fault and halts the witness."""
    with pytest.raises(LogFault):
        stand.watch.look()
    halted(stand, kind)


def begun(stand: Stand, count: int = 5) -> int:
    """A log that was followed, co-signed and looked at; its size."""
    stand.open_cases(count, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    stand.watch.look()
    assert stand.kinds() == []
    return len(stand.log.events)

"""A founded ledger on a chain: contracts, clients and keys of the tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.chain.contract import grant_key, request_key
from ledger.chain.contract_clients import AnchorClient, AnchorRequest, RegistryClient
from ledger.chain.deploy import RegistryAgency, RegistryFounding, deploy
from ledger.chain.eth import Eth
from ledger.chain.journal import AnchoredHead, ChainWrite, Deployment, Journal
from ledger.chain.remote import RemoteChain
from ledger.chain.rpc import JsonRpc
from ledger.chain.writer import ChainBackend, ChainWriter
from ledger.core.trust.trust_file import FinalityRule
from tests.oracles.merkle_reference import consistency_proof, mth
from tests.unit.chain.builders import Key
from tests.unit.chain.external import ExternalNode

NOW = 1767225600  # 2026-01-01T00:00:00Z
SUBMITTER = Key("submitter")
POLICE = Key("police admin")
PROSECUTION = Key("prosecution admin")
COURT = Key("court admin")
ADMINS = {"psb-east": POLICE, "proc-east": PROSECUTION, "court-east": COURT}
PROFILE = b'{"jurisdiction":"31/01","name":{"en":"An agency","zh":"\xe6\x9c\xba\xe5\x85\xb3"}}'


def founding(log_id: bytes = b"\x01" * 32) -> RegistryFounding:
    agencies = tuple(
        RegistryAgency(agency_id, f"kind_{number}", admin.key_id, PROFILE)
        for number, (agency_id, admin) in enumerate(ADMINS.items(), 1)
    )
    return RegistryFounding(
        log_id,
        agencies,
        submitters=(SUBMITTER.key_id,),
        quorum=0,
        development=True,
        procedures=("blake3:" + "5f" * 32,),
    )


def granted_by(world: World, admin: Key, key: Key, *, officer: str = "p-1") -> bytes:
    """The call by which the admin's agency grants the key, which asked for it, for a second."""
    agency = next(agency for agency, candidate in ADMINS.items() if candidate == admin)
    request = request_key(key, world.registry.domain(world.founding.log_id), agency=agency, officer=officer)
    return grant_key(request, roles=1, valid_from=NOW, valid_until=NOW + 1)


@dataclass
class Clock:
    now: int = NOW  # unix seconds

    def __call__(self) -> int:
        return self.now


@dataclass
class World:
    """The clients of one deployment, and a log whose leaves the test adds."""

    chain: ChainBackend
    journal: Journal
    writer: ChainWriter
    founding: RegistryFounding
    deployment: Deployment
    clock: Clock
    leaves: list[bytes] = field(default_factory=list)
    anchored: int = 0  # leaves

    @property
    def registry(self) -> RegistryClient:
        return RegistryClient(address=self.deployment.registry, writer=self.writer)

    @property
    def anchor(self) -> AnchorClient:
        return AnchorClient(deployment=self.deployment, writer=self.writer)

    def next_anchor(self, new_leaves: int = 3) -> AnchorRequest:
        """The log grown by some leaves, as the contract wants it."""
        self.leaves += [b"leaf %d" % index for index in range(len(self.leaves), len(self.leaves) + new_leaves)]
        before = self.leaves[: self.anchored]
        head = AnchoredHead(len(self.leaves), mth(self.leaves), self.anchor.now().registry_hash())
        return AnchorRequest(
            len(before), mth(before), head, consistency_proof(len(before), self.leaves) if before else []
        )

    def anchor_more(self, new_leaves: int = 3) -> ChainWrite:
        write = self.anchor.submit(self.next_anchor(new_leaves))
        self.anchored = len(self.leaves)
        return write


def found(chain: ChainBackend, journal: Journal) -> World:
    clock = Clock()
    writer = ChainWriter(chain=chain, journal=journal, signer=SUBMITTER, clock=clock)
    begun = founding()
    return World(chain, journal, writer, begun, deploy(writer, begun, timeout_seconds=30), clock)


def remote_world(node: ExternalNode, journal: Journal, *, finality: FinalityRule = 0, url: str | None = None) -> World:
    """Founded while every block is final; then under ``finality``, and through ``url`` if the node has another one."""
    node.fund(SUBMITTER.key_id)
    eth = Eth(JsonRpc(url or node.url, timeout_seconds=5.0))
    chain = RemoteChain(eth=eth, chain_id=eth.chain_id(), journal=journal, finality=0)
    world = found(chain, journal)
    chain.finality, chain.identity = finality, world.deployment.identity
    return world

"""The gatherer: asks the contract's witnesses to co-sign an anchor, until a quorum of agencies has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from msgspec import Struct

from ledger.chain.contract import ContractDomain, checkpoint_digest
from ledger.chain.journal import AnchoredHead
from ledger.core.errors import TallystickError
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import Policy
from ledger.core.log.witness_protocol import CosignAnchor
from ledger.core.messages import Message, joined
from ledger.core.signing.authority import AuthorityState
from ledger.core.signing.signatures import recover
from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Connection
from ledger.witness.gathering.collector import WitnessState
from ledger.witness.gathering.witnesses import NotCosigned, Refusals, Witness, cosign_anchor, new_client

LONGEST_PAUSE_S = 15.0


class Gathered(Struct, frozen=True):
    """Co-signatures of one anchor, one for each agency, at most the quorum; ``missing`` explains a shortfall."""

    signatures: tuple[bytes, ...]
    missing: str = ""


class CosignedCheckpoint(Struct, frozen=True):
    """A checkpoint, and the verifier keys of the witnesses that have co-signed it."""

    published: PublishedCheckpoint
    vkeys: frozenset[str]


@dataclass(eq=False, repr=False)
class Gatherer:
    """Collects the co-signatures of one anchor at a time; a witness that has signed it is not asked again.

    ``states`` gives the states of the witnesses that are asked for checkpoints.
    """

    witnesses: Callable[[], tuple[Witness, ...]]
    policy: Callable[[], Policy]
    states: Callable[[], list[WitnessState]]
    _digest: bytes = field(default=b"", init=False)
    _signed: dict[str, bytes] = field(default_factory=dict, init=False)  # account: signature of the digest

    def __post_init__(self) -> None:
        self._refusals = Refusals("anchor not co-signed", LONGEST_PAUSE_S)

    def cosigned_by_quorum(
        self, connection: Connection, authority: AuthorityState, above: int
    ) -> CosignedCheckpoint | None:
        """Return the newest checkpoint above this size that a quorum has co-signed, or None.

        The quorum is of the contract's witnesses, and of the policy's too if it asks for any.
        """
        accounts = {vkey: witness.account for witness in self.witnesses() for vkey in witness.vkeys}
        agencies, policy = _agencies(authority), self.policy()
        for size, vkeys in checkpoints.cosigned_sizes(connection, above):
            signing_agencies = {agencies.get(accounts.get(vkey) or "") for vkey in vkeys} - {None}
            if len(signing_agencies) >= authority.quorum and policy.is_met_by(map(parse_vkey, vkeys)):
                published = checkpoints.published_at_size(connection, size)
                return CosignedCheckpoint(published, frozenset(vkeys)) if published is not None else None
        return None

    def why_not_cosigned(self, authority: AuthorityState) -> str:
        """Explain what prevents a quorum under a checkpoint, with the fault of each witness."""
        named = [witness for witness in self.witnesses() if witness.account in _agencies(authority)]
        if len(named) < authority.quorum:
            return Message(
                "the contract asks for {authority.quorum} co-signatures; witnesses.toml names {count} of its "
                "{total} witnesses",
                authority=authority,
                count=len(named),
                total=len(_agencies(authority)),
            )
        shortfall = Message(
            "fewer than {authority.quorum} of the contract's witnesses have co-signed a newer checkpoint",
            authority=authority,
        )
        names = {witness.name for witness in named}
        faults = [_fault_of(state.name, state.fault) for state in self.states() if state.name in names and state.fault]
        return joined([shortfall, *faults])

    def gather(
        self, domain: ContractDomain, head: AnchoredHead, authority: AuthorityState, cosigned: CosignedCheckpoint
    ) -> Gathered:
        """Return co-signatures of the head by current witnesses that have co-signed its checkpoint.

        Each is verified here as the contract does.
        """
        digest = checkpoint_digest(domain, head.size, head.root, head.registry_hash)
        if digest != self._digest:
            self._digest, self._signed = digest, {}
        agencies = _agencies(authority)
        self._signed = {account: held for account, held in self._signed.items() if account in agencies}
        able = [
            witness
            for witness in self.witnesses()
            if witness.account in agencies and not cosigned.vkeys.isdisjoint(witness.vkeys)
        ]
        if len(self._signed) < authority.quorum:
            request = CosignAnchor(
                domain.chain_id, domain.contract, head.size, "0x" + head.root.hex(), "0x" + head.registry_hash.hex()
            )
            asyncio.run(self._ask(able, request, authority.quorum))
        taken = tuple(self._signed.values())[: authority.quorum]
        missing = ""
        if len(taken) < authority.quorum:
            reasons = {w.name: self._refusals.reason(w) for w in able if w.account not in self._signed}
            refusals = [_fault_of(name, reason) for name, reason in reasons.items() if reason]
            shortfall = Message(
                "{count} of {authority.quorum} co-signatures for the contract", count=len(taken), authority=authority
            )
            missing = joined([shortfall, *refusals])
        return Gathered(taken, missing)

    async def _ask(self, able: list[Witness], asked: CosignAnchor, quorum: int) -> None:
        """Ask all at once, until enough have signed."""
        async with new_client() as client:
            waiting = {
                asyncio.create_task(self._ask_one(client, witness, asked))
                for witness in able
                if witness.account not in self._signed and self._refusals.may_be_asked(witness)
            }
            while waiting and len(self._signed) < quorum:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _ask_one(self, client: httpx.AsyncClient, witness: Witness, asked: CosignAnchor) -> None:
        account = witness.account or ""
        try:
            cosignature = await cosign_anchor(client, witness.url, asked)
            signature = bytes.fromhex(cosignature.signature[2:])
            signer = recover(self._digest, signature, field="signature")
            if signer != account:
                raise NotCosigned(
                    "the witness answers with a signature by {signer}, not by {account}", signer=signer, account=account
                )
        except TallystickError as error:
            self._refusals.add(witness, error.text)
        else:
            self._refusals.remove(witness)
            self._signed[account] = signature


def _fault_of(witness: str, fault: str) -> Message:
    return Message("{witness}: {fault}", witness=witness, fault=fault)


def _agencies(authority: AuthorityState) -> dict[str, str]:
    """Return the agency of each witness in the registry, by account."""
    return {agency.witness: agency.agency_id for agency in authority.agencies.values() if agency.witness is not None}

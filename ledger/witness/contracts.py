"""The contracts at a node of the agency's choice: the registry's changes, its present hash, and anchor records."""

from __future__ import annotations

from ledger.chain.contract import ContractDomain
from ledger.chain.contract_clients import ContractsAt
from ledger.chain.deploy import require_deployment
from ledger.chain.errors import ChainMismatch, ChainUnavailable, WrongChain
from ledger.chain.eth import BlockRef, Eth, final_block
from ledger.chain.journal import ChainFingerprint, Deployment
from ledger.core.errors import Conflict, NotFound
from ledger.core.events.registry import RegistryChange
from ledger.core.messages import Message
from ledger.core.signing.authority import AuthorityState
from ledger.core.trust.trust_file import FinalityRule, Trust, TrustedChain
from ledger.loggers import get_logger

logger = get_logger(__name__)


class Contracts:
    """The contracts of one trusted chain at a node.

    Every method raises ChainUnavailable, and WrongChain if the chain or the contracts are not those of the trust file.
    """

    def __init__(self, eth: Eth, chain: TrustedChain, log_id: bytes, finality: FinalityRule):
        self.chain = chain
        self._eth = eth
        self._finality = finality
        deployed = ChainFingerprint(
            chain.chain_id, chain.deployment_block_number, bytes.fromhex(chain.deployment_block_hash[2:])
        )
        code_hashes = (bytes.fromhex(text[2:]) for text in (chain.registry_code_hash, chain.anchor_code_hash))
        self._deployment = Deployment(deployed, chain.registry, chain.anchor, *code_hashes)
        self.domain = ContractDomain(log_id, chain.chain_id, chain.anchor)

    def final(self) -> BlockRef:
        """Return the newest final block of the trust file's chain, which has its contracts."""
        self._require_deployment()
        final = final_block(self._eth, self._finality)
        if final is None or final.number < self.chain.deployment_block_number:
            raise ChainUnavailable(
                "the contracts are in no final block yet", code="chain_behind", hint=self.finality_hint
            )
        return final

    @property
    def finality_hint(self) -> str:
        """Explain by which rule blocks are final here, and where that is set."""
        rule = self._finality
        final = (
            Message("under {count} blocks on top of it", count=rule)
            if isinstance(rule, int)
            else Message("once the node calls it {rule}", rule=rule)
        )
        return Message(
            "Finality here: a block is final {final}. The ledger's trust file says so (chains: finality), unless "
            "TALLYSTICK_WITNESS_FINALITY overrides it.",
            final=final,
        )

    def final_at(self, number: int) -> BlockRef:
        """Return the final block of a number, which has the contracts. Raises Conflict if it is not final here."""
        final = self.final()
        block = self._eth.block(number) if self.chain.deployment_block_number <= number <= final.number else None
        if block is None:
            raise Conflict(
                "block {number} is not final here: block {final.number} is the last that is",
                number=number,
                final=final,
                field="block_number",
                code="not_final",
                hint=self.finality_hint,
            )
        return block.ref

    def changes_after(self, authority: AuthorityState, first_block: int, final: BlockRef) -> list[RegistryChange]:
        """Return the registry's changes above those of ``authority``, up to the final block, as the log mirrors them.

        ``first_block`` is the block of the last of them, or of the first change. If it is wrong, the changes do not
        follow from those of ``authority``, and ChainMismatch is raised.
        """
        return self.at(final).changes(
            after=authority.changes, registry_hash=authority.registry_hash, first_block=first_block
        )

    def unmirrored(self, authority: AuthorityState, final: BlockRef) -> int:
        """Return how many changes at the final block the log does not mirror.

        Raises ChainMismatch if it mirrors other changes.
        """
        if authority.changes:
            return len(self.changes_after(authority, authority.last_block, final))
        count, _ = self.at(final).registry()
        return count

    def registry_hash_now(self) -> bytes:
        """Return the registry's hash in the newest block, final or not, which ``anchor`` compares with."""
        self._require_deployment()
        return self.at(self._eth.head().ref).registry_hash()

    def at(self, block: BlockRef) -> ContractsAt:
        """Return the contracts at a block, to be read there."""
        return ContractsAt(self._eth, self._deployment, block)

    def _require_deployment(self) -> None:
        try:
            require_deployment(self._eth, self._deployment)
        except ChainMismatch as error:
            raise WrongChain(error.text, hint=error.hint) from error


def contracts_at(eth: Eth, trust: Trust, finality: FinalityRule | None = None) -> Contracts:
    """Return the trusted contracts on the chain behind a node: the last that the trust file names for its id.

    Blocks are final by the trust file's rule, which the log's service uses too, unless ``finality`` overrides it.
    Raises NotFound if the trust file names none, and ChainUnavailable.
    """
    chain_id = eth.chain_id()
    chain = next((chain for chain in reversed(trust.chains) if chain.chain_id == chain_id), None)
    if chain is None:
        named = ", ".join(str(chain.chain_id) for chain in trust.chains) or "none"
        raise NotFound(
            "the node is of chain {chain_id}; the trust file names {named}",
            chain_id=chain_id,
            named=named,
            field="--rpc",
            hint="Name a node of the chain that the ledger is anchored on, and its trust file of today.",
        )
    if finality not in (None, chain.finality):
        logger.warning(
            "finality overrides the rule of the trust file: where it waits longer, anchors wait for this witness",
            setting=finality,
            trust_file=chain.finality,
        )
    return Contracts(eth, chain, trust.log_id, chain.finality if finality is None else finality)

"""Errors of a chain.

IntegrityBroken
├── ChainAhead                the chain, or a dump of it, holds more than the journal: the database was rolled back
└── ChainMismatch             a block, code or record differs from the one that the journal or the deployment names
RuleRefused
└── CallReverted              the contract refused the call (names its error)
Unavailable
└── ChainUnavailable          a node that cannot be reached or understood (see its ``code``)
    ├── WrongChain            the node answers, but for another chain
    ├── OtherContracts        the ledger's contracts are not those that this release deploys
    ├── OutOfStep             the embedded node is not at the block that the journal says
    └── RpcRefused            the node answered a request with an error
        └── TransactionRefused    the node refused a transaction for an unknown reason
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.core.errors import IntegrityBroken, RuleRefused, Unavailable
from ledger.core.messages import Message


class ChainAhead(IntegrityBroken):
    """The chain holds more than the journal. Write nothing until the lost part of the database is restored."""

    code = "chain_ahead"


class ChainMismatch(IntegrityBroken):
    """The chain contradicts the journal; ``block_number`` is the first block that differs, if it is about a block."""

    code = "chain_mismatch"

    def __init__(self, text: str, /, *, block_number: int | None = None, **more: Any):
        super().__init__(text, **more)
        self.block_number = block_number


class CallReverted(RuleRefused):
    """The contract refused; ``error`` is its name for it, with ``arguments`` by name, empty if it gave none."""

    code = "contract_refused"

    def __init__(self, text: str, /, *, error: str = "", arguments: Mapping[str, Any] | None = None, **more: Any):
        super().__init__(text, **more)
        self.error = error
        self.arguments = dict(arguments or {})


class ChainUnavailable(Unavailable):
    """The node cannot be reached or understood.

    ``code`` is ``chain_unreachable``, ``chain_timeout``, ``chain_rate_limited``, ``chain_garbled`` (no JSON-RPC, or
    values of another form) or ``chain_too_large``.
    """

    code = "chain_unreachable"


class WrongChain(ChainUnavailable):
    code = "wrong_chain"


class OtherContracts(ChainUnavailable):
    """``contracts`` are name and address of those that this release would have deployed differently."""

    code = "other_contracts"

    def __init__(self, contracts: Mapping[str, str]):
        named = " and ".join(f"{name} at {address}" for name, address in contracts.items())
        super().__init__(
            Message("contracts of another version: {named}", named=named),
            hint="Nothing is anchored by this release: anchors need the release that deployed them, or a successor "
            "contract. Submissions go on.",
        )
        self.contracts = dict(contracts)


class OutOfStep(ChainUnavailable):
    """The embedded node differs from the journal, of which it is a cache: it is restarted from the journal."""

    code = "chain_out_of_step"


class RpcRefused(ChainUnavailable):
    """The node answered with an error; ``rpc_code``, ``rpc_message`` and ``data`` are its own."""

    code = "chain_refused"

    def __init__(self, method: str, rpc_code: int, rpc_message: str, data: Any = None):
        text = Message("the chain node refused {method}: {rpc_message} (code {rpc_code})")
        super().__init__(text, method=method, rpc_message=rpc_message, rpc_code=rpc_code)
        self.rpc_code = rpc_code
        self.rpc_message = rpc_message
        self.data = data


class TransactionRefused(RpcRefused):
    code = "transaction_refused"

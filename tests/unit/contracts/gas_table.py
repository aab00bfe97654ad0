"""What the contracts' calls cost in gas, measured on a fresh node.

    python -m tests.unit.contracts.gas_table > docs/gas.md

Keys, signatures and addresses are always the same, so the figures are too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from web3 import Web3

import contracts
from tests.oracles.merkle_reference import consistency_proof, inclusion_proof, leaf_hash, mth
from tests.unit.contracts.ledger import (
    MAJORITY,
    NEWCOMER,
    PARTIES,
    POLICE,
    PROCEDURE,
    SUBMITTER,
    Ledger,
    Party,
    admission,
    change,
    deploy_harness,
    founding,
    person,
    running_node,
    witnessing,
)

HEADER = """# Gas

`python -m tests.unit.contracts.gas_table > docs/gas.md` writes this page, and a test compares it. The gas of a
transaction includes the 21,000 that each transaction costs, and its data. The gas of an execution is that of the
library RFC6962 alone.

| what | gas |
|---|---:|
"""
SIX = (*PARTIES, NEWCOMER, Party("property-depot"))


class Row(NamedTuple):
    label: str
    gas: int


def table() -> str:
    """The document, made on a node of its own."""
    with running_node() as web3:
        rows = [*deployments(web3), *registry_acts(web3), *anchors(web3), *grown_anchors(web3), *proofs(web3)]
    return HEADER + "".join(f"| {label} | {gas:,} |\n" for label, gas in rows)


def deployments(web3: Web3) -> Iterator[Row]:
    ledger = Ledger(web3, founding(quorum=2))
    for name, contract in (("AgencyRegistry", ledger.registry), ("LogAnchor", ledger.anchor)):
        size = len(contracts.artifact(name)["deployedBytecode"]["object"][2:]) // 2
        yield Row(f"deploy {name} ({size:,} bytes of code)", creation_gas(web3, contract.address))


def creation_gas(web3: Web3, address: str) -> int:
    for number in range(1, web3.eth.block_number + 1):
        (receipt,) = web3.eth.get_block_receipts(number)
        if receipt["contractAddress"] == address:
            return int(receipt["gasUsed"])
    raise LookupError(address)


def registry_acts(web3: Web3) -> Iterator[Row]:
    ledger = Ledger(web3, founding())
    calls = ledger.registry.functions
    key, heir = person("officer key"), person("next admin")
    yield Row("grantKey", ledger.grant(POLICE, key)["gasUsed"])
    yield Row("revokeKey", ledger.send(POLICE.admin, calls.revokeKey(key.address))["gasUsed"])
    yield Row("decide, admission by 3 of 4", ledger.decide(admission(NEWCOMER), *MAJORITY)["gasUsed"])
    yield Row("decide, witness by 3 of 5", ledger.decide(witnessing(NEWCOMER), *MAJORITY)["gasUsed"])
    adoption = change(PROCEDURE, procedure=bytes.fromhex("5f" * 32))
    yield Row("decide, procedure by 3 of 5", ledger.decide(adoption, *MAJORITY)["gasUsed"])
    yield Row("proposeAdmin", ledger.send(POLICE.admin, calls.proposeAdmin(heir.address))["gasUsed"])
    yield Row("acceptAdmin", ledger.send(heir, calls.acceptAdmin(POLICE.id))["gasUsed"])


def anchors(web3: Web3) -> Iterator[Row]:
    """An anchor of a log that grows from 2,102 to 4,096 entries."""
    for quorum in range(4):
        ledger = Ledger(web3, founding(quorum=quorum))
        first = anchor_gas(ledger, quorum, 2102, [])
        if quorum == 0:
            yield Row("first anchor, quorum 0", first)
        proof = consistency_proof(2102, entries(4096))
        yield Row(f"anchor, {len(proof)}-hash consistency, quorum {quorum}", anchor_gas(ledger, quorum, 4096, proof))


def grown_anchors(web3: Web3) -> Iterator[Row]:
    """An anchor of a log that grows by its last tenth, or by its last thousand entries, to a round size."""
    for before, size in ((900, 1_000), (999_000, 1_000_000)):
        proof = grown_proof(before, size)
        for quorum in (0, 2, 5):
            ledger = Ledger(web3, founding(agencies=SIX, witnesses=SIX, quorum=quorum))
            anchor_gas(ledger, quorum, before, [])
            gas = anchor_gas(ledger, quorum, size, proof)
            yield Row(f"anchor, size {before:,} to {size:,} ({len(proof)} hashes), quorum {quorum}", gas)


@cache
def grown_proof(before: int, size: int) -> list[bytes]:
    return list(consistency_proof(before, entries(size)))


@cache
def root_of(size: int) -> bytes:
    return mth(entries(size))


def anchor_gas(ledger: Ledger, quorum: int, size: int, proof: list[bytes]) -> int:
    root = root_of(size)
    cosignatures = [ledger.cosignature(party.witness, size, root) for party in SIX[:quorum]]
    return int(ledger.send(SUBMITTER, ledger.anchoring(size, root, proof=proof, cosignatures=cosignatures))["gasUsed"])


def proofs(web3: Web3) -> Iterator[Row]:
    harness = deploy_harness(web3).functions
    size = 2**17
    tree = entries(size)
    for index in (0, 87_381, size - 1):
        proof = inclusion_proof(index, tree)
        gas = harness.inclusionGas(leaf_hash(tree[index]), index, size, proof, mth(tree)).call()
        yield Row(f"execution: inclusion, {len(proof)} hashes, leaf {index:,} of {size:,}", gas)
    for size1 in (65_537, 87_381, size - 1):
        proof = consistency_proof(size1, tree)
        gas = harness.consistencyGas(size1, mth(tree[:size1]), size, mth(tree), proof).call()
        yield Row(f"execution: consistency, {len(proof)} hashes, {size1:,} to {size:,}", gas)


@cache
def entries(size: int) -> list[bytes]:
    return [b"entry %d" % i for i in range(size)]


if __name__ == "__main__":
    sys.stdout.write(table())

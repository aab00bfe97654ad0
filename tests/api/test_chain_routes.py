"""The chain over HTTP, on a real node: admins' transactions go in, anchors come out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ledger.chain.contract import accept_admin, grant_key
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.core.log.notes import parse_note
from tests.api.conftest import serving_ledger
from tests.api.service import Served, problem
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES, Linked, admin, linked_ledger
from tests.unit.chain.builders import Key

CHAIN = "/api/v1/chain"
PREPARE = "/api/v1/chain/transactions/prepare"
SEND = "/api/v1/chain/transactions"
CLERK = clerk(POLICE)


@dataclass
class Chained:
    """A service that follows its chain whenever the test says so."""

    served: Served
    linked: Linked

    def grant(self) -> bytes:
        """Return the call by which the admin of the police grants the clerk's key."""
        return grant_key(self.linked.request(CLERK), roles=1, valid_from=0, valid_until=2**40)

    def follow(self) -> None:
        self.served.parts.chain_worker.step()

    def asked(self, key: Key, call: bytes) -> httpx.Response:
        return self.post(PREPARE, {"sender": key.key_id, "call": "0x" + call.hex()})

    def prepared(self, key: Key, call: bytes) -> Transaction:
        """Return the transaction that the service prepares, as a client puts it together."""
        answer = self.asked(key, call)
        assert answer.status_code == 200, answer.text
        prepared = answer.json()
        assert prepared["data"] == "0x" + call.hex()
        fees = Fees(prepared["max_fee"], prepared["priority_fee"])
        return Transaction(prepared["chain_id"], prepared["nonce"], prepared["to"], call, prepared["gas"], fees)

    def send(self, transaction: Transaction, key: Key) -> httpx.Response:
        return self.post(SEND, {"raw": "0x" + sign(transaction, key).raw.hex()})

    def make(self, key: Key, call: bytes) -> dict[str, Any]:
        """Return what became of the call, prepared, signed and sent."""
        answer = self.send(self.prepared(key, call), key)
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.served.post(path, msgspec.json.encode(body))

    def get(self, path: str, **query: Any) -> Any:
        answer = self.served.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def chained_in(folder: Path) -> Iterator[Chained]:
    """Yield a service with its contracts deployed and mirrored; no key granted yet."""
    with linked_ledger(folder) as linked, serving_ledger(linked.ledger, lambda: linked.link) as served:
        chain = Chained(served, linked)
        chain.follow()
        yield chain


@pytest.fixture
def chained(tmp_path: Path) -> Iterator[Chained]:
    """Return one of the test's own."""
    with chained_in(tmp_path) as chain:
        yield chain


@pytest.fixture(scope="module")
def shared_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    """Return one for tests that change nothing."""
    with chained_in(tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def case_of_now(chained: Chained, case_id: str = "case-1") -> Case:
    return Case(case_id, start=chained.linked.clock.seconds - 600).open()


def test_the_contracts_are_named(shared_chain: Chained) -> None:
    """Chain id, both addresses, how many changes and decisions there are, and when that was seen."""
    deployment = shared_chain.linked.deployment
    chain_status = shared_chain.served.parts.chain_worker.chain_status
    assert chain_status is not None
    assert shared_chain.get(CHAIN) == {
        "chain_id": 31337,
        "registry": deployment.registry,
        "anchor": deployment.anchor,
        "change_count": len(AGENCIES) + 1,
        "decision_count": 0,
        "agency_count": len(AGENCIES),
        "witness_count": 0,
        "quorum": 0,
        "seen_at": chain_status.seen_at,
        "age_s": shared_chain.served.parts.clock() // 1000 - chain_status.seen_at,
    }


def test_nothing_else_is_passed_on(shared_chain: Chained) -> None:
    """What is no call of this registry is refused and not journaled."""
    before = shared_chain.linked.journal.last()
    transaction = shared_chain.prepared(admin(POLICE), shared_chain.grant())
    for wrong, status, code in (
        (replace(transaction, to=shared_chain.linked.deployment.anchor), 422, "not_a_registry_call"),
        (replace(transaction, nonce=transaction.nonce + 1), 409, "wrong_nonce"),
    ):
        answer = shared_chain.send(wrong, admin(POLICE))
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert shared_chain.linked.journal.last() == before


def test_what_the_contract_refuses_is_told_in_its_words(shared_chain: Chained) -> None:
    """A stranger's grant, and the acceptance of an admin whom nobody proposed: refused when prepared."""
    stranger = Key("stranger")
    for call, error in ((shared_chain.grant(), "NotAdmin"), (accept_admin(POLICE), "NotProposedAdmin")):
        refusal = problem(shared_chain.asked(stranger, call), 422, "contract_refused")
        assert error in refusal["detail"]
        assert "admin" in refusal["hint"]
    assert f"agency {POLICE}," in refusal["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PREPARE, {"sender": admin(POLICE).key_id}, "call"),
        (PREPARE, {"sender": admin(POLICE).key_id.upper(), "call": "0x00"}, "sender"),
        (PREPARE, {"sender": admin(POLICE).key_id, "call": "0x0"}, "call"),
        (PREPARE, {"sender": admin(POLICE).key_id, "call": "0x00", "value": 1}, "value"),
        (SEND, {"raw": "0x00\n"}, "raw"),
        (SEND, {"raw": "0x02c0"}, "raw"),
    ],
)
def test_a_malformed_request_is_refused(shared_chain: Chained, path: str, body: dict[str, Any], field: str) -> None:
    """400 for every other spelling, naming the field, with nothing journaled."""
    before = shared_chain.linked.journal.last()
    problem(shared_chain.post(path, body), 400, "malformed_input", field)
    assert shared_chain.linked.journal.last() == before


def test_anchors_are_listed_as_they_were_made(chained: Chained) -> None:
    """Each has the size and root of a checkpoint that was published, the registry's hash, and its block; in pages."""
    chained.make(admin(POLICE), chained.grant())
    chained.follow()
    roots = {}
    for number in range(3):
        chained.served.record(case_of_now(chained, f"case-{number}"))
        chained.linked.clock.forward(2 * chained.linked.interval_s)
        size = chained.served.publish()
        roots[size] = parse_note(chained.served.get("/checkpoint").text).text.split("\n")[2]
        chained.follow()
    anchors = chained.get("/api/v1/anchors")["anchors"]
    assert {anchor["size"] for anchor in anchors} >= set(roots)
    state = chained.linked.registry.state("latest")
    for anchor in anchors[-3:]:
        assert base64.b64encode(bytes.fromhex(anchor["root"].removeprefix("sha256:"))).decode() == roots[anchor["size"]]
        assert (anchor["state"], anchor["chain_id"]) == ("confirmed", 31337)
        assert anchor["registry_hash"] == "0x" + state.registry_hash.hex()
        block = chained.linked.chain.eth.block(anchor["block_number"])
        assert block is not None
        assert (anchor["block_hash"], anchor["timestamp"]) == ("0x" + block.hash.hex(), block.timestamp)
    page = chained.get("/api/v1/anchors", limit=1)
    assert page["anchors"] == anchors[:1]
    assert chained.get("/api/v1/anchors", limit=1, after=page["next"])["anchors"] == anchors[1:2]
    assert chained.get("/api/v1/anchors", after=anchors[-1]["number"]) == {"anchors": []}

"""A town whose agencies share a ledger, so that a story reads like sentences::

    with Town.founded(folder) as town:
        case = town.case("theft").open().register("phone").offer("phone", to=PROCURATORATE).accept()
        town.anchored()
        case.seen_by(clerk(PROCURATORATE))["responsible"]

Events are signed here and posted over HTTP; what a user does at a terminal is done by the command line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from ledger.chain import contract
from ledger.chain.contract import contract_abi
from ledger.chain.errors import CallReverted, RpcRefused
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.config.keys import LocalSigner, create_keystore, open_keystore
from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.events import Body
from ledger.core.events.case import CaseOpened
from tests.e2e.stories.service import Service
from tests.oracles.merkle_reference import consistency_proof, mth
from tests.testkit.builders import (
    COURT,
    DEPOT,
    DETENTION,
    JURISDICTION,
    JURISDICTIONS,
    KINDS,
    LAB,
    POLICE,
    PRISON,
    PROCURATORATE,
    UPPER,
    UPPER_COURT,
    Event,
    Officer,
    analyst,
    auditor,
    clerk,
    secret_key,
    supervisor,
)
from tests.testkit.casework import Case
from tests.unit.cli.tally import PASSPHRASE, Done

AGENCIES = (POLICE, PROCURATORATE, COURT, UPPER_COURT, PRISON, DETENTION, DEPOT, LAB, UPPER)
AUDITOR = auditor(PROCURATORATE)
PEOPLE = (
    *(clerk(agency) for agency in AGENCIES),
    *(supervisor(agency) for agency in (COURT, DEPOT, PROCURATORATE, UPPER)),
    AUDITOR,
    analyst(PROCURATORATE),
)
GRANTED_UNTIL = 2**40  # unix seconds
OPENING = CaseOpened(case_number="1", case_type="theft", business_line="criminal", stage="investigation")
JSON = {"Content-Type": "application/json"}


class Town(Service):
    """One ledger, and the people of nine agencies."""

    agencies = AGENCIES
    people = PEOPLE

    def __init__(self, folder: Path, **settings: object):
        super().__init__(folder, **settings)
        self._tokens: dict[str, str] = {}

    # -- founding ------------------------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def founded(
        cls, folder: Path, *, prepare: Callable[[Self], None] = lambda _: None, **settings: object
    ) -> Iterator[Self]:
        """A running ledger whose people may sign; ``prepare`` is called before it starts for the first time."""
        with closing(cls(folder, **settings)) as town:
            town.init()
            prepare(town)
            town.start()
            for officer in town.people:
                town.grant(officer)
            town.until("every key is in the log", lambda: all(map(town.is_granted, town.people)))
            yield town

    def init(self) -> None:
        """``tally init``, with keys that open at once."""
        file = self.folder / "founding.json"
        file.write_text(json.dumps(self.founding()), encoding="utf-8")
        words = ("init", "--founding", file, "--data-dir", self.data, "--light")
        self.tally.ok(*words, "--passphrase-file", self.tally.passphrase_file)

    def founding(self) -> dict[str, Any]:
        """Who founds the ledger."""
        agencies = [
            {
                "agency_id": agency,
                "kind": KINDS[agency],
                "admin": admin(agency).key_id,
                "jurisdiction": JURISDICTIONS.get(agency, JURISDICTION),
                "name": {"en": agency, "zh": f"{agency}机关"},
            }
            for agency in self.agencies
        ]
        return {"development": True, "agencies": agencies}

    @property
    def log_id(self) -> bytes:
        identity = json.loads((self.data / "installation.json").read_text(encoding="utf-8"))
        return bytes.fromhex(identity["log_id"][2:])

    def key(self, name: str) -> LocalSigner:
        """A key of the service itself: ``service`` or ``submitter``."""
        return open_keystore(self.data / "keys" / f"{name}.json", PASSPHRASE)

    # -- writing -------------------------------------------------------------------------------------------------------

    def case(self, case_id: str, *, start: int | None = None) -> TownCase:
        """A case that is not opened yet; its acts begin at ``start`` (unix seconds), an hour ago unless given."""
        return TownCase(self, case_id, start=start or int(time.time()) - 3600)

    def post(self, event: Event | bytes) -> dict[str, Any]:
        """The receipt. Raises Refused."""
        data = event.submission if isinstance(event, Event) else event
        receipt: dict[str, Any] = self.answer(self.http.post("/api/v1/events", content=data, headers=JSON))
        return receipt

    def first_post(self, case_id: str) -> dict[str, Any]:
        """Starts the service, and opens a case in the first moment in which anybody answers. Raises Refused."""
        self.spawn()
        opening = self.case(case_id).draft(OPENING, clerk(POLICE)).submission
        response = self.first_answer("POST", "/api/v1/events", content=opening, headers=JSON)
        receipt: dict[str, Any] = self.answer(response)
        return receipt

    def grant(self, officer: Officer) -> None:
        """The officer's admin grants his key on the chain."""
        chain = self.get("/api/v1/chain")
        domain = contract.ContractDomain(self.log_id, chain["chain_id"], chain["registry"])
        signer = LocalSigner.from_private_key(officer.key.secret)
        request = contract.request_key(signer, domain, agency=officer.agency, officer=officer.officer_id)
        roles = sum(ROLE_BITS[role] for role in officer.roles)
        self.relay(officer.agency, contract.grant_key(request, roles=roles, valid_from=0, valid_until=GRANTED_UNTIL))

    def relay(self, agency: str, call: bytes) -> None:
        """A registry call of the agency's admin, prepared by the service and signed here. Raises Refused."""
        signer = admin(agency)
        asked = {"sender": signer.key_id, "call": "0x" + call.hex()}
        prepared = self.answer(self.http.post("/api/v1/chain/transactions/prepare", json=asked))
        transaction = Transaction(
            chain_id=prepared["chain_id"],
            nonce=prepared["nonce"],
            to=prepared["to"],
            data=call,
            gas=prepared["gas"],
            fees=Fees(prepared["max_fee"], prepared["priority_fee"]),
        )
        raw = {"raw": "0x" + sign(transaction, signer).raw.hex()}
        self.answer(self.http.post("/api/v1/chain/transactions", json=raw))

    def anchored_head(self) -> dict[str, Any]:
        """The newest anchor that the service tells of."""
        head: dict[str, Any] = self.get("/api/v1/anchors")["anchors"][-1]
        return head

    def anchor_by_hand(
        self,
        entries: list[bytes],
        *cosignatures: bytes,
        head: dict[str, Any] | None = None,
        registry_hash: bytes | None = None,
    ) -> CallReverted | None:
        """What the contract says to these entries as the continuation of ``head``, by default its own; None if it would
        take them."""
        head = head or self.anchored_head()
        abi = contract_abi("LogAnchor")
        data = abi.encode_call(
            "anchor",
            head["size"],
            bytes.fromhex(head["root"].removeprefix("sha256:")),
            len(entries),
            mth(entries),
            registry_hash or bytes.fromhex(head["registry_hash"][2:]),
            consistency_proof(head["size"], entries),
            b"".join(cosignatures),
        )
        try:
            self.chain().estimate_gas(self.key("submitter").key_id, self.get("/api/v1/chain")["anchor"], data, 0)
        except RpcRefused as error:
            return abi.reverted(error) or CallReverted(str(error))
        return None

    def is_granted(self, officer: Officer) -> bool:
        """Whether the log has the officer's key."""
        keys = self.get(f"/api/v1/agencies/{officer.agency}/keys")["keys"]
        return officer.key_id in {key["key_id"] for key in keys}

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, path: str, by: Officer, **query: Any) -> Any:
        """The JSON at ``path`` as the officer sees it. Raises Refused."""
        return self.get(path, params=query, headers=self._sign_in(by))

    def _sign_in(self, officer: Officer) -> dict[str, str]:
        if officer.key_id not in self._tokens:
            challenge = self.answer(self.http.post("/api/v1/sign-in/challenge", json={"key_id": officer.key_id}))
            message = challenge["message"].encode()
            digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
            signature = "0x" + LocalSigner.from_private_key(officer.key.secret).sign(digest).hex()
            signed = {"nonce": challenge["nonce"], "signature": signature}
            given = self.answer(self.http.post("/api/v1/sign-in/token", json=signed))
            self._tokens[officer.key_id] = given["access_token"]
        return {"Authorization": f"Bearer {self._tokens[officer.key_id]}"}

    def session(self, officer: Officer) -> str:
        """The token that the console's cookie carries."""
        return self._sign_in(officer)["Authorization"].removeprefix("Bearer ")

    def incidents(self) -> list[dict[str, Any]]:
        """What the service recorded of itself, as an auditor reads it: the bodies of the incidents."""
        entries = [json.loads(entry) for entry in self.entries()]
        ids = [entry["event_id"] for entry in entries if entry["event_type"] == "incident.recorded"]
        return [self.read(f"/api/v1/events/{event_id}", AUDITOR)["payload"]["body"] for event_id in ids]

    # -- at the terminal -----------------------------------------------------------------------------------------------

    def at_the_terminal(self, officer: Officer, *arguments: str | Path) -> Done:
        """``tally --json`` in the officer's name; he has pinned the ledger's trust file."""
        return self._run(officer.officer_id, officer.agency, officer.key.secret, *arguments)

    def trusting(self, *bundles: Path) -> Path:
        """A trust file beside the first of these files, which names the blocks that their proofs end in."""
        file = bundles[0].with_name("trusted.json")
        ends = [option for bundle in bundles for option in ("--block-of", bundle)]
        done = self.at_the_terminal(AUDITOR, "log", "trust", *ends, "--output", file)
        assert done.status == 0, done.err
        return file

    def at_the_admins_terminal(self, agency: str, *arguments: str | Path) -> Done:
        """``tally --json`` in the name of an agency's admin."""
        return self._run(f"a-{agency}", agency, secret_of(admin(agency)), *arguments)

    def _run(self, name: str, agency: str, secret: bytes, *arguments: str | Path) -> Done:
        keystore = self.tally.config / "keys" / f"{name}.json"
        if not keystore.exists():
            create_keystore(keystore, PASSPHRASE, private_key=secret, light=True)
            who = ("--agency", agency, "--officer", name, "--key", name)
            trusting = ("--passphrase-file", self.tally.passphrase_file, "--trust", self.data / "trust.json")
            self.tally.ok("profile", "add", name, "--url", self.url, *who, *trusting)
        return self.tally("--json", *arguments, profile=name)


class TownCase(Case):
    """A case that is written through the service: what the service refuses is not written."""

    def __init__(self, town: Town, case_id: str, *, start: int):
        super().__init__(case_id, start=start, step=1, log_id=town.log_id)
        self._town = town
        self._happened: dict[str, str] = {}
        self.receipts: list[dict[str, Any]] = []

    def on(self, moment: str) -> Self:
        """The acts from here on happened at this time (RFC 3339); they are recorded now."""
        self._happened = {"occurred_at": moment}
        return self

    def act(self, body: Body, by: Officer | None = None, **fields: Any) -> Self:
        by = by or clerk(self.state.responsible)
        fields = self._happened | fields
        self.receipts.append(self._town.post(self.draft(body, by, **fields)))
        return super().act(body, by, **fields)

    @property
    def receipt(self) -> dict[str, Any]:
        """Of the last act."""
        return self.receipts[-1]

    def seen_by(self, officer: Officer) -> dict[str, Any]:
        """The case as the service shows it."""
        shown: dict[str, Any] = self._town.read(f"/api/v1/cases/{self.stream.id}", officer)
        return shown

    def deadlines(self, officer: Officer, *, as_of: str, **query: Any) -> dict[str, dict[str, Any]]:
        """The officer's list of the case as it stood at ``as_of``, by clock and subject."""
        asked = {"case_id": self.stream.id, "as_of": as_of, "limit": 100} | query
        found = self._town.read("/api/v1/deadlines", officer, **asked)["deadlines"]
        return {f"{one['clock']} {one['subject']}": one for one in found}


def admin(agency: str) -> LocalSigner:
    """The key that manages the agency's keys on the chain."""
    return LocalSigner.from_private_key(secret_key(f"admin of {agency}").secret)


def secret_of(signer: LocalSigner) -> bytes:
    """The private key that a signer holds."""
    return signer._private_key.secret

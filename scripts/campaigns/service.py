"""The whole service as a target: ``tally serve`` with its embedded chain, spoken to over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ledger.chain.contract import ContractDomain, grant_key, request_key
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.client.registry import TRANSACTIONS
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Founding, FoundingAgency, Installation
from ledger.config.secret_files import write_secret
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.log.notes import VerifyingKey, parse_vkey
from ledger.recording.publisher import Receipt
from scripts.campaigns import casework
from scripts.campaigns.casework import FOREVER
from scripts.campaigns.targets import ANSWER_WITHIN, ROOT, Answer, Lost, Refused
from scripts.demonstration.stage import free_port

START_WITHIN = 120  # seconds
PASSPHRASE = "only of this campaign"  # noqa: S105 - it opens keys that live in a temporary folder
JSON = {"Content-Type": "application/json"}
UNBOUNDED = {f"TALLYSTICK_MAX_{unit}_PER_S": str(10**9) for unit in ("REQUESTS", "EVENTS")}


class ServiceTarget:
    """A service on an installation that is made here, in ``directory``."""

    def __init__(self, directory: Path):
        self._where = DataDirectory(directory / "data")
        self._log = directory / "service.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=ANSWER_WITHIN, trust_env=False)
        self._knows_people = False
        self.installation = _install(self._where)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self._where.database}"

    @property
    def log_key(self) -> VerifyingKey:
        return parse_vkey(self.installation.log_key)

    def start(self) -> None:
        tally = Path(sys.executable).with_name("tally")
        command = [str(tally), "serve", "--data-dir", str(self._where.path), "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | UNBOUNDED, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_for("/readyz", lambda _answer: True)
        if not self._knows_people:
            self._introduce()
            self._knows_people = True

    def post(self, submission: bytes) -> Answer:
        try:
            answer = self._http.post("/api/v1/events", content=submission, headers=JSON)
        except httpx.TransportError as error:
            return Lost(type(error).__name__)
        if answer.is_success:
            return msgspec.json.decode(answer.content, type=Receipt)
        code = answer.json()["code"]
        return Lost(code) if answer.is_server_error else Refused(code)

    def kill(self) -> None:
        """Kill the service only: its chain node is gone with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _introduce(self) -> None:
        """Grant the clerks' keys on the chain, and wait until they are mirrored into the log."""
        self._wait_for("/api/v1/chain", lambda _chain: True)
        chain = self._http.get("/api/v1/chain").json()
        domain = ContractDomain(self.installation.log_id_bytes, chain["chain_id"], chain["registry"])
        for clerk in casework.CLERKS:
            admin = casework.admin_of(clerk.agency)
            request = request_key(clerk.signer, domain, agency=clerk.agency, officer=clerk.officer)
            call = grant_key(request, roles=ROLE_BITS["clerk"], valid_from=0, valid_until=FOREVER)
            asked = {"sender": admin.key_id, "call": "0x" + call.hex()}
            prepared = self._http.post(f"{TRANSACTIONS}/prepare", json=asked).raise_for_status().json()
            fees = Fees(prepared["max_fee"], prepared["priority_fee"])
            fields = {name: prepared[name] for name in ("chain_id", "nonce", "to", "gas")}
            raw = sign(Transaction(**fields, data=call, fees=fees), admin).raw
            self._http.post(TRANSACTIONS, json={"raw": "0x" + raw.hex()}).raise_for_status()
        expected = len(casework.KINDS) + 1 + len(casework.CLERKS)  # agencies, the submitter, keys
        self._wait_for("/api/v1/log", lambda log: log["size"] >= expected)

    def _wait_for(self, path: str, holds: Callable[[Any], bool]) -> None:
        deadline = time.monotonic() + START_WITHIN
        while True:
            with suppress(httpx.TransportError):
                answer = self._http.get(path)
                if answer.is_success and holds(answer.json()):
                    return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} is not as expected in time; see {self._log.read_text()[-2000:]}")
            time.sleep(0.05)


def _install(where: DataDirectory) -> Installation:
    """Found a ledger whose keys open with little work: the service is started a hundred times."""
    agencies = tuple(
        FoundingAgency(agency, kind, casework.admin_of(agency).key_id, "31/01", casework.name_of(agency))
        for agency, kind in casework.KINDS.items()
    )
    founding = Founding(agencies, development=True)
    installation = installations.create(where, founding, "fault.example/log", PASSPHRASE, light=True)
    write_secret(where.passphrase, PASSPHRASE.encode(), field="passphrase")
    return installation

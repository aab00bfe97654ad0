"""The whole service as a target: ``tally serve`` with its embedded chain, spoken to over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from ledger.chain.contract import ContractDomain, grant_key, request_key
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Founding, FoundingAgency, Installation
from ledger.config.secret_files import write_secret
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.log.notes import VerifyingKey, parse_vkey
from ledger.recording.publisher import Receipt
from scripts.campaigns import casework
from scripts.campaigns.casework import FOREVER
from scripts.campaigns.targets import ROOT, Answer, Lost, Refused, free_port

START_WITHIN = 120  # seconds
PASSPHRASE = "only of this campaign"  # noqa: S105 - it opens keys that live in a temporary folder
UNBOUNDED = {f"TALLYSTICK_MAX_{unit}_PER_S": str(10**9) for unit in ("REQUESTS", "EVENTS")}


class ServiceTarget:
    """A service on an installation that is made here, in ``directory``."""

    def __init__(self, directory: Path):
        self._where = DataDirectory(directory / "data")
        self._log = directory / "service.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._connections = threading.local()
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
        self._wait_for("/readyz", lambda _told: True)
        if not self._knows_people:
            self._introduce()
            self._knows_people = True

    def post(self, submission: bytes) -> Answer:
        try:
            status, body = self._request("POST", "/api/v1/events", submission)
        except (OSError, http.client.HTTPException) as error:
            return Lost(type(error).__name__)
        if status in (200, 201):
            return msgspec.json.decode(body, type=Receipt)
        code = json.loads(body)["code"]
        return Lost(code) if status >= 500 else Refused(code)

    def kill(self) -> None:
        """Kill the service only: its chain node is gone with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _introduce(self) -> None:
        """Grant the clerks' keys on the chain, and wait until they are mirrored into the log."""
        self._wait_for("/api/v1/chain", lambda _told: True)
        domain = self._registry_domain()
        for clerk in casework.CLERKS:
            admin = casework.admin_of(clerk.agency)
            request = request_key(clerk.signer, domain, agency=clerk.agency, officer=clerk.officer)
            call = grant_key(request, roles=ROLE_BITS["clerk"], valid_from=0, valid_until=FOREVER)
            asked = {"sender": admin.key_id, "call": "0x" + call.hex()}
            tree = self._call("/api/v1/chain/transactions/prepare", asked)
            transaction = Transaction(
                chain_id=tree["chain_id"],
                nonce=tree["nonce"],
                to=tree["to"],
                data=call,
                gas=tree["gas"],
                fees=Fees(tree["max_fee"], tree["priority_fee"]),
            )
            self._call("/api/v1/chain/transactions", {"raw": "0x" + sign(transaction, admin).raw.hex()})
        expected = len(casework.KINDS) + 1 + len(casework.CLERKS)  # agencies, the submitter, keys
        self._wait_for("/api/v1/log", lambda tree: tree["size"] >= expected)

    def _registry_domain(self) -> ContractDomain:
        _, body = self._request("GET", "/api/v1/chain", None)
        chain = json.loads(body)
        return ContractDomain(bytes.fromhex(self.installation.log_id[2:]), chain["chain_id"], chain["registry"])

    def _call(self, path: str, asked: dict[str, str]) -> Any:
        status, body = self._request("POST", path, json.dumps(asked).encode())
        if status != 200:
            raise RuntimeError(f"{path} answered {status}: {body.decode()}")
        return json.loads(body)

    def _wait_for(self, path: str, holds: Any) -> None:
        deadline = time.monotonic() + START_WITHIN
        while True:
            try:
                status, body = self._request("GET", path, None)
                if status == 200 and holds(json.loads(body)):
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} is not as expected in time; see {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = getattr(self._connections, "kept", None) or http.client.HTTPConnection("127.0.0.1", self._port)
        self._connections.kept = None
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            data = response.read()
        except BaseException:
            connection.close()
            raise
        self._connections.kept = connection
        return response.status, data


def _install(where: DataDirectory) -> Installation:
    """Found a ledger whose keys open with little work: the service is started a hundred times."""
    agencies = tuple(
        FoundingAgency(agency, kind, casework.admin_of(agency).key_id, "31/01", casework.profile_of(agency).name)
        for agency, kind in casework.KINDS.items()
    )
    founding = Founding(agencies, development=True)
    installation = installations.create(where, founding, "fault.example/log", PASSPHRASE, light=True)
    write_secret(where.passphrase, PASSPHRASE.encode(), field="passphrase")
    return installation

"""A town whose agencies share a ledger: ``tally serve`` as a process of its own, people who sign, and what they ask.

    with Town.founded(folder) as town:
        case = town.case("theft").open().register("phone").offer("phone", to=PROCURATORATE).accept()
        town.anchored()
        case.seen_by(clerk(COURT))

Events are signed here and posted over HTTP; what a user does by the command line is done by it (``town.tally``).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from ledger.chain import calls
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.core.authority import ROLE_BITS
from ledger.core.event import Body
from ledger.core.signature import keccak256
from ledger.keys import LocalSigner, create_keystore, open_keystore
from tests.builders import (
    COURT,
    DEPOT,
    KINDS,
    POLICE,
    PRISON,
    PROCURATORATE,
    Event,
    Officer,
    auditor,
    clerk,
    key_id,
    secret_key,
    supervisor,
)
from tests.casework import Case
from tests.cli.tally import PASSPHRASE, Done, Tally
from tests.machine import free_port

T = TypeVar("T")

AGENCIES = (POLICE, PROCURATORATE, COURT, PRISON, DEPOT)
AUDITOR = auditor(PROCURATORATE)
PEOPLE = (*(clerk(agency) for agency in AGENCIES), clerk(POLICE, 2), supervisor(COURT), AUDITOR)
WITHIN = 60  # seconds for anything that is waited for
TALLY = Path(sys.executable).with_name("tally")
GRANTED_UNTIL = 2**40  # unix seconds


class Refused(Exception):
    """The service's problem document."""

    def __init__(self, response: httpx.Response):
        super().__init__(f"{response.status_code} {response.text}")
        self.status = response.status_code
        self.problem: dict[str, Any] = response.json()
        self.code: str = self.problem["code"]


class Town:
    """One ledger in ``folder``. ``settings`` go to the service, without their prefix."""

    def __init__(self, folder: Path, **settings: object):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "ledger"
        self.tally = Tally(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {"anchor_interval_s": 1} | settings
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._service: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str, str] = {}

    # -- founding ------------------------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def founded(cls, folder: Path, **settings: object) -> Iterator[Self]:
        """A running ledger of five agencies whose people may sign."""
        with closing(cls(folder, **settings)) as town:
            town.init()
            town.start()
            for officer in PEOPLE:
                town.grant(officer)
            town.until("every key is in the log", lambda: all(town.is_granted(officer) for officer in PEOPLE))
            yield town

    def init(self) -> None:
        """``tally init``; then the service's keys get light keystores, which open at once."""
        founding = {
            "development": True,
            "agencies": [
                {
                    "agency_id": agency,
                    "kind": KINDS[agency],
                    "admin": admin(agency).key_id,
                    "jurisdiction": "31/01",
                    "name": {"en": agency, "zh": f"{agency}机关"},
                }
                for agency in AGENCIES
            ],
        }
        file = self.folder / "founding.json"
        file.write_text(json.dumps(founding), encoding="utf-8")
        given = ("--founding", file, "--data-dir", self.data, "--passphrase-file", self.tally.passphrase_file)
        self.tally.ok("init", *given)
        for name in ("service", "submitter"):
            self._lighten(self.data / "keys" / f"{name}.json")

    def _lighten(self, keystore: Path) -> None:
        heavy = keystore.with_suffix(".heavy")
        keystore.rename(heavy)
        create_keystore(keystore, PASSPHRASE, private_key=secret_of(open_keystore(heavy, PASSPHRASE)), light=True)
        heavy.unlink()

    def copy(self, folder: Path, **settings: object) -> Town:
        """Another machine with the same data directory. Requires that the service stands still."""
        assert self._service is None, "a data directory that is written is not copied"
        other = Town(folder, **(self.settings | settings))
        shutil.copytree(self.data, other.data)
        return other

    # -- the service ---------------------------------------------------------------------------------------------------

    def start(self, *, chain: bool = True) -> Self:
        """Starts ``tally serve``; returns once it is ready and, unless ``chain`` is False, its chain is connected."""
        with (self.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                [TALLY, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
            )
        self.until("the service is ready", lambda: self._is_up(chain=chain))
        return self

    def _environment(self) -> dict[str, str]:
        given = {
            "data_dir": self.data,
            "port": self.port,
            "key_passphrase_file": self.tally.passphrase_file,
            **self.settings,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        return kept | {f"TALLYSTICK_{name.upper()}": str(value) for name, value in given.items()}

    def _is_up(self, *, chain: bool) -> bool:
        assert self._service is not None
        assert self._service.poll() is None, f"the service ended: {self.log()[-2000:]}"
        try:
            ready = self._http.get("/readyz").is_success
            return ready and (not chain or self._http.get("/api/v1/chain").is_success)
        except httpx.TransportError:
            return False

    def stop(self) -> Self:
        """Ends the service as an operator would."""
        if self._service is not None:
            self._service.send_signal(signal.SIGTERM)
            self._service.wait(timeout=WITHIN)
            self._service = None
        return self

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Without the service, for as long as the block lasts."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def close(self) -> None:
        """Leaves nothing running."""
        self.stop()
        self._http.close()

    def log(self) -> str:
        """What the service said of itself."""
        return (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")

    def readiness(self) -> dict[str, Any]:
        """What ``/readyz`` tells, ready or not."""
        told: dict[str, Any] = self._http.get("/readyz").json()
        return told

    def chain_pid(self) -> int:
        """The process of the embedded chain: a child of the service."""
        assert self._service is not None
        tasks = Path(f"/proc/{self._service.pid}/task").glob("*/children")
        (pid,) = [int(pid) for children in tasks for pid in children.read_text().split()]
        return pid

    # -- writing -------------------------------------------------------------------------------------------------------

    @property
    def log_id(self) -> bytes:
        identity = json.loads((self.data / "installation.json").read_text(encoding="utf-8"))
        return bytes.fromhex(identity["log_id"][2:])

    def case(self, case_id: str, **clock: int) -> TownCase:
        """A case that is not opened yet."""
        return TownCase(self, case_id, **clock)

    def post(self, event: Event | bytes) -> dict[str, Any]:
        """The receipt. Raises Refused."""
        data = event.submission if isinstance(event, Event) else event
        receipt: dict[str, Any] = self._answer(self._http.post("/api/v1/events", content=data, headers=JSON))
        return receipt

    def grant(self, officer: Officer) -> None:
        """The officer's admin grants his key on the chain."""
        self.relay(
            officer.agency,
            calls.grant_key(
                officer.key_id,
                officer=officer.officer_id,
                roles=sum(ROLE_BITS[role] for role in officer.roles),
                suite=1,
                valid_from=0,
                valid_until=GRANTED_UNTIL,
            ),
        )

    def relay(self, agency: str, call: bytes) -> None:
        """A registry call of the agency's admin, prepared by the service and signed here. Raises Refused."""
        signer = admin(agency)
        asked = {"sender": signer.key_id, "call": "0x" + call.hex()}
        prepared = self._answer(self._http.post("/api/v1/chain/transactions/prepare", json=asked))
        assert prepared["data"] == asked["call"]
        transaction = Transaction(
            chain_id=prepared["chain_id"],
            nonce=prepared["nonce"],
            to=prepared["to"],
            data=call,
            gas=prepared["gas"],
            fees=Fees(prepared["max_fee"], prepared.get("priority_fee")),
        )
        raw = {"raw": "0x" + sign(transaction, signer).raw.hex()}
        self._answer(self._http.post("/api/v1/chain/transactions", json=raw))

    def is_granted(self, officer: Officer) -> bool:
        """Whether the log has the officer's key."""
        keys = self.get(f"/api/v1/agencies/{officer.agency}/keys")["keys"]
        return officer.key_id in {key["key_id"] for key in keys}

    # -- reading -------------------------------------------------------------------------------------------------------

    def get(self, path: str, by: Officer | None = None, **query: Any) -> Any:
        """The JSON at ``path``, as the officer sees it. Raises Refused."""
        return self._answer(self._http.get(path, params=query, headers=self._sign_in(by) if by else {}))

    def fetch(self, path: str, by: Officer | None = None) -> bytes:
        """The bytes at ``path``. Raises Refused."""
        response = self._http.get(path, headers=self._sign_in(by) if by else {})
        if not response.is_success:
            raise Refused(response)
        return response.content

    def _sign_in(self, officer: Officer) -> dict[str, str]:
        if officer.key_id not in self._tokens:
            asked = self._http.post("/api/v1/sign-in/challenge", json={"key_id": officer.key_id})
            challenge = self._answer(asked)
            message = challenge["message"].encode()
            digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
            signature = LocalSigner.from_private_key(officer.key.secret).sign(digest)
            signed = {"nonce": challenge["nonce"], "signature": "0x" + signature.hex()}
            self._tokens[officer.key_id] = self._answer(self._http.post("/api/v1/sign-in/token", json=signed))[
                "access_token"
            ]
        return {"Authorization": f"Bearer {self._tokens[officer.key_id]}"}

    def _answer(self, response: httpx.Response) -> Any:
        if not response.is_success:
            raise Refused(response)
        return response.json()

    def until(self, what: str, holds: Callable[[], T]) -> T:
        """What ``holds`` gives once that is true of the town; fails where it does not come to be."""
        deadline = time.monotonic() + WITHIN
        while not (found := holds()):
            assert time.monotonic() < deadline, f"not within {WITHIN} s: {what}; {self.log()[-2000:]}"
            time.sleep(0.05)
        return found

    def anchored(self, size: int | None = None) -> int:
        """Waits until the chain has the log up to ``size`` (as it is now) for good; gives that size."""
        wanted = size or self.get("/api/v1/log")["size"]
        self.until(f"{wanted} entries are anchored", lambda: self.confirmed() >= wanted)
        return wanted

    def confirmed(self) -> int:
        """How many entries the chain has for good."""
        size: int = self.get("/api/v1/log")["anchored"]["confirmed"]
        return size

    # -- the command line ----------------------------------------------------------------------------------------------

    def at_the_terminal(self, who: Officer | LocalSigner, *arguments: str | Path) -> Done:
        """``tally --json`` in the name of an officer, or of an agency's admin."""
        return self.tally("--json", *arguments, profile=self._profile(who))

    def _profile(self, who: Officer | LocalSigner) -> str:
        name = who.officer_id if isinstance(who, Officer) else admin_names()[who.key_id]
        agency = who.agency if isinstance(who, Officer) else name.removeprefix("a-")
        secret = who.key.secret if isinstance(who, Officer) else secret_of(who)
        keystore = self.tally.config / "keys" / f"{name}.json"
        if not keystore.exists():
            create_keystore(keystore, PASSPHRASE, private_key=secret, light=True)
            self.tally.add_profile(name, self.url, agency, name, name)
        return name


class TownCase(Case):
    """A case that is written through the service: what the service refuses is not written."""

    def __init__(self, town: Town, case_id: str, *, start: int | None = None, step: int = 1):
        super().__init__(case_id, start=start or int(time.time()) - 3600, step=step, log_id=town.log_id)
        self._town = town
        self.receipts: list[dict[str, Any]] = []

    def act(self, body: Body, by: Officer | None = None, **fields: Any) -> Self:
        by = by or clerk(self.state.responsible)
        self.receipts.append(self._town.post(self.draft(body, by, **fields)))
        return super().act(body, by, **fields)

    @property
    def receipt(self) -> dict[str, Any]:
        """Of the last act."""
        return self.receipts[-1]

    def seen_by(self, officer: Officer) -> dict[str, Any]:
        """The case as the service shows it."""
        shown: dict[str, Any] = self._town.get(f"/api/v1/cases/{self.stream.id}", officer)
        return shown


JSON = {"Content-Type": "application/json"}


def admin(agency: str) -> LocalSigner:
    """The key that manages the agency's keys on the chain."""
    return LocalSigner.from_private_key(secret_key(f"admin of {agency}").secret)


def admin_names() -> dict[str, str]:
    """Profiles of the admins by their keys."""
    return {key_id(f"admin of {agency}"): f"a-{agency}" for agency in AGENCIES}


def secret_of(signer: LocalSigner) -> bytes:
    """The private key that a signer holds."""
    return signer._private_key.secret

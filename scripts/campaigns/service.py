"""The whole service as a target: ``tally serve`` with its embedded chain, spoken to over HTTP."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import httpx
import msgspec

from ledger.chain.contract import ContractDomain, grant_key, request_key
from ledger.client.registry import CHAIN, ChainState, relay
from ledger.client.service import ServiceClient
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Founding, FoundingAgency
from ledger.core.encoding.decoding import convert
from ledger.core.ethereum.contract_changes import ROLE_BITS
from ledger.core.log.notes import parse_vkey
from ledger.core.procedure.package import canonical_form
from ledger.procedures import shipped_package
from ledger.recording.publisher import Receipt
from ledger.store import log
from ledger.store.opening import open_database
from scripts.campaigns import casework
from scripts.campaigns.casework import FOREVER
from scripts.campaigns.targets import ANSWER_WITHIN, Answer, Lost, Refused
from scripts.demonstration.stage import PASSPHRASE, DemoChain, Stage, wait_for

JSON = {"Content-Type": "application/json"}
UNBOUNDED = {f"TALLYSTICK_MAX_{unit}_PER_S": str(10**9) for unit in ("REQUESTS", "EVENTS")}
# The chain's port is another one at each start; anchors come as seldom as by default.
SETTINGS = UNBOUNDED | {"TALLYSTICK_EMBEDDED_CHAIN_PORT": "0", "TALLYSTICK_ANCHOR_INTERVAL_S": "10"}


def answer_of(response: httpx.Response) -> Answer:
    """Return the receipt or the refusal in a service's response; anything else leaves the outcome open."""
    if response.is_success:
        return msgspec.json.decode(response.content, type=Receipt)
    try:
        code = str(response.json()["code"])
    except (ValueError, KeyError):
        code = f"http_{response.status_code}"
    is_open = response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS
    return Lost(code) if is_open else Refused(code)


class ServiceTarget(Stage):
    """A service on an installation that is made here, in ``directory``."""

    def __init__(self, directory: Path):
        super().__init__(directory, DemoChain())
        self._http = httpx.Client(base_url=self.url, timeout=ANSWER_WITHIN, trust_env=False)
        self._knows_people = False
        agencies = tuple(
            FoundingAgency(agency, kind, casework.admin_of(agency).key_id, "31/01", casework.name_of(agency))
            for agency, kind in casework.KINDS.items()
        )
        where, founding = DataDirectory(self.data), Founding(agencies, development=True)
        # With keys that open with little work: the service is started a hundred times.
        installation = installations.create(
            where, founding, "fault.example/log", PASSPHRASE, procedures=[canonical_form(shipped_package())], light=True
        )
        self.database_url = f"sqlite:///{where.database}"
        self.log_id = installation.log_id_bytes
        self.log_key = parse_vkey(installation.log_key)

    def environment(self) -> dict[str, str]:
        return super().environment() | SETTINGS

    def start(self) -> None:
        """Start the service; once it is known to the chain, load begins while the chain is still being restored."""
        self.start_service(with_chain=not self._knows_people)
        if not self._knows_people:
            self._introduce()
            self._knows_people = True

    def post(self, submission: bytes) -> Answer:
        try:
            answer = self._http.post("/api/v1/events", content=submission, headers=JSON)
        except httpx.TransportError as error:
            return Lost(type(error).__name__)
        return answer_of(answer)

    def kill(self) -> None:
        """Kill the service only: its chain node is gone with it."""
        assert self._service is not None
        self._service.kill()
        self._service.wait()

    def _introduce(self) -> None:
        """Grant the clerks' keys on the chain, and wait until they are mirrored into the log."""
        service = ServiceClient(self.url)
        chain = convert(service.get(CHAIN), ChainState)
        domain = ContractDomain(self.log_id, chain.chain_id, chain.registry)
        for clerk in casework.CLERKS:
            request = request_key(clerk.signer, domain, agency=clerk.agency, officer=clerk.officer)
            call = grant_key(request, roles=ROLE_BITS["clerk"], valid_from=0, valid_until=FOREVER)
            relay(service, casework.admin_of(clerk.agency), call)
        # Agencies, the submitter, the procedure's adoption, keys.
        expected = len(casework.KINDS) + 2 + len(casework.CLERKS)
        wait_for("the keys are mirrored", self._mirrored, lambda count: count >= expected)

    def _mirrored(self) -> int:
        """Return how many of the registry's changes are in the log, which has other entries between them."""
        with closing(open_database(self.database_url)) as database, database.read() as connection:
            return log.tree(connection).registry_changes

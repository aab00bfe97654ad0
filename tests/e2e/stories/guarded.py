"""A town whose anchors need two of three agencies' witnesses: real ``tally witness run``, a process each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from ledger.chain.contract import ContractDomain, checkpoint_digest
from ledger.config.keys import LocalSigner, open_keystore
from tests.e2e.stories.service import TALLY
from tests.e2e.stories.town import AUDITOR, Town
from tests.oracles.merkle_reference import mth
from tests.testkit.builders import COURT, POLICE, PROCURATORATE
from tests.testkit.machine import free_port
from tests.unit.cli.tally import PASSPHRASE

WITNESSING = (POLICE, PROCURATORATE, COURT)
QUORUM = 2


class TownWitness:
    """An agency's witness in a folder of its own, with the agency's own copy of the trust file."""

    def __init__(self, town: GuardedTown, agency: str):
        self.agency = agency
        self.folder = town.folder / f"witness-{agency}"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._town = town
        self._process: subprocess.Popen[bytes] | None = None
        self.vkey = self.account = ""

    def make_keys(self) -> None:
        """``tally witness key``."""
        words = ("witness", "key", f"{self.agency}.test/witness", "--data-dir", self.folder, "--light")
        made = self._town.tally.ok(*words, "--passphrase-file", self._town.tally.passphrase_file)
        self.vkey, self.account = made["verifier_key"], made["account"]

    @property
    def signer(self) -> LocalSigner:
        """The account's key, as the witness's operator has it."""
        return open_keystore(self.folder / "keys" / "account.json", PASSPHRASE)

    def row(self) -> str:
        """Its part of ``witnesses.toml``."""
        return f'[[witnesses]]\nurl = "{self.url}"\nverifier_key = "{self.vkey}"\naccount = "{self.account}"\n\n'

    def spawn(self) -> None:
        """Starts it, unless it runs."""
        if self._process is not None:
            return
        trust = self.folder / "trust.json"
        if not trust.exists():
            trust.write_bytes((self._town.data / "trust.json").read_bytes())
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        given = {
            "DATA_DIR": str(self.folder),
            "TRUST": str(trust),
            "LOG_URL": self._town.url,
            "RPC_URL": self._town.node_url,
            "LOOK_INTERVAL_S": "1",
            "KEY_PASSPHRASE_FILE": str(self._town.tally.passphrase_file),
        }
        environment = kept | {f"TALLYSTICK_WITNESS_{name}": value for name, value in given.items()}
        command = [str(TALLY), "witness", "run", "--listen", self.url.removeprefix("http://")]
        with (self.folder / "witness.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def wait(self) -> None:
        """Returns once it answers."""
        self._town.until(f"the witness of {self.agency} answers", self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "witness.log").read_text()[-2000:]
        try:
            return self._town.http.get(f"{self.url}/status").is_success
        except httpx.TransportError:
            return False

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        told: dict[str, Any] = self._town.http.get(f"{self.url}/status").json()
        return told

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def ask(self, path: str, content: bytes) -> httpx.Response:
        """A question of whoever reaches it."""
        media = "application/json" if path == "/cosign-anchor" else "text/plain"
        return self._town.http.post(self.url + path, content=content, headers={"Content-Type": media})


class GuardedTown(Town):
    """Not for development: the contract takes no anchor without the witnesses."""

    def __init__(self, folder: Path, **settings: object):
        super().__init__(folder, **{"embedded_chain_port": free_port(), **settings})
        self.witnesses = {agency: TownWitness(self, agency) for agency in WITNESSING}

    def founding(self) -> dict[str, Any]:
        told = super().founding()
        for witness in self.witnesses.values():
            witness.make_keys()
        for agency in told["agencies"]:
            if (known := self.witnesses.get(agency["agency_id"])) is not None:
                agency["witness"] = {"account": known.account, "verifier_key": known.vkey}
        return told | {"development": False, "quorum": QUORUM}

    def vouched_proof(self, event_id: str, file: Path) -> Path:
        """An event's bundle, once the witnesses vouch for the block that it ends in."""

        def has_note() -> bool:
            done = self.at_the_terminal(AUDITOR, "proof", "get", event_id, "--output", file)
            assert done.status == 0, done.err
            return "block_note" in json.loads(file.read_bytes()).get("anchor", {})

        self.until("the witnesses vouch for the block", has_note)
        return file

    @property
    def node_url(self) -> str:
        """A node of the chain: somebody else's, or the embedded one."""
        embedded = f"http://127.0.0.1:{self.settings['embedded_chain_port']}"
        return str(self.settings.get("chain", embedded))

    def init(self) -> None:
        super().init()
        (self.data / "witnesses.toml").write_text("".join(witness.row() for witness in self.witnesses.values()))

    def start(self) -> Self:
        super().start()
        self._start(*self.witnesses)
        return self

    def _start(self, *agencies: str) -> None:
        for agency in agencies:
            self.witnesses[agency].spawn()
        for agency in agencies:
            self.witnesses[agency].wait()

    def close(self) -> None:
        for witness in self.witnesses.values():
            witness.stop()
        super().close()

    @contextmanager
    def without(self, *agencies: str) -> Iterator[None]:
        """These agencies' witnesses are away for as long as the block lasts."""
        for agency in agencies:
            self.witnesses[agency].stop()
        try:
            yield
        finally:
            self._start(*agencies)

    # -- past the service, with the submitter's key --------------------------------------------------------------------

    def cosign_by_hand(self, signer: LocalSigner, entries: list[bytes], registry_hash: bytes) -> bytes:
        """What a witness would sign for the contract, by whoever has a key."""
        chain = self.get("/api/v1/chain")
        domain = ContractDomain(self.log_id, chain["chain_id"], chain["anchor"])
        return signer.sign(checkpoint_digest(domain, len(entries), mth(entries), registry_hash))

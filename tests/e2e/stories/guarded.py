"""A town whose anchors need two of three agencies' witnesses: real ``tally witness run``, a process each."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

import httpx

from tests.e2e.stories.town import Town
from tests.testkit.machine import environment, free_port
from tests.testkit.tally import TALLY

WITNESSING = POLICE, PROCURATORATE, COURT = "psb-east", "procuratorate-east", "court-east"
QUORUM = 2


class TownWitness:
    """An agency's witness in a folder of its own, with the agency's own copy of the trust file."""

    def __init__(self, town: GuardedTown, agency: str):
        self.agency = agency
        self.folder = town.folder / f"witness-{agency}"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._town = town
        self._process: subprocess.Popen[bytes] | None = None
        self.vkeys: list[str] = []
        self.account = ""

    def make_keys(self) -> None:
        """``tally witness key``."""
        words = ("witness", "key", f"{self.agency}.test/witness", "--data-dir", self.folder, "--light")
        keys = self._town.tally.ok(*words, "--passphrase-file", self._town.tally.passphrase_file)
        self.vkeys, self.account = keys["verifier_keys"], keys["account"]

    def row(self) -> str:
        """Its part of ``witnesses.toml``."""
        keys = json.dumps(self.vkeys)
        return f'[[witnesses]]\nurl = "{self.url}"\nverifier_keys = {keys}\naccount = "{self.account}"\n\n'

    def spawn(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None:
            return
        trust = self.folder / "trust.json"
        if not trust.exists():
            trust.write_bytes((self._town.data / "trust.json").read_bytes())
        settings = {
            "DATA_DIR": str(self.folder),
            "TRUST": str(trust),
            "LOG_URL": self._town.url,
            "RPC_URL": self._town.node_url,
            "LOOK_INTERVAL_S": "1",
            "KEY_PASSPHRASE_FILE": str(self._town.tally.passphrase_file),
        }
        variables = environment(**{f"TALLYSTICK_WITNESS_{name}": value for name, value in settings.items()})
        command = [str(TALLY), "witness", "run", "--listen", self.url.removeprefix("http://")]
        with (self.folder / "witness.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables)

    def wait(self) -> None:
        """Wait until it answers."""
        self._town.until(f"the witness of {self.agency} answers", self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "witness.log").read_text()[-2000:]
        try:
            return self._town.http.get(f"{self.url}/status").is_success
        except httpx.TransportError:
            return False

    def status(self) -> dict[str, Any]:
        """Return its own status."""
        status: dict[str, Any] = self._town.http.get(f"{self.url}/status").json()
        return status

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None


class GuardedTown(Town):
    """Not for development: the contract takes no anchor without the witnesses."""

    def __init__(self, folder: Path, **settings: object):
        super().__init__(folder, **{"embedded_chain_port": free_port(), **settings})
        self.witnesses = {agency: TownWitness(self, agency) for agency in WITNESSING}

    def founding(self) -> dict[str, Any]:
        founding = super().founding()
        for witness in self.witnesses.values():
            witness.make_keys()
        for agency in founding["agencies"]:
            if agency["agency_id"] in self.witnesses:
                witness = self.witnesses[agency["agency_id"]]
                agency["witness"] = {"account": witness.account, "verifier_keys": witness.vkeys}
        return founding | {"development": False, "quorum": QUORUM}

    def vouched_proof(self, event_id: str, file: Path) -> Path:
        """Return an event's bundle, once the witnesses vouch for the block that it ends in."""

        def has_note() -> bool:
            self.ok("auditor", "proof", "get", event_id, "--replace", "--output", file)
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
        for witness in self.witnesses.values():
            witness.spawn()
        for witness in self.witnesses.values():
            witness.wait()
        return self

    def close(self) -> None:
        for witness in self.witnesses.values():
            witness.stop()
        super().close()

    def renewal(self, old: Path, folder: Path, *agencies: str) -> list[Path]:
        """Return the renewal of an old trust file by the ledger's new one, as the operator and witnesses sign it."""
        asked, copies = folder / "renewal.json", []
        words = ("--data-dir", self.data, "--passphrase-file", self.tally.passphrase_file)
        self.tally.ok("trust", "renew", old, self.data / "trust.json", *words, "--replace", "-o", asked)
        for agency in agencies:
            copies.append(folder / f"renewal-{agency}.json")
            keys = ("--data-dir", self.folder / f"witness-{agency}", "--passphrase-file", self.tally.passphrase_file)
            self.tally.ok("trust", "cosign", asked, "--trust", old, "--yes", *keys, "--replace", "-o", copies[-1])
        return copies

"""Act one: the agencies found a ledger that three of them witness, and each grants its own people their keys."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ledger.samples.town import AGENCIES, BY_PROFILE, PEOPLE, SamplePerson, admin_of
from scripts.demonstration.stage import TALLY, Stage, free_port, is_up, wait_for_process

GRANTED_UNTIL = "2035-01-01T00:00:00Z"
LEAVER = SamplePerson("leaver", "corrections-east", "r-0009", "clerk")  # whose key is revoked later
CAST = ("police", "police-chief", "prosecutor", "prosecutor-chief", "auditor", "analyst", "court", "corrections")
WITNESSING = ("psb-east", "procuratorate-east", "court-east")
QUORUM = 2


@dataclass
class DemoWitness:
    """An agency's witness, a process with its own keys, database and trust file."""

    agency: str
    folder: Path
    verifier_keys: list[str]
    account: str
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def row(self) -> str:
        """Return its part of the service's ``witnesses.toml``."""
        keys = json.dumps(self.verifier_keys)
        return f'[[witnesses]]\nurl = "{self.url}"\nverifier_keys = {keys}\naccount = "{self.account}"\n'


def found(stage: Stage, *, whole: bool) -> list[DemoWitness]:
    """Make a ledger that runs and whose people may sign; return the witnesses that watch it.

    Four agencies of the samples' town found it, all of them where it is to be the ``whole`` town.
    """
    agencies = AGENCIES if whole else AGENCIES[:4]
    people = (*(PEOPLE if whole else (BY_PROFILE[name] for name in CAST)), LEAVER)
    stage.act(f"{len(agencies)} agencies found a ledger, and three of them witness it")
    admins = {agency.agency_id: _new_key(stage, admin_of(agency.agency_id)) for agency in agencies}
    witnesses = {agency: _new_witness(stage, agency) for agency in WITNESSING}
    rows = []
    for agency in agencies:
        row = {
            "agency_id": agency.agency_id,
            "kind": agency.kind,
            "admin": admins[agency.agency_id],
            "jurisdiction": agency.jurisdiction,
            "name": {"en": agency.en, "zh": agency.zh},
        }
        if witness := witnesses.get(agency.agency_id):
            row["witness"] = {"account": witness.account, "verifier_keys": witness.verifier_keys}
        rows.append(row)
    file = stage.directory / "founding.json"
    file.write_text(json.dumps({"quorum": QUORUM, "agencies": rows}, ensure_ascii=False, indent=2))
    installation = stage.tally(
        "init", "--light", "--procedure", "cn-criminal", "--founding", str(file), *stage.unlocking
    )
    (stage.data / "witnesses.toml").write_text("".join(witness.row() for witness in witnesses.values()))
    stage.chain.fund([*admins.values(), installation["submitter"]])
    stage.start_service()
    stage.held("ledger founded, contracts deployed, service ready", f"log id {installation['log_id'][:18]}…")
    _start(stage, [*witnesses.values()])
    stage.held(f"{len(witnesses)} witnesses run", f"the contract takes no anchor without {QUORUM} of them")
    for agency_id in admins:
        _add_profile(stage, admin_of(agency_id), agency_id, f"admin-{agency_id}"[:31])
    for person in people:
        key_id = _new_key(stage, person.profile)
        _add_profile(stage, person.profile, person.agency, person.officer)
        terms = ("--officer", person.officer, "--role", person.role, "--until", GRANTED_UNTIL)
        stage.tally("key", "grant", key_id, *terms, profile=admin_of(person.agency))
    expected = len(agencies) + len(people)
    stage.wait_until("the registry is mirrored", "/api/v1/log", lambda log: log["size"] >= expected)
    stage.held("keys granted on the chain and mirrored into the log", f"{len(people)} keys")
    return [*witnesses.values()]


def _new_key(stage: Stage, name: str) -> str:
    created = stage.tally("key", "new", name, "--light", *stage.unlocking)
    key_id: str = created["key_id"]
    return key_id


def _add_profile(stage: Stage, profile: str, agency: str, officer: str) -> None:
    """Let the command line act as somebody."""
    who = ("--agency", agency, "--officer", officer, "--key", profile)
    stage.tally("profile", "add", profile, "--url", stage.url, *who, *stage.unlocking)


def _new_witness(stage: Stage, agency: str) -> DemoWitness:
    folder = stage.directory / f"witness-{agency}"
    words = ("witness", "key", f"{agency}.example/witness", "--data-dir", str(folder), "--light")
    created = stage.tally(*words, *stage.unlocking)
    return DemoWitness(agency, folder, created["verifier_keys"], created["account"])


def _start(stage: Stage, witnesses: list[DemoWitness]) -> None:
    """Start them all, and wait until each answers."""
    started = []
    for witness in witnesses:
        trust = witness.folder / "trust.json"
        shutil.copy(stage.data / "trust.json", trust)
        command = [
            *(str(TALLY), "witness", "run", "--data-dir", str(witness.folder), "--trust", str(trust)),
            *("--log", stage.url, "--rpc", stage.rpc_url, "--listen", f"127.0.0.1:{witness.port}"),
            *stage.unlocking,
        ]
        environment = os.environ | {"TALLYSTICK_WITNESS_LOOK_INTERVAL_S": "2"}
        with (witness.folder / "witness.log").open("ab") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        stage.helpers.append(process)
        started.append((witness, process))
    for witness, process in started:
        wait_for_process(process, partial(is_up, f"{witness.url}/status"), witness.folder / "witness.log")

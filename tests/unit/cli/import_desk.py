"""An officer who imports: files of a small mapping, runs of ``tally import``, and what the ledger has of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ledger.cli.session import Session
from ledger.client.profiles import Profiles
from ledger.config.keys import open_keystore
from ledger.core.events.record import ImportRecorded
from ledger.interchange.imports.case_events import ImportSigner
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.mapping import read_mapping
from ledger.interchange.imports.plan import Planner
from ledger.interchange.imports.source_file import SourceFile, layout_of
from ledger.procedures import shipped_rulebook
from ledger.recording.signing import Actor
from tests.testkit.service import TALLY
from tests.testkit.tally import PASSPHRASE, Done
from tests.unit.cli.world import PEOPLE, World

WHOLE = ["case.opened", "person.named", "item.registered", "import.recorded"]  # what a full row comes to
MAPPING = """
name = "small"
source_system = "{system}"
encoding = "utf-8"
key = ["number"]

[case]
case_number = "number"
case_type = "about"
business_line = {{ value = "criminal" }}
stage = {{ value = "investigation" }}
opened_at = "opened"

[[persons]]
name = "suspect"
role = {{ value = "suspect" }}
identity = ["id"]

[[items]]
item_kind = {{ value = "exhibit" }}
description = "thing"
quantity = "count"
"""
COLUMNS = ("number", "about", "opened", "suspect", "id", "thing", "count")


class Desk:
    """One officer who imports; each test has a source system of its own."""

    def __init__(self, world: World, folder: Path, system: str, profile: str = "police"):
        self.world = world
        self.folder = folder
        self.system = system
        self.profile = profile
        self.mapping = folder / "mapping.toml"
        self.mapping.write_text(MAPPING.format(system=system), encoding="utf-8")
        self.key = folder / "identity.key"
        self.ok("key", "--identity-key", self.key)

    def ok(self, *words: str | Path) -> Any:
        return self.world.tally.ok("import", *words, profile=self.profile)

    def write(self, *rows: tuple[str, ...], name: str = "cases.csv") -> Path:
        """Write a file of these rows under the headings of the small mapping."""
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        return path

    def run(self, file: Path, mapping: Path | None = None) -> Done:
        """``tally import run``, with its report in the test's folder."""
        words = ("--mapping", mapping or self.mapping, "--identity-key", self.key, "--report", self.report)
        return self.world.tally("--json", "import", "run", file, *words, profile=self.profile)

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    def rows(self, file: Path, mapping: Path | None = None) -> dict[str, int]:
        """Count what became of the rows of a run that refuses none."""
        done = self.run(file, mapping)
        assert done.status == 0, done.err or done.out
        counts: dict[str, int] = done.json()["rows"]
        return counts

    def status(self, file: Path) -> dict[str, int]:
        words = ("--mapping", self.mapping, "--identity-key", self.key)
        counts: dict[str, int] = self.ok("status", file, *words)["rows"]
        return counts

    def imports(self, system: str | None = None) -> list[dict[str, Any]]:
        """List what the service has of this system."""
        session = self._session()
        imports = session.service.pages("/api/v1/imports", "imports", source_system=system or self.system, limit=1000)
        return list(imports)

    def case_of(self, key: str) -> str:
        (case_id,) = [row["case_id"] for row in self.imports() if row["source_key"] == key]
        return str(case_id)

    def events(self, case_id: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.world.tally.ok("event", "list", case_id, profile=self.profile)
        return listed

    def types(self, case_id: str) -> list[str]:
        return [event["event_type"] for event in self.events(case_id)]

    def _session(self) -> Session:
        session = Session()
        session.profile_name = self.profile
        session.profiles = Profiles(self.world.tally.config)
        return session

    def _signer(self) -> ImportSigner:
        """Signs as the officer."""
        session = self._session()
        agency, officer, _ = PEOPLE[self.profile]
        key = open_keystore(session.keystore, PASSPHRASE)
        log_id = bytes.fromhex(session.service.get("/api/v1/log")["log_id"][2:])
        return ImportSigner(Actor(agency, officer, key), log_id, shipped_rulebook())

    def send_part(self, file: Path, count: int) -> str:
        """Send only the first events of a file's first row, as a run that was killed would have; give the case id."""
        mapping = read_mapping(self.mapping)
        planner = Planner(mapping, IdentityKey.read("police-east", self.key))
        with SourceFile(file, layout_of(file, mapping)) as source:
            survey = source.survey(mapping.columns(), planner.fingerprint, lambda _: None)
            plan = planner.plan(next(source.table().rows()), survey)
        origin = ImportRecorded(source_system=self.system, source_key=plan.source_key, file_digest=survey.digest, row=2)
        chain = self._signer().sign_new_case(plan, origin)
        for number, event in enumerate(chain.events[:count]):
            path = self.folder / f"part-{number}.json"
            path.write_bytes(event.submission)
            self.world.tally.ok("event", "submit", path, profile=self.profile)
        return plan.case_id

    def command(self, file: Path, report: str) -> list[str | Path]:
        """``tally import run`` as a process of its own."""
        words = ["--mapping", self.mapping, "--identity-key", self.key, "--report", self.folder / report]
        return [TALLY, "--json", "--profile", self.profile, "import", "run", file, *words]

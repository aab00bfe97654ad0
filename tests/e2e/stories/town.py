"""The town of the samples as a real service, in which stories are played and looked at::

    with Town.founded(folder) as town:
        town.case("theft").open().register("phone").offer("phone", to="procuratorate-east").accept()
        for point, case in town.story(stories.THIRD_RETURN, "2025-03-02"):
            case.seen_by("prosecutor")["responsible"]

Events are signed here and posted over HTTP; what a user does at a terminal is done by the command line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ledger.cli.errors import Exit
from ledger.client.sample_ledger import ServiceLedger
from ledger.config.keys import KeyDirectory, LocalSigner, create_keystore, open_keystore
from ledger.core.events import Body
from ledger.core.signing.signatures import personal_digest
from ledger.procedures import shipped_rulebook
from ledger.recording.event_signing import Actor
from ledger.samples import governance
from ledger.samples.load import grant_keys
from ledger.samples.operator import Operator
from ledger.samples.player import OPENS_AT, LoggedEvent, Player, SampleCase, SampleLead
from ledger.samples.stories import LeadStory, Story
from ledger.samples.town import AGENCIES, BY_PROFILE, PEOPLE, SampleAgency, SamplePerson, TownKeys, admin_of
from tests.testkit.builders import secret_key
from tests.testkit.service import RunningService
from tests.testkit.tally import PASSPHRASE, Done
from tests.unit.chain.external import ExternalNode

JSON = {"Content-Type": "application/json"}


class QuickKeys(TownKeys):
    """Keys that are derived from their names, and need no keystore to be opened."""

    def __init__(self, directory: KeyDirectory, passphrase_file: Path):
        super().__init__(directory, passphrase_file)
        self.people = dict(BY_PROFILE)

    def signer(self, name: str) -> LocalSigner:
        return LocalSigner.from_private_key(secret_key(name).secret)

    def key_id(self, name: str) -> str:
        return self.signer(name).key_id

    def actor(self, profile: str) -> Actor:
        person = self.people[profile]
        return Actor(person.agency, person.officer, self.signer(profile))


class Town(RunningService):
    """One ledger, and the people of the samples' eleven agencies, named by their profiles."""

    agencies: Sequence[SampleAgency] = AGENCIES
    people: Sequence[SamplePerson] = PEOPLE

    def __init__(self, folder: Path, **settings: object):
        super().__init__(folder, **settings)
        self.keys = QuickKeys(KeyDirectory(self.tally.config / "keys"), self.tally.passphrase_file)
        self._tokens: dict[str, str] = {}

    # -- founding ------------------------------------------------------------------------------------------------------

    @classmethod
    @contextmanager
    def founded(
        cls, folder: Path, *, prepare: Callable[[Self], None] = lambda _: None, **settings: object
    ) -> Iterator[Self]:
        """Found a ledger that runs and whose people may sign; ``prepare`` is called before its first start."""
        with closing(cls(folder, **settings)) as town:
            town.init()
            prepare(town)
            town.start()
            grant_keys(town.player(), *town.people)
            yield town

    def init(self) -> None:
        """Run ``tally init``, with keys that open at once."""
        file = self.folder / "founding.json"
        file.write_text(json.dumps(self.founding()), encoding="utf-8")
        words = ("init", "--founding", file, "--data-dir", self.data, "--light", "--procedure", "cn-criminal")
        self.tally.ok(*words, "--passphrase-file", self.tally.passphrase_file)

    def founding(self) -> dict[str, Any]:
        """Return who founds the ledger."""
        agencies = [
            {
                "agency_id": agency.agency_id,
                "kind": agency.kind,
                "admin": self.keys.key_id(admin_of(agency.agency_id)),
                "jurisdiction": agency.jurisdiction,
                "name": {"en": agency.en, "zh": agency.zh},
            }
            for agency in self.agencies
        ]
        return {"development": True, "agencies": agencies}

    @property
    def log_id(self) -> bytes:
        identity = json.loads((self.data / "installation.json").read_text(encoding="utf-8"))
        return bytes.fromhex(identity["log_id"][2:])

    def key(self, name: str) -> LocalSigner:
        """Return a key of the service itself: ``service`` or ``submitter``."""
        return open_keystore(self.data / "keys" / f"{name}.json", PASSPHRASE)

    def operator(self) -> Operator:
        """Return what the operator can do past the service, on the embedded chain."""
        return Operator(self.http, self.chain(), self.key("submitter").key_id)

    def accounts(self) -> list[str]:
        """Return who pays for gas: the service's submitter and the agencies' admins."""
        return [
            self.key("submitter").key_id,
            *(self.keys.key_id(admin_of(agency.agency_id)) for agency in self.agencies),
        ]

    def grant(self, person: SamplePerson) -> None:
        """Grant somebody a key who had none when the town was founded."""
        self.keys.people[person.profile] = person
        grant_keys(self.player(), person)

    def decide(self, folder: Path, *words: str) -> None:
        """Change the registry: one admin proposes, a majority approves, an auditor sends it. One less is too few."""
        proposal, approvals = folder / "proposal.json", list[str | Path]()
        majority = self.agencies[: len(self.agencies) // 2 + 1]
        self.ok(admin_of(majority[0].agency_id), "registry", "propose", *words, "--replace", "-o", proposal)
        for agency in majority:
            approval = folder / f"{agency.agency_id}.json"
            self.ok(admin_of(agency.agency_id), "registry", "approve", proposal, "--yes", "--replace", "-o", approval)
            approvals += ["--approval", approval]
        done = self.at_the_terminal("auditor", "registry", "send", proposal, *approvals[2:])
        assert (done.status, "MajorityMissing" in done.err) == (1, True)
        self.ok("auditor", "registry", "send", proposal, *approvals)

    # -- writing -------------------------------------------------------------------------------------------------------

    @cached_property
    def ledger(self) -> TownLedger:
        return TownLedger(self)

    def player(self, *, began_at: float | None = None) -> TownPlayer:
        """Return who plays stories here; their days are counted back from ``began_at`` (unix seconds), or now."""
        return TownPlayer(self, int(began_at or time.time()))

    def story(self, story: Story, first_day: str) -> Iterator[tuple[str, TownCase]]:
        """Play a story that began on this day, from point to point."""
        opening = datetime.fromisoformat(f"{first_day}T{OPENS_AT}:00+08:00")
        player = self.player(began_at=(opening + timedelta(days=story.days_ago)).timestamp())
        return story.points(player)  # type: ignore[return-value]

    def played(self, story: Story, first_day: str) -> TownCase:
        """Play a story to its end; return its case."""
        return [case for _, case in self.story(story, first_day)][-1]

    def case(self, case_id: str) -> TownCase:
        """Return a case that is not opened yet; its acts began an hour ago, a second after one another."""
        case = self.player().case(case_id, days_ago=0)
        case.step = 1
        case.now = int(time.time() - 3600)
        return case

    def post(self, submission: bytes) -> dict[str, Any]:
        """Return the receipt of an event, from a service that answers or begins to. Raises Refused."""
        response = self.first_answer("POST", "/api/v1/events", content=submission, headers=JSON)
        receipt: dict[str, Any] = self.answer(response)
        return receipt

    def first_post(self, case_id: str) -> dict[str, Any]:
        """Start the service, and open a case in the first moment in which anybody answers. Raises Refused."""
        self.spawn()
        return self.case(case_id).open().receipt

    def publish(self, *models: str) -> None:
        """Publish shipped models by the analyst, those that nobody has published yet."""
        published = {model["model_id"] for model in self.ok("analyst", "library", "list")}
        governance.publish(self.player(), *({*models} - published))

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, path: str, by: str, **query: Any) -> Any:
        """Return the JSON at ``path`` as somebody sees it. Raises Refused."""
        return self.get(path, params=query, headers={"Authorization": f"Bearer {self.session(by)}"})

    def session(self, by: str) -> str:
        """Sign somebody in; return the token that the console's cookie carries, too."""
        if by not in self._tokens:
            signer = self.keys.signer(by)
            challenge = self.answer(self.http.post("/api/v1/sign-in/challenge", json={"key_id": signer.key_id}))
            digest = personal_digest(challenge["message"])
            signed = {"nonce": challenge["nonce"], "signature": "0x" + signer.sign(digest).hex()}
            self._tokens[by] = self.answer(self.http.post("/api/v1/sign-in/token", json=signed))["access_token"]
        return self._tokens[by]

    def incidents(self) -> list[dict[str, Any]]:
        """Return what the service recorded of itself, as an auditor reads it: the bodies of the incidents."""
        entries = [json.loads(entry) for entry in self.entries()]
        ids = [entry["event_id"] for entry in entries if entry["event_type"] == "incident.recorded"]
        return [self.read(f"/api/v1/events/{event_id}", "auditor")["payload"]["body"] for event_id in ids]

    # -- at the terminal -----------------------------------------------------------------------------------------------

    def at_the_terminal(self, by: str, *arguments: str | Path) -> Done:
        """Run ``tally --json`` in somebody's name, an admin's or a person's, who has pinned the ledger's trust file."""
        keystore = self.tally.config / "keys" / f"{by}.json"
        if not keystore.exists():
            create_keystore(keystore, PASSPHRASE, private_key=secret_key(by).secret, light=True)
            person = self.keys.people.get(by) or SamplePerson(by, by.removeprefix("admin-"), "admin", "clerk")
            who = ("--agency", person.agency, "--officer", person.officer, "--key", by)
            trusting = ("--passphrase-file", self.tally.passphrase_file, "--trust", self.data / "trust.json")
            self.tally.ok("profile", "add", by, "--url", self.url, *who, *trusting)
        return self.tally("--json", *arguments, profile=by)

    def ok(self, by: str, *arguments: str | Path) -> Any:
        """Return the JSON of a command that somebody must not be refused."""
        done = self.at_the_terminal(by, *arguments)
        assert done.status == Exit.OK, done.err or done.out
        return done.json() if done.out.strip() else None

    def trusting(self, *bundles: Path) -> Path:
        """Write a trust file beside the first of these files, which names the blocks that their proofs end in."""
        file = bundles[0].with_name("trusted.json")
        ends = [option for bundle in bundles for option in ("--block-of", bundle)]
        self.ok("auditor", "log", "trust", *ends, "--replace", "--output", file)
        return file

    # -- leads ---------------------------------------------------------------------------------------------------------

    def work(self, story: LeadStory) -> dict[str, Any]:
        """Work on a lead that the service raises by itself until it is closed; return it as shown then.

        Before it is assigned, the agency that must answer knows nothing of it; nobody confirms it without material.
        """
        material = self.folder / "material.txt"
        for point, lead in story.points(self.player()):
            if point == "raised":
                assert not self.sees(story.answering, lead)
            elif point == "assigned":
                assert self.sees(story.answering, lead)
            elif point == "answered":
                words = ("lead", "confirm", lead.lead_id, "--finding", story.finding)
                refused = self.at_the_terminal(story.working, *words)
                assert (refused.status, json.loads(refused.err)["error"]["code"]) == (Exit.REFUSED, "material_missing")
                assert not material.exists()
            elif point == "confirmed":
                assert self.ok(story.working, "lead", "show", lead.lead_id)["confirmed"]["digests"]
        shown: dict[str, Any] = self.ok(story.assigning, "lead", "show", lead.lead_id)
        steps = ["lead.raised", "lead.assigned", "lead.answered", "lead.confirmed", "lead.closed"]
        assert (shown["status"], [event["event_type"] for event in shown["events"]]) == ("closed", steps)
        return shown

    def sees(self, by: str, lead: SampleLead) -> bool:
        """Return whether the lead is in somebody's list."""
        return lead.lead_id in {listed["lead_id"] for listed in self.ok(by, "lead", "list")}

    def findings(self, model_id: str, by: str) -> list[dict[str, str]]:
        """Return the keys of the model's leads that somebody sees."""
        leads = self.read("/api/v1/leads", by, model=model_id)["leads"]
        return [self.read(f"/api/v1/leads/{lead['lead_id']}", by)["raised"]["key"] for lead in leads]


def on_chain_of_others(anvil: ExternalNode, url: str = "") -> dict[str, Any]:
    """Return how a town is founded on somebody else's Anvil, reached at ``url``, whose blocks are final at once."""

    def fund(town: Town) -> None:
        for account in town.accounts():
            anvil.fund(account)

    return {"prepare": fund, "chain": url or anvil.url, "chain_id": 31337, "finality": 0}


class SmallTown(Town):
    """Three agencies of the town, founded sooner; two are a majority."""

    agencies = AGENCIES[:3]
    people = (BY_PROFILE["police"], BY_PROFILE["prosecutor"], BY_PROFILE["auditor"])


class TownLedger(ServiceLedger):
    """Submits to the town's service, and keeps the last receipt."""

    def __init__(self, town: Town):
        super().__init__(town.url, town.log_id, town.keys)
        self.town = town
        self.receipt: dict[str, Any] = {}

    def granted(self) -> frozenset[str]:
        lists = (self.town.get(f"/api/v1/agencies/{agency.agency_id}/keys") for agency in self.town.agencies)
        return frozenset(key["key_id"] for answer in lists for key in answer["keys"])

    def submit(self, submission: bytes, /) -> LoggedEvent:
        """Return its place in the log. Raises Refused."""
        self.receipt = self.town.post(submission)
        return LoggedEvent(self.receipt["index"], self.receipt["leaf_hash"])


class TownPlayer(Player):
    """Plays stories in the town; a case is looked at through its service."""

    ledger: TownLedger

    def __init__(self, town: Town, began_at: int):
        super().__init__(town.ledger, town.keys, began_at=began_at, secret="of the town")
        # The town is founded with it; to ask the service would come before what a test wants to be the first request.
        self.book = shipped_rulebook()

    def case(self, case_id: str, *, days_ago: int) -> TownCase:
        return TownCase(self, case_id, days_ago=days_ago)


class TownCase(SampleCase):
    """A case that is written through the service: what the service refuses is not written."""

    player: TownPlayer

    def __init__(self, player: TownPlayer, case_id: str, *, days_ago: int):
        super().__init__(player, case_id, days_ago=days_ago)
        self.receipts: list[dict[str, Any]] = []

    def write(self, body: Body, by: str, **fields: Any) -> Self:
        super().write(body, by, **fields)
        self.receipts.append(self.player.ledger.receipt)
        return self

    @property
    def receipt(self) -> dict[str, Any]:
        """Of the last act."""
        return self.receipts[-1]

    def flagged(self) -> list[dict[str, Any]]:
        """Return the flags of all acts, but for those of a past that is recorded late."""
        flags = [flag for receipt in self.receipts for flag in receipt["flags"]]
        return [flag for flag in flags if flag["name"] not in ("late_entry", "backdated")]

    def seen_by(self, by: str) -> dict[str, Any]:
        """Return the case as the service shows it."""
        shown: dict[str, Any] = self.player.ledger.town.read(f"/api/v1/cases/{self.stream.id}", by)
        return shown

    def deadlines(self, by: str, *, as_of: str, **query: Any) -> dict[str, dict[str, Any]]:
        """Return somebody's list of the case as it stood at ``as_of``, by clock and subject."""
        asked = {"case_id": self.stream.id, "as_of": as_of, "limit": 100} | query
        deadlines = self.player.ledger.town.read("/api/v1/deadlines", by, **asked)["deadlines"]
        return {f"{deadline['clock']} {deadline['subject']}": deadline for deadline in deadlines}

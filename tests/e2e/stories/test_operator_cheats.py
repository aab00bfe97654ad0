"""Story 10, the operator cheats: he has the machine, the database and the service's keys, and is found out.

What he cannot be found out by is told too: where he puts *everything* back to an earlier day, the ledger itself looks
sound, and only what others hold shows it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.ethereum import contract_changes
from ledger.core.events import SYSTEM_STREAM_ID, Stream, decode_payload, entry_hash, registry
from ledger.core.events.registry import RegistryChange
from ledger.core.signing.authority import SERVICE_AGENCY, SERVICE_OFFICER
from ledger.recording.event_signing import Actor, StreamPosition, sign_event
from ledger.samples.town import GRANTED_UNTIL
from tests.e2e.stories.town import SmallTown, Town, TownCase
from tests.testkit.builders import Officer, Writer, key_id, profile
from tests.testkit.service import Refused

DATABASE = "tallystick.db"


@dataclass(frozen=True)
class History:
    """A ledger at rest, with its data directory of an earlier day and a checkpoint that somebody saved."""

    present: Town
    backup: Path
    saved: Path
    theft: TownCase

    def restore(self, town: Town, *, but: str | None = None) -> None:
        """Put the data directory of the town back to the earlier day, ``but`` for one of its parts."""
        kept = town.folder / "kept"
        if but is not None:
            (town.data / but).rename(kept)
        shutil.rmtree(town.data)
        shutil.copytree(self.backup, town.data)
        if but is not None:
            shutil.rmtree(town.data / but)
            kept.rename(town.data / but)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Offer a phone, copy the data directory, then accept the phone and open another case."""
    folder = tmp_path_factory.mktemp("history")
    with SmallTown.founded(folder / "present") as town:
        theft = town.case("theft").open().register("phone", "knife").offer("phone", to="procuratorate-east")
        town.anchored()
        with town.switched_off():
            shutil.copytree(town.data, folder / "backup")
        theft.accept()
        town.case("robbery").open().register("gun")
        town.anchored()
        saved = folder / "checkpoint"
        saved.write_text(town.checkpoint(), encoding="utf-8")
        yield History(town.stop(), folder / "backup", saved, theft)


def change(database: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement, as somebody with the database can; return its rows."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def audit(town: Town, *words: str) -> dict[str, Any]:
    """Return the report of an audit that must find something."""
    done = town.at_the_terminal("auditor", "audit", *words)
    report: dict[str, Any] = done.json()
    assert (done.status, report["verdict"]) == (1, "tampered"), done.out
    return report


# -- the database ------------------------------------------------------------------------------------------------------


def test_an_edited_row_is_named_by_its_index_and_proves_nothing_any_more(history: History, tmp_path: Path) -> None:
    """One word of a stored payload is changed: the audits name that entry and no other, and no bundle is made of it."""
    with history.present.copied(tmp_path) as town:
        index, payload = change(
            town.data / DATABASE,
            "SELECT log_index, payload FROM entries WHERE event_id = ?",
            history.theft.events[1].envelope.event_id,
        )[0]
        edited = payload.replace(b"the phone", b"the watch")
        assert edited != payload
        change(town.data / DATABASE, "UPDATE entries SET payload = ? WHERE log_index = ?", edited, index)
        town.start()
        for words in ((), ("theft",)):
            assert {(finding["step"], finding["index"]) for finding in audit(town, *words)["findings"]} == {
                ("payloads", index)
            }
        event_id = history.theft.events[1].envelope.event_id
        done = town.at_the_terminal("auditor", "proof", "get", event_id, "--output", tmp_path / "bundle.json")
        assert done.status == 1
        assert f"entry {index} is not proven by what is stored" in done.err
        assert not (tmp_path / "bundle.json").exists()


def test_an_edited_journal_is_named_by_its_write_with_the_service_off(history: History, tmp_path: Path) -> None:
    """The audit makes the chain again from the journal: sound, it is intact; with one write re-timed, its block comes
    out as another. Without the chain nothing is intact."""
    with history.present.copied(tmp_path) as town:
        offline = ("audit", "--data-dir", town.data)
        done = town.at_the_terminal("auditor", *offline)
        assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
        done = town.at_the_terminal("auditor", *offline, "--database-only")
        assert (done.status, done.json()["verdict"]) == (3, "unverifiable")
        number, block = change(
            town.data / DATABASE, "SELECT number, block_number FROM chain_writes WHERE purpose = 'anchor' LIMIT 1"
        )[0]
        change(town.data / DATABASE, "UPDATE chain_writes SET timestamp = timestamp + 1 WHERE number = ?", number)
        findings = audit(town, "--data-dir", str(town.data))["findings"]
        assert [finding["step"] for finding in findings] == ["chain", "anchors"]
        finding = findings[0]
        assert f"as the journal has it for write {number}" in finding["what"]
        assert f"expected block {block} to be" in finding["what"]


# -- backups -----------------------------------------------------------------------------------------------------------


def test_with_everything_but_the_chain_restored_not_one_event_is_taken(history: History, tmp_path: Path) -> None:
    """What the chain left on disk is ahead: from the first request on the service only reads."""
    with history.present.copied(tmp_path) as town:
        history.restore(town, but="chain")
        with pytest.raises(Refused) as refused:
            town.first_post("later")
        assert (refused.value.status, refused.value.code) == (503, "chain_ahead")
        assert "rolled back" in refused.value.problem["detail"]
        assert town.readiness()["ready"] is False
        assert town.checkpoint()


def test_with_everything_restored_only_what_others_hold_shows_it(history: History, tmp_path: Path) -> None:
    """Database and development chain together look sound. A saved checkpoint is not continued: at once, since the log
    has become shorter, and for good, once it has grown another way. A receipt names another place for its event."""
    with history.present.copied(tmp_path) as town:
        history.restore(town)
        town.start()
        done = town.at_the_terminal("auditor", "log", "consistency", history.saved)
        assert (done.status, json.loads(done.err)["error"]["code"]) == (1, "integrity_broken")

        town.case("another-history").open().register(*(f"thing-{number}" for number in range(6)))
        town.anchored()
        assert town.at_the_terminal("auditor", "audit").json()["verdict"] == "intact"
        done = town.at_the_terminal("auditor", "log", "consistency", history.saved)
        assert (done.status, json.loads(done.err)["error"]["code"]) == (1, "integrity_broken")
        again = town.post(history.theft.last.submission)
        assert again["index"] != history.theft.receipts[-1]["index"]
        assert again["leaf_hash"] == history.theft.receipts[-1]["leaf_hash"]


# -- an invented agency ------------------------------------------------------------------------------------------------

IMPOSTOR = Officer("c-9999", "court-west")
SYSTEM = Stream(kind="system", id=SYSTEM_STREAM_ID)


def test_an_invented_agency_stops_the_ledger_and_nothing_of_it_is_ever_proven(history: History, tmp_path: Path) -> None:
    """With the service's key he mirrors an admission and a grant that no contract has. They and the impostor's event
    are in the log; the chain does not know them, so nothing more is written or anchored."""
    with history.present.copied(tmp_path) as town:
        town.start()
        anchored = town.anchored()
        with town.chain_frozen():  # so that it is not found out before the impostor has signed
            forged, _ = [town.post(submission)["index"] for submission in forged_mirror(town)]
            writer = Writer("case", "invented", start=history.theft.now, log_id=town.log_id)
            event = writer.write(history.theft.events[0].event.body, IMPOSTOR)
            town.post(event.submission)

        town.until("the service stops writing", lambda: town.readiness()["sequencer"] == "failed")
        with pytest.raises(Refused) as refused:
            town.case("later").open()
        assert (refused.value.status, refused.value.code) == (503, "chain_mismatch")
        assert town.confirmed() == anchored < town.size()
        assert [(finding["step"], finding["index"]) for finding in audit(town)["findings"]] == [("chain", forged)]
        bundle = tmp_path / "bundle.json"
        done = town.at_the_terminal("auditor", "proof", "get", event.envelope.event_id, "--output", bundle)
        assert done.status == 0, done.err
        done = town.at_the_terminal("auditor", "proof", "check", bundle)
        assert (done.status, done.json()["verdict"]) == (4, "not_yet_anchored")


def forged_mirror(town: Town) -> list[bytes]:
    """Submissions that admit the impostor's agency and grant his key, as the log would have them from the chain."""
    registered = [change_of(entry) for entry in town.get("/api/v1/registry")["entries"]]
    head = [entry for entry in town.entries() if json.loads(entry)["stream"]["kind"] == "system"][-1]
    place = StreamPosition(SYSTEM, json.loads(head)["sequence"] + 1, entry_hash(head))
    actor = Actor(SERVICE_AGENCY, SERVICE_OFFICER, town.key("service"))
    submissions = []
    for body in forged_changes(registered[-1]):
        signed = sign_event(body, place, actor, town.log_id)
        submissions.append(signed.submission)
        place = signed.following
    return submissions


def change_of(entry: dict[str, Any]) -> RegistryChange:
    body = decode_payload(canonical.encode(entry["payload"]), entry["envelope"]["event_type"]).body
    assert isinstance(body, RegistryChange)
    return body


def forged_changes(last: RegistryChange) -> Iterator[RegistryChange]:
    """They follow the last true change by number and rolling hash, and are said to stand in its block."""
    agency = {"agency": IMPOSTOR.agency, "kind": "court", "admin": key_id("nobody"), "profile": profile("court-west")}
    key = {"agency": IMPOSTOR.agency, "key_id": IMPOSTOR.key_id, "officer": IMPOSTOR.officer_id}
    terms = {"roles": IMPOSTOR.roles, "suite": 1, "valid_from": 0, "valid_until": GRANTED_UNTIL}
    previous = bytes.fromhex(last.registry_hash[2:])
    for number, (kind, fields) in enumerate(
        ((registry.AgencyAdmitted, agency), (registry.KeyGranted, key | terms)), last.number + 1
    ):
        draft = kind(number=number, registry_hash=last.registry_hash, location=last.location, **fields)
        previous = contract_changes.registry_hash(previous, draft)
        yield replace(draft, registry_hash="0x" + previous.hex())

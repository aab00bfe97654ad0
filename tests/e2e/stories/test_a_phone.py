"""Story 8, a phone: its image is collected by two, examined elsewhere, and comes back as another."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from ledger.core.events import item
from ledger.core.procedure.legal_days import instant_text
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import LAB, POLICE, clerk, section
from tests.unit.cli.tally import Done

PHONE, IMAGE = "mobile-phone", "mobile-image"
SECRET = "found in the flat of a protected witness"


def seize(town: Town) -> TownCase:
    """A sealed phone, taken by two officers two hours before it was recorded; where, is confidential."""
    case = town.case("mobile").open()
    taken = item.Seizure(document_number="S-7", seized_at="2025-03-03T02:00:00Z", officers=("p-1", "p-2"))
    where = {"narrative": section(text=SECRET)}
    return case.register(PHONE, seal_number="S-0417", seizure=taken, sections=where)


def at_terminal(town: Town, agency: str, *arguments: str | Path) -> Any:
    done: Done = town.at_the_terminal(clerk(agency), *arguments)
    assert done.status == Exit.OK, done.err
    return json.loads(done.out)


def collect(town: Town, image: Path, *collectors: str) -> Done:
    """``tally item register`` of the image, by so many collectors."""
    told = [word for name in collectors for word in ("--collector", name)]
    told += ["--tool", "write blocker", "--method", "image of the whole medium", "--medium", PHONE]
    words = ("item", "register", "mobile", "image of the phone", "--kind", "electronic_data", "--item-id", IMAGE)
    return town.at_the_terminal(clerk(POLICE), *words, "--file", image, *told)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "phone.img"
    path.write_bytes(b"messages" * 4096)
    return path


def test_an_image_that_comes_back_as_another_is_found_and_disclosed(town: Town, image: Path, tmp_path: Path) -> None:
    """One collector is refused, two are recorded; the laboratory receives what was sent; what returns differs in its
    digest, which is a discrepancy and a flag; counsel's bundle proves where, and withholds what is confidential.
    """
    seize(town)
    assert collect(town, image, "p-1").status == Exit.USAGE
    assert collect(town, image, "p-1", "p-2").status == Exit.OK
    shown = at_terminal(town, POLICE, "item", "show", IMAGE)
    assert (shown["collection"]["medium_item_id"], shown["collection"]["collectors"]) == (PHONE, ["p-1", "p-2"])
    assert at_terminal(town, POLICE, "item", "show", PHONE)["unrecorded_seconds"] > 0

    sent = ("handover", "offer", "mobile", LAB, "--purpose", "forensic_examination", "--all-items")
    at_terminal(town, POLICE, *sent, "--handover-id", "to-lab")
    accept = ("--received-at", instant_text(int(time.time())), "--all-as-listed", "--file", f"{IMAGE}={image}")
    assert "receipt_differs" not in flags(at_terminal(town, LAB, "handover", "accept", "mobile", "to-lab", *accept))

    image.write_bytes(b"other messages" * 4096)
    why = ("--reason", "other", "--explanation", "examined", "--all-items", "--handover-id", "back")
    at_terminal(town, LAB, "handover", "return", "mobile", "to-lab", *why)
    told = at_terminal(town, POLICE, "handover", "accept", "mobile", "back", *accept)
    assert "receipt_differs" in flags(told)
    (opened,) = at_terminal(town, POLICE, "case", "show", "mobile")["discrepancies"]
    assert (opened["item_id"], opened["kinds"], opened["expected"]) == (IMAGE, ["digest"], " ".join(shown["digests"]))
    assert set(opened["parties"]) == {LAB, POLICE}
    disclose(town, tmp_path, told["event_id"], opened["found"].split())


def flags(receipt: dict[str, Any]) -> list[str]:
    return [flag["name"] for flag in receipt["flags"]]


def disclose(town: Town, folder: Path, differing: str, found: list[str]) -> None:
    """What counsel gets: every event, the one that found the difference among them, without the confidential part."""
    town.anchored()
    bundle = folder / "counsel.json"
    given = ("disclosure", "make", "mobile", "--recipient", "counsel of the suspect", "--item", IMAGE)
    recorded = at_terminal(town, POLICE, *given, "--output", bundle)
    assert SECRET not in bundle.read_text(encoding="utf-8")
    events = [event["payload"] for event in json.loads(bundle.read_bytes())["events"]]
    (where,) = [event for event in events if event["event_id"] == differing]
    (line,) = where["body"]["received"]
    assert (line["item_id"], line["match_result"], line["digests"]) == (IMAGE, "mismatch", found)
    checked = town.at_the_terminal(clerk(POLICE), "proof", "check", bundle, "--trust", town.trusting(bundle))
    assert json.loads(checked.out)["verdict"] == "intact", checked.out

    shown = at_terminal(town, POLICE, "event", "show", recorded["event_id"])["payload"]["body"]
    assert (shown["recipient"], shown["item_ids"], shown["withheld"]) == (
        "counsel of the suspect",
        [IMAGE],
        ["narrative"],
    )
    assert differing in [event["event_id"] for event in shown["events"]]

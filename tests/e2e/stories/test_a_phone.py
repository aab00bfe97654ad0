"""Story 8, a phone: its image is collected by two, examined elsewhere, and comes back as another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ledger.samples.case_acts import digest
from ledger.samples.stories import A_PHONE, WITHHELD
from tests.e2e.stories.town import Town, TownCase

CASE = A_PHONE.case_id
PHONE, IMAGE = f"{CASE}-phone", f"{CASE}-image"


def test_an_image_that_comes_back_as_another_is_found_and_disclosed(town: Town, tmp_path: Path) -> None:
    """One collector alone is flagged, two are not; the laboratory receives what was sent; what returns differs in its
    digest, which is a discrepancy and a flag; counsel's bundle proves where, and withholds what is confidential.
    """
    image = tmp_path / "phone.img"
    image.write_bytes(b"image of the phone")
    points = town.story(A_PHONE, "2025-03-03")
    next(points)
    # In a case of its own, which the story does not know of.
    case_id = town.ok("police", "case", "open", "--number", "A-1", "--type", "theft")["case_id"]
    how = ("--tool", "write blocker", "--method", "image of the whole medium", "--collector", "p-0417")
    why = ("--collection-no-witness", "recorded on video", "--medium-not-taken", "it is in use")
    words = ("item", "register", case_id, "image of a phone", "--kind", "electronic_data", "--file", image, *how, *why)
    flags = [flag["name"] for flag in town.ok("police", *words)["flags"]]
    assert flags == ["single_collector"]
    next(points)
    shown = town.ok("police", "item", "show", IMAGE)
    collection = shown["collection"]
    assert (collection["medium_item_id"], collection["collectors"]) == (PHONE, ["p-0417", "p-0422"])
    assert shown["digests"] == [digest("image of the phone")]
    assert town.ok("police", "item", "show", PHONE)["unrecorded_seconds"] > 0

    _, case = next(points)
    assert "receipt_differs" not in {flag["name"] for flag in case.flagged()}
    next(points)
    assert "receipt_differs" in {flag["name"] for flag in case.receipt["flags"]}
    (opened,) = town.ok("police", "case", "show", CASE)["discrepancies"]
    assert (opened["item_id"], opened["kinds"], opened["expected"]) == (IMAGE, ["digest"], " ".join(shown["digests"]))
    assert set(opened["parties"]) == {"lab-east", "psb-east"}
    disclose(town, case, tmp_path / "counsel.json", opened["found"].split())


def disclose(town: Town, case: TownCase, bundle: Path, digests: list[str]) -> None:
    """Give counsel every event, the one that found the difference among them, without the confidential part."""
    differing = case.receipt["event_id"]
    town.anchored()
    command = ("disclosure", "make", CASE, "--recipient", "counsel of the suspect", "--item", IMAGE)
    recorded = town.ok("police", *command, "--output", bundle)
    assert WITHHELD not in bundle.read_text(encoding="utf-8")
    entries: list[Any] = json.loads(bundle.read_bytes())["entries"]
    (where,) = [entry for entry in entries if entry["envelope"]["event_id"] == differing]
    (line,) = where["payload"]["body"]["received"]
    assert (line["item_id"], line["match_result"], line["digests"]) == (IMAGE, "mismatch", digests)
    checked = town.at_the_terminal("police", "proof", "check", bundle, "--trust", town.trusting(bundle))
    assert checked.json()["verdict"] == "intact", checked.out

    shown = town.ok("police", "event", "show", recorded["event_id"])["payload"]["body"]
    assert (shown["recipient"], shown["item_ids"]) == ("counsel of the suspect", [IMAGE])
    assert set(shown["withheld"]) == {"narrative", "person:1"}
    assert differing in [event["event_id"] for event in shown["events"]]

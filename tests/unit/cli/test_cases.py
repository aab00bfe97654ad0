"""Cases by the command line, on a running service: what clerks sign of them, what they and others then see."""

from __future__ import annotations

import hashlib
import json
import secrets
from functools import partial
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from tests.testkit.builders import POLICE
from tests.testkit.tally import Tally
from tests.unit.cli.world import THEN, World, offer, open_case, register


def test_names_stay_in_confidential_sections(world: World) -> None:
    """A name is in the section that the holder of the case reads, and not in the payload."""
    case_id = open_case(world)
    name, born = map(world.tally.off_the_line, ("somebody withheld", "1990-01-01"))
    options = ("--role", "suspect", "--name", name, "--detail", f"birth_date={born}")
    receipt = world.ok("person", "name", case_id, *options)
    event = world.ok("event", "show", receipt["event_id"])
    assert event["sections"]["person:1"]["fields"] == {"name": "somebody withheld", "birth_date": "1990-01-01"}
    assert "somebody" not in json.dumps(event["payload"])
    shown = world.run("event", "show", receipt["event_id"]).out
    assert "\nname\n" in shown.split("\ncontent\n")[1]
    assert "\nperson:1\n" not in shown
    assert len(receipt["person_id"]) == 32


@pytest.mark.parametrize(
    "options",
    [
        ("--name", "somebody withheld"),
        ("--name", "@/dev/null", "--detail", "identity_number=310101199003070011"),
        ("--name", "@/dev/null", "--section", "note.by=somebody"),
    ],
)
def test_what_is_confidential_is_not_taken_from_the_command_line(tally: Tally, options: tuple[str, ...]) -> None:
    """Every user of the machine reads the arguments of its processes: refused, with what to do, before any request."""
    tally.new_key("police")
    tally.add_profile("police", "http://127.0.0.1:1", "police-east", "p-1", "police")
    done = tally("person", "name", "case-1", "--role", "suspect", *options, profile="police")
    assert (done.status, "expected @FILE or @-, not the text itself" in done.err) == (Exit.USAGE, True)
    assert "Others see what stands on a command line" in done.err
    assert not any(text in done.err for text in ("withheld", "310101199003070011", "somebody"))


def test_a_case_is_opened_with_the_first_words_of_its_procedure(world: World) -> None:
    """Of one that is in force; those of another are not known, and whether there is such a one the ledger judges."""
    case_id = world.ok("case", "open", "--number", "1", "--type", "theft")["case_id"]
    (opened,) = world.ok("event", "list", case_id)
    body = world.ok("event", "show", opened["event_id"])["payload"]["body"]
    assert (body["business_line"], body["stage"]) == ("criminal", "investigation")
    options = ("case", "open", "--number", "1", "--type", "loan", "--procedure", "library")
    world.refuses(Exit.USAGE, "no version of the procedure library is in force", *options)
    world.refuses(Exit.REFUSED, "library", *options, "--line", "books", "--stage", "lent")
    world.refuses(Exit.USAGE, "is not one of", *options, "--line", "No Word", "--stage", "lent")


def test_the_record_is_corrected_beside_what_it_says(world: World) -> None:
    """A correction cites its event and says field, old and new; why something came late is said too."""
    case_id = open_case(world, items=1)
    (first, *_) = world.ok("event", "list", case_id)
    change = ("--change", "case_type", "theft", "robbery", "--ground", "misread")
    event = world.ok("record", "correct", case_id, first["event_id"], *change)
    body = world.ok("event", "show", event["event_id"])["payload"]["body"]
    assert body["corrections"] == [{"correct": "robbery", "field": "case_type", "recorded": "theft"}]
    ground = world.tally.off_the_line("the line of the buyer was down")  # names somebody, and need not be typed
    late = ("--happened-at", THEN, "--ground", ground, "--concerns", first["event_id"])
    world.ok("record", "late", case_id, *late)
    events = world.ok("event", "list", case_id)
    assert [event["event_type"] for event in events[-2:]] == ["record.corrected", "record.late"]
    assert events[-1]["payload"]["body"]["ground"] == "the line of the buyer was down"


def test_a_case_shows_who_handles_it_and_under_which_procedure(world: World) -> None:
    """Department and handler of each agency, the procedure, and the decisions: as data and in both languages."""
    case_id = open_case(world)
    act = partial(world.tally.ok, profile="police")
    act("case", "assign", case_id, "--department", "unit 2", "--handler", "p-0417")
    act("case", "stage", case_id, "first_instance", "--trial", "summary")
    act("decision", "record", case_id, "case_filed", "--number", "2026-7", "--decided-at", THEN)
    stated = ("--particular", "charge=theft=a", "--particular", "main_punishment=control")
    act("decision", "record", case_id, "sentence_recommendation", "--number", "8", "--decided-at", THEN, *stated)
    shown = act("case", "show", case_id)
    assert shown["assignments"] == [{"agency": POLICE, "department": "unit 2", "handler": "p-0417"}]
    assert (shown["stage"], shown["trial"]) == ("first_instance", "summary")
    assert shown["decisions"][1]["particulars"] == {"charge": "theft=a", "main_punishment": "control"}
    for language, words in (("en", "summary"), ("zh-CN", "简易程序")):
        out = world.run("--lang", language, "case", "show", case_id).out
        assert all(word in out for word in (words, "unit 2", "p-0417", "2026-7")), out


def test_acts_name_their_authority_and_keep_texts_apart(world: World, tmp_path: Path) -> None:
    """Any act may name the paper it rests on, and keep texts in confidential sections, from a file too."""
    narrative = tmp_path / "narrative.txt"
    narrative.write_text("what happened, at length\n", encoding="utf-8")
    by = world.tally.off_the_line("somebody")
    sections = ("--section", f"narrative.text=@{narrative}", "--section", f"note.by={by}")
    options = ("--authority", "warrant=W-7", *sections)
    case_id = open_case(world, *options)
    (event,) = world.ok("event", "list", case_id)
    assert event["payload"]["authority"] == {"authorization_type": "warrant", "authorization_identifier": "W-7"}
    shown = {label: section["fields"] for label, section in event["sections"].items()}
    assert shown == {"narrative": {"text": "what happened, at length"}, "note": {"by": "somebody"}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--authority", "W-7"), "--authority"),
        (("--section", "narrative=@/dev/null"), "--section"),
        (("--section", "narrative.text=in plain sight"), "not the text itself"),
        (("--section", "narrative.text"), "no terminal to ask at"),
        (("--section", "narrative.text=@/nowhere"), "/nowhere"),
        (("--occurred-at", "2026-03-01"), "--occurred-at"),
        (("--case-id", "Case 1"), "--case-id"),
    ],
)
def test_wrong_claims_are_refused_under_their_option(world: World, options: tuple[str, ...], message: str) -> None:
    """What an act says of itself is checked before anything is sent."""
    world.refuses(Exit.USAGE, message, "case", "open", "--number", "A", "--type", "theft", *options)


def test_case_for_people(world: World) -> None:
    """Without --json a case is shown in tables, in the reader's language; its receipt names what was made. With flags
    it is a success that warns; a second case of the same id is refused under its option."""
    case_id = open_case(world, items=1)
    assert case_id in [case["case_id"] for case in world.ok("case", "list")]
    world.ok("case", "link", case_id, open_case(world), "--relation", "same_person")
    done = world.run("item", "seal", case_id, f"{case_id}-i1", "S-1")
    assert f"item         {case_id}-i1" in done.out
    offer(world, case_id, "--item", f"{case_id}-i1")
    shown = world.run("case", "show", case_id, "--lang", "zh-CN").out
    for label in ("侦查（调查）", "物证", "移送审查起诉", "待接收", "police-east机关"):
        assert label in shown
    assert "\x1b" not in shown
    late = ("case", "open", "--number", "A", "--type", "theft", "--occurred-at", "2020-01-01 08:00")
    for language, words in (("en", "after it happened"), ("zh-CN", "才签署")):
        world.refuses(Exit.OK, words, *late, "--lang", language)
    world.refuses(Exit.REFUSED, "--case-id", "case", "open", "--case-id", case_id, "--number", "B", "--type", "theft")


def test_part_of_a_case_leaves_for_another(world: World) -> None:
    """A split names the case that it opens; the items that leave are left there."""
    case_id = open_case(world, items=1)
    options = ("--item", f"{case_id}-i1", "--ground", "another offence")
    receipt = world.ok("case", "split", case_id, *options)
    assert receipt["new_case_id"].startswith("case-")
    given_up = {
        "new_case_id": receipt["new_case_id"],
        "event_id": receipt["event_id"],
        "agency": "police-east",
        "persons": 0,
        "items": 1,
    }
    assert world.ok("case", "show", case_id)["open_splits"] == [given_up | {"case_id": case_id}]
    world.refuses(Exit.REFUSED, f"--split-from {receipt['event_id']}", "case", "close", case_id, "--ground", "over")
    world.ok("case", "number", case_id, "B-2")
    case = world.ok("case", "show", case_id)
    assert [item["status"] for item in case["items"]] == ["left"]
    assert case["agencies"]["police-east"] == "B-2"
    new = ("--case-id", receipt["new_case_id"], "--split-from", receipt["event_id"])
    assert open_case(world, *new) == receipt["new_case_id"]
    assert world.ok("case", "show", case_id)["open_splits"] == []
    assert world.ok("item", "show", f"{case_id}-i1")["case_id"] == receipt["new_case_id"]


def test_two_cases_join(world: World) -> None:
    """What one case gives up for another that is open already joins it, citing the split by id and digest."""
    case_id, joined_id = open_case(world, items=1), open_case(world)
    options = ("--item", f"{case_id}-i1", "--ground", "one and the same offence", "--new-case-id", joined_id)
    split = world.ok("case", "split", case_id, *options)
    event = world.ok("event", "show", split["event_id"])
    cites = ("--cites", f"{split['event_id']}={event['envelope']['payload_digest']}", "--ground", "joined")
    world.ok("case", "join", joined_id, case_id, *cites)
    assert world.ok("item", "show", f"{case_id}-i1")["case_id"] == joined_id


def test_a_case_is_found_by_a_file_and_by_what_is_written(world: World, tmp_path: Path) -> None:
    """By the file whose digest an item has, by a seal, and by the beginning of an id; without either, or both, not."""
    case_id, scan = open_case(world), tmp_path / "scan.pdf"
    scan.write_bytes(secrets.token_bytes(64))
    digest = f"sha256:{hashlib.sha256(scan.read_bytes()).hexdigest()}"
    seal = f"seal-{secrets.token_hex(4)}"
    register(world, case_id, "a scan", "--seal-number", seal, "--file", scan)
    for terms in (("--file", scan), (seal.upper(),), (digest[7:30],)):
        (hit,) = world.ok("search", *terms)
        assert (hit["case_id"], hit["case_number"]) == (case_id, "A-1")
    assert seal in world.run("search", seal).out
    for terms in ((), (seal, "--file", scan)):
        assert world.run("search", *terms).status == Exit.USAGE


def test_an_exhibit_number_finds_the_parts_of_the_thing(world: World) -> None:
    """Each in a line of its own that says what it came from."""
    case_id, number = open_case(world), f"E-{secrets.token_hex(4)}"
    whole = register(world, case_id, "a bag of pills", "--exhibit-number", number, "--quantity", "10")["item_id"]
    split = world.ok("item", "split", case_id, whole, "--part", "4", "--part", "6")
    (hit,) = world.ok("search", number)
    assert [part["item_id"] for part in hit["parts"]] == sorted(split["parts"])
    lines = [line for line in world.run("search", number).out.splitlines() if number in line]
    assert [f"from {whole}" in line for line in lines] == [False, True, True]

"""Casework by the command line, on a running service: what clerks sign, what they and others then see."""

from __future__ import annotations

import hashlib
import json
import secrets
from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3

from ledger.cli.exits import Exit
from tests.builders import POLICE
from tests.cli.casework import THEN, accept, holder, offer, open_case, register
from tests.cli.world import World


def test_case_is_opened_and_seen(world: World) -> None:
    """The receipt names case, event and index; the case is in the list, and shows as it was opened."""
    made = world.tally.ok("case", "open", "--number", "A-7", "--type", "诈骗", profile="police")
    shown = world.tally.ok("case", "show", made["case_id"], profile="police")
    assert (shown["case_number"], shown["case_type"], shown["stage"]) == ("A-7", "诈骗", "investigation")
    assert shown["responsible"] == "police-east"
    assert made["case_id"] in [case["case_id"] for case in world.tally.ok("case", "list", profile="police")]
    assert made["proof"].startswith("c2sp.org/tlog-proof@v1\nindex ")
    assert f"index {made['index']}\n" in made["proof"]


def test_case_id_is_taken_once(world: World) -> None:
    """A second case of the same id is refused under its option."""
    case_id = open_case(world)
    done = world.tally("case", "open", "--case-id", case_id, "--number", "B", "--type", "theft", profile="police")
    assert (done.status, "--case-id" in done.err) == (Exit.REFUSED, True)


def test_item_has_the_digests_of_its_file(world: World, tmp_path: Path) -> None:
    """A file is recorded by its BLAKE3 and SHA-256, and is not sent."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"a photograph" * 1000)
    case_id = open_case(world)
    collected = ("--collector", "p-0417", "--collector", "p-0422", "--tool", "imager", "--method", "bit copy")
    made = register(world, case_id, "a photograph", "--kind", "electronic_data", "--file", path, *collected)
    data = path.read_bytes()
    assert world.tally.ok("item", "show", made["item_id"], profile="police")["digests"] == [
        f"blake3:{blake3(data).hexdigest()}",
        f"sha256:{hashlib.sha256(data).hexdigest()}",
    ]


def test_money_dossier_and_seizure(world: World) -> None:
    """Amounts become fen, a dossier has its volumes, a seizure its two officers."""
    case_id = open_case(world)
    seized = ("--seizure-document", "D-7", "--seized-at", THEN, "--seized-by", "p-0417", "--seized-by", "p-0422")
    cash = register(world, case_id, "cash", "--kind", "property", "--money", "12480.50", "--fungible", *seized)
    shown = world.tally.ok("item", "show", cash["item_id"], profile="police")
    assert shown["money"] == {"fen": 1248050, "currency": "CNY"}
    file = register(
        world, case_id, "file", "--kind", "dossier", "--quantity", "2 volume", "--volumes", "2", "--pages", "9"
    )
    event = world.tally.ok("event", "show", file["event_id"], profile="police")
    assert event["payload"]["body"]["dossier"] == {"volumes": 2, "pages": 9}
    assert event["payload"]["body"]["quantity"] == {"value": "2", "unit": "volume"}


def test_names_stay_in_confidential_sections(world: World) -> None:
    """A name is in the section that the holder of the case reads, and not in the payload."""
    case_id = open_case(world)
    told = ("--role", "suspect", "--name", "somebody withheld", "--detail", "birth_date=1990-01-01")
    made = world.tally.ok("person", "name", case_id, *told, profile="police")
    event = world.tally.ok("event", "show", made["event_id"], profile="police")
    assert event["sections"]["person:1"]["fields"] == {"name": "somebody withheld", "birth_date": "1990-01-01"}
    assert "somebody" not in json.dumps(event["payload"])
    assert len(made["person_id"]) == 32


def test_measures_run_by_person(world: World) -> None:
    """Imposed, extended, changed and lifted; the case shows each measure with its times."""
    case_id = open_case(world)
    person = world.tally.ok("person", "name", case_id, "--role", "suspect", "--name", "x", profile="police")[
        "person_id"
    ]
    began = ("--started-at", THEN, "--ground", "caught at the place")
    one = world.tally.ok("measure", "impose", case_id, person, "detention", *began, profile="police")["measure_id"]
    longer = ("--until", "2026-03-07", "--ground", "gang", "--article", "CPL 91")
    world.tally.ok("measure", "extend", case_id, one, *longer, profile="police")
    two = world.tally.ok("measure", "change", case_id, one, "bail", *began, profile="police")["new_measure_id"]
    over = ("--ended-at", "2026-03-09T00:00:00Z", "--ground", "no suspicion")
    world.tally.ok("measure", "lift", case_id, two, *over, profile="police")
    measures = world.tally.ok("case", "show", case_id, profile="police")["measures"]
    assert [(m["measure"], m["until"], m["ended_at"]) for m in measures] == [
        ("detention", "2026-03-07", THEN),
        ("bail", None, "2026-03-09T00:00:00Z"),
    ]


def test_custody_moves_with_the_acceptance(world: World) -> None:
    """An offer moves nothing; the acceptance moves what is accepted, and the receiver answers for the case."""
    case_id = open_case(world, items=2)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1", "--item", f"{case_id}-i2")
    assert holder(world, f"{case_id}-i1") == "police-east"
    inbox = world.tally.ok("handover", "inbox", "--status", "offered", profile="prosecutor")
    assert (case_id, handover_id) in [(line["case_id"], line["handover_id"]) for line in inbox]
    accept(world, case_id, handover_id, "--all-as-listed")
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"
    case = world.tally.ok("case", "show", case_id, profile="prosecutor")
    assert (case["responsible"], case["stage"]) == ("procuratorate-east", "prosecution_review")
    outbox = world.tally.ok("handover", "outbox", "--status", "accepted", profile="police")
    assert (case_id, handover_id) in [(line["case_id"], line["handover_id"]) for line in outbox]


def test_short_delivery(world: World) -> None:
    """Accepted all but one, whose count differs: it stays with the sender, and both sides resolve the discrepancy."""
    case_id = open_case(world, items=1)
    register(world, case_id, "pry bars", "--item-id", f"{case_id}-bars", "--quantity", "10")
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1", "--item", f"{case_id}-bars")
    short = ("--except", f"{case_id}-bars=items_differ:nine of ten", "--found", f"{case_id}-bars:quantity=9")
    accept(world, case_id, handover_id, "--all-as-listed", *short)
    shown = world.tally.ok("handover", "show", case_id, handover_id, profile="prosecutor")
    assert (shown["status"], shown["accepted_items"]) == ("partially_accepted", [f"{case_id}-i1"])
    lines = world.tally(
        "handover", "show", case_id, handover_id, "--lang", "zh-CN", profile="prosecutor"
    ).out.splitlines()
    assert lines[lines.index("物品") + 1].split() == ["物品", "描述", "已接收"]
    assert ["pry", "bars", "否"] in [line.split()[1:] for line in lines]
    assert holder(world, f"{case_id}-bars") == "police-east"
    (difference,) = world.tally.ok("case", "show", case_id, profile="police")["discrepancies"]
    assert (difference["expected"], difference["found"]) == ("10 piece", "9 piece")
    refused = world.tally("case", "close", case_id, "--ground", "done", profile="prosecutor")
    assert refused.status == Exit.REFUSED
    words = ("--resolution", "counted again: ten")
    for profile in ("police", "prosecutor"):
        world.tally.ok("discrepancy", "resolve", case_id, difference["discrepancy_id"], *words, profile=profile)
    world.tally.ok("case", "close", case_id, "--ground", "done", profile="prosecutor")
    assert world.tally.ok("case", "show", case_id, profile="prosecutor")["closed"] is True


def test_refused_with_reason_and_remedy(world: World) -> None:
    """A refusal keeps everything with the sender and says what can be done until when."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")
    why = ("--reason", "binding_defective", "--remedy", "rebind", "--explanation", "loose", "--due-at", THEN)
    world.tally.ok("handover", "refuse", case_id, handover_id, *why, profile="prosecutor")
    shown = world.tally.ok("handover", "show", case_id, handover_id, profile="police")
    assert (shown["status"], shown["remedy"], shown["due_at"]) == ("refused", "rebind", THEN)
    assert holder(world, f"{case_id}-i1") == "police-east"
    again = offer(world, case_id, "--item", f"{case_id}-i1", "--follows", handover_id)
    world.tally.ok("handover", "recall", case_id, again, "--ground", "not ready", profile="police")
    assert world.tally.ok("handover", "show", case_id, again, profile="police")["status"] == "recalled"


def test_returned_for_supplementary_investigation(world: World) -> None:
    """A return is an offer the other way that names what it returns; it moves when the police accept it."""
    case_id = open_case(world, items=1)
    first = offer(world, case_id, "--item", f"{case_id}-i1")
    results = ("jurisdiction", "dossier-complete", "property-matches-list", "person-and-measure", "within-time")
    checks = [word for name in results for word in (f"--{name}", "passed")]
    world.tally.ok("handover", "check", case_id, first, *checks, profile="prosecutor")
    accept(world, case_id, first, "--received", f"{case_id}-i1")
    why = (
        "--purpose",
        "supplementary_investigation",
        "--reason",
        "incomplete_dossier",
        "--explanation",
        "buyer not heard",
    )
    back = world.tally.ok("handover", "return", case_id, first, *why, "--item", f"{case_id}-i1", profile="prosecutor")[
        "handover_id"
    ]
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"
    accept(world, case_id, back, "--all-as-listed", profile="police")
    case = world.tally.ok("case", "show", case_id, profile="police")
    assert (case["responsible"], case["stage"]) == ("police-east", "supplementary_investigation")


def test_an_items_life(world: World) -> None:
    """Sealed, opened, moved, lent, examined, frozen, split, merged: each is recorded and shown."""
    case_id = open_case(world, items=1)
    one = f"{case_id}-i1"
    acts: list[tuple[str, ...]] = [
        ("seal", one, "S-1"),
        ("unseal", one, "S-1", "--ground", "to look"),
        ("examine", one, "--method", "looked at", "--match", "match", "--condition", "scratched"),
        ("move", one, "shelf 7"),
        ("check-out", one, "--to-officer", "p-0422", "--ground", "laboratory"),
        ("check-in", one),
    ]
    for name, *told in acts:
        world.tally.ok("item", name, case_id, *told, profile="police")
    shown = world.tally.ok("item", "show", one, profile="police")
    assert (shown["status"], shown["storage_location"], shown["condition"]) == ("held", "shelf 7", "scratched")
    grain = register(world, case_id, "grain", "--kind", "property", "--quantity", "10:kg", "--fungible")["item_id"]
    world.tally.ok("item", "freeze", case_id, grain, "2026-09-01", profile="police")
    world.tally.ok("item", "renew-freeze", case_id, grain, "2027-03-01", profile="police")
    split = world.tally.ok("item", "split", case_id, grain, "--part", "4:kg", "--part", "6:kg", profile="police")
    merged = world.tally.ok("item", "merge", case_id, *split["parts"], "--whole", "10:kg", profile="police")
    assert world.tally.ok("item", "show", merged["whole"], profile="police")["parents"] == split["parts"]
    listed = world.tally.ok("item", "list", "--case", case_id, profile="police")
    assert sorted(line["status"] for line in listed) == ["held", "held", "merged", "merged", "split"]


def test_cash_is_split_and_merged_to_the_fen(world: World) -> None:
    """Parts name their money and, where wanted, their ids; sums that differ by one fen are refused."""
    case_id = open_case(world)
    cash, a, b = (f"{case_id}-{name}" for name in ("cash", "a", "b"))
    told = ("--kind", "property", "--quantity", "8:note", "--money", "800.01", "--fungible", "--item-id", cash)
    register(world, case_id, "banknotes", *told)
    split = ("item", "split", case_id, cash, "--part", f"{a}=3:note@300.00", "--part")
    done = world.tally(*split, f"{b}=5:note@500.00", profile="police")
    assert (done.status, "80000 fen" in done.err, "80001 fen" in done.err) == (Exit.REFUSED, True, True)
    world.tally.ok(*split, f"{b}=5:note@500.01", profile="police")
    assert world.tally.ok("item", "show", b, profile="police")["money"] == {"fen": 50001, "currency": "CNY"}
    world.tally.ok("item", "merge", case_id, a, b, "--whole", f"{cash}-2=8:note@800.01", profile="police")
    shown = world.tally.ok("item", "show", f"{cash}-2", profile="police")
    assert (shown["parents"], shown["status"], shown["money"]["fen"]) == ([a, b], "held", 80001)
    assert world.tally(*split, "3:note:x@", profile="police").status == Exit.USAGE


def test_all_as_listed_except(world: World, tmp_path: Path) -> None:
    """Everything that is in store is offered in one act, and accepted in one act but for what is named."""
    case_id = open_case(world, items=3)
    image = tmp_path / "disk.img"
    image.write_bytes(b"image")
    collected = ("--collector", "p-1", "--collector", "p-2", "--tool", "imager", "--method", "bit copy")
    data = ("--kind", "electronic_data", "--file", image, "--item-id", f"{case_id}-data", *collected)
    register(world, case_id, "an image", *data)
    out = ("item", "check-out", case_id, f"{case_id}-i3", "--to-officer", "p-0422", "--ground", "hearing")
    world.tally.ok(*out, profile="police")
    sent = offer(world, case_id, "--all-items", "--listed", f"{case_id}-i1:condition=scratched")
    shown = world.tally.ok("handover", "show", case_id, sent, profile="police")
    assert [line["item_id"] for line in shown["items"]] == [f"{case_id}-i1", f"{case_id}-i2", f"{case_id}-data"]
    image.write_bytes(b"another image")
    taken = ("--except", f"{case_id}-i2=seal_broken:torn", "--file", f"{case_id}-data={image}")
    told = accept(world, case_id, sent, *taken)
    assert [flag["name"] for flag in told["flags"]] == ["receipt_differs"]
    case = world.tally.ok("case", "show", case_id, profile="police")
    assert [(one["item_id"], one["kinds"]) for one in case["discrepancies"]] == [
        (f"{case_id}-data", ["digest"]),
        (f"{case_id}-i2", ["seal"]),
    ]
    assert [one["holder"][:3] for one in case["items"]] == ["pro", "pol", "pol", "pro"]


def test_a_loan_has_its_day_and_comes_back_as_it_is(world: World) -> None:
    """What is checked out says how it came back; what another agency borrows is due back there."""
    case_id = open_case(world, items=1)
    one = f"{case_id}-i1"
    out = ("--to-officer", "p-0422", "--ground", "hearing", "--due-at", THEN)
    world.tally.ok("item", "check-out", case_id, one, *out, profile="police")
    back = ("item", "check-in", case_id, one, "--match", "mismatch", "--remark", "a wheel is missing")
    told = world.tally.ok(*back, profile="police")
    assert [flag["name"] for flag in told["flags"]] == ["receipt_differs", "loan_overdue"]
    lending = ("handover", "offer", case_id, "procuratorate-east", "--purpose", "loan", "--item", one, "--due-at", THEN)
    accept(world, case_id, world.tally.ok(*lending, profile="police")["handover_id"], "--all-as-listed")
    shown = world.tally.ok("item", "show", one, profile="police")
    assert (shown["lent_by"], shown["lent_until"]) == ("police-east", THEN)


def test_the_record_is_corrected_beside_what_it_says(world: World) -> None:
    """A correction cites its event and says field, old and new; why something came late is said too."""
    case_id = open_case(world, items=1)
    (first, *_) = world.tally.ok("event", "list", case_id, profile="police")
    change = ("--change", "case_type", "theft", "robbery", "--ground", "misread")
    event = world.tally.ok("record", "correct", case_id, first["event_id"], *change, profile="police")
    body = world.tally.ok("event", "show", event["event_id"], profile="police")["payload"]["body"]
    assert body["corrections"] == [{"correct": "robbery", "field": "case_type", "recorded": "theft"}]
    late = ("--happened-at", THEN, "--ground", "the line was down", "--concerns", first["event_id"])
    world.tally.ok("record", "late", case_id, *late, profile="police")
    events = world.tally.ok("event", "list", case_id, profile="police")
    assert [event["event_type"] for event in events[-2:]] == ["record.corrected", "record.late"]


def test_disposal_takes_two(world: World) -> None:
    """Proposed by the clerk, signed second by the supervisor; the clerk alone cannot."""
    case_id = open_case(world, items=1)
    decided = ("--number", "D-1", "--decided-at", THEN, "--item", f"{case_id}-i1=destroyed")
    decision = world.tally.ok("decision", "record", case_id, "judgment", *decided, profile="police")["decision_id"]
    told = ("destroyed", f"{case_id}-i1", "--ground", "worthless", "--decision", decision)
    proposed = world.tally.ok("item", "propose-disposal", case_id, *told, profile="police")
    second = ("item", "dispose", case_id, proposed["event_id"], "--disposed-at", THEN)
    assert world.tally(*second, profile="police").status == Exit.REFUSED
    world.tally.ok(*second, profile="chief")
    assert world.tally.ok("item", "show", f"{case_id}-i1", profile="police")["status"] == "disposed"


def test_what_is_impossible_is_refused_under_the_option(world: World) -> None:
    """The rule is named, the option is blamed, and the case stays as it was."""
    case_id = open_case(world, items=1)
    accept(world, case_id, offer(world, case_id, "--item", f"{case_id}-i1"), "--all-as-listed")
    before = world.tally.ok("case", "show", case_id, profile="police")
    told = ("--purpose", "property_transfer", "--item", f"{case_id}-i1")
    done = world.tally("handover", "offer", case_id, "procuratorate-east", *told, profile="police")
    assert done.status == Exit.REFUSED
    assert done.err.startswith("--item: ")
    assert "(not_held)" in done.err
    assert world.tally.ok("case", "show", case_id, profile="police") == before


def test_a_case_shows_who_handles_it_and_under_which_procedure(world: World) -> None:
    """Department and handler of each agency, the procedure, and the decisions: as data and in both languages."""
    case_id = open_case(world)
    act = partial(world.tally.ok, profile="police")
    act("case", "assign", case_id, "--department", "unit 2", "--handler", "p-0417")
    act("case", "stage", case_id, "first_instance", "--procedure", "summary")
    act("decision", "record", case_id, "case_filed", "--number", "2026-7", "--decided-at", THEN)
    shown = act("case", "show", case_id)
    assert shown["assignments"] == [{"agency": POLICE, "department": "unit 2", "handler": "p-0417"}]
    assert (shown["stage"], shown["procedure"]) == ("first_instance", "summary")
    for language, words in (("en", "summary"), ("zh-CN", "简易程序")):
        told = world.tally("--lang", language, "case", "show", case_id, profile="police").out
        assert all(word in told for word in (words, "unit 2", "p-0417", "2026-7")), told


def test_timeline_shows_claimed_times_and_flags(world: World) -> None:
    """Every event in its order, with what was claimed; what is unlawful is shown as a flag with its article."""
    case_id = open_case(world, "--occurred-at", "2026-02-01 08:00")
    world.tally.ok("case", "assign", case_id, "--department", "unit 2", "--handler", "p-0417", profile="police")
    world.tally.ok("case", "stage", case_id, "arrest_review", profile="police")
    other = open_case(world)
    world.tally.ok("case", "link", case_id, other, "--relation", "same_person", profile="police")
    steps = world.tally.ok("case", "timeline", case_id, profile="police")
    assert [step["event_type"] for step in steps] == [
        "case.opened",
        "case.assigned",
        "case.stage_entered",
        "case.linked",
    ]
    assert [step["sequence"] for step in steps] == [0, 1, 2, 3]
    assert "late_entry" in [flag["name"] for flag in steps[0]["flags"]]
    shown = world.tally("case", "timeline", case_id, "--lang", "zh-CN", profile="police").out
    assert "立案登记" in shown


def test_flags_are_told_to_who_signs(world: World) -> None:
    """A receipt with flags is a success that warns, with the article."""
    told = ("--number", "A", "--type", "theft", "--occurred-at", "2020-01-01 08:00")
    done = world.tally("case", "open", *told, profile="police")
    assert done.status == Exit.OK
    assert "after it happened" in done.err
    again = world.tally("case", "open", "--number", "B", *told[2:], "--lang", "zh-CN", profile="police")
    assert "才签署" in again.err


def test_acts_name_their_authority_and_keep_texts_apart(world: World, tmp_path: Path) -> None:
    """Any act may name the paper it rests on, and keep texts in confidential sections, from a file too."""
    narrative = tmp_path / "narrative.txt"
    narrative.write_text("what happened, at length\n", encoding="utf-8")
    told = ("--authority", "warrant=W-7", "--section", f"narrative.text=@{narrative}", "--section", "note.by=somebody")
    case_id = open_case(world, *told)
    (event,) = world.tally.ok("event", "list", case_id, profile="police")
    assert event["payload"]["authority"] == {"authorization_type": "warrant", "authorization_identifier": "W-7"}
    shown = {label: section["fields"] for label, section in event["sections"].items()}
    assert shown == {"narrative": {"text": "what happened, at length"}, "note": {"by": "somebody"}}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (("--authority", "W-7"), "--authority"),
        (("--section", "narrative=text"), "--section"),
        (("--section", "narrative.text=@/nowhere"), "/nowhere"),
        (("--occurred-at", "2026-03-01"), "--occurred-at"),
        (("--case-id", "Case 1"), "--case-id"),
    ],
)
def test_wrong_claims_are_refused_under_their_option(world: World, told: tuple[str, ...], said: str) -> None:
    """What an act says of itself is checked before anything is sent."""
    done = world.tally("case", "open", "--number", "A", "--type", "theft", *told, profile="police")
    assert (done.status, said in done.err) == (Exit.USAGE, True)


def test_case_for_people(world: World) -> None:
    """Without --json a case is shown in tables, in the reader's language, and its receipt names what was made."""
    case_id = open_case(world, items=1)
    done = world.tally("item", "seal", case_id, f"{case_id}-i1", "S-1", profile="police")
    assert f"item         {case_id}-i1" in done.out
    offer(world, case_id, "--item", f"{case_id}-i1")
    shown = world.tally("case", "show", case_id, "--lang", "zh-CN", profile="police").out
    for label in ("立案侦查", "物证", "移送审查起诉", "待接收", "police-east"):
        assert label in shown
    assert "\x1b" not in shown


def test_part_of_a_case_leaves_for_another(world: World) -> None:
    """A split names the case that it opens; the items that leave are left there."""
    case_id = open_case(world, items=1)
    told = ("--item", f"{case_id}-i1", "--ground", "another offence")
    made = world.tally.ok("case", "split", case_id, *told, profile="police")
    assert made["new_case_id"].startswith("case-")
    world.tally.ok("case", "number", case_id, "B-2", profile="police")
    case = world.tally.ok("case", "show", case_id, profile="police")
    assert [item["status"] for item in case["items"]] == ["left"]
    assert case["agencies"]["police-east"] == "B-2"
    new = ("--case-id", made["new_case_id"], "--split-from", made["event_id"])
    assert open_case(world, *new) == made["new_case_id"]
    assert world.tally.ok("item", "show", f"{case_id}-i1", profile="police")["case_id"] == made["new_case_id"]


def test_two_cases_join(world: World) -> None:
    """What one case gives up for another that is open already joins it, citing the split by id and digest."""
    case_id, other = open_case(world, items=1), open_case(world)
    told = ("--item", f"{case_id}-i1", "--ground", "one and the same offence", "--new-case-id", other)
    split = world.tally.ok("case", "split", case_id, *told, profile="police")
    event = world.tally.ok("event", "show", split["event_id"], profile="police")
    cites = ("--cites", f"{split['event_id']}={event['envelope']['payload_digest']}", "--ground", "joined")
    world.tally.ok("case", "join", other, case_id, *cites, profile="police")
    assert world.tally.ok("item", "show", f"{case_id}-i1", profile="police")["case_id"] == other


def test_difference_found_later(world: World) -> None:
    """Either side raises a difference after the acceptance."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")
    accept(world, case_id, handover_id, "--all-as-listed")
    told = ("--kind", "condition", "--expected", "whole", "--found", "wheel bent")
    world.tally.ok("discrepancy", "raise", case_id, handover_id, f"{case_id}-i1", *told, profile="prosecutor")
    (difference,) = world.tally.ok("case", "show", case_id, profile="police")["discrepancies"]
    assert difference["found"] == "wheel bent"


def test_others_see_nothing(world: World) -> None:
    """A case that was not offered is not there for another agency's clerk; the auditor of the jurisdiction sees it."""
    case_id = open_case(world, items=1)
    done = world.tally("case", "show", case_id, profile="prosecutor")
    assert done.status == Exit.REFUSED
    assert "not_found" in done.err
    assert world.tally.ok("case", "show", case_id, profile="auditor")["case_id"] == case_id
    assert world.tally("item", "show", f"{case_id}-i1", profile="prosecutor").status == Exit.REFUSED


def test_service_away_is_out_of_reach(world: World) -> None:
    """A service that does not answer is exit code 5, and says what to look at."""
    world.tally.ok("profile", "add", "nowhere", "--url", "http://127.0.0.1:1", "--replace")
    done = world.tally("log", "show", profile="nowhere")
    assert (done.status, "tally doctor" in done.err) == (Exit.UNREACHABLE, True)
    assert world.tally("profile", "remove", "nowhere").status == Exit.OK


def test_a_case_is_found_by_a_file_and_by_what_is_written(world: World, tmp_path: Path) -> None:
    """By the file whose digest an item has, by a seal, and by the beginning of an id; without either, or both, not."""
    case_id, scan = open_case(world), tmp_path / "scan.pdf"
    scan.write_bytes(secrets.token_bytes(64))
    digest = f"sha256:{hashlib.sha256(scan.read_bytes()).hexdigest()}"
    seal = f"seal-{secrets.token_hex(4)}"
    register(world, case_id, "a scan", "--seal-number", seal, "--file", scan)
    for told in (("--file", scan), (seal.upper(),), (digest[7:30],)):
        (hit,) = world.tally.ok("search", *told, profile="police")
        assert (hit["case_id"], hit["case_number"]) == (case_id, "A-1")
    assert seal in world.tally("search", seal, profile="police").out
    for told in ((), (seal, "--file", scan)):
        assert world.tally("search", *told, profile="police").status == Exit.USAGE

"""Items by the command line, on a running service: registered, divided, lent, disposed of."""

from __future__ import annotations

import time
from pathlib import Path

from ledger.cli.errors import Exit
from ledger.core.encoding.instants import instant_text
from tests.unit.cli.world import THEN, World, accept, offer, open_case, register


def test_money_dossier_and_seizure(world: World) -> None:
    """Amounts become fen, a dossier has its volumes, a seizure its two officers."""
    case_id = open_case(world)
    seized = ("--seizure-document", "D-7", "--seized-at", THEN, "--seized-by", "p-0417", "--seized-by", "p-0422")
    cash = register(world, case_id, "cash", "--kind", "property", "--money", "12480.50", "--fungible", *seized)
    shown = world.ok("item", "show", cash["item_id"])
    assert shown["money"] == {"amount": 1248050, "currency": "CNY"}
    bound = ("--quantity", "2 volume", "--volumes", "2", "--pages", "9")
    file = register(world, case_id, "file", "--kind", "dossier", *bound)
    event = world.ok("event", "show", file["event_id"])
    assert event["payload"]["body"]["dossier"] == {"volumes": 2, "pages": 9}
    assert event["payload"]["body"]["quantity"] == {"value": "2", "unit": "volume"}


def test_data_of_a_network_and_virtual_currency(world: World) -> None:
    """Where data was taken, when by the network and by which record; data at a provider is frozen; a bitcoin has
    eight decimals."""
    case_id = open_case(world)
    how = ("--collector", "p-0417", "--collector", "p-0422", "--tool", "archiver", "--method", "online extraction")
    where = ("--address", "https://chat.example/u/17", "--network-time", THEN, "--record-number", "R-7")
    mailbox = register(world, case_id, "mailbox", "--kind", "data_at_provider", "--account", "user-17", *how, *where)
    shown = world.ok("item", "show", mailbox["item_id"])
    assert (shown["account"], shown["collection"]["record_number"]) == ("user-17", "R-7")
    assert (shown["collection"]["address"], shown["collection"]["network_time_at"]) == (where[1], THEN)
    frozen = ("item", "freeze", case_id, mailbox["item_id"], "2999-01-01", "--number", "F-3", "--method", "locked")
    event = world.ok("event", "show", world.ok(*frozen)["event_id"])
    assert (event["payload"]["body"]["method"], event["payload"]["body"]["number"]) == ("locked", "F-3")
    coins = ("--kind", "virtual_currency", "--account", "bc1q-example", "--quantity")
    held = register(world, case_id, "coins", *coins, "0.12345678:btc")
    assert world.ok("item", "show", held["item_id"])["quantity"] == {"value": "0.12345678", "unit": "btc"}
    finer = world.run("item", "register", case_id, "dust", *coins, "0.123456789:btc")
    assert (finer.status, "at most 8 digits" in finer.err) == (Exit.REFUSED, True)


def test_cash_is_split_and_merged_to_the_fen(world: World) -> None:
    """Parts name their money and, where wanted, their ids; sums that differ by one fen are refused."""
    case_id = open_case(world)
    cash, a, b = (f"{case_id}-{name}" for name in ("cash", "a", "b"))
    options = ("--kind", "property", "--quantity", "8:note", "--money", "800.01", "--fungible", "--item-id", cash)
    register(world, case_id, "banknotes", *options)
    split = ("item", "split", case_id, cash, "--part", f"{a}=3:note@300.00", "--part")
    done = world.run(*split, f"{b}=5:note@500.00")
    assert (done.status, "80000" in done.err, "80001" in done.err) == (Exit.REFUSED, True, True)
    world.ok(*split, f"{b}=5:note@500.01")
    assert world.ok("item", "show", b)["money"] == {"amount": 50001, "currency": "CNY"}
    world.ok("item", "merge", case_id, a, b, "--whole", f"{cash}-2=8:note@800.01")
    statuses = sorted(line["status"] for line in world.ok("item", "list", "--case", case_id))
    assert statuses == ["held", "merged", "merged", "split"]
    shown = world.ok("item", "show", f"{cash}-2")
    assert (shown["parents"], shown["status"], shown["money"]["amount"]) == ([a, b], "held", 80001)
    assert world.run(*split, "3:note:x@").status == Exit.USAGE


def test_a_loan_has_its_day_and_comes_back_as_it_is(world: World) -> None:
    """What is checked out says how it came back; what another agency borrows is due back there."""
    case_id = open_case(world, items=1)
    item_id = f"{case_id}-i1"
    out = ("--to-officer", "p-0422", "--ground", "hearing", "--due-at", THEN)
    world.ok("item", "check-out", case_id, item_id, *out)
    back = ("item", "check-in", case_id, item_id, "--match", "mismatch", "--remark", "a wheel is missing")
    receipt = world.ok(*back)
    assert [flag["name"] for flag in receipt["flags"]] == ["receipt_differs", "loan_overdue"]
    lent = offer(world, case_id, "--purpose", "loan", "--item", item_id, "--due-at", THEN)
    accept(world, case_id, lent, "--all-as-listed")
    shown = world.ok("item", "show", item_id)
    assert (shown["lent_by"], shown["lent_until"]) == ("police-east", THEN)


def test_disposal_takes_two(world: World) -> None:
    """Proposed by the clerk, signed second by the supervisor; the clerk alone cannot."""
    case_id = open_case(world, items=1)
    decided = ("--number", "D-1", "--decided-at", THEN, "--item", f"{case_id}-i1=destroyed")
    decision = world.ok("decision", "record", case_id, "judgment", *decided)["decision_id"]
    unrelated = ("decision", "record", case_id, "found_unrelated", *decided[:4], "--item", f"{case_id}-i1")
    world.ok(*unrelated)
    line = world.ok("case", "show", case_id)["decisions"][-1]["items"][0]
    assert (line["item_id"], line.get("disposal")) == (f"{case_id}-i1", None)
    arguments = ("destroyed", f"{case_id}-i1", "--ground", "worthless", "--decision", decision)
    proposed = world.ok("item", "propose-disposal", case_id, *arguments)
    second = ("item", "dispose", case_id, proposed["event_id"], "--disposed-at", instant_text(int(time.time())))
    assert world.run(*second).status == Exit.REFUSED
    world.ok(*second, profile="chief")
    assert world.ok("item", "show", f"{case_id}-i1")["status"] == "disposed"


def test_a_table_is_registered_whole_or_not_at_all_and_labelled(world: World, tmp_path: Path) -> None:
    """Every fault is named with its row; without one all are recorded, with digests of files that they name."""
    case_id = open_case(world)
    (tmp_path / "front.jpg").write_bytes(b"photograph")
    table = tmp_path / "list.csv"
    table.write_text("名称,数量,物证编号,照片\n手机,1部,E-1,front.jpg\n刀,x,E-2,none.jpg\n", encoding="gb18030")
    words = ("item", "register-table", case_id, table)
    refused = world.run(*words)
    assert refused.status == Exit.USAGE
    assert all(text in refused.err for text in ("2 cells", "row 3, quantity", "no file none.jpg")), refused.err
    assert world.ok("item", "list", "--case", case_id) == []
    (tmp_path / "secret.txt").write_bytes(b"of this machine")
    inner = tmp_path / "from outside"
    inner.mkdir()
    stolen = inner / "list.csv"
    stolen.write_text(f"名称,数量,照片\n刀,1,../secret.txt\n枪,1,{tmp_path / 'secret.txt'}\n")
    elsewhere = world.run("item", "register-table", case_id, stolen)
    assert elsewhere.status == Exit.USAGE
    assert "no file ../secret.txt beside the table" in elsewhere.err, elsewhere.err
    assert elsewhere.err.count("beside the table") == 2, elsewhere.err
    table.write_text("名称,数量,物证编号,照片\n手机,1部,E-1,front.jpg\n刀,2,E-2,\n", encoding="gb18030")
    world.ok(*words)
    items = [world.ok("item", "show", line["item_id"]) for line in world.ok("item", "list", "--case", case_id)]
    assert {(item["description"], item["exhibit_number"]) for item in items} == {("手机", "E-1"), ("刀", "E-2")}
    assert sorted(len(item.get("digests", ())) for item in items) == [0, 2]
    labels = tmp_path / "labels.pdf"
    world.ok("item", "labels", case_id, items[1]["item_id"], "--size", "roll", "-o", labels)
    assert labels.read_bytes().startswith(b"%PDF-")

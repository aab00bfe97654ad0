"""What leaves the ledger, by the command line on a running service: webhooks, disclosures, erased sections, reads."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

from ledger.cli.errors import Exit
from tests.testkit.mail_server import Mailbox, mailbox_in, text_of
from tests.unit.cli.world import World, offer, open_case
from tests.unit.webhooks.receiver import Receiver, receiving

WITHIN_S = 60
ORDER = ("--authority", "court_order=12/2026")


def wait_for(holds: Callable[[], Any]) -> Any:
    """Wait for what ``holds`` gives once that is true."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.1)
    raise AssertionError("it did not come to hold what was waited for")


def events_of(receiver: Receiver, case_id: str) -> list[int]:
    return [sequence for stream, sequence in receiver.events() if stream == case_id]


def name_somebody(world: World, case_id: str) -> str:
    """Name a person with a confidential name, and give the event's id."""
    options = ("--role", "suspect", "--name", world.tally.off_the_line("Zhao Qiubai"))
    event_id: str = world.ok("person", "name", case_id, *options)["event_id"]
    return event_id


def test_an_officer_is_told_what_is_new_and_chooses_of_what(world: World) -> None:
    """What is offered comes to the other agency's clerk by itself; read, chosen, and no mail where none is sent."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")

    def listed() -> list[Any]:
        rows = world.ok("notice", "list", profile="prosecutor")
        return [row for row in rows if row["page"] == f"/cases/{case_id}/handovers/{handover_id}"]

    (row,) = wait_for(listed)
    assert (row["kind"], row["is_read"]) == ("handover.offered", False)
    assert "police-east makes an offer" in world.run("notice", "list", profile="prosecutor").out
    world.ok("notice", "read", str(row["number"]), profile="prosecutor")
    assert [row["is_read"] for row in listed()] == [True]
    chosen = world.ok("notice", "choose", "offered", "--no-browser", profile="prosecutor")["choices"]
    assert (chosen["offered"], chosen["answered"]["browser"]) == ({"browser": False, "mail": "once"}, True)
    assert "offered" in world.run("notice", "topics", profile="prosecutor").out
    assert listed() == []
    world.refuses(Exit.REFUSED, "sends no mail", "notice", "address", "a@b.example", profile="prosecutor")
    assert world.ok("notice", "address", profile="prosecutor")["address"] is None


def test_the_mail_of_a_ledger_is_tried_from_its_machine(world: World, tmp_path: Path) -> None:
    """By the settings of its service: it arrives, or the answer of the server is named; without one, no mail."""
    world.refuses(Exit.REFUSED, "sends no mail", "notice", "test-mail", "a@b.example", "--data-dir", tmp_path)
    with mailbox_in(tmp_path) as mailbox:
        write_settings(mailbox, tmp_path)
        world.ok("notice", "test-mail", "a@b.example", "--data-dir", tmp_path)
        (message,) = mailbox.to("a@b.example")
        assert "http://" in text_of(message)
        mailbox.answer = "550 no such box"
        world.refuses(Exit.REFUSED, "550", "notice", "test-mail", "a@b.example", "--data-dir", tmp_path)


def write_settings(mailbox: Mailbox, folder: Path) -> None:
    lines = [f"TALLYSTICK_{name.upper()}={value}" for name, value in mailbox.smtp_settings.items()]
    (folder / "settings.env").write_text("\n".join(lines))


def test_a_webhook_tells_what_happens_from_now_on(world: World) -> None:
    """Added by a supervisor, tried, listed with how far it has come, and removed."""
    world.refuses(Exit.REFUSED, "supervisor", "webhook", "add", "https://receiver.example/")
    with receiving() as receiver:
        added = world.ok("webhook", "add", receiver.url, profile="chief")
        webhook_id, secret = added["webhook_id"], added["secret"]
        case_id = open_case(world, items=1)
        wait_for(lambda: events_of(receiver, case_id) == [0, 1])
        receiver.checked(secret)
        assert world.ok("webhook", "test", webhook_id, profile="chief")["delivered"] is True
        (row,) = world.ok("webhook", "list", profile="chief")
        assert (row["webhook_id"], row["failures"]) == (webhook_id, 0)
        assert webhook_id in world.run("webhook", "list", profile="chief").out
        receiver.status = 500
        world.refuses(Exit.UNREACHABLE, "answered 500", "webhook", "test", webhook_id, profile="chief")
        world.ok("webhook", "remove", webhook_id, profile="chief")
        assert world.ok("webhook", "list", profile="chief") == []


def test_a_section_is_erased_on_an_authority(world: World) -> None:
    """Nobody is shown it any more, and no file of the service has the name."""
    case_id = open_case(world)
    event_id = name_somebody(world, case_id)
    data = world.data
    assert holding(data, "Zhao Qiubai") != []
    ground = ("--ground", "the case was withdrawn")
    proposal = world.ok("section", "propose-erasure", case_id, event_id, "person:1", *ground)["event_id"]
    assert world.run("section", "erase", case_id, event_id, *ORDER, profile="chief").status == Exit.USAGE
    erasing = ("section", "erase", case_id, proposal)
    assert world.run(*erasing, profile="chief").status == Exit.USAGE
    assert world.run(*erasing, *ORDER).status == Exit.REFUSED
    world.ok(*erasing, *ORDER, profile="chief")
    assert world.ok("event", "show", event_id)["sections"] == {"person:1": None}
    out = world.run("event", "show", event_id, "--lang", "zh-CN").out
    assert ["诉讼身份", "犯罪嫌疑人"] in [line.split() for line in out.splitlines()]
    assert ["保密部分", "已依法删除"] in [line.split() for line in out.splitlines()]
    wait_for(lambda: holding(data, "Zhao Qiubai") == [])


def holding(folder: Path, word: str) -> list[Path]:
    """List the files of the database that hold the word."""
    return [file for file in folder.iterdir() if ".db" in file.name and word.encode() in file.read_bytes()]


def test_a_disclosure_withholds_what_is_confidential(world: World, tmp_path: Path) -> None:
    """Counsel's file has no name in it and is a bundle like any other; the record has its digests."""
    case_id = open_case(world, items=1)
    name_somebody(world, case_id)
    bundle, copy = tmp_path / "counsel.json", tmp_path / "scan.pdf"
    copy.write_bytes(b"a scan")
    more = ("--item", f"{case_id}-i1", "--copy", copy, "-o", bundle)
    receipt = world.ok("disclosure", "make", case_id, "--recipient", "counsel Li", *more)
    assert b"Zhao Qiubai" not in bundle.read_bytes()
    body = world.ok("event", "show", receipt["event_id"])["payload"]["body"]
    files = [file.read_bytes() for file in (bundle, copy)]
    digests = [(f"blake3:{blake3(data).hexdigest()}", f"sha256:{hashlib.sha256(data).hexdigest()}") for data in files]
    assert sorted(body["digests"]) == sorted(digest for pair in digests for digest in pair)
    assert (body["withheld"], len(body["events"]), body["item_ids"]) == (["person:1"], 3, [f"{case_id}-i1"])
    trust = ("--trust", world.data / "trust.json")
    checked = world.run("--json", "proof", "check", bundle, *trust)
    assert json.loads(checked.out)["verdict"] in ("intact", "not_yet_anchored")
    link = tmp_path / "latest.json"
    link.symlink_to(bundle)
    more = ("--recipient", "counsel Li", "--item", "no-such-item", "-o", link, "--replace")
    assert world.run("disclosure", "make", case_id, *more).status == Exit.REFUSED
    assert (bundle.exists(), link.is_symlink()) == (False, True)  # nothing is given out that is not recorded


def test_reads_are_shown_to_those_whose_cases_were_read(world: World) -> None:
    """The police's supervisor sees that supervision looked, not who; a clerk is not told."""
    case_id = open_case(world)
    world.ok("case", "show", case_id, profile="auditor")
    reads = world.ok("access", "list", "--case", case_id, profile="chief")
    assert [(read["agency"], read["officer"], read["what"]) for read in reads] == [
        ("procuratorate-east", None, "read by supervision")
    ]
    out = world.run("access", "list", "--case", case_id, profile="chief").out
    assert ("procuratorate-east" in out, "j-0090" in out) == (True, False)
    assert world.run("access", "list").status == Exit.REFUSED

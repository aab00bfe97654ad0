"""`tally evidence`: hash, seal and check, offline and against the record."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import bagit
import pytest
from blake3 import blake3

from ledger.cli.errors import Exit
from ledger.core.events import case as case_events
from ledger.core.events.item import ItemExamined
from ledger.core.events.terms import MatchResult
from ledger.core.verification.bundle import encode_bundle
from tests.testkit import bundles
from tests.testkit.builders import LOG_ID, POLICE, analyst, clerk
from tests.testkit.casework import Case, registration
from tests.testkit.tally import Tally, write_bundle, write_trust
from tests.unit.cli.world import World, open_case
from tests.unit.evidence.material import FILES, write

LEDGER = "0x" + LOG_ID.hex()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write a folder of evidence."""
    return write(tmp_path / "source")


@pytest.fixture
def bag(tally: Tally, source: Path) -> Path:
    """Seal the same as item-1 of case-1."""
    seal(tally, source, tally.folder / "bag")
    return tally.folder / "bag"


def seal(tally: Tally, source: Path, bag: Path, *more: str) -> dict[str, Any]:
    """Seal, and give what that answered."""
    bound = ("--case", "case-1", "--item-id", "item-1", "--log-id", LEDGER)
    return tally.ok("evidence", "seal", source, bag, *bound, *more)


def digests(data: bytes) -> list[str]:
    """As they are told of a file."""
    return [f"blake3:{blake3(data).hexdigest()}", f"sha256:{hashlib.sha256(data).hexdigest()}"]


def test_files_and_folders_are_hashed(tally: Tally, source: Path) -> None:
    """Each file by both algorithms, folders in the order of their paths."""
    (source / "nothing").mkdir()
    assert tally.ok("evidence", "hash", source / "nothing") == []
    rows = tally.ok("evidence", "hash", source / "empty", source)
    assert [row["path"] for row in rows] == [
        str(source / name) for name in ("empty", *sorted(FILES, key=lambda name: name.encode()))
    ]
    for row in rows:
        data = Path(row["path"]).read_bytes()
        assert (row["digests"], row["bytes"]) == (digests(data), len(data))


def test_digests_are_shown_as_b3sum_shows_them(tally: Tally, source: Path) -> None:
    """A line for each digest, then the path; SM3 where asked."""
    done = tally("evidence", "hash", source / "disk.img", "-a", "sm3")
    assert done.out == f"sm3:{hashlib.new('sm3', FILES['disk.img']).hexdigest()}  {source / 'disk.img'}\n"


@pytest.mark.parametrize("stdout_too", [True, False])
def test_bar_and_digests_do_not_mix(tally: Tally, source: Path, stdout_too: bool) -> None:
    """While a bar is shown on the terminal the digests go where standard output goes, each in a line of its own."""
    done = tally.at_terminal("evidence", "hash", source / "disk.img", pipe_out=not stdout_too)
    lines = [f"{digest}  {source / 'disk.img'}" for digest in digests(FILES["disk.img"])]
    assert done.out.splitlines() == ([] if stdout_too else lines)
    assert "files hashed" in done.err
    if stdout_too:
        for line in lines:
            assert re.search(r"(^|[\n\rKhl])" + re.escape(line) + r"\r?\n", done.err)


def test_files_are_kept_where_asked(tally: Tally, source: Path) -> None:
    """By their digests, in a store that can be checked."""
    store = tally.folder / "store"
    tally.ok("evidence", "hash", source, source / "empty", "--store", store)
    kept = {path.name for path in store.rglob("*") if path.is_file()}
    assert kept == {blake3(data).hexdigest() for data in FILES.values()}
    assert tally.ok("evidence", "check", "--store", store) == {"verdict": "intact", "findings": []}
    next(path for path in store.rglob("*") if path.is_file()).unlink()
    spoilt = next(path for path in store.rglob("*") if path.is_file())
    spoilt.chmod(0o600)
    spoilt.write_bytes(b"spoilt")
    done = tally("evidence", "check", "--store", store)
    assert (done.status, spoilt.name in done.out) == (Exit.REFUSED, True)


def test_each_fault_is_told(tally: Tally, source: Path) -> None:
    """Missing, extra and changed, by name, in lines, in both languages and in JSON; the code is 1. Sealing tells item,
    case, ledger, files and bytes, and takes no id that no event could carry."""
    bag = tally.folder / "bag"
    bad = ("--case", "case-1", "--item-id", "no such\nid", "--log-id", LEDGER)
    assert tally("evidence", "seal", source, bag, *bad).err.startswith("--item-id: Expected ")
    tally.refuses(Exit.USAGE, "Name the ledger by --log-id", "evidence", "seal", source, bag, "--case", "case-1")
    sealed = seal(tally, source, bag, "--sm3")
    assert (sealed["item_id"], sealed["case_id"], sealed["log_id"]) == ("item-1", "case-1", LEDGER)
    assert (sealed["files"], sealed["bytes"]) == (len(FILES), sum(map(len, FILES.values())))
    assert [digest.partition(":")[0] for digest in sealed["digests"]] == ["blake3", "sha256", "sm3"]
    done = tally("evidence", "check", bag)
    assert (done.status, "no record was given" in done.out) == (Exit.UNVERIFIABLE, True)
    assert "by --bundle" in done.err
    tally.refuses(Exit.USAGE, "--bundle", "evidence", "check", bag, "--trust", write_trust(tally.folder))
    (bag / "data/empty").unlink()
    write(bag, {"data/planted": b""})
    (bag / "data/disk.img").unlink()
    write(bag, {"data/disk.img": b"x"})
    done = tally("evidence", "check", bag)
    assert done.status == Exit.REFUSED
    for line in ("missing: data/empty", "extra: data/planted", "changed: data/disk.img", "verdict: tampered"):
        assert line in done.out
    chinese = tally("--lang", "zh-CN", "evidence", "check", bag).out
    for words in ("缺失: data/empty", "已被篡改", "个文件：1 个缺失", "未给出可比对的记录"):
        assert words in chinese
    answer = tally("--json", "evidence", "check", bag).json()
    assert (answer["verdict"], len(answer["findings"])) == ("tampered", 3)
    for arguments in ((), (source, "--store", tally.folder / "store"), (source,)):
        assert tally("evidence", "check", *arguments).status == Exit.USAGE


def registered(bag_digests: list[str], item_id: str = "item-1") -> bundles.Log:
    """Build a log in which the item was registered with these digests."""
    return bundles.log_with(Case().open().register(item_id, digests=tuple(bag_digests)))


def check(tally: Tally, path: Path, bundle: Path, *more: str) -> tuple[int, str]:
    """Exit code and output of a check against a bundle."""
    done = tally("evidence", "check", path, "--bundle", bundle, "--trust", write_trust(tally.folder), *more)
    return done.status, done.out + done.err


def of_bag(tally: Tally, bag: Path) -> list[str]:
    """List the digests of a bag."""
    return tally("--json", "evidence", "check", bag).json()["digests"]


def test_bag_against_the_proof_of_its_registration(tally: Tally, bag: Path) -> None:
    """Intact with its own proof; tampered with that of another digest; no better than a proof without anchor."""
    log = registered(of_bag(tally, bag))
    last = len(log.events) - 1
    status, output = check(tally, bag, write_bundle(tally.folder, log, last))
    assert (status, "blake3, sha256 as event" in output) == (Exit.OK, True)
    assert check(tally, bag, write_bundle(tally.folder, log, last, anchored=False))[0] == Exit.NOT_YET_ANCHORED
    assert check(tally, bag, write_bundle(tally.folder, log, last, payload=None))[0] == Exit.UNVERIFIABLE
    of_other_file = registered(digests(b"other"))
    assert check(tally, bag, write_bundle(tally.folder, of_other_file, last))[0] == Exit.REFUSED


def test_bag_against_the_proof_of_its_case(tally: Tally, bag: Path) -> None:
    """The item's digests are taken from the case as its events make it; another item's are not its."""
    log = registered(of_bag(tally, bag))
    path = tally.folder / "case.json"
    path.write_bytes(encode_bundle(log.case_bundle()))
    assert check(tally, bag, path, "--item", "item-1")[0] == Exit.OK
    assert check(tally, bag, path)[0] == Exit.USAGE
    assert check(tally, bag, path, "--item", "item-2")[0] == Exit.USAGE


def test_what_stands_beside_the_verdict_of_a_proof_is_told(tally: Tally, bag: Path) -> None:
    """The bag is as the item was registered, but the bundle leaves out what came after, which a head map shows; and the
    ledger has no witnesses."""
    log = bundles.log_with(Case().open().register("item-1", digests=tuple(of_bag(tally, bag))).register("phone"))
    mapped = log.map_heads()
    (*subjects, _) = (index for index, event in enumerate(log.events) if event.envelope.stream.kind == "case")
    stream = log.events[subjects[0]].envelope.stream
    path = tally.folder / "cut.json"
    path.write_bytes(
        encode_bundle(log.file(subjects, stream=stream, map=log.map_proof(stream, mapped), others={mapped}))
    )
    status, output = check(tally, bag, path, "--item", "item-1")
    assert status == Exit.CONTRADICTED
    for words in ("verdict: intact", "completeness: contradicted", "development ledger"):
        assert words in output, words


def test_what_a_proof_says_of_conformity_and_trust_is_told(tally: Tally, source: Path) -> None:
    """As 'tally proof check' does of the same bundle, with the same exit code. Of a case that no rules can follow it is
    not known what its items are."""
    image = source / "disk.img"
    written = Case().open().act(registration("disk", digests=tuple(digests(image.read_bytes()))), analyst(POLICE))
    log = bundles.Log()
    log.registry.admit(POLICE).grant(clerk(POLICE), analyst(POLICE))
    log.mirror()
    log.add(*written.events)
    bundle, case = write_bundle(tally.folder, log, len(log.events) - 1), tally.folder / "case.json"
    case.write_bytes(encode_bundle(log.case_bundle()))
    trust = write_trust(tally.folder)
    for file, status, more in ((bundle, Exit.CONTRADICTED, ()), (case, Exit.UNVERIFIABLE, ("--item", "disk"))):
        proof = tally("--json", "proof", "check", file, "--trust", trust)
        done = tally("--json", "evidence", "check", image, "--bundle", file, "--trust", trust, *more)
        assert (done.status, proof.status) == (status, Exit.CONTRADICTED)
        for name in ("conformity", "completeness", "development", "trust_digest", "trusted_blocks"):
            assert done.json()[name] == proof.json()[name], name
        assert "clerk or supervisor" in done.json()["conformity"]["detail"]
        lines = tally("evidence", "check", image, "--bundle", file, "--trust", trust, *more).out
        for words in ("conformity: contradicted", "trust file (SHA-256 without trusted blocks): sha256:"):
            assert words in lines, words


def test_bundle_that_says_nothing_of_an_item_is_refused(tally: Tally, bag: Path) -> None:
    """Such as that of the event that opened the case; the same digests registered as item-2 do not make it item-2."""
    log = registered(of_bag(tally, bag))
    (opened,) = log.find(case_events.CaseOpened)
    assert opened is not None
    status, output = check(tally, bag, write_bundle(tally.folder, log, opened))
    assert (status, "case.opened" in output) == (Exit.USAGE, True)
    log = registered(of_bag(tally, bag), "item-2")
    status, output = check(tally, bag, write_bundle(tally.folder, log, len(log.events) - 1))
    assert (status, "the bag is of item-1" in output) == (Exit.REFUSED, True)


def test_file_against_the_proof_of_its_registration(tally: Tally, source: Path) -> None:
    """A file that was registered without a bag."""
    log = registered(digests(FILES["disk.img"]))
    bundle = write_bundle(tally.folder, log, len(log.events) - 1)
    assert check(tally, source / "disk.img", bundle)[0] == Exit.OK
    assert check(tally, source / "empty", bundle)[0] == Exit.REFUSED


@pytest.mark.parametrize("outcome", ["match", "mismatch", "not_checked"])
def test_examination_proves_an_item_only_if_it_found_it_as_registered(
    tally: Tally, source: Path, outcome: MatchResult
) -> None:
    """A digest of what was found to differ is no word on the exhibit, and says nothing against the original. The event
    is named with its kind and what it found; the case goes by the registration alone."""
    original, doctored = (source / name for name in ("disk.img", "empty"))
    examined = original if outcome == "match" else doctored
    written = Case().open().register("disk", digests=tuple(digests(original.read_bytes())))
    computed = tuple(digests(examined.read_bytes()))
    log = bundles.log_with(
        written.act(ItemExamined(item_id="disk", method="hashing", match_result=outcome, digests=computed))
    )
    bundle = write_bundle(tally.folder, log, len(log.events) - 1)
    status, output = check(tally, examined, bundle)
    assert status == (Exit.OK if outcome == "match" else Exit.UNVERIFIABLE)
    assert f"(item.examined), which found: {outcome}, " in output
    assert ("prove nothing of the item as it was registered" in output) == (outcome != "match")
    assert check(tally, original, bundle)[0] == status
    case = tally.folder / "case.json"
    case.write_bytes(encode_bundle(log.case_bundle()))
    statuses = [check(tally, file, case, "--item", "disk")[0] for file in (original, doctored)]
    assert statuses == [Exit.OK, Exit.REFUSED]


def test_archive_is_never_opened(tally: Tally, bag: Path) -> None:
    """It is a file like any other: refused without a record, and with that of a bag told to be unpacked."""
    log = registered(of_bag(tally, bag))
    archive = Path(shutil.make_archive(str(tally.folder / "bag"), "zip", bag))
    tally.refuses(Exit.USAGE, "unpack it", "evidence", "check", archive)
    status, output = check(tally, archive, write_bundle(tally.folder, log, len(log.events) - 1))
    assert (status, "unpack it" in output) == (Exit.REFUSED, True)


def test_sealed_folder_is_registered_and_checked(world: World, tmp_path: Path) -> None:
    """From the folder to the record and back: the item has the bag's digests, and the service and its proof say so."""
    source, bag = write(tmp_path / "source"), tmp_path / "bag"
    case_id = open_case(world)
    sealed = world.ok("evidence", "seal", source, bag, "--case", case_id)
    collected = ("--collector", "p-0417", "--collector", "p-0422", "--tool", "imager", "--method", "bit copy")
    options = ("--kind", "electronic_data", "--bag", bag, *collected)
    receipt = world.ok("item", "register", case_id, "a disk", *options)
    assert receipt["item_id"] == sealed["item_id"]
    assert world.ok("item", "show", receipt["item_id"])["digests"] == sealed["digests"]
    asked = world.ok("evidence", "check", bag, "--item", receipt["item_id"])
    assert (asked["verdict"], asked["steps"][3]["result"]) == ("intact", "checked")
    write(bag, {"data/planted": b""})
    assert world.run("evidence", "check", bag, "--item", receipt["item_id"]).status == Exit.REFUSED


def test_bag_of_another_case_or_not_intact_is_not_registered(world: World, tmp_path: Path) -> None:
    """What is registered was read whole, and was sealed for this case."""
    case_id = open_case(world)
    bag = tmp_path / "bag"
    world.ok("evidence", "seal", write(tmp_path / "source"), bag, "--case", case_id)
    options = ("--kind", "exhibit", "--bag", bag)
    world.refuses(Exit.USAGE, f"sealed for {case_id}", "item", "register", open_case(world), "a disk", *options)
    write(bag, {"data/planted": b""})
    world.refuses(Exit.REFUSED, "tampered", "item", "register", case_id, "a disk", *options)
    loose = write(tmp_path / "loose", {"file": b"as it was"})
    bagit.make_bag(str(loose), checksums=["sha256"])
    (loose / "tagmanifest-sha256.txt").unlink()  # which by itself leaves the bag unverifiable
    write(loose, {"data/file": b"changed"})
    world.refuses(Exit.REFUSED, "tampered", "item", "register", case_id, "a disk", "--kind", "exhibit", "--bag", loose)

"""``tally pseudonym``: police and procuratorate come to the same pseudonyms, by files and through the service."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pytest

from ledger.config.installation import DataDirectory
from ledger.config.secret_files import write_secret
from tests.testkit.tally import Tally
from tests.unit.cli.world import World

CASES = "案号,证件号码\nA-1,310101199001011234\nA-2,310101199001011235\nA-3,310101199001011234\nA-4,\n"
PENSIONS = "身份证,发放日期\n310101199001011234,2026-03-01\n"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cases.csv").write_text(CASES, encoding="utf-8")
    (tmp_path / "pensions.csv").write_text(PENSIONS, encoding="utf-8")
    return tmp_path


def test_pseudonyms_travel_as_files(folder: Path) -> None:
    """The request has nothing of a number, the answer nothing of the key; the procuratorate makes its own list by
    itself, and the two meet."""
    tally = Tally(folder)
    key, answer, secret = folder / "key", folder / "answer.json", folder / "secret"
    public = tally.ok("pseudonym", "key", "-o", key)["public_key"]
    asked = tally.ok(
        *("pseudonym", "ask", folder / "cases.csv", "--identity", "证件号码"),
        *("--secret", secret, "-o", folder / "request.json"),
    )
    assert asked["persons"] == 2
    assert "310101" not in (folder / "request.json").read_text()
    tally.ok("pseudonym", "answer", folder / "request.json", "--key", key, "-o", answer)
    assert key.read_text().strip() not in answer.read_text()
    finish = ("pseudonym", "finish", folder / "cases.csv", answer, "--identity", "证件号码", "--secret", secret)
    refused = tally(*finish, "--public-key", "00" * 32, "-o", folder / "never.csv")
    assert (refused.status, "expected an answer of the key" in refused.err) == (2, True)
    written = tally.ok(*finish, "--public-key", public, "-o", folder / "police.csv")
    assert (written["rows"], written["left_out"], secret.exists()) == (3, 1, False)
    tally.ok(
        *("pseudonym", "own", folder / "pensions.csv", "--identity", "身份证", "--key", key),
        *("-o", folder / "list.csv"),
    )
    police, (paid,) = rows(folder / "police.csv"), rows(folder / "list.csv")
    assert [row["案号"] for row in police if row["pseudonym"] == paid["pseudonym"]] == ["A-1", "A-3"]
    assert stat.S_IMODE((folder / "request.json").stat().st_mode) == 0o600
    assert "310101" not in json.dumps([police, paid])


def test_pseudonyms_come_from_the_service(world: World, folder: Path) -> None:
    """Where it has the procuratorate's key: the police's own ids stand beside them, so that a model can join both."""
    key = folder / "key"
    public = world.ok("pseudonym", "key", "-o", key)["public_key"]
    kept = DataDirectory(world.data).pseudonym_key("procuratorate-east")
    write_secret(kept, key.read_bytes(), field="key", replace=True)
    identity_key = folder / "identity.key"
    world.ok("import", "key", "--identity-key", identity_key)
    make = ("pseudonym", "make", folder / "cases.csv", "procuratorate-east", "--identity", "证件号码")
    answer = world.ok(
        *make, "--with-ids", "--identity-key", identity_key, "--public-key", public, "-o", folder / "register.csv"
    )
    assert (answer["rows"], answer["public_key"]) == (3, public)
    first, second, third = rows(folder / "register.csv")
    assert first["person_id"] == third["person_id"] != second["person_id"]
    assert first["pseudonym"] == third["pseudonym"] != second["pseudonym"]
    refused = world.run(*make, "--public-key", "00" * 32, "-o", folder / "never.csv")
    assert (refused.status, (folder / "never.csv").exists()) == (2, False)
    untold = world.run(*make, "-o", folder / "never.csv")
    assert (untold.status, "--public-key" in untold.err, (folder / "never.csv").exists()) == (2, True, False)

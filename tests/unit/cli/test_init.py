"""`tally init` and `tally doctor`: laying down a ledger, and saying what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.diagnosis import fonts
from ledger.cli.errors import Exit
from ledger.config.installation import DataDirectory, load
from ledger.config.keys import open_keystore, open_note_key
from ledger.core.log.notes import SeedSigner, SignatureType
from tests.testkit.builders import POLICE, founder
from tests.testkit.tally import PASSPHRASE, Tally

TOML = """
[[agencies]]
agency_id = "police-east"
kind = "public_security"
admin = "0x1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
jurisdiction = "31/01"
name = { en = "East Police", zh = "东城公安" }
"""


@pytest.fixture
def where(tmp_path: Path) -> DataDirectory:
    return DataDirectory(tmp_path / "ledger")


def test_founding_may_be_toml_and_made_for_development(tally: Tally, where: DataDirectory) -> None:
    """TOML says the same; --development is the file's own switch. The identity that is told is the ledger's."""
    file = tally.folder / "founding.toml"
    file.write_text(TOML, encoding="utf-8")
    given = ("--passphrase-file", tally.passphrase_file, "--development", "--origin", "ledger.example/log")
    answer = tally.ok("init", "--light", "--founding", file, "--data-dir", where.path, *given)
    installation = load(where)
    assert (answer["log_id"], answer["development"]) == (installation.log_id, True)
    assert open_note_key(where.keys.note_key("log"), PASSPHRASE).verifying_key.vkey() == answer["log_key"]
    assert answer["log_key"].startswith("ledger.example/log+")
    assert open_keystore(where.keys.keystore("service"), PASSPHRASE).key_id == answer["service_key_id"]
    assert open_keystore(where.keys.keystore("submitter"), PASSPHRASE).key_id == answer["submitter"]
    assert installation.founding.agencies[0].name.zh == "东城公安"


def test_passphrase_can_be_minted(tally: Tally, where: DataDirectory) -> None:
    """--keep-passphrase mints one and keeps it beside the keys, for their owner alone."""
    tally.found(where.path, "--keep-passphrase")
    assert where.passphrase.stat().st_mode & 0o777 == 0o600
    minted = where.passphrase.read_text().strip()
    assert len(minted) >= 32
    assert open_note_key(where.keys.note_key("log"), minted)


@pytest.mark.parametrize(
    ("changes", "message"), [({"quorum": 2}, "quorum"), ({"surprise": 1}, "surprise"), (None, "holds a ledger already")]
)
def test_founding_that_cannot_be_is_refused(
    tally: Tally, where: DataDirectory, changes: dict[str, Any] | None, message: str
) -> None:
    """What is wrong in the file is named, and no ledger is there; one that is there stays as it is."""
    if changes is None:
        tally.found(where.path)
    before = {path: path.read_bytes() for path in where.path.rglob("*") if path.is_file()}
    file = tally.folder / "founding.json"
    file.write_text(json.dumps({"agencies": [founder(POLICE)], "development": True} | (changes or {})))
    done = tally("init", "--founding", file, "--data-dir", where.path, "--passphrase-file", tally.passphrase_file)
    assert (done.status, message in done.err, ("--founding" in done.err) == bool(changes)) == (Exit.USAGE, True, True)
    assert {path: path.read_bytes() for path in where.path.rglob("*") if path.is_file()} == before


def failed(tally: Tally, where: DataDirectory) -> dict[str, dict[str, str]]:
    """Give what doctor finds wrong, by the check."""
    findings = tally("--json", "doctor", "--data-dir", where.path).json()
    return {finding["check"]: finding for finding in findings if finding["result"] == "failed"}


def test_doctor_finds_nothing_on_this_machine(tally: Tally, where: DataDirectory) -> None:
    """With a whole installation every finding is well, and the exit code says so."""
    tally.found(where.path, "--keep-passphrase")
    findings = tally.ok("doctor", "--data-dir", where.path)
    assert {finding["check"] for finding in findings} >= {"python", "node", "anvil", "installation", "key", "database"}
    assert {finding["result"] for finding in findings} <= {"checked", "not_checked"}


def test_doctor_names_the_fonts_that_paper_lacks() -> None:
    """And the command that brings them."""
    missing = fonts(["Noto Serif CJK SC"])
    assert (missing.result, missing.detail) == ("failed", "paper needs Noto Serif CJK SC")
    assert "scripts/setup --browser" in missing.mend
    assert fonts([]).result == "checked"


def test_doctor_tells_what_is_wrong_and_what_mends_it(tally: Tally, where: DataDirectory) -> None:
    """An open key, a lost passphrase, a chain and a service that are away: each found, with the command that helps."""
    tally.found(where.path, "--keep-passphrase")
    where.keys.keystore("service").chmod(0o644)
    where.passphrase.unlink()
    (where.path / "settings.env").write_text("TALLYSTICK_CHAIN=http://127.0.0.1:1\n")
    tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:1")
    wrong = failed(tally, where)
    assert tally("doctor", "--data-dir", where.path).status == Exit.REFUSED
    assert wrong.keys() == {"key", "files", "passphrase", "chain", "service"}
    assert f"chmod 600 {where.keys.keystore('service')}" in wrong["key"]["mend"]
    (where.path / "settings.env").write_text("TALLYSTICK_PORT=none\n")
    assert failed(tally, where)["settings"]["detail"].startswith("port: ")


def test_doctor_tells_a_quorum_that_the_witnesses_asked_cannot_meet(tally: Tally, where: DataDirectory) -> None:
    """Before the service runs, and with no profile: a founding whose witnesses nobody asks anchors nothing."""
    key = SeedSigner.from_seed("police/w1", b"\7" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
    witness = {"account": "0x" + "2b" * 20, "verifier_key": key}
    agencies = [founder(POLICE, witness=witness)]
    tally.found(where.path, "--keep-passphrase", agencies=agencies, quorum=1, development=False)
    entry = failed(tally, where)["witnesses"]
    assert "the 0 witnesses of" in entry["detail"]
    assert str(where.witnesses) in entry["mend"]
    where.witnesses.write_text(f'[[witnesses]]\nurl = "http://127.0.0.1:1"\nverifier_key = "{key}"\n')
    assert "witnesses" not in failed(tally, where)

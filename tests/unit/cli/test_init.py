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
from tests.testkit.tally import PASSPHRASE, Tally

POLICE = {
    "agency_id": "police-east",
    "kind": "public_security",
    "admin": "0x" + "1a" * 20,
    "jurisdiction": "31/01",
    "name": {"en": "East Police", "zh": "东城公安"},
}
TOML = """
development = true

[[agencies]]
agency_id = "police-east"
kind = "public_security"
admin = "0x1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
jurisdiction = "31/01"
name = { en = "East Police", zh = "东城公安" }
"""


def founding(tally: Tally, **changes: Any) -> Path:
    """Write a founding file of one agency."""
    path = tally.folder / "founding.json"
    path.write_text(json.dumps({"agencies": [POLICE], "development": True} | changes), encoding="utf-8")
    return path


def init(tally: Tally, file: Path, *more: str | Path) -> Any:
    """Give what a successful `tally init` answers."""
    given = more or ("--passphrase-file", tally.passphrase_file)
    return tally.ok("init", "--light", "--founding", file, "--data-dir", tally.folder / "ledger", *given)


def test_init_lays_down_a_ledger(tally: Tally) -> None:
    """Keys that open with the passphrase, mode 0600, and the identity that was told."""
    answer = init(tally, founding(tally), "--passphrase-file", tally.passphrase_file, "--origin", "ledger.example/log")
    where = DataDirectory(tally.folder / "ledger")
    installation = load(where)
    assert answer["log_id"] == installation.log_id
    assert open_note_key(where.keys.note_key("log"), PASSPHRASE).verifying_key.vkey() == answer["log_key"]
    assert answer["log_key"].startswith("ledger.example/log+")
    assert open_keystore(where.keys.keystore("service"), PASSPHRASE).key_id == answer["service_key_id"]
    assert open_keystore(where.keys.keystore("submitter"), PASSPHRASE).key_id == answer["submitter"]
    assert {path.stat().st_mode & 0o777 for path in where.keys.path.iterdir()} == {0o600}
    assert installation.founding.agencies[0].name.zh == "东城公安"


def test_founding_may_be_toml_and_made_for_development(tally: Tally) -> None:
    """TOML says the same; --development is the file's own switch."""
    file = tally.folder / "founding.toml"
    file.write_text(TOML.replace("development = true", ""), encoding="utf-8")
    answer = init(tally, file, "--passphrase-file", tally.passphrase_file, "--development")
    assert answer["development"] is True


def test_passphrase_can_be_minted(tally: Tally) -> None:
    """--keep-passphrase mints one and keeps it beside the keys, for their owner alone."""
    init(tally, founding(tally), "--keep-passphrase")
    where = DataDirectory(tally.folder / "ledger")
    assert where.passphrase.stat().st_mode & 0o777 == 0o600
    minted = where.passphrase.read_text().strip()
    assert len(minted) >= 32
    assert open_note_key(where.keys.note_key("log"), minted)


def test_a_ledger_is_minted_once(tally: Tally) -> None:
    """A second init on the same directory is refused and changes nothing."""
    answer = init(tally, founding(tally))
    before = {path: path.read_bytes() for path in (tally.folder / "ledger").rglob("*") if path.is_file()}
    given = ("--data-dir", tally.folder / "ledger", "--passphrase-file", tally.passphrase_file)
    done = tally("init", "--founding", founding(tally), *given)
    assert (done.status, "--data-dir" in done.err) == (Exit.USAGE, True)
    assert {path: path.read_bytes() for path in before} == before
    assert load(DataDirectory(tally.folder / "ledger")).log_id == answer["log_id"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agencies": []}, "agencies"),
        ({"agencies": [POLICE, POLICE]}, "police-east"),
        ({"agencies": [POLICE | {"kind": "pirates"}]}, "kind"),
        ({"agencies": [POLICE | {"admin": "0x12"}]}, "admin"),
        ({"agencies": [POLICE | {"agency_id": "Police"}]}, "agency_id"),
        ({"development": False}, "quorum"),
        ({"quorum": 2}, "quorum"),
        ({"agencies": [POLICE | {"witness": {"account": "0x" + "2b" * 20}}], "quorum": 1}, "verifier_key"),
        ({"finality": "latest"}, "finality"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_founding_that_cannot_be_is_refused(tally: Tally, changes: dict[str, Any], message: str) -> None:
    """What is wrong in the file is named, and no ledger is there."""
    given = ("--data-dir", tally.folder / "ledger", "--passphrase-file", tally.passphrase_file)
    done = tally("init", "--founding", founding(tally, **changes), *given)
    assert done.status == Exit.USAGE
    assert "--founding" in done.err
    assert message in done.err
    assert not (tally.folder / "ledger").exists()


def test_doctor_finds_nothing_on_this_machine(tally: Tally) -> None:
    """With a whole installation every finding is well, and the exit code says so."""
    init(tally, founding(tally), "--keep-passphrase")
    findings = tally.ok("doctor", "--data-dir", tally.folder / "ledger")
    assert {finding["check"] for finding in findings} >= {"python", "node", "anvil", "installation", "key", "database"}
    assert {finding["result"] for finding in findings} <= {"checked", "not_checked"}


def test_doctor_names_the_fonts_that_paper_lacks() -> None:
    """And the command that brings them."""
    missing = fonts(["Noto Serif CJK SC"])
    assert (missing.result, missing.detail) == ("failed", "paper needs Noto Serif CJK SC")
    assert "scripts/setup --browser" in missing.mend
    assert fonts([]).result == "checked"


def test_doctor_tells_what_is_wrong_and_what_mends_it(tally: Tally) -> None:
    """An open key, a lost passphrase, a chain and a service that are away: each found, with the command that helps."""
    init(tally, founding(tally), "--keep-passphrase")
    where = DataDirectory(tally.folder / "ledger")
    where.keys.keystore("service").chmod(0o644)
    where.passphrase.unlink()
    (where.path / "settings.env").write_text("TALLYSTICK_CHAIN=http://127.0.0.1:1\n")
    tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:1")
    done = tally("--json", "doctor", "--data-dir", where.path)
    wrong = [finding for finding in done.json() if finding["result"] == "failed"]
    assert done.status == Exit.REFUSED
    assert {finding["check"] for finding in wrong} == {"key", "files", "passphrase", "chain", "service"}
    assert f"chmod 600 {where.keys.keystore('service')}" in wrong[0]["mend"]


def finding(tally: Tally, where: DataDirectory, check: str) -> dict[str, str]:
    """Give what doctor says of one thing in the data directory."""
    findings: list[dict[str, str]] = tally("--json", "doctor", "--data-dir", where.path).json()
    (entry,) = [entry for entry in findings if entry["check"] == check]
    return entry


def test_doctor_tells_a_quorum_that_the_witnesses_asked_cannot_meet(tally: Tally) -> None:
    """Before the service runs, and with no profile: a founding whose witnesses nobody asks anchors nothing."""
    signer = SeedSigner.from_seed("police/w1", b"\7" * 32, SignatureType.COSIGNATURE_V1)
    key = signer.verifying_key.vkey()
    witness = {"account": "0x" + "2b" * 20, "verifier_key": key}
    file = founding(tally, agencies=[POLICE | {"witness": witness}], quorum=1, development=False)
    init(tally, file, "--keep-passphrase")
    where = DataDirectory(tally.folder / "ledger")
    (entry,) = [
        entry for entry in tally("--json", "doctor", "--data-dir", where.path).json() if entry["check"] == "witnesses"
    ]
    assert entry["result"] == "failed"
    assert "the 0 witnesses of" in entry["detail"]
    assert str(where.witnesses) in entry["mend"]
    where.witnesses.write_text(f'[[witnesses]]\nurl = "http://127.0.0.1:1"\nverifier_key = "{key}"\n')
    (entry,) = [
        entry for entry in tally("--json", "doctor", "--data-dir", where.path).json() if entry["check"] == "witnesses"
    ]
    assert entry["result"] == "checked"


def test_doctor_names_a_wrong_setting(tally: Tally) -> None:
    """A setting that cannot be is a finding of its own."""
    (tally.folder / "settings.env").write_text("TALLYSTICK_PORT=none\n")
    done = tally("doctor", "--data-dir", tally.folder)
    assert done.status == Exit.REFUSED
    assert "port" in done.out


def test_serve_needs_a_ledger(tally: Tally) -> None:
    """Without an installation nothing is served, and the way to one is told."""
    done = tally("serve", "--data-dir", tally.folder / "nothing")
    assert (done.status, "tally init" in done.err) == (Exit.USAGE, True)

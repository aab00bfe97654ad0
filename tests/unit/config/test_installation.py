"""An installation is minted once, whole or not at all, and opens as it was minted."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.config import installation
from ledger.config.installation import (
    DataDirectory,
    Founding,
    Installation,
    create,
    database_url,
    finality_rule,
    load,
    policy_of,
    read_founding,
    read_token_key,
    require_no_log,
    witness_addresses,
    witness_policy,
)
from ledger.config.keys import MlDsaSigner, open_keystore, open_note_key
from ledger.config.settings import read_settings
from ledger.core.errors import Conflict, MalformedInput, NotFound
from ledger.core.log.notes import SeedSigner, SignatureType, VerifyingKey, parse_vkey
from ledger.core.signing.authority import SERVICE_AGENCY
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, founder, key_id, refused

PASSPHRASE = "correct horse"


def founding_text(*agencies: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"agencies": [founder(agency) for agency in agencies], "development": True, **fields})


def founding() -> Founding:
    return read_founding(founding_text(POLICE, PROCURATORATE, COURT))


def mint(folder: Path, origin: str | None = None) -> tuple[DataDirectory, Installation]:
    where = DataDirectory(folder)
    return where, create(where, founding(), origin, PASSPHRASE, light=True)


def files_of(where: DataDirectory) -> dict[str, bytes]:
    return {str(path.relative_to(where.path)): path.read_bytes() for path in where.path.rglob("*") if path.is_file()}


TRACES = {
    "trust.json": b"{}",
    "chain/state.json": b"{}",
    "backup.json": b'{"file:///b": {"number": 3, "digest": "d", "made": 1, "failed": null}}',
}


@pytest.mark.parametrize("trace", TRACES)
def test_a_ledger_that_has_begun_begins_no_second_log(tmp_path: Path, trace: str) -> None:
    """Of each trace of its log it is named, and no other ledger is made over it. A new ledger has none, whatever was
    tried with it before its first start."""
    where, _ = mint(tmp_path / "data")
    where.chain.mkdir()
    where.backups.write_bytes(b'{"file:///b": {"number": 0, "digest": "", "made": 0, "failed": 7}}')
    require_no_log(where)
    assert database_url(None, where) == f"sqlite:///{where.database}"
    (where.path / trace).write_bytes(TRACES[trace])
    for required in (lambda: require_no_log(where), lambda: database_url(None, where)):
        with refused("database_missing", field="database_url", error=NotFound):
            required()
    where.database.touch()
    assert database_url(None, where) == f"sqlite:///{where.database}"
    where.installation.unlink()
    with refused("identity_missing", field="data_dir", error=Conflict):
        mint(tmp_path / "data")


def test_a_minted_ledger_opens_as_it_was_minted(tmp_path: Path) -> None:
    """Identity, keys and token seed fit each other; each key opens with the passphrase."""
    where, minted = mint(tmp_path / "data", "ledger.example/handovers")
    assert load(where) == minted
    assert minted.origin == "ledger.example/handovers"
    assert len(minted.log_id_bytes) == len(read_token_key(where)) == 32
    assert open_note_key(where.keys.note_key("log"), PASSPHRASE).verifying_key.vkey() == minted.log_key
    assert open_keystore(where.keys.keystore("service"), PASSPHRASE).key_id == minted.service_key_id
    assert open_keystore(where.keys.keystore("submitter"), PASSPHRASE).key_id == minted.submitter
    assert minted.founding == founding()
    assert {stat.S_IMODE(path.stat().st_mode) for path in where.keys.path.iterdir()} == {0o600}
    assert stat.S_IMODE(where.keys.path.stat().st_mode) == 0o700
    assert PASSPHRASE.encode() not in b"".join(files_of(where).values())


def test_two_ledgers_share_nothing(tmp_path: Path) -> None:
    """Ids, keys and seeds are minted anew; without an origin the log's name comes from its id."""
    (_, first), (_, second) = mint(tmp_path / "one"), mint(tmp_path / "two")
    assert first.log_id != second.log_id
    assert {first.service_key_id, first.submitter}.isdisjoint({second.service_key_id, second.submitter})
    assert first.origin.endswith(first.log_id[2:18])


def test_a_ledger_is_minted_once(tmp_path: Path) -> None:
    """Where there is one, the second try changes nothing."""
    where, _ = mint(tmp_path)
    before = files_of(where)
    with refused("already_initialised", field="data_dir", error=Conflict):
        create(where, founding(), None, PASSPHRASE, light=True)
    assert files_of(where) == before


def test_a_minting_that_broke_off_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the identity was written, there is no ledger; the next try mints one, and touches no other file."""
    where = DataDirectory(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(installation, "Installation", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            create(where, founding(), None, PASSPHRASE, light=True)
    with pytest.raises(NotFound):
        load(where)
    (where.keys.path / "admin.json").write_bytes(b"somebody's own key")
    minted = create(where, founding(), None, PASSPHRASE, light=True)
    assert load(where) == minted
    assert (where.keys.path / "admin.json").read_bytes() == b"somebody's own key"


def test_the_keys_of_a_ledger_whose_identity_is_lost_are_left_alone(tmp_path: Path) -> None:
    """A data directory with a database but no identity is no place for a new ledger: its log key would be gone."""
    where, _ = mint(tmp_path)
    where.database.write_bytes(b"entries")
    where.installation.unlink()
    before = files_of(where)
    with refused("identity_missing", field="data_dir", error=Conflict):
        create(where, founding(), None, PASSPHRASE, light=True)
    assert files_of(where) == before


def test_an_identity_that_cannot_be_read_is_malformed(tmp_path: Path) -> None:
    """Cut, of another format, with a field that nobody knows: named, not guessed."""
    with refused("no_ledger", field="data_dir", error=NotFound):
        load(DataDirectory(tmp_path))
    where, minted = mint(tmp_path)
    whole = where.installation.read_bytes()
    for spoiled in (b"", whole[: len(whole) // 2], whole.replace(b'"log_id"', b'"log_1d"')):
        where.installation.write_bytes(spoiled)
        with pytest.raises(MalformedInput):
            load(where)
    where.installation.write_bytes(msgspec.json.encode(replace(minted, format="tallystick/installation@v2")))
    with refused("malformed_input", field="installation.format", error=MalformedInput):
        load(where)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (founding_text(), "founding.agencies"),
        (founding_text(POLICE, POLICE), "founding.agencies[1].agency_id"),
        (founding_text(COURT).replace(COURT.encode(), SERVICE_AGENCY.encode()), "founding.agencies[0].agency_id"),
        (founding_text(POLICE, quorum=1), "founding.quorum"),
        (founding_text(POLICE, development=False), "founding.quorum"),
        (founding_text(POLICE, quorum=-1), "founding.quorum"),
        (founding_text(POLICE, colour="red"), "founding.colour"),
        (founding_text(POLICE, procedures=["blake3:" + "5f" * 32, "blake3:" + "00" * 32]), "founding.procedures[1]"),
        (founding_text(POLICE, procedures=["5f" * 32]), "founding.procedures[0]"),
        (founding_text(POLICE).replace(b"public_security", b"secret-police"), "founding.agencies[0].kind"),
        (founding_text(POLICE, COURT).replace(key_id(f"admin of {COURT}").encode(),
                                              key_id(f"admin of {POLICE}").encode()),
         "founding.agencies[1].admin"),
        (founding_text(POLICE, suites=[1, 1]), "founding.suites"),
        (founding_text(POLICE, suites=[1, 2]), "founding.suites"),
        (founding_text(POLICE, suites=[]), "founding.suites"),
        (b"agencies: []", "founding"),
    ],
)  # fmt: skip
def test_a_founding_that_no_registry_would_take_is_refused(data: bytes, field: str) -> None:
    """What the contract would refuse at its deployment is refused before anything is minted, naming the field."""
    with pytest.raises(MalformedInput) as caught:
        read_founding(data)
    assert (caught.value.field or "").startswith(field.rpartition(".colour")[0] or field)


def test_the_log_is_no_witness(tmp_path: Path) -> None:
    """An operator who names the log's own key as a witness's is refused, whatever he calls it."""
    where, minted = mint(tmp_path)
    own = parse_vkey(minted.log_key)
    witness = VerifyingKey("court/w1", SignatureType.COSIGNATURE_V1, own.public_key)
    where.policy.write_text(f"witness court {witness.vkey()}\nquorum court\n")
    with refused("malformed_input", field="witness.policy", error=MalformedInput):
        policy_of(where, minted)


def witnessed(*agencies: str, quorum: int) -> dict[str, Any]:
    """Return a founding outside development whose agencies all have a witness."""
    rows: dict[str, Any] = msgspec.json.decode(founding_text(*agencies, development=False, quorum=quorum))
    for number, row in enumerate(rows["agencies"], 1):
        signer = SeedSigner.from_seed(f"{row['agency_id']}/w1", bytes([number]) * 32, SignatureType.COSIGNATURE_V1)
        account = key_id(f"witness of {row['agency_id']}")
        row["witness"] = {"account": account, "verifier_keys": [signer.verifying_key.vkey()]}
    return rows


def test_verifiers_ask_for_the_quorum_that_the_contract_asks_for() -> None:
    """The policy names each witness of the founding under its agency's id, and as many of them as the contract does."""
    rows = witnessed(POLICE, PROCURATORATE, COURT, quorum=2)
    policy = witness_policy(read_founding(msgspec.json.encode(rows)))
    assert {name: key.vkey() for name, key in policy.witnesses.items()} == {
        row["agency_id"]: row["witness"]["verifier_keys"][0] for row in rows["agencies"]
    }
    first, second, _ = policy.witnesses.values()
    assert policy.is_met_by([first, second])
    assert not policy.is_met_by([second])
    assert not witness_policy(founding()).asks_for_witnesses


def test_verifiers_ask_for_both_keys_of_a_witness_that_has_two() -> None:
    """Of a witness with a key of each kind, one alone does not count."""
    rows = witnessed(POLICE, COURT, quorum=1)
    lattice = MlDsaSigner.from_seed(f"{POLICE}/w1", b"\3" * 32).verifying_key
    rows["agencies"][0]["witness"]["verifier_keys"].append(lattice.vkey())
    policy = witness_policy(read_founding(msgspec.json.encode(rows)))
    first, second, third = policy.witnesses.values()
    assert second == lattice
    assert [policy.is_met_by(keys) for keys in ([first], [second], [first, second], [third])] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"verifier_keys": None}, "founding.agencies[1].witness.verifier_keys"),
        ({"verifier_keys": []}, "founding.agencies[1].witness.verifier_keys"),
        ({"verifier_keys": "two of a kind"}, "founding.agencies[1].witness.verifier_keys"),
        ({"verifier_keys": "two names"}, "founding.agencies[1].witness.verifier_keys"),
        ({"account": None}, "founding.agencies[1].witness.account"),
        ({"account": "as the first"}, "founding.agencies[1].witness.account"),
        ({"account": "the first's admin"}, "founding.agencies[1].witness.account"),
        ({"account": "the own admin"}, "founding.agencies[1].witness.account"),
        ({"verifier_keys": ["court/w1+00000000+BAAA"]}, "founding.agencies[1].witness.verifier_keys"),
        ({"verifier_keys": "a log's key"}, "founding.agencies[1].witness.verifier_keys"),
        ({"verifier_keys": "as the first"}, "founding.agencies"),
        ({"verifier_keys": "the first, renamed"}, "founding.agencies"),
    ],
)  # fmt: skip
def test_a_quorum_whose_witnesses_verifiers_could_not_know_is_refused(changes: dict[str, Any], field: str) -> None:
    """A trust file without their keys would ask for nobody: there is no ledger outside development without them. The
    registry takes an account as the witness of one agency only, and an admin's key that co-signs would be
    one party that counts as two."""
    rows = witnessed(POLICE, COURT, quorum=1)
    assert len(read_founding(msgspec.json.encode(rows)).agencies) == 2
    first = rows["agencies"][0]["witness"][next(iter(changes))]
    renamed = SeedSigner.from_seed("renamed", b"\1" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
    of_a_log = SeedSigner.from_seed("log", b"\2" * 32).verifying_key.vkey()
    lattice = MlDsaSigner.from_seed("lattice", b"\3" * 32).verifying_key.vkey()
    meant = {"as the first": first, "the first, renamed": [renamed], "a log's key": [of_a_log]}
    meant |= (
        {"two of a kind": [first[0], renamed], "two names": [first[0], lattice]} if "verifier_keys" in changes else {}
    )
    meant |= {"the first's admin": rows["agencies"][0]["admin"], "the own admin": rows["agencies"][1]["admin"]}
    row = {**rows["agencies"][1]["witness"], **{name: meant.get(str(value), value) for name, value in changes.items()}}
    rows["agencies"][1]["witness"] = {name: value for name, value in row.items() if value is not None}
    with refused("malformed_input", field=field, error=MalformedInput):
        read_founding(msgspec.json.encode(rows))


def test_the_addresses_of_witnesses_are_read_as_the_founding_has_them() -> None:
    """Whatever letters the names of keys and the addresses have, beyond the first plane of Unicode too."""
    rows = msgspec.json.decode(founding_text(POLICE))
    vkey = SeedSigner.from_seed("证人𠮷\u007f\\", b"\x05" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
    witness = {"account": key_id("witness"), "verifier_keys": [vkey], "url": 'https://𠮷.example/"\n'}
    rows["agencies"][0]["witness"] = witness
    (read,) = tomllib.loads(witness_addresses(read_founding(msgspec.json.encode(rows))))["witnesses"]
    assert read == witness


@pytest.mark.parametrize(
    ("chain", "setting", "rule"),
    [
        ("embedded", None, 0),
        ("embedded", 12, 0),
        ("http://127.0.0.1:8545", None, "finalized"),
        ("http://127.0.0.1:8545", 3, 3),
        ("http://127.0.0.1:8545", 0, 0),
    ],
)
def test_finality_is_the_foundings_word(tmp_path: Path, chain: str, setting: int | None, rule: int | str) -> None:
    """A setting overrides it; the embedded chain, whose blocks are final at once, has no other."""
    founded = msgspec.structs.replace(founding(), finality="finalized")
    assert finality_rule(founded, read_settings(tmp_path, chain=chain, finality=setting)) == rule
    assert founding().finality == 12


def test_names_fit_into_the_registry() -> None:
    """The contract keeps a profile of 1,024 bytes: longer names are refused before anything is minted."""
    rows = msgspec.json.decode(founding_text(POLICE))
    rows["agencies"][0]["name"] = {"en": "e" * 200, "zh": "\u673a" * 200}
    assert read_founding(msgspec.json.encode(rows))
    rows["agencies"][0]["name"] = {"en": "\u673a" * 200, "zh": "\u673a" * 200}
    with refused("malformed_input", field="founding.agencies[0].name", error=MalformedInput):
        read_founding(msgspec.json.encode(rows))

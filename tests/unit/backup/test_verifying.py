"""Whatever is damaged, exchanged, left out or put back at the place is named, and never restored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.backup import creating
from ledger.backup.chunks import FOLDER, Damaged, Vault, packed_rows, public_of, unpacked_file, unpacked_rows
from ledger.backup.generations import MANIFESTS, NOTES, OfOtherLedger, numbers_at, read_generation
from ledger.backup.pruning import prune
from ledger.backup.verifying import verify
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.log.notes import SeedSigner
from ledger.core.trust.trust_file import Trust
from ledger.store import backup as rows
from ledger.store.backup import NewerBackup
from tests.testkit.ledgers import ORIGIN
from tests.unit.backup.stand import NOW, TRUST, Stand, folder_at, handed_over


def chunk_files(stand: Stand) -> list[Path]:
    return sorted(path for path in (stand.folder / "place" / FOLDER).rglob("*") if path.is_file())


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a bit flipped": flipped,
    "of a tebibyte": lambda path: os.truncate(path, 2**40),
    "a link": lambda path: path.symlink_to(path.rename(path.with_suffix(".moved"))),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize(
    "damages", [(*DAMAGE,), *(pytest.param((name,), marks=pytest.mark.extended) for name in DAMAGE)], ids="-".join
)
def test_each_damaged_chunk_is_named(stand: Stand, damages: tuple[str, ...]) -> None:
    """One at a time, by each damage in turn: one finding, never intact, and nothing of it is restored."""
    stand.create()
    chunks = chunk_files(stand)
    for number in range(max(len(chunks), len(damages))):
        path, damage = chunks[number % len(chunks)], damages[number % len(damages)]
        whole = path.read_bytes()
        DAMAGE[damage](path)
        report = stand.verified()
        assert (report.verdict, len(report.findings)) == ("tampered", 1), (path, damage, report.findings)
        assert report.findings[0].endswith(path.relative_to(stand.folder / "place").as_posix())
        with pytest.raises(Damaged) as refused:
            stand.restored(f"restored-{number}")
        assert "Nothing was restored" in str(refused.value.hint) or refused.value.hint is None
        assert not (stand.folder / f"restored-{number}").exists()
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
    assert stand.verified().verdict == "intact"


def test_a_backup_of_a_later_version_is_refused(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every command, and with both versions: what this one does not know of it would be lost in silence."""
    with monkeypatch.context() as patch:
        patch.setattr(creating, "version", lambda _name: "1000.2")
        stand.create()
    for refuse in (stand.opened, stand.create, lambda: prune(stand.place, 1, TRUST, [stand.machine], now=NOW)):
        with pytest.raises(NewerBackup) as refused:
            refuse()
        assert "1000.2" in str(refused.value.text)
    for program in ("0.0.1", version("tallystick")):
        place = folder_at(stand.folder / program)
        with monkeypatch.context() as patch:
            patch.setattr(creating, "version", lambda _name, program=program: program)
            stand.create(place)
        assert stand.create(place).generation.number == 2


def test_a_damaged_chunk_is_written_again_once_it_is_deleted(stand: Stand) -> None:
    """One of the length that it had looks whole to the machine, which cannot open it: who verifies deletes it."""
    stand.create()
    path = chunk_files(stand)[0]
    flipped(path)
    assert stand.create().chunks == 0
    (finding,) = stand.verified().findings
    (stand.folder / "place" / finding.rpartition(": ")[2]).unlink()
    assert stand.create().chunks == 1
    assert stand.verified().verdict == "intact"


def test_a_chunk_in_the_place_of_another_is_named(stand: Stand) -> None:
    """Of the same backup or of an earlier one, each opens with the same key: it is the other one all the same."""
    stand.create()
    first, second, *_ = chunk_files(stand)
    whole = first.read_bytes()
    first.write_bytes(second.read_bytes())
    assert stand.verified().verdict == "tampered"
    first.write_bytes(whole)
    # Anybody can encrypt to a public key.
    forged = Vault([public_of(stand.secret)], (), stand.vault.name_key)
    first.write_bytes(forged.seal(packed_rows("log", 0, {})))
    report = stand.verified()
    assert report.verdict == "tampered"
    assert len(report.findings) == 1


def test_a_damaged_note_or_manifest_is_refused(stand: Stand) -> None:
    """It is not taken for the end of the list: what it says is not what was written."""
    stand.create()
    for folder in (NOTES, MANIFESTS):
        (path,) = (stand.folder / "place" / folder).iterdir()
        whole = path.read_bytes()
        for damage in DAMAGE.values():
            damage(path)
            with pytest.raises((Damaged, OfOtherLedger, NotFound)):
                stand.opened(1)
            path.unlink(missing_ok=True)
            path.write_bytes(whole)
    assert stand.opened().generation.number == 1


def test_a_note_in_the_place_of_another_is_refused(stand: Stand) -> None:
    """An older generation under a newer number is damage; the newest one gone leaves the older one, which says so."""
    stand.create()
    stand.record(handed_over("case-new"))
    stand.create()
    first, second = sorted((stand.folder / "place" / NOTES).iterdir())
    whole = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(Damaged):
        stand.opened(2)
    second.write_bytes(whole)
    assert stand.opened(2).generation.previous == stand.opened(1).generation.digest
    second.unlink()
    assert numbers_at(stand.place) == [1]
    assert stand.verified().generation == 1


def test_a_note_of_another_ledger_is_refused(stand: Stand) -> None:
    """By the id of the ledger that the trust file has, and by its key."""
    stand.create()
    fields = {name: getattr(TRUST, name) for name in Trust.__struct_fields__}
    for changed in ({"log_id_text": "0x" + "11" * 32}, {"log_vkey": stand_of_other_log()}):
        trust = Trust(**fields | changed)
        with pytest.raises(OfOtherLedger):
            read_generation(stand.place, 1, trust)


def stand_of_other_log() -> str:
    """Return the verifier key of another log of the same name."""
    return SeedSigner.from_seed(ORIGIN, b"\x77" * 32).verifying_key.vkey()


def test_without_a_trust_file_no_backup_is_intact(stand: Stand) -> None:
    """All else is checked, and the verdict says that this was not."""
    stand.create()
    report = verify(stand.opened(), None)
    assert (report.verdict, len(report.not_checked)) == ("unverifiable", 1)


def changed_chunks(stand: Stand) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield false manifests: what a machine could sign that backs up what is not the log."""
    manifest = stand.opened().manifest
    refs = manifest.numbered["log"]
    yield "a range is missing", {"numbered": manifest.numbered | {"log": refs[:-1]}}
    yield "two ranges are exchanged", {"numbered": manifest.numbered | {"log": (refs[1], refs[0], *refs[2:])}}
    yield "a range comes twice", {"numbered": manifest.numbered | {"log": (refs[0], refs[0], *refs[2:])}}
    name = next(name for name, parts in manifest.tables.items() if parts)
    foreign_parts = next(parts for table, parts in manifest.tables.items() if table != name and parts)
    yield "a part of another table", {"tables": manifest.tables | {name: foreign_parts}}
    bound = manifest.numbered["bindings"]
    yield "bindings are missing", {"numbered": manifest.numbered | {"bindings": bound[:-1]}}


def test_what_does_not_belong_where_the_manifest_has_it_is_named(stand: Stand) -> None:
    """A chunk says itself where it belongs, and the note says what the entries lead to."""
    stand.create()
    backup = stand.opened()
    cases = list(changed_chunks(stand))
    assert len(cases) == 5
    for why, changes in cases:
        report = verify(replace(backup, manifest=replace(backup.manifest, **changes)), TRUST)
        assert report.verdict == "tampered", why
    report = verify(replace(backup, generation=replace(backup.generation, root="00" * 32)), TRUST)
    assert report.verdict == "tampered"
    note = backup.manifest.checkpoint.replace("\n", "\n1", 1)
    assert verify(replace(backup, manifest=replace(backup.manifest, checkpoint=note)), TRUST).verdict == "tampered"


def test_contents_and_keys_of_another_form_are_refused() -> None:
    """Bytes that are no chunk, and one of another place; a public key for a secret one, and a text that is neither."""
    content = packed_rows("log", 8, {"entries": (("log_index",), [(8,)])})
    assert unpacked_rows(content, "log", 8).parts[0].rows == [[8]]
    for data, of, place in ((content, "log", 0), (content, "reads", 8), (b"\xc1", "log", 8), (b"\x80", "log", 8)):
        with pytest.raises(Damaged):
            unpacked_rows(data, of, place)
    with pytest.raises(Damaged):
        unpacked_file(content, "trust.json")
    with pytest.raises(MalformedInput):
        Vault(["age1nothing"], (), bytes(32))
    with pytest.raises(MalformedInput):
        Vault((), ["AGE-SECRET-KEY-1NOTHING"], bytes(32))


def test_ranges_of_the_stand_are_several(stand: Stand) -> None:
    """Or the tests above would try less than they say."""
    stand.create()
    assert len(stand.opened().manifest.numbered["log"]) > 2
    assert rows.EACH == 8

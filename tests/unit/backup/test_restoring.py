"""A restore brings all or nothing, into an empty place alone, and says what others have seen beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from ledger.backup import restoring
from ledger.backup.generations import newer_generation, numbers_at
from ledger.backup.pruning import LEFT_S, prune
from ledger.backup.seen_elsewhere import SeenBy, SeenElsewhere, is_quorum, seen_by_witnesses
from ledger.core.errors import Conflict, IntegrityBroken, NotFound, Unavailable
from ledger.core.events.case import CaseSplit
from ledger.core.log.policy import parse_policy
from ledger.storage.objects import STAGED
from ledger.store import backup as rows
from ledger.store import partitions
from ledger.store.backup import attach_to_read
from ledger.store.database import attach
from ledger.store.log import initialise, tree
from ledger.store.opening import open_database
from ledger.store.tables import CLOCKS
from ledger.witness.gathering.witnesses import Witness
from tests.testkit.builders import LOG_ID, START, refused
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import LOG_SIGNER
from tests.testkit.witness_server import SmallWitness, serving_all
from tests.unit.backup.stand import NOW, TRUST, Stand, audit, derived, erasing, handed_over, listed


class CutOff(Exception):
    """Stands for the end of the process."""


def test_nothing_is_restored_over_what_is_there(stand: Stand, postgres_url: str) -> None:
    """Neither into a folder with a file, nor into a database with a ledger; an empty folder is one to restore into."""
    stand.create()
    full, empty = stand.folder / "full", stand.folder / "empty"
    full.mkdir()
    (full / "letter").write_text("mine")
    empty.mkdir()
    with pytest.raises(Conflict) as caught:
        stand.restored("full")
    assert caught.value.code == "not_empty"
    assert (full / "letter").read_text() == "mine"
    stand.restored("empty").close()
    stand.restored("first", postgres_url).close()
    with pytest.raises(Conflict) as caught:
        stand.restored("second", postgres_url)
    assert caught.value.code == "not_empty"
    assert not (stand.folder / "second").exists()


@pytest.mark.parametrize("step", ["put_rows", "put_latest", "end_restoring"])
def test_a_restore_that_was_cut_off_begins_again(
    stand: Stand, postgres_url: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it left is no ledger for a service, and the same command makes it whole."""
    stand.create()
    whole = getattr(restoring.rows, step)
    calls = 0

    def cut_off(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 2 or step == "end_restoring":
            raise CutOff
        whole(*arguments)

    for name, url in (("file", None), ("server", postgres_url)):
        calls = 0
        with monkeypatch.context() as patched:
            patched.setattr(restoring.rows, step, cut_off)
            with pytest.raises(CutOff):
                stand.restored(name, url)
        # Where the database is the last to be whole, the directory has its name before, and can be thrown away.
        at_its_end = url is not None and step == "end_restoring"
        assert (stand.folder / name).exists() == at_its_end
        if url is not None:
            database = open_database(url)
            with pytest.raises(Conflict) as caught:
                initialise(database, LOG_ID)
            assert caught.value.code == "restoring"
            database.close()
        database = stand.restored(name, url)
        initialise(database, LOG_ID)
        assert audit(database).findings == ()
        database.close()
        assert not (stand.folder / name / restoring.UNFINISHED).exists()


def test_settings_are_settled_before_the_directory_has_its_name(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a restore that was cut off there would leave a directory that names the old service's database."""
    file = stand.folder / "settings.env"
    stand.files = {"settings.env": file}
    file.write_text("TALLYSTICK_DATABASE_URL=postgresql+psycopg://old/ledger\n")
    stand.create()

    def cut_off(_folder: Path, _url: str | None) -> tuple[str, ...]:
        raise CutOff

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "settle", cut_off)
        with pytest.raises(CutOff):
            stand.restored()
    assert not list(stand.folder.glob("*restored*"))  # nor is its lock there any more
    stand.restored().close()
    assert (stand.folder / "restored" / "settings.env").read_text() == ""


def test_what_a_killed_restore_left_is_thrown_away(stand: Stand) -> None:
    """Its folder beside the new one has no name that a service would be started on."""
    stand.create()
    left = stand.folder / ".restored.restoring"
    left.mkdir()
    (left / "tallystick.db").write_bytes(b"half")
    stand.restored().close()
    assert not left.exists()
    assert [path.name for path in stand.folder.glob(".restored*")] == []


def test_entries_that_do_not_lead_to_the_root_are_not_restored(stand: Stand) -> None:
    """A note of another root, whoever signed it."""
    stand.create()
    backup = stand.opened()
    false = replace(backup, generation=replace(backup.generation, root="00" * 32))
    with pytest.raises(IntegrityBroken, match="do not lead to the root of its note"):
        restoring.restore(false, stand.folder / "restored", None, TRUST)
    assert not (stand.folder / "restored").exists()


def test_a_backup_of_a_later_version_is_not_restored_in_part(stand: Stand) -> None:
    """A table that this version does not know is named, and nothing is restored: its rows would be lost in silence."""
    stand.create()
    backup = stand.opened()
    tables = {**backup.manifest.tables, "of_a_later_version": backup.manifest.tables["meta"]}
    later = replace(backup, manifest=replace(backup.manifest, tables=tables))
    with pytest.raises(rows.NewerBackup) as caught:
        restoring.restore(later, stand.folder / "restored", None, TRUST)
    assert "of_a_later_version" in caught.value.message
    assert not (stand.folder / "restored").exists()


def test_a_server_gets_the_partitions_before_the_rows(
    stand: Stand, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the log needs, however long it is."""
    monkeypatch.setattr(partitions, "EACH", 8)
    stand.create()
    database = stand.restored(url=empty_postgres_url)
    with database.read() as connection:
        assert partitions.attached(connection) == tree(connection).size // 8 + 2
    assert audit(database).findings == ()
    database.close()


def test_an_older_generation_can_be_restored(stand: Stand) -> None:
    """The restored log has the size and root of that generation, an audit finds nothing, and a newer one is named."""
    first = stand.create().generation
    stand.record(handed_over("case-new"))
    second = stand.create().generation
    assert newer_generation(stand.place, first, TRUST) == second
    assert newer_generation(stand.place, second, TRUST) is None
    database = stand.restored(number=1)
    with database.read() as connection:
        assert (tree(connection).size, tree(connection).root.hex()) == (first.size, first.root)
    assert audit(database).findings == ()
    database.close()


def test_whom_cases_split_off_is_restored_where_he_is(stand: Stand) -> None:
    """His clock runs on in the old case if no other has taken him over, and else in that one."""
    stand.ledger.clock.forward(2 * 60 * 60)
    waiting = Case("case-7", start=START + 60 * 60).open().name("li").impose("li", "detention")
    left = Case("case-8", start=waiting.now + 60).open().name("li").impose("li", "detention")
    left.say(CaseSplit, new_case_id="case-9", person_ids=(person_id("li"),))
    new = Case("case-9", start=left.now + 60).open(source=left.state, split_from=left.last.ref)
    stand.record(waiting, left)
    waiting.now = new.now + 60
    waiting.say(CaseSplit, new_case_id="case-6", person_ids=(person_id("li"),))
    stand.ledger.post_all([waiting.last])
    stand.record(new)
    stand.create()
    database = stand.restored()
    assert derived(database) == derived(stand.ledger.database)
    with database.read() as connection:
        limits = connection.execute(select(CLOCKS.c.case_id, CLOCKS.c.status).where(CLOCKS.c.clock == "arrest_request"))
        assert sorted(map(tuple, limits)) == [("case-7", "running"), ("case-8", "void"), ("case-9", "running")]
    assert audit(database).findings == ()
    database.close()


def test_an_erased_section_is_gone_with_the_generations_from_before(stand: Stand) -> None:
    """No file that is left opens to it; what stays can be restored."""
    case = handed_over("case-erased")
    stand.record(case, *(handed_over(f"case-more-{number}") for number in range(3)))
    stand.create()
    before = occurrences(stand, 1)
    stand.ledger.post_all(erasing(case))
    stand.create()
    assert occurrences(stand, 2) == before - 1
    pruned = prune(stand.place, 1, TRUST, [stand.machine], now=NOW, at_once=True)
    assert pruned.generations == (1,)
    assert pruned.chunks > 0
    left = {path.name for path in (stand.folder / "place" / "chunks").rglob("*/*")}
    assert left == {ref.name for ref in stand.opened().manifest.chunks()}
    assert stand.verified().verdict == "intact"
    with refused("not_found", field="generation", error=NotFound):
        stand.verified(1)
    database = stand.restored()
    assert audit(database).findings == ()
    database.close()


def occurrences(stand: Stand, number: int) -> int:
    """Count how often the confidential name stands in the chunks of a generation."""
    backup = stand.opened(number)
    return sum(backup.content(ref).count(b"a name") for ref in backup.manifest.chunks())


def test_what_is_young_may_be_of_a_run_that_goes_on(stand: Stand) -> None:
    """It is not pruned for a day, and then it is; what a generation names never is."""
    stand.create()
    stand.place.put("chunks/00/" + "00" * 32, b"of a run that was cut off")
    written = listed(stand.place, "chunks")["chunks/00/" + "00" * 32].written_at
    assert prune(stand.place, 1, TRUST, [stand.machine], now=int(written) + 60).chunks == 0
    assert prune(stand.place, 1, TRUST, [stand.machine], now=int(written) + LEFT_S + 60).chunks == 1
    assert stand.verified().verdict == "intact"


def test_what_a_killed_run_left_half_written_goes_with_the_young(stand: Stand) -> None:
    """A file that no run has finished is as old as its last byte, and gone after a day or at once."""
    stand.create()
    for name in (f"chunks/00/00.0{STAGED}", f"generations/00000002.1{STAGED}", f"manifests/00000002-0.1{STAGED}"):
        path = stand.folder / "place" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
        written = path.stat().st_mtime
        prune(stand.place, 1, TRUST, [stand.machine], now=int(written) + 60)
        assert path.exists()
        prune(stand.place, 1, TRUST, [stand.machine], now=int(written) + LEFT_S + 60)
        assert not path.exists()
        path.write_bytes(b"half")
        prune(stand.place, 1, TRUST, [stand.machine], now=int(written), at_once=True)
        assert not path.exists()
    assert stand.verified().verdict == "intact"


def test_a_prune_that_was_cut_off_leaves_whole_generations(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever: what is still listed verifies."""
    for number in range(3):
        stand.record(handed_over(f"case-new-{number}"))
        stand.create()
    delete, allowed, left = stand.place.delete, 0, 0

    def cut_off(names: object) -> None:
        nonlocal left
        for name in list(names):  # type: ignore[call-overload]
            if left == 0:
                raise Unavailable("cut off")
            left -= 1
            delete([name])

    monkeypatch.setattr(stand.place, "delete", cut_off)
    while True:
        left = allowed = allowed + 1
        try:
            prune(stand.place, 1, TRUST, [stand.machine], now=NOW, at_once=True)
        except Unavailable:
            for each in numbers_at(stand.place):
                assert stand.verified(each).verdict == "intact"
        else:
            break
    assert stand.verified().verdict == "intact"


def test_witnesses_say_how_many_entries_a_backup_lacks(stand: Stand) -> None:
    """One that has seen more says the size, one that has seen as much that, one of another history that; one that does
    not answer says why."""
    stand.create()
    database = stand.restored()
    with database.read() as connection:
        size, root = tree(connection).size, tree(connection).root
    witnesses = [SmallWitness(f"w{number}", LOG_SIGNER.verifying_key, LOG_ID) for number in range(3)]
    looks = ((size + 5, b"\7" * 32), (size, root), (size, b"\7" * 32))
    for witness, (its_size, its_root) in zip(witnesses, looks, strict=True):
        witness.size, witness.root = its_size, its_root
    with serving_all(*witnesses):
        configured = [witness.configured for witness in witnesses]
        answers = seen_by_witnesses(database, configured)
    assert [each.size for each in answers] == [size + 5, size, size]
    assert [each.contradicts for each in answers] == [False, False, True]
    assert [(witness.size, witness.asked) for witness in witnesses[:2]] == [
        (size + 5, ["/add-checkpoint"]),
        (size, ["/add-checkpoint"]),
    ]
    gone = seen_by_witnesses(database, configured)
    assert [each.size for each in gone] == [None] * len(witnesses)
    assert all(each.fault for each in gone)
    database.close()
    two = parse_policy(quorum_of(configured, 2))
    assert is_quorum(configured, answers, two)
    answering = [answers[0], *gone[1:]]
    assert not is_quorum(configured, answering, two)
    assert is_quorum(configured, answering, parse_policy(quorum_of(configured, 1)))
    nobody = parse_policy("quorum none\n")
    assert is_quorum(configured, answering, nobody)
    assert not is_quorum(configured, gone, nobody)


def quorum_of(witnesses: Sequence[Witness], count: int) -> str:
    """Return the text of a policy by which so many of the witnesses are enough."""
    lines = [f"witness w{number} {each.vkeys[0]}" for number, each in enumerate(witnesses)]
    names = " ".join(f"w{number}" for number in range(len(witnesses)))
    return "\n".join([*lines, f"group all {count} {names}", "quorum all", ""])


def test_nothing_lacks_only_if_enough_have_answered() -> None:
    """Zero is a claim: nobody makes it alone. That somebody has seen more is shown by one."""
    same, more, silent = SeenBy("w1", 10), SeenBy("w2", 12), SeenBy("w3", None)
    assert SeenElsewhere((same, silent), enough=True).lacking(10) == 0
    assert SeenElsewhere((same, silent), enough=False).lacking(10) is None
    assert SeenElsewhere((), enough=False).lacking(10) is None
    assert SeenElsewhere((same, more), enough=False).lacking(10) == 2


def test_a_reader_of_the_database_does_not_migrate_it(tmp_path: Path) -> None:
    """A backup of an older version's database is refused, not made of one that was changed for it."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    database = attach(url)
    with database.log.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version_log (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version_log VALUES ('0000')")
    database.close()
    with pytest.raises(IntegrityBroken, match="schema"):
        attach_to_read(url)

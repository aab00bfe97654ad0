"""``tally backup``: encrypted copies of a ledger, each with what is new; verified and restored without the service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins
from msgspec.structs import replace

from ledger.cli.command import Group
from ledger.cli.errors import EXIT_OF_VERDICT, Exit
from ledger.cli.files import bar
from ledger.cli.output import columns
from ledger.cli.params import DATA_DIR, FILE
from ledger.cli.passphrase import Passphrase, passphrase_options, read_service_passphrase
from ledger.cli.session import Session
from ledger.config.keys import open_note_key
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, TallystickError
from ledger.core.messages import Message
from ledger.core.trust.trust_file import parse_trust

if TYPE_CHECKING:
    from ledger.backup.seen_elsewhere import SeenElsewhere
    from ledger.backup.verifying import OpenBackup, Verified
    from ledger.config.settings import Settings
    from ledger.core.trust.trust_file import Trust
    from ledger.storage.objects import Objects

FROM = click.option("--from", "store", metavar="PLACE", help="Where they are kept [TALLYSTICK_BACKUP_STORE].")
IDENTITY = click.option(
    "--identity",
    "identities",
    type=FILE,
    multiple=True,
    required=True,
    help="File with a secret key that opens them, as 'tally backup key' wrote it.",
)
GENERATION = click.option("--generation", type=click.IntRange(1), help="Number of the generation [the newest].")
TRUST = click.option("--trust", type=FILE, help="The ledger's trust file, by which signatures are checked.")
LISTED = columns("generation", "made_at", "size", "root", "fault")
SEEN = columns("name", "size", "fault")


@click.group("backup", cls=Group)
def backup_group() -> None:
    """Back a ledger up, verify the backup and restore it. What is new since the last one is added, encrypted."""


@backup_group.command("key")
@click.argument("file", type=click.Path(path_type=Path))
def key(session: Session, file: Path) -> None:
    """Write a new secret key that opens backups to FILE, and print its public key, to which they are encrypted.

    Make it on another machine than the service's, and keep it there. Without it nobody can restore.
    """
    from ledger.backup.of_directory import write_identity

    session.output.record({"public_key": write_identity(file), "file": str(file)})


@backup_group.command("create")
@DATA_DIR
@click.option("--to", "store", metavar="PLACE", help="Where it is kept [TALLYSTICK_BACKUP_STORE].")
@click.option(
    "--recipient",
    "recipients",
    metavar="age1...",
    multiple=True,
    help="A public key to which it is encrypted [TALLYSTICK_BACKUP_RECIPIENTS].",
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    help="Generations that stay, of older ones what they alone need is deleted; 0 keeps all [TALLYSTICK_BACKUP_KEEP].",
)
@passphrase_options
def create_command(
    session: Session,
    *,
    data_dir: Path | None,
    store: str | None,
    recipients: tuple[str, ...],
    keep: int | None,
    passphrase: Passphrase,
) -> None:
    """Add a generation with all that the ledger has now, while its service runs or not.

    PLACE is a folder, best on another machine's disk, or s3://BUCKET/PREFIX. Cut short, the same command goes on. Keys
    are not in it: keep a copy of keys/ apart.
    """
    from ledger.backup.chunks import vault_of_machine
    from ledger.backup.creating import create, is_for_others, newest_of
    from ledger.backup.generations import OfOtherLedger
    from ledger.backup.of_directory import (
        LastBackup,
        files_of,
        last_backups,
        machine_key,
        place_of,
        remember,
        remembering_failure,
    )
    from ledger.backup.pruning import prune
    from ledger.config import installation as installations
    from ledger.config.installation import DataDirectory
    from ledger.store.backup import attach_to_read

    settings = _settings(data_dir, store, keep)
    where = DataDirectory(settings.data_dir)
    installation = installations.load(where)
    name = settings.backup_store
    # Whatever refuses a run that nobody watches is remembered, also before anything of the place is read.
    with remembering_failure(where, name, _now):
        place = place_of(settings)
        to = recipients or tuple(settings.backup_recipients.split())
        if not to:
            raise MalformedInput(
                "expected at least one public key to which backups are encrypted",
                field="--recipient",
                hint="Make a key pair on another machine: tally backup key FILE",
            )
        secret = read_service_passphrase(settings, where, passphrase)
        signer = open_note_key(where.keys.note_key("log"), secret)
        trust, own = installations.trust_of(where, installation), machine_key(where)
        remembered = last_backups(where).get(str(name))
        latest = (remembered.number, remembered.digest) if remembered and remembered.number else None
        before = newest_of(place, trust, [own], latest)
        vault = vault_of_machine(to, own)
        if is_for_others(before, vault):
            session.warn(
                Message("Backups were encrypted to other keys until now: everything is written anew, for the new ones.")
            )
        database = attach_to_read(installations.database_url(settings.database_url, where))
        try:
            with bar(session, "entries backed up") as entries:
                created = create(
                    database,
                    place,
                    vault,
                    signer,
                    before=before,
                    files=lambda: files_of(where),
                    log_id=installation.log_id_bytes,
                    now=_now,
                    progress=entries.reach,
                )
        finally:
            database.close()
        generation = created.generation
        last = LastBackup(generation.number, generation.digest, generation.made_at)
        remember(where, str(name), last)
        shown: dict[str, Any] = {"generation": generation.number, "made_at": instant_text(generation.made_at)}
        shown |= {"size": generation.size, "root": generation.root, "chunks": created.chunks, "written": created.stored}
        if settings.backup_keep:
            try:
                pruned = prune(place, settings.backup_keep, trust, [own], now=_now())
                shown |= {"removed": list(pruned.generations), "freed": pruned.freed}
            except (IntegrityBroken, OfOtherLedger) as error:  # the backup is made, whatever became of older ones
                remember(where, str(name), replace(last, failed=_now()))
                shown |= {"fault": error.text}
                session.warn(Message("Old generations were not deleted: {error}", error=error))
    session.output.record(shown)


@backup_group.command("list")
@FROM
@TRUST
def list_command(session: Session, *, store: str | None, trust: Path | None) -> int:
    """List the generations: when each was made, and how many entries it has."""
    from ledger.backup.generations import OfOtherLedger, numbers_at, read_generation
    from ledger.backup.of_directory import place_of

    place = place_of(_settings(None, store))
    by = _trust(trust)
    rows: list[dict[str, Any]] = []
    for number in numbers_at(place):
        try:
            each = read_generation(place, number, by)
            shown = {"made_at": instant_text(each.made_at), "size": each.size, "root": each.root, "fault": None}
        except (IntegrityBroken, OfOtherLedger) as error:
            shown = {"made_at": None, "size": None, "root": None, "fault": error.text}
        rows.append({"generation": number} | shown)
    session.output.table(rows, LISTED)
    return Exit.REFUSED if any(row["fault"] for row in rows) else Exit.OK


@backup_group.command("verify")
@FROM
@IDENTITY
@TRUST
@GENERATION
@click.option("--all", "every", is_flag=True, help="All generations, not the newest alone.")
def verify_command(
    session: Session,
    *,
    store: str | None,
    identities: tuple[Path, ...],
    trust: Path | None,
    generation: int | None,
    every: bool,
) -> int:
    """Open every chunk of a generation, and check that the log is whole and what its key has signed."""
    from ledger.backup.chunks import FOLDER
    from ledger.backup.generations import OfOtherLedger
    from ledger.backup.of_directory import place_of
    from ledger.backup.verifying import refused, verify

    place = place_of(_settings(None, store))
    by = _trust(trust)
    reports: list[Verified] = []
    for number in _numbers(place, generation, every=every):
        try:
            backup = _opened(place, number, by, identities)
        except (IntegrityBroken, OfOtherLedger) as error:
            reports.append(refused(number, error))
            continue
        with bar(session, "chunks verified") as chunks:
            reports.append(verify(backup, by, chunks.reach))
    shown = [_fields(report) for report in reports]
    if session.json:
        session.output.data(shown if every else shown[0])
    else:
        for fields in shown:
            session.output.record(fields)
    if any(f"{FOLDER}/" in finding for report in reports for finding in report.findings):
        session.warn(
            Message(
                "Delete the damaged chunks at the place, then run tally backup create: what the database "
                "still has so is written again."
            )
        )
    worst = max(reports, key=lambda report: ("intact", "unverifiable", "tampered").index(report.verdict))
    return EXIT_OF_VERDICT[worst.verdict]


@backup_group.command("restore")
@FROM
@IDENTITY
@TRUST
@GENERATION
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A directory that is empty or not there yet.",
)
@click.option("--database-url", help="An empty PostgreSQL database; a file in the directory, unless given.")
def restore_command(
    session: Session,
    *,
    store: str | None,
    identities: tuple[Path, ...],
    trust: Path | None,
    generation: int | None,
    data_dir: Path,
    database_url: str | None,
) -> int:
    """Restore a generation, then ask witnesses and chain what they have seen beyond it.

    All or nothing: cut short, the same command begins again. It starts no service and brings no keys.
    """
    from ledger.backup.generations import newer_generation
    from ledger.backup.of_directory import place_of
    from ledger.backup.restoring import restore
    from ledger.backup.seen_elsewhere import SeenBy

    place = place_of(_settings(None, store))
    by = _trust(trust)
    if by is None:
        session.warn(Message("No trust file was named: whose backup this is, it says itself."))
    (number,) = _numbers(place, generation, every=False)
    backup = _opened(place, number, by, identities)
    with bar(session, "entries restored") as entries:
        restored = restore(backup, data_dir, database_url, by, progress=entries.reach)
    elsewhere = _seen_elsewhere(data_dir, by)
    if newer := newer_generation(place, restored.generation, by):
        elsewhere = elsewhere.and_by(SeenBy(f"generation {newer.number}", newer.size))
        session.warn(
            Message(
                "Generation {newer.number} is newer. What was erased since this one is here again: restore the newer "
                "one, or erase it again before anybody reads.",
                newer=newer,
            )
        )
    lacking = elsewhere.lacking(restored.generation.size)
    findings = [fault.what for fault in restored.findings]
    shown: dict[str, Any] = {"generation": number, "made_at": instant_text(restored.generation.made_at)}
    shown |= {"size": restored.generation.size, "root": restored.generation.root, "data_dir": str(data_dir)}
    shown |= {"lacking": lacking, "findings": findings, "set_aside": list(restored.set_aside)}
    witnesses = [{"name": each.name, "size": each.size, "fault": each.fault} for each in elsewhere.answers]
    session.output.record(shown | ({"seen": witnesses} if session.json else {}))
    session.output.parts([("seen", witnesses, SEEN)])
    if restored.set_aside:
        session.warn(
            Message(
                "These settings name what belongs to the old service, and stand in settings.env as comments: {names}. "
                "Put them back once the old service cannot start any more.",
                names=", ".join(restored.set_aside),
            )
        )
    _advise(session, data_dir, lacking, contradicted=elsewhere.contradicts)
    if findings or elsewhere.contradicts:
        return Exit.REFUSED
    return Exit.UNVERIFIABLE if lacking is None or by is None else Exit.OK


@backup_group.command("prune")
@FROM
@DATA_DIR
@click.option("--keep", type=click.IntRange(1), required=True, help="How many of the newest generations stay.")
@click.option("--identity", "identities", type=FILE, multiple=True, help="To prune without the data directory.")
@TRUST
@click.option(
    "--at-once",
    is_flag=True,
    help="Delete what no generation needs although it is younger than a day. Only while no backup is being made.",
)
def prune_command(
    session: Session,
    *,
    store: str | None,
    data_dir: Path | None,
    keep: int,
    identities: tuple[Path, ...],
    trust: Path | None,
    at_once: bool,
) -> None:
    """Delete old generations, and what they alone need: what was erased since goes with them."""
    from ledger.backup.of_directory import machine_key, place_of, read_identity
    from ledger.backup.pruning import prune
    from ledger.config import installation as installations
    from ledger.config.installation import DataDirectory

    settings = _settings(data_dir, store)
    place = place_of(settings)
    where = DataDirectory(settings.data_dir)
    by = _trust(trust)
    if by is None and not identities:
        by = installations.trust_of(where, installations.load(where))
    keys = [read_identity(file) for file in identities] or [machine_key(where)]
    pruned = prune(place, keep, by, keys, now=_now(), at_once=at_once)
    session.output.record({"removed": list(pruned.generations), "chunks": pruned.chunks, "freed": pruned.freed})


def _now() -> int:
    return int(time.time())


def _settings(data_dir: Path | None, store: str | None, keep: int | None = None) -> Settings:
    from ledger.backup.of_directory import url_of
    from ledger.config.settings import read_settings

    return read_settings(data_dir, backup_store=store and url_of(store), backup_keep=keep)


def _trust(file: Path | None) -> Trust | None:

    return None if file is None else parse_trust(file.read_bytes())


def _numbers(place: Objects, number: int | None, *, every: bool) -> Sequence[int]:
    """Return the generations that are meant. Raises NotFound if there is none."""
    from ledger.backup.generations import numbers_at

    if number is not None and not every:
        return [number]
    numbers = numbers_at(place)
    if not numbers:
        raise NotFound("there is no backup", field="backup_store", hint="Is it the right place? See: tally backup list")
    return numbers if every else numbers[-1:]


def _opened(place: Objects, number: int, trust: Trust | None, identities: Sequence[Path]) -> OpenBackup:
    from ledger.backup.generations import read_generation, read_manifest
    from ledger.backup.of_directory import read_identity
    from ledger.backup.verifying import OpenBackup

    keys = tuple(read_identity(file) for file in identities)
    generation = read_generation(place, number, trust)
    return OpenBackup(place, generation, read_manifest(place, generation, keys), keys)


def _fields(report: Verified) -> dict[str, Any]:
    fields: dict[str, Any] = to_builtins(report, enc_hook=str, builtin_types=())
    made_at = fields.pop("made_at")
    first = {"verdict": fields.pop("verdict"), "generation": fields.pop("generation")}
    first |= {"made_at": instant_text(made_at) if made_at else None}
    return first | {"written" if name == "stored" else name: value for name, value in fields.items()}


def _seen_elsewhere(data_dir: Path, by: Trust | None) -> SeenElsewhere:
    """Ask the witnesses of the restored data directory, and its chain unless that is embedded.

    Without the trust file nobody knows whose witnesses and whose chain these are, so no answers are enough.
    """
    from ledger.backup.seen_elsewhere import SeenBy, SeenElsewhere, is_quorum, seen_by_witnesses
    from ledger.cli.commands.audit import look_of
    from ledger.config.installation import DataDirectory, database_url, finality_rule, load
    from ledger.config.settings import EMBEDDED, read_settings
    from ledger.store.backup import attach_to_read
    from ledger.witness.gathering.witnesses import WitnessFile

    settings, where = read_settings(data_dir), DataDirectory(data_dir)
    database = attach_to_read(database_url(settings.database_url, where))
    try:
        witnesses = WitnessFile(where.witnesses).read()
        answers = seen_by_witnesses(database, witnesses)
        enough = by is not None and is_quorum(witnesses, answers, by.policy)
        if settings.chain != EMBEDDED:
            try:
                trust = parse_trust(where.trust.read_bytes())
                with look_of(settings, database, trust, finality_rule(load(where).founding, settings))() as contracts:
                    answers.append(SeenBy("chain", contracts.head().size))
                enough = by is not None
            except (TallystickError, OSError) as error:
                answers.append(SeenBy("chain", None, Message("{error}", error=error)))
    finally:
        database.close()
    return SeenElsewhere(tuple(answers), enough)


def _advise(session: Session, data_dir: Path, lacking: int | None, *, contradicted: bool) -> None:
    if contradicted:
        session.warn(Message("A witness has seen another history than this backup has: keep both, each is signed."))
    if lacking is None:
        session.warn(
            Message(
                "Nobody has said what this backup lacks: too few witnesses answered, and no chain. Make them reachable "
                "and name the trust file, then restore again; the service asks them before it writes."
            )
        )
    elif lacking:
        session.warn(
            Message(
                "The world has seen {count} entries that this backup lacks, and the service will not write on it. Is "
                "there a newer backup? docs/operations/backup.md says what can be done without one.",
                count=lacking,
            )
        )
    session.output.done(
        Message(
            "Next: put back keys/, then tally audit --data-dir {data_dir}, then tally serve --data-dir {data_dir}",
            data_dir=data_dir,
        )
    )

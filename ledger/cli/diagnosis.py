"""The checks of ``tally doctor``, one function each: what was found, and the command that repairs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from socket import create_connection
from typing import Any, Literal, NamedTuple

from ledger.chain.anvil_package import anvil_pin, anvil_version
from ledger.cli.session import Session
from ledger.config.installation import DataDirectory, database_url, load, policy_of, require_no_log, require_own_keys
from ledger.config.secret_files import open_to_others, read_secret
from ledger.config.settings import EMBEDDED, Settings, read_settings, read_witness_settings
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import NotFound, TallystickError, Unavailable
from ledger.core.messages import Message
from ledger.core.trust.trust_file import parse_trust
from ledger.interchange.papers import typeset
from ledger.witness.gathering.witnesses import WitnessFile
from ledger.workers import sandbox

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
DELETED_WITHIN_S = 3600  # seconds after which a deletion that waits is a fault
BACKUP_OLD_S = 2 * 86_400  # seconds after which the last backup is too old
_SETUP = Path(__file__).parents[2] / "scripts" / "setup"  # of a clone
QUICK_CHECK_S = 20.0  # seconds for which each file of a SQLite database is read: 10 GB that the system has in memory
LOCAL_S = 5.0  # for an answer of the service of the data directory


class Finding(NamedTuple):
    """The outcome of one check. It is ``not_checked`` if another finding makes it moot."""

    check: str
    result: Literal["checked", "failed", "not_checked"]
    detail: str
    mend: str = ""


def diagnose(session: Session, data_dir: Path | None) -> list[Finding]:
    """Run all checks and return the findings in the order in which they should be repaired."""
    findings = [python(), node(), fonts(typeset.missing_fonts()), worker_sandbox(sandbox.enforced())]
    try:
        settings = read_settings(data_dir)
    except TallystickError as error:
        findings.append(Finding("settings", "failed", Message("{error.field}: {error}", error=error), error.hint or ""))
    else:
        where = DataDirectory(settings.data_dir)
        is_here = where.installation.exists()
        findings += [anvil(settings), installation(where), *(keys(settings, where) if is_here else ())]
        findings += [*files(settings), database(settings), *disk(settings)]
        findings += [*clock(settings, where), *backups(settings, where)] if is_here else []
        findings += [*evidence_store(settings), chain(settings), *([witnesses(where)] if is_here else ())]
        findings += [*_own_service(settings)] if is_here and not _has_profile(session) else []
    return [*findings, *profile_keys(session), *service(session)]


def python() -> Finding:
    """Check the version of the Python interpreter."""
    version = sys.version.split()[0]
    if sys.version_info < OLDEST_PYTHON:
        return _too_old("python", version, "3.11", "apt-get install python3")
    return Finding("python", "checked", version)


def _too_old(check: str, version: str, oldest: object, mend: str) -> Finding:
    detail = Message("{version}, {oldest} or newer is needed", version=version, oldest=oldest)
    return Finding(check, "failed", detail, mend)


def node() -> Finding:
    """Check the version of Node, by which a clone compiles contracts, bundles scripts and runs Hardhat's node."""
    if not _SETUP.exists():
        return Finding("node", "not_checked", Message("only a clone of the sources needs it"))
    program = shutil.which("node")
    if program is None:
        return Finding("node", "failed", Message("not on PATH"), "apt-get install nodejs npm")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_NODE:
        return _too_old("node", version, OLDEST_NODE, "apt-get install nodejs npm")
    return Finding("node", "checked", version)


def fonts(missing: list[str]) -> Finding:
    """Check that the fonts of documents and certificates are installed."""
    if missing:
        return Finding("fonts", "failed", Message("paper needs {missing}", missing=" and ".join(missing)), typeset.MEND)
    return Finding("fonts", "checked", ", ".join(typeset.FAMILIES))


def worker_sandbox(enforced: sandbox.Enforced) -> Finding:
    """Check that this system keeps work on what others wrote from files and sockets that it does not need."""
    if all(enforced):
        detail = Message("what reads the files of others has no other files, networks or programs within its reach")
        return Finding("sandbox", "checked", detail)
    detail = Message("a file that attacks what reads it could reach networks and programs")
    if not enforced.files:
        detail = Message("a file that attacks what reads it could reach the files of the service")
    mend = Message("Run the service on Linux 5.13 or newer with Landlock: docs/operations.md, Limits")
    return Finding("sandbox", "failed", detail, mend)


def anvil(settings: Settings) -> Finding:
    """Check that the node of the embedded chain runs."""
    if settings.chain != EMBEDDED:
        return Finding("anvil", "not_checked", Message("the chain is not embedded"))
    mend = "tally chain install"
    if settings.anvil_binary is not None:
        mend = Message("Let anvil_binary name another one, or leave it out and run: tally chain install")
    try:
        binary = settings.anvil()
    except TallystickError as error:
        return Finding("anvil", "failed", error.message, mend)
    version = anvil_version(binary)
    if version is None:
        return Finding("anvil", "failed", Message("{binary} does not run", binary=binary), mend)
    with suppress(NotFound):  # for this kind of machine none is pinned
        pinned = anvil_pin().version
        if version != pinned:  # another one may make other blocks of the same journal
            detail = Message(
                "{binary} is of version {version}, {pinned} is needed", binary=binary, version=version, pinned=pinned
            )
            return Finding("anvil", "failed", detail, mend)
    return Finding("anvil", "checked", f"{version}, {binary}")


def installation(where: DataDirectory) -> Finding:
    """Check the installation that ``tally init`` made."""
    if not where.installation.exists():
        detail = Message("no ledger in {where.path}", where=where)
        return Finding(
            "installation", "not_checked", detail, Message("tally init, if this machine is to run a service")
        )
    try:
        ledger = load(where)
    except TallystickError as error:
        return Finding("installation", "failed", error.text, "tally init")
    found_ledger = f"{where.path}: {ledger.log_id}"
    if ledger.founding.development:
        found_ledger = Message("{ledger}, for development", ledger=found_ledger)
    return Finding("installation", "checked", found_ledger)


def keys(settings: Settings, where: DataDirectory) -> Iterator[Finding]:
    """Check the service's keys, and the passphrase that opens them."""
    files = (where.keys.note_key("log"), where.keys.keystore("service"), where.keys.keystore("submitter"))
    yield from (_secret("key", file) for file in (*files, where.token_key))

    def own_keys() -> str:
        require_own_keys(where, load(where))
        return Message("log and service have the keys that the ledger names")

    yield _tried("key", own_keys)
    yield _tried("passphrase", lambda: "known" if settings.passphrase(where) else "empty")


def files(settings: Settings) -> Iterator[Finding]:
    """Check that nobody else can use the files of service and witness, or a database elsewhere."""
    from ledger.store.connections import file_of

    folders = [settings.data_dir]
    with suppress(TallystickError):  # a witness reports its wrong settings itself
        folders.append(read_witness_settings().data_dir)
    yield from (_private(folder) for folder in folders if folder.exists())
    file = None
    with suppress(TallystickError):  # of an address, which the check of the database reports
        file = file_of(settings.database_url) if settings.database_url else None
    if file is not None:
        yield from (_private(path) for path in sorted(file.parent.glob(f"{file.stem}*{file.suffix}*")))


def _private(folder: Path) -> Finding:
    opened = list(open_to_others(folder))
    if not opened:
        return Finding("files", "checked", Message("{folder} is its owner's alone", folder=folder))
    detail = Message(
        "others may use {count} of the files and folders in {folder}, {opened} among them",
        count=len(opened),
        folder=folder,
        opened=opened[0],
    )
    return Finding("files", "failed", detail, f"chmod -R go-rwx {folder}")


def backups(settings: Settings, where: DataDirectory) -> Iterator[Finding]:
    """Check that the last backup that was made here is not old."""
    from ledger.backup.of_directory import last_backups

    try:
        times = [last.made_at for last in last_backups(where).values() if last.number]
    except TallystickError as error:
        yield Finding("backup", "failed", error.message, error.hint or "")
        return
    if not times and settings.backup_store is None:
        mend = Message("Set backup_store and backup_recipients: docs/operations/backup.md")
        yield Finding("backup", "not_checked", Message("none was made from here (backup_store)"), mend)
    elif not times or time.time() - max(times) > BACKUP_OLD_S:
        detail = (
            Message("the last one is of {at}", at=instant_text(max(times))) if times else Message("none was made yet")
        )
        yield Finding("backup", "failed", detail, "tally backup create")
    else:
        yield Finding("backup", "checked", Message("the last one is of {at}", at=instant_text(max(times))))


def evidence_store(settings: Settings) -> Iterator[Finding]:
    """Check that the evidence store is there, and has no objects that are to be deleted and are not."""
    from ledger.evidence.kept_evidence import require_mark
    from ledger.storage.objects import objects_at, storage_of
    from ledger.store import evidence_files, log
    from ledger.store.backup import attach_to_read

    where = DataDirectory(settings.data_dir)
    has_database = settings.database_url is not None or where.database.exists()
    if settings.evidence_store is None or not (has_database or where.installation.exists()):
        return
    is_new, waiting = True, []
    try:
        address = storage_of(settings, "evidence_store")
        assert address is not None
        if has_database:
            url = database_url(settings.database_url, where)
            with closing(attach_to_read(url)) as opened, opened.read() as connection:
                log_id, waiting = log.tree(connection).log_id, evidence_files.to_delete(connection)
                is_new = not (waiting or evidence_files.key_ids(connection))
        else:
            log_id = load(where).log_id_bytes
        if is_new and address.folder is not None and not address.folder.exists():
            yield _folder_to_be(address.folder)
            return
        objects = objects_at(address)
        require_mark(objects, log_id, may_be_new=is_new)
        objects.require_room()
    except TallystickError as error:
        yield Finding("evidence store", "failed", error.for_operator, error.hint or "")
        return
    if not waiting:
        yield Finding("evidence store", "checked", Message("it is there, and nothing waits to be deleted"))
        return
    since = waiting[0].since // 1000
    detail = Message("files still to be deleted: {count}, since {at}", count=len(waiting), at=instant_text(since))
    mend = Message("Is the storage there, and may the service delete in it? Its log says; it goes on by itself.")
    yield Finding("evidence store", "failed" if time.time() - since > DELETED_WITHIN_S else "checked", detail, mend)


def _folder_to_be(folder: Path) -> Finding:
    """Check that ``tally serve`` may make the folder of the evidence store at its first start."""
    above = next(parent for parent in folder.parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Finding("evidence store", "checked", Message("{file} (made by tally serve)", file=folder))
    detail = Message("{folder} is not there, and cannot be made in {above}", folder=folder, above=above)
    return Finding("evidence store", "failed", detail, f"install -d -m 700 -o USER {folder}")


def database(settings: Settings) -> Finding:
    """Check the database of the log."""
    url = settings.database_url
    if url is None or url.startswith("sqlite"):
        return _tried("database", lambda: _database_file(settings))

    def opened() -> str:
        from ledger.store.opening import open_database

        open_database(url, copies=settings.durable_copies).close()
        return url.rpartition("@")[2]

    return _tried("database", opened)


def _database_file(settings: Settings) -> str:
    """Read the files of a SQLite database, for QUICK_CHECK_S at most each, and return what was checked.

    Raises DiskFailed if one is damaged, Unavailable if one cannot be read, NotFound if there is none although the
    ledger has had one.
    """
    from ledger.store.connections import check_file, file_of

    where = DataDirectory(settings.data_dir)
    file = (file_of(settings.database_url) if settings.database_url else None) or where.database
    if not file.exists() or check_file(file, within_s=QUICK_CHECK_S) == "empty":
        require_no_log(where)
        return Message("{file} (made by tally serve)", file=file)
    of_access = file.with_name(f"{file.stem}-access{file.suffix}")
    results = [check_file(path, within_s=QUICK_CHECK_S) for path in (file, of_access) if path.exists()]
    if "in part" in results:
        return Message(
            "{file}: nothing is damaged in what was read in {seconds} s; tally audit reads all of it",
            file=file,
            seconds=int(QUICK_CHECK_S),
        )
    return str(file)


def disk(settings: Settings) -> Iterator[Finding]:
    """Check that there is room on the disk of the data directory."""
    from ledger.store.growth import LEAST_FREE

    if not settings.data_dir.exists():
        return
    free = shutil.disk_usage(settings.data_dir).free
    detail = Message("{free} MiB are free on the disk of {folder}", free=free // 1024**2, folder=settings.data_dir)
    if free < LEAST_FREE:
        mend = Message("Make room: at least 1 GiB; without room nothing is recorded")
        yield Finding("disk", "failed", detail, mend)
    else:
        yield Finding("disk", "checked", detail)


def clock(settings: Settings, where: DataDirectory) -> Iterator[Finding]:
    """Check the clock by the log's last entry, and by the answers of chain, timestamp authority and witnesses."""
    from ledger.recording.clock import now_ms, seconds_behind
    from ledger.recording.clock_judge import CLOCK_OFF_S, clocks_elsewhere
    from ledger.store import log
    from ledger.store.backup import attach_to_read

    mend = Message("Put the clock of this machine right: timedatectl")
    with suppress(TallystickError):  # of a database, which has a check of its own
        if settings.database_url or where.database.exists():
            url = database_url(settings.database_url, where)
            with closing(attach_to_read(url)) as opened, opened.read() as connection:
                behind_s = seconds_behind(log.tree(connection).recorded_at, now_ms())
            if behind_s:
                detail = Message("{seconds} s behind the log's last entry, whose time new ones get", seconds=behind_s)
                yield Finding("clock", "failed", detail, mend)
    urls = settings.clock_urls
    with suppress(TallystickError):  # of the file of witnesses, as well
        urls += [witness.url for witness in WitnessFile(where.witnesses).read()]
    ahead = clocks_elsewhere(urls)
    for host, seconds in ahead.items():
        if abs(seconds) > CLOCK_OFF_S:
            detail = (
                Message("{seconds} s ahead of the clock of {host}", seconds=seconds, host=host)
                if seconds > 0
                else Message("{seconds} s behind the clock of {host}", seconds=-seconds, host=host)
            )
            yield Finding("clock", "failed", detail, mend)
            return
    if ahead:
        yield Finding("clock", "checked", Message("as that of {hosts}", hosts=", ".join(ahead)))
    else:
        yield Finding("clock", "not_checked", Message("no chain, authority or witness elsewhere told the time"))


def chain(settings: Settings) -> Finding:
    """Check the chain that the log is anchored in."""
    if settings.chain == EMBEDDED:
        return Finding(
            "chain",
            "checked",
            Message("embedded, started by tally serve: it adds no independence from whoever operates this ledger"),
        )

    def asked() -> str:
        from ledger.chain.eth import Eth
        from ledger.chain.rpc import JsonRpc

        with closing(JsonRpc(settings.chain)) as rpc:
            eth = Eth(rpc)
            eth.require_chain(settings.chain_id)
            return Message(
                "chain {settings.chain_id} at {rpc.name}, block {head}",
                settings=settings,
                rpc=rpc,
                head=eth.head().number,
            )

    return _tried("chain", asked)


def witnesses(where: DataDirectory) -> Finding:
    """Check that the configured witnesses can meet the quorum of the trust file."""

    def quorum() -> str:
        policy, asked = policy_of(where, load(where)), WitnessFile(where.witnesses).read()
        if not policy.asks_for_witnesses:
            return Message("the policy asks for no witness: this is a development ledger")
        if not policy.is_met_by(key for witness in asked for key in witness.vouching_keys):
            raise NotFound(
                "nothing is anchored: the {count} witnesses of {where.witnesses} do not meet the quorum "
                "{policy.quorum} of the trust file",
                count=len(asked),
                where=where,
                policy=policy,
                hint=Message(
                    "Name in {where.witnesses} where each is reached, with its verifier_keys and account.", where=where
                ),
            )
        return Message("{count} are asked, the quorum {policy.quorum} can be met", count=len(asked), policy=policy)

    return _tried("witnesses", quorum, "docs/operations.md, Witnesses")


def profile_keys(session: Session) -> Iterator[Finding]:
    """Check the keys of the profiles."""
    for name in session.profiles.names():
        profile = session.profiles.read(name)
        if profile.key is not None:
            yield _secret("key", session.profiles.keys(profile).keystore(profile.key))


def service(session: Session) -> Iterator[Finding]:
    """Check the service of the profile in use, and what it reports of its chain."""
    if not _has_profile(session):
        yield Finding("service", "not_checked", Message("no profile is chosen"), "tally doctor --profile NAME")
        return

    def ready() -> str:
        try:
            session.service.fetch("/readyz")
        except Unavailable as error:
            if error.code != "service_unreachable":
                raise
            # The hint of other commands is to ask this one.
            raise error.amended(
                hint=Message(
                    "Start it: tally serve. If it is elsewhere, make the profile again: tally profile add --replace"
                )
            ) from error
        return Message("{session.profile.url} is ready", session=session)

    asked = _tried("service", ready)
    yield asked
    if asked.result == "checked":
        log = session.service.get("/api/v1/log")
        yield from _log_of(log)
        yield _watching(session, log["published"])


def _own_service(settings: Settings) -> Iterator[Finding]:
    """Check the service of the data directory if no profile names one. Yield nothing if it does not run."""
    from ledger.client.service import ServiceClient

    try:
        create_connection((settings.host, settings.port), LOCAL_S).close()
    except OSError:
        return
    with ServiceClient(settings.own_url, timeout_s=LOCAL_S) as asked:
        try:
            asked.fetch("/readyz")
            log = asked.get("/api/v1/log")
        except TallystickError as error:
            yield Finding("service", "failed", error.for_operator, error.hint or "")
        else:
            yield from _log_of(log)


def _log_of(log: Mapping[str, Any]) -> Iterator[Finding]:
    """Check how far the log is anchored, how much of it a timestamp authority has stamped and the public store has."""
    chain, confirmed, stamped = log["chain"], log["anchored"]["confirmed"], log.get("timestamped")
    progress = Message(
        "{state}, {confirmed} of {size} entries anchored", state=chain["state"], confirmed=confirmed, size=log["size"]
    )
    if chain["waits"] == "quorum_missing":
        waits = Message("{progress}: {fault}", progress=progress, fault=chain["detail"])
        yield Finding("anchoring", "failed", waits, "tally anchor status")
    else:
        yield _progress("anchoring", progress, chain)
    if stamped is None:
        yield Finding("timestamps", "not_checked", Message("no authority is configured (timestamp_url)"))
    else:
        progress = Message(
            "{size} of {published} published entries timestamped", size=stamped["size"], published=log["published"]
        )
        yield _progress("timestamps", progress, stamped)
    if (stored := log.get("stored")) is None:
        yield Finding("public store", "not_checked", Message("tiles are read from the service (tile_store)"))
    else:
        progress = Message(
            "{size} of {published} published entries are there", size=stored["size"], published=log["published"]
        )
        yield _progress("public store", progress, stored)


def _progress(check: str, progress: str, status: Mapping[str, Any]) -> Finding:
    if status["fault"] is None:
        return Finding(check, "checked", progress)
    return Finding(
        check, "failed", Message("{progress}: {fault}", progress=progress, fault=status["fault"]), status["hint"] or ""
    )


def _has_profile(session: Session) -> bool:
    """Return whether a profile is named, or there is only one."""
    names = session.profiles.names()
    return bool(names) and (session.profile_name is not None or len(names) == 1)


def _watching(session: Session, published: int) -> Finding:
    """Check how far the agency has watched the use of its keys."""
    from ledger.cli.proofs import trust_of_profile
    from ledger.client.monitoring import read_position

    profile = session.profile
    if not session.profiles.trust(profile).exists():
        return Finding("monitor", "not_checked", Message("the profile has no trust file"), "tally log trust --pin")
    if not session.profiles.monitor(profile).exists():
        return Finding(
            "monitor", "not_checked", Message("nobody has looked what the agency's keys were used for"), "tally monitor"
        )

    def looked() -> str:
        position = read_position(session.profiles.monitor(profile), parse_trust(trust_of_profile(session)))
        return Message(
            "{position.followed.size} of {published} published entries looked at",
            position=position,
            published=published,
        )

    return _tried("monitor", looked)


def _secret(check: str, file: Path) -> Finding:
    return _tried(
        check,
        lambda: (
            Message("{file} is its owner's alone", file=file)
            if read_secret(file, field=check)
            else Message("{file} is empty", file=file)
        ),
    )


def _tried(check: str, look: Callable[[], str], mend: str = "") -> Finding:
    try:
        return Finding(check, "checked", look())
    except TallystickError as error:
        return Finding(check, "failed", error.for_operator, error.hint or mend)

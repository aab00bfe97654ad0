"""`tally init`, `doctor` and `serve`: a ledger is laid down, what is missing is said, and one service runs on it."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import stamina

from ledger.cli import diagnosis
from ledger.cli.diagnosis import clock, evidence_store, fonts
from ledger.cli.errors import Exit
from ledger.cli.listening import process_lock
from ledger.config.installation import DataDirectory, load
from ledger.config.keys import open_keystore, open_note_key
from ledger.config.secret_files import open_to_others
from ledger.config.settings import Settings
from ledger.core.errors import MalformedInput
from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.store import evidence_files, growth
from ledger.store.log import initialise
from ledger.store.opening import open_database
from ledger.store.tables import TREE
from ledger.witness.gathering.witnesses import WitnessFile
from tests.testkit.builders import LOG_ID, POLICE, founder
from tests.testkit.machine import free_port
from tests.testkit.tally import LITTLE_WORK, PASSPHRASE, Tally
from tests.unit.cli.world import World

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
    options = ("--passphrase-file", tally.passphrase_file, "--development", "--origin", "ledger.example/log")
    answer = tally.ok("init", "--light", "--founding", file, "--data-dir", where.path, *options)
    installation = load(where)
    assert (answer["log_id"], answer["development"]) == (installation.log_id, True)
    assert open_note_key(where.keys.note_key("log"), PASSPHRASE).verifying_key.vkey() == answer["log_key"]
    assert answer["log_key"].startswith("ledger.example/log+")
    assert open_keystore(where.keys.keystore("service"), PASSPHRASE).key_id == answer["service_key_id"]
    assert open_keystore(where.keys.keystore("submitter"), PASSPHRASE).key_id == answer["submitter"]
    assert installation.founding.agencies[0].name["zh"] == "东城公安"


def test_agencies_found_by_files_of_their_own(tally: Tally, where: DataDirectory, tmp_path: Path) -> None:
    """Each prepares a file on its machine; more than half of the witnesses are the quorum, and asked at their URLs."""
    secret = ("--light", "--passphrase-file", tally.passphrase_file)
    files: list[str | Path] = []
    for agency in ("psb-east", "court-east", "detention-east"):
        admin, witness, file = tally.new_key(agency), tmp_path / agency, tmp_path / f"{agency}.json"
        about: tuple[str | Path, ...] = ("--kind", "court", "--jurisdiction", "31/01", "--name", agency)
        about += ("--name", f"pt-PT={agency} = nós")
        if agency != "detention-east":
            keys = tally.ok("witness", "key", f"{agency}/w1", "--data-dir", witness, *secret)
            sent = tmp_path / "witness.json"  # from the witness's machine, if that is another one
            sent.write_text(json.dumps(keys))
            place = witness if agency == "psb-east" else sent
            about += ("--witness", place, "--witness-url", f"https://witness.{agency}.example/")
        tally.ok("agency", "prepare", agency, *about, "--admin", agency, "-o", file)
        prepared = json.loads(file.read_text())
        assert (prepared["admin"], prepared["name"]) == (admin, {"en": agency, "pt-PT": f"{agency} = nós"})
        files += ["--agency", file]
    done = tally("init", *files, "--data-dir", where.path, *secret)
    assert (done.status, "No procedure of this ledger knows the kind court of psb-east" in done.err) == (0, True)
    founding = load(where).founding
    assert founding.quorum == 2
    assert [witness.url for witness in WitnessFile(where.witnesses).read()] == [
        "https://witness.psb-east.example",
        "https://witness.court-east.example",
    ]
    assert founding.agencies[1].witness is not None
    assert list(founding.agencies[1].witness.verifier_keys) == keys["verifier_keys"]
    refused = tally("agency", "prepare", "psb-east", *about, "--witness-url", "https://witness.example")
    assert (refused.status, "--witness" in refused.err) == (Exit.USAGE, True)
    wrong = {"--kind": "Police", "--jurisdiction": "31 01", "--name": "n" * 2000, "--witness-url": "witness.example"}
    for option, value in wrong.items():  # what whoever founds the ledger would be refused
        refused = tally(
            "agency",
            "prepare",
            "psb-east",
            *about,
            "--admin",
            "psb-east",
            "--witness",
            tmp_path / "psb-east",
            option,
            value,
        )
        assert (refused.status, refused.err.startswith(f"{option}: ")) == (Exit.USAGE, True), refused.err
    for names, fault in ((("a", "b"), "one name in each language"), (("a", "zh_CN=b"), "language of a text")):
        options = [option for name in names for option in ("--name", name)]
        refused = tally("agency", "prepare", "psb-east", *about[:4], *options, "--admin", "psb-east", "-o", sent)
        assert (refused.status, fault in refused.err) == (Exit.USAGE, True), refused.err
    both = ("--name", "zh=" + "机" * 2000)
    refused = tally("agency", "prepare", "psb-east", *about[:6], *both, "--admin", "psb-east", "-o", sent)
    assert (refused.status, refused.err.startswith("--name: ")) == (Exit.USAGE, True), refused.err
    refused = tally("agency", "prepare", "ledger", *about[:6], "--admin", "psb-east", "-o", sent)
    assert (refused.status, refused.err.startswith("AGENCY_ID: the ledger itself signs")) == (Exit.USAGE, True)
    refused = tally("agency", "prepare", "psb-east", *about[:6], "--admin", "nobody", "-o", sent)
    assert refused.err.startswith("--admin: there is no key nobody")
    admin_elsewhere = ("--admin", "psb-east", "-o", tmp_path / "x.json")
    unknown = tally("agency", "prepare", "x", *about[2:6], "--kind", "constable", *admin_elsewhere)
    assert (unknown.status, "knows the kind constable" in unknown.err) == (Exit.OK, True), unknown.err
    for place in (tmp_path, tally.passphrase_file):
        lacking = tally("agency", "prepare", "psb-east", *about[:6], "--admin", "psb-east", "--witness", place)
        assert (lacking.status, "tally witness key" in lacking.err) == (Exit.USAGE, True)


def test_what_is_wrong_in_an_option_is_not_laid_to_the_founding(
    tally: Tally, where: DataDirectory, tmp_path: Path
) -> None:
    """A file that is named twice or is none, a quorum of more than there are, and no witness: each by its option."""
    tally.new_key("psb-east")
    file, spoiled = tmp_path / "psb-east.json", tmp_path / "spoiled.json"
    about = ("--kind", "police", "--jurisdiction", "31/01", "--name", "A", "--admin", "psb-east")
    tally.ok("agency", "prepare", "psb-east", *about, "-o", file)
    spoiled.write_text('{"agency_id": "X"}')
    secret = ("--light", "--passphrase-file", tally.passphrase_file)

    def refused(*options: str | Path) -> str:
        done = tally("init", "--data-dir", where.path, *secret, *options)
        assert done.status == Exit.USAGE
        assert "--founding" not in done.err
        return done.err

    assert refused("--development", "--agency", file, "--agency", file).startswith(f"--agency {file}: agency_id: ")
    assert refused("--development", "--agency", spoiled).startswith(f"--agency {spoiled}: agency_id: ")
    assert refused("--agency", file, "--quorum", "3").startswith("--quorum: ")
    assert refused("--agency", file).startswith("--agency: expected a quorum of 1")
    spoiled.write_text("x")
    assert refused("--agency", spoiled).startswith(f"--agency {spoiled}: ")


def test_passphrase_can_be_minted(tally: Tally, where: DataDirectory) -> None:
    """--keep-passphrase mints one and keeps it beside the keys, for their owner alone. Nobody guesses it: the keys open
    with little work."""
    tally.found(where.path, "--keep-passphrase")
    assert json.loads(where.keys.keystore("service").read_bytes())["crypto"]["kdfparams"]["n"] == LITTLE_WORK
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
    done = tally("--json", "doctor", "--data-dir", where.path)
    wrong = {finding["check"]: finding for finding in done.json() if finding["result"] == "failed"}
    assert done.status == (Exit.REFUSED if wrong else Exit.OK)
    return wrong


def test_doctor_finds_nothing_on_this_machine(tally: Tally, where: DataDirectory) -> None:
    """With a whole installation every finding is well, and the exit code says so."""
    tally.found(where.path, "--keep-passphrase")
    findings = tally.ok("doctor", "--data-dir", where.path)
    assert {finding["check"] for finding in findings} >= {"python", "node", "anvil", "installation", "key", "database"}
    assert {finding["result"] for finding in findings} <= {"checked", "not_checked"}


def test_doctor_tells_which_files_wait_to_be_deleted(where: DataDirectory, tmp_path: Path) -> None:
    """After an hour that is a fault; and one at once if the storage is away. Without a store nobody asks."""
    folder = tmp_path / "evidence"
    settings = Settings(data_dir=where.path, evidence_store=folder.as_uri())
    assert list(evidence_store(settings)) == []
    where.path.mkdir()
    with closing(open_database(f"sqlite:///{where.database}")) as database:
        initialise(database, LOG_ID)
        (finding,) = evidence_store(settings)
        assert (finding.result, str(folder) in finding.detail) == ("checked", True)
        folder.mkdir()
        assert [each.result for each in evidence_store(settings)] == ["checked"]
        (folder / "ledger").write_text(LOG_ID.hex())
        for seconds, result in ((60, "checked"), (7200, "failed")):
            with database.write() as connection:
                evidence_files.delete_later(connection, f"name-{seconds}", int(time.time() - seconds) * 1000)
            (finding,) = evidence_store(settings)
            assert finding.result == result
        assert finding.detail.startswith("files still to be deleted: 2")
        (folder / "ledger").unlink()
        (finding,) = evidence_store(settings)
        assert (finding.result, "not where it was" in finding.detail) == ("failed", True)
        assert list(evidence_store(Settings(data_dir=where.path))) == []


def test_doctor_names_an_evidence_store_that_cannot_be_made(tally: Tally, where: DataDirectory) -> None:
    """Before the first start the service would end for it: the folder is named, and how to make it."""
    tally.found(where.path, "--keep-passphrase")
    folder = tally.passphrase_file / "evidence"  # below a file nobody makes one
    (finding,) = evidence_store(Settings(data_dir=where.path, evidence_store=folder.as_uri()))
    assert (finding.result, finding.mend) == ("failed", f"install -d -m 700 -o USER {folder}")


@pytest.mark.parametrize("damage", ["cut short", "zeroed", "emptied", "missing"])
def test_doctor_reads_the_database(where: DataDirectory, damage: str) -> None:
    """What is there is read, and not changed: of a file that is damaged, or not the ledger's any more, it says what
    brings the ledger back."""
    where.path.mkdir()
    settings = Settings(data_dir=where.path)
    assert diagnosis.database(settings).result == "checked"  # before the first start
    with closing(open_database(f"sqlite:///{where.database}")) as database:
        initialise(database, LOG_ID)
    where.trust.touch()
    content = where.database.read_bytes()
    assert diagnosis.database(settings) == ("database", "checked", str(where.database), "")
    assert where.database.read_bytes() == content
    where.database.write_bytes(
        {
            "cut short": content[: len(content) // 2],
            "zeroed": content[:8192] + bytes(len(content) - 8192),
            "emptied": b"",
            "missing": b"",
        }[damage]
    )
    if damage == "missing":
        where.database.unlink()
    finding = diagnosis.database(settings)
    assert (finding.result, "docs/operations/backup.md" in finding.mend) == ("failed", True)


@pytest.mark.parametrize("obstacle", ["a folder in its place", "a log that cannot be opened"])
def test_doctor_calls_no_database_damaged_that_it_cannot_read(where: DataDirectory, obstacle: str) -> None:
    """Who restored a backup in its place would lose what is sound: the advice is to look at what holds it."""
    where.path.mkdir()
    with closing(open_database(f"sqlite:///{where.database}")):
        pass
    if obstacle == "a log that cannot be opened":
        where.database.with_name(f"{where.database.name}-wal").mkdir()
    else:
        where.database.unlink()
        where.database.mkdir()
    finding = diagnosis.database(Settings(data_dir=where.path))
    assert (finding.result, "cannot be read" in finding.detail) == ("failed", True)
    assert ("read-only" in finding.mend, "backup" in finding.mend) == (True, False)


def test_doctor_takes_settings_of_a_connection_for_no_part_of_the_file(where: DataDirectory, tmp_path: Path) -> None:
    """An address with a query names the file before it: one that is there is not missing, and is its owner's alone."""
    where.path.mkdir()
    where.trust.touch()
    file = tmp_path / "other.db"
    settings = Settings(data_dir=where.path, database_url=f"sqlite:///{file}?timeout=9")
    with closing(open_database(settings.database_url or "")) as database:
        initialise(database, LOG_ID)
    assert diagnosis.database(settings) == ("database", "checked", str(file), "")
    file.chmod(0o644)
    assert [each.result for each in diagnosis.files(settings) if str(file) in each.detail].count("failed") == 1


def test_doctor_says_how_much_of_a_large_database_it_has_read(
    where: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a bounded time, and claims nothing of the rest."""
    where.path.mkdir()
    open_database(f"sqlite:///{where.database}").close()
    monkeypatch.setattr(diagnosis, "QUICK_CHECK_S", -1.0)
    finding = diagnosis.database(Settings(data_dir=where.path))
    assert (finding.result, "tally audit reads all of it" in finding.detail) == ("checked", True)


def test_doctor_says_when_the_disk_is_nearly_full(where: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below what the service's own page warns of."""
    settings = Settings(data_dir=where.path)
    assert list(diagnosis.disk(settings)) == []
    where.path.mkdir()
    for least, result in ((0, "checked"), (2**80, "failed")):
        monkeypatch.setattr(growth, "LEAST_FREE", least)
        (finding,) = diagnosis.disk(settings)
        assert finding.result == result


@pytest.mark.parametrize("ahead_s", [3600, 0, -3600])
def test_doctor_tells_a_clock_that_is_wrong(tally: Tally, where: DataDirectory, ahead_s: int) -> None:
    """By what others say the time is, over HTTP, and by the time of the last entry; where nobody says it, it tells."""

    class Clock(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(405)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() - ahead_s, usegmt=True)

        def log_message(self, *_: object) -> None:
            """Say nothing of what is asked."""

    tally.found(where.path)
    assert [each.result for each in clock(Settings(data_dir=where.path), where)] == ["not_checked"]
    with closing(open_database(f"sqlite:///{where.database}")) as database:
        initialise(database, LOG_ID)
        with database.write() as connection:
            connection.execute(TREE.update().values(recorded_at=int(time.time() - ahead_s) * 1000))
    with HTTPServer(("127.0.0.1", 0), Clock) as server:
        own = Settings(data_dir=where.path, timestamp_url=f"http://127.0.0.1:{server.server_port}")
        assert [each.result for each in clock(own, where)][-1] == "not_checked"  # this machine has but one clock
        Thread(target=server.handle_request).start()
        settings = Settings(data_dir=where.path, timestamp_url=f"http://0.0.0.0:{server.server_port}")
        findings = [(each.result, each.detail) for each in clock(settings, where)]
    assert ("failed" in dict(findings)) == bool(ahead_s)
    details = " ".join(detail for _, detail in findings)
    assert ("ahead of the clock of 0.0.0.0" in details, "behind the clock" in details) == (ahead_s > 0, ahead_s < 0)
    assert ("behind the log's last entry" in details) == (ahead_s < 0)


def test_doctor_names_the_fonts_that_paper_lacks() -> None:
    """And the command that brings them."""
    missing = fonts(["Noto Serif CJK SC"])
    assert (missing.result, missing.detail) == ("failed", "paper needs Noto Serif CJK SC")
    assert "apt-get install fonts-noto-cjk" in missing.mend
    assert fonts([]).result == "checked"


def test_doctor_tells_what_is_wrong_and_what_mends_it(tally: Tally, where: DataDirectory) -> None:
    """An open key, a lost passphrase, a chain and a service that are away: each found, with the command that helps."""
    tally.found(where.path, "--keep-passphrase")
    where.keys.keystore("service").chmod(0o644)
    where.passphrase.unlink()
    (where.path / "settings.env").write_text("TALLYSTICK_CHAIN=http://127.0.0.1:1\n")
    tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:1")
    with stamina.set_testing(True, attempts=1):
        wrong = failed(tally, where)
        chinese = tally("--lang", "zh-CN", "doctor", "--data-dir", where.path).out
    assert wrong.keys() == {"key", "files", "passphrase", "chain", "service"}
    assert "is not reachable" not in chinese
    assert f"chmod 600 {where.keys.keystore('service')}" in wrong["key"]["mend"]
    assert "tally serve" in wrong["service"]["mend"]
    assert "tally doctor" not in wrong["service"]["mend"]
    (where.path / "settings.env").write_text("TALLYSTICK_PORT=none\n")
    tally("profile", "remove", "reader")
    assert failed(tally, where)["settings"]["detail"].startswith("port: ")


def test_doctor_tells_a_quorum_that_the_witnesses_asked_cannot_meet(tally: Tally, where: DataDirectory) -> None:
    """Before the service runs, and with no profile: a founding whose witnesses nobody asks anchors nothing."""
    key = SeedSigner.from_seed("police/w1", b"\7" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
    witness = {"account": "0x" + "2b" * 20, "verifier_keys": [key]}
    agencies = [founder(POLICE, witness=witness)]
    tally.found(where.path, "--keep-passphrase", agencies=agencies, quorum=1, development=False)
    entry = failed(tally, where)["witnesses"]
    assert "the 0 witnesses of" in entry["detail"]
    assert str(where.witnesses) in entry["mend"]
    where.witnesses.write_text(f'[[witnesses]]\nurl = "http://127.0.0.1:1"\nverifier_keys = ["{key}"]\n')
    assert "witnesses" not in failed(tally, where)


def test_second_service_on_a_ledger_is_refused(world: World) -> None:
    """Whoever starts another service on a ledger that is served is told so, and the first goes on."""
    options = ("--data-dir", world.data, "--passphrase-file", world.tally.passphrase_file)
    done = world.tally("serve", *options, "--port", str(free_port()))
    assert (done.status, done.err.count("\n")) == (Exit.USAGE, 1)
    assert f"--data-dir: another service runs on the ledger in {world.data}" in done.err
    assert world.run("case", "list").status == Exit.OK


def test_services_share_a_ledger_that_lies_elsewhere(tmp_path: Path) -> None:
    """Those that leave database and chain to others may be many; beside one that keeps its own there is no place."""
    lock = tmp_path / "service.lock"
    texts = {"message": "another service runs", "hint": "stop it"}
    refused = pytest.raises(MalformedInput, match="another service")
    with (
        process_lock(lock, shares=True, **texts),
        process_lock(lock, shares=True, **texts),
        refused,
        process_lock(lock, **texts),
    ):
        pass
    with process_lock(lock, **texts), refused, process_lock(lock, shares=True, **texts):
        pass


@pytest.mark.parametrize("setting", ["port", "metrics_port"])
def test_address_in_use_is_told(tally: Tally, tmp_path: Path, setting: str) -> None:
    """A port that another program listens at is named, with the way to choose another; nothing was opened."""
    ledger = tally.found(tmp_path / "ledger")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ports = {"port": free_port(), setting: port}
        lines = (f"TALLYSTICK_{name.upper()}={number}\n" for name, number in ports.items())
        (ledger / "settings.env").touch(0o600)
        (ledger / "settings.env").write_text("".join(lines))
        done = tally("serve", "--data-dir", ledger, "--passphrase-file", tally.passphrase_file)
    assert (done.status, done.err.count("\n")) == (Exit.USAGE, 1)
    assert f"port: cannot listen at 127.0.0.1 port {port}: Address already in use" in done.err
    assert ("TALLYSTICK_PORT" in done.err) == (setting == "port")
    assert not (ledger / "tallystick.db").exists()


def test_nothing_in_the_directory_of_a_running_service_is_open_to_others(world: World) -> None:
    """Databases and their write-ahead logs, and what libraries and the chain's node write by the process's umask."""
    names = ("tallystick.db-wal", "tallystick-access.db-shm", "trust.json", "service.lock", "chain")
    assert [name for name in names if not (world.data / name).exists()] == []
    assert list(open_to_others(world.data)) == []


def test_a_directory_that_was_open_to_others_is_repaired_and_told(tally: Tally, tmp_path: Path) -> None:
    """Before anything else is opened: one restored from a backup, say, that did not keep its modes."""
    ledger = tally.found(tmp_path / "ledger")
    (ledger / "settings.env").write_text("")
    for path, mode in ((ledger, 0o755), (ledger / "settings.env", 0o644)):
        path.chmod(mode)
    options = ("--data-dir", ledger, "--passphrase-file", tally.passphrase_file)
    done = tally("serve", *options, "--host", "192.0.2.1", "--port", str(free_port()))
    assert (done.status, "--host: cannot listen at 192.0.2.1" in done.err) == (Exit.USAGE, True)
    assert f"others could use 2 files and folders, {ledger} among them" in done.err
    assert list(open_to_others(ledger)) == []

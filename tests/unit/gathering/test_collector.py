"""Checkpoints go to witnesses over HTTP, ours and others'; what they sign is verified, what they say is heard."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from ledger.config.keys import MlDsaSigner
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import Policy, parse_policy
from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.witness.gathering import collector as carrying
from ledger.witness.gathering import witnesses as asking
from ledger.witness.gathering.collector import CosignatureCollector, WitnessAhead
from ledger.witness.gathering.witnesses import Witness, WitnessFile, read_witnesses
from tests.testkit.builders import LOG_ID, POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_founded, open_ledger, sqlite_url
from tests.testkit.machine import free_port, program, wait_until
from tests.testkit.witness_server import Reply, SmallWitness, policy_of, serving, serving_all


def small(name: str) -> SmallWitness:
    return SmallWitness(name, LOG_SIGNER.verifying_key, LOG_ID)


@dataclass
class Bench:
    """A log that grows, and a collector whose witnesses the test names."""

    ledger: Ledger
    witnesses: list[Witness] = field(default_factory=list)
    policy: Policy = field(default_factory=lambda: parse_policy("quorum none\n"))
    halted: list[TallystickError] = field(default_factory=list)
    grown: int = 0

    def collector(self) -> CosignatureCollector:
        return CosignatureCollector(
            self.ledger.database,
            lambda: tuple(self.witnesses),
            policy=lambda: self.policy,
            halt=self.halted.append,
            clock=self.ledger.clock,
        )

    def step(self) -> CosignatureCollector:
        """The first step of a service that was started anew."""
        collector = self.collector()
        collector.step()
        return collector

    def grow(self, entries: int = 1) -> int:
        """So many entries more, published; gives the size."""
        for _ in range(entries):
            self.ledger.post(Case(f"case-{self.grown}", start=self.ledger.clock.seconds - 600).open().last)
            self.grown += 1
        return self.publish()

    def publish(self) -> int:
        """What there is; gives the size."""
        self.ledger.clock.forward(2)
        assert self.ledger.publisher.publish(self.ledger.database, self.ledger.clock()) is not None
        return self.newest().size

    def newest(self) -> PublishedCheckpoint:
        with self.ledger.database.read() as connection:
            published = checkpoints.last_published(connection)
        assert published is not None
        return published

    def witnessed(self) -> int:
        with self.ledger.database.read() as connection:
            published = checkpoints.last_witnessed(connection)
        return published.size if published else 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A founded ledger, nothing published."""
    with open_founded(sqlite_url(tmp_path), clerk(POLICE)) as ledger:
        yield Bench(ledger)


@pytest.fixture
def witness(bench: Bench) -> Iterator[SmallWitness]:
    """The one witness that the bench asks."""
    with serving(small("w1")) as only:
        bench.witnesses = [only.configured]
        yield only


@contextmanager
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(asking, "FIRST_PAUSE_S", 0.0)
        yield


def test_each_published_checkpoint_is_co_signed_by_every_witness(bench: Bench) -> None:
    """Their lines stand under the note, verified; the next one follows from the size that each has."""
    with serving_all(small("w1"), small("w2")) as witnesses:
        bench.witnesses = [witness.configured for witness in witnesses]
        collector = bench.collector()
        for entries in (1, 5, 260):
            size = bench.grow(entries)
            collector.step()
            cosignatures = verify_cosignatures(
                bench.newest().note, [witness.signer.verifying_key for witness in witnesses]
            )
            assert [cosignature.witness.name for cosignature in cosignatures] == ["w1", "w2"]
            assert [(state.size, state.fault) for state in collector.states()] == [(size, None)] * 2
        assert [witness.asked.count("/add-checkpoint") for witness in witnesses] == [3, 3]
    assert collector.has_looked.is_set()


@pytest.mark.parametrize("threshold", ["any", "all"])
def test_both_keys_of_a_witness_sign_for_a_policy_that_asks_for_either_or_both(bench: Bench, threshold: str) -> None:
    """One request brings both lines; a key that the file names and that is not there is told, and the other counts."""
    both = small("w1")
    both.is_hybrid = True
    ed25519, ml_dsa = (key.vkey() for key in both.keys)
    lines = f"witness a {ed25519}\nwitness b {ml_dsa}\ngroup w1 {threshold} a b\nquorum w1\n"
    bench.policy = parse_policy(lines)
    with serving(both):
        bench.witnesses = [both.configured]
        collector = bench.collector()
        size = bench.grow()
        collector.step()
        assert both.asked == ["/add-checkpoint"]
        assert len(verify_cosignatures(bench.newest().note, both.keys)) == 2
        assert (bench.witnessed(), collector.states()[0].fault) == (size, None)
        both.is_hybrid = False  # its operator took the second key away
        bench.grow()
        collector.step()
        assert ml_dsa in (collector.states()[0].fault or "")
        assert len(verify_cosignatures(bench.newest().note, both.keys)) == 1
        assert bench.witnessed() == (bench.newest().size if threshold == "any" else size)


def test_a_mirrors_signature_is_asked_for_too(bench: Bench) -> None:
    """After its witness has signed; a policy may name it. One that has not every entry yet is asked again, also while
    the log does not grow."""
    both = small("w1")
    mirror = MlDsaSigner.from_seed("m1", b"\x09" * 32)
    lines = "".join(f"witness k{n} {key.vkey()}\n" for n, key in enumerate((*both.keys, mirror.verifying_key)))
    bench.policy = parse_policy(f"{lines}group g all k0 k1\nquorum g\n")
    with serving(both):
        bench.witnesses = [replace(both.configured, mirror=mirror.verifying_key)]
        collector = bench.collector()
        size = bench.grow()
        collector.step()
        assert "waits for entries" in (collector.states()[0].fault or "")
        assert bench.witnessed() == 0
        both.mirror = mirror
        collector._refusals.clear()
        collector.step()
        assert (bench.witnessed(), collector.states()[0].fault) == (size, None)
        (signed,) = verify_cosignatures(bench.newest().note, [mirror.verifying_key])
        assert signed.timestamp == both.now


def test_a_checkpoint_counts_as_witnessed_once_the_policys_quorum_has_signed(bench: Bench) -> None:
    """One of two is not enough; the second is."""
    with serving_all(small("w1"), small("w2"), small("w3")) as (first, second, third):
        bench.policy = policy_of(2, first, second)
        bench.witnesses = [first.configured, third.foreign]
        size = bench.grow()
        collector = bench.step()
        assert bench.witnessed() == 0
        bench.witnesses.append(second.configured)
        collector.step()
        assert bench.witnessed() == size


def test_a_dead_witness_holds_up_nobody_and_is_asked_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fault is told, and when it last answered; the other has signed; once back it signs from the size it has."""
    dead = small("dead")
    with serving(small("w1")) as alive:
        with serving(dead):
            bench.witnesses = [alive.configured, dead.configured]
            bench.grow()
            collector = bench.collector()
            assert [state.heard_at for state in collector.states()] == [None, None]
            collector.step()
        heard = collector.states()[1].heard_at
        assert heard is not None
        size = bench.grow(3)
        with without_pauses(monkeypatch):
            collector.step()
        states = {state.name: state for state in collector.states()}
        assert (states["w1"].size, states["w1"].fault) == (size, None)
        assert "cannot be reached" in str(states["dead"].fault)
        assert states["dead"].heard_at == heard
        with serving(dead, int(dead.url.rpartition(":")[2])):
            size = bench.grow(3)
            collector.step()
        assert {(state.size, state.fault) for state in collector.states()} == {(size, None)}


def test_after_a_failure_a_witness_is_left_alone_for_a_while(bench: Bench) -> None:
    """The pause is the witness's own."""
    with serving_all(small("w1"), small("w2")) as (first, second):
        second.spoil = lambda _: Reply(503, b"")
        bench.witnesses = [first.configured, second.configured]
        collector = bench.collector()
        for _ in range(3):
            bench.grow()
            collector.step()
        assert (len(first.asked), len(second.asked)) == (3, 1)


def test_a_witness_that_has_another_size_is_sent_the_proof_from_there(bench: Bench, witness: SmallWitness) -> None:
    """It was asked by another process, or this database forgot: the answer 409 tells the size, and is followed once."""
    bench.grow(4)
    bench.step()
    with bench.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM cosignatures")
    size = bench.grow(3)
    assert [state.size for state in bench.step().states()] == [size]
    assert len(witness.asked) == 3
    assert bench.halted == []


def test_a_witness_that_was_reset_is_taken_from_the_beginning(bench: Bench, witness: SmallWitness) -> None:
    """It says 0 and gets the checkpoint without a proof."""
    bench.grow(4)
    collector = bench.step()
    witness.size, witness.root = 0, b""
    size = bench.grow()
    collector.step()
    assert witness.size == size


@pytest.mark.parametrize(
    ("ahead", "root", "grown", "message"),
    [
        (3, b"", 0, "has seen {more} entries of this log, which has {size}"),
        (0, b"\x01" * 32, 0, "another root"),
        (0, b"\x01" * 32, 2, "another history"),
    ],
    ids=["rolled back", "changed", "written on after an older backup"],
)
def test_a_witness_that_knows_another_log_stops_the_writer(
    bench: Bench, witness: SmallWitness, ahead: int, root: bytes, grown: int, message: str
) -> None:
    """After a start every witness is asked, though nothing is new: what it has seen must be of this log."""
    size = bench.grow(4)
    bench.step()
    witness.size, witness.root = witness.size + ahead, root or witness.root
    if grown:
        bench.grow(grown)
    collector = bench.step()
    assert collector.has_looked.is_set()
    (halted,) = bench.halted
    assert isinstance(halted, WitnessAhead)
    assert message.format(size=size, more=size + ahead) in str(halted)
    assert collector.states()[0].fault is not None


def test_a_checkpoint_that_another_process_published_is_no_rollback(bench: Bench, witness: SmallWitness) -> None:
    """A witness may have a size that is published after this look began, as long as the log has that many entries."""
    size = bench.grow(4)
    bench.ledger.post(Case("later", start=bench.ledger.clock.seconds - 600).open().last)
    witness.size = size + 1
    collector = bench.step()
    assert bench.halted == []
    assert [(state.size, state.fault) for state in collector.states()] == [(size + 1, None)]
    assert not collector.has_looked.is_set(), "whether it is the same tree shows once that size is published"
    witness.root = b"\x01" * 32
    bench.publish()
    collector.step()
    assert ["another root" in str(error) for error in bench.halted] == [True]
    assert collector.has_looked.is_set()


def test_a_witness_that_was_away_at_the_start_is_asked_until_it_is_heard(
    bench: Bench, witness: SmallWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is new for it, but it may know what this database has lost; once it was heard it has its peace."""
    with without_pauses(monkeypatch):
        bench.grow(4)
        bench.step()
        witness.size += 3
        witness.spoil = lambda _: Reply(503, b"")
        collector = bench.step()
        assert collector.has_looked.is_set(), "a ledger does not wait for who is away"
        assert bench.halted == []
        witness.spoil = None
        asked = len(witness.asked)
        for _ in range(3):
            collector.step()
        assert len(witness.asked) == asked + 1
        assert [type(error) for error in bench.halted] == [WitnessAhead]


ANSWERS = (
    (Reply(403, b"who are you"), "answers 403"),
    (Reply(422, b'{"detail": "no such history"}', "application/problem+json"), "422: no such history"),
    (Reply(503, b'{"title": "halted"}', "application/problem+json"), "503: halted"),
    (Reply(409, b"conflict"), "answers 409"),
    (Reply(409, b"-1\n", "text/x.tlog.size"), "something else"),
    (Reply(200, b"<html>"), "something else"),
    (Reply(200, b"\xff\xfe"), "something else"),
    (Reply(200, b"x" * 70_000), "more than 65536 bytes"),
)


def test_an_answer_of_another_form_is_told_and_stores_nothing(bench: Bench, witness: SmallWitness) -> None:
    """Statuses, garbage, too much: the witness is at fault, the log goes on."""
    bench.grow()
    for reply, reason in ANSWERS:
        witness.spoil = lambda _, reply=reply: reply
        assert reason in str(bench.step().states()[0].fault)
        assert bench.newest().note.count("\u2014") == 1
        assert bench.halted == []


def test_only_the_known_keys_signature_over_this_checkpoint_is_stored(bench: Bench, witness: SmallWitness) -> None:
    """Another witness's line is refused, and so is one over another checkpoint."""
    bench.witnesses = [Witness(witness.url, (small("w2").signer.verifying_key,))]
    bench.grow()
    assert "no signature line of the answer is by w2" in str(bench.step().states()[0].fault)

    old = witness.add_checkpoint(f"old {witness.size}\n\n{carrying.log_signed(bench.newest().note)}".encode()).body
    bench.grow()
    witness.spoil = lambda _: Reply(200, old)
    bench.witnesses = [witness.configured]
    assert "does not hold" in str(bench.step().states()[0].fault)
    assert bench.newest().note.count("\u2014") == 1


def test_the_first_co_signature_stays(bench: Bench, witness: SmallWitness) -> None:
    """Asked again after a start, a witness signs a later time; the earliest proves more."""
    bench.grow()
    bench.step()
    before = bench.newest().note
    bench.step()
    assert len(witness.asked) == 2
    assert bench.newest().note == before


# -- the file of witnesses ---------------------------------------------------------------------------------------------


URL = "http://127.0.0.1:8431"


def reached(name: str) -> SmallWitness:
    return SmallWitness(name, LOG_SIGNER.verifying_key, LOG_ID, url=URL)


def test_a_witness_has_a_url_a_key_and_where_the_contract_counts_it_an_account() -> None:
    """Both kinds stand in one file; a slash at the end of a URL means nothing."""
    ours, foreign = reached("w1"), SmallWitness("w2", LOG_SIGNER.verifying_key, LOG_ID, url="https://w2.example/tlog/")
    assert read_witnesses(ours.row() + foreign.row(foreign=True)) == (
        ours.configured,
        Witness("https://w2.example/tlog", (foreign.signer.verifying_key,)),
    )
    assert read_witnesses("") == ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[[witnesses]", "witnesses.toml"),
        ("[[witnesses]]\nurl = 1\n", "witnesses.toml"),
        (reached("w1").row() + "colour = 'red'\n", "witnesses.toml"),
        (reached("w1").row().replace(URL, "ftp://w1"), "witnesses.toml: witnesses[0].url"),
        (reached("w1").row().replace(URL, URL + "?x=1"), "witnesses.toml: witnesses[0].url"),
        (f'[[witnesses]]\nurl = "{URL}"\nverifier_keys = ["w1"]\n', "witnesses.toml: witnesses[0].verifier_keys"),
        (
            f'[[witnesses]]\nurl = "{URL}"\nverifier_keys = ["{LOG_SIGNER.verifying_key.vkey()}"]\n',
            "witnesses.toml: witnesses[0].verifier_keys",
        ),
        (reached("w1").row() * 2, "witnesses.toml: verifier_keys"),
        (reached("w1").row() + reached("w2").row(), "witnesses.toml: url"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_field(text: str, field: str) -> None:
    """TOML, known names, http(s), a key for co-signatures, no witness twice."""
    with pytest.raises(MalformedInput) as refused:
        read_witnesses(text)
    assert refused.value.field == field


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Witnesses come and go while the service runs; a file that is broken meanwhile changes nothing."""
    path = tmp_path / "witnesses.toml"
    file = WitnessFile(path)
    assert file() == ()
    for number, (text, expected) in enumerate(
        [(reached("w1").row(), 1), ("", 0), (reached("w1").row(), 1), ("[[broken", 1), (reached("w2").row(), 1)]
    ):
        path.write_text(text)
        os.utime(path, ns=(number, number))
        assert len(file()) == expected
    assert file()[0].name == "w2"
    path.unlink()
    assert file() == ()


# -- a witness that others wrote ---------------------------------------------------------------------------------------


WITHIN = 60  # seconds for anything that is waited for


@contextmanager
def running(folder: Path) -> Iterator[Witness]:
    """``aics-witness`` in ``folder`` as its operator runs it, with a key of its own, knowing our log's key."""
    folder.mkdir()
    vkey = aics_witness(folder, "init", "--name", "witness.example/abroad").strip().splitlines()[-1]
    key = LOG_SIGNER.verifying_key
    aics_witness(folder, "add-log", "--origin", key.name, "--vkey", key.vkey())
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "witness.log").open("ab") as log:
        command = [program("aics", "aics-witness"), "serve", "--listen", url.removeprefix("http://")]
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or answers(url), within_s=WITHIN)
        assert process.poll() is None
        yield Witness(url, (parse_vkey(vkey),))
    finally:
        process.terminate()
        process.wait(WITHIN)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"AICS_WITNESS_CONFIG": str(folder / "witness.json")}


def aics_witness(folder: Path, *arguments: str) -> str:
    """What a command of the witness's operator prints."""
    command = [program("aics", "aics-witness"), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_it_co_signs_as_the_log_grows(tmp_path: Path) -> None:
    """From nothing to a first checkpoint, then by consistency proofs; what it signs holds here and with `aics-tlog`."""
    with open_ledger(sqlite_url(tmp_path)) as ledger, running(tmp_path / "abroad") as abroad:
        ledger.found(clerk(POLICE))
        bench = Bench(ledger, [abroad], parse_policy(f"witness abroad {abroad.vkeys[0]}\nquorum abroad\n"))
        for _ in range(3):
            size = bench.grow()
            (state,) = bench.step().states()
            assert (state.size, state.fault, bench.halted) == (size, None, [])
            note = bench.newest().note
            (cosignature,) = verify_cosignatures(note, abroad.keys)
            assert abs(cosignature.timestamp - time.time()) < WITHIN
        assert bench.witnessed() == size
        assert not json.loads(aics_witness(tmp_path / "abroad", "evidence")), "it has found no contradiction"
    file, key = tmp_path / "note", tmp_path / "log.vkey"
    file.write_text(note, encoding="utf-8")
    key.write_text(LOG_SIGNER.verifying_key.vkey() + "\n", encoding="utf-8")
    command = ["verify-checkpoint", "--note", file, "--vkey-file", key, "--quorum", "1", "--max-age", "600"]
    tlog = [program("aics", "aics-tlog"), *map(str, command), "--witness-key", *abroad.vkeys]
    done = subprocess.run(tlog, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"]

"""`tally monitor`: an agency sees each use of its keys once, and is alarmed by what no honest log would hold."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.cli.errors import Exit
from ledger.config.secret_files import write_secret
from ledger.core.events import NAME_OF, Body
from ledger.core.events.registry import AdminChanged, ProcedureAdopted, QuorumSet, SubmitterSet, WitnessSet
from ledger.core.log.notes import SeedSigner
from ledger.core.trust.trust_file import encode_trust
from tests.testkit import bundles
from tests.testkit.builders import (
    POLICE,
    PROCURATORATE,
    Officer,
    Registry,
    SignedEvent,
    clerk,
    instant,
    key_id,
    signed,
    supervisor,
)
from tests.testkit.casework import Case
from tests.testkit.tally import Done, Tally
from tests.unit.witness.cheating import CheatingLog, served

CLERK, CHIEF, OTHER = clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE)
STRANGER = clerk(POLICE, 9)  # nobody granted this key


class Watch:
    """A profile of the police at a log that a test may make lie."""

    def __init__(self, tally: Tally, log: CheatingLog):
        self.tally = tally
        self.log = log
        self.registry = Registry()
        tally.ok("profile", "add", "police", "--url", log.url)
        self.folder = tally.config / "profiles" / "police"
        write_secret(self.folder / "trust.json", encode_trust(bundles.trust()), field="trust")
        self.change(lambda: self.registry.admit(POLICE, PROCURATORATE).grant(CLERK, CHIEF, OTHER))

    def change(self, act: Any) -> None:
        """Change the registry, and mirror that into the log."""
        count = len(self.registry.bodies)
        act()
        self.log.mirror(*self.registry.bodies[count:])

    def open(self, case_id: str, by: Officer = CLERK) -> SignedEvent:
        event = Case(case_id).open(by).last
        self.log.add(event)
        return event

    def done(self, *more: str) -> Done:
        return self.tally("--json", "monitor", "--agency", POLICE, *more)

    def look(self, status: Exit = Exit.OK) -> Any:
        """Give what one look tells."""
        done = self.done()
        assert done.status == status, done.err or done.out
        return done.json()

    def fault(self) -> Any:
        """Give the error of a look that must fail, and say so with the exit code of what was tampered with."""
        done = self.done()
        assert done.status == Exit.REFUSED, done.out
        return json.loads(done.err)["error"]


@pytest.fixture
def watch(tally: Tally) -> Iterator[Watch]:
    """Serve a log with two agencies."""
    with served(CheatingLog()) as log:
        yield Watch(tally, log)


def test_each_use_is_shown_once(watch: Watch) -> None:
    """Uses of the agency's keys and changes of them in the registry, never those of others, and none a second time;
    that an agency is admitted concerns all."""
    watch.open("case-1")
    watch.open("case-2", OTHER)
    look = watch.look()
    assert (look["agency"], look["since"], look["size"], look["alarms"]) == (POLICE, 0, len(watch.log.events), 0)
    kinds = [(use["event_type"], use["key_id"], use["officer"]) for use in look["uses"]]
    assert kinds == [
        ("registry.agency_admitted", None, None),
        ("registry.agency_admitted", None, None),
        ("registry.key_granted", CLERK.key_id, CLERK.officer_id),
        ("registry.key_granted", CHIEF.key_id, CHIEF.officer_id),
        ("case.opened", CLERK.key_id, CLERK.officer_id),
    ]
    assert look["uses"][-1]["stream"] == {"kind": "case", "id": "case-1"}
    again = watch.look()
    assert (again["since"], again["uses"]) == (look["size"], [])
    watch.open("case-3")
    (use,) = watch.look()["uses"]
    assert (use["stream"]["id"], use["index"]) == ("case-3", look["size"])


def test_more_than_a_step_is_looked_at(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log is read in parts, full and partial tiles alike."""
    monkeypatch.setattr("ledger.client.monitoring.STEP", 64)
    watch.log.add(*(Case(f"case-{number}").open(CLERK if number % 2 else OTHER).last for number in range(300)))
    look = watch.look()
    assert look["size"] == len(watch.log.events) > 256
    assert len(look["uses"]) == 4 + 150


def test_what_changes_for_all_agencies_is_shown(watch: Watch) -> None:
    """Whoever decided it: who witnesses and administers another agency, the quorum beside the one before, who may
    anchor and what is adopted; the keys of another agency are its own affair."""
    watch.change(lambda: watch.registry.add(QuorumSet, quorum=2))
    watch.look()
    account, digest = key_id("other"), "blake3:" + "5f" * 32
    changes: list[tuple[type[Body], dict[str, Any]]] = [
        (QuorumSet, {"quorum": 1}),
        (WitnessSet, {"agency": PROCURATORATE, "witness": account}),
        (AdminChanged, {"agency": PROCURATORATE, "admin": account}),
        (SubmitterSet, {"submitter": account, "allowed": True}),
        (ProcedureAdopted, {"digest": digest}),
    ]
    for kind, fields in changes:
        watch.change(lambda kind=kind, fields=fields: watch.registry.add(kind, **fields))
    watch.change(lambda: watch.registry.admit("court-east").revoke(OTHER))
    shown = watch.folder / "monitor.json"
    position = shown.read_bytes()
    look = watch.look()
    listed = [
        (use["event_type"], {name: use["change"][name] for name in fields})
        for use, (_, fields) in zip(look["uses"], [*changes, (None, {"agency": "court-east"})], strict=True)
    ]
    assert listed == [
        *((NAME_OF[kind], fields) for kind, fields in changes),
        ("registry.agency_admitted", {"agency": "court-east"}),
    ]
    assert [use["quorum_before"] for use in look["uses"]] == [2, None, None, None, None, None]
    assert look["alarms"] == 0
    for language, words in (("en", "of witnesses: 1. It was 2 before."), ("zh-CN", "最低联署机关数：1。此前为 2。")):
        write_secret(shown, position, field="monitor", replace=True)
        done = watch.tally("monitor", "--agency", POLICE, "--lang", language)
        assert (done.status, words in done.out, digest in done.out) == (Exit.OK, True, True), done.out


@pytest.mark.parametrize(
    ("event", "alarm"),
    [
        (lambda: Case("case-x").open(STRANGER).last, "key_unknown"),
        (lambda: _under(PROCURATORATE, Case("case-x").open(CLERK).last), "wrong_agency"),
        (lambda: _unsigned(Case("case-x").open(CLERK).last), "bad_signature"),
        (lambda: Case("case-x").open(CLERK, signed_at=1, occurred_at=instant(1)).last, "key_not_valid"),
    ],
)
def test_a_use_that_nobody_may_make_is_an_alarm(watch: Watch, event: Any, alarm: str) -> None:
    """It is shown among the others, and makes the exit code 1; the next look goes on behind it."""
    watch.look()
    watch.log.add(event())
    watch.open("case-1")
    look = watch.look(Exit.REFUSED)
    assert [use["alarm"] for use in look["uses"]] == [alarm, None]
    assert look["alarms"] == 1
    assert look["uses"][0]["message"]
    assert watch.look()["uses"] == []


def test_a_use_after_the_revocation_is_an_alarm(watch: Watch) -> None:
    """Before it, the key was good."""
    watch.open("case-1")
    watch.change(lambda: watch.registry.revoke(CLERK))
    watch.open("case-2")
    watch.open("case-3", CHIEF)
    look = watch.look(Exit.REFUSED)
    alarms = [(use["event_type"], use["alarm"]) for use in look["uses"][4:]]
    assert alarms == [
        ("case.opened", None),
        ("registry.key_revoked", None),
        ("case.opened", "key_revoked"),
        ("case.opened", None),
    ]


def test_people_see_a_table(watch: Watch) -> None:
    """With times, the kind of alarm in words, and what is wrong on standard error."""
    watch.open("case-1", STRANGER)
    done = watch.tally("monitor", "--agency", POLICE)
    assert done.status == Exit.REFUSED
    assert "case-1" in done.out
    assert "key unknown" in done.out
    assert "2026-03-02 09:00:30 +08:00" in done.out
    assert "is not granted to any agency" in done.err


def test_a_rollback_is_an_alarm_until_it_is_mended(watch: Watch) -> None:
    """Nothing moves on, and both checkpoints are kept as evidence."""
    watch.open("case-1")
    watch.look()
    watch.log.published -= 1
    for _ in range(2):
        error = watch.fault()
        assert (error["code"], "rolled back" in error["message"]) == ("rollback", True)
    assert (watch.folder / "monitor-rollback.note").read_text(encoding="utf-8") == watch.log.note()
    assert "monitor-rollback.note" in error["hint"]
    watch.log.published += 1
    assert watch.look()["uses"] == []


@pytest.mark.parametrize("more", [0, 1, 300])
def test_a_fork_is_an_alarm(watch: Watch, more: int) -> None:
    """Another tree of the same size, or one that does not continue what was seen."""
    watch.open("case-1")
    watch.look()
    watch.log.events[-1] = Case("case-2").open(CLERK).last
    watch.log.add(*(Case(f"case-more-{number}").open(OTHER).last for number in range(more)))
    assert watch.fault()["code"] == "fork"
    assert (watch.folder / "monitor-fork.note").exists()


@pytest.mark.parametrize("fault", ["false_mirror", "unauthorised_key", "signature_refused"])
def test_what_no_log_may_sign_is_an_alarm(watch: Watch, fault: str) -> None:
    """A change of the registry that does not follow from the one before, or by another key than the ledger's own, which
    alone says what is in the registry; and what the trusted log did not sign is no word of it."""
    watch.look()
    admitted = Registry().admit("court-east").bodies[0]
    if fault == "false_mirror":
        watch.log.mirror(replace(admitted, number=9))
    elif fault == "unauthorised_key":
        watch.log.add(watch.log.system.draft(admitted, CLERK))
    else:
        foreign_log = CheatingLog(SeedSigner.from_seed(bundles.ORIGIN, b"\x09" * 32))
        foreign_log.add(Case("case-1").open(CLERK).last)
        watch.log.lies["/checkpoint"] = foreign_log.note().encode()
    assert watch.fault()["code"] == fault


def test_a_log_that_withholds_is_unreachable(watch: Watch) -> None:
    """Entries that are missing, or others than were signed, are no alarm yet: it may be the way between."""
    watch.open("case-1")
    watch.log.lies[f"/tile/entries/000.p/{len(watch.log.events)}"] = 404
    assert watch.done().status == Exit.UNREACHABLE
    watch.log.lies.clear()
    watch.log.lies["/checkpoint"] = 503
    assert watch.done().status == Exit.UNREACHABLE


def test_following_ends_with_an_alarm(watch: Watch) -> None:
    """Each use in a line of its own as it comes; what does not answer is asked again."""
    watch.look()
    runs: list[Done] = []
    thread = threading.Thread(target=lambda: runs.append(watch.done("--follow", "--every", "0.1")))
    thread.start()
    watch.open("case-1")
    until_asked_again(watch)
    watch.log.lies["/checkpoint"] = 503
    until_asked_again(watch)
    watch.log.lies.clear()
    watch.open("case-2", STRANGER)
    thread.join(60)
    assert not thread.is_alive()
    lines = [json.loads(line) for line in runs[0].out.splitlines()]
    assert [(line["stream"]["id"], line["alarm"]) for line in lines] == [("case-1", None), ("case-2", "key_unknown")]
    assert runs[0].status == Exit.REFUSED


def until_asked_again(watch: Watch) -> None:
    """Return when two looks more have begun."""
    pause, asked = threading.Event(), watch.log.asked.count("/checkpoint")
    for _ in range(600):
        if watch.log.asked.count("/checkpoint") >= asked + 2:
            return
        pause.wait(0.05)
    raise AssertionError("nobody looks")


def test_whose_keys_and_whose_word_must_be_known(watch: Watch) -> None:
    """Without an agency, without a trust file, with a position of another ledger nothing is looked at."""
    assert watch.tally("monitor").status == Exit.USAGE
    watch.look()
    foreign_trust = bundles.trust(log_id_text="0x" + "05" * 32)
    write_secret(watch.folder / "trust.json", encode_trust(foreign_trust), field="trust", replace=True)
    assert "of another ledger" in watch.done().err
    (watch.folder / "monitor.json").write_text("{")
    assert "cannot be read" in watch.done().err
    (watch.folder / "trust.json").unlink()
    assert watch.done().status == Exit.USAGE


def _under(agency: str, event: SignedEvent) -> SignedEvent:
    """Give the same event as if it were of another agency, signed by the same key."""
    return SignedEvent(signed(replace(event.envelope, agency=agency), CLERK), event.payload)


def _unsigned(event: SignedEvent) -> SignedEvent:
    return SignedEvent(replace(event.envelope, signature="0x" + "11" * 64 + "1b"), event.payload)

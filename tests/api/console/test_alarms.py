"""Alarms: what has to be looked at is told, the gravest first, each with what to do; a quiet service has none."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.services.service_status import (
    LATE_MS,
    RECENT_MS,
    SAYINGS,
    AnchorOverview,
    FailedChange,
    Incident,
    ServiceStatus,
    SignedInOverview,
    WaitingChange,
    alarms,
    failed_changes,
)
from api.texts import Texts
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.timestamps import TimestampWorkerState
from ledger.anchoring.worker import ChainWorkerState
from ledger.chain.chain_status import ChainStatus
from ledger.chain.contract import revoke_key
from ledger.chain.contract_clients import RegistryState
from ledger.chain.journal import ChainWrite
from ledger.chain.transaction import decode, sign
from ledger.cli.errors import Exit
from ledger.config.installation import DataDirectory
from ledger.core.messages import Message
from ledger.recording.uploading import UploadState
from ledger.store.activity import Failure
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.log import TreeState
from ledger.store.notices import MailState
from ledger.store.opening import open_database
from ledger.store.webhooks import Webhook
from ledger.supervision.runs.supervisor import ALL, RunFault, RunState
from ledger.witness.gathering.collector import WitnessState
from tests.testkit.tally import Tally
from tests.unit.chain.builders import Key
from tests.unit.chain.external import running_anvil
from tests.unit.chain.world import POLICE, granted_by, remote_world

NOW = 1_800_000_000_000
REGISTRY = RegistryState(b"\0" * 32, 3, 0, 3, 0, 0, development=True)
SEEN = ChainStatus(NOW // 1000, 9, NOW // 1000, 9, "0xab", 10**18, 0, REGISTRY)
POOR = ChainStatus(NOW // 1000, 9, NOW // 1000, 9, "0xab", 10**9, 10**9, REGISTRY)
HOOK = Webhook("webhook-1", "police", "p", "0x1", "https://police.example", 0, "-1", 0, None, 0, None, 0)
INSIDE = SignedInOverview([], RunState(), [], [HOOK], 0)
QUIET = ServiceStatus(
    now=NOW,
    is_written=True,
    clock_fault=None,
    ended_loops=[],
    tree=TreeState(bytes(32), 9, bytes(32), 3, NOW),
    published=None,
    witnessed=None,
    kept_bytes=4096,
    free_bytes=2**40,
    anchors=AnchorOverview(9, 9, 9, NOW, {}),
    open_since=None,
    chain=ChainWorkerState(True),
    chain_status=SEEN,
    mirrored=3,
    waiting=[],
    failed=[],
    witnesses=[WitnessState("w", 9)],
    witness_defect=None,
    quorum=1,
    timestamp_url=None,
    stamps=None,
    stamped=None,
    upload=None,
    evidence=None,
    noticed=9,
    indexed=9,
    mail=MailState(2, 0, NOW, None, None),
    inside=INSIDE,
)


def inside(**changes: Any) -> ServiceStatus:
    return replace(QUIET, inside=replace(INSIDE, **changes))


LOUD = {
    "writer_stopped": replace(QUIET, is_written=False),
    "clock_jumped": replace(QUIET, clock_fault="it was set forward by 600 s"),
    "clock_behind": replace(QUIET, now=NOW - 600_000),
    "loop_ended": replace(QUIET, ended_loops=["notice"]),
    "disk_low": replace(QUIET, free_bytes=1),
    "chain_defect": replace(QUIET, chain=ChainWorkerState(fault="KeyError", is_defect=True)),
    "chain_faulty": replace(QUIET, chain=ChainWorkerState(fault="it does not answer", hint="Start it.")),
    "quorum_missing": replace(QUIET, chain=ChainWorkerState(True, WaitReason.QUORUM_MISSING, detail="1 of 2")),
    "change_waits": replace(QUIET, waiting=[WaitingChange("0xab", "insufficient funds")]),
    "change_failed": replace(QUIET, failed=[FailedChange("0xab", 7, "revokeKey 0xcd")]),
    "balance_low": replace(QUIET, chain_status=POOR),
    "anchor_late": replace(QUIET, open_since=NOW - LATE_MS - 1),
    "witness_fault": replace(QUIET, witnesses=[WitnessState("w", 3, "silent")]),
    "witnesses_defect": replace(QUIET, witnesses=[WitnessState("w", 3, "x")], witness_defect="KeyError"),
    "timestamps_fault": replace(QUIET, stamps=TimestampWorkerState("away", "Wait.")),
    "upload_fault": replace(QUIET, upload=UploadState(3, "away", "Wait.")),
    "evidence_store_fault": replace(QUIET, evidence=Failure("away", "Mount it.")),
    "mail_failing": replace(QUIET, mail=MailState(2, 1, NOW, NOW - 1, Message("away"))),
    "runs_fault": inside(runs=RunState(faults=[RunFault(ALL, "", "no views")])),
    "model_fault": inside(runs=RunState(faults=[RunFault("third-return", "pro", "no such column")])),
    "webhook_failing": inside(webhooks=[replace(HOOK, failures=2, last_error="404")]),
    "incident": inside(incidents=[Incident(7, "chain_edited", "edited", NOW - 1)]),
}


def test_a_quiet_service_has_no_alarm() -> None:
    """Nor for who is not signed in, nor where incidents are old, nor where entries wait for no longer than usual."""
    assert alarms(QUIET) == []
    assert alarms(replace(QUIET, inside=None)) == []
    assert alarms(inside(incidents=[Incident(7, "chain_edited", "edited", NOW - RECENT_MS)])) == []
    assert alarms(replace(QUIET, open_since=NOW - LATE_MS)) == []
    assert alarms(replace(QUIET, chain_status=None)) == []


def test_a_visitor_is_not_told_whose_change_waits() -> None:
    """That a key is revoked and can still sign is something for those who are signed in."""
    (alarm,) = alarms(LOUD["change_waits"])
    (for_visitors,) = alarms(replace(LOUD["change_waits"], inside=None))
    assert (alarm.about, alarm.detail) == ("0xab", "insufficient funds")
    assert (for_visitors.kind, for_visitors.about, for_visitors.detail) == ("change_waits", "", None)


def test_a_change_that_came_to_nothing_is_an_alarm_until_somebody_sees_to_it(tmp_path: Path) -> None:
    """The admin's account has sent something else from elsewhere, and the key that he revoked signs on: that is over
    once he has handed in the same anew, whatever else he does, or once somebody has acknowledged it."""
    clerk, tally = Key("clerk"), Tally(tmp_path)
    file = DataDirectory(tmp_path).database
    with running_anvil() as anvil, closing(open_database(f"sqlite:///{file}")) as database:
        journal = DatabaseJournal(database)
        world = remote_world(anvil, journal, finality=1)
        anvil.fund(POLICE.key_id)

        def hand_in(call: bytes) -> ChainWrite:
            return world.registry.relay(sign(world.registry.prepare(POLICE.key_id, call), POLICE).raw)

        def take_the_place_of(write: ChainWrite) -> None:
            anvil.eth.rpc.call("anvil_dropAllTransactions")
            replacement = changed(decode(write.raw_transaction).transaction, to=Key("else").key_id, data=b"")
            anvil.eth.send(sign(replacement, POLICE).raw)

        def failed() -> list[FailedChange]:
            anvil.mine(2)
            world.writer.refresh()
            return failed_changes(journal)

        hand_in(granted_by(world, POLICE, clerk))
        assert failed() == []
        anvil.automine(on=False)
        for _ in range(2):
            lost = hand_in(revoke_key(clerk.key_id))
            assert failed_changes(journal) == []
            take_the_place_of(lost)
            expected = [FailedChange(POLICE.key_id, lost.number, f"revokeKey {clerk.key_id}")]
            assert failed() == expected
        hand_in(granted_by(world, POLICE, Key("other clerk"), officer="p-2"))
        assert failed() == expected
        acknowledging = ("chain", "acknowledge", str(lost.number), "--data-dir", tmp_path)
        assert tally.ok(*acknowledging) == {"acknowledged": lost.number}
        assert failed() == []
        tally.refuses(Exit.REFUSED, "no change of the registry that came to nothing has the number", *acknowledging)
        take_the_place_of(hand_in(revoke_key(clerk.key_id)))
        assert len(failed()) == 1
        hand_in(revoke_key(clerk.key_id))
        assert failed() == []


@pytest.mark.parametrize("kind", SAYINGS)
def test_each_alarm_is_raised_by_what_it_names(kind: str) -> None:
    """By that alone, and it says in both languages what to do next."""
    (alarm,) = alarms(LOUD[kind])
    assert alarm.kind == kind
    for language in ("en", "zh-CN"):
        texts = Texts(language)
        assert texts(alarm.saying.says)
        assert texts(alarm.saying.mend)


def test_the_gravest_stands_first() -> None:
    """Whatever was looked at first."""
    both = replace(LOUD["model_fault"], chain=LOUD["chain_faulty"].chain, is_written=False)
    assert [alarm.saying.colour for alarm in alarms(both)] == ["bad", "bad", "soon"]

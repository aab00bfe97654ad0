"""Alarms: what has to be looked at is told, the gravest first, each with what to do; a quiet service has none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from api.console.operation.status import (
    LATE_MS,
    RECENT_MS,
    SAYINGS,
    AnchorOverview,
    ChainOverview,
    Incident,
    LogOverview,
    ServiceStatus,
    SignedInOverview,
    TimestampOverview,
    WitnessOverview,
    alarms,
)
from api.texts import Texts
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.timestamps import TimestampWorkerState
from ledger.anchoring.worker import ChainWorkerState
from ledger.chain.contract_clients import RegistryState
from ledger.chain.status import ChainStatus
from ledger.store.webhooks import Webhook
from ledger.supervision.runs.supervisor import ALL, RunFault, RunState
from ledger.witness.gathering.collector import WitnessState

NOW = 1_800_000_000_000
REGISTRY = RegistryState(b"\0" * 32, 3, 0, 3, 0, 0, development=True)
SEEN = ChainStatus(NOW // 1000, 9, NOW // 1000, 9, "0xab", 10**18, 0, REGISTRY)
LOG = LogOverview("0x07", "ledger", 9, "sha256:00", 9, NOW, 0, [], 4096, 2**40, is_written=True)
ANCHORS = AnchorOverview(9, 9, 9, NOW, 0, None, 10, {})
CHAIN = ChainOverview(
    is_embedded=True, chain_id=1, finality=12, followed=ChainWorkerState(True), chain_status=SEEN, unmirrored=0
)
HOOK = Webhook("webhook-1", "police", "p", "0x1", "https://police.example", 0, "-1", 0, None, 0, None, 0)
INSIDE = SignedInOverview([], RunState(), [], [HOOK], 0)
QUIET = ServiceStatus(NOW, LOG, ANCHORS, WitnessOverview([WitnessState("w", 9)], None, 1), CHAIN, None, INSIDE)


def chain(**changes: Any) -> ServiceStatus:
    return replace(QUIET, chain=replace(CHAIN, **changes))


def inside(**changes: Any) -> ServiceStatus:
    return replace(QUIET, inside=replace(INSIDE, **changes))


POOR = ChainStatus(NOW // 1000, 9, NOW // 1000, 9, "0xab", 10**9, 10**9, REGISTRY)
LOUD = {
    "writer_stopped": replace(QUIET, log=replace(LOG, is_written=False)),
    "disk_low": replace(QUIET, log=replace(LOG, free_bytes=1)),
    "chain_defect": chain(followed=ChainWorkerState(fault="KeyError", is_defect=True)),
    "chain_faulty": chain(followed=ChainWorkerState(fault="it does not answer", hint="Start it.")),
    "quorum_missing": chain(followed=ChainWorkerState(True, WaitReason.QUORUM_MISSING, detail="1 of 2")),
    "balance_low": chain(chain_status=POOR),
    "anchor_late": replace(QUIET, anchors=replace(ANCHORS, open_entries=1, open_since=NOW - LATE_MS - 1)),
    "witness_fault": replace(QUIET, witnesses=WitnessOverview([WitnessState("w", 3, "silent")], None, 1)),
    "witnesses_defect": replace(QUIET, witnesses=WitnessOverview([WitnessState("w", 3, "x")], "KeyError", 1)),
    "timestamps_fault": replace(
        QUIET, stamps=TimestampOverview("https://tsa", 3, None, TimestampWorkerState("away", "Wait."))
    ),
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
    assert alarms(replace(QUIET, anchors=replace(ANCHORS, open_entries=1, open_since=NOW - LATE_MS))) == []
    assert alarms(chain(chain_status=None)) == []


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
    both = replace(LOUD["model_fault"], chain=LOUD["chain_faulty"].chain, log=LOUD["writer_stopped"].log)
    assert [alarm.saying.colour for alarm in alarms(both)] == ["bad", "bad", "soon"]

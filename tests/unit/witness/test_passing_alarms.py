"""What only passes: silence, answers that do not fit, and what comes late."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.errors import NotFound, Unavailable
from ledger.core.log.checkpoints import sign_checkpoint
from ledger.core.log.notes import SeedSigner
from ledger.core.log.replay import LogUnreadable, SignedInFuture
from ledger.core.log.tiles import encode_bundle
from ledger.core.signing.signatures import EARLIEST, LATEST
from ledger.witness.alarms import Health
from ledger.witness.contracts import Contracts, contracts_at
from tests.testkit.builders import LOG_ID, START, Registry, clerk
from tests.testkit.bundles import LOG_SIGNER
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES
from tests.unit.witness.cheating import Answer
from tests.unit.witness.stand import CLERK, LAG_S, Stand, begun


def test_a_log_that_is_silent(stand: Stand) -> None:
    """The alarm stands while nobody answers, and passes by itself; a witness that does not look is silent too."""
    begun(stand)
    for status in (302, 500, 503):
        stand.log.lies["/checkpoint"] = status
        stand.watch.try_look()
        assert (stand.kinds(), stand.status.health) == (["unreachable"], Health.SILENT), status
    assert len(stand.store.alarms(standing=False)) == 1, "the same alarm is raised once"
    del stand.log.lies["/checkpoint"]
    stand.watch.try_look()
    assert stand.kinds() == []
    assert stand.status.health is Health.WATCHING
    stand.clock.forward(61)  # without a look
    assert stand.status.health is Health.SILENT


def test_what_is_served_and_does_not_fit(stand: Stand) -> None:
    """It may be changed on the way: nothing is signed, and once it is right the witness goes on."""
    size = begun(stand)
    stand.open_cases(300, CLERK)
    entries = stand.log.entries()
    bundle = f"/tile/entries/001.p/{len(entries) - 256}"
    other = SeedSigner.from_seed(LOG_SIGNER.verifying_key.name, b"\x09" * 32)
    lies: dict[str, tuple[str, Answer]] = {
        "no note": ("/checkpoint", b"hello\n"),
        "no text": ("/checkpoint", b"\xff\xfe\n"),
        "too long": ("/checkpoint", bytes(200_000)),
        "other key": ("/checkpoint", sign_checkpoint(stand.log.checkpoint(), other).encode()),
        "withheld": (bundle, 404),
        "swapped": (bundle, encode_bundle([*entries[257:], entries[256]])),
        "cut": (bundle, encode_bundle(entries[256:])[:-1]),
        "tile": ("/tile/0/000", bytes(32 * 256)),
    }
    for name, (path, answer) in lies.items():
        stand.log.lies = {path: answer}
        with pytest.raises(LogUnreadable):
            stand.watch.look()
        assert (stand.kinds(), stand.status.health) == (["unreadable"], Health.UNREADABLE), name
        assert stand.status.followed == size, name
    stand.log.lies.clear()
    stand.watch.look()
    assert (stand.kinds(), stand.status.followed) == ([], len(entries))


def test_registry_changes_of_no_form(stand: Stand) -> None:
    """None, pages that are none, that lead nowhere, or that hold something else: nothing is followed of them."""
    for page in (
        b'{"entries":[]}',
        b"[]",
        b'{"entries":[],"next":5}',
        b'{"entries":[{"index":0,"payload":{}}],"next":0}',
    ):
        stand.log.lies["/api/v1/registry"] = page
        stand.watch.try_look()
        assert (stand.kinds(), stand.status.followed) == (["unreadable"], 0), page
    stand.log.lies.clear()
    stand.watch.look()
    assert (stand.kinds(), stand.status.followed) == ([], len(stand.log.events))


def test_a_node_that_is_silent(stand: Stand) -> None:
    """What needs no chain is followed and signed; the alarm passes once the node answers."""
    begun(stand)
    answering = stand.watch.contracts
    stand.watch.contracts = Contracts(Eth(JsonRpc("http://127.0.0.1:9", timeout_seconds=1)), answering.chain, LOG_ID, 0)
    stand.open_cases(1, CLERK)
    stand.watch.look()
    assert stand.kinds() == ["chain_unreachable"]
    assert stand.status.health is Health.SILENT
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    stand.watch.contracts = answering
    stand.watch.look()
    assert stand.kinds() == []


def test_a_node_of_a_chain_that_nobody_trusts(stand: Stand) -> None:
    """A witness does not start beside a node of a chain that its trust file does not name."""
    (chain,) = stand.trust.chains
    other = replace(stand.trust, chains=(replace(chain, chain_id=1),))
    with pytest.raises(NotFound) as refused:
        contracts_at(stand.eth, other)
    assert refused.value.field == "--rpc"


def test_finality_is_the_trust_files_unless_it_is_overridden(stand: Stand) -> None:
    """The rule by which the service anchors is the witness's too. One that waits longer says so when it starts, and
    each refusal by it names rule and setting."""
    (chain,) = stand.trust.chains
    with capture_logs() as logged:
        final = contracts_at(stand.eth, stand.trust).final()
    assert final == stand.eth.head().ref
    assert logged == []
    depth = final.number - chain.deployment_block_number
    with capture_logs() as logged:
        deep = contracts_at(stand.eth, stand.trust, depth)
    assert [(entry["setting"], entry["trust_file"]) for entry in logged] == [(depth, chain.finality)]
    assert deep.final().number == chain.deployment_block_number
    deepest = contracts_at(stand.eth, stand.trust, 10_000)
    with pytest.raises(Unavailable) as refused:
        deepest.final()
    assert "under 10000 blocks" in str(refused.value.hint)
    assert "TALLYSTICK_WITNESS_FINALITY" in str(refused.value.hint)
    stand.follower.contracts = deep
    with pytest.raises(Unavailable) as refused:
        stand.cosigner.add_checkpoint(stand.log.wish(0))
    assert "is the last final one" in refused.value.message
    assert "TALLYSTICK_WITNESS_FINALITY" in str(refused.value.hint)


def test_a_change_of_a_block_that_is_not_there_yet(stand: Stand) -> None:
    """A mirror entry whose block the node has not come to is not followed: it may be invented, or the node behind. That
    is an alarm which names the rule of finality, and passes."""
    size = begun(stand)
    made_up = Registry()
    made_up.authority = stand.follower.followed.authority
    forged = made_up.grant(clerk(AGENCIES[0], 9)).bodies[-1]
    location = replace(forged.location, block_number=stand.linked.final.number + 9)
    stand.log.mirror(replace(forged, location=location))
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.followed) == (["chain_behind"], size)
    assert "finality" in stand.store.alarms()[0].told


def test_a_log_that_has_mirrored_nothing_yet(chained: Stand) -> None:
    """All changes of the registry are missing from it: late, that is an alarm like one that is missing."""
    chained.log.events.clear()
    chained.log.published = 0
    chained.log.lies["/checkpoint"] = chained.log.note(0).encode()
    chained.watch.look()
    assert (chained.kinds(), chained.status.followed) == ([], 0)
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["mirror_lag"]


def test_a_withheld_change_of_the_registry(chained: Stand) -> None:
    """A revocation that the log does not mirror in time is an alarm until it does."""
    begun(chained)
    chained.anchor()
    chained.linked.revoke(CLERK)
    chained.watch.look()
    assert chained.kinds() == []
    chained.clock.forward(LAG_S + 1)
    chained.watch.look()
    assert chained.kinds() == ["mirror_lag"]
    chained.mirror()
    chained.watch.look()
    assert chained.kinds() == []


# -- times of entries --------------------------------------------------------------------------------------------------


DAY = 86_400


def of_times(stand: Stand) -> list[str]:
    """The alarms about times of entries; days without an anchor are another."""
    return [kind for kind in stand.kinds() if kind in ("signed_in_future", "late_entry")]


def signed(case_id: str, at: int) -> Case:
    """The opening of a case, signed at this time (unix seconds)."""
    return Case(case_id, start=at - 30).open(CLERK)


def test_what_is_signed_in_the_future_is_not_cosigned_until_then(stand: Stand) -> None:
    """Later than the witness's clock and the tolerance: neither followed nor co-signed, told as an alarm that passes by
    itself, by the clock alone; at the tolerance it is taken."""
    size = begun(stand)
    now = stand.clock() // 1000
    stand.log.add(signed("case-at-the-tolerance", now + LATEST).last)
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.log.add(signed("case-of-tomorrow", now + DAY).last)
    with pytest.raises(SignedInFuture):
        stand.cosigner.add_checkpoint(stand.log.wish(size + 1))
    stand.watch.try_look()
    assert (of_times(stand), stand.status.health) == (["signed_in_future"], Health.UNREADABLE)
    assert (stand.status.followed, stand.status.cosigned_size) == (size + 1, size + 1)
    stand.clock.forward(DAY - LATEST)
    stand.watch.look()
    assert of_times(stand) == []
    stand.cosigner.add_checkpoint(stand.log.wish(size + 1))


def test_an_entry_that_came_late_is_told_and_cosigned(stand: Stand) -> None:
    """Between two looks an entry came whose signature is older than it may have waited: the alarm says which, and
    stands until a person has seen it; nothing halts. One that has waited as long as it may is no alarm."""
    size = begun(stand)
    stand.clock.forward(3 * DAY)
    stand.watch.look()
    now = stand.clock() // 1000
    stand.log.add(signed("case-in-time", now - EARLIEST - LATEST).last)
    stand.watch.look()
    assert of_times(stand) == []
    stand.log.add(signed("case-long-ago", now - EARLIEST - LATEST - 1).last)
    stand.watch.look()
    assert (of_times(stand), stand.status.health) == (["late_entry"], Health.LAGGING)
    (alarm,) = [late for late in stand.store.alarms() if late.kind == "late_entry"]
    assert f"entry {size + 1} of {CLERK.agency}" in alarm.told
    assert "24 h" in alarm.told
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.watch.look()
    assert of_times(stand) == ["late_entry"]
    stand.store.clear(alarm.number, "the agency was cut off", stand.clock())
    stand.watch.look()
    assert of_times(stand) == []


def test_a_witness_that_catches_up_takes_nothing_for_late(stand: Stand) -> None:
    """It was away for days, or begins with an old log: when entries came it cannot know."""
    size = begun(stand)
    stand.log.add(*(signed(f"case-of-day-{day}", START + day * DAY).last for day in range(1, 9)))
    stand.clock.forward(9 * DAY)
    stand.watch.look()
    assert (of_times(stand), stand.status.followed) == ([], size + 8)
    fresh = Stand(stand.linked, stand.log, stand.folder / "fresh")
    fresh.clock.forward(9 * DAY)
    fresh.watch.look()
    assert (of_times(fresh), fresh.status.followed) == ([], size + 8)
    fresh.close()

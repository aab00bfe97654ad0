"""Head maps that a log commits to: a false one halts a witness, and a broken page of its own accuses nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from ledger.core.errors import IntegrityBroken, ProofRefused
from ledger.core.log.replay import LogFault
from ledger.core.log.witness_protocol import AddCheckpoint
from ledger.store.witness import Halted, Moved
from ledger.witness.alarms import Health
from tests.oracles.head_map_reference import key_of, subtree
from tests.testkit.builders import Writer
from tests.testkit.bundles import heads_of, mapping
from tests.unit.witness.stand import CLERK, Stand, begun, halted


def heads_in(stand: Stand) -> dict[bytes, tuple[int, bytes]]:
    return heads_of(stand.log.events)


def without_a_case(stand: Stand) -> bytes:
    heads = heads_in(stand)
    del heads[key_of("case", stand.log.events[-1].envelope.stream.id)]
    return subtree(heads)


def with_a_case_more(stand: Stand) -> bytes:
    return subtree(heads_in(stand) | {key_of("case", "case-phantom"): (1, b"\x05" * 32)})


def with_another_count(stand: Stand) -> bytes:
    key = key_of("case", stand.log.events[-1].envelope.stream.id)
    return subtree(heads_in(stand) | {key: (2, heads_in(stand)[key][1])})


def with_another_head(stand: Stand) -> bytes:
    return subtree(heads_in(stand) | {key_of("case", stand.log.events[-1].envelope.stream.id): (1, b"\x05" * 32)})


def of_before(stand: Stand) -> bytes:
    return subtree(heads_of(stand.log.events[:-1]))


@pytest.mark.parametrize(
    "lie", [without_a_case, with_a_case_more, with_another_count, with_another_head, of_before, lambda _: bytes(32)]
)
def test_a_false_map_halts(stand: Stand, lie: Callable[[Stand], bytes]) -> None:
    """A case left out or made up, a count, a head, an old map, an empty one: no tree with such an entry is signed."""
    begun(stand)
    stand.log.map_heads()
    stand.open_cases(2, CLERK)
    size = len(stand.log.events)
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    stand.log.map_heads(lie(stand))
    with pytest.raises((LogFault, Halted)):
        stand.cosigner.add_checkpoint(stand.log.wish(size))
    halted(stand, "false_map")
    assert f"entry {size}" in stand.store.alarms()[0].message
    assert (stand.status.followed, stand.status.cosigned_size) == (size, size)


def test_two_maps_of_one_log_are_two_logs(stand: Stand) -> None:
    """Who shows one map to one reader and another to another has to sign two trees of one size."""
    size = begun(stand)
    second_log = stand.log.copy()
    stand.log.map_heads()
    second_log.add(mapping(Writer("system", "ledger"), bytes(32)))
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    with pytest.raises((Halted, Moved, ProofRefused)):
        stand.cosigner.add_checkpoint(AddCheckpoint(size + 1, (), second_log.note()))
    halted(stand, "fork")


def test_the_map_outlives_a_restart(stand: Stand) -> None:
    """A witness that begins again does not read the entries before again, and still judges the next map."""
    size = begun(stand)
    stand.restart()
    stand.log.asked.clear()
    stand.open_cases(1, CLERK)
    stand.log.map_heads()
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    assert stand.store.head_map().root == subtree(heads_in(stand))
    stand.log.map_heads(bytes(32))
    with pytest.raises((LogFault, Halted)):
        stand.cosigner.add_checkpoint(stand.log.wish(size + 2))
    halted(stand, "false_map")


def test_a_page_that_the_disk_has_changed_accuses_nobody(stand: Stand) -> None:
    """The witness does not go on, and tells its own operator."""
    size = begun(stand)
    with stand.store.writing() as connection:
        connection.execute(text("UPDATE followed_map_pages SET page = X'00'"))
    stand.open_cases(1, CLERK)
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.health) == (["look_failed"], Health.SILENT)
    assert "head map" in stand.store.alarms()[0].message
    with pytest.raises(IntegrityBroken):
        stand.cosigner.add_checkpoint(stand.log.wish(size))

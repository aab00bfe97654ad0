"""The mirror: each change of the chain's registry is one entry of the log, in order, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ledger.anchoring.worker import RegistryMirror
from ledger.chain.contract_clients import RegistryReader
from ledger.core.errors import Unavailable
from ledger.core.events import decode_payload
from ledger.core.events.registry import RegistryChange
from ledger.store import log
from tests.campaigns.faults.commits import database_error, failing_commits
from tests.testkit.builders import LOG_ID, POLICE, clerk
from tests.testkit.ledger_with_chain import AGENCIES, Linked, linked_ledger
from tests.testkit.ledgers import Ledger, assemble, open_ledger


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Linked]:
    with linked_ledger(tmp_path) as ledger:
        yield ledger


def mirrored(ledger: Ledger) -> list[RegistryChange]:
    with ledger.database.read() as connection:
        bodies = [decode_payload(entry.payload).body for entry in log.registry_entries(connection)]
    assert all(isinstance(body, RegistryChange) for body in bodies)
    return bodies  # type: ignore[return-value]


def test_every_change_becomes_one_entry_in_order(linked: Linked) -> None:
    """The founding and what followed stand in the log as the contract has them, with number, hash and place."""
    linked.grant(clerk(POLICE))
    assert linked.mirror.catch_up(linked.final) == len(AGENCIES) + 2
    bodies = mirrored(linked.ledger)
    assert [body.number for body in bodies] == list(range(1, len(AGENCIES) + 3))
    assert bodies == all_changes(linked)
    assert bodies[-1].registry_hash == "0x" + linked.registry.rolling_hash("latest").hex()
    assert bodies[-1].location.block_hash == "0x" + linked.final.hash.hex()


def all_changes(linked: Linked) -> list[RegistryChange]:
    return linked.registry.changes(after=0, registry_hash=LOG_ID, first_block=0, final=linked.final)


def test_a_level_mirror_writes_nothing(linked: Linked) -> None:
    """Called again, it adds nothing; after one more change, that one."""
    linked.mirror.catch_up(linked.final)
    assert linked.mirror.catch_up(linked.final) == 0
    linked.grant(clerk(POLICE))
    assert linked.mirror.catch_up(linked.final) == 1


def test_only_what_is_final_is_mirrored(linked: Linked) -> None:
    """A change above the final block waits."""
    founded = linked.final
    linked.grant(clerk(POLICE))
    linked.mirror.catch_up(founded)
    assert len(mirrored(linked.ledger)) == len(AGENCIES) + 1


class FixedRegistry(RegistryReader):
    """A registry with these changes, wherever it is."""

    def __init__(self, changes_made: Sequence[RegistryChange]):
        self.changes_made = changes_made
        self.asked: list[int] = []

    def changes(self, *, after: int, **_others: object) -> list[RegistryChange]:
        self.asked.append(after)
        return [change for change in self.changes_made if change.number > after]


def mirror_of(ledger: Ledger, source: RegistryReader) -> RegistryMirror:
    return RegistryMirror(ledger.database, ledger.registry, ledger.system, source, 0)


def test_a_mirror_that_was_interrupted_goes_on_where_it_stood(linked: Linked, tmp_path: Path) -> None:
    """A commit that failed between two entries: the next process writes the rest, and nothing twice."""
    changes = all_changes(linked)
    with open_ledger(f"sqlite:///{tmp_path}/other.db", clock=linked.clock) as ledger:
        source = FixedRegistry(changes)
        assert mirror_of(ledger, FixedRegistry(changes[:2])).catch_up(linked.final) == 2
        with failing_commits(ledger.database.log, "before", database_error()), pytest.raises(Unavailable):
            mirror_of(ledger, source).catch_up(linked.final)
        restarted = assemble(ledger.database, ledger.clock)
        restarted.sequencer.start()
        try:
            assert mirror_of(restarted, source).catch_up(linked.final) == len(changes) - 2
        finally:
            restarted.sequencer.stop()
        assert source.asked == [2, 2]
        assert mirrored(ledger) == changes


def test_two_processes_mirror_each_change_once(linked: Linked, tmp_path: Path) -> None:
    """One that was overtaken by another writes nothing twice, stops nothing, and is level the next time."""
    changes = all_changes(linked)
    url = f"sqlite:///{tmp_path}/other.db"
    with open_ledger(url, clock=linked.clock) as first, open_ledger(url, clock=linked.clock) as two:

        class Overtaken(FixedRegistry):
            """Answers, and meanwhile the other process mirrors all of it."""

            def changes(self, *, after: int, **others: object) -> list[RegistryChange]:
                answer = super().changes(after=after, **others)
                mirror_of(two, FixedRegistry(changes)).catch_up(linked.final)
                return answer

        overtaken = mirror_of(first, Overtaken(changes))
        assert overtaken.catch_up(linked.final) == 0
        assert overtaken.catch_up(linked.final) == 0
        assert mirrored(first) == changes
        assert (first.sequencer.failure, two.sequencer.failure) == (None, None)

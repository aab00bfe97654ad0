"""Following: what a signed tree shows of its entries, and which fault each lie of a log is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events import case, registry
from ledger.core.log import replay
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.head_map import HeadMap
from ledger.core.log.merkle import EMPTY_TREE, Frontier, Hash, NodeReader, leaf_hash, root_of
from ledger.core.signing.signatures import EARLIEST, LATEST
from tests.oracles import head_map_reference
from tests.testkit.builders import (
    LOG_ID,
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    ServiceKeyHolder,
    SignedEvent,
    Writer,
    clerk,
    signed,
    supervisor,
)
from tests.testkit.bundles import ORIGIN, Log, founded, heads_of, payloads_of, replay_events
from tests.testkit.casework import Case

POLICE_CLERK = clerk(POLICE)


def reader(entries: Sequence[bytes]) -> NodeReader:
    """The nodes of a tree, as honest tiles give them."""
    leaves = [leaf_hash(entry) for entry in entries]
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


def tree(entries: Sequence[bytes]) -> Checkpoint:
    return Checkpoint(ORIGIN, len(entries), root_of([leaf_hash(entry) for entry in entries]))


def frontier(entries: Sequence[bytes]) -> Frontier:
    return replay.append_entries(EMPTY_TREE, entries)


def entries_of(size: int, branch: str = "") -> list[bytes]:
    return [f"entry {number} {branch}".encode() for number in range(size)]


def after(step: replay.ReplayStep) -> replay.PriorEntries:
    """What the next step gets, where this one was the first: its event ids, and its map as it was stored."""
    return replay.PriorEntries(step.events, HeadMap(step.map_root, lambda _names: step.map_pages))


def fault(kind: str, index: int | None, act: Callable[[], object]) -> replay.LogFault:
    """The fault that the act must raise."""
    with pytest.raises(replay.LogFault) as raised:
        act()
    assert (raised.value.kind, raised.value.code, raised.value.index) == (kind, kind, index), raised.value
    return raised.value


# -- trees -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(0, 40))
def test_what_was_followed_is_found_again_in_a_larger_tree(size: int, more: int) -> None:
    """An honest log continues what was followed, is continued by it, and its root of every size is proven."""
    entries = entries_of(size + more)
    signed, node = tree(entries), reader(entries)
    replay.require_begins(frontier(entries[:size]), signed, node)
    replay.require_continued(tree(entries[:size]), frontier(entries), node)
    replay.require_served(frontier(entries[:size]), signed, node)
    assert replay.root_within(signed, size, node) == frontier(entries[:size]).root()


@given(st.integers(1, 40), st.integers(0, 40), st.data())
def test_another_tree_is_a_fork(size: int, more: int, data: st.DataObject) -> None:
    """Where the log has signed a tree with another entry below what was followed, its own tiles show it."""
    entries = entries_of(size + more)
    changed = list(entries)
    changed[data.draw(st.integers(0, size - 1))] = b"another"
    fault("fork", None, lambda: replay.require_begins(frontier(entries[:size]), tree(changed), reader(changed)))
    fault("fork", None, lambda: replay.require_continued(tree(changed[:size]), frontier(entries), reader(entries)))


@pytest.mark.parametrize("size", [1, 3, 8])
def test_tiles_of_another_tree_show_nothing(size: int) -> None:
    """Tiles that do not lead to the signed root are nobody's fault yet: they may be changed on the way."""
    entries, foreign_entries = entries_of(8 + 3), entries_of(8 + 3, "other")
    for act in (
        lambda: replay.require_begins(frontier(entries[:size]), tree(entries), reader(foreign_entries)),
        lambda: replay.require_begins(frontier(foreign_entries[:size]), tree(entries), reader(foreign_entries)),
        lambda: replay.require_continued(tree(entries[:size]), frontier(entries), reader(foreign_entries)),
        lambda: replay.require_served(frontier(entries[:size]), tree(entries), reader(foreign_entries)),
    ):
        with pytest.raises(replay.LogUnreadable):
            act()


def test_entries_that_were_not_signed_are_not_judged() -> None:
    """Entries that do not lead to the signed tree are unreadable, also where the tiles are right."""
    entries = entries_of(9)
    served = [*entries[:5], b"made up"]
    with pytest.raises(replay.LogUnreadable, match="entries"):
        replay.require_served(frontier(served), tree(entries), reader(entries))


def test_an_empty_tree_begins_every_log() -> None:
    """Before the first entry there is nothing that could differ; the tree of size 0 continues nothing."""
    begun = replay.empty_log(LOG_ID, SERVICE.key_id)
    assert (begun.size, begun.authority.registry_hash) == (0, LOG_ID)
    assert replay.root_within(tree(entries_of(3)), 0, reader(entries_of(3))) == begun.frontier.root()
    assert replay.root_within(tree([]), 0, reader([])) == Hash(begun.frontier.root())


# -- entries -----------------------------------------------------------------------------------------------------------


def test_a_log_is_followed_in_any_cut() -> None:
    """Step by step or at once: the same registry, heads and ids, and the tree of the log."""
    log = founded(POLICE, PROCURATORATE)
    log.add(*Case().open().name("zhang").events)
    at_once = replay_events(log.events)
    for cut in range(1, len(log.events)):
        first = replay_events(log.events[:cut])
        second = replay_events(log.events[cut:], first.followed, after(first))
        assert second.followed == at_once.followed
        assert second.map_root == at_once.map_root == log.map_root()
        assert first.events | second.events == at_once.events
        assert first.changes + second.changes == at_once.changes
    assert at_once.followed.frontier.root() == log.checkpoint().root
    assert at_once.followed.authority.registry_hash == log.registry.authority.registry_hash


def case_log(*events: SignedEvent) -> Log:
    """A log with a police clerk and supervisor, and these events."""
    log = founded(POLICE)
    log.add(*events)
    return log


def test_a_signature_of_another_key_is_a_fault() -> None:
    """The signature must be of the key that the entry names, for this ledger."""
    event = Case().open().last
    forged = replace(event.envelope, signature="0x" + "11" * 64 + "1b")
    log = case_log(SignedEvent(forged, event.payload))
    fault("bad_signature", 3, lambda: replay_events(log.events))
    foreign = Case(log_id=b"\x09" * 32).open().last
    fault("bad_signature", 3, lambda: replay_events(case_log(foreign).events))


@pytest.mark.parametrize("earlier", [False, True])
def test_an_event_id_stands_once(earlier: bool) -> None:
    """The same event again is a duplicate, in one step or in a later one."""
    event = Case().open().last
    log = case_log(event)
    if earlier:
        before = replay_events(log.events)
        fault("duplicate", 4, lambda: replay_events([event], before.followed, after(before)))
    else:
        log.add(event)
        fault("duplicate", 4, lambda: replay_events(log.events))


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_no_event_of_a_stream_is_left_out(left_out: int) -> None:
    """Where one is missing the next does not stand on its head."""
    events = Case().open().name("zhang").name("li").name("wang").events
    del events[left_out]
    fault("gap", 3 + left_out, lambda: replay_events(case_log(*events).events))


def test_a_stream_does_not_branch() -> None:
    """Right number, other previous digest."""
    case_one = Case().open().name("zhang")
    named = case.PersonNamed(person_id="p-9", role="suspect")
    stray = case_one.draft(named, POLICE_CLERK, previous="sha256:" + "00" * 32)
    fault("gap", 5, lambda: replay_events(case_log(*case_one.events, stray).events))


@pytest.mark.parametrize("who", ["stranger", "other role"])
def test_a_key_without_the_right_is_a_fault(who: str) -> None:
    """Not granted, or without the role; test_authority.py has what else a key may lack."""
    log = founded(POLICE)
    event = Case().open(clerk(PROCURATORATE)).last
    if who == "other role":
        event = Writer("system", "ledger").write(registry.QuorumSet(**_quorum(log)), supervisor(POLICE))
        log.system.events.clear()
        log.events.clear()
    log.add(event)
    fault("unauthorised_key", len(log.events) - 1, lambda: replay_events(log.events))


def _quorum(log: Log) -> dict[str, Any]:
    body = log.registry.bodies[0]
    return {"number": 1, "registry_hash": body.registry_hash, "location": body.location, "quorum": 1}


# -- head maps ---------------------------------------------------------------------------------------------------------


def mapped_log() -> Log:
    """A log with two cases, and a head map over them and what was before."""
    log = founded(POLICE)
    log.add(*Case("case-1").open().name("zhang").events, *Case("case-2").open().events)
    log.map_heads()
    return log


def test_maps_of_all_entries_before_them_are_followed() -> None:
    """Each commits to the map as it was at its own index, the entries of a step before it and the map before included;
    the step keeps the map of all, and its pages."""
    log = mapped_log()
    log.map_heads()
    log.add(*Case("case-3").open().events)
    log.map_heads()
    size = len(log.events)
    assert replay_events(log.events).map_root == log.map_root()
    for cut in range(1, size):
        first = replay_events(log.events[:cut])
        assert first.map_root == log.map_root(cut)
        second = replay_events(log.events[cut:], first.followed, after(first))
        assert second.map_root == log.map_root()
        assert set(second.map_pages) <= {""}


def omitted(log: Log) -> bytes:
    """The map without the last case."""
    return head_map_reference.subtree(heads_of(log.events[:-1]))


def added(log: Log) -> bytes:
    """The map with a case that is not in the log."""
    return head_map_reference.subtree(heads_of([*log.events, Case("case-9").open().last]))


def counted_otherwise(log: Log) -> bytes:
    """The map with one event less counted of the first case."""
    heads = heads_of(log.events)
    key = head_map_reference.key_of("case", "case-1")
    return head_map_reference.subtree(heads | {key: (1, heads[key][1])})


def earlier_head(log: Log) -> bytes:
    """The map with the count of all events of the first case, and the head of the one before the last."""
    first = next(event for event in log.events if event.envelope.stream.id == "case-1")
    changed = {head_map_reference.key_of("case", "case-1"): (2, leaf_hash(first.entry))}
    return head_map_reference.subtree(heads_of(log.events) | changed)


@pytest.mark.parametrize("lie", [omitted, added, counted_otherwise, earlier_head, lambda log: log.map_root(3)])
def test_a_false_map_is_a_fault(lie: Callable[[Log], bytes]) -> None:
    """A head omitted or added, another count or head, and the map of an earlier time."""
    log = founded(POLICE)
    log.add(*Case("case-1").open().name("zhang").events, *Case("case-2").open().events)
    index = log.map_heads(lie(log))
    fault("false_map", index, lambda: replay_events(log.events))


def test_a_map_whose_payload_is_not_the_one_that_follows_is_a_fault() -> None:
    """The payload of a map is not read: with a salt of its own nobody could tell what it commits to."""
    log = founded(POLICE)
    index = log.map_heads(salt="ab" * 16)
    fault("false_map", index, lambda: replay_events(log.events))


def test_of_two_maps_at_one_place_one_is_a_fork() -> None:
    """To commit to a map, and to show another, takes two trees."""
    log = mapped_log()
    shorter_log = Log(log.events[:-1])
    shorter_log.system.events = log.system.events[:-1]
    shorter_log.map_heads(bytes(32))
    entries, forged = log.entries(), shorter_log.entries()
    fault("fork", None, lambda: replay.require_begins(frontier(entries), tree(forged), reader(forged)))


# -- forms -------------------------------------------------------------------------------------------------------------


def test_an_entry_of_another_form_is_a_fault() -> None:
    """Bytes that are no envelope, one in another spelling, or where no such event can stand; but an older witness stops
    at what it does not know, and asks to be updated."""
    event = Case().open().last
    fault("malformed", 7, lambda: replay.decode_entries([b"{}"], 7))
    fault("malformed", 8, lambda: replay.decode_entries([event.entry, event.entry + b" "], 7))
    misplaced = replace(event.envelope, stream=replace(event.envelope.stream, kind="system"))
    fault("malformed", 0, lambda: replay.decode_entries([canonical.encode(misplaced)], 0))
    later = replace(Case().open().last.envelope, event_type="case.beamed_up")
    with pytest.raises(replay.LogUnreadable, match="does not know"):
        replay.decode_entries([canonical.encode(later)], 0)


# -- the registry's mirror ---------------------------------------------------------------------------------------------


def test_a_mirror_entry_takes_its_payload() -> None:
    """A payload that is withheld, or is not the one that was signed, is not judged."""
    log = founded(POLICE)
    for payloads in ({}, payloads_of(log.events) | {1: b"{}"}):
        with pytest.raises(replay.LogUnreadable, match="payload of entry"):
            replay_events(log.events, payloads=payloads)


def test_what_is_a_false_mirror() -> None:
    """A change whose number or rolling hash does not follow, a payload of another type than its entry names, an
    officer's name."""
    log = founded(POLICE)
    forged = replace(log.registry.bodies[1], registry_hash="0x" + "22" * 32)
    system = Writer("system", "ledger", start=START - 3600)
    events = [system.write(body, SERVICE) for body in (log.registry.bodies[0], forged)]
    fault("false_mirror", 1, lambda: replay_events(events))
    log = founded(POLICE)
    first = Writer("system", "ledger", start=START - 3600).write(log.registry.bodies[0], SERVICE)
    lying = SignedEvent(signed(replace(first.envelope, event_type="registry.key_granted"), SERVICE), first.payload)
    fault("false_mirror", 0, lambda: replay_events([lying]))
    log = Log()
    log.registry.admit(POLICE)
    log.mirror(by=ServiceKeyHolder("p-0001", SERVICE.agency))
    fault("false_mirror", 0, lambda: replay_events(log.events))


def test_the_registry_is_replayed_from_its_mirror_alone() -> None:
    """Its changes and the registry after each are those of the whole replay; another event among them is refused."""
    log = founded(POLICE)
    step = replay_events(log.events)
    initial = replay.empty_log(LOG_ID, SERVICE.key_id).authority
    mirror = [(index, log.events[index].event.event_type, data) for index, data in payloads_of(log.events).items()]
    replayed = list(replay.replay_registry(initial, mirror))
    assert tuple(change for change, _ in replayed) == step.changes
    assert replayed[-1][1] == step.followed.authority
    with pytest.raises(IntegrityBroken, match="mirrors no change"):
        list(replay.replay_registry(initial, [(0, "case.opened", Case().open().last.payload_bytes)]))


def test_the_chain_has_what_is_mirrored() -> None:
    """The mirrored changes are the first of those that the chain has, place and all; it may have more."""
    log = founded(POLICE)
    mirrored = replay_events(log.events).changes
    bodies = log.registry.bodies
    replay.require_same_changes(mirrored, bodies, final_block=100)
    replay.require_same_changes(mirrored[:2], bodies, final_block=100)
    moved = replace(bodies[1], location=replace(bodies[1].location, block_number=99))
    fault(
        "false_mirror", 1, lambda: replay.require_same_changes(mirrored, [bodies[0], moved, bodies[2]], final_block=100)
    )
    fault("false_mirror", 2, lambda: replay.require_same_changes(mirrored, bodies[:2], final_block=100))


def test_a_mirror_ahead_of_the_final_block_waits() -> None:
    """The log may hold final what this witness's rule does not yet."""
    log = founded(POLICE)
    mirrored = replay_events(log.events).changes
    before = mirrored[2].change.location.block_number - 1
    with pytest.raises(Unavailable) as refused:
        replay.require_same_changes(mirrored, log.registry.bodies[:2], final_block=before)
    assert refused.value.code == "chain_behind"


def test_what_was_signed_in_the_future_is_named() -> None:
    """Up to five minutes ahead of the follower's clock clocks may differ; the first entry beyond is named."""
    early, late = (Case(f"case-{start}", start=start).open().last.envelope for start in (START, START + 60))
    replay.require_signed([early, late], 5, late.signed_at - LATEST)
    with pytest.raises(replay.SignedInFuture) as refused:
        replay.require_signed([early, late], 5, late.signed_at - LATEST - 1)
    assert "entry 6 of" in refused.value.message
    assert refused.value.retry_after == 1


def test_an_entry_that_came_late_is_found() -> None:
    """What the log did not have at a time, and was signed more than a day and the tolerance before it; what it had then
    may be as old as it likes."""
    envelopes = [Case(f"case-{start}", start=start).open().last.envelope for start in (START, START + 60)]
    first, second = (envelope.signed_at + EARLIEST + LATEST for envelope in envelopes)
    assert replay.late_entry(envelopes, 5, size=0, at=first) is None
    assert replay.late_entry(envelopes, 5, size=0, at=first + 1) == (5, EARLIEST + LATEST + 1)
    assert replay.late_entry(envelopes, 5, size=6, at=first + 1) is None
    assert replay.late_entry(envelopes, 5, size=6, at=second + 2) == (6, EARLIEST + LATEST + 2)
    assert replay.late_entry(envelopes, 5, size=7, at=second + 2) is None

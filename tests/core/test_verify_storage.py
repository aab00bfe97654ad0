"""``ledger.core.verify``, steps 10 and 12 to 14: what the contracts' storage proves, and each fault by its step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
import rlp
from msgspec.structs import replace

from ledger.core.bundle import Bundle, ProvenAt, raw
from ledger.core.contract_state import anchor_slots, registry_slots
from ledger.core.merkle import EMPTY_TREE
from ledger.core.report import Report
from ledger.core.trust import Trust, TrustedBlock
from ledger.core.verify import verify_bundle
from ledger.core.verify_case import verify_case
from ledger.core.verify_chain import SeenBlock
from ledger.record import shipped_rulebook
from tests.builders import POLICE, PROCURATORATE, START, clerk
from tests.bundles import CHAIN, WITNESSES, Log, anchor_of, encode_bundle, log_with, tree, trust
from tests.states import State, hexed, packed, path, storage_trie
from tests.verifying import CASE, LOG, NOTE, REGISTERED, Tree, faults, put, results

ANCHORED_AT = START + 4000  # the block time of ``anchor_of``
BLOCK = 12  # whose state proves the anchor; the anchor's is 9


def state_of(log: Log, *, number: int = 1, revoked_at: dict[str, int] | None = None, fields: int = 20) -> State:
    """The contracts three blocks after they took the present tree head as record ``number``."""
    made = State(CHAIN, BLOCK, ANCHORED_AT + 36, fields=fields)
    if number > 1:
        made.record(number - 1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
    checkpoint = log.checkpoint()
    made.record(number, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
    authority = log.registry.authority
    return made.has(authority.registry_hash, *authority.grants.values(), revoked_at=revoked_at)


def replace_state(number: int) -> State:
    """The same contracts by the header of another block."""
    made = state_of(LOG, number=2)
    made.number = number
    return made


def tree_of(proven: ProvenAt) -> Tree:
    return cast(Tree, msgspec.to_builtins(proven))


def exclusion() -> list[str]:
    """A path of the anchor contract's storage to a slot that holds nothing."""
    storage = storage_trie(state_of(LOG, number=2).anchor)
    return [hexed(node) for node in path(storage, anchor_slots(9)[1])]


def anchored(log: Log, index: int, made: State, *, number: int = 1, note: str | None = None, **said: Any) -> Bundle:
    """The bundle of an entry whose anchor the state proves."""
    envelope = log.events[index].envelope
    key_id = envelope.key_id if envelope.stream.kind != "system" else None
    proven = made.proven(number, key_id)
    anchor = anchor_of(log.checkpoint(), log.registry.authority.registry_hash, number=number, proven_at=proven)
    return log.bundle(index, note, anchors=raw([replace(anchor, **said)]))


GOOD = anchored(LOG, REGISTERED, state_of(LOG, number=2), number=2, note=NOTE)
PROVEN = tree(GOOD)["anchors"][0]["proven_at"]
NAMED = TrustedBlock(PROVEN["block_number"], PROVEN["block_hash"])


def trusting(*blocks: TrustedBlock) -> Trust:
    return trust(chains=(replace(CHAIN, trusted_blocks=blocks),))


def verdict_of(bundle: Bundle | Tree, *seen: SeenBlock, using: Trust | None = None) -> Report:
    data = json.dumps(bundle).encode() if isinstance(bundle, dict) else encode_bundle(bundle)
    return verify_bundle(data, using or trusting(NAMED), seen=seen)


def on_chain(**changes: Any) -> SeenBlock:
    return replace(SeenBlock(CHAIN.identity, NAMED.number, NAMED.hash, is_final=True), **changes)


# -- what holds --------------------------------------------------------------------------------------------------------


def test_complete_bundle_ends_in_a_block_hash() -> None:
    """With a trusted block hash nothing is left open, and the report names the block and the time it proves."""
    report = verdict_of(GOOD)
    assert report.verdict == "intact"
    assert {name for name, result in results(report).items() if result != "checked"} == {"witnesses"}
    assert report.block is not None
    assert (report.block.number, report.block.hash, report.block.trusted) == (NAMED.number, NAMED.hash, True)
    assert NAMED.hash in report.steps[12].detail
    assert report.proven_time == ANCHORED_AT


def test_block_that_nobody_vouches_for() -> None:
    """Without a trusted hash step 13 is not checked and says which block the proof ends in; the verdict stays."""
    report = verdict_of(GOOD, using=trust())
    assert (report.verdict, results(report)["storage"], results(report)["block"]) == (
        "intact",
        "checked",
        "not_checked",
    )
    assert NAMED.hash in report.steps[12].detail
    assert report.steps[12].detail.startswith("no trusted block hash")
    assert report.block is not None
    assert not report.block.trusted
    assert report.proven_time is None


def test_block_that_the_chain_has() -> None:
    """A node that was asked vouches for the block where it is final, and for nothing where it is not."""
    seen = verdict_of(GOOD, on_chain(), using=trust())
    assert (results(seen)["block"], seen.proven_time) == ("checked", ANCHORED_AT)
    fresh = verdict_of(GOOD, on_chain(is_final=False), using=trust())
    assert (results(fresh)["block"], fresh.verdict) == ("not_checked", "intact")
    assert "not for good" in fresh.steps[12].detail


@pytest.mark.parametrize(
    "seen",
    [on_chain(number=13), on_chain(chain=replace(CHAIN.identity, deployment_block_hash="0x" + "11" * 32))],
)
def test_blocks_of_other_numbers_and_chains(seen: SeenBlock) -> None:
    """They say nothing of this one."""
    assert results(verdict_of(GOOD, replace(seen, hash="0x" + "22" * 32), using=trust()))["block"] == "not_checked"


def test_earliest_time_counts() -> None:
    """A witness that co-signed before the anchor's block proves more than the block."""
    note = LOG.note(witnesses=[(WITNESSES[0], ANCHORED_AT - 100), (WITNESSES[1], ANCHORED_AT - 90)])
    policy = "".join(f"witness w{n} {w.verifying_key.vkey()}\n" for n, w in enumerate(WITNESSES, 1))
    using = replace(trusting(NAMED), policy=trust(f"{policy}group g 2 w1 w2 w3\nquorum g\n").policy)
    bundle = anchored(LOG, REGISTERED, state_of(LOG, number=2), number=2, note=note)
    assert verdict_of(bundle, using=using).proven_time == ANCHORED_AT - 100


@pytest.mark.parametrize("fields", [15, 16, 17, 20, 21])
def test_headers_of_every_hard_fork(fields: int) -> None:
    """From before london to prague."""
    report = verdict_of(anchored(LOG, REGISTERED, state_of(LOG, fields=fields)), using=trust())
    assert results(report)["storage"] == "checked"


@pytest.mark.parametrize("index", range(len(LOG.events)))
def test_every_entry(index: int) -> None:
    """Entries of the ledger itself are proven without a key's slots."""
    report = verdict_of(anchored(LOG, index, state_of(LOG)), using=trust())
    assert (report.verdict, results(report)["storage"]) == ("intact", "checked")


def test_anchor_without_the_key() -> None:
    """A proof may leave the key's slots out: then step 10 is not checked, and step 12 is."""
    bad = tree(GOOD)
    del bad["anchors"][0]["proven_at"]["registry"]["storage_proof"][1:]
    report = verdict_of(bad)
    assert (report.verdict, results(report)["storage"], results(report)["revocation"]) == (
        "intact",
        "checked",
        "not_checked",
    )


def test_registry_that_changed_since() -> None:
    """The registry may have gone on; the report says so."""
    made = state_of(LOG).has(bytes([7]) * 32)
    report = verdict_of(anchored(LOG, REGISTERED, made), using=trust())
    assert "changed since" in report.steps[11].detail


def test_first_record_of_a_successor() -> None:
    """Record 0 of a contract that continues another holds the other's last record."""
    made = state_of(LOG)
    root, meta = anchor_slots(1)[3:]
    made.anchor[root], made.anchor[meta] = 77, packed((4, 64), (3, 64), (START, 64))
    assert results(verdict_of(anchored(LOG, REGISTERED, made), using=trust()))["storage"] == "checked"


def test_case_bundle() -> None:
    """All events of a case are checked alike, by one block."""
    made = state_of(LOG)
    events = [tree(anchored(LOG, index, made, note=NOTE)) for index in range(6, len(LOG.events))]
    bundle = tree(LOG.case_bundle(note=NOTE)) | {"events": events}
    block = made.proven(1)
    using = trusting(TrustedBlock(block.block_number, block.block_hash))
    report = verify_case(json.dumps(bundle).encode(), using, shipped_rulebook())
    assert report.verdict == "intact"
    assert {results(event)["block"] for event in report.events} == {"checked"}
    unseen = verify_case(
        json.dumps(bundle).encode(), trust(), shipped_rulebook(), seen=[on_chain(hash=block.block_hash)]
    )
    assert {results(event)["block"] for event in unseen.events} == {"checked"}


# -- faults: changes of the bundle -------------------------------------------------------------------------------------

EARLIER = tree(anchored(LOG, REGISTERED, replace_state(number=BLOCK - 1), number=2, note=NOTE))
OTHER_KEY = tree(anchored(LOG, REGISTERED + 2, state_of(LOG, number=2), number=2, note=NOTE))
RECORD_1 = state_of(LOG, number=2).proven(1)


def at(*path: str | int, to: Any) -> Callable[[Tree], None]:
    return put("anchors", 0, "proven_at", *path, to=to)


def of(bundle: Tree, *path: str | int) -> Any:
    """A part of a bundle's proof."""
    found = bundle["anchors"][0]["proven_at"]
    for key in path:
        found = found[key]
    return found


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


SLOTS = ("anchor", "storage_proof")
FAULTS: dict[str, Callable[[Tree], None]] = {
    "slot of another record": at(*SLOTS, 1, "key", to=hexed(anchor_slots(3)[1])),
    "slots of a record swapped": at(*SLOTS, to=lambda slots: [slots[0], slots[2], slots[1], *slots[3:]]),
    "slots of record n-1 for those of n": at(*SLOTS, to=lambda slots: [slots[0], *slots[3:], *slots[1:3]]),
    "slot of record n-1 left out": at(*SLOTS, to=lambda slots: slots[:-1]),
    "one slot more": at(*SLOTS, to=lambda slots: [*slots, slots[0]]),
    "no slots": at(*SLOTS, to=[]),
    "registry without its hash": at("registry", "storage_proof", to=lambda slots: slots[1:]),
    "key's slots cut": at("registry", "storage_proof", to=lambda slots: slots[:-1]),
    "key's slots of another key": at("registry", to=of(OTHER_KEY, "registry")),
    "account of the other contract": at("anchor", "account_proof", to=of(tree(GOOD), "registry", "account_proof")),
    "contracts swapped": lambda b: b["anchors"][0]["proven_at"].update(
        anchor=of(tree(GOOD), "registry"), registry=of(tree(GOOD), "anchor")
    ),
    "header of another block": at("header_rlp", to=of(EARLIER, "header_rlp")),
    "header and hash of another block": lambda b: b["anchors"][0]["proven_at"].update(
        header_rlp=of(EARLIER, "header_rlp"), block_hash=of(EARLIER, "block_hash")
    ),
    "header that was changed": at("header_rlp", to=flipped),
    "header that is none": at("header_rlp", to="0xc0"),
    "hash of another block": at("block_hash", to=flipped),
    "number of another block": at("block_number", to=13),
    "proof of record 1 as record 2": lambda b: b["anchors"][0].update(proven_at=tree_of(RECORD_1)),
    "value that the proof does not have": at(*SLOTS, 0, "value", to=flipped),
    "inclusion as exclusion": at(*SLOTS, 1, "value", to="0x" + "00" * 32),
    "exclusion as inclusion": at(*SLOTS, 1, "proof", to=exclusion()),
    "slot's node cut": at(*SLOTS, 1, "proof", to=lambda nodes: nodes[:-1]),
    "slot's node added": at(*SLOTS, 1, "proof", to=lambda nodes: [*nodes, nodes[-1]]),
    "slot without nodes": at(*SLOTS, 1, "proof", to=[]),
    "slot's node changed": at(*SLOTS, 1, "proof", 0, to=flipped),
    "account's node cut": at("anchor", "account_proof", to=lambda nodes: nodes[:-1]),
    "account's node added": at("registry", "account_proof", to=lambda nodes: [*nodes, "0x80"]),
    "account's node changed": at("registry", "account_proof", 0, to=flipped),
    "account's nodes swapped": at("anchor", "account_proof", to=lambda nodes: nodes[::-1]),
    "other block number of the record": put("anchors", 0, "anchored_in", "block_number", to=8),
    "other block time of the record": put("anchors", 0, "anchored_in", "timestamp", to=ANCHORED_AT + 1),
    "number of another record": put("anchors", 0, "number", to=1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_by_step_12(name: str) -> None:
    """What does not lead from the header to the record is tampered with; steps 10 and 13 then check nothing of it."""
    bad = tree(GOOD)
    FAULTS[name](bad)
    report = verdict_of(bad)
    assert (report.verdict, faults(report)) == ("tampered", ["storage"])
    assert results(report)["block"] == results(report)["revocation"] == "not_checked"
    assert report.block is None


FORMS: dict[str, Callable[[Tree], None]] = {
    "odd hex": at("header_rlp", to="0xc"),
    "upper-case hex": at("header_rlp", to="0xC0"),
    "a short slot": at(*SLOTS, 0, "key", to="0x0"),
    "a value as a quantity": at(*SLOTS, 0, "value", to="0x5"),
    "66 nodes": at("anchor", "account_proof", to=["0x80"] * 66),
    "17 slots": at(*SLOTS, to=lambda slots: slots[:1] * 17),
    "a field more": at("more", to=1),
    "no registry": lambda b: b["anchors"][0]["proven_at"].pop("registry"),
    "null": put("anchors", 0, "proven_at", to=None),
}


@pytest.mark.parametrize("name", FORMS)
def test_fault_of_form_is_found_by_step_11(name: str) -> None:
    """What is not of its form makes the anchor none."""
    bad = tree(GOOD)
    FORMS[name](bad)
    assert faults(verdict_of(bad)) == ["anchor"]


# -- faults: a chain that holds something else -------------------------------------------------------------------------


def held(**slots: int) -> Bundle:
    """The good bundle of a chain whose slots hold other words, by their place in the proof."""
    made = state_of(LOG, number=2)
    for name, word in slots.items():
        contract, _, place = name.partition("_")
        keys = anchor_slots(2) if contract == "anchor" else registry_slots(clerk(POLICE).key_id)
        (made.anchor if contract == "anchor" else made.registry)[keys[int(place)]] = word
    return anchored(LOG, REGISTERED, made, number=2, note=NOTE)


SIZE = len(LOG.events)
CHAINS: dict[str, dict[str, int]] = {
    "another root": {"anchor_1": 77},
    "another size": {"anchor_2": packed((9, 64), (9, 64), (ANCHORED_AT, 64))},
    "no record": {"anchor_1": 0, "anchor_2": 0},
    "the record as the last but one of itself": {"anchor_0": packed((1, 64), (5, 64))},
    "a last record of another size": {"anchor_0": packed((2, 64), (9, 64))},
    "later records of the same size": {"anchor_0": packed((3, 64), (SIZE, 64))},
    "a record before it of the same size": {"anchor_4": packed((SIZE, 64), (7, 64), (START, 64))},
    "a record before it in a later block": {"anchor_4": packed((5, 64), (10, 64), (START, 64))},
    "a record before it at a later time": {"anchor_4": packed((5, 64), (7, 64), (ANCHORED_AT + 1, 64))},
    "an empty log before record 2": {"anchor_3": int.from_bytes(EMPTY_TREE.root(), "big")},
}


@pytest.mark.parametrize("name", CHAINS)
def test_contract_that_holds_something_else(name: str) -> None:
    """The slots are proven, and are not those of this tree head after another."""
    assert faults(verdict_of(held(**CHAINS[name]), using=trust())) == ["storage"]


def test_record_that_starts_nowhere() -> None:
    """Record 0 of size 0 has the root of the empty log."""
    made = state_of(LOG)
    made.anchor[anchor_slots(1)[3]] = 77
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


def test_record_from_a_later_block() -> None:
    """The state of a block holds no record of a later one."""
    made = replace_state(number=8)
    assert faults(verdict_of(anchored(LOG, REGISTERED, made, number=2), using=trust())) == ["storage"]


def test_block_of_the_anchor_itself() -> None:
    """Where the state is that of the anchor's own block, its hash is the one that the anchor names."""
    made = replace_state(number=9)
    block = made.proven(2).block_hash
    said = anchor_of(LOG.checkpoint()).anchored_in
    good = anchored(LOG, REGISTERED, made, number=2, anchored_in=replace(said, block_hash=block))
    assert results(verdict_of(good, using=trust()))["storage"] == "checked"
    assert faults(verdict_of(anchored(LOG, REGISTERED, made, number=2), using=trust())) == ["storage"]


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_other_code(which: str) -> None:
    """A contract of other code proves nothing."""
    chain = replace(CHAIN, **{f"{which}_code_hash": "0x" + "cc" * 32})
    report = verdict_of(GOOD, using=trust(chains=(chain,)))
    assert faults(report) == ["storage"]
    assert f"proven_at.{which}.account_proof" in report.faults[0].detail


@pytest.mark.parametrize("which", ["anchor", "registry"])
def test_account_that_is_not_there(which: str) -> None:
    """The state of the block proves that there is no such contract."""
    chain = replace(CHAIN, **{which: "0x" + "77" * 20})
    made = state_of(LOG, number=2)
    elsewhere = replace(CHAIN, **{which: "0x" + "78" * 20})
    made.chain = elsewhere
    proven = made.proven(2, clerk(POLICE).key_id)
    absent = made.absent(bytes.fromhex(getattr(chain, which)[2:]))
    part = replace(getattr(proven, which), account_proof=absent)
    anchor = anchor_of(LOG.checkpoint(), number=2, contract=chain.anchor)
    anchor = replace(anchor, proven_at=replace(proven, **{which: part}))
    report = verdict_of(LOG.bundle(REGISTERED, NOTE, anchors=raw([anchor])), using=trust(chains=(chain,)))
    assert faults(report) == ["storage"]
    assert "no account" in report.faults[0].detail


ODD_ACCOUNTS = {
    "three fields": [b"\x01", b"", bytes(32)],
    "no list": b"account",
    "lists for hashes": [b"\x01", b"", [b"x"], bytes(32)],
    "a list for its code": [b"\x01", b"", bytes(32), [b"x"]],
}


@pytest.mark.parametrize("name", ODD_ACCOUNTS)
def test_odd_accounts(name: str) -> None:
    """An account has four fields, two of them hashes."""
    made = state_of(LOG)
    made.odd_account = bytes(rlp.encode(ODD_ACCOUNTS[name]))
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


@pytest.mark.parametrize(
    "value", [b"\x82\x00\x01", b"\xa1" + b"\x01" * 33, b"\xc1\x01", b"\x80", b"\x81\x05", b"\x05\x05"]
)
def test_odd_words(value: bytes) -> None:
    """A slot holds a number of at most 32 bytes without leading zeros, in RLP."""
    made = state_of(LOG)
    made.odd_words[anchor_slots(1)[1]] = value
    assert faults(verdict_of(anchored(LOG, REGISTERED, made), using=trust())) == ["storage"]


# -- step 10 -----------------------------------------------------------------------------------------------------------


def revoked(moment: int, *, mirrored: bool) -> Report:
    """The registry says that the clerk's key was revoked then; the log has it or not."""
    log = log_with(CASE, POLICE, PROCURATORATE)
    if mirrored:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    made = state_of(log, revoked_at={clerk(POLICE).key_id: moment})
    return verdict_of(anchored(log, REGISTERED, made), using=trust())


def test_revocation_that_is_hidden() -> None:
    """A key that the registry revoked before the anchor, without the entry that says so: the bundle hides it."""
    report = revoked(ANCHORED_AT - 1, mirrored=False)
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])
    assert "is not shown" in report.faults[0].detail


def test_revocation_in_the_block_of_the_anchor() -> None:
    """Whether it came before or after the anchor cannot be told: unverifiable, and no fault."""
    report = revoked(ANCHORED_AT, mirrored=False)
    assert (report.verdict, results(report)["revocation"]) == ("unverifiable", "not_checked")


def test_revocation_after_the_anchor() -> None:
    """What was anchored before was signed with a good key; the log need not have the entry yet."""
    report = revoked(ANCHORED_AT + 1, mirrored=False)
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")


def test_revocation_that_both_have() -> None:
    """Log and registry agree."""
    report = revoked(ANCHORED_AT - 1, mirrored=True)
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")


def test_revocation_that_the_registry_does_not_have() -> None:
    """A mirror entry of what never happened."""
    report = revoked(0, mirrored=True)
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])


@pytest.mark.parametrize("place", [1, 2, 3])
def test_grant_that_is_another(place: int) -> None:
    """Agency, officer and terms of the registry's grant are those of the mirror entry."""
    assert faults(verdict_of(held(**{f"registry_{place}": 77}), using=trust())) == ["revocation"]


# -- step 13 -----------------------------------------------------------------------------------------------------------


def test_trust_file_that_names_another_block() -> None:
    """The proof is of a history that the verifier knows to be another."""
    report = verdict_of(GOOD, using=trusting(TrustedBlock(NAMED.number, "0x" + "11" * 32)))
    assert (report.verdict, faults(report)) == ("tampered", ["block"])


def test_chain_that_has_another_block() -> None:
    """Even where the trust file names it: the chain has gone another way."""
    report = verdict_of(GOOD, on_chain(hash="0x" + "11" * 32))
    assert (report.verdict, faults(report)) == ("tampered", ["block"])


def test_trusted_blocks_of_other_numbers() -> None:
    """They neither help nor hinder."""
    other = TrustedBlock(NAMED.number + 1, "0x" + "11" * 32)
    assert results(verdict_of(GOOD, using=trusting(other)))["block"] == "not_checked"
    assert results(verdict_of(GOOD, using=trusting(other, NAMED)))["block"] == "checked"


def test_time_far_away() -> None:
    """A chain may name a second beyond the calendar; it is told in seconds."""
    made = state_of(LOG)
    made.timestamp = 2**52
    bundle = anchored(LOG, REGISTERED, made)
    told = of(tree(bundle), "block_hash")
    report = verdict_of(bundle, using=trusting(TrustedBlock(BLOCK, told)))
    assert str(2**52) in report.steps[12].detail

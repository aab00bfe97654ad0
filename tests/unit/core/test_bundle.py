"""``ledger.core.verification.bundle``: one file format with one spelling, and one rule for what is no bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import EMPTY_ROOT
from ledger.core.log.notes import MAX_NOTE_LENGTH, parse_note
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.verification import bundle
from tests.testkit.builders import PROCURATORATE
from tests.testkit.bundles import log_with, tree
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import put

CASE = Case().open().register("phone").offer("phone", to=PROCURATORATE)
LOG = log_with(CASE)
LAST = len(LOG.events) - 1
BUNDLE = LOG.bundle(LAST)


@pytest.mark.parametrize("withheld", [False, True])
def test_round_trip(withheld: bool) -> None:
    """What is written is read back to the same bytes, absent parts and a withheld payload left out."""
    data = bundle.encode_bundle(LOG.bundle(LAST, payload=None) if withheld else BUNDLE)
    read = bundle.decode_bundle(data)
    assert (read.subjects[0].payload is None) == withheld
    assert bundle.encode_bundle(read) == data
    assert b"null" not in data.replace(b'"previous":null', b"")


def test_round_trip_of_a_stream() -> None:
    """The bundle of a case is about the events of its stream, whatever stands beside them."""
    data = bundle.encode_bundle(LOG.case_bundle())
    read = bundle.decode_bundle(data)
    assert bundle.encode_bundle(read) == data
    assert [entry.envelope for entry in read.subjects] == [event.envelope for event in CASE.events]
    assert len(read.entries) > len(read.subjects)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b" " * (bundle.MAX_BUNDLE_LENGTH + 1)])
def test_what_is_no_bundle_is_refused_with_what_to_do(data: bytes) -> None:
    """Whoever holds a file that is none is told where to get one."""
    with pytest.raises(MalformedInput) as refusal:
        bundle.decode_bundle(data)
    assert "tally proof get" in (refusal.value.hint or "")


def test_a_bundle_has_one_spelling() -> None:
    """An indented file, or one with a newline at its end, is none."""
    data = bundle.encode_bundle(BUNDLE)
    for spelled in (json.dumps(json.loads(data), indent=1).encode(), data + b"\n"):
        with pytest.raises(MalformedInput, match="canonical"):
            bundle.decode_bundle(spelled)


def swapped(file: dict[str, Any]) -> None:
    file["entries"].reverse()


def elsewhere(file: dict[str, Any]) -> None:
    del file["event"]
    file["stream"] = {"id": "case-2", "kind": "case"}


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "neither event nor stream": lambda file: file.pop("event"),
    "both event and stream": put("stream", to={"id": "case-1", "kind": "case"}),
    "an event that is not here": put("event", to=LAST + 1),
    "a stream without an entry here": elsewhere,
    "entries in another order": swapped,
    "no entry": put("entries", to=[]),
    "a payload of another form": put("entries", -1, "payload", "officer", to=7),
    "an entry that is too long": put("entries", -1, "envelope", "stream", "id", to="a" * 64),
    "a node without a place": put("nodes", "01/0", to="A" * 43 + "="),
    "a node that is no hash": put("nodes", "0/0", to="AAAA"),
    "a note that is too long": put("note", to="x" * (MAX_NOTE_LENGTH + 1)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_of_another_form_is_none(name: str) -> None:
    """Each fault names its field; an entry's length is that of its bytes."""
    file = tree(BUNDLE)
    FAULTS[name](file)
    if name == "an entry that is too long":
        put("entries", -1, "envelope", "agency", to="a" * 70_000)(file)
    with pytest.raises(MalformedInput) as refusal:
        bundle.decode_bundle(canonical.encode(file))
    assert (refusal.value.field or "").startswith("bundle")


def test_entries_of_the_ledger_itself_are_read_once() -> None:
    """They stand in every bundle. One of other bytes is read anew, and a refusal names its place in the file."""
    file = tree(BUNDLE)
    first, again = (bundle.decode_bundle(canonical.encode(file)) for _ in range(2))
    assert [entry is kept for entry, kept in zip(first.entries, again.entries, strict=True)] == [
        entry.envelope.stream.kind == "system" for entry in first.entries
    ]
    put("entries", 0, "envelope", "signed_at", to=lambda at: at + 1)(file)
    changed = bundle.decode_bundle(canonical.encode(file)).entries
    assert changed[0].envelope.signed_at == first.entries[0].envelope.signed_at + 1
    put("entries", 0, "payload", "body", to=[])(file)
    with pytest.raises(MalformedInput) as refusal:
        bundle.decode_bundle(canonical.encode(file))
    assert refusal.value.field == "bundle.entries[0].payload.body"


def test_what_a_bundle_is_about() -> None:
    """Who asks for an event or a stream gets it, and no other thing."""
    event, case = (bundle.decode_bundle(bundle.encode_bundle(file)) for file in (BUNDLE, LOG.case_bundle()))
    assert (event.require_event().index, case.require_stream("case").id) == (LAST, "case-1")
    for ask in (case.require_event, lambda: event.require_stream("case"), lambda: case.require_stream("system")):
        with pytest.raises(MalformedInput):
            ask()


def test_tlog_proof() -> None:
    """A bundle gives the C2SP proof of its event, which the log's key and the note of the bundle verify."""
    read = bundle.decode_bundle(bundle.encode_bundle(BUNDLE))
    proof = parse_tlog_proof(bundle.tlog_proof_of(read))
    assert proof.index == LAST
    checkpoint = proof.verify(read.subjects[0].leaf, LOG.log_signer.verifying_key)
    assert checkpoint.text() == parse_note(BUNDLE.note).text
    empty = sign_checkpoint(Checkpoint(LOG.log_signer.verifying_key.name, 0, EMPTY_ROOT), LOG.log_signer)
    with pytest.raises(MalformedInput, match="lacks the node 0/"):
        bundle.tlog_proof_of(replace(BUNDLE, nodes={}))
    with pytest.raises(ProofRefused, match="not within a tree of 0 leaves"):
        bundle.tlog_proof_of(replace(BUNDLE, note=empty))

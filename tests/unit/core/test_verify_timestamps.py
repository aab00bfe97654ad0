"""Step 14 with RFC 3161 timestamps: they tell the time where the trust file names their authority, and else nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.log.notes import SeedSigner, parse_note
from ledger.core.verification.bundle_format import Bundle, StampedProof, raw
from ledger.core.verification.evidence import encode_response
from ledger.core.verification.report import ProofReport
from ledger.core.verification.trust import Trust, encode_trust, parse_trust
from tests.testkit.builders import START
from tests.testkit.bundles import TWO_OF_THREE, WITNESSES, Log, log_with, tree, trust
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import GOOD, LOG, REGISTERED, TRUST, put, verdict_of
from tests.testkit.timestamping import Authority, new_authority

EARLIER = REGISTERED + 1  # a size at which the entry is the last


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority whose root the trust file names."""
    return new_authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that it does not name."""
    return new_authority(tmp_path_factory.mktemp("other") / "tsa", name="Other")


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> Trust:
    """The trust file with the authority's root; it names no block, so that nothing else tells the time."""
    return trust(timestamp_roots=(authority.root,))


def stamp(authority: Authority, size: int = EARLIER, index: int = REGISTERED, log: Log = LOG) -> StampedProof:
    """A timestamp of the log's checkpoint at a size, with the proof of an entry in it."""
    note = log.note(size)
    response = authority.stamp(parse_note(note).text.encode())
    return StampedProof(proof=log.proof(index, note), response=encode_response(response))


@pytest.fixture(scope="module")
def stamped(authority: Authority) -> Bundle:
    """A good bundle with a timestamp of an earlier checkpoint than its own."""
    return replace(GOOD, timestamps=raw([stamp(authority)]))


def time_step(report: ProofReport) -> tuple[str, str]:
    step = report.steps[12]
    assert step.name == "time"
    return step.result, step.detail


def test_a_timestamp_tells_since_when_the_entry_is_there(stamped: Bundle, trusting: Trust) -> None:
    """Without any witness: the time is proven by a third party."""
    report = verdict_of(stamped, trusting)
    assert report.verdict == "not_yet_anchored"
    assert report.proven_time is not None
    result, detail = time_step(report)
    assert result == "checked"
    assert detail.endswith("by the timestamp of CN=Test Timestamping")


def test_the_earliest_time_counts(stamped: Bundle, authority: Authority) -> None:
    """A co-signature of before is better than a timestamp of today."""
    cosigned = [(witness, START + 5000 + number) for number, witness in enumerate(WITNESSES)]
    bundle = replace(LOG.bundle(REGISTERED, LOG.note(witnesses=cosigned)), timestamps=stamped.timestamps, anchor=UNSET)
    report = verdict_of(bundle, trust(TWO_OF_THREE, development=False, timestamp_roots=(authority.root,)))
    assert (report.verdict, report.proven_time) == ("not_yet_anchored", START + 5001)


def test_without_a_root_nothing_is_looked_at(stamped: Bundle) -> None:
    """The step says so, and whatever the field holds leaves the verdict as it is."""
    report = verdict_of(stamped, trust())
    assert (report.verdict, report.proven_time) == ("not_yet_anchored", None)
    assert time_step(report)[0] == "not_checked"
    assert "timestamps are not checked: the trust file names no authority's root" in time_step(report)[1]
    garbage = tree(stamped) | {"timestamps": {"a": [1]}}
    assert verdict_of(garbage, trust()) == report


def test_another_authority_proves_nothing_and_spoils_nothing(
    stamped: Bundle, trusting: Trust, authority: Authority, other: Authority
) -> None:
    """Its timestamp is passed over, and that is told, beside one that counts or alone."""
    alone = verdict_of(replace(GOOD, timestamps=raw([stamp(other)])), trusting)
    assert (alone.verdict, alone.proven_time, time_step(alone)[0]) == ("not_yet_anchored", None, "not_checked")
    assert "1 of an authority that the trust file does not name" in time_step(alone)[1]
    both = verdict_of(replace(GOOD, timestamps=raw([stamp(other), stamp(authority)])), trusting)
    assert (both.verdict, time_step(both)[0]) == ("not_yet_anchored", "checked")
    assert time_step(both)[1].endswith("; 1 of an authority that the trust file does not name")


def test_what_does_not_hold_is_told_and_spoils_nothing(stamped: Bundle, trusting: Trust, authority: Authority) -> None:
    """Page 12, C: a timestamp is optional evidence. One that does not hold counts as left out, and is told."""
    fork = Log(
        events=[*LOG.events[:REGISTERED], *LOG.events[REGISTERED + 1 :]],
        log_signer=SeedSigner.from_seed("other.example", b"\x09" * 32),
    )
    at = ("timestamps", 0)
    proof, response = tree(stamped)["timestamps"][0]["proof"], tree(stamped)["timestamps"][0]["response"]
    elsewhere = encode_response(authority.stamp(b"something else"))
    wrong: list[tuple[Any, ...]] = [
        (*at, "proof", LOG.proof(REGISTERED - 1, LOG.note(EARLIER))),
        (*at, "proof", LOG.proof(REGISTERED, LOG.note(EARLIER + 1))),
        (*at, "proof", fork.proof(REGISTERED, fork.note(EARLIER))),
        (*at, "proof", "no proof"),
        (*at, "proof", proof.replace(f"index {REGISTERED}", f"index {REGISTERED - 1}")),
        (*at, "response", elsewhere),
        (*at, "response", response[:-4]),
        (*at, "response", "="),
        (*at, "response", ""),
        (*at, "response", 7),
        (*at, {"proof": proof}),
        ("timestamps", {}),
        ("timestamps", [tree(stamped)["timestamps"][0]] * 17),
    ]
    for *path, value in wrong:
        bundle = tree(stamped)
        put(*path, to=value)(bundle)
        report = verdict_of(bundle, trusting)
        assert (report.verdict, report.proven_time) == ("not_yet_anchored", None), (path, value)
        assert "a timestamp does not hold: " in time_step(report)[1], (path, value)


def test_one_that_holds_counts_beside_one_that_does_not(stamped: Bundle, trusting: Trust) -> None:
    """Each timestamp stands for itself."""
    bundle = tree(stamped)
    bundle["timestamps"].insert(0, {"proof": "no proof", "response": ""})
    result, detail = time_step(verdict_of(bundle, trusting))
    assert result == "checked"
    assert "by the timestamp of CN=Test Timestamping; a timestamp does not hold: " in detail


def test_signed_after_a_timestamp(stamped: Bundle, trusting: Trust, authority: Authority) -> None:
    """That the entry says to be signed after its timestamp is told, and enters no verdict."""
    log = log_with(Case(start=int(time.time()) + 86_400).open())
    index = len(log.events) - 1
    stamped_late = stamp(authority, size=index + 1, index=index, log=log)
    report = verdict_of(log.bundle(index, anchored=False, timestamps=raw([stamped_late])), trusting)
    assert (report.verdict, time_step(report)[0]) == ("not_yet_anchored", "checked")
    assert "it says to be signed after the timestamp of CN=Test Timestamping" in time_step(report)[1]


def test_an_entry_that_stands_twice_is_stamped_at_its_own_index(trusting: Trust, authority: Authority) -> None:
    """A log that repeats an entry cannot lend the time of one index to another."""
    log = Log(events=[*LOG.events, LOG.events[REGISTERED]])
    bundle = replace(log.bundle(len(LOG.events), log.note()), timestamps=raw([stamp(authority)]))
    report = verdict_of(bundle, trusting)
    assert report.proven_time is None
    assert f"expected a proof of entry {len(LOG.events)}, not of {REGISTERED}" in time_step(report)[1]


def test_the_trust_file_carries_roots(trusting: Trust, authority: Authority) -> None:
    """In base64; without one the field is left out, and the file is what it was before there were timestamps."""
    assert parse_trust(encode_trust(trusting)) == trusting
    assert json.loads(encode_trust(trusting))["timestamp_roots"] == [encode_response(authority.root)]
    assert "timestamp_roots" not in json.loads(encode_trust(TRUST))


@pytest.mark.parametrize("root", ["", "AAAA", "not base64", "MAMC\nAQE=", 7, "A" * 20_000])
def test_a_root_must_be_a_certificate(root: Any) -> None:
    """What is none is refused before anything is checked by it."""
    data = json.dumps(json.loads(encode_trust(TRUST)) | {"timestamp_roots": [root]}).encode()
    with pytest.raises(MalformedInput) as caught:
        parse_trust(data)
    assert (caught.value.field or "").startswith("trust.timestamp_roots")


def test_nothing_is_loaded_that_is_not_needed() -> None:
    """A check without timestamps starts as fast as before: the library behind them is not imported."""

    program = "import sys, ledger.core.verification.case; print('rfc3161_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

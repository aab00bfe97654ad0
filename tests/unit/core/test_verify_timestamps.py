"""Step 14 with RFC 3161 timestamps: they tell the time where the trust file names their authority, and else nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.log.notes import parse_note
from ledger.core.verification.bundle_format import StampedProof, raw
from ledger.core.verification.evidence import encode_response
from ledger.core.verification.trust import Trust, encode_trust, parse_trust
from tests.testkit.bundles import Log, trust
from tests.testkit.changed_bundles import LOG, REGISTERED, TRUST, verdict_of
from tests.testkit.timestamping import Authority, new_authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority whose root the trust file names."""
    return new_authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> Trust:
    """The trust file with the authority's root; it names no block, so that nothing else tells the time."""
    return trust(timestamp_roots=(authority.root,))


def test_an_entry_that_stands_twice_is_stamped_at_its_own_index(trusting: Trust, authority: Authority) -> None:
    """A log that repeats an entry cannot lend the time of one index to another."""
    log = Log(events=[*LOG.events, LOG.events[REGISTERED]])
    earlier = LOG.note(REGISTERED + 1)
    response = encode_response(authority.stamp(parse_note(earlier).text.encode()))
    stamped = StampedProof(proof=LOG.proof(REGISTERED, earlier), response=response)
    bundle = replace(log.bundle(len(LOG.events), log.note()), timestamps=raw([stamped]))
    report = verdict_of(bundle, trusting)
    assert report.proven_time is None
    assert f"this is a proof of entry {REGISTERED}" in report.steps[12].detail


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

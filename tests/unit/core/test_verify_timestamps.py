"""Step 12 with RFC 3161 timestamps: they tell the time where the trust file names their authority, and else nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from typing import Any

import pytest

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.log.merkle import Hash
from ledger.core.trust.trust_file import Trust, encode_trust, parse_trust
from ledger.core.verification.bundle import TreeStamp
from tests.oracles import merkle_reference as reference
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
    size = REGISTERED + 1
    earlier = LOG.checkpoint(size)
    stamp = TreeStamp(
        size=size,
        root=earlier.root,
        consistency=tuple(map(Hash, reference.consistency_proof(size, log.entries()))),
        response=b64encode(authority.stamp(earlier.text().encode())).decode(),
    )
    first, again = (verdict_of(log.bundle(i, timestamps=(stamp,)), trusting) for i in (REGISTERED, len(LOG.events)))
    assert first.proven_time is not None
    assert again.proven_time is None


def test_the_trust_file_carries_roots(trusting: Trust, authority: Authority) -> None:
    """In base64; without one the field is left out, and the file is what it was before there were timestamps."""
    assert parse_trust(encode_trust(trusting)) == trusting
    assert json.loads(encode_trust(trusting))["timestamp_roots"] == [b64encode(authority.root).decode()]
    assert "timestamp_roots" not in json.loads(encode_trust(TRUST))


@pytest.mark.parametrize("root", ["", "not base64", "MAMC\nAQE=", 7, "A" * 20_000])
def test_a_root_must_be_base64(root: Any) -> None:
    """Whether it is a certificate shows when a timestamp is checked: a verifier may do without timestamps."""
    data = canonical.encode(json.loads(encode_trust(TRUST)) | {"timestamp_roots": [root]})
    with pytest.raises(MalformedInput) as caught:
        parse_trust(data)
    assert (caught.value.field or "").startswith("trust.timestamp_roots")


def test_nothing_is_loaded_that_is_not_needed() -> None:
    """A check without timestamps starts as fast as before: the library behind them is not imported."""
    program = "import sys, ledger.core.verification.case; print('rfc3161_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

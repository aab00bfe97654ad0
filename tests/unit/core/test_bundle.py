"""``ledger.core.verification.bundle_format``: one file format, strict in its frame, free in its spelling."""

from __future__ import annotations

import json

import pytest
from msgspec import UNSET, Raw

from ledger.core.errors import MalformedInput
from ledger.core.events import decode_envelope
from ledger.core.verification import bundle_format
from tests.testkit.builders import PROCURATORATE, clerk, event_of
from tests.testkit.bundles import log_with
from tests.testkit.casework import Case

CASE = Case().open().register("phone").offer("phone", to=PROCURATORATE)
LOG = log_with(CASE)
BUNDLE = LOG.bundle(len(LOG.events) - 1)


@pytest.mark.parametrize("withheld", [False, True])
def test_round_trip(withheld: bool) -> None:
    """What is written is read back to the same bytes, absent parts and a withheld payload left out."""
    data = bundle_format.encode_bundle(LOG.bundle(4, payload=UNSET) if withheld else BUNDLE)
    assert (bundle_format.decode_bundle(data).payload is UNSET) == withheld == ("payload" not in json.loads(data))
    assert bundle_format.encode_bundle(bundle_format.decode_bundle(data)) == data
    assert b"erased" not in data
    assert b"null" not in data.replace(b'"previous":null', b"")


def test_case_bundle_round_trip() -> None:
    """A case bundle holds the whole bundles of its events."""
    data = bundle_format.encode_bundle(LOG.case_bundle())
    case = bundle_format.decode_case_bundle(data)
    assert bundle_format.encode_bundle(case) == data
    assert [bundle_format.decode_bundle(bytes(event)).format for event in case.events] == ["tallystick/bundle@v1"] * 3


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b" " * (bundle_format.MAX_BUNDLE_LENGTH + 1)])
def test_what_is_no_bundle_is_refused_with_what_to_do(data: bytes) -> None:
    """Whoever holds a file that is none is told where to get one."""
    with pytest.raises(MalformedInput) as refusal:
        bundle_format.decode_bundle(data)
    assert "tally proof get" in (refusal.value.hint or "")


def test_part_in_any_spelling() -> None:
    """A signed part counts by its canonical bytes, whatever the order and white space of the file."""
    event = event_of(CASE.events[0].payload.body, clerk("court-east"))
    turned = json.dumps(dict(reversed(json.loads(event.entry).items())), indent=3).encode()
    assert turned != event.entry
    assert bundle_format.read_part(Raw(turned), decode_envelope, "envelope") == (event.envelope, event.entry)


@pytest.mark.parametrize("part", [b"", b"null", b"{", b'{"a":1,"a":1}', b"\xff", b'"\\ud800"'])
def test_part_that_is_none(part: bytes) -> None:
    """What is no such part is malformed."""
    with pytest.raises(MalformedInput):
        bundle_format.read_part(part, decode_envelope, "envelope")

"""Keys of log and ledger that were replaced: what they signed before still holds, what they sign after does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.log.notes import SeedSigner
from ledger.core.signing.authority import EarlierServiceKey, ServiceKeys
from ledger.core.trust.trust_file import EarlierLogKey, Trust, encode_trust, parse_trust
from ledger.core.verification.bundle import Bundle
from tests.testkit.builders import COURT, SERVICE, clerk, refused_at
from tests.testkit.bundles import LOG_SIGNER, ORIGIN, WITNESSES
from tests.testkit.changed_bundles import FOUNDING, GOOD, LOG, NOTE, REGISTERED, TRUST, faults, results, verdict_of

SIZE = stated_checkpoint(NOTE).size
NEW_LOG = SeedSigner.from_seed(ORIGIN, bytes([42]) * 32)
OTHER_LOG = SeedSigner.from_seed(ORIGIN, bytes([43]) * 32)
NEW_SERVICE = clerk(COURT, 7).key_id
OLDER_SERVICE = clerk(COURT, 8).key_id


def log_keys(*earlier: tuple[SeedSigner, int]) -> Trust:
    """The trust file after the log's key was replaced, maybe several times."""
    keys = tuple(EarlierLogKey(signer.verifying_key.vkey(), until) for signer, until in earlier)
    return replace(TRUST, log_vkey=NEW_LOG.verifying_key.vkey(), earlier_log_keys=keys)


def service_keys(*earlier: tuple[str, int], current: str = NEW_SERVICE) -> Trust:
    """The same for the ledger's own key."""
    keys = tuple(EarlierServiceKey(key_id, until) for key_id, until in earlier)
    return replace(TRUST, service_key_id=current, earlier_service_keys=keys)


def of_new_log() -> Bundle:
    """The bundle that the log gives after its key was replaced."""
    log = replace_signer(NEW_LOG)
    return log.bundle(REGISTERED, log.note())


def replace_signer(signer: SeedSigner) -> Any:
    log = type(LOG)(events=LOG.events, log_signer=signer, registry=LOG.registry, system=LOG.system)
    log._anchors.update(LOG._anchors)
    return log


ROTATED = {
    "the log's key, at this size": (GOOD, log_keys((LOG_SIGNER, SIZE)), None),
    "the log's key, later": (GOOD, log_keys((LOG_SIGNER, SIZE + 5)), None),
    "the log's key, twice": (GOOD, log_keys((OTHER_LOG, 1), (LOG_SIGNER, SIZE)), None),
    "the log's key, after another at this size": (GOOD, log_keys((OTHER_LOG, SIZE), (LOG_SIGNER, SIZE)), None),
    "a proof by the log's new key": (of_new_log(), log_keys((LOG_SIGNER, SIZE)), None),
    "the log's key, before this size": (GOOD, log_keys((LOG_SIGNER, SIZE - 1)), "checkpoint"),
    "the log's key, forgotten": (GOOD, log_keys(), "checkpoint"),
    "the ledger's own key, above the evidence": (GOOD, service_keys((SERVICE.key_id, FOUNDING)), None),
    "the ledger's own key, twice": (GOOD, service_keys((SERVICE.key_id, FOUNDING), (OLDER_SERVICE, SIZE)), None),
    "the ledger's own key, before the evidence": (GOOD, service_keys((SERVICE.key_id, 1)), "authority"),
    "the ledger's own key, forgotten": (GOOD, service_keys(), "authority"),
    "a key of later as that of before": (
        GOOD,
        service_keys((OLDER_SERVICE, FOUNDING), current=SERVICE.key_id),
        "authority",
    ),
}


@pytest.mark.parametrize("name", ROTATED)
def test_each_key_counts_for_its_time(name: str) -> None:
    """An old proof stays intact by the new trust file while the old key stood where it signed, and falls where not."""
    bundle, trusted, failing = ROTATED[name]
    report = verdict_of(bundle, trusted)
    # A mirror entry by a key that was not the ledger's then counts as left out, and so does a line of the note.
    assert faults(report) == [], results(report)
    assert report.verdict == ("intact" if failing is None else "unverifiable")
    assert failing is None or results(report)[failing] == "not_checked"
    assert [step.name for step in report.refusals] == ["checkpoint"] * (failing == "checkpoint")


def test_ledgers_own_entry_needs_the_key_of_its_index() -> None:
    """An entry of the ledger itself is signed by the key that was its own then."""
    mirrored = LOG.bundle(2, NOTE)
    assert faults(verdict_of(mirrored, service_keys((SERVICE.key_id, 3)))) == []
    assert faults(verdict_of(mirrored, service_keys((SERVICE.key_id, 2)))) == ["authority"]


def test_keys_by_index() -> None:
    """The first whose end is above the index, else the one of now."""
    keys = ServiceKeys("now", (EarlierServiceKey("first", 3), EarlierServiceKey("second", 9)))
    assert [keys.at(index) for index in (0, 2, 3, 8, 9, 100)] == ["first", "first", "second", "second", "now", "now"]


def test_round_trip() -> None:
    """What is written is read as the same trust, and a file without earlier keys has no such field."""
    trust_file = replace(
        log_keys((OTHER_LOG, 1), (LOG_SIGNER, 9)), earlier_service_keys=(EarlierServiceKey(OLDER_SERVICE, 4),)
    )
    assert parse_trust(encode_trust(trust_file)) == trust_file
    assert b"earlier" not in encode_trust(TRUST)


def test_note_that_is_no_checkpoint_names_no_key() -> None:
    """Where an earlier key is looked for, the note must have a size."""
    with pytest.raises(MalformedInput):
        log_keys((LOG_SIGNER, 9)).log_key_of("text\n\n— x AAAAAAAA\n")


FILE: dict[str, Any] = json.loads(encode_trust(log_keys()))
KEY = LOG_SIGNER.verifying_key.vkey()
OTHER_KEY = OTHER_LOG.verifying_key.vkey()


def log_file(*keys: tuple[str, int]) -> dict[str, Any]:
    return {"earlier_log_keys": [{"key": key, "until": until} for key, until in keys]}


def own_file(*keys: tuple[str, int]) -> dict[str, Any]:
    return {"earlier_service_keys": [{"key_id": key_id, "until": until} for key_id, until in keys]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no key": (log_file(("none", 1)), "earlier_log_keys"),
    "a key under another name": (
        log_file((SeedSigner.from_seed("x", bytes(32)).verifying_key.vkey(), 1)),
        "earlier_log_keys",
    ),
    "no end": ({"earlier_log_keys": [{"key": KEY}]}, "earlier_log_keys[0].until"),
    "a field too many": ({"earlier_log_keys": [{"key": KEY, "until": 1, "from": 0}]}, "earlier_log_keys[0].from"),
    "the log's key twice": (log_file((FILE["log_key"], 1)), "earlier_log_keys"),
    "ends that fall": (log_file((KEY, 2), (OTHER_KEY, 1)), "earlier_log_keys"),
    "the own key twice": (own_file((FILE["service_key_id"], 1)), "earlier_service_keys"),
    "own keys whose ends fall": (own_file((NEW_SERVICE, 2), (OLDER_SERVICE, 1)), "earlier_service_keys"),
    "own keys of one end": (own_file((NEW_SERVICE, 2), (OLDER_SERVICE, 2)), "earlier_service_keys"),
    "a contract as an own key": (own_file((FILE["chains"][0]["anchor"], 1)), "chains[0]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_form_is_no_trust_file(name: str) -> None:
    """Each fault is malformed and names its field."""
    changes, field = REFUSED[name]
    with refused_at(f"trust.{field}"):
        parse_trust(canonical.encode(FILE | changes))


def test_earlier_key_of_the_log_is_no_witness() -> None:
    """Nobody who was the log witnesses it."""
    witness = SeedSigner.from_seed("w", bytes([42]) * 32, WITNESSES[0].verifying_key.signature_type)
    policy = f"witness w {witness.verifying_key.vkey()}\nquorum w\n"
    changed = FILE | {
        "log_key": KEY,
        "earlier_log_keys": [{"key": FILE["log_key"], "until": 1}],
        "witness_policy": policy,
    }
    with pytest.raises(MalformedInput, match="nobody witnesses himself"):
        parse_trust(canonical.encode(changed))

"""The witness over HTTP: each refusal under its status, problems for people, the size for logs."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from api.witness.app import create_app
from ledger.core.encoding import canonical
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import EMPTY_ROOT, Hash
from ledger.core.log.notes import SeedSigner, sign_note
from ledger.core.log.witness_protocol import ADD_CHECKPOINT, COSIGN_ANCHOR, MAX_ADD_CHECKPOINT, AddCheckpoint
from tests.api.service import problem
from tests.testkit.bundles import LOG_SIGNER
from tests.unit.witness.stand import CLERK, OTHER_CLERK, Stand, event_by

JSON = {"content-type": "application/json"}


def call(stand: Stand, method: str, path: str, **options: Any) -> httpx.Response:
    """One request through the whole application."""
    app = create_app(
        stand.cosigner,
        lambda: stand.status,
        mirror=stand.log_mirror if stand.is_mirror else None,
        max_requests_per_s=1000,
        request_timeout_s=5,
        write_log=lambda *_given, **_fields: None,
    )

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://witness.test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def foreign(name: str, seed: int) -> bytes:
    signer = SeedSigner.from_seed(name, bytes([seed]) * 32)
    return AddCheckpoint(0, (), sign_checkpoint(Checkpoint(name, 1, Hash(b"\x01" * 32)), signer)).body()


def test_what_is_refused_has_its_status(stand: Stand) -> None:
    """C2SP tlog-witness names the statuses; the body is a problem document, with a witness's own addresses and options
    in its hint."""
    stand.open_cases(4, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0, 3))
    for body, status, code, field in (
        (b"", 400, "malformed_input", "old"),
        (b"old 0\n\nno note\n", 400, "malformed_input", "note"),
        (AddCheckpoint(99, (), stand.log.note()).body(), 400, "malformed_input", "old"),
        (foreign("other.example/log", 1), 404, "not_found", "checkpoint"),
        (foreign(LOG_SIGNER.verifying_key.name, 9), 403, "signature_refused", "signatures"),
        (AddCheckpoint(3, (), stand.log.note()).body(), 422, "proof_refused", "proof"),
        (b"x" * (MAX_ADD_CHECKPOINT + 1), 413, "body_too_large", None),
    ):
        refusal = problem(call(stand, "POST", ADD_CHECKPOINT, content=body), status, code, field)
        assert not re.search(r"/api/|--\w|tally |submission", refusal["hint"])
    assert (stand.status.cosigned_size, stand.kinds()) == (3, [])


@pytest.mark.parametrize(
    "fault",
    ["another root", "a proof from nothing", "another empty tree", "the root of no leaves", "a proof of nothing"],
)
def test_what_cannot_be_consistent_is_unprocessable(stand: Stand, fault: str) -> None:
    """C2SP tlog-witness of July 2026: 422 for another root at the size that was co-signed last, for a proof from size 0
    that is not empty, for a tree of size 0 with another root than that of nothing, and for a proof that does not
    verify, as to a root that only the empty tree has."""
    stand.open_cases(4, CLERK)
    if fault == "a proof from nothing":
        asked = AddCheckpoint(0, (Hash(b"\x01" * 32),), stand.log.note())
    elif fault == "another empty tree":
        text = f"{LOG_SIGNER.verifying_key.name}\n0\n{b64encode(bytes(32)).decode()}\n"
        asked = AddCheckpoint(0, (), str(sign_note(text, LOG_SIGNER)))
    elif fault == "the root of no leaves":
        size = len(stand.log.events)
        stand.cosigner.add_checkpoint(stand.log.wish(0, size - 1))
        text = f"{LOG_SIGNER.verifying_key.name}\n{size}\n{b64encode(EMPTY_ROOT).decode()}\n"
        asked = AddCheckpoint(size - 1, (Hash(b"\x01" * 32),), str(sign_note(text, LOG_SIGNER)))
        answer = call(stand, "POST", ADD_CHECKPOINT, content=replace(asked, old=0).body())
        assert (answer.status_code, answer.text) == (409, f"{size - 1}\n")
    elif fault == "a proof of nothing":
        stand.cosigner.add_checkpoint(stand.log.wish(0))
        size = len(stand.log.events)
        asked = AddCheckpoint(size, (Hash(b"\x01" * 32),), stand.log.note())
    else:
        stand.cosigner.add_checkpoint(stand.log.wish(0))
        second_log = stand.log.copy()
        second_log.events[-1] = event_by(OTHER_CLERK, "case-of-another-tree")
        asked = AddCheckpoint(len(second_log.events), (), second_log.note())
    answer = call(stand, "POST", ADD_CHECKPOINT, content=asked.body())
    assert answer.status_code == 422, answer.text
    assert stand.kinds() == (["fork"] if fault == "another root" else [])


def test_monitors_get_the_newest_cosigned_checkpoint(stand: Stand) -> None:
    """Under the SHA-256 of the origin: the log's note with the lines that were returned from add-checkpoint, byte for
    byte, though ML-DSA-44 would sign anew with other bytes; 404 before the first and for another log."""
    path = f"/{sha256(stand.trust.origin.encode()).hexdigest()}/checkpoint"
    assert call(stand, "GET", path).status_code == 404
    wish = stand.log.wish(0)
    lines = stand.cosigner.add_checkpoint(wish)
    for _ in range(2):
        answer = call(stand, "GET", path)
        assert (answer.status_code, answer.text) == (200, wish.note + lines)
    assert call(stand, "GET", f"/{'0' * 64}/checkpoint").status_code == 404


def test_an_anchor_is_signed_or_told_why_not(stand: Stand) -> None:
    """200 with account and signature; else a problem with a sentence."""
    wish = canonical.encode(stand.wish_for_anchor())
    problem(call(stand, "POST", COSIGN_ANCHOR, content=wish, headers=JSON), 409, "not_cosigned", "size")
    problem(call(stand, "POST", COSIGN_ANCHOR, content=wish), 415, "unsupported_media_type", "Content-Type")
    problem(call(stand, "POST", COSIGN_ANCHOR, content=b"{}", headers=JSON), 400, "malformed_input", "chain_id")
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    answer = call(stand, "POST", COSIGN_ANCHOR, content=wish, headers=JSON)
    assert answer.status_code == 200
    assert answer.json().keys() == {"account", "signature"}


def test_a_halted_witness_says_so(stand: Stand) -> None:
    """503, and whom to ask; its status tells why."""
    stand.watch.look()
    stand.log.published -= 1
    stand.watch.try_look()
    stand.log.published += 1
    refusal = problem(
        call(stand, "POST", ADD_CHECKPOINT, content=stand.log.wish(0).body()), 503, "witness_halted", None
    )
    assert "rollback" in refusal["detail"]
    assert call(stand, "GET", "/status").json()["alarms"][0]["kind"] == "rollback"
    plain = call(stand, "GET", "/status.txt")
    assert plain.status_code == 503
    assert plain.text.startswith("health: halted\n")
    assert "\nalarm 1 rollback: " in plain.text


def test_what_is_no_route_is_a_problem(stand: Stand) -> None:
    """Unknown addresses and methods are told as everywhere."""
    assert "/status" in problem(call(stand, "GET", "/"), 404, "not_found")["hint"]
    assert call(stand, "GET", ADD_CHECKPOINT).status_code == 405
    assert call(stand, "GET", "/status").headers["x-content-type-options"] == "nosniff"

"""A witness that is a mirror: what it signs it serves, each refusal under the status that C2SP tlog-mirror names."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from ledger.core.errors import Conflict, Unavailable
from ledger.core.log.checkpoints import verify_checkpoint, verify_cosignatures
from ledger.core.log.merkle import frontier_at, leaf_hash
from ledger.core.log.notes import parse_signature_lines
from ledger.core.log.replay import LogUnreadable
from ledger.core.log.tiles import (
    TILE_WIDTH,
    BundleName,
    TileName,
    TileNodes,
    decode_entry_bundle,
    encode_entry_bundle,
    width_at,
)
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.log.witness_protocol import ADD_ENTRIES, AddEntries
from ledger.store import mirror
from tests.api.test_log_clients import ran
from tests.testkit.builders import refused
from tests.testkit.bundles import LOG_SIGNER, ORIGIN
from tests.testkit.machine import program
from tests.unit.witness.running import running, settle, tally
from tests.unit.witness.stand import CLERK, MIRROR_SIGNER, Stand, begun
from tests.unit.witness.test_routes import call
from tests.unit.witness.test_signing import wish

PREFIX = f"/mirror/{sha256(ORIGIN.encode()).hexdigest()}"
MIRROR_KEY = MIRROR_SIGNER.verifying_key
BYTES = {"content-type": "application/octet-stream"}
INFO = "text/x.tlog.mirror-info"


@pytest.fixture
def mirroring(stand: Stand) -> Stand:
    """A witness that is a mirror from its first entry on."""
    stand.is_mirror = True
    stand.restart()
    return stand


def asked(stand: Stand, end: int, start: int | None = None, origin: str = ORIGIN, **more: str) -> httpx.Response:
    body = AddEntries(origin, end if start is None else start, end).body()
    return call(stand, "POST", ADD_ENTRIES, content=body, headers=BYTES | more)


def signed(stand: Stand, size: int | None = None) -> int:
    """Have the witness, and then the mirror, sign the log at a size."""
    wish = stand.log.wish(stand.status.cosigned_size, size)
    stand.cosigner.add_checkpoint(wish)
    end = stand.status.cosigned_size
    answer = asked(stand, end)
    assert answer.status_code == 200, answer.text
    (cosigned,) = verify_cosignatures(wish.note + answer.text, [MIRROR_KEY])
    assert cosigned.timestamp == stand.clock() // 1000
    return end


def served(stand: Stand, name: TileName | BundleName) -> httpx.Response:
    return call(stand, "GET", f"{PREFIX}/{name.path()}")


def test_a_mirror_signs_what_it_serves(mirroring: Stand) -> None:
    """Its checkpoint has the log's signature and its own, and the tiles and entries of every size below lead to it."""
    mirroring.open_cases(300, CLERK)
    for size in (7, 256, 270, len(mirroring.log.events)):
        signed(mirroring, size)
        note = call(mirroring, "GET", f"{PREFIX}/checkpoint")
        assert note.headers["content-type"] == "text/plain; charset=utf-8"
        checkpoint = verify_checkpoint(note.text, LOG_SIGNER.verifying_key)
        assert (checkpoint.size, len(verify_cosignatures(note.text, [MIRROR_KEY]))) == (size, 1)
        nodes = TileNodes(size, lambda level, index, width: served(mirroring, TileName(level, index, width)).content)
        assert frontier_at(size, nodes).root() == checkpoint.root
        entries: list[bytes] = []
        for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
            name = BundleName(index, width_at(size, 0, index))
            entries += decode_entry_bundle(served(mirroring, name).content, name.width)
        assert entries == mirroring.log.entries(size)
        beyond = served(mirroring, BundleName(size // TILE_WIDTH, size % TILE_WIDTH + 1))
        assert beyond.status_code == 404


def test_bundles_are_compressed_for_who_takes_it(mirroring: Stand) -> None:
    """C2SP tlog-tiles: entry bundles SHOULD be compressed at the HTTP layer."""
    size = signed(mirroring, begun(mirroring))
    path = f"{PREFIX}/{BundleName(0, size).path()}"
    plain, packed = (call(mirroring, "GET", path, headers={"accept-encoding": c}) for c in ("identity", "gzip"))
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content
    assert call(mirroring, "GET", f"{PREFIX}/tile/0/0").status_code == 400


def test_the_mirror_signs_in_its_own_turn_only(mirroring: Stand) -> None:
    """The mirror cosigner MUST NOT sign in add-checkpoint, and is a distinct cosigner with a distinct name."""
    mirroring.open_cases(2, CLERK)
    lines = parse_signature_lines(mirroring.cosigner.add_checkpoint(mirroring.log.wish(0)))
    assert MIRROR_KEY.name not in {line.name for line in lines}
    assert call(mirroring, "GET", f"{PREFIX}/checkpoint").status_code == 404


def test_the_mirror_vouches_for_blocks_too(mirroring: Stand) -> None:
    """A policy that names it could not be met by a block note otherwise."""
    lines = parse_signature_lines(mirroring.cosigner.cosign_block(wish(mirroring)))
    assert [line.name for line in lines] == ["witness.test/w1", "witness.test/w1", MIRROR_KEY.name]


def test_what_is_refused_has_its_status(mirroring: Stand) -> None:
    """404 for another log; 422 before the first pending checkpoint; 409 with a pending size, the next entry and a
    ticket for a size that is none, one below the mirror's, and for entries that the mirror has; 400 for no request."""
    assert asked(mirroring, 0, origin="other.example/log").status_code == 404
    assert asked(mirroring, 0).status_code == 422
    mirroring.open_cases(9, CLERK)
    mirroring.cosigner.add_checkpoint(mirroring.log.wish(0, 5))
    mirroring.cosigner.add_checkpoint(mirroring.log.wish(5, 8))
    for end, start in ((9, 9), (6, 6), (8, 0), (8, 7), (5, 4), (2**64 - 1, 2**64 - 1)):
        answer = asked(mirroring, end, start)
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (409, "8\n8\n\n", INFO)
    for body in (b"", b"\x00", AddEntries(ORIGIN, 8, 8).body()[:-1], AddEntries(ORIGIN, 9, 8).body()):
        assert call(mirroring, "POST", ADD_ENTRIES, content=body, headers=BYTES).status_code == 400
    body = AddEntries(ORIGIN, 8, 8).body()
    assert call(mirroring, "POST", ADD_ENTRIES, content=body).status_code == 415
    for coding, status in (("br", 415), ("gzip", 400), ("GZIP", 400)):
        headers = BYTES | {"content-encoding": coding}
        assert call(mirroring, "POST", ADD_ENTRIES, content=body, headers=headers).status_code == status
    assert asked(mirroring, 5).status_code == 200, "an earlier pending checkpoint is known"
    packed = call(
        mirroring, "POST", ADD_ENTRIES, content=gzip.compress(body), headers=BYTES | {"content-encoding": "gzip"}
    )
    assert (packed.status_code, packed.headers["accept-encoding"]) == (200, "gzip")
    assert asked(mirroring, 5).status_code == 409, "the mirror's checkpoint is never rewound"
    before = call(mirroring, "GET", f"{PREFIX}/checkpoint").text
    mirroring.clock.forward(60)
    assert asked(mirroring, 8).status_code == 200, "a newer time for the same tree"
    assert call(mirroring, "GET", f"{PREFIX}/checkpoint").text != before
    assert call(mirroring, "GET", f"/mirror/{'0' * 64}/checkpoint").status_code == 404


def test_a_halted_mirror_signs_nothing(mirroring: Stand) -> None:
    """503, as the witness does, and what was signed is still served."""
    size = signed(mirroring, begun(mirroring))
    mirroring.store.raise_alarm("fork", halts=True, text="two trees", evidence={}, now=1)
    assert asked(mirroring, size).status_code == 503
    assert call(mirroring, "GET", f"{PREFIX}/checkpoint").status_code == 200


def test_a_witness_becomes_a_mirror_later(stand: Stand) -> None:
    """What was followed before is fetched again, and counts only if it is what was followed; none is signed before."""
    stand.open_cases(300, CLERK)
    stand.watch.look()
    size = len(stand.log.events)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    assert call(stand, "GET", f"{PREFIX}/checkpoint").status_code == 404, "it is no mirror"
    stand.is_mirror = True
    stand.restart()
    assert asked(stand, size).status_code == 503
    stand.log.lies = {"/tile/entries/000": encode_entry_bundle([b"{}"] * TILE_WIDTH)}
    with pytest.raises(LogUnreadable):
        stand.watch.look()
    stand.log.lies = {}
    stand.watch.reach_timeout_s = -1.0
    with refused("still_following", error=Unavailable):
        stand.watch.look()
    stand.watch.reach_timeout_s = 20.0
    stand.watch.look()
    assert asked(stand, size).status_code == 200
    assert stand.store.mirrored() == stand.follower.followed.frontier
    assert stand.kinds() == []


def test_entries_are_stored_in_their_order(mirroring: Stand) -> None:
    """An entry whose predecessors lack is not stored."""
    with pytest.raises(Conflict), mirroring.store.writing() as connection:
        mirror.append(connection, 5, [b"entry"])


def test_clients_of_others_read_the_mirror(stand: Stand, tmp_path: Path) -> None:
    """`aics-tlog` verifies checkpoint and entries out of what a running mirror serves, and `tlog-scales` writes a proof
    that we verify, as both do at the log itself; foreign ML-DSA-44 lines are passed over by both."""
    settle(stand, tmp_path)
    assert tally(tmp_path, "witness", "mirror", "witness.test/m9", "--light").status == 0
    stand.open_cases(300, CLERK)
    size, index, vkey = len(stand.log.events), 255, tmp_path / "log.vkey"
    vkey.write_text(LOG_SIGNER.verifying_key.vkey() + "\n", encoding="utf-8")
    with running(stand, tmp_path) as witness:
        assert witness.add(stand.log.wish(0)).status_code == 200
        body = AddEntries(ORIGIN, size, size).body()
        assert witness.client.post(f"{witness.url}{ADD_ENTRIES}", content=body, headers=BYTES).status_code == 200
        tiles = ("--tiles", f"{witness.url}{PREFIX}", "--vkey-file", vkey)
        aics = program("aics", "aics-tlog")
        verified = json.loads(ran(aics, "verify-checkpoint", *tiles, "--origin", ORIGIN))
        assert (verified["ok"], verified["size"]) == (True, size)
        assert json.loads(ran(aics, "verify-inclusion", *tiles, "--index", index))["ok"]
        proof = ran(program("tlog-scales", "tlog-tiles"), "gen-proof", f"{witness.url}{PREFIX}", index)
    leaf = leaf_hash(stand.log.entries()[index])
    assert parse_tlog_proof(proof).verify(leaf, LOG_SIGNER.verifying_key).size == size

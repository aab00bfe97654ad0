"""The public log over HTTP: checkpoint, tiles, entries and proofs, as other people's clients read them."""

from __future__ import annotations

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.core.log import merkle
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.log.merkle import Hash, leaf_hash, verify_consistency
from ledger.core.log.tiles import decode_entry_bundle
from tests.api.service import Served, problem
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER

CASES = 250


@pytest.fixture(scope="module")
def log(shared: Served) -> tuple[Served, int]:
    """Return a log of more than a full tile of entries, published; one more entry is not published yet."""
    shared.ledger.post_all([Case(f"case-{number}").open().last for number in range(CASES)])
    size = shared.publish()
    shared.record(Case("case-unpublished").open())
    return shared, size


def test_tiles_are_kept_for_good_and_the_checkpoint_is_not(log: tuple[Served, int]) -> None:
    """A tile of a name never changes; the checkpoint is asked for anew."""
    served, _ = log
    tile = served.get("/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    checkpoint = served.get("/checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("identity;q=0.1, GZIP;q=0.5", "gzip"),
        ("*", "gzip"),
        ("", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip; q=0.000, br", None),
        ("gzipped", None),
    ],
)
def test_bundles_are_compressed_for_who_takes_that(
    log: tuple[Served, int], accepted: str, encoding: str | None
) -> None:
    """The same entries either way, and caches keep the two apart; hashes are sent as they are."""
    served, size = log
    headers = {"accept-encoding": accepted}
    for name, width in (("000", 256), (f"001.p/{size - 256}", size - 256)):
        bundle = served.request("GET", f"/tile/entries/{name}", headers=headers)
        assert (bundle.headers.get("content-encoding"), bundle.headers["vary"]) == (encoding, "Accept-Encoding")
        assert bundle.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert bundle.headers["content-type"] == "application/octet-stream"
        assert len(decode_entry_bundle(bundle.content, width)) == width
    assert "content-encoding" not in served.request("GET", "/tile/0/000", headers=headers).headers


def test_every_partial_tile_up_to_the_published_size_is_served(log: tuple[Served, int]) -> None:
    """Whoever holds the checkpoint of any size finds the tiles that it is made of, beginnings of full ones."""
    served, size = log
    full, rest = served.get("/tile/0/000").content, served.get(f"/tile/0/001.p/{size - 256}").content
    entries = decode_entry_bundle(served.get("/tile/entries/000").content, 256)
    for width in (1, 2, 3, 127, 128, 255):
        assert served.get(f"/tile/0/000.p/{width}").content == full[: 32 * width]
        assert decode_entry_bundle(served.get(f"/tile/entries/000.p/{width}").content, width) == entries[:width]
    for width in range(1, size - 256 + 1):
        assert served.get(f"/tile/0/001.p/{width}").content == rest[: 32 * width]
    assert len(served.get("/tile/1/000.p/1").content) == 32
    for missing in ("/tile/0/002", "/tile/1/000", "/tile/2/000.p/1", "/tile/63/000.p/1", "/tile/entries/002.p/1"):
        answer = served.get(missing)
        problem(answer, 404, "not_found", "name")
        assert answer.headers["cache-control"] == "no-store"


def test_nothing_beyond_the_published_size_is_served(log: tuple[Served, int]) -> None:
    """The entry is recorded and has its receipt, but the public log does not show it before the checkpoint does."""
    served, size = log
    assert served.size() == size + 1
    for path in (f"/tile/entries/001.p/{size - 256 + 1}", f"/tile/0/001.p/{size - 256 + 1}", "/tile/1/000.p/2"):
        problem(served.get(path), 404, "not_found", "name")
    problem(served.get(f"/api/v1/log/inclusion/{size}"), 404, "not_found", "index")
    problem(served.get("/api/v1/log/consistency", first="1", second=str(size + 1)), 404, "not_found", "second")


@pytest.mark.parametrize("name", ["0/000.p/0", "0/٠٠٠", "0/%2B00", "0%2F000", "%30/000", "0/00%30", "0/000/"])
def test_a_tile_has_one_name(log: tuple[Served, int], name: str) -> None:
    """Every other spelling is refused."""
    problem(log[0].get(f"/tile/{name}"), 400, "malformed_input", "tile")


def test_a_foreign_verifier_accepts_the_receipt_of_every_entry(log: tuple[Served, int]) -> None:
    """``scitt-cose`` verifies it with the entry's bytes out of the tiles and the log's key, and no other entry's."""
    served, size = log
    entries = decode_entry_bundle(served.get("/tile/entries/000").content, 256)
    entries += decode_entry_bundle(served.get(f"/tile/entries/001.p/{size - 256}").content, size - 256)
    root = stated_checkpoint(served.get("/checkpoint").text).root.hex()
    public = Ed25519PublicKey.from_public_bytes(LOG_SIGNER.verifying_key.public_key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for index in (0, 1, 100, 255, 256, size - 1):
        answer = served.get(f"/api/v1/log/receipt/{index}")
        assert answer.headers["content-type"] == "application/scitt-receipt+cose"
        assert answer.headers["cache-control"] == "no-store"
        result = scitt_cose.verify_receipt(answer.content, leaf_entry_hex=entries[index].hex(), log_public_key_pem=pem)
        assert result.ok, result.errors
        assert (result.root, result.tree_size, result.leaf_index) == (root, size, index)
        assert result.issuer == LOG_SIGNER.verifying_key.name
        of_other_entry = scitt_cose.verify_receipt(
            answer.content, leaf_entry_hex=entries[index - 1].hex(), log_public_key_pem=pem
        )
        assert not of_other_entry.ok
    problem(served.get(f"/api/v1/log/receipt/{size}"), 404, "not_found", "index")


def test_a_consistency_proof_holds_between_any_published_sizes(log: tuple[Served, int]) -> None:
    """From an old root to a new one, and in no other order."""
    served, size = log
    entries = decode_entry_bundle(served.get("/tile/entries/000").content, 256)
    entries += decode_entry_bundle(served.get(f"/tile/entries/001.p/{size - 256}").content, size - 256)
    leaves = [leaf_hash(entry) for entry in entries]
    for first, second in ((1, size), (100, 256), (256, size), (size, size)):
        answer = served.get("/api/v1/log/consistency", first=str(first), second=str(second)).json()
        hashes = [Hash(bytes.fromhex(text.removeprefix("sha256:"))) for text in answer["hashes"]]
        old, new = (merkle.grow(merkle.EMPTY_TREE, leaves[:count]).root() for count in (first, second))
        verify_consistency(first, old, second, new, hashes)
    problem(served.get("/api/v1/log/consistency", first="6", second="5"), 422, "proof_refused", "second")


def test_an_empty_log_says_so(served: Served) -> None:
    """Before the first checkpoint there is none to give."""
    problem(served.get("/checkpoint"), 404, "not_found")
    problem(served.get("/tile/0/000"), 404, "not_found")
    assert served.get("/api/v1/log").json()["published"] == 0

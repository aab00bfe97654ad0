"""A log service that answers as it likes, over real HTTP: honest by itself, hostile where an answer is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ledger.core.events import Stream, case, decode_payload, decode_submission
from ledger.core.events.record import HeadsMapped
from ledger.core.log.cose_receipts import sign_receipt
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.log.tiles import TILE_WIDTH, encode_entry_bundle
from ledger.core.verification.bundle import encode_bundle as encode_proof
from tests.oracles import merkle_reference as reference
from tests.testkit.builders import LOG_ID, SignedEvent, Writer, clerk
from tests.testkit.bundles import Log
from tests.testkit.faulty_service import Answer, Asked


@dataclass
class Hostile:
    """What the service has, ``size`` entries of which are published, and the answers that replace the honest ones.

    ``spoiled`` names a route: checkpoint, consistency, inclusion, receipt, absence, entries, submission, event proof,
    case proof. Its function is given the honest answer's body and says another.
    """

    log: Log
    size: int
    spoiled: dict[str, Callable[[bytes, Asked], bytes]] = field(default_factory=dict)
    bundle_of: Callable[[str], bytes | None] = lambda _: None

    def __post_init__(self) -> None:
        self.bundle_of = self._bundle

    def __call__(self, asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
        for route, prefix, honest in self._routes():
            if path.startswith(prefix) and (asked.method == "POST") == (route == "submission"):
                body = honest(path.removeprefix(prefix), query, asked)
                if body is None:
                    return problem(404)
                spoil = self.spoiled.get(route)
                return Answer(body=spoil(body, asked) if spoil else body)
        return problem(404)

    def _routes(self) -> list[tuple[str, str, Callable[[str, dict[str, str], Asked], bytes | None]]]:
        return [
            ("checkpoint", "/checkpoint", lambda *_: self.note().encode()),
            ("consistency", "/api/v1/log/consistency", lambda _, query, __: self._consistency(query)),
            ("inclusion", "/api/v1/log/inclusion/", lambda rest, *_: self._inclusion(int(rest))),
            ("receipt", "/api/v1/log/receipt/", lambda rest, *_: self.receipt_of(int(rest))),
            ("entries", "/tile/entries/", lambda rest, *_: self._entries(rest)),
            ("absence", "/api/v1/log/absence", lambda _, query, __: self._absence(query)),
            ("log", "/api/v1/log", lambda *_: written({"log_id": "0x" + LOG_ID.hex()})),
            ("head", "/api/v1/cases/case-1/head", lambda *_: written({"head": "blake3:" + "ab" * 32, "sequence": 3})),
            (
                "case proof",
                "/api/v1/cases/case-1/proof",
                lambda *_: encode_proof(self.log.case_bundle(note=self.note())),
            ),
            ("event proof", "/api/v1/events/", lambda rest, *_: self.bundle_of(rest.removesuffix("/proof"))),
            ("submission", "/api/v1/events", lambda _, __, asked: self._take(asked.body)),
        ]

    def note(self, size: int | None = None) -> str:
        """Return the checkpoint of what is published."""
        return self.log.note(size or self.size)

    def _consistency(self, query: dict[str, str]) -> bytes | None:
        first, second = int(query["first"]), int(query["second"])
        if not 1 <= first <= second <= self.size:
            return None
        proof = reference.consistency_proof(first, self.log.entries(second))
        return written({"first": first, "second": second, "hashes": [f"sha256:{node.hex()}" for node in proof]})

    def _inclusion(self, index: int) -> bytes | None:
        if index >= self.size:
            return None
        leaf = leaf_hash(self.log.entries()[index])
        return written({"leaf_hash": f"sha256:{leaf.hex()}", "proof": self.log.proof(index, self.note())})

    def receipt_of(self, index: int) -> bytes | None:
        """Return the COSE receipt of a published entry."""
        if index >= self.size:
            return None
        entries = self.log.entries(self.size)
        hashes = [Hash(node) for node in reference.inclusion_proof(index, entries)]
        return sign_receipt(entries[index], index, self.log.checkpoint(self.size), hashes, self.log.log_signer).encode()

    def _entries(self, rest: str) -> bytes | None:
        index, _, width = rest.partition(".p/")
        first = int(index.replace("x", "").replace("/", "")) * TILE_WIDTH
        entries = self.log.entries(self.size)[first : first + int(width or TILE_WIDTH)]
        return encode_entry_bundle(entries)

    def _absence(self, query: dict[str, str]) -> bytes | None:
        stream = Stream(kind=query["kind"], id=query["id"])  # type: ignore[arg-type]
        maps = self.log.find(HeadsMapped)
        return encode_proof(self.log.absence(stream, maps[-1], self.note(), anchored=False)) if maps else None

    def _bundle(self, event_id: str) -> bytes | None:
        for index, event in enumerate(self.log.events[: self.size]):
            if event.envelope.event_id == event_id:
                return encode_proof(self.log.bundle(index, self.note(), anchored=False))
        return None

    def _take(self, submission: bytes) -> bytes:
        sent = decode_submission(submission)
        self.log.add(SignedEvent(sent.envelope, decode_payload(sent.payload_bytes, sent.event.event_type)))
        return written(receipt(self.log, len(self.log.events) - 1))


def receipt(log: Log, index: int, note: str | None = None) -> dict[str, Any]:
    """Return the receipt of an entry under the newest tree head."""
    entry = log.events[index]
    return {
        "event_id": entry.envelope.event_id,
        "index": index,
        "leaf_hash": f"sha256:{leaf_hash(entry.entry).hex()}",
        "recorded_at": 1,
        "flags": [],
        "proof": log.proof(index, note or log.note()),
    }


def problem(status: int, **more: Any) -> Answer:
    """Answer with a problem document."""
    problem = {"status": status, "title": "no", "code": "not_found", "detail": "nothing is stored here"} | more
    return Answer(status, written(problem), {"Content-Type": "application/problem+json"})


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


def filler(log: Log, count: int, name: str = "filler") -> Log:
    """Add entries of other cases."""
    for number in range(count):
        log.add(
            Writer("case", f"{name}-{number}").write(case.CaseNumbered(case_number=f"A-{number}"), clerk("court-east"))
        )
    return log

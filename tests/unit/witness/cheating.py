"""A log that lies as it is told: a real server over entries in memory, whose every answer a test may change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from ledger.core.encoding import canonical
from ledger.core.errors import TallystickError
from ledger.core.events import Body, Envelope
from ledger.core.events.registry import RegistryChange
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import Hash, consistency_proof, leaf_hash, root_of
from ledger.core.log.notes import SeedSigner
from ledger.core.log.tiles import TILE_HEIGHT, TILE_WIDTH, BundleName, encode_entry_bundle, parse_name, width_at
from ledger.core.log.witness_protocol import AddCheckpoint
from tests.oracles.head_map_reference import subtree
from tests.testkit import faulty_service
from tests.testkit.builders import SERVICE, SignedEvent, Writer
from tests.testkit.bundles import LOG_SIGNER, heads_of, mapping
from tests.testkit.faulty_service import Asked

Answer = bytes | int  # a body, or a status without one


class CheatingLog:
    """``events`` are what it has; ``publish`` says how much of it everybody may see, and ``lies`` what is told instead
    under a path. Honest unless a test says otherwise."""

    def __init__(self, signer: SeedSigner = LOG_SIGNER):
        self.signer = signer
        self.system = Writer("system", "ledger", step=0)
        self.events: list[SignedEvent] = []
        self.published = 0
        self.lies: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[str] = []
        self.url = ""

    # -- what it has ---------------------------------------------------------------------------------------------------

    def add(self, *events: SignedEvent) -> None:
        """Appends events, allowed or not, and publishes them."""
        self.events += events
        self.published = len(self.events)

    def mirror(self, *changes: Body) -> None:
        """Appends changes of the registry as the log mirrors them."""
        self.add(*(self.system.write(change, SERVICE) for change in changes))

    def map_heads(self, root: bytes | None = None) -> None:
        """Appends the commitment to the head map over all entries, or to another root."""
        self.add(mapping(self.system, subtree(heads_of(self.events)) if root is None else root))

    def copy(self) -> CheatingLog:
        """A second face of the same log, not served."""
        copied = CheatingLog(self.signer)
        copied.events, copied.published = list(self.events), self.published
        return copied

    def entries(self, size: int | None = None) -> list[bytes]:
        return [_entry(event.envelope) for event in self.events[: self.published if size is None else size]]

    def leaves(self, size: int | None = None) -> list[Hash]:
        return [leaf_hash(entry) for entry in self.entries(size)]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        leaves = self.leaves(size)
        return Checkpoint(self.signer.verifying_key.name, len(leaves), root_of(leaves))

    def note(self, size: int | None = None) -> str:
        return sign_checkpoint(self.checkpoint(size), self.signer)

    def proof(self, old: int, new: int | None = None) -> tuple[Hash, ...]:
        leaves = self.leaves(new)
        return consistency_proof(old, len(leaves), lambda level, index: _node(leaves, level, index))

    def wish(self, old: int, new: int | None = None) -> AddCheckpoint:
        """What it submits to a witness."""
        return AddCheckpoint(old, self.proof(old, new), self.note(new))

    # -- what it serves ------------------------------------------------------------------------------------------------

    def answer(self, path: str) -> Answer:
        """The body of a GET, or the status of a refusal."""
        self.asked.append(path)
        lie = self.lies.get(path.partition("?")[0])
        if lie is not None:
            return lie() if callable(lie) else lie
        if path == "/checkpoint":
            return self.note().encode() if self.published else 404
        if path.startswith("/api/v1/registry?"):
            return self._registry(path)
        try:
            name = parse_name(path[1:])
        except TallystickError:
            return 404
        if isinstance(name, BundleName):
            if name.width > width_at(self.published, 0, name.index):
                return 404
            first = name.index * TILE_WIDTH
            return encode_entry_bundle(self.entries()[first : first + name.width])
        if name.width > width_at(self.published, name.level, name.index):
            return 404
        return self.tile(name.level, name.index, name.width)

    def tile(self, level: int, index: int, width: int) -> bytes:
        leaves = self.leaves()
        first = index * TILE_WIDTH
        return b"".join(_node(leaves, TILE_HEIGHT * level, at) for at in range(first, first + width))

    def _registry(self, path: str) -> bytes:
        query = dict(part.split("=") for part in path.partition("?")[2].split("&"))
        after, limit = int(query["after"]), int(query["limit"])
        changes = [
            {"index": at, "envelope": json.loads(event.entry), "payload": json.loads(event.payload_bytes)}
            for at, event in enumerate(self.events[: self.published])
            if at > after and isinstance(event.payload.body, RegistryChange)
        ][:limit]
        page: dict[str, object] = {"entries": changes}
        if len(changes) == limit:
            page["next"] = changes[-1]["index"]
        return json.dumps(page, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


@contextmanager
def served(log: CheatingLog) -> Iterator[CheatingLog]:
    """The log at a port of its own."""

    def answer(asked: Asked) -> faulty_service.Answer:
        content = log.answer(asked.path)
        return faulty_service.Answer(content, b"") if isinstance(content, int) else faulty_service.Answer(body=content)

    with faulty_service.faulty_service(answer) as service:
        log.url = service.url
        yield log


@cache
def _entry(envelope: Envelope) -> bytes:
    return canonical.encode(envelope)


def _node(leaves: Sequence[Hash], level: int, index: int) -> Hash:
    return root_of(leaves[index << level : (index + 1) << level])

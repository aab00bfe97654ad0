"""What a ledger shows: the pages and answers of all who may read it, fetched from the service without its threads.

The clock stands still, so what is fetched twice is the same twice, but for what a page makes up by chance.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import httpx
from starlette.routing import Mount

from api import wiring
from api.app import create_app, make_framework
from api.services.parts import Parts
from api.wiring import make_service
from ledger.config.installation import DataDirectory
from ledger.config.settings import read_settings
from ledger.core.signing.signatures import personal_digest
from ledger.samples.town import PEOPLE, TownKeys
from ledger.store import log
from ledger.store.database import Connection

LATER_MS = 3_600_000  # milliseconds from the last entry to the time at which everything is shown
EACH = 2  # values of each parameter of a path that are asked for
PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
# Where a parameter's values are in the database, newest and oldest; the others are in ``FIXED``.
VALUES = {
    "case_id": "SELECT case_id FROM cases ORDER BY updated_index",
    "item_id": "SELECT item_id FROM items ORDER BY updated_index",
    "handover_id": "SELECT handover_id FROM handovers ORDER BY updated_index",
    "event_id": "SELECT event_id FROM entries WHERE stream_kind = 'case' ORDER BY log_index",
    "lead_id": "SELECT lead_id FROM leads ORDER BY updated_index",
    "model_id": "SELECT model_id FROM models ORDER BY updated_index",
    "recommendation_id": "SELECT recommendation_id FROM recommendations ORDER BY updated_index",
    "audit_id": "SELECT audit_id FROM audits ORDER BY started_at",
    "webhook_id": "SELECT webhook_id FROM webhooks ORDER BY created_at",
    "agency_id": "SELECT DISTINCT agency FROM case_agencies ORDER BY agency",
    "key_id": "SELECT key_id FROM entries WHERE stream_kind = 'case' ORDER BY log_index",
    "entry": "SELECT log_index FROM entries WHERE event_type LIKE 'registry.%' ORDER BY log_index",
    "index": "SELECT log_index FROM entries ORDER BY log_index",
    "size": "SELECT size FROM checkpoints ORDER BY size",
    "digest": "SELECT payload_digest FROM entries ORDER BY log_index",
    "stocktake_id": "SELECT stocktake_id FROM open_stocktakes UNION ALL SELECT stocktake_id FROM stocktakes",
}
FIXED = {
    "kind": ["items", "persons"],
    "format": ["csv"],
    "number": ["1"],
    "version": ["1"],
    "act": ["number"],
    "code": ["not_on_head"],
    "path": ["0/000", "entries/000"],
}
# Addresses whose parts belong to each other, by what finds all of them.
TOGETHER = {
    "SELECT DISTINCT case_id, item_id FROM item_files ORDER BY case_id, item_id": (
        "/api/v1/cases/{}/items/{}/files",
        "/console/cases/{}/items/{}",
    ),
    "SELECT case_id, item_id, recorded FROM item_files ORDER BY case_id, item_id, digest": (
        "/api/v1/cases/{}/items/{}/files/{}",
    ),
    "SELECT case_id, letter_id FROM letters ORDER BY case_id, letter_id": (
        "/api/v1/cases/{}/letters/{}",
        "/console/cases/{}/letters/{}",
    ),
    "SELECT DISTINCT case_id FROM holds": ("/api/v1/cases/{}", "/console/cases/{}", "/api/v1/holds?case_id={}"),
}
QUERIES = (
    "/api/v1/holds?released=true",
    "/api/v1/retention/due?within=36600",
    "/api/v1/events?after=-1&limit=1000",
    "/api/v1/search?q=S-1003",
    "/console/search?q=S-1003",
    "/tile/0/000.p/100",
)
# The audit is what names; files are made of what other answers tell.
UNASKED = (
    "/api/v1/audit",
    "/docs",
    "/openapi.json",
    "/console/static",
    "/archive",
    "/certificate",
    "/labels",
    "/paper",
    "/package",
    "/bundle",
)
# What differs by itself: what a page makes up for its scripts, and how much room the disk has.
NOISE = re.compile(rb'(?:nonce-|nonce=")[A-Za-z0-9_-]+|<dt>On the disk</dt><dd>[^<]*</dd>')


@dataclass(frozen=True)
class Shown:
    """Answers by who asked and what: what was asked can be asked again. ``storage`` has the files of evidence."""

    readers: Mapping[str, str]
    paths: tuple[str, ...]
    now_ms: int
    storage: Path
    answers: Mapping[str, bytes]

    def without(self, names: Iterable[str]) -> Shown:
        left_out = set(names)
        return replace(self, answers={name: data for name, data in self.answers.items() if name not in left_out})


def look(data: Path, storage: Path, *, quick: bool = False) -> Shown:
    """Read all that is shown of the ledger in this data directory, whose files of evidence are in ``storage``.

    ``quick`` asks as one officer of each role alone.
    """
    with _opened(data, storage) as parts:
        readers = {person.profile: token_of(parts, data, person.profile) for person in _readers(quick)}
        shown = Shown(readers | {"nobody": ""}, tuple(_paths(parts)), parts.clock(), storage, {})
        return _answered(parts, shown)


def look_again(data: Path, before: Shown) -> Shown:
    """Ask the same questions at the same time of another data directory."""
    with _opened(data, before.storage, before.now_ms) as parts:
        return _answered(parts, before)


def _answered(parts: Parts, shown: Shown) -> Shown:
    asked = [(reader, path) for reader in shown.readers for path in shown.paths]
    return replace(shown, answers=asyncio.run(_asked(parts, shown, asked)))


def differing(before: Shown, after: Shown) -> tuple[str, ...]:
    """Return the answers that are not the same."""
    return tuple(name for name, data in before.answers.items() if after.answers.get(name) != data)


def _readers(quick: bool) -> list[Any]:
    """Return one of each role in each agency, or in all of them."""
    people = {(person.role,) if quick else (person.agency, person.role): person for person in reversed(PEOPLE)}
    return list(people.values())


@contextmanager
def _opened(data: Path, storage: Path, now_ms: int | None = None) -> Iterator[Parts]:
    """Open the parts of a service that does nothing by itself. Raises what a start raises."""
    # No thread may run. Files of evidence stay where they are: nothing here writes or deletes one.
    settings = read_settings(data, max_requests_per_s=10**9, evidence_store=storage.as_uri())
    parts, _ = wiring.assemble(settings)
    try:
        if now_ms is None:
            with parts.database.read() as connection:
                now_ms = log.tree(connection).recorded_at + LATER_MS
        at = now_ms
        parts = replace(parts, clock=lambda: at)
        parts.supervisor.views.refresh()
        yield parts
    finally:
        parts.supervisor.views.close()
        parts.database.close()


def token_of(parts: Parts, data: Path, profile: str) -> str:
    """Return a token of the person of the town in this data directory who has the profile."""
    keys, sign_in = TownKeys.of(DataDirectory(data)), make_service(parts).sign_in
    challenge = sign_in.challenge(keys.key_id(profile), parts.authority())
    signature = keys.signer(profile).sign(personal_digest(challenge.message))
    return sign_in.token(challenge.nonce, "0x" + signature.hex(), parts.authority()).access_token


def _paths(parts: Parts) -> Iterator[str]:
    """Return every address that is read from, with some values for what stands in it."""
    with parts.database.read() as connection:
        values = {name: _some(connection, query) for name, query in VALUES.items()} | FIXED
        framework = make_framework(make_service(parts))
        for path in dict.fromkeys(_read(framework.router)):
            if not any(part in path for part in UNASKED):
                yield from _filled(path, values)
        for query, templates in TOGETHER.items():
            rows = connection.exec_driver_sql(query).all()
            yield from (template.format(*row) for template in templates for row in rows)
    yield from QUERIES


def _read(of: Any, prefix: str = "") -> Iterator[str]:
    """Return the addresses below a router, or an application that is mounted on one, that answer to GET."""
    of = getattr(of, "original_router", of)
    if isinstance(of, Mount):
        of, prefix = of.app, prefix + of.path
    for route in getattr(of, "routes", ()):
        if "GET" in (getattr(route, "methods", None) or ()):
            yield prefix + route.path
        else:
            yield from _read(route, prefix)


def _filled(path: str, values: Mapping[str, list[str]]) -> Iterator[str]:
    names = PARAMETER.findall(path)
    for chosen in product(*(values.get(name, ["1"]) for name in names)):
        filled = path
        for name, value in zip(names, chosen, strict=True):
            filled = re.sub(rf"\{{{name}(?::path)?\}}", value, filled)
        yield filled


def _some(connection: Connection, query: str) -> list[str]:
    texts = [str(value) for value in connection.exec_driver_sql(query).scalars()]
    return list(dict.fromkeys([*texts[: EACH // 2], *texts[-(EACH - EACH // 2) :]]))


async def _asked(parts: Parts, shown: Shown, asked: list[tuple[str, str]]) -> dict[str, bytes]:
    transport = httpx.ASGITransport(
        create_app(parts, write_log=lambda *_line, **_fields: None), raise_app_exceptions=False
    )
    answers: dict[str, bytes] = {}
    async with httpx.AsyncClient(transport=transport, base_url=parts.settings.url) as client:
        for reader, path in asked:
            token = shown.readers[reader]
            headers = {"authorization": f"Bearer {token}", "cookie": f"tallystick={token}"} if token else {}
            response = await client.get(path, headers=headers)
            answers[f"{reader} {path}"] = b"%d " % response.status_code + NOISE.sub(b"", response.content)
    return answers

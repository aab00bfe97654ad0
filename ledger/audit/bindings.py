"""Rows that nobody signs, compared with the chain of digests that bound them when they were written."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ledger.audit.findings import AuditFinding, finding
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken
from ledger.store import bindings, checkpoints, log
from ledger.store.access import AccessLog
from ledger.store.bindings import BOUND_TABLES, COMMITS, FACTS, FORGOTTEN, BindingHead
from ledger.store.chain_journal import DEPLOYMENT_NAME
from ledger.store.database import Connection, Database
from ledger.store.head_map import MAP_STATE

COSIGNATURES = "cosignatures"  # the table
ITEM_FILES, FILE_CHECKS = "item_files", "file_checks"
OF_FILES = (ITEM_FILES, FILE_CHECKS)  # tables of which it matters which rows there ever were
# The step that reports the faults of a table; step "bindings" reports those of the other tables.
_STEPS = {
    "checkpoints": "checkpoints",
    "cosignatures": "checkpoints",
    "timestamps": "checkpoints",
    "chain_writes": "anchors",
    "anchor_states": "anchors",
    "trie_nodes": "anchors",
    "meta": "anchors",
}


class FirstBound(Struct, frozen=True):
    """A row as it was bound first, when the log had ``size`` entries; ``again`` is another digest that followed."""

    digest: str
    size: int
    again: str | None = None


class Bound(Struct, frozen=True):
    """The content of the chain of bindings; ``broken`` is the number of the first record that does not follow, if any.

    ``rows`` has by table and key the digest that was bound last, ``commits`` by committed size the first index and the
    time. Co-signatures up to the time ``forgotten`` may have been deleted. ``heads`` has the digests of the records
    asked for. ``first`` has by table and key the rows that there ever were of ``OF_FILES``.
    """

    count: int
    rows: dict[str, dict[str, str | None]]
    commits: dict[int, tuple[int, int]]
    forgotten: int
    heads: dict[int, str]
    first: dict[str, dict[str, FirstBound]]
    broken: int | None = None


def read_bound(connection: Connection, heads: Collection[BindingHead]) -> Bound:
    """Read the chain up to the first record that does not follow."""
    rows: dict[str, dict[str, str | None]] = {}
    commits: dict[int, tuple[int, int]] = {}
    wanted, kept = {head.count - 1 for head in heads}, dict[int, str]()
    files: dict[str, dict[str, FirstBound]] = {name: {} for name in OF_FILES}
    forgotten = count = last_size = 0
    for record in bindings.stored(connection):
        if record.binding is None:
            return Bound(count, rows, commits, forgotten, kept, files, broken=count)
        count += 1
        if record.number in wanted:
            kept[record.number] = record.digest
        if record.binding.of in (COMMITS, FORGOTTEN):
            try:
                if record.binding.of == FORGOTTEN:
                    forgotten = max(forgotten, *map(int, record.binding.rows))
                for size, commit in record.binding.rows.items() if record.binding.of == COMMITS else ():
                    first, at = (commit or "0 0").split(" ")
                    commits[int(size)] = int(first), int(at)
                    last_size = max(last_size, int(size))
            except ValueError:  # the service writes numbers there
                return Bound(record.number, rows, commits, forgotten, kept, files, broken=record.number)
        else:
            rows.setdefault(record.binding.of, {}).update(record.binding.rows)
            if record.binding.of in OF_FILES:
                _keep_first(files[record.binding.of], record.binding.rows, last_size)
    return Bound(count, rows, commits, forgotten, kept, files)


def _keep_first(firsts: dict[str, FirstBound], rows: Mapping[str, str | None], size: int) -> None:
    for key, digest in rows.items():
        if digest is not None and digest != firsts.setdefault(key, FirstBound(digest, size)).digest:
            firsts[key] = replace(firsts[key], again=digest)


# 15
def check_bound(
    connection: Connection, bound: Bound, heads: Sequence[BindingHead], earlier: Sequence[BindingHead] = ()
) -> Iterator[AuditFinding]:
    """Yield faults of the chain itself, of its heads in the access log, and of the rows that it binds.

    ``earlier`` are heads that an earlier audit has kept.
    """
    if bound.broken is not None:
        yield finding("bindings", None, "binding", number=bound.broken)
        return
    for head in heads:
        if (digest_then := _digest_at(bound, head)) != head.digest:
            yield finding("bindings", None, "bound_head", head.digest, digest_then, number=head.count - 1)
    for head in earlier:
        if (digest_then := _digest_at(bound, head)) != head.digest:
            yield finding("bindings", None, "bound_earlier", head.digest, digest_then, number=head.count - 1)
    for table in BOUND_TABLES:
        yield from _differing(connection, table, bound)
    facts = dict.fromkeys((DEPLOYMENT_NAME, MAP_STATE)) | bound.rows.get(FACTS, {})
    for name, digest in facts.items():
        value = log.fact(connection, name)
        yield from _differs(FACTS, name, digest, None if value is None else blake3_text(value.encode()))


def is_chain_whole(database: Database) -> bool:
    """Tell whether each record of the chain of bindings follows, up to the heads that the log of reads has."""
    heads = AccessLog(database).binding_heads()  # read first, so that the chain cannot be shorter than these
    with database.read() as connection:
        bound = read_bound(connection, heads)
    return bound.broken is None and all(_digest_at(bound, head) == head.digest for head in heads)


def _digest_at(bound: Bound, head: BindingHead) -> str | None:
    return bound.heads.get(head.count - 1) if head.count else bindings.FIRST


def _differing(connection: Connection, table: str, bound: Bound) -> Iterator[AuditFinding]:
    expected = {key: digest for key, digest in bound.rows.get(table, {}).items() if digest is not None}
    try:
        stored = bindings.digests(connection, table)
    except IntegrityBroken:
        yield finding(_STEPS.get(table, "bindings"), None, "table_unreadable", of=table)
        return
    missing = expected.keys() - stored.keys()
    if table == COSIGNATURES and missing:
        # The service deletes co-signatures itself, which it binds, too.
        gone = set(checkpoints.forgettable(connection, bound.forgotten))
        missing = {key for key in missing if int(key.partition(" ")[0]) not in gone}
    for key in sorted(missing | stored.keys()):
        yield from _differs(table, key, expected.get(key), stored.get(key))


def _differs(table: str, key: str, expected: str | None, stored: str | None) -> Iterator[AuditFinding]:
    step, row = _STEPS.get(table, "bindings"), f"{table} {key}"
    if expected is None or stored is None:
        if expected != stored:
            shown = ["no such row" if digest is None else "a row" for digest in (expected, stored)]
            yield finding(step, None, "row", *shown, row=row)
    elif expected != stored:
        yield finding(step, None, "bound", expected, stored, row=row)


# 2
def check_commits_bound(bound: Bound, commits: array[int], named: Collection[int]) -> Iterator[AuditFinding]:
    """Yield the entries that were not committed when the bindings say, except those ``named`` already.

    ``commits`` is as ``check_commits`` takes it.
    """
    if bound.broken is not None:
        return
    sizes, times = commits[::2], commits[1::2]
    expected = 0
    for size, (first, at) in sorted(bound.commits.items()):
        for index in range(first, min(size, len(sizes))):
            for name, ought, stands in (("committed_size", size, sizes[index]), ("recorded_at", at, times[index])):
                if sizes[index] and stands != ought and index not in named:
                    yield finding("entries", index, "differs", ought, stands, of="entries", name=name)
        expected = size
    if expected < len(sizes) and expected not in named:
        yield finding("entries", expected, "unbound", of="entries")

"""The audit of the whole log: by index, then by stream, then the rows that belong to no entry."""

from __future__ import annotations

import secrets
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from ledger.audit import claims as root_claims
from ledger.audit.basis import SHARES, Basis, require_basis_of, require_same_procedures
from ledger.audit.bindings import Bound, check_bound, check_commits_bound, read_bound
from ledger.audit.chain import Look, read_ground, read_mirror
from ledger.audit.continuing import Again, basis_after, plan
from ledger.audit.entries import MISSING, UNREADABLE, of_an_erasure
from ledger.audit.evidence import check_hidden
from ledger.audit.findings import AuditFinding, AuditFindings, AuditReport, finding, finding_of
from ledger.audit.maps import MapAudit, MapPart, check_pages
from ledger.audit.streams import Faulty, all_ranges
from ledger.audit.tree import Claimant, RootClaim, TreeAudit, check_tiles, of_a_tile, read_leaf_tiles
from ledger.audit.workers import Judging, Snapshot, Workers, processes_worth, workers
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Stream, decode_payload
from ledger.core.events.record import AccessSealed
from ledger.core.log.head_map import MappedHead, map_key
from ledger.core.log.merkle import Hash
from ledger.core.log.tiles import hashes_in
from ledger.core.messages import Message, Progress
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust
from ledger.store import audit as rows
from ledger.store import log
from ledger.store.access import AccessHead, AccessLog
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection, Database
from ledger.store.log import TreeState
from ledger.store.migrating import differences as differences_of
from ledger.store.migrating import mistyped_columns, storage_faults


class _Batch(Struct, frozen=True):
    """The entries ``start <= i < end``, committed ``at`` (unix milliseconds)."""

    start: int
    end: int
    at: int

    def __len__(self) -> int:
        return self.end - self.start


def check_commits(commits: array[int], size: int) -> Iterator[AuditFinding]:
    """Yield the entries whose ``committed_size`` or ``recorded_at`` is not that of their batch.

    ``commits`` are size and time of each entry, one after the other; 0, 0 for a missing one. Neither is signed: a value
    that fits all the others passes.
    """
    sizes, times = commits[::2], commits[1::2]
    earliest, waiting = 0, None
    for batch in chain(_batches(sizes, times, size), (None,)):
        if waiting is not None:
            # Of two batches out of order, the first is at fault if the second fits what came before and is no smaller.
            overtakes = batch is not None and earliest <= batch.at < waiting.at and len(batch) >= len(waiting)
            if overtakes or waiting.at < earliest:
                yield finding("entries", waiting.start, "recorded_before", earliest, waiting.at)
            else:
                earliest = waiting.at
        if batch is not None:
            for index in range(batch.start, batch.end):
                if sizes[index] not in (0, batch.end):
                    yield finding(
                        "entries", index, "differs", batch.end, sizes[index], of="entries", name="committed_size"
                    )
                elif times[index] not in (0, batch.at):
                    yield finding("entries", index, "differs", batch.at, times[index], of="entries", name="recorded_at")
        waiting = batch


def check_latest(commits: array[int], claims: Iterable[RootClaim]) -> Iterator[AuditFinding]:
    """Yield the entries that claim to be recorded after a tree that has them was published or anchored."""
    times, named = commits[1::2], set[int]()
    for claim in claims:
        index = claim.size - 1
        if claim.until is None or not 0 <= index < len(times) or index in named or times[index] <= claim.until:
            continue
        named.add(index)
        yield finding("entries", index, "recorded_after", claim.until, times[index], **claim.by.slots)


def _batches(sizes: array[int], times: array[int], size: int) -> Iterator[_Batch]:
    start, counts = 0, Counter[int]()
    for end in range(1, size + 1):
        if sizes[end - 1]:
            counts[sizes[end - 1]] += 1
        if end == size or _ends(counts, end, sizes[end]):
            times_of_batch = Counter(
                time for time, of in zip(times[start:end], sizes[start:end], strict=True) if of == end
            )
            if times_of_batch:
                yield _Batch(start, end, times_of_batch.most_common(1)[0][0])
            start, counts = end, Counter()


def _ends(counts: Counter[int], end: int, following: int) -> bool:
    """Return whether the batch ends here: most of its entries say so.

    If as many say otherwise, it ends here unless the next entry agrees with them.
    """
    if end not in counts:
        return False
    others = {of: count for of, count in counts.items() if of != end}
    return counts[end] > max(others.values(), default=0) or (
        counts[end] == max(others.values()) and others.get(following) != counts[end]
    )


RANGE = 16_384  # entries that one worker checks at a time

MISTYPED = Message("values of another type stand in the database, at which other steps would fail")


def audit_log(
    database: Database,
    trust: Trust,
    procedures: Procedures,
    *,
    look: Look,
    progress: Progress = lambda _done, _total: None,
    processes: int | None = None,
    checkpoints: Sequence[str] = (),
    since: Basis | None = None,
    now: Callable[[], int] = lambda: int(time.time()),
    draw: Callable[[Sequence[int]], int] = secrets.choice,
) -> AuditReport:
    """Audit everything that the database holds, or go on from the audit that has kept ``since``.

    Then rows that it has read are not all read again, and the verdict is at best ``continued``. ``draw`` chooses among
    the shares that may be read again, ``now`` returns the time in unix seconds.

    ``procedures`` are in force before the log adopts any. The log must continue each of the ``checkpoints``, notes of
    its own that were stored elsewhere. ``processes`` defaults to the number of processors; a small log is checked in
    this process. ``progress`` counts entries, each twice: by itself and with its stream.

    Raises:
        MalformedInput: ``since`` is of another log or other rules, or procedures were adopted after it.
        Unavailable: database or contracts do not answer.
        NotFound: there is no ledger.
    """
    if since is not None:
        require_basis_of(since, trust.log_id)
    findings = AuditFindings()
    if mistyped := list(check_types(database)):
        findings.add(*mistyped)
        findings.stop(MISTYPED)
        return findings.report(scope="log", trust=trust, size=0, root=b"")
    heads = AccessLog(database).binding_heads()  # read first, so that the bindings cannot be shorter than these
    earlier_heads = [] if since is None else [since.bindings]
    with workers(database, processes or processes_worth(_unread(database, since))) as crew:
        connection = crew.connection
        tree = log.tree(connection)
        bound = read_bound(connection, [*heads, *earlier_heads])
        unlike = list(check_bound(connection, bound, heads, earlier_heads))
        findings.checked(
            "bindings",
            Message("{bound.count} records of rows that nobody signs, each row as it was written", bound=bound),
        )
        findings.add(*_schema(database))
        findings.checked(
            "schema", Message("tables and indexes as this version makes them, each index whole, no trigger, no view")
        )
        mirror, journal = read_mirror(connection, trust, procedures), DatabaseJournal(database)
        if since is not None and mirror.broken is None:
            require_same_procedures(since, mirror.procedures.last_index)
        published = root_claims.published(connection, trust, findings)
        anchored = [
            *root_claims.anchored(journal, tree.size, findings),
            *root_claims.on_chain(look, mirror, journal, findings, lambda contracts: contracts.records()),
        ]
        claims = [
            *root_claims.of_kept_checkpoints(checkpoints, trust),
            *([] if since is None else [_claim_of(since)]),
            *published,
            *root_claims.within(tree.size, database, anchored),
            RootClaim(tree.size, tree.root, "tree", Claimant("stored_root")),
        ]
        claims.sort(key=attrgetter("size"))
        judging = Judging(read_ground(connection, mirror), mirror.procedures)
        again = None
        # A log that has become smaller is read whole: it contradicts the earlier audit.
        if since is not None and since.size <= tree.size:
            again = plan(connection, since, tree.size, draw(since.unread), RANGE)
        pass_over = _Pass(tree, bound, findings, trust.log_id, journal, crew, judging, progress, again)
        faulty = pass_over.entries(claims, {fault.step for fault in unlike})
        mirror.tell(findings, faulty.indices)
        pass_over.streams(faulty)
        findings.add(*unlike)  # after what the rows themselves show
        if not unlike:
            findings.add(*check_hidden(connection, bound, judging.states(Snapshot(connection)).of_case))
        reads = _access(database, connection, findings, since)
        if again is not None:
            findings.went_on(again.continued_from)
        report = findings.report(scope="log", trust=trust, size=tree.size, root=tree.root)
        if report.findings or reads is None or mirror.broken is not None:
            return report
        adopted = mirror.procedures.last_index
        return replace(report, basis=basis_after(connection, tree, reads, adopted=adopted, now=now(), again=again))


def _unread(database: Database, since: Basis | None) -> int:
    """Return about how many entries are to be read."""
    with database.read() as connection:
        count = log.tree(connection).size
    return count if since is None else count - since.size + since.size // SHARES


def _claim_of(since: Basis) -> RootClaim:
    """Return the claim of the earlier audit about the root at its size."""
    return RootClaim(since.size, bytes.fromhex(since.root), "tree", Claimant("earlier_audit", since.size))


class _Pass(Struct):
    """The two passes over the log: by index, then by stream."""

    tree: TreeState
    bound: Bound
    findings: AuditFindings
    log_id: bytes
    journal: DatabaseJournal
    crew: Workers
    judging: Judging
    progress: Progress
    again: Again | None = None

    @property
    def connection(self) -> Connection:
        return self.crew.connection

    # 2 to 5, 9, 17
    def entries(self, claims: Sequence[RootClaim], failed: Collection[str]) -> Faulty:
        """Check every entry by itself, the tree over all of them, and what belongs to no entry.

        Claims of a step that has ``failed`` are not used against an entry's time.
        """
        size, commits = self.tree.size, array("q")
        maps = MapAudit()
        unmapped: list[AuditFinding] = []
        faults = list(self._by_index(TreeAudit(claims), maps, unmapped, commits))
        indices = frozenset(f.index for f in faults if f.index is not None and not (of_a_tile(f) or of_an_erasure(f)))
        self.findings.add(*(f for f in faults if not (of_an_erasure(f) and any(i > (f.index or 0) for i in indices))))
        self._tell_maps(maps, unmapped, faults)
        disordered = list(check_commits(commits, size))
        named = indices | {f.index for f in disordered if f.index is not None}
        self.findings.add(*disordered, *check_commits_bound(self.bound, commits, named))
        failed = {*failed, *(f.step for f in faults)}
        held = [claim for claim in claims if claim.step not in failed]
        self.findings.add(*(f for f in check_latest(commits, held) if f.index not in named))
        self.findings.add(*check_tiles(self.connection, size), *self._beside_entries(commits))
        tell = self.findings.checked
        tell(
            "entries", Message("{size} entries, none missing, each canonical and filed as its envelope says", size=size)
        )
        tell("payloads", Message("{size} payloads with the digests that were signed, and their sections", size=size))
        tell("signatures", Message("{size} signatures", size=size))
        tell("tree", Message("the root at size {size} follows from the entries, and every tile", size=size))
        displaced = frozenset(f.index for f in faults if f.index is not None and f.step == "entries")
        unreadable = frozenset(f.index for f in faults if f.index is not None and f.word == UNREADABLE)
        return Faulty(indices, displaced, unreadable)

    # 17
    def _tell_maps(self, maps: MapAudit, unmapped: Sequence[AuditFinding], faults: Iterable[AuditFinding]) -> None:
        """Record the commitments to another map, up to the first false entry: it makes those after it others."""
        steps = ("entries", "tree")
        of_entries = (f.index for f in faults if f.index is not None and f.step in steps and not of_a_tile(f))
        first_false = min(of_entries, default=self.tree.size)
        sure = [fault for fault in unmapped if fault.index is not None and fault.index < first_false]
        first_unmapped = min((fault.index for fault in sure if fault.index is not None), default=first_false)
        pages = check_pages(self.connection, self.journal, self.tree.size, first_unmapped)
        self.findings.add(*sure, *pages)
        if len(sure) == len(unmapped):
            text = Message(
                "{count} head maps, each that of the entries before it, and the pages that proofs are made of",
                count=maps.count,
            )
            self.findings.checked("maps", text)
        else:
            self.findings.not_checked("maps", Message("an entry before a head map is not the one that the log had"))

    def _by_index(
        self, tree: TreeAudit, maps: MapAudit, unmapped: list[AuditFinding], commits: array[int]
    ) -> Iterator[AuditFinding]:
        size, first = self.tree.size, 0
        if self.again is not None:
            first = self.again.start
            yield from self._of_earlier(self.again, tree, maps, unmapped, commits)
        # At least one range, so that claims of size 0 are decided.
        ranges = [range(start, min(start + RANGE, size)) for start in range(first, max(size, 1), RANGE)]
        for part in self.crew.apply(self.crew.entries, repeat(self.judging), ranges):
            start, end = part.indices.start, part.indices.stop
            commits.extend(part.commits)
            yield from part.findings
            unmapped.extend(maps.feed(part.maps))
            yield from tree.feed(part.leaves, read_leaf_tiles(self.connection, start, end))
            self.progress(end, 2 * size)
        yield from tree.finish()

    def _of_earlier(
        self, again: Again, tree: TreeAudit, maps: MapAudit, unmapped: list[AuditFinding], commits: array[int]
    ) -> Iterator[AuditFinding]:
        """Check of the entries that an earlier audit has read those that are read again; the others by their tiles.

        That each of them is stored, and when it was committed, is read of all.
        """
        leaves: dict[int, Hash] = {}
        some = [again.indices[first : first + RANGE] for first in range(0, len(again.indices), RANGE)]
        for part in self.crew.apply(self.crew.entries, repeat(self.judging), some):
            yield from part.findings
            leaves.update(zip(part.indices, hashes_in(part.leaves), strict=True))
        heads = deque(rows.last_entries(self.connection, again.start))
        for start in range(0, again.start, RANGE):
            end = min(start + RANGE, again.start)
            tiles = read_leaf_tiles(self.connection, start, end)
            stored = rows.commits(self.connection, start, end)
            by_index = hashes_in(tiles)
            for index in range(start, end):
                if index not in stored:
                    yield finding("entries", index, MISSING)
                commits.extend(stored.get(index, (0, 0)))
                by_index[index - start] = leaves.get(index, by_index[index - start])
            mapped = MapPart({})
            while heads and heads[0][3] < end:
                kind, stream_id, sequence, index = heads.popleft()
                mapped.heads[map_key(Stream(kind, stream_id))] = MappedHead(sequence + 1, by_index[index - start])
            unmapped.extend(maps.feed([mapped]))
            yield from tree.feed(b"".join(by_index), tiles)

    def _beside_entries(self, commits: array[int]) -> Iterator[AuditFinding]:
        """Check the rows that belong to no entry, and the row about the log, whose size and root are claims."""
        size, highest = self.tree.size, rows.highest_index(self.connection)
        if highest >= size:
            yield finding("entries", size, "tree_size", highest + 1, size)
        for table, index in rows.strays(self.connection, size):
            yield finding("payloads", index, "row", "no such row", "a row of no entry", row=table)
        for name, index in rows.repeated_events(self.connection):
            yield finding("entries", index, "row", "no such row", "a row", row=f"entries {name}")
        last = commits[-1] if commits else 0
        expected = [(1, self.log_id.hex(), last or self.tree.recorded_at)]
        actual = rows.tree_rows(self.connection)
        if actual != expected:
            texts = ("; ".join(" / ".join(map(str, row)) for row in table_rows) for table_rows in (expected, actual))
            yield finding("tree", None, "tree_rows", *texts)

    # 6, 7, 8, 14
    def streams(self, faulty: Faulty) -> None:
        """Check every stream from its first event on."""
        size = self.tree.size
        parts = all_ranges(self.connection, size, RANGE) if self.again is None else self.again.parts
        judged = self.crew.apply(self.crew.streams, repeat(self.judging), repeat(faulty), parts)
        for number, findings in enumerate(judged, 1):
            self.findings.add(*findings)
            self.progress(size + size * number // len(parts), 2 * size)
        self.findings.checked("streams", Message("each event stands on the one before"))
        self.findings.checked("custody", Message("each act was possible, its flags are those of the rules"))
        self.findings.checked("models", Message("what lists show is what the events come to"))
        self.findings.checked("supervision", Message("each step was possible, by whom it belonged to"))


# 16
def check_types(database: Database, case_id: str | None = None) -> Iterator[AuditFinding]:
    """Yield the columns with values of another type than was written, of what a case's audit reads or of all."""
    read = None
    if case_id is not None:
        with database.read() as connection:
            read = rows.rows_of_case(connection, case_id)
    for engine, store in database.stores:
        for difference in mistyped_columns(engine, store, read):
            yield finding("schema", None, "value_type", difference.expected, difference.actual, name=difference.name)


# 16
def _schema(database: Database) -> Iterator[AuditFinding]:
    """Yield what the database has beyond this version's schema, or lacks of it."""
    for engine, store in database.stores:
        for difference in differences_of(engine, store):
            yield finding("schema", None, "schema", difference.expected, difference.actual, name=difference.name)
        for fault in storage_faults(engine):
            yield finding("schema", None, "storage", fault=fault)


# 13
def _access(
    database: Database, connection: Connection, findings: AuditFindings, since: Basis | None
) -> AccessHead | None:
    """Check the access log, and what was sealed of it. Return its head, or None if it is broken."""
    try:
        head = (reads := AccessLog(database)).check()
    except IntegrityBroken as error:
        findings.add(finding_of("access", None, error))
        return None
    if since is not None and since.reads.count:
        digest, number = reads.digest_after(since.reads.count), since.reads.count - 1
        if digest != since.reads.digest:
            findings.add(finding("access", None, "read_earlier", since.reads.digest, str(digest), number=number))
    for entry in rows.of_type(connection, "access.sealed"):
        try:
            body = decode_payload(entry.payload, entry.event_type).body
        except TallystickError:
            continue  # a finding of its own
        if isinstance(body, AccessSealed) and (digest := reads.digest_after(body.count)) != body.head:
            number = body.count - 1
            findings.add(finding("access", entry.log_index, "read", body.head, str(digest), number=number))
    findings.checked("access", Message("{count} records of reads", count=head.count))
    return head

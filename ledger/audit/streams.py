"""Checks of streams from their first event on: order, rules, and read models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec import Struct

from ledger.audit.findings import Finding, differences, finding
from ledger.audit.judging import Judge, Rules, judge_of, names_of
from ledger.core.custody import Flag
from ledger.core.events import decode_again
from ledger.store import audit as rows
from ledger.store.audit import Models
from ledger.store.database import Connection
from ledger.store.log import StoredEntry


class Part(Struct, frozen=True):
    """The streams ``first <= id < last`` of a kind; None is no bound. ``size`` is that of the audited tree."""

    kind: str
    size: int
    first: str | None = None
    last: str | None = None


class Faulty(Struct, frozen=True):
    """Entries with findings of their own: what depends on them is not judged.

    ``displaced`` are those that are missing or filed under another stream: any stream may lack them. ``unreadable`` are
    those that the database cannot read.
    """

    indices: frozenset[int] = frozenset()
    displaced: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()

    def lacking(self, low: int, below: int | None = None) -> bool:
        """Return whether a displaced entry has ``low < index``, and ``index < below`` if that is given."""
        return any(low < index and (below is None or index < below) for index in self.displaced)


def check_part(connection: Connection, part: Part, faulty: Faulty, rules: Rules) -> list[Finding]:
    """Return the faults of these streams that no entry shows by itself."""
    findings: list[Finding] = []
    bounds = (part.kind, part.first, part.last)
    heads = rows.heads(connection, *bounds)
    flags = rows.flags(connection, *bounds)
    stored = rows.stored_models(connection, part.kind, part.first, part.last)
    entries = rows.by_stream(connection, *bounds, size=part.size, without=faulty.unreadable)
    for stream_id, events in groupby(entries, key=lambda row: row.stream_id):
        walk = _Walk(faulty, judge_of(part.kind, rules, some_are_faulty=bool(faulty.indices)))
        for row in events:
            findings += walk.take(row, flags.get(row.log_index, ()))
        findings += walk.end(f"{part.kind} {stream_id}", heads.pop(stream_id, None), stored.pop(stream_id, {}))
    if not faulty.displaced:
        findings += (_stray("streams", "stream", name=f"{part.kind} {stream_id}") for stream_id in heads)
        findings += (_stray("models", "row", row=" ".join(key)) for models in stored.values() for key in models)
    return findings


class _Walk:
    """Checks one stream, event by event. It is ``sound`` until the first faulty entry."""

    def __init__(self, faulty: Faulty, judge: Judge):
        self._faulty = faulty
        self._judge = judge
        self._last: StoredEntry | None = None
        self._sound = judge.sound

    def take(self, row: StoredEntry, flags: tuple[Flag, ...]) -> Iterator[Finding]:
        """Check the next row by sequence."""
        if row.log_index in self._faulty.indices:
            self._sound = False
        else:
            payload = decode_again(row.payload, row.event_type)
            yield from self._order(row, payload.previous)
            if flags and not self._judge.raises_flags:
                yield finding("custody", row.log_index, "flags", "none outside of cases", names_of(flags))
            if self._sound:
                yield from self._judge.take(row, payload, flags)
                self._sound = self._judge.sound
        self._last = row

    def _order(self, row: StoredEntry, previous: str | None) -> Iterator[Finding]:
        """Yield a finding unless sequence, previous and index follow from the row before.

        If that row or a missing one is faulty, nothing is reported.
        """
        last = self._last
        expected = (last.sequence + 1, last.payload_digest) if last else (0, None)
        rises = last is None or last.log_index < row.log_index
        if (row.sequence, previous) == expected and rises:
            return
        low = last.log_index if last else -1
        self._sound = False
        if (last and last.log_index in self._faulty.indices) or self._faulty.lacking(low, row.log_index):
            return
        actual = _place(row.sequence, previous) + ("" if rises else f" / {row.log_index} < {low}")
        yield finding("streams", row.log_index, "place", _place(*expected), actual)

    def end(self, name: str, head: tuple[int, str] | None, stored: Models) -> Iterator[Finding]:
        """Compare the stored head and read models with those that the events lead to."""
        last = self._last
        assert last is not None, "a group has at least one row"
        if head != (last.sequence, last.payload_digest):
            if last.log_index in self._faulty.indices or self._faulty.lacking(last.log_index):
                return  # the stream's true end may be what is missing
            expected = _place(last.sequence, last.payload_digest)
            actual = _place(*head) if head else "no such row"
            yield finding("streams", last.log_index, "stream", expected, actual, name=name)
        if self._sound:
            yield from _compare(self._judge.models(stored), stored)


def _compare(expected: Models, stored: Models) -> Iterator[Finding]:
    if expected == stored:
        return
    for key in sorted(expected.keys() | stored.keys()):
        ours, theirs = expected.get(key), stored.get(key)
        key_text, row = " ".join(key), ours or theirs or {}
        index = row.get("updated_index", row.get("log_index"))
        if ours is None or theirs is None:
            expected_row, found_row = ("a row" if model_row else "no such row" for model_row in (ours, theirs))
            yield finding("models", index, "row", expected_row, found_row, row=key_text)
        elif ours != theirs:
            pairs = ((name, value, theirs.get(name)) for name, value in ours.items())
            yield from differences("models", index, key_text, pairs)


def _place(sequence: int, digest: str | None) -> str:
    return f"{sequence} / {digest or '—'}"


def _stray(step: str, word: str, **slots: str) -> Finding:
    return finding(step, None, word, "no such row", "a row that no event has made", **slots)

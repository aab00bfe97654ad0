"""Feeds: for each agency the entries that concern it, in the order of the log.

A row says that with the entry at ``log_index`` the agency gets its stream from the sequence ``since`` on. That is the
entry alone as a rule, and all earlier entries too if the agency first saw the case by it. Whether the agency may
still see them is decided when the feed is read: an offer may have ended since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select

from ledger.core.custody import CaseState
from ledger.core.errors import MalformedInput
from ledger.core.events import Event
from ledger.core.supervision import SupervisionState, SupervisionStep
from ledger.core.visibility import concerned, sides_of
from ledger.store import log
from ledger.store.log import StoredEntry
from ledger.store.tables import ENTRIES, FEED

_CURSOR = re.compile(r"(?P<index>-1|0|[1-9][0-9]{0,15})(?:\.(?P<sequence>0|[1-9][0-9]{0,15}))?")


class Cursor(Struct, frozen=True):
    """A position after the row at ``log_index``, or within it after ``sequence``; written ``17`` or ``17.3``."""

    log_index: int = -1
    sequence: int | None = None

    def __str__(self) -> str:
        return str(self.log_index) if self.sequence is None else f"{self.log_index}.{self.sequence}"


class FeedStep(Struct, frozen=True):
    """An entry of a feed, and the cursor after it."""

    cursor: Cursor
    entry: StoredEntry


def parse_cursor(text: str) -> Cursor:
    """Parse a cursor. Raises MalformedInput."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise MalformedInput("expected `next` of the page before, not {text!r}", text=text[:100], field="after")
    sequence = match["sequence"]
    return Cursor(int(match["index"]), None if sequence is None else int(sequence))


def page(connection: Connection, agency: str, after: Cursor, limit: int) -> list[FeedStep]:
    """Return the next steps of the agency's feed, at most ``limit``."""
    query = select(FEED.c.since, *log.ENTRY_COLUMNS).join(ENTRIES, ENTRIES.c.log_index == FEED.c.log_index)
    ordered = query.where(*_behind(agency, after)).order_by(FEED.c.log_index)
    feed_rows = connection.execute(
        ordered.limit(limit + 1)
    )  # one more: the first may be delivered already, except for earlier entries of its stream
    steps: list[FeedStep] = []
    for since, *columns in feed_rows.fetchall():
        last = StoredEntry(*columns)
        # A page may have ended within this row, between earlier entries of its stream.
        last_given = after.sequence if last.log_index == after.log_index else None
        start = since if last_given is None else max(since, last_given + 1)
        steps += _steps(connection, last, start, limit - len(steps))
        if len(steps) == limit:
            break
    return steps


def is_behind(connection: Connection, agency: str, after: Cursor) -> bool:
    """Return whether the feed continues after the cursor."""
    if after.sequence is not None:
        return bool(page(connection, agency, after, 1))
    return connection.execute(select(FEED.c.log_index).where(*_behind(agency, after)).limit(1)).first() is not None


def recipients(
    event: Event, before: CaseState | None, after: CaseState | None, step: SupervisionStep | None
) -> Iterator[tuple[str, int]]:
    """Yield each agency that an event concerns, and the sequence from which on it gets the stream.

    An event concerns all who see its case, model, lead or recommendation before it or after it.
    """
    if after is not None:
        yield from of_case(before, after, event.sequence)
    elif step is not None:
        yield from of_supervision(step, event.sequence)
    elif event.stream.kind == "agency":
        yield event.stream.id, event.sequence


def of_case(before: CaseState | None, after: CaseState, sequence: int) -> Iterator[tuple[str, int]]:
    """Yield each agency that an event of a case concerns, with its sequence, given the states before and after."""
    # Those who see the case before and those who see it after: who loses sight still gets the event that ended it.
    # Those who come to see the case, as a party or by an offer, may not have read all of it. Whoever read while an
    # offer had expired was shown nothing, so only an offer that does not expire counts as seen. By accepting, who held
    # nothing of the case comes to read its confidential sections, which earlier events went without.
    concerned_agencies, coming = _concerned(after), set[str]()
    # What changes neither handovers nor parties changes nothing of who sees the case.
    if before is None or before.handovers is not after.handovers or before.agencies != after.agencies:
        changes = after.handovers.changes(before.handovers if before else None)
        new = {offer.to_agency for _, old_offer, offer in changes if old_offer is None and offer is not None}
        open_before = before.handovers.marked("open") if before else []
        lasting = {offer.to_agency for offer in open_before if offer.expires_at is None}
        coming = {*new, *after.agencies} - (before.agencies if before else frozenset()) - lasting
        accepted = ("accepted", "partially_accepted")
        accepting = {offer.to_agency for _, _, offer in changes if offer is not None and offer.status in accepted}
        coming |= {agency for agency in accepting if before is None or not _holds(before, agency)}
        concerned_agencies |= _concerned(before)
    for agency in concerned_agencies:
        yield agency, 0 if agency in coming else sequence
    # Of a letter its two agencies get the event alone, if they see nothing else of the case.
    letters = after.letters.changes(before.letters if before else None)
    for agency in {agency for _, _, letter in letters if letter is not None for agency in letter.agencies}:
        if agency not in concerned_agencies:
            yield agency, sequence


def _holds(case: CaseState, agency: str) -> bool:
    """Return whether the agency is responsible for the case, or has custody of an item of it."""
    if agency not in case.agencies:  # whoever holds something is a party
        return False
    return case.responsible == agency or any(item.holder == agency and item.is_live for item in case.items.values())


def of_supervision(step: SupervisionStep, sequence: int) -> Iterator[tuple[str, int]]:
    """Yield each agency that an event of supervision concerns, with its sequence."""
    before, after = _concerned(step.before), _concerned(step.after)
    for agency in before | after:
        yield agency, sequence if agency in before else 0


def _concerned(thing: CaseState | SupervisionState | None) -> frozenset[str]:
    return frozenset() if thing is None else concerned(sides_of(thing))


def _behind(agency: str, after: Cursor) -> tuple[ColumnElement[bool], ...]:
    """Build the condition for rows after the cursor, including the row that it is within."""
    first = after.log_index + (after.sequence is None)
    return FEED.c.agency == agency, FEED.c.log_index >= first


def _steps(connection: Connection, last: StoredEntry, start: int, limit: int) -> Iterator[FeedStep]:
    """Yield the steps of one row: its stream from the sequence ``start`` up to the entry ``last``."""
    if start < last.sequence:
        earlier = log.stream(connection, last.stream_kind, last.stream_id, after=start - 1, limit=limit)
        before_last = [entry for entry in earlier if entry.sequence < last.sequence]
        yield from (FeedStep(Cursor(last.log_index, entry.sequence), entry) for entry in before_last)
        limit -= len(before_last)
    if limit > 0 and start <= last.sequence:
        yield FeedStep(Cursor(last.log_index), last)

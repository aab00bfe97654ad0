"""The tables of the log's store."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel
from sqlmodel.main import get_column_from_field


def big(**options: Any) -> Column[int]:
    """Build a column of 64-bit numbers that the database does not generate, not null without other ``options``."""
    return Column(BigInteger, **{"nullable": False, "autoincrement": False} | options)


def binary(**options: Any) -> Column[bytes]:
    """Build a column of bytes, not null without other ``options``."""
    return Column(LargeBinary, **{"nullable": False} | options)


def text(**options: Any) -> Column[str]:
    """Build a column of text of any length, not null without other ``options``."""
    return Column(Text, **{"nullable": False} | options)


class StoreTable(SQLModel):
    """Declares a table, named like its class: ``CaseAgenciesTable`` is ``case_agencies``.

    Without a base between, it is of the log. Rows are read and written by SQLAlchemy Core, and nobody makes objects of
    these classes: Pydantic builds no validators of them, SQLAlchemy maps none.
    """

    model_config = {"defer_build": True}
    metadata: ClassVar[MetaData] = MetaData()


def core_of(model: type[StoreTable]) -> Table:
    """Return the table that a model declares, for SQLAlchemy Core. Call it once for each."""
    columns = []
    for name, field in model.model_fields.items():
        column = get_column_from_field(field)
        column.name = column.key = name
        columns.append(column)
    arguments = getattr(model, "__table_args__", ())
    options = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.__name__.removesuffix("Table")).lower()
    return Table(name, model.metadata, *columns, *(part for part in arguments if part is not options), **options)


class WitnessTable(StoreTable):
    """The schema of a witness, kept apart from the log's."""

    metadata: ClassVar[MetaData] = MetaData()


# An index finds texts by their beginning on either server only if both order texts by code point.
_BY_CODE_POINT = String().with_variant(String(collation="C"), "postgresql")


# Of a table that PostgreSQL keeps in parts (``store.partitions``), which have its unique constraints.
BY_LOG_INDEX = {"postgresql_partition_by": "RANGE (log_index)"}


class TreeTable(StoreTable):
    """One row: the state of the log. Whoever changes it holds the writer's lock."""

    id: int = Field(default=1, primary_key=True)
    log_id: str
    size: int = Field(sa_column=big())
    root: bytes = Field(sa_column=binary())
    registry_changes: int = Field(sa_column=big())
    recorded_at: int = Field(sa_column=big(), description="unix milliseconds, never runs backwards")


class EntriesTable(StoreTable):
    """A log entry with its payload. ``committed_size`` is the tree size of the commit that it came in with."""

    __table_args__ = (
        UniqueConstraint("event_id").ddl_if(dialect="sqlite"),
        UniqueConstraint("stream_kind", "stream_id", "sequence").ddl_if(dialect="sqlite"),
        Index("ix_entries_payload_digest", "payload_digest"),
        BY_LOG_INDEX,
    )

    log_index: int = Field(sa_column=big(primary_key=True))
    event_id: str
    event_type: str
    stream_kind: str
    stream_id: str
    sequence: int = Field(sa_column=big())
    agency: str
    key_id: str
    payload_digest: str
    signed_at: int = Field(sa_column=big(), description="unix seconds, the signer's claim")
    recorded_at: int = Field(sa_column=big(), description="unix milliseconds")
    committed_size: int = Field(sa_column=big())
    envelope: bytes = Field(sa_column=binary())
    payload: bytes = Field(sa_column=binary())


class SectionsTable(StoreTable):
    """A confidential section; ``data`` is null once it is erased."""

    __table_args__ = (BY_LOG_INDEX,)

    log_index: int = Field(sa_column=big(primary_key=True))
    label: str = Field(primary_key=True)
    data: bytes | None = Field(default=None, sa_column=binary(nullable=True))


class FlagsTable(StoreTable):
    """A flag that an entry raised when it was recorded."""

    __table_args__ = (BY_LOG_INDEX,)

    log_index: int = Field(sa_column=big(primary_key=True))
    position: int = Field(primary_key=True)
    name: str = Field(index=True)
    article: str
    detail: str = Field(sa_column=text(), description="JSON: a text, or message id and slots")


class TilesTable(StoreTable):
    """A tile of hashes (C2SP tlog-tiles), the partial ones at the right edge included."""

    level: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    tile_index: int = Field(sa_column=big(primary_key=True))
    hashes: bytes = Field(sa_column=binary())


class MapPagesTable(StoreTable):
    """A page of the head map (``ledger.core.log.head_map``), as it is from the log's ``size`` on."""

    name: str = Field(primary_key=True)
    size: int = Field(sa_column=big(primary_key=True))
    page: bytes = Field(sa_column=binary())


class CheckpointsTable(StoreTable):
    """A published checkpoint: the sizes that witnesses see and anchors commit to."""

    size: int = Field(sa_column=big(primary_key=True))
    note: str = Field(sa_column=text())
    published_at: int = Field(sa_column=big(), description="unix milliseconds")
    witnessed: bool = Field(default=False, description="whether the policy's quorum has co-signed it")
    shown: bool = Field(default=False, description="whether everybody was shown it before any was witnessed")


class CosignaturesTable(StoreTable):
    """A witness's co-signature of a checkpoint; ``witness`` is its verifier key, ``line`` its signature line."""

    size: int = Field(sa_column=big(primary_key=True))
    witness: str = Field(sa_column=text(primary_key=True))
    line: str = Field(sa_column=text())


class TimestampsTable(StoreTable):
    """A verified timestamp of a published checkpoint by an RFC 3161 authority."""

    size: int = Field(sa_column=big(primary_key=True))
    response: bytes = Field(sa_column=binary(), description="the TimeStampResp, DER")
    time: int = Field(sa_column=big(), description="unix seconds, by the authority's clock")


class StreamsTable(StoreTable):
    """The head of each stream."""

    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    sequence: int = Field(sa_column=big())
    head: str


class SplitsTable(StoreTable):
    """A ``case.split``: the case that it is of, the one that it is for, and the agency that signed it.

    ``persons`` and ``items`` are how many it gave up.
    """

    event_id: str = Field(primary_key=True)
    log_index: int = Field(sa_column=big())
    case_id: str = Field(index=True)
    new_case_id: str = Field(index=True)
    agency: str = Field(index=True)
    persons: int
    items: int


class SplitsTakenOverTable(StoreTable):
    """The case that took over what a split, the event ``event_id`` of another case, gave up."""

    event_id: str = Field(primary_key=True)
    case_id: str = Field(index=True)
    log_index: int = Field(sa_column=big())


class FeedTable(StoreTable):
    """With the entry at ``log_index`` the agency gets its stream from the sequence ``since`` on (``store.feed``)."""

    # The index is for audits, which ask for the lines of given entries: else each would go through the whole table.
    __table_args__ = (Index("ix_feed_log_index", "log_index"), {"sqlite_with_rowid": False} | BY_LOG_INDEX)

    agency: str = Field(primary_key=True)
    log_index: int = Field(sa_column=big(primary_key=True))
    since: int = Field(sa_column=big())


class CasesTable(StoreTable):
    """The fields of a case that lists show; ``corrected_in`` is the event that last corrected its words."""

    __table_args__ = (Index("ix_cases_responsible", "responsible", "case_id"),)

    case_id: str = Field(primary_key=True)
    case_number: str
    case_type: str
    business_line: str
    opened_by: str
    opened_at: str
    responsible: str
    stage: str
    closed: bool
    corrected_in: str | None = None
    updated_index: int = Field(sa_column=big(), description="log index of the latest event")


class KeptStatesTable(StoreTable):
    """The state of a long case after its entry of this sequence, packed (``store.kept_states``); it saves a fold."""

    case_id: str = Field(primary_key=True)
    sequence: int = Field(sa_column=big())
    format: str
    state: bytes = Field(sa_column=binary())
    mac: bytes = Field(sa_column=binary(), description="under the service's key, of format and state")


class CaseAgenciesTable(StoreTable):
    """An agency that holds or held a part of a case, with its own number of it."""

    __table_args__ = (Index("ix_case_agencies_agency", "agency", "case_id"),)

    case_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    case_number: str | None = Field(default=None, index=True)


class HandoversTable(StoreTable):
    """A handover in its present state."""

    __table_args__ = (
        Index("ix_handovers_to", "to_agency", "status", "case_id"),
        Index("ix_handovers_from", "from_agency", "status"),
    )

    case_id: str = Field(primary_key=True)
    handover_id: str = Field(primary_key=True)
    from_agency: str
    to_agency: str
    purpose: str
    status: str
    offered_at: str
    answered_at: str | None = None
    expires_at: str | None = None
    due_at: str | None = None
    items: int
    updated_index: int = Field(sa_column=big())


class LettersTable(StoreTable):
    """A letter in its present state; an agency is null where the side is a person, or somebody outside."""

    __table_args__ = (Index("ix_letters_to", "to_agency", "case_id"), Index("ix_letters_from", "from_agency"))

    case_id: str = Field(primary_key=True)
    letter_id: str = Field(primary_key=True)
    kind: str
    number: str | None = None
    from_agency: str | None = None
    to_agency: str | None = None
    sent_at: str | None = None
    received_at: str | None = None
    due_at: str | None = None
    answered_at: str | None = None
    answers: str | None = None
    updated_index: int = Field(sa_column=big())


class HoldsTable(StoreTable):
    """A legal hold of a case in its present state; it stands while ``released_at`` is null.

    ``officer`` of ``agency`` placed it, for the ``ground``. ``items`` counts the items that it names, ``review_on`` is
    the day on which whoever placed it looks at it again.
    """

    __table_args__ = (Index("ix_holds_updated", "updated_index"), Index("ix_holds_agency", "agency", "updated_index"))

    case_id: str = Field(primary_key=True)
    hold_id: str = Field(primary_key=True)
    kind: str
    scope: str
    agency: str
    officer: str
    number: str
    ground: str = Field(sa_column=text())
    placed_at: str
    review_on: str | None = None
    released_at: str | None = None
    items: int
    updated_index: int = Field(sa_column=big())


class ItemsTable(StoreTable):
    """An item's present state in a case. Two cases may have an item of one id: a split one, or different things.

    ``parents`` are the ids of the items that it came from, with blanks between them.
    """

    item_id: str = Field(primary_key=True)
    case_id: str = Field(primary_key=True, index=True)
    kind: str
    description: str = Field(sa_column=text())
    quantity: str
    unit: str
    holder: str
    responsible: str
    status: str
    seal_number: str | None = Field(default=None, index=True)
    exhibit_number: str | None = Field(default=None, index=True)
    storage_location: str | None = Field(default=None, sa_column=Column(_BY_CODE_POINT, nullable=True))
    parents: str | None = None
    corrected_in: str | None = None
    updated_index: int = Field(sa_column=big())

    __table_args__ = (Index("ix_items_place", "holder", "storage_location"),)


NO_CASE = ""  # in the place of a case's id: of a clock of a recommendation, whose id is its ``subject``


# A database takes an index of some rows if the query has the same words in it.
IS_OPEN = "stopped_at IS NULL AND status <> 'void'"
_BY_END = ("at_end", "due_at", "case_id", "deadline_id")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sql(condition), "postgresql_where": sql(condition)}


class ClocksTable(StoreTable):
    """A clock of a case in its present state: ``agency`` holds it now, ``handler`` is its officer for the case.

    That of a recommendation has ``NO_CASE``.

    ``status`` is running, suspended, ended, replaced (by a later one of its name), or void: one that never ran, or that
    left for another case. ``due_at`` (RFC
    3339) is the first instant that is too late, null while the clock is suspended and where it cannot be computed.
    ``last_day`` is the day of the procedure's zone before it, null if the clock counts hours. ``at_end`` says what is
    then: somebody is late, or the time has ended, or has not ended before; that it is due promptly, without an end; or
    that something that was kept until then is due.
    """

    # Lists of what is open are read in their order, of one way to end after the other; what has stopped is in none of
    # these. What stopped later than a moment was open then.
    __table_args__ = (
        Index("ix_clocks_open", *_BY_END, **_where(IS_OPEN)),
        Index("ix_clocks_open_agency", "agency", *_BY_END, **_where(IS_OPEN)),
        Index("ix_clocks_open_handler", "handler", *_BY_END, **_where(f"{IS_OPEN} AND handler IS NOT NULL")),
        Index("ix_clocks_stopped", "stopped_at", **_where("stopped_at IS NOT NULL")),
    )

    case_id: str = Field(primary_key=True)
    deadline_id: str = Field(primary_key=True)
    clock: str
    subject: str
    agency: str
    handler: str | None = None
    started_at: str
    stopped_at: str | None = None
    due_at: str | None = None
    last_day: str | None = None
    at_end: str
    status: str
    updated_index: int = Field(sa_column=big())


class WarningsTable(StoreTable):
    """A warning of a clock that runs out: ``days`` before its last day, 0 once it has run out.

    ``last_day`` and ``at_end`` are what the clock had then. ``number`` counts the warnings of the ledger from 1,
    without a gap.
    """

    __table_args__ = (
        UniqueConstraint("case_id", "deadline_id", "due_at", "at_end", "days"),
        Index("ix_warnings_agency", "agency", "number"),
    )

    number: int = Field(sa_column=big(primary_key=True))
    case_id: str
    deadline_id: str
    clock: str
    subject: str
    agency: str
    handler: str | None = None
    due_at: str
    last_day: str | None = None
    at_end: str
    days: int
    warned_at: int = Field(sa_column=big(), description="unix milliseconds")


class WebhooksTable(StoreTable):
    """The address that an agency's feed and warnings are sent to, and the progress of that; times in unix milliseconds.

    It depends on the rights of the key that registered it. Until ``next_try_at`` no other process sends.
    """

    __table_args__ = (UniqueConstraint("agency", "url"),)

    webhook_id: str = Field(primary_key=True)
    agency: str
    officer: str
    key_id: str
    url: str
    created_at: int = Field(sa_column=big())
    events_after: str
    warnings_after: int = Field(sa_column=big())
    delivered_at: int | None = Field(default=None, sa_column=big(nullable=True))
    failures: int
    last_error: str | None = None
    next_try_at: int = Field(sa_column=big())


class ImportsTable(StoreTable):
    """The case that an agency's own system knows under a key, and the row that was imported last."""

    __table_args__ = (Index("ix_imports_source", "agency", "source_system", "source_key"),)

    case_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    source_system: str = Field(primary_key=True)
    source_key: str = Field(primary_key=True)
    file_digest: str
    row: int = Field(sa_column=big())
    row_digest: str | None = None
    updated_index: int = Field(sa_column=big())


class WordsTable(StoreTable):
    """A searchable word in the events of a case, such as a seal's number, folded by ``store.search``.

    ``item_id`` is the item that it last belonged to, ``updated_index`` the entry that last contained it.
    """

    __table_args__ = ({"sqlite_with_rowid": False},)

    word: str = Field(sa_column=Column(_BY_CODE_POINT, primary_key=True, nullable=False))
    kind: str = Field(primary_key=True)
    case_id: str = Field(primary_key=True, index=True)
    item_id: str | None = None
    updated_index: int = Field(sa_column=big())


class WordPartsTable(StoreTable):
    """A part of a word in the events of a case (``store.word_parts``), and an entry that has it."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    part: str = Field(sa_column=Column(_BY_CODE_POINT, primary_key=True, nullable=False))
    log_index: int = Field(sa_column=big(primary_key=True))


class NamePartsTable(StoreTable):
    """A part of the name that an entry gives a person in a section; it goes when the section is erased."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    part: str = Field(sa_column=Column(_BY_CODE_POINT, primary_key=True, nullable=False))
    log_index: int = Field(sa_column=big(primary_key=True))


class DatasetFilesTable(StoreTable):
    """A part of the file of a registered data set, which has this digest; the parts are numbered from 0."""

    digest: str = Field(primary_key=True)
    part: int = Field(sa_column=big(primary_key=True))
    data: bytes = Field(sa_column=binary())


class AuditsTable(StoreTable):
    """An audit that an auditor ran: ``report`` is its JSON, null if the audit could not be completed.

    Without a ``case_id`` it is one of the whole log. Times are in unix milliseconds.
    """

    audit_id: str = Field(primary_key=True)
    case_id: str | None = Field(default=None, index=True)
    agency: str
    officer: str
    started_at: int = Field(sa_column=big(index=True))
    ended_at: int = Field(sa_column=big())
    verdict: str | None = None
    report: bytes | None = Field(default=None, sa_column=binary(nullable=True))
    failure: str | None = Field(default=None, sa_column=text(nullable=True))


class BindingsTable(StoreTable):
    """A record of the chain that binds rows of the table ``of``; ``digest`` chains it to the one before."""

    __table_args__ = (Index("ix_bindings_of", "of", "number"),)

    number: int = Field(sa_column=big(primary_key=True))
    of: str
    record: bytes = Field(sa_column=binary())
    digest: str


class ChallengesTable(StoreTable):
    """A sign-in text that waits for its signature. ``number`` counts on from that of the newest that waits."""

    nonce: str = Field(primary_key=True)
    key_id: str
    message: str = Field(sa_column=text())
    expires_at: int = Field(sa_column=big(index=True), description="unix seconds")
    number: int = Field(sa_column=big(unique=True))


class MetaTable(StoreTable):
    """Small facts of this installation, by name."""

    name: str = Field(primary_key=True)
    value: str = Field(sa_column=text())


class LeadCasesTable(StoreTable):
    """A case that a lead cites: the ``agency`` that has the lead, the ``officer`` to whom it is assigned, if any."""

    __table_args__ = (Index("ix_lead_cases_officer", "agency", "officer"), {"sqlite_with_rowid": False})

    lead_id: str = Field(primary_key=True)
    case_id: str = Field(primary_key=True, index=True)
    agency: str
    officer: str | None = None


# The same tables for SQLAlchemy Core: queries and the hot path speak of these.
TREE = core_of(TreeTable)
ENTRIES = core_of(EntriesTable)
SECTIONS = core_of(SectionsTable)
FLAGS = core_of(FlagsTable)
TILES = core_of(TilesTable)
MAP_PAGES = core_of(MapPagesTable)
CHECKPOINTS = core_of(CheckpointsTable)
COSIGNATURES = core_of(CosignaturesTable)
TIMESTAMPS = core_of(TimestampsTable)
STREAMS = core_of(StreamsTable)
SPLITS = core_of(SplitsTable)
SPLITS_TAKEN_OVER = core_of(SplitsTakenOverTable)
FEED = core_of(FeedTable)
CASES = core_of(CasesTable)
CASE_AGENCIES = core_of(CaseAgenciesTable)
KEPT_STATES = core_of(KeptStatesTable)
HANDOVERS = core_of(HandoversTable)
LETTERS = core_of(LettersTable)
HOLDS = core_of(HoldsTable)
ITEMS = core_of(ItemsTable)
CLOCKS = core_of(ClocksTable)
WARNINGS = core_of(WarningsTable)
WEBHOOKS = core_of(WebhooksTable)
IMPORTS = core_of(ImportsTable)
WORDS = core_of(WordsTable)
WORD_PARTS = core_of(WordPartsTable)
NAME_PARTS = core_of(NamePartsTable)
DATASET_FILES = core_of(DatasetFilesTable)
AUDITS = core_of(AuditsTable)
BINDINGS = core_of(BindingsTable)
CHALLENGES = core_of(ChallengesTable)
META = core_of(MetaTable)
LEAD_CASES = core_of(LeadCasesTable)
# The read models of cases.
OF_CASES = (CASES, CASE_AGENCIES, HANDOVERS, LETTERS, HOLDS, ITEMS, CLOCKS, IMPORTS, WORDS, SPLITS, SPLITS_TAKEN_OVER)

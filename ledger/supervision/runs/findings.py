"""What a model finds, and the lead of a finding.

The same model, parameters, record and moment give the same findings, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import MAX_CITED, CitedDataset, LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import Agency
from ledger.core.supervision import finding_digest, lead_id_of
from ledger.supervision.model_faults import Wording
from ledger.supervision.models.conditions import EVIDENCE, bindings_of, counting, matching_rows, query_of
from ledger.supervision.models.definition import Cel, Model, Query, fill_text, text_of
from ledger.supervision.runs.query_session import QuerySession, quoted
from ledger.supervision.view_catalogue import LISTED

ROWS_AT_ONCE = 20_000  # of a view that is gone through row by row
MAX_VALUE = 4000  # characters: a longer list of a row is left out of the values of its finding


class UnfitRow(MalformedInput):
    """A row that is no finding. The message names columns, and nothing that the row holds."""


class ModelFinding(Struct, frozen=True, kw_only=True, array_like=True):
    """A row of a condition. ``key`` makes it the same finding; ``values`` are its columns that are not empty.

    ``evidence`` are payload digests, sorted, each once: who cites them puts them into the order of the log.
    ``listed`` are the data sets that the condition asked, by their ids, with the digests of the rows of each that it
    rests on: none where it rests on a value not being there. ``differing`` are the columns of its words in which the
    rows that it unites differ.
    """

    model_id: str
    key: Mapping[str, str]
    values: Mapping[str, str]
    case_id: str | None
    supervised: str
    evidence: tuple[str, ...]
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    differing: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the digest of model and key: what has the same digest is the same finding."""
        return finding_digest(self.model_id, self.key)

    @property
    def lead_id(self) -> str:
        """Return the id of the lead of this finding: "lead-" and the first 32 hex digits of the digest."""
        return lead_id_of(self.digest)


def find(
    model: Model,
    parameters: Mapping[str, object],
    session: QuerySession,
    as_of: datetime,
    *,
    refused: Callable[[UnfitRow], None] | None = None,
) -> list[ModelFinding]:
    """Return all that the model finds in the session's rows at ``as_of``, sorted by key.

    A row that is no finding raises UnfitRow, unless ``refused`` is given: then it is called with the error, and
    the other rows are still found. Raises MalformedInput for parameters out of bounds, QueryRefused if the condition
    cannot be asked.
    """
    values = model.parameters_of(parameters)
    query = query_of(model.condition, model.parameters, values)
    registrations = session.open_lists(query.lists)
    if isinstance(model.condition, Cel):
        expression, _ = counting(model.condition.expression)
        rows = matching_rows(
            expression,
            _all_rows(query, session, as_of),
            values,
            as_of,
            session.zone,
            quotes_rows=session.quotes_rows,
        )
    else:
        rows = iter(session.rows(query.sql, bindings_of(query, values), as_of))
    asked = {use.dataset_id for use in query.lists.values()}
    findings = []
    for row in rows:
        try:
            findings.append(_finding(model, row, asked, registrations))
        except UnfitRow as error:
            if refused is None:
                raise
            refused(error)
    return _merge_by_key(findings, model.lead.columns)


def _all_rows(query: Query, session: QuerySession, as_of: datetime) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a query over one view, in parts that the session can return at once."""
    ((counted),) = session.rows(f"SELECT count(*) AS rows FROM ({query.sql})", {}, as_of)  # noqa: S608
    # Parts by hash need no order, which the limits of a session could not hold for a large view.
    parts = int(counted["rows"]) // ROWS_AT_ONCE + 1
    spread = next(name for name in ("case_id", "row_digest", *query.columns) if name in query.columns)
    part_of = f"SELECT * FROM ({query.sql}) WHERE hash({quoted(spread)}) % $parts = $part"  # noqa: S608
    for part in range(parts):
        yield from session.rows(part_of, {"parts": parts, "part": part}, as_of)


def _finding(
    model: Model, row: Mapping[str, Any], asked: Collection[str], registrations: Sequence[str]
) -> ModelFinding:
    for column in (*model.lead.key, model.lead.supervised, EVIDENCE):
        if column not in row:
            raise UnfitRow(Wording("row_no_column", column=column), field=f"condition ({model.model_id})")
    named = ((name, value) for name, value in row.items() if value is not None and name not in (EVIDENCE, LISTED))
    texts = ((name, _spelled(model, name, value)) for name, value in named)
    values = {name: text for name, text in texts if 0 < len(text) <= MAX_VALUE}
    supervised = values.get(model.lead.supervised)
    key = {name: values[name] for name in model.lead.key if name in values}
    if supervised is None or not key:
        wrong = model.lead.supervised if supervised is None else ", ".join(model.lead.key)
        raise UnfitRow(Wording("row_empty", column=wrong), field=f"lead ({model.model_id})")
    return ModelFinding(
        model_id=model.model_id,
        key=key,
        values=values,
        case_id=values.get("case_id"),
        supervised=supervised,
        # A finding rests on the registration of a list even if it rests on none of its rows.
        evidence=_sorted((*(row[EVIDENCE] or ()), *registrations)),
        listed=_listed_rows(row.get(LISTED), asked),
    )


def _spelled(model: Model, column: str, value: Any) -> str:
    try:
        return text_of(value)
    except MalformedInput as error:
        message = Wording("row_unspelled", column=column, why=error.text)
        raise UnfitRow(message, field=f"condition ({model.model_id})") from error


def _listed_rows(rows: Any, asked: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the digests of rows, as the column ``listed`` has them, by the data sets that were asked."""
    digests: dict[str, set[str]] = {dataset_id: set() for dataset_id in sorted(asked)}
    for text in rows or ():
        dataset_id, _, digest = str(text).partition(" ")
        if dataset_id not in digests:
            raise UnfitRow(Wording("row_of_no_list", column=LISTED), field=LISTED)
        digests[dataset_id].add(digest)
    return {dataset_id: tuple(sorted(of_list)) for dataset_id, of_list in digests.items()}


def _sorted(digests: Any) -> tuple[str, ...]:
    return tuple(sorted({digest for digest in digests or () if digest is not None}))


def _merge_by_key(findings: Iterable[ModelFinding], worded: Collection[str]) -> list[ModelFinding]:
    """Unite rows of one key into one finding: the values of the first by their bytes, the evidence of all.

    ``worded`` are the columns of the lead's words.
    """
    by_key: dict[bytes, ModelFinding] = {}
    order = lambda finding: (canonical.encode(finding.key), canonical.encode(finding.values))  # noqa: E731
    # The order of rows is the engine's own; sorting by bytes makes the values of a finding repeatable.
    for finding in sorted(findings, key=order):
        key = canonical.encode(finding.key)
        if (first := by_key.get(key)) is None:
            by_key[key] = finding
        else:
            differing = (name for name in worded if first.values.get(name) != finding.values.get(name))
            by_key[key] = replace(
                first,
                differing=tuple(sorted({*first.differing, *differing})),
                evidence=_sorted((*first.evidence, *finding.evidence)),
                listed={name: _sorted((*first.listed[name], *rows)) for name, rows in finding.listed.items()},
            )
    return [by_key[key] for key in sorted(by_key)]


def count_differing(findings: Iterable[ModelFinding]) -> dict[str, int]:
    """Return how many findings unite rows that differ in a column of their words, by these columns."""
    return dict(sorted(Counter(name for finding in findings for name in finding.differing).items()))


def say_differing(differing: Mapping[str, int]) -> Iterator[Message]:
    """Yield a sentence for each column of ``count_differing``, for whoever decides whether that is meant."""
    for column, count in differing.items():
        yield Message(
            "Findings that unite rows which differ in {column}: {count}. Their words are those of one row (the first "
            "in the order of bytes), their evidence is that of all. Put {column} into the key, or count in the query.",
            column=column,
            count=count,
        )


def supervising_agency_for(agencies: Mapping[str, Agency], supervised: str) -> str | None:
    """Return the nearest agency that supervises the agency, if any; one that supervises has the one above it."""
    agency = agencies.get(supervised)
    if agency is None:
        return None
    supervisors = [candidate for candidate in agencies.values() if supervises(candidate, agency)]
    others = [candidate for candidate in supervisors if candidate.agency_id != supervised] or supervisors
    # The deepest jurisdiction is the nearest; the id decides between two of one depth.
    nearest = min(
        others, key=lambda candidate: (-candidate.profile.jurisdiction.count("/"), candidate.agency_id), default=None
    )
    return None if nearest is None else nearest.agency_id


def cited_rows(listed: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the digests of rows that a lead cites of each list that its finding rests on: so many all in all."""
    most = MAX_CITED // max(len(listed), 1)
    return {dataset_id: tuple(rows[:most]) for dataset_id, rows in listed.items()}


def lead_of(
    finding: ModelFinding,
    model: Model,
    parameters: Mapping[str, object],
    *,
    supervising: str,
    size: int,
    as_of: datetime,
    events: tuple[EventRef, ...],
    zone: Zone,
    cases: tuple[str, ...] = (),
    datasets: tuple[CitedDataset, ...] = (),
    procedures: tuple[str, ...] = (),
) -> LeadRaised:
    """Build the event that the service signs for a finding.

    ``procedures`` are the digests of those in force. ``events`` are the first of the finding's evidence, in the order
    of the log, ``cases`` those of them that whoever runs the model sees. ``zone`` is that of the ledger.
    """
    values = model.parameters_of(parameters)
    return LeadRaised(
        lead_id=finding.lead_id,
        model_id=model.model_id,
        model_version=model.version,
        model_digest=model.digest,
        parameters={name: text_of(value) for name, value in values.items()},
        tree_size=size,
        as_of=spelled(as_of),
        key=dict(finding.key),
        finding=finding.digest,
        case_id=finding.case_id,
        supervised=finding.supervised,
        supervising=supervising,
        severity=model.severity,
        says=fill_text(model.lead.says, finding.values, values, zone),
        checks=model.checks,
        events=events,
        cases=cases,
        cited_count=len(finding.evidence),
        datasets=datasets,
        procedures=procedures,
        values=dict(finding.values),
    )

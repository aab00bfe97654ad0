"""Views of the library: models as readers look for them, and who adopted them to what effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from api.auth.reading import Reading
from api.schemas.answers import view_of
from api.services import supervision_views as views
from api.services.service import Service
from ledger.core.events.registry import Name
from ledger.core.events.supervision import BilingualText, Figures, ModelPublished, Origin
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import is_within
from ledger.core.signing.authority import Agency
from ledger.core.supervision import ModelState
from ledger.core.supervision.state import Adoption
from ledger.i18n import zone_in_use
from ledger.store import supervision
from ledger.store.database import Connection
from ledger.supervision.library.cards import Card, card_of, fit, texts_of

Counted = tuple[str, str, str | None, int]  # supervising agency that has them, status, outcome, how many leads


class LibraryLine(views.ModelHead, frozen=True):
    """A model in the library, by its newest version; ``leads`` counts those of all versions and agencies.

    ``leads`` is null for readers of other agencies than those that supervise. ``problem``, ``explanation`` and
    ``requested_by`` are null if this release cannot read the model. ``found_in`` names the
    texts in which the search matched; ``origin`` is the ledger that had the model first.
    """

    explanation: BilingualText | None
    problem: BilingualText | None
    requested_by: str | None
    has_case_study: bool
    figures: Figures | None
    origin: Origin | None
    leads: views.LeadsOfModel | None
    found_in: tuple[str, ...] = ()


class LibraryEntry(Struct, frozen=True):
    """A version in the library. ``card`` is the content of its file, null if this release cannot read it."""

    line: LibraryLine
    case_study: BilingualText | None
    card: Card | None
    definition: str
    versions: tuple[views.VersionLine, ...]


class OwnParameter(Struct, frozen=True):
    """A parameter that an agency has set, and its default in the version that it runs (null if unknown)."""

    name: str
    value: str
    default: str | None


class AdopterView(Struct, frozen=True):
    """An agency that runs a version, as its publisher or by adopting it with its own parameters.

    ``leads`` are those that agencies in its jurisdiction have. If agencies above and below it both run the model,
    a lead counts for both. Null for readers of other agencies than those that supervise.
    """

    agency: str
    name: Name
    publisher: bool
    version: int
    parameters: tuple[OwnParameter, ...]
    adopted_at: str
    note: str | None
    leads: views.LeadsOfModel | None


class AdoptersView(Struct, frozen=True):
    """The agencies that run a model, the publisher first."""

    model_id: str
    adopters: tuple[AdopterView, ...]


def library_line(
    state: ModelState, counted: Iterable[Counted] | None, body: ModelPublished | None = None
) -> LibraryLine:
    """Return the model as its newest version, or ``body``, describes it."""
    body = body or state.newest.body
    card = card_of(body.definition)
    return view_of(
        LibraryLine,
        body,
        publisher=state.publisher,
        published_at=views.version_of(state, body.version).published_at,
        retired=state.retired is not None,
        adoptions=len(state.adoptions),
        explanation=card.explanation if card else None,
        problem=card.need.problem if card else None,
        requested_by=card.need.requested_by if card else None,
        has_case_study=body.case_study is not None,
        leads=None if counted is None else views.leads_of(rest for _, *rest in counted),
        found_in=(),
    )


def library_entry(state: ModelState, body: ModelPublished, counted: Iterable[Counted] | None) -> LibraryEntry:
    """Return the entry of one version of the model."""
    line, card = library_line(state, counted, body), card_of(body.definition)
    return LibraryEntry(line, body.case_study, card, body.definition, views.version_lines(state))


def searched_texts(body: ModelPublished) -> Mapping[str, str]:
    """Return the searched texts by name; a word that occurs in several counts for the first."""
    card = card_of(body.definition)
    study = body.case_study
    return {
        "title": f"{body.title.zh}\n{body.title.en}\n{body.model_id}",
        "definition": "\n".join(texts_of(card)) if card else body.definition,
        "case_study": f"{study.zh}\n{study.en}" if study else "",
    }


def adopters(
    state: ModelState, agencies: Mapping[str, Agency], counted: Iterable[Counted], *, with_leads: bool
) -> tuple[AdopterView, ...]:
    """Return the agencies that run the model, its publisher first."""
    rows, newest = list(counted), state.newest
    own = Adoption(newest.body.version, {}, newest.published_at, newest.officer)
    running = {state.publisher: own} | state.adoptions

    def view(agency: Agency) -> AdopterView:
        adoption = running[agency.agency_id]
        card = card_of(views.version_of(state, adoption.version).body.definition)
        defaults = {parameter.name: parameter.default for parameter in card.parameters} if card else {}
        leads = views.leads_of(rest for having, *rest in rows if is_within(agencies[having], agency))
        return view_of(
            AdopterView,
            adoption,
            agency=agency.agency_id,
            name=agency.profile.name,
            publisher=agency.agency_id == state.publisher,
            parameters=tuple(
                OwnParameter(name, value, defaults.get(name)) for name, value in sorted(adoption.parameters.items())
            ),
            leads=leads if with_leads else None,
        )

    return tuple(view(agencies[name]) for name in sorted(running, key=lambda name: (name != state.publisher, name)))


class OutturnLine(Struct, frozen=True):
    """The number of leads raised in a quarter (``2026-Q1``, by days of the ledger) that have this status now."""

    quarter: str
    status: str
    outcome: str | None
    count: int


def by_quarter(counted: list[tuple[str, str, str | None, int]]) -> tuple[OutturnLine, ...]:
    """Return the lines of an outturn in the order of time, from rows of (hour, status, outcome, count)."""
    counts: Counter[tuple[str, str, str | None]] = Counter()
    for hour, status, outcome, count in counted:
        day = zone_in_use().day_of_text(f"{hour}:00:00+00:00")
        counts[f"{day.year}-Q{(day.month + 2) // 3}", status, outcome] += count
    lines = (OutturnLine(*key, count) for key, count in counts.items())
    return tuple(sorted(lines, key=lambda line: (line.quarter, line.status)))


def lines_of(
    connection: Connection, reading: Reading, rows: list[dict[str, Any]], words: str | None, limit: int
) -> list[LibraryLine]:
    """Return the first models as the library lists them, or the best matches of the words."""
    model_ids = [row["model_id"] for row in (rows if words else rows[:limit])]
    states = {model_id: views.require_model(connection, reading, model_id) for model_id in model_ids}
    places: dict[str, tuple[str, ...]] = dict.fromkeys(model_ids, ())
    if words:
        fits = {model_id: fit(words, searched_texts(state.newest.body)) for model_id, state in states.items()}
        fitting = sorted((-match.score, model_id, match) for model_id, match in fits.items() if match is not None)
        places = {model_id: match.places for _, model_id, match in fitting[:limit]}
    counted = counted_leads(connection, places) if reading.of_supervising_agency else dict.fromkeys(places)
    return [
        msgspec.structs.replace(library_line(states[model_id], counted[model_id]), found_in=matched)
        for model_id, matched in places.items()
    ]


def counted_leads(connection: Connection, model_ids: Iterable[str]) -> dict[str, list[Counted]]:
    """Return how many leads each of these models has, by supervising agency, status and outcome."""
    counts: dict[str, list[Counted]] = {model_id: [] for model_id in model_ids}
    for model_id, supervising, status, outcome, count in supervision.tally_of(connection, counts):
        counts[model_id].append((supervising, status, outcome, count))
    return counts


def model_package(service: Service, reading: Reading, model_id: str, version: int | None) -> tuple[bytes, str]:
    """Return the signed package of a version with those before it, and the name of its file; record the read."""
    with service.parts.database.read() as connection:
        state = views.require_model(connection, reading, model_id)
    published = views.version_of(state, version)
    content = service.prover.package(published.event_id)
    reading.record(Message("package of model {model_id}", model_id=model_id))
    return content, f"{model_id}-{published.body.version}.json"

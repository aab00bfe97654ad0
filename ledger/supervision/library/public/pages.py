"""The library as society sees it: what is looked for and why, what came of it; static pages and counts for programs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.core.events.registry import Name
from ledger.core.events.supervision import BilingualText, Figures
from ledger.core.procedure.rulebook import LeadOutcome, Rulebook, rows_of
from ledger.core.supervision.anonymity import SMALLEST_PUBLISHED, Total, publish
from ledger.i18n import LANGUAGES, Labels
from ledger.supervision.html_templates import templates_of
from ledger.supervision.library.cards import Card

# What became of leads, in the order in which it is shown. Outcomes of closed ones are counted by their traits: hardly a
# word of all the procedures has a count that is large enough to be published.
OUTTURNS: Final = ("under_examination", "confirmed", "dismissed", "recommendation", "acted_upon", "nothing")
_OF_STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("raised", "assigned", "answered"), "under_examination"),
    **{decided: decided for decided in ("confirmed", "dismissed")},
}
_BANDS: Final = (100, 95, 90, 80)  # per cent at least, of which a share is told
FORMAT = "tallystick/public-library@v1"
DATA = "library.json"
_WIDEST = 100  # of a bar


class LibraryModel(Struct, frozen=True):
    """A model as it stands in the library. ``leads`` counts them by state, of closed ones by what came of them."""

    model_id: str
    version: int
    title: BilingualText
    business_line: str | None
    publisher: Name
    published_on: str
    card: Card
    case_study: BilingualText | None
    figures: Figures | None
    leads: Mapping[str, int]


class PublicFigures(Struct, frozen=True):
    """What a measurement came to, in shares that lead to no count: at least so many per cent, None where fewer."""

    measured_on: str
    cases: int | None
    recall: int | None
    precision: int | None


class PublicModel(Struct, frozen=True):
    """A model with what is told of its leads, in the order of ``OUTTURNS`` (None: fewer than 5), and of all of them."""

    subject: LibraryModel
    outturns: tuple[int | None, ...]
    total: Total
    measured: PublicFigures | None


class PublicLibrary(Struct, frozen=True):
    """What is shown. Counted from the first ``tree_size`` entries of the log, whose root (hex) everybody can check."""

    log_id: str
    tree_size: int
    root: str
    models: tuple[PublicModel, ...]
    outturns: tuple[Total, ...]
    total: Total


def make_public_library(
    subjects: Iterable[LibraryModel], *, procedures: Collection[Rulebook], log_id: str, tree_size: int, root: str
) -> PublicLibrary:
    """Return the models by business line and id, with every count and total suppressed as far as it must be.

    ``procedures`` are those in force: theirs is the order of lines, and they say what comes of an outcome.
    """
    outcomes = rows_of(procedures, "outcomes")
    lines = dict.fromkeys((None, *(word for book in procedures for word in book.vocabularies["business_line"])))
    place = {line: number for number, line in enumerate(lines)}  # lines of procedures of before come last
    models = sorted(
        subjects,
        key=lambda subject: (
            place.get(subject.business_line, len(place)),
            subject.business_line or "",
            subject.model_id,
        ),
    )
    counts = {(subject.model_id, outturn): 0 for subject in models for outturn in OUTTURNS}
    for subject in models:
        for word, count in subject.leads.items():
            counts[subject.model_id, _OF_STATES.get(word) or _outturn_of(outcomes.get(word))] += count
    suppressed = publish(counts)
    return PublicLibrary(
        log_id=log_id,
        tree_size=tree_size,
        root=root,
        models=tuple(
            PublicModel(
                subject,
                tuple(suppressed.cells[subject.model_id, outturn] for outturn in OUTTURNS),
                suppressed.rows[subject.model_id],
                _measured(subject.figures),
            )
            for subject in models
        ),
        outturns=tuple(suppressed.columns[outturn] for outturn in OUTTURNS) if models else (),
        total=suppressed.total,
    )


def _outturn_of(outcome: LeadOutcome | None) -> str:
    """Return what is told of a closed lead; a word of a procedure of before is told as something done."""
    if outcome is not None and outcome.nothing:
        return "nothing"
    return "recommendation" if outcome is not None and outcome.needs_recommendation else "acted_upon"


def _measured(figures: Figures | None) -> PublicFigures | None:
    """Return what may be published of a measurement: nothing if it planted fewer anomalies than are published."""
    if figures is None or figures.planted < SMALLEST_PUBLISHED:
        return None
    return PublicFigures(
        measured_on=figures.measured_on,
        cases=figures.cases if figures.cases >= SMALLEST_PUBLISHED else None,
        recall=_band(figures.found, figures.planted),
        precision=_band(figures.found, figures.found + figures.false_leads),
    )


def _band(part: int, whole: int) -> int | None:
    return next((least for least in _BANDS if part * 100 >= least * whole), None)


def pages(face: PublicLibrary) -> dict[str, bytes]:
    """Render the public library: the content of each file by its path in the folder."""
    files = {"index.html": _render("choose.html", "zh-CN", face=face), DATA: _data(face)}
    lines: dict[str | None, list[PublicModel]] = {}
    for shown in face.models:
        lines.setdefault(shown.subject.business_line, []).append(shown)
    for language in LANGUAGES:
        files[f"{language}/index.html"] = _render("index.html", language, face=face, lines=lines)
        for shown in face.models:
            path = f"{language}/{shown.subject.model_id}.html"
            files[path] = _render("model.html", language, face=face, shown=shown)
    return files


def _render(template: str, language: str, **variables: Any) -> bytes:
    labels = Labels(language)

    def share(least: int | None) -> str:
        if least is None:
            return labels.of("public", "less_than_80")
        return labels.of("public", "all" if least == 100 else "at_least").format(least)

    def width(total: Total, face: PublicLibrary) -> int:
        return total.at_least * _WIDEST // max(1, *(shown.total.at_least for shown in face.models))

    context = {
        "language": language,
        "other_language": next(candidate for candidate in LANGUAGES if candidate != language),
        "outturns": OUTTURNS,
        "say": lambda word: labels.of("public", word),
        "label": labels.of,
        "text": labels.in_language,
        "share": share,
        "width": width,
    }
    return (templates_of(__package__).get_template(template).render(**context, **variables).strip() + "\n").encode()


def _data(face: PublicLibrary) -> bytes:
    fields = ("model_id", "version", "title", "business_line", "publisher", "published_on", "case_study")
    data = {
        "format": FORMAT,
        "log_id": face.log_id,
        "tree_size": face.tree_size,
        "root": face.root,
        "models": [
            {name: getattr(shown.subject, name) for name in fields} | {"leads": _counts(shown.outturns, shown.total)}
            for shown in face.models
        ],
        "leads": _counts(face.outturns, face.total),
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


def _counts(outturns: Sequence[int | Total | None], total: Total) -> dict[str, Any]:
    """Map each outturn to its count (null for fewer than 5) or total."""
    return dict(zip(OUTTURNS, outturns, strict=bool(outturns))) | {"total": total}

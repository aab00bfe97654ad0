"""Face: what is shown of a library, every count fit to be published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.core.events.registry import Name
from ledger.core.events.supervision import BilingualText, Figures
from ledger.core.events.terms import BusinessLine, choices
from ledger.core.supervision.anonymity import SMALLEST_PUBLISHED, Total, publish
from ledger.i18n import LANGUAGES, Labels
from ledger.supervision.html_templates import templates_of
from ledger.supervision.library.cards import Card

# What became of leads, in the order in which it is shown: states that are open or decided, and outcomes of closed ones.
OUTTURNS: Final[Mapping[str, tuple[str, ...]]] = {
    "under_examination": ("raised", "assigned", "answered"),
    "confirmed": ("confirmed",),
    "dismissed": ("dismissed",),
    "rectification_notice": ("rectification_notice",),
    "recommendation": ("recommendation",),
    "case_filed": ("case_filed",),
    "none": ("none",),
}
_BANDS: Final = (100, 95, 90, 80)  # per cent at least, of which a share is told


class Subject(Struct, frozen=True):
    """A model as it stands in the library. ``leads`` counts them by state, of closed ones by what came of them."""

    model_id: str
    version: int
    title: BilingualText
    business_line: str
    publisher: Name
    published_on: str
    card: Card
    case_study: BilingualText | None
    figures: Figures | None
    leads: Mapping[str, int]


class Measured(Struct, frozen=True):
    """What a measurement came to, in shares that lead to no count: at least so many per cent, None where fewer."""

    measured_on: str
    cases: int | None
    recall: int | None
    precision: int | None


class Shown(Struct, frozen=True):
    """A model with what is told of its leads, in the order of ``OUTTURNS`` (None: fewer than 5), and of all of them."""

    subject: Subject
    outturns: tuple[int | None, ...]
    total: Total
    measured: Measured | None


class Face(Struct, frozen=True):
    """What is shown. Counted from the first ``tree_size`` entries of the log, whose root (hex) everybody can check."""

    log_id: str
    tree_size: int
    root: str
    models: tuple[Shown, ...]
    outturns: tuple[Total, ...]
    total: Total


def make_face(subjects: Iterable[Subject], *, log_id: str, tree_size: int, root: str) -> Face:
    """The models by business line and id, every count and total fit to be told."""
    lines = choices(BusinessLine)
    models = sorted(subjects, key=lambda one: (lines.index(one.business_line), one.model_id))
    counts = {
        (one.model_id, outturn): sum(one.leads.get(word, 0) for word in words)
        for one in models
        for outturn, words in OUTTURNS.items()
    }
    told = publish(counts)
    return Face(
        log_id=log_id,
        tree_size=tree_size,
        root=root,
        models=tuple(
            Shown(
                one,
                tuple(told.cells[one.model_id, outturn] for outturn in OUTTURNS),
                told.rows[one.model_id],
                _measured(one.figures),
            )
            for one in models
        ),
        outturns=tuple(told.columns[outturn] for outturn in OUTTURNS) if models else (),
        total=told.total,
    )


def _measured(figures: Figures | None) -> Measured | None:
    """Nothing of a measurement on fewer anomalies than would be told."""
    if figures is None or figures.planted < SMALLEST_PUBLISHED:
        return None
    return Measured(
        measured_on=figures.measured_on,
        cases=figures.cases if figures.cases >= SMALLEST_PUBLISHED else None,
        recall=_band(figures.found, figures.planted),
        precision=_band(figures.found, figures.found + figures.false_leads),
    )


def _band(part: int, whole: int) -> int | None:
    return next((least for least in _BANDS if part * 100 >= least * whole), None)


FORMAT = "tallystick/public-library@v1"
DATA = "library.json"
_WIDEST = 100  # of a bar


def pages(face: Face) -> dict[str, bytes]:
    """Each file by its path in the folder."""
    made = {"index.html": _render("choose.html", "zh-CN", face=face), DATA: _data(face)}
    for language in LANGUAGES:
        made[f"{language}/index.html"] = _render("index.html", language, face=face, lines=_lines(face))
        for shown in face.models:
            path = f"{language}/{shown.subject.model_id}.html"
            made[path] = _render("model.html", language, face=face, shown=shown)
    return made


def _lines(face: Face) -> dict[str, list[Shown]]:
    """The models by their business line."""
    found: dict[str, list[Shown]] = {}
    for shown in face.models:
        found.setdefault(shown.subject.business_line, []).append(shown)
    return found


def _render(template: str, language: str, **given: Any) -> bytes:
    labels = Labels(language)
    told = {
        "language": language,
        "other": next(one for one in LANGUAGES if one != language),
        "outturns": tuple(OUTTURNS),
        "say": lambda word: labels.of("public", word),
        "label": labels.of,
        "text": labels.told,
        "share": lambda least: _share(labels, least),
        "width": _width,
    }
    return (templates_of(__package__).get_template(template).render(**told, **given).strip() + "\n").encode()


def _share(labels: Labels, least: int | None) -> str:
    if least is None:
        return labels.of("public", "less_than_80")
    return labels.of("public", "all" if least == 100 else "at_least").format(least)


def _width(total: Total, face: Face) -> int:
    """How long the bar of a total is."""
    return total.at_least * _WIDEST // max(1, *(shown.total.at_least for shown in face.models))


def _data(face: Face) -> bytes:
    made = {
        "format": FORMAT,
        "log_id": face.log_id,
        "tree_size": face.tree_size,
        "root": face.root,
        "models": [_model(shown) for shown in face.models],
        "leads": _counts(face.outturns, face.total),
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _model(shown: Shown) -> dict[str, Any]:
    subject = shown.subject
    told = ("model_id", "version", "title", "business_line", "publisher", "published_on", "case_study")
    return {name: getattr(subject, name) for name in told} | {"leads": _counts(shown.outturns, shown.total)}


def _counts(outturns: Sequence[int | Total | None], total: Total) -> dict[str, Any]:
    """By outturn: a count, null where it is fewer than 5, or a total."""
    return dict(zip(OUTTURNS, outturns, strict=bool(outturns))) | {"total": total}

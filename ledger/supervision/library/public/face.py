"""Face: what is shown of a library, every count fit to be published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from ledger.core.events.registry import Name
from ledger.core.events.supervision import BilingualText, Figures
from ledger.core.events.terms import BusinessLine, choices
from ledger.core.supervision.suppression import SMALLEST_PUBLISHED, Total, publish
from ledger.supervision.library.card import Card

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

"""What the shipped models find of what is broken in a history: recall, precision, and a reason for each lead."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pyarrow

from ledger.core.encoding.digests import blake3_text
from ledger.supervision.models.model_file import parse_model, shipped_models
from ledger.supervision.runs.datasets import DatasetFiles, Datasets, Registered
from ledger.supervision.runs.findings import ModelFinding, find
from ledger.supervision.runs.query_session import QuerySession
from ledger.supervision.views import Views
from scripts.histories.agencies import cities
from scripts.histories.history import ENDS, History, HistorySource, pension_list, registered
from scripts.histories.reference import Unusual, broken
from scripts.histories.simulation import BOOK, CALENDAR, Planted

# The parts of rules that each shipped model is to find.
ASKED: Mapping[str, tuple[str, ...]] = {
    "detention-extended-late": ("1/after_expiry",),
    "detention-without-ground": ("1/no_ground",),
    "measure-not-lifted": ("2/bail", "2/surveillance"),
    "detained-not-transferred": ("3/not_transferred",),
    "ended-without-decision": ("4/no_decision", "4/no_document"),
    "item-not-handed-over": ("5/not_listed",),
    "property-after-indictment": ("6/indicted",),
    "property-after-non-prosecution": ("6/not_prosecuted",),
    "judgment-silent": ("7/silent",),
    "late-resubmission": ("8/late_resubmission",),
    "return-at-the-end": ("8/last_days",),
    "third-return": ("8/third_return",),
    "execution-papers-late": ("9/papers_late", "9/papers_missing"),
    "no-intake-receipt": ("9/no_intake",),
    "clock-at-former-holder": ("10/old_holder",),
    "custody-change-not-served": ("10/not_served",),
    "kept-for-former-agency": ("10/kept_for",),
    "examination-differs": ("11/examination", "11/checked_in_short"),
    "list-differs": ("11/list",),
    "loan-overdue": ("11/loan_overdue", "11/checked_in_late"),
    "loan-short": ("11/loan_short",),
    "receipt-differs": ("11/receipt",),  # what an acceptance itself states to differ opens its discrepancy with it
    "anchored-after-deadline": ("12/anchored_late",),
    "backdated": ("12/backdated",),
    "custody-gap": ("12/gap",),
    "overlapping-holders": ("12/overlap",),
    "same-officer": ("12/same_officer",),
    "offer-unanswered": ("13/unanswered",),
    "unusual-share": ("14/discrepancies", "14/corrections", "14/share"),
    "same-digest": ("15/digest",),
    "same-seal": ("15/seal",),
    "freeze-lapsed": ("16/lapsed", "16/renewed_late"),
    "pension-in-execution": ("17/pension",),
}


class Lead(NamedTuple):
    """A finding, and why it was found that was not planted: None where nothing is broken, as far as one can see."""

    finding: ModelFinding
    reason: str | None


class Measured(NamedTuple):
    """Of one model: what was planted for it, what of that it missed, and its findings beyond that."""

    model_id: str
    planted: tuple[Planted, ...]
    missed: tuple[Planted, ...]
    expected: int
    further: tuple[Lead, ...]
    seconds: float

    @property
    def false(self) -> tuple[Lead, ...]:
        """Findings of what is not broken."""
        return tuple(lead for lead in self.further if lead.reason is None)

    @property
    def recall(self) -> float:
        """Share of the planted that was found."""
        return 1 - len(self.missed) / len(self.planted) if self.planted else 1.0

    @property
    def precision(self) -> float:
        """Share of the findings in which something is broken."""
        total = self.expected + len(self.further)
        return 1 - len(self.false) / total if total else 1.0


def measure(history: History, limits: Unusual) -> list[Measured]:
    """All shipped models over the views of the history, each held against the key and the reference."""
    found = broken(history, limits)
    with TemporaryDirectory(prefix="tallystick-history-") as folder:
        datasets = _outside(history, Path(folder))
        views = Views(
            None, HistorySource(history), BOOK, CALENDAR, mark="history", datasets=lambda _size, _near: datasets
        )
        try:
            views.refresh()
            with views.session(outside=True) as session:
                return [
                    _held_against(model_id, _findings(model_id, session, limits), history.planted, found)
                    for model_id in shipped_models()
                ]
        finally:
            views.close()


def _outside(history: History, folder: Path) -> Mapping[str, pyarrow.Table]:
    """The list of pensions as a registered data set, kept as the service would keep it."""
    table = pension_list(history)
    registration = Registered(cities()[0].procuratorate, blake3_text(b"registration of pensions"), registered(table))
    files = DatasetFiles(folder)
    files.keep(registration.body, table)
    return Datasets(files).tables([registration])


def _findings(model_id: str, session: QuerySession, limits: Unusual) -> tuple[list[ModelFinding], float]:
    """What the model finds at the end of the history, and how many seconds that took."""
    model = parse_model(shipped_models()[model_id])
    given = {"handovers": limits.handovers} if model_id == "unusual-share" else {}
    began = time.perf_counter()
    return find(model, given, session, ENDS), time.perf_counter() - began


def _held_against(
    model_id: str, timed: tuple[list[ModelFinding], float], key: Iterable[Planted], found: Iterable[Planted]
) -> Measured:
    findings, seconds = timed
    planted = tuple(one for one in key if _part(one) in ASKED[model_id])
    breaches = [one for one in found if _part(one) in ASKED[model_id]]
    of_planted = {one: [breach for breach in breaches if _is_same(one, breach)] for one in planted}
    missed = tuple(
        one for one, same in of_planted.items() if not any(_speaks_of(f, b) for f in findings for b in (one, *same))
    )
    expected = [b for b in breaches if any(b in same for same in of_planted.values())]
    further = [f for f in findings if not any(_speaks_of(f, b) for b in (*planted, *expected))]
    leads = tuple(Lead(finding, _reason(finding, breaches, key)) for finding in further)
    return Measured(model_id, planted, missed, len(findings) - len(further), leads, seconds)


def _part(one: Planted) -> str:
    return f"{one.rule}/{one.part}"


def _is_same(planted: Planted, breach: Planted) -> bool:
    """Whether the reference found what was planted."""
    if planted.rule == 14:
        return planted.subjects[0] in breach.subjects
    same_part = (planted.part, planted.case_id) == (breach.part, breach.case_id)
    return same_part and bool({*planted.subjects} & {*breach.subjects})


def _speaks_of(finding: ModelFinding, breach: Planted) -> bool:
    """Of its case and of one of its subjects; of an agency's share, of that agency and that quarter."""
    said = {*finding.values.values()}
    if breach.rule == 14:
        return said.issuperset(breach.subjects)
    return breach.case_id in said and bool(said & {*breach.subjects})


def _reason(finding: ModelFinding, breaches: Iterable[Planted], key: Iterable[Planted]) -> str | None:
    """Why something is broken that was not planted for this model: by what else was planted in the case."""
    if not any(_speaks_of(finding, breach) for breach in breaches):
        return None
    others = sorted({_part(one) for one in key if one.case_id and one.case_id == finding.case_id})
    return f"follows from {', '.join(others)}" if others else "by chance"

"""What the shipped models find of what is broken in a history: recall, precision, and a reason for each lead."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ledger.core.encoding.digests import blake3_text
from ledger.store.opening import open_database
from ledger.supervision.models.model_file import parse_model, shipped_models
from ledger.supervision.runs.dataset_rows import Registered
from ledger.supervision.runs.datasets import DatasetFiles, Datasets
from ledger.supervision.runs.findings import ModelFinding, find
from ledger.supervision.views.snapshot import Views
from scripts.histories.history import GeneratedHistory, HistorySource, cities, pension_list, registered
from scripts.histories.reference import UnusualLimits, broken
from scripts.histories.simulation import ENDS, Breach

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
    "third-return": ("8/returned_too_often",),
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


class FurtherFinding(NamedTuple):
    """A finding, and why it was found that was not planted: None where nothing is broken, as far as one can see."""

    finding: ModelFinding
    reason: str | None


class ModelResult(NamedTuple):
    """Of one model: what was planted for it, what of that it missed, and its findings beyond that."""

    model_id: str
    planted: tuple[Breach, ...]
    missed: tuple[Breach, ...]
    expected: int
    further: tuple[FurtherFinding, ...]
    seconds: float

    @property
    def false(self) -> tuple[FurtherFinding, ...]:
        """Return the findings of what is not broken."""
        return tuple(lead for lead in self.further if lead.reason is None)

    @property
    def recall(self) -> float:
        """Return the share of the planted breaches that was found."""
        return 1 - len(self.missed) / len(self.planted) if self.planted else 1.0

    @property
    def precision(self) -> float:
        """Return the share of the findings in which something is broken."""
        total = self.expected + len(self.further)
        return 1 - len(self.false) / total if total else 1.0


def measure(history: GeneratedHistory, limits: UnusualLimits) -> list[ModelResult]:
    """Run all shipped models over the views of the history, and compare each with the key and the reference."""
    breaches = broken(history, limits)
    with TemporaryDirectory(prefix="tallystick-history-") as folder:
        # The list of pensions as a registered data set, kept as the service would keep it.
        table = pension_list(history)
        registration = Registered(
            cities()[0]["procuratorate"], blake3_text(b"registration of pensions"), registered(table)
        )
        with closing(open_database(f"sqlite:///{folder}/ledger.db")) as database:
            files = DatasetFiles(database)
            files.keep(registration.body, table)
            datasets = Datasets(files).tables([registration])
        views = Views(None, HistorySource(history), datasets=lambda *_: datasets)
        try:
            views.refresh()
            with views.session(with_datasets=True) as session:
                results = []
                for model_id in ASKED:
                    text = shipped_models()[model_id]
                    parameters = {"handovers": limits.handovers} if model_id == "unusual-share" else {}
                    model = parse_model(text)
                    began = time.perf_counter()
                    findings = find(model, parameters, session, ENDS)
                    seconds = time.perf_counter() - began
                    results.append(_compare(model_id, findings, history.planted, breaches, seconds))
                return results
        finally:
            views.close()


def _compare(
    model_id: str, findings: list[ModelFinding], key: Iterable[Breach], broken_ones: Iterable[Breach], seconds: float
) -> ModelResult:
    planted = tuple(breach for breach in key if _part(breach) in ASKED[model_id])
    breaches = [breach for breach in broken_ones if _part(breach) in ASKED[model_id]]
    same_as = {plant: [breach for breach in breaches if _is_same(plant, breach)] for plant in planted}
    missed = tuple(
        plant for plant, same in same_as.items() if not any(_speaks_of(f, b) for f in findings for b in (plant, *same))
    )
    expected = [breach for breach in breaches if any(breach in same for same in same_as.values())]
    further = [f for f in findings if not any(_speaks_of(f, b) for b in (*planted, *expected))]
    leads = []
    for finding in further:
        reason = None
        if any(_speaks_of(finding, breach) for breach in breaches):
            # Broken, and not planted for this model: by what else was planted in the case.
            others = sorted({_part(plant) for plant in key if plant.case_id and plant.case_id == finding.case_id})
            reason = f"follows from {', '.join(others)}" if others else "by chance"
        leads.append(FurtherFinding(finding, reason))
    return ModelResult(model_id, planted, missed, len(findings) - len(further), tuple(leads), seconds)


def _part(breach: Breach) -> str:
    return f"{breach.rule}/{breach.part}"


def _is_same(planted: Breach, breach: Breach) -> bool:
    """Return whether the reference found what was planted."""
    if planted.rule == 14:
        return planted.subjects[0] in breach.subjects
    same_part = (planted.part, planted.case_id) == (breach.part, breach.case_id)
    return same_part and bool({*planted.subjects} & {*breach.subjects})


def _speaks_of(finding: ModelFinding, breach: Breach) -> bool:
    """Return whether a finding is about a breach: its case and a subject, or an agency's share and its quarter."""
    values = {*finding.values.values()}
    if breach.rule == 14:
        return values.issuperset(breach.subjects)
    return breach.case_id in values and bool(values & {*breach.subjects})

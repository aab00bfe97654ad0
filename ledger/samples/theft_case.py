"""The theft case of ``examples/theft-case``, with real files: what the demonstration plays.

Refused once for its binding, accepted in part, returned for supplementary investigation, judged and executed. One of
two detentions is extended after it had expired, which a model finds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from ledger.core.events import case as case_events
from ledger.core.events import handover, item
from ledger.core.events.terms import Money
from ledger.evidence.hashing import hash_file
from ledger.samples.case_acts import pieces
from ledger.samples.player import SampleCase
from ledger.samples.stories import Points, Story

CASE = "case-theft-118"
SUSPECTS = ("first suspect of the sample", "second suspect of the sample")
DOSSIERS = ("item-118-dossier-1", "item-118-dossier-2")
PRY_BARS = "item-118-exhibit-5"


def theft_case(folder: Path) -> Story:
    """Return the story of the case whose papers, photographs and seizure list lie in ``folder``, nine days old."""
    return Story(CASE, 9, partial(_acts, folder))


def _acts(folder: Path, case: SampleCase) -> Points:
    case.open(case_number="东公刑立字〔2026〕118号", case_type="theft").name(*SUSPECTS)
    for name, until in zip(SUSPECTS, (5, 2), strict=True):
        case.impose(name, "detention", until=case.date_of(until), ground="caught at the place")
    grounds = {"article": "CPL 91", "ground": "the buyer is not found yet", "qualifying_ground": "repeated"}
    # Two days after the second detention ended: the model finds it by the days, and so does the deadline's arithmetic.
    case.on(4).say(case_events.MeasureExtended, measure_id="detention-2", until=case.date_of(14), **grounds)
    yield "opened", case
    items = [*_register_dossiers(folder, case), *_register_seized(folder, case)]
    yield "registered", case
    case.on(5).offer(*items, to="procuratorate-east", persons=SUSPECTS)
    explanation = "案卷第二册装订散页 volume two has come loose"
    case.refuse(explanation=explanation, due_at=f"{case.date_of(8)}T09:00:00Z")
    yield "refused", case
    case.on(6).offer(*items, to="procuratorate-east", persons=SUSPECTS, follows="handover-1")
    nine = handover.NotAcceptedItem(
        item_id=PRY_BARS, reason_code="items_differ", quantity=pieces(9), explanation="nine of ten are here"
    )
    case.accept(not_accepted=(nine,))
    yield "accepted in part", case
    resolution = "the tenth bar lay in the property room; counted again by both: ten"
    case.resolve(f"handover-2/{PRY_BARS}", "police", "prosecutor", resolution=resolution)
    case.offer(PRY_BARS, to="procuratorate-east", purpose="property_transfer", by="police").accept()
    yield "resolved", case
    explanation = "the buyer of the bicycle was not heard"
    case.on(7).give_back(
        *DOSSIERS,
        returns="handover-2",
        persons=SUSPECTS,
        explanation=explanation,
        remedy="supplement",
        due_at=f"{case.date_of(37)}T09:00:00Z",
    )
    case.accept()
    yield "returned", case
    case.on(8).offer(*DOSSIERS, to="procuratorate-east", persons=SUSPECTS, follows="handover-4").accept()
    yield "supplemented", case
    case.decide("prosecuted", *SUSPECTS, number="东检刑诉〔2026〕62号")
    case.offer(*items, to="court-east", purpose="public_prosecution", persons=SUSPECTS).accept()
    case.decide("judgment", *SUSPECTS, number="（2026）东刑初117号")
    yield "judged", case
    case.offer(DOSSIERS[0], to="corrections-east", purpose="execution", persons=SUSPECTS).accept()
    yield "executed", case


def _register_dossiers(folder: Path, case: SampleCase) -> Iterable[str]:
    """Register two volumes of papers, each file by its BLAKE3 and SHA-256."""
    papers = sorted((folder / "dossier").glob("*.txt"))
    for item_id, files in zip(DOSSIERS, (papers[:2], papers[2:]), strict=True):
        case.register(
            item_id,
            kind="dossier",
            description="file of the investigation",
            dossier=item.Dossier(volumes=1, pages=len(files)),
            digests=_digests(*files),
        )
        yield item_id


def _register_seized(folder: Path, case: SampleCase) -> Iterable[str]:
    """Register what stands in the seizure list, with its photographs."""
    seizure = item.Seizure(
        document_number="东公扣字〔2026〕77号",
        seized_at=case.moment,
        officers=("p-0417", "p-0422"),
        no_witness="深夜，无适格见证人，已录像 at night nobody could witness it; recorded on video",
    )
    with (folder / "seizure-list.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        is_cash = row["description_en"] == "cash"
        item_id = f"item-118-exhibit-{row['exhibit_number']}"
        case.register(
            item_id,
            kind="property" if is_cash else "exhibit",
            description=f"{row['description_zh']} {row['description_en']}",
            quantity=pieces(row["quantity"], row["unit"]),
            exhibit_number=row["exhibit_number"],
            seal_number=row["seal_number"] or None,
            storage_location=row["storage_location"],
            digests=_digests(folder / row["photo"]) if row["photo"] else (),
            money=Money(amount=1_248_000, currency="CNY") if is_cash else None,
            seizure=seizure,
        )
        yield item_id


def _digests(*files: Path) -> tuple[str, ...]:
    return tuple(str(digest) for file in files for digest in hash_file(file).digests)

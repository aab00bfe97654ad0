"""Act two: a theft case goes from the police to the procuratorate, the court and corrections, as cases do."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.core.procedure.legal_days import spelled
from scripts.demonstration.stage import ROOT, Stage, StepFailed

FOLDER = ROOT / "examples" / "theft-case"
CASE = "case-theft-118"
SUSPECTS = {"first": "5f" * 16, "second": "a3" * 16}
DOSSIERS = ("item-118-dossier-1", "item-118-dossier-2")
PRY_BARS = "item-118-exhibit-5"


def tell(stage: Stage) -> None:
    """The whole case."""
    open_case(stage)
    items = register_items(stage)
    refuse_once(stage, items)
    accept_in_part(stage, items)
    return_and_resubmit(stage)
    judge_and_execute(stage, items)


def open_case(stage: Stage) -> None:
    """The police open the case, name two persons and detain them."""
    stage.act("The police open a case")
    stage.tally(
        "case", "open", "--case-id", CASE, "--number", "东公刑立字〔2026〕118号", "--type", "theft", profile="police"
    )
    for name, person_id in SUSPECTS.items():
        stage.tally(
            *("person", "name", CASE, "--role", "suspect", "--person-id", person_id),
            *("--name", "@-"),
            profile="police",
            text=f"{name} suspect of the sample",
        )
        stage.tally(
            *("measure", "impose", CASE, person_id, "detention", "--measure-id", f"detention-{name}"),
            *("--started-at", moment(days=-9), "--until", moment(days=-2)[:10], "--ground", "caught at the place"),
            profile="police",
        )
    stage.tally(
        *("measure", "extend", CASE, "detention-second", "--until", moment(days=5)[:10], "--article", "CPL 91"),
        *("--ground", "the buyer is not found yet", "--qualifying-ground", "repeated"),
        profile="police",
    )
    stage.held("case opened, two persons named in confidential sections, both detained, one of them too long", CASE)


def register_items(stage: Stage) -> list[str]:
    """Two volumes of papers and four things, each file by its BLAKE3 and SHA-256."""
    papers = sorted((FOLDER / "dossier").glob("*.txt"))
    for item_id, files in zip(DOSSIERS, (papers[:2], papers[2:]), strict=True):
        stage.tally(
            *("item", "register", CASE, "file of the investigation", "--kind", "dossier", "--item-id", item_id),
            *("--quantity", "1 volume", "--volumes", "1", "--pages", str(len(files))),
            *(option for file in files for option in ("--file", str(file))),
            profile="police",
        )
    seized = [register_seized(stage, row) for row in seizure_list()]
    stage.held("items registered from real files", f"{len(papers)} papers, {len(seized)} seized things, 3 photographs")
    return [*DOSSIERS, *seized]


def seizure_list() -> list[dict[str, str]]:
    """The rows of the table."""
    with (FOLDER / "seizure-list.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def register_seized(stage: Stage, row: dict[str, str]) -> str:
    """One row of the seizure list becomes an item."""
    item_id = f"item-118-exhibit-{row['exhibit_number']}"
    given = {
        "--exhibit-number": row["exhibit_number"],
        "--seal-number": row["seal_number"],
        "--storage-location": row["storage_location"],
        "--file": str(FOLDER / row["photo"]) if row["photo"] else "",
        "--money": "12480.00" if row["description_en"] == "cash" else "",
    }
    stage.tally(
        *("item", "register", CASE, f"{row['description_zh']} {row['description_en']}", "--item-id", item_id),
        *("--kind", "property" if row["description_en"] == "cash" else "exhibit"),
        *("--quantity", f"{row['quantity']} {row['unit']}"),
        *("--seizure-document", "东公扣字〔2026〕77号", "--seized-at", moment()),
        *("--seized-by", "p-0417", "--seized-by", "p-0422"),
        *(word for option, value in given.items() if value for word in (option, value)),
        profile="police",
    )
    return item_id


def refuse_once(stage: Stage, items: list[str]) -> None:
    """The procuratorate refuses the file for its binding, with a remedy and a day."""
    stage.act("Police to procuratorate")
    offer(stage, ("police", "procuratorate-east"), "prosecution_review", "handover-1", items)
    stage.tally(
        *("handover", "refuse", CASE, "handover-1", "--reason", "binding_defective", "--remedy", "rebind"),
        *("--explanation", "卷宗第二册装订散页 volume two has come loose", "--due-at", moment(days=3)),
        profile="prosecutor",
    )
    require_holder(stage, DOSSIERS[0], "psb-east", "police")
    stage.held("refused: binding_defective, remedy rebind; the police still hold everything")


def accept_in_part(stage: Stage, items: list[str]) -> None:
    """It comes back; one item is not accepted, because nine are there where ten are listed."""
    offer(stage, ("police", "procuratorate-east"), "prosecution_review", "handover-2", items, "--follows", "handover-1")
    stage.tally(
        *("handover", "accept", CASE, "handover-2", "--received-at", moment(), "--all-as-listed"),
        *("--found", f"{PRY_BARS}:quantity=9", "--except", f"{PRY_BARS}=items_differ:nine of ten are here"),
        profile="prosecutor",
    )
    require_holder(stage, DOSSIERS[0], "procuratorate-east", "prosecutor")
    require_holder(stage, PRY_BARS, "psb-east", "police")
    stage.held("accepted in part: custody of five moved, the pry bars stay with the police")
    for profile in ("police", "prosecutor"):
        stage.tally(
            *("discrepancy", "resolve", CASE, f"handover-2/{PRY_BARS}"),
            *("--resolution", "the tenth bar lay in the property room; counted again by both: ten"),
            profile=profile,
        )
    offer(stage, ("police", "procuratorate-east"), "property_transfer", "handover-3", [PRY_BARS])
    accept(stage, "prosecutor", "handover-3")
    stage.held("discrepancy resolved by both signatures, the pry bars follow")


def return_and_resubmit(stage: Stage) -> None:
    """Returned once for supplementary investigation, then offered again."""
    stage.act("Back for supplementary investigation, and again")
    stage.tally(
        *("handover", "return", CASE, "handover-2", "--purpose", "supplementary_investigation"),
        *("--reason", "incomplete_dossier", "--explanation", "the buyer of the bicycle was not heard"),
        *("--handover-id", "handover-4", "--remedy", "supplement", "--due-at", moment(days=30)),
        *(option for item in DOSSIERS for option in ("--item", item)),
        *(option for person in SUSPECTS.values() for option in ("--person", person)),
        profile="prosecutor",
    )
    accept(stage, "police", "handover-4")
    stage.held("returned to the police for supplementary investigation (art. 175), due in 30 days")
    offer(
        stage,
        ("police", "procuratorate-east"),
        "prosecution_review",
        "handover-5",
        list(DOSSIERS),
        "--follows",
        "handover-4",
    )
    accept(stage, "prosecutor", "handover-5")
    stage.held("supplemented and accepted again: the procuratorate is responsible")


def judge_and_execute(stage: Stage, items: list[str]) -> None:
    """Indictment, judgment, execution."""
    stage.act("Procuratorate to court to corrections")
    decide(stage, "prosecutor", "prosecuted", "东检刑诉〔2026〕62号", "decision-indictment")
    offer(stage, ("prosecutor", "court-east"), "public_prosecution", "handover-6", items)
    accept(stage, "court", "handover-6")
    decide(stage, "court", "judgment", "（2026）东刑初117号", "decision-judgment")
    stage.held("indicted, tried, judged", "the court holds six items")
    offer(stage, ("court", "corrections-east"), "execution", "handover-7", [DOSSIERS[0]])
    accept(stage, "corrections", "handover-7")
    state = stage.tally("case", "show", CASE, profile="corrections")
    if state["responsible"] != "corrections-east" or state["stage"] != "execution":
        raise StepFailed(f"the case should be with corrections for execution, not {state}")
    stage.held("execution papers accepted: corrections is responsible")


def offer(stage: Stage, way: tuple[str, str], purpose: str, handover_id: str, items: list[str], *more: str) -> None:
    """The sender's half: ``way`` is his profile and the agency it goes to; persons go along with responsibility."""
    profile, to = way
    persons = SUSPECTS.values() if purpose != "property_transfer" else ()
    stage.tally(
        *("handover", "offer", CASE, to, "--purpose", purpose, "--handover-id", handover_id),
        *(option for item in items for option in ("--item", item)),
        *(option for person in persons for option in ("--person", person)),
        *more,
        profile=profile,
    )


def accept(stage: Stage, profile: str, handover_id: str) -> None:
    """The receiver's half: all as listed."""
    stage.tally(
        *("handover", "accept", CASE, handover_id, "--received-at", moment(), "--all-as-listed"), profile=profile
    )


def decide(stage: Stage, profile: str, kind: str, number: str, decision_id: str) -> None:
    """A decision with its number, on both persons."""
    stage.tally(
        *("decision", "record", CASE, kind, "--number", number, "--decided-at", moment(), "--decision-id", decision_id),
        *(option for person in SUSPECTS.values() for option in ("--person", person)),
        profile=profile,
    )


def require_holder(stage: Stage, item_id: str, holder: str, profile: str) -> dict[str, Any]:
    """Raises StepFailed unless the agency holds the item."""
    item: dict[str, Any] = stage.tally("item", "show", item_id, profile=profile)
    if item["holder"] != holder:
        raise StepFailed(f"{item_id} should be held by {holder}, not by {item['holder']}")
    return item


def moment(*, days: int = 0) -> str:
    """Now, or some days later, as the command line takes it."""
    return spelled(datetime.now(UTC) + timedelta(days=days))

"""The table of deadlines that were worked out by hand (docs/deadlines-worked.md), for a lawyer to check on paper.

Those of criminal procedure stand in tests/unit/core/worked_deadlines.toml, those of the other lines in the examples of
their packages. Tests play both: the page repeats what was written by hand, and nothing that the code has counted.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from ledger.i18n import Labels
from ledger.procedures import shipped_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "deadlines-worked.md"
WORKED = ROOT / "tests" / "unit" / "core" / "worked_deadlines.toml"
CRIMINAL = "cn-criminal"
BY_EXAMPLES = ("cn-civil-supervision", "cn-administrative-supervision", "cn-public-interest")

HEAD = """# Deadlines worked out by hand

`python -m scripts.docs.protocol_examples` writes this page out of `tests/unit/core/worked_deadlines.toml` and the
examples of the packages; tests play each of them, and none of the days was taken from the code. Check a row with its
article and a calendar: the day of the start does not count, and a last day on a day off moves as the row of the clock
says ([procedure.md](procedure.md#clocks)). Times are Beijing's.
"""


class Row(NamedTuple):
    """A deadline: its article, what is due, what happened, its last day or moment, and how that is counted."""

    number: str
    article: str
    clock: str
    happened: str
    last: str
    counted: str


def rows(procedure_id: str) -> list[Row]:
    """Return the deadlines of a line, in the order of the files."""
    return [*(_worked() if procedure_id == CRIMINAL else _of_examples(procedure_id))]


def by_hand() -> list[dict[str, Any]]:
    """Return the rows of criminal procedure, in the order of their numbers."""
    clocks = tomllib.loads(WORKED.read_text(encoding="utf-8")).items()
    rows = ({"number": int(number), "clock": clock, **row} for clock, each in clocks for number, row in each.items())
    return sorted(rows, key=itemgetter("number"))


def _worked() -> Iterator[Row]:
    labels = _labels(CRIMINAL)
    for row in by_hand():
        happened = [row["circumstances"], f"start {row['start']}"]
        happened += [f"{key} {row[key]}" for key in ("effective", "renewed", "anew", "turned") if key in row]
        happened += [f"rests {row['rests'][0]} to {row['rests'][1]}"] if "rests" in row else []
        extended = [*row.get("before", ()), *row.get("extensions", ())]
        happened += [f"extended: {', '.join(' '.join(words) for words in extended)}"] if extended else []
        last = row.get("due") or row.get("last_day") or "promptly"
        if row.get("not_before"):
            last = f"not before {last}"
        yield Row(str(row["number"]), row["article"], labels[row["clock"]], "; ".join(happened), last, row["count"])


def _of_examples(procedure_id: str) -> Iterator[Row]:
    labels, tables = _labels(procedure_id), shipped_tables(procedure_id)
    for example in tables["examples"]:
        for deadline in example.get("deadlines", ()):
            last = deadline.get("last_day") or deadline.get("due_at") or deadline["status"]
            # A row that an amendment has ended has the article of its time.
            day = example["acts"][0]["at"][:10]
            article = next(
                row["article"]
                for row in tables["clocks"]
                if row["name"] == deadline["clock"] and row["valid_from"] <= day < row.get("valid_until", "9999")
            )
            number, _, name = example["name"].rpartition(": ")
            happened = "; ".join(_act(act) for act in example["acts"][1:] if "refused" not in act)
            yield Row(number, article, labels[deadline["clock"]], happened, last, name)


def _act(act: dict[str, Any]) -> str:
    body = act.get("body", {})
    word = next((body[key] for key in ("kind", "extension", "excluded_for", "purpose") if key in body), "")
    times = " ".join(f"{key} {body[key]}" for key in ("effective_at", "served_at", "until") if key in body)
    return " ".join(filter(None, (act["event"], word, act["at"], times)))


def _labels(procedure_id: str) -> dict[str, str]:
    return {row["name"]: row["label"]["zh"] for row in shipped_tables(procedure_id)["clocks"]}


def page() -> str:
    """Return the whole page."""
    in_chinese = Labels("zh-CN")
    parts = [HEAD]
    for procedure_id in (CRIMINAL, *BY_EXAMPLES):
        listed = rows(procedure_id)
        parts.append(f"## {procedure_id}: {len(listed)}\n")
        parts.append(
            "| no. | article | 依据 | 期限 | what happened | last day | count |\n|---|---|---|---|---|---|---|"
        )
        for row in listed:
            cells = (row.number, row.article, in_chinese.of_article(row.article), *row[2:])
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n"

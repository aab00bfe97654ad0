#!/usr/bin/env python3
"""Write the tables of docs/views.md out of ledger/supervision/views/views.toml.

    python -m scripts.docs.view_tables            writes them
    python -m scripts.docs.view_tables --check    exits 1 if the committed ones differ

What stands between ``<!-- views -->`` and ``<!-- end -->`` is generated; the rest is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ledger.supervision.view_catalogue import View, views

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "views.md"
MARKED = re.compile(r"(?<=<!-- views -->\n).*?(?=<!-- end -->)", re.DOTALL)


def generated() -> str:
    """Write a heading and a table for each view."""
    return "\n" + "\n\n".join(map(_section, views().values())) + "\n\n"


def _section(view: View) -> str:
    rows = [f"| `{column.name}` | {column.kind} | {column.en} | {column.zh} |" for column in view.columns.values()]
    return "\n".join(
        [
            f"### `{view.name}`",
            "",
            f"{view.en}. {view.zh}。",
            "",
            "| column | type | meaning | 含义 |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def current() -> str:
    """Return the document as it should be."""
    return MARKED.sub(lambda _: generated(), DOCUMENT.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args(arguments)
    text = current()
    if text == DOCUMENT.read_text(encoding="utf-8"):
        return 0
    if given.check:
        print("differs: docs/views.md")
        return 1
    DOCUMENT.write_text(text, encoding="utf-8")
    print("written: docs/views.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

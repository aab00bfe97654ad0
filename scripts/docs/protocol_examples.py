#!/usr/bin/env python3
"""Write the generated parts of docs/protocol.md, the files of docs/examples, and the tables of the browser's verifier.

    python -m scripts.docs.protocol_examples            writes them
    python -m scripts.docs.protocol_examples --check    exits 1 if the committed ones differ

What stands between ``<!-- table:NAME -->`` or ``<!-- example:NAME -->`` and ``<!-- end -->`` is generated: tables out
of the types, worked examples out of the code. Everything else in the document is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from ledger.core.procedure import rulebook
from ledger.procedures import shipped_rulebook
from scripts.docs import protocol_tables, worked_examples

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "protocol.md"
EXAMPLES = ROOT / "docs" / "examples"
READER_TABLES = ROOT / "api" / "console" / "verify" / "verifier" / "tables.js"

MARKED = re.compile(r"(?P<begin><!-- (?P<part>(?:table|example):[a-z_]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def book() -> rulebook.Rulebook:
    return shipped_rulebook()


PARTS: dict[str, Callable[[], str]] = {
    "table:words": protocol_tables.words,
    "table:vocabularies": protocol_tables.vocabularies,
    "table:payload": protocol_tables.payload,
    "table:envelope": protocol_tables.envelope,
    "table:section": protocol_tables.section,
    "table:parts": protocol_tables.parts,
    "table:bodies": protocol_tables.bodies,
    "table:numbers": protocol_tables.numbers,
    "table:purposes": lambda: protocol_tables.purposes(book()),
    "table:clocks": lambda: protocol_tables.clocks(book()),
    "table:flags": lambda: protocol_tables.flags(book()),
    "example:payload": worked_examples.payload,
    "example:types": worked_examples.types,
    "example:signing": worked_examples.signing,
    "example:registry": worked_examples.registry,
    "example:log": worked_examples.log,
    "example:proof": worked_examples.proof,
    "example:verification": worked_examples.verification,
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where anything differs")
    check = parser.parse_args(arguments).check
    files = generated()
    differing = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    for path in differing:
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files[path])
    return 1 if check and differing else 0


def generated() -> dict[Path, bytes]:
    """Return every generated file and its bytes as they should be."""
    text = DOCUMENT.read_text(encoding="utf-8")
    filled = MARKED.sub(lambda mark: f"{mark['begin']}{PARTS[mark['part']]()}\n{mark['end']}", text)
    examples = {EXAMPLES / name: data for name, data in worked_examples.files().items()}
    return {DOCUMENT: filled.encode(), READER_TABLES: protocol_tables.module(filled)} | examples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

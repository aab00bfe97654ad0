#!/usr/bin/env python3
"""Write the generated parts of docs/protocol.md and docs/views.md, docs/examples, and the browser's verifier's tables.

    python -m scripts.docs.protocol_examples            writes them
    python -m scripts.docs.protocol_examples --check    exits 1 if the committed ones differ

What stands between ``<!-- table:NAME -->``, ``<!-- example:NAME -->`` or ``<!-- views -->`` and ``<!-- end -->`` is
generated: tables out of types and catalogues, worked examples out of the code. The rest is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ledger.core.events import Envelope, Payload, Section
from ledger.procedures import shipped_rulebook
from scripts.docs import protocol_tables as tables
from scripts.docs import worked_examples

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "protocol.md"
VIEWS = ROOT / "docs" / "views.md"
EXAMPLES = ROOT / "docs" / "examples"
READER_TABLES = ROOT / "api" / "console" / "verify" / "verifier" / "tables.js"

MARKED = re.compile(r"(?P<begin><!-- (?P<part>(?:table|example):[a-z_]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


MARKED_VIEWS = re.compile(r"(?<=<!-- views -->\n).*?(?=<!-- end -->)", re.DOTALL)
BOOK = shipped_rulebook()
PARTS: dict[str, Callable[[], str]] = {
    **{f"table:{part.__name__}": part for part in (tables.words, tables.vocabularies, tables.parts)},
    **{
        f"table:{struct.__name__.lower()}": partial(tables.fields_of, struct) for struct in (Payload, Envelope, Section)
    },
    **{f"table:{part.__name__}": part for part in (tables.bodies, tables.numbers)},
    **{f"table:{part.__name__}": partial(part, BOOK) for part in (tables.purposes, tables.clocks, tables.flags)},
    **{f"example:{part.__name__}": part for part in worked_examples.PARTS},
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
    views = MARKED_VIEWS.sub(lambda _: f"\n{tables.view_tables()}\n\n", VIEWS.read_text(encoding="utf-8"))
    return {DOCUMENT: filled.encode(), VIEWS: views.encode(), READER_TABLES: tables.module(filled)} | examples


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

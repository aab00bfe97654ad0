"""The tables of docs/protocol.md as a JavaScript module for scripts/verify, out of the document's text alone.

A stranger copies them by hand; here they are copied anew with each change of the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

HEAD = "// The tables of docs/protocol.md in its own notation, copied by `python -m scripts.protocol_examples`.\n"
BODY = re.compile(
    r"^\*\*(?P<name>[a-z_.]+)\*\* \(stream: (?P<kinds>[a-z ]+); signed by (?P<roles>.+?)"
    r"(?P<paper>; on a named authority)?\)\..*\\\n(?P<fields>.+)$",
    re.MULTILINE,
)
PART = re.compile(r"^- \*\*(?P<name>\w+)\*\*: (?P<fields>.+)$", re.MULTILINE)
WORD = re.compile(r"^\| `(?P<name>\w+)` \|.*?\| (?P<form>(?:`[^`]*`)?[^|]*) \|[^|]*\|$", re.MULTILINE)
VOCABULARY = re.compile(r"^\| `(?P<name>\w+)` \| (?P<words>`.+`) \|$", re.MULTILINE)


def module(document: str) -> bytes:
    """``scripts/verify/tables.js``."""
    return "".join([HEAD, *exports(document)]).encode()


def exports(document: str) -> Iterator[str]:
    structs = {name: marked(document, name.lower()).strip() for name in ("Payload", "Section", "Envelope")}
    structs |= {part["name"]: part["fields"] for part in PART.finditer(marked(document, "parts"))}
    yield declaration("PARTS", structs)
    yield declaration("WORDS", {w["name"]: form(w["form"]) for w in WORD.finditer(marked(document, "words"))})
    vocabularies = VOCABULARY.finditer(marked(document, "vocabularies"))
    yield declaration("VOCABULARIES", {v["name"]: " ".join(re.findall(r"\w+", v["words"])) for v in vocabularies})
    bodies = BODY.finditer(marked(document, "bodies"))
    yield declaration("BODIES", {b["name"]: [b["kinds"], b["roles"], bool(b["paper"]), b["fields"]] for b in bodies})


def form(cell: str) -> str:
    return cell.replace(r"\|", "|").strip()


def marked(document: str, table: str) -> str:
    found = re.search(rf"<!-- table:{table} -->\n(.*?)<!-- end -->", document, re.DOTALL)
    if found is None:
        raise ValueError(f"the document has no table {table}")
    return found[1]


def declaration(name: str, rows: Mapping[str, object]) -> str:
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},\n" for key, value in rows.items())
    return f"\nexport const {name} = {{\n{''.join(lines)}}};\n"

"""Every reader of what others wrote, on spoiled input: it gives a value or refuses it with an error of ours.

A reader is a border: what the library behind it raises must not get past it, for that would be a fault 500 of the
service or a traceback of the command line. ``--hypothesis-profile long`` tries 2,000 spoilings of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import NamedTuple
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.basis import FORMAT, Basis, read_basis, with_digest
from ledger.config.installation import read_founding
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decode_toml
from ledger.core.encoding.digests import parse_digest
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import decode_submission
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import parse_policy
from ledger.core.log.tiles import decode_entry_bundle, parse_name
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.log.witness_protocol import (
    AddEntries,
    CosignAnchor,
    parse_add_checkpoint,
    parse_add_entries,
    parse_request,
)
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.deadlines import parse_periods
from ledger.core.procedure.package import read_package
from ledger.core.supervision.model_package import verify_package
from ledger.core.trust.trust_file import parse_trust
from ledger.core.verification.bundle import decode_bundle, tlog_proof_of
from ledger.core.verification.case import verify_case
from ledger.core.verification.receipts import verify_receipt
from ledger.core.verification.verify import verify_event
from ledger.interchange.imports.mapping import parse_mapping
from ledger.interchange.imports.tables import CsvTable, JsonTable
from ledger.interchange.imports.workbooks import XlsxTable
from ledger.procedures import books_that_ship, shipped_package
from ledger.store.access import AccessHead
from ledger.store.bindings import BindingHead
from ledger.supervision.correlation import parse_node
from ledger.supervision.models.conditions import faults_of_cel
from ledger.supervision.models.editing import derived, edited, renumbered
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.sql_guard import require_sound
from ledger.witness.gathering.witnesses import read_witnesses
from tests.testkit.builders import POLICE, founder
from tests.testkit.machine import REPOSITORY

IMPORTS = REPOSITORY / "examples" / "import"
BUNDLE = (REPOSITORY / "docs" / "examples" / "bundle.json").read_bytes()
TRUST = (REPOSITORY / "docs" / "examples" / "trust.json").read_bytes()
RECEIPT = (REPOSITORY / "docs" / "examples" / "receipt.cose").read_bytes()
ENTRY = (REPOSITORY / "docs" / "examples" / "receipt.entry.json").read_bytes()
MODELS = sorted((REPOSITORY / "ledger" / "supervision" / "models" / "shipped").glob("*.yaml"))
PROOF = tlog_proof_of(decode_bundle(BUNDLE))
NOTE = json.loads(BUNDLE)["note"]
CASE, PACKAGE = ((REPOSITORY / "docs" / "examples" / name).read_bytes() for name in ("case.json", "package.json"))
WORKBOOK = (IMPORTS / "procuratorate-card.xlsx").read_bytes()
EXAMPLES = 20  # of each reader, unless the profile asks for more

# What parsers of these languages stumble over, each anywhere in the text.
FRAGMENTS = [
    *(bytes([number]) for number in (*range(48), *range(58, 65), *range(91, 97), *range(123, 129), 192, 255)),
    *(b"%YAML 1.3\n---\n", b"%YAML 1.0\n---\n", b"%TAG ! x\n---\n", b"\n---\n", b"\n...\n"),
    *(b"!!", b"<<: ", b"&a ", b"*a", b"\r\n", b"''", b'""""', b"'''", b"{a=1}"),
    *(b"\\u0000", b"\\ud800", b"\\U00110000", b"\\UFFFFFFFF", b"\\x", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf"),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"0x", b"1e9", b"1e999", b"9" * 30, b"9" * 5000, b"-0"),
    *(b"null", b"true", b"[]", b"{}", b"[" * 300, b"(" * 300, b"{" * 300, b"2026-13-45", b"0001-01-01", b"0000-00-00"),
    *(b"inf", b"9999-12-31T23:59:59", b"25:61:61", b"<!DOCTYPE x>", b"&lt;", b"<!--"),
    *(b"::int", b"$1", b" or ", b"select ", b"?", b"/", b"-1"),
]


class Reader(NamedTuple):
    """``read`` takes the bytes of a file or a body; ``samples`` are such as it accepts."""

    read: Callable[[bytes], object]
    samples: tuple[bytes, ...]


def text_reader(read: Callable[[str], object], *samples: str) -> Reader:
    """A reader of text, as it comes out of a body in UTF-8."""
    return Reader(lambda data: read(data.decode("utf-8", "replace")), tuple(sample.encode() for sample in samples))


def models(count: int) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8") for path in MODELS[:count])


def read_csv(data: bytes, encoding: str) -> list[object]:
    return list(CsvTable(BytesIO(data), encoding=encoding, delimiter=",", header_row=1).rows())


def read_workbook(data: bytes) -> list[object]:
    return list(XlsxTable(BytesIO(data), sheet=None, header_row=1).rows())


def workbook_parts() -> Iterator[tuple[str, Reader]]:
    """A reader of each part of a workbook: the part is spoiled, and the archive around it is sound."""
    with ZipFile(BytesIO(WORKBOOK)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def read(spoiled: str, data: bytes) -> object:
        packed = BytesIO()
        with ZipFile(packed, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, data if name == spoiled else content)
        return read_workbook(packed.getvalue())

    for part, content in parts.items():
        yield f"workbook {part}", Reader(lambda data, part=part: read(part, data), (content,))


BASIS = with_digest(
    Basis(
        format=FORMAT,
        rules="0.1.0",
        log_id="11" * 32,
        audited_at=1,
        size=1,
        root="11" * 32,
        whole_at=1,
        whole_size=1,
        adopted=-1,
        bindings=BindingHead(1, "x"),
        reads=AccessHead(0, "x"),
        bounds={"case": ("case-1",)},
        unread=(0, 1),
    )
)


def readers() -> dict[str, Reader]:
    csv = (IMPORTS / "police-case.csv").read_bytes()
    hex32, address = "0x" + "ab" * 32, "0x" + "1a" * 20
    founding = {"development": True, "agencies": [founder(POLICE)]}
    anchor = {"chain_id": 1, "anchor": address, "size": 1, "root": hex32, "registry_hash": hex32}
    witness = json.loads(TRUST)["witness_policy"].split()[2]
    submission = {name: json.loads(BUNDLE)["entries"][-1][name] for name in ("envelope", "payload", "sections")}
    trust = parse_trust(TRUST)
    views = frozenset({"cases", "items", "handovers"})
    return {
        "model": text_reader(parse_model, *models(8)),
        "model, edited": text_reader(lambda text: edited(text, {"need.problem.zh": "x"}), *models(3)),
        "model, renumbered": text_reader(lambda text: renumbered(text, "m-1", 2), *models(3)),
        "model, derived": text_reader(lambda text: derived(text, "m-1", {}, "lead-1"), *models(3)),
        "CEL": text_reader(
            lambda text: list(faults_of_cel("handovers", text, {})),
            *("status == 'open' && days(a, b) > 3", "items.exists(x, x > 1)", "has(x.y) ? 1 : matches(z, 'a+')"),
        ),
        "SQL": text_reader(
            lambda text: require_sound(text, views),
            "select case_id from cases where x = 1 order by 1 limit 3",
            "with a as (select * from cases) select count(*) from a join items using (case_id) group by all",
        ),
        "CSV in UTF-8": Reader(
            lambda data: read_csv(data, "utf-8"), (csv.decode("gb18030").encode(), b'a,b\n"x""y",2\n')
        ),
        "CSV in GB18030": Reader(lambda data: read_csv(data, "gb18030"), (csv,)),
        "JSON rows": Reader(
            lambda data: list(JsonTable(BytesIO(data), encoding="utf-8").rows()),
            ((IMPORTS / "court-filing.json").read_bytes(), b'{"a":1}\n'),
        ),
        "workbook": Reader(read_workbook, (WORKBOOK,)),
        **dict(workbook_parts()),
        "mapping": Reader(
            lambda data: parse_mapping(data, "m.toml", books_that_ship()),
            tuple(path.read_bytes() for path in sorted(IMPORTS.glob("*.toml"))),
        ),
        "earlier audit": Reader(read_basis, (canonical.encode(BASIS),)),
        "TOML": Reader(
            lambda data: decode_toml(data, field="FILE"), (b"a = [1, 2.5]\n[b]\nc = 2026-01-01T00:00:00Z\n",)
        ),
        "package": Reader(
            lambda data: read_package({"procedure.toml": data}), (b"\n".join(shipped_package("evidence").values()),)
        ),
        "witnesses": text_reader(
            read_witnesses, f'[[witnesses]]\nurl = "http://127.0.0.1:1"\nverifier_keys = ["{witness}"]\n'
        ),
        "founding": Reader(read_founding, (json.dumps(founding).encode(),)),
        "trust file": Reader(parse_trust, (TRUST,)),
        "policy": text_reader(parse_policy, json.loads(TRUST)["witness_policy"]),
        "verifier key": text_reader(parse_vkey, json.loads(TRUST)["log_key"]),
        "note": text_reader(stated_checkpoint, NOTE),
        "tlog-proof": text_reader(parse_tlog_proof, PROOF),
        "COSE receipt": Reader(lambda data: verify_receipt(data, ENTRY, trust), (RECEIPT,)),
        "bundle": Reader(lambda data: verify_event(data, trust), (BUNDLE,)),
        "case bundle": Reader(lambda data: verify_case(data, trust, Procedures()), (CASE,)),
        "model package": Reader(lambda data: verify_package(data, trust), (PACKAGE,)),
        "submission": Reader(
            decode_submission,
            (json.dumps(submission, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(),),
        ),
        "entries": Reader(lambda data: decode_entry_bundle(data, 2), (b"\x00\x05abcde\x00\x02xy",)),
        "tile name": text_reader(parse_name, "tile/0/x001/x234/067.p/12", "tile/entries/000"),
        "add-checkpoint": Reader(parse_add_checkpoint, (f"old 1\n{'A' * 43}=\n\n{NOTE}".encode(),)),
        "add-entries": Reader(parse_add_entries, (AddEntries("ledger.example/log", 1, 2, b"ticket").body(),)),
        "cosign-anchor": Reader(lambda data: parse_request(data, CosignAnchor), (json.dumps(anchor).encode(),)),
        "digest": text_reader(parse_digest, "blake3:" + "a" * 64),
        "period": text_reader(parse_periods, "24 h", "1 m 15 d"),
        "node of a picture": text_reader(parse_node, "case:case-1"),
    }


READERS = readers()


def edits() -> st.SearchStrategy[list[tuple[float, int, bytes]]]:
    """Edits of a text: where in it (0 to 1), how many bytes go away there, what comes in their place."""
    replaced = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from([*FRAGMENTS, b""]))
    return st.lists(replaced, min_size=1, max_size=4)


def spoil(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, cut, fragment in changes:
        at = int(where * len(data))
        data = data[:at] + fragment + data[at + cut :]
    return data


@pytest.mark.filterwarnings("ignore::UserWarning")  # openpyxl tells what it passes over
@pytest.mark.parametrize("name", READERS)
def test_spoiled_input_is_read_or_refused(name: str) -> None:
    """Whatever is changed in a good file, its reader raises no exception but ours."""
    reader = READERS[name]
    more = settings.get_current_profile_name() == "long"

    @settings(max_examples=2000 if more else EXAMPLES, derandomize=not more, database=None)
    @given(st.sampled_from(reader.samples), edits())
    def read_spoiled(sample: bytes, changes: list[tuple[float, int, bytes]]) -> None:
        with suppress(TallystickError):
            reader.read(spoil(sample, changes))

    read_spoiled()


SPOILED = {
    "a directive of a later version": ("model", b"%YAML 1.3\n---\na: 1\n"),
    "a directive of an earlier version": ("model", b"%YAML 1.0\n---\na: 1\n"),
    "an escape beyond Unicode": ("model", b'a: "\\U00110000"\n'),
    "an escape beyond 31 bits": ("model", b'a: "\\UFFFFFFFF"\n'),
    "brackets a thousand deep": ("model", b"a: " + b"[" * 5000),
    "an archive whose directory lies before it": ("workbook", WORKBOOK[:-9] + b"\xff" * 9),
    "a workbook that names no workbook": ("workbook [Content_Types].xml", b"<Types/>"),
    "a number of 5,000 digits": ("TOML", b"a = " + b"9" * 5000),
    "arrays beyond the stack": ("TOML", b"a = " + b"[" * 100_000),
    "bytes that are no UTF-8": ("TOML", b"a = '\xff'"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_what_a_library_stumbled_over_is_refused(fault: str) -> None:
    """These made a parser raise an exception of its own, or might: each is refused as malformed input."""
    name, data = SPOILED[fault]
    with pytest.raises(MalformedInput):
        READERS[name].read(data)


def test_every_example_is_read() -> None:
    """The samples are good, so that what is tested is what was spoiled in them."""
    for reader in READERS.values():
        for sample in reader.samples:
            reader.read(sample)

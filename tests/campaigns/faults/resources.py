"""Requests that are small and made to cost much: each is answered or refused within its time and memory.

python -m tests.campaigns.faults.resources [--rounds 3] [--seed N] [--events 3000] [--seconds 5] [--megabytes 256]

Files of data sets that unpack to much or have very many or very wide rows, models that ask for millions of rows and for
long texts, models at the limit of their length, certificates of long cases, batches of bad lines. They go through the
whole application, in this process; measured are the time to the answer, how much this process grew meanwhile, and how
much the worker process took beyond an idle one. Exit code 1 where one took more, or was answered with 500. On a
machine that is busy with other things, where a second of computing takes several, give more ``--seconds``.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from httpx import Response
from openpyxl import Workbook

from api.wiring import work_limits
from ledger.config.settings import Settings
from ledger.core.encoding.digests import blake3_text
from ledger.core.events.record import TableLayout
from ledger.supervision.library.publishing import ModelDefinitions
from ledger.workers.pool import WorkerPool
from scripts.bench.figures import command_line
from tests.api.conftest import no_chain, serving_ledger
from tests.api.service import JSON, Served
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, Writer, analyst, auditor, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.testkit.supervision import Model, dataset
from tests.unit.supervision.modelling import SOUND, with_sql

CASE = "case-1"
UNPACKED = 30 * 1024 * 1024  # bytes of the sheet that an XLSX file of 0.07 MB unpacks to
CSV_BYTES = 6 * 1024 * 1024
MODEL_CHARACTERS = 31_500
EVENTS_AT_ONCE = 500


class AttackResult(NamedTuple):
    """What an attack came to. ``grown`` and ``worker`` are in megabytes, ``cpu`` are the worker's seconds."""

    kind: str
    status: int
    code: str
    seconds: float
    grown: float
    worker: float
    cpu: float

    def faults(self, seconds: float, megabytes: int) -> list[str]:
        """List what is wrong with it, if these are the limits."""
        wrong = [f"answered {self.status}"] if self.status >= 500 and self.code != "busy" else []
        wrong += [f"took {self.seconds:.1f} s"] if self.seconds > seconds else []
        wrong += [f"this process grew by {self.grown:.0f} MB"] if self.grown > megabytes else []
        wrong += [f"the worker took {self.worker:.0f} MB"] if self.worker > megabytes else []
        return [f"{self.kind}: {fault}" for fault in wrong]


class Stand:
    """A service with a case of many events, and whoever attacks it. ``seconds`` and ``grown_kb`` are of the requests
    since ``begin``, which costs whoever makes them nothing."""

    def __init__(self, served: Served, workers: WorkerPool, chance: random.Random):
        self.served = served
        self.workers = workers
        self.chance = chance
        self.begin()
        self._writer = Writer("agency", POLICE)
        self._models = 0

    def begin(self) -> None:
        """Measure anew."""
        self.workers.last_used = None
        self.seconds = 0.0
        self.grown_kb = 0

    def request(self, method: str, path: str, **options: Any) -> Response:
        """Send a request, and measure it."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, began = _memory("VmRSS"), time.monotonic()
        response = self.served.request(method, path, **options)
        self.seconds += time.monotonic() - began
        self.grown_kb = max(self.grown_kb, _memory("VmHWM") - before)
        return response

    def fill(self, events: int) -> None:
        """Record a case of so many events."""
        case = Case(CASE, step=0).open()
        for number in range(events - 1):
            case.register(f"thing-{number}")
        lines = [event.submission for event in case.events]
        for start in range(0, len(lines), EVENTS_AT_ONCE):
            answer = self.batch(b"\n".join(lines[start : start + EVENTS_AT_ONCE]))
            assert all(result["status"] == 201 for result in answer.json()["results"]), answer.text[:500]

    def batch(self, lines: bytes) -> Response:
        headers = {"content-type": "application/x-ndjson"}
        return self.request("POST", "/api/v1/events/batch", content=lines, headers=headers)

    def give(self, data: bytes, rows: int, layout: TableLayout | None = None) -> Response:
        """Register a data set and send its file, as any clerk may."""
        dataset_id = f"list-{self.chance.getrandbits(40):x}"
        body = dataset(data, rows=rows, dataset_id=dataset_id, **({} if layout is None else {"layout": layout}))
        event = self._writer.write(body, clerk(POLICE), signed_at=self.served.ledger.clock.seconds)
        assert self.served.submit(event).status_code == 201
        path = f"/api/v1/datasets/{dataset_id}/file"
        headers = {"content-type": "application/octet-stream"} | self.served.token(clerk(POLICE))
        return self.request("POST", path, content=data, headers=headers)

    def run_model(self, definition: str) -> Response:
        body = msgspec.json.encode({"definition": definition})
        return self.post("/api/v1/models/run", body, self.served.token(analyst(PROCURATORATE)))

    def publish(self, definition: str) -> Response:
        """Publish whatever it is, signed as an analyst may."""
        self._models += 1
        model = Model(f"model-{self._models}", step=0)
        digest = blake3_text(definition.encode())
        return self.post("/api/v1/events", model.published(definition=definition, model_digest=digest).last.submission)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        return self.request("POST", path, content=body, headers=JSON | dict(headers or {}))

    def read(self, path: str, by: Officer) -> Response:
        return self.request("GET", path, headers=self.served.token(by))


# -- the attacks -------------------------------------------------------------------------------------------------------


def workbook(stand: Stand) -> Response:
    """Make a small archive whose sheet is large."""
    row = "<row>" + "<c t='inlineStr'><is><t>a</t></is></c>" * stand.chance.choice((1, 5, 200)) + "</row>"
    return stand.give(_xlsx(row * (UNPACKED // len(row))), stand.chance.randrange(1, 10**6), TableLayout(format="xlsx"))


def shared_strings(stand: Stand) -> Response:
    """Make a workbook whose texts stand in a part of their own, which is held in memory."""
    text = "<si><t>" + "a" * stand.chance.choice((0, 10, 30_000)) + "</t></si>"
    strings = "<sst>" + text * (UNPACKED // len(text)) + "</sst>"
    return stand.give(_xlsx("<row><c t='s'><v>0</v></c></row>", strings), 1, TableLayout(format="xlsx"))


def many_rows(stand: Stand) -> Response:
    """Send CSV of very short rows."""
    row = b"1,2\n" * (CSV_BYTES // 4)
    return stand.give(b"a,b\n" + row, CSV_BYTES // 4)


def usual_rows(stand: Stand) -> Response:
    """Send CSV as an agency would send it."""
    lines = [f"{stand.chance.getrandbits(59)},2026-02-15,name {number}\n" for number in range(CSV_BYTES // 42)]
    return stand.give(b"id,paid_on,name\n" + "".join(lines).encode(), len(lines))


def wide_rows(stand: Stand) -> Response:
    """Send CSV of as many columns as there may be."""
    header = ",".join(f"c{number}" for number in range(1000))
    rows = CSV_BYTES // 2000
    return stand.give(f"{header}\n".encode() + (b"1," * 999 + b"1\n") * rows, rows)


def one_cell(stand: Stand) -> Response:
    """Send CSV whose quotation never ends."""
    return stand.give(b'a\n"' + b"x" * CSV_BYTES, 1)


def json_rows(stand: Stand) -> Response:
    """Send JSON of rows with columns of their own."""
    lines = b"".join(b'{"k%d":1}\n' % number for number in range(CSV_BYTES // 14))
    return stand.give(lines, CSV_BYTES // 14, TableLayout(format="json"))


def long_model(stand: Stand) -> Response:
    """Send YAML at the limit of its length, of a kind that is dear to read."""
    kinds = ("a: [" + "1," * 15_000 + "1]", "[" * 15_000, "? " * 15_000, "a:\n" + "  - b\n" * 5_000)
    text = stand.chance.choice(kinds)[:MODEL_CHARACTERS]
    return stand.chance.choice((stand.run_model, stand.publish))(text)


def many_examples(stand: Stand) -> Response:
    """Send fifty examples of many rows each, as far as the text may go."""
    example = SOUND[SOUND.index("  - name: seventh day") :]
    text = SOUND + "".join(example.replace("seventh day", f"n{number}") for number in range(48))
    row = example[example.index("        - {") : example.index("    raises")]
    return stand.publish(text.replace(row, row * max(1, (MODEL_CHARACTERS - len(text)) // len(row) // 10), 10))


def endless_query(stand: Stand) -> Response:
    """Ask for rows that a query makes of nothing, multiplied with themselves."""
    values = ", ".join(f"({number})" for number in range(stand.chance.choice((40, 44))))
    tables = ", ".join(f"(VALUES {values}) t{number}(n)" for number in range(stand.chance.choice((4, 6, 9))))
    source = stand.chance.choice((tables, f"(SELECT count(*) AS n FROM {tables}) q WHERE n > 0"))
    sql = f"SELECT 'a' AS case_id, 'b' AS handover_id, 'police-east' AS to_agency, [] AS evidence FROM {source}"
    return stand.chance.choice((stand.run_model, stand.publish))(with_sql(sql))


def many_results(stand: Stand) -> Response:
    """Ask for all pairs of events: more rows than a run may give, and wide ones."""
    columns = ", ".join(f"e.digest AS c{number}" for number in range(stand.chance.choice((1, 30, 55))))
    sql = f"""SELECT f.event_id || e.event_id AS case_id, e.event_id AS handover_id, 'police-east' AS to_agency,
        e.evidence, {columns} FROM events e, events f"""
    order = "ORDER BY e.log_index, f.log_index"
    return stand.run_model(with_sql(f"{sql} {order} LIMIT {stand.chance.choice((99_000, 10**9))}"))


def long_cells(stand: Stand) -> Response:
    """Ask for few rows with all that the log has in each, as a text or as what the row cites."""
    texts = "e.evidence, (SELECT string_agg(f.digest, ' ' ORDER BY f.log_index) FROM events f) AS text"
    lists = "(SELECT list(f.digest ORDER BY f.log_index) FROM events f) AS evidence"
    return stand.run_model(
        with_sql(
            f"SELECT e.event_id AS case_id, e.event_id AS handover_id, 'police-east' AS to_agency, "
            f"{stand.chance.choice((texts, lists))} FROM events e"
        )
    )


def certificate(stand: Stand) -> Response:
    """Ask for the certificate of a case of very many events, or of one of its things."""
    item = stand.chance.choice(("", "?item_id=thing-1"))
    return stand.read(f"/api/v1/cases/{CASE}/certificate{item}", auditor(POLICE))


def bad_lines(stand: Stand) -> Response:
    """Send as many lines as a batch may have, each refused as late as can be."""
    line = Case(f"case-{stand.chance.getrandbits(32):x}").open().last.submission
    return stand.batch(b"\n".join([line.replace(b'"signature":"0x', b'"signature":"0x00', 1)] * 1000))


def deep_body(stand: Stand) -> Response:
    """Send brackets in brackets."""
    return stand.post("/api/v1/events", b"[" * stand.chance.randrange(1000, 1024 * 1024))


def api_document(stand: Stand) -> Response:
    """Ask a hundred times for the largest answer that nobody need sign in for."""
    for _ in range(99):
        stand.read("/api/v1/openapi.json", auditor(POLICE))
    return stand.read("/api/v1/openapi.json", auditor(POLICE))


ATTACKS: tuple[Callable[[Stand], Response], ...] = (
    workbook,
    shared_strings,
    many_rows,
    usual_rows,
    wide_rows,
    one_cell,
    json_rows,
    long_model,
    many_examples,
    endless_query,
    many_results,
    long_cells,
    certificate,
    bad_lines,
    deep_body,
    api_document,
)


def _xlsx(rows: str, strings: str = "<sst/>") -> bytes:
    """Make a workbook of one sheet with these rows under the heading ``a``."""
    book, plain, stream = Workbook(), io.BytesIO(), io.BytesIO()
    book.active.append(["a"])
    book.save(plain)
    with (
        zipfile.ZipFile(plain) as archive,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as spoiled,
    ):
        for name in archive.namelist():
            part = archive.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                heading = "<row><c t='inlineStr'><is><t>a</t></is></c></row>"
                start, end = part.index("<sheetData>"), part.index("</sheetData>")
                part = f"{part[:start]}<sheetData>{heading}{rows}{part[end:]}"
            elif name == "xl/sharedStrings.xml" and strings != "<sst/>":
                part = strings.replace(
                    "<sst>", '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                )
            spoiled.writestr(name, part)
    return stream.getvalue()


# -- the campaign ------------------------------------------------------------------------------------------------------


@contextmanager
def stand_with(events: int, chance: random.Random) -> Iterator[Stand]:
    """Run a service whose procuratorate has a case of so many events."""
    officers = (clerk(POLICE), auditor(POLICE), analyst(PROCURATORATE), auditor(PROCURATORATE))
    with tempfile.TemporaryDirectory(prefix="tallystick-resources-") as folder:
        settings = Settings(public_url="https://ledger.test", data_dir=Path(folder) / "data")
        workers = WorkerPool(settings.worker_processes, work_limits(settings))
        with open_ledger(sqlite_url(Path(folder)), definitions=ModelDefinitions(workers)) as ledger:
            ledger.found(*officers)
            with serving_ledger(ledger, no_chain, settings, workers) as served:
                stand = Stand(served, workers, chance)
                stand.fill(events)
                for officer in officers:
                    served.token(officer)
                stand.run_model(SOUND)
                try:
                    yield stand
                finally:
                    workers.close()


def attacked(stand: Stand, attack: Callable[[Stand], Response], idle_kb: int) -> AttackResult:
    """Make the attack, and return what it came to."""
    stand.begin()
    response = attack(stand)
    used = stand.workers.last_used
    kind = response.headers.get("content-type", "")
    code = response.json()["code"] if kind == "application/problem+json" else ""
    worker, cpu = (0.0, 0.0) if used is None else ((used.memory_kb - idle_kb) / 1024, used.cpu_s)
    return AttackResult(attack.__name__, response.status_code, code, stand.seconds, stand.grown_kb / 1024, worker, cpu)


def idle_worker(workers: WorkerPool) -> int:
    """Return the kilobytes of a worker process that does nothing; both are started then."""
    with workers.turn(POLICE) as first, workers.turn(POLICE) as second:
        first.run(len, "")
        second.run(len, "")
    assert workers.last_used is not None
    return workers.last_used.memory_kb


def _memory(name: str) -> int:
    """Return the kilobytes of this process."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:"))


def main() -> int:
    options = command_line(__doc__, rounds=3, seed=1, events=3000, seconds=5.0, megabytes=256).parse_args()
    chance, faults, count = random.Random(options.seed), list[str](), 0
    with stand_with(options.events, chance) as stand:
        idle = idle_worker(stand.workers)
        for _ in range(options.rounds):
            for attack in ATTACKS:
                outcome = attacked(stand, attack, idle)
                count += 1
                faults += outcome.faults(options.seconds, options.megabytes)
                print(
                    f"{outcome.kind:16} {outcome.status} {outcome.code:18} {outcome.seconds:6.2f} s "
                    f"{outcome.grown:6.0f} MB here {outcome.worker:6.0f} MB and {outcome.cpu:5.2f} s in the worker",
                    flush=True,
                )
    for fault in faults:
        print(fault)
    print(f"{count} attacks of {len(ATTACKS)} kinds, seed {options.seed}: {len(faults)} took too much")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

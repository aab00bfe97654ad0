"""The table of refusals in docs/integration.md, by which programs branch."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from api.middleware.problems import Refused, status_of
from ledger.core.errors import TallystickError
from tests.api.service import Served
from tests.testkit.machine import REPOSITORY

OF_A_PROGRAM = (
    ("post", "/api/v1/drafts"),
    ("post", "/api/v1/events"),
    ("post", "/api/v1/events/batch"),
    ("get", "/api/v1/events"),
    ("post", "/api/v1/webhooks"),
)
RECORDING = ("core", "recording/validation.py", "recording/sequencer.py", "store/webhooks.py")
OF_THE_SERVICE = {"already_mirrored"}  # of what it records itself


def rows() -> Iterator[tuple[set[int], set[str]]]:
    """Yield the statuses and the codes of each row; no code is any code."""
    page = (REPOSITORY / "docs" / "integration.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| status \| `code` .*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    for row in table.splitlines():
        statuses, codes = row.split("|")[1:3]
        yield {int(status) for status in re.findall(r"\d{3}", statuses)}, set(re.findall(r"`(\w+)`", codes))


def raised(*places: str) -> dict[str, set[int]]:
    """Return the statuses of each code that an error is raised with in these folders and files."""
    kinds = {kind.__name__: kind for kind in subclasses(TallystickError)}
    statuses: dict[str, set[int]] = defaultdict(set)
    for place in places:
        path = REPOSITORY / place
        for file in [path] if path.is_file() else path.rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match call:
                    case ast.Call(func=ast.Name(id=name), args=[first, *_], keywords=options) if name in kinds:
                        status = first.value if kinds[name] is Refused and isinstance(first, ast.Constant) else None
                        code = next((option.value for option in options if option.arg == "code"), None)
                        if isinstance(code, ast.Constant) and (status or kinds[name] is not Refused):
                            kind = kinds[name]
                            statuses[str(code.value)].add(int(str(status or status_of(kind.__new__(kind, "")))))
    return statuses


def subclasses(kind: type[TallystickError]) -> Iterator[type[TallystickError]]:
    """Yield the kind and all that derive from it."""
    yield kind
    for derived in kind.__subclasses__():
        yield from subclasses(derived)


def test_each_code_of_the_table_is_raised_with_its_status() -> None:
    """A code that was renamed, or got another status, is noticed."""
    actual = raised("ledger", "api")
    for statuses, codes in rows():
        for code in codes:
            assert actual[code] == statuses, code


def test_the_table_has_each_conflict() -> None:
    """What to do about a conflict differs from code to code; a new one is put into the table."""
    listed = {code for statuses, codes in rows() if statuses == {409} for code in codes}
    actual = raised(*(f"ledger/{place}" for place in RECORDING))
    assert listed == {code for code, statuses in actual.items() if 409 in statuses} - OF_THE_SERVICE


def test_the_table_has_each_status_of_the_requests_of_a_program(shared: Served) -> None:
    """What a draft, a submission, the feed and a new webhook may be answered with has a row for any code."""
    paths = shared.get("/api/v1/openapi.json").json()["paths"]
    answered = {int(status) for method, path in OF_A_PROGRAM for status in paths[path][method]["responses"]}
    of_any_code = {status for statuses, codes in rows() if not codes for status in statuses}
    assert answered - {409} <= of_any_code

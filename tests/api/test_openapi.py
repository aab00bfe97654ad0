"""The OpenAPI document and its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validate

from api.routes.submissions import example_submission
from ledger.config.settings import Settings
from ledger.core.events import EVENT_TYPES, decode_submission
from tests.api.conftest import serving
from tests.api.service import Served, problem

METHODS = {"get", "post", "put", "delete", "patch"}


@pytest.fixture(scope="module")
def document(shared: Served) -> dict[str, Any]:
    """Return the served document."""
    answer: dict[str, Any] = shared.get("/api/v1/openapi.json").json()
    return answer


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield f"{method} {path}", operation


def test_every_operation_says_what_it_does_and_how_it_refuses(document: dict[str, Any]) -> None:
    """A summary, an id of its own, a schema of its answer, and problems with a hint."""
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["tags"], name
        good = [response for status, response in operation["responses"].items() if status.startswith("2")]
        assert all(response.get("content") for response in good), name
        refusals = {
            status: response for status, response in operation["responses"].items() if not status.startswith("2")
        }
        assert "429" in refusals, name
        for status, response in refusals.items():
            if (name, status) != ("get /readyz", "503"):
                assert list(response["content"]) == ["application/problem+json"], name


def test_the_next_of_a_page_is_of_the_type_of_after(document: dict[str, Any]) -> None:
    """Where the cursor is sealed both are text; of some public lists both are numbers."""
    kinds: set[str] = set()
    for name, operation in operations(document):
        after = next((each["schema"] for each in operation.get("parameters", ()) if each["name"] == "after"), None)
        schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if after is not None and "next" in schema.get("properties", {}):
            expected = {each["type"] for each in after.get("anyOf", [after])} - {"null"}
            assert {schema["properties"]["next"]["type"]} == expected, name
            kinds |= expected
    assert kinds == {"string", "integer"}


def test_every_parameter_is_explained(document: dict[str, Any]) -> None:
    """Whoever reads the page is told what goes in; what must be given has an example of its form."""
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{name}: {parameter['name']}"
            if parameter["in"] == "path":
                validate(parameter["schema"], parameter["example"])


def test_every_event_type_has_its_schema(document: dict[str, Any]) -> None:
    """The document speaks of the very types that are signed."""
    payload = document["components"]["schemas"]["Submission"]["properties"]["payload"]
    assert [alternative["title"] for alternative in payload["anyOf"]] == [*EVENT_TYPES]
    for alternative in payload["anyOf"]:
        schema = document["components"]["schemas"][alternative["$ref"].rpartition("/")[2]]
        assert {"body", "occurred_at", "officer", "salt"} <= set(schema["required"])


def test_nothing_is_offered_that_a_submission_may_not_have(document: dict[str, Any]) -> None:
    """What the canonical form leaves out has no default, and is never null: generated clients fill defaults in."""
    schemas = document["components"]["schemas"]
    waiting, reached = ["Submission"], set()
    while waiting:
        if (name := waiting.pop()) in reached:
            continue
        reached.add(name)
        schema = schemas[name]
        waiting += re.findall(r"#/components/schemas/(\w+)", str(schema))
        for part, form in schema.get("properties", {}).items():
            assert "default" not in form, f"{name}.{part}"
            may_be_null = {"type": "null"} in form.get("anyOf", [])
            assert part in schema["required"] or not may_be_null, f"{name}.{part}"
    assert len(reached) > len(EVENT_TYPES)


def test_patterns_are_those_of_other_languages(document: dict[str, Any]) -> None:
    """No pattern needs Python to be read."""
    patterns = re.findall(r'"pattern": ?"([^"]*)"', str(document).replace("'", '"'))
    assert patterns
    assert not [pattern for pattern in patterns if "(?!" in pattern]


def test_the_example_is_a_submission() -> None:
    """In its one spelling, whole and consistent; only its signature is made up."""
    assert decode_submission(example_submission()).event.event_type == "handover.offered"


def test_the_page_loads_nothing_from_elsewhere(shared: Served) -> None:
    """Script, style and icon are of this host, and the policy lets nothing else in."""
    page = shared.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    for source in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert shared.get(source).status_code == 200, source
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_page_can_be_switched_off(tmp_path: Path) -> None:
    """In production the page is not there. The document is: it has no secret, and refusals send their readers to it."""
    with serving(tmp_path, Settings(documentation=False)) as served:
        for path in ("/docs", "/docs/start.js"):
            problem(served.get(path), 404, "not_found")
        refused = problem(served.get("/api/v1/log/inclusion/x"), 400, "malformed_input", "index")
        assert "/api/v1/openapi.json" in refused["hint"]
        assert served.get("/api/v1/openapi.json").status_code == 200

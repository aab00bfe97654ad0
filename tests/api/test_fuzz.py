"""Random requests by the OpenAPI document: no answer is a fault, and each is one that the document tells."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, SerializationContext
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.api.service import Served
from tests.testkit import casework
from tests.testkit.builders import POLICE, clerk

EXAMPLES = 2  # of each operation; --hypothesis-profile long tries 200
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def lines(_context: SerializationContext, value: object) -> bytes:
    """Return text as it is."""
    return str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def fuzzed(shared: Served) -> Served:
    """Return a service with something in it."""
    shared.record(casework.Case().open().register("phone"))
    shared.publish()
    return shared


@pytest.fixture(scope="module")
def operations(fuzzed: Served) -> list[APIOperation]:
    """Return the operations of the document."""
    schema = schemathesis.openapi.from_dict(fuzzed.get("/api/v1/openapi.json").json())
    return [result.ok() for result in schema.get_all_operations()]


def test_no_request_makes_the_service_fail(fuzzed: Served, operations: list[APIOperation]) -> None:
    """No 5xx but that a part is away, and every answer has the type and form that the document tells of it.

    What fits the document's schemas is never malformed. Left out of that is what no schema can tell: submissions, with
    their canonical bytes and equal fields; acts, whose fields are those of the event type that they name; the cursor
    ``after``, which is the service's own word; names of tiles, whose slashes a client made from the document escapes;
    and texts with a NUL, which the document rules out in words.
    """
    assert len(operations) > 30
    for operation in operations:
        taken = str(operation.definition.raw.get("requestBody"))
        tells_form = operation.path != "/tile/{name}" and "Submission" not in taken and "ActToDraft" not in taken
        _send_some(fuzzed, operation, tells_form)


def _send_some(served: Served, operation: APIOperation, tells_form: bool) -> None:
    long = settings.get_current_profile_name() == "long"

    @settings(
        max_examples=200 if long else EXAMPLES,
        deadline=None,
        derandomize=not long,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def send(case: Case) -> None:
        headers = dict(case.headers or {}) | served.token(clerk(POLICE))
        sent = case.as_transport_kwargs(base_url="https://ledger.test", headers=headers)
        sent.pop("cookies", None)
        method, url = sent.pop("method"), sent.pop("url")
        answer = served.request(method, url, **sent)
        if answer.status_code != 503:
            case.validate_response(answer, checks=CHECKS)
        if tells_form and answer.status_code == 400 and "\\x00" not in repr((case.query, case.body)):
            (sent.get("params") or {}).pop("after", None)
            answer = served.request(method, url, **sent)
            assert answer.status_code != 400, f"{operation.label}: {answer.text}"

    send()

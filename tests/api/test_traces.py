"""Traces: what a collector of OpenTelemetry receives of a request, and what it must not receive."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from api.app import create_app
from api.middleware.tracing import RequestTracer
from tests.api.conftest import SETTINGS
from tests.api.service import JSON, Served
from tests.testkit.builders import clerk
from tests.testkit.casework import Case
from tests.testkit.machine import listening

STEPS = ["validate", "queue", "commit", "publish"]
THEIRS = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{THEIRS}-b7ad6b7169203331-01"}


class Collected:
    """What a collector on this machine has received, and the lines of the request log."""

    def __init__(self, served: Served, tracer: RequestTracer):
        self.bodies: list[bytes] = []
        self.lines: list[dict[str, Any]] = []
        self._served = served
        self._tracer = tracer

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request through the whole application, from this machine."""
        app = create_app(
            self._served.parts,
            write_log=lambda event, **fields: self.lines.append(fields),
            tracer=self._tracer,
        )

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://ledger.test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def spans(self) -> list[Span]:
        """All spans that came, once the service has sent what it has, by their beginnings."""
        self._tracer.close()
        requests = map(ExportTraceServiceRequest.FromString, self.bodies)
        groups = [group for request in requests for group in request.resource_spans]
        spans = [span for group in groups for scope in group.scope_spans for span in scope.spans]
        return sorted(spans, key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))


@contextmanager
def collecting(served: Served, share: float = 1.0) -> Iterator[Collected]:
    """A collector, and requests that are traced for it."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep silent."""

    with listening(Collector) as url, closing(RequestTracer(f"{url}/v1/traces", share)) as tracer:
        collected = Collected(served, tracer)
        collected.bodies = bodies
        yield collected


def attributes(span: Span) -> dict[str, object]:
    return {
        pair.key: pair.value.int_value if pair.value.HasField("int_value") else pair.value.string_value
        for pair in span.attributes
    }


def test_a_submission_is_a_span_with_its_steps(served: Served) -> None:
    """Each below the request's, in their order, without a gap between writer and answer; the log has the trace's id."""
    with collecting(served) as collected:
        answer = collected.request("POST", "/api/v1/events", content=Case().open().last.submission, headers=JSON)
        assert answer.status_code == 201
        spans = {span.name: span for span in collected.spans()}
    whole = spans.pop("POST /api/v1/events")
    assert attributes(whole) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/events",
        "http.response.status_code": 201,
    }
    assert sorted(spans) == sorted(STEPS)
    steps = [spans[name] for name in STEPS]
    assert {step.parent_span_id for step in steps} == {whole.span_id}
    moments = [moment for step in steps for moment in (step.start_time_unix_nano, step.end_time_unix_nano)]
    assert moments == sorted(moments)
    assert moments[1:-1:2] == moments[2::2][: len(moments[1:-1:2])]
    assert whole.start_time_unix_nano <= moments[0]
    assert moments[-1] <= whole.end_time_unix_nano
    assert [line["trace"] for line in collected.lines] == [whole.trace_id.hex()]


def test_what_is_repeated_or_refused_is_not_committed(served: Served) -> None:
    """Its spans are the request and the validation; a defect or an outage is marked as an error, a refusal is none."""
    case = served.record(Case().open())
    with collecting(served) as collected:
        collected.request("POST", "/api/v1/events", content=case.last.submission, headers=JSON)
        collected.request("POST", "/api/v1/events", content=b"{}", headers=JSON)
        served.ledger.sequencer.stop()
        collected.request("POST", "/api/v1/events", content=Case("case-2").open().last.submission, headers=JSON)
        spans = collected.spans()
    assert [span.name for span in spans if span.name != "POST /api/v1/events"] == ["validate"] * 3
    whole = [span for span in spans if span.name == "POST /api/v1/events"]
    assert [attributes(span)["http.response.status_code"] for span in whole] == [200, 400, 503]
    assert [span.status.code for span in whole] == [0, 0, 2]


def test_a_bulk_request_has_the_steps_of_its_batches(served: Served) -> None:
    """Once for each batch, not for each event."""
    lines = b"\n".join(Case(f"case-{number}").open().last.submission for number in range(20))
    kind = {"content-type": "application/x-ndjson"}
    with collecting(served) as collected:
        answer = collected.request("POST", "/api/v1/events/batch?all_or_none=true", content=lines, headers=kind)
        assert answer.status_code == 201
        names = [span.name for span in collected.spans()]
    assert sorted(names) == sorted([*STEPS, "POST /api/v1/events/batch"])


def test_no_id_name_or_token_leaves_the_service(served: Served) -> None:
    """Of paths, queries, headers and bodies nothing is in what is sent."""
    served.record(Case("case-secret-7").open())
    token = served.token(clerk("police-east"))
    with collecting(served) as collected:
        collected.request(
            "GET", "/api/v1/cases/case-secret-7?as=secret-query", headers=token | {"x-request-id": "secret-9"}
        )
        collected.request("GET", "/secret/nowhere")
        collected.request("SECRET", "/healthz")
        names = {span.name for span in collected.spans()}
        sent = b"".join(collected.bodies)
    assert names == {"GET /api/v1/cases/{case_id}", "GET other", "other /healthz"}
    for text in (b"secret", b"SECRET", b"police", token["authorization"].removeprefix("Bearer ").encode()):
        assert text not in sent


@pytest.mark.parametrize("proxies", ["", "127.0.0.0/8"])
def test_a_trace_is_continued_for_trusted_proxies_alone(served: Served, proxies: str) -> None:
    """Whoever else sends a traceparent gets a trace of its own."""
    object.__setattr__(served.parts, "settings", SETTINGS.model_copy(update={"trusted_proxies": proxies}))
    with collecting(served, share=1.0 if not proxies else 0.0) as collected:
        collected.request("GET", "/healthz", headers=PARENT)
        collected.request("GET", "/healthz", headers=PARENT | {"traceparent": "no trace at all"})
        spans = collected.spans()
    if proxies:  # of its own this service traces nothing here
        assert [span.trace_id.hex() for span in spans] == [THEIRS]
    else:
        assert len(spans) == 2
        assert THEIRS not in {span.trace_id.hex() for span in spans}


def test_a_collector_that_is_away_costs_nobody_an_answer(served: Served) -> None:
    """The request is answered; what was to be sent is dropped."""
    tracer = RequestTracer("http://127.0.0.1:9/v1/traces", 1.0)
    collected = Collected(served, tracer)
    assert collected.request("GET", "/healthz").status_code == 200
    tracer.close()


def test_without_the_packages_it_is_said_how_to_get_them() -> None:
    """Where only the service's own packages are installed, a service that is to trace says so, with the setting."""
    program = (
        "import sys\n"
        "sys.modules['opentelemetry.sdk'] = sys.modules['opentelemetry.exporter'] = None\n"
        "from api.middleware.tracing import RequestTracer\n"
        "from ledger.core.errors import MalformedInput\n"
        "try:\n    RequestTracer('http://127.0.0.1:4318/v1/traces', 1.0)\n"
        "except MalformedInput as error:\n    print(error.field, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("traces_url ")
    assert "traces.txt" in done.stdout

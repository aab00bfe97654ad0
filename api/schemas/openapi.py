"""The OpenAPI document: paths from the routes, schemas from the types of events and answers.

Also the page that shows it. Its script and style are served from here, out of a package that contains them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from threading import Lock
from types import GenericAlias
from typing import Any, NamedTuple, TypeVar

import msgspec
from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from api.middleware.problems import HINTS, MEDIA_TYPE, Problem
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, Payload, Submission

DOCUMENT = "/api/v1/openapi.json"
PAGE = "/docs"
_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_REF = "#/components/schemas/{name}"
_JSON = "application/json"

# Description and example of parameters by name; the page fills the example in if the parameter is required.
_PARAMETERS = {
    "number": ("number of the scan in its stocktake", "3"),
    "case_id": ("id of the case", "case-7f3a"),
    "item_id": ("id of the item", "item-7f3a-01"),
    "person_id": ("pseudonym of the person", "5f" * 16),
    "handover_id": ("id of the handover, unique within its case", "handover-1"),
    "letter_id": ("id of the letter, unique within its case", "letter-1"),
    "dataset_id": ("id of the data set", "pensions-2026"),
    "event_id": ("id of the event", "01940000-0000-7000-8000-000000000000"),
    "agency_id": ("id of the agency", "psb-east"),
    "agency": ("whose they are, if not your agency's", "procuratorate-east"),
    "lead_id": ("id of the lead", "lead-" + "5f" * 16),
    "model_id": ("id of the model", "item-not-handed-over"),
    "recommendation_id": ("id of the recommendation", "2026-7-east"),
    "version": ("version of the model", "1"),
    "stocktake_id": ("id of the stocktake", "stocktake-7f3a90c1d2"),
    "webhook_id": ("id of the webhook", "webhook-7f3a90c1d25e4b68"),
    "holder": ("only what this agency holds", "psb-east"),
    "responsible": ("only what this agency answers for", "psb-east"),
    "stage": ("only cases at this stage", "investigation"),
    "other": ("another model to compare with", "third-return"),
    "to": ("the node to find the way to", "case:case-7f3b"),
    "digest": ("digest of the canonical form of a package", "blake3:" + "00" * 32),
    "business_line": ("only cases of this line", "criminal"),
    "box": ("what is offered to you, or by you", "inbox"),
    "status": ("only handovers of this status", "offered"),
    "withhold": ("leave the payload out, or the sections", "sections"),
    "source_key": ("only the row of this key", "A-2026-117"),
    "source_system": ("only rows of this system", "police-cases"),
    "after": ("`next` of the page before, as it is", "Zm9yIGV4YW1wbGUgb25seQ"),
    "index": ("index of the entry, from 0", "0"),
    "name": ("level and number of the tile", "0/000.p/1"),
}

OF_A_BODY = (408, 413, 415)  # refusals of what a request carries

_documented: dict[str, type] = {}  # types of bodies by name, added as routes are declared


class Paged(NamedTuple):
    """The answer ``{key: [entry, ...], next: ...}``; a cursor is text, the number of an entry of a public list none."""

    key: str
    entry: type
    following: str = "string"


def answers(body: type | Paged, *refusals: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the responses of an operation: its answer, and the problems that it may end in."""
    schema: dict[str, Any] = _ref(body.entry if isinstance(body, Paged) else body)
    if isinstance(body, Paged):
        following = {"description": "`after` of the next page, if any; that may be empty", "type": body.following}
        resume = {"description": "where a list that grows at its end goes on, if it says so", "type": "string"}
        fields = {body.key: {"type": "array", "items": schema}, "next": following, "resume": resume}
        schema = {"type": "object", "required": [body.key], "properties": fields}
    success = {"description": HTTPStatus(status).phrase, "content": {_JSON: {"schema": schema}}}
    return {status: success, **problems(*refusals)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problem responses of these statuses, each with what to do about it."""
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}. {HINTS[status]}",
            "content": {MEDIA_TYPE: {"schema": _ref(Problem)}},
        }
        for status in statuses
    }


Handler = TypeVar("Handler", bound=Callable[..., Any])


class Routes(APIRouter):
    """A router whose routes are documented by what they take and answer, and by the statuses of their refusals.

    ``refusals`` are those of all of its routes; each names its further ones. ``asks_first`` is a dependency by which
    all of them refuse who may not use them, before a body is read. Below a prefix they take no unknown parameter. Tiles
    and checkpoints have no prefix and take anything, since programs of other projects read them.
    """

    def __init__(
        self, *refusals: int, prefix: str = "", asks_first: Callable[..., object] | None = None, **options: Any
    ):
        first = [Depends(asks_first)] if asks_first else []
        strict = [Depends(require_known_parameters)] if prefix else []
        super().__init__(prefix=prefix, dependencies=first + strict, **options)
        self._refusals = refusals

    def reads(
        self, path: str, summary: str, body: type | Paged, *refusals: int, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Declare a GET that answers JSON."""
        return self.get(path, summary=summary, responses=answers(body, *self._refusals, *refusals), **options)

    def files(
        self, path: str, summary: str, file: dict[str, Any], *refusals: int, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Declare a GET that answers a file, which ``file`` describes."""
        success: dict[int | str, dict[str, Any]] = {200: file}
        return self.get(
            path,
            summary=summary,
            responses=success | problems(*self._refusals, *refusals),
            response_class=Response,
            **options,
        )

    def posts(
        self,
        path: str,
        summary: str,
        request: type,
        body: type | Paged,
        *refusals: int,
        status: int = 200,
        **options: Any,
    ) -> Callable[[Handler], Handler]:
        """Declare a POST that takes and answers JSON."""
        responses = answers(body, *self._refusals, *refusals, status=status)
        documented: dict[str, Any] = {"responses": responses, "openapi_extra": takes(request)}
        return self.post(path, summary=summary, status_code=status, **documented, **options)


def require_known_parameters(request: Request) -> None:
    """Raise MalformedInput for a query parameter that the route does not take, naming the nearest that it takes.

    A client that sends one believes that it narrows the answer.
    """
    require_parameters_among(sorted(set(_parameter_names(request.scope["route"].dependant))), request.query_params)


def require_parameters_among(names: Sequence[str], parameters: Iterable[str]) -> None:
    """Raise MalformedInput for one of the ``parameters`` of a query that is not among ``names``."""
    for name in parameters:
        if name not in names:
            expected = ", ".join(get_close_matches(name, names, 1) or names) or "none"
            raise MalformedInput(
                "there is no parameter {name!r} here, expected {expected}", name=name, expected=expected, field=name
            )


def _parameter_names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameter_names(dependency)


def takes(body: type) -> dict[str, Any]:
    """Return the request body of an operation."""
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": _ref(body)}}}}


def install(app: FastAPI, paths: Mapping[str, Any], *, with_page: bool) -> None:
    """Make the application describe its routes and ``paths``; ``with_page`` also serves a page for the document."""

    build = Lock()

    def document() -> dict[str, Any]:
        with build:  # several requests may come before it is built
            if app.openapi_schema is None:
                app.openapi_schema = _document(app, paths)
            return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
    app.router.routes.append(
        Route(DOCUMENT, lambda _request: Response(msgspec.json.encode(document()), media_type=_JSON))
    )
    if with_page:
        page = HTMLResponse(_HTML, headers={"Content-Security-Policy": _PAGE_POLICY})
        app.router.routes += [
            Route(PAGE, page, methods=["GET"]),
            Route(f"{PAGE}/start.js", Response(_SCRIPT, media_type="text/javascript"), methods=["GET"]),
            Route(f"{PAGE}/{{name}}", _asset),
        ]


def _document(app: FastAPI, paths: Mapping[str, Any]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path, operations in paths.items():
        document["paths"].setdefault(path, {}).update(operations)
    # A submission's payload is of the event type that its envelope names, which no schema can choose by.
    payloads = [GenericAlias(Payload, row.body) for row in EVENT_TYPES.values()]
    refs, components = msgspec.json.schema_components([*payloads, *_documented.values()], ref_template=_REF)
    by_type = [{"title": name, **ref} for name, ref in zip(EVENT_TYPES, refs, strict=False)]
    components[Submission.__name__]["properties"]["payload"] = {"anyOf": by_type}
    _, signed = msgspec.json.schema_components([*payloads, Submission], ref_template=_REF)
    for name in signed:
        for part in components[name].get("properties", {}).values():
            _leave_out_default(part)
    document["components"] = document.get("components", {}) | {"schemas": _in_json_schema(components)}
    too_many = {str(status): problem for status, problem in problems(429).items()}
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"] |= too_many  # each request counts against its address
            # FastAPI documents 422 for parameters, which are refused with 400 here.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
            for parameter in operation.get("parameters", ()):
                description, example = _PARAMETERS.get(parameter["name"], (None, ""))
                if description is not None:
                    parameter.setdefault("description", description)
                    if parameter.get("required"):
                        is_number = parameter["schema"].get("type") == "integer"
                        parameter["example"] = int(example) if is_number else example
    return document


def _leave_out_default(part: dict[str, Any]) -> None:
    """Let a schema not offer the value for which the canonical form leaves its part out."""
    if "default" in part and part.pop("default") is None and "anyOf" in part:
        filled = [choice for choice in part.pop("anyOf") if choice != {"type": "null"}]
        part.update(filled[0] if len(filled) == 1 else {"anyOf": filled})


def _in_json_schema(schema: Any) -> Any:
    r"""Return the schema with patterns in ECMA 262, where ``$`` matches only the end of the text, like ``$(?!\\n)``
    here."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"$(?!\n)", "$") if key == "pattern" else _in_json_schema(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_in_json_schema(entry) for entry in schema]
    return schema


def _ref(body: type) -> dict[str, str]:
    documented = _documented.setdefault(body.__name__, body)
    assert documented is body, f"two types of the API are called {body.__name__}"
    return {"$ref": _REF.format(name=body.__name__)}


# -- the page ----------------------------------------------------------------------------------------------------------

_HTML = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Tallystick</title>
<link rel="icon" href="{PAGE}/favicon.png">
<link rel="stylesheet" href="{PAGE}/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="{PAGE}/swagger-ui-bundle.js"></script>
<script src="{PAGE}/start.js"></script>
</body>
</html>
"""
_SCRIPT = f"""SwaggerUIBundle({{url: "{DOCUMENT}", dom_id: "#page", deepLinking: true, persistAuthorization: false}});
"""
_PAGE_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return Response(status_code=404)
    carried = Path(str(files("fastapi_offline"))) / "static" / name
    return FileResponse(carried, headers={"Cache-Control": "public, max-age=3600"})

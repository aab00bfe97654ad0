"""A value of any type of event, made from the type itself: a new event type or field needs no new builder."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from ledger.core.events import EVENT_TYPES, Authority, Body
from tests.testkit.builders import POLICE, SERVICE, Event, Officer, event_of, section


def sample_body(event_type: str, *, full: bool) -> Body:
    """Return the smallest body of the type, or one with every field and two elements in every list."""
    body = sample(inspect.type_info(EVENT_TYPES[event_type].body), full=full)
    return msgspec.convert(body, EVENT_TYPES[event_type].body)


def sample(kind: Any, *, full: bool) -> Any:
    """Return a value of the type as plain data. Requires that every pattern comes with an example."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            examples = (schema or {}).get("examples")
            return examples[0] if examples else sample(inner, full=full)
        case inspect.StructType(fields=fields):
            return {field.encode_name: sample(field.type, full=full) for field in fields if full or field.required}
        case inspect.UnionType(types=types):
            return sample(types[0], full=full)
        case inspect.DictType(key_type=key, value_type=value):
            return {sample(key, full=full): sample(value, full=full)}
        case inspect.VarTupleType(item_type=item, min_length=shortest):
            return [sample(item, full=full)] * max(shortest or 0, 2 if full else 0)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.IntType(ge=lowest):
            return lowest
        case inspect.BoolType():
            return True
        case inspect.StrType(pattern=None):
            return "文 text"
    raise AssertionError(f"no sample of {kind}")


def signer_of(event_type: str) -> Officer:
    """Return an officer whose roles may sign the type."""
    roles = EVENT_TYPES[event_type].roles
    return Officer(f"{POLICE}-x", POLICE, roles[:1]) if roles else SERVICE


def sample_event(event_type: str, *, full: bool) -> Event:
    """Return an event of such a body by such an officer; the full one has an authority and two sections."""
    fields: dict[str, Any] = {}
    if full or EVENT_TYPES[event_type].on_authority:
        fields["authority"] = Authority(authorization_type="warrant", authorization_identifier="2026-12")
    sections = {"narrative": section(), "person:1": section("person:1", name="甲")} if full else None
    return event_of(sample_body(event_type, full=full), signer_of(event_type), sections=sections, **fields)

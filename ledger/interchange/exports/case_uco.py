"""CASE 1.5 / UCO: a case as JSON-LD in the words of digital forensics (https://caseontology.org), context included.

Each event is an investigative action of its agency; an item's registration and each acceptance of it has a provenance
record. No term of CASE 1.5 is for money: a sum is an event about its item, whose attributes the ontology leaves open.
Ids are UUIDs derived from ours: the same export gives the same graph, and two cases name an agency alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from ledger.core.custody import CaseState, Item
from ledger.core.events import Authority
from ledger.core.events.terms import Money
from ledger.core.messages import plain
from ledger.i18n.amounts import money_in_words
from ledger.timeline.case_history import CaseTimeline, TimelineStep

Node = dict[str, Any]
_UCO = "https://ontology.unifiedcyberontology.org/uco"
CONTEXT: Final = {
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    **{f"uco-{part}": f"{_UCO}/{part}/" for part in ("action", "core", "identity", "observable", "types")},
}
_NAMESPACE = UUID("6d1a9b52-7c0e-4c36-9c53-2f6a1f0f7f2b")
# Of objects, not objects themselves.
_PARTS = ("uco-observable:ContentDataFacet", "uco-types:Hash", "uco-types:Dictionary", "uco-types:DictionaryEntry")
_METHODS = {"sha256": "SHA256", "sm3": "SM3", "blake3": "BLAKE3"}


def case_uco(timeline: CaseTimeline, names: Callable[[str], str]) -> bytes:
    """Return the graph of one case as JSON-LD; ``names`` gives the name of an agency by its id."""
    nodes = {node["@id"]: node for node in _nodes(timeline, names)}
    bundle = {
        "@id": _id("bundle", timeline.state.case_id),
        "@type": "uco-core:Bundle",
        "uco-core:name": timeline.state.case_id,
        "uco-core:object": [_ref(node_id) for node_id, node in nodes.items() if node["@type"] not in _PARTS],
    }
    return msgspec.json.encode({"@context": CONTEXT, "@graph": [bundle, *nodes.values()]}, enc_hook=plain)


def _nodes(timeline: CaseTimeline, names: Callable[[str], str]) -> Iterator[Node]:
    state, steps = timeline.state, timeline.steps
    bodies = [(step, msgspec.json.decode(step.body)) for step in steps]
    registered = {body["item_id"]: body for _, body in bodies if "item_kind" in body}
    authorities = dict.fromkeys(step.authority for step in steps if step.authority is not None)
    yield {
        "@id": _id("investigation", state.case_id),
        "@type": "case-investigation:Investigation",
        "uco-core:name": state.numbers.get(state.opened_by, state.case_id),
        "case-investigation:focus": state.case_type,
        "case-investigation:investigationForm": "case",
        "case-investigation:investigationStatus": state.stage,
        "uco-core:startTime": _time(state.opened_at),
        "case-investigation:relevantAuthorization": [_ref(_authority_id(authority)) for authority in authorities],
        "uco-core:object": [_ref(_id("event", step.event_id)) for step in steps],
    }
    for authority in authorities:
        yield {
            "@id": _authority_id(authority),
            "@type": "case-investigation:Authorization",
            "case-investigation:authorizationType": authority.authorization_type,
            "case-investigation:authorizationIdentifier": authority.authorization_identifier,
        }
    parties = {agency for handover in state.handovers.values() for agency in handover.parties}
    for agency in sorted(state.agencies | parties | {step.agency for step in steps}):
        yield {"@id": _id("agency", agency), "@type": "uco-identity:Organization", "uco-core:name": names(agency)}
    for person_id in sorted({person_id for step in steps for person_id in step.person_ids}):
        yield {"@id": _id("person", person_id), "@type": "uco-identity:Person", "uco-core:name": person_id}
    for item in state.items.values():
        yield from _item(item)
        if item.money is not None:
            yield from _sum(item.item_id, item.money)
    for step, body in bodies:
        yield from _provenance(step, state, registered)
        yield _action(step, body, state)


def _item(item: Item) -> Iterator[Node]:
    """Yield an item with its digests: what has some is data that can be observed; anything else is a thing."""
    node: Node = {
        "@id": _id("item", item.item_id),
        "@type": "uco-observable:ObservableObject" if item.digests else "uco-core:Item",
        "uco-core:name": item.item_id,
        "uco-core:description": item.description,
        "uco-core:tag": item.kind,
    }
    if not item.digests:
        yield node
        return
    yield node | {"uco-core:hasFacet": [_ref(_id("facet", item.item_id))]}
    yield {
        "@id": _id("facet", item.item_id),
        "@type": "uco-observable:ContentDataFacet",
        "uco-observable:hash": [_ref(_id("hash", digest)) for digest in item.digests],
    }
    for digest in item.digests:
        algorithm, _, value = digest.partition(":")
        yield {
            "@id": _id("hash", digest),
            "@type": "uco-types:Hash",
            "uco-types:hashMethod": _METHODS[algorithm],
            "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": value.upper()},
        }


def _sum(item_id: str, money: Money) -> Iterator[Node]:
    """Yield the sum that an item is, in the main unit of its currency (ISO 4217)."""
    amount, _, currency = money_in_words(money.amount, money.currency).partition(" ")
    stated = {"amount": amount, "currency": currency}
    yield {
        "@id": _id("sum", item_id),
        "@type": "uco-core:Event",
        "uco-core:eventType": "sum",
        "uco-core:eventContext": [_ref(_id("item", item_id))],
        "uco-core:eventAttribute": [_ref(_id("attributes", item_id))],
    }
    yield {
        "@id": _id("attributes", item_id),
        "@type": "uco-types:Dictionary",
        "uco-types:entry": [_ref(_id(f"attribute {key}", item_id)) for key in stated],
    }
    for key, value in stated.items():
        yield {
            "@id": _id(f"attribute {key}", item_id),
            "@type": "uco-types:DictionaryEntry",
            "uco-types:key": key,
            "uco-types:value": value,
        }


def _provenance(step: TimelineStep, state: CaseState, registered: dict[str, Node]) -> Iterator[Node]:
    """Yield a record for each item that got a holder by the event."""
    for item_id in _received(step):
        parents = state.items[item_id].parents
        number = registered.get(item_id, {}).get("exhibit_number")
        parent_numbers = (registered.get(parent, {}).get("exhibit_number") for parent in parents)
        roots = [parent_number for parent_number in parent_numbers if parent_number is not None]
        node: Node = {
            "@id": _id("provenance", f"{step.event_id} {item_id}"),
            "@type": "case-investigation:ProvenanceRecord",
            "uco-core:description": step.sentence,
            "uco-core:object": [_ref(_id("item", item_id))],
            "case-investigation:rootExhibitNumber": roots or ([number] if number else []),
        }
        yield node | ({"case-investigation:exhibitNumber": number} if number else {})


def _received(step: TimelineStep) -> list[str]:
    held = [change.what.removeprefix("holder of ") for change in step.changes if change.what.startswith("holder of ")]
    return [item_id for item_id in held if item_id in step.item_ids]


def _action(step: TimelineStep, body: Node, state: CaseState) -> Node:
    handover = state.handovers.get(body.get("handover_id", ""))
    others = [agency for agency in handover.parties if agency != step.agency] if handover else []
    about = [_id("item", item_id) for item_id in step.item_ids]
    about += [_id("person", person_id) for person_id in step.person_ids]
    return {
        "@id": _id("event", step.event_id),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": step.event_type,
        "uco-core:description": step.sentence,
        "uco-action:startTime": _time(step.occurred_at),
        "uco-action:endTime": _time(step.occurred_at),
        "uco-action:performer": _ref(_id("agency", step.agency)),
        "uco-action:participant": [_ref(_id("agency", agency)) for agency in others],
        "uco-action:object": [_ref(node_id) for node_id in about],
        "uco-action:result": [_ref(_id("provenance", f"{step.event_id} {item_id}")) for item_id in _received(step)],
    }


def _id(kind: str, name: str) -> str:
    return f"urn:uuid:{uuid5(_NAMESPACE, f'{kind} {name}')}"


def _authority_id(authority: Authority) -> str:
    return _id("authority", f"{authority.authorization_type} {authority.authorization_identifier}")


def _ref(node_id: str) -> Node:
    return {"@id": node_id}


def _time(instant: str) -> Node:
    return {"@type": "xsd:dateTime", "@value": instant}

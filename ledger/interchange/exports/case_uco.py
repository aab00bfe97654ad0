"""CASE 1.5 / UCO: a case as JSON-LD in the words of digital forensics (https://caseontology.org), context included.

Each event is an investigative action of its agency; an item's registration and each acceptance of it has a provenance
record. Ids are UUIDs derived from ours: the same export gives the same graph, and two cases name an agency alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from ledger.core.custody import CaseState, Item
from ledger.core.events import Authority
from ledger.timeline import Chronicle, TimelineStep

Node = dict[str, Any]
_UCO = "https://ontology.unifiedcyberontology.org/uco"
CONTEXT: Final = {
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": f"{_UCO}/action/",
    "uco-core": f"{_UCO}/core/",
    "uco-identity": f"{_UCO}/identity/",
    "uco-observable": f"{_UCO}/observable/",
    "uco-types": f"{_UCO}/types/",
}
_NAMESPACE = UUID("6d1a9b52-7c0e-4c36-9c53-2f6a1f0f7f2b")
_INHERENT = ("uco-observable:ContentDataFacet", "uco-types:Hash")  # parts of objects, not objects themselves
_METHODS = {"sha256": "SHA256", "sm3": "SM3", "blake3": "BLAKE3"}


def case_uco(chronicle: Chronicle, names: Callable[[str], str] = str) -> bytes:
    """The graph of one case as JSON-LD; ``names`` gives the name of an agency by its id."""
    nodes = {node["@id"]: node for node in _nodes(chronicle, names)}
    bundle = {
        "@id": _id("bundle", chronicle.state.case_id),
        "@type": "uco-core:Bundle",
        "uco-core:name": chronicle.state.case_id,
        "uco-core:object": [_ref(node_id) for node_id, node in nodes.items() if node["@type"] not in _INHERENT],
    }
    return msgspec.json.encode({"@context": CONTEXT, "@graph": [bundle, *nodes.values()]})


def _nodes(chronicle: Chronicle, names: Callable[[str], str]) -> Iterator[Node]:
    state = chronicle.state
    registered = {body["item_id"]: body for _, body in _bodies(chronicle) if "item_kind" in body}
    authorities = dict.fromkeys(step.authority for step in chronicle.steps if step.authority is not None)
    yield _investigation(chronicle, tuple(authorities))
    yield from map(_authorization, authorities)
    parties = {one for made in state.handovers.values() for one in made.parties}
    for agency in sorted(state.agencies | parties | {step.agency for step in chronicle.steps}):
        yield {"@id": _agency(agency), "@type": "uco-identity:Organization", "uco-core:name": names(agency)}
    for person_id in sorted({one for step in chronicle.steps for one in step.person_ids}):
        yield {"@id": _id("person", person_id), "@type": "uco-identity:Person", "uco-core:name": person_id}
    for item in state.items.values():
        yield _item(item)
        yield from _digests(item)
    for step, body in _bodies(chronicle):
        yield from _provenance(step, state, registered)
        yield _action(step, body, state)


def _bodies(chronicle: Chronicle) -> Iterator[tuple[TimelineStep, Node]]:
    return ((step, msgspec.json.decode(step.body)) for step in chronicle.steps)


def _investigation(chronicle: Chronicle, authorities: tuple[Authority, ...]) -> Node:
    state = chronicle.state
    return {
        "@id": _id("investigation", state.case_id),
        "@type": "case-investigation:Investigation",
        "uco-core:name": state.numbers.get(state.opened_by, state.case_id),
        "case-investigation:focus": state.case_type,
        "case-investigation:investigationForm": "case",
        "case-investigation:investigationStatus": state.stage,
        "uco-core:startTime": _time(state.opened_at),
        "case-investigation:relevantAuthorization": [_ref(_authority(one)) for one in authorities],
        "uco-core:object": [_ref(_id("event", step.event_id)) for step in chronicle.steps],
    }


def _authorization(authority: Authority) -> Node:
    return {
        "@id": _authority(authority),
        "@type": "case-investigation:Authorization",
        "case-investigation:authorizationType": authority.authorization_type,
        "case-investigation:authorizationIdentifier": authority.authorization_identifier,
    }


def _item(item: Item) -> Node:
    """Of what has digests the content is data that can be looked at; anything else is a thing."""
    node: Node = {
        "@id": _id("item", item.item_id),
        "@type": "uco-observable:ObservableObject" if item.digests else "uco-core:Item",
        "uco-core:name": item.item_id,
        "uco-core:description": item.description,
        "uco-core:tag": item.kind,
    }
    if item.digests:
        node["uco-core:hasFacet"] = [_ref(_id("facet", item.item_id))]
    return node


def _digests(item: Item) -> Iterator[Node]:
    if not item.digests:
        return
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


def _provenance(step: TimelineStep, state: CaseState, registered: dict[str, Node]) -> Iterator[Node]:
    """A record for each item that the event brought into somebody's hands."""
    for item_id in _received(step):
        parents = state.items[item_id].parents
        number = registered.get(item_id, {}).get("exhibit_number")
        roots = [registered[one]["exhibit_number"] for one in parents if "exhibit_number" in registered.get(one, {})]
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
    others = [one for one in handover.parties if one != step.agency] if handover else []
    about = [_id("item", one) for one in step.item_ids] + [_id("person", one) for one in step.person_ids]
    return {
        "@id": _id("event", step.event_id),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": step.event_type,
        "uco-core:description": step.sentence,
        "uco-action:startTime": _time(step.occurred_at),
        "uco-action:endTime": _time(step.occurred_at),
        "uco-action:performer": _ref(_agency(step.agency)),
        "uco-action:participant": [_ref(_agency(one)) for one in others],
        "uco-action:object": [_ref(one) for one in about],
        "uco-action:result": [_ref(_id("provenance", f"{step.event_id} {one}")) for one in _received(step)],
    }


# -- ids and values ----------------------------------------------------------------------------------------------------


def _id(kind: str, name: str) -> str:
    return f"urn:uuid:{uuid5(_NAMESPACE, f'{kind} {name}')}"


def _agency(agency_id: str) -> str:
    return _id("agency", agency_id)


def _authority(authority: Authority) -> str:
    return _id("authority", f"{authority.authorization_type} {authority.authorization_identifier}")


def _ref(node_id: str) -> Node:
    return {"@id": node_id}


def _time(instant: str) -> Node:
    return {"@type": "xsd:dateTime", "@value": instant}

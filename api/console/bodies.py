"""From a form to the body of an event. What is wrong is told by the field's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from api.console.forms import Form, whole_number
from api.console.moments import typed
from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, custody_change, handover
from ledger.core.events.case import CaseClosed, CaseOpened
from ledger.core.events.item import ItemRegistered
from ledger.recording.signing import new_id

DIFFERS, REFUSED = "differs", "refused"  # else as listed
CHECKED = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")


def opened(form: Form, _state: CaseState | None) -> Body:
    """A new case."""
    return made(CaseOpened, **form.fields("case_number", "case_type", "business_line", "stage"))


def registered(form: Form, _state: CaseState | None) -> Body:
    """An item that enters the case."""
    kind = form.get("item_kind")
    fields: dict[str, Any] = dict(
        form.fields("item_kind", "description", "exhibit_number", "condition", "seal_number", "storage_location")
    )
    fields |= {
        "item_id": form.get("item_id") or new_id("item"),
        "quantity": _quantity(form, "quantity", form.get("unit")),
    }
    fields["digests"] = form.all("digest")
    if kind == "dossier":
        fields["dossier"] = {name: _count(form, name) for name in ("volumes", "pages") if form.get(name)}
    if kind == "electronic_data":
        fields["collection"] = {"collectors": _officers(form, "collectors"), **form.fields("tool", "method")}
    if seizure := _seizure(form):
        fields["seizure"] = seizure
    return made(ItemRegistered, **fields)


def offered(form: Form, _state: CaseState | None) -> Body:
    """The sender's half of a handover."""
    return made(
        handover.HandoverOffered,
        **_on_offer(form),
        expires_at=instant_of(form, "expires_at"),
        **form.fields("to_agency", "purpose", "follows"),
    )


def returned(form: Form, _state: CaseState | None) -> Body:
    """An offer back of what an accepted handover brought."""
    return made(
        handover.HandoverReturned,
        **_on_offer(form),
        **form.fields("returns", "purpose", "reason_code", "explanation", "remedy"),
    )


def accepted(form: Form, state: CaseState | None) -> Body:
    """All as listed, except what the form says otherwise of an item."""
    offer = _offer(form, state)
    received = [_found(form, item_id, state) for item_id in offer.items if form.get(f"how:{item_id}") == DIFFERS]
    refused = [_not_accepted(form, item_id, state) for item_id in offer.items if form.get(f"how:{item_id}") == REFUSED]
    return made(
        handover.HandoverAccepted,
        handover_id=offer.handover_id,
        received_at=instant_of(form, "received_at"),
        rest_as_listed=True,
        received=received,
        not_accepted=refused,
        absent_person_ids=tuple(one for one in offer.person_ids if one in form.all("absent")),
    )


def refused(form: Form, _state: CaseState | None) -> Body:
    """A refusal of the whole."""
    times = {name: instant_of(form, name) for name in ("received_at", "due_at")}
    return made(handover.HandoverRefused, **times, **form.fields("handover_id", "reason_code", "remedy", "explanation"))


def recalled(form: Form, _state: CaseState | None) -> Body:
    """The sender takes his offer back."""
    return made(handover.HandoverRecalled, **form.fields("handover_id", "ground"))


def checked(form: Form, _state: CaseState | None) -> Body:
    """The receiver's check before the answer."""
    return made(handover.HandoverChecked, **form.fields("handover_id", *CHECKED, "remark"))


def resolved(form: Form, _state: CaseState | None) -> Body:
    """One side's signature under a resolution."""
    return made(handover.DiscrepancyResolved, **form.fields("discrepancy_id", "resolution"))


def custody_requested(form: Form, _state: CaseState | None) -> Body:
    """The new organ asks the detention house to keep the person for it."""
    said = form.fields("person_id", "handover_id", "detention_house", "number")
    return made(custody_change.CustodyChangeRequested, custody_change_id=new_id("custody"), **said)


def custody_served(form: Form, _state: CaseState | None) -> Body:
    """The detention house has the certificate."""
    served_at = instant_of(form, "served_at")
    return made(custody_change.CustodyChangeServed, served_at=served_at, **form.fields("custody_change_id"))


def closed(form: Form, _state: CaseState | None) -> Body:
    """The end of the case."""
    return made(CaseClosed, **form.fields("ground", "decision_id"))


ACTS: dict[str, Callable[[Form, CaseState | None], Body]] = {
    "open": opened,
    "register": registered,
    "offer": offered,
    "return": returned,
    "accept": accepted,
    "refuse": refused,
    "recall": recalled,
    "check": checked,
    "resolve": resolved,
    "request-custody": custody_requested,
    "serve-custody": custody_served,
    "close": closed,
}


def made(body: type[Body], **fields: Any) -> Body:
    """The body with the fields that are filled in. Raises MalformedInput, naming the field."""
    told = {name: value for name, value in fields.items() if value not in (None, (), [], {})}
    return canonical.parse(canonical.encode(told), decoder_of(body))


def _on_offer(form: Form) -> dict[str, Any]:
    """What an offer of either way says: what goes, and until when."""
    return {
        "handover_id": new_id("handover"),
        "items": list(_lines(form)),
        "person_ids": form.all("person"),
        "due_at": instant_of(form, "due_at"),
    }


def _lines(form: Form) -> Iterator[dict[str, Any]]:
    """The picked items, with what the list says of them otherwise than the record."""
    for item_id in form.all("item"):
        line: dict[str, Any] = {"item_id": item_id}
        line |= {name: text for name in ("condition", "seal_number") if (text := form.get(f"{name}:{item_id}"))}
        if form.get(f"stays:{item_id}"):
            line["stays"] = True
        yield line


def _offer(form: Form, state: CaseState | None) -> Any:
    handover_id = form.get("handover_id") or ""
    if state is None or handover_id not in state.handovers:
        raise MalformedInput("there is no such handover", field="handover_id")
    return state.handovers[handover_id]


def _found(form: Form, item_id: str, state: CaseState | None) -> dict[str, Any]:
    """What the receiver found of an item that differs."""
    line: dict[str, Any] = {"item_id": item_id, "match_result": "mismatch"}
    for name in ("condition", "seal_number", "seal_state", "remark"):
        line |= {name: text} if (text := form.get(f"{name}:{item_id}")) else {}
    if form.get(f"quantity:{item_id}"):
        line["quantity"] = _quantity(form, f"quantity:{item_id}", _unit(state, item_id))
    if digests := form.all(f"digest:{item_id}"):
        line["digests"] = digests
    return line


def _not_accepted(form: Form, item_id: str, state: CaseState | None) -> dict[str, Any]:
    line: dict[str, Any] = {"item_id": item_id, "reason_code": form.get(f"reason:{item_id}") or ""}
    if text := form.get(f"explanation:{item_id}"):
        line["explanation"] = text
    if form.get(f"refused_quantity:{item_id}"):
        line["quantity"] = _quantity(form, f"refused_quantity:{item_id}", _unit(state, item_id))
    return line


def _unit(state: CaseState | None, item_id: str) -> str | None:
    return state.items[item_id].quantity.unit if state is not None and item_id in state.items else None


def _seizure(form: Form) -> dict[str, Any]:
    """What the seizure list says, as far as it is filled in; empty where the item was not seized."""
    told: dict[str, Any] = {**form.fields("document_number"), "seized_at": instant_of(form, "seized_at")}
    if not any(told.values()) and not form.get("officers"):
        return {}
    return {name: value for name, value in told.items() if value} | {"officers": _officers(form, "officers")}


def _officers(form: Form, name: str) -> tuple[str, ...]:
    """Two at least, as the form's label says."""
    ids = tuple((form.get(name) or "").replace(",", " ").replace("，", " ").split())
    if len(ids) < 2:
        raise MalformedInput("expected two officers at least, with a space between", field=name)
    return ids


def _quantity(form: Form, name: str, unit: str | None) -> dict[str, str]:
    return {"value": form.get(name) or "1", "unit": unit or "piece"}


def _count(form: Form, name: str) -> int:
    text = form.get(name) or ""
    number = whole_number(text)
    if number is None:
        raise MalformedInput(f"expected a number, not {text[:40]!r}", field=name)
    return number


def instant_of(form: Form, name: str) -> str | None:
    """A time that the browser gave without a zone: Beijing's."""
    text = form.get(name)
    return None if text is None else spelled(typed(text, name))

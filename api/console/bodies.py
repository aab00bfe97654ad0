"""Bodies of events from forms. A refusal names the field that is at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from api.console.forms import PostedForm, whole_number
from api.console.moments import typed
from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events import Body, case, handover
from ledger.core.events.case import CaseClosed, CaseOpened
from ledger.core.events.item import ItemRegistered
from ledger.core.procedure.legal_days import spelled
from ledger.recording.signing import new_id

DIFFERS, REFUSED = "differs", "refused"  # else as listed
CHECKED = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")


def opened(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the opening of a case."""
    return body_of(CaseOpened, **form.fields("case_number", "case_type", "business_line", "stage"))


def registered(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the registration of an item."""
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
    return body_of(ItemRegistered, **fields)


def offered(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the sender's offer of a handover."""
    return body_of(
        handover.HandoverOffered,
        **_on_offer(form),
        expires_at=instant_of(form, "expires_at"),
        **form.fields("to_agency", "purpose", "follows"),
    )


def returned(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the offer to give back what an accepted handover brought."""
    return body_of(
        handover.HandoverReturned,
        **_on_offer(form),
        **form.fields("returns", "purpose", "reason_code", "explanation", "remedy"),
    )


def accepted(form: PostedForm, state: CaseState | None) -> Body:
    """Return the acceptance: everything as listed, except for the items that the form says differ."""
    offer = _offer(form, state)
    received = [
        _received_line(form, item_id, state) for item_id in offer.items if form.get(f"how:{item_id}") == DIFFERS
    ]
    refused = [_not_accepted(form, item_id, state) for item_id in offer.items if form.get(f"how:{item_id}") == REFUSED]
    return body_of(
        handover.HandoverAccepted,
        handover_id=offer.handover_id,
        received_at=instant_of(form, "received_at"),
        rest_as_listed=True,
        received=received,
        not_accepted=refused,
        absent_person_ids=tuple(person_id for person_id in offer.person_ids if person_id in form.all("absent")),
    )


def refused(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the refusal of a whole handover."""
    times = {name: instant_of(form, name) for name in ("received_at", "due_at")}
    return body_of(
        handover.HandoverRefused, **times, **form.fields("handover_id", "reason_code", "remedy", "explanation")
    )


def recalled(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the sender's recall of an offer."""
    return body_of(handover.HandoverRecalled, **form.fields("handover_id", "ground"))


def checked(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the receiver's check before the answer."""
    return body_of(handover.HandoverChecked, **form.fields("handover_id", *CHECKED, "remark"))


def resolved(form: PostedForm, _state: CaseState | None) -> Body:
    """Return one side's signature under a resolution."""
    return body_of(handover.DiscrepancyResolved, **form.fields("discrepancy_id", "resolution"))


def custody_requested(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the new organ's request that the detention house keep the person for it."""
    fields = form.fields("person_id", "handover_id", "detention_house", "number")
    return body_of(case.CustodyChangeRequested, custody_change_id=new_id("custody"), **fields)


def custody_served(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the record that the detention house has the certificate."""
    served_at = instant_of(form, "served_at")
    return body_of(case.CustodyChangeServed, served_at=served_at, **form.fields("custody_change_id"))


def closed(form: PostedForm, _state: CaseState | None) -> Body:
    """Return the closing of a case."""
    return body_of(CaseClosed, **form.fields("ground", "decision_id"))


ACTS: dict[str, Callable[[PostedForm, CaseState | None], Body]] = {
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


def body_of(body: type[Body], **fields: Any) -> Body:
    """Return the body with the fields that are filled in. Raises MalformedInput, naming the field."""
    filled = {name: value for name, value in fields.items() if value not in (None, (), [], {})}
    return canonical.parse(canonical.encode(filled), decoder_of(body))


def _on_offer(form: PostedForm) -> dict[str, Any]:
    """Return the fields that offers in both directions share: what is handed over, and until when."""
    return {
        "handover_id": new_id("handover"),
        "items": list(_lines(form)),
        "person_ids": form.all("person"),
        "due_at": instant_of(form, "due_at"),
    }


def _lines(form: PostedForm) -> Iterator[dict[str, Any]]:
    """Yield the picked items, with what the list says differently from the record."""
    for item_id in form.all("item"):
        line: dict[str, Any] = {"item_id": item_id}
        line |= {name: text for name in ("condition", "seal_number") if (text := form.get(f"{name}:{item_id}"))}
        if form.get(f"stays:{item_id}"):
            line["stays"] = True
        yield line


def _offer(form: PostedForm, state: CaseState | None) -> Any:
    handover_id = form.get("handover_id") or ""
    if state is None or handover_id not in state.handovers:
        raise MalformedInput("there is no such handover", field="handover_id")
    return state.handovers[handover_id]


def _received_line(form: PostedForm, item_id: str, state: CaseState | None) -> dict[str, Any]:
    """Return what the receiver found of an item that differs."""
    line: dict[str, Any] = {"item_id": item_id, "match_result": "mismatch"}
    for name in ("condition", "seal_number", "seal_state", "remark"):
        line |= {name: text} if (text := form.get(f"{name}:{item_id}")) else {}
    if form.get(f"quantity:{item_id}"):
        line["quantity"] = _quantity(form, f"quantity:{item_id}", _unit(state, item_id))
    if digests := form.all(f"digest:{item_id}"):
        line["digests"] = digests
    return line


def _not_accepted(form: PostedForm, item_id: str, state: CaseState | None) -> dict[str, Any]:
    line: dict[str, Any] = {"item_id": item_id, "reason_code": form.get(f"reason:{item_id}") or ""}
    if text := form.get(f"explanation:{item_id}"):
        line["explanation"] = text
    if form.get(f"refused_quantity:{item_id}"):
        line["quantity"] = _quantity(form, f"refused_quantity:{item_id}", _unit(state, item_id))
    return line


def _unit(state: CaseState | None, item_id: str) -> str | None:
    return state.items[item_id].quantity.unit if state is not None and item_id in state.items else None


def _seizure(form: PostedForm) -> dict[str, Any]:
    """Return the filled-in fields of the seizure list, or nothing if the item was not seized."""
    fields: dict[str, Any] = {**form.fields("document_number"), "seized_at": instant_of(form, "seized_at")}
    if not any(fields.values()) and not form.get("officers"):
        return {}
    return {name: value for name, value in fields.items() if value} | {"officers": _officers(form, "officers")}


def _officers(form: PostedForm, name: str) -> tuple[str, ...]:
    """Return at least two officers, as the form's label demands."""
    ids = tuple((form.get(name) or "").replace(",", " ").replace("，", " ").split())
    if len(ids) < 2:
        raise MalformedInput("expected two officers at least, with a space between", field=name)
    return ids


def _quantity(form: PostedForm, name: str, unit: str | None) -> dict[str, str]:
    return {"value": form.get(name) or "1", "unit": unit or "piece"}


def _count(form: PostedForm, name: str) -> int:
    text = form.get(name) or ""
    number = whole_number(text)
    if number is None:
        raise MalformedInput(f"expected a number, not {text[:40]!r}", field=name)
    return number


def instant_of(form: PostedForm, name: str) -> str | None:
    """Return the UTC time of a field, which browsers send without a zone and which is Beijing's."""
    text = form.get(name)
    return None if text is None else spelled(typed(text, name))

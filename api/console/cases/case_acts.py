"""Acts on a case: forms of those that remove what blocks it, and the drafts that every form asks for.

What makes an act impossible is reported before it is signed. A refusal names the field that is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.console.cases.case_pages import (
    BAR_CLOSING,
    CHECKED,
    blocks,
    changes_due,
    changes_to_serve,
    may_resolve,
    read_case,
)
from api.console.shared.access import Visit, VisitOf
from api.console.shared.drafting import EventDraft, body_of, instant_of, require_role, since, unsigned
from api.console.shared.formats import minute
from api.console.shared.forms import FormOf, PostedForm, whole_number
from api.console.shared.rendering import PATH, names_of, narrator_of
from api.dependencies import SlugPath
from api.services.service import Service
from ledger.core.custody import CaseState
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events import Body, Payload, Stream, case, handover
from ledger.core.events.case import CaseClosed, CaseOpened
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.item import ItemRegistered
from ledger.core.procedure.jurisdiction import may_detain
from ledger.core.procedure.legal_days import unix_seconds
from ledger.recording.signing import new_id
from ledger.store import log
from ledger.timeline.event_fields import event_fields
from ledger.timeline.sentences import EventWords

router = APIRouter()
OfQuery = Annotated[str | None, Query(max_length=200)]


@router.get("/cases/{case_id}/acts/{act}")
def act_form(visit: VisitOf, case_id: SlugPath, act: str, of: OfQuery = None) -> Response:
    """Show the form of an act, with ``of`` for one thing only.

    If the reader's agency has nothing to sign for, the page says so and has no form.
    """
    visit.reading.require_role(*HANDLING)
    if act not in FORMS:
        raise NotFound(f"no act {act[:40]} has a form here", field="act")
    visible = read_case(visit, case_id, "case")
    values = FORMS[act](visible.state, visit.reading.agency)
    return visit.page(
        "cases/act.html",
        case=visible.row,
        state=visible.state,
        act=act,
        of=of,
        houses=_detention_houses(visit.service),
        words=EventWords(visit.labels, names_of(visit.service, visit.labels), "", visible.state),
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        **values,
    )


def _resolution(state: CaseState, agency: str) -> dict[str, Any]:
    return {"things": [discrepancy for discrepancy in state.discrepancies.values() if may_resolve(discrepancy, agency)]}


def _request(state: CaseState, agency: str) -> dict[str, Any]:
    accepted = [
        candidate for candidate in state.handovers.values() if candidate.is_accepted and candidate.to_agency == agency
    ]
    return {"things": changes_due(state, agency), "accepted": accepted[::-1]}


def _service(state: CaseState, agency: str) -> dict[str, Any]:
    return {"things": changes_to_serve(state, agency)}


def _closing(state: CaseState, agency: str) -> dict[str, Any]:
    """Return what is needed to close the case, or what the custody rules bar it by."""
    barred = [block for block in blocks(state, agency) if block.kind in BAR_CLOSING]
    free = state.responsible == agency and not state.closed
    return {"things": [state] if free and not barred else [], "blocks": barred if free else []}


FORMS: dict[str, Callable[[CaseState, str], dict[str, Any]]] = {
    "resolve": _resolution,
    "request-custody": _request,
    "serve-custody": _service,
    "close": _closing,
}


def _detention_houses(service: Service) -> list[str]:
    agencies = service.authority().agencies.values()
    return sorted(agency.agency_id for agency in agencies if may_detain(agency))


@router.post("/cases/{case_id}/drafts/{act}")
def make_draft(visit: VisitOf, form: FormOf, case_id: SlugPath, act: str) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    if act not in ACTS:
        raise NotFound(f"no act {act[:40]} is drafted here")
    draft = Drafter(visit, form).draft(case_id, act)
    return visit.page("shared/draft.html", draft=draft)


@dataclass(frozen=True, slots=True)
class Drafter:
    """Drafts what one form asks for, in the reader's name and language."""

    visit: Visit
    form: PostedForm

    def draft(self, case_id: str, act: str) -> EventDraft:
        """Return the draft. Raises what the ledger would refuse of the signed event."""
        state = None if act == "open" else _state(self.visit, case_id)
        body = ACTS[act](self.form, state)
        require_role(self.visit.reading, type(body))
        stream = Stream(kind="case", id=case_id)
        payload = unsigned(self.visit, self.form, stream=stream, state=state, body=body)
        before, outcome = self.visit.service.parts.validator.foresee(payload, self.visit.service.parts.clock() // 1000)
        _require_free(self.visit.service, payload, before)
        self.visit.reading.record(f"draft of {payload.event_type}", *(() if state is None else (case_id,)))
        labels = self.visit.labels
        narrator = narrator_of(self.visit.service, labels)
        return EventDraft(
            payload=canonical.encode(payload).decode(),
            event_id=payload.event_id,
            sentence=narrator.tell(before, payload, outcome.state),
            particulars=event_fields(payload, {}, narrator.words(payload, outcome.state), labels),
            flags=[
                (labels.of_flag(flag.name), narrator.detail(flag.detail), labels.of_article(flag.article))
                for flag in outcome.flags
            ],
            since=since(self.visit.service, self.form, narrator, payload),
            sequence=payload.sequence,
            following=f"{PATH}/inbox" if act == "refuse" else f"{PATH}/cases/{case_id}",
            occurred_at=payload.occurred_at,
        )


def _state(visit: Visit, case_id: str) -> CaseState:
    with visit.service.parts.database.read() as connection:
        visit.reading.require_case(connection, case_id)
    return visit.service.parts.validator.states.of_listed_case(case_id)


def _require_free(service: Service, payload: Payload, before: CaseState | None) -> None:
    """Raise NotFound for a case id that is taken, before the signature. The public log has it anyway."""
    with service.parts.database.read() as connection:
        is_opened = before is None and log.heads(connection, [("case", payload.stream.id)])
    if is_opened:
        raise NotFound(f"the id {payload.stream.id} is taken already", code="duplicate_id")


DIFFERS, REFUSED = "differs", "refused"  # else as listed


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

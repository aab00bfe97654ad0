"""Acts on a case: forms of those that remove what blocks it, and the drafts that every form asks for.

What makes an act impossible is reported before it is signed. A refusal names the field that is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query
from msgspec.structs import replace
from starlette.responses import Response

from api.console.cases.case_forms import (
    ERASED,
    ERASURE_PROPOSED,
    NewPerson,
    as_copied,
    as_proposed,
    asked_of_copy,
    asked_of_correction,
    asked_of_erasure,
    asked_of_proposal,
    called_things,
    form_in_case,
    new_persons,
    stated_by,
    with_section,
)
from api.console.cases.case_pages import book_of, book_of_new_case, read_case
from api.console.cases.case_tasks import BAR_CLOSING, blocks, changes_due, changes_to_serve, may_resolve
from api.console.cases.item_rows import ItemRows, RowsRefused, columns_of_case
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.act_fields import Sections, heading_of, money_of
from api.console.shared.drafting import EventDraft, FormAct, body_of, drafted, instant_of, named, stated
from api.console.shared.formats import minute
from api.console.shared.forms import FormOf, PostedForm
from api.console.shared.rendering import narrator_of
from api.dependencies import SlugPath
from api.services.drafts import CaseAtHand, body_from, case_at_hand, drafts_in_case, refusals_in_case, require_role
from ledger.acts import ACTS, HEADINGS
from ledger.core.custody import CaseState
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import MalformedInput, NotFound, RuleRefused
from ledger.core.events import EVENT_TYPES, NAME_OF, Body, case, handover, letter
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.item import ItemExamined, ItemRegistered
from ledger.core.messages import Message
from ledger.core.procedure.jurisdiction import keeps_persons
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n.amounts import usual_unit
from ledger.recording.event_signing import MAX_ACTS, Claims, new_id

router = page_router()
OfQuery = Annotated[str | None, Query(max_length=200)]
CopyQuery = Annotated[str | None, Query(max_length=200)]
KindQuery = Annotated[str | None, Query(max_length=64)]
OF_LETTERS = ("receive-letter", "answer-letter")
EXAMINED = NAME_OF[ItemExamined]
_OF_COPY = Message(
    "Download the file to where the copy is to lie, say for whom it is and what for, and give the copy from there: it "
    "is hashed again, and recorded only if it is the kept file."
)
FORMS = ("resolve", "request-custody", "serve-custody", "close")
# Acts that a page of its own asks for, by its path below the case; None if they are done where they are due.
OWN_PAGES = {
    "handover.offered": "offer",
    "case.closed": "acts/close",
    "discrepancy.resolved": "acts/resolve",
    "custody_change.requested": "acts/request-custody",
    "custody_change.served": "acts/serve-custody",
    **dict.fromkeys(("handover.returned", "handover.checked", "handover.accepted", "handover.refused")),
    **dict.fromkeys(("case.opened", "case.taken_over", "handover.recalled", "letter.received")),
}
FROM_FIELDS = tuple(name for name in ACTS if "case" in EVENT_TYPES[name].streams and name not in OWN_PAGES)


class ActLink(NamedTuple):
    """An act to choose: its event type and title, and the page of its form below the case."""

    act: str
    title: str
    path: str


@router.get("/cases/{case_id}/acts")
def acts(visit: VisitOf, case_id: SlugPath) -> Response:
    """Show the acts in the case that the reader's role may sign, under their headings."""
    visit.reading.require_role(*HANDLING)
    visible = read_case(visit, case_id, Message("case"))
    signed = acts_in_case(visit)
    groups = [
        (visit.labels.translate(heading), [link for link in signed if ACTS[link.act].group in groups])
        for heading, groups in HEADINGS
    ]
    return visit.page("cases/acts.html", **visible._asdict(), groups=groups)


def acts_in_case(visit: Visit) -> list[ActLink]:
    """Return the acts in a case that have a page, as far as the reader's role may sign them."""
    paths = {name: path for name, path in OWN_PAGES.items() if path} | {name: f"acts/{name}" for name in FROM_FIELDS}
    return [
        ActLink(name, heading_of(visit, name), paths[name])
        for name in ACTS
        if name in paths and visit.reading.session.has_role(*EVENT_TYPES[name].roles)
    ]


@router.get("/cases/{case_id}/acts/{act}")
def act_form(
    *,
    visit: VisitOf,
    case_id: SlugPath,
    act: str,
    of: OfQuery = None,
    kind: KindQuery = None,
    copy: CopyQuery = None,
) -> Response:
    """Show the form of an act, with ``of`` for one thing only, and with ``kind`` for one kind of decision or letter.

    With ``copy``, the digest of a kept file, an examination records a working copy of it.

    If the reader's agency has nothing to sign for, the page says so and has no form.
    """
    visit.reading.require_role(*(EVENT_TYPES[act].roles if act in FROM_FIELDS else HANDLING))
    if act in FROM_FIELDS:
        return _form_of_fields(visit, case_id, act, of=of, kind=kind, copy=copy if act == EXAMINED else None)
    if act not in FORMS:
        raise NotFound("no act {act} has a form here", act=act[:40], field="act")
    visible = read_case(visit, case_id, Message("case"))
    agencies = visit.reading.authority.agencies.values()
    return visit.page(
        "cases/act.html",
        **visible._asdict(),
        act=act,
        of=of,
        houses=sorted(agency.agency_id for agency in agencies if keeps_persons(agency)),
        words=narrator_of(visit.service, visit.labels, visible.person_names).words_of("", visible.state),
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
        **_act_values(act, visible.state, visit.reading.agency, visit.reading.session.grant.officer),
    )


def _form_of_fields(
    visit: Visit, case_id: str, event_type: str, *, of: str | None, kind: str | None, copy: str | None
) -> Response:
    """Show the form that follows from the fields of the event type, with ``of`` and ``kind`` chosen beforehand."""
    require_role(visit.reading, EVENT_TYPES[event_type].body)
    visible = read_case(visit, case_id, Message("case"))
    note, book = ACTS[event_type].note, book_of(visit, visible.state)
    form = form_in_case(visit, visible.state, book, event_type, visible.person_names)
    fields = form.asked(form.chosen(of, kind))
    if of and event_type == "record.corrected":
        fields = asked_of_correction(fields, stated_by(visit, visible.state, of))
    if event_type == ERASED:
        fields = asked_of_erasure(fields)
    if event_type == ERASURE_PROPOSED:
        fields = asked_of_proposal(visit, visible.state, fields, of, visible.person_names)
    title = heading_of(visit, event_type)
    if copy:
        fields = asked_of_copy(visit, fields)
        title, note = visit.labels.translate(Message("Record a working copy")), _OF_COPY
    return visit.page(
        "cases/act_form.html",
        **visible._asdict(),
        act=event_type,
        copy=copy,
        title=title,
        note=note and visit.labels.translate(note),
        fields=fields,
        on_authority=EVENT_TYPES[event_type].on_authority,
        this_minute=minute(unix_seconds(visit.reading.reader.now)),
    )


def _act_values(act: str, state: CaseState, agency: str, officer: str) -> dict[str, Any]:
    """Return the things of which the agency may choose one, with what else the form of the act shows."""
    match act:
        case "resolve":
            return {"things": [each for each in state.discrepancies.values() if may_resolve(each, agency, officer)]}
        case "request-custody":
            handovers = state.handovers.values()
            accepted = [each for each in handovers if each.is_accepted and each.to_agency == agency]
            return {"things": changes_due(state, agency), "accepted": accepted[::-1]}
        case "serve-custody":
            return {"things": changes_to_serve(state, agency)}
    barred = [block for block in blocks(state, agency, officer) if block.kind in BAR_CLOSING]
    is_free = state.responsible == agency and not state.closed
    return {"things": [state] if is_free and not barred else [], "blocks": barred if is_free else []}


def drafted_in(visit: VisitOf, case_id: SlugPath, act: str) -> CaseAtHand:
    """Return the case of a draft, which the reader must see; for one that is to be opened, he must be of the role.

    Raises NotFound or Unauthorized.
    """
    if act not in (*DRAFTED, *WITH_ITEMS, *FROM_FIELDS):
        raise NotFound("no act {act} is drafted here", act=act[:40])
    if act == "open":
        require_role(visit.reading, case.CaseOpened)
        return CaseAtHand(case_id)
    return case_at_hand(visit.service, visit.reading, case_id, by_letter=act in OF_LETTERS)


@router.post("/cases/{case_id}/drafts/{act}")
def make_draft(
    visit: VisitOf, drafted_case: Annotated[CaseAtHand, Depends(drafted_in)], form: FormOf, case_id: SlugPath, act: str
) -> Response:
    """Return a part of a page: the draft with its sentence, or what prevents it."""
    new_items: dict[str, str] = {}
    state, person_names = drafted_case.state, drafted_case.person_names
    _refuse_in_words(visit, drafted_case, act, new_items)
    sections: Sections = {}
    rows: ItemRows | None = None
    persons: list[NewPerson] = []
    try:
        if act in FROM_FIELDS and state is not None:
            require_role(visit.reading, EVENT_TYPES[act].body)
            of_fields = form_in_case(visit, state, book_of(visit, state), act, person_names)
            fields = of_fields.body_fields(with_section(form) if act == ERASURE_PROPOSED else form)
            _complete(visit, state, act, fields)
            if act == EXAMINED and (copied := form.get("copy")):
                fields |= as_copied(visit, state, fields, copied)
            bodies = [body_from(EVENT_TYPES[act].body, fields)]
            sections = of_fields.sections(form)
        elif act in WITH_ITEMS:
            require_role(visit.reading, ItemRegistered)
            book = book_of_new_case(visit, form.get("procedure")) if state is None else book_of(visit, state)
            rows = ItemRows(visit, columns_of_case(visit, book, state, person_names), form)
            persons = list(new_persons(visit, book, form)) if act == "open" else []
            bodies = _with_items(act, form, state, rows, book, persons=persons)
        else:
            bodies = [body_of(DRAFTED[act], form, state)]
        for body in bodies:
            require_role(visit.reading, type(body))
            if isinstance(body, ItemRegistered):
                new_items[body.item_id] = body.description
        acts = _stated(bodies, stated(form, sections), persons)
        if rows is not None and rows.faults:
            _require_rows(visit, drafted_case, acts, rows)
        drafts = _drafts(visit, form, drafted_case, acts, _page_of(case_id, bodies[-1], rows), rows=rows)
    except RowsRefused as error:
        return visit.page("cases/row_faults.html", status=400, faults=error.faults)
    return visit.page("shared/draft.html", drafts=drafts)


def _complete(visit: Visit, state: CaseState, act: str, fields: dict[str, Any]) -> None:
    """Add to the fields of a correction what was recorded, and to those of an erasure what was proposed."""
    if act == ERASED:
        fields |= as_proposed(state, fields)
    if act == "record.corrected":
        stated_then = stated_by(visit, state, (fields.get("corrects") or {}).get("event_id", ""))
        for line in fields.get("corrections", ()):
            if (value := stated_then.get(line.get("field"))) is not None:
                line.setdefault("recorded", value.text)
                if (word := value.words.get(line.get("correct"))) is not None:  # a label was typed
                    line["correct"] = word


def receiving(visit: VisitOf) -> None:
    """Let a reader pass whose role accepts handovers. Raises Unauthorized."""
    require_role(visit.reading, handover.HandoverAccepted)


@router.post("/inbox/drafts", dependencies=[Depends(receiving)])
def draft_receipts(visit: VisitOf, form: FormOf) -> Response:
    """Return a part of a page: the drafts of the acceptances of offers, each as listed and in full."""
    picked, by_case = dict.fromkeys(form.all("handover")), dict[str, list[str]]()
    if not picked:
        raise MalformedInput("choose one offer at least", field="handover")
    _require_few(len(picked))
    for offer in picked:
        case_id, _, handover_id = offer.partition("/")
        by_case.setdefault(case_id, []).append(handover_id)
    claims, drafts = stated(form), list[EventDraft]()
    for case_id, handover_ids in by_case.items():
        drafted_case = case_at_hand(visit.service, visit.reading, case_id)
        _refuse_in_words(visit, drafted_case, "accept", {})
        received = ("received_at", form.get("received_at") or "")
        answers = [PostedForm([("handover_id", handover_id), received]) for handover_id in handover_ids]
        acts = [(body_of(DRAFTED["accept"], answer, drafted_case.state), claims) for answer in answers]
        drafts += _drafts(visit, form, drafted_case, acts, "/inbox")
    return visit.page("shared/draft.html", drafts=drafts)


def _refuse_in_words(visit: Visit, drafted_case: CaseAtHand, act: str, new_items: Mapping[str, str]) -> None:
    """Let refusals name things as the forms of the case do, and items that the form brings in by their descriptions."""
    state = drafted_case.state if drafted_case.is_visible else None
    event_type = act if act in FROM_FIELDS else NAME_OF[ItemRegistered if act == REGISTER else DRAFTED[act][0]]
    words = narrator_of(visit.service, visit.labels, drafted_case.person_names).words_of(event_type, state)

    def things() -> Mapping[str, str]:
        return {**(called_things(visit, state, drafted_case.person_names) if state else {}), **new_items}

    visit.refuse_in(words, things)


def _stated(bodies: Sequence[Body], claims: Claims, persons: Sequence[NewPerson]) -> list[tuple[Body, Claims]]:
    """Return each act with what is stated beside it: the authority and the form's sections are those of the act itself.

    Items and persons that the form brings in beside it have no authority, and persons have sections of their own.
    """
    beside = replace(claims, authority=None)
    of_persons = {id(person.body): replace(beside, sections=person.sections) for person in persons}
    return [
        (body, of_persons.get(id(body)) or (beside if isinstance(body, ItemRegistered) else claims)) for body in bodies
    ]


def _require_few(count: int) -> None:
    """Raise MalformedInput for more acts than are signed together: before their drafts are made and recorded."""
    if count > MAX_ACTS:
        raise MalformedInput("expected at most {limit} acts at once", limit=MAX_ACTS, field="acts")


def _drafts(
    visit: Visit,
    form: PostedForm,
    drafted_case: CaseAtHand,
    acts: Sequence[tuple[Body, Claims]],
    following: str,
    *,
    rows: ItemRows | None = None,
) -> list[EventDraft]:
    """Return the drafts of acts in one case that are signed together, after which the page ``following`` is shown.

    Raises RowsRefused for what the ledger would refuse of ``rows``.
    """
    try:
        in_words = drafts_in_case(visit.service, visit.reading, visit.labels, drafted_case=drafted_case, acts=acts)
    except RuleRefused:
        if rows is not None:
            _require_rows(visit, drafted_case, acts, rows)
        raise
    return [drafted(visit, form, draft, following=following, sees_others=drafted_case.is_visible) for draft in in_words]


def _require_rows(visit: Visit, drafted_case: CaseAtHand, acts: Sequence[tuple[Body, Claims]], rows: ItemRows) -> None:
    """Raise RowsRefused for all rows that are no items yet, or that the ledger would refuse."""
    refusals = refusals_in_case(visit.service, visit.reading, drafted_case=drafted_case, acts=acts)
    for refusal in refusals.values():
        # Of who signs it in which case, or when, and so of every row.
        if (refusal.field or "").startswith(("envelope.", "payload.occurred_at")):
            raise refusal
    registrations = [place for place, (body, _) in enumerate(acts) if isinstance(body, ItemRegistered)]
    # Where the case itself is refused, so are its rows, for no fault of theirs.
    is_open = not registrations or not any(place < registrations[0] for place in refusals)
    of_rows = {row: refusals[place] for row, place in enumerate(registrations) if place in refusals and is_open}
    rows.require_none(of_rows)


def _with_items(
    act: str,
    form: PostedForm,
    state: CaseState | None,
    rows: ItemRows,
    book: Rulebook,
    *,
    persons: Sequence[NewPerson],
) -> list[Body]:
    """Return the act with the persons who are named and the items that are registered beside it, and the first offer.

    What is offered is named or registered before. Raises MalformedInput, naming the field.
    """
    _require_few(rows.count)
    items = rows.bodies(book)
    if act == REGISTER:
        if not rows.count:
            raise MalformedInput("fill in a row at least", field="items")
        return [*items]
    opening = [body_of(DRAFTED["open"], form, state)] if act == "open" else []
    named = [person.body for person in persons]
    if act == "open" and not form.get("to_agency"):
        return [*opening, *named, *items]
    offer = form.extended("item", (item.item_id for item in items))
    purpose = book.purposes.get(form.get("purpose") or "")
    if purpose is not None and purpose.moves == "responsibility":
        # Of the others who go along with the case, the receiver learns with its acceptance.
        offer = offer.extended("person", (each.person_id for each in named if book.persons[each.role].accused))
    acts = [*opening, *named, *items, body_of(DRAFTED["offer"], offer, state)]
    _require_few(len(acts))
    return acts


def _page_of(case_id: str, body: Body, rows: ItemRows | None) -> str:
    """Return the page that shows what the event did: of its case, or of the letter or refused offer that it is about.

    After items were registered in a table it offers their labels.
    """
    match body:
        case letter.LetterReceived(letter_id=letter_id) | letter.LetterSent(answers=str(letter_id)):
            return f"/cases/{case_id}/letters/{letter_id}"
        case letter.LetterSent(letter_id=letter_id):
            return f"/cases/{case_id}/letters/{letter_id}"
        case handover.HandoverRefused(handover_id=handover_id):  # who refused sees no more of the case
            return f"/cases/{case_id}/handovers/{handover_id}"
    return f"/cases/{case_id}" + (f"?registered={rows.count}" if rows is not None and rows.count else "")


REGISTER = "register"
WITH_ITEMS = ("open", REGISTER, "offer")  # acts whose form has a table of items, which are signed together with it
DIFFERS, REFUSED = "differs", "refused"  # else as listed


def checked(form: PostedForm, _state: CaseState | None) -> Mapping[str, Any]:
    """Return the fields of the receiver's check: each aspect that the form has, with its result."""
    results = {aspect: form.get(f"result:{aspect}") for aspect in form.all("aspect")}
    aspects = [{"aspect": aspect, "result": result} for aspect, result in results.items() if result]
    return {**form.fields("handover_id", "remark"), "aspects": aspects}


def offered(form: PostedForm, _state: CaseState | None) -> Mapping[str, Any]:
    """Return the fields that offers in both directions share: what is handed over, and what is to be completed."""
    items = [_offered_line(form, item_id) for item_id in form.all("item")]
    stays = {"case_stays": True} if form.get("case_stays") else {}
    points = [{"text": line.strip()} for line in (form.get("outline") or "").splitlines() if line.strip()]
    shared = {"items": items, "person_ids": form.all("person"), "outline": points}
    return {"handover_id": new_id("handover"), **shared, **stays}


def outline_answered(form: PostedForm, state: CaseState | None) -> Mapping[str, Any]:
    """Return the answers to the points of the handover that the offer resumes."""
    earlier = state and state.handovers.get(form.get("follows") or "")
    numbers = range(1, len(earlier.outline) + 1) if earlier else ()
    answers = {number: form.get(f"answer:{form.get('follows')}:{number}") for number in numbers}
    return {"outline_answers": [{"point": number, "text": text} for number, text in answers.items() if text]}


def _offered_line(form: PostedForm, item_id: str) -> dict[str, Any]:
    """Return a picked item, with what the list says differently from the record."""
    stays = {"stays": True} if form.get(f"stays:{item_id}") else {}
    return {"item_id": item_id, **_of_item(form, item_id, "condition", "seal_number"), **stays}


def accepted(form: PostedForm, state: CaseState | None) -> Mapping[str, Any]:
    """Return the fields of an acceptance: everything as listed, except for the items that the form says differ."""
    handover_id = form.get("handover_id") or ""
    if state is None or handover_id not in state.handovers:
        raise MalformedInput("there is no such handover", field="handover_id")
    offer = state.handovers[handover_id]
    lines: dict[str | None, list[dict[str, Any]]] = {DIFFERS: [], REFUSED: []}
    absent = frozenset(form.all("absent"))
    for item_id in offer.items:
        answer = form.get(f"how:{item_id}")
        if answer in lines:
            lines[answer].append(_answered_line(form, item_id, state, differs=answer == DIFFERS))
    return {
        "handover_id": handover_id,
        "received_at": instant_of(form, "received_at"),
        "rest_as_listed": True,
        "received": lines[DIFFERS],
        "not_accepted": lines[REFUSED],
        "absent_person_ids": tuple(person_id for person_id in offer.person_ids if person_id in absent),
    }


def _answered_line(form: PostedForm, item_id: str, state: CaseState, *, differs: bool) -> dict[str, Any]:
    """Return what the receiver found of an item that differs, or why it is not accepted."""
    line: dict[str, Any] = {"item_id": item_id}
    if differs:
        quantity, line["match_result"] = f"quantity:{item_id}", "mismatch"
        line |= _of_item(form, item_id, "condition", "seal_number", "seal_state", "remark")
        recorded = state.items[item_id].money if item_id in state.items else None
        if recorded is not None and (amount := form.get(f"money:{item_id}")):
            line["money"] = money_of(amount, recorded.currency, f"money:{item_id}")
        if digests := form.all(f"digest:{item_id}"):
            line["digests"] = digests
    else:
        quantity = f"refused_quantity:{item_id}"
        if reason := form.get(f"reason:{item_id}"):  # without one it is refused as missing
            line["reason_code"] = reason
        line |= _of_item(form, item_id, "explanation")
    if photographs := form.all(f"photograph:{item_id}"):
        line["photographs"] = photographs
    if amount := form.get(quantity):
        unit = state.items[item_id].quantity.unit if item_id in state.items else usual_unit()
        line["quantity"] = {"value": amount, "unit": unit}
    return line


def _of_item(form: PostedForm, item_id: str, *names: str) -> dict[str, str]:
    """Return the fields of one item that are filled in."""
    return {name: text for name in names if (text := form.get(f"{name}:{item_id}"))}


def custody_requested(_form: PostedForm, _state: CaseState | None) -> Mapping[str, Any]:
    """Return the new id of a change of custody."""
    return {"custody_change_id": new_id("custody")}


def letter_answered(form: PostedForm, state: CaseState | None) -> Mapping[str, Any]:
    """Return the fields of the answer to a letter: it goes to the sender, about what the letter is about."""
    earlier = None if state is None else state.letters.get(form.get("answers") or "")
    if earlier is None:
        raise MalformedInput("there is no such letter", field="answers")
    about = {"person_ids": earlier.person_ids, "item_ids": earlier.item_ids}
    return {"letter_id": new_id("letter"), "to_agency": earlier.from_agency, **about}


_ANSWER = ("handover_id", "reason_code", "remedy", "explanation")
_RETURN = named("returns", "purpose", "reason_code", "explanation", "remedy", "number", times=("due_at",))
DRAFTED: dict[str, FormAct] = {
    "open": (case.CaseOpened, named("case_number", "case_type", "business_line", "stage", "procedure")),
    "offer": (
        handover.HandoverOffered,
        named("to_agency", "purpose", "follows", "number", times=("due_at", "expires_at")),
        offered,
        outline_answered,
    ),
    "return": (handover.HandoverReturned, _RETURN, offered),
    "accept": (handover.HandoverAccepted, accepted),
    "refuse": (handover.HandoverRefused, named(*_ANSWER, "number", times=("received_at", "due_at"))),
    "recall": (handover.HandoverRecalled, named("handover_id", "ground")),
    "check": (handover.HandoverChecked, checked),
    "resolve": (handover.DiscrepancyResolved, named("discrepancy_id", "resolution")),
    "request-custody": (
        case.CustodyChangeRequested,
        named("person_id", "handover_id", "keeper", "number", "period_from", "until", "article"),
        custody_requested,
    ),
    "serve-custody": (case.CustodyChangeServed, named("custody_change_id", times=("served_at",))),
    "receive-letter": (letter.LetterReceived, named("letter_id", "service", times=("received_at",))),
    "answer-letter": (
        letter.LetterSent,
        named("kind", "number", "answers", "content", times=("sent_at",)),
        letter_answered,
    ),
    "close": (case.CaseClosed, named("ground", "decision_id")),
}

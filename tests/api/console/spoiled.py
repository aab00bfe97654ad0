"""A ledger whose every free text holds markup: which texts there are is read from the event types themselves.

``marks_of`` names those of a type, ``spoil`` fills those of a body. ``spoiled_case`` and ``spoiled_supervision`` are
histories in which each type of event occurs, so that each text stands in the log.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import inspect
from msgspec.structs import replace

from ledger.core.encoding.digests import blake3_text
from ledger.core.events import NAME_OF, Authority, Body, case, handover, hold, item, letter, record, registry, retention
from ledger.core.events.supervision import Check, ModelPublished
from ledger.core.events.terms import EventRef, Money
from ledger.supervision.models.model_file import shipped_model
from tests.api.matrix import GONE, OTHERS
from tests.testkit import supervision
from tests.testkit.builders import (
    COURT,
    DETENTION,
    KINDS,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    Officer,
    Writer,
    analyst,
    auditor,
    clerk,
    key_id,
    profile,
    sample_body,
    section,
    supervisor,
)
from tests.testkit.casework import AT, Case, dispose, got, kept, part, person_id
from tests.testkit.ledgers import Ledger
from tests.testkit.supervision import Lead, Model, Recommendation, told

MARKUP = """'"><img src=x onerror=owned()>{{7*7}}"""
ORDER = Authority(f"{MARKUP}authority.type", f"{MARKUP}authority.identifier")
BOUND = {
    "item.unsealed.seal_number",  # is the seal that the item bears
    "model.published.definition",  # is YAML, and has its mark in it
    "record.corrected.corrections.field",  # is a field that the corrected event has
    "lead.raised.key",  # is what the lead's id is made of
    "item.registered.particulars",  # no kind of item of the procedure has a field for text
}


def marks_of(event_type: str) -> list[str]:
    """Return the marks ``<type>.<field>`` of a type's texts that take anything."""
    body = spoil(sample_body(event_type, full=True))
    return re.findall(re.escape(json.dumps(MARKUP)[1:-1]) + r"([\w.]+)", msgspec.json.encode(body).decode())


def spoil(body: Body) -> Body:
    """Return the body with its mark in every text that it has, or might have."""
    name = NAME_OF[type(body)]
    return msgspec.convert(_filled(inspect.type_info(type(body)), msgspec.to_builtins(body), (name,)), type(body))


def _takes_anything(kind: inspect.StrType) -> bool:
    return kind.pattern is None or re.search(kind.pattern, MARKUP) is not None


def _filled(kind: Any, value: Any, path: tuple[str, ...]) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _filled(inner, value, path)
        case inspect.StructType(fields=fields) if isinstance(value, dict):
            filled_fields = {
                field.encode_name: _filled(field.type, value.get(field.encode_name), (*path, field.encode_name))
                for field in fields
            }
            return {**value, **{name: filled for name, filled in filled_fields.items() if filled is not None}}
        case inspect.UnionType(types=types):
            return next((filled for type_ in types if (filled := _filled(type_, value, path)) is not value), value)
        case inspect.VarTupleType(item_type=item_type) if value:
            return [_filled(item_type, element, path) for element in value]
        case inspect.DictType(value_type=value_type) if value:
            return {key: _filled(value_type, entry, path) for key, entry in value.items()}
        case inspect.StrType() if _takes_anything(kind) and ".".join(path) not in BOUND:
            return MARKUP + ".".join(path)
    return value


class SpoiledCase(Case):
    """A case all of whose texts are marks."""

    def act(self, body: Body, by: Officer | None = None, **fields: Any) -> SpoiledCase:
        return super().act(spoil(body), by, **({"authority": ORDER} | fields))


def spoiled_case() -> tuple[SpoiledCase, SpoiledCase]:
    """Return case-1 with every type of a case's events, in an order that custody allows, and the case that joins it."""
    case_1 = SpoiledCase(step=1).open().name("li", "wang")
    for name, label in (("qian", "person:2"), ("zhao", "person:1")):
        sections = {label: section(label, name=f"{MARKUP}section.name")}
        case_1.act(case.PersonNamed(person_id=person_id(name), role="victim", section=label), sections=sections)
    named = case_1.last.ref
    unit = {"person_id": person_id("works"), "role": "suspect_unit", "particulars": {"registration_number": "n"}}
    case_1.say(case.PersonNamed, **unit)
    case_1.say(case.CaseNumbered).say(case.CaseAssigned)
    bank = letter.Outsider(kind="bank", name="b", place="p")
    notice = {"kind": "rectification_notice", "particulars": {"violation_found": "v"}}
    case_1.say(letter.LetterSent, to_outside=bank, **notice).say(letter.LetterReceived)
    case_1.say(letter.LetterFiled, letter_id="letter-2", kind="petition", from_outside=bank)
    case_1.say(case.CaseLinked, other_case_id="case-2", relation="related")
    case_1.say(record.ImportRecorded, source_system="s", source_key="k", file_digest="sha256:" + "00" * 32, row=1)
    second_case = _taken_over("case-2").register("letter")
    second_case.say(case.CaseSplit, new_case_id="case-1", item_ids=("letter",))
    case_1.say(case.CaseJoined, other_case_id="case-2", cites=second_case.last.ref, source=second_case.state)
    second_case.close()
    _items(case_1)
    _persons(case_1)
    _handovers(case_1)
    _words(case_1, named)
    return case_1, second_case


def _taken_over(case_id: str) -> SpoiledCase:
    number = case.NumberTakenOver(COURT, "1")
    suspect = case.PersonTakenOver(person_id("sun"), "suspect")
    ended = case.MeasureTakenOver("detention-sun", suspect.person_id, "detention", AT, ground="g", ended_at=AT)
    stated = {
        "procedure": "cn-criminal",
        "stage": "investigation",
        "numbers": (number,),
        "persons": (suspect,),
        "measures": (ended,),
    }
    return SpoiledCase(case_id, step=1).say(case.CaseTakenOver, clerk(POLICE), **stated)


def _items(case_1: SpoiledCase) -> None:
    seizure = item.Seizure(document_number="1", seized_at=AT, officers=("p-1", "p-2"))
    case_1.register("phone", kind="electronic_data").register("knife", "coat", seizure=seizure)
    case_1.register("cash", kind="property", quantity=2, money=Money(amount=200, currency="CNY"), fungible=True)
    case_1.register("car", "boat", kind="property")
    case_1.say(item.ItemUnsealed, item_id="knife", seal_number=case_1.state.items["knife"].seal_number)
    case_1.say(item.ItemSealed, item_id="knife")
    case_1.say(item.ItemExamined, item_id="phone", match_result="match")
    halves = (part("cash-1", 1, amount=100), part("cash-2", 1, amount=100))
    case_1.say(item.ItemUnsealed, item_id="cash", seal_number=case_1.state.items["cash"].seal_number)
    case_1.say(item.ItemSplit, item_id="cash", parts=halves)
    for half in ("cash-1", "cash-2"):
        case_1.say(item.ItemUnsealed, item_id=half, seal_number=case_1.state.items[half].seal_number)
    case_1.say(item.ItemMerged, item_ids=("cash-1", "cash-2"), whole=part("cash-3", 2, amount=200))
    case_1.say(item.ItemMoved, item_id="coat")
    case_1.say(item.ItemCheckedOut, item_id="coat", to_officer="p-1")
    case_1.say(item.ItemCheckedIn, item_id="coat")
    case_1.say(item.ItemFrozen, item_id="boat", frozen_until="2026-06-01")
    case_1.say(item.ItemFreezeRenewed, item_id="boat", frozen_until="2026-09-01")
    case_1.say(item.ItemUnfrozen, item_id="boat", unfrozen_at=AT)
    case_1.say(item.ItemDisposalProposed, item_ids=("car",), disposal="sold_early")
    dispose(case_1, proceeds=part("proceeds", 1, amount=5000))


def _persons(case_1: SpoiledCase) -> None:
    li = person_id("li")
    fields = {"measure_id": "m-1", "measure": "detention", "until": "2026-03-05"}
    case_1.say(case.MeasureImposed, person_id=li, started_at=AT, **fields)
    case_1.say(case.MeasureExtended, measure_id="m-1", until="2026-03-08", article="CPL 91")
    clock = next(key for key in case_1.state.clocks if key.startswith("arrest_request"))
    case_1.say(case.DeadlineExtended, deadline_id=clock, extension="special_circumstances")
    case_1.say(case.DeadlineSuspended, deadline_id=clock, suspended_at=AT, excluded_for="psychiatric_assessment")
    case_1.say(case.DeadlineResumed, deadline_id=clock, resumed_at=AT)
    case_1.say(case.DeadlineReset, deadline_id=clock, reset_at=AT)
    case_1.say(case.MeasureChanged, measure_id="m-1", new_measure_id="m-2", measure="arrest", started_at=AT)
    case_1.say(case.CustodyPeriodNotified, measure_id="m-2", keeper=DETENTION, until="2026-05-02")
    case_1.say(case.DecisionRecorded, decision_id="d-1", kind="judgment", decided_at=AT, person_ids=(li,))
    plea = {"decision_id": "d-2", "kind": "plea_statement", "particulars": {"charge": "c"}}
    case_1.say(case.DecisionRecorded, decided_at=AT, person_ids=(li,), **plea)


def _handovers(case_1: SpoiledCase) -> None:
    police, prosecutor = clerk(POLICE), clerk(PROCURATORATE)
    case_1.say(case.CaseSplit, new_case_id="case-3", item_ids=("boat",))
    case_1.offer("phone", "knife", "coat", to=PROCURATORATE, persons=("li",)).check().accept(
        received=(got("phone", "mismatch"),), not_accepted=(kept("knife"),)
    )
    change = {"custody_change_id": "c-1", "handover_id": "handover-1", "person_id": person_id("li")}
    case_1.say(case.CustodyChangeRequested, prosecutor, keeper=DETENTION, **change)
    case_1.say(case.CustodyChangeServed, clerk(DETENTION), custody_change_id="c-1", served_at=AT)
    short = {"discrepancy_id": "short-1", "handover_id": "handover-1", "item_id": "coat", "kind": "quantity"}
    case_1.say(handover.DiscrepancyRaised, prosecutor, **short)
    for by in (police, prosecutor):
        case_1.say(handover.DiscrepancyResolved, by, discrepancy_id="short-1")
    case_1.give_back("phone").refuse(by=police)
    case_1.offer("phone", to=COURT, purpose="jurisdiction_transfer", by=prosecutor).recall(by=prosecutor)
    case_1.say(case.MeasureLifted, prosecutor, measure_id="m-2", ended_at=AT)
    case_1.say(case.CaseStageEntered, prosecutor, stage="prosecution_review")
    case_1.give_back("coat").accept()
    points = (handover.OutlinePoint("t"),)
    answers = (handover.OutlineAnswer(1, "t"),)
    case_1.offer("coat", to=PROCURATORATE, by=police, follows="handover-4", outline=points, outline_answers=answers)


def _words(case_1: SpoiledCase, named: EventRef) -> None:
    prosecutor = clerk(PROCURATORATE)
    first = case_1.events[0]
    wrong = record.Correction(field="case_type", recorded="r", correct="c")
    case_1.say(record.RecordCorrected, clerk(POLICE), corrects=first.ref, corrections=(wrong,))
    case_1.say(record.RecordLate, prosecutor, happened_at=AT)
    case_1.say(record.DisclosureMade, prosecutor, item_ids=("phone",))
    case_1.say(record.AuditRecorded, auditor(PROCURATORATE), scope="s", size=1, verdict="intact", findings=("f",))
    case_1.erase(named, "person:1", supervisor(POLICE))
    case_1.say(hold.HoldPlaced, supervisor(PROCURATORATE), scope="case")
    case_1.say(hold.HoldReleased, supervisor(PROCURATORATE), hold_id=next(iter(case_1.state.holds)))
    case_1.say(hold.HoldPlaced, supervisor(PROCURATORATE), scope="case", hold_id="hold-2")  # it stands on every page
    case_1.say(retention.RetentionSet, supervisor(PROCURATORATE), until="2036-01-01")


def spoiled_supervision() -> tuple[Writer, ...]:
    """Return every type of supervision's events: a model, two leads on case-1, a recommendation; and a data set."""
    chief, upper, police, prosecutor = supervisor(PROCURATORATE), supervisor(UPPER), clerk(POLICE), clerk(PROCURATORATE)
    model = Model(step=1).act(_model(), analyst(PROCURATORATE))
    model.act(
        spoil(supervision.adopted(model_digest=_model().model_digest, parameters={"word": "w"})), analyst(PROCURATORATE)
    )
    model.act(spoil(supervision.retired()), analyst(PROCURATORATE))
    first_lead, second_lead = (
        _lead({"case_id": "case-1", "item_id": MARKUP + "lead.raised.key", "n": n}) for n in "12"
    )
    first_lead.act(spoil(supervision.assigned()), chief).act(spoil(supervision.answered()), police)
    first_lead.act(spoil(supervision.confirmed()), prosecutor).act(spoil(supervision.closed()), prosecutor)
    second_lead.act(spoil(supervision.transferred(UPPER)), chief).act(spoil(supervision.assigned()), upper)
    second_lead.act(spoil(supervision.dismissed()), clerk(UPPER))
    advice = Recommendation(step=1).act(spoil(supervision.issued(leads=(first_lead.body.lead_id,))), chief)
    advice.act(spoil(supervision.replied()), police).act(
        spoil(msgspec.structs.replace(supervision.rechecked(), parameters={"n": "1"})), chief
    )
    data = Writer("agency", POLICE, step=1)
    data.write(spoil(supervision.dataset(dataset_id="d1", layout=record.TableLayout(format="xlsx", sheet="s"))), police)
    return model, first_lead, second_lead, advice, data


def _model() -> ModelPublished:
    """Return a model that can be run, with the mark in its title, in a comment and as what a parameter may be."""
    model = spoil(supervision.published(case_study=told("study")))
    assert isinstance(model, ModelPublished)
    shipped = shipped_model("item-not-handed-over")
    title, rest = shipped.index("title:"), shipped.index("explanation:")
    word = "{type: text, default: word, meaning: {zh: 词, en: word}}"
    definition = f"{shipped[:title]}title: {msgspec.json.encode(model.title).decode()}\n{shipped[rest:]}".replace(
        "parameters:\n", f"parameters:\n  word: {word}\n", 1
    )
    definition += f"# {MARKUP}model.published.definition\n"
    return msgspec.structs.replace(model, definition=definition, model_digest=blake3_text(definition.encode()))


def _lead(key: dict[str, str]) -> Lead:
    lead = Lead(key, step=1)
    check = Check(what=told("what"), by=told("by"))
    return lead.act(spoil(supervision.raised(key, checks=(check,), values={"n": "1"}, parameters={"n": "1"})), SERVICE)


def found_spoiled(ledger: Ledger, *officers: Officer) -> None:
    """Admit the officers' agencies under names that are marks, grant their keys, record all that is spoiled."""
    changes = ledger.changes
    for agency in dict.fromkeys(officer.agency for officer in officers):
        agency_profile = profile(agency)
        admitted = {"agency": agency, "kind": KINDS[agency], "admin": key_id(f"admin of {agency}")}
        mark = f"{MARKUP}registry.agency_admitted.profile.name"
        named = replace(agency_profile, name={"en": f"{mark}.en", "zh": f"{mark}.zh"})
        changes.add(registry.AgencyAdmitted, profile=named, **admitted)
    changes.grant(*officers)
    for change in changes.bodies:
        ledger.mirror(change)
    incident = record.IncidentRecorded(kind="other", description="d")
    ledger.post(ledger.system_writer.write(spoil(incident), SERVICE, signed_at=ledger.clock.seconds))
    first, second = spoiled_case()
    for event in (
        *second.events[:-1],
        *first.events,
        second.last,  # it closes once the first has taken over what it gave up
        *(event for writer in spoiled_supervision() for event in writer.events),
    ):
        ledger.post(event)


def names_of_spoiled() -> dict[str, str]:
    """Return what stands for the names in the addresses of pages that show all this."""
    case, _ = spoiled_case()
    lead = spoiled_supervision()[1]
    return (
        OTHERS
        | {"case_id": "case-1"}
        | dict.fromkeys(("handover_id", *(f"{relation}_id" for relation in GONE)), "handover-1")
        | dict.fromkeys(("event_id", "accepted_id"), case.events[0].envelope.event_id)
        | {"lead_id": lead.stream.id, "recommendation_id": "2026-7"}
    )

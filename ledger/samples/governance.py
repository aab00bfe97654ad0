"""Story 11: imported cases, a list of pensions, what came of it; and the models that other stories' leads are of."""

from __future__ import annotations

from ledger.core.encoding.decoding import convert
from ledger.core.events import record
from ledger.core.events.supervision import (
    LeadAnswered,
    LeadAssigned,
    LeadClosed,
    LeadConfirmed,
    ModelAdopted,
    ModelPublished,
    PeriodCount,
    RecommendationAnswered,
    RecommendationIssued,
    RecommendationRechecked,
)
from ledger.core.supervision.models import STREAM
from ledger.samples.case_telling import CaseTelling, digest, person
from ledger.samples.telling import Teller
from ledger.supervision.library.publishing import said_of
from ledger.supervision.models.model_file import require_publishable, shipped_model

MODELS = (
    "third-return",
    "detention-without-ground",
    "custody-change-not-served",
    "judgment-silent",
    "item-not-handed-over",
)
PENSIONS, DATASET = "pension-in-execution", "pensions"
IMPORTED, PAID = 24, (3, 8, 13, 17, 21)  # cases; those of them whose person is paid a pension
SETTLED = PAID[:3]
ADVICE = "sample-2026-11"


def publish(teller: Teller) -> None:
    """The models of five rules."""
    for name in MODELS:
        published(teller, name)


def published(teller: Teller, name: str) -> ModelPublished:
    """A shipped model, published by the analyst as it is."""
    body = convert(said_of(require_publishable(shipped_model(name))), ModelPublished)
    teller.stream("supervision", STREAM + name).say("analyst", body)
    return body


def from_import_to_governance(teller: Teller) -> None:
    """Cases of corrections, a pension list, five leads; a recommendation, its answer and re-check; the west adopts."""
    for number in range(1, IMPORTED + 1):
        imported(teller, number)
    register(teller)
    model = published(teller, PENSIONS)
    leads = [lead_of(teller, number) for number in SETTLED]
    counted = teller.stream("supervision", f"recommendation-{ADVICE}")
    counted.say("prosecutor-chief", issued(tuple(leads)))
    measures = ("每月比对在押名册 the register is compared each month",)
    answer = "已停发并追回 payments were stopped and reclaimed"
    counted.say("corrections", RecommendationAnswered(answer=answer, measures=measures, digests=(digest("回复函"),)))
    counted.say("prosecutor-chief", rechecked(teller, counted.index))
    for number in SETTLED:
        close(teller, number)
    told = ModelAdopted(version=model.version, model_digest=model.model_digest, note="西城区试用 tried out in the west")
    adopting = teller.stream("supervision", STREAM + PENSIONS)
    adopting.say("analyst", model).say("analyst-west", told)


def imported(teller: Teller, number: int) -> None:
    """A case of the corrections' own system, with where it came from."""
    told = CaseTelling(teller, case_id(number), days_ago=300)
    told.by = "corrections"
    told.open(f"（2025）执{number}号", "盗窃 theft", stage="execution").name(prisoner(number), role="defendant")
    told.say(
        "corrections",
        record.ImportRecorded(
            source_system="社区矫正系统（样例） corrections' own system",
            source_key=f"X-{number:04}",
            file_digest=digest("export of the sample"),
            row=number + 1,
        ),
    )


def case_id(number: int) -> str:
    """The imported case of this number."""
    return f"sample-11-imported-{number:02}"


def prisoner(number: int) -> str:
    """The name of whoever serves a sentence in it."""
    return f"样例服刑人员{number} prisoner {number}"


def pension_list(teller: Teller) -> bytes:
    """Five who serve a sentence, twenty who do not."""
    paid = [person(prisoner(number)) for number in PAID] + [person(f"pensioner {number}") for number in range(20)]
    day = teller.day(60).date().isoformat()
    rows = [f"{who},{day},3120.00" for who in sorted(paid)]
    return ("\n".join(["person_id,paid_on,amount", *rows]) + "\n").encode()


def register(teller: Teller) -> None:
    """The list, with where it comes from and on what ground it is used; its file goes to the models."""
    data = pension_list(teller)
    body = record.DatasetRegistered(
        dataset_id=DATASET,
        source="社会保险经办机构（样例） social security bureau",
        legal_basis="社会保险法第八十八条 Social Insurance Law art. 88",
        period_from=teller.day(90).date().isoformat(),
        period_until=teller.day(30).date().isoformat(),
        rows=data.count(b"\n") - 1,
        digest=digest(data.decode()),
        layout=record.TableLayout(format="csv"),
    )
    teller.stream("agency", "procuratorate-east").say("analyst", body)
    teller.ledger.give(body, data)


def lead_of(teller: Teller, number: int) -> str:
    """The lead on one of the paid, assigned, answered and confirmed; its id."""
    lead = teller.lead(PENSIONS, **key_of(number))
    lead.say("analyst", LeadAssigned(handler="j-0021", department="行政检察部 administrative department"))
    answer = "情况属实，正在停发 it is so; payments are being stopped"
    lead.say("corrections", LeadAnswered(answer=answer, digests=(digest(f"收监登记 {number}"),)))
    finding = "发放记录与收监登记相符 payments and register agree"
    lead.say("prosecutor", LeadConfirmed(finding=finding, digests=(digest(f"发放记录 {number}"),)))
    return lead.lead_id


def key_of(number: int) -> dict[str, str]:
    """What makes the finding on the imported case of this number the same one."""
    return {"case_id": case_id(number), "person_id": person(prisoner(number)), "dataset_id": DATASET}


def issued(leads: tuple[str, ...]) -> RecommendationIssued:
    """To corrections, on the ground of these leads."""
    return RecommendationIssued(
        recommendation_id=ADVICE,
        to_agency="corrections-east",
        document_number="东检建〔样例〕11号",
        problem="服刑人员仍在领取养老金 pensions are paid to people who serve a sentence",
        advice="收监后五日内告知社会保险经办机构 tell the bureau within five days of the intake",
        leads=leads,
        model_id=PENSIONS,
    )


def rechecked(teller: Teller, index: int) -> RecommendationRechecked:
    """Five before, none after: as the story has it, for the sample counts nothing anew."""
    days = [teller.day(ago).date().isoformat() for ago in (90, 31, 30, 1)]
    before = PeriodCount(count=len(PAID), period_from=days[0], period_until=days[1], tree_size=index)
    after = PeriodCount(count=0, period_from=days[2], period_until=days[3], tree_size=index + 1)
    return RecommendationRechecked(result="fell", before=before, after=after, model_id=PENSIONS)


def close(teller: Teller, number: int) -> None:
    """Closed with the recommendation."""
    lead = teller.lead(PENSIONS, **key_of(number))
    lead.sequence = 4  # raised, assigned, answered and confirmed before
    summary = "已发出检察建议 a recommendation was issued"
    lead.say("prosecutor", LeadClosed(outcome="recommendation", recommendation_id=ADVICE, summary=summary))

"""Story 11: imported cases, a list of pensions and what came of it; and the models that the stories' leads are of."""

from __future__ import annotations

from ledger.core.encoding.decoding import convert
from ledger.core.events import record
from ledger.core.events.supervision import (
    ModelAdopted,
    ModelPublished,
    PeriodCount,
    RecommendationAnswered,
    RecommendationIssued,
    RecommendationReceived,
    RecommendationRechecked,
)
from ledger.core.supervision.models import STREAM
from ledger.samples.case_acts import digest, person_id
from ledger.samples.player import Player
from ledger.samples.stories import LeadStory
from ledger.supervision.library.publishing import signed_fields_of
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


def publish(player: Player, *models: str) -> list[ModelPublished]:
    """Publish shipped models by the analyst, as they are."""
    bodies = [convert(signed_fields_of(require_publishable(shipped_model(name))), ModelPublished) for name in models]
    for body in bodies:
        player.stream("supervision", STREAM + body.model_id).write(body, "analyst")
    return bodies


def from_import_to_governance(player: Player) -> None:
    """Import cases and a pension list, work on leads, recommend, re-check; the west adopts the model."""
    for number in range(1, IMPORTED + 1):
        # Cases of the corrections' own system, taken over as an import does it, with where they came from.
        case = player.case(_imported_id(number), days_ago=300)
        origin = {
            "source_system": "社区矫正系统（样例） corrections' own system",
            "source_key": f"X-{number:04}",
            "file_digest": digest("export of the sample"),
        }
        stated = {"case_number": f"（2025）执{number}号", "case_type": "盗窃 theft", "stage": "execution"}
        case.take_over("corrections", **stated, **origin)
        case.name(_prisoner(number), role="defendant")
        case.say(record.ImportRecorded, row=number + 1, **origin)
    _register_pensions(player)
    (model,) = publish(player, PENSIONS)
    leads = [pension_lead(number).work(player, until="confirmed").lead_id for number in SETTLED]
    recommendation = player.stream("supervision", f"recommendation-{ADVICE}")
    issued = RecommendationIssued(
        recommendation_id=ADVICE,
        procedure="cn-criminal",
        kind="social_governance",
        to_agency="corrections-east",
        document_number="东检建〔样例〕11号",
        problem="服刑人员仍在领取养老金 pensions are paid to people who serve a sentence",
        advice="收监后五日内告知社会保险经办机构 tell the bureau within five days of the intake",
        leads=tuple(leads),
        model_id=PENSIONS,
    )
    recommendation.write(issued, "prosecutor-chief")
    received = RecommendationReceived(received_at=recommendation.moment, service="direct")
    recommendation.write(received, "corrections")
    answer = RecommendationAnswered(
        answer="已停发并追回 payments were stopped and reclaimed",
        measures=("每月比对在押名册 the register is compared each month",),
        digests=(digest("回复函"),),
    )
    recommendation.write(answer, "corrections")
    # Five before, none after, as the story has it: the sample counts nothing anew.
    days, size = [player.day(ago).date().isoformat() for ago in (90, 31, 30, 1)], recommendation.index
    before = PeriodCount(count=len(PAID), period_from=days[0], period_until=days[1], tree_size=size)
    after = PeriodCount(count=0, period_from=days[2], period_until=days[3], tree_size=size)
    rechecked = RecommendationRechecked(
        result="fell", counted_by="officer", before=before, after=after, model_id=PENSIONS
    )
    recommendation.write(rechecked, "prosecutor-chief")
    for number in SETTLED:
        pension_lead(number).work(player, until="closed")
    adopted = ModelAdopted(
        version=model.version, model_digest=model.model_digest, note="西城区试用 tried out in the west"
    )
    player.stream("supervision", STREAM + PENSIONS).write(model, "analyst").write(adopted, "analyst-west")


def _imported_id(number: int) -> str:
    return f"sample-11-imported-{number:02}"


def _prisoner(number: int) -> str:
    return f"样例服刑人员{number} prisoner {number}"


def _register_pensions(player: Player) -> None:
    """Register the list of five who serve a sentence and twenty who do not; its file goes to the models."""
    paid = [person_id(_prisoner(number)) for number in PAID]
    paid += [person_id(f"pensioner {number}") for number in range(20)]
    day = player.day(60).date().isoformat()
    rows = [f"{person},{day},3120.00" for person in sorted(paid)]
    text = "\n".join(["person_id,paid_on,amount", *rows]) + "\n"
    body = record.DatasetRegistered(
        dataset_id=DATASET,
        source="社会保险经办机构（样例） social security bureau",
        legal_basis="社会保险法第八十八条 Social Insurance Law art. 88",
        period_from=player.day(90).date().isoformat(),
        period_until=player.day(30).date().isoformat(),
        rows=len(rows),
        digest=digest(text),
        layout=record.TableLayout(format="csv"),
        readable=True,
    )
    player.stream("agency", "procuratorate-east").write(body, "analyst")
    player.ledger.give(body, text.encode())


def pension_lead(number: int) -> LeadStory:
    """Return what becomes of the lead on the imported case of this number."""
    return LeadStory(
        model_id=PENSIONS,
        key={"case_id": _imported_id(number), "person_id": person_id(_prisoner(number)), "dataset_id": DATASET},
        department="行政检察部 administrative department",
        answering="corrections",
        answer="情况属实，正在停发 it is so; payments are being stopped",
        material=f"收监登记 {number}",
        finding="发放记录与收监登记相符 payments and register agree",
        looked_at=(f"发放记录 {number}",),
        closing={
            "outcome": "recommendation",
            "recommendation_id": ADVICE,
            "summary": "已发出检察建议 a recommendation was issued",
        },
        assigning="analyst",
    )

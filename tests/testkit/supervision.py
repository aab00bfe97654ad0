"""Builds models, leads and recommendations, so that a test reads like sentences::

lead = Lead().raised().act(assigned(), SUPERVISOR).act(answered(), POLICEMAN)
lead.state.status                  # answered
lead.last.submission               # the bytes to post
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, Generic, Self, TypeVar, cast

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events import Body
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.supervision import (
    BilingualText,
    Figures,
    LeadAnswered,
    LeadAssigned,
    LeadClosed,
    LeadConfirmed,
    LeadDismissed,
    LeadRaised,
    LeadTransferred,
    ModelAdopted,
    ModelPublished,
    ModelRetired,
    PeriodCount,
    RecommendationAnswered,
    RecommendationEscalated,
    RecommendationIssued,
    RecommendationObjected,
    RecommendationReceived,
    RecommendationRechecked,
    RecommendationReviewed,
)
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.authority import Agency
from ledger.core.supervision import (
    LeadState,
    ModelState,
    RecommendationState,
    SupervisionAct,
    finding_digest,
    fold,
    lead_id_of,
)
from ledger.procedures import shipped_rulebook
from ledger.supervision.models import definition as values
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    NEIGHBOUR,
    PARALLEL,
    POLICE,
    PROCURATORATE,
    SERVICE,
    UPPER,
    Officer,
    Writer,
    admitted_agency,
    analyst,
    clerk,
    supervisor,
)

AMONG = (POLICE, COURT, PROCURATORATE, UPPER, NEIGHBOUR, PARALLEL, FAR_POLICE)
MODEL_ID = "item-not-handed-over"
_SHIPPED = shipped_model(MODEL_ID)
MATERIAL = "sha256:" + "ab" * 32
KEY = {"case_id": "case-1", "item_id": "phone"}
ASSIGNER, HANDLER, ANSWERER = supervisor(PROCURATORATE), clerk(PROCURATORATE), clerk(POLICE)  # of a lead

S = TypeVar("S", ModelState, LeadState, RecommendationState)


def agencies() -> dict[str, Agency]:
    """Return the agencies of ``AMONG`` as the log admitted them, one after the other."""
    return {name: admitted_agency(name, index) for index, name in enumerate(AMONG)}


class Stream(Writer, Generic[S]):
    """Writes a supervision stream and folds it. An act that is refused leaves no trace."""

    def __init__(self, stream_id: str, *, among: Mapping[str, Agency] | None = None, **clock: Any) -> None:
        super().__init__("supervision", stream_id, **clock)
        self.agencies = agencies() if among is None else among
        self.books: Collection[Rulebook] | None = (shipped_rulebook(),)
        self.current: S | None = None

    @property
    def state(self) -> S:
        assert self.current is not None, "nothing stands in this stream yet"
        return self.current

    def act(self, body: Body, by: Officer, *, index: int | None = None, **fields: Any) -> Self:
        """Write and fold one event."""
        event = self.draft(body, by, **fields)
        self.current = cast(S, fold(self.current, SupervisionAct(event.event, self.agencies, self.books, index)))
        self.events.append(event)
        self.now += self._step
        return self


class Model(Stream[ModelState]):
    def __init__(self, model_id: str = "item-not-handed-over", **clock: Any) -> None:
        super().__init__(f"model-{model_id}", **clock)
        self.model_id = model_id

    def published(self, by: Officer | None = None, **fields: Any) -> Self:
        """Return the next version, by the procuratorate's analyst."""
        version = self.current.newest.body.version + 1 if self.current else 1
        return self.act(published(version, self.model_id, **fields), by or analyst(PROCURATORATE))


class Lead(Stream[LeadState]):
    def __init__(self, key: Mapping[str, str] = KEY, *, model_id: str = "item-not-handed-over", **clock: Any) -> None:
        self.body = raised(key, model_id=model_id)
        super().__init__(self.body.lead_id, **clock)

    def raised(self, **fields: Any) -> Self:
        return self.act(raised(**({"key": self.body.key, "model_id": self.body.model_id} | fields)), SERVICE)

    def assigned(self, to: Officer | None = None) -> Self:
        """Assign it, to this officer if one is given."""
        return self.act(
            assigned(**({} if to is None else {"handler": to.officer_id})), supervisor(self.state.supervising)
        )

    def confirmed(self) -> Self:
        return self.act(confirmed(), clerk(self.state.supervising))


class Recommendation(Stream[RecommendationState]):
    def __init__(self, recommendation_id: str = "2026-7", **clock: Any) -> None:
        super().__init__(f"recommendation-{recommendation_id}", **clock)
        self.recommendation_id = recommendation_id

    def issued(self, by: Officer | None = None, **fields: Any) -> Self:
        body = issued(self.recommendation_id, **fields)
        return self.act(body, by or supervisor(PROCURATORATE))


# -- bodies ------------------------------------------------------------------------------------------------------------


def told(text: str) -> BilingualText:
    return BilingualText(zh=f"{text}（中文）", en=text)


def definition_of(version: int = 1, model_id: str = MODEL_ID) -> str:
    """Return a shipped model's text under this version and id."""
    return _SHIPPED.replace(f"model: {MODEL_ID}", f"model: {model_id}").replace("version: 1", f"version: {version}", 1)


@cache
def _said_by(definition: str) -> values.Model:
    """Return the model of a definition; of what is none, the shipped one's."""
    try:
        return parse_model(definition)
    except MalformedInput:
        return parse_model(_SHIPPED)


def published(version: int = 1, model_id: str = "item-not-handed-over", **fields: Any) -> ModelPublished:
    definition = fields.get("definition", definition_of(version, model_id))
    beside = _said_by(definition)
    defaults: dict[str, Any] = {
        "model_id": model_id,
        "version": version,
        "definition": definition,
        "model_digest": blake3_text(definition.encode()),
        "title": beside.title,
        "business_line": beside.business_line,
        "severity": beside.severity,
    }
    return ModelPublished(**(defaults | fields))


def figures(**fields: int) -> Figures:
    defaults = {"cases": 400, "planted": 12, "found": 12, "false_leads": 1}
    return Figures(measured_on="2026-03-01", **(defaults | fields))


def retired() -> ModelRetired:
    return ModelRetired(ground="the statute was amended")


def adopted(version: int = 1, **fields: Any) -> ModelAdopted:
    defaults = {"version": version, "model_digest": published(version).model_digest, "parameters": {"grace_days": "5"}}
    return ModelAdopted(**(defaults | fields))


def raised(key: Mapping[str, str] = KEY, **fields: Any) -> LeadRaised:
    model_id = fields.get("model_id", "item-not-handed-over")
    finding = finding_digest(model_id, key)
    defaults: dict[str, Any] = {
        "lead_id": lead_id_of(finding),
        "model_id": model_id,
        "model_version": 1,
        "model_digest": published().model_digest,
        "tree_size": 40,
        "as_of": "2026-03-02T01:00:00Z",
        "key": dict(key),
        "finding": finding,
        "supervised": POLICE,
        "supervising": PROCURATORATE,
        "severity": "high",
        "says": told("Item phone was seized and not handed over"),
        "cited_count": 0,
        "case_id": key.get("case_id"),
    }
    return LeadRaised(**(defaults | fields))


def assigned(**fields: Any) -> LeadAssigned:
    return LeadAssigned(**({"handler": "p-0417", "department": "second department"} | fields))


def transferred(to_agency: str = UPPER) -> LeadTransferred:
    return LeadTransferred(to_agency=to_agency, ground="the officer concerned serves here")


def answered(**fields: Any) -> LeadAnswered:
    return LeadAnswered(**({"answer": "It lies in our depot.", "digests": (MATERIAL,)} | fields))


def confirmed(**fields: Any) -> LeadConfirmed:
    return LeadConfirmed(**({"finding": "The depot's book lists it.", "digests": (MATERIAL,)} | fields))


def dismissed() -> LeadDismissed:
    return LeadDismissed(reason_code="explained", ground="It went back to its owner.")


def closed(outcome: str = "rectification_notice", **fields: Any) -> LeadClosed:
    paper: dict[str, Any] = {"document_number": "2026-12", "document_date": "2026-03-01", "digests": (MATERIAL,)}
    named = {"no_further_action": {}, "recommendation": {"recommendation_id": "2026-7"}}.get(outcome, paper)
    return LeadClosed(**({"outcome": outcome, "summary": "Handed over on notice."} | named | fields))


def issued(recommendation_id: str = "2026-7", **fields: Any) -> RecommendationIssued:
    defaults: dict[str, Any] = {
        "recommendation_id": recommendation_id,
        "procedure": "cn-criminal",
        "kind": "rectification",
        "to_agency": POLICE,
        "document_number": "2026-7",
        "problem": "Seized items stay behind.",
        "advice": "Check the list before each transfer.",
    }
    if "to_outside" in fields:
        defaults.pop("to_agency")
    return RecommendationIssued(**(defaults | fields))


def delivered(at: str = "2026-03-02T01:00:00Z", **fields: Any) -> RecommendationReceived:
    return RecommendationReceived(received_at=at, **fields)


def objected() -> RecommendationObjected:
    return RecommendationObjected(ground="The list was complete.", digests=(MATERIAL,))


def reviewed(result: str = "upheld", **fields: Any) -> RecommendationReviewed:
    return RecommendationReviewed(result=result, ground="The depot's book says otherwise.", **fields)  # type: ignore[arg-type]


def escalated(**fields: Any) -> RecommendationEscalated:
    defaults = {"means": "superior_notified", "ground": "Nothing was mended in time."}
    return RecommendationEscalated(**(defaults | fields))


def replied() -> RecommendationAnswered:
    return RecommendationAnswered(
        answer="We check each list.", measures=("a second officer signs",), digests=(MATERIAL,)
    )


def rechecked(result: str = "fell", **fields: Any) -> RecommendationRechecked:
    before = PeriodCount(count=12, period_from="2026-01-01", period_until="2026-02-01", tree_size=1)
    after = PeriodCount(count=2, period_from="2026-02-01", period_until="2026-03-01", tree_size=1)
    counted: dict[str, Any] = {"counted_by": "officer", "before": before, "after": after}
    return RecommendationRechecked(result=result, model_id="item-not-handed-over", **(counted | fields))  # type: ignore[arg-type]


def dataset(data: bytes = b"", **fields: Any) -> DatasetRegistered:
    """Return a pension list of the first half of 2026, by the digest of its file; of one row unless said otherwise."""
    defaults: dict[str, Any] = {
        "dataset_id": "pensions",
        "source": "social security bureau",
        "legal_basis": "cooperation agreement 2026-3",
        "period_from": "2026-01-01",
        "period_until": "2026-06-30",
        "rows": 1,
        "digest": f"sha256:{sha256(data).hexdigest()}",
        "compared": ("who",),
    }
    return DatasetRegistered(**(defaults | fields))

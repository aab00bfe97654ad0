"""The console's access matrix: each page, and whom it shows the case of ``tests.api.matrix``.

A route of the console without a row here fails ``test_access``. A row's page is also tried by ``test_spoiled`` (what
others wrote stays text) and by ``test_policy`` (nothing inline, nothing from elsewhere).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

from api.console.cases.case_acts import FORMS as FORMS_OF_ACTS
from api.console.cases.case_pages import Tab
from api.console.shared.guidance import HANDLING
from ledger.core.visibility import GOVERNING, MODELLING
from ledger.supervision.models.editing import FORMS
from tests.api.matrix import GONE, ROLES, Relation, Role, anybody, governs, nobody, sees, sees_letter, supervises


def is_offered(relation: Relation, role: Role) -> bool:
    """Allow what was offered and neither answered nor taken back: it stands in the inbox, also after its time."""
    return relation in ("offered", "expired")


def was_offered(relation: Relation) -> Callable[[Relation, Role], bool]:
    """Allow an offer that no longer stands: it is still shown to whom it was made, without its case."""
    return lambda of, role: of == relation or sees(of, role)


def is_own(relation: Relation, role: Role) -> bool:
    return relation == "own"


def starts_with(relation: Relation, role: Role) -> bool:
    """Allow the start page, which has both boxes, letters that wait, and the clocks of the agency."""
    return is_offered(relation, role) or is_own(relation, role) or is_addressed(relation, role)


def is_addressed(relation: Relation, role: Role) -> bool:
    """Allow the agency to which the letter goes, and which sees nothing else of the case."""
    return relation == "addressed"


def receives(relation: Relation, role: Role) -> bool:
    """Allow the inbox, which has offers, and letters that wait."""
    return is_offered(relation, role) or is_addressed(relation, role)


@dataclass(frozen=True)
class Row:
    """A page. ``route`` is its address with names in braces that ``World.names`` has, ``query`` comes behind it.

    Roles other than ``roles`` are refused as such. Whoever ``may`` not see is told that nothing is there; of a list
    (``is_list``) he is shown one without the case, where ``mark`` is looked for. ``shows`` False: nothing of a case.
    ``event``, ``handover`` and ``act`` name what it is asked of; ``is_file``: to be kept, no page.
    ``governing``: for procuratorates alone.
    """

    route: str
    may: Callable[[Relation, Role], bool] = sees
    roles: tuple[str, ...] = ROLES
    query: str = ""
    is_list: bool = False
    shows: bool = True
    mark: str = "case-1"
    event: str = "event_id"
    handover: str = "handover_id"
    act: str = "offer"
    is_file: bool = False
    governing: bool = False

    @property
    def label(self) -> str:
        return self.route + self.query

    def refuses(self, relation: Relation, role: Role) -> bool:
        """Tell whether who stands so to the case is told that the page is not for such as him."""
        elsewhere = self.governing and relation not in ("jurisdiction", "other jurisdiction")
        return role not in self.roles or elsewhere

    def address(self, names: Mapping[str, str]) -> str:
        named = {"event_id": names[self.event], "handover_id": names[self.handover], "act": self.act}
        return self.route.format_map({**names, **named}) + self.query


PERIOD = "?since=2026-01-01&until=2026-06-30"
ROWS = (
    Row("/", starts_with, is_list=True),
    Row("/inbox", receives, is_list=True),
    Row("/inbox/refused", lambda relation, _role: relation == "refused", is_list=True),
    Row("/outbox", is_own, is_list=True),
    Row("/notices", nobody, is_list=True),  # nothing derives them in the world
    Row("/notices/settings", anybody, shows=False),
    Row("/notices/{number}", nobody),
    Row(
        "/retention",
        sees,
        query="?within=36600&all=true",
        roles=("clerk", "supervisor", "auditor", "analyst"),
        is_list=True,
    ),
    Row("/letters", is_addressed, is_list=True),
    Row("/letters", is_own, query="?box=outbox", is_list=True),
    Row("/cases/{case_id}/letters/{letter_id}", sees_letter),
    Row("/cases/{case_id}/letters/{letter_id}/bundle", sees_letter, is_file=True),
    Row("/cases", is_own, is_list=True),
    Row("/cases", sees, query="?all=true", is_list=True),
    Row("/cases/new", anybody, HANDLING, shows=False),
    Row("/stocktakes", anybody, HANDLING, shows=False),
    Row("/cases/{case_id}"),
    *(Row("/cases/{case_id}", query=f"?tab={tab}") for tab in get_args(Tab)[1:]),
    Row("/cases/{case_id}/timeline"),
    Row("/cases/{case_id}/parts/{kind}"),
    Row("/cases/{case_id}/picture"),
    Row("/cases/{case_id}/picture", query="?since=2026-03-02T08:00&until=2026-03-03T08:00"),
    Row("/cases/{case_id}/lineage"),
    Row("/cases/{case_id}/reads", roles=("auditor", "supervisor")),
    Row("/recorded", anybody, query="?event=01940000-0000-7000-8000-000000000000", shows=False, is_file=True),
    Row("/cases/{case_id}/events/{event_id}"),
    Row("/cases/{case_id}/events/{event_id}/bundle", is_file=True),
    Row("/cases/{case_id}/events/{event_id}/certificate", is_file=True),
    Row("/cases/{case_id}/events/{event_id}/paper", event="accepted_id", is_file=True),
    Row("/cases/{case_id}/bundle", is_file=True),
    Row("/cases/{case_id}/certificate", is_file=True),
    Row("/cases/{case_id}/labels", is_file=True),
    Row("/search", sees, query="?q=2026-0417", is_list=True),
    Row("/audit", anybody, ("auditor",), shows=False),
    Row("/audit", sees, ("auditor",), query="?case_id=case-1"),
    Row("/audit/{audit_id}", anybody, ("auditor",), shows=False),
    Row("/audit/{audit_id}/state", anybody, ("auditor",), shows=False),
    Row("/audit/{audit_id}/report", anybody, ("auditor",), shows=False, is_file=True),
    Row("/audit/{audit_id}/paper", anybody, ("auditor",), shows=False, is_file=True),
    Row("/cases/{case_id}/items/new", roles=HANDLING),
    Row("/cases/{case_id}/items/new/template", roles=HANDLING, is_file=True),
    Row("/cases/{case_id}/items/{item_id}"),
    Row("/cases/{case_id}/items/{item_id}/custody", query="?on=2026-03-02"),
    Row("/cases/{case_id}/offer", roles=HANDLING),
    Row("/cases/{case_id}/acts", roles=HANDLING),
    *(Row("/cases/{case_id}/acts/{act}", roles=HANDLING, act=act) for act in (*FORMS_OF_ACTS, "item.sealed")),
    Row("/cases/{case_id}/offer/lines", roles=HANDLING),
    Row("/cases/{case_id}/handovers/{handover_id}/lines", roles=HANDLING),
    Row("/cases/{case_id}/handovers/{handover_id}"),
    Row("/cases/{case_id}/handovers/{handover_id}/list"),
    Row("/cases/{case_id}/handovers/{handover_id}/phone", anybody, shows=False),  # of a phone of his own
    *(
        Row("/cases/{case_id}/handovers/{handover_id}", was_offered(relation), handover=f"{relation}_id")
        for relation in GONE
    ),
    Row("/leads", supervises, is_list=True, mark="{lead_id}"),
    Row("/leads/{lead_id}", supervises),
    Row("/leads/{lead_id}/cited", supervises),
    Row("/leads/{lead_id}/proof", supervises, is_file=True),
    Row("/models", anybody, MODELLING, shows=False, governing=True),
    Row("/models/workbench", anybody, MODELLING, f"?start=form&name={FORMS[0]}", shows=False, governing=True),
    Row("/recommendations", supervises, is_list=True, mark="/recommendations/{recommendation_id}"),
    Row("/recommendations/new", anybody, GOVERNING, shows=False, governing=True),
    Row("/recommendations/{recommendation_id}", supervises),
    Row("/recommendations/{recommendation_id}/paper", supervises, is_file=True),
    Row("/reports", anybody, GOVERNING, shows=False, governing=True),
    Row("/reports/file", anybody, GOVERNING, PERIOD, shows=False, governing=True, is_file=True),
    Row("/correlation", anybody, GOVERNING, shows=False, governing=True),
    Row("/correlation", governs, GOVERNING, "?from=case:case-1", governing=True),
    Row("/agencies/changes/{entry}/bundle", anybody, shows=False, is_file=True),
    Row("/lists/cases", is_own, is_list=True, is_file=True),
    Row("/lists/cases", sees, query="?all=true", is_list=True, is_file=True),
    Row("/lists/handovers/{box}", is_offered, is_list=True, is_file=True),
    Row("/lists/letters", is_addressed, is_list=True, is_file=True),
    Row("/lists/letters", is_own, query="?box=outbox", is_list=True, is_file=True),
    Row("/lists/deadlines", nobody, is_list=True, is_file=True),  # none runs for an agency
    Row("/lists/search", sees, query="?q=2026-0417", is_list=True, is_file=True),
    Row("/lists/cases/{case_id}/{part}", is_file=True),
    Row("/lists/reads/{case_id}", roles=("auditor", "supervisor"), is_file=True),
    Row("/lists/leads", supervises, is_list=True, mark="{lead_id}", is_file=True),
    Row("/lists/recommendations", supervises, is_list=True, mark="{recommendation_id}", is_file=True),
    Row("/lists/models", anybody, shows=False, is_file=True),
    Row("/lists/agencies", anybody, shows=False, is_file=True),
    Row("/lists/audits", anybody, ("auditor",), shows=False, is_file=True),
    Row("/library", anybody, shows=False),
    Row("/library/{model_id}", anybody, shows=False),
    Row("/library/{model_id}/comparison", anybody, shows=False),
    Row("/library/{model_id}/package", anybody, shows=False, is_file=True),
)
PAGES = tuple(row for row in ROWS if not row.is_file)
POSTED_FILE = "/cases/{case_id}/items/{item_id}/files/{digest}"
# Of what is tried for the API, whose service makes it.
OF_API = ("/cases/{case_id}/archive",)
# Files of evidence, which ``test_item_files`` gives and takes.
OF_EVIDENCE = tuple(POSTED_FILE + part for part in ("", "/preview", "/picture"))
# What links in mail lead to, which ``test_notice_mail`` tries with a token.
OF_MAIL = ("/notices/confirm", "/notices/unsubscribe")
# Of one agency, opened for each question: test_stocktakes tries it.
OF_STOCKTAKE = ("/stocktakes/{stocktake_id}", "/stocktakes/{stocktake_id}/paper")
# To an agency's identity provider and back, which test_provider_sign_in tries.
OF_PROVIDER = ("/sign-in/provider/{agency}", "/sign-in/provider/{agency}/return")
# For a phone with a token of its own, tried by test_phone_access.
OF_PHONE = ("/phone/offer", "/phone/lines")
# For anybody, without a session.
PUBLIC = (
    "/sign-in",
    "/phone",
    "/verify",
    "/notices/bell",
    "/operation",
    "/operation/now",
    "/operation/journal",
    "/agencies",
    "/agencies/changes",
    "/agencies/changes/{entry}",
    "/agencies/{agency_id}",
    "/agencies/{agency_id}/keys/{key_id}",
    "/setup",
    "/samples",
    "/samples/now",
    "/refusals/{code}",
    "/documents",
    "/documents/{document}",
)
# What changes something or takes a form: none of it does from another site, whoever is signed in.
POSTS = (
    "/sign-in",
    "/sign-out",
    "/language",
    "/samples",
    *(f"/notices/{part}" for part in ("settings", "address", "read", "confirm", "unsubscribe")),
    "/find",
    "/audit",
    "/cases/{case_id}/drafts/{act}",
    "/cases/{case_id}/items/new/table",
    POSTED_FILE,
    "/leads/drafts",
    "/inbox/drafts",
    "/stocktakes",
    *(f"/stocktakes/{{stocktake_id}}/{part}" for part in ("scans", "scans/{number}/take-back", "drafts", "abandon")),
    "/cases/{case_id}/handovers/{handover_id}/phone",
    "/cases/{case_id}/handovers/{handover_id}/phone/end",
    *(f"/phone{part}" for part in ("", "/answer", "/leave")),
    "/leads/{lead_id}/rederive",
    "/cited",
    "/supervision/drafts/{act}",
    "/supervision/{stream_id}/drafts/{act}",
    "/models/workbench",
    *(f"/models/workbench/{part}" for part in ("write", "read", "examples", "example", "hits", "file")),
)

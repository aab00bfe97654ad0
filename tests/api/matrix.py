"""The access matrix: every route of the API, what it takes to use it, and a world in which somebody stands in every
relation to one case.

A route without a row here fails ``test_access_matrix``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import msgspec
import pytest

from ledger.audit.findings import AuditReport
from ledger.core.events import Authority, registry
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.hold import HoldPlaced
from ledger.core.events.letter import LetterSent
from ledger.core.events.record import ImportRecorded
from ledger.core.events.registry import AgencyProfile
from ledger.core.events.retention import RetentionSet
from ledger.core.events.terms import AgencyKind, Role
from ledger.core.visibility import GOVERNING, MODELLING
from ledger.store import audit
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.api.conftest import no_chain, serving_ledger
from tests.api.service import Served, name_confidentially
from tests.testkit.builders import (
    COURT,
    DEPOT,
    DETENTION,
    LAB,
    POLICE,
    PRISON,
    PROCURATORATE,
    UPPER_COURT,
    Officer,
    Registry,
    Writer,
    instant,
    key_id,
)
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Clock, Ledger, open_founded, sqlite_url
from tests.testkit.supervision import Lead, Model, Recommendation, assigned, dataset

Relation = Literal[
    "own",
    "former",
    "offered",
    "refused",
    "recalled",
    "expired",
    "addressed",
    "foreign",
    "jurisdiction",
    "other jurisdiction",
]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
ROLES: tuple[Role, ...] = ("clerk", "supervisor", "auditor", "analyst", "witness")
SUPERVISION = ("auditor", "analyst")
COURT_WEST, PROCURATORATE_WEST = "court-west", "procuratorate-west"
AGENCY: dict[Relation, str] = {
    "own": COURT,
    "former": POLICE,
    "offered": PRISON,
    "refused": LAB,
    "recalled": DEPOT,
    "expired": COURT_WEST,
    "addressed": UPPER_COURT,
    "foreign": DETENTION,
    "jurisdiction": PROCURATORATE,
    "other jurisdiction": PROCURATORATE_WEST,
}
EXPIRES_IN_S = 600
EXPIRES_AT = instant(Clock().seconds + EXPIRES_IN_S)
ORDER = Authority(authorization_type="court order", authorization_identifier="O-1")
AUDIT = "audit-0000000000"  # of the whole log, which an auditor ran
GONE: tuple[Relation, ...] = ("refused", "recalled", "expired")
OTHERS = {
    "code": "key_unknown",
    "act": "offer",
    "kind": "items",
    "part": "items",
    "box": "inbox",
    "agency_id": COURT,
    "key_id": Officer(f"{COURT}-clerk", COURT).key_id,
    "entry": "0",
    "audit_id": AUDIT,
    "number": "1",
    "item_id": "phone",
    "person_id": person_id("li"),
    "letter_id": "letter-1",
    "dataset_id": "d1",
    "stocktake_id": "stocktake-0",
    "webhook_id": "webhook-" + "0" * 16,
    "stream_id": Lead().body.lead_id,
    "lead_id": Lead().body.lead_id,
    "model_id": "item-not-handed-over",
    "version": "1",
    "recommendation_id": "phone",
    "document": "supervision",
    "digest": "00" * 32,
    "agency": "police-east",
}


def reader(relation: Relation, role: Role) -> Officer:
    """Return the officer who stands so to the case, in this role alone."""
    agency = AGENCY[relation]
    return Officer(f"{agency}-{role}", agency, (role,))


@dataclass
class World:
    """One case that has been everywhere, and a service that tells of it."""

    served: Served
    case: Case

    @property
    def named(self) -> str:
        """The event that has a confidential section."""
        return self.case.events[1].envelope.event_id

    @property
    def accepted(self) -> str:
        """The event by which the case came to the court."""
        accepted = [e for e in self.case.events if e.envelope.event_type == "handover.accepted"]
        return accepted[0].envelope.event_id

    @property
    def offer(self) -> str:
        """The handover that is open."""
        return self.case.open_handover().handover_id

    def offered_to(self, relation: Relation) -> str:
        """Return the handover that was offered to the agency that stands so to the case."""
        handovers = self.case.state.handovers.values()
        return next(handover.handover_id for handover in handovers if handover.to_agency == AGENCY[relation])

    @cached_property
    def names(self) -> dict[str, str]:
        """Return what stands for the names in a route's braces."""
        events = {"event_id": self.named, "accepted_id": self.accepted, "assigned_id": ASSIGNED}
        gone = {f"{relation}_id": self.offered_to(relation) for relation in GONE}
        return OTHERS | {"case_id": "case-1", "handover_id": self.offer} | events | gone


def made_case(expires_at: str) -> Case:
    """Return a case opened by the police, now with the court, which offers it, or did so, to four others."""
    case = Case(step=1).open(clerk_of("former"))
    name_confidentially(case, clerk_of("former"))
    imported = ImportRecorded(source_system="cases", source_key="A-1", file_digest="sha256:" + "00" * 32, row=1)
    case.act(imported, clerk_of("former"))
    items = ("phone", "knife", "coins")
    case.register(*items, by=clerk_of("former"))
    terms = {"purpose": "jurisdiction_transfer", "persons": ("li",), "by": clerk_of("former")}
    case.offer(*items, to=COURT, **terms).accept(by=clerk_of("own"))  # type: ignore[arg-type]
    by, lent = clerk_of("own"), "forensic_examination"
    case.offer("knife", to=LAB, purpose=lent, by=by).refuse(by=clerk_of("refused"))
    case.offer("knife", to=DEPOT, purpose=lent, by=by).recall(by=by)  # flagged, in words of the procedure
    letter = {"letter_id": "letter-1", "kind": "file_reading_notice", "number": "No. 7", "item_ids": ("knife",)}
    case.say(LetterSent, by, to_agency=UPPER_COURT, sent_at=instant(case.now), **letter)  # type: ignore[arg-type]
    held = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "items", "item_ids": ("knife",)}
    case.say(HoldPlaced, reader("own", "supervisor"), authority=ORDER, **held)  # type: ignore[arg-type]
    kept = {"item_ids": ("knife",), "until": "2036-12-31"}
    case.say(RetentionSet, reader("own", "supervisor"), authority=ORDER, **kept)  # type: ignore[arg-type]
    case.offer("coins", to=COURT_WEST, purpose="property_transfer", by=by, expires_at=expires_at)
    return case.offer("phone", to=PRISON, purpose="execution", by=by)


def clerk_of(relation: Relation) -> Officer:
    return reader(relation, "clerk")


@contextmanager
def made_world(folder: Path) -> Iterator[World]:
    """Serve a world where the case is recorded, and one offer has expired."""
    with open_founded(sqlite_url(folder), then=_fill) as ledger, serving_ledger(ledger, no_chain) as served:
        yield World(served, made_case(EXPIRES_AT))


def _fill(ledger: Ledger) -> None:
    _found(ledger.changes)
    ledger.found()
    with serving_ledger(ledger, no_chain) as served:
        served.record(made_case(EXPIRES_AT))
        own = Writer("agency", POLICE)
        ledger.post(own.write(dataset(dataset_id="d1"), clerk_of("former")))
        served.publish()
        for writer in made_supervision():
            for event in writer.events:
                ledger.post(event)
        _audited(ledger)
        ledger.clock.forward(EXPIRES_IN_S + 1)


def _audited(ledger: Ledger) -> None:
    """Let an audit that an auditor ran stand in the list of audits."""
    now = ledger.clock()
    report = AuditReport("intact", development=True, scope="log", size=1, root="00" * 32, steps=(), findings=())
    text = msgspec.json.encode(report)
    kept = audit.KeptAudit(AUDIT, None, COURT, "court-east-auditor", now, now, report.verdict, None, text)
    with ledger.database.write() as connection:
        audit.keep(connection, kept)


def made_supervision() -> tuple[Model, Lead, Recommendation]:
    """Make a model of the procuratorate, its lead for the police, who were told, and a recommendation to them."""
    by = reader("jurisdiction", "supervisor")
    text = shipped_model("item-not-handed-over")
    digest = parse_model(text).digest
    model = Model(step=1).published(reader("jurisdiction", "analyst"), definition=text, model_digest=digest)
    lead = Lead(step=1).raised().act(assigned(), by)
    return model, lead, Recommendation("phone", step=1).issued(by, leads=(lead.state.lead_id,))


ASSIGNED = made_supervision()[1].last.envelope.event_id  # the event by which the police were told of the lead


def _found(changes: Registry) -> None:
    changes.admit(COURT, POLICE, PRISON, LAB, DEPOT, DETENTION, PROCURATORATE, UPPER_COURT)
    elsewhere: dict[str, tuple[AgencyKind, str]] = {
        COURT_WEST: ("court", "31/01"),
        PROCURATORATE_WEST: ("procuratorate", "32/01"),
    }
    for agency, (kind, jurisdiction) in elsewhere.items():
        profile = AgencyProfile(jurisdiction=jurisdiction, name={"en": agency, "zh": f"{agency}机关"})
        changes.add(
            registry.AgencyAdmitted, agency=agency, kind=kind, admin=key_id(f"admin of {agency}"), profile=profile
        )
    changes.grant(*(reader(relation, role) for relation in RELATIONS for role in ROLES))


# -- rules: who may --------------------------------------------------------------------------------------------------


def sees(relation: Relation, role: Role) -> bool:
    """Tell whether a case is seen: by who holds, held or is being offered it, and by supervision where it is."""
    return relation in ("own", "former", "offered") or (relation == "jurisdiction" and role in SUPERVISION)


def is_party(relation: Relation, role: Role) -> bool:
    return relation in ("own", "former")


def is_the_police(relation: Relation, role: Role) -> bool:
    return relation == "former"


def hands_over(relation: Relation, role: Role) -> bool:
    """Tell whether he has something in his lists of handovers, whatever came of it."""
    return relation not in ("addressed", "foreign", "jurisdiction", "other jurisdiction")


def has_letter(relation: Relation, role: Role) -> bool:
    """Tell whether his agency sent or gets the letter."""
    return relation in ("own", "addressed")


def sees_letter(relation: Relation, role: Role) -> bool:
    """Tell whether the letter is seen: by its two sides, and by whoever sees the case."""
    return has_letter(relation, role) or sees(relation, role)


def is_told(relation: Relation, role: Role) -> bool:
    """Tell whether he has something in his feed: a handover, or what supervision concerns him with."""
    return hands_over(relation, role) or relation in ("addressed", "jurisdiction")


def anybody(relation: Relation, role: Role) -> bool:
    return True


def supervises(relation: Relation, role: Role) -> bool:
    """Tell whether he sees leads and recommendations: at the procuratorate that has them, the agency that answers."""
    return relation in ("former", "jurisdiction")


def governs(relation: Relation, role: Role) -> bool:
    """Tell whether it is the procuratorate over whose jurisdiction the case lies."""
    return relation == "jurisdiction"


def nobody(relation: Relation, role: Role) -> bool:
    return False


class MatrixRow(Protocol):
    """A row of a matrix: of the API's routes, or of the console's pages."""

    may: Callable[[Relation, Role], bool]
    roles: tuple[str, ...]

    @property
    def label(self) -> str: ...


def crossed(rows: Sequence[MatrixRow]) -> list[Any]:
    """Cross each row with relations and roles, for ``parametrize``: two probes a row in every run, all in a full one.

    The probes are a relation that is shown something and one that is not, another pair from row to row. Of the roles
    that are answered alike each has one, another from row to row.
    """
    parameters = []
    for number, row in enumerate(rows):
        shown = [relation for relation in RELATIONS if any(row.may(relation, role) for role in row.roles)]
        hidden = [relation for relation in RELATIONS if relation not in shown]
        for relation in (group[number % len(group)] for group in (shown, hidden) if group):
            alike: dict[tuple[bool, bool], list[Role]] = {}
            for role in ROLES:
                alike.setdefault((role in row.roles, row.may(relation, role)), []).append(role)
            roles = [group[number % len(group)] for group in alike.values()]
            parameters.append(pytest.param(row, relation, roles, id=f"{row.label}-{relation}"))
        for relation in RELATIONS:
            name = f"{row.label}-{relation}-each role"
            parameters.append(pytest.param(row, relation, ROLES, id=name, marks=pytest.mark.extended))
    return parameters


def elsewhere(text: str) -> str:
    """Return the same about a case, an item, a person, an event, a lead that do not exist."""
    text = re.sub(r"-7[0-9a-f]{3}-", "-7000-", re.sub(r"[0-9a-f]{32}", "0" * 32, text))
    return re.sub(r"case-1|phone|handover-\d+|item-not-handed-over", "ghost", text)


@dataclass(frozen=True)
class Row:
    """What a route shows of the case, and to whom.

    Its address is asked for, with ``query``, of the event that ``event`` names. Roles other than ``roles`` are refused
    as such. Without a ``key`` whoever may not see is told that nothing is there; with it, the answer lists under it
    what he may see. ``records`` False: shows no payload.
    """

    operation: str
    may: Callable[[Relation, Role], bool] = sees
    roles: tuple[str, ...] = ROLES
    query: str = ""
    key: str | None = None
    body: bytes | None = None
    records: bool = True
    event: str = "event_id"

    @property
    def label(self) -> str:
        named = " of a case" if "case_id=" in self.query else ""
        return f"{self.operation}{named}{' of a lead' if self.may is supervises else ''}"

    def path(self, world: World, **names: str) -> str:
        named = world.names | {"event_id": world.names[self.event]} | names
        return self.operation.partition(" ")[2].format_map(named) + self.query


_LIBRARY = "GET /api/v1/library/{model_id}"
READS = (
    Row("GET /api/v1/cases", key="cases"),
    Row("GET /api/v1/cases/{case_id}"),
    *(
        Row(f"GET /api/v1/cases/{{case_id}}/{part}")
        for part in ("timeline", "spans", "deadlines", "proof", "certificate", "labels")
    ),
    *(
        Row("GET /api/v1/cases/{case_id}/export", query=f"?format={name}")
        for name in ("csv", "json", "ocel", "case-uco")
    ),
    Row("GET /api/v1/cases/{case_id}/persons/{person_id}/history"),
    Row("GET /api/v1/cases/{case_id}/handovers/{handover_id}"),
    Row("GET /api/v1/cases/{case_id}/head", sees_letter),
    Row("GET /api/v1/cases/{case_id}/letters/{letter_id}", sees_letter),
    Row("GET /api/v1/letters", has_letter, key="letters"),
    Row("GET /api/v1/search", query="?q=case-1", key="hits"),
    Row("GET /api/v1/search", query="?q=2026-0417", key="hits"),
    Row("GET /api/v1/items", key="items"),
    Row("GET /api/v1/items", query="?case_id=case-1"),
    Row("GET /api/v1/items/{item_id}"),
    Row("GET /api/v1/items/{item_id}/history"),
    Row("GET /api/v1/cases/{case_id}/items/{item_id}/files"),
    Row("GET /api/v1/items/{item_id}/history", query="?on=2026-03-02"),
    Row("GET /api/v1/handovers", hands_over, key="handovers"),
    Row("GET /api/v1/events", query="?case_id=case-1"),
    Row("GET /api/v1/events", is_told, key="events"),
    Row("GET /api/v1/events/{event_id}"),
    Row("GET /api/v1/events/{event_id}/proof"),
    Row("GET /api/v1/cases/{case_id}/papers"),
    Row("GET /api/v1/events/{event_id}/paper", event="accepted_id"),
    Row("GET /api/v1/events/{event_id}/certificate"),
    Row("GET /api/v1/deadlines", sees_letter, query="?case_id=case-1"),
    Row("GET /api/v1/holds", query="?case_id=case-1", key="holds"),
    Row("GET /api/v1/retention/due", query="?seen=true&within_days=36600", key="due"),
    Row("GET /api/v1/warnings", nobody, key="warnings"),
    Row("GET /api/v1/notices", nobody, key="notices"),  # nothing derives them in the world
    Row("GET /api/v1/leads", supervises, key="leads"),
    Row("GET /api/v1/leads", supervises, query="?case_id=case-1", key="leads"),
    Row("GET /api/v1/leads/{lead_id}", supervises),
    Row("GET /api/v1/leads/{lead_id}/proof", supervises),
    Row("GET /api/v1/events/{event_id}", supervises, event="assigned_id"),
    Row("GET /api/v1/recommendations", supervises, key="recommendations"),
    Row("GET /api/v1/recommendations/{recommendation_id}", supervises),
    Row("GET /api/v1/models", anybody, key="models"),
    Row("GET /api/v1/models/{model_id}", anybody),
    Row("GET /api/v1/models/{model_id}/{version}", anybody),
    Row("GET /api/v1/library", anybody, key="models"),
    Row("GET /api/v1/library", anybody, query="?q=seized", key="models"),
    *(Row(_LIBRARY + part, anybody) for part in ("", "/package", "/comparison", "/adopters", "/outturn")),
    Row("GET /api/v1/supervision", anybody),
    Row("GET /api/v1/imports", is_the_police, key="imports"),
    Row("GET /api/v1/datasets", is_the_police, key="datasets"),
    Row(
        "POST /api/v1/imports/look-up",
        anybody,
        key="rows",
        body=b'{"source_system":"cases","rows":[{"source_key":"A-1","case_id":"case-1"}]}',
    ),
    Row("GET /api/v1/access", is_party, ("auditor", "supervisor"), "?case_id=case-1"),
    Row("GET /api/v1/audit", sees, ("auditor",), "?case_id=case-1"),
    Row("GET /api/v1/audit/report", sees, ("auditor",), "?case_id=case-1"),
)
# For one's own agency, whatever it has to do with the case.
OWN = (
    Row("GET /api/v1/access", anybody, ("auditor", "supervisor")),
    Row("GET /api/v1/stocktakes", anybody, HANDLING),
    Row("GET /api/v1/stocktakes/recorded", anybody, HANDLING),
    Row("GET /api/v1/webhooks", anybody, ("supervisor",), records=False),
    Row("POST /api/v1/webhooks", anybody, ("supervisor",), body=b'{"url":"https://a.example/NAME"}'),
    Row("GET /api/v1/notices/settings", anybody, records=False),
    Row("POST /api/v1/notices/settings", anybody, body=b'{"choices":{}}', records=False),
    Row("POST /api/v1/notices/read", anybody, body=b"{}", records=False),
)
# For a procuratorate, over what lies in its jurisdiction.
_RUN = msgspec.json.encode({"definition": shipped_model("item-not-handed-over")})
_YEAR = "?since=2026-01-01&until=2026-12-31"
GOVERNANCE = (
    Row("GET /api/v1/report", governs, GOVERNING, _YEAR),
    Row("GET /api/v1/report", governs, GOVERNING, f"{_YEAR}&format=html"),
    Row("GET /api/v1/correlation", governs, GOVERNING, "?from=case:case-1"),
    Row("POST /api/v1/models/run", governs, MODELLING, body=_RUN),
    Row("POST /api/v1/library/anonymity", governs, MODELLING, body=b'{"texts":["case-1"]}'),
    Row("POST /api/v1/leads/{lead_id}/kind", governs, MODELLING, body=b"{}"),
)
# The webhook is one of the police, made for each question.
WEBHOOK = (
    Row("POST /api/v1/webhooks/{webhook_id}/test", is_the_police, ("supervisor",), body=b"", records=False),
    Row("DELETE /api/v1/webhooks/{webhook_id}", is_the_police, ("supervisor",)),
)
# What shows no payload takes no token.
PUBLIC = (
    ("GET /healthz", "/healthz"),
    ("GET /readyz", "/readyz"),
    ("GET /checkpoint", "/checkpoint"),
    ("GET /tile/{name}", "/tile/0/000.p/3"),
    ("GET /tile/{name}", "/tile/entries/000.p/3"),
    ("GET /api/v1/log", "/api/v1/log"),
    ("GET /api/v1/log/trust", "/api/v1/log/trust"),
    ("GET /api/v1/log/zone", "/api/v1/log/zone"),
    ("GET /api/v1/log/inclusion/{index}", "/api/v1/log/inclusion/1"),
    ("GET /api/v1/log/receipt/{index}", "/api/v1/log/receipt/1"),
    ("GET /api/v1/log/consistency", "/api/v1/log/consistency?first=1&second=3"),
    ("GET /api/v1/log/absence", "/api/v1/log/absence?kind=case&id=case-none"),
    ("GET /api/v1/agencies", "/api/v1/agencies"),
    ("GET /api/v1/agencies/{agency_id}", "/api/v1/agencies/police-east"),
    ("GET /api/v1/agencies/{agency_id}/keys", "/api/v1/agencies/police-east/keys"),
    ("GET /api/v1/registry", "/api/v1/registry"),
    ("GET /api/v1/setup", "/api/v1/setup"),
    ("GET /api/v1/procedures", "/api/v1/procedures"),
    ("GET /api/v1/anchors", "/api/v1/anchors"),
    ("GET /api/v1/chain", "/api/v1/chain"),
)
# What takes a signature takes no token, and a token opens nothing there.
SIGNED = (
    "POST /api/v1/events",
    "POST /api/v1/events/batch",
    "POST /api/v1/handovers",
    *(
        f"POST /api/v1/cases/{{case_id}}/handovers/{{handover_id}}/{word}"
        for word in ("accept", "refuse", "recall", "return", "check")
    ),
    "POST /api/v1/sign-in/challenge",
    "POST /api/v1/sign-in/token",
    "POST /api/v1/chain/transactions/prepare",
    "POST /api/v1/chain/transactions",
)
# The file of a data set is taken from who registered it, which ``test_imports`` tries.
GIVEN = "POST /api/v1/datasets/{dataset_id}/file"
# Files of evidence are given by who holds the item and taken by who reads sections: ``test_evidence_files`` tries that.
_FILE = "/api/v1/cases/{case_id}/items/{item_id}/files/{digest}"
EVIDENCE = (f"GET {_FILE}", f"POST {_FILE}", f"GET {_FILE}/preview")
# Mail of notices takes a server, and its links a token, which ``test_notice_mail`` has.
MAILED = ("POST /api/v1/notices/address", "POST /api/v1/notices/unsubscribe")
# Persons are blinded for a supervising agency in line, which ``test_pseudonyms`` tries.
PSEUDONYMS = ("GET /api/v1/pseudonyms/{agency_id}", "POST /api/v1/pseudonyms/{agency_id}")
# Acts are drafted for whoever may sign them in a case that he sees, which ``test_drafts`` tries.
DRAFTED = "POST /api/v1/drafts"
# A stocktake is one agency's own, opened for each question: ``test_stocktakes`` tries what is done to it.
OF_STOCKTAKE = (
    "POST /api/v1/stocktakes",
    *(
        f"{method} /api/v1/stocktakes/{{stocktake_id}}{path}"
        for method, path in (
            *(("GET", ""), ("GET", "/recorded"), ("GET", "/paper"), ("POST", "/scans"), ("DELETE", "/scans/{number}")),
            *(("POST", "/acts"), ("DELETE", "")),
        )
    ),
)
# Texts of procedures are published and read in ``test_procedures``.
PROCEDURES = ("GET /api/v1/procedures/{digest}", "POST /api/v1/procedures")
# Audits of the whole log are tried by ``tests/unit/audit``: here by their role alone.
WHOLE_LOG = ("GET /api/v1/audit", "GET /api/v1/audit/report")

# An archive is made of what has rows here, and each part is recorded, which ``test_access_matrix`` tries by itself.
ARCHIVED = "GET /api/v1/cases/{case_id}/archive"


def covered() -> set[str]:
    """Return the operations that have a row."""
    rows = {row.operation for row in (*READS, *OWN, *WEBHOOK, *GOVERNANCE)}
    rest = {*SIGNED, *OF_STOCKTAKE, *PROCEDURES, *PSEUDONYMS, *MAILED, GIVEN, *EVIDENCE, DRAFTED, ARCHIVED, *WHOLE_LOG}
    return rows | {operation for operation, _ in PUBLIC} | rest

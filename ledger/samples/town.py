"""The agencies and people of the sample: two districts of one city, and what stands above them."""

from __future__ import annotations

from typing import NamedTuple

from ledger.core.events.terms import AgencyKind, Role

EAST, WEST, CITY = "31/01", "31/02", "31"  # jurisdictions
GRANTED_UNTIL = 2_051_222_400  # 2035-01-01T00:00:00Z


class Agency(NamedTuple):
    """An agency as its ledger is founded with it."""

    agency_id: str
    kind: AgencyKind
    jurisdiction: str
    en: str
    zh: str


class Person(NamedTuple):
    """Somebody with a key: ``profile`` is the key's name, and that of the profile under which he acts."""

    profile: str
    agency: str
    officer: str
    role: Role


AGENCIES = (
    Agency("psb-east", "public_security", EAST, "East District Public Security Bureau", "东城公安分局"),
    Agency("procuratorate-east", "procuratorate", EAST, "East District Procuratorate", "东城区人民检察院"),
    Agency("court-east", "court", EAST, "East District Court", "东城区人民法院"),
    Agency("corrections-east", "judicial_administration", EAST, "East District Judicial Bureau", "东城区司法局"),
    Agency("detention-east", "detention_house", EAST, "East District Detention House", "东城区看守所"),
    Agency("depot-east", "property_custodian", EAST, "East District Property Depot", "东城涉案财物管理中心"),
    Agency("lab-east", "forensic_lab", EAST, "East District Forensic Laboratory", "东城司法鉴定中心"),
    Agency("psb-west", "public_security", WEST, "West District Public Security Bureau", "西城公安分局"),
    Agency("procuratorate-west", "procuratorate", WEST, "West District Procuratorate", "西城区人民检察院"),
    Agency("procuratorate-city", "procuratorate", CITY, "City Procuratorate", "市人民检察院"),
    Agency("court-city", "court", CITY, "City Intermediate Court", "市中级人民法院"),
)

PEOPLE = (
    Person("police", "psb-east", "p-0417", "clerk"),
    Person("police-chief", "psb-east", "p-0400", "supervisor"),
    Person("prosecutor", "procuratorate-east", "j-0021", "clerk"),
    Person("prosecutor-chief", "procuratorate-east", "j-0001", "supervisor"),
    Person("auditor", "procuratorate-east", "j-0090", "auditor"),
    Person("analyst", "procuratorate-east", "j-0077", "analyst"),
    Person("court", "court-east", "c-0007", "clerk"),
    Person("court-chief", "court-east", "c-0001", "supervisor"),
    Person("corrections", "corrections-east", "r-0003", "clerk"),
    Person("detention", "detention-east", "d-0002", "clerk"),
    Person("depot", "depot-east", "w-0005", "clerk"),
    Person("depot-chief", "depot-east", "w-0001", "supervisor"),
    Person("lab", "lab-east", "f-0003", "clerk"),
    Person("police-west", "psb-west", "q-0417", "clerk"),
    Person("analyst-west", "procuratorate-west", "n-0077", "analyst"),
    Person("auditor-city", "procuratorate-city", "k-0090", "auditor"),
    Person("court-city", "court-city", "h-0004", "clerk"),
)

CLERKS = {person.agency: person.profile for person in PEOPLE if person.role == "clerk"}
BY_PROFILE = {person.profile: person for person in PEOPLE}


def admin_of(agency_id: str) -> str:
    """The name of the key that manages the agency's other keys."""
    return f"admin-{agency_id}"

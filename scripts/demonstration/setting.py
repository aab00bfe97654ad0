"""Act one: four agencies found a ledger, and each grants its own people their keys."""

from __future__ import annotations

import json
from typing import NamedTuple

from scripts.demonstration import witnesses
from scripts.demonstration.stage import Stage
from scripts.demonstration.witnesses import QUORUM, Witness

NAMES = {
    "psb-east": ("East District Public Security Bureau", "东城公安分局"),
    "procuratorate-east": ("East District Procuratorate", "东城区人民检察院"),
    "court-east": ("East District Court", "东城区人民法院"),
    "corrections-east": ("East District Judicial Bureau", "东城区司法局"),
}
KINDS = {
    "psb-east": "public_security",
    "procuratorate-east": "procuratorate",
    "court-east": "court",
    "corrections-east": "judicial_administration",
}
JURISDICTION = "31/01"
GRANTED_UNTIL = "2035-01-01T00:00:00Z"


class Person(NamedTuple):
    """Somebody with a key: the profile is also the key's name."""

    profile: str
    agency: str
    officer: str
    role: str


PEOPLE = (
    Person("police", "psb-east", "p-0417", "clerk"),
    Person("police-chief", "psb-east", "p-0400", "supervisor"),
    Person("prosecutor", "procuratorate-east", "j-0021", "clerk"),
    Person("auditor", "procuratorate-east", "j-0090", "auditor"),
    Person("court", "court-east", "c-0007", "clerk"),
    Person("corrections", "corrections-east", "r-0003", "clerk"),
)


def admin_of(agency: str) -> str:
    """The profile of the agency's admin."""
    return f"admin-{agency}"


def found(stage: Stage) -> list[Witness]:
    """From nothing to a running ledger whose people may sign; gives the witnesses that watch it."""
    stage.act("Four agencies found a ledger, and three of them witness it")
    admins = {agency: new_key(stage, admin_of(agency)) for agency in KINDS}
    watching = witnesses.make(stage)
    keys = {one.agency: {"witness": one.account, "witness_key": one.vkey} for one in watching}
    founding = {
        "quorum": QUORUM,
        "agencies": [
            {
                "agency_id": agency,
                "kind": kind,
                "admin": admins[agency],
                "jurisdiction": JURISDICTION,
                "name": {"en": NAMES[agency][0], "zh": NAMES[agency][1]},
            }
            | keys.get(agency, {})
            for agency, kind in KINDS.items()
        ],
    }
    file = stage.directory / "founding.json"
    file.write_text(json.dumps(founding, ensure_ascii=False, indent=2))
    made = stage.tally("init", "--founding", str(file), "--passphrase-file", str(stage.passphrase_file))
    (stage.data / "witnesses.toml").write_text("".join(one.row() for one in watching))
    stage.chain.fund([*admins.values(), made["submitter"]])
    stage.start_service()
    stage.held("ledger founded, contracts deployed, service ready", f"log id {made['log_id'][:18]}…")
    witnesses.start(stage, watching)
    stage.held(f"{len(watching)} witnesses run", f"the contract takes no anchor without {QUORUM} of them")
    for agency in KINDS:
        add_profile(stage, admin_of(agency), agency, f"admin-{agency}"[:31])
    for person in PEOPLE:
        grant(stage, person)
    expected = len(KINDS) + len(PEOPLE)
    stage.wait_until("the registry is mirrored", "/api/v1/log", lambda log: log["size"] >= expected)
    stage.held("keys granted on the chain and mirrored into the log", f"{len(PEOPLE)} keys")
    return watching


def new_key(stage: Stage, name: str) -> str:
    """A new keystore; gives the key id."""
    made = stage.tally("key", "new", name, "--light", "--passphrase-file", str(stage.passphrase_file))
    key_id: str = made["key_id"]
    return key_id


def add_profile(stage: Stage, profile: str, agency: str, officer: str) -> None:
    """Lets the command line act as somebody."""
    stage.tally(
        "profile",
        "add",
        profile,
        *("--url", stage.url),
        *("--agency", agency),
        *("--officer", officer),
        *("--key", profile),
        *("--passphrase-file", str(stage.passphrase_file)),
    )


def grant(stage: Stage, person: Person) -> None:
    """The admin of the agency grants a key of one of its people."""
    key_id = new_key(stage, person.profile)
    add_profile(stage, person.profile, person.agency, person.officer)
    stage.tally(
        "key",
        "grant",
        key_id,
        *("--officer", person.officer),
        *("--role", person.role),
        *("--until", GRANTED_UNTIL),
        profile=admin_of(person.agency),
    )

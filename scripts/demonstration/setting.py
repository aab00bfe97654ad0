"""Act one: the agencies found a ledger, and each grants its own people their keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ledger.samples.town import AGENCIES, BY_PROFILE, PEOPLE, Agency, Person, admin_of
from scripts.demonstration import witnesses
from scripts.demonstration.stage import Stage
from scripts.demonstration.witnesses import QUORUM, Witness

GRANTED_UNTIL = "2035-01-01T00:00:00Z"
LEAVER = Person("leaver", "corrections-east", "r-0009", "clerk")  # whose key is revoked later
CAST = ("police", "police-chief", "prosecutor", "prosecutor-chief", "auditor", "analyst", "court", "corrections")


def found(stage: Stage, *, whole: bool) -> list[Witness]:
    """From nothing to a running ledger whose people may sign; gives the witnesses that watch it.

    Four agencies of the sample's town found it, all of them where it is to be the ``whole`` town.
    """
    agencies = AGENCIES if whole else AGENCIES[:4]
    people = (*(PEOPLE if whole else (BY_PROFILE[name] for name in CAST)), LEAVER)
    stage.act(f"{len(agencies)} agencies found a ledger, and three of them witness it")
    admins = {one.agency_id: new_key(stage, admin_of(one.agency_id)) for one in agencies}
    watching = witnesses.make(stage)
    founding = _founding(agencies, admins, watching)
    file = stage.directory / "founding.json"
    file.write_text(json.dumps(founding, ensure_ascii=False, indent=2))
    made = stage.tally("init", "--light", "--founding", str(file), "--passphrase-file", str(stage.passphrase_file))
    (stage.data / "witnesses.toml").write_text("".join(one.row() for one in watching))
    stage.chain.fund([*admins.values(), made["submitter"]])
    stage.start_service()
    stage.held("ledger founded, contracts deployed, service ready", f"log id {made['log_id'][:18]}…")
    witnesses.start(stage, watching)
    stage.held(f"{len(watching)} witnesses run", f"the contract takes no anchor without {QUORUM} of them")
    for agency in admins:
        add_profile(stage, admin_of(agency), agency, f"admin-{agency}"[:31])
    for person in people:
        grant(stage, person)
    expected = len(agencies) + len(people)
    stage.wait_until("the registry is mirrored", "/api/v1/log", lambda log: log["size"] >= expected)
    stage.held("keys granted on the chain and mirrored into the log", f"{len(people)} keys")
    return watching


def _founding(agencies: Sequence[Agency], admins: Mapping[str, str], watching: Sequence[Witness]) -> dict[str, Any]:
    """The file that names the agencies, their admins, and of those that watch the log their witnesses."""
    keys = {one.agency: {"witness": {"account": one.account, "verifier_key": one.verifier_key}} for one in watching}
    return {
        "quorum": QUORUM,
        "agencies": [
            {
                "agency_id": one.agency_id,
                "kind": one.kind,
                "admin": admins[one.agency_id],
                "jurisdiction": one.jurisdiction,
                "name": {"en": one.en, "zh": one.zh},
            }
            | keys.get(one.agency_id, {})
            for one in agencies
        ],
    }


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

"""``tally agency``: the agencies of the ledger, and the admission of another by a majority."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from ledger.cli.client import at
from ledger.cli.command import Group
from ledger.cli.output import Column
from ledger.cli.session import Session, pass_session
from ledger.core import canonical
from ledger.core.contract_change import CHANGE_KINDS, KIND_NUMBERS, ContractChange, profile_bytes
from ledger.core.errors import MalformedInput
from ledger.core.event.registry import AgencyAdmitted, Profile
from ledger.installation import FoundingAgency

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Approval(Struct, frozen=True):
    decision: int
    admin: str
    signature: str


@click.group("agency", cls=Group)
def command() -> None:
    """The agencies of the ledger."""


@command.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the agencies."""
    columns = [Column("agency_id"), Column("name"), Column("kind", "agency_kind"), Column("jurisdiction")]
    session.output.table(list(session.service.pages("/api/v1/agencies", "agencies")), columns)


@command.command("show")
@click.argument("agency_id")
@pass_session
def show(session: Session, agency_id: str) -> None:
    """Show an agency and its keys."""
    agency = session.service.get(at("/api/v1/agencies/{}", agency_id))
    keys = list(session.service.pages(at("/api/v1/agencies/{}/keys", agency_id), "keys"))
    if session.json:
        return session.output.data(agency | {"keys": keys})
    session.output.record(
        agency, [Column("kind", "agency_kind") if name == "kind" else Column(name) for name in agency]
    )
    columns = ("key_id", "officer", "roles", "valid_from", "valid_until", "granted", "revoked")
    return session.output.table(keys, [Column(name) for name in columns])


@command.command("approve")
@click.argument("file", type=FILE)
@pass_session
def approve(session: Session, file: Path) -> None:
    """Sign, as an agency's admin, that the agency in FILE be admitted; prints the approval as JSON."""
    from ledger.cli.registry import approve as sign_approval

    session.output.data(sign_approval(session, _admission(file)))


@command.command("admit")
@click.argument("file", type=FILE)
@click.option("--approval", "approvals", type=FILE, multiple=True, required=True, help="As 'agency approve' gave it.")
@pass_session
def admit(session: Session, file: Path, approvals: tuple[Path, ...]) -> None:
    """Admit the agency in FILE on the approvals of a majority of admins.

    FILE is JSON: agency_id, kind, jurisdiction, name {en, zh}, admin.
    """
    from ledger.chain.calls import Approval
    from ledger.cli.registry import decide

    read = [_read(path, _Approval) for path in approvals]
    signed = [Approval(one.admin, bytes.fromhex(one.signature.removeprefix("0x"))) for one in read]
    session.output.record(decide(session, _admission(file), signed))


def _admission(file: Path) -> ContractChange:
    agency = _read(file, FoundingAgency)
    return ContractChange(
        kind=CHANGE_KINDS[AgencyAdmitted],
        agency=agency.agency_id,
        agency_kind=KIND_NUMBERS[agency.kind],
        account=int(agency.admin, 16),
        profile=profile_bytes(Profile(jurisdiction=agency.jurisdiction, name=agency.name)),
    )


def _read(file: Path, kind: type[Any]) -> Any:
    try:
        return canonical.parse(file.read_bytes(), msgspec.json.Decoder(kind))
    except MalformedInput as error:
        raise MalformedInput(error.message, field=f"{file}: {error.field or ''}".rstrip(": ")) from error

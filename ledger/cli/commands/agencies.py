"""``tally agency`` and ``registry``: the agencies of the ledger, their admins, and their decisions on chain."""

from __future__ import annotations

import re
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ledger.cli.command import Group, output_option, signing
from ledger.cli.files import print_or_save
from ledger.cli.output import Column, columns, printable_line
from ledger.cli.params import FILE
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.events.terms import OfficerId
from ledger.core.messages import Message
from ledger.core.procedure.adoption import fault_after
from ledger.core.procedure.package import decode_package
from ledger.procedures import books_that_ship

if TYPE_CHECKING:
    from ledger.client.registry import Decision, Proposal


@click.group("agency", cls=Group)
def agency_group() -> None:
    """Show the agencies of the ledger, and change their admins."""


@agency_group.command("list")
def list_agencies(session: Session) -> None:
    """List the agencies."""
    shown = columns("agency_id", "name", "kind:agency_kind", "jurisdiction")
    session.output.table(list(session.service.pages("/api/v1/agencies", "agencies")), shown)


@agency_group.command("show")
@click.argument("agency_id")
def show_agency(session: Session, agency_id: str) -> None:
    """Show an agency and its keys."""
    agency = session.service.get(path_of("/api/v1/agencies/{}", agency_id))
    keys = list(session.service.pages(path_of("/api/v1/agencies/{}/keys", agency_id), "keys"))
    if session.json:
        return session.output.data(agency | {"keys": keys})
    session.output.record(agency, columns(*("kind:agency_kind" if name == "kind" else name for name in agency)))
    shown = columns("key_id", "officer", "roles", "valid_from", "valid_until", "granted", "revoked")
    return session.output.table(keys, shown)


@agency_group.command("setup")
@click.argument("agency_id", required=False)
@click.option("--officer", help="Service number of an officer to come, whom the commands are for.")
def setup(session: Session, agency_id: str | None, officer: str | None) -> None:
    """Show what the ledger and an agency have and lack, and the commands for what is missing, by machine.

    Without AGENCY_ID it is that of the profile, or all of them.
    """
    if officer is not None:
        canonical.parse(canonical.encode(officer), decoder_of(OfficerId), where="--officer")
    answer = session.service.get("/api/v1/setup", officer=officer, lang=session.language)
    own = agency_id or session.profile.agency
    agencies = [agency for agency in answer["agencies"] if own in (None, agency["agency_id"])]
    if own is not None and not agencies:
        raise NotFound("no agency {agency_id}", agency_id=own, field="AGENCY_ID")
    if session.json:
        return session.output.data(answer | {"agencies": agencies})
    everywhere = [(None, step) for step in answer["steps"]]
    steps = [*everywhere, *((agency["agency_id"], step) for agency in agencies for step in agency["steps"])]
    rows = [step | {"agency": agency} for agency, step in steps]
    session.output.table(rows, (*columns("agency", "title", "state:setup_state"), Column("says", label="content")))
    for agency, step in steps:
        if step["state"] != "missing":
            continue
        session.output.note(f"\n{agency}: {step['title']}" if agency else f"\n{step['title']}")
        for machine, typed in groupby(step["commands"], key=itemgetter("machine")):
            session.output.note(f"  {session.labels.of('machine', machine)}")
            for line in chain.from_iterable(command["command"].splitlines() for command in typed):
                session.output.note(f"    {printable_line(line)}")
    return None


_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]+)*")  # also what is none: that is refused, and named
_PART = re.compile(r"^(?:founding\.agencies\[0\]\.|founding\.|witnesses\.toml: witnesses\[0\]\.|witness\.)+")
# The option that gives each part of an agency's file; what else is wrong is of its witness.
_PREPARED = {
    "agency_id": "AGENCY_ID",
    "kind": "--kind",
    "jurisdiction": "--jurisdiction",
    "name": "--name",
    "admin": "--admin",
    "url": "--witness-url",
    "": "--witness",
}


def _in_its_language(name: str) -> tuple[str, str]:
    """Return the language and the name of a text such as ``zh=NAME``."""
    language, sign, text = name.partition("=")
    return (language, text) if sign and _LANGUAGE.fullmatch(language) else ("en", name)


@agency_group.command("prepare")
@click.argument("agency_id")
@click.option("--kind", required=True, help="What kind of agency it is, a word of the procedure.")
@click.option("--jurisdiction", required=True, metavar="PATH", help="Such as 31/01: province, city, county.")
@click.option(
    "--name",
    "names",
    required=True,
    multiple=True,
    metavar="[LANGUAGE=]NAME",
    help="Its name, in English unless another language is said, such as zh=NAME; once for each language.",
)
@click.option("--admin", default="admin", show_default=True, help="The key of its admin, see 'tally key list'.")
@click.option(
    "--witness",
    type=click.Path(exists=True, path_type=Path),
    help="The directory of its witness, if any, or what 'tally --json witness key' printed there.",
)
@click.option("--witness-url", metavar="URL", help="Where the ledger's service will reach its witness.")
@output_option(default="AGENCY_ID.json")
def prepare(
    session: Session,
    /,
    *,
    agency_id: str,
    names: tuple[str, ...],
    admin: str,
    witness: Path | None,
    witness_url: str | None,
    output: Path | None,
    **fields: str,
) -> None:
    """Write the file by which your agency founds a ledger or joins one: its names, its admin's key, its witness.

    Send it to whoever founds the ledger ('tally init --agency FILE'), or to an admin of a ledger that exists
    ('tally registry propose agency FILE'). It has nothing secret.
    """
    from ledger.cli.passphrase import key_file
    from ledger.config.installation import read_founding, witness_addresses
    from ledger.config.keys import public_key
    from ledger.witness.gathering.witnesses import read_witnesses

    if witness_url and not witness:
        raise MalformedInput("expected the witness's directory with it", field="--witness")
    admin_key = key_file(session.profiles.keys(), admin, field="--admin")
    fields |= {"agency_id": agency_id, "admin": public_key(admin_key)}
    in_languages = dict(map(_in_its_language, names))
    if len(in_languages) < len(names):
        raise MalformedInput("expected one name in each language", field="--name")
    parts: dict[str, object] = {**fields, "name": in_languages}
    if witness:
        parts["witness"] = _witness_keys(witness) | ({"url": witness_url.rstrip("/")} if witness_url else {})
    # By the rules of whoever founds the ledger, who would refuse the file later.
    try:
        founding = read_founding(canonical.encode({"agencies": [parts], "development": True}))
        read_witnesses(witness_addresses(founding))
    except MalformedInput as error:
        named = _PART.sub("", error.field or "")
        option = next((each for part, each in _PREPARED.items() if named.startswith(part)), None)
        raise error.amended(field=option) from error
    (agency,) = founding.agencies
    kinds = {kind for book in books_that_ship().values() for kind in book.kinds}
    if agency.kind not in kinds:
        session.warn(
            Message(
                "No procedure that comes with this release knows the kind {kind}. They know: {kinds}",
                kind=agency.kind,
                kinds=", ".join(sorted(kinds)),
            )
        )
    print_or_save(session, agency, output or Path(f"{agency.agency_id}.json"))


def _witness_keys(place: Path) -> dict[str, object]:
    """Return account and verifier keys of the witness in a directory, or in the file that was made of them."""
    from ledger.config.keys import public_key
    from ledger.witness.directory import WitnessDirectory

    hint = Message("Make its keys first: tally witness key NAME")
    if place.is_file():
        try:
            printed = msgspec.json.decode(place.read_bytes())
            return {name: printed[name] for name in ("account", "verifier_keys")}
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise MalformedInput("{place} holds no witness", place=place, field="--witness", hint=hint) from error
    where = WitnessDirectory(place)
    if not (where.held_types and where.account_key.exists()):
        raise MalformedInput("{place} holds no witness", place=place, field="--witness", hint=hint)
    keys = [public_key(where.note_keys[kind]) for kind in where.held_types]
    return {"account": public_key(where.account_key), "verifier_keys": keys}


@agency_group.command("propose-admin")
@click.argument("account")
@signing
def propose_admin(session: Session, account: str) -> None:
    """Propose ACCOUNT as the next admin of your agency, as its admin. Nothing changes until it accepts.

    The last proposal counts: to take one back, propose another account, or your own.
    """
    from ledger.client.registry import propose_admin as propose

    asked = Message("You name {account} as your agency's next admin, which it is once it accepts.", account=account)
    session.confirm([asked])
    session.output.record(propose(session, account))


@agency_group.command("accept-admin")
@click.argument("agency_id")
@signing
def accept_admin(session: Session, agency_id: str) -> None:
    """Become the admin of the agency that proposed your account. Its admin before is none from then on.

    Keys that were granted stay; from now on you grant and revoke.
    """
    from ledger.client.registry import accept_admin as accept

    named = session.full_name(agency_id)
    asked = Message("You become the admin of {agency}, in the place of the one before.", agency=named)
    session.confirm([asked])
    session.output.record(accept(session, agency_id))


@click.group("registry", cls=Group)
def registry_group() -> None:
    """Decide about the registry on the chain: agencies, witnesses, quorum, submitters and procedures."""


@registry_group.command("show")
def show_registry(session: Session) -> None:
    """Show the registry's quorum and agencies, with their admins and witnesses."""
    state = session.service.get("/api/v1/chain")
    agencies = list(session.service.pages("/api/v1/agencies", "agencies"))
    if session.json:
        return session.output.data(state | {"agencies": agencies})
    session.output.record(state)
    return session.output.table(agencies, columns("agency_id", "admin", "witness"))


@registry_group.group("propose", cls=Group)
def propose_group() -> None:
    """Write down what a majority is to decide, as the registry's next decision."""


@propose_group.command("agency")
@click.argument("file", type=FILE)
@output_option(default="-")
def propose_agency(session: Session, file: Path, output: Path | None) -> None:
    """Propose that the agency in FILE be admitted.

    FILE is what its admin wrote by 'tally agency prepare': agency_id, kind, jurisdiction, name {en, ...}, admin. Its
    witness, if it has one, is proposed apart.
    """
    from ledger.client.registry import AdmitAgency, read_file
    from ledger.config.installation import FoundingAgency

    agency = read_file(file, FoundingAgency)
    decision = AdmitAgency(agency.agency_id, agency.kind, agency.admin, agency.jurisdiction, agency.name)
    propose_decision(session, decision, output)


@propose_group.command("witness")
@click.argument("agency_id")
@click.argument("account")
@output_option(default="-")
def propose_witness(session: Session, agency_id: str, account: str, output: Path | None) -> None:
    """Propose ACCOUNT as the witness of an agency, in the place of the one before."""
    from ledger.client.registry import SetWitness, account_of, agency_of

    propose_decision(session, SetWitness(agency_of(agency_id), account_of(account, field="ACCOUNT")), output)


@propose_group.command("no-witness")
@click.argument("agency_id")
@output_option(default="-")
def propose_no_witness(session: Session, agency_id: str, output: Path | None) -> None:
    """Propose that an agency have no witness any more."""
    from ledger.client.registry import RemoveWitness, agency_of

    propose_decision(session, RemoveWitness(agency_of(agency_id)), output)


@propose_group.command("quorum")
@click.argument("quorum", type=click.IntRange(0, 65535))
@output_option(default="-")
def propose_quorum(session: Session, quorum: int, output: Path | None) -> None:
    """Propose how many agencies' witnesses must co-sign an anchor."""
    from ledger.client.registry import SetQuorum

    propose_decision(session, SetQuorum(quorum), output)


@propose_group.command("submitter")
@click.argument("account")
@click.option("--bar", is_flag=True, help="Take the right away.")
@output_option(default="-")
def propose_submitter(session: Session, account: str, *, bar: bool, output: Path | None) -> None:
    """Propose that ACCOUNT may anchor, or may not any more."""
    from ledger.client.registry import AllowSubmitter, BarSubmitter, account_of

    propose_decision(
        session, (BarSubmitter if bar else AllowSubmitter)(submitter=account_of(account, field="ACCOUNT")), output
    )


@propose_group.command("procedure")
@click.argument("digest")
@output_option(default="-")
def propose_procedure(session: Session, digest: str, output: Path | None) -> None:
    """Propose that the procedure package of DIGEST be adopted: acts after that are judged by it."""
    from ledger.client.registry import AdoptProcedure, procedure_of

    propose_decision(session, AdoptProcedure(procedure_of(digest)), output)


@registry_group.command("approve")
@click.argument("proposal", type=FILE)
@signing
@output_option(default="-")
def approve(session: Session, proposal: Path, output: Path | None) -> None:
    """Sign a proposal as an agency's admin, after reading it in words; gives the approval as a file."""
    from ledger.client import registry

    read = registry.read_file(proposal, registry.Proposal)
    _show(session, read)
    session.confirm()
    print_or_save(session, registry.approve(session, read), output)


@registry_group.command("send")
@click.argument("proposal", type=FILE)
@click.option(
    "--approval",
    "approvals",
    type=FILE,
    multiple=True,
    required=True,
    help="An approval, as 'tally registry approve' writes it; may be given several times.",
)
@signing
def send(session: Session, proposal: Path, approvals: tuple[Path, ...]) -> None:
    """Send a proposal that a majority of the admins has approved; anybody may."""
    from ledger.client import registry

    read = registry.read_file(proposal, registry.Proposal)
    signed = [registry.read_file(path, registry.AdminApproval) for path in approvals]
    _show(session, read)
    session.confirm()
    session.output.record(registry.send(session, read, signed))


def propose_decision(session: Session, decision: Decision, output: Path | None) -> None:
    """Show what is proposed, and print the proposal or write it into a file, for the admins to sign."""
    from ledger.client.registry import propose

    proposal = propose(session, decision)
    _show(session, proposal)
    print_or_save(session, proposal, output)


def _show(session: Session, proposal: Proposal) -> None:
    """Show in words a proposal that is the registry's next decision. Raises what ``require_current`` raises."""
    from ledger.client.registry import AdoptProcedure, require_current

    state = require_current(session, proposal)
    session.output.note(printable_line(proposal.words(session.output.labels, state)))
    if isinstance(proposal.decision, AdoptProcedure):
        _show_procedure(session, proposal.decision.digest)


def _show_procedure(session: Session, digest: str) -> None:
    """Show which procedure a digest is of, by its text in the ledger, and why it could not be in force, if so."""
    try:
        book = decode_package(session.procedure_text(digest))
    except NotFound:
        session.warn(Message("The ledger has no text of this procedure: its adoption would change nothing."))
        return
    identity = book.procedure
    title = printable_line(session.labels.in_language(identity.title))
    session.output.note(
        Message("It is version {identity.version} of {identity.id}: {title}", identity=identity, title=title)
    )
    if fault := fault_after(session.procedures.get(identity.id), book):
        session.warn(Message("Its adoption would change nothing: {fault}", fault=fault))

"""``tally pseudonym``: pseudonyms of persons that are the same for all agencies under a supervising agency's key."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ledger.cli.command import Group, OutputFile, output_option
from ledger.cli.commands.analysis import LAYOUT
from ledger.cli.files import save
from ledger.cli.params import FILE, identity_key_option, options
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.config.secret_files import read_key, write_secret
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import MalformedInput

if TYPE_CHECKING:
    from ledger.interchange.imports.blinded import PseudonymKey
    from ledger.interchange.imports.identity import NamedRows

KEY = click.option("--key", "key_file", type=FILE, required=True, help="The supervising agency's key for pseudonyms.")
IDENTITY = click.option(
    "--identity",
    metavar="COLUMN",
    multiple=True,
    required=True,
    help="A column with the number of a person's paper; several in the order of the import's mapping.",
)
OUTPUT = output_option(required=True)
WITH_IDS = click.option("--with-ids", is_flag=True, help="Add the column person_id, as your agency's cases have it.")
PUBLIC_KEY = click.option(
    "--public-key", metavar="HEX", required=True, help="The one that the supervising agency told you."
)
SECRET = click.option(
    "--secret", type=OutputFile(is_result=False), required=True, help="A file for the secret of this request."
)
FINISHING = options(IDENTITY, PUBLIC_KEY, OUTPUT, WITH_IDS, identity_key_option, LAYOUT)


@click.group("pseudonym", cls=Group)
def pseudonym_group() -> None:
    """Persons matched across agencies: pseudonyms under a key that no agency but the supervising one has."""


@pseudonym_group.command("key")
@click.option(
    "--output", "-o", type=OutputFile(is_result=False), required=True, help="A new file, which is never replaced."
)
def key(session: Session, output: Path) -> None:
    """Make the key of a supervising agency, once; its public key is what the other agencies are told."""
    write_secret(output, secrets.token_hex(32).encode() + b"\n", field="--output")
    session.output.record({"file": str(output), "public_key": _key_in(output).public})


@pseudonym_group.command("ask")
@click.argument("file", type=FILE)
@IDENTITY
@SECRET
@OUTPUT
@LAYOUT
def ask(
    session: Session, /, *, file: Path, identity: tuple[str, ...], secret: Path, output: Path, **layout: Any
) -> None:
    """Write the blinded persons of FILE, for the supervising agency to answer; nobody can tell who they are."""
    from ledger.interchange.imports.blinded import request_of

    persons = _persons(_named(file, identity, layout))
    drawn = secrets.token_bytes(32)
    write_secret(secret, drawn.hex().encode() + b"\n", field="--secret")
    save(session, output, msgspec.json.encode(request_of(persons, drawn)), private=True, persons=len(persons))


@pseudonym_group.command("answer")
@click.argument("request", type=FILE)
@KEY
@OUTPUT
def answer(session: Session, request: Path, key_file: Path, output: Path) -> None:
    """Evaluate a REQUEST with the supervising agency's key: it shows no number, and the answer no key."""
    from ledger.interchange.imports.blinded import PseudonymRequest

    evaluated = _key_in(key_file).answer(decode_json(request.read_bytes(), PseudonymRequest))
    save(session, output, msgspec.json.encode(evaluated), private=True, persons=len(evaluated.elements))


@pseudonym_group.command("finish")
@click.argument("file", type=FILE)
@click.argument("answer", type=FILE)
@click.option("--secret", type=FILE, required=True, help="The secret of this request.")
@FINISHING
def finish(
    session: Session,
    /,
    *,
    file: Path,
    answer: Path,
    identity: tuple[str, ...],
    secret: Path,
    public_key: str,
    output: Path,
    with_ids: bool,
    key_file: Path | None,
    **layout: Any,
) -> None:
    """Write FILE anew from the ANSWER: a pseudonym in the place of each person's number. Removes the secret."""
    from ledger.interchange.imports.blinded import PseudonymAnswer, pseudonyms

    named = _named(file, identity, layout)
    persons = _persons(named)
    answered = decode_json(answer.read_bytes(), PseudonymAnswer)
    in_order = pseudonyms(persons, read_key(secret, field="--secret"), answered, public_key=public_key)
    _write(session, named, dict(zip(persons, in_order, strict=True)), output, with_ids=with_ids, key_file=key_file)
    secret.unlink()


@pseudonym_group.command("make")
@click.argument("file", type=FILE)
@click.argument("agency")
@FINISHING
def make(
    session: Session,
    /,
    *,
    file: Path,
    agency: str,
    identity: tuple[str, ...],
    public_key: str,
    output: Path,
    with_ids: bool,
    key_file: Path | None,
    **layout: Any,
) -> None:
    """Write FILE anew with pseudonyms under the key of AGENCY, where the service answers for it: all in one."""
    from ledger.interchange.imports.blinded import BATCH, PseudonymAnswer, pseudonyms, request_of

    named = _named(file, identity, layout)
    persons, path = _persons(named), path_of("/api/v1/pseudonyms/{}", agency)
    by_person: dict[tuple[str, ...], str] = {}
    for first in range(0, len(persons), BATCH):
        part, drawn = persons[first : first + BATCH], secrets.token_bytes(32)
        body = msgspec.json.encode(request_of(part, drawn))
        answered = session.service.post(path, body, PseudonymAnswer)
        by_person |= zip(part, pseudonyms(part, drawn, answered, public_key=public_key), strict=True)
    _write(session, named, by_person, output, with_ids=with_ids, key_file=key_file, public_key=public_key)


@pseudonym_group.command("own")
@click.argument("file", type=FILE)
@IDENTITY
@KEY
@OUTPUT
@LAYOUT
def own(
    session: Session, /, *, file: Path, identity: tuple[str, ...], key_file: Path, output: Path, **layout: Any
) -> None:
    """Write FILE anew with pseudonyms, by the supervising agency itself: nobody is asked or learns whom it seeks."""
    named, key = _named(file, identity, layout), _key_in(key_file)
    by_person = {numbers: key.pseudonym(numbers) for numbers in _persons(named)}
    _write(session, named, by_person, output)


def _named(file: Path, identity: tuple[str, ...], layout: dict[str, Any]) -> NamedRows:
    from ledger.interchange.imports.identity import read_named
    from ledger.interchange.imports.source_file import Layout, SourceFile, format_of

    with SourceFile(file, Layout(format_of(file), **layout)) as source:
        return read_named(source, identity)


def _persons(named: NamedRows) -> list[tuple[str, ...]]:
    """Return the different persons of a list. Raises MalformedInput if it names none."""
    if not (persons := list(dict.fromkeys(named.persons))):
        raise MalformedInput("the file names no person", field="FILE")
    return persons


def _write(
    session: Session,
    named: NamedRows,
    by_person: dict[tuple[str, ...], str],
    output: Path,
    *,
    with_ids: bool = False,
    key_file: Path | None = None,
    **shown: str,
) -> None:
    from ledger.cli.importing import identity_key
    from ledger.interchange.imports.identity import COLUMN, named_csv

    columns = {"pseudonym": [by_person[numbers] for numbers in named.persons]}
    if with_ids:
        own_key = identity_key(session, key_file)
        columns = {COLUMN: [own_key.person_id(*numbers) for numbers in named.persons], **columns}
    counts = {"rows": len(named.rows), "left_out": named.left_out}
    save(session, output, named_csv(named, columns), private=True, **counts, **shown)


def _key_in(path: Path) -> PseudonymKey:
    from ledger.interchange.imports.blinded import PseudonymKey

    return PseudonymKey(read_key(path, field="--key"))

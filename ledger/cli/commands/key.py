"""``tally key``: keys on this machine, and what an agency's admin grants and revokes on the chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.command import Group, output_option, signing
from ledger.cli.files import print_or_save
from ledger.cli.output import columns, when
from ledger.cli.params import DATA_DIR, LIGHT, SECOND, words
from ledger.cli.passphrase import Passphrase, change, key_file, passphrase_options, read_service_passphrase
from ledger.cli.session import Session
from ledger.config.keys import KeyDirectory, create_keystore, create_note_key, public_key
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Role
from ledger.core.log.notes import SignatureType
from ledger.core.messages import Message

if TYPE_CHECKING:
    from ledger.config.installation import DataDirectory
    from ledger.config.settings import Settings
    from ledger.store.database import Database

KEY_DIR = click.option(
    "--key-dir",
    type=click.Path(path_type=Path),
    envvar="TALLYSTICK_KEY_DIR",
    help="Folder of the keys [that of all profiles].",
)
LISTED = columns("name", "key_id", "verifier_key")


@click.group("key", cls=Group)
def key_group() -> None:
    """Keys on this machine, and their grants on the chain."""


@key_group.command("new")
@click.argument("name")
@click.option("--log", "log_name", metavar="ORIGIN", help="An Ed25519 key that signs checkpoints under this name.")
@click.option("--witness", "witness_name", metavar="NAME", help="A key that co-signs checkpoints under this name.")
@click.option("--ml-dsa-44", is_flag=True, help="With --witness: a key of ML-DSA-44 rather than Ed25519.")
@LIGHT
@KEY_DIR
@passphrase_options
def new(
    session: Session,
    *,
    name: str,
    log_name: str | None,
    witness_name: str | None,
    ml_dsa_44: bool,
    light: bool,
    key_dir: Path | None,
    passphrase: Passphrase,
) -> None:
    """Make a key: of an officer, admin or account (secp256k1), or for notes (Ed25519, or ML-DSA-44)."""
    if log_name and witness_name:
        raise MalformedInput("expected one of the two, not both", field="--log, --witness")
    if ml_dsa_44 and not witness_name:
        raise MalformedInput("expected the name of a witness with it", field="--ml-dsa-44")
    of_witness = SignatureType.SUBTREE_V1 if ml_dsa_44 else SignatureType.COSIGNATURE_V1
    keys = _keys(session, key_dir)
    note_name = log_name or witness_name
    path = keys.note_key(name) if note_name else keys.keystore(name)
    if path.exists():
        raise MalformedInput("the key {name} is there already", name=name, field="NAME", hint="Choose another name.")
    secret = passphrase.read(of=f"the key {name}", new=True)
    if note_name:
        create_note_key(path, note_name, secret, of_witness if witness_name else SignatureType.ED25519, light=light)
    else:
        create_keystore(path, secret, light=light)
    session.output.record(_described(path))


@key_group.command("list")
@KEY_DIR
def list_(session: Session, key_dir: Path | None) -> None:
    """List the keys of this machine."""
    session.output.table([_described(path) for path in _keys(session, key_dir).files()], LISTED)


@key_group.command("show")
@click.argument("name")
@KEY_DIR
def show(session: Session, name: str, key_dir: Path | None) -> None:
    """Show the public part of a key."""
    session.output.record(_described(key_file(_keys(session, key_dir), name)))


@key_group.command("passphrase")
@click.argument("name", required=False)
@KEY_DIR
@passphrase_options
@click.option("--new-passphrase-file", type=click.Path(path_type=Path), help="File of mode 0600 with the new one.")
@click.option("--new-passphrase-env", metavar="NAME", help="Environment variable with the new one.")
@click.option("--keep-passphrase", is_flag=True, help="Mint the new one and keep it beside the keys it opens.")
@LIGHT
def passphrase_(
    session: Session,
    *,
    name: str | None,
    key_dir: Path | None,
    passphrase: Passphrase,
    new_passphrase_file: Path | None,
    new_passphrase_env: str | None,
    keep_passphrase: bool,
    light: bool,
) -> None:
    """Change the passphrase of a key, or of all keys in the folder.

    The keys of a service, and those of a witness, lie in keys/ of its data directory and open with one passphrase, so
    change all of them. One that is kept beside them is known, and is replaced. A process that runs goes on, and needs
    the new one when it starts again.
    """
    new = Passphrase(new_passphrase_file, new_passphrase_env, "--new-passphrase")
    changed = change(_keys(session, key_dir), name, passphrase, new, keep=keep_passphrase, light=light)
    session.output.table([_described(path) for path in changed.keys], LISTED)
    for file in changed.outdated(session.profiles, passphrase, new):
        session.warn(Message("{file} still holds the passphrase of before: put the new one there", file=file))


@key_group.command("rotate")
@click.argument("name", type=click.Choice(["log", "service", "submitter", "evidence"]))
@DATA_DIR
@click.option("--lost", is_flag=True, help="The old key does not open any more, or its file is gone.")
@LIGHT
@passphrase_options
def rotate(
    session: Session, /, *, name: str, data_dir: Path | None, lost: bool, light: bool, passphrase: Passphrase
) -> None:
    """Make a new key for a service that is stopped, in the place of the one it has, which is kept beside.

    A new submitter anchors once a majority of the agencies has allowed it: tally registry propose submitter. A new key
    of log or service is in the trust file that the service writes when it starts: renew it, by tally trust renew. A
    new one of evidence, of the evidence store, takes the keys of its files over, and no file is encrypted anew.
    """
    from ledger.cli.key_files import Rotation, size_to_rotate_at
    from ledger.cli.listening import process_lock
    from ledger.config.installation import DataDirectory, load
    from ledger.config.settings import read_settings

    settings = read_settings(data_dir)
    where = DataDirectory(settings.data_dir)
    installation = load(where)
    secret = read_service_passphrase(settings, where, passphrase, new=lost)
    lock = process_lock(
        where.lock, message=Message("a service runs on the ledger in {where.path}", where=where), hint="Stop it first."
    )
    with lock, _database(settings, where) as database:
        size = size_to_rotate_at(where, installation, database)
        rotation = Rotation(where, installation, size, secret, database, lost=lost, light=light)
        steps = {"log": rotation.log, "service": rotation.service, "submitter": rotation.submitter}
        done = (steps | {"evidence": rotation.evidence})[name]()
    session.output.record({"name": name, "key": done.key, "before": done.before, "kept": str(done.kept)})


@key_group.command("request")
@click.option("--wallet", "key_id", metavar="ADDRESS", help="The key lies in a wallet: print what it must sign.")
@click.option("--signature", metavar="HEX", help="The wallet's signature of that.")
@output_option(default="-")
def request(session: Session, *, key_id: str | None, signature: str | None, output: Path | None) -> None:
    """Ask the admin of your agency to grant your key, by a file that the key has signed.

    The admin grants it by 'tally key grant FILE'. Nobody can grant a key that did not ask for it.
    """
    from ledger.cli import key_files
    from ledger.client.registry import account_of

    if key_id is None:
        if signature is not None:
            raise MalformedInput("expected the address of the wallet's key with it", field="--wallet")
        request_file = key_files.request_own_key(session)
    elif signature is None:
        session.output.data(key_files.wallet_document(session, account_of(key_id, field="--wallet")))
        return
    else:
        request_file = key_files.request_wallet_key(session, account_of(key_id, field="--wallet"), signature)
    print_or_save(session, request_file, output)


@key_group.command("grant")
@click.argument("key")
@click.option("--officer", help="Id of the officer who holds the key: a service number, never a name. A file names it.")
@click.option("--role", "roles", type=words(Role), multiple=True, required=True, help="May be given several times.")
@click.option("--from", "valid_from", type=SECOND, help="From when the key may sign [now].")
@click.option("--until", "valid_until", type=SECOND, required=True, help="From when it may sign no longer.")
@signing
def grant(session: Session, /, *, key: str, officer: str | None, **terms: Any) -> None:
    """Grant a key to an officer of your agency, as its admin. It counts once the log mirrors it.

    KEY is the file that its holder made by 'tally key request', or the id of a key on this machine.
    """
    from ledger.cli import key_files
    from ledger.client.registry import account_of, grant_key

    if not key.startswith("0x"):
        request = key_files.read_request(session, Path(key), officer)
    elif officer is None:
        raise MalformedInput("expected the officer who holds the key", field="--officer")
    else:
        request = key_files.request_key_here(session, account_of(key, field="KEY"), officer)
    asked = Message(
        "You grant the key {key_id} to officer {officer} of {agency}, as {roles}, until {until}.",
        key_id=request.key_id,
        officer=request.officer,
        agency=session.full_name(request.agency),
        roles=", ".join(session.labels.of("role", role) for role in terms["roles"]),
        until=when(terms["valid_until"]),
    )
    session.confirm([asked])
    session.output.record(grant_key(session, request, **terms))


@key_group.command("revoke")
@click.argument("key_id")
@signing
def revoke(session: Session, key_id: str) -> None:
    """Revoke a key of your agency, as its admin. Anchoring waits until the log mirrors it."""
    from ledger.client.registry import revoke_key

    asked = Message("You revoke the key {key_id} for good: what it signs from then on is refused.", key_id=key_id)
    session.confirm([asked])
    session.output.record(revoke_key(session, key_id))


@contextmanager
def _database(settings: Settings, where: DataDirectory) -> Iterator[Database | None]:
    """Yield the database of the ledger, which no service uses meanwhile; None if the ledger has never run."""
    from ledger.config.installation import database_url
    from ledger.store.connections import file_of
    from ledger.store.opening import open_database

    url = database_url(settings.database_url, where)
    file = file_of(url)
    if file is not None and not file.exists():
        yield None
        return
    with closing(open_database(url)) as database:
        database.service_lock.hold(alone=True, alike={})
        yield database


def _keys(session: Session, key_dir: Path | None) -> KeyDirectory:
    return KeyDirectory(key_dir) if key_dir else session.profiles.keys()


def _described(path: Path) -> dict[str, str]:
    kind = "verifier_key" if path.suffix == ".pem" else "key_id"
    return {"name": path.stem, kind: public_key(path), "file": str(path)}

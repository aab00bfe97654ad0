"""The files of a witness's directory.

keys/note.pem       co-signs checkpoints (Ed25519, cosignature/v1)
keys/note-ml-dsa-44.pem
                    co-signs them too (ML-DSA-44, subtree/v1); a witness has one of the two or both
keys/mirror.pem     co-signs as a mirror, if the witness is one (ML-DSA-44, subtree/v1), under another name
keys/account.json   co-signs for the contract (secp256k1): the account that the agency registers as its witness
keys/passphrase     opens all, if it is stored there
trust.json          the ledger's trust file, unless a setting names another
witness.db          what was followed and co-signed, and the alarms
witness.lock        locked by the process that runs; empty
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from msgspec import Struct

from ledger.config.keys import (
    KeyDirectory,
    LocalSigner,
    create_keystore,
    create_note_key,
    keystore_key_id,
    note_key,
    open_keystore,
    open_note_key,
)
from ledger.config.secret_files import make_private_folder
from ledger.core.errors import MalformedInput
from ledger.core.log.notes import COSIGNING, NoteSigner, SignatureType
from ledger.core.log.policy import parse_witness_keys


class WitnessKeys(Struct, frozen=True):
    """The keys, open: one or two for notes, and one for the contract."""

    notes: tuple[NoteSigner, ...]
    mirror: NoteSigner | None
    account: LocalSigner


class WitnessDirectory:
    """The paths of a witness's files."""

    def __init__(self, path: Path):
        keys = KeyDirectory(path / "keys")
        self.path = path
        self.keys = keys.path
        self.note_keys = {
            SignatureType.COSIGNATURE_V1: keys.note_key("note"),
            SignatureType.SUBTREE_V1: keys.note_key("note-ml-dsa-44"),
        }
        self.mirror_key = keys.note_key("mirror")
        self.account_key = keys.keystore("account")
        self.passphrase = keys.path / "passphrase"
        self.trust = path / "trust.json"
        self.database = path / "witness.db"
        self.lock = path / "witness.lock"

    @property
    def held_types(self) -> tuple[SignatureType, ...]:
        """Return of which kinds there is a note key."""
        return tuple(kind for kind in COSIGNING if self.note_keys[kind].exists())


def create_keys(
    where: WitnessDirectory, name: str, passphrase: str, kinds: Collection[SignatureType], *, light: bool
) -> tuple[tuple[str, ...], str]:
    """Create what is missing of the account and of note keys of these kinds; return all verifier keys, and the account.

    A key that is there is opened, and must be of this name. Raises SecretRefused, KeyRefused for a passphrase that
    opens none of those, MalformedInput for another name or one that notes cannot carry.
    """
    make_private_folder(where.keys)
    for kind in where.held_types:
        held = open_note_key(where.note_keys[kind], passphrase).verifying_key
        if held.name != name:
            raise MalformedInput("this witness signs as {held.name}", held=held, field="NAME")
    for kind in kinds:
        if not where.note_keys[kind].exists():
            create_note_key(where.note_keys[kind], name, passphrase, kind, light=light)
    if not where.account_key.exists():
        create_keystore(where.account_key, passphrase, light=light)
    vkeys = tuple(note_key(where.note_keys[kind]).vkey() for kind in where.held_types)
    return vkeys, keystore_key_id(where.account_key)


def open_keys(where: WitnessDirectory, passphrase: str) -> WitnessKeys:
    """Open all keys. Raises SecretRefused, KeyRefused, or SignatureRefused for a note key that is no witness's."""
    notes = tuple(open_note_key(where.note_keys[kind], passphrase) for kind in where.held_types)
    parse_witness_keys([signer.verifying_key.vkey() for signer in notes])
    mirror = open_note_key(where.mirror_key, passphrase) if where.mirror_key.exists() else None
    return WitnessKeys(notes, mirror, open_keystore(where.account_key, passphrase))


def create_mirror_key(where: WitnessDirectory, name: str, passphrase: str, *, light: bool) -> str:
    """Create the key with which a witness signs as a mirror, and return its verifier key.

    Raises SecretRefused if there is one, KeyRefused if the passphrase does not open the witness's keys, MalformedInput
    for the witness's own name or one that notes cannot carry.
    """
    # C2SP tlog-mirror: a distinct cosigner, with a distinct name.
    if name in {signer.verifying_key.name for signer in open_keys(where, passphrase).notes}:
        raise MalformedInput("{name} is the witness: a mirror has a name of its own", name=name, field="NAME")
    return create_note_key(where.mirror_key, name, passphrase, SignatureType.SUBTREE_V1, light=light).vkey()

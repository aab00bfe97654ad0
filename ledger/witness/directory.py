"""The files of a witness's directory.

keys/note.pem       co-signs checkpoints (Ed25519, cosignature/v1)
keys/account.json   co-signs for the contract (secp256k1): the account that the agency registers as its witness
keys/passphrase     opens both, if it is stored there
trust.json          the ledger's trust file, unless a setting names another
witness.db          what was followed and co-signed, and the alarms
witness.lock        locked by the process that runs; empty
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from ledger.config.keys import KeyDirectory, LocalSigner, create_keystore, create_note_key, open_keystore, open_note_key
from ledger.config.secret_files import make_private_folder
from ledger.core.log.notes import NoteSigner, SignatureType, require_type


class WitnessKeys(Struct, frozen=True):
    """The two keys, open."""

    note: NoteSigner
    account: LocalSigner


class WitnessDirectory:
    """The paths of a witness's files."""

    def __init__(self, path: Path):
        keys = KeyDirectory(path / "keys")
        self.path = path
        self.keys = keys.path
        self.note_key = keys.note_key("note")
        self.account_key = keys.keystore("account")
        self.passphrase = keys.path / "passphrase"
        self.trust = path / "trust.json"
        self.database = path / "witness.db"
        self.lock = path / "witness.lock"


def create_keys(where: WitnessDirectory, name: str, passphrase: str, *, light: bool = False) -> tuple[str, str]:
    """Create both keys and return the verifier key and the account.

    Raises SecretRefused if one exists already, MalformedInput for a name that notes cannot carry.
    """
    make_private_folder(where.keys)
    note_key = create_note_key(where.note_key, name, passphrase, SignatureType.COSIGNATURE_V1, light=light)
    return note_key.vkey(), create_keystore(where.account_key, passphrase, light=light)


def open_keys(where: WitnessDirectory, passphrase: str) -> WitnessKeys:
    """Open both keys. Raises SecretRefused, KeyRefused, or SignatureRefused for a note key that is no witness's."""
    note = open_note_key(where.note_key, passphrase)
    require_type(note.verifying_key, SignatureType.COSIGNATURE_V1)
    return WitnessKeys(note, open_keystore(where.account_key, passphrase))

"""The development keys: those of a sample town's admins and people, kept in the data directory of its ledger.

keys/development/<name>.json   a keystore each, all under one passphrase
keys/development/passphrase    which lies beside them: nobody may rely on what these keys sign
"""

from __future__ import annotations

import secrets
from pathlib import Path

from ledger.config.installation import DataDirectory, Founding, FoundingAgency
from ledger.config.keys import KeyDirectory, LocalSigner, create_keystore, keystore_key_id, open_keystore
from ledger.config.secret_files import make_private_folder, read_secret, write_secret
from ledger.core.errors import NotFound
from ledger.core.events.registry import Name
from ledger.recording.signing import Actor
from ledger.samples.town import AGENCIES, BY_PROFILE, PEOPLE, admin_of

NAMES = (*(admin_of(agency.agency_id) for agency in AGENCIES), *(person.profile for person in PEOPLE))


class TownKeys:
    """The keys of the town's people in ``directory``; a key is opened when it is asked for."""

    def __init__(self, directory: KeyDirectory, passphrase_file: Path):
        self.directory = directory
        self.passphrase_file = passphrase_file
        self._opened: dict[str, LocalSigner] = {}

    @classmethod
    def of(cls, where: DataDirectory) -> TownKeys:
        """Those that a development ledger keeps in its data directory."""
        directory = KeyDirectory(where.keys.path / "development")
        return cls(directory, directory.path / "passphrase")

    @property
    def are_there(self) -> bool:
        """Whether this ledger was founded with such keys."""
        return self.passphrase_file.exists()

    def make(self) -> Founding:
        """Makes the keys, or takes those that an earlier attempt made; gives the founding that they belong to."""
        make_private_folder(self.directory.path)
        if not self.are_there:
            write_secret(self.passphrase_file, secrets.token_urlsafe(24).encode() + b"\n", field="passphrase")
        passphrase = self._passphrase()
        for path in (self.directory.keystore(name) for name in NAMES):
            if not path.exists():
                create_keystore(path, passphrase, light=True)
        agencies = tuple(
            FoundingAgency(
                agency_id=one.agency_id,
                kind=one.kind,
                admin=self.key_id(admin_of(one.agency_id)),
                jurisdiction=one.jurisdiction,
                name=Name(en=one.en, zh=one.zh),
            )
            for one in AGENCIES
        )
        return Founding(agencies=agencies, development=True)

    def key_id(self, name: str) -> str:
        """The address of a key; what it signs is another matter."""
        return keystore_key_id(self.directory.keystore(name))

    def signer(self, name: str) -> LocalSigner:
        """The key ``name``, opened. Raises NotFound where this ledger has no development keys."""
        if name not in self._opened:
            self._opened[name] = open_keystore(self.directory.keystore(name), self._passphrase())
        return self._opened[name]

    def actor(self, profile: str) -> Actor:
        """The person of the town who has this profile."""
        person = BY_PROFILE[profile]
        return Actor(person.agency, person.officer, self.signer(profile))

    def _passphrase(self) -> str:
        if not self.are_there:
            raise NotFound(
                f"{self.directory.path} holds no development keys",
                field="data_dir",
                code="no_development_keys",
                hint="Found a ledger with them in another directory: tally init --development --data-dir DIRECTORY",
            )
        return read_secret(self.passphrase_file, field="passphrase").decode().rstrip("\n")

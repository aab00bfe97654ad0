"""The agencies and people of the sample: two districts of one city, and what stands above them; and their keys.

A development ledger keeps the keys in its data directory::

    keys/development/<name>.json   a keystore each, all under one passphrase
    keys/development/passphrase    which lies beside them: nobody may rely on what these keys sign
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import NamedTuple

from ledger.config.installation import DataDirectory, Founding, FoundingAgency
from ledger.config.keys import KeyDirectory, LocalSigner, create_keystore, keystore_key_id, open_keystore
from ledger.config.secret_files import make_private_folder, read_secret, write_secret
from ledger.core.errors import NotFound
from ledger.core.events.terms import AgencyKind, Role
from ledger.recording.event_signing import Actor

EAST, WEST, CITY = "31/01", "31/02", "31"  # jurisdictions
GRANTED_UNTIL = 2_051_222_400  # 2035-01-01T00:00:00Z


class SampleAgency(NamedTuple):
    """An agency as its ledger is founded with it."""

    agency_id: str
    kind: AgencyKind
    jurisdiction: str
    en: str
    zh: str


class SamplePerson(NamedTuple):
    """Somebody with a key: ``profile`` is the key's name, and that of the profile under which he acts."""

    profile: str
    agency: str
    officer: str
    role: Role


AGENCIES = (
    SampleAgency("psb-east", "public_security", EAST, "East District Public Security Bureau", "东城公安分局"),
    SampleAgency("procuratorate-east", "procuratorate", EAST, "East District Procuratorate", "东城区人民检察院"),
    SampleAgency("court-east", "court", EAST, "East District Court", "东城区人民法院"),
    SampleAgency("corrections-east", "judicial_administration", EAST, "East District Judicial Bureau", "东城区司法局"),
    SampleAgency("detention-east", "detention_house", EAST, "East District Detention House", "东城区看守所"),
    SampleAgency("depot-east", "property_custodian", EAST, "East District Property Depot", "东城涉案财物管理中心"),
    SampleAgency("lab-east", "forensic_lab", EAST, "East District Forensic Laboratory", "东城司法鉴定中心"),
    SampleAgency("psb-west", "public_security", WEST, "West District Public Security Bureau", "西城公安分局"),
    SampleAgency("procuratorate-west", "procuratorate", WEST, "West District Procuratorate", "西城区人民检察院"),
    SampleAgency("procuratorate-city", "procuratorate", CITY, "City Procuratorate", "市人民检察院"),
    SampleAgency("court-city", "court", CITY, "City Intermediate Court", "市中级人民法院"),
)

KINDS = {agency.agency_id: agency.kind for agency in AGENCIES}

PEOPLE = (
    SamplePerson("police", "psb-east", "p-0417", "clerk"),
    SamplePerson("police-chief", "psb-east", "p-0400", "supervisor"),
    SamplePerson("prosecutor", "procuratorate-east", "j-0021", "clerk"),
    SamplePerson("prosecutor-chief", "procuratorate-east", "j-0001", "supervisor"),
    SamplePerson("auditor", "procuratorate-east", "j-0090", "auditor"),
    SamplePerson("analyst", "procuratorate-east", "j-0077", "analyst"),
    SamplePerson("court", "court-east", "c-0007", "clerk"),
    SamplePerson("court-chief", "court-east", "c-0001", "supervisor"),
    SamplePerson("corrections", "corrections-east", "r-0003", "clerk"),
    SamplePerson("detention", "detention-east", "d-0002", "clerk"),
    SamplePerson("depot", "depot-east", "w-0005", "clerk"),
    SamplePerson("depot-chief", "depot-east", "w-0001", "supervisor"),
    SamplePerson("lab", "lab-east", "f-0003", "clerk"),
    SamplePerson("police-west", "psb-west", "q-0417", "clerk"),
    SamplePerson("analyst-west", "procuratorate-west", "n-0077", "analyst"),
    SamplePerson("prosecutor-city", "procuratorate-city", "k-0021", "clerk"),
    SamplePerson("prosecutor-chief-city", "procuratorate-city", "k-0001", "supervisor"),
    SamplePerson("auditor-city", "procuratorate-city", "k-0090", "auditor"),
    SamplePerson("court-city", "court-city", "h-0004", "clerk"),
)

CLERKS = {person.agency: person.profile for person in PEOPLE if person.role == "clerk"}
BY_PROFILE = {person.profile: person for person in PEOPLE}


def admin_of(agency_id: str) -> str:
    """Return the name of the key that manages the agency's other keys."""
    return f"admin-{agency_id}"


KEY_NAMES = (*(admin_of(agency.agency_id) for agency in AGENCIES), *(person.profile for person in PEOPLE))


class TownKeys:
    """The keys of the town's people in ``directory``; a key is opened when it is asked for."""

    def __init__(self, directory: KeyDirectory, passphrase_file: Path):
        self.directory = directory
        self.passphrase_file = passphrase_file
        self._opened: dict[str, LocalSigner] = {}

    @classmethod
    def of(cls, where: DataDirectory) -> TownKeys:
        """Read the keys that a development ledger keeps in its data directory."""
        directory = KeyDirectory(where.keys.path / "development")
        return cls(directory, directory.path / "passphrase")

    @property
    def are_there(self) -> bool:
        """Return whether this ledger was founded with such keys."""
        return self.passphrase_file.exists()

    def make(self) -> Founding:
        """Make the keys, or take those that an earlier attempt made; return the founding that they belong to."""
        make_private_folder(self.directory.path)
        if not self.are_there:
            write_secret(self.passphrase_file, secrets.token_urlsafe(24).encode() + b"\n", field="passphrase")
        passphrase = self._passphrase()
        for path in (self.directory.keystore(name) for name in KEY_NAMES):
            if not path.exists():
                create_keystore(path, passphrase, light=True)
        agencies = tuple(
            FoundingAgency(
                agency_id=agency.agency_id,
                kind=agency.kind,
                admin=self.key_id(admin_of(agency.agency_id)),
                jurisdiction=agency.jurisdiction,
                name={"en": agency.en, "zh": agency.zh},
            )
            for agency in AGENCIES
        )
        return Founding(agencies=agencies, development=True)

    def key_id(self, name: str) -> str:
        """Return the address of a key; what it signs is another matter."""
        return keystore_key_id(self.directory.keystore(name))

    def signer(self, name: str) -> LocalSigner:
        """Return the key ``name``, opened. Raises NotFound where this ledger has no development keys."""
        if name not in self._opened:
            self._opened[name] = open_keystore(self.directory.keystore(name), self._passphrase())
        return self._opened[name]

    def actor(self, profile: str) -> Actor:
        """Return the person of the town who has this profile."""
        person = BY_PROFILE[profile]
        return Actor(person.agency, person.officer, self.signer(profile))

    def _passphrase(self) -> str:
        if not self.are_there:
            raise NotFound(
                "{directory} holds no development keys",
                directory=self.directory.path,
                field="data_dir",
                code="no_development_keys",
                hint="Found a ledger with them in another directory: tally init --development --data-dir DIRECTORY",
            )
        return read_secret(self.passphrase_file, field="passphrase").decode().rstrip("\n")

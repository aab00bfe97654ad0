"""Profiles: an officer of an agency, a key and a service. Several profiles live side by side on one machine.

profiles/<name>/profile.json   the options of ``tally profile add``; names no secret
profiles/<name>/token.json     the last access token
profiles/<name>/trust.json     the trust file that this profile checks proofs with
profiles/<name>/monitor.json   how far ``tally monitor`` has watched the log for this profile
profiles/<name>/zone.json      the time zone that its ledger had when it last answered
profiles/<name>/outbox/        submissions whose outcome is unknown
keys/                          keystores, unless a profile names another folder
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import Struct

from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.messages import Message

if TYPE_CHECKING:
    from ledger.config.keys import KeyDirectory

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?")


class Profile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An officer, a key and a service. Without agency, officer and key it reads only what is public.

    ``log_id`` (0x and hex) is pinned at the first contact: signatures are for this ledger alone. The passphrase of the
    key comes from a file or an environment variable named here; otherwise the user is asked for it.
    """

    name: str
    url: str
    agency: str | None = None
    officer: str | None = None
    key: str | None = None
    log_id: str | None = None
    key_dir: str | None = None
    passphrase_file: str | None = None
    passphrase_env: str | None = None


def config_directory() -> Path:
    """Return ``TALLYSTICK_CONFIG_DIR``, or else the folder where this system keeps its users' configuration."""
    return Path(os.environ.get("TALLYSTICK_CONFIG_DIR") or click.get_app_dir("tallystick"))


class Profiles:
    """The profiles under one configuration directory."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """Return the names of all profiles, sorted."""
        return sorted(file.parent.name for file in self.path.glob("profiles/*/profile.json"))

    def chosen(self, name: str | None) -> Profile:
        """Return the profile ``name``, or the only one if no name is given.

        Raises MalformedInput or NotFound, with the names that there are.
        """
        names = self.names()
        if name is None and len(names) != 1:
            raise MalformedInput(
                Message("expected one of {names}", names=", ".join(names)) if names else "there is no profile yet",
                field="--profile",
                hint="Name one, or set TALLYSTICK_PROFILE." if names else "Make one: tally profile add NAME --url URL",
            )
        return self.read(name or names[0])

    def read(self, name: str) -> Profile:
        """Read a profile. Raises NotFound, or MalformedInput if the file is broken."""
        file = self.folder(name) / "profile.json"
        if not file.exists():
            raise NotFound(
                "there is no profile {name}",
                name=name,
                field="--profile",
                code="no_profile",
                hint="See: tally profile list",
            )
        try:
            return decode_json(read_secret(file, field="profile"), Profile)
        except msgspec.DecodeError as error:
            raise MalformedInput("{file} cannot be read: {error}", file=file, error=error, field="profile") from error

    def write(self, profile: Profile, *, replace: bool = False) -> None:
        """Write a profile. Raises MalformedInput if there is one of this name and ``replace`` is not set."""
        data = msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n"
        if not replace and profile.name in self.names():
            hint = Message("Choose another name, or put this one in its place: --replace")
            raise MalformedInput("there is a profile {profile.name} already", profile=profile, field="NAME", hint=hint)
        write_secret(self.folder(profile.name) / "profile.json", data, field="name", replace=replace)

    def pin(self, profile: Profile, log_id: str) -> None:
        """Keep in the profile which ledger (0x and hex) it signs for."""
        self.write(msgspec.structs.replace(profile, log_id=log_id), replace=True)

    def remove(self, name: str) -> None:
        """Remove a profile with its token. Raises MalformedInput while events of it wait to be sent."""
        waiting = list(self.outbox(self.read(name)).glob("*.json"))
        if waiting:
            raise MalformedInput(
                "events of the profile have an unknown outcome",
                field="name",
                hint=Message("Send them first: tally event submit {file}", file=waiting[0]),
            )
        shutil.rmtree(self.folder(name))

    def folder(self, name: str) -> Path:
        """Return the folder of a profile. Raises MalformedInput for a name that is no slug."""
        if not _NAME.fullmatch(name):
            raise MalformedInput("expected lower-case letters, digits and dashes", field="name")
        return self.path / "profiles" / name

    def keys(self, profile: Profile | None = None) -> KeyDirectory:
        """Return the key folder of a profile, or that of all profiles that name no folder of their own."""
        from ledger.config.keys import KeyDirectory  # heavy, and what is checked offline needs no key

        own = profile.key_dir if profile else None
        return KeyDirectory(Path(own) if own else self.path / "keys")

    def outbox(self, profile: Profile) -> Path:
        """Return the folder of submissions whose outcome is unknown."""
        return self.folder(profile.name) / "outbox"

    def discard(self, file: Path) -> None:
        """Remove the file of a submission if an outbox has it; one that lies elsewhere is its owner's."""
        if file.resolve().parent in [(self.folder(name) / "outbox").resolve() for name in self.names()]:
            file.unlink(missing_ok=True)

    def token(self, profile: Profile) -> Path:
        """Return the file of the access token."""
        return self.folder(profile.name) / "token.json"

    def trust(self, profile: Profile) -> Path:
        """Return the trust file."""
        return self.folder(profile.name) / "trust.json"

    def monitor(self, profile: Profile) -> Path:
        """Return the file of the position of ``tally monitor``."""
        return self.folder(profile.name) / "monitor.json"

    def zone(self, profile: Profile) -> Path:
        """Return the file of the time zone that its ledger had when it last answered."""
        return self.folder(profile.name) / "zone.json"

    def procedure(self, profile: Profile, digest: str) -> Path:
        """Return the file in which the text of a procedure package is kept."""
        return self.folder(profile.name) / "procedures" / f"{digest.removeprefix('blake3:')}.json"

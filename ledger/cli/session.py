"""What the global options say, and what every command may ask for. Nothing is read or opened before it is used."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import click

from ledger.core.errors import MalformedInput
from ledger.i18n import Labels, language_of

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.cli.client import Service
    from ledger.cli.output import Output
    from ledger.cli.profiles import Profile, Profiles
    from ledger.cli.sign_in import SignIn
    from ledger.config.keys import Signer


class Session:
    """One run of ``tally``."""

    def __init__(self) -> None:
        self.json = False
        self.language = language_of(os.environ.get("TALLYSTICK_LANG") or os.environ.get("LANG"))
        self.profile_name = os.environ.get("TALLYSTICK_PROFILE") or None

    @cached_property
    def labels(self) -> Labels:
        return Labels(self.language)

    @cached_property
    def output(self) -> Output:
        from ledger.cli.output import Output

        return Output(json=self.json, labels=self.labels)

    @cached_property
    def profiles(self) -> Profiles:
        from ledger.cli.profiles import Profiles, config_directory

        return Profiles(config_directory())

    @cached_property
    def profile(self) -> Profile:
        """The profile that was asked for, or the only one. Raises MalformedInput or NotFound."""
        return self.profiles.chosen(self.profile_name)

    @property
    def keystore(self) -> Path:
        """The key file of the profile. Raises MalformedInput for a profile that only reads what is public."""
        if self.profile.key is None:
            raise MalformedInput(
                f"the profile {self.profile.name} names no key",
                field="--profile",
                hint="Only what is public can be read with it. Add one with --key.",
            )
        return self.profiles.keys(self.profile).keystore(self.profile.key)

    @cached_property
    def signer(self) -> Signer:
        """The profile's key, opened. Raises SecretRefused or KeyRefused."""
        from pathlib import Path

        from ledger.cli.passphrase import Passphrase
        from ledger.config.keys import open_keystore

        profile = self.profile
        file = Path(profile.passphrase_file) if profile.passphrase_file else None
        passphrase = Passphrase(file, profile.passphrase_env)
        return open_keystore(self.keystore, passphrase.read(of=f"the key {profile.key}"))

    @cached_property
    def service(self) -> Service:
        """The profile's service; it signs in by itself where that is asked for and the profile has a key."""
        from ledger.cli.client import Service

        return Service(self.profile.url, self.credentials)

    @cached_property
    def credentials(self) -> SignIn | None:
        """What signs the profile's officer in; None where the profile has no key."""
        from ledger.cli.clerk import pinned_log_id
        from ledger.cli.sign_in import SignIn
        from ledger.config.keys import keystore_key_id

        profile = self.profile
        if profile.key is None:
            return None
        key_id = keystore_key_id(self.keystore)
        file = self.profiles.token(profile)
        return SignIn(file, profile.url, key_id, lambda: self.signer, lambda: pinned_log_id(self))


pass_session = click.make_pass_decorator(Session, ensure=True)

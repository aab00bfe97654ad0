"""A session of one profile: its service, its key, its ledger, and what it remembers of the log."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ledger.client.profiles import Profile, Profiles
    from ledger.client.service import ServiceClient
    from ledger.client.sign_in import SignIn
    from ledger.client.tree_heads import RememberedTreeHeads
    from ledger.core.procedure.rulebook import Rulebook
    from ledger.core.signing.signatures import TransactionSigner
    from ledger.core.trust.trust_file import Trust


class ClientSession(ABC):
    """Everything that a program needs to act for one profile. Nothing is read or opened before it is used.

    A subclass says where the passphrase comes from and how the user is addressed.
    """

    profile_name: str | None = None
    answer_language = "en"  # in which the service tells what it refuses

    @abstractmethod
    def read_passphrase(self, profile: Profile) -> str:
        """Return the passphrase of the profile's key."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Inform the user of something that was done."""

    @abstractmethod
    def warn(self, text: str) -> None:
        """Warn the user."""

    def name_field(self, field: str | None) -> str | None:
        """Return the name under which the user knows a field that the service refused."""
        return field

    @cached_property
    def profiles(self) -> Profiles:
        """Return the profiles in the configuration directory."""
        from ledger.client.profiles import Profiles, config_directory

        return Profiles(config_directory())

    @cached_property
    def profile(self) -> Profile:
        """Return the profile that was asked for, or the only one. Raises MalformedInput or NotFound."""
        return self.profiles.chosen(self.profile_name)

    @property
    def officer(self) -> tuple[str, str]:
        """Return agency and officer of the profile. Raises MalformedInput if it names none."""
        profile = self.profile
        if profile.agency is None or profile.officer is None:
            raise MalformedInput("profile {profile.name} names no officer", profile=profile, field="--profile")
        return profile.agency, profile.officer

    @property
    def keystore(self) -> Path:
        """Return the key file of the profile. Raises MalformedInput for a profile that only reads what is public."""
        if self.profile.key is None:
            raise MalformedInput(
                "the profile {profile.name} names no key",
                profile=self.profile,
                field="--profile",
                hint="Only what is public can be read with it. Add one with --key.",
            )
        return self.profiles.keys(self.profile).keystore(self.profile.key)

    @cached_property
    def signer(self) -> TransactionSigner:
        """Open the profile's key. Raises SecretRefused or KeyRefused."""
        from ledger.config.keys import open_keystore

        return open_keystore(self.keystore, self.read_passphrase(self.profile))

    @cached_property
    def service(self) -> ServiceClient:
        """Return the profile's service; it signs in by itself if the service asks for it and the profile has a key."""
        from ledger.client.service import ServiceClient

        return ServiceClient(
            self.profile.url, self.credentials, name_field=self.name_field, language=self.answer_language
        )

    @cached_property
    def credentials(self) -> SignIn | None:
        """Return what signs the profile's officer in, or None for a profile without a key."""
        from ledger.client.sign_in import SignIn
        from ledger.config.keys import keystore_key_id

        profile = self.profile
        if profile.key is None:
            return None
        return SignIn(
            self.profiles.token(profile),
            profile.url,
            keystore_key_id(self.keystore),
            lambda: self.signer,
            lambda: self.log_id,
            name_field=self.name_field,
        )

    @cached_property
    def log_id(self) -> bytes:
        """Return the id (32 bytes) of the ledger that the profile signs for.

        At the first contact it is taken from the trust file, or else asked from the service, and kept in the profile:
        from then on no other ledger gets a signature.

        Raises:
            MalformedInput: the profile or the service names something that is no id.
            Unavailable: the service does not answer.
        """
        profile = self.profile
        text = profile.log_id
        if text is None:
            trust = self.trust()
            text = trust.log_id_text if trust else str(self.service.get("/api/v1/log")["log_id"])
            self.profiles.pin(profile, text)
            self.note(Message("profile {name} signs for the ledger {log_id}", name=profile.name, log_id=text))
        with contextlib.suppress(ValueError):
            if len(log_id := bytes.fromhex(text.removeprefix("0x"))) == 32:
                return log_id
        raise MalformedInput("{text!r} is no id of a ledger", text=text[:100], field="log_id")

    @cached_property
    def procedures(self) -> Mapping[str, Rulebook]:
        """Return the procedures that the ledger has in force, by their ids, in the order of the log."""
        from ledger.core.procedure.package import decode_package

        books = map(decode_package, self.texts_in_force)
        return {book.procedure.id: book for book in books}

    @cached_property
    def texts_in_force(self) -> tuple[bytes, ...]:
        """Return the texts of the procedures that the ledger has in force, in the order of the log.

        Raises IntegrityBroken if the service shows another text than the digest is of.
        """
        listed = self.service.get("/api/v1/procedures")["procedures"]
        return tuple(self.procedure_text(row["digest"]) for row in listed if row["in_force"])

    def procedure_text(self, digest: str) -> bytes:
        """Return the text of a package: it is kept in the profile, for it never changes and may have 512 KB."""
        from ledger.config.secret_files import write_secret
        from ledger.core.encoding.digests import blake3_text

        file = self.profiles.procedure(self.profile, digest)
        with contextlib.suppress(OSError):
            if blake3_text(kept := file.read_bytes()) == digest:
                return kept
        text = str(self.service.get(f"/api/v1/procedures/{digest}")["text"]).encode()
        if blake3_text(text) != digest:
            raise IntegrityBroken("the service shows another text of {digest}", digest=digest, field="text")
        with contextlib.suppress(OSError, TallystickError):  # it is fetched again
            write_secret(file, text, field="text", replace=True)
        return text

    def procedure_in_force(self, procedure_id: str, *, field: str) -> Rulebook:
        """Return the version that the ledger has in force. Raises MalformedInput under the ``field`` if it has none."""
        if (book := self.procedures.get(procedure_id)) is None:
            raise MalformedInput(
                "no version of the procedure {procedure_id} is in force",
                procedure_id=procedure_id,
                field=field,
                hint="See: tally procedure list --ledger",
            )
        return book

    def procedure_of(self, case_id: str) -> Rulebook:
        """Return the version of the case's procedure that is in force. Raises NotFound if the case is not shown."""
        from ledger.client.service import path_of

        return self.procedures[self.service.get(path_of("/api/v1/cases/{}", case_id))["procedure"]]

    def trust(self) -> Trust | None:
        """Return the trust file of the profile, or None if it has none. Raises MalformedInput if it is broken."""
        from ledger.core.trust.trust_file import parse_trust

        file = self.profiles.trust(self.profile)
        return parse_trust(file.read_bytes()) if file.is_file() else None

    def tree_heads(self) -> RememberedTreeHeads | None:
        """Return the tree heads that the profile remembers, or None if it has no trust file to check them with."""
        from ledger.client.tree_heads import RememberedTreeHeads

        trust = self.trust()
        if trust is None:
            return None
        return RememberedTreeHeads(self.profiles.folder(self.profile.name) / "log", self.service, trust)

"""New keys for a service or an officer: replaced on this machine, and requested from an agency's admin.

The old keys of a service stay beside the new ones, and open with the same passphrase. A new key waits as
``<name>-next`` until it takes the old one's place in one step: cut short, the same command goes on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ledger.chain.contract import ContractDomain, KeyRequest, key_request_digest, key_request_document, request_key
from ledger.cli.passphrase import Passphrase, passphrase_of
from ledger.cli.session import Session
from ledger.client.registry import chain_state, read_file, require_trusted
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Installation
from ledger.config.keys import (
    KeyRefused,
    create_keystore,
    create_note_key,
    keystore_key_id,
    open_keystore,
    open_note_key,
    public_key,
)
from ledger.config.secret_files import sync_folder
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, SignatureRefused, TallystickError
from ledger.core.events.terms import AgencyId, Bytes32, KeyId, OfficerId, SafeInt, SignatureText
from ledger.core.log.notes import parse_vkey
from ledger.core.messages import Message
from ledger.core.signing.authority import EarlierServiceKey
from ledger.core.signing.signatures import TransactionSigner, recover
from ledger.core.trust.trust_file import MAX_EARLIER, EarlierLogKey

if TYPE_CHECKING:
    from ledger.store.database import Database


class RotatedKey(NamedTuple):
    """The new key as it is named to others, the one before it, and where that one is kept."""

    key: str
    before: str
    kept: Path


@dataclass(frozen=True)
class Rotation:
    """What a rotation works on, all services being stopped: the log in ``database`` has ``size`` entries.

    The database is None if there was never a service. ``lost`` says that old keys need not open; else KeyRefused is
    raised, with nothing changed, for one that does not.
    """

    where: DataDirectory
    installation: Installation
    size: int
    passphrase: str
    database: Database | None = None
    lost: bool = False
    light: bool = False

    def log(self) -> RotatedKey:
        """Make another key of the log, which signs trees larger than ``size``."""
        keys = self.where.keys
        old, following = keys.note_key("log"), keys.note_key("log-next")
        if not self.lost:
            open_note_key(old, self.passphrase)
        earlier = self.installation.earlier_log_keys
        if _named_by(following) != self.installation.log_key:
            _require_room(earlier)  # before anything is written
        if not following.exists():
            create_note_key(following, self.installation.origin, self.passphrase, light=self.light)
        key = open_note_key(following, self.passphrase).verifying_key.vkey()
        if self.installation.log_key != key:
            # The old key may have signed a tree of this size.
            until = max([self.size, *(key_line.until for key_line in earlier)])
            earlier = (*earlier, EarlierLogKey(self.installation.log_key, until))
            self._write(replace(self.installation, log_key=key, earlier_log_keys=earlier))
        before = _named_by(old) or (self.installation.log_key if self.installation.log_key != key else earlier[-1].vkey)
        kept = keys.note_key(f"log-{parse_vkey(before).key_id.hex()}")
        replace_key(old, following, kept)
        return RotatedKey(key, before, kept)

    def service(self) -> RotatedKey:
        """Make another key for the ledger's own entries, from ``size`` on."""
        earlier = self.installation.earlier_service_keys
        has_signed = not earlier or earlier[-1].until < self.size
        if has_signed and _named_by(self.where.keys.keystore("service-next")) != self.installation.service_key_id:
            _require_room(earlier)  # before anything is written
        key = self._new_keystore("service")
        if self.installation.service_key_id != key:
            if has_signed:
                earlier = (*earlier, EarlierServiceKey(self.installation.service_key_id, self.size))
            self._write(replace(self.installation, service_key_id=key, earlier_service_keys=earlier))
        before = self.installation.service_key_id if self.installation.service_key_id != key else earlier[-1].key_id
        return self._replaced("service", before, key)

    def submitter(self) -> RotatedKey:
        """Make another account for what the service sends to the chain."""
        return self._replaced("submitter", self.installation.submitter, self._new_keystore("submitter"))

    def evidence(self) -> RotatedKey:
        """Make another key of the evidence store, and encrypt the keys of its files under it: these stay as they are.

        Raises NotFound if there is none, and KeyRefused where the old one is lost.
        """
        from ledger.evidence.file_encryption import open_store_key
        from ledger.evidence.kept_evidence import KEY_NAME, change_key

        file = self.where.keys.keystore(KEY_NAME)
        if self.lost:
            raise KeyRefused(
                "without the key of the evidence store none of its files can be read",
                field="--lost",
                hint="Restore evidence.json from a backup of keys/.",
            )
        if self.database is None or not file.exists():
            raise NotFound(
                "the evidence store has no key yet",
                field="NAME",
                hint="The service makes it when it first starts with evidence_store.",
            )
        old = open_store_key(file, self.passphrase)
        self._new_keystore(KEY_NAME)
        new = open_store_key(self.where.keys.keystore(f"{KEY_NAME}-next"), self.passphrase)
        change_key(self.database, old, new)
        return self._replaced(KEY_NAME, old.key_id, new.key_id)

    def _new_keystore(self, name: str) -> str:
        """Make or resume the keystore that waits to replace the key ``name``, and return the id of its key.

        Unless it is lost, the old key must open.
        """
        keys = self.where.keys
        following = keys.keystore(f"{name}-next")
        if not self.lost:
            open_keystore(keys.keystore(name), self.passphrase)
        if not following.exists():
            create_keystore(following, self.passphrase, light=self.light)
        return open_keystore(following, self.passphrase).key_id

    def _replaced(self, name: str, named: str, key: str) -> RotatedKey:
        """Put the new key in its place; the old one is what its file says, or ``named`` where that is gone."""
        keys = self.where.keys
        before = _named_by(keys.keystore(name)) or named
        kept = keys.keystore(f"{name}-{before[2:10]}")
        replace_key(keys.keystore(name), keys.keystore(f"{name}-next"), kept)
        return RotatedKey(key, before, kept)

    def _write(self, installation: Installation) -> None:
        """Name the new keys, in the database first: from then on no service signs by those that they replace."""
        from ledger.store import log

        if self.database is not None:
            with self.database.write() as connection:
                log.keep_own_keys(connection, self.database, installation.own_keys)
        installations.write(self.where, installation, replace=True)


def size_to_rotate_at(where: DataDirectory, installation: Installation, database: Database | None) -> int:
    """Return how many entries the log has when a rotation begins or goes on.

    Raises Conflict for another ledger's database, IntegrityBroken for one that was rolled back, and KeyRefused if a
    rotation from another directory has replaced the keys here.
    """
    from ledger.store import log

    size = 0
    if database is not None:
        with database.read() as connection:
            tree = log.tree(connection)
        log.require_ledger(tree.log_id.hex(), installation.log_id_bytes)
        size = tree.size
        following = (where.keys.note_key("log-next"), where.keys.keystore("service-next"))
        installations.require_newest_keys(installation, tree.own_keys, *filter(None, map(_named_by, following)))
    installations.require_no_rollback(installation, size)
    return size


def _require_room(earlier: Sequence[EarlierLogKey | EarlierServiceKey]) -> None:
    """Check that a trust file has room for another earlier key. Raises Conflict if not."""
    if len(earlier) == MAX_EARLIER:
        raise Conflict("a trust file names at most {limit} keys of before", limit=MAX_EARLIER, field="NAME")


def _named_by(file: Path) -> str | None:
    """Return the key that a file names, or None if the file is missing or damaged."""
    try:
        return public_key(file)
    except TallystickError:
        return None


def replace_key(old: Path, following: Path, kept: Path) -> None:
    """Put the file ``following`` in the place of ``old``, which stays as ``kept`` if there is one."""
    with suppress(FileExistsError, FileNotFoundError):
        os.link(old, kept)
    following.replace(old)
    sync_folder(old.parent)


class RequestFile(Struct, frozen=True, forbid_unknown_fields=True):
    """``signature`` is the key's, over ``ledger.chain.contract.key_request_digest`` (65 bytes, 0x-hex)."""

    log_id: Bytes32
    chain_id: SafeInt
    registry: KeyId
    agency: AgencyId
    officer: OfficerId
    key_id: KeyId
    signature: SignatureText
    format: Literal["tallystick/key-request@v1"] = "tallystick/key-request@v1"

    @property
    def domain(self) -> ContractDomain:
        return ContractDomain(bytes.fromhex(self.log_id[2:]), self.chain_id, self.registry)


def request_own_key(session: Session) -> RequestFile:
    """Sign the request of the profile's key, for the agency and the officer of the profile."""
    agency, officer = session.officer
    domain = registry_domain(session)
    return _request_file(domain, request_key(session.signer, domain, agency=agency, officer=officer))


def wallet_document(session: Session, key_id: str) -> dict[str, Any]:
    """Return the request of a key in a wallet as typed data for its ``eth_signTypedData_v4``."""
    agency, officer = session.officer
    return key_request_document(registry_domain(session), agency=agency, officer=officer, key_id=key_id)


def request_wallet_key(session: Session, key_id: str, signature: str) -> RequestFile:
    """Make a request with a wallet's signature. Raises SignatureRefused if it is not this key's."""
    agency, officer = session.officer
    try:
        proof = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError as error:
        raise MalformedInput("expected a signature, 0x and 130 hex digits", field="--signature") from error
    request = KeyRequest(agency, officer, key_id, proof)
    _require_signed(registry_domain(session), request, field="--signature")
    return _request_file(registry_domain(session), request)


_ASK_FIRST = "Its holder signs a request on his own machine: tally key request -o FILE. Then: tally key grant FILE."


def read_request(session: Session, path: Path, officer: str | None) -> KeyRequest:
    """Read and verify the request in a file.

    Raises IntegrityBroken for the registry of another ledger, SignatureRefused if the key did not sign it,
    MalformedInput for no file, and for another agency than the profile's or another officer than ``officer``.
    """
    if not path.is_file():
        message = Message("expected the file of a request, or the id of a key, not {key}", key=path)
        raise MalformedInput(message, field="KEY", hint=_ASK_FIRST)
    file: RequestFile = read_file(path, RequestFile)
    if file.domain != registry_domain(session):
        raise IntegrityBroken(
            "the request is for the registry {file.registry} of another ledger", file=file, field=str(path)
        )
    request = KeyRequest(file.agency, file.officer, file.key_id, bytes.fromhex(file.signature[2:]))
    _require_signed(file.domain, request, field=str(path))
    if file.agency != _admins_agency(session):
        raise MalformedInput(
            "the request is for {file.agency}, not for {agency}",
            file=file,
            agency=_admins_agency(session),
            field=str(path),
            hint="A key's holder asks his own agency; its admin grants it.",
        )
    if officer not in (None, file.officer):
        raise MalformedInput(
            "the request names the officer {file.officer}, not {officer}",
            file=file,
            officer=officer,
            field="--officer",
        )
    return request


def request_key_here(session: Session, key_id: str, officer: str) -> KeyRequest:
    """Sign the request of a key that lies on this machine, where the admin does.

    Raises MalformedInput where no keystore here names it.
    """
    signer = _signer_here(session, key_id)
    return request_key(signer, registry_domain(session), agency=_admins_agency(session), officer=officer)


def registry_domain(session: Session) -> ContractDomain:
    """Return the signing domain of the ledger's registry. Raises IntegrityBroken if the trust file names another."""
    state = chain_state(session)
    require_trusted(session, state.chain_id, state.registry)
    return ContractDomain(session.log_id, state.chain_id, state.registry)


def _request_file(domain: ContractDomain, request: KeyRequest) -> RequestFile:
    return RequestFile(
        "0x" + domain.log_id.hex(),
        domain.chain_id,
        domain.contract,
        request.agency,
        request.officer,
        request.key_id,
        "0x" + request.proof.hex(),
    )


def _require_signed(domain: ContractDomain, request: KeyRequest, *, field: str) -> None:
    digest = key_request_digest(domain, agency=request.agency, officer=request.officer, key_id=request.key_id)
    if recover(digest, request.proof, field=field) != request.key_id:
        raise SignatureRefused(
            "the request is not signed by the key {request.key_id}",
            request=request,
            field=field,
            hint="Ask the key's holder for it again: tally key request.",
        )


def _admins_agency(session: Session) -> str:
    """Return the agency that the profile acts for; the contract compares it with that of the account."""
    agency = session.profile.agency
    if agency is None:
        raise MalformedInput("the profile {session.profile.name} names no agency", session=session, field="--profile")
    return agency


def _signer_here(session: Session, key_id: str) -> TransactionSigner:
    """Open the key of this id in a keystore of this machine.

    The passphrase is read as a profile that uses the key says, or else as the admin's profile says.
    """
    profiles = [session.profile, *map(session.profiles.read, session.profiles.names())]
    directories = {profile.name: session.profiles.keys(profile) for profile in profiles}
    for path in (path for directory in directories.values() for path in directory.files()):
        if path.suffix == ".json" and keystore_key_id(path) == key_id:
            users = [user for user in profiles if (user.key, directories[user.name].path) == (path.stem, path.parent)]
            named = (passphrase_of(profile) for profile in (*users, session.profile))
            passphrase = next((passphrase for passphrase in named if passphrase.is_named), Passphrase())
            return open_keystore(path, passphrase.read(of=f"the key {path.stem}"))
    raise MalformedInput(
        "the key {key_id} is not on this machine",
        key_id=key_id,
        field="KEY",
        hint=_ASK_FIRST,
    )

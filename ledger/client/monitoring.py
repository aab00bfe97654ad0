"""Watch the log for an agency: what claims to be of it or is signed by its keys, and what changes for all agencies.

Nothing that the service says is believed. Entries count once the tiles show that they are in the tree that the log
signed, that tree must continue the one of the last run, and the right of a key follows from the mirrored registry alone
(``ledger.core.log.replay``). Whether the mirror equals the chain is for witnesses and the audit to check.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.config.secret_files import read_secret, write_secret
from ledger.core.encoding.decoding import convert, decode_json
from ledger.core.errors import MalformedInput, TallystickError, Unauthorized
from ledger.core.events import Envelope, Stream, registry
from ledger.core.events.registry import RegistryChange
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.replay import (
    LogFault,
    ReplayState,
    append_entries,
    decode_entries,
    empty_log,
    is_registry_change,
    require_begins,
    require_served,
    with_change,
)
from ledger.core.log.tiles import TILE_WIDTH, TileNodes
from ledger.core.messages import Message
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import AuthorityState
from ledger.core.trust.trust_file import Trust
from ledger.witness.source import LogSource

FORMAT = "tallystick/monitor@v1"
STEP = 16 * TILE_WIDTH  # entries that are looked at between two savings

Alarm = Literal[
    "bad_signature",
    "key_unknown",
    "key_revoked",
    "wrong_agency",
    "key_not_valid",
    "role_missing",
    "wrong_suite",
    "suite_not_taken",
    "service_only",
]

_CHANGES_OF_KEYS = (registry.KeyGranted, registry.KeyRevoked)  # concern one agency; every other change concerns all


class Position(Struct, frozen=True):
    """How far the log has been watched: the last checkpoint as the log signed it, its tree, and the registry in it."""

    format: str
    log_id: bytes
    note: str
    followed: ReplayState


class KeyUse(Struct, frozen=True):
    """An entry of the agency, or a change of the registry: of its keys, or of what concerns all agencies.

    ``officer`` is whom the key was granted to. ``alarm`` is the code of what is wrong and ``message`` says it;
    ``signed_at`` (unix seconds) is the signer's claim. ``change`` is what the registry changes, and ``quorum_before``
    the quorum until a change of the quorum.
    """

    index: int
    signed_at: int
    event_type: str
    stream: Stream
    sequence: int
    key_id: str | None
    officer: str | None
    alarm: Alarm | None = None
    message: str | None = None
    change: RegistryChange | None = None
    quorum_before: int | None = None


class WatchStep(Struct, frozen=True):
    """The uses in one batch of entries, and the position after it."""

    uses: tuple[KeyUse, ...]
    position: Position


def read_position(file: Path, trust: Trust) -> Position:
    """Read the position of the last run, or return the one before the first entry if there was none.

    Raises MalformedInput if the file is broken or of another ledger.
    """
    if not file.exists():
        return Position(FORMAT, trust.log_id, "", empty_log(trust.log_id, trust.service_keys))
    try:
        position = decode_json(read_secret(file, field="monitor"), Position)
    except msgspec.DecodeError as error:
        raise MalformedInput(
            "{file} cannot be read: {error}", file=file, error=error, field="monitor", hint=_AGAIN
        ) from error
    if (position.format, position.log_id) != (FORMAT, trust.log_id):
        raise MalformedInput("{file} is of another ledger", file=file, field="monitor", hint=_AGAIN)
    authority = replace(position.followed.authority, service=trust.service_keys)
    return replace(position, followed=replace(position.followed, authority=authority))


def write_position(file: Path, position: Position) -> None:
    """Replace the position in the file."""
    write_secret(file, msgspec.json.encode(position), field="monitor", replace=True)


@contextmanager
def evidence_kept(file: Path, note: str) -> Iterator[None]:
    """Keep the checkpoint beside the position if the log turns out to have signed what it must never sign."""
    try:
        yield
    except LogFault as fault:
        evidence = file.with_name(f"monitor-{fault.kind}.note")
        write_secret(evidence, note.encode(), field="monitor", replace=True)
        fault.hint = Message(
            "Keep {evidence} and {file}: the log has signed the checkpoints in both.", evidence=evidence, file=file
        )
        raise


def watch_log(source: LogSource, note: str, trust: Trust, agency: str, before: Position) -> Iterator[WatchStep]:
    """Watch the entries behind ``before``, up to the checkpoint in ``note``; yield a step for each batch of new
    entries.

    Raises LogFault (fork, rollback, and what no log may sign), SignatureRefused if the log's key has not signed the
    checkpoint, LogUnreadable if the log does not serve what it signed, Unavailable if it does not answer.
    """
    checkpoint = verify_checkpoint(note, trust.log_key_of(note))
    if checkpoint.size < before.followed.size:
        raise LogFault(
            "rollback",
            "the log had {before.followed.size} entries and now shows {checkpoint.size}: it was rolled "
            "back, or somebody on the way shows an old answer",
            before=before,
            checkpoint=checkpoint,
        )
    nodes = TileNodes(checkpoint.size, source.tile)
    followed = before.followed
    require_begins(followed.frontier, checkpoint, nodes)
    while followed.size < checkpoint.size:
        entries = source.entries(followed.size, min(followed.size + STEP, checkpoint.size))
        frontier = append_entries(followed.frontier, entries)
        require_served(frontier, checkpoint, nodes)
        envelopes = decode_entries(entries, followed.size)
        uses, authority = _uses(source, agency, followed, envelopes)
        followed = ReplayState(frontier, authority)
        yield WatchStep(tuple(uses), Position(FORMAT, trust.log_id, note, followed))


def _uses(
    source: LogSource, agency: str, followed: ReplayState, envelopes: list[Envelope]
) -> tuple[list[KeyUse], AuthorityState]:
    payloads = source.mirrored_payloads(envelopes, followed.size)
    authority, uses = followed.authority, []
    for index, envelope in enumerate(envelopes, followed.size):
        grant = authority.grants.get(envelope.key_id)
        if is_registry_change(envelope):
            try:
                _require_right(authority, envelope, index)
            except TallystickError as error:  # the log's own key alone may mirror the registry
                raise LogFault(
                    "unauthorised_key", Message("entry {index}: {error}", index=index, error=error), index=index
                ) from error
            quorum = authority.quorum
            mirrored, authority = with_change(authority, envelope, payloads.get(index), index)
            change = mirrored.change
            if not isinstance(change, _CHANGES_OF_KEYS) or change.agency == agency:
                key_id, officer = (getattr(change, name, None) for name in ("key_id", "officer"))
                before = quorum if isinstance(change, registry.QuorumSet) else None
                uses.append(replace(_use(envelope, index, key_id, officer), change=change, quorum_before=before))
        elif envelope.agency == agency or (grant is not None and grant.agency_id == agency):
            use = _use(envelope, index, envelope.key_id, grant.officer if grant else None)
            try:
                _require_right(authority, envelope, index)
            except TallystickError as error:
                alarm = error.code if isinstance(error, Unauthorized) else "bad_signature"
                use = replace(use, alarm=convert(alarm, Alarm), message=error.message)
            uses.append(use)
    return uses, authority


def _use(envelope: Envelope, index: int, key_id: str | None, officer: str | None) -> KeyUse:
    signed = {name: getattr(envelope, name) for name in ("signed_at", "event_type", "stream", "sequence")}
    return KeyUse(index=index, key_id=key_id, officer=officer, **signed)


def _require_right(authority: AuthorityState, envelope: Envelope, index: int) -> None:
    """Check that the entry is signed by a key that was valid for it. Raises TallystickError."""
    signatures.verify_envelope(envelope, authority.log_id)
    authorities.require_key(authority, envelope, index)


_AGAIN = "Move it away; the next look then begins at the first entry."

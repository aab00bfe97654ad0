"""Replay of a log: what follows from entries that the log has signed, read in order without keeping them.

The witness and an agency's monitor replay a whole log with ``replay_entries`` and its parts. The service, the audit and
the verification of a case replay parts of one by the same rules: its registry (``replay_registry``), the order of one
stream (``ledger.core.events.streams``).

``ReplayState`` is the state that does not grow with the log. The head map and the ids of events do grow, so a
step gets only those that its entries need (``PriorEntries``). Reading entries and storing state are left to others.

No entry is judged before the log has signed a tree that contains it (``require_served``). So each ``LogFault`` can be
proven to third parties: the log has signed the faulty entries. Bytes that fit no signed tree are ``LogUnreadable``
instead, because somebody else on the way may have altered them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct, field

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, MalformedInput, ProofRefused, TallystickError, Unavailable
from ledger.core.events import EVENT_TYPES, Envelope, decode_envelope, decode_payload, require_kind
from ledger.core.events.record import HOUSEKEEPING
from ledger.core.events.registry import RegistryChange
from ledger.core.events.streams import StreamHead, place_after
from ledger.core.log import merkle
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.head_map import HeadMap, MapKey, MappedHead, PageName, is_map, map_key, require_mapped
from ledger.core.log.merkle import Hash, leaf_hash
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import AuthorityState
from ledger.core.signing.signatures import EARLIEST, LATEST

FaultKind = Literal[
    "fork",
    "rollback",
    "malformed",
    "bad_signature",
    "duplicate",
    "gap",
    "unauthorised_key",
    "false_mirror",
    "false_map",
]


class LogFault(IntegrityBroken):
    """A signed fault of the log: ``kind`` is the rule that it breaks, ``index`` the entry at fault."""

    kind: FaultKind

    def __init__(self, kind: FaultKind, text: str, /, *, index: int | None = None, **slots: object):
        super().__init__(text, index=index, code=kind, **slots)
        self.kind = kind


class LogUnreadable(Unavailable):
    """The log serves too little, or bytes that do not belong to the signed tree."""

    code = "log_unreadable"


class SignedInFuture(Unavailable):
    """An entry's signing time is later than this machine's time, beyond the tolerance.

    The entry is replayed once its time has come.
    """

    code = "signed_in_future"


class ReplayState(Struct, frozen=True):
    """The state of a log replayed up to ``frontier.size``: its right edge, and the registry as its entries give it.

    ``acts`` is the size of the smallest tree with all entries that are more than the log's own housekeeping.
    """

    frontier: merkle.Frontier
    authority: AuthorityState
    acts: int = 0

    @property
    def size(self) -> int:
        """Return the number of entries replayed."""
        return self.frontier.size


class PriorEntries(Struct, frozen=True):
    """The event ids that occur in a step's entries and in entries before them, and the head map over all before.

    The step updates the map.
    """

    events: Mapping[str, int] = {}  # event id -> index
    head_map: HeadMap = field(default_factory=HeadMap)


class MirroredChange(Struct, frozen=True):
    """A change of the registry that entry ``index`` mirrors, with the bytes of its payload."""

    index: int
    change: RegistryChange
    payload: bytes


class ReplayStep(Struct, frozen=True):
    """The result of replaying entries: the new state, the ids of their events, the registry's changes.

    ``map_root`` is that of the head map over all entries replayed, ``map_pages`` are its pages that were changed.
    """

    followed: ReplayState
    events: dict[str, int]
    changes: tuple[MirroredChange, ...]
    map_root: Hash
    map_pages: dict[PageName, bytes]


def empty_log(log_id: bytes, service: authorities.ServiceKeys | str) -> ReplayState:
    """Return the state of an empty log."""
    return ReplayState(merkle.EMPTY_TREE, authorities.initial(log_id, service))


def append_entries(frontier: merkle.Frontier, entries: Sequence[bytes]) -> merkle.Frontier:
    """Append entries to the tree."""
    return frontier.append([leaf_hash(entry) for entry in entries])


def require_begins(frontier: merkle.Frontier, checkpoint: Checkpoint, node: merkle.NodeReader) -> None:
    """Accept that the tree of a verified checkpoint begins with the tree that was replayed up to ``frontier``.

    Requires frontier.size <= checkpoint.size. The tiles that ``node`` reads are not trusted. Raises LogFault (fork), or
    LogUnreadable if the tiles do not lead to the checkpoint.
    """
    if root_within(checkpoint, frontier.size, node) != frontier.root():
        raise _fork(frontier, checkpoint)


def require_continued(checkpoint: Checkpoint, frontier: merkle.Frontier, node: merkle.NodeReader) -> None:
    """Accept that the tree that was replayed up to ``frontier`` begins with the tree of a verified checkpoint.

    Requires checkpoint.size <= frontier.size. Raises LogFault (fork), LogUnreadable.
    """
    followed = Checkpoint(checkpoint.origin, frontier.size, frontier.root())
    if root_within(followed, checkpoint.size, node) != checkpoint.root:
        raise _fork(frontier, checkpoint)


def require_served(frontier: merkle.Frontier, checkpoint: Checkpoint, node: merkle.NodeReader) -> None:
    """Accept that the entries from whose hashes ``frontier`` was grown are those of a verified checkpoint's tree.

    Requires frontier.size <= checkpoint.size, and that the part replayed before is its beginning. Raises LogUnreadable.
    """
    # Nobody's fault yet: entries may have been changed on the way here.
    if root_within(checkpoint, frontier.size, node) != frontier.root():
        raise LogUnreadable(
            "the entries that the log serves below {frontier.size} are not those that it signed", frontier=frontier
        )


def root_within(checkpoint: Checkpoint, size: int, node: merkle.NodeReader) -> merkle.Hash:
    """Return the root that the tree of this checkpoint had at ``size`` <= checkpoint.size, proven from its tiles.

    Raises LogUnreadable if the tiles do not lead to the root of the checkpoint.
    """
    if size == checkpoint.size:
        return checkpoint.root
    # Anybody may serve tiles: a root read from them counts only if it leads to the signed one.
    root = merkle.frontier_at(size, node).root()
    try:
        proof = merkle.consistency_proof(size, checkpoint.size, node)
        merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, proof)
    except ProofRefused as error:
        raise LogUnreadable(
            "the tiles that the log serves are not those of the tree that it signed at size {checkpoint.size}",
            checkpoint=checkpoint,
        ) from error
    return root


def _fork(frontier: merkle.Frontier, checkpoint: Checkpoint) -> LogFault:
    return LogFault(
        "fork",
        "the log has signed root {root} at size {checkpoint.size}; root {other_root} at size "
        "{frontier.size}, which was followed, is of another tree",
        root=checkpoint.root.hex(),
        checkpoint=checkpoint,
        other_root=frontier.root().hex(),
        frontier=frontier,
    )


# -- times of entries --------------------------------------------------------------------------------------------------


def require_signed(envelopes: Iterable[Envelope], first: int, now: int) -> None:
    """Accept entries from index ``first`` on that were signed by ``now`` (unix seconds), within the tolerance.

    Raises SignedInFuture.
    """
    for index, envelope in enumerate(envelopes, first):
        ahead = envelope.signed_at - now
        if ahead > LATEST:
            raise SignedInFuture(
                "entry {index} of {envelope.agency} was signed {ahead} s after the present time of this machine",
                index=index,
                envelope=envelope,
                ahead=ahead,
                retry_after=min(ahead - LATEST, 3600),
                hint="Compare this machine's clock. If it is right, key and service agreed on a wrong time: ask the "
                "agency. The entry is followed once its time has come.",
            )


def late_entry(envelopes: Iterable[Envelope], first: int, *, size: int, at: int) -> tuple[int, int] | None:
    """Return the first entry that was logged too late after its signature, and its least wait in seconds; else None.

    The log was published with ``size`` entries at time ``at`` (unix seconds): the entries above were logged after it.
    """
    for index, envelope in enumerate(envelopes, first):
        # The log saw the entry at `at` or later, so it waited at least this long.
        waited = at - envelope.signed_at
        if index >= size and waited > EARLIEST + LATEST:
            return index, waited
    return None


# -- entries -----------------------------------------------------------------------------------------------------------


def decode_entries(entries: Iterable[bytes], first: int) -> list[Envelope]:
    """Decode entries to envelopes; the first of them has index ``first``.

    Raises LogFault (malformed), and LogUnreadable for an event type that this release does not know.
    """
    envelopes: list[Envelope] = []
    for index, entry in enumerate(entries, first):
        try:
            envelope = decode_envelope(entry)
            if envelope.event_type not in EVENT_TYPES:
                raise LogUnreadable(
                    "entry {index} is a {envelope.event_type}, which this release does not know",
                    index=index,
                    envelope=envelope,
                    hint="Update this program; it goes on from here.",
                )
            # An event in an impossible place is as much a fault of the log as one that cannot be decoded.
            require_kind(envelope)
        except MalformedInput as error:
            raise LogFault("malformed", "entry {index}: {error.field}: {error}", index=index, error=error) from error
        envelopes.append(envelope)
    return envelopes


def is_registry_change(envelope: Envelope) -> bool:
    """Tell whether the entry mirrors a change of the registry; a replay needs its payload, which is public."""
    return issubclass(EVENT_TYPES[envelope.event_type].body, RegistryChange)


def replay_entries(
    followed: ReplayState,
    envelopes: Sequence[Envelope],
    frontier: merkle.Frontier,
    prior: PriorEntries,
    payloads: Mapping[int, bytes],
) -> ReplayStep:
    """Verify the entries by which ``followed.frontier`` became ``frontier``, whose tree the log has signed.

    ``prior`` holds what earlier entries have of streams and of these event ids, ``payloads`` the payloads of the
    ``registry.*`` entries by index. For each entry, in their order:

    1. the signature is of the key that it names, for this ledger;
    2. its event id occurs in no entry before;
    3. it follows the head of its stream: sequence and previous leaf hash fit;
    4. its key was good at its index, for its agency and event type;
    5. if it mirrors a change of the registry, number and rolling hash follow from the change before;
    6. if it commits to a head map, that is the map of all entries before it.

    Raises LogFault, and LogUnreadable for a payload that is missing or has another digest than was signed.
    """
    events: dict[str, int] = {}
    changes: list[MirroredChange] = []
    head_map, unmapped = prior.head_map, dict[MapKey, MappedHead]()
    heads = head_map.heads(map_key(envelope.stream) for envelope in envelopes)
    authority, acts = followed.authority, followed.acts
    for index, envelope in enumerate(envelopes, followed.size):
        with _fault_of(index, "bad_signature"):  # 1
            signatures.verify_envelope(envelope, authority.log_id)
        earlier = events.get(envelope.event_id, prior.events.get(envelope.event_id))
        if earlier is not None:  # 2
            raise LogFault("duplicate", "entry {index} repeats the event id of {earlier}", index=index, earlier=earlier)
        key = map_key(envelope.stream)
        mapped = heads.get(key)
        head = None if mapped is None else StreamHead(mapped.count - 1, f"sha256:{mapped.head.hex()}")
        expected = place_after(head)
        if (envelope.sequence, envelope.previous) != expected:  # 3
            raise LogFault(
                "gap",
                "entry {index} is event {envelope.sequence} of its stream, {expected} is next",
                index=index,
                envelope=envelope,
                expected=expected[0],
            )
        with _fault_of(index, "unauthorised_key"):  # 4
            authorities.require_key(authority, envelope, index)
        if is_registry_change(envelope):  # 5
            mirrored, authority = with_change(authority, envelope, payloads.get(index), index)
            changes.append(mirrored)
        if is_map(envelope):  # 6
            head_map.update(unmapped)
            unmapped = {}
            with _fault_of(index, "false_map"):
                require_mapped(envelope, head_map.root)
        # Only now: an entry that breaks a rule moves no head.
        heads[key] = unmapped[key] = MappedHead(envelope.sequence + 1, leaf_hash(canonical.encode(envelope)))
        events[envelope.event_id] = index
        if envelope.event_type not in HOUSEKEEPING:
            acts = index + 1
    head_map.update(unmapped)
    new_state = ReplayState(frontier, authority, acts)
    return ReplayStep(new_state, events, tuple(changes), head_map.root, head_map.changed)


@contextmanager
def _fault_of(index: int, kind: FaultKind) -> Iterator[None]:
    """Raise a LogFault of this kind for what is refused within."""
    try:
        yield
    except TallystickError as error:
        raise LogFault(kind, "entry {index}: {error}", index=index, error=error) from error


def with_change(
    authority: AuthorityState, envelope: Envelope, payload: bytes | None, index: int
) -> tuple[MirroredChange, AuthorityState]:
    """Return the change that a ``registry.*`` entry mirrors, and the registry after it.

    Raises LogFault (false_mirror), and LogUnreadable for a payload that is missing or has another digest than signed.
    """
    # The log signed the digest, not these bytes: whoever passed them on may have changed them.
    if payload is None or blake3_text(payload) != envelope.payload_digest:
        raise LogUnreadable("the log does not serve the payload of entry {index}", index=index)
    with _fault_of(index, "false_mirror"):
        decoded = decode_payload(payload, envelope.event_type)
        authorities.require_officer(None, decoded.officer)
        return next(replay_registry(authority, [(index, envelope.event_type, payload)]))


def replay_registry(
    authority: AuthorityState, payloads: Iterable[tuple[int, str, bytes]]
) -> Iterator[tuple[MirroredChange, AuthorityState]]:
    """Yield the changes that ``registry.*`` entries mirror, in order, each with the registry after it.

    ``payloads`` are index, event type and payload of the entries behind ``authority``. Raises MalformedInput, or
    IntegrityBroken if number or rolling hash of a change does not follow from the change before.
    """
    for index, event_type, payload in payloads:
        body = decode_payload(payload, event_type).body
        if not isinstance(body, RegistryChange):
            raise IntegrityBroken("entry {index} mirrors no change of the registry", index=index)
        authority = authorities.fold(authority, body, index)
        yield MirroredChange(index, body, payload), authority


def require_same_changes(
    mirrored: Sequence[MirroredChange], on_chain: Sequence[RegistryChange], *, final_block: int, hint: str | None = None
) -> None:
    """Accept that the mirrored changes are the first of ``on_chain``, equal in every field.

    ``on_chain`` are the final changes after those compared before. Raises LogFault (false_mirror), and Unavailable with
    the hint if the log is ahead of what is final on the chain as this machine sees it.
    """
    # In order: the first difference is the fault, and later ones may follow from it.
    for number, entry in enumerate(mirrored):
        if number < len(on_chain) and entry.change == on_chain[number]:
            continue
        if number >= len(on_chain) and entry.change.location.block_number > final_block:
            raise Unavailable(
                "entry {entry.index} mirrors a change after block {final_block}, which is the last final one",
                entry=entry,
                final_block=final_block,
                code="chain_behind",
                hint=hint,
            )
        raise LogFault(
            "false_mirror",
            "entry {entry.index} mirrors change {entry.change.number} of the registry as the chain does not have it",
            entry=entry,
            index=entry.index,
        )

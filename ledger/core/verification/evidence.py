"""The other entries that an event rests on: admission and grant of its key, revocations, erasures.

They stand in the bundle beside the event. An entry *holds* if it is signed for this ledger, shows the payload that was
signed, and is included in the bundle's tree. What does not hold counts as left out, and the step that misses it says
so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from msgspec import Struct

from ledger.core.errors import ProofRefused, TallystickError
from ledger.core.events import Body, Payload, record, registry, require_agreement
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, path_nodes, verify_inclusion
from ledger.core.messages import Message
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import AuthorityState, Grant
from ledger.core.verification.bundle import Bundle, ShownEntry, decode_hashes, node_name
from ledger.core.verification.report import NotChecked
from ledger.core.verification.trust import Trust

B = TypeVar("B", bound=Body)


class KeyGrounds(Struct, frozen=True):
    """The grounds for a key: its grant, and the kind of the agency that gave it."""

    grant: Grant
    kind: str


class HeldEntries:
    """The entries of a bundle that hold, under a tree head that the log signed."""

    def __init__(self, bundle: Bundle, trust: Trust, checkpoint: Checkpoint):
        self._bundle = bundle
        self._trust = trust
        self._checkpoint = checkpoint
        self._faults: dict[int, TallystickError | NotChecked | None] = {}
        self._mirrored: list[tuple[int, Body]] | None = None

    def require_included(self, entry: ShownEntry) -> None:
        """Accept an entry that is in the tree at its index.

        Raises ProofRefused, and NotChecked if a node of the tree is missing.
        """
        size = self._checkpoint.size
        if entry.index >= size:
            raise ProofRefused(
                "index {index} is not within a tree of {size} leaves", index=entry.index, size=size, field="index"
            )
        path = list[str]()
        for node in path_nodes(entry.index, size):
            name = node_name(*node)
            if name not in self._bundle.parts.nodes:
                raise NotChecked("the bundle lacks the node {name} of the tree", name=name)
            path.append(self._bundle.parts.nodes[name])
        verify_inclusion(entry.leaf, entry.index, size, decode_hashes(path), Hash(self._checkpoint.root))

    def mirrored(self) -> list[tuple[int, Body]]:
        """Return index and body of the registry's mirror entries that hold, in the order of the log."""
        if self._mirrored is None:
            self._mirrored = [*self._read_mirror()]
        return self._mirrored

    def _read_mirror(self) -> Iterator[tuple[int, Body]]:
        # A registry of which nothing is known yet accepts the ledger's own key alone, as a mirror entry requires.
        registry_before = authorities.initial(self._trust.log_id, self._trust.service_keys)
        for entry in self._bundle.entries.values():
            if isinstance(entry.payload and entry.payload.body, registry.RegistryChange) and self.fault(entry) is None:
                assert entry.payload is not None, "it has a body"
                try:
                    authorities.require_key(registry_before, entry.envelope, entry.index)
                    authorities.require_officer(None, entry.payload)
                except TallystickError as error:
                    self._faults[entry.index] = error
                    continue
                yield entry.index, entry.payload.body

    def admissions(self) -> dict[str, registry.AgencyAdmitted]:
        """Return the admissions of agencies that hold, by agency."""
        admissions: dict[str, registry.AgencyAdmitted] = {}
        for _, body in self.mirrored():
            if isinstance(body, registry.AgencyAdmitted):
                admissions.setdefault(body.agency, body)
        return admissions

    def fault(self, entry: ShownEntry) -> TallystickError | NotChecked | None:
        """Return why an entry does not hold, or None if it does."""
        if entry.index not in self._faults:
            self._faults[entry.index] = self._look_at(entry)
        return self._faults[entry.index]

    def _look_at(self, entry: ShownEntry) -> TallystickError | NotChecked | None:
        try:
            signatures.verify_envelope(entry.envelope, self._trust.log_id)
            if entry.payload is not None:
                require_agreement(entry.envelope, entry.payload, entry.payload_bytes)
            self.require_included(entry)
        except (TallystickError, NotChecked) as error:
            return error.with_traceback(None)
        return None

    def grounds(self, entry: ShownEntry, payload: Payload | None) -> tuple[KeyGrounds, ...]:
        """Return every grant in the mirror that makes the entry's key good for it, by the agency's admission.

        ``payload`` is the entry's, as far as it was accepted. Raises NotChecked if there is no grant of the key, or
        one lacks nothing but an admission; a TallystickError if none of the key's grants does.
        """
        kinds: dict[str, str] = {}
        grounds, fault, not_admitted = list[KeyGrounds](), None, None
        for index, body in self.mirrored():
            if isinstance(body, registry.AgencyAdmitted):
                kinds.setdefault(body.agency, body.kind)
            elif isinstance(body, registry.KeyGranted) and body.key_id == entry.envelope.key_id:
                grant = authorities.grant_of(body, index)
                try:
                    self._require_granted(grant, kinds, entry, payload)
                except NotChecked as error:
                    not_admitted = error
                except TallystickError as error:
                    fault = error
                else:
                    grounds.append(KeyGrounds(grant, kinds[grant.agency_id]))
        if grounds:
            return tuple(grounds)
        if fault is not None and not_admitted is None:
            raise fault
        raise not_admitted or NotChecked(self._nothing_of(entry))

    def _require_granted(self, grant: Grant, kinds: dict[str, str], entry: ShownEntry, payload: Payload | None) -> None:
        alone = AuthorityState(
            self._trust.log_id, self._trust.service_keys, self._trust.log_id, grants={grant.key_id: grant}
        )
        # The same rules as for the log itself, applied to a registry that has this grant alone. By indices that proofs
        # have shown, not by times that somebody claims.
        authorities.require_key(alone, entry.envelope, entry.index)
        if payload is not None:
            authorities.require_officer(grant, payload)
        # A grant by an agency that nobody had admitted gives no right to act for it.
        if grant.agency_id not in kinds:
            raise NotChecked("the bundle does not show the admission of {agency}", agency=grant.agency_id)

    def _nothing_of(self, entry: ShownEntry) -> str:
        for other in self._bundle.entries.values():
            fault = self.fault(other)
            if fault is not None and other.index != entry.index and other.envelope.event_type == "registry.key_granted":
                return Message("entry {index} does not hold: {fault}", index=other.index, fault=fault)
        return Message("the bundle does not show a grant of the key")

    def revoked_at(self, grant: Grant) -> int | None:
        """Return the index of the first entry that revoked a grant, or None if none that holds is here."""
        revoked = (
            index
            for index, body in self.mirrored()
            if isinstance(body, registry.KeyRevoked) and body.key_id == grant.key_id and index > grant.granted
        )
        return next(revoked, None)

    def erased_at(self, entry: ShownEntry, label: str) -> int | None:
        """Return the index of the first entry that erased a section of an event, or None if none that holds is here.

        The right of its signer is not checked.
        """
        for other in self._bundle.entries.values():
            body = other.payload.body if other.payload else None
            if isinstance(body, record.SectionErased) and other.envelope.stream == entry.envelope.stream:
                concerned = (body.concerns.event_id, body.concerns.payload_digest, body.label)
                expected = (entry.envelope.event_id, entry.envelope.payload_digest, label)
                if concerned == expected and self.fault(other) is None:
                    return other.index
        return None

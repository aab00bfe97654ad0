"""The other entries that an event rests on: admission and grant of its key, revocations, erasures.

They stand in the bundle beside the event. An entry *holds* if it is signed for this ledger, shows the payload that was
signed, and is included in the bundle's tree. What does not hold counts as left out, and the step that misses it says
so.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Raw, Struct
from msgspec.structs import replace

from ledger.core.errors import ProofRefused, TallystickError
from ledger.core.events import NAME_OF, Payload, Stream, record, registry, require_digest
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, path_nodes, verify_inclusion
from ledger.core.messages import Message
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import Grant
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, ShownEntry, decode_hashes, node_name
from ledger.core.verification.report import NotChecked

_KEY_GRANTED = NAME_OF[registry.KeyGranted]
_MIRRORED = {NAME_OF[body] for body in (registry.AgencyAdmitted, registry.KeyGranted, registry.KeyRevoked)}


class MirroredRegistry(Struct, frozen=True):
    """The mirror entries that hold, in the order of the log, found at once by what they are about."""

    admissions: dict[str, tuple[int, registry.AgencyAdmitted]]  # the first of an agency, with its index
    grants: dict[str, list[Grant]]  # by key
    revocations: dict[str, list[int]]  # indices by key


class HeldEntries:
    """The entries of a bundle that hold, under a tree head that the log signed.

    A case has thousands of events, so what each of them asks for is indexed once. ``assumed``: those of suites that
    this program has not count as signed.
    """

    def __init__(self, bundle: Bundle, trust: Trust, checkpoint: Checkpoint, *, assumed: bool = False):
        self._bundle = bundle
        self._trust = trust
        self._checkpoint = checkpoint
        self._assumed = assumed
        # A registry of which nothing is known yet accepts the ledger's own keys alone.
        self._registry_before = authorities.initial(trust.log_id, trust.service_keys)
        self._faults: dict[int, TallystickError | NotChecked | None] = {}

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

    def require_of_ledger(self, entry: ShownEntry, payload: Payload[Raw] | None) -> None:
        """Accept an entry that the ledger itself made, by its key and as far as its payload is known.

        Raises Unauthorized.
        """
        authorities.require_signer(self._registry_before, entry.envelope, entry.index)
        if payload is not None:
            authorities.require_officer(None, payload.officer)

    @cached_property
    def mirror(self) -> MirroredRegistry:
        """Return the registry's mirror as far as the bundle proves it."""
        mirror = MirroredRegistry({}, {}, {})
        for entry in self._bundle.entries.values():
            if entry.payload is None or entry.envelope.event_type not in _MIRRORED or self.fault(entry) is not None:
                continue
            try:
                event = entry.require_event()
                self.require_of_ledger(entry, entry.payload)
            except TallystickError as error:
                self._faults[entry.index] = error.with_traceback(None)
                continue
            body = event.body
            if isinstance(body, registry.AgencyAdmitted):
                mirror.admissions.setdefault(body.agency, (entry.index, body))
            elif isinstance(body, registry.KeyGranted):
                mirror.grants.setdefault(body.key_id, []).append(authorities.grant_of(body, entry.index))
            else:
                assert isinstance(body, registry.KeyRevoked), "no other type is read"
                mirror.revocations.setdefault(body.key_id, []).append(entry.index)
        return mirror

    def fault(self, entry: ShownEntry) -> TallystickError | NotChecked | None:
        """Return why an entry does not hold, or None if it does."""
        if entry.index not in self._faults:
            self._faults[entry.index] = self._look_at(entry)
        return self._faults[entry.index]

    def _look_at(self, entry: ShownEntry) -> TallystickError | NotChecked | None:
        try:
            self.require_included(entry)
            if not self._assumed or entry.envelope.suite in signatures.SUITES:
                signatures.verify_envelope(entry.envelope, self._trust.log_id)
            if entry.payload is not None:
                require_digest(entry.envelope, entry.payload_bytes)
        except (TallystickError, NotChecked) as error:
            return error.with_traceback(None)
        return None

    def grounds(self, entry: ShownEntry, payload: Payload[Raw] | None) -> tuple[Grant, ...]:
        """Return every grant in the mirror that makes the entry's key good for it, by the agency's admission.

        ``payload`` is the entry's, as far as it was accepted. Raises NotChecked if there is no grant of the key, or
        those that cover the entry lack an admission; a TallystickError if none of the key's grants covers it.
        """
        covering, fault = list[Grant](), None
        for grant in self.mirror.grants.get(entry.envelope.key_id, ()):
            try:
                self._require_covers(grant, entry, payload)
            except TallystickError as error:
                fault = error
            else:
                covering.append(grant)
        # A grant by an agency that nobody had admitted gives no right to act for it.
        admitted = self.mirror.admissions.get(entry.envelope.agency, (None, None))[0]
        grounds = tuple(grant for grant in covering if admitted is not None and admitted < grant.granted)
        if covering and not grounds:
            raise NotChecked("the bundle does not show the admission of {agency}", agency=entry.envelope.agency)
        if not covering:
            raise fault or NotChecked(self._why_no_grant)
        return grounds

    def _require_covers(self, grant: Grant, entry: ShownEntry, payload: Payload[Raw] | None) -> None:
        # The same rules as for the log itself, applied to a registry that has this grant alone. By indices that proofs
        # have shown, not by times that somebody claims.
        alone = replace(self._registry_before, grants={grant.key_id: grant})
        authorities.require_signer(alone, entry.envelope, entry.index)
        if payload is not None:
            authorities.require_officer(grant, payload.officer)

    @cached_property
    def _why_no_grant(self) -> str:
        """Return why there may be no grant of a key: the first that does not hold."""
        for entry in self._bundle.entries.values():
            fault = self.fault(entry) if entry.envelope.event_type == _KEY_GRANTED else None
            if fault is not None:
                return Message("entry {index} does not hold: {fault}", index=entry.index, fault=fault)
        return Message("the bundle does not show a grant of the key")

    def erased_at(self, entry: ShownEntry, label: str) -> int | None:
        """Return the index of the first entry that erased a section of an event, or None if none that holds is here.

        The right of its signer is not checked.
        """
        envelope = entry.envelope
        erasures = self._erasures.get((envelope.stream, envelope.event_id, envelope.payload_digest, label), ())
        return next((erasure.index for erasure in erasures if self.fault(erasure) is None), None)

    @cached_property
    def _erasures(self) -> dict[tuple[Stream, str, str, str], list[ShownEntry]]:
        """Return the entries that say they erased a section, by stream, event, payload digest and label."""
        erasures: dict[tuple[Stream, str, str, str], list[ShownEntry]] = {}
        for entry in self._bundle.entries.values():
            body = entry.event.body if entry.payload and entry.event else None
            if isinstance(body, record.SectionErased):
                concerned = entry.envelope.stream, body.concerns.event_id, body.concerns.payload_digest, body.label
                erasures.setdefault(concerned, []).append(entry)
        return erasures

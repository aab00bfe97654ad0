"""The other entries that an event rests on: admission and grant of its key, revocations, erasures.

They stand in the bundle beside the event. An entry *holds* if it is signed for this ledger, shows the payload that was
signed, and is included in the bundle's tree. What does not hold counts as left out, and the step that misses it says
so.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, TypeVar

from msgspec import Raw
from msgspec.structs import replace

from ledger.core.errors import TallystickError
from ledger.core.events import NAME_OF, Payload, Stream
from ledger.core.events.record import SectionErased
from ledger.core.events.registry import AgencyAdmitted, KeyGranted, KeyRevoked
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import verify_inclusion
from ledger.core.messages import Message
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import Grant
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import ENTRIES_KEPT, Bundle, BundleEntry, node_name
from ledger.core.verification.report import NotChecked

E = TypeVar("E", AgencyAdmitted, KeyGranted, KeyRevoked, SectionErased)

_MIRRORED = {NAME_OF[body] for body in (AgencyAdmitted, KeyGranted, KeyRevoked)}
_READ = _MIRRORED | {NAME_OF[SectionErased]}

LEDGERS_KEPT = 16
# The entries that hold are remembered: the bundles of a ledger rest on the same few.
require_signed = lru_cache(maxsize=ENTRIES_KEPT)(signatures.verify_envelope)
_first_registry = lru_cache(maxsize=LEDGERS_KEPT)(authorities.initial)


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
        # The nodes that the entries' paths have in common, each by its place: they lead to the root.
        self._above: dict[int, bytes] = {1: checkpoint.root}
        # A registry of which nothing is known yet accepts the ledger's own keys alone.
        self._registry_before = _first_registry(trust.log_id, trust.service_keys)
        self._faults: dict[int, TallystickError | NotChecked | None] = {}

    def require_included(self, entry: BundleEntry) -> None:
        """Accept an entry that is in the tree at its index.

        Raises ProofRefused, and NotChecked if a node of the tree is missing.
        """
        size = self._checkpoint.size
        if entry.index >= size or not self._leads_to_root(entry):
            # Says why not.
            proof = self._bundle.inclusion_proof(entry.index, size)
            verify_inclusion(entry.leaf, entry.index, size, proof, self._checkpoint.root)

    def _leads_to_root(self, entry: BundleEntry) -> bool:
        """Tell whether ``verify_inclusion`` accepts the entry: what lies above two entries is hashed once.

        Requires an index below the size of the tree.
        """
        nodes, above, path = self._bundle.nodes, self._above, dict[int, bytes]()
        node: bytes = entry.leaf
        level, index, last = 0, entry.index, self._checkpoint.size - 1
        place = 1 << last.bit_length() | index  # the parent's is half of it, and the root's is 1
        while place not in above:
            path[place] = node
            # The last node of a level may have no sibling: it is then its own parent.
            if index ^ 1 <= last:
                sibling = nodes.get(node_name(level, index ^ 1))
                if sibling is None:
                    return False
                node = sha256(b"\x01" + sibling + node if index & 1 else b"\x01" + node + sibling).digest()
            level, index, last, place = level + 1, index >> 1, last >> 1, place >> 1
        if node != above[place]:
            return False
        # Not the siblings: what the bundle has at such a place need not be what another path leads through.
        above |= path
        return True

    def require_of_ledger(self, entry: BundleEntry, payload: Payload[Raw] | None) -> None:
        """Accept an entry that the ledger itself made, by its key and as far as its payload is known.

        Raises Unauthorized.
        """
        authorities.require_signer(self._registry_before, entry.envelope, entry.index)
        if payload is not None:
            authorities.require_officer(None, payload.officer)

    def fault(self, entry: BundleEntry) -> TallystickError | NotChecked | None:
        """Return why an entry does not hold, or None if it does."""
        if entry.index not in self._faults:
            self._faults[entry.index] = self._look_at(entry)
        return self._faults[entry.index]

    def _look_at(self, entry: BundleEntry) -> TallystickError | NotChecked | None:
        try:
            self.require_included(entry)
            if not self._assumed or entry.envelope.suite in signatures.SUITES:
                require_signed(entry.envelope, self._trust.log_id)
            if entry.payload is not None:
                entry.require_payload()
                if entry.envelope.event_type in _MIRRORED:
                    _ = entry.event or entry.require_event()
                    self.require_of_ledger(entry, entry.payload)
        except (TallystickError, NotChecked) as error:
            return error.with_traceback(None)
        return None

    def bodies_of(self, kind: type[E], *about: str | Stream) -> list[tuple[int, E]]:
        """Return the bodies of a kind whose entries hold, by index, in the log's order: all, or those about something.

        An admission is about an agency, a grant or revocation about a key; an erasure about the stream, id and payload
        digest of an event and the label of its section. The right of its signer is not checked.
        """
        return [(entry.index, body) for entry, body in self._about.get((kind, *about), ()) if self.fault(entry) is None]

    @cached_property
    def _about(self) -> dict[tuple[object, ...], list[tuple[BundleEntry, Any]]]:
        """Return the entries that others can rest on, with their bodies: by kind, and by what they are about too."""
        entries: dict[tuple[object, ...], list[tuple[BundleEntry, Any]]] = {}
        for entry in self._bundle.entries:
            event = entry.event if entry.payload and entry.envelope.event_type in _READ else None
            match body := event.body if event else None:
                case AgencyAdmitted():
                    about: tuple[object, ...] = (body.agency,)
                case KeyGranted() | KeyRevoked():
                    about = (body.key_id,)
                case SectionErased():
                    about = entry.envelope.stream, body.concerns.event_id, body.concerns.payload_digest, body.label
                case _:
                    continue
            for key in ((type(body),), (type(body), *about)):
                entries.setdefault(key, []).append((entry, body))
        return entries

    def grounds(self, entry: BundleEntry, payload: Payload[Raw] | None) -> tuple[Grant, ...]:
        """Return every grant in the mirror that makes the entry's key good for it, by the agency's admission.

        ``payload`` is the entry's, as far as it was accepted. Raises NotChecked if there is no grant of the key, or
        those that cover the entry lack an admission; a TallystickError if none of the key's grants covers it.
        """
        covering, fault = list[Grant](), None
        for index, body in self.bodies_of(KeyGranted, entry.envelope.key_id):
            grant = authorities.grant_of(body, index)
            try:
                # The same rules as for the log itself, applied to a registry that has this grant alone. By indices that
                # proofs have shown, not by times that somebody claims.
                alone = replace(self._registry_before, grants={grant.key_id: grant})
                authorities.require_signer(alone, entry.envelope, entry.index)
                if payload is not None:
                    authorities.require_officer(grant, payload.officer)
            except TallystickError as error:
                fault = error
            else:
                covering.append(grant)
        # A grant by an agency that nobody had admitted gives no right to act for it.
        admissions = [index for index, _ in self.bodies_of(AgencyAdmitted, entry.envelope.agency)]
        grounds = tuple(grant for grant in covering if admissions and admissions[0] < grant.granted)
        if covering and not grounds:
            raise NotChecked("the bundle does not show the admission of {agency}", agency=entry.envelope.agency)
        if not covering:
            raise fault or NotChecked(self._why_no_grant)
        return grounds

    @cached_property
    def _why_no_grant(self) -> str:
        """Return why there may be no grant of a key: the first that does not hold."""
        for entry in self._bundle.entries:
            fault = self.fault(entry) if entry.envelope.event_type == NAME_OF[KeyGranted] else None
            if fault is not None:
                return Message("entry {index} does not hold: {fault}", index=entry.index, fault=fault)
        return Message("the bundle does not show a grant of the key")

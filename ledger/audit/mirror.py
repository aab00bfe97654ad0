"""The registry's mirror, by which keys are judged."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from ledger.audit.entries import Ground
from ledger.audit.findings import Finding, Findings, finding, finding_of
from ledger.core.errors import TallystickError
from ledger.core.events import decode_payload
from ledger.core.events.record import SectionErased
from ledger.core.events.registry import RegistryChange
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import Authority
from ledger.core.verification.trust import Trust
from ledger.store import audit as rows
from ledger.store import log
from ledger.store.database import Connection


class Break(Struct, frozen=True):
    """The place where the mirror does not follow; ``last`` is the last index that does, -1 for none."""

    last: int
    finding: Finding

    def is_explained_by(self, faulty: Collection[int]) -> bool:
        """Return whether a faulty or missing entry lies where the mirror breaks."""
        end = self.finding.index
        return any(self.last < index and (end is None or index <= end) for index in faulty)


class Mirror(Struct, frozen=True):
    """The authority of the log's mirror, None if that is broken, with its ``changes`` and their indices."""

    log_id: bytes
    authority: Authority | None
    broken: Break | None = None
    indices: tuple[int, ...] = ()
    changes: tuple[RegistryChange, ...] = ()

    # 1
    def tell(self, findings: Findings, faulty: Collection[int]) -> None:
        """Record the outcome of the steps "registry" and "authority"."""
        if self.authority is not None:
            findings.checked("registry", f"{self.authority.changes} changes, each with its number and rolling hash")
            findings.checked("authority", f"{len(self.authority.grants)} keys, each good where it was used")
        if self.broken is not None:
            if not self.broken.is_explained_by(faulty):
                findings.add(self.broken.finding)
            why = f"the registry's mirror is broken: {self.broken.finding.what}"
            findings.not_checked("registry", why, "unverifiable")
            findings.not_checked("authority", why, "unverifiable")


def read_mirror(connection: Connection, trust: Trust) -> Mirror:
    """Fold the mirror entries; their number must be the tree's."""
    authority, last = authorities.initial(trust.log_id, trust.service_keys), -1
    indices: list[int] = []
    changes: list[RegistryChange] = []
    for entry in log.registry_entries(connection):
        try:
            body = decode_payload(entry.payload).body
            if isinstance(body, RegistryChange):
                authority = authorities.fold(authority, body, entry.log_index)
                indices.append(entry.log_index)
                changes.append(body)
        except TallystickError as error:
            return Mirror(trust.log_id, None, Break(last, finding_of("registry", entry.log_index, error)))
        last = entry.log_index
    expected, mirrored = log.tree(connection).registry_changes, authority.changes
    if expected != mirrored:
        differs = finding("registry", None, "registry_changes", mirrored, expected)
        return Mirror(trust.log_id, None, Break(last, differs))
    return Mirror(trust.log_id, authority, None, tuple(indices), tuple(changes))


def read_ground(connection: Connection, mirror: Mirror) -> Ground:
    """Return what entries are judged by."""
    erased: set[tuple[str, str, str]] = set()
    for entry in rows.of_type(connection, "section.erased"):
        try:
            body = decode_payload(entry.payload).body
        except TallystickError:
            continue  # a finding of its own
        if isinstance(body, SectionErased):
            erased.add((body.concerns.event_id, body.concerns.payload_digest, body.label))
    return Ground(mirror.log_id, mirror.authority, frozenset(erased))

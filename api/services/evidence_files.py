"""Evidence files in the service's store: given by who holds the item, read as confidential sections are."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from api.auth.reading import Reading
from api.auth.sessions import require_granted
from api.schemas.answers import view_of
from api.services.service import Service
from ledger.core.custody import CaseState, Item
from ledger.core.encoding.digests import Digest, parse_digest
from ledger.core.errors import NotFound, Unauthorized
from ledger.core.events.catalogue import HANDLING
from ledger.core.messages import Message
from ledger.evidence.kept_evidence import KeptEvidence
from ledger.evidence.previews import MOST_BYTES, TEXT_BYTES, Preview, preview_of
from ledger.evidence.transfers import Arrival, OpenFile
from ledger.store import evidence_files
from ledger.store.evidence_files import ItemFile


class RecordedFile(Struct, frozen=True, omit_defaults=True):
    """A file of an item: kept here, or known by a ``recorded`` digest alone, which has no ``size`` then.

    ``agency`` and ``officer`` gave it at ``kept_at`` (unix milliseconds); ``digests`` are all that it was found
    to have.
    """

    recorded: str
    kept: bool
    digests: tuple[str, ...] = ()
    size: int | None = None
    agency: str | None = None
    officer: str | None = None
    kept_at: int | None = None


class CheckedFile(Struct, frozen=True):
    """A check of a kept file because of an event: ``before`` is its digest in the record, ``after`` what was read.

    Until the check is done, ``checked_at`` (unix milliseconds), ``outcome``, ``before`` and ``after`` are null.
    """

    digest: str
    event_id: str
    event_type: str
    log_index: int
    checked_at: int | None
    outcome: str | None
    before: str | None
    after: str | None


class ItemFiles(Struct, frozen=True):
    """The files of an item, the checks of them, and whether the service has a store to keep files in."""

    case_id: str
    item_id: str
    has_store: bool
    files: tuple[RecordedFile, ...]
    checks: tuple[CheckedFile, ...]


class ReadFile(NamedTuple):
    """A file that is handed out to an agency, and a name for it; ``pause_s`` is how long the receiver may pause."""

    opened: OpenFile
    name: str
    store: KeptEvidence
    agency: str
    pause_s: float


def files_of_item(service: Service, reading: Reading, case_id: str, item_id: str) -> ItemFiles:
    """Return which files of the item are kept, for whoever sees the item, and record the read."""
    item = _item(service, reading, case_id, item_id)
    files, checks = recorded_files(service, case_id, item), checks_of_item(service, case_id, item_id)
    reading.record(Message("files of item {item_id}", item_id=item_id), case_id)
    return ItemFiles(case_id, item_id, service.parts.evidence is not None, files, checks)


def checks_of_item(service: Service, case_id: str, item_id: str) -> tuple[CheckedFile, ...]:
    """Return the checks of an item's files, the newest event first."""
    with service.parts.database.read() as connection:
        return tuple(view_of(CheckedFile, check) for check in evidence_files.checks_of(connection, case_id, item_id))


def recorded_files(service: Service, case_id: str, item: Item) -> tuple[RecordedFile, ...]:
    """Return the kept files of an item, then the digests of the record that no kept file has."""
    files: list[RecordedFile] = []
    with service.parts.database.read() as connection:
        for kept in evidence_files.of_item(connection, case_id, item.item_id):
            stored = evidence_files.file(connection, kept.digest)
            assert stored is not None, "a file goes with its last item"
            digests, size = tuple(dict.fromkeys((*stored.all_digests, kept.recorded))), stored.size
            files.append(RecordedFile(kept.recorded, True, digests, size, kept.agency, kept.officer, kept.kept_at))
    covered = {digest for each in files for digest in each.digests}
    files += (RecordedFile(digest, kept=False) for digest in item.digests if digest not in covered)
    return tuple(files)


class ExpectedFile(NamedTuple):
    """A file that an officer may give for an item, before a byte of it is read."""

    service: Service
    reading: Reading
    store: KeptEvidence
    case_id: str
    item_id: str
    digest: Digest
    arrival: Arrival

    def keep(self) -> RecordedFile:
        """Check that it is the file whose digest is recorded, and keep it; the put is recorded like a read.

        Raises what ``Arrival.finish`` and ``KeptEvidence.keep`` do.
        """
        digests = self.arrival.finish()
        grant, recorded = self.reading.session.grant, str(self.digest)
        own = (self.case_id, self.item_id, str(digests[0]), recorded, grant.agency_id, grant.officer)
        file = ItemFile(*own, kept_at=self.service.parts.sequencer.clock())
        kept = self.store.keep(self.arrival, digests, file, self._require_giver)
        self.reading.record(
            Message("file {digest} given for item {item_id}", digest=recorded, item_id=self.item_id), self.case_id
        )
        texts = tuple(map(str, digests))
        return RecordedFile(kept.recorded, True, texts, self.arrival.size, kept.agency, kept.officer, kept.kept_at)

    def _require_giver(self) -> None:
        """Require once more what was required before a byte was read: an upload may take hours.

        Raises Unauthorized if the key is not granted any more, or the item is with others or gone by now.
        """
        parts, grant = self.service.parts, self.reading.session.grant
        require_granted(parts.authority(), grant.key_id, parts.clock() // 1000)
        item = parts.validator.states.of_listed_case(self.case_id).items[self.item_id]
        _require_held(item, self.reading.agency)


def expected_file(service: Service, reading: Reading, case_id: str, item_id: str, digest: str) -> ExpectedFile:
    """Return the file with this recorded digest, which an officer of the item's holder may give.

    Raises NotFound if the item, its digest or a store is missing, Unauthorized for officers of others.
    """
    reading.require_role(*HANDLING)
    item = _item(service, reading, case_id, item_id)
    store = _store(service)
    _require_held(item, reading.agency)
    wanted = _recorded(item, digest)
    with service.parts.database.read() as connection:
        stored = evidence_files.file_with(connection, digest)
        of_item = {kept.digest for kept in evidence_files.of_item(connection, case_id, item_id)}
    # Of a file that the item has already the bytes are written anew: they may replace what was damaged.
    # They take no more room.
    is_again = stored is not None and stored.digest in of_item
    arrival = store.expect(wanted, None if is_again else stored, agency=None if is_again else reading.agency)
    return ExpectedFile(service, reading, store, case_id, item_id, wanted, arrival)


def read_file(
    service: Service, reading: Reading, case_id: str, item_id: str, digest: str, *, ground: str | None
) -> ReadFile:
    """Return a kept file of an item by any of its digests, and record the read.

    Raises NotFound and Unauthorized as ``Reading.require_files``, IntegrityBroken for a key that does not open.
    """
    with service.parts.database.read() as connection:
        reading.require_files(connection, case_id, ground)
    _item(service, reading, case_id, item_id)
    store = _store(service)
    with service.parts.database.read() as connection:
        stored = next(
            (
                each
                for kept in evidence_files.of_item(connection, case_id, item_id)
                if (each := evidence_files.file(connection, kept.digest)) is not None
                and digest in (*each.all_digests, kept.recorded)
            ),
            None,
        )
    if stored is None:
        raise NotFound(
            "the file {digest} of item {item_id} is not kept here",
            digest=digest,
            item_id=item_id,
            field="digest",
            code="file_not_kept",
            hint="tally item files lists what is kept; the item's holder may give it: tally item put.",
        )
    opened = store.open(stored)
    reading.record(Message("file {digest} of item {item_id}", digest=digest, item_id=item_id), case_id, ground=ground)
    name = f"{item_id}-{stored.digest.partition(':')[2][:12]}.bin"
    return ReadFile(opened, name, store, reading.agency, service.parts.settings.request_timeout_s)


def preview_of_file(
    service: Service, reading: Reading, case_id: str, item_id: str, digest: str, *, ground: str | None
) -> Preview:
    """Return what can be shown of a kept file to who may take it, and record the read.

    It is made in a worker process with limits; its bytes are read once there is one, so that few wait in memory. Raises
    what ``read_file`` does, and TooCostly.
    """
    file = read_file(service, reading, case_id, item_id, digest, ground=ground)
    size = file.opened.size
    with service.parts.workers.turn(reading.agency) as turn:
        beginning = b"".join(file.opened.pieces(0, size if size <= MOST_BYTES else TEXT_BYTES))
        return turn.run(preview_of, beginning, size, field="file")


def no_preview(digest: str) -> NotFound:
    """Return the refusal of a preview of what is neither picture, document nor text."""
    return NotFound(
        "of the file {digest} there is no preview: it is no picture, document or text",
        digest=digest,
        field="digest",
        code="no_preview",
        hint="Take the file: tally item get.",
    )


def _item(service: Service, reading: Reading, case_id: str, item_id: str) -> Item:
    with service.parts.database.read() as connection:
        reading.require_case(connection, case_id)
    return item_of(service.parts.validator.states.of_listed_case(case_id), item_id)


def item_of(state: CaseState, item_id: str) -> Item:
    """Return an item of the case. Raises NotFound."""
    item = state.items.get(item_id)
    if item is None:
        raise NotFound("this case has no item {item_id}", item_id=item_id, field="item_id")
    return item


def _require_held(item: Item, agency: str) -> None:
    if item.holder != agency or not item.is_live:
        raise Unauthorized(
            "files are given by the agency that holds the item: {item.holder} holds {item.item_id}",
            item=item,
            code="not_held",
            field="item_id",
        )


def _store(service: Service) -> KeptEvidence:
    if service.parts.evidence is None:
        raise NotFound(
            "this service keeps no files of evidence",
            code="no_evidence_store",
            hint="The operator may name a store in evidence_store: docs/operations/evidence-store.md.",
        )
    return service.parts.evidence


def _recorded(item: Item, digest: str) -> Digest:
    if digest not in item.digests:
        raise NotFound(
            "the record of item {item.item_id} does not have the digest {digest}",
            item=item,
            digest=digest,
            field="digest",
            code="digest_not_recorded",
            hint="tally item show lists its digests; a file whose digest was never recorded is not kept.",
        )
    return parse_digest(digest)

"""Generations: each backup is a note that the log's key has signed, over the digest of the manifest of its chunks.

    tallystick/backup@v1
    <id of the ledger>
    generation <number, from 1>
    made <unix seconds>
    size <entries of the log>
    root <of the tree over them, hex>
    previous <blake3 of the text of the generation before, or none>
    manifest <blake3 of the manifest's content>
    packed <bytes of that content>

The text says nothing that is not public. The manifest is encrypted, to the recipients and to the machine that makes
backups: it must know what it has written. It cannot be mistaken for a checkpoint, whose second line is a size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct
from packaging.version import InvalidVersion, Version

from ledger.backup.chunks import ChunkRef, Damaged, Vault, most_of, stored_at
from ledger.core.encoding.decoding import decode_json
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, TallystickError
from ledger.core.log.notes import NoteSigner, SignedNote, VerifyingKey, parse_note, sign_note, verify_note
from ledger.core.trust.trust_file import Trust
from ledger.storage.objects import Objects
from ledger.store.access import AccessHead
from ledger.store.backup import BOUND, LOG, READS, NewerBackup
from ledger.store.bindings import BindingHead

FORMAT = "tallystick/backup@v1"
NOTES, MANIFESTS = "generations", "manifests"
NONE = "none"
MOST_OF_NOTE = 1 << 14  # bytes
_TEXT = re.compile(
    rf"{FORMAT}\n(0x[0-9a-f]{{64}})\ngeneration ([1-9][0-9]{{0,9}})\nmade ([0-9]{{1,12}})\nsize ([0-9]{{1,16}})\n"
    r"root ([0-9a-f]{64})\nprevious (none|blake3:[0-9a-f]{64})\nmanifest (blake3:[0-9a-f]{64})\npacked ([0-9]{1,9})\n"
)


class Generation(Struct, frozen=True):
    """One backup: ``made_at`` in unix seconds, ``previous`` and ``manifest`` as digests, ``packed`` in bytes."""

    log_id: str
    number: int
    made_at: int
    size: int
    root: str
    previous: str
    manifest: str
    packed: int

    @property
    def text(self) -> str:
        """Return the text that is signed."""
        lines = (f"generation {self.number}", f"made {self.made_at}", f"size {self.size}", f"root {self.root}")
        digests = (f"previous {self.previous}", f"manifest {self.manifest}", f"packed {self.packed}")
        return "\n".join((FORMAT, self.log_id, *lines, *digests, ""))

    @property
    def digest(self) -> str:
        """Return the digest by which the next generation names this one."""
        return blake3_text(self.text.encode())


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a generation consists of.

    ``numbered`` has by series its ranges in order, each with its chunks; ``tables`` the chunks of each table that is
    kept whole; ``files`` those of each file, by its path below the data directory. ``checkpoint`` is the newest that
    was published, empty if none was. ``name_key`` are the 32 bytes under which contents are named.
    """

    format: str
    program: str
    name_key: bytes
    checkpoint: str
    bindings: BindingHead
    reads: AccessHead
    numbered: dict[str, tuple[tuple[ChunkRef, ...], ...]]
    tables: dict[str, tuple[ChunkRef, ...]]
    files: dict[str, tuple[ChunkRef, ...]]

    def chunks(self) -> Iterator[ChunkRef]:
        """Yield every chunk."""
        for refs in chain(*self.numbered.values(), self.tables.values(), self.files.values()):
            yield from refs

    def counts(self, size: int) -> dict[str, int]:
        """Return how many rows each numbered series has; ``size`` is that of the generation's log."""
        return counts_of(size, self.bindings, self.reads)


def counts_of(size: int, bound: BindingHead, reads: AccessHead) -> dict[str, int]:
    """Return how many rows each numbered series has up to these heads."""
    return {LOG.name: size, BOUND.name: bound.count, READS.name: reads.count}


class OfOtherLedger(TallystickError):
    """A backup of another ledger, or signed by nobody whom the trust file names."""

    code = "backup_refused"


def note_path(number: int) -> str:
    """Return where the note of a generation is kept."""
    return f"{NOTES}/{number:08d}"


def manifest_path(generation: Generation) -> str:
    """Return where the manifest of a generation is kept."""
    return f"{MANIFESTS}/{generation.number:08d}-{generation.manifest.removeprefix('blake3:')}"


def numbers_at(place: Objects) -> list[int]:
    """Return the numbers of the generations that are there, in order."""
    names = (each.name.rpartition("/")[2] for each in place.list(NOTES))
    return sorted(int(name) for name in names if re.fullmatch(r"[0-9]{8,10}", name))


def read_generation(place: Objects, number: int, trust: Trust | VerifyingKey | None) -> Generation:
    """Return a generation whose note holds. Without trust no signature is checked.

    Raises NotFound, Damaged for what is no such note, OfOtherLedger for the note of another ledger or key.
    """
    try:
        data = stored_at(place, note_path(number), MOST_OF_NOTE)
        if data is None:
            raise NotFound(
                "there is no generation {number}", number=number, field="generation", hint="See: tally backup list"
            )
        note = parse_note(data.decode("utf-8", "replace"))
        match = _TEXT.fullmatch(note.text)
    except (MalformedInput, Damaged):
        match = None
    if match is None or int(match[2]) != number:
        raise Damaged("generation {number} is not what was written", number=number)
    log_id, _, made_at, size, root, previous, digest, packed = match.groups()
    generation = Generation(log_id, number, int(made_at), int(size), root, previous, digest, int(packed))
    if trust is not None:
        _require_signed(note, generation, trust)
    return generation


def newer_generation(place: Objects, than: Generation, trust: Trust | None) -> Generation | None:
    """Return the newest generation at the place if it is newer; None if none is, or if it is not of this log."""
    newest = max(numbers_at(place), default=than.number)
    if newest <= than.number:
        return None
    try:
        generation = read_generation(place, newest, trust)
    except (Damaged, OfOtherLedger):
        return None
    return generation if generation.log_id == than.log_id else None


def _require_signed(note: SignedNote, generation: Generation, trust: Trust | VerifyingKey) -> None:
    key = trust
    if isinstance(trust, Trust):
        if generation.log_id != trust.log_id_text:
            raise OfOtherLedger(
                "the backup is of the ledger {generation.log_id}", generation=generation, hint="Name the right place."
            )
        signers = {(line.name, line.key_id) for line in note.signatures}
        key = trust.log_key_at(generation.size, lambda each: (each.name, each.key_id) in signers)
    assert isinstance(key, VerifyingKey)
    try:
        verify_note(note, key)
    except TallystickError as error:
        raise OfOtherLedger(
            "the log's key has not signed generation {generation.number}",
            generation=generation,
            hint="Is the trust file of this ledger, and as new as the backup?",
        ) from error


def write_generation(place: Objects, generation: Generation, content: bytes, vault: Vault, signer: NoteSigner) -> bool:
    """Write manifest and note, the note last; return False if there is a generation of this number by now."""
    place.put(manifest_path(generation), vault.seal(content, for_own=True))
    try:
        place.create(note_path(generation.number), str(sign_note(generation.text, signer)).encode())
    except Conflict:
        return False
    return True


class _Written(Struct, frozen=True):
    """By which version of the program a manifest was written, whatever else is in it."""

    program: str


def _require_no_later(program: str) -> None:
    """Raise NewerBackup if a later version of the program wrote a backup: it may have what this one does not know."""
    own = version("tallystick")
    try:
        is_later = Version(program) > Version(own)
    except InvalidVersion:
        is_later = True
    if is_later:
        raise NewerBackup(
            "version {program} of the program has written this backup, and this is {own}",
            program=program,
            own=own,
            hint="Use the version that made the backup, or a later one.",
        )


def read_manifest(place: Objects, generation: Generation, identities: Sequence[str]) -> Manifest:
    """Return the manifest of a generation whose note holds.

    Raises Damaged, KeyMismatch without a key, and NewerBackup if a later program wrote it.
    """
    vault = Vault((), identities, bytes(32))
    try:
        stored = stored_at(place, manifest_path(generation), most_of(generation.packed))
        if stored is None:
            raise Damaged("it is missing")
        content = vault.open(stored, generation.packed)
        if blake3_text(content) != generation.manifest:
            raise Damaged("it is another one")
        _require_no_later(decode_json(content, _Written).program)
        manifest: Any = decode_json(content, Manifest)
    except msgspec.DecodeError as error:
        raise Damaged("the manifest of generation {generation.number} cannot be read", generation=generation) from error
    except Damaged as error:
        raise Damaged(
            "the manifest of generation {generation.number}: {error}", generation=generation, error=error
        ) from error
    if manifest.format != FORMAT:
        raise IntegrityBroken("expected {format}, not {manifest.format}", format=FORMAT, manifest=manifest)
    return manifest  # type: ignore[no-any-return]

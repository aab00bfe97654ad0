"""What an audit keeps, so that a later one goes on from it and reads again only a part of what came before.

Nothing in it is a secret, and nobody signs it: it proves as much as the place where it was kept. Whoever can change it
can hide what was changed before, so its digest belongs where the audit itself is reported.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.messages import Message
from ledger.store.access import AccessHead
from ledger.store.bindings import BindingHead
from ledger.store.program_version import program_version

FORMAT = "tallystick audit basis 1"
SHARES = 30  # of the streams: an audit that goes on reads one of them again, whatever is new there
_Size = Annotated[int, Meta(ge=0, lt=2**53)]
_Time = Annotated[int, Meta(ge=0, lt=253_402_300_800)]  # before the year 10000
_UNKNOWN = Message("this is not what an audit of this version keeps: no {format}")
AUDIT_WHOLE = Message("Audit the whole log, and keep what that audit gives.")


class Basis(Struct, frozen=True, forbid_unknown_fields=True):
    """The state of a log in which an audit found nothing wrong.

    ``rules`` is the version of the program that judged, ``adopted`` the index of the newest adoption of procedures that
    it judged by. Times are in unix seconds; ``whole_at`` and ``whole_size`` are those of the last audit that read
    everything. ``bounds`` are by kind the stream ids that divide the streams into shares; ``unread`` are the shares
    that no audit has read again in this round. ``digest`` is over all the other fields.
    """

    format: str
    rules: str
    log_id: str
    audited_at: _Time
    size: _Size
    root: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    whole_at: _Time
    whole_size: _Size
    adopted: Annotated[int, Meta(ge=-1, lt=2**53)]
    bindings: BindingHead
    reads: AccessHead
    bounds: dict[str, tuple[str, ...]]
    unread: Annotated[tuple[Annotated[int, Meta(ge=0, lt=SHARES)], ...], Meta(min_length=1)]
    digest: str = ""


class _Format(Struct):
    format: str


class ContinuedFrom(Struct, frozen=True):
    """The audit that another one went on from, and what was not read again.

    The rows of ``entries_unread`` entries in ``streams_unread`` streams are as of that audit, or of one before it, but
    no longer ago than ``whole_at``. ``entries_again`` earlier ones were read again, those of the ``share`` among them.
    """

    audited_at: int
    size: int
    root: str
    digest: str
    whole_at: int
    whole_size: int
    share: int
    shares: int
    entries_again: int
    entries_unread: int
    streams_unread: int

    @property
    def summary(self) -> Message:
        """Return what was read, and what is as of earlier audits."""
        return Message(
            "of the entries from {size} on and of {entries_again} before; not read again were {entries_unread} entries "
            "in {streams_unread} streams, which are as of the audit of {audited_at} or of one before it, the last "
            "whole one that of {whole_at}",
            size=self.size,
            entries_again=self.entries_again,
            entries_unread=self.entries_unread,
            streams_unread=self.streams_unread,
            audited_at=instant_text(self.audited_at),
            whole_at=instant_text(self.whole_at),
        )


def with_digest(basis: Basis) -> Basis:
    """Return the basis with the digest of its other fields."""
    return replace(basis, digest=_digest(basis))


def read_basis(data: bytes) -> Basis:
    """Return the basis in a file. Raises MalformedInput for another format, IntegrityBroken for another digest."""
    try:
        if canonical.parse(data, decoder_of(_Format)).format != FORMAT:
            raise MalformedInput(_UNKNOWN, format=FORMAT)
        basis = canonical.parse(data, decoder_of(Basis))
        canonical.require_profile(canonical.encode(basis))  # its texts are asked the database for
    except MalformedInput as error:
        raise MalformedInput(_UNKNOWN, format=FORMAT, field="since", hint=AUDIT_WHOLE) from error
    if basis.digest != _digest(basis):
        raise IntegrityBroken(
            "the file of the earlier audit was changed: its digest is another",
            field="since",
            hint="Take the copy whose digest stands in the report of that audit, or audit the whole log.",
        )
    return basis


def require_basis_of(basis: Basis, log_id: bytes) -> None:
    """Accept a basis of this log, by the rules of this version. Raises MalformedInput."""
    if basis.log_id != log_id.hex():
        raise MalformedInput(
            "the earlier audit is of the log 0x{basis.log_id}, this is 0x{log_id}",
            basis=basis,
            log_id=log_id.hex(),
            field="since",
            hint="Name the file that was kept of this log.",
        )
    if basis.rules != program_version():
        raise MalformedInput(
            "the earlier audit judged by version {basis.rules}, this is {version}",
            basis=basis,
            version=program_version(),
            field="since",
            hint=AUDIT_WHOLE,
        )


def require_same_procedures(basis: Basis, adopted: int) -> None:
    """Accept that no procedure was adopted since: by a new one the clocks of every case are others.

    Raises MalformedInput.
    """
    if basis.adopted != adopted:
        raise MalformedInput(
            "procedures were adopted after the earlier audit, at entry {adopted}",
            adopted=adopted,
            field="since",
            hint=AUDIT_WHOLE,
        )


def _digest(basis: Basis) -> str:
    return blake3_text(canonical.encode(replace(basis, digest="")))

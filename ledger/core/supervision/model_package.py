"""Verification of a model package: the bundle of a supervision model's stream, with its versions as they were signed.

Conformity is that of the versions: they are consecutive, by one agency, and each definition has the digest that was
signed. A package contains only signed events, which hold the definition with its examples, figures and case study.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import asdict

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events.supervision import ModelPublished
from ledger.core.messages import Message
from ledger.core.supervision.models import STREAM
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Bundle, decode_bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import StepResult
from ledger.core.verification.stream import StreamReport, VerifiedStream, unread
from ledger.core.verification.verify import VerifiedEvent


class PackageReport(StreamReport, frozen=True):
    """The result for a package.

    ``published`` are the versions whose payloads were accepted. They have the digests that were signed, but count no
    more than the verdict. ``publisher`` is the agency of the first of them, empty if there is none.
    """

    model_id: str
    version: int
    publisher: str
    published: tuple[ModelPublished, ...]


def decode_package(data: bytes) -> Bundle:
    """Decode the bytes of a package. Raises MalformedInput, which names the field."""
    bundle = decode_bundle(data)
    model_of(bundle)
    return bundle


def is_model(kind: str, stream_id: str) -> bool:
    """Return whether a stream is that of a model."""
    return kind == "supervision" and stream_id.startswith(STREAM)


def model_of(bundle: Bundle) -> str:
    """Return the id of the model whose stream the bundle is about. Raises MalformedInput if it is about another."""
    stream = bundle.require_stream()
    if not is_model(stream.kind, stream.id):
        raise MalformedInput("expected the bundle of a model's stream", field="bundle.stream")
    return stream.id.removeprefix(STREAM)


def last_version(bundle: Bundle) -> ModelPublished:
    """Return the last version in a package, which is not verified. Raises MalformedInput if it has none."""
    bodies = [entry.event.body for entry in bundle.subjects if entry.event]
    published = [body for body in bodies if isinstance(body, ModelPublished)]
    if not published:
        raise MalformedInput("the package has no publication of a model", field="bundle.entries")
    return published[-1]


def verify_package(
    data: bytes, trust: Trust, *, entries: Iterable[bytes] | None = None, observed: Sequence[ObservedBlock] = ()
) -> PackageReport:
    """Verify a package against a trust file. ``observed`` are blocks that a chain was asked for.

    Raises MalformedInput if the bytes are no bundle of a model.
    """
    bundle = decode_package(data)
    model_id = model_of(bundle)
    stream = VerifiedStream(bundle, trust, entries=entries, observed=observed)
    published = _published(stream.events)
    report = stream.report("versions", lambda: _versions(model_id, stream.events))
    return PackageReport(
        **asdict(report),
        model_id=model_id,
        version=published[-1].version if published else 0,
        publisher=next(iter(_publishers(stream.events)), ""),
        published=published,
    )


def _published(events: Sequence[VerifiedEvent]) -> tuple[ModelPublished, ...]:
    bodies = (event.event.body for event in events if event.event is not None)
    return tuple(body for body in bodies if isinstance(body, ModelPublished))


def _publishers(events: Sequence[VerifiedEvent]) -> dict[str, None]:
    """Return the agencies of the versions whose payloads were accepted, in their order."""
    of_versions = (event for event in events if event.event and isinstance(event.event.body, ModelPublished))
    return dict.fromkeys(event.envelope.agency for event in of_versions)


def _versions(model_id: str, events: Sequence[VerifiedEvent]) -> StepResult:
    for number, event in enumerate(events):
        if event.event is None:
            return unread(number)
    published = _published(events)
    if not published:
        raise IntegrityBroken("expected a published version of the model", field="events")
    for number, body in enumerate(published):
        field = f"events[{number}]"
        if (body.model_id, body.version) != (model_id, number + 1):
            raise IntegrityBroken("expected version {version} of the model", version=number + 1, field=field)
        calculated = blake3_text(body.definition.encode())
        if body.model_digest != calculated:
            raise IntegrityBroken("expected {digest}, the definition's", digest=calculated, field=field)
    agency, *others = _publishers(events)
    if others:
        agencies = ", ".join(sorted((agency, *others)))
        raise IntegrityBroken("published by several agencies: {agencies}", agencies=agencies)
    return Message("versions 1 to {last}, by {agency}", last=len(published), agency=agency)

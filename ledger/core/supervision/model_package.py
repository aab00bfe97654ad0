"""Verification of a model package: a version of a supervision model and those before it, as they were signed.

1  form      every publication is a bundle of the package's ledger, and all are proven under one tree head
2  events    each publication's own verification (``ledger.core.verification.bundle``); the worst verdict counts
3  versions  they are consecutive versions of one model, by one agency, at rising indices
4  texts     each definition has the digest that was signed

A package is one file, ``tallystick/model-package@v1``. It contains only signed events, which hold the definition with
its examples, figures and case study. Conformity and completeness are not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Raw

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import IntegrityBroken
from ledger.core.events import Stream, digest_of
from ledger.core.events.supervision import ModelPublished
from ledger.core.events.terms import Bytes32, Count, ModelId
from ledger.core.messages import Message
from ledger.core.supervision.models import STREAM
from ledger.core.verification.bundle import VerifiedEvent, verify_event
from ledger.core.verification.bundle_format import BundlePart, read_file, require_length
from ledger.core.verification.case import require_one_tree_head
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import (
    Check,
    NotChecked,
    Outcome,
    ProofReport,
    Report,
    Statement,
    of_all,
    perform,
    worst,
)
from ledger.core.verification.trust import Trust

FORMAT = "tallystick/model-package@v1"
MAX_PACKAGE_LENGTH = 16 * 1024 * 1024  # bytes
MAX_VERSIONS = 100  # of one model in a package: the last ones

HINT = (
    "Ask for the package again ('tally library export', or GET /api/v1/library/{model_id}/package), and keep the file "
    "as given."
)

CONFORMITY = Statement("not_checked", "the custody rules judge a case, not a model")
COMPLETENESS = Statement("not_checked", "no later version or retirement is excluded")

Publications = Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=MAX_VERSIONS)]


class ModelPackage(BundlePart, frozen=True):
    """Versions of one model; ``publications`` are the bundles of ``model.published``, ``version`` last."""

    format: Literal["tallystick/model-package@v1"]
    log_id: Bytes32
    model_id: ModelId
    version: Count
    publications: Publications


class PackageReport(Report, frozen=True):
    """The result for a package; ``events`` are in its order.

    ``published`` are the bodies. It is empty if step 4 of one publication did not accept its payload, or if it is
    another event. The bodies have the digests that were signed, but count no more than the verdict. ``development``:
    the trust file is of a ledger whose anchors need no witness.
    """

    model_id: str
    version: int
    publisher: str
    events: tuple[ProofReport, ...]
    published: tuple[ModelPublished, ...]


class _Run(NamedTuple):
    """The verification of one package in progress."""

    package: ModelPackage
    events: Sequence[VerifiedEvent]

    def bodies(self) -> tuple[ModelPublished, ...]:
        """Return what was published as far as it was accepted, or nothing if a publication is missing."""
        accepted = [event.payload.body for event in self.events if event.payload is not None]
        bodies = tuple(body for body in accepted if isinstance(body, ModelPublished))
        return bodies if len(bodies) == len(self.events) else ()


def decode_package(data: bytes) -> ModelPackage:
    """Decode the bytes of a package, except its bundles. Raises MalformedInput, which names the field."""
    require_length(data, MAX_PACKAGE_LENGTH, "package", HINT)
    return read_file(data, decoder_of(ModelPackage), "package", HINT)


def encode_package(package: ModelPackage) -> bytes:
    """Encode a package as canonical bytes. Requires bundles that are canonical."""
    return canonical.encode(package)


def verify_package(data: bytes, trust: Trust, *, observed: Sequence[ObservedBlock] = ()) -> PackageReport:
    """Verify a package against a trust file. ``observed`` are blocks that a chain was asked for.

    Raises MalformedInput if the bytes are no package, or if one of its publications is no bundle.
    """
    package = decode_package(data)
    events = [verify_event(bytes(bundle), trust, observed=observed) for bundle in package.publications]
    run = _Run(package, events)
    steps = tuple(perform(number, name, check, run) for number, (name, check) in enumerate(STEPS, 1))
    return PackageReport(
        verdict=worst(step.verdict for step in steps),
        conformity=CONFORMITY,
        completeness=COMPLETENESS,
        development=trust.development,
        model_id=package.model_id,
        version=package.version,
        publisher=events[-1].envelope.agency,
        steps=steps,
        events=tuple(event.report for event in events),
        published=run.bodies(),
    )


# 1
def _form(run: _Run) -> Outcome:
    expected = (run.package.log_id, Stream(kind="supervision", id=STREAM + run.package.model_id), "model.published")
    for number, event in enumerate(run.events):
        if (event.bundle.log_id, event.envelope.stream, event.envelope.event_type) != expected:
            raise IntegrityBroken("it is of another ledger, stream or type", field=f"publications[{number}]")
    require_one_tree_head(run.events, "publications")
    return Message("{count} versions, all proven under one tree head", count=len(run.events))


# 2
def _events(run: _Run) -> Outcome:
    return of_all([event.report for event in run.events], "publications")


# 3
def _versions(run: _Run) -> Outcome:
    bodies = _required_bodies(run)
    last = -1
    first = run.package.version - len(bodies) + 1
    for number, (event, body) in enumerate(zip(run.events, bodies, strict=True)):
        field, index = f"publications[{number}]", event.report.subject.index
        if (body.model_id, body.version) != (run.package.model_id, first + number):
            raise IntegrityBroken("expected version {version} of the model", version=first + number, field=field)
        if event.envelope.agency != run.events[0].envelope.agency:
            raise IntegrityBroken("published by {event.envelope.agency}, unlike those before", event=event, field=field)
        if index is None:
            return NotChecked("publication {number} has no index that its proof shows", number=number)
        # Versions that stand in the log in another order were not published one after the other.
        if index <= last:
            raise IntegrityBroken("entry {index} does not come after entry {last}", index=index, last=last, field=field)
        last = index
    return f"versions {first} to {run.package.version}, by {run.events[0].envelope.agency}"


# 4
def _texts(run: _Run) -> Outcome:
    for number, body in enumerate(_required_bodies(run)):
        calculated = digest_of(body.definition.encode())
        if body.model_digest != calculated:
            raise IntegrityBroken(
                "expected {digest}, the definition's", digest=calculated, field=f"publications[{number}]"
            )
    return "each definition has the digest that was signed"


def _required_bodies(run: _Run) -> tuple[ModelPublished, ...]:
    bodies = run.bodies()
    if not bodies:
        raise NotChecked("a publication is withheld, or is not what it says")
    return bodies


STEPS: tuple[tuple[str, Check[_Run]], ...] = (
    ("form", _form),
    ("events", _events),
    ("versions", _versions),
    ("texts", _texts),
)

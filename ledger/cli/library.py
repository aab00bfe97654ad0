"""The library at the command line: find the model that is named, verify packages, prepare a publication."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from msgspec import Struct

from ledger.cli.proofs import ledger_of, trust_for
from ledger.client.service import path_of
from ledger.config.secret_files import replace_file
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    RuleRefused,
    Unauthorized,
    Unavailable,
)
from ledger.core.events.supervision import ModelPublished, Origin
from ledger.core.events.terms import EventRef
from ledger.core.messages import Message, Term
from ledger.i18n import zone_in_use

if TYPE_CHECKING:
    from ledger.cli.session import Session
    from ledger.core.supervision.model_package import PackageReport
    from ledger.supervision.library.public.pages import LibraryModel, PublicLibrary
    from ledger.supervision.library.publishing import Usable
    from ledger.supervision.models.procedure_words import ProcedureWords


LARGEST = 1_000_000  # bytes of a YAML file that is read at all


class CheckedPackage(Struct, frozen=True):
    """The bytes of a package, its verification report, and whether its model can be used."""

    data: bytes
    report: PackageReport
    usable: Usable

    @property
    def last(self) -> ModelPublished:
        return self.report.published[-1]


def check_package(
    session: Session, data: bytes, trust_files: Iterable[BinaryIO], words: ProcedureWords | None = None
) -> CheckedPackage:
    """Verify a package offline and run its examples; ``words`` are as of ``check_model``.

    Raises MalformedInput for what is no package.
    """
    from ledger.core.supervision.model_package import verify_package
    from ledger.supervision.library.publishing import check_model

    report = verify_package(data, trust_for(session, data, trust_files))
    return CheckedPackage(data, report, check_model(report, words))


def require_proven(checked: CheckedPackage) -> ModelPublished:
    """Return the last version in a package that is intact and fit to be published.

    Raises IntegrityBroken, MalformedInput.
    """
    report = checked.report
    if report.verdict != "intact":
        step = next(step for step in report.steps if step.verdict == report.verdict)
        raise IntegrityBroken(
            "the package is {verdict}: step {step.number}, {step.name}: {step.detail}",
            verdict=Term("verdict", report.verdict),
            step=step,
            field="FILE",
            hint="Only what is proven is imported: ask its publisher for the package of an anchored version, and for "
            "the trust file that its agencies have published.",
        )
    for step in checked.usable.steps:
        if step.result != "checked":
            raise MalformedInput(
                "the model cannot be taken: step {step.number}, {step.name}: {step.detail}",
                step=step,
                field="FILE",
                hint="Its publisher must publish a version that is mended.",
            )
    return checked.last


def find_publication(session: Session, named: str) -> ModelPublished:
    """Return the publication that is named: a file (package or YAML), ``MODEL`` of the service, or ``MODEL@VERSION``.

    A package is read, not verified. Raises NotFound, MalformedInput.
    """
    file = Path(named)
    if file.is_file():
        return _of_file(file)
    model_id, _, version = named.partition("@")
    if version and not version.isdecimal():
        raise MalformedInput("expected MODEL@VERSION or a file, not {named}", named=named, field="MODEL")
    try:
        view = model_view(session, model_id, version)
    except NotFound as error:
        raise NotFound(
            "there is no file {named}, and of the service: {error}",
            named=named,
            error=error,
            field=error.field,
            hint="The models of the library are listed by: tally library list",
        ) from error
    fields = {name: view[name] for name in ModelPublished.__struct_fields__ if view.get(name) is not None}
    return convert(fields, ModelPublished)


def model_view(session: Session, model_id: str, version: int | str | None) -> dict[str, Any]:
    """Fetch what the service says of a model, of its newest version unless one is named.

    Raises IntegrityBroken if the service shows another text than the digest is of.
    """
    path = "/api/v1/models/{}/{}" if version else "/api/v1/models/{}"
    view: dict[str, Any] = session.service.get(path_of(path, model_id, *([str(version)] if version else [])))
    if blake3_text(view["definition"].encode()) != view["model_digest"]:
        raise IntegrityBroken(
            "the service shows another text of {model_id} than was signed", model_id=model_id, field="definition"
        )
    return view


def _of_file(file: Path) -> ModelPublished:
    data = read(file, LARGEST * 16)
    if data.lstrip().startswith(b"{"):
        from ledger.core.supervision.model_package import decode_package, last_version

        return last_version(decode_package(data))
    return _publication_of_text(text_of(file))


def _publication_of_text(text: str, **beside: Any) -> ModelPublished:
    """Make the publication of the model in a text, whatever procedures are in force. Raises ModelRefused."""
    from ledger.supervision.library.publishing import signed_fields_of
    from ledger.supervision.models.model_file import parse_model
    from ledger.supervision.models.procedure_words import UNCHECKED

    return convert({**signed_fields_of(parse_model(text, UNCHECKED)), **beside}, ModelPublished)


def read(file: Path, largest: int) -> bytes:
    """Read a file. Raises MalformedInput if it is larger than ``largest`` bytes."""
    if file.stat().st_size > largest:
        raise MalformedInput("{file} is too large to be a model or a package", file=file, field="FILE")
    return file.read_bytes()


def text_of(file: Path) -> str:
    """Read a text in Unicode normal form C, as everything that is signed. Raises MalformedInput if it is not UTF-8."""
    try:
        return unicodedata.normalize("NFC", read(file, LARGEST).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedInput(
            "{file} is no text in UTF-8: {error.reason}", file=file, error=error, field="FILE"
        ) from error


def imported_publication(
    session: Session, checked: CheckedPackage, own_id: str | None, *, case_study: bool
) -> ModelPublished:
    """Make the publication of the package's last version as the next version of the model under this id.

    Raises Conflict if the id is another model's, or the version was taken over before.
    """
    from ledger.supervision.models.editing import renumbered

    body, subject = require_proven(checked), checked.report.events[-1].subject
    origin = Origin(
        log_id=ledger_of(checked.data),
        event=EventRef(event_id=subject.envelope.event_id, payload_digest=subject.envelope.payload_digest),
        model_id=body.model_id,
        version=body.version,
        model_digest=body.model_digest,
    )
    model_id = own_id or body.model_id
    version = _next_version(session, model_id, origin)
    text = renumbered(body.definition, model_id, version)
    return _publication_of_text(
        text, case_study=body.case_study if case_study else None, figures=body.figures, origin=origin
    )


def _next_version(session: Session, model_id: str, origin: Origin) -> int:
    try:
        entry = session.service.get(path_of("/api/v1/library/{}", model_id))
    except NotFound:
        return 1
    line = entry["line"]
    was = line["origin"]
    if was is None or (was["log_id"], was["model_id"]) != (origin.log_id, origin.model_id):
        raise Conflict(
            "there is a model {model_id} already, by {publisher}, that is not of this origin",
            model_id=model_id,
            publisher=line["publisher"],
            field="--as",
            hint="Take the model over under another id: --as ID",
        )
    if was["version"] >= origin.version:
        raise Conflict(
            "version {version} of this origin was taken over, as version {own_version} of {model_id}",
            version=was["version"],
            own_version=line["version"],
            model_id=model_id,
            field="FILE",
            hint=Message(
                "Adopt it with parameters of your own: tally model adopt {model_id} --set NAME=VALUE", model_id=model_id
            ),
        )
    return int(line["version"]) + 1


def is_own(session: Session, data: bytes) -> bool:
    """Return whether the package is of the ledger that the profile signs for."""
    return ledger_of(data) == "0x" + session.log_id.hex()


ASKED_AT_ONCE = 500  # texts
ATTEMPTS = 5  # to read the library while nothing is added to the log


def write_public(session: Session, folder: Path) -> dict[str, Any]:
    """Write the pages and return how many. The folder may hold nothing but an earlier export.

    Raises Conflict if it does, RuleRefused if a text identifies somebody.
    """
    from ledger.supervision.library.public.pages import pages

    before = _earlier(folder)
    face = _face(session)
    files = pages(face)
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data)
    for stale in before - files.keys():
        (folder / stale).unlink()
    return {"file": str(folder / "index.html"), "pages": len(files), "models": len(face.models), "size": face.tree_size}


def _earlier(folder: Path) -> set[str]:
    """Return the files of an earlier export, as paths in the folder."""
    from ledger.supervision.library.public.pages import DATA

    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    foreign = sorted(name for name in names if name != DATA and not name.endswith(".html"))
    if names and (DATA not in names or foreign):
        raise Conflict(
            "{folder} has other files: {foreign}",
            folder=folder,
            foreign=", ".join((foreign or sorted(names))[:3]),
            field="--public",
            hint="Name an empty folder, or that of an earlier export.",
        )
    return names


def _face(session: Session) -> PublicLibrary:
    """Fetch the library while the size of the log stays the same."""
    from ledger.supervision.library.public.pages import make_public_library

    for _ in range(ATTEMPTS):
        log = session.service.get("/api/v1/log")
        subjects = list(_subjects(session))
        if session.service.get("/api/v1/log")["size"] == log["size"]:
            _require_anonymous(session, subjects)
            return make_public_library(
                subjects,
                procedures=session.procedures.values(),
                log_id=log["log_id"],
                tree_size=log["size"],
                root=log["root"],
            )
    raise Unavailable("the log grew each time that the library was read", hint="Try again when less is recorded.")


def _subjects(session: Session) -> Iterator[LibraryModel]:
    """Yield the models that are in use and that this version can read."""
    from ledger.supervision.library.public.pages import LibraryModel

    names = {agency["agency_id"]: agency["name"] for agency in session.service.pages("/api/v1/agencies", "agencies")}
    for line in session.service.pages("/api/v1/library", "models", retired="false"):
        entry = session.service.get(path_of("/api/v1/library/{}", line["model_id"]))
        if entry["card"] is None:
            left_out = session.labels.of("message", "model_left_out")
            session.output.warn(left_out.format(model_id=line["model_id"]))
            continue
        leads = line["leads"]
        if leads is None:
            raise Unauthorized(
                "how leads turned out is told to supervising agencies alone",
                code="not_a_supervising_agency",
                field="--public",
                hint="Let an auditor or analyst of one of them export it: tally --profile PROFILE library export",
            )
        fields = {name: line[name] for name in ("model_id", "version", "title", "business_line", "figures")}
        fields |= {
            "publisher": names[line["publisher"]],
            "published_on": zone_in_use().day_of_text(line["published_at"]).isoformat(),
            "card": entry["card"],
            "case_study": entry["case_study"],
            # States, and outcomes of closed ones; a dismissed lead is both still to be closed and decided.
            "leads": Counter(leads["by_status"] | {"closed": 0}) + Counter(leads["by_outcome"]),
        }
        yield convert(fields, LibraryModel)


def _require_anonymous(session: Session, subjects: list[LibraryModel]) -> None:
    """Check that no published text identifies a case, a thing or a person. Raises RuleRefused at the first."""
    texts = [(subject.model_id, place, text) for subject in subjects for place, text in _texts(subject)]
    for first in range(0, len(texts), ASKED_AT_ONCE):
        asked = msgspec.json.encode({"texts": [text for *_, text in texts[first : first + ASKED_AT_ONCE]]})
        for trace in session.service.post("/api/v1/library/anonymity", asked, dict[str, Any])["traces"]:
            model_id, place, _ = texts[first + trace["number"]]
            if place.startswith("legal_basis") and trace["what"] == "case number":
                continue  # interpretations of law are numbered as cases are
            raise RuleRefused(
                "{model_id}, {place}: character {start}, {text!r}, leads to somebody or something: {subject}",
                model_id=model_id,
                place=place,
                start=trace["start"] + 1,
                text=trace["text"],
                subject=trace["what"],
                code="not_anonymous",
                field="--public",
                hint=Message("Publish a version of the model without it; instead {instead}.", instead=trace["instead"]),
            )


def _texts(subject: LibraryModel) -> Iterator[tuple[str, str]]:
    """Yield the freely written texts, each with its place."""
    texts: Mapping[str, Any] = {
        "title": subject.title,
        "explanation": subject.card.explanation,
        "need.problem": subject.card.need.problem,
        "need.expected_outcome": subject.card.need.expected_outcome,
        "case_study": subject.case_study,
        **{f"legal_basis[{number}]": text for number, text in enumerate(subject.card.legal_basis)},
        **{f"checks[{number}].what": check.what for number, check in enumerate(subject.card.checks)},
        **{f"checks[{number}].by": check.by for number, check in enumerate(subject.card.checks)},
    }
    for place, text in texts.items():
        if text is not None:
            yield from ((f"{place}.{language}", getattr(text, language)) for language in ("zh", "en"))
    yield "need.requested_by", subject.card.need.requested_by

"""Export the library's public pages: fetch the models as of one state of the log, write a folder of pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ledger.client.service import at
from ledger.core.encoding.decoding import convert
from ledger.core.errors import Conflict, RuleRefused, Unauthorized, Unavailable

if TYPE_CHECKING:
    from ledger.cli.session import Session
    from ledger.supervision.library.public import Face, Subject

ASKED_AT_ONCE = 500  # texts
ATTEMPTS = 5  # to read the library while nothing is added to the log


def write_public(session: Session, folder: Path) -> dict[str, Any]:
    """Write the pages and return how many. The folder may hold nothing but an earlier export.

    Raises Conflict if it does, RuleRefused if a text identifies somebody.
    """
    from ledger.supervision.library.public import pages

    before = _earlier(folder)
    face = _face(session)
    files = pages(face)
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
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
            f"{folder} has other files: {', '.join((foreign or sorted(names))[:3])}",
            field="--public",
            hint="Name an empty folder, or that of an earlier export.",
        )
    return names


def _face(session: Session) -> Face:
    """Fetch the library while the size of the log stays the same."""
    from ledger.supervision.library.public import make_face

    for _ in range(ATTEMPTS):
        log = session.service.get("/api/v1/log")
        subjects = list(_subjects(session))
        if session.service.get("/api/v1/log")["size"] == log["size"]:
            _require_anonymous(session, subjects)
            return make_face(subjects, log_id=log["log_id"], tree_size=log["size"], root=log["root"])
    raise Unavailable("the log grew each time that the library was read", hint="Try again when less is recorded.")


def _subjects(session: Session) -> Iterator[Subject]:
    """Yield the models that are in use and that this version can read."""
    from ledger.core.procedure.legal_days import legal_day_of
    from ledger.supervision.library.public import Subject

    names = {agency["agency_id"]: agency["name"] for agency in session.service.pages("/api/v1/agencies", "agencies")}
    for line in session.service.pages("/api/v1/library", "models", retired="false"):
        entry = session.service.get(at("/api/v1/library/{}", line["model_id"]))
        if entry["card"] is None:
            left_out = session.labels.of("message", "model_left_out")
            session.output.warn(left_out.format(model_id=line["model_id"]))
            continue
        leads = line["leads"]
        if leads is None:
            raise Unauthorized(
                "how leads turned out is told to procuratorates alone",
                code="not_a_procuratorate",
                field="--public",
                hint="Let an auditor or analyst of a procuratorate export it: tally --profile PROFILE library export",
            )
        fields = {name: line[name] for name in ("model_id", "version", "title", "business_line", "figures")}
        fields |= {
            "publisher": names[line["publisher"]],
            "published_on": legal_day_of(line["published_at"]).isoformat(),
            "card": entry["card"],
            "case_study": entry["case_study"],
            "leads": _turned_out(leads),
        }
        yield convert(fields, Subject)


def _turned_out(leads: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Count leads by state, and closed ones by outcome: dismissed leads are both open for closing and closed."""
    counts = Counter({name: count for name, count in leads["by_status"].items() if name != "closed"})
    counts.update(leads["by_outcome"])
    return dict(counts)


def _require_anonymous(session: Session, subjects: list[Subject]) -> None:
    """Check that no published text identifies a case, a thing or a person. Raises RuleRefused at the first."""
    texts = [(subject.model_id, place, text) for subject in subjects for place, text in _texts(subject)]
    for first in range(0, len(texts), ASKED_AT_ONCE):
        asked = msgspec.json.encode({"texts": [text for *_, text in texts[first : first + ASKED_AT_ONCE]]})
        for trace in session.service.post("/api/v1/library/anonymity", asked, dict[str, Any])["traces"]:
            model_id, place, _ = texts[first + trace["number"]]
            if place.startswith("legal_basis") and trace["what"] == "case number":
                continue  # interpretations of law are numbered as cases are
            _refuse(model_id, place, trace)


def _refuse(model_id: str, place: str, trace: Mapping[str, Any]) -> NoReturn:
    raise RuleRefused(
        f"{model_id}, {place}: character {trace['start'] + 1}, {trace['text']!r}, leads to somebody or something: "
        f"{trace['what']}",
        code="not_anonymous",
        field="--public",
        hint=f"Publish a version of the model without it; instead {trace['instead']}.",
    )


def _texts(subject: Subject) -> Iterator[tuple[str, str]]:
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

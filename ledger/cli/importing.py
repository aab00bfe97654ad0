"""Import over HTTP: the service as a target of imports, and the progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from ledger.cli.session import Session
from ledger.client.service import Service
from ledger.config.secret_files import SecretRefused
from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.events import decode_payload, digest_of
from ledger.interchange.imports.chains import Pen
from ledger.interchange.imports.comparison import Seen
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import Found, Importer
from ledger.interchange.imports.mapping import Mapping
from ledger.interchange.imports.plan import Plan, Planner
from ledger.interchange.imports.source_file import SourceFile, Survey, layout_of
from ledger.procedures import shipped_rulebook
from ledger.recording.signing import Actor

KEY_VARIABLE = "TALLYSTICK_IDENTITY_KEY"
LOOK_UP = "/api/v1/imports/look-up"
BATCH = "/api/v1/events/batch"
NDJSON = "application/x-ndjson"
PAGE = 1000  # events of an answer
GROUND = "comparison with the agency's own system"


class _FoundRows(Struct):
    rows: list[Found]


class _Line(Struct):
    status: int
    problem: dict[str, Any] = {}


class _BatchAnswer(Struct):
    results: list[_Line]


class ServiceLedger:
    """The service of a profile as a target of imports (``ledger.interchange.imports.importing.Ledger``)."""

    def __init__(self, service: Service):
        self._service = service

    def look_up(self, source_system: str, plans: Sequence[Plan]) -> Sequence[Found]:
        rows = [{"source_key": plan.source_key, "case_id": plan.case_id} for plan in plans]
        asked = msgspec.json.encode({"source_system": source_system, "rows": rows})
        answers = self._service.post(LOOK_UP, asked, _FoundRows).rows
        if [(answer.source_key, answer.case_id) for answer in answers] != [
            (plan.source_key, plan.case_id) for plan in plans
        ]:
            raise IntegrityBroken("the service answered another question than the one asked", field="rows")
        return answers

    def events(self, case_id: str) -> Sequence[Seen]:
        pages = self._service.pages("/api/v1/events", "events", case_id=case_id, ground=GROUND, limit=PAGE)
        return [_seen(view) for view in pages]

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        answer = self._service.post(BATCH, b"\n".join(submissions), _BatchAnswer, content_type=NDJSON)
        if len(answer.results) != len(submissions):
            raise IntegrityBroken("the service did not answer each event", field="results")
        return [
            None if line.status < 300 else self._service.error(line.status, line.problem) for line in answer.results
        ]


def _seen(view: dict[str, Any]) -> Seen:
    """Return an event of the service as a comparison takes it.

    Raises IntegrityBroken if payload and envelope are not of one event.
    """
    data, signed = canonical.encode(view["payload"]), view["envelope"]["payload_digest"]
    if digest_of(data) != signed:
        raise IntegrityBroken(f"the service shows another payload than {signed}", field="payload")
    sections = view.get("sections")
    fields = None if sections is None else {label: section and section["fields"] for label, section in sections.items()}
    return Seen(decode_payload(data), signed, fields)


class Bar:
    """A bar under which rows go by."""

    def __init__(self, bars: Any, task: Any):
        self._bars = bars
        self._task = task

    def step(self, _row: int = 0) -> None:
        self._bars.advance(self._task)


@contextmanager
def bar(session: Session, doing: str, total: int | None = None) -> Iterator[Bar]:
    """Show a progress bar on standard error, unless that is no terminal or JSON was asked for."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = session.json or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bars:
        yield Bar(bars, bars.add_task(session.labels.of("message", doing), total=total))


class SurveyedFile(NamedTuple):
    """A file that was read once, and what its rows are read by."""

    source: SourceFile
    survey: Survey
    planner: Planner


@contextmanager
def open_surveyed(session: Session, file: Path, mapping: Mapping, key: IdentityKey) -> Iterator[SurveyedFile]:
    """Open and survey the file. Raises MalformedInput if it is not as the mapping says."""
    planner = Planner(mapping, key)
    with SourceFile(file, layout_of(file, mapping)) as source:
        with bar(session, "reading") as progress:
            survey = source.survey(mapping.columns(), planner.fingerprint, progress.step)
        yield SurveyedFile(source, survey, planner)


def make_importer(session: Session, file: SurveyedFile) -> Importer:
    """Return the importer of the file for the session's profile."""
    actor = Actor(*require_officer(session), session.signer)
    pen = Pen(actor, session.log_id, shipped_rulebook())
    return Importer(file.planner, ServiceLedger(session.service), pen, file.survey)


def identity_key(session: Session, given: Path | None) -> IdentityKey:
    """Read the agency's identity key. Raises SecretRefused, with the way to make one, if there is none."""
    agency, _ = require_officer(session)
    path = key_path(session, given)
    if not path.exists():
        raise SecretRefused(
            f"there is no identity key {path}",
            field="--identity-key",
            hint="Copy your agency's, or where it has none yet make it, once: tally import key",
        )
    return IdentityKey.read(agency, path)


def key_path(session: Session, given: Path | None) -> Path:
    """Return where the identity key of the profile's agency is, or the path that the user names."""
    named = os.environ.get(KEY_VARIABLE)
    if given or named:
        return given or Path(named or "")
    agency, _ = require_officer(session)
    return session.profiles.path / "identity" / f"{agency}.key"


def require_officer(session: Session) -> tuple[str, str]:
    """Return agency and officer of the profile. Raises MalformedInput if it names none."""
    profile = session.profile
    if profile.agency is None or profile.officer is None:
        raise MalformedInput(f"the profile {profile.name} names no agency and officer", field="--profile")
    return profile.agency, profile.officer
